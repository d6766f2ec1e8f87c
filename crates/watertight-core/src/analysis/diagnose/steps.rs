//! Steps 2 to 6: what is wrong with the policies themselves, were they enforced.

use std::collections::{BTreeMap, BTreeSet};

use super::flow::Judged;
use super::{Case, Item, Step, StepState, Target};
use crate::analysis::explain::Outcome;
use crate::diag::{Finding, Severity};
use crate::engine::unread_policies;
use crate::eval::{Decision, Reason};
use crate::manifest::Direction;
use crate::policy::{Origin, PolicyRef};
use crate::rules::count;
use crate::world::inventory::KindRead;
use crate::world::{EndpointId, NamespaceId};

/// Items that a step lists.
const MOST: usize = 6;

impl Case<'_> {
    /// Whether a finding is about one of the namespaces that are asked about, or about all.
    fn concerns(&self, finding: &Finding) -> bool {
        let Some(namespaces) = &self.namespaces else {
            return true;
        };
        let Some(subject) = &finding.subject else {
            return true;
        };
        let name = match (&subject.namespace, subject.kind.as_str()) {
            (Some(namespace), _) => namespace,
            (None, "Namespace") => &subject.name,
            (None, _) => return true,
        };
        let id = self.context.world.namespace(name);
        id.is_some_and(|id| namespaces.contains(&id))
    }

    fn items(&self, rules: &[&str]) -> Vec<Item> {
        let found = self.findings.iter();
        let found = found.filter(|finding| rules.contains(&finding.rule.id));
        let found = found.filter(|finding| self.concerns(finding));
        let items = found.map(|finding| Item {
            text: finding.message.clone(),
            is_cause: finding.severity >= Severity::Warning,
            span: finding.span(),
            proof: Vec::new(),
            connections: finding.evidence.clone(),
            id: Some(finding.rule.id),
            advice: finding.fix.as_ref().map(|fix| fix.message.clone()),
            source: None,
        });
        items.collect()
    }

    /// What could not be read anywhere and matters, as items.
    fn missing(&self, kinds: &[(&str, &str)]) -> Vec<Item> {
        self.kinds_missing(kinds).map(unread_item).collect()
    }

    /// What could not be read in the namespaces that are asked about.
    fn missing_here(&self, kinds: &[(&str, &str)]) -> Vec<Item> {
        let missing = self.kinds_missing(kinds);
        let missing = missing.filter(|kind| !self.is_covered(kind));
        missing.map(unread_item).collect()
    }

    fn kinds_missing(&self, kinds: &[(&str, &str)]) -> impl Iterator<Item = &KindRead> {
        let inventory = &self.context.world.inventory;
        kinds
            .iter()
            .filter_map(|(group, resource)| inventory.missing(group, resource))
    }

    /// Kinds of policies that could not be read where it matters, and that the engine acts on.
    fn unread(&self) -> impl Iterator<Item = &KindRead> {
        let kinds = unread_policies(self.context.world, self.context.profile);
        kinds.filter(|kind| !self.is_covered(kind))
    }

    /// Whether all objects of a kind were read in the namespaces that are asked about.
    fn is_covered(&self, kind: &KindRead) -> bool {
        let world = self.context.world;
        let asked = self.namespaces.as_deref().unwrap_or_default();
        !asked.is_empty() && asked.iter().all(|id| kind.covers(&world[*id].name))
    }

    /// The same as items: what nothing seems to isolate, one of them may.
    fn missing_policies(&self) -> Vec<Item> {
        self.unread().map(unread_item).collect()
    }

    fn origin(&self, at: PolicyRef) -> Origin {
        self.context.eval.ruleset[at].origin
    }

    fn policy_words(&self, at: PolicyRef) -> String {
        let world = self.context.world;
        let origin = self.origin(at);
        format!("{} {}", origin.kind(world), origin.name(world))
    }
}

