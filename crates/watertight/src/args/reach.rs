//! Arguments of `reach`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ClusterArgs, ConfigArgs, InputArgs, OutputTarget};

/// Arguments of `reach`.
#[derive(Args, Debug)]
#[command(after_help = "Endpoints:
  shop/web  shop/deploy/web  shop/pod/web-0  web    a workload or a pod
  shop/svc/db                                       a Service, with all its backends (--to only)
  ns:shop  label:app=web  shop/label:app=web        all pods of it
  ip:203.0.113.9  cidr:10.0.0.0/8  world            addresses
  fqdn:api.example.com                              whoever a DNS name stands for (--to only)
  node:worker-1  nodes                              processes on nodes

Examples:
  watertight reach examples/shop                    the whole map
  watertight reach k8s/ --to shop/db                who can reach the database?
  watertight reach k8s/ --from shop/web --external  what can the web server reach?
  watertight reach k8s/ --from ns:dev --to ns:prod --fail-if-any
  watertight reach k8s/ --to ip:169.254.169.254 --port 80 --fail-if-any
  watertight reach k8s/ --by namespace --matrix
  watertight reach k8s/ -o html=map.html -o svg=map.svg -o json=map.json

Exit codes: 0 listed, 1 --fail-if-any and there is something, 2 something could not be read")]
pub(crate) struct ReachArgs {
    /// What to read, as with -f
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// The namespace of endpoints that are written without one
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// Who connects [default: everybody]
    #[arg(long, value_name = "ENDPOINT", help_heading = "Question")]
    pub(crate) from: Option<String>,
    /// To whom [default: everybody]
    #[arg(long, value_name = "ENDPOINT", help_heading = "Question")]
    pub(crate) to: Option<String>,
    /// On these ports only: 80, 53/udp, 8000-8999
    #[arg(
        long,
        value_name = "PORT[/PROTOCOL]",
        value_delimiter = ',',
        help_heading = "Question"
    )]
    pub(crate) port: Vec<String>,
    /// What is one in the map
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "workload",
        help_heading = "Question"
    )]
    pub(crate) by: ReachBy,
    /// Exit with 1 if anything is listed; what is uncertain counts
    #[arg(long, help_heading = "Question")]
    pub(crate) fail_if_any: bool,

    /// Write the map as FORMAT, to FILE if given; may be repeated [default: table]
    #[arg(short, long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) output: Vec<OutputTarget<ReachFormat>>,
    /// Print tables as a matrix
    #[arg(long, help_heading = "Output")]
    pub(crate) matrix: bool,
    /// List the address ranges of the outside one by one
    #[arg(long, help_heading = "Output")]
    pub(crate) external: bool,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// What is one in the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReachBy {
    /// Every pod
    Pod,
    /// Every Deployment, StatefulSet, ... with all its pods
    Workload,
    /// Every namespace with all its pods
    #[value(alias = "ns")]
    Namespace,
}

/// Formats of `reach`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReachFormat {
    /// For people
    Table,
    /// For programs; `watertight schema reach` describes it
    Json,
    /// For spreadsheets: one line for each pair and range of ports
    Csv,
    /// For comments and step summaries
    #[value(alias = "md")]
    Markdown,
    /// For Graphviz
    Dot,
    /// For pages that draw Mermaid diagrams
    #[value(alias = "mmd")]
    Mermaid,
    /// A picture of the matrix
    Svg,
    /// One page with the matrix, the ports and the outside
    Html,
    /// A file with intents for `watertight test`, which pins the map
    #[value(alias = "intents")]
    Intent,
}
