//! The hidden subcommand `bench-inside`: what costs how much in one process, without starting, reading and printing.
//!
//! The answer is one line of JSON. Everything random is drawn from fixed seeds, so every run asks the same. Whatever
//! is faster than the oracle is held against it on the way: a fast wrong answer is an error, not a result.

mod changes;
mod explain;
mod sample;
mod verdicts;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};
use watertight_core::engine::{Profile, infer};
use watertight_core::eval::Evaluator;
use watertight_core::eval::reach::Reach;
use watertight_core::manifest::{Direction, Options};
use watertight_core::policy::lower;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume, EndpointId, Lifecycle, World};

use super::parse::Inventory;
use super::spread::{Spread, median, ms};
use changes::Cluster;
use sample::Sample;

/// Measure loading, rows, verdicts, explanations and changes of one world from inside
#[derive(Debug, clap::Args)]
pub(crate) struct InsideArgs {
    dir: PathBuf,
    /// How often all rows are computed
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    reach_runs: u32,
    /// Connections to judge, rounded up to whole batches
    #[arg(long, default_value_t = 2_000_000)]
    connections: usize,
    /// Pairs of pods to explain
    #[arg(long, default_value_t = 200)]
    pairs: usize,
    /// Changes of policies, and as many of pods
    #[arg(long, default_value_t = 300)]
    changes: usize,
}

/// What was measured of one world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Inside {
    /// Two pods, as `explain` takes them.
    pub(super) parties: [String; 2],
    /// From files to a world.
    pub(super) load_ms: f64,
    /// From a world to an evaluator.
    pub(super) lower_ms: f64,
    /// From an evaluator to all rows.
    pub(super) reach_ms: f64,
    pub(super) classes: usize,
    pub(super) rows: usize,
    pub(super) sets: usize,
    /// By rows, on one core.
    pub(super) outcomes_a_second: f64,
    /// By the oracle, on one core.
    pub(super) verdicts_a_second: f64,
    /// From a world and its ruleset to an answer.
    pub(super) explain: Spread,
    pub(super) policies: Changes,
    pub(super) pods: Changes,
}

/// Changes, from each to the new rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Changes {
    pub(super) times: Spread,
    /// How many of them computed everything again.
    pub(super) rebuilt: usize,
    pub(super) count: usize,
}

pub(crate) fn inside(args: &InsideArgs) -> anyhow::Result<()> {
    let line = serde_json::to_string(&measure(args)?)?;
    writeln!(io::stdout().lock(), "{line}")?;
    Ok(())
}

fn measure(args: &InsideArgs) -> anyhow::Result<Inside> {
    let start = Instant::now();
    let sources = read(&args.dir)?;
    let options = Options::default();
    let (world, loaded) = world::read(&sources, &options, &Assume::default(), None);
    let load_ms = ms(start.elapsed());
    drop(loaded);
    let inferred = infer(&world, &Profile::reference(), &[]);
    let profile = inferred.map_or(Profile::reference(), |inferred| inferred.profile);
    let switches = profile.switches;

    let start = Instant::now();
    let ruleset = lower(&world, &profile);
    let eval = Evaluator::new(&world, &ruleset, switches);
    let lower_ms = ms(start.elapsed());

    let mut times = Vec::new();
    let mut reach = Reach::new(&eval);
    for _ in 0..args.reach_runs {
        // An evaluator that nobody has asked: whom policies select is found out on the way.
        let eval = Evaluator::new(&world, &ruleset, switches);
        let start = Instant::now();
        reach = Reach::new(&eval);
        times.push(ms(start.elapsed()));
    }
    let reach_ms = median(times).context("no runs")?;
    let sides = Direction::BOTH.map(|direction| reach.side(direction));
    let (classes, rows, sets) = (
        reach.classes(),
        sides.iter().map(|side| side.rows().len()).sum(),
        sides.iter().map(|side| side.sets().len()).sum(),
    );

    let sample = Sample::of(&world, &ruleset)
        .with_context(|| format!("no pods below `{}`", args.dir.display()))?;
    let speed = verdicts::speed(&eval, &reach, &sample, args.connections)?;
    let parties = parties(&world, &sample);
    let explain = explain::latency(&sources, &eval, &profile, &sample, args.pairs)?;

    drop(eval);
    drop(sample);
    let mut cluster = Cluster {
        world,
        ruleset,
        profile,
        reach,
    };
    let policies = cluster.change_policies(args.changes)?;
    let pods = cluster.change_pods(args.changes)?;
    Ok(Inside {
        parties,
        load_ms,
        lower_ms,
        reach_ms,
        classes,
        rows,
        sets,
        outcomes_a_second: speed.outcomes,
        verdicts_a_second: speed.verdicts,
        explain,
        policies,
        pods,
    })
}

fn read(dir: &Path) -> anyhow::Result<Sources> {
    let mut sources = Sources::new();
    for path in Inventory::of(dir)?.paths() {
        let context = || format!("cannot read `{}`", path.display());
        let bytes = std::fs::read(path).with_context(context)?;
        sources
            .add(&path.display().to_string(), bytes)
            .with_context(context)?;
    }
    ensure!(!sources.is_empty(), "no files below `{}`", dir.display());
    Ok(sources)
}

/// The first pod and the last one.
fn parties(world: &World, sample: &Sample<'_>) -> [String; 2] {
    let (first, last) = sample.ends();
    [first, last].map(|id| spelling(world, id))
}

/// An endpoint as `explain` takes it, whatever else has its name.
fn spelling(world: &World, id: EndpointId) -> String {
    let endpoint = &world[id];
    let namespace = &world[endpoint.namespace].name;
    match endpoint.workload.filter(|_| endpoint.template) {
        Some(workload) => {
            let workload = &world[workload];
            format!("{namespace}/{}/{}", workload.kind.api(), workload.name)
        }
        None => format!("{namespace}/pod/{}", endpoint.name),
    }
}

/// Whether a pod is one that was read and that can talk.
fn takes_part(world: &World, id: EndpointId) -> bool {
    let endpoint = &world[id];
    endpoint.lifecycle == Lifecycle::Active && !endpoint.assumed
}

#[cfg(test)]
mod tests;
