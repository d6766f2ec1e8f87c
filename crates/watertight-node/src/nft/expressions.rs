//! A rule as the kernel runs it: expressions that load registers, compare them, and act.
//!
//! [`lower`] makes them from a [`Rule`]. What the kernel lists is compared with what a rule would become, so
//! nothing has to be guessed back.
//!
//! INVARIANT: one rule gives the same expressions every time, and two rules that do different things give
//! different ones. A [`Rule`] becomes one rule of the kernel, or two if it rejects any protocol.

use std::net::IpAddr;

use super::table::{Bytes, Field, KeyType, Match, Rule, Statement, Target, Verdict};

/// The longest prefix of a log record, in bytes.
pub const PREFIX: usize = 127;

/// The longest comment of a rule, in bytes: nftables shows no more.
pub const COMMENT: usize = 127;

/// How many packets may come at once under a limit, as nftables does it.
pub(super) const BURST: u32 = 5;

/// Numbers of the protocols that a rule treats differently.
const TCP: u8 = 6;
/// Numbers of the families.
const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// A property of a packet that is not in its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meta {
    /// The family, IPv4 or IPv6.
    Family,
    /// The transport protocol, behind all extension headers.
    Protocol,
    /// What a rule has marked it with.
    Mark,
}

/// A property of a packet's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// Its state, as one bit.
    State,
    /// Which way the packet goes.
    Way,
}

/// Where bytes of a packet are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// The IP header.
    Network,
    /// The header of the transport protocol.
    Transport,
}

/// What a lookup gives besides whether it found something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: of a set.
    Nothing,
    /// A verdict, which is followed.
    Verdict,
    /// A value, into registers.
    Value(u8),
}

/// What a rejected packet is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A reset.
    Reset,
    /// A message of ICMP, of the packet's family: nobody listens on the port.
    Unreachable,
}

/// One step of a rule. Registers are counted in words of four bytes, from 0 to 15.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// Loads a property of the packet.
    Meta(Meta, u8),
    /// Loads a property of the connection; ends the rule for a packet without one.
    Connection(Connection, u8),
    /// Loads bytes of the packet; ends the rule for a packet that lacks them.
    Payload {
        /// Where from.
        base: Base,
        /// The first byte.
        offset: u32,
        /// How many bytes.
        length: u32,
        /// Where to.
        register: u8,
    },
    /// Keeps the bits of a register that a mask has.
    Mask {
        /// The register.
        register: u8,
        /// The mask.
        mask: [u8; 4],
    },
    /// Goes on if a register is, or is not, a value.
    Compare {
        /// The register.
        register: u8,
        /// Whether it must not be.
        not: bool,
        /// The value.
        value: Box<[u8]>,
    },
    /// Goes on if a register is, or is not, in a range.
    Range {
        /// The register.
        register: u8,
        /// Whether it must not be.
        not: bool,
        /// The first value.
        first: Box<[u8]>,
        /// The last value.
        last: Box<[u8]>,
    },
    /// Goes on if registers are, or are not, in a set.
    Lookup {
        /// The set.
        set: Box<str>,
        /// The first register of the key.
        register: u8,
        /// What comes of it.
        found: Found,
        /// Whether they must not be in it.
        not: bool,
    },
    /// Loads a value.
    Immediate {
        /// Where to.
        register: u8,
        /// The value.
        value: Box<[u8]>,
    },
    /// Marks the packet with what a register holds.
    SetMark(u8),
    /// Goes on elsewhere.
    Verdict(Verdict),
    /// Counts.
    Counter,
    /// Goes on while there are not too many packets a second.
    Limit(u32),
    /// Tells a listener.
    Log {
        /// What is put in front.
        prefix: Box<str>,
        /// To whom.
        group: u16,
    },
    /// Loads numbers by turns.
    Turns {
        /// Where to.
        register: u8,
        /// How many numbers there are, from 0.
        count: u32,
    },
    /// Sends the connection to the address and port in registers.
    Redirect {
        /// The family of the address.
        family: u8,
        /// The first register of the address.
        address: u8,
        /// The register of the port.
        port: u8,
    },
    /// Hides the source behind the node's address.
    Masquerade,
    /// Answers and drops.
    Reject(Answer),
    /// Something that this program does not write, by its name.
    Foreign(Box<str>),
}

