//! What a rule lacks at the other end of a connection: labels, namespaces, kinds of peers.
//!
//! INVARIANT: of a peer that several conditions make, only those are told that do not hold.

use super::miss::{FAR, Fault, FaultKind, View};
use crate::eval::{Family, Party};
use crate::policy::{Action, EndpointSelector, NamespaceScope, Peer, Rule};
use crate::sets::{Described as _, Expression, LabelsOf, Operator, PortMatch, Requirement};
use crate::source::Span;
use crate::world::{EndpointId, Seen as Described};

/// The rule that a peer is of, and whether it is one of a NetworkPolicy.
#[derive(Clone, Copy)]
pub(super) struct Of<'r> {
    pub(super) rule: &'r Rule,
    pub(super) plain: bool,
}

impl View<'_> {
    /// What a rule lacks that fits the peer by all its peers.
    pub(super) fn whole_rule_fault(&self, rule: &Rule) -> Fault {
        let text = match rule.family {
            Some(Family::V4) => "is about IPv4 only".to_owned(),
            Some(Family::V6) => "is about IPv6 only".to_owned(),
            None => "means nobody".to_owned(),
        };
        let kind = match rule.family {
            Some(_) => FaultKind::Family,
            None => FaultKind::Peer,
        };
        Fault {
            kind,
            text,
            span: rule.span,
        }
    }

    pub(super) fn peer_faults(&self, of: Of<'_>, peer: &Peer) -> (usize, Vec<Fault>) {
        let span = peer.span().unwrap_or(of.rule.span);
        let means = |kind, distance| {
            let who = peer.words(self.eval.world);
            let text = format!("means {who}, and {} is not", self.name);
            (distance, vec![Fault { kind, text, span }])
        };
        match peer {
            // It matches whatever there is.
            Peer::Any => (0, Vec::new()),
            Peer::Block(block, _) => {
                let (distance, fault) = self.block_fault(block);
                (distance, vec![fault])
            }
            Peer::All(parts) => {
                let failing = parts.iter().filter(|part| !self.meets(part, span));
                let mut all = (0, Vec::new());
                for (distance, faults) in failing.map(|part| self.peer_faults(of, part)) {
                    all.0 += distance;
                    all.1.extend(faults);
                }
                all
            }
            Peer::AnyOf(parts) => {
                let each = parts.iter().map(|part| self.peer_faults(of, part));
                let nobody = || {
                    let text = "means nobody".to_owned();
                    let kind = FaultKind::Peer;
                    (FAR, vec![Fault { kind, text, span }])
                };
                each.min_by_key(|(distance, _)| *distance)
                    .unwrap_or_else(nobody)
            }
            Peer::Not(part) => {
                let who = part.words(self.eval.world);
                let text = format!("means anybody but {who}, which {} is", self.name);
                let kind = FaultKind::Peer;
                (2, vec![Fault { kind, text, span }])
            }
            Peer::Nodes(..)
            | Peer::AnyNode(_)
            | Peer::OwnNode(_)
            | Peer::OtherNodes(_)
            | Peer::Outside(_) => means(FaultKind::Peer, FAR),
            Peer::Domain(pattern, id, _) => match self.seen.party.resolve(self.eval.world) {
                Party::Address(ip) => {
                    let text = format!(
                        "means the addresses of {pattern}, of which {ip} is none as far as is known \
                         ({id})"
                    );
                    let kind = FaultKind::Domain;
                    (2, vec![Fault { kind, text, span }])
                }
                Party::Name(_) => means(FaultKind::Domain, 1),
                Party::Endpoint(_) | Party::Node(_) => means(FaultKind::Peer, FAR),
            },
            Peer::Endpoints(selector, span) => match self.other() {
                Some(id) if self.eval.can_be_subject(id) => {
                    let faults = self.selector_faults(of.plain, selector, *span, id);
                    (faults.len(), faults)
                }
                other => {
                    let text = match other {
                        Some(_) if self.on_host() => format!(
                            "selects pods by label, and {} is on the host network (K-72)",
                            self.name
                        ),
                        Some(_) => format!("selects pods, and {} has no address", self.name),
                        None => format!("selects pods, and {} is none", self.name),
                    };
                    let fault = Fault {
                        kind: FaultKind::NotSelectable,
                        text,
                        span: *span,
                    };
                    (FAR, vec![fault])
                }
            },
        }
    }

    /// Whether a part of a peer matches, as the evaluator has it.
    fn meets(&self, part: &Peer, span: Span) -> bool {
        let traffic = vec![PortMatch::Any];
        self.matched_by(Rule::new(Action::Allow, vec![part.clone()], traffic, span))
    }

    /// Whether a rule takes the destination port, whatever else it asks for.
    pub(super) fn takes(&self, rule: &Rule) -> bool {
        let traffic = rule.traffic.clone();
        self.matched_by(Rule::new(
            Action::Allow,
            vec![Peer::Any],
            traffic,
            rule.span,
        ))
    }

    fn matched_by(&self, rule: Rule) -> bool {
        let Some(subject) = self.subject else {
            return false;
        };
        let (party, protocol) = (self.seen.party, self.seen.protocol);
        let port = self.seen.port.unwrap_or_default();
        let rules = [rule];
        let first = (self.eval).first_match(&rules, self.direction, subject, party, protocol, port);
        first.is_some()
    }

    pub(super) fn selector_faults(
        &self,
        plain: bool,
        selector: &EndpointSelector,
        span: Span,
        id: EndpointId,
    ) -> Vec<Fault> {
        let world = self.eval.world;
        let namespace = world[id].namespace;
        let name = &world[namespace].name;
        let mut faults = Vec::new();
        match &selector.namespaces {
            NamespaceScope::Only(own) if *own != namespace => faults.push(Fault {
                kind: FaultKind::OwnNamespace,
                text: match plain {
                    true => format!(
                        "has no namespaceSelector and so means pods of `{}` (K-24), {} is in `{name}`",
                        world[*own].name, self.name
                    ),
                    false => format!(
                        "means pods of `{}`, {} is in `{name}`",
                        world[*own].name, self.name
                    ),
                },
                span,
            }),
            NamespaceScope::Only(_) => {}
            NamespaceScope::Matching(labels) => {
                for requirement in &labels.requirements {
                    let value = world.namespace_label(namespace, &requirement.key);
                    if holds(requirement, value) {
                        continue;
                    }
                    let unknown = value.is_none() && world.assumed.namespaces.contains(&namespace);
                    let remark = if unknown {
                        ", as far as is known: it has no Namespace object in the input (M-3)"
                    } else {
                        ""
                    };
                    faults.push(Fault {
                        kind: FaultKind::NamespaceLabel,
                        text: format!(
                            "needs {} on the namespace, `{name}` {}{remark}",
                            needs(requirement),
                            has(requirement, value)
                        ),
                        span: requirement.span,
                    });
                }
            }
        }
        for requirement in &selector.pods.requirements {
            let value = world.label(id, &requirement.key);
            if !holds(requirement, value) {
                faults.push(Fault {
                    kind: FaultKind::Label,
                    text: format!(
                        "needs {}, {} {}",
                        needs(requirement),
                        self.name,
                        has(requirement, value)
                    ),
                    span: requirement.span,
                });
            }
        }
        if let Some(also) = selector.also.as_deref() {
            self.expression_faults(also, span, id, &mut faults);
        }
        faults
    }

    /// The conditions that do not hold.
    fn expression_faults(
        &self,
        expression: &Expression,
        span: Span,
        id: EndpointId,
        faults: &mut Vec<Fault>,
    ) {
        let seen = Described(self.eval.world, id);
        if expression.holds(&seen) {
            return;
        }
        if let Expression::All(parts) = expression {
            for part in parts {
                self.expression_faults(part, span, id, faults);
            }
            return;
        }
        faults.push(Fault {
            kind: FaultKind::Label,
            text: format!(
                "needs {}{}",
                expression.words(),
                self.has_instead(expression, id)
            ),
            span,
        });
    }

    /// `, shop/web has app=api`: what a pod has where a label is asked for.
    fn has_instead(&self, expression: &Expression, id: EndpointId) -> String {
        let label = match expression {
            Expression::Not(part) => &**part,
            expression => expression,
        };
        if let Expression::ServiceAccount(_) = label {
            let account = self.eval.world.account_of(id);
            return format!(", {} has {account}", self.name);
        }
        let Expression::Label { of, key, .. } = label else {
            return format!(", which does not hold for {}", self.name);
        };
        let whose = match of {
            LabelsOf::Endpoint => self.name.clone(),
            LabelsOf::Namespace => {
                let namespace = self.eval.world[id].namespace;
                format!("`{}`", self.eval.world[namespace].name)
            }
            LabelsOf::ServiceAccount => format!("that of {}", self.name),
        };
        match Described(self.eval.world, id).label(*of, key) {
            Some(value) => format!(", {whose} has {key}={value}"),
            None => format!(", {whose} has no label {key}"),
        }
    }
}

