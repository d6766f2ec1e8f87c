//! `-o junit`: a test case for each rule that found something in a file, and one for each file in
//! which nothing was found, so that a green run shows what was looked at.
//!
//! Findings fail a case; notes do not; what could not be analysed is an error of the case.

use std::collections::BTreeMap;
use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use watertight_core::report::{Finding, Location};

use super::{Rendering, because, connection, harmless, one_line, place, verdict};

/// Where findings belong that nothing in the files causes.
const NO_FILE: &str = "(no file)";

/// Findings of one rule in one file.
#[derive(Default)]
struct Case<'a> {
    findings: Vec<&'a Finding>,
    /// Whether one of them says that something could not be analysed.
    incomplete: bool,
    /// Reasons of suppressed findings.
    reasons: Vec<&'a str>,
}

pub(super) fn render(rendering: &Rendering<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut cases: BTreeMap<(&str, &str, &str), Case<'_>> = BTreeMap::new();
    let report = rendering.report;
    for (finding, found) in rendering.findings().iter().zip(&rendering.checked.findings) {
        let case = cases.entry(key(finding)).or_default();
        case.findings.push(finding);
        case.incomplete |= found.incomplete;
    }
    for suppressed in &report.suppressed {
        let case = cases.entry(key(&suppressed.finding)).or_default();
        case.reasons.push(&suppressed.reason);
    }
    for (_, file) in rendering.sources.iter() {
        let name = file.name();
        let found = cases.range((name, "", "")..).next();
        if found.is_none_or(|((path, ..), _)| *path != name) {
            cases.insert((name, "", "no findings"), Case::default());
        }
    }
    let mut suite = TestSuite::new("watertight");
    suite.add_test_cases(cases.iter().map(|((path, rule, name), case)| {
        let name = format!("{rule} {name}");
        let mut test = TestCase::new(name.trim(), status(case));
        test.set_classname(one_line(path));
        if matches!(test.status, TestCaseStatus::Success { .. }) && !case.findings.is_empty() {
            test.set_system_out(told(case));
        }
        test
    }));
    let mut junit = Report::new("watertight");
    junit.add_test_suite(suite);
    junit.serialize(&mut *out).map_err(io::Error::other)
}

fn key(finding: &Finding) -> (&str, &str, &str) {
    let path = finding
        .locations
        .first()
        .map_or(NO_FILE, |at: &Location| &at.path);
    (path, &finding.rule, &finding.name)
}

fn status(case: &Case<'_>) -> TestCaseStatus {
    let failing = case
        .findings
        .iter()
        .any(|finding| finding.severity != "note");
    let mut status = if case.incomplete {
        TestCaseStatus::non_success(NonSuccessKind::Error)
    } else if failing {
        TestCaseStatus::non_success(NonSuccessKind::Failure)
    } else if case.findings.is_empty() && !case.reasons.is_empty() {
        let mut skipped = TestCaseStatus::skipped();
        skipped.set_message(format!(
            "suppressed: {}",
            one_line(&case.reasons.join("; "))
        ));
        return skipped;
    } else {
        return TestCaseStatus::success();
    };
    if let Some(first) = case.findings.first() {
        let more = match case.findings.len() {
            0 | 1 => String::new(),
            number => format!(" (and {} more)", number - 1),
        };
        status.set_message(format!("{}{more}", one_line(&first.message)));
        status.set_type(first.severity.as_str());
    }
    status.set_description(told(case));
    status
}

/// The findings of a case as text.
fn told(case: &Case<'_>) -> String {
    let texts: Vec<_> = case.findings.iter().map(|finding| one(finding)).collect();
    harmless(&texts.join("\n")).into_owned()
}

