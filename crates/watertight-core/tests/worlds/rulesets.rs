//! Rulesets that no NetworkPolicy makes: several tiers, every action, policies that do not isolate,
//! subjects in many namespaces. Made from the ruleset of a world, so that selectors and blocks meet
//! something.

use std::sync::Arc;

use proptest::prelude::*;
use watertight_core::manifest::Direction;
use watertight_core::policy::{
    Action, Covers, EndpointSelector, NamespaceScope, Peer, Policy, Rule, Ruleset, Subject, Tier,
};
use watertight_core::sets::{
    Cidr, Expression, Family, IpBlock, LabelSelector, LabelsOf, Operator, PortMatch, Protocol, Test,
};
use watertight_core::source::Span;
use watertight_core::world::{NodeId, World};

use super::Described;
use super::faded::{Fading, read_faded};
use super::policies::one_of;
use super::read::Read;
use crate::oracle::Readings;

const TIERS: [&str; 4] = ["first", "second", "third", "last"];

/// What becomes of one policy.
#[derive(Clone, Debug)]
struct Change {
    /// Policies of the ruleset are taken in turn, some of them several times.
    again: bool,
    tier: usize,
    isolates: bool,
    /// Of its rules, in turn.
    actions: Vec<Action>,
    /// The namespaces of the subject by labels: a selector of the ruleset.
    anywhere: Option<u8>,
    every_pod: bool,
    first_rule: u8,
    rules_at_most: usize,
    any_peer: bool,
    any_traffic: bool,
    /// Selectors of peers ask for the opposite.
    negated: bool,
    /// In place of the peers of a rule, in turn.
    blocks: Vec<Option<u8>>,
    /// What NetworkPolicy cannot say, of its rules, in turn.
    extras: Vec<Extra>,
    /// Whom the policy is about, in place of pods.
    nodes: Option<u8>,
    /// Its number among policies that may be asked in any order.
    tie: Option<u32>,
    /// A condition on its subject.
    also: Option<u8>,
}

/// What is said of one rule besides.
#[derive(Clone, Debug)]
struct Extra {
    peer: Option<u8>,
    traffic: Option<u8>,
    family: Option<bool>,
    source_port: bool,
    also: Option<u8>,
}

/// Blocks and exceptions that cover a part of the assumed pod ranges, or of the nodes.
const BLOCKS: &[(&str, &[&str])] = &[
    ("10.0.0.0/25", &[]),
    ("10.0.0.0/8", &["10.0.0.2/31", "10.0.0.0/32"]),
    ("10.0.0.0/31", &[]),
    ("0.0.0.0/0", &["10.0.1.0/24"]),
    ("0.0.0.0/0", &["10.244.0.0/17", "192.168.0.1/32"]),
    ("192.168.0.0/31", &[]),
    ("fd00::/64", &["fd00::1/128"]),
    ("fd00::/8", &["fd00::/121"]),
    ("::/0", &["fd01::1/128"]),
];

/// What changes take from.
struct Pool<'r> {
    scopes: Vec<LabelSelector>,
    rules: Vec<&'r Rule>,
    world: &'r World,
    /// Whether blocks have many exceptions.
    large: bool,
}

/// What becomes of a ruleset.
#[derive(Clone, Debug)]
pub(crate) struct Rewriting {
    changes: Vec<Change>,
    backwards: bool,
    large: bool,
}

fn extra() -> impl Strategy<Value = Extra> {
    (
        prop::option::weighted(0.4, any::<u8>()),
        prop::option::weighted(0.3, any::<u8>()),
        prop::option::weighted(0.15, any::<bool>()),
        prop::bool::weighted(0.05),
        prop::option::weighted(0.2, any::<u8>()),
    )
        .prop_map(|(peer, traffic, family, source_port, also)| Extra {
            peer,
            traffic,
            family,
            source_port,
            also,
        })
}

