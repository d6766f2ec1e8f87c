//! `watertight test` from end to end: the example in every format, files that are found, and what goes
//! wrong.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot copy its example fails"
)]

use expect_test::{Expect, expect};

use crate::harness::{Project, Ran};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");

/// A namespace that is closed but for one connection.
const CLUSTER: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
";

const HOLDS: &str = "
apiVersion: watertight.dev/v1
kind: Intents
statements:
- name: the shop reaches its database
  allow: {from: shop/web, to: shop/db, ports: [5432]}
- name: nobody else does
  only: {from: shop/web, to: shop/db}
";

/// The example and its intents, under short names.
fn example(arguments: &[&str]) -> Ran {
    let project = Project::new(&[]);
    let link = |name: &str| {
        let from = format!("{EXAMPLES}/{name}");
        std::os::unix::fs::symlink(from, project.path().join(name)).unwrap();
    };
    link("shop.intents.yaml");
    link("shop");
    let mut all = vec!["test", "shop.intents.yaml", "-f", "shop"];
    all.extend(arguments);
    project.run(&all)
}

fn project(intents: &str) -> Project {
    Project::new(&[
        ("k8s/cluster.yaml", CLUSTER),
        ("shop.intents.yaml", intents),
    ])
}

#[track_caller]
fn prints(ran: &Ran, code: i32, expected: Expect) {
    assert_eq!(ran.code, code, "{ran:?}");
    expected.assert_eq(&ran.stdout);
}

