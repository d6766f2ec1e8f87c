//! Create, patch, replace and delete, with the fields that a server fills in.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::kinds::Kind;
use crate::paths::Target;
use crate::status::Refusal;
use crate::store::{Inner, meta, metadata_mut, place};

/// Fills in what the server owns.
pub(crate) fn stamp(object: &mut Value, kind: &Kind, known: Option<&Value>, version: u64) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert("kind".to_owned(), json!(kind.kind));
        fields.insert("apiVersion".to_owned(), json!(kind.api_version()));
    }
    let Some(metadata) = metadata_mut(object) else {
        return;
    };
    for field in ["uid", "creationTimestamp"] {
        if let Some(known) = known.and_then(|known| known.get("metadata")?.get(field)) {
            metadata.insert(field.to_owned(), known.clone());
        }
    }
    metadata
        .entry("uid")
        .or_insert_with(|| json!(format!("00000000-0000-4000-8000-{version:012}")));
    metadata.entry("creationTimestamp").or_insert_with(|| {
        json!(
            jiff::Timestamp::now()
                .strftime("%Y-%m-%dT%H:%M:%SZ")
                .to_string()
        )
    });
    metadata.insert("resourceVersion".to_owned(), json!(version.to_string()));
}

/// Creates an object that somebody posts.
pub(crate) fn create(
    inner: &mut Inner,
    kind: &Kind,
    target: &Target,
    mut object: Value,
    dry_run: bool,
) -> Result<Value, Refusal> {
    let next = inner.version + 1;
    let metadata =
        metadata_mut(&mut object).ok_or_else(|| Refusal::bad_request("the object is no map"))?;
    if let Some(namespace) = &target.namespace {
        metadata.insert("namespace".to_owned(), json!(namespace));
    }
    let prefix = metadata.get("generateName").and_then(Value::as_str);
    if let Some(prefix) = prefix
        && !metadata.contains_key("name")
    {
        let name = format!("{prefix}{next:05}");
        metadata.insert("name".to_owned(), json!(name));
    }
    let at = place(&object);
    if at.1.is_empty() {
        let message = format!("{} is invalid: metadata.name: Required value", kind.kind);
        return Err(Refusal::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            message,
        ));
    }
    if kind.namespaced {
        let namespace = inner.find("namespaces", &(String::new(), at.0.clone()))?;
        if namespace.pointer("/metadata/deletionTimestamp").is_some() {
            let message = format!("namespace {} is being terminated", at.0);
            return Err(Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message));
        }
    }
    if inner.find(&kind.key(), &at).is_ok() {
        let message = format!("{} \"{}\" already exists", kind.key(), at.1);
        return Err(Refusal::new(StatusCode::CONFLICT, "AlreadyExists", message));
    }
    default(inner, kind, &mut object);
    if dry_run {
        stamp(&mut object, kind, None, next);
        return Ok(object);
    }
    Ok(inner.write(kind, object))
}

/// What the server adds to new objects of some kinds.
fn default(inner: &Inner, kind: &Kind, object: &mut Value) {
    let name = meta(object, "name").to_owned();
    match kind.key().as_str() {
        "namespaces" => {
            if let Some(metadata) = metadata_mut(object) {
                let labels = metadata.entry("labels").or_insert_with(|| json!({}));
                if let Some(labels) = labels.as_object_mut() {
                    labels.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
                }
            }
            merge(object, &json!({"status": {"phase": "Active"}}));
        }
        "services" => service(inner, object),
        "pods" => merge(object, &json!({"status": {"phase": "Pending"}})),
        _ => {}
    }
}

