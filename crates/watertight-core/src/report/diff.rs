//! What `diff -o json` and `preview -o json` print: which connections come, go or change, grouped by
//! the object that makes the difference.
//!
//! INVARIANT: every change is in exactly one row of one cause; every pair of a row, each source with each
//! destination, changes alike.

mod build;
mod counts;
mod findings;
mod icmp;
mod verdict;

use schemars::JsonSchema;
use serde::Serialize;

pub use build::{DiffInput, Flows, diff_report};
#[cfg(test)]
pub(crate) use findings::delta;

use super::reach::ReachPorts;
use super::{Assumption, Engine, Evidence, Finding, Location, Tool};

/// The answer of `watertight diff` and `watertight preview`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffReport {
    /// Always `watertight.dev/v1`.
    pub api_version: String,
    /// Always `DiffReport`.
    pub kind: String,
    /// The program that made the report.
    pub tool: Tool,
    /// What is compared: the state before.
    pub old: DiffSide,
    /// And the state after.
    pub new: DiffSide,
    /// Whether everything could be read on both sides. If not, the exit code is 2.
    pub complete: bool,
    /// What could not be read, and policies that are not evaluated.
    pub problems: Vec<Finding>,
    /// What was assumed where the input does not say, and what is not compared.
    pub assumptions: Vec<Assumption>,
    /// Whether the change is safe.
    pub verdict: DiffVerdict,
    /// Counts.
    pub counts: DiffCounts,
    /// Recorded flows that are judged otherwise than before, those that would be cut first.
    pub observed: Vec<ObservedChange>,
    /// What changes, by cause: policies first, then namespaces, then workloads.
    pub causes: Vec<DiffCause>,
    /// Objects that differ, and that are the cause of no change: they may keep what others would change.
    pub unaffecting: Vec<DiffObject>,
    /// Findings that the change brings and settles; none if they were not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<FindingDelta>,
}

/// One of the states that are compared.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiffSide {
    /// What it was read from, as it was named.
    pub source: String,
    /// The network engine that its answers are for.
    pub engine: Engine,
    /// Its namespaces.
    pub namespaces: usize,
    /// Its pods; a workload without pods in the input counts as one.
    pub pods: usize,
    /// Its policies, of every language.
    pub policies: usize,
}

/// The answer to "is this safe?".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiffVerdict {
    /// `same` (no object differs), `safe` (objects differ, no connection does), `narrows`, `widens`,
    /// `mixed` (some of both), `uncertain` (only what is not known changes, or what is said about ICMP), `unsafe` (an observed
    /// connection is cut, a metadata service or most of the internet opens), `unknown` (not everything
    /// could be read).
    pub word: String,
    /// One sentence.
    pub sentence: String,
}

/// Counts. A pair is a source and a destination, both of them workloads or nodes; the outside is one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffCounts {
    /// Pairs that gain connections and lose none.
    pub gained: usize,
    /// Pairs that lose connections and gain none.
    pub lost: usize,
    /// Pairs that gain some and lose some.
    pub mixed: usize,
    /// Pairs of which only what is not known changes.
    pub uncertain: usize,
    /// Those of all these with a workload that is new or gone.
    pub by_new_or_gone: usize,
    /// Pairs that gain connections to the outside, or from there.
    pub gained_external: usize,
    /// Workloads that gain a metadata service of a cloud.
    pub gained_metadata: usize,
    /// Workloads that gain most of the internet, as source or as destination.
    pub gained_internet: usize,
    /// Policies and namespaces that differ.
    pub objects: usize,
    /// Policies that say something else about ICMP, which is not compared.
    pub icmp: usize,
    /// Recorded flows that would be cut.
    pub observed_cut: usize,
    /// Findings that the change brings.
    pub findings_introduced: usize,
    /// Findings that the change settles.
    pub findings_resolved: usize,
}

