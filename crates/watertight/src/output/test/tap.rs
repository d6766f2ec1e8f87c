//! `-o tap`: the Test Anything Protocol, version 14. A known gap is a test that is still to be met; one
//! that is closed is no success, as it is none elsewhere.

use std::io::{self, Write};

use watertight_core::report::intent::{IntentReport, IntentResult};

use super::{explained, place, sentence};
use crate::output::{harmless, one_line};

pub(crate) fn tap(report: &IntentReport, out: &mut dyn Write) -> io::Result<()> {
    let total = report.errors.len() + report.statements.len();
    writeln!(out, "TAP version 14\n1..{total}")?;
    let mut number = 0;
    for error in &report.errors {
        number += 1;
        let at = &error.location;
        let name = format!("{}:{}:{}", at.path, at.line, at.column);
        writeln!(out, "not ok {number} - {}", description(&name))?;
        writeln!(
            out,
            "  ---\n  message: {}\n  severity: error",
            quoted(&error.message)
        )?;
        writeln!(out, "  ...")?;
    }
    for result in &report.statements {
        number += 1;
        let ok = if result.status == "pass" {
            "ok"
        } else {
            "not ok"
        };
        let todo = match result.status.as_str() {
            "xfail" => " # TODO a known gap",
            _ => "",
        };
        writeln!(out, "{ok} {number} - {}{todo}", description(&result.name))?;
        if !result.message.is_empty() {
            details(report, result, out)?;
        }
    }
    Ok(())
}

fn details(report: &IntentReport, result: &IntentResult, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  ---\n  message: {}", quoted(&sentence(result)))?;
    writeln!(
        out,
        "  status: {}\n  at: {}",
        result.status,
        quoted(&place(result))
    )?;
    if let Some(reason) = &result.reason {
        writeln!(out, "  reason: {}", quoted(reason))?;
    }
    if let Some(answer) = &result.counterexample {
        writeln!(out, "  counterexample: |")?;
        for line in explained(report, answer, false, 96)?.lines() {
            writeln!(out, "    {}", harmless(line))?;
        }
    }
    writeln!(out, "  ...")
}

/// A text in which nothing is taken for a directive.
fn description(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

/// A text as JSON, which is YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(one_line(text)).to_string()
}
