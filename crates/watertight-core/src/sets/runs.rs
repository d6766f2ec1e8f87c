//! Sets of numbers as sorted runs: addresses, ports, and positions in a list.
//!
//! What policies select lies together (the pods of a namespace, the addresses of a block), so a few
//! runs say what a bitset would need a bit for each element to say, and all of IPv6 is one run.
//!
//! INVARIANT: runs are ordered, do not touch, and none is empty; equal sets are equal values.

/// A number that has a next one.
pub trait Bound: Copy + Ord + std::hash::Hash + std::fmt::Debug {
    /// The lowest.
    const MIN: Self;
    /// The highest.
    const MAX: Self;
    /// The next higher one.
    fn next(self) -> Option<Self>;
    /// The next lower one.
    fn previous(self) -> Option<Self>;
}

macro_rules! bounds {
    ($($number:ty),*) => {$(
        impl Bound for $number {
            const MIN: Self = <$number>::MIN;
            const MAX: Self = <$number>::MAX;

            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }

            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }
        }
    )*};
}

bounds!(u16, u32, u128);

/// A set, as the first and the last number of each run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Runs<T>(Box<[(T, T)]>);

impl<T: Bound> Default for Runs<T> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<T: Bound> Runs<T> {
    /// Every number.
    #[must_use]
    pub fn all() -> Self {
        Self::range(T::MIN, T::MAX)
    }

    /// The numbers from `first` to `last`; none if `last` is lower.
    #[must_use]
    pub fn range(first: T, last: T) -> Self {
        Self(if first <= last {
            Box::new([(first, last)])
        } else {
            Box::default()
        })
    }

    /// Runs in any order, which may overlap; those whose last number is below the first are left
    /// out.
    #[must_use]
    pub fn from_unsorted(mut runs: Vec<(T, T)>) -> Self {
        runs.retain(|(first, last)| first <= last);
        runs.sort_unstable();
        Self::merged(runs.into_iter())
    }

    /// Single numbers, in any order.
    #[must_use]
    pub fn from_numbers(numbers: impl IntoIterator<Item = T>) -> Self {
        Self::from_unsorted(numbers.into_iter().map(|number| (number, number)).collect())
    }

    /// Runs that are sorted by their first number.
    fn merged(sorted: impl Iterator<Item = (T, T)>) -> Self {
        let mut runs: Vec<(T, T)> = Vec::with_capacity(sorted.size_hint().0);
        for (first, last) in sorted {
            match runs.last_mut() {
                Some((_, end)) if end.next().is_none_or(|next| first <= next) => {
                    *end = last.max(*end);
                }
                _ => runs.push((first, last)),
            }
        }
        Self(runs.into_boxed_slice())
    }

    /// The runs, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (T, T)> + '_ {
        self.0.iter().copied()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether everything is in it.
    #[must_use]
    pub fn is_all(&self) -> bool {
        matches!(*self.0, [(first, last)] if first == T::MIN && last == T::MAX)
    }

    /// Whether a number is in it.
    #[must_use]
    pub fn contains(&self, number: T) -> bool {
        self.run_of(number).is_some()
    }

    /// The run that a number is in.
    #[must_use]
    pub fn run_of(&self, number: T) -> Option<(T, T)> {
        let at = self.0.partition_point(|(first, _)| *first <= number);
        let run = self.0.get(at.checked_sub(1)?)?;
        (number <= run.1).then_some(*run)
    }

