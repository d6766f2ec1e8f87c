use expect_test::expect;

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::findings_on;

const LAB: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: lab, labels: {app: web}}
spec: {containers: [{name: web, ports: [{containerPort: 23}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: batch, labels: {app: job}}
spec: {containers: [{name: job}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-telnet, namespace: lab}
spec:
  podSelector: {}
  ingress:
  - ports: [{port: 23}]
---
";

fn found(policies: &str, engine: &str) -> String {
    findings_on(&RULE, &format!("{LAB}{policies}"), engine, Cloud::all())
}

const TELNET: &str = "
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: no-telnet}
spec:
  order: 10
  selector: all()
  types: [Ingress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [23]}}
  - {action: Pass}
";

#[test]
fn c_54_a_denial_of_an_earlier_policy_of_calico() {
    expect![[r#"
        note[WT107] GlobalNetworkPolicy no-telnet ingress rule 1 denies all that NetworkPolicy lab/allow-telnet ingress rule 1 would allow
          about: GlobalNetworkPolicy no-telnet
          at t.yaml:29:5: `{action: Deny, protocol: TCP, destination: {ports: [23]}}` asked first, and final
          at t.yaml:18:5: `ports: [{port: 23}]` allows in vain
          evidence: batch/Pod/job -> lab/Pod/web:23/tcp DENIED: GlobalNetworkPolicy no-telnet ingress rule 1 denies it [t.yaml:29:5]
          why: C-3
          fix: nothing, if the denial is meant to hold whatever the namespaces say; else have it leave these pods or peers out
    "#]].assert_eq(&found(TELNET, "calico"));
    let later = TELNET.replace("order: 10", "order: 2000");
    assert_eq!(found(&later, "calico"), "", "never asked");
}

#[test]
fn l_25_a_denial_of_cilium() {
    let policy = "
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: no-telnet}
spec:
  endpointSelector: {}
  ingressDeny: [{toPorts: [{ports: [{port: \"23\", protocol: TCP}]}]}]
";
    expect![[r#"
        note[WT107] CiliumClusterwideNetworkPolicy no-telnet ingress deny rule 1 denies all that NetworkPolicy lab/allow-telnet ingress rule 1 would allow
          about: CiliumClusterwideNetworkPolicy no-telnet
          at t.yaml:26:17: `{toPorts: [{ports: [{port: "23", protocol: TCP}]}]}` asked first, and final
          at t.yaml:18:5: `ports: [{port: 23}]` allows in vain
          evidence: batch/Pod/job -> lab/Pod/web:23/tcp DENIED: CiliumClusterwideNetworkPolicy no-telnet ingress deny rule 1 denies it [t.yaml:26:17]
          why: L-25
          fix: nothing, if the denial is meant to hold whatever the namespaces say; else have it leave these pods or peers out
    "#]].assert_eq(&found(policy, "cilium"));
}

#[test]
fn a_denial_of_a_part_voids_nothing() {
    let policy = "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: no-batch}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {matchLabels: {kubernetes.io/metadata.name: batch}}}]}]
";
    assert_eq!(
        found(policy, "reference"),
        "",
        "addresses outside get through"
    );
}

#[test]
fn a_4_a_denial_of_the_admin_tier() {
    let policy = "
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: no-ssh}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {}}
  egress: [{action: Deny, to: [{networks: [0.0.0.0/0, \"::/0\"]}], protocols: [{tcp: {destinationPort: {number: 22}}}]}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-ssh, namespace: lab}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress:
  - ports: [{port: 22}]
    to: [{ipBlock: {cidr: 198.51.100.0/24}}]
";
    expect![[r#"
        note[WT107] ClusterNetworkPolicy no-ssh egress rule 1 denies all that NetworkPolicy lab/allow-ssh egress rule 1 would allow
          about: ClusterNetworkPolicy no-ssh
          at t.yaml:28:12: `{action: Deny, to: [{networks: [0.0.0.0/0, "::/0"]}], protocols: [{tcp: {destinationPort: {number: 22}}}]}` asked first, and final
          at t.yaml:37:5: `ports: [{port: 22}]` allows in vain
          evidence: lab/Pod/web -> ip:198.51.100.2:22/tcp DENIED: ClusterNetworkPolicy no-ssh egress rule 1 denies it [t.yaml:28:12]
          why: A-4
          fix: nothing, if the denial is meant to hold whatever the namespaces say; else have it leave these pods or peers out
    "#]].assert_eq(&found(policy, "reference"));
}
