//! Rules by the numbers that people count: an object may have become several policies, and its rules
//! stand there by another order.
//!
//! INVARIANT: numbers are those of the list in the manifest, from 1; nothing is decided here.

use crate::eval::Evaluator;
use crate::manifest::policy::antrea::AntreaObject;
use crate::manifest::policy::calico::CalicoObject;
use crate::manifest::policy::cilium::CiliumObject;
use crate::manifest::{Direction, PolicyObject};
use crate::policy::{Action, Origin, PolicyRef, RuleRef};
use crate::source::Span;
use crate::world::World;

/// A kind in words: those of one name are told apart by their language (C-77).
#[must_use]
pub fn kind_words(group: &str, kind: &str) -> String {
    let language = match (group, kind) {
        ("projectcalico.org", "NetworkPolicy") => "Calico ",
        ("crd.antrea.io", "NetworkPolicy" | "ClusterNetworkPolicy") => "Antrea ",
        _ => "",
    };
    format!("{language}{kind}")
}

/// The API group of a policy; empty for what an engine does by itself.
#[must_use]
pub fn group_of(world: &World, origin: Origin) -> &'static str {
    match origin {
        Origin::Kubernetes(_) => "networking.k8s.io",
        Origin::Object(id) => world[id].kind.group,
        Origin::Engine(..) => "",
    }
}

/// `Calico NetworkPolicy shop/db`; for what an engine does by itself, that.
#[must_use]
pub fn policy_words(world: &World, origin: Origin) -> String {
    if let Origin::Engine(id, why) = origin {
        return format!("{why} ({id})");
    }
    let kind = kind_words(group_of(world, origin), origin.kind(world));
    format!("{kind} {}", origin.name(world))
}

/// Where a rule is in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RulePlace {
    /// The list: `ingress`, `egressDeny`.
    pub list: &'static str,
    /// The position, from 1.
    pub number: usize,
}

/// The place of a rule in its object.
#[must_use]
pub fn rule_place(eval: &Evaluator<'_>, at: RuleRef) -> RulePlace {
    let policy = &eval.ruleset[at.policy];
    let rule = &eval.ruleset[at];
    let denies = rule.action == Action::Deny;
    let lists = match policy.origin {
        Origin::Object(id) => lists(&eval.world[id].object, at.policy.direction),
        Origin::Kubernetes(_) | Origin::Engine(..) => Vec::new(),
    };
    let within = |span: &Span| {
        span.file == rule.span.file && span.start <= rule.span.start && rule.span.end <= span.end
    };
    let found = lists.iter().find_map(|(list, of_denials, spans)| {
        let fits = of_denials.is_none_or(|of_denials| of_denials == denies);
        let number = spans.iter().position(within).filter(|_| fits)?;
        Some(RulePlace {
            list,
            number: number + 1,
        })
    });
    found.unwrap_or(RulePlace {
        list: at.policy.direction.word(),
        number: at.rule + 1,
    })
}

/// How many rules an object has for a direction, without those of a list of denials; as many as the
/// policy has if nothing is written.
#[must_use]
pub fn rules_written(eval: &Evaluator<'_>, at: PolicyRef) -> usize {
    let policy = &eval.ruleset[at];
    let lists = match policy.origin {
        Origin::Object(id) => lists(&eval.world[id].object, at.direction),
        Origin::Kubernetes(_) | Origin::Engine(..) => return policy.rules.len(),
    };
    let admitting = lists
        .iter()
        .filter(|(_, denials, _)| *denials != Some(true));
    admitting.map(|(.., spans)| spans.len()).sum()
}

/// A list, whether its rules deny if all of them do the same, and where they are.
type List = (&'static str, Option<bool>, Vec<Span>);

fn lists(object: &PolicyObject, direction: Direction) -> Vec<List> {
    let one = |spans| vec![(direction.word(), None, spans)];
    match object {
        PolicyObject::Admin(policy) => one(policy
            .rules(direction)
            .iter()
            .map(|rule| rule.span)
            .collect()),
        PolicyObject::Calico(object) => match object {
            CalicoObject::Policy(policy) | CalicoObject::Staged(policy, _) => {
                let rules = policy.section(direction).rules.iter();
                one(rules.map(|rule| rule.span).collect())
            }
            CalicoObject::Profile(profile) => {
                let rules = profile.section(direction).rules.iter();
                one(rules.map(|rule| rule.span).collect())
            }
            _ => Vec::new(),
        },
        PolicyObject::Cilium(CiliumObject::Policy(policy)) => {
            let sections = || policy.rules.iter().map(|rule| rule.section(direction));
            let allow = sections().flat_map(|section| &section.allow);
            let deny = sections().flat_map(|section| &section.deny);
            let denials = match direction {
                Direction::Ingress => "ingressDeny",
                Direction::Egress => "egressDeny",
            };
            vec![
                (
                    direction.word(),
                    Some(false),
                    allow.map(|item| item.span).collect(),
                ),
                (denials, Some(true), deny.map(|item| item.span).collect()),
            ]
        }
        PolicyObject::Antrea(AntreaObject::Policy(policy)) => one(policy
            .rules(direction)
            .iter()
            .map(|rule| rule.span)
            .collect()),
        PolicyObject::EgressFirewall(firewall) => {
            one(firewall.rules.iter().map(|rule| rule.span).collect())
        }
        PolicyObject::Cilium(_) | PolicyObject::Antrea(_) => Vec::new(),
    }
}
