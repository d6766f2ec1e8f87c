//! Ports, ICMP and what proxies ask (L-32, L-34, L-60..L-69).

use super::*;

fn ports(ports: &str) -> Case {
    ingress(&format!("{{toPorts: [{{ports: [{ports}]}}]}}"))
}

#[test]
fn l_32_l_34_peers_and_ports() {
    let item = "{fromEndpoints: [{matchLabels: {app: db}}], toPorts: [{ports: [{port: '80'}]}, \
                {ports: [{port: '90'}]}]}";
    ingress(item).check(&[
        ("x/b -> x/a:80/tcp", true),
        ("x/b -> x/a:90/tcp", true),
        ("x/b -> x/a:91/tcp", false),
        ("w/c -> x/a:80/tcp", false),
    ]);
    let apart = "{fromEndpoints: [{matchLabels: {app: db}}]}, {toPorts: [{ports: [{port: '80'}]}]}";
    ingress(apart).check(&[
        ("x/b -> x/a:91/tcp", true),
        ("w/c -> x/a:80/tcp", true),
        ("w/c -> x/a:91/tcp", false),
    ]);
    ingress("{fromEntities: [all], toPorts: [{ports: []}]}").check(&[("x/b -> x/a:80/tcp", false)]);
}

#[test]
fn l_60_l_61_ports_and_protocols() {
    ports("{port: '53'}").check(&[
        ("x/b -> x/a:53/tcp", true),
        ("x/b -> x/a:53/udp", true),
        ("x/b -> x/a:53/sctp", true),
        ("x/b -> x/a:54/tcp", false),
        ("x/b -> x/a:8/icmp", false),
    ]);
    ports("{port: '0', protocol: UDP}").check(&[
        ("x/b -> x/a:1/udp", true),
        ("x/b -> x/a:65535/udp", true),
        ("x/b -> x/a:1/tcp", false),
    ]);
    ports("{port: '8000', endPort: 8100, protocol: TCP}").check(&[
        ("x/b -> x/a:8000/tcp", true),
        ("x/b -> x/a:8100/tcp", true),
        ("x/b -> x/a:8101/tcp", false),
        ("x/b -> x/a:7999/tcp", false),
    ]);
    // An end before the start is none.
    ports("{port: '8000', endPort: 80, protocol: TCP}")
        .check(&[("x/b -> x/a:8000/tcp", true), ("x/b -> x/a:80/tcp", false)]);
    let range = cnp(
        "p",
        &format!(
            "{{endpointSelector: {A}, ingress: [{{toPorts: [{{ports: [{{port: '80', endPort: 90}}]}}]}}]}}"
        ),
    );
    Case::with("endport=first-only", &range)
        .check(&[("x/b -> x/a:80/tcp", true), ("x/b -> x/a:81/tcp", false)]);
    ports("{protocol: VRRP}").check(&[("x/b -> x/a:1/tcp", false), ("x/b -> x/a:8/icmp", false)]);
}

#[test]
fn l_63_port_names() {
    let case = Case::new(&cnp(
        "p",
        "{endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: HTTP}]}]}]}",
    ));
    case.check(&[
        ("w/c -> x/a:80/tcp", true),
        ("w/c -> x/b:8080/tcp", true),
        ("w/c -> x/b:80/tcp", false),
        ("w/c -> x/a:80/udp", false),
    ]);
    egress("{toEndpoints: [{}], toPorts: [{ports: [{port: http, protocol: TCP}]}]}")
        .check(&[("x/a -> x/b:8080/tcp", true), ("x/a -> x/b:80/tcp", false)]);
}

