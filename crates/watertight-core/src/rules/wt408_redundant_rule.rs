//! Rules that add nothing.
//!
//! ## What it finds
//! Rules, peers and port items that allow nothing beyond what the other policies of the namespace
//! already allow to at least the same pods, and whole policies that also isolate nobody more. What
//! is reported can be taken out all at once: of two equal policies only the later is.
//!
//! What counts is what the selectors say, not which pods there happen to be: a rule stays needed if
//! a pod that does not exist yet could need it. A policy that alone isolates some pods in some
//! direction is never redundant, and a default deny (an empty `podSelector` and no rules) is only
//! where there is another one.
//!
//! ## Why it matters
//! Policies only ever add up. Who tightens a rule and does not know of the other one that allows
//! the same changes nothing.
//!
//! ## Example
//! ```yaml
//! spec:
//!   podSelector: {matchLabels: {app: db}}
//!   ingress:
//!   - from: [{podSelector: {}}]
//!   - from: [{podSelector: {matchLabels: {app: web}}}]   # already in the rule above
//!     ports: [{port: 5432}]
//! ```
//!
//! ## Instead
//! ```yaml
//! spec:
//!   podSelector: {matchLabels: {app: db}}
//!   ingress:
//!   - from: [{podSelector: {matchLabels: {app: web}}}]
//!     ports: [{port: 5432}]
//! ```
//!
//! ## Semantics
//! - K-7: a pod is isolated if any policy selects it for the direction
//! - K-15: what any rule of any policy allows is allowed
//! - K-22: rules, peers and ports are alternatives
//! - K-23: every peer of a rule goes with every port of it
//! - K-64: an exception of a block does not take away what another rule allows

mod cover;

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Check, Context, Rule, parallel, some_of};
use crate::diag::{Finding, Fix, Severity};
use crate::manifest::Direction;
use crate::policy::{self, PolicyRef, RuleRef};
use crate::source::Span;
use crate::world::PolicyId;
use cover::{covers_peer, covers_traffic, implies};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT408",
    name: "redundant-rule",
    severity: Severity::Note,
    summary: "rules that add nothing",
    source: include_str!("wt408_redundant_rule.rs"),
    check: Check::World(check),
};

/// How many redundant parts of one policy a finding points at.
const PLACES: usize = 4;

/// How many policies of one pod are compared with each other.
const POLICIES: usize = 256;

/// How much is compared in a namespace: what is left then is not looked at.
const COMPARISONS: usize = 4_000_000;

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let found = redundant(context);
    findings.extend(found.iter().map(|found| found.finding(context)));
}

/// What can be taken out of policies, all at once, whichever pods there are; the last policy first.
pub(crate) fn redundant(context: &Context<'_>) -> Vec<Redundant> {
    // Policies select pods of their own namespace only (K-1): what they add, they add there.
    let namespaces = context.world.namespace_ids();
    let namespaces: Vec<_> = namespaces.filter(|id| context.is_asked(*id)).collect();
    let found = parallel::map(&namespaces, |id| {
        let policies = &context.world[*id].policies;
        Remaining::new(context).judge_all(policies)
    });
    let mut found: Vec<_> = found.into_iter().flatten().collect();
    found.sort_by_key(|found| Reverse(found.policy));
    found
}

/// What adds nothing in a policy.
#[derive(Clone, Debug)]
pub(crate) struct Redundant {
    pub(crate) policy: PolicyId,
    /// Whether all of it can go.
    pub(crate) whole: bool,
    /// The parts that can go; all rules, if all of it can.
    pub(crate) parts: Vec<Part>,
    /// What isolates the same pods, if all of it can go.
    pub(crate) isolating: Vec<Cover>,
}

impl Redundant {
    fn finding(&self, context: &Context<'_>) -> Finding {
        if self.whole {
            whole_policy(context, self.policy, &self.parts, &self.isolating)
        } else {
            some_parts(context, self.policy, &self.parts)
        }
    }
}

/// What remains of the policies if everything that was reported is taken out.
struct Remaining<'c> {
    context: &'c Context<'c>,
    /// The rules of policies that were looked at; of others all remains.
    rules: FxHashMap<PolicyRef, Vec<Left>>,
    /// Policies that were reported as a whole.
    gone: FxHashSet<PolicyRef>,
    /// The comparisons that may still be made.
    budget: Cell<usize>,
}

