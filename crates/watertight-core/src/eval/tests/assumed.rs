//! M-1..M-3: what the input leaves out.

use super::{Case, policy};
use crate::engine::Switches;
use crate::eval::{Connection, Verdict};
use crate::sets::Protocol;
use crate::world::Assume;

/// Workload templates without any pod; `bare` is a Pod without status, `agent` on the host network.
const TEMPLATES: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: x}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: x}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {hostNetwork: true, containers: [{name: c}]}
---
{apiVersion: v1, kind: Pod, metadata: {name: bare, namespace: x}, spec: {containers: [{name: c}]}}
";

const NODES: &str = "
---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [
  {type: InternalIP, address: 192.168.0.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [
  {type: InternalIP, address: 192.168.0.2}]}}
";

fn templates(policies: &str) -> Case {
    Case::new(&format!("{TEMPLATES}{policies}"), Switches::default())
}

fn from_block(cidr: &str) -> String {
    let spec = format!("podSelector: {{}}\ningress: [{{from: [{{ipBlock: {cidr}}}]}}]");
    policy("x/p", &spec)
}

/// Whether a verdict is allowed, and whether it might be.
fn answer(verdict: Verdict) -> (bool, bool) {
    let uncertain = verdict.uncertain.map(|uncertain| uncertain.id);
    assert!(uncertain.is_none() || uncertain == Some("M-1"));
    (verdict.allowed, uncertain.is_some())
}

#[test]
fn m_1_a_block_matches_an_unknown_address_if_it_covers_the_whole_range() {
    let bare_to_web =
        |cidr: &str| answer(templates(&from_block(cidr)).verdict("x/bare -> x/web:80/tcp"));
    assert_eq!(bare_to_web("{cidr: 0.0.0.0/0}"), (true, false));
    assert_eq!(bare_to_web("{cidr: 10.244.0.0/16}"), (true, false));
    assert_eq!(
        bare_to_web("{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}"),
        (true, false)
    );
    // A part of the range: not matched, and said so.
    assert_eq!(bare_to_web("{cidr: 10.244.7.0/24}"), (false, true));
    assert_eq!(
        bare_to_web("{cidr: 0.0.0.0/0, except: [10.244.7.0/24]}"),
        (false, true)
    );
    // Outside the range, or cut out of the block altogether.
    assert_eq!(bare_to_web("{cidr: 10.0.0.0/16}"), (false, false));
    assert_eq!(
        bare_to_web("{cidr: 0.0.0.0/0, except: [10.0.0.0/8]}"),
        (false, false)
    );
    assert_eq!(
        bare_to_web("{cidr: 0.0.0.0/0, except: [10.244.0.0/17, 10.244.128.0/17]}"),
        (false, false)
    );
    assert_eq!(bare_to_web("{cidr: 2001:db8::/32}"), (false, false));
}

#[test]
fn m_1_each_family_has_its_range() {
    let case = templates(&from_block("{cidr: 'fd00:10:244::/56'}"));
    case.check(&[
        ("x/bare -> x/web:80/tcp v6", true),
        ("x/bare -> x/web:80/tcp v4", false),
        ("x/bare -> x/web:80/tcp", false),
    ]);
}

#[test]
fn m_1_the_range_can_be_given() {
    let assume = Assume {
        pod_cidrs: vec!["10.9.0.0/16".parse().unwrap()],
        ..Assume::default()
    };
    let yaml = format!("{TEMPLATES}{}", from_block("{cidr: 10.9.0.0/16}"));
    let case = Case::assuming(&yaml, Switches::default(), &assume);
    case.check(&[
        ("x/bare -> x/web:80/tcp", true),
        ("x/bare -> x/web:80/tcp v6", false),
    ]);
    assert_eq!(case.exempt_by("x/bare -> x/web:80/tcp v6"), "K-68");
}

/// A rule that may match is no match in the explanation.
#[test]
fn m_1_a_rule_that_may_match_is_shown_as_no_match() {
    let case = templates(&from_block("{cidr: 10.244.7.0/24}"));
    let (from, to) = (case.party("x/bare"), case.party("x/web"));
    let connection = Connection::new(from, to, Protocol::Tcp, 80);
    let explained = case.evaluator().explain(&connection);
    let [step] = explained.ingress.steps[..] else {
        panic!("{explained:?}");
    };
    assert!(!step.peer && step.traffic);
    let uncertain = explained.verdict.uncertain.unwrap();
    assert_eq!(uncertain.rule, step.rule);
}

/// The other side decides whether an unknown address matters.
#[test]
fn m_1_a_side_that_denies_for_certain_settles_it() {
    let part = from_block("{cidr: 10.244.7.0/24}");
    let deny = policy("x/out", "podSelector: {}\npolicyTypes: [Egress]");
    let verdict = templates(&format!("{part}{deny}")).verdict("x/bare -> x/web:80/tcp");
    assert_eq!(answer(verdict), (false, false));
    // A rule that matches for certain wins over one that may.
    let labels = policy(
        "x/q",
        "podSelector: {}\ningress: [{from: [{podSelector: {}}]}]",
    );
    let verdict = templates(&format!("{part}{labels}")).verdict("x/bare -> x/web:80/tcp");
    assert_eq!(answer(verdict), (true, false));
    // So does a port that does not.
    let port = policy(
        "x/p",
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 10.244.7.0/24}}], ports: [{port: 1}]}]",
    );
    let verdict = templates(&port).verdict("x/bare -> x/web:80/tcp");
    assert_eq!(answer(verdict), (false, false));
}

