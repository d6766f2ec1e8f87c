//! Building does not depend on where the batches of objects were cut.

use std::fmt::Write as _;

use super::*;
use crate::manifest::{Gather as _, Options};
use crate::world::build::part::Gatherer;

const CLUSTER: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: a, tier: web}}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {zone: b}}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}, spec: {replicas: 2, template: {metadata: {labels: {app: web}}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-5d-x, namespace: shop, labels: {pod-template-hash: 5d, app: web},
  ownerReferences: [{kind: ReplicaSet, name: web-5d, controller: true}]},
  spec: {nodeName: n2, serviceAccountName: web, containers: [{ports: [{name: http, containerPort: 80}]}]},
  status: {phase: Running, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-5d-y, namespace: shop, labels: {pod-template-hash: 5d, app: web},
  annotations: {ignore.watertight.dev/WT101: known}, ownerReferences: [{kind: ReplicaSet, name: web-5d, controller: true}]},
  spec: {nodeName: n1, serviceAccountName: web, containers: [{ports: [{name: http, containerPort: 80}]}]},
  status: {phase: Running, podIP: 10.0.0.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: agent, labels: {tier: web, http: shop}}, spec: {nodeName: n1, hostNetwork: true}}
---
{apiVersion: v1, kind: Pod, metadata: {generateName: job-, namespace: batch}, status: {phase: Pending}}
---
{apiVersion: v1, kind: Pod, metadata: {generateName: job-, namespace: batch}, status: {phase: Failed, podIP: 10.0.0.3}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: shop}, spec: {template: {metadata: {labels: {app: db}},
  spec: {containers: [{ports: [{name: sql, containerPort: 5432}]}]}}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {podSelector: {}}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: q, namespace: shop}, spec: {podSelector: {}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-5d-x, namespace: shop, labels: {app: other}}, status: {phase: Running, podIP: 10.0.0.9}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, spec: {podSelector: {}, egress: []}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: b}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: agent, namespace: default, labels: {tier: back}}, spec: {nodeName: n3}}
"#;

/// Everything of a world and of the findings, in order.
fn show((world, findings): &(World, Vec<Finding>)) -> String {
    let mut out = String::new();
    let World {
        symbols,
        namespaces,
        endpoints,
        workloads,
        services,
        nodes,
        policies,
        objects,
        names,
        accounts,
        ignores,
        assumed,
        by_ip,
        node_by_ip,
        dns: _,
        shared_ips: _,
        gone_policies: _,
        gone_endpoints: _,
        inventory,
    } = world;
    let text = |symbol| symbols.text(symbol).to_owned();
    for endpoint in endpoints {
        let labels = endpoint.labels.iter();
        let labels: Vec<_> = labels
            .map(|(key, value)| (text(*key), text(*value)))
            .collect();
        let ports = endpoint.ports.iter().map(|port| port.name.map(text));
        let ports: Vec<_> = ports.collect();
        let _ = writeln!(out, "{endpoint:?}\n  {labels:?} {ports:?}");
    }
    let _ = writeln!(
        out,
        "{namespaces:?}\n{workloads:?}\n{services:?}\n{nodes:?}"
    );
    let _ = writeln!(out, "{policies:?}\n{ignores:?}\n{assumed:?}\n{findings:?}");
    let accounts: BTreeMap<_, _> = accounts.iter().collect();
    let _ = writeln!(out, "{objects:?}\n{names:?}\n{accounts:?}");
    let by_ip: BTreeMap<_, _> = by_ip.iter().collect();
    let node_by_ip: BTreeMap<_, _> = node_by_ip.iter().collect();
    let _ = writeln!(out, "{by_ip:?}\n{node_by_ip:?}\n{:?}", inventory.unready);
    out
}

fn with_objects(look: impl FnOnce(&Sources, &[Object<'_>])) {
    let mut sources = Sources::new();
    sources.add("t.yaml", CLUSTER.into()).unwrap();
    let loaded = manifest::load(&sources, &Options::default());
    assert!(loaded.findings.is_empty(), "{:?}", loaded.findings);
    assert_eq!(loaded.objects.len(), 16);
    look(&sources, &loaded.objects);
}

#[test]
fn the_world_does_not_depend_on_the_batches() {
    with_objects(|sources, objects| {
        for namespace in ["default", "shop"] {
            let assume = Assume {
                namespace: namespace.into(),
                ..Assume::default()
            };
            let whole = show(&build(sources, objects, &assume));
            for size in 1..=objects.len() {
                let parts = objects.chunks(size).map(part).collect();
                assert_eq!(
                    show(&merge(sources, parts, &assume, |_, _| false)),
                    whole,
                    "{size} a batch"
                );
            }
        }
    });
}

fn part<'s>(batch: &[Object<'s>]) -> Part<'s> {
    let mut gatherer = Gatherer::default();
    for object in batch {
        gatherer.object(object.clone());
    }
    gatherer.done()
}

#[test]
fn reading_in_one_go_gives_what_reading_and_then_building_gives() {
    with_objects(|sources, objects| {
        let built = build(sources, objects, &Assume::default());
        let (world, loaded) = read(sources, &Options::default(), &Assume::default(), None);
        assert!(loaded.objects.is_empty());
        assert_eq!(show(&(world, loaded.findings)), show(&built));
    });
}

#[test]
fn v_2_the_last_of_two_objects_counts() {
    with_objects(|sources, objects| {
        let (world, findings) = build(sources, objects, &Assume::default());
        let subjects: Vec<_> = findings
            .iter()
            .map(|finding| finding.subject.as_ref().unwrap().to_string())
            .collect();
        let expected = [
            "Pod shop/web-5d-x",
            "NetworkPolicy shop/p",
            "Namespace shop",
            "Pod default/agent",
        ];
        assert_eq!(subjects, expected);
        let shop = world.namespace("shop").unwrap();
        assert_eq!(world.namespace_label(shop, "team"), Some("b"));
        assert_eq!(world.namespace_label(shop, "tier"), None);
        let names: Vec<_> = world.policies.iter().map(|policy| &*policy.name).collect();
        assert_eq!(names, ["q", "p"], "in the places of those that count");
        // The overwritten pod was the only one on n2, and its address is nobody's.
        assert_eq!(world.node("n2"), None);
        assert_eq!(world.endpoint_at([10, 0, 0, 1].into()), None);
        // Generated names only begin alike: both pods are there.
        let jobs = world.endpoints.iter().filter(|pod| &*pod.name == "job-");
        assert_eq!(jobs.count(), 2);
    });
}

#[test]
fn pods_of_a_workload_share_labels_and_ports() {
    with_objects(|sources, objects| {
        let (world, _) = build(sources, &objects[..5], &Assume::default());
        let of = |name| &world[world.endpoint("shop", name).unwrap()];
        let (x, y) = (of("web-5d-x"), of("web-5d-y"));
        assert_eq!((x.workload, x.ports.len()), (y.workload, 1));
        assert!(std::ptr::eq(&*x.labels, &*y.labels));
        assert!(std::ptr::eq(&*x.ports, &*y.ports));
        assert_eq!(world.symbols.value(&y.labels, "app"), Some("web"));
        // The ReplicaSet was not read: the Deployment is known by the hash in its name.
        let workload = &world[x.workload.unwrap()];
        assert_eq!((&*workload.name, workload.replicas), ("web", Some(2)));
        let pods = world.endpoints.iter().filter(|pod| !pod.assumed);
        assert_eq!(pods.count(), 2, "and needs no template");
    });
}
