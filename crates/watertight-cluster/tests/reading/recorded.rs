//! Answers that a real API server gave, where somebody has recorded some: the directory is named by
//! `WATERTIGHT_RECORDED_API`.

use std::path::PathBuf;

use fake_cluster::{Kind, Options};
use serde_json::Value;
use watertight_cluster::{State, Wanted};
use watertight_core::check::{CheckOptions, check};
use watertight_core::source::Sources;

use super::fixtures::{bare, state, text, try_reading};

fn recorded() -> Option<PathBuf> {
    std::env::var_os("WATERTIGHT_RECORDED_API").map(PathBuf::from)
}

#[tokio::test]
async fn a_recorded_cluster_is_read_and_judged_as_its_lists() {
    let Some(directory) = recorded() else {
        return;
    };
    let kinds = ["crd.projectcalico.org/v1 globalnetworkpolicies GlobalNetworkPolicy*"];
    let cluster = bare(Options {
        kinds: kinds.iter().filter_map(|kind| Kind::parse(kind)).collect(),
        ..Options::default()
    })
    .await;
    let mut counts = Vec::new();
    let mut full = Sources::new();
    for entry in std::fs::read_dir(directory.join("lists")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_none_or(|of| of != "json")
            || name.contains('-')
            || name == "endpoints"
        {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let list: Value = serde_json::from_slice(&bytes).unwrap();
        counts.push((name.clone(), cluster.store().load(&list)));
        full.add(&name, bytes).unwrap();
    }
    let reading = try_reading(&cluster, &Wanted::default()).await.unwrap();
    for (name, count) in counts {
        assert_eq!(state(&reading, &name), (State::Complete, count), "{name}");
    }
    let pods = text(&reading, "pods.ndjson");
    let per_pod = pods.len() / pods.lines().count();
    assert!(per_pod < 700, "{per_pod} bytes a pod");
    let mut slim = Sources::new();
    for file in reading
        .files
        .iter()
        .filter(|file| file.name != watertight_cluster::HEADER)
    {
        slim.add_text(&file.name, file.text.clone()).unwrap();
    }
    let found = |sources: &Sources| {
        let checked = check(sources, &CheckOptions::default());
        let findings = checked.findings.iter();
        let mut found: Vec<String> = findings
            .map(|finding| {
                format!(
                    "{} {:?} {}",
                    finding.rule.id, finding.subject, finding.message
                )
            })
            .collect();
        found.sort();
        (found, checked.world.endpoints.len())
    };
    assert_eq!(found(&slim), found(&full));
}
