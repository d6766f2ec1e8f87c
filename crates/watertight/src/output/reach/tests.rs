//! Every format on a small world, and on names from strangers.

use expect_test::expect;
use serde_json::Value;
use watertight_core::analysis::map::{By, Question, ReachMap};
use watertight_core::analysis::parties::Parties;
use watertight_core::engine::Profile;
use watertight_core::eval::Evaluator;
use watertight_core::eval::reach::Reach;
use watertight_core::manifest::{self, Options};
use watertight_core::policy::lower_kubernetes;
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
    let ruleset = lower_kubernetes(&world, &profile.switches);
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
        shop/Pod/db        shop/svc/db   80-81/tcp?
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
        from,to,protocol,first,last,verdict,some,why,family
        ops/Pod/agent,ops/Pod/job,any,1,65535,allow,false,,
        ops/Pod/agent,shop/Pod/db,any,1,65535,allow,false,,
        ops/Pod/agent,shop/Pod/web-0,any,1,65535,allow,false,,
        ops/Pod/agent,node:n1,any,1,65535,allow,false,,
        ops/Pod/job,ops/Pod/agent,any,1,65535,allow,false,,
        ops/Pod/job,shop/Pod/web-0,any,1,65535,allow,false,,
        ops/Pod/job,node:n1,any,1,65535,allow,false,,
        ops/Pod/job,ops/Pod/six,tcp,80,90,allow,false,,ipv4
        ops/Pod/six,ops/Pod/agent,any,1,65535,allow,false,,
        ops/Pod/six,ops/Pod/job,any,1,65535,allow,false,,
        ops/Pod/six,shop/Pod/web-0,any,1,65535,allow,false,,
        ops/Pod/six,node:n1,any,1,65535,allow,false,,
        shop/Pod/db,ops/Pod/agent,any,1,65535,uncertain,false,K-73,
        shop/Pod/db,node:n1,any,1,65535,uncertain,false,K-73,
        shop/Pod/web-0,ops/Pod/agent,any,1,65535,allow,false,,
        shop/Pod/web-0,ops/Pod/job,any,1,65535,allow,false,,
        shop/Pod/web-0,node:n1,any,1,65535,allow,false,,
        shop/Pod/web-0,shop/Pod/db,tcp,5432,5432,allow,false,,
        node:n1,ops/Pod/agent,any,1,65535,allow,false,,
        node:n1,ops/Pod/job,any,1,65535,allow,false,,
        node:n1,shop/Pod/db,any,1,65535,allow,false,,
        node:n1,shop/Pod/web-0,any,1,65535,allow,false,,
        ops/Pod/agent,ip:0.0.0.0/0,any,1,65535,allow,false,,
        shop/Pod/web-0,ip:0.0.0.0/0,any,1,65535,allow,false,,
        ops/Pod/job,ip:0.0.0.0/0,any,1,65535,allow,false,,
        ops/Pod/job,ip:::/0,any,1,65535,allow,false,,
        ops/Pod/six,ip:0.0.0.0/0,any,1,65535,allow,false,,
        ops/Pod/six,ip:::/0,any,1,65535,allow,false,,
        shop/Pod/db,ip:203.0.113.0/24,any,1,65535,allow,false,,
        ip:0.0.0.0/0,ops/Pod/agent,any,1,65535,allow,false,,
        ip:0.0.0.0/0,shop/Pod/web-0,any,1,65535,allow,false,,
        ip:0.0.0.0/0,ops/Pod/job,any,1,65535,allow,false,,
        ip:::/0,ops/Pod/job,any,1,65535,allow,false,,
        ip:10.0.1.0/24,ops/Pod/six,tcp,80,90,allow,false,,
    "#]].assert_eq(&of(ReachFormat::Csv).replace("\r\n", "\n"));
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
    "#]].assert_eq(&of(ReachFormat::Mermaid));
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
        | ops/agent | `.` | `#` | `.` | `#` | `#` | `#` | `+` |
        | ops/job | `#` | `.` | `+` | `.` | `#` | `#` | `#` |
        | ops/six | `#` | `#` | `.` | `.` | `#` | `#` | `#` |
        | shop/db | `?` | `.` | `.` | `.` | `.` | `?` | `+` |
        | shop/web-0 | `#` | `#` | `.` | `+` | `.` | `#` | `+` |
        | node:n1 | `#` | `#` | `.` | `#` | `#` | `.` | `.` |
        | world | `+` | `#` | `+` | `.` | `+` | `.` | |

        `#` all ports, `+` some ports or pods, `?` uncertain, `.` nothing
    "#]].assert_eq(&matrix);
}

