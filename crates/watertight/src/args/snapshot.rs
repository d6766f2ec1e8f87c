//! Arguments of `snapshot`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{LiveArgs, OutputTarget};

/// Arguments of `snapshot`.
#[derive(Args, Debug)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  watertight snapshot save                       the cluster of the current context
  watertight snapshot save prod.tar.gz --context prod
  watertight snapshot save bug.tar.gz --redact   names replaced, to be shown to others
  watertight snapshot show prod.tar.gz
  watertight check prod.tar.gz

A snapshot is an archive of manifests: tar xzf prod.tar.gz, and read them"
)]
pub(crate) struct SnapshotArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: SnapshotVerb,
}

/// The verbs of `snapshot`.
#[derive(Debug, Subcommand)]
pub(crate) enum SnapshotVerb {
    /// Read a live cluster into one file
    Save(Box<SnapshotSaveArgs>),
    /// Tell what is in a snapshot, and what is not
    Show(SnapshotShowArgs),
}

/// Arguments of `snapshot save`.
#[derive(Args, Debug)]
pub(crate) struct SnapshotSaveArgs {
    /// The file, or `-` for standard output [default: CONTEXT.tar.gz, cluster.tar.gz with --redact]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Replace names and label values, and leave out what else tells whose it is, for a bug report
    #[arg(long)]
    pub(crate) redact: bool,
    /// Write over a file that is no snapshot
    #[arg(long)]
    pub(crate) force: bool,
    /// Look into these namespaces where the whole cluster may not be listed
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Vec<String>,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
}

/// Arguments of `snapshot show`.
#[derive(Args, Debug)]
pub(crate) struct SnapshotShowArgs {
    /// The snapshot
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Write as FORMAT, to FILE if given; may be repeated [default: text]
    #[arg(short, long, value_name = "FORMAT[=FILE]")]
    pub(crate) output: Vec<OutputTarget<SnapshotFormat>>,
}

/// Formats of `snapshot show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SnapshotFormat {
    /// For people
    Text,
    /// For programs
    Json,
}
