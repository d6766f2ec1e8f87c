//! Identities, namespaces and entities (L-1..L-13, L-28..L-43).

use super::*;

#[test]
fn l_1_l_2_labels_of_identities() {
    for labels in [
        "{k8s:app: db}",
        "{any:app: db}",
        "{app: db}",
        "{k8s:io.cilium.k8s.policy.serviceaccount: builder}",
        "{io.cilium.k8s.policy.serviceaccount: builder, app: db}",
        "{k8s:io.cilium.k8s.policy.cluster: default, app: db}",
    ] {
        let case = ingress(&format!("{{fromEndpoints: [{{matchLabels: {labels}}}]}}"));
        case.check(&[("x/b -> x/a:80/tcp", true), ("w/c -> x/a:80/tcp", false)]);
    }
    for labels in [
        "{container:app: db}",
        "{k8s:io.cilium.k8s.policy.serviceaccount: default, app: db}",
        "{k8s:io.cilium.k8s.policy.cluster: other, app: db}",
        "{reserved:host: '', app: db}",
    ] {
        let case = ingress(&format!("{{fromEndpoints: [{{matchLabels: {labels}}}]}}"));
        case.check(&[("x/b -> x/a:80/tcp", false)]);
    }
    // A pod that names no account has the one called default.
    let case = Case::new(&ccnp(
        "p",
        "{endpointSelector: {matchExpressions: [{key: io.cilium.k8s.policy.serviceaccount, \
         operator: NotIn, values: [default]}]}, ingress: [{}]}",
    ));
    case.check(&[("w/c -> x/b:80/tcp", false), ("w/c -> x/a:80/tcp", true)]);
}

#[test]
fn l_3_world_labels_go_with_the_stack() {
    let item = "{fromEndpoints: [{matchLabels: {reserved:world: ''}}]}";
    ingress(item).check(&[
        ("203.0.113.5 -> x/a:80/tcp", true),
        ("node:n2 -> x/a:80/tcp", false),
        ("x/b -> x/a:80/tcp", false),
    ]);
    let policy = |label: &str| {
        let item = format!("{{fromEndpoints: [{{matchLabels: {{reserved:{label}: ''}}}}]}}");
        let policy = cnp(
            "p",
            &format!("{{endpointSelector: {A}, ingress: [{item}]}}"),
        );
        let dual = CLUSTER.replacen(
            "podIPs: [{ip: 10.0.0.1}]",
            "podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]",
            1,
        );
        Case::of("", &format!("{dual}{policy}"))
    };
    policy("world").check(&[("203.0.113.5 -> x/a:80/tcp", false)]);
    policy("world-ipv4").check(&[
        ("203.0.113.5 -> x/a:80/tcp", true),
        ("2001:db8::5 -> x/a:80/tcp", false),
    ]);
    policy("world-ipv6").check(&[("2001:db8::5 -> x/a:80/tcp", true)]);
}

#[test]
fn l_4_the_subject_stays_in_its_namespace() {
    let selects_a = |selector: &str| {
        let policy = cnp(
            "p",
            &format!("{{endpointSelector: {selector}, ingress: [{{}}]}}"),
        );
        !Case::new(&policy).verdict("x/b -> x/a:80/tcp").allowed
    };
    assert!(selects_a("{}"), "L-10");
    assert!(
        selects_a("{matchLabels: {k8s:io.kubernetes.pod.namespace: w}}"),
        "overridden"
    );
    assert!(
        !selects_a("{matchLabels: {io.kubernetes.pod.namespace: w}}"),
        "it stays"
    );
    assert!(selects_a("{matchLabels: {io.kubernetes.pod.namespace: x}}"));
    let expression = "{matchExpressions: [{key: k8s:io.kubernetes.pod.namespace, operator: In, \
                      values: [w]}]}";
    assert!(!selects_a(expression), "it stays");
    let all = Case::new(&cnp("p", "{endpointSelector: {}, ingress: [{}]}"));
    all.check(&[("x/b -> w/c:80/tcp", true)]);
}

