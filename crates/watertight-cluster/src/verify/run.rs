//! One run, from the first object to the last: make, wait, try, judge, and take away.
//!
//! INVARIANT: whatever happens once something was made, everything is taken away again, and what could not be
//! is told.

mod newcomer;
mod phases;
mod stage;
mod watches;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use watertight_core::report::verify::{VerifyNewPod, VerifyTiming};

use super::access::{Access, Error};
use super::claims::{Claim, Known};
use super::clean::{self, Run};
use super::judge::{Judged, Phase, Round};
use super::objects;
use super::plan::{Layout, Node, Options};
use super::wire::{Sample, Target};

/// Commands that run at once.
const AT_ONCE: usize = 16;
/// Targets of one command: they travel in the address of the request.
const IN_ONE: usize = 30;
/// What a command may take besides its attempts.
const EXTRA: Duration = Duration::from_secs(10);

/// What is told while something is waited for.
pub type Tell<'a> = &'a (dyn Fn(&str) + Sync);

/// Everything that was seen.
#[derive(Debug)]
pub struct Ran {
    /// The pods.
    pub layout: Layout,
    /// Their addresses, and what is around.
    pub known: Known,
    /// Claims with their verdicts.
    pub claims: Vec<(Claim, Judged)>,
    /// Every attempt.
    pub rounds: Vec<Round>,
    /// How long changes took.
    pub timings: Vec<VerifyTiming>,
    /// What came of a new pod, in each direction.
    pub new_pods: Vec<VerifyNewPod>,
    /// What was not looked at, and why.
    pub notes: Vec<String>,
    /// Nodes that were asked for and could not be tried.
    pub untried: usize,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    /// What was seen, or why nothing was.
    pub result: Result<Ran, Error>,
    /// What could not be removed.
    pub left_behind: Vec<String>,
    /// Whether somebody stopped it.
    pub is_stopped: bool,
}

/// The objects of a run, for [`clean::remove`].
#[must_use]
pub fn run_of(options: &Options) -> Run {
    Run {
        id: options.id.clone(),
        namespace: objects::namespace(options),
        owns_namespace: options.namespace.is_none(),
        expires: Some(options.expires),
    }
}

/// Runs; when `stop` comes first, nothing more is tried. Either way, everything is taken away.
pub async fn verify(
    access: Access,
    options: &Options,
    tell: Tell<'_>,
    stop: impl Future<Output = ()>,
) -> Ended {
    let mut runner = Runner {
        access,
        options,
        tell,
        namespace: objects::namespace(options),
        has_made: false,
        notes: Vec::new(),
        untried: 0,
    };
    let stopped = tokio::select! {
        result = runner.all() => Some(result),
        () = stop => None,
    };
    let mut left_behind = Vec::new();
    if runner.has_made {
        tell("removing everything that was made");
        left_behind = clean::remove(&runner.access, &run_of(options)).await;
    }
    let is_stopped = stopped.is_none();
    Ended {
        result: stopped.unwrap_or_else(|| Err(Error::said("go on", "it was stopped"))),
        left_behind,
        is_stopped,
    }
}

/// The nodes of a cluster, for a dry run: nothing is made. None if they may not be read.
///
/// # Errors
///
/// If the cluster cannot be asked at all.
pub async fn nodes(access: &Access) -> Result<Option<Vec<Node>>, Error> {
    stage::nodes(access).await
}

struct Runner<'a> {
    access: Access,
    options: &'a Options,
    tell: Tell<'a>,
    namespace: String,
    has_made: bool,
    notes: Vec<String>,
    untried: usize,
}

impl Runner<'_> {
    /// Tries targets from pods, all at once.
    async fn round(
        &self,
        (phase, since): (Phase, Instant),
        asks: &BTreeMap<usize, Vec<Target>>,
        known: &Known,
    ) -> Round {
        let at = since.elapsed();
        let calls = asks.iter().flat_map(|(actor, targets)| {
            let parts = targets.chunks(IN_ONE);
            parts.map(move |part| (*actor, part))
        });
        let calls = calls.map(|(actor, targets)| async move {
            let samples = self.attempt(actor, targets, known).await;
            (actor, targets, samples)
        });
        let mut calls = futures::stream::iter(calls.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
        let mut samples = BTreeMap::new();
        while let Some((actor, targets, answers)) = calls.next().await {
            for (target, sample) in targets.iter().zip(answers) {
                samples.insert((actor, *target), sample);
            }
        }
        let took = since.elapsed().saturating_sub(at);
        Round {
            phase,
            at,
            took,
            samples,
        }
    }

    async fn attempt(&self, actor: usize, targets: &[Target], known: &Known) -> Vec<Sample> {
        let image = &self.options.image;
        let limit = self.options.patience.attempt;
        let pod = known.placed.get(actor).map_or("", |placed| &placed.pod);
        let command = image.tries(targets, limit.as_millis());
        let place = (&*self.namespace, pod, "probe");
        match self.access.exec(place, command, limit + EXTRA).await {
            Ok((printed, why)) => image.read(targets, &printed, &why),
            Err(error) => {
                let error = error.to_string();
                let targets = targets.iter();
                targets
                    .map(|target| Sample::error(target, &error))
                    .collect()
            }
        }
    }
}
