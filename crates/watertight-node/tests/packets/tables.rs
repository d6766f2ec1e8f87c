//! Random tables of nftables: valid ones, alike enough that changes between two of them are of every kind.
//!
//! Unit tests take this file in as well, hence `super::nft`: the module of tables under either name.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::{BoxedStrategy, Strategy, any, prop_oneof};

use super::nft::{
    Bytes, Chain, ChainType, Contents, Element, Field, Hook, KeyType, Match, Rule, Set, Statement,
    Table, Target, Verdict,
};

/// Chains that are jumped to. Each may jump to later ones; verdict maps lead to those from [`LEADS_TO`] on.
const CHAINS: usize = 6;
const LEADS_TO: usize = 3;

/// A table with sets, maps and chains of every kind, each there or not.
pub(crate) fn table() -> impl Strategy<Value = Table> {
    let choices = || vec(any::<u32>(), 0..5);
    let chains = vec(option::weighted(0.8, choices()), CHAINS);
    (sets(), chains, choices(), choices(), choices()).prop_map(
        |(sets, chains, forward, input, nat)| {
            let mut table = Table {
                name: "watertight".into(),
                sets: BTreeMap::new(),
                chains: BTreeMap::new(),
            };
            let there: Vec<usize> = (0..CHAINS)
                .filter(|index| chains[*index].is_some())
                .collect();
            for (name, set) in sets {
                table.sets.insert(name.into(), led(set, &there));
            }
            let rules = |choices: &[u32], at: Option<usize>| -> Vec<Rule> {
                choices
                    .iter()
                    .map(|choice| rule(*choice, &table.sets, at, &there))
                    .collect()
            };
            let mut made = BTreeMap::new();
            for (index, choices) in chains.iter().enumerate() {
                if let Some(choices) = choices {
                    made.insert(
                        chain_name(index),
                        Chain {
                            hook: None,
                            rules: rules(choices, Some(index)),
                        },
                    );
                }
            }
            for (name, number, choices) in [("forward", 2, &forward), ("input", 1, &input)] {
                // The priority changes at times: the one thing that a base chain cannot survive.
                let priority = if choices.len() == 4 { -9 } else { -10 };
                let hook = Hook {
                    kind: ChainType::Filter,
                    number,
                    priority,
                };
                made.insert(
                    name.into(),
                    Chain {
                        hook: Some(hook),
                        rules: rules(choices, None),
                    },
                );
            }
            let hook = |number, priority| {
                Some(Hook {
                    kind: ChainType::Nat,
                    number,
                    priority,
                })
            };
            let redirects = nat
                .iter()
                .map(|choice| redirect(*choice, &table.sets))
                .collect();
            made.insert(
                "redirect".into(),
                Chain {
                    hook: hook(0, -100),
                    rules: redirects,
                },
            );
            let masquerade = Rule {
                statements: vec![Statement::Masquerade],
                ..Rule::default()
            };
            made.insert(
                "hide".into(),
                Chain {
                    hook: hook(4, 100),
                    rules: vec![masquerade; nat.len() % 2],
                },
            );
            table.chains = made;
            table
        },
    )
}

