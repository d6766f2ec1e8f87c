//! How long it takes from one change in a loaded world to the new rows, with the API that a watch would use.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use watertight_core::engine::Profile;
use watertight_core::eval::reach::{Change, Reach};
use watertight_core::eval::{Connection, Evaluator};
use watertight_core::policy::{Ruleset, lower, relower};
use watertight_core::world::{Endpoint, EndpointId, Labels, Policy, PolicyId, World};

use super::sample::{Dice, Sample};
use super::verdicts::agree;
use super::{Changes, Spread, takes_part};

/// Connections on which rows have to be right after all changes.
const HELD_AGAINST: usize = 20_000;

/// A loaded world with its rows.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) world: World,
    pub(super) ruleset: Ruleset,
    pub(super) profile: Profile,
    pub(super) reach: Reach,
}

/// One object as a watch tells it.
#[derive(Debug)]
enum Event {
    PutPolicy(Policy),
    RemovePolicy(PolicyId),
    PutPod(Endpoint),
    RemovePod(EndpointId),
}

impl Cluster {
    /// In turns: a policy gets what another one says, one goes, one comes back.
    pub(super) fn change_policies(&mut self, count: usize) -> anyhow::Result<Changes> {
        let mut dice = Dice::new(3);
        let mut there: Vec<PolicyId> = self.world.policy_ids().collect();
        let mut gone: Option<Policy> = None;
        let mut log = Log::default();
        while log.times.len() < count {
            let at = dice.below(there.len());
            let one = there.get(at).copied().context("no policies are left")?;
            let other = dice.pick(&there).copied().unwrap_or(one);
            let back = gone.take();
            let comes_back = back.is_some();
            let event = match (log.times.len() % 3, back) {
                (2, Some(policy)) => Event::PutPolicy(policy),
                (1, _) => {
                    there.swap_remove(at);
                    gone = Some(self.world[one].clone());
                    Event::RemovePolicy(one)
                }
                _ => Event::PutPolicy(Policy {
                    spec: self.world[other].spec.clone(),
                    ..self.world[one].clone()
                }),
            };
            self.follow(event, &mut log);
            if comes_back {
                // Under an id of its own: those of what has gone are not given again.
                there.extend(self.world.policy_ids().last());
            }
        }
        self.hold_against(count)?;
        log.summary()
    }

    /// In turns: a new pod like another one, the labels of another pod of the namespace, a label value that nothing
    /// has, and a pod goes.
    pub(super) fn change_pods(&mut self, count: usize) -> anyhow::Result<Changes> {
        let mut dice = Dice::new(4);
        let there = self.world.endpoint_ids();
        let mut there: Vec<EndpointId> = there.filter(|id| takes_part(&self.world, *id)).collect();
        let mut log = Log::default();
        for number in 0..count {
            let at = dice.below(there.len());
            let one = there.get(at).copied().context("no pods are left")?;
            let event = match number % 4 {
                0 => Event::PutPod(self.like(one, number)),
                1 => {
                    let near = &self.world[self.world[one].namespace].endpoints;
                    let other = dice.pick(near).copied().unwrap_or(one);
                    let labels = self.world[other].labels.clone();
                    Event::PutPod(self.with_labels(one, labels))
                }
                2 => {
                    let labels = self.never_seen(one, number);
                    Event::PutPod(self.with_labels(one, labels))
                }
                _ => {
                    there.swap_remove(at);
                    Event::RemovePod(one)
                }
            };
            self.follow(event, &mut log);
        }
        self.hold_against(count)?;
        log.summary()
    }

    /// Another pod, with its own name and addresses.
    fn like(&self, id: EndpointId, number: usize) -> Endpoint {
        let of = &self.world[id];
        Endpoint {
            name: format!("{}-new-{number}", of.name).into(),
            ips: of.ips.iter().filter_map(|ip| self.free(*ip)).collect(),
            ..of.clone()
        }
    }

    fn with_labels(&self, id: EndpointId, labels: Labels) -> Endpoint {
        Endpoint {
            labels,
            ..self.world[id].clone()
        }
    }

