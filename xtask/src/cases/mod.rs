//! `cargo xtask cases FILE...`: semantic cases against the evaluator.
//!
//! A file is a mapping with the lists `cases` (worlds with connections to judge), `validation`
//! (objects that an API server accepts or refuses) and `selectors`. Every case names its dialect; a
//! case is skipped only because its dialect is not implemented, and the skipped dialects are listed.

mod packets;
mod value;
mod verdicts;
mod world;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use serde_json::Value;
use watertight_core::manifest::{self, Options};
use watertight_core::policy::lost_policies;
use watertight_core::sets::CalicoSelector;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, build};

/// Arguments of `cases`.
#[derive(clap::Args)]
pub(crate) struct CasesArgs {
    /// Files with cases
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print every case, not only those that fail
    #[arg(short, long)]
    verbose: bool,
    /// Send packets: build every case as network namespaces, and ask its connections there
    #[arg(long)]
    packets: bool,
    /// Only cases whose id contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// What became of one case.
enum Outcome {
    Passed,
    /// One line a wrong answer.
    Failed(Vec<String>),
    /// Why.
    Skipped(String),
}

pub(crate) fn run(args: &CasesArgs) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let (mut passed, mut failed) = (0usize, 0usize);
    let mut skipped: BTreeMap<String, usize> = BTreeMap::new();
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    if args.packets {
        packets::acquire()?;
    }
    for path in &args.files {
        let file = value::read(path)?;
        for (section, judge) in SECTIONS {
            let Some(list) = file.get(*section) else {
                continue;
            };
            if args.packets && *section != "cases" {
                continue;
            }
            let list = list
                .as_array()
                .with_context(|| format!("{}: `{section}` is no list", path.display()))?;
            for case in list {
                let id = case.get("id").and_then(Value::as_str).unwrap_or("(no id)");
                if args.only.as_ref().is_some_and(|only| !id.contains(&**only)) {
                    continue;
                }
                let outcome = match args.packets {
                    true => packets::judge(case, &mut left_out),
                    false => judge(case),
                };
                let outcome =
                    outcome.with_context(|| format!("{}: case `{id}`", path.display()))?;
                match outcome {
                    Outcome::Passed => {
                        passed += 1;
                        if args.verbose {
                            writeln!(out, "ok      {id}")?;
                        }
                    }
                    Outcome::Failed(lines) => {
                        failed += 1;
                        writeln!(out, "FAILED  {id}")?;
                        for line in lines {
                            writeln!(out, "          {line}")?;
                        }
                    }
                    Outcome::Skipped(dialect) => {
                        if args.verbose {
                            writeln!(out, "skipped {id} ({dialect})")?;
                        }
                        *skipped.entry(dialect).or_default() += 1;
                    }
                }
            }
        }
    }
    let connections = left_out;
    let left_out: usize = skipped.values().sum();
    if !connections.is_empty() {
        let list = connections
            .iter()
            .map(|(why, count)| format!("{why} ({count})"));
        let list = list.collect::<Vec<_>>().join("; ");
        writeln!(out, "connections left out: {list}")?;
    }
    if left_out > 0 {
        let list: Vec<_> = skipped
            .iter()
            .map(|(dialect, count)| format!("{dialect} ({count})"))
            .collect();
        writeln!(out, "skipped: {}", list.join(", "))?;
    }
    writeln!(out, "{passed} passed, {failed} failed, {left_out} skipped")?;
    if failed > 0 {
        bail!("{failed} cases failed");
    }
    Ok(())
}

type Judge = fn(&Value) -> anyhow::Result<Outcome>;

const SECTIONS: &[(&str, Judge)] = &[
    ("cases", verdicts::judge),
    ("validation", validation),
    ("selectors", selector),
];

