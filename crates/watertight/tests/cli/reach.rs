//! `watertight reach` from end to end: the whole map of the example, questions about parts of it, and
//! what goes wrong.

use std::process::{Command, Stdio};

use expect_test::expect;
use serde_json::Value;

use crate::harness::{OPEN, Project, Ran, TIGHT};

fn shop() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop").to_owned()
}

fn reach(arguments: &[&str]) -> Ran {
    let project = Project::new(&[]);
    let shop = shop();
    let mut all = vec!["reach", &shop];
    all.extend(arguments);
    project.run(&all)
}

/// Standard error without the time that it took.
fn told(ran: &Ran) -> String {
    let lines = ran
        .stderr
        .lines()
        .map(|line| match line.rsplit_once(" in ") {
            Some((line, time)) if time.ends_with(" ms") => line,
            _ => line,
        });
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_whole_map_of_the_example() {
    let ran = reach(&[]);
    assert_eq!(ran.code, 0);
    expect![[r#"
        No policy restricts whom these connect to: analytics/clickhouse, analytics/collector,
        kube-system/coredns, staging/*, nodes
        No policy restricts who connects to these: kube-system/coredns, nodes
        Each of the former reaches each of the latter on all ports; the rest:

        FROM                                       TO                            PORTS
        analytics/clickhouse,                      platform/gateway              8080/tcp, 8443/tcp
        kube-system/coredns, staging/*             platform/log-shipper          all tcp
                                                   platform/node-exporter        all?
        analytics/collector                        analytics/clickhouse          9000/tcp
                                                   platform/gateway              8080/tcp, 8443/tcp
                                                   platform/log-shipper          all tcp
                                                   platform/node-exporter        all?
        analytics/dashboards                       analytics/clickhouse          8123/tcp
        identity/account-operator,                 kube-system/coredns           53/tcp, 53/udp
        identity/session-store
        identity/login                             identity/session-store        6379/tcp
                                                   kube-system/coredns           53/tcp, 53/udp
        payments/ledger-db                         kube-system/coredns           53/udp
        payments/payments-api,                     kube-system/coredns           53/udp
        payments/settlement                        payments/ledger-db            5432/tcp
        platform/gateway                           identity/login,               8080/tcp
                                                   shop/frontend
                                                   kube-system/coredns,          53/tcp, 53/udp
                                                   payments/*, nodes
                                                   platform/log-shipper          53/tcp
                                                   platform/node-exporter        53/tcp?, 53/udp?
        platform/log-shipper                       kube-system/coredns,          53/tcp, 53/udp
                                                   payments/*, nodes
                                                   platform/log-shipper          53/tcp
                                                   platform/node-exporter        53/tcp?, 53/udp?
        platform/node-exporter                     kube-system/coredns, nodes    53/tcp, 53/udp, all?
                                                   payments/*                    53/tcp?, 53/udp?
                                                   platform/gateway              8080/tcp?, 8443/tcp?
                                                   platform/log-shipper          53/tcp?
                                                   platform/node-exporter        all?
        platform/prometheus                        identity/account-operator,    9090/tcp
                                                   identity/login
                                                   kube-system/coredns           53/tcp, 53/udp
                                                   payments/*                    53/tcp, 9090/tcp, 53/udp
                                                   platform/log-shipper          53/tcp
                                                   platform/node-exporter        53/tcp?, 9100/tcp?, 53/udp?
                                                   nodes                         53/tcp, 9100/tcp, 53/udp
        shop/cart, shop/catalog, shop/orders-db    kube-system/coredns, nodes    all
                                                   platform/gateway              8080/tcp, 8443/tcp
                                                   platform/log-shipper          all tcp
                                                   platform/node-exporter        all?
        shop/checkout                              kube-system/coredns, nodes    all
                                                   payments/payments-api         8443/tcp
                                                   platform/gateway              8080/tcp, 8443/tcp
                                                   platform/log-shipper          all tcp
                                                   platform/node-exporter        all?
                                                   shop/cart                     8080/tcp
                                                   shop/orders-db                5432/tcp
        shop/frontend                              identity/login, shop/cart,    8080/tcp
                                                   shop/checkout
                                                   kube-system/coredns, nodes    all
                                                   platform/gateway              8080/tcp, 8443/tcp
                                                   platform/log-shipper          all tcp
                                                   platform/node-exporter        all?
        nodes                                      platform/gateway              8080/tcp, 8443/tcp
                                                   platform/node-exporter        all?
        analytics/clickhouse,                      world                         all
        analytics/collector,
        kube-system/coredns, staging/*
        identity/account-operator                  192.0.2.10                    6443/tcp
        identity/login                             world, 10 ranges (--external)   443/tcp
        payments/payments-api                      198.51.100.10/31              443/tcp
        payments/settlement                        198.51.100.20                 22/tcp
        platform/gateway                           world                         53/tcp, 53/udp
        platform/log-shipper                       world (IPv4) except 10.96.0.1,   53/tcp, 53/udp
                                                   203.0.113.40, world (IPv6)
                                                   10.96.0.1, 203.0.113.40       53/tcp, 443/tcp, 53/udp
        platform/node-exporter                     world                         53/tcp, 53/udp, all?
        platform/prometheus                        world (IPv4) except 192.0.2.21-192.0.2.22,   53/tcp, 53/udp
                                                   world (IPv6)
        shop/cart, shop/catalog, shop/frontend,    world (IPv4) except 169.254.169.254   all
        shop/orders-db
        shop/checkout                              world (IPv4) except 169.254.169.254   all
                                                   169.254.169.254,              80/tcp, 443/tcp
                                                   world (IPv6)
        world                                      kube-system/coredns           all
        world (IPv4)                               platform/gateway              8080/tcp, 8443/tcp
        world                                      platform/node-exporter        all?
        ? uncertain (K-72): engines differ on host-network pods: name yours with --engine
        ? uncertain (M-1): an address that the input does not tell decides it: give Pod objects with
        addresses
    "#]].assert_eq(&ran.stdout);
    expect![[r#"
        analysed 33 policies, 22 pods in 8 namespaces (21 files, engine the reference semantics), assuming M-1 M-3; 108 pairs of workloads connected and 22 workloads with the outside,
    "#]].assert_eq(&told(&ran));
}

#[test]
fn namespaces_of_the_example() {
    let ran = reach(&["--by", "namespace"]);
    expect![[r#"
        No policy restricts whom these connect to: kube-system, staging, nodes
        No policy restricts who connects to these: kube-system, nodes
        Each of the former reaches each of the latter on all ports; the rest:

        FROM                   TO                                           PORTS
        analytics              analytics                                    8123/tcp*, 9000/tcp*
                               kube-system, nodes                           all*
                               platform                                     all tcp*, all udp*?, all sctp*?
        identity               identity                                     6379/tcp*
                               kube-system                                  53/tcp, 53/udp
        kube-system, staging   platform                                     all tcp*, all udp*?, all sctp*?
        payments               kube-system                                  53/udp
                               payments                                     5432/tcp*
        platform               identity                                     8080/tcp*, 9090/tcp*
                               kube-system                                  53/tcp, 53/udp, all*?
                               payments                                     53/tcp*, 9090/tcp*, 53/udp*
                               platform                                     53/tcp*, all*?
                               shop                                         8080/tcp*
                               nodes                                        53/tcp, 53/udp, 9100/tcp*, all*?
        shop                   identity                                     8080/tcp*
                               kube-system, nodes                           all
                               payments                                     8443/tcp*
                               platform                                     all tcp*, all udp*?, all sctp*?
                               shop                                         5432/tcp*, 8080/tcp*
        nodes                  platform                                     8080/tcp*, 8443/tcp*, all*?
        analytics              world                                        all*
        identity               world, 10 ranges (--external)                443/tcp*
                               192.0.2.10                                   6443/tcp*
        kube-system, staging   world                                        all
        payments               198.51.100.10/31                             443/tcp*
                               198.51.100.20                                22/tcp*
        platform               world (IPv4) except 10.96.0.1,               53/tcp, 53/udp, all*?
                               192.0.2.21-192.0.2.22, 203.0.113.40,
                               world (IPv6)
                               10.96.0.1, 203.0.113.40                      53/tcp, 53/udp, 443/tcp*, all*?
        shop                   world (IPv4) except 169.254.169.254          all
                               169.254.169.254, world (IPv6)                80/tcp*, 443/tcp*
        world                  kube-system                                  all
        world (IPv4)           platform                                     8080/tcp*, 8443/tcp*, all*?
        world (IPv6)           platform                                     all*?
        * between some of the pods, not between all
        ? uncertain (K-72): engines differ on host-network pods: name yours with --engine
        ? uncertain (M-1): an address that the input does not tell decides it: give Pod objects with
        addresses
    "#]].assert_eq(&ran.stdout);
}

#[test]
fn the_matrix() {
    let ran = reach(&["--by", "ns", "--matrix"]);
    expect![[r#"
                     rows connect to columns
                      1  2  3  4  5  6  7  8  W
        analytics     +  .  +  .  +  .  .  +  +
        identity      .  +  +  .  .  .  .  .  +
        kube-system   .  .  #  .  +  .  .  #  #
        payments      .  .  +  +  .  .  .  .  +
        platform      .  +  +  +  +  +  .  +  +
        shop          .  +  #  +  +  +  .  #  +
        staging       .  .  #  .  +  .  .  #  #
        nodes         .  .  #  .  +  .  .  -  .
        world         .  .  #  .  +  .  .  .

         1 analytics
         2 identity
         3 kube-system
         4 payments
         5 platform
         6 shop
         7 staging
         8 nodes
         W world, all that is outside of the cluster
        # all ports   + some ports or pods   ? uncertain   . nothing
        ? uncertain (K-72): engines differ on host-network pods: name yours with --engine
        ? uncertain (M-1): an address that the input does not tell decides it: give Pod objects with addresses
    "#]].assert_eq(&ran.stdout);
}

#[test]
fn who_can_reach_and_what_can_be_reached() {
    let ran = reach(&["--to", "shop/orders-db"]);
    expect![[r#"
        FROM            TO               PORTS
        shop/checkout   shop/orders-db   5432/tcp
    "#]]
    .assert_eq(&ran.stdout);
    let ran = reach(&["--from", "payments/payments-api", "--external"]);
    expect![[r#"
        FROM                    TO                    PORTS
        payments/payments-api   kube-system/coredns   53/udp
                                payments/ledger-db    5432/tcp
                                198.51.100.10/31      443/tcp
    "#]]
    .assert_eq(&ran.stdout);
    let ran = reach(&["--from", "ns:shop", "--to", "ns:payments"]);
    expect![[r#"
        FROM            TO                      PORTS
        shop/checkout   payments/payments-api   8443/tcp
    "#]]
    .assert_eq(&ran.stdout);
    let ran = reach(&["--from", "shop/checkout", "--port", "5000-6000"]);
    expect![[r#"
        FROM            TO                                                 PORTS
        shop/checkout   kube-system/coredns, platform/log-shipper, nodes   5000-6000/tcp
                        platform/node-exporter                             5000-6000/tcp?
                        shop/orders-db                                     5432/tcp
                        world (IPv4) except 169.254.169.254                5000-6000/tcp
        ? uncertain (K-72): engines differ on host-network pods: name yours with --engine
    "#]]
    .assert_eq(&ran.stdout);
}

/// K-79: the port that clients dial, not that of the pods.
#[test]
fn a_service_is_asked_by_its_own_port() {
    let ran = reach(&["--to", "payments/svc/payments-api"]);
    expect![[r#"
        FROM            TO                          PORTS
        shop/checkout   payments/svc/payments-api   443/tcp
    "#]]
    .assert_eq(&ran.stdout);
    let ran = reach(&[
        "--to",
        "svc/payments-api",
        "-n",
        "payments",
        "--port",
        "8443",
    ]);
    assert_eq!(ran.stdout, "");
}

#[test]
fn fail_if_any_is_an_exit_code() {
    let metadata = [
        "--to",
        "ip:169.254.169.254",
        "--port",
        "80",
        "--fail-if-any",
    ];
    let ran = reach(&metadata);
    assert_eq!(ran.code, 1);
    expect![[r#"
        FROM                                       TO                PORTS
        analytics/clickhouse,                      169.254.169.254   80/tcp
        analytics/collector,
        kube-system/coredns, shop/checkout,
        staging/*
        platform/node-exporter                     169.254.169.254   80/tcp?
        ? uncertain (K-72): engines differ on host-network pods: name yours with --engine
    "#]]
    .assert_eq(&ran.stdout);
    let ran = reach(&["--from", "world", "--to", "shop/orders-db", "--fail-if-any"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    expect![[r#"
        analysed 33 policies, 22 pods in 8 namespaces (21 files, engine the reference semantics), assuming M-1 M-3; 0 pairs of workloads connected,
    "#]].assert_eq(&told(&ran));
    // What is uncertain counts.
    let ran = reach(&[
        "--from",
        "shop/cart",
        "--to",
        "platform/node-exporter",
        "--fail-if-any",
    ]);
    assert_eq!(ran.code, 1);
    expect![[r#"
        FROM        TO                       PORTS
        shop/cart   platform/node-exporter   all?
        ? uncertain (K-72): engines differ on host-network pods: name yours with --engine
    "#]]
    .assert_eq(&ran.stdout);
}

#[test]
fn several_formats_at_once() {
    let project = Project::new(&[("a.yaml", TIGHT), ("b.yaml", OPEN)]);
    let formats = [
        "json=m.json",
        "csv=m.csv",
        "markdown=m.md",
        "dot=m.dot",
        "mermaid=m.mmd",
        "svg=m.svg",
        "html=m.html",
    ];
    let mut arguments = vec!["reach", "."];
    for format in &formats {
        arguments.extend(["-o", format]);
    }
    let ran = project.run(&arguments);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{ran:?}");
    for format in formats {
        let (_, file) = format.split_once('=').unwrap();
        assert!(!project.read(file).is_empty(), "{file}");
    }
    let map: Value = serde_json::from_str(&project.read("m.json")).unwrap();
    assert_eq!(map["kind"], "ReachReport");
    assert_eq!(map["units"][0]["name"], "kube-system/Pod/kube-dns");
    assert_eq!(map["units"][0]["assumed"], true);
    assert!(project.read("m.svg").starts_with("<svg "));
    assert!(project.read("m.html").starts_with("<!doctype html>"));
}

#[test]
fn typos_get_the_nearest_names() {
    for (arguments, expected) in [
        (["--to", "shop/orders-dbb"], "did you mean `orders-db`?"),
        (["--from", "ns:shopp"], "did you mean `shop`?"),
        (["--port", "http"], "write a number"),
        (["--port", "icmp"], "ICMP has no ports"),
        (["--port", "99999"], "ports are 1 to 65535"),
        (
            ["--by", "node"],
            "possible values: pod, workload, namespace",
        ),
        (["-o", "yaml"], "use one of table, json"),
        (["--from", "svc/payments-api"], "a Service is no source"),
        (["--to", "ip:127.0.0.1"], "inside each pod"),
    ] {
        let ran = reach(&arguments);
        assert_eq!(ran.code, 2, "{arguments:?}");
        assert!(
            ran.stderr.contains(expected),
            "{arguments:?}: {}",
            ran.stderr
        );
        assert_eq!(ran.stdout, "");
    }
    let ran = reach(&["--from", "world", "--to", "world"]);
    assert!(
        ran.stderr.contains("one end has to be in the cluster"),
        "{ran:?}"
    );
}

#[test]
fn nothing_to_read_is_an_error_and_a_broken_file_costs_itself() {
    let project = Project::new(&[]);
    let ran = project.run(&["reach"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.starts_with("error: "), "{ran:?}");
    let project = Project::new(&[("open.yaml", OPEN), ("broken.yaml", "a: [")]);
    let ran = project.run(&["reach", "--no-assumed-dns"]);
    assert_eq!(ran.code, 2);
    expect![[r#"
        FROM     TO       PORTS
        open/b   world    all
        world    open/b   all
    "#]]
    .assert_eq(&ran.stdout);
    assert!(ran.stderr.contains("broken.yaml:1:"), "{ran:?}");
}

#[test]
fn manifests_come_from_standard_input() {
    let project = Project::new(&[]);
    let ran = project.run_with(&["reach", "-", "-q", "--from", "open/b"], Some(OPEN));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    expect![[r#"
        FROM     TO                     PORTS
        open/b   kube-system/kube-dns   all
                 world                  all
    "#]]
    .assert_eq(&ran.stdout);
}

/// A reader that has seen enough is no error.
#[test]
fn a_closed_pipe_is_fine() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_watertight"))
        .args(["reach", &shop(), "-q", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stderr), "");
}

#[test]
fn other_names_of_the_verb_and_of_formats() {
    let project = Project::new(&[("open.yaml", OPEN)]);
    let ran = project.run(&["query", "-q", "-o", "md", "--from", "open/b"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.starts_with("| from | to | ports |"), "{ran:?}");
    let schema = project.run(&["schema", "reach"]);
    assert!(schema.stdout.contains("\"title\": \"ReachReport\""));
}
