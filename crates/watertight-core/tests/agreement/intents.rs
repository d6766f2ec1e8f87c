//! Intents: a file that is made of a map holds in its own world, and fails wherever a single rule that
//! is another one changes the map; and statements say what verdicts say, pair by pair.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use watertight_core::analysis::intent::{Checker, Outcome, Statement, generate, pin, read};
use watertight_core::analysis::map::{By, Question, ReachMap};
use watertight_core::analysis::readings::Readings;
use watertight_core::engine::{Profile, Switches};
use watertight_core::eval::reach::{Outcome as Verdict, Reach};
use watertight_core::eval::{Connection, Evaluator, Family, Party};
use watertight_core::policy::{Rule, Ruleset, Tier};
use watertight_core::report::reach::{ReachPorts, Reporter, SavedMap, query};
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{EndpointId, Lifecycle, World};

use ipnet::IpNet;
use proptest::prelude::any;

use crate::runner::hold;
use crate::worlds::read::{Read, read as read_world};
use crate::worlds::{fading, mixed_readings, mixed_worlds, read_faded, readings, rules, worlds};

/// More rules of a world are not changed one by one.
const MOST_RULES: usize = 6;

/// Every reading that a test has chosen counts as named.
fn pinned() -> Vec<String> {
    Switches::names().map(str::to_owned).collect()
}

fn profile(read: &Read) -> Profile {
    let mut profile = Profile::reference();
    profile.switches = read.switches;
    profile
}

/// The map under a ruleset, as `reach -o json` has it.
fn map(read: &Read, ruleset: &Ruleset, by: By) -> Result<SavedMap, String> {
    let eval = Evaluator::new(&read.world, ruleset, read.switches);
    let reach = Reach::new(&eval);
    let question = Question {
        by,
        from: None,
        to: None,
        ports: Vec::new(),
    };
    let profile = profile(read);
    let map = ReachMap::new(&eval, &reach, &profile, &pinned(), &question);
    let map = map.map_err(|error| error.to_string())?;
    let reporter = Reporter {
        map: &map,
        world: &read.world,
        sources: &Sources::new(),
        profile: &profile,
        query: &query(by, None, None, &[]),
    };
    Ok(reporter.report(&[], true).into())
}

/// Addresses of one family as numbers, first and last.
type Stretch = (bool, u128, u128);

fn number(ip: IpAddr) -> (bool, u128) {
    match ip {
        IpAddr::V4(ip) => (false, u32::from(ip).into()),
        IpAddr::V6(ip) => (true, ip.into()),
    }
}

/// Ranges of addresses without those that pods and nodes own, which are told by name.
fn unowned(world: &World, addresses: &[String]) -> Vec<Stretch> {
    let pods = world.endpoint_ids().flat_map(|id| &world[id].ips);
    let pods = pods.filter(|ip| world.endpoint_at(**ip).is_some());
    let nodes = world.node_ids().flat_map(|id| &world[id].ips);
    let owned: BTreeSet<(bool, u128)> = pods.chain(nodes).map(|ip| number(*ip)).collect();
    let mut found: Vec<Stretch> = Vec::new();
    for text in addresses {
        let bounds = match text.split_once('-') {
            Some((first, last)) => (first.parse().ok(), last.parse().ok()),
            None => {
                let net: Option<IpNet> = text.parse().ok();
                (net.map(|net| net.network()), net.map(|net| net.broadcast()))
            }
        };
        let (Some((is_v6, mut first)), Some((_, last))) =
            (bounds.0.map(number), bounds.1.map(number))
        else {
            continue;
        };
        for (_, at) in owned.range((is_v6, first)..=(is_v6, last)) {
            if first < *at {
                found.push((is_v6, first, at - 1));
            }
            first = at + 1;
        }
        if first <= last {
            found.push((is_v6, first, last));
        }
    }
    found.sort_unstable();
    found.dedup_by(|next, known| {
        let joins = known.0 == next.0 && known.2.checked_add(1) == Some(next.1);
        if joins {
            known.2 = next.2;
        }
        joins
    });
    found
}

