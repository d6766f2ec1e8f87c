//! `watertight diff`: what a change opens and cuts, and how it ends.

use crate::git::Repository;
use crate::harness::{Project, Ran};

/// A cluster of two pods and a default deny, and what policies are added to it.
fn cluster(policies: &str) -> String {
    let pod = |name: &str| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: shop, labels: {{app: {name}}}}}
spec: {{containers: [{{name: main}}]}}
---
"
        )
    };
    format!(
        "{}{}apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: default-deny, namespace: shop}}
spec: {{podSelector: {{}}, policyTypes: [Ingress, Egress]}}
---
{policies}",
        pod("web"),
        pod("db")
    )
}

/// Lets `web` reach `db` on these ports.
fn allow(ports: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: db, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: db}}}}
  policyTypes: [Ingress]
  ingress:
  - from: [{{podSelector: {{matchLabels: {{app: web}}}}}}]
    ports: [{ports}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: web, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: web}}}}
  policyTypes: [Egress]
  egress: [{{to: [{{podSelector: {{matchLabels: {{app: db}}}}}}]}}]
"
    )
}

const POSTGRES: &str = "{port: 5432}";

fn diff(old: &str, new: &str, more: &[&str]) -> Ran {
    let project = Project::new(&[("old/a.yaml", old), ("new/a.yaml", new)]);
    let mut arguments = vec!["diff", "old", "new"];
    arguments.extend(more);
    project.run(&arguments)
}

#[test]
fn nothing_differs_between_a_state_and_itself() {
    let state = cluster(&allow(POSTGRES));
    let ran = diff(&state, &state, &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stdout, "the same: no object differs\n");
    assert!(
        ran.stderr.contains("compared 3 policies and 2 pods of old"),
        "{ran:?}"
    );
}

