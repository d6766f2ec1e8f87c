//! A starting file: today's map as YAML, short enough to be read and changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::pin::{PinError, pin};
use super::{Claim, Exactly, Ports, Whom};
use crate::analysis::parties::PortQuery;
use crate::diag::scalar;
use crate::manifest::Direction;
use crate::report::API_VERSION;
use crate::report::reach::SavedMap;

const HEAD: &str = "\
# What the policies allow today, and nothing else: `watertight test` fails when that changes.
# Change it into what you want: give statements names and reasons, take out what does not matter, and
# write `expect: fail` where there is a gap that you know of. docs/test.md describes the file.
";

/// Lines are not made longer than this where that can be helped.
const WIDTH: usize = 100;

/// The file for a map.
///
/// # Errors
/// When the map is one of a part of the cluster, or one of namespaces.
pub fn generate(report: &SavedMap) -> Result<String, PinError> {
    let statements = pin(report)?;
    let short = Short::new(report);
    let mut out = String::from(HEAD);
    out.push_str(&format!("apiVersion: {API_VERSION}\nkind: Intents\n"));
    if statements.is_empty() {
        out.push_str("statements: []\n");
        return Ok(out);
    }
    out.push_str("statements:\n");
    for statement in &statements {
        out.push_str(&format!("  - name: {}\n", plain(&statement.name)));
        if let Claim::Exactly(exactly) = &statement.claim {
            short.exactly(exactly, &mut out);
        }
    }
    Ok(out)
}

/// Shorter names for many.
struct Short<'r> {
    /// By namespace: the units in it.
    namespaces: BTreeMap<&'r str, BTreeSet<&'r str>>,
    /// All units but nodes.
    pods: usize,
    nodes: BTreeSet<&'r str>,
}

impl<'r> Short<'r> {
    fn new(report: &'r SavedMap) -> Self {
        let mut short = Self {
            namespaces: BTreeMap::new(),
            pods: 0,
            nodes: BTreeSet::new(),
        };
        for unit in &report.units {
            match unit.name.split_once('/') {
                Some((namespace, _)) if unit.kind != "node" => {
                    short.pods += 1;
                    let known = short.namespaces.entry(namespace).or_default();
                    known.insert(&unit.name);
                }
                _ => {
                    short.nodes.insert(&unit.name);
                }
            }
        }
        short
    }

    /// Names with whole namespaces and whole clusters in their place.
    fn names(&self, whom: &Whom) -> Vec<String> {
        let given: Vec<&str> = whom.parts.iter().map(|part| &*part.text).collect();
        let all: BTreeSet<&str> = given.iter().copied().collect();
        let is_whole = |units: &BTreeSet<&str>| units.is_subset(&all);
        let whole = self.namespaces.values().filter(|units| is_whole(units));
        let mut found = Vec::new();
        if self.pods > 1 && whole.map(BTreeSet::len).sum::<usize>() == self.pods {
            found.push("pods".to_owned());
            let others = given.iter().filter(|name| {
                let namespace = name.split_once('/').map(|(namespace, _)| namespace);
                namespace.is_none_or(|namespace| !self.namespaces.contains_key(namespace))
                    || self.nodes.contains(*name)
            });
            found.extend(others.map(|name| (*name).to_owned()));
            return found;
        }
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for name in given {
            let namespace = name.split_once('/').map(|(namespace, _)| namespace);
            let units = namespace.and_then(|namespace| self.namespaces.get(namespace));
            match (namespace, units) {
                (Some(namespace), Some(units))
                    if units.len() > 1 && units.contains(name) && is_whole(units) =>
                {
                    if done.insert(namespace) {
                        found.push(format!("ns:{namespace}"));
                    }
                }
                _ => found.push(name.to_owned()),
            }
        }
        found
    }

    fn exactly(&self, exactly: &Exactly, out: &mut String) {
        let (own, other) = match exactly.direction {
            Direction::Egress => ("from", "to"),
            Direction::Ingress => ("to", "from"),
        };
        out.push_str("    exactly:\n");
        list(out, 6, own, &self.names(&exactly.subject));
        if let Some(among) = &exactly.among {
            list(out, 6, "among", &self.names(among));
        }
        if !exactly.ports.is_all() {
            list(out, 6, "ports", &ports(&exactly.ports));
        }
        if exactly.allowed.is_empty() {
            out.push_str("      allowed: []\n");
            return;
        }
        out.push_str("      allowed:\n");
        for item in &exactly.allowed {
            let mut entry = String::new();
            list(&mut entry, 10, other, &self.names(&item.peers));
            list(&mut entry, 10, "ports", &ports(&item.ports));
            let flags = [
                (item.tag.uncertain, "verdict: uncertain"),
                (item.tag.some, "some: true"),
                (item.tag.conditional, "conditional: true"),
                (item.ipv6, "ipv6: true"),
            ];
            for (_, text) in flags.iter().filter(|(is, _)| *is) {
                let _ = writeln!(entry, "          {text}");
            }
            // The dash goes in front of the first line.
            out.push_str("        - ");
            out.push_str(entry.trim_start());
        }
    }
}

/// A text as YAML: without quotes where it can do without. INVARIANT: what begins with a letter or has a
/// slash in it is no number, no date and no boolean.
fn plain(text: &str) -> std::borrow::Cow<'_, str> {
    let letters = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || " ./:_-".contains(c));
    let first = text.chars().next();
    let begins = first.is_some_and(|c| c.is_ascii_alphabetic() && text.contains([' ', ':']))
        || first.is_some_and(|c| c.is_ascii_alphanumeric() && text.contains('/'));
    let ends = text.ends_with(|c: char| c.is_ascii_alphanumeric());
    if letters && begins && ends && !text.contains(": ") && !text.contains(" -") {
        std::borrow::Cow::Borrowed(text)
    } else {
        scalar(text)
    }
}

/// `key: one`, `key: [one, two]`, or one on each line.
fn list(out: &mut String, indent: usize, key: &str, items: &[String]) {
    let shown: Vec<_> = items.iter().map(|item| plain(item)).collect();
    let pad = " ".repeat(indent);
    if let ([one], true) = (shown.as_slice(), key != "ports") {
        out.push_str(&format!("{pad}{key}: {one}\n"));
        return;
    }
    let line = format!("{pad}{key}: [{}]", shown.join(", "));
    if line.len() <= WIDTH {
        out.push_str(&line);
        out.push('\n');
        return;
    }
    out.push_str(&format!("{pad}{key}:\n"));
    for item in shown {
        out.push_str(&format!("{pad}  - {item}\n"));
    }
}

fn ports(ports: &Ports) -> Vec<String> {
    if ports.none {
        return vec!["none".into()];
    }
    let whole = |query: &PortQuery| {
        matches!(
            query,
            PortQuery::Range {
                first: 1,
                last: u16::MAX,
                ..
            }
        )
    };
    if ports.is_all() || ports.asked.len() == 3 && ports.asked.iter().all(whole) {
        return vec!["any".into()];
    }
    ports.asked.iter().map(ToString::to_string).collect()
}
