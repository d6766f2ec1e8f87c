//! Fixes are made where they are proved, and left out with the reason where not.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};

use super::*;

/// What comes of the fixes of a file: the new text, and what was left out.
fn fixed(name: &str, text: &str, rules: &[&str], objects: bool) -> (String, String) {
    let mut sources = Sources::new();
    sources.add(name, text.into()).unwrap();
    let objects = objects.then(|| sources.add("new.yaml", Vec::new()).unwrap());
    let options = CheckOptions::default();
    let checked = check(&sources, &options);
    let rules: Vec<String> = rules.iter().map(|rule| (*rule).to_owned()).collect();
    let writable: BTreeSet<_> = sources.iter().map(|(id, _)| id).collect();
    let request = Request {
        options: &options,
        rules: &rules,
        objects,
        writable: &writable,
    };
    let plan = plan(&sources, &checked, &request);
    let mut told = String::new();
    for one in &plan.applied {
        told += &format!(
            "{} {}: {}\n",
            one.finding.rule.id,
            place(&one.place),
            one.message
        );
    }
    for one in &plan.left_out {
        let why = format!("{:?}", one.why);
        let why = why.split(['(', '{']).next().unwrap();
        told += &format!("not {} {}: {why}\n", one.rule.id, place(&one.place));
        if let Why::Opens(opened) = &one.why {
            told += &format!("  {}\n", examples(opened));
        }
    }
    for one in &plan.opened {
        told += &format!("opens {one}\n");
    }
    let texts = plan.edited.as_ref().map_or(text.to_owned(), |edited| {
        let texts = edited.sources.iter().map(|(_, file)| file.text());
        texts.collect::<Vec<_>>().join("=====\n")
    });
    if let Some(edited) = &plan.edited {
        // What is said to be left is what a check of the new texts finds.
        let again = check(&edited.sources, &options);
        let messages = |checked: &Checked| {
            let all = checked.findings.iter().map(|one| one.message.clone());
            all.collect::<Vec<_>>()
        };
        assert_eq!(messages(&again), messages(&edited.checked));
    }
    (texts, told)
}

fn place(place: &Option<String>) -> &str {
    place.as_deref().unwrap_or("-")
}

#[track_caller]
fn told(text: &str, rules: &[&str], expected: Expect) -> String {
    let (text, told) = fixed("a.yaml", text, rules, false);
    expected.assert_eq(&told);
    text
}

const PODS: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
---
";

const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
";

