//! Every format, on a report of everything at once.

use expect_test::{Expect, expect};
use watertight_core::report::diff::{
    DiffCause, DiffCounts, DiffEdit, DiffExample, DiffExternal, DiffObject, DiffReport, DiffRow,
    DiffSide, DiffValue, DiffVerdict, FindingDelta, ObservedChange,
};
use watertight_core::report::reach::ReachPorts;
use watertight_core::report::{Engine, Evidence, Finding, Location, Tool};

use super::Rendering;
use crate::args::DiffFormat;

fn at(path: &str, line: u32) -> Location {
    Location {
        path: path.into(),
        line,
        column: 1,
        end_line: line,
        end_column: 9,
        label: String::new(),
    }
}

fn engine() -> Engine {
    Engine {
        name: "reference".into(),
        version: None,
        enforcement: "unknown".into(),
        switches: [].into(),
    }
}

fn side(source: &str) -> DiffSide {
    DiffSide {
        source: source.into(),
        engine: engine(),
        policies: 33,
        pods: 22,
        namespaces: 8,
    }
}

fn policy(change: &str, name: &str, old: Option<u32>, new: Option<u32>) -> DiffObject {
    let (namespace, name) = name.split_once('/').unwrap();
    DiffObject {
        change: change.into(),
        kind: "NetworkPolicy".into(),
        namespace: Some(namespace.into()),
        name: name.into(),
        old: old.map(|line| at(&format!("git:main:{namespace}.yaml"), line)),
        new: new.map(|line| at(&format!("{namespace}.yaml"), line)),
        edits: Vec::new(),
        notes: Vec::new(),
    }
}

fn names(names: &str) -> Vec<String> {
    names.split(", ").map(str::to_owned).collect()
}

/// `53/udp 53/tcp`, `all`, `9100/tcp?`
fn ports(text: &str) -> Vec<ReachPorts> {
    let one = |text: &str| {
        let (text, why) = match text.strip_suffix('?') {
            Some(text) => (text, Some("M-1".to_owned())),
            None => (text, None),
        };
        let (port, protocol) = text.split_once('/').unwrap_or(("all", "any"));
        let (first, last) = match port.parse() {
            Ok(port) => (port, port),
            Err(_) => (1, 65535),
        };
        ReachPorts {
            protocol: protocol.into(),
            first,
            last,
            verdict: if why.is_some() { "uncertain" } else { "allow" }.into(),
            some: false,
            conditional: false,
            why,
        }
    };
    text.split_whitespace().map(one).collect()
}

fn row(change: &str, from: &str, to: &str, before: &str, after: &str) -> DiffRow {
    DiffRow {
        change: change.into(),
        widens: change == "gained",
        narrows: change == "lost" || change == "ports",
        from: names(from),
        to: names(to),
        external: None,
        before: ports(before),
        after: ports(after),
        before_ipv6: None,
        after_ipv6: None,
        shifts: Vec::new(),
        pairs: 1,
        new_or_gone: false,
        example: None,
    }
}

fn external(addresses: &str, remarks: &str) -> Option<DiffExternal> {
    Some(DiffExternal {
        addresses: names(addresses),
        names: remarks.split_whitespace().map(Into::into).collect(),
        metadata: Vec::new(),
        domains: Vec::new(),
    })
}

fn evidence(verdict: &str, because: &str, by: Option<Location>) -> Evidence {
    Evidence {
        from: "shop/Deployment/frontend".into(),
        to: "ip:203.0.113.80".into(),
        address: None,
        protocol: "tcp".into(),
        port: Some(443),
        verdict: verdict.into(),
        because: because.into(),
        by,
    }
}

fn finding(rule: &str, severity: &str, message: &str, line: u32) -> Finding {
    Finding {
        rule: rule.into(),
        name: "a-rule".into(),
        severity: severity.into(),
        message: message.into(),
        subject: None,
        field: None,
        locations: vec![at("shop.yaml", line)],
        evidence: Vec::new(),
        notes: Vec::new(),
        why: Vec::new(),
        fix: None,
        fingerprint: "0".into(),
    }
}

