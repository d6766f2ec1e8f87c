//! A document exceeds a limit against hostile input.
//!
//! ## What it finds
//! Documents that are nested deeper than 128 levels, and documents whose aliases would multiply them
//! beyond a million values. No manifest of a real cluster comes near either limit.
//!
//! ## Why it matters
//! A few lines of YAML can stand for billions of values. A reader that expands them all takes the
//! machine down, and with it whatever was to be checked. The document is left out instead, everything
//! else is read, and the run counts as incomplete (exit code 2).
//!
//! ## Example
//! ```yaml
//! a: &a [x, x, x, x, x, x, x, x, x, x]
//! b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
//! c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
//! # and so on: every line is ten times the one before
//! ```
//!
//! ## Instead
//! ```yaml
//! a: [x, x]
//! ```
//! Find out where the document comes from. A generator that nests without end has a bug; anything else
//! was written to do harm.
//!
//! ## Semantics
//! - section 2: how YAML is read

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static LIMIT: Rule = Rule {
    id: "WT002",
    name: "input-limit",
    severity: Severity::Error,
    summary: "a document exceeds a limit against hostile input",
    source: include_str!("wt002_input_limit.rs"),
    check: Check::Reading,
};
