//! `-o text`: the verdict, a table of claims, and each that is not simply enforced with its reason.

use std::collections::BTreeMap;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::VerifyReport;
use watertight_core::report::verify::{VerifyClaim, VerifyConnection, VerifyTiming};
use watertight_core::rules::count;

use super::{connection, policed};
use crate::output::{because, one_line, verdict, wrap};

/// Claims that are told one by one.
const MOST: usize = 40;

pub(super) fn render(
    report: &VerifyReport,
    color: bool,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = Text {
        report,
        color,
        width,
    };
    text.head(out)?;
    text.nodes(out)?;
    text.table(out)?;
    text.reasons(out)?;
    text.connections(out)?;
    text.times(out)?;
    text.rest(out)
}

struct Text<'a> {
    report: &'a VerifyReport,
    color: bool,
    width: usize,
}

/// Claims of one row of the table.
#[derive(Default)]
struct Row {
    protocols: Vec<String>,
    claims: usize,
    places: usize,
    last_place: String,
    stopped_after: Option<u64>,
}

/// Claims about one direction on one node.
#[derive(Default)]
struct Tally {
    enforced: usize,
    not: usize,
    inconclusive: usize,
}

impl Tally {
    /// The worst of them, and how many; none if nothing was to be told.
    fn told(&self) -> Option<(&'static str, String)> {
        let all = self.enforced + self.not + self.inconclusive;
        match (all, self.not, self.inconclusive) {
            (0, ..) => None,
            (_, 0, 0) => Some(("enforced", format!("enforced ({all} of {all})"))),
            (_, 0, unknown) => Some(("inconclusive", format!("inconclusive ({unknown} of {all})"))),
            (_, not, _) => Some(("not-enforced", format!("NOT enforced ({not} of {all})"))),
        }
    }
}

