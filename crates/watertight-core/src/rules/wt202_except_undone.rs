//! Another rule allows what an except withholds.
//!
//! ## What it finds
//! An `except` whose range another rule opens again for the same pods: another block of the same
//! rule, another rule, or another policy. The other peer is missing (so that everybody is meant) or
//! is a larger block than the `except`. An `except` around a metadata address is an error, with
//! `--cloud` deciding which addresses count; any other range is a note, and only where the other
//! rule has all the ports of the first.
//!
//! Silent where the other rule is narrower on purpose: a block no larger than the `except`, such as
//! 10.1.2.0/24 beside `except: [10.0.0.0/8]`, a selector, or single ports. A rule for DNS alone
//! does not count (WT302).
//!
//! ## Why it matters
//! `except` reads like a denial and is none. Rules add up, so the address is as open as if the
//! `except` had never been written, and whoever reviews that file alone will not notice.
//!
//! ## Example
//! ```yaml
//! egress:
//! - to:
//!   - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}
//! - ports: [{port: 80}]   # no `to`: every address, the withheld one too
//! ```
//!
//! ## Instead
//! ```yaml
//! egress:
//! - to:
//!   - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}
//! - to:
//!   - podSelector: {matchLabels: {app: api}}
//!   ports: [{port: 80}]
//! ```
//!
//! ## Semantics
//! - K-64: `except` trims its own block and nothing else
//! - K-15: policies add up, none can deny
//! - X-1: a block with `except` denies nothing
//! - X-2: any other rule, peer or policy that covers the address opens it

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rustc_hash::{FxHashMap, FxHashSet};

use super::addresses::{Metadata, Names, blocks, workloads};
use super::isolation::enforced;
use super::{Check, Context, Rule, some_of};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::eval::{Connection, Family, Party};
use crate::manifest::Direction;
use crate::policy::{Action, Peer, PolicyRef, RuleRef};
use crate::sets::{Cidr, IpBlock, Protocol};
use crate::source::Span;
use crate::world::EndpointId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT202",
    name: "except-undone",
    severity: Severity::Error,
    summary: "another rule allows what an except withholds",
    source: include_str!("wt202_except_undone.rs"),
    check: Check::World(check),
};

/// How many rules that undo one block are named.
const NAMED: usize = 2;

/// A peer of the ruleset.
type PeerRef = (RuleRef, usize);

/// One `except` that is undone, or one that is not worth a finding.
#[derive(Clone)]
struct Undone {
    except: Cidr,
    by: PeerRef,
    /// An address inside that the other peer admits.
    address: IpAddr,
    protocol: Protocol,
    port: u16,
    metadata: bool,
}

#[derive(Default)]
struct Hit {
    undone: Vec<Undone>,
    members: BTreeSet<EndpointId>,
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) {
        return;
    }
    let metadata = Metadata::of(context);
    for direction in Direction::BOTH {
        let mut hits: BTreeMap<PeerRef, Hit> = BTreeMap::new();
        for (policies, members) in by_policies(context, direction) {
            for (peer, undone) in undone_among(context, &metadata, policies) {
                let hit = hits.entry(peer).or_default();
                hit.members.extend(&members);
                for found in undone {
                    let known = |known: &Undone| {
                        known.except.span == found.except.span && known.by == found.by
                    };
                    if !hit.undone.iter().any(known) {
                        hit.undone.push(found);
                    }
                }
            }
        }
        for (peer, hit) in hits {
            findings.extend(report(context, &metadata, direction, peer, &hit));
        }
    }
}

/// The distinct lists of policies that apply together and have exceptions, in the order of their
/// first group.
fn by_policies<'c>(
    context: &'c Context<'_>,
    direction: Direction,
) -> Vec<(&'c [PolicyRef], Vec<EndpointId>)> {
    let mut index: FxHashMap<&[PolicyRef], usize> = FxHashMap::default();
    let mut lists: Vec<(&[PolicyRef], Vec<EndpointId>)> = Vec::new();
    let has_exceptions = |at: &PolicyRef| {
        let rules = context.eval.ruleset[*at].rules.iter();
        let mut blocks = rules.flat_map(blocks::blocks_of);
        blocks.any(|block| !block.except.is_empty())
    };
    for group in context.groups() {
        let policies = group.policies(direction);
        if !policies.iter().any(has_exceptions) {
            continue;
        }
        let at = *index.entry(policies).or_insert_with(|| {
            lists.push((policies, Vec::new()));
            lists.len() - 1
        });
        if let Some((_, members)) = lists.get_mut(at) {
            members.extend(&group.members);
        }
    }
    lists
}

