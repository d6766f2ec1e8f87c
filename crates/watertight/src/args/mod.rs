//! What can be typed: one file a verb, and in `groups` the flags that verbs share.

mod baseline;
mod check;
mod diagnose;
mod diff;
mod explain;
mod groups;
mod lab;
mod live;
mod minimize;
mod output;
mod preview;
#[cfg(feature = "live")]
mod probe;
mod reach;
mod small;
#[cfg(feature = "live")]
mod snapshot;
mod test;
#[cfg(feature = "live")]
mod verify;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use baseline::{BaselineArgs, BaselineDialect, BaselineFormat, BaselineGuard};
pub(crate) use check::{CheckArgs, FailOn};
pub(crate) use diagnose::{DiagnoseArgs, DiagnoseFormat};
pub(crate) use diff::{CompareArgs, DiffArgs, DiffFormat, FailOnChange};
pub(crate) use explain::{Expect, ExplainArgs, ExplainFormat};
pub(crate) use groups::{ClusterArgs, ConfigArgs, InputArgs};
pub(crate) use lab::{LabArgs, LabFormat};
#[cfg(target_os = "linux")]
pub(crate) use lab::{
    LabDownArgs, LabHoldArgs, LabInputArgs, LabProbeArgs, LabRunArgs, LabShellArgs, LabUpArgs,
    LabVerb,
};
pub(crate) use live::LiveArgs;
pub(crate) use minimize::{MinimizeArgs, MinimizeFormat};
pub(crate) use output::OutputTarget;
pub(crate) use preview::PreviewArgs;
#[cfg(feature = "live")]
pub(crate) use probe::{Pace, ProbeArgs, ProbeVerb, ServeArgs};
pub(crate) use reach::{ReachArgs, ReachBy, ReachFormat};
pub(crate) use small::{CompletionArgs, ManArgs, RuleArgs, RuleFormat, SchemaArgs, SchemaName};
#[cfg(feature = "live")]
pub(crate) use snapshot::{
    SnapshotArgs, SnapshotFormat, SnapshotSaveArgs, SnapshotShowArgs, SnapshotVerb,
};
pub(crate) use test::{TestArgs, TestFormat};
#[cfg(feature = "live")]
pub(crate) use verify::{VerifyArgs, VerifyCleanArgs, VerifyFormat, VerifyTool, VerifyVerb};

/// Tells what your Kubernetes network policies really deny, and what they only seem to
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  watertight check                               the manifests below this directory
  watertight check k8s/ --engine cilium@1.15     what that engine makes of them
  helm template shop | watertight check -        what a chart makes
  watertight check --live                        the cluster of the current context
  watertight diagnose --live                     whether anything there puts policies into effect
  watertight verify                              the same, proved with packets between pods of its own
  watertight explain 'shop/web -> shop/db:5432'  why this connection is allowed or denied
  watertight rule WT201                          what a finding means

Exit codes: 0 nothing found, 1 findings, 2 something could not be read or analysed"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) global: Global,
}

/// Flags of every verb.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        env = "WATERTIGHT_COLOR",
        hide_env = true
    )]
    pub(crate) color: ColorWhen,
    /// Print the answer only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more about what is read
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
    /// Use this many threads [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Whether this is `kubectl watertight`, which is about live clusters.
    #[arg(skip)]
    pub(crate) plugin: bool,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Judge manifests: what do their network policies really deny?
    Check(Box<CheckArgs>),
    /// Tell whether policies do anything here: the engine, node by node, and the policies, in six steps
    Diagnose(Box<DiagnoseArgs>),
    /// Tell whether a connection is allowed, and which line of which policy decides it
    Explain(Box<ExplainArgs>),
    /// Tell who can reach whom: the whole map, or a part of it
    #[command(visible_alias = "query")]
    Reach(Box<ReachArgs>),
    /// Tell whether what is meant holds: intents, judged on the manifests
    Test(Box<TestArgs>),
    /// Tell which connections a change opens and cuts, and which object does it
    Diff(Box<DiffArgs>),
    /// Tell what applying manifests would do, before anybody does
    Preview(Box<PreviewArgs>),
    /// Write the policies that close a namespace and allow what it needs, proved before they are printed
    Baseline(Box<BaselineArgs>),
    /// List what can go from NetworkPolicies without changing anything, proved; or take it out
    Minimize(Box<MinimizeArgs>),
    /// Try policies with packets, on this machine: pods and nodes as network namespaces
    Lab(Box<LabArgs>),
    /// Prove with packets whether a cluster enforces policies: own pods, own policies, and nothing stays
    #[cfg(feature = "live")]
    Verify(Box<VerifyArgs>),
    /// Listen and connect: what runs inside of the pods of `verify`
    #[cfg(feature = "live")]
    #[command(hide = true)]
    Probe(ProbeArgs),
    /// Save a live cluster into one file, or tell what is in such a file
    #[cfg(feature = "live")]
    Snapshot(SnapshotArgs),
    /// Print the documentation of a rule, or the list of all rules
    Rule(RuleArgs),
    /// Print the JSON schema of a report or of the configuration file
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Print the manual page, or write all of them
    Man(ManArgs),
}
