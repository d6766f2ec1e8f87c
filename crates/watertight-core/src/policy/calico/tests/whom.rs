//! Whom policies and the ends of rules mean.

use super::*;
use crate::policy::Peer;

/// A policy for all of `x` with one rule that allows.
fn from(source: &str) -> Case {
    from_with(source, &[])
}

fn from_with(source: &str, more: &[String]) -> Case {
    let policy = np(
        "x/p",
        &format!("{{ingress: [{{action: Allow, source: {{{source}}}}}]}}"),
    );
    case(&[&[policy], more].concat())
}

/// The same in a policy of no namespace.
fn from_anywhere(source: &str, more: &[String]) -> Case {
    let spec = format!(
        "{{selector: \"pcns.ns == 'x'\", ingress: [{{action: Allow, source: {{{source}}}}}]}}"
    );
    case(&[&[gnp("p", &spec)], more].concat())
}

pub(super) fn accounts() -> [String; 2] {
    let account = |name: &str, role: &str| {
        let plain = object("v1", "ServiceAccount", name, "{}").replace("\nspec: {}", "");
        plain.replacen(
            "metadata: {",
            &format!("metadata: {{labels: {{role: {role}}}, "),
            1,
        )
    };
    [account("x/builder", "ci"), account("w/default", "plain")]
}

#[test]
fn c_17_policies_of_a_namespace() {
    let some = case(&[np("x/p", "{selector: \"pod == 'a'\"}")]);
    some.denies(&["w/a -> x/a 80/tcp"]);
    some.allows(&[
        "w/a -> x/b 80/tcp",
        "x/b -> w/a 80/tcp",
        "z/a -> w/a 80/tcp",
    ]);
    for all in ["{}", "{selector: ''}", "{selector: all()}"] {
        case(&[np("x/p", all)]).denies(&["w/a -> x/a 80/tcp", "w/a -> x/b 80/tcp"]);
    }
}

