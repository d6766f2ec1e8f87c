//! Small valid manifests of every kind, for mutations to start from.

/// Every file is valid: `hostile.rs` checks that.
pub(crate) const ALL: &[&str] = &[
    CLUSTER,
    POLICIES,
    SPELLINGS,
    WORKLOADS,
    SERVICES,
    CALICO,
    CILIUM,
    ADMIN,
    ANTREA,
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

const CALICO: &str = r#"apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 100, defaultAction: Pass}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: security.metadata}
spec:
  tier: security
  order: -1.5
  selector: app in {"web", 'api'} && !(tier starts with "back" || has(legacy))
  namespaceSelector: projectcalico.org/name not in {"kube-system",}
  types: [Ingress, Egress]
  egress:
  - {action: Deny, destination: {nets: [169.254.169.254/32]}}
  - {action: Log}
  - {action: Allow, protocol: TCP, source: {notPorts: [1]}, destination: {ports: [80, '8000:8080', http], selector: role == 'partner'}}
  ingress:
  - {action: Pass, protocol: ICMP, icmp: {type: 8, code: 0}, notICMP: {type: 13}}
  - {action: Allow, protocol: TCP, http: {methods: [GET], paths: [{prefix: /}]}}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: own, namespace: shop}
spec:
  egress: [{action: Allow, destination: {services: {name: web, namespace: shop}}}, {action: Allow, destination: {serviceAccounts: {names: [builder], selector: all()}, notSelector: has(x)}}]
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: partners, labels: {role: partner}}
spec: {nets: [203.0.113.0/24, '2001:db8::/32']}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n1, labels: {role: node}}
spec: {node: n1, interfaceName: '*', expectedIPs: [192.168.0.1], profiles: [projectcalico-default-allow]}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, serviceAccountName: builder, containers: [{name: a, ports: [{name: http, containerPort: 80}]}]}
status: {phase: Running, podIP: 10.1.0.7}
"#;

const CILIUM: &str = r#"apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: rule, namespace: shop}
spec:
  endpointSelector: {matchLabels: {'k8s:app': web}}
  enableDefaultDeny: {egress: false}
  ingress:
  - fromEndpoints: [{}, {matchLabels: {'k8s:io.kubernetes.pod.namespace': other}}]
    toPorts: [{ports: [{port: '80', endPort: 90, protocol: TCP}, {port: http, protocol: TCP}], rules: {http: [{method: GET, path: '/api/.*'}]}}]
  - fromEntities: [host, remote-node, kube-apiserver]
  - {fromEndpoints: [{}], icmps: [{fields: [{type: 8, family: IPv4}, {type: EchoRequest}]}]}
  ingressDeny: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]}]
  egress:
  - toFQDNs: [{matchName: api.example.com}, {matchPattern: '*.example.org'}]
  - toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': kube-system, k8s-app: kube-dns}}]
    toPorts: [{ports: [{port: '53', protocol: ANY}], rules: {dns: [{matchPattern: '*'}]}}]
  - toServices: [{k8sService: {serviceName: web, namespace: shop}}]
specs:
- {endpointSelector: {}, egress: [{toCIDR: [0.0.0.0/0]}]}
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: hosts}
spec: {nodeSelector: {matchLabels: {zone: b}}, ingress: [{fromEntities: [cluster]}]}
---
apiVersion: cilium.io/v2alpha1
kind: CiliumCIDRGroup
metadata: {name: partners, labels: {kind: partner}}
spec: {externalCIDRs: [203.0.113.0/24]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: a, ports: [{name: http, containerPort: 80}]}]}
"#;

const ADMIN: &str = r#"apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: metadata}
spec:
  tier: Admin
  priority: 10
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}}
  egress:
  - {name: names, action: Accept, to: [{domainNames: ['*.example.com', example.org.]}]}
  - {action: Deny, to: [{networks: [169.254.169.254/32]}, {nodes: {}}], protocols: [{tcp: {destinationPort: {range: {start: 80, end: 90}}}}]}
  - {action: Deny, to: [{namespaces: {}}], protocols: [{destinationNamedPort: http}, {udp: {destinationPort: {number: 53}}}]}
  ingress: [{action: Pass, from: [{namespaces: {matchLabels: {team: red}}}]}]
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: rule}
spec:
  priority: 10
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{pods: {namespaceSelector: {}, podSelector: {}}}], ports: [{portNumber: {port: 80}}, {portRange: {protocol: UDP, start: 1, end: 5}}, {namedPort: http}]}]
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: {name: default}
spec: {subject: {namespaces: {}}, egress: [{action: Deny, to: [{namespaces: {}}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: a, ports: [{name: http, containerPort: 80}]}]}
"#;

const ANTREA: &str = r#"apiVersion: crd.antrea.io/v1beta1
kind: ClusterNetworkPolicy
metadata: {name: drop}
spec:
  tier: securityops
  priority: 5.5
  appliedTo: [{namespaceSelector: {}}, {group: web}]
  ingress:
  - {action: Allow, from: [{namespaces: {match: Self}}]}
  - {action: Reject, from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{protocol: TCP, port: 80, endPort: 90}]}
  egress: [{action: Drop, to: [{fqdn: '*.example.com'}]}]
