//! Kinds, versions and groups; Lists and dumps; what stands between the objects.

use expect_test::expect;

use super::*;

#[test]
fn pods_with_and_without_status() {
    expect![[r#"
        Pod(PodSpec { host_network: Some(_), node: Some("n1"), service_account: Some("web"), ports: [ContainerPort { name: Some("http"), number: 8080, protocol: Tcp, span: _ }, ContainerPort { name: None, number: 53, protocol: Udp, span: _ }, ContainerPort { name: Some("mesh"), number: 15001, protocol: Tcp, span: _ }, ContainerPort { name: None, number: 9, protocol: Tcp, span: _ }] }, Some(PodStatus { phase: Running, ips: [10.0.0.9, fd00::9], unready: false }))
    "#]].assert_eq(&only(
        "apiVersion: v1
kind: Pod
metadata: {name: web-0, labels: {app: web}}
spec:
  hostNetwork: true
  nodeName: n1
  serviceAccountName: web
  initContainers: [{name: proxy, restartPolicy: Always, ports: [{name: mesh, containerPort: 15001}]}]
  containers: [{name: web, ports: [{name: http, containerPort: 8080}, {containerPort: 53, protocol: UDP}]}]
  ephemeralContainers: [{name: debug, ports: [{containerPort: 9}]}]
status: {phase: Running, podIP: 10.0.0.9, podIPs: [{ip: 10.0.0.9}, {ip: 'fd00::9'}]}
",
    ));
    let status = |status: &str| {
        with_loaded(
            "t.yaml",
            &format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nstatus: {status}\n"),
            |loaded| match &loaded.objects[0].body {
                Body::Pod(_, status) => status
                    .as_ref()
                    .map(|status| (status.phase, status.ips.len())),
                other => panic!("{other:?}"),
            },
        )
    };
    use crate::manifest::Phase::*;
    assert_eq!(
        status("{phase: Running, podIP: 10.0.0.9}"),
        Some((Running, 1))
    );
    assert_eq!(status("{phase: Pending}"), Some((Pending, 0)));
    assert_eq!(
        status("{phase: Succeeded, podIP: 10.0.0.9}"),
        Some((Finished, 1)),
        "K-86"
    );
    assert_eq!(status("{phase: Failed}"), Some((Finished, 0)));
    assert_eq!(
        status("{phase: Unknown, podIPs: [{ip: 10.0.0.9}]}"),
        Some((Running, 1))
    );
    assert_eq!(status("{}"), None, "a manifest, not a live object");
}

