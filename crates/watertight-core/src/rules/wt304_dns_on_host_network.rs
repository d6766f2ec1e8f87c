//! A DNS rule goes by labels, and what answers is on the host network.
//!
//! ## What it finds
//! Egress rules that allow DNS by labels where no selector can match what answers: DNS servers on
//! the host network, or a node-local DNS cache in front of the servers whose address no rule of
//! the pods allows. Where the engine exempts traffic between a pod and its own node, the cache is
//! reached all the same; one note for the whole cluster then says what the names depend on.
//!
//! ## Why it matters
//! A node-local cache answers on an address of the node, 169.254.20.10 or the address of the DNS
//! Service itself. The queries never get to the pods that the rule names, so a rule that is right
//! on a cluster without the cache breaks all names on a cluster with it.
//!
//! ## Example
//! ```yaml
//! - to:
//!   - namespaceSelector: {}
//!     podSelector:
//!       matchLabels:
//!         k8s-app: node-local-dns     # a DaemonSet with hostNetwork: true
//!   ports:
//!   - protocol: UDP
//!     port: 53
//! ```
//!
//! ## Instead
//! ```yaml
//! - to:
//!   - ipBlock:
//!       cidr: 169.254.20.10/32
//!   ports:
//!   - protocol: UDP
//!     port: 53
//!   - protocol: TCP
//!     port: 53
//! ```
//!
//! ## Semantics
//! - K-72: a host-network pod is its node, which no selector matches.
//! - K-73: traffic between a pod and its own node; the specification exempts it, engines differ.
//! - X-9: a rule for the kube-dns pods holds only where queries go to them.

use super::proposal::{self, Allow, Whom};
use super::resolvers::{Resolvers, State, Why, dns_rules, has_labels};
use super::{Check, Context, Rule, count};
use crate::diag::{Finding, Fix, Severity};
use crate::eval::Connection;
use crate::facts::ranges::node_local_dns;
use crate::manifest::Direction;
use crate::policy::{self, Peer, RuleRef};
use crate::sets::Protocol;
use crate::source::Span;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT304",
    name: "dns-on-host-network",
    severity: Severity::Warning,
    summary: "a DNS rule goes by labels, and what answers is on the host network",
    source: include_str!("wt304_dns_on_host_network.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let Some(resolvers) = context.resolvers() else {
        return;
    };
    let mut exempt = Vec::new();
    for (at, rule) in dns_rules(context) {
        if let Some(finding) = servers(context, resolvers, at, rule) {
            findings.push(finding);
            continue;
        }
        match passes_cache(context, resolvers, at, rule) {
            Some(passed) if passed.exempt => exempt.push(passed),
            Some(passed) => findings.push(cache(context, &passed)),
            None => {}
        }
    }
    findings.extend(note(context, resolvers, &exempt));
}

/// Servers on the host network.
fn servers(
    context: &Context<'_>,
    resolvers: &Resolvers,
    at: RuleRef,
    rule: &policy::Rule,
) -> Option<Finding> {
    let miss = resolvers.miss(context, rule, Protocol::Udp)?;
    if miss.why != Why::HostNetwork {
        return None;
    }
    let client = resolvers.client_of(context, at.policy)?;
    let asked = resolvers.ask(context, client, Protocol::Udp);
    let shut = asked.shut.filter(|_| asked.state != State::Open)?;
    let name = context.name_of(at.policy);
    let message = format!(
        "the DNS rule of `{name}` selects pods on the host network, which no label matches"
    );
    let fix = match resolvers.places(context) {
        Some(places) => format!("allow the addresses instead: {places}"),
        None => "allow the addresses of the nodes that run DNS, with an `ipBlock`".to_owned(),
    };
    Some(
        Finding::new(&RULE, message)
            .subject(context.subject_of(at.policy))
            .at(miss.span, miss.text)
            .evidence(context.word(&shut.connection, &shut.verdict))
            .why(&["K-72", "X-9"])
            .fix(Fix::advice(fix)),
    )
}

/// A rule that names the servers and not the cache in front of them.
struct Passed {
    at: RuleRef,
    span: Span,
    denied: Connection,
    exempt: bool,
}

