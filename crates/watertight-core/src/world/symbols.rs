//! Interned strings, and label sets made of them.

use std::sync::Arc;

use rustc_hash::FxHashMap;

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

/// The interner of a world.
#[derive(Debug, Default)]
pub struct Symbols {
    ids: FxHashMap<Arc<str>, Symbol>,
    texts: Vec<Arc<str>>,
}

/// Labels as interned keys and values, sorted by key.
pub type Labels = Shared<(Symbol, Symbol)>;

impl Symbols {
    /// The symbol of a text, made if it is new.
    pub fn intern(&mut self, text: &str) -> Symbol {
        if let Some(symbol) = self.ids.get(text) {
            return *symbol;
        }
        let symbol = Symbol(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        let text: Arc<str> = text.into();
        self.texts.push(Arc::clone(&text));
        self.ids.insert(text, symbol);
        symbol
    }

    /// The symbol of a text, if anything in the world has it.
    #[must_use]
    pub fn get(&self, text: &str) -> Option<Symbol> {
        self.ids.get(text).copied()
    }

    /// How many texts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The text of a symbol.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "symbols are only made by `intern`")]
    pub fn text(&self, symbol: Symbol) -> &str {
        &self.texts[symbol.0 as usize]
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
