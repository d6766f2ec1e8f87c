//! `check --fix` and `--diff` from end to end: files edited, files left alone, and what is said.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot copy its example fails"
)]

use expect_test::expect;

use crate::harness::{OPEN, Project, Ran, TIGHT};

/// The example, in a directory of its own.
fn shop() -> Project {
    shop_in("")
}

/// The example, below a path of a directory of its own.
fn shop_in(below: &str) -> Project {
    let project = Project::new(&[]);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/shop");
    let mut directories = vec![std::path::PathBuf::from(root)];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            let name = format!("{below}{name}");
            project.write(&name, &std::fs::read_to_string(&path).unwrap());
        }
    }
    project
}

/// Standard error without the line that says how long it took.
fn said(ran: &Ran) -> String {
    let lines = ran.stderr.lines().filter(|line| !line.contains("analysed"));
    lines.map(|line| format!("{line}\n")).collect()
}

const REFUSED: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: team}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  ingres: [{}]    # everybody
";

const PODS: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: team, labels: {pod-security.kubernetes.io/enforce: restricted}}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: team, labels: {app: a}}
";

#[test]
fn what_the_example_gets_without_a_word_more() {
    let project = shop();
    let ran = project.run(&["check", "--diff", "."]);
    assert_eq!(ran.code, 1, "{ran:?}");
    expect![[r#"
        --- a/shop/policies.yaml
        +++ b/shop/policies.yaml
        @@ -18,7 +18,7 @@
             - to:
                 - ipBlock:
                     cidr: 0.0.0.0/0
        -            except: [169.254.169.254/32]
        +            except: [169.254.169.254/32, 100.100.100.200/32, 168.63.129.16/32, 169.254.0.23/32, 169.254.42.42/32, 169.254.169.252/32, 169.254.170.2/32, 192.0.0.192/32]
         ---
         # Carriers and tax services change their addresses every other week, so we list the web ports and no addresses.
         apiVersion: networking.k8s.io/v1
    "#]]
    .assert_eq(&ran.stdout);
    expect![[r#"
        would fix 1 finding in 1 file
        left out WT103 at analytics/policies.yaml:7:16: add Egress, and allow DNS and the connections that the pods need: it closes connections that the pods may need; --fix=WT103 does it
        left out WT301 at analytics/policies.yaml:38:16 and 1 more of the kind: add a policy that allows DNS over UDP and TCP: it is a new object; name a file for it with --fix-objects FILE
        left out WT402 at payments/policies.yaml:86:11: add a namespaceSelector for `platform` if its pods are meant: it is a guess at what is meant; --fix=WT402 does it
        left out WT405 at payments/policies.yaml:86:11: write both selectors in one item if both are meant to hold: it is a guess at what is meant; --fix=WT405 does it
        left out WT407 at platform/policies.yaml:31:11 and 2 more of the kind: allow it in `staging` as well, or drop the rule: it is a new object; name a file for it with --fix-objects FILE
        left out WT306 at platform/policies.yaml:56:39: add a policy that allows the addresses of the API server: it is a new object; name a file for it with --fix-objects FILE
        left out WT307 at platform/policies.yaml:81:29: add a policy that allows the addresses of the API server: it is a new object; name a file for it with --fix-objects FILE
        left out WT401 at shop/policies.yaml:75:31: select `app=catalog`: it is a guess at what is meant; --fix=WT401 does it
        left out WT201 at staging/namespace.yaml:3:18: add a policy that leaves egress open but for the metadata addresses, and narrow it afterwards: it is a new object; name a file for it with --fix-objects FILE
        left out WT104 at staging/policies.yaml:7:11: add `policyTypes: [Ingress, Egress]`, and allow DNS and the connections that the pods need: it closes connections that the pods may need; --fix=WT104 does it
        left out WT404 at staging/policies.yaml:20:15: write `port: web`: the name written here is that of the Service: it is a guess at what is meant; --fix=WT404 does it
        left out WT303 at analytics/policies.yaml:49:39: ask for `k8s-app: kube-dns`: would open `analytics/Deployment/dashboards -> kube-system/Deployment/coredns 53/tcp` and `analytics/Deployment/dashboards -> kube-system/Deployment/coredns 53/udp`; --fix=WT303 does it
        left out WT403 at analytics/policies.yaml:17:49: name the namespace by `kubernetes.io/metadata.name: shop`: would open `shop/Deployment/cart -> analytics/Deployment/collector 8080/tcp`, `shop/Deployment/catalog -> analytics/Deployment/collector 8080/tcp` and 2 more; --fix=WT403 does it
    "#]].assert_eq(&said(&ran));
}

#[test]
fn what_the_docs_show_is_what_is_said() {
    let ran = shop_in("examples/shop/").run(&["check", "examples/shop", "--diff"]);
    let docs = include_str!("../../../../docs/fix.md");
    let shown: Vec<_> = docs
        .lines()
        .filter(|line| line.starts_with("left out "))
        .collect();
    assert!(!shown.is_empty());
    for line in shown {
        assert!(
            said(&ran).lines().any(|said| said == line),
            "{line}\n{}",
            ran.stderr
        );
    }
}

#[test]
fn a_fix_that_opens_is_left_out_and_told() {
    let project = Project::new(&[("p.yaml", REFUSED), ("pods.yaml", PODS)]);
    let ran = project.run(&["check", "--fix", "--select", "WT004", "-o", "concise"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    expect![[r#"
        fixed 0 findings in 0 files
        left out WT004 at p.yaml:7:3: write `ingress`: would open `kube-system/Pod/kube-dns -> team/Pod/a all tcp`, `kube-system/Pod/kube-dns -> team/Pod/a all udp` and 2 more; --fix=WT004 does it
    "#]].assert_eq(&said(&ran));
    assert_eq!(project.read("p.yaml"), REFUSED);
    // Asked for by name, it is made, and what it opens is said.
    let ran = project.run(&["check", "--fix=WT004", "--select", "WT004", "-o", "concise"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    expect![[r#"
        fixed 1 finding in 1 file
          this allows `kube-system/Pod/kube-dns -> team/Pod/a all tcp`, `kube-system/Pod/kube-dns -> team/Pod/a all udp` and 2 more
    "#]].assert_eq(&said(&ran));
    assert_eq!(
        project.read("p.yaml"),
        REFUSED.replace("ingres:", "ingress:")
    );
}

#[test]
fn new_objects_go_to_the_file_that_is_named_for_them() {
    let project = Project::new(&[("pods.yaml", PODS)]);
    let ran = project.run(&["check", "--fix", "--select", "WT201"]);
    assert!(said(&ran).contains("--fix-objects FILE"), "{ran:?}");
    let ran = project.run(&[
        "check",
        "--diff",
        "--select",
        "WT201",
        "--fix-objects",
        "new.yaml",
    ]);
    assert!(
        ran.stdout.starts_with("--- /dev/null\n+++ b/new.yaml\n"),
        "{ran:?}"
    );
    assert!(!project.path().join("new.yaml").exists());
    let arguments = [
        "check",
        "--fix",
        "--select",
        "WT201",
        "--fix-objects",
        "new.yaml",
    ];
    let ran = project.run(&arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    let new = project.read("new.yaml");
    assert!(new.contains("name: no-metadata"), "{new}");
    assert_eq!(project.run(&arguments).code, 0);
    assert_eq!(project.read("new.yaml"), new, "nothing is left to add");
    // Behind what is there.
    project.write("new.yaml", "# ours\n");
    project.run(&arguments);
    assert_eq!(project.read("new.yaml"), format!("# ours\n---\n{new}"));
    let ran = project.run(&["check", "--fix", "--fix-objects", "new.json"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("end it in .yaml"), "{ran:?}");
    let ran = project.run(&["check", "--fix-objects", "new.yaml"]);
    assert!(ran.stderr.contains("needs --fix or --diff"), "{ran:?}");
}

#[test]
fn standard_input_is_shown_and_not_written() {
    let project = Project::new(&[]);
    let misspelt = TIGHT.replace(
        "  podSelector: {}\n  policyT",
        "  podSelecter: {}\n  policyT",
    );
    let ran = project.run_with(&["check", "--diff", "-"], Some(&misspelt));
    assert!(
        ran.stdout.starts_with("--- a/<stdin>\n+++ b/<stdin>\n"),
        "{ran:?}"
    );
    let ran = project.run_with(&["check", "--fix", "-"], Some(&misspelt));
    assert!(ran.stderr.contains("fixed 0 findings"), "{ran:?}");
    assert!(
        ran.stderr.contains("no file that can be written"),
        "{ran:?}"
    );
}

#[test]
fn rules_of_fixes_are_known_or_close_to_one() {
    let project = Project::new(&[("a.yaml", OPEN)]);
    let ran = project.run(&["check", "--fix=WT999"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("no rule is called `WT999`"), "{ran:?}");
    let ran = project.run(&["check", "--fix=metadata-open", "--diff"]);
    assert_eq!(ran.code, 2, "one or the other");
}

// The property: what is fixed is found no more, and a second run has nothing to do.
#[test]
fn fixes_of_the_examples_are_final() {
    let project = shop();
    for rules in ["--fix", "--fix=WT1,WT2,WT3,WT4", "--fix=WT1,WT2,WT3,WT4"] {
        let ran = project.run(&["check", rules, "--fix-objects", "new.yaml", "-q", "."]);
        assert_ne!(ran.code, 2, "{ran:?}");
    }
    let ran = project.run(&["check", "--diff", "--fix-objects", "new.yaml", "."]);
    assert_eq!(ran.stdout, "", "{ran:?}");
    let left = project.run(&["check", "-o", "concise", "."]).stdout;
    for settled in ["WT301", "WT306", "WT307", "WT404", "WT405", "WT103"] {
        assert!(!left.contains(settled), "{settled}\n{left}");
    }
}
