//! Services: who answers behind them, and the texts that name them.

use super::mentions::{Mention, is_public, mentions, names_host, service_variables};
use super::{Collector, why};
use crate::analysis::baseline::needs::{By, Ports, Whom, Why};
use crate::analysis::baseline::units::UnitId;
use crate::manifest::{Hint, Said};
use crate::sets::Protocol;
use crate::source::Span;
use crate::world::{Backend, NamespaceId, ServiceId};

/// Whom a name of a host means.
enum Host {
    Service(ServiceId),
    /// A name of the cluster that nothing in the input has.
    Unknown,
    /// Nobody of the cluster.
    Other,
}

impl<'a> Collector<'a> {
    /// The ends of a Service port.
    pub(super) fn ends(
        &mut self,
        service: ServiceId,
        port: u16,
        protocol: Protocol,
    ) -> Vec<(Whom, u16)> {
        if let Some(known) = self.ends.get(&(service, port, protocol)) {
            return known.clone();
        }
        let backends = self.world.backends(service, port, protocol).into_iter();
        let mut ends: Vec<_> = backends
            .filter_map(|backend| match backend {
                Backend::Endpoint(id, port) => {
                    Some((Whom::Unit(self.units.of_endpoint(id)?), port))
                }
                Backend::Address(ip, port) => Some((Whom::address(ip), port)),
            })
            .collect();
        ends.sort_unstable();
        ends.dedup();
        self.ends.insert((service, port, protocol), ends.clone());
        ends
    }

    /// Notes that somebody calls a Service, on one of its ports or on all.
    pub(super) fn calls(&mut self, from: &Whom, service: ServiceId, port: Option<u16>, why: &Why) {
        let written = &self.world[service];
        let mut ports: Vec<(u16, Protocol)> = written
            .ports
            .iter()
            .filter(|known| port.is_none_or(|port| known.port == port))
            .map(|known| (known.port, known.protocol))
            .collect();
        if port.is_some() && ports.iter().any(|(_, protocol)| *protocol == Protocol::Tcp) {
            ports.retain(|(_, protocol)| *protocol == Protocol::Tcp);
        }
        let mut any = false;
        for (port, protocol) in ports {
            for (to, target) in self.ends(service, port, protocol) {
                self.need(from, &to, Ports::one(protocol, target), why);
                any = true;
            }
        }
        if any {
            return;
        }
        let selected = self.world.selected_by(service);
        let units = self.units.of_endpoints(&selected);
        // A name without a cluster address leads to the pods, on any port of theirs.
        if let Some(port) = port.filter(|_| written.cluster_ips.is_empty() && !units.is_empty()) {
            for unit in units {
                self.need(
                    from,
                    &Whom::Unit(unit),
                    Ports::one(Protocol::Tcp, port),
                    why,
                );
            }
            return;
        }
        if let Some(name) = self.external.get(&service).copied() {
            if let Some(port) = port {
                self.need(from, &Whom::Internet, Ports::one(Protocol::Tcp, port), why);
            } else {
                let text = format!("{} names `{name}`, but no port of it", why.text);
                self.note(text, why.span);
            }
            return;
        }
        let name = format!("{}/{}", self.world[written.namespace].name, written.name);
        let problem = match port {
            Some(port) if !written.ports.iter().any(|known| known.port == port) => {
                format!("Service {name} has no port {port}")
            }
            _ => format!("Service {name} has no pods"),
        };
        self.note(
            format!("{}: {problem}; nothing is allowed for it", why.text),
            why.span,
        );
    }

