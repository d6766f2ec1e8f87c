//! What policies say around their rules.

use expect_test::expect;

use super::*;
use crate::manifest::Direction::{Egress, Ingress};
use crate::sets::CalicoSelector;

#[test]
fn c_14_c_15_c_16_types() {
    let types = |spec: &str| policy(&np(spec)).effective_types();
    assert_eq!(types("{}"), [Ingress]);
    assert_eq!(types("{ingress: [{action: Allow}]}"), [Ingress]);
    assert_eq!(types("{egress: [{action: Allow}]}"), [Egress]);
    let both = "{ingress: [{action: Allow}], egress: [{action: Allow}]}";
    assert_eq!(types(both), [Ingress, Egress]);
    assert_eq!(
        types("{types: [Egress], ingress: [{action: Deny}]}"),
        [Egress],
        "C-15"
    );
    assert_eq!(types("{ingress: [], egress: []}"), [Ingress], "C-16");
    assert_eq!(
        types("{ingress: [], egress: [{action: Allow}]}"),
        [Egress],
        "C-16"
    );
    let missing = object("NetworkPolicy", "name: p, namespace: x", "");
    assert_eq!(policy(&missing).effective_types(), [Ingress]);
}

#[test]
fn c_74_types_are_listed_once() {
    expect![[r#"
        error[WT003] type `Ingress` is listed twice
          about: NetworkPolicy x/p
          field: spec.types[1]
          at t.yaml:4:25: `Ingress` 
          why: C-74
          fix: list it once
    "#]]
    .assert_eq(&refused(&np("{types: [Ingress, Ingress]}")));
    assert!(refused(&np("{types: [ingress]}")).contains("`ingress` is no policy type"));
}

#[test]
fn c_1_c_11_tier_and_order() {
    let plain = policy(&np("{}"));
    assert_eq!((&*plain.tier, plain.order), ("default", None));
    let placed = policy(&gnp("{tier: security, order: -3.5}"));
    assert_eq!(
        (&*placed.tier, placed.order),
        ("security", Some(-3.5)),
        "C-74"
    );
    assert_eq!(policy(&np("{order: 10}")).order, Some(10.0));
    assert_eq!(policy(&np("{order: 1e3}")).order, Some(1000.0));
    assert!(refused(&np("{order: first}")).contains("expected a whole number"));
    assert!(refused(&np("{order: .inf}")).contains("expected a whole number"));
}

#[test]
fn c_17_c_18_c_19_c_20_selectors() {
    let empty = policy(&np("{selector: ''}"));
    assert!(empty.selector.is_none() && empty.namespace_selector.is_none());
    let spec = "{selector: has(a), namespaceSelector: all(), serviceAccountSelector: \"b == 'c'\"}";
    let all = policy(&gnp(spec));
    assert_eq!(
        all.selector.unwrap().selector,
        CalicoSelector::Has("a".into())
    );
    assert_eq!(
        all.namespace_selector.unwrap().selector,
        CalicoSelector::All
    );
    let accounts = all.service_account_selector.unwrap().selector;
    assert_eq!(accounts, CalicoSelector::Equal("b".into(), "c".into()));
    expect![[r#"
        error[WT004] unknown field `namespaceSelector`: the API server drops it and uses the default
          about: NetworkPolicy x/p
          field: spec
          at t.yaml:4:8: `namespaceSelector` no such field here
          fix: the fields here are: tier, order, selector, serviceAccountSelector, types, ingress, egress, performanceHints
    "#]]
    .assert_eq(&read(&np("{namespaceSelector: all()}")).1);
}

#[test]
fn c_31_errors_point_into_selectors() {
    expect![[r#"
        error[WT003] `pod = 'a'` is no selector: a single `=` compares nothing
          about: NetworkPolicy x/p
          field: spec.selector
          at t.yaml:4:23: `=` 
          why: C-31
          fix: write `==`
            t.yaml:4:23: "=" => "=="
    "#]]
    .assert_eq(&refused(&np("{selector: \"pod = 'a'\"}")));
    expect![[r#"
        error[WT003] `pod == a` is no selector: the value `a` needs quotes
          about: NetworkPolicy x/p
          field: spec.selector
          at t.yaml:4:25: `a` 
          why: C-31
          fix: write `'a'`
    "#]]
    .assert_eq(&refused(&np("{selector: pod == a}")));
    expect![[r#"
        error[WT003] `pod = 'a'` is no selector: a single `=` compares nothing
          about: NetworkPolicy x/p
          field: spec.selector
          at t.yaml:4:18: `'pod = ''a'''` 
          why: C-31
          fix: write `==`
    "#]]
    .assert_eq(&refused(&np("{selector: 'pod = ''a'''}")));
}

#[test]
fn c_29_global_elsewhere() {
    expect![[r#"
        error[WT003] only the `namespaceSelector` of a rule may say `global()`
          about: NetworkPolicy x/p
          field: spec.selector
          at t.yaml:4:18: `global(` 
          why: C-29
    "#]]
    .assert_eq(&refused(&np("{selector: global()}")));
    for spec in [
        "{namespaceSelector: global()}",
        "{serviceAccountSelector: global()}",
        "{selector: \"a == 'global('\"}",
        "{ingress: [{action: Allow, source: {selector: global()}}]}",
        "{ingress: [{action: Allow, source: {notSelector: '!global()'}}]}",
        "{ingress: [{action: Allow, source: {namespaceSelector: '!global()'}}]}",
        "{ingress: [{action: Allow, source: {namespaceSelector: global() || has(a)}}]}",
    ] {
        assert!(refused(&gnp(spec)).contains("C-29"), "{spec}");
    }
    accepted(&gnp(
        "{ingress: [{action: Allow, source: {namespaceSelector: ' global( ) '}}]}",
    ));
}

#[test]
fn c_74_length_of_selectors() {
    let long = |length: usize| format!("has({})", "k".repeat(length - 5));
    let pair = |length: usize| format!("{{selector: {} && {}}}", long(500), long(length - 504));
    accepted(&gnp(&pair(1016)));
    let said = refused(&gnp(&format!(
        "{{selector: {} && {} && {}}}",
        long(500),
        long(500),
        long(17)
    )));
    assert!(
        said.contains("the selector has 1025 characters; 1024 are allowed"),
        "{said}"
    );
    let accounts = format!(
        "{{selector: {} && {} && {}}}",
        long(500),
        long(500),
        long(17)
    );
    accepted(&ingress(&format!(
        "source: {{serviceAccounts: {accounts}}}"
    )));
}

#[test]
fn c_70_stages_of_hosts() {
    accepted(&gnp(
        "{doNotTrack: true, applyOnForward: true, egress: [{action: Allow}]}",
    ));
    accepted(&gnp(
        "{preDNAT: true, applyOnForward: true, types: [Ingress]}",
    ));
    for (spec, message) in [
        ("{doNotTrack: true}", "need `applyOnForward: true`"),
        (
            "{preDNAT: true, types: [Ingress]}",
            "need `applyOnForward: true`",
        ),
        (
            "{preDNAT: true, doNotTrack: true, applyOnForward: true}",
            "exclude one another",
        ),
        (
            "{preDNAT: true, applyOnForward: true, egress: [{action: Allow}]}",
            "has no egress rules",
        ),
        (
            "{preDNAT: true, applyOnForward: true, types: [Egress]}",
            "has no type Egress",
        ),
    ] {
        let said = refused(&gnp(spec));
        assert!(
            said.contains(message) && said.contains("C-70"),
            "{spec}\n{said}"
        );
    }
    let said = read(&np("{applyOnForward: true}")).1;
    assert!(said.contains("unknown field `applyOnForward`"), "{said}");
}

#[test]
fn c_62_staged_policies() {
    let staged = object("StagedNetworkPolicy", "name: p, namespace: x", "{order: 1}");
    match accepted(&staged) {
        CalicoObject::Staged(policy, StagedAction::Set) => assert_eq!(policy.order, Some(1.0)),
        other => panic!("{other:?}"),
    }
    let delete = |spec: &str| object("StagedGlobalNetworkPolicy", "name: p", spec);
    let deleted = accepted(&delete("{stagedAction: Delete, tier: default}"));
    assert!(matches!(
        deleted,
        CalicoObject::Staged(_, StagedAction::Delete)
    ));
    assert!(refused(&delete("{stagedAction: Delete, order: 1}")).contains("C-62"));
    assert!(refused(&delete("{stagedAction: Remove}")).contains("use Set, Delete"));
    let kubernetes = |spec: &str| {
        let kind = "StagedKubernetesNetworkPolicy";
        object(kind, "name: p, namespace: x", spec)
    };
    match accepted(&kubernetes(
        "{stagedAction: Learn, podSelector: {}, policyTypes: [Egress]}",
    )) {
        CalicoObject::StagedKubernetes(spec, StagedAction::Learn) => {
            assert_eq!(spec.effective_types(), [Egress]);
        }
        other => panic!("{other:?}"),
    }
    let said = read(&kubernetes("{podSelecter: {}}")).1;
    assert!(said.contains("unknown field `podSelecter`"), "{said}");
}

#[test]
fn c_77_the_stored_form_is_the_same() {
    let stored = gnp("{order: 1}").replace("projectcalico.org/v3", "crd.projectcalico.org/v1");
    assert_eq!(policy(&stored).order, Some(1.0));
}