/// One rule with every condition and every statement there is, and the sets that it needs.
pub(crate) fn everything() -> Table {
    let any4 = Bytes::EMPTY.v4(0x0a00_0001);
    let any6 = Bytes::EMPTY.v6(0xfd00 << 112 | 1);
    let port = |port| Bytes::EMPTY.port(port);
    let ranged = |first, last| Element { first, last };
    let members = |key: &[KeyType], ranges, list| Set {
        key: key.to_vec(),
        ranges,
        contents: Contents::Members(list),
    };
    let to_chain = |element| (element, Verdict::Jump("c".into()));
    let verdicts = |key: &[KeyType], ranges, list: Vec<(Element, Verdict)>| Set {
        key: key.to_vec(),
        ranges,
        contents: Contents::Verdicts(list.into_iter().collect()),
    };
    let backends = |to: &[KeyType], values: Vec<Bytes>| Set {
        key: vec![KeyType::Number],
        ranges: false,
        contents: Contents::Values(
            to.to_vec(),
            (0..)
                .map(|number| Element::one(Bytes::EMPTY.number(number)))
                .zip(values)
                .collect(),
        ),
    };
    use KeyType::{Port, Protocol, V4, V6};
    let tcp = |first, last| {
        ranged(
            Bytes::EMPTY.protocol(6).port(first),
            Bytes::EMPTY.protocol(6).port(last),
        )
    };
    let sets = [
        ("four", members(&[V4], false, vec![Element::one(any4)])),
        ("six", members(&[V6], false, vec![Element::one(any6)])),
        (
            "blocks4",
            members(
                &[V4],
                true,
                vec![
                    ranged(Bytes::EMPTY.v4(0), Bytes::EMPTY.v4(9)),
                    ranged(Bytes::EMPTY.v4(10), Bytes::EMPTY.v4(10)),
                    ranged(Bytes::EMPTY.v4(u32::MAX - 5), Bytes::EMPTY.v4(u32::MAX)),
                ],
            ),
        ),
        (
            "blocks6",
            members(&[V6], true, vec![ranged(any6, Bytes::EMPTY.v6(u128::MAX))]),
        ),
        (
            "pair6",
            members(&[V6, V6], false, vec![Element::one(any6.v6(7))]),
        ),
        (
            "ports",
            members(&[Protocol, Port], true, vec![tcp(80, 80), tcp(8000, 8100)]),
        ),
        (
            "port",
            members(
                &[Port],
                true,
                vec![ranged(port(80), port(90)), ranged(port(91), port(65_535))],
            ),
        ),
        (
            "protocol",
            members(
                &[Protocol],
                false,
                vec![Element::one(Bytes::EMPTY.protocol(132))],
            ),
        ),
        (
            "named",
            members(
                &[V4, Protocol, Port],
                false,
                vec![Element::one(any4.protocol(17).port(53))],
            ),
        ),
        (
            "wide",
            members(
                &[V4, Protocol, Port],
                true,
                vec![ranged(
                    Bytes::EMPTY.v4(0x0a00_0000).protocol(6).port(80),
                    Bytes::EMPTY.v4(0x0aff_ffff).protocol(17).port(90),
                )],
            ),
        ),
        (
            "dispatch",
            verdicts(
                &[V4],
                false,
                vec![
                    to_chain(Element::one(any4)),
                    (Element::one(Bytes::EMPTY.v4(2)), Verdict::Goto("c".into())),
                    (Element::one(Bytes::EMPTY.v4(3)), Verdict::Accept),
                    (Element::one(Bytes::EMPTY.v4(4)), Verdict::Drop),
                    (Element::one(Bytes::EMPTY.v4(5)), Verdict::Return),
                ],
            ),
        ),
        (
            "dispatch6",
            verdicts(
                &[V6],
                true,
                vec![to_chain(ranged(any6, Bytes::EMPTY.v6(u128::MAX - 1)))],
            ),
        ),
        (
            "dispatch_ports",
            verdicts(&[Protocol, Port], true, vec![to_chain(tcp(1, 1023))]),
        ),
        (
            "backends",
            backends(&[V4, Port], vec![any4.port(80), any4.port(81)]),
        ),
        ("backends6", backends(&[V6, Port], vec![any6.port(80)])),
    ];
    let inside = |fields: &[Field], set: &str, not| Match::In {
        fields: fields.to_vec(),
        set: set.into(),
        not,
    };
    use Field::{
        Destination4, Destination6, DestinationPort, IcmpMessage, Source4, Source6, SourcePort,
    };
    let between = |field, first, last, not| Match::Between {
        field,
        first,
        last,
        not,
    };
    let matches = vec![
        Match::Family(2),
        Match::Family(10),
        Match::Is(Source4, any4),
        Match::Is(Destination6, any6),
        Match::Is(Field::Protocol, Bytes::EMPTY.protocol(17)),
        Match::Is(IcmpMessage, port(0x8700)),
        Match::Is(Field::Mark, Bytes::EMPTY.number(0x4000)),
        between(SourcePort, port(1), port(1023), false),
        between(Destination4, Bytes::EMPTY.v4(1), Bytes::EMPTY.v4(9), true),
        between(Source6, Bytes::EMPTY.v6(0), any6, false),
        inside(&[Source4], "four", false),
        inside(&[Destination6], "six", true),
        inside(&[Destination4], "blocks4", false),
        inside(&[Source6], "blocks6", true),
        inside(&[Source6, Destination6], "pair6", false),
        inside(&[Field::Protocol, DestinationPort], "ports", false),
        inside(&[SourcePort], "port", true),
        inside(&[Field::Protocol], "protocol", false),
        inside(&[Source4, Field::Protocol, DestinationPort], "named", false),
        inside(&[Source4, Field::Protocol, DestinationPort], "wide", true),
        Match::State(2 | 4),
        Match::State(1),
        Match::Way(1),
    ];
    let log = |per_second| Statement::Log {
        prefix: "wt|i|c".into(),
        group: 77,
        per_second,
    };
    let lookup = |fields: &[Field], map: &str| Statement::Lookup {
        fields: fields.to_vec(),
        map: map.into(),
    };
    let filter = vec![
        vec![Statement::Counter],
        vec![log(Some(10))],
        vec![
            Statement::Counter,
            log(None),
            Statement::Verdict(Verdict::Drop),
        ],
        vec![Statement::Verdict(Verdict::Accept)],
        vec![Statement::Verdict(Verdict::Return)],
        vec![Statement::Verdict(Verdict::Jump("c".into()))],
        vec![Statement::Verdict(Verdict::Goto("c".into()))],
        vec![lookup(&[Source4], "dispatch")],
        vec![lookup(&[Destination6], "dispatch6")],
        vec![lookup(
            &[Field::Protocol, DestinationPort],
            "dispatch_ports",
        )],
        vec![Statement::Counter, Statement::Reject],
    ];
    let one = |statement| Rule {
        matches: Vec::new(),
        statements: vec![statement],
        comment: "a Service".into(),
    };
    let turns = |map: &str, count, is_v6| {
        Statement::Redirect(Target::Turns {
            map: map.into(),
            count,
            is_v6,
        })
    };
    let nat = vec![
        one(Statement::Redirect(Target::One(
            Ipv4Addr::new(10, 0, 0, 1).into(),
            80,
        ))),
        one(Statement::Redirect(Target::One(
            Ipv6Addr::LOCALHOST.into(),
            80,
        ))),
        one(turns("backends", 2, false)),
        one(turns("backends6", 1, true)),
    ];
    let mut rules: Vec<Rule> = matches
        .into_iter()
        .map(|condition| Rule {
            matches: vec![condition],
            statements: vec![Statement::Counter],
            comment: format!("a/{}", "policy".repeat(40)).into(),
        })
        .collect();
    rules.extend(filter.into_iter().map(|statements| Rule {
        statements,
        ..Rule::default()
    }));
    let tcp = Match::Is(Field::Protocol, Bytes::EMPTY.protocol(6));
    rules.push(Rule {
        matches: vec![tcp],
        statements: vec![Statement::Reject],
        comment: "".into(),
    });
    let base = |kind, number, priority, rules| Chain {
        hook: Some(Hook {
            kind,
            number,
            priority,
        }),
        rules,
    };
    let masquerade = vec![one(Statement::Mark(7)), one(Statement::Masquerade)];
    let chains = [
        ("c", Chain::default()),
        ("filter", base(ChainType::Filter, 2, -10, rules)),
        ("redirect", base(ChainType::Nat, 0, -100, nat)),
        ("hide", base(ChainType::Nat, 4, 100, masquerade)),
    ];
    Table {
        name: "everything".into(),
        sets: sets
            .into_iter()
            .map(|(name, set)| (name.into(), set))
            .collect(),
        chains: chains
            .into_iter()
            .map(|(name, chain)| (name.into(), chain))
            .collect(),
    }
}