/// The expressions of the kernel's rules for a rule, in order.
#[must_use]
pub fn lower(rule: &Rule) -> Vec<Vec<Expression>> {
    let tcp_or_not = rule.matches.iter().find_map(|condition| match condition {
        Match::Is(Field::Protocol, value) => Some(value.as_slice().first() == Some(&TCP)),
        _ => None,
    });
    let rejects = rule.statements.contains(&Statement::Reject);
    match tcp_or_not {
        // A reset is an answer for TCP alone; the kernel has no expression that chooses.
        None if rejects => vec![
            expressions(rule, Answer::Reset, true),
            expressions(rule, Answer::Unreachable, false),
        ],
        Some(true) => vec![expressions(rule, Answer::Reset, false)],
        _ => vec![expressions(rule, Answer::Unreachable, false)],
    }
}

/// Why a rule cannot be handed to the kernel, if it cannot.
#[must_use]
pub fn refusal(rule: &Rule) -> Option<&'static str> {
    let limited = |statement: &Statement| {
        matches!(
            statement,
            Statement::Log {
                per_second: Some(_),
                ..
            }
        )
    };
    let before_last = rule
        .statements
        .split_last()
        .map_or(&[][..], |(_, before)| before);
    // A limit ends the rule for the packets above it: what stands behind would not be done to them.
    before_last
        .iter()
        .any(limited)
        .then_some("a limited log must be the last statement of its rule")
}

/// The first bytes of a text, whole characters.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    let end = text.floor_char_boundary(bytes);
    text.get(..end).unwrap_or(text)
}

fn expressions(rule: &Rule, answer: Answer, only_tcp: bool) -> Vec<Expression> {
    let mut writer = Writer {
        list: Vec::new(),
        family: None,
    };
    for condition in &rule.matches {
        writer.condition(condition);
    }
    if only_tcp {
        writer.condition(&Match::Is(Field::Protocol, Bytes::EMPTY.protocol(TCP)));
    }
    for statement in &rule.statements {
        writer.statement(statement, answer);
    }
    writer.list
}

struct Writer {
    list: Vec<Expression>,
    /// The family that is certain by now.
    family: Option<u8>,
}

impl Writer {
    fn condition(&mut self, condition: &Match) {
        match condition {
            Match::Family(family) => self.of_family(*family),
            Match::Is(field, value) => {
                self.load(&[*field]);
                self.compare(
                    value
                        .as_slice()
                        .get(..field.key().size())
                        .unwrap_or_default(),
                );
            }
            Match::Between {
                field,
                first,
                last,
                not,
            } => {
                self.load(&[*field]);
                let exact = |value: &Bytes| {
                    value
                        .as_slice()
                        .get(..field.key().size())
                        .unwrap_or_default()
                        .into()
                };
                self.list.push(Expression::Range {
                    register: 0,
                    not: *not,
                    first: exact(first),
                    last: exact(last),
                });
            }
            Match::In { fields, set, not } => {
                self.load(fields);
                self.list.push(Expression::Lookup {
                    set: set.clone(),
                    register: 0,
                    found: Found::Nothing,
                    not: *not,
                });
            }
            Match::State(bits) => {
                self.list.push(Expression::Connection(Connection::State, 0));
                self.list.push(Expression::Mask {
                    register: 0,
                    mask: bits.to_ne_bytes(),
                });
                self.list.push(Expression::Compare {
                    register: 0,
                    not: true,
                    value: Box::new([0; 4]),
                });
            }
            Match::Way(way) => {
                self.list.push(Expression::Connection(Connection::Way, 0));
                self.compare(&[*way]);
            }
        }
    }

