//! What is asked: which ends, in which grouping, on which ports.

use std::sync::Arc;

use ipnet::IpNet;

use super::units::{By, Units, Views};
use crate::analysis::parties::{Selection, What};
use crate::eval::Evaluator;
use crate::sets::Protocol;
use crate::world::{EndpointId, Lifecycle, NameId, NodeId, ServiceId, World};

/// A question about who can reach whom.
#[derive(Clone, Debug)]
pub struct Question<'q> {
    /// What pods are grouped by.
    pub by: By,
    /// Who connects; everybody if it is not said.
    pub from: Option<&'q Selection>,
    /// To whom; everybody if it is not said.
    pub to: Option<&'q Selection>,
    /// Protocol, first and last port; empty for all ports.
    pub ports: Vec<(Protocol, u16, u16)>,
}

/// Why a question has no answer: one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuestionError(pub String);

impl std::fmt::Display for QuestionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for QuestionError {}

/// Which addresses are an end, beside those of pods and nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// None.
    Nothing,
    /// All of them.
    World,
    /// Those of these networks.
    Networks(Vec<IpNet>),
    /// Those of a DNS name.
    Name(NameId),
}

/// The pods and nodes of one end.
#[derive(Debug)]
pub(in crate::analysis) struct End {
    /// None for all.
    pub(in crate::analysis) endpoints: Option<Vec<EndpointId>>,
    pub(in crate::analysis) nodes: Vec<NodeId>,
    /// Whether nodes are asked for one by one.
    pub(in crate::analysis) apart: bool,
    /// The units that it comes to, where they are known.
    pub(in crate::analysis) made: Option<Arc<Units>>,
}

/// Both ends of a question.
#[derive(Debug)]
pub(in crate::analysis) struct Ends {
    pub sources: End,
    /// None if they are the sources.
    pub targets: Option<End>,
    pub service: Option<ServiceId>,
    pub outside_sources: Outside,
    pub outside_targets: Outside,
}

impl Ends {
    pub(in crate::analysis) fn of(
        eval: &Evaluator<'_>,
        question: &Question<'_>,
    ) -> Result<Self, QuestionError> {
        let world = eval.world;
        if let Some(selection) = question.from
            && selection.service().is_some()
        {
            let name = &selection.text;
            let message =
                format!("`{name}` opens no connections: a Service is no source; name its pods");
            return Err(QuestionError(message));
        }
        if let Some(selection) = question.from
            && matches!(selection.what, What::Name(_))
        {
            let name = &selection.text;
            let message =
                format!("`{name}` is no source: policies know names as destinations only");
            return Err(QuestionError(message));
        }
        for selection in question.from.into_iter().chain(question.to) {
            if selection.address().is_some_and(|ip| ip.is_loopback()) {
                let name = &selection.text;
                let message = format!("`{name}` is inside each pod and never policed (K-75)");
                return Err(QuestionError(message));
            }
        }
        let (sources, outside_sources) = End::of(world, question.from);
        let (targets, outside_targets) = End::of(world, question.to);
        let service = question.to.and_then(Selection::service);
        let nobody = |end: &End| end.nodes.is_empty() && end.endpoints == Some(Vec::new());
        if nobody(&sources) && (service.is_some() || nobody(&targets)) {
            let message = match service {
                Some(_) => {
                    "a Service's cluster address is reached from the cluster alone; ask about its pods"
                }
                None => "one end has to be in the cluster",
            };
            return Err(QuestionError(message.into()));
        }
        let same = question.from.is_none() && question.to.is_none();
        Ok(Self {
            sources,
            targets: (!same).then_some(targets),
            service,
            outside_sources: match service {
                Some(_) => Outside::Nothing,
                None => outside_sources,
            },
            outside_targets,
        })
    }
}

