//! From the engines to each node, and from the nodes to the cluster.

use super::candidates::Candidate;
use super::nodes::{self, NodeKind};
use super::{Cause, Detected, NodeState, Proof, Provider, State, readings};
use crate::engine::{Enforcement, EnforcementFact, EnforcementSwitch, Engine, Profile};
use crate::world::inventory::{ControllerKind, KindState};
use crate::world::{NodeId, World};

/// The kernel that the agent of AWS needs.
const AWS_KERNEL: (u32, u32) = (5, 10);

pub(super) fn judge(
    world: &World,
    provider: Option<(Provider, Proof)>,
    candidates: Vec<Candidate<'_>>,
) -> Detected {
    let acting: Vec<&Candidate<'_>> = candidates.iter().filter(|of| of.acts()).collect();
    let mut causes = Vec::new();
    let conflict = conflict(&acting);
    causes.extend(conflict.clone());
    let nothing = candidates.is_empty().then(|| {
        let provider = provider.as_ref().map(|(provider, _)| *provider);
        none_found(world, provider)
    });
    let otherwise = nothing
        .as_ref()
        .map_or(State::NotEnforced, |cause| cause.state);
    causes.extend(nothing);
    let all: Vec<NodeState> = world
        .node_ids()
        .map(|node| state_of(world, node, &acting, otherwise, conflict.is_some()))
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
    let (profile, shown) = profile(world, primary, &all, state);
    Detected {
        provider,
        state,
        because,
        causes,
        nodes: all,
        profile,
        readings: shown,
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
        source: "",
        proof: proof.collect(),
    })
}

/// What it means that no known engine runs.
fn none_found(world: &World, provider: Option<Provider>) -> Cause {
    let inventory = &world.inventory;
    let sets: Vec<_> = inventory
        .controllers_of(ControllerKind::DaemonSet)
        .collect();
    let listed = inventory.state("apps", "daemonsets");
    let complete = listed.is_some_and(|kind| kind.state == KindState::Complete);
    let missing = listed.filter(|kind| kind.state.is_incomplete());
    let (id, state, text, advice) = match (provider, missing) {
        (_, Some(_)) => (
            "daemonsets-unknown",
            State::Unknown,
            "DaemonSets could not be listed, so the network engine is not known",
            "allow `list` of daemonsets in group apps, or name the engine with --engine",
        ),
        (Some(Provider::Aks), _) if complete || !sets.is_empty() => (
            "aks-no-engine",
            State::NotEnforced,
            "this AKS cluster runs no policy engine: networkPolicy is none, the default",
            "az aks update --network-policy cilium or calico",
        ),
        (Some(Provider::Gke), _) if complete || !sets.is_empty() => (
            "gke-no-engine",
            State::NotEnforced,
            "this GKE cluster runs neither Dataplane V2 nor the network policy add-on",
            "enable the add-on and enforcement on nodes (two switches), or move to Dataplane V2",
        ),
        (Some(Provider::Eks), _) if complete || !sets.is_empty() => (
            "eks-no-engine",
            State::Unknown,
            "neither the Amazon VPC CNI nor another known engine runs on this EKS cluster",
            "name the engine with --engine, and prove it with `watertight verify`",
        ),
        _ if sets.is_empty() && !complete => (
            "nothing-read",
            State::Unknown,
            "no DaemonSet was read, so the network engine is not known",
            "read the whole cluster (kubectl get daemonsets,configmaps,nodes,pods -A), or name the engine with --engine",
        ),
        _ => (
            "engine-not-known",
            State::Unknown,
            "none of the DaemonSets is a network engine that is known here",
            "name the engine with --engine, and prove it with `watertight verify`",
        ),
    };
    let names = sets
        .iter()
        .take(6)
        .map(|set| format!("{}/{}", set.namespace, set.name));
    let value = match sets.is_empty() {
        true if complete => "none".to_owned(),
        true => "not read".to_owned(),
        false => names.collect::<Vec<_>>().join(", "),
    };
    let proof = Proof {
        object: "DaemonSets".to_owned(),
        field: "names".to_owned(),
        value,
        span: missing.map(|kind| kind.span),
    };
    Cause {
        id,
        state,
        text,
        advice,
        source: "",
        proof: vec![proof],
    }
}

/// What becomes of policies on a node; `otherwise` is what does where no engine acts.
fn state_of(
    world: &World,
    node: NodeId,
    acting: &[&Candidate<'_>],
    otherwise: State,
    conflict: bool,
) -> NodeState {
    let kind = nodes::kind(world, node);
    let mut found = NodeState {
        node,
        pool: nodes::pool(world, node),
        kind,
        state: otherwise,
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
    Some(
        match (worst.is_bad(), best.is_enforced() || best == State::Unknown) {
            (true, true) => State::Partial,
            (true, false) if worst != best => State::Partial,
            _ => worst,
        },
    )
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

/// The profile of the engine with what its objects set, and with what is known about enforcement.
fn profile(
    world: &World,
    primary: Option<&Candidate<'_>>,
    nodes: &[NodeState],
    state: State,
) -> (Option<Profile>, Vec<(&'static str, Proof)>) {
    let Some(primary) = primary else {
        return (None, Vec::new());
    };
    let engine = primary.found.engine;
    let mut profile = Profile::new(engine, primary.found.version);
    let server = world.inventory.snapshot.as_ref();
    let server = server.and_then(|snapshot| snapshot.version.as_deref()?.parse().ok());
    if let Some(version) = server {
        profile = profile.with_k8s_version(version);
    }
    let shown = readings::apply(world, primary.controller, &mut profile);
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
    (Some(profile), shown)
}