/// All units of both states.
const UNITS: [&str; 10] = [
    "kube-system/Deployment/coredns",
    "payments/Deployment/payments-api",
    "payments/StatefulSet/ledger-db",
    "platform/Deployment/gateway",
    "platform/DaemonSet/node-exporter",
    "shop/Deployment/cart",
    "shop/Deployment/catalog",
    "shop/Deployment/frontend",
    "shop/StatefulSet/orders-db",
    "nodes",
];

/// A change with everything in it.
fn everything() -> DiffReport {
    let three = "shop/Deployment/cart, shop/Deployment/catalog, shop/Deployment/frontend";
    let mut edited = policy("edited", "shop/catalog-ingress", Some(76), Some(74));
    let value = |text: &str, place| {
        Some(DiffValue {
            text: text.into(),
            place,
        })
    };
    edited.edits.push(DiffEdit {
        path: "spec.podSelector.matchLabels.app".into(),
        old: value("catalogue", at("git:main:shop.yaml", 78)),
        new: value("catalog", at("shop.yaml", 76)),
    });
    let mut api = row(
        "gained",
        "payments/Deployment/payments-api",
        "world",
        "",
        "443/tcp",
    );
    api.external = external(
        "198.51.100.0-198.51.100.9, 198.51.100.12-198.51.100.255",
        "documentation",
    );
    let mut outside = row("lost", three, "world", "all", "");
    outside.external = external("0.0.0.0/0, ::/0", "");
    let was = evidence(
        "allow",
        "rule 1 of NetworkPolicy shop/deny-metadata allows it",
        Some(at("git:main:shop.yaml", 18)),
    );
    let is = evidence(
        "deny",
        "NetworkPolicy shop/default-deny isolates it for egress and no rule of 3 policies matches",
        Some(at("shop.yaml", 4)),
    );
    outside.example = Some(DiffExample {
        old: Some(was.clone()),
        new: Some(is.clone()),
    });
    let mut deny_metadata = policy("removed", "shop/deny-metadata", Some(12), None);
    let note = "its rule 1 allowed 0.0.0.0/0 except 169.254.169.254/32";
    deny_metadata.notes.push(note.into());
    DiffReport {
        api_version: "watertight.dev/v1".into(),
        kind: "DiffReport".into(),
        tool: Tool {
            name: "watertight".into(),
            version: "0.0.0".into(),
        },
        old: side("git:main"),
        new: side("."),
        complete: true,
        problems: Vec::new(),
        assumptions: Vec::new(),
        verdict: DiffVerdict {
            word: "unsafe".into(),
            sentence:
                "not safe: 1 observed connection would be cut; 2 pairs gain and 13 lose connections"
                    .into(),
        },
        counts: DiffCounts {
            gained: 2,
            lost: 13,
            mixed: 3,
            uncertain: 3,
            observed_cut: 1,
            objects: 6,
            findings_introduced: 1,
            findings_resolved: 1,
            ..DiffCounts::default()
        },
        observed: vec![ObservedChange {
            change: "cut".into(),
            from: was.from.clone(),
            to: was.to.clone(),
            protocol: "tcp".into(),
            port: Some(443),
            times: 1204,
            seen: at("flows.jsonl", 12),
            old: was,
            new: is,
        }],
        causes: vec![
            DiffCause {
                objects: vec![deny_metadata],
                rows: vec![
                    outside,
                    row("lost", three, "nodes", "all", ""),
                    row(
                        "ports",
                        three,
                        "kube-system/Deployment/coredns",
                        "all",
                        "53/tcp 53/udp",
                    ),
                    row(
                        "uncertain",
                        three,
                        "platform/DaemonSet/node-exporter",
                        "9100/tcp?",
                        "",
                    ),
                ],
            },
            DiffCause {
                objects: vec![edited],
                rows: vec![row(
                    "gained",
                    "shop/Deployment/frontend",
                    "shop/Deployment/catalog",
                    "",
                    "8080/tcp",
                )],
            },
            DiffCause {
                objects: vec![
                    policy("added", "payments/bank", None, Some(90)),
                    policy("edited", "payments/payments-api", Some(45), Some(45)),
                ],
                rows: vec![
                    api,
                    row(
                        "lost",
                        "platform/Deployment/gateway",
                        "payments/Deployment/payments-api, payments/StatefulSet/ledger-db",
                        "53/tcp 53/udp",
                        "",
                    ),
                ],
            },
        ],
        unaffecting: vec![policy("edited", "staging/no-egress", Some(4), Some(4))],
        findings: Some(FindingDelta {
            introduced: vec![finding(
                "WT401",
                "warning",
                "`orders-db-ingress` selects nothing",
                94,
            )],
            resolved: vec![finding(
                "WT202",
                "error",
                "the `except` of 169.254.169.254/32 keeps nobody from it",
                21,
            )],
        }),
    }
}

