//! The whole map of a folder, the expected one, and what differs between two maps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, bail};
use watertight_core::eval::Party;
use watertight_core::manifest::Direction;
use watertight_core::world::{EndpointId, World};

use super::judge::{Judge, Range, ipv4, merged};
use super::manifests::{Cluster, cluster, ruleset};
use super::ports::Ports;
use super::routes;

/// Who connects to whom.
pub(super) type Pair = (String, String);

/// What workloads reach of one another and of the addresses outside.
#[derive(Debug, Default)]
pub(super) struct Connectivity {
    pub(super) workloads: BTreeSet<String>,
    /// Pairs with at least one port.
    inside: BTreeMap<Pair, Ports>,
    /// All of IPv4, by workload and by its direction.
    outside: BTreeMap<(String, Direction), Vec<Range>>,
    /// What a map of workloads cannot show: pods of one workload that are not alike, and verdicts
    /// that differ from rows.
    pub(super) remarks: Vec<String>,
}

impl Connectivity {
    /// Computes the map of a folder.
    pub(super) fn of(folder: &Path) -> anyhow::Result<Self> {
        let cluster = cluster(folder)?;
        let ruleset = ruleset(&cluster.world);
        let judge = Judge::new(&cluster.world, &ruleset);
        let mut found = Self {
            workloads: cluster.workloads.keys().cloned().collect(),
            ..Self::default()
        };
        let samples: BTreeMap<_, _> = cluster
            .workloads
            .iter()
            .map(|(name, endpoints)| (name, samples(&cluster.world, endpoints)))
            .collect();
        for (from, sources) in &samples {
            for (to, targets) in &samples {
                if from != to {
                    found.pair((from, to), sources, targets, &judge);
                }
            }
            found.outside(from, sources, &judge);
        }
        found.routed(&cluster, &judge);
        found.remarks.extend(judge.torn());
        Ok(found)
    }

    fn pair(
        &mut self,
        (from, to): (&str, &str),
        sources: &[EndpointId],
        targets: &[EndpointId],
        judge: &Judge<'_>,
    ) {
        let all = sources.iter().flat_map(|source| {
            let target = |target| (Party::Endpoint(*source), Party::Endpoint(target));
            targets.iter().copied().map(target)
        });
        let judged = all.map(|(source, target)| judge.ports(source, target));
        let (ports, alike) = together(judged);
        if !alike {
            self.not_alike(from, to);
        }
        if !ports.is_empty() {
            self.inside.insert((from.to_owned(), to.to_owned()), ports);
        }
    }

    fn not_alike(&mut self, from: &str, to: &str) {
        self.remarks.push(format!(
            "{from} -> {to}: pods of one workload are judged differently"
        ));
    }

    fn outside(&mut self, name: &str, endpoints: &[EndpointId], judge: &Judge<'_>) {
        for direction in Direction::BOTH {
            let judged = endpoints
                .iter()
                .map(|endpoint| judge.outside(Party::Endpoint(*endpoint), direction));
            let mut judged = judged.collect::<Vec<_>>().into_iter();
            let Some(ranges) = judged.next() else {
                continue;
            };
            if judged.any(|other| other != ranges) {
                match direction {
                    Direction::Egress => self.not_alike(name, "ip"),
                    Direction::Ingress => self.not_alike("ip", name),
                }
            }
            self.outside.insert((name.to_owned(), direction), ranges);
        }
    }

    fn routed(&mut self, cluster: &Cluster, judge: &Judge<'_>) {
        let reached = routes::reached(cluster, judge);
        for (name, endpoints) in &cluster.workloads {
            let mut ports = Ports::default();
            for endpoint in endpoints {
                if let Some(of) = reached.get(endpoint) {
                    ports.union(of);
                }
            }
            if !ports.is_empty() {
                let pair = (routes::SOURCE.to_owned(), name.clone());
                self.inside.insert(pair, ports);
            }
        }
    }

    /// One entry for each allowed pair.
    pub(super) fn lines(&self) -> BTreeMap<Pair, Ports> {
        let mut lines = self.inside.clone();
        for ((workload, direction), ranges) in &self.outside {
            for (first, last, ports) in ranges {
                if !ports.is_empty() {
                    lines.insert(
                        outside_pair(workload, *direction, *first, *last),
                        ports.clone(),
                    );
                }
            }
        }
        lines
    }

