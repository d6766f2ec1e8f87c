//! `cargo xtask bench`: how long the whole program takes, against how long the mere parse of its input takes, and
//! what its parts cost from inside.
//!
//! Reading the input is what no tool can avoid, so the ratio of the two is what is left to improve. Everything is
//! measured in one session and in turns: each round runs every job on every world once, so a machine that slows
//! down slows all of them. Nothing here passes or fails by time.

mod build;
mod goals;
mod inside;
mod lanes;
mod live;
mod machine;
mod measure;
mod packets;
mod parse;
mod results;
mod scratch;
mod slim;
mod spread;
mod table;
mod usage;

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};

use crate::synth::{self, Format, Mix, Size, SynthArgs};

pub(crate) use inside::{InsideArgs, inside};
use lanes::{Programs, World, measure_in_turns};
pub(crate) use live::{ServeArgs, serve};
use parse::Inventory;
pub(crate) use parse::{ParseArgs, parse};
pub(crate) use scratch::Scratch;
pub(crate) use usage::{PeakArgs, peak};

/// Measure the release binary against the mere parse of the same bytes
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    /// Synthetic worlds to measure, each as JSON and as YAML
    #[arg(
        long,
        value_enum,
        ignore_case = true,
        value_delimiter = ',',
        default_value = "S,M"
    )]
    sizes: Vec<Size>,
    /// Languages of the policies, each with every size
    #[arg(
        long = "mix",
        value_enum,
        value_delimiter = ',',
        default_value = "kubernetes"
    )]
    mixes: Vec<Mix>,
    /// Measure this directory instead of synthetic worlds; repeatable
    #[arg(long = "dir", value_name = "PATH", conflicts_with = "sizes")]
    dirs: Vec<PathBuf>,
    /// Timed runs of each job, after one that warms up
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Measure this program instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Measure packets, rules in the kernel and labs instead; Linux only
    #[arg(long, conflicts_with_all = ["sizes", "mixes", "dirs", "binary", "keep"])]
    packets: bool,
    /// Measure the reading of live clusters instead, of an API server in memory
    #[arg(long, conflicts_with_all = ["sizes", "mixes", "dirs", "keep", "packets"])]
    live: bool,
    /// Pods of those clusters
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1000,100000",
        requires = "live"
    )]
    pods: Vec<usize>,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
    /// Write the synthetic worlds here and leave them
    #[arg(long, value_name = "DIR", conflicts_with = "dirs")]
    keep: Option<PathBuf>,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    if args.packets {
        return packets::run(args);
    }
    if args.live {
        return live::run(args);
    }
    let product = match &args.binary {
        Some(path) => path.clone(),
        None => build::release_binary()?,
    };
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let programs = Programs { product, this };
    let Directories { named, scratch } = directories(args)?;
    let mut worlds = Vec::new();
    for place in &named {
        let inventory = Inventory::of(&place.dir)?;
        progress(&format!(
            "measuring {} ({}) from inside",
            place.name,
            inventory.kind.name()
        ))?;
        worlds.push(World::new(&programs, place, inventory));
    }
    measure_in_turns(&mut worlds, &programs.this, args.runs)?;
    drop(scratch);
    report(worlds, args)
}

/// A world to measure.
#[derive(Debug)]
struct Place {
    /// What to call it.
    name: String,
    dir: PathBuf,
    /// The same world with other policies, to compare with.
    changed: Option<PathBuf>,
}

/// What to measure.
#[derive(Debug)]
struct Directories {
    named: Vec<Place>,
    /// Holds them, unless they are to stay.
    scratch: Option<Scratch>,
}

fn directories(args: &BenchArgs) -> anyhow::Result<Directories> {
    if !args.dirs.is_empty() {
        let named = |dir: &PathBuf| Place {
            name: dir.display().to_string(),
            dir: dir.clone(),
            changed: None,
        };
        return Ok(Directories {
            named: args.dirs.iter().map(named).collect(),
            scratch: None,
        });
    }
    let (root, scratch) = match &args.keep {
        Some(dir) => {
            fs::create_dir_all(dir)
                .with_context(|| format!("cannot create `{}`", dir.display()))?;
            (dir.clone(), None)
        }
        None => {
            let scratch =
                Scratch::create("bench").context("cannot create a temporary directory")?;
            (scratch.path().to_owned(), Some(scratch))
        }
    };
    let mut named = Vec::new();
    for &size in &args.sizes {
        for &mix in &args.mixes {
            let name = match mix {
                Mix::Kubernetes => size.name().to_owned(),
                mix => format!("{} {}", size.name(), mix.name()),
            };
            for format in [Format::Json, Format::Yaml] {
                progress(&format!("writing {name} ({})", format.extension()))?;
                let dir = format!("{name}-{}", format.extension()).replace(' ', "-");
                let out = root.join(dir);
                let world = SynthArgs::new(out.clone(), size, format).with_mix(mix);
                synth::generate(&world.with_change())?;
                named.push(Place {
                    name: name.clone(),
                    dir: synth::cluster_dir(&out),
                    changed: Some(synth::changed_cluster_dir(&out)),
                });
            }
        }
    }
    Ok(Directories { named, scratch })
}

/// Prints what could be measured, then fails if something could not.
fn report(worlds: Vec<World>, args: &BenchArgs) -> anyhow::Result<()> {
    let (results, failures): (Vec<_>, Vec<_>) = worlds.into_iter().map(World::results).unzip();
    let failures = failures.concat();
    let mut out = io::stdout().lock();
    let plural = if args.runs == 1 { "" } else { "s" };
    writeln!(
        out,
        "{}; median wall time of {} run{plural}\n",
        machine::describe(),
        args.runs
    )?;
    for table in [
        results::processes(&results),
        results::answers(&results),
        results::inside(&results),
        results::changes(&results),
    ] {
        writeln!(out, "{}", table.render(args.markdown))?;
    }
    for line in results::growth(&results) {
        writeln!(out, "{line}")?;
    }
    if cfg!(debug_assertions) {
        progress("this is a debug build: the times mean nothing")?;
    }
    match failures.as_slice() {
        [] => Ok(()),
        failures => bail!("not everything could be measured:\n{}", failures.join("\n")),
    }
}

fn progress(line: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{line}")
}

#[cfg(test)]
mod tests;
