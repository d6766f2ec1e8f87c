//! What became of an update.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::netlink;
use crate::nft::delta::Change;
use crate::nft::{Contents, Set};

/// What an update changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the kernel held a table of the name that was not known to hold just what was in force.
    pub is_adopted: bool,
    /// Chains that came, went, or got other rules.
    pub chains: usize,
    /// Sets that came or went.
    pub sets: usize,
    /// Elements that came or went.
    pub elements: usize,
    /// Connections of pods that are gone, forgotten.
    pub forgotten: usize,
    /// Why what no rule names any more could not be taken away, if it could not. Packets do not notice, and the
    /// next update tries again.
    pub leftover: Option<netlink::Error>,
    /// Until the new rules were in force.
    pub committed: Duration,
    /// Until all was done.
    pub took: Duration,
}

impl Report {
    pub(super) fn of(changes: &[Change]) -> Self {
        let (mut chains, mut sets, mut elements) = (BTreeSet::new(), BTreeSet::new(), 0);
        for change in changes {
            match change {
                Change::AddTable => {}
                Change::FlushChain(name)
                | Change::DeleteChain(name, _)
                | Change::AddChain(name, _)
                | Change::AddRules(name, _) => {
                    chains.insert(name);
                }
                Change::DeleteSet(name) | Change::AddSet(name, _) => {
                    sets.insert(name);
                }
                Change::RemoveElements(_, set) | Change::AddElements(_, set) => {
                    elements += count(set)
                }
            }
        }
        Self {
            chains: chains.len(),
            sets: sets.len(),
            elements,
            ..Self::default()
        }
    }

    /// Whether the kernel held just what was wanted.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.chains == 0 && self.sets == 0 && self.elements == 0
    }
}

fn count(set: &Set) -> usize {
    match &set.contents {
        Contents::Members(members) => members.len(),
        Contents::Verdicts(verdicts) => verdicts.len(),
        Contents::Values(_, values) => values.len(),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chains,
            sets,
            elements,
            forgotten,
            leftover,
            took,
            ..
        } = self;
        if self.is_nothing() {
            f.write_str("nothing to change")?;
        } else {
            write!(
                f,
                "{chains} chains, {sets} sets, {elements} elements changed"
            )?;
        }
        if *forgotten > 0 {
            write!(f, ", {forgotten} connections forgotten")?;
        }
        write!(f, " in {:.1} ms", took.as_secs_f64() * 1000.0)?;
        match leftover {
            Some(cause) => write!(
                f,
                "; {cause}, so what no rule names any more is left for the next update"
            ),
            None => Ok(()),
        }
    }
}

/// Why an update is not in force, or not all of what goes with it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The kernel did not take it: what was in force before stays in force.
    Refused {
        /// What the kernel said.
        cause: netlink::Error,
    },
    /// The kernel did not take it, and what it holds is not what was in force, or cannot be read.
    Doubtful {
        /// What the kernel said.
        cause: netlink::Error,
    },
    /// It is in force, but connections of pods that are gone are remembered.
    Remembered {
        /// What the kernel said.
        cause: netlink::Error,
    },
}

impl Error {
    /// What the kernel said.
    #[must_use]
    pub fn cause(&self) -> &netlink::Error {
        match self {
            Self::Refused { cause } | Self::Doubtful { cause } | Self::Remembered { cause } => {
                cause
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { cause } => write!(f, "{cause}; the rules stay as they were"),
            Self::Doubtful { cause } => write!(
                f,
                "{cause}; others have changed the rules, and the next update corrects them if it can"
            ),
            Self::Remembered { cause } => write!(
                f,
                "{cause}; the new rules are in force, but whoever gets such an address next may be answered for \
                 its last owner; the next update tries again"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.cause())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nft::{Bytes, Element, KeyType};

    #[test]
    fn changes_are_counted_by_what_they_touch() {
        let members = |count: u32| Set {
            key: vec![KeyType::V4],
            ranges: false,
            contents: Contents::Members(
                (0..count)
                    .map(|ip| Element::one(Bytes::EMPTY.v4(ip)))
                    .collect(),
            ),
        };
        let changes = [
            Change::FlushChain("a".into()),
            Change::RemoveElements("s".into(), members(2)),
            Change::DeleteChain("b".into(), None),
            Change::AddSet("t".into(), members(0)),
            Change::AddElements("t".into(), members(3)),
            Change::AddRules("a".into(), Vec::new()),
        ];
        let report = Report::of(&changes);
        assert_eq!((report.chains, report.sets, report.elements), (2, 1, 5));
        assert!(!report.is_nothing());
        assert!(Report::of(&[]).is_nothing());
    }
}
