//! Arguments of `diagnose`.

use clap::{Args, ValueEnum};

use super::{ClusterArgs, ConfigArgs, InputArgs, OutputTarget};

/// Arguments of `diagnose`.
#[derive(Args, Debug)]
#[command(after_help = "What is looked at:
  1 enforcement   does anything act on policies where these pods run?
  2 isolation     do policies isolate them, in both directions?
  3 tiers         does a policy above decide before, and allow?
  4 labels        do selectors match what they name?
  5 versions      does this release of the engine do what the policies ask for?
  6 host-network  are pods on the network of their node, outside of all policies?

A dump that tells all of it:
  kubectl get namespaces,pods,services,nodes,networkpolicies,daemonsets,deployments,configmaps \\
    -A -o yaml > dump.yaml

Examples:
  watertight diagnose --live                                   the cluster of the current context
  watertight diagnose -f dump.yaml                             the whole cluster
  watertight diagnose -f dump.yaml -n shop                     one namespace
  watertight diagnose -f dump.yaml shop/db                     a workload, a pod, or svc/db
  watertight diagnose -f dump.yaml 'shop/web -> shop/db:5432'  one connection
  watertight diagnose -f dump.yaml -o html=diagnosis.html

Exit codes: 0 policies should hold, 1 they do not or in part, 2 unknown, or something could not be read")]
pub(crate) struct DiagnoseArgs {
    /// A workload, a pod, a Service, or a connection FROM -> TO:PORT [default: the cluster]
    #[arg(value_name = "TARGET")]
    pub(crate) target: Option<String>,
    /// Only these namespaces; with a target, the namespace of names that are written without one
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Vec<String>,

    /// Write the diagnosis as FORMAT, to FILE if given; may be repeated [default: text]
    #[arg(short, long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) output: Vec<OutputTarget<DiagnoseFormat>>,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// Formats of `diagnose`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiagnoseFormat {
    /// For people
    Text,
    /// For programs; `watertight schema diagnose` describes it
    Json,
    /// One page
    Html,
}
