//! Which bugs are claimed for which versions.

use super::profile;
use crate::engine::{Bug, Engine, Profile};

fn bugs(spec: &str) -> Vec<&'static str> {
    profile(spec).bugs().map(|bug| bug.id).collect()
}

#[test]
fn cilium_bugs_by_version() {
    assert_eq!(bugs("cilium@1.19.2"), [""; 0]);
    assert_eq!(bugs("cilium@1.19.1"), ["CVE-2026-33726"]);
    assert_eq!(bugs("cilium@1.18.4"), ["CVE-2026-33726", "CVE-2026-26963"]);
    assert_eq!(bugs("cilium@1.17.9"), ["CVE-2026-33726", "CVE-2025-64715"]);
    assert_eq!(bugs("cilium@1.17.10"), ["CVE-2026-33726"]);
    assert_eq!(bugs("cilium@1.17.14"), [""; 0]);
    assert!(bugs("cilium@1.13.0").contains(&"CVE-2023-27595"));
    assert!(!bugs("cilium@1.13.1").contains(&"CVE-2023-27595"));
    assert!(!bugs("cilium@1.12.16").contains(&"CVE-2023-27595"));
}

#[test]
fn no_version_claims_no_bug() {
    for &engine in Engine::ALL {
        assert_eq!(Profile::new(engine, None).bugs().count(), 0, "{engine}");
    }
    assert!(
        profile("cilium")
            .all_bugs()
            .any(|bug| bug.id == "CVE-2026-33726")
    );
}

#[test]
fn a_line_claims_only_what_all_its_patches_have() {
    assert!(
        !bugs("cilium@1.17").contains(&"CVE-2025-64715"),
        "fixed in 1.17.10"
    );
    assert!(
        bugs("cilium@1.15").contains(&"cilium-28684"),
        "fixed in 1.16"
    );
    assert_eq!(
        bugs("calico@3.21")
            .iter()
            .filter(|id| **id == "calico-5324")
            .count(),
        1
    );
}

#[test]
fn calico_bugs_by_version() {
    assert_eq!(bugs("calico@3.31.7"), ["calico-11986"]);
    assert_eq!(bugs("calico@3.32.1"), ["calico-13390"]);
    assert_eq!(bugs("calico@3.32.2"), [""; 0]);
    assert_eq!(
        bugs("calico@3.31.3"),
        ["calico-13390", "calico-13442", "calico-11986"]
    );
    assert!(bugs("calico@3.24.5").contains(&"calico-7148"));
    assert!(!bugs("calico@3.24.6").contains(&"calico-7148"));
    assert!(bugs("calico@3.27.2").contains(&"CVE-2024-33522"));
    assert!(!bugs("calico@3.26.5").contains(&"CVE-2024-33522"));
    assert_eq!(bugs("canal@3.31.7"), bugs("calico@3.31.7"));
    assert_eq!(
        bugs("gke-calico@1.29"),
        [""; 0],
        "a GKE release is none of Calico"
    );
}

#[test]
fn fixes_on_several_lines_leave_the_lines_between_affected() {
    let has = |spec: &str| bugs(spec).contains(&"antrea-3467");
    assert!(has("antrea@1.2.3") && !has("antrea@1.2.4"));
    assert!(has("antrea@1.3.0") && has("antrea@1.4") && has("antrea@1.5.1"));
    assert!(!has("antrea@1.5.2") && !has("antrea@1.6.0"));
}

#[test]
fn bounds_in_prose_are_never_claimed() {
    let prose: Vec<&Bug> = profile("eks")
        .all_bugs()
        .filter(|bug| bug.affected.is_empty())
        .collect();
    assert_eq!(
        prose.iter().map(|bug| bug.id).collect::<Vec<_>>(),
        [
            "aws-network-policy-agent-271",
            "aws-network-policy-agent-572"
        ]
    );
    for version in ["1.0.1", "1.3.2", "1.14.0", "1.23.1", "99.0.0"] {
        assert!(
            bugs(&format!("eks@{version}"))
                .iter()
                .all(|id| !prose.iter().any(|bug| bug.id == *id))
        );
    }
}

// EKS users know the add-on's release; the bugs are those of the agent that comes with it.
#[test]
fn the_vpc_cni_has_the_bugs_of_its_agent() {
    assert_eq!(bugs("eks@1.22.3"), bugs("eks@1.3.7"));
    assert_eq!(bugs("eks@1.22.3").len(), 5);
    assert!(bugs("eks@1.20.0").contains(&"aws-network-policy-agent-8147f19"));
    assert!(!bugs("eks@1.20.0").contains(&"aws-network-policy-agent-7ce3313"));
    assert!(bugs("eks@1.19.6").contains(&"aws-network-policy-agent-7ce3313"));
    assert!(bugs("eks@1.15.0").contains(&"aws-network-policy-agent-92"));
    assert!(!bugs("eks@1.15.1").contains(&"aws-network-policy-agent-92"));
    assert_eq!(bugs("eks@1.12.0"), [""; 0], "no agent, no bugs of it");
    assert_eq!(
        bugs("eks@1.99.0"),
        [""; 0],
        "nobody knows the agent of that release"
    );
}

#[test]
fn kind_and_k3s_bugs_count_their_own_releases() {
    assert_eq!(bugs("kind@0.24.0"), ["kind-3713", "kind-e35179f0"]);
    assert_eq!(
        bugs("kind@0.27.0"),
        ["kind-e35179f0", "kube-network-policies-171"]
    );
    assert_eq!(bugs("kind@0.33.0"), [""; 0]);
    assert_eq!(
        bugs("kind@0.23.0"),
        [""; 0],
        "nothing enforced, nothing to break"
    );
    assert_eq!(bugs("k3s@1.20.7"), ["k3s-2390"]);
    assert_eq!(bugs("k3s@1.20.8"), [""; 0]);
    assert!(
        profile("k3s")
            .all_bugs()
            .any(|bug| bug.id == "kube-router-609"),
        "known, and claimed for no k3s"
    );
}
