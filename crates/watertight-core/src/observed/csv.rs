//! A table of flows with a header: `from,to,protocol,port,count,verdict`. Ends are spelled as on the
//! command line; columns may come in any order, and be parted by semicolons or tabs.

use std::borrow::Cow;

use super::collect::Collector;
use super::fields::protocol;
use super::{End, Record, Reporter, lines};
use crate::sets::Protocol;
use crate::source::Span;
use crate::suggest::misspelt;

/// A column that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Column {
    From,
    To,
    Protocol,
    Port,
    Count,
    Verdict,
}

/// The columns by name; the first name is the one that messages use.
const COLUMNS: [(Column, &[&str]); 6] = [
    (Column::From, &["from", "source", "src"]),
    (Column::To, &["to", "destination", "dest", "dst"]),
    (Column::Protocol, &["protocol", "proto"]),
    (Column::Port, &["port", "dport", "destination_port"]),
    (Column::Count, &["count", "times", "connections"]),
    (Column::Verdict, &["verdict", "action"]),
];

fn column(name: &str) -> Option<Column> {
    let known = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let mut columns = COLUMNS.iter();
    columns
        .find(|(_, names)| known(names))
        .map(|(column, _)| *column)
}

/// What parts the columns of a table with this header.
fn separator(header: &str) -> char {
    let found = ['\t', ';', ','].into_iter().find(|c| header.contains(*c));
    found.unwrap_or(',')
}

/// Whether a line is the header of a table of flows.
pub(super) fn is_header(line: &str) -> bool {
    let names = cells(line, separator(line));
    let has = |wanted| names.iter().any(|name| column(name.trim()) == Some(wanted));
    has(Column::From) && has(Column::To)
}

pub(super) fn read(text: &str, collector: &mut Collector) {
    let mut lines = lines(text).filter(|(_, line)| !line.starts_with('#'));
    let Some((at, header)) = lines.next() else {
        return;
    };
    let separator = separator(header);
    let span = Span::new(collector.file, at, at + header.len());
    let mut columns = Vec::new();
    for name in cells(header, separator) {
        let name = name.trim();
        let found = column(name);
        let known = COLUMNS.iter().flat_map(|(_, names)| names.iter().copied());
        if found.is_none()
            && let Some(near) = misspelt(&name.to_ascii_lowercase(), known)
        {
            let message = format!("no column is called `{name}` (did you mean `{near}`?)");
            collector.problem(span, message);
        }
        columns.push(found);
    }
    for (wanted, names) in COLUMNS.iter().take(2) {
        if !columns.contains(&Some(*wanted)) {
            let name = names.first().copied().unwrap_or_default();
            let message = format!(
                "expected a header with a column `{name}`: from,to,protocol,port or more of them"
            );
            collector.problem(span, message);
            return;
        }
    }
    for (at, line) in lines {
        let span = Span::new(collector.file, at, at + line.len());
        match row(line, separator, &columns, span) {
            Ok(record) => collector.add(record),
            Err(message) => collector.problem(span, message),
        }
    }
}

fn row(
    line: &str,
    separator: char,
    columns: &[Option<Column>],
    span: Span,
) -> Result<Record, String> {
    let cells = cells(line, separator);
    if cells.len() > columns.len() {
        return Err(format!(
            "expected {} columns, found {}; a text with `{separator}` in it needs quotes",
            columns.len(),
            cells.len()
        ));
    }
    let cell = |wanted| {
        let place = columns.iter().position(|column| *column == Some(wanted));
        let cell = place.and_then(|place| cells.get(place));
        cell.map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
    };
    let end = |wanted, name: &str| match cell(wanted) {
        Some(text) => Ok(End {
            spelled: Some(text.into()),
            ..End::default()
        }),
        None => Err(format!(
            "expected `{name}` to name an endpoint, found nothing"
        )),
    };
    let (from, to) = (end(Column::From, "from")?, end(Column::To, "to")?);
    // `53/udp` in one column is fine, too.
    let (number, behind) = match cell(Column::Port).map(|port| (port, port.split_once('/'))) {
        Some((_, Some((number, behind)))) => (Some(number), Some(behind)),
        Some((number, None)) => (Some(number), None),
        None => (None, None),
    };
    let protocol = match cell(Column::Protocol).or(behind) {
        Some(word) => protocol(word).ok_or_else(|| {
            format!("expected `protocol` to be tcp, udp, sctp or icmp, found `{word}`")
        })?,
        None => Protocol::Tcp,
    };
    let port = match number {
        _ if protocol == Protocol::Icmp => None,
        Some(number) => match number.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => {
                return Err(format!(
                    "expected `port` to be a port from 1 to 65535, found `{number}`"
                ));
            }
        },
        None => return Err("expected `port` to be a port from 1 to 65535, found nothing".into()),
    };
    let times = match cell(Column::Count) {
        Some(count) => count
            .parse::<u64>()
            .map_err(|_| format!("expected `count` to be a whole number, found `{count}`"))?,
        None => 1,
    };
    let refused = match cell(Column::Verdict)
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        None | Some("allow" | "allowed" | "forwarded" | "accept" | "accepted" | "audit") => false,
        Some("deny" | "denied" | "drop" | "dropped" | "reject" | "rejected" | "refused") => true,
        Some(word) => {
            return Err(format!(
                "expected `verdict` to be allowed or denied, found `{word}`"
            ));
        }
    };
    Ok(Record {
        from,
        to,
        protocol,
        port,
        icmp: None,
        dialled: None,
        reporter: Reporter::Unsaid,
        refused,
        times: times.max(1),
        span,
    })
}

/// The cells of a line; quotes keep separators, and two quotes inside quotes are one.
fn cells(line: &str, separator: char) -> Vec<Cow<'_, str>> {
    if !line.contains('"') {
        return line.split(separator).map(Cow::Borrowed).collect();
    }
    let mut found = Vec::new();
    let mut cell = String::new();
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            c if c == separator && !quoted => found.push(Cow::Owned(std::mem::take(&mut cell))),
            c => cell.push(c),
        }
    }
    found.push(Cow::Owned(cell));
    found
}
