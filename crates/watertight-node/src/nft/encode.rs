//! Expressions as attributes of netlink, both ways.
//!
//! INVARIANT: what is written is read back as the same value from the kernel's own listing, which numbers
//! registers in another way and leaves out or adds what it takes for granted.

use super::expressions::{Answer, BURST, Base, Connection, Expression, Found, Meta};
use super::table::Verdict;
use crate::netlink::{Attributes, Message};

/// An entry of a list.
pub(super) const LIST_ELEMENT: u16 = 1;

const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;

/// Data that is a value.
pub(super) const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;

const DROP: i32 = 0;
const ACCEPT: i32 = 1;
const JUMP: i32 = -3;
const GOTO: i32 = -4;
const RETURN: i32 = -5;

/// The register of verdicts, and the first of those of one word.
const VERDICT_REGISTER: u32 = 0;
const WORD_REGISTER: u32 = 8;

const META_KEY: u16 = 2;
const META_REGISTER: u16 = 1;
const META_FROM: u16 = 3;
const META_MARK: u32 = 3;
const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;

const CT_REGISTER: u16 = 1;
const CT_KEY: u16 = 2;
const CT_STATE: u32 = 0;
const CT_WAY: u32 = 1;

const PAYLOAD_REGISTER: u16 = 1;
const PAYLOAD_BASE: u16 = 2;
const PAYLOAD_OFFSET: u16 = 3;
const PAYLOAD_LENGTH: u16 = 4;
const BASE_NETWORK: u32 = 1;
const BASE_TRANSPORT: u32 = 2;

const BITWISE_FROM: u16 = 1;
const BITWISE_TO: u16 = 2;
const BITWISE_LENGTH: u16 = 3;
const BITWISE_MASK: u16 = 4;
const BITWISE_XOR: u16 = 5;

const COMPARE_REGISTER: u16 = 1;
const COMPARE_HOW: u16 = 2;
const COMPARE_DATA: u16 = 3;

const RANGE_REGISTER: u16 = 1;
const RANGE_HOW: u16 = 2;
const RANGE_FIRST: u16 = 3;
const RANGE_LAST: u16 = 4;

const LOOKUP_SET: u16 = 1;
const LOOKUP_FROM: u16 = 2;
const LOOKUP_TO: u16 = 3;
const LOOKUP_FLAGS: u16 = 5;

const IMMEDIATE_REGISTER: u16 = 1;
const IMMEDIATE_DATA: u16 = 2;

const LOG_GROUP: u16 = 1;
const LOG_PREFIX: u16 = 2;

const LIMIT_RATE: u16 = 1;
const LIMIT_UNIT: u16 = 2;
const LIMIT_BURST: u16 = 3;
const LIMIT_TYPE: u16 = 4;
const LIMIT_FLAGS: u16 = 5;

const TURNS_REGISTER: u16 = 1;
const TURNS_COUNT: u16 = 2;
const TURNS_TYPE: u16 = 3;

const NAT_TYPE: u16 = 1;
const NAT_FAMILY: u16 = 2;
const NAT_ADDRESS: u16 = 3;
const NAT_PORT: u16 = 5;
const NAT_DESTINATION: u32 = 1;

const REJECT_TYPE: u16 = 1;
const REJECT_CODE: u16 = 2;
const REJECT_RESET: u32 = 1;
const REJECT_ANY_FAMILY: u32 = 2;
const REJECT_PORT: u8 = 1;

const COUNTER_BYTES: u16 = 1;
const COUNTER_PACKETS: u16 = 2;

