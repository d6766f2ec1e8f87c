//! Readings that objects of the cluster set: what the API leaves open and the engine's settings
//! decide; and features that are off unless a setting switches them on.

use super::Proof;
use super::ask::read;
use super::image::Image;
use super::traps::Ask;
use crate::engine::{Engine, Feature, Profile};
use crate::world::World;
use crate::world::inventory::{Config, Controller, Said};

/// Where features are switched on that are off by default.
static OPT_INS: &[(Engine, &[Feature], Ask)] = &[
    (
        Engine::Cilium,
        &[Feature::Sctp],
        Ask::Key("", "cilium-config", "enable-sctp"),
    ),
    (
        Engine::Cilium,
        &[Feature::ClusterNetworkPolicy],
        Ask::Key("", "cilium-config", "enable-k8s-cluster-network-policy"),
    ),
    (
        Engine::Antrea,
        &[
            Feature::AdminNetworkPolicy,
            Feature::BaselineAdminNetworkPolicy,
        ],
        Ask::Key("kube-system", "antrea-config", "AdminNetworkPolicy"),
    ),
    (
        Engine::Antrea,
        &[Feature::ClusterNetworkPolicy],
        Ask::Key("kube-system", "antrea-config", "ClusterNetworkPolicy"),
    ),
    (
        Engine::KubeOvn,
        &[
            Feature::AdminNetworkPolicy,
            Feature::BaselineAdminNetworkPolicy,
        ],
        Ask::DeploymentFlag("kube-ovn-controller", "--enable-anp"),
    ),
    (
        Engine::OvnKubernetes,
        &[
            Feature::AdminNetworkPolicy,
            Feature::BaselineAdminNetworkPolicy,
        ],
        Ask::Flag("", "--enable-admin-network-policy"),
    ),
];

/// Notes which of the features that are off by default are seen on, or off; says what shows it.
pub(super) fn opted(
    world: &World,
    controller: Option<&Controller>,
    profile: &mut Profile,
) -> Vec<(Feature, bool, Proof)> {
    let mut shown = Vec::new();
    let engine = match profile.engine {
        Engine::GkeDpv2 | Engine::AzureCniCilium => Engine::Cilium,
        engine => engine,
    };
    let mut note = |feature: Feature, on: bool, object: &str, field: &str, said: &Said| {
        profile.opted.set(feature, on);
        let proof = Proof {
            object: object.to_owned(),
            field: field.to_owned(),
            value: said.text.to_string(),
            span: Some(said.span),
        };
        shown.push((feature, on, proof));
    };
    for (of, features, place) in OPT_INS {
        let Some((object, field, said)) =
            read(&world.inventory, controller, *place).filter(|_| *of == engine)
        else {
            continue;
        };
        let on = match &*said.text.to_ascii_lowercase() {
            // A flag without a value.
            "true" | "" => true,
            "false" => false,
            _ => continue,
        };
        for feature in *features {
            note(*feature, on, &object, &field, &said);
        }
    }
    // Each build of it reads one generation of the cluster-wide kinds, or none.
    let built = controller
        .filter(|_| engine == Engine::KubeNetworkPolicies)
        .and_then(|of| Some((of, of.container("kube-network-policies")?)));
    if let Some((controller, container)) = built {
        let image = Image::parse(&container.image.text);
        let is = |build: &str| image.repository.ends_with(build);
        for (feature, build) in [
            (Feature::AdminNetworkPolicy, "npa-v1alpha1"),
            (Feature::BaselineAdminNetworkPolicy, "npa-v1alpha1"),
            (Feature::ClusterNetworkPolicy, "npa-v1alpha2"),
        ] {
            // A mirror may call it anything.
            if is(build) || is("npa-v1alpha1") || is("npa-v1alpha2") || is("kube-network-policies")
            {
                let field = format!("container {} image", container.name);
                note(
                    feature,
                    is(build),
                    &controller.title(),
                    &field,
                    &container.image,
                );
            }
        }
    }
    shown
}

/// Sets the switches of a profile that settings decide; says which, and what shows it.
pub(super) fn apply(
    world: &World,
    controller: Option<&Controller>,
    profile: &mut Profile,
) -> Vec<(&'static str, Proof)> {
    let mut shown = Vec::new();
    let mut set = |name: &'static str, value: &str, object: String, field: String, said: &Said| {
        let before = profile.switches;
        if profile.switches.set(name, value).is_ok() && profile.switches != before {
            let proof = Proof {
                object,
                field,
                value: said.text.to_string(),
                span: Some(said.span),
            };
            shown.push((name, proof));
        }
    };
    let is_cilium = matches!(
        profile.engine,
        Engine::Cilium | Engine::GkeDpv2 | Engine::AzureCniCilium
    );
    let is_calico = matches!(
        profile.engine,
        Engine::Calico | Engine::Canal | Engine::GkeCalico | Engine::AksCalico | Engine::MicroK8s
    );
    let mut configs = world.inventory.configs.iter();
    if is_cilium && let Some(config) = configs.find(|config| &*config.name == "cilium-config") {
        let mut key = |key: &str, name: &'static str, wanted: fn(&str) -> Option<&'static str>| {
            let Some(said) = config.value(key) else {
                return;
            };
            if let Some(value) = wanted(&said.text) {
                set(name, value, config.title(), format!("data.{key}"), said);
            }
        };
        key("policy-cidr-match-mode", "cidr_match_nodes", nodes_match);
        key("policy-cidr-match-mode", "ipblock_nodes", nodes_match);
        key("allow-localhost", "allow_localhost", |text| {
            (text == "policy").then_some("policy")
        });
        key("enable-policy", "enforcement", |text| match text {
            "always" => Some("always"),
            _ => None,
        });
    } else if is_calico {
        let felix =
            |config: &&Config| &*config.kind == "FelixConfiguration" && &*config.name == "default";
        let action = "spec.defaultEndpointToHostAction";
        let variable = "FELIX_DEFAULTENDPOINTTOHOSTACTION";
        let felix = world.inventory.configs.iter().find(felix);
        if let Some((config, said)) = felix.and_then(|config| Some((config, config.value(action)?)))
        {
            set(
                "endpoint_to_host",
                capitalised(&said.text),
                config.title(),
                action.to_owned(),
                said,
            );
        } else if let Some((controller, said)) = controller.and_then(|controller| {
            let mut all = controller.containers.iter();
            Some((controller, all.find_map(|of| of.variable(variable))?))
        }) {
            let field = format!("env {variable}");
            set(
                "endpoint_to_host",
                capitalised(&said.text),
                controller.title(),
                field,
                said,
            );
        }
    }
    shown
}

fn nodes_match(text: &str) -> Option<&'static str> {
    text.split([',', ' '])
        .any(|word| word == "nodes")
        .then_some("true")
}

fn capitalised(text: &str) -> &'static str {
    match text.to_ascii_lowercase().as_str() {
        "accept" => "Accept",
        "drop" => "Drop",
        _ => "Return",
    }
}
