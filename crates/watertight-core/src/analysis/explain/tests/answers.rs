//! Answers about small clusters: what is one case, and what is refused.

use expect_test::{Expect, expect};

use super::ask;
use crate::analysis::testing::Sample;

const CLUSTER: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: shop, labels: {app: web, pod-template-hash: x1}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-x1, uid: x, controller: true}]}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}
status: {phase: Running, podIP: 10.0.1.1, podIPs: [{ip: 10.0.1.1}, {ip: 'fd00::1:1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: shop, labels: {app: web, pod-template-hash: x1}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-x1, uid: x, controller: true}]}
spec: {nodeName: n2, containers: [{name: c, ports: [{name: http, containerPort: 80}]}]}
status: {phase: Running, podIP: 10.0.2.1, podIPs: [{ip: 10.0.2.1}, {ip: 'fd00::2:1'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: shop, labels: {app: db}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: sql, containerPort: 5432}]}]}
status: {phase: Running, podIP: 10.0.1.2, podIPs: [{ip: 10.0.1.2}, {ip: 'fd00::1:2'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: ops, labels: {app: agent}}
spec: {nodeName: n1, hostNetwork: true, containers: [{name: c, ports: [{name: metrics, containerPort: 9100}]}]}
status: {phase: Running, podIP: 192.0.2.1}
---
apiVersion: v1
kind: Pod
metadata: {name: over, namespace: shop, labels: {app: over}}
spec: {containers: [{name: c}]}
status: {phase: Succeeded, podIP: 10.0.9.9}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, selector: {app: web}, ports: [{name: http, port: 8080, targetPort: http}, {name: admin, port: 9000, targetPort: admin}]}
---
apiVersion: v1
kind: Service
metadata: {name: nobody, namespace: shop}
spec: {clusterIP: 10.96.0.2, selector: {app: none}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: outside, namespace: shop}
spec: {clusterIP: 10.96.0.3, ports: [{port: 443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: outside, namespace: shop, labels: {kubernetes.io/service-name: outside}}
addressType: IPv4
endpoints: [{addresses: [203.0.113.7]}, {addresses: [203.0.113.8]}]
ports: [{port: 8443, protocol: TCP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{ipBlock: {cidr: 10.0.1.0/24}}]
    ports: [{port: 5432, endPort: 5440}]
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: sql}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: 203.0.113.0/28}}]}]
  egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24, except: [203.0.113.8/32]}}, {podSelector: {}}]}]
";

fn check(flows: &[&str], expected: Expect) {
    let sample = Sample::new(CLUSTER);
    let told = flows
        .iter()
        .map(|flow| format!("{flow}\n{}", ask(&sample, flow)));
    expected.assert_eq(&told.collect::<String>());
}

