//! Truth tables: every ordered pair of pods on a few ports, side by side and together.
//!
//! A folder has an `index.tsv` (`case name tags state probe`), a `cluster.yaml`, and for every case
//! `cases/CASE/policies.yaml` with `cases/CASE/expected.tsv`: `src dst ingress egress combined`, each
//! a comma list of allowed PROTOCOL/PORT or `-`. Cases of a changed cluster are skipped.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, bail};
use watertight_core::engine::Switches;
use watertight_core::eval::reach::{Outcome as Row, Reach};
use watertight_core::eval::{Connection, Evaluator, Party};
use watertight_core::manifest::{self, Options};
use watertight_core::policy::lower_kubernetes;
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, World, build};

use super::{Judged, Outcome, read};

/// The first column of such an index.
pub(super) const HEADER: &str = "case\t";

const PORTS: &[(Protocol, u16)] = &[
    (Protocol::Sctp, 80),
    (Protocol::Sctp, 81),
    (Protocol::Tcp, 80),
    (Protocol::Tcp, 81),
    (Protocol::Udp, 80),
    (Protocol::Udp, 81),
];

/// Runs the cases of an index.
pub(super) fn run<'i>(
    folder: &Path,
    lines: impl Iterator<Item = &'i str>,
    wanted: impl Fn(&str) -> bool,
) -> anyhow::Result<Vec<Judged>> {
    let mut results = Vec::new();
    for line in lines {
        let mut columns = line.split('\t');
        let case = columns.next().context("a line without a case")?;
        if !wanted(case) {
            continue;
        }
        let outcome = if columns.nth(2) != Some("base") {
            Outcome::Skipped("the cluster was changed before this step".to_owned())
        } else {
            let wrong = truth_table(folder, case).with_context(|| format!("case {case}"))?;
            if wrong.is_empty() {
                Outcome::Passed
            } else {
                Outcome::Failed(wrong)
            }
        };
        results.push((case.to_owned(), outcome));
    }
    Ok(results)
}

/// The lines of a truth table with which the evaluator disagrees.
fn truth_table(folder: &Path, case: &str) -> anyhow::Result<Vec<String>> {
    let directory = folder.join("cases").join(case);
    let mut sources = Sources::new();
    for path in [folder.join("cluster.yaml"), directory.join("policies.yaml")] {
        sources.add(&path.display().to_string(), read(&path)?.into_bytes())?;
    }
    let loaded = manifest::load(&sources, &Options::default());
    if let Some(finding) = loaded.findings.first() {
        bail!("{}", finding.message);
    }
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    let (world, _) = build(&sources, &loaded.objects, &assume);
    let switches = Switches::default();
    let ruleset = lower_kubernetes(&world, &switches);
    let evaluator = Evaluator::new(&world, &ruleset, switches);
    let reach = Reach::new(&evaluator);
    let mut wrong = Vec::new();
    for line in read(&directory.join("expected.tsv"))?.lines() {
        let columns: Vec<_> = line.split('\t').collect();
        let [from, to, ingress, egress, combined] = columns.as_slice() else {
            bail!("`{line}` has not five columns");
        };
        let (Some(source), Some(target)) = (party(&world, from), party(&world, to)) else {
            continue;
        };
        let mut found = [const { BTreeSet::new() }; 3];
        for (protocol, port) in PORTS {
            let connection = Connection::new(source, target, *protocol, *port);
            let verdict = evaluator.verdict(&connection);
            let row = reach.outcome(&evaluator, &connection) == Row::Allowed;
            if row != verdict.allowed {
                wrong.push(format!(
                    "{from} -> {to} {}/{port}: a verdict and a row that differ",
                    protocol.api()
                ));
            }
            let sides = [
                verdict.ingress.is_allowed(),
                verdict.egress.is_allowed(),
                verdict.allowed,
            ];
            for (allowed, set) in sides.iter().zip(&mut found) {
                if *allowed {
                    set.insert(format!("{}/{port}", protocol.api()));
                }
            }
        }
        let sides = [
            ("ingress", ingress),
            ("egress", egress),
            ("combined", combined),
        ];
        for ((name, expected), found) in sides.into_iter().zip(&found) {
            let expected: BTreeSet<String> = expected
                .split(',')
                .filter(|item| *item != "-")
                .map(str::to_owned)
                .collect();
            if expected != *found {
                wrong.push(format!(
                    "{from} -> {to} {name}: expected {expected:?}, found {found:?}"
                ));
            }
        }
    }
    Ok(wrong)
}

fn party(world: &World, name: &str) -> Option<Party> {
    let (namespace, pod) = name.split_once('/')?;
    world.endpoint(namespace, pod).map(Party::Endpoint)
}
