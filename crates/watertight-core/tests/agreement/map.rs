//! The map against verdicts: every pair of pods, at every port at which anything may change, under
//! every reading that is open; and groups of pods as the best and the worst of their pairs.

use std::collections::BTreeSet;

use watertight_core::analysis::map::{
    Answer, By, PROTOCOLS, Question, ReachMap, Span, Unit, Units,
};
use watertight_core::analysis::parties::{Selection, What};
use watertight_core::analysis::readings::{Judged, Open, Point, Readings};
use watertight_core::engine::{Profile, Switches};
use watertight_core::eval::reach::Reach;
use watertight_core::eval::{Connection, Evaluator, Party};
use watertight_core::manifest::Direction;
use watertight_core::sets::{PortMatch, Protocol};
use watertight_core::world::{NameId, World};

use crate::runner::hold;
use crate::worlds::read::{Read, read};
use crate::worlds::{mixed_readings, mixed_worlds, readings, worlds};

#[test]
fn maps_agree_with_verdicts() {
    hold(60, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        for by in [By::Pod, By::Namespace] {
            // With a named reading of everything, and with those points open that engines differ on.
            for open in [false, true] {
                compare(&read, by, open)?;
            }
        }
        Ok(())
    });
}

/// A-1..A-40, A-12: tiers around the NetworkPolicies.
#[test]
fn maps_of_tiers_agree_with_verdicts() {
    hold(
        60,
        (mixed_worlds(), mixed_readings()),
        |(described, readings)| {
            let read = read(described, readings)?;
            for by in [By::Pod, By::Namespace] {
                compare(&read, by, false)?;
            }
            Ok(())
        },
    );
}

/// what single pods send to a name.
#[test]
fn names_of_maps_agree_with_verdicts() {
    hold(
        60,
        (mixed_worlds(), mixed_readings()),
        |(described, readings)| {
            let mut read = read(described, readings)?;
            let asked = read.world.intern_name("www.example.com");
            let names: Vec<_> = read.world.name_ids().chain([asked]).collect();
            names.iter().try_for_each(|name| to_name(&read, *name))
        },
    );
}

fn to_name(read: &Read, name: NameId) -> Result<(), String> {
    let (world, eval) = (&read.world, read.evaluator());
    let mut profile = Profile::reference();
    profile.switches = read.switches;
    let pinned: Vec<String> = Switches::names().map(str::to_owned).collect();
    let reach = Reach::new(&eval);
    let to = Selection {
        text: format!("fqdn:{}", world[name].text),
        what: What::Name(name),
    };
    let question = Question {
        by: By::Pod,
        from: None,
        to: Some(&to),
        ports: Vec::new(),
    };
    let map = ReachMap::new(&eval, &reach, &profile, &pinned, &question)
        .map_err(|error| error.to_string())?;
    let rows = map.outside();
    for (number, unit) in (0..).zip(map.sources().all()) {
        let [from @ Party::Endpoint(_)] = map.sources().parties_of(unit) else {
            continue;
        };
        let row = rows.iter().find(|row| row.units.contains(&number));
        let spans = row.and_then(|row| row.names.first());
        let spans = spans.map_or(&[][..], |(spans, _)| spans);
        for (protocol, port) in ports(read, &eval) {
            let connection = Connection::new(*from, Party::Name(name), protocol, port);
            let verdict = eval.verdict(&connection);
            let expected = match (verdict.uncertain, verdict.allowed) {
                (Some(_), _) => Answer::Address,
                (None, true) => Answer::Allowed,
                (None, false) => Answer::Denied,
            };
            let (got, _) = level(spans, protocol, port);
            if got != expected {
                return Err(format!(
                    "{} -> {}:{port}/{}: the verdict is {expected:?}, the map says {got:?}",
                    unit.name,
                    to.text,
                    protocol.word()
                ));
            }
        }
    }
    Ok(())
}

