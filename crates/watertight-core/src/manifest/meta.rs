//! `metadata`, the same for every kind.

use std::borrow::Cow;

use super::decode::{Decoder, Text, Unknown};
use super::pod::text_of;
use super::validate;
use crate::document::Node;
use crate::source::Span;

/// The prefix of annotations that suppress findings on an object.
pub const IGNORE_PREFIX: &str = "ignore.watertight.dev/";

const OTHER_FIELDS: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "finalizers",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// What made an object.
#[derive(Clone, Debug)]
pub struct Owner<'s> {
    /// The kind.
    pub kind: Text<'s>,
    /// The name, in the same namespace.
    pub name: Text<'s>,
}

/// An annotation that suppresses findings.
#[derive(Clone, Debug)]
pub struct IgnoreAnnotation<'s> {
    /// The rule, as written behind the prefix.
    pub rule: String,
    /// The reason.
    pub reason: Cow<'s, str>,
    /// Where it is.
    pub span: Span,
}

/// The metadata of an object, as far as it matters here.
#[derive(Clone, Debug)]
pub struct Meta<'s> {
    /// The name; what the server makes it from, if it is generated.
    pub name: Text<'s>,
    /// Whether the server completes the name (`generateName`).
    pub generated: bool,
    /// The namespace, if written.
    pub namespace: Option<Text<'s>>,
    /// The labels, in reading order.
    pub labels: Vec<(Cow<'s, str>, Cow<'s, str>)>,
    /// Where the labels are.
    pub labels_span: Option<Span>,
    /// The controlling owner.
    pub owner: Option<Owner<'s>>,
    /// Annotations that suppress findings.
    pub ignores: Vec<IgnoreAnnotation<'s>>,
    /// Whether the object is being deleted.
    pub terminating: bool,
}

/// How much of the metadata must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// An object of its own: needs a name.
    Required,
    /// A pod template: has labels only.
    Template,
}

pub(super) fn decode<'s>(
    decoder: &mut Decoder,
    node: Option<Node<'_, 's>>,
    object: Span,
    named: Named,
) -> Option<Meta<'s>> {
    decoder.field("metadata", |decoder| {
        let mut fields = [None; 7];
        if let Some(node) = node {
            fields = decoder.fields(
                node,
                [
                    "name",
                    "generateName",
                    "namespace",
                    "labels",
                    "annotations",
                    "ownerReferences",
                    "deletionTimestamp",
                ],
                Unknown::NearMiss(OTHER_FIELDS),
            );
        }
        let [
            written,
            generate,
            namespace,
            labels,
            annotations,
            owners,
            deletion,
        ] = fields;
        let labels_span = labels.map(Node::span);
        let generated = written.is_none() && generate.is_some();
        let wrong_kind = |node: &Node<'_, '_>| node.str().is_none();
        let already_told = written.or(generate).as_ref().is_some_and(wrong_kind);
        let name = decoder
            .text("name", written)
            .or_else(|| decoder.text("generateName", generate))
            .filter(|name| !name.is_empty());
        let name = match (name, named) {
            (Some(name), _) => name,
            (None, Named::Template) => Text {
                value: Cow::Borrowed(""),
                span: object,
            },
            (None, Named::Required) if already_told => return None,
            (None, Named::Required) => {
                decoder.invalid(
                    node.map_or(object.at_start(), Node::span).at_start(),
                    "the object has no name",
                    &["V-1"],
                    Some("add `metadata.name`"),
                );
                return None;
            }
        };
        let most = labels.map_or(0, Node::most_entries);
        let mut found = Vec::with_capacity(most.min(16));
        decoder.string_map("labels", labels, |decoder, key, value| {
            if let Some(reason) = validate::label_key(&key) {
                let message = format!("label key `{}` {reason}", &*key);
                decoder.invalid(key.span, message, &["V-21"], None);
            } else if let Some(reason) = validate::label_value(&value) {
                let message = format!("label value `{}` {reason}", &*value);
                decoder.invalid(value.span, message, &["V-22"], None);
            }
            found.push((key.value, value.value));
        });
        Some(Meta {
            name,
            generated,
            namespace: decoder
                .text("namespace", namespace)
                .filter(|namespace| !namespace.is_empty()),
            labels: found,
            labels_span,
            owner: owner(owners),
            ignores: annotations.map(ignores).unwrap_or_default(),
            terminating: deletion.is_some(),
        })
    })
}

/// The controlling owner, or else the first: server data, decoded without complaint.
fn owner<'s>(owners: Option<Node<'_, 's>>) -> Option<Owner<'s>> {
    let mut first = None;
    for owner in owners?.items() {
        let [kind, name, controls] = owner.get_each(["kind", "name", "controller"]);
        if controls.and_then(Node::bool) == Some(true) {
            return named(kind, name);
        }
        first.get_or_insert((kind, name));
    }
    let (kind, name) = first?;
    named(kind, name)
}

fn named<'s>(kind: Option<Node<'_, 's>>, name: Option<Node<'_, 's>>) -> Option<Owner<'s>> {
    Some(Owner {
        kind: text_of(kind)?,
        name: text_of(name)?,
    })
}

fn ignores<'s>(annotations: Node<'_, 's>) -> Vec<IgnoreAnnotation<'s>> {
    annotations
        .entries()
        .filter_map(|(key, value)| {
            let rule = key.str()?.strip_prefix(IGNORE_PREFIX)?.to_owned();
            Some(IgnoreAnnotation {
                rule,
                reason: value.string().unwrap_or_default(),
                span: key.span().to(value.span()),
            })
        })
        .collect()
}
