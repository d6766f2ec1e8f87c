//! One end of a need by rows: whether all pods there let all that is needed through.
//!
//! INVARIANT: nobody stands for others whom rules may tell apart: every row of the end is asked about
//! every class, address and port of the need.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustc_hash::FxHashSet;

use super::Judge;
use super::excess::{blocks_of, runs_of};
use crate::analysis::baseline::needs::{Block, Ports, Whom};
use crate::analysis::baseline::units::UnitId;
use crate::eval::reach::{Band, Outcome, Peer, RowId, SetId, Side};
use crate::eval::{Family, Party};
use crate::manifest::Direction;
use crate::sets::{Bound, Protocol, Runs};
use crate::world::{EndpointId, Lifecycle};

/// Everybody at an end.
#[derive(Clone, Debug, Default)]
pub(super) struct Peers {
    /// Pods, one for each class and family, with how many of the end are in the class.
    pods: BTreeMap<(u32, Family), (EndpointId, usize)>,
    /// Their classes, over IPv4 and over IPv6.
    classes: [Runs<u32>; 2],
    /// Pods and nodes that are named by their address alone.
    by_address: Vec<IpAddr>,
    /// Those whose address is in a network, one for each class.
    in_networks: Vec<IpAddr>,
    /// Addresses that nobody of the cluster has.
    v4: Runs<u32>,
    v6: Runs<u128>,
    /// Whether the address of somebody is not in the input.
    pub(super) is_unknown: bool,
}

/// What is not let through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shut {
    pub protocol: Protocol,
    pub port: u16,
    /// Whether it is denied, or not certain.
    pub outcome: Outcome,
    /// Whose rules say so.
    pub own: EndpointId,
    /// Who is at the other end.
    pub other: Party,
}

impl Peers {
    /// Whether nobody is there.
    pub(super) fn is_empty(&self) -> bool {
        self.pods.is_empty()
            && self.by_address.is_empty()
            && self.in_networks.is_empty()
            && self.v4.is_empty()
            && self.v6.is_empty()
            && !self.is_unknown
    }
}

impl Judge<'_> {
    /// Everybody who is named by a need.
    pub(super) fn peers(&self, whom: &Whom) -> Peers {
        match whom {
            Whom::Unit(unit) => self.pods(&self.plan.units[*unit].members),
            Whom::AllPods => {
                let world = self.world();
                let is_pod = |id: &EndpointId| world[*id].host_network.is_none();
                let pods: Vec<_> = world.endpoint_ids().filter(is_pod).collect();
                self.pods(&pods)
            }
            Whom::Blocks(blocks) => self.addresses(blocks),
            Whom::Internet | Whom::Everyone => {
                let blocks = blocks_of(self.plan, whom);
                let (v4, v6) = runs_of(&blocks);
                Peers {
                    v4,
                    v6,
                    ..Peers::default()
                }
            }
        }
    }

    fn pods(&self, members: &[EndpointId]) -> Peers {
        let world = self.world();
        let mut peers = Peers::default();
        for id in members {
            let endpoint = &world[*id];
            let Some(class) = self.reach.class_of(*id) else {
                continue;
            };
            // Rules name a node, and who is on its network, by address.
            if endpoint.host_network.is_some() && endpoint.ips.is_empty() {
                peers.is_unknown |= endpoint.lifecycle == Lifecycle::Active;
                continue;
            }
            for family in self.families(*id) {
                let (_, count) = peers.pods.entry((class, family)).or_insert((*id, 0));
                *count += 1;
            }
        }
        peers.classes = [Family::V4, Family::V6].map(|wanted| {
            let classes = peers.pods.keys().filter(|(_, family)| *family == wanted);
            Runs::from_numbers(classes.map(|(class, _)| *class))
        });
        peers
    }

    fn addresses(&self, blocks: &[Block]) -> Peers {
        let (v4, v6) = runs_of(blocks);
        let mut peers = Peers {
            // A node whose address nobody tells.
            is_unknown: blocks.is_empty(),
            ..Peers::default()
        };
        let mut seen = FxHashSet::default();
        let (mut owned4, mut owned6) = (Vec::new(), Vec::new());
        for block in blocks {
            for (ip, class) in self.table.owned(block) {
                match ip {
                    IpAddr::V4(ip) => owned4.push(u32::from(ip)),
                    IpAddr::V6(ip) => owned6.push(u128::from(ip)),
                }
                if block.net.prefix_len() == block.net.max_prefix_len() {
                    peers.by_address.push(ip);
                } else if seen.insert((class, Family::of(ip))) {
                    peers.in_networks.push(ip);
                }
            }
        }
        peers.v4 = v4.difference(&Runs::from_numbers(owned4));
        peers.v6 = v6.difference(&Runs::from_numbers(owned6));
        peers
    }

    /// The families that a pod has, or may have, an address of.
    fn families(&self, id: EndpointId) -> impl Iterator<Item = Family> + use<> {
        let world = self.world();
        let endpoint = &world[id];
        let has = Family::BOTH.map(|family| {
            let is_of = |ip: IpAddr| Family::of(ip) == family;
            if endpoint.ips.is_empty() {
                let mut assumed = world.assumed.pod_cidrs.iter();
                return endpoint.host_network.is_some() || assumed.any(|net| is_of(net.addr()));
            }
            endpoint.ips.iter().copied().any(is_of)
        });
        let families = Family::BOTH.into_iter().zip(has);
        families.filter_map(|(family, has)| has.then_some(family))
    }

    /// The first thing that a unit does not let through in a direction. What a network holds of the
    /// cluster itself counts if the need is new: a rule of today may never have meant it.
    pub(super) fn shut(
        &self,
        direction: Direction,
        unit: UnitId,
        peers: &Peers,
        ports: &BTreeSet<Ports>,
        is_new: bool,
    ) -> Option<Shut> {
        let own = &self.plan.units[unit];
        let rows = self.rows(direction, &own.members).into_iter();
        let mut rows = rows.filter(|(row, _)| *row != RowId::EVERYTHING);
        rows.find_map(|(row, own)| {
            let mut all = ports.iter().flat_map(|ports| ranges(*ports));
            all.find_map(|range| self.shut_row(direction, (row, own), peers, range, is_new))
        })
    }

    fn shut_row(
        &self,
        direction: Direction,
        (row, own): (RowId, EndpointId),
        peers: &Peers,
        range: (Protocol, u16, u16),
        is_new: bool,
    ) -> Option<Shut> {
        let side = self.reach.side(direction);
        let (protocol, ..) = range;
        let shut = |(port, (outcome, other))| Shut {
            protocol,
            port,
            outcome,
            own,
            other,
        };
        let families: Vec<Family> = self.families(own).collect();
        // All pods of a cluster are asked about together; only who is shut out is looked for.
        let one_by_one =
            peers.pods.len() <= FEW || !lets_in_all(side, row, range, peers, &families);
        let pods = one_by_one.then_some(&peers.pods);
        for ((class, family), (id, count)) in pods.into_iter().flatten() {
            // A pod always reaches itself; those of a template are others too.
            let is_itself = *id == own && *count == 1 && !self.world()[own].template;
            if is_itself || !families.contains(family) {
                continue;
            }
            let peer = Peer::Class(*class, *family);
            let found = walk(side, row, range, |_, port| {
                let outcome = side.of_port(row, peer, protocol, port);
                (outcome != Outcome::Allowed).then_some((outcome, Party::Endpoint(*id)))
            });
            if found.is_some() {
                return found.map(shut);
            }
        }
        let in_networks = peers.in_networks.iter().filter(|_| is_new);
        for ip in peers.by_address.iter().chain(in_networks) {
            let other = Party::Address(*ip);
            let found = walk(side, row, range, |_, port| {
                let outcome = self
                    .reach
                    .decide(self.eval, direction, own, other, protocol, port);
                (outcome != Outcome::Allowed).then_some((outcome, other))
            });
            if found.is_some() {
                return found.map(shut);
            }
        }
        let sets = side.sets();
        let v4 = Some(&peers.v4).filter(|_| families.contains(&Family::V4));
        let v4 = v4.and_then(|asked| {
            walk(side, row, range, |band, _| {
                let (outcome, ip) = outside(asked, band, |set| sets.v4(set))?;
                Some((outcome, Party::Address(Ipv4Addr::from(ip).into())))
            })
        });
        let v6 = Some(&peers.v6).filter(|_| families.contains(&Family::V6) && v4.is_none());
        let v6 = v6.and_then(|asked| {
            walk(side, row, range, |band, _| {
                let (outcome, ip) = outside(asked, band, |set| sets.v6(set))?;
                Some((outcome, Party::Address(Ipv6Addr::from(ip).into())))
            })
        });
        v4.or(v6).map(shut)
    }
}

