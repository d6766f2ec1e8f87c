//! Flags that several verbs share, to be flattened into their arguments.

use std::path::PathBuf;

use clap::Args;
use ipnet::IpNet;

use super::LiveArgs;

/// What to read. To be flattened last: help shows the flags of a cluster where they are, behind what a verb is about.
#[derive(Args, Clone, Debug)]
pub(crate) struct InputArgs {
    /// Manifests: files, directories (read recursively, .gitignore respected), `git:REV[:PATH]` or
    /// `-` for standard input [default: the current directory]
    #[arg(
        short,
        long,
        value_name = "PATH",
        help_heading = None::<&str>,
        display_order = 0
    )]
    pub(crate) filename: Vec<PathBuf>,
    /// Leave out files that match this glob
    #[arg(
        long,
        value_name = "GLOB",
        help_heading = None::<&str>,
        display_order = 1
    )]
    pub(crate) exclude: Vec<String>,
    #[command(flatten)]
    pub(crate) live: LiveArgs,
    /// Where to look for what may not be listed in the whole cluster.
    #[arg(skip)]
    pub(crate) namespaces: Vec<String>,
}

impl InputArgs {
    /// The same with further paths in front, and with the namespaces that the question is about.
    pub(crate) fn of<'n>(
        &self,
        paths: &[PathBuf],
        namespaces: impl IntoIterator<Item = &'n String>,
    ) -> Self {
        let paths = paths.iter().chain(&self.filename);
        Self {
            filename: paths.cloned().collect(),
            namespaces: namespaces.into_iter().cloned().collect(),
            ..self.clone()
        }
    }
}

/// What cluster the manifests are for.
#[derive(Args, Debug)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterArgs {
    /// The network engine that the policies are for, as NAME or NAME@VERSION: cilium, calico@3.30; a name
    /// that is none lists them all [default: told by what the input has]
    #[arg(
        long,
        value_name = "ENGINE",
        visible_alias = "cni",
        env = "WATERTIGHT_ENGINE",
        hide_env = true
    )]
    pub(crate) engine: Option<String>,
    /// Set one of the readings that the API leaves open (docs/semantics.md); a name that is none lists them all
    #[arg(long = "switch", value_name = "NAME=VALUE")]
    pub(crate) switches: Vec<String>,
    /// The Kubernetes version
    #[arg(long, value_name = "VERSION")]
    pub(crate) k8s_version: Option<String>,
    /// Where pods without a known address lie [default: 10.244.0.0/16 and fd00:10:244::/56]
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(crate) pod_cidr: Vec<IpNet>,
    /// The namespace of objects that name none [default: default]
    #[arg(long, value_name = "NAME")]
    pub(crate) default_namespace: Option<String>,
    /// Assume no cluster DNS where the input has none
    #[arg(long)]
    pub(crate) no_assumed_dns: bool,
}

/// Which configuration file to use.
#[derive(Args, Debug)]
#[command(next_help_heading = "Configuration")]
pub(crate) struct ConfigArgs {
    /// The configuration file [default: .watertight.yaml here or above, up to the repository's root]
    #[arg(long, value_name = "FILE", env = "WATERTIGHT_CONFIG", hide_env = true)]
    pub(crate) config: Option<PathBuf>,
    /// Read no configuration file
    #[arg(long, conflicts_with = "config")]
    pub(crate) no_config: bool,
}
