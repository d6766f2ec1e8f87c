//! Step 1: does anything act on policies, on the nodes where these pods run?

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Item, Step, StepState, step_of};
use crate::engine::Engine;
use crate::engine::detect::{Cause, Found, NodeState, State};
use crate::rules::{count, some_of};
use crate::world::NodeId;

/// Nodes that are listed one by one.
const MOST: usize = 6;

impl Case<'_> {
    /// The nodes of these pods, with the number of pods on each.
    fn nodes(&self) -> BTreeMap<NodeId, usize> {
        let mut found = BTreeMap::new();
        for pod in &self.pods {
            if let Some(node) = self.context.world[*pod].node {
                *found.entry(node).or_default() += 1;
            }
        }
        found
    }

    /// How many pods there are in each state, and the nodes that make it.
    pub(super) fn states(&self) -> BTreeMap<State, usize> {
        let of_node: BTreeMap<NodeId, State> = self
            .detected
            .nodes
            .iter()
            .map(|node| (node.node, node.state))
            .collect();
        let mut found = BTreeMap::new();
        for pod in &self.pods {
            let node = self.context.world[*pod].node;
            let known = node.and_then(|node| of_node.get(&node).copied());
            // Where a pod will run is not known before it does.
            *found
                .entry(known.unwrap_or(self.detected.state))
                .or_default() += 1;
        }
        if self.pods.is_empty() {
            found.insert(self.detected.state, 0);
        }
        found
    }
}

pub(super) fn enforcement(case: &Case<'_>) -> Step {
    let detected = case.detected;
    let states = case.states();
    let worst = states.keys().next().copied().unwrap_or(State::Unknown);
    let state = match step_of(worst) {
        // Some pods may run where nobody knows, and others where nothing is enforced.
        StepState::Passed if states.contains_key(&State::Unknown) => StepState::Unknown,
        state => state,
    };
    let mut items = Vec::new();
    let on = case.nodes();
    for found in &detected.engines {
        items.push(engine(found));
    }
    for cause in causes(case) {
        let is_cause = state != StepState::Passed && cause.state != State::EnforcedWithWindow;
        let mut item = Item {
            is_cause,
            proof: cause.proof.clone(),
            span: cause.proof.first().and_then(|proof| proof.span),
            id: Some(cause.id),
            source: Some(cause.source).filter(|source| !source.is_empty()),
            ..Item::of(cause.text)
        };
        item = item.advice(cause.advice);
        items.push(item);
    }
    items.extend(bare_pods(case));
    let bad: Vec<&NodeState> = detected
        .nodes
        .iter()
        .filter(|node| !node.because.is_empty())
        .filter(|node| case.pods.is_empty() || on.is_empty() || on.contains_key(&node.node))
        .collect();
    let world = case.context.world;
    for node in bad.iter().take(MOST) {
        let pool = node
            .pool
            .as_ref()
            .map_or(String::new(), |pool| format!(" ({pool})"));
        let here = match on.get(&node.node) {
            Some(pods) => format!(", with {pods} of these pods"),
            None => String::new(),
        };
        let name = &world[node.node].name;
        let text = format!("node {name}{pool}{here}: {}", node.because);
        let mut item = Item {
            is_cause: !node.state.is_enforced(),
            proof: node.proof.clone(),
            span: node.proof.first().and_then(|proof| proof.span),
            ..Item::of(text)
        };
        if node.state.is_bad() {
            item = item.advice("get a ready pod of the engine onto this node (labels, taints, resources), or keep pods that need policies off it");
        }
        items.push(item);
    }
    items.sort_by_key(|item| !item.is_cause);
    Step {
        name: "enforcement",
        question: "does anything act on policies where these pods run?",
        state,
        summary: summary(case, state, &states, bad.len()),
        items,
        more: bad.len().saturating_sub(MOST),
    }
}

