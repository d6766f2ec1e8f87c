//! Which objects are not what they were: policies, by name, and workloads and namespaces, by what
//! selectors and rules look at.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::edits::{self, Edit};
use super::joint::Joint;
use crate::analysis::felt::Felt;
use crate::eval::Party;
use crate::policy::Origin;
use crate::source::{Sources, Span};
use crate::world::{EndpointId, Labels, NamespaceId, Port, Symbol, Symbols, World};

/// How an object differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// It was not there before.
    Added,
    /// It is there no more.
    Removed,
    /// It says something else.
    Edited,
}

/// A policy object that is not what it was.
#[derive(Clone, Debug)]
pub struct ObjectChange {
    /// How it differs.
    pub what: What,
    /// The kind.
    pub kind: &'static str,
    /// Its namespace, unless it is cluster-wide.
    pub namespace: Option<Box<str>>,
    /// Its name.
    pub name: Box<str>,
    /// Where its name is in the old world.
    pub old: Option<Span>,
    /// Where its name is in the new world.
    pub new: Option<Span>,
    /// What is written otherwise; empty for what is new or gone.
    pub edits: Vec<Edit>,
}

/// A policy of a world as it can be found in another one.
type Key<'w> = (&'static str, &'static str, Option<&'w str>, &'w str);

/// All policies that may have changed, in the order of their keys.
fn policies<'w>(world: &'w World, felt: Option<&Felt>) -> Vec<(Key<'w>, (Origin, Span))> {
    let name = |id: NamespaceId| &*world[id].name;
    let touched = world.policy_ids();
    let touched =
        touched.filter(|id| felt.is_none_or(|felt| felt.is_touched(world[*id].namespace)));
    let kubernetes = touched.map(|id| {
        let policy = &world[id];
        let key = (
            "NetworkPolicy",
            "",
            Some(name(policy.namespace)),
            &*policy.name,
        );
        (key, (Origin::Kubernetes(id), policy.span))
    });
    let objects = world.object_ids().map(|id| {
        let item = &world[id];
        let namespace = item.namespace.map(name);
        let key = (item.kind.kind, item.kind.group, namespace, &*item.name);
        (key, (Origin::Object(id), item.span))
    });
    let mut all: Vec<_> = kubernetes.chain(objects).collect();
    all.sort_by_key(|(key, _)| *key);
    all.dedup_by(|(later, of_later), (key, of)| {
        let same = later == key;
        if same {
            *of = *of_later;
        }
        same
    });
    all
}

/// All changed policies, and which of them a policy of either world is.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub objects: Vec<ObjectChange>,
    of_old: FxHashMap<(bool, usize), usize>,
    of_new: FxHashMap<(bool, usize), usize>,
}

fn index(origin: Origin) -> Option<(bool, usize)> {
    match origin {
        Origin::Kubernetes(id) => Some((false, id.index())),
        Origin::Object(id) => Some((true, id.index())),
        Origin::Engine(..) => None,
    }
}

