//! Live clusters, through their API.
//!
//! `connect` finds a cluster as `kubectl` does; `read` makes texts of what it holds, of the kinds in
//! `kinds` and without the fields that nobody reads (`slim`); `snapshot` puts them into one file. What
//! comes out is what a directory of manifests would be, so nothing behind knows the difference.
//!
//! INVARIANT: nothing here changes a cluster but `verify`, and nothing reads a Secret.

pub mod connect;
mod discovery;
mod header;
pub mod kinds;
mod list;
mod objects;
pub mod read;
pub mod redact;
mod request;
mod slim;
pub mod snapshot;
pub mod verify;
mod watch;
mod yaml;

pub use connect::{Connection, Environment, Flags, connect};
pub use header::{About, HEADER, Header, KindRead, Named, State};
pub use read::{File, Progress, Reading, Wanted, read};
pub use request::Refusal;
pub use watch::{Change, Changes, Watch, watch};
