//! K-63..K-70: address blocks.

use super::{CLUSTER, Case, check, check_with, policy};
use crate::engine::Switches;

fn from(peers: &str) -> String {
    policy(
        "x/p",
        &format!("podSelector: {{}}\ningress: [{{from: {peers}}}]"),
    )
}

fn to(peers: &str) -> String {
    let spec = format!("podSelector: {{}}\npolicyTypes: [Egress]\negress: [{{to: {peers}}}]");
    policy("x/p", &spec)
}

#[test]
fn k_63_in_the_block_and_in_no_exception() {
    check(
        &from("[{ipBlock: {cidr: 203.0.112.0/22, except: [203.0.113.0/24, 203.0.115.255/32]}}]"),
        &[
            ("203.0.111.255 -> x/a:80/tcp", false),
            ("203.0.112.0 -> x/a:80/tcp", true),
            ("203.0.112.255 -> x/a:80/tcp", true),
            ("203.0.113.0 -> x/a:80/tcp", false),
            ("203.0.113.255 -> x/a:80/tcp", false),
            ("203.0.114.0 -> x/a:80/tcp", true),
            ("203.0.115.255 -> x/a:80/tcp", false),
            ("203.0.116.0 -> x/a:80/tcp", false),
        ],
    );
    check(
        &to("[{ipBlock: {cidr: 'fd00:ec2::/32', except: ['fd00:ec2::254/128']}}]"),
        &[
            ("x/a -> [fd00:ec2::253]:80/tcp", true),
            ("x/a -> [fd00:ec2::254]:80/tcp", false),
            ("x/a -> [fd00:ec3::1]:80/tcp", false),
        ],
    );
}

#[test]
fn k_64_an_exception_never_denies() {
    let block = "{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}";
    let metadata = "x/a -> 169.254.169.254:80/tcp";
    check(&to(&format!("[{block}]")), &[(metadata, false)]);
    check(
        &to(&format!("[{block}, {{ipBlock: {{cidr: 169.254.0.0/16}}}}]")),
        &[(metadata, true)],
    );
    let dns = policy(
        "x/web",
        "podSelector: {}\npolicyTypes: [Egress]\negress: [{ports: [{port: 80}]}]",
    );
    check(
        &(to(&format!("[{block}]")) + &dns),
        &[(metadata, true), ("x/a -> 169.254.169.254:443/tcp", false)],
    );
}

#[test]
fn k_65_blocks_cover_pods() {
    let pod = from("[{ipBlock: {cidr: 10.0.1.1/32}}]");
    check(
        &pod,
        &[("w/c -> x/a:80/tcp", true), ("z/d -> x/a:80/tcp", false)],
    );
    check_with("ipblock_pods=never", &pod, &[("w/c -> x/a:80/tcp", false)]);
    let but_one = from("[{ipBlock: {cidr: 10.0.0.0/16, except: [10.0.1.1/32]}}]");
    check(
        &but_one,
        &[("w/c -> x/a:80/tcp", false), ("z/d -> x/a:80/tcp", true)],
    );
    // Nodes and outside addresses are no pods.
    check_with(
        "ipblock_pods=never",
        &from("[{ipBlock: {cidr: 0.0.0.0/0}}]"),
        &[
            ("w/c -> x/a:80/tcp", false),
            ("node:n2 -> x/a:80/tcp", true),
            ("203.0.113.5 -> x/a:80/tcp", true),
            // The former address of nobody.
            ("10.0.9.9 -> x/a:80/tcp", true),
        ],
    );
}

#[test]
fn k_66_families_are_apart() {
    check(
        &to("[{ipBlock: {cidr: 0.0.0.0/0}}]"),
        &[
            ("x/a -> 203.0.113.5:80/tcp", true),
            ("x/a -> [2001:db8::1]:80/tcp", false),
        ],
    );
    check(
        &to("[{ipBlock: {cidr: '::/0'}}]"),
        &[
            ("x/a -> 203.0.113.5:80/tcp", false),
            ("x/a -> [2001:db8::1]:80/tcp", true),
        ],
    );
}

#[test]
fn k_67_a_whole_family_is_less_than_no_peers() {
    let whole = to("[{ipBlock: {cidr: 0.0.0.0/0}}]");
    let any = to("[]");
    let connections = ["x/a -> w/c:80/tcp v4", "x/a -> w/c:80/tcp v6"];
    check(&whole, &[(connections[0], true), (connections[1], false)]);
    check(&any, &[(connections[0], true), (connections[1], true)]);
    check_with("ipblock_pods=never", &whole, &[(connections[0], false)]);
    check_with("ipblock_pods=never", &any, &[(connections[0], true)]);
}