fn unread_item(kind: &KindRead) -> Item {
    let text = format!("{}: {}", kind.complaint(), kind.consequence());
    let item = Item::of(text).cause().at(Some(kind.span));
    item.advice(kind.advice())
}

/// Puts a step together: what was not read makes it unknown, causes make it fail.
fn step(
    name: &'static str,
    question: &'static str,
    mut items: Vec<Item>,
    missing: Vec<Item>,
    words: impl FnOnce(StepState, usize) -> String,
) -> Step {
    let failed = items.iter().filter(|item| item.is_cause).count();
    let state = match (failed, missing.is_empty()) {
        (1.., _) => StepState::Failed,
        (0, false) => StepState::Unknown,
        (0, true) => StepState::Passed,
    };
    items.sort_by_key(|item| !item.is_cause);
    let summary = match (state, missing.first()) {
        (StepState::Unknown, Some(first)) => first.text.clone(),
        _ => words(state, failed),
    };
    items.extend(missing);
    let more = items.len().saturating_sub(MOST);
    items.truncate(MOST);
    Step {
        name,
        question,
        state,
        summary,
        items,
        more,
    }
}

fn plural(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

const READ_POLICIES: (&str, &str) = ("networking.k8s.io", "networkpolicies");

const READ: &[(&str, &str)] = &[READ_POLICIES, ("", "pods"), ("", "namespaces")];

/// Step 2: is it isolated in both directions?
pub(super) fn isolation(case: &Case<'_>) -> Step {
    let name = "isolation";
    let question = "do policies isolate it, in both directions?";
    let mut missing = case.missing_here(READ);
    if let Target::Flow { .. } = case.target {
        return flow(case, name, question, missing);
    }
    let eval = case.context.eval;
    let world = case.context.world;
    let total = case.pods.len();
    if total == 0 {
        let items = vec![Item::of(
            "no pod or workload that policies can apply to was read",
        )];
        let state = match missing.is_empty() {
            true => StepState::NotApplicable,
            false => StepState::Unknown,
        };
        let summary = match missing.into_iter().next() {
            Some(first) => first.text,
            None => "there are no pods here that policies can apply to".to_owned(),
        };
        return Step {
            name,
            question,
            state,
            summary,
            items,
            more: 0,
        };
    }
    let mut items = Vec::new();
    let mut counts = [0; 2];
    for (place, direction) in counts
        .iter_mut()
        .zip([Direction::Ingress, Direction::Egress])
    {
        let mut open: BTreeMap<String, EndpointId> = BTreeMap::new();
        for pod in &case.pods {
            if eval.is_isolated(*pod, direction) {
                *place += 1;
            } else {
                open.entry(world.display_name(*pod)).or_insert(*pod);
            }
        }
        if !open.is_empty() {
            items.push(open_item(case, direction, &open));
        }
    }
    let unread = case.missing_policies();
    if !items.is_empty() && !unread.is_empty() {
        items.iter_mut().for_each(|item| item.is_cause = false);
        missing.extend(unread);
        missing.dedup_by(|a, b| a.text == b.text);
    }
    items.extend(case.items(&["WT103", "WT104", "WT105"]));
    step(name, question, items, missing, |_, _| {
        let [ingress, egress] = counts;
        let pods = count(total, "pod");
        match (ingress == total, egress == total) {
            (true, true) if total == 1 => "it is isolated in both directions".to_owned(),
            (true, true) => format!("all {pods} are isolated in both directions"),
            _ if total == 1 => match (ingress, egress) {
                (1, _) => "it is isolated for ingress, and open for egress".to_owned(),
                (_, 1) => "it is isolated for egress, and open for ingress".to_owned(),
                _ => "no policy isolates it, in either direction".to_owned(),
            },
            _ => format!("of {pods}, {ingress} are isolated for ingress and {egress} for egress"),
        }
    })
}

/// Who is open in a direction, and what is lacking.
fn open_item(case: &Case<'_>, direction: Direction, open: &BTreeMap<String, EndpointId>) -> Item {
    let world = case.context.world;
    let names: Vec<&str> = open.keys().map(String::as_str).take(4).collect();
    let more = match open.len().saturating_sub(names.len()) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let word = direction_word(direction);
    let text = format!(
        "no policy isolates {}{more} for {word}: every connection {} is allowed",
        names.join(", "),
        match direction {
            Direction::Ingress => "to it",
            Direction::Egress => "out of it",
        }
    );
    let first = open.values().next();
    let span = first.and_then(|id| world[*id].span);
    let namespace = first.map_or("", |id| &world[world[*id].namespace].name);
    let types = match direction {
        Direction::Ingress => "Ingress",
        Direction::Egress => "Egress",
    };
    Item::of(text).cause().at(span).advice(format!(
        "add a NetworkPolicy with podSelector: {{}} and policyTypes: [{types}] to namespace {namespace}; `watertight baseline {namespace}` writes one with what it needs"
    ))
}

fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}

