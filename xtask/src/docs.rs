//! `cargo xtask docs`: pages that are made from the code, so that they cannot say anything else.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use watertight_core::report::{
    baseline_schema, check_schema, diagnose_schema, diff_schema, explain_schema,
    intent_report_schema, intents_schema, lab_schema, minimize_schema, reach_schema, verify_schema,
};
use watertight_core::rules::ALL;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

/// Every generated file with its text.
pub(crate) fn generated() -> anyhow::Result<Vec<(PathBuf, String)>> {
    Ok(vec![
        ("docs/rules.md".into(), rules()),
        (
            "docs/schema/baseline-report.v1.json".into(),
            text_of(&baseline_schema())?,
        ),
        (
            "docs/schema/check-report.v1.json".into(),
            text_of(&check_schema())?,
        ),
        (
            "docs/schema/diagnose-report.v1.json".into(),
            text_of(&diagnose_schema())?,
        ),
        (
            "docs/schema/diff-report.v1.json".into(),
            text_of(&diff_schema())?,
        ),
        (
            "docs/schema/explain-report.v1.json".into(),
            text_of(&explain_schema())?,
        ),
        (
            "docs/schema/intent-report.v1.json".into(),
            text_of(&intent_report_schema())?,
        ),
        (
            "docs/schema/intents.v1.json".into(),
            text_of(&intents_schema())?,
        ),
        (
            "docs/schema/lab-report.v1.json".into(),
            text_of(&lab_schema())?,
        ),
        (
            "docs/schema/minimize-report.v1.json".into(),
            text_of(&minimize_schema())?,
        ),
        (
            "docs/schema/reach-report.v1.json".into(),
            text_of(&reach_schema())?,
        ),
        (
            "docs/schema/verify-report.v1.json".into(),
            text_of(&verify_schema())?,
        ),
    ])
}

fn text_of(schema: &impl serde::Serialize) -> anyhow::Result<String> {
    let mut text = serde_json::to_string_pretty(schema)?;
    text.push('\n');
    Ok(text)
}

pub(crate) fn run() -> anyhow::Result<()> {
    for (path, text) in generated()? {
        let path = root().join(path);
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn rules() -> String {
    let mut page = String::from(
        "# Rules\n\n\
         Everything that Watertight can find. `watertight rule WT201` prints one of these. The ids under\n\
         *Semantics* are explained in [semantics.md](semantics.md).\n\n\
         | id | name | severity | finds |\n|---|---|---|---|\n",
    );
    for rule in ALL {
        let (id, name, severity) = (rule.id, rule.name, rule.severity.word());
        let anchor = format!("{}-{name}", id.to_lowercase());
        page += &format!(
            "| [{id}](#{anchor}) | {name} | {severity} | {} |\n",
            rule.summary
        );
    }
    for rule in ALL {
        page += &format!("\n## {} {}\n\n", rule.id, rule.name);
        for line in rule.documentation().trim().lines() {
            // Headings of a rule stand below the rule's own.
            let deeper = if line.starts_with("## ") { "#" } else { "" };
            page += &format!("{deeper}{line}\n");
        }
    }
    page
}
