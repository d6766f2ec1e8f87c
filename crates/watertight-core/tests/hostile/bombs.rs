//! Files that would take forever, or all memory, if anything on their way took more than its share.
//!
//! Sizes are such that a cost that grows with the square of them would be noticed: ten thousand
//! times ten thousand steps are minutes in a test build.

use super::targets;

fn check(text: &str) {
    targets::manifest(text.as_bytes());
    targets::check(text.as_bytes());
}

fn read(text: &str) {
    targets::document(text.as_bytes());
    check(text);
}

/// A policy with a spec.
fn policy(spec: &str) -> String {
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: p, namespace: \
         x}}\nspec:{spec}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: x, \
         labels: {{app: a}}}}\nspec: {{containers: []}}\n"
    )
}

fn repeated(count: usize, of: impl Fn(usize) -> String) -> String {
    (0..count).map(of).collect()
}

#[test]
fn nested_brackets() {
    for open in ["[", "{\"a\":", "{a: ", "- ", "? ", "[a: "] {
        read(&open.repeat(100_000));
        read(&policy(&format!(" {}", open.repeat(100_000))));
    }
    read(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
    read(&repeated(400, |depth| format!("{}a:\n", " ".repeat(depth))));
}

#[test]
fn laughing_aliases() {
    let laughs = |first: &str, of: &dyn Fn(&str) -> String| {
        let level = |at: usize| {
            let refs = vec![format!("*a{}", at.saturating_sub(1)); 9].join(", ");
            match at {
                0 => format!("a0: &a0 {first}\n"),
                _ => format!("a{at}: &a{at} {}\n", of(&refs)),
            }
        };
        repeated(9, level)
    };
    let lists = laughs("[x, x, x, x, x, x, x, x, x]", &|refs| format!("[{refs}]"));
    read(&lists);
    read(&repeated(300, |_| format!("{lists}---\n")));
    read(&laughs("{x: 1}", &|refs| {
        format!("{{<<: [{refs}], b: {{c: [{refs}]}}}}")
    }));
    // Every document within its limits.
    let ports = repeated(20, |_| "{prot: 1}, ".to_owned());
    let doc = policy(&format!(
        " {{ingress: [&r {{ports: [{ports}]}}, *r, *r, *r, *r, *r, *r]}}"
    ));
    read(&repeated(50, |_| format!("{doc}---\n")));
}

#[test]
fn merge_keys() {
    let base = repeated(10_000, |at| format!("  k{at}: {at}\n"));
    let many = repeated(200, |_| "  <<: *b\n".to_owned());
    read(&format!(
        "b: &b\n{base}c:\n{}",
        &many[..many.len() / 200 * 10]
    ));
    read(&format!(
        "b: &b {{x: 1}}\nc:\n{}",
        repeated(20_000, |_| "  <<: *b\n".to_owned())
    ));
    read(&format!(
        "b: &b {{x: 1}}\nc:\n{}",
        repeated(20_000, |at| format!("  <<: {{k{at}: 1}}\n"))
    ));
    read(&format!(
        "{}{{x: 1}}{}",
        "{<<: ".repeat(100),
        "}".repeat(100)
    ));
    let nested = repeated(100, |_| "{<<: {y: 1}, x: ".to_owned());
    read(&format!(
        "{nested}[{}]{}",
        "1, ".repeat(20_000),
        "}".repeat(100)
    ));
}

#[test]
fn anchors() {
    read(&format!(
        "[{}]",
        repeated(50_000, |at| format!("&a{at} x, "))
    ));
    read(&format!("[&a x, {}]", "*a, ".repeat(50_000)));
    read(&format!("[{}]", "&a x, *a, ".repeat(30_000)));
}

#[test]
fn large_scalars() {
    let large = "x".repeat(1_000_000);
    for value in [
        large.clone(),
        format!("\"{large}\""),
        format!("'{}'", "x''".repeat(300_000)),
        format!("\"{}\"", "\\n".repeat(300_000)),
        format!("|\n    {}", "x\n    ".repeat(100_000)),
        "1".repeat(1_000_000),
        "1_".repeat(100_000),
        format!("0x{}", "F".repeat(100_000)),
        format!("{{\"a\": \"{}\"}}", "\\u00e9".repeat(100_000)),
    ] {
        read(&policy(&format!(
            "\n  podSelector: {{matchLabels: {{app: {value}}}}}"
        )));
        read(&policy(&format!(
            "\n  ingress:\n  - ports:\n    - port: {value}"
        )));
        read(&policy(&format!(
            "\n  egress:\n  - to:\n    - ipBlock:\n        cidr: {value}"
        )));
    }
    read(&format!("a:{}b", " ".repeat(1_000_000)));
    read(&format!("a:{}b", "\n".repeat(300_000)));
    read(&repeated(100_000, |_| "# comment\n".to_owned()));
    read(&format!("{{\"a\":{}1}}", " ".repeat(1_000_000)));
}

#[test]
fn long_keys() {
    let large = "x".repeat(100_000);
    read(&format!("? {large}\n: 1\n"));
    read(&policy(&format!("\n  ? {large}\n  : 1")));
    read(&policy(&format!(" {{\"{large}\": 1}}")));
    read(&format!(
        "{{\"kind\": \"Pod\", \"apiVersion\": \"v1\", \"{large}\": 1}}"
    ));
    read(&policy(&format!(
        "\n  podSelector: {{matchLabels: {{? {large} : a}}}}"
    )));
}

#[test]
fn many_keys() {
    read(&repeated(100_000, |at| format!("k{at}: {at}\n")));
    read(&repeated(50_000, |_| "a: 1\n".to_owned()));
    // Each is reported.
    read(&policy(&repeated(5000, |at| format!("\n  unknown{at}: 1"))));
    read(&policy(&repeated(5000, |_| {
        "\n  podSelector: {}".to_owned()
    })));
    read(&policy(&format!(
        "\n  podSelector:\n    matchLabels:{}",
        repeated(4000, |at| format!("\n      k{at}: v"))
    )));
    read(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:{}",
        repeated(10_000, |at| format!("\n    k{at}: v"))
    ));
}

