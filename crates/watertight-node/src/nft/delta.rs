//! What must change in the kernel for one table to become another.
//!
//! A base chain stays as long as its hook does, because a packet that waits anywhere in a queue is lost when
//! a hook goes away; a chain whose rules differ is emptied and filled again; a set of the same type gets the
//! elements it lacks. All of it is meant for one transaction.
//!
//! INVARIANT: changes can be made in the order given: what names something goes before it and comes after it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::expressions::{COMMENT, Expression, cut, lower};
use super::held::{Held, HeldRule};
use super::table::{
    Bytes, Contents, Element, Hook, Match, Rule, Set, Statement, Table, Target, Verdict,
};

/// One step of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The table comes, unless it exists.
    AddTable,
    /// All rules of a chain go.
    FlushChain(Box<str>),
    /// Elements go: those that the set given here holds.
    RemoveElements(Box<str>, Set),
    /// A set goes, with its elements.
    DeleteSet(Box<str>),
    /// A chain without rules goes.
    DeleteChain(Box<str>),
    /// A chain comes, without rules.
    AddChain(Box<str>, Option<Hook>),
    /// A set comes, without elements: one of the same kind as the empty one given here.
    AddSet(Box<str>, Set),
    /// Elements come: those that the set given here holds.
    AddElements(Box<str>, Set),
    /// Rules come, behind those that are there.
    AddRules(Box<str>, Vec<Rule>),
}

/// From nothing to a table.
#[must_use]
pub fn creation(new: &Table) -> Vec<Change> {
    let mut changes = vec![Change::AddTable];
    changes.extend(between(&Old::default(), new));
    changes
}

/// From one table to another of the same name; the kernel must hold the first exactly.
#[must_use]
pub fn changes(old: &Table, new: &Table) -> Vec<Change> {
    let chains = old.chains.iter().map(|(name, chain)| {
        let rules = Rules::Ours(&chain.rules);
        (
            &**name,
            OldChain {
                hook: chain.hook,
                is_foreign: false,
                rules,
            },
        )
    });
    let old = Old {
        sets: old
            .sets
            .iter()
            .map(|(name, set)| (&**name, Some(set)))
            .collect(),
        chains: chains.collect(),
    };
    between(&old, new)
}

/// From what the kernel was found to hold to a table of the same name. Nothing if it holds just that.
#[must_use]
pub fn adoption(held: &Held, new: &Table) -> Vec<Change> {
    let chains = held.chains.iter().map(|(name, chain)| {
        let rules = Rules::Held(&chain.rules);
        (
            &**name,
            OldChain {
                hook: chain.hook,
                is_foreign: chain.is_foreign,
                rules,
            },
        )
    });
    let old = Old {
        sets: held
            .sets
            .iter()
            .map(|(name, set)| (&**name, set.as_ref()))
            .collect(),
        chains: chains.collect(),
    };
    between(&old, new)
}

#[derive(Default)]
struct Old<'a> {
    /// None for one that is foreign.
    sets: BTreeMap<&'a str, Option<&'a Set>>,
    chains: BTreeMap<&'a str, OldChain<'a>>,
}

struct OldChain<'a> {
    hook: Option<Hook>,
    is_foreign: bool,
    rules: Rules<'a>,
}

enum Rules<'a> {
    Ours(&'a [Rule]),
    Held(&'a [HeldRule]),
}

impl Rules<'_> {
    fn are_none(&self) -> bool {
        match self {
            Self::Ours(rules) => rules.is_empty(),
            Self::Held(rules) => rules.is_empty(),
        }
    }

    fn are(&self, new: &[Rule]) -> bool {
        match self {
            Self::Ours(rules) => *rules == new,
            Self::Held(rules) => {
                let lowered = new.iter().flat_map(|rule| {
                    let comment = cut(&rule.comment, COMMENT);
                    lower(rule)
                        .into_iter()
                        .map(move |expressions| (expressions, comment))
                });
                let held = rules.iter().map(|rule| (&rule.expressions, &*rule.comment));
                let mut held = held.fuse();
                lowered
                    .into_iter()
                    .all(|(expressions, comment)| held.next() == Some((&expressions, comment)))
                    && held.next().is_none()
            }
        }
    }

    /// Whether a rule names one of these sets, as far as can be known.
    fn name_any(&self, sets: &BTreeSet<&str>) -> bool {
        if sets.is_empty() {
            return false;
        }
        match self {
            Self::Ours(rules) => rules
                .iter()
                .flat_map(named_sets)
                .any(|name| sets.contains(name)),
            Self::Held(rules) => {
                rules
                    .iter()
                    .flat_map(|rule| &rule.expressions)
                    .any(|step| match step {
                        Expression::Lookup { set, .. } => sets.contains(&**set),
                        Expression::Foreign(_) => true,
                        _ => false,
                    })
            }
        }
    }
}