#[test]
fn objects_may_differ_where_connections_do_not() {
    let other = allow(POSTGRES).replace("{port: 5432}", "{port: 5432, protocol: TCP}");
    let ran = diff(&cluster(&allow(POSTGRES)), &cluster(&other), &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(
        ran.stdout.starts_with("safe: no connection changes"),
        "{ran:?}"
    );
    assert!(
        ran.stdout.contains("NetworkPolicy shop/db edited"),
        "{ran:?}"
    );
}

#[test]
fn a_new_port_widens_and_its_loss_narrows() {
    let (one, two) = (
        cluster(&allow(POSTGRES)),
        cluster(&allow("{port: 5432}, {port: 9187}")),
    );
    let ran = diff(&one, &two, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout.starts_with("widens: 1 pair gains connections"),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains("NetworkPolicy shop/db edited   new/a.yaml:"),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains("~ shop/web -> shop/db   5432/tcp, 9187/tcp   was: 5432/tcp"),
        "{ran:?}"
    );
    let ran = diff(&two, &one, &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.starts_with("narrows: "), "{ran:?}");
}

#[test]
fn fail_on_says_what_counts_as_a_difference() {
    let (closed, open) = (cluster(""), cluster(&allow(POSTGRES)));
    for (fail_on, widens, narrows) in [
        ("any", 1, 1),
        ("widen", 1, 0),
        ("narrow", 0, 1),
        ("never", 0, 0),
    ] {
        let flag = ["--fail-on", fail_on];
        assert_eq!(diff(&closed, &open, &flag).code, widens, "{fail_on}");
        assert_eq!(diff(&open, &closed, &flag).code, narrows, "{fail_on}");
        assert_eq!(diff(&open, &open, &flag).code, 0, "{fail_on}");
    }
}

#[test]
fn what_cannot_be_read_is_no_difference_but_unknown() {
    let open = cluster(&allow(POSTGRES));
    let broken = format!("{open}---\na: [1\n");
    for (old, new) in [(&broken, &open), (&open, &broken)] {
        let ran = diff(old, new, &["--fail-on", "never"]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stdout.starts_with("unknown: "), "{ran:?}");
        assert!(ran.stderr.contains("error[WT001]"), "{ran:?}");
    }
    let ran = diff("", "", &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn observed_connections_that_would_be_cut_come_first() {
    let project = Project::new(&[
        ("old.yaml", &cluster(&allow(POSTGRES))),
        ("new.yaml", &cluster("")),
        (
            "flows.csv",
            "from,to,protocol,port,count\nshop/web,shop/db,tcp,5432,88\nshop/web,shop/db,tcp,1,3\n",
        ),
    ]);
    let ran = project.run(&["diff", "old.yaml", "new.yaml", "--flows", "flows.csv"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(
        ran.stdout
            .starts_with("not safe: 1 observed connection would be cut"),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains("! shop/Pod/web -> shop/Pod/db:5432/tcp   88 times"),
        "{ran:?}"
    );
    assert!(
        !ran.stdout.contains("3 times"),
        "was denied before: {ran:?}"
    );
    project.write("flows.csv", "nothing like it");
    let ran = project.run(&["diff", "old.yaml", "new.yaml", "--flows", "flows.csv"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("flows.csv"), "{ran:?}");
}

#[test]
fn flows_may_come_from_standard_input() {
    let project = Project::new(&[
        ("old.yaml", &cluster(&allow(POSTGRES))),
        ("new.yaml", &cluster("")),
    ]);
    let flows = "from,to,protocol,port\nshop/web,shop/db,tcp,5432\n";
    let arguments = ["diff", "old.yaml", "new.yaml", "--flows", "-"];
    let ran = project.run_with(&arguments, Some(flows));
    assert!(
        ran.stdout.contains("shop/Pod/db:5432/tcp   1 time"),
        "{ran:?}"
    );
}

#[test]
fn one_thing_in_the_comparison_may_be_a_namespace_or_a_pod() {
    let (old, new) = (cluster(""), cluster(&allow(POSTGRES)));
    let ran = diff(&old, &new, &["--by", "namespace"]);
    assert!(ran.stdout.contains("+ shop -> shop   5432/tcp*"), "{ran:?}");
    let ran = diff(&old, &new, &["--by", "pod"]);
    assert!(
        ran.stdout.contains("+ shop/web -> shop/db   5432/tcp"),
        "{ran:?}"
    );
}

#[test]
fn findings_that_the_change_introduces_and_resolves() {
    let (one, other) = (
        cluster(&allow(POSTGRES)),
        cluster(&allow(POSTGRES).replace(
            "app: db}}\n  policyTypes: [Ingress]",
            "app: bd}}\n  policyTypes: [Ingress]",
        )),
    );
    let ran = diff(&one, &other, &[]);
    assert!(ran.stdout.contains("+ warning[WT401]"), "{ran:?}");
    let ran = diff(&other, &one, &[]);
    assert!(ran.stdout.contains("- warning[WT401]"), "{ran:?}");
}

#[test]
fn a_branch_against_where_it_began() {
    let repository = Repository::new();
    repository.commit(&[("k8s/a.yaml", &cluster(""))]);
    repository.commit(&[("k8s/a.yaml", &cluster(&allow(POSTGRES)))]);
    repository
        .project
        .write("k8s/a.yaml", &cluster(&allow(POSTGRES)));
    let project = &repository.project;
    assert_eq!(project.run(&["diff", "git:HEAD:k8s", "k8s"]).code, 0);
    let ran = project.run(&["diff", "git:HEAD~1...main:k8s", "k8s"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.starts_with("widens: "), "{ran:?}");
    assert!(
        ran.stderr.contains("of git:HEAD~1...main:k8s (1 file)"),
        "{ran:?}"
    );
    let ran = project.run(&["diff", "git:HEAD:k8s", "git:HEAD~1:k8s"]);
    assert!(ran.stdout.starts_with("narrows: "), "{ran:?}");
    assert!(
        ran.stdout.contains("git:HEAD:k8s/a.yaml:"),
        "where it was: {ran:?}"
    );
}

#[test]
fn every_format_at_once() {
    let project = Project::new(&[
        ("old.yaml", &cluster("")),
        ("new.yaml", &cluster(&allow(POSTGRES))),
    ]);
    let ran = project.run(&[
        "diff",
        "old.yaml",
        "new.yaml",
        "-o",
        "json",
        "-o",
        "markdown=a.md",
        "-o",
        "html=a.html",
        "-o",
        "sarif=a.sarif",
        "-o",
        "text=a.txt",
    ]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["kind"], "DiffReport");
    let schema = project.run(&["schema", "diff"]);
    let schema: serde_json::Value = serde_json::from_str(&schema.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&report)
        .map(|e| e.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert!(
        project
            .read("a.md")
            .starts_with("<!-- watertight diff -->\n")
    );
    assert!(project.read("a.html").starts_with("<!doctype html>"));
    assert!(project.read("a.sarif").contains("diff/widened"));
    assert!(project.read("a.txt").starts_with("widens: "));
}

#[test]
fn the_same_bytes_give_the_same_answer() {
    let old = cluster(&allow(POSTGRES));
    let new = cluster(&allow("{port: 80}, {port: 9187}"));
    let first = diff(&old, &new, &["-o", "json"]).stdout;
    for threads in ["1", "2", "7"] {
        let again = diff(&old, &new, &["-o", "json", "--threads", threads]).stdout;
        assert_eq!(first, again, "{threads}");
    }
}

#[test]
fn mistakes_are_told() {
    let project = Project::new(&[("old.yaml", &cluster(""))]);
    for (arguments, told) in [
        (&["diff", "old.yaml"][..], "NEW"),
        (&["diff", "old.yaml", "nwe.yaml"], "cannot read `nwe.yaml`"),
        (
            &["diff", "-", "-"],
            "only one of the two can be standard input",
        ),
        (
            &["diff", "old.yaml", "old.yaml", "-o", "xml"],
            "`xml` is no format",
        ),
        (
            &["diff", "old.yaml", "old.yaml", "--flows", "x"],
            "cannot read `x`",
        ),
    ] {
        let ran = project.run(arguments);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(told), "{ran:?}");
    }
}

/// K-61: a change of ICMP alone is not safe, and gates do not pass it. Other changes of the same object are as before.
#[test]
fn a_change_of_icmp_is_not_called_safe() {
    let policy = |more: &str, port: u16| {
        cluster(&format!(
            "apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {{name: db, namespace: shop}}
spec:
  endpointSelector: {{matchLabels: {{app: db}}}}
  ingress:
  - fromEndpoints: [{{matchLabels: {{app: web}}}}]
    toPorts: [{{ports: [{{port: \"{port}\", protocol: TCP}}]}}]
{more}"
        ))
    };
    let icmp = "  - {fromEntities: [all], icmps: [{fields: [{type: 8, family: IPv4}]}]}\n";
    let (without, with) = (policy("", 80), policy(icmp, 80));
    for (old, new) in [(&without, &with), (&with, &without)] {
        let ran = diff(old, new, &[]);
        let words: Vec<&str> = ran.stdout.split_whitespace().collect();
        let told = words.join(" ");
        assert!(
            told.starts_with(
                "uncertain: no connection over TCP, UDP or SCTP changes; what CiliumNetworkPolicy shop/db says \
                 about ICMP changes and is not compared: explain 'FROM -> TO:icmp' "
            ),
            "{told}"
        );
        assert_eq!(ran.code, 1);
        for (fail_on, code) in [("widen", 1), ("narrow", 1), ("never", 0)] {
            assert_eq!(diff(old, new, &["--fail-on", fail_on]).code, code);
        }
    }
    let json = diff(&without, &with, &["-o", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["verdict"]["word"], "uncertain");
    assert_eq!(json["counts"]["icmp"], 1);
    // The rule about ICMP is as it was.
    let ran = diff(&with, &policy(icmp, 8080), &["--fail-on", "never"]);
    assert!(!ran.stdout.contains("ICMP"), "{ran:?}");
    // Whom it is about is not.
    let other = with.replace(
        "endpointSelector: {matchLabels: {app: db}}",
        "endpointSelector: {}",
    );
    let ran = diff(&with, &other, &["--fail-on", "never"]);
    assert!(ran.stdout.starts_with("uncertain: "), "{ran:?}");
    // A label of the object decides nothing.
    let metadata = "metadata: {name: db, namespace: shop}";
    let labelled = "metadata: {name: db, namespace: shop, labels: {version: v2}}";
    let ran = diff(&with, &with.replace(metadata, labelled), &["-o", "json"]);
    assert!(ran.stdout.contains("\"icmp\": 0"), "{ran:?}");
}

/// C-3: a rule about all traffic, before the one about ICMP.
#[test]
fn a_rule_about_all_traffic_may_decide_icmp() {
    let policy = |first: &str| {
        cluster(&format!(
            "apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {{name: db, namespace: shop}}
spec:
  selector: app == 'db'
  types: [Ingress]
  ingress:
{first}  - {{action: Allow, protocol: ICMP}}
"
        ))
    };
    let (before, after) = (policy(""), policy("  - {action: Deny}\n"));
    let ran = diff(&before, &after, &["--fail-on", "narrow"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.starts_with("uncertain: "), "{ran:?}");
}
