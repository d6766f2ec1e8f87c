//! The edits that take removals out of the files, and their proof: read again, nothing has changed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Held, Item, Removal, State, cut, is_same};
use crate::analysis::fix::Edits;
use crate::check::CheckOptions;
use crate::diag::Edit;
use crate::eval::reach::Reach;
use crate::manifest::{Direction, PolicyRule};
use crate::source::{FileId, Sources, Span};
use crate::world::World;

/// The files without the removals. What cannot be edited, or changes something as text, is marked.
pub(super) fn edit(
    sources: &Sources,
    options: &CheckOptions,
    held: &Held,
    base: State<'_, '_>,
    removals: &mut [Removal],
) -> Option<(Sources, Vec<FileId>)> {
    let each: Vec<Option<Vec<Edit>>> = removals
        .iter()
        .map(|removal| edits_of(sources, &held.world, removal))
        .collect();
    let mut options = options.clone();
    options.profile = held.profile;
    options.engine_is_named = true;
    options.progress = None;
    let attempt = |wanted: &BTreeSet<usize>| -> Option<(Sources, Vec<FileId>, BTreeSet<usize>)> {
        let mut edits = Edits::default();
        let mut taken = BTreeSet::new();
        for (at, own) in each.iter().enumerate() {
            if wanted.contains(&at) && own.as_ref().is_some_and(|own| edits.add(own)) {
                taken.insert(at);
            }
        }
        let files: Vec<FileId> = edits.files().collect();
        let texts: Option<BTreeMap<FileId, String>> = files
            .iter()
            .map(|file| Some((*file, edits.apply(*file, sources.file(*file).text())?)))
            .collect();
        let after = sources.with(texts?).ok()?;
        let is_proved = proved(&after, &options, held, base);
        is_proved.then_some((after, files, taken))
    };
    let with_edits = (0..).zip(&each).filter(|(_, own)| own.is_some());
    let all: BTreeSet<usize> = with_edits.map(|(at, _)| at).collect();
    let found = attempt(&all).or_else(|| {
        // One of them is in the way: as many as go together, in order.
        let (mut kept, mut found) = (BTreeSet::new(), None);
        for at in &all {
            kept.insert(*at);
            // All of them have been tried.
            let attempted = Some(&kept).filter(|kept| **kept != all).and_then(&attempt);
            if attempted.is_some() {
                found = attempted;
            } else {
                kept.remove(at);
            }
        }
        found
    });
    let taken = found.as_ref().map(|(_, _, taken)| taken);
    for (at, removal) in removals.iter_mut().enumerate() {
        removal.editable = taken.is_some_and(|taken| taken.contains(&at));
    }
    let (after, files, _) = found?;
    (!files.is_empty()).then_some((after, files))
}

fn proved(after: &Sources, options: &CheckOptions, held: &Held, base: State<'_, '_>) -> bool {
    let read = Held::read(after, options);
    let faults = |held: &Held| {
        let findings = held.findings.iter();
        held.broken + findings.filter(|finding| finding.incomplete).count()
    };
    if faults(&read) > faults(held) {
        return false;
    }
    let eval = read.eval();
    let reach = Reach::new(&eval);
    let now = State {
        eval: &eval,
        reach: &reach,
    };
    is_same(base, now)
}

fn edits_of(sources: &Sources, world: &World, removal: &Removal) -> Option<Vec<Edit>> {
    let policy = &world[removal.policy];
    if removal.whole {
        return Some(vec![cut::object(sources, policy.span)?]);
    }
    let mut edits = Vec::new();
    for direction in Direction::BOTH {
        let gone: BTreeSet<(usize, Item)> = removal
            .parts
            .iter()
            .filter(|part| part.at.policy.direction == direction)
            .map(|part| (part.at.rule, part.item))
            .collect();
        let rules = &policy.spec.section(direction).rules;
        let spans: Vec<Span> = rules.iter().map(|rule| rule.span).collect();
        let of_rules: Vec<bool> = (0..rules.len())
            .map(|rule| gone.contains(&(rule, Item::Rule)))
            .collect();
        if !gone.is_empty() && !spans.is_empty() {
            edits.extend(cut::items(sources, &spans, &of_rules)?);
        }
        for (index, rule) in rules.iter().enumerate() {
            if !gone.contains(&(index, Item::Rule)) {
                edits.extend(of_rule(sources, rule, |item| {
                    gone.contains(&(index, item))
                })?);
            }
        }
    }
    Some(edits)
}

fn of_rule(sources: &Sources, rule: &PolicyRule, gone: impl Fn(Item) -> bool) -> Option<Vec<Edit>> {
    let peers: Vec<Span> = rule.peers.iter().map(|peer| peer.span).collect();
    let ports: Vec<Span> = rule.ports.iter().map(|port| port.span).collect();
    let peers_gone: Vec<bool> = (0..peers.len()).map(|at| gone(Item::Peer(at))).collect();
    let ports_gone: Vec<bool> = (0..ports.len()).map(|at| gone(Item::Port(at))).collect();
    let mut edits = Vec::new();
    for (spans, gone) in [(peers, peers_gone), (ports, ports_gone)] {
        if gone.contains(&true) {
            // An empty list would mean anybody, or anything (K-20, K-21).
            if !gone.contains(&false) {
                return None;
            }
            edits.extend(cut::items(sources, &spans, &gone)?);
        }
    }
    Some(edits)
}
