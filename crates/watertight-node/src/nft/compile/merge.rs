//! Many policies of one pod as few lookups.
//!
//! A hundred chains cost a packet four times what none do; one set costs next to nothing. Rules that ask
//! for the same traffic are one rule about all their peers. Where there are many different ports, pods and
//! ports go together into one set of address, protocol and port.

use std::collections::BTreeMap;

use watertight_core::eval::Family;
use watertight_core::manifest::Direction;
use watertight_core::policy::{Peer, PolicyRef, Rule as PolicyRule, RuleRef};
use watertight_core::sets::{PortMatch, Protocol};
use watertight_core::world::EndpointId;

use super::addresses::owned;
use super::policies::{MERGED_FROM, Maker};
use super::sets::{Meaning, Together, Way, digit, family_is, key, members_of, number, remote};
use crate::nft::table::{Bytes, Element, Field, KeyType, Match, Rule, Set, Statement, Verdict};

/// The most elements that one merged set gets for ports and pods multiplied.
const MOST: usize = 65_536;

/// Pods, and ports that they share.
type Listed<'p> = (Vec<EndpointId>, &'p [(Protocol, u16)]);

/// Rules that ask for the same traffic.
#[derive(Debug)]
struct Group<'r> {
    rule: &'r PolicyRule,
    peers: Vec<&'r Peer>,
}

/// The rules of policies that only allow.
pub(super) fn rules(
    maker: &mut Maker<'_, '_>,
    direction: Direction,
    tier: &[PolicyRef],
    name: &str,
) -> Vec<Rule> {
    let eval = maker.eval;
    for at in tier {
        for (index, rule) in eval.ruleset[*at].rules.iter().enumerate() {
            let reference = RuleRef {
                policy: *at,
                rule: index,
            };
            maker.note(reference, rule);
        }
    }
    let mut groups: BTreeMap<String, Group<'_>> = BTreeMap::new();
    for rule in tier.iter().flat_map(|at| &eval.ruleset[*at].rules) {
        let mut traffic: Vec<String> = rule.traffic.iter().map(definition).collect();
        traffic.sort_unstable();
        traffic.dedup();
        let key = format!("{traffic:?} {:?} {:?}", rule.family, rule.source_ports);
        let group = groups.entry(key).or_insert(Group {
            rule,
            peers: Vec::new(),
        });
        group.peers.extend(&rule.peers);
    }
    let (mut listed, mut others) = (Vec::new(), Vec::new());
    for group in groups.into_values() {
        match listable(&group) {
            Some(ports) => listed.push((group, ports)),
            None => others.push(group),
        }
    }
    if listed.len() <= MERGED_FROM {
        others.extend(listed.drain(..).map(|(group, _)| group));
    }
    let mut rules = Vec::new();
    if !listed.is_empty() {
        match set(maker, direction, name, &listed) {
            Some(found) => rules.extend(found),
            None => others.extend(listed.into_iter().map(|(group, _)| group)),
        }
    }
    for group in others {
        let source = group.rule.source_ports.as_deref();
        for way in maker.ways(direction, &group.peers, &group.rule.traffic, source) {
            let way = match group.rule.family {
                None => Some(way),
                Some(family) => {
                    let only = Way {
                        family: Some(family),
                        matches: vec![family_is(family)],
                    };
                    only.and(&way)
                }
            };
            rules.extend(way.map(|way| allow(way.matches, tier.len())));
        }
    }
    rules
}

fn allow(matches: Vec<Match>, policies: usize) -> Rule {
    Rule {
        matches,
        statements: vec![Statement::Counter, Statement::Verdict(Verdict::Accept)],
        comment: format!("{policies} policies").into(),
    }
}

/// What traffic means, without where it is written.
fn definition(item: &PortMatch) -> String {
    match item {
        PortMatch::Everything => "everything".into(),
        PortMatch::Any => "any".into(),
        PortMatch::Range {
            protocol,
            first,
            last,
            ..
        } => format!("{protocol:?} {first} {last}"),
        PortMatch::Icmp {
            family,
            first,
            last,
            ..
        } => format!("icmp {family:?} {first} {last}"),
        PortMatch::Except {
            protocol,
            ranges,
            names,
            ..
        } => format!("not {protocol:?} {ranges:?} {names:?}"),
        PortMatch::Named { protocol, name, .. } => format!("named {protocol:?} {name}"),
    }
}

/// The single ports of a group whose peers are pods by their labels.
fn listable(group: &Group<'_>) -> Option<Vec<(Protocol, u16)>> {
    let rule = group.rule;
    let are_pods = group
        .peers
        .iter()
        .all(|peer| matches!(peer, Peer::Endpoints(..)));
    if !are_pods || rule.family.is_some() || rule.source_ports.is_some() {
        return None;
    }
    let port = |item: &PortMatch| match item {
        PortMatch::Range {
            protocol,
            first,
            last,
            ..
        } if first == last => Some((*protocol, *first)),
        _ => None,
    };
    rule.traffic.iter().map(port).collect()
}

/// One set of address, protocol and port for each family; none if it would be too large.
fn set(
    maker: &mut Maker<'_, '_>,
    direction: Direction,
    name: &str,
    groups: &[(Group<'_>, Vec<(Protocol, u16)>)],
) -> Option<Vec<Rule>> {
    let world = maker.eval.world;
    let mut members: Vec<Listed<'_>> = Vec::new();
    let mut count = 0;
    for (group, ports) in groups {
        let mut pods: Vec<EndpointId> = Vec::new();
        for peer in &group.peers {
            if let Peer::Endpoints(selector, _) = peer {
                pods.extend(maker.sets.owners.members(selector));
            }
        }
        pods.sort_unstable();
        pods.dedup();
        count += pods.len() * ports.len();
        members.push((pods, ports));
    }
    let Some(room) = MOST.checked_sub(count) else {
        // Fewer pods would make a set of it.
        maker.sets.rests_on_pods = true;
        return None;
    };
    let meaning = Meaning::Ports {
        groups: groups.iter().map(meant).collect(),
        room,
    };
    let mut rules = Vec::new();
    for family in maker.sets.families.clone() {
        let mut elements = Vec::with_capacity(count);
        for (pods, ports) in &members {
            let ips = pods.iter().flat_map(|id| owned(world, *id));
            for ip in ips.filter(|ip| Family::of(**ip) == family) {
                elements.extend(ports.iter().map(|(protocol, port)| {
                    let key = Bytes::EMPTY.ip(*ip).protocol(number(*protocol, family));
                    Element::one(key.port(*port))
                }));
            }
        }
        let set: Box<str> = maker.sets.name(&format!("m{}", digit(family)), "", name);
        let contents = members_of(elements);
        let meanings = &mut maker.sets.meanings;
        meanings.insert(set.clone(), meaning.clone());
        let of = vec![key(family), KeyType::Protocol, KeyType::Port];
        maker.table.sets.insert(
            set.clone(),
            Set {
                key: of,
                ranges: false,
                contents,
            },
        );
        let fields = vec![
            remote(direction, family),
            Field::Protocol,
            Field::DestinationPort,
        ];
        rules.push(allow(
            vec![Match::In {
                fields,
                set,
                not: false,
            }],
            groups.len(),
        ));
    }
    Some(rules)
}

/// The pods and ports of a group, as they are meant.
fn meant((group, ports): &(Group<'_>, Vec<(Protocol, u16)>)) -> Together {
    let selectors = group.peers.iter().filter_map(|peer| match peer {
        Peer::Endpoints(selector, _) => Some(selector.clone()),
        _ => None,
    });
    (selectors.collect(), ports.clone())
}
