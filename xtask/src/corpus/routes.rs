//! What an Ingress or an OpenShift Route lets in, as the tool sees it that wrote the expected maps.
//!
//! One pseudo pod stands for every ingress controller. It reaches the pods behind the Services that
//! are named, on target ports that those pods declare, as far as policies let it: a port counts if the
//! pod declares the number, under whatever protocol.

use std::collections::BTreeMap;

use watertight_core::document::Node;
use watertight_core::eval::Party;
use watertight_core::sets::Protocol;
use watertight_core::world::{EndpointId, Service, World};

use super::judge::Judge;
use super::manifests::{CONTROLLER, Cluster, namespace};
use super::ports::Ports;

/// The source of such connections in expected maps.
pub(super) const SOURCE: &str = "ingress-controller";

/// A Service that is named, and the port of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Backend {
    namespace: String,
    service: String,
    port: Wanted,
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// Every port of the Service.
    Any,
    Number(u16),
    Name(String),
}

impl Wanted {
    fn of(node: Option<Node<'_, '_>>) -> Self {
        let number = node.and_then(Node::integer);
        match (number, node.and_then(Node::str)) {
            (Some(number), _) => u16::try_from(number).map_or(Self::Any, Self::Number),
            (None, Some(name)) if !name.is_empty() => Self::Name(name.to_owned()),
            _ => Self::Any,
        }
    }
}

/// Collects the backends of an object, if it is an Ingress or a Route.
pub(super) fn backends(object: Node<'_, '_>, found: &mut Vec<Backend>) {
    let text = |key| object.get(key).and_then(Node::str).unwrap_or_default();
    let Some(spec) = object.get("spec") else {
        return;
    };
    let mut push = |service: Option<Node<'_, '_>>, port| {
        if let Some(service) = service.and_then(Node::str) {
            found.push(Backend {
                namespace: namespace(object),
                service: service.to_owned(),
                port,
            });
        }
    };
    match (text("apiVersion").split('/').next(), text("kind")) {
        (Some("networking.k8s.io"), "Ingress") => {
            let rules = spec.get("rules").into_iter().flat_map(Node::items);
            let paths = rules
                .filter_map(|rule| rule.get("http")?.get("paths"))
                .flat_map(Node::items)
                .filter_map(|path| path.get("backend"));
            for backend in spec.get("defaultBackend").into_iter().chain(paths) {
                let service = backend.get("service");
                let of = |key| service?.get("port")?.get(key);
                let port = Wanted::of(of("name").or_else(|| of("number")));
                push(service.and_then(|service| service.get("name")), port);
            }
        }
        (Some("route.openshift.io"), "Route") => {
            let others = spec.get("alternateBackends");
            let others = others.into_iter().flat_map(Node::items);
            for target in spec.get("to").into_iter().chain(others) {
                let kind = target.get("kind").and_then(Node::str).unwrap_or_default();
                if matches!(kind, "" | "Service") {
                    let port = spec.get("port").and_then(|port| port.get("targetPort"));
                    push(target.get("name"), Wanted::of(port));
                }
            }
        }
        _ => {}
    }
}

/// The ports on which the pseudo pod reaches each endpoint.
pub(super) fn reached(cluster: &Cluster, judge: &Judge<'_>) -> BTreeMap<EndpointId, Ports> {
    let world = &cluster.world;
    let mut reached: BTreeMap<EndpointId, Ports> = BTreeMap::new();
    let Some(controller) = world.endpoint(CONTROLLER.0, CONTROLLER.1) else {
        return reached;
    };
    for backend in &cluster.routed {
        let Some(service) = world.service(&backend.namespace, &backend.service) else {
            continue;
        };
        for endpoint in world.selected_by(service) {
            let allowed = judge.ports(Party::Endpoint(controller), Party::Endpoint(endpoint));
            let targets = target_ports(world, &world[service], &backend.port, endpoint);
            for port in targets {
                if allowed.contains(Protocol::Tcp, port) {
                    let ports = reached.entry(endpoint).or_default();
                    ports.add(Protocol::Tcp, port, port);
                }
            }
        }
    }
    reached
}

/// The ports of an endpoint that a Service leads to and that the endpoint declares.
fn target_ports(
    world: &World,
    service: &Service,
    wanted: &Wanted,
    endpoint: EndpointId,
) -> Vec<u16> {
    let mut named = service.ports.iter().filter(|port| match wanted {
        Wanted::Any => true,
        Wanted::Number(number) => port.port == *number || port.target == Ok(*number),
        Wanted::Name(name) => {
            port.name.as_deref() == Some(name)
                || port.target.as_ref().err().map(|name| &**name) == Some(name)
        }
    });
    let ports: Vec<_> = match wanted {
        Wanted::Any => named.collect(),
        // The first Service port that fits is the one.
        Wanted::Number(_) | Wanted::Name(_) => named.next().into_iter().collect(),
    };
    let declared = &world[endpoint].ports;
    let number = |target: &Result<u16, Box<str>>| match target {
        Ok(number) => Some(*number),
        Err(name) => {
            let name = world.symbols.get(name)?;
            let of = declared.iter().find(|port| port.name == Some(name))?;
            (of.protocol == Protocol::Tcp).then_some(of.number)
        }
    };
    let numbers = ports.into_iter().filter_map(|port| number(&port.target));
    numbers
        .filter(|number| declared.iter().any(|port| port.number == *number))
        .collect()
}
