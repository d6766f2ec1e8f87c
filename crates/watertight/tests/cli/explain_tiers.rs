//! `watertight explain` where several languages and tiers decide.

use expect_test::expect;
use serde_json::Value;

use crate::harness::{Project, Ran};

const PODS: &str = "\
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: shop}}}
---
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
---
{apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {nodeName: n1, containers: [{name: a}]}, status: {phase: Running, podIP: 10.1.0.7}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}}, spec: {nodeName: n2, containers: [{name: a, ports: [{name: pg, containerPort: 5432}]}]}, status: {phase: Running, podIP: 10.1.0.8}}
---
{apiVersion: v1, kind: Pod, metadata: {name: agent, namespace: shop, labels: {app: agent}}, spec: {nodeName: n1, hostNetwork: true, containers: [{name: a}]}, status: {phase: Running, podIP: 192.168.0.1}}
";

const CALICO: &str = "\
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 100}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: security.metadata}
spec:
  tier: security
  selector: all()
  types: [Egress]
  egress:
  - {action: Deny, destination: {nets: [169.254.169.254/32]}}
  - {action: Pass}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: default-deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  selector: app == 'web'
  types: [Egress]
  egress:
  - {action: Allow, protocol: TCP, destination: {selector: app == 'db', ports: [5432]}}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  selector: app == 'db'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: app == 'web', ports: [\"1000:2000\"]}, destination: {ports: [5433]}}
  - {action: Allow, protocol: TCP, source: {selector: app == 'web'}, destination: {ports: [5432]}}
";

const CILIUM: &str = "\
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress:
  - fromEndpoints: [{matchLabels: {app: web}}]
    toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET, path: '/api/.*'}]}}]
  - fromEndpoints: [{matchLabels: {app: web}}]
    toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET, path: '/healthz'}]}}]
  ingressDeny:
  - toPorts: [{ports: [{port: '22', protocol: TCP}]}]
  egress:
  - toFQDNs: [{matchName: api.example.com}, {matchPattern: '*.example.org'}]
    toPorts: [{ports: [{port: '443', protocol: TCP}]}]
  - toEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': kube-system, k8s-app: kube-dns}}]
    toPorts: [{ports: [{port: '53', protocol: ANY}], rules: {dns: [{matchPattern: '*'}]}}]
";

const ADMIN: &str = "\
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: one}
spec:
  priority: 10
  subject: {namespaces: {}}
  ingress:
  - {action: Allow, from: [{namespaces: {}}], ports: [{portNumber: {protocol: TCP, port: 82}}]}
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: two}
spec:
  priority: 10
  subject: {namespaces: {}}
  ingress:
  - {action: Deny, from: [{namespaces: {}}], ports: [{portNumber: {protocol: TCP, port: 82}}]}
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: BaselineAdminNetworkPolicy
metadata: {name: default}
spec:
  subject: {namespaces: {}}
  ingress:
  - {action: Deny, from: [{namespaces: {}}]}
";

const HOSTS: &str = "\
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: n1, labels: {role: edge}}
spec: {node: n1, interfaceName: '*', expectedIPs: [192.168.0.1]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: edge}
spec:
  selector: role == 'edge'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: app == 'db'}, destination: {ports: [9100]}}
";

fn run(policies: &str, verb: &str, arguments: &[&str]) -> Ran {
    let project = Project::new(&[("pods.yaml", PODS), ("policies.yaml", policies)]);
    let all: Vec<_> = [verb, "-q"].iter().chain(arguments).copied().collect();
    project.run(&all)
}

