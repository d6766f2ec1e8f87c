//! What becomes of connections to metadata addresses where policies of several languages decide.
//!
//! INVARIANT: told by the evaluator, once for each list of policies: addresses outside of the
//! cluster are the same to all pods with the same policies.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::{Metadata, blocks};
use crate::eval::{Connection, Decision, Party};
use crate::manifest::Direction;
use crate::policy::{Action, Peer, PolicyRef, Rule, RuleRef};
use crate::rules::{Context, Group, witness};
use crate::sets::Protocol;
use crate::world::EndpointId;

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) enum Fate {
    /// Policies deny it.
    Closed,
    /// No policy decides it.
    Free,
    /// This rule allows it.
    Allowed(RuleRef),
    /// The first of these rules denies the address in particular, but the other one comes before
    /// and allows it, or passes it on to where nothing decides.
    Voided(RuleRef, RuleRef),
}

/// The fates of all metadata addresses.
#[derive(Debug)]
pub(in crate::rules) struct Fates<'c> {
    context: &'c Context<'c>,
    metadata: &'c Metadata,
    known: FxHashMap<&'c [PolicyRef], FxHashMap<(usize, u16), Fate>>,
}

impl<'c> Fates<'c> {
    pub(in crate::rules) fn new(context: &'c Context<'c>, metadata: &'c Metadata) -> Self {
        Self {
            context,
            metadata,
            known: FxHashMap::default(),
        }
    }

    /// The fate of a connection from a pod of a group to a port of a target.
    pub(in crate::rules) fn of(
        &mut self,
        group: &'c Group,
        own: EndpointId,
        door: (usize, u16),
    ) -> Fate {
        let Some(target) = self.metadata.targets.get(door.0) else {
            return Fate::Closed;
        };
        let known = self.known.entry(group.egress.as_slice()).or_default();
        *known
            .entry(door)
            .or_insert_with(|| judge(self.context, own, target.address, door.1))
    }
}

fn judge(context: &Context<'_>, own: EndpointId, address: IpAddr, port: u16) -> Fate {
    let to = Party::Address(address);
    let connection = Connection::new(Party::Endpoint(own), to, Protocol::Tcp, port);
    let decision = context.eval.verdict(&connection).egress;
    let fate = match decision {
        Decision::NotIsolated => Fate::Free,
        Decision::Rule {
            rule,
            allowed: true,
        } => Fate::Allowed(rule),
        _ => return Fate::Closed,
    };
    let denied = denial(context, own, address, port);
    let voided = denied.zip(asked_before(context, &connection));
    voided.map_or(fate, |(denied, before)| Fate::Voided(denied, before))
}

/// The first rule that would deny a pod an address on a port and names it, whether or not it is
/// asked.
fn denial(context: &Context<'_>, own: EndpointId, address: IpAddr, port: u16) -> Option<RuleRef> {
    let eval = context.eval;
    let egress = Direction::Egress;
    let policies = context.policies_of(own, egress).iter();
    let mut rules = policies.flat_map(|at| witness::rules_of(context, *at));
    let found = rules.find(|(_, rule)| {
        let rules = std::slice::from_ref(*rule);
        let to = Party::Address(address);
        let matches = || eval.first_match(rules, egress, own, to, Protocol::Tcp, port);
        names(rule, address) && matches().is_some()
    });
    found.map(|(at, _)| at)
}

/// Whether a rule denies by a block that was written for this address and not for everybody.
fn names(rule: &Rule, address: IpAddr) -> bool {
    let mut named = false;
    if rule.action == Action::Deny {
        for peer in &rule.peers {
            peer.leaves(&mut |leaf| {
                named |= matches!(leaf, Peer::Block(block, _)
                    if !blocks::is_wide(block) && block.contains(address));
            });
        }
    }
    named
}

/// The rule that lets a connection through: the one that allows it, or the last that passes it on to
/// where nothing decides.
fn asked_before(context: &Context<'_>, connection: &Connection) -> Option<RuleRef> {
    let explained = context.eval.explain(connection);
    match explained.verdict.egress {
        Decision::Rule {
            rule,
            allowed: true,
        } => Some(rule),
        Decision::NotIsolated => {
            let steps = explained.egress.steps.iter();
            let mut matching = steps.filter(|step| step.peer && step.traffic);
            let pass = |at: RuleRef| context.eval.ruleset[at].action == Action::Pass;
            matching.rfind(|step| pass(step.rule)).map(|step| step.rule)
        }
        _ => None,
    }
}
