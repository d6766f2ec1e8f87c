//! "I have policies, but the service is still wide open": why, in six steps.
//!
//! Policies are judged as they would act if the engine enforced them, and beside that stands what
//! the cluster shows about the engine; so a cluster that enforces nothing still learns what else is
//! wrong.
//!
//! INVARIANT: a step that rests on something that was not read is unknown at best, never passed.
//! The answer says "should": objects show what ought to enforce policies, and packets alone what
//! does.

mod answer;
mod enforcement;
mod flow;
mod steps;
#[cfg(test)]
mod tests;

use self::flow::Judged;
use crate::analysis::parties::{PortQuery, Selection, What};
use crate::diag::{Evidence, Finding};
use crate::engine::detect::{Detected, Proof, State, detect_with};
use crate::engine::{Enforcement, EnforcementFact, EnforcementSwitch, Profile};
use crate::eval::Evaluator;
use crate::facts::metadata::Cloud;
use crate::facts::word_enum;
use crate::manifest::Direction;
use crate::policy::{Ruleset, lower};
use crate::rules::{self, Context};
use crate::source::{Sources, Span};
use crate::world::{EndpointId, Lifecycle, NamespaceId, World};

word_enum! {
    /// Whether policies do anything for what was asked about.
    pub enum Answer {
        /// They should hold.
        Real => "real",
        /// They should hold for a part of it.
        Partly => "partly",
        /// They are there for the eye only.
        Decorative => "decorative",
        /// What was read does not tell.
        Unknown => "unknown",
    }
}

word_enum! {
    /// How a step went.
    pub enum StepState {
        /// Nothing is wrong.
        Passed => "passed",
        /// Something is wrong.
        Failed => "failed",
        /// What was read does not tell.
        Unknown => "unknown",
        /// There is nothing to look at.
        NotApplicable => "not-applicable",
    }
}

/// What is asked about.
#[derive(Clone, Debug)]
pub enum Target {
    /// Everything.
    Cluster,
    /// All pods of these namespaces.
    Namespaces(Vec<NamespaceId>),
    /// Some pods, or those behind a Service.
    Pods(Selection),
    /// Connections.
    Flow {
        /// Who connects.
        from: Selection,
        /// To whom.
        to: Selection,
        /// The ports; empty for those that are declared.
        ports: Vec<PortQuery>,
    },
}

/// One thing that a step rests on.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// A sentence without a full stop.
    pub text: String,
    /// Whether it is what makes the step fail, or unknown.
    pub is_cause: bool,
    /// Where.
    pub span: Option<Span>,
    /// Values that show it.
    pub proof: Vec<Proof>,
    /// Judged connections that show it.
    pub connections: Vec<Evidence>,
    /// The rule that found it, or the name of the cause.
    pub id: Option<&'static str>,
    /// What to do.
    pub advice: Option<String>,
    /// Where what it rests on was read: a file or a page of the engine's project.
    pub source: Option<&'static str>,
}

impl Item {
    fn of(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    fn cause(mut self) -> Self {
        self.is_cause = true;
        self
    }

    fn at(mut self, span: Option<Span>) -> Self {
        self.span = span;
        self
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into()).filter(|advice: &String| !advice.is_empty());
        self
    }
}

/// One of the six steps.
#[derive(Clone, Debug)]
pub struct Step {
    /// `enforcement`
    pub name: &'static str,
    /// What it asks.
    pub question: &'static str,
    /// How it went.
    pub state: StepState,
    /// The answer: one sentence without a full stop.
    pub summary: String,
    /// What it rests on, causes first.
    pub items: Vec<Item>,
    /// How many more causes there are.
    pub more: usize,
}

/// The diagnosis.
#[derive(Clone, Debug)]
pub struct Diagnosis {
    /// What was asked about, in words.
    pub target: String,
    /// The answer.
    pub answer: Answer,
    /// Why: one sentence without a full stop.
    pub because: String,
    /// The six steps.
    pub steps: Vec<Step>,
    /// What the cluster shows about engines and nodes.
    pub detected: Detected,
    /// How many pods it is about.
    pub pods: usize,
}

/// What the steps share.
struct Case<'a> {
    context: &'a Context<'a>,
    detected: &'a Detected,
    findings: &'a [Finding],
    target: &'a Target,
    /// The pods that policies can apply to.
    pods: Vec<EndpointId>,
    /// The pods on the network of their node.
    host_pods: Vec<EndpointId>,
    /// The namespaces that it is about; none for all.
    namespaces: Option<Vec<NamespaceId>>,
    /// The connections, for a flow, or why there are none.
    connections: Result<Vec<Judged>, String>,
}

/// Rules whose findings belong to a step.
const RULES: &[&str] = &[
    "WT103", "WT104", "WT105", "WT106", "WT107", "WT108", "WT207", "WT208", "WT401", "WT402",
    "WT403", "WT404", "WT405", "WT409", "WT410", "WT501", "WT502", "WT503", "WT602", "WT603",
    "WT604", "WT605",
];

/// What a diagnosis is made from.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The files.
    pub sources: &'a Sources,
    /// The cluster.
    pub world: &'a World,
    /// The engine.
    pub profile: &'a Profile,
    /// Whether somebody has named it.
    pub engine_is_named: bool,
    /// The switches that somebody has set.
    pub pinned: &'a [String],
    /// What reading has found.
    pub reading: &'a [Finding],
}

