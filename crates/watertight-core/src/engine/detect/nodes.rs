//! On which nodes the pods of an engine run.

use std::collections::BTreeMap;

use super::{Proof, State};
use crate::facts::word_enum;
use crate::manifest::WorkloadKind;
use crate::world::inventory::{Controller, KindState, NodeFacts};
use crate::world::{ClusterNode, EndpointId, Lifecycle, NodeId, World};

word_enum! {
    /// What a node is, as far as it matters for who polices its pods.
    pub enum NodeKind {
        /// A machine with Linux.
        Linux => "linux",
        /// A machine with Windows.
        Windows => "windows",
        /// A pod of AWS Fargate, which looks like a node.
        Fargate => "fargate",
        /// A node that is no machine, as of the virtual kubelet.
        Virtual => "virtual",
    }
}

/// Labels that name the pool of a node.
const POOLS: &[&str] = &[
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "karpenter.sh/nodepool",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "doks.digitalocean.com/node-pool",
    "lke.linode.com/pool-id",
    "oke.oraclecloud.com/pool.name",
];

pub(super) fn label<'w>(world: &'w World, node: &ClusterNode, key: &str) -> Option<&'w str> {
    world.symbols.value(&node.labels, key)
}

pub(super) fn facts(world: &World, node: NodeId) -> Option<&NodeFacts> {
    world.inventory.nodes.get(&world[node].name)
}

pub(super) fn kind(world: &World, node: NodeId) -> NodeKind {
    let found = &world[node];
    let facts = facts(world, node);
    let is_fargate = label(world, found, "eks.amazonaws.com/compute-type") == Some("fargate");
    let taints = facts.map_or(&[][..], |facts| &facts.taints);
    let provider = facts.and_then(|facts| facts.provider_id.as_ref());
    if is_fargate || found.name.starts_with("fargate-") {
        return NodeKind::Fargate;
    }
    if label(world, found, "type") == Some("virtual-kubelet")
        || taints
            .iter()
            .any(|taint| &**taint == "virtual-kubelet.io/provider")
        || provider.is_some_and(|id| id.text.starts_with("virtual"))
    {
        return NodeKind::Virtual;
    }
    let os = label(world, found, "kubernetes.io/os");
    let os = os.or_else(|| facts?.os.as_deref());
    match os {
        Some("windows") => NodeKind::Windows,
        _ => NodeKind::Linux,
    }
}

/// The pool of a node, or its role.
pub(super) fn pool(world: &World, node: NodeId) -> Option<String> {
    let found = &world[node];
    let pool = POOLS.iter().find_map(|key| label(world, found, key));
    if let Some(pool) = pool {
        return Some(pool.to_owned());
    }
    let keys = found.labels.iter().map(|(key, _)| world.symbols.text(*key));
    let roles = keys.filter_map(|key| key.strip_prefix("node-role.kubernetes.io/"));
    let mut roles: Vec<&str> = roles.collect();
    roles.sort_unstable();
    match roles
        .iter()
        .any(|role| matches!(*role, "control-plane" | "master"))
    {
        true => Some("control-plane".to_owned()),
        // OpenShift calls its pools by roles.
        false => roles.first().map(|role| (*role).to_owned()),
    }
}

/// Where the pods of a controller run.
pub(super) struct Coverage<'w> {
    world: &'w World,
    controller: Option<&'w Controller>,
    /// Nodes with a pod, and whether it is ready; none if no pods were read.
    pods: Option<BTreeMap<NodeId, (EndpointId, bool)>>,
    /// How many nodes should have one.
    eligible: usize,
}

impl<'w> Coverage<'w> {
    pub(super) fn new(
        world: &'w World,
        controller: Option<&'w Controller>,
        (namespace, name): (&str, &str),
    ) -> Self {
        let workload = world.workloads.iter().find(|workload| {
            workload.kind == WorkloadKind::DaemonSet
                && *workload.name == *name
                && *world[workload.namespace].name == *namespace
        });
        let endpoints = workload.map_or(&[][..], |workload| &workload.endpoints);
        let mut pods: BTreeMap<NodeId, (EndpointId, bool)> = BTreeMap::new();
        for id in endpoints {
            let pod = &world[*id];
            if pod.template || pod.lifecycle == Lifecycle::Finished {
                continue;
            }
            let is_ready = pod.lifecycle == Lifecycle::Active
                && world.inventory.unready.binary_search(id).is_err();
            if let Some(node) = pod.node {
                let known = pods.entry(node).or_insert((*id, is_ready));
                if is_ready {
                    *known = (*id, true);
                }
            }
        }
        let listed = world.inventory.state("", "pods");
        let all_read = listed.is_some_and(|kind| kind.state == KindState::Complete);
        let missing = listed.is_some_and(|kind| kind.state.is_incomplete());
        // A dump of one namespace has none of the engine's pods.
        let pods = (all_read || (!pods.is_empty() && !missing)).then_some(pods);
        let linux = world
            .node_ids()
            .filter(|id| kind(world, *id) == NodeKind::Linux);
        let mut coverage = Self {
            world,
            controller,
            pods,
            eligible: 0,
        };
        coverage.eligible = linux.filter(|id| coverage.mismatch(*id).is_none()).count();
        coverage
    }

