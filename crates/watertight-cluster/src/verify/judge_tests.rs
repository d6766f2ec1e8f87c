//! Courses of attempts and what they come to.

use super::*;
use crate::verify::wire::How;

/// One letter an attempt: `o` open, `r` refused, `t` timeout, `e` error, `w` somebody else answers.
fn sample(letter: char) -> Sample {
    let target = Target::new(How::Tcp, "10.0.0.1".parse().unwrap(), 1);
    let (outcome, by) = match letter {
        'o' => (Outcome::Open, Some("heron")),
        'w' => (Outcome::Open, Some("owl")),
        'r' => (Outcome::Refused, None),
        't' => (Outcome::Timeout, None),
        _ => (Outcome::Error, None),
    };
    Sample {
        outcome,
        by: by.map(ToOwned::to_owned),
        ..Sample::error(&target, "exec failed")
    }
}

fn claim() -> Claim {
    Claim::of_egress(How::Tcp)
}

/// Courses of control, treatment and allowed port, phase by phase, a round every 500 ms.
fn came_to(claim: &Claim, courses: [[&str; 3]; 4]) -> Judged {
    let phases = [
        Phase::Before,
        Phase::Denied,
        Phase::Allowed,
        Phase::Released,
    ];
    let mut rounds = Vec::new();
    for (phase, [control, treatment, allowed]) in phases.into_iter().zip(courses) {
        let letters = control.chars().zip(treatment.chars()).zip(allowed.chars());
        for (number, ((control, treatment), allowed)) in letters.enumerate() {
            let mut samples = BTreeMap::new();
            let asks = claim.asks().map(|ask| (ask.actor, ask.target));
            for (key, letter) in asks.zip([control, treatment, allowed]) {
                samples.insert(key, sample(letter));
            }
            rounds.push(Round {
                phase,
                at: Duration::from_millis(500 * (number as u64 + 1)),
                took: Duration::ZERO,
                samples,
            });
        }
    }
    judge(claim, &rounds, Duration::from_secs(2))
}

#[test]
fn what_is_stopped_was_so_when_the_attempt_began_at_the_latest() {
    let round = Round {
        phase: Phase::Denied,
        at: Duration::from_millis(2),
        took: Duration::from_millis(1_290),
        samples: BTreeMap::new(),
    };
    let lasted = |took| Sample {
        took,
        ..sample('t')
    };
    let begun = |took| begun(&round, &lasted(took)).as_millis();
    // A command takes a while to start, and no attempt begins before it.
    assert_eq!(begun(1_200.0), 92);
    // How long an attempt took is not known of every image.
    assert_eq!(begun(0.0), 1_292);
    assert_eq!((begun(5_000.0), begun(f64::NAN)), (2, 1_292));
}

const BEFORE: [&str; 3] = ["o", "o", "o"];
const DENIED: [&str; 3] = ["ooo", "ttt", "ttt"];
const ALLOWED: [&str; 3] = ["oo", "tt", "oo"];
const RELEASED: [&str; 3] = ["o", "o", "o"];

fn verdict(courses: [[&str; 3]; 4]) -> (Verdict, String) {
    let judged = came_to(&claim(), courses);
    (judged.verdict, judged.reason)
}

#[test]
fn enforced_needs_all_four_phases() {
    let found = came_to(&claim(), [BEFORE, DENIED, ALLOWED, RELEASED]);
    assert_eq!(found.verdict, Verdict::Enforced, "{}", found.reason);
    assert_eq!(found.after, Some(Duration::from_millis(500)));
}

#[test]
fn a_connection_that_goes_on_is_not_enforced() {
    let open = ["oooo", "oooo", "oooo"];
    let (found, reason) = verdict([BEFORE, open, ["oo", "oo", "oo"], RELEASED]);
    assert_eq!(found, Verdict::NotEnforced);
    assert_eq!(
        reason,
        "it still works 2.0 s after a policy denies it, as does its control"
    );
}

#[test]
fn a_dead_network_does_not_pass_for_enforcement() {
    // The control goes silent with the treatment.
    let silent = ["ttt", "ttt", "ttt"];
    assert_eq!(
        verdict([BEFORE, silent, silent, silent]).0,
        Verdict::Inconclusive
    );
    // The pod goes deaf when the policy comes, and never hears again.
    let deaf = ["oo", "tt", "tt"];
    assert_eq!(
        verdict([BEFORE, DENIED, deaf, deaf]).0,
        Verdict::Inconclusive
    );
    // Nothing worked to begin with.
    let (found, reason) = verdict([["o", "t", "t"], DENIED, deaf, deaf]);
    assert_eq!(found, Verdict::Inconclusive);
    assert_eq!(
        reason,
        "the connection does not work without policies: timeout (exec failed)"
    );
}

#[test]
fn a_failed_exec_is_never_a_denial() {
    let failed = ["ooo", "eee", "eee"];
    let (found, reason) = verdict([BEFORE, failed, ALLOWED, RELEASED]);
    assert_eq!(found, Verdict::Inconclusive);
    assert!(reason.contains("exec failed"), "{reason}");
    // A few of them do not spoil the rest.
    let some = ["oooo", "tett", "tttt"];
    assert_eq!(
        verdict([BEFORE, some, ALLOWED, RELEASED]).0,
        Verdict::Enforced
    );
}

