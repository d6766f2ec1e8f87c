//! What a lab is busy with, on a terminal, once it takes over a second.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A step: what is being done, how far it is, and of how much.
type Step = (String, usize, usize);

/// Shows the last step that was told, until it is dropped.
pub(super) struct Steps {
    step: Arc<Mutex<Step>>,
    stop: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Steps {
    /// Starts watching; draws nothing before a second has passed.
    pub(super) fn start(wanted: bool) -> Self {
        let step = Arc::new(Mutex::new(Step::default()));
        let stop = (wanted && std::io::IsTerminal::is_terminal(&std::io::stderr())).then(|| {
            let (sender, receiver) = channel();
            let watched = Arc::clone(&step);
            let thread = std::thread::spawn(move || draw(&receiver, &watched));
            (sender, thread)
        });
        Self { step, stop }
    }

    /// Tells how far a step is; without a number of all, that it has begun.
    pub(super) fn tell(&self, what: &str, done: usize, total: usize) {
        if self.stop.is_none() {
            return;
        }
        let mut step = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        *step = (what.to_owned(), done, total);
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.stop.take() {
            drop(sender);
            let _ = thread.join();
        }
    }
}

fn draw(stop: &Receiver<()>, step: &Mutex<Step>) {
    if stop.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let started = Instant::now();
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg}") {
        bar.set_style(style);
    }
    while stop.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout) {
        let (what, done, total) = step.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A second has passed before.
        let elapsed = elapsed(started.elapsed().as_secs() + 1);
        bar.set_message(match total {
            0 => format!("{what} {elapsed}"),
            total => format!("{what} {done}/{total} {elapsed}"),
        });
        bar.tick();
    }
    bar.finish_and_clear();
}

/// `59s`, `2m05s`
fn elapsed(seconds: u64) -> String {
    match seconds / 60 {
        0 => format!("{seconds}s"),
        minutes => format!("{minutes}m{:02}s", seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_have_seconds() {
        assert_eq!([59, 60, 125].map(elapsed), ["59s", "1m00s", "2m05s"]);
    }
}
