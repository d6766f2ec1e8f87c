//! What Cilium makes of its policies, by rule id: one small cluster and a few connections each.
//!
//! Connections are written `FROM -> TO:PORT/PROTOCOL`; an end is `namespace/pod`, `node:NAME`,
//! `name:DNS-NAME` or an address. ICMP types stand in place of ports. Rows are asked with every
//! verdict.

mod addresses;
mod combining;
mod peers;
mod traffic;

use std::net::IpAddr;

use super::*;
use crate::engine::{Engine, Profile};
use crate::eval::reach::{Outcome, Reach};
use crate::eval::{Connection, Evaluator, Icmp, Party, Request, Verdict};
use crate::manifest::{self, Options};
use crate::policy::Ruleset;
use crate::sets::Protocol;
use crate::source::Sources;
use crate::world::{self, Assume};

/// Three nodes; the API server is on `cp` and, for a while, outside. `h` is on the host network.
const CLUSTER: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {zone: a}}, status: {addresses: [
  {type: InternalIP, address: 192.168.0.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {zone: b}}, status: {addresses: [
  {type: InternalIP, address: 192.168.0.2}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: cp}, status: {addresses: [
  {type: InternalIP, address: 192.168.0.9}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: x, labels: {team: red}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: w, labels: {team: blue}}}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x, labels: {app: web}}
spec: {nodeName: n1, containers: [{ports: [{name: http, containerPort: 80}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: x, labels: {app: db}}
spec: {nodeName: n2, serviceAccountName: builder, containers: [{ports: [
  {name: http, containerPort: 8080}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: w, labels: {app: web}}
spec: {nodeName: n2, containers: [{}]}
status: {phase: Running, podIPs: [{ip: 10.0.1.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: h, namespace: x, labels: {app: web}}
spec: {nodeName: n2, hostNetwork: true, containers: [{}]}
status: {phase: Running, podIPs: [{ip: 192.168.0.2}]}
---
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{port: 443, targetPort: 6443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
endpoints: [{addresses: [192.168.0.9, 198.51.100.10]}]
ports: [{port: 6443}]
";

fn object(kind: &str, metadata: &str, spec: &str) -> String {
    format!(
        "\n---\napiVersion: cilium.io/v2\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {spec}\n"
    )
}

/// A CiliumNetworkPolicy of namespace `x`.
fn cnp(name: &str, spec: &str) -> String {
    object(
        "CiliumNetworkPolicy",
        &format!("name: {name}, namespace: x"),
        spec,
    )
}

fn ccnp(name: &str, spec: &str) -> String {
    object(
        "CiliumClusterwideNetworkPolicy",
        &format!("name: {name}"),
        spec,
    )
}

/// A NetworkPolicy of namespace `x`.
fn network_policy(name: &str, spec: &str) -> String {
    format!(
        "\n---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, \
         namespace: x}}\nspec: {spec}\n"
    )
}

/// A policy about the pod `x/a` with this ingress item.
fn ingress(item: &str) -> Case {
    Case::new(&cnp(
        "p",
        &format!("{{endpointSelector: {A}, ingress: [{item}]}}"),
    ))
}

fn egress(item: &str) -> Case {
    Case::new(&cnp(
        "p",
        &format!("{{endpointSelector: {A}, egress: [{item}]}}"),
    ))
}

/// Selects `x/a`.
const A: &str = "{matchLabels: {app: web}}";

struct Case {
    world: World,
    ruleset: Ruleset,
    switches: Switches,
}

impl Case {
    fn new(policies: &str) -> Self {
        Self::with("", policies)
    }

    /// With switches, written `name=value`.
    fn with(switches: &str, policies: &str) -> Self {
        Self::of(switches, &format!("{CLUSTER}{policies}"))
    }

    fn of(changes: &str, yaml: &str) -> Self {
        let mut switches = Profile::new(Engine::Cilium, None).switches;
        for change in changes.split_whitespace() {
            let (name, value) = change.split_once('=').unwrap();
            switches.set(name, value).unwrap();
        }
        let mut sources = Sources::new();
        sources.add("t.yaml", yaml.into()).unwrap();
        let loaded = manifest::load(&sources, &Options::default());
        let assume = Assume {
            dns: false,
            ..Assume::default()
        };
        let (mut world, found) = world::build(&sources, &loaded.objects, &assume);
        let findings = loaded.findings.iter().chain(&found);
        let errors = findings.filter(|finding| finding.severity > crate::diag::Severity::Warning);
        let messages: Vec<_> = errors.map(|finding| &finding.message).collect();
        assert_eq!(messages, [""; 0], "{yaml}");
        for name in ["a.io", "www.a.io", "deep.www.a.io", "b.io"] {
            world.intern_name(name);
        }
        let tiers = |direction| {
            lower_cilium(&world, &switches, direction)
                .into_iter()
                .collect()
        };
        let ruleset = Ruleset {
            ingress: tiers(Direction::Ingress),
            egress: tiers(Direction::Egress),
        };
        Self {
            world,
            ruleset,
            switches,
        }
    }

    fn party(&self, text: &str) -> Party {
        if let Ok(ip) = text.parse::<IpAddr>() {
            Party::Address(ip)
        } else if let Some(node) = text.strip_prefix("node:") {
            Party::Node(self.world.node(node).unwrap())
        } else if let Some(name) = text.strip_prefix("name:") {
            let mut names = self.world.name_ids();
            Party::Name(names.find(|id| *self.world[*id].text == *name).unwrap())
        } else {
            let (namespace, name) = text.split_once('/').unwrap();
            Party::Endpoint(self.world.endpoint(namespace, name).unwrap())
        }
    }

    fn connection(&self, text: &str) -> Connection {
        let (from, to) = text.split_once(" -> ").unwrap();
        let (to, protocol) = to.rsplit_once('/').unwrap();
        let (to, port) = to.rsplit_once(':').unwrap();
        let port: u16 = port.parse().unwrap();
        let protocol = Protocol::from_api(&protocol.to_uppercase()).unwrap_or(Protocol::Icmp);
        let mut connection = Connection::new(self.party(from), self.party(to), protocol, port);
        if protocol == Protocol::Icmp {
            connection.port = None;
            connection.icmp = Some(Icmp {
                kind: u8::try_from(port).unwrap(),
                code: 0,
            });
        }
        connection
    }

    fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(&self.world, &self.ruleset, self.switches)
    }

    fn verdict(&self, text: &str) -> Verdict {
        let (eval, connection) = (self.evaluator(), self.connection(text));
        let verdict = eval.verdict(&connection);
        assert_eq!(eval.explain(&connection).verdict, verdict, "{text}");
        let rows = Reach::new(&eval).outcome(&eval, &connection);
        assert_eq!(rows, Outcome::of(&verdict), "rows of {text}");
        verdict
    }

    /// Asserts which connections are allowed, and that all others are not.
    #[track_caller]
    fn check(&self, connections: &[(&str, bool)]) {
        for (text, allowed) in connections {
            let verdict = self.verdict(text);
            assert_eq!(verdict.allowed, *allowed, "{text}: {verdict:?}");
            assert_eq!(verdict.uncertain, None, "{text}");
        }
    }

    #[track_caller]
    fn check_requests(&self, connection: &str, requests: &[(&str, bool)]) {
        for (request, allowed) in requests {
            let (method, path) = request.split_once(' ').unwrap();
            let request = Request {
                method: method.into(),
                path: path.into(),
            };
            let verdict = self
                .evaluator()
                .request(&self.connection(connection), &request);
            assert_eq!(
                verdict.allowed, *allowed,
                "{} {}",
                request.method, request.path
            );
        }
    }
}
