//! `-o dot`: a graph for Graphviz, with a cluster for each namespace.
//!
//! Pairs that no policy restricts at either end have no edge: such units are marked, and the label
//! says so.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::view::View;
use super::words::{self, Openness};
use crate::output::one_line;

pub(super) fn render(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let marked = is_any_open(view);
    writeln!(out, "digraph reach {{")?;
    writeln!(
        out,
        "  rankdir=LR; fontname=\"Helvetica\"; compound=true; newrank=true;"
    )?;
    writeln!(
        out,
        "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", fontname=\"Helvetica\", fontsize=11];"
    )?;
    writeln!(
        out,
        "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#555555\"];"
    )?;
    if marked {
        let label = "bold border: no policy restricts whom it connects to; \
                     filled: no policy restricts who connects to it.\\n\
                     Each bold one reaches each filled one on all ports: such edges are not drawn.";
        writeln!(out, "  labelloc=b; fontsize=10; label=\"{label}\";")?;
    }
    for (namespace, members) in by_namespace(view) {
        let indent = if namespace.is_empty() {
            "  "
        } else {
            writeln!(
                out,
                "  subgraph {} {{",
                quoted(&format!("cluster_{namespace}"))
            )?;
            writeln!(
                out,
                "    label={}; style=rounded; color=\"#999999\";",
                quoted(namespace)
            )?;
            "    "
        };
        for number in members {
            let Some(party) = view.party(number) else {
                continue;
            };
            let bold = if view.senders.contains(&number) {
                ", penwidth=2.5"
            } else {
                ""
            };
            let fill = if view.takers.contains(&number) {
                ", fillcolor=\"#f8d7da\""
            } else {
                ""
            };
            writeln!(
                out,
                "{indent}n{number} [label={}{bold}{fill}];",
                quoted(&party.local)
            )?;
        }
        if !namespace.is_empty() {
            writeln!(out, "  }}")?;
        }
    }
    if !view.egress.is_empty() || !view.ingress.is_empty() {
        writeln!(
            out,
            "  world [label=\"world\", shape=ellipse, fillcolor=\"#e2e3e5\"];"
        )?;
    }
    for edge in edges(view) {
        let style = match edge.openness {
            Openness::Uncertain => ", style=dashed",
            Openness::Open => ", color=\"#b02a37\"",
            _ => "",
        };
        let (from, to) = (node(edge.from), node(edge.to));
        writeln!(
            out,
            "  {from} -> {to} [label={}{style}];",
            quoted(&edge.label)
        )?;
    }
    writeln!(out, "}}")
}

/// An arrow; none is the world.
pub(super) struct Edge {
    pub(super) from: Option<usize>,
    pub(super) to: Option<usize>,
    pub(super) label: String,
    pub(super) openness: Openness,
}

/// Whether there are units that no policy restricts, on both ends.
pub(super) fn is_any_open(view: &View<'_>) -> bool {
    !view.senders.is_empty() && !view.takers.is_empty()
}

/// Everything to be drawn, in order.
pub(super) fn edges(view: &View<'_>) -> Vec<Edge> {
    let mut edges = Vec::new();
    for ((from, to), connection) in &view.cells {
        if from == to || view.goes_without_saying(*from, *to) {
            continue;
        }
        edges.push(Edge {
            from: Some(*from),
            to: Some(*to),
            label: words::short(&words::connection(connection), 40),
            openness: Openness::of_connection(connection),
        });
    }
    let restricted = |number: &usize, egress: bool| {
        view.party(*number).is_none_or(|party| {
            let word = if egress {
                &party.unit.egress
            } else {
                &party.unit.ingress
            };
            word != "open"
        })
    };
    for (from, world) in view
        .egress
        .iter()
        .filter(|(from, _)| restricted(from, true))
    {
        edges.push(Edge {
            from: Some(*from),
            to: None,
            label: words::short(&world.text, 60),
            openness: world.openness,
        });
    }
    for (to, world) in view.ingress.iter().filter(|(to, _)| restricted(to, false)) {
        edges.push(Edge {
            from: None,
            to: Some(*to),
            label: words::short(&world.text, 60),
            openness: world.openness,
        });
    }
    edges
}

/// Units by namespace; those without one come first.
pub(super) fn by_namespace<'v>(view: &'v View<'_>) -> BTreeMap<&'v str, Vec<usize>> {
    let mut found: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, party) in view.parties.iter().enumerate() {
        found.entry(party.namespace).or_default().push(number);
    }
    found
}

fn node(number: Option<usize>) -> String {
    number.map_or("world".to_owned(), |number| format!("n{number}"))
}

pub(super) fn quoted(text: &str) -> String {
    let text = one_line(text).replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{text}\"")
}
