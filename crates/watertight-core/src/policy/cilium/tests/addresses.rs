//! Blocks, groups, services and names (L-44..L-58).

use super::*;

#[test]
fn l_44_to_l_51_blocks_are_about_the_outside() {
    for peers in ["toCIDR: [0.0.0.0/0]", "toCIDRSet: [{cidr: 0.0.0.0/0}]"] {
        egress(&format!("{{{peers}}}")).check(&[
            ("x/a -> 203.0.113.5:80/tcp", true),
            ("x/a -> 10.0.9.9:80/tcp", true),
            ("x/a -> x/b:80/tcp", false),
            ("x/a -> node:n2:80/tcp", false),
            ("x/a -> x/h:80/tcp", false),
        ]);
    }
    let nodes = cnp(
        "p",
        &format!("{{endpointSelector: {A}, egress: [{{toCIDR: [0.0.0.0/0]}}]}}"),
    );
    Case::with("cidr_match_nodes=true", &nodes).check(&[
        ("x/a -> node:n2:80/tcp", true),
        ("x/a -> x/b:80/tcp", false),
    ]);
    let except = "{toCIDRSet: [{cidr: 203.0.113.0/24, except: [203.0.113.128/25]}, {cidr: \
                  203.0.113.200/32}]}";
    egress(except).check(&[
        ("x/a -> 203.0.113.5:80/tcp", true),
        ("x/a -> 203.0.113.201:80/tcp", false),
        ("x/a -> 203.0.113.200:80/tcp", true), // L-49
    ]);
}

#[test]
fn l_52_groups() {
    let groups = |entry: &str| {
        let group = |name: &str, labels: &str, cidrs: &str| {
            let metadata = format!("name: {name}, labels: {{{labels}}}");
            object(
                "CiliumCIDRGroup",
                &metadata,
                &format!("{{externalCIDRs: [{cidrs}]}}"),
            )
        };
        let policy = format!("{{endpointSelector: {A}, egress: [{{toCIDRSet: [{entry}]}}]}}");
        Case::new(
            &[
                group("one", "kind: partner", "203.0.113.0/24, 198.51.100.0/24"),
                group("two", "kind: partner", "192.0.2.0/24"),
                group("three", "kind: other", "192.88.99.0/24"),
                cnp("p", &policy),
            ]
            .concat(),
        )
    };
    groups("{cidrGroupRef: one, except: [203.0.113.128/25, 198.51.0.0/16]}").check(&[
        ("x/a -> 203.0.113.5:80/tcp", true),
        ("x/a -> 203.0.113.129:80/tcp", false),
        ("x/a -> 198.51.100.1:80/tcp", false),
        ("x/a -> 192.0.2.1:80/tcp", false),
    ]);
    groups("{cidrGroupSelector: {matchLabels: {kind: partner}}}").check(&[
        ("x/a -> 203.0.113.5:80/tcp", true),
        ("x/a -> 192.0.2.1:80/tcp", true),
        ("x/a -> 192.88.99.1:80/tcp", false),
    ]);
    groups("{cidrGroupRef: missing}").check(&[("x/a -> 203.0.113.5:80/tcp", false)]);
}

#[test]
fn l_53_an_api_server_outside_has_two_identities() {
    let api = "x/a -> 198.51.100.10:6443/tcp";
    egress("{toCIDR: [198.51.100.0/24]}").check(&[(api, true)]);
    egress("{toEntities: [kube-apiserver]}").check(&[
        (api, true),
        ("x/a -> 198.51.100.11:6443/tcp", false),
        ("x/a -> node:cp:6443/tcp", true),
    ]);
}

const SERVICES: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: w, labels: {kind: shop}}
spec: {selector: {app: web}, clusterIP: 10.96.0.40, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: ext, namespace: x}
spec: {clusterIP: 10.96.0.41, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ext, namespace: x, labels: {kubernetes.io/service-name: ext}}
endpoints: [{addresses: [203.0.113.9, 192.168.0.2, 10.0.0.2]}]
ports: [{port: 80}]
";

#[test]
fn l_54_l_55_services() {
    let to = |rest: &str| {
        let policy = format!("{{endpointSelector: {A}, egress: [{{{rest}}}]}}");
        Case::new(&format!("{SERVICES}{}", cnp("p", &policy)))
    };
    let web = "toServices: [{k8sService: {serviceName: web, namespace: w}}]";
    to(web).check(&[
        ("x/a -> w/c:80/tcp", true),
        ("x/a -> w/c:9/udp", true),
        ("x/a -> x/b:80/tcp", false),
    ]);
    to(&format!(
        "{web}, toPorts: [{{ports: [{{port: '80', protocol: TCP}}]}}]"
    ))
    .check(&[("x/a -> w/c:80/tcp", true), ("x/a -> w/c:81/tcp", false)]);
    to("toServices: [{k8sService: {serviceName: web}}]").check(&[("x/a -> w/c:80/tcp", false)]);
    let labelled = |rest: &str| {
        to(&format!(
            "toServices: [{{k8sServiceSelector: {{selector: {{matchLabels: {{kind: shop}}}}{rest}}}}}]"
        ))
    };
    labelled("").check(&[("x/a -> w/c:80/tcp", true), ("x/a -> x/b:80/tcp", false)]);
    labelled(", namespace: w").check(&[("x/a -> w/c:80/tcp", true)]);
    labelled(", namespace: x").check(&[("x/a -> w/c:80/tcp", false)]);
    to("toServices: [{k8sService: {serviceName: ext}}]").check(&[
        ("x/a -> 203.0.113.9:80/tcp", true),
        ("x/a -> 203.0.113.8:80/tcp", false),
        ("x/a -> node:n2:80/tcp", false),
        ("x/a -> x/b:80/tcp", false),
    ]);
}

