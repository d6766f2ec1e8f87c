//! Isolated pods cannot resolve names.
//!
//! ## What it finds
//! Pods that no DNS server answers: every query is denied, by the pods' own egress policies or by
//! an ingress policy of the servers. The servers are those of this input; without any, the usual
//! ones are assumed and a note says so. A pod counts as served if it reaches a node-local DNS
//! cache. Two half-broken states are warnings: DNS over UDP only, where long answers are lost, and
//! a part of the servers out of reach, where names resolve only now and then. DNS over TCP alone
//! is an error: clients ask over UDP first.
//!
//! There is one finding for each policy that causes it. Whether a pod needs names cannot be seen;
//! if it needs none, suppress the finding for that policy.
//!
//! ## Why it matters
//! The first thing most programs do is look up a name. A deny-all egress policy without a DNS rule
//! makes every connection fail, with errors that speak of names and timeouts and not of policies.
//!
//! ## Example
//! ```yaml
//! spec:
//!   podSelector: {}
//!   policyTypes: [Egress]
//! ```
//!
//! ## Instead
//! ```yaml
//! spec:
//!   podSelector: {}
//!   policyTypes: [Egress]
//!   egress:
//!   - to:
//!     - namespaceSelector:
//!         matchLabels:
//!           kubernetes.io/metadata.name: kube-system
//!       podSelector:
//!         matchLabels:
//!           k8s-app: kube-dns
//!     ports:
//!     - protocol: UDP
//!       port: 53
//!     - protocol: TCP
//!       port: 53
//! ```
//!
//! ## Semantics
//! - K-11: a listed direction without rules denies all of it, DNS included.
//! - K-16: the servers' ingress policies count as well.
//! - K-47: a port without `protocol` is TCP.
//! - K-73: a cache on the pod's own node is exempt from policy.
//! - K-79: the port is that of the DNS pods, not of their Service.
//! - K-80: with several servers the verdict is per server.
//! - X-11: DNS needs UDP and TCP.
//! - M-2: what is assumed where the input has no DNS.

use std::collections::{BTreeMap, BTreeSet};

use super::proposal::{self, Allow, Whom};
use super::resolvers::names_dns;
use super::resolvers::{Asked, Judged, Miss, Resolvers, State, Why, listens};
use super::wording::Workloads;
use super::{Check, Context, Group, Rule, count, parallel, witness};
use crate::analysis::felt::Felt;
use crate::diag::{Finding, Fix, Severity};
use crate::eval::Decision;
use crate::eval::reach::Same as _;
use crate::manifest::Direction;
use crate::policy::{Action, EndpointSelector, NamespaceScope, PolicyRef, RuleRef};
use crate::sets::{LabelSelector, Operator, Protocol, Requirement};
use crate::source::Span;
use crate::world::{EndpointId, NamespaceId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT301",
    name: "dns-broken",
    severity: Severity::Error,
    summary: "isolated pods cannot resolve names",
    source: include_str!("wt301_dns_broken.rs"),
    check: Check::World(check),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// Neither UDP nor TCP.
    Dead,
    TcpOnly,
    UdpOnly,
    /// Some servers only.
    Mixed,
}

/// The policy that findings are grouped by, and its rule that lets a part through. Its direction
/// tells whose it is: egress the client's, ingress the servers'.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    at: PolicyRef,
    rule: Option<usize>,
    kind: Kind,
}

/// Pods that are judged as one.
#[derive(Clone, Debug)]
struct Unit {
    client: EndpointId,
    members: Vec<EndpointId>,
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let Some(resolvers) = context.resolvers() else {
        return;
    };
    let guarded = resolvers.guarded(context);
    let broken = |group: &Group| match context.is_dns_asked || context.is_asked(group.namespace) {
        true => broken(context, resolvers, group, guarded),
        false => Vec::new(),
    };
    let found = parallel::map(context.groups(), broken);
    let mut causes: BTreeMap<Cause, Vec<Unit>> = BTreeMap::new();
    let mut dead: BTreeMap<NamespaceId, Vec<Unit>> = BTreeMap::new();
    for (group, found) in context.groups().iter().zip(found) {
        for (cause, unit) in found {
            let isolated = cause.kind == Kind::Dead && cause.rule.is_none();
            if isolated && cause.at.direction == Direction::Egress {
                dead.entry(group.namespace).or_default().push(unit);
            } else {
                causes.entry(cause).or_default().push(unit);
            }
        }
    }
    for units in dead.into_values() {
        for (at, units) in by_policy(context, units) {
            let (rule, kind) = (None, Kind::Dead);
            causes.insert(Cause { at, rule, kind }, units);
        }
    }
    for (cause, units) in &causes {
        findings.extend(report(context, resolvers, cause, units));
    }
}