/// What remains of a rule.
struct Left {
    peers: Vec<bool>,
    ports: Vec<bool>,
}

impl Left {
    fn is_gone(&self) -> bool {
        !self.peers.contains(&true)
    }
}

/// One peer of a rule with one of its ports.
#[derive(Clone, Copy)]
struct Place {
    at: PolicyRef,
    rule: usize,
    peer: usize,
    port: usize,
}

/// What allows something already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cover {
    pub(crate) policy: PolicyRef,
    pub(crate) span: Span,
}

/// Which part of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    /// A rule.
    Rule,
    /// A peer of it.
    Peer(usize),
    /// A port item of it.
    Port(usize),
}

/// A part of a policy that adds nothing.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) at: RuleRef,
    pub(crate) item: Item,
    pub(crate) what: String,
    pub(crate) span: Span,
    pub(crate) cover: Cover,
}

impl<'c> Remaining<'c> {
    fn new(context: &'c Context<'c>) -> Self {
        Self {
            context,
            rules: FxHashMap::default(),
            gone: FxHashSet::default(),
            budget: Cell::new(COMPARISONS),
        }
    }

    /// Books a comparison; false if there were too many.
    fn may_compare(&self) -> bool {
        let left = self.budget.get();
        self.budget.set(left.saturating_sub(1));
        left > 0
    }

    /// From the last policy to the first, so that of two equal ones the later is reported and what
    /// makes others redundant stays.
    fn judge_all(&mut self, policies: &[PolicyId]) -> Vec<Redundant> {
        let policies = policies.iter().rev();
        policies.filter_map(|policy| self.judge(*policy)).collect()
    }

    fn judge(&mut self, policy: PolicyId) -> Option<Redundant> {
        let context = self.context;
        let refs = Direction::BOTH.map(|direction| context.policy_ref(policy, direction));
        let refs: Vec<_> = refs.into_iter().flatten().collect();
        let mut parts = Vec::new();
        let mut isolating = Vec::new();
        let mut whole = true;
        for at in &refs {
            let wider = self.wider(*at)?;
            parts.extend(self.parts(*at, &wider));
            let rules = self.rules.get(at).map_or(&[][..], Vec::as_slice);
            whole &= rules.iter().all(Left::is_gone);
            match self.isolates_as_well(*at, &wider) {
                Some(cover) => isolating.push(cover),
                None => whole = false,
            }
        }
        if whole && !refs.is_empty() {
            self.gone.extend(refs);
            return Some(Redundant {
                policy,
                whole,
                parts,
                isolating,
            });
        }
        parts.sort_by_key(|part| part.span);
        (!parts.is_empty()).then(|| Redundant {
            policy,
            whole: false,
            parts,
            isolating: Vec::new(),
        })
    }

    /// The policies that apply to every pod, present and future, that this one applies to; nothing
    /// if it applies to none.
    fn wider(&self, at: PolicyRef) -> Option<Vec<PolicyRef>> {
        let eval = self.context.eval;
        let example = *eval.subjects_of(at).first()?;
        let pods = &eval.ruleset[at].subject.endpoints()?.pods;
        let of_example = eval.policies_of(example, at.direction).iter().copied();
        let others = of_example
            .filter(|other| *other != at && !self.gone.contains(other) && self.may_compare())
            .filter(|other| self.context.are_together(at, *other))
            .filter(|other| {
                let subject = eval.ruleset[*other].subject.endpoints();
                subject.is_some_and(|subject| implies(pods, &subject.pods))
            });
        Some([at].into_iter().chain(others.take(POLICIES)).collect())
    }

    /// Another policy that isolates all these pods in this direction.
    fn isolates_as_well(&self, at: PolicyRef, wider: &[PolicyRef]) -> Option<Cover> {
        let ruleset = self.context.eval.ruleset;
        let own = &ruleset[at];
        // A default deny stays whatever is allowed beside it, but two of them are one too many.
        let everything = own.subject.endpoints().is_some_and(|of| of.pods.is_empty());
        let default_deny = everything && own.rules.is_empty();
        let mut others = wider.iter().copied().filter(|other| *other != at);
        let found = others.find(|other| !default_deny || ruleset[*other].rules.is_empty())?;
        Some(Cover {
            policy: found,
            span: self.context.name_span(found)?,
        })
    }