/// Standard error without the time that it took.
fn told(ran: &Ran) -> String {
    let lines = ran.stderr.lines();
    let lines = lines.map(|line| match line.rsplit_once(" in ") {
        Some((line, time)) if time.ends_with(" ms") => line,
        _ => line,
    });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_example_as_text() {
    let ran = example(&[]);
    prints(
        &ran,
        1,
        expect![[r#"
        ok      customers reach the storefront through the gateway
        ok      checkout reaches the payments API
        ok      the ledger takes in payments and nobody else
        ok      the payments API is called by checkout alone
        ok      staging stays away from production
        FAIL    no pod of the storefront gets cloud credentials   shop.intents.yaml:21
                shop/Deployment/cart -> ip:100.100.100.200:80/tcp is allowed, and 4 other pairs like it
                it must hold: SEC-88
                  shop/Deployment/cart -> ip:100.100.100.200:80/tcp   ALLOWED
                    egress   shop/cart            allowed   NetworkPolicy shop/deny-metadata rule 1: 0.0.0.0/0 except 169.254.169.254/32 on all ports   shop/shop/policies.yaml:18
                                                            1 more policy selects it; one rule that matches is enough (K-15)
                    ingress  ip:100.100.100.200   -         outside the cluster, where no policy applies (K-17)
                  shop/Deployment/cart can connect to ip:100.100.100.200 on 80/tcp: an egress rule allows it, and no policy guards the destination
        ok      nobody outside reaches a database
        xfail   pods of the analytics resolve names
                analytics/Deployment/dashboards -> kube-system/Deployment/coredns:53/tcp is denied
        ok      card data leaves for the processor only
        9 statements: 7 hold, 1 fails, 1 fails as expected
    "#]],
    );
    expect![[r#"
        analysed 33 policies, 22 pods in 8 namespaces (21 files, engine the reference semantics), assuming M-1 M-3; 9 statements judged,
    "#]].assert_eq(&told(&ran));
}

#[test]
fn the_example_as_tap() {
    prints(
        &example(&["-o", "tap"]),
        1,
        expect![[r#"
        TAP version 14
        1..9
        ok 1 - customers reach the storefront through the gateway
        ok 2 - checkout reaches the payments API
        ok 3 - the ledger takes in payments and nobody else
        ok 4 - the payments API is called by checkout alone
        ok 5 - staging stays away from production
        not ok 6 - no pod of the storefront gets cloud credentials
          ---
          message: "shop/Deployment/cart -> ip:100.100.100.200:80/tcp is allowed, and 4 other pairs like it"
          status: fail
          at: "shop.intents.yaml:21"
          reason: "SEC-88"
          counterexample: |
            shop/Deployment/cart -> ip:100.100.100.200:80/tcp   ALLOWED
              egress   shop/cart            allowed   NetworkPolicy shop/deny-metadata rule 1: 0.0.0.0/0 except 169.254.169.254/32 on all ports   shop/shop/policies.yaml:18
                                                      1 more policy selects it; one rule that matches is enough (K-15)
              ingress  ip:100.100.100.200   -         outside the cluster, where no policy applies (K-17)
            shop/Deployment/cart can connect to ip:100.100.100.200 on 80/tcp: an egress rule allows it, and no policy guards the destination
          ...
        ok 7 - nobody outside reaches a database
        not ok 8 - pods of the analytics resolve names # TODO a known gap
          ---
          message: "analytics/Deployment/dashboards -> kube-system/Deployment/coredns:53/tcp is denied"
          status: xfail
          at: "shop.intents.yaml:31"
          ...
        ok 9 - card data leaves for the processor only
    "#]],
    );
}

#[test]
fn the_example_as_junit() {
    prints(
        &example(&["-o", "junit"]),
        1,
        expect![[r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="watertight" tests="9" skipped="1" failures="1" errors="0">
            <testsuite name="shop.intents.yaml" tests="9" skipped="1" errors="0" failures="1">
                <testcase name="customers reach the storefront through the gateway" classname="shop.intents.yaml"/>
                <testcase name="checkout reaches the payments API" classname="shop.intents.yaml"/>
                <testcase name="the ledger takes in payments and nobody else" classname="shop.intents.yaml"/>
                <testcase name="the payments API is called by checkout alone" classname="shop.intents.yaml"/>
                <testcase name="staging stays away from production" classname="shop.intents.yaml"/>
                <testcase name="no pod of the storefront gets cloud credentials" classname="shop.intents.yaml">
                    <failure message="shop/Deployment/cart -&gt; ip:100.100.100.200:80/tcp is allowed, and 4 other pairs like it" type="fail">shop.intents.yaml:21: shop/Deployment/cart -&gt; ip:100.100.100.200:80/tcp is allowed, and 4 other pairs like it
        it must hold: SEC-88
        shop/Deployment/cart -&gt; ip:100.100.100.200:80/tcp   ALLOWED
          egress   shop/cart            allowed   NetworkPolicy shop/deny-metadata rule 1: 0.0.0.0/0 except 169.254.169.254/32 on all ports   shop/shop/policies.yaml:18
                                                  1 more policy selects it; one rule that matches is enough (K-15)
          ingress  ip:100.100.100.200   -         outside the cluster, where no policy applies (K-17)
        shop/Deployment/cart can connect to ip:100.100.100.200 on 80/tcp: an egress rule allows it, and no policy guards the destination
        </failure>
                </testcase>
                <testcase name="nobody outside reaches a database" classname="shop.intents.yaml"/>
                <testcase name="pods of the analytics resolve names" classname="shop.intents.yaml">
                    <skipped message="a known gap: analytics/Deployment/dashboards -&gt; kube-system/Deployment/coredns:53/tcp is denied"/>
                </testcase>
                <testcase name="card data leaves for the processor only" classname="shop.intents.yaml"/>
            </testsuite>
        </testsuites>
    "#]],
    );
}

#[test]
fn the_example_as_json_is_what_the_schema_says() {
    let ran = example(&["-o", "json"]);
    assert_eq!(ran.code, 1);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let schema = Project::new(&[]).run(&["schema", "test"]).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let mut shown = format!("{}\n", report["summary"]);
    for statement in report["statements"].as_array().unwrap() {
        let told = [
            &statement["status"],
            &statement["name"],
            &statement["message"],
            &statement["more"],
            &statement["pairs"],
            // The rest is what `explain` prints, and tested there.
            &statement["counterexample"]["flow"],
        ];
        let told: Vec<String> = told.map(ToString::to_string).to_vec();
        shown.push_str(&format!("{}\n", told.join(" ")));
    }
    expect![[r#"
        {"complete":true,"errors":0,"expectedFailures":1,"failed":1,"passed":7,"statements":9,"unexpectedPasses":0,"vacuous":0}
        "pass" "customers reach the storefront through the gateway" "" 0 1 null
        "pass" "checkout reaches the payments API" "" 0 1 null
        "pass" "the ledger takes in payments and nobody else" "" 0 22 null
        "pass" "the payments API is called by checkout alone" "" 0 23 null
        "pass" "staging stays away from production" "" 0 33 null
        "fail" "no pod of the storefront gets cloud credentials" "shop/Deployment/cart -> ip:100.100.100.200:80/tcp is allowed" 4 null "shop/Deployment/cart -> ip:100.100.100.200:80/tcp"
        "pass" "nobody outside reaches a database" "" 0 3 null
        "xfail" "pods of the analytics resolve names" "analytics/Deployment/dashboards -> kube-system/Deployment/coredns:53/tcp is denied" 0 null null
        "pass" "card data leaves for the processor only" "" 0 22 null
    "#]].assert_eq(&shown);
}

#[test]
fn the_map_of_the_example_as_a_file() {
    let project = Project::new(&[]);
    let shop = format!("{EXAMPLES}/shop");
    let ran = project.run(&["reach", &shop, "-o", "intent"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let head: Vec<&str> = ran.stdout.lines().take(48).collect();
    expect![[r#"
        # What the policies allow today, and nothing else: `watertight test` fails when that changes.
        # Change it into what you want: give statements names and reasons, take out what does not matter, and
        # write `expect: fail` where there is a gap that you know of. docs/test.md describes the file.
        apiVersion: watertight.dev/v1
        kind: Intents
        statements:
          - name: from analytics/StatefulSet/clickhouse and 4 more
            exactly:
              from: [analytics/StatefulSet/clickhouse, kube-system/Deployment/coredns, ns:staging]
              allowed:
                - to: [kube-system/Deployment/coredns, nodes]
                  ports: [any]
                - to: platform/Deployment/gateway
                  ports: [8080/tcp, 8443/tcp]
                - to: platform/DaemonSet/log-shipper
                  ports: [1-65535/tcp]
                - to: platform/DaemonSet/node-exporter
                  ports: [any]
                  verdict: uncertain
                - to: world
                  ports: [any]
          - name: from analytics/Deployment/collector
            exactly:
              from: analytics/Deployment/collector
              allowed:
                - to: analytics/StatefulSet/clickhouse
                  ports: [9000/tcp]
                - to: [kube-system/Deployment/coredns, nodes]
                  ports: [any]
                - to: platform/Deployment/gateway
                  ports: [8080/tcp, 8443/tcp]
                - to: platform/DaemonSet/log-shipper
                  ports: [1-65535/tcp]
                - to: platform/DaemonSet/node-exporter
                  ports: [any]
                  verdict: uncertain
                - to: world
                  ports: [any]
          - name: from analytics/Deployment/dashboards
            exactly:
              from: analytics/Deployment/dashboards
              allowed:
                - to: analytics/StatefulSet/clickhouse
                  ports: [8123/tcp]
          - name: from identity/Deployment/account-operator
            exactly:
              from: identity/Deployment/account-operator
              allowed:"#]].assert_eq(&head.join("\n"));
    project.write("today.intents.yaml", &ran.stdout);
    let ran = project.run(&["test", "-f", &shop]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let schema = project.run(&["schema", "intents"]).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    assert!(jsonschema::validator_for(&schema).is_ok());
}

#[test]
fn a_pinned_map_fails_when_it_changes() {
    let project = project(HOLDS);
    let map = project.run(&[
        "reach",
        "k8s",
        "-o",
        "json=map.json",
        "-o",
        "intent=map.intents.yaml",
    ]);
    assert_eq!(map.code, 0, "{map:?}");
    for file in ["map.json", "map.intents.yaml"] {
        let ran = project.run(&["test", file, "-f", "k8s"]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    project.write("k8s/cluster.yaml", &CLUSTER.replace("5432", "5433"));
    prints(
        &project.run(&["test", "map.json", "-f", "k8s"]),
        1,
        expect![[r#"
            ok      from kube-system/Pod/kube-dns and 1 more
            FAIL    from shop/Deployment/web   map.json
                    shop/Deployment/web -> shop/Deployment/db: expected 5432/tcp, found 5433/tcp
                      shop/Deployment/web -> shop/Deployment/db:5432/tcp   DENIED at ingress of shop/db
                        egress   shop/web   allowed   no policy isolates it for egress
                        ingress  shop/db    denied    NetworkPolicy shop/db isolates it; its rule does not match   k8s/cluster.yaml:18
                                                        closest: rule 1 admits 5433/tcp only   k8s/cluster.yaml:24
                      shop/Deployment/web cannot connect to shop/Deployment/db on 5432/tcp: the ingress side does not allow it
                      help: add `{port: 5432}` to `ports` of ingress rule 1 of NetworkPolicy shop/db (k8s/cluster.yaml:24)
            ok      into kube-system/Pod/kube-dns and 1 more from outside
            ok      into shop/Deployment/db from outside
            4 statements: 3 hold, 1 fails
        "#]],
    );
    assert_eq!(
        project.run(&["test", "map.intents.yaml", "-f", "k8s"]).code,
        1
    );
    let part = project.run(&["reach", "k8s", "--from", "shop/web", "-o", "json=part.json"]);
    assert_eq!(part.code, 0);
    let ran = project.run(&["test", "part.json", "-f", "k8s"]);
    assert_eq!(ran.code, 2);
    expect![[r#"
        error: `part.json`: a part of a map cannot be pinned; make the map without --from and --to
    "#]]
    .assert_eq(&ran.stderr);
    let ran = project.run(&["reach", "k8s", "--from", "shop/web", "-o", "intent"]);
    assert_eq!(ran.code, 2);
    expect![[r#"
        error: -o intent pins the whole map; leave out --from and --to
    "#]]
    .assert_eq(&ran.stderr);
}

#[test]
fn files_are_found_here_or_beside_the_manifests() {
    let project = project(HOLDS);
    prints(
        &project.run(&["test"]),
        0,
        expect![[r#"
        ok      the shop reaches its database
        ok      nobody else does
        2 statements: 2 hold
    "#]],
    );
    prints(
        &project.run(&["test", ".", "-f", "k8s"]),
        0,
        expect![[r#"
            ok      the shop reaches its database
            ok      nobody else does
            2 statements: 2 hold
        "#]],
    );
    let beside = Project::new(&[("k8s/cluster.yaml", CLUSTER), ("k8s/a.intents.yml", HOLDS)]);
    assert_eq!(beside.run(&["test", "-f", "k8s"]).code, 0);
    let ran = beside.run(&["test"]);
    assert_eq!(ran.code, 2);
    expect![[r#"
        error: there is no file called *.intents.yaml here; name one, or write a starting file: watertight reach -o intent=watertight.intents.yaml
    "#]].assert_eq(&ran.stderr);
    let ran = beside.run(&["test", "none.yaml", "-f", "k8s"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("cannot read `none.yaml`"), "{ran:?}");
    let piped = beside.run_with(&["test", "-", "-f", "k8s"], Some(HOLDS));
    assert_eq!(piped.code, 0, "{piped:?}");
}

#[test]
fn statements_of_several_files_are_told_by_file() {
    let project = project(HOLDS);
    let file = |statements: &str| {
        format!("apiVersion: watertight.dev/v1\nkind: Intents\nstatements:{statements}\n")
    };
    project.write("a.intents.yaml", &file(" []"));
    let two = "
- {name: two, deny: {from: shop/web, to: shop/db}}
- {name: lost, deny: {from: shop/web, to: shop/db, ports: [none]}}
- {name: three, deny: {from: shop/web, to: shop/svc/db}}";
    project.write("b.intents.yaml", &file(two));
    project.write(
        "c.intents.yaml",
        &file("\n- {name: two, deny: {from: world, to: shop/db}}"),
    );
    let ran = project.run(&["test", "-f", "k8s", "-o", "json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let told: Vec<String> = report["statements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| format!("{} {} {}\n", found["file"], found["name"], found["status"]))
        .collect();
    expect![[r#"
        "b.intents.yaml" "two" "fail"
        "b.intents.yaml" "three" "vacuous"
        "c.intents.yaml" "two" "pass"
        "shop.intents.yaml" "the shop reaches its database" "pass"
        "shop.intents.yaml" "nobody else does" "pass"
    "#]]
    .assert_eq(&told.concat());
}

#[test]
fn gaps_that_close_and_statements_about_nobody_fail() {
    let project = project(
        "
apiVersion: watertight.dev/v1
kind: Intents
statements:
- name: closed by now
  reason: ticket 7
  deny: {from: world, to: shop/db}
  expect: fail
- name: still open
  deny: {from: shop/web, to: world}
  expect: fail
- name: misspelt
  deny: {from: shop/wbe, to: shop/db}
- name: may come one day
  deny: {from: shop/cache, to: shop/db}
  allowVacuous: true
- name: no source
  allow: {from: shop/web, to: shop/db, ports: [http]}
",
    );
    prints(
        &project.run(&["test", "-f", "k8s"]),
        2,
        expect![[r#"
        XPASS   closed by now   shop.intents.yaml:5
                it holds, so the gap is closed: take `expect: fail` away
                it must hold: ticket 7
        xfail   still open
                shop/Deployment/web -> ip:203.0.113.9:80/tcp is allowed
        VACUOUS misspelt   shop.intents.yaml:12
                the statement is about nobody: no pod or workload `wbe` in namespace `shop` (did you mean `web`?)
        ok      may come one day
                about nobody, as allowed: no pod or workload `cache` in namespace `shop`; it has `db` and `web`
        ERROR   no source   shop.intents.yaml:17
                shop/Deployment/db names no port, so that `http` means nothing there; write a number
        5 statements: 1 holds, 1 fails as expected, 1 holds though a gap was expected, 1 is about nobody, 1 cannot be read or judged
    "#]],
    );
}

#[test]
fn what_cannot_be_read_costs_itself() {
    let project = project(
        "
apiVersion: watertight.dev/v1
kind: Intents
statements:
- name: fine
  deny: {from: world, to: shop/db}
- name: not fine
  denny: {from: world, to: shop/db}
",
    );
    let ran = project.run(&["test", "-f", "k8s"]);
    prints(
        &ran,
        2,
        expect![[r#"
        ok      fine
        1 statement: 1 holds, 1 cannot be read or judged
    "#]],
    );
    expect![[r#"
        shop.intents.yaml:8:3: error: unknown field `denny`; did you mean `deny`?
        analysed 1 policy, 2 pods in 2 namespaces (1 file, engine the reference semantics), assuming M-1 M-2 M-3; 1 statement judged,
    "#]].assert_eq(&told(&ran));
    prints(
        &project.run(&["test", "-f", "k8s", "-o", "tap"]),
        2,
        expect![[r#"
            TAP version 14
            1..2
            not ok 1 - shop.intents.yaml:8:3
              ---
              message: "unknown field `denny`; did you mean `deny`?"
              severity: error
              ...
            ok 2 - fine
        "#]],
    );
    prints(
        &project.run(&["test", "-f", "k8s", "-o", "junit"]),
        2,
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="watertight" tests="2" skipped="0" failures="0" errors="1">
                <testsuite name="shop.intents.yaml" tests="2" skipped="0" errors="1" failures="0">
                    <testcase name="shop.intents.yaml:8:3" classname="shop.intents.yaml">
                        <error message="unknown field `denny`; did you mean `deny`?" type="error"/>
                    </testcase>
                    <testcase name="fine" classname="shop.intents.yaml"/>
                </testsuite>
            </testsuites>
        "#]],
    );
}

#[test]
fn text_from_files_cannot_do_harm() {
    let project = project(
        "
apiVersion: watertight.dev/v1
kind: Intents
statements:
- name: \"\\e[31mred # TODO\"
  reason: \"\\e]0;x\"
  deny: {from: shop/web, to: world}
",
    );
    for format in ["text", "tap", "junit", "json"] {
        let ran = project.run(&["test", "-f", "k8s", "-o", format]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(!ran.stdout.contains('\u{1b}'), "{format}: {}", ran.stdout);
    }
    let tap = project.run(&["test", "-f", "k8s", "-o", "tap"]).stdout;
    assert!(tap.contains(r"red \# TODO"), "{tap}");
}

#[test]
fn files_may_be_json_and_are_what_the_schema_says() {
    let intents = serde_json::json!({
        "apiVersion": "watertight.dev/v1",
        "kind": "Intents",
        "statements": [
            {"name": "a", "reason": "r", "expect": "pass", "allowVacuous": false,
             "allow": {"from": "shop/web", "to": ["shop/db"], "ports": [5432, "5432/tcp"]}},
            {"name": "b", "deny": {
                "from": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "web"}}},
                "to": {"namespace": "shop", "podSelector": {"matchExpressions": [
                    {"key": "app", "operator": "In", "values": ["db"]}]}},
                "ports": "1-5431/tcp"}},
            {"name": "c", "only": {"from": "shop/web", "to": "shop/db", "direction": "ingress"}},
            {"name": "d", "deny": {"from": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]},
                                   "to": "shop/db"}},
            {"name": "e", "deny": {"from": "shop/web", "to": {"metadata": ["aws"]}},
             "expect": "fail"},
            {"name": "f", "exactly": {"to": "shop/db", "among": "pods", "ports": ["any"],
                "allowed": [{"from": "shop/web", "ports": [5432], "verdict": "allow",
                             "some": false, "conditional": false, "ipv6": false}]}},
        ],
    });
    let project = project(HOLDS);
    let schema = project.run(&["schema", "intents"]).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(&intents)
        .map(|error| error.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let mut misspelt = intents.clone();
    misspelt["statements"][0]["allow"]["form"] = "x".into();
    assert!(!validator.is_valid(&misspelt));
    project.write("a.json", &intents.to_string());
    let ran = project.run(&["test", "a.json", "-f", "k8s"]);
    assert_eq!(ran.code, 0, "{ran:?}");
}
