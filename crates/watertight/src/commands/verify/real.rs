//! `watertight verify --real`: the cluster's own policies, predicted, against its own pods.

use std::mem::ManuallyDrop;

use anyhow::bail;
use watertight_cluster::verify::access::Access;
use watertight_cluster::verify::image::{Image, Tool};
use watertight_cluster::verify::real::{self, Ephemeral, How};
use watertight_core::report::verify::VerifyReport;
use watertight_core::report::verify::predict::predict;
use watertight_core::rules::count;

use crate::args::{Global, InputArgs, VerifyArgs};
use crate::commands::cluster::{Cluster, known_namespace};
use crate::exit::say;
use crate::output::one_line;

/// How connections are tried.
pub(super) fn how(args: &VerifyArgs) -> anyhow::Result<How> {
    if args.image.is_some() && !args.ephemeral {
        bail!("--real runs no image; --ephemeral runs one in pods without a shell");
    }
    let named = args.image.as_deref().map_or_else(Image::own, Image::named);
    let ephemeral = args.ephemeral.then(|| Ephemeral {
        id: super::id(),
        image: Image {
            tool: Tool::Watertight,
            ..named
        },
        ready: args.ready,
    });
    Ok(How {
        attempt: args.attempt,
        ephemeral,
    })
}

/// Predicts, tries and compares. Nothing is made, and nothing is changed, but for ephemeral containers.
pub(super) fn run(
    args: &VerifyArgs,
    how: &How,
    runtime: &tokio::runtime::Runtime,
    global: &Global,
) -> anyhow::Result<VerifyReport> {
    let mut live = args.live.clone();
    live.live = true;
    let input = InputArgs {
        filename: Vec::new(),
        exclude: Vec::new(),
        live,
        namespaces: args.namespace.iter().cloned().collect(),
    };
    let connection = runtime.block_on(super::connected(&args.live))?;
    // The process ends: taking a large cluster apart piece by piece would only take time.
    let cluster = ManuallyDrop::new(Cluster::read(&input, &args.cluster, &args.config, global)?);
    cluster.tell_problems();
    if let Some(namespace) = &args.namespace {
        known_namespace(&cluster.world, namespace)?;
    }
    let eval = ManuallyDrop::new(cluster.evaluator());
    let profile = &cluster.settings.profile;
    let most = Some(args.sample).filter(|sample| *sample > 0);
    let sample = predict(
        &cluster.sources,
        &eval,
        profile,
        args.namespace.as_deref(),
        most,
    );
    if sample.connections.is_empty() {
        bail!("there is nothing to try: no pods that run and no TCP ports that pods declare");
    }
    let tell = |line: &str| {
        if !global.quiet {
            say(&one_line(line));
        }
    };
    let mut notes = Vec::new();
    if sample.connections.len() < sample.total {
        notes.push(format!(
            "{} of {} connections were tried; --sample 0 tries all",
            sample.connections.len(),
            sample.total
        ));
    }
    if !cluster.is_complete() {
        notes.push("something of the cluster could not be read: predictions may be wrong".into());
    }
    let access = Access::of(&connection);
    let tried = runtime.block_on(real::tried(&access, sample.connections, how, &tell));
    if !tried.marked.is_empty() {
        notes.push(format!(
            "{} now {} an ephemeral container that has ended; it stays listed until the pod goes: {}",
            count(tried.marked.len(), "pod"),
            if tried.marked.len() == 1 { "has" } else { "have" },
            tried.marked.join(", ")
        ));
    }
    let namespace = args.namespace.as_deref().unwrap_or_default();
    let image = how.ephemeral.as_ref();
    let mut report = VerifyReport {
        image: image.map(|ephemeral| ephemeral.image.name.clone()),
        verdict: real::verdict(&tried.connections, &tried.counts).into(),
        counts: tried.counts,
        connections: tried.connections,
        notes,
        ..VerifyReport::new(&connection.context, namespace)
    };
    if report.verdict == "inconclusive" {
        report.notes.push(
            "of the connections that policies deny, none was tried and seen to be stopped: nothing shows that \
             policies are enforced"
                .into(),
        );
    }
    Ok(report)
}
