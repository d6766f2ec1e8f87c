use expect_test::{Expect, expect};
use watertight_core::report::lab::{LabCounts, LabLeftOut, LabUnsaid};
use watertight_core::report::{Engine, Evidence, Location, Tool};

use super::*;

fn party(kind: &str, name: &str, addresses: &[&str]) -> LabParty {
    LabParty {
        name: name.into(),
        kind: kind.into(),
        node: matches!(kind, "pod" | "host-pod").then(|| "worker-1".into()),
        addresses: addresses.iter().map(ToString::to_string).collect(),
    }
}

/// A pair with what arrives, what does not, what differs, what nothing is known of, and what is not judged.
fn pair(from: usize, to: usize, lists: [&[&str]; 5]) -> LabPair {
    let [allowed, denied, differ, inconclusive, not_judged] =
        lists.map(|ports| ports.iter().map(ToString::to_string).collect());
    LabPair {
        from,
        to,
        allowed,
        denied,
        differ,
        inconclusive,
        not_judged,
    }
}

fn location(line: u32) -> Location {
    Location {
        path: "shop.yaml".into(),
        line,
        column: 5,
        end_line: line,
        end_column: 9,
        label: String::new(),
    }
}

fn report() -> LabReport {
    let parties = vec![
        party("pod", "shop/web-0", &["10.244.0.2", "fd00:10:244::2"]),
        party("pod", "shop/db", &["10.244.0.3", "fd00:10:244::3"]),
        party("node", "node:worker-1", &["192.0.2.1"]),
        party("host-pod", "kube-system/agent", &["192.0.2.1"]),
        party("outside", "ip:198.51.100.7", &["198.51.100.7"]),
        party("service", "shop/svc/db", &["10.96.0.9"]),
    ];
    let predicted = Evidence {
        from: "shop/StatefulSet/web".into(),
        to: "shop/Deployment/db".into(),
        address: Some("fd00:10:244::3".into()),
        protocol: "tcp".into(),
        port: Some(5432),
        verdict: "deny".into(),
        because: "NetworkPolicy shop/db isolates shop/Deployment/db for ingress and no rule of it matches".into(),
        by: Some(location(7)),
    };
    LabReport {
        api_version: "watertight.dev/v1".into(),
        kind: "LabReport".into(),
        tool: Tool {
            name: "watertight".into(),
            version: "0.0.0".into(),
        },
        engine: Engine {
            name: "reference".into(),
            version: None,
            enforcement: "enforced".into(),
            switches: BTreeMap::new(),
        },
        complete: true,
        problems: Vec::new(),
        assumptions: Vec::new(),
        counts: LabCounts {
            tried: 12,
            allowed: 5,
            denied: 3,
            proved: 3,
            differ: 1,
            inconclusive: 2,
            not_judged: 1,
            controls: 3,
        },
        pairs: vec![
            pair(0, 1, [&["5432/tcp"], &["9/tcp", "icmp"], &["5432/tcp/ipv6"], &[], &[]]),
            pair(0, 4, [&["443/tcp"], &[], &[], &[], &[]]),
            pair(0, 5, [&["5432/tcp"], &[], &[], &[], &[]]),
            pair(1, 0, [&[], &["80/tcp"], &[], &[], &[]]),
            pair(1, 3, [&[], &[], &[], &[], &["80/tcp"]]),
            pair(2, 0, [&["80/tcp"], &[], &[], &[], &[]]),
            pair(2, 1, [&["5432/tcp"], &["9/tcp"], &[], &[], &[]]),
            pair(4, 0, [&[], &[], &[], &["80/tcp", "icmp"], &[]]),
        ],
        parties,
        left_out: vec![LabLeftOut {
            name: "shop/migrate".into(),
            reason: "has finished".into(),
        }],
        unsaid: vec![LabUnsaid {
            policy: "CiliumNetworkPolicy shop/requests".into(),
            text: "allows some requests only; packets do not show requests, so connections are refused".into(),
            place: Some(location(31)),
        }],
        differences: vec![LabDifference {
            from: 0,
            to: 1,
            port: "5432/tcp/ipv6".into(),
            predicted,
            family: 6,
            observed: "open".into(),
            detail: "shop/db answered".into(),
            kernel: vec!["node worker-1, chain p3: ip6 saddr @s6_web accept".into()],
        }],
    }
}

