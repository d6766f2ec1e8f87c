//! The world of a case as the Kubernetes objects that a cluster would list.

use serde_json::{Map, Value, json};

use super::list;

/// A JSON List of everything in a case.
pub(super) fn objects(case: &Value) -> Value {
    let mut items = Vec::new();
    for namespace in list(case, "namespaces") {
        items.push(json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": namespace["name"], "labels": namespace["labels"]},
        }));
    }
    for node in list(case, "nodes") {
        let addresses: Vec<_> = list(node, "ips")
            .iter()
            .map(|ip| json!({"type": "InternalIP", "address": ip}))
            .collect();
        items.push(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": node["name"], "labels": node["labels"]},
            "status": {"addresses": addresses},
        }));
    }
    items.extend(list(case, "pods").iter().map(pod));
    for service in list(case, "services") {
        items.extend(self::service(service));
    }
    items.extend(api_servers(case));
    for account in list(case, "serviceAccounts") {
        items.push(json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {
                "name": account["name"], "namespace": account["ns"], "labels": account["labels"],
            },
        }));
    }
    if !list(case, "kubeApiserver").is_empty() {
        items.extend(service(&json!({
            "ns": "default", "name": "kubernetes", "endpoints": case["kubeApiserver"],
            "ports": [{"name": "https", "port": 443, "targetPort": 6443, "proto": "TCP"}],
        })));
    }
    items.extend(list(case, "policies").iter().cloned());
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// The Service of the API server and its addresses, if a case says them.
fn api_servers(case: &Value) -> Vec<Value> {
    let addresses = list(case, "kubeApiserver");
    if addresses.is_empty() {
        return Vec::new();
    }
    service(&json!({
        "ns": "default", "name": "kubernetes", "endpoints": addresses,
        "ports": [{"name": "https", "port": 443, "targetPort": 6443, "proto": "TCP"}],
    }))
}

fn pod(pod: &Value) -> Value {
    let ports: Vec<_> = list(pod, "ports").iter().map(container_port).collect();
    let ips: Vec<_> = list(pod, "ips")
        .iter()
        .map(|ip| json!({"ip": ip}))
        .collect();
    let mut metadata = Map::new();
    metadata.insert("name".into(), pod["name"].clone());
    metadata.insert("namespace".into(), pod["ns"].clone());
    metadata.insert("labels".into(), pod["labels"].clone());
    if pod["terminating"] == true {
        metadata.insert("deletionTimestamp".into(), "2026-01-01T00:00:00Z".into());
    }
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "nodeName": pod["node"],
            "hostNetwork": pod["hostNetwork"],
            "serviceAccountName": pod["sa"],
            "containers": [{"name": "main", "ports": ports}],
        },
        "status": {
            "phase": pod["phase"].as_str().unwrap_or("Running"),
            "podIPs": ips,
        },
    })
}

fn container_port(port: &Value) -> Value {
    json!({
        "name": port["name"],
        "containerPort": port["port"],
        "protocol": port["proto"],
    })
}

fn service(service: &Value) -> Vec<Value> {
    let ports: Vec<_> = list(service, "ports")
        .iter()
        .map(|port| {
            json!({
                "name": port["name"],
                "port": port["port"],
                "targetPort": port["targetPort"],
                "protocol": port["proto"],
                "nodePort": port["nodePort"],
            })
        })
        .collect();
    let mut items = vec![json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": service["name"], "namespace": service["ns"], "labels": service["labels"],
        },
        "spec": {
            "selector": service["selector"], "clusterIP": service["clusterIP"], "ports": ports,
        },
    })];
    if !list(service, "endpoints").is_empty() {
        let ports: Vec<_> = list(service, "ports")
            .iter()
            .map(|port| {
                json!({
                    "name": port["name"], "port": port["targetPort"], "protocol": port["proto"],
                })
            })
            .collect();
        let name = service["name"].as_str().unwrap_or_default();
        items.push(json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "name": format!("{name}-1"), "namespace": service["ns"],
                "labels": {"kubernetes.io/service-name": name},
            },
            "endpoints": [{"addresses": service["endpoints"]}],
            "ports": ports,
        }));
    }
    items
}
