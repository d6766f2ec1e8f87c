//! Random policies of the engines' own languages, written as manifests about one small cluster. Whatever draws
//! from a tape of numbers shrinks with it.

use proptest::prelude::*;
use watertight_core::engine::{Profile, Switches};
use watertight_core::manifest::{self, Options};
use watertight_core::policy::{Ruleset, lower};
use watertight_core::source::Sources;
use watertight_core::world::{Assume, World, build};

use crate::model::Cluster;
use crate::runner::Input;

/// A cluster as it is written, for an engine.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) text: String,
    engine: &'static str,
    switches: Vec<(&'static str, &'static str)>,
}

impl Input for Written {
    fn show(&self) -> String {
        format!("{}\n{} {:?}\n", self.text, self.engine, self.switches)
    }
}

impl Written {
    /// The world and its policies; a finding that something was not understood is an error.
    pub(crate) fn read(&self) -> Result<(World, Ruleset, Switches), String> {
        let mut sources = Sources::new();
        sources.add("t.yaml", self.text.clone().into()).unwrap();
        let loaded = manifest::load(&sources, &Options::default());
        let mut findings = loaded.findings.iter();
        if let Some(finding) = findings.find(|finding| finding.incomplete) {
            return Err(format!("refused: {}", finding.message));
        }
        let assume = Assume {
            dns: false,
            ..Assume::default()
        };
        let (world, _) = build(&sources, &loaded.objects, &assume);
        let mut profile = Profile::parse(self.engine).unwrap();
        for (name, value) in &self.switches {
            profile.switches.set(name, value).unwrap();
        }
        let ruleset = lower(&world, &profile);
        Ok((world, ruleset, profile.switches))
    }
}

fn tapes() -> impl Strategy<Value = Vec<u16>> {
    proptest::collection::vec(any::<u16>(), 0..400)
}

pub(crate) fn cilium() -> impl Strategy<Value = Written> {
    tapes().prop_map(|words| {
        let cluster = Cluster::from_tape(&words);
        Written {
            text: crate::write::cluster(&cluster),
            engine: "cilium",
            switches: cluster.switches(),
        }
    })
}

pub(crate) fn calico() -> impl Strategy<Value = Written> {
    tapes().prop_map(|words| Written {
        text: GROUND.to_owned() + &calico::objects(&mut Tape(words.iter())),
        engine: "calico",
        switches: Vec::new(),
    })
}

pub(crate) fn antrea() -> impl Strategy<Value = Written> {
    tapes().prop_map(|words| Written {
        text: GROUND.to_owned() + &antrea::objects(&mut Tape(words.iter())),
        engine: "antrea",
        switches: Vec::new(),
    })
}

/// Two nodes, two namespaces, pods of both families, and one on the host network.
const GROUND: &str = "
{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {zone: a}}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}, {type: InternalIP, address: 'fd00:9::1'}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2, labels: {zone: b}}, status: {addresses: [{type: InternalIP, address: 192.168.0.2}, {type: InternalIP, address: 'fd00:9::2'}]}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: x, labels: {ns: x, team: red}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: w, labels: {ns: w}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x, labels: {pod: a}}, spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: 80}, {name: dns, containerPort: 53, protocol: UDP}]}]}, status: {phase: Running, podIPs: [{ip: 10.0.1.1}, {ip: 'fd00:1::1'}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: x, labels: {pod: b, role: s}}, spec: {nodeName: n2, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}, status: {phase: Running, podIPs: [{ip: 10.0.2.1}, {ip: 'fd00:2::1'}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: w, labels: {pod: a, role: s}}, spec: {nodeName: n2, serviceAccountName: builder, containers: [{name: c}]}, status: {phase: Running, podIPs: [{ip: 10.0.2.2}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: w, labels: {pod: b}}, spec: {nodeName: n1, containers: [{name: c}]}, status: {phase: Running, podIPs: [{ip: 10.0.1.2}, {ip: 'fd00:1::2'}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: h, namespace: x, labels: {pod: a}}, spec: {nodeName: n1, hostNetwork: true, containers: [{name: c}]}, status: {phase: Running, podIPs: [{ip: 192.168.0.1}]}}
";

/// Behind its end everything is the first choice.
struct Tape<'t>(std::slice::Iter<'t, u16>);

impl Tape<'_> {
    fn number(&mut self, below: usize) -> usize {
        self.0.next().map_or(0, |word| usize::from(*word) % below)
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.number(of.len())]
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.number(many) == many - 1
    }

    /// A list of some of these, none twice.
    fn some(&mut self, of: &[&str], most: usize) -> String {
        let mut found: Vec<_> = (0..=self.number(most)).map(|_| self.pick(of)).collect();
        found.sort_unstable();
        found.dedup();
        format!("[{}]", found.join(", "))
    }

    fn list(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> String) -> String {
        let found: Vec<_> = (0..self.number(most + 1)).map(|_| one(self)).collect();
        format!("[{}]", found.join(", "))
    }
}