/// What a map says, without the reasons.
fn said(world: &World, map: &SavedMap) -> String {
    let mut map = map.clone();
    let plain = |ports: &mut Vec<ReachPorts>| {
        for range in ports {
            range.why = None;
        }
    };
    for connection in &mut map.connections {
        plain(&mut connection.ports);
        if let Some(ipv6) = &mut connection.ipv6 {
            plain(ipv6);
        }
    }
    for row in &mut map.external {
        row.ranges
            .iter_mut()
            .for_each(|range| plain(&mut range.ports));
        row.domains
            .iter_mut()
            .for_each(|domain| plain(&mut domain.ports));
    }
    // One entry may be written as two.
    let mut lines = Vec::new();
    for connection in &map.connections {
        for to in &connection.to {
            let ports = &connection.ports;
            let ipv6 = connection.ipv6.as_ref().filter(|ipv6| *ipv6 != ports);
            lines.push(format!("{} -> {to}: {ports:?} {ipv6:?}", connection.from));
        }
    }
    for row in &map.external {
        for unit in &row.units {
            let (direction, ranges, domains) = (&row.direction, &row.ranges, &row.domains);
            let ranges = ranges
                .iter()
                .map(|range| (unowned(world, &range.addresses), &range.ports));
            let ranges: Vec<_> = ranges.filter(|(found, _)| !found.is_empty()).collect();
            if !ranges.is_empty() || !domains.is_empty() {
                lines.push(format!("{direction} {unit}: {ranges:?} {domains:?}"));
            }
        }
    }
    lines.sort();
    lines.join("\n")
}

/// The outcomes of statements under a ruleset.
fn judge(read: &Read, ruleset: &Ruleset, statements: &[Statement]) -> Vec<Outcome> {
    let eval = Evaluator::new(&read.world, ruleset, read.switches);
    let reach = Reach::new(&eval);
    let (profile, pinned) = (profile(read), pinned());
    let readings = Readings::new(&read.world, ruleset, &profile, &pinned);
    let checker = Checker::new(&eval, &reach, &readings, &profile, &pinned, None);
    let judged = checker.judge(statements);
    judged.into_iter().map(|judged| judged.outcome).collect()
}

fn broken(outcomes: &[Outcome]) -> Option<&Outcome> {
    let held = |outcome: &&Outcome| !matches!(outcome, Outcome::Held(_));
    outcomes.iter().find(held)
}

/// The ruleset with another rule in the place of one: none, or one with the peers of the next.
fn mutated(ruleset: &Ruleset, number: usize, lost: bool) -> Option<Ruleset> {
    let rules: Vec<Rule> = rules(ruleset).cloned().collect();
    let next = rules.get((number + 1) % rules.len().max(1))?;
    let mut left = number;
    let mut ruleset = ruleset.clone();
    let tiers = ruleset.ingress.iter_mut().chain(&mut ruleset.egress);
    for policy in tiers.flat_map(|tier: &mut Tier| &mut tier.policies) {
        match policy.rules.get_mut(left) {
            Some(_) if lost => {
                policy.rules.remove(left);
                return Some(ruleset);
            }
            Some(rule) => {
                rule.peers.clone_from(&next.peers);
                return Some(ruleset);
            }
            None => left -= policy.rules.len(),
        }
    }
    None
}

/// The file of a map, read again.
fn file(map: &SavedMap) -> Result<Vec<Statement>, String> {
    let text = generate(map).map_err(|error| error.to_string())?;
    let mut sources = Sources::new();
    let file = sources
        .add("i.yaml", text.clone().into())
        .map_err(|error| error.to_string())?;
    let intents = read(&sources, file);
    if let Some(problem) = intents.problems.first() {
        return Err(format!("{}\n{text}", problem.message));
    }
    Ok(intents.statements)
}

/// The number of mutations that changed the map.
fn pins(read: &Read, turn: usize) -> Result<u32, String> {
    let mut changed = 0;
    for by in [By::Workload, By::Pod] {
        let before = map(read, &read.ruleset, by)?;
        let statements = file(&before)?;
        let same = pin(&before).map_err(|error| error.to_string())?;
        for statements in [&statements, &same] {
            if let Some(outcome) = broken(&judge(read, &read.ruleset, statements)) {
                return Err(format!("does not hold in its own world: {outcome:?}"));
            }
        }
        let count = rules(&read.ruleset).count();
        let mutations = (0..2 * MOST_RULES.min(count)).filter_map(|number| {
            let rule = (number / 2 * count / MOST_RULES.min(count) + turn) % count;
            mutated(&read.ruleset, rule, number % 2 == 0)
        });
        for ruleset in mutations {
            let after = map(read, &ruleset, by)?;
            let differs = said(&read.world, &before) != said(&read.world, &after);
            changed += u32::from(differs);
            for statements in [&statements, &same] {
                let outcomes = judge(read, &ruleset, statements);
                if broken(&outcomes).is_some() != differs {
                    let (before, after) = (said(&read.world, &before), said(&read.world, &after));
                    return Err(format!(
                        "{:?}, but the map was\n{before}\nand is\n{after}",
                        broken(&outcomes)
                    ));
                }
            }
        }
    }
    Ok(changed)
}

#[test]
fn a_pinned_map_fails_where_another_rule_changes_it() {
    let input = (worlds(), readings(), any::<u8>());
    let changed = Cell::new(0);
    hold(25, input, |(described, readings, turn)| {
        let read = read_world(described, readings)?;
        changed.set(changed.get() + pins(&read, usize::from(*turn % 3))?);
        Ok(())
    });
    assert!(changed.get() > 20, "only {} rules matter", changed.get());
}

