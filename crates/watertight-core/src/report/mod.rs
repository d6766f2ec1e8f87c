//! The JSON contract: what `-o json` prints, versioned and described by a schema.
//!
//! Only the types of this module are serialised; inside the crate nothing is, so that inner types
//! can change while the contract stays. Fields are added, never renamed or removed, within a
//! version.

pub mod baseline;
mod build;
pub mod diagnose;
pub mod diff;
pub mod explain;
mod fingerprint;
pub mod intent;
pub mod lab;
pub mod minimize;
pub mod reach;
pub mod verify;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

pub use baseline::{BaselineReport, baseline_schema};
pub use build::{finding, report, without_findings};
pub use diagnose::{DiagnoseReport, diagnose_schema};
pub use diff::{DiffReport, diff_schema};
pub use explain::{ExplainReport, explain_schema};
pub use fingerprint::fingerprint;
pub use intent::{IntentReport, intent_report_schema, intents_schema};
pub use lab::{LabReport, lab_schema};
pub use minimize::{MinimizeReport, minimize_schema};
pub use reach::{ReachReport, reach_schema};
pub use verify::{VerifyReport, verify_schema};

/// The version of the contract.
pub const API_VERSION: &str = "watertight.dev/v1";

/// The answer of `watertight check`. There may be many findings: they can be left out, to be written
/// one after the other.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "CheckReport")]
pub struct CheckReport<Findings = Vec<Finding>> {
    /// Always `watertight.dev/v1`.
    pub api_version: String,
    /// Always `CheckReport`.
    pub kind: String,
    /// The program that made the report.
    pub tool: Tool,
    /// The network engine that the answers are for.
    pub engine: Engine,
    /// Counts.
    pub summary: Summary,
    /// What was assumed where the input does not say.
    pub assumptions: Vec<Assumption>,
    /// What was found, in the order of places.
    pub findings: Findings,
    /// Findings that were suppressed, with the reason.
    pub suppressed: Vec<SuppressedFinding>,
    /// The four questions of a default deny, for every namespace with pods or policies.
    pub namespaces: Vec<Namespace>,
}

/// In the place of findings that are left out: an empty list.
pub type NoFindings = [(); 0];

/// The program.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Tool {
    /// Always `watertight`.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The network engine.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Engine {
    /// The name that was given, or that the policies of the input mean (M-5), or else `reference`.
    pub name: String,
    /// The version that was given, or the newest known one where the engine was inferred.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it enforces policies: enforced, enforced-with-window, opt-in, not-enforced, unknown.
    pub enforcement: String,
    /// How it reads what the API leaves open (docs/semantics.md), switch by switch.
    pub switches: BTreeMap<String, String>,
}

/// Counts of a run.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Files that were read.
    pub files: usize,
    /// Namespaces, synthesised ones included.
    pub namespaces: usize,
    /// Workloads, single pods included.
    pub workloads: usize,
    /// Pods; a workload without pods in the input counts as one.
    pub pods: usize,
    /// Policies of every language, staged ones aside.
    pub policies: usize,
    /// The same by `kind.group`.
    pub policies_by_kind: BTreeMap<String, usize>,
    /// Policies that are staged: never enforced, and not among the others.
    pub staged_policies: usize,
    /// Findings by severity.
    pub findings: Counts,
    /// Findings that were suppressed.
    pub suppressed: usize,
    /// Whether everything could be analysed. If not, the exit code is 2.
    pub complete: bool,
    /// Documents or files that could not be read.
    pub broken_documents: usize,
    /// Documents that are no Kubernetes objects.
    pub not_objects: usize,
    /// Objects of policy kinds that are not evaluated, by `kind.group`.
    pub not_evaluated: BTreeMap<String, usize>,
    /// Objects of other kinds, by kind.
    pub other_kinds: BTreeMap<String, usize>,
}

/// Findings by severity.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct Counts {
    /// Controls that do not hold, and objects that a cluster refuses.
    pub error: usize,
    /// Controls that are weaker than they look.
    pub warning: usize,
    /// Worth knowing.
    pub note: usize,
}

