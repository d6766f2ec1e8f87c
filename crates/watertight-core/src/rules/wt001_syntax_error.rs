//! A document is no valid YAML or JSON.

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static SYNTAX: Rule = Rule {
    id: "WT001",
    name: "syntax-error",
    severity: Severity::Error,
    summary: "a document is no valid YAML or JSON",
    source: include_str!("wt001_syntax_error.rs"),
    check: Check::Reading,
};
