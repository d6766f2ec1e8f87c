use expect_test::expect;

use super::*;
use crate::manifest::Options;
use crate::source::Sources;
use crate::world::{Assume, World, read};

fn world(files: &[(&str, &str)]) -> World {
    let mut sources = Sources::new();
    for (name, text) in files {
        sources.add(name, (*text).into()).unwrap();
    }
    let (world, loaded) = read(&sources, &Options::default(), &Assume::default(), None);
    let broken: Vec<_> = loaded.findings.iter().map(|f| &f.message).collect();
    assert!(broken.is_empty(), "{broken:?}");
    world
}

const CILIUM: &str = r#"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: cilium, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: cilium}}
  template:
    metadata: {labels: {k8s-app: cilium}}
    spec:
      nodeSelector: {kubernetes.io/os: linux}
      initContainers: [{name: config, image: "quay.io/cilium/cilium:v1.19.2"}]
      containers:
      - name: cilium-agent
        image: quay.io/cilium/cilium:v1.19.2@sha256:00
        args: ["--config-dir=/tmp/cilium", --enable-np, "false"]
        env: [{name: TOKEN, value: hush}, {name: EXPECT_NPC, value: "0"}]
status: {desiredNumberScheduled: 3, numberReady: 2}
"#;

#[test]
fn a_controller_keeps_what_rules_ask_for_and_no_more() {
    let world = world(&[("a.yaml", CILIUM)]);
    let [found] = &world.inventory.controllers[..] else {
        panic!("{:?}", world.inventory.controllers);
    };
    assert_eq!(found.title(), "DaemonSet kube-system/cilium");
    assert_eq!(found.rollout.map(|r| (r.desired, r.ready)), Some((3, 2)));
    let agent = found.container("cilium-agent").unwrap();
    assert_eq!(
        &*agent.image.text,
        "quay.io/cilium/cilium:v1.19.2@sha256:00"
    );
    assert_eq!(&*agent.flag("--enable-np").unwrap().text, "false");
    assert_eq!(agent.args.len(), 1);
    let names: Vec<_> = agent.env.iter().map(|(name, _)| &**name).collect();
    assert_eq!(names, ["EXPECT_NPC"]);
    assert!(found.container("config").is_none());
}

