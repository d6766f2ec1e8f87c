//! One side of a connection: the tiers walked for its subject.

use super::Evaluator;
use super::matching::{Cause, Match, Remote, Traffic};
use crate::manifest::Direction;
use crate::policy::{Action, PolicyRef, RuleRef, Stage};
use crate::world::{EndpointId, NodeId, World};

/// Whom a side is judged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Own {
    /// A pod.
    Endpoint(EndpointId),
    /// A node: a process or a host-network pod on it.
    Node(NodeId),
}

impl Own {
    /// The pod, if it is one.
    #[must_use]
    pub fn endpoint(self) -> Option<EndpointId> {
        match self {
            Self::Endpoint(id) => Some(id),
            Self::Node(_) => None,
        }
    }

    /// The node that it runs on or is.
    #[must_use]
    pub fn node(self, world: &World) -> Option<NodeId> {
        match self {
            Self::Endpoint(id) => world[id].node,
            Self::Node(id) => Some(id),
        }
    }
}

/// A rule that may or may not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Maybe {
    /// The rule.
    pub rule: RuleRef,
    /// What is not known.
    pub cause: Cause,
}

/// What decides one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The side imposes no condition: it is nobody that policies apply to (K-17, K-71).
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

/// What one side comes to, whatever the other says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// What decides if every rule that may or may not match does not.
    pub decision: Decision,
    /// The first rule for which the outcome might be the opposite.
    pub maybe: Option<Maybe>,
}

impl Judged {
    /// A side that asks no policy.
    pub(super) const NOT_SUBJECT: Self = Self {
        decision: Decision::NotSubject,
        maybe: None,
    };

    /// Whether this side lets the connection through.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.decision.is_allowed()
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
    /// Whom it was decided for, unless the side is no subject.
    pub subject: Option<Own>,
    /// The policies that select the subject.
    pub policies: Vec<PolicyRef>,
    /// The rules that were looked at, in order.
    pub steps: Vec<Step>,
    /// The outcome.
    pub decision: Decision,
    /// The first rule for which the outcome might be the opposite.
    pub maybe: Option<Maybe>,
}

/// What the ways through the tiers can lead to on which some rule that may match does.
#[derive(Clone, Copy, Debug, Default)]
struct Other {
    /// A rule that may match has been met.
    first: Option<Maybe>,
    allow: Option<Maybe>,
    deny: Option<Maybe>,
    /// Some such way is in this tier still ...
    here: bool,
    /// ... or has left it for the next one.
    passed: bool,
}

impl Other {
    fn comes_to(&mut self, action: Action, by: Maybe) {
        match action {
            Action::Allow => self.allow = self.allow.or(Some(by)),
            Action::Deny => self.deny = self.deny.or(Some(by)),
            Action::Pass => self.passed = true,
            Action::Log => return,
        }
        self.first = self.first.or(Some(by));
    }
}

/// Where the way is on which no rule that may match does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Main {
    Here,
    Passed,
    Decided(Decision),
}

