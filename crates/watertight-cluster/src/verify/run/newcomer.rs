//! A pod that starts while policies are in force: what it reaches, and who reaches it, from its first moment on.
//!
//! It tries a server by itself and prints what came of it. A client that no policy selects tries it, from when
//! the API says which address it has.
//! INVARIANT: silence counts only if the same attempt arrives once the policies are gone.

use std::time::{Duration, Instant};

use serde_json::Value;
use watertight_core::report::verify::VerifyNewPod;

use crate::verify::access::{Error, POD};
use crate::verify::claims::{Direction, Known};
use crate::verify::objects::{self, NEWCOMER, Objects, RUN};
use crate::verify::plan::{DENIED, Layout};
use crate::verify::wait::{Stage, stage};
use crate::verify::wire::{self, How, Line, Outcome, Sample, Target};

use super::Runner;
use super::phases::Course;

/// How long the new pod is dialled; it dials as long itself.
const LENGTH: Duration = Duration::from_secs(3);
/// How often the new pod is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// The same while its address is waited for, at first: every moment counts then.
const CLOSE_LOOK: Duration = Duration::from_millis(50);
/// For how long that is.
const AT_FIRST: Duration = Duration::from_secs(10);

/// A pod that started while policies were in force.
pub(super) struct Newcomer {
    pod: String,
    /// Who dials it.
    client: String,
    out: Tries,
    /// None until its address is known.
    into: Option<Tries>,
    /// Why it could not be dialled.
    undialled: Option<String>,
}

/// What was tried of one direction.
struct Tries {
    target: Target,
    /// Who must answer.
    by: String,
    samples: Vec<Sample>,
    problem: Option<String>,
}

impl Tries {
    fn new(target: Target, by: &str) -> Self {
        Self {
            target,
            by: by.to_owned(),
            samples: Vec::new(),
            problem: None,
        }
    }

    /// What an attempt came to; an answer of somebody else is none.
    fn seen(&self, sample: &Sample) -> Sample {
        let mut seen = sample.clone();
        if seen.outcome == Outcome::Open && seen.by.as_deref() != Some(&*self.by) {
            seen.outcome = Outcome::Error;
        }
        seen
    }
}

