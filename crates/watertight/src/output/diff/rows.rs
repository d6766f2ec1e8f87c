//! Rows in words: who, to whom, on which ports, and what it was before.

use std::collections::BTreeMap;

use watertight_core::report::diff::{DiffCause, DiffRow};
use watertight_core::report::reach::ReachPorts;
use watertight_core::rules::count;

use crate::output::one_line;
use crate::output::reach::words as ports;

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Gained,
    Lost,
    Ports,
    Uncertain,
}

impl Sign {
    pub(super) fn of(row: &DiffRow) -> Self {
        match row.change.as_str() {
            "gained" => Self::Gained,
            "lost" => Self::Lost,
            "ports" => Self::Ports,
            _ => Self::Uncertain,
        }
    }

    pub(super) fn mark(self) -> char {
        match self {
            Self::Gained => '+',
            Self::Lost => '-',
            Self::Ports => '~',
            Self::Uncertain => '?',
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Gained => "newly allowed",
            Self::Lost => "no longer allowed",
            Self::Ports => "other ports",
            Self::Uncertain => "uncertain",
        }
    }
}

/// A row in words.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) sign: Sign,
    /// Whether somebody may do more than before.
    pub(super) widens: bool,
    /// Whether somebody may do less.
    pub(super) narrows: bool,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) ports: String,
    /// What it was before, where that is not clear from the sign.
    pub(super) was: Option<String>,
}

impl Line {
    /// `shop/web -> shop/db`
    pub(super) fn ends(&self) -> String {
        format!("{} -> {}", self.from, self.to)
    }

    /// `53/tcp, 53/udp   was: all`
    pub(super) fn told(&self) -> String {
        match &self.was {
            Some(was) => format!("{}   was: {was}", self.ports),
            None => self.ports.clone(),
        }
    }
}

/// Names of units, as short as they can be without meaning another one.
#[derive(Debug)]
pub(super) struct Names<'r> {
    short: BTreeMap<&'r str, String>,
    /// How many units a namespace has.
    spaces: BTreeMap<&'r str, usize>,
}

fn parts(name: &str) -> (&str, &str, &str) {
    let mut parts = name.splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(namespace), Some(kind), Some(name)) => (namespace, kind, name),
        _ => ("", "", name),
    }
}

impl<'r> Names<'r> {
    pub(super) fn new(units: &'r [String]) -> Self {
        let mut known: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut spaces: BTreeMap<&str, usize> = BTreeMap::new();
        for name in units {
            let (namespace, _, local) = parts(name);
            *known.entry((namespace, local)).or_default() += 1;
            *spaces.entry(namespace).or_default() += 1;
        }
        let short = |name: &'r String| {
            let (namespace, kind, local) = parts(name);
            let short = match (namespace, known.get(&(namespace, local))) {
                ("", _) => local.strip_prefix("ns:").unwrap_or(local).to_owned(),
                (_, Some(1)) => format!("{namespace}/{local}"),
                _ => format!("{namespace}/{kind}/{local}"),
            };
            (name.as_str(), one_line(&short))
        };
        Self {
            short: units.iter().map(short).collect(),
            spaces,
        }
    }

    fn short(&self, name: &str) -> String {
        let known = self.short.get(name);
        known.cloned().unwrap_or_else(|| one_line(name))
    }

    /// Units in few words: whole namespaces as `shop/*`.
    fn summed(&self, names: &[String]) -> String {
        let groups = names.chunk_by(|a, b| parts(a).0 == parts(b).0);
        let mut told = Vec::new();
        for group in groups {
            let of = group.first().map_or("", |name| parts(name).0);
            let whole = self.spaces.get(of) == Some(&group.len());
            if whole && group.len() > 1 && !of.is_empty() {
                told.push(format!("{}/*", one_line(of)));
            } else {
                told.extend(group.iter().map(|name| self.short(name)));
            }
        }
        told.join(", ")
    }

    /// A row in words.
    pub(super) fn line(&self, row: &DiffRow) -> Line {
        let end = |names: &[String]| match names {
            [world] if world == "world" => outside(row),
            names => self.summed(names),
        };
        let told = |list: &[ReachPorts], ipv6: &Option<Vec<ReachPorts>>| {
            let told = |list: &[ReachPorts]| match list {
                [] => "nothing".to_owned(),
                list => ports::ports(list),
            };
            match ipv6 {
                None => told(list),
                Some(ipv6) => format!("{}; IPv6: {}", told(list), told(ipv6)),
            }
        };
        let sign = Sign::of(row);
        let before = told(&row.before, &row.before_ipv6);
        let after = told(&row.after, &row.after_ipv6);
        let (ports, was) = match sign {
            Sign::Gained if before == "nothing" => (after, None),
            Sign::Lost if after == "nothing" => (before, None),
            // For some of the pods, or for certain requests.
            _ if before == after => (after, Some("for other pods".to_owned())),
            _ => (after, Some(before)),
        };
        Line {
            sign,
            widens: row.widens,
            narrows: row.narrows,
            from: end(&row.from),
            to: end(&row.to),
            ports,
            was,
        }
    }
}

/// More metadata services than this are counted.
const MOST_METADATA: usize = 2;

/// More pieces than this are counted.
const MOST_ADDRESSES: usize = 4;

/// `world 198.51.100.0-198.51.100.9, 198.51.100.12-198.51.100.255 (documentation)`
fn outside(row: &DiffRow) -> String {
    let Some(external) = &row.external else {
        return "world".to_owned();
    };
    let mut remarks = Vec::new();
    if row.widens {
        remarks.clone_from(&external.names);
    }
    match external.metadata.as_slice() {
        // What can no longer be reached needs no warning.
        _ if !row.widens => {}
        [] => {}
        list if list.len() > MOST_METADATA => {
            remarks.push(format!("{} metadata addresses", list.len()));
        }
        list => remarks.push(format!("metadata {}", list.join(", "))),
    }
    let remarks = match remarks.as_slice() {
        [] => String::new(),
        remarks => format!(" ({})", one_line(&remarks.join(", "))),
    };
    let told = ports::told_addresses(&external.addresses);
    let mut told = told.unwrap_or_else(|| {
        let plain = |address: &String| {
            let alone = address.strip_suffix("/32").or(address.strip_suffix("/128"));
            one_line(alone.unwrap_or(address))
        };
        external.addresses.iter().map(plain).collect()
    });
    told.extend(external.domains.iter().map(|domain| one_line(domain)));
    let more = told.len().saturating_sub(MOST_ADDRESSES);
    if more > 0 {
        told.truncate(MOST_ADDRESSES);
        told.push(count(more, "more range"));
    }
    let told = told.join(", ");
    match told.starts_with("world") {
        true => format!("{told}{remarks}"),
        false => format!("world {told}{remarks}"),
    }
}

/// The rows of a cause, what nobody should miss first: what is opened, to metadata services and to the
/// outside before all other, then what is cut.
pub(super) fn rows(cause: &DiffCause) -> Vec<&DiffRow> {
    let rank = |row: &&DiffRow| {
        let metadata = row
            .external
            .as_ref()
            .is_some_and(|external| !external.metadata.is_empty());
        let uncertain = Sign::of(row) == Sign::Uncertain;
        (uncertain, !row.widens, !metadata, row.external.is_none())
    };
    let mut rows: Vec<&DiffRow> = cause.rows.iter().collect();
    rows.sort_by_key(rank);
    rows
}
