//! A cluster as a server holds it, with all that servers write into objects and nobody reads.

use std::net::Ipv4Addr;

use anyhow::anyhow;
use fake_cluster::Store;
use serde_json::{Value, json};

/// Pods of a Deployment.
const REPLICAS: usize = 20;

/// Deployments in a namespace.
const DEPLOYMENTS: usize = 10;

/// Pods on a node.
const ON_NODE: usize = 100;

/// Objects between two moments at which the server forgets what has happened.
const OFTEN: usize = 1000;

/// Puts namespaces, nodes, workloads with their pods, Services and policies there; the bytes of the pods.
pub(super) fn fill(store: &Store, pods: usize) -> anyhow::Result<u64> {
    let put = |object: Value| store.put(object).map_err(|error| anyhow!("{error}"));
    for node in 0..pods.div_ceil(ON_NODE) {
        put(self::node(node))?;
    }
    let mut bytes = 0;
    for number in 0..pods {
        let (deployment, replica) = (number / REPLICAS, number % REPLICAS);
        let namespace = format!("team-{:04}", deployment / DEPLOYMENTS);
        let app = format!("service-{:02}", deployment % DEPLOYMENTS);
        if replica == 0 {
            if deployment.is_multiple_of(DEPLOYMENTS) {
                put(json!({"apiVersion": "v1", "kind": "Namespace",
                    "metadata": {"name": namespace, "labels": {"kubernetes.io/metadata.name": namespace}}}))?;
                put(policy(
                    &namespace,
                    "default-deny",
                    &json!({"podSelector": {},
                    "policyTypes": ["Ingress", "Egress"]}),
                ))?;
            }
            for object in workload(&namespace, &app) {
                put(object)?;
            }
        }
        let pod = pod(&namespace, &app, number);
        bytes += pod.to_string().len() as u64;
        put(pod)?;
        if number.is_multiple_of(OFTEN) {
            store.compact();
        }
    }
    store.compact();
    Ok(bytes)
}

fn node(number: usize) -> Value {
    let [_, _, high, low] = (number as u32).to_be_bytes();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("node-{number:04}"),
            "labels": {"kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
        "status": {
            "addresses": [{"type": "InternalIP", "address": format!("172.16.{high}.{low}")}],
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.36.2", "operatingSystem": "linux"},
        },
    })
}

fn policy(namespace: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

/// A Deployment with its ReplicaSet, a Service, and the policy that lets its neighbours in.
fn workload(namespace: &str, app: &str) -> [Value; 4] {
    let labels = json!({"app.kubernetes.io/name": app, "pod-template-hash": "6d4cf56db6"});
    let template = json!({"metadata": {"labels": labels}, "spec": pod_spec(app)});
    let spec =
        json!({"replicas": REPLICAS, "selector": {"matchLabels": labels}, "template": template});
    let owner = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": app, "uid": "0",
        "controller": true}]);
    [
        json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": app, "namespace": namespace}, "spec": spec}),
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": format!("{app}-6d4cf56db6"), "namespace": namespace,
                "ownerReferences": owner}, "spec": spec}),
        json!({"apiVersion": "v1", "kind": "Service",
            "metadata": {"name": app, "namespace": namespace},
            "spec": {"selector": {"app.kubernetes.io/name": app}, "type": "ClusterIP",
                "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}]}}),
        policy(
            namespace,
            app,
            &json!({"podSelector": {"matchLabels": {"app.kubernetes.io/name": app}},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8080}]}],
                "egress": [{"to": [{"podSelector": {}}]}]}),
        ),
    ]
}

