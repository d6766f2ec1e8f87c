//! The sets that policies are made of: labels, addresses, traffic.

mod address;
mod selector;
mod traffic;

pub use address::{Cidr, CidrError, IpBlock};
pub use selector::{LabelSelector, Operator, Requirement};
pub use traffic::{PortMatch, Protocol};
