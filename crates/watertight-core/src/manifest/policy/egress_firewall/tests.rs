//! EgressFirewall and EgressNetworkPolicy as written (O-1, O-2, O-5, O-6, O-10, O-13).

use std::fmt::Write as _;

use super::*;
use crate::manifest::{Body, Options, PolicyObject, load};
use crate::rules::testing::show;
use crate::source::Sources;

fn read(object: &str) -> (Option<EgressFirewall>, String) {
    let mut sources = Sources::new();
    sources.add("t.yaml", object.into()).unwrap();
    let loaded = load(&sources, &Options::default());
    let mut said = String::new();
    for finding in &loaded.findings {
        let _ = write!(said, "{}", show(&sources, finding));
    }
    let firewall = loaded.objects.first().map(|object| match &object.body {
        Body::Policy(_, policy) => match &**policy {
            PolicyObject::EgressFirewall(firewall) => firewall.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    });
    (firewall, said)
}

fn named(name: &str, egress: &str) -> String {
    format!(
        "apiVersion: k8s.ovn.org/v1\nkind: EgressFirewall\nmetadata: {{name: {name}, namespace: \
         x}}\nspec: {{egress: {egress}}}\n"
    )
}

fn firewall(rule: &str) -> String {
    named("default", &format!("[{rule}]"))
}

fn legacy(rule: &str) -> String {
    format!(
        "apiVersion: network.openshift.io/v1\nkind: EgressNetworkPolicy\nmetadata: {{name: any, \
         namespace: x}}\nspec: {{egress: [{rule}]}}\n"
    )
}

#[track_caller]
fn accepted(object: &str) -> EgressFirewall {
    let (firewall, said) = read(object);
    assert_eq!(said, "", "{object}");
    firewall.unwrap_or_else(|| panic!("no firewall: {object}"))
}

#[track_caller]
fn refused(object: &str, id: &str) {
    let (firewall, said) = read(object);
    assert!(firewall.is_none(), "accepted: {object}");
    let cited = said
        .lines()
        .filter_map(|line| line.strip_prefix("  why: "))
        .any(|why| why.split(' ').any(|cited| cited == id));
    assert!(cited, "{id}: {object}\n{said}");
}

#[test]
fn o_1_one_name() {
    assert!(accepted(&named("default", "[]")).rules.is_empty());
    refused(&named("mine", "[]"), "O-1");
    // O-13: its predecessor takes any name.
    let rule = "{type: Deny, to: {cidrSelector: 10.0.0.0/8}}";
    assert!(accepted(&legacy(rule)).is_legacy);
}

#[test]
fn o_2_types() {
    let typed = |kind: &str| firewall(&format!("{{{kind} to: {{cidrSelector: 10.0.0.0/8}}}}"));
    assert!(accepted(&typed("type: Allow,")).rules[0].allows);
    assert!(!accepted(&typed("type: Deny,")).rules[0].allows);
    for wrong in ["", "type: allow,", "type: Drop,"] {
        refused(&typed(wrong), "O-2");
    }
    refused(&named("default", "null"), "O-2");
}

#[test]
fn o_5_one_destination() {
    let to = |to: &str| firewall(&format!("{{type: Deny, to: {to}}}"));
    for good in [
        "{cidrSelector: 0.0.0.0/0}",
        "{cidrSelector: '::/0'}",
        "{dnsName: www.example.com}",
        "{dnsName: example.com.}",
        "{dnsName: localhost}",
        "{dnsName: '*.example.com'}",
        "{nodeSelector: {}}",
        "{nodeSelector: {matchLabels: {role: worker}}}",
    ] {
        accepted(&to(good));
    }
    for wrong in [
        "{}",
        "null",
        "{cidrSelector: 10.0.0.0/8, dnsName: a.io}",
        "{cidrSelector: 10.0.0.0/8, nodeSelector: {}}",
        "{cidrSelector: 10.0.0.1}",
        "{cidrSelector: example.com}",
        "{dnsName: 'a.*.example.com'}",
        "{dnsName: 'a b'}",
    ] {
        refused(&to(wrong), "O-5");
    }
    refused(
        &to("{nodeSelector: {matchExpressions: [{key: a, operator: In}]}}"),
        "V-24",
    );
    // O-13: neither nodes nor wildcards in the predecessor.
    accepted(&legacy("{type: Deny, to: {dnsName: a.io}}"));
    refused(&legacy("{type: Deny, to: {dnsName: '*.a.io'}}"), "O-5");
    refused(&legacy("{type: Deny, to: {nodeSelector: {}}}"), "O-5");
}

#[test]
fn o_6_ports() {
    let ports = |ports: &str| {
        firewall(&format!(
            "{{type: Deny, to: {{cidrSelector: 10.0.0.0/8}}, ports: {ports}}}"
        ))
    };
    let read = accepted(&ports("[{protocol: UDP, port: 53}]"));
    let port = read.rules[0].ports[0];
    assert_eq!((port.protocol, port.port), (Protocol::Udp, 53));
    assert!(accepted(&ports("[]")).rules[0].ports.is_empty());
    for wrong in [
        "[{port: 80}]",
        "[{protocol: TCP}]",
        "[{}]",
        "[{protocol: tcp, port: 80}]",
        "[{protocol: ICMP, port: 80}]",
        "[{protocol: TCP, port: 0}]",
        "[{protocol: TCP, port: 65536}]",
    ] {
        refused(&ports(wrong), "O-6");
    }
}