fn change() -> impl Strategy<Value = Change> {
    let others = (
        prop::collection::vec(extra(), 1..4),
        prop::option::weighted(0.15, any::<u8>()),
        prop::option::weighted(0.2, 0..3u32),
        prop::option::weighted(0.15, any::<u8>()),
    );
    let action = prop_oneof![
        5 => Just(Action::Allow),
        2 => Just(Action::Deny),
        3 => Just(Action::Pass),
        1 => Just(Action::Log),
    ];
    let subject = (prop::option::weighted(0.7, any::<u8>()), any::<bool>());
    (
        prop::bool::weighted(0.6),
        one_of(&[0, 1, 2, 3]),
        prop::bool::weighted(0.8),
        prop::collection::vec(action, 1..4),
        subject,
        (any::<u8>(), one_of(&[1, 2, 3, 9, 9])),
        (prop::bool::weighted(0.05), prop::bool::weighted(0.3)),
        prop::bool::weighted(0.3),
        prop::collection::vec(prop::option::weighted(0.6, any::<u8>()), 1..4),
        others,
    )
        .prop_map(
            |(
                again,
                tier,
                isolates,
                actions,
                subject,
                rules,
                everything,
                negated,
                blocks,
                others,
            )| {
                Change {
                    again,
                    tier,
                    isolates,
                    actions,
                    anywhere: subject.0,
                    every_pod: subject.1,
                    first_rule: rules.0,
                    rules_at_most: rules.1,
                    any_peer: everything.0,
                    any_traffic: everything.1,
                    negated,
                    blocks,
                    extras: others.0,
                    nodes: others.1,
                    tie: others.2,
                    also: others.3,
                }
            },
        )
}

pub(crate) fn rewriting() -> impl Strategy<Value = Rewriting> {
    let changes = prop::collection::vec(change(), 1..12);
    (changes, any::<bool>(), prop::bool::weighted(0.1)).prop_map(|(changes, backwards, large)| {
        Rewriting {
            changes,
            backwards,
            large,
        }
    })
}

/// A cluster of which less is known, under a ruleset of any shape.
pub(crate) fn read_under(
    described: &Described,
    readings: &Readings,
    (fading, rewriting): &(Fading, Rewriting),
) -> Result<Read, String> {
    let mut read = read_faded(described, readings, fading)?;
    read.ruleset = rewriting.apply(&read.ruleset, &read.world);
    Ok(read)
}

impl Rewriting {
    /// The ruleset that it makes of another one.
    pub(crate) fn apply(&self, ruleset: &Ruleset, world: &World) -> Ruleset {
        let pool = Pool {
            scopes: scopes(ruleset),
            rules: rules(ruleset).collect(),
            world,
            large: self.large,
        };
        Ruleset {
            ingress: self.tiers(&ruleset.ingress, &pool),
            egress: self.tiers(&ruleset.egress, &pool),
        }
    }

    fn tiers(&self, tiers: &[Tier], pool: &Pool<'_>) -> Vec<Tier> {
        let mut made = TIERS.map(|name| Tier::new(name, Vec::new()));
        let mut changes = self.changes.iter().cycle();
        for policy in tiers.iter().flat_map(|tier| &tier.policies) {
            for change in changes.by_ref().take(6) {
                made[change.tier].policies.push(change.apply(policy, pool));
                if !change.again {
                    break;
                }
            }
        }
        if self.backwards {
            made.iter_mut().for_each(|tier| tier.policies.reverse());
        }
        // Policies that may be asked in any order follow each other.
        for tier in &mut made {
            tier.policies.sort_by_key(|policy| policy.tie);
        }
        made.into()
    }
}

