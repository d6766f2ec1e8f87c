//! A lab of many pods, and questions between all of them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use watertight_core::eval::{Connection, Evaluator, Family, Party as Meant};
use watertight_core::policy::lower;
use watertight_core::sets::Protocol;
use watertight_node::lab::{Cluster, Options, Place, Plan, Pod};
use watertight_node::nft::compile;
use watertight_node::probe::{self, Listener, Outcome, Party, Question, Settings, Watch};
use watertight_node::trial;

use super::worlds::{PORT, Scene};

const PROTOCOLS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

/// Applications; pods of one are alike.
const APPS: usize = 20;

/// What it took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probed {
    pub(super) up: Duration,
    pub(super) enforced: Duration,
    pub(super) asked: Duration,
    pub(super) questions: usize,
    pub(super) open: usize,
    /// Denied, and the rule's record of the packet is there.
    pub(super) dropped: usize,
    /// What ended otherwise than predicted, or without proof.
    pub(super) wrong: usize,
}

pub(super) fn run(pods: usize) -> anyhow::Result<Probed> {
    let mut scene = Scene::read(&manifests(pods))?;
    let started = Instant::now();
    let plan = Plan::new(&mut scene.world, &Options::default())?;
    let cluster = Cluster::up(&plan, &|_, _, _| {})?;
    let up = started.elapsed();
    let ruleset = lower(&scene.world, &scene.profile);
    let eval = Evaluator::new(&scene.world, &ruleset, scene.profile.switches);
    let seen = trial::Scene {
        plan: &plan,
        cluster: &cluster,
        eval: &eval,
    };
    let options = compile::Options::default();
    let tables = trial::tables(&plan, &eval, options);
    let enforced = trial::enforce(&seen, &tables)?;

    let namespace = |place| {
        let namespace = cluster.namespace(place).cloned();
        namespace
            .map(Arc::new)
            .context("a place without a namespace")
    };
    let (mut parties, mut listeners, mut watches) = (Vec::new(), Vec::new(), Vec::new());
    let pods: Vec<&Pod> = plan
        .pods
        .iter()
        .filter(|pod| pod.name.starts_with("bench/"))
        .collect();
    for pod in &pods {
        let name: Arc<str> = Arc::from(&*pod.name);
        let namespace = namespace(Place::Pod(pod.id))?;
        listeners.extend(PROTOCOLS.map(|protocol| Listener {
            name: Arc::clone(&name),
            namespace: Arc::clone(&namespace),
            protocol,
            port: PORT,
            address: None,
        }));
        parties.push(Party {
            name,
            namespace,
            addresses: pod.ips.clone(),
        });
    }
    for node in &plan.nodes {
        watches.push(Watch {
            node: Arc::from(&*node.name),
            namespace: namespace(Place::Node(node.id))?,
            group: options.group,
        });
    }
    let (mut questions, mut allowed) = (Vec::new(), Vec::new());
    for (from, source) in pods.iter().enumerate() {
        for target in pods.iter().filter(|target| target.id != source.id) {
            let to = target.ips.iter().copied().find(std::net::IpAddr::is_ipv4);
            let to = to.context("a pod without an address of IPv4")?;
            for protocol in PROTOCOLS {
                let ends = [source.id, target.id].map(Meant::Endpoint);
                let mut connection = Connection::new(ends[0], ends[1], protocol, PORT);
                connection.family = Some(Family::V4);
                allowed.push(eval.verdict(&connection).allowed);
                questions.push(Question {
                    from,
                    to,
                    protocol,
                    port: PORT,
                    source_port: None,
                    from_address: None,
                    masked: None,
                    to_names: None,
                });
            }
        }
    }
    let started = Instant::now();
    let _listeners = probe::listen(listeners)?;
    let answers = probe::run(
        &parties,
        &questions,
        &watches,
        &Settings::default(),
        &|_| {},
    )?;
    let asked = started.elapsed();
    ensure!(
        answers.len() == allowed.len(),
        "questions without an answer"
    );
    let count = |is: fn(&Outcome) -> bool| answers.iter().filter(|one| is(&one.outcome)).count();
    let as_predicted = |(answer, allowed): (&probe::Answer, &bool)| match answer.outcome {
        Outcome::Open { .. } => *allowed,
        Outcome::Dropped { .. } => !*allowed,
        _ => false,
    };
    Ok(Probed {
        up,
        enforced,
        asked,
        questions: questions.len(),
        open: count(|outcome| matches!(outcome, Outcome::Open { .. })),
        dropped: count(|outcome| matches!(outcome, Outcome::Dropped { .. })),
        wrong: answers
            .iter()
            .zip(&allowed)
            .filter(|one| !as_predicted(*one))
            .count(),
    })
}

/// Pods of twenty applications on two nodes. Every other application lets in two others and its neighbour only.
fn manifests(pods: usize) -> String {
    let mut text = String::new();
    for number in 0..pods {
        let app = number % APPS;
        _ = write!(
            text,
            "---\napiVersion: v1\nkind: Pod\n\
             metadata: {{name: p{number}, namespace: bench, labels: {{app: a{app}}}}}\n\
             spec: {{containers: [{{name: c, image: i}}]}}\n"
        );
    }
    for app in (0..APPS).step_by(2) {
        let [one, two, three] = [app + 1, app + 5, app + 8].map(|app| app % APPS);
        let ports = ["TCP", "UDP", "SCTP"].map(|of| format!("{{port: {PORT}, protocol: {of}}}"));
        _ = write!(
            text,
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
             metadata: {{name: np{app}, namespace: bench}}\n\
             spec: {{podSelector: {{matchLabels: {{app: a{app}}}}}, ingress: [{{from: [{{podSelector: \
             {{matchExpressions: [{{key: app, operator: In, values: [a{one}, a{two}, a{three}]}}]}}}}], \
             ports: [{}]}}]}}\n",
            ports.join(", ")
        );
    }
    text
}
