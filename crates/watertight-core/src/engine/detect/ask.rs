//! Looks at the places that traps name.
//!
//! INVARIANT: a place that was not read is [`Answer::Unknown`], with what would tell; it is never
//! taken for a value that is absent.

use super::traps::{Ask, Test, Trap};
use super::{Proof, asked};
use crate::world::inventory::{Config, Controller, ControllerKind, Inventory, KindState, Said};

/// What looking came to.
#[derive(Debug)]
pub(super) enum Answer {
    Yes(Proof),
    No,
    Unknown(Proof),
}

/// A value, none, or nobody knows.
enum Value {
    Said(Said),
    Absent,
    Unknown,
}

pub(super) fn ask(inventory: &Inventory, controller: Option<&Controller>, trap: &Trap) -> Answer {
    let (object, field, value) = look(inventory, controller, trap.ask);
    let proof = |value: &str, span| Proof {
        object: object.clone(),
        field: field.clone(),
        value: value.to_owned(),
        span,
    };
    let own_span = controller.map(|controller| controller.span);
    let is =
        |wanted: &[&str], text: &str| wanted.iter().any(|word| word.eq_ignore_ascii_case(text));
    match (value, trap.test) {
        (Value::Unknown, _) => Answer::Unknown(proof("not read", None)),
        (Value::Said(said), Test::Is(wanted)) if is(wanted, &said.text) => {
            Answer::Yes(proof(&said.text, Some(said.span)))
        }
        (Value::Said(said), Test::IsNot(wanted)) if !is(wanted, &said.text) => {
            Answer::Yes(proof(&said.text, Some(said.span)))
        }
        (Value::Absent, Test::IsNot(_) | Test::Holds) => Answer::Yes(proof("absent", own_span)),
        _ => Answer::No,
    }
}

/// The value at a place, if there is one: the object, the field and what it says.
pub(super) fn read(
    inventory: &Inventory,
    controller: Option<&Controller>,
    place: Ask,
) -> Option<(String, String, Said)> {
    match look(inventory, controller, place) {
        (object, field, Value::Said(said)) => Some((object, field, said)),
        _ => None,
    }
}

fn look(
    inventory: &Inventory,
    controller: Option<&Controller>,
    ask: Ask,
) -> (String, String, Value) {
    let title = controller.map_or("the DaemonSet".to_owned(), Controller::title);
    match ask {
        Ask::NoContainer(names) => {
            let field = format!("container {}", names.join(" or "));
            let value = match controller {
                None => Value::Unknown,
                Some(found) => {
                    let mut main = found.containers.iter().filter(|container| !container.init);
                    match main.find(|container| names.contains(&&*container.name)) {
                        Some(container) => Value::Said(container.image.clone()),
                        None => Value::Absent,
                    }
                }
            };
            (title, field, value)
        }
        Ask::Flag(container, flag) => {
            let field = match container {
                "" => flag.to_owned(),
                container => format!("{container}: {flag}"),
            };
            (title, field, flag_of(controller, container, flag))
        }
        Ask::Variable(container, name) => {
            let field = match container {
                "" => format!("env {name}"),
                container => format!("{container}: env {name}"),
            };
            let value = match controller {
                None => Value::Unknown,
                Some(found) => {
                    let mut of = found
                        .containers
                        .iter()
                        .filter(|of| is_named(&of.name, container));
                    let said = of.find_map(|container| container.variable(name).cloned());
                    said.map_or(Value::Absent, Value::Said)
                }
            };
            (title, field, value)
        }
        Ask::DeploymentFlag(name, flag) => {
            let found = deployment(inventory, name);
            let value = match found {
                Some(found) => flag_of(Some(found), "", flag),
                None => Value::Unknown,
            };
            (format!("Deployment {name}"), flag.to_owned(), value)
        }
        Ask::DeploymentReady(name) => {
            let found = deployment(inventory, name);
            let rollout = found.and_then(|found| found.rollout);
            let value = match rollout {
                Some(rollout) => Value::Said(Said {
                    text: rollout.ready.to_string().into(),
                    span: rollout.span,
                }),
                None if found.is_some() => Value::Absent,
                None => Value::Unknown,
            };
            let field = "status.readyReplicas".to_owned();
            (format!("Deployment {name}"), field, value)
        }
        Ask::Key(namespace, name, key) => {
            let namespace = match (namespace, controller) {
                ("", Some(controller)) => &*controller.namespace,
                ("", None) => "kube-system",
                (namespace, _) => namespace,
            };
            let found = inventory.config("ConfigMap", Some(namespace), name);
            let value = match found {
                Some(found) => value_of(found, key),
                None if config_maps_were_read(inventory) => Value::Absent,
                None => Value::Unknown,
            };
            let object = format!("ConfigMap {namespace}/{name}");
            (object, format!("data.{key}"), value)
        }
        Ask::Field(kind, path) => {
            let mut found = inventory
                .configs
                .iter()
                .filter(|config| *config.kind == *kind);
            let said = found.find_map(|config| config.value(path));
            let value = match said {
                Some(said) => Value::Said(said.clone()),
                None => Value::Unknown,
            };
            (kind.to_owned(), path.to_owned(), value)
        }
    }
}

fn is_named(name: &str, wanted: &str) -> bool {
    wanted.is_empty() || name == wanted
}

fn flag_of(controller: Option<&Controller>, container: &str, flag: &str) -> Value {
    let Some(found) = controller else {
        return Value::Unknown;
    };
    let mut of = found
        .containers
        .iter()
        .filter(|of| is_named(&of.name, container));
    let said = of.find_map(|container| {
        let bare = flag.strip_prefix("--").unwrap_or(flag);
        container.flag(flag).or_else(|| container.flag(bare))
    });
    said.map_or(Value::Absent, Value::Said)
}

fn value_of(config: &Config, key: &str) -> Value {
    config
        .value(key)
        .map_or(Value::Absent, |said| Value::Said(said.clone()))
}

fn deployment<'i>(inventory: &'i Inventory, name: &str) -> Option<&'i Controller> {
    let mut all = inventory.controllers_of(ControllerKind::Deployment);
    all.find(|controller| *controller.name == *name)
}

/// Whether a ConfigMap of an engine that is not there does not exist.
pub(super) fn config_maps_were_read(inventory: &Inventory) -> bool {
    let state = inventory.state("", "configmaps");
    state.is_some_and(|kind| kind.state == KindState::Complete)
}

/// Whether a kind of setting that is not there does not exist.
pub(super) fn settings_were_read(inventory: &Inventory, kind: &str) -> bool {
    let mut groups = asked::SETTINGS.iter().filter(|(.., of)| *of == kind);
    groups.any(|(group, resource, _)| {
        let state = inventory.state(group, resource);
        state.is_some_and(|kind| matches!(kind.state, KindState::Complete | KindState::NotServed))
    })
}
