//! Label and field selectors of requests, and the expressions of selectors in objects.

use serde_json::Value;

/// Whether an object's labels satisfy the selector of a request: `a=b,c!=d,e,!f,g in (h,i)`.
pub(crate) fn selected(object: &Value, selector: &str) -> bool {
    terms(selector).all(|term| {
        let term = term.trim();
        let value = |key: &str| label(object, key.trim());
        if let Some((key, set)) = term.split_once(" notin ") {
            !value(key).is_some_and(|value| listed(set, value))
        } else if let Some((key, set)) = term.split_once(" in ") {
            value(key).is_some_and(|value| listed(set, value))
        } else if let Some((key, unwanted)) = term.split_once("!=") {
            value(key) != Some(unwanted.trim())
        } else if let Some((key, wanted)) = term.split_once("==").or_else(|| term.split_once('=')) {
            value(key) == Some(wanted.trim())
        } else if let Some(key) = term.strip_prefix('!') {
            value(key).is_none()
        } else {
            term.is_empty() || value(term).is_some()
        }
    })
}

/// Commas part terms, but not inside of `(a,b)`.
fn terms(selector: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    selector.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    })
}

fn listed(set: &str, value: &str) -> bool {
    let set = set.trim().trim_start_matches('(').trim_end_matches(')');
    set.split(',').any(|one| one.trim() == value)
}

/// Whether fields of an object have the values that a request asks for.
pub(crate) fn has_fields(object: &Value, selector: &str) -> bool {
    selector
        .split(',')
        .filter(|term| !term.is_empty())
        .all(|term| {
            let (path, wanted, equal) = match term.split_once("!=") {
                Some((path, wanted)) => (path, wanted, false),
                None => match term.split_once('=') {
                    Some((path, wanted)) => (path, wanted.trim_start_matches('='), true),
                    None => return false,
                },
            };
            let pointer = format!("/{}", path.replace('.', "/"));
            let found = object.pointer(&pointer).and_then(Value::as_str);
            (found.unwrap_or_default() == wanted) == equal
        })
}

fn label<'o>(object: &'o Value, key: &str) -> Option<&'o str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// Whether all of some `matchExpressions` hold.
pub(crate) fn expressions<'o>(
    expressions: Option<&Value>,
    value: impl Fn(&str) -> Option<&'o str>,
) -> bool {
    let all = expressions.and_then(Value::as_array).into_iter().flatten();
    all.into_iter().all(|expression| {
        let text = |field: &str| expression.get(field).and_then(Value::as_str);
        let found = text("key").and_then(&value);
        let values = expression.get("values").and_then(Value::as_array);
        let named = values
            .into_iter()
            .flatten()
            .any(|value| found.is_some() && value.as_str() == found);
        match text("operator") {
            Some("In") => named,
            Some("NotIn") => !named,
            Some("Exists") => found.is_some(),
            Some("DoesNotExist") => found.is_none(),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_of_requests_select() {
        let object =
            json!({"metadata": {"name": "web", "labels": {"app": "web", "tier": "front"}}});
        for (selector, expected) in [
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (db,web),tier", true),
            ("app notin (db,web)", false),
            ("!app", false),
            ("other", false),
            ("", true),
        ] {
            assert_eq!(selected(&object, selector), expected, "{selector}");
        }
        assert!(has_fields(&object, "metadata.name=web"));
        assert!(has_fields(&object, "spec.nodeName=,metadata.name!=db"));
        assert!(!has_fields(&object, "metadata.name=db"));
    }

    #[test]
    fn expressions_hold_or_not() {
        let holds = |operator| {
            let expression = json!([{"key": "app", "operator": operator, "values": ["web"]}]);
            expressions(Some(&expression), |key| (key == "app").then_some("web"))
        };
        assert!(holds("In") && holds("Exists"));
        assert!(!holds("NotIn") && !holds("DoesNotExist"));
    }
}
