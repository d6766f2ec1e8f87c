//! From a diagnosis to its report.

use std::collections::BTreeMap;

use super::{
    DiagnoseItem, DiagnoseReport, DiagnoseStep, DiagnosedCluster, DiagnosedEngine,
    DiagnosedFeature, DiagnosedNode, DiagnosedPool, DiagnosedReading, ObjectValue,
};
use crate::analysis::diagnose::{Diagnosis, Item, Step};
use crate::diag;
use crate::engine::detect::Proof;
use crate::report::API_VERSION;
use crate::report::build::{assumptions, evidence, finding, location, tool};
use crate::source::Sources;
use crate::world::World;

/// What a diagnosis was made of.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The files.
    pub sources: &'a Sources,
    /// The cluster.
    pub world: &'a World,
    /// What could not be read.
    pub problems: &'a [&'a diag::Finding],
    /// Whether everything could be read.
    pub complete: bool,
}

/// Makes the report.
#[must_use]
pub fn diagnose_report(asked: &Asked<'_>, found: &Diagnosis) -> DiagnoseReport {
    let Asked { sources, world, .. } = *asked;
    let detected = &found.detected;
    let provider = detected.provider.as_ref();
    let provider = provider.map(|(provider, _)| provider.word().to_owned());
    let snapshot = world.inventory.snapshot.as_ref();
    let cluster = match (snapshot, &provider) {
        (None, None) => None,
        (snapshot, _) => Some(DiagnosedCluster {
            name: snapshot.map_or(String::new(), |snapshot| snapshot.name.to_string()),
            version: snapshot.and_then(|snapshot| Some(snapshot.version.as_ref()?.to_string())),
            taken: snapshot.and_then(|snapshot| Some(snapshot.taken.as_ref()?.to_string())),
            provider,
        }),
    };
    let mut pools: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for node in &detected.nodes {
        let pool = node.pool.as_deref().unwrap_or_default();
        *pools
            .entry((pool, node.kind.word(), node.state.word()))
            .or_default() += 1;
    }
    let pools = pools
        .into_iter()
        .map(|((name, kind, state), nodes)| DiagnosedPool {
            name: name.to_owned(),
            kind: kind.to_owned(),
            enforcement: state.to_owned(),
            nodes,
        });
    let value = |proof: &Proof| value(sources, proof);
    let engines = detected.engines.iter().map(|engine| DiagnosedEngine {
        id: engine.engine.word().to_owned(),
        name: engine.engine.name().to_owned(),
        version: engine.version.map(|version| version.to_string()),
        runs_as: engine.runs_as.clone(),
        seen: value(&engine.seen),
        modes: engine.modes.clone(),
        enforcement: engine.state.word().to_owned(),
        ready_pods: engine.pods.map(|(ready, ..)| ready),
        desired_pods: engine.pods.map(|(_, desired, _)| desired),
    });
    let nodes = detected.nodes.iter().map(|node| DiagnosedNode {
        name: world[node.node].name.to_string(),
        pool: node.pool.clone(),
        kind: node.kind.word().to_owned(),
        enforcement: node.state.word().to_owned(),
        because: node.because.clone(),
        values: node.proof.iter().map(value).collect(),
    });
    let readings = detected
        .readings
        .iter()
        .map(|(switch, proof)| DiagnosedReading {
            switch: (*switch).to_owned(),
            by: value(proof),
        });
    let features = detected.features.iter();
    let features = features.map(|(feature, on, proof)| DiagnosedFeature {
        feature: feature.word().to_owned(),
        on: *on,
        by: value(proof),
    });
    let steps = (1..).zip(&found.steps);
    DiagnoseReport {
        api_version: API_VERSION.into(),
        kind: "DiagnoseReport".into(),
        tool: tool(),
        target: found.target.clone(),
        answer: found.answer.word().into(),
        because: found.because.clone(),
        pods: found.pods,
        complete: asked.complete,
        cluster,
        enforcement: detected.state.word().into(),
        steps: steps
            .map(|(number, one)| step(sources, number, one))
            .collect(),
        engines: engines.collect(),
        readings: readings.collect(),
        features: features.collect(),
        pools: pools.collect(),
        nodes: nodes.collect(),
        problems: asked
            .problems
            .iter()
            .map(|found| finding(sources, found))
            .collect(),
        assumptions: assumptions(world),
    }
}

fn step(sources: &Sources, number: usize, step: &Step) -> DiagnoseStep {
    DiagnoseStep {
        number,
        name: step.name.into(),
        question: step.question.into(),
        state: step.state.word().into(),
        summary: step.summary.clone(),
        items: step.items.iter().map(|one| item(sources, one)).collect(),
        more: step.more,
    }
}

fn item(sources: &Sources, item: &Item) -> DiagnoseItem {
    DiagnoseItem {
        text: item.text.clone(),
        cause: item.is_cause,
        id: item.id.map(Into::into),
        place: item.span.map(|span| location(sources, span, "")),
        values: item
            .proof
            .iter()
            .map(|proof| value(sources, proof))
            .collect(),
        connections: item
            .connections
            .iter()
            .map(|one| evidence(sources, one))
            .collect(),
        advice: item.advice.clone(),
        source: item.source.map(Into::into),
    }
}

fn value(sources: &Sources, proof: &Proof) -> ObjectValue {
    ObjectValue {
        object: proof.object.clone(),
        field: proof.field.clone(),
        value: proof.value.clone(),
        place: proof.span.map(|span| location(sources, span, "")),
    }
}
