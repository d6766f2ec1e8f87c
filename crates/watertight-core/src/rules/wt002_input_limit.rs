//! A document exceeds a limit against hostile input.
//!
//! ## What it finds
//! Documents that are nested deeper than 128 levels, and documents whose aliases make far more
//! values than were written: more than eight for every byte, or more than a million. No manifest of
//! a real cluster comes near either limit.
//!
//! ## Why it matters
//! A few lines of YAML can stand for billions of values. A reader that expands them all takes the
//! machine down, and with it whatever was to be checked. The document is left out instead,
//! everything else is read, and the run counts as incomplete (exit code 2).
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
//! Find out where the document comes from. A generator that nests without end has a bug; anything
//! else was written to do harm.
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

#[cfg(test)]
mod tests {
    use crate::rules::testing::findings;

    use super::*;

    #[test]
    fn nesting_and_aliases_have_limits() {
        let nested = |levels: usize| format!("a: {}{}\n", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(findings(&LIMIT, &nested(100)), "");
        let deep = findings(&LIMIT, &nested(200));
        assert!(deep.starts_with("error[WT002]"), "{deep}");
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..8 {
            let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb += &format!("a{level}: &a{level} [{aliases}]\n");
        }
        let found = findings(&LIMIT, &bomb);
        assert!(
            found.starts_with("error[WT002] aliases make more than "),
            "{found}"
        );
        assert_eq!(found.matches("WT002").count(), 1, "{found}");
    }

    #[test]
    fn a_bomb_hides_no_other_document() {
        let text = format!("a: {}\n---\nb: [\n", "[".repeat(500));
        assert_eq!(findings(&LIMIT, &text).lines().count(), 2);
        assert!(findings(&super::super::reading::SYNTAX, &text).contains("t.yaml:3"));
    }
}
