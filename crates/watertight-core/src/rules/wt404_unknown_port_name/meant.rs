//! What a port name that no pod declares probably means.

use std::collections::BTreeSet;

use crate::rules::Context;
use crate::rules::selection::near_miss::only_slip;
use crate::sets::Protocol;
use crate::world::{EndpointId, Port};

/// What a wrong name probably means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meant {
    Misspelt(String),
    /// The Service calls it so; the pods call it this.
    OfService(String),
    /// The Service calls it so; the pods do not name it.
    Number(u16),
}

impl Meant {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Misspelt(name) | Self::OfService(name) => name.clone(),
            Self::Number(number) => number.to_string(),
        }
    }

    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Misspelt(_) => "",
            Self::OfService(_) | Self::Number(_) => {
                ": the name written here is that of the Service"
            }
        }
    }

    pub(super) fn is(&self, context: &Context<'_>, port: &Port) -> bool {
        match self {
            Self::Misspelt(name) | Self::OfService(name) => {
                port.name.is_some() && port.name == context.world.symbols.get(name)
            }
            Self::Number(number) => port.number == *number,
        }
    }
}

pub(super) fn candidates(
    context: &Context<'_>,
    pods: &[EndpointId],
    name: &str,
    protocol: Protocol,
) -> BTreeSet<Meant> {
    let world = context.world;
    let ports = pods.iter().flat_map(|pod| &world[*pod].ports);
    let ports = ports.filter(|port| port.protocol == protocol);
    let names: BTreeSet<&str> = ports
        .filter_map(|port| Some(world.symbols.text(port.name?)))
        .collect();
    let mut found: BTreeSet<Meant> = services(context, pods, name, protocol);
    if found.is_empty() {
        let slip = only_slip(name, names.iter().copied());
        found.extend(slip.map(|name| Meant::Misspelt(name.to_owned())));
    }
    found
}

/// What Services in front of the pods mean by the name.
fn services(
    context: &Context<'_>,
    pods: &[EndpointId],
    name: &str,
    protocol: Protocol,
) -> BTreeSet<Meant> {
    let world = context.world;
    let mut found = BTreeSet::new();
    for id in world.service_ids() {
        let service = &world[id];
        let Some(port) = service
            .ports
            .iter()
            .find(|port| port.name.as_deref() == Some(name) && port.protocol == protocol)
        else {
            continue;
        };
        if !pods
            .iter()
            .any(|pod| world[*pod].namespace == service.namespace)
        {
            continue;
        }
        let selected = world.selected_by(id);
        for pod in pods.iter().filter(|pod| selected.contains(pod)) {
            let mut declared = world[*pod].ports.iter();
            found.insert(match &port.target {
                Err(name) => Meant::OfService(name.to_string()),
                Ok(number) => {
                    let name = declared
                        .find(|port| port.number == *number && port.protocol == protocol)
                        .and_then(|port| port.name);
                    match name {
                        Some(name) => Meant::OfService(world.symbols.text(name).to_owned()),
                        None => Meant::Number(*number),
                    }
                }
            });
        }
    }
    found
}
