//! What `diagnose -o json` prints: whether policies do anything for what was asked about, in six steps, and
//! what the cluster shows about engines and nodes.
//!
//! INVARIANT: the answer rests on the steps, a step on its items, and an item names the object, the line or
//! the connection that shows it.

mod build;

use schemars::JsonSchema;
use serde::Serialize;

pub use build::{Asked, diagnose_report};

use super::{Assumption, Evidence, Finding, Location, Tool};

/// The answer of `watertight diagnose`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiagnoseReport {
    /// Always `watertight.dev/v1`.
    pub api_version: String,
    /// Always `DiagnoseReport`.
    pub kind: String,
    /// The program that made the report.
    pub tool: Tool,
    /// What was asked about: `the cluster`, `shop/web -> shop/db:5432/tcp`.
    pub target: String,
    /// Whether policies do anything for it: `real`, `partly`, `decorative`, `unknown`.
    pub answer: String,
    /// Why, in one sentence.
    pub because: String,
    /// How many pods it is about.
    pub pods: usize,
    /// Whether everything could be read. If not, the exit code is 2.
    pub complete: bool,
    /// The cluster that was read, if its header tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<DiagnosedCluster>,
    /// What becomes of policies in the cluster: not-enforced, conflict, audit-only, partial, unknown,
    /// enforced-with-window, enforced. It is what objects show; packets alone prove it.
    pub enforcement: String,
    /// The six steps, in order.
    pub steps: Vec<DiagnoseStep>,
    /// The engines, those that act on policies first.
    pub engines: Vec<DiagnosedEngine>,
    /// The readings that objects of the cluster set (docs/semantics.md), with what shows it.
    pub readings: Vec<DiagnosedReading>,
    /// Features that are off by default, where an object tells whether they are on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<DiagnosedFeature>,
    /// Nodes by pool and state.
    pub pools: Vec<DiagnosedPool>,
    /// Each node.
    pub nodes: Vec<DiagnosedNode>,
    /// What could not be read, and policies that are not evaluated.
    pub problems: Vec<Finding>,
    /// What was assumed where the input does not say.
    pub assumptions: Vec<Assumption>,
}

/// The cluster that was read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiagnosedCluster {
    /// The context or file.
    pub name: String,
    /// The release of the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken: Option<String>,
    /// Who runs it: `eks`, `k3s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// One of the six steps.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiagnoseStep {
    /// From 1.
    pub number: usize,
    /// `enforcement`, `isolation`, `tiers`, `labels`, `versions`, `host-network`.
    pub name: String,
    /// What it asks.
    pub question: String,
    /// `passed`, `failed`, `unknown` or `not-applicable`.
    pub state: String,
    /// The answer, in one sentence.
    pub summary: String,
    /// What it rests on, causes first.
    pub items: Vec<DiagnoseItem>,
    /// How many more causes there are.
    pub more: usize,
}

/// One thing that a step rests on.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiagnoseItem {
    /// A sentence.
    pub text: String,
    /// Whether it makes the step fail, or unknown.
    pub cause: bool,
    /// The rule that found it (`WT402`), or the name of the cause (`aws-agent-off`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Location>,
    /// Values that show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ObjectValue>,
    /// Judged connections that show it, as if policies were enforced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub connections: Vec<Evidence>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Where the rule behind it was read: a file or a page of the engine's project.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A value of an object of the cluster.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ObjectValue {
    /// `ConfigMap kube-system/cilium-config`
    pub object: String,
    /// `data.enable-policy`
    pub field: String,
    /// The value; `absent` if there is none, `not read` if nobody knows.
    pub value: String,
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Location>,
}

/// An engine that was found.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiagnosedEngine {
    /// As `--engine` takes it: `cilium`.
    pub id: String,
    /// As its makers write it.
    pub name: String,
    /// The release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `DaemonSet kube-system/cilium`
    pub runs_as: String,
    /// What shows it, and the release.
    pub seen: ObjectValue,
    /// How it is set up.
    pub modes: Vec<String>,
    /// What becomes of policies where it runs.
    pub enforcement: String,
    /// Pods that are ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready_pods: Option<usize>,
    /// Pods that there should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_pods: Option<usize>,
}

/// A reading that an object sets.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiagnosedReading {
    /// The switch, as `--switch` takes it.
    pub switch: String,
    /// What sets it.
    pub by: ObjectValue,
}

/// A feature that is off by default, and that an object switches on, or says to be off.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiagnosedFeature {
    /// `sctp`, `cluster-network-policy` and so on.
    pub feature: String,
    /// Whether it is on.
    pub on: bool,
    /// What says so.
    pub by: ObjectValue,
}

/// Nodes of one pool in one state.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiagnosedPool {
    /// The pool or role; empty for nodes of none.
    pub name: String,
    /// `linux`, `windows`, `fargate` or `virtual`.
    pub kind: String,
    /// What becomes of policies there.
    pub enforcement: String,
    /// How many nodes.
    pub nodes: usize,
}

/// A node.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiagnosedNode {
    /// The name.
    pub name: String,
    /// The pool or role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// `linux`, `windows`, `fargate` or `virtual`.
    pub kind: String,
    /// What becomes of policies there.
    pub enforcement: String,
    /// Why it is not the same as the engine's; may be empty.
    pub because: String,
    /// Values that show it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<ObjectValue>,
}

/// The schema of [`DiagnoseReport`].
#[must_use]
pub fn diagnose_schema() -> schemars::Schema {
    schemars::schema_for!(DiagnoseReport)
}
