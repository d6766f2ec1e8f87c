use std::collections::BTreeMap;

use super::*;
use crate::analysis::parties::{Flow, Parties, Selection};
use crate::analysis::readings::Judged;
use crate::analysis::testing::Sample;
use crate::eval::{Connection, Party};
use crate::sets::Protocol;
use crate::world::{EndpointId, Lifecycle};

mod answers;
mod languages;
mod misses;

/// The answer to a flow, one line a row.
pub(super) fn ask(sample: &Sample, flow: &str) -> String {
    let eval = sample.eval();
    let readings = Readings::new(&sample.world, &sample.ruleset, &sample.profile, &[]);
    let explainer = Explainer::new(&eval, &readings);
    let parties = Parties::new(&sample.world, None);
    let flow = Flow::parse(flow).unwrap();
    let from = parties.select(&flow.from.text).unwrap();
    let to = parties.select(&flow.to.text).unwrap();
    let answer = match explainer.answer(&from, &to, &flow.ports) {
        Ok(answer) => answer,
        Err(refusal) => return format!("refused ({:?}): {refusal}\n", refusal.part),
    };
    let mut shown = String::new();
    for case in &answer.cases {
        shown += &format!("{} pairs\n", case.pairs);
        for row in &case.rows {
            let ports: Vec<_> = row
                .ports
                .iter()
                .map(|asked| asked.span.to_string())
                .collect();
            let addresses: Vec<_> = row.addresses.iter().map(ToString::to_string).collect();
            let connection = &row.explanation.connection;
            let names = [connection.from, connection.to]
                .map(|party| match party.resolve(&sample.world) {
                    Party::Endpoint(id) => sample.world.endpoint_name(id),
                    other => short_name(&sample.world, other),
                })
                .join(" -> ");
            let open = row.open.as_ref().map_or("", Open::id);
            let family = row
                .family
                .map_or(String::new(), |family| format!("{family:?} "));
            shown += &format!(
                "  {family}{} {} {names} {:?} {open}\n",
                ports.join(","),
                addresses.join(","),
                row.outcome()
            );
        }
    }
    for note in &answer.notes {
        shown += &format!("  note: {note}\n");
    }
    shown
}

/// The example of the repository.
fn shop() -> Sample {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop");
    let mut files = BTreeMap::new();
    for directory in std::fs::read_dir(root).unwrap() {
        for file in std::fs::read_dir(directory.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            files.insert(path, text);
        }
    }
    let all: Vec<_> = files.into_values().collect();
    Sample::new(&all.join("\n---\n"))
}

fn one(id: EndpointId, sample: &Sample) -> Selection {
    Selection {
        text: sample.world.endpoint_name(id),
        what: crate::analysis::parties::What::Endpoints(vec![id]),
    }
}

fn outcome(judged: &Judged) -> Outcome {
    match (&judged.open, judged.verdict.allowed) {
        (Some(_), _) => Outcome::Uncertain,
        (None, true) => Outcome::Allowed,
        (None, false) => Outcome::Denied,
    }
}

