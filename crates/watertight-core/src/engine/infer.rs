//! Which engine a cluster has, where nobody says it: its own policy objects tell.

use super::detect::{Detected, State};
use super::{Engine, Profile};
use crate::manifest::Dialect;
use crate::world::World;

/// An engine that the input suggests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inferred {
    /// The engine with the switches that were set.
    pub profile: Profile,
    /// Why, behind "the network engine is taken to be X:".
    pub why: String,
}

/// The engine whose own policy objects are most in a world; none if there are none of any engine.
/// `pinned` are the switches that somebody has set: they stay.
#[must_use]
pub fn infer(world: &World, profile: &Profile, pinned: &[String]) -> Option<Inferred> {
    let count = |dialect: Dialect, kind: Option<&str>| {
        let items = world.objects.iter();
        let own = items.filter(|item| item.kind.dialect == dialect);
        own.filter(|item| kind.is_none_or(|kind| item.kind.kind == kind))
            .count()
    };
    let firewall = |kind| count(Dialect::EgressFirewall, Some(kind));
    let counts = [
        (Engine::Calico, "Calico", count(Dialect::Calico, None)),
        (Engine::Cilium, "Cilium", count(Dialect::Cilium, None)),
        (Engine::Antrea, "Antrea", count(Dialect::Antrea, None)),
        (
            Engine::OvnKubernetes,
            "OVN-Kubernetes",
            firewall("EgressFirewall"),
        ),
        (
            Engine::OpenShiftSdn,
            "OpenShift SDN",
            firewall("EgressNetworkPolicy"),
        ),
    ];
    // Of equal counts the first one in this list.
    let (engine, name, most) = counts.into_iter().rev().max_by_key(|(.., count)| *count)?;
    if most == 0 {
        return None;
    }
    let found = carry(profile, pinned, Profile::new(engine, None));
    let others = counts
        .iter()
        .filter(|(of, _, count)| *of != engine && *count > 0);
    let others: Vec<String> = others
        .map(|(_, name, count)| format!("{count} of {name}"))
        .collect();
    let objects = if most == 1 { "object" } else { "objects" };
    let mut why = format!("the input has {most} policy {objects} of {name}");
    if !others.is_empty() {
        why.push_str(&format!(", and fewer of others ({})", others.join(", ")));
    }
    Some(Inferred {
        profile: found,
        why,
    })
}

/// What somebody has said about the cluster stays when its engine is found out.
fn carry(profile: &Profile, pinned: &[String], mut found: Profile) -> Profile {
    if let Some(version) = profile.k8s_version {
        found = found.with_k8s_version(version);
    }
    found.switches.strict_cidr = profile.switches.strict_cidr;
    for (switch, value) in profile.switches.describe() {
        if pinned.iter().any(|pinned| pinned == switch) {
            // It was set like that once.
            let _ = found.switches.set(switch, value);
            if switch == "enforcement" {
                found.seen = None;
            }
        }
    }
    found
}

/// The engine that a cluster was seen to run, with what its objects set and whether it enforces.
/// Manifests that are no dump tell the engine, and not whether it acts.
#[must_use]
pub fn take_detected(
    world: &World,
    detected: &Detected,
    profile: &Profile,
    pinned: &[String],
) -> Option<Inferred> {
    let (mut found, engine) = (detected.profile?, detected.engine()?);
    let inventory = &world.inventory;
    let mut controllers = inventory.controllers.iter();
    let is_cluster = inventory.snapshot.is_some()
        || !inventory.nodes.is_empty()
        || controllers.any(|controller| controller.rollout.is_some());
    if !is_cluster {
        if engine.state == State::NotEnforced {
            return None;
        }
        found.seen = None;
    }
    let seen = &engine.seen;
    let mut why = format!("{} has {} `{}`", seen.object, seen.field, seen.value);
    if is_cluster && !detected.state.is_enforced() {
        let meaning = detected.state.meaning();
        why.push_str(&format!(
            "; policies {meaning} (`watertight diagnose` tells where and why)"
        ));
    }
    Some(Inferred {
        profile: carry(profile, pinned, found),
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{self, Options};
    use crate::source::Sources;
    use crate::world::{Assume, build};

    const CALICO: &str = "{apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, \
                          metadata: {name: NAME}, spec: {}}\n---\n";
    const CILIUM: &str = "{apiVersion: cilium.io/v2, kind: CiliumNetworkPolicy, \
                          metadata: {name: NAME, namespace: x}, \
                          spec: {endpointSelector: {}, ingress: [{}]}}\n---\n";

    fn inferred(text: &str, pinned: &str) -> Option<Inferred> {
        let mut sources = Sources::new();
        sources.add("t.yaml", text.into()).unwrap();
        let loaded = manifest::load(&sources, &Options::default());
        assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
        let (world, _) = build(&sources, &loaded.objects, &Assume::default());
        let mut profile = Profile::reference();
        if !pinned.is_empty() {
            profile.switches.set(pinned, "none").unwrap();
        }
        infer(&world, &profile, &[pinned.to_owned()])
    }

    #[test]
    fn m_5_the_input_tells_the_engine() {
        let calico = inferred(&CALICO.replace("NAME", "a"), "").unwrap();
        assert_eq!(calico.profile, Profile::new(Engine::Calico, None));
        assert_eq!(calico.why, "the input has 1 policy object of Calico");
        let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x}}";
        assert_eq!(inferred(pod, ""), None);
    }

    #[test]
    fn m_5_of_several_the_one_with_most_objects() {
        let both = CALICO.replace("NAME", "a") + &CILIUM.replace("NAME", "a");
        let more = both.clone() + &CILIUM.replace("NAME", "b");
        assert_eq!(inferred(&both, "").unwrap().profile.engine, Engine::Calico);
        let found = inferred(&more, "").unwrap();
        assert_eq!(found.profile.engine, Engine::Cilium);
        assert_eq!(
            found.why,
            "the input has 2 policy objects of Cilium, and fewer of others (1 of Calico)"
        );
    }

    #[test]
    fn switches_that_were_set_stay() {
        let found = inferred(&CALICO.replace("NAME", "a"), "node_local").unwrap();
        let expected = Profile::new(Engine::Calico, None).switches;
        let changed = found.profile.switches.differences(&expected);
        assert_eq!(changed, [("node_local", "none")]);
    }
}
