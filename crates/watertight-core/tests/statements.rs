//! Statements of docs/semantics.md that no other test shows: what is left out of the model, and advice
//! corrected.

#![cfg(test)]

use watertight_core::engine::{Profile, Switches};
use watertight_core::eval::{Connection, Evaluator, Party, Verdict};
use watertight_core::manifest::{self, Options};
use watertight_core::policy::{Ruleset, lower};
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume, World};

/// A node; pods `a` and `b` of `x`, and `c` of `w`, none of which says on which node it runs.
const CLUSTER: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [
  {type: InternalIP, address: 192.168.0.1}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x}, spec: {containers: [{}]},
 status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: x}, spec: {containers: [{}]},
 status: {phase: Running, podIPs: [{ip: 10.0.0.2}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: c, namespace: w}, spec: {containers: [{}]},
 status: {phase: Running, podIPs: [{ip: 10.0.1.1}]}}
";

/// The cluster with a policy.
struct Case {
    world: World,
    ruleset: Ruleset,
    switches: Switches,
}

impl Case {
    fn new(engine: &str, policy: &str) -> Self {
        let mut sources = Sources::new();
        let text = format!("{CLUSTER}---\n{policy}\n");
        sources.add("t.yaml", text.into()).unwrap();
        let loaded = manifest::load(&sources, &Options::default());
        assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
        let (world, _) = world::build(&sources, &loaded.objects, &Assume::default());
        let profile = Profile::parse(engine).unwrap();
        Self {
            ruleset: lower(&world, &profile),
            world,
            switches: profile.switches,
        }
    }

    fn party(&self, text: &str) -> Party {
        if let Ok(ip) = text.parse() {
            return Party::Address(ip);
        }
        match text.split_once('/') {
            Some((namespace, name)) => {
                Party::Endpoint(self.world.endpoint(namespace, name).unwrap())
            }
            None => Party::Node(self.world.node(text).unwrap()),
        }
    }

    fn connection(&self, from: &str, to: &str) -> Connection {
        Connection::new(self.party(from), self.party(to), Protocol::Tcp, 80)
    }

    fn verdict(&self, connection: &Connection) -> Verdict {
        Evaluator::new(&self.world, &self.ruleset, self.switches).verdict(connection)
    }

    fn allows(&self, from: &str, to: &str) -> bool {
        self.verdict(&self.connection(from, to)).allowed
    }
}

fn network_policy(spec: &str) -> String {
    format!(
        "{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p, namespace: \
         x}}, spec: {spec}}}"
    )
}

#[test]
fn k_62_source_ports() {
    let spec = "{podSelector: {}, ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}]}";
    let case = Case::new("reference", &network_policy(spec));
    for (from, to) in [("x/b", "x/a"), ("w/c", "x/a")] {
        let connection = case.connection(from, to);
        let expected = case.verdict(&connection);
        for port in [1, 80, 40_000] {
            let from_port = Connection {
                source_port: Some(port),
                ..connection
            };
            assert_eq!(case.verdict(&from_port), expected);
        }
        assert_eq!(expected.uncertain, None);
    }
}

#[test]
fn m_4_a_node_that_is_not_known() {
    let policy = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, metadata: {name: p, \
                  namespace: x}, spec: {endpointSelector: {}, egress: [{toEntities: [ENTITY]}]}}";
    for entity in ["host", "remote-node"] {
        let case = Case::new("cilium", &policy.replace("ENTITY", entity));
        let verdict = case.verdict(&case.connection("x/a", "n1"));
        let open = verdict.uncertain.map(|uncertain| uncertain.id);
        assert_eq!(open, Some("M-4"), "{entity}");
        let pod = case.verdict(&case.connection("x/a", "w/c"));
        assert_eq!((pod.allowed, pod.uncertain), (false, None), "{entity}");
    }
}

#[test]
fn d_13_exceptions_that_denied() {
    let has = |engine: &str| {
        let profile = Profile::parse(engine).unwrap();
        let bugs = profile.all_bugs().map(|bug| bug.summary);
        bugs.into_iter().any(|bug| bug.contains("drop rule"))
    };
    assert!(has("ovn-kubernetes"));
    assert!(!has("calico"));
    // Today they only trim: another rule admits what is left out of one block (K-64).
    let spec = "{podSelector: {}, egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24, except: \
                [203.0.113.5/32]}}]}, {to: [{ipBlock: {cidr: 203.0.113.5/32}}]}]}";
    let case = Case::new("ovn-kubernetes", &network_policy(spec));
    assert!(case.allows("x/a", "203.0.113.5"));
}

#[test]
fn x_12_empty_selectors() {
    let egress = |peer: &str| {
        let spec =
            format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{{{peer}}}]}}]}}");
        Case::new("reference", &network_policy(&spec))
    };
    let namespaces = egress("namespaceSelector: {}");
    assert!(namespaces.allows("x/a", "w/c"));
    assert!(!namespaces.allows("x/a", "203.0.113.5"));
    let pods = egress("podSelector: {}");
    assert!(pods.allows("x/a", "x/b"));
    assert!(!pods.allows("x/a", "w/c"));
}