/// The dialect of a case as far as it is not implemented: by its objects, or else by its own word.
fn missing_dialect(case: &Value, objects: &[Value]) -> Option<String> {
    let own = case.get("dialect").and_then(Value::as_str).unwrap_or("k8s");
    let foreign = objects.iter().find_map(|object| {
        let kind = object
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let version = object
            .get("apiVersion")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let group = version.split('/').next().unwrap_or_default();
        match group {
            "networking.k8s.io" => None,
            "policy.networking.k8s.io" => Some(kind.to_owned()),
            "projectcalico.org" | "crd.projectcalico.org" => Some("calico".into()),
            "cilium.io" => Some("cilium".into()),
            "crd.antrea.io" => Some("antrea".into()),
            "k8s.ovn.org" | "network.openshift.io" => Some("ovn".into()),
            _ => Some(group.to_owned()),
        }
    });
    foreign.or_else(|| (own != "k8s").then(|| own.to_owned()))
}

fn list<'v>(case: &'v Value, key: &str) -> &'v [Value] {
    case.get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// Dialects whose objects are read and checked, by the words of [`missing_dialect`].
const READ: &[&str] = &[
    "AdminNetworkPolicy",
    "BaselineAdminNetworkPolicy",
    "ClusterNetworkPolicy",
    "anp",
    "antrea",
    "calico",
    "cilium",
    "cnp",
    "ovn",
];

/// Objects applied together: accepted without an error, or refused with one.
fn validation(case: &Value) -> anyhow::Result<Outcome> {
    let objects = list(case, "objects");
    let unread = missing_dialect(case, objects).filter(|dialect| !READ.contains(&&**dialect));
    if let Some(dialect) = unread {
        return Ok(Outcome::Skipped(dialect));
    }
    let valid = case
        .get("valid")
        .and_then(Value::as_bool)
        .context("`valid` is missing")?;
    let strict = case
        .get("options")
        .and_then(|options| options.get("strict_cidr"))
        .and_then(Value::as_bool)
        .unwrap_or(true);
    let api = case
        .get("options")
        .and_then(|options| options.get("anp_api"));
    let old = api.and_then(Value::as_str) == Some("v0.1.1");
    let mut sources = Sources::new();
    for object in objects {
        sources.add("object.json", serde_json::to_vec(object)?)?;
    }
    let loaded = manifest::load(
        &sources,
        &Options {
            strict_cidr: strict,
            old_admin_api: old,
        },
    );
    let (world, duplicates) = build(&sources, &loaded.objects, &Assume::default());
    let lost = lost_policies(&world);
    let errors: Vec<_> = loaded
        .findings
        .iter()
        .chain(&duplicates)
        .chain(&lost)
        .filter(|finding| finding.severity == watertight_core::diag::Severity::Error)
        .map(|finding| {
            format!(
                "{}: {}",
                finding.field.as_deref().unwrap_or("-"),
                finding.message
            )
        })
        .collect();
    Ok(match (valid, errors.is_empty()) {
        (true, true) | (false, false) => Outcome::Passed,
        (true, false) => Outcome::Failed(errors),
        (false, true) => Outcome::Failed(vec!["accepted, but an API server refuses it".into()]),
    })
}

/// A selector of Calico and the labels that it is asked about: selected, not selected or an error.
fn selector(case: &Value) -> anyhow::Result<Outcome> {
    let text = |key: &str| {
        let value = case.get(key).and_then(Value::as_str);
        value.with_context(|| format!("`{key}` is missing"))
    };
    let dialect = text("dialect")?;
    if dialect != "calico" {
        return Ok(Outcome::Skipped(dialect.to_owned()));
    }
    let found = match CalicoSelector::parse(text("selector")?) {
        Ok(selector) => {
            Value::Bool(selector.matches(&|key| case.get("labels")?.get(key)?.as_str()))
        }
        Err(_) => Value::from("error"),
    };
    let expected = case.get("match").context("`match` is missing")?;
    Ok(if found == *expected {
        Outcome::Passed
    } else {
        Outcome::Failed(vec![format!("{found}, not {expected}")])
    })
}