fn rendered(report: &DiffReport, format: DiffFormat, all: bool) -> String {
    let units = UNITS.map(str::to_owned);
    let rendering = Rendering {
        report,
        units: &units,
        width: 100,
        all,
    };
    let mut out = Vec::new();
    rendering.render(format, false, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn check(format: DiffFormat, expected: &Expect) {
    expected.assert_eq(&rendered(&everything(), format, false));
}

#[test]
fn text() {
    check(
        DiffFormat::Text,
        &expect![[r#"
            not safe: 1 observed connection would be cut; 2 pairs gain and 13 lose connections

            ! observed, and no longer allowed
              ! shop/Deployment/frontend -> ip:203.0.113.80:443/tcp   1204 times
                  is denied: NetworkPolicy shop/default-deny isolates it for egress and no rule of 3 policies
                    matches (shop.yaml:4)
                  was allowed: rule 1 of NetworkPolicy shop/deny-metadata allows it (git:main:shop.yaml:18)

            - NetworkPolicy shop/deny-metadata removed   git:main:shop.yaml:12
                its rule 1 allowed 0.0.0.0/0 except 169.254.169.254/32
              - shop/cart, shop/catalog, shop/frontend -> world                    all
              - shop/cart, shop/catalog, shop/frontend -> nodes                    all
              ~ shop/cart, shop/catalog, shop/frontend -> kube-system/coredns      53/tcp, 53/udp   was: all
              ? shop/cart, shop/catalog, shop/frontend -> platform/node-exporter   nothing   was: 9100/tcp?

            ~ NetworkPolicy shop/catalog-ingress edited   shop.yaml:74
                spec.podSelector.matchLabels.app: catalogue -> catalog
              + shop/frontend -> shop/catalog   8080/tcp

            ~ together: NetworkPolicy payments/bank added and NetworkPolicy payments/payments-api edited
                NetworkPolicy payments/bank   payments.yaml:90
                NetworkPolicy payments/payments-api   payments.yaml:45
              + payments/payments-api -> world 198.51.100.0-198.51.100.9, 198.51.100.12-198.51.100.255
                  (documentation)
                  on 443/tcp
              - platform/gateway -> payments/*   53/tcp, 53/udp

            changed without an effect on any connection: NetworkPolicy staging/no-egress edited

            findings: 1 introduced, 1 resolved
              + warning[WT401] `orders-db-ingress` selects nothing   shop.yaml:94
              - error[WT202] the `except` of 169.254.169.254/32 keeps nobody from it   shop.yaml:21

            + newly allowed  - no longer allowed  ~ other ports  ? uncertain  ! observed
        "#]],
    );
}

#[test]
fn markdown() {
    check(
        DiffFormat::Markdown,
        &expect![[r#"
            <!-- watertight diff -->
            ### ⛔ Network policies: not safe: 1 observed connection would be cut; 2 pairs gain and 13 lose connections

            `git:main` → `.` · pairs: 2 gain, 13 lose, 3 gain and lose, 3 uncertain · findings: 1 introduced, 1 resolved

            | | observed connection that would be cut | times | why |
            |---|---|---:|---|
            | ⛔ | `shop/Deployment/frontend -> ip:203.0.113.80:443/tcp` | 1204 | denied: NetworkPolicy shop/default-deny isolates it for egress and no rule of 3 policies matches (shop.yaml:4) |

            **NetworkPolicy shop/deny-metadata removed** · `git:main:shop.yaml:12`

            - `its rule 1 allowed 0.0.0.0/0 except 169.254.169.254/32`

            ```diff
            - shop/cart, shop/catalog, shop/frontend -> world   all
            - shop/cart, shop/catalog, shop/frontend -> nodes   all
            - shop/cart, shop/catalog, shop/frontend -> kube-system/coredns   53/tcp, 53/udp   was: all
            ! shop/cart, shop/catalog, shop/frontend -> platform/node-exporter   nothing   was: 9100/tcp?   uncertain
            ```

            **NetworkPolicy shop/catalog-ingress edited** · `shop.yaml:74`

            - `spec.podSelector.matchLabels.app: catalogue -> catalog`

            ```diff
            + shop/frontend -> shop/catalog   8080/tcp
            ```

            **together: NetworkPolicy payments/bank added and NetworkPolicy payments/payments-api edited**

            ```diff
            + payments/payments-api -> world 198.51.100.0-198.51.100.9, 198.51.100.12-198.51.100.255 (documentation)   443/tcp
            - platform/gateway -> payments/*   53/tcp, 53/udp
            ```

            <details><summary>Changed without an effect on any connection: 1 object</summary>

            NetworkPolicy staging/no-egress edited

            </details>

            <details open><summary>Findings: 1 introduced, 1 resolved</summary>

            | | rule | where | what |
            |---|---|---|---|
            | introduced | warning WT401 | `shop.yaml:94` | \`orders-db-ingress\` selects nothing |
            | resolved | error WT202 | `shop.yaml:21` | the \`except\` of 169.254.169.254/32 keeps nobody from it |

            </details>
        "#]],
    );
}

#[test]
fn sarif() {
    let text = rendered(&everything(), DiffFormat::Sarif, false);
    let log: serde_json::Value = serde_json::from_str(&text).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let told: Vec<_> = results
        .iter()
        .map(|result| {
            let place = &result["locations"][0]["physicalLocation"];
            format!(
                "{} {} {}:{} {}\n",
                result["level"].as_str().unwrap(),
                result["ruleId"].as_str().unwrap(),
                place["artifactLocation"]["uri"].as_str().unwrap(),
                place["region"]["startLine"],
                result["message"]["text"].as_str().unwrap(),
            )
        })
        .collect();
    expect![[r#"
        error diff/cut shop.yaml:4 shop/Deployment/frontend -> ip:203.0.113.80:443/tcp was seen 1204 times and is no longer allowed

        after: denied: NetworkPolicy shop/default-deny isolates it for egress and no rule of 3 policies matches (shop.yaml:4)
        before: allowed: rule 1 of NetworkPolicy shop/deny-metadata allows it (git:main:shop.yaml:18)
        note diff/narrowed shop.yaml:1 NetworkPolicy shop/deny-metadata removed: connections are no longer allowed
        - shop/cart, shop/catalog, shop/frontend -> world: all
        - shop/cart, shop/catalog, shop/frontend -> nodes: all
        - shop/cart, shop/catalog, shop/frontend -> kube-system/coredns: 53/tcp, 53/udp   was: all
        note diff/uncertain shop.yaml:1 NetworkPolicy shop/deny-metadata removed: connections are allowed or not, depending on what the input does not say
        - shop/cart, shop/catalog, shop/frontend -> platform/node-exporter: nothing   was: 9100/tcp?
        warning diff/widened shop.yaml:76 NetworkPolicy shop/catalog-ingress edited: connections are newly allowed
        - shop/frontend -> shop/catalog: 8080/tcp
        note diff/narrowed payments.yaml:90 together: NetworkPolicy payments/bank added and NetworkPolicy payments/payments-api edited: connections are no longer allowed
        - platform/gateway -> payments/*: 53/tcp, 53/udp
        warning diff/widened payments.yaml:90 together: NetworkPolicy payments/bank added and NetworkPolicy payments/payments-api edited: connections are newly allowed
        - payments/payments-api -> world 198.51.100.0-198.51.100.9, 198.51.100.12-198.51.100.255 (documentation): 443/tcp
        warning WT401 shop.yaml:94 `orders-db-ingress` selects nothing
    "#]].assert_eq(&told.concat());
    let rules = log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap();
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], rules[index]["id"]);
    }
}

#[test]
fn html_is_well_formed_and_harmless() {
    let mut report = everything();
    report.causes[0].objects[0].name = "<script>alert(1)</script>".into();
    report.causes[0].rows[0].from = names("shop/Deployment/\"><img src=x>");
    let page = rendered(&report, DiffFormat::Html, false);
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(!page.contains("<img"), "{page}");
    for tag in [
        "section", "table", "tr", "td", "th", "ul", "li", "details", "h2", "h3",
    ] {
        let open =
            page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(open, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    for address in ["http://", "https://", "src=\"", "@import", "url("] {
        assert!(!page.contains(address), "{address}");
    }
}

#[test]
fn text_from_manifests_is_harmless_everywhere() {
    let mut report = everything();
    let evil = "a\u{1b}[31m|`@x`\n```\n# b";
    report.causes[0].objects[0].name = evil.into();
    report.causes[0].objects[0].notes = vec![evil.into()];
    report.observed[0].from = evil.into();
    report.causes[0].rows[0].from = vec![format!("x/Deployment/{evil}")];
    for format in [
        DiffFormat::Text,
        DiffFormat::Markdown,
        DiffFormat::Html,
        DiffFormat::Sarif,
    ] {
        let text = rendered(&report, format, false);
        assert!(!text.contains('\u{1b}'), "{format:?}");
        assert!(!text.contains("\n# b"), "{format:?}: {text}");
    }
}

#[test]
fn what_is_left_out_is_counted() {
    let mut report = everything();
    let cause = report.causes[1].clone();
    for _ in 0..60 {
        report.causes.push(cause.clone());
    }
    let rows = report.causes[1].rows[0].clone();
    report.causes[1].rows = vec![rows; 40];
    let text = rendered(&report, DiffFormat::Text, false);
    assert!(
        text.contains("... and 28 more rows (--all, -o json)"),
        "{text}"
    );
    assert!(
        text.contains("... and 23 more causes (--all, -o json)"),
        "{text}"
    );
    let all = rendered(&report, DiffFormat::Text, true);
    assert!(!all.contains("more rows"), "{all}");
    assert_eq!(
        all.matches("~ NetworkPolicy shop/catalog-ingress").count(),
        61
    );

    report.causes = vec![cause; 2000];
    let comment = rendered(&report, DiffFormat::Markdown, false);
    assert!(comment.len() < 65_536, "{}", comment.len());
    assert!(comment.contains("more causes: too long for a comment"));
    assert!(
        comment.contains("Findings: 1 introduced"),
        "what is behind stays"
    );
}

#[test]
fn nothing_to_tell_is_one_line() {
    let report = DiffReport {
        verdict: DiffVerdict {
            word: "same".into(),
            sentence: "the same: no object differs".into(),
        },
        counts: DiffCounts::default(),
        observed: Vec::new(),
        causes: Vec::new(),
        unaffecting: Vec::new(),
        findings: None,
        ..everything()
    };
    assert_eq!(
        rendered(&report, DiffFormat::Text, false),
        "the same: no object differs\n"
    );
    expect![[r#"
        <!-- watertight diff -->
        ### ✅ Network policies: the same: no object differs

        `git:main` → `.`
    "#]]
    .assert_eq(&rendered(&report, DiffFormat::Markdown, false));
}

#[test]
fn workloads_that_come_are_one_cause() {
    let mut report = everything();
    let workload = |name: &str| DiffObject {
        kind: "Deployment".into(),
        ..policy("added", name, None, Some(3))
    };
    let cause = |objects: &[&str], from: &str, to: &str| DiffCause {
        objects: objects.iter().map(|name| workload(name)).collect(),
        rows: vec![row("gained", from, to, "", "80/tcp")],
    };
    let (a, b) = ("shop/Deployment/frontend", "shop/Deployment/cart");
    report.causes.push(cause(&["shop/frontend"], a, "nodes"));
    report.causes.push(cause(&["shop/cart"], b, "nodes"));
    report
        .causes
        .push(cause(&["shop/cart", "shop/frontend"], a, b));
    let text = rendered(&report, DiffFormat::Text, false);
    let (_, told) = text.split_once("+ 2 Deployments added\n").unwrap();
    let rows: Vec<_> = told.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(
        rows,
        [
            "  + shop/cart, shop/frontend -> nodes   80/tcp",
            "  + shop/frontend -> shop/cart          80/tcp",
        ]
    );
}
