//! Runs one rule on a manifest and shows what it finds, for snapshot tests in rule files.

use std::fmt::Write as _;

use super::{Check, Context, Rule};
use crate::diag::{self, Finding};
use crate::engine::Profile;
use crate::eval::Evaluator;
use crate::facts::metadata::Cloud;
use crate::manifest::{self, Options};
use crate::policy::lower;
use crate::source::Sources;
use crate::world::{self, Assume};

/// The findings of a rule on a YAML text, on the reference engine and for all clouds.
pub(crate) fn findings(rule: &'static Rule, yaml: &str) -> String {
    findings_on(rule, yaml, "reference", Cloud::all())
}

/// The findings of a rule for an engine and some clouds.
pub(crate) fn findings_on(
    rule: &'static Rule,
    yaml: &str,
    engine: &str,
    clouds: &[Cloud],
) -> String {
    let mut sources = Sources::new();
    sources.add("t.yaml", yaml.into()).unwrap();
    let profile = Profile::parse(engine).unwrap();
    let loaded = manifest::load(&sources, &Options::default());
    let (world, duplicates) = world::build(&sources, &loaded.objects, &Assume::default());
    let mut found = loaded.findings;
    found.extend(duplicates);
    let expected_unreadable = matches!(rule.check, Check::Reading | Check::Suppression);
    if !expected_unreadable {
        assert!(
            found.is_empty(),
            "the manifest of a test is wrong: {found:?}"
        );
    }
    let ruleset = lower(&world, &profile);
    let eval = Evaluator::new(&world, &ruleset, profile.switches);
    let context = Context::new(&sources, &eval, &profile, clouds);
    match rule.check {
        Check::World(check) => check(&context, &mut found),
        Check::Reading | Check::Suppression => found.retain(|finding| *finding.rule == *rule),
    }
    diag::sort(&mut found);
    found
        .iter()
        .map(|finding| show(&sources, finding))
        .collect()
}

/// A finding with everything in it, one thing a line.
pub(crate) fn show(sources: &Sources, finding: &Finding) -> String {
    let mut out = format!(
        "{}[{}] {}\n",
        finding.severity.word(),
        finding.rule.id,
        finding.message
    );
    if let Some(subject) = &finding.subject {
        let _ = writeln!(out, "  about: {subject}");
    }
    if let Some(field) = &finding.field {
        let _ = writeln!(out, "  field: {field}");
    }
    for label in &finding.labels {
        let line = sources.text(label.span).lines().next().unwrap_or_default();
        let _ = writeln!(
            out,
            "  at {}: `{line}` {}",
            sources.locate(label.span),
            label.text
        );
    }
    for evidence in &finding.evidence {
        let verdict = if evidence.allowed {
            "ALLOWED"
        } else {
            "DENIED"
        };
        let port = evidence
            .port
            .map_or(String::new(), |port| format!(":{port}"));
        let by = evidence
            .by
            .map_or(String::new(), |span| format!(" [{}]", sources.locate(span)));
        let _ = writeln!(
            out,
            "  evidence: {} -> {}{port}/{} {verdict}: {}{by}",
            evidence.from, evidence.to, evidence.protocol, evidence.because
        );
    }
    for note in &finding.notes {
        let _ = writeln!(out, "  note: {note}");
    }
    if !finding.why.is_empty() {
        let _ = writeln!(out, "  why: {}", finding.why.join(" "));
    }
    if let Some(fix) = &finding.fix {
        let _ = writeln!(out, "  fix: {}", fix.message);
        for edit in &fix.edits {
            let _ = writeln!(
                out,
                "    {}: {:?} => {:?}",
                sources.locate(edit.span),
                sources.text(edit.span),
                edit.text
            );
        }
        if let Some(manifest) = &fix.manifest {
            for line in manifest.lines() {
                let _ = writeln!(out, "    | {line}");
            }
        }
    }
    out
}