#[test]
fn m_1_a_host_network_pod_has_its_nodes_address() {
    let verdict = |cidr: &str, nodes: &str| {
        let yaml = format!("{nodes}{}", from_block(cidr));
        answer(templates(&yaml).verdict("x/agent -> x/web:80/tcp v4"))
    };
    assert_eq!(verdict("{cidr: 192.168.0.0/24}", NODES), (true, false));
    assert_eq!(verdict("{cidr: 192.168.0.1/32}", NODES), (false, true));
    assert_eq!(verdict("{cidr: 10.244.0.0/16}", NODES), (false, false));
    // No node is known: only all of the family is certain.
    assert_eq!(verdict("{cidr: 0.0.0.0/0}", ""), (true, false));
    assert_eq!(verdict("{cidr: 192.168.0.0/24}", ""), (false, true));
}

/// Two pods of one template are two pods.
#[test]
fn m_1_a_template_does_not_reach_itself_by_loopback() {
    let case = templates(&policy("x/p", "podSelector: {}"));
    case.check(&[
        ("x/web -> x/web:8080/tcp", false),
        ("x/bare -> x/bare:80/tcp", true),
    ]);
    let named = policy(
        "x/p",
        "podSelector: {}\ningress: [{from: [{podSelector: {}}], ports: [{port: http}]}]",
    );
    templates(&named).check(&[
        ("x/web -> x/web:8080/tcp", true),
        ("x/web -> x/web:80/tcp", false),
        ("x/web -> x/bare:8080/tcp", false),
    ]);
}

#[test]
fn m_2_a_dns_server_is_assumed() {
    let to_dns = |labels: &str| {
        policy(
            "x/p",
            &format!(
                "podSelector: {{}}\npolicyTypes: [Egress]\negress: [{{to: [{{namespaceSelector: \
                 {{matchLabels: {{kubernetes.io/metadata.name: kube-system}}}}, podSelector: \
                 {{matchLabels: {{k8s-app: {labels}}}}}}}], ports: [{{port: dns, protocol: UDP}}, \
                 {{port: dns-tcp}}]}}]"
            ),
        )
    };
    templates(&to_dns("kube-dns")).check(&[
        ("x/web -> kube-system/kube-dns:53/udp", true),
        ("x/web -> kube-system/kube-dns:53/tcp", true),
        ("x/web -> kube-system/kube-dns:9153/tcp", false),
    ]);
    templates(&to_dns("coredns")).check(&[("x/web -> kube-system/kube-dns:53/udp", false)]);
    // Not where the input has one.
    let own = "
---
apiVersion: v1
kind: Pod
metadata: {name: dns-1, namespace: infra, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: c}]}
";
    let world = templates(own).world;
    assert!(world.endpoint("kube-system", "kube-dns").is_none());
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    let world = Case::assuming(TEMPLATES, Switches::default(), &assume).world;
    assert!(world.endpoint("kube-system", "kube-dns").is_none());
}

#[test]
fn m_3_a_namespace_without_object_has_its_name_label_only() {
    let other = "
---
{apiVersion: v1, kind: Pod, metadata: {name: e, namespace: other}, spec: {containers: [{name: c}]}}
";
    let from = |selector: &str| {
        let spec =
            format!("podSelector: {{}}\ningress: [{{from: [{{namespaceSelector: {selector}}}]}}]");
        format!("{other}{}", policy("x/p", &spec))
    };
    let named = "{matchLabels: {kubernetes.io/metadata.name: other}}";
    templates(&from(named)).check(&[("other/e -> x/web:80/tcp", true)]);
    for absent in ["{matchLabels: {team: red}}", "{matchLabels: {name: other}}"] {
        templates(&from(absent)).check(&[("other/e -> x/web:80/tcp", false)]);
    }
    let unlabelled = "{matchExpressions: [{key: team, operator: DoesNotExist}]}";
    templates(&from(unlabelled)).check(&[("other/e -> x/web:80/tcp", true)]);
}

/// Objects without a namespace are read into the assumed one.
#[test]
fn m_3_the_default_namespace_can_be_given() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: e}, spec: {containers: [{name: c}]}}";
    for namespace in ["default", "shop"] {
        let assume = Assume {
            namespace: namespace.into(),
            ..Assume::default()
        };
        let case = Case::assuming(
            &format!(
                "{pod}{}",
                policy(&format!("{namespace}/p"), "podSelector: {}")
            ),
            Switches::default(),
            &assume,
        );
        let inside = format!("203.0.113.5 -> {namespace}/e:80/tcp");
        case.check(&[(&inside, false)]);
    }
}
