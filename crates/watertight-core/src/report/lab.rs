//! What `lab run -o json` prints: what was predicted, what packets showed, and where the two differ.
//!
//! INVARIANT: every connection that was tried is in exactly one list of one pair, and every difference is in
//! `differences` too, with what decided on either side.

mod build;
#[cfg(test)]
mod tests;
mod unjudged;

use schemars::JsonSchema;
use serde::Serialize;

pub use build::{LabInput, Observed, Seen, Trial, lab_report};
pub use unjudged::selecting;

use super::{Assumption, Engine, Evidence, Finding, Location, Tool};

/// The answer of `watertight lab run`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabReport {
    /// Always `watertight.dev/v1`.
    pub api_version: String,
    /// Always `LabReport`.
    pub kind: String,
    /// The program that made the report.
    pub tool: Tool,
    /// The network engine whose stacking and readings were predicted and built.
    pub engine: Engine,
    /// Whether everything could be read. If not, the exit code is 2.
    pub complete: bool,
    /// What could not be read, and policies that are not evaluated.
    pub problems: Vec<Finding>,
    /// What was assumed, and made up for the lab, where the input does not say.
    pub assumptions: Vec<Assumption>,
    /// How many policies there are.
    pub policies: usize,
    /// How many of them select a pod or a node of the lab. If none does, nothing is put to the test.
    pub selecting: usize,
    /// Of how many connections those that were tried are a sample; none if they are all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled_from: Option<usize>,
    /// Counts.
    pub counts: LabCounts,
    /// Who took part, in the order of `from` and `to`.
    pub parties: Vec<LabParty>,
    /// What outside addresses stand for.
    pub outside: Vec<LabOutside>,
    /// What of the input is not in the lab.
    pub left_out: Vec<LabLeftOut>,
    /// Rules that packets cannot show as they are written; connections that they decide are not judged.
    pub unsaid: Vec<LabUnsaid>,
    /// Every pair that was tried.
    pub pairs: Vec<LabPair>,
    /// Connections of which packets and prediction differ.
    pub differences: Vec<LabDifference>,
    /// Connections that are inconclusive, by the reason for it.
    pub inconclusive: Vec<LabReason>,
    /// Connections that are not judged, by the reason for it.
    pub unjudged: Vec<LabReason>,
}

/// Counts of connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabCounts {
    /// Tried.
    pub tried: usize,
    /// Of those that are judged: packets arrived, as predicted.
    pub allowed: usize,
    /// Packets did not arrive, as predicted.
    pub denied: usize,
    /// Of the denied ones: proved by the rule that logged the packet.
    pub proved: usize,
    /// Packets and prediction differ.
    pub differ: usize,
    /// Nothing can be said: the control did not arrive either, or the connection could not be tried.
    pub inconclusive: usize,
    /// Not judged: the prediction is uncertain, or packets do not show what decides.
    pub not_judged: usize,
    /// Denied ones whose control arrived while no policy was in force.
    pub controls: usize,
}

/// One end of connections.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LabParty {
    /// `NAMESPACE/NAME` of a pod, `node:NAME`, `ip:ADDRESS`, or `NAMESPACE/svc/NAME`.
    pub name: String,
    /// `pod`, `host-pod`, `node`, `outside`, `service`, or `balancer`: an outer address of a Service.
    pub kind: String,
    /// The node that it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its addresses.
    pub addresses: Vec<String>,
}

/// What an address outside of the cluster stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LabOutside {
    /// The address.
    pub address: String,
    /// The name of `--outside`, or `internet`, `metadata` or `private`, or the Service that leads there.
    pub name: String,
}

/// Something that is not in the lab.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LabLeftOut {
    /// What.
    pub name: String,
    /// Why: it `has finished`.
    pub reason: String,
}

/// A rule that packets cannot show as it is written.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LabUnsaid {
    /// The policy: `CiliumNetworkPolicy shop/web`.
    pub policy: String,
    /// What of it, and what is done instead.
    pub text: String,
    /// Where it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Location>,
}

/// What was tried from one party to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LabPair {
    /// The source, by its place in `parties`.
    pub from: usize,
    /// The destination.
    pub to: usize,
    /// Ports on which packets arrive, as predicted: `80/tcp`, `icmp`; with `/ipv6` behind it for IPv6.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// Ports on which they do not, as predicted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denied: Vec<String>,
    /// Ports on which packets and prediction differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differ: Vec<String>,
    /// Ports of which nothing can be said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inconclusive: Vec<String>,
    /// Ports that are not judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_judged: Vec<String>,
}

/// A connection of which packets and prediction differ.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct LabDifference {
    /// The source, by its place in `parties`.
    pub from: usize,
    /// The destination.
    pub to: usize,
    /// The port that was dialled, as the pair lists it: `80/tcp`.
    pub port: String,
    /// What is predicted, and by which line.
    pub predicted: Evidence,
    /// The address family: 4 or 6.
    pub family: u8,
    /// `open`, `refused`, `rejected`, `dropped`, `timeout` or `error`.
    pub observed: String,
    /// What was seen, in words: who answered, which rule of which node dropped it.
    pub detail: String,
    /// Rules of the kernel that the packet met when it was sent again, as `nft` writes them.
    pub kernel: Vec<String>,
}

/// Connections of which nothing is said, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LabReason {
    /// Why.
    pub reason: String,
    /// The statement of docs/semantics.md that leaves it open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The line that is at the bottom of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Location>,
    /// Which connections.
    pub connections: Vec<LabConnection>,
}

/// A connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LabConnection {
    /// The source, by its place in `parties`.
    pub from: usize,
    /// The destination.
    pub to: usize,
    /// The port that was dialled, as the pair lists it: `80/tcp`.
    pub port: String,
}

/// The schema of [`LabReport`].
#[must_use]
pub fn lab_schema() -> schemars::Schema {
    schemars::schema_for!(LabReport)
}
