//! What a selector that selects nothing nearly selects: the one requirement that fails, and what
//! the labels say instead.
//!
//! INVARIANT: a near miss is about one requirement; everything else of the selector holds.

use std::collections::{BTreeMap, BTreeSet};

use super::{alone, edits, spell};
use crate::diag::{Edit, Finding, Fix};
use crate::rules::{Context, some_of};
use crate::sets::{LabelSelector, Operator, Requirement};
use crate::source::{Sources, Span};
use crate::world::{EndpointId, Labels, Policy, World};

/// How much alike two texts are; the smaller the closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rules) enum Likeness {
    /// One is probably a slip for the other.
    Slip,
    /// They have a word in common, or differ in their numbers only.
    Related,
}

/// What is there instead of what a requirement asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::rules) enum Instead {
    /// The key with this value.
    Value(Box<str>),
    /// Another key with a value that is asked for.
    Key(Box<str>, Box<str>),
    /// No such key.
    Absent,
}

/// Things for which all requirements but one hold.
#[derive(Clone, Debug)]
pub(in crate::rules) struct NearMiss<'s, T> {
    pub requirement: &'s Requirement,
    pub instead: Instead,
    pub likeness: Option<Likeness>,
    pub who: Vec<T>,
}

/// How a selector misses.
#[derive(Clone, Debug)]
pub(in crate::rules) struct Misses<'s, T> {
    /// The near misses, the most telling first.
    pub near: Vec<NearMiss<'s, T>>,
    /// Requirements that nothing at all fulfils, with the values that their keys have.
    pub never: Vec<(&'s Requirement, Vec<String>)>,
}

/// How a selector misses things with labels.
pub(in crate::rules) fn misses<'s, T: Copy>(
    world: &'s World,
    selector: &'s LabelSelector,
    things: impl IntoIterator<Item = (T, &'s Labels)>,
) -> Misses<'s, T> {
    let alone: Vec<_> = selector.requirements.iter().map(alone).collect();
    let mut fulfilled = vec![false; selector.requirements.len()];
    let mut near: BTreeMap<(usize, Option<Likeness>, Instead), Vec<T>> = BTreeMap::new();
    let things: Vec<_> = things.into_iter().collect();
    for &(thing, labels) in &things {
        let mut failing = Vec::new();
        for (index, (requirement, fulfilled)) in alone.iter().zip(&mut fulfilled).enumerate() {
            if requirement.matches(|key| world.symbols.value(labels, key)) {
                *fulfilled = true;
            } else {
                failing.push(index);
            }
        }
        if let [index] = failing.as_slice()
            && let Some(requirement) = selector.requirements.get(*index)
        {
            let (instead, likeness) = instead(world, requirement, labels);
            near.entry((*index, likeness, instead))
                .or_default()
                .push(thing);
        }
    }
    let mut near: Vec<_> = near
        .into_iter()
        .filter_map(|((index, likeness, instead), who)| {
            Some(NearMiss {
                requirement: selector.requirements.get(index)?,
                instead,
                likeness,
                who,
            })
        })
        .collect();
    let rank = |miss: &NearMiss<'_, T>| {
        let absent = miss.instead == Instead::Absent;
        (miss.likeness.is_none(), miss.likeness, absent)
    };
    near.sort_by_key(|miss| (rank(miss), usize::MAX - miss.who.len()));
    let values = |requirement: &Requirement| {
        let of = |(_, labels): &(T, &Labels)| world.symbols.value(labels, &requirement.key);
        let values: BTreeSet<_> = things.iter().filter_map(of).collect();
        values.into_iter().map(str::to_owned).collect()
    };
    let requirements = selector.requirements.iter().zip(fulfilled);
    Misses {
        near,
        never: requirements
            .filter(|(_, fulfilled)| !fulfilled)
            .map(|(requirement, _)| (requirement, values(requirement)))
            .collect(),
    }
}