#[test]
fn workloads_of_every_kind() {
    let template = "template: {metadata: {labels: {app: web}}, spec: {hostNetwork: true, \
                    containers: [{ports: [{name: http, containerPort: 80}]}]}}";
    for (api_version, kind) in [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("apps/v1", "DaemonSet"),
        ("apps/v1", "ReplicaSet"),
        ("v1", "ReplicationController"),
        ("batch/v1", "Job"),
        ("batch/v1", "CronJob"),
    ] {
        let spec = match kind {
            "CronJob" => {
                format!("{{schedule: '* * * * *', jobTemplate: {{spec: {{{template}}}}}}}")
            }
            _ => format!("{{replicas: 3, selector: {{}}, {template}}}"),
        };
        let text = format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: web, namespace: x}}\nspec: {spec}\n"
        );
        with_loaded("t.yaml", &text, |loaded| {
            assert!(loaded.findings.is_empty(), "{kind} {:?}", loaded.findings);
            let Body::Workload(workload) = &loaded.objects[0].body else {
                panic!("{kind}");
            };
            assert_eq!(workload.kind.api(), kind);
            assert_eq!(loaded.objects[0].body.kind(), kind);
            assert_eq!(workload.template.labels.len(), 1);
            assert_eq!(workload.pod.ports.len(), 1);
            assert!(workload.pod.host_network.is_some());
            let replicas = (kind != "CronJob").then_some(3);
            assert_eq!(workload.replicas, replicas);
        });
    }
    expect![[r#"
        error[WT003] the Deployment has no pod template
          about: Deployment web
          field: spec
          at t.yaml:4:7: `` 
          fix: add `spec.template`
    "#]]
    .assert_eq(&read(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 1}\n",
    ));
    expect![[r#"
        error[WT003] the Deployment has no pod template
          about: Deployment web
          field: spec
          at t.yaml:1:1: `` 
          fix: add `spec.template`
    "#]]
    .assert_eq(&read(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n",
    ));
    // The template of a CronJob is looked at as well.
    let cron_job = read(
        "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec: {jobTemplate: {spec: \
         {template: {metadata: {labels: {a: true}}, spec: {hostnetwork: true}}}}}\n",
    );
    assert!(
        cron_job.contains("`hostnetwork` no such field"),
        "{cron_job}"
    );
    assert!(
        cron_job.contains("\"true\" => \"\\\"true\\\"\""),
        "{cron_job}"
    );
}

#[test]
fn services_and_what_is_behind_them() {
    expect![[r#"
        Service(Service { selector: [("app", "web")], cluster_ips: [10.96.0.10, fd00:96::10], headless: false, ports: [ServicePort { name: Some("http"), port: 80, target: Name("http"), protocol: Tcp, node_port: Some(30080), span: _ }, ServicePort { name: None, port: 53, target: Number(5353), protocol: Udp, node_port: None, span: _ }, ServicePort { name: None, port: 9, target: Number(9), protocol: Tcp, node_port: None, span: _ }], kind: Some("NodePort"), published: Published { ips: [192.0.2.80, 2001:db8::80], local: true, restricted: false, portless: false } })
    "#]].assert_eq(&only(
        "apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  selector: {app: web}
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10, 'fd00:96::10']
  ports:
  - {name: http, port: 80, targetPort: http, nodePort: 30080}
  - {port: 53, protocol: UDP, targetPort: 5353}
  - {port: 9}
  externalIPs: ['2001:db8::80']
  externalTrafficPolicy: Local
  loadBalancerSourceRanges: []
status: {loadBalancer: {ingress: [{ip: 192.0.2.80, ipMode: VIP}, {ip: 192.0.2.81, ipMode: Proxy}, {hostname: lb.example}]}}
",
    ));
    expect![[r#"
        Service(Service { selector: [], cluster_ips: [], headless: true, ports: [ServicePort { name: None, port: 80, target: Number(8080), protocol: Tcp, node_port: None, span: _ }], kind: None, published: Published { ips: [], local: false, restricted: false, portless: false } })
    "#]].assert_eq(&only(
        "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: None, ports: \
         [{port: 80, targetPort: '8080'}]}\n",
    ));
    expect![[r#"
        EndpointSlice(EndpointSet { service: "web", addresses: [10.0.0.9, 10.0.0.10], ports: [(Some("http"), 8080, Tcp), (None, 53, Udp)] })
    "#]].assert_eq(&only(
        "apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-abc, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.9, 10.0.0.10], conditions: {ready: true}}]
ports: [{name: http, port: 8080}, {name: '', port: 53, protocol: UDP}]
",
    ));
    expect![[r#"
        Endpoints([EndpointSet { service: "kubernetes", addresses: [192.168.0.1], ports: [(Some("https"), 6443, Tcp)] }])
    "#]].assert_eq(&only(
        "apiVersion: v1
kind: Endpoints
metadata: {name: kubernetes}
subsets: [{addresses: [{ip: 192.168.0.1}], notReadyAddresses: [{ip: 192.168.0.2}], ports: [{name: https, port: 6443}]}]
",
    ));
}

#[test]
fn nodes_namespaces_and_accounts() {
    expect![[r#"
        Node([192.168.0.1, fd01::1])
    "#]].assert_eq(&only(
        "apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}, {type: Hostname, address: n1}, {type: ExternalIP, address: 'fd01::1'}]}
",
    ));
    expect![[r#"
        Namespace shop
        ServiceAccount shop/web
    "#]]
    .assert_eq(&read(
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\nspec: {finalizers: \
         [kubernetes]}\n---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web, \
         namespace: shop}\nimagePullSecrets: []\nautomountServiceAccountToken: false\n",
    ));
}

#[test]
fn generated_names() {
    expect![[r#"
        Job load-
    "#]]
    .assert_eq(&read(
        "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: load-}\nspec: {template: \
         {spec: {}}}\n",
    ));
}

const WEB: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"}}"#;
const DB: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"db"}}"#;

#[test]
fn lists() {
    let list =
        format!(r#"{{"apiVersion":"v1","items":[{WEB},{DB}],"kind":"List","metadata":{{}}}}"#);
    expect![[r#"
        Pod web
        Pod db
    "#]]
    .assert_eq(&read_json(&list));
    assert_eq!(read(&list), read_json(&list), "a dump may have any name");
    expect![[r#"
        Pod web
        Pod db
    "#]]
    .assert_eq(&read(
        "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: \
         web}}\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Pod, \
         metadata: {name: db}}\n",
    ));
    // A typed list, as an API server answers: its items have no kind of their own.
    let typed = r#"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"web"}},{"metadata":{"name":"db"}}]}"#;
    expect![[r#"
        Pod web
        Pod db
    "#]]
    .assert_eq(&read_json(typed));
    expect![[r#"
        NetworkPolicy p
    "#]]
    .assert_eq(&read(
        "kind: NetworkPolicyList\napiVersion: networking.k8s.io/v1\nitems:\n- metadata: {name: \
         p}\n  spec: {podSelector: {}}\n",
    ));
    for empty in ["[]", "null"] {
        assert_eq!(
            read_json(&format!(
                r#"{{"apiVersion":"v1","kind":"List","items":{empty}}}"#
            )),
            ""
        );
    }
    expect![[r#"
        Pod web
        not objects: 1
    "#]]
    .assert_eq(&read(
        "- {apiVersion: v1, kind: Pod, metadata: {name: web}}\n- 1\n",
    ));
}

#[test]
fn one_broken_item_hides_no_other() {
    expect![[r#"
        Pod web
        Pod db
        not objects: 1
        broken: 1
        error[WT001] expected a value
          at t.json:1:110: `t` 
        error[WT003] the object has no `apiVersion`
          at t.json:1:115: `` 
          fix: add `apiVersion`
    "#]].assert_eq(&read_json(&format!(
        r#"{{"kind":"List","apiVersion":"v1","items":[{WEB},{{"kind":tru}},{{"metadata":{{"name":"x"}},"kind":"Pod"}},7,{DB}]}}"#
    )));
    expect![[r#"
        NetworkPolicy x/p
        NetworkPolicy x/p
        broken: 1
        error[WT003] expected a mapping, found a number (`1`)
          about: NetworkPolicy x/p
          field: spec.podSelector
          at t.yaml:9:21: `1` 
        error[WT001] unclosed bracket '['
          at t.yaml:11:7: `[` 
    "#]]
    .assert_eq(&read(&format!(
        "{}---\n{}---\nkind: [\n---\n{}",
        policy("{}"),
        policy("{podSelector: 1}"),
        policy("{ingress: []}"),
    )));
    expect![[r#"
        Pod web
        NetworkPolicy x/p
        not objects: 1
        broken: 1
        error[WT001] expected a value
          at c.json:1:6: `` 
    "#]]
    .assert_eq(&read_files(
        &[
            ("a.yaml", "\tx: 1\n"),
            ("b.json", WEB),
            ("c.json", "{\"a\":"),
            ("d.yaml", &policy("{}")),
        ],
        Options::default(),
    ));
}

#[test]
fn one_json_value_a_line() {
    let lines = format!("{WEB}\n{DB}\n");
    assert_eq!(read_json(&lines), "Pod web\nPod db\n");
    assert_eq!(read(&lines), "Pod web\nPod db\n");
    let files = [("dump.ndjson", &*lines), ("<stdin>", &*lines)];
    assert_eq!(read_files(&files, Options::default()).lines().count(), 4);
    let broken = read_json(&format!("{WEB}\n{{\"kind\": }}\n"));
    assert!(
        broken.starts_with("Pod web\nbroken: 1\nerror[WT001]"),
        "{broken}"
    );
}

#[test]
fn json_documents_in_a_yaml_file() {
    assert_eq!(
        read(&format!("---\n{WEB}\n---\n{DB}\n")),
        "Pod web\nPod db\n"
    );
    assert_eq!(read(&format!("{WEB}\n---\n{DB}\n")), "Pod web\nPod db\n");
    assert_eq!(read(&format!("{WEB} # the web\n")), "Pod web\n");
    assert_eq!(read(&format!("# dumped\n{WEB}\n")), "Pod web\n");
}

#[test]
fn what_is_no_kubernetes_object_is_counted() {
    expect![[r#"
        not objects: 3
    "#]]
    .assert_eq(&read(
        "just text\n---\n42\n---\nreplicas: 2\nimage: {tag: x}\n---\n# nothing\n---\nnull\n",
    ));
    expect![[r#"
        error[WT003] the object has no `apiVersion`
          at t.yaml:1:1: `` 
          fix: add `apiVersion`
    "#]]
    .assert_eq(&read("kind: Pod\nmetadata: {name: web}\n"));
    expect![[r#"
        other kind ConfigMap: 1
        other kind Kustomization: 1
    "#]].assert_eq(&read("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: []\n"));
    assert_eq!(read(""), "");
    assert_eq!(read("---\n"), "");
}

#[test]
fn versions_that_are_not_served() {
    expect![[r#"
        error[WT007] `extensions/v1beta1` NetworkPolicy is not served: a cluster refuses this object
          about: NetworkPolicy x/p
          at t.yaml:1:13: `extensions/v1beta1` 
          fix: use `networking.k8s.io/v1`
            t.yaml:1:13: "extensions/v1beta1" => "networking.k8s.io/v1"
    "#]]
    .assert_eq(&read(
        "apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: x}\n",
    ));
    for (api_version, kind, served) in [
        (
            "networking.k8s.io/v1beta1",
            "NetworkPolicy",
            "networking.k8s.io/v1",
        ),
        ("v1", "NetworkPolicy", "networking.k8s.io/v1"),
        ("apps/v1beta2", "Deployment", "apps/v1"),
        ("extensions/v1beta1", "DaemonSet", "apps/v1"),
        ("batch/v1beta1", "CronJob", "batch/v1"),
        (
            "discovery.k8s.io/v1beta1",
            "EndpointSlice",
            "discovery.k8s.io/v1",
        ),
        ("v2", "Pod", "v1"),
    ] {
        let shown = read(&format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n"
        ));
        assert!(shown.starts_with("error[WT007]"), "{shown}");
        assert!(
            shown.contains(&format!("\"{api_version}\" => \"{served}\"")),
            "{shown}"
        );
    }
}

#[test]
fn kinds_of_other_groups_are_other_kinds() {
    for (api_version, kind) in [
        ("serving.knative.dev/v1", "Service"),
        ("cluster.x-k8s.io/v1beta1", "MachineDeployment"),
        ("metrics.k8s.io/v1beta1", "Node"),
        ("networking.k8s.io/v1", "Ingress"),
        ("example.com/v1", "NetworkPolicy"),
    ] {
        let shown = read(&format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n"
        ));
        assert_eq!(shown, format!("other kind {kind}: 1\n"));
    }
}

#[test]
fn policies_that_are_not_evaluated() {
    expect![[r#"
        not evaluated ApplicationNetworkPolicy.networking.k8s.aws: 1
        warning[WT008] 1 ApplicationNetworkPolicy of networking.k8s.aws is not evaluated: the answers leave it out
          at t.yaml:2:7: `ApplicationNetworkPolicy` may allow or deny more
    "#]].assert_eq(&read("apiVersion: networking.k8s.aws/v1alpha1\nkind: ApplicationNetworkPolicy\nmetadata: {name: p, namespace: x}\nspec: {anything: goes}\n"));
    for (api_version, kind) in [
        ("networking.k8s.aws/v1alpha1", "ClusterNetworkPolicy"),
        ("security.istio.io/v1", "AuthorizationPolicy"),
        ("policy.linkerd.io/v1beta3", "Server"),
    ] {
        let shown = read(&format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n"
        ));
        let group = api_version.split('/').next().unwrap();
        assert!(
            shown.starts_with(&format!("not evaluated {kind}.{group}: 1\nwarning[WT008]")),
            "{shown}"
        );
    }
}

#[test]
fn yaml_and_json_give_the_same_objects() {
    let pairs = [
        (
            "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: p
  namespace: x
  annotations:
    ignore.watertight.dev/wt201: known
spec:
  podSelector:
    matchExpressions:
    - key: app
      operator: In
      values: [web, \"a.b\"]
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - namespaceSelector: {}
      podSelector: {matchLabels: {role: \"\"}}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    ports:
    - {port: http}
    - {protocol: UDP, port: 53, endPort: 54}
  egress: []
",
            r#"{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy","metadata":{"name":"p","namespace":"x","annotations":{"ignore.watertight.dev/wt201":"known"}},"spec":{"podSelector":{"matchExpressions":[{"key":"app","operator":"In","values":["web","a.b"]}]},"policyTypes":["Ingress","Egress"],"ingress":[{"from":[{"namespaceSelector":{},"podSelector":{"matchLabels":{"role":""}}},{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.1.0.0/16"]}}],"ports":[{"port":"http"},{"protocol":"UDP","port":53,"endPort":54}]}],"egress":[]}}"#,
        ),
        (
            "apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}, ownerReferences: [{kind: App, name: shop, controller: yes}]}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web, note: \"\\u00e9\"}}
    spec: {containers: [{name: web, ports: [{name: http, containerPort: 0x50}]}]}
",
            r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","labels":{"app":"web"},"ownerReferences":[{"kind":"App","name":"shop","controller":true}]},"spec":{"replicas":2,"template":{"metadata":{"labels":{"app":"web","note":"\u00e9"}},"spec":{"containers":[{"name":"web","ports":[{"name":"http","containerPort":80}]}]}}}}"#,
        ),
    ];
    for (yaml, json) in pairs {
        let objects = |name, text| {
            with_loaded(name, text, |loaded| {
                let shown = format!("{:?}", loaded.objects);
                let findings: Vec<_> = loaded
                    .findings
                    .iter()
                    .map(|finding| &finding.message)
                    .collect();
                format!("{}{findings:?}", without_places(&shown))
            })
        };
        assert_eq!(objects("t.yaml", yaml), objects("t.json", json));
    }
}

#[test]
fn a_status_without_a_phase_still_gives_the_address() {
    use crate::manifest::{Body, Options, Phase, load};
    use crate::source::Sources;
    let status_of = |status: &str| {
        let yaml = format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nstatus: {status}\n");
        let mut sources = Sources::new();
        sources.add("t.yaml", yaml.into()).unwrap();
        let loaded = load(&sources, &Options::default());
        match &loaded.objects[0].body {
            Body::Pod(_, status) => status
                .as_ref()
                .map(|status| (status.phase, status.ips.len())),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(status_of("{podIP: 10.0.0.1}"), Some((Phase::Running, 1)));
    assert_eq!(status_of("{phase: Pending}"), Some((Phase::Pending, 0)));
    assert_eq!(status_of("{}"), None);
}

#[test]
fn a_broken_line_of_line_delimited_json_hides_no_other() {
    use crate::manifest::{Options, load};
    use crate::source::Sources;
    let line =
        |name| format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}"}}}}"#);
    for name in ["t.ndjson", "-"] {
        let text = format!(
            "{}\n{{\"kind\": }}\n{}\n{{\"a\n{}\n",
            line("a"),
            line("b"),
            line("c")
        );
        let mut sources = Sources::new();
        sources.add(name, text.into()).unwrap();
        let loaded = load(&sources, &Options::default());
        let names: Vec<_> = loaded
            .objects
            .iter()
            .map(|object| &*object.meta.name)
            .collect();
        assert_eq!(names, ["a", "b", "c"], "{name}");
        assert_eq!(loaded.broken, 2, "{name}");
    }
}

#[test]
fn long_lists_are_read_whole_wherever_they_are_cut() {
    let pod = |name: usize, volumes: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p{name}"}},"spec":{{"volumes":[{volumes}]}}}}"#
        )
    };
    // Longer than a batch, and like the items of the list: a cut in here is none between items.
    let inner = vec![r#"{"apiVersion":"v1","metadata":{}}"#; 10_000].join(",");
    for inner in ["", inner.as_str()] {
        let mut items: Vec<_> = (0..5000).map(|name| pod(name, "")).collect();
        items[2000] = pod(2000, inner);
        items[3000] = "{\"apiVersion\":tru}".to_owned();
        items[3001] = r#"{"metadata":{"name":"p3001"},"spec":{}}"#.to_owned();
        let text = format!(
            r#"{{"apiVersion":"v1","items":[{}],"kind":"PodList"}}"#,
            items.join(",")
        );
        with_loaded("t.json", &text, |loaded| {
            assert_eq!((loaded.broken, loaded.findings.len()), (1, 1));
            let names = loaded
                .objects
                .iter()
                .map(|object| object.meta.name.to_string());
            let expected = (0..5000).filter(|name| *name != 3000);
            assert!(names.eq(expected.map(|name| format!("p{name}"))));
        });
    }
}
