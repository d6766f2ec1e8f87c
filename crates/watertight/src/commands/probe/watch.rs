//! Targets tried again and again, each attempt beginning on time whatever became of the one before.

use std::time::Instant;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};
use watertight_cluster::verify::wire::{DONE, STARTED, Target};

use crate::args::Pace;
use crate::exit::Exit;

use super::connect::attempt;
use super::print_line;

/// Attempts under way at once: more would only measure this pod.
const MOST: usize = 512;

/// Prints every attempt. Ends after its time, or when nobody reads any more.
pub(super) async fn run(targets: &[Target], pace: Pace) -> anyhow::Result<Exit> {
    let clock = Instant::now();
    print_line(STARTED)?;
    let mut ticks = interval(pace.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut running = JoinSet::new();
    while clock.elapsed() < pace.length {
        tokio::select! {
            _ = ticks.tick() => {
                for target in targets {
                    if running.len() < MOST {
                        running.spawn(attempt(*target, pace.timeout, clock));
                    }
                }
            }
            Some(done) = running.join_next() => print_line(&serde_json::to_string(&done?)?)?,
        }
    }
    while let Some(done) = running.join_next().await {
        print_line(&serde_json::to_string(&done?)?)?;
    }
    print_line(DONE)?;
    Ok(Exit::Clean)
}
