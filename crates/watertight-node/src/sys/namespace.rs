//! Namespaces as file descriptors.
//!
//! A namespace lives as long as a thread is in it or a descriptor of it is open. Nothing is mounted
//! anywhere: when the process that holds them ends, by whatever signal, the kernel takes namespaces and the
//! links in them away.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use nix::sched::{CloneFlags, setns, unshare};

use super::Error;

/// A network namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    fd: Arc<OwnedFd>,
}

impl Namespace {
    /// A new one, with a loopback device that is down. The calling thread stays where it is.
    pub fn new() -> Result<Self, Error> {
        in_thread(Self::unshare)?
    }

    /// A new one, which the calling thread enters.
    pub fn unshare() -> Result<Self, Error> {
        unshare(CloneFlags::CLONE_NEWNET).map_err(|error| {
            let advice = (error == nix::errno::Errno::ENOSPC)
                .then_some("raise the sysctl user.max_net_namespaces");
            Error::new("make a network namespace", error).advise(advice)
        })?;
        Self::current()
    }

    /// That of the calling thread.
    pub fn current() -> Result<Self, Error> {
        Self::open("/proc/thread-self/ns/net")
    }

    /// One that another process holds open, by the number of its descriptor.
    pub fn of_process(pid: i32, fd: RawFd) -> Result<Self, Error> {
        Self::open(&format!("/proc/{pid}/fd/{fd}"))
    }

    fn open(path: &str) -> Result<Self, Error> {
        let file = File::open(path).map_err(|error| Error::new(format!("open {path}"), error))?;
        Ok(Self {
            fd: Arc::new(file.into()),
        })
    }

    /// Moves the calling thread into it; sockets that are open stay where they are.
    pub fn enter(&self) -> Result<(), Error> {
        setns(&self.fd, CloneFlags::CLONE_NEWNET)
            .map_err(|error| Error::new("enter a network namespace", error))
    }

    /// Runs something in it, in a thread of its own.
    pub fn run<T: Send>(&self, task: impl FnOnce() -> T + Send) -> Result<T, Error> {
        in_thread(|| self.enter().map(|()| task()))?
    }

    /// The number by which the kernel knows it: two descriptors of one namespace have the same.
    pub fn inode(&self) -> Result<u64, Error> {
        let file = self.fd.try_clone().map(File::from);
        let metadata = file.and_then(|file| file.metadata());
        metadata
            .map(|metadata| metadata.ino())
            .map_err(|error| Error::new("look at a network namespace", error))
    }

    /// The number of the descriptor, for a process that is told to open it.
    #[must_use]
    pub fn number(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The user namespace of another process: where its network namespaces may be entered.
#[derive(Debug)]
pub struct UserNamespace {
    file: File,
}

impl UserNamespace {
    /// That of a process; none if it is the caller's own.
    pub fn of_process(pid: i32) -> Result<Option<Self>, Error> {
        let path = format!("/proc/{pid}/ns/user");
        let both = |path: &str| -> io::Result<(File, u64)> {
            let file = File::open(path)?;
            let inode = file.metadata()?.ino();
            Ok((file, inode))
        };
        let (file, theirs) =
            both(&path).map_err(|error| Error::new(format!("open {path}"), error))?;
        let (_, ours) = both("/proc/self/ns/user")
            .map_err(|error| Error::new("open /proc/self/ns/user", error))?;
        Ok((theirs != ours).then_some(Self { file }))
    }

    /// Enters it, for the whole process, which must have one thread.
    pub fn enter(&self) -> Result<(), Error> {
        setns(&self.file, CloneFlags::CLONE_NEWUSER)
            .map_err(|error| Error::new("enter a user namespace", error))
    }
}

/// Runs something in a thread, so that what it does to its namespaces ends with it.
fn in_thread<T: Send>(task: impl FnOnce() -> T + Send) -> Result<T, Error> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .spawn_scoped(scope, task)
            .map_err(|error| Error::new("start a thread", error))?;
        match thread.join() {
            Ok(value) => Ok(value),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
