//! The sets that policies are made of: labels, addresses, traffic.

mod address;
mod calico_selector;
mod domain;
mod expression;
mod runs;
mod selector;
mod traffic;

pub use address::{Cidr, CidrError, Family, IpBlock};
pub use calico_selector::{
    CalicoSelector, CalicoSelectorError, NAMESPACE_LABEL as CALICO_NAMESPACE,
};
pub use domain::{DomainPattern, Labels as DomainLabels, is_public_name};
pub use expression::{Described, Expression, LabelsOf, Test};
pub use runs::{Bound, Runs};
pub use selector::{LabelSelector, Operator, Requirement};
pub use traffic::{PortMatch, Protocol};
