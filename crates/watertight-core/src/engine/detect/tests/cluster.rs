//! A cluster for a test, as the documents that `kubectl get -o yaml` would print.

use std::fmt::Write as _;

use super::super::{Detected, detect};
use crate::manifest::Options;
use crate::source::Sources;
use crate::world::{Assume, World, read};

/// Documents.
#[derive(Clone, Default)]
pub(super) struct Cluster {
    text: String,
    nodes: Vec<String>,
    pods: usize,
}

/// A container: its name, image, arguments and variables.
pub(super) struct C(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) &'static [&'static str],
    pub(super) &'static [(&'static str, &'static str)],
);

/// A container without arguments.
pub(super) fn c(name: &'static str, image: &'static str) -> C {
    C(name, image, &[], &[])
}

impl Cluster {
    /// A cluster of Linux nodes.
    pub(super) fn of(nodes: &[&str]) -> Self {
        nodes
            .iter()
            .fold(Self::default(), |all, node| all.node(node, "", ""))
    }

    /// A node with labels (`a: b, c: d`) and more fields of the object in flow style.
    pub(super) fn node(mut self, name: &str, labels: &str, more: &str) -> Self {
        let os = match labels.contains("kubernetes.io/os") {
            true => "",
            false => "kubernetes.io/os: linux, ",
        };
        let more = match more {
            "" => "",
            more => &format!(", {more}"),
        };
        let metadata = format!("name: {name}, labels: {{{os}{labels}}}");
        // `more` may hold annotations as `@...@`.
        let (metadata, more) = match more.split_once('@') {
            Some((_, rest)) => {
                let (annotations, rest) = rest.split_once('@').unwrap();
                (
                    format!("{metadata}, annotations: {{{annotations}}}"),
                    rest.to_owned(),
                )
            }
            None => (metadata, more.to_owned()),
        };
        writeln!(
            self.text,
            "---\n{{apiVersion: v1, kind: Node, metadata: {{{metadata}}}{more}}}"
        )
        .unwrap();
        self.nodes.push(name.to_owned());
        self
    }

    /// A DaemonSet with a ready pod on each of these nodes.
    pub(super) fn set(self, name: &str, containers: &[C], on: &[&str]) -> Self {
        self.selecting(name, containers, on, "")
    }

    /// The same, on nodes with a label.
    pub(super) fn selecting(
        mut self,
        name: &str,
        containers: &[C],
        on: &[&str],
        selector: &str,
    ) -> Self {
        self = self.controller("DaemonSet", name, containers, selector, on.len(), on.len());
        on.iter().fold(self, |all, node| all.pod(name, node, true))
    }

    /// A DaemonSet whose pods were not read.
    pub(super) fn counted(
        self,
        name: &str,
        containers: &[C],
        desired: usize,
        ready: usize,
    ) -> Self {
        self.controller("DaemonSet", name, containers, "", desired, ready)
    }

    /// A Deployment.
    pub(super) fn deployment(self, name: &str, containers: &[C], ready: usize) -> Self {
        self.controller("Deployment", name, containers, "", 1, ready)
    }

    fn controller(
        mut self,
        kind: &str,
        name: &str,
        containers: &[C],
        selector: &str,
        desired: usize,
        ready: usize,
    ) -> Self {
        let (namespace, name) = name.split_once('/').unwrap();
        let containers = containers.iter().map(|C(name, image, args, env)| {
            let args: Vec<_> = args.iter().map(|arg| format!("{arg:?}")).collect();
            let env = env
                .iter()
                .map(|(name, value)| format!("{{name: {name}, value: {value:?}}}"));
            let env: Vec<_> = env.collect();
            format!(
                "{{name: {name}, image: {image:?}, args: [{}], env: [{}]}}",
                args.join(", "),
                env.join(", ")
            )
        });
        let containers: Vec<_> = containers.collect();
        writeln!(
            self.text,
            "---\n{{apiVersion: apps/v1, kind: {kind}, metadata: {{name: {name}, namespace: {namespace}}}, \
             spec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, \
             spec: {{hostNetwork: true, nodeSelector: {{{selector}}}, containers: [{}]}}}}}}, \
             status: {{desiredNumberScheduled: {desired}, numberReady: {ready}, replicas: {desired}, readyReplicas: {ready}}}}}",
            containers.join(", ")
        )
        .unwrap();
        self
    }

