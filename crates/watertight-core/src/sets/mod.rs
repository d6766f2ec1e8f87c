//! The sets that policies are made of: labels, addresses, traffic.

mod address;
mod runs;
mod selector;
mod traffic;

pub use address::{Cidr, CidrError, IpBlock};
pub use runs::{Bound, Runs};
pub use selector::{LabelSelector, Operator, Requirement};
pub use traffic::{PortMatch, Protocol};
