//! One address family is closed while the other is open.
//!
//! ## What it finds
//! Pods whose egress is limited in one address family and not in the other:
//! - an IPv6 block for everywhere without `except` beside an IPv4 one that withholds metadata
//!   addresses or private ranges, in the same policy (an error if the cloud was named and its
//!   metadata service answers on IPv6);
//! - `::/0` is allowed to pods whose IPv4 egress is limited to certain blocks;
//! - the Internet is allowed over one family only, to pods that are known to have both: a note,
//!   since clients try the closed family first and stall.
//!
//! Pods known from a template count as having both families, unless `--pod-cidr` says otherwise
//! (M-1). The note is given only for pods with two known addresses.
//!
//! ## Why it matters
//! Isolation closes both families at once, and every block opens one. Whoever adds `::/0` to make
//! IPv6 work often opens what was carefully withheld over IPv4, metadata addresses included.
//!
//! ## Example
//! ```yaml
//! egress:
//! - to:
//!   - ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 169.254.169.254/32]}
//!   - ipBlock: {cidr: "::/0"}   # fd00:ec2::254 is in it
//! ```
//!
//! ## Instead
//! ```yaml
//! egress:
//! - to:
//!   - ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 169.254.169.254/32]}
//!   - ipBlock: {cidr: "::/0", except: ["fc00::/7"]}
//! ```
//!
//! ## Semantics
//! - K-66: the families are apart; `0.0.0.0/0` is no IPv6 and `::/0` is no IPv4
//! - K-67: an egress rule to `0.0.0.0/0` allows less than one without `to`
//! - K-68: a dual-stack pod is judged for each family
//! - X-3: an IPv4 `except` says nothing about IPv6
//! - X-6: no IPv4 block covers an IPv6 address

use std::collections::BTreeMap;
use std::net::IpAddr;

use rustc_hash::FxHashSet;

use super::addresses::{
    Exposure, Metadata, Names, SHARED_ADDRESS, Speaker, blocks, edit, workloads,
};
use super::isolation::{OUTSIDE, enforced};
use super::{Check, Context, Rule};
use crate::diag::{Finding, Fix, Severity};
use crate::eval::{Connection, Family, Party};
use crate::manifest::Direction;
use crate::policy::{Action, Peer, PolicyRef, RuleRef};
use crate::sets::{IpBlock, Protocol};
use crate::source::Span;
use crate::world::EndpointId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT206",
    name: "one-family-open",
    severity: Severity::Warning,
    summary: "one address family is closed while the other is open",
    source: include_str!("wt206_one_family_open.rs"),
    check: Check::World(check),
};

/// How many pods of a policy are tried for evidence.
const TRIES: usize = 8;

/// The ports by which the Internet is judged.
const PORTS: [u16; 2] = [443, 80];

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) {
        return;
    }
    let metadata = Metadata::of(context);
    for id in context.world.policy_ids() {
        if let Some(at) = context.policy_ref(id, Direction::Egress) {
            bare_blocks(context, &metadata, at, findings);
        }
    }
    internet(context, findings);
}

/// IPv6 blocks without exceptions beside IPv4 blocks with some.
fn bare_blocks(
    context: &Context<'_>,
    metadata: &Metadata,
    at: PolicyRef,
    findings: &mut Vec<Finding>,
) {
    let policy = &context.eval.ruleset[at];
    for (index, rule) in policy.rules.iter().enumerate() {
        if rule.action != Action::Allow || blocks::is_dns_only(rule) {
            continue;
        }
        let here = RuleRef {
            policy: at,
            rule: index,
        };
        for block in blocks::blocks_of(rule) {
            if let Some(other) = blocks::counterpart(policy, block) {
                findings.extend(bare(context, metadata, here, block, other));
            }
        }
    }
}

