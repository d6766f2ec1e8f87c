//! Readings that objects of the cluster set: what the API leaves open and the engine's settings
//! decide.

use super::Proof;
use crate::engine::{Engine, Profile};
use crate::world::World;
use crate::world::inventory::{Config, Controller, Said};

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
