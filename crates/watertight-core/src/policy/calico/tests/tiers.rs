//! Tiers, order, types, and the kinds of Kubernetes among them.

use super::*;
use crate::policy::testing::network_policy;

const FROM_W: &str = "source: {namespaceSelector: \"ns == 'w'\"}";

fn allow_w(order: &str) -> String {
    format!("{{order: {order}, ingress: [{{action: Allow, {FROM_W}}}]}}")
}

fn deny(order: &str) -> String {
    format!("{{order: {order}, ingress: [{{action: Deny}}]}}")
}

#[test]
fn c_1_order_then_name() {
    case(&[np("x/a", &deny("2")), np("x/b", &allow_w("1"))]).allows(&["w/a -> x/a 80/tcp"]);
    case(&[np("x/a", &deny("-1")), np("x/b", &allow_w("0"))]).denies(&["w/a -> x/a 80/tcp"]);
    case(&[np("x/a", &allow_w("0.5")), np("x/b", &deny("0.75"))]).allows(&["w/a -> x/a 80/tcp"]);
    // Missing is last; equal orders go by name.
    let last = "{ingress: [{action: Deny}]}";
    case(&[np("x/a", last), np("x/b", &allow_w("1e300"))]).allows(&["w/a -> x/a 80/tcp"]);
    case(&[np("x/b", &deny("1")), np("x/a", &allow_w("1"))]).allows(&["w/a -> x/a 80/tcp"]);
    case(&[np("x/a", &deny("1")), np("x/b", &allow_w("1"))]).denies(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_1_tiers_by_order_then_name() {
    let of = |tier: &str, action: &str| {
        let spec = format!(
            "{{tier: {tier}, selector: \"pcns.ns == 'x'\", ingress: [{{action: {action}}}]}}"
        );
        gnp(&format!("{tier}.p"), &spec)
    };
    let two = |first: &str, second: &str| {
        let tiers = [tier("one", first), tier("two", second)];
        let policies = [of("one", "Allow"), of("two", "Deny")];
        case(&[tiers, policies].concat())
    };
    two("{order: 5}", "{order: 6}").allows(&["w/a -> x/a 80/tcp"]);
    two("{order: 6}", "{order: 5}").denies(&["w/a -> x/a 80/tcp"]);
    two("{order: 5}", "{order: 5}").allows(&["w/a -> x/a 80/tcp"]);
    two("{}", "{order: 5}").denies(&["w/a -> x/a 80/tcp"]);
    two("{}", "{}").allows(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_2_c_6_c_7_a_tier_without_decision() {
    let sec = |spec: &str| tier("sec", spec);
    let egress =
        "{tier: sec, types: [Egress], selector: \"pcns.ns == 'x'\", egress: [{action: Allow}]}";
    let only_egress = case(&[sec("{order: 1}"), gnp("sec.p", egress)]);
    only_egress.allows(&["w/a -> x/a 80/tcp", "x/a -> w/a 80/tcp"]);
    let silent = "{tier: sec, selector: \"pcns.ns == 'x'\", types: [Ingress, Egress]}";
    let denies = case(&[sec("{order: 1}"), gnp("sec.p", silent)]);
    denies.denies(&["w/a -> x/a 80/tcp", "x/a -> w/a 80/tcp"]);
    denies.allows(&["w/a -> z/a 80/tcp"]);
    let passes = case(&[sec("{order: 1, defaultAction: Pass}"), gnp("sec.p", silent)]);
    passes.allows(&["w/a -> x/a 80/tcp", "x/a -> w/a 80/tcp"]);
}

#[test]
fn c_3_c_4_c_5_c_9_actions() {
    let sec = tier("sec", "{order: 1}");
    let first = format!(
        "{{tier: sec, order: 1, selector: \"pcns.ns == 'x'\", ingress: [{{action: Log}}, {{action: Pass, \
         {FROM_W}}}, {{action: Allow, source: {{namespaceSelector: \"ns == 'z'\"}}}}]}}"
    );
    let second = "{tier: sec, order: 2, selector: \"pcns.ns == 'x'\", ingress: [{action: Deny}]}";
    let policies = [sec, gnp("sec.a", &first), gnp("sec.b", second)];
    let passed = case(&policies);
    passed.allows(&["w/a -> x/a 80/tcp", "z/a -> x/a 80/tcp"]);
    passed.denies(&["x/b -> x/a 80/tcp"]);
    let closed = np("x/closed", "{}");
    let closed = case(&[&policies[..], &[closed]].concat());
    closed.denies(&["w/a -> x/a 80/tcp"]);
    closed.allows(&["z/a -> x/a 80/tcp"]);
}

#[test]
fn c_8_c_10_unselected_pods_are_open() {
    case(&[]).allows(&[
        "w/a -> x/a 80/tcp",
        "198.51.100.1 -> x/a 80/tcp",
        "x/a -> 198.51.100.1 1/sctp",
    ]);
}

#[test]
fn c_11_the_default_tier() {
    let late = [
        tier("late", "{order: 1000001}"),
        gnp("late.p", "{tier: late, ingress: [{action: Allow}]}"),
    ];
    let early = [
        tier("early", "{order: 999999}"),
        gnp("early.p", "{tier: early, ingress: [{action: Allow}]}"),
    ];
    let closed = np("x/closed", "{}");
    case(&[&late[..], std::slice::from_ref(&closed)].concat()).denies(&["w/a -> x/a 80/tcp"]);
    case(&[&early[..], std::slice::from_ref(&closed)].concat()).allows(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_12_c_13_both_ends_and_replies() {
    let closed = case(&[np("x/out", "{types: [Egress]}"), np("w/in", "{}")]);
    closed.denies(&[
        "x/a -> z/a 80/tcp",
        "z/a -> w/a 80/tcp",
        "x/a -> w/a 80/tcp",
    ]);
    closed.allows(&["z/a -> x/a 80/tcp", "x/a -> z/a 40000/tcp from=80 reply"]);
}

#[test]
fn c_14_c_15_c_16_types() {
    let with = |spec: &str| case(&[np("x/p", spec)]);
    let (ingress, egress) = (&["w/a -> x/a 80/tcp"][..], &["x/a -> w/a 80/tcp"][..]);
    let both = with("{}");
    both.denies(ingress);
    both.allows(egress);
    let only_egress = with("{egress: [{action: Deny}], ingress: []}");
    only_egress.allows(ingress);
    only_egress.denies(egress);
    let ignored = with("{types: [Egress], ingress: [{action: Deny}], egress: [{action: Allow}]}");
    ignored.allows(ingress);
    ignored.allows(egress);
}

#[test]
fn c_53_c_54_c_55_network_policy_has_order_1000() {
    let from_w =
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: w}}}]}]}";
    let allow_z = "source: {namespaceSelector: \"ns == 'z'\"}";
    let with = |order: &str, action: &str, rule: &str| {
        let spec = format!("{{order: {order}, ingress: [{{action: {action}, {rule}}}]}}");
        case(&[network_policy("x/p", from_w), np("x/q", &spec)])
    };
    with("999", "Deny", FROM_W).denies(&["w/a -> x/a 80/tcp"]);
    with("1001", "Deny", FROM_W).allows(&["w/a -> x/a 80/tcp"]);
    with("999", "Allow", allow_z).allows(&["z/a -> x/a 80/tcp", "w/a -> x/a 80/tcp"]);
    with("1001", "Allow", allow_z).allows(&["z/a -> x/a 80/tcp", "w/a -> x/a 80/tcp"]);
    with("1001", "Allow", FROM_W).denies(&["z/a -> x/a 80/tcp"]);
    // A Pass of the default tier leads past isolation (C-9).
    with("999", "Pass", allow_z).allows(&["z/a -> x/a 80/tcp"]);
}

