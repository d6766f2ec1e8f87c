//! The same clusters with less known of them (M-1): pods without status or node, workload templates
//! in place of pods, nodes without addresses.
//!
//! The assumed pod ranges lie where the blocks of the policies do, so that blocks often cover a part
//! of a range and the answer is uncertain.

use proptest::prelude::*;
use serde_json::{Value, json};
use watertight_core::world::Assume;

use super::policies::one_of;
use super::read::{Read, from_files_assuming};
use super::{Described, Format, Spelling, files};
use crate::oracle::Readings;

#[derive(Clone, Copy, Debug)]
enum Fade {
    No,
    Status,
    StatusAndNode,
    /// A Deployment of the same name stands for the pod.
    Template,
}

/// What of a cluster is not known.
#[derive(Clone, Debug)]
pub(crate) struct Fading {
    /// By pod.
    pods: Vec<Fade>,
    /// By node: whether its addresses are not known.
    nodes: Vec<bool>,
    ranges: &'static [&'static str],
}

const RANGES: &[&[&str]] = &[
    &["10.0.0.0/16", "fd00::/56"],
    &["10.0.0.0/16", "fd00::/56"],
    &["10.0.0.0/16"],
    &["10.0.0.0/30"],
    &["fd00::/120", "10.0.0.0/24", "10.0.1.0/24"],
    &["fd00::/64"],
    &["10.244.0.0/16", "fd00:10:244::/56"],
    &[],
];

pub(crate) fn fading() -> impl Strategy<Value = Fading> {
    let pod = prop_oneof![
        2 => Just(Fade::No),
        2 => Just(Fade::Status),
        2 => Just(Fade::StatusAndNode),
        2 => Just(Fade::Template),
    ];
    (
        prop::collection::vec(pod, 6),
        prop::collection::vec(prop::bool::weighted(0.4), 3),
        one_of(RANGES),
    )
        .prop_map(|(pods, nodes, ranges)| Fading {
            pods,
            nodes,
            ranges,
        })
}

/// Reads a described cluster of which less is known.
pub(crate) fn read_faded(
    described: &Described,
    readings: &Readings,
    fading: &Fading,
) -> Result<Read, String> {
    let spelling = Spelling {
        format: Format::JsonFiles,
        ..described.spelling
    };
    let mut files = files(&described.cluster, spelling);
    let (mut pods, mut nodes) = (fading.pods.iter().cycle(), fading.nodes.iter().cycle());
    for (_, text) in &mut files {
        let mut object: Value = serde_json::from_str(text).unwrap();
        match object["kind"].as_str() {
            Some("Pod") => pods.next().unwrap().apply(&mut object),
            Some("Node") if *nodes.next().unwrap() => object["status"] = json!({}),
            _ => continue,
        }
        *text = object.to_string();
    }
    let assume = Assume {
        pod_cidrs: fading.ranges.iter().map(|it| it.parse().unwrap()).collect(),
        ..Assume::default()
    };
    from_files_assuming(files, &described.cluster, readings, &assume)
}

impl Fade {
    fn apply(self, pod: &mut Value) {
        if matches!(self, Self::No) {
            return;
        }
        pod["status"] = Value::Null;
        if !matches!(self, Self::Status) {
            pod["spec"]["nodeName"] = Value::Null;
        }
        if matches!(self, Self::Template) {
            let mut metadata = pod["metadata"].take();
            let labels = metadata["labels"].take();
            let spec = pod["spec"].take();
            *pod = json!({
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": metadata,
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": spec},
                },
            });
        }
    }
}
