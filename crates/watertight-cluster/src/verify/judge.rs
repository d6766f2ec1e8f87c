//! From attempts to a verdict: a pure function of one claim and everything that was seen for it.
//!
//! Attempts come in rounds, and a round counts only if its control arrived and nothing in it failed. Nothing is
//! tried until it gives the expected answer: what contradicts a verdict stays, and is the verdict.
//!
//! INVARIANT: `enforced` means that it worked without policies, that it stopped while the control went on, that
//! it stayed so, and that what was allowed back came back.

use std::collections::BTreeMap;
use std::time::Duration;

use super::claims::{Ask, Claim, Expect};
use super::plan::Actor;
use super::wire::{Outcome, Sample, Target};

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// No policies.
    Before,
    /// Everything is denied.
    Denied,
    /// One port is allowed back.
    Allowed,
    /// The policies are gone.
    Released,
}

impl Phase {
    /// As the report spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::Denied => "denied",
            Self::Allowed => "allowed-back",
            Self::Released => "released",
        }
    }
}

/// Everything that was tried at one moment.
#[derive(Clone, Debug)]
pub struct Round {
    /// The part of the run.
    pub phase: Phase,
    /// Since the policies of this part were stored.
    pub at: Duration,
    /// How long it took.
    pub took: Duration,
    /// By actor and target.
    pub samples: BTreeMap<(usize, Target), Sample>,
}

/// What a claim comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As the policies say.
    Enforced,
    /// As the policies say, but late.
    Slow,
    /// The API leaves it open.
    Exempt,
    /// Nothing gets there, policies or not: there is nothing to deny.
    Closed,
    /// It cannot be told.
    Inconclusive,
    /// What is allowed is stopped.
    Overblocked,
    /// Now stopped, now not.
    Flapping,
    /// Policies do not stop it.
    NotEnforced,
}

impl Verdict {
    /// As the report spells it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Slow => "slow",
            Self::Exempt => "exempt",
            Self::Closed => "closed",
            Self::Inconclusive => "inconclusive",
            Self::Overblocked => "overblocked",
            Self::Flapping => "flapping",
            Self::NotEnforced => "not-enforced",
        }
    }

    /// Whether the cluster does not do what its policies say.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::NotEnforced | Self::Flapping | Self::Overblocked)
    }
}

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// When it was first seen to be stopped, after the policy was stored.
    pub after: Option<Duration>,
}

fn judged(verdict: Verdict, reason: impl Into<String>) -> Judged {
    Judged {
        verdict,
        reason: reason.into(),
        after: None,
    }
}

/// What one attempt says, beside the same attempt without policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Arrived,
    Stopped,
    /// A handshake was completed, without the right name.
    Stranger,
    Unknown,
}

/// What an attempt came to without policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Open,
    Refused,
}

/// Judges a claim.
#[must_use]
pub fn judge(claim: &Claim, rounds: &[Round], slow: Duration) -> Judged {
    let seen = Seen { claim, rounds };
    let dead = |what: &str, ask: &Ask| {
        let last = seen.last(ask, Phase::Before);
        let came = last.map_or("it was not tried".into(), told);
        let reason = format!("{what} does not work without policies: {came}");
        let is_silent = last.is_some_and(|sample| sample.outcome != Outcome::Error);
        let verdict = if claim.is_required || !is_silent {
            Verdict::Inconclusive
        } else {
            Verdict::Closed
        };
        judged(verdict, reason)
    };
    let Some(control) = seen.base(&claim.control) else {
        return dead("the control", &claim.control);
    };
    let Some(treatment) = seen.base(&claim.treatment) else {
        return dead("the connection", &claim.treatment);
    };
    let denied = seen.course(
        Phase::Denied,
        (&claim.control, control),
        (&claim.treatment, treatment),
    );
    let verdict = denied_phase(&denied, slow);
    if let Expect::Either(why) = claim.expect
        && verdict.verdict != Verdict::Inconclusive
    {
        let came = if verdict.verdict == Verdict::NotEnforced {
            "it stays open"
        } else {
            "it is stopped"
        };
        return Judged {
            verdict: Verdict::Exempt,
            reason: format!("{came}: {why}"),
            after: None,
        };
    }
    if !matches!(verdict.verdict, Verdict::Enforced | Verdict::Slow) {
        return verdict;
    }
    let pair = ((&claim.control, control), (&claim.treatment, treatment));
    let released = seen.course(Phase::Released, pair.0, pair.1);
    let is_free = released
        .states
        .last()
        .map(|(_, state)| *state == State::Arrived);
    if let Some(allowed) = &claim.allowed {
        let Some(base) = seen.base(allowed) else {
            return dead("the port that is allowed back", allowed);
        };
        let course = seen.course(Phase::Allowed, pair.0, (allowed, base));
        let still = seen.course(Phase::Allowed, pair.0, pair.1);
        if let Some(worse) = allowed_phase(&course, &still, is_free) {
            return Judged {
                after: verdict.after,
                ..worse
            };
        }
    }
    match is_free {
        Some(true) => verdict,
        Some(false) => Judged {
            after: verdict.after,
            ..judged(
                Verdict::Overblocked,
                "it is still stopped although the policies are gone",
            )
        },
        None => Judged {
            after: verdict.after,
            ..judged(
                Verdict::Inconclusive,
                format!(
                    "it stopped, but nobody saw it work again: {}",
                    released.why()
                ),
            )
        },
    }
}

