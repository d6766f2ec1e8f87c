//! What Kubernetes network policies really deny: manifests in, verdicts and findings out.
//!
//! ```text
//! source ─ document ─ manifest ─ world ─┬─ policy::lower_* ─ Ruleset ─ eval ─┬─ rules ─ report
//! files    YAML/JSON   objects   cluster │                   normal  verdicts │  findings
//!          with spans            as data └────────────────────────────────────┘
//! ```
//!
//! INVARIANT: pure. Bytes in, values out: no file system, network, environment, clock or async; no
//! unsafe code. Bad input makes findings, never a panic.

pub mod analysis;
pub mod check;
pub mod diag;
pub mod document;
pub mod engine;
pub mod eval;
pub mod facts;
pub mod manifest;
pub mod observed;
mod parallel;
pub mod policy;
pub mod report;
pub mod rules;
pub mod sets;
pub mod source;
pub mod suggest;
pub mod world;
