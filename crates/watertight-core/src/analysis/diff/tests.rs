//! Two worlds of manifests, compared: what changes, and which object makes the difference.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::{Cause, Difference, Judged, Level, Why, compare, share_names};
use crate::analysis::map::By;
use crate::engine::Profile;
use crate::eval::Evaluator;
use crate::eval::reach::Reach;
use crate::manifest::{Belongs, Options};
use crate::policy::lower;
use crate::source::Sources;
use crate::world::{self, Assume, ObjectName, Preview, World};

const PODS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: ops, labels: {team: ops}}
---
apiVersion: v1
kind: Pod
metadata: {name: probe, namespace: ops, labels: {app: probe}}
spec: {containers: [{name: c, image: i}]}
";

const DENY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}
";

const WEB_TO_DB: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web-to-db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  policyTypes: [Ingress]
  ingress:
    - from: [{podSelector: {matchLabels: {app: web}}}]
      ports: [{port: 5432}]
";

struct Compared {
    sources: Sources,
    difference: Difference,
}

/// Compares texts; `preview` takes the new ones on top of the old ones.
fn compared(old: &[&str], new: &[&str], preview: Option<&Preview>) -> Compared {
    compared_assuming(false, old, new, preview)
}

/// The same; `dns` says whether a cluster DNS is assumed.
fn compared_assuming(dns: bool, old: &[&str], new: &[&str], preview: Option<&Preview>) -> Compared {
    let mut sources = Sources::new();
    for (prefix, texts) in [("old", old), ("new", new)] {
        for (number, text) in texts.iter().enumerate() {
            let name = format!("{prefix}/{number}.yaml");
            sources.add(&name, text.as_bytes().to_vec()).unwrap();
        }
    }
    let belongs = |file| {
        Some(match sources.file(file).name().starts_with("old/") {
            true if preview.is_some() => Belongs::Both,
            true => Belongs::Old,
            false => Belongs::New,
        })
    };
    let assume = Assume {
        dns,
        ..Assume::default()
    };
    let options = Options::default();
    let read = world::read_two(&sources, belongs, &options, &assume, preview, None);
    let [(mut old, before), (mut new, after)] = read;
    let findings: Vec<_> = before.findings.iter().chain(&after.findings).collect();
    assert!(findings.is_empty(), "{findings:?}");
    share_names(&mut old, &mut new);
    let profile = Profile::reference();
    let rulesets = [lower(&old, &profile), lower(&new, &profile)];
    let evals = [
        Evaluator::new(&old, &rulesets[0], profile.switches),
        Evaluator::new(&new, &rulesets[1], profile.switches),
    ];
    let rows = [Reach::new(&evals[0]), Reach::new(&evals[1])];
    let judged = [0, 1].map(|at| Judged {
        eval: &evals[at],
        reach: &rows[at],
        profile: &profile,
        pinned: &[],
    });
    let difference = compare(&sources, &judged[0], &judged[1], By::Workload, None);
    Compared {
        sources,
        difference,
    }
}

impl Compared {
    fn show(&self) -> String {
        let difference = &self.difference;
        let mut out = String::new();
        let names = |units: &[u32]| {
            let units = units.iter();
            let names = units.map(|unit| &*difference.units[*unit as usize].name);
            names.collect::<Vec<_>>().join(", ")
        };
        for (change, why) in &difference.pairs {
            let ends = format!("{} -> {}", names(&change.from), names(&change.to));
            writeln!(out, "{ends}: {}", shifts(&change.change.shifts)).unwrap();
            writeln!(out, "    {}", self.causes(why)).unwrap();
        }
        for (change, why) in &difference.outside {
            let ends = format!("{} {:?} outside", names(&change.units), change.direction);
            writeln!(out, "{ends}: {}", shifts(&change.change.shifts)).unwrap();
            writeln!(out, "    {}", self.causes(why)).unwrap();
        }
        for object in &difference.objects {
            let namespace = object.namespace.as_deref().unwrap_or_default();
            let name = format!("{} {namespace}/{}", object.kind, object.name);
            writeln!(out, "{name} {:?}", object.what).unwrap();
            for edit in &object.edits {
                let text = |value: &Option<super::Written>| {
                    let value = value.as_ref();
                    value.map_or("nothing".to_owned(), |value| {
                        format!("{} ({})", value.text, self.sources.locate(value.span))
                    })
                };
                let (old, new) = (text(&edit.old), text(&edit.new));
                writeln!(out, "    {}: {old} -> {new}", edit.path).unwrap();
            }
        }
        for workload in &difference.workloads {
            let name = &difference.units[workload.unit as usize].name;
            writeln!(out, "{name} {:?} {:?}", workload.what, workload.notes).unwrap();
        }
        for namespace in &difference.namespaces {
            writeln!(out, "ns:{} {:?}", namespace.name, namespace.notes).unwrap();
        }
        out
    }

