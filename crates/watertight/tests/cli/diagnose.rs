//! `watertight diagnose`: the answer in the first line, the steps, the formats and the exit codes.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose report cannot be read fails"
)]

use std::path::Path;
use std::process::Command;

use expect_test::expect;

use crate::harness::{Project, Ran, finish};

/// Runs in the repository, on the example whose policies are decorative.
fn ran(arguments: &[&str]) -> Ran {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
    command
        .args(["diagnose", "-f", "examples/decorative"])
        .args(arguments)
        .current_dir(root)
        .env_remove("WATERTIGHT_CONFIG")
        .env_remove("WATERTIGHT_ENGINE")
        .env_remove("WATERTIGHT_COLOR")
        .env("COLUMNS", "100");
    finish(&mut command, None)
}

/// The example with other texts in the place of some.
fn changed(changes: &[(&str, &str)]) -> Project {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/decorative");
    let files = ["cluster.yaml", "shop.yaml"].map(|name| {
        let text = std::fs::read_to_string(root.join(name)).unwrap();
        let text = changes
            .iter()
            .fold(text, |text, (from, to)| text.replace(from, to));
        (name, text)
    });
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    Project::new(&files)
}

const OFF: &str = "enable-network-policy-controller: \"false\"";
const ON: &str = "enable-network-policy-controller: \"true\"";

