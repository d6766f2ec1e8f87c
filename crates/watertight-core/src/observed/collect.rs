//! Records of a file, counted where they say the same.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::{Format, MAX_PROBLEMS, Problem, Record, Recorded};
use crate::sets::Protocol;
use crate::source::{FileId, Span};

/// Who opened a connection, and to whom.
pub(super) type Opening = (Protocol, SocketAddr, SocketAddr);

/// What is read so far.
pub(super) struct Collector {
    pub(super) file: FileId,
    recorded: Recorded,
    /// Records by what they say. Two that say different things with one hash are both kept, and the
    /// first one is counted.
    known: FxHashMap<u64, usize>,
    /// Where packets are written down, the connections that they are taken for.
    pub(super) openings: FxHashSet<Opening>,
}

impl Collector {
    pub(super) fn new(file: FileId) -> Self {
        Self {
            file,
            recorded: Recorded::default(),
            known: FxHashMap::default(),
            openings: FxHashSet::default(),
        }
    }

    pub(super) fn add(&mut self, record: Record) {
        let flows = &mut self.recorded.flows;
        let mut hasher = FxHasher::default();
        (&record.from, &record.to, record.protocol, record.port).hash(&mut hasher);
        (record.dialled, record.reporter, record.refused).hash(&mut hasher);
        let next = flows.len();
        let at = *self.known.entry(hasher.finish()).or_insert(next);
        match flows.get_mut(at) {
            Some(known) if same(known, &record) => {
                known.times = known.times.saturating_add(record.times);
            }
            _ => flows.push(record),
        }
    }

    pub(super) fn pass_over(&mut self) {
        self.recorded.passed_over += 1;
    }

    pub(super) fn problem(&mut self, span: Span, message: impl Into<String>) {
        if self.recorded.problems.len() < MAX_PROBLEMS {
            self.recorded.problems.push(Problem {
                span,
                message: message.into(),
            });
        } else {
            self.recorded.more_problems += 1;
        }
    }

    pub(super) fn finish(mut self, format: Option<Format>) -> Recorded {
        self.recorded.format = format;
        self.recorded
    }
}

/// Whether two records differ at most in how often they were seen, and where.
fn same(one: &Record, other: &Record) -> bool {
    one.from == other.from
        && one.to == other.to
        && one.protocol == other.protocol
        && one.port == other.port
        && one.icmp == other.icmp
        && one.dialled == other.dialled
        && one.reporter == other.reporter
        && one.refused == other.refused
}
