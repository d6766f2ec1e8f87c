//! An except misses metadata addresses.
//!
//! ## What it finds
//! Egress blocks whose `except` withholds at least one metadata address and misses others that the
//! selected pods can then reach through this very rule. One finding a rule; the fix appends exactly
//! the missing addresses. `--cloud` decides which clouds count. It is a warning while all of them
//! do, an error once the cloud is named or where the address missed is 169.254.169.254. It is less
//! where only an unusual port is open, or an address that nodes of Kubernetes clusters are not known
//! to have, such as 169.254.170.2 of ECS.
//!
//! EKS Pod Identity (169.254.170.23) is not missed: it gives a pod its own credentials. A block
//! without any `except` is reported by WT201, an IPv6 block without `except` beside an IPv4 block
//! that has one by WT206.
//!
//! ## Why it matters
//! 169.254.169.254 is the best known address and not the only one. Azure also answers on
//! 168.63.129.16, Alibaba Cloud on 100.100.100.200, and several clouds on IPv6 addresses that no
//! IPv4 `except` can name. An incomplete list looks like the work is done.
//!
//! ## Example
//! ```yaml
//! egress:
//! - to:
//!   - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}   # on Azure: 168.63.129.16 is open
//! ```
//!
//! ## Instead
//! ```yaml
//! egress:
//! - to:
//!   - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32, 168.63.129.16/32]}
//! ```
//!
//! ## Semantics
//! - K-63: a block matches every address in `cidr` that is in none of its `except`
//! - X-1: a block with `except` allows the rest of its range
//! - X-4: some clouds use another address than 169.254.169.254
//! - X-5: 169.254.170.0/23 does not contain 169.254.169.254
//! - X-6: no IPv4 block covers an IPv6 address

use super::addresses::{
    Exposure, Metadata, Names, SHARED_ADDRESS, Speaker, blocks, edit, workloads,
};
use super::isolation::enforced;
use super::{Check, Context, Rule, some_of};
use crate::diag::{Finding, Fix, Severity};
use crate::eval::Family;
use crate::facts::metadata::Cloud;
use crate::manifest::Direction;
use crate::policy::{Action, RuleRef};
use crate::sets::{IpBlock, Protocol};
use crate::world::EndpointId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT204",
    name: "incomplete-except",
    severity: Severity::Warning,
    summary: "an except misses metadata addresses",
    source: include_str!("wt204_incomplete_except.rs"),
    check: Check::World(check),
};

/// How many pods of a policy are tried: an earlier rule may decide for some of them.
const TRIES: usize = 8;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let metadata = Metadata::of(context);
    if metadata.targets.is_empty() || !enforced(context) {
        return;
    }
    for id in context.world.policy_ids() {
        let Some(at) = context.policy_ref(id, Direction::Egress) else {
            continue;
        };
        let policy = &context.eval.ruleset[at];
        for (index, rule) in policy.rules.iter().enumerate() {
            if rule.action != Action::Allow {
                continue;
            }
            let incomplete: Vec<&IpBlock> = blocks::blocks_of(rule)
                .filter(|block| metadata.speaker(policy, block) == Speaker::Incomplete)
                .collect();
            if !incomplete.is_empty() {
                let here = RuleRef {
                    policy: at,
                    rule: index,
                };
                findings.extend(report(context, &metadata, here, &incomplete));
            }
        }
    }
}

fn report(
    context: &Context<'_>,
    metadata: &Metadata,
    at: RuleRef,
    incomplete: &[&IpBlock],
) -> Option<Finding> {
    let open = exposed(context, metadata, at, incomplete);
    let addresses: Vec<_> = open.addresses().collect();
    if addresses.is_empty() {
        return None;
    }
    let family = |block: &IpBlock| match block.is_v4() {
        true => Family::V4,
        false => Family::V6,
    };
    let misses = |block: &&&IpBlock| addresses.iter().any(|ip| block.contains(*ip));
    let guilty: Vec<&IpBlock> = incomplete.iter().filter(misses).copied().collect();
    let members: Vec<EndpointId> = workloads::subjects(context, at.policy)
        .into_iter()
        .filter(|id| {
            let mut blocks = guilty.iter();
            blocks.any(|block| workloads::has_family(context, *id, family(block)))
        })
        .collect();
    let names = Names::of(context, &members);
    let what = match addresses.len() {
        1 => "a metadata address that the `except` misses".to_owned(),
        more => format!("{more} metadata addresses that the `except` misses"),
    };
    let message = format!(
        "{} can reach {what}: {}",
        names.who(context, context.namespace_of(at.policy)),
        some_of(&open.with_clouds())
    );
    let mut finding = Finding::new(&RULE, message)
        .severity(metadata.severity(open.pairs()))
        .subject(context.subject_of(at.policy))
        .why(&["K-63", "X-1", "X-4"]);
    for block in &guilty {
        if let Some(first) = block.except.first() {
            let inside = addresses.iter().filter(|ip| block.contains(**ip));
            let inside: Vec<String> = inside.map(ToString::to_string).collect();
            finding = finding.at(first.span, format!("the list misses {}", some_of(&inside)));
        }
    }
    if addresses.iter().any(|ip| ip.is_ipv6()) {
        finding = finding.why(&["X-6"]);
    }
    finding.evidence = open.evidence(context);
    finding.notes.extend(names.note());
    finding.notes.extend(metadata.note());
    Some(finding.fix(append(context, metadata, &guilty, &open)))
}

/// The missed addresses that a pod reaches because of this rule.
fn exposed<'m>(
    context: &Context<'_>,
    metadata: &'m Metadata,
    at: RuleRef,
    incomplete: &[&IpBlock],
) -> Exposure<'m> {
    let rule = &context.eval.ruleset[at];
    let mut open = Exposure::new(metadata);
    let mut subjects = None;
    for (index, target) in metadata.targets.iter().enumerate() {
        let mut covering = incomplete.iter();
        if target.own_credentials || !covering.any(|block| block.contains(target.address)) {
            continue;
        }
        let ports = target.ports.iter().copied();
        for port in ports.filter(|port| blocks::has_port(rule, Protocol::Tcp, *port)) {
            let subjects = subjects.get_or_insert_with(|| workloads::subjects(context, at.policy));
            let family = Family::of(target.address);
            let able = subjects
                .iter()
                .filter(|id| workloads::has_family(context, **id, family));
            for id in able.take(TRIES) {
                let decides = |decision: &crate::eval::Decision| decision.rule() == Some(at);
                if open.judge(context, index, port, *id, decides) {
                    break;
                }
            }
        }
    }
    open
}

fn append(
    context: &Context<'_>,
    metadata: &Metadata,
    guilty: &[&IpBlock],
    open: &Exposure<'_>,
) -> Fix {
    let missing = |block: &IpBlock| {
        metadata.networks(|target| {
            block.contains(target.address) && open.addresses().any(|ip| ip == target.address)
        })
    };
    let texts: Vec<String> = guilty
        .iter()
        .flat_map(|block| missing(block))
        .map(|net| net.to_string())
        .collect();
    let message = format!("add to `except`: {}", texts.join(", "));
    // X-4: on GKE the shared address may be the resolver, so a person has to look.
    let resolver =
        context.clouds.contains(&Cloud::Gcp) && open.addresses().any(|ip| ip == SHARED_ADDRESS);
    let edits: Option<Vec<_>> = guilty
        .iter()
        .map(|block| edit::append(context.sources, block, &missing(block)))
        .collect();
    Fix {
        edits: edits.filter(|_| !resolver).unwrap_or_default(),
        ..Fix::advice(message)
    }
}

#[cfg(test)]
mod tests;
