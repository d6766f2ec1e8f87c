//! What pairs of endpoints have in common, port by port: the best and the worst answer of any pair.
//!
//! Profiles are few and are asked about often, so each is stored once and operations on two of them
//! are remembered. INVARIANT: spans are in order, do not overlap, and neighbours differ; ports
//! outside of all spans are denied to every pair. Port 0 and ICMP are no part of a profile.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::eval::reach::Outcome;
use crate::sets::Protocol;

/// What is answered about one pair on one port, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// It is denied.
    Denied,
    /// Engines differ on what a pod sends to its own node (K-73).
    NodeLocal,
    /// Engines differ on host-network pods (K-72).
    HostNetwork,
    /// Engines differ on a pod that reaches itself through a Service (K-76).
    Hairpin,
    /// Policies of the same priority disagree.
    Tie,
    /// A rule asks for source ports (C-47).
    SourcePort,
    /// A rule is about the own node of a pod whose node is not known (M-4).
    Place,
    /// An address that the input does not tell decides it (M-1).
    Address,
    /// It is allowed, but only certain requests are (L-66, C-51).
    Requests,
    /// It is allowed.
    Allowed,
}

impl Answer {
    /// Without the reason.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Denied => Outcome::Denied,
            Self::Allowed | Self::Requests => Outcome::Allowed,
            _ => Outcome::Uncertain,
        }
    }

    /// Why it is not certain: the id of docs/semantics.md.
    #[must_use]
    pub fn open(self) -> Option<&'static str> {
        match self {
            Self::Denied | Self::Allowed | Self::Requests => None,
            Self::NodeLocal => Some("K-73"),
            Self::HostNetwork => Some("K-72"),
            Self::Hairpin => Some("K-76"),
            Self::Tie => Some("A-12"),
            Self::SourcePort => Some("C-47"),
            Self::Place => Some("M-4"),
            Self::Address => Some("M-1"),
        }
    }

    /// What the evaluator is not sure of, by its id.
    pub(super) fn of(id: &str) -> Self {
        match id {
            "A-12" => Self::Tie,
            "C-47" => Self::SourcePort,
            "M-4" => Self::Place,
            _ => Self::Address,
        }
    }
}

/// Ports of one protocol on which all answers are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The protocol, never ICMP.
    pub protocol: Protocol,
    /// The first port, at least 1.
    pub first: u16,
    /// The last port.
    pub last: u16,
    /// The best answer of any pair, never a denial.
    pub most: Answer,
    /// The worst answer of any pair.
    pub least: Answer,
}

impl Span {
    /// Whether pairs differ: some are allowed, or may be, and others are not.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.most.outcome() != self.least.outcome()
    }
}

/// The protocols that have ports.
pub const PROTOCOLS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

/// Whether spans say the same of every port of every protocol.
#[must_use]
pub fn is_uniform(spans: &[Span]) -> bool {
    let whole = |span: &Span| (span.first, span.last) == (1, u16::MAX);
    let same = |pair: &[Span]| match pair {
        [a, b] => (a.most, a.least) == (b.most, b.least),
        _ => true,
    };
    spans.len() == PROTOCOLS.len() && spans.iter().all(whole) && spans.windows(2).all(same)
}

/// Whether spans say that every pair is allowed on every port.
#[must_use]
pub fn is_everything(spans: &[Span]) -> bool {
    is_uniform(spans) && spans.iter().all(|span| span.least == Answer::Allowed)
}

/// A stored profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ProfileId(u32);

impl ProfileId {
    /// Every port is denied to every pair.
    pub(super) const NONE: Self = Self(0);
    /// Every port is allowed to every pair.
    pub(super) const ALL: Self = Self(1);
}

/// Profiles, each once, and what became of two of them.
#[derive(Debug)]
pub(super) struct Profiles {
    items: Vec<Arc<[Span]>>,
    ids: FxHashMap<Arc<[Span]>, ProfileId>,
    met: FxHashMap<(ProfileId, ProfileId), ProfileId>,
    joined: FxHashMap<(ProfileId, ProfileId), ProfileId>,
}

/// The best and the worst answer.
type Level = (Answer, Answer);

const DENIED: Level = (Answer::Denied, Answer::Denied);