    fn statement(&mut self, statement: &Statement, answer: Answer) {
        match statement {
            Statement::Counter => self.list.push(Expression::Counter),
            Statement::Log {
                prefix,
                group,
                per_second,
            } => {
                self.list.extend(per_second.map(Expression::Limit));
                self.list.push(Expression::Log {
                    prefix: cut(prefix, PREFIX).into(),
                    group: *group,
                });
            }
            Statement::Verdict(verdict) => self.list.push(Expression::Verdict(verdict.clone())),
            Statement::Lookup { fields, map } => {
                self.load(fields);
                self.list.push(Expression::Lookup {
                    set: map.clone(),
                    register: 0,
                    found: Found::Verdict,
                    not: false,
                });
            }
            Statement::Redirect(Target::One(ip, port)) => {
                let (family, address): (_, Box<[u8]>) = match ip {
                    IpAddr::V4(ip) => (IPV4, Box::new(ip.octets())),
                    IpAddr::V6(ip) => (IPV6, Box::new(ip.octets())),
                };
                let behind = behind_address(family == IPV6);
                self.list.push(Expression::Immediate {
                    register: 0,
                    value: address,
                });
                self.list.push(Expression::Immediate {
                    register: behind,
                    value: Box::new(port.to_be_bytes()),
                });
                self.list.push(Expression::Redirect {
                    family,
                    address: 0,
                    port: behind,
                });
            }
            Statement::Redirect(Target::Turns { map, count, is_v6 }) => {
                self.list.push(Expression::Turns {
                    register: 0,
                    count: *count,
                });
                self.list.push(Expression::Lookup {
                    set: map.clone(),
                    register: 0,
                    found: Found::Value(0),
                    not: false,
                });
                let family = if *is_v6 { IPV6 } else { IPV4 };
                self.list.push(Expression::Redirect {
                    family,
                    address: 0,
                    port: behind_address(*is_v6),
                });
            }
            Statement::Mark(mark) => {
                self.list.push(Expression::Immediate {
                    register: 0,
                    value: Box::new(mark.to_ne_bytes()),
                });
                self.list.push(Expression::SetMark(0));
            }
            Statement::Masquerade => self.list.push(Expression::Masquerade),
            Statement::Reject => self.list.push(Expression::Reject(answer)),
        }
    }

    fn of_family(&mut self, family: u8) {
        if self.family.replace(family) != Some(family) {
            self.list.push(Expression::Meta(Meta::Family, 0));
            self.compare(&[family]);
        }
    }

    fn compare(&mut self, value: &[u8]) {
        self.list.push(Expression::Compare {
            register: 0,
            not: false,
            value: value.into(),
        });
    }

    /// Loads fields one behind another. An address is at the same place in every header of its family, so the
    /// family is asked for first.
    fn load(&mut self, fields: &[Field]) {
        for field in fields {
            match field.key() {
                KeyType::V4 => self.of_family(IPV4),
                KeyType::V6 => self.of_family(IPV6),
                KeyType::Protocol | KeyType::Port | KeyType::Number => {}
            }
        }
        let mut register = 0;
        for field in fields {
            let (base, offset) = match field {
                Field::Source4 => (Base::Network, 12),
                Field::Destination4 => (Base::Network, 16),
                Field::Source6 => (Base::Network, 8),
                Field::Destination6 => (Base::Network, 24),
                Field::SourcePort | Field::IcmpMessage => (Base::Transport, 0),
                Field::DestinationPort => (Base::Transport, 2),
                Field::Protocol => {
                    self.list.push(Expression::Meta(Meta::Protocol, register));
                    register += 1;
                    continue;
                }
                Field::Mark => {
                    self.list.push(Expression::Meta(Meta::Mark, register));
                    register += 1;
                    continue;
                }
            };
            let length = match field.key() {
                KeyType::V4 | KeyType::Number => 4,
                KeyType::V6 => 16,
                KeyType::Port => 2,
                KeyType::Protocol => 1,
            };
            self.list.push(Expression::Payload {
                base,
                offset,
                length,
                register,
            });
            register += if length == 16 { 4 } else { 1 };
        }
    }
}