    /// A pod of a DaemonSet.
    pub(super) fn pod(mut self, set: &str, node: &str, ready: bool) -> Self {
        let (namespace, name) = set.split_once('/').unwrap();
        self.pods += 1;
        let (number, ready) = (self.pods, if ready { "True" } else { "False" });
        writeln!(
            self.text,
            "---\n{{apiVersion: v1, kind: Pod, metadata: {{name: {name}-{number}, namespace: {namespace}, labels: {{app: {name}}}, \
             ownerReferences: [{{apiVersion: apps/v1, kind: DaemonSet, name: {name}, uid: u, controller: true}}]}}, \
             spec: {{nodeName: {node:?}, hostNetwork: true, containers: [{{name: a, image: b}}]}}, \
             status: {{phase: Running, podIP: 10.0.0.{number}, conditions: [{{type: Ready, status: {ready:?}}}]}}}}"
        )
        .unwrap();
        self
    }

    /// A ConfigMap of kube-system.
    pub(super) fn config(mut self, name: &str, data: &[(&str, &str)]) -> Self {
        let data: Vec<_> = data
            .iter()
            .map(|(key, value)| format!("{key}: {value:?}"))
            .collect();
        writeln!(
            self.text,
            "---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: kube-system}}, data: {{{}}}}}",
            data.join(", ")
        )
        .unwrap();
        self
    }

    /// Any object, in flow style.
    pub(super) fn object(mut self, text: &str) -> Self {
        writeln!(self.text, "---\n{text}").unwrap();
        self
    }

    /// A header: `configmaps=forbidden` and so on.
    pub(super) fn header(self, kinds: &[&str]) -> Self {
        let kinds = kinds.iter().map(|kind| {
            let (resource, state) = kind.split_once('=').unwrap();
            let (group, resource) = match resource.split_once('/') {
                Some((group, resource)) => (group, resource),
                None => ("", resource),
            };
            format!(
                "{{group: \"{group}\", version: v1, resource: {resource}, kind: K, state: {state}}}"
            )
        });
        let kinds: Vec<_> = kinds.collect();
        self.object(&format!(
            "{{apiVersion: watertight.dev/v1, kind: Snapshot, metadata: {{name: t}}, cluster: {{version: v1.36.2}}, kinds: [{}]}}",
            kinds.join(", ")
        ))
    }

    /// A NetworkPolicy, so that there is something to enforce.
    pub(super) fn policy(self) -> Self {
        self.object("{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: shop}, spec: {podSelector: {}}}")
    }

    pub(super) fn world(&self) -> World {
        let mut sources = Sources::new();
        sources.add("t.yaml", self.text.clone().into()).unwrap();
        let (world, loaded) = read(&sources, &Options::default(), &Assume::default(), None);
        let wrong: Vec<_> = loaded
            .findings
            .iter()
            .filter(|finding| finding.rule.id != "WT013")
            .map(|finding| &finding.message)
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}\n{}", self.text);
        world
    }

    pub(super) fn detect(&self) -> (World, Detected) {
        let world = self.world();
        let found = detect(&world);
        (world, found)
    }
}

/// `calico@3.31.2 enforced | calico@3.31.2 enforced; flannel ... | cause, cause | n1=enforced`
pub(super) fn show((world, found): &(World, Detected)) -> String {
    let engines = found.engines.iter().map(|engine| {
        let version = engine
            .version
            .map(|version| format!("@{version}"))
            .unwrap_or_default();
        format!("{}{version} {}", engine.engine, engine.state)
    });
    let engines: Vec<_> = engines.collect();
    let own = found.engines.iter().flat_map(|engine| &engine.causes);
    let causes: Vec<_> = found
        .causes
        .iter()
        .chain(own)
        .map(|cause| cause.id)
        .collect();
    let nodes = found
        .nodes
        .iter()
        .map(|node| format!("{}={}", world[node.node].name, node.state));
    let nodes: Vec<_> = nodes.collect();
    format!(
        "{} | {} | {} | {}",
        found.state,
        engines.join("; "),
        causes.join(", "),
        nodes.join(" ")
    )
}
