//! `-o mermaid`: a flowchart, with a subgraph for each namespace.

use std::io::{self, Write};

use super::dot::{by_namespace, edges, is_any_open};
use super::view::View;
use super::words::Openness;
use crate::output::one_line;

pub(super) fn render(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "flowchart LR")?;
    if is_any_open(view) {
        writeln!(
            out,
            "  %% Thick border: no policy restricts whom it connects to; filled: no policy restricts who"
        )?;
        writeln!(
            out,
            "  %% connects to it. Each thick one reaches each filled one on all ports: not drawn."
        )?;
    }
    let (mut senders, mut takers) = (Vec::new(), Vec::new());
    for (at, (namespace, members)) in by_namespace(view).into_iter().enumerate() {
        let indent = if namespace.is_empty() {
            "  "
        } else {
            writeln!(out, "  subgraph s{at}[{}]", quoted(namespace))?;
            "    "
        };
        for number in members {
            let Some(party) = view.party(number) else {
                continue;
            };
            writeln!(out, "{indent}n{number}[{}]", quoted(&party.local))?;
            if view.senders.contains(&number) {
                senders.push(format!("n{number}"));
            }
            if view.takers.contains(&number) {
                takers.push(format!("n{number}"));
            }
        }
        if !namespace.is_empty() {
            writeln!(out, "  end")?;
        }
    }
    if !view.egress.is_empty() || !view.ingress.is_empty() {
        writeln!(out, "  world([world])")?;
    }
    for edge in edges(view) {
        let node = |number: Option<usize>| {
            number.map_or("world".to_owned(), |number| format!("n{number}"))
        };
        let arrow = match edge.openness {
            Openness::Uncertain => "-.->",
            Openness::Open => "==>",
            _ => "-->",
        };
        let (from, to) = (node(edge.from), node(edge.to));
        writeln!(out, "  {from} {arrow}|{}| {to}", quoted(&edge.label))?;
    }
    writeln!(out, "  classDef sends stroke-width:3px")?;
    writeln!(out, "  classDef takes fill:#f8d7da,color:#000")?;
    for (class, nodes) in [("sends", senders), ("takes", takers)] {
        if !nodes.is_empty() {
            writeln!(out, "  class {} {class}", nodes.join(","))?;
        }
    }
    Ok(())
}

/// Text in quotes; what Mermaid would read as more than text goes by its number.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in one_line(text).chars() {
        if matches!(
            c,
            '"' | '#' | '<' | '>' | '&' | '`' | ';' | '{' | '}' | '\\'
        ) {
            quoted.push_str(&format!("#{};", u32::from(c)));
        } else {
            quoted.push(c);
        }
    }
    quoted.push('"');
    quoted
}
