//! On which node a pod may run.

use serde_json::Value;

use crate::labels::expressions;
use crate::store::meta;

/// Whether a pod may run on a node: names, labels, taints, readiness.
pub(crate) fn may_run(pod: &Value, node: &Value) -> bool {
    let name = meta(node, "name");
    let label = |key: &str| node.get("metadata")?.get("labels")?.get(key)?.as_str();
    let field = |key: &str| (key == "metadata.name").then_some(name);
    let wanted = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    let selected = wanted
        .into_iter()
        .flatten()
        .all(|(key, value)| label(key) == value.as_str());
    let terms = pod
        .pointer("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms")
        .and_then(Value::as_array);
    let near = terms.is_none_or(|terms| {
        terms.iter().any(|term| {
            expressions(term.get("matchExpressions"), label)
                && expressions(term.get("matchFields"), field)
        })
    });
    let closed = node.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
    selected && near && !closed && is_ready(node) && tolerates(pod, node)
}

fn is_ready(node: &Value) -> bool {
    let conditions = node.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some("Ready"));
    ready.is_none_or(|ready| ready.get("status").and_then(Value::as_str) == Some("True"))
}

fn tolerates(pod: &Value, node: &Value) -> bool {
    let text = |of: &Value, field: &str| -> String {
        let value = of.get(field).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    let hard = taints
        .into_iter()
        .flatten()
        .filter(|taint| text(taint, "effect") != "PreferNoSchedule");
    hard.into_iter().all(|taint| {
        let tolerations = pod.pointer("/spec/tolerations").and_then(Value::as_array);
        tolerations.into_iter().flatten().any(|toleration| {
            let (key, effect) = (text(toleration, "key"), text(toleration, "effect"));
            let exists = text(toleration, "operator") == "Exists";
            (key.is_empty() && exists || key == text(taint, "key"))
                && (effect.is_empty() || effect == text(taint, "effect"))
                && (exists || text(toleration, "value") == text(taint, "value"))
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::may_run;

    #[test]
    fn selectors_affinity_taints_and_readiness_decide() {
        let node = json!({"metadata": {"name": "a", "labels": {"zone": "x"}}});
        let tainted = json!({"metadata": {"name": "a"}, "spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}});
        let down = json!({"metadata": {"name": "a"}, "status": {"conditions": [{"type": "Ready", "status": "False"}]}});
        let affinity = |name: &str| {
            json!({"spec": {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}]
            }}}}})
        };
        assert!(may_run(
            &json!({"spec": {"nodeSelector": {"zone": "x"}}}),
            &node
        ));
        assert!(!may_run(
            &json!({"spec": {"nodeSelector": {"zone": "y"}}}),
            &node
        ));
        assert!(may_run(&affinity("a"), &node));
        assert!(!may_run(&affinity("b"), &node));
        assert!(!may_run(&json!({}), &tainted));
        assert!(may_run(
            &json!({"spec": {"tolerations": [{"operator": "Exists"}]}}),
            &tainted
        ));
        assert!(!may_run(&json!({}), &down));
    }
}
