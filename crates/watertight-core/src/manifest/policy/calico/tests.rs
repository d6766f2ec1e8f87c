//! Objects of Calico as written: what its validation takes and refuses (C- rules).

mod policies;
mod rules;
mod sets;

use super::*;
use crate::manifest::{Body, Options, PolicyObject, load};
use crate::rules::testing::show;
use crate::source::Sources;

/// The object that comes out of a text, and what is said about it.
fn read(text: &str) -> (Option<CalicoObject>, String) {
    let mut sources = Sources::new();
    sources.add("t.yaml", text.into()).unwrap();
    let loaded = load(&sources, &Options::default());
    let said = loaded
        .findings
        .iter()
        .map(|finding| show(&sources, finding));
    let said = said.collect();
    let object = loaded.objects.first().map(|object| match &object.body {
        Body::Policy(_, policy) => match &**policy {
            PolicyObject::Calico(object) => object.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    (object, said)
}

fn object(kind: &str, metadata: &str, spec: &str) -> String {
    format!(
        "apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {spec}\n"
    )
}

fn np(spec: &str) -> String {
    object("NetworkPolicy", "name: p, namespace: x", spec)
}

fn gnp(spec: &str) -> String {
    object("GlobalNetworkPolicy", "name: p", spec)
}

/// A NetworkPolicy with one ingress rule that allows.
fn ingress(rule: &str) -> String {
    np(&format!("{{ingress: [{{action: Allow, {rule}}}]}}"))
}

/// A NetworkPolicy with one egress rule that allows.
fn egress(rule: &str) -> String {
    np(&format!("{{egress: [{{action: Allow, {rule}}}]}}"))
}

/// The object of a text about which nothing is said.
#[track_caller]
fn accepted(text: &str) -> CalicoObject {
    match read(text) {
        (Some(object), said) if said.is_empty() => object,
        (_, said) => panic!("{text}\n{said}"),
    }
}

/// What is said about an object that is left out.
#[track_caller]
fn refused(text: &str) -> String {
    match read(text) {
        (None, said) if !said.is_empty() => said,
        (object, said) => panic!("{text}\n{object:?}\n{said}"),
    }
}

#[track_caller]
fn policy(text: &str) -> CalicoPolicy {
    match accepted(text) {
        CalicoObject::Policy(policy) => *policy,
        other => panic!("{other:?}"),
    }
}

/// The rule of `ingress` or `egress`.
#[track_caller]
fn rule(text: &str) -> CalicoRule {
    let mut policy = policy(text);
    let rule = policy.ingress.rules.pop().or(policy.egress.rules.pop());
    rule.unwrap()
}
