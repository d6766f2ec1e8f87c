//! Texts of a snapshot as values.

use serde_json::{Map, Value};
use watertight_core::document::{Kind, Node, units};
use watertight_core::source::Sources;

use crate::read::File;

/// The documents of a text; those that cannot be read are left out.
pub(super) fn documents(file: &File) -> Vec<Value> {
    if file.name.ends_with(".ndjson") {
        let lines = file.text.lines();
        return lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
    }
    let mut sources = Sources::new();
    let Ok(id) = sources.add_text(&file.name, file.text.clone()) else {
        return Vec::new();
    };
    let (units, _) = units(id, &file.name, &file.text);
    let documents = units.iter().flat_map(|unit| unit.read(&file.text));
    let values = documents.filter_map(|document| Some(value(document.ok()?.root()?)));
    values.collect()
}

fn value(node: Node<'_, '_>) -> Value {
    match node.kind() {
        Kind::Mapping => {
            let entries = node.entries();
            let entries = entries.filter_map(|(key, entry)| {
                let key = key.string()?.into_owned();
                Some((key, value(entry)))
            });
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Kind::Sequence => node.items().map(value).collect(),
        Kind::Null => Value::Null,
        _ => match (node.bool(), node.integer(), node.string()) {
            (Some(truth), ..) => truth.into(),
            (_, Some(number), _) => number.into(),
            (_, _, Some(text)) => text.into_owned().into(),
            // Numbers with a point.
            _ => serde_json::from_str(node.as_written()).unwrap_or(Value::Null),
        },
    }
}