    /// Every pair with what is allowed here and in `later`, where that differs.
    pub(super) fn changes(&self, later: &Self) -> BTreeMap<Pair, (Ports, Ports)> {
        let mut changes = BTreeMap::new();
        let pairs: BTreeSet<_> = self.inside.keys().chain(later.inside.keys()).collect();
        for pair in pairs {
            let of = |map: &Self| map.inside.get(pair).cloned().unwrap_or_default();
            changes.insert(pair.clone(), (of(self), of(later)));
        }
        let outside: BTreeSet<_> = self.outside.keys().chain(later.outside.keys()).collect();
        for key in outside {
            let of = |map: &Self| map.outside.get(key).cloned().unwrap_or_default();
            for (first, last, ports) in side_by_side(&of(self), &of(later)) {
                changes.insert(outside_pair(&key.0, key.1, first, last), ports);
            }
        }
        changes.retain(|_, (before, after)| before != after);
        changes
    }
}

/// One endpoint of each kind: those with the same labels and ports in one namespace are alike.
fn samples(world: &World, endpoints: &[EndpointId]) -> Vec<EndpointId> {
    let mut samples: Vec<EndpointId> = Vec::new();
    for id in endpoints {
        let alike = |other: &EndpointId| {
            world[*other].labels == world[*id].labels && world[*other].ports == world[*id].ports
        };
        if !samples.iter().any(alike) {
            samples.push(*id);
        }
    }
    samples
}

/// All of them, and whether they are the same.
fn together(judged: impl Iterator<Item = Ports>) -> (Ports, bool) {
    let (mut all, mut alike) = (None::<Ports>, true);
    for ports in judged {
        match &mut all {
            None => all = Some(ports),
            Some(all) => {
                alike &= *all == ports;
                all.union(&ports);
            }
        }
    }
    (all.unwrap_or_default(), alike)
}

fn outside_pair(workload: &str, direction: Direction, first: u64, last: u64) -> Pair {
    let range = format!("ip:{}-{}", ipv4(first), ipv4(last));
    match direction {
        Direction::Egress => (workload.to_owned(), range),
        Direction::Ingress => (range, workload.to_owned()),
    }
}

/// Two partitions cut where either is cut, then put together where nothing differs.
fn side_by_side(before: &[Range], after: &[Range]) -> Vec<Range<(Ports, Ports)>> {
    let mut starts: BTreeSet<u64> = BTreeSet::new();
    for (first, last, _) in before.iter().chain(after) {
        starts.extend([*first, last + 1]);
    }
    let at = |ranges: &[Range], address: u64| {
        let found = ranges
            .iter()
            .find(|(first, last, _)| (*first..=*last).contains(&address));
        found.map(|(.., ports)| ports.clone()).unwrap_or_default()
    };
    let pieces = starts.iter().zip(starts.iter().skip(1));
    merged(pieces.map(|(start, beyond)| {
        let ports = (at(before, *start), at(after, *start));
        (*start, beyond - 1, ports)
    }))
}

/// Reads `src dst ports network`.
pub(super) fn expected_lines(text: &str) -> anyhow::Result<BTreeMap<Pair, Ports>> {
    let mut lines = BTreeMap::new();
    for line in text.lines() {
        let mut columns = line.split('\t');
        let (Some(from), Some(to), Some(ports)) = (columns.next(), columns.next(), columns.next())
        else {
            bail!("`{line}` has not three columns");
        };
        let ports = Ports::parse(ports).with_context(|| format!("in `{line}`"))?;
        let pair = (from.to_owned(), to.to_owned());
        if lines.insert(pair, ports).is_some() {
            bail!("`{from}` and `{to}` are listed twice");
        }
    }
    Ok(lines)
}

/// Reads `type src dst ports1 ports2 info`: the change of each pair, and whose coming or going it is.
pub(super) fn expected_changes(
    text: &str,
) -> anyhow::Result<BTreeMap<Pair, (Ports, Ports, String)>> {
    let mut lines = BTreeMap::new();
    for line in text.lines() {
        let columns: Vec<_> = line.split('\t').collect();
        let [kind, from, to, before, after, rest @ ..] = columns.as_slice() else {
            bail!("`{line}` has not five columns");
        };
        let ports = (Ports::parse(before)?, Ports::parse(after)?);
        let told = match (ports.0.is_empty(), ports.1.is_empty()) {
            (true, false) => "added",
            (false, true) => "removed",
            _ => "changed",
        };
        if told != *kind {
            bail!("`{line}` is no line of type `{kind}`");
        }
        let info = rest.first().copied().unwrap_or_default().to_owned();
        let pair = ((*from).to_owned(), (*to).to_owned());
        if lines.insert(pair, (ports.0, ports.1, info)).is_some() {
            bail!("`{from}` and `{to}` are listed twice");
        }
    }
    Ok(lines)
}
