//! The formats of `explain`. Both print the report and nothing else.

mod trace;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::ExplainReport;
use watertight_core::report::explain::{Answer, Case, Location, Row, condition_words};
use watertight_core::rules::count;

use super::{harmless, one_line};

/// More cases than this are counted, not shown.
const MOST_CASES: usize = 8;

/// Everything that the text format needs.
#[derive(Debug)]
pub(crate) struct Rendering<'a> {
    /// The answers.
    pub(crate) report: &'a ExplainReport,
    /// Whether to use colour.
    pub(crate) color: bool,
    /// The columns to stay within where that is possible.
    pub(crate) width: usize,
    /// Whether to show every step and every assumption.
    pub(crate) verbose: bool,
}

/// `-o json`
pub(crate) fn json(report: &ExplainReport, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// `-o text`: one block an answer, which ends with a sentence.
pub(crate) fn text(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    let answers = rendering.report.answers.iter();
    let answered = answers.filter(|answer| answer.error.is_none());
    for (number, answer) in answered.enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        rendering.answer(answer, out)?;
    }
    if rendering.verbose {
        for assumption in &rendering.report.assumptions {
            writeln!(out, "assumed: {} ({})", assumption.text, assumption.id)?;
        }
    }
    Ok(())
}

impl Rendering<'_> {
    fn answer(&self, answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
        let flow = one_line(&answer.flow);
        let verdict = answer.verdict.as_deref().unwrap_or_default();
        let at = match answer.at.as_str() {
            "" => String::new(),
            at => format!(" {}", one_line(at)),
        };
        let carrying = match (answer.conditions.as_slice(), answer.verdict.as_deref()) {
            ([], _) | (_, Some("partial")) => String::new(),
            (conditions, _) => format!(", {}", one_line(&condition_words(conditions))),
        };
        writeln!(out, "{flow}   {}{at}{carrying}", self.verdict(verdict, 0))?;
        let single = answer.cases.len() == 1;
        let total: usize = answer.cases.iter().map(|case| case.pairs).sum();
        for case in answer.cases.iter().take(MOST_CASES) {
            if !single {
                self.case_title(case, total, out)?;
            }
            self.case(case, single, out)?;
        }
        let hidden = answer.cases.len().saturating_sub(MOST_CASES);
        if hidden > 0 {
            let kinds = count(hidden, "more kind");
            writeln!(out, "  ... and {kinds} of pairs (-o json has all)")?;
        }
        for note in &answer.notes {
            writeln!(
                out,
                "{} {}",
                self.styled(Mood::Note, "note:"),
                one_line(note)
            )?;
        }
        writeln!(out, "{}", one_line(&answer.summary))?;
        self.help(answer, out)
    }

    /// `  shop/web -> shop/db   DENIED at ingress of shop/db   (3 of 9 pairs)`
    fn case_title(&self, case: &Case, total: usize, out: &mut dyn Write) -> io::Result<()> {
        let verdict = case_verdict(case);
        let such = if case.pairs > 1 {
            ", such as this one"
        } else {
            ""
        };
        let at = match case.rows.as_slice() {
            [row] if !row.at.is_empty() => format!(" {}", one_line(&row.at)),
            _ => String::new(),
        };
        writeln!(
            out,
            "  {} -> {}   {}{at}   ({} of {total} pairs{such})",
            one_line(&case.from.name),
            one_line(&case.to.name),
            self.verdict(verdict, 0),
            case.pairs
        )
    }

    fn case(&self, case: &Case, single: bool, out: &mut dyn Write) -> io::Result<()> {
        let indent = if single { "  " } else { "    " };
        match case.rows.as_slice() {
            [row] => self.row(row, indent, out),
            rows => {
                self.table(rows, indent, out)?;
                if self.verbose {
                    for row in rows {
                        writeln!(out, "{indent}{}", one_line(&row.name))?;
                        self.row(row, &format!("{indent}  "), out)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// One line for each row: what, the verdict, what decides, and where.
    fn table(&self, rows: &[Row], indent: &str, out: &mut dyn Write) -> io::Result<()> {
        let names: Vec<_> = rows.iter().map(|row| one_line(&row.name)).collect();
        let name = names.iter().map(|name| name.chars().count()).max();
        let name = name.unwrap_or_default().min(60);
        let verdict = rows.iter().map(|row| upper(&row.verdict).len()).max();
        let told: Vec<_> = rows
            .iter()
            .map(|row| {
                let why = match &row.uncertain {
                    Some(open) => format!("{} ({})", open.text, open.id),
                    None => row.because.clone(),
                };
                one_line(&why)
            })
            .collect();
        let places: Vec<_> = rows.iter().map(|row| row.by.as_ref().map(place)).collect();
        let before = indent.len() + name + 3 + verdict.unwrap_or_default() + 3;
        let room = trace::room(self.width, before, &told, &places);
        for (((row, shown), told), place) in rows.iter().zip(&names).zip(&told).zip(&places) {
            let gap = name.saturating_sub(shown.chars().count());
            let word = self.verdict(&row.verdict, verdict.unwrap_or_default());
            write!(out, "{indent}{shown}{:gap$}   {word}   {told}", "")?;
            if let Some(place) = place {
                let gap = room.saturating_sub(told.chars().count());
                write!(out, "{:gap$}   {}", "", self.styled(Mood::Place, place))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    /// What to do, once for each proposal.
    fn help(&self, answer: &Answer, out: &mut dyn Write) -> io::Result<()> {
        let rows = || {
            answer
                .cases
                .iter()
                .take(MOST_CASES)
                .flat_map(|case| &case.rows)
        };
        // Where ports were asked about that nobody needs, there is nothing to be done.
        let wanted = answer.cases.iter().all(|case| case.rows.len() == 1);
        if !wanted {
            return Ok(());
        }
        let mut told: Vec<String> = Vec::new();
        for help in rows().flat_map(|row| &row.help) {
            let at = help.location.as_ref();
            let at = at.map_or(String::new(), |at| format!(" ({})", place(at)));
            let line = format!("{}{at}", one_line(&help.text));
            if !told.contains(&line) {
                told.push(line);
            }
        }
        for line in told {
            writeln!(out, "{} {line}", self.styled(Mood::Help, "help:"))?;
        }
        Ok(())
    }

    /// `ALLOWED` and the like, filled up to a width.
    fn verdict(&self, word: &str, width: usize) -> String {
        let mood = match word {
            "allow" => Mood::Good,
            "deny" => Mood::Bad,
            _ => Mood::Doubtful,
        };
        let shown = upper(word);
        let gap = width.saturating_sub(shown.len());
        format!("{}{:gap$}", self.styled(mood, shown), "")
    }

    fn styled(&self, mood: Mood, text: &str) -> String {
        let text = harmless(text);
        if !self.color {
            return text.into_owned();
        }
        let style = mood.style();
        format!("{style}{text}{style:#}")
    }
}

/// What a word means to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Good,
    Bad,
    Doubtful,
    Note,
    Help,
    Place,
}

impl Mood {
    fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default().bold(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Doubtful => AnsiColor::Yellow.on_default().bold(),
            Self::Note | Self::Help => AnsiColor::Cyan.on_default().bold(),
            Self::Place => AnsiColor::Blue.on_default(),
        }
    }
}

fn upper(verdict: &str) -> &'static str {
    match verdict {
        "allow" => "ALLOWED",
        "deny" => "DENIED",
        "uncertain" => "UNCERTAIN",
        _ => "PARTIAL",
    }
}

fn case_verdict(case: &Case) -> &str {
    let mut verdicts = case.rows.iter().map(|row| row.verdict.as_str());
    let first = verdicts.next().unwrap_or("partial");
    if verdicts.all(|other| other == first) {
        first
    } else {
        "partial"
    }
}

/// Whole dumps are often one line: a line alone would then tell nothing.
const LONG_LINE: u32 = 250;

/// `netpol.yaml:31`
fn place(at: &Location) -> String {
    let (path, line, column) = (one_line(&at.path), at.line, at.column);
    if column > LONG_LINE {
        format!("{path}:{line}:{column}")
    } else {
        format!("{path}:{line}")
    }
}
