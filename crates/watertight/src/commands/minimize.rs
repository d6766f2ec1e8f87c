//! `watertight minimize`: what can go without changing anything?

use std::time::Instant;

use watertight_core::analysis::minimize::{Minimized, minimize};
use watertight_core::check::CheckOptions;
use watertight_core::manifest::unreadable;
use watertight_core::rules::count;

use crate::args::{Global, MinimizeArgs, MinimizeFormat};
use crate::exit::{Exit, say};
use crate::fix;
use crate::input::{self, Input};
use crate::output::{minimize as output, one_line};
use crate::progress::Progress;

use super::cluster;

/// More problems than this are counted, not listed.
const MOST_PROBLEMS: usize = 20;

pub(super) fn run(args: &MinimizeArgs, global: &Global) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let targets = super::targets(&args.output, MinimizeFormat::Text)?;
    let config = cluster::config(&args.config)?;
    let settings = cluster::settings(&args.cluster, &config)?;
    let asked = args.input.of(&args.paths, &args.namespace);
    let exclude = cluster::exclude(&args.input, &config)?;
    let input = input::read(&asked, &exclude, false, global)?;
    let bytes = input
        .sources
        .iter()
        .map(|(_, file)| file.text().len() as u64);
    let progress = Progress::start(bytes.sum(), !global.quiet);
    let options = CheckOptions {
        profile: settings.profile,
        engine_is_named: settings.engine_is_named,
        pinned: settings.pinned,
        assume: settings.assume,
        namespaces: args.namespace.clone(),
        progress: Some(std::sync::Arc::clone(&progress.done)),
        ..CheckOptions::default()
    };
    let mut found = minimize(&input.sources, &options, args.for_these_pods);
    drop(progress);
    let unread = input.unreadable.iter();
    let unread = unread.map(|(name, reason)| unreadable(name, reason));
    found.problems.extend(unread);
    let (others, documents) = (&found.other_kinds, found.not_objects);
    cluster::anything_to_ask(&found.world, &found.problems, others, documents)?;
    for namespace in &args.namespace {
        cluster::known_namespace(&found.world, namespace)?;
    }
    let incomplete = found.problems.iter().filter(|problem| problem.incomplete);
    let broken = found.broken + input.unreadable.len();
    let complete = incomplete.clone().count() == 0 && broken == 0;
    for problem in incomplete.clone().take(MOST_PROBLEMS) {
        let place = problem.span().map(|span| input.sources.locate(span));
        let place = place.as_deref().unwrap_or("-");
        let (id, message) = (problem.rule.id, one_line(&problem.message));
        say(&format!("{}: error[{id}] {message}", one_line(place)));
    }
    let more = incomplete.count().saturating_sub(MOST_PROBLEMS);
    if more > 0 {
        let problems = count(more, "problem");
        say(&format!(
            "... and {problems} more; `watertight check` lists all"
        ));
    }
    let written = deliver(args, global, &input, &found, complete, &targets)?;
    if !global.quiet {
        let can_go = match found.removals.len() {
            0 => "nothing can go".to_owned(),
            _ => output::counted(&found.removals),
        };
        let policies = count(found.world.policies.len(), "NetworkPolicy");
        let policies = policies.replace("NetworkPolicys", "NetworkPolicies");
        say(&format!(
            "analysed {policies} for {} (engine {}) in {} ms: {can_go}",
            if args.for_these_pods {
                "the pods of the input"
            } else {
                "any pods"
            },
            found.profile.engine.name(),
            started.elapsed().as_millis()
        ));
    }
    let by_hand = found.removals.iter().any(|removal| !removal.editable);
    Ok(match (complete, found.removals.is_empty()) {
        (false, _) => Exit::Unable,
        (true, true) => Exit::Clean,
        (true, false) if written && !by_hand => Exit::Clean,
        (true, false) => Exit::Findings,
    })
}

/// Prints the list or the edits, and writes files if that was asked for; tells whether all was written.
fn deliver(
    args: &MinimizeArgs,
    global: &Global,
    input: &Input,
    found: &Minimized,
    complete: bool,
    targets: &[crate::args::OutputTarget<MinimizeFormat>],
) -> anyhow::Result<bool> {
    if args.diff {
        if let Some((after, changed)) = &found.edited {
            super::to_stdout(|out| fix::print(&input.sources, after, changed, out))?;
        }
        for removal in found.removals.iter().filter(|removal| !removal.editable) {
            let place = input.sources.locate(removal.span);
            let name = one_line(&removal.name);
            say(&format!(
                "{}: `{name}` is to be edited by hand",
                one_line(&place)
            ));
        }
        return Ok(false);
    }
    super::deliver(targets, global, |format, color, out| match format {
        MinimizeFormat::Text => output::text(&input.sources, found, color, out),
        MinimizeFormat::Json => output::json(&input.sources, found, complete, out),
    })?;
    if !args.write {
        return Ok(false);
    }
    let Some((after, changed)) = &found.edited else {
        return Ok(false);
    };
    let writes = fix::writes(input, after, changed);
    let files = fix::replace_all(&writes)?;
    if !global.quiet {
        say(&format!("wrote {}", count(files, "file")));
    }
    let missing = changed.len() - files;
    if missing > 0 {
        let files = count(missing, "input");
        say(&format!(
            "{files} cannot be written: --diff shows the edits"
        ));
    }
    Ok(missing == 0)
}