    /// Takes out what adds nothing to the rest: rules first, then single peers and ports.
    fn parts(&mut self, at: PolicyRef, wider: &[PolicyRef]) -> Vec<Part> {
        let rules = &self.context.eval.ruleset[at].rules;
        let left = rules.iter().map(|rule| Left {
            peers: vec![true; rule.peers.len()],
            ports: vec![true; rule.traffic.len()],
        });
        self.rules.insert(at, left.collect());
        let mut found = Vec::new();
        let way = at.direction.word();
        for (index, rule) in rules.iter().enumerate().rev() {
            let own = |place: Place| place.at == at && place.rule == index;
            let places = self.places(at, index, |_, _| true);
            if let Some(cover) = self.cover_of_all(&places, wider, own) {
                let cover = self.point(cover, |rule, _| Some(rule.span));
                self.take_out(at, index, |left| {
                    left.peers.fill(false);
                    left.ports.fill(false);
                });
                found.push(Part {
                    at: RuleRef {
                        policy: at,
                        rule: index,
                    },
                    item: Item::Rule,
                    what: format!("{way} rule {}", index + 1),
                    span: rule.span,
                    cover,
                });
            }
        }
        for (index, rule) in rules.iter().enumerate().rev() {
            for (peer, written) in rule.peers.iter().enumerate().rev() {
                let own =
                    |place: Place| place.at == at && place.rule == index && place.peer == peer;
                let places = self.places(at, index, |of, _| of == peer);
                if let Some(cover) = self.cover_of_all(&places, wider, own)
                    && let Some(span) = written.span()
                {
                    let cover = self.point(cover, |rule, place| rule.peers.get(place.peer)?.span());
                    self.take_out(at, index, |left| clear(&mut left.peers, peer));
                    found.push(Part {
                        at: RuleRef {
                            policy: at,
                            rule: index,
                        },
                        item: Item::Peer(peer),
                        what: format!("peer {} of {way} rule {}", peer + 1, index + 1),
                        span,
                        cover,
                    });
                }
            }
            for (port, written) in rule.traffic.iter().enumerate().rev() {
                let own =
                    |place: Place| place.at == at && place.rule == index && place.port == port;
                let places = self.places(at, index, |_, of| of == port);
                if let Some(cover) = self.cover_of_all(&places, wider, own)
                    && let Some(span) = written.span()
                {
                    let cover =
                        self.point(cover, |rule, place| rule.traffic.get(place.port)?.span());
                    self.take_out(at, index, |left| clear(&mut left.ports, port));
                    found.push(Part {
                        at: RuleRef {
                            policy: at,
                            rule: index,
                        },
                        item: Item::Port(port),
                        what: format!("port {} of {way} rule {}", port + 1, index + 1),
                        span,
                        cover,
                    });
                }
            }
        }
        found
    }

    fn take_out(&mut self, at: PolicyRef, rule: usize, how: impl FnOnce(&mut Left)) {
        if let Some(left) = self
            .rules
            .get_mut(&at)
            .and_then(|rules| rules.get_mut(rule))
        {
            how(left);
        }
    }

    fn remains(&self, place: Place) -> bool {
        let Some(rules) = self.rules.get(&place.at) else {
            return true;
        };
        let is_left = |left: &[bool], index: usize| left.get(index).copied().unwrap_or_default();
        let left = rules.get(place.rule);
        left.is_some_and(|left| {
            is_left(&left.peers, place.peer) && is_left(&left.ports, place.port)
        })
    }

    /// What remains of a rule, as far as it is asked for.
    fn places(
        &self,
        at: PolicyRef,
        rule: usize,
        wanted: impl Fn(usize, usize) -> bool,
    ) -> Vec<Place> {
        let Some(lowered) = self.context.eval.ruleset[at].rules.get(rule) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for peer in 0..lowered.peers.len() {
            for port in 0..lowered.traffic.len() {
                let place = Place {
                    at,
                    rule,
                    peer,
                    port,
                };
                if wanted(peer, port) && self.remains(place) {
                    found.push(place);
                }
            }
        }
        found
    }

    /// What allows all of these places without those that are `own`.
    fn cover_of_all(
        &self,
        places: &[Place],
        wider: &[PolicyRef],
        own: impl Fn(Place) -> bool,
    ) -> Option<Place> {
        let mut first = None;
        for place in places {
            let cover = self.cover(*place, wider, &own)?;
            first = first.or(Some(cover));
        }
        first
    }

