//! Verdicts by rule id: what docs/semantics.md says, one small cluster and a few connections each.
//!
//! Connections are written `FROM -> TO:PORT/PROTOCOL`, where an end is `namespace/pod`, `node:NAME`,
//! an address (IPv6 in brackets) or, behind the arrow, `svc:namespace/name` with the Service's port.
//! Behind it may stand `v4` or `v6`, `through NODE`, and `reply`.
//!
//! Every `K-`, `M-` and `D-` rule of the page is in the name of a test, or in [`NOT_SHOWN`].

mod addresses;
mod assumed;
mod engines;
mod hosts;
mod isolation;
mod labels;
mod lifecycle;
mod names;
mod peers;
mod ports;
mod services;

use super::{Connection, Evaluator, Family, Party, Reason, Verdict};
use crate::engine::{Profile, Switches};
use crate::manifest::{self, Options};
use crate::policy::{Ruleset, lower_kubernetes};
use crate::sets::Protocol;
use crate::source::Sources;
use crate::world::{self, Assume, World};

/// Two nodes and a few pods; namespace `z` has no object. `h` is on the host network.
const CLUSTER: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [
  {type: InternalIP, address: 192.168.0.1}, {type: InternalIP, address: 'fd01::1'}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [
  {type: InternalIP, address: 192.168.0.2}, {type: InternalIP, address: 'fd01::2'}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: x, labels: {team: red}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: w, labels: {team: blue, name: w}}}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x, labels: {app: web, empty: ''}}
spec:
  nodeName: n1
  containers:
  - ports: [{name: http, containerPort: 80}, {name: dns, containerPort: 53, protocol: UDP}]
