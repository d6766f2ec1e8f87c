//! What can go besides for the pods of the input: rules that match none of them, and rules that others
//! make up for only because of the labels and addresses that pods have today.
//!
//! One thing after the other is taken out of the Ruleset, from the last policy to the first, and the
//! rows of the pods that the policy selects are held against what they were. A default deny stays.

use super::less::{take_out, tiers_mut, void, without};
use super::{Context, Held, Item, Part, PolicyId, Removal, RuleRef};
use crate::eval::Evaluator;
use crate::eval::reach::{Band, Change, Reach, RowId};
use crate::manifest::Direction;
use crate::policy::{Peer, Policy, PolicyRef, Ruleset};
use crate::source::Span;
use crate::world::EndpointId;

/// Adds what can go for these pods to what can go for any.
pub(super) fn add(
    held: &Held,
    context: &Context<'_>,
    wanted: impl Fn(PolicyId) -> bool,
    removals: &mut Vec<Removal>,
) {
    let ruleset = without(&held.ruleset, removals);
    let reach = Reach::new(&Evaluator::new(
        &held.world,
        &ruleset,
        held.profile.switches,
    ));
    let mut trial = Trial {
        held,
        ruleset,
        reach,
    };
    let mut policies: Vec<PolicyId> = held.world.policy_ids().collect();
    policies.reverse();
    for policy in policies.into_iter().filter(|policy| wanted(*policy)) {
        let known = removals.iter().position(|removal| removal.policy == policy);
        if known
            .and_then(|at| removals.get(at))
            .is_some_and(|known| known.whole)
        {
            continue;
        }
        let refs = Direction::BOTH.map(|direction| context.policy_ref(policy, direction));
        let refs: Vec<PolicyRef> = refs.into_iter().flatten().collect();
        let (whole, parts) = trial.policy(context, &refs);
        if !whole && parts.is_empty() {
            continue;
        }
        let at = known.unwrap_or_else(|| {
            removals.push(Removal {
                policy,
                name: held.world.policy_name(policy),
                span: held.world[policy].name_span,
                whole: false,
                why: String::new(),
                parts: Vec::new(),
                for_these_pods: true,
                editable: true,
            });
            removals.len() - 1
        });
        if let Some(removal) = removals.get_mut(at) {
            removal.for_these_pods = true;
            removal.parts.extend(parts);
            if whole {
                removal.whole = true;
                removal.why = why_whole(context, &refs).into();
            }
        }
    }
}

struct Trial<'h> {
    held: &'h Held,
    ruleset: Ruleset,
    reach: Reach,
}

