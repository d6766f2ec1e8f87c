//! Every format on a small world, and on names from strangers.

mod pictures;

use expect_test::expect;
use serde_json::Value;
use watertight_core::analysis::map::{By, Question, ReachMap};
use watertight_core::analysis::parties::Parties;
use watertight_core::engine::Profile;
use watertight_core::eval::Evaluator;
use watertight_core::eval::reach::Reach;
use watertight_core::manifest::{self, Options};
use watertight_core::policy::lower;
use watertight_core::report::reach::query;
use watertight_core::report::{ReachReport, reach_schema};
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume};

use super::*;

const WORLD: &str = r#"
{apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: web-0, namespace: shop, labels: {app: web}}, spec: {nodeName: n1, containers: [{name: c}]}, status: {phase: Running, podIP: 10.0.0.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: shop, labels: {app: db}}, spec: {nodeName: n1, containers: [{name: c}]}, status: {phase: Running, podIP: 10.0.0.2}}
---
{apiVersion: v1, kind: Pod, metadata: {name: agent, namespace: ops, labels: {app: agent}}, spec: {nodeName: n1, hostNetwork: true, containers: [{name: c}]}, status: {phase: Running, podIP: 192.0.2.1}}
---
{apiVersion: v1, kind: Pod, metadata: {name: job, namespace: ops, labels: {app: job}}, spec: {containers: [{name: c}]}, status: {phase: Running, podIP: 10.0.1.1, podIPs: [{ip: 10.0.1.1}, {ip: "fd00::1"}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: six, namespace: ops, labels: {app: six}}, spec: {containers: [{name: c}]}, status: {phase: Running, podIP: 10.0.1.2, podIPs: [{ip: 10.0.1.2}, {ip: "fd00::2"}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: 10.96.0.7, selector: {app: db}, ports: [{port: 80, targetPort: 5432}, {port: 81, targetPort: 1}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: db, namespace: shop}, spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}, {namespaceSelector: {}, podSelector: {matchLabels: {app: agent}}}], ports: [{port: 5432}]}], egress: [{to: [{ipBlock: {cidr: 203.0.113.0/24}}]}]}}
---
{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: six, namespace: ops}, spec: {podSelector: {matchLabels: {app: six}}, ingress: [{from: [{ipBlock: {cidr: 10.0.1.0/24}}], ports: [{port: 80, endPort: 90}]}]}}
"#;

/// Prints a map; `ends` are from and to.
fn prints(
    yaml: &str,
    ends: (Option<&str>, Option<&str>),
    by: By,
    print: impl FnOnce(&Rendering<'_, '_>) -> String,
) -> String {
    let mut sources = Sources::new();
    sources.add("t.yaml", yaml.into()).unwrap();
    let loaded = manifest::load(&sources, &Options::default());
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    let (world, _) = world::build(&sources, &loaded.objects, &assume);
    let profile = Profile::reference();
    let ruleset = lower(&world, &profile);
    let eval = Evaluator::new(&world, &ruleset, profile.switches);
    let reach = Reach::new(&eval);
    let parties = Parties::new(&world, None);
    let select = |text: Option<&str>| text.map(|text| parties.select(text).unwrap());
    let (from, to) = (select(ends.0), select(ends.1));
    let question = Question {
        by,
        from: from.as_ref(),
        to: to.as_ref(),
        ports: Vec::new(),
    };
    let map = ReachMap::new(&eval, &reach, &profile, &[], &question).unwrap();
    let asked = query(by, ends.0, ends.1, &[]);
    print(&Rendering {
        reporter: Reporter {
            map: &map,
            world: &world,
            sources: &sources,
            profile: &profile,
            query: &asked,
        },
        problems: &[],
        complete: true,
        width: 100,
        matrix: false,
        external: false,
        on_terminal: false,
        written: Written::default(),
    })
}