/// Diagnoses a world for the engine in its profile.
#[must_use]
pub fn diagnose(given: &Given<'_>, target: &Target) -> Diagnosis {
    let (sources, world) = (given.sources, given.world);
    let named = given.engine_is_named.then_some(given.profile);
    let detected = detect_with(world, named);
    let paper = on_paper(*given.profile);
    let ruleset: Ruleset = lower(world, &paper);
    let eval = Evaluator::new(world, &ruleset, paper.switches);
    let context = Context::new(sources, &eval, &paper, Cloud::ALL);
    let mut findings: Vec<Finding> = given.reading.to_vec();
    rules::run(&context, |rule| RULES.contains(&rule.id), &mut findings);
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let connections = match target {
        Target::Flow { from, to, ports } => flow::judge(given, &eval, &paper, (from, to), ports),
        _ => Ok(Vec::new()),
    };
    let (pods, host_pods): (Vec<_>, Vec<_>) = subjects(&context, target)
        .into_iter()
        .partition(|id| world[*id].host_network.is_none());
    let case = Case {
        context: &context,
        detected: &detected,
        findings: &findings,
        target,
        namespaces: namespaces(world, target, &pods, &host_pods),
        pods,
        host_pods,
        connections,
    };
    let steps = vec![
        enforcement::enforcement(&case),
        steps::isolation(&case),
        steps::tiers(&case),
        steps::labels(&case),
        steps::versions(&case),
        steps::host_network(&case),
    ];
    let (answer, because) = answer::answer(&case, &steps);
    let pods = case.pods.len() + case.host_pods.len();
    Diagnosis {
        target: words(world, target),
        answer,
        because,
        steps,
        pods,
        detected,
    }
}

/// The profile as if its engine enforced policies.
fn on_paper(mut profile: Profile) -> Profile {
    if profile.enforcement() == Enforcement::NotEnforced {
        profile.switches.enforcement = EnforcementSwitch::Default;
        profile.seen = Some(EnforcementFact {
            state: Enforcement::Enforced,
            reason: "on paper",
        });
    }
    profile
}

/// Whom a question is about: for the cluster, the namespaces in which somebody wrote policies, or else
/// all of them.
fn subjects(context: &Context<'_>, target: &Target) -> Vec<EndpointId> {
    let world = context.world;
    let there = |id: &EndpointId| {
        let pod = &world[*id];
        pod.lifecycle != Lifecycle::Finished && !pod.assumed
    };
    let of = |selection: &Selection| -> Vec<EndpointId> {
        match &selection.what {
            What::Endpoints(pods) => pods.iter().copied().filter(there).collect(),
            What::Service(service) => world.selected_by(*service),
            _ => Vec::new(),
        }
    };
    match target {
        Target::Cluster => {
            let with_policies = |id: NamespaceId| {
                let own = world.objects.iter().any(|item| item.namespace == Some(id));
                own || !world[id].policies.is_empty()
            };
            let chosen: Vec<bool> = world.namespace_ids().map(with_policies).collect();
            let isolated = |id: EndpointId| {
                Direction::BOTH
                    .iter()
                    .any(|direction| context.eval.is_isolated(id, *direction))
            };
            let all: Vec<_> = world.endpoint_ids().filter(there).collect();
            let meant = all.iter().copied().filter(|id| {
                let namespace = world[*id].namespace.index();
                chosen.get(namespace) == Some(&true) || isolated(*id)
            });
            let meant: Vec<_> = meant.collect();
            // Where nobody wrote any, or none could be read, all of them do without.
            if meant.is_empty() { all } else { meant }
        }
        Target::Namespaces(ids) => {
            let all = ids.iter().flat_map(|id| &world[*id].endpoints).copied();
            all.filter(there).collect()
        }
        Target::Pods(selection) => of(selection),
        Target::Flow { from, to, .. } => {
            let mut all = of(to);
            let mut others = of(from);
            others.retain(|id| !all.contains(id));
            all.extend(others);
            all
        }
    }
}

fn namespaces(
    world: &World,
    target: &Target,
    pods: &[EndpointId],
    host_pods: &[EndpointId],
) -> Option<Vec<NamespaceId>> {
    match target {
        Target::Cluster => None,
        Target::Namespaces(ids) => Some(ids.clone()),
        Target::Pods(_) | Target::Flow { .. } => {
            let all = pods.iter().chain(host_pods);
            let mut all: Vec<_> = all.map(|id| world[*id].namespace).collect();
            all.sort_unstable();
            all.dedup();
            Some(all)
        }
    }
}

fn words(world: &World, target: &Target) -> String {
    match target {
        Target::Cluster => "the cluster".to_owned(),
        Target::Namespaces(ids) => {
            let names = ids.iter().map(|id| &*world[*id].name);
            let names: Vec<_> = names.collect();
            match names.len() {
                1 => format!("namespace {}", names.join("")),
                _ => format!("namespaces {}", names.join(", ")),
            }
        }
        Target::Pods(selection) => selection.text.clone(),
        Target::Flow { from, to, ports } => {
            crate::analysis::parties::spell(&from.text, &to.text, ports)
        }
    }
}

/// `yes` and so on for the state of nodes.
fn step_of(state: State) -> StepState {
    if state.is_enforced() {
        StepState::Passed
    } else if state == State::Unknown {
        StepState::Unknown
    } else {
        StepState::Failed
    }
}
