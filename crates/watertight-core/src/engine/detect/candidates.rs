//! The engines of a cluster, each with the state that its switches leave it in.

use super::ask::{Answer, ask};
use super::fingerprints::{FINGERPRINTS, Fingerprint};
use super::image::Image;
use super::nodes::Coverage;
use super::traps::{TRAPS, Trap};
use super::{Cause, Found, Proof, Provider, State, products};
use crate::engine::{Enforcement, Engine, Profile, Version};
use crate::manifest::WorkloadKind;
use crate::world::World;
use crate::world::inventory::{Controller, ControllerKind};

/// An engine and where it runs.
pub(super) struct Candidate<'w> {
    pub(super) found: Found,
    pub(super) controller: Option<&'w Controller>,
    /// Where its pods run; none if it has no pods of its own.
    pub(super) coverage: Option<Coverage<'w>>,
    /// Whether it runs on Windows nodes too.
    pub(super) windows: bool,
    /// Whether everything passes on a node while its pod is down.
    pub(super) fails_open: bool,
}

impl Candidate<'_> {
    /// Whether it may act on policies.
    pub(super) fn acts(&self) -> bool {
        self.found.state != State::NotEnforced
    }
}

pub(super) fn find(world: &World, provider: Option<Provider>) -> Vec<Candidate<'_>> {
    let mut found = Vec::new();
    let sets = world.inventory.controllers_of(ControllerKind::DaemonSet);
    for controller in sets {
        if let Some(fingerprint) = recognise(controller) {
            let key = (&*controller.namespace, &*controller.name);
            found.push(candidate(
                world,
                provider,
                fingerprint,
                Some(controller),
                key,
            ));
        }
    }
    // DaemonSets that could not be listed still show in their pods.
    if world
        .inventory
        .controllers_of(ControllerKind::DaemonSet)
        .next()
        .is_none()
    {
        for workload in &world.workloads {
            let is_set = workload.kind == WorkloadKind::DaemonSet && !workload.endpoints.is_empty();
            let namespace = &*world[workload.namespace].name;
            let named = FINGERPRINTS
                .iter()
                .find(|of| is_set && has_name(of, namespace, &workload.name));
            if let Some(fingerprint) = named {
                let key = (namespace, &*workload.name);
                found.push(candidate(world, provider, fingerprint, None, key));
            }
        }
    }
    products::without_daemon_set(world, provider, &mut found);
    found
}

fn has_name(fingerprint: &Fingerprint, namespace: &str, name: &str) -> bool {
    fingerprint
        .daemon_sets
        .iter()
        .any(|(of, known)| *known == name && of.is_none_or(|of| of == namespace))
}

/// The engine of a DaemonSet: by name, or by the image of one of its main containers.
fn recognise(controller: &Controller) -> Option<&'static Fingerprint> {
    let named = FINGERPRINTS
        .iter()
        .find(|of| has_name(of, &controller.namespace, &controller.name));
    named.or_else(|| {
        let main = controller
            .containers
            .iter()
            .filter(|container| !container.init);
        let images: Vec<_> = main
            .map(|container| Image::parse(&container.image.text))
            .collect();
        let windows = FINGERPRINTS.iter().flat_map(|of| of.windows);
        if windows.into_iter().any(|name| **name == *controller.name) {
            return None;
        }
        FINGERPRINTS.iter().find(|of| {
            of.images
                .iter()
                .any(|program| images.iter().any(|image| image.is(program)))
        })
    })
}

/// The release, and where it was seen.
fn release(fingerprint: &Fingerprint, controller: &Controller) -> (Option<Version>, Proof) {
    let mut containers: Vec<_> = controller
        .containers
        .iter()
        .filter(|container| !container.init)
        .collect();
    // The container that enforces first; a renamed one by its image.
    containers.sort_by_key(|container| {
        let by_name = fingerprint
            .version_of
            .iter()
            .position(|name| **name == *container.name);
        let image = Image::parse(&container.image.text);
        let by_image = fingerprint.images.iter().any(|program| image.is(program));
        (by_name.unwrap_or(usize::MAX), !by_image)
    });
    let seen = containers
        .iter()
        .find_map(|container| Some((Image::parse(&container.image.text).version()?, *container)));
    let (version, container) = match seen {
        Some((version, container)) => (Some(version), Some(container)),
        None => (None, containers.first().copied()),
    };
    let proof = match container {
        Some(container) => Proof {
            object: controller.title(),
            field: format!("container {} image", container.name),
            value: container.image.text.to_string(),
            span: Some(container.image.span),
        },
        None => Proof {
            object: controller.title(),
            field: "metadata.name".to_owned(),
            value: controller.name.to_string(),
            span: Some(controller.span),
        },
    };
    (version, proof)
}