/// Writes an expression as an entry of a list.
pub(super) fn expression(message: Message, step: &Expression) -> Message {
    let put = |message: Message, name: &str, data: &dyn Fn(Message) -> Message| {
        message.nested(LIST_ELEMENT, |entry| {
            entry
                .string(EXPRESSION_NAME, name)
                .nested(EXPRESSION_DATA, data)
        })
    };
    match step {
        Expression::Meta(what, to) => put(message, "meta", &|data| {
            let key = match what {
                Meta::Family => META_FAMILY,
                Meta::Protocol => META_PROTOCOL,
                Meta::Mark => META_MARK,
            };
            data.be32(META_KEY, key).be32(META_REGISTER, word(*to))
        }),
        Expression::Connection(what, to) => put(message, "ct", &|data| {
            let key = match what {
                Connection::State => CT_STATE,
                Connection::Way => CT_WAY,
            };
            data.be32(CT_KEY, key).be32(CT_REGISTER, word(*to))
        }),
        Expression::Payload {
            base,
            offset,
            length,
            register,
        } => put(message, "payload", &|data| {
            let base = match base {
                Base::Network => BASE_NETWORK,
                Base::Transport => BASE_TRANSPORT,
            };
            data.be32(PAYLOAD_REGISTER, word(*register))
                .be32(PAYLOAD_BASE, base)
                .be32(PAYLOAD_OFFSET, *offset)
                .be32(PAYLOAD_LENGTH, *length)
        }),
        Expression::Mask { register, mask } => put(message, "bitwise", &|data| {
            data.be32(BITWISE_FROM, word(*register))
                .be32(BITWISE_TO, word(*register))
                .be32(BITWISE_LENGTH, 4)
                .nested(BITWISE_MASK, |inner| inner.attr(DATA_VALUE, mask))
                .nested(BITWISE_XOR, |inner| inner.attr(DATA_VALUE, &[0; 4]))
        }),
        Expression::Compare {
            register,
            not,
            value,
        } => put(message, "cmp", &|data| {
            data.be32(COMPARE_REGISTER, word(*register))
                .be32(COMPARE_HOW, u32::from(*not))
                .nested(COMPARE_DATA, |inner| inner.attr(DATA_VALUE, value))
        }),
        Expression::Range {
            register,
            not,
            first,
            last,
        } => put(message, "range", &|data| {
            data.be32(RANGE_REGISTER, word(*register))
                .be32(RANGE_HOW, u32::from(*not))
                .nested(RANGE_FIRST, |inner| inner.attr(DATA_VALUE, first))
                .nested(RANGE_LAST, |inner| inner.attr(DATA_VALUE, last))
        }),
        Expression::Lookup {
            set,
            register,
            found,
            not,
        } => put(message, "lookup", &|data| {
            let data = data
                .string(LOOKUP_SET, set)
                .be32(LOOKUP_FROM, word(*register));
            let data = match found {
                Found::Nothing => data,
                Found::Verdict => data.be32(LOOKUP_TO, VERDICT_REGISTER),
                Found::Value(to) => data.be32(LOOKUP_TO, word(*to)),
            };
            data.be32(LOOKUP_FLAGS, u32::from(*not))
        }),
        Expression::Immediate { register, value } => put(message, "immediate", &|data| {
            data.be32(IMMEDIATE_REGISTER, word(*register))
                .nested(IMMEDIATE_DATA, |inner| inner.attr(DATA_VALUE, value))
        }),
        Expression::SetMark(from) => put(message, "meta", &|data| {
            data.be32(META_KEY, META_MARK).be32(META_FROM, word(*from))
        }),
        Expression::Verdict(to) => put(message, "immediate", &|data| {
            data.be32(IMMEDIATE_REGISTER, VERDICT_REGISTER)
                .nested(IMMEDIATE_DATA, |inner| verdict(inner, to))
        }),
        Expression::Counter => put(message, "counter", &|data| data),
        Expression::Limit(rate) => put(message, "limit", &|data| {
            data.be64(LIMIT_RATE, u64::from(*rate))
                .be64(LIMIT_UNIT, 1)
                .be32(LIMIT_BURST, BURST)
                .be32(LIMIT_TYPE, 0)
                .be32(LIMIT_FLAGS, 0)
        }),
        Expression::Log { prefix, group } => put(message, "log", &|data| {
            data.be16(LOG_GROUP, *group).string(LOG_PREFIX, prefix)
        }),
        Expression::Turns { register, count } => put(message, "numgen", &|data| {
            data.be32(TURNS_REGISTER, word(*register))
                .be32(TURNS_COUNT, *count)
                .be32(TURNS_TYPE, 0)
        }),
        Expression::Redirect {
            family,
            address,
            port,
        } => put(message, "nat", &|data| {
            data.be32(NAT_TYPE, NAT_DESTINATION)
                .be32(NAT_FAMILY, u32::from(*family))
                .be32(NAT_ADDRESS, word(*address))
                .be32(NAT_PORT, word(*port))
        }),
        Expression::Masquerade => put(message, "masq", &|data| data),
        Expression::Reject(Answer::Reset) => put(message, "reject", &|data| {
            data.be32(REJECT_TYPE, REJECT_RESET)
        }),
        Expression::Reject(Answer::Unreachable) => put(message, "reject", &|data| {
            data.be32(REJECT_TYPE, REJECT_ANY_FAMILY)
                .u8(REJECT_CODE, REJECT_PORT)
        }),
        Expression::Foreign(name) => put(message, name, &|data| data),
    }
}