/// Pods of no controller, which the agent of Amazon takes for one another: it knows a pod by its namespace and
/// its name up to the last hyphen.
fn bare_pods(case: &Case<'_>) -> Option<Item> {
    let found = case.detected.engine()?;
    if found.engine != Engine::AwsVpcCni || !found.state.is_enforced() {
        return None;
    }
    let world = case.context.world;
    let bare = case.pods.iter().filter(|id| {
        let pod = &world[**id];
        pod.workload.is_none() && !pod.template
    });
    let names: Vec<String> = bare.map(|id| world.display_name(*id)).collect();
    if names.is_empty() {
        return None;
    }
    let text = format!(
        "{} of no workload ({}): its agent polices such pods unreliably, and takes those for one whose names differ behind the last hyphen alone",
        count(names.len(), "pod"),
        some_of(&names)
    );
    let item = Item {
        id: Some("aws-bare-pods"),
        source: Some("aws/aws-network-policy-agent pkg/utils/utils.go"),
        ..Item::of(text)
    };
    Some(item.advice("run them by a Deployment or a Job"))
}

/// `Cilium 1.19.2 runs as DaemonSet kube-system/cilium, 3 of 3 pods ready`
fn engine(found: &Found) -> Item {
    let version = found
        .version
        .map_or(String::new(), |version| format!(" {version}"));
    let mut text = format!("{}{version} runs as {}", found.engine.name(), found.runs_as);
    if let Some((ready, desired, _)) = found.pods {
        text.push_str(&format!(", {ready} of {desired} pods ready"));
    }
    for mode in &found.modes {
        text.push_str(&format!("; {mode}"));
    }
    Item {
        span: found.seen.span,
        proof: vec![found.seen.clone()],
        source: Some(found.source).filter(|source| !source.is_empty()),
        ..Item::of(text)
    }
}

/// Causes of the cluster, and those of engines that matter: of a plug-in beside an engine that acts
/// none do.
fn causes<'c>(case: &'c Case<'_>) -> Vec<&'c Cause> {
    let engines = &case.detected.engines;
    let acts = engines
        .iter()
        .any(|found| found.state != State::NotEnforced);
    let of = engines
        .iter()
        .filter(|found| !acts || found.state != State::NotEnforced);
    let of_engines = of.flat_map(|found| &found.causes);
    let mut all: Vec<&Cause> = case.detected.causes.iter().chain(of_engines).collect();
    // What the worst switch does makes the lesser ones matter no more.
    let worst = all.iter().map(|cause| cause.state).min();
    if worst == Some(State::NotEnforced) {
        all.retain(|cause| cause.state == State::NotEnforced);
    }
    let mut seen = BTreeSet::new();
    all.retain(|cause| seen.insert(cause.id));
    all
}

fn summary(
    case: &Case<'_>,
    state: StepState,
    states: &BTreeMap<State, usize>,
    bad_nodes: usize,
) -> String {
    let detected = case.detected;
    let total: usize = states.values().sum();
    let name = detected.engine().map(|found| {
        let version = found
            .version
            .map_or(String::new(), |version| format!(" {version}"));
        format!("{}{version}", found.engine.name())
    });
    match (state, name) {
        (StepState::Passed, Some(name)) => {
            let window = states.contains_key(&State::EnforcedWithWindow);
            let but = if window {
                "; a new pod is open for a moment"
            } else {
                ""
            };
            format!("{name} should enforce policies wherever these pods run{but}")
        }
        (StepState::Failed, _) if states.len() > 1 => {
            let bad: usize = states
                .iter()
                .filter(|(state, _)| state.is_bad())
                .map(|(_, pods)| *pods)
                .sum();
            format!(
                "{bad} of {} run where policies are not enforced as written",
                count(total, "pod")
            )
        }
        _ if bad_nodes > 0 && detected.causes.is_empty() && detected.because.is_empty() => {
            "policies are not enforced on the nodes of these pods".to_owned()
        }
        _ => detected.because.clone(),
    }
}
