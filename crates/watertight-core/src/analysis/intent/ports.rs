//! Ports of statements, and what the map says about them.

use super::{PortRange, Tag};
use crate::analysis::map::{Answer, PROTOCOLS, Span};
use crate::analysis::parties::PortQuery;
use crate::eval::reach::Outcome;
use crate::sets::Protocol;

/// Ports of a statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// As they are written; empty for all.
    pub asked: Vec<PortQuery>,
    /// Whether no port at all is meant.
    pub none: bool,
}

impl Ports {
    /// Whether all ports of all protocols are meant.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.asked.is_empty() && !self.none
    }

    /// Whether some of them have no number, so that the map knows nothing of them.
    #[must_use]
    pub fn is_special(&self) -> bool {
        let number = |query: &PortQuery| matches!(query, PortQuery::Range { .. });
        !self.asked.iter().all(number)
    }

    /// The first of them that is none of others.
    pub(super) fn first_beyond(&self, others: &Self) -> Option<&PortQuery> {
        let others = others.ranges();
        let is_among = |query: &&PortQuery| match query {
            PortQuery::Range {
                protocol,
                first,
                last,
            } => others
                .iter()
                .any(|(of, low, high)| of == protocol && first <= high && low <= last),
            _ => false,
        };
        self.asked.iter().find(|query| !is_among(query))
    }

    /// The numbers, in order; all ports are one range for each protocol.
    #[must_use]
    pub fn ranges(&self) -> Vec<PortRange> {
        if self.none {
            return Vec::new();
        }
        if self.is_all() {
            return PROTOCOLS.map(|protocol| (protocol, 1, u16::MAX)).to_vec();
        }
        let mut found: Vec<PortRange> = self
            .asked
            .iter()
            .filter_map(|query| match query {
                PortQuery::Range {
                    protocol,
                    first,
                    last,
                } => Some((*protocol, *first, *last)),
                _ => None,
            })
            .collect();
        found.sort_unstable();
        found
    }
}

/// What a span says.
fn tag(span: &Span) -> Tag {
    Tag {
        uncertain: span.most.outcome() == Outcome::Uncertain,
        some: span.differs(),
        conditional: span.most == Answer::Requests || span.least == Answer::Requests,
    }
}

/// Ports with what is said of them; in order, neighbours differ.
pub(super) type Flat = Vec<(Protocol, u16, u16, Tag)>;

/// Puts parts in order and joins neighbours. Ports that are said twice keep what is said first.
pub(super) fn flat(mut parts: Flat) -> Flat {
    parts.sort_by_key(|(protocol, first, last, _)| (*protocol, *first, *last));
    let mut found: Flat = Vec::with_capacity(parts.len());
    for (protocol, first, last, tag) in parts {
        match found.last_mut() {
            Some((known, _, end, said))
                if *known == protocol && *end >= first.saturating_sub(1) =>
            {
                if *said == tag {
                    *end = last.max(*end);
                } else {
                    let start = first.max(end.saturating_add(1));
                    if *end < last && start <= last {
                        found.push((protocol, start, last, tag));
                    }
                }
            }
            _ => found.push((protocol, first, last, tag)),
        }
    }
    found
}

/// What spans say of the ports in question.
pub(super) fn of_spans(spans: &[Span], ranges: &[PortRange]) -> Flat {
    let mut parts = Vec::new();
    for span in spans {
        for (protocol, first, last) in ranges {
            let (first, last) = (span.first.max(*first), span.last.min(*last));
            if span.protocol == *protocol && first <= last {
                parts.push((span.protocol, first, last, tag(span)));
            }
        }
    }
    flat(parts)
}

/// The first port in question that not all pairs are certainly allowed on.
pub(super) fn first_not_allowed(spans: &[Span], ranges: &[PortRange]) -> Option<(Protocol, u16)> {
    let allowed = |span: &&Span| span.least.outcome() == Outcome::Allowed;
    for (protocol, first, last) in ranges {
        let mut next = *first;
        for span in spans
            .iter()
            .filter(|span| span.protocol == *protocol)
            .filter(allowed)
        {
            if span.first <= next && next <= span.last {
                match span.last.checked_add(1) {
                    Some(behind) => next = behind,
                    None => next = 0,
                }
            }
            if next == 0 || next > *last {
                break;
            }
        }
        if next != 0 && next <= *last {
            return Some((*protocol, next));
        }
    }
    None
}

/// A port in question that some pair may be allowed on; a well-known one where there is a choice.
pub(super) fn first_not_denied(spans: &[Span], ranges: &[PortRange]) -> Option<(Protocol, u16)> {
    let mut found = None;
    for span in spans {
        for (protocol, first, last) in ranges {
            let (first, last) = (span.first.max(*first), span.last.min(*last));
            if span.protocol != *protocol || first > last {
                continue;
            }
            let usual = [80, 443, 53]
                .into_iter()
                .find(|port| (first..=last).contains(port));
            let certain = span.most.outcome() == Outcome::Allowed;
            let port = (*protocol, usual.unwrap_or(first));
            match found {
                None => found = Some((certain, port)),
                Some((false, _)) if certain => found = Some((certain, port)),
                Some(_) => {}
            }
        }
    }
    found.map(|(_, port)| port)
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
    fn ports_in_question_are_allowed_if_every_span_says_so() {
        use Answer::{Address, Allowed, Denied};
        let spans = [
            span(1, 79, Allowed, Allowed),
            span(80, 90, Allowed, Allowed),
            span(91, 100, Allowed, Denied),
            span(200, u16::MAX, Allowed, Allowed),
        ];
        let tcp = |first, last| [(Protocol::Tcp, first, last)];
        assert_eq!(first_not_allowed(&spans, &tcp(10, 90)), None);
        assert_eq!(first_not_allowed(&spans, &tcp(300, u16::MAX)), None);
        assert_eq!(
            first_not_allowed(&spans, &tcp(10, 95)),
            Some((Protocol::Tcp, 91))
        );
        assert_eq!(
            first_not_allowed(&spans, &tcp(150, 150)),
            Some((Protocol::Tcp, 150))
        );
        assert_eq!(first_not_denied(&spans, &tcp(101, 199)), None);
        assert_eq!(
            first_not_denied(&spans, &tcp(50, 199)),
            Some((Protocol::Tcp, 53))
        );
        let maybe = [span(5, 5, Address, Denied), span(7, 7, Allowed, Denied)];
        assert_eq!(
            first_not_denied(&maybe, &tcp(1, 9)),
            Some((Protocol::Tcp, 7))
        );
    }

    #[test]
    fn neighbours_that_say_the_same_are_one() {
        let plain = Tag::default();
        let some = Tag {
            some: true,
            ..plain
        };
        let tcp = |first, last, tag| (Protocol::Tcp, first, last, tag);
        assert_eq!(
            flat(vec![tcp(5, 9, plain), tcp(1, 4, plain), tcp(10, 12, some)]),
            [tcp(1, 9, plain), tcp(10, 12, some)]
        );
        assert_eq!(
            flat(vec![tcp(1, u16::MAX, plain), tcp(3, 4, plain)]),
            [tcp(1, u16::MAX, plain)]
        );
    }
}