#[test]
fn c_18_c_19_policies_of_no_namespace() {
    let all = case(&[gnp("p", "{}")]);
    all.denies(&["w/a -> x/a 80/tcp", "x/a -> w/a 80/tcp"]);
    let some = case(&[gnp(
        "p",
        "{selector: \"pod == 'a'\", namespaceSelector: \"team == 'red'\"}",
    )]);
    some.denies(&["w/a -> x/a 80/tcp", "w/a -> z/a 80/tcp"]);
    some.allows(&["w/a -> x/b 80/tcp", "x/a -> w/a 80/tcp"]);
    let not = case(&[gnp("p", "{namespaceSelector: \"!(ns in {'x', 'z'})\"}")]);
    not.denies(&["x/a -> w/a 80/tcp"]);
    not.allows(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_20_c_21_service_accounts_and_inherited_labels() {
    let selects = |spec: &str| case(&[&[gnp("p", spec)], &accounts()[..]].concat());
    for spec in [
        "{serviceAccountSelector: \"role == 'ci'\"}",
        "{selector: \"pcsa.role == 'ci'\"}",
        "{selector: \"projectcalico.org/serviceaccount == 'builder'\"}",
        "{selector: \"projectcalico.org/serviceaccount starts with 'build'\"}",
        "{selector: \"pcsa.projectcalico.org/name in {'builder'}\"}",
        "{selector: \"pod == 'a' && projectcalico.org/namespace == 'x'\"}",
        "{selector: \"pod == 'a' && pcns.projectcalico.org/name == 'x'\"}",
        "{selector: \"pod == 'a' && pcns.kubernetes.io/metadata.name == 'x'\"}",
        "{selector: \"pod == 'a' && projectcalico.org/namespace != 'w' && pcns.ns != 'z'\"}",
    ] {
        let found = selects(spec);
        found.denies(&["w/a -> x/a 80/tcp"]);
        found.allows(&[
            "x/a -> x/b 80/tcp",
            "x/a -> w/a 80/tcp",
            "w/a -> z/a 80/tcp",
        ]);
    }
    let in_x = np("x/p", "{serviceAccountSelector: has(role)}");
    let in_x = case(&[&[in_x], &accounts()[..]].concat());
    in_x.denies(&["w/a -> x/a 80/tcp"]);
    in_x.allows(&["w/a -> x/b 80/tcp"]);
    let kubernetes = selects("{selector: \"projectcalico.org/orchestrator == 'k8s'\"}");
    kubernetes.denies(&["x/b -> x/a 80/tcp", "x/a -> z/a 80/tcp"]);
    let other = selects("{selector: \"projectcalico.org/orchestrator == 'openstack'\"}");
    other.allows(&["x/b -> x/a 80/tcp"]);
}

#[test]
fn c_21_own_labels_win() {
    let own = "
---
{apiVersion: v1, kind: Pod, metadata: {name: own, namespace: x, labels: {pcns.ns: z}},
 spec: {containers: [{}]}, status: {phase: Running, podIPs: [{ip: 10.0.1.9}]}}
";
    let z = case(&[gnp("p", "{selector: \"pcns.ns == 'z'\"}"), own.to_owned()]);
    z.denies(&["w/a -> x/own 80/tcp", "w/a -> z/a 80/tcp"]);
    z.allows(&["w/a -> x/a 80/tcp"]);
    let x = case(&[gnp("p", "{selector: \"pcns.ns == 'x'\"}"), own.to_owned()]);
    x.denies(&["w/a -> x/a 80/tcp"]);
    x.allows(&["w/a -> x/own 80/tcp"]);
}

#[test]
fn c_22_c_41_host_network_pods_are_hosts() {
    let all = case(&[gnp("p", "{selector: \"pod == 'h'\"}")]);
    all.allows(&["w/a -> x/h 80/tcp"]);
    from("selector: \"pod == 'h'\"").denies(&["x/h -> x/a 80/tcp"]);
    from("nets: [192.168.0.10/32]").allows(&["x/h -> x/a 80/tcp"]);
}

#[test]
fn c_35_c_43_conditions_add_up() {
    let both = from("nets: [10.0.2.0/24, 198.51.100.0/24], namespaceSelector: \"team == 'blue'\"");
    both.allows(&["w/a -> x/a 80/tcp"]);
    both.denies(&["198.51.100.1 -> x/a 80/tcp", "z/a -> x/a 80/tcp"]);
    let nets = from("nets: [10.0.0.0/8, 198.51.100.0/24], notNets: [10.0.3.0/24]");
    nets.allows(&["w/a -> x/a 80/tcp", "198.51.100.1 -> x/a 80/tcp"]);
    nets.denies(&["z/a -> x/a 80/tcp", "203.0.113.1 -> x/a 80/tcp"]);
    from("").allows(&["w/a -> x/a 80/tcp", "2001:db8::1 -> x/a 80/tcp"]);
}

#[test]
fn c_36_the_own_end_is_asked_as_well() {
    let rules = "[{action: Deny, destination: {selector: \"pod == 'a'\", nets: [10.0.1.0/24]}}, \
                 {action: Allow, destination: {notNets: [10.0.1.2/32]}}, {action: Allow, source: \
                 {namespaceSelector: \"ns == 'z'\"}, destination: {notSelector: \"pod == 'a'\"}}]";
    let ingress = case(&[np("x/p", &format!("{{ingress: {rules}}}"))]);
    ingress.denies(&[
        "w/a -> x/a 80/tcp",
        "w/a -> x/b 80/tcp",
        "z/a -> x/a 80/tcp",
    ]);
    ingress.allows(&["z/a -> x/b 80/tcp"]);
    let egress = "{selector: \"pcns.ns == 'x'\", types: [Egress], egress: [{action: Allow, source: \
                  {serviceAccounts: {names: [builder]}}}]}";
    let egress = case(&[gnp("p", egress)]);
    egress.allows(&["x/a -> w/a 80/tcp"]);
    egress.denies(&["x/b -> w/a 80/tcp"]);
    // A condition for nobody does not open the tier.
    let nobody = "{ingress: [{action: Allow, destination: {selector: \"pod == 'nobody'\"}}]}";
    case(&[np("x/p", nobody)]).denies(&["w/a -> x/a 80/tcp"]);
    // The selector of the own end is one of the own namespace.
    let elsewhere = "{ingress: [{action: Allow, destination: {namespaceSelector: \"ns == 'z'\"}}]}";
    case(&[np("x/p", elsewhere)]).denies(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_37_c_38_namespaces_of_rules() {
    let own = from("selector: \"pod == 'b'\"");
    own.allows(&["x/b -> x/a 80/tcp"]);
    own.denies(&["w/a -> x/a 80/tcp", "198.51.100.1 -> x/a 80/tcp"]);
    let known = from("selector: all()");
    known.allows(&["x/b -> x/a 80/tcp"]);
    known.denies(&["w/a -> x/a 80/tcp", "198.51.100.1 -> x/a 80/tcp"]);
    let all = from_with(
        "namespaceSelector: all()",
        &[set("s", "a: b", "198.51.100.0/24")],
    );
    all.allows(&["w/a -> x/a 80/tcp", "x/b -> x/a 80/tcp"]);
    all.denies(&["198.51.100.1 -> x/a 80/tcp"]);
    let both = from("namespaceSelector: \"ns == 'w'\", selector: \"pod == 'a'\"");
    both.allows(&["w/a -> x/a 80/tcp"]);
    both.denies(&["z/a -> x/a 80/tcp"]);
    let global = from_with(
        "namespaceSelector: global()",
        &[
            set("s", "a: b", "198.51.100.0/24"),
            set("x/s", "a: b", "203.0.113.0/24"),
        ],
    );
    global.allows(&["198.51.100.1 -> x/a 80/tcp"]);
    global.denies(&["203.0.113.1 -> x/a 80/tcp", "x/b -> x/a 80/tcp"]);
    // What is only negative holds for what lives in no namespace, too.
    let negative = from_with(
        "namespaceSelector: \"ns != 'w'\"",
        &[set("s", "a: b", "198.51.100.0/24")],
    );
    negative.allows(&["198.51.100.1 -> x/a 80/tcp", "z/a -> x/a 80/tcp"]);
    negative.denies(&["w/a -> x/a 80/tcp", "203.0.113.1 -> x/a 80/tcp"]);
}

#[test]
fn c_39_selectors_of_no_namespace() {
    let more = [
        set("s", "pod: a", "198.51.100.0/24"),
        set("w/s", "pod: a", "203.0.113.0/24"),
    ];
    let anywhere = from_anywhere("selector: \"pod == 'a'\"", &more);
    anywhere.allows(&[
        "w/a -> x/a 80/tcp",
        "198.51.100.1 -> x/a 80/tcp",
        "203.0.113.1 -> x/a 80/tcp",
    ]);
    anywhere.denies(&["x/b -> x/a 80/tcp", "192.0.2.1 -> x/a 80/tcp"]);
}

#[test]
fn c_40_service_accounts_of_rules() {
    let named = from("serviceAccounts: {names: [builder, default]}");
    named.allows(&["x/b -> x/a 80/tcp", "x/a -> x/b 80/tcp"]);
    named.denies(&["w/a -> x/a 80/tcp"]);
    let elsewhere = "serviceAccounts: {selector: has(role)}, namespaceSelector: \"ns == 'w'\"";
    let elsewhere = from_with(elsewhere, &accounts());
    elsewhere.allows(&["w/a -> x/a 80/tcp"]);
    elsewhere.denies(&["x/a -> x/b 80/tcp", "z/a -> x/a 80/tcp"]);
    let both = "serviceAccounts: {names: [builder], selector: \"role == 'plain'\"}";
    from_with(both, &accounts()).denies(&["x/a -> x/b 80/tcp"]);
    let anywhere = from_anywhere("serviceAccounts: {names: [default]}", &[]);
    anywhere.allows(&["w/a -> x/a 80/tcp"]);
    anywhere.denies(&["x/a -> x/b 80/tcp"]);
}

#[test]
fn c_41_sets_cover_pods_as_well() {
    let covered = from_anywhere("selector: has(net)", &[set("s", "net: b", "10.0.2.0/24")]);
    covered.allows(&["w/a -> x/a 80/tcp"]);
    covered.denies(&["z/a -> x/a 80/tcp"]);
    let own = "{selector: \"pcns.ns == 'x'\", ingress: [{action: Allow, destination: {selector: has(net)}}]}";
    let own = case(&[gnp("p", own), set("s", "net: b", "10.0.1.1/32")]);
    own.allows(&["w/a -> x/a 80/tcp"]);
    // The own end is meant by the address that the connection has (C-36, C-44).
    own.denies(&["w/a -> x/b 80/tcp", "w/a -> x/a 80/tcp v6"]);
}

#[test]
fn c_42_complements() {
    let not = from_anywhere(
        "notSelector: \"pod == 'a'\"",
        &[set("s", "pod: a", "198.51.100.0/24")],
    );
    not.allows(&["x/b -> x/a 80/tcp", "203.0.113.1 -> x/a 80/tcp"]);
    not.denies(&["w/a -> x/a 80/tcp", "198.51.100.1 -> x/a 80/tcp"]);
    let known = from_anywhere(
        "selector: \"!has(pod)\"",
        &[set("s", "a: b", "198.51.100.0/24")],
    );
    known.allows(&["198.51.100.1 -> x/a 80/tcp"]);
    known.denies(&["203.0.113.1 -> x/a 80/tcp", "w/a -> x/a 80/tcp"]);
    // In a policy of a namespace, any selector at all keeps a rule to that namespace.
    let own = from("notSelector: \"pod == 'a'\"");
    own.allows(&["x/b -> x/a 80/tcp"]);
    own.denies(&["203.0.113.1 -> x/a 80/tcp", "z/a -> x/a 80/tcp"]);
}

#[test]
fn c_18_c_38_all_namespaces_are_any_pod() {
    let spec = "{namespaceSelector: all(), ingress: [{action: Allow, source: {namespaceSelector: all()}}]}";
    let all = case(&[gnp("p", spec)]);
    let policy = &all.ruleset.ingress[0].policies[0];
    let Peer::Endpoints(peer, _) = &policy.rules[0].peers[0] else {
        panic!("{:?}", policy.rules);
    };
    // Nothing is left that would have to be put into words.
    for selector in [policy.subject.endpoints().unwrap(), peer] {
        assert!(
            selector.also.is_none() && selector.pods.is_empty(),
            "{selector:?}"
        );
    }
    all.allows(&["w/a -> x/a 80/tcp"]);
    all.denies(&["203.0.113.1 -> x/a 80/tcp"]);
}

#[test]
fn c_44_nets_are_not_of_a_namespace() {
    from("nets: [10.0.2.0/24]").allows(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_50_sources_behind_services() {
    let service = "
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: w}
spec: {selector: {pod: a}, ports: [{port: 80, targetPort: 8080}]}
";
    let behind = from_with("services: {name: web, namespace: w}", &[service.to_owned()]);
    behind.allows(&["w/a -> x/a 80/tcp", "w/a -> x/a 9/udp"]);
    behind.denies(&["z/a -> x/a 80/tcp"]);
    from("services: {name: missing, namespace: w}").denies(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_59_finished_pods_are_nobody() {
    let finished = "
---
{apiVersion: v1, kind: Pod, metadata: {name: done, namespace: w, labels: {pod: done}},
 spec: {containers: [{}]}, status: {phase: Succeeded, podIPs: [{ip: 10.0.2.77}]}}
";
    let done = from_anywhere("selector: \"pod == 'done'\"", &[finished.to_owned()]);
    done.denies(&["10.0.2.77 -> x/a 80/tcp"]);
}

#[test]
fn c_61_sets_of_a_namespace() {
    let more = [
        set("s", "role: s", "192.0.2.0/24"),
        set("x/s", "role: s", "198.51.100.0/24"),
        set("w/s", "role: s", "203.0.113.0/24"),
    ];
    let own = from_with("selector: \"role == 's'\"", &more);
    own.allows(&["198.51.100.1 -> x/a 80/tcp"]);
    own.denies(&["192.0.2.1 -> x/a 80/tcp", "203.0.113.1 -> x/a 80/tcp"]);
    let theirs = from_with(
        "namespaceSelector: \"team == 'blue'\", selector: has(role)",
        &more,
    );
    theirs.allows(&["203.0.113.1 -> x/a 80/tcp"]);
    theirs.denies(&["192.0.2.1 -> x/a 80/tcp", "198.51.100.1 -> x/a 80/tcp"]);
}
