//! What somebody asked for: annotations and flags.

use super::{Collector, why};
use crate::analysis::baseline::needs::{Block, By, Ports, Whom, Why};
use crate::analysis::baseline::units::UnitId;
use crate::analysis::parties::{Flow, Parties, PortQuery, Selection, What};
use crate::manifest::{Hint, PortName, Said};
use crate::sets::Protocol;
use crate::world::ServiceId;

impl Collector<'_> {
    /// `--allow`, `--internet` and `--api-server`.
    pub(super) fn flags(&mut self) {
        let request = self.request;
        for asked in &request.allow {
            let why = why(By::Flag, format!("--allow '{}'", asked.text), None);
            for from in self.callers(&asked.from) {
                self.allow_selection(&from, &asked.to, &asked.ports, &why);
            }
        }
        for (who, ports) in &request.internet {
            let why = why(By::Flag, format!("--internet {}", who.text), None);
            for from in self.whom(who) {
                for ports in ports {
                    self.need(&from, &Whom::Internet, *ports, &why);
                }
            }
        }
        for selection in &request.api_server {
            let why = why(By::Flag, format!("--api-server {}", selection.text), None);
            for unit in self.units.of_endpoints(selection.endpoints()) {
                self.needs_api(unit, why.clone());
            }
        }
    }

    /// Whom a selection means; a Service is its pods here.
    pub(super) fn whom(&self, selection: &Selection) -> Vec<Whom> {
        match &selection.what {
            What::Endpoints(endpoints) => {
                let units = self.units.of_endpoints(endpoints);
                units.into_iter().map(Whom::Unit).collect()
            }
            What::Service(service) => {
                let units = self.units.of_endpoints(&self.world.selected_by(*service));
                units.into_iter().map(Whom::Unit).collect()
            }
            What::Addresses(nets) => {
                let mut blocks: Vec<_> = nets.iter().copied().map(Block::whole).collect();
                blocks.sort_unstable();
                blocks.dedup();
                vec![Whom::Blocks(blocks)]
            }
            What::Nodes(nodes) => {
                let ips = nodes.iter().flat_map(|id| self.world[*id].ips.iter());
                let mut blocks: Vec<_> = ips.map(|ip| Block::whole((*ip).into())).collect();
                blocks.sort_unstable();
                blocks.dedup();
                vec![Whom::Blocks(blocks)]
            }
            What::World | What::Name(_) => vec![Whom::Internet],
        }
    }

    /// Whom a selection means as who connects: what comes from outside has any address by the time
    /// that it is in the cluster.
    pub(super) fn callers(&self, selection: &Selection) -> Vec<Whom> {
        let mut found = self.whom(selection);
        for whom in &mut found {
            if *whom == Whom::Internet {
                *whom = Whom::Everyone;
            }
        }
        found
    }

    fn allow_selection(&mut self, from: &Whom, to: &Selection, ports: &[PortQuery], why: &Why) {
        if let Some(service) = to.service() {
            self.allow_service(from, service, ports, why);
            return;
        }
        for to in self.whom(to) {
            for ports in self.asked_ports(&to, ports, why) {
                self.need(from, &to, ports, why);
            }
        }
    }

    fn allow_service(&mut self, from: &Whom, service: ServiceId, ports: &[PortQuery], why: &Why) {
        if ports.is_empty() {
            self.calls(from, service, None, why);
        }
        for query in ports {
            match query {
                PortQuery::Range { first, last, .. } => {
                    let known: Vec<u16> = self.world[service]
                        .ports
                        .iter()
                        .map(|port| port.port)
                        .filter(|port| (*first..=*last).contains(port))
                        .collect();
                    if known.is_empty() {
                        self.calls(from, service, Some(*first), why);
                    }
                    for port in known {
                        self.calls(from, service, Some(port), why);
                    }
                }
                PortQuery::Named { name, .. } => {
                    let mut known = self.world[service].ports.iter();
                    let port = known.find(|port| port.name.as_deref() == Some(name));
                    match port.map(|port| port.port) {
                        Some(port) => self.calls(from, service, Some(port), why),
                        None => self.unmet(
                            format!("{}: the Service has no port `{name}`", why.text),
                            why.span,
                        ),
                    }
                }
                PortQuery::Icmp => self.no_icmp(why),
            }
        }
    }

    fn no_icmp(&mut self, why: &Why) {
        let text = format!("{}: no NetworkPolicy can name ICMP (K-61)", why.text);
        self.unmet(text, why.span);
    }

    /// The ports that are asked about; those that the target declares if none are.
    fn asked_ports(&mut self, to: &Whom, asked: &[PortQuery], why: &Why) -> Vec<Ports> {
        let unit = match to {
            Whom::Unit(unit) => Some(*unit),
            _ => None,
        };
        if asked.is_empty() {
            let declared = unit
                .map(|unit| self.declared(unit, None))
                .unwrap_or_default();
            if declared.is_empty() {
                return vec![Ports::All];
            }
            return declared.into_iter().collect();
        }
        let mut found = Vec::new();
        for query in asked {
            match query {
                PortQuery::Range {
                    protocol,
                    first,
                    last,
                } => found.push(Ports::Range(*protocol, *first, *last)),
                PortQuery::Named { name, protocol } => {
                    let name = PortName::Name(name.as_str().into());
                    let numbers = unit
                        .map(|unit| self.numbers(unit, &name))
                        .unwrap_or_default();
                    let protocol = protocol.unwrap_or(Protocol::Tcp);
                    found.extend(numbers.into_iter().map(|port| Ports::one(protocol, port)));
                }
                PortQuery::Icmp => self.no_icmp(why),
            }
        }
        if found.is_empty() && !asked.contains(&PortQuery::Icmp) {
            let text = format!("{}: nobody there has such a port", why.text);
            self.unmet(text, why.span);
        }
        found
    }

    /// The annotations of an object that makes the pods of these units.
    pub(super) fn annotations(&mut self, units: &[UnitId], hint: &Hint) {
        for said in &hint.said {
            let Said::Annotation { key, value, span } = said else {
                continue;
            };
            let object = self.object_name(hint);
            let why = why(
                By::Annotation,
                format!("annotation {key} of {object}"),
                Some(*span),
            );
            for unit in units {
                if self.in_scope(self.units[*unit].namespace) {
                    self.annotation(*unit, key, value, &why);
                }
            }
        }
    }

    fn object_name(&self, hint: &Hint) -> String {
        match &hint.namespace {
            Some(namespace) => format!("{} {namespace}/{}", hint.kind, hint.name),
            None => format!("{} {}", hint.kind, hint.name),
        }
    }

    fn annotation(&mut self, unit: UnitId, key: &str, value: &str, why: &Why) {
        let own = Whom::Unit(unit);
        match key {
            "allow-to" => {
                for (to, ports) in self.entries(unit, value, why) {
                    self.allow_selection(&own, &to, &ports, why);
                }
            }
            "allow-from" => {
                for (from, ports) in self.entries(unit, value, why) {
                    for from in self.callers(&from) {
                        for ports in self.asked_ports(&own, &ports, why) {
                            self.need(&from, &own, ports, why);
                        }
                    }
                }
            }
            "internet" => match internet_ports(value) {
                Ok(ports) => {
                    for ports in ports {
                        self.need(&own, &Whom::Internet, ports, why);
                    }
                }
                Err(message) => self.unmet(format!("{}: {message}", why.text), why.span),
            },
            "api-server" => match value {
                "true" => self.needs_api(unit, why.clone()),
                "false" => {}
                _ => self.unmet(format!("{}: write `true` or `false`", why.text), why.span),
            },
            _ => {
                let known = ["allow-to", "allow-from", "internet", "api-server"];
                let near = crate::suggest::misspelt(key, known);
                let hint = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
                self.unmet(
                    format!("{}: there is no such annotation{hint}", why.text),
                    why.span,
                );
            }
        }
    }

    /// Annotations of a Service: who may call its pods.
    pub(super) fn service_annotations(&mut self, service: ServiceId, hint: &Hint) {
        let namespace = self.world[service].namespace;
        let unit = self.units.of_endpoints(&self.world.selected_by(service));
        for said in &hint.said {
            let Said::Annotation { key, value, span } = said else {
                continue;
            };
            if !self.in_scope(namespace) {
                continue;
            }
            let object = self.object_name(hint);
            let why = why(
                By::Annotation,
                format!("annotation {key} of {object}"),
                Some(*span),
            );
            if &**key != "allow-from" {
                let text = format!("{}: a Service can only say `allow-from`", why.text);
                self.unmet(text, Some(*span));
                continue;
            }
            let Some(first) = unit.first() else {
                self.unmet(
                    format!("{}: the Service has no pods", why.text),
                    Some(*span),
                );
                continue;
            };
            for (from, ports) in self.entries(*first, value, &why) {
                for from in self.callers(&from) {
                    self.allow_service(&from, service, &ports, &why);
                }
            }
        }
    }

    /// `shop/db:5432 ns:monitoring:9090`
    fn entries(
        &mut self,
        unit: UnitId,
        value: &str,
        why: &Why,
    ) -> Vec<(Selection, Vec<PortQuery>)> {
        let world = self.world;
        let namespace = &world[self.units[unit].namespace].name;
        let parties = Parties::new(world, Some(namespace));
        let mut found = Vec::new();
        for entry in value
            .split([' ', '\t', '\n', ';'])
            .filter(|entry| !entry.is_empty())
        {
            let entry = entry.trim_matches(',');
            let flow = Flow::parse(&format!("x -> {entry}"));
            let read = flow.map_err(|error| error.message).and_then(|flow| {
                let selection = parties.select(&flow.to.text);
                let selection = selection.map_err(|error| error.message)?;
                Ok((selection, flow.ports))
            });
            match read {
                Ok(entry) => found.push(entry),
                Err(message) => self.unmet(format!("{}: {message}", why.text), why.span),
            }
        }
        found
    }
}

/// `true`, or ports: `443, 8443/tcp`.
///
/// # Errors
/// When the text is neither.
pub fn internet_ports(text: &str) -> Result<Vec<Ports>, String> {
    match text.trim() {
        "true" | "" => return Ok(vec![Ports::one(Protocol::Tcp, 443)]),
        "false" => return Ok(Vec::new()),
        _ => {}
    }
    let packed: String = text.split_whitespace().collect();
    let flow = Flow::parse(&format!("x -> y:{packed}")).map_err(|error| error.message)?;
    let mut found = Vec::new();
    for query in flow.ports {
        match query {
            PortQuery::Range {
                protocol,
                first,
                last,
            } => found.push(Ports::Range(protocol, first, last)),
            PortQuery::Named { name, .. } => {
                return Err(format!(
                    "`{name}` is no port of the internet; write a number"
                ));
            }
            PortQuery::Icmp => return Err("no NetworkPolicy can name ICMP (K-61)".to_owned()),
        }
    }
    Ok(found)
}
