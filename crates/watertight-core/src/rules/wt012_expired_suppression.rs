//! A suppression is past its date.
//!
//! ## What it finds
//! Entries of `.watertight.yaml` whose `expires` lies in the past. The date is the last day on
//! which the entry counts; from the next day on its findings are reported again, beside this one.
//!
//! ## Why it matters
//! A date on a suppression is a promise to fix something by then. The run that breaks it is the
//! reminder.
//!
//! ## Example
//! ```yaml
//! suppressions:
//! - rule: WT101
//!   namespaces: [legacy]
//!   reason: legacy moves to its own cluster in January
//!   expires: 2020-01-31
//! ```
//!
//! ## Instead
//! Fix what was suppressed and remove the entry, or decide again and say until when:
//! ```yaml
//! suppressions:
//! - rule: WT101
//!   namespaces: [legacy]
//!   reason: the move was put off, see the plan of the platform team
//!   expires: 2030-06-30
//! ```
//!
//! ## Semantics
//! - none: this is about the suppression, not about the policy

use super::{Check, Rule};
use crate::diag::Severity;

/// The rule.
pub static EXPIRED: Rule = Rule {
    id: "WT012",
    name: "expired-suppression",
    severity: Severity::Error,
    summary: "a suppression is past its date",
    source: include_str!("wt012_expired_suppression.rs"),
    check: Check::Suppression,
};

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::check::{CheckOptions, check};
    use crate::diag::ConfigEntry;
    use crate::rules::testing::show;
    use crate::source::Sources;

    /// What is found on a host-network pod with a suppression of WT501 until this date.
    fn found(expired: Option<&str>) -> Vec<String> {
        let mut sources = Sources::new();
        let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {hostNetwork: true}\n";
        sources.add("t.yaml", pod.into()).unwrap();
        let options = CheckOptions {
            select: vec!["WT501".into(), "WT012".into()],
            suppressions: vec![ConfigEntry {
                rules: vec!["WT501".into()],
                files: None,
                namespaces: Vec::new(),
                reason: "the node's own agent".into(),
                expired: expired.map(str::to_owned),
                span: None,
            }],
            ..CheckOptions::default()
        };
        let checked = check(&sources, &options);
        let findings = checked.findings.iter();
        findings.map(|finding| show(&sources, finding)).collect()
    }

    #[test]
    fn an_expired_suppression_does_not_count() {
        let found = found(Some("2020-01-31"));
        assert!(found.iter().any(|shown| shown.contains("[WT501]")));
        let own: String = found
            .into_iter()
            .filter(|shown| shown.contains("[WT012]"))
            .collect();
        expect![[r#"
            error[WT012] the configured suppression of WT501 expired on 2020-01-31, so it does not count
        "#]].assert_eq(&own);
    }

    #[test]
    fn until_then_it_does() {
        assert!(found(None).is_empty());
    }
}
