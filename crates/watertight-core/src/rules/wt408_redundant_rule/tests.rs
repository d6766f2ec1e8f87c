use expect_test::expect;

use super::RULE;
use crate::rules::testing::{findings, findings_on};

/// Pods db and web of `shop`, and these policies there.
fn shop(policies: &[&str]) -> String {
    let mut all = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: sales}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db, tier: back}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web, tier: front}}
"
    .to_owned();
    for (index, spec) in policies.iter().enumerate() {
        let name = ["a", "b", "c", "d"][index];
        all.push_str("---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n");
        all.push_str(&format!("metadata: {{name: {name}, namespace: shop}}\n"));
        all.push_str(&format!("spec:\n{spec}\n"));
    }
    all
}

/// One policy for db with these ingress rules.
fn db(rules: &str) -> String {
    shop(&[&format!(
        "  podSelector: {{matchLabels: {{app: db}}}}\n  ingress:\n{rules}"
    )])
}

#[track_caller]
fn silent(yaml: &str) {
    expect![[""]].assert_eq(&findings(&RULE, yaml));
}

// K-15, K-23
#[test]
fn a_rule_inside_another_rule() {
    let yaml = db("  - from: [{podSelector: {}}]
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]");
    expect![[r#"
        note[WT408] ingress rule 2 of NetworkPolicy `shop/a` adds nothing
          about: NetworkPolicy shop/a
          at t.yaml:21:5: `from: [{podSelector: {matchLabels: {app: web}}}]` the policy itself allows this already
          at t.yaml:20:5: `from: [{podSelector: {}}]` here
          why: K-15 K-22
          fix: remove it, or narrow what makes it redundant
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn of_two_equal_rules_the_later() {
    let yaml = db("  - ports: [{port: 80}]
  - ports: [{port: 80, protocol: TCP, endPort: 80}]");
    expect![[r#"
        note[WT408] ingress rule 2 of NetworkPolicy `shop/a` adds nothing
          about: NetworkPolicy shop/a
          at t.yaml:21:5: `ports: [{port: 80, protocol: TCP, endPort: 80}]` the policy itself allows this already
          at t.yaml:20:5: `ports: [{port: 80}]` here
          why: K-15 K-22
          fix: remove it, or narrow what makes it redundant
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn peers_and_ports() {
    let yaml = db("  - from:
    - podSelector: {matchLabels: {app: web}}
    - namespaceSelector: {}
    ports:
    - port: 8080
    - {port: 8000, endPort: 9000}
    - {port: 8080, protocol: UDP}");
    expect![[r#"
        note[WT408] peer 1 of ingress rule 1 and port 1 of ingress rule 1 of NetworkPolicy `shop/a` add nothing
          about: NetworkPolicy shop/a
          at t.yaml:21:7: `podSelector: {matchLabels: {app: web}}` the policy itself allows this already
          at t.yaml:22:7: `namespaceSelector: {}` here
          at t.yaml:24:7: `port: 8080` the policy itself allows this already
          at t.yaml:25:7: `{port: 8000, endPort: 9000}` here
          why: K-15 K-22
          fix: remove them, or narrow what makes them redundant
    "#]].assert_eq(&findings(&RULE, &yaml));
}

// K-23: the pairs of one rule may be covered by different rules.
#[test]
fn a_rule_covered_by_two_others() {
    let yaml = db("  - from: [{podSelector: {matchLabels: {app: web}}}]
  - from: [{ipBlock: {cidr: 10.0.0.0/8}}]
    ports: [{port: 1, endPort: 1024}]
  - from: [{podSelector: {matchLabels: {app: web, tier: front}}}, {ipBlock: {cidr: 10.1.0.0/16}}]
    ports: [{port: 80}]");
    expect![[r#"
        note[WT408] ingress rule 3 of NetworkPolicy `shop/a` adds nothing
          about: NetworkPolicy shop/a
          at t.yaml:23:5: `from: [{podSelector: {matchLabels: {app: web, tier: front}}}, {ipBlock: {cidr: 10.1.0.0/16}}]` the policy itself allows this already
          at t.yaml:20:5: `from: [{podSelector: {matchLabels: {app: web}}}]` here
          why: K-15 K-22
          fix: remove it, or narrow what makes it redundant
    "#]].assert_eq(&findings(&RULE, &yaml));
}

#[test]
fn a_whole_policy() {
    let a = "  podSelector: {}
  ingress: [{from: [{podSelector: {}}]}]";
    let b = "  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}]";
    expect![[r#"
        note[WT408] NetworkPolicy `shop/b` adds nothing to `shop/a`
          about: NetworkPolicy shop/b
          at t.yaml:23:18: `b` 
          at t.yaml:19:13: `{from: [{podSelector: {}}]}` allows all of ingress rule 1
          at t.yaml:16:18: `a` isolates the same pods for ingress
          why: K-15 K-7
          fix: remove it, or narrow what makes it redundant
    "#]]
    .assert_eq(&findings(&RULE, &shop(&[a, b])));
    // The order in the file does not matter: the wide one stays.
    expect![[r#"
        note[WT408] NetworkPolicy `shop/a` adds nothing to `shop/b`
          about: NetworkPolicy shop/a
          at t.yaml:16:18: `a` 
          at t.yaml:26:13: `{from: [{podSelector: {}}]}` allows all of ingress rule 1
          at t.yaml:23:18: `b` isolates the same pods for ingress
          why: K-15 K-7
          fix: remove it, or narrow what makes it redundant
    "#]]
    .assert_eq(&findings(&RULE, &shop(&[b, a])));
}

#[test]
fn of_two_equal_policies_the_later() {
    let a = "  podSelector: {matchLabels: {app: db}}
  ingress: [{ports: [{port: 5432}]}]";
    expect![[r#"
        note[WT408] NetworkPolicy `shop/b` adds nothing to `shop/a`
          about: NetworkPolicy shop/b
          at t.yaml:23:18: `b` 
          at t.yaml:19:13: `{ports: [{port: 5432}]}` allows all of ingress rule 1
          at t.yaml:16:18: `a` isolates the same pods for ingress
          why: K-15 K-7
          fix: remove it, or narrow what makes it redundant
        note[WT408] NetworkPolicy `shop/c` adds nothing to `shop/a`
          about: NetworkPolicy shop/c
          at t.yaml:30:18: `c` 
          at t.yaml:19:13: `{ports: [{port: 5432}]}` allows all of ingress rule 1
          at t.yaml:16:18: `a` isolates the same pods for ingress
          why: K-15 K-7
          fix: remove it, or narrow what makes it redundant
    "#]]
    .assert_eq(&findings(&RULE, &shop(&[a, a, a])));
}

// K-7: the rules add nothing, the isolation for egress does.
#[test]
fn the_only_policy_that_isolates() {
    let a = "  podSelector: {}
  ingress: [{}]";
    let b = "  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress: [{ports: [{port: 5432}]}]";
    expect![[r#"
        note[WT408] ingress rule 1 of NetworkPolicy `shop/b` adds nothing
          about: NetworkPolicy shop/b
          at t.yaml:27:13: `{ports: [{port: 5432}]}` `shop/a` allows this already
          at t.yaml:19:13: `{}` here
          why: K-15 K-22
          fix: remove it, or narrow what makes it redundant
    "#]]
    .assert_eq(&findings(&RULE, &shop(&[a, b])));
}

#[test]
fn a_default_deny_is_no_redundancy() {
    let deny = "  podSelector: {}
  policyTypes: [Ingress, Egress]";
    let allow = "  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingress: [{from: [{podSelector: {}}]}]
  egress: [{to: [{podSelector: {}}]}]";
    silent(&shop(&[deny, allow]));
    let allow = "  podSelector: {matchLabels: {app: db}}
  ingress: [{from: [{podSelector: {}}]}]";
    silent(&shop(&[deny, allow]));
    // Two of them are one too many, and so is one for pods that the other has as well.
    let some = "  podSelector: {matchLabels: {app: db}}
  policyTypes: [Egress]";
    expect![[r#"
        note[WT408] NetworkPolicy `shop/b` adds nothing to `shop/a`
          about: NetworkPolicy shop/b
          at t.yaml:23:18: `b` 
          at t.yaml:16:18: `a` isolates the same pods for ingress
          why: K-15 K-7
          fix: remove it, or narrow what makes it redundant
        note[WT408] NetworkPolicy `shop/c` adds nothing to `shop/a`
          about: NetworkPolicy shop/c
          at t.yaml:30:18: `c` 
          at t.yaml:16:18: `a` isolates the same pods for egress
          why: K-15 K-7
          fix: remove it, or narrow what makes it redundant
    "#]]
    .assert_eq(&findings(&RULE, &shop(&[deny, deny, some])));
}

// A pod that does not exist yet could have app=web and another tier.
#[test]
fn what_the_pods_happen_to_be_proves_nothing() {
    silent(&db(
        "  - from: [{podSelector: {matchLabels: {tier: front}}}]
  - from: [{podSelector: {matchLabels: {app: web}}}]",
    ));
    let a = "  podSelector: {matchLabels: {tier: back}}
  ingress: [{ports: [{port: 5432}]}]";
    let b = "  podSelector: {matchLabels: {app: db}}
  ingress: [{ports: [{port: 5432}]}]";
    silent(&shop(&[a, b]));
}

// K-38..K-44
#[test]
fn selectors_by_what_they_say() {
    let covered = |wide: &str, narrow: &str| {
        let yaml = db(&format!(
            "  - from: [{{podSelector: {{matchExpressions: [{wide}]}}}}]
  - from: [{{podSelector: {{matchExpressions: [{narrow}]}}}}]"
        ));
        findings(&RULE, &yaml).contains("ingress rule 2 of")
    };
    let one = "{key: a, operator: In, values: [x]}";
    let two = "{key: a, operator: In, values: [x, z]}";
    let not = "{key: a, operator: NotIn, values: [v]}";
    let not_two = "{key: a, operator: NotIn, values: [v, w]}";
    let some = "{key: a, operator: Exists}";
    let none = "{key: a, operator: DoesNotExist}";
    assert!(covered(two, one) && !covered(one, two), "K-39");
    assert!(covered(not, one) && !covered(one, not), "K-40");
    assert!(covered(not, not_two) && !covered(not_two, not));
    assert!(covered(some, one) && !covered(one, some), "K-41");
    assert!(!covered(some, not) && !covered(not, some), "K-40: absent");
    assert!(covered(not, none) && !covered(none, not), "K-42");
    assert!(!covered(none, some));
}

// K-24, K-35
#[test]
fn namespaces_by_what_they_say() {
    let own = "{podSelector: {matchLabels: {app: web}}}";
    let named = "{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}, \
                 podSelector: {matchLabels: {app: web}}}";
    let by_team = "{namespaceSelector: {matchLabels: {team: sales}}, \
                   podSelector: {matchLabels: {app: web}}}";
    let all = "{namespaceSelector: {}}";
    let covered = |wide: &str, narrow: &str| {
        let yaml = db(&format!("  - from: [{wide}]\n  - from: [{narrow}]"));
        findings(&RULE, &yaml).contains("ingress rule 2 of")
    };
    assert!(covered(own, named) && covered(named, own), "K-35");
    assert!(covered(all, own) && covered(all, by_team), "K-29");
    // The namespace has the label today.
    silent(&db(&format!("  - from: [{by_team}]\n  - from: [{own}]")));
    // K-29: not everybody is a pod, and no block is one.
    silent(&db(&format!(
        "  - from: [{all}]
  - from: [{{ipBlock: {{cidr: 10.0.0.0/8}}}}]
  - from: [{{ipBlock: {{cidr: '::/0'}}}}, {{ipBlock: {{cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}}}]
    ports: [{{port: 80}}]"
    )));
}

// K-63, K-64, K-66
#[test]
fn blocks_and_exceptions() {
    let covered = |wide: &str, narrow: &str| {
        let yaml = db(&format!(
            "  - from: [{{ipBlock: {wide}}}]\n  - from: [{{ipBlock: {narrow}}}]"
        ));
        findings(&RULE, &yaml).contains("ingress rule 2 of")
    };
    let ten = "{cidr: 10.0.0.0/8}";
    assert!(covered(ten, "{cidr: 10.1.0.0/16, except: [10.1.1.0/24]}"));
    assert!(!covered(
        "{cidr: 10.0.0.0/8, except: [10.1.1.0/24]}",
        "{cidr: 10.1.0.0/16}"
    ));
    assert!(covered(
        "{cidr: 10.0.0.0/8, except: [10.1.1.0/24]}",
        "{cidr: 10.1.0.0/16, except: [10.1.1.0/25, 10.1.1.128/25]}"
    ));
    assert!(covered(
        "{cidr: 10.0.0.0/8, except: [10.2.0.0/16]}",
        "{cidr: 10.1.0.0/16}"
    ));
    assert!(!covered("{cidr: 0.0.0.0/0}", "{cidr: 'fd00::/8'}"), "K-66");
    assert!(covered("{cidr: '::/0'}", "{cidr: 'fd00::/8'}"));
}

// K-47..K-60
#[test]
fn ports_and_protocols() {
    let covered = |wide: &str, narrow: &str| {
        let yaml = db(&format!("  - ports: [{wide}]\n  - ports: [{narrow}]"));
        findings(&RULE, &yaml).contains("ingress rule 2 of")
    };
    assert!(!covered("{port: 53}", "{port: 53, protocol: UDP}"), "K-47");
    assert!(covered("{}", "{port: 53}") && !covered("{}", "{port: 53, protocol: UDP}"));
    assert!(covered("{port: 1, endPort: 100}", "{port: 100}"), "K-50");
    assert!(!covered(
        "{port: 1, endPort: 99}",
        "{port: 99, endPort: 100}"
    ));
    assert!(covered("{port: 1, endPort: 65535}", "{}"));
    assert!(covered("{port: http}", "{port: http}"));
    assert!(!covered("{port: http}", "{port: web}") && !covered("{port: http}", "{port: 80}"));
    assert!(!covered("{port: 80}", "{port: http}"), "K-56: any number");
    assert!(covered("{}", "{port: http}"));
    assert!(
        !covered("{}, {protocol: UDP}, {protocol: SCTP}", ""),
        "K-61"
    );
}

// An engine without endPort opens the first port only.
#[test]
fn what_the_engine_makes_of_it() {
    let yaml = db("  - ports: [{port: 80, endPort: 90}]\n  - ports: [{port: 85}]");
    assert!(findings(&RULE, &yaml).contains("ingress rule 2"));
    expect![[""]].assert_eq(&findings_on(&RULE, &yaml, "cilium@1.15", &[]));
}

#[test]
fn policies_that_select_nothing_are_left_to_wt401() {
    let a = "  podSelector: {matchLabels: {app: none}}
  ingress: [{}, {}]";
    silent(&shop(&[a]));
}
