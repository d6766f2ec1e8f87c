//! `-o junit`: a suite for each direction and kind of address, a case for each claim. What cannot be told, or
//! is left open by the API, is skipped.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use watertight_core::report::VerifyReport;
use watertight_core::report::verify::{VerifyClaim, VerifyNewPod};

use super::connection;
use crate::output::{harmless, one_line};

pub(super) fn render(report: &VerifyReport, out: &mut dyn Write) -> io::Result<()> {
    let mut junit = Report::new("watertight verify");
    let is_one =
        |a: &VerifyClaim, b: &VerifyClaim| (&a.direction, &a.path) == (&b.direction, &b.path);
    for claims in report.claims.chunk_by(is_one) {
        let Some(first) = claims.first() else {
            continue;
        };
        let name = format!("{} {}", first.direction, first.path);
        let mut suite = TestSuite::new(&*name);
        for claim in claims {
            let mut case = TestCase::new(connection(report, claim), status(claim));
            case.set_classname(&*name);
            suite.add_test_case(case);
        }
        junit.add_test_suite(suite);
    }
    if !report.new_pods.is_empty() {
        let mut suite = TestSuite::new("new pod");
        for newcomer in &report.new_pods {
            let name = format!("a new pod under policies, {}", newcomer.direction);
            let mut case = TestCase::new(name, new_pod(newcomer));
            case.set_classname("new pod");
            suite.add_test_case(case);
        }
        junit.add_test_suite(suite);
    }
    for connections in report.connections.chunk_by(|a, b| a.pod == b.pod) {
        let Some(first) = connections.first() else {
            continue;
        };
        let mut suite = TestSuite::new(one_line(&first.pod));
        for one in connections {
            let status = match &*one.verdict {
                "agree" => TestCaseStatus::success(),
                "differ" => {
                    let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                    status.set_message(one_line(&one.reason));
                    status.set_type("differs");
                    status
                }
                _ => {
                    let mut status = TestCaseStatus::skipped();
                    status.set_message(one_line(&one.reason));
                    status
                }
            };
            let name = one_line(&crate::output::connection(&one.predicted));
            suite.add_test_case(TestCase::new(name, status));
        }
        junit.add_test_suite(suite);
    }
    junit.serialize(&mut *out).map_err(io::Error::other)
}

fn status(claim: &VerifyClaim) -> TestCaseStatus {
    let message = format!("{}: {}", claim.verdict, one_line(&claim.reason));
    match &*claim.verdict {
        "enforced" | "slow" => TestCaseStatus::success(),
        "not-enforced" | "flapping" | "overblocked" => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(message);
            status.set_type(&*claim.verdict);
            status.set_description(harmless(&attempts(claim)).into_owned());
            status
        }
        "inconclusive" if claim.counts => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(message);
            status.set_type("inconclusive");
            status
        }
        _ => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(message);
            status
        }
    }
}

/// An open window at the start is no failure: the verdict does not count it either.
fn new_pod(newcomer: &VerifyNewPod) -> TestCaseStatus {
    let message = format!("{}: {}", newcomer.verdict, one_line(&newcomer.reason));
    let mut status = match &*newcomer.verdict {
        "closed" | "open" => return TestCaseStatus::success(),
        "never-closed" => TestCaseStatus::non_success(NonSuccessKind::Failure),
        _ => TestCaseStatus::skipped(),
    };
    status.set_message(message);
    if newcomer.verdict == "never-closed" {
        status.set_type("never-closed");
    }
    status
}

/// Every attempt, a line each.
fn attempts(claim: &VerifyClaim) -> String {
    let line = |attempt: &watertight_core::report::verify::VerifyAttempt| {
        let by = attempt
            .by
            .as_ref()
            .map_or(String::new(), |by| format!(" by {by}"));
        format!(
            "{} {} ms {}: {}{by}\n",
            attempt.phase, attempt.at, attempt.end, attempt.outcome
        )
    };
    claim.attempts.iter().map(line).collect()
}
