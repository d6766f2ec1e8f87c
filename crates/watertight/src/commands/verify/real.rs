//! `watertight verify --real`: the cluster's own policies, predicted, against its own pods.

use std::mem::ManuallyDrop;

use anyhow::bail;
use watertight_cluster::verify::access::Access;
use watertight_cluster::verify::real;
use watertight_core::report::verify::VerifyReport;
use watertight_core::report::verify::predict::predict;
use watertight_core::report::{API_VERSION, Tool};

use crate::args::{Global, InputArgs, VerifyArgs};
use crate::commands::cluster::{Cluster, known_namespace};
use crate::exit::say;
use crate::output::one_line;

/// Predicts, tries and compares. Nothing is made, and nothing is changed.
pub(super) fn run(
    args: &VerifyArgs,
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
    let connection = runtime.block_on(async { super::connected(&args.live) })?;
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
    let access = Access::new(connection.client);
    let seconds = args.attempt.as_secs().max(1);
    let (connections, counts) =
        runtime.block_on(real::tried(&access, sample.connections, seconds, &tell));
    let mut report = VerifyReport {
        api_version: API_VERSION.into(),
        kind: "VerifyReport".into(),
        tool: Tool {
            name: "watertight".into(),
            version: env!("CARGO_PKG_VERSION").into(),
        },
        cluster: connection.context,
        namespace: args.namespace.clone().unwrap_or_default(),
        image: None,
        verdict: String::new(),
        counts,
        pods: Vec::new(),
        claims: Vec::new(),
        timings: Vec::new(),
        new_pod: None,
        connections,
        notes,
        left_behind: Vec::new(),
    };
    report.verdict = real::verdict(&report.connections, &report.counts).into();
    if report.verdict == "inconclusive" {
        report.notes.push(
            "of the connections that policies deny, none was tried and seen to be stopped: nothing shows that \
             policies are enforced"
                .into(),
        );
    }
    Ok(report)
}
