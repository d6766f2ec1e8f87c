//! What tables do with the first packet of a connection.
//!
//! Written from the manual of nftables, apart from what writes tables to the kernel.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use watertight_core::eval::{Connection, Evaluator, Family, Icmp, Party};
use watertight_core::sets::Protocol;
use watertight_core::world::NodeId;
use watertight_node::nft::{Bytes, Contents, Field, Match, Rule, Set, Statement, Table, Verdict};

#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    from: IpAddr,
    to: IpAddr,
    protocol: u8,
    from_port: u16,
    /// Of ICMP, type and code.
    port: u16,
}

#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Accepted,
    Dropped,
    /// On behind the jump.
    Back,
}

/// The hooks by their numbers.
const INPUT: u32 = 1;
pub(super) const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;

/// The node in whose ranges an address is.
pub(super) fn stranger(ranges: &BTreeMap<NodeId, Vec<IpNet>>, ip: IpAddr) -> Option<NodeId> {
    let mut ranges = ranges.iter();
    let found = ranges.find(|(_, nets)| nets.iter().any(|net| net.contains(&ip)));
    found.map(|(node, _)| *node)
}

impl Packet {
    /// The packet of a connection, and the hooks that it passes; none if there is no such packet. Whoever has an
    /// address in the range of a node is a pod there, known or not.
    pub(super) fn of(
        eval: &Evaluator<'_>,
        connection: &Connection,
        ranges: &BTreeMap<NodeId, Vec<IpNet>>,
    ) -> Option<(Self, Vec<(NodeId, u32)>)> {
        let world = eval.world;
        let address = |party: Party, family| match party {
            Party::Endpoint(id) if world[id].ips.is_empty() => None,
            party => party.address(world, family),
        };
        let ends = |family| {
            Some((
                address(connection.from, family)?,
                address(connection.to, family)?,
            ))
        };
        let families = connection
            .family
            .map_or(Family::BOTH.to_vec(), |family| vec![family]);
        let (from, to) = families.into_iter().find_map(ends)?;
        let family = Family::of(from);
        let (protocol, port) = match (connection.protocol, family) {
            (Protocol::Tcp, _) => (6, connection.port?),
            (Protocol::Udp, _) => (17, connection.port?),
            (Protocol::Sctp, _) => (132, connection.port?),
            (Protocol::Icmp, family) => {
                let message = connection.icmp.unwrap_or(Icmp::echo(family));
                (if family == Family::V4 { 1 } else { 58 }, message.number())
            }
        };
        let packet = Self {
            from,
            to,
            protocol,
            from_port: connection.source_port.unwrap_or(50_000),
            port,
        };
        // Who has an address, and whether with a network of its own.
        let place = |ip: IpAddr| match Party::Address(ip).resolve(world) {
            Party::Endpoint(id) => world[id]
                .node
                .map(|node| (node, world[id].host_network.is_none())),
            Party::Node(node) => Some((node, false)),
            _ => stranger(ranges, ip).map(|node| (node, true)),
        };
        let hooks = match (place(from), place(to)) {
            (Some((a, true)), Some((b, true))) if a == b => vec![(a, FORWARD)],
            (Some((a, true)), Some((b, false))) if a == b => vec![(a, INPUT)],
            (Some((a, false)), Some((b, true))) if a == b => vec![(a, OUTPUT)],
            (Some((a, false)), Some((b, false))) if a == b => vec![],
            (from, to) => {
                let leave =
                    from.map(|(node, is_pod)| (node, if is_pod { FORWARD } else { OUTPUT }));
                let enter = to.map(|(node, is_pod)| (node, if is_pod { FORWARD } else { INPUT }));
                leave.into_iter().chain(enter).collect()
            }
        };
        Some((packet, hooks))
    }

    /// Whether tables let it through.
    pub(super) fn passes(&self, tables: &BTreeMap<NodeId, Table>, hooks: &[(NodeId, u32)]) -> bool {
        hooks.iter().all(|(node, number)| {
            let table = &tables[node];
            let mut base: Vec<_> = table
                .chains
                .values()
                .filter_map(|chain| chain.hook.map(|hook| (hook, chain)))
                .filter(|(hook, _)| hook.number == *number)
                .collect();
            base.sort_by_key(|(hook, _)| hook.priority);
            base.iter()
                .all(|(_, chain)| self.chain(table, &chain.rules, 0) != Fate::Dropped)
        })
    }

