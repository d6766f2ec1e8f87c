//! Selectors of identities: label selectors whose keys may name the source of the label (L-2).

use crate::document::Node;
use crate::manifest::decode::{Decoder, Unknown};
use crate::manifest::validate;
use crate::sets::Operator;
use crate::source::Span;

/// Where a label comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Any source: no prefix, or `any:` (L-2).
    Any,
    /// Kubernetes: labels of pods and what Cilium derives from the pod (L-1).
    K8s,
    /// Cilium's own identities: `reserved:host`, `reserved:world` (L-3).
    Reserved,
    /// Address blocks.
    Cidr,
    /// Any other, such as `container` or `fqdn`.
    Other(Box<str>),
}

impl Source {
    fn parse(text: &str) -> Self {
        match text {
            "" | "any" => Self::Any,
            "k8s" => Self::K8s,
            "reserved" => Self::Reserved,
            "cidr" => Self::Cidr,
            other => Self::Other(other.into()),
        }
    }

    /// Whether a label of pods can be meant.
    #[must_use]
    pub fn is_k8s(&self) -> bool {
        matches!(self, Self::Any | Self::K8s)
    }
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRequirement {
    /// The source of the label.
    pub source: Source,
    /// The key behind the source.
    pub key: Box<str>,
    /// The condition.
    pub operator: Operator,
    /// Whether it is an entry of `matchLabels`: for the subject's namespace that makes a
    /// difference (L-4).
    pub match_label: bool,
    /// Where it is written.
    pub span: Span,
}

/// A selector: all requirements must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentitySelector {
    /// The requirements, in reading order.
    pub requirements: Vec<IdentityRequirement>,
    /// Where it is written.
    pub span: Span,
}

/// Decodes a field that holds a selector.
pub(super) fn decode(
    decoder: &mut Decoder,
    name: &'static str,
    node: Node<'_, '_>,
) -> IdentitySelector {
    decoder.field(name, |decoder| item(decoder, node))
}

/// Decodes a selector that is an item of a list.
pub(super) fn item(decoder: &mut Decoder, node: Node<'_, '_>) -> IdentitySelector {
    let known = ["matchLabels", "matchExpressions"];
    let [labels, expressions] = decoder.fields(node, known, Unknown::Refuse);
    let mut requirements = Vec::new();
    decoder.string_map("matchLabels", labels, |decoder, key, value| {
        let (source, name) = checked_key(decoder, &key, key.span);
        if let Some(reason) = validate::label_value(&value) {
            let message = format!("label value `{}` {reason}", &*value);
            decoder.invalid(value.span, message, &["V-22"], None);
        }
        requirements.push(IdentityRequirement {
            source,
            key: name.into(),
            operator: Operator::In(vec![(&*value).into()]),
            match_label: true,
            span: key.span.to(value.span),
        });
    });
    requirements.extend(decoder.items("matchExpressions", expressions, expression));
    IdentitySelector {
        requirements,
        span: node.span(),
    }
}

/// The source and the rest of a key, which has to be a label key (V-21).
fn checked_key<'k>(decoder: &mut Decoder, key: &'k str, span: Span) -> (Source, &'k str) {
    let (source, name) = match key.split_once(':') {
        Some((source, name)) => (Source::parse(source), name),
        None => (Source::Any, key),
    };
    // Keys of blocks are addresses, in a spelling of their own.
    if source != Source::Cidr
        && let Some(reason) = validate::label_key(name)
    {
        let message = format!("label key `{name}` {reason}");
        decoder.invalid(span, message, &["V-21", "L-2"], None);
    }
    (source, name)
}

fn expression(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<IdentityRequirement> {
    let known = ["key", "operator", "values"];
    let [key, operator, values] = decoder.fields(node, known, Unknown::Refuse);
    let Some(key) = decoder.text("key", key) else {
        decoder.invalid(node.span(), "an expression needs a `key`", &["V-21"], None);
        return None;
    };
    let (source, name) = decoder.field("key", |decoder| checked_key(decoder, &key, key.span));
    let values_span = values.map_or(node.span(), Node::span);
    let written = values.map_or(0, |values| values.items().count());
    let values: Vec<Box<str>> = decoder.items("values", values, |decoder, node| {
        let value = decoder.item_text(node)?;
        if let Some(reason) = validate::label_value(&value) {
            let message = format!("label value `{}` {reason}", &*value);
            decoder.invalid(value.span, message, &["V-23"], None);
        }
        Some((&*value).into())
    });
    let Some(operator) = decoder.text("operator", operator) else {
        let help = Some("use In, NotIn, Exists or DoesNotExist");
        let message = "an expression needs an `operator`";
        decoder.invalid(node.span(), message, &["V-26"], help);
        return None;
    };
    let (message, id) = match (&*operator, written) {
        ("In" | "NotIn", 0) => (Some("needs at least one value"), "V-24"),
        ("Exists" | "DoesNotExist", 1..) => (Some("takes no values"), "V-25"),
        _ => (None, ""),
    };
    if let Some(message) = message {
        let message = format!("`{}` {message}", &*operator);
        decoder.field("values", |decoder| {
            decoder.invalid(values_span, message, &[id], None);
        });
    }
    let operator = match &*operator {
        "In" => Operator::In(values),
        "NotIn" => Operator::NotIn(values),
        "Exists" => Operator::Exists,
        "DoesNotExist" => Operator::DoesNotExist,
        other => {
            let message = format!("`{other}` is no operator");
            let help = Some("use In, NotIn, Exists or DoesNotExist");
            decoder.field("operator", |decoder| {
                decoder.invalid(operator.span, message, &["V-26"], help);
            });
            return None;
        }
    };
    Some(IdentityRequirement {
        source,
        key: name.into(),
        operator,
        match_label: false,
        span: node.span(),
    })
}
