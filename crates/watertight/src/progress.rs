//! Progress bars for reading that takes over a second, on a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how many bytes are read until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The bytes that are read so far.
    pub(crate) done: Arc<AtomicU64>,
    stop: Option<(Sender<()>, std::thread::JoinHandle<()>)>,
}

impl Progress {
    /// Starts watching; draws nothing before a second has passed.
    pub(crate) fn start(total: u64, wanted: bool) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let stop = (wanted && std::io::IsTerminal::is_terminal(&std::io::stderr())).then(|| {
            let (sender, receiver) = channel();
            let watched = Arc::clone(&done);
            let thread = std::thread::spawn(move || draw(&receiver, &watched, total));
            (sender, thread)
        });
        Self { done, stop }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.stop.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

fn draw(stop: &Receiver<()>, done: &AtomicU64, total: u64) {
    if stop.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
    if let Ok(style) =
        ProgressStyle::with_template("reading {bar:30} {bytes}/{total_bytes} {elapsed}")
    {
        bar.set_style(style);
    }
    while stop.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
        bar.set_position(done.load(Ordering::Relaxed).min(total));
    }
    bar.finish_and_clear();
}

/// Shows how far the reading of a live cluster is, until it is dropped.
#[cfg(feature = "live")]
pub(crate) fn of_cluster(
    context: &str,
    progress: &Arc<watertight_cluster::Progress>,
    wanted: bool,
) -> Option<impl Drop + use<>> {
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    (wanted && is_terminal).then(|| {
        let (sender, receiver) = channel();
        let (watched, context) = (Arc::clone(progress), crate::output::one_line(context));
        let thread = std::thread::spawn(move || draw_cluster(&receiver, &watched, &context));
        Drawn(Some((sender, thread)))
    })
}

/// A bar that is drawn by a thread.
#[cfg(feature = "live")]
struct Drawn(Option<(Sender<()>, std::thread::JoinHandle<()>)>);

#[cfg(feature = "live")]
impl Drop for Drawn {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.0.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

#[cfg(feature = "live")]
fn draw_cluster(stop: &Receiver<()>, progress: &watertight_cluster::Progress, context: &str) {
    if stop.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} reading {msg} {elapsed}") {
        bar.set_style(style);
    }
    while stop.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (objects, bytes) = (of(&progress.objects), of(&progress.bytes));
        let (kinds, all) = (of(&progress.kinds), of(&progress.all_kinds));
        let told = match all {
            0 => "asking what it serves".to_owned(),
            _ => format!(
                "{kinds} of {all} kinds, {objects} objects, {}",
                indicatif::HumanBytes(bytes)
            ),
        };
        bar.set_message(format!("{context}: {told}"));
        bar.tick();
    }
    bar.finish_and_clear();
}
