//! A file cannot be read.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static UNREADABLE: Rule = Rule {
    id: "WT009",
    name: "unreadable-file",
    severity: Severity::Error,
    summary: "a file cannot be read",
    source: include_str!("wt009_unreadable_file.rs"),
    check: Check::Reading,
};
