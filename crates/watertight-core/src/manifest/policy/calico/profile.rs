//! Profile: what decides about host endpoints that no tier decides about (C-8, C-63).

use super::policy::{CalicoSection, section};
use crate::document::Node;
use crate::manifest::Direction;
use crate::manifest::decode::{Decoder, Unknown};
use crate::manifest::policy::Written;
use crate::source::Span;

/// A profile. Those of namespaces and of service accounts are not written but made.
#[derive(Clone, Debug)]
pub struct CalicoProfile {
    /// The `ingress` section.
    pub ingress: CalicoSection,
    /// The `egress` section.
    pub egress: CalicoSection,
    /// Labels that endpoints with the profile have, unless they have their own (C-21).
    pub labels: Vec<(Box<str>, Box<str>)>,
    /// Where the spec is; where the object is, if there is none.
    pub span: Span,
}

impl CalicoProfile {
    /// The section of a direction.
    #[must_use]
    pub fn section(&self, direction: Direction) -> &CalicoSection {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

pub(super) fn decode(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> CalicoProfile {
    decoder.field("spec", |decoder| {
        let [ingress, egress, labels] = match written.spec {
            Some(node) => {
                let known = ["ingress", "egress", "labelsToApply"];
                decoder.fields(node, known, Unknown::Refuse)
            }
            None => [None; 3],
        };
        let mut found = Vec::new();
        decoder.string_map("labelsToApply", labels, |_, key, value| {
            found.push(((&*key).into(), (&*value).into()));
        });
        CalicoProfile {
            ingress: section(decoder, Direction::Ingress, ingress, false),
            egress: section(decoder, Direction::Egress, egress, false),
            labels: found,
            span: written.spec.map_or(written.span, Node::span),
        }
    })
}
