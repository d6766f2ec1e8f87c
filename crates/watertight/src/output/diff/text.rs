//! `-o text`: the verdict, what would be cut of observed connections, then cause by cause.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::Finding;
use watertight_core::report::diff::DiffCause;
use watertight_core::rules::count;

use super::Rendering;
use super::fold::folded;
use super::rows::{self, Line, Names, Sign};
use super::words;
use crate::output::{one_line, wrap};

/// More rows of a cause, causes, observed connections and findings than these are counted.
const MOST_ROWS: usize = 12;
const MOST_CAUSES: usize = 40;
const MOST_OBSERVED: usize = 20;
const MOST_REMARKS: usize = 4;
const MOST_FINDINGS: usize = 12;

/// Ports begin here at the latest.
const WIDEST: usize = 64;

struct Printer<'a, 'o> {
    rendering: &'a Rendering<'a>,
    names: Names<'a>,
    color: bool,
    out: &'o mut dyn Write,
}

pub(super) fn render(
    rendering: &Rendering<'_>,
    color: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut printer = Printer {
        rendering,
        names: Names::new(rendering.units),
        color,
        out,
    };
    printer.all()
}

impl Printer<'_, '_> {
    fn all(&mut self) -> io::Result<()> {
        let report = self.rendering.report;
        let verdict = wrap(&words::verdict(report), self.rendering.width);
        let style = match report.verdict.word.as_str() {
            "same" | "safe" => AnsiColor::Green,
            "unsafe" | "unknown" => AnsiColor::Red,
            _ => AnsiColor::Yellow,
        };
        let verdict = self.styled(&verdict, style.on_default().bold());
        writeln!(self.out, "{verdict}")?;
        self.observed()?;
        let most = self.most(MOST_CAUSES);
        let causes = folded(report);
        for cause in causes.iter().take(most) {
            self.cause(cause)?;
        }
        self.more(causes.len(), most, "cause")?;
        if let Some(told) = words::without_effect(report) {
            let told = format!("no connection changes because of {told}");
            writeln!(self.out, "\n{}", wrap(&told, self.rendering.width))?;
        }
        self.findings()?;
        if !report.causes.is_empty() {
            self.legend()?;
        }
        Ok(())
    }

    /// What is recorded and would be answered otherwise.
    fn observed(&mut self) -> io::Result<()> {
        let most = self.most(MOST_OBSERVED);
        let headings = [
            "! observed, and no longer allowed",
            "! observed, with another answer than before",
        ];
        let lists = words::by_outcome(self.rendering.report);
        for (heading, all) in headings.into_iter().zip(lists) {
            if all.is_empty() {
                continue;
            }
            let style = AnsiColor::Red.on_default().bold();
            let heading = self.styled(heading, style);
            writeln!(self.out, "\n{heading}")?;
            let shown = all.iter().take(most);
            let shown: Vec<_> = shown.map(|it| (words::observed(it), *it)).collect();
            let widths = shown.iter().map(|(told, _)| told.chars().count());
            let widest = widths.max().unwrap_or_default().min(WIDEST);
            for (told, observed) in shown {
                let mark = self.styled("!", style);
                let times = words::times(observed.times);
                writeln!(self.out, "  {mark} {told:widest$}   {times}")?;
                self.indented(6, &format!("is {}", words::answer(&observed.new)))?;
                self.indented(6, &format!("was {}", words::answer(&observed.old)))?;
            }
            self.more(all.len(), most, "connection")?;
        }
        Ok(())
    }

    fn cause(&mut self, cause: &DiffCause) -> io::Result<()> {
        let mark = words::mark(cause);
        let place = words::place_of(cause);
        let title = words::title(cause);
        let bold = Style::new().bold();
        let heading = self.styled(&format!("{mark} {title}"), bold);
        match place {
            Some(place) => {
                let faint = self.styled(&place, Style::new().dimmed());
                writeln!(self.out, "\n{heading}   {faint}")?;
            }
            None => writeln!(self.out, "\n{heading}")?,
        }
        for object in words::told_apart(cause) {
            if cause.objects.len() > 1
                && let Some(place) = words::place(object)
            {
                self.indented(4, &format!("{}   {place}", words::object(object)))?;
            }
            let remarks = words::remarks(object);
            let most = self.most(MOST_REMARKS);
            for remark in remarks.iter().take(most) {
                self.indented(4, remark)?;
            }
            let more = remarks.len().saturating_sub(most);
            if more > 0 {
                self.indented(4, &format!("... and {}", count(more, "more edit")))?;
            }
        }
        let most = self.most(MOST_ROWS);
        let rows = rows::rows(cause).into_iter().take(most);
        let lines: Vec<Line> = rows.map(|row| self.names.line(row)).collect();
        let widths = lines.iter().map(|line| line.ends().chars().count());
        let fitting = widths.filter(|width| *width <= WIDEST);
        let widest = fitting.max().unwrap_or_default();
        for line in &lines {
            self.line(line, widest)?;
        }
        let more = cause.rows.len().saturating_sub(most);
        if more > 0 {
            let rows = count(more, "more row");
            self.indented(4, &format!("... and {rows} (--all, -o json)"))?;
        }
        Ok(())
    }

