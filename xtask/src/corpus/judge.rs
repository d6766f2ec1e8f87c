//! Which ports one party reaches on another: every question that a corpus asks ends here.
//!
//! The evaluator is asked one port at a time, and the rows of `eval::reach` have to say the same.
//! INVARIANT: between two cuts no policy tells ports (or addresses) apart, and the first and the last
//! port (or address) of everything that is written down is asked about by itself, so that a boundary
//! which is off by one shows.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use watertight_core::eval::reach::{Outcome, Reach};
use watertight_core::eval::{Connection, Evaluator, Party};
use watertight_core::manifest::Direction;
use watertight_core::policy::{Peer, Rule, Ruleset};
use watertight_core::sets::{PortMatch, Protocol};
use watertight_core::world::World;

use super::manifests::switches;
use super::ports::{PROTOCOLS, Ports};

/// A world with its policies, ready to be asked.
pub(super) struct Judge<'w> {
    evaluator: Evaluator<'w>,
    reach: Reach,
    /// Where verdicts and rows say different things.
    torn: RefCell<BTreeSet<String>>,
    /// Where intervals of ports start.
    ports: BTreeMap<Protocol, BTreeSet<u32>>,
    /// Where intervals of IPv4 addresses start.
    addresses: BTreeSet<u64>,
}

const BEYOND_PORTS: u32 = 1 << 16;
const BEYOND_ADDRESSES: u64 = 1 << 32;

impl<'w> Judge<'w> {
    pub(super) fn new(world: &'w World, ruleset: &'w Ruleset) -> Self {
        let mut ports: BTreeMap<_, _> = PROTOCOLS
            .into_iter()
            .map(|protocol| (protocol, BTreeSet::from([1, BEYOND_PORTS])))
            .collect();
        let mut cut = |protocol, first: u16, last: u16| {
            if let Some(cuts) = ports.get_mut(&protocol) {
                let (first, last) = (u32::from(first), u32::from(last));
                cuts.extend([first, first + 1, last, last + 1]);
            }
        };
        // Any of them may be what a named port means.
        for port in world.endpoints.iter().flat_map(|endpoint| &endpoint.ports) {
            cut(port.protocol, port.number, port.number);
        }
        let mut addresses = BTreeSet::from([0, BEYOND_ADDRESSES]);
        for rule in rules(ruleset) {
            for item in &rule.traffic {
                if let PortMatch::Range {
                    protocol,
                    first,
                    last,
                    ..
                } = item
                {
                    cut(*protocol, *first, *last);
                }
            }
            for peer in &rule.peers {
                if let Peer::Block(block, _) = peer {
                    for cidr in std::iter::once(&block.cidr).chain(&block.except) {
                        addresses.extend(cuts_of(cidr.net.network(), cidr.net.broadcast()));
                    }
                }
            }
        }
        for cuts in ports.values_mut() {
            cuts.retain(|start| (1..=BEYOND_PORTS).contains(start));
        }
        let evaluator = Evaluator::new(world, ruleset, switches());
        Self {
            reach: Reach::new(&evaluator),
            evaluator,
            torn: RefCell::default(),
            ports,
            addresses,
        }
    }

    /// The ports that `from` reaches on `to`.
    pub(super) fn ports(&self, from: Party, to: Party) -> Ports {
        // K-75 exempts what stays inside a pod; the maps show what its egress policies say.
        let own = match (from, to) {
            (Party::Endpoint(source), Party::Address(address)) if address.is_loopback() => {
                Some(source)
            }
            _ => None,
        };
        let (evaluator, egress) = (&self.evaluator, Direction::Egress);
        let verdicts = self.collect(|protocol, port| match own {
            Some(pod) => {
                let decision = evaluator.decide(egress, pod, to, protocol, port);
                decision.is_allowed()
            }
            None => evaluator.allows(&Connection::new(from, to, protocol, port)),
        });
        let rows = match (own, self.reach.between(evaluator, from, to)) {
            (None, Some(rows)) => {
                let mut found = Ports::default();
                let allowed = rows.iter().filter(|row| row.outcome == Outcome::Allowed);
                for row in allowed.filter(|row| PROTOCOLS.contains(&row.protocol)) {
                    found.add(row.protocol, row.first, row.last);
                }
                found
            }
            (Some(pod), _) => self.collect(|protocol, port| {
                let decided = self
                    .reach
                    .decide(evaluator, egress, pod, to, protocol, port);
                decided == Outcome::Allowed
            }),
            (None, None) => self.collect(|protocol, port| {
                let connection = Connection::new(from, to, protocol, port);
                self.reach.outcome(evaluator, &connection) == Outcome::Allowed
            }),
        };
        if rows != verdicts {
            let pair = format!("{} -> {}", self.name(from), self.name(to));
            let told = format!("{pair}: verdicts allow {verdicts}, rows allow {rows}");
            self.torn.borrow_mut().insert(told);
        }
        verdicts
    }

