//! Small logs of every format, read and matched.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use super::*;
use crate::analysis::testing::Sample;

const CLUSTER: &str = "
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
apiVersion: v1
kind: Pod
metadata:
  name: db-0
  namespace: shop
  labels: {app: db}
  ownerReferences: [{apiVersion: apps/v1, kind: StatefulSet, name: db, uid: u, controller: true}]
spec: {nodeName: n1, containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}
status: {phase: Running, podIP: 10.1.0.7}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: shop}
spec: {clusterIP: 10.96.0.7, selector: {app: db}, ports: [{port: 5000, targetPort: pg}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: names, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: web}}
  egress: [{toFQDNs: [{matchName: api.example.com}]}]
";

/// The connections that a log is about, in [`CLUSTER`].
fn matched(log: &str, format: Option<Format>) -> String {
    let mut sample = Sample::on(CLUSTER, "cilium");
    let file = sample.sources.add("flows", log.into()).unwrap();
    let recorded = read(&sample.sources, file, format);
    let mut out = String::new();
    let word = recorded.format.map_or("none", Format::word);
    writeln!(out, "{word}, {} passed over", recorded.passed_over).unwrap();
    let found = match_to(&sample.world, &recorded);
    let line = |span| sample.sources.start(span).line;
    for seen in &found.connections {
        let connection = &seen.connection;
        let port = connection
            .port
            .map_or(String::new(), |port| port.to_string());
        let service = connection
            .service
            .map(|by| format!(" by {}:{}", by.ip, by.port));
        let node = connection
            .node_port
            .map(|port| format!(" by node port {port}"));
        writeln!(
            out,
            "{}: {} -> {}:{port}/{}{}{}{} x{}{}",
            line(seen.span),
            seen.from,
            seen.to,
            connection.protocol.word(),
            service.unwrap_or_default(),
            node.unwrap_or_default(),
            seen.otherwise
                .map_or(String::new(), |other| format!(" or {:?}", other.to)),
            seen.times,
            if seen.refused { " refused" } else { "" },
        )
        .unwrap();
    }
    for unknown in &found.unknown {
        let Unknown { side, why, .. } = unknown;
        writeln!(out, "{}: {side:?} unknown: {why}", line(unknown.span)).unwrap();
    }
    for problem in &recorded.problems {
        let place = sample.sources.locate(problem.span);
        writeln!(out, "{place}: {}", problem.message).unwrap();
    }
    out
}

#[track_caller]
fn check(log: &str, expected: Expect) {
    expected.assert_eq(&matched(log, None));
}

