//! What is broken, what only looks so, and that the proposed policies mend it.

use expect_test::{Expect, expect};

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::{findings, findings_on};

const DNS: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      containers:
      - name: coredns
        ports:
        - {name: dns, containerPort: 53, protocol: UDP}
        - {name: dns-tcp, containerPort: 53, protocol: TCP}
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: 10.96.0.10
  selector: {k8s-app: kube-dns}
  ports:
  - {name: dns, port: 53, protocol: UDP}
  - {name: dns-tcp, port: 53, protocol: TCP}
---
apiVersion: v1
kind: Namespace
metadata: {name: kube-system}
---
";

const CACHE: &str = r"
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: node-local-dns, namespace: kube-system}
spec:
  selector: {matchLabels: {k8s-app: node-local-dns}}
  template:
    metadata: {labels: {k8s-app: node-local-dns}}
    spec:
      hostNetwork: true
      containers: [{name: cache}]
---
";

const WEB: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web}]}
---
";

/// A policy of `shop` whose egress rules are given.
fn policy(name: &str, pods: &str, egress: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: shop}}
spec:
  podSelector: {pods}
  policyTypes: [Egress]
  egress:
{egress}
---
"
    )
}

/// The finding without its manifest, which has to settle it.
fn settled(yaml: &str, expected: Expect) {
    let found = findings(&RULE, yaml);
    let manifest: Vec<_> = found
        .lines()
        .filter_map(|line| line.strip_prefix("    | "))
        .collect();
    assert!(!manifest.is_empty(), "no manifest:\n{found}");
    let fixed = format!("{yaml}\n---\n{}\n", manifest.join("\n"));
    expect![""].assert_eq(&findings(&RULE, &fixed));
    expected.assert_eq(&without_manifest(&found));
}

