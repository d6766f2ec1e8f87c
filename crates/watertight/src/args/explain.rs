//! Arguments of `explain`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ClusterArgs, ConfigArgs, InputArgs, OutputTarget};

/// Arguments of `explain`.
#[derive(Args, Debug)]
#[command(after_help = "Endpoints:
  shop/web  shop/deploy/web  deploy/web  shop/pod/web-0  web       a workload or a pod
  shop/svc/db  svc/db                                              a Service, with all its backends
  ns:shop  label:app=web,tier!=db  shop/label:app=web              all pods of it
  ip:203.0.113.9  cidr:10.0.0.0/8  world                           addresses; [fd00::1]:80 for IPv6
  fqdn:api.example.com  fqdn:*.example.com                         whoever a DNS name stands for
  node:worker-1  nodes                                             processes on nodes
Ports: 5432  5432/udp  http  80-90  80,443/tcp  icmp; without a port, all of them are answered

Examples:
  watertight explain 'shop/web -> shop/db:5432/tcp'
  watertight explain -f k8s/ 'shop/web -> svc/kube-dns:53/udp' -n kube-system
  watertight explain -f k8s/ 'shop/web -> world'
  watertight explain -f k8s/ --expect deny 'ns:shop -> ip:169.254.169.254:80'
  watertight explain -f k8s/ --flows flows.txt -o json

Exit codes: 0 answered, 1 --expect is broken, 2 a question or a manifest could not be read")]
pub(crate) struct ExplainArgs {
    /// A connection, as 'FROM -> TO:PORT/PROTOCOL'; several are answered one by one
    #[arg(value_name = "FLOW", required_unless_present = "flows")]
    pub(crate) flow: Vec<String>,
    /// Read connections from this file, one a line, or from standard input if it is `-`
    #[arg(long, value_name = "FILE")]
    pub(crate) flows: Option<PathBuf>,
    /// The namespace of endpoints that are written without one
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// Exit with 1 unless everything asked about is allowed, or denied
    #[arg(long, value_name = "VERDICT", help_heading = "Question")]
    pub(crate) expect: Option<Expect>,
    /// Answer the opposite direction as well
    #[arg(long, help_heading = "Question")]
    pub(crate) both_directions: bool,
    /// Answer all ports of all protocols, whatever port is written
    #[arg(long, help_heading = "Question")]
    pub(crate) all_ports: bool,

    /// Write the answers as FORMAT, to FILE if given; may be repeated [default: text]
    #[arg(short, long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) output: Vec<OutputTarget<ExplainFormat>>,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// What the answers have to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expect {
    /// Everything is allowed
    Allow,
    /// Everything is denied
    Deny,
}

/// Formats of `explain`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// For people
    Text,
    /// For programs; `watertight schema explain` describes it
    Json,
}