fn candidate<'w>(
    world: &'w World,
    provider: Option<Provider>,
    fingerprint: &Fingerprint,
    controller: Option<&'w Controller>,
    key: (&str, &str),
) -> Candidate<'w> {
    let runs_as = match controller {
        Some(controller) => controller.title(),
        None => format!("DaemonSet {}/{}", key.0, key.1),
    };
    let (mut version, mut seen) = match controller {
        Some(controller) => release(fingerprint, controller),
        None => {
            let proof = Proof {
                object: runs_as.clone(),
                field: "pods".to_owned(),
                value: "owned by it".to_owned(),
                span: None,
            };
            (None, proof)
        }
    };
    let engine = products::product(world, provider, fingerprint.engine, controller);
    if engine == Engine::KubeNetworkPolicies
        && let Some(container) = controller.and_then(|of| of.container("kube-network-policies"))
    {
        version = Image::parse(&container.image.text).version();
        seen.field = "container kube-network-policies image".to_owned();
        seen.value = container.image.text.to_string();
        seen.span = Some(container.image.span);
    }
    let (version, seen) = products::release(world, engine, version, seen);
    let coverage = Coverage::new(world, controller, key);
    let pods = coverage.counts();
    let windows = world
        .inventory
        .controllers_of(ControllerKind::DaemonSet)
        .any(|controller| fingerprint.windows.contains(&&*controller.name));
    let (state, causes) = switches(world, engine, version, controller, &seen);
    let fails_open = match engine {
        Engine::Kindnet => true,
        Engine::KubeNetworkPolicies => causes
            .iter()
            .any(|cause| cause.id == "kube-network-policies-fail-open"),
        _ => false,
    };
    let found = Found {
        engine,
        source: fingerprint.source,
        runs_as,
        version,
        seen,
        modes: products::modes(world, engine, controller),
        state,
        causes,
        pods,
    };
    Candidate {
        found,
        controller,
        coverage: Some(coverage),
        windows,
        fails_open,
    }
}

/// Whether traps of one engine hold for another, which has it inside.
fn is_like(engine: Engine, wanted: Engine) -> bool {
    // It builds the engine in, and has none of its flags.
    if engine == Engine::Kindnet {
        return wanted == engine;
    }
    let mut next = Some(engine);
    let chain = std::iter::from_fn(|| {
        let engine = next?;
        next = engine.facts().like;
        Some(engine)
    });
    chain.take(8).any(|found| found == wanted)
}

/// The state that the release and the switches of an engine leave it in.
pub(super) fn switches(
    world: &World,
    engine: Engine,
    version: Option<Version>,
    controller: Option<&Controller>,
    seen: &Proof,
) -> (State, Vec<Cause>) {
    let has = |kind: &str| world.objects.iter().any(|object| object.kind.kind == kind);
    let traps = TRAPS
        .iter()
        .filter(|trap| is_like(engine, trap.engine) && trap.only_with.is_none_or(has));
    let traps: Vec<&Trap> = traps.collect();
    let mut causes = Vec::new();
    let base = base(engine, version, &traps, seen, &mut causes);
    for trap in traps {
        match ask(&world.inventory, controller, trap) {
            Answer::No => {}
            Answer::Yes(proof) => causes.push(Cause {
                id: trap.id,
                state: state_of(world, trap),
                text: trap.text,
                advice: trap.advice,
                source: trap.source,
                proof: vec![proof],
            }),
            // Products set these for their users; they are asked only where somebody can change them.
            Answer::Unknown(_) if trap.engine != engine => {}
            Answer::Unknown(proof) => causes.push(Cause {
                id: trap.id,
                state: State::Unknown,
                text: "a switch that turns enforcement off could not be looked at",
                advice: "read the object named here; its value decides",
                source: trap.source,
                proof: vec![proof],
            }),
        }
    }
    causes.extend(products::special(world, engine, controller));
    causes.sort_by_key(|cause| cause.state);
    let worst = causes.iter().map(|cause| cause.state).min();
    (worst.map_or(base, |worst| base.worse(worst)), causes)
}

/// Without NetworkPolicy Cilium still acts on its own kinds.
fn state_of(world: &World, trap: &Trap) -> State {
    let has_own = world
        .objects
        .iter()
        .any(|object| object.kind.dialect == crate::manifest::Dialect::Cilium);
    match trap.id {
        "cilium-no-kubernetes-policies" if has_own => State::Partial,
        _ => trap.state,
    }
}

/// What the engine does if no switch says otherwise.
fn base(
    engine: Engine,
    version: Option<Version>,
    traps: &[&Trap],
    seen: &Proof,
    causes: &mut Vec<Cause>,
) -> State {
    let facts = engine.facts();
    let fact = facts
        .enforcement
        .at(&Profile::new(engine, version).releases());
    let has_window = traps
        .iter()
        .any(|trap| trap.state == State::EnforcedWithWindow);
    // What the switches decide is not decided by the release.
    let depends = !facts.enforcement.changes.is_empty();
    match fact.state {
        Enforcement::OptIn => State::Enforced,
        Enforcement::NotEnforced if !traps.is_empty() => State::Enforced,
        Enforcement::EnforcedWithWindow if has_window => State::Enforced,
        _ if depends && version.is_none() => {
            causes.push(Cause {
                id: "release-unknown",
                state: State::Unknown,
                text: "old releases of it enforce nothing, and which one runs is not known",
                advice: "name the image by a tag, or look at the release of what installed it",
                source: "",
                proof: vec![seen.clone()],
            });
            State::Unknown
        }
        state => {
            let state = State::from(state);
            if state != State::Enforced {
                let advice = match state {
                    State::NotEnforced if depends => "move to a release that enforces policies",
                    State::NotEnforced => "run an engine that enforces policies",
                    State::Unknown => "prove it with `watertight verify`",
                    _ => "",
                };
                causes.push(Cause {
                    id: match state {
                        State::NotEnforced => "release-does-not-enforce",
                        State::Unknown => "engine-unknown",
                        _ => "release-window",
                    },
                    state,
                    text: fact.reason,
                    advice,
                    source: "",
                    proof: vec![seen.clone()],
                });
            }
            state
        }
    }
}
