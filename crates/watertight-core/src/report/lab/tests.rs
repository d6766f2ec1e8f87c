//! Why nothing is said of a connection.

use expect_test::expect;

use super::*;
use crate::analysis::testing::Sample;
use crate::eval::{Connection, Family, Party};
use crate::sets::Protocol;

const CLUSTER: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, image: c}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: open, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, image: c}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: closed, namespace: shop, labels: {app: db, closed: 'yes'}}
spec: {containers: [{name: c, image: c}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.3}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: shop}
spec: {hostNetwork: true, nodeName: n1, containers: [{name: c, image: c}]}
status: {phase: Running, podIPs: [{ip: 10.9.0.1}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.96.0.1, selector: {app: db}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {matchLabels: {closed: 'yes'}}, policyTypes: [Ingress]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nobody, namespace: shop}
spec: {podSelector: {matchLabels: {app: nobody}}, policyTypes: [Ingress]}
";

const TIED: &str = "---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: deny}
spec:
  tier: Admin
  priority: 3
  subject: {namespaces: {}}
  ingress: [{action: Deny, from: [{namespaces: {}}]}]
---
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: accept}
spec:
  tier: Admin
  priority: 3
  subject: {namespaces: {}}
  ingress: [{action: Accept, from: [{namespaces: {}}]}]
";

/// What a report says of `shop/web` and a destination, and how many policies there are and select.
fn told(
    sample: &Sample,
    is_judged: bool,
    seen: (Option<Seen>, Seen),
    connection: impl Fn(Party) -> Connection,
) -> String {
    told_open(sample, is_judged, seen, None, connection)
}

/// The same where it is known why nothing is said.
fn told_open(
    sample: &Sample,
    is_judged: bool,
    seen: (Option<Seen>, Seen),
    unjudged: Option<(&'static str, &'static str)>,
    connection: impl Fn(Party) -> Connection,
) -> String {
    let eval = sample.eval();
    let mut ids = sample.world.endpoint_ids();
    let web = ids.find(|id| sample.world.endpoint_name(*id) == "shop/web");
    let connection = connection(Party::Endpoint(web.unwrap()));
    let trial = Trial {
        unjudged,
        from: 0,
        to: 1,
        connection,
        family: Family::V4,
        verdict: eval.verdict(&connection),
        is_judged,
        control: seen.0,
        observed: Observed {
            seen: seen.1,
            detail: "the network is down".into(),
            kernel: Vec::new(),
        },
    };
    let report = lab_report(&LabInput {
        sources: &sample.sources,
        eval: &eval,
        profile: &sample.profile,
        problems: &[],
        complete: true,
        made_up: Vec::new(),
        sampled_from: None,
        parties: Vec::new(),
        outside: Vec::new(),
        left_out: Vec::new(),
        unsaid: Vec::new(),
        trials: &[trial],
    });
    let mut lines = vec![format!(
        "{} of {} policies",
        report.selecting, report.policies
    )];
    let reasons = [
        ("inconclusive", report.inconclusive),
        ("not judged", report.unjudged),
    ];
    for (list, reasons) in reasons {
        for one in reasons {
            let id = one.id.unwrap_or_default();
            let line = one.place.map_or(0, |place| place.line);
            let port = &one.connections[0].port;
            lines.push(format!("{list} {port}: {} [{id}] line {line}", one.reason));
        }
    }
    lines.join("\n") + "\n"
}

fn to(sample: &Sample, name: &str) -> Party {
    let mut ids = sample.world.endpoint_ids();
    let id = ids.find(|id| sample.world.endpoint_name(*id) == name);
    Party::Endpoint(id.unwrap())
}

#[test]
fn a_connection_that_is_not_judged_has_a_reason() {
    let sample = Sample::new(CLUSTER);
    let service = sample.world.service("shop", "db").unwrap();
    // Whose turn it is behind a Service.
    expect![[r#"
        1 of 2 policies
        not judged 80/tcp: some backends of Service shop/db may be reached and some not, and it is up to whose turn it is [] line 0
    "#]].assert_eq(&told(&sample, false, (None, Seen::Open), |web| {
        sample.eval().to_service(web, service, 80, Protocol::Tcp)[0].1
    }));
    // A tie (A-12).
    let tied = Sample::new(&format!("{CLUSTER}{TIED}"));
    expect![[r#"
        3 of 4 policies
        not judged 80/tcp: ClusterNetworkPolicy deny has the priority of another that says otherwise [A-12] line 52
    "#]].assert_eq(&told(&tied, false, (None, Seen::Open), |web| {
        Connection::new(web, to(&tied, "shop/open"), Protocol::Tcp, 80)
    }));
    // A host-network pod that the engine knows (K-72).
    let mut known = Sample::new(CLUSTER);
    known
        .profile
        .switches
        .set("host_network", "pod-labels")
        .unwrap();
    expect![[r#"
        1 of 2 policies
        not judged 80/tcp: packets do not tell a host-network pod from its node [K-72] line 0
    "#]]
    .assert_eq(&told(&known, false, (None, Seen::Open), |web| {
        Connection::new(web, to(&known, "shop/agent"), Protocol::Tcp, 80)
    }));
}

/// K-82: what the lab knows is said with the statement behind it.
#[test]
fn what_is_left_open_on_the_way_is_told() {
    let sample = Sample::new(CLUSTER);
    let open = Some(("K-82", "the client or the node"));
    expect![[r#"
        1 of 2 policies
        not judged 80/tcp: the client or the node [K-82] line 0
    "#]]
    .assert_eq(&told_open(
        &sample,
        false,
        (None, Seen::Open),
        open,
        |web| Connection::new(web, to(&sample, "shop/open"), Protocol::Tcp, 80),
    ));
}

#[test]
fn an_inconclusive_connection_has_a_reason() {
    let sample = Sample::new(CLUSTER);
    let closed = |control, seen| {
        told(&sample, true, (control, seen), |web| {
            Connection::new(web, to(&sample, "shop/closed"), Protocol::Tcp, 80)
        })
    };
    expect![[r#"
        1 of 2 policies
        inconclusive 80/tcp: it did not arrive while no policy was in force either (timeout) [] line 0
    "#]].assert_eq(&closed(Some(Seen::Timeout), Seen::Dropped));
    expect![[r#"
        1 of 2 policies
        inconclusive 80/tcp: silence, and no rule that logged it [] line 0
    "#]]
    .assert_eq(&closed(Some(Seen::Open), Seen::Timeout));
    expect![[r#"
        1 of 2 policies
        inconclusive 80/tcp: it could not be tried: the network is down [] line 0
    "#]]
    .assert_eq(&closed(Some(Seen::Open), Seen::Error));
}
