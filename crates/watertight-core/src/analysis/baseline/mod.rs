//! The baseline of a namespace: the policies that close it and allow what its workloads need.
//!
//! [`plan`] finds out what is needed and writes the policies, [`prove`] reads them back into the world
//! in place of those of today and lets the engine judge the result.
//!
//! INVARIANT: nothing is allowed for which nobody can be named who needs it, and what could not be
//! proved is never passed over: it is a [`Proof`] that does not hold.

mod cluster;
mod evidence;
mod guard;
mod infrastructure;
mod internet;
mod needs;
mod peers;
mod proof;
mod set;
mod units;
mod yaml;

use std::collections::BTreeMap;

use crate::analysis::parties::{PortQuery, Selection};
use crate::eval::{Connection, Evaluator};
use crate::manifest::{Hint, Said};
use crate::observed::Observed;
use crate::source::Span;
use crate::world::{NamespaceId, PolicyId, World};

pub use guard::is_system;
pub use infrastructure::{ApiServer, Dns};
pub use internet::Internet;
pub use needs::{Block, By, Need, Needs, Ports, Whom, Why};
pub use proof::{Claim, Proof, prove};
pub use units::{Term, Unit, UnitId, Units};

pub use evidence::asked::internet_ports;

/// The language of the part for the whole cluster; what a namespace needs is a NetworkPolicy always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// None: NetworkPolicy cannot deny.
    #[default]
    NetworkPolicy,
    /// ClusterNetworkPolicy.
    ClusterNetworkPolicy,
    /// Tier and GlobalNetworkPolicy of Calico.
    Calico,
    /// CiliumClusterwideNetworkPolicy.
    Cilium,
}

/// What keeps new namespaces covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// A policy of Kyverno that generates the first policies.
    Kyverno,
    /// Admission policies.
    Vap,
}

/// A connection that somebody asked for.
#[derive(Clone, Debug)]
pub struct Allow {
    /// As written.
    pub text: String,
    /// Who connects.
    pub from: Selection,
    /// To whom.
    pub to: Selection,
    /// The ports; empty for those that the target has.
    pub ports: Vec<PortQuery>,
}

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request<'a> {
    /// The namespaces that get a baseline.
    pub namespaces: Vec<NamespaceId>,
    /// The language of the part for the whole cluster.
    pub language: Language,
    /// What keeps new namespaces covered.
    pub guard: Option<Guard>,
    /// Whether the policies of today stay.
    pub keep: bool,
    /// Whether they say nothing of what is needed.
    pub ignore_policies: bool,
    /// Connections that are needed.
    pub allow: Vec<Allow>,
    /// Who needs public addresses, on which ports.
    pub internet: Vec<(Selection, Vec<Ports>)>,
    /// Who needs the API server.
    pub api_server: Vec<Selection>,
    /// Who takes in what Ingresses are about.
    pub ingress_from: Vec<Selection>,
    /// What was seen.
    pub flows: &'a [Observed],
}

/// Something that a reader should know, or has to settle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// One sentence.
    pub text: String,
    /// Where its cause is written.
    pub span: Option<Span>,
}

/// A text for a file of its own.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The name of the file, without its end.
    pub name: String,
    /// The YAML.
    pub text: String,
}

/// What became of the label against the host network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Labels {
    /// The namespace has it.
    There,
    /// The manifest adds it.
    Added,
    /// The namespace has another one, which stays.
    Other(String),
    /// Workloads of the namespace need the host network.
    HostNetwork,
}

/// The set of one namespace.
#[derive(Clone, Debug)]
pub struct NamespacePlan {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The YAML.
    pub text: String,
    /// The names of its policies.
    pub policies: Vec<String>,
    /// The policies of today whose place they take.
    pub replaces: Vec<PolicyId>,
    /// Those of them that have no successor of the same name, so that they have to be deleted.
    pub deletes: Vec<String>,
    /// Workloads that no policy is about.
    pub host_network: Vec<UnitId>,
    /// The label against the host network.
    pub pod_security: Labels,
    /// Policies that open a metadata service, because somebody asked for it.
    opens_metadata: Vec<String>,
}

