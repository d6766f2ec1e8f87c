//! Clusters read through their API, of a server in memory that answers as it should, late, in part or
//! not at all.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod reading {
    pub(super) mod fixtures;

    mod connecting;
    mod faults;
    mod memory;
    mod rbac;
    mod recorded;
    mod redaction;
    mod tls;
    mod watching;
    mod worlds;
}
