//! `cargo xtask bench`: how long the whole program takes, against how long the mere parse of its input takes.
//!
//! Reading the input is what no tool can avoid, so the ratio of the two is what is left to improve. Everything is
//! measured in one session and in turns: each round runs every job on every world once, so a machine that slows
//! down slows all of them. Nothing here passes or fails by time.

mod build;
mod machine;
mod measure;
mod parse;
mod scratch;
mod slim;
mod table;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::synth::{self, Format, Size, SynthArgs};

use measure::{Job, Timing};
use parse::Inventory;
pub(crate) use parse::{ParseArgs, parse};
pub(crate) use scratch::Scratch;
use table::Row;

/// The hidden subcommand under which `main` calls `parse`.
const PARSE_COMMAND: &str = "bench-parse";

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
    /// Measure this directory instead of synthetic worlds; repeatable
    #[arg(long = "dir", value_name = "PATH", conflicts_with = "sizes")]
    dirs: Vec<PathBuf>,
    /// Timed runs of each job, after one that warms up
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// What to measure
    #[arg(long, value_enum, default_value_t = Subject::Check)]
    command: Subject,
    /// Measure this program instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Print Markdown
    #[arg(long)]
    markdown: bool,
    /// Write the synthetic worlds here and leave them
    #[arg(long, value_name = "DIR", conflicts_with = "dirs")]
    keep: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// `watertight check PATH -o json`
    Check,
}

impl Subject {
    fn job(self, program: &Path, dir: &Path) -> Job {
        match self {
            Subject::Check => Job {
                program: program.to_owned(),
                args: vec!["check".into(), dir.into(), "-o".into(), "json".into()],
                // Findings are as good an outcome as none.
                success: &[0, 1],
            },
        }
    }
}

/// A directory to measure, and the two jobs on it.
#[derive(Debug)]
struct World {
    row: Row,
    parse: Lane,
    check: Lane,
}

/// One job with its timings so far; it ends at its first failure.
#[derive(Debug)]
struct Lane {
    job: Job,
    timings: Vec<Timing>,
    peak: Option<u64>,
    failure: Option<anyhow::Error>,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    let program = match &args.binary {
        Some(path) => path.clone(),
        None => build::release_binary()?,
    };
    let this_program = std::env::current_exe().context("cannot find this program's own file")?;
    let Directories { named, scratch } = directories(args)?;
    let mut worlds = Vec::new();
    for (name, dir) in &named {
        let inventory = Inventory::of(dir)?;
        let kind = inventory.kind.name();
        let parse_args: Vec<OsString> = vec![PARSE_COMMAND.into(), kind.into(), dir.into()];
        worlds.push(World {
            row: Row {
                world: name.clone(),
                format: kind,
                bytes: inventory.bytes,
                ..Row::default()
            },
            parse: Lane::new(Job {
                program: this_program.clone(),
                args: parse_args,
                success: &[0],
            }),
            check: Lane::new(args.command.job(&program, dir)),
        });
    }
    measure_in_turns(&mut worlds, args.runs)?;
    drop(scratch);
    report(worlds, args)
}

/// What to measure.
#[derive(Debug)]
struct Directories {
    /// With the names to show.
    named: Vec<(String, PathBuf)>,
    /// Holds them, unless they are to stay.
    scratch: Option<Scratch>,
}

fn directories(args: &BenchArgs) -> anyhow::Result<Directories> {
    if !args.dirs.is_empty() {
        let named = |dir: &PathBuf| (dir.display().to_string(), dir.clone());
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
        for format in [Format::Json, Format::Yaml] {
            let name = format!("{}-{}", size.name(), format.extension());
            progress(&format!("writing {name}"))?;
            let out = root.join(name);
            synth::generate(&SynthArgs::new(out.clone(), size, format))?;
            named.push((size.name().to_owned(), synth::cluster_dir(&out)));
        }
    }
    Ok(Directories { named, scratch })
}

/// The first round is not timed: it warms up the page cache and watches the memory.
fn measure_in_turns(worlds: &mut [World], runs: u32) -> anyhow::Result<()> {
    progress("warming up")?;
    for world in worlds.iter_mut() {
        world.parse.warm_up();
        world.check.warm_up();
    }
    for run in 1..=runs {
        progress(&format!("round {run} of {runs}"))?;
        for world in worlds.iter_mut() {
            world.parse.time();
            world.check.time();
        }
    }
    Ok(())
}

impl Lane {
    fn new(job: Job) -> Self {
        Self {
            job,
            timings: Vec::new(),
            peak: None,
            failure: None,
        }
    }

