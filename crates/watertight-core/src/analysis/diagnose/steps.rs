//! Steps 2 to 6: what is wrong with the policies themselves, were they enforced.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Item, Step, StepState, Target, flow};
use crate::diag::{Finding, Severity};
use crate::engine::unread_policies;
use crate::eval::Decision;
use crate::manifest::Direction;
use crate::policy::{Origin, PolicyRef};
use crate::rules::{count, some_of};
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

    /// Documents that could not be read: what they hold nobody knows.
    fn broken(&self) -> Vec<Item> {
        let findings = self.findings.iter();
        let broken = findings.filter(|found| found.incomplete && found.rule.id != "WT013");
        let items = broken.map(|found| {
            let text = format!("a document could not be read: {}", found.message);
            let item = Item::of(text).cause().at(found.span());
            item.advice("mend it; it may hold a policy")
        });
        items.collect()
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
    pub(super) fn missing_policies(&self) -> Vec<Item> {
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

/// Adds what is not told yet.
pub(super) fn add(items: &mut Vec<Item>, more: Vec<Item>) {
    for item in more {
        if items.iter().all(|known| known.text != item.text) {
            items.push(item);
        }
    }
}

/// Puts a step together: what was not read makes it unknown, causes make it fail.
pub(super) fn step(
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
    let cut = items.iter().skip(MOST).filter(|item| item.is_cause);
    let more = cut.count();
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

fn not_applicable(name: &'static str, question: &'static str, why: &str) -> Step {
    Step {
        name,
        question,
        state: StepState::NotApplicable,
        summary: why.to_owned(),
        items: Vec::new(),
        more: 0,
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
    add(&mut missing, case.broken());
    if let Target::Flow { .. } = case.target {
        return flow::isolation(case, name, question, missing);
    }
    let eval = case.context.eval;
    let world = case.context.world;
    let total = case.pods.len();
    if total == 0 {
        let none = "no pod or workload that policies can apply to was read";
        let mut items = vec![Item::of(none)];
        let state = match missing.is_empty() {
            true => StepState::NotApplicable,
            false => StepState::Unknown,
        };
        let summary = match missing.first() {
            Some(first) => first.text.clone(),
            None => "there are no pods here that policies can apply to".to_owned(),
        };
        items.splice(0..0, missing);
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
        add(&mut missing, unread);
    }
    items.extend(case.items(&["WT103", "WT104", "WT105"]));
    step(name, question, items, missing, |state, failed| {
        let [ingress, egress] = counts;
        let pods = count(total, "pod");
        let but = match state {
            StepState::Failed if failed == 1 => ", but 1 policy does not do what it seems to",
            StepState::Failed => ", but some policies do not do what they seem to",
            _ => "",
        };
        match (ingress == total, egress == total) {
            (true, true) if total == 1 => format!("it is isolated in both directions{but}"),
            (true, true) => format!("all {pods} are isolated in both directions{but}"),
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
    let text = format!(
        "no policy isolates {}{more} for {}: every connection {} is allowed",
        names.join(", "),
        direction.word(),
        match direction {
            Direction::Ingress => "to it",
            Direction::Egress => "out of it",
        }
    );
    let first = open.values().next();
    let span = first.and_then(|id| world[*id].span);
    let namespaces = open.values().map(|id| world[*id].namespace);
    let namespaces: BTreeSet<&str> = namespaces.map(|id| &*world[id].name).collect();
    let namespaces: Vec<&str> = namespaces.into_iter().collect();
    let types = match direction {
        Direction::Ingress => "Ingress",
        Direction::Egress => "Egress",
    };
    let (word, namespace) = match namespaces.as_slice() {
        [one] => ("namespace", *one),
        more => (
            "each of the namespaces",
            more.first().copied().unwrap_or_default(),
        ),
    };
    let all = some_of(
        &namespaces
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
    );
    Item::of(text).cause().at(span).advice(format!(
        "add a NetworkPolicy with podSelector: {{}} and policyTypes: [{types}] to {word} {all}; `watertight baseline -n {namespace}` writes one with what it needs"
    ))
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
        return not_applicable(name, question, "there are no policies but NetworkPolicies");
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
    let mut missing = case.missing(&[("", "pods"), ("", "namespaces")]);
    add(&mut missing, case.broken());
    let question = "do selectors match what they name?";
    let world = case.context.world;
    if missing.is_empty() && world.policies.is_empty() && world.objects.is_empty() {
        return not_applicable("labels", question, "there are no policies");
    }
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
        return not_applicable(name, question, "nothing is known about what it supports");
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
    if missing.is_empty() && case.pods.is_empty() && case.host_pods.is_empty() {
        return not_applicable("host-network", question, "there are no pods here");
    }
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
