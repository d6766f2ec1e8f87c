//! Interned strings, and label sets made of them.

use std::hash::Hasher as _;

use rustc_hash::FxHasher;

use super::Shared;

/// An interned string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(u32);

impl Symbol {
    /// The position in the interner, for tables and keys beside it.
    pub(crate) fn number(self) -> u32 {
        self.0
    }
}

/// The interner of a world. The texts are kept in one piece, and the table holds nothing but
/// numbers: a large cluster has a new text for every workload.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Symbols {
    /// All texts, one behind the other.
    texts: String,
    /// Where each of them ends.
    ends: Vec<usize>,
    /// The number behind that of a symbol, at the hash of its text or at the next free place behind
    /// it; zero at free places. The length is a power of two, or zero.
    table: Vec<u32>,
}

/// Labels as interned keys and values, sorted by key.
pub type Labels = Shared<(Symbol, Symbol)>;

impl Symbols {
    /// The symbol of a text, made if it is new.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.get(text) {
            return symbol;
        }
        let number = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        self.texts.push_str(text);
        self.ends.push(self.texts.len());
        if self.ends.len() * 2 > self.table.len() {
            self.table = vec![0; (self.ends.len() * 4).next_power_of_two()];
            (0..=number).for_each(|number| self.enter(Symbol(number)));
        } else {
            self.enter(Symbol(number));
        }
        Symbol(number)
    }

    /// The symbol of a text, if anything in the world has it.
    #[must_use]
    pub fn get(&self, text: &str) -> Option<Symbol> {
        // At least half of the places are free.
        for place in self.places(text) {
            let symbol = Symbol(self.table.get(place)?.checked_sub(1)?);
            if self.text(symbol) == text {
                return Some(symbol);
            }
        }
        None
    }

    /// Where a text may be in the table, the first place first.
    fn places(&self, text: &str) -> impl Iterator<Item = usize> + use<> {
        let mask = self.table.len().saturating_sub(1);
        let mut hasher = FxHasher::default();
        hasher.write(text.as_bytes());
        let first = hasher.finish() as usize & mask;
        (first..=mask).chain(0..first)
    }

    /// Enters a symbol that is not in the table.
    fn enter(&mut self, symbol: Symbol) {
        let mut places = self.places(self.text(symbol));
        let free = places.find(|place| self.table.get(*place) == Some(&0));
        if let Some(place) = free.and_then(|place| self.table.get_mut(place)) {
            *place = symbol.0.saturating_add(1);
        }
    }

    /// How many texts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a symbol.
    #[must_use]
    pub fn text(&self, symbol: Symbol) -> &str {
        // INVARIANT: symbols are only made by `intern`.
        let end = |index: usize| self.ends.get(index).copied();
        let index = symbol.0 as usize;
        let start = index.checked_sub(1).and_then(end).unwrap_or(0);
        let text = end(index).and_then(|end| self.texts.get(start..end));
        text.unwrap_or_default()
    }

    /// All texts, in the order of their symbols.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let numbers = 0..u32::try_from(self.len()).unwrap_or(u32::MAX);
        numbers.map(|number| self.text(Symbol(number)))
    }

    /// Labels from pairs; of a repeated key the last value counts.
    pub fn labels<K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Labels {
        let pairs = pairs.into_iter().map(|(key, value)| {
            let key = self.intern(key.as_ref());
            (key, self.intern(value.as_ref()))
        });
        Self::sorted(pairs)
    }

    /// Labels from pairs of symbols; of a repeated key the last value counts.
    pub(super) fn sorted(pairs: impl IntoIterator<Item = (Symbol, Symbol)>) -> Labels {
        let pairs = pairs.into_iter();
        let mut labels: Vec<(Symbol, Symbol)> =
            Vec::with_capacity(pairs.size_hint().1.unwrap_or(0));
        for (key, value) in pairs {
            match labels.iter_mut().find(|(known, _)| *known == key) {
                Some(entry) => entry.1 = value,
                None => labels.push((key, value)),
            }
        }
        labels.sort_unstable();
        labels.as_slice().into()
    }

    /// The value of a key.
    #[must_use]
    pub fn value(&self, labels: &Labels, key: &str) -> Option<&str> {
        let key = self.get(key)?;
        value_of(labels, key).map(|value| self.text(value))
    }
}

/// The value of a key among labels.
#[must_use]
pub(crate) fn value_of(labels: &[(Symbol, Symbol)], key: Symbol) -> Option<Symbol> {
    labels
        .iter()
        .find(|(known, _)| *known == key)
        .map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_has_one_symbol() {
        let mut symbols = Symbols::default();
        assert_eq!(symbols.get(""), None);
        let texts: Vec<_> = (0..10_000).map(|n| format!("é{}", n % 5000)).collect();
        let made: Vec<_> = texts.iter().map(|text| symbols.intern(text)).collect();
        assert_eq!(symbols.len(), 5000);
        for (at, (text, symbol)) in texts.iter().zip(&made).enumerate() {
            assert_eq!(symbol.number() as usize, at % 5000, "in their order");
            assert_eq!(symbols.get(text), Some(*symbol));
            assert_eq!(symbols.text(*symbol), text);
        }
        assert_eq!(symbols.get("é5000"), None);
        let empty = symbols.intern("");
        assert_eq!((symbols.text(empty), symbols.get("")), ("", Some(empty)));
    }

    #[test]
    fn of_a_repeated_key_the_last_value_counts() {
        let mut symbols = Symbols::default();
        let labels = symbols.labels([("b", "1"), ("a", "2"), ("b", "3")]);
        assert_eq!(labels.len(), 2);
        assert_eq!(symbols.value(&labels, "a"), Some("2"));
        assert_eq!(symbols.value(&labels, "b"), Some("3"));
        assert_eq!(symbols.value(&labels, "c"), None);
    }
}