/// Something that was not read but assumed.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Assumption {
    /// The id of docs/semantics.md.
    pub id: String,
    /// What was assumed, in one sentence.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Finding {
    /// The rule's id (`WT201`).
    pub rule: String,
    /// The rule's name (`metadata-open`).
    pub name: String,
    /// `error`, `warning` or `note`.
    pub severity: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The object that the finding is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// The field path inside the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Places; the first one is the cause. Empty if nothing in the files causes it.
    pub locations: Vec<Location>,
    /// Judged connections that prove the finding.
    pub evidence: Vec<Evidence>,
    /// More to know.
    pub notes: Vec<String>,
    /// Ids of docs/semantics.md that decide it.
    pub why: Vec<String>,
    /// How to settle it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// Identifies the finding across runs, whatever its line.
    pub fingerprint: String,
}

/// A suppressed finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SuppressedFinding {
    /// Why it is suppressed.
    pub reason: String,
    /// The finding.
    pub finding: Finding,
}

/// An object.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Subject {
    /// The kind.
    pub kind: String,
    /// The namespace, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// A place in a file. Lines and columns count from 1, columns in characters; the end is exclusive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// The file as it was named on the command line or found below it.
    pub path: String,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// The line of the end.
    pub end_line: u32,
    /// The column of the end.
    pub end_column: u32,
    /// What is to be seen there; may be empty.
    pub label: String,
}

/// A judged connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Evidence {
    /// Who connects: `NAMESPACE/KIND/NAME`, `node:NAME` or `ip:ADDRESS`.
    pub from: String,
    /// To whom, in the same spelling.
    pub to: String,
    /// The destination address, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `tcp`, `udp`, `sctp` or `icmp`.
    pub protocol: String,
    /// The destination port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `allow` or `deny`.
    pub verdict: String,
    /// What decides it.
    pub because: String,
    /// The deciding line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Location>,
}

/// How to settle a finding.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Fix {
    /// What to do.
    pub message: String,
    /// Edits that do it; empty if a person must choose.
    pub edits: Vec<Edit>,
    /// A manifest to add.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// Why `--fix` leaves it to a person; none if it is certain to be what is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
}

/// A change of one place.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Edit {
    /// What is replaced; an empty range inserts.
    pub location: Location,
    /// The new text.
    pub text: String,
}

/// The answers for one namespace.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// The name.
    pub name: String,
    /// Its policies, of every language; those without a namespace and staged ones are not counted.
    pub policies: usize,
    /// Its workloads, single pods included.
    pub workloads: usize,
    /// Its pods that policies can apply to.
    pub pods: usize,
    /// Its pods on the host network, outside all policies.
    pub host_network_pods: usize,
    /// Does the engine enforce policies? `yes`, `window`, `opt-in`, `no` or `unknown`.
    pub enforced: Answer,
    /// Are all pods isolated? `both`, `ingress`, `egress`, `partly` or `none`; counts pods isolated
    /// in both directions.
    pub isolated: Answer,
    /// Pods isolated for ingress.
    pub ingress: Share,
    /// Pods isolated for egress.
    pub egress: Share,
    /// Can pods resolve names? `alive`, `udp-only`, `mixed` or `dead`; counts pods that can.
    pub dns: Answer,
    /// Are metadata services and the API server closed? `closed`, `api-only`, `mixed` or `open`;
    /// counts pods that reach no metadata service.
    pub closed: Answer,
    /// Pods that do not reach the API server, where the input says where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_closed: Option<Share>,
}

/// One word and a count.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Answer {
    /// The word; `-` where there is nothing to judge.
    pub word: String,
    /// How many fulfil the condition.
    pub of: usize,
    /// How many there are.
    pub total: usize,
}

/// How many of how many.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub struct Share {
    /// How many fulfil the condition.
    pub of: usize,
    /// How many there are.
    pub total: usize,
}

/// The JSON schema of [`CheckReport`].
#[must_use]
pub fn check_schema() -> schemars::Schema {
    schemars::schema_for!(CheckReport)
}