/// A recorded flow that is judged otherwise than before.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ObservedChange {
    /// `cut` (it was allowed, it will be denied), `opened` (the other way round) or `uncertain`.
    pub change: String,
    /// Who connected.
    pub from: String,
    /// To whom.
    pub to: String,
    /// `tcp`, `udp`, `sctp` or `icmp`.
    pub protocol: String,
    /// The destination port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How often it was seen.
    pub times: u64,
    /// The first line of the recording that says so.
    pub seen: Location,
    /// The verdict before.
    pub old: Evidence,
    /// The verdict after.
    pub new: Evidence,
}

/// Why something changes, and what does.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiffCause {
    /// The objects; several if only all of them together make the difference. Empty if it is no
    /// object: addresses, nodes, assumptions, another engine.
    pub objects: Vec<DiffObject>,
    /// What changes.
    pub rows: Vec<DiffRow>,
}

/// An object that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiffObject {
    /// `added`, `removed` or `edited`.
    pub change: String,
    /// The kind.
    pub kind: String,
    /// The namespace, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
    /// Where it is in the old state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Location>,
    /// Where it is in the new state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Location>,
    /// The smallest values that differ.
    pub edits: Vec<DiffEdit>,
    /// What differs, in words, where it is not told by edits: `label app: web -> api`.
    pub notes: Vec<String>,
}

/// A value that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiffEdit {
    /// The field path inside the object: `spec.egress[1].to[0].ipBlock.cidr`.
    pub path: String,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<DiffValue>,
    /// What is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<DiffValue>,
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiffValue {
    /// A scalar; of a list or mapping what it is: `2 items`.
    pub text: String,
    /// Where.
    pub place: Location,
}

/// Pairs that change alike.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffRow {
    /// `gained` (nothing was allowed before), `lost` (nothing is allowed any more), `ports` (some was
    /// and some is) or `uncertain` (only what is not known changes).
    pub change: String,
    /// Whether somebody may do more than before.
    pub widens: bool,
    /// Whether somebody may do less than before.
    pub narrows: bool,
    /// Who connects: units; `world` for the outside.
    pub from: Vec<String>,
    /// To whom.
    pub to: Vec<String>,
    /// What of the outside is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<DiffExternal>,
    /// What was allowed.
    pub before: Vec<ReachPorts>,
    /// What is allowed.
    pub after: Vec<ReachPorts>,
    /// What was allowed over IPv6, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_ipv6: Option<Vec<ReachPorts>>,
    /// What is allowed over IPv6, where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_ipv6: Option<Vec<ReachPorts>>,
    /// The ports on which the answer is another one.
    pub shifts: Vec<DiffShift>,
    /// The number of pairs.
    pub pairs: usize,
    /// Whether a unit of it is in one state only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub new_or_gone: bool,
    /// One connection of it, before and after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub example: Option<DiffExample>,
}

/// Ports with another answer than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiffShift {
    /// `tcp`, `udp`, `sctp`, or `any` for all three.
    pub protocol: String,
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
    /// `deny`, `uncertain`, `requests` (certain requests only) or `allow`; of the pairs of pods, the
    /// best.
    pub old: String,
    /// The same, after.
    pub new: String,
    /// Whether some pair may do more.
    pub widens: bool,
    /// Whether some pair may do less.
    pub narrows: bool,
}

/// Addresses and names outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DiffExternal {
    /// Networks and ranges, IPv4 first.
    pub addresses: Vec<String>,
    /// Ranges with a name that lie inside.
    pub names: Vec<String>,
    /// Addresses of metadata services that lie inside.
    pub metadata: Vec<String>,
    /// DNS names: `fqdn:api.example.com`.
    pub domains: Vec<String>,
}

/// A connection, judged before and after.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiffExample {
    /// Before; none if an end is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Evidence>,
    /// After.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Evidence>,
}

/// Findings of `check` that are on one side only.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct FindingDelta {
    /// Findings that the change brings.
    pub introduced: Vec<Finding>,
    /// Findings that the change settles.
    pub resolved: Vec<Finding>,
}

/// The schema of the report.
#[must_use]
pub fn diff_schema() -> schemars::Schema {
    schemars::schema_for!(DiffReport)
}