#[test]
fn many_items() {
    read(&repeated(100_000, |_| "- x\n".to_owned()));
    let list =
        |items: &str| format!("{{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{items}]}}");
    read(&list(&vec!["1"; 100_000].join(",")));
    read(&list(&vec!["{}"; 10_000].join(",")));
    read(&list(
        &vec![r#"{"kind":"Pod","apiVersion":"v1"}"#; 5000].join(","),
    ));
    read(&"{}".repeat(50_000));
    read(&policy(&format!(
        "\n  podSelector:\n    matchExpressions:\n    - key: app\n      operator: In\n      values:{}",
        repeated(20_000, |at| format!("\n      - v{at}"))
    )));
    read(&policy(&format!(
        " {{policyTypes: [{}]}}",
        "Ingress, ".repeat(5000)
    )));
}

#[test]
fn many_documents() {
    read(&"---\n".repeat(1_000_000));
    read(&"--- # c\n".repeat(100_000));
    read(&"---\na\n".repeat(20_000));
    read(&"...\n".repeat(30_000));
    read(&"a\n...\n".repeat(10_000));
    read(&"\u{feff}---\n".repeat(100_000));
    // Directives keep a file in one piece, and every document in it is broken.
    read(&format!("%YAML 1.1\n{}", "---\n[\n".repeat(5000)));
    read(&"---\n{{ x }}: [\n".repeat(2000));
    read(&"{\n---\n".repeat(5000));
}

#[test]
fn many_rules() {
    let peers = repeated(500, |at| {
        format!(
            "\n    - ipBlock: {{cidr: 10.{}.{}.0/24}}",
            at / 250,
            at % 250
        )
    });
    check(&policy(&format!("\n  egress:\n  - to:{peers}")));
    let except = repeated(3000, |at| {
        format!("\n        - 10.{}.{}.0/24", at / 250, at % 250)
    });
    check(&policy(&format!(
        "\n  egress:\n  - to:\n    - ipBlock:\n        cidr: 10.0.0.0/8\n        except:{except}"
    )));
    let ports = repeated(3000, |at| format!("\n    - port: {}", at + 1));
    check(&policy(&format!("\n  ingress:\n  - ports:{ports}")));
    let rules = repeated(150, |at| {
        format!("\n  - from: [{{podSelector: {{matchLabels: {{k{at}: v}}}}}}]")
    });
    check(&policy(&format!("\n  ingress:{rules}")));
}

#[test]
fn many_policies_and_pods() {
    let policies = repeated(300, |at| {
        policy(" {podSelector: {}}").replace("name: p", &format!("name: p{at}")) + "---\n"
    });
    check(&policies);
    let pods = repeated(1500, |at| {
        format!(
            "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"p{at}\",\"namespace\":\"n{at}\"}}}}\n"
        )
    });
    check(&pods);
    // All the same object.
    check(&policy(" {podSelector: {}}---\n").repeat(300));
}

#[test]
fn large_numbers() {
    check(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {replicas: 2147483647, \
         selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}}}\n",
    );
    check(&policy(
        " {ingress: [{ports: [{port: 1, endPort: 65535}, {port: 65536}, {port: -1}]}]}",
    ));
}
