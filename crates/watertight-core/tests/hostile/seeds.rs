//! Small valid manifests of every kind, for mutations to start from.

/// Every file is valid: `hostile.rs` checks that.
pub(crate) const ALL: &[&str] = &[
    CLUSTER,
    POLICIES,
    SPELLINGS,
    WORKLOADS,
    SERVICES,
    NOT_EVALUATED,
    LIST,
    PRETTY,
    SUPPRESSED,
];

const CLUSTER: &str = r#"apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {kubernetes.io/metadata.name: shop, team: "blue"}
---
apiVersion: v1
kind: Pod
metadata:
  name: web
  namespace: shop
  labels:
    app: web
spec:
  serviceAccountName: web
  nodeName: node-1
  containers:
  - name: main
    ports:
    - {name: http, containerPort: 8080}
    - containerPort: 9153
      protocol: UDP
  initContainers:
  - {name: proxy, restartPolicy: Always, ports: [{name: metrics, containerPort: 15090}]}
status:
  phase: Running
  podIPs: [{ip: 10.1.0.7}, {ip: "fd00::7"}]
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: kube-system}
spec: {hostNetwork: true, containers: []}
---
apiVersion: v1
kind: Node
metadata: {name: node-1}
status:
  addresses:
  - {type: InternalIP, address: 192.168.0.11}
  - {type: Hostname, address: node-1}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web, namespace: shop}
"#;

const POLICIES: &str = r#"# The defaults of the namespace
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: shop
spec:
  podSelector: {}
  policyTypes:
  - Ingress
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector:
    matchLabels: {app: web}
    matchExpressions:
    - {key: tier, operator: NotIn, values: [back, "old"]}
    - key: app
      operator: Exists
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - namespaceSelector: {matchLabels: {team: blue}}
      podSelector: {matchLabels: {app: front}}
    - ipBlock:
        cidr: 10.0.0.0/8
        except: [10.1.0.0/16, 10.2.0.0/16]
    ports:
    - port: 8080
    - {port: http, protocol: TCP}
    - {port: 30000, endPort: 32767, protocol: UDP}
  egress:
  - to:
    - ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}
    - ipBlock: {cidr: "::/0"}
  - ports: [{port: 53, protocol: UDP}, {port: 53}]
    to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: kube-system
      podSelector: {matchLabels: {k8s-app: kube-dns}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: main, ports: [{name: http, containerPort: 8080}]}]}
"#;

const SPELLINGS: &str = r#"apiVersion: "networking.k8s.io/v1"
kind: 'NetworkPolicy'
metadata:
    name: >-
        spelling
    annotations:
        note: |
            --- not a marker
            {{ not a template }}
spec: &spec
    podSelector: &all {}
    ingress:
        -
            from: [podSelector: *all, {namespaceSelector: *all}]
    policyTypes: ["Ingress"]
    egress: ~
...
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: merged}
spec:
  podSelector: {}
  egress:
  - ports:
    - &dns {port: 53, protocol: UDP}
    - <<: *dns
      protocol: TCP
    - {<<: [*dns, {endPort: 60}], port: !!int "54"}
  - to: &to
    - ipBlock: {cidr: 203.0.113.0/24}
  - to: *to
"#;

const WORKLOADS: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec:
      containers:
      - name: main
        image: example.com/api
        ports: [{name: http, containerPort: 80}]
---
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: api-5d9
  namespace: shop
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: api, controller: true, uid: x}]
spec: {selector: {matchLabels: {app: api}}, template: {metadata: {labels: {app: api}}, spec: {containers: []}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, ports: [{containerPort: 5432}]}]}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: logs, namespace: kube-system}
spec:
  selector: {matchLabels: {app: logs}}
  template: {metadata: {labels: {app: logs}}, spec: {hostNetwork: true, containers: []}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: migrate, namespace: shop}
