//! The jobs on each world: whole processes, which are measured in turns, and one that looks inside.
//!
//! INVARIANT: what fails costs itself only; the rest is measured, and the failure is told at the end.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::Place;
use super::inside::Inside;
use super::measure::Job;
use super::parse::Inventory;
use super::progress;
use super::results::{Compared, Results};
use super::usage;

/// The hidden subcommands under which `main` calls `parse` and `inside`.
const PARSE_COMMAND: &str = "bench-parse";
const INSIDE_COMMAND: &str = "bench-inside";

/// Where the programs are.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) product: PathBuf,
    pub(super) this: PathBuf,
}

/// A directory to measure, and the jobs on it.
#[derive(Debug)]
pub(super) struct World {
    name: String,
    inventory: Inventory,
    inside: anyhow::Result<Inside>,
    parse: Lane,
    check: Lane,
    reach: Lane,
    /// `explain` with a question that is none: everything but the answer.
    load: Lane,
    explain: Lane,
    baseline: Lane,
    changed: Option<Changed>,
}

/// The jobs on a world and the same with other policies.
#[derive(Debug)]
struct Changed {
    /// Everything but an answer, on the other one.
    load: Lane,
    diff: Lane,
}

/// One job with its timings so far; it ends at its first failure.
#[derive(Debug)]
struct Lane {
    job: Job,
    /// Whether its peak memory is of interest.
    weigh: bool,
    timings: Vec<Duration>,
    peak: Option<u64>,
    failure: Option<anyhow::Error>,
}

/// The first round is not timed: it warms up the page cache and weighs the memory.
pub(super) fn measure_in_turns(
    worlds: &mut [World],
    this_program: &Path,
    runs: u32,
) -> anyhow::Result<()> {
    progress("warming up")?;
    for lane in worlds.iter_mut().flat_map(World::lanes) {
        lane.warm_up(this_program);
    }
    for run in 1..=runs {
        progress(&format!("round {run} of {runs}"))?;
        for lane in worlds.iter_mut().flat_map(World::lanes) {
            lane.time();
        }
    }
    Ok(())
}

impl World {
    pub(super) fn new(programs: &Programs, place: &Place, inventory: Inventory) -> Self {
        let Place { name, dir, changed } = place;
        let kind = inventory.kind.name();
        let inside = measure_inside(&programs.this, dir);
        let product = |args: Vec<OsString>, success: &[i32]| {
            Lane::new(Job {
                program: programs.product.clone(),
                args,
                success: success.to_vec(),
            })
        };
        let explain = |question: String, dir: &Path, success: &[i32]| {
            let args = ["explain", &question, "-f"].map(OsString::from);
            let args = args.into_iter().chain([dir.into()]);
            product(args.chain(json()).collect(), success)
        };
        let question = inside.as_ref().map(|inside| {
            let [from, to] = &inside.parties;
            format!("{from} -> {to}:80/tcp")
        });
        let check = vec!["check".into(), dir.into()];
        let reach = [
            "reach".into(),
            dir.into(),
            "--by".into(),
            "namespace".into(),
        ];
        let nothing = || "no question".to_owned();
        let changed = changed.as_ref().map(|changed| {
            let diff = ["diff".into(), dir.into(), changed.into()].into_iter();
            Changed {
                load: explain(nothing(), changed, &[2]),
                diff: product(diff.chain(json()).collect(), &[1]),
            }
        });
        Self {
            name: name.to_owned(),
            parse: Lane::new(Job {
                program: programs.this.clone(),
                args: vec![PARSE_COMMAND.into(), kind.into(), dir.into()],
                success: vec![0],
            }),
            // Findings are as good an outcome as none.
            check: product(check.into_iter().chain(json()).collect(), &[0, 1]).weighed(),
            reach: product(reach.into_iter().chain(json()).collect(), &[0]).weighed(),
            load: explain(nothing(), dir, &[2]),
            explain: match question {
                Ok(question) => explain(question, dir, &[0]),
                Err(_) => explain(String::new(), dir, &[0]).given_up(),
            },
            // What it cannot prove it tells as well as what it can.
            baseline: product(vec!["baseline".into(), dir.into()], &[0, 1]),
            changed,
            inventory,
            inside,
        }
    }

