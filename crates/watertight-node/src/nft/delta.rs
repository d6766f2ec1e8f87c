//! What must change in the kernel for one table to become another.
//!
//! A base chain stays as long as its hook does, because a packet that waits anywhere in a queue is lost when
//! a hook goes away; a chain whose rules differ is emptied and filled again; a set of the same type gets the
//! elements it lacks.
//!
//! INVARIANT: changes can be made in the order given: what names something goes before it and comes after it.

pub(crate) mod made;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::expressions::{COMMENT, Expression, cut, lower};
use super::held::{Held, HeldRule};
use super::table::{
    Bytes, Chain, Contents, Element, Hook, Match, Rule, Set, Statement, Table, Target, Verdict,
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
    /// A chain without rules goes: from a hook, or one that was jumped to.
    DeleteChain(Box<str>, Option<Hook>),
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
    changes.extend(between(Old::default(), new));
    changes
}

/// From one table to another of the same name, of which the kernel holds exactly the first.
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
    between(old, new)
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
    between(old, new)
}

/// What there is, in the order of names.
#[derive(Default)]
struct Old<'a> {
    /// None for one that is foreign.
    sets: Vec<(&'a str, Option<&'a Set>)>,
    chains: Vec<(&'a str, OldChain<'a>)>,
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

/// A set on both sides.
struct JoinedSet<'a> {
    name: &'a str,
    is_lost: bool,
    /// Of the same kind as the new one.
    was: Option<&'a Set>,
    is: Option<&'a Set>,
}

/// A chain on both sides.
struct JoinedChain<'a> {
    name: &'a str,
    /// Rules have to go.
    is_flushed: bool,
    is_lost: bool,
    was_hooked: Option<Hook>,
    is_added: bool,
    /// The rules that have to come.
    filled: &'a [Rule],
}

fn between<'a>(old: Old<'a>, new: &'a Table) -> Vec<Change> {
    let new_sets = new.sets.iter().map(|(name, set)| (&**name, set));
    let sets: Vec<JoinedSet<'a>> = joined(old.sets, new_sets)
        .map(|(name, held, is)| {
            // A set of another kind has to make room for one of the same name.
            let was = held
                .flatten()
                .filter(|was| is.is_some_and(|is| is_same_kind(was, is)));
            JoinedSet {
                name,
                is_lost: held.is_some() && was.is_none(),
                was,
                is,
            }
        })
        .collect();
    let lost: BTreeSet<&str> = sets
        .iter()
        .filter(|set| set.is_lost)
        .map(|set| set.name)
        .collect();
    let new_chains = new.chains.iter().map(|(name, chain)| (&**name, chain));
    let chains: Vec<JoinedChain<'a>> = joined(old.chains, new_chains)
        .map(|(name, was, is)| join(name, was.as_ref(), is, &lost))
        .collect();

    let mut changes = Vec::new();
    let flushed = chains.iter().filter(|chain| chain.is_flushed);
    changes.extend(flushed.map(|chain| Change::FlushChain(chain.name.into())));
    let mut added = Vec::new();
    for JoinedSet { name, was, is, .. } in &sets {
        let Some(is) = is else { continue };
        let (removed, more) = match was {
            // Most sets are as they were.
            Some(was) if was.contents == is.contents => continue,
            Some(was) => elements(was, is),
            None => {
                added.push(Change::AddSet((*name).into(), emptied(is)));
                (emptied(is), (*is).clone())
            }
        };
        if !is_empty(&removed) {
            changes.push(Change::RemoveElements((*name).into(), removed));
        }
        if !is_empty(&more) {
            added.push(Change::AddElements((*name).into(), more));
        }
    }
    changes.extend(lost.iter().map(|name| Change::DeleteSet((*name).into())));
    let lost = chains.iter().filter(|chain| chain.is_lost);
    changes.extend(lost.map(|chain| Change::DeleteChain(chain.name.into(), chain.was_hooked)));
    for chain in chains.iter().filter(|chain| chain.is_added) {
        let hook = new.chains.get(chain.name).and_then(|chain| chain.hook);
        changes.push(Change::AddChain(chain.name.into(), hook));
    }
    changes.extend(added);
    let filled = chains.iter().filter(|chain| !chain.filled.is_empty());
    changes.extend(filled.map(|chain| Change::AddRules(chain.name.into(), chain.filled.to_vec())));
    changes
}

fn join<'a>(
    name: &'a str,
    was: Option<&OldChain<'_>>,
    is: Option<&'a Chain>,
    lost_sets: &BTreeSet<&str>,
) -> JoinedChain<'a> {
    let stays = was
        .zip(is)
        .filter(|(was, is)| !was.is_foreign && was.hook == is.hook);
    // A chain keeps its rules if they say the same and name nothing that is made anew.
    let is_kept =
        stays.is_some_and(|(was, is)| was.rules.are(&is.rules) && !was.rules.name_any(lost_sets));
    JoinedChain {
        name,
        is_flushed: !is_kept && was.is_some_and(|was| !was.rules.are_none()),
        is_lost: was.is_some() && stays.is_none(),
        was_hooked: was.and_then(|was| was.hook),
        is_added: is.is_some() && stays.is_none(),
        filled: is
            .filter(|_| !is_kept)
            .map(|is| &*is.rules)
            .unwrap_or_default(),
    }
}

/// What both lists have under the same name, in one; both are in order.
fn joined<'a, A, B>(
    old: Vec<(&'a str, A)>,
    new: impl Iterator<Item = (&'a str, B)>,
) -> impl Iterator<Item = (&'a str, Option<A>, Option<B>)> {
    let (mut old, mut new) = (old.into_iter().peekable(), new.peekable());
    std::iter::from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (Some((one, _)), Some((other, _))) => one.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let was = if order.is_le() { old.next() } else { None };
        let is = if order.is_ge() { new.next() } else { None };
        let name = was
            .as_ref()
            .map(|(name, _)| *name)
            .or(is.as_ref().map(|(name, _)| *name))?;
        Some((name, was.map(|(_, was)| was), is.map(|(_, is)| is)))
    })
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

pub(super) fn is_empty(set: &Set) -> bool {
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

pub(super) fn emptied(set: &Set) -> Set {
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
