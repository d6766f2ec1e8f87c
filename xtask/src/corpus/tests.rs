//! Tiny made-up folders of both forms.

use std::path::Path;

use tempfile::TempDir;

use super::*;

const HEAD: &str = "kind\tdir\texpected\tdialects\tfeatures\tnote\n";

/// Two workloads of `shop`: `web`, and `db` with the port `sql`. Only web reaches db.
const SHOP: &str = r#"
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  namespace: shop
  labels: {app: web}
  ownerReferences: [{kind: ReplicaSet, name: web, controller: true}]
spec: {containers: [{name: web, ports: [{containerPort: 8080, name: http}]}]}
status: {phase: Succeeded}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-2
  namespace: shop
  labels: {app: web}
  ownerReferences: [{kind: ReplicaSet, name: web, controller: true}]
spec: {hostNetwork: true, containers: [{name: web, ports: [{containerPort: 8080, name: http}]}]}
status: {phase: Running, podIP: 192.0.2.7}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, ports: [{containerPort: 5432, name: sql}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only_web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: sql}, {port: 7000, endPort: 7009, protocol: UDP}]
  - from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}]
"#;

/// What that tool would expect of [`SHOP`].
const SHOP_MAP: &str = "\
ip:0.0.0.0-255.255.255.255\tshop/web[ReplicaSet]\tall\tpod-network
ip:192.0.2.0-192.0.2.127\tshop/db[Deployment]\tall\tpod-network
shop/web[ReplicaSet]\tip:0.0.0.0-255.255.255.255\tall\tpod-network
shop/web[ReplicaSet]\tshop/db[Deployment]\tTCP:5432-5432;UDP:7000-7009\tpod-network
";

const SERVICE: &str = "
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  selector: {app: web}
  ports: [{name: plain, port: 80, targetPort: http}, {name: other, port: 81, targetPort: 9999}]
";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn outcomes(folder: &Path, listed: &str) -> Vec<Judged> {
    let listed = Listed::parse(&format!("head\n{listed}")).unwrap();
    run_folder(folder, &listed, None).unwrap()
}

/// The outcome of a folder with one case.
fn outcome(index: &str, files: &[(&str, &str)]) -> Outcome {
    let folder = folder(files);
    std::fs::write(folder.path().join("index.tsv"), format!("{HEAD}{index}\n")).unwrap();
    let mut found = outcomes(folder.path(), "");
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0).1
}

fn list(manifests: &str, expected: &str) -> Outcome {
    let files = [("m/a.yaml", manifests), ("e/x.tsv", expected)];
    outcome("list\tm\te/x.tsv\tNP\t-\t", &files)
}

/// The lines of a failure behind the digest.
fn lines(outcome: Outcome) -> Vec<String> {
    match outcome {
        Outcome::Failed(lines) => lines.into_iter().skip(1).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_map_is_compared_in_both_directions() {
    assert_eq!(list(SHOP, SHOP_MAP), Outcome::Passed);

    let missing = SHOP_MAP.replace("ip:192.0.2.0-192.0.2.127", "ip:192.0.2.0-192.0.2.255");
    expect_test::expect![[r#"
        ip:192.0.2.0-192.0.2.255 -> shop/db[Deployment]: expected all, found nothing
        ip:192.0.2.0-192.0.2.127 -> shop/db[Deployment]: expected nothing, found all"#]]
    .assert_eq(&lines(list(SHOP, &missing)).join("\n"));

    let other = SHOP_MAP.replace("UDP:7000-7009", "UDP:7000-7008");
    expect_test::expect![
        "shop/web[ReplicaSet] -> shop/db[Deployment]: expected TCP:5432-5432;UDP:7000-7008, found TCP:5432-5432;UDP:7000-7009"
    ]
    .assert_eq(&lines(list(SHOP, &other)).join("\n"));
}

/// D-14: an ipBlock of that tool never matches a pod, and 127.0.0.0/8 is like any other (K-75).
#[test]
fn d_14_blocks_are_for_the_outside_alone() {
    let manifests = "
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [127.1.0.0/16]}}]}]
";
    let expected = ["a", "b"].map(|pod| {
        format!(
            "ip:0.0.0.0-255.255.255.255\tshop/{pod}[Pod]\tall\n\
             shop/{pod}[Pod]\tip:0.0.0.0-127.0.255.255\tall\n\
             shop/{pod}[Pod]\tip:127.2.0.0-255.255.255.255\tall\n"
        )
    });
    assert_eq!(list(manifests, &expected.concat()), Outcome::Passed);
}