impl Evaluator<'_> {
    /// Walks the tiers for one subject; `seen` is told every rule that is looked at on the way on
    /// which no rule that may match does.
    pub(super) fn walk(
        &self,
        direction: Direction,
        own: Own,
        remote: &Remote,
        traffic: Traffic<'_>,
        seen: impl FnMut(Step),
    ) -> Judged {
        let selected = match own {
            Own::Endpoint(id) => self.policies_of(id, direction),
            Own::Node(id) => self.policies_of_node(id, direction),
        };
        self.walk_through(selected, direction, own, remote, traffic, seen)
    }

    /// The policies about a node that connections are asked about which it routes (C-67, C-69).
    pub(super) fn walk_forwarded(
        &self,
        direction: Direction,
        node: NodeId,
        remote: &Remote,
        [before, behind]: [Traffic<'_>; 2],
    ) -> Judged {
        let own = Own::Node(node);
        for (stage, traffic) in [
            (Stage::Untracked, before),
            (Stage::Arrival, before),
            (Stage::Forwarded, behind),
        ] {
            let all = self.policies_of_node(node, direction).iter().copied();
            let of_stage: Vec<PolicyRef> =
                all.filter(|at| self.ruleset[*at].stage == stage).collect();
            let judged = self.walk_through(&of_stage, direction, own, remote, traffic, |_| {});
            if matches!(judged.decision, Decision::Rule { .. }) || !judged.is_allowed() {
                return judged;
            }
        }
        Judged::NOT_SUBJECT
    }

    fn walk_through(
        &self,
        selected: &[PolicyRef],
        direction: Direction,
        own: Own,
        remote: &Remote,
        traffic: Traffic<'_>,
        mut seen: impl FnMut(Step),
    ) -> Judged {
        let mut main = Main::Here;
        let mut other = Other::default();
        let selected = &*self.looked_at(selected, direction);
        for tier in selected.chunk_by(|a, b| a.tier == b.tier) {
            let mut isolated_by = None;
            for (position, at) in tier.iter().enumerate() {
                if main != Main::Here && !other.here {
                    break;
                }
                let policy = &self.ruleset[*at];
                if policy.isolates && isolated_by.is_none() {
                    isolated_by = Some(*at);
                }
                let before = position.checked_sub(1).and_then(|before| tier.get(before));
                let is_first = before.is_none_or(|before| self.ruleset[*before].tie != policy.tie);
                if policy.tie.is_some() && is_first {
                    let rest = tier.get(position..).unwrap_or_default();
                    let alike =
                        |a: &PolicyRef, b: &PolicyRef| self.ruleset[*a].tie == self.ruleset[*b].tie;
                    let tied = rest.chunk_by(alike).next().unwrap_or_default();
                    // The first object is asked first on the main way.
                    for object in tied.chunk_by(|a, b| self.are_one(*a, *b)).skip(1) {
                        self.asked_first(object, direction, own, remote, traffic, &mut other);
                    }
                }
                for (index, rule) in policy.rules.iter().enumerate() {
                    let (peer, ports) = self.rule_matches(rule, direction, own, remote, traffic);
                    let reference = RuleRef {
                        policy: *at,
                        rule: index,
                    };
                    if main == Main::Here {
                        seen(Step {
                            rule: reference,
                            peer: peer == Match::Yes,
                            traffic: ports == Match::Yes,
                        });
                    }
                    let action = self.action(rule.action, direction);
                    match peer.min(ports) {
                        Match::No => {}
                        Match::Maybe(cause) => {
                            let by = Maybe {
                                rule: reference,
                                cause,
                            };
                            other.comes_to(action, by);
                        }
                        Match::Yes if action == Action::Log => {}
                        Match::Yes => {
                            if let Some(by) = other.first.filter(|_| other.here) {
                                other.comes_to(action, by);
                            }
                            other.here = false;
                            if main == Main::Here {
                                main = match action {
                                    Action::Pass => Main::Passed,
                                    action => Main::Decided(Decision::Rule {
                                        rule: reference,
                                        allowed: action == Action::Allow,
                                    }),
                                };
                            }
                            break;
                        }
                    }
                }
            }
            // Every policy of the tier counts, those behind a `Pass` too.
            let isolated_by =
                isolated_by.or_else(|| tier.iter().copied().find(|at| self.ruleset[*at].isolates));
            if let Some(isolated_by) = isolated_by {
                if main == Main::Here {
                    main = Main::Decided(Decision::NoRule { isolated_by });
                }
                if let Some(by) = other.first.filter(|_| other.here) {
                    other.comes_to(Action::Deny, by);
                }
                other.here = false;
            }
            if main == Main::Passed {
                main = Main::Here;
            }
            other.here |= std::mem::take(&mut other.passed);
            if main != Main::Here && !other.here {
                break;
            }
        }
        if let Some(by) = other.first.filter(|_| other.here) {
            other.comes_to(Action::Allow, by);
        }
        let decision = match main {
            Main::Decided(decision) => decision,
            Main::Here | Main::Passed => Decision::NotIsolated,
        };
        let maybe = if decision.is_allowed() {
            other.deny
        } else {
            other.allow
        };
        Judged { decision, maybe }
    }

    /// Whether two policies that follow each other are parts of one object.
    pub(super) fn are_one(&self, a: PolicyRef, b: PolicyRef) -> bool {
        self.ruleset[a].origin == self.ruleset[b].origin
    }

    /// What one of several objects of the same priority comes to if it is asked first.
    fn asked_first(
        &self,
        object: &[PolicyRef],
        direction: Direction,
        own: Own,
        remote: &Remote,
        traffic: Traffic<'_>,
        other: &mut Other,
    ) {
        let rules = object.iter().flat_map(|at| {
            let rules = self.ruleset[*at].rules.iter().enumerate();
            rules.map(|(rule, found)| (RuleRef { policy: *at, rule }, found))
        });
        for (rule, found) in rules {
            let (peer, ports) = self.rule_matches(found, direction, own, remote, traffic);
            let reached = peer.min(ports);
            let cause = match reached {
                Match::No => continue,
                Match::Maybe(cause) => cause,
                Match::Yes => Cause::Tie,
            };
            let action = self.action(found.action, direction);
            other.comes_to(action, Maybe { rule, cause });
            if reached == Match::Yes && action != Action::Log {
                return;
            }
        }
    }
}