impl Text<'_> {
    fn styled(&self, style: Style, text: &str) -> String {
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    fn verdict(&self, word: &str, text: &str) -> String {
        let color = match word {
            "enforced" => AnsiColor::Green,
            "not-enforced" | "flapping" | "overblocked" => AnsiColor::Red,
            "slow" | "inconclusive" => AnsiColor::Yellow,
            _ => return text.to_owned(),
        };
        self.styled(color.on_default().bold(), text)
    }

    fn head(&self, out: &mut dyn Write) -> io::Result<()> {
        let counts = &self.report.counts;
        let words = match &*self.report.verdict {
            "enforced" => "policies are enforced as they are written",
            "not-enforced" => "policies are NOT enforced as they are written",
            _ => "it cannot be told whether policies are enforced",
        };
        let verdict = self.verdict(&self.report.verdict, words);
        writeln!(out, "{}: {verdict}", one_line(&self.report.cluster))?;
        if !self.report.connections.is_empty() {
            return self.own(out);
        }
        let all = counts.enforced + counts.not_enforced + counts.inconclusive;
        let mut parts = vec![format!(
            "{} of {} enforced",
            counts.enforced,
            count(all, "claim")
        )];
        let mut also = |number: usize, word: &str| {
            if number > 0 {
                parts.push(format!("{number} {word}"));
            }
        };
        also(counts.slow, "of them late");
        let plain = counts.not_enforced - counts.flapping.min(counts.not_enforced);
        also(plain - counts.overblocked.min(plain), "not enforced");
        also(counts.flapping, "flapping");
        also(counts.overblocked, "blocked too much");
        also(counts.inconclusive, "inconclusive");
        also(counts.exempt, "left open by the API");
        also(counts.closed, "closed without policies");
        writeln!(out, "{}\n", parts.join(", "))
    }

    /// With --real, predictions are compared; nothing is claimed.
    fn own(&self, out: &mut dyn Write) -> io::Result<()> {
        let counts = &self.report.counts;
        let tried = count(self.report.connections.len(), "connection");
        writeln!(
            out,
            "{tried}: {} as predicted, {} different, {} cannot be told",
            counts.enforced, counts.not_enforced, counts.inconclusive
        )
    }

    /// Each node, and what it makes of the policies of the pods on it.
    fn nodes(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut nodes: BTreeMap<&str, BTreeMap<&str, Tally>> = BTreeMap::new();
        for claim in &self.report.claims {
            let Some(node) = policed(self.report, claim) else {
                continue;
            };
            let tally = nodes.entry(node).or_default();
            let tally = tally.entry(&*claim.direction).or_default();
            match &*claim.verdict {
                "enforced" | "slow" => tally.enforced += 1,
                "inconclusive" => tally.inconclusive += 1,
                "exempt" | "closed" => {}
                _ => tally.not += 1,
            }
        }
        let width = nodes.keys().map(|node| node.chars().count()).max();
        for (node, directions) in &nodes {
            let told = directions
                .iter()
                .filter_map(|(direction, tally)| tally.told().map(|told| (direction, told)));
            let told: Vec<_> = told
                .map(|(direction, (word, text))| {
                    format!("{direction} {}", self.verdict(word, &text))
                })
                .collect();
            let name = one_line(node);
            let width = width.unwrap_or_default();
            writeln!(out, "node {name:<width$}  {}", told.join(", "))?;
        }
        if !nodes.is_empty() {
            writeln!(out)?;
        }
        Ok(())
    }

    fn table(&self, out: &mut dyn Write) -> io::Result<()> {
        // In the order in which they first come.
        let mut rows: BTreeMap<usize, ([String; 4], Row)> = BTreeMap::new();
        let mut places: BTreeMap<[String; 4], usize> = BTreeMap::new();
        for (number, claim) in self.report.claims.iter().enumerate() {
            let place = if claim.place.starts_with("node:") {
                "each node"
            } else {
                &claim.place
            };
            let key =
                [&claim.direction, &claim.path, place, &claim.verdict].map(ToString::to_string);
            let at = *places.entry(key.clone()).or_insert(number);
            let (_, row) = rows.entry(at).or_insert_with(|| (key, Row::default()));
            row.claims += 1;
            if row.last_place != claim.place {
                row.places += 1;
                row.last_place.clone_from(&claim.place);
            }
            let protocol = if claim.family == 6 {
                format!("{}/ipv6", claim.protocol)
            } else {
                claim.protocol.clone()
            };
            if !row.protocols.contains(&protocol) {
                row.protocols.push(protocol);
            }
            row.stopped_after = row.stopped_after.max(claim.stopped_after);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let mut lines =
            vec![["POLICY", "BY", "WHERE", "PROTOCOL", "CLAIMS", "VERDICT"].map(String::from)];
        for ([direction, path, place, verdict], row) in rows.into_values() {
            let place = match (&*place, row.places) {
                ("each node", places) => count(places, "node"),
                _ => place,
            };
            let after = match row.stopped_after {
                Some(time) if verdict != "not-enforced" => {
                    format!("{verdict} (seen within {time} ms)")
                }
                _ => verdict,
            };
            lines.push([
                direction,
                path,
                place,
                row.protocols.join(" "),
                row.claims.to_string(),
                after,
            ]);
        }
        let mut widths = [0; 6];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for line in &lines {
            let [.., verdict] = line;
            let mut text = String::new();
            for (cell, width) in line.iter().zip(widths).take(5) {
                text.push_str(&format!("{:<1$}  ", one_line(cell), width));
            }
            let word = verdict.split(' ').next().unwrap_or_default();
            writeln!(out, "{text}{}", self.verdict(word, verdict))?;
        }
        Ok(())
    }

    fn reasons(&self, out: &mut dyn Write) -> io::Result<()> {
        let is_told = |claim: &&VerifyClaim| claim.verdict != "enforced";
        let mut told: Vec<&VerifyClaim> = self.report.claims.iter().filter(is_told).collect();
        // Worst first.
        let rank = |claim: &VerifyClaim| match &*claim.verdict {
            "not-enforced" => 0,
            "flapping" => 1,
            "overblocked" => 2,
            "inconclusive" => 3,
            "slow" => 4,
            _ => 5,
        };
        told.sort_by_key(|claim| rank(claim));
        // What is so for one reason is told once.
        let mut groups: Vec<(&VerifyClaim, usize)> = Vec::new();
        for claim in told {
            let key = |of: &VerifyClaim| {
                let node = policed(self.report, of).map(str::to_owned);
                let node = node.filter(|_| rank(of) < 4);
                (
                    of.verdict.clone(),
                    of.direction.clone(),
                    of.reason.clone(),
                    node,
                )
            };
            match groups
                .iter_mut()
                .find(|(first, _)| key(first) == key(claim))
            {
                Some((_, more)) => *more += 1,
                None => groups.push((claim, 0)),
            }
        }
        for (claim, others) in groups.iter().take(MOST) {
            let verdict = self.verdict(&claim.verdict, &claim.verdict);
            let connection = connection(self.report, claim);
            let others = match others {
                0 => String::new(),
                others => format!(", and {others} more"),
            };
            writeln!(
                out,
                "\n{verdict}  {}: {connection}{others}",
                claim.direction
            )?;
            let reason = wrap(&one_line(&claim.reason), self.width.saturating_sub(4));
            for line in reason.lines() {
                writeln!(out, "    {line}")?;
            }
        }
        if groups.len() > MOST || groups.iter().any(|(_, others)| *others > 0) {
            writeln!(out, "\n-o json has every claim with all attempts")?;
        }
        Ok(())
    }

    fn connections(&self, out: &mut dyn Write) -> io::Result<()> {
        let all = &self.report.connections;
        let differ = all.iter().filter(|one| one.verdict == "differ");
        for one in differ.take(MOST) {
            let evidence = &one.predicted;
            let word = self.verdict("not-enforced", "differs");
            writeln!(
                out,
                "\n{word}  {}",
                one_line(&crate::output::connection(evidence))
            )?;
            let because = one_line(&because(evidence));
            writeln!(out, "    predicted {}: {because}", verdict(evidence))?;
            writeln!(
                out,
                "    seen      {} ({} in pod {})",
                one.observed,
                one.tool,
                one_line(&one.pod)
            )?;
            writeln!(out, "    {}", one_line(&one.reason))?;
        }
        if counts(all, "differ") > MOST {
            let more = counts(all, "differ") - MOST;
            writeln!(out, "\nand {more} more that differ; -o json has them")?;
        }
        // Reasons of what cannot be told, each once.
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for one in all.iter().filter(|one| one.verdict == "inconclusive") {
            *reasons.entry(&one.reason).or_default() += 1;
        }
        let more = reasons.len().saturating_sub(MOST);
        for (at, (reason, number)) in reasons.into_iter().take(MOST).enumerate() {
            if at == 0 {
                writeln!(out, "\ncannot be told:")?;
            }
            writeln!(out, "  {number:>5}  {}", one_line(reason))?;
        }
        if more > 0 {
            writeln!(out, "  {more} more reasons; -o json has them")?;
        }
        Ok(())
    }

    fn times(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.report.timings.is_empty() && self.report.new_pods.is_empty() {
            return Ok(());
        }
        writeln!(out)?;
        for timing in &self.report.timings {
            writeln!(out, "{}", told(timing))?;
        }
        for pod in &self.report.new_pods {
            let word = self.verdict(
                match &*pod.verdict {
                    "closed" => "enforced",
                    "never-closed" => "not-enforced",
                    _ => "slow",
                },
                &pod.verdict,
            );
            let open = pod
                .open_for
                .map_or(String::new(), |time| format!(" for {time} ms"));
            let reason = one_line(&pod.reason);
            let direction = &pod.direction;
            writeln!(
                out,
                "a new pod under policies, {direction}: {word}{open}; {reason}"
            )?;
        }
        Ok(())
    }

    fn rest(&self, out: &mut dyn Write) -> io::Result<()> {
        let notes = self.report.notes.iter().map(|note| ("note", note));
        let left = self
            .report
            .left_behind
            .iter()
            .map(|left| ("left behind", left));
        let mut is_first = true;
        for (word, text) in notes.chain(left) {
            if is_first {
                writeln!(out)?;
                is_first = false;
            }
            writeln!(
                out,
                "{word}: {}",
                wrap(&one_line(text), self.width.saturating_sub(2))
            )?;
        }
        Ok(())
    }
}

fn counts(all: &[VerifyConnection], verdict: &str) -> usize {
    all.iter().filter(|one| one.verdict == verdict).count()
}

fn told(timing: &VerifyTiming) -> String {
    let direction = &timing.direction;
    let what = match &*timing.change {
        "enforce" => format!("{direction} deny in force after"),
        _ => format!("{direction} deny out of force after"),
    };
    let time = match (timing.after, timing.not_before) {
        (Some(after), Some(before)) => format!("{after} ms (still as before at {before} ms)"),
        (Some(after), None) => format!("{after} ms"),
        (None, _) => "no time that was watched".to_owned(),
    };
    let sure = format!("give or take {} ms", timing.uncertainty);
    let mut text = format!("{what} {time}, {sure}, {} attempts", timing.attempts);
    if timing.contradictions > 0 {
        text.push_str(&format!(", {} of which contradict", timing.contradictions));
    }
    text
}
