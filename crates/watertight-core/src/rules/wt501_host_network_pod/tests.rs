//! WT501: pods that policies select in vain, pods nobody meant to cover, system pods.

use expect_test::{Expect, expect};

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::{findings, findings_on};

fn check(yaml: &str, expected: Expect) {
    expected.assert_eq(&findings(&RULE, yaml));
}

#[test]
fn k_71_a_default_deny_does_not_apply() {
    check(
        r#"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
"#,
        expect![[r#"
            warning[WT501] no policy applies to `shop/DaemonSet/agent`, which uses the host network, although `shop/default-deny` selects it by label
              about: DaemonSet shop/agent
              at t.yaml:9:25: `true` the node's network
              at t.yaml:20:16: `{}` selects these labels in vain
              evidence: shop/DaemonSet/agent -> ip:169.254.169.254:80/tcp ALLOWED: no policy applies to either end (K-17)
              evidence: ip:203.0.113.10 -> shop/DaemonSet/agent:8080/tcp ALLOWED: no policy applies to either end (K-17)
              note: rules that name these pods by label do not match them either (K-72)
              why: K-71 K-72 X-3
              fix: take `hostNetwork: true` away where the pod can do without; otherwise guard the node itself, for instance with a HostEndpoint of Calico or the host firewall of Cilium
        "#]],
    );
}

#[test]
fn k_71_policies_that_select_by_label() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: a}}
spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: b}}
spec: {hostNetwork: true, containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: c, namespace: shop, labels: {app: c}}
spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: shop}
spec:
  podSelector:
    matchLabels: {app: a}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b, namespace: shop}
spec:
  podSelector: {matchExpressions: [{key: app, operator: In, values: [b]}]}
  policyTypes: [Egress]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: other, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
"#,
        expect![[r#"
            warning[WT501] no policy applies to `shop/Pod/a` and `shop/Pod/b`, which use the host network, although `shop/a` and `shop/b` select them by label
              about: Namespace shop
              at t.yaml:5:21: `true` the node's network
              at t.yaml:10:21: `true` the node's network
              at t.yaml:22:5: `matchLabels: {app: a}` selects these labels in vain
              at t.yaml:28:16: `{matchExpressions: [{key: app, operator: In, values: [b]}]}` selects these labels in vain
              evidence: shop/Pod/a -> ip:169.254.169.254:80/tcp ALLOWED: no policy applies to either end (K-17)
              evidence: ip:203.0.113.10 -> shop/Pod/a:8080/tcp ALLOWED: no policy applies to either end (K-17)
              note: rules that name these pods by label do not match them either (K-72)
              why: K-71 K-72 X-3
              fix: take `hostNetwork: true` away where the pod can do without; otherwise guard the node itself, for instance with a HostEndpoint of Calico or the host firewall of Cilium
            note[WT501] `shop/Pod/c` uses the host network, where no policy applies
              about: Pod shop/c
              at t.yaml:15:21: `true` the node's network
              evidence: shop/Pod/c -> ip:169.254.169.254:80/tcp ALLOWED: no policy applies to either end (K-17)
              why: K-71 X-3
        "#]],
    );
}

#[test]
fn k_71_nothing_is_meant_for_them() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: a}}
spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: blog}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
"#,
        expect![[r#"
            note[WT501] `shop/Pod/a` uses the host network, where no policy applies
              about: Pod shop/a
              at t.yaml:5:21: `true` the node's network
              evidence: shop/Pod/a -> ip:169.254.169.254:80/tcp ALLOWED: no policy applies to either end (K-17)
              why: K-71 X-3
        "#]],
    );
}

#[test]
fn system_pods_are_one_note() {
    check(
        r#"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-proxy, namespace: kube-system}
spec:
  selector: {matchLabels: {app: kube-proxy}}
  template:
    metadata: {labels: {app: kube-proxy}}
    spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: etcd-1, namespace: kube-system, labels: {app: etcd-1}}
spec: {hostNetwork: true, containers: [{name: c, ports: [{containerPort: 2379}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: kube-system}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
---
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {app: coredns}}
spec: {containers: [{name: c, ports: [{containerPort: 53}]}]}
"#,
        expect![[r#"
            note[WT501] 2 workloads of `kube-system` use the host network, where no policy applies: `kube-system/DaemonSet/kube-proxy` and `kube-system/Pod/etcd-1`
              about: Namespace kube-system
              at t.yaml:14:21: `true` the node's network
              at t.yaml:9:25: `true` the node's network
              evidence: kube-system/Pod/etcd-1 -> ip:169.254.169.254:80/tcp ALLOWED: no policy applies to either end (K-17)
              why: K-71 X-3
        "#]],
    );
}

#[test]
fn k_86_ended_pods_do_not_count() {
    check(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
spec: {hostNetwork: true, containers: []}
status: {phase: Succeeded}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
---
apiVersion: v1
kind: Pod
metadata: {name: f, namespace: shop, labels: {app: f}}
spec: {hostNetwork: false, containers: [{name: c}]}
"#,
        expect![""],
    );
}

#[test]
fn ipv6_only_nodes() {
    check(
        r#"
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: "fd00:1::1"}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: a}}
spec: {hostNetwork: true, nodeName: n1, containers: [{name: c, ports: [{containerPort: 9100}]}]}
status: {phase: Running, podIP: "fd00:1::1"}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
"#,
        expect![[r#"
            warning[WT501] no policy applies to `shop/Pod/a`, which uses the host network, although `shop/default-deny` selects it by label
              about: Pod shop/a
              at t.yaml:10:21: `true` the node's network
              at t.yaml:17:16: `{}` selects these labels in vain
              evidence: shop/Pod/a -> ip:fd00:ec2::23:80/tcp ALLOWED: no policy applies to either end (K-17)
              evidence: ip:2001:db8::10 -> shop/Pod/a:9100/tcp ALLOWED: no policy applies to either end (K-17)
              note: rules that name these pods by label do not match them either (K-72)
              why: K-71 K-72 X-3
              fix: take `hostNetwork: true` away where the pod can do without; otherwise guard the node itself, for instance with a HostEndpoint of Calico or the host firewall of Cilium
        "#]],
    );
}

#[test]
fn without_clouds_any_address_shows_it() {
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostNetwork: true, \
                    containers: []}\n";
    let found = findings_on(&RULE, yaml, "reference", &[]);
    assert!(
        found.contains("evidence: default/Pod/a -> ip:203.0.113.10:443/tcp ALLOWED"),
        "{found}"
    );
}

#[test]
fn engines_that_enforce_nothing_are_not_asked() {
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {hostNetwork: true, \
                    containers: []}\n";
    expect![""].assert_eq(&findings_on(&RULE, yaml, "flannel", Cloud::all()));
}
