//! Reading manifests: what is accepted, what is refused, and what is said about it.
//!
//! `read` shows a text the way a user meets it: the objects that came out, the counts, and every
//! finding with its field, the text it points at and its fix. The V- rules are in `validation`,
//! YAML's traps in `spelling`, kinds and containers of objects in `kinds`.

mod blocks;
mod kinds;
mod selectors;
mod spelling;
mod validation;

use std::fmt::Write as _;

use super::{Body, Loaded, Object, Options, load};
use crate::rules::testing::show;
use crate::source::Sources;

/// Everything that reading a YAML text gives.
fn read(text: &str) -> String {
    read_files(&[("t.yaml", text)], Options::default())
}

/// Everything that reading a JSON text gives.
fn read_json(text: &str) -> String {
    read_files(&[("t.json", text)], Options::default())
}

fn read_files(files: &[(&str, &str)], options: Options) -> String {
    let mut sources = Sources::new();
    for (name, text) in files {
        sources.add(name, (*text).into()).unwrap();
    }
    let loaded = load(&sources, &options);
    let mut out = String::new();
    for object in &loaded.objects {
        let _ = writeln!(out, "{}", title(object));
    }
    for (kind, count) in &loaded.other_kinds {
        let _ = writeln!(out, "other kind {kind}: {count}");
    }
    for (kind, count) in &loaded.not_evaluated {
        let _ = writeln!(out, "not evaluated {kind}: {}", count.count);
    }
    for (what, count) in [
        ("not objects", loaded.not_objects),
        ("broken", loaded.broken),
    ] {
        if count > 0 {
            let _ = writeln!(out, "{what}: {count}");
        }
    }
    for finding in &loaded.findings {
        assert!(finding.subject.is_some() || finding.field.is_none());
        out += &show(&sources, finding);
    }
    out
}

/// `NetworkPolicy shop/web`.
fn title(object: &Object<'_>) -> String {
    let namespace = object.meta.namespace.as_deref();
    let place = namespace.map_or(String::new(), |namespace| format!("{namespace}/"));
    format!("{} {place}{}", object.body.kind(), &*object.meta.name)
}

/// A NetworkPolicy with this text behind `spec:`.
fn policy(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: \
         x}}\nspec: {spec}\n"
    )
}

/// A spec with these items in the `ports` of an ingress rule.
fn ports(items: &str) -> String {
    format!("{{ingress: [{{ports: [{items}]}}]}}")
}

/// A spec with these peers in the `from` of an ingress rule.
fn from(peers: &str) -> String {
    format!("{{ingress: [{{from: [{peers}]}}]}}")
}

/// What is said about a policy that must be left out.
fn refused(spec: &str) -> String {
    let shown = read(&policy(spec));
    assert!(
        !shown.starts_with("NetworkPolicy"),
        "accepted: {spec}\n{shown}"
    );
    shown
}

/// Asserts that a policy comes out and that nothing is said about it.
#[track_caller]
fn accepted(spec: &str) {
    assert_eq!(read(&policy(spec)), "NetworkPolicy x/p\n", "{spec}");
}

/// The only object of a text, without its places.
fn only(text: &str) -> String {
    with_loaded("t.yaml", text, |loaded| {
        assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
        let [object] = &*loaded.objects else {
            panic!("{} objects", loaded.objects.len());
        };
        without_places(&format!("{:?}\n", object.body))
    })
}

/// The spec of the only policy of a text.
fn with_spec<T>(spec: &str, look: impl FnOnce(&super::NetworkPolicySpec) -> T) -> T {
    with_loaded("t.yaml", &policy(spec), |loaded| {
        assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
        match &loaded.objects[0].body {
            Body::NetworkPolicy(spec) => look(spec),
            other => panic!("{other:?}"),
        }
    })
}

fn with_loaded<T>(name: &str, text: &str, look: impl FnOnce(&Loaded<'_>) -> T) -> T {
    let mut sources = Sources::new();
    sources.add(name, text.into()).unwrap();
    look(&load(&sources, &Options::default()))
}

/// A debug text without the places.
fn without_places(debug: &str) -> String {
    let mut out = String::new();
    let mut rest = debug;
    while let Some((before, span)) = rest.split_once("Span {") {
        out += before;
        out.push('_');
        rest = span.split_once('}').map_or("", |(_, after)| after);
    }
    out + rest
}
