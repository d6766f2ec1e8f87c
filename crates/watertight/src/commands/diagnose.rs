//! `watertight diagnose`: there are policies, and the service is still wide open. Why?

use std::mem::ManuallyDrop;
use std::path::Path;

use anyhow::{anyhow, bail};
use watertight_core::analysis::diagnose::{Answer, Given, Target, diagnose};
use watertight_core::analysis::parties::{Flow, Parties, What};
use watertight_core::diag::Finding;
use watertight_core::report::diagnose::{Asked, diagnose_report};
use watertight_core::world::World;

use crate::args::{DiagnoseArgs, DiagnoseFormat, Global};
use crate::exit::{Exit, say};
use crate::output;

use super::cluster::{Cluster, known_namespace};

pub(super) fn run(args: &DiagnoseArgs, global: &Global) -> anyhow::Result<Exit> {
    let targets = super::targets(&args.output, DiagnoseFormat::Text)?;
    if args.target.is_some() && args.namespace.len() > 1 {
        bail!("a target has one namespace; give -n once");
    }
    // The process ends: taking a large cluster apart piece by piece would only take time.
    let input = args.input.of(&[], &args.namespace);
    let mut cluster = Cluster::read(&input, &args.cluster, &args.config, global)
        .map_err(|error| with_path(error, args))?;
    let flow = match args.target.as_deref() {
        Some(text) if text.contains("->") => {
            let flow = Flow::parse(text).map_err(|error| anyhow!("`{text}`: {}", error.message))?;
            cluster.know_name(&flow.from.text);
            cluster.know_name(&flow.to.text);
            Some(flow)
        }
        _ => None,
    };
    let cluster = ManuallyDrop::new(cluster);
    for namespace in &args.namespace {
        known_namespace(&cluster.world, namespace)?;
    }
    let target =
        target(args, flow.as_ref(), &cluster.world).map_err(|error| with_path(error, args))?;
    let problems: Vec<&Finding> = cluster.problems().collect();
    let reading: Vec<Finding> = problems.iter().map(|finding| (*finding).clone()).collect();
    let settings = &cluster.settings;
    let given = Given {
        sources: &cluster.sources,
        world: &cluster.world,
        profile: &settings.profile,
        engine_is_named: settings.engine_is_named,
        pinned: &settings.pinned,
        reading: &reading,
    };
    let found = diagnose(&given, &target);
    if let Some(other) = found
        .detected
        .engine()
        .filter(|other| settings.engine_is_named && other.engine != settings.profile.engine)
    {
        say(&format!(
            "note: policies are judged as {} reads them, which was named, and the cluster runs {}",
            settings.profile.engine.name(),
            other.engine.name()
        ));
    }
    let complete = cluster.is_complete();
    let asked = Asked {
        sources: &cluster.sources,
        world: &cluster.world,
        problems: &problems,
        complete,
    };
    let report = diagnose_report(&asked, &found);
    super::deliver(&targets, global, |format, color, out| {
        let width = super::width();
        output::diagnose::render(&report, format, (color, width, global.verbose), out)
    })?;
    cluster.summarise(global, "");
    Ok(match (complete, found.answer) {
        (false, _) | (true, Answer::Unknown) => Exit::Unable,
        (true, Answer::Real) => Exit::Clean,
        (true, Answer::Partly | Answer::Decorative) => Exit::Findings,
    })
}

/// Other commands take files where this one takes whom to ask about.
fn with_path(error: anyhow::Error, args: &DiagnoseArgs) -> anyhow::Error {
    let target = args.target.as_deref().unwrap_or_default();
    match Path::new(target).exists() {
        true => anyhow!("{error}; `{target}` is a file or directory: read it with `-f {target}`"),
        false => error,
    }
}

fn target(args: &DiagnoseArgs, flow: Option<&Flow>, world: &World) -> anyhow::Result<Target> {
    let parties = Parties::new(world, args.namespace.first().map(String::as_str));
    let select = |text: &str| parties.select(text).map_err(|error| anyhow!("{error}"));
    if let Some(flow) = flow {
        return Ok(Target::Flow {
            from: select(&flow.from.text)?,
            to: select(&flow.to.text)?,
            ports: flow.ports.clone(),
        });
    }
    let Some(text) = &args.target else {
        let ids = args
            .namespace
            .iter()
            .filter_map(|name| world.namespace(name));
        return Ok(match args.namespace.is_empty() {
            true => Target::Cluster,
            false => Target::Namespaces(ids.collect()),
        });
    };
    let selection = select(text)?;
    match selection.what {
        What::Endpoints(_) | What::Service(_) => Ok(Target::Pods(selection)),
        _ => bail!(
            "`{text}` is no workload, pod or Service; for a connection write it as FROM -> TO:PORT"
        ),
    }
}