#[test]
fn l_64_l_65_icmp() {
    ports("{port: '80'}").check(&[("x/b -> x/a:8/icmp", false)]);
    let item = "{fromEndpoints: [{}], icmps: [{fields: [{type: 8}, {type: 128, family: IPv6}]}]}";
    ingress(item).check(&[
        ("x/b -> x/a:8/icmp", true),
        ("x/b -> x/a:13/icmp", false),
        ("x/b -> x/a:128/icmp", false),
        ("w/c -> x/a:8/icmp", false),
        ("x/b -> x/a:80/tcp", false),
    ]);
    ports("{port: '8', protocol: ICMP}")
        .check(&[("x/b -> x/a:8/icmp", true), ("x/b -> x/a:9/icmp", false)]);
    let denied = cnp(
        "p",
        &format!(
            "{{endpointSelector: {A}, ingress: [{{fromEntities: [all]}}], ingressDeny: [{{icmps: [{{fields: [{{type: EchoRequest}}]}}]}}]}}"
        ),
    );
    Case::new(&denied).check(&[
        ("x/b -> x/a:8/icmp", false), // L-27
        ("x/b -> x/a:13/icmp", true),
    ]);
}

fn http(port: &str, rules: &str) -> String {
    format!(
        "{{fromEndpoints: [{{}}], toPorts: [{{ports: [{{port: '{port}', protocol: TCP}}], rules: \
         {{http: [{rules}]}}}}]}}"
    )
}

const WEB: &str = "x/b -> x/a:80/tcp";

#[test]
fn l_66_l_68_requests_are_united() {
    let (get, post) = (
        http("80", "{method: GET, path: /public/.*}"),
        http(
            "80",
            "{method: POST, path: /in}, {method: HEAD, host: a.io}",
        ),
    );
    let case = ingress(&format!("{get}, {post}"));
    case.check(&[(WEB, true), ("x/b -> x/a:81/tcp", false)]);
    case.check_requests(
        WEB,
        &[
            ("GET /public/a", true),
            ("GET /public", false),
            ("GETS /public/a", false),
            ("POST /in", true),
            ("POST /in/side", false),
            ("DELETE /in", false),
            ("HEAD /any", true),
        ],
    );
    let words: Vec<_> = requests(&case);
    assert_eq!(
        words,
        [
            "HTTP GET /public/.*",
            "HTTP POST /in",
            "HTTP HEAD to host a.io"
        ]
    );
}

fn requests(case: &Case) -> Vec<String> {
    let tiers = case.ruleset.ingress.iter().chain(&case.ruleset.egress);
    let policies = tiers.flat_map(|tier| &tier.policies);
    let rules = policies.flat_map(|policy| &policy.rules);
    rules
        .flat_map(|rule| &rule.requests)
        .map(|request| request.text.to_string())
        .collect()
}

#[test]
fn l_67_a_plain_allow_is_worth_more() {
    let plain = "{fromEndpoints: [{}], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}";
    let conditional = http("80", "{method: GET}");
    for items in [
        format!("{plain}, {conditional}"),
        format!("{conditional}, {plain}"),
    ] {
        let case = ingress(&items);
        case.check_requests(WEB, &[("DELETE /", true)]);
        // It is the plain one that decides, and is named.
        let decided = case.verdict(WEB).ingress.rule().unwrap();
        assert!(case.ruleset[decided].requests.is_empty());
    }
    let first = cnp(
        "a",
        &format!("{{endpointSelector: {A}, ingress: [{conditional}]}}"),
    );
    let kubernetes = network_policy("z", "{podSelector: {}, ingress: [{}]}");
    let case = Case::new(&format!("{first}{kubernetes}"));
    case.check_requests(WEB, &[("DELETE /", true)]);
    let denied = cnp(
        "z",
        &format!("{{endpointSelector: {A}, ingressDeny: [{{fromEndpoints: [{{}}]}}]}}"),
    );
    let case = Case::new(&format!("{first}{denied}"));
    case.check_requests(WEB, &[("GET /", false)]);
}