    /// The labels of a pod, the first one with a value that nothing has.
    fn never_seen(&mut self, id: EndpointId, number: usize) -> Labels {
        let symbols = &mut self.world.symbols;
        let own = self
            .world
            .endpoints
            .get(id.index())
            .map(|endpoint| endpoint.labels.clone());
        let mut pairs: Vec<(String, String)> = own
            .iter()
            .flatten()
            .map(|(key, value)| {
                let text = |symbol| symbols.text(symbol).to_owned();
                (text(*key), text(*value))
            })
            .collect();
        let value = format!("never-seen-{number}");
        match pairs.first_mut() {
            Some(first) => first.1 = value,
            None => pairs.push(("app".to_owned(), value)),
        }
        symbols.labels(pairs)
    }

    /// The next address that nobody has.
    fn free(&self, ip: IpAddr) -> Option<IpAddr> {
        let next = |ip: &IpAddr| match ip {
            IpAddr::V4(ip) => u32::from(*ip)
                .checked_add(1)
                .map(|ip| IpAddr::V4(ip.into())),
            IpAddr::V6(ip) => u128::from(*ip)
                .checked_add(1)
                .map(|ip| IpAddr::V6(ip.into())),
        };
        let is_free = |ip: &IpAddr| {
            self.world.endpoint_at(*ip).is_none() && self.world.node_at(*ip).is_none()
        };
        std::iter::successors(Some(ip), next).find(is_free)
    }

    /// The clock runs from the event to the new rows.
    fn follow(&mut self, event: Event, log: &mut Log) {
        let start = Instant::now();
        let change = match event {
            Event::PutPolicy(policy) => {
                let id = self.world.put_policy(policy);
                self.relower(id)
            }
            Event::RemovePolicy(id) => {
                self.world.remove_policy(id);
                self.relower(id)
            }
            Event::PutPod(pod) => Some(of_pod(self.world.put_endpoint(pod))),
            Event::RemovePod(id) => {
                self.world.remove_endpoint(id);
                Some(of_pod(id))
            }
        };
        let eval = Evaluator::new(&self.world, &self.ruleset, self.profile.switches);
        let rebuilt = match change {
            Some(change) => self.reach.update(&eval, &change).rebuilt,
            None => {
                self.reach = Reach::new(&eval);
                true
            }
        };
        log.times.push(start.elapsed());
        log.rebuilt += usize::from(rebuilt);
    }

    /// None where everything was lowered again.
    fn relower(&mut self, id: PolicyId) -> Option<Change> {
        match relower(&mut self.ruleset, &self.world, &self.profile.switches, id) {
            Some(relowered) => {
                for at in relowered.inserted {
                    self.reach.make_room(at);
                }
                Some(Change {
                    policies: relowered.changed,
                    endpoints: Vec::new(),
                })
            }
            None => {
                self.ruleset = lower(&self.world, &self.profile);
                None
            }
        }
    }

    /// Rows that were updated many times must still say what the rules say.
    fn hold_against(&self, changes: usize) -> anyhow::Result<()> {
        let Some(sample) = Sample::of(&self.world, &self.ruleset) else {
            return Ok(());
        };
        let mut dice = Dice::new(5);
        let drawn = (0..HELD_AGAINST).map(|_| sample.connection(&mut dice));
        let connections: Vec<Connection> = drawn.collect();
        let eval = Evaluator::new(&self.world, &self.ruleset, self.profile.switches);
        agree(&eval, &self.reach, &connections).with_context(|| format!("after {changes} changes"))
    }
}

fn of_pod(id: EndpointId) -> Change {
    Change {
        policies: Vec::new(),
        endpoints: vec![id],
    }
}

#[derive(Debug, Default)]
struct Log {
    times: Vec<Duration>,
    rebuilt: usize,
}

impl Log {
    fn summary(self) -> anyhow::Result<Changes> {
        Ok(Changes {
            count: self.times.len(),
            rebuilt: self.rebuilt,
            times: Spread::of(self.times).context("no changes to measure")?,
        })
    }
}
