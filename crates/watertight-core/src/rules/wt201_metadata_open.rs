//! Pods can reach a cloud metadata service.
//!
//! ## What it finds
//! Workloads that can open a TCP connection to an address at which a cloud hands out credentials or
//! instance data, IPv6 included. There is one finding for each rule that lets them, and one for
//! each namespace that has workloads without egress isolation. Choose the clouds with `--cloud`;
//! otherwise all of them count.
//!
//! It is an error where the cloud was named or the address is 169.254.169.254, which most clouds
//! share. Without `--cloud` it is a warning where only an address of particular clouds is open, and
//! a note where only an unusual port is. At most a warning are a block for exactly one such address,
//! which was written on purpose, and addresses that nodes of Kubernetes clusters are not known to
//! have, such as that of ECS. EKS Pod Identity (169.254.170.23) gives a pod its own credentials and
//! is a note.
//!
//! Not reported here: an address that a policy denies and an earlier one allows (WT207), a block whose `except` withholds some of the addresses and misses others
//! (WT204), an IPv6 block without `except` beside an IPv4 block with one (WT206), host-network pods
//! (WT501), port 53, which is DNS (WT302), fe80:: addresses, which are never forwarded from a pod,
//! and pods without egress isolation in namespaces that belong to the cluster, such as kube-system.
//! Limits set in the cloud, like the hop limit of AWS, are not visible in manifests.
//!
//! ## Why it matters
//! Whoever gets code to run in such a pod, or makes it fetch a URL, can ask for the credentials of
//! the node or read its user-data. Often that is the step from one pod to the cloud account.
//!
//! ## Example
//! ```yaml
//! egress:
//! - to:
//!   - ipBlock: {cidr: 0.0.0.0/0}   # 169.254.169.254 is in it
//! ```
//!
//! ## Instead
//! ```yaml
//! # `except` withholds the addresses from this block; every other rule must withhold them too.
//! # With Cloud DNS on GKE, 169.254.169.254 is the resolver: allow port 53 to it.
//! egress:
//! - to:
//!   - ipBlock:
//!       cidr: 0.0.0.0/0
//!       except: [169.254.169.254/32, 169.254.170.2/32]
//! ```
//!
//! ## Semantics
//! - X-1: a block with `except` allows the rest of its range; the `except` denies nothing
//! - X-2: any other rule that covers the address opens it, and no NetworkPolicy can take it back
//! - X-3: without egress isolation nothing is restricted, and IPv4 excepts say nothing about IPv6
//! - X-4: some clusters need the address for DNS
//! - K-6: a pod that no policy selects for egress may connect to everything
//! - K-20: a rule without `to` is for every address of both families

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::addresses::{
    Exposure, Fate, Fates, Metadata, Names, Speaker, blocks, closing, edit, workloads,
};
use super::isolation::{enforced, is_system};
use super::{Check, Context, Group, Rule, some_of};
use crate::diag::{Finding, Fix, Severity};
use crate::engine::IpBlockPods;
use crate::eval::{Decision, Family};
use crate::facts::metadata::Cloud;
use crate::manifest::Direction;
use crate::policy::{PolicyRef, RuleRef};
use crate::sets::{IpBlock, Protocol};
use crate::source::Span;
use crate::world::{EndpointId, NamespaceId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT201",
    name: "metadata-open",
    severity: Severity::Error,
    summary: "pods can reach a cloud metadata service",
    source: include_str!("wt201_metadata_open.rs"),
    check: Check::World(check),
};

/// A port of a target, by its place in [`Metadata::targets`].
type Door = (usize, u16);