#[test]
fn l_5_to_l_9_l_13_l_35_namespaces_of_peers() {
    let of = |entry: &str| ingress(&format!("{{fromEndpoints: [{entry}]}}"));
    of("{}").check(&[
        ("x/b -> x/a:80/tcp", true),
        ("w/c -> x/a:80/tcp", false),
        ("203.0.113.5 -> x/a:80/tcp", false),
        ("node:n2 -> x/a:80/tcp", false),
    ]);
    for foreign in [
        "{matchLabels: {k8s:io.kubernetes.pod.namespace: w}}",
        "{matchLabels: {io.kubernetes.pod.namespace: w}}",
        "{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: In, values: [w]}]}",
        "{matchLabels: {io.cilium.k8s.namespace.labels.team: blue}}",
    ] {
        of(foreign).check(&[("w/c -> x/a:80/tcp", true), ("x/b -> x/a:80/tcp", false)]);
    }
    let own = "{matchExpressions: [{key: app, operator: NotIn, values: [db]}]}";
    of(own).check(&[
        ("x/b -> x/a:80/tcp", false),
        ("w/c -> x/a:80/tcp", false),
        ("203.0.113.5 -> x/a:80/tcp", false),
    ]);
    // As written: whoever has no such namespace, nodes and the world included.
    let elsewhere = "{matchExpressions: [{key: k8s:io.kubernetes.pod.namespace, operator: NotIn, \
                     values: [x]}]}";
    of(elsewhere).check(&[
        ("x/b -> x/a:80/tcp", false),
        ("w/c -> x/a:80/tcp", true),
        ("203.0.113.5 -> x/a:80/tcp", true),
        ("node:n2 -> x/a:80/tcp", true),
    ]);
}

#[test]
fn l_8_l_9_cluster_wide_peers() {
    let of = |entry: &str| {
        let spec = format!("{{endpointSelector: {{}}, ingress: [{{fromEndpoints: [{entry}]}}]}}");
        Case::new(&ccnp("p", &spec))
    };
    of("{}").check(&[
        ("w/c -> x/a:80/tcp", true),
        ("203.0.113.5 -> x/a:80/tcp", false),
        ("node:n2 -> x/a:80/tcp", false),
    ]);
    let not_db = "{matchExpressions: [{key: app, operator: NotIn, values: [db]}]}";
    of(not_db).check(&[
        ("w/c -> x/a:80/tcp", true),
        ("x/b -> x/a:80/tcp", false),
        ("203.0.113.5 -> x/a:80/tcp", false),
    ]);
    let not_blue = "{matchExpressions: [{key: io.cilium.k8s.namespace.labels.team, operator: NotIn, \
                    values: [blue]}]}";
    of(not_blue).check(&[
        ("x/b -> x/a:80/tcp", true),
        ("w/c -> x/a:80/tcp", false),
        ("203.0.113.5 -> x/a:80/tcp", false),
    ]);
    of("{matchLabels: {reserved:remote-node: ''}}").check(&[
        ("node:n2 -> x/a:80/tcp", true),
        ("w/c -> x/a:80/tcp", false),
    ]);
    of("{matchLabels: {reserved:kube-apiserver: ''}}").check(&[
        ("node:cp -> x/a:80/tcp", true),
        ("node:n2 -> x/a:80/tcp", false),
        ("198.51.100.10 -> x/a:80/tcp", true),
        ("198.51.100.11 -> x/a:80/tcp", false),
    ]);
    let workers = "{matchLabels: {reserved:remote-node: ''}, matchExpressions: [{key: \
                   reserved:kube-apiserver, operator: DoesNotExist}]}";
    of(workers).check(&[
        ("node:cp -> x/a:80/tcp", false),
        ("node:n2 -> x/a:80/tcp", true),
    ]);
}

