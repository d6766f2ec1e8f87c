//! Rulesets that no NetworkPolicy makes: several tiers, every action, policies that do not isolate,
//! subjects in many namespaces. Made from the ruleset of a world, so that selectors and blocks meet
//! something.

use proptest::prelude::*;
use watertight_core::manifest::Direction;
use watertight_core::policy::{
    Action, EndpointSelector, NamespaceScope, Peer, Policy, Rule, Ruleset, Tier,
};
use watertight_core::sets::{Cidr, IpBlock, LabelSelector, Operator, PortMatch};
use watertight_core::source::Span;

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

fn change() -> impl Strategy<Value = Change> {
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
        prop::collection::vec(prop::option::weighted(0.75, any::<u8>()), 1..4),
    )
        .prop_map(
            |(again, tier, isolates, actions, subject, rules, everything, negated, blocks)| {
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
    read.ruleset = rewriting.apply(&read.ruleset);
    Ok(read)
}

impl Rewriting {
    fn apply(&self, ruleset: &Ruleset) -> Ruleset {
        let pool = Pool {
            scopes: scopes(ruleset),
            rules: rules(ruleset).collect(),
            large: self.large,
        };
        Ruleset {
            ingress: self.tiers(&ruleset.ingress, &pool),
            egress: self.tiers(&ruleset.egress, &pool),
        }
    }

    fn tiers(&self, tiers: &[Tier], pool: &Pool<'_>) -> Vec<Tier> {
        let mut made = TIERS.map(|name| Tier {
            name,
            policies: Vec::new(),
        });
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
        if let Some(scope) = self.anywhere.and_then(scope) {
            changed.subject.namespaces = NamespaceScope::Matching(scope.clone());
        }
        if self.every_pod {
            changed.subject.pods.requirements.clear();
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
        for (rule, (action, choice)) in changed.rules.iter_mut().zip(turns) {
            rule.action = *action;
            if self.negated {
                rule.peers.iter_mut().for_each(negate);
            }
            if let Some(choice) = choice {
                rule.peers = vec![Peer::Block(block(*choice, pool.large, rule.span))];
            }
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
            if let Peer::Endpoints(EndpointSelector { namespaces, pods }, span) = peer {
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
                let subject = selector(&policy.subject);
                text += &format!("  {subject} isolates={}\n", policy.isolates);
                for rule in &policy.rules {
                    let peers: Vec<String> = rule.peers.iter().map(peer).collect();
                    let ports: Vec<String> = rule.traffic.iter().map(port).collect();
                    text += &format!("    {:?} {peers:?} {ports:?}\n", rule.action);
                }
            }
        }
    }
    text
}

fn selector(selector: &EndpointSelector) -> String {
    let labels = |labels: &LabelSelector| format!("{:?}", labels.normal());
    match &selector.namespaces {
        NamespaceScope::Only(id) => format!("{id:?} {}", labels(&selector.pods)),
        NamespaceScope::Matching(of) => format!("{} {}", labels(of), labels(&selector.pods)),
    }
}

fn peer(peer: &Peer) -> String {
    match peer {
        Peer::Any => "any".into(),
        Peer::Endpoints(of, _) => selector(of),
        Peer::Block(block) => {
            let except: Vec<String> = block.except.iter().map(|it| it.net.to_string()).collect();
            format!("{} but {except:?}", block.cidr.net)
        }
    }
}

fn port(port: &PortMatch) -> String {
    match port {
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