impl Changed {
    pub(super) fn find(sources: &Sources, [old, new]: [&World; 2], felt: Option<&Felt>) -> Self {
        let (before, after) = (policies(old, felt), policies(new, felt));
        let mut found = Self::default();
        let mut kept: Vec<(&Key<'_>, Origin, Origin)> = Vec::new();
        let mut pairs: Vec<(Span, Span)> = Vec::new();
        let (mut before, mut after) = (before.iter().peekable(), after.iter().peekable());
        loop {
            let order = match (before.peek(), after.peek()) {
                (Some((a, _)), Some((b, _))) => a.cmp(b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let a = before.next_if(|_| order != Ordering::Greater);
            let b = after.next_if(|_| order != Ordering::Less);
            match (a, b) {
                (Some((_, (_, a))), Some((_, (_, b))))
                    if a == b || sources.text(*a) == sources.text(*b) => {}
                (Some((key, (origin, a))), Some((_, (other, b)))) => {
                    kept.push((key, *origin, *other));
                    pairs.push((*a, *b));
                }
                (Some((key, (origin, _))), None) => {
                    found.add((old, new), key, [Some(*origin), None]);
                }
                (None, Some((key, (origin, _)))) => {
                    found.add((old, new), key, [None, Some(*origin)]);
                }
                (None, None) => break,
            }
        }
        let edits = edits::find(sources, &pairs);
        for ((key, origin, other), edits) in kept.into_iter().zip(edits) {
            if !edits.is_empty() {
                found.add((old, new), key, [Some(origin), Some(other)]);
                if let Some(last) = found.objects.last_mut() {
                    last.edits = edits;
                }
            }
        }
        found
    }

    fn add(&mut self, (old, new): (&World, &World), key: &Key<'_>, origins: [Option<Origin>; 2]) {
        let [before, after] = origins;
        let (kind, _, namespace, name) = key;
        let number = self.objects.len();
        if let Some(index) = before.and_then(index) {
            self.of_old.insert(index, number);
        }
        if let Some(index) = after.and_then(index) {
            self.of_new.insert(index, number);
        }
        self.objects.push(ObjectChange {
            what: match origins {
                [None, _] => What::Added,
                [_, None] => What::Removed,
                _ => What::Edited,
            },
            kind,
            namespace: namespace.map(Into::into),
            name: (*name).into(),
            old: before.and_then(|origin| origin.name_span(old)),
            new: after.and_then(|origin| origin.name_span(new)),
            edits: Vec::new(),
        });
    }

    /// The change of a policy of the old world.
    pub(super) fn of_old(&self, origin: Origin) -> Option<usize> {
        self.of_old.get(&index(origin)?).copied()
    }

    /// The change of a policy of the new world.
    pub(super) fn of_new(&self, origin: Origin) -> Option<usize> {
        self.of_new.get(&index(origin)?).copied()
    }
}

/// What selectors and rules look at in the pods of a unit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape<'w> {
    labels: BTreeMap<&'w str, &'w str>,
    ports: Vec<(Option<&'w str>, u16, crate::sets::Protocol)>,
    account: Option<&'w str>,
    on_host: bool,
}

/// How the pods of a unit differ from what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitChange {
    /// The unit, by number.
    pub unit: u32,
    /// How.
    pub what: What,
    /// In the old world, an object of it.
    pub old: Option<Span>,
    /// In the new world.
    pub new: Option<Span>,
    /// In words, one for each thing that differs: `label app: web -> api`.
    pub notes: Vec<String>,
}

/// A namespace with other labels than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceChange {
    /// The name.
    pub name: Box<str>,
    /// Where its labels or its name are, in the old world.
    pub old: Option<Span>,
    /// In the new world.
    pub new: Option<Span>,
    /// In words: `label team: web -> api`.
    pub notes: Vec<String>,
}

fn shape<'w>(world: &'w World, id: EndpointId) -> Shape<'w> {
    let endpoint = &world[id];
    let text = |symbol| world.symbols.text(symbol);
    let port = |port: &Port| (port.name.map(text), port.number, port.protocol);
    let mut ports: Vec<_> = endpoint.ports.iter().map(port).collect();
    ports.sort_unstable();
    Shape {
        labels: labels(&world.symbols, &endpoint.labels),
        ports,
        account: endpoint.service_account.as_deref(),
        on_host: endpoint.host_network.is_some(),
    }
}

fn labels<'w>(symbols: &'w Symbols, labels: &'w Labels) -> BTreeMap<&'w str, &'w str> {
    let labels = labels.iter();
    labels
        .map(|(key, value)| (symbols.text(*key), symbols.text(*value)))
        // Differs from one roll-out to the next, and no policy looks at it.
        .filter(|(key, _)| !matches!(*key, "pod-template-hash" | "controller-revision-hash"))
        .collect()
}

/// What two sets of labels differ in, in words.
fn label_notes(old: &BTreeMap<&str, &str>, new: &BTreeMap<&str, &str>, notes: &mut Vec<String>) {
    let keys: BTreeSet<&&str> = old.keys().chain(new.keys()).collect();
    for key in keys {
        match (old.get(*key), new.get(*key)) {
            (Some(a), Some(b)) if a != b => notes.push(format!("label {key}: {a} -> {b}")),
            (Some(a), None) => notes.push(format!("label {key}: {a} removed")),
            (None, Some(b)) => notes.push(format!("label {key}: {b} added")),
            _ => {}
        }
    }
}

