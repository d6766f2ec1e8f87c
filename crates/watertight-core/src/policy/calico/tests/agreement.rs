//! Random policies: the lowering against the oracle, and rows against both.

use std::net::IpAddr;

use super::oracle::{Oracle, Packet};
use super::*;
use crate::manifest::Direction;

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        // xorshift64*
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % sides
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[self.below(texts.len())]
    }

    fn some(&mut self, texts: &[&str], most: usize) -> String {
        let count = 1 + self.below(most);
        let mut found: Vec<_> = (0..count).map(|_| self.of(texts)).collect();
        found.sort_unstable();
        found.dedup();
        found.join(", ")
    }
}

const SELECTORS: &[&str] = &[
    "all()",
    "pod == 'a'",
    "pod == 'a'",
    "pod != 'a'",
    "pod in {'a', 'h'}",
    "pod not in {'a'}",
    "has(role)",
    "!has(role)",
    "pod == 'b' || role == 's'",
    "pod starts with 'a' && !(role contains 'x')",
    "pcns.team == 'red' && pod == 'a'",
    "!(pcns.ns == 'x' && pod == 'a')",
    "projectcalico.org/namespace != 'x'",
    "projectcalico.org/orchestrator == 'k8s'",
    "pcsa.role == 'ci' || pod == 'b'",
    "projectcalico.org/serviceaccount ends with 'er'",
];

const NAMESPACES: &[&str] = &[
    "all()",
    "ns == 'w'",
    "team == 'red'",
    "ns != 'w'",
    "!has(team)",
    "ns in {'x', 'z'}",
];

const V4: &[&str] = &[
    "10.0.0.0/8",
    "10.0.1.0/24",
    "10.0.2.0/24",
    "10.0.3.1/32",
    "198.51.100.0/24",
    "192.168.0.0/16",
];

const V6: &[&str] = &[
    "'fd00::/16'",
    "'fd00:1::/32'",
    "'fd00:2::1/128'",
    "'2001:db8::/32'",
];

/// Of names of source ports, the lowering knows no more than the numbers that anybody has for them.
const NUMBERS: &[&str] = &["80", "'1:1023'", "'1024:65535'"];

const PORTS: &[&str] = &["80", "'80:90'", "8080", "http", "dns", "53", "'1024:65535'"];

fn entity(dice: &mut Dice, family: Option<bool>, ports: Option<&[&str]>) -> String {
    let mut fields = Vec::new();
    if dice.one_in(3) {
        fields.push(format!("selector: \"{}\"", dice.of(SELECTORS)));
    }
    if dice.one_in(6) {
        fields.push(format!("notSelector: \"{}\"", dice.of(SELECTORS)));
    }
    if dice.one_in(4) {
        let namespaces = match dice.one_in(5) {
            true => "global()",
            false => dice.of(NAMESPACES),
        };
        fields.push(format!("namespaceSelector: \"{namespaces}\""));
    }
    if dice.one_in(8) {
        let accounts = dice.of(&[
            "{names: [builder]}",
            "{names: [default, other]}",
            "{selector: \"role == 'ci'\"}",
            "{names: [default], selector: \"role != 'ci'\"}",
        ]);
        fields.push(format!("serviceAccounts: {accounts}"));
    }
    if let Some(is_v4) = family {
        let nets = if is_v4 { V4 } else { V6 };
        if dice.one_in(3) {
            fields.push(format!("nets: [{}]", dice.some(nets, 2)));
        }
        if dice.one_in(4) {
            fields.push(format!("notNets: [{}]", dice.some(nets, 2)));
        }
    }
    if let Some(known) = ports {
        if dice.one_in(3) {
            fields.push(format!("ports: [{}]", dice.some(known, 3)));
        } else if dice.one_in(4) {
            fields.push(format!("notPorts: [{}]", dice.some(known, 2)));
        }
    }
    format!("{{{}}}", fields.join(", "))
}

fn rule(dice: &mut Dice) -> String {
    let action = dice.of(&["Allow", "Allow", "Deny", "Pass", "Log"]);
    let protocol = dice.of(&[
        "",
        "",
        "protocol: TCP, ",
        "protocol: 17, ",
        "protocol: ICMP, ",
        "notProtocol: TCP, ",
    ]);
    let has_ports =
        protocol.contains("TCP") && !protocol.contains("not") || protocol.contains("17");
    let icmp = match protocol.contains("ICMP") {
        true => dice.of(&["", "icmp: {type: 8}, ", "notICMP: {type: 8, code: 0}, "]),
        false => "",
    };
    let family = match (protocol.contains("ICMP"), dice.below(4)) {
        (true, 0 | 1) | (false, 0) => Some(true),
        (false, 1) => Some(false),
        _ => None,
    };
    let version = match (family, dice.one_in(4)) {
        (Some(true), true) => "ipVersion: 4, ",
        (Some(false), true) => "ipVersion: 6, ",
        _ => "",
    };
    let source_ports = has_ports && dice.one_in(3);
    let source = entity(dice, family, source_ports.then_some(NUMBERS));
    let destination = entity(dice, family, has_ports.then_some(PORTS));
    format!(
        "{{action: {action}, {version}{protocol}{icmp}source: {source}, destination: {destination}}}"
    )
}

