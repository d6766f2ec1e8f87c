//! From a run to its report.

use watertight_core::report::verify::{
    VerifyAttempt, VerifyClaim, VerifyCounts, VerifyNewPod, VerifyPod, VerifyReport, VerifyTiming,
};

use super::claims::{Claim, Expect};
use super::judge::{Judged, Round, Verdict};
use super::objects;
use super::plan::Options;
use super::run::Ran;
use super::wire::How;

/// The report of a run.
#[must_use]
pub fn report(
    cluster: &str,
    options: &Options,
    ran: Ran,
    left_behind: Vec<String>,
) -> VerifyReport {
    let mut counts = VerifyCounts::default();
    let mut claims = Vec::with_capacity(ran.claims.len());
    for (claim, judged) in &ran.claims {
        let counted = is_counted(claim, judged);
        if counted || !matches!(judged.verdict, Verdict::Inconclusive) {
            count(&mut counts, judged.verdict);
        }
        claims.push(described(claim, judged, counted, &ran.rounds));
    }
    counts.inconclusive += ran.untried;
    for newcomer in &ran.new_pods {
        count_new_pod(&mut counts, newcomer);
    }
    let (flapped, doubts) = flapped(&ran.timings, &claims);
    counts.flapping += flapped;
    counts.not_enforced += flapped;
    let pods = ran.layout.actors.iter().zip(&ran.known.placed);
    let pods = pods.map(|(actor, placed)| VerifyPod {
        name: actor.name.clone(),
        pod: placed.pod.clone(),
        part: actor.part.word().into(),
        node: placed.node.clone(),
        addresses: placed.ips.iter().map(ToString::to_string).collect(),
    });
    VerifyReport {
        image: Some(options.image.name.clone()),
        verdict: verdict(&counts).into(),
        counts,
        pods: pods.collect(),
        claims,
        timings: ran.timings,
        new_pods: ran.new_pods,
        notes: ran.notes.into_iter().chain(doubts).collect(),
        left_behind,
        ..VerifyReport::new(cluster, &objects::namespace(options))
    }
}

/// A pod that policies never reach is as bad as a connection that they never stop.
fn count_new_pod(counts: &mut VerifyCounts, newcomer: &VerifyNewPod) {
    if newcomer.verdict == "never-closed" {
        counts.not_enforced += 1;
    }
}

/// Directions in which attempts arrived between rounds although policies were in force, and notes of those
/// that no round saw: a single packet that comes late proves nothing.
fn flapped(timings: &[VerifyTiming], claims: &[VerifyClaim]) -> (usize, Vec<String>) {
    let (mut flapped, mut notes) = (0, Vec::new());
    for timing in timings {
        if timing.change != "enforce" || timing.contradictions == 0 {
            continue;
        }
        let agrees = |claim: &VerifyClaim| {
            claim.direction == timing.direction
                && matches!(&*claim.verdict, "flapping" | "not-enforced")
        };
        if claims.iter().any(agrees) {
            flapped += 1;
        } else {
            notes.push(format!(
                "{} of {} attempts between rounds arrived although the {} policy was in force; no round saw it",
                timing.contradictions, timing.attempts, timing.direction
            ));
        }
    }
    (flapped, notes)
}

/// `not-enforced` as soon as one thing is proved to be; `enforced` if nothing is open.
#[must_use]
pub fn verdict(counts: &VerifyCounts) -> &'static str {
    if counts.not_enforced > 0 {
        "not-enforced"
    } else if counts.inconclusive > 0 || counts.enforced == 0 {
        "inconclusive"
    } else {
        "enforced"
    }
}

/// What is around the cluster's pods may be out of reach for reasons of its own. SCTP goes between pods of ours:
/// where none is carried it is closed, and what cannot be told of it is open like the rest.
fn is_counted(claim: &Claim, judged: &Judged) -> bool {
    match judged.verdict {
        Verdict::Exempt | Verdict::Closed => false,
        Verdict::Inconclusive => claim.is_required || claim.treatment.target.how == How::Sctp,
        _ => true,
    }
}

fn count(counts: &mut VerifyCounts, verdict: Verdict) {
    match verdict {
        Verdict::Enforced => counts.enforced += 1,
        Verdict::Slow => {
            counts.enforced += 1;
            counts.slow += 1;
        }
        Verdict::Exempt => counts.exempt += 1,
        Verdict::Closed => counts.closed += 1,
        Verdict::Inconclusive => counts.inconclusive += 1,
        Verdict::NotEnforced => counts.not_enforced += 1,
        Verdict::Flapping => {
            counts.not_enforced += 1;
            counts.flapping += 1;
        }
        Verdict::Overblocked => {
            counts.not_enforced += 1;
            counts.overblocked += 1;
        }
    }
}