fn instead(
    world: &World,
    requirement: &Requirement,
    labels: &Labels,
) -> (Instead, Option<Likeness>) {
    let wanted: &[Box<str>] = match &requirement.operator {
        Operator::In(values) => values,
        _ => &[],
    };
    if let Some(value) = world.symbols.value(labels, &requirement.key) {
        let likeness = wanted.iter().filter_map(|wanted| likeness(wanted, value));
        return (Instead::Value(value.into()), likeness.min());
    }
    let others = labels
        .iter()
        .map(|(key, value)| (world.symbols.text(*key), world.symbols.text(*value)));
    let other_key = |(key, value): (&str, &str)| {
        let keys = key_likeness(&requirement.key, key);
        let asked = wanted.iter().any(|wanted| **wanted == *value) && is_telling(value);
        let likeness = match (&requirement.operator, keys, asked) {
            (Operator::In(_), Some(keys), true) => Some(keys),
            (Operator::In(_), None, true) => Some(Likeness::Related),
            (Operator::Exists, keys, _) => keys,
            _ => None,
        }?;
        Some((likeness, key.to_owned(), value.to_owned()))
    };
    match others.filter_map(other_key).min() {
        Some((likeness, key, value)) => (Instead::Key(key.into(), value.into()), Some(likeness)),
        None => (Instead::Absent, None),
    }
}

/// Whether a value is one that two keys do not share by chance.
fn is_telling(value: &str) -> bool {
    value.len() > 1
        && !matches!(
            value,
            "true" | "false" | "yes" | "no" | "enabled" | "default"
        )
}

/// Keys that name an application; each tool has its own.
const NAME_KEYS: &[&str] = &["app", "k8s-app", "name", "app.kubernetes.io/name"];

fn key_likeness(given: &str, candidate: &str) -> Option<Likeness> {
    let last = |key: &'_ str| key.rsplit('/').next().unwrap_or_default().to_owned();
    if last(given) == last(candidate)
        || [given, candidate].iter().all(|key| NAME_KEYS.contains(key))
    {
        return Some(Likeness::Slip);
    }
    likeness(given, candidate)
}

/// How much a candidate is like what was given; nothing if they have little in common.
pub(in crate::rules) fn likeness(given: &str, candidate: &str) -> Option<Likeness> {
    let (given, candidate) = (given.to_lowercase(), candidate.to_lowercase());
    if given.is_empty() || candidate.is_empty() {
        return None;
    }
    if given == candidate {
        return Some(Likeness::Slip);
    }
    let letters = |text: &str| -> String { text.chars().filter(|c| !c.is_ascii_digit()).collect() };
    if letters(&given) == letters(&candidate) {
        let telling = letters(&given).len() > 2;
        return telling.then_some(Likeness::Related);
    }
    let shorter = given.len().min(candidate.len());
    let tolerance = (given.len().max(candidate.len()) / 4).max(1);
    if shorter > 3 && strsim::damerau_levenshtein(&given, &candidate) <= tolerance {
        return Some(Likeness::Slip);
    }
    let starts = shorter > 2 && (given.starts_with(&candidate) || candidate.starts_with(&given));
    let word_of = |text: &str, other: &str| text.split(['-', '_', '.']).any(|word| word == other);
    let has_word = word_of(&given, &candidate) || word_of(&candidate, &given);
    (starts || has_word).then_some(Likeness::Related)
}

/// The only candidate that is probably meant, if there is exactly one.
pub(in crate::rules) fn only_slip<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let mut found: Vec<_> = candidates
        .into_iter()
        .filter(|candidate| likeness(given, candidate) == Some(Likeness::Slip))
        .collect();
    found.sort_unstable();
    found.dedup();
    match found.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

impl<T> NearMiss<'_, T> {
    /// What is there instead, behind the names of whoever has it.
    pub(in crate::rules) fn tell(&self) -> String {
        let key = &self.requirement.key;
        match &self.instead {
            Instead::Value(value) => format!("has `{key}={value}`"),
            Instead::Key(other, value) => format!("has `{other}={value}` instead"),
            Instead::Absent => format!("has no label `{key}`"),
        }
    }

    /// The requirement as it would have to be to hold.
    pub(in crate::rules) fn corrected(&self) -> Option<String> {
        match (&self.instead, self.likeness) {
            (_, None) | (Instead::Absent, _) => None,
            (Instead::Value(value), _) => Some(format!("{}={value}", self.requirement.key)),
            (Instead::Key(key, value), _) => Some(match &self.requirement.operator {
                Operator::Exists => key.to_string(),
                _ => format!("{key}={value}"),
            }),
        }
    }
}

