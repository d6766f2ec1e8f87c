//! A snapshot without names, for people outside.
//!
//! Texts fall into words, and every word that is not known to be harmless is replaced by `x1`, `x2` and
//! so on, the same word by the same number everywhere: in names, label values, selectors, DNS names and
//! names of ports. So what selects what, and what owns what, stays as it is, and with it every verdict.
//! Kept are addresses, numbers, label keys of well-known domains, enumerations of the API, what names
//! network engines, with their images, and what tells who provides the cluster. Dropped are annotations,
//! variables and arguments of what is no network engine, and whatever else the server said.
//!
//! Selectors that look at parts of words (`contains`, `starts with`) do not survive.

mod containers;
mod documents;
mod nodes;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value};

use self::containers::{arguments, container, is_container, variables};
use self::documents::documents;
use self::nodes::{provider, told};
use self::words::is_known;
use crate::header::{HEADER, Header};
use crate::kinds;
use crate::read::{File, Reading};
use crate::yaml;

/// Words and what stands for them.
#[derive(Clone, Debug, Default)]
pub struct Renamer {
    words: BTreeMap<String, String>,
}

impl Renamer {
    /// A text with other words.
    pub fn text(&mut self, text: &str) -> String {
        if is_address(text) {
            return text.to_owned();
        }
        let mut renamed = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let is_word = first.is_alphanumeric();
            let end = rest
                .find(|c: char| c.is_alphanumeric() != is_word)
                .unwrap_or(rest.len());
            let (part, behind) = rest.split_at_checked(end).unwrap_or((rest, ""));
            if is_word {
                renamed.push_str(&self.word(part));
            } else {
                renamed.push_str(part);
            }
            rest = behind;
        }
        renamed
    }

    fn word(&mut self, word: &str) -> String {
        if is_known(word) {
            return word.to_owned();
        }
        let number = self.words.len() + 1;
        let renamed = self.words.entry(word.to_owned());
        renamed.or_insert_with(|| format!("x{number}")).clone()
    }

    /// The key of a label: those of well-known domains are no secret.
    fn key(&mut self, key: &str) -> String {
        let domain = key.split_once('/').map_or("", |(domain, _)| domain);
        let domain = domain.rsplit(':').next().unwrap_or(domain);
        if is_well_known(domain) {
            key.to_owned()
        } else {
            self.text(key)
        }
    }
}

/// Whether a domain is, or is below, one that everybody uses.
fn is_well_known(domain: &str) -> bool {
    WELL_KNOWN.iter().any(|known| {
        let above = domain.strip_suffix(known);
        above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
    })
}

/// Domains of label keys that everybody uses.
const WELL_KNOWN: &[&str] = &[
    "antrea.io",
    "cilium.io",
    "cloud.google.com",
    "doks.digitalocean.com",
    "eks.amazonaws.com",
    "istio.io",
    "k8s.io",
    "k8s.ovn.org",
    "kubernetes.azure.com",
    "kubernetes.io",
    "lke.linode.com",
    "microk8s.io",
    "openshift.io",
    "oraclecloud.com",
    "projectcalico.org",
    "tanzu.vmware.com",
    "tigera.io",
    "watertight.dev",
];

/// Labels whose values are settings.
const SETTINGS: &[&str] = &[
    "beta.kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "kubernetes.io/arch",
    "kubernetes.io/os",
];

/// Fields whose texts the API fixes.
const FIXED: &[&str] = &[
    "action",
    "apiVersion",
    "calicoVersion",
    "defaultEndpointToHostAction",
    "dnsPolicy",
    "effect",
    "entities",
    "externalTrafficPolicy",
    "fromEntities",
    "ipMode",
    "kind",
    "linuxDataplane",
    "method",
    "networkType",
    "nftablesMode",
    "nodeInfo",
    "operator",
    "phase",
    "policyTypes",
    "protocol",
    "toEntities",
    "type",
    "types",
    "variant",
    "version",
];

/// Fields that go.
const DROPPED: &[&str] = &["message", "reason", "description", "imagePullSecrets"];

/// Maps of labels.
const LABELS: &[&str] = &["labels", "matchLabels", "nodeSelector", "selector"];

fn is_address(text: &str) -> bool {
    let (address, length) = text.split_once('/').unwrap_or((text, "0"));
    address.parse::<IpAddr>().is_ok() && length.parse::<u8>().is_ok()
}

/// A reading with other names.
#[must_use]
pub fn redact(reading: &Reading) -> Reading {
    redact_with(reading, &mut Renamer::default())
}

