//! What a cluster runs beside its workloads, as far as it tells about network policies: the
//! controllers and settings of network engines, nodes, and what of the cluster could be read.
//!
//! Kept slim: images, and those arguments, variables, keys and annotations that the rules of
//! [`crate::engine::detect`] ask for; nothing else of an object stays, so no secret does.
//!
//! INVARIANT: what was not read is never "none": [`Inventory::state`] tells the two apart.

mod header;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::header::{KindRead, KindState, Snapshot};
use super::EndpointId;
use crate::diag::Finding;
use crate::source::Span;

/// A text and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The text.
    pub text: Box<str>,
    /// Its place.
    pub span: Span,
}

/// What runs pods of network engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ControllerKind {
    /// apps/v1 DaemonSet.
    DaemonSet,
    /// apps/v1 Deployment.
    Deployment,
}

impl ControllerKind {
    /// As the API spells it.
    #[must_use]
    pub const fn api(self) -> &'static str {
        match self {
            Self::DaemonSet => "DaemonSet",
            Self::Deployment => "Deployment",
        }
    }
}

/// A DaemonSet, or a Deployment of a network engine.
#[derive(Clone, Debug)]
pub struct Controller {
    /// The kind.
    pub kind: ControllerKind,
    /// The namespace.
    pub namespace: Box<str>,
    /// The name.
    pub name: Box<str>,
    /// Where the name is.
    pub span: Span,
    /// Its containers, the init containers behind them.
    pub containers: Vec<Container>,
    /// The labels that nodes need for its pods.
    pub node_selector: Vec<(Box<str>, Box<str>)>,
    /// How many pods there are; none if the object does not come from a cluster.
    pub rollout: Option<Rollout>,
}

impl Controller {
    /// `DaemonSet kube-system/cilium`
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}/{}", self.kind.api(), self.namespace, self.name)
    }

    /// A container of this name that is no init container.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&Container> {
        let mut all = self.containers.iter();
        all.find(|container| !container.init && *container.name == *name)
    }
}

/// What the status of a controller counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rollout {
    /// Pods that should run.
    pub desired: u32,
    /// Pods that are ready.
    pub ready: u32,
    /// Where the status is.
    pub span: Span,
}

/// A container of a controller.
#[derive(Clone, Debug)]
pub struct Container {
    /// The name.
    pub name: Box<str>,
    /// Whether it runs before the others only.
    pub init: bool,
    /// The image.
    pub image: Said,
    /// Words of the command and of the arguments that rules ask for.
    pub args: Vec<Said>,
    /// Variables that rules ask for.
    pub env: Vec<(Box<str>, Said)>,
}

impl Container {
    /// The value of `--flag=value`, `--flag value` or a bare `--flag` (then empty).
    #[must_use]
    pub fn flag(&self, flag: &str) -> Option<Said> {
        let mut args = self.args.iter().rev();
        args.find_map(|arg| {
            let rest = arg.text.strip_prefix(flag)?;
            let value = match rest.strip_prefix('=') {
                Some(value) => value,
                None if rest.is_empty() => "",
                None => rest.strip_prefix(' ')?,
            };
            Some(Said {
                text: value.trim_matches(['"', '\'']).into(),
                span: arg.span,
            })
        })
    }

    /// The value of a variable.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&Said> {
        let mut env = self.env.iter().rev();
        env.find_map(|(key, value)| (**key == *name).then_some(value))
    }
}

/// An object that configures a network engine: a ConfigMap, or one of the engine's own kinds.
#[derive(Clone, Debug)]
pub struct Config {
    /// The kind.
    pub kind: Box<str>,
    /// The namespace, unless it is cluster-wide.
    pub namespace: Option<Box<str>>,
    /// The name.
    pub name: Box<str>,
    /// Where the name is.
    pub span: Span,
    /// Values that rules ask for, by key of the ConfigMap or by the last field of the path.
    pub values: Vec<(Box<str>, Said)>,
}

impl Config {
    /// The value of a key.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&Said> {
        let mut values = self.values.iter().rev();
        values.find_map(|(name, value)| (**name == *key).then_some(value))
    }

    /// `ConfigMap kube-system/cilium-config`
    #[must_use]
    pub fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        }
    }
}

