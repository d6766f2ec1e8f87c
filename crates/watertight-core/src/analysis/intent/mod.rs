//! Intents: what must hold of a cluster, written down, and whether it does.
//!
//! A [`Statement`] is about all pairs of the parties that it names, never about one of them. It is
//! judged on the map, by units that rows cannot tell apart, and a broken one names one pair that
//! breaks it. INVARIANT: what is uncertain fulfils nothing, neither an `allow` nor a `deny`; a
//! statement about nobody is vacuous, which is no success.

mod check;
mod ends;
mod exact;
mod flows;
mod generate;
mod outside;
mod pin;
mod ports;
mod read;
mod scope;
#[cfg(test)]
mod tests;
mod whom;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::facts::metadata::Cloud;
use crate::manifest::Direction;
use crate::sets::{LabelSelector, Protocol};
use crate::source::Span;

pub use check::{Broken, Checker, Judged, Outcome, Shown};
pub use generate::generate;
pub use pin::{PinError, pin};
pub use ports::Ports;
pub use read::{Problem, kind, names, read};

/// The statements of a file.
#[derive(Clone, Debug, Default)]
pub struct Intents {
    /// The statements, in the order in which they are written.
    pub statements: Vec<Statement>,
    /// What cannot be read; the statement that it is in is not among them.
    pub problems: Vec<Problem>,
}

/// Something that must hold.
#[derive(Clone, Debug)]
pub struct Statement {
    /// The name, unique in its file.
    pub name: Box<str>,
    /// Why it must hold.
    pub reason: Option<Box<str>>,
    /// What must hold.
    pub claim: Claim,
    /// Whether it is known not to hold.
    pub expect_fail: bool,
    /// Whether it may be about nobody.
    pub allow_vacuous: bool,
    /// Where it is written; none if it is read from a map.
    pub span: Option<Span>,
}

/// What must hold.
#[derive(Clone, Debug)]
pub enum Claim {
    /// Every pair is allowed on every port.
    Allow(Flow),
    /// No pair is allowed on any port.
    Deny(Flow),
    /// Ingress: nobody but `from` gets to `to` on these ports. Egress: `from` gets to nobody but `to`.
    Only(Flow, Direction),
    /// What is allowed is this and nothing else.
    Exactly(Exactly),
}

impl Claim {
    /// The claim as files spell it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Allow(_) => "allow",
            Self::Deny(_) => "deny",
            Self::Only(..) => "only",
            Self::Exactly(_) => "exactly",
        }
    }
}

/// Connections.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Who connects.
    pub from: Whom,
    /// To whom.
    pub to: Whom,
    /// On which ports.
    pub ports: Ports,
}

/// All that somebody may reach, or be reached by.
#[derive(Clone, Debug)]
pub struct Exactly {
    /// Egress if the subject connects.
    pub direction: Direction,
    /// Whom it is about.
    pub subject: Whom,
    /// Who counts as the other end; everybody if nobody is named.
    pub among: Option<Whom>,
    /// The ports that count.
    pub ports: Ports,
    /// What is allowed.
    pub allowed: Vec<Item>,
}

/// A part of what is allowed.
#[derive(Clone, Debug)]
pub struct Item {
    /// The other ends.
    pub peers: Whom,
    /// The ports.
    pub ports: Ports,
    /// What is said of them.
    pub tag: Tag,
    /// Whether this is about IPv6, where that differs.
    pub ipv6: bool,
}

/// What the map says of ports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// It is not certain that they are allowed.
    pub uncertain: bool,
    /// It holds for some pairs of pods only.
    pub some: bool,
    /// Only certain requests are allowed.
    pub conditional: bool,
}

/// Parties, by what is written.
#[derive(Clone, Debug, Default)]
pub struct Whom {
    /// All of these.
    pub parts: Vec<Part>,
}

/// One spelling of parties.
#[derive(Clone, Debug)]
pub struct Part {
    /// As messages call it.
    pub text: Box<str>,
    /// Who is meant.
    pub kind: PartKind,
    /// Where it is written.
    pub span: Option<Span>,
}

/// Who is meant by a part.
#[derive(Clone, Debug)]
pub enum PartKind {
    /// Pods, nodes and everybody outside.
    Everyone,
    /// All pods.
    Pods,
    /// In the spelling of the command line.
    Spelled,
    /// The metadata services of these clouds.
    Metadata(Vec<Cloud>),
    /// Addresses from one to another.
    Range(IpAddr, IpAddr),
    /// Those of these addresses that no pod and no node owns.
    Outside(IpAddr, IpAddr),
    /// A block without some others.
    Block(IpNet, Vec<IpNet>),
    /// Pods by labels.
    Labels {
        /// Those of this namespace.
        namespace: Option<Box<str>>,
        /// Those of the namespaces with these labels.
        namespaces: Option<LabelSelector>,
        /// Those with these labels.
        pods: LabelSelector,
    },
}

/// A range of ports of a protocol.
pub type PortRange = (Protocol, u16, u16);
