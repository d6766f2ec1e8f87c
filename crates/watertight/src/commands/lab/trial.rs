//! `watertight lab run`: everything predicted, tried and compared.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use watertight_core::report::LabReport;
use watertight_core::report::lab::{LabInput, LabLeftOut, lab_report};
use watertight_core::rules::count;
use watertight_node::lab::{Cluster as Namespaces, Node, Place, services};
use watertight_node::nft::compile::{Left, Options};
use watertight_node::probe::{Settings, pcap::Capture};
use watertight_node::sys::privileges::{Missing, Privileges};
use watertight_node::trial::{self, Ask, Asked, Scene, Tried};

use crate::args::{Global, LabFormat, LabRunArgs};
use crate::exit::{Exit, say};
use crate::output::{lab, one_line};

use super::build::{Planned, plan};
use super::steps::Steps;
use super::{background, plain};

pub(super) fn run(
    args: &LabRunArgs,
    privileges: Option<Result<Privileges, Missing>>,
    global: &Global,
) -> anyhow::Result<Exit> {
    let targets = crate::commands::targets(&args.output, LabFormat::Text)?;
    if args.keep {
        background::check_new(&args.lab, &args.name, global)?;
    }
    let planned = plan(&args.lab, global)?;
    planned.cluster.tell_problems();
    let eval = planned.cluster.evaluator();
    if args.nft {
        return nft(&planned, &eval);
    }
    if let Some(Err(missing)) = privileges {
        return Err(plain(missing));
    }
    let ask = Ask {
        ports: args
            .port
            .iter()
            .map(|port| (port.protocol, port.number))
            .collect(),
        icmp: !args.no_icmp,
        ..Ask::default()
    };
    let steps = Steps::start(!global.quiet);
    steps.tell("predictions", 0, 0);
    let asked = trial::ask(&planned.plan, &eval, &ask);
    for target in &targets {
        lab::fits(asked.parties.len(), target.format).map_err(|message| anyhow!(message))?;
    }
    let captured = args.pcap.as_deref().map(|file| captured(&planned, file));
    if let Some(files) = &captured {
        let written = targets.iter().filter_map(|target| target.file.as_deref());
        let all: Vec<&Path> = written.chain(files.iter().map(PathBuf::as_path)).collect();
        crate::commands::can_be_written(&all)?;
    }
    let namespaces = planned.up(&steps)?;
    let captures = match captured {
        Some(files) => capture(&planned, &namespaces, files)?,
        None => Vec::new(),
    };
    let scene = Scene {
        plan: &planned.plan,
        cluster: &namespaces,
        eval: &eval,
    };
    let tell = |step: trial::Step, done, total| steps.tell(&step.to_string(), done, total);
    let (rules, settings) = (Options::default(), Settings::default());
    let tried = trial::run(&scene, &asked, rules, &settings, &tell).map_err(plain)?;
    for (path, capture) in captures {
        written(&path, capture)?;
    }
    drop(namespaces);
    drop(steps);
    let problems: Vec<_> = planned.cluster.problems().collect();
    let report = lab_report(&LabInput {
        sources: &planned.cluster.sources,
        eval: &eval,
        profile: &planned.cluster.settings.profile,
        problems: &problems,
        complete: planned.cluster.is_complete(),
        made_up: planned.made_up(),
        sampled_from: asked.sampled_from,
        parties: trial::described(&planned.plan, &asked),
        outside: planned.outside(),
        left_out: left_out(&planned, &asked, &ask, &tried),
        unsaid: unsaid(&tried),
        trials: &tried.trials,
    });
    crate::commands::deliver(&targets, global, |format, color, out| {
        lab::render(&report, format, color, crate::commands::width(), out)
    })?;
    planned
        .cluster
        .summarise(global, &answered(&report, &tried));
    if args.keep {
        let digest = &planned.digest;
        background::start(&args.lab, &args.name, digest, global)?;
        if !global.quiet {
            say(&background::how_to_go_on(&planned, &args.name));
        }
    }
    Ok(exit(&report))
}

/// The rulesets of all nodes as text.
fn nft(planned: &Planned, eval: &watertight_core::eval::Evaluator<'_>) -> anyhow::Result<Exit> {
    let tables = trial::tables(&planned.plan, eval, Options::default());
    let mut text = String::new();
    let mut left: BTreeSet<&Left> = BTreeSet::new();
    for node in &planned.plan.nodes {
        if let Some(compiled) = tables.get(&node.id) {
            text.push_str(&format!(
                "# node {}\n{}\n",
                one_line(&node.name),
                compiled.table
            ));
            left.extend(&compiled.left);
        }
    }
    let world = &planned.cluster.world;
    let services = planned.plan.nodes.iter();
    let services: Vec<_> = services
        .map(|node| (node, services::table(world, Some((&planned.plan, node.id)))))
        .collect();
    match services.split_first() {
        Some(((_, first), others)) if others.iter().all(|(_, other)| other == first) => {
            text.push_str(&format!("# every node\n{first}"));
        }
        _ => {
            for (node, table) in &services {
                text.push_str(&format!("# node {}\n{table}", one_line(&node.name)));
            }
        }
    }
    for one in left {
        let policy = eval.ruleset[one.policy].origin.name(&planned.cluster.world);
        say(&format!("note: {} {}", one_line(&policy), one.why.words()));
    }
    let exit = crate::commands::print(&text)?;
    Ok(if planned.cluster.is_complete() {
        exit
    } else {
        Exit::Unable
    })
}

