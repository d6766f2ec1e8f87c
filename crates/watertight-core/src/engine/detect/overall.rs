//! From the engines to each node, and from the nodes to the cluster.

use super::candidates::Candidate;
use super::nodes::{self, NodeKind};
use super::none::none_found;
use super::{Cause, Detected, NodeState, Proof, Provider, State, readings};
use crate::engine::{Enforcement, EnforcementFact, EnforcementSwitch, Engine, Feature, Profile};
use crate::world::{NodeId, World};

/// The kernel that the agent of AWS needs.
const AWS_KERNEL: (u32, u32) = (5, 10);

pub(super) fn judge(
    world: &World,
    provider: Option<(Provider, Proof)>,
    candidates: Vec<Candidate<'_>>,
    named: Option<&Profile>,
) -> Detected {
    let acting: Vec<&Candidate<'_>> = candidates.iter().filter(|of| of.acts()).collect();
    let mut causes = Vec::new();
    let conflict = conflict(&acting);
    causes.extend(conflict.clone());
    let mut without = State::NotEnforced;
    if candidates.is_empty() {
        let provider = provider.as_ref().map(|(provider, _)| *provider);
        let cause = none_found(world, provider, named);
        without = cause.state;
        causes.push(cause);
    }
    let all: Vec<NodeState> = world
        .node_ids()
        .map(|node| state_of(world, node, &acting, without, conflict.is_some()))
        .collect();
    let own = acting.iter().map(|of| of.found.state).max();
    let mut state = match (own, &conflict) {
        (_, Some(_)) => State::Conflict,
        (Some(state), None) => state,
        (None, None) => causes
            .iter()
            .map(|cause| cause.state)
            .min()
            .unwrap_or(State::NotEnforced),
    };
    if let Some(of_nodes) = together(&all) {
        state = of_nodes;
    } else if let [only] = &acting[..] {
        // Nobody knows the nodes; the counts of the DaemonSet may still tell.
        state = without_nodes(only, state);
    }
    let primary = acting.first().copied().or_else(|| candidates.first());
    let because = sentence(state, primary, &causes, &all);
    let settings = profile(world, primary, &all, state);
    Detected {
        provider,
        state,
        because,
        causes,
        nodes: all,
        profile: settings.profile,
        readings: settings.readings,
        features: settings.features,
        engines: candidates.into_iter().map(|of| of.found).collect(),
    }
}

