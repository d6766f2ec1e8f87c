//! What `test -o json` prints, and the schema of the files that `test` reads.
//!
//! INVARIANT: the text format prints nothing that is not here. [`IntentFile`] is a schema only: files
//! are read by `analysis::intent`, which knows the place of everything in them.

mod build;
mod file;

use schemars::JsonSchema;
use serde::Serialize;

pub use build::{Builder, FileOf};
pub use file::IntentFile;

use super::explain::Answer;
use super::{Assumption, Engine, Finding, Location, Tool};

/// The answer of `watertight test`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntentReport {
    /// Always `watertight.dev/v1`.
    pub api_version: String,
    /// Always `IntentReport`.
    pub kind: String,
    /// The program that made the report.
    pub tool: Tool,
    /// The network engine that the answers are for.
    pub engine: Engine,
    /// Counts.
    pub summary: IntentSummary,
    /// What could not be read of manifests, and policies that are not evaluated.
    pub problems: Vec<Finding>,
    /// What was assumed where the input does not say.
    pub assumptions: Vec<Assumption>,
    /// What could not be read of intents.
    pub errors: Vec<IntentError>,
    /// The statements, in the order in which they are written.
    pub statements: Vec<IntentResult>,
}

/// Counts of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntentSummary {
    /// Statements that were judged.
    pub statements: usize,
    /// They hold.
    pub passed: usize,
    /// They do not hold.
    pub failed: usize,
    /// They do not hold, as expected.
    pub expected_failures: usize,
    /// They hold although they were expected not to: the gap is closed.
    pub unexpected_passes: usize,
    /// They are about nobody.
    pub vacuous: usize,
    /// They could not be judged, or could not be read.
    pub errors: usize,
    /// Whether all manifests and all intents could be read and judged. If not, the exit code is 2.
    pub complete: bool,
}

/// Something in a file with intents that cannot be read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct IntentError {
    /// What is wrong, in one sentence.
    pub message: String,
    /// Where.
    pub location: Location,
}

/// What became of a statement.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntentResult {
    /// The file.
    pub file: String,
    /// The name.
    pub name: String,
    /// Where it is; none for the statements of a map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// `allow`, `deny`, `only` or `exactly`.
    pub claim: String,
    /// Why it must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `pass`; `fail`; `xfail`: it does not hold, as expected; `xpass`: it holds although it was
    /// expected not to, which fails a run; `vacuous`: it is about nobody, which fails a run; `error`:
    /// it cannot be judged.
    pub status: String,
    /// What is so in one sentence; empty for what passes.
    pub message: String,
    /// The number of pairs of workloads, pods and ranges of addresses that were judged, if all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<usize>,
    /// The number of other pairs that break it.
    pub more: usize,
    /// A connection that breaks it, with what decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterexample: Option<Answer>,
}

impl IntentResult {
    /// Whether it fails a run.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        !matches!(self.status.as_str(), "pass" | "xfail")
    }
}

/// The JSON schema of [`IntentReport`].
#[must_use]
pub fn intent_report_schema() -> schemars::Schema {
    schemars::schema_for!(IntentReport)
}

/// The JSON schema of files with intents.
#[must_use]
pub fn intents_schema() -> schemars::Schema {
    schemars::schema_for!(IntentFile)
}
