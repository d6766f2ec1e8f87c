//! A file cannot be read.
//!
//! ## What it finds
//! Files below a directory that was given which cannot be opened, are no UTF-8 text or are larger
//! than 2 GiB. A path on the command line that does not exist is a usage error and ends the run at
//! once.
//!
//! ## Why it matters
//! What is in the file is not part of the answer. The other files are checked, the run counts as
//! incomplete and ends with exit code 2.
//!
//! ## Example
//! ```yaml
//! # policies/web.yaml, saved as UTF-16 by an editor: every second byte is zero
//! apiVersion: networking.k8s.io/v1
//! ```
//!
//! ## Instead
//! ```yaml
//! # policies/web.yaml, saved as UTF-8
//! apiVersion: networking.k8s.io/v1
//! ```
//! Make the file readable, or leave it out with `--exclude`.
//!
//! ## Semantics
//! - section 2: how YAML is read

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

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::manifest::unreadable;
    use crate::rules::testing::show;
    use crate::source::Sources;

    #[test]
    fn the_file_and_the_reason() {
        let mut sources = Sources::new();
        let reason = sources.add("web.yaml", vec![b'a', 0xff]).unwrap_err();
        let finding = unreadable("web.yaml", &reason.to_string());
        assert!(finding.incomplete);
        expect![[r#"
            error[WT009] cannot read `web.yaml`: not UTF-8 text (bad byte at offset 1)
        "#]]
        .assert_eq(&show(&sources, &finding));
    }
}
