//! What objects other than policies say: bindings, Services for the outside, Ingresses, routes, probes.

use std::collections::BTreeSet;

use super::{Collector, why};
use crate::analysis::baseline::needs::{Block, By, Ports, Whom};
use crate::analysis::baseline::units::UnitId;
use crate::engine::NodeLocal;
use crate::manifest::{Hint, PortName, Said};
use crate::sets::Protocol;
use crate::source::Span;
use crate::world::{NamespaceId, ServiceId};

/// Labels of the pods of ingress controllers.
const CONTROLLERS: &[(&str, &[&str])] = &[
    (
        "app.kubernetes.io/name",
        &[
            "ambassador",
            "contour",
            "emissary-ingress",
            "envoy",
            "haproxy-ingress",
            "ingress-nginx",
            "kong",
            "kubernetes-ingress",
            "nginx-ingress",
            "traefik",
        ],
    ),
    (
        "app",
        &[
            "ingress-nginx",
            "istio-ingressgateway",
            "nginx-ingress",
            "traefik",
        ],
    ),
    ("istio", &["ingressgateway"]),
    (
        "ingresscontroller.operator.openshift.io/deployment-ingresscontroller",
        &["default"],
    ),
];

/// The label by which implementations of the Gateway API mark the proxies of a Gateway.
const GATEWAY_LABEL: &str = "gateway.networking.k8s.io/gateway-name";

