//! Small clusters with policies of several languages, asked by name in tests.

use crate::engine::{AnpApi, Profile, Switches};
use crate::eval::{Connection, Evaluator, Family, Party, Verdict};
use crate::manifest::{self, Options};
use crate::sets::Protocol;
use crate::source::Sources;
use crate::world::{self, Assume, World};

use super::{Ruleset, lower};

/// Two nodes; pods `a` and `b` in `x`, `a` in `w` and in `z`, and `h` on the host network.
pub(crate) const CLUSTER: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {role: worker}}, status: {addresses: [
  {type: InternalIP, address: 192.168.0.1}, {type: InternalIP, address: 'fd01::1'}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: cp, labels: {role: control-plane}}, status:
  {addresses: [{type: InternalIP, address: 192.168.0.10}, {type: ExternalIP, address: 203.0.113.200}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: x, labels: {ns: x, team: red}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: w, labels: {ns: w, team: blue}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: z, labels: {ns: z, team: red}}}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: x, labels: {pod: a}}
spec:
  nodeName: n1
  serviceAccountName: builder
  containers:
  - ports: [{name: http, containerPort: 80}, {name: dns, containerPort: 53, protocol: UDP}]
status: {phase: Running, podIPs: [{ip: 10.0.1.1}, {ip: 'fd00:1::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: x, labels: {pod: b}}
spec: {nodeName: n1, containers: [{ports: [{name: http, containerPort: 8080}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.1.2}, {ip: 'fd00:1::2'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: w, labels: {pod: a}}
spec: {nodeName: n1, containers: [{ports: [{name: http, containerPort: 80}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.2.1}, {ip: 'fd00:2::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: z, labels: {pod: a}}
spec: {nodeName: n1, containers: [{}]}
status: {phase: Running, podIPs: [{ip: 10.0.3.1}, {ip: 'fd00:3::1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: h, namespace: x, labels: {pod: h}}
spec: {nodeName: cp, hostNetwork: true, containers: [{}]}
status: {phase: Running, podIPs: [{ip: 192.168.0.10}]}
";

/// An object of a language, in one line of YAML.
pub(crate) fn object(version: &str, kind: &str, name: &str, spec: &str) -> String {
    let metadata = match name.split_once('/') {
        Some((namespace, name)) => format!("{{name: {name}, namespace: {namespace}}}"),
        None => format!("{{name: {name}}}"),
    };
    format!(
        "\n---\napiVersion: {version}\nkind: {kind}\nmetadata: {metadata}\nspec: {}\n",
        spec.trim()
    )
}

/// A NetworkPolicy.
pub(crate) fn network_policy(name: &str, spec: &str) -> String {
    object("networking.k8s.io/v1", "NetworkPolicy", name, spec)
}

/// The cluster with some policies.
pub(crate) struct Asked {
    pub(crate) world: World,
    pub(crate) ruleset: Ruleset,
    pub(crate) switches: Switches,
}

impl Asked {
    /// `engine` is one with its switches, `name=value` separated by spaces; `names` are those that connections go to,
    /// with the addresses that pods have learnt for them.
    pub(crate) fn new(engine: &str, names: &[(&str, &[&str])], policies: &[String]) -> Self {
        let mut words = engine.split(' ');
        let mut profile = Profile::parse(words.next().unwrap()).unwrap();
        for (name, value) in words.filter_map(|pair| pair.split_once('=')) {
            profile.switches.set(name, value).unwrap();
        }
        let mut sources = Sources::new();
        let yaml = format!("{CLUSTER}{}", policies.concat());
        sources.add("t.yaml", yaml.into()).unwrap();
        let options = Options {
            old_admin_api: profile.switches.anp_api == AnpApi::Old,
            ..Options::default()
        };
        let loaded = manifest::load(&sources, &options);
        let refused = loaded.findings.iter().filter(|finding| finding.incomplete);
        let refused: Vec<_> = refused.map(|finding| &finding.message).collect();
        assert!(refused.is_empty(), "{refused:?}");
        let assume = Assume {
            dns: false,
            ..Assume::default()
        };
        let (mut world, duplicates) = world::build(&sources, &loaded.objects, &assume);
        assert!(duplicates.is_empty(), "{duplicates:?}");
        for (name, ips) in names {
            world.learn(name, ips.iter().map(|ip| ip.parse().unwrap()));
        }
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
        if let Some(node) = text.strip_prefix("node:") {
            return Party::Node(self.world.node(node).unwrap());
        }
        if let Some(name) = text.strip_prefix("name:") {
            let mut names = self.world.name_ids();
            return Party::Name(names.find(|id| *self.world[*id].text == *name).unwrap());
        }
        let (namespace, name) = text.split_once('/').unwrap();
        Party::Endpoint(self.world.endpoint(namespace, name).unwrap())
    }

    /// The verdict on `FROM -> TO PORT/PROTOCOL`, or `... icmp`, and perhaps ` v6`.
    pub(crate) fn verdict(&self, text: &str) -> Verdict {
        let words: Vec<&str> = text.split(' ').collect();
        let (from, to) = (self.party(words[0]), self.party(words[2]));
        let mut connection = match words[3].split_once('/') {
            Some((port, protocol)) => {
                let protocol = Protocol::from_api(&protocol.to_uppercase()).unwrap();
                Connection::new(from, to, protocol, port.parse().unwrap())
            }
            None => {
                let mut connection = Connection::new(from, to, Protocol::Icmp, 0);
                connection.port = None;
                connection
            }
        };
        if words.get(4) == Some(&"v6") {
            connection.family = Some(Family::V6);
        }
        let evaluator = Evaluator::new(&self.world, &self.ruleset, self.switches);
        let explained = evaluator.explain(&connection).verdict;
        assert_eq!(explained, evaluator.verdict(&connection), "{text}");
        explained
    }

    #[track_caller]
    pub(crate) fn check(&self, connections: &[(&str, bool)]) {
        for (text, allowed) in connections {
            let verdict = self.verdict(text);
            assert_eq!(verdict.allowed, *allowed, "{text}: {verdict:?}");
            assert_eq!(verdict.uncertain, None, "{text}");
        }
    }
}
