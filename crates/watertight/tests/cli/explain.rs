//! `watertight explain`: questions in, reasons out.

use std::process::Command;

use expect_test::expect;
use serde_json::Value;

use crate::harness::{Project, Ran, finish};

const CLUSTER: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {role: web}}
  template:
    metadata: {labels: {role: web}}
    spec: {containers: [{name: main}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {role: db}}
  template:
    metadata: {labels: {role: db}}
    spec: {containers: [{name: main, ports: [{name: sql, containerPort: 5432}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {selector: {role: db}, ports: [{name: sql, port: 15432, targetPort: sql}]}
";

const POLICIES: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: web-egress
  namespace: shop
spec:
  podSelector: {matchLabels: {role: web}}
  policyTypes: [Egress]
  egress:
  - ports: [{protocol: UDP, port: 53}]
  - to:
    - podSelector: {matchLabels: {role: db}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: db
  namespace: shop
spec:
  podSelector: {matchLabels: {role: db}}
  ingress:
  - from:
    - podSelector:
        matchLabels:
          role: api
    ports: [{port: sql}]
  - from:
    - podSelector: {matchLabels: {role: web}}
    ports: [{port: 9187}]
";

fn project() -> Project {
    Project::new(&[("apps.yaml", CLUSTER), ("netpol.yaml", POLICIES)])
}

fn explain(arguments: &[&str]) -> Ran {
    let all: Vec<_> = ["explain", "-q"].iter().chain(arguments).copied().collect();
    project().run(&all)
}

#[test]
fn a_denied_connection_names_the_nearest_miss() {
    let ran = explain(&["shop/web -> shop/db:5432/tcp"]);
    assert_eq!(ran.code, 0, "answered is answered: {ran:?}");
    assert_eq!(ran.stderr, "");
    expect![[r#"
        shop/web -> shop/db:5432/tcp   DENIED at ingress of shop/db
          egress   shop/web   allowed   NetworkPolicy shop/web-egress rule 2: role=db of namespace shop on all ports   netpol.yaml:11
          ingress  shop/db    denied    NetworkPolicy shop/db isolates it; 0 of 2 rules match   netpol.yaml:17
                                          closest: rule 1 needs role=api, shop/web has role=web   netpol.yaml:25
        shop/web cannot connect to shop/db on 5432/tcp: the ingress side does not allow it
        help: add `{podSelector: {matchLabels: {role: web}}}` to `from` of ingress rule 1 of NetworkPolicy shop/db (netpol.yaml:22)
    "#]].assert_eq(&ran.stdout);
}

#[test]
fn an_allowed_connection_names_the_rule_of_each_side() {
    let ran = explain(&["shop/web -> shop/db:9187"]);
    expect![[r#"
        shop/web -> shop/db:9187/tcp   ALLOWED
          egress   shop/web   allowed   NetworkPolicy shop/web-egress rule 2: role=db of namespace shop on all ports   netpol.yaml:11
          ingress  shop/db    allowed   NetworkPolicy shop/db rule 2: role=web of namespace shop on 9187/tcp   netpol.yaml:27
        shop/web can connect to shop/db on 9187/tcp: a rule on each side allows it
    "#]].assert_eq(&ran.stdout);
}

#[test]
fn without_a_port_all_of_them_are_answered() {
    let ran = explain(&["shop/web -> shop/db"]);
    expect![[r#"
        shop/web -> shop/db   PARTIAL
          9187/tcp          ALLOWED   NetworkPolicy shop/db ingress rule 2 allows it   netpol.yaml:27
          all other ports   DENIED    NetworkPolicy shop/db isolates it, and no rule matches   netpol.yaml:17
        shop/web can connect to shop/db on 9187/tcp, but not on any other ports
    "#]].assert_eq(&ran.stdout);
    let same = explain(&["shop/web -> shop/db:80", "--all-ports"]);
    assert_eq!(same.stdout, ran.stdout);
}

#[test]
fn a_service_is_judged_behind_its_port() {
    let ran = explain(&["shop/web -> svc/db:sql", "-n", "shop"]);
    expect![[r#"
        shop/web -> shop/svc/db:sql   DENIED at ingress of shop/db
          the Service's 15432/tcp leads to 5432/tcp of shop/db (K-79)
          egress   shop/web   allowed   NetworkPolicy shop/web-egress rule 2: role=db of namespace shop on all ports   netpol.yaml:11
          ingress  shop/db    denied    NetworkPolicy shop/db isolates it; 0 of 2 rules match   netpol.yaml:17
                                          closest: rule 1 needs role=api, shop/web has role=web   netpol.yaml:25
        shop/web cannot connect to shop/svc/db on 15432/tcp: the ingress side does not allow it
        help: add `{podSelector: {matchLabels: {role: web}}}` to `from` of ingress rule 1 of NetworkPolicy shop/db (netpol.yaml:22)
    "#]].assert_eq(&ran.stdout);
}

#[test]
fn groups_addresses_and_both_directions() {
    let ran = explain(&["ns:shop -> shop/db:9187", "--both-directions"]);
    expect![[r#"
        ns:shop -> shop/db:9187/tcp   PARTIAL
          shop/web -> shop/db   ALLOWED   (1 of 2 pairs)
            egress   shop/web   allowed   NetworkPolicy shop/web-egress rule 2: role=db of namespace shop on all ports   netpol.yaml:11
            ingress  shop/db    allowed   NetworkPolicy shop/db rule 2: role=web of namespace shop on 9187/tcp   netpol.yaml:27
          shop/db -> shop/db   DENIED at ingress of shop/db   (1 of 2 pairs)
            egress   shop/db   allowed   no policy isolates it for egress
            ingress  shop/db   denied    NetworkPolicy shop/db isolates it; 0 of 2 rules match   netpol.yaml:17
                                           closest: rule 2 needs role=web, shop/db has role=db   netpol.yaml:28
        of 2 pairs, 1 is allowed and 1 is denied
        help: add `{podSelector: {matchLabels: {role: db}}}` to `from` of ingress rule 2 of NetworkPolicy shop/db (netpol.yaml:27)

        shop/db -> ns:shop:9187/tcp   PARTIAL
          shop/db -> shop/web   ALLOWED   (1 of 2 pairs)
            egress   shop/db    allowed   no policy isolates it for egress
            ingress  shop/web   allowed   no policy isolates it for ingress
          shop/db -> shop/db   DENIED at ingress of shop/db   (1 of 2 pairs)
            egress   shop/db   allowed   no policy isolates it for egress
            ingress  shop/db   denied    NetworkPolicy shop/db isolates it; 0 of 2 rules match   netpol.yaml:17
                                           closest: rule 2 needs role=web, shop/db has role=db   netpol.yaml:28
        of 2 pairs, 1 is allowed and 1 is denied
        help: add `{podSelector: {matchLabels: {role: db}}}` to `from` of ingress rule 2 of NetworkPolicy shop/db (netpol.yaml:27)
    "#]].assert_eq(&ran.stdout);
    let ran = explain(&["shop/web -> world:53/udp", "world -> shop/db:5432"]);
    expect![[r#"
        shop/web -> world:53/udp   ALLOWED
          egress   shop/web   allowed   NetworkPolicy shop/web-egress rule 1: anybody on 53/udp   netpol.yaml:10
          ingress  world      -         outside the cluster, where no policy applies (K-17)
        shop/web can connect to world on 53/udp: an egress rule allows it, and no policy guards the destination

        world -> shop/db:5432/tcp   DENIED at ingress of shop/db
          egress   world     -        outside the cluster, where no policy applies (K-17)
          ingress  shop/db   denied   NetworkPolicy shop/db isolates it; 0 of 2 rules match   netpol.yaml:17
                                        closest: rule 1 selects pods, and world is none       netpol.yaml:23
        world cannot connect to shop/db on 5432/tcp: the ingress side does not allow it
    "#]].assert_eq(&ran.stdout);
}

#[test]
fn an_open_reading_is_a_third_verdict() {
    let ran = explain(&["shop/web -> shop/db:icmp"]);
    expect![[r#"
        shop/web -> shop/db:icmp   UNCERTAIN
          egress   shop/web   allowed   NetworkPolicy shop/web-egress rule 2: role=db of namespace shop on all ports   netpol.yaml:11
          ingress  shop/db    denied    NetworkPolicy shop/db isolates it; 0 of 2 rules match   netpol.yaml:17
                                          closest: rule 2 admits 9187/tcp only, and no ICMP (K-61)   netpol.yaml:29
        shop/web may or may not connect to shop/db on icmp: denied if the engine polices ICMP by rules without ports, allowed if it exempts ICMP (K-61)
        help: name the network engine with --engine, or set --switch icmp=...
    "#]].assert_eq(&ran.stdout);
    let engine = explain(&["shop/web -> shop/db:icmp", "--engine", "calico"]);
    assert!(!engine.stdout.contains("UNCERTAIN"), "{engine:?}");
    let switch = explain(&["shop/web -> shop/db:icmp", "--switch", "icmp=exempt"]);
    assert!(switch.stdout.contains("ALLOWED"), "{switch:?}");
    let config = Project::new(&[
        ("apps.yaml", CLUSTER),
        ("netpol.yaml", POLICIES),
        (".watertight.yaml", "switches: [icmp=drop]\n"),
    ]);
    let ran = config.run(&["explain", "-q", "shop/web -> shop/db:icmp"]);
    assert!(ran.stdout.contains("DENIED"), "{ran:?}");
}

#[test]
fn expectations_decide_the_exit_code() {
    for (flow, expect, code) in [
        ("shop/web -> shop/db:9187", "allow", 0),
        ("shop/web -> shop/db:9187", "deny", 1),
        ("shop/web -> shop/db:5432", "deny", 0),
        ("shop/web -> shop/db:5432", "allow", 1),
        // Partial and uncertain answers are what nobody expects.
        ("shop/web -> shop/db", "allow", 1),
        ("shop/web -> shop/db", "deny", 1),
        ("shop/web -> shop/db:icmp", "allow", 1),
        ("shop/web -> shop/db:icmp", "deny", 1),
        ("shop/web -> shop/nobody:1", "deny", 2),
    ] {
        let ran = explain(&[flow, "--expect", expect]);
        assert_eq!(ran.code, code, "{flow} {expect}: {ran:?}");
    }
    let ran = explain(&["shop/web -> shop/db:9187", "--expect", "deny"]);
    assert_eq!(
        ran.stderr,
        "expected deny, found allow: shop/web -> shop/db:9187/tcp\n"
    );
}

#[test]
fn mistakes_point_at_their_place() {
    let ran = explain(&["shop/wbe -> shop/db:5432", "shop/web -> shop/db:99999"]);
    assert_eq!(ran.code, 2);
    expect![[r#"
        error: no pod or workload `wbe` in namespace `shop` (did you mean `web`?)
          shop/wbe -> shop/db:5432
          ^^^^^^^^
        error: `99999` is no port; ports are 1 to 65535
          shop/web -> shop/db:99999
                              ^^^^^
    "#]]
    .assert_eq(&ran.stderr);
    let ran = explain(&["shop/web", "-"]);
    assert!(ran.stderr.contains("in quotes"), "{ran:?}");
    let ran = explain(&["-n", "shpo", "web -> db"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("did you mean `shop`?"), "{ran:?}");
    let ran = explain(&["shop/web -> shop/svc/db:5432"]);
    expect![[r#"
        error: shop/svc/db has no port 5432/tcp; it has 15432/tcp (sql)
          shop/web -> shop/svc/db:5432
                                  ^^^^
    "#]]
    .assert_eq(&ran.stderr);
    let ran = project().run(&["explain"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("<FLOW>"), "{ran:?}");
}

#[test]
fn flows_come_from_a_file_or_from_standard_input() {
    let flows = "\
# what the shop needs
shop/web -> shop/db:9187   # metrics

  shop/web -> shop/dbb:5432
shop/web -> shop/db:5432
";
    let project = project();
    project.write("flows.txt", flows);
    let ran = project.run(&["explain", "-q", "--flows", "flows.txt"]);
    assert_eq!(ran.code, 2, "one of them has a mistake: {ran:?}");
    expect![[r#"
        flows.txt:4:15: error: no pod or workload `dbb` in namespace `shop` (did you mean `db`?)
            shop/web -> shop/dbb:5432
                        ^^^^^^^^
    "#]]
    .assert_eq(&ran.stderr);
    assert_eq!(ran.stdout.matches("\nhelp: ").count(), 1, "{ran:?}");
    assert_eq!(ran.stdout.matches(" -> shop/db:").count(), 2, "{ran:?}");
    let piped = project.run_with(&["explain", "-q", "--flows", "-"], Some(flows));
    assert_eq!(piped.stdout, ran.stdout);
    assert!(piped.stderr.contains("<stdin>:4:15: error:"), "{piped:?}");
    let both = project.run_with(&["explain", "-f", "-", "--flows", "-"], Some(flows));
    assert_eq!(both.code, 2);
    assert!(both.stderr.contains("cannot both"), "{both:?}");
    let none = project.run_with(&["explain", "--flows", "-"], Some("# nothing\n"));
    assert_eq!(none.code, 2);
    assert!(none.stderr.contains("no connections in"), "{none:?}");
    let missing = project.run(&["explain", "--flows", "flow.txt"]);
    assert_eq!(missing.code, 2);
    assert!(
        missing.stderr.contains("cannot read `flow.txt`"),
        "{missing:?}"
    );
}

#[test]
fn json_is_what_the_schema_says() {
    let project = project();
    project.write("broken.yaml", "a: [\n");
    let flows = [
        "shop/web -> shop/db:5432",
        "shop/web -> shop/db",
        "shop/web -> svc/db",
        "ns:shop -> world:443",
        "shop/web -> shop/db:icmp",
        "shop/db -> shop/nobody",
    ];
    let arguments = ["explain", "-o", "json", "--expect", "deny"];
    let all: Vec<_> = arguments.iter().chain(&flows).copied().collect();
    let ran = project.run(&all);
    assert_eq!(ran.code, 2, "{ran:?}");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let schema: Value = serde_json::from_str(&project.run(&["schema", "explain"]).stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(report["kind"], "ExplainReport");
    assert_eq!(report["summary"]["questions"], 6);
    assert_eq!(report["summary"]["complete"], false);
    assert_eq!(report["problems"][0]["rule"], "WT001");
    let first = &report["answers"][0];
    assert_eq!(first["verdict"], "deny");
    assert_eq!(first["met"], true);
    let ingress = &first["cases"][0]["rows"][0]["ingress"];
    assert_eq!(ingress["verdict"], "deny");
    let miss = &ingress["policies"][0]["misses"][0];
    assert_eq!(miss["text"], "needs role=api, shop/web has role=web");
    assert_eq!(miss["location"]["path"], "netpol.yaml");
    assert_eq!(miss["location"]["line"], 25);
    let last = &report["answers"][5];
    assert_eq!(last["error"]["column"], 12);
    assert!(last.get("verdict").is_none());
}

#[test]
fn a_broken_file_beside_good_ones_is_told_and_the_rest_answered() {
    let project = project();
    project.write("broken.yaml", "a: [1\n---\nb: 1\n");
    let ran = project.run(&["explain", "shop/web -> shop/db:9187"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stdout.contains("ALLOWED"), "{ran:?}");
    assert!(
        ran.stderr.contains("broken.yaml:1:4: error[WT001]"),
        "{ran:?}"
    );
    let ran = Project::new(&[]).run(&["explain", "a -> b"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("found no YAML or JSON file"), "{ran:?}");
}

#[test]
fn what_was_analysed_and_assumed_is_said_on_standard_error() {
    let project = project();
    let ran = project.run(&["explain", "shop/web -> shop/db:9187"]);
    assert!(
        ran.stderr
            .contains("analysed 2 policies, 2 pods in 2 namespaces (2 files, "),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("assuming M-1"), "{ran:?}");
    let ran = project.run(&["explain", "-v", "shop/web -> shop/db:9187"]);
    assert!(ran.stdout.contains("assumed: "), "{ran:?}");
    assert!(ran.stderr.contains("answered in"), "{ran:?}");
}

#[test]
fn an_engine_that_enforces_nothing_is_said() {
    let ran = explain(&["shop/web -> shop/db:5432", "--engine", "flannel"]);
    assert!(ran.stdout.contains("ALLOWED"), "{ran:?}");
    assert!(ran.stderr.contains("enforces no policy"), "{ran:?}");
}

#[test]
fn names_from_manifests_cannot_move_the_cursor() {
    let evil = CLUSTER.replace("{role: web}", "{role: \"\\u001b[31mweb\"}");
    let project = Project::new(&[("a.yaml", &evil), ("netpol.yaml", POLICIES)]);
    let ran = project.run(&["explain", "shop/web -> shop/db:5432"]);
    assert!(!ran.stdout.contains('\u{1b}'), "{ran:?}");
    let ran = project.run(&["explain", "shop/\u{1b}[31mx -> shop/db:5432"]);
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
}

#[test]
fn ten_thousand_flows_are_answered_in_a_moment() {
    let project = project();
    let flows: String = (0..10_000)
        .map(|port| format!("shop/web -> shop/db:{}\n", port + 1))
        .collect();
    let ran = project.run_with(&["explain", "-o", "json", "--flows", "-"], Some(&flows));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["summary"]["allow"], 1);
    assert_eq!(report["summary"]["deny"], 9_999);
}

#[test]
fn a_pipe_that_closes_is_no_error() {
    let project = project();
    let script = format!(
        "yes 'shop/web -> shop/db:9187' | head -2000 | {} explain -q --flows - | head -1",
        env!("CARGO_BIN_EXE_watertight")
    );
    let mut command = Command::new("sh");
    let ran = finish(
        command.args(["-c", &script]).current_dir(project.path()),
        None,
    );
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.contains("ALLOWED"), "{ran:?}");
    assert!(ran.stderr.is_empty(), "{ran:?}");
}

#[test]
fn colours_only_where_they_are_wanted() {
    assert!(!explain(&["shop/web -> shop/db"]).stdout.contains('\u{1b}'));
    let ran = explain(&["shop/web -> shop/db", "--color", "always"]);
    assert!(ran.stdout.contains('\u{1b}'), "{ran:?}");
}
