//! Differences against maps: two worlds that are alike but for a few objects, every pair of units, at
//! every port and address at which anything may change.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use watertight_core::analysis::diff::{Difference, Judged, Level, Shifted, compare, share_names};
use watertight_core::analysis::felt::{self, Felt};
use watertight_core::analysis::map::{Answer, By, OutsideRow, Question, ReachMap, Span};
use watertight_core::engine::{Profile, Switches};
use watertight_core::eval::Evaluator;
use watertight_core::eval::reach::{Outcome, Reach};
use watertight_core::manifest::{Belongs, Direction, Options};
use watertight_core::policy::{Ruleset, lower};
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume, World};

use crate::oracle::Readings;
use crate::oracle::objects::Cluster;
use crate::runner::hold;
use crate::worlds::{Described, files, mixed_readings, mixed_worlds, readings, worlds};

#[test]
fn differences_are_those_of_the_maps() {
    hold(
        120,
        (worlds(), readings(), 0u64..u64::MAX),
        |(described, readings, seed)| agrees(described, readings, *seed),
    );
}

#[test]
fn differences_of_tiers_are_those_of_the_maps() {
    hold(
        120,
        (mixed_worlds(), mixed_readings(), 0u64..u64::MAX),
        |(described, readings, seed)| agrees(described, readings, *seed),
    );
}

#[test]
fn a_world_does_not_differ_from_itself() {
    hold(
        60,
        (mixed_worlds(), mixed_readings(), 0u64..1),
        |(described, readings, _)| {
            let two = Two::read(described, &described.cluster, readings)?;
            for by in [By::Pod, By::Workload, By::Namespace] {
                let found = two.compare(by);
                if !found.is_empty() || !found.objects.is_empty() || !found.workloads.is_empty() {
                    return Err(format!("{by:?}: {found:?}"));
                }
            }
            Ok(())
        },
    );
}

fn agrees(described: &Described, readings: &Readings, seed: u64) -> Result<(), String> {
    let changed = changed(&described.cluster, seed);
    let two = Two::read(described, &changed, readings)?;
    for by in [By::Pod, By::Workload, By::Namespace] {
        two.agrees(by).map_err(|error| format!("{by:?}: {error}"))?;
    }
    Ok(())
}

/// A cluster of which some policies, pods and labels are gone.
fn changed(cluster: &Cluster, seed: u64) -> Cluster {
    let mut state = seed | 1;
    let mut one_in = |count: u64| {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.is_multiple_of(count)
    };
    let mut found = cluster.clone();
    found.policies.retain(|_| !one_in(4));
    found.cluster_policies.retain(|_| !one_in(4));
    for policy in &mut found.policies {
        if let Some(spec) = &mut policy.spec {
            let sections = [&mut spec.ingress, &mut spec.egress];
            for rules in sections.into_iter().flatten() {
                rules.retain(|_| !one_in(6));
            }
        }
    }
    for namespace in &mut found.namespaces {
        if one_in(6) {
            namespace.labels.pop_first();
        }
    }
    found.pods.retain(|_| !one_in(10));
    for pod in &mut found.pods {
        if one_in(8) {
            pod.labels.pop_first();
        }
        if one_in(12) {
            pod.node = None;
        }
    }
    found
}

/// Both worlds, read from one list of files.
struct Two {
    sources: Sources,
    worlds: [World; 2],
    rulesets: [Ruleset; 2],
    profile: Profile,
}

