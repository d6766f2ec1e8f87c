//! A cluster of network namespaces: nodes, pods and a world outside.
//!
//! [`Plan`] says who lives where with which addresses, and writes that into the world that verdicts are asked
//! about; it is pure. [`Cluster::up`] makes it. [`services`] is what a kube-proxy would do. [`holder`] keeps a
//! cluster alive behind a command that ended, [`state`] finds it again.
//!
//! The world is a router that owns all outside addresses. A node is joined to it, a pod to its node, each by
//! a pair of veth devices; everything is routed, nothing is bridged and nothing masqueraded on its way out.
//! Host-network pods live in the namespace of their node.
//!
//! INVARIANT: namespaces are descriptors of one process ([`crate::sys::Namespace`]); no name of a lab exists
//! outside of them, so nothing is left when that process ends.

mod cluster;
pub mod holder;
mod links;
pub mod mounts;
mod plan;
mod progress;
pub mod services;
pub mod state;

use std::fmt;

use watertight_core::world::{EndpointId, NodeId};

pub use cluster::Cluster;
pub use plan::{Families, LeftOut, MadeUp, Node, Options, Outside, Plan, Pod, blocks};

pub use progress::{Progress, Step};

use crate::{netlink, sys};

/// One namespace of a lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The world outside, which owns every outside address.
    World,
    /// A node, with the host-network pods on it.
    Node(NodeId),
    /// A pod that has a network of its own.
    Pod(EndpointId),
}

/// What went wrong with a lab.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// More pods or nodes than a lab holds.
    TooMany {
        /// `pods` or `nodes`.
        what: &'static str,
        /// How many the input has.
        count: usize,
        /// How many a lab holds.
        most: usize,
    },
    /// No address is left for somebody.
    NoAddress {
        /// For whom.
        whom: Box<str>,
        /// The range.
        range: Box<str>,
    },
    /// A call of the kernel failed.
    System {
        /// What of the lab was being made; reads on behind `could not`.
        doing: Box<str>,
        /// The call.
        cause: sys::Error,
    },
    /// The kernel refused a link, an address or a route.
    Netlink {
        /// What of the lab was being made; reads on behind `could not`.
        doing: Box<str>,
        /// What it said.
        cause: netlink::Error,
    },
    /// Links did not come up in time.
    NotUp {
        /// Where.
        place: Box<str>,
        /// How many of its links are still down.
        links: usize,
    },
    /// Something about the files and processes of labs that run in the background, as a sentence.
    State(Box<str>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { what, count, most } => write!(
                f,
                "the input has {count} {what}, and a lab holds at most {most}: give it fewer files, or \
                 a namespace"
            ),
            Self::NoAddress { whom, range } => {
                write!(f, "no address is left for {whom} in {range}")
            }
            Self::System { doing, cause } => write!(f, "could not {doing}: {cause}"),
            Self::Netlink { doing, cause } => write!(f, "could not {doing}: {cause}"),
            Self::NotUp { place, links } => {
                write!(f, "{links} links of {place} did not come up in time")
            }
            Self::State(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { cause, .. } => Some(cause),
            Self::Netlink { cause, .. } => Some(cause),
            Self::TooMany { .. } | Self::NoAddress { .. } | Self::NotUp { .. } | Self::State(_) => {
                None
            }
        }
    }
}

impl Error {
    fn system(doing: impl Into<Box<str>>) -> impl FnOnce(sys::Error) -> Self {
        let doing = doing.into();
        move |cause| Self::System { doing, cause }
    }

    fn netlink(doing: impl Into<Box<str>>) -> impl FnOnce(netlink::Error) -> Self {
        let doing = doing.into();
        move |cause| Self::Netlink { doing, cause }
    }
}
