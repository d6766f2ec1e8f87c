//! Whom selectors of Calico mean (C-17..C-21, C-37..C-41).
//!
//! Calico puts the selectors of a policy or of one end of a rule together into one expression, in
//! which labels of namespaces and of service accounts have prefixes. `of_policy` and `of_entity` do
//! the same; `pods` takes such an expression apart again, into what label selectors can say and the
//! rest. INVARIANT: pods always live in a namespace and always have a service account.

use crate::manifest::policy::calico::{CalicoPolicy, EntityRule};
use crate::policy::{EndpointSelector, NamespaceScope};
use crate::sets::{
    CALICO_NAMESPACE, CalicoSelector, Expression, LabelSelector, LabelsOf, Operator, Requirement,
    Test,
};
use crate::source::Span;
use crate::world::{NAME_LABEL, NamespaceId, PolicyItem, World};

/// The label with the name of the service account (C-21).
const ACCOUNT: &str = "projectcalico.org/serviceaccount";

/// The label that tells pods of Kubernetes from others (C-21).
const ORCHESTRATOR: &str = "projectcalico.org/orchestrator";

/// The prefix of labels of the namespace (C-21).
const OF_NAMESPACE: &str = "pcns.";

/// The prefix of labels of the service account (C-21).
const OF_ACCOUNT: &str = "pcsa.";

/// The label with the name of the namespace or of the service account, behind its prefix (C-21).
const NAME: &str = "projectcalico.org/name";

fn has(key: &str) -> CalicoSelector {
    CalicoSelector::Has(key.into())
}

fn in_namespace(name: &str) -> CalicoSelector {
    CalicoSelector::Equal(CALICO_NAMESPACE.into(), name.into())
}

/// `all()` that means everything that has a label.
fn all_is(selector: &CalicoSelector, key: &str) -> CalicoSelector {
    selector.map(&|leaf| match leaf {
        CalicoSelector::All => has(key),
        other => other.clone(),
    })
}

/// What a policy selects, in the namespace that it lives in.
pub(super) fn of_policy(policy: &CalicoPolicy, namespace: Option<&str>) -> CalicoSelector {
    let own = policy.selector.as_ref().map(|text| text.selector.clone());
    let accounts = policy.service_account_selector.as_ref();
    let accounts = accounts.map(|text| text.selector.prefixed(OF_ACCOUNT));
    if let Some(namespace) = namespace {
        // C-17
        let parts = [own, Some(in_namespace(namespace)), accounts];
        return CalicoSelector::And(parts.into_iter().flatten().collect());
    }
    // C-18, C-19: beside another selector, `all()` means what lives in a namespace, or has a
    // service account.
    let mut found = own;
    if let Some(namespaces) = &policy.namespace_selector {
        let namespaces = namespaces.selector.prefixed(OF_NAMESPACE);
        let both = found.into_iter().chain([namespaces]).collect();
        found = Some(all_is(&CalicoSelector::And(both), CALICO_NAMESPACE));
    }
    if let Some(accounts) = accounts {
        let both = found.into_iter().chain([accounts]).collect();
        found = Some(all_is(&CalicoSelector::And(both), ACCOUNT));
    }
    found.unwrap_or(CalicoSelector::All)
}

/// What one end of a rule selects; none if it has no selectors.
pub(super) fn of_entity(entity: &EntityRule, namespace: Option<&str>) -> Option<CalicoSelector> {
    let own = entity.selector.as_ref().map(|text| text.selector.clone());
    // C-40
    let accounts = entity.service_accounts.as_ref();
    let names = accounts.filter(|accounts| !accounts.names.is_empty());
    let names = names.map(|accounts| CalicoSelector::In(ACCOUNT.into(), accounts.names.clone()));
    let labels = accounts.and_then(|accounts| accounts.selector.as_ref());
    let labels = labels.map(|text| text.selector.prefixed(OF_ACCOUNT));
    let given = own.is_some()
        || names.is_some()
        || labels.is_some()
        || entity.not_selector.is_some()
        || entity.namespace_selector.is_some();
    let namespaces = match (&entity.namespace_selector, namespace) {
        // C-38
        (Some(text), _) => Some(
            text.selector
                .prefixed(OF_NAMESPACE)
                .map(&|leaf| match leaf {
                    CalicoSelector::All => has(CALICO_NAMESPACE),
                    CalicoSelector::Global => CalicoSelector::Not(Box::new(has(CALICO_NAMESPACE))),
                    other => other.clone(),
                }),
        ),
        // C-37
        (None, Some(namespace)) if given => Some(in_namespace(namespace)),
        (None, _) => None,
    };
    let parts: Vec<_> = [namespaces, labels, names, own]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty()).then_some(CalicoSelector::And(parts))
}

