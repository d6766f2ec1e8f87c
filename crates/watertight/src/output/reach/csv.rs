//! `-o csv`: one line for each pair of units, or range of addresses, and each range of ports; written
//! while the map is made.

use std::io::{self, Write};

use watertight_core::report::reach::{ReachConnection, ReachPorts};

use super::Rendering;

pub(super) fn render(rendering: &Rendering<'_, '_>, out: &mut dyn Write) -> io::Result<usize> {
    out.write_all(b"from,to,protocol,first,last,verdict,some,why,family,conditional\r\n")?;
    let mut pairs = 0;
    rendering
        .reporter
        .each(|connection: ReachConnection<&str, Vec<&str>>| {
            for to in &connection.to {
                pairs += 1;
                // Where both families differ, each has lines of its own.
                let family = if connection.ipv6.is_some() {
                    "ipv4"
                } else {
                    ""
                };
                lines(connection.from, to, &connection.ports, family, out)?;
                if let Some(ports) = &connection.ipv6 {
                    lines(connection.from, to, ports, "ipv6", out)?;
                }
            }
            io::Result::Ok(())
        })?;
    for external in rendering.reporter.external() {
        for unit in &external.units {
            for range in &external.ranges {
                for address in &range.addresses {
                    let (from, to) = match external.direction.as_str() {
                        "egress" => (unit, address),
                        _ => (address, unit),
                    };
                    lines(from, to, &range.ports, "", out)?;
                }
            }
            for domain in &external.domains {
                for name in &domain.names {
                    lines(unit, name, &domain.ports, "", out)?;
                }
            }
        }
    }
    Ok(pairs)
}

fn lines(
    from: &str,
    to: &str,
    ports: &[ReachPorts],
    family: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (from, to) = (field(from), field(to));
    for ports in ports {
        let (protocol, verdict) = (&ports.protocol, &ports.verdict);
        let some = if ports.some { "true" } else { "false" };
        let why = ports.why.as_deref().unwrap_or_default();
        let conditional = if ports.conditional { "true" } else { "false" };
        let (first, last) = (ports.first, ports.last);
        write!(
            out,
            "{from},{to},{protocol},{first},{last},{verdict},{some},{why},{family},{conditional}\r\n"
        )?;
    }
    Ok(())
}

/// Quoted where the text could be taken for more than one field, and harmless in a spreadsheet.
pub(super) fn field(text: &str) -> std::borrow::Cow<'_, str> {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if !formula && !text.contains([',', '"', '\n', '\r']) {
        return text.into();
    }
    let quote = if formula { "'" } else { "" };
    format!("\"{quote}{}\"", text.replace('"', "\"\"")).into()
}