fn written(rendering: &Rendering<'_, '_>, format: ReachFormat) -> String {
    let mut out = Vec::new();
    rendering.render(format, false, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn of(format: ReachFormat) -> String {
    prints(WORLD, (None, None), By::Pod, |rendering| {
        written(rendering, format)
    })
}

#[test]
fn what_is_streamed_is_the_report() {
    let schema = reach_schema().to_value();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let ends = [
        (None, None),
        (Some("shop/web-0"), None),
        (None, Some("ns:shop")),
        (None, Some("shop/svc/db")),
        (None, Some("world")),
        (Some("cidr:203.0.113.0/25"), None),
    ];
    for ends in ends {
        for by in [By::Pod, By::Workload, By::Namespace] {
            prints(WORLD, ends, by, |rendering| {
                let report: &ReachReport = rendering.report();
                let whole = serde_json::to_value(report).unwrap();
                let streamed = written(rendering, ReachFormat::Json);
                let streamed: Value = serde_json::from_str(&streamed).unwrap();
                assert_eq!(streamed, whole, "{ends:?}");
                let errors: Vec<_> = validator
                    .iter_errors(&whole)
                    .map(|e| e.to_string())
                    .collect();
                assert_eq!(errors, Vec::<String>::new());
                String::new()
            });
        }
    }
}

/// Two maps can be compared line by line.
#[test]
fn json_has_a_line_for_each_unit_and_connection() {
    let text = of(ReachFormat::Json);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("{\""))
        .collect();
    let (units, rest): (Vec<&str>, Vec<&str>) =
        lines.iter().partition(|line| line.starts_with("{\"name\""));
    expect![[r#"
        {"name":"ops/Pod/agent","kind":"pod","pods":1,"hostNetwork":1,"ingress":"open","egress":"open"},
        {"name":"ops/Pod/job","kind":"pod","pods":1,"ingress":"open","egress":"open"},
        {"name":"ops/Pod/six","kind":"pod","pods":1,"ingress":"isolated","egress":"open"},
        {"name":"shop/Pod/db","kind":"pod","pods":1,"ingress":"isolated","egress":"isolated"},
        {"name":"shop/Pod/web-0","kind":"pod","pods":1,"ingress":"open","egress":"open"},
        {"name":"node:n1","kind":"node","nodes":1,"ingress":"open","egress":"open"}],"#]].assert_eq(&units.join("\n"));
    expect![[r#"
        {"id":"M-3","text":"2 namespaces are used without an object (ops and shop): taken to have only the name label"},
        {"id":"K-61","text":"ICMP has no ports and is no part of the map: `watertight explain 'A -> B:icmp'` answers it"}],
        {"from":"ops/Pod/agent","to":["ops/Pod/job","shop/Pod/db","shop/Pod/web-0","node:n1"],"ports":[{"protocol":"any","first":1,"last":65535,"verdict":"allow"}]},
        {"from":"ops/Pod/job","to":["ops/Pod/agent","shop/Pod/web-0","node:n1"],"ports":[{"protocol":"any","first":1,"last":65535,"verdict":"allow"}]},
        {"from":"ops/Pod/job","to":["ops/Pod/six"],"ports":[{"protocol":"tcp","first":80,"last":90,"verdict":"allow"}],"ipv6":[]},
        {"from":"ops/Pod/six","to":["ops/Pod/agent","ops/Pod/job","shop/Pod/web-0","node:n1"],"ports":[{"protocol":"any","first":1,"last":65535,"verdict":"allow"}]},
        {"from":"shop/Pod/db","to":["ops/Pod/agent","node:n1"],"ports":[{"protocol":"any","first":1,"last":65535,"verdict":"uncertain","why":"K-73"}]},
        {"from":"shop/Pod/web-0","to":["ops/Pod/agent","ops/Pod/job","node:n1"],"ports":[{"protocol":"any","first":1,"last":65535,"verdict":"allow"}]},
        {"from":"shop/Pod/web-0","to":["shop/Pod/db"],"ports":[{"protocol":"tcp","first":5432,"last":5432,"verdict":"allow"}]},
        {"from":"node:n1","to":["ops/Pod/agent","ops/Pod/job","shop/Pod/db","shop/Pod/web-0"],"ports":[{"protocol":"any","first":1,"last":65535,"verdict":"allow"}]}],
        {"direction":"egress","units":["ops/Pod/agent","shop/Pod/web-0"],"ranges":[{"addresses":["0.0.0.0/0"],"ports":[{"protocol":"any","first":1,"last":65535,"verdict":"allow"}],"metadata":["100.100.100.200","168.63.129.16","169.254.0.23","169.254.42.42","169.254.169.252","169.254.169.254","169.254.170.2","169.254.170.23","192.0.0.192"]}]},
        {"direction":"egress","units":["ops/Pod/job","ops/Pod/six"],"ranges":[{"addresses":["0.0.0.0/0","::/0"],"ports":[{"protocol":"any","first":1,"last":65535,"verdict":"allow"}],"metadata":["100.100.100.200","168.63.129.16","169.254.0.23","169.254.42.42","169.254.169.252","169.254.169.254","169.254.170.2","169.254.170.23","192.0.0.192","fd00:42::42","fd00:c1::a9fe:a9fe","fd00:ec2::23","fd00:ec2::254","fd00:a9fe:a9fe::1","fd20:ce::254"]}]},
        {"direction":"egress","units":["shop/Pod/db"],"ranges":[{"addresses":["203.0.113.0/24"],"ports":[{"protocol":"any","first":1,"last":65535,"verdict":"allow"}]}]},
        {"direction":"ingress","units":["ops/Pod/agent","shop/Pod/web-0"],"ranges":[{"addresses":["0.0.0.0/0"],"ports":[{"protocol":"any","first":1,"last":65535,"verdict":"allow"}]}]},
        {"direction":"ingress","units":["ops/Pod/job"],"ranges":[{"addresses":["0.0.0.0/0","::/0"],"ports":[{"protocol":"any","first":1,"last":65535,"verdict":"allow"}]}]},
        {"direction":"ingress","units":["ops/Pod/six"],"ranges":[{"addresses":["10.0.1.0/24"],"ports":[{"protocol":"tcp","first":80,"last":90,"verdict":"allow"}]}]}]"#]].assert_eq(&rest.join("\n"));
}

#[test]
fn a_service_is_said_with_its_backends() {
    let text = prints(
        WORLD,
        (None, Some("shop/svc/db")),
        By::Workload,
        |rendering| {
            let report = rendering.report();
            let ports = serde_json::to_string(&report.service).unwrap();
            format!("{ports}\n{}", written(rendering, ReachFormat::Table))
        },
    );
    expect![[r#"
        [{"protocol":"tcp","port":80,"backends":["shop/Pod/db:5432"]},{"protocol":"tcp","port":81,"backends":["shop/Pod/db:1"]}]
        FROM               TO            PORTS
        ops/agent, nodes   shop/svc/db   80-81/tcp
        shop/db            shop/svc/db   80-81/tcp?
        shop/web-0         shop/svc/db   80/tcp
        ? uncertain (K-76): engines differ on a pod that reaches itself through a Service: name yours with
        --engine
    "#]].assert_eq(&text);
}

#[test]
fn the_table() {
    expect![[r#"
        No policy restricts whom these connect to: ops/*, shop/web-0, node:n1
        No policy restricts who connects to these: ops/agent, ops/job, shop/web-0, node:n1
        Each of the former reaches each of the latter on all ports; the rest:

        FROM                    TO                      PORTS
        ops/agent, node:n1      shop/db                 all
        ops/job                 ops/six                 80-90/tcp; IPv6: none
        shop/db                 ops/agent, node:n1      all?
        shop/web-0              shop/db                 5432/tcp
        ops/agent, shop/web-0   world (IPv4)            all
        ops/job, ops/six        world                   all
        shop/db                 203.0.113.0/24          all
        world (IPv4)            ops/agent, shop/web-0   all
        world                   ops/job                 all
        10.0.1.0/24             ops/six                 80-90/tcp
        ? uncertain (K-73): engines differ on what a pod sends to its own node: name yours with --engine
    "#]].assert_eq(&of(ReachFormat::Table));
}

#[test]
fn comma_separated_values() {
    expect![[r#"
        from,to,protocol,first,last,verdict,some,why,family,conditional
        ops/Pod/agent,ops/Pod/job,any,1,65535,allow,false,,,false
        ops/Pod/agent,shop/Pod/db,any,1,65535,allow,false,,,false
        ops/Pod/agent,shop/Pod/web-0,any,1,65535,allow,false,,,false
        ops/Pod/agent,node:n1,any,1,65535,allow,false,,,false
        ops/Pod/job,ops/Pod/agent,any,1,65535,allow,false,,,false
        ops/Pod/job,shop/Pod/web-0,any,1,65535,allow,false,,,false
        ops/Pod/job,node:n1,any,1,65535,allow,false,,,false
        ops/Pod/job,ops/Pod/six,tcp,80,90,allow,false,,ipv4,false
        ops/Pod/six,ops/Pod/agent,any,1,65535,allow,false,,,false
        ops/Pod/six,ops/Pod/job,any,1,65535,allow,false,,,false
        ops/Pod/six,shop/Pod/web-0,any,1,65535,allow,false,,,false
        ops/Pod/six,node:n1,any,1,65535,allow,false,,,false
        shop/Pod/db,ops/Pod/agent,any,1,65535,uncertain,false,K-73,,false
        shop/Pod/db,node:n1,any,1,65535,uncertain,false,K-73,,false
        shop/Pod/web-0,ops/Pod/agent,any,1,65535,allow,false,,,false
        shop/Pod/web-0,ops/Pod/job,any,1,65535,allow,false,,,false
        shop/Pod/web-0,node:n1,any,1,65535,allow,false,,,false
        shop/Pod/web-0,shop/Pod/db,tcp,5432,5432,allow,false,,,false
        node:n1,ops/Pod/agent,any,1,65535,allow,false,,,false
        node:n1,ops/Pod/job,any,1,65535,allow,false,,,false
        node:n1,shop/Pod/db,any,1,65535,allow,false,,,false
        node:n1,shop/Pod/web-0,any,1,65535,allow,false,,,false
        ops/Pod/agent,0.0.0.0/0,any,1,65535,allow,false,,,false
        shop/Pod/web-0,0.0.0.0/0,any,1,65535,allow,false,,,false
        ops/Pod/job,0.0.0.0/0,any,1,65535,allow,false,,,false
        ops/Pod/job,::/0,any,1,65535,allow,false,,,false
        ops/Pod/six,0.0.0.0/0,any,1,65535,allow,false,,,false
        ops/Pod/six,::/0,any,1,65535,allow,false,,,false
        shop/Pod/db,203.0.113.0/24,any,1,65535,allow,false,,,false
        0.0.0.0/0,ops/Pod/agent,any,1,65535,allow,false,,,false
        0.0.0.0/0,shop/Pod/web-0,any,1,65535,allow,false,,,false
        0.0.0.0/0,ops/Pod/job,any,1,65535,allow,false,,,false
        ::/0,ops/Pod/job,any,1,65535,allow,false,,,false
        10.0.1.0/24,ops/Pod/six,tcp,80,90,allow,false,,,false
    "#]]
    .assert_eq(&of(ReachFormat::Csv).replace("\r\n", "\n"));
}

#[test]
fn graphs() {
    expect![[r##"
        digraph reach {
          rankdir=LR; fontname="Helvetica"; compound=true; newrank=true;
          node [shape=box, style="rounded,filled", fillcolor="#ffffff", fontname="Helvetica", fontsize=11];
          edge [fontname="Helvetica", fontsize=9, color="#555555"];
          labelloc=b; fontsize=10; label="bold border: no policy restricts whom it connects to; filled: no policy restricts who connects to it.\nEach bold one reaches each filled one on all ports: such edges are not drawn.";
          n5 [label="node:n1", penwidth=2.5, fillcolor="#f8d7da"];
          subgraph "cluster_ops" {
            label="ops"; style=rounded; color="#999999";
            n0 [label="agent", penwidth=2.5, fillcolor="#f8d7da"];
            n1 [label="job", penwidth=2.5, fillcolor="#f8d7da"];
            n2 [label="six", penwidth=2.5];
          }
          subgraph "cluster_shop" {
            label="shop"; style=rounded; color="#999999";
            n3 [label="db"];
            n4 [label="web-0", penwidth=2.5, fillcolor="#f8d7da"];
          }
          world [label="world", shape=ellipse, fillcolor="#e2e3e5"];
          n0 -> n3 [label="all", color="#b02a37"];
          n1 -> n2 [label="80-90/tcp; IPv6: none"];
          n3 -> n0 [label="all?", style=dashed];
          n3 -> n5 [label="all?", style=dashed];
          n4 -> n3 [label="5432/tcp"];
          n5 -> n3 [label="all", color="#b02a37"];
          n3 -> world [label="203.0.113.0/24: all"];
          world -> n2 [label="10.0.1.0/24: 80-90/tcp"];
        }
    "##]].assert_eq(&of(ReachFormat::Dot));
    expect![[r#"
        flowchart LR
          %% Thick border: no policy restricts whom it connects to; filled: no policy restricts who
          %% connects to it. Each thick one reaches each filled one on all ports: not drawn.
          n5["node:n1"]
          subgraph s1["ops"]
            n0["agent"]
            n1["job"]
            n2["six"]
          end
          subgraph s2["shop"]
            n3["db"]
            n4["web-0"]
          end
          world([world])
          n0 ==>|"all"| n3
          n1 -->|"80-90/tcp#59; IPv6: none"| n2
          n3 -.->|"all?"| n0
          n3 -.->|"all?"| n5
          n4 -->|"5432/tcp"| n3
          n5 ==>|"all"| n3
          n3 -->|"203.0.113.0/24: all"| world
          world -->|"10.0.1.0/24: 80-90/tcp"| n2
          classDef sends stroke-width:3px
          classDef takes fill:#f8d7da,color:#000
          class n5,n0,n1,n2,n4 sends
          class n5,n0,n1,n4 takes
    "#]]
    .assert_eq(&of(ReachFormat::Mermaid));
}

#[test]
fn markdown_and_its_matrix() {
    expect![[r#"
        No policy restricts whom these connect to: ops/\*, shop/web-0, node:n1

        No policy restricts who connects to these: ops/agent, ops/job, shop/web-0, node:n1

        Each of the former reaches each of the latter on all ports; the rest:

        | from | to | ports |
        |---|---|---|
        | ops/agent, node:n1 | shop/db | all |
        | ops/job | ops/six | 80-90/tcp; IPv6: none |
        | shop/db | ops/agent, node:n1 | all? |
        | shop/web-0 | shop/db | 5432/tcp |
        | ops/agent, shop/web-0 | world (IPv4) | all |
        | ops/job, ops/six | world | all |
        | shop/db | 203.0.113.0/24 | all |
        | world (IPv4) | ops/agent, shop/web-0 | all |
        | world | ops/job | all |
        | 10.0.1.0/24 | ops/six | 80-90/tcp |

        - ? uncertain (K-73): engines differ on what a pod sends to its own node: name yours with --engine
    "#]].assert_eq(&of(ReachFormat::Markdown));
    let matrix = prints(WORLD, (None, None), By::Pod, |rendering| {
        let mut out = Vec::new();
        let view = View::new(rendering.report(), rendering.reporter.map);
        markdown::matrix(&view, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    });
    expect![[r#"
        | from \ to | ops/agent | ops/job | ops/six | shop/db | shop/web-0 | node:n1 | world |
        |---|:-:|:-:|:-:|:-:|:-:|:-:|:-:|
        | ops/agent | | `#` | `.` | `#` | `#` | `#` | `#` |
        | ops/job | `#` | | `+` | `.` | `#` | `#` | `#` |
        | ops/six | `#` | `#` | | `.` | `#` | `#` | `#` |
        | shop/db | `?` | `.` | `.` | | `.` | `?` | `+` |
        | shop/web-0 | `#` | `#` | `.` | `+` | | `#` | `#` |
        | node:n1 | `#` | `#` | `.` | `#` | `#` | | `.` |
        | world | `#` | `#` | `+` | `.` | `#` | `.` | |

        `#` all ports, `+` some ports or pods, `?` uncertain, `.` nothing
    "#]]
    .assert_eq(&matrix);
}

/// Names that the API refuses stay out; labels of what is left are escaped all the same.
#[test]
fn text_is_nothing_but_text() {
    let evil = "a\"b<script>|*_[x](y)#&;`\\\u{1b}[31m";
    assert_eq!(
        page::escaped(evil),
        "a&quot;b&lt;script&gt;|*_[x](y)#&amp;;`\\\u{fffd}[31m"
    );
    assert_eq!(csv::field("=1+1"), "\"'=1+1\"");
    assert_eq!(csv::field("a,\"b\""), "\"a,\"\"b\"\"\"");
    assert_eq!(
        dot::quoted(evil),
        "\"a\\\"b<script>|*_[x](y)#&;`\\\\\u{241b}[31m\""
    );
    expect![[r#""a#34;b#60;script#62;|*_[x](y)#35;#38;#59;#96;#92;␛[31m""#]]
        .assert_eq(&mermaid::quoted(evil));
    expect![[r#"a"b\<script\>\|\*\_\[x\](y)\#\&;\`\\␛\[31m"#]].assert_eq(&markdown::escaped(evil));
}

/// The words of ports say the plainest first, and the rest of what is left.
#[test]
fn ports_in_words() {
    use watertight_core::report::reach::ReachPorts;
    let port = |protocol: &str, first, last, some, why: Option<&str>| ReachPorts {
        protocol: protocol.into(),
        first,
        last,
        verdict: if why.is_some() { "uncertain" } else { "allow" }.into(),
        some,
        conditional: false,
        why: why.map(Into::into),
    };
    let whole = (1, u16::MAX);
    let told = |ports: &[ReachPorts]| words::ports(ports);
    assert_eq!(told(&[port("any", whole.0, whole.1, false, None)]), "all");
    assert_eq!(
        told(&[port("any", whole.0, whole.1, true, Some("K-72"))]),
        "all*?"
    );
    assert_eq!(
        told(&[
            port("tcp", 80, 80, false, None),
            port("tcp", 81, 90, true, None)
        ]),
        "80/tcp, 80-90/tcp*"
    );
    assert_eq!(
        told(&[
            port("tcp", 1, 79, true, None),
            port("tcp", 80, 80, false, None),
            port("tcp", 81, u16::MAX, true, None),
            port("udp", 53, 53, false, Some("M-1")),
        ]),
        "80/tcp, all tcp*, 53/udp?"
    );
}

/// The outside in words, as far as they are fewer than ranges.
#[test]
fn addresses_in_words() {
    use watertight_core::report::reach::ReachRange;
    let told = |addresses: &[&str]| {
        words::addresses(&ReachRange {
            addresses: addresses.iter().map(|text| (*text).to_owned()).collect(),
            ports: Vec::new(),
            names: Vec::new(),
            metadata: Vec::new(),
        })
    };
    assert_eq!(told(&["0.0.0.0/0", "::/0"]).unwrap(), "world");
    assert_eq!(told(&["0.0.0.0/0"]).unwrap(), "world (IPv4)");
    assert_eq!(
        told(&["0.0.0.0-9.255.255.255", "11.0.0.0-255.255.255.255", "::/0"]).unwrap(),
        "world (IPv4) except 10.0.0.0/8, world (IPv6)"
    );
    assert_eq!(
        told(&["10.0.0.1/32", "fd00::1/128"]).unwrap(),
        "10.0.0.1, fd00::1"
    );
    assert_eq!(
        told(&["1.0.0.0/8", "3.0.0.0/8", "5.0.0.0/8", "7.0.0.0/8"]),
        None
    );
}

#[test]
fn a_map_that_is_too_large_for_a_format_is_refused() {
    let pods: Vec<String> = (0..120)
        .map(|n| format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p{n}, namespace: shop}}, spec: {{containers: [{{name: c}}]}}}}\n"))
        .collect();
    let text = prints(&pods.join("---\n"), (None, None), By::Pod, |rendering| {
        assert!(rendering.fits(ReachFormat::Json).is_ok());
        assert!(rendering.fits(ReachFormat::Html).is_ok());
        rendering.fits(ReachFormat::Mermaid).unwrap_err()
    });
    expect!["120 sources and 120 destinations are too many for this format; use --by namespace, --from, --to or -o json"].assert_eq(&text);
}
