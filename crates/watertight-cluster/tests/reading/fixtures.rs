//! A shop in a cluster, with the fields that a server adds to objects.

use std::sync::Arc;

use fake_cluster::{FakeCluster, Kind, NoRuntime, Options};
use serde_json::{Value, json};
use watertight_cluster::read::Error;
use watertight_cluster::{
    Connection, Environment, Flags, KindRead, Progress, Reading, State, Wanted, connect, read,
};

/// What servers write into objects and nobody reads.
fn bookkeeping(name: &str) -> Value {
    json!({
        "uid": format!("uid-{name}"),
        "generation": 3,
        "creationTimestamp": "2026-11-22T14:18:45Z",
        "managedFields": [{
            "manager": "kubelet", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1",
            "fieldsV1": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:status": {"f:phase": {}}},
        }],
        "annotations": {
            "kubectl.kubernetes.io/last-applied-configuration": "{\"apiVersion\":\"v1\"}\n",
            "ignore.watertight.dev/wt102": "it may go anywhere",
            "other.example.com/a": "b",
        },
    })
}

fn merged(mut into: Value, from: Value) -> Value {
    if let (Some(into), Value::Object(from)) = (into.as_object_mut(), from) {
        into.extend(from);
    }
    into
}

/// A pod as a server has it.
pub(crate) fn pod(
    namespace: &str,
    name: &str,
    app: &str,
    ip: u32,
    owner: Option<(&str, &str)>,
) -> Value {
    let own = json!({
        "name": name, "namespace": namespace, "generateName": "x-",
        "labels": {"app": app, "pod-template-hash": "abc"},
    });
    let mut metadata = merged(bookkeeping(name), own);
    if let Some((kind, owner)) = owner {
        metadata["ownerReferences"] = json!([{
            "apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": "u", "controller": true,
            "blockOwnerDeletion": true,
        }]);
    }
    let ip = std::net::Ipv4Addr::from(0x0af4_0000 + ip).to_string();
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {
            "volumes": [{"name": "kube-api-access", "projected": {"sources": [{"serviceAccountToken":
                {"expirationSeconds": 3607, "path": "token"}}]}}],
            "containers": [
                {"name": "main", "image": "registry.example.com/shop/web:1.2.3",
                 "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                 "env": [{"name": "DB_URL", "value": "postgres://db.shop:5432/shop"}],
                 "args": ["serve", "--cache=cache.shop:6379"],
                 "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "10m"}},
                 "volumeMounts": [{"name": "kube-api-access", "mountPath": "/var/run", "readOnly": true}],
                 "livenessProbe": {"httpGet": {"path": "/", "port": "http", "scheme": "HTTP"},
                     "periodSeconds": 10},
                 "terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent"},
                {"name": "sidecar", "image": "registry.example.com/mesh/proxy:9"},
            ],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default", "serviceAccount": "default", "nodeName": "n1",
            "securityContext": {}, "schedulerName": "default-scheduler", "enableServiceLinks": true,
            "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists",
                "effect": "NoExecute", "tolerationSeconds": 300}],
        },
        "status": {
            "phase": "Running", "hostIP": "10.0.0.1", "podIP": ip, "podIPs": [{"ip": ip}],
            "conditions": [
                {"type": "Ready", "status": "False", "lastTransitionTime": "2026-11-22T14:19:02Z"},
                {"type": "PodScheduled", "status": "True"},
            ],
            "containerStatuses": [{"name": "main", "ready": true, "restartCount": 0,
                "imageID": "registry.example.com/shop/web@sha256:0000", "state": {"running": {}}}],
            "qosClass": "Burstable", "startTime": "2026-11-22T14:18:45Z",
        },
    })
}

fn template(app: &str) -> Value {
    let pod = pod("", "", app, 1, None);
    let mut spec = pod["spec"].clone();
    spec.as_object_mut().unwrap().remove("nodeName");
    json!({"metadata": {"creationTimestamp": null, "labels": {"app": app}}, "spec": spec})
}

