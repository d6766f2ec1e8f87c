//! NetworkPolicy, GlobalNetworkPolicy and their staged forms (C-14..C-20, C-62, C-70, C-74).

use super::rule::{self, CalicoRule};
use super::selector::{self, Allowed, CalicoSelectorText};
use crate::document::{Kind, Node};
use crate::manifest::decode::{Decoder, Unknown};
use crate::manifest::networkpolicy::Direction;
use crate::manifest::policy::Written;
use crate::source::Span;

/// The most rules of one direction (C-74).
const MAX_RULES: usize = 1024;

/// The tier of policies that name none (C-11).
pub(super) const DEFAULT_TIER: &str = "default";

/// A NetworkPolicy or a GlobalNetworkPolicy.
#[derive(Clone, Debug)]
pub struct CalicoPolicy {
    /// The tier (C-11).
    pub tier: Box<str>,
    /// Where the tier is named, if it is.
    pub tier_span: Option<Span>,
    /// The place in the tier; none is last (C-1).
    pub order: Option<f64>,
    /// The endpoints; none is all of them (C-17, C-18).
    pub selector: Option<CalicoSelectorText>,
    /// Their namespaces; GlobalNetworkPolicy only (C-19).
    pub namespace_selector: Option<CalicoSelectorText>,
    /// Their service accounts (C-20).
    pub service_account_selector: Option<CalicoSelectorText>,
    /// `types` with its place, if it is there and not empty (C-14).
    pub types: Option<(Vec<Direction>, Span)>,
    /// The `ingress` section.
    pub ingress: CalicoSection,
    /// The `egress` section.
    pub egress: CalicoSection,
    /// Before connection tracking, on hosts only (C-68).
    pub do_not_track: bool,
    /// Before Services are translated, on hosts only (C-69).
    pub pre_dnat: bool,
    /// Also for what is routed through hosts (C-67).
    pub apply_on_forward: bool,
    /// Where the spec is; where the object is, if there is none.
    pub span: Span,
}

impl CalicoPolicy {
    /// Whether it acts in a direction (C-14..C-16).
    #[must_use]
    pub fn covers(&self, direction: Direction) -> bool {
        let has = |section: &CalicoSection| !section.rules.is_empty();
        match (&self.types, direction) {
            (Some((types, _)), _) => types.contains(&direction),
            (None, Direction::Ingress) => has(&self.ingress) || !has(&self.egress),
            (None, Direction::Egress) => has(&self.egress),
        }
    }

    /// The effective types (C-14).
    #[must_use]
    pub fn effective_types(&self) -> Vec<Direction> {
        let directions = Direction::BOTH.into_iter();
        directions
            .filter(|direction| self.covers(*direction))
            .collect()
    }

