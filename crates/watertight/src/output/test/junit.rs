//! `-o junit`: a suite for each file, a case for each statement. A known gap is skipped, with what is
//! so for a message; what cannot be read or judged is an error.

use std::io::{self, Write};

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use watertight_core::report::intent::{IntentReport, IntentResult};

use super::{explained, place, sentence};
use crate::output::{harmless, one_line};

pub(crate) fn junit(report: &IntentReport, out: &mut dyn Write) -> io::Result<()> {
    let mut junit = Report::new("watertight");
    let mut files: Vec<&str> = Vec::new();
    let errors = report.errors.iter().map(|error| &*error.location.path);
    let results = report.statements.iter().map(|result| &*result.file);
    for file in errors.chain(results) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    for file in files {
        let mut suite = TestSuite::new(one_line(file));
        for error in report
            .errors
            .iter()
            .filter(|error| error.location.path == file)
        {
            let at = &error.location;
            let name = format!("{}:{}:{}", at.path, at.line, at.column);
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(one_line(&error.message));
            status.set_type("error");
            suite.add_test_case(case(file, &name, status));
        }
        for result in report
            .statements
            .iter()
            .filter(|result| result.file == file)
        {
            let status = status(report, result)?;
            suite.add_test_case(case(file, &result.name, status));
        }
        junit.add_test_suite(suite);
    }
    junit.serialize(&mut *out).map_err(io::Error::other)
}

fn case(file: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(one_line(name), status);
    case.set_classname(one_line(file));
    case
}

fn status(report: &IntentReport, result: &IntentResult) -> io::Result<TestCaseStatus> {
    let kind = match result.status.as_str() {
        "pass" => return Ok(TestCaseStatus::success()),
        "xfail" => {
            let mut skipped = TestCaseStatus::skipped();
            skipped.set_message(format!("a known gap: {}", sentence(result)));
            return Ok(skipped);
        }
        "error" => NonSuccessKind::Error,
        _ => NonSuccessKind::Failure,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(sentence(result));
    status.set_type(result.status.as_str());
    let mut told = format!("{}: {}\n", place(result), sentence(result));
    if let Some(reason) = &result.reason {
        told.push_str(&format!("it must hold: {}\n", one_line(reason)));
    }
    if let Some(answer) = &result.counterexample {
        told.push_str(&explained(report, answer, false, 100)?);
    }
    status.set_description(harmless(&told).into_owned());
    Ok(status)
}