impl Change {
    fn apply(&self, policy: &Policy, pool: &Pool<'_>) -> Policy {
        let mut changed = policy.clone();
        changed.isolates = self.isolates;
        let scope = |choice: u8| {
            pool.scopes
                .get(usize::from(choice) % pool.scopes.len().max(1))
        };
        changed.tie = self.tie;
        if let Subject::Endpoints(subject) = &mut changed.subject {
            if let Some(scope) = self.anywhere.and_then(scope) {
                subject.namespaces = NamespaceScope::Matching(scope.clone());
            }
            if self.every_pod {
                subject.pods.requirements.clear();
            }
            if let Some(choice) = self.also {
                subject.also = Some(Arc::new(condition(choice, pool.world)));
            }
        }
        if let Some(choice) = self.nodes {
            changed.subject = Subject::Nodes(nodes(choice, pool.world));
        }
        if changed.rules.is_empty() {
            let others = pool.rules.iter().skip(usize::from(self.first_rule) % 4);
            changed.rules = others.take(3).map(|rule| Rule::clone(rule)).collect();
        }
        let rules = changed.rules.len().max(1);
        changed
            .rules
            .rotate_left(usize::from(self.first_rule) % rules);
        changed.rules.truncate(self.rules_at_most);
        let turns = self.actions.iter().cycle().zip(self.blocks.iter().cycle());
        let turns = turns.zip(self.extras.iter().cycle());
        for (rule, ((action, choice), extra)) in changed.rules.iter_mut().zip(turns) {
            rule.action = *action;
            if self.negated {
                rule.peers.iter_mut().for_each(negate);
            }
            if let Some(choice) = choice {
                let block = block(*choice, pool.large, rule.span);
                rule.peers = vec![Peer::Block(block, covers(*choice))];
            }
            extra.apply(rule, pool.world);
            if self.any_peer {
                rule.peers.push(Peer::Any);
            }
            if self.any_traffic {
                rule.traffic.push(PortMatch::Everything);
            }
        }
        changed
    }
}

impl Extra {
    fn apply(&self, rule: &mut Rule, world: &World) {
        let span = rule.span;
        if let Some(choice) = self.also {
            for peer in &mut rule.peers {
                if let Peer::Endpoints(selector, _) = peer {
                    selector.also = Some(Arc::new(condition(choice, world)));
                }
            }
        }
        if let Some(choice) = self.peer {
            let others = std::mem::take(&mut rule.peers);
            let first = others.into_iter().next().unwrap_or(Peer::Any);
            let some = Peer::Nodes(nodes(choice / 16, world), span);
            rule.peers = vec![match choice % 13 {
                0 => some,
                1 => Peer::OwnNode(span),
                2 => Peer::OtherNodes(span),
                3 => Peer::Outside(span),
                4 => Peer::Not(Box::new(first)),
                5 => Peer::All(vec![first, Peer::Not(Box::new(some))]),
                6 => Peer::All(vec![Peer::Outside(span), first]),
                7 => Peer::AnyOf(vec![first, some]),
                8 => Peer::AnyOf(Vec::new()),
                9 => Peer::All(Vec::new()),
                10 => Peer::Not(Box::new(Peer::OwnNode(span))),
                11 => Peer::AnyNode(span),
                _ => Peer::All(vec![Peer::Not(Box::new(first.clone())), first]),
            }];
        }
        if let Some(choice) = self.traffic {
            let (protocol, low) = match choice % 3 {
                0 => (Protocol::Tcp, 80),
                1 => (Protocol::Udp, 53),
                _ => (Protocol::Sctp, 7),
            };
            let name = |item: &PortMatch| match item {
                PortMatch::Named { name, .. } => Some(name.clone()),
                _ => None,
            };
            let names: Vec<Box<str>> = rule.traffic.iter().filter_map(name).collect();
            let icmp = |family, first, last| PortMatch::Icmp {
                family,
                first,
                last,
                span,
            };
            rule.traffic = vec![match choice / 3 % 6 {
                0 => PortMatch::Any,
                1 => icmp(Family::V4, 0x0800, 0x08ff),
                2 => icmp(Family::V6, 0, u16::MAX),
                3 => PortMatch::Except {
                    protocol,
                    ranges: vec![(low, low + 3)],
                    names: Vec::new(),
                    span,
                },
                _ => PortMatch::Except {
                    protocol,
                    ranges: vec![(0, 0)],
                    names: if names.is_empty() {
                        vec!["http".into()]
                    } else {
                        names
                    },
                    span,
                },
            }];
        }
        let family = |v4| if v4 { Family::V4 } else { Family::V6 };
        rule.family = self.family.map(family);
        if self.source_port {
            rule.source_ports = Some([(1024, u16::MAX)].into());
        }
    }
}

