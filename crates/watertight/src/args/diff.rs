//! Arguments of `diff`, and what it shares with `preview`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ClusterArgs, ConfigArgs, LiveArgs, OutputTarget, ReachBy};

/// Arguments of `diff`.
#[derive(Args, Debug)]
#[command(after_help = "Sources:
  k8s/  deploy.yaml            a directory or a file
  git:main  git:v1.4:k8s       a revision, or a path in it
  git:main...HEAD:k8s          where this branch began
  live:  live:prod             the cluster of the current context, or of another one
  monday.tar.gz                a snapshot of a cluster
  -                            standard input

Examples:
  watertight diff git:HEAD~1 .                    what the last commit and my edits change
  watertight diff git:main...HEAD:k8s k8s         what this branch changes
  watertight diff old.yaml new.yaml --flows flows.jsonl
  watertight diff git:origin/main:k8s k8s -o markdown=comment.md --fail-on widen
  watertight diff before/ after/ -o html > diff.html

Exit codes: 0 no difference that --fail-on asks for, 1 differences, 2 something could not be read")]
pub(crate) struct DiffArgs {
    /// The state before the change
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,
    /// The state after it
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// Leave out files that match this glob
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    #[command(flatten)]
    pub(crate) compare: CompareArgs,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
}

/// How two states are compared, and what is told of it.
#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// Recorded connections, of Hubble or Calico in JSON, of `conntrack -L`, or a table; `-` for
    /// standard input. Those that would be cut are told first
    #[arg(long, value_name = "FILE", help_heading = "Comparison")]
    pub(crate) flows: Vec<PathBuf>,
    /// What is one in the comparison
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "workload",
        help_heading = "Comparison"
    )]
    pub(crate) by: ReachBy,
    /// What counts as a difference
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "any",
        help_heading = "Comparison"
    )]
    pub(crate) fail_on: FailOnChange,

    /// Write the report as FORMAT, to FILE if given; may be repeated [default: text]
    #[arg(short, long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) output: Vec<OutputTarget<DiffFormat>>,
    /// Leave nothing out for its length
    #[arg(long, help_heading = "Output")]
    pub(crate) all: bool,
}

/// What counts as a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOnChange {
    /// Any connection with another answer
    Any,
    /// A connection that may be allowed and was not, or rules about ICMP, which is not compared
    Widen,
    /// A connection that was allowed and may not be, or rules about ICMP
    Narrow,
    /// Nothing
    Never,
}

/// Formats of `diff` and `preview`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// For people
    Text,
    /// For programs; `watertight schema diff` describes it
    Json,
    /// A comment on a pull request
    #[value(alias = "md")]
    Markdown,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// One page with everything
    Html,
}
