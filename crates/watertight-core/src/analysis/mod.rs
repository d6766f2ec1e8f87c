//! Questions about a world that several reports ask.

pub mod explain;
pub mod exposure;
pub mod map;
pub mod namespaces;
pub mod parties;
pub mod policies;
pub mod readings;
#[cfg(test)]
pub(crate) mod testing;
