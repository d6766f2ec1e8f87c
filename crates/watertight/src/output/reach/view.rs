//! A report by units and pairs, as tables and pictures need it.

use std::collections::{BTreeMap, BTreeSet};

use watertight_core::analysis::map::ReachMap;
use watertight_core::report::ReachReport;
use watertight_core::report::reach::{ReachConnection, ReachExternal, ReachPorts, ReachUnit};

use super::words::{self, Openness};

/// One end of the map.
#[derive(Debug)]
pub(super) struct Party<'r> {
    pub(super) unit: &'r ReachUnit,
    /// As short as it can be without meaning another one: `shop/web`.
    pub(super) short: String,
    /// Behind the namespace.
    pub(super) local: String,
    /// Empty for nodes.
    pub(super) namespace: &'r str,
}

/// What is to be said of the outside in one direction of a unit.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) openness: Openness,
    /// In a few words, with ports.
    pub(super) text: String,
}

/// A report by pairs. INVARIANT: numbers in `sources`, `targets` and `cells` are positions in
/// `parties`.
#[derive(Debug)]
pub(super) struct View<'r> {
    pub(super) report: &'r ReachReport,
    pub(super) parties: Vec<Party<'r>>,
    pub(super) sources: Vec<usize>,
    pub(super) targets: Vec<usize>,
    /// By source and destination.
    pub(super) cells: BTreeMap<(usize, usize), &'r ReachConnection>,
    /// Sources that no policy restricts ...
    pub(super) senders: BTreeSet<usize>,
    /// ... and destinations that none restricts: each of those reaches each of these on all ports.
    pub(super) takers: BTreeSet<usize>,
    /// By unit: what it sends outside.
    pub(super) egress: BTreeMap<usize, World>,
    /// By unit: what reaches it from outside.
    pub(super) ingress: BTreeMap<usize, World>,
}

fn parts(name: &str) -> (&str, &str, &str) {
    let mut parts = name.splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(namespace), Some(kind), Some(name)) => (namespace, kind, name),
        _ => ("", "", name),
    }
}

