//! Tables that are measured beside the compiled one: connection tracking alone, and policies as a list.

use std::net::IpAddr;

use watertight_node::nft::{
    Bytes, Chain, ChainType, Field, Hook, Match, Rule, Statement, Table, Verdict,
};

use super::worlds::{each, ips};

const FORWARD: u32 = 2;
const ESTABLISHED: u32 = 2;
const RELATED: u32 = 4;
const INVALID: u32 = 1;

/// Connections are tracked, and nothing else is done.
pub(super) fn tracking() -> Table {
    let mut table = named();
    let seen = Rule {
        matches: vec![Match::State(ESTABLISHED | RELATED)],
        statements: vec![Statement::Verdict(Verdict::Accept)],
        ..Rule::default()
    };
    table.chains.insert("forward".into(), base(-10, vec![seen]));
    table
}

/// What iptables would do: one rule for each policy and direction, asked one after the other until one
/// accepts. Established connections are let through first; the pods that are measured are in the middle.
pub(super) fn linear(pods: usize, policies: usize) -> Table {
    let mut list: Vec<(usize, usize, u16)> = each(pods, policies).collect();
    let half = list.len() / 2;
    list.rotate_left(half);
    let mut table = named();
    let directions = [
        ("egress", -10, Field::Source4, Field::Destination4),
        ("ingress", -9, Field::Destination4, Field::Source4),
    ];
    for (name, priority, own, other) in directions {
        let accept = |matches| Rule {
            matches,
            statements: vec![Statement::Counter, Statement::Verdict(Verdict::Accept)],
            ..Rule::default()
        };
        let mut rules = vec![accept(vec![Match::State(ESTABLISHED | RELATED)])];
        for (of, peer, port) in &list {
            let port = Bytes::EMPTY.port(*port);
            rules.push(accept(vec![
                Match::Is(own, address(*of)),
                Match::Is(other, address(*peer)),
                Match::Is(Field::DestinationPort, port),
            ]));
        }
        let drop = vec![Statement::Counter, Statement::Verdict(Verdict::Drop)];
        rules.push(Rule {
            statements: drop,
            ..Rule::default()
        });
        table.chains.insert(name.into(), base(priority, rules));
    }
    table
}

/// A compiled table without some of what every packet meets, to learn what that costs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Without {
    /// Packets that are related and those that are invalid are found by one rule.
    TwoRulesOfStates,
    /// Pods have no addresses of IPv6.
    V6,
    Counters,
}

pub(super) fn without(mut table: Table, what: Without) -> Table {
    let is_v6 = |rule: &Rule| {
        rule.statements.iter().any(|one| match one {
            Statement::Lookup { fields, .. } => {
                fields.contains(&Field::Source6) || fields.contains(&Field::Destination6)
            }
            _ => false,
        })
    };
    let is_state = |rule: &Rule, of: u32| rule.matches == [Match::State(of)];
    let mut states = Chain::default();
    for chain in table.chains.values_mut() {
        match what {
            Without::TwoRulesOfStates => {
                let is_one = |rule: &Rule| is_state(rule, RELATED) || is_state(rule, INVALID);
                let found: Vec<Rule> = chain
                    .rules
                    .iter()
                    .filter(|one| is_one(one))
                    .cloned()
                    .collect();
                if found.is_empty() {
                    continue;
                }
                states.rules = found;
                chain.rules.retain(|rule| !is_one(rule));
                let jump = Rule {
                    matches: vec![Match::State(RELATED | INVALID)],
                    statements: vec![Statement::Verdict(Verdict::Goto("states".into()))],
                    ..Rule::default()
                };
                chain.rules.insert(0, jump);
            }
            Without::V6 => chain.rules.retain(|rule| !is_v6(rule)),
            Without::Counters => {
                for rule in &mut chain.rules {
                    rule.statements.retain(|one| *one != Statement::Counter);
                }
            }
        }
    }
    if !states.rules.is_empty() {
        table.chains.insert("states".into(), states);
    }
    table
}

fn address(pod: usize) -> Bytes {
    let [v4, _]: [IpAddr; 2] = ips(pod);
    Bytes::EMPTY.ip(v4)
}

fn named() -> Table {
    Table {
        name: "watertight".into(),
        ..Table::default()
    }
}

fn base(priority: i32, rules: Vec<Rule>) -> Chain {
    Chain {
        hook: Some(Hook {
            kind: ChainType::Filter,
            number: FORWARD,
            priority,
        }),
        rules,
    }
}