/// Two engines that are both known to act.
fn conflict(acting: &[&Candidate<'_>]) -> Option<Cause> {
    let on = acting.iter().filter(|of| of.found.state != State::Unknown);
    let on: Vec<_> = on.collect();
    let proof = on.iter().map(|of| Proof {
        object: of.found.runs_as.clone(),
        field: "engine".to_owned(),
        value: of.found.engine.name().to_owned(),
        span: of.found.seen.span,
    });
    (on.len() > 1).then(|| Cause {
        id: "two-engines",
        state: State::Conflict,
        text: "two engines act on the same policies: each may allow or cut what the other does not",
        advice: "switch one of them off",
        source: "tigera/docs calico/getting-started/kubernetes/managed-public-cloud/eks.mdx",
        proof: proof.collect(),
    })
}

fn state_of(
    world: &World,
    node: NodeId,
    acting: &[&Candidate<'_>],
    without: State,
    conflict: bool,
) -> NodeState {
    let kind = nodes::kind(world, node);
    let mut found = NodeState {
        node,
        pool: nodes::pool(world, node),
        kind,
        state: without,
        because: String::new(),
        proof: Vec::new(),
    };
    let outside = match kind {
        NodeKind::Linux => None,
        NodeKind::Windows if acting.iter().any(|of| of.windows) => None,
        NodeKind::Windows => Some("no engine here has an agent for Windows nodes"),
        NodeKind::Fargate => Some("no engine polices pods on Fargate"),
        NodeKind::Virtual => Some("a virtual node runs no agent, so nothing polices its pods"),
    };
    if let Some(text) = outside {
        found.state = State::NotEnforced;
        found.because = text.to_owned();
        found.proof.push(Proof {
            object: format!("Node {}", world[node].name),
            field: "kind".to_owned(),
            value: kind.word().to_owned(),
            span: world[node].span,
        });
        return found;
    }
    // Any engine that acts here will do.
    let mut best: Option<(State, String, Vec<Proof>)> = None;
    for candidate in acting {
        let mut here = match &candidate.coverage {
            Some(coverage) if kind == NodeKind::Linux => {
                coverage.of(node, candidate.found.state, candidate.fails_open)
            }
            _ => (candidate.found.state, String::new(), Vec::new()),
        };
        if let Some(old) = old_kernel(world, node, candidate.found.engine) {
            here = (here.0.worse(State::NotEnforced), old.1, vec![old.0]);
        }
        if best.as_ref().is_none_or(|best| here.0 > best.0) {
            best = Some(here);
        }
    }
    if let Some((state, because, proof)) = best {
        found.state = state;
        found.because = because;
        found.proof = proof;
        if conflict && state.is_enforced() {
            found.state = State::Conflict;
        }
    }
    found
}

/// Agents that load eBPF programs need a kernel that can.
fn old_kernel(world: &World, node: NodeId, engine: Engine) -> Option<(Proof, String)> {
    let facts = nodes::facts(world, node)?;
    let said = facts
        .kernel
        .as_ref()
        .filter(|_| engine == Engine::AwsVpcCni)?;
    let mut numbers = said.text.split(['.', '-']).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return None;
    };
    let proof = Proof {
        object: format!("Node {}", world[node].name),
        field: "status.nodeInfo.kernelVersion".to_owned(),
        value: said.text.to_string(),
        span: Some(said.span),
    };
    let text = "the agent needs kernel 5.10 or later, and this node has an older one".to_owned();
    ((major, minor) < AWS_KERNEL).then_some((proof, text))
}

/// The state of a cluster whose nodes are known: that of the worst, or "partial" where some are bad
/// and some are not.
fn together(nodes: &[NodeState]) -> Option<State> {
    let worst = nodes.iter().map(|node| node.state).min()?;
    let best = nodes.iter().map(|node| node.state).max()?;
    Some(match worst.is_bad() && worst != best {
        true => State::Partial,
        false => worst,
    })
}

fn without_nodes(candidate: &Candidate<'_>, state: State) -> State {
    match candidate
        .controller
        .and_then(|controller| controller.rollout)
    {
        Some(rollout) if rollout.desired == 0 => State::NotEnforced,
        Some(rollout) if rollout.ready < rollout.desired => state.worse(State::Partial),
        // How many nodes there are is not known.
        _ => state,
    }
}

fn sentence(
    state: State,
    primary: Option<&Candidate<'_>>,
    causes: &[Cause],
    nodes: &[NodeState],
) -> String {
    if let Some(cause) = causes.first() {
        return cause.text.to_owned();
    }
    let Some(primary) = primary else {
        return String::new();
    };
    if primary.found.state.is_bad() || primary.found.state == State::Unknown {
        return primary.found.causes.first().map_or_else(
            || {
                primary
                    .found
                    .engine
                    .facts()
                    .enforcement
                    .first
                    .reason
                    .to_owned()
            },
            |cause| cause.text.to_owned(),
        );
    }
    let bad = nodes
        .iter()
        .filter(|node| !node.state.is_enforced())
        .count();
    if bad > 0 {
        let first = nodes.iter().find(|node| !node.state.is_enforced());
        let why = first.map_or("", |node| &node.because);
        return match nodes.len() {
            all if all == bad => why.to_owned(),
            all => format!("on {bad} of {all} nodes: {why}"),
        };
    }
    let name = primary.found.engine.name();
    format!(
        "{name} runs where it should, and policies {}",
        state.meaning()
    )
}

/// What is known about how the engine is set.
#[derive(Default)]
struct Settings {
    profile: Option<Profile>,
    readings: Vec<(&'static str, Proof)>,
    features: Vec<(Feature, bool, Proof)>,
}

/// The profile of the engine with what its objects set, and with what is known about enforcement.
fn profile(
    world: &World,
    primary: Option<&Candidate<'_>>,
    nodes: &[NodeState],
    state: State,
) -> Settings {
    let Some(primary) = primary else {
        return Settings::default();
    };
    let engine = primary.found.engine;
    let mut profile = Profile::new(engine, primary.found.version);
    let server = world.inventory.snapshot.as_ref();
    let server = server.and_then(|snapshot| snapshot.version.as_deref()?.parse().ok());
    if let Some(version) = server {
        profile = profile.with_k8s_version(version);
    }
    let shown = readings::apply(world, primary.controller, &mut profile);
    let features = readings::opted(world, primary.controller, &mut profile);
    let reason = primary.found.causes.first().map(|cause| cause.text);
    let all_bad = !nodes.is_empty() && nodes.iter().all(|node| node.state.is_bad());
    let off = matches!(state, State::NotEnforced | State::AuditOnly);
    if off && (all_bad || nodes.is_empty()) {
        profile.switches.enforcement = EnforcementSwitch::None;
        let reason = reason.unwrap_or("none of its pods runs on any node");
        profile.seen = Some(EnforcementFact::new(Enforcement::NotEnforced, reason));
    } else {
        let seen = match primary.found.state {
            State::Enforced | State::Partial | State::Conflict => Enforcement::Enforced,
            State::EnforcedWithWindow => Enforcement::EnforcedWithWindow,
            _ => Enforcement::Unknown,
        };
        let fallback = match seen {
            Enforcement::Unknown => "what would tell was not read",
            _ => "its switches are on",
        };
        profile.seen = Some(EnforcementFact::new(seen, reason.unwrap_or(fallback)));
        if profile.switches.enforcement == EnforcementSwitch::None {
            profile.switches.enforcement = EnforcementSwitch::Default;
        }
    }
    Settings {
        profile: Some(profile),
        readings: shown,
        features,
    }
}
