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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn help_names_the_formats_and_puts_flags_under_their_own_headings() {
        let mut whole = Cli::command();
        let check = whole.find_subcommand_mut("check").unwrap();
        let short = check.render_help().to_string();
        let words: Vec<&str> = short.split_whitespace().collect();
        let formats = "[possible values: text, concise, json, sarif, junit, github]";
        assert!(words.join(" ").contains(formats), "{short}");
        let place = |text: &str| {
            short
                .find(text)
                .unwrap_or_else(|| panic!("{text}: {short}"))
        };
        assert!(place("--filename") < place("--namespace"));
        assert!(place("--namespace") < place("\nOutput:"));
        #[cfg(feature = "live")]
        assert!(place("\nConfiguration:") < place("\nLive cluster:"));
    }
}

/// Not every build has `lab`, `verify` and `snapshot`.
#[cfg(all(test, feature = "live", target_os = "linux"))]
mod examples {
    use clap::CommandFactory as _;

    use super::*;

    /// The command lines of an example, without what is said about them: `a | watertight b   what it does`.
    fn command_lines(example: &str) -> impl Iterator<Item = &str> {
        let said = example.trim_start().split_once("  ");
        let line = said.map_or(example.trim_start(), |(line, _)| line);
        let parts = line.split(['|', '>']).flat_map(|part| part.split("&&"));
        // An arrow stands in quotes.
        let parts: Vec<&str> = if line.contains("->") {
            vec![line]
        } else {
            parts.collect()
        };
        let parts = parts.into_iter().map(str::trim);
        parts.filter(|part| part.starts_with("watertight "))
    }

    fn words(line: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (index, part) in line.split('\'').enumerate() {
            match index % 2 {
                0 => words.extend(part.split_whitespace().map(str::to_owned)),
                _ => words.push(part.to_owned()),
            }
        }
        words
    }

    fn all<'c>(command: &'c clap::Command, found: &mut Vec<&'c clap::Command>) {
        found.push(command);
        for verb in command.get_subcommands() {
            all(verb, found);
        }
    }

    #[test]
    fn examples_of_help_are_command_lines() {
        let whole = Cli::command();
        let mut commands = Vec::new();
        all(&whole, &mut commands);
        let mut examples = 0;
        for command in commands {
            let help = command.get_after_help().map(ToString::to_string);
            for line in help.unwrap_or_default().lines().flat_map(command_lines) {
                examples += 1;
                if let Err(error) = Cli::try_parse_from(words(line)) {
                    panic!("{}: `{line}`: {error}", command.get_name());
                }
            }
        }
        assert!(examples > 60, "{examples}");
    }
}