#[test]
fn l_69_other_conditions_are_in_words() {
    let group = |rest: &str| {
        format!(
            "{{toEntities: [all], toPorts: [{{ports: [{{port: '443', protocol: TCP}}], {rest}}}]}}"
        )
    };
    for (rest, words) in [
        (
            "rules: {dns: [{matchName: a.io}, {matchPattern: '*'}]}",
            &["DNS lookups of a.io", "DNS lookups"][..],
        ),
        (
            "rules: {kafka: [{topic: t}]}",
            &["Kafka requests that its rules list"],
        ),
        (
            "rules: {l7proto: memcache}",
            &["what the proxy `memcache` lets through"],
        ),
        ("serverNames: [a.io, b.io]", &["TLS for a.io or b.io"]),
        (
            "listener: {envoyConfig: {name: e}, name: l}",
            &["what the listener `l` lets through"],
        ),
        (
            "serverNames: [a.io], terminatingTLS: {secret: {name: s}}, rules: {http: [{method: GET, headers: [X-A]}]}",
            &["HTTP GET with header X-A in TLS for a.io"],
        ),
    ] {
        let case = egress(&group(rest));
        assert_eq!(requests(&case), words);
        case.check(&[("x/a -> x/b:443/tcp", true), ("x/a -> x/b:80/tcp", false)]);
    }
}

#[test]
fn l_65_a_type_is_all_of_its_codes() {
    let case = ingress("{icmps: [{fields: [{type: 3, family: IPv4}]}]}");
    let allowed = |kind, code| {
        let mut connection = case.connection("x/b -> x/a:0/icmp");
        connection.icmp = Some(Icmp { kind, code });
        case.evaluator().verdict(&connection).allowed
    };
    assert!(allowed(3, 0) && allowed(3, 1) && allowed(3, 255));
    assert!(!allowed(2, 255) && !allowed(4, 0));
}

/// Whether all lookups on a port for DNS are let through, so that nothing is left to be told.
#[test]
fn l_56_l_68_every_lookup_is_no_condition() {
    let narrows = |ports: &str, rest: &str| {
        let case = egress(&format!(
            "{{toEntities: [all], toPorts: [{{ports: [{ports}], {rest}}}]}}"
        ));
        let tier = &case.ruleset.egress[0];
        let mut rules = tier.policies.iter().flat_map(|policy| &policy.rules);
        rules.any(crate::policy::Rule::narrows_requests)
    };
    let dns = |names: &str| format!("rules: {{dns: [{names}]}}");
    let every = dns("{matchPattern: '*'}");
    for ports in [
        "{port: '53', protocol: ANY}",
        "{port: '53', protocol: UDP}, {port: '5353', protocol: UDP}",
        "{port: dns-tcp, protocol: TCP}",
    ] {
        assert!(!narrows(ports, &every), "{ports}");
        assert!(
            !narrows(ports, &dns("{matchName: a.io}, {matchPattern: '*'}")),
            "{ports}"
        );
        assert!(narrows(ports, &dns("{matchName: a.io}")), "{ports}");
        assert!(narrows(ports, &dns("{matchPattern: '*.io'}")), "{ports}");
    }
    // On other ports something else than lookups is refused.
    assert!(narrows("{port: '443', protocol: TCP}", &every));
    assert!(narrows(
        "{port: '53', protocol: UDP}, {port: '443', protocol: TCP}",
        &every
    ));
    let authenticated = egress(
        "{toEntities: [all], authentication: {mode: required}, toPorts: [{ports: [{port: '53', \
         protocol: UDP}], rules: {dns: [{matchPattern: '*'}]}}]}",
    );
    let rule = &authenticated.ruleset.egress[0].policies[0].rules[0];
    assert!(rule.narrows_requests());
}

#[test]
fn authentication_is_a_condition() {
    let with = |mode: &str, rest: &str| {
        ingress(&format!(
            "{{fromEndpoints: [{{}}], authentication: {{mode: {mode}}}{rest}}}"
        ))
    };
    let required = with("required", "");
    required.check(&[(WEB, true)]);
    assert_eq!(requests(&required), ["mutual authentication succeeds"]);
    let http =
        ", toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{method: GET}]}}]";
    let both = with("required", http);
    assert_eq!(
        requests(&both),
        ["HTTP GET, mutual authentication succeeds"]
    );
    assert_eq!(requests(&with("disabled", "")), [""; 0]);
    with("test-always-fail", "").check(&[(WEB, false)]);
}