---
apiVersion: crd.antrea.io/v1beta1
kind: ClusterGroup
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: web}}}
---
apiVersion: crd.antrea.io/v1beta1
kind: Tier
metadata: {name: mine}
spec: {priority: 20}
---
apiVersion: crd.antrea.io/v1beta1
kind: NetworkPolicy
metadata: {name: own, namespace: shop}
spec: {tier: mine, priority: 1, ingress: [{action: Pass, appliedTo: [{podSelector: {}}]}]}
---
apiVersion: k8s.ovn.org/v1
kind: EgressFirewall
metadata: {name: default, namespace: shop}
spec: {egress: [{type: Allow, to: {dnsName: example.com}}, {type: Deny, to: {cidrSelector: 0.0.0.0/0}, ports: [{protocol: TCP, port: 25}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: a}]}
"#;

const NOT_EVALUATED: &str = r#"apiVersion: networking.k8s.aws/v1alpha1
kind: ApplicationNetworkPolicy
metadata: {name: rule, namespace: shop}
spec: {podSelector: {}}
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

/// Every kind of statement and of party.
pub(crate) const INTENTS: &str = r#"apiVersion: watertight.dev/v1
kind: Intents
statements:
- name: a
  allow: {from: [shop/web, label:app in (web), 10.0.0.0/8], to: shop/svc/db, ports: [5000]}
- name: b
  only: {from: {namespace: shop, podSelector: {matchLabels: {app: web}}}, to: shop/db-0, ports: 80-90/udp}
  expect: fail
- name: c
  exactly:
    from: shop/db-0
    among: world
    allowed:
    - {to: 'world:203.0.113.0/24', ports: [any]}
    - {to: 'world:10.0.0.0-10.0.0.9', ports: [none]}
- name: d
  deny: {from: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}, to: [metadata, nodes, everyone], ports: icmp}
  allowVacuous: true
- {name: e, reason: r, only: {from: shop/web, to: 'fqdn:a.example', direction: egress, ports: [443]}}
"#;

/// A log of each format.
pub(crate) const LOGS: &[&str] = &[
    r#"{"flow":{"verdict":"FORWARDED","IP":{"source":"10.1.0.9","destination":"10.1.0.7"},"l4":{"TCP":{"source_port":40000,"destination_port":5432,"flags":{"ACK":true}}},"source":{"namespace":"shop","labels":["k8s:app=web"],"pod_name":"web-7d9f6c5b8-x2k4q","workloads":[{"name":"web"}]},"destination":{"pod_name":"db-0","namespace":"shop"}},"node_name":"n1"}
{"verdict":"DROPPED","IP":{"source":"10.1.0.7","destination":"203.0.113.9"},"l4":{"UDP":{"source_port":53,"destination_port":40000}},"destination_names":["a.example"],"is_reply":false}
"#,
    r#"{"items":[{"action":"Allow","source_name":"web-*","source_namespace":"shop","source_labels":"app=web | b=c","dest_name":"db-*","dest_namespace":"shop","protocol":"tcp","dest_port":5432,"reporter":"Src"}]}"#,
    "tcp 6 9 ESTABLISHED src=10.1.0.9 dst=10.96.0.7 sport=4 dport=5000 src=10.1.0.7 dst=10.1.0.9 sport=5432 dport=4 [ASSURED] use=1\nicmp 1 3 src=192.0.2.1 dst=10.1.0.7 type=8 code=0\n",
    "from,to,protocol,port,count,verdict\nshop/web,shop/svc/db,tcp,5000,7,allowed\nns:shop,fqdn:a.example,udp,53,,\n",
];
