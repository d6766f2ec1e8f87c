//! K-51, K-76, K-79..K-83: Services.

use super::{Case, check, check_with, policy, with};

const WEB: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: x, labels: {app: trusted}}
spec:
  clusterIP: 10.96.0.10
  selector: {app: web}
  ports: [{port: 8000, targetPort: http}]
";

fn egress(rule: &str) -> String {
    let spec = format!("podSelector: {{}}\npolicyTypes: [Egress]\negress: [{rule}]");
    policy("w/p", &spec)
}

/// `w/c` dials port 8000 of the Service; its backends listen on 80.
fn dialled(case: &Case) -> Vec<bool> {
    let verdicts = case.verdicts("w/c -> svc:x/web:8000/tcp");
    verdicts.iter().map(|verdict| verdict.allowed).collect()
}

#[test]
fn k_51_k_79_the_backends_port_counts() {
    let case = |rule: &str| with("", &format!("{WEB}{}", egress(rule)));
    // x/a and x/h are behind it.
    assert_eq!(dialled(&case("{ports: [{port: 80}]}")), [true, true]);
    assert_eq!(dialled(&case("{ports: [{port: 8000}]}")), [false, false]);
    let cluster_ip = "{to: [{ipBlock: {cidr: 10.96.0.0/16}}]}";
    assert_eq!(dialled(&case(cluster_ip)), [false, false]);
    let ingress = policy(
        "x/in",
        "podSelector: {}\ningress: [{ports: [{port: 8000}]}]",
    );
    check(
        &format!("{WEB}{ingress}"),
        &[("w/c -> x/a:8000/tcp", true), ("w/c -> x/a:80/tcp", false)],
    );
}

#[test]
fn k_79_an_engine_may_look_before_translation() {
    let case = |rule: &str| with("service_dnat=pre", &format!("{WEB}{}", egress(rule)));
    assert_eq!(dialled(&case("{ports: [{port: 80}]}")), [false, false]);
    assert_eq!(dialled(&case("{ports: [{port: 8000}]}")), [true, true]);
    let cluster_ip = "{to: [{ipBlock: {cidr: 10.96.0.0/16}}]}";
    assert_eq!(dialled(&case(cluster_ip)), [true, true]);
    // The Service is no pod: neither labels nor port names apply to it.
    assert_eq!(
        dialled(&case("{to: [{namespaceSelector: {}}]}")),
        [false, false]
    );
    assert_eq!(dialled(&case("{ports: [{port: http}]}")), [false, false]);
    // The backend's ingress sees the pod and its port.
    let ingress = policy(
        "x/in",
        "podSelector: {}\ningress: [{from: [{namespaceSelector: {}}], ports: [{port: 80}]}]",
    );
    let both = egress("{ports: [{port: 8000}]}") + &ingress;
    assert_eq!(
        dialled(&with("service_dnat=pre", &format!("{WEB}{both}"))),
        [true, true]
    );
    // Dialled directly, a pod is a pod.
    check_with(
        "service_dnat=pre",
        &egress("{ports: [{port: 80}]}"),
        &[("w/c -> x/a:80/tcp", true)],
    );
}

#[test]
fn k_80_each_backend_has_its_verdict() {
    let deny_a = policy("x/in", "podSelector: {matchLabels: {app: web}}");
    // x/h is on the host network: no policy selects it.
    assert_eq!(dialled(&with("", &format!("{WEB}{deny_a}"))), [false, true]);
}

#[test]
fn k_81_labels_of_a_service_are_not_looked_at() {
    let to_label = |label: &str| {
        let peer = format!("podSelector: {{matchLabels: {{app: {label}}}}}");
        egress(&format!("{{to: [{{namespaceSelector: {{}}, {peer}}}]}}"))
    };
    let case = |label| {
        with(
            "host_network=pod-labels",
            &format!("{WEB}{}", to_label(label)),
        )
    };
    assert_eq!(dialled(&case("trusted")), [false, false]);
    assert_eq!(dialled(&case("web")), [true, true]);
}

#[test]
fn k_76_a_hairpin() {
    let deny = policy("x/p", "podSelector: {}\npolicyTypes: [Ingress, Egress]");
    let to_itself = |case: &Case| case.verdicts("x/a -> svc:x/web:8000/tcp")[0];
    let exempt = with("", &format!("{WEB}{deny}"));
    assert!(to_itself(&exempt).allowed);
    let policed = with("hairpin_service=policed", &format!("{WEB}{deny}"));
    assert!(!to_itself(&policed).allowed);
    policed.check(&[("x/a -> x/a:80/tcp", true)]);
    let own = policy(
        "x/own",
        "podSelector: {}\npolicyTypes: [Ingress, Egress]\ningress: [{from: [{podSelector: \
         {}}]}]\negress: [{to: [{podSelector: {}}]}]",
    );
    let both_sides = with("hairpin_service=policed", &format!("{WEB}{own}"));
    assert!(to_itself(&both_sides).allowed);
}

/// An IPv6 cluster address leads to the IPv6 addresses of the backends.
#[test]
fn k_79_a_service_is_dialled_in_the_family_of_its_address() {
    let service = WEB.replace("10.96.0.10", "'fd02::10'");
    let v4 = policy(
        "x/in",
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 10.0.1.0/24}}]}]",
    );
    let v6 = v4.replace("10.0.1.0/24", "'fd00:1::/64'");
    assert_eq!(dialled(&with("", &format!("{service}{v4}"))), [false, true]);
    assert_eq!(dialled(&with("", &format!("{service}{v6}"))), [true, true]);
}

#[test]
fn k_82_a_node_port_may_hide_the_client() {
    let client = policy(
        "x/in",
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]",
    );
    let node = policy(
        "x/in",
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 192.168.0.2/32}}]}]",
    );
    let through = "203.0.113.5 -> x/a:80/tcp through n2";
    check(&client, &[(through, true)]);
    check(&node, &[(through, false)]);
    check_with("snat=node-ip", &client, &[(through, false)]);
    check_with("snat=node-ip", &node, &[(through, true)]);
    // Without an entry node nothing is rewritten, and pods do not come from outside.
    check_with(
        "snat=node-ip",
        &client,
        &[("203.0.113.5 -> x/a:80/tcp", true)],
    );
    check_with(
        "snat=node-ip",
        &node,
        &[("w/c -> x/a:80/tcp through n2", false)],
    );
}

#[test]
fn k_83_a_service_without_selector_is_its_addresses() {
    let service = "
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: x}
spec: {clusterIP: 10.96.0.11, ports: [{name: db, port: 8000, targetPort: 5432}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: x, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [203.0.113.5]}, {addresses: [10.0.0.1]}]
ports: [{name: db, port: 5432}]
";
    let case = |cidr: &str| {
        let rule = format!("{{to: [{{ipBlock: {{cidr: {cidr}}}}}], ports: [{{port: 5432}}]}}");
        with("", &format!("{service}{}", egress(&rule)))
    };
    let mut open = dialled(&case("203.0.113.0/24"));
    open.sort_unstable();
    assert_eq!(open, [false, true]);
    assert_eq!(dialled(&case("10.96.0.0/16")), [false, false]);
    // An address that a pod owns is that pod.
    let by_label = egress("{to: [{namespaceSelector: {}}]}");
    let mut open = dialled(&with("", &format!("{service}{by_label}")));
    open.sort_unstable();
    assert_eq!(open, [false, true]);
}