fn workload(
    kind: &str,
    version: &str,
    name: &str,
    owner: Option<(&str, &str)>,
    spec: Value,
) -> Value {
    let own = json!({"name": name, "namespace": "shop", "labels": {"app": name}});
    let mut metadata = merged(bookkeeping(name), own);
    if let Some((kind, name)) = owner {
        metadata["ownerReferences"] =
            json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "controller": true}]);
    }
    json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec,
        "status": {"replicas": 2, "readyReplicas": 1, "desiredNumberScheduled": 2, "numberReady": 1,
            "conditions": [{"type": "Available"}]}})
}

/// The objects of the shop.
pub(crate) fn shop() -> Vec<Value> {
    let object = |kind: &str, version: &str, namespace: &str, name: &str, rest: Value| {
        let mut own = json!({"name": name, "labels": {"team": "a"}});
        if !namespace.is_empty() {
            own["namespace"] = namespace.into();
        }
        let metadata = merged(bookkeeping(name), own);
        merged(
            json!({"apiVersion": version, "kind": kind, "metadata": metadata}),
            rest,
        )
    };
    let plain = |app: &str| {
        json!({"replicas": 2, "selector": {"matchLabels": {"app": app}},
        "template": template(app), "strategy": {"type": "RollingUpdate"}})
    };
    vec![
        object(
            "Namespace",
            "v1",
            "",
            "shop",
            json!({"spec": {"finalizers": ["kubernetes"]}}),
        ),
        object("Namespace", "v1", "", "kube-system", json!({})),
        object(
            "Node",
            "v1",
            "",
            "n1",
            json!({
                "spec": {"podCIDR": "10.244.0.0/24", "providerID": "kind://docker/kind/n1",
                    "taints": [{"key": "a", "effect": "NoSchedule"}]},
                "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"},
                        {"type": "Hostname", "address": "n1"}],
                    "images": [{"names": ["a", "b"], "sizeBytes": 1234}],
                    "conditions": [{"type": "Ready", "status": "True", "message": "long"}],
                    "nodeInfo": {"kubeletVersion": "v1.36.2", "machineID": "secret", "operatingSystem": "linux",
                        "kernelVersion": "6.1.0", "osImage": "Debian"}},
            }),
        ),
        object(
            "ServiceAccount",
            "v1",
            "shop",
            "default",
            json!({"secrets": [{"name": "s"}]}),
        ),
        object(
            "Service",
            "v1",
            "shop",
            "web",
            json!({
                "spec": {"clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "type": "NodePort",
                    "selector": {"app": "web"}, "sessionAffinity": "None",
                    "ports": [{"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP",
                        "nodePort": 30080}]},
                "status": {"loadBalancer": {}},
            }),
        ),
        object(
            "Service",
            "v1",
            "kube-system",
            "kube-dns",
            json!({
                "spec": {"clusterIP": "10.96.0.53", "selector": {"k8s-app": "kube-dns"},
                    "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}]},
            }),
        ),
        merged(
            object(
                "EndpointSlice",
                "discovery.k8s.io/v1",
                "shop",
                "outside-1",
                json!({
                    "addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.1"], "nodeName": "n1",
                        "conditions": {"ready": true, "serving": true}}],
                    "ports": [{"name": "", "port": 443, "protocol": "TCP"}],
                }),
            ),
            json!({"metadata": {"name": "outside-1", "namespace": "shop",
                "labels": {"kubernetes.io/service-name": "outside"}}}),
        ),
        workload("Deployment", "apps/v1", "web", None, plain("web")),
        workload(
            "ReplicaSet",
            "apps/v1",
            "web-abc",
            Some(("Deployment", "web")),
            plain("web"),
        ),
        workload("StatefulSet", "apps/v1", "db", None, plain("db")),
        workload(
            "DaemonSet",
            "apps/v1",
            "agent",
            None,
            json!({"template": template("agent")}),
        ),
        workload("Job", "batch/v1", "import", None, plain("import")),
        workload(
            "CronJob",
            "batch/v1",
            "nightly",
            None,
            json!({"schedule": "0 0 * * *",
            "jobTemplate": {"spec": {"template": template("nightly")}}}),
        ),
        pod(
            "shop",
            "web-abc-1",
            "web",
            11,
            Some(("ReplicaSet", "web-abc")),
        ),
        pod(
            "shop",
            "web-abc-2",
            "web",
            12,
            Some(("ReplicaSet", "web-abc")),
        ),
        pod("shop", "db-0", "db", 13, Some(("StatefulSet", "db"))),
        pod("shop", "agent-x", "agent", 14, Some(("DaemonSet", "agent"))),
        pod("shop", "alone", "alone", 15, None),
        merged(
            pod("shop", "done", "done", 16, None),
            json!({"status": {"phase": "Succeeded", "podIP": "10.244.0.16"}}),
        ),
        object(
            "NetworkPolicy",
            "networking.k8s.io/v1",
            "shop",
            "allow-web",
            json!({
                "spec": {"podSelector": {"matchLabels": {"app": "db"}}, "policyTypes": ["Ingress"],
                    "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}],
                        "ports": [{"protocol": "TCP", "port": 5432}]}]},
            }),
        ),
        object(
            "ConfigMap",
            "v1",
            "kube-system",
            "cilium-config",
            json!({"data": {"enable-policy": "default"}}),
        ),
        object(
            "ConfigMap",
            "v1",
            "shop",
            "settings",
            json!({"data": {"PASSWORD": "not read"}}),
        ),
        object(
            "Secret",
            "v1",
            "shop",
            "s",
            json!({"data": {"password": "aHVudGVyMg=="}}),
        ),
        object(
            "CustomResourceDefinition",
            "apiextensions.k8s.io/v1",
            "",
            "adminnetworkpolicies.policy.networking.k8s.io",
            json!({"spec": {"group": "long"}}),
        ),
        object(
            "AdminNetworkPolicy",
            "policy.networking.k8s.io/v1alpha1",
            "",
            "platform",
            json!({
                "spec": {"priority": 10, "subject": {"namespaces": {}},
                    "ingress": [{"action": "Deny", "from": [{"namespaces": {"matchLabels": {"team": "b"}}}]}]},
            }),
        ),
    ]
}

