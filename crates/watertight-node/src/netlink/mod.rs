//! Netlink, the kernel's protocol for links, addresses and routes, nftables, packet logs and connection tracking.
//!
//! - [`Message`] writes, [`Attributes`] and [`Reply`] read.
//! - [`Socket`] sends and waits: one request, many at once, a dump, or one transaction of nftables.
//! - [`log`]: packets that a rule logged. [`conntrack`]: connections that the kernel keeps.
//!
//! INVARIANT: a socket belongs to the network namespace of the thread that opened it, for ever; no call here
//! changes a namespace. What the kernel sends is never trusted to be well formed.

pub mod conntrack;
pub mod log;
mod message;
mod socket;

pub use message::{Attribute, Attributes, Message, Reply};
pub(crate) use socket::nfgenmsg;
pub use socket::{Error, Protocol, Socket};
