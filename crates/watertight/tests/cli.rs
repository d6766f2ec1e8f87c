//! The command as its users run it: real files, real exit codes, real streams.

#[path = "cli/harness.rs"]
mod harness;

#[path = "cli/baseline.rs"]
mod baseline;
#[path = "cli/baseline_example.rs"]
mod baseline_example;
#[path = "cli/diagnose.rs"]
mod diagnose;
#[path = "cli/diff.rs"]
mod diff;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/explain_tiers.rs"]
mod explain_tiers;
#[path = "cli/fix.rs"]
mod fix;
#[path = "cli/git.rs"]
mod git;
#[path = "cli/guard.rs"]
mod guard;
#[path = "cli/input.rs"]
mod input;
#[path = "cli/intents.rs"]
mod intents;
#[path = "cli/lab.rs"]
mod lab;
#[cfg(feature = "live")]
#[path = "cli/live.rs"]
mod live;
#[path = "cli/minimize.rs"]
mod minimize;
#[path = "cli/options.rs"]
mod options;
#[path = "cli/preview.rs"]
mod preview;
#[path = "cli/reach.rs"]
mod reach;
#[path = "cli/verbs.rs"]
mod verbs;
