//! Whether a proof looks at everything that a need is about, and counts each thing once.

use super::*;
use crate::analysis::parties::Parties;

/// A case where these connections were asked for.
fn asked(case: &Case, namespaces: &[&str], flows: &[(&str, &str)]) -> Plan {
    let parties = Parties::new(&case.world, None);
    let allow = flows.iter().map(|(from, to)| {
        let flow = crate::analysis::parties::Flow::parse(&format!("{from} -> {to}")).unwrap();
        Allow {
            text: flow.to.text.clone(),
            from: parties.select(&flow.from.text).unwrap(),
            to: parties.select(&flow.to.text).unwrap(),
            ports: flow.ports,
        }
    });
    let request = Request {
        namespaces: namespaces
            .iter()
            .map(|name| case.world.namespace(name).unwrap())
            .collect(),
        allow: allow.collect(),
        ..Request::default()
    };
    let ruleset = lower(&case.world, &case.profile);
    let eval = Evaluator::new(&case.world, &ruleset, case.profile.switches);
    plan(&eval, &case.hints, &request)
}

/// What is said of `needs` when the text says something else than what was planned.
fn tampered(yaml: &str, flows: &[(&str, &str)], from: &str, to: &str) -> String {
    let case = Case::new(yaml);
    let mut plan = asked(&case, &["a"], flows);
    let text = plan.namespaces[0].text.replace(from, to);
    assert_ne!(text, plan.namespaces[0].text, "{from}: {text}");
    plan.namespaces[0].text = text;
    let told = case.against(&plan);
    let needs = told.lines().find(|line| line.starts_with("needs: "));
    needs.unwrap_or("needs hold").to_owned()
}

const API: &str = "
---
{apiVersion: v1, kind: Service, metadata: {name: kubernetes, namespace: default}, spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, targetPort: 6443}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}, addressType: IPv4, endpoints: [{addresses: [192.0.2.10]}, {addresses: [192.0.2.11]}], ports: [{name: https, port: 6443, protocol: TCP}]}
";

