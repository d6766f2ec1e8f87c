//! What all formats say alike: short names of units, what became of an object, and rows in words.

use std::collections::BTreeMap;

use watertight_core::report::diff::{
    DiffCause, DiffEdit, DiffObject, DiffReport, DiffRow, DiffValue, ObservedChange,
};
use watertight_core::report::reach::ReachPorts;
use watertight_core::report::{Evidence, Finding, Location};
use watertight_core::rules::count;

use crate::output::reach::words as ports;
use crate::output::{connection, one_line, shortened};

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

/// More pieces than this are counted.
const MOST_ADDRESSES: usize = 4;

/// `world 198.51.100.0-198.51.100.9, 198.51.100.12-198.51.100.255 (documentation)`
fn outside(row: &DiffRow) -> String {
    let Some(external) = &row.external else {
        return "world".to_owned();
    };
    let mut remarks = external.names.clone();
    if !external.metadata.is_empty() {
        remarks.push(format!("metadata {}", external.metadata.join(", ")));
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

/// `NetworkPolicy shop/allow-dns`
pub(super) fn object(object: &DiffObject) -> String {
    let name = match &object.namespace {
        Some(namespace) => format!("{namespace}/{}", object.name),
        None => object.name.clone(),
    };
    one_line(&format!("{} {name}", object.kind))
}

/// `NetworkPolicy shop/allow-dns added`
pub(super) fn became(changed: &DiffObject) -> String {
    format!("{} {}", object(changed), one_line(&changed.change))
}

/// What caused something, in one line.
pub(super) fn title(cause: &DiffCause) -> String {
    match cause.objects.as_slice() {
        [] => "addresses, nodes or assumptions".to_owned(),
        [one] => became(one),
        several => {
            let all: Vec<_> = several.iter().map(became).collect();
            format!("together: {}", all.join(" and "))
        }
    }
}

/// What became of the objects of a cause, as a mark.
pub(super) fn mark(cause: &DiffCause) -> char {
    let all = |word: &str| cause.objects.iter().all(|object| object.change == word);
    if cause.objects.is_empty() {
        '~'
    } else if all("added") {
        '+'
    } else if all("removed") {
        '-'
    } else {
        '~'
    }
}

/// `path:line` of an object: where it is, or where it was.
pub(super) fn place(changed: &DiffObject) -> Option<String> {
    let at = changed.new.as_ref().or(changed.old.as_ref())?;
    Some(at_line(at))
}

/// `path:line` of a cause that is one object.
pub(super) fn place_of(cause: &DiffCause) -> Option<String> {
    match cause.objects.as_slice() {
        [one] => place(one),
        _ => None,
    }
}

/// `path:line`
pub(super) fn at_line(at: &Location) -> String {
    format!("{}:{}", one_line(&at.path), at.line)
}

/// A value of a manifest is cut here.
const MOST_VALUE: usize = 60;

/// A value as it is written.
pub(super) fn value(value: &DiffValue) -> String {
    shortened(&one_line(&value.text), MOST_VALUE).into_owned()
}

/// `spec.podSelector.matchLabels.app: catalogue -> catalog`
pub(super) fn edit(edit: &DiffEdit) -> String {
    let told = match (&edit.old, &edit.new) {
        (Some(old), Some(new)) => format!("{} -> {}", value(old), value(new)),
        (None, Some(new)) => format!("added {}", value(new)),
        (Some(old), None) => format!("removed {}", value(old)),
        (None, None) => "differs".to_owned(),
    };
    format!("{}: {told}", one_line(&edit.path))
}

/// What differs in an object, line by line.
pub(super) fn remarks(changed: &DiffObject) -> Vec<String> {
    let notes = changed.notes.iter().map(|note| one_line(note));
    changed.edits.iter().map(edit).chain(notes).collect()
}

/// `denied: NetworkPolicy shop/default-deny isolates it (k8s/shop.yaml:4)`
pub(super) fn answer(evidence: &Evidence) -> String {
    let word = match evidence.verdict.as_str() {
        "allow" => "allowed",
        "deny" => "denied",
        _ => "uncertain",
    };
    let because = one_line(&evidence.because);
    match &evidence.by {
        Some(by) => format!("{word}: {because} ({})", at_line(by)),
        None => format!("{word}: {because}"),
    }
}

/// `shop/web -> shop/db:5432/tcp`
pub(super) fn observed(observed: &ObservedChange) -> String {
    let to = match observed.to.strip_prefix("ip:") {
        Some(ip) if ip.contains(':') && observed.port.is_some() => format!("ip:[{ip}]"),
        _ => observed.to.clone(),
    };
    let port = observed
        .port
        .map_or(String::new(), |port| format!(":{port}"));
    let protocol = &observed.protocol;
    one_line(&format!("{} -> {to}{port}/{protocol}", observed.from))
}

/// `shop/web -> shop/db:5432/tcp`
pub(super) fn asked(evidence: &Evidence) -> String {
    one_line(&connection(evidence))
}

/// `1 time`, `88 times`
pub(super) fn times(times: u64) -> String {
    match times {
        1 => "1 time".to_owned(),
        times => format!("{times} times"),
    }
}

/// Observed connections that would be cut, and those that get another answer.
pub(super) fn by_outcome(report: &DiffReport) -> [Vec<&ObservedChange>; 2] {
    let observed = report.observed.iter();
    let (cut, other) = observed.partition(|observed| observed.change == "cut");
    [cut, other]
}

/// Findings that the change brings, and those that it settles.
pub(super) fn findings(report: &DiffReport) -> [&[Finding]; 2] {
    match &report.findings {
        Some(delta) => [&delta.introduced, &delta.resolved],
        None => [&[], &[]],
    }
}

/// Whether it is safe: one sentence.
pub(super) fn verdict(report: &DiffReport) -> String {
    one_line(&report.verdict.sentence)
}

/// More policies than this are counted.
const MOST_NAMED: usize = 8;

/// Objects without an effect in one line: policies by name, the others counted by kind.
pub(super) fn without_effect(report: &DiffReport) -> Option<String> {
    if report.unaffecting.is_empty() {
        return None;
    }
    let is_policy = |changed: &&DiffObject| changed.kind.contains("Policy");
    let (policies, others): (Vec<_>, Vec<_>) = report.unaffecting.iter().partition(is_policy);
    let named = policies.iter().take(MOST_NAMED);
    let mut told: Vec<String> = named.map(|policy| became(policy)).collect();
    let more = policies.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        told.push(count(more, "more policy"));
    }
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for other in others {
        *kinds.entry(&other.kind).or_default() += 1;
    }
    let kinds = kinds.iter();
    told.extend(kinds.map(|(kind, number)| count(*number, &one_line(kind))));
    Some(told.join(", "))
}
