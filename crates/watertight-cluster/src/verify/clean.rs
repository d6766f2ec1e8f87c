//! Takes away what runs have made: at the end of a run, when it fails, when it is stopped, and for
//! `verify clean` by the labels.
//!
//! INVARIANT: nothing without the label of a run is ever deleted.

use std::time::Duration;

use serde_json::Value;

use super::access::{ACCOUNT, Access, CONFIG_MAP, DEPLOYMENT, Error, NAMESPACE, POLICY, SERVICE};
use super::objects::{self, EXPIRES, RUN};

/// A run that has left something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// Where its objects are.
    pub namespace: String,
    /// Whether the namespace is its own.
    pub owns_namespace: bool,
    /// From when on anybody may remove it: seconds since 1970.
    pub expires: Option<u64>,
}

/// How often removal is tried.
const TRIES: usize = 3;
/// Between those.
const PAUSE: Duration = Duration::from_millis(700);

/// The command that removes all of a run by hand: everything is in its namespace, or owned by its ConfigMap.
#[must_use]
pub fn by_hand(run: &Run) -> String {
    let root = objects::root_of(&run.id);
    if run.owns_namespace {
        format!("kubectl delete namespace {}", run.namespace)
    } else {
        format!("kubectl -n {} delete configmap {root}", run.namespace)
    }
}

/// Removes what a run has made, and says what could not be removed. A call may fail once.
pub async fn remove(access: &Access, run: &Run) -> Vec<String> {
    let mut left = remove_once(access, run).await;
    for _ in 1..TRIES {
        if left.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        left = remove_once(access, run).await;
    }
    left
}

async fn remove_once(access: &Access, run: &Run) -> Vec<String> {
    let mut left = Vec::new();
    let mut note = |result: Result<(), Error>| {
        if let Err(error) = result {
            left.push(error.to_string());
        }
    };
    if run.owns_namespace {
        note(access.delete(NAMESPACE, None, &run.namespace).await);
        return left;
    }
    let selector = format!("{RUN}={}", run.id);
    // Policies first: whatever else stays must not be cut off.
    for kind in [POLICY, DEPLOYMENT, SERVICE, ACCOUNT, CONFIG_MAP] {
        note(access.delete_all(kind, &run.namespace, &selector).await);
    }
    left
}

/// All runs that have left something, in one namespace or anywhere.
///
/// # Errors
///
/// If they cannot be listed.
pub async fn runs(access: &Access, namespace: Option<&str>) -> Result<Vec<Run>, Error> {
    let mut found = Vec::new();
    if namespace.is_none() {
        for object in access.list(NAMESPACE, None, RUN).await? {
            found.extend(run(&object, "/metadata/name", true));
        }
    }
    for object in access.list(CONFIG_MAP, namespace, RUN).await? {
        if let Some(run) = run(&object, "/metadata/namespace", false)
            && !found.iter().any(|known: &Run| known.id == run.id)
        {
            found.push(run);
        }
    }
    found.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(found)
}

fn run(object: &Value, namespace: &str, owns_namespace: bool) -> Option<Run> {
    let labels = object.pointer("/metadata/labels")?;
    let label = |key: &str| labels.get(key)?.as_str();
    Some(Run {
        id: label(RUN)?.to_owned(),
        namespace: object.pointer(namespace)?.as_str()?.to_owned(),
        owns_namespace,
        expires: label(EXPIRES).and_then(|time| time.parse().ok()),
    })
}

/// Whether a run may be removed at this time.
#[must_use]
pub fn has_expired(run: &Run, now: u64) -> bool {
    run.expires.is_none_or(|expires| expires <= now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn runs_are_told_by_their_labels() {
        let object = json!({"metadata": {
            "name": "watertight-verify-abc",
            "labels": {RUN: "abc", EXPIRES: "100"},
        }});
        let found = run(&object, "/metadata/name", true).unwrap();
        assert_eq!(
            (&*found.id, &*found.namespace),
            ("abc", "watertight-verify-abc")
        );
        assert!(!has_expired(&found, 99));
        assert!(has_expired(&found, 100));
        assert_eq!(
            by_hand(&found),
            "kubectl delete namespace watertight-verify-abc"
        );
        let inside = Run {
            namespace: "shop".into(),
            owns_namespace: false,
            ..found
        };
        assert_eq!(
            by_hand(&inside),
            "kubectl -n shop delete configmap watertight-verify-abc"
        );
        let other = json!({"metadata": {"name": "shop", "labels": {"team": "shop"}}});
        assert_eq!(run(&other, "/metadata/name", true), None);
    }
}
