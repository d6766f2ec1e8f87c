//! What a row allows and nobody asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::name;
use crate::analysis::baseline::Plan;
use crate::analysis::baseline::needs::{Block, Ports, Whom};
use crate::analysis::baseline::peers::{addresses, everyone};
use crate::analysis::baseline::set::{Asked, ByUnit};
use crate::analysis::baseline::units::UnitId;
use crate::eval::reach::{Band, Reach, RowId, Side};
use crate::eval::{Evaluator, Family, Party};
use crate::manifest::Direction;
use crate::sets::{Protocol, Runs};
use crate::world::World;

/// Somebody who is allowed and was not asked for.
#[derive(Clone, Debug)]
pub(super) struct Excess {
    /// In words.
    pub whom: String,
    /// Who it is.
    pub party: Option<Party>,
    pub protocol: Protocol,
    pub first: u16,
    pub last: u16,
}

impl Excess {
    /// `5432/tcp`
    pub(super) fn ports(&self) -> String {
        let word = self.protocol.word();
        match (self.first, self.last) {
            (0 | 1, u16::MAX) => format!("all {word}"),
            (first, last) if first == last => format!("{first}/{word}"),
            (first, last) => format!("{first}-{last}/{word}"),
        }
    }
}

/// What is known of a class.
#[derive(Clone, Debug, Default)]
struct Class {
    /// How many endpoints are in it.
    endpoints: usize,
    /// One of those who are in it; nobody if it is that of a name.
    who: Option<Party>,
}

/// Peers as sets.
#[derive(Clone, Debug, Default)]
struct Peers {
    classes: Runs<u32>,
    v4: Runs<u32>,
    v6: Runs<u128>,
}

/// The classes of a world.
pub(super) struct Table<'t> {
    world: &'t World,
    plan: &'t Plan,
    /// By class.
    classes: Vec<Class>,
    /// The classes of those whose address is assumed (M-1).
    without_ip: BTreeSet<u32>,
    /// The classes of those who use an address of a node that is not known.
    somewhere: BTreeSet<u32>,
    /// Every address with the class that has it, in order.
    by_ip: Vec<(IpAddr, u32)>,
    /// By unit, how many of its endpoints are in which class.
    units: FxHashMap<UnitId, Vec<(u32, usize)>>,
    /// What those who are asked for by address are as sets.
    by_address: BTreeMap<&'t Whom, Peers>,
}

impl<'t> Table<'t> {
    pub(super) fn new(
        eval: &Evaluator<'t>,
        reach: &Reach,
        plan: &'t Plan,
        by_unit: &'t ByUnit<'t>,
    ) -> Self {
        let world = eval.world;
        let mut classes = vec![Class::default(); reach.classes()];
        let (mut without_ip, mut somewhere) = (BTreeSet::new(), BTreeSet::new());
        let mut by_ip: Vec<(IpAddr, u32)> = Vec::new();
        let mut units: FxHashMap<UnitId, Vec<(u32, usize)>> = FxHashMap::default();
        for id in world.endpoint_ids() {
            let Some(class) = reach.class_of(id) else {
                continue;
            };
            let endpoint = &world[id];
            if let Some(entry) = classes.get_mut(class as usize) {
                entry.endpoints += 1;
                entry.who.get_or_insert(Party::Endpoint(id));
            }
            by_ip.extend(endpoint.ips.iter().map(|ip| (*ip, class)));
            match endpoint.host_network {
                None if endpoint.ips.is_empty() => _ = without_ip.insert(class),
                Some(_) if endpoint.ips.is_empty() => _ = somewhere.insert(class),
                _ => {}
            }
            if let Some(unit) = plan.units.of_endpoint(id) {
                let counts = units.entry(unit).or_default();
                match counts.iter_mut().find(|(known, _)| *known == class) {
                    Some((_, count)) => *count += 1,
                    None => counts.push((class, 1)),
                }
            }
        }
        for id in world.node_ids() {
            if let Some(class) = reach.class_of_node(id) {
                if let Some(entry) = classes.get_mut(class as usize) {
                    entry.who.get_or_insert(Party::Node(id));
                }
                by_ip.extend(world[id].ips.iter().map(|ip| (*ip, class)));
                if world[id].ips.is_empty() {
                    somewhere.insert(class);
                }
            }
        }
        by_ip.sort_unstable();
        by_ip.dedup();
        let mut table = Self {
            world,
            plan,
            by_ip,
            classes,
            without_ip,
            somewhere,
            units,
            by_address: BTreeMap::new(),
        };
        let asked = by_unit.everybody_asked().into_iter();
        let asked: Vec<&Whom> = asked.filter(|whom| !table.is_by_class(whom)).collect();
        let found = crate::parallel::map(&asked, |whom| table.find_by_address(whom));
        table.by_address = asked.into_iter().zip(found).collect();
        table
    }