#[test]
fn an_answer_of_somebody_else_says_nothing() {
    let other = ["ooo", "www", "ttt"];
    assert_eq!(
        verdict([BEFORE, other, ALLOWED, RELEASED]).0,
        Verdict::Inconclusive
    );
    let wrong_control = ["www", "ttt", "ttt"];
    assert_eq!(
        verdict([BEFORE, wrong_control, ALLOWED, RELEASED]).0,
        Verdict::Inconclusive
    );
}

#[test]
fn an_answer_without_the_right_name_is_no_enforcement() {
    let stranger = ["ooooo", "tttwt", "ttttt"];
    let (found, reason) = verdict([BEFORE, stranger, ALLOWED, RELEASED]);
    assert_eq!(found, Verdict::Inconclusive);
    assert!(reason.contains("without the right name"), "{reason}");
    // Before it first stopped it is no matter.
    let early = ["ooooo", "wtttt", "ttttt"];
    assert_eq!(
        verdict([BEFORE, early, ALLOWED, RELEASED]).0,
        Verdict::Enforced
    );
    let beside = ["ooo", "twt", "ooo"];
    let (found, reason) = verdict([BEFORE, DENIED, beside, RELEASED]);
    assert_eq!(found, Verdict::Inconclusive);
    assert!(reason.contains("without the right name"), "{reason}");
    let untried = ["ooo", "eee", "ooo"];
    let (found, reason) = verdict([BEFORE, DENIED, untried, RELEASED]);
    assert_eq!(found, Verdict::Inconclusive, "{reason}");
}

#[test]
fn now_and_then_is_flapping() {
    let flaps = ["ooooo", "otott", "ttttt"];
    let (found, reason) = verdict([BEFORE, flaps, ALLOWED, RELEASED]);
    assert_eq!(found, Verdict::Flapping);
    assert_eq!(
        reason,
        "of 4 attempts after it first stopped, 1 arrived all the same"
    );
    let flaps = ["oooo", "tttt", "otto"];
    assert_eq!(
        verdict([BEFORE, DENIED, flaps, RELEASED]).0,
        Verdict::Flapping
    );
    // A packet that is lost once.
    let lost = ["ooo", "ttt", "oto"];
    assert_eq!(
        verdict([BEFORE, DENIED, lost, RELEASED]).0,
        Verdict::Enforced
    );
}

#[test]
fn late_is_slow() {
    let late = ["oooooooo", "oooootttt", "ttttttttt"];
    let found = came_to(&claim(), [BEFORE, late, ALLOWED, RELEASED]);
    assert_eq!(found.verdict, Verdict::Slow);
    assert_eq!(
        found.reason,
        "it went on for 2.5 s after a policy denied it"
    );
    // Stopped only once: the time was too short.
    let last = ["oooo", "ooot", "tttt"];
    assert_eq!(
        verdict([BEFORE, last, ALLOWED, RELEASED]).0,
        Verdict::Inconclusive
    );
}

#[test]
fn what_is_allowed_must_come_back_and_nothing_else() {
    let closed = ["oo", "tt", "tt"];
    let (found, reason) = verdict([BEFORE, DENIED, closed, RELEASED]);
    assert_eq!(found, Verdict::Overblocked, "{reason}");
    let wide = ["oo", "oo", "oo"];
    let (found, reason) = verdict([BEFORE, DENIED, wide, RELEASED]);
    assert_eq!(found, Verdict::NotEnforced);
    assert!(
        reason.contains("allowing one port opened another one"),
        "{reason}"
    );
    let (found, reason) = verdict([BEFORE, DENIED, ALLOWED, ["o", "t", "t"]]);
    assert_eq!(found, Verdict::Overblocked, "{reason}");
}

#[test]
fn a_reset_where_somebody_listened_is_a_denial() {
    let reset = ["ooo", "rrr", "rrr"];
    assert_eq!(
        verdict([BEFORE, reset, ALLOWED, RELEASED]).0,
        Verdict::Enforced
    );
}

#[test]
fn where_nobody_listens_a_reset_is_an_arrival() {
    let mut claim = claim();
    claim.is_required = false;
    claim.allowed = None;
    (claim.control.by, claim.treatment.by) = (None, None);
    let before = ["r", "r", "r"];
    let open = came_to(&claim, [before, ["rr", "rr", "rr"], ["", "", ""], before]);
    assert_eq!(open.verdict, Verdict::NotEnforced);
    let shut = came_to(&claim, [before, ["rr", "tt", "tt"], ["", "", ""], before]);
    assert_eq!(shut.verdict, Verdict::Enforced);
    let nothing = came_to(
        &claim,
        [["t", "t", "t"], ["tt", "tt", "tt"], ["", "", ""], before],
    );
    assert_eq!(nothing.verdict, Verdict::Closed);
    let failed = came_to(
        &claim,
        [["e", "e", "e"], ["tt", "tt", "tt"], ["", "", ""], before],
    );
    assert_eq!(failed.verdict, Verdict::Inconclusive);
}

#[test]
fn what_the_api_leaves_open_is_neither_good_nor_bad() {
    let mut claim = claim();
    claim.expect = Expect::Either("its own node");
    let open = came_to(&claim, [BEFORE, ["oo", "oo", "oo"], ALLOWED, RELEASED]);
    assert_eq!(
        (open.verdict, &*open.reason),
        (Verdict::Exempt, "it stays open: its own node")
    );
    let shut = came_to(&claim, [BEFORE, DENIED, ALLOWED, RELEASED]);
    assert_eq!(
        (shut.verdict, &*shut.reason),
        (Verdict::Exempt, "it is stopped: its own node")
    );
}