/// `shop/Deployment/web has app=web`.
fn tell_pods(context: &Context<'_>, miss: &NearMiss<'_, EndpointId>) -> String {
    let names = context.workloads(miss.who.iter().copied());
    let told = miss.tell();
    let told = match (names.count, told.strip_prefix("has ")) {
        (2.., Some(rest)) => format!("have {rest}"),
        _ => told,
    };
    [&*names.some(), " ", &*told].concat()
}

/// How many requirements of one selector a finding points at.
const PLACES: usize = 2;

/// Points at the requirements that fail, or else at the selector.
pub(in crate::rules) fn point(
    context: &Context<'_>,
    mut finding: Finding,
    misses: &Misses<'_, EndpointId>,
    selector: Span,
) -> Finding {
    let telling = misses.near.iter().filter(|miss| miss.likeness.is_some());
    for miss in telling.take(PLACES) {
        finding = finding.at(miss.requirement.span, tell_pods(context, miss));
    }
    if !finding.labels.is_empty() {
        return finding;
    }
    for (requirement, values) in misses.never.iter().take(PLACES) {
        let has = match &requirement.operator {
            Operator::In(_) | Operator::Exists if values.is_empty() => {
                format!("no pod there has a label `{}`", requirement.key)
            }
            Operator::In(_) | Operator::Exists => {
                let pairs = values
                    .iter()
                    .map(|value| format!("`{}={value}`", requirement.key));
                format!("there is {}", some_of(&pairs.collect::<Vec<_>>()))
            }
            Operator::NotIn(_) | Operator::DoesNotExist => "this holds for no pod there".into(),
        };
        finding = finding.at(requirement.span, has);
    }
    if !finding.labels.is_empty() {
        return finding;
    }
    for miss in misses.near.iter().take(PLACES) {
        finding = finding.at(miss.requirement.span, tell_pods(context, miss));
    }
    if finding.labels.is_empty() {
        finding = finding.at(selector, "no pod has all of these labels");
    }
    finding
}

/// The way out where a label was probably misspelt: an edit if there is one way only.
pub(in crate::rules) fn fix<T>(
    sources: &Sources,
    policy: &Policy,
    misses: &Misses<'_, T>,
) -> Option<Fix> {
    let slips: Vec<_> = misses
        .near
        .iter()
        .filter(|miss| miss.likeness == Some(Likeness::Slip))
        .collect();
    if let [miss] = slips.as_slice()
        && let Some(edit) = edit(sources, policy, miss)
    {
        let message = format!("select `{}`", miss.corrected()?);
        return Some(Fix::edits(message, [edit]).guess());
    }
    let meant: Vec<_> = misses
        .near
        .iter()
        .filter_map(NearMiss::corrected)
        .map(|text| format!("`{text}`"))
        .collect();
    (!meant.is_empty())
        .then(|| Fix::advice(format!("if that is meant, select {}", some_of(&meant))))
}

fn edit<T>(sources: &Sources, policy: &Policy, miss: &NearMiss<'_, T>) -> Option<Edit> {
    if !edits::is_unshared(sources, policy) {
        return None;
    }
    let requirement = miss.requirement;
    match &miss.instead {
        Instead::Value(value) => {
            let Operator::In(wanted) = &requirement.operator else {
                return None;
            };
            let slip = only_slip(value, wanted.iter().map(|wanted| &**wanted))?;
            let at = edits::value_of(sources, requirement, slip)?;
            Some(edits::replace(sources, at, value))
        }
        Instead::Key(key, _) => {
            let at = edits::key_of(sources, requirement)?;
            Some(edits::replace(sources, at, key))
        }
        Instead::Absent => None,
    }
}

/// `app=web`, or `all of a=b,c=d`: what nothing has.
pub(in crate::rules) fn what_is_missing<T>(
    selector: &LabelSelector,
    misses: &Misses<'_, T>,
) -> String {
    let one: &Requirement = match (misses.never.as_slice(), selector.requirements.as_slice()) {
        ([(one, _)], _) => one,
        (_, [one]) => one,
        _ => return format!("all of `{selector}`"),
    };
    match &one.operator {
        Operator::Exists => format!("a label `{}`", one.key),
        Operator::In(_) => format!("`{}`", spell(one)),
        Operator::NotIn(_) | Operator::DoesNotExist => format!("labels that fit `{}`", spell(one)),
    }
}
