//! The table of namespaces: the four questions of a default deny, in kubectl's columns.
//!
//! INVARIANT: words carry the meaning, colour only repeats it; a row never hides a problem.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::{Answer, Namespace};

use super::{Rendering, one_line, wrap};

/// Longer tables show only the namespaces with something to look at.
const MAX_ROWS: usize = 60;

const HEADER: [&str; 6] = [
    "NAMESPACE",
    "POLICIES",
    "ENFORCED",
    "ISOLATED",
    "DNS",
    "CLOSED",
];

/// What a cell means to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Good,
    Doubtful,
    Bad,
    Neutral,
}

struct Cell {
    word: String,
    /// Printed behind the word, without colour.
    rest: String,
    mood: Mood,
}

impl Cell {
    fn plain(text: String) -> Self {
        Self {
            word: text,
            rest: String::new(),
            mood: Mood::Neutral,
        }
    }

    fn width(&self) -> usize {
        self.word.chars().count() + self.rest.chars().count()
    }
}

/// Writes the table; nothing if there are no namespaces.
pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    let namespaces = &rendering.report.namespaces;
    if namespaces.is_empty() {
        return Ok(());
    }
    let (shown, fine) = select(namespaces);
    let rows: Vec<_> = shown.iter().take(MAX_ROWS).map(|row| cells(row)).collect();
    let widths = widths(&rows);
    let last = HEADER.len() - 1;
    for (column, (title, width)) in HEADER.iter().zip(widths).enumerate() {
        let width = if column == last { 0 } else { width + 3 };
        write!(out, "{title:width$}")?;
    }
    writeln!(out)?;
    for row in &rows {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let style = if rendering.color {
                style(cell.mood)
            } else {
                Style::new()
            };
            write!(out, "{style}{}{style:#}{}", cell.word, cell.rest)?;
            if column != last {
                let gap = width + 3 - cell.width();
                write!(out, "{:gap$}", "")?;
            }
        }
        writeln!(out)?;
    }
    let hidden = shown.len().saturating_sub(MAX_ROWS);
    if hidden > 0 {
        writeln!(
            out,
            "... and {hidden} more namespaces like these (-o json lists all)"
        )?;
    }
    if fine > 0 {
        let (noun, verb) = if fine == 1 {
            ("namespace", "is")
        } else {
            ("namespaces", "are")
        };
        writeln!(
            out,
            "{fine} more {noun} {verb} fine: isolated both ways, DNS alive, sensitive addresses closed"
        )?;
    }
    legend(&shown, rendering.width, out)
}

/// The rows to show and the number of those left out because nothing is wrong with them.
fn select(namespaces: &[Namespace]) -> (Vec<&Namespace>, usize) {
    if namespaces.len() <= MAX_ROWS {
        return (namespaces.iter().collect(), 0);
    }
    let mut shown: Vec<_> = namespaces.iter().filter(|row| !is_fine(row)).collect();
    // Where somebody wrote policies, a hole is a surprise.
    shown.sort_by_key(|row| row.policies == 0);
    let fine = namespaces.len() - shown.len();
    (shown, fine)
}

/// Whether nothing in a row needs a look. Enforcement is the same for all rows.
fn is_fine(row: &Namespace) -> bool {
    let fine = |answer: &Answer, good: &str| answer.word == good || answer.word == "-";
    fine(&row.isolated, "both") && fine(&row.dns, "alive") && fine(&row.closed, "closed")
}

fn cells(row: &Namespace) -> [Cell; 6] {
    let enforced = Cell {
        word: row.enforced.word.clone(),
        rest: String::new(),
        mood: match row.enforced.word.as_str() {
            "yes" => Mood::Good,
            "no" => Mood::Bad,
            _ => Mood::Doubtful,
        },
    };
    // For one direction, the pods that are isolated in both would always be none.
    let isolated = match row.isolated.word.as_str() {
        "ingress" => (row.ingress.of, row.ingress.total),
        "egress" => (row.egress.of, row.egress.total),
        _ => (row.isolated.of, row.isolated.total),
    };
    let mut isolated = cell(&row.isolated.word, Some(isolated), "both", "none");
    if row.host_network_pods > 0 {
        isolated
            .rest
            .push_str(&format!(" +{} host", row.host_network_pods));
    }
    let dns = (row.dns.word != "udp-only").then_some((row.dns.of, row.dns.total));
    [
        Cell::plain(one_line(&row.name)),
        Cell::plain(row.policies.to_string()),
        enforced,
        isolated,
        cell(&row.dns.word, dns, "alive", "dead"),
        cell(
            &row.closed.word,
            Some((row.closed.of, row.closed.total)),
            "closed",
            "open",
        ),
    ]
}