/// The blocks of some policies whose `except` other peers of them undo.
fn undone_among(
    context: &Context<'_>,
    metadata: &Metadata,
    policies: &[PolicyRef],
) -> Vec<(PeerRef, Vec<Undone>)> {
    let mut trimmed: Vec<(PeerRef, &IpBlock)> = Vec::new();
    let mut broad: Vec<(PeerRef, &Peer)> = Vec::new();
    let mut known: FxHashSet<String> = FxHashSet::default();
    for at in policies {
        for (index, rule) in context.eval.ruleset[*at].rules.iter().enumerate() {
            let reference = RuleRef {
                policy: *at,
                rule: index,
            };
            if rule.action != Action::Allow {
                continue;
            }
            for (place, peer) in rule.peers.iter().enumerate() {
                let shape = match peer {
                    Peer::Any => String::new(),
                    Peer::Block(block, _) => block.to_string(),
                    _ => continue,
                };
                if let Peer::Block(block, _) = peer
                    && !block.except.is_empty()
                {
                    trimmed.push(((reference, place), block));
                }
                // Peers that say the same undo the same: one of them will do.
                if known.insert(format!("{shape} {:?}", ports(context, reference))) {
                    broad.push(((reference, place), peer));
                }
            }
        }
    }
    let all = trimmed.into_iter().filter_map(|(at, block)| {
        let found: Vec<Undone> = block
            .except
            .iter()
            .filter_map(|except| {
                let mut others = broad.iter().filter(|(by, _)| *by != at);
                others.find_map(|(by, peer)| undoes(context, metadata, at, *except, *by, peer))
            })
            .collect();
        (!found.is_empty()).then_some((at, found))
    });
    all.collect()
}

fn ports(context: &Context<'_>, rule: RuleRef) -> Vec<String> {
    let traffic = context.eval.ruleset[rule].traffic.iter();
    traffic.map(ToString::to_string).collect()
}

/// Whether a peer opens what an `except` withholds.
fn undoes(
    context: &Context<'_>,
    metadata: &Metadata,
    at: PeerRef,
    except: Cidr,
    by: PeerRef,
    peer: &Peer,
) -> Option<Undone> {
    let rule = &context.eval.ruleset[by.0];
    let net = except.net;
    let admits = |ip: IpAddr| match peer {
        Peer::Any => true,
        Peer::Block(block, _) => block.contains(ip),
        _ => false,
    };
    if let Peer::Block(block, _) = peer
        && (block.cidr.net.prefix_len() >= net.prefix_len() || !block.cidr.net.contains(&net))
    {
        return None;
    }
    let undone = |address, protocol, port, metadata| Undone {
        except,
        by,
        address,
        protocol,
        port,
        metadata,
    };
    if at.0.policy.direction == Direction::Egress {
        for target in &metadata.targets {
            if !net.contains(&target.address) || !admits(target.address) {
                continue;
            }
            let mut open = target.ports.iter().copied();
            if let Some(port) = open.find(|port| blocks::has_port(rule, Protocol::Tcp, *port)) {
                return Some(undone(target.address, Protocol::Tcp, port, true));
            }
        }
    }
    let own = &context.eval.ruleset[at.0];
    if blocks::is_dns_only(own) || !blocks::covers_traffic(rule, own) {
        return None;
    }
    let address = match peer {
        Peer::Any => blocks::first_of(net),
        Peer::Block(block, _) => blocks::witness(block, net)?,
        _ => return None,
    };
    let (protocol, port) = blocks::telling_port(own)?;
    Some(undone(address, protocol, port, false))
}

