//! Which bugs are listed for which release and which input.

use expect_test::expect;

use super::RULE;
use crate::facts::metadata::Cloud;
use crate::rules::testing::findings_on;

fn on(engine: &str, yaml: &str) -> String {
    findings_on(&RULE, yaml, engine, Cloud::all())
}

/// The ids of the bugs that are listed.
fn ids(engine: &str, yaml: &str) -> Vec<String> {
    on(engine, yaml)
        .lines()
        .filter(|line| line.contains("[WT603]"))
        .map(|line| {
            let (_, behind) = line.split_once(" has ").unwrap();
            behind.split_once(": ").unwrap().0.to_owned()
        })
        .collect()
}

fn policy(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: \
         shop}}\nspec: {spec}\n"
    )
}

const NOTHING: [&str; 0] = [];

#[test]
fn bugs_of_the_release() {
    let deny = policy("{podSelector: {}, policyTypes: [Ingress, Egress]}");
    expect![[r#"
        warning[WT603] Cilium 1.19.1 has CVE-2026-33726: traffic through the L7 proxy could bypass NetworkPolicy between pods of one node
          note: affected: cilium <1.17.14, cilium >=1.18.0 <1.18.8, cilium >=1.19.0 <1.19.2
          note: source: golang/vulndb GO-2026-4856, also known as GHSA-hxv8-4j4r-cqgv
          why: D-3
          fix: move to cilium 1.19.2 or later
    "#]].assert_eq(&on("cilium@1.19.1", &deny));
    expect![[r#"
        warning[WT603] Antrea 1.5.1 has antrea-3467: after a node restarted, policies might not be enforced where an address was used twice
          note: affected: antrea <1.2.4, antrea >=1.3.0 <1.5.2
          note: source: Antrea changelogs 1.2, 1.5 and 1.6
          why: D-4
          fix: move to antrea 1.5.2 or later
        warning[WT603] Antrea 1.5.1 has antrea-3809: traffic inside a node could bypass ingress policy
          note: affected: antrea <1.7.0
          note: source: Antrea changelog 1.7
          why: D-4
          fix: move to antrea 1.7.0 or later
        warning[WT603] Antrea 1.5.1 has antrea-5777: traffic passed between a restart of the agent and the moment its policies were in place
          note: affected: antrea <1.12.3, antrea >=1.13.0 <1.13.3, antrea >=1.14.0 <1.14.2
          note: source: Antrea changelogs 1.12 to 1.15
          why: D-4
          fix: move to antrea 1.12.3 or later
        warning[WT603] Antrea 1.5.1 has antrea-7217: addresses of finished pods stayed in the groups that policies match
          note: affected: antrea <2.1.2, antrea >=2.2.0 <2.2.2, antrea 2.3.0
          note: source: Antrea changelogs 2.1, 2.2 and 2.4
          why: D-4
          fix: move to antrea 2.1.2 or later
    "#]].assert_eq(&on("antrea@1.5.1", &deny));
    expect![[r#"
        warning[WT603] kindnet 0.27.0 has kind-e35179f0: open connections and node addresses were judged wrongly at times
          note: affected: kind >=0.24.0 <0.32.0
          note: source: kubernetes-sigs/kind commit e35179f0
          why: D-8
          fix: move to kind 0.32.0 or later
        warning[WT603] kindnet 0.27.0 has kube-network-policies-171: pods that live shortly are not restricted when they start
          note: affected: kind >=0.27.0 <0.28.0
          note: source: kubernetes-sigs/kube-network-policies issue 171, reported and not confirmed
          why: D-8
    "#]].assert_eq(&on("kind@0.27.0", &deny));
    assert_eq!(ids("cilium@1.19.2", &deny), NOTHING);
}

#[test]
fn users_of_eks_see_the_bugs_of_the_agent_inside() {
    let deny = policy("{podSelector: {}}");
    expect![[r#"
        note[WT603] Amazon VPC CNI 1.23.0 has aws-network-policy-agent-462: cleaning up tracked flows could freeze live ones for about a minute when a port was reused
          note: affected: aws-network-policy-agent <1.4.2
          note: source: aws/aws-network-policy-agent commit dd11826, issue 462
          why: D-7
          fix: move to aws-vpc-cni 1.23.1 or later, which brings aws-network-policy-agent 1.4.2
    "#]].assert_eq(&on("eks@1.23.0", &deny));
}

#[test]
fn without_a_version_or_a_policy_nothing_is_listed() {
    let deny = policy("{podSelector: {}}");
    for engine in [
        "cilium",
        "calico",
        "eks",
        "k3s",
        "reference",
        "reference@1.30",
    ] {
        assert_eq!(on(engine, &deny), "", "{engine}");
    }
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n";
    assert_eq!(on("cilium@1.19.1", pod), "");
    assert_eq!(on("flannel@0.27.0", &deny), "", "WT601 says it all");
}

#[test]
fn bugs_in_what_the_input_does_not_use_are_left_out() {
    let deny = policy("{podSelector: {}}");
    let range = policy("{ingress: [{ports: [{port: 1, endPort: 9}]}]}");
    let told = ids("cilium@1.15", &range);
    assert!(!told.contains(&"cilium-28684".into()), "WT602 tells it");

    let egress = policy("{policyTypes: [Egress]}");
    assert!(!ids("kube-router@0.4.0", &deny).contains(&"kube-router-609".into()));
    assert!(ids("kube-router@0.4.0", &egress).contains(&"kube-router-609".into()));

    let except = "{ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}]}]}";
    assert_eq!(ids("kube-ovn@1.14.0", &deny), ["kube-ovn-7269"]);
    assert_eq!(
        ids("kube-ovn@1.14.0", &policy(except)),
        ["kube-ovn-6419", "kube-ovn-7269"]
    );

    let named = policy("{ingress: [{ports: [{port: http}]}]}");
    assert!(ids("kube-ovn@1.14.0", &named).contains(&"kube-ovn-6536".into()));
}

#[test]
fn bugs_of_ipv6_need_ipv6() {
    let with = |ip: &str| {
        let pod =
            "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nstatus: {phase: Running, podIP: ";
        format!("{pod}'{ip}'}}\n---\n{}", policy("{podSelector: {}}"))
    };
    let bug = "kube-router-ada3179c".to_owned();
    assert!(!ids("kube-router@2.0.0", &with("10.0.0.9")).contains(&bug));
    assert!(ids("kube-router@2.0.0", &with("fd00::9")).contains(&bug));
    let unknown = policy("{podSelector: {}}");
    assert!(
        ids("kube-router@2.0.0", &unknown).contains(&bug),
        "no address is known"
    );
}

#[test]
fn bugs_of_own_kinds_need_objects_of_the_group() {
    let deny = policy("{podSelector: {}}");
    let own =
        format!("{deny}---\napiVersion: cilium.io/v2\nkind: CiliumNode\nmetadata: {{name: n}}\n");
    let bug = "CVE-2025-64715".to_owned();
    for engine in ["cilium@1.17.9", "aks-cilium@1.17.9"] {
        assert!(!ids(engine, &deny).contains(&bug), "{engine}");
        assert!(ids(engine, &own).contains(&bug), "{engine}");
    }
}

/// Where no setting tells which dataplane runs, its bugs are listed with what they need.
#[test]
fn bugs_of_a_dataplane_say_so() {
    let deny = policy("{podSelector: {}, policyTypes: [Ingress]}");
    let both = ["calico-13390", "calico-13442"];
    assert_eq!(ids("calico@3.31.6", &deny), both);
    let told = on("calico@3.31.6", &deny);
    assert!(
        told.contains("was programmed (with the eBPF dataplane)"),
        "{told}"
    );
}