/// Whether a change may be felt in findings about the servers' own policies, which are about clients of all
/// namespaces: other policies select a server than before, or touched clients are denied by others of them.
/// If neither is so, such a finding of one world is one of the other, whoever is in it.
pub(super) fn is_felt([old, new]: [&Context<'_>; 2], felt: &Felt) -> bool {
    let [Some(before), Some(after)] = [old, new].map(Context::resolvers) else {
        // Without any policy there are no findings about policies.
        return true;
    };
    let kubernetes =
        |context: &Context<'_>, at: PolicyRef| context.eval.ruleset[at].origin.kubernetes();
    let selecting = |context: &Context<'_>, server| {
        let policies = context.policies_of(server, Direction::Ingress).iter();
        let policies = policies.map(|at| kubernetes(context, *at));
        policies.collect::<Vec<_>>()
    };
    let is_other = |server| {
        let is = selecting(new, server).into_iter();
        let was = is.map(|policy| felt.was(policy?));
        was.ne(selecting(old, server))
    };
    if after.servers().any(is_other) {
        return true;
    }
    let denying = |context: &Context<'_>, resolvers: &Resolvers| {
        let guarded = resolvers.guarded(context);
        let touched = context.groups().iter();
        let touched = touched.filter(|group| guarded && felt.is_touched(group.namespace));
        let touched: Vec<&Group> = touched.collect();
        let found = parallel::map(&touched, |group| broken(context, resolvers, group, guarded));
        let by_servers = found.into_iter().flatten().filter_map(|(cause, _)| {
            let policy = kubernetes(context, cause.at);
            (cause.at.direction == Direction::Ingress).then_some((policy, cause.rule, cause.kind))
        });
        by_servers.collect::<BTreeSet<_>>()
    };
    let (is, was) = parallel::both(|| denying(new, after), || denying(old, before));
    let said_before: BTreeSet<_> = is
        .into_iter()
        .map(|(policy, rule, kind)| (policy.and_then(|policy| felt.was(policy)), rule, kind))
        .collect();
    said_before != was
}

/// The pods of a group that do not get all answers, and why.
fn broken(
    context: &Context<'_>,
    resolvers: &Resolvers,
    group: &Group,
    guarded: bool,
) -> Vec<(Cause, Unit)> {
    if group.egress.is_empty() && !guarded || resolvers.answer_all(context, group, guarded) {
        return Vec::new();
    }
    let units = units(context, resolvers, group, guarded).into_iter();
    let broken = units.filter_map(|unit| {
        let udp = resolvers.ask(context, unit.client, Protocol::Udp);
        let tcp = resolvers.ask(context, unit.client, Protocol::Tcp);
        Some((cause(&udp, &tcp)?, unit))
    });
    broken.collect()
}

/// The pods of a group that ask the cluster's DNS: all as one, or one for each workload where the
/// servers' policies may tell their labels apart.
fn units(context: &Context<'_>, resolvers: &Resolvers, group: &Group, guarded: bool) -> Vec<Unit> {
    let key = |id: &EndpointId| {
        let workload = context.world[*id].workload.filter(|_| guarded);
        let alone = (guarded && workload.is_none()).then_some(*id);
        (workload, alone)
    };
    let asking = group.members.iter().copied();
    let mut asking: Vec<_> = asking.filter(|id| !resolvers.serves(*id)).collect();
    asking.sort_by_key(key);
    let units = asking.chunk_by(|a, b| key(a) == key(b));
    let unit = |members: &[EndpointId]| {
        let client = *members.first()?;
        let members = members.to_vec();
        Some(Unit { client, members })
    };
    units.filter_map(unit).collect()
}

