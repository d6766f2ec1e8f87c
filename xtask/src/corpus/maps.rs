//! Runs the cases of a folder of maps: what is expected beside what Watertight answers.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use watertight_core::eval::Party;
use watertight_core::sets::Protocol;
use watertight_core::world::EndpointId;

use super::connectivity::{Connectivity, Pair, expected_changes, expected_lines};
use super::findings;
use super::index::{Case, Kind, Question};
use super::judge::Judge;
use super::manifests::{Cluster, cluster, ruleset};
use super::ports::Ports;

/// The differences between what a case expects and what is found; none if they agree.
pub(super) fn differences(folder: &Path, case: &Case) -> anyhow::Result<Vec<String>> {
    let mut manifests = case.folders.iter().map(|name| folder.join(name));
    let first = manifests.next().context("a case without a folder")?;
    let expected = || {
        let file = case.expected.as_ref().context("nothing is expected")?;
        super::read(&folder.join(file))
    };
    match case.kind {
        Kind::List => list(case, &first, &expected()?),
        Kind::Diff => {
            let second = manifests.next().context("a diff needs two folders")?;
            diff(&first, &second, &expected()?)
        }
        Kind::Error => findings::refused(&first, &case.note),
        Kind::Warning => findings::warned(&first, &case.note),
        Kind::Eval => answered(&first, &Question::parse(&case.note)?),
    }
}

fn list(case: &Case, manifests: &Path, expected: &str) -> anyhow::Result<Vec<String>> {
    let map = Connectivity::of(manifests)?;
    let (focus, direction) = case.focus();
    let in_focus = |name: &str| {
        let name = name.split('[').next().unwrap_or(name);
        focus.iter().any(|workload| workload == name)
    };
    let mut found = map.lines();
    found.retain(|(from, to), _| match direction {
        _ if focus.is_empty() => true,
        Some("egress") => in_focus(from),
        Some("ingress") => in_focus(to),
        _ => in_focus(from) || in_focus(to),
    });
    let mut differences = compare(&expected_lines(expected)?, &found, |ports| {
        ports.to_string()
    });
    differences.extend(map.remarks);
    Ok(differences)
}

fn diff(before: &Path, after: &Path, expected: &str) -> anyhow::Result<Vec<String>> {
    let (before, after) = (Connectivity::of(before)?, Connectivity::of(after)?);
    let changes = before.changes(&after);
    let found = changes
        .into_iter()
        .map(|(pair, (earlier, later))| {
            let told = told(&pair, &earlier, &later, &before, &after);
            (pair, (earlier, later, told))
        })
        .collect();
    let mut differences = compare(
        &expected_changes(expected)?,
        &found,
        |(earlier, later, told)| format!("{earlier} => {later} {told}").trim_end().to_owned(),
    );
    differences.extend(before.remarks);
    differences.extend(after.remarks);
    Ok(differences)
}

/// Which of two workloads came or went, in the words of the expected files.
fn told(
    (from, to): &Pair,
    earlier: &Ports,
    later: &Ports,
    before: &Connectivity,
    after: &Connectivity,
) -> String {
    let (other, event) = match (earlier.is_empty(), later.is_empty()) {
        (true, false) => (before, "added"),
        (false, true) => (after, "removed"),
        _ => return String::new(),
    };
    let is_workload =
        |name: &&str| before.workloads.contains(*name) || after.workloads.contains(*name);
    let ends: Vec<_> = [from.as_str(), to.as_str()]
        .into_iter()
        .filter(is_workload)
        .filter(|name| !other.workloads.contains(*name))
        .collect();
    if ends.is_empty() {
        return String::new();
    }
    format!("workload {} {event}", ends.join(" and "))
}

/// Both directions: what is missing, what is too much, what is another value.
fn compare<V: PartialEq>(
    expected: &BTreeMap<Pair, V>,
    found: &BTreeMap<Pair, V>,
    show: impl Fn(&V) -> String,
) -> Vec<String> {
    let mut differences = Vec::new();
    for (pair, value) in expected {
        let (from, to) = pair;
        match found.get(pair) {
            Some(other) if other == value => {}
            Some(other) => differences.push(format!(
                "{from} -> {to}: expected {}, found {}",
                show(value),
                show(other)
            )),
            None => differences.push(format!(
                "{from} -> {to}: expected {}, found nothing",
                show(value)
            )),
        }
    }
    for (pair, value) in found {
        if !expected.contains_key(pair) {
            let (from, to) = pair;
            differences.push(format!(
                "{from} -> {to}: expected nothing, found {}",
                show(value)
            ));
        }
    }
    differences
}

fn answered(manifests: &Path, question: &Question) -> anyhow::Result<Vec<String>> {
    let cluster = cluster(manifests)?;
    let ruleset = ruleset(&cluster.world);
    let judge = Judge::new(&cluster.world, &ruleset);
    let protocol = Protocol::from_api(&question.protocol)
        .with_context(|| format!("`{}` is no protocol", question.protocol))?;
    let [from, to] = [&question.from, &question.to].map(|name| {
        endpoint(&cluster, name).with_context(|| format!("there is no pod or workload `{name}`"))
    });
    let ports = judge.ports(Party::Endpoint(from?), Party::Endpoint(to?));
    let allowed = ports.contains(protocol, question.port);
    let mut differences = judge.torn();
    if allowed != question.allowed {
        differences.push(format!(
            "{} -> {} {}/{}: expected {}, found {allowed}",
            question.from, question.to, question.protocol, question.port, question.allowed
        ));
    }
    Ok(differences)
}

fn endpoint(cluster: &Cluster, name: &str) -> Option<EndpointId> {
    let (namespace, pod) = name.split_once('/')?;
    if let Some(endpoint) = cluster.world.endpoint(namespace, pod) {
        return Some(endpoint);
    }
    let mut workloads = cluster.workloads.iter();
    let found = workloads.find(|(workload, _)| workload.split('[').next() == Some(name));
    found.and_then(|(_, endpoints)| endpoints.first().copied())
}
