//! The command as its users run it: real files, real exit codes, real streams.

#[path = "cli/harness.rs"]
mod harness;

#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/explain_tiers.rs"]
mod explain_tiers;
#[path = "cli/input.rs"]
mod input;
#[path = "cli/options.rs"]
mod options;
#[path = "cli/reach.rs"]
mod reach;
#[path = "cli/verbs.rs"]
mod verbs;