#[test]
fn hubble_flows_are_found_by_pod_workload_name_and_labels() {
    check(
        r#"{"flow":{"verdict":"FORWARDED","IP":{"source":"10.1.0.9","destination":"10.1.0.7","ipVersion":"IPv4"},"l4":{"TCP":{"source_port":40000,"destination_port":5432,"flags":{"SYN":true}}},"source":{"ID":7,"namespace":"shop","labels":["k8s:app=web","k8s:io.kubernetes.pod.namespace=shop"],"pod_name":"web-7d9f6c5b8-x2k4q","workloads":[{"name":"web","kind":"Deployment"}]},"destination":{"namespace":"shop","labels":["k8s:app=db"],"pod_name":"db-0"},"Type":"L3_L4","node_name":"n1","is_reply":false,"traffic_direction":"EGRESS"},"node_name":"n1","time":"2024-05-01T10:00:00Z"}
{"verdict":"FORWARDED","IP":{"source":"10.1.0.7","destination":"10.1.0.9"},"l4":{"TCP":{"source_port":5432,"destination_port":40000,"flags":{"ACK":true}}},"source":{"namespace":"shop","pod_name":"db-0"},"destination":{"namespace":"shop","pod_name":"web-7d9f6c5b8-x2k4q"},"is_reply":true,"traffic_direction":"EGRESS"}
{"verdict":"DROPPED","l4":{"UDP":{"source_port":40000,"destination_port":53}},"IP":{"source":"10.1.0.9","destination":"10.1.0.7"},"source":{"namespace":"shop","labels":["k8s:app=web","k8s:tier=front","k8s:pod-template-hash=7d9f6c5b8"]},"destination":{"namespace":"shop","pod_name":"db-0"},"traffic_direction":"INGRESS","drop_reason_desc":"POLICY_DENIED"}
{"verdict":"FORWARDED","l4":{"UDP":{"source_port":40000,"destination_port":53}},"IP":{"source":"10.1.0.9","destination":"10.1.0.7"},"source":{"namespace":"shop","pod_name":"web-7d9f6c5b8-bbbbb"},"destination":{"namespace":"shop","pod_name":"db-0"},"traffic_direction":"EGRESS"}
{"verdict":"FORWARDED","l4":{"TCP":{"source_port":40000,"destination_port":443}},"IP":{"source":"10.1.0.9","destination":"203.0.113.7"},"source":{"namespace":"shop","pod_name":"web-7d9f6c5b8-bbbbb"},"destination":{"labels":["reserved:world"]},"destination_names":["API.example.com."]}
{"verdict":"AUDIT","l4":{"TCP":{"source_port":40000,"destination_port":5432}},"IP":{"source":"192.0.2.1","destination":"10.1.0.7"},"source":{"labels":["reserved:host"]},"destination":{"namespace":"shop","pod_name":"db-0"}}
{"verdict":"FORWARDED","l4":{"ICMPv4":{"type":8}},"IP":{"source":"10.1.0.9","destination":"10.1.0.7"},"source":{"namespace":"shop","pod_name":"web-7d9f6c5b8-bbbbb"},"destination":{"namespace":"shop","pod_name":"db-0"}}
{"verdict":"FORWARDED","l4":{"TCP":{"source_port":40000,"destination_port":80}},"source":{"namespace":"shop","pod_name":"gone-1"},"destination":{"namespace":"shop","pod_name":"db-0"}}
{"verdict":"TRANSLATED","l4":{"TCP":{"destination_port":80}},"IP":{"source":"10.1.0.9","destination":"10.96.0.7"}}
{"lost_events":{"source":"HUBBLE_RING_BUFFER","num_events_lost":"3"},"node_name":"n1"}
"#,
        expect![[r#"
            hubble, 2 passed over
            1: shop/Deployment/web -> shop/StatefulSet/db:5432/tcp x2
            3: shop/Deployment/web -> shop/StatefulSet/db:53/udp x1 refused
            5: shop/Deployment/web -> fqdn:api.example.com:443/tcp or Address(203.0.113.7) x1
            6: node:n1 -> shop/StatefulSet/db:5432/tcp x1
            7: shop/Deployment/web -> shop/StatefulSet/db:/icmp x1
            8: From unknown: no pod or workload of namespace `shop` is called `gone-1` or has its labels
        "#]],
    );
}

/// A packet as Hubble writes it where it does not know who opened the connection.
fn packet(from: (&str, u16), to: (&str, u16), rest: &str, verdict: &str) -> String {
    let ((from, from_port), (to, to_port)) = (from, to);
    format!(
        "{{\"verdict\":\"{verdict}\",\"l4\":{{\"TCP\":{{\"source_port\":{from_port},\
         \"destination_port\":{to_port}{rest}}}}},\
         \"IP\":{{\"source\":\"{from}\",\"destination\":\"{to}\"}}}}\n"
    )
}

#[test]
fn hubble_replies_that_do_not_say_so_are_no_connections_of_their_own() {
    let (web, db) = ("10.1.0.9", "10.1.0.7");
    let (ack, syn) = (r#","flags":{"ACK":true}"#, r#","flags":{"SYN":true}"#);
    let forwarded = "FORWARDED";
    // By the ports, in whatever order.
    let by_ports = [
        packet((db, 5432), (web, 40000), ack, forwarded),
        packet((web, 40000), (db, 5432), ack, forwarded),
        packet((db, 5432), (web, 40001), "", forwarded),
    ];
    check(
        &by_ports.concat(),
        expect![[r#"
            hubble, 0 passed over
            1: ip:10.1.0.9 -> shop/StatefulSet/db:5432/tcp x3
        "#]],
    );
    // By the packets before, where ports do not tell: servers listen on high ports, too.
    let by_history = [
        packet((web, 40000), (db, 50051), syn, forwarded),
        packet((db, 50051), (web, 40000), ack, forwarded),
        packet((web, 40000), (db, 50051), ack, forwarded),
        packet((web, 2049), (db, 40000), syn, forwarded),
        packet((web, 2049), (db, 40000), ack, forwarded),
        packet((db, 40000), (web, 2049), ack, forwarded),
    ];
    check(
        &by_history.concat(),
        expect![[r#"
            hubble, 0 passed over
            1: ip:10.1.0.9 -> shop/StatefulSet/db:50051/tcp x3
            4: ip:10.1.0.9 -> shop/StatefulSet/db:40000/tcp x3
        "#]],
    );
    // One that was lost says nothing of who may connect.
    check(
        &packet((db, 5432), (web, 40000), ack, "DROPPED"),
        expect![[r#"
            hubble, 1 passed over
        "#]],
    );
    // Two high ports: it may be a connection.
    check(
        &packet((web, 40000), (db, 50051), ack, forwarded),
        expect![[r#"
            hubble, 0 passed over
            1: ip:10.1.0.9 -> shop/StatefulSet/db:50051/tcp x1
        "#]],
    );
}

/// L-57: what is allowed may hang on the address that a name stood for.
#[test]
fn a_name_by_two_addresses_is_two_connections() {
    let to = |ip: &str| {
        format!(
            r#"{{"verdict":"FORWARDED","is_reply":false,"l4":{{"TCP":{{"source_port":40000,"destination_port":443}}}},"IP":{{"source":"10.1.0.9","destination":"{ip}"}},"source":{{"namespace":"shop","pod_name":"web-7d9f6c5b8-x2k4q"}},"destination_names":["api.example.com"]}}
"#
        )
    };
    check(
        &[to("203.0.113.7"), to("203.0.113.8"), to("203.0.113.7")].concat(),
        expect![[r#"
            hubble, 0 passed over
            1: shop/Deployment/web -> fqdn:api.example.com:443/tcp or Address(203.0.113.7) x2
            2: shop/Deployment/web -> fqdn:api.example.com:443/tcp or Address(203.0.113.8) x1
        "#]],
    );
}

#[test]
fn calico_flows_of_enterprise_are_counted_once_though_both_ends_report_them() {
    check(
        r#"{"start_time":1,"end_time":2,"source_ip":null,"source_name":"-","source_name_aggr":"web-7d9f6c5b8-*","source_namespace":"shop","source_port":null,"source_type":"wep","source_labels":{"labels":["app=web","pod-template-hash=7d9f6c5b8"]},"dest_ip":"10.1.0.7","dest_name":"db-0","dest_name_aggr":"db-*","dest_namespace":"shop","dest_port":5432,"dest_type":"wep","proto":"tcp","action":"allow","reporter":"src","num_flows":3}
{"source_ip":null,"source_name":"-","source_name_aggr":"web-7d9f6c5b8-*","source_namespace":"shop","source_type":"wep","dest_ip":"10.1.0.7","dest_name":"db-0","dest_name_aggr":"db-*","dest_namespace":"shop","dest_port":5432,"dest_type":"wep","proto":"tcp","action":"allow","reporter":"dst","num_flows":3}
{"source_name":"-","source_name_aggr":"web-*","source_namespace":"shop","source_type":"wep","dest_name":"-","dest_name_aggr":"db-*","dest_namespace":"shop","dest_port":22,"dest_type":"wep","proto":"6","action":"allow","reporter":"src","num_flows":2}
{"source_name":"-","source_name_aggr":"web-*","source_namespace":"shop","source_type":"wep","dest_name":"-","dest_name_aggr":"db-*","dest_namespace":"shop","dest_port":22,"dest_type":"wep","proto":"tcp","action":"deny","reporter":"dst","num_flows":2}
{"source_name":"-","source_name_aggr":"web-*","source_namespace":"shop","source_type":"wep","dest_ip":"203.0.113.9","dest_name":"-","dest_name_aggr":"pub","dest_namespace":"-","dest_port":443,"dest_type":"net","proto":"tcp","action":"allow","reporter":"src","num_flows":1}
{"source_name":"-","source_name_aggr":"web-*","source_namespace":"shop","source_type":"wep","dest_ip":null,"dest_name":"-","dest_name_aggr":"pub","dest_namespace":"-","dest_port":443,"dest_type":"net","proto":"tcp","action":"allow","reporter":"src","num_flows":1}
{"source_name":"-","source_name_aggr":"n1","source_namespace":"-","source_type":"hep","dest_name":"db-0","dest_namespace":"shop","dest_port":5432,"dest_type":"wep","proto":"tcp","action":"allow","reporter":"dst"}
{"source_name":"a","source_namespace":"shop","dest_name":"b","dest_namespace":"shop","dest_port":5432,"proto":"ipip","action":"allow","reporter":"dst"}
"#,
        expect![[r#"
            calico, 1 passed over
            1: shop/Deployment/web -> shop/StatefulSet/db:5432/tcp x3
            3: shop/Deployment/web -> shop/StatefulSet/db:22/tcp x2 refused
            5: shop/Deployment/web -> ip:203.0.113.9:443/tcp x1
            7: node:n1 -> shop/StatefulSet/db:5432/tcp x1
            6: To unknown: the log does not say which public address
        "#]],
    );
}

#[test]
fn calico_flows_of_whisker_and_goldmane_may_come_in_one_document() {
    check(
        r#"{
  "total": {"totalPages": 1},
  "items": [
    {"start_time": "2025-05-01T10:00:00Z", "action": "Allow", "source_name": "web-7d9f6c5b8-*",
     "source_namespace": "shop", "source_labels": "app=web | tier=front", "dest_name": "db-*",
     "dest_namespace": "shop", "dest_labels": "app=db", "protocol": "tcp", "dest_port": 5432,
     "reporter": "Src", "packets_in": 3},
    {"action": "Deny", "source_name": "web-*", "source_namespace": "shop",
     "dest_name": "PUBLIC NETWORK", "dest_namespace": "-", "protocol": "tcp", "dest_port": 80, "reporter": "Src"}
  ]
}"#,
        expect![[r#"
            calico, 0 passed over
            4: shop/Deployment/web -> shop/StatefulSet/db:5432/tcp x1
            8: To unknown: the log does not say which public address
        "#]],
    );
    check(
        r#"{"id":"1","flow":{"Key":{"sourceName":"web-7d9f6c5b8-*","sourceNamespace":"shop","sourceType":"WorkloadEndpoint","destName":"db-*","destNamespace":"shop","destType":"WorkloadEndpoint","destPort":"5432","proto":"tcp","reporter":"Dst","action":"Allow"},"sourceLabels":["app=web"],"numConnectionsStarted":"4"}}"#,
        expect![[r#"
            calico, 0 passed over
            1: shop/Deployment/web -> shop/StatefulSet/db:5432/tcp x4
        "#]],
    );
}

#[test]
fn conntrack_tells_what_was_dialled_and_what_answered() {
    check(
        "tcp      6 431999 ESTABLISHED src=10.1.0.9 dst=10.96.0.7 sport=40000 dport=5000 src=10.1.0.7 dst=10.1.0.9 sport=5432 dport=40000 [ASSURED] mark=0 use=1
ipv4     2 tcp      6 431999 ESTABLISHED src=10.1.0.9 dst=10.96.0.7 sport=40001 dport=5000 packets=3 bytes=9 src=10.1.0.7 dst=10.1.0.9 sport=5432 dport=40001 packets=1 bytes=3 [ASSURED] mark=0 zone=0 use=2
tcp      6 60 ESTABLISHED src=203.0.113.9 dst=192.0.2.1 sport=40000 dport=30000 src=10.1.0.7 dst=192.0.2.1 sport=5432 dport=12345 [ASSURED] use=1
udp      17 29 src=10.1.0.7 dst=203.0.113.53 sport=40000 dport=53 [UNREPLIED] src=203.0.113.53 dst=10.1.0.7 sport=53 dport=40000 use=1
 [NEW] icmp     1 30 src=10.1.0.7 dst=203.0.113.9 type=8 code=0 id=3 [UNREPLIED] src=203.0.113.9 dst=10.1.0.7 type=0 code=0 id=3
tcp      6 60 SYN_SENT src=10.1.0.7 dst=203.0.113.9 sport=40000 dport=443 [UNREPLIED] src=203.0.113.9 dst=10.1.0.7 sport=443 dport=40000 use=1
tcp      6 60 ESTABLISHED src=127.0.0.1 dst=127.0.0.1 sport=40000 dport=10257 src=127.0.0.1 dst=127.0.0.1 sport=10257 dport=40000 use=1
conntrack v1.4.8 (conntrack-tools): 7 flow entries have been shown.
",
        expect![[r#"
            conntrack, 2 passed over
            1: ip:10.1.0.9 -> shop/StatefulSet/db:5432/tcp by 10.96.0.7:5000 x2
            3: ip:203.0.113.9 -> shop/StatefulSet/db:5432/tcp by node port 30000 x1
            4: shop/StatefulSet/db -> ip:203.0.113.53:53/udp x1
            5: shop/StatefulSet/db -> ip:203.0.113.9:/icmp x1
        "#]],
    );
}

#[test]
fn tables_spell_ends_as_on_the_command_line() {
    check(
        "# flows of May
from,to,protocol,port,count,verdict
shop/web,shop/svc/db,tcp,5000,7,
shop/web,ip:203.0.113.9,udp,53,1,allowed
shop/web,fqdn:api.example.com,,443,,
ip:10.1.0.7,\"shop/label:app=web,tier=front\",,80/sctp,,denied
node:n1,ns:shop,icmp,,,
shop/wbe,shop/db,tcp,80,,
shop/web,cidr:10.0.0.0/8,tcp,80,,
shop/web,shop/svc/db,tcp,81,,
",
        expect![[r#"
            csv, 0 passed over
            3: shop/Deployment/web -> shop/StatefulSet/db:5432/tcp by 10.96.0.7:5000 x7
            4: shop/Deployment/web -> ip:203.0.113.9:53/udp x1
            5: shop/Deployment/web -> fqdn:api.example.com:443/tcp x1
            6: shop/StatefulSet/db -> shop/Deployment/web:80/sctp x1 refused
            7: node:n1 -> shop/StatefulSet/db:/icmp x1
            7: node:n1 -> shop/Deployment/web:/icmp x1
            8: From unknown: no pod or workload `wbe` in namespace `shop` (did you mean `web`?)
            9: To unknown: `cidr:10.0.0.0/8` means many addresses; a recorded flow is with one
            10: To unknown: nothing is behind port 81 of Service `shop/db`
        "#]],
    );
    check(
        "to;from;port\nshop/db;shop/web;5432\n",
        expect![[r#"
        csv, 0 passed over
        2: shop/Deployment/web -> shop/StatefulSet/db:5432/tcp x1
    "#]],
    );
}

#[test]
fn broken_lines_cost_themselves() {
    check(
        "from,to,protocol,port,cuont\n,shop/db,tcp,80\nshop/web,shop/db,tpc,80\nshop/web,shop/db,tcp,0\nshop/web,shop/db,tcp,80,x,y\nshop/web,shop/db,tcp,80\n",
        expect![[r#"
            csv, 0 passed over
            6: shop/Deployment/web -> shop/StatefulSet/db:80/tcp x1
            flows:1:1: no column is called `cuont` (did you mean `count`?)
            flows:2:1: expected `from` to name an endpoint, found nothing
            flows:3:1: expected `protocol` to be tcp, udp, sctp or icmp, found `tpc`
            flows:4:1: expected `port` to be a port from 1 to 65535, found `0`
            flows:5:1: expected 5 columns, found 6; a text with `,` in it needs quotes
        "#]],
    );
    check(
        "tcp 6 60 ESTABLISHED src=10.1.0.9 dst=10.1.0.7 sport=1 dport=2 src=10.1.0.7 dst=10.1.0.9 sport=2 dport=1
tcp 6 60 ESTABLISHED src=10.1.0.x dst=10.1.0.7 sport=1 dport=2
tcp 6 60 ESTABLISHED src=10.1.0.9 sport=1 dport=2
tcp 6 60 ESTABLISHED src=10.1.0.9 dst=10.1.0.7
something else
",
        expect![[r#"
            conntrack, 0 passed over
            1: ip:10.1.0.9 -> shop/StatefulSet/db:2/tcp x1
            flows:2:1: expected `src` to be an IP address, found `10.1.0.x`
            flows:3:1: expected the entry to have `src=` and `dst=`
            flows:4:1: expected the entry to have `dport=`
            flows:5:1: expected an entry of conntrack: `tcp 6 60 ESTABLISHED src=... dst=... sport=... dport=... src=...`
        "#]],
    );
    check(
        r#"{"verdict":"FORWARDED","l4":{"TCP":{"destination_port":80}},"IP":{"source":"10.1.0.9","destination":"10.1.0.7"}}
{"verdict":"FORWARDED","l4":{"TCP":{"destination_port":"x"}}}
{"verdict":"PASSED","l4":{"TCP":{"destination_port":80}}}
{"verdict":"FORWARDED","l4":{"TCP":{"destination_port":80}}
{"verdict":"FORWARDED","l4":{"TCP":{"destination_port":80}}}
{"verdict":"FORWARDED","l4":{"TCP":{"destination_port":80}},"IP":{"source":"10.1.0","destination":"10.1.0.7"}}
{"other": 1}
"#,
        expect![[r#"
            hubble, 0 passed over
            1: ip:10.1.0.9 -> shop/StatefulSet/db:80/tcp x1
            flows:2:56: expected `destination_port` to be a whole number, found `"x"`
            flows:3:12: expected `verdict` to be FORWARDED, DROPPED, AUDIT or REDIRECTED, found `PASSED`
            flows:4:60: expected a record in JSON: expected `,` or `}`
            flows:5:1: expected `source` and `destination`, or their addresses in `IP`
            flows:6:76: expected `source` to be an IP address, found `"10.1.0"`
            flows:7:1: expected a flow of Hubble, which has a `verdict`
        "#]],
    );
    check(
        "hello\n",
        expect![[r#"
        none, 0 passed over
        flows:1:1: expected flows of Hubble or Calico in JSON, of `conntrack -L`, or a table with the header `from,to,protocol,port`
    "#]],
    );
    check(
        " \n",
        expect![[r#"
        none, 0 passed over
        flows:2:1: no flows here: the file is empty
    "#]],
    );
}

#[test]
fn a_format_that_is_told_is_not_guessed() {
    let log = "tcp 6 60 ESTABLISHED src=10.1.0.9 dst=10.1.0.7 sport=1 dport=2 src=10.1.0.7 dst=10.1.0.9 sport=2 dport=1\n";
    expect![[r#"
        csv, 0 passed over
        flows:1:1: expected a header with a column `from`: from,to,protocol,port or more of them
    "#]]
    .assert_eq(&matched(log, Some(Format::Csv)));
}

#[test]
fn lines_that_say_the_same_are_one_record_however_many_there_are() {
    let mut log = String::new();
    for port in 10_000..20_000 {
        writeln!(
            log,
            "tcp 6 60 ESTABLISHED src=10.1.0.9 dst=10.1.0.7 sport={port} dport=5432 \
             src=10.1.0.7 dst=10.1.0.9 sport=5432 dport={port} [ASSURED]"
        )
        .unwrap();
    }
    let mut sources = Sources::new();
    let file = sources.add("flows", log.into()).unwrap();
    let recorded = read(&sources, file, None);
    assert_eq!(recorded.flows.len(), 1);
    assert_eq!(recorded.flows[0].times, 10_000);
    assert!(recorded.problems.is_empty());
}

#[test]
fn problems_are_counted_when_there_are_many() {
    let mut sources = Sources::new();
    let text = format!("from,to,port\n{}", "a,b,x\n".repeat(1000));
    let file = sources.add("flows", text.into()).unwrap();
    let recorded = read(&sources, file, None);
    assert_eq!(
        (recorded.problems.len(), recorded.more_problems),
        (100, 900)
    );
}

#[test]
fn names_are_told_where_policies_are_about_names() {
    let mut sample = Sample::on(CLUSTER, "cilium");
    let log = r#"{"verdict":"FORWARDED","l4":{"TCP":{"destination_port":80}},"IP":{"source":"10.1.0.9","destination":"203.0.113.7"},"destination_names":["b.example.com"]}"#;
    let file = sample.sources.add("flows", log.into()).unwrap();
    let recorded = read(&sample.sources, file, None);
    assert_eq!(names(&sample.world, &recorded), ["b.example.com"]);
    let without = Sample::new("{apiVersion: v1, kind: Namespace, metadata: {name: a}}");
    assert!(names(&without.world, &recorded).is_empty());
}

#[test]
fn anything_can_be_in_a_log() {
    let seeds = [
        r#"{"flow":{"verdict":"FORWARDED","IP":{"source":"10.1.0.9","destination":"10.1.0.7"},"l4":{"TCP":{"source_port":4,"destination_port":5432,"flags":{"SYN":true}}},"source":{"namespace":"shop","labels":["k8s:app=web"],"pod_name":"web-7d9f6c5b8-x2k4q","workloads":[{"name":"web"}]},"destination":{"pod_name":"db-0","namespace":"shop"},"is_reply":false},"node_name":"n1"}"#,
        r#"{"items":[{"action":"Allow","source_name":"web-*","source_namespace":"shop","source_labels":"app=web | b=c","dest_name":"db-*","dest_namespace":"shop","protocol":"tcp","dest_port":5432,"reporter":"Src"}]}"#,
        "tcp 6 9 ESTABLISHED src=10.1.0.9 dst=10.96.0.7 sport=4 dport=5 src=10.1.0.7 dst=10.1.0.9 sport=5 dport=4 [ASSURED] use=1\nicmp 1 3 src=1.1.1.1 dst=10.1.0.7 type=8 code=0",
        "from,to,protocol,port,count,verdict\n\"shop/web\",shop/svc/db,tcp,5000,7,allowed\nns:shop,fqdn:a.example,udp,53,,",
    ];
    let mut sample = Sample::on(CLUSTER, "cilium");
    let mut state = 7u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    for round in 0..4000 {
        let mut text: Vec<char> = seeds[round % seeds.len()].chars().collect();
        for _ in 0..=next(4) {
            let (at, with) = (next(text.len()), next(12));
            let odd = [
                '"', '{', ']', ',', '-', '0', '\n', 'é', '\u{0}', '=', '*', ':',
            ][with];
            match next(3) {
                0 => text[at] = odd,
                1 => text.insert(at, odd),
                _ => text.truncate(at.max(1)),
            }
        }
        let text: String = text.into_iter().collect();
        let file = sample.sources.add("log", text.clone().into()).unwrap();
        for format in [None, Some(Format::ALL[next(4)])] {
            let recorded = read(&sample.sources, file, format);
            for problem in &recorded.problems {
                let (start, end) = (problem.span.start as usize, problem.span.end as usize);
                assert!(text.get(start..end).is_some() && !problem.message.is_empty());
            }
            let matched = match_to(&sample.world, &recorded);
            let eval = sample.eval();
            for observed in matched.connections {
                let _ = eval.verdict(&observed.connection);
            }
        }
    }
}
