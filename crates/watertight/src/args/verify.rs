//! Arguments of `verify`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::live::duration;
use super::{ClusterArgs, ConfigArgs, LiveArgs, OutputTarget};

/// Arguments of `verify`.
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  watertight verify                            two nodes, both directions, every kind of address; under a minute
  watertight verify --per-node                 and one pod on every node: which node does not enforce?
  watertight verify --dry-run                  every object and the permissions that it needs, as YAML
  watertight verify -n team-a                  inside of one existing namespace, with a Role
  watertight verify --image registry.example/e2e-test-images/agnhost:2.53
  watertight verify --internet example.org:443
  watertight verify --real -n shop             own policies, by exec in own pods; nothing is made
  watertight verify --real --ephemeral         and by containers in pods without a shell, which stay listed there
  watertight verify clean                      what earlier runs have left

It makes pods in a namespace of its own, tries connections without policies, under policies and after them,
and removes everything. docs/verify.md says how to read the answer.

Exit codes: 0 enforced as written, 1 not, 2 it cannot be told"
)]
pub(crate) struct VerifyArgs {
    /// What else to do.
    #[command(subcommand)]
    pub(crate) verb: Option<VerifyVerb>,

    /// Stay inside of this existing namespace, and need a Role only [default: one is made and removed]
    #[arg(short, long, value_name = "NAME", help_heading = "Where")]
    pub(crate) namespace: Option<String>,
    /// Use this node; may be repeated [default: any two]
    #[arg(long, value_name = "NAME", help_heading = "Where")]
    pub(crate) node: Vec<String>,
    /// One pod on every node as well
    #[arg(long, help_heading = "Where")]
    pub(crate) per_node: bool,
    /// The image of the pods [default: that of this version]
    #[arg(long, value_name = "IMAGE", help_heading = "Where")]
    pub(crate) image: Option<String>,
    /// What the image has [default: told by its name]
    #[arg(long, value_name = "TOOL", help_heading = "Where")]
    pub(crate) tool: Option<VerifyTool>,

    /// Try no UDP
    #[arg(long, help_heading = "Question")]
    pub(crate) no_udp: bool,
    /// Try no SCTP; it is tried where the kernels of the nodes have loaded it
    #[arg(long, help_heading = "Question")]
    pub(crate) no_sctp: bool,
    /// Try no Services and node ports
    #[arg(long, help_heading = "Question")]
    pub(crate) no_services: bool,
    /// Try no name servers, API server, nodes and metadata services
    #[arg(long, help_heading = "Question")]
    pub(crate) no_surroundings: bool,
    /// Start no new pod while policies are in force
    #[arg(long, help_heading = "Question")]
    pub(crate) no_new_pod: bool,
    /// Try this target outside of the cluster; nothing is sent to it; may be repeated
    #[arg(long, value_name = "HOST:PORT", help_heading = "Question")]
    pub(crate) internet: Vec<String>,

    /// How long pods may take to start
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = time, help_heading = "Patience")]
    pub(crate) ready: Duration,
    /// How long a change of policies may take
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = time, help_heading = "Patience")]
    pub(crate) settle: Duration,
    /// How long what has come into force must hold
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time, help_heading = "Patience")]
    pub(crate) stable: Duration,
    /// What takes longer is called slow
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = time, help_heading = "Patience")]
    pub(crate) slow: Duration,
    /// How long one attempt may take
    #[arg(long, value_name = "TIME", default_value = "1200ms", value_parser = time, help_heading = "Patience")]
    pub(crate) attempt: Duration,
    /// After this time anybody may remove what was made
    #[arg(long, value_name = "TIME", default_value = "30m", value_parser = time, help_heading = "Patience")]
    pub(crate) ttl: Duration,

    /// Try the cluster's own policies instead: what is predicted against what its own pods see. Nothing is made
    #[arg(
        long,
        help_heading = "Own policies",
        conflicts_with_all = ["node", "per_node", "tool", "internet"]
    )]
    pub(crate) real: bool,
    /// Try so many connections, spread over all; 0 tries all
    #[arg(
        long,
        value_name = "N",
        default_value_t = 200,
        requires = "real",
        help_heading = "Own policies"
    )]
    pub(crate) sample: usize,
    /// Add an ephemeral container to pods without a shell or a tool: nobody can remove it, it ends by itself and
    /// stays listed until the pod goes
    #[arg(long, requires = "real", help_heading = "Own policies")]
    pub(crate) ephemeral: bool,

    /// Print every object and the permissions that it needs, and make nothing
    #[arg(long, help_heading = "Output", conflicts_with = "output")]
    pub(crate) dry_run: bool,
    /// Write the result as FORMAT, to FILE if given; may be repeated [default: text]
    #[arg(short, long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) output: Vec<OutputTarget<VerifyFormat>>,
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
}

/// A time as everywhere, but not 0, which elsewhere is forever.
fn time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    if digits.parse() == Ok(0.0) {
        return Err("write a time that is longer than 0".into());
    }
    duration(text)
}

/// The verbs of `verify`.
#[derive(Debug, Subcommand)]
pub(crate) enum VerifyVerb {
    /// Remove what earlier runs have left: those whose time is over
    Clean(VerifyCleanArgs),
}

/// Arguments of `verify clean`.
#[derive(Args, Debug)]
#[command(
    after_help = "Runs whose time is not over are named and kept: they may be under way.

Exit codes: 0 everything that was to be removed is removed, 2 something could not be"
)]
pub(crate) struct VerifyCleanArgs {
    /// Look in this namespace only, for runs inside of it
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Remove runs whose time is not over as well: they may still be under way
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
}

/// What an image has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyTool {
    /// /watertight
    Watertight,
    /// /agnhost of the tests of Kubernetes
    Agnhost,
    /// sh and nc
    Busybox,
}

/// Formats of `verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyFormat {
    /// For people
    Text,
    /// For programs, with every attempt; `watertight schema verify` describes it
    Json,
    /// JUnit XML, for test reports of CI systems
    Junit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_nothing() {
        assert_eq!(time("1200ms"), Ok(Duration::from_millis(1200)));
        for wrong in ["0", "0s", "0.0m", "", "s"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
