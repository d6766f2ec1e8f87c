//! Policies as text: plain YAML in block style, with a comment where somebody would ask why.
//!
//! INVARIANT: what is written here, the reader of manifests takes back without a complaint.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::needs::Ports;
use super::units::Term;
use crate::diag::scalar;
use crate::manifest::Direction;
use crate::world::NAME_LABEL;

/// Somebody at the other end of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PeerText<'p> {
    /// Pods of these namespaces; of the policy's own if none is named.
    Pods(Vec<&'p str>, &'p [Term]),
    /// Of these namespaces, the pods whose label of this key has one of these values.
    OneOf(Vec<&'p str>, &'p str, Vec<&'p str>),
    /// All pods of all namespaces.
    AllPods,
    /// Addresses.
    Block(IpNet, Vec<IpNet>),
}

/// A rule with the comments above it.
#[derive(Clone, Debug)]
pub(super) struct RuleText<'p> {
    pub comments: Vec<String>,
    pub peers: Vec<PeerText<'p>>,
    /// Empty for all ports.
    pub ports: BTreeSet<Ports>,
}

/// A NetworkPolicy.
#[derive(Clone, Debug)]
pub(super) struct PolicyText<'p> {
    pub comments: Vec<String>,
    pub name: String,
    pub namespace: String,
    pub pods: &'p [Term],
    pub types: Vec<Direction>,
    pub ingress: Vec<RuleText<'p>>,
    pub egress: Vec<RuleText<'p>>,
    /// Comments behind the last rule.
    pub trailing: Vec<String>,
}

/// The label by which everything that is made here can be found.
pub(super) const MANAGED: (&str, &str) = ("app.kubernetes.io/managed-by", "watertight");

/// A writer of lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub text: String,
}

impl Lines {
    /// A line at a depth of two spaces each.
    pub(super) fn line(&mut self, depth: usize, text: &str) {
        self.start(depth, text);
        self.text.push('\n');
    }

    /// A comment, wrapped.
    pub(super) fn comment(&mut self, depth: usize, text: &str) {
        let room = 98_usize.saturating_sub(depth * 2);
        self.start(depth, "#");
        let mut used = 0;
        for word in text.split_whitespace() {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > room {
                self.text.push('\n');
                self.start(depth, "#");
                used = 0;
            }
            used += length + usize::from(used > 0);
            self.text.push(' ');
            self.text.push_str(word);
        }
        if used == 0 {
            self.text.push(' ');
        }
        self.text.push('\n');
    }

    /// The first text of a line.
    fn start(&mut self, depth: usize, text: &str) {
        self.text.extend(std::iter::repeat_n("  ", depth));
        self.text.push_str(text);
    }

    /// A line with a key and its value.
    fn pair(&mut self, depth: usize, key: &str, value: &str) {
        self.start(depth, key);
        self.text.push_str(": ");
        self.text.push_str(value);
        self.text.push('\n');
    }

    /// Starts the next document.
    pub(super) fn document(&mut self) {
        if !self.text.is_empty() {
            self.text.push_str("---\n");
        }
    }
}

impl PolicyText<'_> {
    pub(super) fn write(&self, out: &mut Lines) {
        out.document();
        for comment in &self.comments {
            out.comment(0, comment);
        }
        out.line(0, "apiVersion: networking.k8s.io/v1");
        out.line(0, "kind: NetworkPolicy");
        out.line(0, "metadata:");
        out.pair(1, "name", &scalar(&self.name));
        out.pair(1, "namespace", &scalar(&self.namespace));
        out.line(1, "labels:");
        out.pair(2, MANAGED.0, MANAGED.1);
        out.line(0, "spec:");
        selector(out, 1, "podSelector", self.pods);
        let types: Vec<_> = self.types.iter().map(|direction| direction.api()).collect();
        out.line(1, &format!("policyTypes: [{}]", types.join(", ")));
        for (direction, rules) in [
            (Direction::Ingress, &self.ingress),
            (Direction::Egress, &self.egress),
        ] {
            if rules.is_empty() {
                continue;
            }
            out.line(1, &format!("{}:", direction.word()));
            for rule in rules {
                rule.write(out, direction);
            }
        }
        for comment in &self.trailing {
            out.line(1, &format!("# {comment}"));
        }
    }
}

