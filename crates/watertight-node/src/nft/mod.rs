//! A node's nftables ruleset: as a value ([`Table`]), made from policies, printed as text, written to the
//! kernel and read back.
//!
//! Everything up to the kernel is pure.

pub mod compile;
#[cfg(target_os = "linux")]
pub mod delta;
#[cfg(target_os = "linux")]
mod elements;
#[cfg(target_os = "linux")]
mod encode;
#[cfg(target_os = "linux")]
pub mod expressions;
#[cfg(target_os = "linux")]
mod held;
#[cfg(target_os = "linux")]
pub mod kernel;
#[cfg(target_os = "linux")]
mod phases;
mod table;
mod text;

#[cfg(target_os = "linux")]
pub use held::{Held, HeldChain, HeldRule};
pub use table::{
    Bytes, Chain, ChainType, Contents, Element, Field, Hook, KeyType, Match, Rule, Set, Statement,
    Table, Target, Verdict,
};
