//! What changes make of a table, as the kernel would.
//!
//! INVARIANT: `make(old, changes(old, new))` is `new`.

use super::Change;
use crate::nft::table::{Chain, Contents, Set, Table};

/// Makes changes to a table. Those that the kernel would refuse change nothing.
pub(crate) fn make(table: &mut Table, changes: &[Change]) {
    for change in changes {
        match change {
            Change::AddTable => {}
            Change::FlushChain(name) => {
                if let Some(chain) = table.chains.get_mut(name) {
                    chain.rules.clear();
                }
            }
            Change::DeleteChain(name, _) => _ = table.chains.remove(name),
            Change::DeleteSet(name) => _ = table.sets.remove(name),
            Change::AddChain(name, hook) => {
                let chain = Chain {
                    hook: *hook,
                    rules: Vec::new(),
                };
                table.chains.insert(name.clone(), chain);
            }
            Change::AddSet(name, set) => _ = table.sets.insert(name.clone(), set.clone()),
            Change::AddElements(name, with) => {
                if let Some(set) = table.sets.get_mut(name) {
                    add(set, with);
                }
            }
            Change::RemoveElements(name, with) => {
                if let Some(set) = table.sets.get_mut(name) {
                    remove(set, with);
                }
            }
            Change::AddRules(name, rules) => {
                if let Some(chain) = table.chains.get_mut(name) {
                    chain.rules.extend(rules.iter().cloned());
                }
            }
        }
    }
}

fn add(set: &mut Set, with: &Set) {
    match (&mut set.contents, &with.contents) {
        (Contents::Members(held), Contents::Members(with)) => {
            held.extend(with);
            // Two runs in order.
            held.sort();
            held.dedup();
        }
        (Contents::Verdicts(held), Contents::Verdicts(with)) => {
            held.extend(with.iter().map(|(at, to)| (*at, to.clone())));
        }
        (Contents::Values(_, held), Contents::Values(_, with)) => held.extend(with),
        _ => {}
    }
}

fn remove(set: &mut Set, with: &Set) {
    match (&mut set.contents, &with.contents) {
        (Contents::Members(held), Contents::Members(with)) => {
            held.retain(|one| with.binary_search(one).is_err());
        }
        (Contents::Verdicts(held), Contents::Verdicts(with)) => {
            held.retain(|one, _| !with.contains_key(one));
        }
        (Contents::Values(_, held), Contents::Values(_, with)) => {
            held.retain(|one, _| !with.contains_key(one));
        }
        _ => {}
    }
}
