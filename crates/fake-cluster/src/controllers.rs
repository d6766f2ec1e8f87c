//! What a cluster does by itself: Deployments and DaemonSets make pods, pods get nodes and addresses, what has lost its
//! owner goes, and namespaces that are deleted become empty.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::runtime::Runtime;
use crate::schedule::may_run;
use crate::status::Refusal;
use crate::store::{Place, Store, meta, place};
use crate::writes;

/// Follows the store until the server goes.
pub(crate) async fn follow(store: Arc<Store>, runtime: Arc<dyn Runtime>) {
    let mut changes = store.changes();
    let mut running = BTreeMap::new();
    loop {
        changes.borrow_and_update();
        let (store, runtime) = (Arc::clone(&store), Arc::clone(&runtime));
        let round = tokio::task::spawn_blocking(move || {
            step(&store, &*runtime, &mut running);
            running
        });
        let Ok(after) = round.await else { return };
        running = after;
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Pods that the runtime has started.
type Running = BTreeMap<Place, Value>;

fn step(store: &Store, runtime: &dyn Runtime, running: &mut Running) {
    for daemon_set in store.all("daemonsets.apps") {
        for_daemon_set(store, &daemon_set);
    }
    for deployment in store.all("deployments.apps") {
        for_deployment(store, &deployment);
    }
    collect(store);
    empty(store);
    pods(store, runtime, running);
    runtime.sync(store);
}

fn owned_by(object: &Value, uid: &str) -> bool {
    let owners = object
        .pointer("/metadata/ownerReferences")
        .and_then(Value::as_array);
    let mut owners = owners.into_iter().flatten();
    owners.any(|owner| owner.get("uid").and_then(Value::as_str) == Some(uid))
}

fn pod_of(owner: &Value, kind: &str, name: &str) -> Value {
    let template = owner
        .pointer("/spec/template")
        .cloned()
        .unwrap_or(Value::Null);
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod"});
    writes::merge(&mut pod, &template);
    let metadata = json!({
        "name": name,
        "namespace": meta(owner, "namespace"),
        "ownerReferences": [{
            "apiVersion": "apps/v1",
            "kind": kind,
            "name": meta(owner, "name"),
            "uid": meta(owner, "uid"),
            "controller": true,
        }],
    });
    writes::merge(
        &mut pod,
        &json!({"metadata": metadata, "status": {"phase": "Pending"}}),
    );
    pod
}

/// A real cluster has a ReplicaSet in between; its name shows in the names of pods.
fn for_deployment(store: &Store, deployment: &Value) {
    let replicas = deployment.pointer("/spec/replicas").and_then(Value::as_u64);
    let replicas = replicas.unwrap_or(1);
    let (namespace, name) = place(deployment);
    let uid = meta(deployment, "uid");
    let own = store
        .all("pods")
        .into_iter()
        .filter(|pod| owned_by(pod, uid));
    let own: Vec<_> = own.collect();
    for _ in own.len() as u64..replicas {
        let tail = store.lock().version;
        let pod = pod_of(
            deployment,
            "ReplicaSet",
            &format!("{name}-7d4b9c{}-{tail:05}", uid.len()),
        );
        // It may have been deleted in between.
        let _ = store.put(pod);
    }
    for pod in own
        .iter()
        .skip(usize::try_from(replicas).unwrap_or(usize::MAX))
    {
        store.remove("pods", &namespace, meta(pod, "name"));
    }
    let ready = own.iter().filter(|pod| is_running(pod)).count();
    store.change("deployments.apps", &namespace, &name, |deployment| {
        let status = json!({
            "replicas": own.len(),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updatedReplicas": own.len(),
        });
        writes::merge(deployment, &json!({"status": status}));
    });
}

/// Only those whose template says what they run: a recorded DaemonSet keeps its recorded pods and status.
fn for_daemon_set(store: &Store, daemon_set: &Value) {
    if daemon_set
        .pointer("/metadata/annotations/fake-cluster~1runs")
        .is_none()
    {
        return;
    }
    let (namespace, name) = place(daemon_set);
    let own = |node: &str| format!("{name}-{node}");
    for node in store.all("nodes") {
        let node = meta(&node, "name").to_owned();
        if store.get("pods", &namespace, &own(&node)).is_none() {
            let mut pod = pod_of(daemon_set, "DaemonSet", &own(&node));
            writes::merge(&mut pod, &json!({"spec": {"nodeName": node}}));
            let _ = store.put(pod);
        }
    }
}

fn is_running(pod: &Value) -> bool {
    pod.pointer("/status/phase").and_then(Value::as_str) == Some("Running")
}

/// Objects all of whose owners are gone go too.
fn collect(store: &Store) {
    let inner = store.lock();
    let uids: std::collections::BTreeSet<&str> = inner
        .objects
        .values()
        .flat_map(BTreeMap::values)
        .map(|object| meta(object, "uid"))
        .collect();
    let mut orphans = Vec::new();
    for (key, objects) in &inner.objects {
        for (place, object) in objects {
            let owners = object
                .pointer("/metadata/ownerReferences")
                .and_then(Value::as_array);
            let Some(owners) = owners.filter(|owners| !owners.is_empty()) else {
                continue;
            };
            // Recorded pods whose ReplicaSets were not recorded stay.
            let made_here = meta(object, "uid").starts_with("00000000-0000-4000-8000-");
            let lives = |owner: &Value| {
                let uid = owner.get("uid").and_then(Value::as_str);
                uid.is_some_and(|uid| uids.contains(uid))
            };
            if made_here && !owners.iter().any(lives) {
                orphans.push((key.clone(), place.clone()));
            }
        }
    }
    drop(inner);
    for (key, (namespace, name)) in orphans {
        store.remove(&key, &namespace, &name);
    }
}

/// Empties namespaces that are being deleted.
fn empty(store: &Store) {
    for namespace in store.all("namespaces") {
        if namespace.pointer("/metadata/deletionTimestamp").is_none() {
            continue;
        }
        let name = meta(&namespace, "name");
        let inner = store.lock();
        let inside = inner.objects.iter().flat_map(|(key, objects)| {
            let own = objects.keys().filter(|(of, _)| of == name);
            own.map(move |(_, object)| (key.clone(), object.clone()))
        });
        let inside: Vec<_> = inside.collect();
        drop(inner);
        for (key, object) in inside {
            store.remove(&key, name, &object);
        }
        store.remove("namespaces", "", name);
    }
}

fn pods(store: &Store, runtime: &dyn Runtime, running: &mut Running) {
    let there: BTreeMap<Place, Value> = store
        .all("pods")
        .into_iter()
        .map(|pod| (place(&pod), pod))
        .collect();
    let gone: Vec<_> = running
        .iter()
        .filter(|(place, pod)| {
            there
                .get(*place)
                .is_none_or(|now| meta(now, "uid") != meta(pod, "uid"))
        })
        .map(|(place, _)| place.clone())
        .collect();
    for place in gone {
        if let Some(pod) = running.remove(&place) {
            runtime.stop(&pod);
        }
    }
    for (place, pod) in there {
        let settled = pod.pointer("/status/phase").and_then(Value::as_str);
        if running.contains_key(&place) || settled != Some("Pending") {
            continue;
        }
        start(store, runtime, running, place, pod);
    }
}

fn start(
    store: &Store,
    runtime: &dyn Runtime,
    running: &mut Running,
    place: Place,
    mut pod: Value,
) {
    let (namespace, name) = place.clone();
    let Some(node) = node_for(store, &pod) else {
        waits(
            store,
            &place,
            "Unschedulable",
            "0 nodes are available for it",
        );
        return;
    };
    let scheduled = json!({"spec": {"nodeName": meta(&node, "name")}});
    writes::merge(&mut pod, &scheduled);
    let addresses = match runtime.start(&pod) {
        Ok(addresses) => addresses,
        Err(reason) => {
            waits(store, &place, "ContainersNotReady", &reason);
            return;
        }
    };
    let ips: Vec<_> = addresses
        .iter()
        .map(|ip| json!({"ip": ip.to_string()}))
        .collect();
    let host = node.pointer("/status/addresses/0/address").cloned();
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let now = jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string();
    let statuses = containers.into_iter().flatten().map(|container| {
        json!({
            "name": container.get("name"),
            "image": container.get("image"),
            "ready": true,
            "started": true,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        })
    });
    let status = json!({
        "phase": "Running",
        "hostIP": host,
        "podIP": addresses.first().map(ToString::to_string),
        "podIPs": ips,
        "startTime": now,
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "ContainersReady", "status": "True"},
            {"type": "Ready", "status": "True"},
        ],
        "containerStatuses": statuses.collect::<Vec<_>>(),
    });
    writes::merge(&mut pod, &json!({"status": status}));
    let started = store.change("pods", &namespace, &name, |stored| {
        writes::merge(stored, &scheduled);
        writes::merge(stored, &json!({"status": status}));
    });
    match started {
        Some(_) => drop(running.insert(place, pod)),
        None => runtime.stop(&pod),
    }
}