    /// The section of a direction.
    #[must_use]
    pub fn section(&self, direction: Direction) -> &CalicoSection {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// The rules of a direction. Missing and `[]` are the same (C-16).
#[derive(Clone, Debug, Default)]
pub struct CalicoSection {
    /// Where the section is written, be it empty.
    pub span: Option<Span>,
    /// The rules, in order.
    pub rules: Vec<CalicoRule>,
}

/// What is to become of the policy that a staged one stands for (C-62).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StagedAction {
    /// It is made or replaced.
    Set,
    /// It is removed.
    Delete,
    /// Its flows are learnt.
    Learn,
    /// Nothing.
    Ignore,
}

const FIELDS: [&str; 12] = [
    "tier",
    "order",
    "selector",
    "namespaceSelector",
    "serviceAccountSelector",
    "types",
    "ingress",
    "egress",
    "doNotTrack",
    "preDNAT",
    "applyOnForward",
    "performanceHints",
];

pub(super) fn decode(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> Option<CalicoPolicy> {
    decoder.field("spec", |decoder| {
        // A policy of a namespace has no fields for hosts and for other namespaces.
        let fields = match written.spec {
            Some(node) if written.kind.namespaced => {
                let [tier, order, pods, accounts, types, ingress, egress, hints] = decoder.fields(
                    node,
                    [
                        "tier",
                        "order",
                        "selector",
                        "serviceAccountSelector",
                        "types",
                        "ingress",
                        "egress",
                        "performanceHints",
                    ],
                    Unknown::Refuse,
                );
                let head = [tier, order, pods, None, accounts, types];
                let rest = [ingress, egress, None, None, None, hints];
                join(head, rest)
            }
            Some(node) => decoder.fields(node, FIELDS, Unknown::Refuse),
            None => [None; 12],
        };
        spec(decoder, written, fields)
    })
}

pub(super) fn decode_staged(
    decoder: &mut Decoder,
    written: &Written<'_, '_, '_>,
) -> Option<(CalicoPolicy, StagedAction)> {
    decoder.field("spec", |decoder| {
        let mut fields = [None; 13];
        if let Some(node) = written.spec {
            let [a, b, c, d, e, f, g, h, i, j, k, l] = FIELDS;
            let known = ["stagedAction", a, b, c, d, e, f, g, h, i, j, k, l];
            fields = decoder.fields(node, known, Unknown::Refuse);
        }
        let [action, rest @ ..] = fields;
        let action = staged_action(decoder, action)?;
        if action == StagedAction::Delete
            && let Some(field) = rest.iter().skip(1).flatten().next()
        {
            let message = "a staged deletion names the policy and its `tier`, nothing else";
            decoder.invalid(field.span(), message, &["C-62"], None);
        }
        Some((spec(decoder, written, rest)?, action))
    })
}

fn join<T: Copy>(head: [T; 6], rest: [T; 6]) -> [T; 12] {
    let ([a, b, c, d, e, f], [g, h, i, j, k, l]) = (head, rest);
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

pub(super) fn staged_action(
    decoder: &mut Decoder,
    node: Option<Node<'_, '_>>,
) -> Option<StagedAction> {
    let Some(text) = decoder.text("stagedAction", node) else {
        return Some(StagedAction::Set);
    };
    match &*text {
        "Set" | "" => Some(StagedAction::Set),
        "Delete" => Some(StagedAction::Delete),
        "Learn" => Some(StagedAction::Learn),
        "Ignore" => Some(StagedAction::Ignore),
        other => {
            decoder.field("stagedAction", |decoder| {
                let message = format!("`{other}` is no action of a staged policy");
                let help = "use Set, Delete, Learn or Ignore";
                decoder.invalid(text.span, message, &["C-62"], Some(help));
            });
            None
        }
    }
}

fn spec(
    decoder: &mut Decoder,
    written: &Written<'_, '_, '_>,
    fields: [Option<Node<'_, '_>>; 12],
) -> Option<CalicoPolicy> {
    let [
        tier,
        order_node,
        pods,
        namespaces,
        accounts,
        types_node,
        ingress,
        egress,
        untracked,
        pre_dnat,
        forward,
        _,
    ] = fields;
    let labels = Allowed::Labels;
    let named = decoder.text("tier", tier).filter(|tier| !tier.is_empty());
    let namespaced = written.kind.namespaced;
    let policy = CalicoPolicy {
        tier: named.as_deref().unwrap_or(DEFAULT_TIER).into(),
        tier_span: named.as_ref().map(|tier| tier.span),
        order: order(decoder, order_node),
        selector: selector::decode(decoder, "selector", pods, labels),
        namespace_selector: selector::decode(decoder, "namespaceSelector", namespaces, labels),
        service_account_selector: selector::decode(
            decoder,
            "serviceAccountSelector",
            accounts,
            labels,
        ),
        types: types(decoder, types_node),
        ingress: section(decoder, Direction::Ingress, ingress, namespaced),
        egress: section(decoder, Direction::Egress, egress, namespaced),
        do_not_track: decoder.bool("doNotTrack", untracked),
        pre_dnat: decoder.bool("preDNAT", pre_dnat),
        apply_on_forward: decoder.bool("applyOnForward", forward),
        span: written.spec.map_or(written.span, Node::span),
    };
    stages(decoder, &policy, untracked.or(pre_dnat));
    Some(policy)
}

/// An order, which may be negative and may be a fraction (C-74).
pub(super) fn order(decoder: &mut Decoder, node: Option<Node<'_, '_>>) -> Option<f64> {
    let node = node?;
    let number = match node.kind() {
        Kind::Number => node.as_written().parse().ok(),
        _ => None,
    };
    match number.filter(|number: &f64| number.is_finite()) {
        Some(number) => Some(number),
        // Other notations; the decoder tells what is no number at all.
        None => {
            let (value, _) = decoder.integer("order", Some(node))?;
            Some(value as f64)
        }
    }
}

fn types(decoder: &mut Decoder, node: Option<Node<'_, '_>>) -> Option<(Vec<Direction>, Span)> {
    let span = node?.span();
    let mut found: Vec<Direction> = Vec::new();
    decoder.items("types", node, |decoder, node| {
        let text = decoder.item_text(node)?;
        let direction = match &*text {
            "Ingress" => Direction::Ingress,
            "Egress" => Direction::Egress,
            other => {
                let message = format!("`{other}` is no policy type");
                let help = "use Ingress or Egress, with a capital letter";
                decoder.invalid(text.span, message, &["C-14"], Some(help));
                return None;
            }
        };
        if found.contains(&direction) {
            let message = format!("type `{}` is listed twice", direction.api());
            decoder.invalid(text.span, message, &["C-74"], Some("list it once"));
        }
        found.push(direction);
        Some(())
    });
    (!found.is_empty()).then_some((found, span))
}

pub(super) fn section(
    decoder: &mut Decoder,
    direction: Direction,
    node: Option<Node<'_, '_>>,
    namespaced: bool,
) -> CalicoSection {
    let rules = decoder.items(direction.word(), node, |decoder, node| {
        rule::decode(decoder, node, direction, namespaced)
    });
    let span = node.map(Node::span);
    if let Some(span) = span
        && rules.len() > MAX_RULES
    {
        decoder.field(direction.word(), |decoder| {
            let message = format!("{} rules in one list; {MAX_RULES} are allowed", rules.len());
            decoder.invalid(span, message, &["C-74"], Some("write two policies"));
        });
    }
    CalicoSection { span, rules }
}

/// Checks what policies at the early stages of a host may say (C-70).
fn stages(decoder: &mut Decoder, policy: &CalicoPolicy, field: Option<Node<'_, '_>>) {
    let span = field.map_or(policy.span, Node::span);
    if !policy.do_not_track && !policy.pre_dnat {
        return;
    }
    let mut invalid = |span: Span, message: &str, help: Option<&str>| {
        decoder.invalid(span, message, &["C-70"], help);
    };
    if policy.do_not_track && policy.pre_dnat {
        let message = "`doNotTrack` and `preDNAT` exclude one another";
        invalid(span, message, Some("write two policies"));
    }
    if !policy.apply_on_forward {
        let message = "`doNotTrack` and `preDNAT` need `applyOnForward: true`";
        invalid(span, message, Some("add `applyOnForward: true`"));
    }
    if policy.pre_dnat {
        if !policy.egress.rules.is_empty() {
            let section = policy.egress.span.unwrap_or(span);
            invalid(section, "a `preDNAT` policy has no egress rules", None);
        }
        if let Some((types, span)) = &policy.types
            && types.contains(&Direction::Egress)
        {
            invalid(*span, "a `preDNAT` policy has no type Egress", None);
        }
    }
}
