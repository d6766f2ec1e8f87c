//! What was measured, as tables and as sentences.

use std::time::Duration;

use super::goals::{Goal, number};
use super::inside::{Changes, Inside};
use super::parse::Kind;
use super::spread::{median, ms};
use super::table::Table;

/// Less than this is too little to see growth from.
const GROWS_FROM: u64 = 1_000_000;
/// Growth is told of inputs that differ by at least this factor.
const GROWS_BY: f64 = 4.0;

/// What was measured of one world. A job that failed has no timings.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) world: String,
    pub(super) kind: Kind,
    pub(super) bytes: u64,
    pub(super) parse: Vec<Duration>,
    pub(super) check: Vec<Duration>,
    pub(super) reach: Vec<Duration>,
    /// `explain` with a question that is none: everything but the answer.
    pub(super) load: Vec<Duration>,
    pub(super) explain: Vec<Duration>,
    pub(super) baseline: Vec<Duration>,
    pub(super) changed: Option<Compared>,
    pub(super) check_peak: Option<u64>,
    pub(super) reach_peak: Option<u64>,
    pub(super) inside: Option<Inside>,
}

/// What was measured of a world and the same with other policies.
#[derive(Debug)]
pub(super) struct Compared {
    /// Loading the other one.
    pub(super) load: Vec<Duration>,
    pub(super) diff: Vec<Duration>,
}

impl Results {
    fn name(&self) -> [String; 2] {
        [self.world.clone(), self.kind.name().to_owned()]
    }

    fn show(&self, goal: Goal, value: Option<f64>, decimals: usize) -> String {
        goal.show(value, decimals, self.bytes)
    }

    fn process_cells(&self) -> Vec<String> {
        let [parse, check, reach, explain] =
            [&self.parse, &self.check, &self.reach, &self.explain].map(|all| median_ms(all));
        let ratio = |of: Option<f64>| {
            let parse = parse.filter(|parse| *parse > 0.0);
            of.zip(parse).map(|(of, parse)| of / parse)
        };
        let of_parse = Goal::of_parse(self.kind);
        let of_input = |peak: Option<u64>| {
            let bytes = (self.bytes > 0).then_some(self.bytes as f64);
            peak.zip(bytes).map(|(peak, bytes)| peak as f64 / bytes)
        };
        let numbers = [
            number(Some(self.bytes as f64 / 1e6), 2),
            number(parse, 1),
            number(check, 1),
            self.show(of_parse, ratio(check), 2),
            number(reach, 1),
            self.show(of_parse, ratio(reach), 2),
            number(explain, 1),
            self.show(Goal::EXPLAIN, self.explain_adds(), 1),
            self.show(Goal::MEMORY, of_input(self.check_peak), 2),
            self.show(Goal::MEMORY, of_input(self.reach_peak), 2),
        ];
        self.name().into_iter().chain(numbers).collect()
    }

    fn answer_cells(&self) -> Vec<String> {
        let [load, baseline] = [&self.load, &self.baseline].map(|all| median_ms(all));
        let changed = self.changed.as_ref();
        let diff = changed.and_then(|changed| median_ms(&changed.diff));
        let other = changed.and_then(|changed| median_ms(&changed.load));
        let both = load.zip(other).map(|(load, other)| load + other);
        let ratio = |of: Option<f64>, to: Option<f64>| {
            of.zip(to.filter(|to| *to > 0.0)).map(|(of, to)| of / to)
        };
        let numbers = [
            number(load, 1),
            number(both, 1),
            number(diff, 1),
            self.show(Goal::DIFF, ratio(diff, both), 2),
            number(baseline, 1),
            self.show(Goal::BASELINE, ratio(baseline, load), 2),
        ];
        self.name().into_iter().chain(numbers).collect()
    }

    /// The median of the differences of each round.
    fn explain_adds(&self) -> Option<f64> {
        let rounds = self.explain.iter().zip(&self.load);
        median(rounds.map(|(explain, load)| ms(*explain) - ms(*load)))
    }

