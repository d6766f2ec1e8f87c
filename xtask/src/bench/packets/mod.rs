//! `cargo xtask bench --packets`: what policies cost packets on a node, and what it costs to change them.
//!
//! Packets are measured by processor time in turns, and judged by ratios within one round, so that a machine
//! that others use too changes little. Loading, labs and probes are measured by the clock.

mod layouts;
mod path;
mod probes;
mod programming;
mod worlds;

use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use watertight_core::eval::Evaluator;
use watertight_node::nft::Table as Rules;
use watertight_node::nft::compile::{Options, compile};
use watertight_node::sys::privileges;

use self::layouts::Without;
use self::path::{Lane, Round};
use self::programming::Steps;
use self::worlds::{Policies, Scene};
use super::goals::Goal;
use super::table::Table;
use super::{BenchArgs, machine, progress};

/// Goals are judged whatever the input is.
const JUDGED: u64 = u64::MAX;

/// Pods on a node, as many as a kubelet takes with its usual limits raised.
const PODS: usize = 250;

/// The part of the measurement that a ratio is about, and its goal.
type Column = (fn(&Round) -> f64, Option<Goal>);

pub(super) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    // Before any thread exists.
    privileges::acquire().map_err(|missing| anyhow::anyhow!("{missing}"))?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{}; load {}; medians of {} rounds\n",
        machine::describe(),
        load().unwrap_or_else(|| "unknown".into()),
        args.runs
    )?;
    for table in [packets(args)?, sets(args)?, pods(args)?, lab(args)?] {
        writeln!(out, "{}", table.render(args.markdown))?;
    }
    writeln!(out, "load {} at the end", load().unwrap_or_default())?;
    Ok(())
}

/// How many others want the processors.
fn load() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split(' ').next().map(str::to_owned)
}

fn compiled(pods: usize, policies: Policies) -> anyhow::Result<Rules> {
    let scene = Scene::of(pods, policies)?;
    let eval = Evaluator::new(&scene.world, &scene.ruleset, scene.profile.switches);
    let options = Options::default();
    Ok(compile(&eval, scene.node()?, &[], options).table)
}

/// What to measure packets under.
struct Layout {
    name: &'static str,
    rules: Option<Rules>,
    /// How many times fewer packets it is sent, for it is slow.
    less: u32,
    /// Whether it must refuse what no policy allows.
    is_closed: bool,
    goal: Option<Goal>,
}

fn layouts() -> anyhow::Result<Vec<Layout>> {
    let (many, one) = (Some(Goal::AtMost(1.3)), Some(Goal::AtMost(1.2)));
    let open = |name, rules| Layout {
        name,
        rules,
        less: 1,
        is_closed: false,
        goal: None,
    };
    let closed = |name, rules: Rules, goal| Layout {
        is_closed: true,
        goal,
        ..open(name, Some(rules))
    };
    let slow = |name, policies, less| Layout {
        less,
        ..closed(name, layouts::linear(PODS, policies), None)
    };
    let of = |pods, count| compiled(pods, Policies::Each(count));
    let hundred = compiled(PODS, Policies::OfOne(100))?;
    let blocks = compiled(PODS, Policies::BlocksOfOne(100))?;
    let all = of(PODS, 10_000)?;
    let without = |what| layouts::without(all.clone(), what);
    Ok(vec![
        open("no rules", None),
        open("connections tracked", Some(layouts::tracking())),
        open("no policies", Some(compiled(PODS, Policies::None)?)),
        closed("250 pods, 1,000 policies", of(PODS, 1_000)?, None),
        closed("250 pods, 10,000 policies", all.clone(), many),
        closed(
            "- states by one rule",
            without(Without::TwoRulesOfStates),
            None,
        ),
        closed("- without IPv6", without(Without::V6), None),
        closed("- without counters", without(Without::Counters), None),
        closed("10,000 pods, 10,000 policies", of(10_000, 10_000)?, many),
        closed("a pod of 100 policies", hundred, one),
        closed("a pod of 100 policies of blocks", blocks, one),
        slow("a list of 1,000 policies", 1_000, 4),
        slow("a list of 10,000 policies", 10_000, 20),
    ])
}

fn packets(args: &BenchArgs) -> anyhow::Result<Table> {
    progress("making labs, each with other rules")?;
    let mut lanes = Vec::new();
    let mut goals = Vec::new();
    for layout in layouts()? {
        let name = layout.name;
        let lane = Lane::up(name, layout.rules.as_ref(), layout.less, layout.is_closed);
        lanes.push(lane.with_context(|| format!("cannot measure `{name}`"))?);
        goals.push(layout.goal);
    }
    // The first round warms up.
    for round in 0..=args.runs {
        progress(&format!("packets: round {round} of {}", args.runs))?;
        for lane in &mut lanes {
            lane.measure()?;
            if round == 0 {
                lane.rounds.clear();
            }
        }
    }
    let first = lanes
        .first()
        .context("nothing was measured")?
        .rounds
        .clone();
    let bulk_goal = Goal::AtMost(1.03);
    let rows = lanes.iter().zip(goals).map(|(lane, goal)| {
        let bulk = goal.map(|_| bulk_goal);
        let columns: [Column; 5] = [
            (|round| round.connection, goal),
            (|round| round.flow, goal),
            (|round| round.new, None),
            (|round| round.established, None),
            (|round| round.bulk, bulk),
        ];
        let mut row = vec![lane.name.to_owned()];
        for (of, goal) in columns {
            let ratios = lane
                .rounds
                .iter()
                .zip(&first)
                .map(|(one, base)| of(one) / of(base));
            let ratio = median(ratios.collect());
            row.push(match goal {
                Some(goal) => goal.show(Some(ratio), 2, JUDGED),
                None => format!("{ratio:.2}"),
            });
        }
        let own = |of: fn(&Round) -> f64| median(lane.rounds.iter().map(of).collect());
        row.push(format!("{:.1}", own(|round| round.connection) / 1e3));
        row.push(format!("{:.2}", own(|round| round.flow) / 1e3));
        row.push(format!("{:.2}", own(|round| round.new) / 1e3));
        row
    });
    Ok(Table {
        texts: 1,
        header: vec![
            "rules of the node",
            "connection",
            "flow",
            "new packet",
            "established",
            "bulk",
            "connection us",
            "flow us",
            "new packet us",
        ],
        rows: rows.collect(),
    })
}