/// Step 2 for a flow: who isolates which end, and what the policies make of it.
fn flow(case: &Case<'_>, name: &'static str, question: &'static str, missing: Vec<Item>) -> Step {
    let judged = match &case.connections {
        Ok(judged) => judged,
        Err(why) => {
            return Step {
                name,
                question,
                state: StepState::Unknown,
                summary: why.clone(),
                items: Vec::new(),
                more: 0,
            };
        }
    };
    let (mut items, mut told) = (Vec::new(), BTreeSet::new());
    let mut missing = missing;
    for one in judged {
        // Told by the kinds that were not read.
        if one.open == Some("M-8") {
            continue;
        }
        let evidence = case.context.word(&one.connection, &one.verdict);
        // One connection for each reason is enough.
        if !told.insert((one.outcome, evidence.because.clone())) {
            continue;
        }
        let text = match (one.outcome, one.open) {
            (Outcome::Uncertain, Some(id)) => format!("not certain ({id}): {}", evidence.because),
            (Outcome::Allowed, _) => format!("allowed: {}", evidence.because),
            _ => format!("denied: {}", evidence.because),
        };
        let mut item = Item::of(text).at(evidence.by);
        item.is_cause = one.outcome != Outcome::Denied;
        item.connections.push(evidence);
        item = match one.outcome {
            Outcome::Denied => item,
            Outcome::Uncertain => item.advice("`watertight explain` says what it depends on"),
            Outcome::Allowed if one.is_isolated() => item.advice("if it is not meant to be allowed, narrow the rule that lets it in; `watertight explain` shows every step"),
            Outcome::Allowed if matches!(one.verdict.reason, Reason::Exempt(..)) => item,
            Outcome::Allowed => item.advice("write a policy that isolates the destination for ingress, or the source for egress"),
        };
        match one.outcome {
            Outcome::Uncertain => missing.push(item),
            _ => items.push(item),
        }
    }
    let unread = case.missing_policies();
    if !unread.is_empty() {
        // One of those may deny it, or allow it.
        items.iter_mut().for_each(|item| item.is_cause = false);
        missing.splice(0..0, unread);
        missing.dedup_by(|a, b| a.text == b.text);
    }
    let any = |outcome| judged.iter().any(|one| one.outcome == outcome);
    step(name, question, items, missing, |_, _| {
        let exempt = judged.iter().find_map(|one| match one.verdict.reason {
            Reason::Exempt(id, why) => Some(format!("no policy is asked: {why} ({id})")),
            _ => None,
        });
        let isolated = judged.iter().any(Judged::is_isolated);
        match (any(Outcome::Allowed), any(Outcome::Denied), exempt) {
            (false, ..) => "policies deny it, if they are enforced".to_owned(),
            (true, true, _) => "policies allow a part of it, and deny the rest".to_owned(),
            (true, false, Some(exempt)) if !isolated => exempt,
            (true, false, _) if !isolated => {
                "no policy isolates either end of it in that direction".to_owned()
            }
            (true, false, _) => {
                "policies isolate an end of it, and a rule lets this connection through".to_owned()
            }
        }
    })
}

