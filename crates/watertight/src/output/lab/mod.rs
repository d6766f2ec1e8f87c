//! What `lab run` prints: a summary, the matrix and each difference as text; the same as JSON, JUnit and one
//! HTML page.
//!
//! INVARIANT: a format says nothing that is not in the report, and what it has no room for has a line that
//! tells.

mod conclusion;
mod html;
mod junit;
mod matrix;
#[cfg(test)]
mod tests;
mod text;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use watertight_core::report::LabReport;
use watertight_core::report::lab::{
    LabConnection, LabDifference, LabOutside, LabPair, LabParty, LabReason,
};
use watertight_core::rules::count;

use crate::args::LabFormat;

pub(crate) use conclusion::Conclusion;

/// Parties that have a place in one page.
const MOST_IN_PAGE: usize = 300;

/// Writes a report as a format.
pub(crate) fn render(
    report: &LabReport,
    format: LabFormat,
    color: bool,
    width: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        LabFormat::Text => text::render(report, color, width, out),
        LabFormat::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            writeln!(out)
        }
        LabFormat::Junit => junit::render(report, out),
        LabFormat::Html => html::render(report, out),
        LabFormat::Matrix => matrix::whole(report, color, out),
    }
}

/// Whether a number of parties has a place in a format.
pub(crate) fn fits(parties: usize, format: LabFormat) -> Result<(), String> {
    if format == LabFormat::Html && parties > MOST_IN_PAGE {
        return Err(format!(
            "{parties} parties are too many for one page; use -o json, or give the lab fewer files"
        ));
    }
    Ok(())
}

/// What a pair, or several of them, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    /// Not tried: a party and itself, or two that share a network.
    Untried,
    /// Nothing arrives, as predicted.
    Closed,
    /// All that was tried arrives, as predicted.
    Open,
    /// Some of it arrives, as predicted.
    Part,
    /// Something is not judged: it depends on what the input or packets do not show.
    NotJudged,
    /// Of something, nothing can be said.
    Inconclusive,
    /// Packets and prediction differ.
    Differs,
}

impl Cell {
    const LEGEND: [(Self, &str); 7] = [
        (Self::Open, "all ports arrive"),
        (Self::Part, "some"),
        (Self::Closed, "none"),
        (Self::Differs, "packets and prediction differ"),
        (Self::Inconclusive, "something inconclusive"),
        (Self::NotJudged, "something not judged"),
        (Self::Untried, "no pair"),
    ];

    fn of(pair: &LabPair) -> Self {
        if !pair.differ.is_empty() {
            Self::Differs
        } else if !pair.inconclusive.is_empty() {
            Self::Inconclusive
        } else if !pair.not_judged.is_empty() {
            Self::NotJudged
        } else {
            match (pair.allowed.is_empty(), pair.denied.is_empty()) {
                (false, true) => Self::Open,
                (false, false) => Self::Part,
                (true, false) => Self::Closed,
                (true, true) => Self::Untried,
            }
        }
    }

    /// Of two pairs that share a cell.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Open, Self::Closed) | (Self::Closed, Self::Open) => Self::Part,
            _ => self.max(other),
        }
    }

    fn sign(self) -> char {
        match self {
            Self::Untried => '-',
            Self::NotJudged => '~',
            Self::Closed => '.',
            Self::Open => '#',
            Self::Part => '+',
            Self::Inconclusive => '?',
            Self::Differs => '!',
        }
    }
}

/// Everybody's cells.
fn cells(report: &LabReport) -> BTreeMap<(usize, usize), Cell> {
    let pairs = report.pairs.iter();
    pairs
        .map(|pair| ((pair.from, pair.to), Cell::of(pair)))
        .collect()
}

