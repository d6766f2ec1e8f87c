//! A question in flight: what each piece of evidence makes of it.
//!
//! Pieces come in any order: the record of a drop before or after the reset that its rule sends, the abort of
//! a kernel before the answer of a listener. So nothing but an answer ends a question at once; the others
//! leave a moment for what may still come.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Answer, Outcome, Record, Rejection, Responder, Settings};

/// Something that has been heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The connection is there; who speaks is to come.
    Connected,
    /// An answer with the question's tag.
    Answered(Option<Responder>),
    /// A reset or an abort, which bears the address that was dialled.
    Reset,
    /// An error that the destination itself sent because nobody is there.
    Nobody {
        /// Its sender.
        by: IpAddr,
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
    },
    /// Any other error, by whomever.
    Rejected {
        /// Its sender.
        by: IpAddr,
        /// Its type.
        kind: u8,
        /// Its code.
        code: u8,
    },
    /// The packet was seen where it was to go.
    Arrived,
    /// A rule's record of it.
    Logged(Record),
    /// It could not be sent.
    Failed(Box<str>),
}

/// What to do with a question now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It has ended.
    Finish,
    /// Look again after this.
    Wait(Duration),
    /// Nothing has changed.
    Stay,
    /// Ask again.
    Again,
}

/// What has been heard of a question so far.
#[derive(Debug)]
pub(super) struct Flight {
    started: Instant,
    heard: Option<Instant>,
    attempts: u8,
    found: Option<Found>,
    drops: Vec<Record>,
}

#[derive(Debug)]
enum Found {
    Open(Option<Responder>),
    Reset,
    Nobody { by: IpAddr, kind: u8, code: u8 },
    Rejected { by: IpAddr, kind: u8, code: u8 },
    Arrived,
    Failed(Box<str>),
}

impl Found {
    /// Better evidence takes the place of worse.
    fn rank(&self) -> u8 {
        match self {
            Self::Failed(_) => 0,
            Self::Arrived => 1,
            Self::Reset => 2,
            Self::Nobody { .. } | Self::Rejected { .. } => 3,
            Self::Open(_) => 4,
        }
    }
}

