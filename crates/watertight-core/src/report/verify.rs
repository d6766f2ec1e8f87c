//! What `verify -o json` prints: every claim with its verdict, and every attempt that led to it.
//!
//! INVARIANT: no attempt is left out. Whoever doubts a verdict can judge again.

pub mod predict;

use schemars::JsonSchema;
use serde::Serialize;

use super::build::tool;
use super::{API_VERSION, Evidence, Tool};

/// The answer of `watertight verify`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyReport {
    /// Always `watertight.dev/v1`.
    pub api_version: String,
    /// Always `VerifyReport`.
    pub kind: String,
    /// The program that made the report.
    pub tool: Tool,
    /// The context of the kubeconfig, or the address of the API server.
    pub cluster: String,
    /// The namespace that was used.
    pub namespace: String,
    /// The image that the pods ran; none with `--real` without ephemeral containers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `enforced`, `not-enforced` or `inconclusive`: exit code 0, 1 or 2.
    pub verdict: String,
    /// Counts of claims, or of connections with `--real`.
    pub counts: VerifyCounts,
    /// The pods, in the order of `from`.
    pub pods: Vec<VerifyPod>,
    /// Every claim.
    pub claims: Vec<VerifyClaim>,
    /// How long policies took.
    pub timings: Vec<VerifyTiming>,
    /// What came of a pod that was new while policies were in force, in each direction.
    pub new_pods: Vec<VerifyNewPod>,
    /// With `--real`: every connection, predicted and tried.
    pub connections: Vec<VerifyConnection>,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
    /// What could not be removed.
    pub left_behind: Vec<String>,
}

impl VerifyReport {
    /// A report that says nothing yet.
    #[must_use]
    pub fn new(cluster: &str, namespace: &str) -> Self {
        Self {
            api_version: API_VERSION.into(),
            kind: "VerifyReport".into(),
            tool: tool(),
            cluster: cluster.into(),
            namespace: namespace.into(),
            image: None,
            verdict: String::new(),
            counts: VerifyCounts::default(),
            pods: Vec::new(),
            claims: Vec::new(),
            timings: Vec::new(),
            new_pods: Vec::new(),
            connections: Vec::new(),
            notes: Vec::new(),
            left_behind: Vec::new(),
        }
    }
}

/// Counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyCounts {
    /// As the policies say.
    pub enforced: usize,
    /// Of those: late.
    pub slow: usize,
    /// Not as the policies say.
    pub not_enforced: usize,
    /// Of those: now stopped, now not.
    pub flapping: usize,
    /// Of those: what is allowed is stopped.
    pub overblocked: usize,
    /// It cannot be told.
    pub inconclusive: usize,
    /// The API leaves it open.
    pub exempt: usize,
    /// Nothing gets there, policies or not.
    pub closed: usize,
}

/// A pod that took part.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct VerifyPod {
    /// What it answers with.
    pub name: String,
    /// The name of the pod.
    pub pod: String,
    /// What it is for: `open-server`, `closed-server`, `open-client`, `closed-client` or `everywhere`.
    pub part: String,
    /// Its node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its addresses.
    pub addresses: Vec<String>,
}

/// One claim.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyClaim {
    /// Whose policies: `ingress` or `egress`.
    pub direction: String,
    /// `pod-ip`, `cluster-ip`, `node-port`, `node`, `dns`, `api-server`, `metadata` or `internet`.
    pub path: String,
    /// `same-node`, `other-node`, `node:NAME` of the pod that the claim is about, or `outside`.
    pub place: String,
    /// 4 or 6.
    pub family: u8,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// The client that policies are for, or not, by its place in `pods`.
    pub from: usize,
    /// The destination.
    pub to: String,
    /// What was dialled: `tcp:10.244.1.5:8081`.
    pub target: String,
    /// `denied`, or `either` where the API leaves it open.
    pub expected: String,
    /// `enforced`, `slow`, `exempt`, `closed`, `inconclusive`, `overblocked`, `flapping` or `not-enforced`.
    pub verdict: String,
    /// Why, in one sentence.
    pub reason: String,
    /// The first attempt that was stopped had begun so many milliseconds after the policy was stored, or earlier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_after: Option<u64>,
    /// Whether it counts for the exit code.
    pub counts: bool,
    /// Every attempt, in order.
    pub attempts: Vec<VerifyAttempt>,
}

/// One attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct VerifyAttempt {
    /// `before`, `denied`, `allowed-back` or `released`.
    pub phase: String,
    /// Milliseconds since this part of the run began.
    pub at: u64,
    /// `control`, `treatment` or `allowed`: the port that is allowed back.
    pub end: String,
    /// `open`, `refused`, `rejected`, `timeout` or `error`.
    pub outcome: String,
    /// Who answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// More to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How long a change of policies took, measured in a pod.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyTiming {
    /// `enforce` or `release`.
    pub change: String,
    /// `ingress` or `egress`.
    pub direction: String,
    /// The last attempt that went as before began so many milliseconds after the change was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<f64>,
    /// The first attempt that went as the change says began so many milliseconds after it was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<f64>,
    /// How long it took to store the policies: the change may be older by so much. The clocks of the pod and of
    /// this program are compared by the answer that came fastest; how long that one was under way is not known.
    pub uncertainty: f64,
    /// Attempts.
    pub attempts: usize,
    /// Attempts that contradict: as before, after the change had come into force.
    pub contradictions: usize,
}

/// A pod that started while policies were in force for it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifyNewPod {
    /// `egress`: what it reached; `ingress`: who reached it, from when the API named its address.
    pub direction: String,
    /// `closed`, `open`, `never-closed` or `inconclusive`.
    pub verdict: String,
    /// In words.
    pub reason: String,
    /// How long the pod was open: milliseconds from the first attempt to the last one that arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_for: Option<f64>,
    /// Its own first attempt began so many milliseconds after the program started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_attempt: Option<f64>,
    /// Attempts.
    pub attempts: usize,
}

/// A connection between pods of the cluster.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct VerifyConnection {
    /// What is predicted, and by which line.
    pub predicted: Evidence,
    /// The pod that tried it.
    pub pod: String,
    /// How it was tried: `bash`, `nc`, `curl`, `watertight` in an ephemeral container, or `none`.
    pub tool: String,
    /// `open`, `refused`, `rejected`, `timeout` or `error`.
    pub observed: String,
    /// `agree`, `differ` or `inconclusive`.
    pub verdict: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// The schema of [`VerifyReport`].
#[must_use]
pub fn verify_schema() -> schemars::Schema {
    schemars::schema_for!(VerifyReport)
}