/// Every port, every address and every pod of both ends is asked about, the API server's too.
#[test]
fn all_of_a_need_is_judged() {
    let yaml = format!(
        "{}{}{}{}{DNS}{API}",
        pod("web", "app: web", 1),
        pod("db-1", "app: db, version: \"1\"", 2),
        pod("db-2", "app: db, version: \"2\"", 3),
        pod("api", "app: api", 4),
    )
    .replace(
        "{name: api, namespace: a,",
        "{name: api, namespace: a, annotations: {baseline.watertight.dev/api-server: \"true\"},",
    );
    let case = Case::new(&yaml);
    let flows = [
        ("a/web", "a/api:8080,9000-9002"),
        ("a/web", "cidr:203.0.113.0/24:443"),
        ("a/web", "a/web:7000/udp"),
    ];
    let plan = asked(&case, &["a"], &flows);
    assert_eq!(case.against(&plan), "");
    let lines = [
        tampered(&yaml, &flows, "endPort: 9002", "endPort: 9001"),
        tampered(
            &yaml,
            &flows,
            "cidr: 203.0.113.0/24",
            "cidr: 203.0.113.0/25",
        ),
        tampered(&yaml, &flows, "port: 6443", "port: 6444"),
        tampered(&yaml, &flows, "cidr: 192.0.2.11/32", "cidr: 192.0.2.12/32"),
    ];
    expect![[r#"
        needs: a/web -> a/api:9002/tcp is denied
        needs: a/web -> 203.0.113.0/24:443/tcp is denied, for 203.0.113.128
        needs: a/api -> the API server at 192.0.2.10:6443/tcp is denied
        needs: a/api -> the API server at 192.0.2.11:6443/tcp is denied"#]]
    .assert_eq(&lines.join("\n"));
}

/// Pods of one workload may have labels of their own: no pod stands for the others.
#[test]
fn every_pod_of_a_workload_is_judged() {
    let owned = |name: &str, labels: &str, ip: u8| {
        pod(name, labels, ip).replace(
            "namespace: a,",
            "namespace: a, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: u, controller: true}],",
        )
    };
    let yaml = format!(
        "{}{}{}{DNS}",
        pod("web", "app: web", 1),
        owned("db-0", "app: db, shard: one", 2),
        owned("db-1", "app: db, shard: two", 3),
    );
    let flows = [("a/web", "a/db:5432")];
    let case = Case::new(&yaml);
    assert_eq!(asked(&case, &["a"], &flows).needs.len(), 1);
    let selector = "podSelector:\n    matchLabels:\n      app: db";
    let one = "podSelector:\n    matchLabels:\n      shard: one";
    let peer = "podSelector:\n        matchLabels:\n          app: db";
    let one_peer = "podSelector:\n        matchLabels:\n          shard: one";
    let lines = [
        tampered(&yaml, &flows, selector, one),
        tampered(&yaml, &flows, peer, one_peer),
    ];
    expect![[r#"
        needs: a/web -> a/db:5432/tcp is denied, for pod db-1
        needs: a/web -> a/db:5432/tcp is denied, for pod db-1"#]]
    .assert_eq(&lines.join("\n"));
}

/// What policies of other namespaces deny, or may deny, is not among what is allowed.
#[test]
fn what_others_deny_is_counted_apart() {
    let other = "
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: a}, spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: shut, namespace: b}, spec: {selector: {matchLabels: {app: shut}}, template: {metadata: {labels: {app: shut}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: maybe, namespace: b}, spec: {selector: {matchLabels: {app: maybe}}, template: {metadata: {labels: {app: maybe}}, spec: {containers: [{name: c}]}}}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: shut, namespace: b}, spec: {podSelector: {matchLabels: {app: shut}}, policyTypes: [Ingress]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: maybe, namespace: b}, spec: {podSelector: {matchLabels: {app: maybe}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/24}}]}]}}
";
    let yaml = format!(
        "{}{}{DNS}{other}",
        pod("db", "app: db", 2),
        pod("new", "app: new", 3).replace(", podIP: 10.244.0.3", "")
    );
    let mut case = Case::new(&yaml);
    let flows = [
        ("a/web", "b/shut:80"),
        ("a/web", "b/maybe:80"),
        ("a/web", "a/db:80"),
        ("a/web", "a/new:80"),
        ("a/db", "a/new:80"),
    ];
    let plan = asked(&case, &["a"], &flows);
    let (proofs, notes) = prove(&mut case.world, &case.profile, &plan);
    let needs = proofs.iter().find(|proof| proof.claim == Claim::Needs);
    let notes: Vec<&str> = notes.iter().map(|note| note.text.as_str()).collect();
    let told = format!("{}\n{}", needs.unwrap().text, notes.join("\n"));
    expect![[r#"
        1 connection that is needed is allowed; 2 more depend on policies that are not made here; 2 more are about pods without an address
        a/web -> b/maybe:80/tcp: b/maybe may not let it in (M-1)
        a/web -> b/shut:80/tcp: b/shut does not let it in"#]]
    .assert_eq(&told);
}

/// The DNS servers may be needed for something else as well: that does not make them two.
#[test]
fn who_is_needed_twice_counts_once() {
    let yaml = format!("{}{DNS}", pod("web", "app: web", 1));
    let case = Case::new(&yaml);
    let plan = asked(
        &case,
        &["a"],
        &[
            ("a/web", "kube-system/dns:53"),
            ("a/web", "kube-system/dns:9153"),
        ],
    );
    assert_eq!(case.against(&plan), "");
}

/// A DNS server that speaks no TCP answers, and it is said how.
#[test]
fn dns_over_udp_alone_is_told() {
    let yaml =
        format!("{}{DNS}", pod("web", "app: web", 1)).replace(", {name: dns-tcp, port: 53}", "");
    let mut case = Case::new(&yaml);
    let plan = case.plan(&["a"]);
    let text = &plan.namespaces[0].text;
    assert!(
        text.contains("# Every pod asks the DNS of the cluster, whose Service has no TCP port.")
    );
    let (proofs, _) = prove(&mut case.world, &case.profile, &plan);
    let dns = proofs.iter().find(|proof| proof.claim == Claim::Dns);
    expect!["every pod gets answers from the DNS of the cluster, but over UDP alone where its Service has no TCP port"].assert_eq(&dns.unwrap().text);
}

/// X-1, X-2: only who asks for a metadata service gets to it; resolvers are asked on port 53 alone.
#[test]
fn metadata_is_open_to_who_asks_for_it() {
    let service = "
---
{apiVersion: v1, kind: Service, metadata: {name: creds, namespace: a}, spec: {clusterIP: 10.96.0.30, ports: [{port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: creds, namespace: a, labels: {kubernetes.io/service-name: creds}}, addressType: IPv4, endpoints: [{addresses: [169.254.169.254]}], ports: [{port: 80, protocol: TCP}]}
";
    let yaml = format!("{}{DNS}{service}", pod("web", "app: web", 1)).replace(
        "{name: c, ports",
        "{name: c, env: [{name: URL, value: \"http://creds\"}], ports",
    );
    let told = |flows: &[(&str, &str)]| {
        let mut case = Case::new(&yaml);
        let plan = asked(&case, &["a", "kube-system"], flows);
        let (proofs, _) = prove(&mut case.world, &case.profile, &plan);
        let proof = proofs.iter().find(|proof| proof.claim == Claim::Metadata);
        let proof = proof.unwrap();
        assert!(proof.holds(), "{proof:?}");
        let notes = plan.notes.iter().map(|note| note.text.clone());
        format!("{}\n{}", proof.text, notes.collect::<Vec<_>>().join("\n"))
    };
    expect![[r#"
        no pod of these namespaces reaches a metadata service of any cloud; on port 53 kube-system/dns may ask resolvers at any address
        env URL of a/web leads to the metadata address 169.254.169.254, which stays closed; --allow or an annotation opens it"#]].assert_eq(&told(&[]));
    expect![[r#"
        no pod of these namespaces reaches a metadata service of any cloud, but where that was asked for (1); on port 53 kube-system/dns may ask resolvers at any address
        env URL of a/web leads to the metadata address 169.254.169.254, which stays closed; --allow or an annotation opens it"#]].assert_eq(&told(&[("a/web", "ip:169.254.169.254:80")]));
}
