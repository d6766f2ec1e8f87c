//! The nearest miss: what a rule lacks, policies that nearly apply, and what to do.

use expect_test::{Expect, expect};

use super::super::*;
use crate::analysis::parties::{Flow, Parties};
use crate::analysis::testing::Sample;
use crate::manifest::Direction;

const PODS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: a}}
---
apiVersion: v1
kind: Namespace
metadata: {name: other, labels: {team: b}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, ports: [{name: sql, containerPort: 5432}, {name: stats, containerPort: 53, protocol: UDP}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web, tier: front}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: far, namespace: other, labels: {app: far}}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: known, namespace: other, labels: {app: known}}
spec: {containers: [{name: c}]}
status: {phase: Running, podIP: 10.1.2.3}
---
apiVersion: v1
kind: Pod
metadata: {name: bare, namespace: unseen}
spec: {hostNetwork: true, containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: plain, namespace: unseen}
spec: {containers: [{name: c}]}
";

/// What is told of the ingress of `shop/db` under one rule.
fn told(flow: &str, rule: &str) -> String {
    told_of(
        flow,
        &format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: \
             shop}}\nspec: {{podSelector: {{matchLabels: {{app: db}}}}, ingress: [{rule}]}}\n"
        ),
        Direction::Ingress,
    )
}

fn told_of(flow: &str, policies: &str, direction: Direction) -> String {
    let sample = Sample::new(&format!("{PODS}---\n{policies}"));
    let eval = sample.eval();
    let readings = Readings::new(&sample.world, &sample.ruleset, &sample.profile, &[]);
    let explainer = Explainer::new(&eval, &readings);
    let parties = Parties::new(&sample.world, None);
    let flow = Flow::parse(flow).unwrap();
    let from = parties.select(&flow.from.text).unwrap();
    let to = parties.select(&flow.to.text).unwrap();
    let answer = explainer.answer(&from, &to, &flow.ports).unwrap();
    let mut told = String::new();
    for row in answer.rows() {
        let Some(denial) = explainer.denial(row, direction) else {
            told += "not denied\n";
            continue;
        };
        for miss in &denial.misses {
            let texts: Vec<_> = miss
                .faults
                .iter()
                .map(|fault| fault.text.as_str())
                .collect();
            let number = miss.rule.rule + 1;
            told += &format!("{} rule {number} {}\n", miss.distance, texts.join("; "));
        }
        for nearly in &denial.nearly {
            let line = sample.sources.text(nearly.span);
            told += &format!(
                "nearly rule {}: {} [{line}]\n",
                nearly.rule + 1,
                nearly.text
            );
        }
        if let Some(advice) = &denial.advice {
            told += &format!("-> {}\n", advice.text);
        }
    }
    told
}

fn check(cases: &[(&str, &str)], expected: Expect) {
    let shown = cases
        .iter()
        .map(|(flow, rule)| format!("{flow} under {rule}\n{}", told(flow, rule)));
    expected.assert_eq(&shown.collect::<String>());
}