impl Runner<'_> {
    /// Starts a pod that policies deny everything, and that tries a server from its first moment on.
    pub(super) async fn newcomer(
        &self,
        objects: &Objects<'_>,
        layout: &Layout,
        known: &Known,
        run: &Course,
    ) -> Result<Option<Newcomer>, Error> {
        let Some(claim) = run.way_out() else {
            return Ok(None);
        };
        if !self.options.new_pod || !self.options.image.is_own() {
            return Ok(None);
        }
        let target = claim.treatment.target;
        let node = layout.actors.get(claim.treatment.actor);
        let node = node.and_then(|actor| actor.node.clone());
        let by = claim.treatment.by.clone().unwrap_or_default();
        let client = known.placed.get(claim.control.actor);
        (self.tell)("starting a new pod under the policies");
        self.access.create(&objects.newcomer(&target, node)).await?;
        Ok(Some(Newcomer {
            pod: String::new(),
            client: client.map_or(String::new(), |placed| placed.pod.clone()),
            out: Tries::new(target, &by),
            into: None,
            undialled: None,
        }))
    }

    /// The pod, once it is there.
    async fn new_pod(&self) -> Option<Value> {
        let selector = format!("{RUN}={}", self.options.id);
        let prefix = format!("{}-", objects::name_of(self.options, NEWCOMER));
        let pods = self
            .access
            .list(POD, Some(&self.namespace), &selector)
            .await;
        let is_it = |pod: &Value| {
            let name = pod.pointer("/metadata/name").and_then(Value::as_str);
            name.is_some_and(|name| name.starts_with(&prefix))
        };
        pods.unwrap_or_default().into_iter().find(is_it)
    }

    /// Waits for its address, and dials it from then on.
    pub(super) async fn dialled(&self, mut newcomer: Newcomer) -> Newcomer {
        let began = Instant::now();
        let wants_v4 = newcomer.out.target.address.is_ipv4();
        let ip = loop {
            let pod = self.new_pod().await;
            let ips = pod.as_ref().map(super::stage::placed);
            let ips = ips.map_or(Vec::new(), |placed| placed.ips);
            if let Some(ip) = ips.into_iter().find(|ip| ip.is_ipv4() == wants_v4) {
                break ip;
            }
            let why = match pod.as_ref().map(stage) {
                Some(Stage::Hopeless(why)) => Some(why),
                _ if began.elapsed() > self.options.patience.ready => {
                    Some("it did not get an address".into())
                }
                _ => None,
            };
            if why.is_some() {
                newcomer.undialled = why;
                return newcomer;
            }
            let is_first = began.elapsed() < AT_FIRST;
            tokio::time::sleep(if is_first { CLOSE_LOOK } else { LOOK }).await;
        };
        let mut tries = Tries::new(Target::new(How::Tcp, ip, DENIED), NEWCOMER);
        match self.watch(&newcomer.client, &tries.target, LENGTH).await {
            Ok(watch) => {
                tokio::time::sleep(LENGTH).await;
                let watched = watch.end().await;
                tries.samples = watched.samples.into_iter().map(|(_, one)| one).collect();
            }
            Err(error) => tries.problem = Some(error.to_string()),
        }
        newcomer.into = Some(tries);
        newcomer
    }

    /// Waits for what the new pod prints.
    pub(super) async fn printed(&self, mut newcomer: Newcomer) -> Newcomer {
        (self.tell)("waiting for the attempts of the new pod");
        let mut until = Instant::now();
        // It has been waited for before.
        if newcomer.undialled.is_none() {
            until += self.options.patience.ready;
        }
        loop {
            let mut problem = "it did not start".to_owned();
            if let Some(pod) = self.new_pod().await {
                newcomer.pod = super::stage::placed(&pod).pod;
                problem = match stage(&pod) {
                    Stage::Ready => match self
                        .access
                        .logs(&self.namespace, &newcomer.pod, "probe")
                        .await
                    {
                        Ok(text) => {
                            if read(&text, &mut newcomer.out.samples) {
                                return newcomer;
                            }
                            "it did not print all of its attempts".to_owned()
                        }
                        Err(error) => {
                            newcomer.out.problem = Some(error.to_string());
                            return newcomer;
                        }
                    },
                    Stage::Waiting(why) => why,
                    Stage::Hopeless(why) => {
                        newcomer.out.problem = Some(why);
                        return newcomer;
                    }
                };
            }
            if Instant::now() > until {
                newcomer.out.problem = Some(problem);
                return newcomer;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What came of the new pod, once the policies are gone.
    pub(super) async fn judged(&self, newcomer: Newcomer) -> Vec<VerifyNewPod> {
        let (pod, client) = (&newcomer.pod, &newcomer.client);
        let mut found = vec![self.judge(Direction::Egress, newcomer.out, pod).await];
        found.push(match newcomer.into {
            Some(tries) => self.judge(Direction::Ingress, tries, client).await,
            None => judge_new_pod(Direction::Ingress, &[], newcomer.undialled, false),
        });
        found
    }

    /// Silence counts only if the same attempt arrives now.
    async fn judge(&self, direction: Direction, tries: Tries, from: &str) -> VerifyNewPod {
        let limit = self.options.patience.attempt;
        let image = &self.options.image;
        let command = image.tries(&[tries.target], limit.as_millis());
        let place = (&*self.namespace, from, "probe");
        let answer = self
            .access
            .exec(place, command, limit.saturating_add(super::EXTRA))
            .await;
        let is_alive = answer.is_ok_and(|(printed, why)| {
            let samples = image.read(&[tries.target], &printed, &why);
            let first = samples.first().map(|sample| tries.seen(sample));
            first.is_some_and(|sample| sample.outcome == Outcome::Open)
        });
        let samples: Vec<Sample> = tries.samples.iter().map(|one| tries.seen(one)).collect();
        judge_new_pod(direction, &samples, tries.problem, is_alive)
    }
}

/// Reads lines; whether they are all there.
fn read(text: &str, samples: &mut Vec<Sample>) -> bool {
    samples.clear();
    let mut is_done = false;
    for text in text.lines() {
        match wire::line(text) {
            Ok(Line::Sample(sample)) => samples.push(sample),
            Ok(Line::Done) => is_done = true,
            _ => {}
        }
    }
    is_done
}

fn judge_new_pod(
    direction: Direction,
    samples: &[Sample],
    problem: Option<String>,
    is_alive: bool,
) -> VerifyNewPod {
    let tried = || {
        samples
            .iter()
            .filter(|sample| sample.outcome != Outcome::Error)
    };
    let first = tried().map(|sample| sample.at).reduce(f64::min);
    let open = tried().filter(|sample| sample.outcome == Outcome::Open);
    let last_open = open.map(|sample| sample.at).reduce(f64::max);
    let last = tried().map(|sample| sample.at).reduce(f64::max);
    let open_for = last_open
        .zip(first)
        .map(|(last, first)| ((last - first) * 10.0).round() / 10.0);
    let whose = match direction {
        Direction::Egress => "its attempts",
        Direction::Ingress => "the attempts to reach it",
    };
    let (verdict, reason) = match (problem, first, last_open) {
        (Some(problem), _, _) => ("inconclusive", problem),
        (None, None, _) => ("inconclusive", format!("none of {whose} could be made")),
        (None, Some(_), None) if is_alive => ("closed", format!("none of {whose} arrived")),
        (None, Some(_), None) => (
            "inconclusive",
            format!("none of {whose} arrived, not even once the policies were gone"),
        ),
        (None, Some(_), Some(open)) if last.is_some_and(|last| last - open < 100.0) => (
            "never-closed",
            format!("{whose} arrived for as long as they were made"),
        ),
        (None, Some(_), Some(_)) => (
            "open",
            format!("some of {whose} arrived, although the policies were there before it"),
        ),
    };
    VerifyNewPod {
        direction: direction.word().into(),
        verdict: verdict.into(),
        reason,
        open_for,
        // Who dials it does not know when it started.
        first_attempt: first.filter(|_| direction == Direction::Egress),
        attempts: samples.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(letters: &str) -> Vec<Sample> {
        let target = Target::new(How::Tcp, "10.0.0.1".parse().unwrap(), 80);
        let sample = |(number, letter): (usize, char)| Sample {
            at: number as f64 * 50.0 + 2.0,
            outcome: match letter {
                'o' => Outcome::Open,
                't' => Outcome::Timeout,
                _ => Outcome::Error,
            },
            ..Sample::error(&target, "")
        };
        letters.chars().enumerate().map(sample).collect()
    }

    #[test]
    fn a_new_pod_is_open_closed_or_cannot_be_judged() {
        let judged = |letters: &str, alive| {
            let found = judge_new_pod(Direction::Egress, &samples(letters), None, alive);
            (found.verdict, found.open_for)
        };
        assert_eq!(judged("tttttt", true), ("closed".into(), None));
        assert_eq!(judged("tttttt", false), ("inconclusive".into(), None));
        assert_eq!(judged("eooottt", true), ("open".into(), Some(100.0)));
        assert_eq!(judged("oooooo", true), ("never-closed".into(), Some(250.0)));
        assert_eq!(judged("eee", true), ("inconclusive".into(), None));
        let failed = judge_new_pod(Direction::Egress, &[], Some("no log".into()), true);
        assert_eq!(&*failed.reason, "no log");
        let into = judge_new_pod(Direction::Ingress, &samples("ot"), None, true);
        assert_eq!((&*into.direction, into.first_attempt), ("ingress", None));
    }

    #[test]
    fn whoever_else_has_the_address_is_not_the_new_pod() {
        let target: Target = "tcp:10.0.0.1:80".parse().unwrap();
        let tries = Tries::new(target, "falcon");
        let answer = |by: Option<&str>| {
            let sample = Sample {
                outcome: Outcome::Open,
                by: by.map(ToOwned::to_owned),
                ..Sample::error(&target, "")
            };
            tries.seen(&sample).outcome
        };
        assert_eq!(answer(Some("falcon")), Outcome::Open);
        assert_eq!(answer(Some("heron")), Outcome::Error);
        assert_eq!(answer(None), Outcome::Error);
    }

    #[test]
    fn attempts_are_complete_with_their_last_line() {
        let mut found = Vec::new();
        let line = serde_json::to_string(&samples("o")[0]).unwrap();
        assert!(!read(&format!("{}\n{line}\n", wire::STARTED), &mut found));
        assert!(read(&format!("{line}\n{}\n", wire::DONE), &mut found));
        assert_eq!(found.len(), 1);
    }
}
