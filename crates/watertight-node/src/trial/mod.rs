//! Policies on trial: every connection that can be asked about, predicted and then tried.
//!
//! 1. The cluster is up, and no policy is in force. Everything that is predicted to be denied is tried: what
//!    does not arrive now proves nothing later. That is the control.
//! 2. Every node gets its table, in one transaction each.
//! 3. Everything is tried, allowed or denied. Drops are proved by the rule that logged the packet.
//! 4. Where packets and prediction differ, the connection is tried once more, alone, and the counters of
//!    the kernel's rules tell which of them it met.
//!
//! INVARIANT: "it did not arrive" counts as denied only if it arrived without policies.

mod connections;
mod parties;
mod published;
mod questions;
mod retry;
mod sample;
#[cfg(test)]
mod tests;
mod unsaid;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use watertight_core::eval::Evaluator;
use watertight_core::report::lab::{LabParty, Observed, Seen, Trial};
use watertight_core::sets::Protocol;
use watertight_core::world::NodeId;

pub use connections::{Planned, dial};
pub use parties::{Party, parties};
pub use questions::{Ask, Asked, ask};

use self::unsaid::Unsayable;
use crate::enforce::Enforcer;
use crate::lab::{self, Cluster, Place, Plan, services};
use crate::netlink::{self, Socket};
use crate::nft::compile::{Compiled, Options, compile};
use crate::probe::{self, Listener, Listeners, Outcome, Question, Settings, Watch};
use crate::sys;

/// Differences that are looked into; further ones are reported without it.
const LOOKED_INTO: usize = 20;

/// A step of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Connections while no policy is in force.
    Control,
    /// Tables go to the nodes.
    Enforce,
    /// Connections under policies.
    Treatment,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Control => "connections without policies",
            Self::Enforce => "policies on nodes",
            Self::Treatment => "connections under policies",
        })
    }
}

