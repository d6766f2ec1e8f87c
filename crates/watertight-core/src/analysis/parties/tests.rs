use expect_test::{Expect, expect};

use super::*;
use crate::analysis::testing::Sample;

const CLUSTER: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: empty}
---
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web, tier: front}}, spec: {containers: [{name: c}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: c}]}}
---
apiVersion: v1
kind: Service
metadata: {name: database, namespace: shop}
spec: {clusterIP: 10.96.0.7, selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db-0, namespace: shop, labels: {app: db}, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: x, controller: true}]}
spec: {containers: [{name: c}]}
status: {phase: Running, podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: db-1, namespace: shop, labels: {app: db}, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: x, controller: true}]}
spec: {containers: [{name: c}]}
status: {phase: Running, podIP: 10.0.0.2}
---
apiVersion: v1
kind: Pod
metadata: {name: db-2, namespace: shop, labels: {app: db}, ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: x, controller: true}]}
spec: {containers: [{name: c}]}
status: {phase: Succeeded, podIP: 10.0.0.3}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: test, labels: {app: web}}
spec: {containers: [{name: c}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: twice, namespace: test}
spec: {template: {metadata: {labels: {app: twice}}, spec: {restartPolicy: Never, containers: [{name: c}]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: twice, namespace: test}
spec: {containers: [{name: c}]}
";

fn show(sample: &Sample, namespace: Option<&str>, text: &str) -> String {
    let parties = Parties::new(&sample.world, namespace);
    match parties.select(text) {
        Ok(selection) => {
            let again = parties.select(&selection.text);
            assert_eq!(again.as_ref(), Ok(&selection), "{text}: round trip");
            let what = match &selection.what {
                What::Endpoints(ids) => {
                    let names = ids.iter().map(|id| sample.world.endpoint_name(*id));
                    names.collect::<Vec<_>>().join(" ")
                }
                What::Service(id) => format!("Service {}", sample.world[*id].name),
                What::Addresses(nets) => format!("{nets:?}"),
                What::World => "World".into(),
                What::Name(name) => format!("name {}", sample.world[*name].text),
                What::Nodes(nodes) => format!("{} nodes", nodes.len()),
            };
            format!("{text} => {} => {what}\n", selection.text)
        }
        Err(error) => format!("{text} => error: {error}\n"),
    }
}

fn check(namespace: Option<&str>, texts: &[&str], expected: Expect) {
    let sample = Sample::new(CLUSTER);
    let shown: String = texts
        .iter()
        .map(|text| show(&sample, namespace, text))
        .collect();
    expected.assert_eq(&shown);
}

#[test]
fn every_spelling() {
    check(
        None,
        &[
            "shop/web",
            "shop/deploy/web",
            "shop/Deployment/web",
            "shop/deployment.apps/web",
            "deploy/web",
            "shop/db",
            "shop/db-1",
            "shop/pod/db-1",
            "shop/db-2",
            "pod/db-0",
            "sts/db",
            "db",
            "svc/database",
            "shop/service/database",
            "ns:shop",
            "namespace/shop",
            "label:app=web",
            "label:app in (web,db),!tier",
            "shop/label:app=web",
            "label:tier!=front,app",
            "ip:10.0.0.1",
            "10.0.0.1",
            "ip:10.96.0.7",
            "cidr:10.1.2.3/8",
            "10.0.0.0/8",
            "ip:fd00::1",
            "[fd00::1]",
            "[fd00::]/8",
            "::ffff:10.0.0.1",
            "world",
            "nodes",
            "node:n1",
            "node/n1",
        ],
        expect![[r#"
            shop/web => shop/web => shop/web
            shop/deploy/web => shop/Deployment/web => shop/web
            shop/Deployment/web => shop/Deployment/web => shop/web
            shop/deployment.apps/web => shop/Deployment/web => shop/web
            deploy/web => shop/Deployment/web => shop/web
            shop/db => shop/db => shop/db-0 shop/db-1
            shop/db-1 => shop/db-1 => shop/db-1
            shop/pod/db-1 => shop/Pod/db-1 => shop/db-1
            shop/db-2 => shop/db-2 => shop/db-2
            pod/db-0 => shop/Pod/db-0 => shop/db-0
            sts/db => shop/StatefulSet/db => shop/db-0 shop/db-1
            db => shop/db => shop/db-0 shop/db-1
            svc/database => shop/svc/database => Service database
            shop/service/database => shop/svc/database => Service database
            ns:shop => ns:shop => shop/db-0 shop/db-1 shop/web
            namespace/shop => ns:shop => shop/db-0 shop/db-1 shop/web
            label:app=web => label:app=web => test/web shop/web
            label:app in (web,db),!tier => label:app in (web,db),!tier => shop/db-0 shop/db-1 test/web
            shop/label:app=web => shop/label:app=web => shop/web
            label:tier!=front,app => label:tier!=front,app => shop/db-0 shop/db-1 test/web test/twice
            ip:10.0.0.1 => ip:10.0.0.1 => [10.0.0.1/32]
            10.0.0.1 => ip:10.0.0.1 => [10.0.0.1/32]
            ip:10.96.0.7 => shop/svc/database => Service database
            cidr:10.1.2.3/8 => cidr:10.0.0.0/8 => [10.0.0.0/8]
            10.0.0.0/8 => cidr:10.0.0.0/8 => [10.0.0.0/8]
            ip:fd00::1 => ip:fd00::1 => [fd00::1/128]
            [fd00::1] => ip:fd00::1 => [fd00::1/128]
            [fd00::]/8 => cidr:fd00::/8 => [fd00::/8]
            ::ffff:10.0.0.1 => ip:10.0.0.1 => [10.0.0.1/32]
            world => world => World
            nodes => nodes => 1 nodes
            node:n1 => node:n1 => 1 nodes
            node/n1 => node:n1 => 1 nodes
        "#]],
    );
}

#[test]
fn names_in_a_namespace_that_is_given_apart() {
    check(
        Some("test"),
        &["web", "label:app=web", "shop/web", "pod/web", "db"],
        expect![[r#"
            web => test/web => test/web
            label:app=web => test/label:app=web => test/web
            shop/web => shop/web => shop/web
            pod/web => test/Pod/web => test/web
            db => error: no pod or workload `db` in namespace `test`; there is `shop/StatefulSet/db`
        "#]],
    );
}

#[test]
fn mistakes_get_an_answer() {
    check(
        None,
        &[
            "",
            "web",
            "twice",
            "test/twice",
            "shpo/web",
            "deplyo/web",
            "shop/wbe",
            "shop/databse",
            "shop/database",
            "svc/databse",
            "shop",
            "shop/depl/web",
            "a/b/c/d",
            "shop/",
            "ns:",
            "ns:shpo",
            "ns:empty",
            "n:shop",
            "node:n2",
            "label:",
            "label:ap=web",
            "label:app=wbe",
            "label:app=web=db",
            "ip:10.0.0.300",
            "10.0.0.0/80",
            "shop/cart",
            "test/db",
            "wrld",
            "metadata",
            "internet",
        ],
        expect![[r#"
             => error: there is no endpoint here; write one as NAMESPACE/NAME
            web => error: `web` could be `shop/Deployment/web` or `test/Pod/web`; write one of them
            twice => error: `twice` could be `test/Job/twice` or `test/Pod/twice`; write one of them
            test/twice => error: `test/twice` could be `test/Job/twice` or `test/Pod/twice`; write one of them
            shpo/web => error: no namespace `shpo` in the input (did you mean `shop`?)
            deplyo/web => error: no namespace `deplyo` in the input, and no kind either (did you mean `deploy`?)
            shop/wbe => error: no pod or workload `wbe` in namespace `shop` (did you mean `web`?)
            shop/databse => error: no pod or workload `databse` in namespace `shop`; it has `db` and `web`
            shop/database => error: no pod or workload `database` in namespace `shop`; there is `shop/svc/database`
            svc/databse => error: no Service `databse` in the input (did you mean `database`?)
            shop => error: no pod or workload `shop` in the input; for all pods of a namespace write `ns:shop`
            shop/depl/web => error: `depl` is no kind of endpoint; use pod, svc, deploy, sts, ds, rs, job or cj
            a/b/c/d => error: `a/b/c/d` has too many parts; an endpoint is NAMESPACE/KIND/NAME at most
            shop/ => error: `shop/` lacks a part; an endpoint is NAMESPACE/NAME or NAMESPACE/KIND/NAME
            ns: => error: a name is missing; write ns:NAME
            ns:shpo => error: no namespace `shpo` in the input (did you mean `shop`?)
            ns:empty => error: namespace `empty` has no pods or workloads in the input
            n:shop => error: `n:shop` is no endpoint; write one as NAMESPACE/NAME
            node:n2 => error: no node `n2` in the input (did you mean `node:n1`?)
            label: => error: a label selector is missing; write label:KEY=VALUE
            label:ap=web => error: no pod has the labels of `label:ap=web`: none has a label `ap`
            label:app=wbe => error: no pod has the labels of `label:app=wbe`: none has `app=wbe` (did you mean `web`?)
            label:app=web=db => error: `app=web=db` is no label condition; write KEY=VALUE, KEY!=VALUE, KEY or !KEY
            ip:10.0.0.300 => error: `10.0.0.300` is neither an address nor a block of addresses; write 203.0.113.9, 10.0.0.0/8 or, with a port behind it, [fd00::1]
            10.0.0.0/80 => error: `10.0.0.0/80` is neither an address nor a block of addresses; write 203.0.113.9, 10.0.0.0/8 or, with a port behind it, [fd00::1]
            shop/cart => error: no pod or workload `cart` in namespace `shop`; it has `db` and `web`
            test/db => error: no pod or workload `db` in namespace `test`; there is `shop/StatefulSet/db`
            wrld => error: no pod or workload `wrld` in the input (did you mean `world`?)
            metadata => error: no pod or workload `metadata` in the input; for the metadata service of most clouds write `ip:169.254.169.254`
            internet => error: no pod or workload `internet` in the input; for addresses outside of the cluster write `world`
        "#]],
    );
}

fn flow(text: &str) -> String {
    match Flow::parse(text) {
        Ok(flow) => {
            let again = spell(&flow.from.text, &flow.to.text, &flow.ports);
            let read = Flow::parse(&again).unwrap();
            assert_eq!(read.ports, flow.ports, "{text}: round trip");
            let ports: Vec<_> = flow.ports.iter().map(ToString::to_string).collect();
            format!(
                "{} @{} | {} @{} | {} @{}\n",
                flow.from.text,
                flow.from.at,
                flow.to.text,
                flow.to.at,
                ports.join(" "),
                flow.ports_at
            )
        }
        Err(error) => {
            let indent = " ".repeat(error.at);
            let marks = "^".repeat(error.length);
            format!("{text}\n{indent}{marks} {error}\n")
        }
    }
}

#[test]
fn flows_are_two_parties_and_ports() {
    let flows = [
        "a/b -> c/d:80",
        "a/b->c/d:80/UDP",
        " é → c/d : 80-90 , 443 / tcp",
        "a -> b:53/udp,53/tcp",
        "a -> b:http",
        "a -> b:http/udp",
        "a -> b:icmp",
        "a -> b",
        "a -> ns:shop",
        "a -> ns:shop:80",
        "a -> label:app=web:80",
        "a -> x/label:app in (a,b):80",
        "a -> cidr:10.0.0.0/8:80",
        "a -> fd00::1",
        "a -> [fd00::1]:80/udp",
        "a -> ip:[fd00::1]:80",
        "a -> [fd00::]/8:80",
        "cidr:fd00::/8 -> b",
    ];
    let shown: String = flows.iter().map(|text| flow(text)).collect();
    expect![[r#"
        a/b @0 | c/d @7 | 80/tcp @11
        a/b @0 | c/d @5 | 80/udp @9
        é @1 | c/d @5 | 80-90/tcp 443/tcp @11
        a @0 | b @5 | 53/udp 53/tcp @7
        a @0 | b @5 | http @7
        a @0 | b @5 | http/udp @7
        a @0 | b @5 | icmp @7
        a @0 | b @5 |  @0
        a @0 | ns:shop @5 |  @0
        a @0 | ns:shop @5 | 80/tcp @13
        a @0 | label:app=web @5 | 80/tcp @19
        a @0 | x/label:app in (a,b) @5 | 80/tcp @26
        a @0 | cidr:10.0.0.0/8 @5 | 80/tcp @21
        a @0 | fd00::1 @5 |  @0
        a @0 | [fd00::1] @5 | 80/udp @15
        a @0 | ip:[fd00::1] @5 | 80/tcp @18
        a @0 | [fd00::]/8 @5 | 80/tcp @16
        cidr:fd00::/8 @0 | b @17 |  @0
    "#]]
    .assert_eq(&shown);
}

#[test]
fn mistakes_in_flows_have_a_place() {
    let flows = [
        "shop/web shop/db",
        "-> shop/db",
        "shop/web ->",
        "a -> b -> c",
        "a -> b:",
        "a -> b:0",
        "é -> b:70000",
        "a -> b:90-80",
        "a -> b:80/tpc",
        "a -> b:80/icmp",
        "a -> b:HTTP",
        "a -> b:80,,90",
        "a -> fd00::1:80/tcp",
        "a -> b:80:90",
    ];
    let shown: String = flows.iter().map(|text| flow(text)).collect();
    expect![[r#"
        shop/web shop/db
        ^^^^^^^^^^^^^^^^ `shop/web shop/db` has no arrow; write FROM -> TO:PORT/PROTOCOL in quotes
        -> shop/db
        ^ the source is missing; write FROM -> TO:PORT/PROTOCOL in quotes
        shop/web ->
                   ^ the destination is missing; write FROM -> TO:PORT/PROTOCOL in quotes
        a -> b -> c
               ^^ a flow has one arrow
        a -> b:
              ^ the port behind the colon is missing; leave the colon out to ask about all
        a -> b:0
               ^ `0` is no port; ports are 1 to 65535
        é -> b:70000
               ^^^^^ `70000` is no port; ports are 1 to 65535
        a -> b:90-80
               ^^^^^ `90-80` ends before it begins
        a -> b:80/tpc
                  ^^^ `tpc` is no protocol; use tcp, udp or sctp
        a -> b:80/icmp
               ^^^^^^^ ICMP has no ports; write `icmp` alone
        a -> b:HTTP
               ^^^^ `HTTP` is no port; write 80, 80-90, http or icmp
        a -> b:80,,90
                  ^ a port is missing; write 80, 80-90, http or icmp
        a -> fd00::1:80/tcp
             ^^^^^^^^^^^^^^ put an IPv6 address in brackets: [fd00::1]:80
        a -> b:80:90
             ^^^^^^^ `b:80:90` has too many colons; an IPv6 address needs brackets
    "#]]
    .assert_eq(&shown);
}
