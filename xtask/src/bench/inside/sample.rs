//! Pseudo-random connections of a world: half of them within a namespace, most of them on ports that policies name.

use watertight_core::eval::{Connection, Party};
use watertight_core::policy::Ruleset;
use watertight_core::sets::{PortMatch, Protocol};
use watertight_core::world::{EndpointId, NamespaceId, World};

use super::takes_part;

/// Numbers that are the same in every run: SplitMix64.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 when `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }
}

/// Whom to draw from.
#[derive(Debug)]
pub(super) struct Sample<'w> {
    world: &'w World,
    /// Never empty.
    pods: Vec<EndpointId>,
    first: EndpointId,
    last: EndpointId,
    /// That policies name.
    ports: Vec<(Protocol, u16)>,
}

impl<'w> Sample<'w> {
    /// None if there are no pods.
    pub(super) fn of(world: &'w World, ruleset: &Ruleset) -> Option<Self> {
        let pods = world.endpoint_ids().filter(|id| takes_part(world, *id));
        let pods: Vec<EndpointId> = pods.collect();
        Some(Self {
            world,
            first: *pods.first()?,
            last: *pods.last()?,
            pods,
            ports: ports(world, ruleset),
        })
    }

    /// The first pod and the last one.
    pub(super) fn ends(&self) -> (EndpointId, EndpointId) {
        (self.first, self.last)
    }

    /// A pair of pods, half of the time of one namespace.
    pub(super) fn pair(&self, dice: &mut Dice) -> (EndpointId, EndpointId) {
        let from = dice.pick(&self.pods).copied().unwrap_or(self.first);
        let near = || self.neighbours(self.world[from].namespace);
        let to = match dice.below(2) {
            0 => dice.pick(near()).filter(|id| takes_part(self.world, **id)),
            _ => dice.pick(&self.pods),
        };
        (from, to.copied().unwrap_or(self.last))
    }

    fn neighbours(&self, namespace: NamespaceId) -> &'w [EndpointId] {
        &self.world[namespace].endpoints
    }

    /// A port: three times in four one that policies name.
    pub(super) fn port(&self, dice: &mut Dice) -> (Protocol, u16) {
        let any = |dice: &mut Dice| {
            let protocol = if dice.below(4) == 0 {
                Protocol::Udp
            } else {
                Protocol::Tcp
            };
            (protocol, dice.below(1 << 16) as u16)
        };
        match dice.below(4) {
            0 => any(dice),
            _ => dice.pick(&self.ports).copied().unwrap_or_else(|| any(dice)),
        }
    }

    pub(super) fn connection(&self, dice: &mut Dice) -> Connection {
        let (from, to) = self.pair(dice);
        let (protocol, port) = self.port(dice);
        Connection::new(Party::Endpoint(from), Party::Endpoint(to), protocol, port)
    }
}

/// The bounds of all ranges, and every port that a pod has a name for.
fn ports(world: &World, ruleset: &Ruleset) -> Vec<(Protocol, u16)> {
    let tiers = ruleset.ingress.iter().chain(&ruleset.egress);
    let rules = tiers
        .flat_map(|tier| &tier.policies)
        .flat_map(|policy| &policy.rules);
    let mut found: Vec<(Protocol, u16)> = Vec::new();
    for item in rules.flat_map(|rule| &rule.traffic) {
        if let PortMatch::Range {
            protocol,
            first,
            last,
            ..
        } = item
        {
            found.extend([(*protocol, *first), (*protocol, *last)]);
        }
    }
    let read = world.endpoints.iter().filter(|endpoint| !endpoint.assumed);
    let ports = read.flat_map(|endpoint| &endpoint.ports);
    let named = ports.filter(|port| port.name.is_some());
    found.extend(named.map(|port| (port.protocol, port.number)));
    found.sort_unstable();
    found.dedup();
    found
}
