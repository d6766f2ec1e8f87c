//! The four parts of a run: without policies, denied, allowed back, released.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;
use watertight_core::report::verify::{VerifyNewPod, VerifyTiming};

use crate::verify::access::{Error, POLICY};
use crate::verify::claims::{Claim, Direction, Known, claims};
use crate::verify::judge::{Phase, Round, judge, seconds, without_replaced};
use crate::verify::objects::Objects;
use crate::verify::plan::{Layout, layout, refused};
use crate::verify::settle::is_settled;
use crate::verify::timing::{Change, timing};
use crate::verify::wire::{How, Target};

use super::watches::Watch;
use super::{Ran, Runner, stage};

impl Runner<'_> {
    pub(super) async fn all(&mut self) -> Result<Ran, Error> {
        (self.tell)("reading nodes");
        let nodes = stage::nodes(&self.access).await?;
        if let Some(why) = refused(self.options, nodes.as_deref()) {
            return Err(Error::said("use the nodes of --node", &why));
        }
        let layout = layout(self.options, nodes.as_deref());
        self.untried = layout.untried;
        self.notes.extend(layout.notes.iter().cloned());
        let uid = self.make(&layout).await?;
        let placed = self.pods(&layout).await?;
        let known = self
            .known(&layout, placed, nodes.unwrap_or_default())
            .await?;
        let claims = claims(self.options, &layout.actors, &known);
        let mut run = Course {
            asks: asks(&claims),
            claims,
            rounds: Vec::new(),
            timings: Vec::new(),
        };
        let new_pods = self.phases(&layout, &known, &uid, &mut run).await?;
        let replaced = self.replaced(&layout, &known).await;
        let slow = self.options.patience.slow;
        let judged = run.claims.into_iter().map(|claim| {
            let verdict = judge(&claim, &run.rounds, slow);
            let verdict = without_replaced(&claim, verdict, &layout.actors, &replaced);
            (claim, verdict)
        });
        Ok(Ran {
            claims: judged.collect(),
            layout,
            known,
            rounds: run.rounds,
            timings: run.timings,
            new_pods,
            notes: std::mem::take(&mut self.notes),
            untried: self.untried,
        })
    }

    async fn phases(
        &mut self,
        layout: &Layout,
        known: &Known,
        uid: &str,
        run: &mut Course,
    ) -> Result<Vec<VerifyNewPod>, Error> {
        let objects = Objects {
            options: self.options,
            owner: Some(uid),
        };
        let count = run.claims.len();
        (self.tell)(&format!(
            "trying {count} connections and their controls without policies"
        ));
        self.watch_phase(Phase::Before, Instant::now(), known, run)
            .await;

        let watches = self.watches(known, run).await;
        let (stored, storing) = self.store(&objects.denials()).await?;
        (self.tell)("policies deny everything; waiting until nothing arrives");
        self.watch_phase(Phase::Denied, stored, known, run).await;
        self.timings(Change::Enforce, watches, (stored, storing), run)
            .await;

        let newcomer = self.newcomer(&objects, layout, known, run).await?;
        let mut allowances = self.allow_sctp(&objects, run).await;
        allowances.extend(objects.allowances());
        let (stored, _) = self.store(&objects.allowances()).await?;
        (self.tell)("policies allow one port back; waiting until it opens");
        let watched = async {
            match newcomer {
                Some(newcomer) => Some(self.dialled(newcomer).await),
                None => None,
            }
        };
        let allowed = self.watch_phase(Phase::Allowed, stored, known, run);
        let ((), newcomer) = tokio::join!(allowed, watched);
        let newcomer = match newcomer {
            Some(newcomer) => Some(self.printed(newcomer).await),
            None => None,
        };

        let watches = self.watches(known, run).await;
        let began = Instant::now();
        for policy in allowances.iter().chain(&objects.denials()) {
            let name = policy.pointer("/metadata/name").and_then(Value::as_str);
            let name = name.unwrap_or_default();
            self.access
                .delete(POLICY, Some(&self.namespace), name)
                .await?;
        }
        let stored = Instant::now();
        let storing = stored.duration_since(began);
        (self.tell)("policies are removed; waiting until everything arrives again");
        self.watch_phase(Phase::Released, stored, known, run).await;
        self.timings(Change::Release, watches, (stored, storing), run)
            .await;
        Ok(match newcomer {
            Some(newcomer) => self.judged(newcomer).await,
            None => Vec::new(),
        })
    }

    /// Rounds until what is waited for has come, or the time is over.
    async fn watch_phase(&self, phase: Phase, since: Instant, known: &Known, run: &mut Course) {
        let patience = self.options.patience;
        let mut told = Instant::now();
        loop {
            let round = self.round((phase, since), &run.asks, known).await;
            run.rounds.push(round);
            if is_settled(&run.claims, &run.rounds, phase, patience.stable) {
                return;
            }
            let elapsed = since.elapsed();
            if elapsed > patience.settle {
                return;
            }
            if told.elapsed() > Duration::from_secs(2) {
                told = Instant::now();
                (self.tell)(&format!(
                    "{}: watched for {}, for {} at the most",
                    phase.word(),
                    seconds(elapsed),
                    seconds(patience.settle)
                ));
            }
            tokio::time::sleep(patience.pause).await;
        }
    }

    /// Allows SCTP back where it is tried; the policies. What a cluster does not take cannot be tried, and takes
    /// nothing from what was seen of the denials.
    async fn allow_sctp(&mut self, objects: &Objects<'_>, run: &mut Course) -> Vec<Value> {
        let is_sctp = |claim: &Claim| claim.treatment.target.how == How::Sctp;
        if !run.claims.iter().any(is_sctp) {
            return Vec::new();
        }
        let policies = objects.sctp_allowances();
        match self.store(&policies).await {
            Ok(_) => policies.to_vec(),
            Err(error) => {
                self.notes.push(format!(
                    "what is allowed back is not tried for SCTP: {error}"
                ));
                for claim in run.claims.iter_mut().filter(|claim| is_sctp(claim)) {
                    claim.allowed = None;
                }
                // The first one may be there.
                policies.to_vec()
            }
        }
    }

    /// Makes policies; when that was done, and how long it took.
    async fn store(&self, policies: &[Value]) -> Result<(Instant, Duration), Error> {
        let began = Instant::now();
        for policy in policies {
            self.access.create(policy).await?;
        }
        let stored = Instant::now();
        Ok((stored, stored.duration_since(began)))
    }

    /// Starts to sample one connection of each direction.
    async fn watches(&mut self, known: &Known, run: &Course) -> Vec<(Direction, Watch)> {
        let mut watches = Vec::new();
        if !self.options.image.is_own() {
            return watches;
        }
        for direction in [Direction::Ingress, Direction::Egress] {
            let Some(claim) = first_of(&run.claims, direction) else {
                continue;
            };
            let ask = &claim.treatment;
            let pod = known.placed.get(ask.actor).map_or("", |placed| &placed.pod);
            let patience = self.options.patience;
            let length = patience.settle + patience.attempt + super::EXTRA;
            match self.watch(pod, &ask.target, length).await {
                Ok(watch) => watches.push((direction, watch)),
                Err(error) => {
                    let words = direction.word();
                    let note = format!("times of {words} policies are not measured: {error}");
                    if !self.notes.contains(&note) {
                        self.notes.push(note);
                    }
                }
            }
        }
        watches
    }

    async fn timings(
        &self,
        change: Change,
        watches: Vec<(Direction, Watch)>,
        (stored, storing): (Instant, Duration),
        run: &mut Course,
    ) {
        for (direction, watch) in watches {
            let began = watch.began;
            let watched = watch.end().await;
            let stored = stored.saturating_duration_since(began);
            let timing = timing(change, direction, &watched, stored, storing);
            run.timings.extend(timing);
        }
    }
}

/// What a run has come to so far.
pub(super) struct Course {
    pub(super) claims: Vec<Claim>,
    asks: BTreeMap<usize, Vec<Target>>,
    rounds: Vec<Round>,
    timings: Vec<VerifyTiming>,
}

impl Course {
    /// A claim about the way out of a pod, whose destination nobody denies.
    pub(super) fn way_out(&self) -> Option<&Claim> {
        first_of(&self.claims, Direction::Egress)
    }
}

fn first_of(claims: &[Claim], direction: Direction) -> Option<&Claim> {
    use crate::verify::claims::Path;
    let mut claims = claims.iter();
    claims.find(|claim| claim.direction == direction && claim.path == Path::Pod)
}

/// Everything that claims ask, each once.
fn asks(claims: &[Claim]) -> BTreeMap<usize, Vec<Target>> {
    let all: BTreeSet<(usize, Target)> = claims
        .iter()
        .flat_map(Claim::asks)
        .map(|ask| (ask.actor, ask.target))
        .collect();
    let mut asks: BTreeMap<usize, Vec<Target>> = BTreeMap::new();
    for (actor, target) in all {
        asks.entry(actor).or_default().push(target);
    }
    asks
}
