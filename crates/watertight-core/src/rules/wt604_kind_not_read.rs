//! Policy objects of a kind that the engine does not read.
//!
//! ## What it finds
//! Objects of policy languages that this engine does not know, or knows no longer: policies of
//! Cilium in a cluster with Calico, AdminNetworkPolicy after an upgrade of Calico to 3.32, egress
//! firewalls anywhere but on OVN-Kubernetes. There is one finding for each kind. Where the policies
//! would have denied a connection that is open, the finding shows it and is an error.
//!
//! Kinds that the engine reads only where somebody switched that on are a note: whether it was
//! cannot be seen in manifests.
//!
//! ## Why it matters
//! The objects are accepted by the API server if their definition is installed, and `kubectl get`
//! lists them. Nothing says that they decide nothing.
//!
//! ## Example
//! ```yaml
//! # On Calico 3.32, which reads ClusterNetworkPolicy in its place.
//! apiVersion: policy.networking.k8s.io/v1alpha1
//! kind: AdminNetworkPolicy
//! metadata: {name: no-metadata}
//! spec:
//!   priority: 10
//!   subject: {namespaces: {}}
//!   egress:
//!   - action: Deny
//!     to: [{networks: [169.254.169.254/32]}]
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: policy.networking.k8s.io/v1alpha2
//! kind: ClusterNetworkPolicy
//! metadata: {name: no-metadata}
//! spec:
//!   tier: Admin
//!   priority: 10
//!   subject: {namespaces: {}}
//!   egress:
//!   - action: Deny
//!     to: [{networks: [169.254.169.254/32]}]
//! ```
//!
//! ## Semantics
//! - C-60: which versions of Calico read which generation of these kinds
//! - C-77: kinds of one name are told apart by their API group
//! - D-11: an engine that enforces nothing reads nothing

use super::isolation::{Probes, enforced};
use super::{Check, Context, Rule, count, engines};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::engine::{self, Engine, Feature, Inert, Profile, Support, Switches};
use crate::eval::{Connection, Decision, Evaluator, Verdict};
use crate::manifest::{Dialect, Direction, PolicyKind};
use crate::policy::{Origin, lower};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT604",
    name: "kind-not-read",
    severity: Severity::Error,
    summary: "policy objects of a kind that the engine does not read",
    source: include_str!("wt604_kind_not_read.rs"),
    check: Check::World(check),
};

/// Objects that a finding points at.
const PLACES: usize = 3;

/// Groups of pods that are tried for evidence.
const GROUPS: usize = 100;

/// Kinds that other objects refer to and that decide nothing alone.
const HELPERS: &[&str] = &[
    "CiliumCIDRGroup",
    "ClusterGroup",
    "GlobalNetworkSet",
    "Group",
    "NetworkSet",
    "Profile",
    "Tier",
];

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) && context.profile.facts().switches.enforcement.is_off() {
        // WT601 says that nothing is enforced, whatever its kind.
        return;
    }
    for inert in engine::inert(context.world, context.profile) {
        findings.extend(unread(context, &inert));
    }
    findings.extend(opt_in(context));
}

/// `3 objects of projectcalico.org`: kinds of one name differ by their group (C-77).
fn called(kind: PolicyKind) -> String {
    match kind.kind {
        "ClusterNetworkPolicy" | "NetworkPolicy" | "Tier" => {
            format!("{} of {}", kind.kind, kind.group)
        }
        plain => plain.to_owned(),
    }
}

fn unread(context: &Context<'_>, inert: &Inert) -> Option<Finding> {
    let world = context.world;
    let first = *inert.objects.first()?;
    let name = engines::name(context.profile);
    let what = match inert.objects.as_slice() {
        [one] => format!("`{}` decides nothing", world.object_name(*one)),
        more => format!("{} decide nothing", count(more.len(), "object")),
    };
    let message = format!("{name} does not read {}: {what}", called(inert.kind));
    let evidence = if HELPERS.contains(&inert.kind.kind) {
        None
    } else {
        would_deny(context, inert)
    };
    let severity = match evidence {
        Some(_) => Severity::Error,
        None if HELPERS.contains(&inert.kind.kind) => Severity::Note,
        None => Severity::Warning,
    };
    let mut finding = Finding::new(&RULE, message)
        .severity(severity)
        .note(inert.reason)
        .fix(Fix::advice(instead(context.profile, inert.kind)));
    for id in inert.objects.iter().take(PLACES) {
        finding = finding.at(world[*id].name_span, "not read");
    }
    if inert.kind.dialect == Dialect::Admin && engines::runs(context.profile, Engine::Calico) {
        finding = finding.why(&["C-60"]);
    }
    finding
        .why
        .extend(engines::deviation(context.profile.engine));
    finding.evidence.extend(evidence);
    Some(match inert.objects.as_slice() {
        [_] => finding.subject(context.origin_subject(Origin::Object(first))),
        _ => finding,
    })
}

