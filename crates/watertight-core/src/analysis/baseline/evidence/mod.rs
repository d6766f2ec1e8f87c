//! Evidence: who says which connections are needed.
//!
//! Everything that names two ends becomes a need: policies of today, references in the environment,
//! Services, Ingresses and routes, bindings, annotations, flags, recorded flows. What names everybody
//! names nobody and is noted instead.

pub(super) mod asked;
mod flows;
mod mentions;
mod objects;
mod policies;
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::infrastructure::Dns;
use super::needs::{By, Needs, Ports, Whom, Why};
use super::units::{UnitId, Units};
use super::{KeptFlow, Note, Request};
use crate::eval::Evaluator;
use crate::facts::metadata::{Cloud, MetadataAddress, distinct_addresses};
use crate::manifest::{Hint, Said};
use crate::sets::Protocol;
use crate::source::Span;
use crate::world::{NamespaceId, ServiceId, WorkloadId, World};

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// The needs.
    pub needs: Needs,
    /// Who needs the API server, and why.
    pub api: BTreeMap<UnitId, Vec<Why>>,
    /// What was asked for and is not understood or cannot be admitted.
    pub unmet: Vec<Note>,
    /// What is not carried over.
    pub notes: Vec<Note>,
    /// Recorded connections that must stay possible.
    pub flows: Vec<KeptFlow>,
}

/// Collects all evidence.
pub(super) fn collect(
    eval: &Evaluator<'_>,
    units: &Units,
    hints: &[Hint],
    request: &Request<'_>,
    dns: &Dns,
) -> Evidence {
    let mut collector = Collector::new(eval, units, hints, request, dns);
    collector.dns_servers();
    collector.collect()
}