pub(super) fn holds(requirement: &Requirement, value: Option<&str>) -> bool {
    let listed = |values: &[Box<str>]| {
        value.is_some_and(|value| values.iter().any(|listed| **listed == *value))
    };
    match &requirement.operator {
        Operator::In(values) => listed(values),
        Operator::NotIn(values) => !listed(values),
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
    }
}

/// `role=api`, `role in (api, db)`, `a label role`, `no label role`.
pub(super) fn needs(requirement: &Requirement) -> String {
    let key = &requirement.key;
    match &requirement.operator {
        Operator::In(values) => match values.as_slice() {
            [value] => format!("{key}={value}"),
            values => format!("{key} in ({})", some_values(values)),
        },
        Operator::NotIn(values) => match values.as_slice() {
            [value] => format!("{key}!={value}"),
            values => format!("{key} notin ({})", some_values(values)),
        },
        Operator::Exists => format!("a label {key}"),
        Operator::DoesNotExist => format!("no label {key}"),
    }
}

fn some_values(values: &[Box<str>]) -> String {
    match values {
        [one, two, three, _, _, ..] => {
            format!("{one}, {two}, {three}, ... {} more", values.len() - 3)
        }
        values => values.join(", "),
    }
}

/// `has role=web`, `has no label role`.
pub(super) fn has(requirement: &Requirement, value: Option<&str>) -> String {
    let key = &requirement.key;
    match value {
        Some(value) => format!("has {key}={value}"),
        None => format!("has no label {key}"),
    }
}