/// The first address of those asked for that a band does not allow.
fn outside<'s, T: Bound + 's>(
    asked: &Runs<T>,
    band: Option<&Band>,
    of: impl Fn(SetId) -> Cow<'s, Runs<T>>,
) -> Option<(Outcome, T)> {
    let Some(band) = band else {
        let (ip, _) = asked.iter().next()?;
        return Some((Outcome::Denied, ip));
    };
    let rest = asked.difference(&of(band.allowed));
    let (ip, _) = rest.iter().next()?;
    let outcome = match of(band.maybe).contains(ip) {
        true => Outcome::Uncertain,
        false => Outcome::Denied,
    };
    Some((outcome, ip))
}

/// The ranges that ports stand for.
fn ranges(ports: Ports) -> Vec<(Protocol, u16, u16)> {
    match ports {
        Ports::All => [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
            .map(|protocol| (protocol, 1, u16::MAX))
            .to_vec(),
        Ports::Range(protocol, first, last) => vec![(protocol, first.max(1), last)],
    }
}

/// So many classes are quickly asked about one by one.
const FEW: usize = 16;

/// Whether a row lets in all pods of an end.
fn lets_in_all(
    side: &Side,
    row: RowId,
    range: (Protocol, u16, u16),
    peers: &Peers,
    families: &[Family],
) -> bool {
    let [v4, v6] = &peers.classes;
    families.iter().all(|family| {
        let asked = if *family == Family::V4 { v4 } else { v6 };
        let sets = side.sets();
        let lets_in = |band: &Band| asked.is_subset(&sets.classes(band.allowed, *family));
        let shuts_out = |band: Option<&Band>, _| (!band.is_some_and(lets_in)).then_some(());
        asked.is_empty() || walk(side, row, range, shuts_out).is_none()
    })
}

/// Asks about the bands that a range of ports lies in, and about the gaps between them, until
/// somebody is not allowed.
fn walk<T>(
    side: &Side,
    row: RowId,
    (protocol, first, last): (Protocol, u16, u16),
    ask: impl Fn(Option<&Band>, u16) -> Option<T>,
) -> Option<(u16, T)> {
    let mut next = first;
    loop {
        let band = side.band(row, protocol, next);
        if let Some(found) = ask(band, next) {
            return Some((next, found));
        }
        // Nobody is allowed outside of bands, unless no policy is asked.
        next = band?.last.checked_add(1)?;
        if next > last {
            return None;
        }
    }
}
