//! Conditions on an endpoint that label selectors cannot say: any combination of the labels of the
//! pod, of its namespace and of its service account, and its own addresses (C-20..C-28, L-1..L-9).

use ipnet::IpNet;

/// Whose labels are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LabelsOf {
    /// The endpoint's own.
    Endpoint,
    /// Those of its namespace; `kubernetes.io/metadata.name` is the namespace's name (K-35).
    Namespace,
    /// Those of its service account.
    ServiceAccount,
}

/// What is asked of a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Test {
    /// It is there.
    Exists,
    /// It has one of these values.
    OneOf(Vec<Box<str>>),
    /// Its value starts with this.
    StartsWith(Box<str>),
    /// Its value ends with this.
    EndsWith(Box<str>),
    /// Its value contains this.
    Contains(Box<str>),
}

impl Test {
    /// Whether a label passes; none is an absent label, which passes no test.
    #[must_use]
    pub fn passes(&self, value: Option<&str>) -> bool {
        let Some(value) = value else {
            return false;
        };
        match self {
            Self::Exists => true,
            Self::OneOf(values) => values.iter().any(|listed| **listed == *value),
            Self::StartsWith(text) => value.starts_with(&**text),
            Self::EndsWith(text) => value.ends_with(&**text),
            Self::Contains(text) => value.contains(&**text),
        }
    }
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Expression {
    /// All of these; of none, true.
    All(Vec<Self>),
    /// Any of these; of none, false.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// A label passes a test.
    Label {
        /// Whose label.
        of: LabelsOf,
        /// The key.
        key: Box<str>,
        /// The test.
        test: Test,
    },
    /// The service account has one of these names.
    ServiceAccount(Vec<Box<str>>),
    /// One of its own addresses is in one of these networks. For subjects only: peers are asked
    /// by `Peer::Block`.
    Address(Vec<IpNet>),
}

/// What an expression is asked about.
pub trait Described {
    /// The value of a label.
    fn label(&self, of: LabelsOf, key: &str) -> Option<&str>;

    /// The name of the service account.
    fn service_account(&self) -> &str;

    /// Whether one of its addresses is in one of these networks.
    fn is_in(&self, nets: &[IpNet]) -> bool;
}

impl Expression {
    /// Whether it holds.
    pub fn holds(&self, of: &impl Described) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(of)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(of)),
            Self::Not(part) => !part.holds(of),
            Self::Label {
                of: whose,
                key,
                test,
            } => test.passes(of.label(*whose, key)),
            Self::ServiceAccount(names) => {
                let name = of.service_account();
                names.iter().any(|listed| **listed == *name)
            }
            Self::Address(nets) => of.is_in(nets),
        }
    }

    /// Tells every condition that is no combination of others.
    pub fn leaves<'e>(&'e self, found: &mut impl FnMut(&'e Self)) {
        match self {
            Self::All(parts) | Self::Any(parts) => {
                parts.iter().for_each(|part| part.leaves(found));
            }
            Self::Not(part) => part.leaves(found),
            Self::Label { .. } | Self::ServiceAccount(_) | Self::Address(_) => found(self),
        }
    }
}