spec: {template: {metadata: {labels: {app: migrate}}, spec: {containers: []}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: shop}
spec:
  schedule: "0 0 * * *"
  jobTemplate: {spec: {template: {metadata: {labels: {app: report}}, spec: {containers: []}}}}
---
apiVersion: v1
kind: ReplicationController
metadata: {name: old, namespace: shop}
spec: {replicas: 1, selector: {app: old}, template: {metadata: {labels: {app: old}}, spec: {containers: []}}}
"#;

const SERVICES: &str = r#"apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec:
  clusterIP: 10.96.0.10
  clusterIPs: [10.96.0.10, "fd01::a"]
  selector: {k8s-app: kube-dns}
  ports:
  - {name: dns, port: 53, protocol: UDP, targetPort: 1053}
  - {name: dns-tcp, port: 53, targetPort: dns-tcp}
---
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: dns, ports: [{name: dns-tcp, containerPort: 1053}, {containerPort: 1053, protocol: UDP}]}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [192.168.0.11]}]
ports: [{name: https, port: 6443, protocol: TCP}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: kubernetes, namespace: default}
subsets:
- addresses: [{ip: 192.168.0.11}]
  ports: [{name: https, port: 6443}]
---
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, targetPort: 6443}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: dns, namespace: default}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - to: [{ipBlock: {cidr: 10.96.0.1/32}}]
  - {ports: [{port: 53}], to: [{namespaceSelector: {}, podSelector: {matchLabels: {k8s-app: kube-dns}}}]}
"#;

const NOT_EVALUATED: &str = r#"apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: rule, namespace: shop}
spec: {endpointSelector: {}}
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: rule}
spec: {priority: 10, subject: {namespaces: {}}}
---
apiVersion: extensions/v1beta1
kind: NetworkPolicy
metadata: {name: old}
spec: {podSelector: {}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: values}
data: {a: "1"}
---
just: values
"#;

const LIST: &str = r#"{"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": ""}, "items": [
  {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "blue"}}},
  {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "main", "ports": [{"name": "http", "containerPort": 8080}]}]},
    "status": {"phase": "Running", "podIP": "10.1.0.7", "podIPs": [{"ip": "10.1.0.7"}]}},
  {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Ingress"],
      "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8080}, {"port": "http"}]}]}}
]}
"#;

const SUPPRESSED: &str = r#"apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: open
  namespace: shop
  annotations:
    ignore.watertight.dev/wt201: "the proxy needs it"
    ignore.watertight.dev/WT999: "no such rule"
    ignore.watertight.dev/: ""
spec:
  podSelector: {matchLabels: {app: proxy}}
  egress:
  - {}  # watertight: ignore[WT204] all of it
  ingress:
  # watertight: ignore[all] on purpose
  - from: []
    ports: []
"#;

const PRETTY: &str = r#"{
  "kind": "NetworkPolicyList",
  "apiVersion": "networking.k8s.io/v1",
  "items": [
    {
      "metadata": {
        "name": "web",
        "namespace": "shop",
        "annotations": {
          "ignore.watertight.dev/WT101": "on purpose"
        }
      },
      "spec": {
        "podSelector": {
          "matchLabels": {
            "app": "web"
          }
        },
        "policyTypes": [
          "Ingress",
          "Egress"
        ],
        "ingress": [
          {
            "from": [
              {
                "namespaceSelector": {},
                "podSelector": {
                  "matchExpressions": [
                    {
                      "key": "app",
                      "operator": "In",
                      "values": [
                        "front"
                      ]
                    }
                  ]
                }
              }
            ],
            "ports": [
              {
                "protocol": "TCP",
                "port": 8080,
                "endPort": 8090
              }
            ]
          }
        ],
        "egress": [
          {
            "to": [
              {
                "ipBlock": {
                  "cidr": "0.0.0.0/0",
                  "except": [
                    "169.254.169.254/32"
                  ]
                }
              }
            ]
          }
        ]
      }
    },
    {
      "apiVersion": "v1",
      "kind": "Pod",
      "metadata": {
        "name": "web",
        "namespace": "shop",
        "labels": {
          "app": "web"
        }
      },
      "spec": {
        "containers": []
      }
    }
  ]
}
"#;
