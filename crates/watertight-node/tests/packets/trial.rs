//! Predictions against packets: the examples, and random clusters.

use std::path::Path;

use watertight_core::engine::Profile;
use watertight_core::eval::Evaluator;
use watertight_core::manifest::Options as ReadOptions;
use watertight_core::policy::lower;
use watertight_core::report::lab::Trial;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume, World};
use watertight_node::lab::{Cluster, Options, Plan};
use watertight_node::nft::compile;
use watertight_node::probe::Settings;
use watertight_node::trial::{self, Ask, Scene};

use crate::{Outcome, Test};

pub(crate) const TESTS: &[Test] = &[
    Test { name: "trial::the_shop_does_what_is_predicted", run: shop },
    Test { name: "trial::cluster_policies_do_what_is_predicted", run: cluster_policies },
    Test { name: "trial::calico_does_what_is_predicted", run: calico },
    Test { name: "trial::cilium_does_what_is_predicted", run: cilium },
];

fn files(directory: &Path, sources: &mut Sources) {
    let mut entries: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            sources.add(&path.display().to_string(), std::fs::read(&path).unwrap()).unwrap();
        }
    }
}

fn example(name: &str, engine: Option<&str>) -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name);
    let mut sources = Sources::new();
    files(&root, &mut sources);
    let loaded = watertight_core::manifest::load(&sources, &ReadOptions::default());
    let (mut world, _) = world::build(&sources, &loaded.objects, &Assume::default());
    let profile = engine.map_or(Profile::reference(), |engine| Profile::parse(engine).unwrap());
    let tried = run(&mut world, &profile, &Ask::default());
    assert!(tried.len() > 100, "{} connections only", tried.len());
    Outcome::Passed
}

/// Plans, builds and tries; fails where packets and prediction differ or nothing can be said.
pub(crate) fn run(world: &mut World, profile: &Profile, ask: &Ask) -> Vec<Trial> {
    let plan = Plan::new(world, &Options::default()).unwrap();
    let ruleset = lower(world, profile);
    let eval = Evaluator::new(world, &ruleset, profile.switches);
    let cluster = Cluster::up(&plan, &|_, _, _| {}).unwrap();
    let scene = Scene { plan: &plan, cluster: &cluster, eval: &eval };
    let asked = trial::ask(&plan, &eval, ask);
    let tried = trial::run(&scene, &asked, compile::Options::default(), &Settings::default(), &|_, _, _| {});
    let tried = tried.unwrap();
    let mut wrong = Vec::new();
    for one in &tried.trials {
        let arrived = one.observed.seen.arrived();
        let unclear = arrived.is_none() || one.control.is_some_and(|seen| seen.arrived() != Some(true));
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
    assert!(wrong.is_empty(), "{} of {} differ:\n{}", wrong.len(), tried.trials.len(), wrong[..wrong.len().min(20)].join("\n"));
    tried.trials
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
