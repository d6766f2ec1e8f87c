//! K-38..K-46: label selectors, as subjects and as peers.

use super::{check, policy};

/// Judges whether a selector selects `x/a` (app=web, empty='') as the subject of a policy, and as
/// a peer of one.
#[track_caller]
fn selects(selector: &str, expected: bool) {
    check(
        &policy("x/p", &format!("podSelector: {selector}")),
        &[("w/c -> x/a:80/tcp", !expected)],
    );
    let peer = format!("podSelector: {{}}\ningress: [{{from: [{{podSelector: {selector}}}]}}]");
    check(&policy("x/p", &peer), &[("x/a -> x/b:80/tcp", expected)]);
}

fn expressions(list: &str) -> String {
    format!("{{matchExpressions: [{list}]}}")
}

#[test]
fn k_38_everything_must_hold() {
    selects("{matchLabels: {app: web, empty: ''}}", true);
    selects("{matchLabels: {app: web, tier: x}}", false);
    let exists = "matchExpressions: [{key: tier, operator: Exists}]";
    selects(&format!("{{matchLabels: {{app: web}}, {exists}}}"), false);
}

#[test]
fn k_39_in() {
    selects(
        &expressions("{key: app, operator: In, values: [db, web]}"),
        true,
    );
    selects(
        &expressions("{key: app, operator: In, values: [db]}"),
        false,
    );
    selects(
        &expressions("{key: tier, operator: In, values: [db]}"),
        false,
    );
}

#[test]
fn k_40_not_in() {
    selects(
        &expressions("{key: app, operator: NotIn, values: [db]}"),
        true,
    );
    selects(
        &expressions("{key: app, operator: NotIn, values: [web]}"),
        false,
    );
    selects(
        &expressions("{key: tier, operator: NotIn, values: [web]}"),
        true,
    );
}

#[test]
fn k_41_exists() {
    selects(&expressions("{key: app, operator: Exists}"), true);
    selects(&expressions("{key: empty, operator: Exists}"), true);
    selects(
        &expressions("{key: tier, operator: Exists, values: []}"),
        false,
    );
}

#[test]
fn k_42_does_not_exist() {
    selects(&expressions("{key: tier, operator: DoesNotExist}"), true);
    selects(&expressions("{key: empty, operator: DoesNotExist}"), false);
}

#[test]
fn k_43_the_empty_value_is_a_value() {
    selects("{matchLabels: {empty: ''}}", true);
    selects("{matchLabels: {tier: ''}}", false);
    selects("{matchLabels: {app: ''}}", false);
    // A null value decodes to the empty string.
    selects("{matchLabels: {empty: }}", true);
}

#[test]
fn k_44_nothing_written_selects_everything() {
    for selector in [
        "{}",
        "{matchLabels: {}}",
        "{matchLabels: , matchExpressions: []}",
        "{matchExpressions: }",
    ] {
        selects(selector, true);
    }
}

#[test]
fn k_45_bytes_are_compared() {
    selects("{matchLabels: {app: Web}}", false);
    selects("{matchLabels: {App: web}}", false);
    selects("{matchLabels: {app.kubernetes.io/app: web}}", false);
    selects("{matchLabels: {example.com/app: web}}", false);
}

#[test]
fn k_46_contradictions_match_nothing() {
    for selector in [
        expressions(
            "{key: app, operator: In, values: [web]}, {key: app, operator: NotIn, values: [web]}",
        ),
        expressions("{key: app, operator: Exists}, {key: app, operator: DoesNotExist}"),
        "{matchLabels: {app: web}, matchExpressions: [{key: app, operator: DoesNotExist}]}".into(),
    ] {
        selects(&selector, false);
    }
}
