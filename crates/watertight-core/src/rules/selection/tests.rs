//! The fixes of the rules that use this module: applied, they settle the finding.

use expect_test::expect;

use super::edits;
use super::near_miss::{Likeness, likeness};
use super::sample::address_in;
use crate::diag::{Edit, Finding};
use crate::engine::Profile;
use crate::eval::Evaluator;
use crate::facts::metadata::Cloud;
use crate::manifest::{self, Options};
use crate::policy::lower_kubernetes;
use crate::rules::{Check, Context, Rule};
use crate::sets::{Cidr, IpBlock};
use crate::source::{Sources, Span};
use crate::world::{self, Assume};

fn run(rule: &Rule, yaml: &str) -> Vec<Finding> {
    let mut sources = Sources::new();
    sources.add("t.yaml", yaml.into()).unwrap();
    let profile = Profile::parse("reference").unwrap();
    let loaded = manifest::load(&sources, &Options::default());
    assert!(loaded.findings.is_empty(), "{yaml}\n{:?}", loaded.findings);
    let (world, _) = world::build(&sources, &loaded.objects, &Assume::default());
    let ruleset = lower_kubernetes(&world, &profile.switches);
    let eval = Evaluator::new(&world, &ruleset, profile.switches);
    let context = Context::new(&sources, &eval, &profile, Cloud::all());
    let mut found = Vec::new();
    let Check::World(check) = rule.check else {
        panic!("{} reads", rule.id);
    };
    check(&context, &mut found);
    found
}

fn apply(yaml: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.span.start));
    let mut text = yaml.to_owned();
    for edit in edits {
        text.replace_range(edit.span.start as usize..edit.span.end as usize, &edit.text);
    }
    text
}

/// What the edits of a rule make of the last document; the rule has nothing more to say then.
#[track_caller]
fn settled(id: &str, yaml: &str) -> String {
    let rule = Rule::find(id).unwrap();
    let edits: Vec<_> = run(rule, yaml)
        .into_iter()
        .filter_map(|finding| finding.fix)
        .flat_map(|fix| fix.edits)
        .collect();
    assert!(!edits.is_empty(), "{id} has no edit for\n{yaml}");
    let text = apply(yaml, edits);
    let left = run(rule, &text);
    assert!(left.is_empty(), "{text}\n{left:?}");
    let (_, last) = text.rsplit_once("spec:\n").unwrap();
    format!("spec:\n{last}")
}

fn shop(spec: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Namespace
metadata: {{name: shop}}
---
apiVersion: v1
kind: Namespace
metadata: {{name: '123'}}
---
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: shop, labels: {{app: web-server, ready: 'true'}}}}
spec:
  containers:
  - name: c
    ports: [{{name: http-web, containerPort: 8080}}, {{name: peers, containerPort: 7, protocol: UDP}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: job, namespace: '123', labels: {{app: job, kind: batch}}}}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: shop}}
spec: {{selector: {{app: web-server}}, ports: [{{name: api, port: 80, targetPort: 8081}}]}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: guard, namespace: shop}}
spec:
{spec}
"
    )
}

