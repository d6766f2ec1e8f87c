//! A rule that is meant for DNS selects none of the DNS servers.
//!
//! ## What it finds
//! Egress rules for a DNS port whose peers are given by labels, where no DNS server of the cluster
//! has those labels, or its namespace has not. Silent where the selected pods listen for DNS
//! themselves: then they are another resolver. If the pods can resolve names by another rule, the
//! rule is only useless, and the finding a note; rules for the usual places of other distributions
//! are then not mentioned.
//!
//! Without DNS servers in the input the usual ones are assumed, and the finding is a note. It is a
//! note as well where the labels of the servers' namespace are not in the input.
//!
//! ## Why it matters
//! Such a rule looks like the DNS rule of the policy and allows nothing. Labels differ between
//! distributions: the Deployment may be called `coredns` and its pods carry `k8s-app=kube-dns`.
//! A label such as `name` on the namespace is there only if somebody has set it.
//!
//! ## Example
//! ```yaml
//! - to:
//!   - namespaceSelector:
//!       matchLabels:
//!         name: kube-system
//!     podSelector:
//!       matchLabels:
//!         k8s-app: coredns
//!   ports:
//!   - protocol: UDP
//!     port: 53
//! ```
//!
//! ## Instead
//! ```yaml
//! - to:
//!   - namespaceSelector:
//!       matchLabels:
//!         kubernetes.io/metadata.name: kube-system
//!     podSelector:
//!       matchLabels:
//!         k8s-app: kube-dns
//!   ports:
//!   - protocol: UDP
//!     port: 53
//!   - protocol: TCP
//!     port: 53
//! ```
//!
//! ## Semantics
//! - K-24: without `namespaceSelector` a peer means pods of the policy's own namespace.
//! - K-26: pod labels and namespace labels of one peer have to match both.
//! - K-35: every namespace has the label `kubernetes.io/metadata.name`.
//! - K-36: any other label for the name exists only where somebody has set it.
//! - M-2, M-3: what is assumed where the input has no DNS or no Namespace object.

use super::resolvers::{Resolvers, State, Why, dns_rules, has_labels, is_usual, names_dns};
use super::{Check, Context, Rule};
use crate::diag::{Finding, Fix, Severity};
use crate::policy::{self, EndpointSelector, Peer, RuleRef};
use crate::sets::{PortMatch, Protocol};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT303",
    name: "dns-rule-misses-servers",
    severity: Severity::Warning,
    summary: "a rule that is meant for DNS selects none of the DNS servers",
    source: include_str!("wt303_dns_rule_misses_servers.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let Some(resolvers) = context.resolvers() else {
        return;
    };
    for (at, rule) in dns_rules(context) {
        findings.extend(judge(context, resolvers, at, rule));
    }
}

fn judge(
    context: &Context<'_>,
    resolvers: &Resolvers,
    at: RuleRef,
    rule: &policy::Rule,
) -> Option<Finding> {
    let selectors: Vec<&EndpointSelector> = rule
        .peers
        .iter()
        .map(|peer| match peer {
            Peer::Endpoints(selector, _) => Some(selector),
            _ => None,
        })
        .collect::<Option<_>>()?;
    // Labels of a cache miss it for another reason (X-9).
    let of_cache = |selector: &&EndpointSelector| {
        let mut caches = resolvers.caches.iter();
        caches.any(|cache| has_labels(context.world, selector, *cache))
    };
    if selectors.iter().any(of_cache) {
        return None;
    }
    let miss = resolvers.miss(context, rule, protocol(rule))?;
    let why: &[_] = match miss.why {
        Why::Labels => &["K-26"],
        Why::UnknownLabels => &["K-36", "M-3"],
        Why::OwnNamespace => &["K-24"],
        _ => return None,
    };
    let client = resolvers.client_of(context, at.policy)?;
    let asked = resolvers.ask(context, client, protocol(rule));
    let works = asked.state == State::Open;
    if works && selectors.iter().any(|selector| is_usual(selector)) {
        return None;
    }
    let by_assumption = resolvers.assumed || miss.why == Why::UnknownLabels;
    let severity = if works || by_assumption {
        Severity::Note
    } else {
        Severity::Warning
    };
    let name = context.name_of(at.policy);
    let message = if works {
        format!("a DNS rule of `{name}` selects no DNS server; other rules allow DNS")
    } else {
        format!("the DNS rule of `{name}` selects no DNS server")
    };
    let mut finding = Finding::new(&RULE, message)
        .severity(severity)
        .subject(context.subject_of(at.policy))
        .at(miss.span, miss.text);
    let port = rule.traffic.iter().find(|item| names_dns(item));
    if let Some(span) = port.and_then(PortMatch::span) {
        finding = finding.at(span, "meant for DNS");
    }
    if let Some(shut) = asked.shut.filter(|_| !works) {
        finding = finding.evidence(context.word(&shut.connection, &shut.verdict));
    }
    finding = finding.why(why);
    if miss.why == Why::UnknownLabels {
        finding = finding.note(
            "the labels of the DNS servers' namespace are not in the input: the rule works if \
             somebody has set the one that it asks for (M-3)",
        );
    }
    if let Some(note) = resolvers.assumption() {
        finding = finding.note(note).why(&["M-2"]);
    }
    let places = resolvers.places(context);
    Some(finding.fix(match (miss.repair, places) {
        (Some(repair), _) if !by_assumption => {
            Fix::replace(format!("ask for `{repair}`"), miss.span, repair)
        }
        (_, Some(places)) => Fix::advice(format!("select the DNS servers: {places}")),
        (_, None) => Fix::advice("select the DNS servers by their labels"),
    }))
}

/// The protocol that a rule names DNS for, UDP if it is both.
fn protocol(rule: &policy::Rule) -> Protocol {
    let udp = rule.traffic.iter().any(|item| {
        names_dns(item)
            && matches!(
                item,
                PortMatch::Range {
                    protocol: Protocol::Udp,
                    ..
                } | PortMatch::Named {
                    protocol: Protocol::Udp,
                    ..
                }
            )
    });
    if udp { Protocol::Udp } else { Protocol::Tcp }
}

#[cfg(test)]
mod tests;
