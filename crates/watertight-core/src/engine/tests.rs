use std::collections::BTreeSet;

use super::*;

mod bugs;

fn profile(spec: &str) -> Profile {
    Profile::parse(spec).unwrap()
}

fn support(spec: &str, feature: Feature) -> &'static str {
    profile(spec).feature(feature).word()
}

fn differences(spec: &str) -> Vec<String> {
    let changed = profile(spec).switches.differences(&Switches::REFERENCE);
    changed
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

// Names

#[test]
fn every_engine_parses_by_word_and_by_alias() {
    let mut seen = BTreeSet::new();
    for &engine in Engine::ALL {
        assert_eq!(profile(engine.word()), Profile::new(engine, None));
        for spelling in engine.facts().aliases.iter().chain([&engine.word()]) {
            assert_eq!(spelling.parse(), Ok(engine), "{spelling}");
            assert!(
                seen.insert(*spelling),
                "`{spelling}` stands for two engines"
            );
        }
    }
    assert_eq!(profile("EKS").engine, Engine::AwsVpcCni);
    assert_eq!(profile("gke-dataplane-v2").engine, Engine::GkeDpv2);
    assert_eq!(profile("aks-npm").engine, Engine::AzureNpm);
    assert_eq!(profile("k3s-netpol").engine, Engine::K3s);
    assert_eq!(profile("kind").engine, Engine::Kindnet);
    assert_eq!(profile(" ovnk ").engine, Engine::OvnKubernetes);
}

#[test]
fn specs_carry_a_version_and_print_as_they_parse() {
    assert_eq!(profile("cilium").version, None);
    assert_eq!(profile("calico@3.30").version, Some(Version::line(3, 30)));
    assert_eq!(
        profile("cilium@1.15.4-gke.100").version,
        Some(Version::new(1, 15, 4))
    );
    for spec in ["cilium", "calico@3.30", "cilium@1.15.4", "kindnet@20240719"] {
        assert_eq!(profile(spec).to_string(), spec);
    }
}

#[test]
fn errors_name_what_is_wrong_and_what_would_be_right() {
    let engine = Profile::parse("calcio@3.30").unwrap_err();
    expect_test::expect![[r#"
        unknown engine `calcio`, did you mean `calico`; known engines are reference, aws-vpc-cni, calico, canal, cilium, gke-calico, gke-dpv2, azure-npm, azure-cni-cilium, aks-calico, antrea, flannel, kube-router, k3s, kindnet, kube-network-policies, weave, ovn-kubernetes, openshift-sdn, kube-ovn, minikube-bridge, microk8s, romana, nuage, terway
    "#]]
    .assert_eq(&format!("{engine}\n"));
    let version = Profile::parse("calico@latest").unwrap_err();
    assert_eq!(
        version.to_string(),
        "`latest` is no version, write it like 1.15 or 1.15.4"
    );
    assert!(matches!(
        Profile::parse("calico@"),
        Err(ProfileError::Version(_))
    ));
    assert!(matches!(Profile::parse(""), Err(ProfileError::Engine(_))));
}

// A cloud is no engine: each has several, and which one decides everything.
#[test]
fn the_name_of_a_cloud_suggests_its_engines() {
    let nearest = |given: &str| given.parse::<Engine>().unwrap_err().nearest().to_vec();
    assert_eq!(
        nearest("aks"),
        [Engine::AzureCniCilium, Engine::AksCalico, Engine::AzureNpm]
    );
    assert_eq!(nearest("gke"), [Engine::GkeDpv2, Engine::GkeCalico]);
    assert_eq!(
        nearest("minikube"),
        [Engine::MinikubeBridge, Engine::Kindnet]
    );
    assert!(nearest("windows").is_empty());
}

// Enforcement

#[test]
fn enforcement_by_engine() {
    let mut lines = String::new();
    for &engine in Engine::ALL {
        let fact = Profile::new(engine, None).enforcement_fact();
        assert!(
            !fact.reason.is_empty() && !fact.reason.ends_with('.'),
            "{engine}"
        );
        lines += &format!("{engine}: {}\n", fact.state);
    }
    expect_test::expect![[r#"
        reference: enforced
        aws-vpc-cni: opt-in
        calico: enforced
        canal: enforced
        cilium: enforced
        gke-calico: opt-in
        gke-dpv2: enforced
        azure-npm: enforced
        azure-cni-cilium: enforced
        aks-calico: enforced
        antrea: enforced
        flannel: not-enforced
        kube-router: enforced-with-window
        k3s: enforced-with-window
        kindnet: enforced-with-window
        kube-network-policies: enforced-with-window
        weave: enforced
        ovn-kubernetes: enforced
        openshift-sdn: enforced
        kube-ovn: enforced
        minikube-bridge: not-enforced
        microk8s: enforced
        romana: unknown
        nuage: unknown
        terway: unknown
    "#]]
    .assert_eq(&lines);
}

// D-11: flannel and plain bridges make every policy inert.
#[test]
fn flannel_enforces_nothing_unless_somebody_says_so() {
    let mut flannel = profile("flannel@0.28.9");
    assert_eq!(flannel.enforcement(), Enforcement::NotEnforced);
    assert_eq!(flannel.switches.enforcement, EnforcementSwitch::None);
    assert!(
        Feature::ALL
            .iter()
            .all(|&feature| flannel.feature(feature).is_none())
    );
    flannel.switches.set("enforcement", "default").unwrap();
    assert_eq!(flannel.enforcement(), Enforcement::Enforced);
    assert_eq!(flannel.feature(Feature::Ingress), Support::Unknown);
}

#[test]
fn the_enforcement_switch_turns_any_engine_off() {
    let mut calico = profile("calico@3.30");
    calico.switches.set("enforcement", "none").unwrap();
    assert_eq!(calico.enforcement(), Enforcement::NotEnforced);
    assert_eq!(
        calico.enforcement_fact().reason,
        "the switch enforcement says so"
    );
    assert_eq!(calico.feature(Feature::Ingress).word(), "none");
}

#[test]
fn kindnet_enforces_since_kind_0_24() {
    for (spec, state) in [
        ("kindnet@0.23.0", Enforcement::NotEnforced),
        ("kindnet@0.24.0", Enforcement::EnforcedWithWindow),
        ("kind@0.24", Enforcement::EnforcedWithWindow),
        ("kindnet@v20240513-cd2ac642", Enforcement::NotEnforced),
        ("kindnet@20240719", Enforcement::EnforcedWithWindow),
        (
            "kindnet@v20240813-c6f155d6",
            Enforcement::EnforcedWithWindow,
        ),
        ("kindnet@1.2.0", Enforcement::NotEnforced),
        ("kindnet@1.3.0", Enforcement::EnforcedWithWindow),
        ("kindnet", Enforcement::EnforcedWithWindow),
    ] {
        assert_eq!(profile(spec).enforcement(), state, "{spec}");
        let off = profile(spec).switches.enforcement == EnforcementSwitch::None;
        assert_eq!(off, state == Enforcement::NotEnforced, "{spec}");
    }
}

#[test]
fn the_vpc_cni_has_an_agent_since_1_14() {
    assert_eq!(
        profile("eks@1.13.4").enforcement(),
        Enforcement::NotEnforced
    );
    assert_eq!(profile("eks@1.14.0").enforcement(), Enforcement::OptIn);
    assert_eq!(
        profile("eks@1.3.7").enforcement(),
        Enforcement::OptIn,
        "a release of the agent"
    );
    assert_eq!(profile("eks").enforcement(), Enforcement::OptIn);
}

// Features

// K-50, L-82: before 1.16 Cilium drops endPort without a word.
#[test]
fn cilium_reads_port_ranges_since_1_16() {
    for (spec, word, endport) in [
        ("cilium@1.15.9", "none", EndPort::FirstOnly),
        ("cilium@1.15", "none", EndPort::FirstOnly),
        ("cilium@1.16", "full", EndPort::Supported),
        ("cilium@1.16.0", "full", EndPort::Supported),
        ("cilium", "full", EndPort::Supported),
        ("azure-cni-cilium@1.16.5", "none", EndPort::FirstOnly),
        ("azure-cni-cilium@1.17.0", "full", EndPort::Supported),
        ("azure-cni-cilium@1.32", "partial", EndPort::Supported),
        ("gke-dpv2@1.15.4-gke.100", "partial", EndPort::Supported),
    ] {
        assert_eq!(support(spec, Feature::EndPort), word, "{spec}");
        assert_eq!(profile(spec).switches.endport, endport, "{spec}");
    }
}

#[test]
fn other_engines_read_port_ranges_since_their_own_release() {
    for (spec, endport) in [
        ("calico@3.18.6", EndPort::FirstOnly),
        ("calico@3.19.0", EndPort::Supported),
        ("antrea@1.0.1", EndPort::FirstOnly),
        ("antrea@1.1.0", EndPort::Supported),
        ("kube-router@1.2.3", EndPort::FirstOnly),
        ("kube-router@1.3.0", EndPort::Supported),
        ("openshift-sdn@4.9", EndPort::FirstOnly),
        ("openshift-sdn@4.10", EndPort::Supported),
        ("weave@2.8.1", EndPort::FirstOnly),
        ("weave", EndPort::FirstOnly),
        // The number is of Kubernetes, not of the kube-router inside.
        ("k3s@1.2", EndPort::Supported),
    ] {
        assert_eq!(profile(spec).switches.endport, endport, "{spec}");
    }
}

#[test]
fn calico_reads_admin_policies_from_3_29_to_3_31() {
    use Feature::{AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy};
    let row = |spec| {
        [
            AdminNetworkPolicy,
            BaselineAdminNetworkPolicy,
            ClusterNetworkPolicy,
        ]
        .map(|f| support(spec, f))
    };
    assert_eq!(row("calico@3.28.2"), ["none", "none", "none"]);
    assert_eq!(row("calico@3.29.0"), ["full", "none", "none"]);
    assert_eq!(row("calico@3.30"), ["full", "full", "none"]);
    assert_eq!(row("calico@3.31.7"), ["full", "full", "none"]);
    assert_eq!(row("calico@3.32.0"), ["none", "none", "full"]);
    assert_eq!(row("calico"), ["partial", "partial", "full"]);
    assert_eq!(
        row("canal@3.31.1"),
        ["full", "full", "none"],
        "Canal counts Calico's releases"
    );
    assert_eq!(
        row("gke-calico@1.31"),
        ["partial", "partial", "full"],
        "a GKE release is none of Calico"
    );
    assert_eq!(row("aks-calico@3.29"), ["full", "none", "none"]);
}

#[test]
fn admin_policies_elsewhere() {
    use Feature::{AdminNetworkPolicy, ClusterNetworkPolicy};
    let row =
        |spec| [AdminNetworkPolicy, ClusterNetworkPolicy].map(|feature| support(spec, feature));
    assert_eq!(row("reference"), ["full", "full"]);
    assert_eq!(row("cilium"), ["none", "opt-in"]);
    assert_eq!(row("antrea@1.12"), ["none", "none"]);
    assert_eq!(row("antrea@1.13.0"), ["opt-in", "none"]);
    assert_eq!(row("antrea@2.7.0"), ["opt-in", "opt-in"]);
    assert_eq!(row("ovn-kubernetes"), ["opt-in", "none"]);
    assert_eq!(row("kube-ovn"), ["opt-in", "opt-in"]);
    assert_eq!(row("eks"), ["none", "none"]);
    assert_eq!(row("kindnet"), ["unknown", "unknown"]);
}

#[test]
fn named_ports_are_missing_where_they_are_missing() {
    assert_eq!(support("weave", Feature::NamedPort), "none");
    assert_eq!(support("openshift-sdn", Feature::NamedPort), "none");
    assert_eq!(support("kube-router@0.2.5", Feature::NamedPort), "none");
    assert_eq!(support("kube-router@1.6.0", Feature::NamedPort), "partial");
    assert_eq!(support("kube-router@2.0.0", Feature::NamedPort), "full");
    assert_eq!(support("cilium", Feature::NamedPort), "partial");
    assert_eq!(support("calico", Feature::NamedPort), "full");
}

#[test]
fn what_was_not_checked_is_unknown() {
    for engine in ["romana", "nuage", "terway"] {
        assert_eq!(profile(engine).enforcement(), Enforcement::Unknown);
        assert!(
            Feature::ALL
                .iter()
                .all(|&feature| profile(engine).feature(feature) == Support::Unknown)
        );
    }
    assert_eq!(support("calico", Feature::Ipv6), "unknown");
    assert_eq!(support("weave", Feature::Sctp), "unknown");
}

#[test]
fn support_prints_with_its_note() {
    assert_eq!(Support::Full.to_string(), "full");
    assert_eq!(
        Support::OptIn("needs a flag").to_string(),
        "opt-in (needs a flag)"
    );
    assert_eq!(Support::Unknown.note(), None);
}

// Switches

#[test]
fn switches_by_engine() {
    let mut lines = String::new();
    for &engine in Engine::ALL {
        let changed = differences(engine.word());
        let changed = if changed.is_empty() {
            "as the reference".to_owned()
        } else {
            changed.join(" ")
        };
        lines += &format!("{engine}: {changed}\n");
    }
    expect_test::expect![[r#"
        reference: as the reference
        aws-vpc-cni: service_dnat=pre
        calico: node_local=exempt-ingress established=survive endpoint_to_host=Accept pod_tunnels=drop
        canal: node_local=exempt-ingress established=survive endpoint_to_host=Accept pod_tunnels=drop
        cilium: node_local=exempt-ingress ipblock_pods=never ipblock_nodes=false policy_types_gate=sections established=re-evaluate
        gke-calico: node_local=exempt-ingress established=survive endpoint_to_host=Accept pod_tunnels=drop
        gke-dpv2: node_local=exempt-ingress ipblock_pods=never ipblock_nodes=false policy_types_gate=sections established=re-evaluate
        azure-npm: as the reference
        azure-cni-cilium: node_local=exempt-ingress ipblock_pods=never ipblock_nodes=false policy_types_gate=sections established=re-evaluate
        aks-calico: node_local=exempt-ingress established=survive endpoint_to_host=Accept pod_tunnels=drop
        antrea: established=survive
        flannel: enforcement=none
        kube-router: established=survive
        k3s: established=survive
        kindnet: node_local=exempt-ingress
        kube-network-policies: node_local=exempt-ingress
        weave: endport=first-only snat=node-ip
        ovn-kubernetes: established=re-evaluate
        openshift-sdn: legacy_sdn=true
        kube-ovn: as the reference
        minikube-bridge: enforcement=none
        microk8s: node_local=exempt-ingress established=survive endpoint_to_host=Accept pod_tunnels=drop
        romana: as the reference
        nuage: as the reference
        terway: as the reference
    "#]].assert_eq(&lines);
}

// V-20: Kubernetes 1.36 refuses CIDRs with host bits; nothing given means the newest.
#[test]
fn strict_cidrs_follow_the_release_of_kubernetes() {
    assert!(profile("calico").switches.strict_cidr);
    let with = |text: &str| profile("calico").with_k8s_version(text.parse().unwrap());
    assert!(!with("1.35.4").switches.strict_cidr);
    assert!(with("1.36").switches.strict_cidr);
    assert_eq!(with("1.36").k8s_version, Some(Version::line(1, 36)));
    assert!(!profile("reference@1.33").switches.strict_cidr);
    assert!(!profile("k3s@v1.30.4+k3s1").switches.strict_cidr);
    assert_eq!(
        profile("gke-dpv2@1.30").k8s_version,
        Some(Version::line(1, 30))
    );
    assert_eq!(profile("aks-calico@3.30").k8s_version, None);
    assert_eq!(profile("cilium@1.15").k8s_version, None);
}

// The tables

#[test]
fn rows_are_complete_and_unique() {
    let mut ids = BTreeSet::new();
    for &engine in Engine::ALL {
        let facts = engine.facts();
        assert!(!facts.name.is_empty());
        assert!(
            !facts.sources.is_empty() || facts.confidence == Confidence::Unchecked,
            "{engine} has no source"
        );
        let features: BTreeSet<Feature> = facts.features.iter().map(|fact| fact.feature).collect();
        assert_eq!(
            features.len(),
            facts.features.len(),
            "{engine} has a feature twice"
        );
        for bug in facts.bugs {
            assert!(ids.insert(bug.id), "{} twice", bug.id);
            assert!(
                !bug.summary.is_empty() && !bug.summary.ends_with('.') && !bug.source.is_empty(),
                "{}",
                bug.id
            );
            assert!(
                !bug.affected.is_empty() || !bug.condition.is_empty(),
                "{} has no bound at all",
                bug.id
            );
            for range in bug.affected {
                assert!(
                    range
                        .from
                        .is_none_or(|from| range.before.is_none_or(|before| from < before)),
                    "{}",
                    bug.id
                );
            }
        }
        for fact in facts.features {
            let changes = fact.support.changes;
            assert!(
                changes.is_sorted_by_key(|(release, _)| *release),
                "{engine} {}",
                fact.feature
            );
            let components: BTreeSet<Component> = changes
                .iter()
                .map(|(release, _)| release.component)
                .collect();
            let known = facts.numbering.iter().map(|numbering| numbering.component);
            let bundled = facts.bundles.iter().map(|bundle| bundle.inner.component);
            let counted: BTreeSet<Component> = known.chain(bundled).collect();
            assert!(
                components.is_subset(&counted),
                "{engine} {} counts what nobody can give",
                fact.feature
            );
        }
        let texts = [
            facts.silent_disable,
            facts.implicit_allow,
            facts.requires,
            facts.notes,
            facts.sources,
        ];
        assert!(
            texts
                .into_iter()
                .flatten()
                .all(|text| !text.is_empty() && !text.ends_with('.')),
            "{engine}"
        );
    }
}