/// A server with the shop.
pub(crate) async fn cluster(options: Options) -> FakeCluster {
    let admin =
        Kind::parse("policy.networking.k8s.io/v1alpha1 adminnetworkpolicies AdminNetworkPolicy*");
    let options = Options {
        kinds: admin.into_iter().chain(options.kinds).collect(),
        ..options
    };
    let cluster = FakeCluster::start(options, Arc::new(NoRuntime::default()))
        .await
        .unwrap();
    for object in shop() {
        cluster.store().put(object).unwrap();
    }
    cluster
}

/// A server with nothing in it.
pub(crate) async fn bare(options: Options) -> FakeCluster {
    FakeCluster::start(options, Arc::new(NoRuntime::default()))
        .await
        .unwrap()
}

/// Flags for a server alone.
pub(crate) fn flags(cluster: &FakeCluster) -> Flags {
    Flags {
        server: Some(cluster.url()),
        ..Flags::default()
    }
}

pub(crate) fn connected(flags: &Flags) -> Connection {
    connect(flags, &Environment::default()).unwrap()
}

/// Reads everything.
pub(crate) async fn reading(cluster: &FakeCluster) -> Reading {
    try_reading(cluster, &Wanted::default()).await.unwrap()
}

pub(crate) async fn try_reading(cluster: &FakeCluster, wanted: &Wanted) -> Result<Reading, Error> {
    let connection = connected(&flags(cluster));
    read(&connection, wanted, &Arc::new(Progress::default())).await
}

/// How a kind ended.
pub(crate) fn state(reading: &Reading, resource: &str) -> (State, usize) {
    let found = kind(reading, resource);
    (found.state, found.count)
}

pub(crate) fn kind<'r>(reading: &'r Reading, resource: &str) -> &'r KindRead {
    let mut kinds = reading.header.kinds.iter();
    kinds.find(|kind| kind.resource == resource).unwrap()
}

/// A text by its name.
pub(crate) fn text<'r>(reading: &'r Reading, name: &str) -> &'r str {
    let mut files = reading.files.iter();
    &files.find(|file| file.name == name).unwrap().text
}