/// Every unit of pods that differs.
pub(super) fn units(joint: &Joint, [old, new]: [&World; 2]) -> Vec<UnitChange> {
    let mut found = Vec::new();
    let translated = Translated::new([old, new]);
    for (unit, of) in (0..).zip(&joint.units) {
        let [before, after] = joint.both(*of);
        let shapes = |world: &'_ World, members: &[Party]| {
            let pods = members.iter().filter_map(|party| match party {
                Party::Endpoint(id) => Some(shape(world, *id)),
                _ => None,
            });
            // Owned: both worlds are compared by text.
            pods.map(|shape| format!("{shape:?}"))
                .collect::<BTreeSet<_>>()
        };
        let span = |world: &World, members: &[Party]| {
            members.iter().find_map(|party| match party {
                Party::Endpoint(id) => {
                    let workload = world[*id].workload.and_then(|id| world[id].span);
                    workload.or(world[*id].span)
                }
                Party::Node(id) => world[*id].span,
                _ => None,
            })
        };
        let a = before.map_or(&[][..], |unit| joint.old.parties_of(unit));
        let b = after.map_or(&[][..], |unit| joint.new.parties_of(unit));
        let what = match (before, after) {
            (None, _) => What::Added,
            (_, None) => What::Removed,
            _ => What::Edited,
        };
        let mut notes = Vec::new();
        if what == What::Edited {
            if translated.are_plainly_same(a, b) || shapes(old, a) == shapes(new, b) {
                continue;
            }
            notes = unit_notes((old, a), (new, b));
        }
        found.push(UnitChange {
            unit,
            what,
            old: span(old, a),
            new: span(new, b),
            notes,
        });
    }
    found
}

/// From the texts of one world to those of another, so that labels are compared as numbers.
struct Translated<'w> {
    old: &'w World,
    new: &'w World,
    /// By symbol of the old world.
    symbols: Vec<Option<Symbol>>,
}

impl<'w> Translated<'w> {
    fn new([old, new]: [&'w World; 2]) -> Self {
        let symbols = old.symbols.texts().map(|text| new.symbols.get(text));
        Self {
            old,
            new,
            symbols: symbols.collect(),
        }
    }

    fn of(&self, symbol: Symbol) -> Option<Symbol> {
        self.symbols
            .get(symbol.number() as usize)
            .copied()
            .flatten()
    }

    /// The usual case, without making texts: as many pods as before in the same order.
    fn are_plainly_same(&self, a: &[Party], b: &[Party]) -> bool {
        a.len() == b.len()
            && a.iter().zip(b).all(|pair| match pair {
                (Party::Endpoint(a), Party::Endpoint(b)) => self.is_same(*a, *b),
                (Party::Node(_), Party::Node(_)) => true,
                _ => false,
            })
    }

    fn is_same(&self, a: EndpointId, b: EndpointId) -> bool {
        let (a, b) = (&self.old[a], &self.new[b]);
        let label = |(key, value): &(Symbol, Symbol)| {
            let pair = self.of(*key).zip(self.of(*value));
            pair.is_some_and(|pair| b.labels.contains(&pair))
        };
        let port = |(a, b): (&Port, &Port)| {
            (a.number, a.protocol) == (b.number, b.protocol)
                && a.name.map(|name| self.of(name)) == b.name.map(Some)
        };
        a.labels.len() == b.labels.len()
            && a.ports.len() == b.ports.len()
            && a.labels.iter().all(label)
            && a.ports.iter().zip(b.ports.iter()).all(port)
            && a.service_account == b.service_account
            && a.host_network.is_some() == b.host_network.is_some()
    }
}

fn unit_notes((old, a): (&World, &[Party]), (new, b): (&World, &[Party])) -> Vec<String> {
    let first = |parties: &[Party]| {
        parties.iter().find_map(|party| match party {
            Party::Endpoint(id) => Some(*id),
            _ => None,
        })
    };
    let mut notes = Vec::new();
    if let (Some(a), Some(b)) = (first(a), first(b)) {
        let (a, b) = (shape(old, a), shape(new, b));
        label_notes(&a.labels, &b.labels, &mut notes);
        if a.ports != b.ports {
            notes.push("other container ports".into());
        }
        if a.account != b.account {
            let name = |account: Option<&str>| account.unwrap_or("default").to_owned();
            notes.push(format!(
                "service account {} -> {}",
                name(a.account),
                name(b.account)
            ));
        }
        match (a.on_host, b.on_host) {
            (false, true) => notes.push("now on the host network".into()),
            (true, false) => notes.push("no longer on the host network".into()),
            _ => {}
        }
    }
    if notes.is_empty() {
        notes.push("other pods".into());
    }
    notes
}

/// Every namespace with other labels.
pub(super) fn namespaces([old, new]: [&World; 2]) -> Vec<NamespaceChange> {
    let mut found = Vec::new();
    for id in new.namespace_ids() {
        let Some(other) = old.namespace(&new[id].name) else {
            continue;
        };
        let (a, b) = (&old[other], &new[id]);
        let mut notes = Vec::new();
        label_notes(
            &labels(&old.symbols, &a.labels),
            &labels(&new.symbols, &b.labels),
            &mut notes,
        );
        if !notes.is_empty() {
            found.push(NamespaceChange {
                name: b.name.clone(),
                old: a.labels_span.or(a.span),
                new: b.labels_span.or(b.span),
                notes,
            });
        }
    }
    found
}