fn why_whole(context: &Context<'_>, refs: &[PolicyRef]) -> &'static str {
    let subjects = |at: &PolicyRef| !context.eval.subjects_of(*at).is_empty();
    if !refs.iter().any(subjects) {
        return "it selects no pod of the input";
    }
    let mut rules = refs.iter().flat_map(|at| &context.eval.ruleset[*at].rules);
    if rules.all(|rule| rule.peers.iter().all(|peer| is_nobody(context, peer))) {
        return "it allows no pod of the input anything, and other policies isolate its pods";
    }
    "other policies isolate the pods that it selects today, and allow the same"
}

/// Whether a peer is a selector that selects nobody.
fn is_nobody(context: &Context<'_>, peer: &Peer) -> bool {
    match peer {
        Peer::Endpoints(selector, _) => context.eval.members(selector).is_empty(),
        _ => false,
    }
}

fn why(context: &Context<'_>, peers: &[Peer], item: Item) -> String {
    let nobody = |peer: &Peer| is_nobody(context, peer);
    let matches_nobody = match item {
        Item::Rule => peers.iter().all(nobody),
        Item::Peer(at) => peers.get(at).is_some_and(nobody),
        Item::Port(_) => false,
    };
    if matches_nobody {
        "it matches no pod of the input".into()
    } else {
        "for the pods of the input other rules make up for it".into()
    }
}

/// What rows say of pods in one direction.
type Seen = Vec<(bool, bool, Vec<Band>)>;

impl Trial<'_> {
    fn policy(&mut self, context: &Context<'_>, refs: &[PolicyRef]) -> (bool, Vec<Part>) {
        let is_default_deny = |at: &PolicyRef| {
            let policy = &context.eval.ruleset[*at];
            let everything = policy
                .subject
                .endpoints()
                .is_some_and(|of| of.pods.is_empty());
            everything && policy.rules.is_empty()
        };
        if refs.is_empty() {
            return (false, Vec::new());
        }
        if !refs.iter().any(is_default_deny) && self.whole(refs) {
            return (true, Vec::new());
        }
        let mut parts = Vec::new();
        for at in refs {
            // A policy that selects nobody says nothing of what its rules are worth.
            if context.eval.subjects_of(*at).is_empty() {
                continue;
            }
            self.parts(context, *at, &mut parts);
        }
        (false, parts)
    }

    /// Tries to take a policy out in both directions.
    fn whole(&mut self, refs: &[PolicyRef]) -> bool {
        let mut done: Vec<(PolicyRef, Policy)> = Vec::new();
        for at in refs {
            match self.try_with(*at, void) {
                Some(old) => done.push((*at, old)),
                None => {
                    for (at, old) in done.into_iter().rev() {
                        self.put(at, old);
                    }
                    return false;
                }
            }
        }
        true
    }

    fn parts(&mut self, context: &Context<'_>, at: PolicyRef, parts: &mut Vec<Part>) {
        let way = at.direction.word();
        let rules = &context.eval.ruleset[at].rules;
        // A way to say what is meant before items change their numbers.
        let mut gone: Vec<Part> = Vec::new();
        for (index, rule) in rules.iter().enumerate().rev() {
            let at = RuleRef {
                policy: at,
                rule: index,
            };
            let left = self.left(at);
            if left == (0, 0) {
                continue;
            }
            let peers = rule.peers.iter().enumerate();
            let ports = rule.traffic.iter().enumerate();
            let number = index + 1;
            let part = |item, what, span| Part {
                what,
                span,
                why: why(context, &rule.peers, item),
                by: None,
                at,
                item,
            };
            let mut candidates = vec![part(Item::Rule, format!("{way} rule {number}"), rule.span)];
            let place = |span: Option<Span>| span.unwrap_or(rule.span);
            // What the text cannot be without, and what has gone already, is not asked about.
            if left.0 == rule.peers.len() && left.0 > 1 {
                candidates.extend(peers.map(|(at, peer)| {
                    let what = format!("peer {} of {way} rule {number}", at + 1);
                    part(Item::Peer(at), what, place(peer.span()))
                }));
            }
            if left.1 == rule.traffic.len() && left.1 > 1 {
                candidates.extend(ports.map(|(at, port)| {
                    let what = format!("port {} of {way} rule {number}", at + 1);
                    part(Item::Port(at), what, place(port.span()))
                }));
            }
            let (mut peers, mut ports) = left;
            let whole = candidates.remove(0);
            if self.try_parts(at, &gone, whole.clone()) {
                gone.push(whole);
                continue;
            }
            for candidate in candidates.into_iter().rev() {
                let count = match candidate.item {
                    Item::Peer(_) => &mut peers,
                    _ => &mut ports,
                };
                if *count > 1 && self.try_parts(at, &gone, candidate.clone()) {
                    *count -= 1;
                    gone.push(candidate);
                }
            }
        }
        parts.extend(gone);
    }

    /// The peers and port items that a rule still has.
    fn left(&self, at: RuleRef) -> (usize, usize) {
        let policy = self.ruleset.tiers(at.policy.direction).get(at.policy.tier);
        let policy = policy.and_then(|tier| tier.policies.get(at.policy.policy));
        let rule = policy.and_then(|policy| policy.rules.get(at.rule));
        rule.map_or((0, 0), |rule| (rule.peers.len(), rule.traffic.len()))
    }

    /// Tries to take one more part out of a policy.
    fn try_parts(&mut self, at: RuleRef, gone: &[Part], more: Part) -> bool {
        // Numbers are those of the original: parts of one rule go together.
        let of_rule: Vec<&Part> = gone
            .iter()
            .filter(|part| part.at == at)
            .chain([&more])
            .collect();
        let original = self
            .held
            .ruleset
            .tiers(at.policy.direction)
            .get(at.policy.tier);
        let original = original.and_then(|tier| tier.policies.get(at.policy.policy));
        let Some(mut original) = original.cloned() else {
            return false;
        };
        take_out(&mut original, &of_rule);
        let Some(rule) = original.rules.get(at.rule).cloned() else {
            return false;
        };
        let changed = self.try_with(at.policy, |policy| {
            if let Some(old) = policy.rules.get_mut(at.rule) {
                *old = rule;
            }
        });
        changed.is_some()
    }

    /// Changes a policy, if nothing changes by it; what it was, or none if something would.
    fn try_with(&mut self, at: PolicyRef, change: impl FnOnce(&mut Policy)) -> Option<Policy> {
        let switches = self.held.profile.switches;
        let eval = Evaluator::new(&self.held.world, &self.ruleset, switches);
        let subjects: Vec<EndpointId> = eval.subjects_of(at).to_vec();
        let before = self.seen(&eval, at.direction, &subjects);
        let old = self.replace(at, change)?;
        let eval = Evaluator::new(&self.held.world, &self.ruleset, switches);
        let update = Change {
            policies: vec![at],
            endpoints: Vec::new(),
        };
        let updated = self.reach.update(&eval, &update);
        // Sets of rows that were all made anew have other numbers: then nothing is claimed.
        if !updated.rebuilt && self.seen(&eval, at.direction, &subjects) == before {
            return Some(old);
        }
        self.put(at, old);
        None
    }

    /// Undoes a change.
    fn put(&mut self, at: PolicyRef, old: Policy) {
        self.replace(at, |policy| *policy = old);
        let switches = self.held.profile.switches;
        let eval = Evaluator::new(&self.held.world, &self.ruleset, switches);
        let update = Change {
            policies: vec![at],
            endpoints: Vec::new(),
        };
        self.reach.update(&eval, &update);
    }

    fn replace(&mut self, at: PolicyRef, change: impl FnOnce(&mut Policy)) -> Option<Policy> {
        let tier = tiers_mut(&mut self.ruleset, at.direction).get_mut(at.tier)?;
        let policy = tier.policies.get_mut(at.policy)?;
        let old = policy.clone();
        change(policy);
        Some(old)
    }

    fn seen(&self, eval: &Evaluator<'_>, direction: Direction, pods: &[EndpointId]) -> Seen {
        let side = self.reach.side(direction);
        let one = |id: &EndpointId| {
            let row = side.row_of(*id);
            let open = row == RowId::EVERYTHING;
            let bands = side.row(row).bands().to_vec();
            (eval.is_isolated(*id, direction), open, bands)
        };
        pods.iter().map(one).collect()
    }
}
