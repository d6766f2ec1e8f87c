//! Arguments of the small verbs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Arguments of `rule`.
#[derive(Args, Debug)]
pub(crate) struct RuleArgs {
    /// An id (WT201) or a name (metadata-open)
    #[arg(value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// How to print
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: RuleFormat,
}

/// Formats of `rule`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RuleFormat {
    /// For people
    Text,
    /// For programs
    Json,
    /// One page with all rules
    Markdown,
}

/// Arguments of `schema`.
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// Which schema
    #[arg(value_name = "NAME", default_value = "check")]
    pub(crate) name: SchemaName,
}

/// The schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaName {
    /// What `check -o json` prints
    Check,
    /// What `explain -o json` prints
    Explain,
    /// What `reach -o json` prints
    Reach,
    /// What `test -o json` prints
    Test,
    /// The files with intents that `test` reads
    Intents,
    /// What `diff -o json` and `preview -o json` print
    Diff,
    /// What `baseline -o json` prints
    Baseline,
    /// What `minimize -o json` prints
    Minimize,
    /// What `diagnose -o json` prints
    Diagnose,
    /// What `lab run -o json` prints
    Lab,
    /// What `verify -o json` prints
    Verify,
    /// What `snapshot show -o json` prints
    #[cfg(feature = "live")]
    Snapshot,
    /// .watertight.yaml
    Config,
}

/// Arguments of `completion`.
#[derive(Args, Debug)]
pub(crate) struct CompletionArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

/// Arguments of `man`.
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write one page for each command into this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}
