//! What the server serves: `/version`, and the lists of groups and resources.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::kinds::Kind;

/// The answer for a discovery path; none for other paths.
pub(crate) fn answer(path: &str, kinds: &[Kind], version: &str, aggregated: bool) -> Option<Value> {
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    match &*parts {
        ["version"] => Some(version_info(version)),
        ["api"] if aggregated => Some(all(kinds, true)),
        ["apis"] if aggregated => Some(all(kinds, false)),
        ["api"] => Some(json!({"kind": "APIVersions", "versions": ["v1"]})),
        ["apis"] => Some(groups(kinds)),
        ["openapi", "v3"] => Some(documents(kinds)),
        ["openapi", "v3", "api", version] => document(kinds, "", version),
        ["openapi", "v3", "apis", group, version] => document(kinds, group, version),
        ["api", version] => resources(kinds, "", version),
        ["apis", group, version] => resources(kinds, group, version),
        _ => None,
    }
}

fn version_info(version: &str) -> Value {
    let plain = version.trim_start_matches('v');
    let mut numbers = plain.split('.');
    json!({
        "major": numbers.next(),
        "minor": numbers.next(),
        "gitVersion": version,
        "platform": "linux/amd64",
    })
}

/// Where the descriptions of APIs are.
fn documents(kinds: &[Kind]) -> Value {
    let paths = kinds.iter().map(|kind| {
        let path = root(&kind.group, &kind.version);
        let url = json!({"serverRelativeURL": format!("/openapi/v3/{path}")});
        (path, url)
    });
    json!({"paths": paths.collect::<BTreeMap<_, _>>()})
}

fn root(group: &str, version: &str) -> String {
    match group {
        "" => format!("api/{version}"),
        group => format!("apis/{group}/{version}"),
    }
}

/// What clients look up before they apply: that the server judges fields, and knows dry runs. It says no more.
fn document(kinds: &[Kind], group: &str, version: &str) -> Option<Value> {
    let of = |kind: &&Kind| kind.group == group && kind.version == version;
    let parameters = ["dryRun", "fieldManager", "fieldValidation", "force"];
    let parameters = parameters.map(|name| json!({"name": name, "in": "query"}));
    let paths = kinds.iter().filter(of).map(|kind| {
        let namespace = match kind.namespaced {
            true => "/namespaces/{namespace}",
            false => "",
        };
        let root = root(group, version);
        let path = format!("/{root}{namespace}/{}/{{name}}", kind.resource);
        let patch = json!({
            "parameters": parameters,
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": {
                "group": group,
                "version": version,
                "kind": kind.kind,
            },
        });
        (path, json!({"patch": patch}))
    });
    let paths: BTreeMap<_, _> = paths.collect();
    let found = !paths.is_empty();
    found.then(|| {
        json!({
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "unversioned"},
            "paths": paths,
        })
    })
}

fn versions(kinds: &[Kind]) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for kind in kinds.iter().filter(|kind| !kind.group.is_empty()) {
        versions
            .entry(&kind.group)
            .or_default()
            .insert(&kind.version);
    }
    versions
}

fn groups(kinds: &[Kind]) -> Value {
    let groups = versions(kinds).into_iter().map(|(group, versions)| {
        let named: Vec<_> = versions
            .into_iter()
            .map(
                |version| json!({"groupVersion": format!("{group}/{version}"), "version": version}),
            )
            .collect();
        json!({"name": group, "versions": named, "preferredVersion": named.last()})
    });
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>()})
}

fn resources(kinds: &[Kind], group: &str, version: &str) -> Option<Value> {
    let of = |kind: &&Kind| kind.group == group && kind.version == version;
    let listed: Vec<_> = kinds.iter().filter(of).map(Kind::listed).collect();
    let api_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    (!listed.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": api_version,
            "resources": listed,
        })
    })
}

/// Everything at once (`apidiscovery.k8s.io/v2`).
fn all(kinds: &[Kind], core: bool) -> Value {
    let mut of = versions(kinds);
    if core {
        of = BTreeMap::from([("", BTreeSet::from(["v1"]))]);
    }
    let items = of.into_iter().map(|(group, versions)| {
        let versions = versions.into_iter().map(|version| {
            let wanted = kinds
                .iter()
                .filter(|kind| kind.group == group && kind.version == version);
            let resources = wanted.map(|kind| {
                json!({
                    "resource": kind.resource,
                    "responseKind": {"group": group, "version": version, "kind": kind.kind},
                    "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
                    "singularResource": kind.kind.to_lowercase(),
                    "shortNames": kind.short_names(),
                    "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
                })
            });
            json!({
                "version": version,
                "resources": resources.collect::<Vec<_>>(),
                "freshness": "Current",
            })
        });
        let metadata = if group.is_empty() {
            json!({})
        } else {
            json!({"name": group})
        };
        json!({"metadata": metadata, "versions": versions.collect::<Vec<_>>()})
    });
    json!({
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items.collect::<Vec<_>>(),
    })
}
