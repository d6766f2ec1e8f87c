//! What the picture and the page share: colours, what is in a cell, and text that is nothing but text.

use std::io::{self, Write};

use watertight_core::report::ReachReport;

use super::view::{Party, View};
use super::words::{self, Openness};
use crate::output::one_line;

/// Colours by custom properties, for light and for dark surroundings; all texts have a contrast of 7
/// or more.
pub(in crate::output) const COLOURS: &str = "\
:root{--page:#ffffff;--ink:#1b1f24;--faint:#57606a;--line:#d0d7de;--rule:#8c959f;\
--open:#f6c1c1;--open-ink:#5a0a0a;--part:#d6e4fb;--part-ink:#0f2d5c;\
--uncertain:#fbeec2;--uncertain-ink:#4d3800;--closed:#f6f8fa}
@media (prefers-color-scheme:dark){:root{--page:#0d1117;--ink:#e6edf3;--faint:#9da7b3;\
--line:#30363d;--rule:#6e7681;--open:#6e1a1f;--open-ink:#ffe3e3;--part:#16345f;--part-ink:#dbeafe;\
--uncertain:#4a3a08;--uncertain-ink:#fdf1c9;--closed:#161b22}}
";

/// The beginning of a page, as far as its body. The title is escaped already.
pub(in crate::output) fn begin(title: &str, style: &str, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{COLOURS}{style}</style>\n</head>\n<body>"
    )
}

/// One cell of the matrix.
pub(super) struct Cell {
    pub(super) openness: Openness,
    /// A few characters.
    pub(super) text: String,
    /// `shop/web -> shop/db: 5432/tcp`
    pub(super) title: String,
}

/// A row or a column of the matrix; none is the world.
pub(super) type End = Option<usize>;

impl View<'_> {
    /// The cell of a pair.
    pub(super) fn cell(&self, from: End, to: End) -> Cell {
        let (openness, ports) = match (from, to) {
            (Some(from), Some(to)) => {
                let connection = self.cells.get(&(from, to));
                let ports = connection.map(|connection| words::connection(connection));
                (self.openness(from, to), ports)
            }
            (Some(unit), None) | (None, Some(unit)) => {
                let side = if to.is_none() {
                    &self.egress
                } else {
                    &self.ingress
                };
                let world = side.get(&unit);
                let openness = world.map_or(Openness::Closed, |world| world.openness);
                (openness, world.map(|world| world.text.clone()))
            }
            (None, None) => (Openness::Closed, None),
        };
        let no_pair = match (from, to) {
            (Some(from), Some(to)) => self.is_no_pair(from, to),
            (None, None) => true,
            _ => false,
        };
        let name = |end: End| end.map_or("world", |number| self.short(number)).to_owned();
        let told = match (&ports, no_pair) {
            (Some(ports), _) => ports.as_str(),
            (None, true) => "not asked",
            (None, false) => "nothing",
        };
        let world = from.is_none() || to.is_none();
        let text = match openness {
            Openness::Closed if no_pair => "\u{2013}".to_owned(),
            Openness::Closed => String::new(),
            Openness::Open => "all".to_owned(),
            Openness::Uncertain if world => "?".to_owned(),
            Openness::Part if world => "part".to_owned(),
            _ => brief(told),
        };
        Cell {
            openness,
            text,
            title: one_line(&format!("{} \u{2192} {}: {told}", name(from), name(to))),
        }
    }

    /// Rows or columns with the world behind them, unless nothing is to be said of it.
    pub(super) fn ends(&self, units: &[usize], world: bool) -> Vec<End> {
        let ends = units.iter().copied().map(Some);
        ends.chain(world.then_some(None)).collect()
    }

    /// Ends that follow each other in one namespace.
    pub(super) fn by_namespace<'e>(&self, ends: &'e [End]) -> Vec<(&str, &'e [End])> {
        let namespace = |end: &End| {
            end.and_then(|number| self.party(number))
                .map_or("", |p| p.namespace)
        };
        let groups =
            ends.chunk_by(|a, b| namespace(a) == namespace(b) && a.is_some() == b.is_some());
        groups
            .filter_map(|group| Some((namespace(group.first()?), group)))
            .collect()
    }

    /// What a row or a column is called inside of its namespace.
    pub(super) fn label(&self, end: End) -> String {
        match end {
            None => "world".to_owned(),
            Some(number) => self
                .party(number)
                .map_or(String::new(), |party| one_line(&party.local)),
        }
    }

    /// What no policy restricts, behind a name.
    pub(super) fn remark(&self, end: End, egress: bool) -> &'static str {
        let party = end.and_then(|number| self.party(number));
        let word = |party: &Party<'_>| match egress {
            true => party.unit.egress.clone(),
            false => party.unit.ingress.clone(),
        };
        match (party.map(word).as_deref(), egress) {
            (Some("open"), true) => "no policy restricts whom it connects to",
            (Some("open"), false) => "no policy restricts who connects to it",
            _ => "",
        }
    }
}

/// The first ports, and how many more there are: `8080 +1`.
fn brief(told: &str) -> String {
    let v4 = told.split(';').next().unwrap_or(told);
    let mut parts: Vec<String> = Vec::new();
    for part in v4.split(", ") {
        // The number says enough where there is no room.
        let number = part.split('/').next().unwrap_or(part);
        let mark: String = part.chars().filter(|c| matches!(c, '*' | '?')).collect();
        let part = format!("{}{mark}", number.trim_end_matches(['*', '?']));
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    let more = parts.len().saturating_sub(1);
    let first = parts.first().map_or("", String::as_str);
    match more {
        0 => words::short(first, 9),
        more => format!("{} +{more}", words::short(first, 6)),
    }
}

/// What was asked, as a heading.
pub(super) fn heading(report: &ReachReport) -> String {
    let query = &report.query;
    let mut heading = match (&query.from, &query.to) {
        (None, None) => "Who can reach whom".to_owned(),
        (Some(from), None) => format!("What {from} can reach"),
        (None, Some(to)) => format!("Who can reach {to}"),
        (Some(from), Some(to)) => format!("What of {to} can be reached from {from}"),
    };
    if !query.ports.is_empty() {
        heading += &format!(" on {}", query.ports.join(", "));
    }
    one_line(&heading)
}

/// Text for HTML and SVG, attributes included.
pub(in crate::output) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML knows no control characters but these.
            c if c.is_control() && !matches!(c, '\n' | '\t') => escaped.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}
