//! `cargo xtask synth`: a made-up cluster of any size, to measure with.
//!
//! The labels, workloads, ports and policies are a mix seen in real manifests; nothing is copied from one. The same
//! arguments always give the same bytes. One namespace is in memory at a time, so size costs time and disk only.

mod change;
mod cluster;
mod manifest;
mod mix;
mod node;
mod policy;
mod rng;
mod writer;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use cluster::{Namespace, Plan, Scale};
pub(crate) use mix::Mix;
use policy::Policy;
use writer::{ClusterWriter, Section};

/// Every pod and node has an address of its own up to here.
const MAX_PODS: u32 = 3_000_000;

/// Write a synthetic cluster: OUT/cluster/ with its manifests and OUT/stats.json with counts
#[derive(Debug, clap::Args)]
pub(crate) struct SynthArgs {
    /// Directory to write to; it must not hold a cluster yet
    out: PathBuf,
    #[arg(long, value_enum, ignore_case = true, default_value_t = Size::S)]
    size: Size,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// yaml: one file a namespace; json: one List file for each section
    #[arg(long, value_enum, default_value_t = Format::Yaml)]
    format: Format,
    /// What the workloads are written as
    #[arg(long = "as", value_enum, default_value_t = Workloads::Pods)]
    workloads: Workloads,
    /// The languages of the policies
    #[arg(long, value_enum, default_value_t = Mix::Kubernetes)]
    mix: Mix,
    /// Also write OUT/cluster2, where one policy in a hundred has changed
    #[arg(long)]
    diff: bool,
    /// Also write a Service for each workload
    #[arg(long)]
    services: bool,
    /// Share of the workloads that use the host's network, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = parse_share)]
    hostnetwork: f64,
    /// Instead of the size's number of namespaces
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    namespaces: Option<u32>,
    /// Instead of the size's number of pods
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u32).range(0..=i64::from(MAX_PODS)))]
    pods: Option<u32>,
    /// Instead of the size's number of policies
    #[arg(long, value_name = "K")]
    policies: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Size {
    /// 10 namespaces, 100 pods, 50 policies
    #[value(name = "S")]
    S,
    /// 100 namespaces, 2,000 pods, 500 policies
    #[value(name = "M")]
    M,
    /// 500 namespaces, 20,000 pods, 3,000 policies
    #[value(name = "L")]
    L,
    /// 2,000 namespaces, 100,000 pods, 10,000 policies
    #[value(name = "XL")]
    Xl,
}

