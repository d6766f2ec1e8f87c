use serde_json::json;

use super::*;

#[test]
fn words_are_replaced_alike_everywhere() {
    let mut names = Renamer::default();
    assert_eq!(names.text("payments-7d9c-0"), "x1-x2-0");
    assert_eq!(
        names.text("app == 'payments' && has(team)"),
        "app == 'x1' && has(x3)"
    );
    assert_eq!(names.text("*.payments.example.com"), "*.x1.x4.com");
    assert_eq!(names.text("kube-system"), "kube-system");
    for address in ["10.0.0.0/8", "fd00::ab1", "192.0.2.1", "2001:db8::/32"] {
        assert_eq!(names.text(address), address);
    }
    assert_eq!(
        names.key("app.kubernetes.io/name"),
        "app.kubernetes.io/name"
    );
    assert_eq!(
        names.key("k8s:io.kubernetes.pod.namespace"),
        "k8s:io.kubernetes.pod.namespace"
    );
    assert_eq!(names.key("example.com/payments"), "x4.com/x1");
}

#[test]
fn what_the_api_fixes_stays() {
    let mut policy = json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "payments", "namespace": "shop", "annotations": {"owner": "Jane"}},
        "spec": {
            "podSelector": {"matchExpressions": [
                {"key": "secret-project", "operator": "NotIn", "values": ["a"]}]},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
                "ports": [{"port": "grpc", "protocol": "TCP"}]}],
        },
    });
    object(&mut policy, &mut Renamer::default());
    let text = policy.to_string();
    for kept in [
        "networking.k8s.io/v1",
        "NotIn",
        "Ingress",
        "10.0.0.0/8",
        "TCP",
    ] {
        assert!(text.contains(kept), "{kept}: {text}");
    }
    for gone in ["payments", "shop", "Jane", "secret", "grpc"] {
        assert!(!text.contains(gone), "{gone}: {text}");
    }
}

/// How a Service is published decides where its node ports lead (K-82).
#[test]
fn how_a_service_is_published_stays() {
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "payments"},
        "spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "externalIPs": ["192.0.2.1"]},
        "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.2", "ipMode": "Proxy"}]}},
    });
    object(&mut service, &mut Renamer::default());
    assert_eq!(service["spec"]["externalTrafficPolicy"], "Local");
    assert_eq!(service["spec"]["externalIPs"][0], "192.0.2.1");
    let ingress = &service["status"]["loadBalancer"]["ingress"][0];
    assert_eq!(*ingress, json!({"ip": "192.0.2.2", "ipMode": "Proxy"}));
    assert!(!service.to_string().contains("payments"), "{service}");
}

#[test]
fn containers_of_engines_keep_what_they_are_told() {
    let mut engine = json!({"name": "cilium-agent", "image": "mirror.corp.example/quay/cilium/cilium:v1.19.2",
        "args": ["--enable-policy=never"], "env": [{"name": "X", "value": "cluster.corp.example"}]});
    value(&mut engine, &mut Renamer::default());
    let text = engine.to_string();
    assert!(
        text.contains("cilium/cilium:v1.19.2") && !text.contains("corp"),
        "{text}"
    );
    let mut own =
        json!({"name": "web", "image": "corp.example/web:1", "args": ["--db=x"], "env": []});
    value(&mut own, &mut Renamer::default());
    assert_eq!(own, json!({"name": "x1"}));
}

#[test]
fn what_detection_asks_containers_for_stays() {
    let mut engine = json!({
        "name": "kube-router", "image": "registry.corp.example:5000/kube-router:v2",
        "args": ["--run-firewall=false", "--cluster=ledger", "--enable-np", "false",
            "exec ledger --run-firewall=false --to=ledger"],
        "env": [{"name": "EXPECT_NPC", "value": "1"}, {"name": "LEDGER", "value": "ledger"}],
        "command": ["ledgerd"],
    });
    value(&mut engine, &mut Renamer::default());
    assert_eq!(
        engine,
        json!({
            "name": "kube-router", "image": "kube-router:v2",
            "args": ["--run-firewall=false", "--cluster=x1", "--enable-np", "false",
                "x2 x1 --run-firewall=false --x3=x1"],
            "env": [{"name": "EXPECT_NPC", "value": "1"}, {"name": "x5", "value": "x1"}],
            "command": ["x4"],
        })
    );
    let mut condition = json!({"type": "Ready", "status": "True"});
    value(&mut condition, &mut Renamer::default());
    assert_eq!(condition, json!({"type": "Ready", "status": "True"}));
}

#[test]
fn groups_and_definitions_of_an_organisation_go() {
    let mut header = Header {
        api_version: "watertight.dev/v1".into(),
        kind: "Snapshot".into(),
        metadata: crate::Named {
            name: "corp".into(),
        },
        cluster: crate::About {
            api_groups: Some(
                [
                    "apps",
                    "cilium.io",
                    "coordination.k8s.io",
                    "corpk8s.io",
                    "ledger.corp.example",
                ]
                .map(Into::into)
                .into(),
            ),
            ..crate::About::default()
        },
        taken: String::new(),
        redacted: false,
        kinds: Vec::new(),
    };
    without_place(&mut header);
    assert_eq!(
        header.cluster.api_groups.unwrap(),
        ["apps", "cilium.io", "coordination.k8s.io"]
    );
    let mut definition = json!({"kind": "CustomResourceDefinition",
        "metadata": {"name": "ledgers.corpk8s.io"}});
    object(&mut definition, &mut Renamer::default());
    assert!(!definition.to_string().contains("corp"), "{definition}");
}

#[test]
fn places_of_images_and_lone_commands_go() {
    for (image, kept) in [
        ("corp.example/kube-router:v2", "kube-router:v2"),
        ("corp:5000/kube-router:v2", "kube-router:v2"),
        ("corp.example/ledger/kube-router:v2", "kube-router:v2"),
        ("quay.io/cilium/cilium:v1", "cilium/cilium:v1"),
        ("docker.io/calico/node:v3", "calico/node:v3"),
        ("kindest/kindnetd:v1", "kindnetd:v1"),
        ("kindnetd:v1", "kindnetd:v1"),
    ] {
        let mut engine = json!({"image": image});
        value(&mut engine, &mut Renamer::default());
        assert_eq!(engine, json!({"image": kept}), "{image}");
    }
    let mut bare = json!({"name": "web", "command": ["ledgerd"], "envFrom": []});
    value(&mut bare, &mut Renamer::default());
    assert_eq!(bare, json!({"name": "x1"}));
}