fn report(
    context: &Context<'_>,
    metadata: &Metadata,
    direction: Direction,
    (at, _): PeerRef,
    hit: &Hit,
) -> Option<Finding> {
    let mut confirmed: Vec<(&Undone, Evidence)> = Vec::new();
    for undone in &hit.undone {
        if let Some(evidence) = prove(context, direction, hit, undone) {
            confirmed.push((undone, evidence));
        }
    }
    // A metadata address outweighs everything else that the block withholds.
    confirmed.sort_by_key(|(undone, _)| !undone.metadata);
    let worst = confirmed.first().map(|(undone, _)| *undone)?;
    confirmed.retain(|(undone, _)| undone.metadata == worst.metadata);
    let members: Vec<EndpointId> = hit.members.iter().copied().collect();
    let names = Names::of(context, &members);
    let namespace = context.namespace_of(at.policy);
    let excepts: Vec<String> = confirmed
        .iter()
        .map(|(undone, _)| undone.except.net.to_string())
        .collect();
    let excepts = distinct(excepts);
    let (list, who) = (some_of(&excepts), names.who(context, namespace));
    let message = if let Some(target) = metadata.target(worst.address).filter(|_| worst.metadata) {
        let target = target.name(worst.port, context.clouds);
        format!("the `except` of {list} does not keep {who} from {target}: another rule allows it")
    } else {
        let what = if excepts.len() == 1 { "it" } else { "them" };
        format!("the `except` of {list} has no effect for {who}: another rule allows {what}")
    };
    let severity = if worst.metadata {
        let open: Vec<_> = confirmed
            .iter()
            .map(|(undone, _)| (undone.address, undone.port))
            .collect();
        metadata.severity(&open)
    } else {
        Severity::Note
    };
    let mut finding = Finding::new(&RULE, message)
        .severity(severity)
        .subject(context.subject_of(at.policy))
        .why(&["K-64", "X-2", "K-15"]);
    let mut seen: FxHashSet<Span> = FxHashSet::default();
    for (undone, _) in &confirmed {
        if seen.insert(undone.except.span) && seen.len() <= NAMED {
            finding = finding.at(undone.except.span, "withheld here");
        }
    }
    let mut named = 0;
    for (undone, _) in &confirmed {
        let (span, text) = undoing(context, at, undone);
        if named < NAMED && seen.insert(span) {
            named += 1;
            finding = finding.at(span, text);
        }
    }
    finding.evidence.extend(
        confirmed
            .into_iter()
            .map(|(_, evidence)| evidence)
            .take(NAMED),
    );
    finding.notes.extend(names.note());
    if worst.metadata {
        finding.notes.extend(metadata.note());
    }
    Some(finding.fix(Fix::advice(
        "withhold the range in the other rule too, or give that rule narrower peers",
    )))
}

fn prove(
    context: &Context<'_>,
    direction: Direction,
    hit: &Hit,
    undone: &Undone,
) -> Option<Evidence> {
    let family = Family::of(undone.address);
    let subject = hit.members.iter().copied().find(|id| {
        workloads::has_family(context, *id, family)
            && context
                .eval
                .policies_of(*id, direction)
                .contains(&undone.by.0.policy)
    })?;
    let (own, other) = (Party::Endpoint(subject), Party::Address(undone.address));
    let (from, to) = match direction {
        Direction::Egress => (own, other),
        Direction::Ingress => (other, own),
    };
    let connection = Connection::new(from, to, undone.protocol, undone.port);
    let verdict = context.eval.verdict(&connection);
    let side = match direction {
        Direction::Egress => verdict.egress,
        Direction::Ingress => verdict.ingress,
    };
    (verdict.allowed && side.rule().is_some()).then(|| context.word(&connection, &verdict))
}

/// The peer that undoes an `except`, in words.
fn undoing(context: &Context<'_>, at: RuleRef, undone: &Undone) -> (Span, String) {
    let (by, place) = undone.by;
    let rule = &context.eval.ruleset[by];
    let whose = if by.policy == at.policy {
        String::new()
    } else {
        format!(" in `{}`", context.subject_of(by.policy).name)
    };
    match rule.peers.get(place) {
        Some(Peer::Block(block, _)) => (block.cidr.span, format!("allowed here{whose}")),
        _ => {
            let field = by.policy.direction.peer_field();
            let text = format!("allowed here{whose}: without `{field}`, every address");
            (rule.span, text)
        }
    }
}

fn distinct(mut texts: Vec<String>) -> Vec<String> {
    let mut seen: FxHashSet<String> = FxHashSet::default();
    texts.retain(|text| seen.insert(text.clone()));
    texts
}

#[cfg(test)]
mod tests;