impl Flight {
    /// One that has just been asked.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            started: now,
            heard: None,
            attempts: 1,
            found: None,
            drops: Vec::new(),
        }
    }

    /// Takes a piece of evidence.
    pub(super) fn hear(&mut self, evidence: Evidence, now: Instant, settings: &Settings) -> Next {
        let found = match evidence {
            Evidence::Logged(drop) => {
                self.drops.push(drop);
                self.heard.get_or_insert(now);
                return match &self.found {
                    None | Some(Found::Arrived) => Next::Wait(settings.settle),
                    Some(Found::Open(_)) => Next::Stay,
                    Some(_) => Next::Finish,
                };
            }
            Evidence::Connected => Found::Open(None),
            Evidence::Answered(by) => {
                self.heard = Some(now);
                self.found = Some(Found::Open(by));
                return Next::Finish;
            }
            Evidence::Reset => Found::Reset,
            Evidence::Nobody { by, kind, code } => Found::Nobody { by, kind, code },
            Evidence::Rejected { by, kind, code } => Found::Rejected { by, kind, code },
            Evidence::Arrived => Found::Arrived,
            Evidence::Failed(reason) => Found::Failed(reason),
        };
        // A second arrival is that of the second attempt.
        let again = matches!(
            (&found, &self.found),
            (Found::Arrived, Some(Found::Arrived))
        );
        let known = self.found.as_ref().map_or(0, |known| known.rank() + 1);
        if known > found.rank() && !again {
            return Next::Stay;
        }
        let wait = match &found {
            Found::Open(_) | Found::Arrived => settings.greeting,
            _ => settings.settle,
        };
        self.heard = Some(now);
        self.found = Some(found);
        Next::Wait(wait)
    }

    /// The time to look at it has come.
    pub(super) fn look(&mut self, settings: &Settings) -> Next {
        let unanswered = matches!(self.found, None | Some(Found::Arrived));
        if unanswered && self.drops.is_empty() && self.attempts < settings.attempts {
            self.attempts += 1;
            return Next::Again;
        }
        Next::Finish
    }

    /// The question's answer, from what has been heard.
    pub(super) fn answer(self, to: IpAddr, now: Instant) -> Answer {
        let rejected = |by, kind, code| Outcome::Rejected {
            by,
            with: Rejection::Icmp { kind, code },
        };
        let logged = !self.drops.is_empty();
        let outcome = match (self.found, self.drops.first()) {
            (Some(Found::Open(by)), _) => Outcome::Open { by },
            (Some(Found::Rejected { by, kind, code }), _) => rejected(by, kind, code),
            // A rule that logs and resets bears the destination's address: the record tells.
            (Some(Found::Nobody { by, kind, code }), Some(_)) => rejected(by, kind, code),
            (Some(Found::Reset), Some(_)) => Outcome::Rejected {
                by: to,
                with: Rejection::Reset,
            },
            (Some(Found::Nobody { .. } | Found::Reset), None) => Outcome::Refused,
            (None | Some(Found::Arrived | Found::Failed(_)), Some(drop)) => Outcome::Dropped {
                node: drop.node,
                prefix: drop.prefix.clone(),
            },
            (Some(Found::Arrived), None) => Outcome::Refused,
            (Some(Found::Failed(reason)), None) => Outcome::Error(reason),
            (None, None) => Outcome::Timeout,
        };
        debug_assert!(logged || !matches!(outcome, Outcome::Dropped { .. }));
        let end = self.heard.unwrap_or(now);
        Answer {
            outcome,
            took: end.saturating_duration_since(self.started),
            drops: self.drops,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logged(prefix: &str) -> Evidence {
        Evidence::Logged(Record {
            node: 1,
            prefix: prefix.into(),
        })
    }

    fn icmp(by: &str, kind: u8, code: u8) -> Evidence {
        let by = by.parse().unwrap();
        Evidence::Rejected { by, kind, code }
    }

    fn nobody() -> Evidence {
        Evidence::Nobody {
            by: "10.0.0.2".parse().unwrap(),
            kind: 3,
            code: 3,
        }
    }

    /// Hears everything, looks as often as it asks to, and tells how it ended.
    fn end(pieces: &[Evidence]) -> (Outcome, Vec<Next>) {
        let settings = Settings::default();
        let now = Instant::now();
        let mut flight = Flight::new(now);
        let mut nexts = Vec::new();
        for piece in pieces {
            nexts.push(flight.hear(piece.clone(), now, &settings));
            if nexts.last() == Some(&Next::Finish) {
                break;
            }
        }
        if nexts.last() != Some(&Next::Finish) {
            while flight.look(&settings) == Next::Again {}
        }
        (
            flight.answer("10.0.0.2".parse().unwrap(), now).outcome,
            nexts,
        )
    }

    fn dropped(prefix: &str) -> Outcome {
        Outcome::Dropped {
            node: 1,
            prefix: prefix.into(),
        }
    }

    #[test]
    fn silence_is_asked_again_and_then_a_timeout() {
        let settings = Settings::default();
        let now = Instant::now();
        let mut flight = Flight::new(now);
        assert_eq!(flight.look(&settings), Next::Again);
        assert_eq!(flight.look(&settings), Next::Finish);
        let answer = flight.answer("10.0.0.2".parse().unwrap(), now + settings.timeout);
        assert_eq!(answer.outcome, Outcome::Timeout);
        assert_eq!(answer.took, settings.timeout);
    }

    #[test]
    fn silence_with_a_record_is_a_drop_and_not_asked_again() {
        let settings = Settings::default();
        let now = Instant::now();
        let mut flight = Flight::new(now);
        let next = flight.hear(logged("np|i|c1"), now, &settings);
        assert_eq!(next, Next::Wait(settings.settle));
        assert_eq!(flight.look(&settings), Next::Finish);
        let answer = flight.answer("10.0.0.2".parse().unwrap(), now);
        assert_eq!(answer.outcome, dropped("np|i|c1"));
        assert_eq!(answer.outcome.arrived(), Some(false));
    }

    /// A rule may log what it then accepts.
    #[test]
    fn an_answer_ends_it_whatever_was_logged() {
        let (outcome, nexts) = end(&[logged("audit"), Evidence::Answered(None)]);
        assert_eq!(outcome, Outcome::Open { by: None });
        assert_eq!(nexts.last(), Some(&Next::Finish));
        assert_eq!(end(&[Evidence::Connected]).0, Outcome::Open { by: None });
        assert_eq!(
            end(&[Evidence::Connected, logged("audit")]).0,
            Outcome::Open { by: None }
        );
    }

    #[test]
    fn a_reset_is_a_refusal_unless_a_rule_has_logged_the_packet() {
        let forged = Outcome::Rejected {
            by: "10.0.0.2".parse().unwrap(),
            with: Rejection::Reset,
        };
        assert_eq!(end(&[Evidence::Reset]).0, Outcome::Refused);
        assert_eq!(end(&[Evidence::Reset, logged("x")]).0, forged);
        assert_eq!(end(&[logged("x"), Evidence::Reset]).0, forged);
        assert_eq!(end(&[nobody()]).0, Outcome::Refused);
        let rejected = Outcome::Rejected {
            by: "10.0.0.2".parse().unwrap(),
            with: Rejection::Icmp { kind: 3, code: 3 },
        };
        assert_eq!(end(&[nobody(), logged("x")]).0, rejected);
    }

    #[test]
    fn who_rejects_is_named_with_or_without_a_record() {
        let expected = Outcome::Rejected {
            by: "10.0.0.254".parse().unwrap(),
            with: Rejection::Icmp { kind: 3, code: 13 },
        };
        assert_eq!(end(&[icmp("10.0.0.254", 3, 13)]).0, expected);
        let (outcome, nexts) = end(&[icmp("10.0.0.254", 3, 13), logged("x")]);
        assert_eq!(outcome, expected);
        assert_eq!(
            nexts.last(),
            Some(&Next::Finish),
            "all the evidence is there"
        );
    }

    /// A kernel that has SCTP aborts before a listener beside it has answered.
    #[test]
    fn an_answer_after_an_abort_counts() {
        let (outcome, nexts) = end(&[Evidence::Reset, Evidence::Answered(None)]);
        assert_eq!(outcome, Outcome::Open { by: None });
        assert!(matches!(nexts.first(), Some(Next::Wait(_))));
    }

    /// Its listener may be slow, so it is asked again before nobody is said to listen.
    #[test]
    fn what_was_seen_at_its_destination_has_arrived() {
        let settings = Settings::default();
        let now = Instant::now();
        let mut flight = Flight::new(now);
        let next = flight.hear(Evidence::Arrived, now, &settings);
        assert_eq!(next, Next::Wait(settings.greeting));
        assert_eq!(flight.look(&settings), Next::Again);
        let next = flight.hear(Evidence::Arrived, now, &settings);
        assert_eq!(next, Next::Wait(settings.greeting));
        assert_eq!(flight.look(&settings), Next::Finish);
        assert_eq!(end(&[Evidence::Arrived]).0, Outcome::Refused);
        assert_eq!(end(&[Evidence::Arrived, logged("out")]).0, dropped("out"));
        let answered = [Evidence::Arrived, Evidence::Answered(None)];
        assert_eq!(end(&answered).0, Outcome::Open { by: None });
    }

    /// The rule that refuses to let it out may have logged it.
    #[test]
    fn what_could_not_be_sent_is_an_error_unless_a_rule_says_why() {
        let failed = Evidence::Failed("not permitted".into());
        let outcome = end(std::slice::from_ref(&failed)).0;
        assert_eq!(outcome, Outcome::Error("not permitted".into()));
        assert_eq!(outcome.arrived(), None);
        assert_eq!(end(&[failed, logged("out")]).0, dropped("out"));
    }
}
