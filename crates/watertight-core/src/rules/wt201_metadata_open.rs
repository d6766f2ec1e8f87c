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
//! a note where only an unusual port is. A block for exactly one such address was written on
//! purpose and is a warning; a note for EKS Pod Identity (169.254.170.23), which gives a pod its
//! own credentials.
//!
//! Not reported here: a block whose `except` withholds some of the addresses and misses others
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
use std::net::IpAddr;

use ipnet::IpNet;
use rustc_hash::FxHashMap;

use super::addresses::{Metadata, Speaker, blocks, edit, workloads};
use super::isolation::{enforced, is_system};
use super::{Check, Context, Group, Rule, proposal};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::engine::IpBlockPods;
use crate::eval::{Connection, Decision, Family, Party};
use crate::facts::metadata::Cloud;
use crate::manifest::Direction;
use crate::policy::{PolicyRef, RuleRef};
use crate::sets::{IpBlock, Protocol};
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
    let mut free: BTreeMap<NamespaceId, Vec<EndpointId>> = BTreeMap::new();
    let mut opened: FxHashMap<PolicyRef, Vec<(RuleRef, Door)>> = FxHashMap::default();
    for group in context.groups() {
        if !context.eval.is_isolated(group.example(), Direction::Egress) {
            let members = free.entry(group.namespace).or_default();
            members.extend(&group.members);
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
    for (namespace, members) in free {
        if !is_system(context, namespace) {
            findings.extend(not_isolated(context, &metadata, namespace, &members));
        }
    }
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
    for (rule, door) in group.egress.iter().filter_map(|at| opened.get(at)).flatten() {
        decided.entry(*door).or_insert(*rule);
    }
    decided.retain(|(target, _), rule| {
        let ip = metadata.targets.get(*target).map(|target| target.address);
        ip.is_some_and(|ip| speaks(context, metadata, *rule, ip))
    });
    if decided.is_empty() {
        return;
    }
    let of_family = |family| {
        let members = group.members.iter().copied();
        members.filter(move |id| workloads::has_family(context, *id, family))
    };
    for family in [Family::V4, Family::V6] {
        let Some(example) = of_family(family).next() else {
            continue;
        };
        let mut rules = BTreeSet::new();
        for ((target, port), rule) in &decided {
            let ip = metadata.targets.get(*target).map(|target| target.address);
            if ip.is_some_and(|ip| Family::of(ip) == family) {
                let cause = causes.entry(*rule).or_default();
                cause.doors.entry((*target, *port)).or_insert(example);
                rules.insert(*rule);
            }
        }
        for rule in rules {
            let cause = causes.entry(rule).or_default();
            cause.members.extend(of_family(family));
        }
    }
}

/// Whether this rule, and not WT204 or WT206, speaks about an address that a rule admits.
fn speaks(context: &Context<'_>, metadata: &Metadata, rule: RuleRef, ip: IpAddr) -> bool {
    let (policy, rule) = (&context.eval.ruleset[rule.policy], &context.eval.ruleset[rule]);
    blocks::is_for_anyone(rule)
        || blocks::blocks_of(rule)
            .filter(|block| block.contains(ip))
            .any(|block| metadata.speaker(policy, block) == Speaker::Open)
}

fn by_rule(
    context: &Context<'_>,
    metadata: &Metadata,
    at: RuleRef,
    cause: &Cause,
) -> Option<Finding> {
    let rule = &context.eval.ruleset[at];
    let mut open = Open::new(metadata);
    for ((target, port), endpoint) in &cause.doors {
        open.judge(context, *target, *port, *endpoint, |decision| {
            decision.rule() == Some(at)
        });
    }
    let mut members = cause.members.clone();
    members.sort_unstable();
    members.dedup();
    let names = workloads::names(context, &members);
    let policy = context.policy(at.policy);
    let what = open.phrase(context)?;
    let subject = context.policy_subject(context.origin(at.policy));
    let message = format!(
        "{} can reach {what}",
        workloads::who(context, policy.namespace, &names)
    );
    let covering: Vec<&IpBlock> = blocks::blocks_of(rule)
        .filter(|block| open.addresses().any(|ip| block.contains(ip)))
        .collect();
    let purpose = !covering.is_empty() && covering.iter().all(|block| is_one_address(block));
    let severity = if open.only_own_credentials() {
        Severity::Note
    } else if purpose {
        metadata.severity(&open.pairs()).min(Severity::Warning)
    } else {
        metadata.severity(&open.pairs())
    };
    let mut finding = Finding::new(&RULE, message)
        .severity(severity)
        .subject(subject);
    for block in covering.iter().take(2) {
        let inside = open.addresses().filter(|ip| block.contains(*ip));
        finding = finding.at(block.cidr.span, format!("{} in this block", some(inside)));
    }
    if covering.is_empty() {
        let text = if policy.spec.section(Direction::Egress).rules.len() == 1 {
            "this rule has no `to`: it is for every address"
        } else {
            "this one has no `to`: it is for every address"
        };
        finding = finding.at(rule.span, text).why(&["K-20", "X-2"]);
    } else {
        finding = finding.why(&["X-1", "X-2"]);
    }
    if let Some(also) = another(context, at, cause, &open) {
        finding = finding.at(also.1, also.0);
    }
    if purpose {
        finding = finding.note(
            "a block of one address was written on purpose: if the pods need it, as with Workload \
             Identity on GKE, suppress this with the reason",
        );
    }
    finding = finding.fix(fix_for(context, metadata, &covering, &open));
    Some(open.finish(finding, &names))
}

/// Another rule that admits the leading address to the same endpoint, so that a fix of the first
/// alone would be in vain (X-2).
fn another(
    context: &Context<'_>,
    at: RuleRef,
    cause: &Cause,
    open: &Open<'_>,
) -> Option<(String, crate::source::Span)> {
    let (door, endpoint) = cause.doors.first_key_value()?;
    let (ip, port) = (open.metadata.targets.get(door.0)?.address, door.1);
    for policy in context.eval.policies_of(*endpoint, Direction::Egress) {
        for (index, rule) in context.eval.ruleset[*policy].rules.iter().enumerate() {
            let other = RuleRef {
                policy: *policy,
                rule: index,
            };
            if other != at && blocks::admits(rule, ip, Protocol::Tcp, port) {
                let text = format!("{} admits {ip} too", context.rule_name(other));
                return Some((text, context.span_for_address(other, ip)));
            }
        }
    }
    None
}

fn fix_for(
    context: &Context<'_>,
    metadata: &Metadata,
    covering: &[&IpBlock],
    open: &Open<'_>,
) -> Fix {
    let wide: Vec<_> = covering
        .iter()
        .filter(|block| !is_one_address(block))
        .collect();
    if wide.is_empty() && !covering.is_empty() {
        return Fix::advice("remove the block, or narrow `podSelector` to the pods that need it");
    }
    let withheld = |block: &IpBlock| {
        let targets = metadata.targets.iter();
        let inside = targets.filter(|target| !target.own_credentials && block.contains(target.address));
        let nets: Vec<IpNet> = inside.map(|target| IpNet::from(target.address)).collect();
        let mut nets = IpNet::aggregate(&nets);
        nets.sort_unstable();
        nets
    };
    let list = |nets: &[IpNet]| {
        let texts: Vec<String> = nets.iter().map(ToString::to_string).collect();
        texts.join(", ")
    };
    if wide.is_empty() {
        return Fix::advice(format!(
            "give the rule a `to`, with blocks that withhold {}",
            some(open.addresses())
        ));
    }
    // X-4: on GKE the address may be the resolver, so only a person can choose.
    let dns = context.clouds.contains(&Cloud::Gcp);
    let edits: Option<Vec<_>> = wide
        .iter()
        .map(|block| edit::insert(context.sources, block, &withheld(block)))
        .collect();
    let texts: Vec<String> = wide.iter().map(|block| list(&withheld(block))).collect();
    let message = format!("withhold them with `except`: {}", texts.join("; "));
    match edits.filter(|_| !dns) {
        Some(edits) => Fix {
            edits,
            ..Fix::advice(message)
        },
        None => Fix::advice(message),
    }
}

fn not_isolated(
    context: &Context<'_>,
    metadata: &Metadata,
    namespace: NamespaceId,
    members: &[EndpointId],
) -> Option<Finding> {
    let mut open = Open::new(metadata);
    for (index, target) in metadata.targets.iter().enumerate() {
        let family = Family::of(target.address);
        let mut able = members.iter().copied();
        let Some(example) = able.find(|id| workloads::has_family(context, *id, family)) else {
            continue;
        };
        for port in &target.ports {
            open.judge(context, index, *port, example, |decision| {
                *decision == Decision::NotIsolated
            });
        }
    }
    let names = workloads::names(context, members);
    let message = format!(
        "{} can reach {}: no policy isolates {} for egress",
        workloads::who(context, namespace, &names),
        open.phrase(context)?,
        if names.len() == 1 { "it" } else { "them" },
    );
    let mut finding = Finding::new(&RULE, message)
        .severity(metadata.severity(&open.pairs()))
        .subject(context.namespace_subject(namespace))
        .why(&["X-3", "K-6"]);
    if let Some(span) = context.namespace_span(namespace) {
        finding = finding.at(span, "");
    }
    let ingress_only = members
        .iter()
        .find_map(|id| context.eval.policies_of(*id, Direction::Ingress).first());
    if let Some(at) = ingress_only {
        let policy = context.policy(*at);
        let types = policy.spec.policy_types.as_ref().map(|(_, span)| *span);
        finding = finding.at(
            types.unwrap_or(policy.name_span),
            format!("`{}` isolates for ingress only", policy.name),
        );
    }
    let all_free = context
        .groups_of(namespace)
        .iter()
        .all(|group| !context.eval.is_isolated(group.example(), Direction::Egress));
    let switches = &context.eval.switches;
    let blocks_reach_all = switches.ipblock_pods == IpBlockPods::Match && switches.ipblock_nodes;
    let fix = if all_free && blocks_reach_all {
        Fix {
            manifest: Some(closing_policy(context, metadata, namespace)),
            ..Fix::advice(
                "add a policy that leaves egress open except for the metadata addresses, and \
                 narrow it afterwards",
            )
        }
    } else {
        Fix::advice("isolate them for egress and allow only what they need (WT102)")
    };
    Some(open.finish(finding.fix(fix), &names))
}

/// A policy for a namespace without egress isolation that changes nothing but the metadata
/// addresses. Beside other policies it would open more than it closes (K-15).
fn closing_policy(context: &Context<'_>, metadata: &Metadata, namespace: NamespaceId) -> String {
    let name = proposal::free_name(context, namespace, "no-metadata");
    let mut text = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\n  \
         namespace: {}\nspec:\n  podSelector: {{}}\n  policyTypes: [Egress]\n  egress:\n  - to:\n",
        context.world[namespace].name
    );
    if context.clouds.contains(&Cloud::Gcp) {
        text = format!(
            "# GKE with Cloud DNS: pods resolve names at 169.254.169.254; allow port 53 to it.\n{text}"
        );
    }
    for (whole, family) in [("0.0.0.0/0", Family::V4), ("::/0", Family::V6)] {
        let targets = metadata.targets.iter().filter(|target| !target.own_credentials);
        let of_family = targets.filter(|target| Family::of(target.address) == family);
        let nets: Vec<IpNet> = of_family.map(|target| IpNet::from(target.address)).collect();
        text.push_str(&format!("    - ipBlock:\n        cidr: \"{whole}\"\n"));
        let mut nets = IpNet::aggregate(&nets);
        nets.sort_unstable();
        if !nets.is_empty() {
            text.push_str("        except:\n");
        }
        for net in nets {
            text.push_str(&format!("        - \"{net}\"\n"));
        }
    }
    text
}