    /// The ports of which something holds, interval by interval.
    fn collect(&self, allows: impl Fn(Protocol, u16) -> bool) -> Ports {
        let mut allowed = Ports::default();
        for (protocol, cuts) in &self.ports {
            for (start, beyond) in cuts.iter().zip(cuts.iter().skip(1)) {
                let first = u16::try_from(*start).unwrap_or(u16::MAX);
                let last = u16::try_from(beyond - 1).unwrap_or(u16::MAX);
                if allows(*protocol, first) {
                    allowed.add(*protocol, first, last);
                }
            }
        }
        allowed
    }

    fn name(&self, party: Party) -> String {
        match party {
            Party::Endpoint(id) => self.evaluator.world.endpoint_name(id),
            Party::Node(id) => self.evaluator.world[id].name.to_string(),
            Party::Address(address) => address.to_string(),
            Party::Name(id) => self.evaluator.world[id].text.to_string(),
        }
    }

    /// Where verdicts and rows said different things so far.
    pub(super) fn torn(&self) -> Vec<String> {
        self.torn.borrow().iter().cloned().collect()
    }

    /// The ports of connections between a party and every IPv4 address, ranges with equal ports
    /// together; `direction` is the party's.
    pub(super) fn outside(&self, party: Party, direction: Direction) -> Vec<Range> {
        let cuts = &self.addresses;
        let ranges = cuts.iter().zip(cuts.iter().skip(1));
        let judged = ranges.map(|(start, beyond)| {
            let address = Party::Address(IpAddr::V4(ipv4(*start)));
            let ports = match direction {
                Direction::Ingress => self.ports(address, party),
                Direction::Egress => self.ports(party, address),
            };
            (*start, beyond - 1, ports)
        });
        merged(judged)
    }
}

/// Addresses from the first to the last of them, and what holds for each.
pub(super) type Range<T = Ports> = (u64, u64, T);

/// Adjacent ranges of which the same holds become one.
pub(super) fn merged<T: PartialEq>(ranges: impl Iterator<Item = Range<T>>) -> Vec<Range<T>> {
    let mut found: Vec<Range<T>> = Vec::new();
    for (first, last, of) in ranges {
        match found.last_mut() {
            Some((_, end, same)) if *end + 1 == first && *same == of => *end = last,
            _ => found.push((first, last, of)),
        }
    }
    found
}

/// The address of a number that is one.
pub(super) fn ipv4(number: u64) -> Ipv4Addr {
    Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn rules(ruleset: &Ruleset) -> impl Iterator<Item = &Rule> {
    let tiers = ruleset.ingress.iter().chain(&ruleset.egress);
    tiers
        .flat_map(|tier| &tier.policies)
        .flat_map(|policy| &policy.rules)
}

fn cuts_of(first: IpAddr, last: IpAddr) -> Vec<u64> {
    let (IpAddr::V4(first), IpAddr::V4(last)) = (first, last) else {
        return Vec::new();
    };
    let (first, last) = (u64::from(first.to_bits()), u64::from(last.to_bits()));
    let mut cuts = vec![first, first + 1, last, last + 1];
    cuts.retain(|start| *start <= BEYOND_ADDRESSES);
    cuts
}
