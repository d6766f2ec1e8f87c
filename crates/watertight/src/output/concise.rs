//! `-o concise`: one line a finding, for grep and editors, and nothing else.

use std::io::{self, Write};

use super::{Rendering, one_line, place};

pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    for finding in rendering.findings() {
        let (severity, rule) = (&finding.severity, &finding.rule);
        let (place, message) = (one_line(&place(finding)), one_line(&finding.message));
        writeln!(out, "{place}: {severity}[{rule}] {message}")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::Format;
    use super::super::testing::{Sample, finding};

    #[test]
    fn a_finding_is_one_line() {
        let mut sample = Sample::shop();
        sample.checked.findings.push(finding("WT601", "two\nlines"));
        expect![[r#"
            k8s/policies.yaml:20:19: error[WT201] 1 workload of `shop` can reach the metadata service 169.254.169.254
            k8s/policies.yaml:18:5: warning[WT405] this rule is not limited to one protocol
            k8s/policies.yaml:4:9: note[WT401] 2 of 3 rules do nothing
            -: error[WT301] no pod of `shop` can resolve names
            -: error[WT601] two lines
        "#]].assert_eq(&sample.print(Format::Concise));
    }

    #[test]
    fn nothing_found_prints_nothing() {
        assert_eq!(Sample::read(&[("a.yaml", "")]).print(Format::Concise), "");
    }
}
