//! One side of a connection: the tiers walked for its subject.

use super::Evaluator;
use super::matching::{Match, Remote, Traffic};
use crate::manifest::Direction;
use crate::policy::{Action, PolicyRef, RuleRef};
use crate::world::EndpointId;

/// What decides one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The side imposes no condition: it is no pod that policies apply to (K-17, K-71).
    NotSubject,
    /// No policy isolates the endpoint in this direction (K-6).
    NotIsolated,
    /// A rule matches.
    Rule {
        /// The rule.
        rule: RuleRef,
        /// What it does.
        allowed: bool,
    },
    /// Isolated, and no rule matches (K-15).
    NoRule {
        /// The first policy that isolates.
        isolated_by: PolicyRef,
        /// A rule that would match if the endpoint's address, which is not known, lay in its block
        /// (M-1).
        maybe: Option<RuleRef>,
    },
}

impl Decision {
    /// Whether this side lets the connection through.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        match self {
            Self::NotSubject | Self::NotIsolated => true,
            Self::Rule { allowed, .. } => *allowed,
            Self::NoRule { .. } => false,
        }
    }

    /// The rule that decides, if one does.
    #[must_use]
    pub fn rule(&self) -> Option<RuleRef> {
        match self {
            Self::Rule { rule, .. } => Some(*rule),
            _ => None,
        }
    }
}

/// One rule that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rule.
    pub rule: RuleRef,
    /// Whether one of its peers matches.
    pub peer: bool,
    /// Whether one of its ports matches.
    pub traffic: bool,
}

/// How a side was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SideTrace {
    /// The direction.
    pub direction: Direction,
    /// The endpoint, unless the side is no subject.
    pub subject: Option<EndpointId>,
    /// The policies that select the endpoint.
    pub policies: Vec<PolicyRef>,
    /// The rules that were looked at, in order.
    pub steps: Vec<Step>,
    /// The outcome.
    pub decision: Decision,
}

impl Evaluator<'_> {
    /// Walks the tiers for one subject; `seen` is told every rule that is looked at.
    pub(super) fn walk(
        &self,
        direction: Direction,
        subject: EndpointId,
        remote: &Remote,
        traffic: Traffic,
        mut seen: impl FnMut(Step),
    ) -> Decision {
        let mut selected = self.policies_of(subject, direction).iter().peekable();
        let mut maybe = None;
        'tiers: while let Some(first) = selected.peek().copied() {
            let tier = first.tier;
            let mut isolated_by = None;
            let mut passed = false;
            while let Some(at) = selected.next_if(|at| at.tier == tier) {
                if passed {
                    continue;
                }
                let policy = &self.ruleset[*at];
                if policy.isolates && isolated_by.is_none() {
                    isolated_by = Some(*at);
                }
                for (index, rule) in policy.rules.iter().enumerate() {
                    let (peer, ports) =
                        self.rule_matches(rule, direction, subject, remote, traffic);
                    let reference = RuleRef {
                        policy: *at,
                        rule: index,
                    };
                    seen(Step {
                        rule: reference,
                        peer: peer == Match::Yes,
                        traffic: ports,
                    });
                    match (peer, ports) {
                        (Match::Yes, true) => match rule.action {
                            Action::Allow | Action::Deny => {
                                return Decision::Rule {
                                    rule: reference,
                                    allowed: rule.action == Action::Allow,
                                };
                            }
                            Action::Pass => {
                                passed = true;
                                break;
                            }
                            Action::Log => {}
                        },
                        (Match::Maybe, true) => maybe = maybe.or(Some(reference)),
                        _ => {}
                    }
                }
            }
            if passed {
                continue 'tiers;
            }
            if let Some(isolated_by) = isolated_by {
                return Decision::NoRule { isolated_by, maybe };
            }
        }
        Decision::NotIsolated
    }
}
