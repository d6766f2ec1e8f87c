//! Rows that follow changes against rows made anew.

use std::cell::RefCell;
use std::collections::BTreeMap;

use proptest::prelude::*;
use watertight_core::engine::Switches;
use watertight_core::eval::reach::{Change, Outcome, Reach};
use watertight_core::eval::{Connection, Evaluator, Party};
use watertight_core::manifest::Options;
use watertight_core::policy::{lower_kubernetes, relower_kubernetes};
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume, EndpointId, Policy, PolicyId};

use crate::runner::hold;
use crate::worlds::read::{Read, read};
use crate::worlds::{Described, at_addresses, between_parties, readings, sample, worlds};

/// A change, as numbers that pick among what is there.
#[derive(Clone, Debug)]
enum Step {
    /// A policy goes.
    RemovePolicy(usize),
    /// A policy gets the spec of another one.
    CopySpec(usize, usize),
    /// A new policy, like another one, in the namespace of a third.
    AddPolicy(usize, usize),
    /// A policy comes that was not there when the rows were made.
    Restore(usize),
    /// A pod goes.
    RemovePod(usize),
    /// A pod gets the labels, the ports or the addresses of another one.
    CopyPod(usize, usize, u8),
    /// A new pod, like another one but for its address.
    AddPod(usize, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = || 0..64usize;
    let step = prop_oneof![
        1 => which().prop_map(Step::RemovePolicy),
        1 => (which(), which()).prop_map(|(to, from)| Step::CopySpec(to, from)),
        1 => (which(), which()).prop_map(|(like, place)| Step::AddPolicy(like, place)),
        3 => which().prop_map(Step::Restore),
        1 => which().prop_map(Step::RemovePod),
        1 => (which(), which(), 0..3u8).prop_map(|(to, from, what)| Step::CopyPod(to, from, what)),
        1 => (which(), any::<u8>()).prop_map(|(like, address)| Step::AddPod(like, address)),
    ];
    proptest::collection::vec(step, 1..6)
}

impl Step {
    /// Changes the world and says what is new.
    fn apply(&self, read: &mut Read, held_back: &[Policy], count: usize) -> Option<Change> {
        let policies: Vec<PolicyId> = read.world.policy_ids().collect();
        let pods: Vec<EndpointId> = read.world.endpoint_ids().collect();
        let policy = |at: usize| policies.get(at % policies.len().max(1)).copied();
        let pod = |at: usize| pods.get(at % pods.len().max(1)).copied();
        let world = &mut read.world;
        let changed_policy = match self {
            Self::RemovePolicy(at) => {
                let id = policy(*at)?;
                world.remove_policy(id);
                Some(id)
            }
            Self::Restore(at) => {
                let policy = held_back.get(at % held_back.len().max(1))?;
                Some(world.put_policy(policy.clone()))
            }
            Self::CopySpec(to, from) => {
                let mut changed = world[policy(*to)?].clone();
                changed.spec = world[policy(*from)?].spec.clone();
                Some(world.put_policy(changed))
            }
            Self::AddPolicy(like, place) => {
                let mut added = world[policy(*like)?].clone();
                added.namespace = world[policy(*place)?].namespace;
                added.name = format!("added-{count}").into();
                Some(world.put_policy(added))
            }
            _ => None,
        };
        if let Some(id) = changed_policy {
            let policies = relower_kubernetes(&mut read.ruleset, &read.world, &read.switches, id)?;
            return Some(Change {
                policies,
                endpoints: Vec::new(),
            });
        }
        let world = &mut read.world;
        let id = match self {
            Self::RemovePod(at) => {
                let id = pod(*at)?;
                world.remove_endpoint(id);
                id
            }
            Self::CopyPod(to, from, what) => {
                let mut changed = world[pod(*to)?].clone();
                let other = world[pod(*from)?].clone();
                match what {
                    0 => changed.labels = other.labels,
                    1 => changed.ports = other.ports,
                    _ => changed.ips = other.ips,
                }
                world.put_endpoint(changed)
            }
            Self::AddPod(like, address) => {
                let mut added = world[pod(*like)?].clone();
                added.name = format!("added-{count}").into();
                if added.host_network.is_none() && !added.ips.is_empty() {
                    added.ips = [std::net::IpAddr::from([10, 244, 1, *address])]
                        .into_iter()
                        .collect();
                }
                world.put_endpoint(added)
            }
            _ => return None,
        };
        Some(Change {
            policies: Vec::new(),
            endpoints: vec![id],
        })
    }
}

fn same(
    described: &Described,
    read: &Read,
    followed: &Reach,
    eval: &Evaluator<'_>,
) -> Result<(), String> {
    let fresh = Reach::new(eval);
    let mut questions: Vec<_> = between_parties(&described.cluster)
        .into_iter()
        .chain(at_addresses(&described.cluster))
        .map(|question| read.connection(&question))
        .collect();
    // Endpoints that came later are in no question yet.
    let model = questions.clone();
    for added in read
        .world
        .endpoint_ids()
        .filter(|id| !read.pods.contains(id))
    {
        let party = watertight_core::eval::Party::Endpoint(added);
        for (at, connection) in model.iter().step_by(7).enumerate() {
            let mut connection = *connection;
            if at % 2 == 0 {
                connection.from = party;
            } else {
                connection.to = party;
            }
            questions.push(connection);
        }
    }
    for connection in sample(questions, 700) {
        let (expected, got) = (
            fresh.outcome(eval, &connection),
            followed.outcome(eval, &connection),
        );
        if expected != got {
            return Err(format!(
                "{connection:?}\n  anew {expected:?}, followed {got:?}"
            ));
        }
    }
    Ok(())
}

#[test]
fn rows_that_follow_changes_are_those_made_anew() {
    let tally: RefCell<BTreeMap<bool, u32>> = RefCell::default();
    hold(
        150,
        (worlds(), readings(), steps()),
        |(described, readings, steps)| {
            let mut read = read(described, readings)?;
            let half: Vec<PolicyId> = read.world.policy_ids().step_by(2).collect();
            let held_back: Vec<Policy> = half.iter().map(|id| read.world[*id].clone()).collect();
            for id in half {
                read.world.remove_policy(id);
                relower_kubernetes(&mut read.ruleset, &read.world, &read.switches, id);
            }
            let mut reach = Reach::new(&read.evaluator());
            for (count, step) in steps.iter().enumerate() {
                let Some(change) = step.apply(&mut read, &held_back, count) else {
                    continue;
                };
                let eval = read.evaluator();
                let updated = reach.update(&eval, &change);
                *tally.borrow_mut().entry(updated.rebuilt).or_default() += 1;
                same(described, &read, &reach, &eval)
                    .map_err(|error| format!("after {step:?} ({updated:?})\n{error}"))?;
            }
            Ok(())
        },
    );
    let tally = tally.into_inner();
    let of = |rebuilt| tally.get(&rebuilt).copied().unwrap_or_default();
    assert!(
        of(false) > of(true),
        "most changes rebuild everything: {tally:?}"
    );
    assert!(of(true) > 0, "no change rebuilds everything: {tally:?}");
}

/// K-57: an egress rule without `to` names a port; a new pod of a class of its own gives the name a
/// number that no band was cut at.
#[test]
fn a_new_pod_brings_a_number_for_a_named_port() {
    let yaml = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: x}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http, protocol: SCTP}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: x}
