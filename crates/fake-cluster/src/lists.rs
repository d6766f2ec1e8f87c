//! Lists, in pages, and single objects; in full or as metadata only.

use std::ops::Bound;

use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::labels;
use crate::paths::Target;
use crate::status::Refusal;
use crate::store::{Inner, Place};

/// What a request asks for behind the `?`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn all<'q>(&'q self, name: &'q str) -> impl Iterator<Item = &'q str> {
        let named = self.0.iter().filter(move |(key, _)| key == name);
        named.map(|(_, value)| value.as_str())
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| value != "false" && value != "0")
    }

    /// Whether the request asks for this object.
    pub(crate) fn wants(&self, target: &Target, object: &Value) -> bool {
        let namespace = crate::store::meta(object, "namespace");
        let name = crate::store::meta(object, "name");
        target
            .namespace
            .as_deref()
            .is_none_or(|wanted| wanted == namespace)
            && target.name.as_deref().is_none_or(|wanted| wanted == name)
            && labels::selected(object, self.get("labelSelector").unwrap_or_default())
            && labels::has_fields(object, self.get("fieldSelector").unwrap_or_default())
    }
}

/// A page of a list.
pub(crate) fn list(
    inner: &Inner,
    kind: &Kind,
    target: &Target,
    query: &Query,
) -> Result<Value, Refusal> {
    let limit = query
        .get("limit")
        .and_then(|limit| limit.parse::<usize>().ok());
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let (version, behind) = match query.get("continue").filter(|token| !token.is_empty()) {
        Some(token) => {
            read_token(token).ok_or_else(|| Refusal::bad_request("continue key is not valid"))?
        }
        None => (inner.version, None),
    };
    let from = match &behind {
        Some(behind) => Bound::Excluded(behind),
        None => Bound::Unbounded,
    };
    let all = inner.objects.get(&kind.key()).into_iter();
    let wanted = all
        .flat_map(|all| all.range::<Place, _>((from, Bound::Unbounded)))
        .filter(|(_, object)| query.wants(target, object));
    let mut page: Vec<_> = wanted.take(limit.saturating_add(1)).collect();
    let mut metadata = json!({"resourceVersion": version.to_string()});
    if page.len() > limit {
        page.truncate(limit);
        if let (Some((place, _)), Some(fields)) = (page.last(), metadata.as_object_mut()) {
            fields.insert("continue".to_owned(), json!(token(version, place)));
        }
    }
    // As a real server does it: the items of a typed list do not repeat their kind.
    let items = page.into_iter().map(|(_, object)| bare(object));
    Ok(json!({
        "kind": format!("{}List", kind.kind),
        "apiVersion": kind.api_version(),
        "metadata": metadata,
        "items": items.collect::<Vec<_>>(),
    }))
}

fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    object
}

fn token(version: u64, (namespace, name): &Place) -> String {
    format!("{version}~{namespace}~{name}")
}

fn read_token(token: &str) -> Option<(u64, Option<Place>)> {
    let mut parts = token.splitn(3, '~');
    let version = parts.next()?.parse().ok()?;
    let place = (parts.next()?.to_owned(), parts.next()?.to_owned());
    Some((version, Some(place)))
}

/// Leaves metadata only, for those who ask for `PartialObjectMetadata`.
pub(crate) fn metadata_only(value: Value) -> Value {
    let partial = |object: &Value| {
        json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object.get("metadata"),
        })
    };
    match value.get("items").and_then(Value::as_array) {
        Some(items) => json!({
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": value.get("metadata"),
            "items": items.iter().map(partial).collect::<Vec<_>>(),
        }),
        None => partial(&value),
    }
}
