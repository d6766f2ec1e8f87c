//! The API server is allowed by labels, which never match it.
//!
//! ## What it finds
//! Egress rules that select the API server by labels and select no pod: by labels of its own, such
//! as `component: kube-apiserver`, which is an error; or by the namespace `kube-system` or
//! `default`, or by `tier: control-plane`, together with port 443 or 6443, which is a warning. The
//! pods reach none of the server's addresses by any other rule. Those addresses come from the
//! Service and EndpointSlice `default/kubernetes`, or from static pods of the control plane;
//! without them only the labels of the server itself are reported, as a warning.
//!
//! ## Why it matters
//! The API server runs on the host network or outside the cluster. No selector matches it, and
//! controllers and operators behind such a policy lose it: they start and then wait for timeouts.
//!
//! ## Example
//! ```yaml
//! - to:
//!   - namespaceSelector:
//!       matchLabels:
//!         kubernetes.io/metadata.name: kube-system
//!     podSelector:
//!       matchLabels:
//!         component: kube-apiserver
//!   ports:
//!   - port: 6443
//! ```
//!
//! ## Instead
//! ```yaml
//! - to:
//!   - ipBlock:
//!       cidr: 192.0.2.10/32     # kubectl -n default get endpointslices
//!   ports:
//!   - port: 6443
//! ```
//!
//! ## Semantics
//! - K-29: `namespaceSelector` selects pods, never nodes or outside addresses.
//! - K-72: a host-network pod is its node, which no selector matches.
//! - X-8: the API server cannot be selected by label.

use rustc_hash::FxHashMap;

use super::api_server::{self, ApiServer, names_api_port, open_to_all};
use super::{Check, Context, Rule, egress};
use crate::diag::{Finding, Severity};
use crate::policy::{self, EndpointSelector, NamespaceScope, Peer, RuleRef};
use crate::sets::{LabelSelector, Operator};
use crate::source::Span;
use crate::world::{EndpointId, NAME_LABEL};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT306",
    name: "api-server-by-label",
    severity: Severity::Error,
    summary: "the API server is allowed by labels, which never match it",
    source: include_str!("wt306_api_server_by_label.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let mut found = egress::rules(context)
        .filter_map(|(at, rule)| Some((at, rule, meant(rule)?)))
        .peekable();
    if found.peek().is_none() {
        return;
    }
    let api = ApiServer::find(context);
    let mut members = Members::default();
    for (at, rule, meant) in found {
        findings.extend(judge(context, &api, &mut members, at, rule, &meant));
    }
}

/// A peer that is for the API server.
struct Meant<'r> {
    selector: &'r EndpointSelector,
    span: Span,
    /// It names labels that only the server has.
    certain: bool,
    remark: &'static str,
}

fn meant(rule: &policy::Rule) -> Option<Meant<'_>> {
    let port = names_api_port(rule).map(|(_, port)| port);
    rule.peers.iter().find_map(|peer| {
        let Peer::Endpoints(selector, span) = peer else {
            return None;
        };
        let found = |span, certain, remark| Meant {
            selector,
            span,
            certain,
            remark,
        };
        if let Some(span) = own_label(&selector.pods) {
            let remark = "a label of the API server, which is on the host network or outside";
            return Some(found(span, true, remark));
        }
        let port = port?;
        if let Some(span) = asks(&selector.pods, |key, value| {
            key == "tier" && value == "control-plane"
        }) {
            let remark = "the control plane is on the host network or outside";
            return Some(found(span, false, remark));
        }
        let NamespaceScope::Matching(namespaces) = &selector.namespaces else {
            return None;
        };
        if !selector.pods.is_empty() {
            return None;
        }
        if namespaces.is_empty() && port != api_server::SERVICE_PORT {
            let remark = "pods of all namespaces; the API server is none of them";
            return Some(found(*span, false, remark));
        }
        let home = |key: &str, value: &str| {
            matches!(key, NAME_LABEL | "name") && matches!(value, "kube-system" | "default")
        };
        let span = asks(namespaces, home)?;
        let remark = "pods of this namespace; the API server is none of them";
        Some(found(span, false, remark))
    })
}

fn own_label(pods: &LabelSelector) -> Option<Span> {
    asks(pods, |key, value| {
        matches!(value, "kube-apiserver" | "openshift-kube-apiserver")
            || (key, value) == ("component", "apiserver")
            || (key, value) == ("provider", "kubernetes")
    })
}

/// The requirement that a key has a value for which the test holds.
fn asks(selector: &LabelSelector, test: impl Fn(&str, &str) -> bool) -> Option<Span> {
    let mut requirements = selector.requirements.iter();
    let found = requirements.find(|requirement| match &requirement.operator {
        Operator::In(values) => values.iter().any(|value| test(&requirement.key, value)),
        _ => false,
    })?;
    Some(found.span)
}

/// The pods of selectors, looked up once for each selector.
#[derive(Default)]
struct Members(FxHashMap<String, Vec<EndpointId>>);

impl Members {
    fn of(&mut self, context: &Context<'_>, selector: &EndpointSelector) -> &[EndpointId] {
        let namespaces = match &selector.namespaces {
            NamespaceScope::Only(namespace) => context.world[*namespace].name.to_string(),
            NamespaceScope::Matching(labels) => format!("={labels}"),
        };
        self.0
            .entry(format!("{namespaces} {}", selector.pods))
            .or_insert_with(|| context.eval.members(selector))
    }
}

fn judge(
    context: &Context<'_>,
    api: &ApiServer,
    members: &mut Members,
    at: RuleRef,
    rule: &policy::Rule,
    meant: &Meant<'_>,
) -> Option<Finding> {
    let selected = members.of(context, meant.selector);
    let port = names_api_port(rule);
    let for_pods = if meant.certain {
        !selected.is_empty()
    } else {
        // Pods that listen on the port are whom the rule is for.
        selected.iter().any(|id| {
            let mut ports = context.world[*id].ports.iter();
            ports.any(|own| port.is_some_and(|(_, port)| own.number == port))
        })
    };
    if for_pods {
        return None;
    }
    let name = context.name_of(at.policy);
    let finding = |message: String| {
        Finding::new(&RULE, message)
            .subject(context.subject_of(at.policy))
            .at(meant.span, meant.remark)
            .why(&["X-8", "K-72", "K-29"])
            .fix(api.fix(context, at.policy))
    };
    if api.addresses.is_empty() {
        if !meant.certain || open_to_all(context, at.policy) {
            return None;
        }
        let message = format!("`{name}` selects the API server by a label, which matches no pod");
        return Some(
            finding(message)
                .severity(Severity::Warning)
                .note(api_server::UNKNOWN),
        );
    }
    let (client, denied) = api.shut(context, at.policy)?;
    let client = context.party_name(crate::eval::Party::Endpoint(client));
    let places = api.places();
    let found = if meant.certain {
        finding(format!(
            "`{client}` cannot reach the API server ({places}): `{name}` selects it by a label, \
             which never matches"
        ))
    } else {
        finding(format!(
            "`{client}` cannot reach the API server ({places}): `{name}` seems to select it by a \
             label, which never matches"
        ))
        .severity(Severity::Warning)
    };
    let found = match port.filter(|_| !meant.certain) {
        Some((span, _)) => found.at(span, "a port of the API server"),
        None => found,
    };
    Some(found.evidence(context.evidence(&denied)))
}

#[cfg(test)]
mod tests;
