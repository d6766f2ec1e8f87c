//! Containers: those of network engines keep their image and what detection asks for, word by word;
//! others keep neither image nor what they are told.

use serde_json::{Map, Value};
use watertight_core::engine::detect::{FLAGS, VARIABLES};

use super::words::{is_engine, is_known};
use super::{Renamer, value};

/// Fields that containers alone have; whoever has one of them is treated as one.
const OF_CONTAINERS: &[&str] = &["image", "env", "envFrom", "args", "command"];

/// Whether a mapping is a container, or a part of one that runs something.
pub(super) fn is_container(map: &Map<String, Value>) -> bool {
    OF_CONTAINERS.iter().any(|field| map.contains_key(*field))
}

/// Of containers, images of network engines stay, and what they are told.
pub(super) fn container(map: &mut Map<String, Value>) {
    let image = map.get("image").and_then(Value::as_str);
    match image.filter(|image| is_engine(image)).map(without_place) {
        Some(image) => {
            map.insert("image".into(), image.into());
        }
        None => map.retain(|key, _| !OF_CONTAINERS.contains(&key.as_str())),
    }
}

/// The last parts of an image: whoever mirrors images names the mirror first, and may name a
/// project of their own behind it.
fn without_place(image: &str) -> String {
    let Some((before, last)) = image.rsplit_once('/') else {
        return image.to_owned();
    };
    let above = before.rsplit('/').next().unwrap_or(before);
    let mut words = above.split(|c: char| !c.is_alphanumeric());
    // A part with a point or a colon is the address of a registry.
    if above.contains(['.', ':']) || (is_engine(last) && !words.all(is_known)) {
        last.to_owned()
    } else {
        format!("{above}/{last}")
    }
}

/// Arguments: flags that detection asks for stay with their values.
pub(super) fn arguments(of: &mut Value, names: &mut Renamer) {
    let Value::Array(words) = of else {
        return value(of, names);
    };
    let mut awaits = false;
    for word in words {
        let Value::String(text) = word else {
            value(word, names);
            continue;
        };
        let is_value = std::mem::take(&mut awaits) && !text.starts_with('-');
        if is_value {
            continue;
        }
        let is_one = !text.trim().contains(char::is_whitespace);
        let mut renamed = String::with_capacity(text.len());
        // A shell command holds several words.
        for part in text.split_inclusive(char::is_whitespace) {
            let flag = part.trim_end().split('=').next().unwrap_or_default();
            if FLAGS.contains(&flag) {
                renamed.push_str(part);
                awaits = is_one && !part.contains('=');
            } else {
                renamed.push_str(&names.text(part));
            }
        }
        *text = renamed;
    }
}

/// Variables: those that detection asks for stay with their values.
pub(super) fn variables(of: &mut Value, names: &mut Renamer) {
    let Value::Array(entries) = of else {
        return value(of, names);
    };
    for entry in entries {
        let name = entry.get("name").and_then(Value::as_str);
        let is_asked_for = name.is_some_and(|name| VARIABLES.contains(&name));
        if !(is_asked_for && entry.get("value").is_some_and(Value::is_string)) {
            value(entry, names);
        }
    }
}
