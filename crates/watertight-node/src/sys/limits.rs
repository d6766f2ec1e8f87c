//! How many files the process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::Error;

/// Raises the limit as far as it goes without privileges, and returns it.
pub fn open_files() -> Result<u64, Error> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(|error| Error::new("read the limit of open files", error))?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
            .map_err(|error| Error::new("raise the limit of open files", error))?;
    }
    Ok(hard)
}
