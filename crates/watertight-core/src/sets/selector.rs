//! Label selectors (K-38..K-46).

use crate::source::Span;

/// What a requirement asks of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// Present, with one of these values (K-39).
    In(Vec<Box<str>>),
    /// Absent, or present with another value (K-40).
    NotIn(Vec<Box<str>>),
    /// Present with any value (K-41).
    Exists,
    /// Absent (K-42).
    DoesNotExist,
}

/// One condition on one key. An entry of `matchLabels` is `In` with one value.
#[derive(Clone, Debug)]
pub struct Requirement {
    /// The label key.
    pub key: Box<str>,
    /// The condition.
    pub operator: Operator,
    /// Where it is written.
    pub span: Span,
}

/// A selector: all requirements must hold; none at all selects everything (K-38, K-44).
#[derive(Clone, Debug)]
pub struct LabelSelector {
    /// The requirements, in reading order.
    pub requirements: Vec<Requirement>,
    /// Where the selector is written; where its owner is, if it is not written.
    pub span: Span,
}

impl PartialEq for LabelSelector {
    fn eq(&self, other: &Self) -> bool {
        self.normal() == other.normal()
    }
}

impl Eq for LabelSelector {}

impl LabelSelector {
    /// A selector that selects everything.
    #[must_use]
    pub fn everything(span: Span) -> Self {
        Self {
            requirements: Vec::new(),
            span,
        }
    }

    /// A selector that selects nothing.
    #[must_use]
    pub fn nothing(span: Span) -> Self {
        let requirement = Requirement {
            key: "".into(),
            operator: Operator::In(Vec::new()),
            span,
        };
        Self {
            requirements: vec![requirement],
            span,
        }
    }

    /// Whether it selects everything by having no requirement.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    /// Whether a set of labels, given by its lookup, is selected.
    pub fn matches<'l>(&self, value_of: impl Fn(&str) -> Option<&'l str>) -> bool {
        self.requirements.iter().all(|requirement| {
            let value = value_of(&requirement.key);
            let listed = |values: &[Box<str>]| {
                value.is_some_and(|value| values.iter().any(|listed| **listed == *value))
            };
            match &requirement.operator {
                Operator::In(values) => listed(values),
                Operator::NotIn(values) => !listed(values),
                Operator::Exists => value.is_some(),
                Operator::DoesNotExist => value.is_none(),
            }
        })
    }

    /// The requirements in an order of their own: equal for selectors that say the same.
    #[must_use]
    pub fn normal(&self) -> Vec<(&str, Operator)> {
        let mut parts: Vec<_> = self
            .requirements
            .iter()
            .map(|requirement| {
                let operator = match requirement.operator.clone() {
                    Operator::In(mut values) => {
                        values.sort_unstable();
                        values.dedup();
                        Operator::In(values)
                    }
                    Operator::NotIn(mut values) => {
                        values.sort_unstable();
                        values.dedup();
                        Operator::NotIn(values)
                    }
                    other => other,
                };
                (&*requirement.key, operator)
            })
            .collect();
        parts.sort_unstable();
        parts.dedup();
        parts
    }

    /// Whether no set of labels at all can be selected (K-46).
    #[must_use]
    pub fn is_contradictory(&self) -> bool {
        self.requirements.iter().any(|requirement| {
            let same_key = || {
                self.requirements
                    .iter()
                    .filter(|other| other.key == requirement.key)
            };
            match &requirement.operator {
                Operator::In(values) => !values.iter().any(|value| {
                    same_key().all(|other| match &other.operator {
                        Operator::In(listed) => listed.contains(value),
                        Operator::NotIn(listed) => !listed.contains(value),
                        Operator::Exists => true,
                        Operator::DoesNotExist => false,
                    })
                }),
                Operator::Exists => {
                    same_key().any(|other| other.operator == Operator::DoesNotExist)
                }
                Operator::NotIn(_) | Operator::DoesNotExist => false,
            }
        })
    }
}

impl std::fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() {
            return f.write_str("{}");
        }
        for (index, Requirement { key, operator, .. }) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match operator {
                Operator::In(values) if values.len() == 1 => {
                    write!(f, "{key}={}", values.concat())?
                }
                Operator::In(values) => write!(f, "{key} in ({})", values.join(","))?,
                Operator::NotIn(values) => write!(f, "{key} notin ({})", values.join(","))?,
                Operator::Exists => f.write_str(key)?,
                Operator::DoesNotExist => write!(f, "!{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    fn selector(parts: &[(&str, Operator)]) -> LabelSelector {
        let file = Sources::new().add("t", Vec::new()).unwrap();
        let span = Span::new(file, 0, 0);
        let requirements = parts
            .iter()
            .map(|(key, operator)| Requirement {
                key: (*key).into(),
                operator: operator.clone(),
                span,
            })
            .collect();
        LabelSelector { requirements, span }
    }

    fn one_of(values: &[&str]) -> Operator {
        Operator::In(values.iter().map(|value| (*value).into()).collect())
    }

    fn none_of(values: &[&str]) -> Operator {
        Operator::NotIn(values.iter().map(|value| (*value).into()).collect())
    }

    fn selects(parts: &[(&str, Operator)], labels: &[(&str, &'static str)]) -> bool {
        selector(parts).matches(|key| {
            let found = labels.iter().find(|(name, _)| *name == key);
            found.map(|(_, value)| *value)
        })
    }

    #[test]
    fn k_38_to_k_45_operators() {
        let web = [("app", "web")];
        assert!(selects(&[], &web), "K-44");
        assert!(selects(&[("app", one_of(&["api", "web"]))], &web), "K-39");
        assert!(!selects(&[("app", one_of(&["Web"]))], &web), "K-45");
        assert!(
            selects(&[("env", none_of(&["dev"]))], &web),
            "K-40: absent key"
        );
        assert!(!selects(&[("app", none_of(&["web"]))], &web), "K-40");
        assert!(
            selects(&[("app", Operator::Exists)], &[("app", "")]),
            "K-41"
        );
        assert!(
            !selects(&[("app", Operator::DoesNotExist)], &[("app", "")]),
            "K-42"
        );
        assert!(
            !selects(&[("env", one_of(&[""]))], &web),
            "K-43: empty is not absent"
        );
        let both = [("app", one_of(&["web"])), ("env", Operator::Exists)];
        assert!(!selects(&both, &web), "K-38: all must hold");
    }

    #[test]
    fn k_46_contradictions() {
        let contradictory = |parts: &[(&str, Operator)]| selector(parts).is_contradictory();
        assert!(contradictory(&[
            ("a", one_of(&["x"])),
            ("a", none_of(&["x"]))
        ]));
        assert!(contradictory(&[
            ("a", one_of(&["x"])),
            ("a", Operator::DoesNotExist)
        ]));
        assert!(contradictory(&[
            ("a", Operator::Exists),
            ("a", Operator::DoesNotExist)
        ]));
        assert!(contradictory(&[
            ("a", one_of(&["x"])),
            ("a", one_of(&["y"]))
        ]));
        assert!(!contradictory(&[
            ("a", one_of(&["x", "y"])),
            ("a", none_of(&["x"]))
        ]));
        assert!(!contradictory(&[
            ("a", one_of(&["x"])),
            ("b", none_of(&["x"]))
        ]));
    }
}