impl Profiles {
    pub(super) fn new() -> Self {
        let mut profiles = Self {
            items: Vec::new(),
            ids: FxHashMap::default(),
            met: FxHashMap::default(),
            joined: FxHashMap::default(),
        };
        profiles.intern(Vec::new());
        let all = PROTOCOLS.map(|protocol| Span {
            protocol,
            first: 1,
            last: u16::MAX,
            most: Answer::Allowed,
            least: Answer::Allowed,
        });
        profiles.intern(all.to_vec());
        profiles
    }

    #[expect(clippy::indexing_slicing, reason = "ids are only made by `intern`")]
    pub(super) fn get(&self, id: ProfileId) -> &Arc<[Span]> {
        &self.items[id.0 as usize]
    }

    /// Stores spans that are in order.
    pub(super) fn intern(&mut self, spans: Vec<Span>) -> ProfileId {
        let spans = tidy(spans);
        if let Some(known) = self.ids.get(&*spans) {
            return *known;
        }
        let id = ProfileId(u32::try_from(self.items.len()).unwrap_or(u32::MAX));
        let spans: Arc<[Span]> = spans.into();
        self.items.push(Arc::clone(&spans));
        self.ids.insert(spans, id);
        id
    }

    /// Both sides must agree: the worse answer of the two.
    pub(super) fn meet(&mut self, a: ProfileId, b: ProfileId) -> ProfileId {
        let (a, b) = (a.min(b), a.max(b));
        match (a, b) {
            (ProfileId::NONE, _) => return ProfileId::NONE,
            (ProfileId::ALL, other) => return other,
            _ if a == b => return a,
            _ => {}
        }
        if let Some(known) = self.met.get(&(a, b)) {
            return *known;
        }
        let found = combine(self.get(a), self.get(b), |x, y| {
            (x.0.min(y.0), x.1.min(y.1))
        });
        let found = self.intern(found);
        self.met.insert((a, b), found);
        found
    }

    /// Pairs of both kinds: the best answer of any, the worst of any.
    pub(super) fn join(&mut self, a: ProfileId, b: ProfileId) -> ProfileId {
        let (a, b) = (a.min(b), a.max(b));
        if a == b {
            return a;
        }
        if let Some(known) = self.joined.get(&(a, b)) {
            return *known;
        }
        let found = combine(self.get(a), self.get(b), |x, y| {
            (x.0.max(y.0), x.1.min(y.1))
        });
        let found = self.intern(found);
        self.joined.insert((a, b), found);
        found
    }

    /// Another pair beside those known so far.
    pub(super) fn add(&mut self, known: &mut Option<ProfileId>, more: ProfileId) {
        *known = Some(match *known {
            Some(known) => self.join(known, more),
            None => more,
        });
    }

    /// What an answer becomes when another reading gives another one; both are about one pair.
    pub(super) fn unless(
        &mut self,
        default: ProfileId,
        other: ProfileId,
        why: Answer,
    ) -> ProfileId {
        if default == other {
            return default;
        }
        let judge = |default: Answer, other: Answer| match (default, other) {
            (Answer::Denied, Answer::Allowed) => why,
            (Answer::Allowed, Answer::Allowed) => Answer::Allowed,
            (Answer::Allowed, _) => why,
            (default, _) => default,
        };
        let found = combine(self.get(default), self.get(other), |x, y| {
            let answer = judge(x.0, y.0);
            (answer, answer)
        });
        self.intern(found)
    }

    /// The part of a profile that is about some ports.
    pub(super) fn only(&mut self, id: ProfileId, ports: &[(Protocol, u16, u16)]) -> ProfileId {
        let mut found: Vec<Span> = Vec::new();
        for span in self.get(id).iter() {
            for (protocol, first, last) in ports.iter().filter(|of| of.0 == span.protocol) {
                let (first, last) = ((*first).max(span.first), (*last).min(span.last));
                if first <= last {
                    found.push(Span {
                        protocol: *protocol,
                        first,
                        last,
                        ..*span
                    });
                }
            }
        }
        self.intern(found)
    }
}

/// Denials and port 0 out, equal neighbours joined.
fn tidy(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain_mut(|span| {
        span.first = span.first.max(1);
        span.most != Answer::Denied && span.first <= span.last && span.protocol != Protocol::Icmp
    });
    let says = |span: &Span| (span.protocol, span.most, span.least);
    spans.dedup_by(|next, known| {
        let joins = says(next) == says(known) && known.last.checked_add(1) == Some(next.first);
        if joins {
            known.last = next.last;
        }
        joins
    });
    spans
}

