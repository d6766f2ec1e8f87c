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

use std::collections::BTreeMap;

use super::proposal::{self, Allow, Whom};
use super::selection::{Selection, is_dns, one_of_each, policies_in_force, sample};
use super::{Check, Context, Rule, parallel};
use crate::diag::{Finding, Fix, Severity};
use crate::eval::{self, Connection, Decision, Party, Reason, reach};
use crate::manifest::Direction;
use crate::policy::{self, EndpointSelector, NamespaceScope, Peer, PolicyRef, RuleRef};
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

/// How many connections are judged for one rule.
const CONNECTIONS: usize = 512;

/// How many ports of a destination are tried.
const PORTS: usize = 8;

/// How many connections a finding shows.
const EVIDENCE: usize = 2;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let policies = policies_in_force(context);
    let found = parallel::map(policies, |(policy, at)| of_policy(context, *policy, *at));
    findings.extend(found.into_iter().flatten());
}

fn of_policy(context: &Context<'_>, policy: PolicyId, at: PolicyRef) -> Vec<Finding> {
    let selection = Selection::new(context);
    let rules = &context.eval.ruleset[at].rules;
    let mut findings = Vec::new();
    let mut peers = rules.iter().flat_map(|rule| &rule.peers);
    if !peers.any(names_somebody) || !is_asked(&selection, policy, rules) {
        return findings;
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
                half.peer(&selection, selector, *span);
            }
        }
        half.report(context, &mut findings);
    }
    findings
}

/// Whether findings about a policy are asked for: they rest on its own namespace and on those of its
/// peers.
fn is_asked(selection: &Selection<'_>, policy: PolicyId, rules: &[policy::Rule]) -> bool {
    let context = selection.context;
    let mut peers = rules.iter().flat_map(|rule| &rule.peers);
    context.is_asked(context.world[policy].namespace)
        || peers.any(|peer| match peer {
            Peer::Endpoints(selector, _) if selector.also.is_none() => match &selector.namespaces {
                NamespaceScope::Only(id) => context.is_asked(*id),
                scope => selection
                    .namespaces(scope)
                    .iter()
                    .any(|id| context.is_asked(*id)),
            },
            Peer::Endpoints(..) => true,
            // The rule looks at no others.
            _ => false,
        })
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
    refused: BTreeMap<PolicyRef, Refused<'c>>,
}

/// What one policy of the other side refuses.
struct Refused<'c> {
    peer: Span,
    /// Each once, in no order.
    members: Vec<EndpointId>,
    subjects: Vec<EndpointId>,
    /// Whether every subject is refused.
    all: bool,
    /// What selects the members, if it is one selector of pods.
    pods: Option<&'c LabelSelector>,
    /// The first ones that were refused.
    shown: Vec<Connection>,
    /// The ports of all of them.
    ports: Vec<(Protocol, u16)>,
}

/// How connections between two pods fare.
enum Outcome {
    /// One goes through, or may.
    Through,
    /// All fail at the other side.
    Refused(PolicyRef),
    /// There is no port to try.
    Untested,
}

impl<'c> HalfOpen<'c> {
    fn direction(&self) -> Direction {
        self.rule.policy.direction
    }

    fn other_direction(&self) -> Direction {
        match self.direction() {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        }
    }

