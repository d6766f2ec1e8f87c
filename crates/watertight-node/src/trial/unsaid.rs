//! Predictions that rest on what tables do not say as it is written.

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;
use watertight_core::eval::{Connection, Reason, Verdict};
use watertight_core::policy::{PolicyRef, RuleRef};

use crate::nft::compile::{Compiled, Unsaid};

/// What the tables of all nodes leave out.
#[derive(Debug, Default)]
pub(super) struct Unsayable {
    /// Rules about requests, and policies that are left out as a whole for it.
    rules: FxHashSet<RuleRef>,
    policies: FxHashSet<PolicyRef>,
    kinds: BTreeSet<Unsaid>,
}

impl Unsayable {
    pub(super) fn of<'c>(tables: impl IntoIterator<Item = &'c Compiled>) -> Self {
        let mut found = Self::default();
        for left in tables.into_iter().flat_map(|compiled| &compiled.left) {
            found.kinds.insert(left.why);
            match (left.why, left.rule) {
                (Unsaid::Requests, Some(rule)) => {
                    found.rules.insert(RuleRef {
                        policy: left.policy,
                        rule,
                    });
                }
                (Unsaid::Requests, None) => _ = found.policies.insert(left.policy),
                // Where it matters which names or host-network pods there are, verdicts are uncertain, or the
                // connection is one of a pod that packets do not tell from its node.
                (Unsaid::Names | Unsaid::HostPods, _) => {}
                // These are about ways, not about rules: whatever decides, it decides about another packet.
                (Unsaid::Routed | Unsaid::Services | Unsaid::Sources, _) => {}
            }
        }
        found
    }

    /// Whether a prediction rests on it.
    pub(super) fn is_below(&self, connection: &Connection, verdict: &Verdict) -> bool {
        let has = |kind| self.kinds.contains(&kind);
        let is_dialled = connection.service.is_some() && has(Unsaid::Services);
        // Sources are as nodes make them: whoever is shown the client in place of the node is not judged anyway.
        let is_routed = (connection.via_node.is_some() || verdict.reason == Reason::Routed)
            && has(Unsaid::Routed);
        let rules = [verdict.egress.rule(), verdict.ingress.rule()];
        let mut rules = rules.into_iter().flatten();
        is_dialled
            || is_routed
            || rules.any(|rule| self.rules.contains(&rule) || self.policies.contains(&rule.policy))
    }
}