impl End {
    fn of(world: &World, selection: Option<&Selection>) -> (Self, Outside) {
        let end = |endpoints, nodes, apart| Self {
            endpoints: Some(endpoints),
            nodes,
            apart,
            made: None,
        };
        let Some(selection) = selection else {
            let everybody = Self {
                endpoints: None,
                nodes: world.node_ids().collect(),
                apart: false,
                made: None,
            };
            return (everybody, Outside::World);
        };
        match &selection.what {
            What::Endpoints(endpoints) => {
                (end(endpoints.clone(), Vec::new(), false), Outside::Nothing)
            }
            What::Nodes(nodes) => {
                let apart = selection.text != "nodes";
                (end(Vec::new(), nodes.clone(), apart), Outside::Nothing)
            }
            What::World => (end(Vec::new(), Vec::new(), false), Outside::World),
            What::Name(name) => (end(Vec::new(), Vec::new(), false), Outside::Name(*name)),
            What::Service(_) => (end(Vec::new(), Vec::new(), false), Outside::Nothing),
            What::Addresses(nets) => {
                let inside = |ip: &std::net::IpAddr| nets.iter().any(|net| net.contains(ip));
                let endpoints = world.endpoint_ids().filter(|id| {
                    let endpoint = &world[*id];
                    endpoint.host_network.is_none()
                        && endpoint.lifecycle == Lifecycle::Active
                        && endpoint.ips.iter().any(inside)
                });
                let nodes = world
                    .node_ids()
                    .filter(|id| world[*id].ips.iter().any(inside));
                let owners = end(endpoints.collect(), nodes.collect(), true);
                // One address is that of its owner.
                let owned = selection.address().is_some()
                    && !(owners.nodes.is_empty() && owners.endpoints == Some(Vec::new()));
                let outside = if owned {
                    Outside::Nothing
                } else {
                    Outside::Networks(nets.clone())
                };
                (owners, outside)
            }
        }
    }

    pub(in crate::analysis) fn units(
        &self,
        eval: &Evaluator<'_>,
        views: Views<'_>,
        by: By,
    ) -> Arc<Units> {
        if let Some(made) = &self.made {
            return Arc::clone(made);
        }
        let world = eval.world;
        let apart = self.apart || by == By::Pod;
        Arc::new(match &self.endpoints {
            None => Units::new(eval, views, by, world.endpoint_ids(), &self.nodes, apart),
            Some(endpoints) => {
                let by = coarsest(world, by, endpoints);
                let endpoints = endpoints.iter().copied();
                Units::new(eval, views, by, endpoints, &self.nodes, apart)
            }
        })
    }
}

/// The coarsest grouping, not coarser than asked for, whose units are selected as a whole.
fn coarsest(world: &World, by: By, endpoints: &[EndpointId]) -> By {
    let active = |id: &EndpointId| world[*id].lifecycle == Lifecycle::Active;
    let mut selected: Vec<EndpointId> = endpoints.iter().copied().filter(active).collect();
    selected.sort_unstable();
    selected.dedup();
    let is_selected = |id: &EndpointId| selected.binary_search(id).is_ok();
    let whole = |by: By| match by {
        By::Pod => true,
        By::Workload => selected.iter().all(|id| match world[*id].workload {
            Some(workload) => {
                let all = world[workload].endpoints.iter();
                all.filter(|id| active(id)).all(is_selected)
            }
            None => true,
        }),
        By::Namespace => {
            let mut namespaces: Vec<_> = selected.iter().map(|id| world[*id].namespace).collect();
            namespaces.sort_unstable();
            namespaces.dedup();
            namespaces.iter().all(|namespace| {
                let all = world[*namespace].endpoints.iter();
                all.filter(|id| active(id)).all(is_selected)
            })
        }
    };
    let finer = [By::Namespace, By::Workload, By::Pod].into_iter();
    let mut finer = finer.filter(|finer| *finer <= by);
    finer.find(|by| whole(*by)).unwrap_or(By::Pod)
}
