//! A YAML file as JSON values, read by the same reader as manifests.

use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};
use watertight_core::document::{Kind, Node, units};
use watertight_core::source::Sources;

/// The first document of a file.
pub(super) fn read(path: &Path) -> anyhow::Result<Value> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let mut sources = Sources::new();
    let file = sources
        .add(&shown.to_string(), bytes)
        .with_context(|| format!("cannot read {shown}"))?;
    let text = sources.file(file).text();
    let (units, errors) = units(file, &shown.to_string(), text);
    if let Some(error) = errors.first() {
        bail!("{}: {}", sources.locate(error.span), error.message);
    }
    for unit in units {
        for document in unit.read(text) {
            match document {
                Ok(document) => {
                    if let Some(root) = document.root() {
                        return Ok(value(root));
                    }
                }
                Err(error) => bail!("{}: {}", sources.locate(error.span), error.message),
            }
        }
    }
    bail!("{shown} holds no document")
}

fn value(node: Node<'_, '_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => Value::Bool(node.bool().unwrap_or_default()),
        Kind::Number => match node.integer() {
            Some(number) => number.into(),
            None => node
                .as_written()
                .parse::<f64>()
                .map_or(Value::Null, Into::into),
        },
        Kind::String => Value::String(node.str().unwrap_or_default().to_owned()),
        Kind::Sequence => node.items().map(value).collect(),
        Kind::Mapping => Value::Object(
            node.entries()
                .map(|(key, item)| (key.str().unwrap_or_default().to_owned(), value(item)))
                .collect::<Map<_, _>>(),
        ),
    }
}