/// A label of a NetworkSet or a GlobalNetworkSet (C-61).
pub(super) fn label<'w>(world: &'w World, item: &'w PolicyItem, key: &str) -> Option<&'w str> {
    let namespace = item.namespace.map(|id| (id, &*world[id].name));
    if let (CALICO_NAMESPACE, Some((_, name))) = (key, namespace) {
        return Some(name);
    }
    world.symbols.value(&item.labels, key).or_else(|| {
        let (id, name) = namespace?;
        match key.strip_prefix(OF_NAMESPACE)? {
            NAME => Some(name),
            key => world.namespace_label(id, key),
        }
    })
}

/// The pods that a selector means, as a peer or a subject; none if there can be none.
pub(super) fn pods(
    world: &World,
    selector: &CalicoSelector,
    span: Span,
) -> Option<EndpointSelector> {
    let mut parts = Vec::new();
    conjuncts(selector, &mut parts);
    let mut only: Option<NamespaceId> = None;
    let (mut namespaces, mut labels, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        if let CalicoSelector::Equal(key, name) = part
            && **key == *CALICO_NAMESPACE
        {
            let namespace = world.namespace(name)?;
            if only.is_some_and(|other| other != namespace) {
                return None;
            }
            only = Some(namespace);
            continue;
        }
        match plain(part).map(|(key, operator)| (owner(world, key), operator)) {
            Some((Owner::Pod(key), operator)) => labels.push((key, operator)),
            Some((Owner::Namespace(key), operator)) => namespaces.push((key, operator)),
            _ => rest.push(expression(world, part)),
        }
    }
    let selector = |parts: Vec<(&str, Operator)>| {
        let requirement = |(key, operator): (&str, Operator)| Requirement {
            key: key.into(),
            operator,
            span,
        };
        LabelSelector {
            requirements: parts.into_iter().map(requirement).collect(),
            span,
        }
    };
    let namespaces = selector(namespaces);
    let namespaces = match only {
        Some(id) if namespaces.matches(|key| world.namespace_label(id, key)) => {
            NamespaceScope::Only(id)
        }
        Some(_) => return None,
        None => NamespaceScope::Matching(namespaces),
    };
    let mut found = EndpointSelector::new(namespaces, selector(labels));
    match all(rest) {
        nobody if nobody == NOBODY => return None,
        everybody if everybody == EVERYBODY => {}
        rest => found.also = Some(rest.into()),
    }
    Some(found)
}

fn conjuncts<'s>(selector: &'s CalicoSelector, found: &mut Vec<&'s CalicoSelector>) {
    match selector {
        CalicoSelector::And(parts) => parts.iter().for_each(|part| conjuncts(part, found)),
        other => found.push(other),
    }
}

/// A condition on one label that label selectors know, too.
fn plain(selector: &CalicoSelector) -> Option<(&str, Operator)> {
    use CalicoSelector::{Equal, Has, In, Not, NotEqual, NotIn};
    let one = |value: &str| vec![value.into()];
    Some(match selector {
        Has(key) => (key, Operator::Exists),
        Equal(key, value) => (key, Operator::In(one(value))),
        NotEqual(key, value) => (key, Operator::NotIn(one(value))),
        In(key, values) => (key, Operator::In(values.clone())),
        NotIn(key, values) => (key, Operator::NotIn(values.clone())),
        Not(term) => {
            let (key, operator) = plain(term)?;
            let operator = match operator {
                Operator::Exists => Operator::DoesNotExist,
                Operator::DoesNotExist => Operator::Exists,
                Operator::In(values) => Operator::NotIn(values),
                Operator::NotIn(values) => Operator::In(values),
            };
            (key, operator)
        }
        _ => return None,
    })
}

/// Whose label a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner<'k> {
    Pod(&'k str),
    Namespace(&'k str),
    NamespaceName,
    Account(&'k str),
    AccountName,
    Orchestrator,
    /// A pod has such a label of its own, which wins (C-21).
    Contested,
}

fn owner<'k>(world: &World, key: &'k str) -> Owner<'k> {
    match key {
        CALICO_NAMESPACE => return Owner::NamespaceName,
        ACCOUNT => return Owner::AccountName,
        ORCHESTRATOR => return Owner::Orchestrator,
        _ => {}
    }
    let inherited = match (key.strip_prefix(OF_NAMESPACE), key.strip_prefix(OF_ACCOUNT)) {
        (Some(NAME), _) => Owner::Namespace(NAME_LABEL),
        (Some(key), _) => Owner::Namespace(key),
        (_, Some(NAME)) => Owner::AccountName,
        (_, Some(key)) => Owner::Account(key),
        (None, None) => return Owner::Pod(key),
    };
    match world.symbols.get(key) {
        Some(_) => Owner::Contested,
        None => inherited,
    }
}

/// Holds for everybody.
pub(super) const EVERYBODY: Expression = Expression::All(Vec::new());