fn bare(
    context: &Context<'_>,
    metadata: &Metadata,
    at: RuleRef,
    block: &IpBlock,
    other: &IpBlock,
) -> Option<Finding> {
    let rule = &context.eval.ruleset[at];
    let able: Vec<EndpointId> = workloads::subjects(context, at.policy)
        .into_iter()
        .filter(|id| workloads::has_family(context, *id, Family::V6))
        .collect();
    let mut open = Exposure::new(metadata);
    if metadata.speaker(&context.eval.ruleset[at.policy], block) == Speaker::OneFamily {
        for (index, target) in metadata.targets.iter().enumerate() {
            let inside = !target.own_credentials && block.contains(target.address);
            for port in target.ports.iter().filter(|_| inside) {
                able.iter().take(TRIES).any(|id| {
                    open.judge(context, index, *port, *id, |decision| {
                        decision.rule() == Some(at)
                    })
                });
            }
        }
    }
    let private = blocks::telling_port(rule)
        .filter(|_| blocks::withholds_private(other))
        .and_then(|(protocol, port)| {
            let ip = blocks::private_in(block).first()?.1;
            able.iter().take(TRIES).find_map(|id| {
                let to = Party::Address(ip);
                let connection = Connection::new(Party::Endpoint(*id), to, protocol, port);
                let verdict = context.eval.verdict(&connection);
                let decides = verdict.allowed && verdict.egress.rule() == Some(at);
                decides.then(|| context.word(&connection, &verdict))
            })
        });
    let what = match (open.phrase(context), &private) {
        (Some(what), None) => what,
        (None, Some(_)) => "private networks".to_owned(),
        (Some(what), Some(_)) => format!("{what}, and private networks"),
        (None, None) => return None,
    };
    let names = Names::of(context, &able);
    let message = format!(
        "`{}` has no `except` while `{}` has one: over IPv6, {} can reach {what}",
        block.cidr.net,
        other.cidr.net,
        names.who(context, context.namespace_of(at.policy)),
    );
    let mut finding = Finding::new(&RULE, message)
        .severity(metadata.severity(open.pairs()).max(Severity::Warning))
        .at(block.cidr.span, "nothing is withheld here")
        .subject(context.subject_of(at.policy))
        .why(&["K-66", "X-3", "X-6"]);
    if let Some(except) = other.except.first() {
        finding = finding.at(except.span, "withheld for IPv4 only");
    }
    finding.evidence = open.evidence(context);
    finding.evidence.truncate(1);
    finding.evidence.extend(private);
    let denied = able
        .iter()
        .take(TRIES)
        .find_map(|id| withheld(context, *id, other));
    finding.evidence.extend(denied);
    finding.notes.extend(names.note());
    if open.addresses().next().is_some() {
        finding.notes.extend(metadata.note());
    }
    finding.notes.extend(assumption(context, &able));
    let nets = metadata.networks(|target| open.addresses().any(|ip| ip == target.address));
    let list: Vec<String> = nets.iter().map(ToString::to_string).collect();
    let rest = "fc00::/7 unless pods need it";
    let edit = edit::insert(context.sources, block, &nets).filter(|_| !nets.is_empty());
    let message = match list.as_slice() {
        [] => format!("give the IPv6 block an `except` as well: {rest}"),
        list => format!(
            "give the IPv6 block an `except` as well: {}; and {rest}",
            list.join(", ")
        ),
    };
    Some(finding.fix(Fix::edits(message, edit)))
}

/// That the IPv4 block really keeps the pod from what it withholds.
fn withheld(
    context: &Context<'_>,
    id: EndpointId,
    other: &IpBlock,
) -> Option<crate::diag::Evidence> {
    let ip = if blocks::withholds(other, SHARED_ADDRESS) {
        SHARED_ADDRESS
    } else {
        blocks::first_of(other.except.first()?.net)
    };
    let to = Party::Address(ip);
    let connection = Connection::new(Party::Endpoint(id), to, Protocol::Tcp, 80);
    let verdict = context.eval.verdict(&connection);
    let by_policy = !verdict.allowed && !verdict.egress.is_allowed();
    by_policy.then(|| context.word(&connection, &verdict))
}

/// Why the families differ for the Internet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    /// IPv6 is open, IPv4 is limited to some blocks.
    V4Limited,
    /// Nothing is allowed over this family.
    V4Closed,
    V6Closed,
}

/// The Internet over one family only: judged for each list of policies once.
fn internet(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let mut gaps: BTreeMap<(RuleRef, Gap), Vec<EndpointId>> = BTreeMap::new();
    let mut quiet: FxHashSet<&[PolicyRef]> = FxHashSet::default();
    for group in context.groups() {
        let policies = group.egress.as_slice();
        if policies.is_empty() || quiet.contains(policies) {
            continue;
        }
        let Some((rule, gap)) = gap_among(context, policies) else {
            quiet.insert(policies);
            continue;
        };
        let members = group.members.iter().copied().filter(|id| match gap {
            Gap::V4Limited => {
                workloads::has_family(context, *id, Family::V4)
                    && workloads::has_family(context, *id, Family::V6)
            }
            Gap::V4Closed | Gap::V6Closed => workloads::is_known_dual(context, *id),
        });
        gaps.entry((rule, gap)).or_default().extend(members);
    }
    for ((rule, gap), members) in gaps {
        findings.extend(one_family(context, rule, gap, &members));
    }
}

