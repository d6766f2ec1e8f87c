//! Arguments of `test`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{ClusterArgs, ConfigArgs, InputArgs, OutputTarget};

/// Arguments of `test`.
#[derive(Args, Debug)]
#[command(after_help = "A file with intents:
  apiVersion: watertight.dev/v1
  kind: Intents
  statements:
    - name: the shop reaches its database
      allow: {from: shop/web, to: shop/db, ports: [5432]}
    - name: nobody else does
      only: {from: shop/web, to: shop/db}
    - name: no pod of the shop gets cloud credentials
      deny: {from: ns:shop, to: metadata}

Examples:
  watertight test                                 *.intents.yaml and manifests below this directory
  watertight test shop.intents.yaml -f k8s/
  watertight reach k8s/ -o intent=shop.intents.yaml   a starting file: what is allowed today
  watertight reach k8s/ -o json=map.json && watertight test map.json -f k8s/
  watertight test -o junit=report.xml

Exit codes: 0 everything holds, 1 something does not, or a known gap is closed, or a statement is
about nobody, 2 something could not be read or judged")]
pub(crate) struct TestArgs {
    /// Files with intents, maps of `reach -o json`, or `-` [default: watertight.intents.yaml and
    /// *.intents.yaml in this directory, or else in those of -f]
    #[arg(value_name = "INTENT")]
    pub(crate) intents: Vec<PathBuf>,
    /// The namespace of endpoints that are written without one
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,

    /// Write the results as FORMAT, to FILE if given; may be repeated [default: text]
    #[arg(short, long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) output: Vec<OutputTarget<TestFormat>>,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// Formats of `test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestFormat {
    /// For people
    Text,
    /// For programs; `watertight schema test` describes it
    Json,
    /// JUnit XML, for test reports of CI systems
    Junit,
    /// The Test Anything Protocol
    Tap,
}