fn one(finding: &Finding) -> String {
    let mut text = format!(
        "{}: {}[{}] {}\n",
        place(finding),
        finding.severity,
        finding.rule,
        one_line(&finding.message)
    );
    for evidence in &finding.evidence {
        let (connection, because) = (connection(evidence), because(evidence));
        text.push_str(&format!(
            "  evidence: {connection}  {}  {because}\n",
            verdict(evidence)
        ));
    }
    for note in &finding.notes {
        text.push_str(&format!("  note: {note}\n"));
    }
    if let Some(fix) = &finding.fix {
        text.push_str(&format!("  help: {}\n", fix.message));
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::Format;
    use super::super::testing::{Sample, finding};
    use super::*;

    #[test]
    fn a_rule_fails_in_the_file_it_points_at() {
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="watertight" tests="5" skipped="0" failures="3" errors="0">
                <testsuite name="watertight" tests="5" skipped="0" errors="0" failures="3">
                    <testcase name="WT301 dns-broken" classname="(no file)">
                        <failure message="no pod of `shop` can resolve names" type="error">-: error[WT301] no pod of `shop` can resolve names
              evidence: shop/Deployment/web -&gt; kube-system/Deployment/coredns:53/udp  DENIED  NetworkPolicy shop/web-egress isolates shop/Deployment/web for egress and none of its rules matches
              help: add a policy that lets every pod of `shop` resolve names
            </failure>
                    </testcase>
                    <testcase name="WT201 metadata-open" classname="k8s/policies.yaml">
                        <failure message="1 workload of `shop` can reach the metadata service 169.254.169.254" type="error">k8s/policies.yaml:20:19: error[WT201] 1 workload of `shop` can reach the metadata service 169.254.169.254
              evidence: shop/Deployment/web -&gt; ip:169.254.169.254:80/tcp  ALLOWED  NetworkPolicy shop/web-egress egress rule 2 allows it (k8s/policies.yaml:20)
              note: rules add up: an exception of one peer takes nothing away from another
              help: narrow the block
            </failure>
                    </testcase>
                    <testcase name="WT401 policy-selects-nothing" classname="k8s/policies.yaml">
                        <system-out>k8s/policies.yaml:4:9: note[WT401] 2 of 3 rules do nothing
            </system-out>
                    </testcase>
                    <testcase name="WT405 split-peer" classname="k8s/policies.yaml">
                        <failure message="this rule is not limited to one protocol" type="warning">k8s/policies.yaml:18:5: warning[WT405] this rule is not limited to one protocol
              help: say which protocol is meant
            </failure>
                    </testcase>
                    <testcase name="no findings" classname="k8s/workloads.yaml"/>
                </testsuite>
            </testsuites>
        "#]].assert_eq(&Sample::shop().print(Format::Junit));
    }

    #[test]
    fn unreadable_input_is_an_error_and_a_clean_file_passes() {
        let sample = Sample::read(&[("broken.yaml", "a: ["), ("clean.yaml", "")]);
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="watertight" tests="2" skipped="0" failures="0" errors="1">
                <testsuite name="watertight" tests="2" skipped="0" errors="1" failures="0">
                    <testcase name="WT001 syntax-error" classname="broken.yaml">
                        <error message="unclosed bracket &apos;[&apos;" type="error">broken.yaml:1:4: error[WT001] unclosed bracket &apos;[&apos;
            </error>
                    </testcase>
                    <testcase name="no findings" classname="clean.yaml"/>
                </testsuite>
            </testsuites>
        "#]].assert_eq(&sample.print(Format::Junit));
    }

    #[test]
    fn what_was_written_can_be_read_again() {
        let mut sample = Sample::shop();
        sample
            .checked
            .findings
            .push(finding("WT601", "<&>\"' \u{0}\u{fffe} ]]>"));
        let text = sample.print(Format::Junit);
        let report = Report::deserialize_from_str(&text).unwrap();
        assert_eq!((report.tests, report.failures, report.errors), (6, 4, 0));
        assert_eq!(report.test_suites[0].test_cases.len(), 6);
    }
}
