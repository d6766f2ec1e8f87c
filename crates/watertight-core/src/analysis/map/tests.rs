//! The map against verdicts, pair by pair and port by port, and by rule id.

mod dialects;
mod rules;
mod truth;

use std::collections::BTreeSet;

use super::*;
use crate::analysis::parties::Parties;
use crate::analysis::readings::Readings;
use crate::analysis::testing::Sample;
use crate::eval::Connection as Flow;
use crate::policy::Ruleset;
use crate::sets::PortMatch;
use crate::world::World;

/// `FROM -> TO: PORTS`, one a line.
fn printed(sample: &Sample, by: By) -> String {
    asked(sample, by, None, None)
}

fn asked(sample: &Sample, by: By, from: Option<&str>, to: Option<&str>) -> String {
    let eval = sample.eval();
    let reach = Reach::new(&eval);
    let parties = Parties::new(&sample.world, None);
    let (from, to) = (
        from.map(|text| parties.select(text).unwrap()),
        to.map(|text| parties.select(text).unwrap()),
    );
    let question = Question {
        by,
        from: from.as_ref(),
        to: to.as_ref(),
        ports: Vec::new(),
    };
    let map = ReachMap::new(&eval, &reach, &sample.profile, &[], &question).unwrap();
    let mut lines = Vec::new();
    for row in map.rows() {
        let source = &map.sources().all()[row.source as usize].name;
        for connection in row.connections {
            for target in connection.targets {
                let target = match map.service() {
                    Some(service) => &*sample.world[service].name,
                    None => &*map.targets().all()[target as usize].name,
                };
                let ipv6 = connection.ipv6.as_ref();
                let ipv6 = ipv6.map_or(String::new(), |ipv6| format!(" ipv6: {}", spell(ipv6)));
                lines.push(format!(
                    "{source} -> {target}: {}{ipv6}\n",
                    spell(&connection.ports)
                ));
            }
        }
    }
    lines.concat()
}

fn spell(spans: &[Span]) -> String {
    if spans.is_empty() {
        return "none".into();
    }
    if is_everything(spans) {
        return "all".into();
    }
    let spell = |span: &Span| {
        let some = if span.differs() { " some" } else { "" };
        let open = span
            .most
            .open()
            .map_or(String::new(), |id| format!(" {id}"));
        format!(
            "{}-{}/{}{some}{open}",
            span.first,
            span.last,
            span.protocol.word()
        )
    };
    spans.iter().map(spell).collect::<Vec<_>>().join(", ")
}

/// The answer of a verdict.
fn truth(readings: &Readings<'_>, eval: &Evaluator<'_>, flow: &Flow) -> Answer {
    services::answer(eval, flow, &readings.judge(eval, flow))
}

/// Ports at which anything may change, with their neighbours.
fn boundaries(world: &World, ruleset: &Ruleset) -> BTreeSet<(Protocol, u16)> {
    let mut found = BTreeSet::new();
    let mut add = |protocol: Protocol, port: u16| {
        for port in [port.saturating_sub(1), port, port.saturating_add(1)] {
            found.insert((protocol, port.max(1)));
        }
    };
    for protocol in PROTOCOLS {
        add(protocol, 1);
        add(protocol, u16::MAX);
    }
    for direction in Direction::BOTH {
        for tier in ruleset.tiers(direction) {
            let rules = tier.policies.iter().flat_map(|policy| &policy.rules);
            for item in rules.flat_map(|rule| &rule.traffic) {
                if let PortMatch::Range {
                    protocol,
                    first,
                    last,
                    ..
                } = item
                {
                    add(*protocol, *first);
                    add(*protocol, *last);
                }
            }
        }
    }
    for port in world
        .endpoints
        .iter()
        .flat_map(|endpoint| endpoint.ports.iter())
    {
        add(port.protocol, port.number);
    }
    found
}

/// What the map says about a pair of units on a port.
fn level(spans: &[Span], protocol: Protocol, port: u16) -> (Answer, Answer) {
    let span = spans
        .iter()
        .find(|span| span.protocol == protocol && (span.first..=span.last).contains(&port));
    span.map_or((Answer::Denied, Answer::Denied), |span| {
        (span.most, span.least)
    })
}

/// Holds the map against a verdict for each pair of pods and each port boundary.
fn holds(sample: &Sample, by: By) {
    let eval = sample.eval();
    let reach = Reach::new(&eval);
    let question = Question {
        by,
        from: None,
        to: None,
        ports: Vec::new(),
    };
    let map = ReachMap::new(&eval, &reach, &sample.profile, &[], &question).unwrap();
    let readings = Readings::new(&sample.world, &sample.ruleset, &sample.profile, &[]);
    let world = &sample.world;
    let ports = boundaries(world, &sample.ruleset);
    let rows = map.rows();
    let units = map.sources();
    let nothing: std::sync::Arc<[Span]> = Vec::new().into();
    for (row, from) in rows.iter().zip(units.all()) {
        for (number, to) in (0u32..).zip(units.all()) {
            let mut connections = row.connections.iter();
            let found = connections.find(|connection| connection.targets.contains(&number));
            let spans = found.map_or(&nothing, |found| &found.ports);
            let mut pairs = Vec::new();
            for a in units.parties_of(from) {
                for b in units.parties_of(to) {
                    let same = a == b && !matches!(a, Party::Endpoint(id) if world[*id].template);
                    let nodes = match (a, b) {
                        (Party::Node(a), Party::Node(b)) => {
                            eval.policies_of_node(*a, Direction::Egress).is_empty()
                                && eval.policies_of_node(*b, Direction::Ingress).is_empty()
                        }
                        _ => false,
                    };
                    if !same && !nodes {
                        pairs.push((*a, *b));
                    }
                }
            }
            for (protocol, port) in &ports {
                let answers = |family: Option<Family>| {
                    let of = |(a, b): &(Party, Party)| {
                        let mut flow = Flow::new(*a, *b, *protocol, *port);
                        flow.family = family;
                        truth(&readings, &eval, &flow)
                    };
                    let most = pairs.iter().map(of).max().unwrap_or(Answer::Denied);
                    (most, pairs.iter().map(of).min().unwrap_or(Answer::Denied))
                };
                let shown = format!("{} -> {}:{port}/{}", from.name, to.name, protocol.word());
                assert_eq!(level(spans, *protocol, *port), answers(None), "{shown}");
                let dual = |party: &Party| match party {
                    Party::Endpoint(id) => world[*id].ips.len() == 2,
                    Party::Node(id) => world[*id].ips.len() == 2,
                    Party::Address(_) | Party::Name(_) => false,
                };
                if !pairs.is_empty() && pairs.iter().all(|(a, b)| dual(a) && dual(b)) {
                    let spans = found.map_or(&nothing, |found| {
                        found.ipv6.as_ref().unwrap_or(&found.ports)
                    });
                    let expected = answers(Some(Family::V6));
                    assert_eq!(level(spans, *protocol, *port), expected, "IPv6 {shown}");
                }
            }
        }
    }
}
