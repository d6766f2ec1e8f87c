//! Tier, NetworkSet and GlobalNetworkSet (C-1, C-11, C-61, C-76).

use super::nets;
use super::policy::order;
use crate::document::Node;
use crate::manifest::decode::{Decoder, Unknown};
use crate::manifest::policy::Written;
use crate::sets::Cidr;
use crate::source::Span;

/// The tiers that Calico makes: name, order, whether their end denies (C-11), and the names that
/// versions before 3.32 gave two of them.
const BUILT_IN: &[(&str, f64, bool)] = &[
    ("kube-admin", 1_000.0, false),
    ("default", 1_000_000.0, true),
    ("kube-baseline", 10_000_000.0, false),
    ("adminnetworkpolicy", 1_000.0, false),
    ("baselineadminnetworkpolicy", 10_000_000.0, false),
];

/// A tier.
#[derive(Clone, Copy, Debug)]
pub struct CalicoTier {
    /// The place among tiers; none is last (C-1).
    pub order: Option<f64>,
    /// Whether its end denies what it has not decided (C-6).
    pub denies: bool,
    /// Where the spec is; where the object is, if there is none.
    pub span: Span,
}

/// A labelled list of networks (C-61).
#[derive(Clone, Debug)]
pub struct NetworkSet {
    /// The networks.
    pub nets: Vec<Cidr>,
    /// Where the spec is; where the object is, if there is none.
    pub span: Span,
}

pub(super) fn tier(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> CalicoTier {
    let span = written.spec.map_or(written.span, Node::span);
    if written.name.contains('.') || written.name.len() > 63 {
        decoder.field("metadata", |decoder| {
            decoder.field("name", |decoder| {
                let message = "the name of a tier has at most 63 characters and no `.`";
                decoder.invalid(written.name_span, message, &["C-76"], None);
            });
        });
    }
    decoder.field("spec", |decoder| {
        let [order_node, action] = match written.spec {
            Some(node) => decoder.fields(node, ["order", "defaultAction"], Unknown::Refuse),
            None => [None; 2],
        };
        let order = order(decoder, order_node);
        let known = BUILT_IN.iter().find(|(name, ..)| *name == written.name);
        let action_span = action.map_or(span, Node::span);
        let denies = match decoder.text("defaultAction", action).as_deref() {
            None => known.is_none_or(|(_, _, denies)| *denies),
            Some("Deny") => true,
            Some("Pass") => false,
            Some(other) => {
                decoder.field("defaultAction", |decoder| {
                    let message = format!("`{other}` is no default action of a tier");
                    decoder.invalid(action_span, message, &["C-6"], Some("use Deny or Pass"));
                });
                true
            }
        };
        if let Some((name, fixed, fixed_denies)) = known {
            if order != Some(*fixed) {
                let message = format!("the order of tier `{name}` is {fixed}");
                let place = order_node.map_or(span, Node::span);
                decoder.invalid(place, message, &["C-76"], None);
            }
            if denies != *fixed_denies {
                let word = if *fixed_denies { "Deny" } else { "Pass" };
                let message = format!("the default action of tier `{name}` is {word}");
                decoder.invalid(action_span, message, &["C-76"], None);
            }
        }
        CalicoTier {
            order,
            denies,
            span,
        }
    })
}

pub(super) fn set(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> NetworkSet {
    let span = written.spec.map_or(written.span, Node::span);
    decoder.field("spec", |decoder| {
        let [nets] = match written.spec {
            Some(node) => decoder.fields(node, ["nets"], Unknown::Refuse),
            None => [None],
        };
        NetworkSet {
            nets: decoder.items("nets", nets, nets::set),
            span,
        }
    })
}
