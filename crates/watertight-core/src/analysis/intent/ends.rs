//! One map of the whole cluster, and the units in it that parties are.

use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::whom::Ends;
use crate::analysis::baseline::Internet;
use crate::analysis::map::{
    self, Alternatives, By, Ends as MapEnds, OutsideRow, Question, ReachMap, Unit,
};
use crate::analysis::parties::{Selection, What};
use crate::engine::Profile;
use crate::eval::reach::{Reach, RowId};
use crate::eval::{Evaluator, Party};
use crate::manifest::Direction;
use crate::sets::{Family, Runs};
use crate::world::World;

/// Units by number, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Set(Arc<[u32]>);

impl Set {
    pub(super) fn has(&self, unit: u32) -> bool {
        self.0.binary_search(&unit).is_ok()
    }

    pub(super) fn list(&self) -> &[u32] {
        &self.0
    }
}

/// The map with its outside, and the units of parties.
pub(super) struct Table<'e, 'w> {
    pub(super) map: ReachMap<'e, 'w>,
    pub(super) world: &'w World,
    unit_of: FxHashMap<Party, u32>,
    pub(super) outside: Vec<OutsideRow>,
    /// By direction and unit: a row of `outside`.
    rows: [Vec<Option<u32>>; 2],
    /// All units.
    everyone: Set,
    /// The addresses of pods and nodes.
    pub(super) owned: (Runs<u32>, Runs<u128>),
    /// Public addresses, if policies are about names.
    pub(super) internet: Option<(Runs<u32>, Runs<u128>)>,
}