/// Silence of a pod that is not there any more is no denial, and an answer of one that took its place proves
/// little. What arrived all the time although it was denied did arrive.
#[must_use]
pub fn without_replaced(
    claim: &Claim,
    found: Judged,
    actors: &[Actor],
    replaced: &BTreeMap<usize, String>,
) -> Judged {
    if found.verdict == Verdict::NotEnforced {
        return found;
    }
    let is_end = |at: usize| {
        let name = actors.get(at).map(|actor| &*actor.name);
        // `heron by node b`: a node port leads to it.
        claim
            .asks()
            .any(|ask| ask.actor == at || (ask.by.is_some() && ask.by.as_deref() == name))
            || claim.to.split(' ').next() == name
    };
    match replaced.iter().find(|(at, _)| is_end(**at)) {
        Some((_, what)) => judged(Verdict::Inconclusive, format!("{what} while it was tried")),
        None => found,
    }
}

const STRANGER: &str = "it stopped, but later somebody answered without the right name";

/// Between pods of ours everything is denied: is it?
pub(super) fn denied_phase(course: &Course, slow: Duration) -> Judged {
    let states = &course.states;
    let stopped = |(_, state): &&(Duration, State)| *state == State::Stopped;
    if states.len() < 2 || course.void > states.len() {
        return judged(Verdict::Inconclusive, course.why());
    }
    let Some(first) = states.iter().position(|one| stopped(&one)) else {
        let last = states.last().map_or(Duration::ZERO, |(at, _)| *at);
        return judged(
            Verdict::NotEnforced,
            format!(
                "it still works {} after a policy denies it, as does its control",
                seconds(last)
            ),
        );
    };
    let (open, since) = states.split_at_checked(first).unwrap_or((states, &[]));
    let after = course.stopped_by;
    let back = since.iter().filter(|one| !stopped(one)).count();
    if back > 0 {
        return Judged {
            after,
            ..judged(
                Verdict::Flapping,
                format!(
                    "of {} attempts after it first stopped, {back} arrived all the same",
                    since.len()
                ),
            )
        };
    }
    if course
        .strangers
        .iter()
        .any(|at| since.first().is_some_and(|(first, _)| at > first))
    {
        return Judged {
            after,
            ..judged(Verdict::Inconclusive, STRANGER)
        };
    }
    if since.len() < 2 {
        return judged(
            Verdict::Inconclusive,
            "it stopped only as the last of the time ran out; give it longer with --settle",
        );
    }
    let (verdict, reason) = match open.last() {
        Some((last, _)) if *last > slow => (
            Verdict::Slow,
            format!("it went on for {} after a policy denied it", seconds(*last)),
        ),
        _ => (
            Verdict::Enforced,
            format!("{} attempts stopped, their controls arrived", since.len()),
        ),
    };
    Judged {
        after,
        ..judged(verdict, reason)
    }
}

/// One port is allowed back: is it, and it alone?
fn allowed_phase(allowed: &Course, still: &Course, is_free: Option<bool>) -> Option<Judged> {
    let opened = still
        .states
        .iter()
        .filter(|(_, state)| *state == State::Arrived);
    let opened = opened.count();
    if opened > 0 {
        return Some(judged(
            Verdict::NotEnforced,
            format!("allowing one port opened another one: {opened} attempts on it arrived"),
        ));
    }
    let first = allowed
        .states
        .iter()
        .position(|(_, state)| *state == State::Arrived);
    let Some(first) = first else {
        if allowed.states.is_empty() {
            let why = allowed.why();
            return Some(judged(
                Verdict::Inconclusive,
                format!("it stopped, but what was allowed back could not be tried: {why}"),
            ));
        }
        return Some(if is_free == Some(true) {
            judged(
                Verdict::Overblocked,
                "what a policy allows back stays stopped, and works once all policies are gone",
            )
        } else {
            judged(
                Verdict::Inconclusive,
                "it stopped, and never worked again, allowed or not: the pod may have gone deaf",
            )
        });
    };
    let since = allowed.states.iter().skip(first);
    let lost = since.filter(|(_, state)| *state == State::Stopped).count();
    // One packet may be lost on any network.
    if lost > 1 {
        return Some(judged(
            Verdict::Flapping,
            format!("what was allowed back was stopped again {lost} times"),
        ));
    }
    if !still.strangers.is_empty() {
        return Some(judged(Verdict::Inconclusive, STRANGER));
    }
    still.states.is_empty().then(|| {
        let why = still.why();
        judged(
            Verdict::Inconclusive,
            format!(
                "it stopped, but not seen was whether it stays so beside the allowed port: {why}"
            ),
        )
    })
}

