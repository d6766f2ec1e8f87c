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
    check(&report(), LabFormat::Text, 100, expect![[""]]);
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
    expect![[""]].assert_eq(&String::from_utf8(out).unwrap());
    let whole = rendered(&wide, LabFormat::Matrix, 100);
    assert!(whole.contains("76 shop/job-69"), "{whole}");
}

#[test]
fn junit_has_a_case_for_each_pair() {
    check(&report(), LabFormat::Junit, 100, expect![[""]]);
}

#[test]
fn json_is_the_contract() {
    let value: serde_json::Value =
        serde_json::from_str(&rendered(&report(), LabFormat::Json, 100)).unwrap();
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
fn evidence_of_a_workload_is_about_its_pods() {
    assert!(is_named("shop/web-0", "shop/StatefulSet/web"));
    assert!(is_named("shop/web", "shop/Deployment/web"));
    assert!(is_named("node:a", "node:a"));
    assert!(!is_named("shop/webshop", "shop/Deployment/web"));
    assert!(!is_named("other/web", "shop/Deployment/web"));
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
