//! Arguments of `preview`.

use std::path::PathBuf;

use clap::Args;

use super::diff::CompareArgs;
use super::{ClusterArgs, ConfigArgs, LiveArgs};

/// Arguments of `preview`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  watertight preview cluster.yaml -f new-policy.yaml          what would applying it do?
  watertight preview --live -f new-policy.yaml                what would it do to the running cluster?
  watertight preview k8s/ -f deny.yaml --flows flows.jsonl    and is anything cut that is in use?
  watertight preview k8s/ --delete networkpolicy/shop/web     what does this policy do today?
  watertight preview k8s/ --staged                            what would the staged policies do?
  kubectl get all,netpol,ns -A -o yaml | watertight preview - -f new.yaml

Exit codes: 0 no difference that --fail-on asks for, 1 differences, 2 something could not be read")]
pub(crate) struct PreviewArgs {
    /// What is there: files, directories, `git:REV[:PATH]` or `-` [default: the current directory]
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// What is applied on top of it
    #[arg(short, long, value_name = "NEW")]
    pub(crate) filename: Vec<PathBuf>,
    /// Take an object out, with what belongs to it: KIND/NAMESPACE/NAME, or KIND/NAME
    #[arg(long, value_name = "OBJECT")]
    pub(crate) delete: Vec<String>,
    /// Take staged policies as enforced; with KEY=VALUE, take policies with this label as staged
    #[arg(
        long,
        value_name = "KEY=VALUE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = ""
    )]
    pub(crate) staged: Option<String>,
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