fn combine(a: &[Span], b: &[Span], with: impl Fn(Level, Level) -> Level) -> Vec<Span> {
    let mut starts: Vec<(Protocol, u16)> = Vec::with_capacity(2 * (a.len() + b.len()));
    for span in a.iter().chain(b) {
        starts.push((span.protocol, span.first));
        starts.extend(
            span.last
                .checked_add(1)
                .map(|behind| (span.protocol, behind)),
        );
    }
    starts.sort_unstable();
    starts.dedup();
    let mut found = Vec::with_capacity(starts.len());
    let (mut left, mut right) = (a.iter().peekable(), b.iter().peekable());
    let mut starts = starts.into_iter().peekable();
    while let Some((protocol, first)) = starts.next() {
        let last = match starts.peek() {
            Some((of, next)) if *of == protocol => next.saturating_sub(1),
            _ => u16::MAX,
        };
        let x = level_at(&mut left, protocol, first);
        let y = level_at(&mut right, protocol, first);
        let (most, least) = with(x, y);
        found.push(Span {
            protocol,
            first,
            last,
            most,
            least,
        });
    }
    found
}

/// What a list says at a place; places come in order.
fn level_at(
    spans: &mut std::iter::Peekable<std::slice::Iter<'_, Span>>,
    protocol: Protocol,
    port: u16,
) -> Level {
    while spans
        .next_if(|span| (span.protocol, span.last) < (protocol, port))
        .is_some()
    {}
    match spans.peek() {
        Some(span) if span.protocol == protocol && span.first <= port => (span.most, span.least),
        _ => DENIED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u16, last: u16, most: Answer, least: Answer) -> Span {
        Span {
            protocol: Protocol::Tcp,
            first,
            last,
            most,
            least,
        }
    }

    #[test]
    fn both_sides_must_agree() {
        use Answer::{Address, Allowed, Denied};
        let mut profiles = Profiles::new();
        let a = profiles.intern(vec![
            span(0, 100, Allowed, Denied),
            span(101, 200, Allowed, Allowed),
        ]);
        let b = profiles.intern(vec![span(50, 150, Address, Address)]);
        let met = profiles.meet(a, b);
        let expected = [
            span(50, 100, Address, Denied),
            span(101, 150, Address, Address),
        ];
        assert_eq!(**profiles.get(met), expected);
        assert_eq!(profiles.meet(b, a), met);
        assert_eq!(profiles.meet(ProfileId::ALL, a), a);
        assert_eq!(profiles.meet(a, ProfileId::NONE), ProfileId::NONE);
    }

    #[test]
    fn pairs_of_both_kinds_differ_where_one_is_denied() {
        use Answer::{Allowed, Denied};
        let mut profiles = Profiles::new();
        let a = profiles.intern(vec![span(80, 80, Allowed, Allowed)]);
        let joined = profiles.join(a, ProfileId::ALL);
        let spans = profiles.get(joined);
        assert_eq!(spans.len(), 5);
        assert_eq!(spans[0], span(1, 79, Allowed, Denied));
        assert_eq!(spans[1], span(80, 80, Allowed, Allowed));
        assert_eq!(spans[2], span(81, u16::MAX, Allowed, Denied));
        assert!(spans[0].differs() && !spans[1].differs());
        assert!(is_everything(profiles.get(ProfileId::ALL)));
        assert!(!is_everything(spans));
    }

    /// K-72: what readings agree on stays certain.
    #[test]
    fn another_reading_makes_uncertain_what_it_changes() {
        use Answer::{Allowed, HostNetwork};
        let mut profiles = Profiles::new();
        let a = profiles.intern(vec![span(80, 90, Allowed, Allowed)]);
        let b = profiles.intern(vec![span(85, 95, Allowed, Allowed)]);
        let found = profiles.unless(a, b, HostNetwork);
        let expected = [
            span(80, 84, HostNetwork, HostNetwork),
            span(85, 90, Allowed, Allowed),
            span(91, 95, HostNetwork, HostNetwork),
        ];
        assert_eq!(**profiles.get(found), expected);
    }
}
