//! Verdicts under Calico, by rule id (C-1..C-77).
//!
//! Connections are written `FROM -> TO PORT/PROTOCOL` or `FROM -> TO icmp:TYPE.CODE`, perhaps followed
//! by `v6`, `from=PORT` (the source port), `through=NODE`, `dialled=PORT` (on that node) or `reply`.
//! `svc:NAMESPACE/NAME` is a Service, with its port.

mod agreement;
mod hosts;
mod oracle;
mod rules;
mod tiers;
mod whom;

use super::lower_calico;
use crate::engine::{Engine, Profile, Switches};
use crate::eval::reach::{Outcome, Reach};
use crate::eval::{Connection, Evaluator, Family, Icmp, Party, Request, Verdict};
use crate::manifest::{self, Options};
use crate::policy::Ruleset;
use crate::policy::testing::{CLUSTER, object};
use crate::sets::Protocol;
use crate::source::Sources;
use crate::world::{self, Assume, World};

const V3: &str = "projectcalico.org/v3";

fn np(name: &str, spec: &str) -> String {
    object(V3, "NetworkPolicy", name, spec)
}

fn gnp(name: &str, spec: &str) -> String {
    object(V3, "GlobalNetworkPolicy", name, spec)
}

fn tier(name: &str, spec: &str) -> String {
    object(V3, "Tier", name, spec)
}

/// A HostEndpoint of a node, with these labels.
fn host(name: &str, labels: &str, spec: &str) -> String {
    labelled("HostEndpoint", name, labels, spec)
}

/// A NetworkSet if the name has a namespace, else a GlobalNetworkSet.
fn set(name: &str, labels: &str, nets: &str) -> String {
    let kind = match name.contains('/') {
        true => "NetworkSet",
        false => "GlobalNetworkSet",
    };
    labelled(kind, name, labels, &format!("{{nets: [{nets}]}}"))
}

fn labelled(kind: &str, name: &str, labels: &str, spec: &str) -> String {
    let plain = object(V3, kind, name, spec);
    plain.replacen(
        "metadata: {",
        &format!("metadata: {{labels: {{{labels}}}, "),
        1,
    )
}

struct Case {
    world: World,
    ruleset: Ruleset,
    switches: Switches,
}

fn case(objects: &[String]) -> Case {
    with("", objects)
}

/// `switches` are `name=value`, separated by blanks.
fn with(switches: &str, objects: &[String]) -> Case {
    let mut known = Profile::new(Engine::Calico, None).switches;
    for (name, value) in switches.split(' ').filter_map(|pair| pair.split_once('=')) {
        known.set(name, value).unwrap();
    }
    let mut sources = Sources::new();
    let yaml = format!("{CLUSTER}{}", objects.concat());
    sources.add("t.yaml", yaml.into()).unwrap();
    let loaded = manifest::load(&sources, &Options::default());
    let messages = loaded.findings.iter().map(|finding| &finding.message);
    assert_eq!(messages.collect::<Vec<_>>(), [""; 0]);
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    let (world, duplicates) = world::build(&sources, &loaded.objects, &assume);
    assert!(duplicates.is_empty(), "{duplicates:?}");
    Case {
        ruleset: lower_calico(&world, &known),
        world,
        switches: known,
    }
}

impl Case {
    fn party(&self, text: &str) -> Party {
        if let Ok(ip) = text.parse() {
            return Party::Address(ip);
        }
        if let Some(node) = text.strip_prefix("node:") {
            return Party::Node(self.world.node(node).unwrap());
        }
        let (namespace, name) = text.split_once('/').unwrap();
        Party::Endpoint(self.world.endpoint(namespace, name).unwrap())
    }

