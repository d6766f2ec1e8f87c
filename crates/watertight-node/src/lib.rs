//! Policies as packets, on Linux: rulesets of nftables made from a [`watertight_core::policy::Ruleset`],
//! nodes and pods as network namespaces, and probes between them.
//!
//! - [`nft`]: what a node's ruleset is, as a value; the compiler that makes it; the kernel that holds it.
//! - [`enforce`]: what keeps the kernel of a node equal to a ruleset, update by update.
//! - [`netlink`]: messages and sockets, for [`nft`] and for links, addresses and routes.
//! - [`lab`]: a cluster of namespaces.
//! - [`probe`]: real connections between parties, and what became of them.
//! - [`trial`]: everything predicted, tried and compared.
//! - [`sys`]: namespaces and other calls of the kernel, with safe wrappers.
//!
//! INVARIANT: the only crate that needs privileges or unsafe code. It knows nothing of Kubernetes' API:
//! it is handed worlds.

#[cfg(target_os = "linux")]
pub mod enforce;
#[cfg(target_os = "linux")]
pub mod lab;
#[cfg(target_os = "linux")]
pub mod netlink;
pub mod nft;
#[cfg(target_os = "linux")]
pub mod probe;
#[cfg(target_os = "linux")]
pub mod sys;
#[cfg(target_os = "linux")]
pub mod trial;
