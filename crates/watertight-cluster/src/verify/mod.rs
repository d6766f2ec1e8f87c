//! Whether a cluster enforces policies, proved with packets between pods of our own.

pub mod claims;
pub mod image;
pub mod judge;
pub mod plan;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests of this crate alone")]
pub(crate) mod testing;
pub mod wire;