fn chain_name(index: usize) -> Box<str> {
    format!("c{index}").into()
}

/// A set before it is known which chains there are: verdicts are numbers.
#[derive(Clone, Debug)]
enum Raw {
    Members(Vec<KeyType>, bool, Vec<Element>),
    Verdicts(Vec<KeyType>, bool, Vec<(Element, u8)>),
    Backends(bool, Vec<u8>),
}

fn sets() -> impl Strategy<Value = Vec<(&'static str, Raw)>> {
    let keep = |name: &'static str, raw: BoxedStrategy<Raw>| {
        option::weighted(0.8, raw.prop_map(move |raw| (name, raw)))
    };
    let v4 =
        || btree_set(0u32..40, 0..12).prop_map(|set| set.into_iter().map(four).collect::<Vec<_>>());
    let blocks = || btree_set(0u32..200, 0..16).prop_map(|cuts| ranges(cuts.into_iter().collect()));
    let four_of = |list: Vec<(u32, u32)>| {
        list.into_iter().map(|(a, b)| Element {
            first: four(a),
            last: four(b),
        })
    };
    let peers = prop_oneof![
        4 => v4().prop_map(|keys| Raw::Members(vec![KeyType::V4], false, keys.into_iter().map(Element::one).collect())),
        // The same name with another type: the set has to be made anew.
        1 => blocks().prop_map(move |list| Raw::Members(vec![KeyType::V4], true, four_of(list).collect())),
    ];
    let six = blocks().prop_map(|list| {
        // Up to the very last address: such a range has no end.
        let high = |value: u32| Bytes::EMPTY.v6(u128::MAX - 199 + u128::from(value));
        let elements = list.into_iter().map(|(a, b)| Element {
            first: high(a),
            last: high(b),
        });
        Raw::Members(vec![KeyType::V6], true, elements.collect())
    });
    let ports = blocks().prop_map(|list| {
        let key = |port: u32| {
            Bytes::EMPTY
                .protocol(6)
                .port(65_336 + u16::try_from(port).unwrap())
        };
        let elements = list.into_iter().map(|(a, b)| Element {
            first: key(a),
            last: key(b),
        });
        Raw::Members(
            vec![KeyType::Protocol, KeyType::Port],
            true,
            elements.collect(),
        )
    });
    let dispatch = vec((0u32..40, any::<u8>()), 0..12).prop_map(|list| {
        let unique: BTreeMap<Element, u8> = list
            .into_iter()
            .map(|(key, to)| (Element::one(four(key)), to))
            .collect();
        Raw::Verdicts(vec![KeyType::V4], false, unique.into_iter().collect())
    });
    let dispatch_ports = (blocks(), any::<u8>()).prop_map(|(list, to)| {
        let key = |port: u32| Bytes::EMPTY.port(65_336 + u16::try_from(port).unwrap());
        let elements = list.into_iter().zip(to..=u8::MAX);
        let elements = elements.map(|((a, b), to)| {
            (
                Element {
                    first: key(a),
                    last: key(b),
                },
                to,
            )
        });
        Raw::Verdicts(vec![KeyType::Port], true, elements.collect())
    });
    let backends = |is_v6| vec(any::<u8>(), 1..5).prop_map(move |list| Raw::Backends(is_v6, list));
    (
        keep("peers", peers.boxed()),
        keep("blocks", six.boxed()),
        keep("ports", ports.boxed()),
        keep("dispatch", dispatch.boxed()),
        keep("dispatch_ports", dispatch_ports.boxed()),
        keep(
            "backends",
            prop_oneof![backends(false), backends(true)].boxed(),
        ),
    )
        .prop_map(|(a, b, c, d, e, f)| [a, b, c, d, e, f].into_iter().flatten().collect())
}