/// A-20: that tool takes a missing selector of v1alpha1 for an empty one, where a server refuses it.
#[test]
fn a_20_missing_selectors_are_written() {
    let manifests = "
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: bank}
---
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: out}
spec:
  priority: 1
  subject:
    pods: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}}
  egress:
  - action: Deny
    to:
    - pods:
        namespaceSelector:
          matchLabels: {kubernetes.io/metadata.name: bank}
    ports: [{portRange: {protocol: TCP, start: 1, end: 79}}]
";
    let expected = "\
ip:0.0.0.0-255.255.255.255\tbank/b[Pod]\tall\tpod-network
ip:0.0.0.0-255.255.255.255\tshop/a[Pod]\tall\tpod-network
bank/b[Pod]\tip:0.0.0.0-255.255.255.255\tall\tpod-network
shop/a[Pod]\tip:0.0.0.0-255.255.255.255\tall\tpod-network
bank/b[Pod]\tshop/a[Pod]\tall\tpod-network
shop/a[Pod]\tbank/b[Pod]\tTCP:80-65535;UDP:1-65535;SCTP:1-65535\tpod-network
";
    assert_eq!(list(manifests, expected), Outcome::Passed);
}

#[test]
fn pods_of_one_workload_that_differ_are_told() {
    let manifests = SHOP.replacen("{app: web}", "{app: web, canary: yes-it-is}", 1);
    let manifests = manifests.replace(
        "podSelector: {matchLabels: {app: db}}\n",
        "podSelector: {matchLabels: {canary: yes-it-is}}\n",
    );
    let told =
        "shop/db[Deployment] -> shop/web[ReplicaSet]: pods of one workload are judged differently";
    assert!(lines(list(&manifests, "")).contains(&told.to_owned()));
}

#[test]
fn focus_narrows_a_map() {
    let files = |name: &'static str, expected: &'static str| {
        let index = format!("list\tm\t{name}\tNP,Service\t-\t");
        outcome(&index, &[("m/a.yaml", SHOP), (name, expected)])
    };
    let to_db = "\
ip:192.0.2.0-192.0.2.127\tshop/db[Deployment]\tall
shop/web[ReplicaSet]\tshop/db[Deployment]\tTCP:5432-5432;UDP:7000-7009
";
    let both = files("x_focus_workload_shop_db_exposure_output.tsv", to_db);
    assert_eq!(both, Outcome::Passed, "db opens nothing itself");
    let egress = files("x_focus_workload_shop_db_egress_connlist_output.tsv", "");
    assert_eq!(egress, Outcome::Passed);
}

#[test]
fn ingresses_and_routes_reach_declared_target_ports() {
    let ingress = "
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, namespace: shop}
spec:
  rules: [{http: {paths: [{backend: {service: {name: web, port: {number: 80}}}}]}}]
";
    let route = "
---
apiVersion: route.openshift.io/v1
kind: Route
metadata: {name: r, namespace: shop}
spec: {to: {kind: Service, name: web}}
";
    let line = "ingress-controller\tshop/web[ReplicaSet]\tTCP:8080-8080\tpod-network\n";
    let expected = format!("{line}{SHOP_MAP}");
    for door in [ingress, route] {
        let manifests = [SHOP, SERVICE, door].concat();
        assert_eq!(list(&manifests, &expected), Outcome::Passed, "{door}");
    }
    // A port that no pod declares, and a pod that is closed to an arbitrary pod of the cluster.
    let other = ingress.replace("80", "81");
    let closed = SERVICE
        .replace("app: web", "app: db")
        .replace("http", "sql");
    for manifests in [
        [SHOP, SERVICE, &other].concat(),
        [SHOP, &closed, route].concat(),
    ] {
        assert_eq!(list(&manifests, SHOP_MAP), Outcome::Passed, "{manifests}");
    }
}

