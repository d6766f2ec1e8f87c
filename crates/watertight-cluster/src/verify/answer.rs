//! From a run to its report.

use watertight_core::report::verify::{
    VerifyAttempt, VerifyClaim, VerifyCounts, VerifyPod, VerifyReport,
};
use watertight_core::report::{API_VERSION, Tool};

use super::claims::{Claim, Expect};
use super::judge::{Judged, Round, Verdict};
use super::objects;
use super::plan::Options;
use super::run::Ran;

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
    // What the rounds were too coarse to see.
    let flapped = ran.timings.iter();
    let flapped = flapped.filter(|timing| timing.change == "enforce" && timing.contradictions > 0);
    let flapped = flapped.count();
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
    let mut report = VerifyReport {
        api_version: API_VERSION.into(),
        kind: "VerifyReport".into(),
        tool: Tool {
            name: "watertight".into(),
            version: env!("CARGO_PKG_VERSION").into(),
        },
        cluster: cluster.into(),
        namespace: objects::namespace(options),
        image: Some(options.image.name.clone()),
        verdict: String::new(),
        counts,
        pods: pods.collect(),
        claims,
        timings: ran.timings,
        new_pod: ran.newcomer,
        connections: Vec::new(),
        notes: ran.notes,
        left_behind,
    };
    report.verdict = verdict(&report.counts).into();
    report
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

/// What is around the cluster's pods may be out of reach for reasons of its own.
fn is_counted(claim: &Claim, judged: &Judged) -> bool {
    match judged.verdict {
        Verdict::Exempt | Verdict::Closed => false,
        Verdict::Inconclusive => claim.is_required,
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
