//! One side allows what the other side denies.
//!
//! ## What it finds
//! Egress rules that name certain pods, or one namespace, where the policies of the destination
//! refuse every such connection; and ingress rules that name certain clients whose own policies do
//! not let them out. Only ports that the destination declares count, and none of them may go
//! through.
//!
//! A rule for a whole namespace is reported only if nothing there can be reached. Rules for
//! everybody are left alone: they do not promise any single connection. DNS is WT301.
//!
//! ## Why it matters
//! Both ends are asked. The rule looks like the whole story and the connection times out.
//!
//! ## Example
//! ```yaml
//! # In `db` a default deny for ingress is all there is.
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   policyTypes: [Egress]
//!   egress:
//!   - to:
//!     - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: db}}
//! ```
//!
//! ## Instead
//! ```yaml
//! # As well as the above:
//! metadata: {name: from-web, namespace: db}
//! spec:
//!   podSelector: {matchLabels: {app: db}}
//!   ingress:
//!   - from:
//!     - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}
//!       podSelector: {matchLabels: {app: web}}
//! ```
//!
//! ## Semantics
//! - K-16: a connection between pods needs egress allowed at its source and ingress at its destination
//! - K-18: each side is judged by the policies of its own namespace
//! - X-14: an egress allow to another namespace is not enough

use std::collections::{BTreeMap, BTreeSet};

use super::proposal::{self, Allow, Whom};
use super::selection::{Selection, is_dns, one_of_each, policies_in_force, sample};
use super::{Check, Context, Rule, some_of};
use crate::diag::{Finding, Fix, Severity};
use crate::eval::{Connection, Decision, Party, Reason};
use crate::manifest::Direction;
use crate::policy::{EndpointSelector, NamespaceScope, Peer, PolicyRef, RuleRef};
use crate::sets::{LabelSelector, Operator, PortMatch, Protocol};
use crate::source::Span;
use crate::world::{EndpointId, NamespaceId, PolicyId, Port};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT407",
    name: "half-open",
    severity: Severity::Warning,
    summary: "one side allows what the other side denies",
    source: include_str!("wt407_half_open.rs"),
    check: Check::World(check),
};

/// How many workloads of a peer are looked at.
const MEMBERS: usize = 64;

/// How many connections are judged for one rule.
const CONNECTIONS: usize = 512;

/// How many ports of a destination are tried.
const PORTS: usize = 8;

/// How many connections a finding shows.
const EVIDENCE: usize = 2;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let mut selection = Selection::new(context);
    for (policy, at) in policies_in_force(context) {
        let rules = &context.eval.ruleset[at].rules;
        if !rules
            .iter()
            .any(|rule| rule.peers.iter().any(names_somebody))
        {
            continue;
        }
        let subjects = one_of_each(context, selection.subjects(at));
        for (index, rule) in rules.iter().enumerate() {
            if is_dns(&rule.traffic) {
                continue;
            }
            let mut half = HalfOpen {
                policy,
                rule: RuleRef {
                    policy: at,
                    rule: index,
                },
                traffic: &rule.traffic,
                subjects: &subjects,
                judged: 0,
                refused: BTreeMap::new(),
            };
            for peer in &rule.peers {
                if let Peer::Endpoints(selector, span) = peer {
                    half.peer(&mut selection, selector, *span);
                }
            }
            half.report(context, findings);
        }
    }
}

/// Whether a peer may promise single connections: it names pods or one namespace.
fn names_somebody(peer: &Peer) -> bool {
    let Peer::Endpoints(selector, _) = peer else {
        return false;
    };
    names(&selector.pods)
        || matches!(&selector.namespaces, NamespaceScope::Matching(labels) if names(labels))
}

fn names(labels: &LabelSelector) -> bool {
    let mut requirements = labels.requirements.iter();
    requirements.any(|requirement| matches!(requirement.operator, Operator::In(_)))
}

/// The rule that is looked at.
struct HalfOpen<'c> {
    policy: PolicyId,
    rule: RuleRef,
    traffic: &'c [PortMatch],
    /// One pod of each workload that the policy applies to.
    subjects: &'c [EndpointId],
    judged: usize,
    /// By the policy that isolates the other side.
    refused: BTreeMap<PolicyRef, Refused>,
}

/// What one policy of the other side refuses.
struct Refused {
    peer: Span,
    members: BTreeSet<EndpointId>,
    subjects: BTreeSet<EndpointId>,
    /// Whether every subject is refused.
    all: bool,
    /// What selects the members, if it is one selector of pods.
    pods: Option<LabelSelector>,
    /// The ones that were refused.
    connections: Vec<Connection>,
}