/// Reads an entry of a list of expressions, and what it counted if it is a counter: packets and bytes.
pub(super) fn read_expression(entry: &[u8]) -> (Expression, Option<(u64, u64)>) {
    let entry = Attributes::new(entry);
    let name = entry.string(EXPRESSION_NAME).unwrap_or_default();
    let data = entry.inside(EXPRESSION_DATA);
    if name == "counter" {
        let counted = |kind| data.be64(kind).unwrap_or_default();
        return (
            Expression::Counter,
            Some((counted(COUNTER_PACKETS), counted(COUNTER_BYTES))),
        );
    }
    let step = read_named(name, &data).unwrap_or_else(|| Expression::Foreign(name.into()));
    (step, None)
}

fn read_named(name: &str, data: &Attributes<'_>) -> Option<Expression> {
    let register = |kind| data.be32(kind).and_then(read_word);
    let value = |kind| data.inside(kind).get(DATA_VALUE);
    Some(match name {
        "meta" => {
            let what = match data.be32(META_KEY)? {
                META_FAMILY => Meta::Family,
                META_PROTOCOL => Meta::Protocol,
                META_MARK => match data.be32(META_FROM) {
                    Some(from) => return Some(Expression::SetMark(read_word(from)?)),
                    None => Meta::Mark,
                },
                _ => return None,
            };
            Expression::Meta(what, register(META_REGISTER)?)
        }
        "ct" => {
            let what = match data.be32(CT_KEY)? {
                CT_STATE => Connection::State,
                CT_WAY => Connection::Way,
                _ => return None,
            };
            Expression::Connection(what, register(CT_REGISTER)?)
        }
        "payload" => {
            let base = match data.be32(PAYLOAD_BASE)? {
                BASE_NETWORK => Base::Network,
                BASE_TRANSPORT => Base::Transport,
                _ => return None,
            };
            let (offset, length) = (data.be32(PAYLOAD_OFFSET)?, data.be32(PAYLOAD_LENGTH)?);
            Expression::Payload {
                base,
                offset,
                length,
                register: register(PAYLOAD_REGISTER)?,
            }
        }
        "bitwise" => {
            let from = register(BITWISE_FROM)?;
            let is_plain =
                register(BITWISE_TO)? == from && value(BITWISE_XOR)?.iter().all(|byte| *byte == 0);
            let mask = value(BITWISE_MASK)?.try_into().ok()?;
            is_plain.then_some(Expression::Mask {
                register: from,
                mask,
            })?
        }
        "cmp" => Expression::Compare {
            register: register(COMPARE_REGISTER)?,
            not: read_not(data.be32(COMPARE_HOW)?)?,
            value: value(COMPARE_DATA)?.into(),
        },
        "range" => Expression::Range {
            register: register(RANGE_REGISTER)?,
            not: read_not(data.be32(RANGE_HOW)?)?,
            first: value(RANGE_FIRST)?.into(),
            last: value(RANGE_LAST)?.into(),
        },
        "lookup" => Expression::Lookup {
            set: data.string(LOOKUP_SET)?.into(),
            register: register(LOOKUP_FROM)?,
            found: match data.be32(LOOKUP_TO) {
                None => Found::Nothing,
                Some(VERDICT_REGISTER) => Found::Verdict,
                Some(to) => Found::Value(read_word(to)?),
            },
            not: read_not(data.be32(LOOKUP_FLAGS).unwrap_or_default())?,
        },
        "immediate" => match data.be32(IMMEDIATE_REGISTER)? {
            VERDICT_REGISTER => Expression::Verdict(read_verdict(&data.inside(IMMEDIATE_DATA))?),
            to => Expression::Immediate {
                register: read_word(to)?,
                value: value(IMMEDIATE_DATA)?.into(),
            },
        },
        "limit" => {
            let is_ours = data.be64(LIMIT_UNIT)? == 1
                && data.be32(LIMIT_BURST)? == BURST
                && data.be32(LIMIT_TYPE).unwrap_or_default() == 0
                && data.be32(LIMIT_FLAGS).unwrap_or_default() == 0;
            let rate = u32::try_from(data.be64(LIMIT_RATE)?).ok()?;
            is_ours.then_some(Expression::Limit(rate))?
        }
        "log" => Expression::Log {
            prefix: data.string(LOG_PREFIX).unwrap_or_default().into(),
            group: data.be16(LOG_GROUP)?,
        },
        "numgen" => {
            let is_ours = data.be32(TURNS_TYPE)? == 0;
            let (register, count) = (register(TURNS_REGISTER)?, data.be32(TURNS_COUNT)?);
            is_ours.then_some(Expression::Turns { register, count })?
        }
        "nat" => {
            let is_ours = data.be32(NAT_TYPE)? == NAT_DESTINATION;
            let redirect = Expression::Redirect {
                family: u8::try_from(data.be32(NAT_FAMILY)?).ok()?,
                address: register(NAT_ADDRESS)?,
                port: register(NAT_PORT)?,
            };
            is_ours.then_some(redirect)?
        }
        "masq" => Expression::Masquerade,
        "reject" => match (data.be32(REJECT_TYPE)?, data.u8(REJECT_CODE)) {
            (REJECT_RESET, _) => Expression::Reject(Answer::Reset),
            (REJECT_ANY_FAMILY, Some(REJECT_PORT)) => Expression::Reject(Answer::Unreachable),
            _ => return None,
        },
        _ => return None,
    })
}