    /// The first peer that a row allows on some ports without that it was asked for.
    pub(super) fn excess(
        &self,
        reach: &Reach,
        direction: Direction,
        row: RowId,
        asked: &[Asked<'_>],
    ) -> Option<Excess> {
        let side = reach.side(direction);
        let bands = side.row(row).bands().iter();
        bands
            .copied()
            .find_map(|band| self.of_band(side, &band, asked))
    }

    fn of_band(&self, side: &Side, band: &Band, asked: &[Asked<'_>]) -> Option<Excess> {
        for (first, last) in cuts(band, asked) {
            let wanted = asked.iter().filter(|(_, ports)| {
                let mut ports = ports.iter();
                ports.any(|ports| ports.covers(band.protocol, first, last))
            });
            // Who is asked for twice, as DNS and as something else, still counts once.
            let mut wanted: Vec<&Whom> = wanted.map(|(whom, _)| *whom).collect();
            wanted.sort_unstable();
            wanted.dedup();
            let peers = self.peers(&wanted);
            let found = self.outside_of(side, band, &peers);
            if let Some((whom, party)) = found {
                return Some(Excess {
                    whom,
                    party,
                    protocol: band.protocol,
                    first,
                    last,
                });
            }
        }
        None
    }

    fn outside_of(
        &self,
        side: &Side,
        band: &Band,
        asked: &Peers,
    ) -> Option<(String, Option<Party>)> {
        let sets = side.sets();
        for set in [band.allowed, band.maybe] {
            for family in Family::BOTH {
                let rest = sets.classes(set, family).difference(&asked.classes);
                for (first, last) in rest.iter() {
                    let behind = self.classes.get(first as usize..).unwrap_or_default();
                    let among = behind
                        .iter()
                        .take(((last - first) as usize).saturating_add(1));
                    if let Some(who) = among.filter_map(|class| class.who).next() {
                        return Some((name(self.world, who), Some(who)));
                    }
                }
            }
            let rest = sets.v4(set).difference(&asked.v4);
            if let Some((ip, _)) = rest.iter().next() {
                let ip = IpAddr::V4(Ipv4Addr::from(ip));
                return Some((ip.to_string(), Some(Party::Address(ip))));
            }
            let rest = sets.v6(set).difference(&asked.v6);
            if let Some((ip, _)) = rest.iter().next() {
                let ip = IpAddr::V6(Ipv6Addr::from(ip));
                return Some((ip.to_string(), Some(Party::Address(ip))));
            }
        }
        None
    }

    /// Everybody who was asked for. A class counts if all of it was: who cannot be told apart from
    /// somebody who was asked for has not been asked for.
    fn peers(&self, whom: &[&Whom]) -> Peers {
        let mut counts: Vec<(u32, usize)> = Vec::new();
        let mut parts = Vec::new();
        for whom in whom {
            match whom {
                Whom::Unit(unit) if self.is_by_class(whom) => {
                    counts.extend(self.units.get(unit).into_iter().flatten());
                }
                whom => parts.extend(self.by_address.get(whom)),
            }
        }
        counts.sort_unstable();
        let whole = counts.chunk_by(|a, b| a.0 == b.0).filter_map(|of_class| {
            let (class, _) = of_class.first()?;
            let count: usize = of_class.iter().map(|(_, count)| count).sum();
            let known = self.classes.get(*class as usize)?;
            (known.endpoints == count).then_some(*class)
        });
        let units = Runs::from_numbers(whole);
        let classes = parts.iter().map(|part| &part.classes).chain([&units]);
        Peers {
            classes: Runs::union_of(classes),
            v4: Runs::union_of(parts.iter().map(|part| &part.v4)),
            v6: Runs::union_of(parts.iter().map(|part| &part.v6)),
        }
    }

    /// Whether rules name an end by its labels.
    fn is_by_class(&self, whom: &Whom) -> bool {
        matches!(whom, Whom::Unit(unit) if !self.plan.units[*unit].host_network)
    }

    fn find_by_address(&self, whom: &Whom) -> Peers {
        let blocks: Cow<'_, [Block]> = match whom {
            Whom::AllPods => {
                let pods = (0..)
                    .zip(&self.classes)
                    .filter(|(_, class)| class.endpoints > 0);
                return Peers {
                    classes: Runs::from_numbers(pods.map(|(class, _)| class)),
                    ..Peers::default()
                };
            }
            Whom::Unit(unit) => {
                let ips = addresses(self.world, &self.plan.units[*unit]).into_iter();
                ips.map(|ip| Block::whole(ip.into())).collect()
            }
            whom => blocks_of(self.plan, whom),
        };
        let assumed = &self.world.assumed.pod_cidrs;
        let touches = |block: &Block| {
            let overlap = |net: &IpNet| net.contains(&block.net) || block.net.contains(net);
            assumed.iter().any(overlap)
        };
        let in_assumed = blocks.iter().any(|block| {
            let left_out = |net: &IpNet| block.except.iter().any(|except| except.contains(net));
            touches(block) && !assumed.iter().all(left_out)
        });
        let assumed = in_assumed.then_some(&self.without_ip).into_iter().flatten();
        let unknown = self.somewhere.iter().chain(assumed);
        let known = blocks.iter().flat_map(|block| self.owned(block));
        let known = known.map(|(_, class)| class);
        let hit = unknown.copied().chain(known);
        let (v4, v6) = runs_of(&blocks);
        Peers {
            classes: Runs::from_numbers(hit),
            v4,
            v6,
        }
    }

    /// The addresses of a block that pods and nodes have, with their classes.
    pub(super) fn owned<'b>(
        &'b self,
        block: &'b Block,
    ) -> impl Iterator<Item = (IpAddr, u32)> + 'b {
        let start = self
            .by_ip
            .partition_point(|(ip, _)| *ip < block.net.network());
        let behind = self.by_ip.get(start..).unwrap_or_default().iter();
        let inside = behind.take_while(|(ip, _)| *ip <= block.net.broadcast());
        inside.copied().filter(|(ip, _)| block.contains(*ip))
    }
}