fn named_sets(rule: &Rule) -> impl Iterator<Item = &str> {
    let matched = rule.matches.iter().filter_map(|condition| match condition {
        Match::In { set, .. } => Some(&**set),
        _ => None,
    });
    let done = rule
        .statements
        .iter()
        .filter_map(|statement| match statement {
            Statement::Lookup { map, .. } | Statement::Redirect(Target::Turns { map, .. }) => {
                Some(&**map)
            }
            _ => None,
        });
    matched.chain(done)
}

fn between(old: &Old<'_>, new: &Table) -> Vec<Change> {
    // A set of another type has to make room for one of the same name.
    let stays = |name: &str, was: &Option<&Set>| {
        let is = new.sets.get(name);
        was.zip(is).is_some_and(|(was, is)| is_same_kind(was, is))
    };
    let lost_sets: BTreeSet<&str> = old
        .sets
        .iter()
        .filter(|(name, was)| !stays(name, was))
        .map(|(name, _)| *name)
        .collect();
    let lost_chains: BTreeSet<&str> = old
        .chains
        .iter()
        .filter(|(name, was)| {
            new.chains
                .get(**name)
                .is_none_or(|is| was.is_foreign || was.hook != is.hook)
        })
        .map(|(name, _)| *name)
        .collect();
    // Chains that keep their rules: they say the same and name nothing that is made anew.
    let kept = |name: &str| {
        old.chains
            .get(name)
            .zip(new.chains.get(name))
            .is_some_and(|(was, is)| {
                !lost_chains.contains(name)
                    && was.rules.are(&is.rules)
                    && !was.rules.name_any(&lost_sets)
            })
    };
    let refilled: BTreeSet<&str> = new
        .chains
        .keys()
        .map(|name| &**name)
        .filter(|name| !kept(name))
        .collect();

    let mut changes = Vec::new();
    for (name, was) in &old.chains {
        if (lost_chains.contains(name) || refilled.contains(name)) && !was.rules.are_none() {
            changes.push(Change::FlushChain((*name).into()));
        }
    }
    let mut added = Vec::new();
    for (name, is) in &new.sets {
        let was = old
            .sets
            .get(&**name)
            .copied()
            .flatten()
            .filter(|was| is_same_kind(was, is));
        let (removed, more) = match was {
            Some(was) => elements(was, is),
            None => {
                added.push(Change::AddSet(name.clone(), emptied(is)));
                (emptied(is), is.clone())
            }
        };
        if !is_empty(&removed) {
            changes.push(Change::RemoveElements(name.clone(), removed));
        }
        if !is_empty(&more) {
            added.push(Change::AddElements(name.clone(), more));
        }
    }
    changes.extend(
        lost_sets
            .iter()
            .map(|name| Change::DeleteSet((*name).into())),
    );
    changes.extend(
        lost_chains
            .iter()
            .map(|name| Change::DeleteChain((*name).into())),
    );
    for (name, is) in &new.chains {
        if !old.chains.contains_key(&**name) || lost_chains.contains(&**name) {
            changes.push(Change::AddChain(name.clone(), is.hook));
        }
    }
    changes.extend(added);
    for (name, is) in &new.chains {
        if refilled.contains(&**name) && !is.rules.is_empty() {
            changes.push(Change::AddRules(name.clone(), is.rules.clone()));
        }
    }
    changes
}

fn is_same_kind(one: &Set, other: &Set) -> bool {
    let same_contents = match (&one.contents, &other.contents) {
        (Contents::Members(_), Contents::Members(_))
        | (Contents::Verdicts(_), Contents::Verdicts(_)) => true,
        (Contents::Values(one, _), Contents::Values(other, _)) => one == other,
        _ => false,
    };
    same_contents && one.key == other.key && one.ranges == other.ranges
}

fn is_empty(set: &Set) -> bool {
    match &set.contents {
        Contents::Members(members) => members.is_empty(),
        Contents::Verdicts(verdicts) => verdicts.is_empty(),
        Contents::Values(_, values) => values.is_empty(),
    }
}