fn read_not(how: u32) -> Option<bool> {
    match how {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn word(register: u8) -> u32 {
    WORD_REGISTER + u32::from(register)
}

/// The kernel lists a register that begins one of four words by the number that it had before there were
/// registers of one word.
fn read_word(register: u32) -> Option<u8> {
    let word = match register {
        1..=4 => (register - 1) * 4,
        _ => register.checked_sub(WORD_REGISTER)?,
    };
    u8::try_from(word).ok().filter(|word| *word < 16)
}

/// Writes a verdict as data.
pub(super) fn verdict(message: Message, verdict: &Verdict) -> Message {
    let (code, chain) = match verdict {
        Verdict::Accept => (ACCEPT, None),
        Verdict::Drop => (DROP, None),
        Verdict::Return => (RETURN, None),
        Verdict::Jump(chain) => (JUMP, Some(chain)),
        Verdict::Goto(chain) => (GOTO, Some(chain)),
    };
    message.nested(DATA_VERDICT, |inner| {
        let inner = inner.attr(VERDICT_CODE, &code.to_be_bytes());
        match chain {
            Some(chain) => inner.string(VERDICT_CHAIN, chain),
            None => inner,
        }
    })
}

/// Reads a verdict from data.
pub(super) fn read_verdict(data: &Attributes<'_>) -> Option<Verdict> {
    let data = data.inside(DATA_VERDICT);
    let code = i32::from_be_bytes(data.get(VERDICT_CODE)?.first_chunk().copied()?);
    let chain = || Some(data.string(VERDICT_CHAIN)?.into());
    Some(match code {
        ACCEPT => Verdict::Accept,
        DROP => Verdict::Drop,
        RETURN => Verdict::Return,
        JUMP => Verdict::Jump(chain()?),
        GOTO => Verdict::Goto(chain()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(step: &Expression) -> Expression {
        let message = expression(Message::new(0, 0), step);
        let (kind, entry) = Attributes::new(message.payload()).next().unwrap();
        assert_eq!(kind, LIST_ELEMENT);
        read_expression(entry).0
    }

    #[test]
    fn every_expression_is_read_back_as_it_was_written() {
        let chain: Box<str> = "in_c1".into();
        let steps = [
            Expression::Meta(Meta::Family, 0),
            Expression::Meta(Meta::Protocol, 5),
            Expression::Meta(Meta::Mark, 1),
            Expression::SetMark(2),
            Expression::Connection(Connection::State, 0),
            Expression::Connection(Connection::Way, 1),
            Expression::Payload {
                base: Base::Network,
                offset: 24,
                length: 16,
                register: 3,
            },
            Expression::Payload {
                base: Base::Transport,
                offset: 2,
                length: 2,
                register: 15,
            },
            Expression::Mask {
                register: 0,
                mask: [1, 2, 3, 4],
            },
            Expression::Compare {
                register: 0,
                not: true,
                value: Box::new([1]),
            },
            Expression::Range {
                register: 0,
                not: true,
                first: Box::new([0, 80]),
                last: Box::new([0, 90]),
            },
            Expression::Lookup {
                set: "s".into(),
                register: 0,
                found: Found::Nothing,
                not: true,
            },
            Expression::Lookup {
                set: "m".into(),
                register: 0,
                found: Found::Verdict,
                not: false,
            },
            Expression::Lookup {
                set: "m".into(),
                register: 1,
                found: Found::Value(4),
                not: false,
            },
            Expression::Immediate {
                register: 4,
                value: Box::new([0, 80]),
            },
            Expression::Verdict(Verdict::Accept),
            Expression::Verdict(Verdict::Drop),
            Expression::Verdict(Verdict::Return),
            Expression::Verdict(Verdict::Jump(chain.clone())),
            Expression::Verdict(Verdict::Goto(chain)),
            Expression::Counter,
            Expression::Limit(10),
            Expression::Log {
                prefix: "wt|i|c1".into(),
                group: 77,
            },
            Expression::Turns {
                register: 0,
                count: 3,
            },
            Expression::Redirect {
                family: 10,
                address: 0,
                port: 4,
            },
            Expression::Masquerade,
            Expression::Reject(Answer::Reset),
            Expression::Reject(Answer::Unreachable),
        ];
        for step in &steps {
            assert_eq!(round_trip(step), *step);
        }
    }

    #[test]
    fn what_others_wrote_is_never_taken_for_ours() {
        let foreign = Expression::Foreign("fib".into());
        assert_eq!(round_trip(&foreign), foreign);
        // A compare by `less than`.
        let message = Message::new(0, 0).nested(LIST_ELEMENT, |entry| {
            entry
                .string(EXPRESSION_NAME, "cmp")
                .nested(EXPRESSION_DATA, |data| {
                    data.be32(COMPARE_REGISTER, 8)
                        .be32(COMPARE_HOW, 2)
                        .nested(COMPARE_DATA, |inner| inner.attr(DATA_VALUE, &[1]))
                })
        });
        let (_, entry) = Attributes::new(message.payload()).next().unwrap();
        assert_eq!(read_expression(entry).0, Expression::Foreign("cmp".into()));
    }

    #[test]
    fn registers_are_known_by_both_of_their_numbers() {
        let read: Vec<_> = [1, 2, 3, 4, 8, 9, 12, 23, 24, 0, 7]
            .into_iter()
            .map(read_word)
            .collect();
        let words = [
            Some(0),
            Some(4),
            Some(8),
            Some(12),
            Some(0),
            Some(1),
            Some(4),
            Some(15),
            None,
            None,
            None,
        ];
        assert_eq!(read, words);
    }
}
