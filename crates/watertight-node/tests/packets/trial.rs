//! Predictions against packets: the examples, and random clusters.

use std::path::Path;

use watertight_core::engine::{HostNetwork, Profile, Switches};
use watertight_core::eval::Evaluator;
use watertight_core::manifest::Options as ReadOptions;
use watertight_core::policy::{Ruleset, lower};
use watertight_core::report::lab::Trial;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume, World};
use watertight_node::lab::{Cluster, Options, Plan};
use watertight_node::nft::compile;
use watertight_node::probe::Settings;
use watertight_node::trial::{self, Ask, Scene};

use crate::runner::hold;
use crate::worlds::read::read;
use crate::worlds::{other_readings, rewriting, rewritten, worlds};
use crate::{Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test {
        name: "trial::the_shop_does_what_is_predicted",
        run: shop,
    },
    Test {
        name: "trial::cluster_policies_do_what_is_predicted",
        run: cluster_policies,
    },
    Test {
        name: "trial::calico_does_what_is_predicted",
        run: calico,
    },
    Test {
        name: "trial::random_clusters_do_what_is_predicted",
        run: random_clusters,
    },
    Test {
        name: "trial::random_tiers_do_what_is_predicted",
        run: random_tiers,
    },
    Test {
        name: "trial::cilium_does_what_is_predicted",
        run: cilium,
    },
];

fn files(directory: &Path, sources: &mut Sources) {
    let mut entries: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, sources);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            sources
                .add(&path.display().to_string(), std::fs::read(&path).unwrap())
                .unwrap();
        }
    }
}

fn example(name: &str, engine: Option<&str>) -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name);
    let mut sources = Sources::new();
    files(&root, &mut sources);
    let loaded = watertight_core::manifest::load(&sources, &ReadOptions::default());
    let (mut world, _) = world::build(&sources, &loaded.objects, &Assume::default());
    let profile = engine.map_or(Profile::reference(), |engine| {
        Profile::parse(engine).unwrap()
    });
    let tried =
        run(&mut world, &profile, &Ask::default()).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(tried.len() > 100, "{} connections only", tried.len());
    Outcome::Passed
}

/// Plans, builds and tries; fails where packets and prediction differ or nothing can be said.
pub(crate) fn run(world: &mut World, profile: &Profile, ask: &Ask) -> Result<Vec<Trial>, String> {
    let plan = Plan::new(world, &Options::default()).unwrap();
    let ruleset = lower(world, profile);
    run_under(world, &plan, &ruleset, profile.switches, ask)
}

/// The same under any ruleset.
fn run_under(
    world: &World,
    plan: &Plan,
    ruleset: &Ruleset,
    switches: Switches,
    ask: &Ask,
) -> Result<Vec<Trial>, String> {
    let eval = Evaluator::new(world, ruleset, switches);
    let cluster = Cluster::up(plan, &|_, _, _| {}).unwrap();
    let scene = Scene {
        plan,
        cluster: &cluster,
        eval: &eval,
    };
    let asked = trial::ask(plan, &eval, ask);
    let tried = trial::run(
        &scene,
        &asked,
        compile::Options::default(),
        &Settings::default(),
        &|_, _, _| {},
    );
    let tried = tried.unwrap();
    let mut wrong = Vec::new();
    for one in &tried.trials {
        let arrived = one.observed.seen.arrived();
        let unclear =
            arrived.is_none() || one.control.is_some_and(|seen| seen.arrived() != Some(true));
        if one.is_judged && (unclear || arrived != Some(one.verdict.allowed)) {
            let [from, to] = [one.from, one.to].map(|at| &*asked.parties[at].name);
            wrong.push(format!(
                "{from} -> {to} {:?}/{:?} {:?}: predicted {} ({:?}), {:?} {}, control {:?}\n    {}",
                one.connection.protocol,
                one.connection.port,
                one.family,
                one.verdict.allowed,
                one.verdict.reason,
                one.observed.seen,
                one.observed.detail,
                one.control,
                one.observed.kernel.join("\n    ")
            ));
        }
    }
    if wrong.is_empty() {
        return Ok(tried.trials);
    }
    let (count, all) = (wrong.len(), tried.trials.len());
    wrong.truncate(20);
    Err(format!("{count} of {all} differ:\n{}", wrong.join("\n")))
}

/// Random clusters under random readings; `PROPTEST_CASES` makes more of them.
fn random_clusters() -> Outcome {
    hold(12, (worlds(), other_readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let mut profile = Profile::reference();
        profile.switches = read.switches;
        // Packets show nothing of these.
        profile.switches.host_network = HostNetwork::NodeIp;
        let mut world = read.world;
        run(&mut world, &profile, &Ask::default()).map(|_| ())
    });
    Outcome::Passed
}

/// The same under rulesets of several tiers, with every action.
fn random_tiers() -> Outcome {
    hold(
        12,
        (worlds(), other_readings(), rewriting()),
        |(described, readings, rewriting)| {
            let mut read = read(described, readings)?;
            read.switches.host_network = HostNetwork::NodeIp;
            let plan = Plan::new(&mut read.world, &Options::default())
                .map_err(|error| error.to_string())?;
            let read = rewritten(read, rewriting);
            run_under(
                &read.world,
                &plan,
                &read.ruleset,
                read.switches,
                &Ask::default(),
            )
            .map(|_| ())
        },
    );
    Outcome::Passed
}

fn shop() -> Outcome {
    example("shop", None)
}

fn cluster_policies() -> Outcome {
    example("cluster-policies", None)
}

fn calico() -> Outcome {
    example("calico-platform", Some("calico"))
}

fn cilium() -> Outcome {
    example("cilium-payments", Some("cilium"))
}