impl Two {
    fn read(described: &Described, after: &Cluster, readings: &Readings) -> Result<Self, String> {
        let mut switches = Switches::default();
        for (name, value) in readings.pairs() {
            let set = switches.set(name, value);
            set.map_err(|error| error.to_string())?;
        }
        let mut sources = Sources::new();
        let mut add = |prefix: &str, cluster: &Cluster| {
            for (name, text) in files(cluster, described.spelling) {
                let name = format!("{prefix}/{name}");
                let added = sources.add(&name, text.into_bytes());
                added.map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        };
        add("old", &described.cluster)?;
        add("new", after)?;
        let belongs = |file| match sources.file(file).name().starts_with("old/") {
            true => Some(Belongs::Old),
            false => Some(Belongs::New),
        };
        let (options, assume) = (Options::default(), Assume::default());
        let [(mut old, _), (mut new, _)] =
            world::read_two(&sources, belongs, &options, &assume, None, None);
        share_names(&mut old, &mut new);
        let mut profile = Profile::parse("reference").map_err(|error| error.to_string())?;
        profile.switches = switches;
        let rulesets = [lower(&old, &profile), lower(&new, &profile)];
        Ok(Self {
            sources,
            worlds: [old, new],
            rulesets,
            profile,
        })
    }

    fn evaluators(&self) -> [Evaluator<'_>; 2] {
        [0, 1].map(|at| Evaluator::new(&self.worlds[at], &self.rulesets[at], self.profile.switches))
    }

    fn compare(&self, by: By) -> Difference {
        let evals = self.evaluators();
        let [old, new] = &self.worlds;
        let felt = Felt::find(&self.sources, old, new);
        let rows = felt::rows([&evals[0], &evals[1]], felt.as_ref());
        let pinned: Vec<String> = Switches::names().map(str::to_owned).collect();
        let judged = [0, 1].map(|at| Judged {
            eval: &evals[at],
            reach: &rows[at],
            profile: &self.profile,
            pinned: &pinned,
        });
        compare(&self.sources, &judged[0], &judged[1], by, felt.as_ref())
    }

    fn agrees(&self, by: By) -> Result<(), String> {
        let evals = self.evaluators();
        let pinned: Vec<String> = Switches::names().map(str::to_owned).collect();
        let question = Question {
            by,
            from: None,
            to: None,
            ports: Vec::new(),
        };
        let mut maps = Vec::new();
        for eval in &evals {
            let rows = Reach::new(eval);
            let map = ReachMap::new(eval, &rows, &self.profile, &pinned, &question);
            let map = map.map_err(|error| error.to_string())?;
            maps.push(Known::of(&map));
        }
        let found = self.compare(by);
        let [old, new] = [&maps[0], &maps[1]];
        pairs_agree(&found, old, new)?;
        outside_agrees(&found, old, new, &self.worlds)
    }
}

type Levels = (Level, Level);

/// What a map says, by name.
struct Known {
    units: BTreeSet<String>,
    /// Those that were assumed, not read (M-2).
    assumed: BTreeSet<String>,
    pairs: BTreeMap<(String, String), Vec<Span>>,
    outside: BTreeMap<(Direction, String), OutsideRow>,
}

impl Known {
    fn of(map: &ReachMap<'_, '_>) -> Self {
        let name = |at: u32| map.sources().all()[at as usize].name.clone();
        let mut pairs = BTreeMap::new();
        for row in map.rows() {
            for connection in &row.connections {
                for target in &connection.targets {
                    let pair = (name(row.source), name(*target));
                    pairs.insert(pair, connection.ports.to_vec());
                }
            }
        }
        let mut outside = BTreeMap::new();
        for row in map.outside() {
            for unit in &row.units {
                outside.insert((row.direction, name(*unit)), row.clone());
            }
        }
        let units = map.sources().all().iter();
        let assumed = units.clone().filter(|unit| unit.assumed);
        Self {
            assumed: assumed.map(|unit| unit.name.clone()).collect(),
            units: units.map(|unit| unit.name.clone()).collect(),
            pairs,
            outside,
        }
    }
}

/// All units; what is assumed on one side only is no part of the change (M-2).
fn meant<'k>(old: &'k Known, new: &'k Known) -> BTreeSet<&'k String> {
    let units = old.units.union(&new.units);
    let is_meant = |name: &&String| {
        let in_both = old.units.contains(*name) && new.units.contains(*name);
        in_both || !(old.assumed.contains(*name) || new.assumed.contains(*name))
    };
    units.filter(is_meant).collect()
}

fn level_of(answer: Answer) -> Level {
    match (answer, answer.outcome()) {
        (Answer::Requests, _) => Level::Requests,
        (_, Outcome::Denied) => Level::Denied,
        (_, Outcome::Uncertain) => Level::Uncertain,
        (_, Outcome::Allowed) => Level::Allowed,
    }
}

fn levels(spans: &[Span], protocol: Protocol, port: u16) -> Levels {
    let within =
        |span: &&Span| span.protocol == protocol && (span.first..=span.last).contains(&port);
    let span = spans.iter().find(within);
    span.map_or((Level::Denied, Level::Denied), |span| {
        (level_of(span.most), level_of(span.least))
    })
}

/// Every port at which spans begin or end, and beside it.
fn ports(spans: &[&[Span]]) -> BTreeSet<(Protocol, u16)> {
    let mut found = BTreeSet::new();
    for span in spans.iter().copied().flatten() {
        for port in [span.first, span.last] {
            for port in [port.saturating_sub(1), port, port.saturating_add(1)] {
                found.insert((span.protocol, port.max(1)));
            }
        }
    }
    found
}

/// Whether a change says what two lists of spans say.
fn says(change: Option<&Shifted>, old: &[Span], new: &[Span]) -> Result<(), String> {
    let mut all = vec![old, new];
    if let Some(change) = change {
        all.extend([&*change.before.ports, &*change.after.ports]);
    }
    for (protocol, port) in ports(&all) {
        let (was, is) = (levels(old, protocol, port), levels(new, protocol, port));
        let Some(change) = change else {
            if was != is {
                return Err(format!(
                    "{port}/{protocol:?}: {was:?} -> {is:?} is not told"
                ));
            }
            continue;
        };
        let told = (
            levels(&change.before.ports, protocol, port),
            levels(&change.after.ports, protocol, port),
        );
        if told != (was, is) {
            return Err(format!(
                "{port}/{protocol:?}: {was:?} -> {is:?}, told {told:?}"
            ));
        }
        let shift = change
            .shifts
            .iter()
            .find(|shift| shift.protocol == protocol && (shift.first..=shift.last).contains(&port));
        // Over IPv6 alone something else may change.
        let six = change.before.ipv6.is_some() || change.after.ipv6.is_some();
        let shifted = shift.map(|shift| (shift.before, shift.after, shift.widens, shift.narrows));
        let expected = (was != is).then_some((
            was.0,
            is.0,
            is.0 > was.0 || is.1 > was.1,
            is.0 < was.0 || is.1 < was.1,
        ));
        if shifted != expected && !six {
            return Err(format!(
                "{port}/{protocol:?}: shift {shifted:?}, not {expected:?}"
            ));
        }
    }
    Ok(())
}

fn pairs_agree(found: &Difference, old: &Known, new: &Known) -> Result<(), String> {
    let name = |unit: &u32| found.units[*unit as usize].name.clone();
    let mut told: BTreeMap<(String, String), &Shifted> = BTreeMap::new();
    for (change, why) in &found.pairs {
        if why.causes.is_empty() {
            return Err("a change without a cause".into());
        }
        for from in &change.from {
            for to in &change.to {
                let pair = (name(from), name(to));
                if told.insert(pair.clone(), &change.change).is_some() {
                    return Err(format!("{pair:?} is told twice"));
                }
            }
        }
    }
    let units = meant(old, new);
    for from in &units {
        for to in &units {
            let pair = ((*from).clone(), (*to).clone());
            let spans = |known: &'_ Known| known.pairs.get(&pair).cloned().unwrap_or_default();
            says(told.get(&pair).copied(), &spans(old), &spans(new))
                .map_err(|error| format!("{from} -> {to}: {error}"))?;
        }
    }
    Ok(())
}

fn outside_agrees(
    found: &Difference,
    old: &Known,
    new: &Known,
    worlds: &[World; 2],
) -> Result<(), String> {
    let is_owned = |world: &World, ip: IpAddr| {
        let mut pods = world.endpoint_ids();
        pods.any(|id| world[id].ips.contains(&ip))
            || world.nodes.iter().any(|node| node.ips.contains(&ip))
    };
    let units = meant(old, new);
    for direction in Direction::BOTH {
        for unit in &units {
            let key = (direction, (*unit).clone());
            let rows = [old, new].map(|known| known.outside.get(&key));
            let changes: Vec<_> = found
                .outside
                .iter()
                .map(|(change, _)| change)
                .filter(|change| {
                    let mut units = change.units.iter();
                    change.direction == direction
                        && units.any(|at| found.units[*at as usize].name == **unit)
                })
                .collect();
            let mut asked: BTreeSet<IpAddr> = BTreeSet::new();
            let mut ask = |v4: &watertight_core::sets::Runs<u32>,
                           v6: &watertight_core::sets::Runs<u128>| {
                for (first, last) in v4.iter() {
                    let around = [first, last, first.saturating_sub(1), last.saturating_add(1)];
                    asked.extend(around.map(|ip| IpAddr::from(ip.to_be_bytes())));
                }
                for (first, last) in v6.iter() {
                    let around = [first, last, first.saturating_sub(1), last.saturating_add(1)];
                    asked.extend(around.map(|ip| IpAddr::from(ip.to_be_bytes())));
                }
            };
            for row in rows.into_iter().flatten() {
                row.reached
                    .iter()
                    .for_each(|reached| ask(&reached.v4, &reached.v6));
            }
            changes
                .iter()
                .for_each(|change| ask(&change.v4, &change.v6));
            for ip in asked {
                // Where somebody has it, it is not outside; that this changes is told elsewhere.
                if worlds.iter().any(|world| is_owned(world, ip)) {
                    continue;
                }
                let at = |row: Option<&OutsideRow>| {
                    let mut reached = row.map_or(&[][..], |row| &row.reached).iter();
                    let found = reached.find(|reached| has(&reached.v4, &reached.v6, ip));
                    found.map_or_else(Vec::new, |reached| reached.ports.to_vec())
                };
                let mut told = changes
                    .iter()
                    .filter(|change| has(&change.v4, &change.v6, ip));
                let change = told.next().map(|change| &change.change);
                if told.next().is_some() {
                    return Err(format!("{unit} and {ip} are told twice"));
                }
                says(change, &at(rows[0]), &at(rows[1]))
                    .map_err(|error| format!("{unit} and {ip}, {direction:?}: {error}"))?;
            }
        }
    }
    Ok(())
}

fn has(
    v4: &watertight_core::sets::Runs<u32>,
    v6: &watertight_core::sets::Runs<u128>,
    ip: IpAddr,
) -> bool {
    match ip {
        IpAddr::V4(ip) => v4.contains(ip.into()),
        IpAddr::V6(ip) => v6.contains(ip.into()),
    }
}