/// The rule that opens the one family, if the other is not open to the Internet.
fn gap_among(context: &Context<'_>, policies: &[PolicyRef]) -> Option<(RuleRef, Gap)> {
    let rules = || {
        policies.iter().flat_map(|at| {
            let rules = context.eval.ruleset[*at].rules.iter().enumerate();
            rules.map(|(rule, found)| (RuleRef { policy: *at, rule }, found))
        })
    };
    let opens = |ip: IpAddr| {
        rules().find(|(_, rule)| {
            PORTS
                .iter()
                .any(|port| blocks::admits(rule, ip, Protocol::Tcp, *port))
        })
    };
    let [v4, v6] = OUTSIDE;
    let (found, gap) = match (opens(v4), opens(v6)) {
        (Some(found), None) => (found, Gap::V6Closed),
        (None, Some(found)) => {
            let mut limits = rules().flat_map(|(_, rule)| blocks::blocks_of(rule));
            let limited = limits.any(IpBlock::is_v4);
            (
                found,
                if limited {
                    Gap::V4Limited
                } else {
                    Gap::V4Closed
                },
            )
        }
        _ => return None,
    };
    let mut wide = blocks::blocks_of(found.1).filter(|block| blocks::is_wide(block));
    wide.next().map(|_| (found.0, gap))
}

fn one_family(
    context: &Context<'_>,
    at: RuleRef,
    gap: Gap,
    members: &[EndpointId],
) -> Option<Finding> {
    let [v4, v6] = OUTSIDE;
    let (open, closed) = match gap {
        Gap::V4Limited | Gap::V4Closed => (v6, v4),
        Gap::V6Closed => (v4, v6),
    };
    let judged = |id: EndpointId, ip: IpAddr, port: u16, wanted: bool| {
        let to = Party::Address(ip);
        let connection = Connection::new(Party::Endpoint(id), to, Protocol::Tcp, port);
        let verdict = context.eval.verdict(&connection);
        (verdict.allowed == wanted).then(|| context.word(&connection, &verdict))
    };
    let evidence = members.iter().take(TRIES).find_map(|id| {
        PORTS.iter().find_map(|port| {
            Some([
                judged(*id, open, *port, true)?,
                judged(*id, closed, *port, false)?,
            ])
        })
    })?;
    let names = Names::of(context, members);
    let who = names.who(context, context.namespace_of(at.policy));
    let (message, severity, text) = match gap {
        Gap::V4Limited => (
            format!("{who} can reach the Internet over IPv6, while IPv4 is limited to some blocks"),
            Severity::Warning,
            "all of IPv6 is open here",
        ),
        Gap::V4Closed => (
            format!(
                "{who} can reach the Internet over IPv6 only: IPv4 is closed, clients may stall"
            ),
            Severity::Note,
            "IPv6 alone",
        ),
        Gap::V6Closed => (
            format!(
                "{who} can reach the Internet over IPv4 only: IPv6 is closed, clients may stall"
            ),
            Severity::Note,
            "IPv4 alone",
        ),
    };
    let mut finding = Finding::new(&RULE, message)
        .severity(severity)
        .at(context.span_for_address(at, open), text)
        .subject(context.subject_of(at.policy))
        .why(&["K-66", "K-68"]);
    if gap == Gap::V4Limited
        && let Some(span) = limit(context, *members.first()?)
    {
        finding = finding.at(span, "IPv4 is limited here");
    }
    finding.evidence.extend(evidence);
    finding.notes.extend(names.note());
    finding.notes.extend(assumption(context, members));
    Some(finding.fix(Fix::advice(match gap {
        Gap::V4Limited => "limit IPv6 to the addresses that the pods need, as for IPv4",
        Gap::V4Closed => "add 0.0.0.0/0 without private and metadata addresses, if IPv4 is used",
        Gap::V6Closed => "add ::/0 without fc00::/7, if the Internet is meant over both families",
    })))
}

/// What to say where no address of the pods is known (M-1).
fn assumption(context: &Context<'_>, members: &[EndpointId]) -> Option<String> {
    let mut members = members.iter();
    let text = "pods without a known address count as having IPv6 (M-1)";
    members
        .all(|id| context.world[*id].ips.is_empty())
        .then(|| text.to_owned())
}

/// The first IPv4 block for the egress of a pod.
fn limit(context: &Context<'_>, id: EndpointId) -> Option<Span> {
    let policies = context.policies_of(id, Direction::Egress).iter();
    let rules = policies.flat_map(|at| &context.eval.ruleset[*at].rules);
    let mut peers = rules.flat_map(|rule| &rule.peers);
    peers.find_map(|peer| match peer {
        Peer::Block(block, _) if block.is_v4() => Some(block.cidr.span),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
