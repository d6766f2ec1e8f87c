//! Staged policies of Calico are never enforced.
//!
//! ## What it finds
//! StagedNetworkPolicy, StagedGlobalNetworkPolicy and StagedKubernetesNetworkPolicy objects: one
//! note for each kind. Verdicts of Watertight leave them out, as the cluster does.
//!
//! ## Why it matters
//! A staged policy shows in flow logs what it would do; it denies nothing and allows nothing. One
//! that was to be enforced some day and was forgotten looks like protection in a listing.
//!
//! ## Example
//! ```yaml
//! apiVersion: projectcalico.org/v3
//! kind: StagedGlobalNetworkPolicy
//! metadata: {name: default-deny}
//! spec: {selector: "all()", types: [Ingress, Egress]}
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: projectcalico.org/v3
//! kind: GlobalNetworkPolicy
//! metadata: {name: default-deny}
//! spec: {selector: "all()", types: [Ingress, Egress]}
//! ```
//!
//! ## Semantics
//! - C-62: staged policies never change a verdict, and do not make their tier take part

use std::collections::BTreeMap;

use super::{Check, Context, Rule, count};
use crate::diag::{Finding, Fix, Severity};
use crate::policy::Origin;
use crate::world::ObjectId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT605",
    name: "staged-policy",
    severity: Severity::Note,
    summary: "staged policies are never enforced",
    source: include_str!("wt605_staged_policy.rs"),
    check: Check::World(check),
};

/// Objects that a finding points at.
const PLACES: usize = 3;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let world = context.world;
    let mut kinds: BTreeMap<&str, Vec<ObjectId>> = BTreeMap::new();
    for id in world.object_ids() {
        let kind = world[id].kind;
        // WT604 speaks of what the engine does not read at all.
        if kind.kind.starts_with("Staged") && context.profile.reads(kind).is_ok() {
            kinds.entry(kind.kind).or_default().push(id);
        }
    }
    for (kind, objects) in kinds {
        let message = match objects.as_slice() {
            [one] => format!("{kind} `{}` is never enforced", world.object_name(*one)),
            more => format!(
                "{} of kind {kind} are never enforced",
                count(more.len(), "object")
            ),
        };
        let mut finding = Finding::new(&RULE, message)
            .why(&["C-62"])
            .fix(Fix::advice(format!(
                "write the same as {} once it is to be enforced, or remove it",
                enforced_kind(kind)
            )));
        for id in objects.iter().take(PLACES) {
            finding = finding.at(world[*id].name_span, "staged only");
        }
        if let [one] = objects.as_slice() {
            finding = finding.subject(context.origin_subject(Origin::Object(*one)));
        }
        findings.push(finding);
    }
}

/// The kind that a staged one previews.
fn enforced_kind(kind: &str) -> &'static str {
    match kind {
        "StagedKubernetesNetworkPolicy" => "a NetworkPolicy of networking.k8s.io/v1",
        "StagedNetworkPolicy" => "a NetworkPolicy of projectcalico.org/v3",
        _ => "a GlobalNetworkPolicy",
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::RULE;
    use crate::facts::metadata::Cloud;
    use crate::rules::testing::{findings, findings_on};

    const STAGED: &str = "
apiVersion: projectcalico.org/v3
kind: StagedGlobalNetworkPolicy
metadata: {name: default-deny}
spec: {selector: \"all()\", types: [Ingress, Egress]}
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: web, namespace: shop}
spec: {selector: \"app == 'web'\", types: [Ingress]}
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: db, namespace: shop}
spec: {selector: \"app == 'db'\", types: [Ingress]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web}]}
";

    #[test]
    fn c_62_one_note_for_each_kind() {
        expect![[r#"
            note[WT605] StagedGlobalNetworkPolicy `default-deny` is never enforced
              about: StagedGlobalNetworkPolicy default-deny
              at t.yaml:4:18: `default-deny` staged only
              why: C-62
              fix: write the same as a GlobalNetworkPolicy once it is to be enforced, or remove it
            note[WT605] 2 objects of kind StagedNetworkPolicy are never enforced
              at t.yaml:9:18: `web` staged only
              at t.yaml:14:18: `db` staged only
              why: C-62
              fix: write the same as a NetworkPolicy of projectcalico.org/v3 once it is to be enforced, or remove it
        "#]].assert_eq(&findings_on(&RULE, STAGED, "calico", Cloud::all()));
    }

    #[test]
    fn c_77_engines_that_read_no_calico_are_left_to_another_rule() {
        assert_eq!(findings_on(&RULE, STAGED, "cilium", Cloud::all()), "");
        assert_eq!(findings(&RULE, STAGED), "");
    }
}
