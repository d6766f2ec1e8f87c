//! What this process may do with the network, and how it gets there without root.
//!
//! Namespaces of the network need `CAP_SYS_ADMIN` and `CAP_NET_ADMIN`. Whoever has them uses them; everybody
//! else becomes root of a user namespace, where the kernel allows it: there they are to be had, over
//! whatever is made inside. It can be entered only while the process has one thread, so this comes first.

use std::fmt;
use std::fs;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use super::{Error, Namespace, sysctl};

/// How network namespaces came to be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privileges {
    /// They were before.
    Own,
    /// The process is root of a user namespace of its own now.
    UserNamespace,
}

/// What is missing, as a sentence without a full stop.
#[derive(Debug)]
pub struct Missing {
    what: Box<str>,
    cause: Option<Error>,
}

impl Missing {
    fn new(what: impl Into<Box<str>>, cause: Option<Error>) -> Self {
        Self {
            what: what.into(),
            cause,
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.cause {
            Some(cause) => write!(f, " ({cause})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Missing {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as _)
    }
}

/// Makes sure that network namespaces can be made, in a user namespace if need be. To be called before
/// any thread is started.
pub fn acquire() -> Result<Privileges, Missing> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| {
        let cause = Error::new("read /proc/self/status", error);
        Missing::new("the lab needs /proc", Some(cause))
    })?;
    let privileges = if has_capabilities(&status) {
        Privileges::Own
    } else {
        let threads = field(&status, "Threads").unwrap_or_default();
        if threads != "1" {
            let what = "a user namespace can be entered only before threads are started";
            return Err(Missing::new(what, None));
        }
        enter_user_namespace()?;
        Privileges::UserNamespace
    };
    match Namespace::new() {
        Ok(_) => Ok(privileges),
        Err(cause) => Err(Missing::new(no_network_namespace(privileges), Some(cause))),
    }
}

/// `CAP_NET_ADMIN` and `CAP_SYS_ADMIN`, by their numbers.
const NEEDED: u64 = 1 << 12 | 1 << 21;

fn has_capabilities(status: &str) -> bool {
    let effective = field(status, "CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    effective.is_some_and(|effective| effective & NEEDED == NEEDED)
}

fn field<'s>(status: &'s str, name: &str) -> Option<&'s str> {
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.trim())
}

fn enter_user_namespace() -> Result<(), Missing> {
    // They read otherwise once the process is in the namespace.
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| {
        let cause = Error::new("make a user namespace", error);
        Missing::new(no_user_namespace(error), Some(cause))
    })?;
    // Without it no group may be mapped by a process that is not privileged outside.
    let maps = [
        ("setgroups", "deny".to_owned()),
        ("uid_map", format!("0 {uid} 1")),
        ("gid_map", format!("0 {gid} 1")),
    ];
    for (name, value) in maps {
        let path = format!("/proc/self/{name}");
        fs::write(&path, value).map_err(|error| {
            let cause = Error::new(format!("write {path}"), error);
            Missing::new(
                "without root the lab needs a user namespace, and this one cannot be set up",
                Some(cause),
            )
        })?;
    }
    Ok(())
}

fn is(name: &str, value: &str) -> bool {
    matches!(sysctl::get(name), Ok(Some(found)) if found == value)
}

/// Why there is no user namespace to be had.
fn no_user_namespace(error: Errno) -> &'static str {
    if is("user/max_user_namespaces", "0") {
        "without root the lab needs user namespaces, and the sysctl user.max_user_namespaces is 0"
    } else if is("kernel/unprivileged_userns_clone", "0") {
        "without root the lab needs user namespaces, and the sysctl kernel.unprivileged_userns_clone is 0"
    } else if error == Errno::EINVAL {
        "without root the lab needs user namespaces, and this kernel has none"
    } else {
        "without root the lab needs user namespaces, and they are not allowed here: a container runtime \
         or a security module may forbid them; run as root, or with CAP_SYS_ADMIN and CAP_NET_ADMIN"
    }
}

/// Why there is no network namespace to be had.
fn no_network_namespace(privileges: Privileges) -> &'static str {
    if is("user/max_net_namespaces", "0") {
        "the lab needs network namespaces, and the sysctl user.max_net_namespaces is 0"
    } else if privileges == Privileges::UserNamespace
        && is("kernel/apparmor_restrict_unprivileged_userns", "1")
    {
        "without root the lab needs user namespaces that may do something, and the sysctl \
         kernel.apparmor_restrict_unprivileged_userns is 1"
    } else {
        "the lab needs network namespaces, and they are not allowed here"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_capabilities_are_needed() {
        let with = |hex| has_capabilities(&format!("Name:\tx\nCapEff:\t{hex}\nThreads:\t1\n"));
        assert!(with("000001ffffffffff"));
        assert!(with("0000000000201000"));
        assert!(!with("0000000000200000"), "only CAP_SYS_ADMIN");
        assert!(!with("0000000000001000"), "only CAP_NET_ADMIN");
        assert!(!with("0000000000000000"));
        assert!(!has_capabilities("Name:\tx\n"));
    }

    #[test]
    fn what_is_missing_is_one_sentence() {
        let cause = Error::new("make a user namespace", Errno::EPERM);
        let missing = Missing::new(no_user_namespace(Errno::EINVAL), Some(cause));
        let text = missing.to_string();
        assert!(text.starts_with("without root"), "{text}");
        assert!(text.contains("could not make a user namespace"), "{text}");
        assert!(!text.ends_with('.') && !text.contains(". "), "{text}");
    }
}
