//! Questions about a world that several reports ask.

pub mod baseline;
pub mod diagnose;
pub mod diff;
pub mod explain;
pub mod exposure;
pub mod felt;
pub mod fix;
pub mod intent;
pub mod map;
pub mod minimize;
pub mod namespaces;
pub mod parties;
pub mod policies;
pub mod readings;
#[cfg(test)]
pub(crate) mod testing;