    /// The numbers in any of the sets.
    #[must_use]
    pub fn union_of<'s>(sets: impl IntoIterator<Item = &'s Self>) -> Self
    where
        T: 's,
    {
        let sets: Vec<&Self> = sets.into_iter().filter(|set| !set.is_empty()).collect();
        match *sets {
            [] => Self::default(),
            [one] => one.clone(),
            _ if sets.iter().any(|set| set.is_all()) => Self::all(),
            _ => Self::from_unsorted(sets.into_iter().flat_map(Self::iter).collect()),
        }
    }

    /// The numbers in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::union_of([self, other])
    }

    /// The numbers in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.is_all() {
            return other.clone();
        }
        if other.is_all() {
            return self.clone();
        }
        // The shorter list leads; behind each of its runs the other one goes on by search.
        let (short, long) = if self.0.len() <= other.0.len() {
            (self, other)
        } else {
            (other, self)
        };
        let mut found = Vec::new();
        for (first, last) in short.iter() {
            let from = long.0.partition_point(|(_, end)| *end < first);
            let behind = long.0.get(from..).unwrap_or_default();
            let overlapping = behind.iter().take_while(|(start, _)| *start <= last);
            found.extend(overlapping.map(|(start, end)| (first.max(*start), last.min(*end))));
        }
        Self(found.into_boxed_slice())
    }

    /// The numbers that are not in it.
    #[must_use]
    pub fn complement(&self) -> Self {
        let mut gaps = Vec::with_capacity(self.0.len() + 1);
        let mut start = Some(T::MIN);
        for (first, last) in self.iter() {
            if let (Some(from), Some(to)) = (start, first.previous())
                && from <= to
            {
                gaps.push((from, to));
            }
            start = last.next();
        }
        gaps.extend(start.map(|from| (from, T::MAX)));
        Self(gaps.into_boxed_slice())
    }

    /// The numbers in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if self.is_empty() || other.is_empty() {
            return self.clone();
        }
        self.intersection(&other.complement())
    }

    /// Whether some number is in both.
    #[must_use]
    pub fn touches(&self, other: &Self) -> bool {
        let (short, long) = if self.0.len() <= other.0.len() {
            (self, other)
        } else {
            (other, self)
        };
        short.iter().any(|(first, last)| {
            let at = long.0.partition_point(|(_, end)| *end < first);
            long.0.get(at).is_some_and(|(start, _)| *start <= last)
        })
    }

    /// Whether every number of it is in the other.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.iter()
            .all(|(first, last)| other.run_of(first).is_some_and(|(_, end)| last <= end))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers(set: &Runs<u16>) -> Vec<bool> {
        (0..=30)
            .chain([u16::MAX])
            .map(|number| set.contains(number))
            .collect()
    }

    fn sets() -> impl Strategy<Value = Runs<u16>> {
        let bound = prop_oneof![9 => 0..=30u16, 1 => Just(u16::MAX)];
        proptest::collection::vec((bound.clone(), bound), 0..6).prop_map(Runs::from_unsorted)
    }

    #[test]
    fn runs_that_touch_become_one() {
        let set = Runs::from_unsorted(vec![(5, 9), (1, 2), (3, 4), (9, 7), (20, 20)]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [(1u16, 9), (20, 20)]);
        assert_eq!(Runs::from_numbers([3u16, 1, 2]), Runs::range(1, 3));
        let all = Runs::range(0, 4).union(&Runs::range(5, u16::MAX));
        assert!(all.is_all());
    }

    proptest! {
        #[test]
        fn algebra_is_that_of_sets(a in sets(), b in sets()) {
            let (left, right) = (numbers(&a), numbers(&b));
            let both = |op: fn(bool, bool) -> bool| -> Vec<bool> {
                left.iter().zip(&right).map(|(a, b)| op(*a, *b)).collect()
            };
            prop_assert_eq!(numbers(&a.union(&b)), both(|a, b| a || b));
            prop_assert_eq!(numbers(&a.intersection(&b)), both(|a, b| a && b));
            prop_assert_eq!(numbers(&a.difference(&b)), both(|a, b| a && !b));
            prop_assert_eq!(numbers(&a.complement()), both(|a, _| !a));
            prop_assert_eq!(a.touches(&b), !a.intersection(&b).is_empty());
            prop_assert_eq!(a.is_subset(&b), a.difference(&b).is_empty());
        }

        #[test]
        fn equal_sets_are_equal_values(a in sets(), b in sets()) {
            prop_assert_eq!(a.union(&b), b.union(&a));
            prop_assert_eq!(a.complement().complement(), a.clone());
            prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a);
        }
    }
}