fn described(claim: &Claim, judged: &Judged, counts: bool, rounds: &[Round]) -> VerifyClaim {
    let ends = [
        ("control", Some(&claim.control)),
        ("treatment", Some(&claim.treatment)),
        ("allowed", claim.allowed.as_ref()),
    ];
    let mut attempts = Vec::new();
    for round in rounds {
        for (end, ask) in ends {
            let sample = ask.and_then(|ask| round.samples.get(&(ask.actor, ask.target)));
            attempts.extend(sample.map(|sample| VerifyAttempt {
                phase: round.phase.word().into(),
                at: milliseconds(round.at),
                end: end.into(),
                outcome: sample.outcome.word().into(),
                by: sample.by.clone(),
                detail: sample.detail.clone(),
            }));
        }
    }
    VerifyClaim {
        direction: claim.direction.word().into(),
        path: claim.path.word().into(),
        place: claim.place.word(),
        family: claim.family(),
        protocol: claim.treatment.target.how.protocol().into(),
        from: claim.treatment.actor,
        to: claim.to.clone(),
        target: claim.treatment.target.to_string(),
        expected: match claim.expect {
            Expect::Denied => "denied".into(),
            Expect::Either(_) => "either".into(),
        },
        verdict: judged.verdict.word().into(),
        reason: judged.reason.clone(),
        stopped_after: judged.after.map(milliseconds),
        counts,
        attempts,
    }
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_pod_that_is_never_closed_is_not_enforced() {
        let counted = |verdict: &str| {
            let mut counts = VerifyCounts {
                enforced: 5,
                ..VerifyCounts::default()
            };
            let newcomer = VerifyNewPod {
                direction: "ingress".into(),
                verdict: verdict.into(),
                reason: String::new(),
                open_for: None,
                first_attempt: None,
                attempts: 10,
            };
            count_new_pod(&mut counts, &newcomer);
            super::verdict(&counts)
        };
        assert_eq!(counted("never-closed"), "not-enforced");
        assert_eq!(counted("open"), "enforced");
    }

    #[test]
    fn what_cannot_be_told_of_sctp_counts() {
        use crate::verify::claims::claims;
        use crate::verify::plan::layout;
        use crate::verify::testing::{known, node, options};

        let (options, nodes) = (options(), [node("a"), node("b")]);
        let layout = layout(&options, Some(&nodes));
        let mut known = known(&layout, &nodes);
        known.sctp = (0..layout.actors.len()).collect();
        let claims = claims(&options, &layout.actors, &known);
        let counted = |how: How, verdict: Verdict| {
            let mut of = claims.iter();
            let claim = of.find(|claim| claim.treatment.target.how == how).unwrap();
            let judged = Judged {
                verdict,
                reason: String::new(),
                after: None,
            };
            is_counted(claim, &judged)
        };
        assert!(counted(How::Sctp, Verdict::Inconclusive));
        assert!(counted(How::Tcp, Verdict::Inconclusive));
        // The network carries none.
        assert!(!counted(How::Sctp, Verdict::Closed));
        // A name server.
        assert!(!counted(How::Dns, Verdict::Inconclusive));
    }

    #[test]
    fn what_only_the_watch_saw_is_a_note() {
        let timing = VerifyTiming {
            change: "enforce".into(),
            direction: "egress".into(),
            not_before: None,
            after: Some(60.0),
            uncertainty: 4.0,
            attempts: 320,
            contradictions: 2,
        };
        let claim = |verdict: &str| VerifyClaim {
            direction: "egress".into(),
            path: "pod-ip".into(),
            place: "same-node".into(),
            family: 4,
            protocol: "tcp".into(),
            from: 1,
            to: "heron".into(),
            target: "tcp:10.244.0.5:8081".into(),
            expected: "denied".into(),
            verdict: verdict.into(),
            reason: String::new(),
            stopped_after: None,
            counts: true,
            attempts: Vec::new(),
        };
        let timings = [timing];
        let (count, notes) = flapped(&timings, &[claim("enforced")]);
        assert_eq!(count, 0);
        assert!(notes[0].starts_with("2 of 320 attempts"), "{notes:?}");
        assert_eq!(flapped(&timings, &[claim("flapping")]), (1, Vec::new()));
    }

    #[test]
    fn one_proof_outweighs_what_cannot_be_told() {
        let mut counts = VerifyCounts::default();
        assert_eq!(verdict(&counts), "inconclusive");
        counts.enforced = 5;
        assert_eq!(verdict(&counts), "enforced");
        counts.inconclusive = 1;
        assert_eq!(verdict(&counts), "inconclusive");
        counts.not_enforced = 1;
        assert_eq!(verdict(&counts), "not-enforced");
    }
}
