//! What one rule may say.

use expect_test::expect;

use super::*;
use crate::sets::{CalicoSelector, Family};

#[test]
fn c_74_actions() {
    for (word, action) in [
        ("Allow", CalicoAction::Allow),
        ("Deny", CalicoAction::Deny),
        ("Log", CalicoAction::Log),
        ("Pass", CalicoAction::Pass),
    ] {
        let found = rule(&np(&format!("{{ingress: [{{action: {word}}}]}}")));
        assert_eq!(found.action, action);
    }
    expect![[r#"
        error[WT003] `allow` is no action
          about: NetworkPolicy x/p
          field: spec.ingress[0].action
          at t.yaml:4:27: `allow` 
          why: C-74
          fix: write `Allow`
    "#]]
    .assert_eq(&refused(&np("{ingress: [{action: allow}]}")));
    assert!(refused(&np("{egress: [{}]}")).contains("a rule needs an `action`"));
}

#[test]
fn c_45_protocols() {
    let number = |protocol: &str| rule(&ingress(&format!("protocol: {protocol}"))).protocol;
    for (written, expected) in [
        ("TCP", 6),
        ("UDP", 17),
        ("ICMP", 1),
        ("ICMPv6", 58),
        ("SCTP", 132),
        ("UDPLite", 136),
        ("47", 47),
        ("'47'", 47),
        ("255", 255),
    ] {
        assert_eq!(number(written).unwrap().number, expected, "{written}");
    }
    for wrong in ["tcp", "0", "256", "-1", "GRE", "''"] {
        let said = refused(&ingress(&format!("protocol: {wrong}")));
        assert!(said.contains("C-45"), "{wrong}\n{said}");
    }
    assert!(refused(&ingress("notProtocol: udp")).contains("write `UDP`"));
    let not = rule(&ingress("notProtocol: ICMP"));
    assert_eq!(not.not_protocol.unwrap().number, CalicoProtocol::ICMP);
}

#[test]
fn c_46_c_75_ports() {
    let ports = |list: &str| {
        let rule = rule(&ingress(&format!(
            "protocol: TCP, destination: {{ports: {list}}}"
        )));
        let kinds = rule.destination.ports.into_iter().map(|port| port.kind);
        kinds.collect::<Vec<_>>()
    };
    use CalicoPortKind::{Name, Range};
    assert_eq!(
        ports("[80, '443', '8000:8100', http]"),
        [
            Range(80, 80),
            Range(443, 443),
            Range(8000, 8100),
            Name("http".into())
        ]
    );
    for wrong in [
        "0",
        "65536",
        "-1",
        "'0'",
        "'0:65535'",
        "'90:80'",
        "'80:'",
        "80-90",
        "HTTP",
        "''",
        "1.5",
        "true",
    ] {
        let said = refused(&ingress(&format!(
            "protocol: TCP, source: {{ports: [{wrong}]}}"
        )));
        assert!(said.contains("C-75"), "{wrong}\n{said}");
    }
    expect![[r#"
        error[WT003] `80-90` is no range of ports
          about: NetworkPolicy x/p
          field: spec.ingress[0].destination.ports[0]
          at t.yaml:4:71: `80-90` 
          why: C-46 C-75
          fix: write `80:90`
    "#]]
    .assert_eq(&refused(&ingress(
        "protocol: TCP, destination: {ports: [80-90]}",
    )));
}

#[test]
fn c_46_ports_need_a_protocol() {
    accepted(&ingress("destination: {ports: [http]}"));
    accepted(&ingress("protocol: 132, destination: {notPorts: [80]}"));
    expect![[r#"
        error[WT003] ports need `protocol: TCP`, `UDP` or `SCTP` in the rule
          about: NetworkPolicy x/p
          field: spec.ingress[0].destination.ports
          at t.yaml:4:62: `80` 
          why: C-46
    "#]]
    .assert_eq(&refused(&ingress("destination: {ports: [http, 80]}")));
    for rule in [
        "protocol: ICMP, destination: {ports: [80]}",
        "protocol: ICMP, destination: {ports: [http]}",
        "source: {notPorts: [80]}",
        "protocol: UDPLite, source: {ports: [80]}",
    ] {
        assert!(refused(&ingress(rule)).contains("C-46"), "{rule}");
    }
}

#[test]
fn c_74_lists_have_limits() {
    let list = |count: u32| {
        (1..=count)
            .map(|at| at.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let ports = |count| format!("protocol: TCP, destination: {{ports: [{}]}}", list(count));
    accepted(&ingress(&ports(50)));
    assert!(refused(&ingress(&ports(51))).contains("51 ports in one list; 50 are allowed"));
    let nets = |count: u32| {
        let nets: Vec<_> = (0..count)
            .map(|at| format!("10.{}.{}.0/24", at / 256, at % 256))
            .collect();
        format!("source: {{nets: [{}]}}", nets.join(", "))
    };
    accepted(&ingress(&nets(256)));
    assert!(refused(&ingress(&nets(257))).contains("257 networks in one list; 256 are allowed"));
}

#[test]
fn c_44_families() {
    let family = |text: &str| rule(&ingress(text)).family();
    assert_eq!(family("protocol: TCP"), None);
    assert_eq!(family("ipVersion: 6"), Some(Family::V6));
    assert_eq!(family("protocol: ICMP"), Some(Family::V4));
    assert_eq!(family("protocol: 58"), Some(Family::V6));
    assert_eq!(family("source: {nets: ['fd00::/8']}"), Some(Family::V6));
    assert_eq!(
        family("destination: {notNets: [10.0.0.0/8]}"),
        Some(Family::V4)
    );
    expect![[r#"
        error[WT003] `10.0.0.0/8` and `fd00::/8` are of different families: the rule would match nothing
          about: NetworkPolicy x/p
          field: spec.ingress[0]
          at t.yaml:4:85: `'fd00::/8'` 
          why: C-44
          fix: write one rule for each family
    "#]]
    .assert_eq(&refused(&ingress(
        "source: {nets: [10.0.0.0/8]}, destination: {nets: ['fd00::/8']}",
    )));
    for wrong in [
        "source: {nets: [10.0.0.0/8, 'fd00::/8']}",
        "source: {nets: [10.0.0.0/8], notNets: ['fd00::/8']}",
        "ipVersion: 6, source: {nets: [10.0.0.0/8]}",
        "ipVersion: 6, protocol: ICMP",
        "ipVersion: 4, notProtocol: ICMPv6",
        "ipVersion: 5",
    ] {
        assert!(refused(&ingress(wrong)).contains("C-44"), "{wrong}");
    }
}

#[test]
fn c_44_c_75_networks() {
    expect![[r#"
        error[WT003] `10.0.0.1` is no CIDR here: it is an address, and a CIDR needs a prefix length
          about: NetworkPolicy x/p
          field: spec.ingress[0].source.nets[0]
          at t.yaml:4:50: `10.0.0.1` 
          why: C-44
          fix: write `10.0.0.1/32`
            t.yaml:4:50: "10.0.0.1" => "\"10.0.0.1/32\""
    "#]]
    .assert_eq(&refused(&ingress("source: {nets: [10.0.0.1]}")));
    assert!(refused(&ingress("source: {nets: [10.0.0.1/8]}")).contains("write `10.0.0.0/8`"));
    assert!(refused(&ingress("source: {nets: [everywhere]}")).contains("is no CIDR"));
    for all in ["0.0.0.0/0", "'::/0'"] {
        accepted(&ingress(&format!("source: {{nets: [{all}]}}")));
        let said = refused(&ingress(&format!("source: {{notNets: [{all}]}}")));
        assert!(said.contains("C-75"), "{said}");
    }
}

#[test]
fn c_49_icmp() {
    let icmp = rule(&ingress("protocol: ICMP, icmp: {type: 8, code: 0}"))
        .icmp
        .unwrap();
    assert_eq!((icmp.kind, icmp.code), (Some(8), Some(0)));
    let any = rule(&ingress("protocol: ICMPv6, icmp: {}")).icmp.unwrap();
    assert_eq!((any.kind, any.code), (None, None));
    assert!(
        rule(&ingress("protocol: 1, notICMP: {type: 254}"))
            .not_icmp
            .is_some()
    );
    for wrong in [
        "icmp: {type: 8}",
        "protocol: TCP, icmp: {type: 8}",
        "protocol: ICMP, icmp: {code: 0}",
        "protocol: ICMP, icmp: {type: 255}",
        "protocol: ICMP, notICMP: {type: 1, code: 256}",
    ] {
        assert!(refused(&ingress(wrong)).contains("C-49"), "{wrong}");
    }
}

#[test]
fn c_35_to_c_43_ends() {
    let rule = rule(&ingress(
        "source: {selector: has(a), notSelector: has(b), namespaceSelector: global(), nets: \
         [10.0.0.0/8], notNets: [10.1.0.0/16], serviceAccounts: {names: [s], selector: has(c)}}",
    ));
    let source = rule.source;
    let has = |key: &str| CalicoSelector::Has(key.into());
    assert_eq!(source.selector.unwrap().selector, has("a"));
    assert_eq!(source.not_selector.unwrap().selector, has("b"));
    assert_eq!(
        source.namespace_selector.unwrap().selector,
        CalicoSelector::Global
    );
    assert_eq!((source.nets.len(), source.not_nets.len()), (1, 1));
    let accounts = source.service_accounts.unwrap();
    assert_eq!(accounts.names, [Box::from("s")]);
    assert_eq!(accounts.selector.unwrap().selector, has("c"));
    assert!(!rule.destination.names_endpoints());
}

#[test]
fn c_50_services() {
    let services = "services: {name: web, namespace: shop}";
    let service = rule(&egress(&format!("destination: {{{services}}}")));
    let service = service.destination.service.unwrap();
    assert_eq!(
        (&*service.name, service.namespace.as_deref()),
        ("web", Some("shop"))
    );
    accepted(&ingress(&format!(
        "protocol: TCP, source: {{{services}, ports: [80]}}"
    )));
    for wrong in [
        egress(&format!("source: {{{services}}}")),
        ingress(&format!("destination: {{{services}}}")),
        egress("destination: {services: {namespace: shop}}"),
        egress(&format!("destination: {{{services}, selector: all()}}")),
        egress(&format!("destination: {{{services}, notSelector: has(a)}}")),
        egress(&format!(
            "destination: {{{services}, namespaceSelector: all()}}"
        )),
        egress(&format!("destination: {{{services}, nets: [10.0.0.0/8]}}")),
        egress(&format!(
            "destination: {{{services}, notNets: [10.0.0.0/8]}}"
        )),
        egress(&format!(
            "destination: {{{services}, serviceAccounts: {{names: [a]}}}}"
        )),
        egress(&format!(
            "protocol: TCP, destination: {{{services}, ports: [80]}}"
        )),
        egress(&format!(
            "protocol: TCP, destination: {{{services}, notPorts: [80]}}"
        )),
        gnp("{egress: [{action: Allow, destination: {services: {name: web}}}]}"),
    ] {
        assert!(refused(&wrong).contains("C-50"), "{wrong}");
    }
    let (object, said) = read(&egress("destination: {services: {name: web}}"));
    assert!(object.is_some());
    expect![[r#"
        warning[WT003] no `namespace` for Service `web`: Calico finds no endpoints for it
          about: NetworkPolicy x/p
          field: spec.egress[0].destination.services
          at t.yaml:4:57: `{name: web}` 
          why: C-50
    "#]]
    .assert_eq(&said);
}

#[test]
fn c_51_http() {
    let http = "http: {methods: [GET], paths: [{exact: /a}, {prefix: /b}]}";
    let rule = rule(&ingress(&format!("protocol: TCP, {http}")));
    let request = rule.http.unwrap();
    assert_eq!(request.methods, [Box::from("GET")]);
    let paths = [HttpPath::Exact("/a".into()), HttpPath::Prefix("/b".into())];
    assert_eq!(request.paths, paths);
    accepted(&ingress(http));
    for wrong in [
        egress(http),
        np(&format!("{{ingress: [{{action: Deny, {http}}}]}}")),
        ingress(&format!("protocol: UDP, {http}")),
        ingress("http: {paths: [{}]}"),
        ingress("http: {paths: [{exact: /a, prefix: /b}]}"),
        ingress("http: {paths: [{exact: a}]}"),
        ingress("http: {paths: [{prefix: '/a?b'}]}"),
    ] {
        assert!(refused(&wrong).contains("C-51"), "{wrong}");
    }
}

#[test]
fn unknown_fields_of_rules() {
    let said = read(&ingress("sources: {nets: [10.0.0.0/8]}")).1;
    assert!(said.contains("unknown field `sources`"), "{said}");
    let said = read(&ingress("source: {net: [10.0.0.0/8]}")).1;
    assert!(said.contains("write `nets`"), "{said}");
    accepted(&ingress("metadata: {annotations: {a: b}}"));
}