    fn cover(
        &self,
        place: Place,
        wider: &[PolicyRef],
        own: &impl Fn(Place) -> bool,
    ) -> Option<Place> {
        let ruleset = self.context.eval.ruleset;
        let narrow = ruleset[place.at].rules.get(place.rule)?;
        let narrow_peer = narrow.peers.get(place.peer)?;
        let narrow_port = narrow.traffic.get(place.port)?;
        for at in wider.iter().copied() {
            for (rule, wide) in ruleset[at].rules.iter().enumerate() {
                for (port, item) in wide.traffic.iter().enumerate() {
                    if !self.may_compare() {
                        return None;
                    }
                    if !covers_traffic(item, narrow_port) {
                        continue;
                    }
                    let place = |peer| Place {
                        at,
                        rule,
                        peer,
                        port,
                    };
                    let mut peers = wide.peers.iter().enumerate();
                    let found = peers.find(|(peer, wide)| {
                        self.may_compare()
                            && self.remains(place(*peer))
                            && !own(place(*peer))
                            && covers_peer(self.context.world, wide, narrow_peer)
                    });
                    if let Some((peer, _)) = found {
                        return Some(place(peer));
                    }
                }
            }
        }
        None
    }

    /// What a finding points at: a part of the covering rule, or else all of it.
    fn point(&self, place: Place, part: impl Fn(&policy::Rule, Place) -> Option<Span>) -> Cover {
        let rule = RuleRef {
            policy: place.at,
            rule: place.rule,
        };
        let rule = &self.context.eval.ruleset[rule];
        Cover {
            policy: place.at,
            span: part(rule, place).unwrap_or(rule.span),
        }
    }
}

fn clear(left: &mut [bool], index: usize) {
    if let Some(left) = left.get_mut(index) {
        *left = false;
    }
}

fn whole_policy(
    context: &Context<'_>,
    policy: PolicyId,
    parts: &[Part],
    isolating: &[Cover],
) -> Finding {
    let covers = parts.iter().map(|part| part.cover);
    let covers: Vec<_> = covers.chain(isolating.iter().copied()).collect();
    let others: BTreeSet<_> = covers
        .iter()
        .filter_map(|cover| context.kubernetes(cover.policy))
        .filter(|other| *other != policy)
        .map(|other| format!("`{}`", context.world.policy_name(other)))
        .collect();
    let others: Vec<_> = others.into_iter().collect();
    let message = format!(
        "NetworkPolicy `{}` adds nothing to {}",
        context.world.policy_name(policy),
        some_of(&others)
    );
    let mut finding = Finding::new(&RULE, message)
        .at(context.world[policy].name_span, "")
        .why(&["K-15", "K-7"])
        .subject(context.policy_subject(policy));
    let mut shown = BTreeSet::new();
    for part in parts
        .iter()
        .filter(|part| context.kubernetes(part.cover.policy) != Some(policy))
    {
        if shown.len() < PLACES && shown.insert(part.cover.span) {
            finding = finding.at(part.cover.span, format!("allows all of {}", part.what));
        }
    }
    for cover in isolating {
        if shown.len() < PLACES && shown.insert(cover.span) {
            let way = cover.policy.direction.word();
            finding = finding.at(cover.span, format!("isolates the same pods for {way}"));
        }
    }
    finding.fix(Fix::advice("remove it, or narrow what makes it redundant"))
}

fn some_parts(context: &Context<'_>, policy: PolicyId, parts: &[Part]) -> Finding {
    let names: Vec<_> = parts.iter().map(|part| part.what.clone()).collect();
    let verb = if parts.len() == 1 { "adds" } else { "add" };
    let message = format!(
        "{} of NetworkPolicy `{}` {verb} nothing",
        some_of(&names),
        context.world.policy_name(policy)
    );
    let mut finding = Finding::new(&RULE, message)
        .why(&["K-15", "K-22"])
        .subject(context.policy_subject(policy));
    for part in parts.iter().take(PLACES) {
        let whose = if context.kubernetes(part.cover.policy) == Some(policy) {
            "the policy itself".to_owned()
        } else {
            format!("`{}`", context.name_of(part.cover.policy))
        };
        finding = finding
            .at(part.span, format!("{whose} allows this already"))
            .at(part.cover.span, "here");
    }
    let it = if parts.len() == 1 { "it" } else { "them" };
    finding.fix(Fix::advice(format!(
        "remove {it}, or narrow what makes {it} redundant"
    )))
}

#[cfg(test)]
mod soundness;
#[cfg(test)]
mod tests;