#[test]
fn l_28_to_l_31_items_with_and_without_peers() {
    ingress("{}").check(&[("x/b -> x/a:80/tcp", false)]);
    ingress("{toPorts: [{ports: [{port: '80'}]}]}").check(&[
        ("x/b -> x/a:80/tcp", true),
        ("203.0.113.5 -> x/a:80/tcp", true),
        ("node:n2 -> x/a:80/tcp", true),
        ("x/b -> x/a:81/tcp", false),
    ]);
    ingress("{icmps: [{fields: [{type: 8}]}]}").check(&[("203.0.113.5 -> x/a:8/icmp", true)]);
    let ports = "toPorts: [{ports: [{port: '80'}]}]";
    for list in [
        "fromEndpoints",
        "fromEntities",
        "fromCIDR",
        "fromCIDRSet",
        "fromNodes",
    ] {
        let case = ingress(&format!("{{{list}: [], {ports}}}"));
        case.check(&[
            ("x/b -> x/a:80/tcp", false),
            ("203.0.113.5 -> x/a:80/tcp", false),
        ]);
    }
    for list in ["toServices", "toFQDNs"] {
        let case = egress(&format!("{{{list}: [], {ports}}}"));
        case.check(&[
            ("x/a -> x/b:80/tcp", true),
            ("x/a -> 203.0.113.5:80/tcp", true),
        ]);
    }
    ingress("{fromEndpoints: [{}]}")
        .check(&[("x/b -> x/a:9/sctp", true), ("x/b -> x/a:13/icmp", true)]);
}

#[test]
fn l_36_to_l_42_entities() {
    let from = |entity: &str| ingress(&format!("{{fromEntities: [{entity}]}}"));
    let all = [
        "x/b",
        "node:n2",
        "node:cp",
        "x/h",
        "203.0.113.5",
        "198.51.100.10",
    ];
    for (entity, admitted) in [
        ("all", &all[..]),
        ("none", &[]),
        ("world", &["203.0.113.5", "198.51.100.10"]),
        (
            "cluster",
            &["x/b", "node:n2", "node:cp", "x/h", "198.51.100.10"],
        ),
        ("host", &[]),
        ("remote-node", &["node:n2", "node:cp", "x/h"]),
        ("kube-apiserver", &["node:cp", "198.51.100.10"]),
        ("init", &[]),
        ("health", &[]),
        ("unmanaged", &[]),
        ("ingress", &[]),
    ] {
        let case = from(entity);
        for peer in all {
            let text = format!("{peer} -> x/a:80/tcp");
            assert_eq!(
                case.verdict(&text).allowed,
                admitted.contains(&peer),
                "{entity}: {text}"
            );
        }
    }
    let own = egress("{toEntities: [host]}");
    own.check(&[
        ("x/a -> node:n1:10250/tcp", true),
        ("x/a -> node:n2:10250/tcp", false),
        ("x/a -> x/h:80/tcp", false),
    ]);
}

#[test]
fn l_42_pods_are_managed() {
    let case = egress("{toEntities: [unmanaged, init]}");
    case.check(&[("x/a -> x/b:80/tcp", false)]);
}

#[test]
fn l_59_nodes_by_their_labels() {
    ingress("{fromNodes: [{matchLabels: {zone: b}}]}").check(&[
        ("node:n2 -> x/a:80/tcp", true),
        ("x/h -> x/a:80/tcp", true),
        ("node:cp -> x/a:80/tcp", false),
        ("x/b -> x/a:80/tcp", false),
    ]);
}

#[test]
fn l_71_host_network_pods_have_no_labels() {
    ingress("{fromEndpoints: [{matchLabels: {app: web}}]}").check(&[("x/h -> x/a:80/tcp", false)]);
    let case = Case::new(&cnp(
        "p",
        "{endpointSelector: {}, ingress: [{}], egress: [{}]}",
    ));
    case.check(&[("w/c -> x/h:80/tcp", true), ("x/h -> w/c:80/tcp", true)]);
}

#[test]
fn l_41_the_api_server_without_namespaces_and_pods() {
    let yaml = "
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
endpoints: [{addresses: [198.51.100.10]}]
ports: [{port: 6443}]
";
    let service = "---
apiVersion: v1
kind: Service
metadata: {name: kubernetes, namespace: default}
spec: {clusterIP: 10.96.0.1, ports: [{port: 443, targetPort: 6443}]}
";
    let policy = ccnp(
        "p",
        "{nodeSelector: {}, egress: [{toEntities: [kube-apiserver]}]}",
    );
    Case::of("", &format!("{yaml}{service}{policy}")).check(&[
        ("node:n1 -> 198.51.100.10:6443/tcp", true),
        ("node:n1 -> 203.0.113.5:6443/tcp", false),
    ]);
}
