//! `-o markdown`: a comment on a pull request, or a step summary.
//!
//! The first line is a comment by which a bot finds its own comment again. INVARIANT: no longer than
//! what GitHub takes; what is left out is counted in the last line.

use std::fmt::Write as _;
use std::io::{self, Write};

use watertight_core::report::Finding;
use watertight_core::report::diff::{DiffCause, DiffReport};
use watertight_core::rules::count;

use super::Rendering;
use super::fold::folded;
use super::rows::{self, Line, Names, Sign};
use super::words;
use crate::output::one_line;
use crate::output::reach::markdown::escaped;

/// By which the comment is found again.
pub(super) const MARKER: &str = "<!-- watertight diff -->";

/// GitHub takes 65536 characters.
const MOST_BYTES: usize = 60_000;
/// A reviewer reads no longer list.
const MOST_ROWS: usize = 20;
const MOST_OBSERVED: usize = 20;
const MOST_FINDINGS: usize = 30;

pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(comment(rendering).as_bytes())
}

fn comment(rendering: &Rendering<'_>) -> String {
    let report = rendering.report;
    let names = Names::new(rendering.units);
    let mut text = head(report);
    text += &observed(rendering);
    let tail = tail(rendering);
    let room = MOST_BYTES.saturating_sub(text.len() + tail.len());
    let mut causes = String::new();
    let mut left_out = 0;
    for cause in &folded(report) {
        let part = self::cause(rendering, &names, cause);
        if rendering.all || (left_out == 0 && causes.len() + part.len() <= room) {
            causes += &part;
        } else {
            left_out += 1;
        }
    }
    text += &causes;
    if left_out > 0 {
        let more = count(left_out, "more cause");
        let _ = writeln!(
            text,
            "\n... and {more}: too long for a comment; `-o html` and `-o json` have all."
        );
    }
    text + &tail
}

fn head(report: &DiffReport) -> String {
    let icon = match report.verdict.word.as_str() {
        "same" | "safe" | "narrows" => "✅",
        "unsafe" => "⛔",
        _ => "⚠️",
    };
    let mut text = format!(
        "{MARKER}\n### {icon} Network policies: {}\n\n",
        escaped(&words::verdict(report))
    );
    let counts = &report.counts;
    let mut parts = vec![format!(
        "{} → {}",
        code(&report.old.source),
        code(&report.new.source)
    )];
    let pairs = [
        (counts.gained, "gain"),
        (counts.lost, "lose"),
        (counts.mixed, "gain and lose"),
        (counts.uncertain, "uncertain"),
    ];
    let pairs: Vec<_> = pairs
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if !pairs.is_empty() {
        parts.push(format!("pairs: {}", pairs.join(", ")));
    }
    let [new, gone] = words::findings(report).map(<[Finding]>::len);
    if new + gone > 0 {
        parts.push(format!("findings: {new} introduced, {gone} resolved"));
    }
    let _ = writeln!(text, "{}", parts.join(" · "));
    if !report.complete {
        text += "\n**Incomplete:** not everything could be read.\n";
    }
    text
}

fn observed(rendering: &Rendering<'_>) -> String {
    let report = rendering.report;
    let most = if rendering.all {
        usize::MAX
    } else {
        MOST_OBSERVED
    };
    let [cut, other] = words::by_outcome(report);
    let mut text = String::new();
    for (icon, heading, list) in [
        ("⛔", "observed connection that would be cut", cut),
        ("⚠️", "observed connection with another answer", other),
    ] {
        if list.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n| | {heading} | times | why |\n|---|---|---:|---|");
        for observed in list.iter().take(most) {
            let _ = writeln!(
                text,
                "| {icon} | {} | {} | {} |",
                cell(&words::observed(observed)),
                observed.times,
                escaped(&words::answer(&observed.new)),
            );
        }
        let more = list.len().saturating_sub(most);
        if more > 0 {
            let _ = writeln!(text, "| | ... and {} | | |", count(more, "more connection"));
        }
    }
    text
}