/// M-1, M-4: what is uncertain is pinned as such.
#[test]
fn a_pinned_map_of_which_less_is_known_does_so_too() {
    let input = (worlds(), readings(), (fading(), any::<u8>()));
    let changed = Cell::new(0);
    hold(25, input, |(described, readings, (fading, turn))| {
        let read = read_faded(described, readings, fading)?;
        changed.set(changed.get() + pins(&read, usize::from(*turn % 3))?);
        Ok(())
    });
    assert!(changed.get() > 20, "only {} rules matter", changed.get());
}

/// A-1..A-40: tiers around the NetworkPolicies.
#[test]
fn a_pinned_map_of_tiers_does_so_too() {
    let input = (mixed_worlds(), mixed_readings(), any::<u8>());
    let changed = Cell::new(0);
    hold(25, input, |(described, readings, turn)| {
        let read = read_world(described, readings)?;
        changed.set(changed.get() + pins(&read, usize::from(*turn % 3))?);
        Ok(())
    });
    assert!(changed.get() > 20, "only {} rules matter", changed.get());
}

/// The best and the worst verdict of all pairs of two namespaces; none if there is no pair.
fn of_pairs(read: &Read, from: &str, to: &str, port: u16) -> Option<(Verdict, Verdict)> {
    let world = &read.world;
    let eval = read.evaluator();
    let pods = |name: &str| -> Vec<EndpointId> {
        let namespace = world.namespace(name);
        let all = namespace.map_or(&[][..], |id| &world[id].endpoints);
        let active = all
            .iter()
            .filter(|id| world[**id].lifecycle == Lifecycle::Active);
        active.copied().collect()
    };
    let mut found: Option<(Verdict, Verdict)> = None;
    for source in pods(from) {
        for target in pods(to) {
            if source == target && !world[source].template {
                continue;
            }
            let (source, target) = (Party::Endpoint(source), Party::Endpoint(target));
            let flow = Connection::new(source, target, Protocol::Tcp, port);
            let has = |party: Party| {
                let families = [Family::V4, Family::V6].into_iter();
                families
                    .filter(|family| party.address(world, *family).is_some())
                    .count()
                    == 2
            };
            let both = has(source) && has(target);
            let families = [None, Some(Family::V6).filter(|_| both)];
            for (number, family) in families.into_iter().enumerate() {
                if number > 0 && family.is_none() {
                    continue;
                }
                let verdict = Verdict::of(&eval.verdict(&Connection { family, ..flow }));
                found = Some(match found {
                    None => (verdict, verdict),
                    Some((best, worst)) => (best.max(verdict), worst.min(verdict)),
                });
            }
        }
    }
    found
}

#[test]
fn statements_say_what_verdicts_say() {
    hold(60, (worlds(), readings()), |(described, readings)| {
        let read = read_world(described, readings)?;
        let names_of: Vec<String> = read
            .world
            .namespaces
            .iter()
            .map(|namespace| namespace.name.to_string())
            .collect();
        let mut text = String::from("apiVersion: watertight.dev/v1\nkind: Intents\nstatements:\n");
        let mut expected = Vec::new();
        for from in &names_of {
            for to in &names_of {
                for port in [80, 443] {
                    let Some(pairs) = of_pairs(&read, from, to, port) else {
                        continue;
                    };
                    for claim in ["allow", "deny"] {
                        writeln!(
                            text,
                            "- {{name: {claim} {from} {to} {port}, {claim}: {{from: 'ns:{from}', \
                             to: 'ns:{to}', ports: [{port}]}}}}"
                        )
                        .map_err(|error| error.to_string())?;
                        let (best, worst) = pairs;
                        expected.push(match claim {
                            "allow" => worst == Verdict::Allowed,
                            _ => best == Verdict::Denied,
                        });
                    }
                }
            }
        }
        let mut sources = Sources::new();
        let file = sources
            .add("i.yaml", text.into())
            .map_err(|error| error.to_string())?;
        let intents = read_file(&sources, file)?;
        let outcomes = judge(&read, &read.ruleset, &intents);
        for ((outcome, expected), statement) in outcomes.iter().zip(expected).zip(&intents) {
            if matches!(outcome, Outcome::Held(_)) != expected {
                return Err(format!("{}: {outcome:?}", statement.name));
            }
        }
        Ok(())
    });
}

fn read_file(
    sources: &Sources,
    file: watertight_core::source::FileId,
) -> Result<Vec<Statement>, String> {
    let intents = read(sources, file);
    match intents.problems.first() {
        Some(problem) => Err(problem.message.clone()),
        None => Ok(intents.statements),
    }
}