fn explain(policies: &str, flow: &str) -> String {
    let ran = run(policies, "explain", &[flow]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.stdout
}

/// C-4, C-6: a tier that passes is followed by the one that denies.
#[test]
fn tiers_are_walked_by_name() {
    expect![[r#"
        shop/db -> shop/web:8080/tcp   DENIED at egress of shop/db and at ingress of shop/web
          egress   shop/db    passed   tier security: GlobalNetworkPolicy security.metadata rule 2: anybody on all ports (C-4)   policies.yaml:15
                              denied   tier default: NetworkPolicy shop/default-deny isolates it and has no rules (C-6)   policies.yaml:19
          ingress  shop/web   denied   tier default: NetworkPolicy shop/default-deny isolates it and has no rules (C-6)   policies.yaml:19
        shop/db cannot connect to shop/web on 8080/tcp: neither side allows it, and both must
        help: the policy that isolates it has no rule: add a NetworkPolicy that selects shop/db and lets it connect to shop/web on 8080/tcp (policies.yaml:19)
        help: the policy that isolates it has no rule: add a NetworkPolicy that selects shop/web and admits shop/db on 8080/tcp (policies.yaml:19)
    "#]].assert_eq(&explain(CALICO, "shop/db -> shop/web:8080"));
    expect![[r#"
        shop/web -> shop/db:5432/tcp   ALLOWED
          egress   shop/web   passed    tier security: GlobalNetworkPolicy security.metadata rule 2: anybody on all ports (C-4)   policies.yaml:15
                              allowed   tier default: Calico NetworkPolicy shop/web rule 1: app=db of namespace shop on 5432/tcp (C-3)   policies.yaml:29
          ingress  shop/db    allowed   tier default: Calico NetworkPolicy shop/db rule 2: app=web of namespace shop on 5432/tcp (C-3)   policies.yaml:39
        shop/web can connect to shop/db on 5432/tcp: a rule on each side allows it
    "#]].assert_eq(&explain(CALICO, "shop/web -> shop/db:5432"));
    // A rule of another language is told in words, never as a fragment of NetworkPolicy.
    expect![[r#"
        shop/web -> shop/db:5431/tcp   DENIED at egress of shop/web and at ingress of shop/db
          egress   shop/web   passed   tier security: GlobalNetworkPolicy security.metadata rule 2: anybody on all ports (C-4)   policies.yaml:15
                              denied   tier default: Calico NetworkPolicy shop/web isolates it; its rule does not match (C-6)   policies.yaml:24
                                         closest: rule 1 admits 5432/tcp only         policies.yaml:29
                                       NetworkPolicy shop/default-deny has no rules   policies.yaml:19
          ingress  shop/db    denied   tier default: Calico NetworkPolicy shop/db isolates it; 0 of 2 rules match (C-6)   policies.yaml:33
                                         closest: rule 1 admits 5433/tcp only         policies.yaml:38
                                       NetworkPolicy shop/default-deny has no rules   policies.yaml:19
        shop/web cannot connect to shop/db on 5431/tcp: neither side allows it, and both must
        help: let egress rule 1 of Calico NetworkPolicy shop/web take in 5431/tcp (policies.yaml:29)
        help: let ingress rule 1 of Calico NetworkPolicy shop/db take in 5431/tcp (policies.yaml:38)
    "#]].assert_eq(&explain(CALICO, "shop/web -> shop/db:5431"));
}

/// A-6, A-4: what the Admin tier skips, Baseline may deny.
#[test]
fn skipped_tiers_are_told() {
    expect![[r#"
        shop/web -> shop/db:80/tcp   DENIED at ingress of shop/db
          egress   shop/web   allowed   no policy isolates it for egress
          ingress  shop/db    skipped   tier Admin: no rule of 2 policies matches (A-6)
                              denied    tier Baseline: BaselineAdminNetworkPolicy default rule 1: all pods of every namespace on all ports (A-4)   policies.yaml:25
        shop/web cannot connect to shop/db on 80/tcp: the ingress side does not allow it
    "#]].assert_eq(&explain(ADMIN, "shop/web -> shop/db:80"));
}

/// A-12: both rules are named.
#[test]
fn a_12_a_tie_is_uncertain() {
    expect![[r#"
        shop/web -> shop/db:82/tcp   UNCERTAIN
          egress   shop/web   allowed   no policy isolates it for egress
          ingress  shop/db    allowed   tier Admin: AdminNetworkPolicy one rule 1: all pods of every namespace on 82/tcp (A-3)   policies.yaml:8
        shop/web may or may not connect to shop/db on 82/tcp: allowed if AdminNetworkPolicy one ingress rule 1 is asked first, denied if AdminNetworkPolicy two ingress rule 1 is: their priorities are the same (A-12)
        help: give the two policies priorities of their own
    "#]].assert_eq(&explain(ADMIN, "shop/web -> shop/db:82"));
}

/// C-47.
#[test]
fn c_47_source_ports_are_uncertain() {
    expect![[r#"
        shop/web -> shop/db:5433/tcp   UNCERTAIN
          egress   shop/web   passed    tier security: GlobalNetworkPolicy security.metadata rule 2: anybody on all ports (C-4)   policies.yaml:15
                              allowed   tier default: Calico NetworkPolicy shop/web rule 1: app=db of namespace shop on all TCP ports (C-3)   policies.yaml:29
          ingress  shop/db    denied    tier default: Calico NetworkPolicy shop/db isolates it; 0 of 2 rules match (C-6)   policies.yaml:33
                                          closest: rule 1 asks for source port 1000-2000, which the question does not name (C-47)   policies.yaml:38
                                        NetworkPolicy shop/default-deny has no rules   policies.yaml:19
        shop/web may or may not connect to shop/db on 5433/tcp: denied unless the source port is one that Calico NetworkPolicy shop/db ingress rule 1 asks for (C-47)
        help: leave the source ports out of that rule, or keep in mind which ports clients use
    "#]].assert_eq(&explain(
        &CALICO.replace("'db', ports: [5432]}}", "'db'}}"),
        "shop/web -> shop/db:5433",
    ));
}

/// L-66: all alternatives are told, and it counts as allowed.
#[test]
fn l_66_requests_are_conditions() {
    expect![[r#"
        shop/web -> shop/db:80/tcp   ALLOWED, if HTTP GET /api/.* or HTTP GET /healthz
          egress   shop/web   allowed   no policy isolates it for egress
          ingress  shop/db    allowed   CiliumNetworkPolicy shop/db rule 1: app=web of namespace shop on 80/tcp   policies.yaml:8
        shop/web can connect to shop/db on 80/tcp, if HTTP GET /api/.* or HTTP GET /healthz
    "#]].assert_eq(&explain(CILIUM, "shop/web -> shop/db:80"));
    expect![[r#"
        shop/web -> shop/db   PARTIAL
          22/tcp            DENIED    CiliumNetworkPolicy shop/db ingressDeny rule 1 denies it   policies.yaml:12
          80/tcp            ALLOWED   CiliumNetworkPolicy shop/db ingress rule 1 allows it, if HTTP GET /api/.* or HTTP GET /healthz   policies.yaml:8
          all other ports   DENIED    CiliumNetworkPolicy shop/db isolates it, and no rule matches   policies.yaml:3
        shop/web can connect to shop/db on 80/tcp, but not on 22/tcp and any other ports
    "#]].assert_eq(&explain(CILIUM, "shop/web -> shop/db"));
    let ran = run(
        CILIUM,
        "explain",
        &["shop/web -> shop/db:80", "--expect", "allow", "-o", "json"],
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let row = &report["answers"][0]["cases"][0]["rows"][0];
    let expected = serde_json::json!([
        {"side": "ingress", "anyOf": ["HTTP GET /api/.*", "HTTP GET /healthz"]}
    ]);
    assert_eq!(row["conditions"], expected);
    assert_eq!(row["ingress"]["tiers"][0]["outcome"], "allows");
    assert_eq!(row["ingress"]["tiers"][0]["id"], "L-24");
}

/// L-25: a denial is called by the list that it is in.
#[test]
fn l_25_denials_have_lists_of_their_own() {
    expect![[r#"
        shop/web -> shop/db:22/tcp   DENIED at ingress of shop/db
          egress   shop/web   allowed   no policy isolates it for egress
          ingress  shop/db    denied    CiliumNetworkPolicy shop/db ingressDeny rule 1: anybody on 22/tcp   policies.yaml:12
        shop/web cannot connect to shop/db on 22/tcp: the ingress side does not allow it
    "#]].assert_eq(&explain(CILIUM, "shop/web -> shop/db:22"));
}

/// L-57: names are destinations, and an address may be one of theirs.
#[test]
fn l_57_names() {
    expect![[r#"
        shop/db -> fqdn:api.example.com:443/tcp   ALLOWED
          egress   shop/db                allowed   CiliumNetworkPolicy shop/db rule 1: the addresses of api.example.com on 443/tcp   policies.yaml:14
          ingress  fqdn:api.example.com   -         outside the cluster, where no policy applies (K-17)
        shop/db can connect to fqdn:api.example.com on 443/tcp: an egress rule allows it, and no policy guards the destination
    "#]].assert_eq(&explain(CILIUM, "shop/db -> fqdn:api.example.com:443"));
    expect![[r#"
        shop/db -> ip:203.0.113.9:443/tcp   DENIED at egress of shop/db
          egress   shop/db          denied   CiliumNetworkPolicy shop/db isolates it; 0 of 2 rules match   policies.yaml:3
                                               closest: rule 1 means the addresses of api.example.com, of which 203.0.113.9 is none as far as is known (L-57)   policies.yaml:14
          ingress  ip:203.0.113.9   -        outside the cluster, where no policy applies (K-17)
        note: allowed if api.example.com or a name of *.example.org resolves to it (L-57)
        shop/db cannot connect to ip:203.0.113.9 on 443/tcp: the egress side does not allow it
        help: let egress rule 1 of CiliumNetworkPolicy shop/db admit connections to ip:203.0.113.9 as well (policies.yaml:14)
    "#]].assert_eq(&explain(CILIUM, "shop/db -> ip:203.0.113.9:443"));
    expect![[r#"
        shop/db -> fqdn:www.example.com:443/tcp   DENIED at egress of shop/db
          egress   shop/db                denied   CiliumNetworkPolicy shop/db isolates it; 0 of 2 rules match   policies.yaml:3
                                                     closest: rule 1 means the addresses of api.example.com, and fqdn:www.example.com is not   policies.yaml:14
          ingress  fqdn:www.example.com   -        outside the cluster, where no policy applies (K-17)
        shop/db cannot connect to fqdn:www.example.com on 443/tcp: the egress side does not allow it
        help: let egress rule 1 of CiliumNetworkPolicy shop/db admit connections to fqdn:www.example.com as well (policies.yaml:14)
    "#]].assert_eq(&explain(CILIUM, "shop/db -> fqdn:www.example.com:443"));
    let ran = run(CILIUM, "reach", &["--from", "shop/db"]);
    expect![[r#"
        FROM      TO                                         PORTS
        shop/db   kube-system/kube-dns                       53/tcp, 53/udp, 53/sctp
                  fqdn:api.example.com, fqdn:*.example.org   443/tcp
    "#]]
    .assert_eq(&ran.stdout);
    let ran = run(CILIUM, "reach", &["--to", "fqdn:api.example.com"]);
    expect![[r#"
        FROM                                       TO                     PORTS
        kube-system/kube-dns, shop/agent,          fqdn:api.example.com   all
        shop/web
        shop/db                                    fqdn:api.example.com   443/tcp
    "#]]
    .assert_eq(&ran.stdout);
}

/// C-63, C-64: a node and what is on its network are judged by policies about nodes.
#[test]
fn c_63_nodes_are_judged_by_policies_about_them() {
    expect![[r#"
        shop/db -> node:n1:80/tcp   DENIED at ingress of node:n1
          egress   shop/db   allowed   no policy isolates it for egress
          ingress  node:n1   denied    tier default: GlobalNetworkPolicy edge isolates it; its rule does not match (C-6)   policies.yaml:8
                                         closest: rule 1 admits 9100/tcp only   policies.yaml:13
        shop/db cannot connect to node:n1 on 80/tcp: the ingress side does not allow it
        help: let ingress rule 1 of GlobalNetworkPolicy edge take in 80/tcp (policies.yaml:13)
    "#]].assert_eq(&explain(HOSTS, "shop/db -> node:n1:80"));
    expect![[r#"
        shop/db -> shop/agent:9100/tcp   ALLOWED
          egress   shop/db      allowed   no policy isolates it for egress
          ingress  shop/agent             judged as node:n1, by policies about nodes
                                allowed   tier default: GlobalNetworkPolicy edge rule 1: app=db of every namespace on 9100/tcp (C-3)   policies.yaml:13
        shop/db can connect to shop/agent on 9100/tcp: an ingress rule allows it, and no policy guards the source
    "#]].assert_eq(&explain(HOSTS, "shop/db -> shop/agent:9100"));
    expect![[r#"
        ip:203.0.113.9 -> node:n1:22/tcp   ALLOWED
          egress   ip:203.0.113.9   -         outside the cluster, where no policy applies (K-17)
          ingress  node:n1          allowed   tier failsafe ports: failsafe ports of hosts (C-64)
        ip:203.0.113.9 can connect to node:n1 on 22/tcp: an ingress rule allows it, and no policy guards the source
    "#]].assert_eq(&explain(HOSTS, "ip:203.0.113.9 -> node:n1:22"));
    // C-72
    expect![[r#"
        shop/web -> node:n1:80/tcp   ALLOWED
          egress   shop/web   allowed   no policy isolates it for egress
          ingress  node:n1    -         a node lets its own pods in, whatever policies about it say (C-72)
        shop/web can connect to node:n1 on 80/tcp: no policy isolates either end (K-6)
    "#]].assert_eq(&explain(HOSTS, "shop/web -> node:n1:80"));
    let ran = run(HOSTS, "reach", &["--to", "node:n1"]);
    expect![[r#"
        FROM                            TO        PORTS
        kube-system/kube-dns, node:n2   node:n1   22/tcp, 179/tcp, 2379-2380/tcp, 5473/tcp, 6443/tcp,
                                                  6666-6667/tcp, 68/udp
        shop/agent                      node:n1   179/tcp, 2379-2380/tcp, 5473/tcp, 6443/tcp, 6666-6667/tcp
        shop/db                         node:n1   22/tcp, 179/tcp, 2379-2380/tcp, 5473/tcp, 6443/tcp,
                                                  6666-6667/tcp, 9100/tcp, 68/udp
        shop/web                        node:n1   all
        world (IPv4)                    node:n1   22/tcp, 179/tcp, 2379-2380/tcp, 5473/tcp, 6443/tcp,
                                                  6666-6667/tcp, 68/udp
    "#]].assert_eq(&ran.stdout);
}

/// C-62: staged policies are counted apart.
#[test]
fn policies_of_every_language_are_counted() {
    let staged = CALICO.replace(
        "kind: GlobalNetworkPolicy",
        "kind: StagedGlobalNetworkPolicy",
    );
    let project = Project::new(&[("pods.yaml", PODS), ("policies.yaml", &staged)]);
    let ran = project.run(&["explain", "shop/web -> shop/db:1"]);
    assert!(
        ran.stderr
            .starts_with("analysed 3 policies and 1 staged one, "),
        "{ran:?}"
    );
    let ran = project.run(&["check", "-o", "json"]);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let summary = &report["summary"];
    assert_eq!(
        (&summary["policies"], &summary["stagedPolicies"]),
        (&3.into(), &1.into())
    );
    let kinds = serde_json::json!({
        "NetworkPolicy.networking.k8s.io": 1,
        "NetworkPolicy.projectcalico.org": 2,
    });
    assert_eq!(summary["policiesByKind"], kinds);
}

/// C-67, C-73: what a node routes, and what the engine drops by itself.
#[test]
fn c_67_what_enters_the_cluster_is_judged_at_its_node() {
    let policies = "\
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.5, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}}
---
{apiVersion: projectcalico.org/v3, kind: HostEndpoint, metadata: {name: n1, labels: {role: edge}}, spec: {node: n1, interfaceName: '*', expectedIPs: [192.168.0.1]}}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: edge}
spec:
  selector: role == 'edge'
  applyOnForward: true
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, source: {nets: [203.0.113.0/24]}}
  - {action: Allow}
";
    expect![[r#"
        ip:203.0.113.9 -> shop/svc/web:80/tcp   DENIED
          the Service's 80/tcp leads to 8080/tcp of shop/web (K-79)
          egress   ip:203.0.113.9   -        outside the cluster, where no policy applies (K-17)
          ingress  shop/web         denied   GlobalNetworkPolicy edge rule 1: what enters the cluster at node:n1   policies.yaml:13
        ip:203.0.113.9 cannot connect to shop/svc/web on 80/tcp: policies about the node through which it enters refuse it
    "#]].assert_eq(&explain(policies, "ip:203.0.113.9 -> shop/svc/web:80"));
    expect![[r#"
        shop/web -> ip:203.0.113.9:4789/udp   DENIED
          the engine drops it: pods may not send VXLAN (C-73)
        shop/web cannot connect to ip:203.0.113.9 on 4789/udp: pods may not send VXLAN (C-73)
    "#]]
    .assert_eq(&explain(policies, "shop/web -> ip:203.0.113.9:4789/udp"));
}

/// Peers of several conditions: only those are told that do not hold.
#[test]
fn what_rules_of_other_languages_lack() {
    let policies = "\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  selector: app == 'db'
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, source: {selector: app == 'job'}}
  - {action: Allow, protocol: TCP, source: {selector: \"app == 'web' && has(tier)\", namespaceSelector: team == 'blue'}}
  - {action: Allow, protocol: TCP, source: {selector: app == 'web', notNets: [10.1.0.0/24]}}
  - {action: Allow, protocol: TCP, source: {serviceAccounts: {names: [api]}}}
";
    let ran = run(policies, "explain", &["shop/web -> shop/db:5432"]);
    expect![[r#"
        shop/web -> shop/db:5432/tcp   DENIED at ingress of shop/db
          egress   shop/web   allowed   no policy isolates it for egress
          ingress  shop/db    denied    tier default: Calico NetworkPolicy shop/db isolates it; 0 of 4 rules match (C-6)   policies.yaml:3
                                          closest: rule 4 needs service account api, shop/web has default   policies.yaml:11
        shop/web cannot connect to shop/db on 5432/tcp: the ingress side does not allow it
        help: let ingress rule 4 of Calico NetworkPolicy shop/db admit shop/web as well (policies.yaml:11)
    "#]].assert_eq(&ran.stdout);
    let project = Project::new(&[("pods.yaml", PODS), ("policies.yaml", policies)]);
    let ran = project.run(&[
        "explain",
        "-v",
        "shop/web -> shop/db:5432",
        "--engine",
        "calico",
    ]);
    let told: Vec<_> = ran
        .stdout
        .lines()
        .filter(|line| line.contains(" rule "))
        .collect();
    expect![[r#"
                                          closest: rule 4 needs service account api, shop/web has default   policies.yaml:11
                                          rule 2 needs team=blue on the namespace, `shop` has team=shop; it needs a label tier, shop/web has no label tier   policies.yaml:9
                                          rule 3 means anybody but 10.1.0.0/24, which shop/web is   policies.yaml:10
        help: let ingress rule 4 of Calico NetworkPolicy shop/db admit shop/web as well (policies.yaml:11)"#]].assert_eq(&told.join("\n"));
}

/// O-7: the egress firewall comes first, and NetworkPolicy must allow it as well.
#[test]
fn o_7_egress_firewalls_come_first() {
    let policies = "\
apiVersion: k8s.ovn.org/v1
kind: EgressFirewall
metadata: {name: default, namespace: shop}
spec:
  egress:
  - {type: Allow, to: {cidrSelector: 203.0.113.0/24}}
  - {type: Deny, to: {cidrSelector: 0.0.0.0/0}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 203.0.113.0/25}}]}]
";
    expect![[r#"
        shop/web -> ip:203.0.113.5:80/tcp   ALLOWED
          egress   shop/web         passed    tier EgressFirewall: EgressFirewall shop/default rule 1: 203.0.113.0/24 on all ports (O-7)   policies.yaml:6
                                    allowed   tier NetworkPolicy: NetworkPolicy shop/web rule 1: 203.0.113.0/25 on all ports (K-15)   policies.yaml:15
          ingress  ip:203.0.113.5   -         outside the cluster, where no policy applies (K-17)
        shop/web can connect to ip:203.0.113.5 on 80/tcp: an egress rule allows it, and no policy guards the destination
    "#]].assert_eq(&explain(policies, "shop/web -> ip:203.0.113.5:80"));
    expect![[r#"
        shop/web -> ip:203.0.113.200:80/tcp   DENIED at egress of shop/web
          egress   shop/web           passed   tier EgressFirewall: EgressFirewall shop/default rule 1: 203.0.113.0/24 on all ports (O-7)   policies.yaml:6
                                      denied   tier NetworkPolicy: NetworkPolicy shop/web isolates it; its rule does not match (K-15)   policies.yaml:11
                                                 closest: rule 1 admits 203.0.113.0/25, 203.0.113.200 is outside of it   policies.yaml:15
          ingress  ip:203.0.113.200   -        outside the cluster, where no policy applies (K-17)
        shop/web cannot connect to ip:203.0.113.200 on 80/tcp: the egress side does not allow it
        help: add `{ipBlock: {cidr: 203.0.113.200/32}}` to `to` of egress rule 1 of NetworkPolicy shop/web (policies.yaml:15)
    "#]].assert_eq(&explain(policies, "shop/web -> ip:203.0.113.200:80"));
    expect![[r#"
        shop/web -> ip:192.0.2.9:80/tcp   DENIED at egress of shop/web
          egress   shop/web       denied   tier EgressFirewall: EgressFirewall shop/default rule 2: 0.0.0.0/0 on all ports (O-7)   policies.yaml:7
          ingress  ip:192.0.2.9   -        outside the cluster, where no policy applies (K-17)
        shop/web cannot connect to ip:192.0.2.9 on 80/tcp: the egress side does not allow it
    "#]].assert_eq(&explain(policies, "shop/web -> ip:192.0.2.9:80"));
    expect![[r#"
        shop/db -> shop/web:80/tcp   ALLOWED
          egress   shop/db    skipped   tier EgressFirewall: no rule of EgressFirewall shop/default matches (O-7)   policies.yaml:3
                              allowed   no tier decides it for egress (O-7)
          ingress  shop/web   allowed   no policy isolates it for ingress
        shop/db can connect to shop/web on 80/tcp: no tier decides it on either side
    "#]].assert_eq(&explain(policies, "shop/db -> shop/web:80"));
}

/// T-1, T-4: Antrea's tiers stand around NetworkPolicy.
#[test]
fn t_1_tiers_of_antrea() {
    let policies = "\
apiVersion: crd.antrea.io/v1beta1
kind: ClusterNetworkPolicy
metadata: {name: closed}
spec:
  priority: 5
  tier: baseline
  appliedTo: [{namespaceSelector: {}}]
  ingress: [{name: all, action: Drop, from: [{namespaceSelector: {}}]}]
---
apiVersion: crd.antrea.io/v1beta1
kind: ClusterNetworkPolicy
metadata: {name: sec}
spec:
  priority: 5
  tier: securityops
  appliedTo: [{podSelector: {matchLabels: {app: db}}}]
  ingress:
  - {name: pass, action: Pass, from: [{namespaceSelector: {}}], ports: [{protocol: TCP, port: 80}]}
";
    expect![[r#"
        shop/web -> shop/db:80/tcp   DENIED at ingress of shop/db
          egress   shop/web   allowed   no policy isolates it for egress
          ingress  shop/db    passed    tier securityops: Antrea ClusterNetworkPolicy sec rule 1: all pods of every namespace on 80/tcp (T-4)   policies.yaml:18
                              denied    tier baseline: Antrea ClusterNetworkPolicy closed rule 1: all pods of every namespace on all ports (T-3)   policies.yaml:8
        shop/web cannot connect to shop/db on 80/tcp: the ingress side does not allow it
    "#]].assert_eq(&explain(policies, "shop/web -> shop/db:80"));
    expect![[r#"
        shop/web -> shop/db:81/tcp   DENIED at ingress of shop/db
          egress   shop/web   allowed   no policy isolates it for egress
          ingress  shop/db    skipped   tier securityops: no rule of Antrea ClusterNetworkPolicy sec matches (T-1)   policies.yaml:12
                              denied    tier baseline: Antrea ClusterNetworkPolicy closed rule 1: all pods of every namespace on all ports (T-3)   policies.yaml:8
        shop/web cannot connect to shop/db on 81/tcp: the ingress side does not allow it
    "#]].assert_eq(&explain(policies, "shop/web -> shop/db:81"));
}
