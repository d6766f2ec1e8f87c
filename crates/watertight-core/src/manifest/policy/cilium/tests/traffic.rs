//! Ports, ICMP types and what proxies ask (L-60..L-69).

use expect_test::expect;

use super::*;

#[test]
fn l_60_l_61_ports() {
    let item = ingress_item(
        "{toPorts: [{ports: [{port: '53'}, {port: '0', protocol: UDP}, {port: '8000', endPort: \
         8100, protocol: TCP}, {port: HTTP-Alt, protocol: ANY}, {port: '8', protocol: ICMP}, \
         {protocol: VRRP}, {port: '010'}]}]}",
    );
    let CiliumTraffic::Ports(groups) = &item.traffic else {
        panic!("{item:?}");
    };
    let ports: Vec<_> = groups[0]
        .ports
        .iter()
        .map(|port| (port.port.clone(), port.end_port, port.protocol))
        .collect();
    let number = CiliumPortRef::Number;
    assert_eq!(
        ports,
        [
            (number(53), None, CiliumProtocol::Any),
            (number(0), None, CiliumProtocol::Of(Protocol::Udp)),
            (number(8000), Some(8100), CiliumProtocol::Of(Protocol::Tcp)),
            (
                CiliumPortRef::Name("http-alt".into()),
                None,
                CiliumProtocol::Any
            ),
            (number(8), None, CiliumProtocol::Icmp(Family::V4)),
            (number(0), None, CiliumProtocol::Portless),
            (number(8), None, CiliumProtocol::Any),
        ]
    );
    let port = |port: &str| ingress(&format!("{{toPorts: [{{ports: [{port}]}}]}}"));
    for wrong in [
        "{protocol: TCP}",
        "{port: ''}",
        "{port: '65536'}",
        "{port: '80-90'}",
        "{port: '80', protocol: tcp}",
        "{port: '80', protocol: QUIC}",
    ] {
        refused_by("L-60", &port(wrong));
    }
    refused_by("L-61", &port("{port: '80', endPort: 70000}"));
    expect![[r#"
        error[WT003] expected a string, found a number (`80`)
          about: CiliumNetworkPolicy x/p
          field: spec.ingress[0].toPorts[0].ports[0].port
          at t.yaml:4:67: `80` 
          fix: quote the value
            t.yaml:4:67: "80" => "\"80\""
    "#]]
    .assert_eq(&refused(&port("{port: 80}")));
}

#[test]
fn l_62_forty_ports() {
    let ports = |count: usize| {
        let ports: Vec<_> = (1..=count)
            .map(|port| format!("{{port: '{port}'}}"))
            .collect();
        ingress(&format!("{{toPorts: [{{ports: [{}]}}]}}", ports.join(", ")))
    };
    accepted(&ports(40));
    refused_by("L-62", &ports(41));
}

#[test]
fn l_65_icmp() {
    let item = ingress_item(
        "{icmps: [{fields: [{type: 8}, {type: 128, family: IPv6}, {type: EchoReply}, {type: \
         EchoReply, family: IPv6}]}]}",
    );
    let CiliumTraffic::Icmp(types) = &item.traffic else {
        panic!("{item:?}");
    };
    let types: Vec<_> = types.iter().map(|kind| (kind.family, kind.kind)).collect();
    let (v4, v6) = (Family::V4, Family::V6);
    assert_eq!(types, [(v4, 8), (v6, 128), (v4, 0), (v6, 129)]);
    let fields = |fields: &str| ingress(&format!("{{icmps: [{{fields: [{fields}]}}]}}"));
    for wrong in [
        "{type: 256}",
        "{type: -1}",
        "{type: Ping}",
        "{type: PacketTooBig}",
        "{type: 8, family: IPv5}",
        "{family: IPv6}",
    ] {
        refused_by("L-65", &fields(wrong));
    }
    refused_by("L-65", &fields(&["{type: 8}"; 41].join(", ")));
    refused_by(
        "L-65",
        &ingress("{toPorts: [{ports: [{port: '80'}]}], icmps: [{fields: [{type: 8}]}]}"),
    );
}

#[test]
fn l_66_l7_rules() {
    let l7 = |rules: &str| {
        let ports = "ports: [{port: '80', protocol: TCP}]";
        let item = egress_item(&format!("{{toPorts: [{{{ports}, rules: {rules}}}]}}"));
        match item.traffic {
            CiliumTraffic::Ports(mut groups) => groups.remove(0).l7,
            other => panic!("{other:?}"),
        }
    };
    let http =
        "{http: [{method: GET, path: /a, headers: ['X-A: b'], headerMatches: [{name: X-C}]}]}";
    match l7(http) {
        Some(L7::Http(rules)) => {
            assert_eq!(rules[0].method.as_deref(), Some("GET"));
            assert_eq!(rules[0].path.as_deref(), Some("/a"));
            let headers: Vec<_> = rules[0].headers.iter().map(|header| &**header).collect();
            assert_eq!(headers, ["X-A: b", "X-C"]);
        }
        other => panic!("{other:?}"),
    }
    let wrong =
        "{toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{path: '(a'}]}}]}";
    refused_by("L-66", &ingress(wrong));
    assert!(matches!(
        l7("{dns: [{matchPattern: '*'}]}"),
        Some(L7::Dns(_))
    ));
    assert!(matches!(
        l7("{l7proto: memcache, l7: [{}]}"),
        Some(L7::Proxy(_))
    ));
    assert!(
        l7("{}").is_none() && l7("{http: []}").is_none(),
        "empty lists ask for nothing"
    );
}

#[test]
fn l_69_what_a_proxy_can_look_into() {
    let rules =
        |ports: &str, rules: &str| format!("{{toPorts: [{{ports: [{ports}], rules: {rules}}}]}}");
    let http = "{http: [{method: GET}]}";
    let dns = "{dns: [{matchPattern: '*'}]}";
    for ports in [
        "{port: '80'}",
        "{port: '80', protocol: UDP}",
        "{port: '0', protocol: TCP}",
    ] {
        refused_by("L-69", &ingress(&rules(ports, http)));
    }
    accepted(&ingress(&rules("{port: '80', protocol: TCP}", http)));
    accepted(&ingress(&rules(
        "{port: '80', endPort: 90, protocol: TCP}",
        http,
    )));
    refused_by("L-69", &ingress(&rules("{port: '53', protocol: UDP}", dns)));
    for ports in ["", "{port: '0'}", "{port: '53', endPort: 54}"] {
        refused_by("L-69", &egress(&rules(ports, dns)));
    }
    accepted(&egress(&rules(
        "{port: '53'}, {port: '53', protocol: UDP}",
        dns,
    )));
    let both = "{http: [{method: GET}], dns: [{matchPattern: '*'}]}";
    refused_by("L-69", &egress(&rules("{port: '53', protocol: TCP}", both)));
    refused_by(
        "L-69",
        &egress(&rules("{port: '53', protocol: TCP}", "{l7: [{}]}")),
    );
    let host = |list: &str, item: &str| ccnp(&format!("{{nodeSelector: {{}}, {list}: [{item}]}}"));
    accepted(&host("egress", &rules("{port: '53'}", dns)));
    refused_by(
        "L-69",
        &host("egress", &rules("{port: '80', protocol: TCP}", http)),
    );
    refused_by(
        "L-69",
        &host("ingress", &rules("{port: '80', protocol: TCP}", http)),
    );
    let kafka = egress(&rules(
        "{port: '9092', protocol: TCP}",
        "{kafka: [{topic: a}]}",
    ));
    expect![[r#"
        warning[WT003] Cilium 1.20 no longer knows rules for Kafka; older releases do
          about: CiliumNetworkPolicy x/p
          field: spec.egress[0].toPorts[0].rules.kafka
          at t.yaml:4:106: `[{topic: a}]` 
          why: L-69
    "#]]
    .assert_eq(&warned(&kafka));
}

#[test]
fn listeners_and_server_names() {
    let group =
        |rest: &str| format!("{{toPorts: [{{ports: [{{port: '443', protocol: TCP}}], {rest}}}]}}");
    let listener = "listener: {envoyConfig: {name: e}, name: l}";
    accepted(&egress(&group(listener)));
    assert!(refused(&ingress(&group(listener))).contains("for egress only"));
    let with_rules = format!("{listener}, rules: {{http: [{{}}]}}");
    assert!(refused(&egress(&group(&with_rules))).contains("cannot be combined"));
    accepted(&egress(&group("serverNames: [a.io]")));
    assert!(refused(&egress(&group("serverNames: ['']"))).contains("is empty"));
    let inside = "serverNames: [a.io], rules: {http: [{}]}";
    assert!(refused(&egress(&group(inside))).contains("terminatingTLS"));
    accepted(&egress(&group(&format!(
        "{inside}, terminatingTLS: {{secret: {{name: s}}}}"
    ))));
}
