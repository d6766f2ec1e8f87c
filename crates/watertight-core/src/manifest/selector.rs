//! Label selectors as written (V-21..V-26).

use super::decode::{Decoder, Unknown};
use super::validate;
use crate::document::Node;
use crate::sets::{LabelSelector, Operator, Requirement};

/// Decodes a selector that is there; `{}` selects everything (K-44).
pub(super) fn decode(
    decoder: &mut Decoder,
    name: &'static str,
    node: Node<'_, '_>,
) -> LabelSelector {
    decoder.field(name, |decoder| {
        let [labels, expressions] =
            decoder.fields(node, ["matchLabels", "matchExpressions"], Unknown::Refuse);
        let most = labels.map_or(0, Node::most_entries);
        let mut requirements = Vec::with_capacity(most);
        decoder.string_map("matchLabels", labels, |decoder, key, value| {
            if let Some(reason) = validate::label_key(&key) {
                let message = format!("label key `{}` {reason}", &*key);
                decoder.invalid(key.span, message, &["V-21"], None);
            } else if let Some(reason) = validate::label_value(&value) {
                let message = format!("label value `{}` {reason}", &*value);
                decoder.invalid(value.span, message, &["V-22"], None);
            }
            requirements.push(Requirement {
                span: key.span.to(value.span),
                key: (&*key).into(),
                operator: Operator::In(vec![(&*value).into()]),
            });
        });
        let expressions = decoder.items("matchExpressions", expressions, requirement);
        requirements.reserve_exact(expressions.len());
        requirements.extend(expressions);
        LabelSelector {
            requirements,
            span: node.span(),
        }
    })
}

fn requirement(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<Requirement> {
    let [key, operator, values] =
        decoder.fields(node, ["key", "operator", "values"], Unknown::Refuse);
    let Some(key) = decoder.text("key", key) else {
        decoder.invalid(node.span(), "an expression needs a `key`", &["V-21"], None);
        return None;
    };
    if let Some(reason) = validate::label_key(&key) {
        let message = format!("label key `{}` {reason}", &*key);
        decoder.field("key", |decoder| {
            decoder.invalid(key.span, message, &["V-21"], None);
        });
    }
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
        decoder.invalid(
            node.span(),
            "an expression needs an `operator`",
            &["V-26"],
            Some("use In, NotIn, Exists or DoesNotExist"),
        );
        return None;
    };
    let takes_values = matches!(&*operator, "In" | "NotIn");
    if takes_values && written == 0 {
        let message = format!("`{}` needs at least one value", &*operator);
        decoder.field("values", |decoder| {
            decoder.invalid(values_span, message, &["V-24"], None);
        });
    }
    let operator = match &*operator {
        "In" => Operator::In(values),
        "NotIn" => Operator::NotIn(values),
        "Exists" | "DoesNotExist" => {
            if written > 0 {
                let message = format!("`{}` takes no values", &*operator);
                decoder.field("values", |decoder| {
                    decoder.invalid(values_span, message, &["V-25"], Some("remove `values`"));
                });
            }
            if &*operator == "Exists" {
                Operator::Exists
            } else {
                Operator::DoesNotExist
            }
        }
        other => {
            let message = format!("`{other}` is no operator");
            let help = Some("use In, NotIn, Exists or DoesNotExist");
            decoder.field("operator", |decoder| {
                decoder.invalid(operator.span, message, &["V-26"], help);
            });
            return None;
        }
    };
    Some(Requirement {
        key: (&*key).into(),
        operator,
        span: node.span(),
    })
}
