//! The cluster that tests are about, and what changes in it: two nodes, pods of which some talk whatever the
//! policies of the moment are, and some never may.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use watertight_core::engine::Profile;
use watertight_core::eval::{Connection, Evaluator, Family, Party};
use watertight_core::manifest;
use watertight_core::policy::lower;
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, NodeId, read};
use watertight_node::enforce::Enforcer;
use watertight_node::lab::{Cluster, Place, Plan};
use watertight_node::netlink::{self, Socket};
use watertight_node::nft::{Table, compile};
use watertight_node::sys::{Namespace, sysctl};
use watertight_node::trial;

use crate::lab::options;

/// The port that is open.
pub(super) const PORT: u16 = 8080;

/// One that is not.
pub(super) const SHUT: u16 = 9000;

/// Namespaces and nodes.
const GROUND: &str = "\
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.168.50.1}, {type: InternalIP, address: 'fd50:0:0:f::1'}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 192.168.50.2}, {type: InternalIP, address: 'fd50:0:0:f::2'}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---
apiVersion: v1
kind: Namespace
metadata: {name: other, labels: {team: other}}
---
";

/// Pods by namespace, name, node and last number of their addresses.
pub(super) const WEB: Pod = Pod("shop", "web", 1, 10);
pub(super) const API: Pod = Pod("shop", "api", 1, 11);
pub(super) const DB: Pod = Pod("shop", "db", 2, 11);
pub(super) const VAULT: Pod = Pod("shop", "vault", 2, 12);
pub(super) const EVIL: Pod = Pod("other", "evil", 1, 20);
pub(super) const FAR: Pod = Pod("other", "far", 2, 20);

/// A pod that has a namespace of its own in the lab.
#[derive(Clone, Copy)]
pub(super) struct Pod(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) u8,
    pub(super) u8,
);

impl Pod {
    pub(super) fn v4(self) -> IpAddr {
        format!("10.50.{}.{}", self.2, self.3).parse().unwrap()
    }

    pub(super) fn v6(self) -> IpAddr {
        format!("fd50:0:0:{}::{:x}", self.2, self.3)
            .parse()
            .unwrap()
    }

    pub(super) fn at(self, is_v6: bool, port: u16) -> SocketAddr {
        let ip = if is_v6 { self.v6() } else { self.v4() };
        SocketAddr::new(ip, port)
    }

    /// Both of its addresses, or the one that the machine has.
    pub(super) fn each(self, port: u16) -> Vec<SocketAddr> {
        families()
            .iter()
            .map(|is_v6| self.at(*is_v6, port))
            .collect()
    }

    pub(super) fn text(self, labels: &str) -> String {
        let Self(namespace, name, node, _) = self;
        let (v4, v6) = (self.v4(), self.v6());
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}}}}}\n\
             spec:\n  nodeName: n{node}\n  containers: [{{name: c, image: c, ports: [\
             {{name: http, containerPort: {PORT}}}, {{name: ask, containerPort: {PORT}, protocol: UDP}}]}}]\n\
             status: {{phase: Running, podIP: {v4}, podIPs: [{{ip: {v4}}}, {{ip: '{v6}'}}]}}\n---\n"
        )
    }
}

/// Which families there are: whether they are IPv6.
pub(super) fn families() -> &'static [bool] {
    if sysctl::has_ipv6() {
        &[false, true]
    } else {
        &[false]
    }
}

/// Manifests of the six pods, web with a role, and what else there is.
pub(super) fn shop(role: &str, rest: &str) -> String {
    let mut text = GROUND.to_owned();
    text += &WEB.text(&format!("app: web, role: {role}"));
    text += &API.text("app: api, kind: server");
    text += &DB.text("app: db, kind: server");
    text += &VAULT.text("app: vault");
    text += &EVIL.text("app: evil, role: client");
    text += &FAR.text("app: web, role: client");
    text + rest
}

/// A NetworkPolicy.
pub(super) fn policy(name: &str, pods: &str, rules: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, namespace: shop}}\n\
         spec:\n  podSelector: {{{pods}}}\n{rules}---\n"
    )
}

/// A lab of some manifests.
pub(super) struct Field {
    plan: Plan,
    cluster: Cluster,
}

impl Field {
    pub(super) fn new(text: &str) -> Self {
        with(text, |plan, _| Self {
            cluster: Cluster::up(plan, &|_, _, _| {}).unwrap(),
            plan: plan.clone(),
        })
    }

    pub(super) fn pod(&self, pod: Pod) -> &Namespace {
        let name = format!("{}/{}", pod.0, pod.1);
        let found = self.plan.pods.iter().find(|of| *of.name == *name).unwrap();
        self.cluster.namespace(Place::Pod(found.id)).unwrap()
    }