fn cause(udp: &Asked, tcp: &Asked) -> Option<Cause> {
    let (kind, shut, open) = match (udp.state, tcp.state) {
        (State::Unknown, _) => return None,
        (State::Shut, State::Shut | State::Unknown) => (Kind::Dead, udp.shut, None),
        (State::Shut, _) => (Kind::TcpOnly, udp.shut, tcp.open),
        (_, State::Shut) => (Kind::UdpOnly, tcp.shut, udp.open),
        (State::Mixed, _) => (Kind::Mixed, udp.shut, udp.open),
        (_, State::Mixed) => (Kind::Mixed, tcp.shut, tcp.open),
        _ => return None,
    };
    let shut = shut?.verdict;
    let by_client = !shut.egress.is_allowed();
    let side = |judged: Judged| match by_client {
        true => judged.verdict.egress,
        false => judged.verdict.ingress,
    };
    let denied = if by_client { shut.egress } else { shut.ingress };
    let (at, rule) = match (open.and_then(|open| side(open).rule()), denied) {
        (Some(rule), _) => (rule.policy, Some(rule.rule)),
        (None, Decision::NoRule { isolated_by, .. }) => (isolated_by, None),
        (None, Decision::Rule { rule, .. }) => (rule.policy, Some(rule.rule)),
        (None, Decision::NotSubject | Decision::NotIsolated) => return None,
    };
    Some(Cause { at, rule, kind })
}

/// Sorts pods by the policies that isolate them, so that a policy for many pods is named once: the
/// policy of the most pods first, then that of the most others.
fn by_policy(context: &Context<'_>, mut units: Vec<Unit>) -> Vec<(PolicyRef, Vec<Unit>)> {
    let policies = |unit: &Unit| {
        let all = context.eval.policies_of(unit.client, Direction::Egress);
        let all = all.iter().copied();
        all.filter(|at| context.eval.ruleset[*at].isolates)
    };
    let mut found = Vec::new();
    while !units.is_empty() {
        let mut counts: BTreeMap<PolicyRef, usize> = BTreeMap::new();
        for unit in &units {
            for at in policies(unit) {
                *counts.entry(at).or_default() += unit.members.len();
            }
        }
        let most = counts.iter().rev().max_by_key(|(_, count)| **count);
        let Some((at, _)) = most.map(|(at, count)| (*at, *count)) else {
            break;
        };
        let (own, rest): (Vec<_>, Vec<_>) = units
            .into_iter()
            .partition(|unit| policies(unit).any(|policy| policy == at));
        found.push((at, own));
        units = rest;
    }
    found
}

fn report(
    context: &Context<'_>,
    resolvers: &Resolvers,
    cause: &Cause,
    units: &[Unit],
) -> Option<Finding> {
    let client = units.first()?.client;
    let udp = resolvers.ask(context, client, Protocol::Udp);
    let tcp = resolvers.ask(context, client, Protocol::Tcp);
    let by_servers = cause.at.direction == Direction::Ingress;
    let members = units.iter().flat_map(|unit| unit.members.iter().copied());
    let names = context.workloads(members.clone());
    let who = who(context, &names, members);
    let (message, severity, evidence) = match cause.kind {
        Kind::Dead if by_servers => (
            format!("{who} cannot resolve names: the DNS servers' own policies deny their queries"),
            Severity::Error,
            [udp.shut, tcp.shut],
        ),
        Kind::Dead => (
            format!("{who} cannot resolve names: DNS is denied over UDP and TCP"),
            Severity::Error,
            [udp.shut, tcp.shut],
        ),
        Kind::TcpOnly => (
            format!("{who} cannot resolve names: DNS is allowed over TCP only"),
            Severity::Error,
            [udp.shut, tcp.open],
        ),
        Kind::UdpOnly => (
            format!("{who} cannot resolve names with long answers: DNS is allowed over UDP only"),
            Severity::Warning,
            [tcp.shut, udp.open],
        ),
        Kind::Mixed => {
            let asked = if udp.state == State::Mixed {
                &udp
            } else {
                &tcp
            };
            (
                format!(
                    "{who} can resolve names only now and then: {} of {} DNS servers do not answer",
                    asked.servers - asked.reached,
                    asked.servers
                ),
                Severity::Warning,
                [asked.shut, asked.open],
            )
        }
    };
    let mut finding = Finding::new(&RULE, message)
        .severity(severity)
        .subject(context.subject_of(cause.at));
    if let Some((span, remark)) = place(context, cause) {
        finding = finding.at(span, remark);
    }
    for judged in evidence.into_iter().flatten() {
        finding = finding.evidence(context.word(&judged.connection, &judged.verdict));
    }
    if names.count > 1 {
        finding = finding.note(["concerned: ", &names.some()].concat());
    }
    if let Some(at) = denying(context, cause) {
        finding = finding.why(&["X-11", witness::final_denial(context, at.policy)]);
    } else {
        finding = finding.why(why(cause.kind, by_servers));
    }
    if cause.kind == Kind::Dead && !by_servers {
        finding = with_misses(context, resolvers, client, finding);
    }
    if let Some(note) = resolvers.assumption() {
        finding = finding.note(note).why(&["M-2"]);
    }
    if !by_servers && !resolvers.caches.is_empty() {
        finding = finding.note(
            "169.254.20.10 is where a node-local DNS cache usually listens; allow the address that \
             the pods' /etc/resolv.conf names (X-9)",
        );
    }
    Some(finding.fix(if by_servers {
        fix_servers(context, resolvers, cause)
    } else {
        fix_client(context, resolvers, cause)
    }))
}