/// What one rule of the ruleset opens, and to whom.
#[derive(Default)]
struct Cause {
    members: Vec<EndpointId>,
    /// One endpoint for each door.
    doors: BTreeMap<Door, EndpointId>,
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let metadata = Metadata::of(context);
    if metadata.targets.is_empty() || !enforced(context) {
        return;
    }
    let mut causes: BTreeMap<RuleRef, Cause> = BTreeMap::new();
    let mut free: BTreeMap<(NamespaceId, Vec<Door>), Vec<EndpointId>> = BTreeMap::new();
    let all: Vec<Door> = metadata.all_doors().collect();
    let mut fates = Fates::new(context, &metadata);
    let mut opened: FxHashMap<PolicyRef, Vec<(RuleRef, Door)>> = FxHashMap::default();
    for group in context.groups() {
        // Nobody's policies but their own decide.
        if !context.is_asked(group.namespace) {
            continue;
        }
        if !context.is_kubernetes_only(&group.egress) {
            let open = by_verdict(context, &metadata, &mut fates, group, &mut causes);
            if !open.is_empty() {
                let members = free.entry((group.namespace, open)).or_default();
                members.extend(&group.members);
            }
            continue;
        }
        if !group.is_isolated(Direction::Egress) {
            let key = (group.namespace, all.clone());
            free.entry(key).or_default().extend(&group.members);
            continue;
        }
        for at in &group.egress {
            opened
                .entry(*at)
                .or_insert_with(|| doors_of(context, &metadata, *at));
        }
        attribute(context, &metadata, group, &opened, &mut causes);
    }
    for (rule, cause) in causes {
        findings.extend(by_rule(context, &metadata, rule, &cause));
    }
    for ((namespace, doors), members) in free {
        if !is_system(context, namespace) {
            findings.extend(not_isolated(
                context, &metadata, namespace, &doors, &members,
            ));
        }
    }
}

/// Judges every door of a group that policies of several tiers or languages select. Tells the doors
/// that no policy decides.
fn by_verdict<'c>(
    context: &Context<'_>,
    metadata: &Metadata,
    fates: &mut Fates<'c>,
    group: &'c Group,
    causes: &mut BTreeMap<RuleRef, Cause>,
) -> Vec<Door> {
    let mut open = Vec::new();
    for family in [Family::V4, Family::V6] {
        let of_family = || {
            let members = group.members.iter().copied();
            members.filter(|id| workloads::has_family(context, *id, family))
        };
        let Some(example) = of_family().next() else {
            continue;
        };
        let mut rules = BTreeSet::new();
        for (target, port) in metadata.all_doors() {
            if metadata.family(target) != Some(family) {
                continue;
            }
            match fates.of(group, example, (target, port)) {
                Fate::Free => open.push((target, port)),
                Fate::Allowed(rule) => {
                    let written = context.kubernetes(rule.policy).is_some();
                    if !written || speaks(context, metadata, rule, target) {
                        let cause = causes.entry(rule).or_default();
                        cause.doors.entry((target, port)).or_insert(example);
                        rules.insert(rule);
                    }
                }
                // What somebody denies in vain is told by WT207.
                Fate::Voided(..) | Fate::Closed => {}
            }
        }
        for rule in rules {
            causes.entry(rule).or_default().members.extend(of_family());
        }
    }
    metadata
        .all_doors()
        .filter(|door| open.contains(door))
        .collect()
}

/// The doors that the rules of a policy open, whether or not this rule speaks about them.
fn doors_of(context: &Context<'_>, metadata: &Metadata, at: PolicyRef) -> Vec<(RuleRef, Door)> {
    let mut doors = Vec::new();
    for (index, rule) in context.eval.ruleset[at].rules.iter().enumerate() {
        let reference = RuleRef {
            policy: at,
            rule: index,
        };
        for (target, found) in metadata.targets.iter().enumerate() {
            if blocks::covers(rule, found.address) {
                let ports = found.ports.iter();
                let open = ports.filter(|port| blocks::has_port(rule, Protocol::Tcp, **port));
                doors.extend(open.map(|port| (reference, (target, *port))));
            }
        }
    }
    doors
}

/// Gives every open door of a group to the rule that decides it: the first that admits it.
fn attribute(
    context: &Context<'_>,
    metadata: &Metadata,
    group: &Group,
    opened: &FxHashMap<PolicyRef, Vec<(RuleRef, Door)>>,
    causes: &mut BTreeMap<RuleRef, Cause>,
) {
    let mut decided: BTreeMap<Door, RuleRef> = BTreeMap::new();
    let doors = group.egress.iter().filter_map(|at| opened.get(at));
    for (rule, door) in doors.flatten() {
        decided.entry(*door).or_insert(*rule);
    }
    decided.retain(|(target, _), rule| speaks(context, metadata, *rule, *target));
    if decided.is_empty() {
        return;
    }
    for family in [Family::V4, Family::V6] {
        let of_family = || {
            let members = group.members.iter().copied();
            members.filter(|id| workloads::has_family(context, *id, family))
        };
        let Some(example) = of_family().next() else {
            continue;
        };
        let mut rules = BTreeSet::new();
        for (door, rule) in &decided {
            if metadata.family(door.0) == Some(family) {
                let cause = causes.entry(*rule).or_default();
                cause.doors.entry(*door).or_insert(example);
                rules.insert(*rule);
            }
        }
        for rule in rules {
            let cause = causes.entry(rule).or_default();
            cause.members.extend(of_family());
        }
    }
}