fn pod_spec(app: &str) -> Value {
    let probe = |path: &str| {
        json!({"httpGet": {"path": path, "port": "http", "scheme": "HTTP"}, "initialDelaySeconds": 5,
            "timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3})
    };
    let env: Vec<Value> = (0..12)
        .map(|number| json!({"name": format!("SETTING_{number:02}"), "value": format!("value-{number}")}))
        .collect();
    json!({
        "volumes": [
            {"name": "config", "configMap": {"name": app, "defaultMode": 420}},
            {"name": "kube-api-access-x7k2p", "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}]}},
        ],
        "containers": [
            {"name": "main", "image": format!("registry.example.com/{app}/server:1.24.7"), "env": env,
                "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"},
                    {"name": "metrics", "containerPort": 9090, "protocol": "TCP"}],
                "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
                "volumeMounts": [{"name": "config", "mountPath": "/etc/app", "readOnly": true},
                    {"name": "kube-api-access-x7k2p", "readOnly": true,
                        "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}],
                "livenessProbe": probe("/healthz"), "readinessProbe": probe("/readyz"),
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
                "imagePullPolicy": "IfNotPresent",
                "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]}}},
        ],
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "serviceAccountName": "default", "serviceAccount": "default",
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "schedulerName": "default-scheduler", "priority": 0, "enableServiceLinks": true,
        "preemptionPolicy": "PreemptLowerPriority",
        "tolerations": [
            {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": 300},
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": 300}],
    })
}

/// Who wrote which field, as every server keeps it.
fn managed() -> Value {
    let field = |name: &str, inner: Value| json!({name: inner});
    let env: Value = (0..12)
        .map(|number| {
            let key = format!("k:{{\"name\":\"SETTING_{number:02}\"}}");
            (key, json!({".": {}, "f:name": {}, "f:value": {}}))
        })
        .collect::<serde_json::Map<_, _>>()
        .into();
    let probe = json!({".": {}, "f:failureThreshold": {}, "f:httpGet": {".": {}, "f:path": {}, "f:port": {},
        "f:scheme": {}}, "f:periodSeconds": {}, "f:successThreshold": {}, "f:timeoutSeconds": {}});
    json!([
        {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
            "time": "2026-11-20T08:14:45Z", "fieldsType": "FieldsV1", "fieldsV1": {
                "f:metadata": {"f:generateName": {}, "f:labels": {".": {}, "f:app.kubernetes.io/name": {},
                    "f:pod-template-hash": {}}, "f:ownerReferences": {".": {}}},
                "f:spec": {"f:containers": field("k:{\"name\":\"main\"}", json!({".": {}, "f:env": env,
                    "f:image": {}, "f:imagePullPolicy": {}, "f:livenessProbe": probe, "f:readinessProbe": probe,
                    "f:name": {}, "f:ports": {".": {}}, "f:resources": {".": {}}, "f:securityContext": {}})),
                    "f:dnsPolicy": {}, "f:enableServiceLinks": {}, "f:restartPolicy": {},
                    "f:schedulerName": {}, "f:securityContext": {}, "f:volumes": {".": {}}}}},
        {"manager": "kubelet", "operation": "Update", "apiVersion": "v1", "subresource": "status",
            "time": "2026-11-20T08:15:02Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {
                "f:conditions": field("k:{\"type\":\"Ready\"}", json!({".": {}, "f:lastProbeTime": {},
                    "f:lastTransitionTime": {}, "f:status": {}, "f:type": {}})),
                "f:containerStatuses": {}, "f:hostIP": {}, "f:phase": {}, "f:podIP": {}, "f:podIPs": {},
                "f:startTime": {}}}},
    ])
}

fn pod(namespace: &str, app: &str, number: usize) -> Value {
    let name = format!("{app}-6d4cf56db6-{number:06}");
    let ip = Ipv4Addr::from(0x0a00_0100 + number as u32).to_string();
    let mut spec = pod_spec(app);
    if let Some(spec) = spec.as_object_mut() {
        spec.insert(
            "nodeName".into(),
            format!("node-{:04}", number / ON_NODE).into(),
        );
    }
    let condition = |kind: &str| {
        json!({"type": kind, "status": "True", "lastProbeTime": null,
            "lastTransitionTime": "2026-11-20T08:15:02Z"})
    };
    let conditions = [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ];
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": namespace, "generateName": format!("{app}-6d4cf56db6-"),
            "uid": format!("5f0b9a3c-7d1e-4c55-9b1a-{number:012}"), "generation": 1,
            "creationTimestamp": "2026-11-20T08:14:45Z",
            "labels": {"app.kubernetes.io/name": app, "app.kubernetes.io/part-of": namespace,
                "pod-template-hash": "6d4cf56db6"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "9090",
                "checksum/config": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet",
                "name": format!("{app}-6d4cf56db6"), "uid": "1", "controller": true,
                "blockOwnerDeletion": true}],
            "managedFields": managed(),
        },
        "spec": spec,
        "status": {
            "phase": "Running", "hostIP": "172.16.0.1", "hostIPs": [{"ip": "172.16.0.1"}],
            "podIP": ip, "podIPs": [{"ip": ip}], "startTime": "2026-11-20T08:14:45Z",
            "conditions": conditions.map(condition), "qosClass": "Burstable",
            "containerStatuses": [{"name": "main", "ready": true, "started": true, "restartCount": 0,
                "image": format!("registry.example.com/{app}/server:1.24.7"),
                "imageID": format!("registry.example.com/{app}/server@sha256:{number:064x}"),
                "containerID": format!("containerd://{number:064x}"),
                "state": {"running": {"startedAt": "2026-11-20T08:15:01Z"}}, "lastState": {}}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::pod;

    #[test]
    fn a_pod_is_as_large_as_pods_are() {
        let bytes = pod("team-0000", "service-00", 7).to_string().len();
        assert!((5000..12_000).contains(&bytes), "{bytes}");
    }
}