#[test]
fn c_1_c_53_network_policies_are_sorted_by_the_names_that_calico_gives_them() {
    let from_w =
        "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {ns: w}}}]}]}";
    let with = |name: &str| {
        let spec = format!(
            "{{order: 1000, selector: \"pcns.ns == 'x'\", ingress: [{{action: Deny, {FROM_W}}}]}}"
        );
        case(&[network_policy("x/zzz", from_w), gnp(name, &spec)])
    };
    // `knp.default.zzz` is between the two.
    with("default.k").denies(&["w/a -> x/a 80/tcp"]);
    with("default.l").denies(&["w/a -> x/a 80/tcp"]);
    with("kaa").denies(&["w/a -> x/a 80/tcp"]);
    with("lax").allows(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_56_higher_tiers_come_first() {
    let closed = network_policy("x/p", "{podSelector: {}}");
    let opens = |action: &str| {
        let spec =
            format!("{{tier: sec, selector: \"pcns.ns == 'x'\", ingress: [{{action: {action}}}]}}");
        case(&[
            closed.clone(),
            tier("sec", "{order: 1}"),
            gnp("sec.p", &spec),
        ])
    };
    opens("Allow").allows(&["w/a -> x/a 80/tcp"]);
    opens("Pass").denies(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_57_c_58_blocks_match_pods() {
    let spec = "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.3.0/24]}}]}]}";
    let blocks = case(&[network_policy("x/p", spec)]);
    blocks.allows(&["w/a -> x/a 80/tcp"]);
    blocks.denies(&["z/a -> x/a 80/tcp", "198.51.100.1 -> x/a 80/tcp"]);
}

#[test]
fn c_60_admin_policies() {
    let admin = |name: &str, tier: &str, priority: u16, rules: &str| {
        let spec = format!(
            "{{tier: {tier}, priority: {priority}, subject: {{namespaces: {{matchLabels: {{ns: x}}}}}}, \
             ingress: [{rules}]}}"
        );
        object(
            "policy.networking.k8s.io/v1alpha2",
            "ClusterNetworkPolicy",
            name,
            &spec,
        )
    };
    let from = |action: &str, ns: &str| {
        format!("{{action: {action}, from: [{{namespaces: {{matchLabels: {{ns: {ns}}}}}}}]}}")
    };
    let base = admin("base", "Baseline", 1, &from("Deny", "w"));
    let high = admin("high", "Admin", 1, &from("Pass", "w"));
    let low = admin(
        "low",
        "Admin",
        2,
        &format!("{}, {}", from("Deny", "w"), from("Deny", "z")),
    );
    let all = [base, high, low];
    let plain = case(&all);
    plain.denies(&["w/a -> x/a 80/tcp", "z/a -> x/a 80/tcp"]);
    let between = np("x/p", &allow_w("1"));
    case(&[&all[..], &[between]].concat()).allows(&["w/a -> x/a 80/tcp"]);
    // A tier of lower order comes before them.
    let first = "{tier: sec, selector: \"pcns.ns == 'x'\", ingress: [{action: Allow}]}";
    let first = [tier("sec", "{order: 999}"), gnp("sec.p", first)];
    case(&[&all[..], &first].concat()).allows(&["z/a -> x/a 80/tcp"]);
    // Names break ties.
    let tied = |one: &str, other: &str| {
        case(&[
            admin("a", "Admin", 5, &from(one, "w")),
            admin("b", "Admin", 5, &from(other, "w")),
        ])
    };
    tied("Accept", "Deny").allows(&["w/a -> x/a 80/tcp"]);
    tied("Deny", "Accept").denies(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_62_staged_objects_do_nothing() {
    let staged = "{order: 1, ingress: [{action: Deny}]}";
    let kinds = case(&[
        object(V3, "StagedNetworkPolicy", "x/p", staged),
        object(V3, "StagedGlobalNetworkPolicy", "p", staged),
        object(
            V3,
            "StagedKubernetesNetworkPolicy",
            "x/p",
            "{podSelector: {}}",
        ),
    ]);
    kinds.allows(&["w/a -> x/a 80/tcp"]);
    assert!(kinds.ruleset.ingress.is_empty() && kinds.ruleset.egress.is_empty());
}

#[test]
fn c_76_policies_of_no_tier_are_left_out() {
    let lost = "{tier: nowhere, selector: all(), ingress: [{action: Deny}]}";
    let found = case(&[gnp("nowhere.p", lost), np("x/q", "{types: [Egress]}")]);
    found.allows(&["w/a -> x/a 80/tcp"]);
    let names = crate::policy::without_tier(&found.world);
    let names: Vec<_> = names
        .into_iter()
        .map(|id| found.world.object_name(id))
        .collect();
    assert_eq!(names, ["nowhere.p"]);
    let near = gnp(
        "defualt.p",
        "{tier: defualt, selector: all(), ingress: [{action: Deny}]}",
    );
    let near = case(&[near]);
    let findings = crate::policy::lost_policies(&near.world);
    let [finding] = &*findings else {
        panic!("{findings:?}");
    };
    assert_eq!(
        finding.message,
        "there is no Tier `defualt`: a cluster refuses this policy, and it is left out"
    );
    let fix = finding.fix.as_ref().map(|fix| fix.message.as_str());
    assert_eq!(fix, Some("write `default`"));
    assert!(finding.incomplete);
}

#[test]
fn c_77_kinds_of_one_name() {
    let calico = np(
        "x/p",
        "{selector: \"pod == 'a'\", egress: [{action: Allow}]}",
    );
    let kubernetes = network_policy(
        "x/p",
        "{podSelector: {matchLabels: {pod: b}}, egress: [{}]}",
    );
    let both = case(&[calico, kubernetes]);
    both.allows(&["w/a -> x/a 80/tcp"]);
    both.denies(&["w/a -> x/b 80/tcp"]);
}

#[test]
fn d_11_nothing_is_enforced() {
    with("enforcement=none", &[np("x/p", "{}")]).allows(&["w/a -> x/a 80/tcp"]);
}