/// Says why a pod does not run; it is tried again when something changes.
fn waits(store: &Store, (namespace, name): &Place, reason: &str, message: &str) {
    store.change("pods", namespace, name, |pod| {
        let condition = json!({
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": message,
        });
        writes::merge(pod, &json!({"status": {"conditions": [condition]}}));
    });
}

fn node_for(store: &Store, pod: &Value) -> Option<Value> {
    let named = pod.pointer("/spec/nodeName").and_then(Value::as_str);
    let nodes = store.all("nodes");
    if let Some(name) = named.filter(|name| !name.is_empty()) {
        return nodes.into_iter().find(|node| meta(node, "name") == name);
    }
    let pods = store.all("pods");
    let load = |node: &Value| {
        let name = meta(node, "name");
        let on = |pod: &&Value| pod.pointer("/spec/nodeName").and_then(Value::as_str) == Some(name);
        pods.iter().filter(on).count()
    };
    let fitting = nodes.into_iter().filter(|node| may_run(pod, node));
    fitting.min_by_key(load)
}

/// A pod that exists.
pub(crate) fn pod(store: &Store, namespace: &str, name: &str) -> Result<Value, Refusal> {
    let found = store.get("pods", namespace, name);
    found.ok_or_else(|| Refusal::not_found("pods", name))
}
