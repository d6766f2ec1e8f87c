//! `-o html`: one page that needs nothing else. The matrix is a table with headers that stay in view;
//! every cell tells its ports, and below it they are listed source by source. Without its few lines of
//! script it lacks the filter and nothing more.

use std::io::{self, Write};

use super::page::{End, begin, escaped, heading};
use super::svg::{LEGEND, notes};
use super::view::View;
use super::words::{self, Openness};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(super) fn render(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let title = escaped(&heading(view.report));
    begin(&title, STYLE, out)?;
    writeln!(out, "<h1>{title}</h1>")?;
    let report = view.report;
    writeln!(
        out,
        "<p>Rows connect to columns. {} pairs of {}s; engine: {}; by {} {}.</p>",
        view.cells.len(),
        escaped(&report.query.by),
        escaped(&report.engine.name),
        escaped(&report.tool.name),
        escaped(&report.tool.version),
    )?;
    if !report.complete {
        writeln!(
            out,
            "<p role=\"alert\"><strong>Incomplete:</strong> not everything could be read.</p>"
        )?;
    }
    legend(out)?;
    let rows = view.ends(&view.sources, !view.ingress.is_empty());
    let columns = view.ends(&view.targets, !view.egress.is_empty());
    filters(view, &rows, &columns, out)?;
    matrix(view, &rows, &columns, out)?;
    details(view, &rows, out)?;
    outside(view, out)?;
    let notes = notes(view);
    if !notes.is_empty() {
        writeln!(out, "<h2>To know</h2>\n<ul>")?;
        for line in notes {
            writeln!(out, "<li>{}</li>", escaped(&line))?;
        }
        writeln!(out, "</ul>")?;
    }
    writeln!(out, "<script>\n{SCRIPT}</script>\n</body>\n</html>")
}

fn legend(out: &mut dyn Write) -> io::Result<()> {
    write!(out, "<ul class=\"legend\" aria-label=\"Legend\">")?;
    for (openness, text) in LEGEND {
        let class = openness.word();
        write!(
            out,
            "<li><span class=\"{class}\" aria-hidden=\"true\"></span> {text}</li>"
        )?;
    }
    writeln!(out, "</ul>")
}

fn filters(view: &View<'_>, rows: &[End], columns: &[End], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<form class=\"filter\" hidden>")?;
    for (label, name, ends) in [("From", "from", rows), ("To", "to", columns)] {
        let mut namespaces: Vec<&str> = view
            .by_namespace(ends)
            .iter()
            .map(|(name, _)| *name)
            .collect();
        namespaces.dedup();
        namespaces.retain(|namespace| !namespace.is_empty());
        write!(
            out,
            "<label>{label} <select name=\"{name}\"><option value=\"\">everywhere</option>"
        )?;
        for namespace in namespaces {
            let namespace = escaped(namespace);
            write!(out, "<option>{namespace}</option>")?;
        }
        writeln!(out, "</select></label>")?;
    }
    writeln!(out, "</form>")
}

fn namespace(view: &View<'_>, end: End) -> String {
    let party = end.and_then(|number| view.party(number));
    escaped(party.map_or("", |party| party.namespace))
}

fn matrix(view: &View<'_>, rows: &[End], columns: &[End], out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Matrix\">\n<table class=\"matrix\">"
    )?;
    writeln!(
        out,
        "<thead>\n<tr><th scope=\"col\" class=\"corner\">from \\ to</th>"
    )?;
    for to in columns {
        let (of, label) = (namespace(view, *to), escaped(&view.label(*to)));
        let remark = view.remark(*to, false);
        let space = if of.is_empty() {
            String::new()
        } else {
            format!("<b>{of}</b> ")
        };
        writeln!(
            out,
            "<th scope=\"col\" data-to=\"{of}\" title=\"{}\"><span>{space}{label}</span></th>",
            escaped(remark)
        )?;
    }
    writeln!(out, "</tr>\n</thead>")?;
    for (of, group) in view.by_namespace(rows) {
        let of = escaped(of);
        writeln!(out, "<tbody data-from=\"{of}\">")?;
        for from in group {
            let label = escaped(&view.label(*from));
            let remark = escaped(view.remark(*from, true));
            let space = if of.is_empty() {
                String::new()
            } else {
                format!("<b>{of}</b> ")
            };
            write!(
                out,
                "<tr><th scope=\"row\" title=\"{remark}\">{space}{label}</th>"
            )?;
            for to in columns {
                let cell = view.cell(*from, *to);
                let class = cell.openness.word();
                let (text, title) = (escaped(&cell.text), escaped(&cell.title));
                let to = namespace(view, *to);
                if cell.text.is_empty() {
                    write!(
                        out,
                        "<td class=\"{class}\" data-to=\"{to}\" title=\"{title}\"><i>denied</i></td>"
                    )?;
                } else {
                    write!(
                        out,
                        "<td class=\"{class}\" data-to=\"{to}\" title=\"{title}\">{text}</td>"
                    )?;
                }
            }
            writeln!(out, "</tr>")?;
        }
        writeln!(out, "</tbody>")?;
    }
    writeln!(out, "</table>\n</div>")
}

