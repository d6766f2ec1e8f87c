//! Objects as YAML, as `kubectl get -o yaml` shows them.

use serde_json::{Map, Value};

/// The text of an object, with a new line at its end.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(map, 0, &mut out),
        Value::Array(items) if !items.is_empty() => sequence(items, 0, &mut out),
        scalar => {
            self::scalar(scalar, &mut out);
            out.push('\n');
        }
    }
    out
}

fn indent(width: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', width));
}

fn mapping(map: &Map<String, Value>, width: usize, out: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first entry of an item is behind its dash.
        if index > 0 || !out.ends_with("- ") {
            indent(width, out);
        }
        string(key, out);
        out.push(':');
        entry(value, width, out);
    }
}

/// What is behind the colon.
fn entry(value: &Value, width: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            mapping(map, width + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            sequence(items, width, out);
        }
        scalar => {
            out.push(' ');
            self::scalar(scalar, out);
            out.push('\n');
        }
    }
}

fn sequence(items: &[Value], width: usize, out: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || !out.ends_with("- ") {
            indent(width, out);
        }
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => mapping(map, width + 2, out),
            Value::Array(items) if !items.is_empty() => sequence(items, width + 2, out),
            scalar => {
                self::scalar(scalar, out);
                out.push('\n');
            }
        }
    }
}

fn scalar(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => string(text, out),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        other => out.push_str(&other.to_string()),
    }
}

fn string(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push_str(text);
    } else {
        // Every JSON string is a YAML one.
        out.push_str(&Value::from(text).to_string());
    }
}

/// Whether a text is itself without quotes, for every reader of YAML 1.1 and 1.2.
fn is_plain(text: &str) -> bool {
    let mut chars = text.chars();
    let starts = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || matches!(c, '/' | '_'));
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let words = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf",
    ];
    starts && chars.all(inner) && !words.contains(&text.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_what_people_write() {
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "web", "labels": {"on": "yes", "version": "1.0"}},
            "spec": {
                "podSelector": {},
                "ingress": [
                    {"from": [{"podSelector": {"matchLabels": {"app": "a"}}}, {}], "ports": [{"port": 80}]},
                    {},
                ],
                "egress": [],
                "lists": [[1, [2]], []],
            },
        });
        expect![[r#"
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata:
              labels:
                "on": "yes"
                version: "1.0"
              name: web
            spec:
              egress: []
              ingress:
              - from:
                - podSelector:
                    matchLabels:
                      app: a
                - {}
                ports:
                - port: 80
              - {}
              lists:
              - - 1
                - - 2
              - []
              podSelector: {}
        "#]]
        .assert_eq(&text(&policy));
    }

    #[test]
    fn texts_that_are_not_themselves_are_quoted() {
        for (value, shown) in [
            ("a b", "\"a b\""),
            ("", "\"\""),
            ("10.0.0.0/8", "\"10.0.0.0/8\""),
            ("a: b", "\"a: b\""),
            ("line\nline", "\"line\\nline\""),
            ("NO", "\"NO\""),
            ("-", "\"-\""),
            ("web-1.x/y_z", "web-1.x/y_z"),
        ] {
            assert_eq!(text(&Value::from(value)), format!("{shown}\n"));
        }
    }
}