/// What to write in place of a kind.
fn instead(profile: &Profile, kind: PolicyKind) -> String {
    let runs = |engine| engines::runs(profile, engine);
    let own = if kind.dialect == Dialect::Admin && profile_reads_cluster(profile) {
        "a ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2"
    } else if runs(Engine::Calico) {
        "a GlobalNetworkPolicy or NetworkPolicy of projectcalico.org/v3"
    } else if runs(Engine::Cilium) {
        "a CiliumNetworkPolicy or CiliumClusterwideNetworkPolicy"
    } else if runs(Engine::Antrea) {
        "a ClusterNetworkPolicy or NetworkPolicy of crd.antrea.io/v1beta1"
    } else {
        "a NetworkPolicy of networking.k8s.io/v1"
    };
    format!("say it in a kind that this engine reads, {own}, and remove the objects")
}

fn profile_reads_cluster(profile: &Profile) -> bool {
    matches!(
        profile.feature(Feature::ClusterNetworkPolicy),
        Support::Full | Support::Partial(_)
    )
}

/// The engine that a language was made for.
fn native(kind: PolicyKind) -> Engine {
    match kind.dialect {
        Dialect::Admin => Engine::Reference,
        Dialect::Calico => Engine::Calico,
        Dialect::Cilium => Engine::Cilium,
        Dialect::Antrea => Engine::Antrea,
        Dialect::EgressFirewall if kind.kind == "EgressFirewall" => Engine::OvnKubernetes,
        Dialect::EgressFirewall => Engine::OpenShiftSdn,
    }
}

/// A connection that is open and that these objects would deny on the engine they were made for.
fn would_deny(context: &Context<'_>, inert: &Inert) -> Option<Evidence> {
    let mut profile = Profile::new(native(inert.kind), None);
    if profile.switches.enforcement.is_off() {
        profile.switches.enforcement = Switches::default().enforcement;
    }
    let ruleset = lower(context.world, &profile);
    let eval = Evaluator::new(context.world, &ruleset, profile.switches);
    let paper = Context::new(context.sources, &eval, &profile, context.clouds);
    let probes = Probes::new(context);
    let by_kind = |verdict: &Verdict| {
        [verdict.egress, verdict.ingress].iter().any(|decision| {
            let at = match decision {
                Decision::Rule {
                    rule,
                    allowed: false,
                } => rule.policy,
                Decision::NoRule { isolated_by, .. } => *isolated_by,
                _ => return false,
            };
            matches!(paper.origin(at), Origin::Object(id) if context.world[id].kind == inert.kind)
        })
    };
    let open = |connection: &Connection| {
        let written = paper.eval.verdict(connection);
        if written.allowed || !by_kind(&written) {
            return None;
        }
        let real = context.eval.verdict(connection);
        let on_paper = paper.word(connection, &written);
        real.allowed.then(|| Evidence {
            because: format!("not read, {}", on_paper.because),
            by: on_paper.by,
            ..context.word(connection, &real)
        })
    };
    let concerned = context.groups().iter().filter(|group| {
        let selected = |direction| {
            let mut policies = eval.policies_of(group.example(), direction).iter();
            policies.any(|at| {
                let origin = paper.origin(*at);
                matches!(origin, Origin::Object(id) if context.world[id].kind == inert.kind)
            })
        };
        Direction::BOTH.iter().any(|direction| selected(*direction))
    });
    concerned.take(GROUPS).find_map(|group| {
        let own = group.example();
        let inside = probes.calls_from_inside(own);
        let tries = probes
            .calls_to_metadata(own)
            .chain(probes.calls_to_internet(own))
            .chain(inside)
            .chain(probes.calls_from_outside(own));
        tries.collect::<Vec<_>>().iter().find_map(open)
    })
}

/// One note for each kind that is read only where somebody switched it on.
fn opt_in(context: &Context<'_>) -> Vec<Finding> {
    let world = context.world;
    let kinds = [
        (Feature::AdminNetworkPolicy, "AdminNetworkPolicy"),
        (
            Feature::BaselineAdminNetworkPolicy,
            "BaselineAdminNetworkPolicy",
        ),
        (Feature::ClusterNetworkPolicy, "ClusterNetworkPolicy"),
    ];
    let notes = kinds.into_iter().filter_map(|(feature, kind)| {
        let Support::OptIn(note) = context.profile.feature(feature) else {
            return None;
        };
        let of_kind = |id: &_| {
            let object: &crate::world::PolicyItem = &world[*id];
            object.kind.dialect == Dialect::Admin && object.kind.kind == kind
        };
        let objects: Vec<_> = world.object_ids().filter(of_kind).collect();
        let first = *objects.first()?;
        context.profile.reads(world[first].kind).ok()?;
        let name = engines::name(context.profile);
        let verb = if objects.len() == 1 { "uses" } else { "use" };
        let message = format!(
            "{name} reads {kind} only where that was switched on ({} {verb} it)",
            count(objects.len(), "object")
        );
        let mut finding = Finding::new(&RULE, message)
            .severity(Severity::Note)
            .at(world[first].name_span, "decides only where it is read")
            .note(note);
        finding
            .why
            .extend(engines::deviation(context.profile.engine));
        Some(finding)
    });
    notes.collect()
}

#[cfg(test)]
mod tests;
