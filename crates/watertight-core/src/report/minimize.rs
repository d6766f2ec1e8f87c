//! What `minimize -o json` prints: what can go, where it is, and why.

use schemars::JsonSchema;
use serde::Serialize;

use super::build::{assumptions, engine, finding, location, tool};
use super::{API_VERSION, Assumption, Engine, Finding, Location, Tool};
use crate::analysis::minimize::{Minimized, Part, Removal};
use crate::source::Sources;

/// The answer of `watertight minimize`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MinimizeReport {
    /// Always `watertight.dev/v1`.
    pub api_version: String,
    /// Always `MinimizeReport`.
    pub kind: String,
    /// The program that made the report.
    pub tool: Tool,
    /// The network engine that this holds for.
    pub engine: Engine,
    /// Whether everything could be read. If not, the exit code is 2.
    pub complete: bool,
    /// What could not be read.
    pub problems: Vec<Finding>,
    /// What was assumed where the input does not say.
    pub assumptions: Vec<Assumption>,
    /// What can go, all of it at once, in the order of places.
    pub removals: Vec<MinimizeRemoval>,
}

/// What can go of one policy.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MinimizeRemoval {
    /// The kind of the policy.
    pub kind: String,
    /// `NAMESPACE/NAME` of it.
    pub policy: String,
    /// Where its name is.
    pub location: Location,
    /// Whether all of it can go.
    pub whole: bool,
    /// Why all of it can go.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The parts that can go; of a policy that can go as a whole, what makes up for its parts.
    pub parts: Vec<MinimizePart>,
    /// Whether this holds for the pods of the input only, not for others that may come.
    pub for_these_pods: bool,
    /// Whether `--write` can do it.
    pub editable: bool,
}

/// A part of a policy.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MinimizePart {
    /// `ingress rule 2`, `peer 1 of egress rule 3`
    pub what: String,
    /// Where it is.
    pub location: Location,
    /// Why it can go.
    pub why: String,
    /// What allows the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covered_by: Option<Location>,
}

impl MinimizeReport {
    /// The report.
    #[must_use]
    pub fn new(sources: &Sources, found: &Minimized, complete: bool) -> Self {
        let problems = found.problems.iter().filter(|problem| problem.incomplete);
        Self {
            api_version: API_VERSION.into(),
            kind: "MinimizeReport".into(),
            tool: tool(),
            engine: engine(&found.profile),
            complete,
            problems: problems.map(|problem| finding(sources, problem)).collect(),
            assumptions: assumptions(&found.world),
            removals: found
                .removals
                .iter()
                .map(|removal| MinimizeRemoval::new(sources, removal))
                .collect(),
        }
    }
}

impl MinimizeRemoval {
    fn new(sources: &Sources, removal: &Removal) -> Self {
        Self {
            kind: "NetworkPolicy".into(),
            policy: removal.name.clone(),
            location: location(sources, removal.span, ""),
            whole: removal.whole,
            why: removal.why.clone(),
            parts: removal
                .parts
                .iter()
                .map(|part| MinimizePart::new(sources, part))
                .collect(),
            for_these_pods: removal.for_these_pods,
            editable: removal.editable,
        }
    }
}

impl MinimizePart {
    fn new(sources: &Sources, part: &Part) -> Self {
        Self {
            what: part.what.clone(),
            location: location(sources, part.span, ""),
            why: part.why.clone(),
            covered_by: part.by.map(|by| location(sources, by, "")),
        }
    }
}

/// The JSON schema of [`MinimizeReport`].
#[must_use]
pub fn minimize_schema() -> schemars::Schema {
    schemars::schema_for!(MinimizeReport)
}
