use expect_test::{Expect, expect};
use watertight_core::report::lab::{LabCounts, LabLeftOut, LabUnsaid};
use watertight_core::report::{Assumption, Engine, Evidence, Finding, Location, Tool};

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
        assumptions: vec![Assumption {
            id: "M-7".into(),
            text: "1 node is made up (worker-1; --nodes)".into(),
        }],
        policies: 3,
        selecting: 2,
        sampled_from: None,
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
        outside: vec![LabOutside {
            address: "198.51.100.7".into(),
            name: "internet".into(),
        }],
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
        inconclusive: vec![LabReason {
            reason: "it did not arrive while no policy was in force either (timeout)".into(),
            id: None,
            place: None,
            connections: ["80/tcp", "icmp"]
                .map(|port| LabConnection {
                    from: 4,
                    to: 0,
                    port: port.into(),
                })
                .into(),
        }],
        unjudged: vec![LabReason {
            reason: "ClusterNetworkPolicy agents has the priority of another that says otherwise".into(),
            id: Some("A-12".into()),
            place: Some(location(52)),
            connections: vec![LabConnection {
                from: 1,
                to: 3,
                port: "80/tcp".into(),
            }],
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

            rows connect to columns       1 2 4 5 6
            1 shop/web-0                  - ! - # #
            2 shop/db                     . - ~ - -
            3 node:worker-1               # + - - -
            5 ip:198.51.100.7 (internet)  ? - - - -
            4 kube-system/agent
            6 shop/svc/db
            # all ports arrive   + some   . none   ! packets and prediction differ   ? something inconclusive   ~ something not judged   - no pair

            differences
              shop/StatefulSet/web -> shop/Deployment/db:5432/tcp over IPv6
                predicted  DENIED: NetworkPolicy shop/db isolates shop/Deployment/db for ingress and no rule of
                           it matches (shop.yaml:7)
                seen       open: shop/db answered
                kernel     node worker-1, chain p3: ip6 saddr @s6_web accept

            inconclusive
              2 connections: it did not arrive while no policy was in force either (timeout)
                ip:198.51.100.7 (internet) -> shop/web-0: 80/tcp, icmp

            not judged
              1 connection: ClusterNetworkPolicy agents has the priority of another that says otherwise (A-12,
                shop.yaml:52)
                shop/db -> kube-system/agent: 80/tcp

            assumed where the input does not say
              M-7: 1 node is made up (worker-1; --nodes)

            not in the lab
              shop/migrate has finished

            what packets cannot show
              CiliumNetworkPolicy shop/requests (shop.yaml:31) allows some requests only; packets do not show
                requests, so connections are refused
        "#]],
    );
}

/// The same without its difference.
fn agreed() -> LabReport {
    let mut agreed = report();
    agreed.pairs.retain(|pair| pair.differ.is_empty());
    agreed.differences.clear();
    agreed.counts.differ = 0;
    agreed
}

/// What could not be read.
fn broken() -> Finding {
    Finding {
        rule: "WT001".into(),
        name: "syntax".into(),
        severity: "error".into(),
        message: "did not find expected `,`".into(),
        subject: None,
        field: None,
        locations: vec![Location {
            path: "broken.yaml".into(),
            ..location(4)
        }],
        evidence: Vec::new(),
        notes: Vec::new(),
        why: Vec::new(),
        fix: None,
        fingerprint: "0".into(),
    }
}