#[test]
fn labels_of_the_subject() {
    let yaml = shop(
        "  podSelector:
    matchLabels:
      app: webserver # the front",
    );
    expect![[r#"
        spec:
          podSelector:
            matchLabels:
              app: web-server # the front
    "#]]
    .assert_eq(&settled("WT401", &yaml));
    // A value that only quotes make a string.
    let yaml = shop("  podSelector: {matchLabels: {ready: ture}}");
    expect![[r#"
        spec:
          podSelector: {matchLabels: {ready: "true"}}
    "#]]
    .assert_eq(&settled("WT401", &yaml));
    let yaml = shop("  {\"podSelector\": {\"matchLabels\": {\"app\": \"webserver\"}}}");
    expect![[r#"
        spec:
          {"podSelector": {"matchLabels": {"app": "web-server"}}}
    "#]]
    .assert_eq(&settled("WT401", &yaml));
    let yaml = shop(
        "  podSelector:
    matchExpressions:
    - key: \"k8s-app\"
      operator: In
      values:
      - web-server
      - web",
    );
    expect![[r#"
        spec:
          podSelector:
            matchExpressions:
            - key: "app"
              operator: In
              values:
              - web-server
              - web
    "#]]
    .assert_eq(&settled("WT401", &yaml));
}

#[test]
fn the_namespace_of_the_subject() {
    let yaml = shop("  podSelector: {}").replace(
        "metadata: {name: guard, namespace: shop}",
        "metadata:\n  namespace: shopp\n  name: guard",
    );
    let rule = Rule::find("WT401").unwrap();
    let fix = run(rule, &yaml).remove(0).fix.unwrap();
    let text = apply(&yaml, fix.edits);
    assert!(text.contains("\n  namespace: shop\n  name: guard"));
    assert!(run(rule, &text).is_empty());
}

#[test]
fn peers() {
    let yaml = shop(
        "  podSelector: {}
  ingress:
  - from:
    - podSelector:
        matchLabels: {app: job}
    -   podSelector: {matchLabels: {app: job}} # twice
  - {from: [{ podSelector: {matchLabels: {app: job}}}]}",
    );
    expect![[r#"
        spec:
          podSelector: {}
          ingress:
          - from:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: "123"
              podSelector:
                matchLabels: {app: job}
            -   namespaceSelector:
                  matchLabels:
                    kubernetes.io/metadata.name: "123"
                podSelector: {matchLabels: {app: job}} # twice
          - {from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: "123"}},  podSelector: {matchLabels: {app: job}}}]}
    "#]].assert_eq(&settled("WT402", &yaml));
    let yaml = shop(
        "  podSelector: {}
  ingress:
  - from:
    - namespaceSelector: {matchExpressions: [{key: name, operator: In, values: [\"123\"]}]}
    - namespaceSelector:
        matchLabels:
          name: '123'",
    );
    expect![[r#"
        spec:
          podSelector: {}
          ingress:
          - from:
            - namespaceSelector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: ["123"]}]}
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: '123'
    "#]].assert_eq(&settled("WT403", &yaml));
    let yaml = shop(
        "  podSelector: {}
  ingress:
  - from:
    # batch
    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: '123'}}

    # only these
    - podSelector:
        matchLabels: {kind: batch}",
    )
    .replace(
        "labels: {app: job, kind: batch}}",
        "labels: {app: job, kind: batch}}\n---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: '123'}",
    );
    expect![[r#"
        spec:
          podSelector: {}
          ingress:
          - from:
            # batch
            - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: '123'}}

            # only these
              podSelector:
                matchLabels: {kind: batch}
    "#]]
    .assert_eq(&settled("WT405", &yaml));
}

#[test]
fn ports() {
    let yaml = shop(
        "  podSelector: {}
  ingress:
  - ports:
    - port: httpweb
    - protocol: TCP
      port: \"api\"
    - port: peers
    - {port: peers}",
    );
    expect![[r#"
        spec:
          podSelector: {}
          ingress:
          - ports:
            - port: http-web
            - protocol: TCP
              port: 8081
            - protocol: UDP
              port: peers
            - {protocol: UDP, port: peers}
    "#]]
    .assert_eq(&settled("WT404", &yaml));
    let yaml = shop(
        "  podSelector: {}
  policyTypes: [Egress]
  egress:
  - ports:
    - port: 53
    - {port: 5353}
  - ports: [{port: 53}, {port: 443}]",
    );
    expect![[r#"
        spec:
          podSelector: {}
          policyTypes: [Egress]
          egress:
          - ports:
            - protocol: UDP
              port: 53
            - port: 53
            - {protocol: UDP, port: 5353}
            - {port: 5353}
          - ports: [{protocol: UDP, port: 53}, {port: 53}, {port: 443}]
    "#]]
    .assert_eq(&settled("WT406", &yaml));
}

// WT407 proposes a policy: with it, the connection goes through.
#[test]
fn the_other_side() {
    let yaml = shop(
        "  podSelector: {matchLabels: {app: web-server}}
  policyTypes: [Egress]
  egress:
  - to:
    - namespaceSelector: {}
      podSelector: {matchLabels: {app: job}}
    ports: [{port: 9000}, {port: 9000, protocol: UDP}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow-guard, namespace: '123'}
spec: {podSelector: {}}",
    );
    let rule = Rule::find("WT407").unwrap();
    let fix = run(rule, &yaml).remove(0).fix.unwrap();
    let manifest = fix.manifest.unwrap();
    expect![[r#"
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata:
          name: allow-guard-2
          namespace: "123"
        spec:
          podSelector:
            matchLabels:
              app: job
          policyTypes: [Ingress]
          ingress:
          - from:
            - namespaceSelector:
                matchLabels:
                  kubernetes.io/metadata.name: shop
              podSelector:
                matchLabels:
                  app: web-server
            ports:
            - protocol: TCP
              port: 9000
            - protocol: UDP
              port: 9000
    "#]]
    .assert_eq(&manifest);
    assert!(run(rule, &format!("{yaml}---\n{manifest}")).is_empty());
}

#[test]
fn text_that_is_not_understood_is_not_edited() {
    let mut sources = Sources::new();
    let text = "a: {x: y}\nb: x\n- - c: d\n";
    let file = sources.add("t.yaml", text.into()).unwrap();
    let span = |part: &str| {
        let at = text.find(part).unwrap();
        Span::new(file, at, at + part.len())
    };
    // Empty braces, braces of JSON, a list in a list.
    let json = sources.add("t.json", "{\"a\": 1} {}".into()).unwrap();
    for mapping in [Span::new(json, 0, 8), Span::new(json, 9, 11)] {
        assert_eq!(edits::prepend(&sources, mapping, "n: 1", "n: 1"), None);
        assert_eq!(edits::duplicate_item(&sources, mapping, "n: 1"), None);
    }
    assert_eq!(edits::duplicate_item(&sources, span("c: d"), "n: 1"), None);
    assert_eq!(
        edits::join_items(&sources, span("{x: y}"), span("c: d")),
        None
    );
    // Two places could be meant.
    assert_eq!(edits::value_in(&sources, span(text), "x", "y"), None);
    assert_eq!(
        edits::value_in(&sources, span("b: x"), "b", "x"),
        Some(span("x\n- -").with(1))
    );
}

impl Span {
    /// The first bytes of a span.
    fn with(self, length: u32) -> Self {
        Self {
            end: self.start + length,
            ..self
        }
    }
}

#[test]
fn slips_and_relations() {
    let slip = Some(Likeness::Slip);
    let related = Some(Likeness::Related);
    for (a, b, expected) in [
        ("catalogue", "catalog", slip),
        ("Web", "web", slip),
        ("frontend", "front-end", slip),
        ("frontend", "backend", None),
        ("web", "db", None),
        ("api", "app", None),
        ("redis", "redis-master", related),
        ("worker-1", "worker-2", related),
        ("v1", "v2", None),
        ("dev", "prod", None),
        ("", "web", None),
    ] {
        assert_eq!(likeness(a, b), expected, "{a} {b}");
        assert_eq!(likeness(b, a), expected, "{b} {a}");
    }
}

/// The address that stands for a block.
fn stands_for(cidr: &str, except: &[&str]) -> String {
    let file = Sources::new().add("t", Vec::new()).unwrap();
    let span = Span::new(file, 0, 0);
    let parse = |text: &str| Cidr {
        net: text.parse().unwrap(),
        span,
    };
    let block = IpBlock {
        cidr: parse(cidr),
        except: except.iter().map(|text| parse(text)).collect(),
        span,
    };
    address_in(&block).map_or("none".into(), |ip| ip.to_string())
}

#[test]
fn addresses_that_somebody_may_have() {
    for (cidr, expected) in [
        ("0.0.0.0/0", "203.0.113.10"),
        ("128.0.0.0/1", "203.0.113.10"),
        ("0.0.0.0/1", "1.1.1.1"),
        ("64.0.0.0/2", "64.0.0.2"),
        ("32.0.0.0/3", "32.0.0.2"),
        ("0.0.0.0/2", "1.1.1.1"),
        ("10.0.0.0/8", "10.0.0.2"),
        ("203.0.113.0/24", "203.0.113.2"),
        ("169.254.169.254/32", "169.254.169.254"),
        ("0.0.0.0/8", "0.0.0.2"),
        ("::/0", "2001:db8::a"),
        ("2000::/3", "2001:db8::a"),
        ("fd00::/8", "fd00::1"),
        ("2001:db8:7::/48", "2001:db8:7::1"),
    ] {
        assert_eq!(stands_for(cidr, &[]), expected, "{cidr}");
    }
    let but_examples = ["203.0.113.0/24", "198.51.100.0/24"];
    assert_eq!(stands_for("0.0.0.0/0", &but_examples), "192.0.2.10");
    assert_eq!(stands_for("0.0.0.0/0", &["128.0.0.0/1"]), "1.1.1.1");
    assert_eq!(stands_for("10.0.0.0/24", &["10.0.0.0/25"]), "10.0.0.128");
    assert_eq!(stands_for("10.0.0.0/24", &["10.0.0.0/24"]), "none");
}
