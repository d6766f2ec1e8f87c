//! What the lab and the agent need of the kernel besides netlink: namespaces, privileges, settings of a
//! namespace, limits, and who another process is.
//!
//! Settings and sockets belong to the network namespace of the *thread* that opens them. Whatever is meant
//! for a namespace therefore runs in a thread that has entered it ([`Namespace::run`]).

pub mod limits;
mod namespace;
pub mod privileges;
pub mod process;
pub mod sysctl;

use std::fmt;
use std::io;

pub use namespace::{Namespace, UserNamespace};

/// A call that failed: what was tried, what the kernel said, and what to do.
#[derive(Debug)]
pub struct Error {
    tried: Box<str>,
    advice: Option<Box<str>>,
    cause: io::Error,
}

impl Error {
    /// What was tried reads on behind `could not`.
    pub(crate) fn new(tried: impl Into<Box<str>>, cause: impl Into<io::Error>) -> Self {
        Self {
            tried: tried.into(),
            advice: None,
            cause: cause.into(),
        }
    }

    /// With what to do, unless the kernel's word says it all.
    pub(crate) fn advise(mut self, advice: Option<impl Into<Box<str>>>) -> Self {
        self.advice = advice.map(Into::into);
        self
    }

    /// What the kernel said.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.cause.kind()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: {}", self.tried, self.cause)?;
        match &self.advice {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
