//! What a baseline makes of worlds whose parts are unusual, and whether it notices when it is wrong.

use expect_test::expect;

use super::*;
use crate::engine::Profile;
use crate::manifest::Options;
use crate::policy::lower;
use crate::source::Sources;
use crate::world::{self, Assume, World};

mod evidence;
mod guard;
mod proved;

/// A world that can be asked for a baseline.
struct Case {
    world: World,
    hints: Vec<Hint>,
    profile: Profile,
}

impl Case {
    fn new(yaml: &str) -> Self {
        let mut sources = Sources::new();
        sources.add("t.yaml", yaml.into()).unwrap();
        let (world, loaded, hints) =
            world::read_with_hints(&sources, &Options::default(), &Assume::default(), None);
        assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
        Self {
            world,
            hints,
            profile: Profile::reference(),
        }
    }

    fn plan(&self, namespaces: &[&str]) -> Plan {
        let request = Request {
            namespaces: namespaces
                .iter()
                .map(|name| self.world.namespace(name).unwrap())
                .collect(),
            guard: Some(Guard::Kyverno),
            ..Request::default()
        };
        let ruleset = lower(&self.world, &self.profile);
        let eval = Evaluator::new(&self.world, &ruleset, self.profile.switches);
        plan(&eval, &self.hints, &request)
    }

    /// The claims that are not proved, with what speaks against them.
    fn against(mut self, plan: &Plan) -> String {
        let (proofs, _) = prove(&mut self.world, &self.profile, plan);
        let failed = proofs.iter().filter(|proof| !proof.holds());
        let told =
            failed.map(|proof| format!("{}: {}\n", proof.claim.word(), proof.against.join("; ")));
        told.collect()
    }
}

/// The policy of a name, without its head.
fn policy<'p>(plan: &'p Plan, name: &str) -> &'p str {
    let texts = plan
        .namespaces
        .iter()
        .flat_map(|found| found.text.split("---\n"));
    let head = format!("  name: {name}\n");
    let found = texts.into_iter().find(|text| text.contains(&head)).unwrap();
    found.split_once("policyTypes: ").unwrap().1
}

const DNS: &str = "
---
{apiVersion: v1, kind: Service, metadata: {name: kube-dns, namespace: kube-system}, spec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: dns, namespace: kube-system, labels: {k8s-app: kube-dns}}, spec: {containers: [{name: dns}]}, status: {phase: Running, podIP: 10.244.9.9}}
";

fn pod(name: &str, labels: &str, ip: u8) -> String {
    format!(
        "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: a, labels: {{{labels}}}}}, \
         spec: {{containers: [{{name: c, ports: [{{name: http, containerPort: 8080}}]}}]}}, status: \
         {{phase: Running, podIP: 10.244.0.{ip}}}}}\n"
    )
}