#[test]
fn config_maps_of_engines_keep_known_keys() {
    let world = world(&[(
        "a.yaml",
        r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: cilium-config, namespace: kube-system}
data: {enable-policy: never, kvstore-opt: '{"password":"hush"}'}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: antrea-config-5d8k, namespace: kube-system}
data:
  antrea-agent.conf: |
    featureGates:
      # AdminNetworkPolicy: false
      AdminNetworkPolicy: true
    trafficEncapMode: "networkPolicyOnly"
---
apiVersion: v1
kind: ConfigMap
metadata: {name: app, namespace: shop}
data: {enable-policy: never}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
"#,
    )]);
    let shown: Vec<_> = world
        .inventory
        .configs
        .iter()
        .map(|config| {
            let values = config
                .values
                .iter()
                .map(|(key, said)| format!("{key}={}", said.text));
            (config.title(), values.collect::<Vec<_>>())
        })
        .collect();
    expect![[r#"
        [
            (
                "ConfigMap kube-system/cilium-config",
                [
                    "enable-policy=never",
                ],
            ),
            (
                "ConfigMap kube-system/antrea-config",
                [
                    "AdminNetworkPolicy=true",
                    "trafficEncapMode=networkPolicyOnly",
                ],
            ),
        ]
    "#]]
    .assert_debug_eq(&shown);
}

#[test]
fn a_node_keeps_its_provider_and_the_arguments_about_the_network() {
    let world = world(&[(
        "a.yaml",
        r#"
apiVersion: v1
kind: Node
metadata:
  name: n1
  labels: {kubernetes.io/os: linux}
  annotations:
    k3s.io/node-args: '["server","--token","hush","--disable-network-policy","--flannel-backend","none"]'
spec: {providerID: "k3s://n1", taints: [{key: a, effect: NoSchedule}]}
status:
  conditions: [{type: Ready, status: "False"}]
  nodeInfo: {kubeletVersion: v1.36.2+k3s1, operatingSystem: linux, kernelVersion: 5.15.0}
"#,
    )]);
    let node = &world.inventory.nodes["n1"];
    let args = node.annotation("k3s.io/node-args").unwrap();
    assert_eq!(
        &*args.text,
        "server --disable-network-policy --flannel-backend=none"
    );
    assert_eq!(node.ready, Some(false));
    assert_eq!(node.taints, ["a".into()]);
    assert_eq!(
        node.provider_id.as_ref().map(|said| &*said.text),
        Some("k3s://n1")
    );
    assert_eq!(node.os.as_deref(), Some("linux"));
}

#[test]
fn the_header_tells_what_could_be_read() {
    let header = r#"{"apiVersion":"watertight.dev/v1","kind":"Snapshot","metadata":{"name":"prod"},
        "cluster":{"server":"https://a:6443","version":"v1.36.2","apiGroups":["apps"]},
        "taken":"2026-11-23T07:00:00Z","redacted":true,
        "kinds":[{"group":"","version":"v1","resource":"pods","kind":"Pod","state":"complete","count":2},
                 {"group":"cilium.io","version":"v2","resource":"ciliumnetworkpolicies",
                  "kind":"CiliumNetworkPolicy","state":"not-served"}]}"#;
    let world = world(&[("cluster.json", header)]);
    let inventory = &world.inventory;
    let snapshot = inventory.snapshot.as_ref().unwrap();
    assert_eq!(snapshot.version.as_deref(), Some("v1.36.2"));
    assert!(snapshot.redacted);
    assert_eq!(snapshot.api_groups.as_deref(), Some(&["apps".into()][..]));
    let pods = inventory.state("", "pods").unwrap();
    assert_eq!((pods.state, pods.count), (KindState::Complete, Some(2)));
    let other = inventory
        .state("cilium.io", "ciliumnetworkpolicies")
        .unwrap();
    assert_eq!(other.state, KindState::NotServed);
    assert!(inventory.missing("", "pods").is_none());
    assert!(inventory.state("apps", "daemonsets").is_none());
}

/// Of two objects with one name the later one counts, in whatever file.
#[test]
fn later_objects_replace_earlier_ones() {
    let newer = CILIUM
        .replace("v1.19.2", "v1.20.0")
        .replace("numberReady: 2", "numberReady: 3");
    let mut sources = Sources::new();
    sources.add("a.yaml", CILIUM.into()).unwrap();
    sources.add("b.yaml", newer.into()).unwrap();
    let (world, _) = read(&sources, &Options::default(), &Assume::default(), None);
    let [found] = &world.inventory.controllers[..] else {
        panic!("{:?}", world.inventory.controllers);
    };
    assert_eq!(found.rollout.map(|rollout| rollout.ready), Some(3));
}

#[test]
fn pods_of_daemon_sets_that_are_not_ready_are_known() {
    let pod = |name: &str, owner: &str, ready: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: x, ownerReferences: \
             [{{kind: {owner}, name: o, apiVersion: apps/v1, uid: u, controller: true}}]}}, spec: {{nodeName: n1}}, \
             status: {{phase: Running, podIP: 10.0.0.{}, conditions: [{{type: Ready, status: \"{ready}\"}}]}}}}\n---\n",
            name.len()
        )
    };
    let text = pod("a", "DaemonSet", "True")
        + &pod("bb", "DaemonSet", "False")
        + &pod("ccc", "ReplicaSet", "False");
    let world = world(&[("a.yaml", &text)]);
    let names: Vec<_> = world
        .inventory
        .unready
        .iter()
        .map(|id| &*world[*id].name)
        .collect();
    assert_eq!(names, ["bb"]);
}