impl<'e, 'w> Table<'e, 'w> {
    pub(super) fn new(
        eval: &'e Evaluator<'w>,
        reach: &'e Reach,
        also: Arc<Alternatives<'w>>,
        (profile, pinned): (&Profile, &[String]),
        by: By,
    ) -> Option<Self> {
        let question = Question {
            by,
            from: None,
            to: None,
            ports: Vec::new(),
        };
        // INVARIANT: a question about everybody has an answer.
        let ends = MapEnds::of(eval, &question).ok()?;
        let map = ReachMap::between(eval, reach, also, (profile, pinned), ends, (by, Vec::new()));
        let mut unit_of = FxHashMap::default();
        for (number, unit) in (0..).zip(map.sources().all()) {
            let parties = map.sources().parties_of(unit).iter();
            unit_of.extend(parties.map(|party| (*party, number)));
        }
        let outside = map.outside();
        let count = map.sources().all().len();
        let mut rows = [vec![None; count], vec![None; count]];
        for (number, row) in (0..).zip(&outside) {
            let [egress, ingress] = &mut rows;
            let of = match row.direction {
                Direction::Egress => egress,
                Direction::Ingress => ingress,
            };
            for unit in &row.units {
                if let Some(entry) = of.get_mut(*unit as usize) {
                    *entry = Some(number);
                }
            }
        }
        Some(Self {
            map,
            world: eval.world,
            unit_of,
            outside,
            rows,
            everyone: Set((0..).take(count).collect()),
            owned: map::owned(eval.world),
            internet: (!eval.world.names.is_empty()).then(|| internet(eval.world)),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.map.sources().all().len()
    }

    pub(super) fn unit(&self, number: u32) -> Option<&Unit> {
        self.map.sources().all().get(number as usize)
    }

    pub(super) fn parties(&self, number: u32) -> &[Party] {
        let unit = self.unit(number);
        unit.map_or(&[], |unit| self.map.sources().parties_of(unit))
    }

    /// What a unit reaches outside, or by whom it is reached from there.
    pub(super) fn outside_of(&self, direction: Direction, unit: u32) -> Option<&OutsideRow> {
        let [egress, ingress] = &self.rows;
        let rows = match direction {
            Direction::Egress => egress,
            Direction::Ingress => ingress,
        };
        let row = rows.get(unit as usize).copied().flatten()?;
        self.outside.get(row as usize)
    }

    /// Whether a unit has an address of a family, as far as is known.
    pub(super) fn has_family(&self, number: u32, family: Family) -> bool {
        let groups = self
            .unit(number)
            .map(|unit| self.map.sources().groups_of(unit));
        let mut groups = groups.into_iter().flatten();
        groups.any(|group| group.look.families.has(family))
    }

    /// Whether nodes in a unit are under no policy, so that maps leave out what is outside of them.
    pub(super) fn has_free_nodes(&self, number: u32, direction: Direction) -> bool {
        let is_nodes = matches!(self.parties(number), [Party::Node(_), ..]);
        let groups = self.unit(number).filter(|_| is_nodes);
        let groups = groups.map(|unit| self.map.sources().groups_of(unit));
        let mut groups = groups.into_iter().flatten();
        groups.any(|group| match direction {
            Direction::Egress => group.look.seen.egress == RowId::EVERYTHING,
            Direction::Ingress => group.look.seen.ingress == RowId::EVERYTHING,
        })
    }

    /// The units that are these pods and nodes; none if a unit is so in part only.
    pub(super) fn units(&self, ends: &Ends) -> Option<Set> {
        if ends.everyone {
            return Some(self.everyone.clone());
        }
        let endpoints = ends.endpoints.iter().map(|id| Party::Endpoint(*id));
        let nodes = ends.nodes.iter().map(|id| Party::Node(*id));
        // Pods without an address are in no unit (K-33).
        let found = endpoints
            .chain(nodes)
            .filter_map(|party| self.unit_of.get(&party).copied());
        let mut found: Vec<u32> = found.collect();
        found.sort_unstable();
        let mut set = Vec::new();
        for same in found.chunk_by(|a, b| a == b) {
            let unit = *same.first()?;
            if same.len() != self.parties(unit).len() {
                return None;
            }
            set.push(unit);
        }
        Some(Set(set.into()))
    }

    /// Whether two different pods can be meant by a unit and itself (K-75).
    pub(super) fn has_pairs(&self, unit: u32) -> bool {
        match self.parties(unit) {
            [Party::Endpoint(id)] => self.world[*id].template,
            [_] => false,
            _ => true,
        }
    }

    /// A unit as `explain` takes it.
    pub(super) fn selection(&self, number: u32) -> Selection {
        let name = self.unit(number).map_or("", |unit| &unit.name);
        let (mut endpoints, mut nodes) = (Vec::new(), Vec::new());
        for party in self.parties(number) {
            match party {
                Party::Endpoint(id) => endpoints.push(*id),
                Party::Node(id) => nodes.push(*id),
                Party::Address(_) | Party::Name(_) => {}
            }
        }
        Selection {
            text: name.to_owned(),
            what: if nodes.is_empty() {
                What::Endpoints(endpoints)
            } else {
                What::Nodes(nodes)
            },
        }
    }
}

fn internet(world: &World) -> (Runs<u32>, Runs<u128>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    let (mut not4, mut not6) = (Vec::new(), Vec::new());
    let put = |net: &IpNet, v4: &mut Vec<(u32, u32)>, v6: &mut Vec<(u128, u128)>| match net {
        IpNet::V4(net) => v4.push((net.network().into(), net.broadcast().into())),
        IpNet::V6(net) => v6.push((net.network().into(), net.broadcast().into())),
    };
    for block in Internet::of(world).blocks {
        put(&block.net, &mut v4, &mut v6);
        for net in &block.except {
            put(net, &mut not4, &mut not6);
        }
    }
    let v4 = Runs::from_unsorted(v4).difference(&Runs::from_unsorted(not4));
    let v6 = Runs::from_unsorted(v6).difference(&Runs::from_unsorted(not6));
    (v4, v6)
}

impl Ends {
    /// Without these parties. Names stay: nobody knows their addresses.
    pub(super) fn without(mut self, other: &Self) -> Self {
        self.endpoints
            .retain(|id| other.endpoints.binary_search(id).is_err());
        self.nodes
            .retain(|id| other.nodes.binary_search(id).is_err());
        self.v4 = self.v4.difference(&other.v4);
        self.v6 = self.v6.difference(&other.v6);
        self
    }

    /// The addresses as blocks.
    pub(super) fn nets(&self) -> Vec<IpNet> {
        let mut found = Vec::new();
        for (first, last) in self.v4.iter() {
            let nets = ipnet::Ipv4Subnets::new(first.into(), last.into(), 0);
            found.extend(nets.map(IpNet::from));
        }
        for (first, last) in self.v6.iter() {
            let nets = ipnet::Ipv6Subnets::new(first.into(), last.into(), 0);
            found.extend(nets.map(IpNet::from));
        }
        found
    }
}