/// Whether this rule, and not WT204 or WT206, speaks about an address that a rule admits.
fn speaks(context: &Context<'_>, metadata: &Metadata, at: RuleRef, target: usize) -> bool {
    let ruleset = context.eval.ruleset;
    let (policy, rule) = (&ruleset[at.policy], &ruleset[at]);
    let Some(target) = metadata.targets.get(target) else {
        return false;
    };
    blocks::is_for_anyone(rule)
        || blocks::blocks_of(rule)
            .filter(|block| block.contains(target.address))
            .any(|block| metadata.speaker(policy, block) == Speaker::Open)
}

fn by_rule(
    context: &Context<'_>,
    metadata: &Metadata,
    at: RuleRef,
    cause: &Cause,
) -> Option<Finding> {
    let rule = &context.eval.ruleset[at];
    let mut open = Exposure::new(metadata);
    for ((target, port), endpoint) in &cause.doors {
        open.judge(context, *target, *port, *endpoint, |decision| {
            decision.rule() == Some(at)
        });
    }
    let what = open.phrase(context)?;
    let mut members = cause.members.clone();
    members.sort_unstable();
    members.dedup();
    let names = Names::of(context, &members);
    let who = names.who(context, context.namespace_of(at.policy));
    let written = context.kubernetes(at.policy).is_some();
    let covering: Vec<&IpBlock> = blocks::blocks_of(rule)
        .filter(|block| open.addresses().any(|ip| block.contains(ip)))
        .collect();
    let on_purpose = !covering.is_empty() && covering.iter().all(|block| is_one_address(block));
    let most = if on_purpose {
        Severity::Warning
    } else {
        Severity::Error
    };
    let severity = metadata.severity(open.pairs()).min(most);
    let mut finding = Finding::new(&RULE, format!("{who} can reach {what}"))
        .severity(severity)
        .subject(context.subject_of(at.policy));
    if !written && covering.is_empty() {
        finding = finding.at(rule.span, "allowed here").why(&["X-2"]);
    } else if covering.is_empty() {
        finding = finding
            .at(rule.span, "no `to`: every address")
            .why(&["K-20", "X-2"]);
    } else {
        finding = finding.why(&["X-1", "X-2"]);
    }
    for block in covering.iter().take(2) {
        let inside = open.addresses().filter(|ip| block.contains(*ip));
        let inside: Vec<String> = inside.map(|ip| ip.to_string()).collect();
        finding = finding.at(
            block.cidr.span,
            format!("this block covers {}", some_of(&inside)),
        );
    }
    if let Some((text, span)) = also_admitted(context, metadata, at, cause) {
        finding = finding.at(span, text);
    }
    finding.evidence = open.evidence(context);
    finding.notes.extend(names.note());
    if open.only_own_credentials() {
        finding = finding.note("it answers with the credentials of the pod's own service account");
    } else if on_purpose {
        finding = finding.note(
            "a block for exactly one address looks intended: if the pods need it, as for Workload \
             Identity on GKE, suppress this with that reason",
        );
    }
    finding.notes.extend(metadata.note());
    Some(if open.only_own_credentials() {
        finding
    } else if written {
        finding.fix(withhold(context, metadata, &covering, &open))
    } else {
        finding.fix(Fix::advice(
            "deny the metadata addresses in a rule that is asked before this one, or give this one \
             narrower peers",
        ))
    })
}

/// Another rule that admits the leading address to the same endpoint: changing the first alone
/// would be in vain (X-2).
fn also_admitted(
    context: &Context<'_>,
    metadata: &Metadata,
    at: RuleRef,
    cause: &Cause,
) -> Option<(String, Span)> {
    let ((target, port), endpoint) = cause.doors.first_key_value()?;
    let ip = metadata.targets.get(*target)?.address;
    for policy in context.policies_of(*endpoint, Direction::Egress) {
        for (index, rule) in context.eval.ruleset[*policy].rules.iter().enumerate() {
            let other = RuleRef {
                policy: *policy,
                rule: index,
            };
            if other != at && blocks::admits(rule, ip, Protocol::Tcp, *port) {
                let text = format!("{} admits {ip} as well", context.rule_name(other));
                return Some((text, context.span_for_address(other, ip)));
            }
        }
    }
    None
}