fn who(
    context: &Context<'_>,
    names: &Workloads,
    members: impl Iterator<Item = EndpointId>,
) -> String {
    if let Some(name) = names.only() {
        return format!("`{name}`");
    }
    let mut namespaces: Vec<_> = members.map(|id| context.world[id].namespace).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    let workloads = count(names.count, "workload");
    match namespaces.as_slice() {
        [namespace] => format!("{workloads} of `{}`", context.world[*namespace].name),
        more => format!("{workloads} of {}", count(more.len(), "namespace")),
    }
}

/// The rule that denies queries, if it is not for want of one that they fail.
fn denying(context: &Context<'_>, cause: &Cause) -> Option<RuleRef> {
    let at = RuleRef {
        policy: cause.at,
        rule: cause.rule?,
    };
    (context.eval.ruleset[at].action == Action::Deny).then_some(at)
}

fn why(kind: Kind, by_servers: bool) -> &'static [&'static str] {
    match (kind, by_servers) {
        (Kind::Dead, false) => &["K-11", "K-15", "X-11"],
        (Kind::Dead, true) => &["K-16", "X-14"],
        (Kind::TcpOnly, _) => &["X-11", "K-47"],
        (Kind::UdpOnly, _) => &["X-11"],
        (Kind::Mixed, _) => &["K-80"],
    }
}

/// The line that is to blame, and why.
fn place(context: &Context<'_>, cause: &Cause) -> Option<(Span, String)> {
    let written = context.written(cause.at);
    let Some(rule) = cause.rule else {
        let what = match cause.at.direction {
            Direction::Egress => "isolates for egress",
            Direction::Ingress => "isolates the DNS servers for ingress",
        };
        let Some(policy) = written else {
            return Some((context.name_span(cause.at)?, what.to_owned()));
        };
        return Some(match &policy.spec.policy_types {
            Some((_, span)) => (*span, what.to_owned()),
            None => (policy.name_span, format!("{what} (K-8)")),
        });
    };
    let at = RuleRef {
        policy: cause.at,
        rule,
    };
    let lowered = &context.eval.ruleset[at];
    if lowered.action == Action::Deny {
        return Some((lowered.span, "denies queries".to_owned()));
    }
    if cause.kind == Kind::Mixed {
        let span = lowered.peers.iter().find_map(|peer| peer.span());
        let remark = "lets queries through to a part of the DNS servers".to_owned();
        return Some((span.unwrap_or(lowered.span), remark));
    }
    let item = lowered.traffic.iter().find(|item| names_dns(item));
    let span = item.and_then(|item| item.span()).unwrap_or(lowered.span);
    let written = written.and_then(|policy| {
        let rules = &policy.spec.section(cause.at.direction).rules;
        rules.get(rule)
    });
    let mut ports = written.into_iter().flat_map(|rule| &rule.ports);
    let unwritten = ports.any(|port| port.span == span && !port.protocol_written);
    let remark = match cause.kind {
        Kind::UdpOnly => "UDP only",
        _ if unwritten => "TCP only: that is what a port without `protocol` means (K-47)",
        _ => "TCP only",
    };
    Some((span, remark.to_owned()))
}

