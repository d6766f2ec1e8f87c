//! Arguments of `baseline`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ClusterArgs, ConfigArgs, InputArgs, OutputTarget};

/// Arguments of `baseline`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  watertight baseline k8s/ -n shop                     the policies that namespace shop needs
  watertight baseline k8s/ --flows hubble.json --out policies/
  watertight baseline k8s/ -n shop --allow 'shop/web -> shop/db:5432' --internet shop/web:443
  watertight baseline k8s/ --dialect calico --guard kyverno --out policies/
  watertight baseline k8s/ -n shop -o text             what is needed, by whom, and what is proved

Annotations of workloads, pods and namespaces tell what nothing else does:
  baseline.watertight.dev/allow-to: shop/db:5432       also: allow-from, internet, api-server

Exit codes: 0 all of it is proved, 1 something is not, 2 something could not be read")]
pub(crate) struct BaselineArgs {
    /// What to read, as with -f
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Only these namespaces [default: all but those of the cluster itself]
    #[arg(short, long, value_name = "NAME", value_delimiter = ',')]
    pub(crate) namespace: Vec<String>,

    /// Recorded flows: of Hubble or Calico in JSON, of `conntrack -L`, or a table
    #[arg(long, value_name = "FILE", help_heading = "Needs")]
    pub(crate) flows: Vec<PathBuf>,
    /// A connection that is needed, as `FROM -> TO:PORT`
    #[arg(long, value_name = "FLOW", help_heading = "Needs")]
    pub(crate) allow: Vec<String>,
    /// A workload that needs public addresses, on these ports [default: 443]
    #[arg(long, value_name = "ENDPOINT[:PORT]", help_heading = "Needs")]
    pub(crate) internet: Vec<String>,
    /// A workload that needs the API server
    #[arg(long, value_name = "ENDPOINT", help_heading = "Needs")]
    pub(crate) api_server: Vec<String>,
    /// The workload that takes in what Ingresses and routes are about
    #[arg(long, value_name = "ENDPOINT", help_heading = "Needs")]
    pub(crate) ingress_from: Vec<String>,
    /// Take nothing from the policies of today
    #[arg(long, help_heading = "Needs")]
    pub(crate) ignore_policies: bool,

    /// The language of the part for the whole cluster
    #[arg(
        long,
        value_name = "LANGUAGE",
        default_value = "networkpolicy",
        help_heading = "Policies"
    )]
    pub(crate) dialect: BaselineDialect,
    /// Add what keeps new namespaces covered
    #[arg(long, value_name = "WHAT", help_heading = "Policies")]
    pub(crate) guard: Option<BaselineGuard>,
    /// Leave the policies of today in place, and judge the result with them
    #[arg(long, help_heading = "Policies")]
    pub(crate) keep: bool,

    /// Write a file for each namespace into this directory
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) out: Option<PathBuf>,
    /// Overwrite files that `baseline` did not write
    #[arg(long, requires = "out", help_heading = "Output")]
    pub(crate) force: bool,
    /// Write as FORMAT, to FILE if given; may be repeated [default: yaml; text with --out]
    #[arg(short, long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) output: Vec<OutputTarget<BaselineFormat>>,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// Languages of the part for the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BaselineDialect {
    /// NetworkPolicy alone, which cannot deny
    #[value(alias = "kubernetes")]
    Networkpolicy,
    /// ClusterNetworkPolicy in the Admin tier
    #[value(alias = "cnp")]
    Clusternetworkpolicy,
    /// Tier and GlobalNetworkPolicy
    Calico,
    /// CiliumClusterwideNetworkPolicy
    Cilium,
}

/// What keeps new namespaces covered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BaselineGuard {
    /// A ClusterPolicy of Kyverno that generates the first policies
    Kyverno,
    /// ValidatingAdmissionPolicies
    Vap,
}

/// Formats of `baseline`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BaselineFormat {
    /// The policies
    Yaml,
    /// For people: what is needed, by whom, and what is proved
    Text,
    /// For programs; `watertight schema baseline` describes it
    Json,
}
