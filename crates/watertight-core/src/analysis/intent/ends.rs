//! One map of the whole cluster, and the units in it that parties are.

use std::sync::Arc;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::whom::Ends;
use crate::analysis::map::{
    Alternatives, By, Ends as MapEnds, OutsideRow, Question, ReachMap, Unit,
};
use crate::analysis::parties::{Selection, What};
use crate::engine::Profile;
use crate::eval::reach::Reach;
use crate::eval::{Evaluator, Party};
use crate::manifest::Direction;
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
