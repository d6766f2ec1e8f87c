//! `watertight rule [RULE]`: the documentation of one rule, or the list of all.

use anyhow::bail;
use serde::Serialize;
use watertight_core::rules::{ALL, Rule};
use watertight_core::suggest::misspelt;

use crate::args::{RuleArgs, RuleFormat};
use crate::exit::Exit;

#[derive(Serialize)]
struct Entry {
    id: &'static str,
    name: &'static str,
    severity: &'static str,
    summary: &'static str,
    documentation: String,
}

impl From<&&'static Rule> for Entry {
    fn from(rule: &&'static Rule) -> Self {
        Self {
            id: rule.id,
            name: rule.name,
            severity: rule.severity.word(),
            summary: rule.summary,
            documentation: rule.documentation(),
        }
    }
}

pub(super) fn run(args: &RuleArgs) -> anyhow::Result<Exit> {
    let chosen: Vec<&'static Rule> = match &args.rule {
        None => ALL.to_vec(),
        Some(text) => match Rule::find(text) {
            Some(rule) => vec![rule],
            None => bail!("no rule `{text}`{}", near(text)),
        },
    };
    let text = match args.output {
        RuleFormat::Json => {
            let entries: Vec<Entry> = chosen.iter().map(Entry::from).collect();
            let mut text = serde_json::to_string_pretty(&entries)?;
            text.push('\n');
            text
        }
        RuleFormat::Markdown => chosen
            .iter()
            .map(|rule| page(rule))
            .collect::<Vec<_>>()
            .join("\n"),
        RuleFormat::Text if args.rule.is_some() => chosen.iter().map(|rule| page(rule)).collect(),
        RuleFormat::Text => list(&chosen),
    };
    super::print(&text)
}

fn page(rule: &Rule) -> String {
    format!(
        "# {} {} ({})\n\n{}\n",
        rule.id,
        rule.name,
        rule.severity.word(),
        rule.documentation().trim()
    )
}

fn list(rules: &[&'static Rule]) -> String {
    let width = rules
        .iter()
        .map(|rule| rule.name.len())
        .max()
        .unwrap_or_default();
    rules
        .iter()
        .map(|rule| {
            format!(
                "{}  {:<7}  {:<width$}  {}\n",
                rule.id,
                rule.severity.word(),
                rule.name,
                rule.summary
            )
        })
        .collect()
}

/// The most similar id or name, as a question.
fn near(text: &str) -> String {
    let names = ALL.iter().flat_map(|rule| [rule.id, rule.name]);
    match misspelt(text, names) {
        Some(name) => format!(" (did you mean `{name}`?)"),
        None => "; `watertight rule` lists them all".into(),
    }
}
