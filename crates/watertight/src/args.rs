//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::output::Format;

/// Tells what your Kubernetes network policies really deny, and what they only seem to
#[derive(Debug, Parser)]
#[command(
    version,
    propagate_version = true,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  watertight check                            the manifests below this directory
  watertight check k8s/ --engine cilium@1.15  what that engine makes of them
  helm template shop | watertight check -     what a chart makes
  watertight rule WT201                       what a finding means

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
    /// Print the documentation of a rule, or the list of all rules
    Rule(RuleArgs),
    /// Print the JSON schema of a report or of the configuration file
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Print the manual page, or write all of them
    Man(ManArgs),
}

/// Arguments of `check`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  watertight check examples/shop
  watertight check k8s/ -n shop --cloud aws
  watertight check k8s/ --engine calico@3.30 --fail-on error
  watertight check k8s/ -o text -o sarif=findings.sarif -o junit=findings.xml
  kubectl get all,netpol,ns,nodes,endpointslices -A -o yaml | watertight check -
  kustomize build overlays/prod | watertight check -

Suppress a finding where it is decided, with a reason:
  # watertight: ignore[WT201] this pod is the credential broker      on the line or the line above
  metadata.annotations: {ignore.watertight.dev/wt201: \"reason\"}      on the object
  suppressions: [{rule: WT201, paths: [legacy/**], reason: ...}]      in .watertight.yaml

Exit codes: 0 nothing at or above --fail-on, 1 findings, 2 something could not be read or analysed")]
pub(crate) struct CheckArgs {
    /// Files, directories (read recursively, .gitignore respected) or `-` for standard input
    /// [default: the current directory]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The same as PATH, as kubectl spells it
    #[arg(short, long, value_name = "PATH")]
    pub(crate) filename: Vec<PathBuf>,
    /// Leave out files that match this glob
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Report these namespaces only; all others are analysed all the same
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Vec<String>,

    /// Write the report as FORMAT, to FILE if given; may be repeated
    #[arg(short, long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) output: Vec<OutputTarget>,
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
    /// Apply the fixes that are certain to the files
    #[arg(long, conflicts_with = "diff", help_heading = "Rules")]
    pub(crate) fix: bool,
    /// Print what --fix would change, change nothing
    #[arg(long, help_heading = "Rules")]
    pub(crate) diff: bool,
    /// The configuration file [default: .watertight.yaml here or above, up to the repository's root]
    #[arg(
        long,
        value_name = "FILE",
        env = "WATERTIGHT_CONFIG",
        hide_env = true,
        help_heading = "Rules"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Read no configuration file
    #[arg(long, conflicts_with = "config", help_heading = "Rules")]
    pub(crate) no_config: bool,
    /// Check again whenever a file changes
    #[arg(long, help_heading = "Rules")]
    pub(crate) watch: bool,

    /// The network engine that the policies are for, as NAME or NAME@VERSION
    #[arg(
        long,
        value_name = "ENGINE",
        visible_alias = "cni",
        env = "WATERTIGHT_ENGINE",
        hide_env = true,
        help_heading = "Cluster"
    )]
    pub(crate) engine: Option<String>,
    /// Set one of the readings that the API leaves open (docs/semantics.md)
    #[arg(long = "switch", value_name = "NAME=VALUE", help_heading = "Cluster")]
    pub(crate) switches: Vec<String>,
    /// The Kubernetes version
    #[arg(long, value_name = "VERSION", help_heading = "Cluster")]
    pub(crate) k8s_version: Option<String>,
    /// Clouds whose metadata services count [default: all]
    #[arg(
        long,
        value_name = "CLOUD",
        value_delimiter = ',',
        help_heading = "Cluster"
    )]
    pub(crate) cloud: Vec<String>,
    /// Where pods without a known address lie [default: 10.244.0.0/16 and fd00:10:244::/56]
    #[arg(
        long,
        value_name = "CIDR",
        value_delimiter = ',',
        help_heading = "Cluster"
    )]
    pub(crate) pod_cidr: Vec<IpNet>,
    /// The namespace of objects that name none [default: default]
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    pub(crate) default_namespace: Option<String>,
    /// Assume no cluster DNS where the input has none
    #[arg(long, help_heading = "Cluster")]
    pub(crate) no_assumed_dns: bool,
}

/// `FORMAT` or `FORMAT=FILE`.
#[derive(Clone, Debug)]
pub(crate) struct OutputTarget {
    pub(crate) format: Format,
    pub(crate) file: Option<PathBuf>,
}

impl std::str::FromStr for OutputTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err("the file after `=` is missing".into()),
            Some((format, file)) => (format, Some(PathBuf::from(file))),
            None => (text, None),
        };
        let format = Format::from_str(format, true).map_err(|_| {
            let names: Vec<_> = Format::value_variants()
                .iter()
                .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
                .collect();
            format!("`{format}` is no format; use one of {}", names.join(", "))
        })?;
        Ok(Self { format, file })
    }
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