    fn peer(&mut self, selection: &Selection<'_>, selector: &'c EndpointSelector, span: Span) {
        let context = selection.context;
        let chosen = names(&selector.pods);
        let namespaces = matches!(selector.namespaces, NamespaceScope::Matching(_));
        let one_namespace = || namespaces && selection.namespaces(&selector.namespaces).len() == 1;
        if !chosen && !one_namespace() {
            return;
        }
        let Some(members) = selection.few_workloads(selector) else {
            return;
        };
        let mut found = Vec::new();
        for member in members.iter().copied() {
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
        pods: Option<&'c LabelSelector>,
    ) -> Option<(PolicyRef, Refused<'c>)> {
        if !context.is_isolated(member, self.other_direction()) {
            return None;
        }
        let chosen = names(&context.world[self.policy].spec.pod_selector);
        let mut first = None;
        let mut refused = Refused {
            peer,
            members: Vec::new(),
            subjects: Vec::new(),
            all: true,
            pods,
            shown: Vec::new(),
            ports: Vec::new(),
        };
        for subject in self.subjects {
            match self.pair(context, *subject, member, &mut refused)? {
                Outcome::Through if !chosen => return None,
                Outcome::Through => refused.all = false,
                Outcome::Refused(by) => {
                    first = first.or(Some(by));
                    refused.subjects.push(*subject);
                }
                Outcome::Untested => {}
            }
        }
        refused.members.push(member);
        first.map(|by| (by, refused))
    }

    /// Tries the ports that the rule allows and the destination declares; nothing once enough was
    /// tried.
    fn pair(
        &mut self,
        context: &Context<'_>,
        subject: EndpointId,
        member: EndpointId,
        refused: &mut Refused<'_>,
    ) -> Option<Outcome> {
        if subject == member && !context.world[subject].template {
            return Some(Outcome::Untested);
        }
        let direction = self.direction();
        let destination = match direction {
            Direction::Ingress => subject,
            Direction::Egress => member,
        };
        let mut first = None;
        let mut tried = [(Protocol::Tcp, 0); PORTS];
        let mut number = 0;
        for (port, tried) in ports(context, self.traffic, destination).zip(&mut tried) {
            self.judged += 1;
            if self.judged > CONNECTIONS {
                return None;
            }
            let Some(isolated_by) = self.refuses(context, subject, member, port) else {
                return Some(Outcome::Through);
            };
            first = first.or(Some(isolated_by));
            *tried = port;
            number += 1;
        }
        for port in tried.into_iter().take(number) {
            let other = Party::Endpoint(member);
            if refused.shown.len() < EVIDENCE {
                let connection = sample::connection(direction, subject, other, port);
                refused.shown.push(connection);
            }
            if !refused.ports.contains(&port) {
                refused.ports.push(port);
            }
        }
        Some(match first {
            Some(by) => Outcome::Refused(by),
            None => Outcome::Untested,
        })
    }

    /// The policy that isolates the other side, if that side alone refuses the connection, for lack
    /// of a rule.
    fn refuses(
        &self,
        context: &Context<'_>,
        subject: EndpointId,
        member: EndpointId,
        (protocol, port): (Protocol, u16),
    ) -> Option<PolicyRef> {
        let direction = self.direction();
        let other = Party::Endpoint(member);
        let on_host = |id: EndpointId| context.world[id].host_network.is_some();
        let other = if on_host(subject) || on_host(member) {
            let connection = sample::connection(direction, subject, other, (protocol, port));
            let verdict = context.eval.verdict(&connection);
            let (own, other) = match direction {
                Direction::Ingress => (verdict.sides[1], verdict.sides[0]),
                Direction::Egress => (verdict.sides[0], verdict.sides[1]),
            };
            (verdict.reason == Reason::Policies && own.is_allowed()).then_some(other)
        } else {
            // Between two pods nothing but their policies decides: no need to ask for more.
            let (eval, reach) = (context.eval, context.reach());
            let own = reach.decide(eval, direction, subject, other, protocol, port);
            let subject = Party::Endpoint(subject);
            (own == reach::Outcome::Allowed)
                .then(|| eval.decide(self.other_direction(), member, subject, protocol, port))
        };
        match other {
            Some(eval::Judged {
                decision: Decision::NoRule { isolated_by },
                maybe: None,
            }) => Some(isolated_by),
            _ => None,
        }
    }

    fn report(&self, context: &Context<'_>, findings: &mut Vec<Finding>) {
        let name = context.world.policy_name(self.policy);
        let number = (self.rule.rule + 1).to_string();
        for (by, refused) in &self.refused {
            let names = |ids: &[EndpointId]| context.workloads(ids.iter().copied()).some();
            let (near, far) = (names(&refused.subjects), names(&refused.members));
            let between: [&str; 4] = match (self.direction(), refused.all) {
                (Direction::Egress, true) => ["", "", "to ", &far],
                (Direction::Egress, false) => ["from ", &near, " to ", &far],
                (Direction::Ingress, true) => ["", "", "from ", &far],
                (Direction::Ingress, false) => ["to ", &near, " from ", &far],
            };
            let message = [
                self.direction().word(),
                " rule ",
                &number,
                " of NetworkPolicy `",
                &name,
                "` allows connections ",
                &between.concat(),
                ", whose policies refuse them",
            ];
            let message = message.concat();
            let other = self.other_direction();
            let mut finding = Finding::new(&RULE, message).at(refused.peer, "allowed here");
            if let Some(span) = context.name_span(*by) {
                finding = finding.at(
                    span,
                    match other {
                        Direction::Ingress => {
                            "isolates the other end for ingress, and no rule admits it there"
                        }
                        Direction::Egress => {
                            "isolates the other end for egress, and no rule admits it there"
                        }
                    },
                );
            }
            finding = finding
                .why(&["K-16", "K-18", "X-14"])
                .subject(context.policy_subject(self.policy));
            if !refused.all {
                finding = finding.severity(Severity::Note);
            }
            let shown = refused.shown.iter();
            let evidence = shown.map(|connection| context.evidence(connection));
            finding.evidence.extend(evidence);
            let there = context.written(*by).map(|policy| policy.namespace);
            let place = match there {
                Some(there) => ["`", &*context.world[there].name, "`"].concat(),
                None => context.title(*by),
            };
            findings.push(finding.fix(Fix {
                manifest: there.and_then(|there| self.complement(context, refused, there)),
                ..Fix::advice(["allow it in ", &place, " as well, or drop the rule"].concat())
            }));
        }
    }

    /// The policy that the other side lacks, if it can be written without isolating anybody more.
    fn complement(
        &self,
        context: &Context<'_>,
        refused: &Refused<'_>,
        namespace: NamespaceId,
    ) -> Option<String> {
        let world = context.world;
        let direction = self.other_direction();
        let pods = refused.pods?;
        let here = |id: &EndpointId| world[*id].namespace == namespace;
        if !refused.members.iter().all(here) {
            return None;
        }
        let selected = context.eval.members(&EndpointSelector {
            also: None,
            namespaces: NamespaceScope::Only(namespace),
            pods: pods.clone(),
        });
        let isolated = |id: &EndpointId| context.is_isolated(*id, direction);
        if !selected.iter().all(isolated) {
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
        let mut ports = refused.ports.clone();
        ports.sort_unstable();
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

impl Refused<'_> {
    fn add(&mut self, other: Self) {
        let add = |known: &mut Vec<EndpointId>, more: Vec<EndpointId>| {
            known.extend(more);
            known.sort_unstable();
            known.dedup();
        };
        add(&mut self.members, other.members);
        add(&mut self.subjects, other.subjects);
        self.all &= other.all;
        if self.pods != other.pods {
            self.pods = None;
        }
        self.shown.extend(other.shown);
        self.shown.truncate(EVIDENCE);
        self.ports.extend(other.ports);
        self.ports.sort_unstable();
        self.ports.dedup();
    }
}

/// The ports that a rule allows on a destination: those that it declares, or those that the rule
/// names if it declares none.
fn ports<'c>(
    context: &Context<'c>,
    traffic: &'c [PortMatch],
    destination: EndpointId,
) -> impl Iterator<Item = (Protocol, u16)> + use<'c> {
    let world = context.world;
    let declared: &[Port] = &world[destination].ports;
    let covered = |port: &&Port| traffic.iter().any(|item| sample::covers(world, item, port));
    let covered = declared.iter().filter(covered);
    let covered = covered.map(|port| (port.protocol, port.number));
    let undeclared = declared.is_empty().then(|| {
        traffic.iter().filter_map(|item| match item {
            PortMatch::Range {
                protocol,
                first,
                last,
                ..
            } if first == last => Some((*protocol, *first)),
            _ => None,
        })
    });
    let named = undeclared.into_iter().flatten();
    covered.chain(named).take(PORTS)
}

#[cfg(test)]
mod tests;