impl<'r> View<'r> {
    pub(super) fn new(report: &'r ReachReport, map: &ReachMap<'_, '_>) -> Self {
        let mut known: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        // A Service is always called by its kind.
        for unit in report.units.iter().filter(|unit| unit.kind != "service") {
            let (namespace, _, name) = parts(&unit.name);
            *known.entry((namespace, name)).or_default() += 1;
        }
        let party = |unit: &'r ReachUnit| {
            let (namespace, kind, name) = parts(&unit.name);
            let alone = known.get(&(namespace, name)) == Some(&1);
            let local = match (namespace, alone) {
                ("", _) => name.strip_prefix("ns:").unwrap_or(name).to_owned(),
                (_, true) if kind != "svc" => name.to_owned(),
                _ => format!("{kind}/{name}"),
            };
            Party {
                unit,
                short: if namespace.is_empty() {
                    local.clone()
                } else {
                    format!("{namespace}/{local}")
                },
                local,
                namespace,
            }
        };
        let parties: Vec<Party<'r>> = report.units.iter().map(party).collect();
        let number: BTreeMap<&str, usize> = report
            .units
            .iter()
            .enumerate()
            .map(|(at, unit)| (unit.name.as_str(), at))
            .collect();
        let numbers = |names: &mut dyn Iterator<Item = &str>| -> Vec<usize> {
            let found: BTreeSet<usize> =
                names.filter_map(|name| number.get(name).copied()).collect();
            found.into_iter().collect()
        };
        let sources = numbers(&mut map.sources().all().iter().map(|unit| unit.name.as_str()));
        let targets = match map.service() {
            Some(_) => {
                let services = report.units.iter().filter(|unit| unit.kind == "service");
                numbers(&mut services.map(|unit| unit.name.as_str()))
            }
            None => numbers(&mut map.targets().all().iter().map(|unit| unit.name.as_str())),
        };
        let mut cells = BTreeMap::new();
        for connection in &report.connections {
            let Some(from) = number.get(connection.from.as_str()) else {
                continue;
            };
            let to = connection
                .to
                .iter()
                .filter_map(|to| number.get(to.as_str()));
            cells.extend(to.map(|to| ((*from, *to), connection)));
        }
        let world = |direction: &str| -> BTreeMap<usize, World> {
            let of = report
                .external
                .iter()
                .filter(|of| of.direction == direction);
            let of = of.flat_map(|external| {
                let world = outside(external);
                let units = external.units.iter();
                let units = units.filter_map(|unit| number.get(unit.as_str()).copied());
                units.map(move |unit| (unit, world.clone()))
            });
            of.collect()
        };
        let mut view = Self {
            egress: world("egress"),
            ingress: world("ingress"),
            senders: BTreeSet::new(),
            takers: BTreeSet::new(),
            report,
            parties,
            sources,
            targets,
            cells,
        };
        view.find_unrestricted();
        view
    }

    fn find_unrestricted(&mut self) {
        let open = |of: &[usize], word: fn(&ReachUnit) -> &str| -> Vec<usize> {
            let open = of.iter().filter(|number| {
                self.party(**number)
                    .is_some_and(|party| word(party.unit) == "open")
            });
            open.copied().collect()
        };
        let senders = open(&self.sources, |unit| &unit.egress);
        let takers = open(&self.targets, |unit| &unit.ingress);
        let open = |from: usize, to: usize| {
            self.is_no_pair(from, to) || self.openness(from, to) == Openness::Open
        };
        let on_host = |number: &usize| {
            self.party(*number)
                .is_some_and(|party| party.unit.host_network > 0)
        };
        // Other readings of host-network pods, and families, may still come in between.
        let plain: Vec<usize> = takers.iter().copied().filter(|to| !on_host(to)).collect();
        let senders: BTreeSet<usize> = senders
            .into_iter()
            .filter(|from| plain.iter().all(|to| open(*from, *to)))
            .collect();
        let takers = takers
            .into_iter()
            .filter(|to| senders.iter().all(|from| open(*from, *to)))
            .collect();
        (self.senders, self.takers) = (senders, takers);
    }

    pub(super) fn party(&self, number: usize) -> Option<&Party<'r>> {
        self.parties.get(number)
    }

    pub(super) fn short(&self, number: usize) -> &str {
        self.party(number).map_or("", |party| party.short.as_str())
    }

    /// How much is open between two units.
    pub(super) fn openness(&self, from: usize, to: usize) -> Openness {
        let connection = self.cells.get(&(from, to));
        connection.map_or(Openness::Closed, |connection| {
            Openness::of_connection(connection)
        })
    }

    /// Whether a pair needs no word: neither end is restricted, and everything is open.
    pub(super) fn goes_without_saying(&self, from: usize, to: usize) -> bool {
        self.senders.contains(&from) && self.takers.contains(&to)
    }

    /// A single pod is taken as reaching itself: that it does not connect to itself (K-75) is no
    /// difference between it and its peers.
    pub(super) fn is_one_pod(&self, number: usize) -> bool {
        self.party(number)
            .is_some_and(|party| party.unit.pods == 1 && party.unit.kind == "pod")
    }

    /// Whether there is nothing to answer: a pod and itself (K-75), nodes among themselves.
    pub(super) fn is_no_pair(&self, from: usize, to: usize) -> bool {
        // Unless policies are about them.
        let open = |number, word: fn(&ReachUnit) -> &str| {
            let party = self.party(number);
            party.is_some_and(|p| p.unit.kind == "node" && word(p.unit) == "open")
        };
        let nodes = open(from, |unit| &unit.egress) && open(to, |unit| &unit.ingress);
        (from == to && self.is_one_pod(from)) || nodes
    }

    /// What a unit is called in plural.
    pub(super) fn every(&self) -> &'static str {
        match self.report.query.by.as_str() {
            "pod" => "every pod",
            "namespace" => "every namespace",
            _ => "every workload",
        }
    }

    /// Units in few words: whole namespaces as `shop/*`, all of them as one.
    pub(super) fn summed(&self, units: &[usize], among: &[usize]) -> Vec<String> {
        let is_node = |number: &usize| self.party(*number).is_some_and(|p| p.unit.kind == "node");
        let given: BTreeSet<usize> = units.iter().copied().collect();
        let pods: Vec<usize> = among
            .iter()
            .copied()
            .filter(|number| !is_node(number))
            .collect();
        let mut left: Vec<usize> = units.to_vec();
        let mut found = Vec::new();
        if pods.len() > 2 && pods.iter().all(|number| given.contains(number)) {
            found.push(self.every().to_owned());
            left.retain(is_node);
        }
        let mut by_namespace: BTreeMap<&str, usize> = BTreeMap::new();
        for number in among {
            if let Some(party) = self.party(*number) {
                *by_namespace.entry(party.namespace).or_default() += 1;
            }
        }
        let mut left = left.as_slice();
        while let Some(namespace) = left
            .first()
            .and_then(|first| self.party(*first))
            .map(|p| p.namespace)
        {
            let end = left.partition_point(|number| {
                self.party(*number)
                    .is_some_and(|party| party.namespace == namespace)
            });
            let (own, rest) = left.split_at_checked(end.max(1)).unwrap_or((left, &[]));
            left = rest;
            let whole = by_namespace.get(namespace) == Some(&own.len());
            if whole && own.len() > 1 && !namespace.is_empty() {
                found.push(format!("{namespace}/*"));
            } else {
                found.extend(own.iter().map(|number| self.short(*number).to_owned()));
            }
        }
        found
    }

    /// Why something is uncertain, by id.
    pub(super) fn whys(&self) -> BTreeSet<&'r str> {
        self.all_ports()
            .filter_map(|ports| ports.why.as_deref())
            .collect()
    }

    /// Whether anything holds for some pods only.
    pub(super) fn any_some(&self) -> bool {
        self.all_ports().any(|ports| ports.some)
    }

    /// Whether anything holds for certain requests only.
    pub(super) fn any_conditional(&self) -> bool {
        self.all_ports().any(|ports| ports.conditional)
    }

    fn all_ports(&self) -> impl Iterator<Item = &'r ReachPorts> {
        let connections = self.report.connections.iter();
        let inside = connections.flat_map(|connection| {
            let ipv6 = connection.ipv6.iter().flatten();
            connection.ports.iter().chain(ipv6)
        });
        let outside = self.report.external.iter().flat_map(|external| {
            let ranges = external.ranges.iter().flat_map(|range| &range.ports);
            ranges.chain(external.domains.iter().flat_map(|domain| &domain.ports))
        });
        inside.chain(outside)
    }
}