fn service(inner: &Inner, object: &mut Value) {
    let number = inner.version % 60_000 + 1;
    let headless = object.pointer("/spec/clusterIP") == Some(&json!("None"));
    let external = object.pointer("/spec/type") == Some(&json!("ExternalName"));
    if !headless && !external && object.pointer("/spec/clusterIP").is_none() {
        let address = format!("10.96.{}.{}", number / 250, number % 250 + 1);
        let two = object
            .pointer("/spec/ipFamilyPolicy")
            .and_then(Value::as_str);
        let mut addresses = vec![address.clone()];
        if two.is_some_and(|policy| policy != "SingleStack") {
            addresses.push(format!("fd00:10:96::{number:x}"));
        }
        merge(
            object,
            &json!({"spec": {"clusterIP": address, "clusterIPs": addresses}}),
        );
    }
    let outside = object.pointer("/spec/type").and_then(Value::as_str);
    let outside = outside.is_some_and(|kind| kind == "NodePort" || kind == "LoadBalancer");
    let ports = object
        .pointer_mut("/spec/ports")
        .and_then(Value::as_array_mut);
    for (at, port) in ports.into_iter().flatten().enumerate() {
        let Some(fields) = port.as_object_mut() else {
            continue;
        };
        let own = fields.get("port").cloned().unwrap_or(Value::Null);
        fields.entry("targetPort").or_insert(own);
        fields.entry("protocol").or_insert_with(|| json!("TCP"));
        if outside {
            let free = 30_000 + (number * 7 + at as u64) % 2_768;
            fields.entry("nodePort").or_insert_with(|| json!(free));
        }
    }
}

/// Changes an object: a merge patch, or an object to be applied.
pub(crate) fn patch(
    inner: &mut Inner,
    kind: &Kind,
    target: &Target,
    patch: &Value,
    applies: bool,
) -> Result<Value, Refusal> {
    let name = target.name.clone().unwrap_or_default();
    let at = (target.namespace.clone().unwrap_or_default(), name);
    let Ok(known) = inner.find(&kind.key(), &at) else {
        if applies {
            return create(inner, kind, target, patch.clone(), false);
        }
        return Err(Refusal::not_found(&kind.key(), &at.1));
    };
    let mut object = known.clone();
    merge(&mut object, patch);
    Ok(inner.write(kind, object))
}

/// Replaces an object, or its status only.
pub(crate) fn replace(
    inner: &mut Inner,
    kind: &Kind,
    target: &Target,
    new: Value,
) -> Result<Value, Refusal> {
    let name = target.name.clone().unwrap_or_default();
    let at = (target.namespace.clone().unwrap_or_default(), name);
    let known = inner.find(&kind.key(), &at)?;
    let version = meta(&new, "resourceVersion");
    if !version.is_empty() && version != meta(known, "resourceVersion") {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{}\": the object has been modified; please apply your changes to the latest version and try again",
            kind.key(),
            at.1
        );
        return Err(Refusal::new(StatusCode::CONFLICT, "Conflict", message));
    }
    let object = match target.subresource.as_deref() {
        Some("status") => {
            let mut object = known.clone();
            if let Some(fields) = object.as_object_mut() {
                let status = new.get("status").cloned().unwrap_or(Value::Null);
                fields.insert("status".to_owned(), status);
            }
            object
        }
        _ => new,
    };
    Ok(inner.write(kind, object))
}

/// Deletes an object; a namespace is only marked, until nothing is left in it.
pub(crate) fn delete(inner: &mut Inner, kind: &Kind, target: &Target) -> Result<Value, Refusal> {
    let name = target.name.clone().unwrap_or_default();
    let at = (target.namespace.clone().unwrap_or_default(), name);
    let known = inner.find(&kind.key(), &at)?.clone();
    if kind.key() == "namespaces" {
        let mut object = known;
        let now = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        merge(
            &mut object,
            &json!({"metadata": {"deletionTimestamp": now}, "status": {"phase": "Terminating"}}),
        );
        return Ok(inner.write(kind, object));
    }
    inner.take(&kind.key(), &at);
    Ok(known)
}

/// JSON merge patch (RFC 7386).
pub(crate) fn merge(into: &mut Value, patch: &Value) {
    let Some(changes) = patch.as_object() else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    if let Some(fields) = into.as_object_mut() {
        for (key, value) in changes {
            if value.is_null() {
                fields.remove(key);
            } else {
                merge(fields.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
    }
}