fn four(value: u32) -> Bytes {
    Bytes::EMPTY.v4(0x0a00_0000 + value)
}

/// Ranges between cuts, by twos; neighbours touch at times.
fn ranges(cuts: Vec<u32>) -> Vec<(u32, u32)> {
    cuts.chunks_exact(2)
        .map(|pair| {
            let last = if pair[1] % 3 == 0 { pair[0] } else { pair[1] };
            (pair[0], last.min(199))
        })
        .collect()
}

fn led(raw: Raw, chains: &[usize]) -> Set {
    let late: Vec<usize> = chains
        .iter()
        .copied()
        .filter(|index| *index >= LEADS_TO)
        .collect();
    let verdict = |choice: u8| match (choice % 8, late.is_empty()) {
        (0, _) => Verdict::Accept,
        (1, _) => Verdict::Drop,
        (2, _) | (_, true) => Verdict::Return,
        (3, _) => Verdict::Goto(chain_name(late[usize::from(choice) % late.len()])),
        _ => Verdict::Jump(chain_name(late[usize::from(choice) % late.len()])),
    };
    match raw {
        Raw::Members(key, ranges, members) => Set {
            key,
            ranges,
            contents: Contents::Members(members),
        },
        Raw::Verdicts(key, ranges, list) => {
            let verdicts = list
                .into_iter()
                .map(|(element, to)| (element, verdict(to)))
                .collect();
            Set {
                key,
                ranges,
                contents: Contents::Verdicts(verdicts),
            }
        }
        Raw::Backends(is_v6, list) => {
            let of = |byte: u8| match is_v6 {
                true => Bytes::EMPTY.v6(u128::from(byte)).port(80),
                false => Bytes::EMPTY.v4(u32::from(byte)).port(80),
            };
            let values = list.into_iter().enumerate().map(|(number, byte)| {
                (
                    Element::one(Bytes::EMPTY.number(u32::try_from(number).unwrap())),
                    of(byte),
                )
            });
            let to = vec![if is_v6 { KeyType::V6 } else { KeyType::V4 }, KeyType::Port];
            Set {
                key: vec![KeyType::Number],
                ranges: false,
                contents: Contents::Values(to, values.collect()),
            }
        }
    }
}

