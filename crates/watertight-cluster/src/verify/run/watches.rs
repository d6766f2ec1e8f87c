//! Attempts every few milliseconds, by a command that runs in a pod.

use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::verify::access::Error;
use crate::verify::timing::Watched;
use crate::verify::wire::{self, Line, Sample, Target};

use super::Runner;

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

impl Runner<'_> {
    /// Starts to sample a target for so long at the most, and waits until that has begun.
    pub(super) async fn watch(
        &self,
        pod: &str,
        target: &Target,
        length: Duration,
    ) -> Result<Watch, Error> {
        let length = length.min(wire::LONGEST).as_millis().to_string();
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
}
