//! Some of many, evenly.
//!
//! INVARIANT: what is picked depends on the numbers alone, so the same cluster is asked the same questions.

/// Which of a sequence are picked: one of every equal share of it, by turns another one.
#[derive(Debug)]
pub(super) struct Sample {
    all: usize,
    most: usize,
    /// How many have passed by.
    passed: usize,
    /// Which share is next, and which place in the sequence is picked from it.
    share: usize,
    next: usize,
}

impl Sample {
    /// At most `most` of `all`.
    pub(super) fn new(all: usize, most: usize) -> Self {
        let mut sample = Self {
            all,
            most: most.min(all),
            passed: 0,
            share: 0,
            next: 0,
        };
        sample.next = sample.pick();
        sample
    }

    /// Those that are picked of the next ones of the sequence.
    pub(super) fn of<T: Copy>(&mut self, next: &[T]) -> Vec<T> {
        let start = self.passed;
        self.passed += next.len();
        let mut picked = Vec::new();
        while self.next < self.passed && self.share < self.most {
            picked.extend(next.get(self.next - start).copied());
            self.share += 1;
            self.next = self.pick();
        }
        picked
    }

    /// The place that is picked from a share. Always the first one would be the same port of every pair where the
    /// numbers go together well.
    fn pick(&self) -> usize {
        let bound = |share: usize| {
            let place = share as u128 * self.all as u128 / (self.most.max(1)) as u128;
            usize::try_from(place).unwrap_or(usize::MAX)
        };
        let (first, end) = (bound(self.share), bound(self.share + 1));
        match u64::try_from(end - first) {
            Ok(length @ 1..) => {
                first + usize::try_from(mixed(self.share as u64) % length).unwrap_or_default()
            }
            _ => first,
        }
    }
}

/// A number that shows no pattern (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(all: usize, most: usize, block: usize) -> Vec<usize> {
        let sequence: Vec<usize> = (0..all).collect();
        let mut sample = Sample::new(all, most);
        let blocks = sequence.chunks(block.max(1));
        blocks.flat_map(|block| sample.of(block)).collect()
    }

    #[test]
    fn as_many_are_picked_as_may_be() {
        for (all, most) in [
            (0, 0),
            (0, 5),
            (5, 0),
            (5, 5),
            (5, 9),
            (1000, 1),
            (1000, 999),
            (997, 31),
        ] {
            for block in [1, 3, 1000] {
                let found = picked(all, most, block);
                assert_eq!(found.len(), all.min(most), "{all} {most} {block}");
                assert!(found.is_sorted_by(|a, b| a < b), "{found:?}");
                assert_eq!(found, picked(all, most, 7), "{all} {most} {block}");
            }
        }
        assert_eq!(picked(6, usize::MAX, 2), [0, 1, 2, 3, 4, 5]);
    }

    /// Four ports of every pair, of which a quarter is asked: each port has its turn.
    #[test]
    fn no_part_of_a_pattern_is_left_out() {
        let found = picked(40_000, 10_000, 4);
        for port in 0..4 {
            let count = found.iter().filter(|at| **at % 4 == port).count();
            assert!((2_000..3_000).contains(&count), "{port}: {count}");
        }
        // From every part of the sequence alike.
        for part in found.chunks(1000) {
            assert!(part[999] - part[0] < 4_004);
        }
    }
}