fn covers(choice: u8) -> Covers {
    match choice / 16 % 6 {
        0 => Covers::OUTSIDE,
        1 => Covers::NOT_PODS,
        2 => Covers {
            outside: false,
            ..Covers::ALL
        },
        _ => Covers::ALL,
    }
}

/// Some nodes of a world.
fn nodes(choice: u8, world: &World) -> Arc<[NodeId]> {
    let chosen = |(at, _): &(usize, NodeId)| choice >> (at % 3) & 1 == 1;
    let nodes = world.node_ids().enumerate().filter(chosen);
    nodes.map(|(_, id)| id).collect()
}

/// Something about labels, accounts or the namespace of an endpoint of the world.
fn condition(choice: u8, world: &World) -> Expression {
    let endpoint = world
        .endpoints
        .get(usize::from(choice) % world.endpoints.len().max(1));
    let label = endpoint.and_then(|endpoint| endpoint.labels.first());
    let (key, value) = label.map_or(("app", "web"), |(key, value)| {
        (world.symbols.text(*key), world.symbols.text(*value))
    });
    let of = |of, test| Expression::Label {
        of,
        key: match of {
            LabelsOf::Namespace => "kubernetes.io/metadata.name".into(),
            _ => key.into(),
        },
        test,
    };
    let namespace = endpoint.map_or("x", |endpoint| &*world[endpoint.namespace].name);
    let in_namespace = of(LabelsOf::Namespace, Test::OneOf(vec![namespace.into()]));
    let is = of(LabelsOf::Endpoint, Test::OneOf(vec![value.into()]));
    let not = |part| Expression::Not(Box::new(part));
    match choice / 8 % 8 {
        0 => is,
        1 => not(is),
        2 => Expression::Any(vec![is, in_namespace]),
        3 => Expression::All(vec![
            not(in_namespace),
            of(LabelsOf::Endpoint, Test::Exists),
        ]),
        4 => Expression::ServiceAccount(vec!["default".into()]),
        5 => {
            let start = value.chars().take(1).collect::<String>();
            of(LabelsOf::Endpoint, Test::StartsWith(start.into()))
        }
        6 => not(of(LabelsOf::Endpoint, Test::Contains(value.into()))),
        _ => Expression::Any(Vec::new()),
    }
}

/// The opposite of each requirement of a peer's selector of pods.
fn negate(peer: &mut Peer) {
    if let Peer::Endpoints(selector, _) = peer {
        for requirement in &mut selector.pods.requirements {
            requirement.operator = match requirement.operator.clone() {
                Operator::In(values) => Operator::NotIn(values),
                Operator::NotIn(values) => Operator::In(values),
                Operator::Exists => Operator::DoesNotExist,
                Operator::DoesNotExist => Operator::Exists,
            };
        }
    }
}

/// A block; if `large`, with so many exceptions that its addresses make a large set.
fn block(choice: u8, large: bool, span: Span) -> IpBlock {
    let cidr = |text: &str| Cidr {
        net: text.parse().unwrap(),
        span,
    };
    let choice = usize::from(choice);
    let (whole, except) = BLOCKS[choice % BLOCKS.len()];
    if !large || choice % 4 == 0 {
        return IpBlock {
            cidr: cidr(whole),
            except: except.iter().map(|text| cidr(text)).collect(),
            span,
        };
    }
    let at = |at: usize| choice % 5 + (2 + choice % 2) * at;
    let (whole, except): (&str, fn(usize) -> String) = match choice % 3 {
        0 => ("fd00::/112", |at| format!("fd00::{at:x}/128")),
        _ => ("10.0.0.0/16", |at| format!("10.0.0.{at}/32")),
    };
    IpBlock {
        cidr: cidr(whole),
        except: (0..66).map(|it| cidr(&except(at(it)))).collect(),
        span,
    }
}