/// What rounds say of a treatment beside its control.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Of rounds that count, with the time of each.
    pub(super) states: Vec<(Duration, State)>,
    /// When the attempt that was stopped first had begun at the latest.
    stopped_by: Option<Duration>,
    /// When somebody answered without the right name, whether the round counts or not.
    strangers: Vec<Duration>,
    /// Rounds that do not count.
    void: usize,
    /// Why the last of those does not.
    cause: Option<String>,
}

impl Course {
    fn why(&self) -> String {
        match &self.cause {
            Some(cause) => format!(
                "{} rounds do not count, the last one because {cause}",
                self.void
            ),
            None => "too few attempts were made".into(),
        }
    }
}

pub(super) struct Seen<'a> {
    pub(super) claim: &'a Claim,
    pub(super) rounds: &'a [Round],
}

impl<'a> Seen<'a> {
    fn of(&self, ask: &Ask, phase: Phase) -> impl DoubleEndedIterator<Item = &'a Sample> {
        let key = (ask.actor, ask.target);
        let rounds = self.rounds.iter().filter(move |round| round.phase == phase);
        rounds.filter_map(move |round| round.samples.get(&key))
    }

    fn last(&self, ask: &Ask, phase: Phase) -> Option<&'a Sample> {
        self.of(ask, phase).next_back()
    }

    /// What an attempt comes to without policies, if it arrives.
    pub(super) fn base(&self, ask: &Ask) -> Option<Base> {
        let last = self.last(ask, Phase::Before)?;
        match last.outcome {
            Outcome::Open if !is_wrong(ask, last) => Some(Base::Open),
            // Nobody needs to listen where nothing of ours does.
            Outcome::Refused if ask.by.is_none() && !self.claim.is_required => Some(Base::Refused),
            _ => None,
        }
    }

    pub(super) fn course(
        &self,
        phase: Phase,
        control: (&Ask, Base),
        treatment: (&Ask, Base),
    ) -> Course {
        let mut course = Course::default();
        for round in self.rounds.iter().filter(|round| round.phase == phase) {
            let sample = |ask: &Ask| round.samples.get(&(ask.actor, ask.target));
            let state = |(ask, base): (&Ask, Base)| match sample(ask) {
                None => (State::Unknown, "it was not tried".to_owned()),
                Some(sample) => (state(ask, base, sample), told(sample)),
            };
            let (held, tried) = (state(control), state(treatment));
            if tried.0 == State::Stranger {
                course.strangers.push(round.at);
            }
            let cause = if held.0 != State::Arrived {
                Some(format!("the control did not arrive: {}", held.1))
            } else if matches!(tried.0, State::Unknown | State::Stranger) {
                Some(tried.1)
            } else {
                None
            };
            match cause {
                None => {
                    course.states.push((round.at, tried.0));
                    if tried.0 == State::Stopped && course.stopped_by.is_none() {
                        course.stopped_by = sample(treatment.0).map(|sample| begun(round, sample));
                    }
                }
                Some(cause) => {
                    course.void += 1;
                    course.cause = Some(cause);
                }
            }
        }
        course
    }
}

/// When an attempt had begun at the latest: what it takes to start one is known for the whole round only.
fn begun(round: &Round, sample: &Sample) -> Duration {
    let lasted = Duration::try_from_secs_f64(sample.took / 1000.0).unwrap_or_default();
    let idle = round.took.saturating_sub(lasted);
    round.at.saturating_add(idle)
}

fn state(ask: &Ask, base: Base, sample: &Sample) -> State {
    match (sample.outcome, base) {
        (Outcome::Error, _) => State::Unknown,
        (Outcome::Open, _) if is_wrong(ask, sample) => State::Stranger,
        (Outcome::Open, _) | (Outcome::Refused, Base::Refused) => State::Arrived,
        // Where somebody listened before, a reset is somebody's answer to the policy.
        (Outcome::Refused | Outcome::Rejected | Outcome::Timeout, _) => State::Stopped,
    }
}

/// Whether somebody else answered, or nobody who said a name.
fn is_wrong(ask: &Ask, sample: &Sample) -> bool {
    ask.by.is_some() && sample.by != ask.by
}

pub(super) fn told(sample: &Sample) -> String {
    let word = sample.outcome.word();
    match (&sample.by, &sample.detail) {
        (Some(by), _) => format!("{word}, {by} answered"),
        (None, Some(detail)) => format!("{word} ({detail})"),
        (None, None) if sample.outcome == Outcome::Open => format!("{word}, without a name"),
        (None, None) => word.to_owned(),
    }
}

/// `850 ms`, `2.1 s`
#[must_use]
pub fn seconds(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