/// Step 3: do policies of a higher tier, or of the cluster, decide before?
pub(super) fn tiers(case: &Case<'_>) -> Step {
    let (name, question) = ("tiers", "does a policy above decide before, and allow?");
    let above = |kind: &&KindRead| !kind.is(READ_POLICIES.0, READ_POLICIES.1);
    let missing: Vec<Item> = case.unread().filter(above).map(unread_item).collect();
    let ruleset = case.context.eval.ruleset;
    let others = |direction| {
        let tiers = ruleset.tiers(direction).iter();
        let policies = tiers.flat_map(|tier| &tier.policies);
        policies
            .filter(|policy| matches!(policy.origin, Origin::Object(_)))
            .count()
    };
    let number = others(Direction::Ingress) + others(Direction::Egress);
    if number == 0 && missing.is_empty() {
        let summary = "there are no policies but NetworkPolicies".to_owned();
        let state = StepState::NotApplicable;
        return Step {
            name,
            question,
            state,
            summary,
            items: Vec::new(),
            more: 0,
        };
    }
    let mut items = case.items(&["WT106", "WT107", "WT108", "WT207", "WT410"]);
    if let Target::Flow { .. } = case.target {
        items.retain(|item| !item.is_cause);
        items.extend(decided_above(case));
    }
    step(
        name,
        question,
        items,
        missing,
        |state, failed| match state {
            StepState::Failed => {
                let these = plural(failed, "policy above decides", "policies above decide");
                format!("{these} before what was meant to hold")
            }
            _ => "no policy above lets through what others deny".to_owned(),
        },
    )
}

/// Connections of a flow that an object of another language lets through.
fn decided_above(case: &Case<'_>) -> Vec<Item> {
    let eval = case.context.eval;
    let mut found: BTreeMap<String, Item> = BTreeMap::new();
    for one in case.connections.iter().flatten() {
        let (connection, verdict) = (&one.connection, one.verdict);
        for side in [verdict.egress, verdict.ingress] {
            let Decision::Rule {
                rule,
                allowed: true,
            } = side
            else {
                continue;
            };
            if verdict.allowed && matches!(case.origin(rule.policy), Origin::Object(_)) {
                let policy = case.policy_words(rule.policy);
                let text = format!("{policy} lets it through before any NetworkPolicy is asked");
                let mut item = Item::of(text.clone()).cause();
                item.span = Some(eval.ruleset[rule].span);
                item.connections
                    .push(case.context.word(connection, &verdict));
                found.entry(text).or_insert(item);
            }
        }
    }
    found.into_values().collect()
}

/// Step 4: do selectors and peers match what they are meant to?
pub(super) fn labels(case: &Case<'_>) -> Step {
    let items = case.items(&[
        "WT401", "WT402", "WT403", "WT404", "WT405", "WT208", "WT409",
    ]);
    let missing = case.missing(&[("", "pods"), ("", "namespaces")]);
    let question = "do selectors match what they name?";
    step(
        "labels",
        question,
        items,
        missing,
        |state, failed| match state {
            StepState::Failed => plural(
                failed,
                "selector matches nothing, or not what it seems to",
                "selectors match nothing, or not what they seem to",
            ),
            _ => "every selector matches something".to_owned(),
        },
    )
}