fn withhold(
    context: &Context<'_>,
    metadata: &Metadata,
    covering: &[&IpBlock],
    open: &Exposure<'_>,
) -> Fix {
    if covering.is_empty() {
        return Fix::advice(
            "give the rule a `to` with the peers that it is for, and leave the metadata addresses \
             out of its blocks with `except`",
        );
    }
    let wide: Vec<_> = covering
        .iter()
        .filter(|block| !is_one_address(block))
        .map(|block| {
            let is_open = |ip| block.contains(ip) && open.addresses().any(|open| open == ip);
            (*block, metadata.networks(|target| is_open(target.address)))
        })
        .filter(|(_, nets)| !nets.is_empty())
        .collect();
    if wide.is_empty() {
        return Fix::advice("remove the block, or apply the policy only to pods that need it");
    }
    let texts = wide.iter().flat_map(|(_, nets)| nets);
    let texts: Vec<String> = texts.map(ToString::to_string).collect();
    let message = format!("withhold them with `except`: {}", texts.join(", "));
    let edits: Option<Vec<_>> = wide
        .iter()
        .map(|(block, nets)| edit::insert(context.sources, block, nets))
        .collect();
    // X-4: on GKE the address may be the resolver, so a person has to look.
    let edits = edits.filter(|_| !context.clouds.contains(&Cloud::Gcp));
    Fix {
        edits: edits.unwrap_or_default(),
        ..Fix::advice(message)
    }
}

fn not_isolated(
    context: &Context<'_>,
    metadata: &Metadata,
    namespace: NamespaceId,
    doors: &[Door],
    members: &[EndpointId],
) -> Option<Finding> {
    let mut open = Exposure::new(metadata);
    for (target, port) in doors {
        let family = metadata.family(*target)?;
        let mut able = members.iter().copied();
        let Some(example) = able.find(|id| workloads::has_family(context, *id, family)) else {
            continue;
        };
        open.judge(context, *target, *port, example, |decision| {
            *decision == Decision::NotIsolated
        });
    }
    let names = Names::of(context, members);
    let message = format!(
        "{} can reach {}: no policy isolates {} for egress",
        names.who(context, namespace),
        open.phrase(context)?,
        if names.is_one() { "it" } else { "them" },
    );
    let mut finding = Finding::new(&RULE, message)
        .severity(metadata.severity(open.pairs()))
        .subject(context.namespace_subject(namespace))
        .why(&["X-3", "K-6"]);
    if let Some(span) = context.namespace_span(namespace) {
        finding = finding.at(span, "");
    }
    let ingress_only = members
        .iter()
        .find_map(|id| context.policies_of(*id, Direction::Ingress).first());
    if let Some(policy) = ingress_only.and_then(|at| context.written(*at)) {
        let types = policy.spec.policy_types.as_ref().map(|(_, span)| *span);
        finding = finding.at(
            types.unwrap_or(policy.name_span),
            format!("`{}` isolates for ingress only", policy.name),
        );
    }
    finding.evidence = open.evidence(context);
    finding.notes.extend(names.note());
    finding.notes.extend(metadata.note());
    let mut groups = context.groups_of(namespace).iter();
    let all_free = groups.all(|group| !group.is_isolated(Direction::Egress));
    let switches = &context.eval.switches;
    let blocks_reach_all = switches.ipblock_pods == IpBlockPods::Match && switches.ipblock_nodes;
    Some(finding.fix(if all_free && blocks_reach_all {
        Fix {
            manifest: Some(closing::policy(context, metadata, namespace)),
            ..Fix::advice(
                "add a policy that leaves egress open but for the metadata addresses, and narrow \
                 it afterwards",
            )
        }
    } else {
        Fix::advice("isolate the pods for egress and allow only what they need, as WT102 says")
    }))
}

fn is_one_address(block: &IpBlock) -> bool {
    block.cidr.net.prefix_len() == block.cidr.net.max_prefix_len()
}

#[cfg(test)]
mod tests;