/// The doors that the evaluator has confirmed, with the connections.
struct Open<'m> {
    metadata: &'m Metadata,
    doors: BTreeMap<usize, (u16, Connection)>,
    pairs: Vec<(IpAddr, u16)>,
}

impl<'m> Open<'m> {
    fn new(metadata: &'m Metadata) -> Self {
        Self {
            metadata,
            doors: BTreeMap::new(),
            pairs: Vec::new(),
        }
    }

    fn judge(
        &mut self,
        context: &Context<'_>,
        target: usize,
        port: u16,
        endpoint: EndpointId,
        wanted: impl Fn(&Decision) -> bool,
    ) {
        let Some(found) = self.metadata.targets.get(target) else {
            return;
        };
        let connection = Connection::new(
            Party::Endpoint(endpoint),
            Party::Address(found.address),
            Protocol::Tcp,
            port,
        );
        let verdict = context.eval.verdict(&connection);
        if verdict.allowed && wanted(&verdict.egress) {
            self.pairs.push((found.address, port));
            // The usual port comes first in `ports`, not in a map of doors.
            let place = |port: u16| found.ports.iter().position(|known| *known == port);
            let known = self.doors.get(&target).map(|(port, _)| *port);
            if known.is_none_or(|known| place(port) < place(known)) {
                self.doors.insert(target, (port, connection));
            }
        }
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let targets = self.doors.keys();
        targets.filter_map(|target| Some(self.metadata.targets.get(*target)?.address))
    }

