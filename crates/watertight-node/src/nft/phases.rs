//! Changes in an order that no packet notices.
//!
//! A transaction of nftables is not quite one moment for a packet that is on its way through the rules: it goes
//! on by the old rules, and looks into sets as they are by now. Where the old rules led through a set that the
//! same transaction empties, or through an element to a chain that it makes, the packet falls through both, and
//! past the drop. So what is new is made first, while nothing leads to it; then rules and elements lead to it;
//! and what nothing leads to any more goes last.
//!
//! INVARIANT: only the middle one of three transactions changes what happens to packets.

use std::collections::BTreeSet;

use super::delta::Change;

/// The changes of each transaction, in order.
pub(super) fn phases(changes: &[Change]) -> [Vec<&Change>; 3] {
    let names = |pick: fn(&Change) -> Option<&str>| {
        changes.iter().filter_map(pick).collect::<BTreeSet<&str>>()
    };
    let new_sets = names(|change| match change {
        Change::AddSet(name, _) => Some(name),
        _ => None,
    });
    let lost_sets = names(|change| match change {
        Change::DeleteSet(name) => Some(name),
        _ => None,
    });
    let new_chains = names(|change| match change {
        Change::AddChain(name, None) => Some(name),
        _ => None,
    });
    let lost_chains = names(|change| match change {
        Change::DeleteChain(name, None) => Some(name),
        _ => None,
    });
    let added = names(|change| match change {
        Change::AddChain(name, _) => Some(name),
        _ => None,
    });
    let deleted = names(|change| match change {
        Change::DeleteChain(name, _) => Some(name),
        _ => None,
    });
    // A table without a past has no packets inside. What is made anew under its old name cannot be there twice.
    let is_one = changes.contains(&Change::AddTable)
        || !new_sets.is_disjoint(&lost_sets)
        || !added.is_disjoint(&deleted);
    let mut phases = [Vec::new(), Vec::new(), Vec::new()];
    let [before, now, after] = &mut phases;
    for change in changes {
        let phase = match change {
            _ if is_one => &mut *now,
            Change::AddSet(..) | Change::AddChain(_, None) => &mut *before,
            Change::AddElements(name, _) if new_sets.contains(&**name) => &mut *before,
            Change::AddRules(name, _) if new_chains.contains(&**name) => &mut *before,
            Change::DeleteSet(_) | Change::DeleteChain(..) => &mut *after,
            Change::FlushChain(name) if lost_chains.contains(&**name) => &mut *after,
            Change::AddTable
            | Change::FlushChain(_)
            | Change::RemoveElements(..)
            | Change::AddChain(..)
            | Change::AddElements(..)
            | Change::AddRules(..) => &mut *now,
        };
        phase.push(change);
    }
    phases
}

/// What takes the first phase back.
pub(super) fn undo(before: &[&Change]) -> Vec<Change> {
    let flushes = before.iter().filter_map(|change| match change {
        Change::AddRules(name, _) => Some(Change::FlushChain(name.clone())),
        _ => None,
    });
    let sets = before.iter().filter_map(|change| match change {
        Change::AddSet(name, _) => Some(Change::DeleteSet(name.clone())),
        _ => None,
    });
    let chains = before.iter().filter_map(|change| match change {
        Change::AddChain(name, hook) => Some(Change::DeleteChain(name.clone(), *hook)),
        _ => None,
    });
    flushes.chain(sets).chain(chains).collect()
}