    fn line(&mut self, line: &Line, widest: usize) -> io::Result<()> {
        let sign = self.styled(&line.sign.mark().to_string(), style(line));
        let (ends, told) = (line.ends(), line.told());
        let left = ends.chars().count().max(widest);
        if left + told.chars().count() + 7 <= self.rendering.width {
            return writeln!(self.out, "  {sign} {ends:widest$}   {told}");
        }
        let room = self.rendering.width.saturating_sub(8);
        let (ends, told) = (wrap(&ends, room), wrap(&format!("on {told}"), room));
        for (number, part) in ends.lines().chain(told.lines()).enumerate() {
            match number {
                0 => writeln!(self.out, "  {sign} {part}")?,
                _ => writeln!(self.out, "      {part}")?,
            }
        }
        Ok(())
    }

    fn findings(&mut self) -> io::Result<()> {
        let [introduced, resolved] = words::findings(self.rendering.report);
        if introduced.is_empty() && resolved.is_empty() {
            return Ok(());
        }
        writeln!(
            self.out,
            "\nfindings: {} introduced, {} resolved",
            introduced.len(),
            resolved.len()
        )?;
        for (mark, list, style) in [
            ("+", introduced, AnsiColor::Red),
            ("-", resolved, AnsiColor::Green),
        ] {
            let most = self.most(MOST_FINDINGS);
            for finding in list.iter().take(most) {
                let mark = self.styled(mark, style.on_default());
                let told = told(finding, self.rendering.width.saturating_sub(6));
                writeln!(self.out, "  {mark} {told}")?;
            }
            self.more(list.len(), most, "finding")?;
        }
        Ok(())
    }

    fn legend(&mut self) -> io::Result<()> {
        let signs = [Sign::Gained, Sign::Lost, Sign::Ports, Sign::Uncertain];
        let told: Vec<_> = signs
            .iter()
            .map(|sign| format!("{} {}", sign.mark(), sign.word()))
            .collect();
        let observed = if self.rendering.report.observed.is_empty() {
            ""
        } else {
            "  ! observed"
        };
        let legend = format!("{}{observed}", told.join("  "));
        let legend = self.styled(&legend, Style::new().dimmed());
        writeln!(self.out, "\n{legend}")
    }

    /// Says how many were left out.
    fn more(&mut self, all: usize, most: usize, what: &str) -> io::Result<()> {
        let more = all.saturating_sub(most);
        if more == 0 {
            return Ok(());
        }
        let more = count(more, &format!("more {what}"));
        writeln!(self.out, "  ... and {more} (--all, -o json)")
    }

    fn most(&self, most: usize) -> usize {
        if self.rendering.all { usize::MAX } else { most }
    }

    fn indented(&mut self, indent: usize, text: &str) -> io::Result<()> {
        let room = self.rendering.width.saturating_sub(indent + 2);
        let space = " ".repeat(indent);
        for (number, line) in wrap(text, room).lines().enumerate() {
            let hanging = if number > 0 { "  " } else { "" };
            writeln!(self.out, "{space}{hanging}{line}")?;
        }
        Ok(())
    }

    fn styled(&self, text: &str, style: Style) -> String {
        if self.color {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }
}

fn style(line: &Line) -> Style {
    let color = match (line.sign, line.widens, line.narrows) {
        (Sign::Uncertain, ..) => AnsiColor::Magenta,
        (_, true, false) => AnsiColor::Green,
        (_, false, true) => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    color.on_default().bold()
}

/// `warning[WT101] NetworkPolicy ... selects nothing   k8s/shop.yaml:94`
fn told(finding: &Finding, room: usize) -> String {
    let message = one_line(&finding.message);
    let message = format!("{}[{}] {message}", finding.severity, finding.rule);
    let mut told = wrap(&message, room);
    if let Some(place) = finding.locations.first().map(words::at_line) {
        let last = told.lines().last().unwrap_or_default().chars().count();
        let fits = last + place.chars().count() + 3 <= room;
        told.push_str(if fits { "   " } else { "\n" });
        told.push_str(&place);
    }
    told.replace('\n', "\n      ")
}