    fn inside_cells(&self, inside: &Inside) -> Vec<String> {
        let millions = |a_second: f64| Some(a_second / 1e6);
        let numbers = [
            number(Some(inside.load_ms), 1),
            number(Some(inside.lower_ms), 2),
            number(Some(inside.reach_ms), 1),
            inside.classes.to_string(),
            inside.rows.to_string(),
            inside.sets.to_string(),
            self.show(Goal::VERDICTS, millions(inside.outcomes_a_second), 2),
            number(millions(inside.verdicts_a_second), 2),
            self.show(Goal::EXPLAIN, Some(inside.explain.p50), 2),
            self.show(Goal::EXPLAIN, Some(inside.explain.p99), 2),
        ];
        self.name().into_iter().chain(numbers).collect()
    }

    fn change_cells(&self, what: &str, changes: &Changes) -> Vec<String> {
        let ms = |value| self.show(Goal::CHANGE, Some(value), 2);
        let Changes {
            times,
            rebuilt,
            count,
        } = changes;
        let numbers = [
            ms(times.p50),
            ms(times.p99),
            ms(times.max),
            format!("{rebuilt} of {count}"),
        ];
        let text = self.name().into_iter().chain([what.to_owned()]);
        text.chain(numbers).collect()
    }
}

fn median_ms(durations: &[Duration]) -> Option<f64> {
    median(durations.iter().copied().map(ms))
}

/// Whole processes against the mere parse.
pub(super) fn processes(all: &[Results]) -> Table {
    Table {
        texts: 2,
        header: vec![
            "world",
            "format",
            "MB",
            "parse ms",
            "check ms",
            "check/parse",
            "reach ms",
            "reach/parse",
            "explain ms",
            "explain - load ms",
            "check RSS/input",
            "reach RSS/input",
        ],
        rows: all.iter().map(Results::process_cells).collect(),
    }
}

/// Questions that are about all of a world, or two, against loading it.
pub(super) fn answers(all: &[Results]) -> Table {
    Table {
        texts: 2,
        header: vec![
            "world",
            "format",
            "load ms",
            "load both ms",
            "diff ms",
            "diff/load both",
            "baseline ms",
            "baseline/load",
        ],
        rows: all.iter().map(Results::answer_cells).collect(),
    }
}

/// Inside one process, once the input is loaded.
pub(super) fn inside(all: &[Results]) -> Table {
    let rows = all.iter().filter_map(|results| {
        let inside = results.inside.as_ref()?;
        Some(results.inside_cells(inside))
    });
    Table {
        texts: 2,
        header: vec![
            "world",
            "format",
            "load ms",
            "lower ms",
            "reach ms",
            "classes",
            "rows",
            "sets",
            "by rows M/s",
            "verdict M/s",
            "explain p50 ms",
            "explain p99 ms",
        ],
        rows: rows.collect(),
    }
}

/// From one change to the new rows.
pub(super) fn changes(all: &[Results]) -> Table {
    let rows = all.iter().filter_map(|results| {
        let inside = results.inside.as_ref()?;
        let cells = |(what, of)| results.change_cells(what, of);
        Some([("policy", &inside.policies), ("pod", &inside.pods)].map(cells))
    });
    Table {
        texts: 3,
        header: vec![
            "world", "format", "change", "p50 ms", "p99 ms", "max ms", "rebuilt",
        ],
        rows: rows.flatten().collect(),
    }
}

/// How the time of all rows grows with the input: a sentence for each format.
pub(super) fn growth(all: &[Results]) -> Vec<String> {
    let of_kind = |kind: Kind| {
        let measured = all.iter().filter(move |results| results.kind == kind);
        let measured = measured.filter(|results| results.bytes >= GROWS_FROM);
        let mut measured: Vec<(&Results, f64)> = measured
            .filter_map(|results| Some((results, results.inside.as_ref()?.reach_ms)))
            .filter(|(_, reach)| *reach > 0.0)
            .collect();
        measured.sort_by_key(|(results, _)| results.bytes);
        let ((small, before), (large, after)) = (*measured.first()?, *measured.last()?);
        let (input, reach) = (large.bytes as f64 / small.bytes as f64, after / before);
        (input >= GROWS_BY).then(|| {
            format!(
                "From {} to {} ({}), the input grows {input:.1}-fold and the time of all rows {reach:.1}-fold: {}",
                small.world,
                large.world,
                kind.name(),
                Goal::GROWTH.show(Some(reach / input), 2, large.bytes)
            )
        })
    };
    [Kind::Json, Kind::Yaml, Kind::Mixed]
        .into_iter()
        .filter_map(of_kind)
        .collect()
}

#[cfg(test)]
mod tests;