/// Every connection in words.
fn details(view: &View<'_>, rows: &[End], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<h2>Ports</h2>")?;
    for from in rows.iter().flatten() {
        let reached: Vec<_> = view.cells.range((*from, 0)..=(*from, usize::MAX)).collect();
        let world = view.egress.get(from);
        if reached.is_empty() && world.is_none() {
            continue;
        }
        let (of, name) = (namespace(view, Some(*from)), escaped(view.short(*from)));
        let count = reached.len();
        writeln!(
            out,
            "<details data-from=\"{of}\"><summary>{name} <span>{count}</span></summary>\n<table>"
        )?;
        writeln!(
            out,
            "<thead><tr><th scope=\"col\">to</th><th scope=\"col\">ports</th></tr></thead>"
        )?;
        for ((_, to), connection) in reached {
            let class = Openness::of_connection(connection).word();
            let (space, name) = (namespace(view, Some(*to)), escaped(view.short(*to)));
            let ports = escaped(&words::connection(connection));
            writeln!(
                out,
                "<tr data-to=\"{space}\"><th scope=\"row\">{name}</th><td class=\"{class}\">{ports}</td></tr>"
            )?;
        }
        if let Some(world) = world {
            let (class, text) = (world.openness.word(), escaped(&world.text));
            writeln!(
                out,
                "<tr data-to=\"\"><th scope=\"row\">world</th><td class=\"{class}\">{text}</td></tr>"
            )?;
        }
        writeln!(out, "</table></details>")?;
    }
    Ok(())
}

/// The outside by ranges.
fn outside(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    if view.report.external.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>Outside of the cluster</h2>\n<table class=\"outside\">"
    )?;
    writeln!(
        out,
        "<thead><tr><th scope=\"col\">from</th><th scope=\"col\">to</th><th scope=\"col\">ports</th><th scope=\"col\">of note</th></tr></thead>\n<tbody>"
    )?;
    for row in &view.report.external {
        let units = row.units.iter().filter_map(|name| {
            let at = view
                .parties
                .iter()
                .position(|party| party.unit.name == *name)?;
            Some(escaped(view.short(at)))
        });
        let units = units.collect::<Vec<_>>().join(", ");
        for range in &row.ranges {
            let addresses = words::addresses(range).unwrap_or_else(|| range.addresses.join(", "));
            let addresses = escaped(&addresses);
            let (from, to) = match row.direction.as_str() {
                "egress" => (units.as_str(), addresses.as_str()),
                _ => (addresses.as_str(), units.as_str()),
            };
            let class = Openness::of(&range.ports).word();
            let ports = escaped(&words::ports(&range.ports));
            let mut note = Vec::new();
            if !range.metadata.is_empty() {
                note.push(format!("metadata services: {}", range.metadata.join(", ")));
            }
            if !range.names.is_empty() {
                note.push(range.names.join(", "));
            }
            let note = escaped(&note.join("; "));
            writeln!(
                out,
                "<tr><td>{from}</td><td>{to}</td><td class=\"{class}\">{ports}</td><td>{note}</td></tr>"
            )?;
        }
        for domain in &row.domains {
            let names = escaped(&domain.names.join(", "));
            let class = Openness::of(&domain.ports).word();
            let ports = escaped(&words::ports(&domain.ports));
            writeln!(
                out,
                "<tr><td>{units}</td><td>{names}</td><td class=\"{class}\">{ports}</td><td></td></tr>"
            )?;
        }
    }
    writeln!(out, "</tbody></table>")
}
