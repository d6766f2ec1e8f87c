//! One fixture for each engine and each trap, with what must come out; and that none is forgotten.

use std::collections::BTreeSet;

use super::cluster::{C, Cluster, c, show};
use super::{amazon, others, platforms};
use crate::engine::Engine;
use crate::engine::detect::State;
use crate::engine::detect::traps::TRAPS;

/// What it shows, the cluster, and what must come out of it.
pub(super) type Case = (&'static str, Cluster, &'static str);

pub(super) const TWO: &[&str] = &["n1", "n2"];

pub(super) fn calico(image: &'static str) -> Vec<C> {
    vec![c("calico-node", image)]
}

pub(super) const PROXY: &str = "kube-system/kube-proxy";

pub(super) fn proxy(cluster: Cluster) -> Cluster {
    cluster.set(
        PROXY,
        &[c("kube-proxy", "registry.k8s.io/kube-proxy:v1.36.2")],
        TWO,
    )
}

pub(super) fn labelled(label: &str) -> Cluster {
    Cluster::of(&[]).node("n1", label, "").node("n2", label, "")
}

fn cases() -> Vec<Case> {
    let mut cases = amazon::cases();
    cases.extend(platforms::cases());
    cases.extend(others::cases());
    cases
}

#[test]
fn every_engine_and_every_trap_is_what_it_is() {
    let mut wrong = Vec::new();
    for (name, cluster, expected) in cases() {
        let (world, detected) = cluster.detect();
        let own = detected.engines.iter().flat_map(|engine| &engine.causes);
        for cause in detected.causes.iter().chain(own) {
            let is_plain = PLAIN.contains(&cause.id) || cause.state == State::Unknown;
            assert!(
                is_plain || !cause.source.is_empty(),
                "{} has no source",
                cause.id
            );
        }
        let shown = show(&(world, detected));
        if shown != expected {
            wrong.push(format!("{name}\n  found    {shown}\n  expected {expected}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// So that none is forgotten: each engine of the catalog and each cause appears in a case.
#[test]
fn the_table_is_complete() {
    let cases = cases();
    let shown: Vec<_> = cases.iter().map(|(_, _, expected)| *expected).collect();
    let words: BTreeSet<&str> = shown
        .iter()
        .flat_map(|text| text.split([' ', '@', ',', ';', '|']))
        .collect();
    let engines = Engine::ALL
        .iter()
        .filter(|engine| **engine != Engine::Reference);
    let missing: Vec<_> = engines
        .map(|of| of.word())
        .filter(|word| !words.contains(word))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    let causes = TRAPS
        .iter()
        .map(|trap| trap.id)
        .chain(OTHER_CAUSES.iter().copied());
    let missing: Vec<_> = causes.filter(|id| !words.contains(id)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
    for trap in TRAPS {
        assert!(
            !trap.source.is_empty() && !trap.advice.is_empty(),
            "{}",
            trap.id
        );
    }
}

#[test]
fn the_page_tells_every_cause() {
    let page = include_str!("../../../../../../docs/diagnose.md");
    let causes = TRAPS
        .iter()
        .map(|trap| trap.id)
        .chain(OTHER_CAUSES.iter().copied());
    let missing: Vec<_> = causes
        .filter(|id| !page.contains(&format!("`{id}`")))
        .collect();
    assert!(missing.is_empty(), "docs/diagnose.md lacks {missing:?}");
}

/// Causes that the catalog of engines tells, which has sources of its own; or what was read.
const PLAIN: &[&str] = &["release-does-not-enforce", "release-window"];

/// Causes that are no rows of the table of traps.
const OTHER_CAUSES: &[&str] = &[
    "aks-no-engine",
    "aws-v4-egress",
    "aws-no-policy-endpoints",
    "calico-interface-prefix",
    "daemonsets-unknown",
    "eks-auto-config-map",
    "eks-auto-node-class",
    "eks-no-engine",
    "engine-not-known",
    "engine-unknown",
    "gke-no-engine",
    "k3s-disabled",
    "k3s-servers-unknown",
    "k3s-window",
    "microk8s-without-calico",
    "minikube-bridge",
    "nothing-read",
    "oke-no-engine",
    "release-does-not-enforce",
    "release-unknown",
    "release-window",
    "two-engines",
];
