//! What the WT2xx rules share: blocks, metadata addresses, workloads, and edits of `except` lists.
//!
//! The rules split one peer between them so that nothing is said twice: see [`Metadata::speaker`]
//! for metadata addresses and [`blocks::counterpart`] for the families.
//!
//! INVARIANT: nothing here decides a verdict. What a rule claims is confirmed by the evaluator.

pub(super) mod blocks;
pub(super) mod closing;
mod denials;
pub(super) mod edit;
mod exposure;
pub(super) mod intent;
mod metadata;
pub(super) mod workloads;

pub(super) use denials::{Fate, Fates};
pub(super) use exposure::Exposure;
pub(super) use metadata::{Metadata, SHARED_ADDRESS, Speaker};
pub(super) use workloads::Names;
