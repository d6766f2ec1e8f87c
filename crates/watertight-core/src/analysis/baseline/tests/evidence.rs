//! What is taken for a need, and what is not.

use super::*;

fn needs(case: &Case, plan: &Plan) -> String {
    let name = |whom: &Whom| match whom {
        Whom::Unit(unit) => plan.units.name(&case.world, *unit),
        Whom::Blocks(blocks) => blocks[0].net.to_string(),
        other => format!("{other:?}"),
    };
    let lines = plan.needs.iter().map(|(from, to, need)| {
        let ports: Vec<String> = need
            .ports
            .iter()
            .map(|ports| format!("{ports:?}"))
            .collect();
        format!("{} -> {} {}\n", name(from), name(to), ports.join(" "))
    });
    lines.collect()
}

/// Rules on the ports of DNS are about the DNS of the cluster only where they name it, or everybody.
#[test]
fn other_dns_servers_are_needed_too() {
    let policy = "
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: dns, namespace: a}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: resolver}}}, {ipBlock: {cidr: 192.0.2.53/32}}, {ipBlock: {cidr: 10.96.0.10/32}}, {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}, {namespaceSelector: {}}], ports: [{port: 53, protocol: UDP}]}, {ports: [{port: 53, protocol: TCP}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: etcd, namespace: kube-system, labels: {k8s-app: etcd}}, spec: {containers: [{name: c}]}, status: {phase: Running, podIP: 10.244.9.8}}
";
    let yaml = format!(
        "{}{}{DNS}{policy}",
        pod("web", "app: web", 1),
        pod("resolver", "app: resolver", 2)
    );
    let case = Case::new(&yaml);
    let plan = case.plan(&["a"]);
    expect![[r#"
        a/web -> a/resolver Range(Udp, 53, 53)
        a/web -> 192.0.2.53/32 Range(Udp, 53, 53)
    "#]]
    .assert_eq(&needs(&case, &plan));
    let notes: Vec<_> = plan.notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(notes, [] as [&str; 0]);
    assert_eq!(case.against(&plan), "");
}

/// Annotations of a Namespace count whether or not the input has a namespace `default`, and stay in the
/// Namespace that is written.
#[test]
fn annotations_of_a_namespace_count_and_stay() {
    let namespace = "
---
{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {team: x}, annotations: {baseline.watertight.dev/internet: \"8443\", owner: someone}}}
";
    let case = Case::new(&format!("{}{DNS}{namespace}", pod("web", "app: web", 1)));
    assert!(case.world.namespace("default").is_none());
    let plan = case.plan(&["a"]);
    expect![[r#"
        a/web -> Internet Range(Tcp, 8443, 8443)
    "#]]
    .assert_eq(&needs(&case, &plan));
    let (head, _) = plan.namespaces[0].text.split_once("---\n").unwrap();
    let (_, head) = head.split_once("metadata:\n").unwrap();
    expect![[r#"
          name: a
          labels:
            pod-security.kubernetes.io/enforce: baseline
            team: x
          annotations:
            baseline.watertight.dev/internet: "8443"
            owner: someone
    "#]]
    .assert_eq(&super::without_indent(head, "  "));
    assert_eq!(case.against(&plan), "");
}

/// Workloads of the same labels in several namespaces are one peer, with one comment for each reason,
/// and that peer is a need of each of them again, however many they are.
#[test]
fn many_namespaces_are_one_peer() {
    let others = |count: usize| -> String {
        let one = |n: usize| {
            format!(
                "---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: n{n:02}}}, \
                 spec: {{selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: \
                 web}}}}, spec: {{containers: [{{name: c}}]}}}}}}}}\n"
            )
        };
        (0..count).map(one).collect()
    };
    let rules = |count: usize| -> String {
        let peer = |n: usize| {
            format!(
                "{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: n{n:02}}}}}, \
                 podSelector: {{matchLabels: {{app: web}}}}}}"
            )
        };
        let peers: Vec<String> = (0..count).map(peer).collect();
        format!(
            "---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: db, namespace: \
             a}}, spec: {{podSelector: {{matchLabels: {{app: db}}}}, ingress: [{{from: [{}], ports: [{{port: \
             5432}}]}}]}}}}\n",
            peers.join(", ")
        )
    };
    let pods = pod("db", "app: db", 1);
    let case = Case::new(&format!("{pods}{DNS}{}{}", others(4), rules(4)));
    let plan = case.plan(&["a"]);
    expect![[r#"
        [Ingress]
          ingress:
          # from n00/web, n01/web, n02/web, n03/web: NetworkPolicy a/db
          - from:
            - namespaceSelector:
                matchExpressions:
                - key: kubernetes.io/metadata.name
                  operator: In
                  values:
                  - n00
                  - n01
                  - n02
                  - n03
              podSelector:
                matchLabels:
                  app: web
            ports:
            - protocol: TCP
              port: 5432
    "#]]
    .assert_eq(policy(&plan, "db"));
    assert_eq!(case.against(&plan), "");
    let case = Case::new(&format!("{pods}{DNS}{}{}", others(80), rules(80)));
    let first = case.plan(&["a"]);
    let again = format!("{pods}{DNS}{}---\n{}", others(80), first.namespaces[0].text);
    let case = Case::new(&again);
    let second = case.plan(&["a"]);
    assert_eq!(first.needs.len(), 80);
    assert_eq!(policy(&first, "db"), policy(&second, "db"));
    assert_eq!(case.against(&second), "");
}

/// Workloads of one namespace that a label tells apart are one peer, as are those of several; that peer is a need of
/// each of them again, however many they are.
#[test]
fn many_workloads_of_a_namespace_are_one_peer() {
    let workload = |name: &str, namespace: &str| {
        format!(
            "---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: {namespace}}}, \
             spec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: \
             {name}}}}}, spec: {{containers: [{{name: c}}]}}}}}}}}\n"
        )
    };
    let peer = |name: &str, namespace: &str| {
        format!(
            "{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}, podSelector: \
             {{matchLabels: {{app: {name}}}}}}}"
        )
    };
    let case = |others: &[(&str, &str)]| {
        let mut text = pod("db", "app: db", 1) + DNS;
        for (name, namespace) in others {
            text += &workload(name, namespace);
        }
        let peers: Vec<_> = others.iter().map(|(name, ns)| peer(name, ns)).collect();
        let rule = format!(
            "---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: db, namespace: a}}, \
             spec: {{podSelector: {{matchLabels: {{app: db}}}}, ingress: [{{from: [{}], ports: [{{port: \
             5432}}]}}]}}}}\n",
            peers.join(", ")
        );
        (text, rule)
    };
    let (text, rule) = case(&[
        ("web", "b"),
        ("api", "b"),
        ("api", "c"),
        ("job", "b"),
        ("web", "c"),
    ]);
    let case_of = |rule: &str, text: &str| Case::new(&format!("{text}{rule}"));
    let small = case_of(&rule, &text);
    let plan = small.plan(&["a"]);
    expect![[r#"
        [Ingress]
          ingress:
          # from b/api, b/job, b/web, c/api, c/web: NetworkPolicy a/db
          - from:
            - namespaceSelector:
                matchExpressions:
                - key: kubernetes.io/metadata.name
                  operator: In
                  values:
                  - b
                  - c
              podSelector:
                matchExpressions:
                - key: app
                  operator: In
                  values:
                  - api
                  - web
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: b
              podSelector:
                matchLabels:
                  app: job
            ports:
            - protocol: TCP
              port: 5432
    "#]]
    .assert_eq(policy(&plan, "db"));
    assert_eq!(small.against(&plan), "");
    let names: Vec<String> = (0..80).map(|n| format!("w{n:02}")).collect();
    let others: Vec<_> = names.iter().map(|name| (&**name, "b")).collect();
    let (text, rule) = case(&others);
    let first = case_of(&rule, &text).plan(&["a"]);
    let again = case_of(&format!("---\n{}", first.namespaces[0].text), &text);
    let second = again.plan(&["a"]);
    assert_eq!(first.needs.len(), 80);
    assert_eq!(policy(&first, "db"), policy(&second, "db"));
    assert_eq!(again.against(&second), "");
}