    /// By its number from 1 on.
    pub(super) fn node(&self, number: usize) -> &Namespace {
        let id = self.plan.nodes[number - 1].id;
        self.cluster.namespace(Place::Node(id)).unwrap()
    }

    pub(super) fn socket(&self, node: usize) -> Socket {
        let open = || Socket::open(netlink::Protocol::Netfilter);
        self.node(node).run(open).unwrap().unwrap()
    }

    /// Each node with its table.
    pub(super) fn enforce(&self, tables: &Tables) -> [Enforcer; 2] {
        [1, 2].map(|node| {
            let started = Enforcer::start(self.socket(node), tables.of(node).clone(), &[]);
            started.unwrap().0
        })
    }
}

/// The tables of both nodes.
#[derive(Clone)]
pub(super) struct Tables(BTreeMap<NodeId, compile::Compiled>);

impl Tables {
    pub(super) fn new(text: &str) -> Self {
        with(text, |plan, eval| {
            Self(trial::tables(plan, eval, compile::Options::default()))
        })
    }

    pub(super) fn of(&self, node: usize) -> &Table {
        &self.0.values().nth(node - 1).unwrap().table
    }
}

fn with<T>(text: &str, then: impl FnOnce(&Plan, &Evaluator<'_>) -> T) -> T {
    let mut sources = Sources::new();
    sources.add("input.yaml", text.into()).unwrap();
    // Nobody but those who are named.
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    let mut world = read(&sources, &manifest::Options::default(), &assume, None).0;
    let plan = Plan::new(&mut world, &options()).unwrap();
    assert_eq!(plan.nodes.len(), 2);
    assert!(plan.left_out.is_empty(), "{:?}", plan.left_out);
    let profile = Profile::reference();
    let ruleset = lower(&world, &profile);
    then(&plan, &Evaluator::new(&world, &ruleset, profile.switches))
}

/// Who talks in the test of many updates, and who tries in vain: with whom, and on which port.
pub(super) const ALLOWED: [(Pod, Pod); 2] = [(WEB, API), (WEB, DB)];
pub(super) const DENIED: [(Pod, Pod, u16); 8] = [
    (EVIL, API, PORT),
    (EVIL, DB, PORT),
    (EVIL, API, SHUT),
    (FAR, API, PORT),
    (FAR, DB, PORT),
    (WEB, API, SHUT),
    (WEB, DB, SHUT),
    (WEB, VAULT, PORT),
];

/// Fails unless the evaluator says so, too.
pub(super) fn check(text: &str) {
    with(text, |_, eval| {
        let find = |pod: Pod| Party::Endpoint(eval.world.endpoint(pod.0, pod.1).unwrap());
        let allowed = ALLOWED.map(|(from, to)| (from, to, PORT, true));
        let denied = DENIED.map(|(from, to, port)| (from, to, port, false));
        for (from, to, port, is_allowed) in allowed.into_iter().chain(denied) {
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                for family in families()
                    .iter()
                    .map(|is_v6| if *is_v6 { Family::V6 } else { Family::V4 })
                {
                    let mut connection = Connection::new(find(from), find(to), protocol, port);
                    connection.family = Some(family);
                    let verdict = eval.verdict(&connection);
                    let (from, to) = (from.1, to.1);
                    assert_eq!(
                        verdict.allowed, is_allowed,
                        "{from} to {to} {port} {protocol:?}\n{text}"
                    );
                }
            }
        }
    });
}

/// Numbers without a pattern, the same every time.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Below a bound.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % bound
    }
}

/// A cluster in which who is in [`ALLOWED`] may talk and who is in [`DENIED`] may not; the rest is a matter of
/// luck: labels of pods, policies, peers, ports. Each bit of `pods` is one more pod.
pub(super) fn random(dice: &mut Dice, pods: usize) -> String {
    let role = ["client", "front"][dice.below(2)];
    let mut rest = String::new();
    for number in 0..6 {
        let label = [
            "app: web, role: front",
            "app: api",
            "kind: server",
            "app: db, role: client",
        ];
        if pods >> number & 1 == 1 {
            let name = ["f0", "f1", "f2", "f3", "f4", "f5"][usize::from(number)];
            rest += &Pod("shop", name, 1 + number % 2, 31 + number).text(label[dice.below(4)]);
        }
    }
    rest += &servers(dice, role);
    rest += &clients(dice);
    for number in 0..[0, 1, 3, 10][dice.below(4)] {
        let rules = format!(
            "  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: n{number}}}}}}}]}}]\n"
        );
        let pods = ["matchLabels: {app: api}", "matchLabels: {kind: server}"][dice.below(2)];
        rest += &policy(&format!("more-{number}"), pods, &rules);
    }
    if dice.below(2) == 0 {
        rest += &policy("vault", "matchLabels: {app: vault}", "  ingress: [{}]\n");
    }
    match dice.below(3) {
        0 => rest += &policy("shut", "", "  policyTypes: [Ingress]\n"),
        1 => rest += &policy("shut", "", "  policyTypes: [Ingress, Egress]\n"),
        _ => {}
    }
    if dice.below(2) == 0 {
        rest += &policy("evil", "", "  policyTypes: [Egress]\n")
            .replace("namespace: shop", "namespace: other");
    }
    rest += &above(dice);
    shop(role, &rest)
}

