//! What the rules about network engines share: how an engine is called, which page of the semantics
//! tells its deviations, and which engine works inside it.

use crate::engine::{Engine, Profile};

/// The engine as messages call it, with its version if one was given: `Cilium 1.15`.
pub(super) fn name(profile: &Profile) -> String {
    let name = match profile.engine {
        Engine::Reference => "the engine",
        _ => profile.facts().name,
    };
    match profile.version {
        Some(version) => format!("{name} {version}"),
        None => name.to_owned(),
    }
}

/// Whether this engine or the one inside it is `wanted`.
pub(super) fn runs(profile: &Profile, wanted: Engine) -> bool {
    let mut engine = Some(profile.engine);
    while let Some(found) = engine {
        if found == wanted {
            return true;
        }
        engine = found.facts().like;
    }
    false
}

/// The statement of docs/semantics.md about this engine.
pub(super) fn deviation(engine: Engine) -> Option<&'static str> {
    match engine {
        Engine::Calico
        | Engine::Canal
        | Engine::GkeCalico
        | Engine::AksCalico
        | Engine::MicroK8s => Some("D-2"),
        Engine::Cilium => Some("D-3"),
        Engine::Antrea => Some("D-4"),
        Engine::OvnKubernetes => Some("D-5"),
        Engine::KubeRouter | Engine::K3s => Some("D-6"),
        Engine::AwsVpcCni => Some("D-7"),
        Engine::Kindnet | Engine::KubeNetworkPolicies => Some("D-8"),
        Engine::AzureNpm => Some("D-9"),
        Engine::GkeDpv2 | Engine::AzureCniCilium => Some("D-10"),
        Engine::Flannel | Engine::MinikubeBridge => Some("D-11"),
        Engine::Reference
        | Engine::Weave
        | Engine::OpenShiftSdn
        | Engine::KubeOvn
        | Engine::Romana
        | Engine::Nuage
        | Engine::Terway => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_called_as_its_makers_write_it() {
        let name = |spec| name(&Profile::parse(spec).unwrap());
        assert_eq!(name("flannel"), "flannel");
        assert_eq!(name("cilium@1.15"), "Cilium 1.15");
        assert_eq!(name("eks@1.22.3"), "Amazon VPC CNI 1.22.3");
    }

    #[test]
    fn products_run_the_engine_inside() {
        let runs = |spec, wanted| runs(&Profile::parse(spec).unwrap(), wanted);
        assert!(runs("cilium", Engine::Cilium) && runs("gke-dpv2", Engine::Cilium));
        assert!(runs("canal", Engine::Calico) && runs("k3s", Engine::KubeRouter));
        assert!(!runs("cilium", Engine::Calico) && !runs("calico", Engine::Canal));
    }

    #[test]
    fn deviations_are_those_of_the_semantics_page() {
        let page = include_str!("../../../../docs/semantics.md");
        for engine in Engine::ALL {
            if let Some(id) = deviation(*engine) {
                assert!(page.contains(&format!("**{id}**")), "{engine} {id}");
            }
        }
    }
}
