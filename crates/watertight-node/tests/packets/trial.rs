//! Predictions against packets: the examples, and random clusters.

use std::path::Path;

use watertight_core::engine::{HostNetwork, Profile, Switches};
use watertight_core::eval::Evaluator;
use watertight_core::manifest::Options as ReadOptions;
use watertight_core::policy::{Ruleset, lower};
use watertight_core::report::lab::{Seen, Trial};
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume, World};
use watertight_node::lab::{Cluster, Options, Plan};
use watertight_node::nft::{Bytes, Field, Match, Rule, Statement, compile};
use watertight_node::probe::Settings;
use watertight_node::trial::{self, Ask, Scene};

use crate::runner::hold;
use crate::worlds::read::read;
use crate::worlds::{other_readings, rewriting, worlds};
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
        name: "trial::differences_are_found_and_explained",
        run: differences,
    },
    Test {
        name: "trial::a_refusal_where_somebody_waits_is_a_difference",
        run: forged,
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
            read.ruleset = rewriting.apply(&read.ruleset, &read.world);
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

/// What differs is found, and the kernel's rule that decided is named.
fn differences() -> Outcome {
    let mut sources = Sources::new();
    let text = "
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {containers: []}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}}, spec: {containers: []}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: db, namespace: shop},
 spec: {podSelector: {matchLabels: {app: db}}, ingress: [{ports: [{port: 5432}]}]}}
";
    sources.add("shop.yaml", text.into()).unwrap();
    let loaded = watertight_core::manifest::load(&sources, &ReadOptions::default());
    let (mut world, _) = world::build(&sources, &loaded.objects, &Assume::default());
    let plan = Plan::new(&mut world, &Options::default()).unwrap();
    let switches = Switches::default();
    let policies = lower(&world, &Profile::reference());
    let (nothing, policies) = (Ruleset::default(), policies);
    let under = |ruleset| Evaluator::new(&world, ruleset, switches);
    let (open, closed) = (under(&nothing), under(&policies));
    let ask = Ask {
        ports: vec![(Protocol::Tcp, 80), (Protocol::Tcp, 5432)],
        icmp: false,
        ..Ask::default()
    };
    let of = |predicted: &Evaluator<'_>, real: &Evaluator<'_>| {
        let cluster = Cluster::up(&plan, &|_, _, _| {}).unwrap();
        let scene = Scene {
            plan: &plan,
            cluster: &cluster,
            eval: predicted,
        };
        let asked = trial::ask(&plan, predicted, &ask);
        let options = compile::Options::default();
        let tables = trial::tables(&plan, real, options);
        let settings = Settings::default();
        let tried = trial::run_under(
            &scene,
            &asked,
            tables,
            options.group,
            &settings,
            &|_, _, _| {},
        )
        .unwrap();
        let differ = tried
            .trials
            .into_iter()
            .filter(|one| one.observed.seen.arrived() != Some(one.verdict.allowed));
        let differ = differ.map(|one| {
            let [from, to] = [one.from, one.to].map(|at| asked.parties[at].name.clone());
            (format!("{from} -> {to}"), one)
        });
        differ.collect::<Vec<_>>()
    };
    // Predicted to be open, and closed; both families.
    let found = of(&open, &closed);
    let one = found
        .iter()
        .find(|(name, _)| name == "shop/web -> shop/db")
        .unwrap();
    assert_eq!(one.1.observed.seen, Seen::Dropped, "{one:?}");
    assert!(
        one.1.observed.detail.contains("isolated by shop/db"),
        "{one:?}"
    );
    assert!(
        one.1
            .observed
            .kernel
            .iter()
            .any(|rule| rule.ends_with("counter drop")),
        "{one:?}"
    );
    // Predicted to be closed, and open.
    let found = of(&closed, &open);
    let one = found
        .iter()
        .find(|(name, _)| name == "shop/web -> shop/db")
        .unwrap();
    assert_eq!(
        (one.1.observed.seen, one.1.control),
        (Seen::Open, Some(Seen::Open)),
        "{one:?}"
    );
    assert_eq!(of(&closed, &closed).len(), 0);
    Outcome::Passed
}

/// A reset in the name of the destination is no arrival: somebody waits on every port that is tried.
fn forged() -> Outcome {
    let mut sources = Sources::new();
    let text = "
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {containers: []}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop}, spec: {containers: []}}
";
    sources.add("shop.yaml", text.into()).unwrap();
    let loaded = watertight_core::manifest::load(&sources, &ReadOptions::default());
    let (mut world, _) = world::build(&sources, &loaded.objects, &Assume::default());
    let plan = Plan::new(&mut world, &Options::default()).unwrap();
    let nothing = Ruleset::default();
    let eval = Evaluator::new(&world, &nothing, Switches::default());
    let ask = Ask {
        ports: vec![
            (Protocol::Tcp, 80),
            (Protocol::Udp, 80),
            (Protocol::Tcp, 81),
        ],
        icmp: false,
        ..Ask::default()
    };
    let cluster = Cluster::up(&plan, &|_, _, _| {}).unwrap();
    let scene = Scene {
        plan: &plan,
        cluster: &cluster,
        eval: &eval,
    };
    let asked = trial::ask(&plan, &eval, &ask);
    let options = compile::Options::default();
    let mut tables = trial::tables(&plan, &eval, options);
    for compiled in tables.values_mut() {
        let reject = Rule {
            matches: vec![Match::Is(Field::DestinationPort, Bytes::EMPTY.port(80))],
            statements: vec![Statement::Counter, Statement::Reject],
            comment: Box::default(),
        };
        let ingress = compiled.table.chains.get_mut("ingress-forward").unwrap();
        ingress.rules.insert(0, reject);
    }
    let settings = Settings::default();
    let tried = trial::run_under(
        &scene,
        &asked,
        tables,
        options.group,
        &settings,
        &|_, _, _| {},
    );
    let tried = tried.unwrap();
    let (mut rejected, mut explained) = (0, 0);
    for one in tried.trials {
        assert!(one.verdict.allowed && one.is_judged);
        let [from, to] = [one.from, one.to].map(|at| &asked.parties[at]);
        if from.kind != "pod" || to.kind != "pod" {
            continue;
        }
        let is_refused = one.connection.port == Some(80);
        let arrived = one.observed.seen.arrived();
        assert_eq!(
            arrived,
            Some(!is_refused),
            "{} to {}: {one:?}",
            from.name,
            to.name
        );
        if is_refused && one.connection.protocol == Protocol::Tcp {
            assert!(one.observed.detail.contains("in the name of"), "{one:?}");
            rejected += 1;
            let mut rules = one.observed.kernel.iter();
            explained += usize::from(rules.any(|rule| rule.ends_with("reject")));
        }
    }
    assert!(rejected > 1 && explained > 0, "{rejected} {explained}");
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