    fn warm_up(&mut self) {
        match self.job.peak_memory() {
            Ok(peak) => self.peak = peak,
            Err(error) => self.failure = Some(error),
        }
    }

    fn time(&mut self) {
        if self.failure.is_some() {
            return;
        }
        match self.job.time() {
            Ok(timing) => self.timings.push(timing),
            Err(error) => {
                self.timings.clear();
                self.failure = Some(error);
            }
        }
    }
}

/// Prints what could be measured, then fails if something could not.
fn report(worlds: Vec<World>, args: &BenchArgs) -> anyhow::Result<()> {
    let mut failures = Vec::new();
    let mut rows = Vec::new();
    for World {
        mut row,
        parse,
        check,
    } in worlds
    {
        for failure in [parse.failure, check.failure].into_iter().flatten() {
            failures.push(format!("{} {}: {failure:#}", row.world, row.format));
        }
        (row.parse, row.check, row.check_peak) = (parse.timings, check.timings, check.peak);
        rows.push(row);
    }
    let mut out = io::stdout().lock();
    let plural = if args.runs == 1 { "" } else { "s" };
    writeln!(
        out,
        "{}; median wall time of {} run{plural}\n",
        machine::describe(),
        args.runs
    )?;
    write!(out, "{}", table::render(&rows, args.markdown))?;
    writeln!(
        out,
        "\nMB are 10^6 bytes. Times are of whole processes, `parse` on one thread. CPU time is a mean, in ticks of \
         10 ms. Peak RSS is polled and so a lower bound."
    )?;
    if cfg!(debug_assertions) {
        progress("this is a debug build: the parse times mean nothing")?;
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
mod tests {
    use std::path::Path;

    use clap::{Args as _, FromArgMatches as _};

    use super::{BenchArgs, Directories, Inventory, Job, Lane, Scratch, Subject, directories};
    use crate::synth::Size;

    fn args(of: &[&str]) -> Result<BenchArgs, clap::Error> {
        let command = BenchArgs::augment_args(clap::Command::new("bench").no_binary_name(true));
        BenchArgs::from_arg_matches(&command.try_get_matches_from(of)?)
    }

    fn lane(script: String) -> Lane {
        Lane::new(Job {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            success: &[0, 1],
        })
    }

    #[test]
    fn flags() {
        assert_eq!(args(&[]).unwrap().sizes, [Size::S, Size::M]);
        assert_eq!(
            args(&["--sizes", "xl,S"]).unwrap().sizes,
            [Size::Xl, Size::S]
        );
        assert_eq!(args(&["--dir", "a", "--dir", "b"]).unwrap().dirs.len(), 2);
        assert!(args(&["--dir", "a", "--sizes", "S"]).is_err());
        assert!(args(&["--runs", "0"]).is_err());
        assert!(args(&["--command", "diff"]).is_err());
    }

    #[test]
    fn check_reads_a_directory_and_prints_json() {
        let job = Subject::Check.job(Path::new("watertight"), Path::new("some/dir"));
        assert_eq!(job.args, ["check", "some/dir", "-o", "json"]);
        assert_eq!(job.success, [0, 1]);
    }

    #[test]
    fn worlds_are_removed_or_kept() {
        let Directories { named, scratch } =
            directories(&args(&["--sizes", "S"]).unwrap()).unwrap();
        let kinds: Vec<&str> = named
            .iter()
            .map(|(_, dir)| Inventory::of(dir).unwrap().kind.name())
            .collect();
        assert_eq!(kinds, ["json", "yaml"]);
        drop(scratch);
        assert!(named.iter().all(|(_, dir)| !dir.exists()));

        let keep = Scratch::create("keep").unwrap();
        let flags = ["--sizes", "S", "--keep", keep.path().to_str().unwrap()];
        let Directories { named, scratch } = directories(&args(&flags).unwrap()).unwrap();
        assert!(
            scratch.is_none()
                && named
                    .iter()
                    .all(|(_, dir)| dir.starts_with(keep.path()) && dir.exists())
        );
    }

    #[test]
    fn a_failure_ends_a_lane() {
        let scratch = Scratch::create("lane").unwrap();
        let file = scratch.path().join("runs");
        // Fails at its third run.
        let mut lane = lane(format!(
            "echo x >> {0}; test $(wc -l < {0}) -ne 3 || exit 2",
            file.display()
        ));
        lane.warm_up();
        for _ in 0..4 {
            lane.time();
        }
        assert!(lane.timings.is_empty() && lane.failure.is_some());
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 3);
    }
}
