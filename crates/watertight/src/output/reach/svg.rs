//! `-o svg`: the matrix as a picture that needs nothing else: no script, no font, no colour scheme of
//! its reader.

use std::io::{self, Write};

use super::page::{COLOURS, End, escaped, heading};
use super::table::footnotes;
use super::view::View;
use super::words::{self, Openness};

/// The size of a cell.
const WIDE: usize = 58;
const HIGH: usize = 24;
/// The room that a character takes, in tenths.
const CHARACTER: usize = 66;
const MARGIN: usize = 24;
const STYLE: &str = "\
text{font:11px system-ui,-apple-system,'Segoe UI',sans-serif;fill:var(--ink)}
.h{font-size:18px;font-weight:600}.n{font-weight:600}.f{fill:var(--faint)}.c{text-anchor:middle;font-size:10px}
rect{stroke:var(--page)}.page{fill:var(--page)}
.open{fill:var(--open)}.part{fill:var(--part)}.uncertain{fill:var(--uncertain);stroke:var(--uncertain-ink);stroke-dasharray:3 2}.denied{fill:var(--closed)}
.t-open{fill:var(--open-ink)}.t-part{fill:var(--part-ink)}.t-uncertain{fill:var(--uncertain-ink)}
line{stroke:var(--rule)}
";

pub(super) fn render(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let rows = view.ends(&view.sources, !view.ingress.is_empty());
    let columns = view.ends(&view.targets, !view.egress.is_empty());
    let wide = |text: &str| text.chars().count() * CHARACTER / 10;
    let widest = |ends: &[End]| {
        let widths = ends.iter().map(|end| wide(&view.label(*end)));
        widths.max().unwrap_or(0)
    };
    let namespace = view
        .by_namespace(&rows)
        .iter()
        .map(|(name, _)| wide(name))
        .max();
    let gutter = namespace
        .filter(|wide| *wide > 0)
        .map_or(0, |wide| wide + 16);
    let left = MARGIN + gutter + widest(&rows) + 12;
    let slope = widest(&columns) * 71 / 100 + 24;
    let top = 84 + slope;
    let notes = notes(view);
    let width = left + columns.len() * WIDE + slope.max(MARGIN);
    let width = width.max(560);
    let height = top + rows.len() * HIGH + 52 + notes.len() * 18 + MARGIN;
    let title = heading(view.report);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         width=\"{width}\" height=\"{height}\" role=\"img\" aria-labelledby=\"t\">"
    )?;
    writeln!(out, "<title id=\"t\">{}</title>", escaped(&title))?;
    writeln!(out, "<style>\n{COLOURS}{STYLE}</style>")?;
    writeln!(
        out,
        "<rect class=\"page\" width=\"{width}\" height=\"{height}\"/>"
    )?;
    writeln!(
        out,
        "<text class=\"h\" x=\"{MARGIN}\" y=\"40\">{}</text>",
        escaped(&title)
    )?;
    let note = format!(
        "Rows connect to columns; engine: {}",
        view.report.engine.name
    );
    writeln!(
        out,
        "<text class=\"f\" x=\"{MARGIN}\" y=\"60\">{}</text>",
        escaped(&note)
    )?;
    head(view, &columns, (left, top), out)?;
    side(view, &rows, (left, top), out)?;
    for (y, from) in rows.iter().enumerate() {
        for (x, to) in columns.iter().enumerate() {
            let cell = view.cell(*from, *to);
            let (x, y) = (left + x * WIDE, top + y * HIGH);
            let class = cell.openness.word();
            let (wide, high) = (WIDE - 1, HIGH - 1);
            write!(
                out,
                "<g><title>{}</title><rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{wide}\" height=\"{high}\" rx=\"3\"/>",
                escaped(&cell.title)
            )?;
            if !cell.text.is_empty() {
                let (x, y) = (x + WIDE / 2, y + 16);
                let text = escaped(&cell.text);
                write!(
                    out,
                    "<text class=\"c t-{class}\" x=\"{x}\" y=\"{y}\">{text}</text>"
                )?;
            }
            writeln!(out, "</g>")?;
        }
    }
    let below = top + rows.len() * HIGH + 28;
    legend(below, out)?;
    for (number, line) in notes.iter().enumerate() {
        let y = below + 34 + number * 18;
        writeln!(
            out,
            "<text class=\"f\" x=\"{MARGIN}\" y=\"{y}\">{}</text>",
            escaped(line)
        )?;
    }
    writeln!(out, "</svg>")
}

/// The names of the columns, sloping, with lines between namespaces.
fn head(
    view: &View<'_>,
    columns: &[End],
    (left, top): (usize, usize),
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut x = left;
    for (namespace, group) in view.by_namespace(columns) {
        for (number, end) in group.iter().enumerate() {
            let at = x + number * WIDE + WIDE / 2;
            let y = top - 8;
            let label = match namespace {
                "" => escaped(&view.label(*end)),
                // The namespace is said once, in front of its first column.
                _ if number > 0 => escaped(&view.label(*end)),
                _ => format!(
                    "<tspan class=\"n\">{}</tspan> {}",
                    escaped(&words::short(namespace, 24)),
                    escaped(&view.label(*end))
                ),
            };
            writeln!(
                out,
                "<text transform=\"translate({at} {y}) rotate(-45)\">{label}</text>"
            )?;
        }
        x += group.len() * WIDE;
    }
    Ok(())
}

/// The names of the rows, with lines between namespaces.
fn side(
    view: &View<'_>,
    rows: &[End],
    (left, top): (usize, usize),
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut y = top;
    for (namespace, group) in view.by_namespace(rows) {
        if y > top {
            let at = y.saturating_sub(1);
            writeln!(
                out,
                "<line x1=\"{MARGIN}\" y1=\"{at}\" x2=\"{left}\" y2=\"{at}\"/>"
            )?;
        }
        if !namespace.is_empty() {
            let at = y + 16;
            let name = escaped(namespace);
            writeln!(
                out,
                "<text class=\"n\" x=\"{MARGIN}\" y=\"{at}\">{name}</text>"
            )?;
        }
        for (number, end) in group.iter().enumerate() {
            let (x, y) = (left - 8, y + number * HIGH + 16);
            let label = escaped(&view.label(*end));
            writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\">{label}</text>"
            )?;
        }
        y += group.len() * HIGH;
    }
    Ok(())
}

fn legend(y: usize, out: &mut dyn Write) -> io::Result<()> {
    let mut x = MARGIN;
    for (openness, text) in LEGEND {
        let class = openness.word();
        let (above, behind) = (y - 11, x + 20);
        writeln!(
            out,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{above}\" width=\"14\" height=\"14\" rx=\"3\"/>\
             <text x=\"{behind}\" y=\"{y}\">{text}</text>"
        )?;
        x += 36 + text.chars().count() * CHARACTER / 10;
    }
    Ok(())
}

/// What the colours mean.
pub(super) const LEGEND: [(Openness, &str); 4] = [
    (Openness::Open, "all ports"),
    (Openness::Part, "some ports or some pods"),
    (Openness::Uncertain, "uncertain"),
    (Openness::Closed, "denied"),
];

/// What else a reader has to know.
pub(super) fn notes(view: &View<'_>) -> Vec<String> {
    let mut notes = footnotes(view);
    let assumptions = view.report.assumptions.iter();
    notes.extend(assumptions.map(|assumption| format!("{}: {}", assumption.id, assumption.text)));
    notes
}
