//! Settings of the calling thread's network namespace, below `/proc/sys`.

use std::fs;
use std::io::ErrorKind;

use super::Error;

/// Sets one, given as a path: `net/ipv4/ip_forward`.
pub fn set(name: &str, value: &str) -> Result<(), Error> {
    fs::write(path(name), value)
        .map_err(|error| Error::new(format!("set {name} to {value}"), error))
}

/// Sets one that not every kernel has, or that only the first namespace may set; whether it did.
pub fn set_if_possible(name: &str, value: &str) -> Result<bool, Error> {
    match fs::write(path(name), value) {
        Ok(()) => Ok(true),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::PermissionDenied
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(Error::new(format!("set {name} to {value}"), error)),
    }
}

/// The value of one; none if the kernel does not have it.
pub fn get(name: &str) -> Result<Option<String>, Error> {
    match fs::read_to_string(path(name)) {
        Ok(value) => Ok(Some(value.trim_end().to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::new(format!("read {name}"), error)),
    }
}

/// Whether the kernel speaks IPv6.
#[must_use]
pub fn has_ipv6() -> bool {
    fs::exists(path("net/ipv6")).unwrap_or(false)
}

fn path(name: &str) -> String {
    format!("/proc/sys/{name}")
}
