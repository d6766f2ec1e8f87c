//! From a finished check to what is printed: one module for each format.
//!
//! Formats read the report for what is said and the check for places, and write to a given writer.
//! INVARIANT: a format depends on nothing but its [`Rendering`], so that the same input makes the
//! same bytes; text from manifests is made harmless before it reaches a terminal.

pub(crate) mod baseline;
mod concise;
pub(crate) mod diagnose;
pub(crate) mod diff;
pub(crate) mod explain;
mod github;
mod json;
mod junit;
pub(crate) mod lab;
pub(crate) mod minimize;
pub(crate) mod reach;
mod sarif;
#[cfg(feature = "live")]
pub(crate) mod snapshot;
mod table;
pub(crate) mod test;
#[cfg(test)]
mod testing;
mod text;
#[cfg(feature = "live")]
pub(crate) mod verify;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::io::{self, Write};

use watertight_core::check::Checked;
use watertight_core::report::{self, CheckReport, NoFindings};
use watertight_core::source::Sources;

/// Everything that a format needs.
#[derive(Debug)]
pub(crate) struct Rendering<'a> {
    /// What the JSON contract says, but for the findings.
    pub(crate) report: &'a CheckReport<NoFindings>,
    /// The findings as the JSON contract says them, once a format asks for all of them.
    pub(crate) findings: OnceCell<Vec<report::Finding>>,
    /// What was found, with spans; its findings are those of the report, in the same order.
    pub(crate) checked: &'a Checked,
    /// The files.
    pub(crate) sources: &'a Sources,
    /// Whether to use colour.
    pub(crate) color: bool,
    /// The columns to wrap text at.
    pub(crate) width: usize,
    /// Whether to list what is suppressed.
    pub(crate) show_suppressed: bool,
    /// Whether to leave out everything but the answer.
    pub(crate) quiet: bool,
}

impl Rendering<'_> {
    /// All findings as the JSON contract says them.
    fn findings(&self) -> &[report::Finding] {
        self.findings.get_or_init(|| {
            let found = self.checked.findings.iter();
            found
                .map(|found| report::finding(self.sources, found))
                .collect()
        })
    }
}

/// How to print the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people: excerpts, evidence and a table of namespaces
    Text,
    /// One line a finding
    Concise,
    /// For programs; `watertight schema check` describes it
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// JUnit XML, for test reports of CI systems
    Junit,
    /// Workflow commands of GitHub Actions, which annotate files
    Github,
}

impl Format {
    /// Writes the report.
    pub(crate) fn render(self, rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Text => text::render(rendering, out),
            Self::Concise => concise::render(rendering, out),
            Self::Json => json::render(rendering, out),
            Self::Sarif => sarif::render(rendering, out),
            Self::Junit => junit::render(rendering, out),
            Self::Github => github::render(rendering, out),
        }
    }
}

/// `shop/web -> ip:[fd00:ec2::254]:80/tcp`
fn connection(evidence: &report::Evidence) -> String {
    let to = match evidence.to.strip_prefix("ip:") {
        Some(ip) if ip.contains(':') && evidence.port.is_some() => format!("ip:[{ip}]"),
        _ => evidence.to.clone(),
    };
    let port = evidence
        .port
        .map_or(String::new(), |port| format!(":{port}"));
    format!("{} -> {to}{port}/{}", evidence.from, evidence.protocol)
}

/// `ALLOWED` or `DENIED`.
fn verdict(evidence: &report::Evidence) -> &'static str {
    if evidence.verdict == "allow" {
        "ALLOWED"
    } else {
        "DENIED"
    }
}

/// What decides a connection, with the line that does.
fn because(evidence: &report::Evidence) -> String {
    match &evidence.by {
        Some(by) => format!("{} ({}:{})", evidence.because, by.path, by.line),
        None => evidence.because.clone(),
    }
}

/// `path:line:column`, or `-` for a finding that nothing in the files causes.
fn place(finding: &report::Finding) -> String {
    match finding.locations.first() {
        Some(at) => format!("{}:{}:{}", at.path, at.line, at.column),
        None => "-".into(),
    }
}

/// Text that can neither move the cursor, nor change colours, nor turn the reading direction:
/// names and values of manifests come from strangers. Tabs and line ends stay.
fn harmless(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| replacement(c).is_some()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| replacement(c).unwrap_or(c)).collect())
}

fn replacement(c: char) -> Option<char> {
    match c {
        '\t' | '\n' | '\r' => None,
        // Each has a visible picture.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)),
        '\u{7f}' => Some('\u{2421}'),
        '\u{80}'..='\u{9f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => Some(char::REPLACEMENT_CHARACTER),
        _ => None,
    }
}

/// Harmless text without line ends.
pub(crate) fn one_line(text: &str) -> String {
    let harmless = harmless(text);
    let mut words = harmless
        .split(['\n', '\r', '\t'])
        .filter(|part| !part.is_empty());
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut line, part| {
        line.push(' ');
        line.push_str(part);
        line
    })
}

/// At most `limit` characters; an ellipsis says that there were more.
fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let kept: String = text.chars().take(limit.saturating_sub(3)).collect();
            Cow::Owned(format!("{kept}..."))
        }
    }
}

/// Breaks lines at blanks; a word that is longer than a line stays whole.
pub(crate) fn wrap(text: &str, room: usize) -> String {
    let mut wrapped = String::with_capacity(text.len());
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            wrapped.push('\n');
        }
        let mut column = 0;
        for (number, word) in line.split(' ').enumerate() {
            let width = word.chars().count();
            if column > 0 && column + 1 + width > room {
                wrapped.push('\n');
                column = 0;
            } else if number > 0 {
                wrapped.push(' ');
                column += 1;
            }
            wrapped.push_str(word);
            column += width;
        }
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_become_visible() {
        assert_eq!(harmless("plain é\ttext\n"), "plain é\ttext\n");
        assert_eq!(harmless("a\u{1b}[31mb"), "a␛[31mb");
        assert_eq!(
            harmless("\u{9b}31m \u{202e}x\u{7f}"),
            "\u{fffd}31m \u{fffd}x␡"
        );
        assert_eq!(one_line("two\r\nlines\tand \u{1b}"), "two lines and ␛");
    }

    #[test]
    fn long_text_is_shortened_between_characters() {
        assert_eq!(shortened("ééééé", 5), "ééééé");
        assert_eq!(shortened("éééééé", 5), "éé...");
    }

    #[test]
    fn text_is_wrapped_between_words() {
        assert_eq!(wrap("aa bb cc dd", 5), "aa bb\ncc dd");
        assert_eq!(wrap("aa bbbbbbbb c", 5), "aa\nbbbbbbbb\nc");
        assert_eq!(wrap("one\n  two", 40), "one\n  two");
        assert_eq!(wrap("", 40), "");
    }
}