/// Text of the cells and rows of a picture or page, without its style.
fn body(text: &str) -> String {
    let (_, rest) = text.split_once("</style>").unwrap();
    rest.split("<script>").next().unwrap().trim().to_owned()
}

#[test]
fn the_picture() {
    let text = of(ReachFormat::Svg);
    assert!(!text.contains("<script"));
    expect![[r#"
        <rect class="page" width="586" height="438"/>
        <text class="h" x="24" y="40">Who can reach whom</text>
        <text class="f" x="24" y="60">Rows connect to columns; engine: the reference semantics</text>
        <text transform="translate(153 132) rotate(-45)"><tspan class="n">ops</tspan> agent</text>
        <text transform="translate(211 132) rotate(-45)">job</text>
        <text transform="translate(269 132) rotate(-45)">six</text>
        <text transform="translate(327 132) rotate(-45)"><tspan class="n">shop</tspan> db</text>
        <text transform="translate(385 132) rotate(-45)">web-0</text>
        <text transform="translate(443 132) rotate(-45)">node:n1</text>
        <text transform="translate(501 132) rotate(-45)">world</text>
        <text class="n" x="24" y="156">ops</text>
        <text x="116" y="156" text-anchor="end">agent</text>
        <text x="116" y="180" text-anchor="end">job</text>
        <text x="116" y="204" text-anchor="end">six</text>
        <line x1="24" y1="211" x2="124" y2="211"/>
        <text class="n" x="24" y="228">shop</text>
        <text x="116" y="228" text-anchor="end">db</text>
        <text x="116" y="252" text-anchor="end">web-0</text>
        <line x1="24" y1="259" x2="124" y2="259"/>
        <text x="116" y="276" text-anchor="end">node:n1</text>
        <line x1="24" y1="283" x2="124" y2="283"/>
        <text x="116" y="300" text-anchor="end">world</text>
        <g><title>ops/agent → ops/agent: nothing</title><rect class="denied" x="124" y="140" width="57" height="23" rx="3"/></g>
        <g><title>ops/agent → ops/job: all</title><rect class="open" x="182" y="140" width="57" height="23" rx="3"/><text class="c t-open" x="211" y="156">all</text></g>
        <g><title>ops/agent → ops/six: nothing</title><rect class="denied" x="240" y="140" width="57" height="23" rx="3"/></g>
        <g><title>ops/agent → shop/db: all</title><rect class="open" x="298" y="140" width="57" height="23" rx="3"/><text class="c t-open" x="327" y="156">all</text></g>
        <g><title>ops/agent → shop/web-0: all</title><rect class="open" x="356" y="140" width="57" height="23" rx="3"/><text class="c t-open" x="385" y="156">all</text></g>
        <g><title>ops/agent → node:n1: all</title><rect class="open" x="414" y="140" width="57" height="23" rx="3"/><text class="c t-open" x="443" y="156">all</text></g>
        <g><title>ops/agent → world: world (IPv4): all</title><rect class="part" x="472" y="140" width="57" height="23" rx="3"/><text class="c t-part" x="501" y="156">part</text></g>
        <g><title>ops/job → ops/agent: all</title><rect class="open" x="124" y="164" width="57" height="23" rx="3"/><text class="c t-open" x="153" y="180">all</text></g>
        <g><title>ops/job → ops/job: nothing</title><rect class="denied" x="182" y="164" width="57" height="23" rx="3"/></g>
        <g><title>ops/job → ops/six: 80-90/tcp; IPv6: none</title><rect class="part" x="240" y="164" width="57" height="23" rx="3"/><text class="c t-part" x="269" y="180">80-90</text></g>
        <g><title>ops/job → shop/db: nothing</title><rect class="denied" x="298" y="164" width="57" height="23" rx="3"/></g>
        <g><title>ops/job → shop/web-0: all</title><rect class="open" x="356" y="164" width="57" height="23" rx="3"/><text class="c t-open" x="385" y="180">all</text></g>
        <g><title>ops/job → node:n1: all</title><rect class="open" x="414" y="164" width="57" height="23" rx="3"/><text class="c t-open" x="443" y="180">all</text></g>
        <g><title>ops/job → world: world: all</title><rect class="open" x="472" y="164" width="57" height="23" rx="3"/><text class="c t-open" x="501" y="180">all</text></g>
        <g><title>ops/six → ops/agent: all</title><rect class="open" x="124" y="188" width="57" height="23" rx="3"/><text class="c t-open" x="153" y="204">all</text></g>
        <g><title>ops/six → ops/job: all</title><rect class="open" x="182" y="188" width="57" height="23" rx="3"/><text class="c t-open" x="211" y="204">all</text></g>
        <g><title>ops/six → ops/six: nothing</title><rect class="denied" x="240" y="188" width="57" height="23" rx="3"/></g>
        <g><title>ops/six → shop/db: nothing</title><rect class="denied" x="298" y="188" width="57" height="23" rx="3"/></g>
        <g><title>ops/six → shop/web-0: all</title><rect class="open" x="356" y="188" width="57" height="23" rx="3"/><text class="c t-open" x="385" y="204">all</text></g>
        <g><title>ops/six → node:n1: all</title><rect class="open" x="414" y="188" width="57" height="23" rx="3"/><text class="c t-open" x="443" y="204">all</text></g>
        <g><title>ops/six → world: world: all</title><rect class="open" x="472" y="188" width="57" height="23" rx="3"/><text class="c t-open" x="501" y="204">all</text></g>
        <g><title>shop/db → ops/agent: all?</title><rect class="uncertain" x="124" y="212" width="57" height="23" rx="3"/><text class="c t-uncertain" x="153" y="228">all?</text></g>
        <g><title>shop/db → ops/job: nothing</title><rect class="denied" x="182" y="212" width="57" height="23" rx="3"/></g>
        <g><title>shop/db → ops/six: nothing</title><rect class="denied" x="240" y="212" width="57" height="23" rx="3"/></g>
        <g><title>shop/db → shop/db: nothing</title><rect class="denied" x="298" y="212" width="57" height="23" rx="3"/></g>
        <g><title>shop/db → shop/web-0: nothing</title><rect class="denied" x="356" y="212" width="57" height="23" rx="3"/></g>
        <g><title>shop/db → node:n1: all?</title><rect class="uncertain" x="414" y="212" width="57" height="23" rx="3"/><text class="c t-uncertain" x="443" y="228">all?</text></g>
        <g><title>shop/db → world: 203.0.113.0/24: all</title><rect class="part" x="472" y="212" width="57" height="23" rx="3"/><text class="c t-part" x="501" y="228">part</text></g>
        <g><title>shop/web-0 → ops/agent: all</title><rect class="open" x="124" y="236" width="57" height="23" rx="3"/><text class="c t-open" x="153" y="252">all</text></g>
        <g><title>shop/web-0 → ops/job: all</title><rect class="open" x="182" y="236" width="57" height="23" rx="3"/><text class="c t-open" x="211" y="252">all</text></g>
        <g><title>shop/web-0 → ops/six: nothing</title><rect class="denied" x="240" y="236" width="57" height="23" rx="3"/></g>
        <g><title>shop/web-0 → shop/db: 5432/tcp</title><rect class="part" x="298" y="236" width="57" height="23" rx="3"/><text class="c t-part" x="327" y="252">5432</text></g>
        <g><title>shop/web-0 → shop/web-0: nothing</title><rect class="denied" x="356" y="236" width="57" height="23" rx="3"/></g>
        <g><title>shop/web-0 → node:n1: all</title><rect class="open" x="414" y="236" width="57" height="23" rx="3"/><text class="c t-open" x="443" y="252">all</text></g>
        <g><title>shop/web-0 → world: world (IPv4): all</title><rect class="part" x="472" y="236" width="57" height="23" rx="3"/><text class="c t-part" x="501" y="252">part</text></g>
        <g><title>node:n1 → ops/agent: all</title><rect class="open" x="124" y="260" width="57" height="23" rx="3"/><text class="c t-open" x="153" y="276">all</text></g>
        <g><title>node:n1 → ops/job: all</title><rect class="open" x="182" y="260" width="57" height="23" rx="3"/><text class="c t-open" x="211" y="276">all</text></g>
        <g><title>node:n1 → ops/six: nothing</title><rect class="denied" x="240" y="260" width="57" height="23" rx="3"/></g>
        <g><title>node:n1 → shop/db: all</title><rect class="open" x="298" y="260" width="57" height="23" rx="3"/><text class="c t-open" x="327" y="276">all</text></g>
        <g><title>node:n1 → shop/web-0: all</title><rect class="open" x="356" y="260" width="57" height="23" rx="3"/><text class="c t-open" x="385" y="276">all</text></g>
        <g><title>node:n1 → node:n1: nothing</title><rect class="denied" x="414" y="260" width="57" height="23" rx="3"/></g>
        <g><title>node:n1 → world: nothing</title><rect class="denied" x="472" y="260" width="57" height="23" rx="3"/></g>
        <g><title>world → ops/agent: world (IPv4): all</title><rect class="part" x="124" y="284" width="57" height="23" rx="3"/><text class="c t-part" x="153" y="300">part</text></g>
        <g><title>world → ops/job: world: all</title><rect class="open" x="182" y="284" width="57" height="23" rx="3"/><text class="c t-open" x="211" y="300">all</text></g>
        <g><title>world → ops/six: 10.0.1.0/24: 80-90/tcp</title><rect class="part" x="240" y="284" width="57" height="23" rx="3"/><text class="c t-part" x="269" y="300">part</text></g>
        <g><title>world → shop/db: nothing</title><rect class="denied" x="298" y="284" width="57" height="23" rx="3"/></g>
        <g><title>world → shop/web-0: world (IPv4): all</title><rect class="part" x="356" y="284" width="57" height="23" rx="3"/><text class="c t-part" x="385" y="300">part</text></g>
        <g><title>world → node:n1: nothing</title><rect class="denied" x="414" y="284" width="57" height="23" rx="3"/></g>
        <g><title>world → world: nothing</title><rect class="denied" x="472" y="284" width="57" height="23" rx="3"/></g>
        <rect class="open" x="24" y="325" width="14" height="14" rx="3"/><text x="44" y="336">all ports</text>
        <rect class="part" x="119" y="325" width="14" height="14" rx="3"/><text x="139" y="336">some ports or some pods</text>
        <rect class="uncertain" x="306" y="325" width="14" height="14" rx="3"/><text x="326" y="336">uncertain</text>
        <rect class="denied" x="401" y="325" width="14" height="14" rx="3"/><text x="421" y="336">denied</text>
        <text class="f" x="24" y="370">? uncertain (K-73): engines differ on what a pod sends to its own node: name yours with --engine</text>
        <text class="f" x="24" y="388">M-3: 2 namespaces are used without an object (ops and shop): taken to have only the name label</text>
        <text class="f" x="24" y="406">K-61: ICMP has no ports and is no part of the map: `watertight explain &#39;A -&gt; B:icmp&#39;` answers it</text>
        </svg>"#]].assert_eq(&body(&text));
}

#[test]
fn the_page() {
    expect![[r#"
        </head>
        <body>
        <h1>Who can reach whom</h1>
        <p>Rows connect to columns. 22 pairs of pods; engine: the reference semantics; by watertight 0.1.0.</p>
        <ul class="legend" aria-label="Legend"><li><span class="open" aria-hidden="true"></span> all ports</li><li><span class="part" aria-hidden="true"></span> some ports or some pods</li><li><span class="uncertain" aria-hidden="true"></span> uncertain</li><li><span class="denied" aria-hidden="true"></span> denied</li></ul>
        <form class="filter" hidden>
        <label>From <select name="from"><option value="">everywhere</option><option>ops</option><option>shop</option></select></label>
        <label>To <select name="to"><option value="">everywhere</option><option>ops</option><option>shop</option></select></label>
        </form>
        <div class="scroll" tabindex="0" role="region" aria-label="Matrix">
        <table class="matrix">
        <thead>
        <tr><th scope="col" class="corner">from \ to</th>
        <th scope="col" data-to="ops" title="no policy restricts who connects to it"><span><b>ops</b> agent</span></th>
        <th scope="col" data-to="ops" title="no policy restricts who connects to it"><span><b>ops</b> job</span></th>
        <th scope="col" data-to="ops" title=""><span><b>ops</b> six</span></th>
        <th scope="col" data-to="shop" title=""><span><b>shop</b> db</span></th>
        <th scope="col" data-to="shop" title="no policy restricts who connects to it"><span><b>shop</b> web-0</span></th>
        <th scope="col" data-to="" title="no policy restricts who connects to it"><span>node:n1</span></th>
        <th scope="col" data-to="" title=""><span>world</span></th>
        </tr>
        </thead>
        <tbody data-from="ops">
        <tr><th scope="row" title="no policy restricts whom it connects to"><b>ops</b> agent</th><td class="denied" data-to="ops" title="ops/agent → ops/agent: nothing"><i>denied</i></td><td class="open" data-to="ops" title="ops/agent → ops/job: all">all</td><td class="denied" data-to="ops" title="ops/agent → ops/six: nothing"><i>denied</i></td><td class="open" data-to="shop" title="ops/agent → shop/db: all">all</td><td class="open" data-to="shop" title="ops/agent → shop/web-0: all">all</td><td class="open" data-to="" title="ops/agent → node:n1: all">all</td><td class="part" data-to="" title="ops/agent → world: world (IPv4): all">part</td></tr>
        <tr><th scope="row" title="no policy restricts whom it connects to"><b>ops</b> job</th><td class="open" data-to="ops" title="ops/job → ops/agent: all">all</td><td class="denied" data-to="ops" title="ops/job → ops/job: nothing"><i>denied</i></td><td class="part" data-to="ops" title="ops/job → ops/six: 80-90/tcp; IPv6: none">80-90</td><td class="denied" data-to="shop" title="ops/job → shop/db: nothing"><i>denied</i></td><td class="open" data-to="shop" title="ops/job → shop/web-0: all">all</td><td class="open" data-to="" title="ops/job → node:n1: all">all</td><td class="open" data-to="" title="ops/job → world: world: all">all</td></tr>
        <tr><th scope="row" title="no policy restricts whom it connects to"><b>ops</b> six</th><td class="open" data-to="ops" title="ops/six → ops/agent: all">all</td><td class="open" data-to="ops" title="ops/six → ops/job: all">all</td><td class="denied" data-to="ops" title="ops/six → ops/six: nothing"><i>denied</i></td><td class="denied" data-to="shop" title="ops/six → shop/db: nothing"><i>denied</i></td><td class="open" data-to="shop" title="ops/six → shop/web-0: all">all</td><td class="open" data-to="" title="ops/six → node:n1: all">all</td><td class="open" data-to="" title="ops/six → world: world: all">all</td></tr>
        </tbody>
        <tbody data-from="shop">
        <tr><th scope="row" title=""><b>shop</b> db</th><td class="uncertain" data-to="ops" title="shop/db → ops/agent: all?">all?</td><td class="denied" data-to="ops" title="shop/db → ops/job: nothing"><i>denied</i></td><td class="denied" data-to="ops" title="shop/db → ops/six: nothing"><i>denied</i></td><td class="denied" data-to="shop" title="shop/db → shop/db: nothing"><i>denied</i></td><td class="denied" data-to="shop" title="shop/db → shop/web-0: nothing"><i>denied</i></td><td class="uncertain" data-to="" title="shop/db → node:n1: all?">all?</td><td class="part" data-to="" title="shop/db → world: 203.0.113.0/24: all">part</td></tr>
        <tr><th scope="row" title="no policy restricts whom it connects to"><b>shop</b> web-0</th><td class="open" data-to="ops" title="shop/web-0 → ops/agent: all">all</td><td class="open" data-to="ops" title="shop/web-0 → ops/job: all">all</td><td class="denied" data-to="ops" title="shop/web-0 → ops/six: nothing"><i>denied</i></td><td class="part" data-to="shop" title="shop/web-0 → shop/db: 5432/tcp">5432</td><td class="denied" data-to="shop" title="shop/web-0 → shop/web-0: nothing"><i>denied</i></td><td class="open" data-to="" title="shop/web-0 → node:n1: all">all</td><td class="part" data-to="" title="shop/web-0 → world: world (IPv4): all">part</td></tr>
        </tbody>
        <tbody data-from="">
        <tr><th scope="row" title="no policy restricts whom it connects to">node:n1</th><td class="open" data-to="ops" title="node:n1 → ops/agent: all">all</td><td class="open" data-to="ops" title="node:n1 → ops/job: all">all</td><td class="denied" data-to="ops" title="node:n1 → ops/six: nothing"><i>denied</i></td><td class="open" data-to="shop" title="node:n1 → shop/db: all">all</td><td class="open" data-to="shop" title="node:n1 → shop/web-0: all">all</td><td class="denied" data-to="" title="node:n1 → node:n1: nothing"><i>denied</i></td><td class="denied" data-to="" title="node:n1 → world: nothing"><i>denied</i></td></tr>
        </tbody>
        <tbody data-from="">
        <tr><th scope="row" title="">world</th><td class="part" data-to="ops" title="world → ops/agent: world (IPv4): all">part</td><td class="open" data-to="ops" title="world → ops/job: world: all">all</td><td class="part" data-to="ops" title="world → ops/six: 10.0.1.0/24: 80-90/tcp">part</td><td class="denied" data-to="shop" title="world → shop/db: nothing"><i>denied</i></td><td class="part" data-to="shop" title="world → shop/web-0: world (IPv4): all">part</td><td class="denied" data-to="" title="world → node:n1: nothing"><i>denied</i></td><td class="denied" data-to="" title="world → world: nothing"><i>denied</i></td></tr>
        </tbody>
        </table>
        </div>
        <h2>Ports</h2>
        <details data-from="ops"><summary>ops/agent <span>4</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/job</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/db</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/web-0</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">node:n1</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">world</th><td class="part">world (IPv4): all</td></tr>
        </table></details>
        <details data-from="ops"><summary>ops/job <span>4</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/agent</th><td class="open">all</td></tr>
        <tr data-to="ops"><th scope="row">ops/six</th><td class="part">80-90/tcp; IPv6: none</td></tr>
        <tr data-to="shop"><th scope="row">shop/web-0</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">node:n1</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">world</th><td class="open">world: all</td></tr>
        </table></details>
        <details data-from="ops"><summary>ops/six <span>4</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/agent</th><td class="open">all</td></tr>
        <tr data-to="ops"><th scope="row">ops/job</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/web-0</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">node:n1</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">world</th><td class="open">world: all</td></tr>
        </table></details>
        <details data-from="shop"><summary>shop/db <span>2</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/agent</th><td class="uncertain">all?</td></tr>
        <tr data-to=""><th scope="row">node:n1</th><td class="uncertain">all?</td></tr>
        <tr data-to=""><th scope="row">world</th><td class="part">203.0.113.0/24: all</td></tr>
        </table></details>
        <details data-from="shop"><summary>shop/web-0 <span>4</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/agent</th><td class="open">all</td></tr>
        <tr data-to="ops"><th scope="row">ops/job</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/db</th><td class="part">5432/tcp</td></tr>
        <tr data-to=""><th scope="row">node:n1</th><td class="open">all</td></tr>
        <tr data-to=""><th scope="row">world</th><td class="part">world (IPv4): all</td></tr>
        </table></details>
        <details data-from=""><summary>node:n1 <span>4</span></summary>
        <table>
        <thead><tr><th scope="col">to</th><th scope="col">ports</th></tr></thead>
        <tr data-to="ops"><th scope="row">ops/agent</th><td class="open">all</td></tr>
        <tr data-to="ops"><th scope="row">ops/job</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/db</th><td class="open">all</td></tr>
        <tr data-to="shop"><th scope="row">shop/web-0</th><td class="open">all</td></tr>
        </table></details>
        <h2>Outside of the cluster</h2>
        <table class="outside">
        <thead><tr><th scope="col">from</th><th scope="col">to</th><th scope="col">ports</th><th scope="col">of note</th></tr></thead>
        <tbody>
        <tr><td>ops/agent, shop/web-0</td><td>world (IPv4)</td><td class="open">all</td><td>metadata services: 100.100.100.200, 168.63.129.16, 169.254.0.23, 169.254.42.42, 169.254.169.252, 169.254.169.254, 169.254.170.2, 169.254.170.23, 192.0.0.192</td></tr>
        <tr><td>ops/job, ops/six</td><td>world</td><td class="open">all</td><td>metadata services: 100.100.100.200, 168.63.129.16, 169.254.0.23, 169.254.42.42, 169.254.169.252, 169.254.169.254, 169.254.170.2, 169.254.170.23, 192.0.0.192, fd00:42::42, fd00:c1::a9fe:a9fe, fd00:ec2::23, fd00:ec2::254, fd00:a9fe:a9fe::1, fd20:ce::254</td></tr>
        <tr><td>shop/db</td><td>203.0.113.0/24</td><td class="open">all</td><td></td></tr>
        <tr><td>world (IPv4)</td><td>ops/agent, shop/web-0</td><td class="open">all</td><td></td></tr>
        <tr><td>world</td><td>ops/job</td><td class="open">all</td><td></td></tr>
        <tr><td>10.0.1.0/24</td><td>ops/six</td><td class="part">80-90/tcp</td><td></td></tr>
        </tbody></table>
        <h2>To know</h2>
        <ul>
        <li>? uncertain (K-73): engines differ on what a pod sends to its own node: name yours with --engine</li>
        <li>M-3: 2 namespaces are used without an object (ops and shop): taken to have only the name label</li>
        <li>K-61: ICMP has no ports and is no part of the map: `watertight explain &#39;A -&gt; B:icmp&#39;` answers it</li>
        </ul>"#]].assert_eq(&body(&of(ReachFormat::Html)));
}

/// Pictures and pages are read by machines that forgive nothing: every tag is closed.
#[test]
fn tags_are_closed() {
    for format in [ReachFormat::Svg, ReachFormat::Html] {
        let text = of(format);
        let mut open: Vec<&str> = Vec::new();
        for tag in text.split('<').skip(1) {
            let name = tag.split(['>', ' ', '\n']).next().unwrap();
            if ["!doctype", "meta"].contains(&name) || tag.split('>').next().unwrap().ends_with('/')
            {
                continue;
            }
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name)),
                None => open.push(name),
            }
        }
        assert_eq!(open, Vec::<&str>::new());
    }
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
    expect![[r#""a#34;b#60;script#62;|*_[x](y)#35;#38;#59;#96;#92;␛[31m""#]].assert_eq(&mermaid::quoted(evil));
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