/// The outside of some units in one direction.
fn outside(external: &ReachExternal) -> World {
    // A pod has no family in which nothing is said of it.
    let all = external.ranges.iter().any(|range| {
        let whole = |address: &String| address == "0.0.0.0/0" || address == "::/0";
        range.addresses.iter().any(whole) && Openness::of(&range.ports) == Openness::Open
    });
    let of_names = external.domains.iter().map(|domain| &domain.ports);
    let certain = external
        .ranges
        .iter()
        .map(|range| &range.ports)
        .chain(of_names)
        .any(|ports| Openness::of(ports) >= Openness::Part);
    let openness = match (all, certain) {
        (true, _) => Openness::Open,
        (false, true) => Openness::Part,
        (false, false) => Openness::Uncertain,
    };
    let told = external.ranges.iter().map(|range| {
        let addresses =
            words::addresses(range).unwrap_or_else(|| format!("{} ranges", range.addresses.len()));
        format!("{addresses}: {}", words::ports(&range.ports))
    });
    let names = external.domains.iter().map(|domain| {
        let names = match domain.names.as_slice() {
            [a, b, c, _, _, ..] => format!("{a}, {b}, {c}, {} more names", domain.names.len() - 3),
            names => names.join(", "),
        };
        format!("{names}: {}", words::ports(&domain.ports))
    });
    let told = told.chain(names);
    World {
        openness,
        text: told.collect::<Vec<_>>().join("; "),
    }
}
