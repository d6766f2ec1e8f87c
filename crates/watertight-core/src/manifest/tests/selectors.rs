//! Label selectors that the API server accepts (V-21..V-26).

use expect_test::expect;

use super::*;

fn labels(entry: &str) -> String {
    format!("{{podSelector: {{matchLabels: {{{entry}}}}}}}")
}

#[test]
fn v_21_label_keys() {
    for key in [
        "app",
        "app.kubernetes.io/name",
        "A_b.c-d",
        "9",
        &"k".repeat(63),
    ] {
        accepted(&labels(&format!("\"{key}\": web")));
    }
    expect![[r#"
        error[WT003] label key `a/b/c` has more than one `/`: a key is a name, or a DNS prefix, one `/` and a name
          about: NetworkPolicy x/p
          field: spec.podSelector.matchLabels
          at t.yaml:4:36: `a/b/c` 
          why: V-21
    "#]].assert_eq(&refused(&labels("a/b/c: web")));
    expect![[r#"
        error[WT003] label key `/name` has a prefix that is no DNS subdomain
          about: NetworkPolicy x/p
          field: spec.podSelector.matchLabels
          at t.yaml:4:36: `/name` 
          why: V-21
    "#]]
    .assert_eq(&refused(&labels("/name: web")));
    for key in [
        "'a b'",
        "-app",
        "app-",
        "Upper.Io/name",
        "app/",
        "''",
        &"k".repeat(64),
    ] {
        let shown = refused(&labels(&format!("{key}: web")));
        assert!(shown.contains("V-21"), "{key}: {shown}");
    }
    expect![[r#"
        error[WT003] label key `a/b/c` has more than one `/`: a key is a name, or a DNS prefix, one `/` and a name
          about: NetworkPolicy x/p
          field: spec.ingress[0].from[0].namespaceSelector.matchExpressions[0].key
          at t.yaml:4:72: `a/b/c` 
          why: V-21
    "#]].assert_eq(&refused(&from("{namespaceSelector: {matchExpressions: [{key: a/b/c, operator: Exists}]}}")));
    expect![[r#"
        error[WT003] an expression needs a `key`
          about: NetworkPolicy x/p
          field: spec.podSelector.matchExpressions[0]
          at t.yaml:4:41: `{operator: Exists}` 
          why: V-21
    "#]]
    .assert_eq(&refused(
        "{podSelector: {matchExpressions: [{operator: Exists}]}}",
    ));
}

#[test]
fn v_22_v_23_label_values() {
    for value in ["web", "1.0-rc_1", "''", "A", &"v".repeat(63)] {
        accepted(&labels(&format!("app: {value}")).replace("1.0-rc_1", "'1.0-rc_1'"));
        let expression = format!(
            "{{key: app, operator: In, values: ['{}']}}",
            value.trim_matches('\'')
        );
        accepted(&format!(
            "{{podSelector: {{matchExpressions: [{expression}]}}}}"
        ));
    }
    expect![[r#"
        error[WT003] label value `a/b` must be at most 63 letters, digits, `-`, `_` or `.`, starting and ending with a letter or digit, or be empty
          about: NetworkPolicy x/p
          field: spec.podSelector.matchLabels
          at t.yaml:4:41: `a/b` 
          why: V-22
    "#]].assert_eq(&refused(&labels("app: a/b")));
    for value in ["'a b'", "-web", "web-", "café", &"v".repeat(64)] {
        assert!(
            refused(&labels(&format!("app: {value}"))).contains("V-22"),
            "{value}"
        );
    }
    expect![[r#"
        error[WT003] label value `a/b` must be at most 63 letters, digits, `-`, `_` or `.`, starting and ending with a letter or digit, or be empty
          about: NetworkPolicy x/p
          field: spec.podSelector.matchExpressions[0].values[1]
          at t.yaml:4:82: `a/b` 
          why: V-23
    "#]].assert_eq(&refused(
        "{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [ok, a/b]}]}}",
    ));
}

#[test]
fn v_24_v_25_v_26_operators() {
    let expression =
        |rest: &str| format!("{{podSelector: {{matchExpressions: [{{key: app, {rest}}}]}}}}");
    for rest in [
        "operator: In, values: [a]",
        "operator: NotIn, values: [a, b]",
        "operator: Exists",
        "operator: DoesNotExist, values: []",
        "operator: Exists, values: null",
    ] {
        accepted(&expression(rest));
    }
    expect![[r#"
        error[WT003] `In` needs at least one value
          about: NetworkPolicy x/p
          field: spec.podSelector.matchExpressions[0].values
          at t.yaml:4:41: `{key: app, operator: In}` 
          why: V-24
    "#]]
    .assert_eq(&refused(&expression("operator: In")));
    expect![[r#"
        error[WT003] `NotIn` needs at least one value
          about: NetworkPolicy x/p
          field: spec.podSelector.matchExpressions[0].values
          at t.yaml:4:77: `[]` 
          why: V-24
    "#]]
    .assert_eq(&refused(&expression("operator: NotIn, values: []")));
    expect![[r#"
        error[WT003] `Exists` takes no values
          about: NetworkPolicy x/p
          field: spec.podSelector.matchExpressions[0].values
          at t.yaml:4:78: `[a]` 
          why: V-25
          fix: remove `values`
    "#]]
    .assert_eq(&refused(&expression("operator: Exists, values: [a]")));
    expect![[r#"
        error[WT003] `Equals` is no operator
          about: NetworkPolicy x/p
          field: spec.podSelector.matchExpressions[0].operator
          at t.yaml:4:62: `Equals` 
          why: V-26
          fix: use In, NotIn, Exists or DoesNotExist
    "#]]
    .assert_eq(&refused(&expression("operator: Equals, values: [a]")));
    expect![[r#"
        error[WT003] an expression needs an `operator`
          about: NetworkPolicy x/p
          field: spec.podSelector.matchExpressions[0]
          at t.yaml:4:41: `{key: app, values: [a]}` 
          why: V-26
          fix: use In, NotIn, Exists or DoesNotExist
    "#]]
    .assert_eq(&refused(&expression("values: [a]")));
    for operator in ["Gt", "in", "''"] {
        refused(&expression(&format!("operator: {operator}, values: [a]")));
    }
}