    /// References in environments, arguments and ConfigMaps.
    pub(super) fn references(&mut self) {
        let hints = self.hints;
        let maps = hints.iter().filter(|hint| *hint.kind == *"ConfigMap");
        let maps: rustc_hash::FxHashMap<_, _> = maps
            .filter_map(|hint| Some(((self.namespace_of(hint)?, &*hint.name), hint)))
            .collect();
        for hint in hints {
            let Some(unit) = self.unit_of(hint) else {
                continue;
            };
            if !self.concerns(unit) {
                continue;
            }
            let namespace = self.units[unit].namespace;
            for said in &hint.said {
                match said {
                    Said::Value {
                        variable,
                        value,
                        span,
                    } => {
                        let from = match variable {
                            Some(variable) => format!("env {variable}"),
                            None => "an argument".to_owned(),
                        };
                        self.reference(unit, variable.as_deref(), value, &from, *span, hint);
                    }
                    Said::FromConfigMap(name) => {
                        let Some(map) = maps.get(&(namespace, &**name)) else {
                            continue;
                        };
                        for said in &map.said {
                            if let Said::Entry { key, value, span } = said {
                                let from = format!("ConfigMap {name}, {key}");
                                self.reference(unit, Some(key), value, &from, *span, map);
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Whether what a unit needs matters: it is in scope, or may call somebody who is.
    fn concerns(&self, unit: UnitId) -> bool {
        !self.units[unit].host_network || self.in_scope(self.units[unit].namespace)
    }

    fn reference(
        &mut self,
        unit: UnitId,
        variable: Option<&str>,
        value: &str,
        from: &str,
        span: Span,
        hint: &Hint,
    ) {
        let namespace = self.units[unit].namespace;
        let own = Whom::Unit(unit);
        for name in service_variables(value) {
            let found = self.by_variable(namespace, name);
            if let Some(service) = found {
                let why = why(
                    By::Reference,
                    format!("{from} of {}", self.unit_name(unit)),
                    Some(span),
                );
                self.calls(&own, service, None, &why);
            }
        }
        let bare = variable.is_some_and(names_host);
        for mut mention in mentions(value, bare) {
            if !mention.port_is_written
                && let Some(port) = variable.and_then(|name| port_beside(hint, name))
            {
                mention.port = Some(port);
            }
            self.mention(unit, &mention, from, span);
        }
    }

    fn mention(&mut self, unit: UnitId, mention: &Mention, from: &str, span: Span) {
        let own = Whom::Unit(unit);
        let namespace = self.units[unit].namespace;
        let text = format!("{from} of {}", self.unit_name(unit));
        let why = why(By::Reference, text, Some(span));
        if let Some(ip) = mention.ip() {
            self.address(unit, ip, mention, &why);
            return;
        }
        match self.host(namespace, &mention.host) {
            Host::Service(service) => {
                let ports = &self.world[service].ports;
                let has = |port: u16| ports.iter().any(|known| known.port == port);
                // The usual port of a scheme is a guess; one that is written is not.
                let port = mention
                    .port
                    .filter(|port| mention.port_is_written || has(*port));
                self.calls(&own, service, port, &why);
            }
            Host::Unknown => {
                let text = format!(
                    "{} names `{}`, which is no Service of the input; nothing is allowed for it",
                    why.text, mention.host
                );
                if self.is_subject(&own) {
                    self.note(text, Some(span));
                }
            }
            Host::Other if is_public(mention) => match mention.port {
                Some(port) => {
                    self.need(&own, &Whom::Internet, Ports::one(Protocol::Tcp, port), &why);
                }
                None => {
                    let text = format!("{} names `{}`, but no port", why.text, mention.host);
                    if self.is_subject(&own) {
                        self.note(text, Some(span));
                    }
                }
            },
            Host::Other => {}
        }
    }

    fn address(&mut self, unit: UnitId, ip: std::net::IpAddr, mention: &Mention, why: &Why) {
        let own = Whom::Unit(unit);
        if ip.is_loopback() || ip.is_unspecified() {
            return;
        }
        let mut services = self.world.service_ids();
        if let Some(service) = services.find(|id| self.world[*id].cluster_ips.contains(&ip)) {
            self.calls(&own, service, mention.port, why);
            return;
        }
        let Some(port) = mention.port else {
            return;
        };
        if self.metadata.iter().any(|known| known.address == ip) {
            if self.is_subject(&own) {
                let text = format!(
                    "{} names the metadata address {ip}, which stays closed; --allow or an \
                     annotation opens it",
                    why.text
                );
                self.note(text, why.span);
            }
            return;
        }
        let to = match self.world.endpoint_at(ip) {
            Some(endpoint) => match self.units.of_endpoint(endpoint) {
                Some(unit) => Whom::Unit(unit),
                None => return,
            },
            None => Whom::address(ip),
        };
        self.need(&own, &to, Ports::one(Protocol::Tcp, port), why);
    }

    /// The Service behind `NAME_SERVICE_HOST`, which the kubelet sets for those of the namespace.
    fn by_variable(&self, namespace: NamespaceId, name: &str) -> Option<ServiceId> {
        let spelled = name.to_ascii_lowercase().replace('_', "-");
        self.service(namespace, &spelled)
    }

    fn host(&self, namespace: NamespaceId, host: &str) -> Host {
        let labels: Vec<&str> = host.split('.').collect();
        let find = |namespace: &str, name: &str| {
            let namespace = self.world.namespace(namespace)?;
            self.service(namespace, name)
        };
        let found = match labels.as_slice() {
            [name] => match self.service(namespace, name) {
                Some(service) => return Host::Service(service),
                // A word is a name of the cluster only if somebody has it.
                None => return Host::Other,
            },
            [name, of, "svc", ..] => Some(find(of, name)),
            [_, name, of, "svc", ..] => Some(find(of, name)),
            [name, of] => match self.world.namespace(of) {
                Some(_) => Some(find(of, name)),
                // `db-0.db`: a pod of a headless Service.
                None => self.service(namespace, of).map(Some),
            },
            [_, name, of] => find(of, name).map(Some),
            _ => None,
        };
        match found {
            Some(Some(service)) => Host::Service(service),
            Some(None) => Host::Unknown,
            None => Host::Other,
        }
    }
}

/// The value of `X_PORT` beside `X_HOST`.
fn port_beside(hint: &Hint, variable: &str) -> Option<u16> {
    let (stem, _) = variable.rsplit_once(['_', '-', '.'])?;
    hint.said.iter().find_map(|said| {
        let (name, value) = match said {
            Said::Value {
                variable: Some(variable),
                value,
                ..
            } => (variable, value),
            Said::Entry { key, value, .. } => (key, value),
            _ => return None,
        };
        let rest = name.strip_prefix(stem)?;
        let rest = rest.strip_prefix(['_', '-', '.'])?;
        rest.eq_ignore_ascii_case("port")
            .then(|| value.trim().parse().ok())?
    })
}
