//! What it costs to change the rules of a node.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use watertight_core::eval::Evaluator;
use watertight_core::world::{Endpoint, EndpointId};
use watertight_node::netlink::{Protocol, Socket};
use watertight_node::nft::compile::incremental::Compiler;
use watertight_node::nft::compile::{Options, compile};
use watertight_node::nft::{Bytes, Contents, Element, KeyType, Set, Table, delta, kernel};
use watertight_node::sys::Namespace;

use super::worlds::{PORT, Scene, ips, pod_peer, pods_of, policy};

const TABLE: &str = "watertight";

/// The time of loading a set of so many elements.
pub(super) fn load(count: u32, ranges: bool) -> anyhow::Result<Duration> {
    let element = |number: u32| {
        let first = Bytes::EMPTY.v4(0x0a00_0000 + 4 * number);
        let last = Bytes::EMPTY.v4(0x0a00_0000 + 4 * number + u32::from(ranges));
        Element { first, last }
    };
    let set = Set {
        key: vec![KeyType::V4],
        ranges,
        contents: Contents::Members((0..count).map(element).collect()),
    };
    let mut table = Table {
        name: TABLE.into(),
        ..Table::default()
    };
    table.sets.insert("all".into(), set);
    let load = || -> anyhow::Result<Duration> {
        let mut socket = Socket::open(Protocol::Netfilter)?;
        let started = Instant::now();
        kernel::apply(&mut socket, TABLE, &delta::creation(&table))?;
        Ok(started.elapsed())
    };
    Namespace::new()?.run(load)?
}

/// The steps from a pod that a watch tells of to the rules in the kernel.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steps {
    pub(super) world: Duration,
    pub(super) evaluator: Duration,
    pub(super) compile: Duration,
    pub(super) commit: Duration,
}

impl Steps {
    pub(super) fn all(&self) -> Duration {
        self.world + self.evaluator + self.compile + self.commit
    }
}

/// What pods that come and go cost, each several times.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// A pod of a class that there is.
    pub(super) comes: Vec<Steps>,
    /// One of a class of its own.
    pub(super) new_class: Vec<Steps>,
    pub(super) goes: Vec<Steps>,
    /// A pod that comes, with everything made anew.
    pub(super) anew: Vec<Steps>,
}

/// Pods on a node of so many classes.
pub(super) fn pods(classes: usize, others: usize, times: usize) -> anyhow::Result<Pods> {
    let mut text = pods_of(classes + others);
    for number in 0..=classes {
        // The last policy is about a pod that is not there yet.
        let of = if number < classes { number } else { usize::MAX };
        text += &policy(number, of, &pod_peer(number ^ 1), PORT, true);
    }
    let mut scene = Scene::read(&text)?;
    let node = scene.node()?;
    let namespace = Namespace::new()?;
    let measure = || -> anyhow::Result<Pods> {
        let mut socket = Socket::open(Protocol::Netfilter)?;
        let mut compiler = {
            let eval = Evaluator::new(&scene.world, &scene.ruleset, scene.profile.switches);
            Compiler::new(&eval, node, &[], Options::default())
        };
        let creation = delta::creation(&compiler.compiled().table);
        kernel::apply(&mut socket, TABLE, &creation)?;
        let like = scene.world.endpoint("bench", "p7").context("no such pod")?;
        let label = format!("a{}", usize::MAX);
        let own = scene.world.symbols.labels([("app", label.as_str())]);
        let mut found = Pods::default();
        for turn in 0..times {
            for is_new_class in [false, true] {
                let mut pod = pod_like(&scene, like, classes + others);
                if is_new_class {
                    pod.labels = own.clone();
                }
                let list = match is_new_class {
                    true => &mut found.new_class,
                    false => &mut found.comes,
                };
                let mut id = like;
                let come = |scene: &mut Scene| {
                    id = scene.world.put_endpoint(pod);
                    id
                };
                list.push(follow(&mut scene, &mut compiler, &mut socket, come)?);
                let go = |scene: &mut Scene| {
                    scene.world.remove_endpoint(id);
                    id
                };
                let gone = follow(&mut scene, &mut compiler, &mut socket, go)?;
                if !is_new_class {
                    found.goes.push(gone);
                }
            }
            if turn < 20 {
                let pod = pod_like(&scene, like, classes + others);
                let id = scene.world.put_endpoint(pod);
                let eval = Evaluator::new(&scene.world, &scene.ruleset, scene.profile.switches);
                let old = compiler.compiled().table.clone();
                let started = Instant::now();
                let new = compile(&eval, node, &[], Options::default());
                let changes = delta::changes(&old, &new.table);
                let compile = started.elapsed();
                ensure!(!changes.is_empty(), "a pod that changes nothing");
                found.anew.push(Steps {
                    world: Duration::ZERO,
                    evaluator: Duration::ZERO,
                    compile,
                    commit: Duration::ZERO,
                });
                scene.world.remove_endpoint(id);
            }
        }
        Ok(found)
    };
    namespace.run(measure)?
}

fn pod_like(scene: &Scene, like: EndpointId, number: usize) -> Endpoint {
    Endpoint {
        name: "new".into(),
        ips: ips(number).into_iter().collect(),
        ..scene.world[like].clone()
    }
}

fn follow(
    scene: &mut Scene,
    compiler: &mut Compiler,
    socket: &mut Socket,
    change: impl FnOnce(&mut Scene) -> EndpointId,
) -> anyhow::Result<Steps> {
    let started = Instant::now();
    let id = change(scene);
    let world = started.elapsed();
    let eval = Evaluator::new(&scene.world, &scene.ruleset, scene.profile.switches);
    let evaluator = started.elapsed();
    let followed = compiler.follow(&eval, id);
    let compile = started.elapsed();
    kernel::apply(socket, TABLE, &followed.changes)?;
    let commit = started.elapsed();
    ensure!(
        !followed.rebuilt,
        "a pod for which everything was made anew"
    );
    ensure!(!followed.changes.is_empty(), "a pod that changes nothing");
    Ok(Steps {
        world,
        evaluator: evaluator - world,
        compile: compile - evaluator,
        commit: commit - compile,
    })
}
