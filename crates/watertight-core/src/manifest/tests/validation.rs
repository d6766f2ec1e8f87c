//! What the API server accepts, apart from ipBlocks and selectors (V-1..V-13, V-27, V-28).

use expect_test::expect;

use super::*;

fn named(name: &str) -> String {
    read(&format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, \
         namespace: x}}\nspec: {{podSelector: {{}}}}\n"
    ))
}

#[test]
fn v_1_names() {
    for name in ["a", "a.b-c.d", "0", &"n".repeat(253)] {
        let name = format!("\"{name}\"");
        assert!(!named(&name).contains("error"), "{name}");
    }
    expect![[r#"
        error[WT003] name `Deny-All` must consist of lower case letters, digits, `-` and `.`, and start and end with a letter or digit
          about: NetworkPolicy x/Deny-All
          field: metadata.name
          at t.yaml:3:18: `Deny-All` 
          why: V-1
    "#]].assert_eq(&named("Deny-All"));
    for name in ["deny_all", "-deny", "deny-", "a..b", &"n".repeat(254)] {
        assert!(named(name).starts_with("error[WT003]"), "{name}");
    }
    expect![[r#"
        error[WT003] the object has no name
          about: NetworkPolicy x/
          field: metadata
          at t.yaml:3:11: `` 
          why: V-1
          fix: add `metadata.name`
    "#]]
    .assert_eq(&named("''"));
    let number = named("123");
    assert!(
        number.starts_with("error[WT003] expected a string, found a number (`123`)"),
        "{number}"
    );
}

#[test]
fn v_3_v_4_v_5_policy_types() {
    accepted("{policyTypes: [Ingress]}");
    accepted("{policyTypes: [Egress, Ingress]}");
    accepted("{policyTypes: [Ingress, Ingress]}"); // V-5
    accepted("{policyTypes: []}");
    expect![[r#"
        error[WT003] more than two policy types
          about: NetworkPolicy x/p
          field: spec.policyTypes
          at t.yaml:4:21: `[Ingress, Egress, Ingress]` 
          why: V-3
    "#]]
    .assert_eq(&refused("{policyTypes: [Ingress, Egress, Ingress]}"));
    expect![[r#"
        error[WT003] `egress` is no policy type
          about: NetworkPolicy x/p
          field: spec.policyTypes[1]
          at t.yaml:4:31: `egress` 
          why: V-4
          fix: use Ingress or Egress, with a capital letter
    "#]]
    .assert_eq(&refused("{policyTypes: [Ingress, egress]}"));
    expect![[r#"
        error[WT003] expected a list, found a string (`Ingress`)
          about: NetworkPolicy x/p
          field: spec.policyTypes
          at t.yaml:4:21: `Ingress` 
    "#]]
    .assert_eq(&refused("{policyTypes: Ingress}"));
    expect![[r#"
        error[WT003] `` is no policy type
          about: NetworkPolicy x/p
          field: spec.policyTypes[0]
          at t.yaml:4:22: `null` 
          why: V-4
          fix: use Ingress or Egress, with a capital letter
    "#]]
    .assert_eq(&refused("{policyTypes: [null]}"));
}

#[test]
fn v_6_protocols() {
    for protocol in ["TCP", "UDP", "SCTP"] {
        accepted(&ports(&format!("{{protocol: {protocol}, port: 80}}")));
    }
    expect![[r#"
        error[WT003] `ICMP` is no protocol here
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0].protocol
          at t.yaml:4:38: `ICMP` 
          why: V-6
          fix: use TCP, UDP or SCTP; NetworkPolicy cannot name other protocols
    "#]]
    .assert_eq(&refused(&ports("{protocol: ICMP}")));
    expect![[r#"
        error[WT003] `tcp` is no protocol here
          about: NetworkPolicy x/p
          field: spec.egress[0].ports[0].protocol
          at t.yaml:4:37: `tcp` 
          why: V-6
          fix: write `TCP`
    "#]]
    .assert_eq(&refused("{egress: [{ports: [{protocol: tcp, port: 80}]}]}"));
    for protocol in ["ANY", "''", "Tcp", "6"] {
        refused(&ports(&format!("{{protocol: {protocol}}}")));
    }
}

#[test]
fn v_7_numeric_ports() {
    accepted(&ports("{port: 1}, {port: 65535}"));
    accepted(&ports("{port: 0x50}"));
    expect![[r#"
        error[WT003] port 0 is not between 1 and 65535
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[1].port
          at t.yaml:4:46: `0` 
          why: V-7
    "#]]
    .assert_eq(&refused(&ports("{port: 80}, {port: 0}")));
    for port in ["65536", "-1", "9999999999999999999", "80.5", "true", "[80]"] {
        refused(&ports(&format!("{{port: {port}}}")));
    }
    expect![[r#"
        error[WT003] expected a whole number, found a number (`80.5`)
          about: NetworkPolicy x/p
          field: spec.egress[0].ports[0].port
          at t.yaml:4:33: `80.5` 
    "#]]
    .assert_eq(&refused("{egress: [{ports: [{port: 80.5}]}]}"));
}

#[test]
fn v_8_to_v_11_end_port() {
    accepted(&ports("{port: 80, endPort: 80}")); // V-10
    accepted(&ports("{port: 1, endPort: 65535}"));
    accepted(&ports("{port: 80, endPort: null}"));
    expect![[r#"
        error[WT003] `endPort` needs a numeric `port`, not a name
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0].endPort
          at t.yaml:4:34: `http, endPort: 90` 
          why: V-8
    "#]]
    .assert_eq(&refused(&ports("{port: http, endPort: 90}")));
    expect![[r#"
        error[WT003] `endPort` needs `port`
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0].endPort
          at t.yaml:4:37: `90` 
          why: V-9
    "#]]
    .assert_eq(&refused(&ports("{endPort: 90}")));
    expect![[r#"
        error[WT003] `endPort` 90 is smaller than `port` 91
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0].endPort
          at t.yaml:4:34: `91, endPort: 90` 
          why: V-10
    "#]]
    .assert_eq(&refused(&ports("{port: 91, endPort: 90}")));
    expect![[r#"
        error[WT003] port 65536 is not between 1 and 65535
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0].endPort
          at t.yaml:4:47: `65536` 
          why: V-11
    "#]]
    .assert_eq(&refused(&ports("{port: 90, endPort: 65536}")));
    expect![[r#"
        error[WT003] expected a whole number, found a string (`'95'`)
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0].endPort
          at t.yaml:4:47: `'95'` 
    "#]]
    .assert_eq(&refused(&ports("{port: 90, endPort: '95'}")));
}

#[test]
fn v_12_port_names() {
    for name in ["http", "8080-tcp", "a", "abcdefghijklmno"] {
        accepted(&ports(&format!("{{port: {name}}}")));
    }
    expect![[r#"
        error[WT003] `80` is no port name: a port name needs a letter; a port number must not be quoted
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0].port
          at t.yaml:4:34: `'80'` 
          why: V-12
          fix: write the number without quotes
            t.yaml:4:34: "'80'" => "80"
    "#]].assert_eq(&refused(&ports("{port: '80'}")));
    expect![[r#"
        error[WT003] `HTTP` is no port name: a port name has lower case letters, digits and `-` only
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0].port
          at t.yaml:4:34: `HTTP` 
          why: V-12
    "#]]
    .assert_eq(&refused(&ports("{port: HTTP}")));
    for name in [
        "abcdefghijklmnop",
        "http_alt",
        "-http",
        "http-",
        "ht--tp",
        "''",
        "'99999'",
    ] {
        refused(&ports(&format!("{{port: {name}}}")));
    }
}

#[test]
fn v_13_empty_peers() {
    for selector in ["podSelector", "namespaceSelector"] {
        accepted(&from(&format!("{{{selector}: {{}}}}")));
    }
    expect![[r#"
        error[WT003] an empty peer is refused: it does not mean everyone
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[1]
          at t.yaml:4:45: `{}` 
          why: V-13
          fix: leave the list out for any peer, or write `podSelector: {}` for all pods of this namespace
    "#]].assert_eq(&refused(&from("{podSelector: {}}, {}")));
    // K-44: null is a missing field.
    for peer in [
        "{podSelector: null}",
        "{podSelector: , namespaceSelector: }",
        "null",
    ] {
        let shown = refused(&format!("{{egress: [{{to: [{peer}]}}]}}"));
        assert!(shown.contains("V-13"), "{peer}: {shown}");
    }
}

#[test]
fn v_27_k_5_k_13_what_is_valid_although_odd() {
    for spec in [
        "", // K-5: no spec at all
        "{}",
        "{podSelector: {}}",
        "{podSelector: null}",
        "{ingress: null}",
        "{ingress: []}",
        "{ingress: [{}]}",
        "{ingress: [null]}",
        "{ingress: [{from: [], ports: []}]}",
        "{ingress: [{from: null, ports: null}]}",
        "{ingress: [{from: [{podSelector: {}}, {podSelector: {}}]}, {from: [{podSelector: {}}]}]}",
        "{ingress: [{ports: [{port: 80}, {port: 80}, {port: 1, endPort: 100}]}]}",
        "{egress: [{ports: [{}]}]}",
        "{egress: [{ports: [null]}]}",
        "{podSelector: {matchLabels: {a: x}, matchExpressions: [{key: a, operator: DoesNotExist}]}}",
    ] {
        accepted(spec);
    }
    expect![[r#"
        NetworkPolicy p
    "#]]
    .assert_eq(&read(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\n",
    ));
}

#[test]
fn v_28_only_the_object_itself_is_looked_at() {
    accepted(
        "{podSelector: {matchLabels: {app: nobody}}, ingress: [{from: [{namespaceSelector: \
         {matchLabels: {kubernetes.io/metadata.name: nowhere}}}], ports: [{port: nameless}]}]}",
    );
}

#[test]
fn every_fault_of_an_object_is_reported() {
    expect![[r#"
        error[WT003] `ingress` is no policy type
          about: NetworkPolicy x/p
          field: spec.policyTypes[0]
          at t.yaml:4:22: `ingress` 
          why: V-4
          fix: use Ingress or Egress, with a capital letter
        error[WT003] an empty peer is refused: it does not mean everyone
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[0]
          at t.yaml:4:50: `{}` 
          why: V-13
          fix: leave the list out for any peer, or write `podSelector: {}` for all pods of this namespace
        error[WT003] port 0 is not between 1 and 65535
          about: NetworkPolicy x/p
          field: spec.ingress[0].ports[0].port
          at t.yaml:4:70: `0` 
          why: V-7
        error[WT003] `10.0.0.1` is an address; a CIDR needs a prefix length
          about: NetworkPolicy x/p
          field: spec.ingress[1].from[0].ipBlock.cidr
          at t.yaml:4:101: `10.0.0.1` 
          why: V-15
          fix: write `10.0.0.1/32` for the one address
            t.yaml:4:101: "10.0.0.1" => "\"10.0.0.1/32\""
    "#]].assert_eq(&refused(
        "{policyTypes: [ingress], ingress: [{from: [{}], ports: [{port: 0}]}, {from: [{ipBlock: \
         {cidr: 10.0.0.1}}]}]}",
    ));
}