fn compare(read: &Read, by: By, open: bool) -> Result<(), String> {
    let (world, eval) = (&read.world, read.evaluator());
    let mut profile = Profile::reference();
    profile.switches = read.switches;
    let pinned: Vec<String> = if open {
        Vec::new()
    } else {
        Switches::names().map(str::to_owned).collect()
    };
    let reach = Reach::new(&eval);
    let question = Question {
        by,
        from: None,
        to: None,
        ports: Vec::new(),
    };
    let map = ReachMap::new(&eval, &reach, &profile, &pinned, &question)
        .map_err(|error| error.to_string())?;
    let readings = Readings::new(world, &read.ruleset, &profile, &pinned);
    let judge = |connection: &Connection| answer(&readings.judge(&eval, connection));
    let ports = ports(read, &eval);
    let units = map.sources();
    for (row, from) in map.rows().iter().zip(units.all()) {
        for (number, to) in (0..).zip(units.all()) {
            let mut connections = row.connections.iter();
            let found = connections.find(|connection| connection.targets.contains(&number));
            let spans = found.map_or(&[][..], |found| &found.ports);
            let pairs = pairs(world, units, (from, to));
            for (protocol, port) in &ports {
                let expected = pairs
                    .iter()
                    .map(|(a, b)| judge(&Connection::new(*a, *b, *protocol, *port)))
                    .fold(None, |known: Option<(Answer, Answer)>, answer| {
                        let (most, least) = known.unwrap_or((answer, answer));
                        Some((most.max(answer), least.min(answer)))
                    });
                let expected = expected.unwrap_or((Answer::Denied, Answer::Denied));
                let got = level(spans, *protocol, *port);
                if got != expected {
                    return Err(format!(
                        "{} -> {}:{port}/{}: verdicts say {expected:?}, the map {got:?}",
                        from.name,
                        to.name,
                        protocol.word()
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Who connects to whom: no pod to itself (K-75), and no node to a node.
fn pairs(world: &World, units: &Units, (from, to): (&Unit, &Unit)) -> Vec<(Party, Party)> {
    let mut pairs = Vec::new();
    for a in units.parties_of(from) {
        for b in units.parties_of(to) {
            let itself = a == b && !matches!(a, Party::Endpoint(id) if world[*id].template);
            if !itself && !matches!((a, b), (Party::Node(_), Party::Node(_))) {
                pairs.push((*a, *b));
            }
        }
    }
    pairs
}

fn answer(judged: &Judged) -> Answer {
    match &judged.open {
        None if judged.verdict.allowed => Answer::Allowed,
        None => Answer::Denied,
        Some(Open::Reading {
            point: Point::HostNetwork,
            ..
        }) => Answer::HostNetwork,
        Some(Open::Reading {
            point: Point::NodeLocal,
            ..
        }) => Answer::NodeLocal,
        Some(_) => Answer::Address,
    }
}

fn level(spans: &[Span], protocol: Protocol, port: u16) -> (Answer, Answer) {
    let within =
        |span: &&Span| span.protocol == protocol && (span.first..=span.last).contains(&port);
    let span = spans.iter().find(within);
    span.map_or((Answer::Denied, Answer::Denied), |span| {
        (plain(span.most), plain(span.least))
    })
}

/// Why rows are not sure they cannot always tell; requests are not asked about.
fn plain(answer: Answer) -> Answer {
    match answer {
        Answer::Tie | Answer::SourcePort | Answer::Place => Answer::Address,
        Answer::Requests => Answer::Allowed,
        answer => answer,
    }
}

/// Every port at which anything may change, and its neighbours.
fn ports(read: &Read, eval: &Evaluator<'_>) -> BTreeSet<(Protocol, u16)> {
    let mut bounds: Vec<(Protocol, u16)> = Vec::new();
    for protocol in PROTOCOLS {
        bounds.extend([(protocol, 1), (protocol, u16::MAX)]);
    }
    for direction in Direction::BOTH {
        let tiers = eval.ruleset.tiers(direction).iter();
        let rules = tiers
            .flat_map(|tier| &tier.policies)
            .flat_map(|policy| &policy.rules);
        for item in rules.flat_map(|rule| &rule.traffic) {
            if let PortMatch::Range {
                protocol,
                first,
                last,
                ..
            } = item
            {
                bounds.extend([(*protocol, *first), (*protocol, *last)]);
            }
        }
    }
    let declared = read
        .world
        .endpoints
        .iter()
        .flat_map(|endpoint| endpoint.ports.iter());
    bounds.extend(declared.map(|port| (port.protocol, port.number)));
    // Port 0 is no port.
    let around = bounds.into_iter().flat_map(|(protocol, port)| {
        [port.saturating_sub(1), port, port.saturating_add(1)].map(|port| (protocol, port.max(1)))
    });
    around.collect()
}
