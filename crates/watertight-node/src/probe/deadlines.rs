//! When to look at which question again.
//!
//! INVARIANT: a question has at most one deadline that counts: setting another voids the one before.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Deadlines, by question. Void ones stay until their time, and are told by their number.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, usize, u32)>>,
}

impl Deadlines {
    /// Sets one. The number tells it from those set for the question before.
    pub(super) fn set(&mut self, at: Instant, question: usize, number: u32) {
        self.heap.push(Reverse((at, question, number)));
    }

    /// The next one that has come.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(usize, u32)> {
        let Reverse((at, ..)) = self.heap.peek()?;
        if *at > now {
            return None;
        }
        let Reverse((_, question, number)) = self.heap.pop()?;
        Some((question, number))
    }

    /// When to look again at the latest.
    pub(super) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, ..))| *at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_earliest_comes_first_and_none_before_its_time() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut deadlines = Deadlines::default();
        deadlines.set(at(20), 1, 0);
        deadlines.set(at(10), 2, 0);
        deadlines.set(at(5), 1, 1);
        assert_eq!(deadlines.next(), Some(at(5)));
        assert_eq!(deadlines.pop(at(4)), None);
        assert_eq!(deadlines.pop(at(10)), Some((1, 1)));
        assert_eq!(deadlines.pop(at(10)), Some((2, 0)));
        assert_eq!(deadlines.pop(at(10)), None);
        assert_eq!(deadlines.pop(at(99)), Some((1, 0)));
        assert_eq!(deadlines.next(), None);
    }
}