/// The same; what stands for what is known afterwards.
pub fn redact_with(reading: &Reading, names: &mut Renamer) -> Reading {
    let mut header = reading.header.clone();
    without_place(&mut header);
    let mut files = Vec::with_capacity(reading.files.len());
    for file in &reading.files {
        if file.name == HEADER {
            continue;
        }
        let is_lines = file.name.ends_with("json");
        let mut text = String::new();
        for (index, mut document) in documents(file).into_iter().enumerate() {
            object(&mut document, names);
            if is_lines {
                text.push_str(&document.to_string());
                text.push('\n');
            } else {
                text.push_str(if index == 0 { "" } else { "---\n" });
                text.push_str(&yaml::text(&document));
            }
        }
        files.push(File {
            name: path(&file.name, names),
            text,
        });
    }
    files.push(File {
        name: HEADER.into(),
        text: header.text(),
    });
    files.sort_by(|a, b| std::path::Path::new(&a.name).cmp(std::path::Path::new(&b.name)));
    Reading { header, files }
}

fn without_place(header: &mut Header) {
    header.redacted = true;
    header.metadata.name = "redacted".into();
    header.cluster.server = String::new();
    // Groups of an organisation's own name it.
    if let Some(groups) = &mut header.cluster.api_groups {
        groups.retain(|group| {
            is_well_known(group) || kinds::all().any(|kind| kind.group == group.as_str())
        });
    }
    for kind in &mut header.kinds {
        // Servers name whom they refuse.
        kind.message.clear();
        kind.namespaces.clear();
    }
}

/// `networkpolicies/shop/web.yaml` with other names behind the kind.
fn path(name: &str, names: &mut Renamer) -> String {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "yaml"));
    let mut parts = stem.split('/');
    let kind = parts.next().unwrap_or_default().to_owned();
    let parts: Vec<_> = std::iter::once(kind)
        .chain(parts.map(|part| names.text(part)))
        .collect();
    format!("{}.{ending}", parts.join("/"))
}

fn object(document: &mut Value, names: &mut Renamer) {
    let kind = document
        .get("kind")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let name = document.pointer("/metadata/name").and_then(Value::as_str);
    let keeps_name = kind == "CustomResourceDefinition" && name.is_some_and(is_well_known);
    let kept = name.filter(|_| keeps_name).map(str::to_owned);
    value(document, names);
    if let (Some(kept), Some(name)) = (kept, document.pointer_mut("/metadata/name")) {
        *name = kept.into();
    }
}

fn value(of: &mut Value, names: &mut Renamer) {
    match of {
        Value::String(text) => *text = names.text(text),
        Value::Array(items) => items.iter_mut().for_each(|item| value(item, names)),
        Value::Object(map) => mapping(map, names),
        _ => {}
    }
}

fn mapping(map: &mut Map<String, Value>, names: &mut Renamer) {
    let is_container = is_container(map);
    if is_container {
        container(map);
    }
    map.retain(|key, _| !DROPPED.contains(&key.as_str()));
    for (key, entry) in map.iter_mut() {
        match (key.as_str(), &mut *entry) {
            (key, _) if FIXED.contains(&key) => {}
            ("image", _) if is_container => {}
            ("args" | "command", words) if is_container => arguments(words, names),
            ("env", variables) if is_container => self::variables(variables, names),
            ("annotations", Value::Object(annotations)) => told(annotations),
            ("providerID", Value::String(id)) => *id = provider(id, names),
            ("key", Value::String(key)) => *key = names.key(key),
            (key, Value::Object(labels)) if LABELS.contains(&key) && is_labels(labels) => {
                *labels = self::labels(labels, names);
            }
            // Keys of settings are those of the engine.
            _ => value(entry, names),
        }
    }
    map.retain(|key, entry| {
        key != "annotations" || entry.as_object().is_none_or(|map| !map.is_empty())
    });
}

/// Whether a mapping has texts alone: `selector` is many things.
fn is_labels(map: &Map<String, Value>) -> bool {
    map.values().all(Value::is_string)
}

fn labels(map: &Map<String, Value>, names: &mut Renamer) -> Map<String, Value> {
    let mut renamed = Map::new();
    for (key, value) in map {
        let text = value.as_str().unwrap_or_default();
        let is_setting =
            SETTINGS.contains(&key.as_str()) || key.starts_with("pod-security.kubernetes.io/");
        let value = if is_setting {
            text.to_owned()
        } else {
            names.text(text)
        };
        renamed.insert(names.key(key), value.into());
    }
    renamed
}