    fn causes(&self, why: &Why) -> String {
        let difference = &self.difference;
        let causes = why.causes.iter().map(|cause| match cause {
            Cause::Object(at) => difference.objects[*at].name.to_string(),
            Cause::Unit(at) => {
                let unit = difference.workloads[*at].unit;
                difference.units[unit as usize].name.clone()
            }
            Cause::Namespace(at) => format!("ns:{}", difference.namespaces[*at].name),
            Cause::Other => "other".into(),
        });
        format!("because of {}", causes.collect::<Vec<_>>().join(" and "))
    }

    fn is(&self, expected: Expect) {
        expected.assert_eq(&self.show());
    }
}

fn shifts(shifts: &[super::Shift]) -> String {
    let words = shifts.iter().map(|shift| {
        let level = |level: Level| format!("{level:?}").to_lowercase();
        format!(
            "{}-{}/{} {} to {}",
            shift.first,
            shift.last,
            shift.protocol.word(),
            level(shift.before),
            level(shift.after)
        )
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn what_is_formatted_otherwise_is_the_same() {
    let other = DENY.replace(
        "{name: deny, namespace: shop}",
        "\n  namespace: shop\n  name: deny",
    );
    compared(&[PODS, DENY], &[PODS, &other], None).is(expect![[""]]);
}

/// K-6, K-15: a policy that isolates.
#[test]
fn a_new_policy_is_the_cause() {
    compared(&[PODS], &[PODS, DENY], None).is(expect![[r#"
        ops/Pod/probe, shop/Pod/web -> shop/Pod/db: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of deny
        shop/Pod/db Ingress outside: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of deny
        NetworkPolicy shop/deny Added
    "#]]);
}

#[test]
fn a_policy_that_is_gone_is_the_cause() {
    compared(&[PODS, DENY, WEB_TO_DB], &[PODS, DENY], None).is(expect![[r#"
        shop/Pod/web -> shop/Pod/db: 5432-5432/tcp allowed to denied
            because of web-to-db
        NetworkPolicy shop/web-to-db Removed
    "#]]);
}

#[test]
fn an_edit_is_told_with_its_field() {
    let other = WEB_TO_DB.replace("5432", "5433");
    compared(&[PODS, WEB_TO_DB], &[PODS, &other], None).is(expect![[r#"
        shop/Pod/web -> shop/Pod/db: 5432-5432/tcp allowed to denied, 5433-5433/tcp denied to allowed
            because of web-to-db
        NetworkPolicy shop/web-to-db Edited
            spec.ingress[0].ports[0].port: 5432 (old/1.yaml:10:22) -> 5433 (new/1.yaml:10:22)
    "#]]);
}

#[test]
fn labels_of_a_pod_are_the_cause_where_no_policy_is() {
    let other = PODS.replace("labels: {app: web}", "labels: {app: wep}");
    compared(&[PODS, WEB_TO_DB], &[&other, WEB_TO_DB], None).is(expect![[r#"
        shop/Pod/web -> shop/Pod/db: 5432-5432/tcp allowed to denied
            because of shop/Pod/web
        shop/Pod/web Edited ["label app: web -> wep"]
    "#]]);
}

#[test]
fn labels_of_a_namespace_are_the_cause_where_no_policy_is() {
    let policy = WEB_TO_DB.replace(
        "podSelector: {matchLabels: {app: web}}",
        "namespaceSelector: {matchLabels: {team: ops}}",
    );
    let other = PODS.replace("{team: ops}", "{team: oops}");
    compared(&[PODS, &policy], &[&other, &policy], None).is(expect![[r#"
        ops/Pod/probe -> shop/Pod/db: 5432-5432/tcp allowed to denied
            because of ns:ops
        ns:ops ["label team: ops -> oops"]
    "#]]);
}

#[test]
fn both_sides_are_causes_where_both_are_needed() {
    let egress = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web-egress, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
";
    let opened = format!("{egress}  egress: [{{ports: [{{port: 5432}}]}}]\n");
    compared(
        &[PODS, DENY, egress],
        &[PODS, DENY, WEB_TO_DB, &opened],
        None,
    )
    .is(expect![[r#"
        shop/Pod/web -> ops/Pod/probe: 5432-5432/tcp denied to allowed
            because of web-egress
        shop/Pod/web -> shop/Pod/db: 5432-5432/tcp denied to allowed
            because of web-to-db and web-egress
        shop/Pod/web Egress outside: 5432-5432/tcp denied to allowed
            because of web-egress
        NetworkPolicy shop/web-to-db Added
        NetworkPolicy shop/web-egress Edited
            spec.egress: nothing -> 1 item (new/3.yaml:8:11)
    "#]]);
}

#[test]
fn a_new_workload_is_the_cause_of_its_connections() {
    let api = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: api, namespace: ops}
spec:
  selector: {matchLabels: {app: api}}
  template:
    metadata: {labels: {app: api}}
    spec: {containers: [{name: c, image: i}]}
";
    compared(&[PODS, DENY], &[PODS, DENY, api], None).is(expect![[r#"
        ops/Deployment/api -> ops/Deployment/api: 1-65535/tcp denied to allowed, 1-65535/udp denied to allowed, 1-65535/sctp denied to allowed
            because of ops/Deployment/api
        ops/Deployment/api -> ops/Pod/probe, shop/Pod/web: 1-65535/tcp denied to allowed, 1-65535/udp denied to allowed, 1-65535/sctp denied to allowed
            because of ops/Deployment/api
        ops/Pod/probe, shop/Pod/db, shop/Pod/web -> ops/Deployment/api: 1-65535/tcp denied to allowed, 1-65535/udp denied to allowed, 1-65535/sctp denied to allowed
            because of ops/Deployment/api
        ops/Deployment/api Egress outside: 1-65535/tcp denied to allowed, 1-65535/udp denied to allowed, 1-65535/sctp denied to allowed
            because of ops/Deployment/api
        ops/Deployment/api Ingress outside: 1-65535/tcp denied to allowed, 1-65535/udp denied to allowed, 1-65535/sctp denied to allowed
            because of ops/Deployment/api
        ops/Deployment/api Added []
    "#]]);
}

#[test]
fn what_is_applied_replaces_what_is_there() {
    let other = WEB_TO_DB.replace("5432", "5433");
    compared(&[PODS, WEB_TO_DB], &[&other], Some(&Preview::default())).is(expect![[r#"
        shop/Pod/web -> shop/Pod/db: 5432-5432/tcp allowed to denied, 5433-5433/tcp denied to allowed
            because of web-to-db
        NetworkPolicy shop/web-to-db Edited
            spec.ingress[0].ports[0].port: 5432 (old/1.yaml:10:22) -> 5433 (new/0.yaml:10:22)
    "#]]);
}

#[test]
fn what_is_deleted_is_gone_with_what_belongs_to_it() {
    let preview = |name: &str| Preview {
        delete: vec![ObjectName::parse(name, "shop").unwrap()],
        ..Preview::default()
    };
    compared(&[PODS, DENY], &[], Some(&preview("netpol/deny"))).is(expect![[r#"
        ops/Pod/probe, shop/Pod/web -> shop/Pod/db: 1-65535/tcp denied to allowed, 1-65535/udp denied to allowed, 1-65535/sctp denied to allowed
            because of deny
        shop/Pod/db Ingress outside: 1-65535/tcp denied to allowed, 1-65535/udp denied to allowed, 1-65535/sctp denied to allowed
            because of deny
        NetworkPolicy shop/deny Removed
    "#]]);
    compared(&[PODS, DENY], &[], Some(&preview("ns/shop"))).is(expect![[r#"
        ops/Pod/probe -> shop/Pod/web: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of shop/Pod/web
        shop/Pod/db -> ops/Pod/probe: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of shop/Pod/db
        shop/Pod/db -> shop/Pod/web: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of shop/Pod/db and shop/Pod/web
        shop/Pod/web -> ops/Pod/probe: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of shop/Pod/web
        shop/Pod/db Egress outside: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of shop/Pod/db
        shop/Pod/web Egress outside: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of shop/Pod/web
        shop/Pod/web Ingress outside: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of shop/Pod/web
        NetworkPolicy shop/deny Removed
        shop/Pod/db Removed []
        shop/Pod/web Removed []
        ns:shop ["label team: shop removed"]
    "#]]);
}

/// C-62: staged policies are never enforced, and can be looked at as if they were.
#[test]
fn staged_policies_are_taken_as_enforced() {
    let staged = "
apiVersion: projectcalico.org/v3
kind: StagedKubernetesNetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}
";
    let preview = Preview {
        enforce_staged: true,
        ..Preview::default()
    };
    compared(&[PODS, staged], &[], Some(&preview)).is(expect![[r#"
        ops/Pod/probe, shop/Pod/web -> shop/Pod/db: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of deny
        shop/Pod/db Ingress outside: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of deny
        NetworkPolicy shop/deny Added
        StagedKubernetesNetworkPolicy shop/deny Removed
    "#]]);
}

#[test]
fn policies_with_a_label_count_after_the_change_only() {
    let staged = DENY.replace(
        "namespace: shop}",
        "namespace: shop, labels: {stage: dry-run}}",
    );
    let preview = Preview {
        staged_label: Some(("stage".into(), "dry-run".into())),
        ..Preview::default()
    };
    compared(&[PODS, &staged], &[], Some(&preview)).is(expect![[r#"
        ops/Pod/probe, shop/Pod/web -> shop/Pod/db: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of deny
        shop/Pod/db Ingress outside: 1-65535/tcp allowed to denied, 1-65535/udp allowed to denied, 1-65535/sctp allowed to denied
            because of deny
        NetworkPolicy shop/deny Added
    "#]]);
}

#[test]
fn names_of_objects() {
    let parse = |text| ObjectName::parse(text, "shop").map(|name| name.to_string());
    let deny = Ok("NetworkPolicy shop/deny".to_owned());
    assert_eq!(parse("netpol/deny"), deny);
    assert_eq!(parse("NetworkPolicy/shop/deny"), deny);
    assert_eq!(parse("networkpolicies.projectcalico.org/shop/deny"), deny);
    assert_eq!(parse("gnp/deny"), Ok("GlobalNetworkPolicy deny".to_owned()));
    expect!["`netpolicy` is no kind that is evaluated"]
        .assert_eq(&parse("netpolicy/x").unwrap_err());
    expect!["`NetworkPolicie` is no kind that is evaluated; did you mean `NetworkPolicy`?"]
        .assert_eq(&parse("NetworkPolicie/x").unwrap_err());
    expect!["GlobalNetworkPolicy has no namespace: write `gnp/deny`"]
        .assert_eq(&parse("gnp/shop/deny").unwrap_err());
    expect!["`deny` is not KIND/NAMESPACE/NAME or KIND/NAME"]
        .assert_eq(&parse("deny").unwrap_err());
}

/// A name that only one world knows is a destination in both (A-31).
#[test]
fn names_are_shared() {
    let worlds = |text: &str| -> World {
        let mut sources = Sources::new();
        sources.add("w.yaml", text.as_bytes().to_vec()).unwrap();
        world::read(&sources, &Options::default(), &Assume::default(), None).0
    };
    let (mut old, mut new) = (worlds(PODS), worlds(PODS));
    old.intern_name("api.example.com");
    new.intern_name("www.example.com");
    share_names(&mut old, &mut new);
    let names = |world: &World| {
        let mut names: Vec<_> = world.names.iter().map(|name| name.text.clone()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&old), names(&new));
}

/// A policy that allowed goes, another one comes: what allowed is the cause, not what isolates still.
#[test]
fn the_rule_that_allowed_is_the_cause_where_both_isolate() {
    let egress = |name: &str, rules: &str| {
        format!(
            "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: {name}, namespace: shop}}
spec: {{podSelector: {{matchLabels: {{app: web}}}}, policyTypes: [Egress], egress: {rules}}}
"
        )
    };
    let open = egress("open", "[{}]");
    let dns = egress("dns", "[{ports: [{port: 53}]}]");
    let found = compared(&[PODS, &open], &[PODS, &dns], None);
    assert!(found.difference.narrows() && !found.difference.widens());
    let show = found.show();
    assert!(show.contains("because of open"), "{show}");
    assert!(!show.contains("because of dns"), "{show}");
}

/// M-2: an assumed DNS on one side only is no change.
#[test]
fn what_is_assumed_on_one_side_is_no_change() {
    let found = compared_assuming(true, &[], &[PODS], None).show();
    assert!(found.contains("shop/Pod/web"), "{found}");
    assert!(!found.contains("kube-dns"), "{found}");
}
