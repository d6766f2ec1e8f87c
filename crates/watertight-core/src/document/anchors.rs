//! What YAML anchors stand for: ranges of the tape, or copies of what a merge took off it.
//!
//! INVARIANT: what is copied stays in proportion to what was written, so that no document of a few
//! hundred bytes becomes gigabytes ("billion laughs"), nor thousands of them a little less each.

use std::ops::Range;

use rustc_hash::FxHashMap;

use super::{Document, MAX_ALIASED_NODES, Slot};

/// Values that aliases may make in a document of no length.
const BASE: usize = 1000;

/// Values that aliases may make for every byte of the document in front of them.
const PER_BYTE: usize = 8;

/// The anchors of one document.
#[derive(Default)]
pub(super) struct Anchors {
    by_id: FxHashMap<usize, usize>,
    /// In the order in which their values ended.
    all: Vec<Anchor>,
    /// The values of anchors inside mappings that were merged since: merging moves slots.
    aside: Vec<Slot>,
    copied: usize,
}

struct Anchor {
    slots: Range<usize>,
    aside: bool,
}

/// More values than a document of this length may make by aliases.
pub(super) struct TooMany {
    pub limit: usize,
}

impl Anchors {
    /// The number of anchors whose values have ended.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn insert(&mut self, id: usize, slots: Range<usize>) {
        self.by_id.insert(id, self.all.len());
        let aside = false;
        self.all.push(Anchor { slots, aside });
    }

    /// Appends what an anchor stands for to the tape; `bytes` is how much of the document was read.
    /// False if the anchor's value has not ended.
    pub(super) fn copy(
        &mut self,
        id: usize,
        bytes: usize,
        document: &mut Document<'_>,
    ) -> Result<bool, TooMany> {
        let anchor = self.by_id.get(&id).and_then(|index| self.all.get(*index));
        let Some(Anchor { slots, aside }) = anchor else {
            return Ok(false);
        };
        let (slots, aside) = (slots.clone(), *aside);
        self.book(slots.len(), bytes)?;
        if aside {
            let copy = self.aside.get(slots).unwrap_or_default();
            document.slots.extend_from_slice(copy);
        } else {
            document.slots.extend_from_within(slots);
        }
        Ok(true)
    }

    /// Copies what the anchors from the given one on stand for: their slots are about to move.
    pub(super) fn set_aside(
        &mut self,
        from: usize,
        bytes: usize,
        document: &Document<'_>,
    ) -> Result<(), TooMany> {
        for index in from..self.all.len() {
            let Some(anchor) = self.all.get_mut(index).filter(|anchor| !anchor.aside) else {
                continue;
            };
            let slots = document.slots.get(anchor.slots.clone()).unwrap_or_default();
            anchor.slots = self.aside.len()..self.aside.len() + slots.len();
            anchor.aside = true;
            self.aside.extend_from_slice(slots);
            self.book(slots.len(), bytes)?;
        }
        Ok(())
    }

    fn book(&mut self, slots: usize, bytes: usize) -> Result<(), TooMany> {
        self.copied += slots;
        let limit = MAX_ALIASED_NODES.min(BASE + PER_BYTE * bytes);
        if self.copied > limit {
            return Err(TooMany { limit });
        }
        Ok(())
    }
}
