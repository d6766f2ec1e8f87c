//! What generated files have found, minimised.
use super::bombs::{policy, repeated};
#[test]
fn scaling() {
    type G = fn(usize) -> String;
    let gens: &[(&str, usize, G)] = &[
        ("unknown fields", 2000, |n| policy(&repeated(n, |at| format!("\n  unknown{at}: 1")))),
        ("repeated fields", 2000, |n| policy(&repeated(n, |_| "\n  podSelector: {}".to_owned()))),
        ("errors", 2000, |n| "---\n[\n".repeat(n)),
        ("errors one chunk", 2000, |n| format!("%YAML 1.1\n{}", "---\n[\n".repeat(n))),
        ("selector labels", 4000, |n| policy(&format!("\n  podSelector:\n    matchLabels:{}", repeated(n, |at| format!("\n      k{at}: v"))))),
        ("selector values", 4000, |n| policy(&format!("\n  podSelector:\n    matchExpressions:\n    - key: app\n      operator: In\n      values:{}", repeated(n, |at| format!("\n      - v{at}"))))),
        ("selector expressions", 2000, |n| policy(&format!("\n  podSelector:\n    matchExpressions:{}", repeated(n, |at| format!("\n    - {{key: k{at}, operator: Exists}}"))))),
        ("pod labels", 4000, |n| format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  labels:{}", repeated(n, |at| format!("\n    k{at}: v")))),
        ("peers", 1000, |n| policy(&format!("\n  egress:\n  - to:{}", repeated(n, |at| format!("\n    - ipBlock: {{cidr: 10.{}.{}.0/24}}", at / 250, at % 250))))),
        ("except", 1000, |n| policy(&format!("\n  egress:\n  - to:\n    - ipBlock:\n        cidr: 10.0.0.0/8\n        except:{}", repeated(n, |at| format!("\n        - 10.{}.{}.0/24", at / 250, at % 250))))),
        ("ports", 1000, |n| policy(&format!("\n  ingress:\n  - ports:{}", repeated(n, |at| format!("\n    - port: {}", at + 1))))),
        ("rules", 500, |n| policy(&format!("\n  ingress:{}", repeated(n, |at| format!("\n  - from: [{{podSelector: {{matchLabels: {{k{at}: v}}}}}}]"))))),
        ("empty rules", 500, |n| policy(&format!("\n  ingress:{}", repeated(n, |_| "\n  - {}".into())))),
        ("policies", 100, |n| repeated(n, |at| policy(" {podSelector: {}}").replace("name: p", &format!("name: p{at}")) + "---\n")),
        ("same policies", 100, |n| (policy(" {podSelector: {}}")+"---\n").repeat(n)),
        ("namespaces", 500, |n| repeated(n, |at| format!("{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"p{at}\",\"namespace\":\"n{at}\"}}}}\n"))),
        ("one line unknown", 2000, |n| policy(&format!(" {{{}}}", repeated(n, |at| format!("unknown{at}: 1, "))))),
        ("container ports", 2000, |n| format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec: {{containers: [{{name: x, ports: [{}]}}]}}\n---\n{}", repeated(n, |at| format!("{{name: p{at}, containerPort: {}}}, ", at+1)), policy(" {ingress: [{ports: [{port: p1}, {port: zz}]}]}"))),
        ("ignores", 1000, |n| format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:{}", repeated(n, |at| format!("\n    ignore.watertight.dev/WT{at}: v")))),
        ("ignore comments", 1000, |n| repeated(n, |_| "# watertight: ignore[WT101] x\n".into())),
    ];
    for (name, n, g) in gens {
        let t = |n: usize| { let text = g(n); let t = std::time::Instant::now(); super::targets::check(text.as_bytes()); t.elapsed().as_millis() };
        let (a, b, c) = (t(*n), t(n*2), t(n*4));
        eprintln!("{name:22} {n:6}: {a:5} {b:5} {c:5} ms {}", if c > 10*a.max(20) { "QUADRATIC" } else { "" });
    }
}