fn behind_address(is_v6: bool) -> u8 {
    if is_v6 { 4 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(matches: Vec<Match>, statements: Vec<Statement>) -> Rule {
        Rule {
            matches,
            statements,
            comment: "".into(),
        }
    }

    #[test]
    fn an_address_is_read_only_from_packets_of_its_family() {
        let any = Bytes::EMPTY.v4(0x0a00_0001);
        let both = rule(
            vec![
                Match::Is(Field::Source4, any),
                Match::Is(Field::Destination4, any),
            ],
            vec![],
        );
        let family = [
            Expression::Meta(Meta::Family, 0),
            Expression::Compare {
                register: 0,
                not: false,
                value: Box::new([2]),
            },
        ];
        let lowered = lower(&both);
        assert_eq!(lowered.len(), 1);
        assert_eq!(lowered[0][..2], family);
        // Asked once, not twice.
        assert_eq!(
            lowered[0]
                .iter()
                .filter(|step| matches!(step, Expression::Meta(..)))
                .count(),
            1
        );
        assert_eq!(lowered[0].len(), 6);
    }

    #[test]
    fn fields_of_a_key_lie_behind_one_another_in_whole_words() {
        let fields = vec![Field::Protocol, Field::Source6, Field::DestinationPort];
        let lowered = lower(&rule(
            vec![Match::In {
                fields,
                set: "s".into(),
                not: true,
            }],
            vec![],
        ));
        let registers: Vec<u8> = lowered[0][2..]
            .iter()
            .filter_map(|step| match step {
                Expression::Meta(_, register) | Expression::Payload { register, .. } => {
                    Some(*register)
                }
                _ => None,
            })
            .collect();
        assert_eq!(registers, [0, 1, 5]);
    }

    #[test]
    fn tcp_is_rejected_by_a_reset_and_the_rest_by_a_message() {
        let answers = |matches: Vec<Match>| -> Vec<Expression> {
            lower(&rule(matches, vec![Statement::Counter, Statement::Reject]))
                .into_iter()
                .filter_map(|steps| steps.last().cloned())
                .collect()
        };
        let is = |protocol| vec![Match::Is(Field::Protocol, Bytes::EMPTY.protocol(protocol))];
        assert_eq!(answers(is(6)), [Expression::Reject(Answer::Reset)]);
        assert_eq!(answers(is(17)), [Expression::Reject(Answer::Unreachable)]);
        let both = [
            Expression::Reject(Answer::Reset),
            Expression::Reject(Answer::Unreachable),
        ];
        assert_eq!(answers(vec![]), both);
    }

    #[test]
    fn a_limit_in_front_of_a_drop_is_refused() {
        let log = Statement::Log {
            prefix: "p".into(),
            group: 77,
            per_second: Some(10),
        };
        let drop = Statement::Verdict(Verdict::Drop);
        assert!(refusal(&rule(vec![], vec![log.clone(), drop.clone()])).is_some());
        assert!(refusal(&rule(vec![], vec![log])).is_none());
        let unlimited = Statement::Log {
            prefix: "p".into(),
            group: 77,
            per_second: None,
        };
        assert!(refusal(&rule(vec![], vec![unlimited, drop])).is_none());
    }

    #[test]
    fn a_long_prefix_is_cut_between_characters() {
        let prefix = "ä".repeat(100);
        let log = Statement::Log {
            prefix: prefix.as_str().into(),
            group: 1,
            per_second: None,
        };
        let lowered = lower(&rule(vec![], vec![log]));
        let Some(Expression::Log { prefix, .. }) = lowered[0].first() else {
            panic!("no log")
        };
        assert_eq!(prefix.len(), 126);
    }
}
