//! `watertight test`: does the cluster do what was meant?

use std::io::Read as _;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use watertight_core::analysis::intent::{Checker, Intents, kind, names, pin, read};
use watertight_core::analysis::readings::Readings;
use watertight_core::eval::reach::Reach;
use watertight_core::report::IntentReport;
use watertight_core::report::intent::{Builder, FileOf};
use watertight_core::report::reach::SavedMap;
use watertight_core::rules::count;
use watertight_core::source::{FileId, Sources};

use crate::args::{Global, TestArgs, TestFormat};
use crate::exit::{Exit, say};
use crate::output::one_line;
use crate::output::test::{Rendering, json, junit, tap, text};

use super::cluster::{Cluster, known_namespace};

/// How files with intents are called.
const ENDINGS: [&str; 3] = [".intents.yaml", ".intents.yml", ".intents.json"];

pub(super) fn run(args: &TestArgs, global: &Global) -> anyhow::Result<Exit> {
    let targets = super::targets(&args.output, TestFormat::Text)?;
    let from_stdin = |path: &PathBuf| path.as_os_str() == "-";
    if args.intents.iter().any(from_stdin) && args.input.filename.iter().any(from_stdin) {
        bail!("manifests and intents cannot both come from standard input");
    }
    let (sources, files) = files(args)?;
    // The process ends: taking a large cluster apart piece by piece would only take time.
    let mut cluster = Cluster::read(
        &args.input.of(&[], &args.namespace),
        &args.cluster,
        &args.config,
        global,
    )?;
    for name in files.iter().flat_map(|(_, intents)| names(intents)) {
        cluster.world.intern_name(name);
    }
    let cluster = ManuallyDrop::new(cluster);
    cluster.tell_problems();
    if let Some(namespace) = &args.namespace {
        known_namespace(&cluster.world, namespace)?;
    }
    let settings = &cluster.settings;
    let eval = ManuallyDrop::new(cluster.evaluator());
    let rows = ManuallyDrop::new(Reach::new(&eval));
    let readings = Readings::new(
        &cluster.world,
        &cluster.ruleset,
        &settings.profile,
        &settings.pinned,
    );
    let checker = Checker::new(
        &eval,
        &rows,
        &readings,
        &settings.profile,
        &settings.pinned,
        args.namespace.as_deref(),
    );
    let mut builder = Builder::new(&cluster.sources, &settings.profile, checker.explainer());
    // All files at once: the map is made once.
    let all = files.iter().flat_map(|(_, intents)| &intents.statements);
    let mut judged = checker.judge(all).into_iter();
    for (file, intents) in &files {
        let of = FileOf {
            name: sources.file(*file).name(),
            sources: &sources,
        };
        for problem in &intents.problems {
            let place = sources.locate(problem.span);
            say(&format!(
                "{}: error: {}",
                one_line(&place),
                one_line(&problem.message)
            ));
            builder.fail(&of, problem);
        }
        for judged in judged.by_ref().take(intents.statements.len()) {
            builder.add(&of, &judged);
        }
    }
    let problems: Vec<_> = cluster.problems().collect();
    let report = builder.finish(&problems, cluster.is_complete());
    super::deliver(&targets, global, |format, color, out| match format {
        TestFormat::Json => json(&report, out),
        TestFormat::Junit => junit(&report, out),
        TestFormat::Tap => tap(&report, out),
        TestFormat::Text => {
            let rendering = Rendering {
                report: &report,
                color,
                width: super::width(),
            };
            text(&rendering, out)
        }
    })?;
    cluster.summarise(global, &answered(&report));
    Ok(exit(&report))
}

/// The files with intents, read.
fn files(args: &TestArgs) -> anyhow::Result<(Sources, Vec<(FileId, Intents)>)> {
    let paths = if args.intents.is_empty() {
        usual(args)?
    } else {
        let mut found = Vec::new();
        for path in &args.intents {
            if path.is_dir() {
                let inside = inside(path)?;
                if inside.is_empty() {
                    let shown = path.display();
                    bail!("there is no file called *.intents.yaml in `{shown}`");
                }
                found.extend(inside);
            } else {
                found.push(path.clone());
            }
        }
        found
    };
    let mut sources = Sources::new();
    let mut ids = Vec::new();
    for path in &paths {
        let shown = path.display().to_string();
        let (name, bytes) = if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes)?;
            ("<stdin>", bytes)
        } else {
            let read = std::fs::read(path).with_context(|| format!("cannot read `{shown}`"))?;
            (&*shown, read)
        };
        let id = sources.add(name, bytes);
        ids.push(id.with_context(|| format!("cannot read `{shown}`"))?);
    }
    let mut files = Vec::new();
    for id in ids {
        let intents = match kind(&sources, id).as_deref() {
            Some("ReachReport") => saved(&sources, id)?,
            _ => read(&sources, id),
        };
        files.push((id, intents));
    }
    Ok((sources, files))
}

/// A map of `reach -o json` as statements.
fn saved(sources: &Sources, file: FileId) -> anyhow::Result<Intents> {
    let file = sources.file(file);
    let name = file.name();
    let map: SavedMap = serde_json::from_str(file.text())
        .with_context(|| format!("`{name}` is no map of `reach -o json`"))?;
    if !map.complete {
        say(&format!(
            "note: `{}` was made from manifests that could not be read completely",
            one_line(name)
        ));
    }
    Ok(Intents {
        statements: pin(&map).with_context(|| format!("`{name}`"))?,
        problems: Vec::new(),
    })
}

/// The files that are read if none is named.
fn usual(args: &TestArgs) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = inside(Path::new("."))?;
    if found.is_empty() {
        for path in args.input.filename.iter().filter(|path| path.is_dir()) {
            found.extend(inside(path)?);
        }
    }
    if found.is_empty() {
        bail!(
            "there is no file called *.intents.yaml here; name one, or write a starting file: \
             watertight reach -o intent=watertight.intents.yaml"
        );
    }
    Ok(found)
}

/// The files with intents in a directory, by name.
fn inside(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = directory.display();
    let entries = std::fs::read_dir(directory).with_context(|| format!("cannot read `{shown}`"))?;
    let mut found = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let is_meant = name
            .to_str()
            .is_some_and(|name| ENDINGS.iter().any(|ending| name.ends_with(ending)));
        if is_meant {
            found.push(match directory.as_os_str() == "." {
                true => PathBuf::from(name),
                false => directory.join(name),
            });
        }
    }
    found.sort();
    Ok(found)
}

fn answered(report: &IntentReport) -> String {
    let ids: Vec<_> = report
        .assumptions
        .iter()
        .map(|assumption| assumption.id.as_str())
        .collect();
    let assumed = if ids.is_empty() {
        String::new()
    } else {
        format!(", assuming {}", ids.join(" "))
    };
    format!(
        "{assumed}; {} judged,",
        count(report.summary.statements, "statement")
    )
}

fn exit(report: &IntentReport) -> Exit {
    if !report.summary.complete {
        Exit::Unable
    } else if report.statements.iter().any(|result| result.is_bad()) {
        Exit::Findings
    } else {
        Exit::Clean
    }
}
