//! The traffic of rules (A-34..A-38, A-48).

use super::*;

#[test]
fn a_48_ranges() {
    let range = |start, end| {
        with_protocol(&format!(
            "{{tcp: {{destinationPort: {{range: {{start: {start}, end: {end}}}}}}}}}"
        ))
    };
    accepted(&range(80, 81));
    refused(&range(80, 80), "A-48");
    refused(&range(81, 80), "A-48");
    refused(&range(0, 80), "A-35");
    refused(&range(1, 65536), "A-35");
    // v1alpha1 says so in its text only: a server accepts it.
    accepted(&with_port("{portRange: {start: 80, end: 80}}"));
}

#[test]
fn a_34_ports() {
    let port = |item: &str| {
        let policy = accepted(&with_port(item));
        policy.ingress[0].ports.clone().unwrap().remove(0)
    };
    let range = |item: &str| match port(item) {
        AdminPort::Range {
            protocol,
            first,
            last,
            ..
        } => (protocol.word(), first, last),
        other @ AdminPort::Named { .. } => panic!("{other:?}"),
    };
    assert_eq!(range("{portNumber: {port: 80}}"), ("tcp", 80, 80));
    assert_eq!(
        range("{portRange: {protocol: UDP, start: 1000, end: 1005}}"),
        ("udp", 1000, 1005)
    );
    assert!(matches!(port("{namedPort: pg}"), AdminPort::Named { name, .. } if &*name == "pg"));
    for wrong in [
        "{portNumber: {protocol: tcp, port: 80}}",
        "{portNumber: {port: 0}}",
        "{portNumber: {port: 65536}}",
        "{portNumber: {protocol: TCP}}",
        "{portRange: {start: 1}}",
    ] {
        refused(&with_port(wrong), "A-34");
    }
    let all = accepted(&with_rule(
        "ingress",
        "{action: Deny, from: [{namespaces: {}}]}",
    ));
    assert!(all.ingress[0].ports.is_none());
}

#[test]
fn a_35_a_37_protocols() {
    let policy = accepted(&with_protocol(
        "{sctp: {destinationPort: {number: 7}}}, {udp: {destinationPort: {range: {start: 1, end: \
         65535}}}}, {destinationNamedPort: http}",
    ));
    let shown: Vec<_> = policy.ingress[0]
        .ports
        .iter()
        .flatten()
        .map(|port| match port {
            AdminPort::Range {
                protocol,
                first,
                last,
                ..
            } => format!("{first}-{last}/{}", protocol.word()),
            AdminPort::Named { name, .. } => name.to_string(),
        })
        .collect();
    assert_eq!(shown, ["7-7/sctp", "1-65535/udp", "http"]);
    refused(&with_protocol("{tcp: {}}"), "A-37");
    refused(&with_protocol("{tcp: {destinationPort: null}}"), "A-37");
}

#[test]
fn a_38_named_ports_need_pods() {
    let egress = |to: &str, protocols: &str| {
        with_rule(
            "egress",
            &format!("{{action: Accept, to: [{to}], protocols: [{protocols}]}}"),
        )
    };
    let named = "{destinationNamedPort: http}";
    accepted(&egress(ALL, named));
    for nameless in [
        "{networks: [10.0.0.0/8]}",
        "{nodes: {}}",
        "{domainNames: [a.io]}",
        "{namespaces: {}}, {nodes: {}}",
    ] {
        refused(&egress(nameless, named), "A-38");
        accepted(&egress(nameless, "{tcp: {destinationPort: {number: 1}}}"));
    }
}