#[test]
fn a_diff_tells_what_came_and_went() {
    let later = SHOP
        .replace("7009", "7010")
        .replace("192.0.2.0/24", "192.0.2.0/23")
        + "
---
apiVersion: v1
kind: Pod
metadata: {name: job, namespace: shop, labels: {app: web}}
";
    let expected = "\
added\tip:0.0.0.0-255.255.255.255\tshop/job[Pod]\tnone\tall\tworkload shop/job[Pod] added
added\tip:192.0.3.0-192.0.3.255\tshop/db[Deployment]\tnone\tall\t
added\tshop/job[Pod]\tip:0.0.0.0-255.255.255.255\tnone\tall\tworkload shop/job[Pod] added
added\tshop/job[Pod]\tshop/db[Deployment]\tnone\tTCP:5432-5432;UDP:7000-7010\tworkload shop/job[Pod] added
added\tshop/job[Pod]\tshop/web[ReplicaSet]\tnone\tall\tworkload shop/job[Pod] added
added\tshop/web[ReplicaSet]\tshop/job[Pod]\tnone\tall\tworkload shop/job[Pod] added
changed\tshop/web[ReplicaSet]\tshop/db[Deployment]\tTCP:5432-5432;UDP:7000-7009\tTCP:5432-5432;UDP:7000-7010\t
";
    let run = |expected: &str| {
        let files = [
            ("a/a.yaml", SHOP),
            ("b/b.yaml", &later),
            ("e/x.tsv", expected),
        ];
        outcome("diff\ta b\te/x.tsv\tNP\t-\t", &files)
    };
    assert_eq!(run(expected), Outcome::Passed);
    let wrong = expected.replace(
        "all\tworkload shop/job[Pod] added\nadded\tip:192",
        "all\t\nadded\tip:192",
    );
    expect_test::expect![
        "ip:0.0.0.0-255.255.255.255 -> shop/job[Pod]: expected none => all, found none => all workload shop/job[Pod] added"
    ]
    .assert_eq(&lines(run(&wrong)).join("\n"));
}

#[test]
fn refusals_have_to_be_about_the_complaint() {
    let run = |manifests: &str, note: &str| {
        outcome(
            &format!("error\tm\t-\tNP\t-\t{note}"),
            &[("m/a.yaml", manifests)],
        )
    };
    let refused = SHOP.replace("7009", "6999");
    assert_eq!(
        run(&refused, "x | IllegalPortRangeError(7000, 6999)"),
        Outcome::Passed
    );
    assert_eq!(run(&refused, "x | SomethingElse"), Outcome::Passed);
    assert_eq!(
        lines(run(&refused, "x | CidrErrTitle")),
        ["expected a refusal by V-14 or V-15 or V-17 or V-18 or V-19, but others are cited"]
    );
    // V-1 is that tool's business nowhere: the name of the policy is not what is refused.
    let accepted = lines(run(SHOP, "x | IllegalPortRangeError(7000, 6999)"));
    assert_eq!(accepted, ["expected a refusal, but everything is accepted"]);
}

#[test]
fn warnings_have_to_be_met_by_the_finding() {
    let run = |manifests: &str, note: &str| {
        outcome(
            &format!("warning\tm\t-\tNP\t-\t{note}"),
            &[("m/a.yaml", manifests)],
        )
    };
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: a}}";
    let none = "x | NoK8sNetworkPolicyResourcesFoundErrorStr";
    assert_eq!(run(pod, none), Outcome::Passed);
    assert_eq!(run("@", "x | WrongStartCharacterErr"), Outcome::Passed);
    assert_eq!(run("[1]", "x | UnmarshalErr"), Outcome::Passed);
    assert_eq!(
        lines(run(pod, "x | UnmarshalErr")),
        ["expected a document that is no object, but there is none"]
    );
}

#[test]
fn questions_about_pods_and_workloads_are_answered() {
    let run = |note: &str| outcome(&format!("eval\tm\t-\tNP\t-\t{note}"), &[("m/a.yaml", SHOP)]);
    assert_eq!(
        run("shop/web-1 -> shop/db tcp/5432 = true"),
        Outcome::Passed
    );
    assert_eq!(run("shop/web -> shop/db udp/7010 = false"), Outcome::Passed);
    assert_eq!(
        lines(run("shop/web-2 -> shop/db tcp/80 = true")),
        ["shop/web-2 -> shop/db TCP/80: expected true, found false"]
    );
}

