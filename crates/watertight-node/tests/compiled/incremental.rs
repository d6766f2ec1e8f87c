//! Tables that follow pods one by one against tables made anew.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use proptest::prelude::*;
use watertight_core::engine::Switches;
use watertight_core::eval::Evaluator;
use watertight_core::policy::Ruleset;
use watertight_core::world::{EndpointId, NodeId, World};
use watertight_node::nft::compile::incremental::Compiler;
use watertight_node::nft::compile::{Options, compile};
use watertight_node::nft::delta::Change;
use watertight_node::nft::{Chain, Contents, Set, Table};

use super::dialects::{Written, antrea, calico, cilium};
use crate::runner::{Input, hold};
use crate::worlds::read::{Read, read};
use crate::worlds::{mixed_readings, mixed_worlds, other_readings, rewriting, worlds};

/// What happens to a pod; numbers pick among what is there.
#[derive(Clone, Debug)]
enum Step {
    Remove(usize),
    /// A pod gets the labels, the ports, the addresses or the node of another one.
    Copy(usize, usize, u8),
    /// A new pod, like another one but for its addresses.
    Add(usize, u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let which = || 0..64usize;
    let step = prop_oneof![
        2 => which().prop_map(Step::Remove),
        3 => (which(), which(), 0..4u8).prop_map(|(to, from, what)| Step::Copy(to, from, what)),
        3 => (which(), any::<u8>()).prop_map(|(like, address)| Step::Add(like, address)),
    ];
    proptest::collection::vec(step, 1..8)
}

impl Step {
    fn apply(&self, world: &mut World, count: usize) -> Option<EndpointId> {
        let pods: Vec<EndpointId> = world.endpoint_ids().collect();
        let pod = |at: usize| pods.get(at % pods.len().max(1)).copied();
        match self {
            Self::Remove(at) => {
                let id = pod(*at)?;
                world.remove_endpoint(id);
                Some(id)
            }
            Self::Copy(to, from, what) => {
                let mut changed = world[pod(*to)?].clone();
                let other = world[pod(*from)?].clone();
                match what {
                    0 => changed.labels = other.labels,
                    1 => changed.ports = other.ports,
                    2 => changed.node = other.node,
                    _ => changed.ips = other.ips,
                }
                Some(world.put_endpoint(changed))
            }
            Self::Add(like, address) => {
                let mut added = world[pod(*like)?].clone();
                added.name = format!("added-{count}").into();
                if added.host_network.is_none() && !added.ips.is_empty() {
                    let fresh = |ip: &IpAddr| match ip {
                        IpAddr::V4(_) => IpAddr::from([10, 244, 1, *address]),
                        IpAddr::V6(_) => {
                            IpAddr::from([0xfd00, 0, 0, 1, 0, 0, 0, u16::from(*address)])
                        }
                    };
                    added.ips = added.ips.iter().map(fresh).collect();
                }
                Some(world.put_endpoint(added))
            }
        }
    }
}

/// Makes a change as the kernel would, and refuses what it would refuse.
fn make(table: &mut Table, change: &Change) -> Result<(), String> {
    let missing = || format!("nothing there for {change:?}");
    match change {
        Change::AddTable => {}
        Change::FlushChain(name) => {
            table
                .chains
                .get_mut(name)
                .ok_or_else(missing)?
                .rules
                .clear();
        }
        Change::DeleteChain(name, _) => {
            let chain = table.chains.remove(name).ok_or_else(missing)?;
            if !chain.rules.is_empty() {
                return Err(format!("rules left in {name}"));
            }
        }
        Change::DeleteSet(name) => {
            table.sets.remove(name).ok_or_else(missing)?;
        }
        Change::AddChain(name, hook) => {
            let chain = Chain {
                hook: *hook,
                rules: Vec::new(),
            };
            if table.chains.insert(name.clone(), chain).is_some() {
                return Err(format!("{name} twice"));
            }
        }
        Change::AddSet(name, set) => {
            if table.sets.insert(name.clone(), set.clone()).is_some() {
                return Err(format!("{name} twice"));
            }
        }
        Change::AddElements(name, with) => {
            elements(table.sets.get_mut(name).ok_or_else(missing)?, with, true)?;
        }
        Change::RemoveElements(name, with) => {
            elements(table.sets.get_mut(name).ok_or_else(missing)?, with, false)?;
        }
        Change::AddRules(name, rules) => {
            let chain = table.chains.get_mut(name).ok_or_else(missing)?;
            chain.rules.extend(rules.iter().cloned());
        }
    }
    Ok(())
}

fn elements(held: &mut Set, with: &Set, come: bool) -> Result<(), String> {
    match (&mut held.contents, &with.contents) {
        (Contents::Members(held), Contents::Members(with)) => {
            for one in with {
                if held.contains(one) == come {
                    return Err(format!("{one:?} comes={come}"));
                }
                held.retain(|other| come || other != one);
                held.extend(come.then_some(*one));
            }
            held.sort_unstable();
        }
        (Contents::Verdicts(held), Contents::Verdicts(with)) => {
            for (one, to) in with {
                let was = match come {
                    true => held.insert(*one, to.clone()),
                    false => held.remove(one),
                };
                if was.is_some() == come {
                    return Err(format!("{one:?} comes={come}"));
                }
            }
        }
        _ => return Err("another kind of set".into()),
    }
    Ok(())
}

type Tally = RefCell<BTreeMap<bool, u32>>;

fn follow(
    (mut world, ruleset, switches): (World, Ruleset, Switches),
    steps: &[Step],
    tally: &Tally,
) -> Result<(), String> {
    let ranges = ["10.244.1.0/24".parse().unwrap()];
    let options = Options::default();
    let nodes: Vec<NodeId> = world.node_ids().collect();
    let mut compilers: Vec<(NodeId, Compiler)> = {
        let eval = Evaluator::new(&world, &ruleset, switches);
        let new = |node: &NodeId| (*node, Compiler::new(&eval, *node, &ranges, options));
        nodes.iter().map(new).collect()
    };
    for (count, step) in steps.iter().enumerate() {
        let Some(id) = step.apply(&mut world, count) else {
            continue;
        };
        let eval = Evaluator::new(&world, &ruleset, switches);
        for (node, compiler) in &mut compilers {
            let mut held = compiler.compiled().table.clone();
            let followed = compiler.follow(&eval, id);
            *tally.borrow_mut().entry(followed.rebuilt).or_default() += 1;
            let told = |what: &str| format!("after {step:?}, rebuilt {}: {what}", followed.rebuilt);
            for change in &followed.changes {
                make(&mut held, change).map_err(|refused| told(&refused))?;
            }
            let fresh = compile(&eval, *node, &ranges, options);
            let followed = compiler.compiled();
            if held != fresh.table {
                return Err(told(&format!("changes make\n{held}\nnot\n{}", fresh.table)));
            }
            if followed.table != fresh.table {
                return Err(told(&format!("{}\nnot\n{}", followed.table, fresh.table)));
            }
            if followed.blames != fresh.blames {
                return Err(told("other blames"));
            }
            if followed.left != fresh.left {
                return Err(told(&format!("{:?} not {:?}", followed.left, fresh.left)));
            }
        }
    }
    Ok(())
}

fn parts(read: Read) -> (World, Ruleset, Switches) {
    (read.world, read.ruleset, read.switches)
}

/// Most changes must be followed, or nothing is shown.
fn followed(tally: &Tally, times: u32) {
    let tally = tally.borrow();
    let of = |rebuilt| tally.get(&rebuilt).copied().unwrap_or_default();
    assert!(of(false) > times * of(true), "{tally:?}");
    assert!(of(true) > 0, "{tally:?}");
}

#[test]
fn tables_that_follow_pods_are_those_made_anew() {
    let tally = Tally::default();
    let inputs = (worlds(), other_readings(), steps());
    hold(200, inputs, |(described, readings, steps)| {
        follow(parts(read(described, readings)?), steps, &tally)
    });
    followed(&tally, 1);
}

#[test]
fn tables_of_several_tiers_that_follow_pods_are_those_made_anew() {
    let tally = Tally::default();
    let inputs = (worlds(), other_readings(), (rewriting(), steps()));
    hold(200, inputs, |(described, readings, (rewriting, steps))| {
        let mut read = read(described, readings)?;
        read.ruleset = rewriting.apply(&read.ruleset, &read.world);
        follow(parts(read), steps, &tally)
    });
    followed(&tally, 0);
}

#[test]
fn tables_of_cluster_policies_that_follow_pods_are_those_made_anew() {
    let tally = Tally::default();
    let inputs = (mixed_worlds(), mixed_readings(), steps());
    hold(100, inputs, |(described, readings, steps)| {
        follow(parts(read(described, readings)?), steps, &tally)
    });
    followed(&tally, 0);
}

#[test]
fn tables_of_dialects_that_follow_pods_are_those_made_anew() {
    let tally = Tally::default();
    let property = |(written, steps): &(Written, Steps)| follow(written.read()?, &steps.0, &tally);
    hold(40, (calico(), steps().prop_map(Steps)), property);
    hold(40, (cilium(), steps().prop_map(Steps)), property);
    hold(40, (antrea(), steps().prop_map(Steps)), property);
    followed(&tally, 0);
}

#[derive(Clone, Debug)]
struct Steps(Vec<Step>);

impl Input for Steps {
    fn show(&self) -> String {
        format!("{:?}\n", self.0)
    }
}