    fn pairs(&self) -> Vec<(IpAddr, u16)> {
        self.pairs.clone()
    }

    fn only_own_credentials(&self) -> bool {
        let mut targets = self.doors.keys();
        targets.all(|target| {
            let target = self.metadata.targets.get(*target);
            target.is_some_and(|target| target.own_credentials)
        })
    }

    /// The leading address and how many more there are; nothing if nothing is open.
    fn phrase(&self, context: &Context<'_>) -> Option<String> {
        let (target, (port, _)) = self.doors.first_key_value()?;
        let lead = self.metadata.targets.get(*target)?;
        let lead = lead.name(*port, context.clouds);
        Some(match self.doors.len() {
            1 => lead,
            2 => format!("{lead} and 1 other metadata address"),
            more => format!("{lead} and {} other metadata addresses", more - 1),
        })
    }

    /// The leading address, one of IPv6, and one outside every list of local ranges.
    fn finish(&self, mut finding: Finding, names: &[String]) -> Finding {
        finding.evidence.clear();
        finding.notes.extend(workloads::note(names));
        finding.notes.extend(self.metadata.note());
        finding
    }

    fn evidence(&self, context: &Context<'_>) -> Vec<Evidence> {
        let mut shown: Vec<&Connection> = Vec::new();
        let all = || self.doors.values().map(|(_, connection)| connection);
        shown.extend(all().next());
        let v6 = |connection: &&Connection| matches!(connection.to, Party::Address(IpAddr::V6(_)));
        shown.extend(all().find(v6));
        shown.dedup();
        shown
            .into_iter()
            .map(|connection| context.evidence(connection))
            .collect()
    }
}

fn is_one_address(block: &IpBlock) -> bool {
    block.cidr.net.prefix_len() == block.cidr.net.max_prefix_len()
}

/// Addresses in a list that stays readable.
fn some(addresses: impl Iterator<Item = IpAddr>) -> String {
    let texts: Vec<String> = addresses.map(|ip| ip.to_string()).collect();
    super::some_of(&texts)
}

#[cfg(test)]
mod tests;
