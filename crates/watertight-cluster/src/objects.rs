//! From one object of an answer to its text.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::kinds::{Form, Kind, Purpose};
use crate::slim::{keep, shapes, write_string};
use crate::yaml;

/// An object as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    /// A line of JSON, or a YAML document; with a new line at its end.
    pub(crate) text: String,
}

/// Makes texts of the objects of one kind.
#[derive(Debug)]
pub(crate) struct Maker {
    kind: &'static Kind,
    /// `{"apiVersion":...,"kind":...,`
    head: Vec<u8>,
    api_version: String,
    /// Whether what tells what pods need is kept.
    hints: bool,
    /// Owners of which a pod has told what there is to tell, and which pod it was.
    told: BTreeMap<(String, String, String), String>,
}

#[derive(Deserialize)]
struct Named {
    metadata: Meta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    name: String,
    namespace: Option<String>,
    #[serde(default)]
    owner_references: Vec<Owner>,
}

#[derive(Deserialize)]
struct Owner {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    controller: Option<bool>,
}

impl Meta {
    /// The controlling owner, or else the first, as core has it.
    fn owner(&self) -> Option<&Owner> {
        let mut owners = self.owner_references.iter();
        let controls = owners.find(|owner| owner.controller == Some(true));
        controls.or(self.owner_references.first())
    }
}

impl Maker {
    pub(crate) fn new(kind: &'static Kind, version: &str, hints: bool) -> Self {
        let api_version = match kind.group {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        };
        let mut head = b"{\"apiVersion\":".to_vec();
        write_string(&api_version, &mut head);
        head.extend_from_slice(b",\"kind\":");
        write_string(kind.kind, &mut head);
        Self {
            kind,
            head,
            api_version,
            hints,
            told: BTreeMap::new(),
        }
    }

    /// A list begins: what was told of one that broke off does not count.
    pub(crate) fn begin(&mut self) {
        self.told.clear();
    }

    /// The text of an object.
    pub(crate) fn make(&mut self, object: &str) -> Result<Item, String> {
        let broken = |error: serde_json::Error| {
            format!("an answer with an object that cannot be read: {error}")
        };
        let shape = match self.kind.form {
            Form::Files => return self.file(object).map_err(broken),
            Form::Lines(shape) | Form::Names(shape) | Form::ByName(shape) => shape,
        };
        let is_pod = self.kind.kind == "Pod";
        let first = if self.hints && !is_pod {
            shape.hints
        } else {
            shape.plain
        };
        let mut line = self.line(object, first).map_err(broken)?;
        let mut meta = named(&line).map_err(broken)?;
        if is_pod {
            let owner = meta.owner();
            let of_daemon = owner.is_some_and(|owner| owner.kind == "DaemonSet");
            let of = owner.map(|owner| {
                let namespace = meta.namespace.clone().unwrap_or_default();
                (namespace, owner.kind.clone(), owner.name.clone())
            });
            let tells = self.hints
                && of.is_none_or(|of| {
                    *self.told.entry(of).or_insert(meta.name.clone()) == meta.name
                });
            let shape = if of_daemon {
                shapes::DAEMON_PODS
            } else {
                shape
            };
            if of_daemon || tells {
                let keep = if tells { shape.hints } else { shape.plain };
                line = self.line(object, keep).map_err(broken)?;
                meta = named(&line).map_err(broken)?;
            }
        }
        Ok(Item {
            namespace: meta.namespace,
            name: meta.name,
            text: line,
        })
    }

    fn line(&self, object: &str, what: &super::slim::Keep) -> serde_json::Result<String> {
        let mut line = self.head.clone();
        line.push(b',');
        let start = line.len();
        keep(object, what, &mut line)?;
        // The brace of the object itself is the one of the head.
        if line.get(start) == Some(&b'{') {
            line.remove(start);
        }
        line.push(b'\n');
        line.shrink_to_fit();
        Ok(String::from_utf8(line).unwrap_or_default())
    }

    fn file(&self, object: &str) -> serde_json::Result<Item> {
        let mut value: Value = serde_json::from_str(object)?;
        if let Value::Object(map) = &mut value {
            map.insert("apiVersion".into(), self.api_version.as_str().into());
            map.insert("kind".into(), self.kind.kind.into());
            if self.kind.purpose != Purpose::Engine {
                map.remove("status");
            }
            if let Some(Value::Object(meta)) = map.get_mut("metadata") {
                without_bookkeeping(meta);
            }
        }
        let named = Named::deserialize(&value)?;
        Ok(Item {
            namespace: named.metadata.namespace,
            name: named.metadata.name,
            text: yaml::text(&value),
        })
    }
}

fn named(line: &str) -> serde_json::Result<Meta> {
    serde_json::from_str::<Named>(line).map(|named| named.metadata)
}

/// What the server writes and nobody means.
fn without_bookkeeping(meta: &mut Map<String, Value>) {
    for key in [
        "creationTimestamp",
        "finalizers",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "uid",
    ] {
        meta.remove(key);
    }
    if let Some(Value::Object(annotations)) = meta.get_mut("annotations") {
        annotations.retain(|key, _| !key.starts_with("kubectl.kubernetes.io/"));
        if annotations.is_empty() {
            meta.remove("annotations");
        }
    }
}