/// What a Node object tells beside its labels and addresses.
#[derive(Clone, Debug)]
pub struct NodeFacts {
    /// Where the name is.
    pub span: Span,
    /// `aws:///eu-west-1a/i-0123`
    pub provider_id: Option<Said>,
    /// `v1.36.2+k3s1`
    pub kubelet: Option<Said>,
    /// `linux` or `windows`.
    pub os: Option<Box<str>>,
    /// `5.15.0-101-generic`
    pub kernel: Option<Said>,
    /// Keys of its taints.
    pub taints: Vec<Box<str>>,
    /// The condition `Ready`.
    pub ready: Option<bool>,
    /// Annotations that rules ask for.
    pub annotations: Vec<(Box<str>, Said)>,
}

impl NodeFacts {
    /// The value of an annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&Said> {
        let mut all = self.annotations.iter();
        all.find_map(|(name, value)| (**name == *key).then_some(value))
    }
}

/// What a cluster runs beside its workloads.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The header of what was read, if it has one.
    pub snapshot: Option<Snapshot>,
    /// All DaemonSets, and the Deployments of network engines.
    pub controllers: Vec<Controller>,
    /// What configures network engines.
    pub configs: Vec<Config>,
    /// What Node objects tell, by name.
    pub nodes: BTreeMap<Box<str>, NodeFacts>,
    /// Names of CustomResourceDefinitions of network engines, and where they are.
    pub crds: BTreeMap<Box<str>, Span>,
    /// Labels of Services of kube-system that tell the provider, as `name` or `name/label`.
    pub services: BTreeMap<Box<str>, Span>,
    /// How many PolicyEndpoints there are: the work of the controller of AWS.
    pub policy_endpoints: usize,
    /// Pods of DaemonSets that are not ready.
    pub unready: Vec<EndpointId>,
    /// Headers, the last one included.
    headers: Vec<Snapshot>,
}

impl Inventory {
    /// What the header says about a kind, by its group and plural name; none if no header says
    /// anything.
    #[must_use]
    pub fn state(&self, group: &str, resource: &str) -> Option<&KindRead> {
        let mut kinds = self.snapshot.iter().flat_map(|snapshot| &snapshot.kinds);
        kinds.find(|kind| kind.is(group, resource))
    }

    /// Why a kind could not be read; none if it could, or if nobody says.
    #[must_use]
    pub fn missing(&self, group: &str, resource: &str) -> Option<&KindRead> {
        self.state(group, resource)
            .filter(|kind| kind.state.is_incomplete())
    }

    /// The controllers of a kind.
    pub fn controllers_of(&self, kind: ControllerKind) -> impl Iterator<Item = &Controller> {
        let all = self.controllers.iter();
        all.filter(move |controller| controller.kind == kind)
    }

    /// A configuration object; a ConfigMap by its namespace too.
    #[must_use]
    pub fn config(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<&Config> {
        self.configs.iter().find(|config| {
            *config.kind == *kind
                && config.namespace.as_deref() == namespace
                && *config.name == *name
        })
    }

    /// Whether it holds anything at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.snapshot.is_none() && self.controllers.is_empty() && self.nodes.is_empty()
    }

    /// Takes in what another batch holds; of two objects with one name the later one counts.
    pub(crate) fn absorb(&mut self, other: Self) {
        for controller in other.controllers {
            let same = |found: &&mut Controller| {
                found.kind == controller.kind
                    && found.namespace == controller.namespace
                    && found.name == controller.name
            };
            match self.controllers.iter_mut().find(same) {
                Some(found) => *found = controller,
                None => self.controllers.push(controller),
            }
        }
        for config in other.configs {
            let same = |found: &&mut Config| {
                found.kind == config.kind
                    && found.namespace == config.namespace
                    && found.name == config.name
            };
            match self.configs.iter_mut().find(same) {
                Some(found) => *found = config,
                None => self.configs.push(config),
            }
        }
        self.nodes.extend(other.nodes);
        self.crds.extend(other.crds);
        self.services.extend(other.services);
        self.policy_endpoints += other.policy_endpoints;
        self.headers.extend(other.headers);
        self.snapshot = self.headers.last().cloned();
    }

    /// What the headers say could not be read, with what that means.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.headers.iter().flat_map(Snapshot::findings).collect()
    }
}
