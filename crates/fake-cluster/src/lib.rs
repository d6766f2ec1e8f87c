//! An API server in memory, for tests of what talks to clusters: lists, watches, writes, discovery,
//! exec over WebSocket, and the controllers without which nothing would run.
//!
//! It answers as a real server does where the programs under test look: pages, resource versions,
//! bookmarks, `Status` objects, conflict and absence. What a test wants to go wrong is a [`Fault`].
//! Who runs the pods is a [`Runtime`]: nobody, a model, or network namespaces.

mod controllers;
mod discovery;
mod ephemeral;
mod exec;
mod faults;
mod kinds;
mod labels;
mod lists;
mod paths;
mod runtime;
mod schedule;
mod server;
mod status;
mod store;
mod tls;
mod watches;
mod writes;

pub use faults::{Effect, Fault};
pub use kinds::Kind;
pub use runtime::{Exec, ExitStatus, NoRuntime, Runtime};
pub use server::{FakeCluster, Options};
pub use store::Store;
pub use tls::{Authority, Identity, Tls};
