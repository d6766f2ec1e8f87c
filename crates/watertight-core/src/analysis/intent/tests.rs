//! Statements of every kind, read and judged.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

mod outside;
mod scope;

use super::*;
use crate::analysis::map::{By, Question, ReachMap};
use crate::analysis::readings::Readings;
use crate::analysis::testing::Sample;
use crate::eval::reach::Reach;
use crate::report::reach::{Reporter, SavedMap, query};
use crate::source::Sources;

const CLUSTER: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web, tier: front}}, spec: {containers: [{name: c}]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: job, namespace: batch}
spec:
  selector: {matchLabels: {app: job}}
  template: {metadata: {labels: {app: job}}, spec: {containers: [{name: c}]}}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.96.0.7, selector: {app: db}, ports: [{port: 5000, targetPort: pg}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
  egress:
  - to: [{ipBlock: {cidr: 203.0.113.0/24}}]
    ports: [{port: 443}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
  - from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]
    ports: [{port: 8080}]
";

fn judged(sample: &Sample, statements: &[Statement]) -> String {
    let eval = sample.eval();
    let reach = Reach::new(&eval);
    let readings = Readings::new(&sample.world, &sample.ruleset, &sample.profile, &[]);
    let checker = Checker::new(&eval, &reach, &readings, &sample.profile, &[], None);
    let mut out = String::new();
    for Judged { statement, outcome } in checker.judge(statements) {
        let told = match outcome {
            Outcome::Held(pairs) => format!("holds for {pairs} pairs"),
            Outcome::Broken(broken) => {
                let shown = broken.shown.map_or(" (not shown)", |_| "");
                format!("BROKEN{shown}: {} and {} more", broken.message, broken.more)
            }
            Outcome::Vacuous(why) => format!("vacuous: {why}"),
            Outcome::Refused(why) => format!("refused: {why}"),
        };
        writeln!(out, "{}: {told}", statement.name).unwrap();
    }
    out
}

fn intents(statements: &str) -> (Sources, Intents) {
    let mut sources = Sources::new();
    let text = format!("apiVersion: watertight.dev/v1\nkind: Intents\nstatements:\n{statements}");
    let file = sources.add("i.yaml", text.into()).unwrap();
    let intents = read(&sources, file);
    (sources, intents)
}

/// Each line of `statements` is one, with its number for a name.
#[track_caller]
fn check(statements: &str, expected: Expect) {
    check_in(&Sample::new(CLUSTER), statements, expected);
}

#[track_caller]
fn check_in(sample: &Sample, statements: &str, expected: Expect) {
    let lines = statements.lines().filter(|line| !line.trim().is_empty());
    let text: String = (1..)
        .zip(lines)
        .map(|(number, line)| format!("- {{name: s{number}, {}}}\n", line.trim()))
        .collect();
    let (sources, intents) = intents(&text);
    let mut out = judged(sample, &intents.statements);
    for problem in &intents.problems {
        writeln!(out, "{}: {}", sources.locate(problem.span), problem.message).unwrap();
    }
    expected.assert_eq(&out);
}

#[test]
fn an_allow_holds_if_every_pair_is_allowed_on_every_port() {
    check(
        "allow: {from: shop/web, to: shop/db, ports: [5432]}
        allow: {from: shop/web, to: shop/db, ports: [5432, 5433]}
        allow: {from: [shop/web, batch/job], to: shop/db, ports: [5432]}
        allow: {from: pods, to: batch/job, ports: any}
        allow: {from: shop/web, to: shop/svc/db}
        allow: {from: batch/job, to: shop/svc/db}
        allow: {from: shop/web, to: shop/db, ports: [pg]}
        allow: {from: shop/web, to: shop/db, ports: [icmp]}
        allow: {from: shop/db, to: 203.0.113.0/25, ports: [443]}
        allow: {from: shop/db, to: 203.0.112.0/23, ports: [443]}
        allow: {from: world, to: shop/web, ports: [8080]}
        allow: {from: 'world:192.0.2.0/24', to: shop/web, ports: [8080]}
        allow: {from: batch/job, to: world, ports: [any]}",
        expect![[r#"
            s1: holds for 1 pairs
            s2: BROKEN: shop/Deployment/web -> shop/Deployment/db:5433/tcp is denied and 0 more
            s3: BROKEN: batch/Deployment/job -> shop/Deployment/db:5432/tcp is denied and 0 more
            s4: BROKEN: shop/Deployment/db -> batch/Deployment/job:1/tcp is denied and 0 more
            s5: holds for 1 pairs
            s6: BROKEN: batch/job -> shop/svc/db is denied and 0 more
            s7: holds for 1 pairs
            s8: BROKEN: shop/web -> shop/db:icmp is uncertain and 0 more
            s9: holds for 1 pairs
            s10: BROKEN: shop/Deployment/db -> ip:203.0.112.1:443/tcp is denied and 0 more
            s11: BROKEN: ip:10.0.0.1 -> shop/Deployment/web:8080/tcp is denied and 0 more
            s12: holds for 1 pairs
            s13: holds for 1 pairs
        "#]],
    );
}

#[test]
fn a_deny_holds_if_no_pair_is_allowed_on_any_port() {
    check(
        "deny: {from: batch/job, to: shop/db}
        deny: {from: 'ns:shop', to: shop/db}
        deny: {from: shop/db, to: metadata}
        deny: {from: shop/web, to: metadata}
        deny: {from: shop/web, to: 'metadata:aws', ports: [80]}
        deny: {from: world, to: shop/db}
        deny: {from: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}, to: shop/web, ports: ['1-8079/tcp', '8081-65535/tcp']}
        deny: {from: {cidr: 0.0.0.0/0}, to: shop/web, ports: [8080]}
        deny: {from: shop/db, to: shop/svc/db}
        deny: {from: batch/job, to: shop/svc/db}
        deny: {from: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: batch}}}, to: {namespace: shop, podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}}}
        deny: {from: 'label:app=job', to: shop/db, ports: [icmp]}",
        expect![[r#"
            s1: holds for 1 pairs
            s2: BROKEN: shop/Deployment/web -> shop/Deployment/db:5432/tcp is allowed and 0 more
            s3: holds for 1 pairs
            s4: BROKEN: shop/Deployment/web -> ip:169.254.169.254:80/tcp is allowed and 0 more
            s5: BROKEN: shop/Deployment/web -> ip:169.254.169.254:80/tcp is allowed and 0 more
            s6: holds for 1 pairs
            s7: holds for 1 pairs
            s8: BROKEN: ip:203.0.113.9 -> shop/Deployment/web:8080/tcp is allowed and 0 more
            s9: holds for 1 pairs
            s10: holds for 1 pairs
            s11: holds for 1 pairs
            s12: BROKEN: label:app=job -> shop/db:icmp is uncertain and 0 more
        "#]],
    );
}