status: {phase: Running, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: x, labels: {app: db, tier: back}}
spec: {nodeName: n2, containers: [{ports: [{name: sql, containerPort: 5432}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.2}, {ip: 'fd00::2'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: w, labels: {app: web}}
spec: {nodeName: n2, containers: [{ports: [{name: http, containerPort: 8080}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.1.1}, {ip: 'fd00:1::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: d, namespace: z, labels: {app: api}}
spec: {nodeName: n2, containers: [{}]}
status: {phase: Running, podIPs: [{ip: 10.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: h, namespace: x, labels: {app: web}}
spec: {nodeName: n1, hostNetwork: true, containers: [{ports: [{name: http, containerPort: 80}]}]}
status: {phase: Running, podIPs: [{ip: 192.168.0.1}, {ip: 'fd01::1'}]}
";

/// A NetworkPolicy from its `namespace/name` and its spec.
fn policy(name: &str, spec: &str) -> String {
    let (namespace, name) = name.split_once('/').unwrap();
    let spec: String = spec
        .trim()
        .lines()
        .map(|line| format!("\n  {line}"))
        .collect();
    format!(
        "\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec:{spec}\n"
    )
}

/// A world with its policies, as an engine reads them.
struct Case {
    world: World,
    ruleset: Ruleset,
    switches: Switches,
}

impl Case {
    fn new(yaml: &str, switches: Switches) -> Self {
        Self::assuming(yaml, switches, &Assume::default())
    }

    fn assuming(yaml: &str, switches: Switches, assume: &Assume) -> Self {
        let mut sources = Sources::new();
        sources.add("t.yaml", yaml.into()).unwrap();
        let options = Options {
            strict_cidr: switches.strict_cidr,
            ..Options::default()
        };
        let mut loaded = manifest::load(&sources, &options);
        let (world, duplicates) = world::build(&sources, &loaded.objects, assume);
        loaded.findings.extend(duplicates);
        if switches.strict_cidr {
            let messages = loaded.findings.iter().map(|finding| &finding.message);
            assert_eq!(messages.collect::<Vec<_>>(), [""; 0], "{yaml}");
        }
        Self {
            ruleset: lower_kubernetes(&world, &switches),
            world,
            switches,
        }
    }

    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(&self.world, &self.ruleset, self.switches)
    }

    fn party(&self, text: &str) -> Party {
        let address = text.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = address.parse() {
            Party::Address(ip)
        } else if let Some(node) = text.strip_prefix("node:") {
            Party::Node(self.world.node(node).unwrap_or_else(|| panic!("no {text}")))
        } else {
            let (namespace, name) = text.split_once('/').unwrap();
            let found = self.world.endpoint(namespace, name);
            Party::Endpoint(found.unwrap_or_else(|| panic!("no {text}")))
        }
    }

    /// The verdicts on a connection: one, or one for each backend of a Service.
    fn verdicts(&self, text: &str) -> Vec<Verdict> {
        let (from, rest) = text.split_once(" -> ").unwrap();
        let mut words = rest.split(' ');
        let (to, protocol) = words.next().unwrap().rsplit_once('/').unwrap();
        let protocol = Protocol::from_api(&protocol.to_uppercase()).unwrap_or(Protocol::Icmp);
        let (to, port) = match protocol {
            Protocol::Icmp => (to, None),
            _ => {
                let (to, port) = to.rsplit_once(':').unwrap();
                (to, Some(port.parse().unwrap()))
            }
        };
        let from = self.party(from);
        if let Some(service) = to.strip_prefix("svc:") {
            let (namespace, name) = service.split_once('/').unwrap();
            let service = self.world.service(namespace, name).unwrap();
            let found = self
                .evaluator()
                .to_service(from, service, port.unwrap(), protocol);
            return found.into_iter().map(|(_, _, verdict)| verdict).collect();
        }
        let mut connection = Connection::new(from, self.party(to), protocol, 0);
        connection.port = port;
        while let Some(word) = words.next() {
            match word {
                "v4" => connection.family = Some(Family::V4),
                "v6" => connection.family = Some(Family::V6),
                "through" => connection.via_node = self.world.node(words.next().unwrap()),
                "reply" => connection.reply = true,
                other => panic!("{other}"),
            }
        }
        let explained = self.evaluator().explain(&connection);
        assert_eq!(explained.verdict, self.evaluator().verdict(&connection));
        vec![explained.verdict]
    }

    fn verdict(&self, text: &str) -> Verdict {
        let verdicts = self.verdicts(text);
        assert_eq!(verdicts.len(), 1, "{text}");
        verdicts[0]
    }

    #[track_caller]
    fn check(&self, connections: &[(&str, bool)]) {
        for (text, allowed) in connections {
            for verdict in self.verdicts(text) {
                assert_eq!(verdict.allowed, *allowed, "{text}: {verdict:?}");
            }
        }
    }

    /// The rule id by which no policy was asked.
    #[track_caller]
    fn exempt_by(&self, text: &str) -> &'static str {
        match self.verdict(text).reason {
            Reason::Exempt(id, _) | Reason::Impossible(id, _) | Reason::Blocked(id, _) => id,
            Reason::Policies | Reason::Routed => panic!("{text} is judged by policies"),
        }
    }
}

fn with(switches: &str, policies: &str) -> Case {
    let mut set = Switches::default();
    for pair in switches.split(' ').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap();
        set.set(name, value).unwrap();
    }
    Case::new(&format!("{CLUSTER}{policies}"), set)
}

fn on(engine: &str, policies: &str) -> Case {
    let profile = Profile::parse(engine).unwrap();
    Case::new(&format!("{CLUSTER}{policies}"), profile.switches)
}

/// Judges connections in [`CLUSTER`] under these policies, on the reference engine.
#[track_caller]
fn check(policies: &str, connections: &[(&str, bool)]) {
    with("", policies).check(connections);
}

/// The same with some switches set, as `name=value name=value`.
#[track_caller]
fn check_with(switches: &str, policies: &str, connections: &[(&str, bool)]) {
    with(switches, policies).check(connections);
}

/// Rules that no verdict can show, and why.
const NOT_SHOWN: &[(&str, &str)] = &[
    (
        "K-32",
        "an ipBlock beside selectors is refused when it is read (V-16)",
    ),
    ("K-62", "about source ports: tests/statements.rs"),
    ("K-78", "verdicts are about new connections"),
    ("M-4", "about other languages: tests/statements.rs"),
    ("M-5", "no verdict is asked: engine/infer.rs shows it"),
    ("M-7", "about labs: lab/plan/tests.rs of watertight-node"),
    (
        "M-8",
        "about what could not be read: analysis/readings/tests.rs",
    ),
    ("D-13", "a bug of old releases: tests/statements.rs"),
];

#[test]
fn every_rule_is_shown_or_listed() {
    let page = include_str!("../../../../docs/semantics.md");
    let tests = [
        include_str!("tests/addresses.rs"),
        include_str!("tests/assumed.rs"),
        include_str!("tests/engines.rs"),
        include_str!("tests/hosts.rs"),
        include_str!("tests/isolation.rs"),
        include_str!("tests/labels.rs"),
        include_str!("tests/lifecycle.rs"),
        include_str!("tests/names.rs"),
        include_str!("tests/peers.rs"),
        include_str!("tests/ports.rs"),
        include_str!("tests/services.rs"),
    ]
    .concat();
    let names: String = tests
        .lines()
        .filter_map(|line| line.strip_prefix("fn "))
        .map(|line| format!("_{line}"))
        .collect();
    let ids = page
        .lines()
        .filter_map(|line| line.strip_prefix("- **")?.split_once("**"));
    let ours = |id: &&str| ["K-", "M-", "D-"].iter().any(|kind| id.starts_with(kind));
    let ids: Vec<&str> = ids.map(|(id, _)| id).filter(ours).collect();
    assert!(ids.len() > 95, "{}", ids.len());
    for id in &ids {
        let shown = names.contains(&format!("_{}_", id.to_lowercase().replace('-', "_")));
        let listed = NOT_SHOWN.iter().any(|(known, _)| known == id);
        assert!(shown != listed, "{id}: shown {shown}, listed {listed}");
    }
    for (id, _) in NOT_SHOWN {
        assert!(ids.contains(id), "{id} is not on the page");
    }
}

#[test]
fn connections_read_as_they_are_written() {
    let case = with("", &policy("x/p", "policyTypes: [Ingress]"));
    assert_eq!(case.world.policies.len(), 1);
    case.check(&[
        ("w/c -> x/b:80/tcp v6", false),
        ("x/b -> w/c:80/tcp", true),
        ("node:n1 -> x/b/icmp", false),
    ]);
}
