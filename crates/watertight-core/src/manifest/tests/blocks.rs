//! ipBlocks that the API server accepts (V-14..V-20).

use expect_test::expect;

use super::*;

#[test]
fn v_14_v_15_cidrs() {
    for cidr in [
        "10.0.0.0/8",
        "0.0.0.0/0",
        "'::/0'",
        "'fd00::/8'",
        "203.0.113.9/32",
    ] {
        accepted(&from(&format!("{{ipBlock: {{cidr: {cidr}}}}}")));
    }
    expect![[r#"
        error[WT003] an `ipBlock` needs a `cidr`
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[0].ipBlock
          at t.yaml:4:36: `{}` 
          why: V-14
    "#]]
    .assert_eq(&refused(&from("{ipBlock: {}}")));
    expect![[r#"
        error[WT003] an `ipBlock` needs a `cidr`
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[0].ipBlock
          at t.yaml:4:36: `{cidr: null}` 
          why: V-14
    "#]]
    .assert_eq(&refused(&from("{ipBlock: {cidr: null}}")));
    expect![[r#"
        error[WT003] `10.0.0.1` is an address; a CIDR needs a prefix length
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[0].ipBlock.cidr
          at t.yaml:4:43: `10.0.0.1` 
          why: V-15
          fix: write `10.0.0.1/32` for the one address
            t.yaml:4:43: "10.0.0.1" => "\"10.0.0.1/32\""
    "#]]
    .assert_eq(&refused(&from("{ipBlock: {cidr: 10.0.0.1}}")));
    expect![[r#"
        error[WT003] `fd00::1` is an address; a CIDR needs a prefix length
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[0].ipBlock.cidr
          at t.yaml:4:43: `'fd00::1'` 
          why: V-15
          fix: write `fd00::1/128` for the one address
            t.yaml:4:43: "'fd00::1'" => "\"fd00::1/128\""
    "#]]
    .assert_eq(&refused(&from("{ipBlock: {cidr: 'fd00::1'}}")));
    expect![[r#"
        error[WT003] `example.com` is no CIDR
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[0].ipBlock.cidr
          at t.yaml:4:43: `example.com` 
          why: V-15
          fix: write an address and a prefix length, like 10.0.0.0/8 or fd00::/8
    "#]]
    .assert_eq(&refused(&from("{ipBlock: {cidr: example.com}}")));
    for cidr in [
        "10.0.0.0/33",
        "10.0.0/8",
        "'::/129'",
        "10.0.0.0/",
        "10.0.0.0-10.0.0.9",
        "10",
    ] {
        refused(&from(&format!("{{ipBlock: {{cidr: {cidr}}}}}")));
    }
}

#[test]
fn v_16_block_and_selectors() {
    expect![[r#"
        error[WT003] a peer is either an `ipBlock` or selectors, not both
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[0]
          at t.yaml:4:26: `{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}` 
          why: V-16 K-32
          fix: write two peers
    "#]]
    .assert_eq(&refused(&from(
        "{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}",
    )));
    refused("{egress: [{to: [{namespaceSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]}");
    accepted("{egress: [{to: [{namespaceSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8}}]}]}");
    accepted("{egress: [{to: [{podSelector: null, ipBlock: {cidr: 10.0.0.0/8}}]}]}");
}

fn excepted(cidr: &str, except: &str) -> String {
    format!("{{egress: [{{to: [{{ipBlock: {{cidr: {cidr}, except: [{except}]}}}}]}}]}}")
}

#[test]
fn v_17_v_18_v_19_exceptions() {
    accepted(&excepted("0.0.0.0/0", "169.254.169.254/32"));
    accepted(&excepted(
        "0.0.0.0/0",
        "10.0.0.0/8, 10.1.0.0/16, 10.0.0.0/8",
    ));
    accepted(&excepted("'::/0'", "'fd00::/8'"));
    accepted("{egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: null}}]}]}");
    expect![[r#"
        error[WT003] `169.254.169.254` is an address; a CIDR needs a prefix length
          about: NetworkPolicy x/p
          field: spec.egress[0].to[0].ipBlock.except[0]
          at t.yaml:4:60: `169.254.169.254` 
          why: V-17
          fix: write `169.254.169.254/32` for the one address
            t.yaml:4:60: "169.254.169.254" => "\"169.254.169.254/32\""
    "#]]
    .assert_eq(&refused(&excepted("0.0.0.0/0", "169.254.169.254")));
    expect![[r#"
        error[WT003] `metadata` is no CIDR
          about: NetworkPolicy x/p
          field: spec.egress[0].to[0].ipBlock.except[0]
          at t.yaml:4:60: `metadata` 
          why: V-17
          fix: write an address and a prefix length, like 10.0.0.0/8 or fd00::/8
    "#]]
    .assert_eq(&refused(&excepted("0.0.0.0/0", "metadata")));
    expect![[r#"
        error[WT003] `10.0.0.0/8` leaves nothing of the block
          about: NetworkPolicy x/p
          field: spec.egress[0].to[0].ipBlock.except[0]
          at t.yaml:4:61: `10.0.0.0/8` 
          why: V-18
    "#]]
    .assert_eq(&refused(&excepted("10.0.0.0/8", "10.0.0.0/8")));
    expect![[r#"
        error[WT003] `0.0.0.0/0` is not inside `10.0.0.0/8`
          about: NetworkPolicy x/p
          field: spec.egress[0].to[0].ipBlock.except[0]
          at t.yaml:4:61: `0.0.0.0/0` 
          why: V-18
        error[WT003] `11.0.0.0/24` is not inside `10.0.0.0/8`
          about: NetworkPolicy x/p
          field: spec.egress[0].to[0].ipBlock.except[1]
          at t.yaml:4:72: `11.0.0.0/24` 
          why: V-18
    "#]]
    .assert_eq(&refused(&excepted("10.0.0.0/8", "0.0.0.0/0, 11.0.0.0/24")));
    expect![[r#"
        error[WT003] `fe80::a9fe:a9fe/128` is not inside `0.0.0.0/0`
          about: NetworkPolicy x/p
          field: spec.egress[0].to[0].ipBlock.except[0]
          at t.yaml:4:60: `'fe80::a9fe:a9fe/128'` 
          why: V-19 K-66
    "#]]
    .assert_eq(&refused(&excepted("0.0.0.0/0", "'fe80::a9fe:a9fe/128'")));
    expect![[r#"
        error[WT003] expected a list, found a string (`10.1.0.0/16`)
          about: NetworkPolicy x/p
          field: spec.egress[0].to[0].ipBlock.except
          at t.yaml:4:60: `10.1.0.0/16` 
    "#]]
    .assert_eq(&refused(
        "{egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: 10.1.0.0/16}}]}]}",
    ));
}

#[test]
fn v_20_loose_spelling() {
    let block = |cidr: &str| policy(&from(&format!("{{ipBlock: {{cidr: {cidr}}}}}")));
    let read_as = |cidr: &str, strict_cidr| {
        let options = Options {
            strict_cidr,
            ..Options::default()
        };
        read_files(&[("t.yaml", &block(cidr))], options)
    };
    expect![[r#"
        error[WT003] `10.0.0.5/24` is no canonical CIDR: it has bits set beyond its prefix; Kubernetes 1.36 and later refuse it
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[0].ipBlock.cidr
          at t.yaml:4:43: `10.0.0.5/24` 
          why: V-20 K-69
          fix: write `10.0.0.0/24`
            t.yaml:4:43: "10.0.0.5/24" => "\"10.0.0.0/24\""
    "#]].assert_eq(&read_as("10.0.0.5/24", true));
    expect![[r#"
        NetworkPolicy x/p
        warning[WT003] `10.0.0.5/24` is no canonical CIDR: it has bits set beyond its prefix; accepted with a warning before Kubernetes 1.36, refused since
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[0].ipBlock.cidr
          at t.yaml:4:43: `10.0.0.5/24` 
          why: V-20 K-69
          fix: write `10.0.0.0/24`
            t.yaml:4:43: "10.0.0.5/24" => "\"10.0.0.0/24\""
    "#]].assert_eq(&read_as("10.0.0.5/24", false));
    for cidr in [
        "010.0.0.0/8",
        "'::ffff:10.0.0.0/104'",
        "'fd00::1/8'",
        "10.0.0.0/08",
    ] {
        assert!(read_as(cidr, true).starts_with("error"), "{cidr}");
        assert!(read_as(cidr, false).contains("\nwarning"), "{cidr}");
    }
    // In exceptions too.
    expect![[r#"
        error[WT003] `10.1.2.3/16` is no canonical CIDR: it has bits set beyond its prefix; Kubernetes 1.36 and later refuse it
          about: NetworkPolicy x/p
          field: spec.egress[0].to[0].ipBlock.except[0]
          at t.yaml:4:61: `10.1.2.3/16` 
          why: V-20 K-69
          fix: write `10.1.0.0/16`
            t.yaml:4:61: "10.1.2.3/16" => "\"10.1.0.0/16\""
    "#]].assert_eq(&refused(&excepted("10.0.0.0/8", "10.1.2.3/16")));
}