spec: {containers: [{name: c, image: i, ports: [{name: http, containerPort: 7000, protocol: SCTP}]}]}
";
    let mut sources = Sources::new();
    sources.add("w.yaml", yaml.as_bytes().to_vec()).unwrap();
    let (mut world, _) = world::read(&sources, &Options::default(), &Assume::default(), None);
    let switches = Switches::default();
    let ruleset = lower_kubernetes(&world, &switches);
    let id = |world: &world::World, name| world.endpoint("x", name).unwrap();
    let (a, b) = (id(&world, "a"), id(&world, "b"));
    let b = world[b].clone();
    world.remove_endpoint(id(&world, "b"));
    let mut reach = Reach::new(&Evaluator::new(&world, &ruleset, switches));
    let added = world.put_endpoint(b);
    let eval = Evaluator::new(&world, &ruleset, switches);
    let change = Change {
        policies: Vec::new(),
        endpoints: vec![added],
    };
    reach.update(&eval, &change);
    let to = |port| {
        let ends = (Party::Endpoint(a), Party::Endpoint(added));
        Connection::new(ends.0, ends.1, Protocol::Sctp, port)
    };
    for (port, expected) in [
        (6999, Outcome::Denied),
        (7000, Outcome::Allowed),
        (7001, Outcome::Denied),
    ] {
        assert_eq!(reach.outcome(&eval, &to(port)), expected, "{port}");
        assert_eq!(Outcome::of(&eval.verdict(&to(port))), expected, "{port}");
    }
}
