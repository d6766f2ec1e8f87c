//! What people see.

use expect_test::expect;
use watertight_core::diag::{Edit, Finding, Fix, Severity};
use watertight_core::report;
use watertight_core::rules::ALL;
use watertight_core::source::{Sources, Span};

use crate::output::testing::{POLICIES, Sample, finding};
use crate::output::{Format, harmless};

#[test]
fn findings_lead_and_the_last_line_sums_up() {
    expect![[r#"
        error[WT201]: 1 workload of `shop` can reach the metadata service 169.254.169.254
          --> k8s/policies.yaml:20:19
           |
        17 |               - 169.254.169.254/32
           |                 ------------------ this exception holds for its own peer only
        ...
        20 |             cidr: 169.254.0.0/16
           |                   ^^^^^^^^^^^^^^ this block covers 169.254.169.254
           |
          ::: k8s/workloads.yaml:4:3
           |
         4 |   name: web
           |   --------- for example this workload
           |
           = evidence: shop/Deployment/web -> ip:169.254.169.254:80/tcp  ALLOWED
                       NetworkPolicy shop/web-egress egress rule 2 allows it (k8s/policies.yaml:20)
           = note: rules add up: an exception of one peer takes nothing away from another
           = why: K-8, X-1 (docs/semantics.md)
        help: narrow the block
           |
        20 -             cidr: 169.254.0.0/16
        20 +             cidr: 169.254.20.0/24
           |

        warning[WT405]: this rule is not limited to one protocol
          --> k8s/policies.yaml:18:5
           |
        18 | /     - to:
        19 | |         - ipBlock:
        20 | |             cidr: 169.254.0.0/16
           | |___________________^ this rule
           |
        help: say which protocol is meant
           |
        23 +           protocol: TCP
           |

        note[WT401]: 2 of 3 rules do nothing
         --> k8s/policies.yaml:4:9
          |
        4 |   name: web-egress
          |         ^^^^^^^^^^

        error[WT301]: no pod of `shop` can resolve names
         |
         = about: Namespace shop
         = evidence: shop/Deployment/web -> kube-system/Deployment/coredns:53/udp  DENIED
                     NetworkPolicy shop/web-egress isolates shop/Deployment/web for egress and none of its
                     rules matches
         = why: D-1 (docs/semantics.md)
         = help: add a policy that lets every pod of `shop` resolve names

            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy

        NAMESPACE   POLICIES   ENFORCED   ISOLATED     DNS         CLOSED
        shop        1          unknown    egress 1/1   alive 1/1   open 0/1
        ISOLATED: pods that policies isolate; DNS: pods that can resolve names; CLOSED: pods that reach no
        metadata service
        unknown: name the cluster's network engine with --engine

        assumed (M-1): 1 workload has no address in the input: taken to lie in 10.244.0.0/16 and
                       fd00:10:244::/56 (--pod-cidr)
        assumed (M-2): no cluster DNS in the input: taken to be pods labelled k8s-app=kube-dns in
                       kube-system, listening on 53 over UDP and TCP (--no-assumed-dns)
        assumed (M-3): 2 namespaces are used without an object (kube-system and shop): taken to have only
                       the name label
        of no concern here: ConfigMap (1)
        not evaluated: ApplicationNetworkPolicy.networking.k8s.aws (1)
                       what these policies allow or deny is missing from every answer above
        Found 2 errors, 1 warning, 1 note (1 suppressed) in 1 policy, 1 workload, 2 namespaces
    "#]].assert_eq(&Sample::shop().print(Format::Text));
}

#[test]
fn reading_errors_point_at_the_field() {
    let sample = Sample::read(&[(
        "np.yaml",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: a\nspec:\n  \
         podSelector: {}\n  policyType: [Egress]\n  egress:\n    - to:\n        - ipBlock: {cidr: 10.0.0.0/33}\n",
    )]);
    expect![[r#"
        error[WT004]: unknown field `policyType`: the API server drops it and uses the default
         --> np.yaml:7:3
          |
        7 |   policyType: [Egress]
          |   ^^^^^^^^^^ no such field here
          |
        help: write `policyTypes`
          |
        7 |   policyTypes: [Egress]
          |             +

        error[WT003]: `10.0.0.0/33` is no CIDR
          --> np.yaml:10:27
           |
        10 |         - ipBlock: {cidr: 10.0.0.0/33}
           |                           ^^^^^^^^^^^
           |
           = why: V-15 (docs/semantics.md)
           = help: write an address and a prefix length, like 10.0.0.0/8 or fd00::/8

        Found 2 errors in 0 policies, 0 workloads, 0 namespaces
        incomplete: some of the input could not be analysed, so findings may be missing
    "#]]
    .assert_eq(&sample.print(Format::Text));
}

#[test]
fn an_engine_that_enforces_nothing_leads_the_report() {
    let mut sample = Sample::shop();
    let message = "flannel does not enforce network policies: nothing below is denied";
    sample.checked.findings.push(finding("WT601", message));
    let text = sample.print(Format::Text);
    expect![[r#"
        error[WT601]: flannel does not enforce network policies: nothing below is denied
    "#]]
    .assert_eq(text.split("\nerror[WT201]").next().unwrap());
}

#[test]
fn quiet_keeps_the_findings_and_what_is_missing() {
    let text = Sample::shop().print_as(Format::Text, |rendering| rendering.quiet = true);
    let tail = text.split("kind: NetworkPolicy\n").last().unwrap();
    expect![[r#"

        not evaluated: ApplicationNetworkPolicy.networking.k8s.aws (1)
                       what these policies allow or deny is missing from every answer above
        Found 2 errors, 1 warning, 1 note (1 suppressed) in 1 policy, 1 workload, 2 namespaces
    "#]]
    .assert_eq(tail);
}

#[test]
fn suppressed_findings_are_listed_on_demand() {
    let text = Sample::shop().print_as(Format::Text, |rendering| rendering.show_suppressed = true);
    assert!(!Sample::shop().print(Format::Text).contains("suppressed:"));
    let lines: Vec<_> = text
        .lines()
        .skip_while(|line| !line.starts_with("suppressed:"))
        .collect();
    expect![[r#"
        suppressed: k8s/policies.yaml:4:9: note[WT401] 2 of 3 rules do nothing
                    because: kept for the migration
        not evaluated: ApplicationNetworkPolicy.networking.k8s.aws (1)
                       what these policies allow or deny is missing from every answer above
        Found 2 errors, 1 warning, 1 note (1 suppressed) in 1 policy, 1 workload, 2 namespaces"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn input_that_cannot_be_read_is_the_last_word() {
    let sample = Sample::read(&[("np.yaml", POLICIES), ("broken.yaml", "a: [1\n---\nb: }\n")]);
    let text = sample.print(Format::Text);
    let lines: Vec<_> = text.lines().rev().take(2).collect();
    expect![[r#"
        incomplete: 2 documents could not be read, so findings may be missing
        Found 2 errors in 1 policy, 0 workloads, 1 namespace"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn nothing_found_says_what_was_looked_at() {
    let sample = Sample::read(&[("np.yaml", POLICIES)]);
    let text = sample.print_as(Format::Text, |rendering| rendering.quiet = true);
    expect![[r#"
        No findings: 1 policy, 0 workloads, 1 namespace
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_rule_with_very_many_findings_is_cut() {
    let mut sample = Sample::read(&[("np.yaml", POLICIES)]);
    let at = sample.span("np.yaml", "web-egress");
    for number in 0..51 {
        let message = format!("finding {number}");
        sample
            .checked
            .findings
            .push(finding("WT401", &message).at(at, ""));
    }
    for number in 0..50 {
        let message = format!("other {number}");
        sample
            .checked
            .findings
            .push(finding("WT402", &message).at(at, ""));
    }
    let text = sample.print(Format::Text);
    assert!(text.contains("finding 19") && !text.contains("finding 20"));
    assert!(text.contains("other 49"), "50 are not too many");
    let lines: Vec<_> = text
        .lines()
        .skip_while(|line| !line.starts_with("not shown"))
        .take(3)
        .collect();
    expect![[r#"
        not shown: 31 more of the 51 findings of WT401 policy-selects-nothing
                   -o concise lists all of them, -o json says everything about them
    "#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn a_place_in_a_line_without_end_is_told_in_words() {
    let filler = "x".repeat(5000);
    let json = format!("{{\"a\":\"{filler}\",\"cidr\":\"0.0.0.0/0\"}}");
    let mut sample = Sample::read(&[("min.json", &json), ("np.yaml", POLICIES)]);
    let far = sample.span("min.json", "\"0.0.0.0/0\"");
    let near = sample.span("np.yaml", "cidr: 0.0.0.0/0");
    let found = finding("WT202", "an exception is undone")
        .at(far, "undone by this")
        .at(near, "here");
    let edit = Fix::replace("narrow the block", far, "\"10.0.0.0/8\"");
    sample.checked.findings = vec![found.why(&["K-8"]).fix(edit)];
    let text = sample.print_as(Format::Text, |rendering| rendering.quiet = true);
    expect![[r#"
        error[WT202]: an exception is undone
          --> min.json:1:5016
           |
           = here: "0.0.0.0/0"  undone by this
           |
          ::: np.yaml:15:13
           |
        15 |             cidr: 0.0.0.0/0
           |             --------------- here
           |
           = why: K-8 (docs/semantics.md)
           = help: narrow the block (at min.json:1; -o json has the edit)

        Found 1 error in 1 policy, 0 workloads, 1 namespace
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_whole_object_is_shown_by_its_first_line() {
    let mut sample = Sample::read(&[("np.yaml", POLICIES)]);
    let (file, source) = sample.sources.iter().next().unwrap();
    let all = Span::new(file, 0, source.text().len());
    sample.checked.findings =
        vec![finding("WT006", "two objects have this name").at(all, "this one")];
    let text = sample.print_as(Format::Text, |rendering| rendering.quiet = true);
    expect![[r#"
        error[WT006]: two objects have this name
         --> np.yaml:1:1
          |
        1 | apiVersion: networking.k8s.io/v1
          | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ this one

        Found 1 error in 1 policy, 0 workloads, 1 namespace
    "#]]
    .assert_eq(&text);
}

#[test]
fn added_lines_are_drawn_as_added() {
    let mut sample = Sample::read(&[("np.yaml", POLICIES)]);
    let item = sample.span("np.yaml", "- Egress");
    let line_end = Span::new(item.file, item.end as usize, item.end as usize);
    let port = sample.span("np.yaml", "port: 80");
    let edits = [
        (line_end, "\n    - Ingress"),
        (item, "- Egress\n    - Ingress"),
        (port.at_start(), "protocol: TCP\n          "),
    ];
    let found = edits.map(|(at, text)| finding("WT102", "x").fix(Fix::replace("add it", at, text)));
    sample.checked.findings = found.into();
    let text = sample.print_as(Format::Text, |rendering| rendering.quiet = true);
    expect![[r#"
        warning[WT102]: x
           |
        help: add it
          --> np.yaml:12:1
           |
        12 +     - Ingress
           |

        warning[WT102]: x
           |
        help: add it
          --> np.yaml:12:1
           |
        12 +     - Ingress
           |

        warning[WT102]: x
           |
        help: add it
          --> np.yaml:22:11
           |
        22 ~         - protocol: TCP
        23 ~           port: 80
           |

        Found 3 warnings in 1 policy, 0 workloads, 1 namespace
    "#]]
    .assert_eq(&text);
}

#[test]
fn long_manifests_are_cut() {
    let mut sample = Sample::read(&[("np.yaml", POLICIES)]);
    let manifest: String = (1..=30).map(|line| format!("line{line}: x\n")).collect();
    let fix = Fix {
        doubt: None,
        message: "add this".into(),
        edits: Vec::new(),
        manifest: Some(manifest),
    };
    sample.checked.findings = vec![finding("WT301", "no names").fix(fix)];
    let text = sample.print(Format::Text);
    assert!(text.contains("\n    line25: x\n    ... and 5 more lines (-o json has all of them)\n"));
}

#[test]
fn text_of_strangers_cannot_reach_the_terminal() {
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}";
    let yaml = format!("a: \"{evil}\"\n");
    let mut sample = Sample::read(&[(&format!("{evil}.yaml"), &yaml)]);
    let (file, source) = sample.sources.iter().next().unwrap();
    let at = Span::new(file, 3, source.text().len() - 1);
    sample.checked.findings = vec![
        finding("WT401", evil)
            .at(at, evil)
            .note(evil)
            .fix(Fix::replace(evil, at, evil)),
    ];
    for format in [Format::Text, Format::Concise, Format::Github, Format::Junit] {
        let text = sample.print(format);
        assert_eq!(harmless(&text), text, "{format:?}");
    }
}

#[test]
fn colour_only_repeats_what_the_words_say() {
    let sample = Sample::shop();
    let plain = sample.print(Format::Text);
    let colored = sample.print_as(Format::Text, |rendering| rendering.color = true);
    assert!(!plain.contains('\u{1b}') && colored.contains('\u{1b}'));
    assert_eq!(anstream::adapter::strip_str(&colored).to_string(), plain);
}

/// Numbers that look random and are the same on every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

/// Files in which places are hard to draw.
fn odd_files() -> Vec<(&'static str, String)> {
    vec![
        ("empty", String::new()),
        ("newline", "\n".into()),
        ("unended", "a: 1\nb: 2".into()),
        ("crlf", "a: 1\r\n\r\nb:\r\n  - 2\r\n".into()),
        ("tabs", "\ta:\t1\n\t\tb: 2\n".into()),
        ("wide", "a: 日本語 é\u{301} 👩‍👩‍👧 x\nb: ü\n".into()),
        ("bom", "\u{feff}a: 1\n".into()),
        (
            "control",
            "a: \u{1b}[1m\u{9b}\u{202e}\u{0}\rx\n\u{85}b: \u{7f}\n".into(),
        ),
        ("blank", "\n\n   \n\t\n  \n".into()),
        (
            "long",
            format!("{{\"a\": \"{}\"}}\nb: 1\n", "é".repeat(3000)),
        ),
        (
            "wideline",
            format!("{}a: {} # x\n", " ".repeat(150), "b".repeat(700)),
        ),
        ("many", (0..120).map(|line| format!("- {line}\n")).collect()),
    ]
}

fn odd_span(numbers: &mut Numbers, sources: &Sources) -> Span {
    let at = numbers.below(sources.len());
    let (file, source) = sources.iter().nth(at).unwrap();
    let len = source.text().len();
    // Past the end and inside characters too.
    let start = numbers.below(len + 3);
    let length = match numbers.below(4) {
        0 => 0,
        1 => numbers.below(8),
        2 => numbers.below(60),
        _ => numbers.below(len + 3),
    };
    Span::new(file, start, start + length)
}

fn odd_finding(numbers: &mut Numbers, sources: &Sources) -> Finding {
    let words = [
        "",
        "here",
        "two\nlines",
        "\u{1b}[0m",
        "a rather long remark about this place",
    ];
    let severity = [Severity::Note, Severity::Warning, Severity::Error][numbers.below(3)];
    let mut found =
        Finding::new(ALL[numbers.below(ALL.len())], words[numbers.below(5)]).severity(severity);
    for _ in 0..numbers.below(5) {
        let span = odd_span(numbers, sources);
        found = found.at(span, words[numbers.below(5)]);
    }
    let replacements = [
        "",
        "x",
        "\n",
        "  - a\n  - b\n",
        "\u{9b}é",
        "\n  a: 1",
        "c: 1\n  ",
    ];
    let edits = (0..numbers.below(4)).map(|_| Edit {
        span: odd_span(numbers, sources),
        text: replacements[numbers.below(7)].into(),
    });
    let edits = edits.collect();
    found.note(words[numbers.below(5)]).fix(Fix {
        doubt: None,
        message: "do this".into(),
        edits,
        manifest: None,
    })
}

#[test]
fn any_span_of_any_file_can_be_drawn() {
    let files = odd_files();
    let files: Vec<_> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let mut sample = Sample::read(&files);
    let mut numbers = Numbers(1);
    for round in 0..4000 {
        let found = odd_finding(&mut numbers, &sample.sources);
        sample.checked.findings = vec![found];
        for format in [Format::Text, Format::Concise, Format::Github] {
            let text = sample.print_as(format, |rendering| {
                rendering.quiet = true;
                rendering.width = [0, 40, 80, 200][round % 4];
            });
            assert_eq!(harmless(&text), text);
            // The place is the one that the other formats tell.
            let cause = sample.checked.findings[0].span();
            let exact = |span: Span| {
                let text = sample.sources.file(span.file).text();
                let (start, end) = (span.start as usize, span.end as usize);
                // Between the two characters of a line end nothing is ever written.
                text.is_char_boundary(start)
                    && text.is_char_boundary(end)
                    && text
                        .get(..start)
                        .is_some_and(|before| !before.ends_with('\r'))
            };
            if format == Format::Text && cause.is_some_and(exact) {
                let found = &sample.checked.findings[0];
                let at = &report::finding(&sample.sources, found).locations[0];
                let arrow = format!("--> {}:{}:{}\n", at.path, at.line, at.column);
                assert!(
                    text.contains(&arrow),
                    "round {round}: {arrow}{text}\n{cause:?}"
                );
            }
        }
    }
}