/// Where the packets of each node are written down.
fn captured(planned: &Planned, file: &Path) -> Vec<PathBuf> {
    let nodes = planned.plan.nodes.iter();
    let path = |node: &Node| {
        let mut path = OsString::from(file);
        path.push(format!(".{}", node.name.replace('/', "_")));
        PathBuf::from(path)
    };
    nodes.map(path).collect()
}

/// Begins to write the packets of each node down.
fn capture(
    planned: &Planned,
    namespaces: &Namespaces,
    files: Vec<PathBuf>,
) -> anyhow::Result<Vec<(PathBuf, Capture)>> {
    let mut captures = Vec::new();
    for (node, path) in planned.plan.nodes.iter().zip(files) {
        let Some(namespace) = namespaces.namespace(Place::Node(node.id)) else {
            continue;
        };
        let shown = path.display().to_string();
        let file = File::create(&path).with_context(|| format!("cannot write `{shown}`"))?;
        let capture = Capture::start(namespace, BufWriter::new(file)).map_err(plain)?;
        captures.push((path, capture));
    }
    Ok(captures)
}

fn written(path: &Path, capture: Capture) -> anyhow::Result<()> {
    let captured = capture.finish().map_err(plain)?;
    if captured.lost > 0 {
        let shown = path.display();
        let lost = count(captured.lost as usize, "packet");
        say(&format!(
            "note: {lost} came too fast to be written to `{shown}`"
        ));
    }
    Ok(())
}

fn left_out(planned: &Planned, asked: &Asked, ask: &Ask, tried: &Tried) -> Vec<LabLeftOut> {
    let mut left = planned.left_out();
    let mut dialled: Vec<usize> = asked.connections.iter().map(|one| one.to).collect();
    dialled.sort_unstable();
    dialled.dedup();
    for (at, party) in asked.parties.iter().enumerate() {
        let is_dialled = dialled.binary_search(&at).is_ok();
        // Of a sample it is not known.
        let is_told = ask.ports.is_empty() && asked.sampled_from.is_none();
        if party.kind == "service" && !is_dialled && is_told {
            left.push(LabLeftOut {
                name: format!("Service {}", party.name.replacen("/svc/", "/", 1)),
                reason: "has nothing behind it, so there is nothing to predict".into(),
            });
        }
        if party.kind == "balancer" && !is_dialled && is_told {
            left.push(LabLeftOut {
                name: format!("{}, which leads to {}", party.name, party.host),
                reason: "has nothing behind it, so there is nothing to predict".into(),
            });
        }
    }
    for (node, compiled) in &tried.tables {
        let node = &planned.cluster.world[*node].name;
        left.extend(compiled.unguarded.iter().map(|net| LabLeftOut {
            name: format!("unknown pods of node {node} in {net}"),
            reason: "would be cut off, but others have addresses there, too".into(),
        }));
    }
    if asked.is_shortened {
        left.push(LabLeftOut {
            name: "ports that rules name and destinations do not declare".into(),
            reason: format!(
                "would make more than {} connections; try some of them with --port",
                ask.most
            ),
        });
    }
    left
}

/// What tables do not say as it is written, of all nodes.
fn unsaid(
    tried: &Tried,
) -> Vec<(
    watertight_core::policy::PolicyRef,
    Option<usize>,
    &'static str,
)> {
    let left: BTreeSet<_> = tried
        .tables
        .values()
        .flat_map(|compiled| &compiled.left)
        .collect();
    let left = left.into_iter();
    left.map(|one| (one.policy, one.rule, one.why.words()))
        .collect()
}

fn answered(report: &LabReport, tried: &Tried) -> String {
    let mut ids: Vec<_> = report
        .assumptions
        .iter()
        .map(|assumption| assumption.id.as_str())
        .collect();
    ids.dedup();
    let assumed = if ids.is_empty() {
        String::new()
    } else {
        format!(", assuming {}", ids.join(" "))
    };
    format!(
        "{assumed}; policies put into force in {} ms; {} tried",
        tried.enforced_in.as_millis(),
        count(report.counts.tried, "connection")
    )
}

fn exit(report: &LabReport) -> Exit {
    let conclusion = lab::Conclusion::of(report);
    if !report.complete || !conclusion.is_answer() {
        Exit::Unable
    } else if matches!(conclusion, lab::Conclusion::Differ(..)) {
        Exit::Findings
    } else {
        Exit::Clean
    }
}
