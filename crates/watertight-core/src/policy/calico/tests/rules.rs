//! Protocols, ports, families, Services and requests.

use super::*;

fn ingress(rule: &str) -> Case {
    case(&[np(
        "x/p",
        &format!("{{ingress: [{{action: Allow, {rule}}}]}}"),
    )])
}

fn egress(rule: &str, more: &[String]) -> Case {
    let policy = format!("{{types: [Egress], egress: [{{action: Allow, {rule}}}]}}");
    case(&[&[np("x/p", &policy)], more].concat())
}

#[test]
fn c_44_families() {
    let v6 = ingress("ipVersion: 6");
    v6.allows(&["w/a -> x/a 80/tcp v6"]);
    v6.denies(&["w/a -> x/a 80/tcp"]);
    // Networks of one family keep a rule to it, excluded ones too.
    let not = ingress("source: {notNets: [192.0.2.0/24]}");
    not.allows(&["w/a -> x/a 80/tcp"]);
    not.denies(&["w/a -> x/a 80/tcp v6"]);
    let not = ingress("destination: {notNets: ['2001:db8::/32']}");
    not.allows(&["w/a -> x/a 80/tcp v6"]);
    not.denies(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_45_protocols() {
    let udp = ingress("protocol: UDP");
    udp.allows(&["w/a -> x/a 1/udp"]);
    udp.denies(&["w/a -> x/a 1/tcp", "w/a -> x/a icmp:8.0"]);
    ingress("protocol: 132").allows(&["w/a -> x/a 1/sctp"]);
    ingress("protocol: 47").denies(&["w/a -> x/a 1/tcp", "w/a -> x/a icmp:8.0"]);
    let not = ingress("notProtocol: TCP");
    not.allows(&[
        "w/a -> x/a 1/udp",
        "w/a -> x/a icmp:8.0",
        "w/a -> x/a icmp:128.0 v6",
    ]);
    not.denies(&["w/a -> x/a 1/tcp"]);
    ingress("notProtocol: 47").allows(&["w/a -> x/a 1/tcp", "w/a -> x/a icmp:8.0"]);
    ingress("protocol: TCP, notProtocol: TCP").denies(&["w/a -> x/a 1/tcp"]);
}

#[test]
fn c_46_c_48_ports() {
    let ports = ingress("protocol: TCP, destination: {ports: [81, '90:95', http]}");
    ports.allows(&[
        "w/a -> x/a 81/tcp",
        "w/a -> x/a 90/tcp",
        "w/a -> x/a 95/tcp",
    ]);
    ports.allows(&["w/a -> x/a 80/tcp", "w/a -> x/b 8080/tcp"]);
    ports.denies(&[
        "w/a -> x/a 8080/tcp",
        "w/a -> x/b 80/tcp",
        "w/a -> x/a 81/udp",
        "w/a -> x/a 96/tcp",
    ]);
    // The name is one of another protocol.
    ingress("protocol: TCP, destination: {ports: [dns]}")
        .denies(&["w/a -> x/a 53/tcp", "w/a -> x/a 53/udp"]);
    let any = ingress("destination: {ports: [dns, http]}");
    any.allows(&["w/a -> x/a 53/udp", "w/a -> x/a 80/tcp"]);
    any.denies(&["w/a -> x/a 53/tcp", "w/a -> x/a icmp:8.0"]);
    let out = egress("protocol: TCP, destination: {ports: [http]}", &[]);
    out.allows(&["x/a -> w/a 80/tcp", "x/a -> x/b 8080/tcp"]);
    out.denies(&["x/a -> x/b 80/tcp", "x/a -> 198.51.100.1 80/tcp"]);
}

#[test]
fn c_47_c_48_excluded_ports() {
    let not = ingress("protocol: TCP, destination: {notPorts: [22, '6000:6999', http]}");
    not.allows(&[
        "w/a -> x/a 23/tcp",
        "w/a -> x/a 8080/tcp",
        "w/a -> x/b 80/tcp",
    ]);
    not.denies(&[
        "w/a -> x/a 22/tcp",
        "w/a -> x/a 6500/tcp",
        "w/a -> x/a 80/tcp",
        "w/a -> x/b 8080/tcp",
    ]);
    not.denies(&["w/a -> x/a 23/udp"]);
    let both = ingress("protocol: TCP, destination: {ports: ['80:90'], notPorts: [80, 85, 90]}");
    both.allows(&[
        "w/a -> x/a 81/tcp",
        "w/a -> x/a 84/tcp",
        "w/a -> x/a 89/tcp",
    ]);
    both.denies(&[
        "w/a -> x/a 80/tcp",
        "w/a -> x/a 85/tcp",
        "w/a -> x/a 90/tcp",
        "w/a -> x/a 91/tcp",
    ]);
    let names = ingress("protocol: TCP, destination: {ports: ['80:90'], notPorts: [http]}");
    names.allows(&["w/a -> x/a 81/tcp", "w/a -> x/b 80/tcp"]);
    names.denies(&["w/a -> x/a 80/tcp", "w/a -> x/a 91/tcp"]);
    let any = ingress("destination: {notPorts: [http]}");
    any.allows(&[
        "w/a -> x/a 80/udp",
        "w/a -> x/a icmp:8.0",
        "w/a -> x/a 81/tcp",
    ]);
    any.denies(&["w/a -> x/a 80/tcp"]);
}

#[test]
fn c_47_source_ports() {
    let from = ingress("protocol: TCP, source: {ports: ['1024:65535'], notPorts: [5000]}");
    from.allows(&["w/a -> x/a 80/tcp from=1024", "w/a -> x/a 80/tcp from=4999"]);
    from.denies(&[
        "w/a -> x/a 80/tcp from=1023",
        "w/a -> x/a 80/tcp from=5000",
        "w/a -> x/a 80/udp from=1024",
    ]);
    let not = ingress("protocol: TCP, source: {notPorts: ['1:1023']}");
    not.allows(&["w/a -> x/a 80/tcp from=1024"]);
    not.denies(&["w/a -> x/a 80/tcp from=1023"]);
    // Without a source port in the question, both answers are possible.
    let verdicts = from.verdicts("w/a -> x/a 80/tcp");
    assert_eq!(
        verdicts[0].uncertain.map(|uncertain| uncertain.id),
        Some("C-47")
    );
    // A source port is one of the own end, too.
    let own = egress("protocol: TCP, source: {ports: [80]}", &[]);
    own.allows(&["x/a -> w/a 1/tcp from=80"]);
    own.denies(&["x/a -> w/a 1/tcp from=81"]);
    let named = ingress("protocol: TCP, source: {ports: [http]}");
    named.allows(&["w/a -> x/a 1/tcp from=80"]);
    named.denies(&["w/a -> x/a 1/tcp from=81"]);
    // Messages have no ports, and what asks for one is not about them (C-46, C-49).
    let any = ingress("source: {ports: [http]}");
    any.allows(&["w/a -> x/a 1/tcp from=80"]);
    any.denies(&["w/a -> x/a icmp:8.0", "w/a -> x/a icmp:128.0 v6"]);
}

#[test]
fn c_49_messages() {
    let echo = ingress("protocol: ICMP, icmp: {type: 8}");
    echo.allows(&["w/a -> x/a icmp:8.0", "w/a -> x/a icmp:8.7"]);
    echo.denies(&[
        "w/a -> x/a icmp:9.0",
        "w/a -> x/a icmp:8.0 v6",
        "w/a -> x/a 8/tcp",
    ]);
    let code = ingress("protocol: ICMP, icmp: {type: 3, code: 4}");
    code.allows(&["w/a -> x/a icmp:3.4"]);
    code.denies(&["w/a -> x/a icmp:3.3"]);
    let not = ingress("protocol: ICMP, notICMP: {type: 8, code: 0}");
    not.allows(&[
        "w/a -> x/a icmp:8.1",
        "w/a -> x/a icmp:0.0",
        "w/a -> x/a icmp:13.0",
    ]);
    not.denies(&["w/a -> x/a icmp:8.0", "w/a -> x/a 80/tcp"]);
    let any = ingress("protocol: ICMPv6");
    any.allows(&["w/a -> x/a icmp:128.0 v6"]);
    any.denies(&["w/a -> x/a icmp:8.0"]);
    // No port of a rule is one of ICMP.
    ingress("protocol: TCP, destination: {ports: [80]}").denies(&["w/a -> x/a icmp:0.80"]);
}

const SERVICES: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: w}
spec:
  clusterIP: 10.96.0.1
  selector: {pod: a}
  ports: [{name: w, port: 80, targetPort: http}, {name: u, port: 9, targetPort: 99, protocol: UDP}]
---
apiVersion: v1
kind: Service
metadata: {name: out, namespace: w}
spec: {clusterIP: 10.96.0.2, ports: [{port: 443, targetPort: 8443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: out-1, namespace: w, labels: {kubernetes.io/service-name: out}}
addressType: IPv4
endpoints: [{addresses: [198.51.100.7]}]
ports: [{port: 8443, protocol: TCP}]
---
apiVersion: v1
kind: Service
metadata: {name: host, namespace: x}
spec: {selector: {pod: h}, ports: [{port: 80, targetPort: 8000}]}
";

#[test]
fn c_50_destinations_behind_services() {
    let more = [SERVICES.to_owned()];
    let of =
        |name: &str, rule: &str| egress(&format!("{rule}destination: {{services: {name}}}"), &more);
    let web = of("{name: web, namespace: w}", "");
    web.allows(&[
        "x/a -> svc:w/web 80/tcp",
        "x/a -> w/a 80/tcp",
        "x/a -> w/a 99/udp",
    ]);
    web.denies(&[
        "x/a -> w/a 99/tcp",
        "x/a -> w/a 8080/tcp",
        "x/a -> x/b 8080/tcp",
    ]);
    web.denies(&["x/a -> z/a 80/tcp"]);
    let udp = of("{name: web, namespace: w}", "protocol: UDP, ");
    udp.allows(&["x/a -> w/a 99/udp"]);
    udp.denies(&["x/a -> w/a 80/tcp"]);
    let out = of("{name: out, namespace: w}", "");
    out.allows(&["x/a -> 198.51.100.7 8443/tcp"]);
    out.denies(&[
        "x/a -> 198.51.100.7 443/tcp",
        "x/a -> 198.51.100.8 8443/tcp",
    ]);
    let host = of("{name: host, namespace: x}", "");
    host.allows(&["x/a -> x/h 8000/tcp"]);
    host.denies(&["x/a -> x/h 80/tcp"]);
    of("{name: missing, namespace: w}", "").denies(&["x/a -> w/a 80/tcp"]);
}

#[test]
fn c_51_requests() {
    let get = ingress("protocol: TCP, http: {methods: [GET], paths: [{exact: /a}, {prefix: /b/}]}");
    get.allows(&["w/a -> x/a 80/tcp"]);
    get.denies(&["w/a -> x/a 80/udp"]);
    let admits = |method, path| get.admits("w/a -> x/a 80/tcp", method, path);
    assert!(admits("GET", "/a") && admits("GET", "/b/c"));
    assert!(!admits("GET", "/a/b") && !admits("POST", "/a") && !admits("GET", "/b"));
}

#[test]
fn c_52_services_are_translated_before() {
    let cluster_ip = egress(
        "destination: {nets: [10.96.0.0/16]}",
        &[SERVICES.to_owned()],
    );
    cluster_ip.denies(&["x/a -> svc:w/web 80/tcp"]);
}
