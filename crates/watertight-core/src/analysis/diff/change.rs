//! What changes between two units, or between a unit and the outside: the answers before and after.
//!
//! INVARIANT: answers are compared by what they come to (denied, uncertain, allowed for some requests,
//! allowed), for the best and the worst pair; why something is uncertain is no difference.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::analysis::map::{Answer, Span};
use crate::eval::reach::Outcome;
use crate::sets::Protocol;

/// The answers on all ports; over IPv6 too, where they differ from those over IPv4.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    /// Over the family that is used.
    pub ports: Arc<[Span]>,
    /// Over IPv6, where both are known to have both families and this differs.
    pub ipv6: Option<Arc<[Span]>>,
}

impl Ports {
    pub(super) fn new(ports: &Arc<[Span]>, ipv6: Option<&Arc<[Span]>>) -> Self {
        Self {
            ports: Arc::clone(ports),
            ipv6: ipv6.cloned(),
        }
    }

    /// No port.
    pub(super) fn none() -> Self {
        Self {
            ports: Arc::new([]),
            ipv6: None,
        }
    }

    /// Whether both come to the same.
    pub(super) fn says_as(&self, other: &Self) -> bool {
        let same = |a: &Arc<[Span]>, b: &Arc<[Span]>| Arc::ptr_eq(a, b) || plain(a) == plain(b);
        same(&self.ports, &other.ports)
            && match (&self.ipv6, &other.ipv6) {
                (None, None) => true,
                (Some(a), Some(b)) => same(a, b),
                _ => false,
            }
    }
}

/// What an answer comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Denied.
    Denied,
    /// Not known.
    Uncertain,
    /// Allowed, for some requests.
    Requests,
    /// Allowed.
    Allowed,
}

impl Level {
    fn of(answer: Answer) -> Self {
        match (answer, answer.outcome()) {
            (Answer::Requests, _) => Self::Requests,
            (_, Outcome::Denied) => Self::Denied,
            (_, Outcome::Uncertain) => Self::Uncertain,
            (_, Outcome::Allowed) => Self::Allowed,
        }
    }
}

/// Ports with one answer, reasons aside: protocol, first and last port, best and worst.
type Plain = (Protocol, u16, u16, Level, Level);

fn plain(spans: &[Span]) -> Vec<Plain> {
    let mut found: Vec<Plain> = Vec::with_capacity(spans.len());
    for span in spans {
        let (most, least) = (Level::of(span.most), Level::of(span.least));
        match found.last_mut() {
            Some(last)
                if (last.0, last.3, last.4) == (span.protocol, most, least)
                    && last.2.checked_add(1) == Some(span.first) =>
            {
                last.2 = span.last;
            }
            _ => found.push((span.protocol, span.first, span.last, most, least)),
        }
    }
    found
}

/// Ports on which the answer is another one than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shift {
    /// The protocol.
    pub protocol: Protocol,
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
    /// The answer before, for the best pair.
    pub before: Level,
    /// The answer after, for the best pair.
    pub after: Level,
    /// Whether some pair may do more than before.
    pub widens: bool,
    /// Whether some pair may do less than before.
    pub narrows: bool,
}

/// A change: the answers before and after, and where they differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Shifted {
    /// Before.
    pub before: Ports,
    /// After.
    pub after: Ports,
    /// The ports on which they differ; over IPv6 where only that does.
    pub shifts: Arc<[Shift]>,
}

impl Shifted {
    fn new(before: Ports, after: Ports) -> Self {
        let mut found = shifts(&before.ports, &after.ports);
        if before.ipv6.is_some() || after.ipv6.is_some() {
            let old = before.ipv6.as_ref().unwrap_or(&before.ports);
            let new = after.ipv6.as_ref().unwrap_or(&after.ports);
            let more = shifts(old, new);
            found.extend(more);
            found.sort_unstable();
            found.dedup();
        }
        Self {
            shifts: found.into(),
            before,
            after,
        }
    }

    /// Whether somebody may do more than before.
    #[must_use]
    pub fn widens(&self) -> bool {
        self.shifts.iter().any(|shift| shift.widens)
    }

    /// Whether somebody may do less than before.
    #[must_use]
    pub fn narrows(&self) -> bool {
        self.shifts.iter().any(|shift| shift.narrows)
    }

    /// Whether all of it is about what is not known, before or after.
    #[must_use]
    pub fn is_uncertain(&self) -> bool {
        let mut shifts = self.shifts.iter();
        shifts.all(|shift| shift.before == Level::Uncertain || shift.after == Level::Uncertain)
    }
}

fn shifts(before: &[Span], after: &[Span]) -> Vec<Shift> {
    let mut cuts: Vec<(Protocol, u16)> = Vec::new();
    for span in before.iter().chain(after) {
        cuts.push((span.protocol, span.first));
        cuts.extend(span.last.checked_add(1).map(|next| (span.protocol, next)));
    }
    cuts.sort_unstable();
    cuts.dedup();
    let level = |spans: &[Span], (protocol, port): (Protocol, u16)| {
        let at = spans.partition_point(|span| (span.protocol, span.first) <= (protocol, port));
        let span = at.checked_sub(1).and_then(|at| spans.get(at));
        match span.filter(|span| span.protocol == protocol && port <= span.last) {
            Some(span) => (Level::of(span.most), Level::of(span.least)),
            None => (Level::Denied, Level::Denied),
        }
    };
    let mut found: Vec<Shift> = Vec::new();
    let mut cuts = cuts.into_iter().peekable();
    while let Some(cut) = cuts.next() {
        let (old, new) = (level(before, cut), level(after, cut));
        if old == new {
            continue;
        }
        let last = match cuts.peek() {
            Some((protocol, next)) if *protocol == cut.0 => next.saturating_sub(1),
            _ => u16::MAX,
        };
        let shift = Shift {
            protocol: cut.0,
            first: cut.1,
            last,
            before: old.0,
            after: new.0,
            widens: new.0 > old.0 || new.1 > old.1,
            narrows: new.0 < old.0 || new.1 < old.1,
        };
        let says = |shift: &Shift| {
            let Shift {
                protocol,
                before,
                after,
                widens,
                narrows,
                ..
            } = *shift;
            (protocol, before, after, widens, narrows)
        };
        match found.last_mut() {
            Some(last)
                if says(last) == says(&shift) && last.last.checked_add(1) == Some(shift.first) =>
            {
                last.last = shift.last;
            }
            _ => found.push(shift),
        }
    }
    found
}

/// Changes, each once.
#[derive(Debug, Default)]
pub(super) struct Shifts {
    items: Vec<Shifted>,
    /// None where both come to the same.
    numbers: FxHashMap<(Ports, Ports), Option<u32>>,
}

impl Shifts {
    /// The number of a change; none if nothing changes.
    pub(super) fn add(&mut self, before: Ports, after: Ports) -> Option<u32> {
        let items = &mut self.items;
        *self
            .numbers
            .entry((before, after))
            .or_insert_with_key(|(before, after)| {
                if before.says_as(after) {
                    return None;
                }
                items.push(Shifted::new(before.clone(), after.clone()));
                Some(u32::try_from(items.len() - 1).unwrap_or(u32::MAX))
            })
    }

    #[expect(clippy::indexing_slicing, reason = "numbers are only made by `add`")]
    pub(super) fn get(&self, number: u32) -> &Shifted {
        &self.items[number as usize]
    }
}