/// Step 5: does this release do what these policies ask for?
pub(super) fn versions(case: &Case<'_>) -> Step {
    let (name, question) = (
        "versions",
        "does this release do what the policies ask for?",
    );
    let Some(engine) = case
        .detected
        .engine()
        .filter(|_| case.detected.profile.is_some())
    else {
        let profile = case.context.profile;
        if profile.engine == crate::engine::Engine::Reference {
            let summary = "the engine is not known, so neither are its bugs".to_owned();
            let state = StepState::Unknown;
            return Step {
                name,
                question,
                state,
                summary,
                items: Vec::new(),
                more: 0,
            };
        }
        return of_release(case, name, question, profile.version.is_some());
    };
    if engine.engine.facts().bugs.is_empty() && engine.engine.facts().features.is_empty() {
        let summary = "nothing is known about what it supports".to_owned();
        let state = StepState::NotApplicable;
        return Step {
            name,
            question,
            state,
            summary,
            items: Vec::new(),
            more: 0,
        };
    }
    let known = engine.version.or(case.context.profile.version).is_some();
    of_release(case, name, question, known)
}

fn of_release(case: &Case<'_>, name: &'static str, question: &'static str, known: bool) -> Step {
    let items = case.items(&["WT008", "WT602", "WT603", "WT604", "WT605"]);
    let missing = match known {
        true => Vec::new(),
        false => vec![
            Item::of("the release of the engine is not known, so its bugs are not either").cause(),
        ],
    };
    step(
        name,
        question,
        items,
        missing,
        |state, failed| match state {
            StepState::Failed => plural(
                failed,
                "known bug or limit of this release touches these policies",
                "known bugs and limits of this release touch these policies",
            ),
            _ => "nothing that these policies use is known to be ignored or broken".to_owned(),
        },
    )
}

/// Step 6: are pods outside of all policies, on the network of their node?
pub(super) fn host_network(case: &Case<'_>) -> Step {
    let world = case.context.world;
    let mut by_workload: BTreeMap<String, EndpointId> = BTreeMap::new();
    for id in &case.host_pods {
        by_workload.entry(world.display_name(*id)).or_insert(*id);
    }
    let mut items: Vec<Item> = Vec::new();
    let found = case.items(&["WT501", "WT502", "WT503"]);
    if !matches!(case.target, Target::Cluster) {
        for (name, id) in &by_workload {
            let text = format!(
                "{name} runs on the network of its node: no policy applies to it, and its address is the node's"
            );
            let item = Item::of(text).cause().at(world[*id].host_network);
            items.push(item.advice("take hostNetwork: true away, or protect the node itself"));
        }
        items.extend(found.into_iter().filter(|item| !item.is_cause));
    } else {
        items.extend(found);
    }
    let told = items.iter().filter(|item| item.id == Some("WT501"));
    let noted = by_workload.len().max(told.count());
    let missing = case.missing_here(&[("", "pods"), ("", "namespaces")]);
    let question = "are pods on the network of their node, outside of all policies?";
    step(
        "host-network",
        question,
        items,
        missing,
        |state, failed| match state {
            StepState::Failed => plural(
                failed,
                "group of pods is on the network of its node, outside of all policies",
                "groups of pods are on the network of their node, outside of all policies",
            ),
            _ if noted > 0 => plural(
                noted,
                "group of pods is on the network of its node, where no policy applies to it",
                "groups of pods are on the network of their node, where no policy applies to them",
            ),
            _ => "none of these pods is on the network of its node".to_owned(),
        },
    )
}

/// Namespaces with pods and without any policy.
pub(super) fn bare_namespaces(case: &Case<'_>) -> Vec<NamespaceId> {
    let world = case.context.world;
    let eval = case.context.eval;
    let ids = world.namespace_ids().filter(|id| {
        let mut pods = world[*id].endpoints.iter();
        let first = pods.find(|pod| eval.can_be_subject(**pod) && !world[**pod].assumed);
        first.is_some_and(|pod| {
            let isolated = |direction: &Direction| eval.is_isolated(*pod, *direction);
            world[*id].policies.is_empty() && !Direction::BOTH.iter().any(isolated)
        })
    });
    ids.collect()
}