#[test]
fn policies_that_nothing_enforces_are_decorative() {
    let found = ran(&[]);
    assert_eq!(found.code, 1, "{}", found.stderr);
    expect![[r#"
        decorative: the controller of the Amazon VPC CNI is off, the second of its two switches: the agent
                    on the nodes never hears of a policy
        the cluster: 3 pods; Amazon VPC CNI 1.2.7; 2 nodes; eks

        1 enforcement   FAILED   the controller of the Amazon VPC CNI is off, the second of its two
                                 switches: the agent on the nodes never hears of a policy
               see  ConfigMap kube-system/amazon-vpc-cni, data.enable-network-policy-controller: false
                    (examples/decorative/cluster.yaml:58:37)
               do   set enable-network-policy-controller to "true" in that ConfigMap, or enableNetworkPolicy
                    in the add-on, which sets both
             Amazon VPC CNI 1.2.7 runs as DaemonSet kube-system/aws-node, 2 of 2 pods ready
               see  DaemonSet kube-system/aws-node, container aws-eks-nodeagent image:
                    602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon/aws-network-policy-agent:v1.2.7-eksbuild.1
                    (examples/decorative/cluster.yaml:48:16)
        2 isolation     passed   all 3 pods are isolated in both directions
        3 tiers         -        there are no policies but NetworkPolicies
        4 labels        passed   every selector matches something
        5 versions      FAILED   5 known bugs and limits of this release touch these policies
             Amazon VPC CNI 1.2.7 has aws-network-policy-agent-8147f19: the tracked state of a flow let new
             traffic of the reverse direction past policy
               do   move to aws-vpc-cni 1.22.3 or later, which brings aws-network-policy-agent 1.3.7
             Amazon VPC CNI 1.2.7 has aws-network-policy-agent-bc504a4: two pods whose name and namespace
             join to the same text shared a key, and the second got no hook
               do   move to aws-vpc-cni 1.22.3 or later, which brings aws-network-policy-agent 1.3.7
             Amazon VPC CNI 1.2.7 has aws-network-policy-agent-8f36492: failed writes of eBPF maps were
             reported as policies applied
               do   move to aws-vpc-cni 1.22.3 or later, which brings aws-network-policy-agent 1.3.7
             ... and 2 more; `watertight check` lists all
        6 host-network  passed   1 group of pods is on the network of its node, where no policy applies to
                                 it

        2 nodes of general: not-enforced
    "#]].assert_eq(&found.stdout);
}

#[test]
fn a_connection_that_is_denied_on_paper_is_open() {
    let found = ran(&["shop/reports -> shop/db:5432"]);
    assert_eq!(found.code, 1, "{}", found.stderr);
    expect![[r#"
        decorative: policies deny it, and the controller of the Amazon VPC CNI is off, the second of its two
                    switches: the agent on the nodes never hears of a policy
        shop/reports -> shop/db:5432/tcp: 2 pods; Amazon VPC CNI 1.2.7; 2 nodes; eks

        1 enforcement   FAILED   the controller of the Amazon VPC CNI is off, the second of its two
                                 switches: the agent on the nodes never hears of a policy
               see  ConfigMap kube-system/amazon-vpc-cni, data.enable-network-policy-controller: false
                    (examples/decorative/cluster.yaml:58:37)
               do   set enable-network-policy-controller to "true" in that ConfigMap, or enableNetworkPolicy
                    in the add-on, which sets both
             Amazon VPC CNI 1.2.7 runs as DaemonSet kube-system/aws-node, 2 of 2 pods ready
               see  DaemonSet kube-system/aws-node, container aws-eks-nodeagent image:
                    602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon/aws-network-policy-agent:v1.2.7-eksbuild.1
                    (examples/decorative/cluster.yaml:48:16)
        2 isolation     passed   policies deny it, if they are enforced
        3 tiers         -        there are no policies but NetworkPolicies
        4 labels        passed   every selector matches something
        5 versions      FAILED   5 known bugs and limits of this release touch these policies
             Amazon VPC CNI 1.2.7 has aws-network-policy-agent-8147f19: the tracked state of a flow let new
             traffic of the reverse direction past policy
               do   move to aws-vpc-cni 1.22.3 or later, which brings aws-network-policy-agent 1.3.7
             Amazon VPC CNI 1.2.7 has aws-network-policy-agent-bc504a4: two pods whose name and namespace
             join to the same text shared a key, and the second got no hook
               do   move to aws-vpc-cni 1.22.3 or later, which brings aws-network-policy-agent 1.3.7
             Amazon VPC CNI 1.2.7 has aws-network-policy-agent-8f36492: failed writes of eBPF maps were
             reported as policies applied
               do   move to aws-vpc-cni 1.22.3 or later, which brings aws-network-policy-agent 1.3.7
             ... and 2 more; `watertight check` lists all
        6 host-network  passed   none of these pods is on the network of its node

        2 nodes of general: not-enforced
    "#]].assert_eq(&found.stdout);
}

#[test]
fn with_both_switches_on_the_same_policies_should_hold() {
    let project = changed(&[(OFF, ON), ("v1.2.7-eksbuild.1", "v1.4.2-eksbuild.1")]);
    let found = project.run(&["diagnose", "shop/reports -> shop/svc/db:5432"]);
    assert_eq!(found.code, 0, "{}{}", found.stdout, found.stderr);
    expect![[r#"
        real: policies deny it, and Amazon VPC CNI 1.4.2 should enforce policies wherever these pods run; a
              new pod is open for a moment
        shop/reports -> shop/svc/db:5432/tcp: 2 pods; Amazon VPC CNI 1.4.2; 2 nodes; eks

        1 enforcement   passed   Amazon VPC CNI 1.4.2 should enforce policies wherever these pods run; a new
                                 pod is open for a moment
        2 isolation     passed   policies deny it, if they are enforced
        3 tiers         -        there are no policies but NetworkPolicies
        4 labels        passed   every selector matches something
        5 versions      passed   nothing that these policies use is known to be ignored or broken
        6 host-network  passed   none of these pods is on the network of its node

        2 nodes of general: enforced-with-window
        note: the API shows what should enforce policies; only packets prove what does: `watertight verify`
              sends them
    "#]].assert_eq(&found.stdout);
    // The release of the example has bugs that let packets through.
    let found = changed(&[(OFF, ON)]).run(&["diagnose", "web", "-n", "shop", "-v"]);
    assert_eq!(found.code, 1, "{}", found.stderr);
    assert!(found.stdout.starts_with("partly: "), "{}", found.stdout);
}

#[test]
fn what_was_not_read_is_unknown_and_ends_with_2() {
    let project = changed(&[("name: amazon-vpc-cni\n", "name: something-else\n")]);
    let found = project.run(&["diagnose", "-n", "shop"]);
    assert_eq!(found.code, 2, "{}", found.stdout);
    let first = found.stdout.lines().next().unwrap();
    assert!(first.starts_with("unknown: "), "{first}");
}

#[test]
fn a_kind_that_could_not_be_listed_makes_the_run_incomplete() {
    let project = changed(&[(OFF, ON)]);
    project.write(
        "cluster.json",
        r#"{"apiVersion":"watertight.dev/v1","kind":"Snapshot","metadata":{"name":"prod"},"kinds":[{"group":"","version":"v1","resource":"pods","kind":"Pod","state":"forbidden"}]}"#,
    );
    let found = project.run(&["diagnose", "-n", "shop"]);
    assert_eq!(found.code, 2, "{}", found.stdout);
    assert!(
        found
            .stdout
            .contains("incomplete: pods could not be listed (403, forbidden)"),
        "{}",
        found.stdout
    );
    let checked = project.run(&["check"]);
    assert_eq!(checked.code, 2, "{}", checked.stdout);
    assert!(checked.stdout.contains("WT013"), "{}", checked.stdout);
}

#[test]
fn json_follows_its_schema() {
    let found = ran(&["-o", "json"]);
    let report: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    let schema = Project::new(&[]).run(&["schema", "diagnose"]).stdout;
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(report["answer"], "decorative");
    assert_eq!(report["steps"].as_array().unwrap().len(), 6);
    let cause = &report["steps"][0]["items"][0];
    assert_eq!(cause["id"], "aws-controller-off");
    assert_eq!(cause["values"][0]["value"], "false");
    assert_eq!(report["engines"][0]["version"], "1.2.7");
    assert_eq!(report["nodes"][0]["enforcement"], "not-enforced");
}

#[test]
fn the_page_stands_alone() {
    let found = ran(&["-o", "html"]);
    let page = &found.stdout;
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("<script"));
    assert!(page.contains("<strong>decorative</strong>"), "{page}");
    assert!(
        page.contains("ConfigMap kube-system/amazon-vpc-cni"),
        "{page}"
    );
}

#[test]
fn every_command_judges_by_the_engine_that_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut command = Command::new(env!("CARGO_BIN_EXE_watertight"));
    command
        .args(["check", "examples/decorative", "-o", "json"])
        .current_dir(root)
        .env_remove("WATERTIGHT_ENGINE");
    let found = finish(&mut command, None);
    let report: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(report["engine"]["name"], "Amazon VPC CNI");
    assert_eq!(report["engine"]["enforcement"], "not-enforced");
    let rules = report["findings"].as_array().unwrap();
    assert!(
        rules.iter().any(|finding| finding["rule"] == "WT601"),
        "{rules:?}"
    );
}

#[test]
fn mistakes_are_told() {
    let cases = [
        (&["shop/dbb"][..], "did you mean"),
        (&["shop/web -> shop/db:x:y"], "shop/web -> shop/db:x:y"),
        (&["-n", "shpo"], "did you mean `shop`"),
        (&["ip:10.0.0.1"], "is no workload, pod or Service"),
        (
            &["web", "-n", "shop", "-n", "kube-system"],
            "a target has one namespace",
        ),
    ];
    for (arguments, message) in cases {
        let found = ran(arguments);
        assert_eq!(found.code, 2, "{arguments:?}: {}", found.stdout);
        assert!(
            found.stderr.contains(message),
            "{arguments:?}: {}",
            found.stderr
        );
        assert!(found.stdout.is_empty(), "{}", found.stdout);
    }
}

const UNREAD: &str = r#"{"apiVersion":"watertight.dev/v1","kind":"Snapshot","metadata":{"name":"prod"},"cluster":{"server":"","version":""},"taken":"","kinds":[{"group":"networking.k8s.io","version":"v1","resource":"networkpolicies","kind":"NetworkPolicy","state":"forbidden"}]}"#;

/// M-8: nobody is told ALLOWED where the policies that may deny it were not read.
#[test]
fn m_8_without_the_policies_no_answer_is_certain() {
    let project = changed(&[(OFF, ON), ("kind: NetworkPolicy", "kind: Gone")]);
    project.write("cluster.json", UNREAD);
    let found = project.run(&["explain", "shop/reports -> shop/db:5432", "-f", "."]);
    assert_eq!(found.code, 2, "{}{}", found.stdout, found.stderr);
    expect![[r#"
        shop/reports -> shop/db:5432/tcp   UNCERTAIN
          egress   shop/reports   allowed   no policy isolates it for egress
          ingress  shop/db        allowed   no policy isolates it for ingress
        shop/reports may or may not connect to shop/db on 5432/tcp: allowed by what was read, and networkpolicies.networking.k8s.io could not be listed (M-8)
        help: allow `list` of networkpolicies.networking.k8s.io, and read the cluster again
    "#]].assert_eq(&found.stdout);
    let found = project.run(&["diagnose", "shop/reports -> shop/db:5432"]);
    assert_eq!(found.code, 2, "{}", found.stdout);
    expect![[r#"
        unknown: networkpolicies.networking.k8s.io could not be listed (403, forbidden): connections that
                 these policies deny are taken for allowed
        shop/reports -> shop/db:5432/tcp: 2 pods; Amazon VPC CNI 1.2.7; 2 nodes; eks

        1 enforcement   passed   Amazon VPC CNI 1.2.7 should enforce policies wherever these pods run; a new
                                 pod is open for a moment
        2 isolation     UNKNOWN  networkpolicies.networking.k8s.io could not be listed (403, forbidden):
                                 connections that these policies deny are taken for allowed
               see  cluster.json:1:137
               do   allow `get`, `list` and `watch` of `networkpolicies` in group `networking.k8s.io`
        3 tiers         -        there are no policies but NetworkPolicies
        4 labels        -        there are no policies
        5 versions      passed   nothing that these policies use is known to be ignored or broken
        6 host-network  passed   none of these pods is on the network of its node

        2 nodes of general: enforced-with-window
        incomplete: networkpolicies.networking.k8s.io could not be listed (403, forbidden): connections that
                    these policies deny are taken for allowed
        note: the API shows what should enforce policies; only packets prove what does: `watertight verify`
              sends them
    "#]].assert_eq(&found.stdout);
    // Maps are incomplete as a whole.
    let found = project.run(&["reach", "--to", "shop/db"]);
    assert_eq!(found.code, 2, "{}", found.stdout);
    assert!(found.stderr.contains("WT013"), "{}", found.stderr);
}

/// Whoever has named the engine is not told to name it.
#[test]
fn an_engine_that_was_named_is_taken_at_its_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/decorative");
    let policies = std::fs::read_to_string(root.join("shop.yaml")).unwrap();
    let project = Project::new(&[("shop.yaml", &policies)]);
    let found = project.run(&["diagnose", "--engine", "calico"]);
    assert_eq!(found.code, 2, "{}", found.stdout);
    assert!(!found.stdout.contains("--engine"), "{}", found.stdout);
    let found = project.run(&["diagnose", "--engine", "flannel"]);
    assert_eq!(found.code, 1, "{}", found.stdout);
    assert!(found.stdout.starts_with("decorative: "), "{}", found.stdout);
    let found = ran(&["--engine", "calico"]);
    let note = "judged as Calico reads them, which was named, and the cluster runs Amazon VPC CNI";
    assert!(found.stderr.contains(note), "{}", found.stderr);
}

#[test]
fn a_broken_file_and_a_path_in_the_place_of_a_target() {
    let project = Project::new(&[(
        "broken.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a\n",
    )]);
    let found = project.run(&["diagnose"]);
    assert_eq!(found.code, 2, "{}", found.stdout);
    expect![[r#"
        unknown: a document could not be read: unclosed bracket '{'
        the cluster: 0 pods

        1 enforcement   UNKNOWN  no DaemonSet was read, so the network engine is not known
               see  DaemonSets, names: not read
               do   read the whole cluster (kubectl get daemonsets,configmaps,nodes,pods -A), or name the
                    engine with --engine
        2 isolation     UNKNOWN  a document could not be read: unclosed bracket '{'
               see  broken.yaml:3:11
               do   mend it; it may hold a policy
        3 tiers         -        there are no policies but NetworkPolicies
        4 labels        UNKNOWN  a document could not be read: unclosed bracket '{'
               see  broken.yaml:3:11
               do   mend it; it may hold a policy
        5 versions      UNKNOWN  the engine is not known, so neither are its bugs
        6 host-network  -        there are no pods here

        incomplete: broken.yaml:3:11: unclosed bracket '{'
        note: the API shows what should enforce policies; only packets prove what does: `watertight verify`
              sends them
    "#]].assert_eq(&found.stdout);
    let found = project.run(&["diagnose", "broken.yaml"]);
    let hint = "`broken.yaml` is a file or directory: read it with `-f broken.yaml`";
    assert!(found.stderr.contains(hint), "{}", found.stderr);
}

/// The agent of Amazon knows pods by names that bare pods may share.
#[test]
fn bare_pods_on_amazon_are_told() {
    let project = changed(&[(OFF, ON), ("v1.2.7-eksbuild.1", "v1.4.2-eksbuild.1")]);
    let all = project.run(&["diagnose", "-n", "shop", "-v"]);
    assert!(!all.stdout.contains("of no workload"), "{}", all.stdout);
    project.write(
        "bare.yaml",
        "{apiVersion: v1, kind: Pod, metadata: {name: probe-a, namespace: shop}, spec: {containers: [{name: a, image: b}]}}\n",
    );
    let found = project.run(&["diagnose", "-n", "shop", "-v"]);
    assert!(
        found
            .stdout
            .contains("1 pod of no workload (shop/Pod/probe-a)"),
        "{}",
        found.stdout
    );
}