#[test]
fn pods_of_a_workload_are_one_case_unless_policies_tell_them_apart() {
    check(
        &[
            "shop/web -> shop/db-0:5432",
            "shop/web -> shop/db-0:5433",
            "shop/web-1 -> shop/db-0:5433",
            "shop/web -> shop/web:80",
            "shop/web-1 -> shop/web-1:80",
            "ns:shop -> shop/db-0:5433",
        ],
        expect![[r#"
            shop/web -> shop/db-0:5432
            1 pairs
              5432/tcp  shop/web-1 -> shop/db-0 Allowed 
            1 pairs
              5432/tcp  shop/web-2 -> shop/db-0 Allowed 
            shop/web -> shop/db-0:5433
            1 pairs
              V4 5433/tcp  shop/web-1 -> shop/db-0 Allowed 
              V6 5433/tcp  shop/web-1 -> shop/db-0 Denied 
            1 pairs
              5433/tcp  shop/web-2 -> shop/db-0 Denied 
            shop/web-1 -> shop/db-0:5433
            1 pairs
              V4 5433/tcp  shop/web-1 -> shop/db-0 Allowed 
              V6 5433/tcp  shop/web-1 -> shop/db-0 Denied 
            shop/web -> shop/web:80
            2 pairs
              80/tcp  shop/web-1 -> shop/web-2 Allowed 
              note: a pod always reaches itself; shown is another pod (K-75)
            shop/web-1 -> shop/web-1:80
            1 pairs
              80/tcp  shop/web-1 -> shop/web-1 Allowed 
            ns:shop -> shop/db-0:5433
            1 pairs
              V4 5433/tcp  shop/web-1 -> shop/db-0 Allowed 
              V6 5433/tcp  shop/web-1 -> shop/db-0 Denied 
            1 pairs
              5433/tcp  shop/web-2 -> shop/db-0 Denied 
              note: a pod always reaches itself; shown is another pod (K-75)
        "#]],
    );
}

#[test]
fn ports_by_name_and_in_ranges() {
    check(
        &[
            "shop/web -> shop/db-0:sql",
            "shop/web -> shop/db-0:sql/udp",
            "shop/web -> shop/db-0:mysql",
            "shop/web-1 -> shop/db-0:5430-5450",
            "shop/web-1 -> shop/db-0",
            "shop/web -> ip:203.0.113.7:http",
            "shop/web -> shop/db-0:icmp",
        ],
        expect![[r#"
            shop/web -> shop/db-0:sql
            1 pairs
              5432/tcp  shop/web-1 -> shop/db-0 Allowed 
            1 pairs
              5432/tcp  shop/web-2 -> shop/db-0 Allowed 
            shop/web -> shop/db-0:sql/udp
            refused (Ports): shop/Pod/db-0 has no port `sql/udp`; it has sql (5432/tcp)
            shop/web -> shop/db-0:mysql
            refused (Ports): shop/Pod/db-0 has no port `mysql`; it has sql (5432/tcp)
            shop/web-1 -> shop/db-0:5430-5450
            1 pairs
              5432/tcp  shop/web-1 -> shop/db-0 Allowed 
              V4 5433-5440/tcp  shop/web-1 -> shop/db-0 Allowed 
              V6 5433-5440/tcp  shop/web-1 -> shop/db-0 Denied 
              5430-5431/tcp,5441-5450/tcp  shop/web-1 -> shop/db-0 Denied 
            shop/web-1 -> shop/db-0
            1 pairs
              5432/tcp  shop/web-1 -> shop/db-0 Allowed 
              V4 5433-5440/tcp  shop/web-1 -> shop/db-0 Allowed 
              V6 5433-5440/tcp  shop/web-1 -> shop/db-0 Denied 
              1-5431/tcp,5441-65535/tcp,1-65535/udp,1-65535/sctp  shop/web-1 -> shop/db-0 Denied 
            shop/web -> ip:203.0.113.7:http
            refused (Ports): only pods and Services name their ports, so that `http` means nothing there; write a number
            shop/web -> shop/db-0:icmp
            2 pairs
              icmp  shop/web-1 -> shop/db-0 Uncertain K-61
        "#]],
    );
}

#[test]
fn services_lead_to_every_backend() {
    check(
        &[
            "shop/db-0 -> shop/svc/web:8080",
            "shop/db-0 -> shop/svc/web:http",
            "shop/db-0 -> shop/svc/web:80",
            "shop/db-0 -> shop/svc/web",
            "shop/web-1 -> shop/svc/web:8080",
            "ops/agent -> ip:10.96.0.1:8080",
            "shop/db-0 -> shop/svc/nobody:80",
            "shop/web -> shop/svc/outside:443",
            "shop/svc/web -> shop/db-0:5432",
        ],
        expect![[r#"
            shop/db-0 -> shop/svc/web:8080
            2 pairs
              80/tcp  shop/db-0 -> shop/web-1 Allowed 
            shop/db-0 -> shop/svc/web:http
            2 pairs
              80/tcp  shop/db-0 -> shop/web-1 Allowed 
            shop/db-0 -> shop/svc/web:80
            refused (Ports): shop/svc/web has no port 80/tcp; it has 8080/tcp (http), 9000/tcp (admin)
            shop/db-0 -> shop/svc/web
            2 pairs
              80/tcp  shop/db-0 -> shop/web-1 Allowed 
              note: nothing is behind shop/svc/web:9000/tcp: its pods name no port `admin`
            shop/web-1 -> shop/svc/web:8080
            1 pairs
              80/tcp  shop/web-1 -> shop/web-2 Allowed 
            1 pairs
              80/tcp  shop/web-1 -> shop/web-1 Allowed 
            ops/agent -> ip:10.96.0.1:8080
            1 pairs
              80/tcp  ops/agent -> shop/web-1 Allowed 
            1 pairs
              80/tcp  ops/agent -> shop/web-2 Denied 
            shop/db-0 -> shop/svc/nobody:80
            refused (To): nothing is behind shop/svc/nobody:80/tcp: no pod has the labels app=none
            shop/web -> shop/svc/outside:443
            2 pairs
              8443/tcp  shop/web-1 -> ip:203.0.113.7 Allowed 
            2 pairs
              8443/tcp  shop/web-1 -> ip:203.0.113.8 Denied 
            shop/svc/web -> shop/db-0:5432
            refused (From): a Service opens no connections; its pods do: `shop/Deployment/web`
        "#]],
    );
}

#[test]
fn k_82_is_open_for_clients_from_outside() {
    check(
        &[
            "ip:203.0.113.7 -> shop/svc/web:8080",
            "world -> shop/svc/web:8080",
        ],
        expect![[r#"
            ip:203.0.113.7 -> shop/svc/web:8080
            2 pairs
              80/tcp  ip:203.0.113.7 -> shop/web-1 Uncertain K-82
            world -> shop/svc/web:8080
            2 pairs
              80/tcp 203.0.113.0/28 ip:203.0.113.1 -> shop/web-1 Uncertain K-82
              80/tcp 0.0.0.0-126.255.255.255,128.0.0.0-203.0.112.255,203.0.113.16-255.255.255.255,::,::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ip:0.0.0.0 -> shop/web-1 Denied 
        "#]],
    );
    let without_nodes = CLUSTER.replace("kind: Node\n", "kind: ConfigMap\n");
    let without_nodes = without_nodes
        .replace("nodeName: n1, ", "")
        .replace("nodeName: n2, ", "");
    let told = ask(
        &Sample::new(&without_nodes),
        "ip:203.0.113.7 -> shop/svc/web:8080",
    );
    assert!(told.contains("note: ") && told.contains("K-82"), "{told}");
}

#[test]
fn nodes_and_addresses() {
    check(
        &[
            "nodes -> shop/db-0:5432",
            "ops/agent -> shop/web:80",
            "shop/web -> ops/agent:9100",
            "shop/web -> node:n1:22",
            "shop/web -> ip:192.0.2.1:22",
            "shop/web -> ip:10.0.1.2:5432",
            "shop/web -> cidr:203.0.113.0/28:443",
            "cidr:10.0.0.0/16 -> shop/db-0:5433",
            "shop/web -> world:443",
            "world -> shop/web:80",
            "ip:203.0.113.1 -> ip:203.0.113.2:80",
            "shop/over -> shop/db-0:5432",
            "shop/web -> ip:2001:db8::1",
        ],
        expect![[r#"
            nodes -> shop/db-0:5432
            1 pairs
              5432/tcp  node:n1 -> shop/db-0 Allowed 
            1 pairs
              5432/tcp  node:n2 -> shop/db-0 Denied 
            ops/agent -> shop/web:80
            1 pairs
              80/tcp  ops/agent -> shop/web-1 Allowed 
            1 pairs
              80/tcp  ops/agent -> shop/web-2 Denied 
            shop/web -> ops/agent:9100
            1 pairs
              9100/tcp  shop/web-1 -> ops/agent Uncertain K-73
            1 pairs
              9100/tcp  shop/web-2 -> ops/agent Denied 
            shop/web -> node:n1:22
            1 pairs
              22/tcp  shop/web-1 -> node:n1 Uncertain K-73
            1 pairs
              22/tcp  shop/web-2 -> node:n1 Denied 
            shop/web -> ip:192.0.2.1:22
            1 pairs
              22/tcp  shop/web-1 -> node:n1 Uncertain K-73
            1 pairs
              22/tcp  shop/web-2 -> node:n1 Denied 
            shop/web -> ip:10.0.1.2:5432
            1 pairs
              5432/tcp  shop/web-1 -> shop/db-0 Allowed 
            1 pairs
              5432/tcp  shop/web-2 -> shop/db-0 Allowed 
            shop/web -> cidr:203.0.113.0/28:443
            2 pairs
              443/tcp 203.0.113.8 shop/web-1 -> ip:203.0.113.8 Denied 
              443/tcp 203.0.113.0/29,203.0.113.9-203.0.113.15 shop/web-1 -> ip:203.0.113.1 Allowed 
            cidr:10.0.0.0/16 -> shop/db-0:5433
            1 pairs
              5433/tcp 10.0.1.0/24 ip:10.0.1.0 -> shop/db-0 Allowed 
              5433/tcp 10.0.0.0/24,10.0.2.0-10.0.255.255 ip:10.0.0.0 -> shop/db-0 Denied 
            1 pairs
              V4 5433/tcp  shop/web-1 -> shop/db-0 Allowed 
              V6 5433/tcp  shop/web-1 -> shop/db-0 Denied 
            1 pairs
              5433/tcp  shop/web-2 -> shop/db-0 Denied 
              note: a pod always reaches itself; shown is another pod (K-75)
            shop/web -> world:443
            2 pairs
              443/tcp 203.0.113.0/29,203.0.113.9-203.0.113.255 shop/web-1 -> ip:203.0.113.1 Allowed 
              443/tcp 0.0.0.0-126.255.255.255,128.0.0.0-203.0.112.255,203.0.113.8,203.0.114.0-255.255.255.255,::,::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff shop/web-1 -> ip:0.0.0.0 Denied 
            world -> shop/web:80
            2 pairs
              80/tcp 203.0.113.0/28 ip:203.0.113.1 -> shop/web-1 Allowed 
              80/tcp 0.0.0.0-126.255.255.255,128.0.0.0-203.0.112.255,203.0.113.16-255.255.255.255,::,::2-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ip:0.0.0.0 -> shop/web-1 Denied 
            ip:203.0.113.1 -> ip:203.0.113.2:80
            1 pairs
              80/tcp  ip:203.0.113.1 -> ip:203.0.113.2 Allowed 
            shop/over -> shop/db-0:5432
            1 pairs
              5432/tcp  shop/over -> shop/db-0 Denied 
            shop/web -> ip:2001:db8::1
            2 pairs
              1-65535/tcp,1-65535/udp,1-65535/sctp  shop/web-1 -> ip:2001:db8::1 Denied 
        "#]],
    );
}