#[test]
fn nowhere_stands_alone_only_where_something_was_put_to_the_test() {
    let conclusion = |change: &dyn Fn(&mut LabReport)| {
        let mut report = agreed();
        change(&mut report);
        let text = rendered(&report, LabFormat::Text, 200);
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("packets and prediction differ: "));
        let line = line.unwrap().to_owned();
        let page = rendered(&report, LabFormat::Html, 200);
        assert!(
            page.contains(&format!("<h1>Packets and prediction differ: {line}</h1>")),
            "{page}"
        );
        let good = Conclusion::of(&report).is_answer();
        let errors = rendered(&report, LabFormat::Junit, 200);
        assert_eq!(good, !errors.contains("<error"), "{errors}");
        line
    };
    assert_eq!(conclusion(&|_| ()), "nowhere");
    assert_eq!(
        conclusion(&|report| report.sampled_from = Some(5000)),
        "nowhere among 12 of 5000 connections"
    );
    assert_eq!(
        conclusion(&|report| report.selecting = 0),
        "nowhere, BUT NO POLICY SELECTS A POD, and everything is allowed"
    );
    let none = |report: &mut LabReport| (report.policies, report.selecting) = (0, 0);
    assert_eq!(
        conclusion(&none),
        "nowhere, BUT THERE ARE NO POLICIES in the input, and everything is allowed"
    );
    assert_eq!(
        conclusion(&|report| {
            none(report);
            for party in &mut report.parties {
                party.kind = "node".into();
            }
        }),
        "not known, there are no pods in the input"
    );
    assert_eq!(
        conclusion(&|report| report.complete = false),
        "nowhere in what could be read, AND NOT EVERYTHING COULD BE READ"
    );
    assert_eq!(
        conclusion(&|report| report.counts = LabCounts::default()),
        "not known, nothing could be judged"
    );
}

#[test]
fn what_could_not_be_read_is_named_everywhere() {
    let mut report = agreed();
    report.complete = false;
    report.problems.push(broken());
    let told = "broken.yaml:4:5: error[WT001] did not find expected `,`";
    let text = rendered(&report, LabFormat::Text, 100);
    assert!(text.contains(&format!("  {told}\n")), "{text}");
    let page = rendered(&report, LabFormat::Html, 100);
    assert!(page.contains(&format!("<li>{told}</li>")), "{page}");
    let junit = rendered(&report, LabFormat::Junit, 100);
    assert!(
        junit.contains(&format!("<error message=\"{told}\"")),
        "{junit}"
    );
}

#[test]
fn a_pair_that_is_not_judged_has_a_sign_of_its_own_and_a_reason() {
    let mut report = report();
    // Some of its ports are judged, and denied.
    for pair in &mut report.pairs {
        if !pair.not_judged.is_empty() {
            pair.denied.push("9/tcp".into());
        }
    }
    let text = rendered(&report, LabFormat::Text, 120);
    assert!(
        text.contains("\n2 shop/db                     . - ~ - -\n"),
        "{text}"
    );
    assert!(text.contains("~ something not judged"), "{text}");
    assert!(
        text.contains(
            "\nnot judged\n  1 connection: ClusterNetworkPolicy agents has the priority of another that says \
             otherwise (A-12, shop.yaml:52)\n    shop/db -> kube-system/agent: 80/tcp\n"
        ),
        "{text}"
    );
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
        # all ports arrive   + some   ! packets and prediction differ   ? something inconclusive   ~ something not judged   - no pair
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
                    <testcase name="shop/web-0 -&gt; ip:198.51.100.7 (internet)" classname="shop/web-0"/>
                    <testcase name="shop/web-0 -&gt; shop/svc/db" classname="shop/web-0"/>
                </testsuite>
                <testsuite name="shop/db" tests="2" skipped="1" errors="0" failures="0">
                    <testcase name="shop/db -&gt; shop/web-0" classname="shop/db"/>
                    <testcase name="shop/db -&gt; kube-system/agent" classname="shop/db">
                        <skipped message="80/tcp: ClusterNetworkPolicy agents has the priority of another that says otherwise"/>
                    </testcase>
                </testsuite>
                <testsuite name="node:worker-1" tests="2" skipped="0" errors="0" failures="0">
                    <testcase name="node:worker-1 -&gt; shop/web-0" classname="node:worker-1"/>
                    <testcase name="node:worker-1 -&gt; shop/db" classname="node:worker-1"/>
                </testsuite>
                <testsuite name="ip:198.51.100.7 (internet)" tests="1" skipped="1" errors="0" failures="0">
                    <testcase name="ip:198.51.100.7 (internet) -&gt; shop/web-0" classname="ip:198.51.100.7 (internet)">
                        <skipped message="80/tcp, icmp: it did not arrive while no policy was in force either (timeout)"/>
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
