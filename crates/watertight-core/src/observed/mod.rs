//! Recorded flows: what a log says who really talked to whom.
//!
//! [`read`] takes the text of Hubble, Calico, conntrack or a table, [`match_to`] finds the parties of
//! a world in it. Logs are longer than worlds: records that say the same are counted, not kept.
//!
//! INVARIANT: a line that cannot be read costs itself, and is a [`Problem`]; a record whose ends are
//! not in the world is in [`Matched::unknown`], never dropped and never guessed.

mod calico;
mod collect;
mod conntrack;
mod csv;
mod ends;
mod fields;
mod generated;
mod hubble;
mod json;
mod matching;

use std::net::{IpAddr, SocketAddr};

use crate::eval::Icmp;
use crate::manifest::WorkloadKind;
use crate::sets::Protocol;
use crate::source::{FileId, Sources, Span};

pub use matching::{Matched, Observed, Side, Unknown, match_to, names};

use collect::Collector;

/// No more problems than this are kept; the others are counted.
const MAX_PROBLEMS: usize = 100;

/// How flows are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `hubble observe -o json` or `-o jsonpb`.
    Hubble,
    /// Flow logs of Calico: of Enterprise and Cloud, of Whisker and of Goldmane.
    Calico,
    /// `conntrack -L`, or `/proc/net/nf_conntrack`.
    Conntrack,
    /// A table with a header: `from,to,protocol,port,count`.
    Csv,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Hubble, Self::Calico, Self::Conntrack, Self::Csv];

    /// The format as flags spell it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Hubble => "hubble",
            Self::Calico => "calico",
            Self::Conntrack => "conntrack",
            Self::Csv => "csv",
        }
    }

    /// The format of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }
}

/// Who an end is, as far as the log says it in one word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// The log does not say.
    #[default]
    Unsaid,
    /// A process on a node.
    Node,
    /// Somebody outside the cluster, with a public address.
    Public,
    /// Somebody outside the cluster, with a private address.
    Private,
}

/// One end of a recorded flow: whatever the log says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct End {
    /// In the spelling of the command line.
    pub spelled: Option<Box<str>>,
    /// The namespace.
    pub namespace: Option<Box<str>>,
    /// The name of the pod, or of pods: `web-7d9f-*`.
    pub pod: Option<Box<str>>,
    /// The kind, if it is known, and the name of the workload.
    pub workload: Option<(Option<WorkloadKind>, Box<str>)>,
    /// The labels that tell what kind of pod it is.
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// The address.
    pub ip: Option<IpAddr>,
    /// DNS names of the address.
    pub names: Vec<Box<str>>,
    /// The name of the node, for processes on one.
    pub node: Option<Box<str>>,
    /// Who it is.
    pub whose: Whose,
}

/// Where a flow was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reporter {
    /// The log does not say.
    #[default]
    Unsaid,
    /// Where it starts: it may have been refused behind that.
    Source,
    /// Where it ends.
    Destination,
}

/// Flows that the log says the same of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Who connected.
    pub from: End,
    /// To whom.
    pub to: End,
    /// The protocol.
    pub protocol: Protocol,
    /// The destination port as the destination saw it; none for ICMP.
    pub port: Option<u16>,
    /// The message, for ICMP.
    pub icmp: Option<Icmp>,
    /// What was dialled, where that was translated.
    pub dialled: Option<SocketAddr>,
    /// Where it was seen.
    pub reporter: Reporter,
    /// Whether the log says that it was dropped.
    pub refused: bool,
    /// How often; at least one.
    pub times: u64,
    /// The first line that says so.
    pub span: Span,
}

/// What cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place.
    pub span: Span,
    /// One sentence that says what was expected.
    pub message: String,
}

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// How it is written, if that is known.
    pub format: Option<Format>,
    /// The flows, in the order in which they were first seen.
    pub flows: Vec<Record>,
    /// Entries that are about something else than connections that came about: lost events, names
    /// that were looked up, attempts without an answer.
    pub passed_over: u64,
    /// What cannot be read, the first of it.
    pub problems: Vec<Problem>,
    /// The number of problems that are not in `problems`.
    pub more_problems: usize,
}

/// Reads the flows of a file; the format is guessed if none is given.
#[must_use]
pub fn read(sources: &Sources, file: FileId, format: Option<Format>) -> Recorded {
    let text = sources.file(file).text();
    let mut collector = Collector::new(file);
    let Some(format) = format.or_else(|| guess(file, text)) else {
        let message = if text.trim().is_empty() {
            "no flows here: the file is empty".to_owned()
        } else {
            "expected flows of Hubble or Calico in JSON, of `conntrack -L`, or a table with the \
             header `from,to,protocol,port`"
                .to_owned()
        };
        let start = text.len() - text.trim_start().len();
        let end = text.get(start..).and_then(|rest| rest.find('\n'));
        let end = end.map_or(text.len(), |length| start + length);
        collector.problem(Span::new(file, start, end), message);
        return collector.finish(None);
    };
    match format {
        Format::Hubble => json::read(file, text, &mut collector, hubble::decode),
        Format::Calico => json::read(file, text, &mut collector, calico::decode),
        Format::Conntrack => conntrack::read(text, &mut collector),
        Format::Csv => csv::read(text, &mut collector),
    }
    collector.finish(Some(format))
}

/// The format of a text, by its first lines.
fn guess(file: FileId, text: &str) -> Option<Format> {
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next()?;
    if first.starts_with(['{', '[']) {
        let mut found = None;
        json::sample(file, text, |node| {
            let calico = calico::is_flow(node);
            let format = if hubble::is_event(node) && !calico {
                Some(Format::Hubble)
            } else {
                calico.then_some(Format::Calico)
            };
            found = found.or(format);
            found.is_some()
        });
        return found;
    }
    let mut head = std::iter::once(first).chain(lines.take(9));
    if head.any(|line| line.contains("src=") && line.contains("dst=")) {
        return Some(Format::Conntrack);
    }
    csv::is_header(first).then_some(Format::Csv)
}

/// The lines of a text that are not blank, with their offsets, without white space around them.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let ends = memchr::memchr_iter(b'\n', text.as_bytes()).chain(std::iter::once(text.len()));
    let mut start = 0;
    ends.filter_map(move |end| {
        let from = std::mem::replace(&mut start, end + 1);
        let line = text.get(from..end)?;
        let trimmed = line.trim_start_matches('\u{feff}').trim_start();
        let at = from + (line.len() - trimmed.len());
        let trimmed = trimmed.trim_end();
        (!trimmed.is_empty()).then_some((at, trimmed))
    })
}

#[cfg(test)]
mod tests;