/// Finds needs.
struct Collector<'a> {
    world: &'a World,
    eval: &'a Evaluator<'a>,
    units: &'a Units,
    request: &'a Request<'a>,
    dns: &'a Dns,
    hints: &'a [Hint],
    found: Evidence,
    /// By namespace, whether it gets a baseline.
    scope: Vec<bool>,
    services: FxHashMap<(NamespaceId, &'a str), ServiceId>,
    workloads: FxHashMap<(NamespaceId, &'a str, &'a str), UnitId>,
    pods: FxHashMap<(NamespaceId, &'a str), UnitId>,
    /// Services that are other names.
    external: FxHashMap<ServiceId, &'a str>,
    metadata: Vec<MetadataAddress>,
    /// Where the API server listens.
    api_servers: Vec<IpAddr>,
    /// The ends of a Service port, found once.
    ends: FxHashMap<(ServiceId, u16, Protocol), Vec<(Whom, u16)>>,
    noted: FxHashSet<(String, Option<Span>)>,
    /// By unit, the ports that its containers declare.
    declared: FxHashMap<UnitId, BTreeSet<Ports>>,
    /// What selectors of policies select.
    selected: FxHashMap<String, Vec<UnitId>>,
}

impl<'a> Collector<'a> {
    fn new(
        eval: &'a Evaluator<'a>,
        units: &'a Units,
        hints: &'a [Hint],
        request: &'a Request<'a>,
        dns: &'a Dns,
    ) -> Self {
        let world = eval.world;
        let mut scope = vec![false; world.namespaces.len()];
        for id in &request.namespaces {
            if let Some(entry) = scope.get_mut(id.index()) {
                *entry = true;
            }
        }
        let mut collector = Self {
            world,
            eval,
            units,
            request,
            dns,
            hints,
            found: Evidence::default(),
            scope,
            services: FxHashMap::default(),
            workloads: FxHashMap::default(),
            pods: FxHashMap::default(),
            external: FxHashMap::default(),
            metadata: distinct_addresses(Cloud::ALL),
            api_servers: world.api_servers(),
            ends: FxHashMap::default(),
            selected: FxHashMap::default(),
            noted: FxHashSet::default(),
            declared: FxHashMap::default(),
        };
        collector.index();
        collector
    }

    fn index(&mut self) {
        let world = self.world;
        for id in world.service_ids() {
            let service = &world[id];
            self.services.insert((service.namespace, &service.name), id);
        }
        for namespace in world.namespace_ids() {
            for id in self.units.of_namespace(namespace) {
                let members = self.units[*id].members.iter();
                let ports = members.flat_map(|id| world[*id].ports.iter());
                let ports = ports.map(|port| Ports::one(port.protocol, port.number));
                self.declared.insert(*id, ports.collect());
                let workload: Option<WorkloadId> = self.units[*id].workload;
                if let Some(workload) = workload.map(|id| &world[id]) {
                    let key = (namespace, workload.kind.api(), &*workload.name);
                    self.workloads.insert(key, *id);
                }
            }
        }
        if self.hints.iter().any(|hint| *hint.kind == *"Pod") {
            for id in world.endpoint_ids() {
                let endpoint = &world[id];
                if let Some(unit) = self.units.of_endpoint(id).filter(|_| !endpoint.template) {
                    self.pods.insert((endpoint.namespace, &endpoint.name), unit);
                }
            }
        }
        for hint in self.hints.iter().filter(|hint| *hint.kind == *"Service") {
            let Some(id) = self
                .namespace_of(hint)
                .and_then(|of| self.service(of, &hint.name))
            else {
                continue;
            };
            for said in &hint.said {
                if let Said::ExternalName(name) = said {
                    self.external.insert(id, name);
                }
            }
        }
    }

    /// Servers of the DNS, where they are in scope: everybody asks them, and they ask others.
    fn dns_servers(&mut self) {
        for (whom, ports) in &self.dns.peers {
            if !self.is_subject(whom) {
                continue;
            }
            let answers = why(
                By::Service,
                "the DNS of the cluster answers every pod",
                None,
            );
            for ports in ports {
                self.need(&Whom::AllPods, whom, *ports, &answers);
            }
            let asks = "it asks the resolvers of its node, whose addresses the input does not tell";
            let asks = why(By::Service, asks, None);
            for protocol in [Protocol::Udp, Protocol::Tcp] {
                self.need(whom, &Whom::Everyone, Ports::one(protocol, 53), &asks);
            }
        }
    }

    /// Collects everything.
    fn collect(mut self) -> Evidence {
        self.flags();
        self.objects();
        self.references();
        if !self.request.ignore_policies {
            self.policies();
        }
        self.flows();
        self.found.needs.finish();
        self.found
    }

    /// The unit that an object makes pods of.
    fn unit_of(&self, hint: &Hint) -> Option<UnitId> {
        let namespace = self.namespace_of(hint)?;
        match &*hint.kind {
            "Pod" => self.pods.get(&(namespace, &*hint.name)).copied(),
            kind => {
                let key = (namespace, kind, &*hint.name);
                self.workloads.get(&key).copied()
            }
        }
    }

    fn namespace_of(&self, hint: &Hint) -> Option<NamespaceId> {
        let name = hint.namespace.as_deref();
        let default = &*self.world.assumed.default_namespace;
        self.world.namespace(name.unwrap_or(default))
    }

    fn service(&self, namespace: NamespaceId, name: &str) -> Option<ServiceId> {
        self.services.get(&(namespace, name)).copied()
    }

    fn in_scope(&self, namespace: NamespaceId) -> bool {
        self.scope.get(namespace.index()).copied().unwrap_or(false)
    }

    fn is_subject(&self, whom: &Whom) -> bool {
        match whom {
            Whom::Unit(id) => self.in_scope(self.units[*id].namespace),
            _ => false,
        }
    }

    /// Notes a need, if a baseline decides one of its ends. Metadata services stay closed unless
    /// somebody asks for them.
    fn need(&mut self, from: &Whom, to: &Whom, ports: Ports, why: &Why) -> bool {
        let concerns = self.is_subject(from) || self.is_subject(to);
        if concerns {
            if !why.by.asks()
                && let Some(ip) = self.metadata_in(to)
            {
                let text = format!(
                    "{} leads to the metadata address {ip}, which stays closed; --allow or an \
                     annotation opens it",
                    why.text
                );
                self.note(text, why.span);
                return false;
            }
            let (from, to) = (from.clone(), to.clone());
            self.found.needs.add(from, to, ports, why.clone());
        }
        concerns
    }

    /// A metadata address among those that are named.
    fn metadata_in(&self, whom: &Whom) -> Option<IpAddr> {
        let Whom::Blocks(blocks) = whom else {
            return None;
        };
        let mut known = self.metadata.iter().map(|known| known.address);
        known.find(|ip| blocks.iter().any(|block| block.contains(*ip)))
    }

    fn note(&mut self, text: impl Into<String>, span: Option<Span>) {
        let note = Note {
            text: text.into(),
            span,
        };
        if self.noted.insert((note.text.clone(), note.span)) {
            self.found.notes.push(note);
        }
    }

    fn unmet(&mut self, text: impl Into<String>, span: Option<Span>) {
        let note = Note {
            text: text.into(),
            span,
        };
        if !self.found.unmet.contains(&note) {
            self.found.unmet.push(note);
        }
    }

    fn needs_api(&mut self, unit: UnitId, why: Why) {
        let own = &self.units[unit];
        if self.in_scope(own.namespace) && !own.host_network {
            let reasons = self.found.api.entry(unit).or_default();
            if !reasons.iter().any(|known| known.text == why.text) {
                reasons.push(why);
            }
        }
    }

    /// The ports that the containers of a unit declare, of one protocol or of all.
    fn declared(&self, unit: UnitId, protocol: Option<Protocol>) -> BTreeSet<Ports> {
        let all = self.declared.get(&unit).into_iter().flatten();
        let wanted = all.filter(|ports| match (ports, protocol) {
            (Ports::Range(own, ..), Some(wanted)) => *own == wanted,
            _ => true,
        });
        wanted.copied().collect()
    }

    fn unit_name(&self, unit: UnitId) -> String {
        self.units.name(self.world, unit)
    }
}

fn why(by: By, text: impl Into<Arc<str>>, span: Option<Span>) -> Why {
    Why {
        by,
        text: text.into(),
        span,
    }
}
