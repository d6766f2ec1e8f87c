//! Whether a cluster enforces policies, proved with packets between pods of our own.
//!
//! [`plan`] lays out pods, [`objects`] writes them down, [`run`](mod@run) makes them, tries connections without
//! policies, under policies and after them, and [`judge`] tells for every claim what came of it. [`clean`] takes
//! everything away. [`wire`] is what the program inside of the pods is told and says. [`real`] is another way: the
//! cluster's own pods try what is predicted of them.
//!
//! INVARIANT: a connection that did not arrive counts as denied only if it arrived without policies, if an equal
//! one that no policy selects went on arriving, and if it came back.

pub mod access;
pub mod answer;
pub mod axes;
pub mod claims;
pub mod clean;
pub mod image;
pub mod judge;
pub mod objects;
pub mod plan;
pub mod real;
pub mod run;
pub mod settle;
#[cfg(test)]
pub(crate) mod testing;
pub mod timing;
mod wait;
pub mod wire;
