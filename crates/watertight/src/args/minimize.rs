//! Arguments of `minimize`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ClusterArgs, ConfigArgs, InputArgs, OutputTarget};

/// Arguments of `minimize`.
#[derive(Args, Debug)]
#[command(
    after_help = "What is listed can go all at once: every pod may talk to whom it may talk today, and is
isolated as it is today. What counts is what selectors and blocks say, so that this holds for
pods that come later too; --for-these-pods takes the pods of the input for all there will be.

Examples:
  watertight minimize k8s/                  what can go, and why
  watertight minimize k8s/ --diff           the same as a patch
  watertight minimize k8s/ -n shop --write  take it out of the files

Exit codes: 0 nothing can go (or it was written), 1 something can go, 2 something could not be read"
)]
pub(crate) struct MinimizeArgs {
    /// What to read, as with -f
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Look at the policies of these namespaces only; all others take part all the same
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Vec<String>,
    /// Also list what is redundant only because of the pods that the input has
    #[arg(long)]
    pub(crate) for_these_pods: bool,
    /// Print the edits as unified diffs
    #[arg(long, conflicts_with_all = ["write", "output"])]
    pub(crate) diff: bool,
    /// Edit the files in place
    #[arg(long, visible_alias = "fix")]
    pub(crate) write: bool,
    /// Write the list as FORMAT, to FILE if given; may be repeated [default: text]
    #[arg(short, long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) output: Vec<OutputTarget<MinimizeFormat>>,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// Formats of `minimize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MinimizeFormat {
    /// For people
    Text,
    /// For programs
    Json,
}