    /// The label that a node lacks for the pods of the controller to come to it.
    fn mismatch(&self, node: NodeId) -> Option<(&'w str, &'w str)> {
        let selector = &self.controller?.node_selector;
        let facts = &self.world[node];
        // Of a node without an object no label is known.
        facts.span?;
        let lacking = selector.iter().find(|(key, value)| {
            &**key != "kubernetes.io/os" && label(self.world, facts, key) != Some(&**value)
        });
        lacking.map(|(key, value)| (&**key, &**value))
    }

    /// The state of a Linux node if the engine is in `state` wherever its pods run.
    pub(super) fn of(
        &self,
        node: NodeId,
        state: State,
        fails_open: bool,
    ) -> (State, String, Vec<Proof>) {
        let title = self
            .controller
            .map_or("the engine".to_owned(), Controller::title);
        let name = &self.world[node].name;
        if let Some((key, value)) = self.mismatch(node) {
            let proof = Proof {
                object: format!("Node {name}"),
                field: format!("label {key}"),
                value: label(self.world, &self.world[node], key)
                    .unwrap_or("absent")
                    .to_owned(),
                span: self.world[node].span,
            };
            let text =
                format!("no pod of {title} comes here: it asks for nodes with {key}={value}");
            return (State::NotEnforced, text, vec![proof]);
        }
        if let Some(pods) = &self.pods {
            let proof = |value: &str, field: &str, span| {
                vec![Proof {
                    object: format!("Node {name}"),
                    field: field.to_owned(),
                    value: value.to_owned(),
                    span,
                }]
            };
            return match pods.get(&node) {
                None => {
                    let text = format!("no pod of {title} runs here");
                    let field = format!("pods of {title}");
                    (
                        State::NotEnforced,
                        text,
                        proof("none", &field, self.world[node].span),
                    )
                }
                Some((pod, false)) => {
                    let text = match fails_open {
                        true => "its pod here is not ready, and then everything is let through",
                        false => {
                            "its pod here is not ready: new pods and changes of policies are not followed"
                        }
                    };
                    let bad = match fails_open {
                        true => State::NotEnforced,
                        false => State::Partial,
                    };
                    let pod_name = self.world.endpoint_name(*pod);
                    let field = format!("Pod {pod_name} condition Ready");
                    let span = self.world[*pod].span;
                    (
                        state.worse(bad),
                        text.to_owned(),
                        proof("not true", &field, span),
                    )
                }
                Some((_, true)) => match self.fewer_ready() {
                    None => (state, String::new(), Vec::new()),
                    Some(proof) => {
                        let text = format!(
                            "{title} counts fewer ready pods than there are, and which of them is not ready was not read"
                        );
                        (state.worse(State::Unknown), text, vec![proof])
                    }
                },
            };
        }
        let Some(rollout) = self.controller.and_then(|controller| controller.rollout) else {
            let text = "no pods and no status of it were read, so where it runs is not known";
            return (state.worse(State::Unknown), text.to_owned(), Vec::new());
        };
        let proof = Proof {
            object: title.clone(),
            field: "status".to_owned(),
            value: format!(
                "{} of {} desired pods ready, for {} nodes",
                rollout.ready, rollout.desired, self.eligible
            ),
            span: Some(rollout.span),
        };
        if rollout.desired == 0 {
            let text = format!("{title} wants no pods at all");
            return (State::NotEnforced, text, vec![proof]);
        }
        if rollout.ready == 0 {
            let (bad, text) = match fails_open {
                true => (State::NotEnforced, "and then everything is let through"),
                false => (State::Partial, "so what changes is not followed"),
            };
            let text = format!("no pod of {title} is ready, {text}");
            return (state.worse(bad), text, vec![proof]);
        }
        if (rollout.ready as usize) < self.eligible {
            let text = format!(
                "{title} has {} ready pods for {} nodes; the pods were not read, so whether this is one of them is not known",
                rollout.ready, self.eligible
            );
            return (state.worse(State::Unknown), text, vec![proof]);
        }
        (state, String::new(), Vec::new())
    }

    /// The status of the controller, where it counts fewer ready pods than were read as ready: pods
    /// may come without their conditions.
    fn fewer_ready(&self) -> Option<Proof> {
        let (controller, pods) = (self.controller?, self.pods.as_ref()?);
        let rollout = controller.rollout?;
        let ready = pods.values().filter(|(_, ready)| *ready).count();
        ((rollout.ready as usize) < ready).then(|| Proof {
            object: controller.title(),
            field: "status.numberReady".to_owned(),
            value: format!("{} of {} pods", rollout.ready, pods.len()),
            span: Some(rollout.span),
        })
    }

    /// Ready pods, desired pods and nodes for them, as far as known.
    pub(super) fn counts(&self) -> Option<(usize, usize, usize)> {
        match (
            &self.pods,
            self.controller.and_then(|controller| controller.rollout),
        ) {
            (Some(pods), _) => {
                let ready = pods.values().filter(|(_, ready)| *ready).count();
                Some((ready, pods.len(), self.eligible))
            }
            (None, Some(rollout)) => Some((
                rollout.ready as usize,
                rollout.desired as usize,
                self.eligible,
            )),
            (None, None) => None,
        }
    }
}