/// Points at the rules that were meant to allow DNS.
fn with_misses(
    context: &Context<'_>,
    resolvers: &Resolvers,
    client: EndpointId,
    mut finding: Finding,
) -> Finding {
    let policies = context.policies_of(client, Direction::Egress).iter();
    let written = policies.filter(|at| context.kubernetes(**at).is_some());
    let rules = written.flat_map(|at| &context.eval.ruleset[*at].rules);
    let meant = rules.filter(|rule| rule.traffic.iter().any(names_dns));
    let misses: Vec<Miss> = meant
        .filter_map(|rule| resolvers.miss(context, rule, Protocol::Udp))
        .take(2)
        .collect();
    for miss in misses {
        match miss.why {
            Why::OtherResolver => {
                finding = finding.severity(Severity::Warning).note(
                    "a rule lets them query another resolver: names resolve if their `dnsConfig` \
                     or their program asks that one",
                );
            }
            Why::UnknownLabels => {
                finding = finding
                    .severity(Severity::Warning)
                    .note(
                        "the labels of the DNS servers' namespace are not in the input: names \
                         resolve if somebody has set the one that the rule asks for (M-3)",
                    )
                    .why(&["M-3"]);
            }
            Why::Ports => finding = finding.why(&["K-79"]),
            Why::HostNetwork => finding = finding.why(&["K-72"]),
            Why::Engine => finding = finding.why(&["K-65"]),
            Why::Family => finding = finding.why(&["K-66"]),
            Why::ServiceAddress => finding = finding.why(&["K-79"]),
            Why::OwnNamespace => finding = finding.why(&["K-24"]),
            Why::Labels => {}
        }
        finding = finding.at(miss.span, format!("meant for DNS, but {}", miss.text));
    }
    finding
}

fn fix_client(context: &Context<'_>, resolvers: &Resolvers, cause: &Cause) -> Fix {
    let Some(policy) = context.written(cause.at) else {
        return elsewhere(context, cause);
    };
    let Some(rules) = resolvers.allows(context) else {
        return Fix::advice(
            "allow egress to the addresses of the DNS servers, over UDP and TCP, with an `ipBlock`",
        );
    };
    let name = proposal::free_name(context, policy.namespace, "allow-dns");
    let namespace = &context.world[policy.namespace].name;
    let pods = &policy.spec.pod_selector;
    Fix {
        manifest: Some(proposal::manifest(
            namespace,
            &name,
            pods,
            Direction::Egress,
            &rules,
        )),
        ..Fix::advice("add a policy that allows DNS over UDP and TCP")
    }
}

/// What to do about a policy of another language, whose verdict a NetworkPolicy may not change.
fn elsewhere(context: &Context<'_>, cause: &Cause) -> Fix {
    let title = context.title(cause.at);
    let denies = denying(context, cause).is_some();
    Fix::advice(if denies {
        format!(
            "allow DNS over UDP and TCP before {title} denies it, or leave DNS out of that rule"
        )
    } else {
        format!("allow DNS over UDP and TCP in {title}, or in a policy that is asked before it")
    })
}

/// A policy for the servers, if they are selected by labels whose pods are all isolated already.
fn fix_servers(context: &Context<'_>, resolvers: &Resolvers, cause: &Cause) -> Fix {
    let advice = Fix::advice("let all pods query the DNS servers over UDP and TCP");
    let world = context.world;
    let Some(policy) = context.written(cause.at) else {
        return elsewhere(context, cause);
    };
    let Some(class) = resolvers.classes.first() else {
        return advice;
    };
    let requirement = |(key, value): (String, String)| Requirement {
        key: key.into(),
        operator: Operator::In(vec![value.into()]),
        span: policy.name_span,
    };
    let labels = resolvers.server_labels(context, class.server.endpoint);
    let selector = EndpointSelector {
        also: None,
        namespaces: NamespaceScope::Only(policy.namespace),
        pods: LabelSelector {
            requirements: labels.into_iter().map(requirement).collect(),
            span: policy.name_span,
        },
    };
    let members = context.eval.members(&selector);
    let isolated = |id: &EndpointId| context.is_isolated(*id, Direction::Ingress);
    let covered = |class: &super::resolvers::Class| members.contains(&class.server.endpoint);
    if !members.iter().all(isolated) || !resolvers.classes.iter().all(covered) {
        return advice;
    }
    let ports = [Protocol::Udp, Protocol::Tcp]
        .into_iter()
        .filter_map(|protocol| Some((protocol, listens(&class.server, protocol)?)));
    let rules = [Allow {
        whom: vec![Whom::AllPods],
        ports: ports.collect(),
    }];
    let name = proposal::free_name(context, policy.namespace, "allow-dns-queries");
    let namespace = &world[policy.namespace].name;
    Fix {
        manifest: Some(proposal::manifest(
            namespace,
            &name,
            &selector.pods,
            Direction::Ingress,
            &rules,
        )),
        ..Fix::advice("add a policy that lets all pods query the DNS servers")
    }
}

#[cfg(test)]
mod tests;