/// A rule for a chain: of those that are jumped to, its index.
fn rule(choice: u32, sets: &BTreeMap<Box<str>, Set>, at: Option<usize>, chains: &[usize]) -> Rule {
    let inside = |fields: &[Field], set: &str| {
        let not = choice & 0x100 != 0;
        sets.contains_key(set).then(|| Match::In {
            fields: fields.to_vec(),
            set: set.into(),
            not,
        })
    };
    let condition = match choice % 8 {
        0 => inside(&[Field::Source4], "peers"),
        1 => inside(&[Field::Destination6], "blocks"),
        2 => inside(&[Field::Protocol, Field::DestinationPort], "ports"),
        3 => Some(Match::Is(Field::Source4, four(choice >> 16))),
        4 => Some(Match::State(2)),
        _ => None,
    };
    let later: Vec<usize> = chains
        .iter()
        .copied()
        .filter(|index| at.is_none_or(|at| *index > at))
        .collect();
    let may_lead = at.is_none_or(|at| at < LEADS_TO);
    let last = match (choice >> 3) % 8 {
        0 => Statement::Verdict(Verdict::Accept),
        1 => Statement::Verdict(Verdict::Drop),
        2 => Statement::Verdict(Verdict::Return),
        3 if may_lead && sets.contains_key("dispatch") => Statement::Lookup {
            fields: vec![Field::Source4],
            map: "dispatch".into(),
        },
        4 if may_lead && sets.contains_key("dispatch_ports") => Statement::Lookup {
            fields: vec![Field::DestinationPort],
            map: "dispatch_ports".into(),
        },
        5 => Statement::Reject,
        _ => match later.len() {
            0 => Statement::Counter,
            some => Statement::Verdict(Verdict::Jump(chain_name(later[choice as usize % some]))),
        },
    };
    Rule {
        matches: condition.into_iter().collect(),
        statements: if choice & 0x200 == 0 {
            vec![Statement::Counter, last]
        } else {
            vec![last]
        },
        comment: if choice & 0x400 == 0 {
            "".into()
        } else {
            format!("rule {}", choice % 16).into()
        },
    }
}

fn redirect(choice: u32, sets: &BTreeMap<Box<str>, Set>) -> Rule {
    let target = match sets.get("backends").map(|set| &set.contents) {
        Some(Contents::Values(to, values)) if choice & 1 == 0 => Target::Turns {
            map: "backends".into(),
            count: u32::try_from(values.len()).unwrap(),
            is_v6: to[0] == KeyType::V6,
        },
        _ => Target::One(Ipv4Addr::from_bits(choice).into(), 80),
    };
    Rule {
        statements: vec![Statement::Redirect(target)],
        ..Rule::default()
    }
}