/// A rule that lets `x/a` look names up.
fn lookups(patterns: &str) -> String {
    format!(
        "{{toEntities: [all], toPorts: [{{ports: [{{port: '53'}}], rules: {{dns: [{patterns}]}}}}]}}"
    )
}

#[test]
fn l_56_l_57_names_need_lookups_that_are_seen() {
    let names = "{toFQDNs: [{matchName: a.io}, {matchPattern: '*.a.io'}]}";
    egress(names).check(&[("x/a -> name:a.io:443/tcp", false)]);
    let with = |patterns: &str| egress(&format!("{names}, {}", lookups(patterns)));
    with("{matchPattern: '*'}").check(&[
        ("x/a -> name:a.io:443/tcp", true),
        ("x/a -> name:www.a.io:443/tcp", true),
        ("x/a -> name:deep.www.a.io:443/tcp", false),
        ("x/a -> name:b.io:443/tcp", false),
        ("x/a -> name:b.io:53/udp", true),
        ("x/a -> x/b:443/tcp", false), // L-58
        ("x/a -> node:n2:443/tcp", false),
    ]);
    with("{matchName: a.io}").check(&[
        ("x/a -> name:a.io:443/tcp", true),
        ("x/a -> name:www.a.io:443/tcp", false),
    ]);
    with("{matchPattern: 'w*.a.io'}, {matchName: b.io}").check(&[
        ("x/a -> name:a.io:443/tcp", false),
        ("x/a -> name:www.a.io:443/tcp", true),
        ("x/a -> name:b.io:443/tcp", false),
    ]);
}

#[test]
fn l_57_a_name_that_no_rule_lets_look_up_admits_nobody() {
    let spec = "{endpointSelector: {}, egress: [{toFQDNs: [{matchName: a.io}]}, {toEndpoints: [{}], \
                toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchName: b.io}]}}]}]}";
    let policy = cnp("p", spec);
    // Another name leads to the same address, and may be looked up.
    let names: &[(&str, &[&str])] = &[("a.io", &["203.0.113.9"]), ("b.io", &["203.0.113.9"])];
    let case = crate::policy::testing::Asked::new("cilium", names, &[policy]);
    case.check(&[
        ("x/a -> name:a.io 443/tcp", false),
        ("x/a -> 203.0.113.9 443/tcp", false),
    ]);
}

#[test]
fn l_57_lookups_of_the_same_endpoint() {
    let names = cnp(
        "names",
        "{endpointSelector: {}, egress: [{toFQDNs: [{matchName: a.io}]}]}",
    );
    let dns = |selector: &str, patterns: &str| {
        let spec = format!(
            "{{endpointSelector: {selector}, egress: [{}]}}",
            lookups(patterns)
        );
        [cnp("dns", &spec), ccnp("dns", &spec)]
    };
    let any = "{matchPattern: '*'}";
    for dns in dns(A, any) {
        Case::new(&format!("{names}{dns}")).check(&[
            ("x/a -> name:a.io:443/tcp", true),
            ("x/b -> name:a.io:443/tcp", false),
        ]);
    }
    for dns in dns("{}", any) {
        Case::new(&format!("{names}{dns}")).check(&[
            ("x/a -> name:a.io:443/tcp", true),
            ("x/b -> name:a.io:443/tcp", true),
        ]);
    }
    let [elsewhere, _] = dns("{}", any);
    let elsewhere = elsewhere.replace("namespace: x", "namespace: w");
    Case::new(&format!("{names}{elsewhere}")).check(&[("x/a -> name:a.io:443/tcp", false)]);
    // The same of a cluster-wide rule.
    let [of_x, _] = dns("{}", any);
    let spec = "{endpointSelector: {}, egress: [{toFQDNs: [{matchName: a.io}]}]}";
    Case::new(&format!("{}{of_x}", ccnp("names", spec))).check(&[
        ("x/a -> name:a.io:443/tcp", true),
        ("w/c -> name:a.io:443/tcp", false),
    ]);
    // One rule for all endpoints and another one for some.
    let [all, _] = dns("{}", "{matchName: b.io}");
    let [_, some] = dns(
        "{matchLabels: {k8s:io.kubernetes.pod.namespace: x, app: db}}",
        any,
    );
    Case::new(&format!("{names}{all}{some}")).check(&[
        ("x/a -> name:a.io:443/tcp", false),
        ("x/b -> name:a.io:443/tcp", true),
    ]);
}

#[test]
fn l_57_names_and_nodes() {
    let firewall = |zone: &str| {
        ccnp(
            "fw",
            &format!(
                "{{nodeSelector: {{matchLabels: {{zone: {zone}}}}}, egress: [{{toFQDNs: \
                 [{{matchName: a.io}}]}}]}}"
            ),
        )
    };
    let dns = ccnp(
        "dns",
        &format!(
            "{{nodeSelector: {{matchLabels: {{zone: b}}}}, egress: [{}]}}",
            lookups("{matchPattern: '*'}")
        ),
    );
    Case::new(&format!("{}{dns}", firewall("b"))).check(&[("node:n2 -> name:a.io:443/tcp", true)]);
    Case::new(&format!("{}{dns}", firewall("a"))).check(&[("node:n1 -> name:a.io:443/tcp", false)]);
}