fn without_manifest(found: &str) -> String {
    let lines = found.lines().filter(|line| !line.starts_with("    | "));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn k_11_deny_all_egress_breaks_names() {
    let deny = policy("deny-all", "{}", "    []");
    let yaml = format!("{DNS}{WEB}{deny}");
    expect![[r#"
        error[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
          about: NetworkPolicy shop/deny-all
          at t.yaml:45:16: `[Egress]` isolates for egress
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp DENIED: NetworkPolicy shop/deny-all isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/tcp DENIED: NetworkPolicy shop/deny-all isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
          why: K-11 K-15 X-11
          fix: add a policy that allows DNS over UDP and TCP
            | apiVersion: networking.k8s.io/v1
            | kind: NetworkPolicy
            | metadata:
            |   name: allow-dns
            |   namespace: shop
            | spec:
            |   podSelector: {}
            |   policyTypes: [Egress]
            |   egress:
            |   - to:
            |     - namespaceSelector:
            |         matchLabels:
            |           kubernetes.io/metadata.name: kube-system
            |       podSelector:
            |         matchLabels:
            |           k8s-app: kube-dns
            |     ports:
            |     - protocol: UDP
            |       port: 53
            |     - protocol: TCP
            |       port: 53
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn m_2_without_dns_in_the_input_the_usual_one_is_assumed() {
    let deny = policy("deny-all", "{}", "    []");
    settled(
        &format!("{WEB}{deny}"),
        expect![[r#"
        error[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
          about: NetworkPolicy shop/deny-all
          at t.yaml:16:16: `[Egress]` isolates for egress
          evidence: shop/Deployment/web -> kube-system/Pod/kube-dns:53/udp DENIED: NetworkPolicy shop/deny-all isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:13:18]
          evidence: shop/Deployment/web -> kube-system/Pod/kube-dns:53/tcp DENIED: NetworkPolicy shop/deny-all isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:13:18]
          note: the input has no cluster DNS; pods labelled `k8s-app=kube-dns` in `kube-system` that listen on port 53 are assumed (M-2)
          why: K-11 K-15 X-11 M-2
          fix: add a policy that allows DNS over UDP and TCP
    "#]],
    );
}

#[test]
fn no_egress_policy_no_finding() {
    expect![""].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}")));
    let ingress = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny-ingress, namespace: shop}
spec: {podSelector: {}}
";
    expect![""].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{ingress}")));
}

const ALLOW: &str = "  - to:
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: kube-dns}}
    ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}";

#[test]
fn k_15_one_policy_with_dns_is_enough() {
    let deny = policy("deny-all", "{}", "    []");
    let dns = policy("allow-dns", "{}", ALLOW);
    expect![""].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{deny}{dns}")));
    let open = policy("open", "{}", "  - {}");
    expect![""].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{deny}{open}")));
}

#[test]
fn x_11_only_udp_is_a_warning_and_only_tcp_an_error() {
    let udp = policy("allow-dns", "{}", "  - ports: [{protocol: UDP, port: 53}]");
    settled(
        &format!("{DNS}{WEB}{udp}"),
        expect![[r#"
        warning[WT301] `shop/Deployment/web` cannot resolve names with long answers: DNS is allowed over UDP only
          about: NetworkPolicy shop/allow-dns
          at t.yaml:47:13: `{protocol: UDP, port: 53}` UDP only
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:47:5]
          why: X-11
          fix: add a policy that allows DNS over UDP and TCP
    "#]],
    );
    // K-47: no protocol is TCP.
    let tcp = policy("allow-dns", "{}", "  - ports:\n    - port: 53");
    settled(
        &format!("{DNS}{WEB}{tcp}"),
        expect![[r#"
        error[WT301] `shop/Deployment/web` cannot resolve names: DNS is allowed over TCP only
          about: NetworkPolicy shop/allow-dns
          at t.yaml:48:7: `port: 53` TCP only: that is what a port without `protocol` means (K-47)
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/tcp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:47:5]
          why: X-11 K-47
          fix: add a policy that allows DNS over UDP and TCP
    "#]],
    );
}

#[test]
fn rules_that_were_meant_for_dns_are_pointed_at() {
    for (to, expected) in [
        (
            "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
      podSelector: {matchLabels: {k8s-app: coredns}}",
            expect![[r#"
                error[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
                  about: NetworkPolicy shop/allow-dns
                  at t.yaml:45:16: `[Egress]` isolates for egress
                  at t.yaml:49:35: `k8s-app: coredns` meant for DNS, but the DNS servers have `k8s-app=kube-dns`
                  evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
                  evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
                  why: K-11 K-15 X-11
                  fix: add a policy that allows DNS over UDP and TCP
            "#]],
        ),
        (
            "podSelector: {matchLabels: {k8s-app: kube-dns}}",
            expect![[r#"
                error[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
                  about: NetworkPolicy shop/allow-dns
                  at t.yaml:45:16: `[Egress]` isolates for egress
                  at t.yaml:48:7: `podSelector: {matchLabels: {k8s-app: kube-dns}}` meant for DNS, but without `namespaceSelector` this means pods of `shop` (K-24); the DNS servers are in `kube-system`
                  evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
                  evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
                  why: K-11 K-15 X-11 K-24
                  fix: add a policy that allows DNS over UDP and TCP
            "#]],
        ),
        (
            "namespaceSelector: {matchLabels: {name: kube-system}}",
            expect![[r#"
                error[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
                  about: NetworkPolicy shop/allow-dns
                  at t.yaml:45:16: `[Egress]` isolates for egress
                  at t.yaml:48:41: `name: kube-system` meant for DNS, but namespace `kube-system` of the DNS servers has no label `name`; there is `kubernetes.io/metadata.name=kube-system`
                  evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
                  evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
                  why: K-11 K-15 X-11
                  fix: add a policy that allows DNS over UDP and TCP
            "#]],
        ),
        (
            "ipBlock: {cidr: 10.96.0.10/32}",
            expect![[r#"
            error[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
              about: NetworkPolicy shop/allow-dns
              at t.yaml:45:16: `[Egress]` isolates for egress
              at t.yaml:48:23: `10.96.0.10/32` meant for DNS, but this is the address of the DNS Service; policy sees the pods behind it
              evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
              evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
              why: K-11 K-15 X-11 K-79
              fix: add a policy that allows DNS over UDP and TCP
        "#]],
        ),
        (
            "ipBlock: {cidr: 203.0.113.53/32}",
            expect![[r#"
            warning[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
              about: NetworkPolicy shop/allow-dns
              at t.yaml:45:16: `[Egress]` isolates for egress
              at t.yaml:48:23: `203.0.113.53/32` meant for DNS, but this is none of the cluster's DNS servers
              evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
              evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
              note: a rule lets them query another resolver: names resolve if their `dnsConfig` or their program asks that one
              why: K-11 K-15 X-11
              fix: add a policy that allows DNS over UDP and TCP
        "#]],
        ),
    ] {
        let rule = format!("  - to:\n    - {to}\n    ports: [{{protocol: UDP, port: 53}}]");
        let policy = policy("allow-dns", "{}", &rule);
        settled(&format!("{DNS}{WEB}{policy}"), expected);
    }
}

#[test]
fn m_3_a_label_of_a_namespace_that_was_not_read_is_no_proof() {
    let rule = "  - to:
    - namespaceSelector: {matchLabels: {name: kube-system}}
    ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]";
    let policy = policy("allow-dns", "{}", rule);
    settled(
        &format!("{WEB}{policy}"),
        expect![[r#"
        warning[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
          about: NetworkPolicy shop/allow-dns
          at t.yaml:16:16: `[Egress]` isolates for egress
          at t.yaml:19:41: `name: kube-system` meant for DNS, but the input does not tell whether namespace `kube-system` of the DNS servers has this label
          evidence: shop/Deployment/web -> kube-system/Pod/kube-dns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:13:18]
          evidence: shop/Deployment/web -> kube-system/Pod/kube-dns:53/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:13:18]
          note: the labels of the DNS servers' namespace are not in the input: names resolve if somebody has set the one that the rule asks for (M-3)
          note: the input has no cluster DNS; pods labelled `k8s-app=kube-dns` in `kube-system` that listen on port 53 are assumed (M-2)
          why: K-11 K-15 X-11 M-3 M-2
          fix: add a policy that allows DNS over UDP and TCP
    "#]],
    );
}

#[test]
fn m_2_dns_of_another_distribution_is_not_missed() {
    for to in [
        "namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: openshift-dns}}",
        "ipBlock: {cidr: 169.254.20.10/32}",
        "ipBlock: {cidr: 169.254.169.254/32}",
    ] {
        let ports = "[{protocol: UDP, port: 53}, {protocol: TCP, port: 53},
      {protocol: UDP, port: 5353}, {protocol: TCP, port: 5353}]";
        let rule = format!("  - to:\n    - {to}\n    ports: {ports}");
        let policy = policy("allow-dns", "{}", &rule);
        expect![""].assert_eq(&findings(&RULE, &format!("{WEB}{policy}")));
    }
}

#[test]
fn k_79_k_51_openshift_listens_on_5353() {
    let dns = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: dns-default, namespace: openshift-dns}
spec:
  selector: {matchLabels: {dns.operator.openshift.io/daemonset-dns: default}}
  template:
    metadata: {labels: {dns.operator.openshift.io/daemonset-dns: default}}
    spec:
      containers:
      - name: dns
        ports:
        - {name: dns, containerPort: 5353, protocol: UDP}
        - {name: dns-tcp, containerPort: 5353, protocol: TCP}
---
apiVersion: v1
kind: Service
metadata: {name: dns-default, namespace: openshift-dns}
spec:
  selector: {dns.operator.openshift.io/daemonset-dns: default}
  ports:
  - {name: dns, port: 53, protocol: UDP, targetPort: dns}
  - {name: dns-tcp, port: 53, protocol: TCP, targetPort: dns-tcp}
---
";
    let rule = "  - to: [{namespaceSelector: {}}]
    ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]";
    let policy = policy("allow-dns", "{}", rule);
    settled(
        &format!("{dns}{WEB}{policy}"),
        expect![[r#"
        error[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
          about: NetworkPolicy shop/allow-dns
          at t.yaml:40:16: `[Egress]` isolates for egress
          at t.yaml:43:13: `{protocol: UDP, port: 53}` meant for DNS, but the DNS servers listen on 5353/udp
          evidence: shop/Deployment/web -> openshift-dns/DaemonSet/dns-default:5353/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:37:18]
          evidence: shop/Deployment/web -> openshift-dns/DaemonSet/dns-default:5353/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:37:18]
          why: K-11 K-15 X-11 K-79
          fix: add a policy that allows DNS over UDP and TCP
    "#]],
    );
}

#[test]
fn one_finding_for_the_policy_that_isolates_most() {
    let other = WEB.replace("web", "api");
    let deny = policy("deny-all", "{}", "    []");
    let https = policy(
        "https",
        "{matchLabels: {app: api}}",
        "  - ports: [{port: 443}]",
    );
    let third = WEB.replace("web", "cart");
    let found = findings(&RULE, &format!("{DNS}{WEB}{other}{third}{https}{deny}"));
    assert!(found.starts_with("error[WT301] 3 workloads of `shop` cannot"));
    assert!(found.contains("about: NetworkPolicy shop/deny-all\n"));
    assert_eq!(found.matches("WT301").count(), 1);
}

#[test]
fn no_pod_is_isolated_by_the_fix() {
    let other = WEB.replace("web", "api");
    let https = policy(
        "allow-dns",
        "{matchLabels: {app: api}}",
        "  - ports: [{port: 443}]",
    );
    let found = findings(&RULE, &format!("{DNS}{WEB}{other}{https}"));
    assert!(found.starts_with("error[WT301] `shop/Deployment/api`"));
    assert!(found.contains("name: allow-dns-2\n"), "{found}");
    let pods = "    |   podSelector:\n    |     matchLabels:\n    |       app: api\n";
    assert!(found.contains(pods), "{found}");
}

#[test]
fn k_16_an_ingress_policy_of_the_servers_denies_as_well() {
    let other = WEB.replace("shop", "blog");
    let guard = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: dns-guard, namespace: kube-system}
spec:
  podSelector: {matchLabels: {k8s-app: kube-dns}}
  ingress:
  - from: [{podSelector: {}}]
";
    settled(
        &format!("{DNS}{WEB}{other}{guard}"),
        expect![[r#"
        error[WT301] 2 workloads of 2 namespaces cannot resolve names: the DNS servers' own policies deny their queries
          about: NetworkPolicy kube-system/dns-guard
          at t.yaml:53:18: `dns-guard` isolates the DNS servers for ingress (K-8)
          evidence: blog/Deployment/web -> kube-system/Deployment/coredns:53/udp DENIED: NetworkPolicy kube-system/dns-guard isolates kube-system/Deployment/coredns for ingress and none of its rules matches [t.yaml:53:18]
          evidence: blog/Deployment/web -> kube-system/Deployment/coredns:53/tcp DENIED: NetworkPolicy kube-system/dns-guard isolates kube-system/Deployment/coredns for ingress and none of its rules matches [t.yaml:53:18]
          note: concerned: blog/Deployment/web and shop/Deployment/web
          why: K-16 X-14
          fix: add a policy that lets all pods query the DNS servers
    "#]],
    );
    // It may ask for labels of the client's pods.
    let by_label = guard.replace(
        "{podSelector: {}}",
        "{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}",
    );
    let api = WEB.replace("web", "api");
    let found = findings(&RULE, &format!("{DNS}{WEB}{api}{by_label}"));
    assert!(found.starts_with("error[WT301] `shop/Deployment/api` cannot"));
}

#[test]
fn k_80_a_part_of_the_servers_is_out_of_reach() {
    let pod = |number: u8| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: coredns-{number}, namespace: kube-system, labels: {{k8s-app: kube-dns}}}}
spec: {{containers: [{{name: coredns}}]}}
status: {{phase: Running, podIP: 10.244.0.{number}, podIPs: [{{ip: 10.244.0.{number}}}]}}
---
"
        )
    };
    let (one, two, three) = (pod(4), pod(5), pod(6));
    let rule = "  - to: [{ipBlock: {cidr: 10.244.0.4/32}}]
    ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]";
    let policy = policy("allow-dns", "{}", rule);
    settled(
        &format!("{one}{two}{three}{WEB}{policy}"),
        expect![[r#"
        warning[WT301] `shop/Deployment/web` can resolve names only now and then: 2 of 3 DNS servers do not answer
          about: NetworkPolicy shop/allow-dns
          at t.yaml:36:20: `{cidr: 10.244.0.4/32}` lets queries through to a part of the DNS servers
          evidence: shop/Deployment/web -> kube-system/Pod/coredns-5:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:31:18]
          evidence: shop/Deployment/web -> kube-system/Pod/coredns-4:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:36:5]
          why: K-80
          fix: add a policy that allows DNS over UDP and TCP
    "#]],
    );
}

#[test]
fn x_9_a_cache_on_the_own_node_answers() {
    let deny = policy("deny-all", "{}", "    []");
    let yaml = format!("{DNS}{CACHE}{WEB}{deny}");
    // K-73, K-74: exempt by the reference reading.
    expect![""].assert_eq(&findings(&RULE, &yaml));
    expect![[r#"
        error[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
          about: NetworkPolicy shop/deny-all
          at t.yaml:57:16: `[Egress]` isolates for egress
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp DENIED: NetworkPolicy shop/deny-all isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:54:18]
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/tcp DENIED: NetworkPolicy shop/deny-all isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:54:18]
          note: 169.254.20.10 is where a node-local DNS cache usually listens; allow the address that the pods' /etc/resolv.conf names (X-9)
          why: K-11 K-15 X-11
          fix: add a policy that allows DNS over UDP and TCP
    "#]].assert_eq(&without_manifest(&findings_on(&RULE, &yaml, "calico", Cloud::all())));
    let by_address = policy(
        "allow-cache",
        "{}",
        "  - to: [{ipBlock: {cidr: 169.254.20.10/32}}]\n    ports: [{protocol: UDP, port: 53}, {port: 53}]",
    );
    let yaml = format!("{DNS}{CACHE}{WEB}{deny}{by_address}");
    expect![""].assert_eq(&findings_on(&RULE, &yaml, "calico", Cloud::all()));
}

#[test]
fn k_79_aws_also_sees_the_service_address() {
    let rule = "  - to: [{ipBlock: {cidr: 10.96.0.10/32}}]
    ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]";
    let by_address = policy("allow-dns", "{}", rule);
    let yaml = format!("{DNS}{WEB}{by_address}");
    expect![""].assert_eq(&findings_on(&RULE, &yaml, "aws-vpc-cni@1.18", Cloud::all()));
    let by_label = policy("allow-dns", "{}", ALLOW);
    let yaml = format!("{DNS}{WEB}{by_label}");
    expect![""].assert_eq(&findings_on(&RULE, &yaml, "aws-vpc-cni@1.18", Cloud::all()));
}

#[test]
fn m_1_an_address_that_is_not_known_decides_nothing() {
    let rule = "  - to: [{ipBlock: {cidr: 10.244.0.0/24}}]
    ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]";
    let policy = policy("allow-dns", "{}", rule);
    expect![""].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{policy}")));
}

#[test]
fn k_66_an_ipv4_block_serves_no_ipv6_cluster() {
    let dns = DNS.replace("10.96.0.10", "\"fd00:10:96::a\"");
    let rule = "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]
    ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]";
    let policy = policy("allow-dns", "{}", rule);
    settled(
        &format!("{dns}{WEB}{policy}"),
        expect![[r#"
        error[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
          about: NetworkPolicy shop/allow-dns
          at t.yaml:45:16: `[Egress]` isolates for egress
          at t.yaml:47:27: `0.0.0.0/0` meant for DNS, but the DNS servers are asked over the other address family
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
          why: K-11 K-15 X-11 K-66
          fix: add a policy that allows DNS over UDP and TCP
    "#]],
    );
    expect![""].assert_eq(&findings(&RULE, &format!("{DNS}{WEB}{policy}")));
}

#[test]
fn k_65_where_blocks_match_no_pods_an_open_block_allows_no_dns() {
    let rule = "  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]
    ports: [{protocol: UDP, port: 53}, {protocol: TCP, port: 53}]";
    let policy = policy("allow-dns", "{}", rule);
    let yaml = format!("{DNS}{WEB}{policy}");
    expect![[r#"
        error[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
          about: NetworkPolicy shop/allow-dns
          at t.yaml:45:16: `[Egress]` isolates for egress
          at t.yaml:47:27: `0.0.0.0/0` meant for DNS, but this engine matches no pod or node by its address
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
          evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:42:18]
          why: K-11 K-15 X-11 K-65
          fix: add a policy that allows DNS over UDP and TCP
    "#]].assert_eq(&without_manifest(&findings_on(&RULE, &yaml, "cilium", Cloud::all())));
}

#[test]
fn servers_themselves_ask_elsewhere() {
    let deny = policy("deny-all", "{}", "    []").replace("shop", "kube-system");
    expect![""].assert_eq(&findings(&RULE, &format!("{DNS}{deny}")));
}

#[test]
fn k_72_servers_on_the_host_network_need_addresses() {
    let dns = "
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {hostNetwork: true, nodeName: n1, containers: [{name: coredns}]}
status: {phase: Running, podIP: 192.168.1.10, podIPs: [{ip: 192.168.1.10}]}
---
";
    let policy = policy("allow-dns", "{}", ALLOW);
    settled(
        &format!("{dns}{WEB}{policy}"),
        expect![[r#"
        error[WT301] `shop/Deployment/web` cannot resolve names: DNS is denied over UDP and TCP
          about: NetworkPolicy shop/allow-dns
          at t.yaml:23:16: `[Egress]` isolates for egress
          at t.yaml:26:7: `namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}` meant for DNS, but these pods run on the host network, where no selector matches them
          evidence: shop/Deployment/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:20:18]
          evidence: shop/Deployment/web -> kube-system/Pod/coredns:53/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Deployment/web for egress and none of its rules matches [t.yaml:20:18]
          why: K-11 K-15 X-11 K-72
          fix: add a policy that allows DNS over UDP and TCP
    "#]],
    );
}

#[test]
fn policies_that_nothing_enforces_break_nothing() {
    let deny = policy("deny-all", "{}", "    []");
    let yaml = format!("{DNS}{WEB}{deny}");
    expect![""].assert_eq(&findings_on(&RULE, &yaml, "flannel", Cloud::all()));
}