fn object(version: &str, kind: &str, (namespace, name): (&str, &str), spec: &str) -> String {
    let namespace = match namespace {
        "" => String::new(),
        name => format!(", namespace: {name}"),
    };
    format!(
        "---\n{{apiVersion: {version}, kind: {kind}, metadata: {{name: {name}{namespace}}}, spec: {{{spec}}}}}\n"
    )
}

/// A NetworkPolicy beside them.
fn plain(tape: &mut Tape<'_>, at: usize) -> String {
    let namespace = tape.pick(&["x", "w"]);
    let pods = tape.pick(&["{}", "{matchLabels: {pod: a}}"]);
    let peer = tape.pick(&[
        "{podSelector: {}}",
        "{namespaceSelector: {matchLabels: {team: red}}}",
        "{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.2.0/24]}}",
    ]);
    let rules = tape.pick(&["ingress: [{from: [PEER]}]", "ingress: []", "ingress: [{}]"]);
    let spec = format!("podSelector: {pods}, {}", rules.replace("PEER", peer));
    let name = format!("plain-{at}");
    object(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        (namespace, &name),
        &spec,
    )
}

mod calico {
    use super::{Tape, object, plain};

    const V3: &str = "projectcalico.org/v3";

    const SELECTORS: &[&str] = &[
        "all()",
        "pod == 'a'",
        "pod != 'a'",
        "pod in {'a', 'h'}",
        "has(role)",
        "!has(role)",
        "pod == 'b' || role == 's'",
        "pcns.team == 'red' && pod == 'a'",
        "projectcalico.org/namespace != 'x'",
        "projectcalico.org/serviceaccount == 'builder'",
    ];
    const NAMESPACES: &[&str] = &["all()", "ns == 'w'", "has(team)", "ns != 'w'", "global()"];
    const V4: &[&str] = &[
        "10.0.0.0/8",
        "10.0.1.0/24",
        "10.0.2.2/32",
        "198.51.100.0/24",
        "192.168.0.0/16",
    ];
    const V6: &[&str] = &[
        "'fd00::/16'",
        "'fd00:1::/64'",
        "'fd00:2::1/128'",
        "'2001:db8::/32'",
    ];

    fn entity(tape: &mut Tape<'_>, is_v4: Option<bool>, ports: Option<&[&str]>) -> String {
        let mut fields = Vec::new();
        if tape.one_in(3) {
            fields.push(format!("selector: \"{}\"", tape.pick(SELECTORS)));
        }
        if tape.one_in(6) {
            fields.push(format!("notSelector: \"{}\"", tape.pick(SELECTORS)));
        }
        if tape.one_in(5) {
            fields.push(format!("namespaceSelector: \"{}\"", tape.pick(NAMESPACES)));
        }
        if let Some(is_v4) = is_v4 {
            let nets = if is_v4 { V4 } else { V6 };
            if tape.one_in(3) {
                fields.push(format!("nets: {}", tape.some(nets, 2)));
            }
            if tape.one_in(4) {
                fields.push(format!("notNets: {}", tape.some(nets, 2)));
            }
        }
        if let Some(ports) = ports {
            let not = tape.pick(&["ports", "ports", "notPorts", ""]);
            if !not.is_empty() {
                fields.push(format!("{not}: {}", tape.some(ports, 3)));
            }
        }
        format!("{{{}}}", fields.join(", "))
    }

