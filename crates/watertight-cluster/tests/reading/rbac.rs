//! The role that ships is what reading needs, and nothing else.

use std::collections::BTreeMap;

use expect_test::expect_file;
use fake_cluster::Options;
use watertight_cluster::Wanted;
use watertight_cluster::kinds::{self, CONFIG_MAPS, Purpose};

use super::fixtures::{cluster, try_reading};

/// Resources by group, of the kinds that are read for one of these purposes.
fn resources(is_meant: impl Fn(Purpose) -> bool) -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for kind in kinds::all().filter(|kind| is_meant(kind.purpose)) {
        if kind.resource != "configmaps" {
            groups.entry(kind.group).or_default().push(kind.resource);
        }
    }
    for resources in groups.values_mut() {
        resources.sort_unstable();
    }
    groups
}

fn rules(groups: &BTreeMap<&str, Vec<&str>>, out: &mut String) {
    for (group, resources) in groups {
        out.push_str(&format!("  - apiGroups: [\"{group}\"]\n    resources:\n"));
        for resource in resources {
            out.push_str(&format!("      - {resource}\n"));
        }
        out.push_str("    verbs: [get, list, watch]\n");
    }
}

fn role(name: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: {name}\nrules:\n"
    )
}

#[test]
fn the_role_allows_what_is_read() {
    let mut text = String::from(
        "# What watertight reads of a live cluster: lists and watches, no Secrets, no writes.\n\
         # Made from the list of kinds in crates/watertight-cluster; a test holds the two together.\n\
         #\n\
         #   kubectl apply -f read-only.yaml\n\
         #   kubectl create clusterrolebinding watertight --clusterrole=watertight-read-only \\\n\
         #     --serviceaccount=NAMESPACE:NAME\n\
         #\n\
         # A RoleBinding in one namespace is enough for `-n NAMESPACE`; the rest is then unknown.\n",
    );
    text.push_str(&role("watertight-read-only"));
    rules(&resources(|purpose| purpose != Purpose::Hints), &mut text);
    text.push_str("  # ConfigMaps of network engines, by name; no others.\n");
    text.push_str("  - apiGroups: [\"\"]\n    resources: [configmaps]\n    resourceNames:\n");
    let mut names: Vec<_> = CONFIG_MAPS.iter().map(|(_, name)| *name).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        text.push_str(&format!("      - {name}\n"));
    }
    text.push_str("    verbs: [get, list, watch]\n---\n");
    text.push_str(
        "# Only for `watertight baseline` and `watertight snapshot save`: what pods need.\n",
    );
    text.push_str(&role("watertight-read-only-baseline"));
    rules(&resources(|purpose| purpose == Purpose::Hints), &mut text);
    expect_file!["../../../../deploy/rbac/read-only.yaml"].assert_eq(&text);
}

#[tokio::test]
async fn nothing_else_is_asked_for() {
    let cluster = cluster(Options::default()).await;
    let wanted = Wanted {
        hints: true,
        ..Wanted::default()
    };
    try_reading(&cluster, &wanted).await.unwrap();
    let allowed = resources(|_| true);
    let asked = cluster.requests();
    // Discovery and the version are open to all who are known.
    for asked in asked.iter().filter(|asked| !asked.starts_with("discover ")) {
        let mut words = asked.split(' ');
        let (verb, resource) = (words.next().unwrap(), words.next().unwrap());
        assert!(matches!(verb, "get" | "list"), "{asked}");
        let (name, group) = resource.split_once('.').unwrap_or((resource, ""));
        let is_allowed = allowed
            .get(group)
            .is_some_and(|names| names.contains(&name));
        assert!(is_allowed || resource == "configmaps", "{asked}");
    }
}

#[test]
fn no_kind_is_read_that_holds_secrets() {
    assert!(!kinds::all().any(|kind| kind.resource.contains("secret")));
}

#[test]
fn what_detection_asks_for_is_read() {
    for (group, resource, kind) in watertight_core::engine::detect::SETTINGS {
        let mut all = kinds::all();
        let found = all.any(|of| (of.group, of.resource, of.kind) == (group, resource, kind));
        assert!(found, "{kind}.{group}");
    }
}

#[test]
fn every_kind_that_decides_is_one_that_core_knows() {
    use watertight_core::manifest::{Options, load};
    use watertight_core::source::Sources;

    let deciding = kinds::all().filter(|kind| kind.purpose == Purpose::Verdicts);
    for kind in deciding {
        let version = kind.versions[0];
        let api_version = match kind.group {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        };
        let text = format!(
            "apiVersion: {api_version}\nkind: {}\nmetadata: {{name: a}}\n",
            kind.kind
        );
        let mut sources = Sources::new();
        sources.add_text("a.yaml", text).unwrap();
        let loaded = load(&sources, &Options::default());
        assert!(loaded.other_kinds.is_empty(), "{api_version} {}", kind.kind);
        let not_served = loaded
            .findings
            .iter()
            .any(|finding| finding.rule.id == "WT007");
        assert!(!not_served, "{api_version} {}", kind.kind);
    }
}