/// The blocks of an end that is nobody in particular.
pub(super) fn blocks_of<'p>(plan: &'p Plan, whom: &'p Whom) -> Cow<'p, [Block]> {
    match whom {
        Whom::Blocks(blocks) => Cow::Borrowed(blocks),
        Whom::Internet => Cow::Borrowed(&plan.internet.blocks),
        Whom::Everyone => everyone().to_vec().into(),
        Whom::Unit(_) | Whom::AllPods => Cow::Borrowed(&[]),
    }
}

/// The addresses of blocks.
pub(super) fn runs_of(blocks: &[Block]) -> (Runs<u32>, Runs<u128>) {
    (
        Runs::union_of(&blocks.iter().map(runs_v4).collect::<Vec<_>>()),
        Runs::union_of(&blocks.iter().map(runs_v6).collect::<Vec<_>>()),
    )
}

/// A band in parts that no asked ports cut through.
fn cuts(band: &Band, asked: &[Asked<'_>]) -> Vec<(u16, u16)> {
    let mut starts = BTreeSet::from([band.first]);
    for ports in asked.iter().flat_map(|(_, ports)| *ports) {
        if let Ports::Range(protocol, first, last) = ports
            && *protocol == band.protocol
        {
            starts.insert(*first);
            starts.extend(last.checked_add(1));
        }
    }
    let starts: Vec<u16> = starts
        .into_iter()
        .filter(|start| (band.first..=band.last).contains(start))
        .collect();
    let ends = starts.iter().skip(1).map(|start| start.saturating_sub(1));
    let ends: Vec<u16> = ends.chain([band.last]).collect();
    starts.into_iter().zip(ends).collect()
}

fn runs_v4(block: &Block) -> Runs<u32> {
    let run = |net: &IpNet| match net {
        IpNet::V4(net) => Some((u32::from(net.network()), u32::from(net.broadcast()))),
        IpNet::V6(_) => None,
    };
    let whole = Runs::from_unsorted(run(&block.net).into_iter().collect());
    whole.difference(&Runs::from_unsorted(
        block.except.iter().filter_map(run).collect(),
    ))
}

fn runs_v6(block: &Block) -> Runs<u128> {
    let run = |net: &IpNet| match net {
        IpNet::V6(net) => Some((u128::from(net.network()), u128::from(net.broadcast()))),
        IpNet::V4(_) => None,
    };
    let whole = Runs::from_unsorted(run(&block.net).into_iter().collect());
    whole.difference(&Runs::from_unsorted(
        block.except.iter().filter_map(run).collect(),
    ))
}