    fn rule(tape: &mut Tape<'_>) -> String {
        let action = tape.pick(&["Allow", "Allow", "Deny", "Pass", "Log"]);
        let protocol = tape.pick(&[
            "",
            "protocol: TCP, ",
            "protocol: UDP, ",
            "protocol: ICMP, ",
            "protocol: ICMPv6, ",
            "notProtocol: TCP, ",
        ]);
        let has_ports = protocol.starts_with("protocol: TCP") || protocol.contains("UDP");
        let icmp = match protocol.contains("ICMP") {
            true => tape.pick(&[
                "",
                "icmp: {type: 8}, ",
                "icmp: {type: 3, code: 4}, ",
                "notICMP: {type: 8}, ",
            ]),
            false => "",
        };
        let is_v4 = match protocol {
            "protocol: ICMP, " => Some(true),
            "protocol: ICMPv6, " => Some(false),
            _ => [None, Some(true), Some(false)][tape.number(3)],
        };
        let version = match (is_v4, tape.one_in(4)) {
            (Some(true), true) => "ipVersion: 4, ",
            (Some(false), true) => "ipVersion: 6, ",
            _ => "",
        };
        let source_ports: Option<&[&str]> =
            (has_ports && tape.one_in(3)).then_some(&["80", "'1:1023'", "'1024:65535'"]);
        let ports: Option<&[&str]> =
            has_ports.then_some(&["80", "'80:90'", "8080", "http", "dns", "'1024:65535'"]);
        let source = entity(tape, is_v4, source_ports);
        let destination = entity(tape, is_v4, ports);
        format!(
            "{{action: {action}, {version}{protocol}{icmp}source: {source}, destination: {destination}}}"
        )
    }

    fn policy(tape: &mut Tape<'_>, at: usize) -> String {
        let tier = tape.pick(&["default", "default", "sec", "late"]);
        // Policies of the same order may be asked in any order.
        let mut fields = vec![format!("tier: {tier}, order: {at}")];
        if tape.one_in(2) {
            fields.push(format!("selector: \"{}\"", tape.pick(SELECTORS)));
        }
        if tape.one_in(2) {
            let types = tape.pick(&["[Ingress]", "[Egress]", "[Ingress, Egress]"]);
            fields.push(format!("types: {types}"));
        }
        for section in ["ingress", "egress"] {
            fields.push(format!("{section}: {}", tape.list(3, rule)));
        }
        let name = format!("{tier}.p{at}");
        match tape.pick(&["", "", "x", "w"]) {
            "" => object(V3, "GlobalNetworkPolicy", ("", &name), &fields.join(", ")),
            namespace => object(V3, "NetworkPolicy", (namespace, &name), &fields.join(", ")),
        }
    }

    pub(super) fn objects(tape: &mut Tape<'_>) -> String {
        let action = tape.pick(&["Deny", "Pass"]);
        let mut text = object(
            V3,
            "Tier",
            ("", "sec"),
            &format!("order: 5, defaultAction: {action}"),
        );
        text += &object(V3, "Tier", ("", "late"), "");
        text += "---\n{apiVersion: projectcalico.org/v3, kind: GlobalNetworkSet, metadata: {name: g, labels: \
                 {role: s}}, spec: {nets: [198.51.100.0/25, '2001:db8::/33']}}\n";
        if tape.one_in(2) {
            text += "---\n{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: n2-all, labels: \
                     {pod: h, role: s}}, spec: {node: n2, interfaceName: '*', expectedIPs: [192.168.0.2], \
                     profiles: [projectcalico-default-allow]}}\n";
        }
        for at in 0..1 + tape.number(5) {
            text += &policy(tape, at);
        }
        for at in 0..tape.number(3) {
            text += &plain(tape, at);
        }
        text
    }
}