#[test]
fn an_only_holds_if_nobody_else_gets_through() {
    check(
        "only: {from: shop/web, to: shop/db}
        only: {from: shop/web, to: shop/db, ports: [5432]}
        only: {from: batch/job, to: shop/db}
        only: {from: world, to: shop/web}
        only: {from: 'world:10.0.0.0/8', to: shop/web}
        only: {from: shop/db, to: 203.0.113.0/24, direction: egress}
        only: {from: shop/db, to: 203.0.113.0/25, direction: egress}
        only: {from: shop/db, to: 203.0.113.0/25, ports: [80], direction: egress}
        only: {from: batch/job, to: shop/web, direction: egress}",
        expect![[r#"
            s1: holds for 4 pairs
            s2: holds for 4 pairs
            s3: BROKEN: shop/Deployment/web -> shop/Deployment/db:5432/tcp is allowed and 0 more
            s4: holds for 4 pairs
            s5: BROKEN: ip:203.0.113.9 -> shop/Deployment/web:8080/tcp is allowed and 0 more
            s6: holds for 5 pairs
            s7: BROKEN: shop/Deployment/db -> ip:203.0.113.129:443/tcp is allowed and 0 more
            s8: holds for 5 pairs
            s9: BROKEN: batch/Deployment/job -> batch/Deployment/job:80/tcp is allowed and 2 more
        "#]],
    );
}

#[test]
fn exactly_holds_if_what_is_listed_is_all_there_is() {
    check(
        "exactly: {to: shop/db, allowed: [{from: shop/web, ports: [5432]}]}
        exactly: {to: shop/db, allowed: []}
        exactly: {to: shop/db, allowed: [{from: [shop/web, batch/job], ports: [5432]}]}
        exactly: {to: shop/db, allowed: [{from: [shop/web], ports: [5432, 5433]}]}
        exactly: {to: shop/db, ports: [80], allowed: []}
        exactly: {from: shop/db, among: world, allowed: [{to: 'world:203.0.113.0/24', ports: [443]}]}
        exactly: {from: shop/db, among: world, allowed: [{to: 'world:203.0.113.0/25', ports: [443]}]}
        exactly: {from: shop/db, among: world, allowed: [{to: 'world:203.0.113.0/24', ports: [443, 80]}]}
        exactly: {from: shop/db, among: world, allowed: [{to: 'world:203.0.113.0/25', ports: [443]}, {to: 'world:203.0.113.0/24', ports: [443]}]}
        exactly: {from: shop/db, among: pods, allowed: [{to: batch/job, ports: any}]}
        exactly: {from: shop/db, allowed: []}",
        expect![[r#"
            s1: holds for 5 pairs
            s2: BROKEN: shop/Deployment/web -> shop/Deployment/db: expected nothing, found 5432/tcp and 0 more
            s3: BROKEN: batch/Deployment/job -> shop/Deployment/db: expected 5432/tcp, found nothing and 0 more
            s4: BROKEN: shop/Deployment/web -> shop/Deployment/db: expected 5432-5433/tcp, found 5432/tcp and 0 more
            s5: holds for 5 pairs
            s6: holds for 1 pairs
            s7: BROKEN: shop/Deployment/db -> ip:203.0.113.129: expected nothing, found 443/tcp and 0 more
            s8: BROKEN: shop/Deployment/db -> ip:203.0.113.9: expected 80/tcp, 443/tcp, found 443/tcp and 0 more
            s9: holds for 1 pairs
            s10: BROKEN: shop/Deployment/db -> batch/Deployment/job: expected all ports, found nothing and 0 more
            s11: BROKEN: shop/Deployment/db -> ip:203.0.113.9: expected nothing, found 443/tcp and 0 more
        "#]],
    );
}

#[test]
fn a_statement_about_nobody_is_vacuous() {
    check(
        "deny: {from: shop/wbe, to: shop/db}
        deny: {from: 'ns:shp', to: shop/db}
        deny: {from: {podSelector: {matchLabels: {app: none}}}, to: shop/db}
        deny: {from: [shop/web, shop/none], to: shop/db}
        deny: {from: nodes, to: shop/db}
        only: {from: shop/none, to: shop/db, ports: [22]}
        only: {from: shop/web, to: shop/none}
        deny: {from: {namespace: none}, to: shop/db}
        deny: {from: world, to: 10.0.0.0/8}
        exactly: {to: shop/db, allowed: [{from: shop/none, ports: [5432]}]}",
        expect![[r#"
            s1: vacuous: no pod or workload `wbe` in namespace `shop` (did you mean `web`?)
            s2: vacuous: no namespace `shp` in the input (did you mean `shop`?)
            s3: vacuous: `pods app=none of all namespaces` matches nobody in the input
            s4: vacuous: no pod or workload `none` in namespace `shop`; it has `db` and `web`
            s5: vacuous: there are no nodes in the input
            s6: vacuous: no pod or workload `none` in namespace `shop`; it has `db` and `web`
            s7: vacuous: no pod or workload `none` in namespace `shop`; it has `db` and `web`
            s8: vacuous: no namespace `none` in the input
            s9: vacuous: there is no pair to judge: both ends are the same pod, or outside, or pods without an address (K-33)
            s10: vacuous: no pod or workload `none` in namespace `shop`; it has `db` and `web`
        "#]],
    );
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    check(
        "allow: {from: shop/web, to: shop/db}
        alow: {from: shop/web, to: shop/db, ports: [80]}
        allow: {form: shop/web, to: shop/db, ports: [80]}
        allow: {from: shop/web, ports: [80]}
        allow: {from: [], to: shop/db, ports: [80]}
        allow: {from: 'a b', to: shop/db, ports: [80]}
        allow: {from: shop/svc/db, to: shop/db, ports: [80]}
        allow: {from: 'fqdn:a.example', to: shop/db, ports: [80]}
        allow: {from: shop/web, to: shop/db, ports: [80/tpc]}
        allow: {from: shop/web, to: shop/db, ports: []}
        allow: {from: shop/web, to: shop/db, ports: [80]}, deny: {from: shop/web, to: shop/db}
        reason: none
        only: {from: shop/web, to: shop/db, ports: [http]}
        only: {from: shop/web, to: shop/svc/db}
        only: {from: shop/web, to: shop/db, direction: in}
        expect: maybe, deny: {from: shop/web, to: shop/db}
        deny: {from: {metadata: moon}, to: shop/db}
        deny: {from: {podSelector: {matchLabels: {app: 1}}}, to: shop/db}
        deny: {from: {cidr: 10.0.0.0/33}, to: shop/db}
        deny: {from: {}, to: shop/db}
        exactly: {from: shop/web, to: shop/db, allowed: []}
        exactly: {from: shop/web}
        exactly: {from: shop/web, allowed: [{from: shop/db}]}
        deny: 7",
        expect![[r#"
            i.yaml:4:21: an `allow` needs `ports`, all of which have to be allowed; write [any] for all
            i.yaml:5:14: unknown field `alow`; did you mean `allow`?
            i.yaml:6:22: unknown field `form`; did you mean `from`?
            i.yaml:7:21: `to` is missing: write NAMESPACE/NAME, ns:NAME, label:KEY=VALUE, a block, world, nodes, pods, metadata, a mapping with a podSelector, or a list of them
            i.yaml:8:28: nobody is named here; write NAMESPACE/NAME, ns:NAME, label:KEY=VALUE, a block, world, nodes, pods, metadata, a mapping with a podSelector, or a list of them
            i.yaml:9:28: `a b` is no endpoint; write one as NAMESPACE/NAME
            i.yaml:10:28: `shop/svc/db` opens no connections: a Service is no source; name its pods
            i.yaml:11:28: `fqdn:a.example` is no source: policies know names as destinations only
            i.yaml:12:59: `tpc` is no protocol; use tcp, udp or sctp
            i.yaml:13:59: no port is named here; leave `ports` out, or write [any], to mean all of them
            i.yaml:14:3: a statement has one of `allow`, `deny`, `only` and `exactly`
            i.yaml:15:3: a statement has one of `allow`, `deny`, `only` and `exactly`
            i.yaml:16:58: `only` takes ports by number only; names and icmp go with `allow` and `deny`
            i.yaml:17:42: `shop/svc/db` is a Service; name its pods here
            i.yaml:18:62: expected `direction` to be ingress or egress, found `in`
            i.yaml:19:23: expected `expect` to be pass or fail, found `maybe`
            i.yaml:20:39: unknown cloud `moon`; known clouds are aws, gcp, azure, alibaba, oracle, digitalocean, hetzner, openstack, ibm, tencent, huawei, scaleway, vultr, akamai, equinix, exoscale, upcloud, cloudcix
            i.yaml:21:62: expected a label value; put quotes around it, found `1`
            i.yaml:22:35: expected a block of addresses, such as 10.0.0.0/8, found `10.0.0.0/33`
            i.yaml:23:28: an endpoint is pods (namespace, namespaceSelector, podSelector), a block (cidr, except) or metadata services (metadata)
            i.yaml:24:24: `exactly` is about one end: `from` or `to`
            i.yaml:25:24: `allowed` is missing: a list of all that is allowed, or [] for nothing
            i.yaml:26:52: unknown field `from`; known fields: to, ports, verdict, some, conditional, ipv6
            i.yaml:27:21: expected a mapping with `from` and `to`, found `7`
        "#]],
    );
}

#[test]
fn files_have_a_kind_and_names_are_used_once() {
    let told = |text: &str| {
        let mut sources = Sources::new();
        let file = sources.add("i.yaml", text.into()).unwrap();
        let intents = read(&sources, file);
        let mut out = format!("{} statements\n", intents.statements.len());
        for problem in intents.problems {
            writeln!(out, "{}: {}", sources.locate(problem.span), problem.message).unwrap();
        }
        out
    };
    let found = [
        "",
        "kind: Intents\nstatements: []",
        "apiVersion: watertight.dev/v2\nkind: Intents\nstatements: []",
        "apiVersion: watertight.dev/v1\nkind: Intent\nstatements: []",
        "apiVersion: watertight.dev/v1\nkind: Intents\nstatments: []",
        "apiVersion: watertight.dev/v1\nkind: Intents\n",
        "apiVersion: watertight.dev/v1\nkind: Intents\nstatements: {}\n",
        "a: [",
        "apiVersion: watertight.dev/v1
kind: Intents
statements:
- {name: a, deny: {from: a/b, to: c/d}}
- {name: a, deny: {from: a/b, to: c/d}}
- {deny: {from: a/b, to: c/d}}
",
    ]
    .map(told);
    expect![[r#"
        0 statements
        i.yaml:1:1: there are no intents here: the file is empty
        0 statements
        i.yaml:1:1: expected `apiVersion: watertight.dev/v1`, which is not there
        0 statements
        i.yaml:1:13: expected `apiVersion: watertight.dev/v1`, found `watertight.dev/v2`
        0 statements
        i.yaml:2:7: expected `kind: Intents`, found `Intent`
        0 statements
        i.yaml:3:1: unknown field `statments`; did you mean `statements`?
        0 statements
        i.yaml:1:1: expected `statements`: a list of what must hold
        0 statements
        i.yaml:3:13: expected `statements` to be a list, found a mapping
        0 statements
        i.yaml:1:4: unclosed bracket '['
        1 statements
        i.yaml:6:3: a statement needs a `name`, by which reports call it
        i.yaml:5:10: another statement is called `a`, too
    "#]]
    .assert_eq(&found.concat());
}

/// The map of a sample, as `reach -o json` has it.
fn map(sample: &Sample, by: By) -> SavedMap {
    let eval = sample.eval();
    let reach = Reach::new(&eval);
    let question = Question {
        by,
        from: None,
        to: None,
        ports: Vec::new(),
    };
    let map = ReachMap::new(&eval, &reach, &sample.profile, &[], &question).unwrap();
    let reporter = Reporter {
        map: &map,
        world: &sample.world,
        sources: &sample.sources,
        profile: &sample.profile,
        query: &query(by, None, None, &[]),
    };
    reporter.report(&[], true).into()
}

#[test]
fn todays_map_makes_a_file_that_holds_today() {
    let sample = Sample::new(CLUSTER);
    let text = generate(&map(&sample, By::Workload)).unwrap();
    expect![[r#"
        # What the policies allow today, and nothing else: `watertight test` fails when that changes.
        # Change it into what you want: give statements names and reasons, take out what does not matter, and
        # write `expect: fail` where there is a gap that you know of. docs/test.md describes the file.
        apiVersion: watertight.dev/v1
        kind: Intents
        statements:
          - name: from batch/Deployment/job and 1 more
            exactly:
              from: [batch/Deployment/job, kube-system/Pod/kube-dns]
              allowed:
                - to: [batch/Deployment/job, kube-system/Pod/kube-dns]
                  ports: [any]
                - to: world
                  ports: [any]
          - name: from shop/Deployment/db
            exactly:
              from: shop/Deployment/db
              allowed:
                - to: world:203.0.113.0/24
                  ports: [443/tcp]
          - name: from shop/Deployment/web
            exactly:
              from: shop/Deployment/web
              allowed:
                - to: [batch/Deployment/job, kube-system/Pod/kube-dns]
                  ports: [any]
                - to: shop/Deployment/db
                  ports: [5432/tcp]
                - to: world
                  ports: [any]
          - name: into batch/Deployment/job and 1 more from outside
            exactly:
              to: [batch/Deployment/job, kube-system/Pod/kube-dns]
              among: world
              allowed:
                - from: world
                  ports: [any]
          - name: into shop/Deployment/db from outside
            exactly:
              to: shop/Deployment/db
              among: world
              allowed: []
          - name: into shop/Deployment/web from outside
            exactly:
              to: shop/Deployment/web
              among: world
              allowed:
                - from: [world:0.0.0.0-9.255.255.255, world:11.0.0.0-255.255.255.255]
                  ports: [8080/tcp]
    "#]].assert_eq(&text);
    let mut sources = Sources::new();
    let file = sources.add("i.yaml", text.into()).unwrap();
    let intents = read(&sources, file);
    assert_eq!(intents.problems, []);
    expect![[r#"
        from batch/Deployment/job and 1 more: holds for 10 pairs
        from shop/Deployment/db: holds for 5 pairs
        from shop/Deployment/web: holds for 5 pairs
        into batch/Deployment/job and 1 more from outside: holds for 2 pairs
        into shop/Deployment/db from outside: holds for 1 pairs
        into shop/Deployment/web from outside: holds for 1 pairs
    "#]]
    .assert_eq(&judged(&sample, &intents.statements));
    let pinned = pin(&map(&sample, By::Pod)).unwrap();
    assert!(!judged(&sample, &pinned).contains("BROKEN"));
}

#[test]
fn a_map_of_a_part_cannot_be_pinned() {
    let sample = Sample::new(CLUSTER);
    let by_namespace = map(&sample, By::Namespace);
    assert!(pin(&by_namespace).unwrap_err().0.contains("--by workload"));
    let mut part = map(&sample, By::Workload);
    part.query.from = Some("shop/web".into());
    assert!(pin(&part).unwrap_err().0.contains("--from"));
}

#[test]
fn anything_can_be_in_a_file() {
    let seed = "apiVersion: watertight.dev/v1
kind: Intents
statements:
- name: a
  allow: {from: [shop/web, label:app in (web), 10.0.0.0/8], to: shop/svc/db, ports: [5000]}
- name: b
  only: {from: {namespace: shop, podSelector: {matchLabels: {app: web}}}, to: shop/db, ports: 80-90/udp}
  expect: fail
- name: c
  exactly: {from: shop/db, among: world, allowed: [{to: 'world:10.0.0.0-10.0.0.9', ports: [none]}]}
- name: d
  deny: {from: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}, to: [metadata, nodes, everyone], ports: icmp}
  allowVacuous: true
";
    let sample = Sample::new(CLUSTER);
    let mut state = 7u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    for _ in 0..600 {
        let mut text: Vec<char> = seed.chars().collect();
        for _ in 0..=next(3) {
            let (at, with) = (next(text.len()), next(12));
            let odd = ['"', '{', ']', ',', '-', '0', '\n', 'é', '/', ' ', '*', ':'][with];
            match next(2) {
                0 => text[at] = odd,
                _ => text.insert(at, odd),
            }
        }
        let mut sources = Sources::new();
        let text: String = text.into_iter().collect();
        let file = sources.add("i.yaml", text.clone().into()).unwrap();
        let intents = read(&sources, file);
        for problem in &intents.problems {
            let (start, end) = (problem.span.start as usize, problem.span.end as usize);
            assert!(text.get(start..end).is_some() && !problem.message.is_empty());
        }
        judged(&sample, &intents.statements);
    }
}