/// What went wrong with a trial.
#[derive(Debug)]
pub enum Error {
    /// A call of the kernel.
    System(sys::Error),
    /// Services could not be made.
    Lab(lab::Error),
    /// A node did not take its table.
    Table {
        /// The node.
        node: Box<str>,
        /// What the kernel said.
        cause: netlink::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(cause) => cause.fmt(f),
            Self::Lab(cause) => cause.fmt(f),
            Self::Table { node, cause } => {
                write!(f, "node {node} did not take its policies: {cause}")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<lab::Error> for Error {
    fn from(cause: lab::Error) -> Self {
        Self::Lab(cause)
    }
}

impl From<sys::Error> for Error {
    fn from(cause: sys::Error) -> Self {
        Self::System(cause)
    }
}

/// A cluster that is up, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'s, 'w> {
    /// Who lives where.
    pub plan: &'s Plan,
    /// The namespaces.
    pub cluster: &'s Cluster,
    /// The world of the plan, under its policies.
    pub eval: &'s Evaluator<'w>,
}

/// What came of a trial.
#[derive(Debug)]
pub struct Tried {
    /// Every connection, predicted and tried.
    pub trials: Vec<Trial>,
    /// The tables of the nodes.
    pub tables: BTreeMap<NodeId, Compiled>,
    /// From the first node's transaction to the last one's end.
    pub enforced_in: Duration,
}

/// The table of every node.
#[must_use]
pub fn tables(plan: &Plan, eval: &Evaluator<'_>, options: Options) -> BTreeMap<NodeId, Compiled> {
    let node = |id: NodeId| {
        let (own, shared) = ranges(plan, id);
        let mut compiled = compile(eval, id, &own, options);
        compiled.unguarded = shared;
        (id, compiled)
    };
    plan.nodes.iter().map(|of| node(of.id)).collect()
}

/// The networks that pods of a node alone have addresses of: whoever else uses one there is cut off. And those in
/// which nobody is, because others have addresses there, too.
fn ranges(plan: &Plan, node: NodeId) -> (Vec<IpNet>, Vec<IpNet>) {
    let net = |ip: &IpAddr| {
        IpNet::new(*ip, if ip.is_ipv4() { 24 } else { 64 })
            .ok()
            .map(|net| net.trunc())
    };
    let (mut own, mut others) = (BTreeSet::new(), BTreeSet::new());
    for pod in &plan.pods {
        let list = if pod.node == node {
            &mut own
        } else {
            &mut others
        };
        list.extend(pod.ips.iter().filter_map(net));
    }
    let nodes = plan.nodes.iter().flat_map(|node| &node.ips);
    others.extend(
        nodes
            .chain(plan.outside.iter().map(|outside| &outside.ip))
            .filter_map(net),
    );
    own.into_iter().partition(|net| !others.contains(net))
}

/// Puts tables into force.
pub fn enforce(
    scene: &Scene<'_, '_>,
    tables: &BTreeMap<NodeId, Compiled>,
) -> Result<Duration, Error> {
    let started = Instant::now();
    for node in &scene.plan.nodes {
        let (Some(compiled), Some(namespace)) = (
            tables.get(&node.id),
            scene.cluster.namespace(Place::Node(node.id)),
        ) else {
            continue;
        };
        let put = || {
            let socket = Socket::open(netlink::Protocol::Netfilter)?;
            // What it put into force stays. No pod of a lab was there before.
            let started = Enforcer::start(socket, compiled.table.clone(), &[]);
            started.map(drop).map_err(|error| error.cause().clone())
        };
        namespace.run(put)?.map_err(|cause| Error::Table {
            node: node.name.clone(),
            cause,
        })?;
    }
    Ok(started.elapsed())
}

/// Tries what is asked.
pub fn run(
    scene: &Scene<'_, '_>,
    asked: &Asked,
    rules: Options,
    settings: &Settings,
    tell: &(dyn Fn(Step, usize, usize) + Sync),
) -> Result<Tried, Error> {
    let tables = tables(scene.plan, scene.eval, rules);
    run_under(scene, asked, tables, rules.group, settings, tell)
}

/// The same with tables that may come from elsewhere; they log to a group.
pub fn run_under(
    scene: &Scene<'_, '_>,
    asked: &Asked,
    tables: BTreeMap<NodeId, Compiled>,
    group: u16,
    settings: &Settings,
    tell: &(dyn Fn(Step, usize, usize) + Sync),
) -> Result<Tried, Error> {
    services::install(scene.eval.world, scene.plan, scene.cluster)?;
    let parties = askers(scene, asked);
    let _listeners = listen(scene, asked)?;
    let watches = watches(scene, group);
    let questions: Vec<Question> = asked.connections.iter().map(|one| one.question).collect();
    let unsaid = Unsayable::of(tables.values());
    let rests_on_it = |one: &Planned| unsaid.is_below(&one.connection, &one.verdict);
    let is_judged: Vec<bool> = asked
        .connections
        .iter()
        .map(|one| one.is_judged && !rests_on_it(one))
        .collect();

    // Without policies: what is denied later must arrive now.
    let denied: Vec<usize> = (0..questions.len())
        .filter(|at| {
            asked
                .connections
                .get(*at)
                .is_some_and(|one| !one.verdict.allowed)
        })
        .collect();
    let controls: Vec<Question> = denied
        .iter()
        .filter_map(|at| questions.get(*at).copied())
        .collect();
    let progress = |progress: probe::Progress| tell(Step::Control, progress.done, progress.total);
    let mut answers = probe::run(&parties, &controls, &watches, settings, &progress)?;
    retry::doubtful(
        &mut answers,
        &controls,
        (&parties, &watches),
        settings,
        |_| true,
    )?;
    let control: BTreeMap<usize, Seen> = denied
        .into_iter()
        .zip(&answers)
        .filter_map(|(at, answer)| {
            // Whoever should not have answered is no control.
            let hosts = asked.hosts(asked.connections.get(at)?);
            let observed = observed(&tables, scene, &answer.outcome, &hosts);
            Some((
                at,
                unanswered(observed, questions.get(at)?, &answer.outcome).seen,
            ))
        })
        .collect();

    tell(Step::Enforce, 0, tables.len());
    let enforced_in = enforce(scene, &tables)?;

    let progress = |progress: probe::Progress| tell(Step::Treatment, progress.done, progress.total);
    let mut answers = probe::run(&parties, &questions, &watches, settings, &progress)?;
    let is_allowed = |at: usize| {
        let one = asked.connections.get(at);
        one.is_some_and(|one| one.verdict.allowed)
    };
    retry::doubtful(
        &mut answers,
        &questions,
        (&parties, &watches),
        settings,
        is_allowed,
    )?;
    let is_denied = |at: usize| !is_allowed(at) && is_judged.get(at) == Some(&true);
    retry::unlogged(
        &mut answers,
        &questions,
        (&parties, &watches),
        settings,
        is_denied,
    )?;
    let mut trials = Vec::with_capacity(answers.len());
    for (at, (one, answer)) in asked.connections.iter().zip(&answers).enumerate() {
        let hosts = asked.hosts(one);
        let mut observed = observed(&tables, scene, &answer.outcome, &hosts);
        if one.verdict.allowed {
            observed = unanswered(observed, &one.question, &answer.outcome);
        }
        trials.push(Trial {
            from: one.from,
            to: one.to,
            connection: one.connection,
            family: one.family,
            verdict: one.verdict,
            is_judged: is_judged.get(at).copied().unwrap_or_default(),
            unjudged: one.unjudged,
            control: control.get(&at).copied(),
            observed,
        });
    }
    let differing: Vec<usize> = (0..trials.len())
        .filter(|at| {
            trials.get(*at).is_some_and(|trial| {
                trial.is_judged
                    && trial
                        .observed
                        .seen
                        .arrived()
                        .is_some_and(|arrived| arrived != trial.verdict.allowed)
            })
        })
        .take(LOOKED_INTO)
        .collect();
    for at in differing {
        let (Some(question), Some(trial)) = (questions.get(at), trials.get_mut(at)) else {
            continue;
        };
        trial.observed.kernel =
            retry::rules_met(scene, &tables, (&parties, &watches), question, settings)?;
    }
    Ok(Tried {
        trials,
        tables,
        enforced_in,
    })
}

fn askers(scene: &Scene<'_, '_>, asked: &Asked) -> Vec<probe::Party> {
    let party = |party: &parties::Party| {
        let namespace = scene.cluster.namespace(party.place)?;
        Some(probe::Party {
            name: Arc::clone(&party.name),
            namespace: Arc::new(namespace.clone()),
            // Nobody has the address of a Service: what goes there is translated.
            addresses: if party.is_service() {
                Vec::new()
            } else {
                party.ips.clone()
            },
        })
    };
    asked.parties.iter().filter_map(party).collect()
}

/// Somebody waits on every port that is tried, so that what arrives is answered.
fn listen(scene: &Scene<'_, '_>, asked: &Asked) -> Result<Listeners, Error> {
    let mut wanted: BTreeMap<(Place, Protocol, u16), Arc<str>> = BTreeMap::new();
    for one in &asked.connections {
        if one.question.protocol == Protocol::Icmp {
            continue;
        }
        for (party, port) in &one.answer_by {
            if let Some(to) = asked.parties.get(*party) {
                let key = (to.place, one.question.protocol, *port);
                wanted.entry(key).or_insert_with(|| Arc::clone(&to.host));
            }
        }
    }
    let listeners = wanted
        .into_iter()
        .filter_map(|((place, protocol, port), name)| {
            let namespace = Arc::new(scene.cluster.namespace(place)?.clone());
            Some(Listener {
                name,
                namespace,
                protocol,
                port,
                address: None,
            })
        });
    Ok(probe::listen(listeners.collect())?)
}

fn watches(scene: &Scene<'_, '_>, group: u16) -> Vec<Watch> {
    let nodes = scene.plan.nodes.iter();
    let watch = |node: &crate::lab::Node| {
        let namespace = scene.cluster.namespace(Place::Node(node.id))?;
        Some(Watch {
            node: Arc::from(&*node.name),
            namespace: Arc::new(namespace.clone()),
            group,
        })
    };
    nodes.filter_map(watch).collect()
}

fn seen(outcome: &Outcome) -> Seen {
    match outcome {
        Outcome::Open { .. } => Seen::Open,
        Outcome::Refused => Seen::Refused,
        Outcome::Rejected { .. } => Seen::Rejected,
        Outcome::Dropped { .. } => Seen::Dropped,
        Outcome::Timeout => Seen::Timeout,
        Outcome::Error(_) => Seen::Error,
    }
}

fn observed(
    tables: &BTreeMap<NodeId, Compiled>,
    scene: &Scene<'_, '_>,
    outcome: &Outcome,
    hosts: &[&str],
) -> Observed {
    let mut seen = seen(outcome);
    let detail = match outcome {
        Outcome::Open { by: Some(by) } => {
            // A node and the host-network pods on it answer with one voice.
            if !hosts.contains(&&*by.name) {
                seen = Seen::Error;
            }
            format!("{} answered", by.name)
        }
        Outcome::Open { by: None } => "somebody answered".into(),
        Outcome::Refused => "it arrived where nobody listens".into(),
        Outcome::Rejected { by, with } => format!("{by} rejected it with {with}"),
        Outcome::Dropped { node, prefix } => {
            let node = scene.plan.nodes.get(*node);
            let name = node.map(|node| &*node.name).unwrap_or_default();
            let compiled = node.and_then(|node| tables.get(&node.id));
            let blame = compiled.and_then(|compiled| compiled.blames.get(prefix));
            match blame {
                Some((_, why)) => format!("node {name} dropped it: {why}"),
                None => format!("node {name} dropped it ({prefix})"),
            }
        }
        Outcome::Timeout => "silence, and no rule that logged it".into(),
        Outcome::Error(text) => text.to_string(),
    };
    Observed {
        seen,
        detail,
        kernel: Vec::new(),
    }
}

/// What should arrive is answered by whoever waits there: nothing else proves that it does.
fn unanswered(observed: Observed, question: &Question, outcome: &Outcome) -> Observed {
    let (seen, detail) = match outcome {
        _ if !retry::is_doubtful(outcome, question) => return observed,
        Outcome::Refused => (
            Seen::Rejected,
            "it was refused in the name of the destination, where somebody waits for it",
        ),
        _ => (Seen::Error, "somebody answered who did not say who it is"),
    };
    Observed {
        seen,
        detail: detail.into(),
        ..observed
    }
}

/// Parties as the report names them.
#[must_use]
pub fn described(plan: &Plan, asked: &Asked) -> Vec<LabParty> {
    let node_name = |id: NodeId| {
        plan.nodes
            .iter()
            .find(|node| node.id == id)
            .map(|node| node.name.to_string())
    };
    let party = |party: &parties::Party| LabParty {
        name: party.name.to_string(),
        kind: party.kind.into(),
        node: match party.place {
            // A node needs not be told where it is.
            Place::Node(_) if party.kind == "node" => None,
            place => plan.node_of(place).and_then(node_name),
        },
        addresses: party.ips.iter().map(ToString::to_string).collect(),
    };
    asked.parties.iter().map(party).collect()
}
