//! Attempts every few milliseconds: for the times of changes, and from a pod that is new.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use watertight_core::report::verify::VerifyNewPod;

use crate::verify::access::{Error, POD};
use crate::verify::claims::Known;
use crate::verify::objects::{self, NEWCOMER, Objects, RUN};
use crate::verify::plan::Layout;
use crate::verify::timing::Watched;
use crate::verify::wait::{Stage, stage};
use crate::verify::wire::{self, Line, Outcome, Sample, Target};

use super::Runner;
use super::phases::Course;

/// Between attempts.
const INTERVAL: &str = "10";
/// An attempt that is not answered in this time is stopped. Less than a second: no segment is sent twice.
const TIMEOUT: &str = "400";

/// Attempts that are under way.
pub(super) struct Watch {
    pub(super) began: Instant,
    lines: mpsc::UnboundedReceiver<(Duration, Sample)>,
    task: JoinHandle<()>,
}

impl Watch {
    /// All attempts, once those that are under way have ended.
    pub(super) async fn end(mut self) -> Watched {
        tokio::time::sleep(Duration::from_millis(600)).await;
        self.task.abort();
        let mut samples = Vec::new();
        while let Ok(sample) = self.lines.try_recv() {
            samples.push(sample);
        }
        Watched { samples }
    }
}

/// A pod that started while policies were in force.
pub(super) struct Newcomer {
    pod: String,
    target: Target,
    samples: Vec<Sample>,
    problem: Option<String>,
}

impl Runner<'_> {
    /// Starts to sample a target, and waits until that has begun.
    pub(super) async fn watch(&self, pod: &str, target: &Target) -> Result<Watch, Error> {
        let length = self.options.patience.settle + Duration::from_secs(10);
        let length = length.as_millis().to_string();
        let target = target.to_string();
        let command = [
            "/watertight",
            "probe",
            "connect",
            "--watch",
            "--interval",
            INTERVAL,
            "--timeout",
            TIMEOUT,
            "--for",
            &length,
            &target,
        ];
        let command = command.map(ToOwned::to_owned).to_vec();
        let mut process = self
            .access
            .start(&self.namespace, pod, "probe", command)
            .await?;
        let began = Instant::now();
        let (sender, lines) = mpsc::unbounded_channel();
        let (first, started) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(async move {
            let Some(stdout) = process.stdout() else {
                return;
            };
            let mut lines = BufReader::new(stdout).lines();
            let mut first = Some(first);
            while let Ok(Some(text)) = lines.next_line().await {
                let came = began.elapsed();
                if let Ok(Line::Sample(sample)) = wire::line(&text) {
                    if sender.send((came, sample)).is_err() {
                        return;
                    }
                    if let Some(first) = first.take() {
                        let _ = first.send(());
                    }
                }
            }
        });
        match tokio::time::timeout(Duration::from_secs(5), started).await {
            Ok(Ok(())) => Ok(Watch { began, lines, task }),
            _ => {
                task.abort();
                Err(Error::said(
                    &format!("sample from pod `{pod}`"),
                    "no attempt was told of",
                ))
            }
        }
    }

    /// Starts a pod that policies deny everything, and that tries a server from its first moment on.
    pub(super) async fn newcomer(
        &mut self,
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
        (self.tell)("starting a new pod under the policies");
        self.access.create(&objects.newcomer(&target, node)).await?;
        let _ = known;
        Ok(Some(Newcomer {
            pod: String::new(),
            target,
            samples: Vec::new(),
            problem: None,
        }))
    }

    /// Waits for what the new pod prints.
    pub(super) async fn printed(&self, mut newcomer: Newcomer) -> Newcomer {
        (self.tell)("waiting for the attempts of the new pod");
        let until = Instant::now() + self.options.patience.ready;
        let selector = format!("{RUN}={}", self.options.id);
        let prefix = format!("{}-", objects::name_of(self.options, NEWCOMER));
        loop {
            let pods = self
                .access
                .list(POD, Some(&self.namespace), &selector)
                .await;
            let name = |pod: &Value| Some(pod.pointer("/metadata/name")?.as_str()?.to_owned());
            let pods = pods.unwrap_or_default();
            let is_it = |pod: &&Value| name(pod).is_some_and(|name| name.starts_with(&prefix));
            let mut problem = "it did not start".to_owned();
            if let Some(pod) = pods.iter().find(is_it) {
                newcomer.pod = name(pod).unwrap_or_default();
                problem = match stage(pod) {
                    Stage::Ready => match self
                        .access
                        .logs(&self.namespace, &newcomer.pod, "probe")
                        .await
                    {
                        Ok(text) => {
                            if read(&text, &mut newcomer.samples) {
                                return newcomer;
                            }
                            "it did not print all of its attempts".to_owned()
                        }
                        Err(error) => {
                            newcomer.problem = Some(error.to_string());
                            return newcomer;
                        }
                    },
                    Stage::Waiting(why) => why,
                    Stage::Hopeless(why) => {
                        newcomer.problem = Some(why);
                        return newcomer;
                    }
                };
            }
            if Instant::now() > until {
                newcomer.problem = Some(problem);
                return newcomer;
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// What came of the new pod. Silence counts only if it can speak.
    pub(super) async fn judged(&self, newcomer: Newcomer) -> VerifyNewPod {
        let command = self.options.image.tries(
            &[newcomer.target],
            self.options.patience.attempt.as_millis(),
        );
        let place = (&*self.namespace, &*newcomer.pod, "probe");
        let answer = self.access.exec(place, command, super::EXTRA).await;
        let is_alive = answer.is_ok_and(|(printed, why)| {
            let samples = self.options.image.read(&[newcomer.target], &printed, &why);
            samples
                .first()
                .is_some_and(|sample| sample.outcome == Outcome::Open)
        });
        judge_new_pod(&newcomer.samples, newcomer.problem, is_alive)
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

fn judge_new_pod(samples: &[Sample], problem: Option<String>, is_alive: bool) -> VerifyNewPod {
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
    let (verdict, reason) = match (problem, first, last_open) {
        (Some(problem), _, _) => ("inconclusive", problem),
        (None, None, _) => (
            "inconclusive",
            "none of its attempts could be made".to_owned(),
        ),
        (None, Some(_), None) if is_alive => ("closed", "none of its attempts arrived".to_owned()),
        (None, Some(_), None) => (
            "inconclusive",
            "none of its attempts arrived, not even once the policies were gone".to_owned(),
        ),
        (None, Some(_), Some(open)) if last.is_some_and(|last| last - open < 100.0) => (
            "never-closed",
            "its attempts arrived for as long as they were made".to_owned(),
        ),
        (None, Some(_), Some(_)) => (
            "open",
            "its first attempts arrived, although the policies were there before it".to_owned(),
        ),
    };
    VerifyNewPod {
        verdict: verdict.into(),
        reason,
        open_for,
        first_attempt: first,
        attempts: samples.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::wire::How;

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
            let found = judge_new_pod(&samples(letters), None, alive);
            (found.verdict, found.open_for)
        };
        assert_eq!(judged("tttttt", true), ("closed".into(), None));
        assert_eq!(judged("tttttt", false), ("inconclusive".into(), None));
        assert_eq!(judged("eooottt", true), ("open".into(), Some(100.0)));
        assert_eq!(judged("oooooo", true), ("never-closed".into(), Some(250.0)));
        assert_eq!(judged("eee", true), ("inconclusive".into(), None));
        let failed = judge_new_pod(&[], Some("no log".into()), true);
        assert_eq!(&*failed.reason, "no log");
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