impl Collector<'_> {
    /// Everything that objects say.
    pub(super) fn objects(&mut self) {
        self.bindings();
        let controllers = self.controllers();
        for hint in self.hints {
            if let Some(unit) = self.unit_of(hint) {
                self.probes(unit, hint);
                self.annotations(&[unit], hint);
                continue;
            }
            // A Namespace is in none.
            if *hint.kind == *"Namespace" {
                if let Some(namespace) = self.world.namespace(&hint.name) {
                    let units = self.units.of_namespace(namespace).to_vec();
                    self.annotations(&units, hint);
                }
                continue;
            }
            let Some(namespace) = self.namespace_of(hint) else {
                continue;
            };
            match &*hint.kind {
                "Service" => {
                    if let Some(service) = self.service(namespace, &hint.name) {
                        self.published(service, hint);
                        self.service_annotations(service, hint);
                    }
                }
                _ => self.entrance(namespace, hint, &controllers),
            }
        }
    }

    /// Workloads whose service account somebody gave rights.
    fn bindings(&mut self) {
        let mut bound: Vec<(NamespaceId, &str, String, Span)> = Vec::new();
        let mut tokenless: BTreeSet<(NamespaceId, &str)> = BTreeSet::new();
        let mut without: BTreeSet<UnitId> = BTreeSet::new();
        for hint in self.hints {
            for said in &hint.said {
                match said {
                    Said::Bound { namespace, account } => {
                        let own = hint.namespace.as_deref();
                        let namespace = namespace.as_deref().or(own);
                        let Some(id) = namespace.and_then(|name| self.world.namespace(name)) else {
                            continue;
                        };
                        let name = match own {
                            Some(own) => format!("{} {own}/{}", hint.kind, hint.name),
                            None => format!("{} {}", hint.kind, hint.name),
                        };
                        bound.push((id, account, name, hint.span));
                    }
                    Said::NoToken if *hint.kind == *"ServiceAccount" => {
                        tokenless.extend(self.namespace_of(hint).map(|id| (id, &*hint.name)));
                    }
                    Said::NoToken => without.extend(self.unit_of(hint)),
                    _ => {}
                }
            }
        }
        for (namespace, account, name, span) in bound {
            if tokenless.contains(&(namespace, account)) {
                continue;
            }
            for unit in self.units.of_namespace(namespace) {
                let mut members = self.units[*unit].members.iter();
                let uses = members.any(|id| self.world.account_of(*id) == account);
                if uses && !without.contains(unit) {
                    let text = format!("{name} gives rights to its service account {account}");
                    self.needs_api(*unit, why(By::Binding, text, Some(span)));
                }
            }
        }
    }

    /// The kubelet's probes, where the engine asks policies about them (K-73).
    fn probes(&mut self, unit: UnitId, hint: &Hint) {
        if self.eval.switches.node_local != NodeLocal::None {
            return;
        }
        let nodes = self.world.nodes.iter().flat_map(|node| node.ips.iter());
        let mut blocks: Vec<Block> = nodes.map(|ip| Block::whole((*ip).into())).collect();
        blocks.sort_unstable();
        blocks.dedup();
        for said in &hint.said {
            let Said::Probe(port) = said else {
                continue;
            };
            let name = self.unit_name(unit);
            if blocks.is_empty() {
                let text = format!(
                    "the kubelet probes {name}, and this engine asks policies about it, but the \
                     input has no addresses of nodes"
                );
                self.unmet(text, Some(hint.span));
                return;
            }
            let why = why(By::Probe, format!("probes of {name}"), Some(hint.span));
            let from = Whom::Blocks(blocks.clone());
            for port in self.numbers(unit, port) {
                self.need(
                    &from,
                    &Whom::Unit(unit),
                    Ports::one(Protocol::Tcp, port),
                    &why,
                );
            }
        }
    }

    /// The numbers that the containers of a unit give a port.
    pub(super) fn numbers(&self, unit: UnitId, port: &PortName) -> BTreeSet<u16> {
        match port {
            PortName::Number(number) => BTreeSet::from([*number]),
            PortName::Name(name) => {
                let Some(name) = self.world.symbols.get(name) else {
                    return BTreeSet::new();
                };
                let members = self.units[unit].members.iter();
                let ports = members.flat_map(|id| self.world[*id].ports.iter());
                ports
                    .filter(|port| port.name == Some(name))
                    .map(|port| port.number)
                    .collect()
            }
        }
    }

    /// A Service that the outside calls.
    fn published(&mut self, service: ServiceId, hint: &Hint) {
        if !hint.said.contains(&Said::Published) {
            return;
        }
        let written = &self.world[service];
        let name = format!("{}/{}", self.world[written.namespace].name, written.name);
        let text = format!("Service {name} is open to the outside");
        let why = why(By::Service, text, written.span);
        self.calls(&Whom::Everyone, service, None, &why);
    }

    /// The workloads that take in what Ingresses are about, and those that were named to do so.
    fn controllers(&self) -> Vec<Whom> {
        if !self.request.ingress_from.is_empty() {
            let named = self.request.ingress_from.iter();
            return named
                .flat_map(|selection| self.callers(selection))
                .collect();
        }
        let is_controller = |unit: &UnitId| {
            let first = self.units[*unit].members.first();
            first.is_some_and(|id| {
                CONTROLLERS.iter().any(|(key, values)| {
                    let value = self.world.label(*id, key);
                    value.is_some_and(|value| values.contains(&value))
                })
            })
        };
        let units = self
            .world
            .namespace_ids()
            .flat_map(|id| self.units.of_namespace(id));
        units
            .copied()
            .filter(is_controller)
            .map(Whom::Unit)
            .collect()
    }

    /// An Ingress or a route: who takes in connections reaches its Services.
    fn entrance(&mut self, namespace: NamespaceId, hint: &Hint, controllers: &[Whom]) {
        let name = format!("{} {}/{}", hint.kind, self.world[namespace].name, hint.name);
        let why = why(By::Ingress, name.clone(), Some(hint.span));
        let gateways: Vec<Whom> = self.proxies(namespace, hint);
        let from = match gateways.is_empty() {
            false => gateways,
            true => controllers.to_vec(),
        };
        for said in &hint.said {
            let Said::Backend {
                namespace: written,
                service,
                port,
            } = said
            else {
                continue;
            };
            let of = match written {
                Some(name) => self.world.namespace(name),
                None => Some(namespace),
            };
            let Some(id) = of.and_then(|of| self.service(of, service)) else {
                if of.is_none_or(|of| self.in_scope(of)) {
                    let text =
                        format!("{name} leads to Service {service}, which is not in the input");
                    self.note(text, Some(hint.span));
                }
                continue;
            };
            if from.is_empty() {
                if self.in_scope(self.world[id].namespace) {
                    let text = format!(
                        "{name} leads to Service {service}, but nothing in the input looks like its \
                         controller; name it with --ingress-from NAMESPACE/WORKLOAD"
                    );
                    self.unmet(text, Some(hint.span));
                }
                continue;
            }
            let ports = self.world[id].ports.iter();
            let number = port.as_ref().and_then(|port| match port {
                PortName::Number(number) => Some(*number),
                PortName::Name(name) => ports
                    .clone()
                    .find(|known| known.name.as_deref() == Some(name))
                    .map(|known| known.port),
            });
            for from in &from {
                self.calls(from, id, number, &why);
            }
        }
    }

    /// The proxies of the Gateways of a route.
    fn proxies(&self, namespace: NamespaceId, hint: &Hint) -> Vec<Whom> {
        let mut found = Vec::new();
        for said in &hint.said {
            let Said::Gateway {
                namespace: written,
                name,
            } = said
            else {
                continue;
            };
            let of = match written {
                Some(name) => self.world.namespace(name),
                None => Some(namespace),
            };
            for unit in of.into_iter().flat_map(|of| self.units.of_namespace(of)) {
                let mut members = self.units[*unit].members.iter();
                if members.any(|id| self.world.label(*id, GATEWAY_LABEL) == Some(name)) {
                    found.push(Whom::Unit(*unit));
                }
            }
        }
        found
    }
}