    fn chain(&self, table: &Table, rules: &[Rule], depth: usize) -> Fate {
        assert!(depth < 16, "the kernel allows 16 jumps");
        for rule in rules {
            if !rule.matches.iter().all(|of| self.matches(table, of)) {
                continue;
            }
            for statement in &rule.statements {
                let verdict = match statement {
                    Statement::Counter | Statement::Log { .. } => continue,
                    Statement::Verdict(verdict) => verdict,
                    Statement::Lookup { fields, map } => {
                        let Contents::Verdicts(verdicts) = &table.sets[map].contents else {
                            panic!("{map} holds no verdicts");
                        };
                        let Some(key) = self.key(fields) else { break };
                        let found = verdicts.iter().find(|(element, _)| element.first == key);
                        match found {
                            Some((_, verdict)) => verdict,
                            None => break,
                        }
                    }
                    other => panic!("{other:?} in a table of policies"),
                };
                let inner = |name: &str| self.chain(table, &table.chains[name].rules, depth + 1);
                match verdict {
                    Verdict::Accept => return Fate::Accepted,
                    Verdict::Drop => return Fate::Dropped,
                    Verdict::Return => return Fate::Back,
                    Verdict::Goto(name) => return inner(name),
                    Verdict::Jump(name) => match inner(name) {
                        Fate::Back => {}
                        fate => return fate,
                    },
                }
            }
        }
        Fate::Back
    }

    fn field(&self, field: Field) -> Option<Bytes> {
        let of = |ip: IpAddr, v4: bool| Some(ip).filter(|ip| ip.is_ipv4() == v4);
        Some(match field {
            Field::Source4 => Bytes::EMPTY.ip(of(self.from, true)?),
            Field::Source6 => Bytes::EMPTY.ip(of(self.from, false)?),
            Field::Destination4 => Bytes::EMPTY.ip(of(self.to, true)?),
            Field::Destination6 => Bytes::EMPTY.ip(of(self.to, false)?),
            Field::Protocol => Bytes::EMPTY.protocol(self.protocol),
            // The kernel reads two bytes wherever they are: of ICMP it would be the checksum.
            Field::SourcePort => Bytes::EMPTY.port(self.from_port),
            Field::DestinationPort | Field::IcmpMessage => Bytes::EMPTY.port(self.port),
            // Policies mark nothing.
            Field::Mark => Bytes::EMPTY.number(0),
        })
    }

    fn key(&self, fields: &[Field]) -> Option<Bytes> {
        let mut key = Bytes::EMPTY;
        for field in fields {
            key = key.with(self.field(*field)?.as_slice());
        }
        Some(key)
    }

    fn matches(&self, table: &Table, of: &Match) -> bool {
        match of {
            Match::Family(number) => (*number == 2) == self.from.is_ipv4(),
            Match::Is(field, value) => self.field(*field) == Some(*value),
            Match::Between {
                field,
                first,
                last,
                not,
            } => self
                .field(*field)
                .is_some_and(|value| (*first <= value && value <= *last) != *not),
            Match::In { fields, set, not } => {
                let set = &table.sets[set];
                self.key(fields)
                    .is_some_and(|key| contains(set, key) != *not)
            }
            // New, on its way.
            Match::State(bits) => bits & 8 != 0,
            Match::Way(way) => *way == 0,
        }
    }
}

fn contains(set: &Set, key: Bytes) -> bool {
    let Contents::Members(members) = &set.contents else {
        panic!("not a set of members");
    };
    members.iter().any(|element| {
        let mut at = 0;
        set.key.iter().all(|field| {
            let part = |bytes: &Bytes| bytes.as_slice()[at..at + field.padded()].to_vec();
            let (first, value, last) = (part(&element.first), part(&key), part(&element.last));
            at += field.padded();
            first <= value && value <= last
        })
    })
}
