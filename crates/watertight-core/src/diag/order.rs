//! One stable order of findings, so that two runs over the same bytes print the same bytes.

use super::Finding;

/// Sorts by place, then rule, then message; findings without a place come last.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|a, b| {
        let place = |finding: &Finding| (finding.span().is_none(), finding.span());
        place(a)
            .cmp(&place(b))
            .then_with(|| a.rule.id.cmp(b.rule.id))
            .then_with(|| a.message.cmp(&b.message))
    });
}