#[test]
fn labels_and_namespaces() {
    let sql = "ports: [{port: 5432}]";
    let peer = |peer: &str| format!("{{from: [{peer}], {sql}}}");
    let rules = [
        peer("{podSelector: {matchLabels: {app: api}}}"),
        peer("{podSelector: {matchLabels: {role: api}}}"),
        peer("{podSelector: {matchExpressions: [{key: app, operator: In, values: [a, b]}]}}"),
        peer(
            "{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web, far]}]}}",
        ),
        peer("{podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}}"),
        peer("{namespaceSelector: {matchLabels: {team: c}}}"),
        peer(
            "{namespaceSelector: {matchLabels: {name: shop}}, podSelector: {matchLabels: {app: x}}}",
        ),
        peer(
            "{podSelector: {matchLabels: {app: x}}}, {podSelector: {matchLabels: {app: yy, z: zz}}}",
        ),
    ];
    let mut cases: Vec<_> = rules
        .iter()
        .map(|rule| ("shop/web -> shop/db:5432", rule.as_str()))
        .collect();
    let own = peer("{podSelector: {}}");
    cases.push(("other/far -> shop/db:5432", &own));
    cases.push(("unseen/plain -> shop/db:5432", &rules[5]));
    cases.push(("unseen/bare -> shop/db:5432", &own));
    cases.push(("ip:203.0.113.1 -> shop/db:5432", &own));
    check(
        &cases,
        expect![[r#"
        shop/web -> shop/db:5432 under {from: [{podSelector: {matchLabels: {app: api}}}], ports: [{port: 5432}]}
        1 rule 1 needs app=api, shop/web has app=web
        -> add `{podSelector: {matchLabels: {app: web}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {from: [{podSelector: {matchLabels: {role: api}}}], ports: [{port: 5432}]}
        1 rule 1 needs role=api, shop/web has no label role
        -> add `{podSelector: {matchLabels: {app: web}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [a, b]}]}}], ports: [{port: 5432}]}
        1 rule 1 needs app in (a, b), shop/web has app=web
        -> add `{podSelector: {matchLabels: {app: web}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {from: [{podSelector: {matchExpressions: [{key: app, operator: NotIn, values: [web, far]}]}}], ports: [{port: 5432}]}
        1 rule 1 needs app notin (web, far), shop/web has app=web
        -> add `{podSelector: {matchLabels: {app: web}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {from: [{podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}}], ports: [{port: 5432}]}
        1 rule 1 needs no label tier, shop/web has tier=front
        -> add `{podSelector: {matchLabels: {app: web}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {from: [{namespaceSelector: {matchLabels: {team: c}}}], ports: [{port: 5432}]}
        1 rule 1 needs team=c on the namespace, `shop` has team=a
        -> add `{podSelector: {matchLabels: {app: web}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {from: [{namespaceSelector: {matchLabels: {name: shop}}, podSelector: {matchLabels: {app: x}}}], ports: [{port: 5432}]}
        2 rule 1 needs name=shop on the namespace, `shop` has no label name; needs app=x, shop/web has app=web
        -> add `{podSelector: {matchLabels: {app: web}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {from: [{podSelector: {matchLabels: {app: x}}}, {podSelector: {matchLabels: {app: yy, z: zz}}}], ports: [{port: 5432}]}
        1 rule 1 needs app=x, shop/web has app=web
        -> add `{podSelector: {matchLabels: {app: web}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
        other/far -> shop/db:5432 under {from: [{podSelector: {}}], ports: [{port: 5432}]}
        1 rule 1 has no namespaceSelector and so means pods of `shop` (K-24), other/far is in `other`
        -> add `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}, podSelector: {matchLabels: {app: far}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
        unseen/plain -> shop/db:5432 under {from: [{namespaceSelector: {matchLabels: {team: c}}}], ports: [{port: 5432}]}
        1 rule 1 needs team=c on the namespace, `unseen` has no label team, as far as is known: it has no Namespace object in the input (M-3)
        -> give unseen/plain a label first: it has none to select it by
        unseen/bare -> shop/db:5432 under {from: [{podSelector: {}}], ports: [{port: 5432}]}
        4 rule 1 selects pods by label, and unseen/bare is on the host network (K-72)
        -> no selector matches unseen/bare (K-72): admit the addresses of its nodes by an ipBlock in `from`
        ip:203.0.113.1 -> shop/db:5432 under {from: [{podSelector: {}}], ports: [{port: 5432}]}
        4 rule 1 selects pods, and ip:203.0.113.1 is none
        -> add `{ipBlock: {cidr: 203.0.113.1/32}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
    "#]],
    );
}

#[test]
fn addresses() {
    let block = |block: &str| format!("{{from: [{{ipBlock: {block}}}]}}");
    let rules = [
        block("{cidr: 10.0.0.0/8}"),
        block("{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}"),
        block("{cidr: '::/0'}"),
        block("{cidr: 10.244.7.0/24}"),
        block("{cidr: 172.16.0.0/12}"),
    ];
    let [private, except, v6, part, apart] = rules.each_ref().map(String::as_str);
    check(
        &[
            ("ip:203.0.113.1 -> shop/db:5432", private),
            ("ip:10.1.2.9 -> shop/db:5432", except),
            ("other/known -> shop/db:5432", except),
            ("other/known -> shop/db:5432", apart),
            ("ip:10.1.2.9 -> shop/db:5432", v6),
            ("other/far -> shop/db:5432", part),
            ("other/far -> shop/db:5432", apart),
        ],
        expect![[r#"
            ip:203.0.113.1 -> shop/db:5432 under {from: [{ipBlock: {cidr: 10.0.0.0/8}}]}
            2 rule 1 admits 10.0.0.0/8, 203.0.113.1 is outside of it
            -> add `{ipBlock: {cidr: 203.0.113.1/32}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
            ip:10.1.2.9 -> shop/db:5432 under {from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}
            1 rule 1 admits 10.0.0.0/8 but leaves out 10.1.0.0/16
            -> add `{ipBlock: {cidr: 10.1.2.9/32}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
            other/known -> shop/db:5432 under {from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}
            1 rule 1 admits 10.0.0.0/8 but leaves out 10.1.0.0/16, where other/known (10.1.2.3) is
            -> add `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}, podSelector: {matchLabels: {app: known}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
            other/known -> shop/db:5432 under {from: [{ipBlock: {cidr: 172.16.0.0/12}}]}
            2 rule 1 admits 172.16.0.0/12, other/known (10.1.2.3) is outside of it
            -> add `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}, podSelector: {matchLabels: {app: known}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
            ip:10.1.2.9 -> shop/db:5432 under {from: [{ipBlock: {cidr: '::/0'}}]}
            3 rule 1 admits ::/0, which is of the other family (K-66)
            -> add `{from: [{ipBlock: {cidr: 10.1.2.9/32}}], ports: [{port: 5432}]}` to `ingress` of NetworkPolicy shop/p
            other/far -> shop/db:5432 under {from: [{ipBlock: {cidr: 10.244.7.0/24}}]}
            1 rule 1 admits 10.244.7.0/24, and the input does not tell the address of other/far (M-1)
            -> add `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}, podSelector: {matchLabels: {app: far}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
            other/far -> shop/db:5432 under {from: [{ipBlock: {cidr: 172.16.0.0/12}}]}
            2 rule 1 admits 172.16.0.0/12, pods lie in 10.244.0.0/16 (M-1)
            -> add `{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: other}}, podSelector: {matchLabels: {app: far}}}` to `from` of ingress rule 1 of NetworkPolicy shop/p
        "#]],
    );
}

#[test]
fn ports() {
    let ports = |ports: &str| format!("{{from: [{{podSelector: {{}}}}], ports: [{ports}]}}");
    let rules = [
        ports("{port: 80}, {port: 443}"),
        ports("{port: 5432, protocol: UDP}"),
        ports("{port: mysql}"),
        ports("{port: stats}"),
        ports("{port: sql}, {port: 80}"),
        "{ports: [{port: 80}]}".to_owned(),
    ];
    let mut cases: Vec<_> = rules
        .iter()
        .map(|rule| ("shop/web -> shop/db:5432", rule.as_str()))
        .collect();
    cases.pop();
    cases.push(("shop/web -> shop/db:1", &rules[4]));
    cases.push(("shop/web -> shop/db:5432", &rules[5]));
    check(
        &cases,
        expect![[r#"
        shop/web -> shop/db:5432 under {from: [{podSelector: {}}], ports: [{port: 80}, {port: 443}]}
        1 rule 1 admits 80/tcp and 443/tcp only
        -> add `{port: 5432}` to `ports` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {from: [{podSelector: {}}], ports: [{port: 5432, protocol: UDP}]}
        1 rule 1 admits 5432/udp, not tcp
        -> add `{port: 5432}` to `ports` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {from: [{podSelector: {}}], ports: [{port: mysql}]}
        1 rule 1 admits port `mysql`/tcp, and shop/db has `sql` and `stats` only (K-57)
        -> add `{port: 5432}` to `ports` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {from: [{podSelector: {}}], ports: [{port: stats}]}
        1 rule 1 admits port `stats`/tcp, which is 53/udp on shop/db (K-54)
        -> add `{port: 5432}` to `ports` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {from: [{podSelector: {}}], ports: [{port: sql}, {port: 80}]}
        not denied
        shop/web -> shop/db:1 under {from: [{podSelector: {}}], ports: [{port: sql}, {port: 80}]}
        1 rule 1 admits `sql`/tcp (which is 5432 on shop/db) and 80/tcp only
        -> add `{port: 1}` to `ports` of ingress rule 1 of NetworkPolicy shop/p
        shop/web -> shop/db:5432 under {ports: [{port: 80}]}
        2 rule 1 admits 80/tcp only
        -> add `{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 5432}]}` to `ingress` of NetworkPolicy shop/p
    "#]],
    );
}

#[test]
fn policies_that_nearly_apply() {
    let policy = |name: &str, spec: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}, \
             namespace: shop}}\nspec: {spec}\n---\n"
        )
    };
    let deny = policy("deny", "{podSelector: {}, policyTypes: [Ingress, Egress]}");
    let rule = "ingress: [{from: [{podSelector: {}}], ports: [{port: 5432}]}]";
    let cases = [
        policy(
            "slip",
            &format!("{{podSelector: {{matchLabels: {{app: dbs}}}}, {rule}}}"),
        ),
        policy(
            "key",
            "{podSelector: {matchLabels: {role: web}}, egress: [{}], policyTypes: [Egress]}",
        ),
        policy(
            "other",
            &format!("{{podSelector: {{matchLabels: {{app: cache}}}}, {rule}}}"),
        ),
        policy(
            "inert",
            &format!("{{podSelector: {{}}, policyTypes: [Egress], {rule}}}"),
        ),
        policy(
            "no-help",
            "{podSelector: {}, policyTypes: [Egress], ingress: [{ports: [{port: 1}]}]}",
        ),
    ];
    let shown: Vec<_> = cases
        .iter()
        .map(|case| {
            let policies = format!("{deny}{case}");
            let ingress = told_of("shop/web -> shop/db:5432", &policies, Direction::Ingress);
            let egress = told_of("shop/web -> shop/db:5432", &policies, Direction::Egress);
            format!("ingress {ingress}egress {egress}\n")
        })
        .collect();
    expect![[r#"
        ingress nearly rule 1: it selects app=dbs, shop/db has app=db [app: dbs]
        -> select app=db in NetworkPolicy shop/slip
        egress -> the policy that isolates it has no rule: add a NetworkPolicy that selects shop/web and lets it connect to shop/db on 5432/tcp

        ingress -> the policy that isolates it has no rule: add a NetworkPolicy that selects shop/db and admits shop/web on 5432/tcp
        egress nearly rule 1: it selects role=web, shop/web has app=web [role: web]
        -> select app=web in NetworkPolicy shop/key

        ingress -> the policy that isolates it has no rule: add a NetworkPolicy that selects shop/db and admits shop/web on 5432/tcp
        egress -> the policy that isolates it has no rule: add a NetworkPolicy that selects shop/web and lets it connect to shop/db on 5432/tcp

        ingress nearly rule 1: its policyTypes leave ingress out, so that its ingress section does nothing (K-10) [[Egress]]
        -> add `Ingress` to its policyTypes in NetworkPolicy shop/inert
        egress -> none of the policies that isolate it has a rule: add a NetworkPolicy that selects shop/web and lets it connect to shop/db on 5432/tcp

        ingress -> the policy that isolates it has no rule: add a NetworkPolicy that selects shop/db and admits shop/web on 5432/tcp
        egress -> none of the policies that isolate it has a rule: add a NetworkPolicy that selects shop/web and lets it connect to shop/db on 5432/tcp

    "#]].assert_eq(&shown.concat());
}
