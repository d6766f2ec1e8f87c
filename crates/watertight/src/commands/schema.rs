//! `watertight schema NAME`

use crate::args::{SchemaArgs, SchemaName};
use crate::config::Config;
use crate::exit::Exit;

pub(super) fn run(args: &SchemaArgs) -> anyhow::Result<Exit> {
    let schema = match args.name {
        SchemaName::Check => watertight_core::report::check_schema(),
        SchemaName::Explain => watertight_core::report::explain_schema(),
        SchemaName::Diff => watertight_core::report::diff_schema(),
        SchemaName::Reach => watertight_core::report::reach_schema(),
        SchemaName::Baseline => watertight_core::report::baseline_schema(),
        SchemaName::Minimize => watertight_core::report::minimize_schema(),
        SchemaName::Test => watertight_core::report::intent_report_schema(),
        SchemaName::Intents => watertight_core::report::intents_schema(),
        SchemaName::Diagnose => watertight_core::report::diagnose_schema(),
        SchemaName::Lab => watertight_core::report::lab_schema(),
        SchemaName::Verify => watertight_core::report::verify_schema(),
        #[cfg(feature = "live")]
        SchemaName::Snapshot => schemars::schema_for!(crate::output::snapshot::SnapshotReport),
        SchemaName::Config => schemars::schema_for!(Config),
    };
    let mut text = serde_json::to_string_pretty(&schema)?;
    text.push('\n');
    super::print(&text)
}