fn block(ip: IpAddr) -> String {
    format!(
        "{{ipBlock: {{cidr: '{ip}/{}'}}}}",
        if ip.is_ipv4() { 32 } else { 128 }
    )
}

/// What lets web in.
fn servers(dice: &mut Dice, role: &str) -> String {
    let ports = match dice.below(3) {
        0 => format!("{{port: {PORT}}}, {{port: {PORT}, protocol: UDP}}"),
        1 => format!(
            "{{port: 8000, endPort: {PORT}}}, {{port: {PORT}, endPort: 8999, protocol: UDP}}"
        ),
        _ => "{port: http}, {port: ask, protocol: UDP}".to_owned(),
    };
    let from = match dice.below(5) {
        0 => "{podSelector: {matchLabels: {app: web}}}".to_owned(),
        1 => format!("{{podSelector: {{matchLabels: {{role: {role}}}}}}}"),
        2 => "{namespaceSelector: {matchLabels: {team: shop}}, podSelector: {matchExpressions: [{key: app, \
              operator: In, values: [web, x]}]}}"
            .to_owned(),
        3 => format!("{}, {}", block(WEB.v4()), block(WEB.v6())),
        _ => {
            let [v4, v6] = [EVIL.v4(), EVIL.v6()];
            format!(
                "{{ipBlock: {{cidr: 10.50.1.0/24, except: [{v4}/32]}}}}, {{ipBlock: {{cidr: 'fd50:0:0:1::/64', \
                 except: ['{v6}/128']}}}}"
            )
        }
    };
    let rules = format!("  ingress: [{{from: [{from}], ports: [{ports}]}}]\n");
    match dice.below(2) {
        0 => policy("servers", "matchLabels: {kind: server}", &rules),
        _ => ["api", "db"]
            .map(|name| policy(name, &format!("matchLabels: {{app: {name}}}"), &rules))
            .concat(),
    }
}

/// What lets web out, to servers only.
fn clients(dice: &mut Dice) -> String {
    let to = match dice.below(3) {
        0 => "{podSelector: {matchLabels: {kind: server}}}".to_owned(),
        1 => "{podSelector: {matchLabels: {app: api}}}, {podSelector: {matchLabels: {app: db}}}"
            .to_owned(),
        _ => [API, DB]
            .map(|pod| format!("{}, {}", block(pod.v4()), block(pod.v6())))
            .join(", "),
    };
    let ports = match dice.below(2) {
        0 => String::new(),
        _ => format!(", ports: [{{port: {PORT}}}, {{port: {PORT}, protocol: UDP}}]"),
    };
    let rules = format!("  policyTypes: [Egress]\n  egress: [{{to: [{to}]{ports}}}]\n");
    policy("web", "matchLabels: {app: web}", &rules)
}

/// What administrators say above and below it all.
fn above(dice: &mut Dice) -> String {
    let mut text = String::new();
    let mut add = |name: &str, tier: &str, rules: &str| {
        _ = write!(
            text,
            "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: {name}}}\n\
             spec:\n  tier: {tier}\n  priority: 10\n  subject: {{namespaces: {{matchLabels: {{team: shop}}}}}}\n\
             {rules}---\n"
        );
    };
    let others = "{name: others, action: Deny, from: [{namespaces: {matchLabels: {team: other}}}]}";
    let own = "{name: own, action: Pass, from: [{namespaces: {matchLabels: {team: shop}}}]}";
    match dice.below(4) {
        0 => add("apart", "Admin", &format!("  ingress: [{others}]\n")),
        1 => add("apart", "Admin", &format!("  ingress: [{own}, {others}]\n")),
        2 => add("below", "Baseline", &format!("  ingress: [{others}]\n")),
        _ => {}
    }
    text
}
