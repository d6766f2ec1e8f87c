//! Worlds in which every pair is held against its verdict.

use super::*;

/// Pods with addresses and owners, hosts, nodes, both families, and policies of every kind.
pub(super) const CLUSTER: &str = r#"
{apiVersion: v1, kind: Namespace, metadata: {name: a, labels: {team: red}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: b, labels: {team: blue}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: c, labels: {team: red}}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: InternalIP, address: "fd00:2::1"}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a-web-0, namespace: a, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, controller: true, uid: u1}]}, spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}, status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a-web-1, namespace: a, labels: {app: web, canary: "yes"}, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: web, controller: true, uid: u1}]}, spec: {nodeName: n2, containers: [{name: c, ports: [{name: http, containerPort: 8081}]}]}, status: {phase: Running, podIP: 10.0.0.2, podIPs: [{ip: 10.0.0.2}, {ip: "fd00::2"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a-db, namespace: a, labels: {app: db}}, spec: {nodeName: n1, containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}, status: {phase: Running, podIP: 10.0.0.3, podIPs: [{ip: 10.0.0.3}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a-host, namespace: a, labels: {app: agent}}, spec: {nodeName: n1, hostNetwork: true, containers: [{name: c, ports: [{name: metrics, containerPort: 9100}]}]}, status: {phase: Running, podIP: 192.0.2.1, podIPs: [{ip: 192.0.2.1}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b-six, namespace: b, labels: {app: six}}, spec: {nodeName: n2, containers: [{name: c}]}, status: {phase: Running, podIP: "fd00::5", podIPs: [{ip: "fd00::5"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b-web, namespace: b, labels: {app: web}}, spec: {nodeName: n2, containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}, status: {phase: Running, podIP: 10.0.1.1, podIPs: [{ip: 10.0.1.1}, {ip: "fd00::11"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b-host, namespace: b, labels: {app: agent}}, spec: {nodeName: n1, hostNetwork: true, containers: [{name: c}]}, status: {phase: Running, podIP: 192.0.2.1, podIPs: [{ip: 192.0.2.1}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b-over, namespace: b, labels: {app: web}}, spec: {containers: [{name: c}]}, status: {phase: Succeeded, podIP: 10.0.1.9}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: front, namespace: c}, spec: {selector: {matchLabels: {app: front}}, template: {metadata: {labels: {app: front}}, spec: {containers: [{name: c, ports: [{name: http, containerPort: 3000}]}]}}}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: shipper, namespace: c}, spec: {selector: {matchLabels: {app: shipper}}, template: {metadata: {labels: {app: shipper}}, spec: {hostNetwork: true, containers: [{name: c}]}}}}
"#;

const POLICIES: [&str; 6] = [
    // Nothing.
    "",
    // Everything closed, then opened by label, name and range.
    r#"
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: a}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: in, namespace: a}, spec: {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}], ports: [{port: http}, {port: 100, endPort: 200}]}, {from: [{podSelector: {}}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out, namespace: a}, spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: http}]}, {ports: [{protocol: UDP, port: 53}]}]}}
"#,
    // Blocks, over pods, nodes and assumed addresses (K-65, K-70, M-1).
    r#"
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: blocks, namespace: a}, spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 10.0.1.0/24}}, {ipBlock: {cidr: 192.0.2.2/32}}, {ipBlock: {cidr: 10.244.128.0/17}}]}], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.2/32]}}], ports: [{port: 443}]}, {to: [{ipBlock: {cidr: "fd00::/16"}}], ports: [{port: 444}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: front, namespace: c}, spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}]}], egress: [{to: [{ipBlock: {cidr: 10.244.0.0/17}}]}]}}
"#,
    // Labels of host-network pods (K-71, K-72).
    r#"
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: agents, namespace: a}, spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {matchLabels: {app: agent}}}, {namespaceSelector: {matchLabels: {team: red}}}]}], egress: [{to: [{namespaceSelector: {}}], ports: [{port: 80, endPort: 90}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: agents, namespace: b}, spec: {podSelector: {matchLabels: {app: agent}}, policyTypes: [Ingress, Egress]}}
"#,
    // One direction only, everything opened again, and one pod of a workload apart.
    r#"
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: canary, namespace: a}, spec: {podSelector: {matchLabels: {canary: "yes"}}, policyTypes: [Ingress]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: open, namespace: b}, spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: front, namespace: c}, spec: {podSelector: {matchLabels: {app: front}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [db]}]}}]}]}}
"#,
    // Everybody, on some ports.
    r#"
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: some, namespace: a}, spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{ports: [{port: 80}]}], egress: [{ports: [{port: 53, protocol: UDP}, {port: 80}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: some, namespace: b}, spec: {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{namespaceSelector: {}}], ports: [{port: 80}, {port: 53, protocol: UDP}]}, {from: [{podSelector: {}}]}], egress: [{to: [{namespaceSelector: {}}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: some, namespace: c}, spec: {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: blue}}}], ports: [{protocol: UDP}]}]}}
"#,
];

fn sample(policies: &str, engine: &str) -> Sample {
    Sample::on(&format!("{CLUSTER}---\n{policies}"), engine)
}

#[test]
fn single_pods_have_their_verdicts() {
    for policies in POLICIES {
        holds(&sample(policies, "reference"), By::Pod);
    }
}

#[test]
fn workloads_have_the_best_and_the_worst_verdict_of_their_pods() {
    for policies in POLICIES {
        holds(&sample(policies, "reference"), By::Workload);
    }
}

#[test]
fn namespaces_have_the_best_and_the_worst_verdict_of_their_pods() {
    for policies in POLICIES {
        holds(&sample(policies, "reference"), By::Namespace);
    }
}

/// K-65, K-70, K-73: engines that read the open points otherwise.
#[test]
fn the_readings_of_engines_count() {
    for engine in ["cilium@1.16", "calico@3.30", "antrea", "ovn-kubernetes"] {
        for policies in POLICIES {
            for by in [By::Pod, By::Namespace] {
                holds(&sample(policies, engine), by);
            }
        }
    }
}
