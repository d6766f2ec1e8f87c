//! What is waited for, in words: pods that start, and what they wait for themselves.

use serde_json::Value;

/// Waiting will not help a container that cannot start for one of these reasons.
pub(super) const HOPELESS: [&str; 4] = [
    "InvalidImageName",
    "CreateContainerConfigError",
    "RunContainerError",
    "CrashLoopBackOff",
];

/// How far a pod is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Ready,
    Waiting(String),
    Hopeless(String),
}

/// How far a pod is, by its status.
pub(super) fn stage(pod: &Value) -> Stage {
    let word = |path: &str| pod.pointer(path).and_then(Value::as_str);
    let empty = Vec::new();
    let list = |path: &str| {
        pod.pointer(path)
            .and_then(Value::as_array)
            .unwrap_or(&empty)
    };
    let condition = |name: &str| {
        let mut conditions = list("/status/conditions").iter();
        conditions.find(|one| one.get("type").and_then(Value::as_str) == Some(name))
    };
    let is_true =
        |condition: &Value| condition.get("status").and_then(Value::as_str) == Some("True");
    if condition("Ready").is_some_and(is_true) && word("/status/podIP").is_some() {
        return Stage::Ready;
    }
    for status in list("/status/containerStatuses") {
        let text = |path: &str| status.pointer(path).and_then(Value::as_str);
        let Some(reason) = text("/state/waiting/reason") else {
            continue;
        };
        let message = text("/state/waiting/message").unwrap_or_default();
        let told = if message.is_empty() {
            reason.to_owned()
        } else {
            format!("{reason}: {message}")
        };
        return if HOPELESS.contains(&reason) {
            Stage::Hopeless(told)
        } else {
            Stage::Waiting(told)
        };
    }
    if let Some(condition) = condition("PodScheduled").filter(|condition| !is_true(condition)) {
        let message = condition.get("message").and_then(Value::as_str);
        return Stage::Waiting(message.unwrap_or("it is not scheduled").to_owned());
    }
    Stage::Waiting(word("/status/phase").unwrap_or("Pending").to_owned())
}

/// Why a Deployment makes no pods, if it says so.
pub(super) fn failure(deployment: &Value) -> Option<String> {
    let conditions = deployment.pointer("/status/conditions")?.as_array()?;
    let failed = conditions.iter().find(|one| {
        let is = |key: &str, value: &str| one.get(key).and_then(Value::as_str) == Some(value);
        is("type", "ReplicaFailure") && is("status", "True")
    })?;
    Some(failed.get("message")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_pod_waits_for_is_said() {
        let ready = json!({"status": {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}});
        assert_eq!(stage(&ready), Stage::Ready);
        let pulling = json!({"status": {"containerStatuses": [
            {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}},
        ]}});
        assert_eq!(
            stage(&pulling),
            Stage::Waiting("ImagePullBackOff: no such image".into())
        );
        let broken = json!({"status": {"containerStatuses": [{"state": {"waiting": {"reason": "InvalidImageName"}}}]}});
        assert_eq!(stage(&broken), Stage::Hopeless("InvalidImageName".into()));
        let full = json!({"status": {"conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"},
        ]}});
        assert_eq!(
            stage(&full),
            Stage::Waiting("0/3 nodes are available".into())
        );
    }

    #[test]
    fn a_deployment_says_why_it_makes_no_pods() {
        let refused = json!({"status": {"conditions": [
            {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"},
        ]}});
        assert_eq!(failure(&refused).as_deref(), Some("exceeded quota"));
        assert_eq!(failure(&json!({"status": {}})), None);
    }
}
