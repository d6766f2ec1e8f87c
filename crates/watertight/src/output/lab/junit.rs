//! `-o junit`: a suite for each source, a case for each pair. A pair of which nothing can be said is skipped.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use watertight_core::report::LabReport;
use watertight_core::report::lab::{LabDifference, LabPair, LabReason};

use super::conclusion::{Conclusion, problem};
use super::{Cell, connection, differences_of, name};
use crate::output::{because, harmless, one_line, verdict};

pub(super) fn render(report: &LabReport, out: &mut dyn Write) -> io::Result<()> {
    let mut junit = Report::new("watertight lab");
    if let Some(suite) = unread(report) {
        junit.add_test_suite(suite);
    }
    for pairs in report.pairs.chunk_by(|a, b| a.from == b.from) {
        let Some(first) = pairs.first() else {
            continue;
        };
        let from = one_line(&name(report, first.from));
        let mut suite = TestSuite::new(&*from);
        for pair in pairs {
            let status = status(report, pair);
            let to = one_line(&name(report, pair.to));
            let mut case = TestCase::new(format!("{from} -> {to}"), status);
            case.set_classname(&*from);
            suite.add_test_case(case);
        }
        junit.add_test_suite(suite);
    }
    junit.serialize(&mut *out).map_err(io::Error::other)
}

/// What could not be read, and whether there was anything to judge, as errors; none if all is well.
fn unread(report: &LabReport) -> Option<TestSuite> {
    let error = |message: &str| {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(message.to_owned());
        status
    };
    let mut cases = Vec::new();
    for one in &report.problems {
        let told = one_line(&problem(one));
        let at = one.locations.first();
        let name = one_line(at.map_or(&*one.rule, |at| &*at.path));
        let status = if one.severity == "error" {
            error(&told)
        } else {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(told);
            skipped
        };
        cases.push(TestCase::new(name, status));
    }
    let conclusion = Conclusion::of(report);
    if !conclusion.is_answer() {
        let told = format!("packets and prediction differ: {}", conclusion.text());
        cases.push(TestCase::new("everything", error(&told)));
    }
    if cases.is_empty() {
        return None;
    }
    let mut suite = TestSuite::new("input");
    for mut case in cases {
        case.set_classname("input");
        suite.add_test_case(case);
    }
    Some(suite)
}

fn status(report: &LabReport, pair: &LabPair) -> TestCaseStatus {
    // The first reason that a port of the pair has.
    let skipped = |ports: &[String], reasons: &[LabReason]| {
        let is_it = |one: &&LabReason| {
            let mut connections = one.connections.iter();
            connections.any(|of| (of.from, of.to) == (pair.from, pair.to))
        };
        let why = reasons.iter().find(is_it);
        let why = one_line(why.map_or("nothing can be said", |one| &*one.reason));
        let mut skipped = TestCaseStatus::skipped();
        skipped.set_message(format!("{}: {why}", ports.join(", ")));
        skipped
    };
    match Cell::of(pair) {
        Cell::Differs => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(format!(
                "packets and prediction differ on {}",
                pair.differ.join(", ")
            ));
            status.set_type("differs");
            let told: String = differences_of(report, pair).map(told).collect();
            status.set_description(harmless(&told).into_owned());
            status
        }
        Cell::Inconclusive => skipped(&pair.inconclusive, &report.inconclusive),
        Cell::NotJudged => skipped(&pair.not_judged, &report.unjudged),
        _ => TestCaseStatus::success(),
    }
}

fn told(difference: &LabDifference) -> String {
    let evidence = &difference.predicted;
    let mut told = format!(
        "{}\n  predicted {}: {}\n  seen {}: {}\n",
        connection(difference),
        verdict(evidence),
        because(evidence),
        difference.observed,
        difference.detail,
    );
    for rule in &difference.kernel {
        told.push_str(&format!("  kernel {rule}\n"));
    }
    told
}