fn sets(args: &BenchArgs) -> anyhow::Result<Table> {
    progress("loading sets")?;
    let mut rows = Vec::new();
    for (name, ranges) in [("addresses", false), ("ranges", true)] {
        for count in [1_000, 10_000, 100_000] {
            let mut times = Vec::new();
            for _ in 0..args.runs {
                times.push(programming::load(count, ranges)?.as_secs_f64() * 1e3);
            }
            let goal = Goal::AtMost(1e3);
            let time = median(times);
            let shown = match count {
                100_000 => goal.show(Some(time), 1, JUDGED),
                _ => format!("{time:.1}"),
            };
            rows.push(vec![name.to_owned(), count.to_string(), shown]);
        }
    }
    Ok(Table {
        texts: 1,
        header: vec!["set", "elements", "load ms"],
        rows,
    })
}

fn pods(args: &BenchArgs) -> anyhow::Result<Table> {
    let mut rows = Vec::new();
    for (classes, others) in [(250, 0), (250, 5_000), (1_000, 0)] {
        progress(&format!("pods that come and go, {classes} classes"))?;
        let times = usize::try_from(args.runs)? * 40;
        let pods = programming::pods(classes, others, times)?;
        let kinds = [
            ("comes", pods.comes, Some(Goal::AtMost(1.0))),
            ("comes, a class of its own", pods.new_class, None),
            ("goes", pods.goes, None),
            ("comes, all made anew", pods.anew, None),
        ];
        for (name, steps, goal) in kinds {
            let of = |of: fn(&Steps) -> Duration| -> Vec<f64> {
                steps
                    .iter()
                    .map(|step| of(step).as_secs_f64() * 1e3)
                    .collect()
            };
            let all = median(of(Steps::all));
            let mut row = vec![
                format!("{classes} classes, {} pods", classes + others),
                name.to_owned(),
                match goal.filter(|_| classes == 250) {
                    Some(goal) => goal.show(Some(all), 3, JUDGED),
                    None => format!("{all:.3}"),
                },
                format!("{:.3}", percentile(of(Steps::all), 99)),
            ];
            let parts: [fn(&Steps) -> Duration; 4] = [
                |step| step.world,
                |step| step.evaluator,
                |step| step.compile,
                |step| step.commit,
            ];
            row.extend(parts.map(|part| format!("{:.3}", median(of(part)))));
            rows.push(row);
        }
    }
    Ok(Table {
        texts: 2,
        header: vec![
            "node",
            "a pod",
            "p50 ms",
            "p99 ms",
            "world",
            "evaluator",
            "compile",
            "commit",
        ],
        rows,
    })
}

fn lab(args: &BenchArgs) -> anyhow::Result<Table> {
    let mut found = Vec::new();
    for run in 0..args.runs.min(3) {
        progress(&format!("a lab of 200 pods: run {}", run + 1))?;
        found.push(probes::run(200)?);
    }
    let seconds = |of: fn(&probes::Probed) -> Duration| {
        median(found.iter().map(|one| of(one).as_secs_f64()).collect())
    };
    let one = found.first().context("nothing was measured")?;
    let wrong = found.iter().map(|one| one.wrong).max().unwrap_or_default();
    let row = vec![
        "200".to_owned(),
        Goal::AtMost(3.0).show(Some(seconds(|one| one.up)), 2, JUDGED),
        format!("{:.1}", seconds(|one| one.enforced) * 1e3),
        one.questions.to_string(),
        Goal::AtMost(15.0).show(Some(seconds(|one| one.asked)), 2, JUDGED),
        one.open.to_string(),
        one.dropped.to_string(),
        wrong.to_string(),
    ];
    Ok(Table {
        texts: 0,
        header: vec![
            "pods",
            "lab up s",
            "enforce ms",
            "probes",
            "probe s",
            "open",
            "dropped and proved",
            "not as predicted",
        ],
        rows: vec![row],
    })
}

fn median(values: Vec<f64>) -> f64 {
    percentile(values, 50)
}

fn percentile(mut values: Vec<f64>, percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = values.len().saturating_sub(1) * percent / 100;
    values.get(at).copied().unwrap_or(f64::NAN)
}
