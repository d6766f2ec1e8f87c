//! Real packets between parties, and what became of them.
//!
//! - [`listen()`] answers in the namespaces of the parties; [`run`] asks [`Question`]s from them.
//! - [`pcap`] writes down what passes through a namespace.
//!
//! A question ends with evidence: an answer that carries its tag, an error and who sent it, a rule's log
//! record of the packet, or, after asking again, silence.
//!
//! INVARIANT: a failure to ask is an [`Outcome::Error`], never a packet that was denied.

mod deadlines;
mod dns;
mod errors;
mod flight;
mod icmp;
mod listen;
mod packet;
pub mod pcap;
mod prober;
mod sctp;
mod sockets;
mod sources;
mod wire;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use watertight_core::sets::Protocol;

use crate::sys::Namespace;

pub use crate::sys::Error;
pub use dns::Names;
pub use listen::{DNS as NAMES, Listener, Listeners, listen, listen_with_names};
pub use wire::Responder;

/// One who asks and is asked: a pod, a node, or an address of the world outside.
#[derive(Clone, Debug)]
pub struct Party {
    /// What it is called.
    pub name: Arc<str>,
    /// Where its sockets are opened: its own network namespace, or that of its node.
    pub namespace: Arc<Namespace>,
    /// The addresses that are its own.
    pub addresses: Vec<IpAddr>,
}

/// Whether something is to be reached from a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// The party that asks, by its place in the list.
    pub from: usize,
    /// The address that it dials.
    pub to: IpAddr,
    /// The protocol. ICMP is an echo request, and has no port.
    pub protocol: Protocol,
    /// The port that it dials.
    pub port: u16,
    /// The port that it dials from; otherwise one that is nobody's.
    pub source_port: Option<u16>,
    /// The address that it dials from; otherwise the one that the kernel chooses.
    pub from_address: Option<IpAddr>,
    /// If a node translates the connection although it owns the address that is dialled: the address that the
    /// source has behind it.
    pub masked: Option<IpAddr>,
    /// Whether whoever is behind a Service waits for words, at the port for names; otherwise the port that is dialled
    /// tells.
    pub to_names: Option<bool>,
}

/// A node whose rules log what they drop.
#[derive(Clone, Debug)]
pub struct Watch {
    /// What the node is called.
    pub node: Arc<str>,
    /// Its network namespace.
    pub namespace: Arc<Namespace>,
    /// The group to which its rules log (NFLOG). It can have one listener only.
    pub group: u16,
}

/// How patiently and how fast to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long to wait in silence before asking again or giving up.
    pub timeout: Duration,
    /// How often to ask into silence, so that one lost packet is not taken for a denied one.
    pub attempts: u8,
    /// How long to wait for the rest of the evidence when some of it is there: for a log record after a
    /// refusal, for an answer after a log record (of a rule that logs what it lets pass).
    pub settle: Duration,
    /// How long one who has accepted a connection may take to say its name, or one whom a packet has
    /// reached to answer it.
    pub greeting: Duration,
    /// How many questions to have open at once. The limit of open files may lower it.
    pub in_flight: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(1),
            attempts: 2,
            settle: Duration::from_millis(100),
            greeting: Duration::from_millis(250),
            in_flight: 4096,
        }
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Questions that have an answer.
    pub done: usize,
    /// All questions.
    pub total: usize,
    /// Log records that were lost: drops that could not be proved by them end as timeouts.
    pub lost_records: u64,
}

/// What became of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it ended.
    pub outcome: Outcome,
    /// From asking to the evidence.
    pub took: Duration,
    /// Rules that logged its packets, or packets that answered it.
    pub drops: Vec<Record>,
}

/// A rule's record of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The node, by its place in the list of watches.
    pub node: usize,
    /// The prefix that the rule gave.
    pub prefix: Box<str>,
}

/// How a question ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Answered. Who spoke, if it was a listener of ours.
    Open {
        /// The party's name, and the address at which it was reached after translation.
        by: Option<Responder>,
    },
    /// The destination itself answered that nobody is there (a reset, or the port or protocol unreachable):
    /// the packet arrived.
    Refused,
    /// Somebody on the way answered that it does not pass.
    Rejected {
        /// Who answered. A forged reset bears the address of the destination.
        by: IpAddr,
        /// With what.
        with: Rejection,
    },
    /// Silence, and a rule's record of the packet.
    Dropped {
        /// The node, by its place in the list of watches.
        node: usize,
        /// The prefix that the rule gave.
        prefix: Box<str>,
    },
    /// Silence, and no record.
    Timeout,
    /// It could not be asked.
    Error(Box<str>),
}

impl Outcome {
    /// Whether the packet came to its destination; none if that is not known.
    #[must_use]
    pub fn arrived(&self) -> Option<bool> {
        match self {
            Self::Open { .. } | Self::Refused => Some(true),
            Self::Rejected { .. } | Self::Dropped { .. } => Some(false),
            Self::Timeout | Self::Error(_) => None,
        }
    }
}

/// With what a packet was rejected on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// An error of ICMP, or of ICMPv6.
    Icmp {
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
    },
    /// A reset of TCP, or an abort of SCTP, sent by the rule that logged the packet.
    Reset,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icmp { kind, code } => write!(f, "icmp {kind}/{code}"),
            Self::Reset => f.write_str("a reset"),
        }
    }
}

/// Asks all questions, and answers them in their order.
///
/// The packets are sent from a thread of its own, which enters the namespaces; `progress` is called in it
/// now and then.
///
/// # Errors
///
/// Only where nothing could be asked at all. What one question comes to is its [`Outcome`].
pub fn run(
    parties: &[Party],
    questions: &[Question],
    watches: &[Watch],
    settings: &Settings,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Vec<Answer>, Error> {
    in_thread(|| prober::ask(parties, questions, watches, settings, progress))?
}

/// Runs something that enters namespaces in a thread, so that the caller stays where it is.
fn in_thread<T: Send>(task: impl FnOnce() -> T + Send) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .spawn_scoped(scope, task)
            .map_err(|error| Error::new("start a thread", error))?;
        match thread.join() {
            Ok(done) => Ok(done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