/// How connections between two pods fare.
enum Outcome {
    /// One goes through, or may.
    Through,
    /// All fail at the other side.
    Refused(PolicyRef, Vec<Connection>),
    /// There is no port to try.
    Untested,
}

impl HalfOpen<'_> {
    fn direction(&self) -> Direction {
        self.rule.policy.direction
    }

    fn other_direction(&self) -> Direction {
        match self.direction() {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        }
    }

    fn peer(&mut self, selection: &mut Selection<'_>, selector: &EndpointSelector, span: Span) {
        let context = selection.context;
        let chosen = names(&selector.pods);
        let namespaces = matches!(selector.namespaces, NamespaceScope::Matching(_));
        let one_namespace = namespaces && selection.namespaces(&selector.namespaces).len() == 1;
        if !chosen && !one_namespace {
            return;
        }
        let members = selection.members(selector);
        let read = members.iter().copied();
        let read = read.filter(|id| !context.world[*id].assumed);
        let members = one_of_each(context, read);
        if members.len() > MEMBERS {
            return;
        }
        let mut found = Vec::new();
        for member in members {
            let pods = chosen.then_some(&selector.pods);
            match self.member(context, member, span, pods) {
                Some(refused) if chosen || refused.1.all => found.push(refused),
                // Of a namespace as such no more is promised than that something gets through.
                _ if !chosen => return,
                _ => {}
            }
        }
        for (by, refused) in found {
            match self.refused.get_mut(&by) {
                Some(known) => known.add(refused),
                None => {
                    self.refused.insert(by, refused);
                }
            }
        }
    }

    /// Whether the other side refuses what the rule allows: for every subject, or for some of those
    /// that the policy chose.
    fn member(
        &mut self,
        context: &Context<'_>,
        member: EndpointId,
        peer: Span,
        pods: Option<&LabelSelector>,
    ) -> Option<(PolicyRef, Refused)> {
        if !context.eval.is_isolated(member, self.other_direction()) {
            return None;
        }
        let chosen = names(&context.world[self.policy].spec.pod_selector);
        let mut first = None;
        let mut refused = Refused {
            peer,
            members: BTreeSet::from([member]),
            subjects: BTreeSet::new(),
            all: true,
            pods: pods.cloned(),
            connections: Vec::new(),
        };
        for subject in self.subjects {
            match self.pair(context, *subject, member)? {
                Outcome::Through if !chosen => return None,
                Outcome::Through => refused.all = false,
                Outcome::Refused(by, mut connections) => {
                    first = first.or(Some(by));
                    refused.subjects.insert(*subject);
                    refused.connections.append(&mut connections);
                }
                Outcome::Untested => {}
            }
        }
        first.map(|by| (by, refused))
    }

    /// Tries the ports that the rule allows and the destination declares; nothing once enough was
    /// tried.
    fn pair(
        &mut self,
        context: &Context<'_>,
        subject: EndpointId,
        member: EndpointId,
    ) -> Option<Outcome> {
        if subject == member && !context.world[subject].template {
            return Some(Outcome::Untested);
        }
        let destination = match self.direction() {
            Direction::Ingress => subject,
            Direction::Egress => member,
        };
        let mut first = None;
        let mut connections = Vec::new();
        for port in ports(context, self.traffic, destination) {
            self.judged += 1;
            if self.judged > CONNECTIONS {
                return None;
            }
            let direction = self.direction();
            let connection = sample::connection(direction, subject, Party::Endpoint(member), port);
            let verdict = context.eval.verdict(&connection);
            let (own, other) = match direction {
                Direction::Ingress => (verdict.ingress, verdict.egress),
                Direction::Egress => (verdict.egress, verdict.ingress),
            };
            let Decision::NoRule {
                isolated_by,
                maybe: None,
            } = other
            else {
                return Some(Outcome::Through);
            };
            if verdict.reason != Reason::Policies || !own.is_allowed() {
                return Some(Outcome::Through);
            }
            first = first.or(Some(isolated_by));
            connections.push(connection);
        }
        Some(match first {
            Some(by) => Outcome::Refused(by, connections),
            None => Outcome::Untested,
        })
    }

    fn report(&self, context: &Context<'_>, findings: &mut Vec<Finding>) {
        let name = context.world.policy_name(self.policy);
        let number = self.rule.rule + 1;
        for (by, refused) in &self.refused {
            let names =
                |ids: &BTreeSet<EndpointId>| some_of(&context.workload_names(ids.iter().copied()));
            let (near, far) = (names(&refused.subjects), names(&refused.members));
            let between = match (self.direction(), refused.all) {
                (Direction::Egress, true) => format!("to {far}"),
                (Direction::Egress, false) => format!("from {near} to {far}"),
                (Direction::Ingress, true) => format!("from {far}"),
                (Direction::Ingress, false) => format!("to {near} from {far}"),
            };
            let message = format!(
                "{} rule {number} of NetworkPolicy `{name}` allows connections {between}, whose \
                 policies refuse them",
                self.direction().word()
            );
            let other = self.other_direction().word();
            let mut finding = Finding::new(&RULE, message)
                .at(refused.peer, "allowed here")
                .at(
                    context.policy(*by).name_span,
                    format!("isolates the other end for {other}, and no rule admits it there"),
                )
                .why(&["K-16", "K-18", "X-14"])
                .subject(context.policy_subject(self.policy));
            if !refused.all {
                finding = finding.severity(Severity::Note);
            }
            let connections = refused.connections.iter().take(EVIDENCE);
            let evidence = connections.map(|connection| context.evidence(connection));
            finding.evidence.extend(evidence);
            let there = context.policy(*by).namespace;
            findings.push(finding.fix(Fix {
                message: format!(
                    "allow it in `{}` as well, or drop the rule",
                    context.world[there].name
                ),
                edits: Vec::new(),
                manifest: self.complement(context, refused, there),
            }));
        }
    }

    /// The policy that the other side lacks, if it can be written without isolating anybody more.
    fn complement(
        &self,
        context: &Context<'_>,
        refused: &Refused,
        namespace: NamespaceId,
    ) -> Option<String> {
        let world = context.world;
        let direction = self.other_direction();
        let pods = refused.pods.as_ref()?;
        let selected = context.eval.members(&EndpointSelector {
            namespaces: NamespaceScope::Only(namespace),
            pods: pods.clone(),
        });
        let isolated = |id: &EndpointId| context.eval.is_isolated(*id, direction);
        let here = |id: &EndpointId| world[*id].namespace == namespace;
        if !refused.members.iter().all(here) || !selected.iter().all(isolated) {
            return None;
        }
        let policy = &world[self.policy];
        let labels = policy.spec.pod_selector.requirements.iter();
        let labels: Option<Vec<_>> = labels
            .map(|requirement| match &requirement.operator {
                Operator::In(values) => match values.as_slice() {
                    [value] => Some((requirement.key.to_string(), value.to_string())),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let mut ports: Vec<_> = refused
            .connections
            .iter()
            .filter_map(|connection| Some((connection.protocol, connection.port?)))
            .collect();
        ports.sort_unstable();
        ports.dedup();
        let allow = Allow {
            whom: vec![Whom::Pods(
                world[policy.namespace].name.to_string(),
                labels?,
            )],
            ports,
        };
        let name = proposal::free_name(context, namespace, &format!("allow-{}", policy.name));
        let namespace = &world[namespace].name;
        Some(proposal::manifest(
            namespace,
            &name,
            pods,
            direction,
            &[allow],
        ))
    }
}

impl Refused {
    fn add(&mut self, other: Self) {
        self.members.extend(other.members);
        self.subjects.extend(other.subjects);
        self.all &= other.all;
        if self.pods != other.pods {
            self.pods = None;
        }
        self.connections.extend(other.connections);
    }
}

/// The ports that a rule allows on a destination: those that it declares, or those that the rule
/// names if it declares none.
fn ports(
    context: &Context<'_>,
    traffic: &[PortMatch],
    destination: EndpointId,
) -> Vec<(Protocol, u16)> {
    let world = context.world;
    let declared = &world[destination].ports;
    if declared.is_empty() {
        let named = traffic.iter().filter_map(|item| match item {
            PortMatch::Range {
                protocol,
                first,
                last,
                ..
            } if first == last => Some((*protocol, *first)),
            _ => None,
        });
        return named.take(PORTS).collect();
    }
    let covered = |port: &&Port| traffic.iter().any(|item| sample::covers(world, item, port));
    let covered = declared.iter().filter(covered);
    let covered = covered.map(|port| (port.protocol, port.number));
    covered.take(PORTS).collect()
}

#[cfg(test)]
mod tests;
