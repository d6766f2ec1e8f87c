//! Progress bars for reading that takes over a second, on a terminal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows how many bytes are read until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The bytes that are read so far.
    pub(crate) done: Arc<AtomicU64>,
    _drawn: Drawn,
}

impl Progress {
    /// Starts watching; draws nothing before a second has passed.
    pub(crate) fn start(total: u64, wanted: bool) -> Self {
        let done = Arc::new(AtomicU64::new(0));
        let watched = Arc::clone(&done);
        let template = "reading {bar:30} {bytes}/{total_bytes} {elapsed}";
        let drawn = Drawn::start(wanted, Some(total), template, move |bar| {
            bar.set_position(watched.load(Ordering::Relaxed).min(total));
        });
        Self {
            done,
            _drawn: drawn,
        }
    }
}

/// Shows how far the reading of a live cluster is, until it is dropped.
#[cfg(feature = "live")]
pub(crate) fn of_cluster(
    context: &str,
    progress: &Arc<watertight_cluster::Progress>,
    wanted: bool,
) -> Drawn {
    let (progress, context) = (Arc::clone(progress), crate::output::one_line(context));
    let template = "{spinner} reading {msg} {elapsed}";
    Drawn::start(wanted, None, template, move |bar| {
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
    })
}

/// A bar that a thread draws until this is dropped; none where nobody looks.
#[derive(Debug)]
pub(crate) struct Drawn(Option<(Sender<()>, JoinHandle<()>)>);

impl Drawn {
    fn start(
        wanted: bool,
        total: Option<u64>,
        template: &'static str,
        update: impl Fn(&ProgressBar) + Send + 'static,
    ) -> Self {
        if !wanted || !std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            return Self(None);
        }
        let (sender, stop) = channel();
        let thread = std::thread::spawn(move || {
            let stop: std::sync::mpsc::Receiver<()> = stop;
            let waits = |millis| {
                stop.recv_timeout(Duration::from_millis(millis)) == Err(RecvTimeoutError::Timeout)
            };
            if !waits(1000) {
                return;
            }
            let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            while waits(100) {
                update(&bar);
            }
            bar.finish_and_clear();
        });
        Self(Some((sender, thread)))
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.0.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}