/// The shortest selectors by labels that stay; what cannot be told by what a pod has is told by what it
/// lacks (K-42).
#[test]
fn selectors_are_short_and_select_nobody_else() {
    let pods = [
        pod("one", "app: web", 1),
        pod("two", "app: web, tier: front, version: \"2\"", 2),
        pod("three", "app: db, pod-template-hash: x", 3),
        pod(
            "four",
            "app.kubernetes.io/name: pg, app.kubernetes.io/instance: x, helm.sh/chart: pg",
            4,
        ),
        pod("five", "", 5),
    ];
    let case = Case::new(&pods.concat());
    let units = Units::new(&case.world);
    let shown = units.of_namespace(case.world.namespace("a").unwrap());
    let shown: Vec<String> = shown
        .iter()
        .map(|id| {
            let terms = units[*id].selector.iter().map(|term| match term {
                Term::Is(key, value) => format!("{key}={value}"),
                Term::Lacks(key) => format!("!{key}"),
            });
            format!(
                "{}: {}",
                units[*id].name,
                terms.collect::<Vec<_>>().join(" ")
            )
        })
        .collect();
    expect![[r#"
        five: !app !app.kubernetes.io/name
        four: app.kubernetes.io/instance=x app.kubernetes.io/name=pg
        one: app=web !tier
        three: app=db
        two: tier=front"#]]
    .assert_eq(&shown.join("\n"));
    let plan = case.plan(&["a"]);
    assert_eq!(case.against(&plan), "");
}

/// X-10: OpenShift's servers listen on 5353 behind the Service.
#[test]
fn dns_is_where_this_world_has_it() {
    let case = Case::new(&format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: dns-default, namespace: openshift-dns}}, spec: \
         {{clusterIP: 172.30.0.10, selector: {{dns.operator.openshift.io/daemonset-dns: default}}, ports: \
         [{{name: dns, port: 53, protocol: UDP, targetPort: dns}}, {{name: dns-tcp, port: 53, targetPort: \
         dns-tcp}}]}}}}\n---\n{{apiVersion: v1, kind: Pod, metadata: {{name: dns-1, namespace: openshift-dns, \
         labels: {{dns.operator.openshift.io/daemonset-dns: default}}}}, spec: {{containers: [{{name: dns, \
         ports: [{{name: dns, containerPort: 5353, protocol: UDP}}, {{name: dns-tcp, containerPort: \
         5353}}]}}]}}, status: {{phase: Running, podIP: 10.128.0.5}}}}\n{}",
        pod("web", "app: web", 1)
    ));
    let plan = case.plan(&["a"]);
    expect![[r#"
        [Egress]
          egress:
          - to:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: openshift-dns
              podSelector:
                matchLabels:
                  dns.operator.openshift.io/daemonset-dns: default
            ports:
            - protocol: TCP
              port: 5353
            - protocol: UDP
              port: 5353
    "#]]
    .assert_eq(policy(&plan, "allow-dns"));
    assert_eq!(case.against(&plan), "");
}

const CACHE: &str = "
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node-local-dns, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: node-local-dns}}
  template:
    metadata: {labels: {k8s-app: node-local-dns}}
    spec:
      hostNetwork: true
      containers: [{name: cache, args: [-localip, \"169.254.25.10,10.96.0.10\"]}]
";

/// X-9: a cache on every node is named by its address, which its arguments tell.
#[test]
fn a_cache_on_every_node_is_allowed_by_address() {
    let case = Case::new(&format!("{}{DNS}{CACHE}", pod("web", "app: web", 1)));
    let plan = case.plan(&["a"]);
    expect![[r#"
        [Egress]
          egress:
          - to:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: kube-system
              podSelector:
                matchLabels:
                  k8s-app: kube-dns
            - ipBlock:
                cidr: 10.96.0.10/32
            - ipBlock:
                cidr: 169.254.25.10/32
            ports:
            - protocol: TCP
              port: 53
            - protocol: UDP
              port: 53
    "#]]
    .assert_eq(policy(&plan, "allow-dns"));
    assert_eq!(case.against(&plan), "");
    let usual = CACHE.replace("args: [-localip, \"169.254.25.10,10.96.0.10\"]", "");
    let case = Case::new(&format!("{}{DNS}{usual}", pod("web", "app: web", 1)));
    let plan = case.plan(&["a"]);
    assert!(policy(&plan, "allow-dns").contains("cidr: 169.254.20.10/32"));
    assert!(
        plan.namespaces[0]
            .text
            .contains("the input does not tell its address")
    );
}

#[test]
fn a_cluster_without_dns_is_not_proved() {
    let mut sources = Sources::new();
    sources
        .add("t.yaml", pod("web", "app: web", 1).into())
        .unwrap();
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    let (world, _, hints) = world::read_with_hints(&sources, &Options::default(), &assume, None);
    let case = Case {
        world,
        hints,
        profile: Profile::reference(),
    };
    let plan = case.plan(&["a"]);
    assert!(!plan.namespaces[0].text.contains("allow-dns"));
    expect![[r#"
        dns: the input has no DNS server: add its Service and pods, or drop --no-assumed-dns
    "#]]
    .assert_eq(&case.against(&plan));
}

/// A namespace of the cluster itself, if it is asked for: everybody may ask its DNS.
#[test]
fn the_dns_servers_answer_everybody() {
    let case = Case::new(&format!("{}{DNS}", pod("web", "app: web", 1)));
    let plan = case.plan(&["a", "kube-system"]);
    expect![[r#"
        [Ingress, Egress]
          ingress:
          # from every pod of the cluster: the DNS of the cluster answers every pod
          - from:
            - namespaceSelector: {}
            ports:
            - protocol: TCP
              port: 53
            - protocol: UDP
              port: 53
          egress:
          # to any address: it asks the resolvers of its node, whose addresses the input does not tell
          - to:
            - ipBlock:
                cidr: 0.0.0.0/0
            - ipBlock:
                cidr: "::/0"
            ports:
            - protocol: TCP
              port: 53
            - protocol: UDP
              port: 53
    "#]].assert_eq(policy(&plan, "dns"));
    assert_eq!(case.against(&plan), "");
}

const GATEWAY: &str = "
---
{apiVersion: v1, kind: Pod, metadata: {name: proxy, namespace: edge, labels: {gateway.networking.k8s.io/gateway-name: main}}, spec: {containers: [{name: c}]}, status: {phase: Running, podIP: 10.244.1.1}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: a}, spec: {clusterIP: 10.96.0.20, selector: {app: web}, ports: [{port: 80, targetPort: http}]}}
---
{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: web, namespace: a}, spec: {parentRefs: [{name: main, namespace: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]}}
";

#[test]
fn a_route_leads_from_the_proxies_of_its_gateway() {
    let case = Case::new(&format!("{}{DNS}{GATEWAY}", pod("web", "app: web", 1)));
    let plan = case.plan(&["a"]);
    expect![[r#"
        [Ingress]
          ingress:
          # from edge/proxy: HTTPRoute a/web
          - from:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: edge
              podSelector:
                matchLabels:
                  gateway.networking.k8s.io/gateway-name: main
            ports:
            - protocol: TCP
              port: 8080
    "#]]
    .assert_eq(policy(&plan, "web"));
    assert_eq!(case.against(&plan), "");
    let case = Case::new(&format!(
        "{}{DNS}{}",
        pod("web", "app: web", 1),
        GATEWAY.replace("gateway-name: main", "gateway-name: other")
    ));
    let plan = case.plan(&["a"]);
    expect![[r#"
        needs: HTTPRoute a/web leads to Service web, but nothing in the input looks like its controller; name it with --ingress-from NAMESPACE/WORKLOAD
    "#]].assert_eq(&case.against(&plan));
}

/// K-73: where the engine asks policies about probes, nodes are allowed to make them.
#[test]
fn probes_are_allowed_where_the_engine_asks_about_them() {
    let yaml = format!(
        "{{apiVersion: v1, kind: Node, metadata: {{name: node-1}}, status: {{addresses: [{{type: InternalIP, \
         address: 192.0.2.1}}]}}}}\n{}{DNS}",
        pod("web", "app: web", 1).replace(
            "{name: c,",
            "{name: c, livenessProbe: {httpGet: {port: http}}, readinessProbe: {tcpSocket: {port: 9000}},"
        )
    );
    let mut case = Case::new(&yaml);
    assert!(!case.plan(&["a"]).namespaces[0].text.contains("probes"));
    case.profile.switches.set("node_local", "none").unwrap();
    let plan = case.plan(&["a"]);
    expect![[r#"
        [Ingress]
          ingress:
          # from 192.0.2.1/32: probes of a/web
          - from:
            - ipBlock:
                cidr: 192.0.2.1/32
            ports:
            - protocol: TCP
              port: 8080
            - protocol: TCP
              port: 9000
    "#]]
    .assert_eq(policy(&plan, "web"));
    assert_eq!(case.against(&plan), "");
}

/// Pods that no label tells apart get what any of them needs, and that is told.
#[test]
fn who_cannot_be_told_apart_is_named() {
    let workload = |name: &str| {
        format!(
            "---\n{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: {name}, namespace: a, annotations: \
             {{baseline.watertight.dev/internet: \"{}\"}}}}, spec: {{selector: {{matchLabels: {{app: x}}}}, \
             template: {{metadata: {{labels: {{app: x}}}}, spec: {{containers: [{{name: c}}]}}}}}}}}\n",
            name == "one"
        )
    };
    let case = Case::new(&format!("{}{}{DNS}", workload("one"), workload("two")));
    let plan = case.plan(&["a"]);
    expect![[r#"
        nothing-else: egress of a/two is open to 1.0.0.0 on 443/tcp, by NetworkPolicy a/one
    "#]]
    .assert_eq(&case.against(&plan));
}

/// Whatever is wrong with the text is found out: the proof reads it back and knows nothing else.
#[test]
fn a_text_that_says_something_else_is_not_proved() {
    let yaml = format!(
        "{}{}{DNS}{GATEWAY}",
        pod("web", "app: web", 1),
        pod("db", "app: db", 2)
    );
    let tampered = |from: &str, to: &str| {
        let case = Case::new(&yaml);
        let mut plan = case.plan(&["a"]);
        let text = plan.namespaces[0].text.replace(from, to);
        assert_ne!(text, plan.namespaces[0].text, "{from}");
        plan.namespaces[0].text = text;
        case.against(&plan)
    };
    assert_eq!(tampered("# Nothing", "# nothing"), "");
    let lines = [
        tampered("policyTypes: [Ingress, Egress]", "policyTypes: [Egress]"),
        tampered("protocol: UDP", "protocol: SCTP"),
        tampered("port: 8080", "port: 8081"),
        tampered("  - from:\n", "  - {}\n  - from:\n"),
        tampered(
            "  egress:\n",
            "  egress:\n  - to: [{ipBlock: {cidr: 169.254.0.0/16}}]\n",
        ),
        tampered("kind: NetworkPolicy", "kind: NetworkPolcy"),
        tampered("      port: 8080", "      port: 80800"),
    ];
    expect![[r#"
        isolated: a/db is not isolated for ingress
        nothing-else: ingress of a/db is open to a/Pod/web on all tcp

        dns: a/db does not reach kube-system/Pod/dns on 53/udp: NetworkPolicy a/default-deny; a/web does not reach kube-system/Pod/dns on 53/udp: NetworkPolicy a/default-deny
        nothing-else: egress of a/db is open to kube-system/Pod/dns on 53/sctp, by NetworkPolicy a/allow-dns; egress of a/web is open to kube-system/Pod/dns on 53/sctp, by NetworkPolicy a/allow-dns

        needs: edge/proxy -> a/web:8080/tcp is denied
        nothing-else: ingress of a/web is open to edge/Pod/proxy on 8081/tcp, by NetworkPolicy a/web

        nothing-else: ingress of a/web is open to a/Pod/web on 0-8079/tcp, by NetworkPolicy a/web

        metadata: a/db reaches 169.254.0.23 and 5 more addresses, by NetworkPolicy a/allow-dns; a/web reaches 169.254.0.23 and 5 more addresses, by NetworkPolicy a/allow-dns
        nothing-else: egress of a/db is open to 169.254.0.0 on 0-52/tcp, by NetworkPolicy a/allow-dns; egress of a/web is open to 169.254.0.0 on 0-52/tcp, by NetworkPolicy a/allow-dns

        taken: `NetworkPolcy` is no kind of `networking.k8s.io/v1`: a cluster refuses this object; `NetworkPolcy` is no kind of `networking.k8s.io/v1`: a cluster refuses this object; `NetworkPolcy` is no kind of `networking.k8s.io/v1`: a cluster refuses this object

        taken: port 80800 is not between 1 and 65535
    "#]].assert_eq(&lines.join("\n"));
}

/// A part of a YAML text as a text of its own.
fn without_indent(text: &str, indent: &str) -> String {
    let lines = text
        .lines()
        .map(|line| line.strip_prefix(indent).unwrap_or(line));
    lines.map(|line| format!("{line}\n")).collect()
}
