//! The YAML merge key `<<`, resolved on the tape.
//!
//! As the library that Kubernetes reads YAML with does it: merged entries count where the `<<`
//! stands, so they replace entries above it and are replaced by entries below it. (The proposal that
//! the key comes from lets a mapping's own entries win wherever they are.)
//!
//! INVARIANT: a key is there twice afterwards only if the mapping itself was written so.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Document, Kind, Node};

/// One of the `<<` of a mapping has a value that is no mapping and no list of mappings.
pub(super) struct CannotMerge {
    /// The slot of that `<<`.
    pub key: usize,
}

/// Resolves the `<<` keys at `merges`, in ascending order, of the mapping that the tape ends with.
pub(super) fn resolve(
    document: &mut Document<'_>,
    mapping: usize,
    merges: &[usize],
) -> Result<(), CannotMerge> {
    let Some(node) = document.node(mapping) else {
        return Ok(());
    };
    let mut entries = Entries::default();
    for (key, value) in node.entries() {
        if merges.binary_search(&key.index).is_err() {
            entries.put(key, value, true);
            continue;
        }
        let mut sources: Vec<_> = match value.kind() {
            Kind::Mapping => vec![value],
            Kind::Sequence => value.items().collect(),
            _ => return Err(CannotMerge { key: key.index }),
        };
        if sources.iter().any(|source| source.kind() != Kind::Mapping) {
            return Err(CannotMerge { key: key.index });
        }
        // The first mapping of a list wins over the ones behind it.
        sources.reverse();
        for (key, value) in sources.into_iter().flat_map(Node::entries) {
            entries.put(key, value, false);
        }
    }
    let mut slots = Vec::with_capacity(document.slots.len() - mapping - 1);
    for entry in entries.all.into_iter().filter(|entry| entry.counts) {
        slots.extend_from_slice(document.slots.get(entry.slots).unwrap_or_default());
    }
    document.slots.truncate(mapping + 1);
    document.slots.append(&mut slots);
    Ok(())
}

#[derive(Default)]
struct Entries<'d> {
    all: Vec<Entry>,
    /// The last entry of every key.
    last: BTreeMap<&'d str, usize>,
}

struct Entry {
    slots: Range<usize>,
    own: bool,
    counts: bool,
}

impl<'d> Entries<'d> {
    fn put(&mut self, key: Node<'d, '_>, value: Node<'d, '_>, own: bool) {
        let last = self
            .last
            .insert(key.str().unwrap_or_default(), self.all.len());
        if let Some(replaced) = last.and_then(|last| self.all.get_mut(last)) {
            // What is written twice is reported by whoever decodes it.
            replaced.counts = replaced.own && own;
        }
        self.all.push(Entry {
            slots: key.index..value.index + 1 + value.slot().below(),
            own,
            counts: true,
        });
    }
}