/// The label selectors that select namespaces somewhere in the ruleset, and one for all.
fn scopes(ruleset: &Ruleset) -> Vec<LabelSelector> {
    let mut found = Vec::new();
    for rule in rules(ruleset) {
        for peer in &rule.peers {
            if let Peer::Endpoints(
                EndpointSelector {
                    namespaces, pods, ..
                },
                span,
            ) = peer
            {
                match namespaces {
                    NamespaceScope::Matching(labels) => found.push(labels.clone()),
                    // Labels of pods, which select no namespace or all.
                    NamespaceScope::Only(_) => found.push(pods.clone()),
                }
                found.push(LabelSelector::everything(*span));
            }
        }
    }
    found
}

pub(crate) fn rules(ruleset: &Ruleset) -> impl Iterator<Item = &Rule> {
    Direction::BOTH
        .into_iter()
        .flat_map(|direction| ruleset.tiers(direction))
        .flat_map(|tier| &tier.policies)
        .flat_map(|policy| &policy.rules)
}

/// A ruleset for people.
pub(crate) fn show_ruleset(ruleset: &Ruleset) -> String {
    let mut text = String::new();
    for direction in Direction::BOTH {
        for tier in ruleset.tiers(direction) {
            text += &format!("{} {}\n", direction.word(), tier.name);
            for policy in &tier.policies {
                let subject = match &policy.subject {
                    Subject::Endpoints(of) => selector(of),
                    Subject::Nodes(nodes) => format!("{nodes:?}"),
                };
                let (isolates, tie) = (policy.isolates, policy.tie);
                text += &format!("  {subject} isolates={isolates} tie={tie:?}\n");
                for rule in &policy.rules {
                    let peers: Vec<String> = rule.peers.iter().map(peer).collect();
                    let ports: Vec<String> = rule.traffic.iter().map(port).collect();
                    let (family, source) = (rule.family, &rule.source_ports);
                    let action = rule.action;
                    text += &format!("    {action:?} {peers:?} {ports:?} {family:?} {source:?}\n");
                }
            }
        }
    }
    text
}

fn selector(selector: &EndpointSelector) -> String {
    let labels = |labels: &LabelSelector| format!("{:?}", labels.normal());
    let also = selector.also.as_ref().map(|also| also.words());
    match &selector.namespaces {
        NamespaceScope::Only(id) => format!("{id:?} {} {also:?}", labels(&selector.pods)),
        NamespaceScope::Matching(of) => {
            format!("{} {} {also:?}", labels(of), labels(&selector.pods))
        }
    }
}

fn peer(peer: &Peer) -> String {
    match peer {
        Peer::Any => "any".into(),
        Peer::Endpoints(of, _) => selector(of),
        Peer::Block(block, covers) => {
            let except: Vec<String> = block.except.iter().map(|it| it.net.to_string()).collect();
            format!("{} but {except:?} of {covers:?}", block.cidr.net)
        }
        Peer::All(parts) => format!(
            "all of {:?}",
            parts.iter().map(self::peer).collect::<Vec<_>>()
        ),
        Peer::AnyOf(parts) => format!(
            "any of {:?}",
            parts.iter().map(self::peer).collect::<Vec<_>>()
        ),
        Peer::Not(part) => format!("not {}", self::peer(part)),
        other => format!("{other:?}"),
    }
}

fn port(port: &PortMatch) -> String {
    match port {
        PortMatch::Icmp { .. } | PortMatch::Except { .. } | PortMatch::Any => port.to_string(),
        PortMatch::Everything => "all".into(),
        PortMatch::Range {
            protocol,
            first,
            last,
            ..
        } => format!("{first}-{last}/{}", protocol.word()),
        PortMatch::Named { protocol, name, .. } => format!("{name}/{}", protocol.word()),
    }
}