/// Holds for nobody.
pub(super) const NOBODY: Expression = Expression::Any(Vec::new());

/// A selector as an expression about pods.
pub(super) fn expression(world: &World, selector: &CalicoSelector) -> Expression {
    use CalicoSelector as S;
    let test = |key: &str, test: Test| label_of(world, key, test);
    let one = |value: &str| Test::OneOf(vec![value.into()]);
    match selector {
        S::All => EVERYBODY,
        // C-29: pods live in namespaces.
        S::Global => NOBODY,
        S::Has(key) => test(key, Test::Exists),
        S::Equal(key, value) => test(key, one(value)),
        S::NotEqual(key, value) => not(test(key, one(value))),
        S::In(key, values) => test(key, Test::OneOf(values.clone())),
        S::NotIn(key, values) => not(test(key, Test::OneOf(values.clone()))),
        S::Contains(key, part) => test(key, Test::Contains(part.clone())),
        S::StartsWith(key, start) => test(key, Test::StartsWith(start.clone())),
        S::EndsWith(key, end) => test(key, Test::EndsWith(end.clone())),
        S::Not(term) => not(expression(world, term)),
        S::And(terms) => all(terms.iter().map(|term| expression(world, term))),
        S::Or(terms) => any(terms.iter().map(|term| expression(world, term))),
    }
}

fn label_of(world: &World, key: &str, test: Test) -> Expression {
    let label = |of, key: &str| Expression::Label {
        of,
        key: key.into(),
        test: test.clone(),
    };
    match owner(world, key) {
        Owner::Pod(key) => label(LabelsOf::Endpoint, key),
        Owner::Namespace(key) => label(LabelsOf::Namespace, key),
        // Pods have one: nothing is to be said of `all()` of namespaces.
        Owner::NamespaceName if test == Test::Exists => EVERYBODY,
        Owner::NamespaceName => label(LabelsOf::Namespace, NAME_LABEL),
        Owner::Account(key) => label(LabelsOf::ServiceAccount, key),
        Owner::AccountName => account_name(world, test),
        Owner::Orchestrator if test.passes(Some("k8s")) => EVERYBODY,
        Owner::Orchestrator => NOBODY,
        Owner::Contested => {
            let inherited = match (key.strip_prefix(OF_NAMESPACE), key.strip_prefix(OF_ACCOUNT)) {
                (Some(NAME), _) => label(LabelsOf::Namespace, NAME_LABEL),
                (Some(key), _) => label(LabelsOf::Namespace, key),
                (_, Some(NAME)) => account_name(world, test.clone()),
                (_, Some(key)) => label(LabelsOf::ServiceAccount, key),
                (None, None) => NOBODY,
            };
            let is_own = Expression::Label {
                of: LabelsOf::Endpoint,
                key: key.into(),
                test: Test::Exists,
            };
            let inherited = all([not(is_own), inherited]);
            any([label(LabelsOf::Endpoint, key), inherited])
        }
    }
}

/// The names of service accounts for which a test holds.
fn account_name(world: &World, test: Test) -> Expression {
    match test {
        Test::Exists => EVERYBODY,
        Test::OneOf(names) => Expression::ServiceAccount(names),
        test => {
            let names = world.endpoint_ids().map(|id| world.account_of(id));
            let mut names: Vec<Box<str>> = names
                .filter(|name| test.passes(Some(name)))
                .map(Into::into)
                .collect();
            names.sort_unstable();
            names.dedup();
            Expression::ServiceAccount(names)
        }
    }
}

/// All of these, without what goes without saying.
pub(super) fn all(parts: impl IntoIterator<Item = Expression>) -> Expression {
    let mut found = Vec::new();
    for part in parts {
        match part {
            Expression::All(parts) => found.extend(parts),
            nobody if nobody == NOBODY => return NOBODY,
            other => found.push(other),
        }
    }
    match found.pop() {
        Some(only) if found.is_empty() => only,
        last => Expression::All(found.into_iter().chain(last).collect()),
    }
}

/// Any of these, without what cannot be.
pub(super) fn any(parts: impl IntoIterator<Item = Expression>) -> Expression {
    let mut found = Vec::new();
    for part in parts {
        match part {
            Expression::Any(parts) => found.extend(parts),
            everybody if everybody == EVERYBODY => return EVERYBODY,
            other => found.push(other),
        }
    }
    match found.pop() {
        Some(only) if found.is_empty() => only,
        last => Expression::Any(found.into_iter().chain(last).collect()),
    }
}

/// Not this.
pub(super) fn not(part: Expression) -> Expression {
    match part {
        Expression::All(parts) if parts.is_empty() => NOBODY,
        Expression::Any(parts) if parts.is_empty() => EVERYBODY,
        Expression::Not(part) => *part,
        part => Expression::Not(Box::new(part)),
    }
}
