use crate::engine::Profile;
use crate::eval::Evaluator;
use crate::eval::reach::{Change, Reach};
use crate::manifest::Direction;
use crate::policy::testing::{Asked, network_policy, object};
use crate::policy::{Ruleset, lower, relower, relower_kubernetes};
use crate::world::PolicyId;

const OPEN: &str = "{podSelector: {matchLabels: {pod: a}}, policyTypes: [Ingress, Egress], ingress: [{from: \
                    [{podSelector: {}}]}], egress: [{}]}";
const CLOSED: &str = "{podSelector: {}, policyTypes: [Ingress, Egress]}";

fn cilium() -> Asked {
    let own = "{endpointSelector: {}, ingressDeny: [{fromEndpoints: [{matchLabels: {pod: b}}]}], ingress: \
               [{fromEntities: [all], toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{}]}}]}]}";
    let own = object("cilium.io/v2", "CiliumNetworkPolicy", "x/own", own);
    let others = ["x/b", "x/d"].map(|name| network_policy(name, CLOSED));
    Asked::new("cilium", &[], &[&[own][..], &others].concat())
}

/// With policies of Calico before and behind the NetworkPolicies of the same tier.
fn calico(order: u32) -> Asked {
    let own = |name: &str, order: u32| {
        let spec = format!(
            "{{order: {order}, selector: all(), types: [Ingress], ingress: [{{action: Deny, source: {{selector: pod \
             == 'b'}}}}]}}"
        );
        object("projectcalico.org/v3", "GlobalNetworkPolicy", name, &spec)
    };
    let own = [own("default.first", 1), own("knp.default.bb", order)];
    let others = ["x/b", "x/d"].map(|name| network_policy(name, CLOSED));
    Asked::new("calico", &[], &[&own[..], &others].concat())
}

/// What there is of each tier, voids aside; places in the text do not count.
fn shown(ruleset: &Ruleset) -> Vec<String> {
    let tiers = Direction::BOTH.map(|direction| ruleset.tiers(direction));
    let policies = tiers.into_iter().flatten().flat_map(|tier| {
        let policies = tier.policies.iter();
        policies.map(move |policy| format!("{}: {policy:?}", tier.name))
    });
    policies
        .filter(|text| text.contains("isolates: true") || !text.contains("Kubernetes"))
        .collect()
}

/// A policy that is new, changed or gone: the ruleset and the rows are as if made anew.
#[track_caller]
fn follow(case: &mut Asked, engine: &str, reach: &mut Reach, id: PolicyId) {
    let relowered = relower(&mut case.ruleset, &case.world, &case.switches, id).unwrap();
    let fresh = lower(&case.world, &Profile::parse(engine).unwrap());
    assert_eq!(shown(&case.ruleset), shown(&fresh));
    for at in relowered.inserted {
        reach.make_room(at);
    }
    let eval = Evaluator::new(&case.world, &case.ruleset, case.switches);
    let change = Change {
        policies: relowered.changed,
        endpoints: Vec::new(),
    };
    let updated = reach.update(&eval, &change);
    assert!(!updated.rebuilt);
    let anew = Reach::new(&eval);
    for id in case.world.endpoint_ids() {
        for direction in Direction::BOTH {
            let [followed, anew] = [&*reach, &anew].map(|reach| {
                let side = reach.side(direction);
                let bands = side.row(side.row_of(id)).bands().iter();
                let bands = bands.map(|band| {
                    let family = crate::eval::Family::V4;
                    let classes = side.sets().classes(band.allowed, family).into_owned();
                    (
                        band.protocol,
                        band.first,
                        band.last,
                        classes,
                        side.sets().v4(band.allowed).into_owned(),
                    )
                });
                bands.collect::<Vec<_>>()
            });
            assert_eq!(followed, anew, "{} {direction:?}", case.world[id].name);
        }
    }
}

fn change(mut case: Asked, engine: &str) {
    let eval = Evaluator::new(&case.world, &case.ruleset, case.switches);
    let mut reach = Reach::new(&eval);
    let ids: Vec<PolicyId> = case.world.policy_ids().collect();
    let open = Asked::new("reference", &[], &[network_policy("x/c", OPEN)]);
    let open = open.world[open.world.policy_ids().next().unwrap()]
        .spec
        .clone();
    let (first, gone) = (ids[0], case.world[ids[1]].clone());

    let mut edited = case.world[first].clone();
    edited.spec = open.clone();
    let id = case.world.put_policy(edited.clone());
    follow(&mut case, engine, &mut reach, id);

    case.world.remove_policy(ids[1]);
    follow(&mut case, engine, &mut reach, ids[1]);

    // Between the others, before them and behind.
    for name in ["c", "a", "z"] {
        let mut added = edited.clone();
        added.name = name.into();
        let id = case.world.put_policy(added);
        follow(&mut case, engine, &mut reach, id);
    }
    let id = case.world.put_policy(gone);
    follow(&mut case, engine, &mut reach, id);
}

#[test]
fn l_24_changes_are_followed_among_policies_of_cilium() {
    change(cilium(), "cilium");
}

#[test]
fn c_53_changes_are_followed_among_policies_of_calico() {
    change(calico(2000), "calico");
}

#[test]
fn c_1_a_place_between_policies_of_calico_is_not_guessed() {
    let mut case = calico(1000);
    let id = case.world.policy_ids().next().unwrap();
    let mut added = case.world[id].clone();
    added.name = "c".into();
    let id = case.world.put_policy(added);
    assert_eq!(
        relower(&mut case.ruleset, &case.world, &case.switches, id),
        None
    );
}

#[test]
fn who_cannot_follow_policies_that_move_is_told() {
    let mut case = cilium();
    let id = case.world.policy_ids().next().unwrap();
    let mut added = case.world[id].clone();
    added.name = "c".into();
    let id = case.world.put_policy(added);
    assert_eq!(
        relower_kubernetes(&mut case.ruleset, &case.world, &case.switches, id),
        None
    );
}