/// A set of the same kind with other contents.
fn with(set: &Set, contents: Contents) -> Set {
    Set {
        key: set.key.clone(),
        ranges: set.ranges,
        contents,
    }
}

fn emptied(set: &Set) -> Set {
    let contents = match &set.contents {
        Contents::Members(_) => Contents::Members(Vec::new()),
        Contents::Verdicts(_) => Contents::Verdicts(BTreeMap::new()),
        Contents::Values(to, _) => Contents::Values(to.clone(), BTreeMap::new()),
    };
    with(set, contents)
}

/// What a set has to lose and to gain to become another of its kind. An element that leads elsewhere is lost
/// and gained.
fn elements(was: &Set, is: &Set) -> (Set, Set) {
    match (&was.contents, &is.contents) {
        (Contents::Members(was_members), Contents::Members(is_members)) => {
            // Most of a large set stays: what both begin and end with is passed over.
            let (was_members, is_members) = differing(was_members, is_members);
            let (was_members, is_members) = (sorted(was_members), sorted(is_members));
            let (lost, gained) = merge(
                was_members.iter().map(|element| (element, ())),
                is_members.iter().map(|element| (element, ())),
            );
            let members = |pairs: Pairs<()>| {
                Contents::Members(pairs.into_iter().map(|(element, ())| element).collect())
            };
            (with(was, members(lost)), with(is, members(gained)))
        }
        (Contents::Verdicts(was_verdicts), Contents::Verdicts(is_verdicts)) => {
            let (lost, gained) = merge(was_verdicts.iter(), is_verdicts.iter());
            let verdicts = |pairs: Pairs<&Verdict>| {
                Contents::Verdicts(
                    pairs
                        .into_iter()
                        .map(|(element, to)| (element, to.clone()))
                        .collect(),
                )
            };
            (with(was, verdicts(lost)), with(is, verdicts(gained)))
        }
        (Contents::Values(to, was_values), Contents::Values(_, is_values)) => {
            let (lost, gained) = merge(was_values.iter(), is_values.iter());
            let values = |pairs: Pairs<&Bytes>| {
                Contents::Values(
                    to.clone(),
                    pairs
                        .into_iter()
                        .map(|(element, value)| (element, *value))
                        .collect(),
                )
            };
            (with(was, values(lost)), with(is, values(gained)))
        }
        // Not of the same kind: asked of nobody.
        _ => (emptied(was), is.clone()),
    }
}

type Pairs<T> = Vec<(Element, T)>;

/// What is left of two lists without their common beginning and end.
fn differing<'a>(one: &'a [Element], other: &'a [Element]) -> (&'a [Element], &'a [Element]) {
    let same = one
        .iter()
        .zip(other)
        .take_while(|(one, other)| one == other)
        .count();
    let one = one.get(same..).unwrap_or_default();
    let other = other.get(same..).unwrap_or_default();
    let same = one
        .iter()
        .rev()
        .zip(other.iter().rev())
        .take_while(|(one, other)| one == other)
        .count();
    let shorter = |list: &'a [Element]| list.get(..list.len() - same).unwrap_or_default();
    (shorter(one), shorter(other))
}

fn sorted(members: &[Element]) -> Cow<'_, [Element]> {
    if members.is_sorted() {
        return Cow::Borrowed(members);
    }
    let mut members = members.to_vec();
    members.sort_unstable();
    Cow::Owned(members)
}

/// What the first has and the second has not, and the other way round. Both are in order.
fn merge<'a, T: PartialEq>(
    was: impl Iterator<Item = (&'a Element, T)>,
    is: impl Iterator<Item = (&'a Element, T)>,
) -> (Pairs<T>, Pairs<T>) {
    let (mut lost, mut gained) = (Vec::new(), Vec::new());
    let owned = |(element, to): (&Element, T)| (*element, to);
    let (mut was, mut is) = (was.peekable(), is.peekable());
    loop {
        let order = match (was.peek(), is.peek()) {
            (Some((one, _)), Some((other, _))) => one.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return (lost, gained),
        };
        match order {
            Ordering::Less => lost.extend(was.next().map(owned)),
            Ordering::Greater => gained.extend(is.next().map(owned)),
            Ordering::Equal => {
                let (one, other) = (was.next(), is.next());
                if one != other {
                    lost.extend(one.map(owned));
                    gained.extend(other.map(owned));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