#[test]
fn a_field_that_was_dropped_comes_back() {
    let text = format!("{PODS}{POLICY}  policyTyps: [Ingress]   # kept\n");
    let fixed = told(
        &text,
        &["WT004"],
        expect![[r#"
            WT004 a.yaml:18:3: write `policyTypes`
        "#]],
    );
    assert_eq!(fixed, text.replace("policyTyps", "policyTypes"));
}

// K-15: what a fix allows is new unless something allowed it before.
#[test]
fn what_opens_is_left_out_unless_its_rule_is_named() {
    let text = format!("{PODS}{POLICY}  policyTypes: [Ingress]\n  ingres: [{{}}]\n");
    let fixed = told(
        &text,
        &[],
        expect![[r#"
            not WT201 a.yaml:3:18: NewObject
            not WT101 a.yaml:7:18: Doubt
            not WT102 a.yaml:18:16: Doubt
            not WT004 a.yaml:19:3: Opens
              `shop/Pod/web -> shop/Pod/db all tcp`, `shop/Pod/web -> shop/Pod/db all udp` and 2 more
        "#]],
    );
    assert_eq!(fixed, text);
    let fixed = told(
        &text,
        &["WT004"],
        expect![[r#"
            WT004 a.yaml:19:3: write `ingress`
            opens shop/Pod/web -> shop/Pod/db all tcp
            opens shop/Pod/web -> shop/Pod/db all udp
            opens shop/Pod/web -> shop/Pod/db all sctp
            opens shop/Pod/web -> shop/Pod/db icmp
        "#]],
    );
    assert!(fixed.ends_with("  ingress: [{}]\n"), "{fixed}");
}

#[test]
fn one_fix_after_another_until_nothing_changes() {
    // The served version shows the object, and then its fields.
    let text = format!("{PODS}{POLICY}  policyTyps: [Ingress]\n  ingress: []\n")
        .replace("networking.k8s.io/v1", "extensions/v1beta1");
    let fixed = told(
        &text,
        &["WT00"],
        expect![[r#"
            WT007 a.yaml:13:13: use `networking.k8s.io/v1`
            WT004 a.yaml:18:3: write `policyTypes`
        "#]],
    );
    assert!(fixed.contains("networking.k8s.io/v1") && fixed.contains("policyTypes"));
}

#[test]
fn fixes_that_spoil_each_other_are_not_made_together() {
    let text = format!(
        "{PODS}{POLICY}  ingress:
  - from:
    - namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: shop}}}}
    - podSelector: {{matchLabels: {{app: prometheus}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: p, namespace: monitoring, labels: {{app: prometheus}}}}
---
apiVersion: v1
kind: Pod
metadata: {{name: q, namespace: monitoring, labels: {{app: grafana}}}}
"
    );
    let text = text.replace("name: shop}}", "name: monitoring}}");
    let fixed = told(
        &text,
        &["WT402", "WT405"],
        expect![[r#"
            WT402 a.yaml:21:7: add a namespaceSelector for `monitoring` if its pods are meant
        "#]],
    );
    let mut sources = Sources::new();
    sources.add("a.yaml", fixed.into()).unwrap();
    let left = check(&sources, &CheckOptions::default());
    assert!(left.findings.iter().all(|one| one.rule.id != "WT005"));
    // Alone the other one can be made.
    let (_, said) = super::tests::fixed("a.yaml", &text, &["WT405"], false);
    assert!(said.starts_with("WT405 "), "{said}");
}

#[test]
fn json_stays_json_and_line_ends_stay() {
    let json = r#"{"apiVersion": "extensions/v1beta1", "kind": "NetworkPolicy", "metadata": {"name": "a", "namespace": "x"}, "spec": {"podSelecter": {}}}"#;
    let (fixed, said) = fixed("a.json", json, &["WT00"], false);
    expect![[r#"
        WT007 a.json:1:16: use `networking.k8s.io/v1`
        WT004 a.json:1:119: write `podSelector`
    "#]]
    .assert_eq(&said);
    let value = json.replace("extensions/v1beta1", "networking.k8s.io/v1");
    assert_eq!(fixed, value.replace("podSelecter", "podSelector"));
    let windows = format!("{PODS}{POLICY}  policyTypes: [Ingress]\n").replace('\n', "\r\n");
    let (fixed, _) = super::tests::fixed("a.yaml", &windows, &["WT201"], true);
    let (_, new) = fixed.split_once("=====\n").unwrap();
    assert!(
        new.starts_with("apiVersion") || new.starts_with('#'),
        "{new}"
    );
}

#[test]
fn anchors_and_what_cannot_be_written() {
    let text = format!(
        "{PODS}{POLICY}  policyTypes: [Egress]
  egress:
  - to: &all [{{ipBlock: {{cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}}}]
  - to: *all
    ports: [{{port: 80}}]
"
    );
    let (fixed, _) = fixed("a.yaml", &text, &[], false);
    // Whatever is done to the list that two rules share has been read and judged as both of them.
    assert!(fixed.contains("*all"), "{fixed}");
    let mut sources = Sources::new();
    let text = format!("{PODS}{POLICY}  policyTyps: [Ingress]\n");
    sources.add("<stdin>", text.into()).unwrap();
    let options = CheckOptions::default();
    let checked = check(&sources, &options);
    let request = Request {
        options: &options,
        rules: &["WT004".into()],
        objects: None,
        writable: &BTreeSet::new(),
    };
    let plan = plan(&sources, &checked, &request);
    assert!(plan.edited.is_none());
    assert_eq!(
        plan.left_out.first().map(|one| &one.why),
        Some(&Why::NoFile)
    );
}

#[test]
fn a_dozen_that_open_are_not_all_tried() {
    let mut text = PODS.to_owned();
    for number in 0..40 {
        let policy = POLICY.replace("name: db,", &format!("name: db-{number},"));
        text += &format!("{policy}  policyTypes: [Ingress]\n  ingres: [{{}}]\n---\n");
    }
    let (_, told) = fixed("a.yaml", &text, &[], false);
    assert_eq!(told.matches("not WT004").count(), 40, "{told}");
    assert!(told.contains("LikeOthers"), "{told}");
}

const TWO_ALIKE: &str = "\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {kubernetes.io/metadata.name: shop}}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: db}}
---
apiVersion: v1
kind: Pod
metadata: {name: b, namespace: shop, labels: {app: db}}
---
";

// K-75: a pod always reaches itself, and so it cannot stand for what it gets to at another one.
#[test]
fn what_opens_between_pods_that_are_alike_is_seen() {
    let text = format!(
        "{TWO_ALIKE}{POLICY}  policyTypes: [Ingress]
  ingress:
  - from: [{{namespaceSelector: {{matchLabels: {{name: shop}}}}}}]
    ports: [{{port: 80}}]
"
    );
    let fixed = told(
        &text,
        &[],
        expect![[r#"
        not WT201 a.yaml:3:18: NewObject
        not WT102 a.yaml:18:16: Doubt
        not WT403 a.yaml:20:47: Opens
          `shop/Pod/a -> shop/Pod/b 80/tcp` and `shop/Pod/b -> shop/Pod/a 80/tcp`
    "#]],
    );
    assert_eq!(fixed, text);
    told(
        &text,
        &["WT403"],
        expect![[r#"
        WT403 a.yaml:20:47: name the namespace by `kubernetes.io/metadata.name: shop`
        opens shop/Pod/a -> shop/Pod/b 80/tcp
        opens shop/Pod/b -> shop/Pod/a 80/tcp
    "#]],
    );
    let text = format!(
        "{TWO_ALIKE}{POLICY}  policyTypes: [Ingress]\n  ingres: [{{from: [{{podSelector: {{}}}}]}}]\n"
    );
    let fixed = told(
        &text,
        &[],
        expect![[r#"
        not WT201 a.yaml:3:18: NewObject
        not WT102 a.yaml:18:16: Doubt
        not WT004 a.yaml:19:3: Opens
          `shop/Pod/b -> shop/Pod/a all tcp`, `shop/Pod/b -> shop/Pod/a all udp` and 2 more
    "#]],
    );
    assert_eq!(fixed, text);
}

// K-73: a node is let in to its own pods, which cannot stand for those of others.
#[test]
fn what_opens_from_a_node_to_pods_elsewhere_is_seen() {
    let node = |name, ip| {
        format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}}}\nstatus: {{addresses: [{{type: InternalIP, address: {ip}}}]}}\n---\n"
        )
    };
    let pod = |name, node| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: db}}}}\nspec: {{nodeName: {node}}}\n---\n"
        )
    };
    let text = [
        node("n1", "192.168.0.1"),
        pod("a", "n1"),
        pod("b", "n1"),
        pod("c", "n2"),
        format!("{POLICY}  policyTypes: [Ingress]\n  ingres: [{{from: [{{ipBlock: {{cidr: 192.168.0.1/32}}}}]}}]\n"),
    ]
    .concat();
    let fixed = told(
        &text,
        &[],
        expect![[r#"
        not WT201 a.yaml:23:18: NewObject
        not WT102 a.yaml:26:16: Doubt
        not WT004 a.yaml:27:3: Opens
          `node:n1 -> shop/Pod/c all tcp`, `node:n1 -> shop/Pod/c all udp` and 2 more
    "#]],
    );
    assert_eq!(fixed, text);
}

// K-68: the address that a stretch begins with is that of the very pod.
#[test]
fn what_opens_behind_an_address_of_the_pod_is_seen() {
    let pod = "apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: db}}
status: {phase: Running, podIP: 10.0.0.0}
---
";
    let text = format!(
        "{pod}{POLICY}  policyTypes: [Egress]\n  egres: [{{to: [{{ipBlock: {{cidr: 10.0.0.0/30}}}}]}}]\n"
    );
    let fixed = told(
        &text,
        &[],
        expect![[r#"
        not WT101 a.yaml:11:16: Doubt
        not WT301 a.yaml:11:16: NewObject
        not WT004 a.yaml:12:3: Opens
          `shop/Pod/a -> ip:10.0.0.1 all tcp`, `shop/Pod/a -> ip:10.0.0.1 all udp` and 2 more
    "#]],
    );
    assert_eq!(fixed, text);
}

// L-56, L-57: a name that no policy named before.
#[test]
fn what_opens_to_a_new_name_is_seen() {
    let text = "\
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: db}}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: dns, namespace: shop}
spec:
  endpointSelector: {}
  egress:
  - toEndpoints: [{matchLabels: {\"k8s:io.kubernetes.pod.namespace\": kube-system, \"k8s:k8s-app\": kube-dns}}]
    toPorts: [{ports: [{port: \"53\", protocol: ANY}], rules: {dns: [{matchPattern: \"*\"}]}}]
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: names, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress: [{}]
  egres:
  - toFQDNs: [{matchName: api.example.com}]
    toPorts: [{ports: [{port: \"443\", protocol: TCP}]}]
";
    let fixed = told(
        text,
        &[],
        expect![[r#"
        not WT004 a.yaml:20:3: Opens
          `shop/Pod/a -> fqdn:api.example.com 443/tcp`
    "#]],
    );
    assert_eq!(fixed, text);
    told(
        text,
        &["WT004"],
        expect![[r#"
        WT004 a.yaml:20:3: write `egress`
        opens shop/Pod/a -> fqdn:api.example.com 443/tcp
    "#]],
    );
    // A name is no opening by itself: this one was admitted already, among all.
    let text = text.replace(
        "  - toEndpoints: [{matchLabels: {",
        "  - toEntities: [world]\n  - toEndpoints: [{matchLabels: {",
    );
    told(
        &text,
        &[],
        expect![[r#"
        WT004 a.yaml:21:3: write `egress`
    "#]],
    );
}

#[test]
fn a_fix_that_makes_something_invalid_is_left_out_though_its_rule_is_named() {
    let policy = POLICY.replace("app: db", "app: catalogue");
    let text = format!("{}{policy}", PODS.replace("app: db", "app: catalog"));
    let mut sources = Sources::new();
    sources.add("a.yaml", text.into()).unwrap();
    let options = CheckOptions::default();
    let mut checked = check(&sources, &options);
    for finding in &mut checked.findings {
        let fix = finding.fix.as_mut().filter(|fix| !fix.edits.is_empty());
        if let Some(fix) = fix {
            fix.edits[0].text = "'no label'".into();
        }
    }
    let request = Request {
        options: &options,
        rules: &["WT401".into()],
        objects: None,
        writable: &sources.iter().map(|(id, _)| id).collect(),
    };
    let plan = plan(&sources, &checked, &request);
    assert!(plan.edited.is_none());
    let why: Vec<_> = plan.left_out.iter().map(|one| &one.why).collect();
    expect![[r#"[Spoils("WT003: label value `no label` must be at most 63 letters, digits, `-`, `_` or `.`, starting and ending with a letter or digit, or be empty")]"#]].assert_eq(&format!("{why:?}"));
}

// K-15: of two fields of one name only the last one counts.
#[test]
fn a_field_is_not_written_twice() {
    for (first, second) in [("[{}]", "[]"), ("[]", "[{}]")] {
        let text = format!("{PODS}{POLICY}  ingress: {first}\n  ingres: {second}\n");
        for rules in [&[][..], &["WT004"]] {
            let (fixed, told) = fixed("a.yaml", &text, rules, false);
            assert_eq!(fixed, text);
            assert!(told.contains("not WT004 a.yaml:19:3: Spoils"), "{told}");
        }
    }
}

// K-73, K-82: what comes from outside through the pod's own node has the node's address, and is not
// let in for that.
#[test]
fn what_opens_through_the_own_node_is_seen() {
    let text = "\
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: db}}
spec: {nodeName: n1}
---
";
    let opened = |snat| {
        let mut options = CheckOptions::default();
        for (name, value) in [("snat", snat), ("ipblock_nodes", "false")] {
            options.profile.switches.set(name, value).unwrap();
        }
        let held = |peers: &str| {
            let mut sources = Sources::new();
            let policy = format!("{POLICY}  ingress: [{{{peers}}}]\n");
            let text =
                format!("{text}{policy}").replace("namespace: shop", "namespace: kube-system");
            sources.add("a.yaml", text.into()).unwrap();
            Held::new(sources, &options)
        };
        let before = held("from: [{ipBlock: {cidr: 0.0.0.0/0}}, {podSelector: {}}]");
        let opened = Base::new(&before, &options).opened(&mut held(""), usize::MAX);
        let opened = opened.iter().map(ToString::to_string);
        opened.filter(|one| one.contains("tcp")).collect::<Vec<_>>()
    };
    expect!["ip::: -> kube-system/Pod/a all tcp"].assert_eq(&opened("preserve").join("\n"));
    expect![[r#"
        ip::: -> kube-system/Pod/a all tcp
        node:n1 -> kube-system/Pod/a all tcp"#]]
    .assert_eq(&opened("node-ip").join("\n"));
}