fn rendered(report: &LabReport, format: LabFormat, width: usize) -> String {
    let mut out = Vec::new();
    render(report, format, false, width, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn check(report: &LabReport, format: LabFormat, width: usize, expected: Expect) {
    expected.assert_eq(&rendered(report, format, width));
}

#[test]
fn text_tells_the_verdict_the_matrix_and_each_difference() {
    check(
        &report(),
        LabFormat::Text,
        100,
        expect![[r#"
        2 pods on 1 node, 1 host-network pod, 1 outside address, 1 Service, IPv4 and IPv6

        packets and prediction differ: on 1 connection of 1 pair

          12 connections tried
           5 allowed: packets arrived, as predicted
           3 denied: packets did not arrive, as predicted
             3 proved by the rule that logged the packet
             3 with a control that arrived without policies
           1 different: packets did what was not predicted
           2 inconclusive: without policies nothing arrived either, or it could not be tried
           1 not judged: the prediction is uncertain, or packets do not show what decides

        rows connect to columns    1 2 4 5 6
        1 shop/web-0               - ! - # #
        2 shop/db                  . - ~ - -
        3 node:worker-1            # + - - -
        5 ip:198.51.100.7          ? - - - -
        4 kube-system/agent
        6 shop/svc/db
        # all ports arrive   + some   . none   ! packets and prediction differ   ? inconclusive   ~ not judged   - no pair

        differences
          shop/StatefulSet/web -> shop/Deployment/db:5432/tcp over IPv6
            predicted  DENIED: NetworkPolicy shop/db isolates shop/Deployment/db for ingress and no rule of
                       it matches (shop.yaml:7)
            seen       open: shop/db answered
            kernel     node worker-1, chain p3: ip6 saddr @s6_web accept

        inconclusive
          ip:198.51.100.7 -> shop/web-0: 80/tcp, icmp

        not in the lab
          shop/migrate has finished

        what packets cannot show
          CiliumNetworkPolicy shop/requests (shop.yaml:31) allows some requests only; packets do not show
            requests, so connections are refused
    "#]],
    );
}

#[test]
fn text_says_nowhere_where_everything_agrees_and_nothing_where_nothing_is_known() {
    let mut agreed = report();
    agreed.pairs.retain(|pair| pair.differ.is_empty());
    agreed.differences.clear();
    agreed.counts.differ = 0;
    let text = rendered(&agreed, LabFormat::Text, 100);
    assert!(
        text.contains("\npackets and prediction differ: nowhere\n"),
        "{text}"
    );
    assert!(!text.contains("differences"), "{text}");
    agreed.counts = LabCounts::default();
    let text = rendered(&agreed, LabFormat::Text, 100);
    assert!(text.contains("differ: not known"), "{text}");
}

#[test]
fn a_matrix_that_is_too_wide_is_by_namespace_and_one_of_its_own_is_whole() {
    let mut wide = report();
    for number in 0..70 {
        wide.parties
            .push(party("pod", &format!("shop/job-{number}"), &[]));
        let to = wide.parties.len() - 1;
        wide.pairs
            .push(pair(1, to, [&["80/tcp"], &[], &[], &[], &[]]));
    }
    let mut out = Vec::new();
    matrix::fitting(&wide, false, 100, &mut out).unwrap();
    expect![[r#"
        4 sources and 75 destinations have no room here: by namespace; -o html has them one by one
        rows connect to columns    1 3 4 5
        1 shop                     ! ~ # #
        2 nodes                    + - - -
        4 outside                  ? - - -
        3 kube-system
        5 services
        # all ports arrive   + some   ! packets and prediction differ   ? inconclusive   ~ not judged   - no pair
    "#]].assert_eq(&String::from_utf8(out).unwrap());
    let whole = rendered(&wide, LabFormat::Matrix, 100);
    assert!(whole.contains("76 shop/job-69"), "{whole}");
}

#[test]
fn junit_has_a_case_for_each_pair() {
    check(
        &report(),
        LabFormat::Junit,
        100,
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="watertight lab" tests="8" skipped="2" failures="1" errors="0">
            <testsuite name="shop/web-0" tests="3" skipped="0" errors="0" failures="1">
                <testcase name="shop/web-0 -&gt; shop/db" classname="shop/web-0">
                    <failure message="packets and prediction differ on 5432/tcp/ipv6" type="differs">shop/StatefulSet/web -&gt; shop/Deployment/db:5432/tcp over IPv6
          predicted DENIED: NetworkPolicy shop/db isolates shop/Deployment/db for ingress and no rule of it matches (shop.yaml:7)
          seen open: shop/db answered
          kernel node worker-1, chain p3: ip6 saddr @s6_web accept
        </failure>
                </testcase>
                <testcase name="shop/web-0 -&gt; ip:198.51.100.7" classname="shop/web-0"/>
                <testcase name="shop/web-0 -&gt; shop/svc/db" classname="shop/web-0"/>
            </testsuite>
            <testsuite name="shop/db" tests="2" skipped="1" errors="0" failures="0">
                <testcase name="shop/db -&gt; shop/web-0" classname="shop/db"/>
                <testcase name="shop/db -&gt; kube-system/agent" classname="shop/db">
                    <skipped message="80/tcp: the prediction is uncertain, or packets do not show what decides"/>
                </testcase>
            </testsuite>
            <testsuite name="node:worker-1" tests="2" skipped="0" errors="0" failures="0">
                <testcase name="node:worker-1 -&gt; shop/web-0" classname="node:worker-1"/>
                <testcase name="node:worker-1 -&gt; shop/db" classname="node:worker-1"/>
            </testsuite>
            <testsuite name="ip:198.51.100.7" tests="1" skipped="1" errors="0" failures="0">
                <testcase name="ip:198.51.100.7 -&gt; shop/web-0" classname="ip:198.51.100.7">
                    <skipped message="80/tcp, icmp: inconclusive"/>
                </testcase>
            </testsuite>
        </testsuites>
    "#]],
    );
}

#[test]
fn json_is_the_contract() {
    let report = report();
    let value: serde_json::Value =
        serde_json::from_str(&rendered(&report, LabFormat::Json, 100)).unwrap();
    assert_eq!(value["kind"], "LabReport");
    let schema = serde_json::to_value(watertight_core::report::lab_schema()).unwrap();
    assert!(jsonschema::is_valid(&schema, &value));
}

#[test]
fn the_page_needs_nothing_else_and_runs_nothing_of_strangers() {
    let mut report = report();
    report.parties[1].name = "shop/<script>alert(1)</script>".into();
    let page = rendered(&report, LabFormat::Html, 100);
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(!page.contains("http"), "nothing is fetched");
    assert!(
        page.contains("<td class=\"differs\" title=\"shop/web-0 \u{2192} shop/&lt;script"),
        "{page}"
    );
    assert!(
        page.contains(
            "differ: 5432/tcp/ipv6; arrive: 5432/tcp; do not arrive: 9/tcp, icmp\">!</td>"
        )
    );
    assert!(page.contains("<dt>seen</dt><dd>open: shop/db answered</dd>"));
    assert!(page.contains("<code>node worker-1, chain p3: ip6 saddr @s6_web accept</code>"));
    assert!(page.contains("<td class=\"unclear\""));
    // A Service connects to nobody, and an address that nobody was asked from is no row.
    assert_eq!(page.matches("<th scope=\"row\" title=").count(), 4);
}

#[test]
fn two_pairs_in_one_cell_show_what_is_worse() {
    assert_eq!(Cell::Open.and(Cell::Closed), Cell::Part);
    assert_eq!(Cell::Open.and(Cell::Open), Cell::Open);
    assert_eq!(Cell::Untried.and(Cell::Closed), Cell::Closed);
    assert_eq!(Cell::Part.and(Cell::Differs), Cell::Differs);
    assert_eq!(Cell::Inconclusive.and(Cell::Open), Cell::Inconclusive);
}

#[test]
fn a_page_has_an_end() {
    assert!(fits(MOST_IN_PAGE, LabFormat::Html).is_ok());
    assert!(fits(MOST_IN_PAGE + 1, LabFormat::Html).is_err());
    assert!(fits(MOST_IN_PAGE + 1, LabFormat::Json).is_ok());
}
