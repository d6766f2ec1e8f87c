//! Which classes selectors and expressions select.

use super::Classes;
use crate::eval::compile::Matcher;
use crate::policy::{EndpointSelector, NamespaceScope};
use crate::sets::{Expression, LabelSelector, LabelsOf, Operator, Runs, Test};
use crate::world::{NAME_LABEL, NamespaceId, Symbol, World};

impl Classes {
    /// The classes in the scope of a selector (K-24..K-33).
    pub(in crate::eval::reach) fn in_scope(
        &self,
        world: &World,
        scope: &NamespaceScope,
    ) -> Runs<u32> {
        match scope {
            NamespaceScope::Only(namespace) => {
                self.of_namespace(*namespace).cloned().unwrap_or_default()
            }
            NamespaceScope::Matching(labels) if labels.is_empty() => self.selectable.clone(),
            NamespaceScope::Matching(labels) => {
                let labels = Matcher::new(world, labels);
                let matching = world
                    .namespace_ids()
                    .filter(|namespace| labels.matches(&world[*namespace].labels));
                Runs::union_of(matching.filter_map(|namespace| self.of_namespace(namespace)))
            }
        }
    }

    /// The classes that a label selector selects, in any namespace (K-38..K-46).
    pub(in crate::eval::reach) fn with_labels(
        &self,
        world: &World,
        selector: &LabelSelector,
    ) -> Runs<u32> {
        let mut found = self.selectable.clone();
        for requirement in &selector.requirements {
            let key = world.symbols.get(&requirement.key);
            let with_key = || key.and_then(|key| self.with_key.get(&key));
            let with_values = |values: &[Box<str>]| {
                let symbols = values.iter().filter_map(|value| world.symbols.get(value));
                let runs = symbols.filter_map(|value| self.with_label.get(&(key?, value)));
                Runs::union_of(runs)
            };
            found = match &requirement.operator {
                Operator::In(values) => found.intersection(&with_values(values)),
                Operator::NotIn(values) => found.difference(&with_values(values)),
                Operator::Exists => match with_key() {
                    Some(runs) => found.intersection(runs),
                    None => Runs::default(),
                },
                Operator::DoesNotExist => match with_key() {
                    Some(runs) => found.difference(runs),
                    None => found,
                },
            };
        }
        found
    }

    /// The classes for which an expression holds.
    pub(in crate::eval::reach) fn holding(
        &self,
        world: &World,
        expression: &Expression,
    ) -> Runs<u32> {
        match expression {
            Expression::All(parts) => parts.iter().fold(self.selectable.clone(), |found, part| {
                found.intersection(&self.holding(world, part))
            }),
            Expression::Any(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| self.holding(world, part)).collect();
                Runs::union_of(&parts)
            }
            Expression::Not(part) => self.selectable.difference(&self.holding(world, part)),
            Expression::Label {
                of: LabelsOf::Endpoint,
                key,
                test,
            } => self.with_own_label(world, key, test),
            Expression::Label {
                of: LabelsOf::Namespace,
                key,
                test,
            } => {
                let value = |id: NamespaceId| match &**key {
                    NAME_LABEL => Some(&*world[id].name),
                    key => world.namespace_label(id, key),
                };
                let matching = world.namespace_ids().filter(|id| test.passes(value(*id)));
                Runs::union_of(matching.filter_map(|id| self.of_namespace(id)))
            }
            Expression::Label {
                of: LabelsOf::ServiceAccount,
                key,
                test,
            } => self.with_account(|namespace, name| {
                let labels = world.account_labels(namespace, name);
                test.passes(labels.and_then(|labels| world.symbols.value(labels, key)))
            }),
            Expression::ServiceAccount(names) => {
                self.with_account(|_, name| names.iter().any(|listed| **listed == *name))
            }
            // Peers are asked for addresses by blocks.
            Expression::Address(_) => Runs::default(),
        }
    }

    fn with_own_label(&self, world: &World, key: &str, test: &Test) -> Runs<u32> {
        let Some(key) = world.symbols.get(key) else {
            return Runs::default();
        };
        let with = |value: &Symbol| self.with_label.get(&(key, *value));
        match test {
            Test::Exists => self.with_key.get(&key).cloned().unwrap_or_default(),
            Test::OneOf(values) => {
                let values = values.iter().filter_map(|value| world.symbols.get(value));
                let values: Vec<Symbol> = values.collect();
                Runs::union_of(values.iter().filter_map(with))
            }
            _ => {
                let values = self.values.get(&key).into_iter().flatten();
                let passing = values.filter(|value| test.passes(Some(world.symbols.text(**value))));
                Runs::union_of(passing.filter_map(with))
            }
        }
    }

    fn with_account(&self, holds: impl Fn(NamespaceId, &str) -> bool) -> Runs<u32> {
        let accounts = self.accounts.iter().flat_map(|accounts| &accounts.list);
        let numbered = accounts.zip(self.with_account.iter().skip(1));
        let holding = numbered.filter(|((namespace, name), _)| holds(*namespace, name));
        Runs::union_of(holding.map(|(_, classes)| classes))
    }

    /// Whether a class is what a selector selects.
    pub(in crate::eval::reach) fn is_selected(
        &self,
        world: &World,
        selector: &EndpointSelector,
        class: u32,
    ) -> bool {
        let Some(class) = self.get(class).filter(|class| class.selectable) else {
            return false;
        };
        let Some(namespace) = class.namespace else {
            return false;
        };
        if selector.also.is_some() {
            // Whoever asks looks at all peers again.
            return true;
        }
        let in_scope = match &selector.namespaces {
            NamespaceScope::Only(only) => namespace == *only,
            NamespaceScope::Matching(labels) => {
                labels.matches(|key| world.namespace_label(namespace, key))
            }
        };
        in_scope
            && selector.pods.matches(|key| {
                let key = world.symbols.get(key)?;
                let label = class.labels.iter().find(|(known, _)| *known == key);
                label.map(|(_, value)| world.symbols.text(*value))
            })
    }
}
