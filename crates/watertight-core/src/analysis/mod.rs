//! Questions about a world that several reports ask.

pub mod exposure;
pub mod namespaces;
