//! JSON values as YAML in the style that people write.

use std::fmt::Write as _;

use serde_json::Value;

/// Several documents in one text.
pub(super) fn documents(values: &[Value]) -> String {
    let mut out = String::new();
    for value in values {
        out.push_str("---\n");
        block(&mut out, value, 0);
    }
    out
}

fn is_flat(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items
            .iter()
            .all(|item| !item.is_array() && !item.is_object()),
        _ => true,
    }
}

/// A value that starts a line of its own.
fn block(out: &mut String, value: &Value, indent: usize) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let _ = write!(out, "{pad}{}:", scalar(key));
                below(out, value, indent);
            }
        }
        Value::Array(items) if !is_flat(value) => {
            for item in items {
                // An item's first line shares the line of its dash.
                let mut text = String::new();
                block(&mut text, item, indent + 2);
                let _ = write!(out, "{pad}- {}", text.trim_start());
            }
        }
        flat => {
            let _ = writeln!(out, "{pad}{}", flow(flat));
        }
    }
}

/// A value behind `key:`.
fn below(out: &mut String, value: &Value, indent: usize) {
    if is_flat(value) {
        let _ = writeln!(out, " {}", flow(value));
    } else {
        out.push('\n');
        // Lists may stand as deep as their key.
        let deeper = if value.is_array() { 0 } else { 2 };
        block(out, value, indent + deeper);
    }
}

fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => scalar(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(flow).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

/// Plain where that is safe in every YAML, else quoted.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"./-_".contains(&byte))
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .contains(&text.to_ascii_lowercase().as_str());
    if plain {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}
