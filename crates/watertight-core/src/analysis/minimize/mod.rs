//! Minimize: rules, peers, port items and whole NetworkPolicies that can go without changing anything.
//!
//! What can go is first what selectors and blocks say, whichever pods there are (the notion of WT408).
//! For the pods of the input alone more can go: that has to be asked for. Either way the policies are
//! lowered without it and every row is held against what it was, and every pod is as isolated as it
//! was; then the same once more for the edited text, read again.
//!
//! INVARIANT: nothing is listed that changes what a pod of the input may do or whether it is isolated;
//! nothing is edited that was not proved as text.

mod cut;
mod less;
#[cfg(test)]
mod tests;
mod text;
mod today;

use std::collections::BTreeMap;

use crate::analysis::fix::{State, same};
use crate::check::{CheckOptions, take_for};
use crate::diag::{self, Finding};
use crate::engine::{AnpApi, Profile};
use crate::eval::Evaluator;
use crate::eval::reach::Reach;
use crate::manifest::{Direction, Options};
use crate::policy::{RuleRef, Ruleset, lower, refused};
use crate::rules::{Context, RedundantItem as Item, redundant};
use crate::source::{FileId, Sources, Span};
use crate::world::{self, PolicyId, World};

/// A part of a policy that can go.
#[derive(Clone, Debug)]
pub struct Part {
    /// `ingress rule 2`, `peer 1 of egress rule 3`
    pub what: String,
    /// Where it is.
    pub span: Span,
    /// Why it can go.
    pub why: String,
    /// What allows the same, if one place does.
    pub by: Option<Span>,
    at: RuleRef,
    item: Item,
}

/// What can go of one policy.
#[derive(Clone, Debug)]
pub struct Removal {
    /// The policy.
    pub policy: PolicyId,
    /// `namespace/name` of it.
    pub name: String,
    /// Where its name is.
    pub span: Span,
    /// Whether all of it can go.
    pub whole: bool,
    /// Why all of it can go.
    pub why: String,
    /// The parts that can go; if all of it can, what makes up for them.
    pub parts: Vec<Part>,
    /// Whether this holds for the pods of the input only.
    pub for_these_pods: bool,
    /// Whether the text can be edited; if not, somebody has to do it by hand.
    pub editable: bool,
}

/// The result.
#[derive(Debug)]
pub struct Minimized {
    /// The cluster as it was read.
    pub world: World,
    /// The engine that this holds for.
    pub profile: Profile,
    /// What can go, in the order of places.
    pub removals: Vec<Removal>,
    /// The files without it, and which changed; none if there is nothing to edit.
    pub edited: Option<(Sources, Vec<FileId>)>,
    /// What could not be read.
    pub problems: Vec<Finding>,
    /// Documents or files that could not be read.
    pub broken: usize,
    /// Objects of kinds that are of no concern, by kind.
    pub other_kinds: BTreeMap<String, usize>,
    /// Documents that are no Kubernetes objects.
    pub not_objects: usize,
}

/// A cluster that was read and lowered.
struct Held {
    world: World,
    ruleset: Ruleset,
    profile: Profile,
    findings: Vec<Finding>,
    broken: usize,
    other_kinds: BTreeMap<String, usize>,
    not_objects: usize,
}

impl Held {
    fn read(sources: &Sources, options: &CheckOptions) -> Self {
        let read = Options {
            strict_cidr: options.profile.switches.strict_cidr,
            old_admin_api: options.profile.switches.anp_api == AnpApi::Old,
        };
        let progress = options.progress.as_deref();
        let (mut world, loaded) = world::read(sources, &read, &options.assume, progress);
        let mut profile = options.profile;
        if !options.engine_is_named {
            profile = take_for(&mut world, profile, &options.pinned);
        }
        let ruleset = lower(&world, &profile);
        let mut findings = loaded.findings;
        findings.extend(refused(&world, &profile));
        diag::sort(&mut findings);
        Self {
            world,
            ruleset,
            profile,
            findings,
            broken: loaded.broken,
            other_kinds: loaded.other_kinds,
            not_objects: loaded.not_objects,
        }
    }

    fn eval(&self) -> Evaluator<'_> {
        Evaluator::new(&self.world, &self.ruleset, self.profile.switches)
    }
}

/// Finds what can go, and proves it. Of `options`, what is about rules and suppressions is not used.
#[must_use]
pub fn minimize(sources: &Sources, options: &CheckOptions, for_these_pods: bool) -> Minimized {
    let held = Held::read(sources, options);
    let eval = held.eval();
    let reach = Reach::new(&eval);
    let base = State {
        eval: &eval,
        reach: &reach,
    };
    let context = Context::new(sources, &eval, &held.profile, &[]);
    let wanted = |policy: PolicyId| {
        let namespace = &held.world[held.world[policy].namespace].name;
        options.namespaces.is_empty() || options.namespaces.iter().any(|name| **name == **namespace)
    };
    let found = redundant(&context);
    let found = found.iter().filter(|found| wanted(found.policy));
    let mut removals: Vec<Removal> = found.map(|found| removal(&context, found)).collect();
    less::keep_proved(&held, base, &mut removals);
    if for_these_pods {
        today::add(&held, &context, wanted, &mut removals);
        less::keep_proved(&held, base, &mut removals);
    }
    removals.sort_by_key(|removal| (removal.span, removal.policy));
    for removal in &mut removals {
        removal.parts.sort_by_key(|part| part.span);
    }
    let edited = text::edit(sources, options, &held, base, &mut removals);
    drop(context);
    drop(reach);
    drop(eval);
    Minimized {
        world: held.world,
        profile: held.profile,
        removals,
        edited,
        problems: held.findings,
        broken: held.broken,
        other_kinds: held.other_kinds,
        not_objects: held.not_objects,
    }
}

fn removal(context: &Context<'_>, found: &crate::rules::Redundant) -> Removal {
    let world = context.world;
    let policy = found.policy;
    let part = |part: &crate::rules::RedundantPart| {
        let own = context.kubernetes(part.cover.policy) == Some(policy);
        let whose = if own {
            "another part of it".to_owned()
        } else {
            format!("`{}`", context.name_of(part.cover.policy))
        };
        Part {
            what: part.what.clone(),
            span: part.span,
            why: format!("{whose} allows this already"),
            by: Some(part.cover.span),
            at: part.at,
            item: part.item,
        }
    };
    let mut why = String::new();
    if found.whole {
        let mut names: Vec<_> = found
            .isolating
            .iter()
            .map(|cover| format!("`{}`", context.name_of(cover.policy)))
            .collect();
        names.dedup();
        let verb = if names.len() == 1 {
            "isolates"
        } else {
            "isolate"
        };
        why = format!("{} {verb} the same pods", crate::rules::some_of(&names));
    }
    Removal {
        policy,
        name: world.policy_name(policy),
        span: world[policy].name_span,
        whole: found.whole,
        why,
        parts: found.parts.iter().map(part).collect(),
        for_these_pods: false,
        editable: true,
    }
}

/// Whether two states allow the same, and isolate the same pods.
fn is_same(a: State<'_, '_>, b: State<'_, '_>) -> bool {
    let isolated = |state: State<'_, '_>| -> BTreeMap<(String, bool), [bool; 2]> {
        let world = state.eval.world;
        let endpoints = world.endpoint_ids().map(|id| {
            let key = (world.endpoint_name(id), world[id].template);
            let isolated = Direction::BOTH.map(|way| state.eval.is_isolated(id, way));
            (key, isolated)
        });
        endpoints.collect()
    };
    isolated(a) == isolated(b) && same(a, b)
}