fn cause(rendering: &Rendering<'_>, names: &Names<'_>, cause: &DiffCause) -> String {
    let mut text = String::new();
    let place = words::place_of(cause);
    let place = place.map_or(String::new(), |place| format!(" · {}", code(&place)));
    let _ = writeln!(text, "\n**{}**{place}\n", escaped(&words::title(cause)));
    let remarks: Vec<_> = words::told_apart(cause)
        .iter()
        .flat_map(words::remarks)
        .collect();
    for remark in remarks.iter().take(4) {
        let _ = writeln!(text, "- {}", code(remark));
    }
    if remarks.len() > 4 {
        let _ = writeln!(text, "- ... and {}", count(remarks.len() - 4, "more edit"));
    }
    if !remarks.is_empty() {
        text.push('\n');
    }
    let most = if rendering.all { usize::MAX } else { MOST_ROWS };
    let rows = rows::rows(cause).into_iter().take(most);
    let lines: Vec<Line> = rows.map(|row| names.line(row)).collect();
    let widths = lines.iter().map(|line| line.ends().chars().count());
    let widest = widths
        .filter(|width| *width <= 60)
        .max()
        .unwrap_or_default();
    let mut block = String::new();
    for line in &lines {
        // The signs that a `diff` block has a colour for.
        let sign = match (line.sign, line.widens, line.narrows) {
            (Sign::Uncertain, ..) => '!',
            (_, true, false) => '+',
            (_, false, true) => '-',
            _ => '!',
        };
        let uncertain = match line.sign {
            Sign::Uncertain => "   uncertain",
            _ => "",
        };
        let (ends, told) = (line.ends(), line.told());
        let _ = writeln!(block, "{sign} {ends:widest$}   {told}{uncertain}");
    }
    let more = cause.rows.len().saturating_sub(most);
    if more > 0 {
        let _ = writeln!(block, "# ... and {}", count(more, "more row"));
    }
    if !block.is_empty() {
        text += &fenced("diff", &block);
    }
    text
}

fn tail(rendering: &Rendering<'_>) -> String {
    let report = rendering.report;
    let mut text = String::new();
    if let Some(told) = words::without_effect(report) {
        let objects = count(report.unaffecting.len(), "object");
        let _ = writeln!(
            text,
            "\n<details><summary>No connection changes because of {objects}</summary>\n\n{}\n\n</details>",
            escaped(&told)
        );
    }
    let [new, gone] = words::findings(report);
    if !new.is_empty() || !gone.is_empty() {
        // What gets worse is not hidden.
        let open = if new.is_empty() { "" } else { " open" };
        let _ = writeln!(
            text,
            "\n<details{open}><summary>Findings: {} introduced, {} resolved</summary>\n",
            new.len(),
            gone.len()
        );
        let _ = writeln!(text, "| | rule | where | what |\n|---|---|---|---|");
        for (sign, list) in [("introduced", new), ("resolved", gone)] {
            let most = if rendering.all {
                usize::MAX
            } else {
                MOST_FINDINGS
            };
            for found in list.iter().take(most) {
                text += &finding(sign, found);
            }
            let more = list.len().saturating_sub(most);
            if more > 0 {
                let _ = writeln!(
                    text,
                    "| {sign} | | | ... and {} |",
                    count(more, "more finding")
                );
            }
        }
        text += "\n</details>\n";
    }
    text
}

fn finding(sign: &str, finding: &Finding) -> String {
    let place = finding.locations.first().map(words::at_line);
    let place = place.map_or(String::new(), |place| cell(&place));
    format!(
        "| {sign} | {} {} | {place} | {} |\n",
        finding.severity,
        finding.rule,
        escaped(&finding.message)
    )
}

/// Text as code: longer fences than any in the text.
fn fenced(language: &str, text: &str) -> String {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{text}{fence}\n")
}

/// Text as code inside of a line.
fn code(text: &str) -> String {
    format!("`{}`", one_line(text).replace('`', "'"))
}

/// Text as code inside of a table.
fn cell(text: &str) -> String {
    code(text).replace('|', "\\|")
}
