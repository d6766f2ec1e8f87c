use expect_test::expect;

use super::*;
use crate::analysis::parties::{Flow, Parties};
use crate::check::take_for;
use crate::manifest::Options;
use crate::world::{Assume, read};

/// Two nodes with Cilium, and a shop that is closed but for what it needs.
const SHOP: &str = r#"
{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {kubernetes.io/os: linux}}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {kubernetes.io/os: linux}}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: cilium, namespace: kube-system}, spec: {selector: {matchLabels: {k8s-app: cilium}}, template: {metadata: {labels: {k8s-app: cilium}}, spec: {hostNetwork: true, containers: [{name: cilium-agent, image: "quay.io/cilium/cilium:v1.20.0"}]}}}, status: {desiredNumberScheduled: 2, numberReady: 2}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: cilium-config, namespace: kube-system}, data: {enable-policy: default}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: restricted}}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: shop}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: db, namespace: shop}, spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: web, namespace: shop}, spec: {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {nodeName: n1, containers: [{name: a, image: b, ports: [{containerPort: 8080}]}]}, status: {phase: Running, podIP: 10.0.1.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}}, spec: {nodeName: n2, containers: [{name: a, image: b, ports: [{containerPort: 5432}]}]}, status: {phase: Running, podIP: 10.0.1.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: other, namespace: shop, labels: {app: other}}, spec: {nodeName: n2, containers: [{name: a, image: b}]}, status: {phase: Running, podIP: 10.0.1.3}}
"#;