impl Size {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Size::S => "S",
            Size::M => "M",
            Size::L => "L",
            Size::Xl => "XL",
        }
    }

    fn counts(self) -> (usize, usize, usize) {
        match self {
            Size::S => (10, 100, 50),
            Size::M => (100, 2_000, 500),
            Size::L => (500, 20_000, 3_000),
            Size::Xl => (2_000, 100_000, 10_000),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Yaml,
    Json,
}

impl Format {
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Format::Yaml => "yaml",
            Format::Json => "json",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Workloads {
    Pods,
    Deployments,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Stats {
    namespaces: usize,
    workloads: usize,
    pods: usize,
    policies: usize,
    /// Policies by template.
    templates: BTreeMap<&'static str, usize>,
    /// Policies that differ in the second cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<usize>,
}

impl SynthArgs {
    /// A world of this size and format, everything else as by default.
    pub(crate) fn new(out: PathBuf, size: Size, format: Format) -> Self {
        Self {
            out,
            size,
            seed: 1,
            format,
            workloads: Workloads::Pods,
            mix: Mix::Kubernetes,
            diff: false,
            services: false,
            hostnetwork: 0.0,
            namespaces: None,
            pods: None,
            policies: None,
        }
    }

    /// With a second cluster in which one policy in a hundred has changed.
    pub(crate) fn with_change(self) -> Self {
        Self { diff: true, ..self }
    }

    /// The same world with policies in other languages.
    pub(crate) fn with_mix(self, mix: Mix) -> Self {
        Self { mix, ..self }
    }

    fn scale(&self) -> Scale {
        let (namespaces, pods, policies) = self.size.counts();
        let or = |given: Option<u32>, usual| given.map_or(usual, |given| given as usize);
        Scale {
            namespaces: or(self.namespaces, namespaces),
            pods: or(self.pods, pods),
            policies: or(self.policies, policies),
            host_network: self.hostnetwork,
            seed: self.seed,
        }
    }
}

pub(crate) fn run(args: &SynthArgs) -> anyhow::Result<()> {
    let stats = generate(args)?;
    writeln!(io::stdout().lock(), "{}", serde_json::to_string(&stats)?)?;
    Ok(())
}

/// Where `generate` puts the cluster below its output directory.
pub(crate) fn cluster_dir(out: &Path) -> PathBuf {
    out.join("cluster")
}

/// Where `generate` puts the cluster in which policies have changed.
pub(crate) fn changed_cluster_dir(out: &Path) -> PathBuf {
    out.join("cluster2")
}

pub(crate) fn generate(args: &SynthArgs) -> anyhow::Result<Stats> {
    let scale = args.scale();
    let changes = if args.diff {
        change::choose(scale.seed, scale.policies)
    } else {
        BTreeMap::new()
    };
    let mut cluster = ClusterWriter::create(&cluster_dir(&args.out), args.format)?;
    let mut changed_cluster = args
        .diff
        .then(|| ClusterWriter::create(&changed_cluster_dir(&args.out), args.format))
        .transpose()?;

    let mut stats = Stats {
        changed: args.diff.then_some(changes.len()),
        ..Stats::default()
    };
    for namespace in Plan::new(scale).namespaces() {
        let first = stats.policies;
        stats.add(&namespace);
        write_namespace(&mut cluster, args, &namespace, &namespace.policies)?;
        if let Some(cluster) = &mut changed_cluster {
            let policies = namespace.policies.iter().zip(first..);
            let policies: Vec<Policy> = policies
                .filter_map(|(policy, ordinal)| match changes.get(&ordinal) {
                    Some(&change) => change::apply(change, policy),
                    None => Some(policy.clone()),
                })
                .collect();
            write_namespace(cluster, args, &namespace, &policies)?;
        }
    }
    for cluster in std::iter::once(&mut cluster).chain(&mut changed_cluster) {
        for object in args.mix.cluster_wide() {
            cluster.put("cluster-wide", Section::Policies, &object)?;
        }
        cluster.end_namespace("cluster-wide")?;
    }
    cluster.finish()?;
    if let Some(cluster) = changed_cluster {
        cluster.finish()?;
    }
    let path = args.out.join("stats.json");
    let text = serde_json::to_string_pretty(&stats)? + "\n";
    fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(stats)
}

impl Stats {
    fn add(&mut self, namespace: &Namespace) {
        self.namespaces += 1;
        self.workloads += namespace.workloads.len();
        self.pods += namespace
            .workloads
            .iter()
            .map(|workload| workload.pods.len())
            .sum::<usize>();
        self.policies += namespace.policies.len();
        for policy in &namespace.policies {
            *self.templates.entry(policy.template).or_default() += 1;
        }
    }
}

fn write_namespace(
    cluster: &mut ClusterWriter,
    args: &SynthArgs,
    namespace: &Namespace,
    policies: &[Policy],
) -> anyhow::Result<()> {
    let name = namespace.name.as_str();
    cluster.put(name, Section::Namespaces, &manifest::namespace(namespace))?;
    for workload in &namespace.workloads {
        match args.workloads {
            Workloads::Deployments => {
                cluster.put(
                    name,
                    Section::Workloads,
                    &manifest::deployment(name, workload),
                )?;
            }
            Workloads::Pods => {
                for pod in &workload.pods {
                    cluster.put(
                        name,
                        Section::Workloads,
                        &manifest::pod(name, workload, pod),
                    )?;
                }
            }
        }
    }
    for (ordinal, policy) in policies.iter().enumerate() {
        let object = args.mix.policy(name, policy, ordinal);
        cluster.put(name, Section::Policies, &object)?;
    }
    for object in args.mix.of_namespace(namespace) {
        cluster.put(name, Section::Policies, &object)?;
    }
    if args.services {
        for service in namespace
            .workloads
            .iter()
            .filter_map(|workload| manifest::service(name, workload))
        {
            cluster.put(name, Section::Extra, &service)?;
        }
    }
    cluster.end_namespace(name)
}

fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests;
