//! `watertight reach`: who can reach whom?

use std::io::{self, IsTerminal as _};
use std::mem::ManuallyDrop;

use anyhow::{anyhow, bail};
use watertight_core::analysis::map::{By, Question, ReachMap};
use watertight_core::analysis::parties::{Flow, Parties, PortQuery, Selection};
use watertight_core::eval::reach::Reach;
use watertight_core::report::reach::{Reporter, query};
use watertight_core::rules::count;
use watertight_core::sets::Protocol;

use crate::args::{Global, ReachArgs, ReachBy, ReachFormat};
use crate::exit::{Exit, say};
use crate::output::reach::{Counted, Rendering, Written};

use super::cluster::{Cluster, known_namespace};

pub(super) fn run(args: &ReachArgs, global: &Global) -> anyhow::Result<Exit> {
    let targets = super::targets(&args.output, ReachFormat::Table)?;
    let ports = ports(&args.port)?;
    let input = args.input.of(&args.paths, &args.namespace);
    // The process ends: taking a large cluster apart piece by piece would only take time.
    let mut cluster = Cluster::read(&input, &args.cluster, &args.config, global)?;
    for text in args.from.iter().chain(&args.to) {
        cluster.know_name(text);
    }
    let cluster = ManuallyDrop::new(cluster);
    cluster.tell_problems();
    if let Some(namespace) = &args.namespace {
        known_namespace(&cluster.world, namespace)?;
    }
    let parties = Parties::new(&cluster.world, args.namespace.as_deref());
    let select = |text: &Option<String>, flag: &str| -> anyhow::Result<Option<Selection>> {
        let Some(text) = text else {
            return Ok(None);
        };
        let selected = parties.select(text);
        selected
            .map(Some)
            .map_err(|error| anyhow!("{flag}: {error}"))
    };
    let (from, to) = (select(&args.from, "--from")?, select(&args.to, "--to")?);
    let by = match args.by {
        ReachBy::Pod => By::Pod,
        ReachBy::Workload => By::Workload,
        ReachBy::Namespace => By::Namespace,
    };
    let question = Question {
        by,
        from: from.as_ref(),
        to: to.as_ref(),
        ports: ports.clone(),
    };
    let settings = &cluster.settings;
    let eval = ManuallyDrop::new(cluster.evaluator());
    let rows = ManuallyDrop::new(Reach::new(&eval));
    let map = ReachMap::new(&eval, &rows, &settings.profile, &settings.pinned, &question);
    let map = ManuallyDrop::new(map.map_err(|error| anyhow!("{error}"))?);
    let asked = query(
        by,
        from.as_ref().map(|from| &*from.text),
        to.as_ref().map(|to| &*to.text),
        &ports,
    );
    let problems: Vec<_> = cluster.problems().collect();
    let terminal = io::stdout().is_terminal() && targets.iter().all(|target| target.file.is_none());
    let rendering = Rendering {
        reporter: Reporter {
            map: &map,
            world: &cluster.world,
            sources: &cluster.sources,
            profile: &settings.profile,
            query: &asked,
        },
        problems: &problems,
        complete: cluster.is_complete(),
        width: super::width(),
        matrix: args.matrix,
        external: args.external,
        on_terminal: terminal,
        written: Written::default(),
    };
    for target in &targets {
        rendering
            .fits(target.format)
            .map_err(|message| anyhow!(message))?;
    }
    super::deliver(&targets, global, |format, color, out| {
        rendering.render(format, color, out)
    })?;
    let found = rendering.count();
    if found.cut > 0 {
        say("note: --by namespace, --from and --to make the table shorter; -o json has all of it");
    }
    cluster.summarise(global, &answered(&rendering, found));
    Ok(if !cluster.is_complete() {
        Exit::Unable
    } else if args.fail_if_any && found.any() {
        Exit::Findings
    } else {
        Exit::Clean
    })
}

/// What was found, behind what was analysed.
fn answered(rendering: &Rendering<'_, '_>, found: Counted) -> String {
    let by = &rendering.reporter.query.by;
    let assumptions = rendering.reporter.assumptions();
    let ids: Vec<&str> = assumptions
        .iter()
        .map(|assumption| assumption.id.as_str())
        .filter(|id| id.starts_with("M-"))
        .collect();
    let assumed = if ids.is_empty() {
        String::new()
    } else {
        format!(", assuming {}", ids.join(" "))
    };
    let pairs = count(found.pairs, &format!("pair of {by}s"));
    let pairs = pairs.replace(&format!("pair of {by}ss"), &format!("pairs of {by}s"));
    let outside = match found.outside {
        0 => String::new(),
        outside => format!(" and {} with the outside", count(outside, by)),
    };
    format!("{assumed}; {pairs} connected{outside},")
}

/// The ports of `--port`.
fn ports(asked: &[String]) -> anyhow::Result<Vec<(Protocol, u16, u16)>> {
    let mut found = Vec::new();
    for text in asked {
        // One reader for ports: the one of flows.
        let flow = Flow::parse(&format!("from -> to:{text}"));
        for query in flow.map_err(|error| anyhow!("--port: {error}"))?.ports {
            match query {
                PortQuery::Range {
                    protocol,
                    first,
                    last,
                } => found.push((protocol, first, last)),
                PortQuery::Icmp => bail!(
                    "--port: ICMP has no ports; `watertight explain 'A -> B:icmp'` answers it"
                ),
                PortQuery::Named { name, .. } => bail!(
                    "--port: `{name}` is a name, which each pod gives to a port of its own; write a number"
                ),
            }
        }
    }
    Ok(found)
}
