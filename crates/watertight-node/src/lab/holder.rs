//! The process behind a lab in the background.
//!
//! `lab up` starts the same program once more ([`start`]) and ends when that says that the lab is there. The
//! other process ([`Holder`]) does nothing but hold what it has made until it is told to end. Everything it
//! holds are descriptors, so whatever ends it ends the lab.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{dup2_stderr, dup2_stdout, setsid};

use super::state::{Labs, State};
use super::{Cluster, Error, Plan};

/// What a holder says once the lab is there.
const READY: &str = "ready";

/// Starts a holder and waits until its lab is there. The command must come to [`Holder::begin`] and
/// [`Holder::hold`], and print nothing on standard output before.
pub fn start(command: &mut Command) -> Result<(), Error> {
    let failed = |error: std::io::Error| {
        let text = format!("could not start the process that holds the lab: {error}");
        Error::State(text.into())
    };
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut said = String::new();
    if let Some(mut stdout) = child.stdout.take() {
        // Ends when the holder has let go of it, or is gone.
        stdout.read_to_string(&mut said).map_err(failed)?;
    }
    if said.trim() == READY {
        return Ok(());
    }
    let output = child.wait_with_output().map_err(failed)?;
    let text = String::from_utf8_lossy(&output.stderr);
    let text = match text.trim() {
        "" => format!(
            "the process that holds the lab ended at once ({})",
            output.status
        ),
        text => text.to_owned(),
    };
    Err(Error::State(text.into()))
}

/// A process that is about to hold a lab.
#[derive(Debug)]
pub struct Holder {
    signals: SigSet,
    labs: Labs,
    name: Box<str>,
}

impl Holder {
    /// Leaves the terminal, and keeps signals that end the process for [`Self::hold`]. To be called before
    /// any thread is started, since threads would get them otherwise.
    pub fn begin(labs: Labs, name: &str) -> Result<Self, Error> {
        labs.check_new(name)?;
        // Not in the foreground of anything: whoever leads a process group already keeps it.
        let _ = setsid();
        let mut signals = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            signals.add(signal);
        }
        signals.thread_block().map_err(system("keep signals"))?;
        Ok(Self {
            signals,
            labs,
            name: name.into(),
        })
    }

    /// Writes down that the lab is there, tells whoever waits for it, and holds it until the process is told
    /// to end. Then its file is gone; what else the caller holds ends with the process.
    pub fn hold(self, plan: &Plan, cluster: &Cluster) -> Result<(), Error> {
        self.labs.write(&State::of(&self.name, plan, cluster)?)?;
        let held = self.announce().and_then(|()| {
            let waited = self.signals.wait().map_err(system("wait for a signal"));
            waited.map(drop)
        });
        self.labs.remove(&self.name)?;
        held
    }

    /// Fails if nobody waits any more: then nobody wants the lab.
    fn announce(&self) -> Result<(), Error> {
        let failed = |error: std::io::Error| {
            let text = format!("nobody waits for the lab any more: {error}");
            Error::State(text.into())
        };
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{READY}").map_err(failed)?;
        stdout.flush().map_err(failed)?;
        let nowhere = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/null")
            .map_err(failed)?;
        dup2_stdout(&nowhere).map_err(system("let go of standard output"))?;
        dup2_stderr(&nowhere).map_err(system("let go of standard error"))
    }
}

fn system(doing: &'static str) -> impl FnOnce(nix::errno::Errno) -> Error {
    move |error| Error::system("hold the lab")(crate::sys::Error::new(doing, error))
}