/// A flow that must stay possible.
#[derive(Clone, Debug)]
pub struct KeptFlow {
    /// The connection.
    pub connection: Connection,
    /// Who connects, for people.
    pub from: String,
    /// To whom.
    pub to: String,
    /// Whether the policies of today allow it.
    pub was_allowed: bool,
}

/// Labels and annotations of a Namespace: whether it is a label, key, value.
type Kept = Vec<(bool, Box<str>, Box<str>)>;

/// The sets of all namespaces, with what they are made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The workloads.
    pub units: Units,
    /// What is needed.
    pub needs: Needs,
    /// The DNS of the cluster.
    pub dns: Dns,
    /// The API server.
    pub api: ApiServer,
    /// Who needs it.
    pub api_users: BTreeMap<UnitId, Vec<Why>>,
    /// The public addresses.
    pub internet: Internet,
    /// The namespaces, in the order of the request.
    pub namespaces: Vec<NamespacePlan>,
    /// The part for the whole cluster.
    pub cluster: Option<Manifest>,
    /// What keeps new namespaces covered.
    pub guard: Option<Manifest>,
    /// What was asked for and cannot be had.
    pub unmet: Vec<Note>,
    /// What is not carried over, and other things to know.
    pub notes: Vec<Note>,
    /// Recorded connections that must stay possible.
    pub flows: Vec<KeptFlow>,
    keeps: bool,
    kept: BTreeMap<NamespaceId, Kept>,
}

/// Plans the baseline of namespaces under the policies of today.
#[must_use]
pub fn plan(eval: &Evaluator<'_>, hints: &[Hint], request: &Request<'_>) -> Plan {
    let world = eval.world;
    let units = Units::new(world);
    let dns = Dns::find(world, &units, hints);
    let found = evidence::collect(eval, &units, hints, request, &dns);
    let mut kept: BTreeMap<NamespaceId, Kept> = BTreeMap::new();
    for hint in hints.iter().filter(|hint| *hint.kind == *"Namespace") {
        let Some(id) = world.namespace(&hint.name) else {
            continue;
        };
        for said in &hint.said {
            if let Said::Kept { label, key, value } = said {
                let pairs = kept.entry(id).or_default();
                pairs.push((*label, key.clone(), value.clone()));
            }
        }
    }
    let mut plan = Plan {
        units,
        needs: found.needs,
        dns,
        api: ApiServer::find(world),
        api_users: found.api,
        internet: Internet::of(world),
        namespaces: Vec::new(),
        cluster: cluster::manifest(request.language),
        guard: None,
        unmet: found.unmet,
        notes: found.notes,
        flows: found.flows,
        keeps: request.keep,
        kept,
    };
    plan.note_twins(world, &request.namespaces);
    let by_unit = set::ByUnit::new(world, &plan);
    let namespaces = crate::parallel::map(&request.namespaces, |id| by_unit.namespace(*id));
    plan.namespaces = namespaces;
    plan.guard = request
        .guard
        .map(|guard| guard::manifest(guard, world, &plan));
    plan
}

impl Plan {
    /// Workloads that no policy can tell apart: what one may do, all may.
    fn note_twins(&mut self, world: &World, namespaces: &[NamespaceId]) {
        for namespace in namespaces {
            let mut by_selector: BTreeMap<&[Term], Vec<UnitId>> = BTreeMap::new();
            for id in self.units.of_namespace(*namespace) {
                let unit = &self.units[*id];
                if !unit.host_network {
                    by_selector.entry(&unit.selector).or_default().push(*id);
                }
            }
            for twins in by_selector.into_values().filter(|twins| twins.len() > 1) {
                let names: Vec<_> = twins.iter().map(|id| self.units.name(world, *id)).collect();
                self.notes.push(Note {
                    text: format!(
                        "{} carry the same labels: no policy tells them apart",
                        names.join(", ")
                    ),
                    span: None,
                });
            }
        }
    }

    /// Everything that was written, a file each: first the namespaces.
    #[must_use]
    pub fn manifests(&self, world: &World) -> Vec<Manifest> {
        let namespaces = self.namespaces.iter().map(|namespace| Manifest {
            name: world[namespace.namespace].name.to_string(),
            text: namespace.text.clone(),
        });
        let rest = self.cluster.iter().chain(&self.guard).cloned();
        namespaces.chain(rest).collect()
    }
}

#[cfg(test)]
mod tests;