#[test]
fn k_68_a_dual_stack_pod_is_judged_per_family() {
    let v4_only = from("[{ipBlock: {cidr: 10.0.1.0/24}}]");
    check(
        &v4_only,
        &[
            ("w/c -> x/a:80/tcp v4", true),
            ("w/c -> x/a:80/tcp v6", false),
            // IPv4 where both have it.
            ("w/c -> x/a:80/tcp", true),
        ],
    );
    check(
        &from("[{namespaceSelector: {}}]"),
        &[
            ("w/c -> x/a:80/tcp v4", true),
            ("w/c -> x/a:80/tcp v6", true),
        ],
    );
    let case = super::with("", "");
    assert_eq!(case.exempt_by("z/d -> x/a:80/tcp v6"), "K-68");
    assert_eq!(case.exempt_by("z/d -> [2001:db8::1]:80/tcp"), "K-68");
    case.check(&[("z/d -> [2001:db8::1]:80/tcp", false)]);
}

/// A pod that is given by its IPv6 address is reached over IPv6.
#[test]
fn k_68_an_address_sets_the_family() {
    check(
        &from("[{ipBlock: {cidr: 10.0.1.0/24}}]"),
        &[
            ("[fd00:1::1] -> x/a:80/tcp", false),
            ("w/c -> [fd00::1]:80/tcp", false),
            ("10.0.1.1 -> x/a:80/tcp", true),
            ("w/c -> 10.0.0.1:80/tcp", true),
        ],
    );
}

/// The same for one side alone.
#[test]
fn k_68_decide_takes_the_family_of_an_address() {
    let case = super::with("", &from("[{ipBlock: {cidr: 10.0.1.0/24}}]"));
    let subject = case.world.endpoint("x", "a").unwrap();
    for (other, allowed) in [("10.0.1.1", true), ("[fd00:1::1]", false)] {
        let decision = case.evaluator().decide(
            crate::manifest::Direction::Ingress,
            subject,
            case.party(other),
            crate::sets::Protocol::Tcp,
            80,
        );
        assert_eq!(decision.is_allowed(), allowed, "{other}: {decision:?}");
    }
}

/// A node has several addresses; a packet has one of them.
#[test]
fn k_63_a_node_is_judged_at_the_address_given() {
    let node = "
---
{apiVersion: v1, kind: Node, metadata: {name: n3}, status: {addresses: [
  {type: InternalIP, address: 192.168.0.3}, {type: ExternalIP, address: 203.0.113.3}]}}
";
    let outside = "[{ipBlock: {cidr: 203.0.113.0/24}}]";
    check(
        &format!("{node}{}", from(outside)),
        &[
            ("203.0.113.3 -> x/a:80/tcp", true),
            ("192.168.0.3 -> x/a:80/tcp", false),
        ],
    );
    check(
        &format!("{node}{}", to(outside)),
        &[
            ("x/a -> 203.0.113.3:80/tcp", true),
            ("x/a -> 192.168.0.3:80/tcp", false),
        ],
    );
}

#[test]
fn k_69_host_bits_are_masked_away() {
    let yaml = format!("{CLUSTER}{}", from("[{ipBlock: {cidr: 203.0.113.77/24}}]"));
    let lenient = Switches {
        strict_cidr: false,
        ..Switches::default()
    };
    Case::new(&yaml, lenient).check(&[
        ("203.0.113.0 -> x/a:80/tcp", true),
        ("203.0.113.255 -> x/a:80/tcp", true),
        ("203.0.112.77 -> x/a:80/tcp", false),
    ]);
}

#[test]
fn k_70_blocks_cover_nodes() {
    let nodes = from("[{ipBlock: {cidr: 192.168.0.1/32}}]");
    let connections = |allowed| {
        [
            ("node:n1 -> x/b:80/tcp", allowed),
            ("x/h -> x/b:80/tcp", allowed),
            ("192.168.0.1 -> x/b:80/tcp", allowed),
            ("203.0.113.5 -> x/b:80/tcp", false),
        ]
    };
    check(&nodes, &connections(true));
    check_with("ipblock_nodes=false", &nodes, &connections(false));
}