fn policy(dice: &mut Dice, name: &str) -> String {
    let mut fields = Vec::new();
    let tier = dice.of(&["default", "default", "sec", "late"]);
    fields.push(format!("tier: {tier}"));
    if !dice.one_in(4) {
        fields.push(format!(
            "order: {}",
            dice.of(&["1", "1", "2.5", "-3", "1000"])
        ));
    }
    if dice.one_in(2) {
        fields.push(format!("selector: \"{}\"", dice.of(SELECTORS)));
    }
    if dice.one_in(6) {
        fields.push(format!(
            "serviceAccountSelector: \"{}\"",
            dice.of(&["role == 'ci'", "all()", "!has(role)"])
        ));
    }
    if dice.one_in(2) {
        fields.push(format!(
            "types: [{}]",
            dice.of(&["Ingress", "Egress", "Ingress, Egress"])
        ));
    }
    for section in ["ingress", "egress"] {
        let rules: Vec<_> = (0..dice.below(4)).map(|_| rule(dice)).collect();
        fields.push(format!("{section}: [{}]", rules.join(", ")));
    }
    let namespace = dice.of(&["", "", "x", "w"]);
    if namespace.is_empty() {
        if dice.one_in(3) {
            fields.push(format!("namespaceSelector: \"{}\"", dice.of(NAMESPACES)));
        }
        return gnp(name, &format!("{{{}}}", fields.join(", ")));
    }
    np(
        &format!("{namespace}/{name}"),
        &format!("{{{}}}", fields.join(", ")),
    )
}

fn objects(dice: &mut Dice) -> Vec<String> {
    let action = dice.of(&["Deny", "Pass"]);
    let mut found = vec![
        tier("sec", &format!("{{order: 5, defaultAction: {action}}}")),
        tier("late", "{}"),
        set("g", "role: s", "198.51.100.0/25, 10.0.2.1"),
        set("x/s", "pod: a", "198.51.100.128/25"),
        set("w/s", "role: sx", "'2001:db8::/32'"),
        host(
            "cp-auto",
            "role: s",
            "{node: cp, interfaceName: '*', expectedIPs: [192.168.0.10], \
              profiles: [projectcalico-default-allow], ports: [{name: http, protocol: TCP, port: 80}]}",
        ),
    ];
    found.extend(super::whom::accounts());
    let count = 1 + dice.below(5);
    for at in 0..count {
        let name = format!("p{at}");
        found.push(policy(dice, &name));
    }
    found
}

/// Ends with the addresses that packets between them have.
const ENDS: &[(&str, &[&str])] = &[
    ("x/a", &["10.0.1.1", "fd00:1::1"]),
    ("x/b", &["10.0.1.2", "fd00:1::2"]),
    ("w/a", &["10.0.2.1", "fd00:2::1"]),
    ("z/a", &["10.0.3.1", "fd00:3::1"]),
    ("node:cp", &["192.168.0.10"]),
    ("198.51.100.7", &["198.51.100.7"]),
    ("198.51.100.200", &["198.51.100.200"]),
    ("203.0.113.9", &["203.0.113.9"]),
    ("2001:db8::9", &["2001:db8::9"]),
];

const TRAFFIC: &[(&str, u8, u16)] = &[
    ("80/tcp", 6, 80),
    ("85/tcp", 6, 85),
    ("8080/tcp", 6, 8080),
    ("53/udp", 17, 53),
    ("2000/udp", 17, 2000),
    ("9/sctp", 132, 9),
    ("icmp:8.0", 1, 0x0800),
    ("icmp:3.4", 1, 0x0304),
];

/// Whether one world is judged alike; the number of connections that are denied.
fn compare(seed: u64) -> usize {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let objects = objects(&mut dice);
    let case = case(&objects);
    let oracle = Oracle::new(&case.world);
    let evaluator = Evaluator::new(&case.world, &case.ruleset, case.switches);
    let reach = Reach::new(&evaluator);
    let lets = |end: &str, direction, packet| match case.party(end) {
        Party::Endpoint(id) => oracle.pod_lets(id, direction, packet),
        Party::Node(id) => oracle.host_lets(id, direction, packet),
        _ => true,
    };
    let mut denied = 0;
    for (from, source_ips) in ENDS {
        for (to, target_ips) in ENDS {
            let ends = source_ips.iter().zip(*target_ips);
            let is_outside = |end: &str| end.parse::<IpAddr>().is_ok();
            if from == to || is_outside(from) && is_outside(to) {
                continue;
            }
            for (source, target) in ends {
                let (source, target): (IpAddr, IpAddr) =
                    (source.parse().unwrap(), target.parse().unwrap());
                if source.is_ipv4() != target.is_ipv4() {
                    continue;
                }
                for (traffic, protocol, port) in TRAFFIC {
                    let source_port = [80, 40000][dice.below(2)];
                    let is_icmp = *protocol == 1;
                    if is_icmp && target.is_ipv6() {
                        continue;
                    }
                    let packet = Packet {
                        source,
                        target,
                        protocol: *protocol,
                        port: *port,
                        source_port,
                    };
                    let expected = lets(from, Direction::Egress, packet)
                        && lets(to, Direction::Ingress, packet);
                    let family = if target.is_ipv6() { " v6" } else { "" };
                    let question = format!("{from} -> {to} {traffic}{family}");
                    for mut connection in case.connections(&question) {
                        let rows = reach.outcome(&evaluator, &connection);
                        let verdict = evaluator.verdict(&connection);
                        assert_eq!(rows, Outcome::of(&verdict), "seed {seed}: {question}");
                        connection.source_port = Some(source_port);
                        let verdict = evaluator.verdict(&connection);
                        assert!(
                            verdict.allowed == expected && verdict.uncertain.is_none(),
                            "seed {seed}: {question} from {source_port}: Calico says {expected}, {verdict:?}\n{}",
                            objects.concat()
                        );
                    }
                    denied += usize::from(!expected);
                }
            }
        }
    }
    denied
}

#[test]
fn lowered_policies_agree_with_calico_as_its_agent_sees_it() {
    let denied: usize = (1..=60).map(compare).sum();
    assert!(denied > 3000, "{denied}");
}
