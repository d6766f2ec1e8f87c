//! What `baseline` prints: the policies, or what they are made of.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use watertight_core::report::baseline::{BaselineNeed, BaselineNote, BaselineReport};
use watertight_core::rules::count;

use super::one_line;

/// All policies as one stream.
pub(crate) fn yaml(report: &BaselineReport, out: &mut dyn Write) -> io::Result<()> {
    let namespaces = report.namespaces.iter().map(|found| &found.manifest);
    let rest = report.cluster.iter().chain(&report.guard);
    for (at, text) in namespaces.chain(rest).enumerate() {
        if at > 0 {
            out.write_all(b"---\n")?;
        }
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// For people.
pub(crate) fn text(report: &BaselineReport, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let bold = style(color, Style::new().bold());
    for namespace in &report.namespaces {
        let policies = count(namespace.policies.len(), "policy");
        writeln!(
            out,
            "{bold}{}{bold:#}: {policies}",
            one_line(&namespace.name)
        )?;
        if !namespace.deletes.is_empty() {
            writeln!(
                out,
                "  to delete: {}",
                one_line(&namespace.deletes.join(", "))
            )?;
        }
        if !namespace.host_network.is_empty() {
            let names = one_line(&namespace.host_network.join(", "));
            writeln!(out, "  on the host network, where no policy helps: {names}")?;
        }
        match namespace.pod_security.as_str() {
            "there" | "host-network" => {}
            "added" => writeln!(
                out,
                "  new label: pod-security.kubernetes.io/enforce=baseline"
            )?,
            level => writeln!(
                out,
                "  admits host-network pods: pod-security.kubernetes.io/enforce={level}"
            )?,
        }
    }
    if !report.needs.is_empty() {
        writeln!(out, "\n{bold}Allowed, besides DNS{bold:#}")?;
        for need in &report.needs {
            self::need(need, out)?;
        }
    }
    writeln!(
        out,
        "\n{bold}Proved by the engine {}{bold:#}",
        report.engine.name
    )?;
    proofs(report, color, out)?;
    if !report.notes.is_empty() {
        writeln!(out, "\n{bold}To know{bold:#}")?;
        for note in &report.notes {
            writeln!(out, "  {}", note_line(note))?;
        }
    }
    Ok(())
}

fn need(need: &BaselineNeed, out: &mut dyn Write) -> io::Result<()> {
    let ports = match need.ports.is_empty() {
        true => String::new(),
        false => format!(":{}", need.ports.join(",")),
    };
    let line = format!("{} -> {}{ports}", need.from, need.to);
    writeln!(out, "  {}", one_line(&line))?;
    for why in &need.why {
        let place = why.location.as_ref();
        let place = place.map_or(String::new(), |at| format!(" ({}:{})", at.path, at.line));
        let times = match (why.by.as_str(), need.times) {
            ("flow", Some(1)) => ", once".to_owned(),
            ("flow", Some(times)) => format!(", {times} times"),
            _ => String::new(),
        };
        writeln!(
            out,
            "      {}",
            one_line(&format!("{}{times}{place}", why.text))
        )?;
    }
    Ok(())
}

/// The claims, with what speaks against those that are not proved.
pub(crate) fn proofs(report: &BaselineReport, color: bool, out: &mut dyn Write) -> io::Result<()> {
    let good = style(color, AnsiColor::Green.on_default().bold());
    let bad = style(color, AnsiColor::Red.on_default().bold());
    for proof in &report.proofs {
        if proof.holds {
            writeln!(out, "  {good}proved{good:#}      {}", one_line(&proof.text))?;
            continue;
        }
        writeln!(out, "  {bad}not proved{bad:#}  {}", one_line(&proof.text))?;
        for against in &proof.against {
            writeln!(out, "              {}", one_line(against))?;
        }
    }
    Ok(())
}

/// `path:line: what`
pub(crate) fn note_line(note: &BaselineNote) -> String {
    let place = note.location.as_ref();
    let place = place.map_or(String::new(), |at| format!("{}:{}: ", at.path, at.line));
    one_line(&format!("{place}{}", note.text))
}

fn style(color: bool, style: Style) -> Style {
    if color { style } else { Style::new() }
}
