//! Selectors of Calico (C-23..C-34): expressions over one set of labels.
//!
//! `parse.rs` reads the text; here are the expression and what it selects. An expression is not
//! simplified: what people wrote is what reports show. INVARIANT: it is nested no deeper than
//! `parse::MAX_DEPTH`, so that walking it needs no care.

mod parse;

pub use parse::CalicoSelectorError;

/// The label that Calico gives to whatever lives in a namespace (C-21); `global()` asks for its
/// absence (C-29).
pub const NAMESPACE_LABEL: &str = "projectcalico.org/namespace";

/// A selector expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CalicoSelector {
    /// `all()`, or nothing at all (C-28).
    All,
    /// `global()`: what lives in no namespace (C-29).
    Global,
    /// `has(key)` (C-27).
    Has(Box<str>),
    /// `key == "value"`: present and equal (C-24).
    Equal(Box<str>, Box<str>),
    /// `key != "value"`: absent or different (C-24).
    NotEqual(Box<str>, Box<str>),
    /// `key in {...}`: present and listed; the list may be empty (C-25, C-32).
    In(Box<str>, Vec<Box<str>>),
    /// `key not in {...}`: absent or not listed (C-25, C-32).
    NotIn(Box<str>, Vec<Box<str>>),
    /// `key contains "part"`: present, with this part (C-26).
    Contains(Box<str>, Box<str>),
    /// `key starts with "start"` (C-26).
    StartsWith(Box<str>, Box<str>),
    /// `key ends with "end"` (C-26).
    EndsWith(Box<str>, Box<str>),
    /// `!term`: the plain complement (C-33).
    Not(Box<Self>),
    /// `a && b && ...`.
    And(Vec<Self>),
    /// `a || b || ...`.
    Or(Vec<Self>),
}

impl CalicoSelector {
    /// Whether a set of labels, given by its lookup, is selected.
    pub fn matches<'l>(&self, value_of: &impl Fn(&str) -> Option<&'l str>) -> bool {
        let is = |key: &str, test: &dyn Fn(&str) -> bool| value_of(key).is_some_and(test);
        match self {
            Self::All => true,
            Self::Global => value_of(NAMESPACE_LABEL).is_none(),
            Self::Has(key) => value_of(key).is_some(),
            Self::Equal(key, value) => is(key, &|found| *found == **value),
            Self::NotEqual(key, value) => !is(key, &|found| *found == **value),
            Self::In(key, values) => is(key, &|found| lists(values, found)),
            Self::NotIn(key, values) => !is(key, &|found| lists(values, found)),
            Self::Contains(key, part) => is(key, &|found| found.contains(&**part)),
            Self::StartsWith(key, start) => is(key, &|found| found.starts_with(&**start)),
            Self::EndsWith(key, end) => is(key, &|found| found.ends_with(&**end)),
            Self::Not(term) => !term.matches(value_of),
            Self::And(terms) => terms.iter().all(|term| term.matches(value_of)),
            Self::Or(terms) => terms.iter().any(|term| term.matches(value_of)),
        }
    }

    /// The same expression of other terms: `leaf` is asked for everything that is no combination.
    #[must_use]
    pub fn map(&self, leaf: &impl Fn(&Self) -> Self) -> Self {
        let all = |terms: &[Self]| terms.iter().map(|term| term.map(leaf)).collect();
        match self {
            Self::Not(term) => Self::Not(Box::new(term.map(leaf))),
            Self::And(terms) => Self::And(all(terms)),
            Self::Or(terms) => Self::Or(all(terms)),
            term => leaf(term),
        }
    }

    /// The same expression of keys with a prefix.
    #[must_use]
    pub fn prefixed(&self, prefix: &str) -> Self {
        let key = |key: &str| -> Box<str> { format!("{prefix}{key}").into() };
        self.map(&|leaf| match leaf.clone() {
            Self::Has(name) => Self::Has(key(&name)),
            Self::Equal(name, value) => Self::Equal(key(&name), value),
            Self::NotEqual(name, value) => Self::NotEqual(key(&name), value),
            Self::In(name, values) => Self::In(key(&name), values),
            Self::NotIn(name, values) => Self::NotIn(key(&name), values),
            Self::Contains(name, part) => Self::Contains(key(&name), part),
            Self::StartsWith(name, start) => Self::StartsWith(key(&name), start),
            Self::EndsWith(name, end) => Self::EndsWith(key(&name), end),
            other => other,
        })
    }

    fn is_compound(&self) -> bool {
        matches!(self, Self::And(_) | Self::Or(_))
    }
}

fn lists(values: &[Box<str>], value: &str) -> bool {
    values.iter().any(|listed| **listed == *value)
}

/// A value in the quotes that it does not hold itself (C-30).
fn quoted(value: &str) -> String {
    let quote = if value.contains('\'') { '"' } else { '\'' };
    format!("{quote}{value}{quote}")
}

impl std::fmt::Display for CalicoSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let set = |values: &[Box<str>]| {
            let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            format!("{{{}}}", values.join(", "))
        };
        match self {
            Self::All => f.write_str("all()"),
            Self::Global => f.write_str("global()"),
            Self::Has(key) => write!(f, "has({key})"),
            Self::Equal(key, value) => write!(f, "{key} == {}", quoted(value)),
            Self::NotEqual(key, value) => write!(f, "{key} != {}", quoted(value)),
            Self::In(key, values) => write!(f, "{key} in {}", set(values)),
            Self::NotIn(key, values) => write!(f, "{key} not in {}", set(values)),
            Self::Contains(key, part) => write!(f, "{key} contains {}", quoted(part)),
            Self::StartsWith(key, start) => write!(f, "{key} starts with {}", quoted(start)),
            Self::EndsWith(key, end) => write!(f, "{key} ends with {}", quoted(end)),
            Self::Not(term) if matches!(**term, Self::Has(_) | Self::All | Self::Global) => {
                write!(f, "!{term}")
            }
            Self::Not(term) => write!(f, "!({term})"),
            Self::And(terms) | Self::Or(terms) => {
                let operator = if matches!(self, Self::And(_)) {
                    " && "
                } else {
                    " || "
                };
                for (index, term) in terms.iter().enumerate() {
                    if index > 0 {
                        f.write_str(operator)?;
                    }
                    if term.is_compound() {
                        write!(f, "({term})")?;
                    } else {
                        write!(f, "{term}")?;
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