/// What a party is called, with what it stands for: `ip:203.0.113.9 (partner)`.
fn name(report: &LabReport, at: usize) -> Cow<'_, str> {
    let Some(party) = report.parties.get(at) else {
        return Cow::Borrowed("");
    };
    let is_it = |of: &&LabOutside| {
        matches!(&*party.kind, "outside" | "balancer") && party.addresses.contains(&of.address)
    };
    match report.outside.iter().find(is_it) {
        // An address that was given without a name goes by itself.
        Some(of) if of.name != of.address => Cow::Owned(format!("{} ({})", party.name, of.name)),
        _ => Cow::Borrowed(&*party.name),
    }
}

/// Pods of a namespace, nodes, Services, and addresses outside stand together.
fn group(party: &LabParty) -> &str {
    match &*party.kind {
        "node" => "nodes",
        "outside" => "outside",
        "service" | "balancer" => "services",
        _ => party.name.split('/').next().unwrap_or_default(),
    }
}

/// The parties that something was tried from, or to.
fn ends(report: &LabReport, of: impl Fn(&LabPair) -> usize) -> Vec<usize> {
    let ends: BTreeSet<usize> = report.pairs.iter().map(of).collect();
    ends.into_iter().collect()
}

/// The differences between two parties. Evidence names workloads, so pods of one workload share theirs.
fn differences_of<'r>(
    report: &'r LabReport,
    pair: &LabPair,
) -> impl Iterator<Item = &'r LabDifference> {
    let (from, to) = (pair.from, pair.to);
    let differences = report.differences.iter();
    differences.filter(move |difference| (difference.from, difference.to) == (from, to))
}

/// `shop/web -> shop/db:5432/tcp over IPv6`
fn connection(difference: &LabDifference) -> String {
    let over = if difference.family == 6 {
        " over IPv6"
    } else {
        ""
    };
    format!("{}{over}", super::connection(&difference.predicted))
}

/// `4 pods on 2 nodes, 1 host-network pod, 3 outside addresses, IPv4 and IPv6`
fn cluster(report: &LabReport) -> String {
    let of = |kind: &str| {
        let parties = report.parties.iter();
        parties.filter(|party| party.kind == kind).count()
    };
    let pods = format!(
        "{} on {}",
        count(of("pod"), "pod"),
        count(of("node"), "node")
    );
    let mut parts = vec![pods];
    if of("host-pod") > 0 {
        parts.push(count(of("host-pod"), "host-network pod"));
    }
    parts.push(match of("outside") {
        1 => "1 outside address".to_owned(),
        more => format!("{more} outside addresses"),
    });
    if of("service") > 0 {
        parts.push(count(of("service"), "Service"));
    }
    let mut addresses = report.parties.iter().flat_map(|party| &party.addresses);
    let v6 = addresses.clone().any(|address| address.contains(':'));
    let v4 = addresses.any(|address| !address.contains(':'));
    parts.push(
        match (v4, v6) {
            (true, true) => "IPv4 and IPv6",
            (_, true) => "IPv6",
            _ => "IPv4",
        }
        .to_owned(),
    );
    parts.join(", ")
}

/// `4 connections: POLICY has the priority of another that says otherwise (A-12, shop.yaml:7)`
fn reason(unjudged: &LabReason) -> String {
    let id = unjudged.id.clone();
    let place = unjudged.place.as_ref();
    let place = place.map(|at| format!("{}:{}", at.path, at.line));
    let cited: Vec<String> = id.into_iter().chain(place).collect();
    let cited = match cited.as_slice() {
        [] => String::new(),
        cited => format!(" ({})", cited.join(", ")),
    };
    let connections = count(unjudged.connections.len(), "connection");
    format!("{connections}: {}{cited}", unjudged.reason)
}

/// Connections, those of a pair together.
fn by_pair(connections: &[LabConnection]) -> Vec<((usize, usize), Vec<&str>)> {
    let mut pairs: BTreeMap<(usize, usize), Vec<&str>> = BTreeMap::new();
    for one in connections {
        let ports = pairs.entry((one.from, one.to)).or_default();
        ports.push(&one.port);
    }
    pairs.into_iter().collect()
}
