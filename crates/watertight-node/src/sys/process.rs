//! Who another process is.
//!
//! The kernel gives numbers of processes again. A process is the same one only if it was started at the
//! same time, in the same boot.

use std::fs;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::Error;

/// A process, told from others that have had its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The number.
    pub pid: i32,
    /// When it was started, in ticks since the boot.
    pub started: u64,
    /// The boot.
    pub boot: Box<str>,
}

impl Process {
    /// This one.
    pub fn current() -> Result<Self, Error> {
        let pid = nix::unistd::getpid().as_raw();
        Self::find(pid)?.ok_or_else(|| {
            let cause = std::io::Error::from(ErrorKind::NotFound);
            Error::new(format!("read /proc/{pid}/stat"), cause)
        })
    }

    /// The one that has a number now.
    pub fn find(pid: i32) -> Result<Option<Self>, Error> {
        let path = format!("/proc/{pid}/stat");
        let stat = match fs::read_to_string(&path) {
            Ok(stat) => stat,
            // A process that ends while it is read is no such process.
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    || error.raw_os_error() == Some(nix::libc::ESRCH) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(Error::new(format!("read {path}"), error)),
        };
        let Some((state, started)) = state_and_start(&stat) else {
            return Ok(None);
        };
        // A process that ended and that nobody has asked after is gone.
        if matches!(state, "Z" | "X") {
            return Ok(None);
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")
            .map_err(|error| Error::new("read /proc/sys/kernel/random/boot_id", error))?;
        Ok(Some(Self {
            pid,
            started,
            boot: boot.trim_end().into(),
        }))
    }

    /// Whether it still runs.
    pub fn is_alive(&self) -> Result<bool, Error> {
        Ok(Self::find(self.pid)?.as_ref() == Some(self))
    }

    /// Ends it: asks, and after a while insists. Whether it was there to be ended.
    pub fn end(&self, patience: Duration) -> Result<bool, Error> {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            if !self.is_alive()? {
                return Ok(signal == Signal::SIGKILL);
            }
            match kill(Pid::from_raw(self.pid), signal) {
                Ok(()) | Err(nix::errno::Errno::ESRCH) => {}
                Err(error) => {
                    let tried = format!("end process {}", self.pid);
                    return Err(Error::new(tried, error));
                }
            }
            let asked = Instant::now();
            while asked.elapsed() < patience {
                if !self.is_alive()? {
                    return Ok(true);
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        let cause = std::io::Error::from(ErrorKind::TimedOut);
        Err(Error::new(format!("end process {}", self.pid), cause))
    }
}

/// From `/proc/PID/stat`: the name in parentheses may have any character in it.
fn state_and_start(stat: &str) -> Option<(&str, u64)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_processes_may_look_like_fields() {
        let stat = "12 (a) S 1 (b)) R 1 1 1 0 -1 4 0 0 0 0 0 0 0 0 20 0 1 0 777 1 2 3";
        assert_eq!(state_and_start(stat), Some(("R", 777)));
        assert_eq!(state_and_start("12 (a) R 1"), None);
    }

    #[test]
    fn a_process_is_itself_and_not_a_later_one_with_its_number() {
        let this = Process::current().unwrap();
        assert!(this.is_alive().unwrap());
        let earlier = Process {
            started: this.started - 1,
            ..this.clone()
        };
        assert!(!earlier.is_alive().unwrap());
        let rebooted = Process {
            boot: "another".into(),
            ..this
        };
        assert!(!rebooted.is_alive().unwrap());
        assert!(!rebooted.end(Duration::ZERO).unwrap(), "not ours to end");
    }

    #[test]
    fn a_process_that_ended_is_ended() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let process = Process::find(pid).unwrap().unwrap();
        assert!(process.end(Duration::from_secs(5)).unwrap());
        assert!(!process.is_alive().unwrap());
        child.wait().unwrap();
        assert_eq!(Process::find(pid).unwrap(), None);
    }
}
