//! Every format, on a report of everything at once.

mod report;

use expect_test::{Expect, expect};
use watertight_core::report::diff::{DiffCause, DiffCounts, DiffObject, DiffReport, DiffVerdict};

use self::report::*;
use super::Rendering;
use crate::args::DiffFormat;

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

            no connection changes because of NetworkPolicy staging/no-egress edited

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

            <details><summary>No connection changes because of 1 object</summary>

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
