//! Label selectors (K-38..K-46).

use super::objects::{Expression, Labels, Selector};

/// Whether a selector that is there matches; one that is not there is the caller's business.
pub(super) fn selects(selector: &Selector, labels: &Labels) -> bool {
    // K-38: everything that is written must hold; nothing written holds for all (K-44).
    if let Some(wanted) = &selector.match_labels {
        for (key, value) in wanted {
            // K-43, K-45
            if labels.get(key) != Some(value) {
                return false;
            }
        }
    }
    if let Some(expressions) = &selector.match_expressions {
        for expression in expressions {
            if !holds(expression, labels) {
                return false;
            }
        }
    }
    true
}

fn holds(expression: &Expression, labels: &Labels) -> bool {
    let value = labels.get(&expression.key);
    let listed = expression.values.as_deref().unwrap_or_default();
    match expression.operator {
        // K-39
        "In" => match value {
            Some(value) => listed.contains(value),
            None => false,
        },
        // K-40
        "NotIn" => match value {
            Some(value) => !listed.contains(value),
            None => true,
        },
        // K-41
        "Exists" => value.is_some(),
        // K-42
        "DoesNotExist" => value.is_none(),
        other => panic!("`{other}` is no operator"),
    }
}
