//! What it means that no known engine runs.

use super::{Cause, Proof, Provider, State};
use crate::engine::{Enforcement, Engine, Profile};
use crate::world::World;
use crate::world::inventory::{ControllerKind, KindState};

/// What is said and what to do: where nobody has named an engine, and where somebody has.
struct Words {
    id: &'static str,
    state: State,
    text: &'static str,
    advice: &'static str,
    /// The two, for an engine that was named and is not seen.
    named: (&'static str, &'static str),
    source: &'static str,
}

const PROVE: &str = "prove it with `watertight verify`";

static NOT_LISTED: Words = Words {
    id: "daemonsets-unknown",
    state: State::Unknown,
    text: "DaemonSets could not be listed, so the network engine is not known",
    advice: "allow `list` of daemonsets in group apps, or name the engine with --engine",
    named: (
        "DaemonSets could not be listed, so nothing shows whether the engine that was named runs and is switched on",
        "allow `list` of daemonsets in group apps, or prove it with `watertight verify`",
    ),
    source: "",
};

static AKS: Words = Words {
    id: "aks-no-engine",
    state: State::NotEnforced,
    text: "this AKS cluster runs no policy engine: networkPolicy is none, the default",
    advice: "az aks update --network-policy cilium or calico",
    named: (
        "this AKS cluster runs no policy engine, and so not the one that was named: networkPolicy is none, the default",
        "az aks update --network-policy cilium or calico",
    ),
    source: "learn.microsoft.com ContainerServiceNetworkPolicy",
};

static GKE: Words = Words {
    id: "gke-no-engine",
    state: State::NotEnforced,
    text: "this GKE cluster runs neither Dataplane V2 nor the network policy add-on",
    advice: "enable the add-on and enforcement on nodes (two switches), or move to Dataplane V2",
    named: (
        "this GKE cluster runs neither Dataplane V2 nor the network policy add-on, nor the engine that was named",
        "enable the add-on and enforcement on nodes (two switches), or move to Dataplane V2",
    ),
    source: "hashicorp/terraform-provider-google issue 3673",
};

static OKE: Words = Words {
    id: "oke-no-engine",
    state: State::NotEnforced,
    text: "this OKE cluster runs no policy engine: VCN-native networking enforces nothing by itself",
    advice: "install Calico for policies, or another engine",
    named: (
        "this OKE cluster runs no policy engine, and so not the one that was named: VCN-native networking enforces nothing by itself",
        "install Calico for policies, or another engine",
    ),
    source: "docs.oracle.com Content/ContEng/Concepts/contengpodnetworking.htm",
};

static EKS: Words = Words {
    id: "eks-no-engine",
    state: State::Unknown,
    text: "neither the Amazon VPC CNI nor another known engine runs on this EKS cluster",
    advice: "name the engine with --engine, and prove it with `watertight verify`",
    named: (
        "neither the engine that was named nor another known one shows on this EKS cluster",
        PROVE,
    ),
    source: "",
};

static NOTHING_READ: Words = Words {
    id: "nothing-read",
    state: State::Unknown,
    text: "no DaemonSet was read, so the network engine is not known",
    advice: "read the whole cluster (kubectl get daemonsets,configmaps,nodes,pods -A), or name the engine with --engine",
    named: (
        "no DaemonSet was read, so nothing shows whether the engine that was named runs and is switched on",
        "read the whole cluster (kubectl get daemonsets,configmaps,nodes,pods -A), or prove it with `watertight verify`",
    ),
    source: "",
};

static NOT_KNOWN: Words = Words {
    id: "engine-not-known",
    state: State::Unknown,
    text: "none of the DaemonSets is a network engine that is known here",
    advice: "name the engine with --engine, and prove it with `watertight verify`",
    named: (
        "the engine that was named shows in none of the DaemonSets, and neither does another",
        PROVE,
    ),
    source: "",
};

/// Why the engine is not known; `named` is what somebody says that it is.
pub(super) fn none_found(
    world: &World,
    provider: Option<Provider>,
    named: Option<&Profile>,
) -> Cause {
    let inventory = &world.inventory;
    let sets: Vec<_> = inventory
        .controllers_of(ControllerKind::DaemonSet)
        .collect();
    let listed = inventory.state("apps", "daemonsets");
    let complete = listed.is_some_and(|kind| kind.state == KindState::Complete);
    let missing = listed.filter(|kind| kind.state.is_incomplete());
    let are_known = complete || !sets.is_empty();
    let words = match provider {
        _ if missing.is_some() => &NOT_LISTED,
        Some(Provider::Aks) if are_known => &AKS,
        Some(Provider::Gke) if are_known => &GKE,
        Some(Provider::Oke) if are_known => &OKE,
        Some(Provider::Eks) if are_known => &EKS,
        _ if are_known => &NOT_KNOWN,
        _ => &NOTHING_READ,
    };
    let names = sets
        .iter()
        .take(6)
        .map(|set| format!("{}/{}", set.namespace, set.name));
    let value = match sets.is_empty() {
        true if complete => "none".to_owned(),
        true => "not read".to_owned(),
        false => names.collect::<Vec<_>>().join(", "),
    };
    let proof = Proof {
        object: "DaemonSets".to_owned(),
        field: "names".to_owned(),
        value,
        span: missing.map(|kind| kind.span),
    };
    let named = named.filter(|profile| profile.engine != Engine::Reference);
    let told = |id, state, (text, advice): (&'static str, &'static str)| Cause {
        id,
        state,
        text,
        advice,
        source: words.source,
        proof: vec![proof],
    };
    match named {
        None => told(words.id, words.state, (words.text, words.advice)),
        // What an engine does not do it does nowhere.
        Some(profile) if profile.enforcement() == Enforcement::NotEnforced => {
            let why = (
                profile.enforcement_fact().reason,
                "run an engine that enforces policies, or a release that does",
            );
            told("engine-named", State::NotEnforced, why)
        }
        Some(_) => told(words.id, words.state, words.named),
    }
}