fn shop(changes: &[(&str, &str)], more: &str) -> String {
    let text = changes.iter().fold(SHOP.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    format!("{text}---\n{more}\n")
}

fn header(kinds: &str) -> String {
    format!(
        "{{apiVersion: watertight.dev/v1, kind: Snapshot, metadata: {{name: t}}, kinds: [{kinds}]}}"
    )
}

fn missing(group: &str, resource: &str, kind: &str) -> String {
    header(&format!(
        "{{group: \"{group}\", version: v1, resource: {resource}, kind: {kind}, state: forbidden}}"
    ))
}

/// The answer and the steps, one a line.
fn told(text: &str, target: &str) -> String {
    told_on("", text, target)
}

/// The same for an engine that somebody has named.
fn told_on(engine: &str, text: &str, target: &str) -> String {
    let mut sources = Sources::new();
    sources.add("t.yaml", text.into()).unwrap();
    let (mut world, loaded) = read(&sources, &Options::default(), &Assume::default(), None);
    let profile = match engine {
        "" => take_for(&mut world, Profile::reference(), &[]),
        named => Profile::parse(named).unwrap(),
    };
    let parties = Parties::new(&world, Some("shop"));
    let target = match target {
        "" => Target::Cluster,
        flow if flow.contains("->") => {
            let flow = Flow::parse(flow).unwrap();
            Target::Flow {
                from: parties.select(&flow.from.text).unwrap(),
                to: parties.select(&flow.to.text).unwrap(),
                ports: flow.ports,
            }
        }
        name => match name.strip_prefix("ns:") {
            Some(name) => Target::Namespaces(vec![world.namespace(name).unwrap()]),
            None => Target::Pods(parties.select(name).unwrap()),
        },
    };
    let given = Given {
        sources: &sources,
        world: &world,
        profile: &profile,
        engine_is_named: !engine.is_empty(),
        pinned: &[],
        reading: &loaded.findings,
    };
    let found = diagnose(&given, &target);
    let mut out = format!("{}: {}\n", found.answer, found.because);
    for step in &found.steps {
        out.push_str(&format!("{} {}: {}\n", step.name, step.state, step.summary));
        for item in step.items.iter().filter(|item| item.is_cause) {
            out.push_str(&format!("  {}\n", item.text));
        }
    }
    out
}

/// The first line, and the steps that did not pass.
fn short(text: &str, target: &str) -> String {
    let told = told(text, target);
    let lines = told.lines().enumerate().filter(|(number, line)| {
        let is_step = !line.starts_with(' ');
        *number == 0
            || (is_step && !line.contains(" passed: ") && !line.contains(" not-applicable: "))
    });
    lines.map(|(_, line)| format!("{line}\n")).collect()
}

#[test]
fn what_should_hold() {
    expect![[r#"
        real: Cilium 1.20.0 should enforce policies wherever these pods run
        enforcement passed: Cilium 1.20.0 should enforce policies wherever these pods run
        isolation passed: all 3 pods are isolated in both directions
        tiers not-applicable: there are no policies but NetworkPolicies
        labels passed: every selector matches something
        versions passed: nothing that these policies use is known to be ignored or broken
        host-network passed: 1 group of pods is on the network of its node, where no policy applies to it
    "#]]
    .assert_eq(&told(SHOP, ""));
}

#[test]
fn an_engine_that_is_told_to_enforce_nothing() {
    let never = shop(&[("enable-policy: default", "enable-policy: never")], "");
    expect![[r#"
        decorative: Cilium is told to enforce no policy at all
        enforcement failed: Cilium is told to enforce no policy at all
          Cilium is told to enforce no policy at all
        isolation passed: all 3 pods are isolated in both directions
        tiers not-applicable: there are no policies but NetworkPolicies
        labels passed: every selector matches something
        versions passed: nothing that these policies use is known to be ignored or broken
        host-network passed: none of these pods is on the network of its node
    "#]]
    .assert_eq(&told(&never, "ns:shop"));
}

#[test]
fn a_switch_that_was_not_read_is_unknown() {
    let text = shop(
        &[("name: cilium-config", "name: other-config")],
        &missing("", "configmaps", "ConfigMap"),
    );
    expect![[r#"
        unknown: a switch that turns enforcement off could not be looked at
        enforcement unknown: a switch that turns enforcement off could not be looked at
    "#]]
    .assert_eq(&short(&text, ""));
}

#[test]
fn a_node_without_the_engine_is_a_part() {
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: cilium-1, namespace: kube-system, ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: cilium, uid: u, controller: true}]}, spec: {nodeName: n1, hostNetwork: true, containers: [{name: a, image: b}]}, status: {phase: Running, podIP: 10.9.0.1}}";
    let text = shop(&[], pod);
    expect![[r#"
        partly: 2 of 3 pods run where policies are not enforced as written
        enforcement failed: 2 of 3 pods run where policies are not enforced as written
          node n2, with 2 of these pods: no pod of DaemonSet kube-system/cilium runs here
        isolation passed: all 3 pods are isolated in both directions
        tiers not-applicable: there are no policies but NetworkPolicies
        labels passed: every selector matches something
        versions passed: nothing that these policies use is known to be ignored or broken
        host-network passed: none of these pods is on the network of its node
    "#]]
    .assert_eq(&told(&text, "ns:shop"));
    // All that is asked about runs where the engine does.
    expect![[r#"
        real: Cilium 1.20.0 should enforce policies wherever these pods run
    "#]]
    .assert_eq(&short(&text, "web"));
}

#[test]
fn without_policies_the_engine_does_not_matter() {
    let text = shop(
        &[
            ("kind: NetworkPolicy", "kind: Gone"),
            ("networking.k8s.io/v1", "example.com/v1"),
        ],
        "",
    );
    expect![[r#"
        decorative: no policy isolates any of these pods, so everything is allowed whatever the engine does
        isolation failed: of 3 pods, 0 are isolated for ingress and 0 for egress
    "#]].assert_eq(&short(&text, "ns:shop"));
    // The whole cluster has pods, too.
    expect![[r#"
        decorative: no policy isolates any of these pods, so everything is allowed whatever the engine does
        isolation failed: of 3 pods, 0 are isolated for ingress and 0 for egress
    "#]].assert_eq(&short(&text, ""));
}

/// The seed of it all: "default deny" that lists ingress alone.
#[test]
fn k_7_a_default_deny_for_ingress_leaves_egress_open() {
    let text = shop(
        &[("policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]")],
        "",
    );
    expect![[r#"
        partly: it is isolated for ingress, and open for egress
        enforcement passed: Cilium 1.20.0 should enforce policies wherever these pods run
        isolation failed: it is isolated for ingress, and open for egress
          no policy isolates shop/Pod/db for egress: every connection out of it is allowed
          the default deny `shop/deny` is for ingress only: `shop/Pod/db` and `shop/Pod/other` can connect to everything
        tiers not-applicable: there are no policies but NetworkPolicies
        labels passed: every selector matches something
        versions passed: nothing that these policies use is known to be ignored or broken
        host-network passed: none of these pods is on the network of its node
    "#]].assert_eq(&told(&text, "db"));
}

#[test]
fn labels_that_match_nothing() {
    let text = shop(
        &[(
            "from: [{podSelector: {matchLabels: {app: web}}}]",
            "from: [{podSelector: {matchLabels: {app: wbe}}}]",
        )],
        "",
    );
    expect![[r#"
        partly: 1 selector matches nothing, or not what it seems to
        enforcement passed: Cilium 1.20.0 should enforce policies wherever these pods run
        isolation passed: all 3 pods are isolated in both directions
        tiers not-applicable: there are no policies but NetworkPolicies
        labels failed: 1 selector matches nothing, or not what it seems to
          a peer of NetworkPolicy `shop/db` selects no pod: no pod of `shop` has `app=wbe`
        versions passed: nothing that these policies use is known to be ignored or broken
        host-network passed: none of these pods is on the network of its node
    "#]]
    .assert_eq(&told(&text, "ns:shop"));
}

#[test]
fn a_tier_above_lets_it_through() {
    let admin = "{apiVersion: policy.networking.k8s.io/v1alpha1, kind: AdminNetworkPolicy, metadata: {name: allow-all}, spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Allow, from: [{namespaces: {}}]}], egress: [{action: Allow, to: [{namespaces: {}}]}]}}";
    let ovn = [
        (
            "name: cilium, namespace: kube-system",
            "name: ovnkube-node, namespace: ovn-kubernetes",
        ),
        (
            "quay.io/cilium/cilium:v1.20.0",
            "ghcr.io/ovn-kubernetes/ovn-kube-ubuntu:v1.2.0",
        ),
    ];
    expect![[r#"
        decorative: AdminNetworkPolicy allow-all lets it through before any NetworkPolicy is asked
        enforcement passed: OVN-Kubernetes 1.2.0 should enforce policies wherever these pods run
        isolation failed: policies isolate an end of it, and a rule lets this connection through
          allowed: AdminNetworkPolicy allow-all egress rule 1 allows it
        tiers failed: 1 policy above decides before what was meant to hold
          AdminNetworkPolicy allow-all lets it through before any NetworkPolicy is asked
        labels passed: every selector matches something
        versions passed: nothing that these policies use is known to be ignored or broken
        host-network passed: none of these pods is on the network of its node
    "#]]
    .assert_eq(&told(&shop(&ovn, admin), "shop/other -> shop/db:5432"));
}

#[test]
fn k_71_pods_on_the_network_of_their_node() {
    let text = shop(
        &[(
            "nodeName: n2, containers: [{name: a, image: b, ports: [{containerPort: 5432}]}]",
            "nodeName: n2, hostNetwork: true, containers: [{name: a, image: b, ports: [{containerPort: 5432}]}]",
        )],
        "",
    );
    expect![[r#"
        decorative: its pods are on the network of their node, where no policy applies to them
        labels failed: 2 selectors match nothing, or not what they seem to
        host-network failed: 1 group of pods is on the network of its node, outside of all policies
    "#]]
    .assert_eq(&short(&text, "db"));
    // The same in its namespace, and never "none" for the cluster.
    expect![[r#"
        partly: 2 selectors match nothing, or not what they seem to
        labels failed: 2 selectors match nothing, or not what they seem to
        host-network failed: 1 group of pods is on the network of its node, outside of all policies
    "#]]
    .assert_eq(&short(&text, "ns:shop"));
}

#[test]
fn flows_are_denied_allowed_or_only_denied_on_paper() {
    expect![[r#"
        real: policies deny it, and Cilium 1.20.0 should enforce policies wherever these pods run
    "#]]
    .assert_eq(&short(SHOP, "other -> db:5432"));
    expect![[r#"
        partly: policies isolate an end of it, and a rule lets this connection through
        isolation failed: policies isolate an end of it, and a rule lets this connection through
    "#]]
    .assert_eq(&short(SHOP, "web -> db:5432"));
    let audit = shop(
        &[("enable-policy: default", "policy-audit-mode: \"true\"")],
        "",
    );
    expect![[r#"
        decorative: policies deny it, and Cilium logs what policies deny and lets it through
        enforcement failed: Cilium logs what policies deny and lets it through
    "#]]
    .assert_eq(&short(&audit, "other -> db:5432"));
    // What a rule lets through is no better than the rest where nothing is enforced.
    expect![[r#"
        decorative: policies isolate an end of it, and a rule lets this connection through; and Cilium logs what policies deny and lets it through
        enforcement failed: Cilium logs what policies deny and lets it through
        isolation failed: policies isolate an end of it, and a rule lets this connection through
    "#]].assert_eq(&short(&audit, "web -> db:5432"));
}

#[test]
fn what_could_not_be_listed_is_unknown_and_never_none() {
    let policies = shop(
        &[
            ("kind: NetworkPolicy", "kind: Gone"),
            ("networking.k8s.io/v1", "example.com/v1"),
        ],
        &missing("networking.k8s.io", "networkpolicies", "NetworkPolicy"),
    );
    expect![[r#"
        unknown: networkpolicies.networking.k8s.io could not be listed (403, forbidden): connections that these policies deny are taken for allowed
        isolation unknown: networkpolicies.networking.k8s.io could not be listed (403, forbidden): connections that these policies deny are taken for allowed
    "#]].assert_eq(&short(&policies, "ns:shop"));
    let pods = shop(
        &[("kind: Pod,", "kind: Gone,")],
        &missing("", "pods", "Pod"),
    );
    expect![[r#"
        unknown: pods could not be listed (403, forbidden): selectors are judged against the pods that were read, if any
        isolation unknown: pods could not be listed (403, forbidden): selectors are judged against the pods that were read, if any
        labels unknown: pods could not be listed (403, forbidden): selectors are judged against the pods that were read, if any
        host-network unknown: pods could not be listed (403, forbidden): selectors are judged against the pods that were read, if any
    "#]].assert_eq(&short(&pods, "ns:shop"));
    let tiers = shop(
        &[],
        &missing(
            "cilium.io",
            "ciliumclusterwidenetworkpolicies",
            "CiliumClusterwideNetworkPolicy",
        ),
    );
    expect![[r#"
        unknown: ciliumclusterwidenetworkpolicies.cilium.io could not be listed (403, forbidden): what these objects allow, deny or configure is not known
        tiers unknown: ciliumclusterwidenetworkpolicies.cilium.io could not be listed (403, forbidden): what these objects allow, deny or configure is not known
    "#]].assert_eq(&short(&tiers, "ns:shop"));
}

/// Who may read one namespace alone gets an answer about it.
#[test]
fn m_8_what_was_read_of_the_namespace_is_enough() {
    let partial = |namespace: &str| {
        header(&format!(
            "{{group: networking.k8s.io, version: v1, resource: networkpolicies, kind: NetworkPolicy, state: partial, namespaces: [{namespace}]}}"
        ))
    };
    expect![[r#"
        real: Cilium 1.20.0 should enforce policies wherever these pods run
    "#]]
    .assert_eq(&short(&shop(&[], &partial("shop")), "ns:shop"));
    expect![[r#"
        real: policies deny it, and Cilium 1.20.0 should enforce policies wherever these pods run
    "#]]
    .assert_eq(&short(&shop(&[], &partial("shop")), "other -> db:5432"));
    expect![[r#"
        unknown: networkpolicies.networking.k8s.io could be listed in namespace shop only: connections that these policies deny are taken for allowed
        isolation unknown: networkpolicies.networking.k8s.io could be listed in namespace shop only: connections that these policies deny are taken for allowed
    "#]].assert_eq(&short(&shop(&[], &partial("shop")), ""));
    expect![[r#"
        unknown: networkpolicies.networking.k8s.io could be listed in namespace other only: connections that these policies deny are taken for allowed
        isolation unknown: networkpolicies.networking.k8s.io could be listed in namespace other only: connections that these policies deny are taken for allowed
    "#]].assert_eq(&short(&shop(&[], &partial("other")), "other -> db:5432"));
}

/// The first 24 pods, or the first address of a range, are not all.
#[test]
fn a_flow_is_judged_for_all_that_it_stands_for() {
    let pods: Vec<_> = (1..=40)
        .map(|number| {
            let app = if number == 40 { "web" } else { "worker" };
            format!("{{apiVersion: v1, kind: Pod, metadata: {{name: w{number}, namespace: shop, labels: {{app: {app}, role: w}}}}, spec: {{nodeName: n1, containers: [{{name: a, image: b}}]}}, status: {{phase: Running, podIP: 10.0.2.{number}}}}}")
        })
        .collect();
    let text = shop(&[], &pods.join("\n---\n"));
    expect![[r#"
        partly: policies allow a part of it, and deny the rest
        isolation failed: policies allow a part of it, and deny the rest
    "#]]
    .assert_eq(&short(&text, "label:role=w -> db:5432"));
    let open = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out, namespace: shop}, spec: {podSelector: {matchLabels: {app: other}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.9.8.0/24}}]}]}}";
    let text = shop(&[], open);
    expect![[r#"
        partly: policies allow a part of it, and deny the rest
        isolation failed: policies allow a part of it, and deny the rest
    "#]]
    .assert_eq(&short(&text, "other -> cidr:10.9.0.0/16:443"));
    // From a port range, the middle counts as well.
    expect![[r#"
        partly: policies allow a part of it, and deny the rest
        isolation failed: policies allow a part of it, and deny the rest
    "#]]
    .assert_eq(&short(SHOP, "web -> db:5000-6000"));
}

#[test]
fn k_73_a_node_that_no_policy_is_asked_about() {
    expect![[r#"
        decorative: no policy is asked: a pod and the node it runs on (K-73)
        isolation failed: no policy is asked: a pod and the node it runs on (K-73)
    "#]]
    .assert_eq(&short(SHOP, "node:n2 -> db:5432"));
}

/// Whoever has named the engine is not told to.
#[test]
fn an_engine_that_was_named_and_is_not_seen() {
    let bare = shop(
        &[
            ("kind: DaemonSet", "kind: Gone"),
            ("apiVersion: apps/v1", "apiVersion: e/v1"),
        ],
        "",
    );
    let first = |engine: &str, text: &str| {
        told_on(engine, text, "")
            .lines()
            .take(3)
            .collect::<Vec<_>>()
            .join("\n")
    };
    expect![[r#"
        unknown: no DaemonSet was read, so nothing shows whether the engine that was named runs and is switched on
        enforcement unknown: no DaemonSet was read, so nothing shows whether the engine that was named runs and is switched on
          no DaemonSet was read, so nothing shows whether the engine that was named runs and is switched on"#]].assert_eq(&first("calico@3.31", &bare));
    expect![[r#"
        decorative: flannel connects pods and leaves policies to other programs
        enforcement failed: flannel connects pods and leaves policies to other programs
          flannel connects pods and leaves policies to other programs"#]]
    .assert_eq(&first("flannel", &bare));
    expect![[r#"
        unknown: no DaemonSet was read, so the network engine is not known
        enforcement unknown: no DaemonSet was read, so the network engine is not known
          no DaemonSet was read, so the network engine is not known"#]]
    .assert_eq(&first("", &bare));
    // What the cluster shows has precedence.
    expect![[r#"
        real: Cilium 1.20.0 should enforce policies wherever these pods run
        enforcement passed: Cilium 1.20.0 should enforce policies wherever these pods run
        isolation passed: all 3 pods are isolated in both directions"#]]
    .assert_eq(&first("calico@3.31", SHOP));
}

/// D-4: features that are off by default are judged by the setting, where it was read.
#[test]
fn an_opt_in_that_is_seen_on_or_off() {
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: sig, namespace: shop}, spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5060, protocol: SCTP}]}]}}";
    let versions = |setting: &str| {
        let text = shop(&[("enable-policy: default", setting)], policy);
        let told = told(&text, "ns:shop");
        let lines = told
            .lines()
            .skip_while(|line| !line.starts_with("versions"));
        lines
            .take_while(|line| !line.starts_with("host"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    expect![[r#"
        versions failed: 1 known bug or limit of this release touches these policies
          Cilium 1.20.0 knows SCTP only if it is switched on, and SCTP port 5060 relies on it"#]]
    .assert_eq(&versions("enable-policy: default"));
    expect!["versions passed: nothing that these policies use is known to be ignored or broken"]
        .assert_eq(&versions("enable-sctp: \"true\""));
    expect![[r#"
        versions failed: 1 known bug or limit of this release touches these policies
          Cilium 1.20.0 ignores SCTP, so SCTP port 5060 admits nothing"#]]
    .assert_eq(&versions("enable-sctp: \"false\""));
}

/// A document that cannot be read may be a policy.
#[test]
fn what_is_broken_is_not_taken_for_nothing() {
    let broken = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: x, namespace: shop}, spec: {podSelector: 7}}";
    expect![[r#"
        unknown: a document could not be read: expected a mapping, found a number (`7`)
        enforcement unknown: no DaemonSet was read, so the network engine is not known
          no DaemonSet was read, so the network engine is not known
        isolation unknown: a document could not be read: expected a mapping, found a number (`7`)
          a document could not be read: expected a mapping, found a number (`7`)
        tiers not-applicable: there are no policies but NetworkPolicies
        labels unknown: a document could not be read: expected a mapping, found a number (`7`)
          a document could not be read: expected a mapping, found a number (`7`)
        versions unknown: the engine is not known, so neither are its bugs
        host-network not-applicable: there are no pods here
    "#]]
    .assert_eq(&told(broken, ""));
    expect![[r#"
        unknown: a document could not be read: expected a mapping, found a number (`7`)
        isolation unknown: a document could not be read: expected a mapping, found a number (`7`)
        labels unknown: a document could not be read: expected a mapping, found a number (`7`)
    "#]]
    .assert_eq(&short(&shop(&[], broken), "ns:shop"));
    expect![[r#"
        unknown: a document could not be read: expected a mapping, found a number (`7`)
        isolation unknown: a document could not be read: expected a mapping, found a number (`7`)
        labels unknown: a document could not be read: expected a mapping, found a number (`7`)
    "#]]
    .assert_eq(&short(&shop(&[], broken), "other -> db:5432"));
    let never = shop(
        &[("enable-policy: default", "enable-policy: never")],
        broken,
    );
    expect![[r#"
        decorative: Cilium is told to enforce no policy at all
        enforcement failed: Cilium is told to enforce no policy at all
        isolation unknown: a document could not be read: expected a mapping, found a number (`7`)
        labels unknown: a document could not be read: expected a mapping, found a number (`7`)
    "#]]
    .assert_eq(&short(&never, "other -> db:5432"));
}

/// A section that policyTypes leaves out acts on Cilium (WT105), though all pods are isolated.
#[test]
fn a_failed_step_does_not_say_that_all_is_well() {
    let text = shop(
        &[
            (
                "name: deny, namespace: shop}, spec: {podSelector: {}",
                "name: deny, namespace: shop}, spec: {podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web]}]}",
            ),
            (
                "policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]",
                "policyTypes: [Egress], ingress: [{from: [{podSelector: {}}]}], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 5432}]}]",
            ),
        ],
        "",
    );
    expect![[r#"
        partly: all 3 pods are isolated in both directions, but 1 policy does not do what it seems to
        isolation failed: all 3 pods are isolated in both directions, but 1 policy does not do what it seems to
    "#]].assert_eq(&short(&text, "ns:shop"));
}