fn cell(word: &str, share: Option<(usize, usize)>, good: &str, bad: &str) -> Cell {
    let mood = match word {
        "-" => Mood::Neutral,
        word if word == good => Mood::Good,
        word if word == bad => Mood::Bad,
        _ => Mood::Doubtful,
    };
    let rest = match share {
        Some((of, total)) if word != "-" => format!(" {of}/{total}"),
        _ => String::new(),
    };
    Cell {
        word: word.into(),
        rest,
        mood,
    }
}

fn widths(rows: &[[Cell; 6]]) -> [usize; 6] {
    let mut widths = HEADER.map(|title| title.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    widths
}

fn style(mood: Mood) -> Style {
    match mood {
        Mood::Good => AnsiColor::Green.on_default(),
        Mood::Doubtful => AnsiColor::Yellow.on_default(),
        Mood::Bad => AnsiColor::Red.on_default().bold(),
        Mood::Neutral => Style::new(),
    }
}

/// Explains the counts and those words of the table that do not explain themselves.
fn legend(shown: &[&Namespace], width: usize, out: &mut dyn Write) -> io::Result<()> {
    let any = |found: fn(&Namespace) -> bool| shown.iter().any(|row| found(row));
    let counts = "ISOLATED: pods that policies isolate; DNS: pods that can resolve names; CLOSED: \
                  pods that reach no metadata service";
    writeln!(out, "{}", wrap(counts, width.max(40)))?;
    let lines = [
        (
            any(|row| row.enforced.word == "unknown"),
            "unknown: name the cluster's network engine with --engine",
        ),
        (
            any(|row| row.enforced.word == "opt-in"),
            "opt-in: the engine enforces policies only where that is switched on",
        ),
        (
            any(|row| row.enforced.word == "window"),
            "window: a new pod can connect for a moment before its policies apply",
        ),
        (
            any(|row| row.host_network_pods > 0),
            "+N host: pods on the host network, which policies do not isolate",
        ),
        (
            any(|row| row.dns.word == "udp-only"),
            "udp-only: names resolve over UDP, long answers over TCP fail",
        ),
        (
            any(|row| row.closed.word == "api-only"),
            "api-only: metadata services are closed, the API server is open to some pod",
        ),
    ];
    for (_, line) in lines.iter().filter(|(holds, _)| *holds) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use watertight_core::report::{CheckReport, Share};

    use super::super::Format;
    use super::super::testing::Sample;
    use super::*;

    const WORDS: [&str; 4] = ["yes", "both", "alive", "closed"];

    fn row(name: &str, words: [&str; 4], of: usize, total: usize) -> Namespace {
        let [enforced, isolated, dns, closed] = words;
        let answer = |word: &str| Answer {
            word: word.into(),
            of,
            total,
        };
        let share = Share { of, total };
        Namespace {
            name: name.into(),
            policies: 2,
            workloads: total,
            pods: total,
            host_network_pods: 0,
            enforced: answer(enforced),
            isolated: answer(isolated),
            ingress: share,
            egress: share,
            dns: answer(dns),
            closed: answer(closed),
            api_closed: None,
        }
    }

    fn print(namespaces: Vec<Namespace>, color: bool) -> String {
        let sample = Sample::read(&[]);
        let report = CheckReport {
            namespaces,
            ..sample.report()
        };
        let rendering = Rendering {
            report: &report,
            findings: std::cell::OnceCell::new(),
            checked: &sample.checked,
            sources: &sample.sources,
            color,
            width: 100,
            show_suppressed: false,
            quiet: false,
        };
        let mut out = Vec::new();
        render(&rendering, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_word_of_the_table() {
        let mut hosts = row("monitoring", ["yes", "partly", "mixed", "api-only"], 2, 4);
        hosts.host_network_pods = 3;
        let mut empty = row("empty", ["yes", "-", "-", "-"], 0, 0);
        empty.policies = 0;
        let rows = vec![
            row("payments", WORDS, 4, 4),
            row("shop", ["window", "egress", "udp-only", "open"], 0, 12),
            row("web", ["opt-in", "none", "dead", "mixed"], 0, 1),
            hosts,
            empty,
        ];
        expect![[r#"
            NAMESPACE    POLICIES   ENFORCED   ISOLATED             DNS         CLOSED
            payments     2          yes        both 4/4             alive 4/4   closed 4/4
            shop         2          window     egress 0/12          udp-only    open 0/12
            web          2          opt-in     none 0/1             dead 0/1    mixed 0/1
            monitoring   2          yes        partly 2/4 +3 host   mixed 2/4   api-only 2/4
            empty        0          yes        -                    -           -
            ISOLATED: pods that policies isolate; DNS: pods that can resolve names; CLOSED: pods that reach no
            metadata service
            opt-in: the engine enforces policies only where that is switched on
            window: a new pod can connect for a moment before its policies apply
            +N host: pods on the host network, which policies do not isolate
            udp-only: names resolve over UDP, long answers over TCP fail
            api-only: metadata services are closed, the API server is open to some pod
        "#]].assert_eq(&print(rows, false));
    }

    #[test]
    fn colours_are_on_the_words() {
        let rows = vec![row("web", ["no", "none", "mixed", "closed"], 0, 1)];
        let text = print(rows, true);
        let row = text.lines().nth(1).unwrap().replace('\u{1b}', "ESC");
        expect!["web         2          ESC[1mESC[31mnoESC[0m         ESC[1mESC[31mnoneESC[0m 0/1   ESC[33mmixedESC[0m 0/1   ESC[32mclosedESC[0m 0/1"].assert_eq(&row);
    }

    #[test]
    fn a_long_table_shows_what_needs_a_look() {
        let mut rows: Vec<_> = (0..70)
            .map(|n| row(&format!("fine-{n}"), WORDS, 1, 1))
            .collect();
        rows.insert(40, row("hole", ["yes", "both", "dead", "closed"], 0, 1));
        let mut without = row("bare", ["yes", "none", "alive", "open"], 0, 1);
        without.policies = 0;
        rows.insert(10, without);
        expect![[r#"
            NAMESPACE   POLICIES   ENFORCED   ISOLATED   DNS         CLOSED
            hole        2          yes        both 0/1   dead 0/1    closed 0/1
            bare        0          yes        none 0/1   alive 0/1   open 0/1
            70 more namespaces are fine: isolated both ways, DNS alive, sensitive addresses closed
            ISOLATED: pods that policies isolate; DNS: pods that can resolve names; CLOSED: pods that reach no
            metadata service
        "#]].assert_eq(&print(rows, false));
    }

    #[test]
    fn a_table_with_very_many_problems_is_cut_and_says_so() {
        let bad = ["yes", "none", "dead", "open"];
        let rows = (0..65).map(|n| row(&format!("n{n}"), bad, 0, 1)).collect();
        let text = print(rows, false);
        assert!(text.contains("\nn59 ") && !text.contains("\nn60 "));
        assert!(text.contains("\n... and 5 more namespaces like these (-o json lists all)\n"));
    }

    #[test]
    fn a_short_table_shows_all_and_an_empty_one_nothing() {
        let rows = (0..60)
            .map(|n| row(&format!("n{n}"), WORDS, 1, 1))
            .collect();
        assert!(print(rows, false).contains("\nn59 "));
        assert_eq!(print(Vec::new(), false), "");
        assert!(!Sample::read(&[]).print(Format::Text).contains("NAMESPACE"));
    }
}