fn passes_cache(
    context: &Context<'_>,
    resolvers: &Resolvers,
    at: RuleRef,
    rule: &policy::Rule,
) -> Option<Passed> {
    if resolvers.caches.is_empty() {
        return None;
    }
    let named = |peer: &Peer| match peer {
        Peer::Endpoints(selector, span) => {
            let classes = resolvers.classes.iter();
            let servers = classes.map(|class| class.server.endpoint);
            let mut named = servers.chain(resolvers.caches.iter().copied());
            named
                .any(|id| has_labels(context.world, selector, id))
                .then_some(*span)
        }
        _ => None,
    };
    let span = rule.peers.iter().find_map(named)?;
    let client = resolvers.client_of(context, at.policy)?;
    let mut queries = resolvers.cache_queries(context, client, Protocol::Udp);
    let first = queries.next()?;
    let mut all = std::iter::once(first).chain(queries);
    let exempt = resolvers.cache_is_exempt(context, client);
    let denied = all.all(|query| {
        let verdict = context.eval.verdict(&query);
        !verdict.allowed && verdict.uncertain.is_none()
    });
    denied.then_some(Passed {
        at,
        span,
        denied: first,
        exempt,
    })
}

const REMARK: &str = "no selector matches the node-local DNS cache";

fn cache(context: &Context<'_>, passed: &Passed) -> Finding {
    let name = context.name_of(passed.at.policy);
    let message = format!("the DNS rule of `{name}` does not cover the node-local DNS cache");
    let finding = Finding::new(&RULE, message)
        .subject(context.subject_of(passed.at.policy))
        .at(passed.span, REMARK)
        .evidence(context.evidence(&passed.denied))
        .why(&["X-9", "K-72"]);
    let known = node_local_dns().first();
    let known = known.filter(|_| context.eval.switches.ipblock_nodes);
    let Some((known, policy)) = known.zip(context.written(passed.at.policy)) else {
        return finding.fix(Fix::advice(
            "no `ipBlock` matches a node on this engine: allow the host with a policy of the \
             engine's own, or let it redirect queries to a cache that is a pod",
        ));
    };
    let rules = [Allow {
        whom: vec![Whom::Address(known.address)],
        ports: vec![(Protocol::Udp, 53), (Protocol::Tcp, 53)],
    }];
    let wanted = "allow-node-local-dns";
    let manifest = proposal::manifest(
        &context.world[policy.namespace].name,
        &proposal::free_name(context, policy.namespace, wanted),
        &policy.spec.pod_selector,
        Direction::Egress,
        &rules,
    );
    finding
        .note(format!(
            "{} is where a node-local DNS cache usually listens; allow the address that the pods' \
             /etc/resolv.conf names",
            known.address
        ))
        .fix(Fix {
            manifest: Some(manifest),
            ..Fix::advice("add a policy that allows the address of the cache")
        })
}

/// One note for all rules that work by the exemption of the own node.
fn note(context: &Context<'_>, resolvers: &Resolvers, passed: &[Passed]) -> Option<Finding> {
    let first = passed.first()?;
    let cache = resolvers.caches.first()?;
    let mut policies: Vec<_> = passed.iter().map(|passed| passed.at.policy).collect();
    policies.sort_unstable();
    policies.dedup();
    let whose = match policies.as_slice() {
        [only] => format!("the DNS rule of `{}` does", context.name_of(*only)),
        more => format!("the DNS rules of {} do", count(more.len(), "policy")),
    };
    let message = format!(
        "{whose} not cover the node-local DNS cache; names resolve because a pod's own node is \
         exempt from policy"
    );
    let mut finding = Finding::new(&RULE, message)
        .severity(Severity::Note)
        .subject(context.endpoint_subject(*cache));
    for passed in passed.iter().take(3) {
        finding = finding.at(passed.span, REMARK);
    }
    Some(
        finding
            .evidence(context.evidence(&first.denied))
            .note(
                "the evidence is what the policies say of the address; it lies on the pod's own \
                 node, so they are not asked (K-73). Engines that police this traffic, such as \
                 Calico and Cilium, deny it",
            )
            .why(&["X-9", "K-72", "K-73"])
            .fix(Fix::advice(
                "allow the address that the pods' /etc/resolv.conf names as well, with an `ipBlock`",
            )),
    )
}

#[cfg(test)]
mod tests;