impl RuleText<'_> {
    /// The same pods of several namespaces become one peer, at the place of the first. Selectors of
    /// both kinds must hold (K-26), so that this names the same pods.
    pub(super) fn join_peers(&mut self) {
        let mut at: BTreeMap<&[Term], usize> = BTreeMap::new();
        let mut joined: Vec<PeerText<'_>> = Vec::new();
        for peer in std::mem::take(&mut self.peers) {
            let PeerText::Pods(names, terms) = peer else {
                joined.push(peer);
                continue;
            };
            let first = at.get(terms).filter(|_| !names.is_empty());
            match first.and_then(|at| joined.get_mut(*at)) {
                Some(PeerText::Pods(known, _)) => known.extend(names),
                _ => {
                    if !names.is_empty() {
                        at.insert(terms, joined.len());
                    }
                    joined.push(PeerText::Pods(names, terms));
                }
            }
        }
        self.peers = with_one_of(&joined);
    }

    /// The rule at a depth of one, as an item of the list of its direction.
    pub(super) fn write(&self, out: &mut Lines, direction: Direction) {
        for comment in &self.comments {
            out.comment(1, comment);
        }
        out.line(1, &format!("- {}:", direction.peer_field()));
        for peer in &self.peers {
            peer.write(out);
        }
        if self.ports.is_empty() || self.ports.contains(&Ports::All) {
            return;
        }
        out.line(2, "ports:");
        for ports in &self.ports {
            let Ports::Range(protocol, first, last) = ports else {
                continue;
            };
            out.pair(2, "- protocol", protocol.api());
            if *first <= 1 && *last == u16::MAX {
                continue;
            }
            out.line(3, &format!("port: {first}"));
            if first != last {
                out.line(3, &format!("endPort: {last}"));
            }
        }
    }
}

/// Peers in the same namespaces that one label tells apart become one, at the place of the first.
fn with_one_of<'p>(peers: &[PeerText<'p>]) -> Vec<PeerText<'p>> {
    let mut values: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for (names, key, value) in peers.iter().filter_map(PeerText::label) {
        values.entry((names, key)).or_default().push(value);
    }
    let joined = peers.iter().filter_map(|peer| {
        let Some((names, key, _)) = peer.label() else {
            return Some(peer.clone());
        };
        let values = values.remove(&(names, key))?;
        Some(match values.len() {
            1 => peer.clone(),
            _ => PeerText::OneOf(names.to_vec(), key, values),
        })
    });
    joined.collect()
}

impl<'p> PeerText<'p> {
    /// The namespaces, and the only label that tells the pods.
    fn label(&self) -> Option<(&[&'p str], &'p str, &'p str)> {
        match self {
            Self::Pods(names, [Term::Is(key, value)]) => Some((names, key, value)),
            _ => None,
        }
    }

    fn write(&self, out: &mut Lines) {
        match self {
            Self::AllPods => out.line(2, "- namespaceSelector: {}"),
            Self::Pods(namespaces, terms) => {
                let mut inner = Lines::default();
                named(&mut inner, namespaces);
                if namespaces.is_empty() || !terms.is_empty() {
                    selector(&mut inner, 3, "podSelector", terms);
                }
                itemise(out, &inner.text);
            }
            Self::OneOf(namespaces, key, values) => {
                let mut inner = Lines::default();
                named(&mut inner, namespaces);
                inner.line(3, "podSelector:");
                one_of(&mut inner, key, values);
                itemise(out, &inner.text);
            }
            Self::Block(net, except) => {
                out.line(2, "- ipBlock:");
                out.line(4, &format!("cidr: {}", block(*net)));
                if !except.is_empty() {
                    out.line(4, "except:");
                    for net in except {
                        out.line(4, &format!("- {}", block(*net)));
                    }
                }
            }
        }
    }
}

/// The selector of namespaces by name, at depth three; none for the policy's own.
fn named(out: &mut Lines, namespaces: &[&str]) {
    match namespaces {
        [] => {}
        [name] => {
            let name = Term::Is(NAME_LABEL.into(), (*name).into());
            selector(out, 3, "namespaceSelector", &[name]);
        }
        names => {
            out.line(3, "namespaceSelector:");
            one_of(out, NAME_LABEL, names);
        }
    }
}

/// What stands in a selector at depth three: the label has one of these values.
fn one_of(out: &mut Lines, key: &str, values: &[&str]) {
    out.line(4, "matchExpressions:");
    out.line(4, &format!("- key: {}", scalar(key)));
    out.line(5, "operator: In");
    out.line(5, "values:");
    for value in values {
        out.line(5, &format!("- {}", scalar(value)));
    }
}

/// Lines at depth three as an item of a list at depth two.
fn itemise(out: &mut Lines, text: &str) {
    let rest = text.strip_prefix("      ").unwrap_or(text);
    out.text.push_str("    - ");
    out.text.push_str(rest);
}

/// A network as YAML: IPv6 needs quotes.
pub(super) fn block(net: IpNet) -> String {
    match net {
        IpNet::V4(net) => net.to_string(),
        IpNet::V6(net) => format!("\"{net}\""),
    }
}

pub(super) fn selector(out: &mut Lines, depth: usize, field: &str, terms: &[Term]) {
    if terms.is_empty() {
        out.line(depth, &format!("{field}: {{}}"));
        return;
    }
    out.line(depth, &format!("{field}:"));
    let mut first = true;
    for term in terms {
        if let Term::Is(key, value) = term {
            if std::mem::take(&mut first) {
                out.line(depth + 1, "matchLabels:");
            }
            out.pair(depth + 2, &scalar(key), &scalar(value));
        }
    }
    let mut first = true;
    for term in terms {
        if let Term::Lacks(key) = term {
            if std::mem::take(&mut first) {
                out.line(depth + 1, "matchExpressions:");
            }
            out.line(depth + 1, &format!("- key: {}", scalar(key)));
            out.line(depth + 2, "operator: DoesNotExist");
        }
    }
}