mod antrea {
    use super::{Tape, object, plain};

    const V1: &str = "crd.antrea.io/v1beta1";

    fn whom(tape: &mut Tape<'_>, is_namespaced: bool) -> String {
        let mut fields = Vec::new();
        if !tape.one_in(3) {
            let pods = tape.pick(&[
                "{}",
                "{matchLabels: {pod: a}}",
                "{matchExpressions: [{key: role, operator: Exists}]}",
            ]);
            fields.push(format!("podSelector: {pods}"));
        }
        if !is_namespaced && (fields.is_empty() || tape.one_in(2)) {
            let namespaces = tape.pick(&["{}", "{matchLabels: {ns: x}}", "{matchLabels: {ns: w}}"]);
            fields.push(format!("namespaceSelector: {namespaces}"));
        }
        if fields.is_empty() {
            fields.push("podSelector: {}".into());
        }
        format!("{{{}}}", fields.join(", "))
    }

    fn peer(tape: &mut Tape<'_>) -> String {
        match tape.number(4) {
            0 => whom(tape, false),
            1 => {
                let block = tape.pick(&[
                    "{cidr: 10.0.0.0/8}",
                    "{cidr: 198.51.100.0/24}",
                    "{cidr: '2001:db8::/32'}",
                    "{cidr: 192.168.0.0/16}",
                    "{cidr: 0.0.0.0/0, except: [10.0.1.0/24]}",
                ]);
                format!("{{ipBlock: {block}}}")
            }
            2 => format!(
                "{{nodeSelector: {}}}",
                tape.pick(&["{}", "{matchLabels: {zone: a}}", "{matchLabels: {zone: b}}"])
            ),
            _ => whom(tape, false),
        }
    }

    fn rule(tape: &mut Tape<'_>, tier: &str, end: &str) -> String {
        // Nothing comes behind a baseline.
        let last = if tier == "baseline" { "Drop" } else { "Pass" };
        let action = tape.pick(&["Allow", "Drop", "Reject", last]);
        let mut fields = vec![format!("action: {action}")];
        if !tape.one_in(4) {
            fields.push(format!("{end}: [{}]", peer(tape)));
        }
        match tape.number(4) {
            0 => {}
            1 => fields.push(format!(
                "protocols: [{}]",
                tape.pick(&[
                    "{icmp: {icmpType: 8}}",
                    "{icmp: {icmpType: 3, icmpCode: 4}}",
                    "{icmp: {}}"
                ])
            )),
            _ => fields.push(format!(
                "ports: {}",
                tape.some(
                    &[
                        "{port: 80, protocol: TCP}",
                        "{port: 80, endPort: 90, protocol: TCP}",
                        "{port: http, protocol: TCP}",
                        "{protocol: UDP}",
                        "{port: 8080, protocol: TCP, sourcePort: 1, sourceEndPort: 1023}",
                        "{protocol: SCTP, port: 9}",
                    ],
                    2
                )
            )),
        }
        format!("{{{}}}", fields.join(", "))
    }

    pub(super) fn objects(tape: &mut Tape<'_>) -> String {
        let mut text = String::new();
        for at in 0..1 + tape.number(5) {
            let namespace = tape.pick(&["", "", "x", "w"]);
            let tier = tape.pick(&["application", "emergency", "securityops", "baseline"]);
            let applied = whom(tape, !namespace.is_empty());
            let ingress = tape.list(3, |tape| rule(tape, tier, "from"));
            let egress = tape.list(3, |tape| rule(tape, tier, "to"));
            let spec = format!(
                "tier: {tier}, priority: {}, appliedTo: [{applied}], ingress: {ingress}, egress: {egress}",
                at + 1
            );
            let kind = match namespace {
                "" => "ClusterNetworkPolicy",
                _ => "NetworkPolicy",
            };
            text += &object(V1, kind, (namespace, &format!("p{at}")), &spec);
        }
        for at in 0..tape.number(3) {
            text += &plain(tape, at);
        }
        text
    }
}