    fn lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        let own = [
            &mut self.parse,
            &mut self.check,
            &mut self.reach,
            &mut self.load,
            &mut self.explain,
            &mut self.baseline,
        ];
        let changed = self.changed.as_mut();
        let changed = changed.map(|changed| [&mut changed.load, &mut changed.diff]);
        own.into_iter().chain(changed.into_iter().flatten())
    }

    /// With what could not be measured, and why.
    pub(super) fn results(mut self) -> (Results, Vec<String>) {
        let failures = self.lanes().filter_map(|lane| lane.failure.take());
        let mut failures: Vec<_> = failures.collect();
        let inside = self.inside.map_err(|error| failures.push(error)).ok();
        let kind = self.inventory.kind;
        let place = format!("{} {}", self.name, kind.name());
        let told = failures
            .into_iter()
            .map(|failure| format!("{place}: {failure:#}"));
        let told = told.collect();
        let results = Results {
            world: self.name,
            kind,
            bytes: self.inventory.bytes,
            parse: self.parse.timings,
            check: self.check.timings,
            reach: self.reach.timings,
            load: self.load.timings,
            explain: self.explain.timings,
            baseline: self.baseline.timings,
            changed: self.changed.map(|changed| Compared {
                load: changed.load.timings,
                diff: changed.diff.timings,
            }),
            check_peak: self.check.peak,
            reach_peak: self.reach.peak,
            inside,
        };
        (results, told)
    }
}

fn json() -> [OsString; 2] {
    ["-o", "json"].map(OsString::from)
}

fn measure_inside(this_program: &Path, dir: &Path) -> anyhow::Result<Inside> {
    let job = Job {
        program: this_program.to_owned(),
        args: vec![INSIDE_COMMAND.into(), dir.into()],
        success: vec![0],
    };
    let printed = job.output()?;
    serde_json::from_str(&printed)
        .with_context(|| format!("`{INSIDE_COMMAND}` printed `{printed}`"))
}

impl Lane {
    fn new(job: Job) -> Self {
        Self {
            job,
            weigh: false,
            timings: Vec::new(),
            peak: None,
            failure: None,
        }
    }

    fn weighed(self) -> Self {
        Self {
            weigh: true,
            ..self
        }
    }

    /// For a job that cannot be put together.
    fn given_up(self) -> Self {
        Self {
            failure: Some(anyhow!("no two pods are known to explain")),
            ..self
        }
    }

    fn warm_up(&mut self, this_program: &Path) {
        if self.failure.is_some() {
            return;
        }
        let result = if self.weigh {
            usage::peak_of(&self.job, this_program)
        } else {
            self.job.run().map(|()| None)
        };
        match result {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Inventory, Job, Lane, Place, Programs, World};
    use crate::bench::Scratch;

    fn lane(script: String) -> Lane {
        Lane::new(Job {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), script.into()],
            success: vec![0, 1],
        })
    }

    /// A world of which nothing is known from inside.
    fn world(scratch: &Scratch) -> World {
        std::fs::write(scratch.path().join("a.yaml"), "a: b\n").unwrap();
        let programs = Programs {
            product: "watertight".into(),
            this: "/bin/false".into(),
        };
        let inventory = Inventory::of(scratch.path()).unwrap();
        let place = Place {
            name: "a".to_owned(),
            dir: "some/dir".into(),
            changed: Some("other/dir".into()),
        };
        World::new(&programs, &place, inventory)
    }

    #[test]
    fn jobs_read_a_directory_and_print_json() {
        let scratch = Scratch::create("jobs").unwrap();
        let world = world(&scratch);
        assert_eq!(world.parse.job.args, ["bench-parse", "yaml", "some/dir"]);
        assert_eq!(world.check.job.args, ["check", "some/dir", "-o", "json"]);
        assert_eq!(world.check.job.success, [0, 1]);
        let reach = ["reach", "some/dir", "--by", "namespace", "-o", "json"];
        assert_eq!(world.reach.job.args, reach);
        let load = ["explain", "no question", "-f", "some/dir", "-o", "json"];
        assert_eq!(world.load.job.args, load);
        assert_eq!(world.baseline.job.args, ["baseline", "some/dir"]);
        let changed = world.changed.unwrap();
        let load = ["explain", "no question", "-f", "other/dir", "-o", "json"];
        assert_eq!(changed.load.job.args, load);
        let diff = ["diff", "some/dir", "other/dir", "-o", "json"];
        assert_eq!(changed.diff.job.args, diff);
        assert!(world.check.weigh && world.reach.weigh && !world.explain.weigh);
    }

    #[test]
    fn without_pods_there_is_nothing_to_explain() {
        let scratch = Scratch::create("given-up").unwrap();
        let mut world = world(&scratch);
        for lane in world.lanes() {
            lane.job.program = "/bin/true".into();
            lane.job.success = vec![0];
            lane.weigh = false;
            lane.warm_up(Path::new("/bin/false"));
            lane.time();
        }
        let (results, failures) = world.results();
        assert_eq!((results.load.len(), results.explain.len()), (1, 0));
        assert!(results.inside.is_none());
        let told = failures.join("\n");
        let expected = "a yaml: no two pods are known to explain\na yaml: `false` failed";
        assert!(told.starts_with(expected), "{told}");
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
        lane.warm_up(Path::new("/bin/false"));
        for _ in 0..4 {
            lane.time();
        }
        assert!(lane.timings.is_empty() && lane.failure.is_some());
        assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 3);
    }
}
