//! Arguments of `check`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ClusterArgs, ConfigArgs, InputArgs, OutputTarget};
use crate::output::Format;

/// Arguments of `check`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  watertight check examples/shop
  watertight check k8s/ -n shop --cloud aws
  watertight check k8s/ --engine calico@3.30 --fail-on error
  watertight check k8s/ -o text -o sarif=findings.sarif -o junit=findings.xml
  kubectl get all,netpol,ns,nodes,endpointslices -A -o yaml | watertight check -
  kustomize build overlays/prod | watertight check -
  watertight check --live --context prod         a running cluster
  watertight check --live -f new.yaml            the same, if that were applied

Suppress a finding where it is decided, with a reason:
  # watertight: ignore[WT201] this pod is the credential broker      on the line or the line above
  metadata.annotations: {ignore.watertight.dev/wt201: \"reason\"}      on the object
  suppressions: [{rule: WT201, paths: [legacy/**], reason: ...}]      in .watertight.yaml

Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 something could not be read or analysed")]
pub(crate) struct CheckArgs {
    /// What to read, as with -f
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Report these namespaces only; all others are analysed all the same
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Vec<String>,

    /// Write the report as FORMAT, to FILE if given; may be repeated [default: text]
    #[arg(short, long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) output: Vec<OutputTarget<Format>>,
    /// Exit with 1 from this severity on [default: warning]
    #[arg(long, value_name = "SEVERITY", help_heading = "Output")]
    pub(crate) fail_on: Option<FailOn>,
    /// Exit with 0 in spite of findings
    #[arg(long, help_heading = "Output")]
    pub(crate) exit_zero: bool,
    /// Show what is suppressed, and why
    #[arg(long, help_heading = "Output")]
    pub(crate) show_suppressed: bool,

    /// Run these rules only: ids, prefixes of ids (WT2) or names
    #[arg(
        long,
        value_name = "RULE",
        value_delimiter = ',',
        help_heading = "Rules"
    )]
    pub(crate) select: Vec<String>,
    /// Do not run these rules
    #[arg(
        long,
        value_name = "RULE",
        value_delimiter = ',',
        help_heading = "Rules"
    )]
    pub(crate) ignore: Vec<String>,
    /// Report only what this file does not list (see --write-baseline)
    #[arg(long, value_name = "FILE", help_heading = "Rules")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write today's findings to this file, so that later runs with --baseline report new ones only
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "baseline",
        help_heading = "Rules"
    )]
    pub(crate) write_baseline: Option<PathBuf>,
    /// Edit the files: make the fixes that are certain and open nothing, or all fixes of these rules
    #[arg(
        long,
        value_name = "RULE",
        num_args = 0..,
        require_equals = true,
        default_missing_value = "",
        value_delimiter = ',',
        conflicts_with = "diff",
        help_heading = "Fixes"
    )]
    pub(crate) fix: Option<Vec<String>>,
    /// Print what --fix would change, change nothing; exit with 1 if there is something
    #[arg(
        long,
        value_name = "RULE",
        num_args = 0..,
        require_equals = true,
        default_missing_value = "",
        value_delimiter = ',',
        help_heading = "Fixes"
    )]
    pub(crate) diff: Option<Vec<String>>,
    /// Put the new objects of fixes behind what this file holds; without it they are left out
    #[arg(long, value_name = "FILE", help_heading = "Fixes")]
    pub(crate) fix_objects: Option<PathBuf>,
    /// Check again whenever a file changes, or the live cluster
    #[arg(long, help_heading = "Rules")]
    pub(crate) watch: bool,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    /// Clouds whose metadata services count, as aws, gcp or azure; a name that is none lists them all [default: all]
    #[arg(
        long,
        value_name = "CLOUD",
        value_delimiter = ',',
        help_heading = "Cluster"
    )]
    pub(crate) cloud: Vec<String>,

    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// The lowest severity that fails a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// Only errors fail
    Error,
    /// Errors and warnings fail
    Warning,
    /// Everything fails
    Note,
}