    fn connections(&self, text: &str) -> Vec<Connection> {
        let words: Vec<&str> = text.split(' ').collect();
        let from = self.party(words[0]);
        let mut found = match words[3].split_once('/') {
            Some((port, protocol)) => {
                let protocol = Protocol::from_api(&protocol.to_uppercase()).unwrap();
                let port = port.parse().unwrap();
                match words[2].strip_prefix("svc:") {
                    Some(name) => {
                        let (namespace, name) = name.split_once('/').unwrap();
                        let service = self.world.service(namespace, name).unwrap();
                        let evaluator = Evaluator::new(&self.world, &self.ruleset, self.switches);
                        let backends = evaluator.to_service(from, service, port, protocol);
                        backends
                            .into_iter()
                            .map(|(_, connection, _)| connection)
                            .collect()
                    }
                    None => vec![Connection::new(from, self.party(words[2]), protocol, port)],
                }
            }
            None => {
                let message = words[3].strip_prefix("icmp:").unwrap();
                let (kind, code) = message.split_once('.').unwrap();
                let mut connection = Connection::new(from, self.party(words[2]), Protocol::Icmp, 0);
                connection.port = None;
                connection.icmp = Some(Icmp {
                    kind: kind.parse().unwrap(),
                    code: code.parse().unwrap(),
                });
                vec![connection]
            }
        };
        assert!(!found.is_empty(), "{text}");
        for connection in &mut found {
            for word in &words[4..] {
                match word.split_once('=') {
                    Some(("from", port)) => connection.source_port = port.parse().ok(),
                    Some(("dialled", port)) => connection.node_port = port.parse().ok(),
                    Some(("through", node)) => connection.via_node = self.world.node(node),
                    None if *word == "v6" => connection.family = Some(Family::V6),
                    None if *word == "reply" => connection.reply = true,
                    _ => panic!("{word}"),
                }
            }
        }
        found
    }

    fn verdicts(&self, text: &str) -> Vec<Verdict> {
        let evaluator = Evaluator::new(&self.world, &self.ruleset, self.switches);
        let reach = Reach::new(&evaluator);
        let connections = self.connections(text).into_iter();
        let judged = connections.map(|connection| {
            let verdict = evaluator.verdict(&connection);
            let rows = reach.outcome(&evaluator, &connection);
            assert_eq!(rows, Outcome::of(&verdict), "{text}: {verdict:?}");
            verdict
        });
        judged.collect()
    }

    #[track_caller]
    fn expect(&self, connections: &[&str], allowed: bool) {
        for text in connections {
            for verdict in self.verdicts(text) {
                assert_eq!(verdict.allowed, allowed, "{text}: {verdict:?}");
                assert_eq!(verdict.uncertain, None, "{text}");
            }
        }
    }

    #[track_caller]
    fn allows(&self, connections: &[&str]) {
        self.expect(connections, true);
    }

    #[track_caller]
    fn denies(&self, connections: &[&str]) {
        self.expect(connections, false);
    }

    /// Whether an HTTP request is admitted.
    fn admits(&self, text: &str, method: &str, path: &str) -> bool {
        let evaluator = Evaluator::new(&self.world, &self.ruleset, self.switches);
        let request = Request {
            method: method.into(),
            path: path.into(),
        };
        let mut connections = self.connections(text).into_iter();
        connections.all(|connection| evaluator.request(&connection, &request).allowed)
    }
}

/// Every rule about Calico is in the name of a test: here, or where objects and selectors are read.
#[test]
fn every_rule_is_shown() {
    let tests = [
        include_str!("tests/hosts.rs"),
        include_str!("tests/rules.rs"),
        include_str!("tests/tiers.rs"),
        include_str!("tests/whom.rs"),
        include_str!("../../manifest/policy/calico/tests/policies.rs"),
        include_str!("../../manifest/policy/calico/tests/rules.rs"),
        include_str!("../../manifest/policy/calico/tests/sets.rs"),
        include_str!("../../sets/calico_selector/tests.rs"),
    ];
    let lines = tests.iter().flat_map(|tests| tests.lines());
    let names: Vec<&str> = lines
        .filter_map(|line| line.strip_prefix("fn ")?.split('(').next())
        .collect();
    for id in 1..=77 {
        let shows = |name: &&str| {
            let name = format!("_{name}_");
            name.contains(&format!("_c_{id}_"))
        };
        assert!(names.iter().any(shows), "C-{id}");
    }
}
