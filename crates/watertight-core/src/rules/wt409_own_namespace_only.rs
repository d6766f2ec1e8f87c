//! An empty selector in a CiliumNetworkPolicy means the pods of its own namespace.
//!
//! ## What it finds
//! `fromEndpoints: [{}]` and `toEndpoints: [{}]` in a CiliumNetworkPolicy whose name says that
//! everybody is meant (`allow-all`, `from-anywhere`), where pods of other namespaces are denied.
//! Names that speak of the namespace (`allow-all-within-namespace`) are taken at their word.
//!
//! ## Why it matters
//! In a namespaced policy Cilium adds the policy's own namespace to every selector of pods that does
//! not name one. `{}` admits neither other namespaces nor nodes nor anybody outside. In a
//! CiliumClusterwideNetworkPolicy the same words mean every pod of the cluster.
//!
//! ## Example
//! ```yaml
//! apiVersion: cilium.io/v2
//! kind: CiliumNetworkPolicy
//! metadata: {name: allow-all, namespace: shop}
//! spec:
//!   endpointSelector: {}
//!   ingress:
//!   - fromEndpoints: [{}]
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: cilium.io/v2
//! kind: CiliumNetworkPolicy
//! metadata: {name: allow-all, namespace: shop}
//! spec:
//!   endpointSelector: {}
//!   ingress:
//!   - fromEntities: [all]   # or cluster: pods and nodes, and nobody outside
//! ```
//!
//! ## Semantics
//! - L-5: a selector without a namespace is limited to the policy's own
//! - L-35: `[{}]` admits no host, nobody outside, no other namespace

use super::isolation::{enforced, opposite};
use super::selection::sample;
use super::{Check, Context, Rule, witness};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::eval::{Decision, Party};
use crate::manifest::policy::cilium::{CiliumObject, CiliumPeers};
use crate::manifest::{Direction, PolicyObject};
use crate::policy::{Origin, PolicyRef};
use crate::source::Span;
use crate::world::ObjectId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT409",
    name: "own-namespace-only",
    severity: Severity::Note,
    summary: "an empty selector that means the own namespace and not everybody",
    source: include_str!("wt409_own_namespace_only.rs"),
    check: Check::World(check),
};

/// Words that mean everybody, and words that limit them to the namespace.
const EVERYBODY: &[&str] = &[
    "all",
    "any",
    "anybody",
    "anyone",
    "anywhere",
    "cluster",
    "everybody",
    "everyone",
    "everything",
    "everywhere",
    "public",
    "world",
];
const WITHIN: &[&str] = &[
    "inside",
    "internal",
    "intra",
    "local",
    "namespace",
    "ns",
    "own",
    "same",
    "self",
    "within",
];

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) {
        return;
    }
    let world = context.world;
    for id in world.object_ids() {
        let item = &world[id];
        let PolicyObject::Cilium(CiliumObject::Policy(policy)) = &item.object else {
            continue;
        };
        if policy.clusterwide || !means_everybody(&item.name) {
            continue;
        }
        for direction in Direction::BOTH {
            let items = policy
                .rules
                .iter()
                .flat_map(|rule| &rule.section(direction).allow);
            let mut empty = items.filter_map(|item| match &item.peers {
                CiliumPeers::Endpoints(selectors) => {
                    let mut selectors = selectors.iter();
                    selectors.find(|selector| selector.requirements.is_empty())
                }
                _ => None,
            });
            if let Some(selector) = empty.next()
                && let Some(evidence) = denied(context, id, direction, selector.span)
            {
                findings.push(report(context, id, direction, selector.span, evidence));
            }
        }
    }
}

fn means_everybody(name: &str) -> bool {
    let words = || name.split(|c: char| !c.is_ascii_alphanumeric());
    let has = |list: &[&str]| words().any(|word| list.contains(&word));
    has(EVERYBODY) && !has(WITHIN)
}

/// A connection with a pod of another namespace that no rule admits, on a port that this selector is
/// for; one that the other end would let pass, if there is one.
fn denied(
    context: &Context<'_>,
    id: ObjectId,
    direction: Direction,
    selector: Span,
) -> Option<Evidence> {
    let tiers = context.eval.ruleset.tiers(direction).iter().enumerate();
    let own = tiers.flat_map(|(tier, found)| {
        let policies = found.policies.iter().enumerate();
        let own = policies.filter(|(_, found)| found.origin == Origin::Object(id));
        own.map(move |(policy, _)| PolicyRef {
            direction,
            tier,
            policy,
        })
    });
    let rules = own.flat_map(|at| witness::rules_of(context, at));
    let rules = rules.filter(|(_, rule)| {
        let mut peers = rule.peers.iter();
        peers.any(|peer| peer.span() == Some(selector))
    });
    let mut elsewhere_too = None;
    for (at, rule) in rules {
        let subjects = context.eval.subjects_of(at.policy).iter().copied();
        let read = subjects.filter(|id| !context.world[*id].assumed);
        for subject in read.take(sample::TRIES) {
            for other in witness::strangers(context, subject) {
                if !matches!(other, Party::Endpoint(_)) {
                    continue;
                }
                let destination = sample::destination(direction, subject, other);
                let port = sample::port(context.world, &rule.traffic, destination);
                let connection = sample::connection(direction, subject, other, port);
                let verdict = context.eval.verdict(&connection);
                if !matches!(witness::side(direction, &verdict), Decision::NoRule { .. }) {
                    continue;
                }
                let evidence = || witness::evidence(context, direction, &connection, &verdict);
                if witness::side(opposite(direction), &verdict).is_allowed() {
                    return Some(evidence());
                }
                elsewhere_too.get_or_insert_with(evidence);
            }
        }
    }
    elsewhere_too
}

fn report(
    context: &Context<'_>,
    id: ObjectId,
    direction: Direction,
    span: Span,
    evidence: Evidence,
) -> Finding {
    let (list, entities) = match direction {
        Direction::Ingress => ("fromEndpoints", "fromEntities"),
        Direction::Egress => ("toEndpoints", "toEntities"),
    };
    let namespace = context.world[id].namespace;
    let namespace = namespace.map_or("", |id| &*context.world[id].name);
    let message = format!(
        "`{}` admits pods of `{namespace}` alone: `{list}: [{{}}]` does not mean everybody",
        context.world.object_name(id)
    );
    Finding::new(&RULE, message)
        .subject(context.origin_subject(Origin::Object(id)))
        .at(span, "every pod of the own namespace")
        .evidence(evidence)
        .why(&["L-5", "L-35"])
        .fix(Fix::advice(format!(
            "use `{entities}: [all]` for everybody, or `[cluster]` for pods and nodes; or give the \
             policy a name that speaks of the namespace"
        )))
}

#[cfg(test)]
mod tests;