/// INVARIANT of the module: the rows of all ports say what the evaluator says of every port.
#[test]
fn all_ports_agree_with_every_verdict() {
    let sample = shop();
    let eval = sample.eval();
    let readings = Readings::new(&sample.world, &sample.ruleset, &sample.profile, &[]);
    let explainer = Explainer::new(&eval, &readings);
    let ports = [
        1, 21, 22, 23, 52, 53, 54, 79, 80, 81, 442, 443, 444, 2020, 3000, 5432, 5433, 6379, 8080,
        8081, 8123, 8443, 9000, 9090, 9091, 9100, 9153, 65534, 65535,
    ];
    let mut compared = 0;
    for from in sample.world.endpoint_ids() {
        for to in sample.world.endpoint_ids() {
            let answer = explainer
                .answer(&one(from, &sample), &one(to, &sample), &[])
                .unwrap();
            let [case] = answer.cases.as_slice() else {
                panic!("one pair is one case: {answer:?}");
            };
            assert_eq!(case.pairs, 1);
            for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
                for port in ports {
                    let rows: Vec<_> = case
                        .rows
                        .iter()
                        .filter(|row| {
                            row.ports.iter().any(|asked| {
                                asked.span.protocol == protocol
                                    && (asked.span.first..=asked.span.last).contains(&port)
                            })
                        })
                        .collect();
                    let [row] = rows.as_slice() else {
                        panic!("every port is in one row: {port} {rows:?}");
                    };
                    let (from, to) = (Party::Endpoint(from), Party::Endpoint(to));
                    let connection = Connection::new(from, to, protocol, port);
                    let judged = readings.judge(&eval, &connection);
                    assert_eq!(row.outcome(), outcome(&judged), "{connection:?}");
                    let (told, found) = (row.explanation.verdict, judged.verdict);
                    // Where one side denies, the other one is not told apart.
                    for (told, found) in
                        [(told.egress, found.egress), (told.ingress, found.ingress)]
                    {
                        if judged.open.is_some() || judged.verdict.allowed || !found.is_allowed() {
                            assert_eq!(told, found, "{connection:?}");
                        }
                    }
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 30_000, "{compared}");
}

/// A case stands for all its pairs: what is counted as allowed is what the evaluator allows.
#[test]
fn groups_count_what_single_pairs_are() {
    let sample = shop();
    let eval = sample.eval();
    let readings = Readings::new(&sample.world, &sample.ruleset, &sample.profile, &[]);
    let explainer = Explainer::new(&eval, &readings);
    let parties = Parties::new(&sample.world, None);
    let namespaces = ["shop", "payments", "platform", "analytics", "identity"];
    for from in namespaces {
        for to in namespaces {
            for port in [53, 5432, 8080, 8443, 9090] {
                let select = |name: &str| parties.select(&format!("ns:{name}")).unwrap();
                let (from, to) = (select(from), select(to));
                let flow = Flow::parse(&format!("a -> b:{port}")).unwrap();
                let answer = explainer.answer(&from, &to, &flow.ports).unwrap();
                let mut counted: BTreeMap<Outcome, usize> = BTreeMap::new();
                for case in &answer.cases {
                    let [row] = case.rows.as_slice() else {
                        panic!("one port is one row: {case:?}");
                    };
                    *counted.entry(row.outcome()).or_default() += case.pairs;
                }
                let mut expected: BTreeMap<Outcome, usize> = BTreeMap::new();
                for source in from.endpoints() {
                    for target in to.endpoints() {
                        // A template is more than one pod, a pod does not ask for itself.
                        if source == target && !sample.world[*source].template {
                            continue;
                        }
                        let ends = [*source, *target].map(Party::Endpoint);
                        let connection = Connection::new(ends[0], ends[1], Protocol::Tcp, port);
                        let judged = readings.judge(&eval, &connection);
                        *expected.entry(outcome(&judged)).or_default() += 1;
                    }
                }
                assert_eq!(counted, expected, "{} -> {}:{port}", from.text, to.text);
            }
        }
    }
}

/// Every address that nobody owns is in one row, which says what the evaluator says of it.
#[test]
fn ranges_of_addresses_agree_with_every_verdict() {
    let sample = shop();
    let eval = sample.eval();
    let readings = Readings::new(&sample.world, &sample.ruleset, &sample.profile, &[]);
    let explainer = Explainer::new(&eval, &readings);
    let parties = Parties::new(&sample.world, None);
    let world = parties.select("world").unwrap();
    let addresses = [
        "0.0.0.0",
        "9.255.255.255",
        "10.0.0.0",
        "10.96.0.1",
        "169.254.169.253",
        "169.254.169.254",
        "169.254.169.255",
        "192.0.2.10",
        "198.51.100.10",
        "198.51.100.12",
        "203.0.113.40",
        "255.255.255.255",
        "::",
        "2000::1",
        "2001:db8::1",
        "3fff:ffff::1",
        "4000::",
        "fd00:ec2::254",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ];
    for id in sample.world.endpoint_ids() {
        if sample.world[id].lifecycle != Lifecycle::Active {
            continue;
        }
        for incoming in [false, true] {
            let pod = one(id, &sample);
            let (from, to) = if incoming {
                (&world, &pod)
            } else {
                (&pod, &world)
            };
            let flow = Flow::parse("a -> b:443,53/tcp").unwrap();
            let answer = explainer.answer(from, to, &flow.ports).unwrap();
            for text in addresses {
                for port in [443, 53] {
                    let ip = text.parse().unwrap();
                    let number = match ip {
                        std::net::IpAddr::V4(ip) => u128::from(u32::from(ip)),
                        std::net::IpAddr::V6(ip) => u128::from(ip),
                    };
                    let rows: Vec<_> = answer
                        .rows()
                        .filter(|row| {
                            row.ports.iter().any(|asked| asked.span.first == port)
                                && row.addresses.iter().any(|range| {
                                    range.family == Family::of(ip)
                                        && (range.first..=range.last).contains(&number)
                                })
                        })
                        .collect();
                    let [row] = rows.as_slice() else {
                        panic!("{text}: every address is in one row: {rows:?}");
                    };
                    let (own, other) = (Party::Endpoint(id), Party::Address(ip));
                    let (from, to) = if incoming { (other, own) } else { (own, other) };
                    let connection = Connection::new(from, to, Protocol::Tcp, port);
                    let judged = readings.judge(&eval, &connection);
                    assert_eq!(row.outcome(), outcome(&judged), "{connection:?}");
                }
            }
        }
    }
}
