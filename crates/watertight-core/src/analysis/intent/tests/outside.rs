//! Addresses and DNS names: of which family, owned by whom, and what a name is part of.

use super::*;

/// Two pods with IPv4 only, one with IPv6 only; who owns which addresses is known.
const FAMILIES: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: four, namespace: shop, labels: {app: four}}
spec: {containers: [{name: c}]}
status: {phase: Running, podIPs: [{ip: 10.1.0.4}]}
---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: shop, labels: {app: other}}
spec: {containers: [{name: c}]}
status: {phase: Running, podIPs: [{ip: 10.1.0.5}]}
---
apiVersion: v1
kind: Pod
metadata: {name: six, namespace: shop, labels: {app: six}}
spec: {containers: [{name: c}]}
status: {phase: Running, podIPs: [{ip: 'fd00::6'}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: other, namespace: shop}
spec:
  podSelector: {matchLabels: {app: other}}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 10.1.0.4/30}}], ports: [{port: 80}]}]
";

/// K-66: nobody sends to an address of a family that it does not have.
#[test]
fn the_world_is_that_of_the_families_that_a_pod_has() {
    check_in(
        &Sample::new(FAMILIES),
        "allow: {from: shop/four, to: world, ports: [any]}
        allow: {from: shop/six, to: world, ports: [any]}
        allow: {from: world, to: shop/four, ports: [80]}
        allow: {from: shop/four, to: '2001:db8::/32', ports: [80]}
        allow: {from: nodes, to: world, ports: [80]}
        allow: {from: nodes, to: '2001:db8::/32', ports: [80]}
        deny: {from: nodes, to: world, ports: [80]}
        deny: {from: world, to: nodes, ports: [80]}
        allow: {from: world, to: nodes, ports: [80]}
        only: {from: shop/four, to: world, ports: [80]}
        allow: {from: shop/other, to: world, ports: [80]}
        exactly: {from: shop/four, among: world, allowed: [{to: world}]}
        exactly: {from: shop/six, among: world, allowed: [{to: world}]}
        exactly: {from: shop/four, among: world, allowed: [{to: world, ports: [80]}]}
        exactly: {from: shop/four, among: world, allowed: [{to: 0.0.0.0/0}, {to: 'world:2001:db8::/32', ports: [80]}]}",
        expect![[r#"
            s1: holds for 1 pairs
            s2: holds for 1 pairs
            s3: holds for 1 pairs
            s4: BROKEN: shop/Pod/four -> ip:[2001:db8::9]:80/tcp is denied and 0 more
            s5: holds for 1 pairs
            s6: BROKEN: nodes -> ip:[2001:db8::9]:80/tcp is denied and 0 more
            s7: BROKEN: nodes -> ip:203.0.113.9:80/tcp is allowed and 0 more
            s8: BROKEN: ip:203.0.113.9 -> nodes:80/tcp is allowed and 0 more
            s9: holds for 1 pairs
            s10: BROKEN: kube-system/Pod/kube-dns -> ip:203.0.113.9:80/tcp is allowed and 2 more
            s11: BROKEN: shop/Pod/other -> ip:203.0.113.9:80/tcp is denied and 0 more
            s12: holds for 1 pairs
            s13: holds for 1 pairs
            s14: BROKEN: shop/Pod/four -> ip:203.0.113.9: expected 80/tcp, found all ports and 0 more
            s15: BROKEN: shop/Pod/four -> ip:2001:db8::9: expected 80/tcp, found nothing and 0 more
        "#]],
    );
}

#[test]
fn an_address_that_nobody_owns_is_found_wherever_it_is() {
    check_in(
        &Sample::new(FAMILIES),
        "deny: {from: shop/other, to: 10.1.0.4-10.1.0.6, ports: [80]}
        deny: {from: shop/other, to: 'world:10.1.0.5-10.1.0.6', ports: [80]}
        deny: {from: shop/other, to: 'world:10.1.0.3-10.1.0.5', ports: [80]}
        deny: {from: shop/other, to: 'world:10.1.0.4-10.1.0.5', ports: [80]}
        deny: {from: shop/four, to: 10.1.0.4-10.1.0.5, ports: [80]}
        deny: {from: shop/other, to: ['world:10.1.0.5/32', 'world:192.0.2.1/32'], ports: [80]}
        allow: {from: shop/other, to: 'world:10.1.0.3-10.1.0.7', ports: [80]}
        exactly: {from: shop/other, among: world, allowed: [{to: 'world:10.1.0.4-10.1.0.7', ports: [80]}]}
        exactly: {from: shop/other, among: world, allowed: [{to: 'world:10.1.0.6-10.1.0.7', ports: [80]}]}
        exactly: {from: shop/other, among: world, allowed: [{to: 'world:10.1.0.4-10.1.0.6', ports: [80]}]}",
        expect![[r#"
            s1: BROKEN: shop/Pod/other -> shop/Pod/four:80/tcp is allowed and 1 more
            s2: BROKEN: shop/Pod/other -> ip:10.1.0.6:80/tcp is allowed and 0 more
            s3: holds for 1 pairs
            s4: vacuous: pods and nodes own all addresses of `world:10.1.0.4-10.1.0.5`, so that nobody outside has one
            s5: BROKEN: shop/Pod/four -> shop/Pod/other:80/tcp is allowed and 0 more
            s6: vacuous: pods and nodes own all addresses of `world:10.1.0.5/32`, so that nobody outside has one
            s7: BROKEN: shop/Pod/other -> ip:10.1.0.3:80/tcp is denied and 0 more
            s8: holds for 1 pairs
            s9: holds for 1 pairs
            s10: BROKEN: shop/Pod/other -> ip:10.1.0.7: expected nothing, found 80/tcp and 0 more
        "#]],
    );
}

/// Many owned addresses do not hide the one behind them.
#[test]
fn an_address_behind_many_pods_is_found() {
    let mut cluster = String::from(FAMILIES);
    for number in 0..5000 {
        let (third, fourth) = (number / 250, number % 250 + 1);
        write!(
            cluster,
            "---
apiVersion: v1
kind: Pod
metadata: {{name: p{number}, namespace: many}}
status: {{podIPs: [{{ip: 10.2.{third}.{fourth}}}]}}
spec: {{containers: [{{name: c}}]}}
"
        )
        .unwrap();
    }
    let text = "- {name: a, deny: {from: shop/four, to: 'world:10.2.0.1-10.2.19.251', ports: [80]}}
- {name: b, deny: {from: shop/four, to: 'world:10.2.0.1-10.2.0.251', ports: [80]}}
- {name: c, deny: {from: shop/four, to: 'world:10.2.0.1-10.2.0.250', ports: [80]}}
";
    let (_, intents) = intents(text);
    let told = judged(&Sample::new(&cluster), &intents.statements);
    expect![[r#"
        a: BROKEN: shop/Pod/four -> ip:10.2.0.251:80/tcp is allowed and 0 more
        b: BROKEN: shop/Pod/four -> ip:10.2.0.251:80/tcp is allowed and 0 more
        c: vacuous: pods and nodes own all addresses of `world:10.2.0.1-10.2.0.250`, so that nobody outside has one
    "#]].assert_eq(&told);
}

const BY_NAME: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c}]}
status: {phase: Running, podIPs: [{ip: 10.1.0.4}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: names, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  egress:
  - toEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: kube-system}}]
    toPorts: [{ports: [{port: '53', protocol: ANY}], rules: {dns: [{matchPattern: '*'}]}}]
  - toFQDNs: [{matchName: api.example.com}]
    toPorts: [{ports: [{port: '443', protocol: TCP}]}]
";

/// L-57, A-31: a name may stand for any address outside.
#[test]
fn who_reaches_a_name_reaches_the_world() {
    let mut sample = Sample::on(BY_NAME, "cilium");
    sample.world.intern_name("*.example.com");
    check_in(
        &sample,
        "deny: {from: shop/web, to: world}
        deny: {from: shop/web, to: everyone}
        deny: {from: shop/web, to: 0.0.0.0/0}
        deny: {from: shop/web, to: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 192.168.0.0/16, 192.0.2.0/24]}}
        deny: {from: shop/web, to: 2000::/3}
        deny: {from: shop/web, to: world, ports: [80]}
        deny: {from: shop/web, to: [world, 'fqdn:api.example.com']}
        deny: {from: shop/web, to: metadata}
        deny: {from: shop/web, to: 10.0.0.0/8}
        only: {from: kube-system/kube-dns, to: world}
        only: {from: shop/web, to: ['fqdn:*.example.com', kube-system/kube-dns], direction: egress}
        only: {from: shop/web, to: ['fqdn:api.example.com', kube-system/kube-dns], direction: egress}
        only: {from: shop/web, to: [10.0.0.0/8, kube-system/kube-dns], direction: egress}",
        expect![[r#"
            s1: BROKEN: shop/Pod/web -> fqdn:api.example.com:443/tcp is allowed and 0 more
            s2: BROKEN: shop/Pod/web -> kube-system/Pod/kube-dns:53/tcp is allowed and 1 more
            s3: BROKEN: shop/Pod/web -> fqdn:api.example.com:443/tcp is allowed and 0 more
            s4: BROKEN: shop/Pod/web -> fqdn:api.example.com:443/tcp is allowed and 0 more
            s5: holds for 1 pairs
            s6: holds for 1 pairs
            s7: BROKEN: shop/web -> fqdn:api.example.com is not denied throughout and 0 more
            s8: holds for 1 pairs
            s9: holds for 1 pairs
            s10: BROKEN: shop/Pod/web -> fqdn:api.example.com:443/tcp is allowed and 0 more
            s11: holds for 1 pairs
            s12: holds for 1 pairs
            s13: BROKEN: shop/Pod/web -> fqdn:api.example.com:443/tcp is allowed and 0 more
        "#]],
    );
}