#[test]
fn other_dialects_are_skipped_and_told() {
    let skipped = outcome("list\tm\te/x.tsv\tNP,ANP,UDN,MNP\t-\t", &[]);
    assert_eq!(skipped, Outcome::Skipped("not evaluated: UDN, MNP".into()));
}

#[test]
fn listed_disagreements_must_occur_as_listed() {
    let wrong = SHOP_MAP.replace("7009", "7008");
    let index = format!("{HEAD}list\tm\te/x.tsv\tNP\t-\t\nlist\tm\te/y.tsv\tNP\t-\t\n");
    let files = [
        ("index.tsv", index.as_str()),
        ("m/a.yaml", SHOP),
        ("e/x.tsv", SHOP_MAP),
        ("e/y.tsv", &wrong),
    ];
    let folder = folder(&files);
    let found = |listed: &str| {
        let outcomes = outcomes(folder.path(), listed);
        outcomes.into_iter().map(|(case, outcome)| match outcome {
            Outcome::Failed(lines) => format!("{case}: {}", lines[0]),
            other => format!("{case}: {other:?}"),
        })
    };
    let found = |listed: &str| found(listed).collect::<Vec<_>>();
    assert_eq!(found(""), ["x: Passed", "y: 1:2dcae032 lines differ"]);
    assert_eq!(found("y\t1:2dcae032\tK-50\tbecause")[1], "y: Listed");
    assert_eq!(
        found("y\tskipped\t-\tbecause")[1],
        "y: Skipped(\"because\")"
    );
    assert_eq!(
        found("y\t1:00000000\tK-50\tbecause")[1],
        "y: 1:2dcae032 differs from what is listed, 1:00000000"
    );
    assert_eq!(
        found("x\t1:2dcae032\tK-50\tbecause")[0],
        "x: is listed as different, but agrees; delete the line"
    );
    assert_eq!(
        found("z\t1:2dcae032\tK-50\tbecause")[2],
        "z: is listed, but the folder has no such case; delete the line"
    );
}

#[test]
fn every_listed_rule_has_a_meaning() {
    let semantics = include_str!("../../../docs/semantics.md");
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for list in std::fs::read_dir(lists).unwrap() {
        let text = std::fs::read_to_string(list.unwrap().path()).unwrap();
        for (case, entry) in Listed::parse(&text).unwrap().0 {
            let known = entry.rule == "-" || semantics.contains(&format!("**{}**", entry.rule));
            assert!(known, "{case}: {}", entry.rule);
        }
    }
}

#[test]
fn truth_tables_run_beside_maps() {
    let cluster = "
{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: x}}
---
{apiVersion: v1, kind: Pod, metadata: {name: b, namespace: x}}
";
    let policy = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: x}
spec: {podSelector: {}, ingress: [{ports: [{port: 81}]}]}
";
    let all = "SCTP/80,SCTP/81,TCP/80,TCP/81,UDP/80,UDP/81";
    let table = format!("x/a\tx/b\tTCP/81\t{all}\tTCP/81\n");
    let folder = folder(&[
        (
            "index.tsv",
            "case\tname\ttags\tstate\tprobe\n1-1\t-\t-\tbase\t-\n1-2\t-\t-\tchanged\t-\n1-3\t-\t-\tbase\t-\n",
        ),
        ("cluster.yaml", cluster),
        ("cases/1-1/policies.yaml", policy),
        ("cases/1-1/expected.tsv", &table),
        ("cases/1-3/policies.yaml", policy),
        (
            "cases/1-3/expected.tsv",
            &table.replace("TCP/81\t", "TCP/80\t"),
        ),
    ]);
    let results = outcomes(folder.path(), "");
    let args = CorpusArgs {
        folders: Vec::new(),
        list_skipped: true,
        verbose: false,
        case: None,
    };
    let mut out = Vec::new();
    assert_eq!(report(&mut out, &results, &args).unwrap(), 1);
    expect_test::expect![[r#"
        FAILED  1-3
                  x/a -> x/b ingress: expected {"TCP/80"}, found {"TCP/81"}
        skipped 1-2 (the cluster was changed before this step)
        1 passed, 1 failed, 1 skipped
    "#]]
    .assert_eq(&String::from_utf8(out).unwrap());
}
