//! The input as it was read: what every result is held against.
//!
//! A name of DNS is a party only if some policy names it. What an edit brings to light may name others,
//! and what is left of a name may be no policy's any more: both sides have to know the names of both
//! before rows are made of them.

use std::collections::BTreeMap;

use super::{Held, Opened, State, opened};
use crate::check::CheckOptions;
use crate::eval::reach::Reach;

pub(super) struct Base<'b> {
    first: &'b Held,
    /// The same once more, with more names.
    named: Option<Held>,
    reach: Reach,
    proof: &'b CheckOptions,
}

impl<'b> Base<'b> {
    pub(super) fn new(first: &'b Held, proof: &'b CheckOptions) -> Self {
        Self {
            first,
            named: None,
            reach: Reach::new(&first.eval()),
            proof,
        }
    }

    /// What `after` allows and the input does not; see [`opened()`].
    pub(super) fn opened(&mut self, after: &mut Held, limit: usize) -> Vec<Opened> {
        self.share_names(after);
        let held = self.named.as_ref().unwrap_or(self.first);
        let (eval, after) = (held.eval(), after.eval());
        let before = State {
            eval: &eval,
            reach: &self.reach,
        };
        let reach = Reach::new(&after);
        let after = State {
            eval: &after,
            reach: &reach,
        };
        opened(before, after, limit)
    }

    fn share_names(&mut self, after: &mut Held) {
        let held = self.named.as_ref().unwrap_or(self.first);
        let theirs = after.names();
        for name in held.names() {
            after.checked.world.intern_name(&name);
        }
        let own = held.names();
        if theirs.iter().all(|name| own.contains(name)) {
            return;
        }
        let mut held = self.named.take().unwrap_or_else(|| {
            let sources = self.first.sources.with(BTreeMap::new());
            Held::new(sources.unwrap_or_default(), self.proof)
        });
        for name in theirs {
            held.checked.world.intern_name(&name);
        }
        self.reach = Reach::new(&held.eval());
        self.named = Some(held);
    }
}
