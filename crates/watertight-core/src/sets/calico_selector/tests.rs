use super::parse::MAX_DEPTH;
use super::*;

fn parse(text: &str) -> CalicoSelector {
    CalicoSelector::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn selects(text: &str, labels: &[(&str, &str)]) -> bool {
    let labels: Vec<(String, String)> = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    parse(text).matches(&|key| {
        let found = labels.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    })
}

/// The message, and what it points at.
fn error(text: &str) -> (String, &str) {
    let error = CalicoSelector::parse(text).expect_err(text);
    let at = text.get(error.at.clone());
    (error.message, at.expect("the error points into the text"))
}

const WEB: &[(&str, &str)] = &[("app", "web"), ("env", "prod"), ("empty", "")];

#[test]
fn c_23_precedence() {
    assert!(selects("app == 'web' || x == '1' && y == '2'", WEB));
    assert!(!selects("(app == 'web' || x == '1') && y == '2'", WEB));
    assert!(selects("!has(x) && app == 'web'", WEB));
    assert!(!selects("!(has(x) || has(app))", WEB));
    assert!(
        selects("!app == 'db'", WEB),
        "`!` binds to the whole comparison"
    );
    assert!(selects("x == '1' && y == '2' || app == 'web'", WEB));
}

#[test]
fn c_24_c_25_equality_and_sets() {
    assert!(selects("app == 'web'", WEB));
    assert!(!selects("app == 'Web'", WEB), "case counts");
    assert!(!selects("x == 'web'", WEB));
    assert!(selects("app != 'db'", WEB));
    assert!(selects("x != 'web'", WEB), "absent is different");
    assert!(!selects("app != 'web'", WEB));
    assert!(selects("app in {'db', \"web\"}", WEB));
    assert!(!selects("x in {'web'}", WEB));
    assert!(selects("x not in {'web'}", WEB));
    assert!(!selects("app not in {'db','web'}", WEB));
}

#[test]
fn c_26_parts_of_values() {
    assert!(selects("app contains 'e'", WEB));
    assert!(selects("app starts with 'we'", WEB));
    assert!(selects("app ends with 'eb'", WEB));
    assert!(!selects("app starts with 'eb'", WEB));
    assert!(!selects("x contains ''", WEB), "absent has no parts");
    assert!(selects("!x contains 'e'", WEB));
    assert!(selects("empty contains ''", WEB));
}

#[test]
fn c_27_c_28_presence_and_everything() {
    assert!(selects("has(empty)", WEB), "an empty value is there");
    assert!(selects("!has(x)", WEB));
    assert!(selects("", &[]));
    assert!(selects(" \t ", &[]));
    assert!(selects("all()", &[]));
    assert!(!selects("!all( )", WEB));
}

#[test]
fn c_29_global() {
    assert!(selects("global()", WEB));
    assert!(selects("global( )", WEB));
    assert!(!selects("global()", &[(NAMESPACE_LABEL, "x")]));
}

#[test]
fn c_30_quotes_and_names() {
    assert!(selects("a == \"it's\"", &[("a", "it's")]));
    assert!(selects(r#"a == "x\y""#, &[("a", r"x\y")]), "no escapes");
    assert!(selects("a == 'é'", &[("a", "é")]));
    assert!(selects("A_b.c/d-1 == ''", &[("A_b.c/d-1", "")]));
    let (message, at) = error("app == web");
    assert_eq!(
        (message.as_str(), at),
        ("the value `web` needs quotes", "web")
    );
    let (_, at) = error("a == 'x");
    assert_eq!(at, "'x");
    let long = "k".repeat(512);
    assert!(selects(&format!("!has({long})"), WEB));
    let (message, _) = error(&format!("has(k{long})"));
    assert_eq!(message, "a label name has at most 512 characters");
    let (_, at) = error("é == 'x'");
    assert_eq!(at, "é");
}

#[test]
fn c_31_errors_point_into_the_text() {
    for (text, at) in [
        ("a = 'x'", "="),
        ("has(a) & has(b)", "&"),
        ("has(a) | has(b)", "|"),
        ("(has(a)", "("),
        ("has(a))", ")"),
        ("a in {,}", ","),
        ("a in {'x' 'y'}", "'"),
        ("a in {'x'", "{'x'"),
        ("a in 'x'", "'"),
        ("env", "env"),
        ("has(a) && env", "env"),
        ("a == 'x' b", "b"),
        ("has(a) &&", ""),
        ("has(a) && || has(b)", "|"),
        ("a !in {'x'}", "!"),
        ("a == ", ""),
        ("has()", "has("),
        ("has(a", "has(a"),
        ("all(a)", "all("),
        ("()", ")"),
        ("!", ""),
        ("a containsb 'x'", "b"),
        ("a == 'x'\n&& has(b)", "\n"),
        ("$", "$"),
    ] {
        assert_eq!(error(text).1, at, "{text}");
    }
    let instead = |text| CalicoSelector::parse(text).expect_err(text).instead;
    assert_eq!(instead("a = 'x'").as_deref(), Some("=="));
    assert_eq!(instead("has(a) & has(b)").as_deref(), Some("&&"));
    assert_eq!(instead("a == x").as_deref(), Some("'x'"));
    assert_eq!(instead("env").as_deref(), Some("has(env)"));
}

#[test]
fn c_32_empty_sets_and_commas() {
    assert!(!selects("app in {}", WEB));
    assert!(selects("app not in { }", WEB));
    assert!(selects("app in {'web',}", WEB));
}

#[test]
fn c_33_negation() {
    assert!(selects("!!has(app)", WEB));
    assert!(!selects("!!!has(app)", WEB));
    assert!(selects("!(x == 'y')", WEB), "the complement covers absence");
    assert_eq!(parse("!(!has(a))"), parse("has(a)"));
}

#[test]
fn c_34_tokens() {
    assert!(selects("has( app )", WEB));
    assert!(selects("app\t==\t'web'", WEB));
    assert!(selects("app=='web'&&env=='prod'", WEB));
    assert!(selects("in in {'x'}", &[("in", "x")]));
    assert!(selects("has == 'x'", &[("has", "x")]));
    assert!(selects("global in {'x'}", &[("global", "x")]));
    assert!(selects("not notin{'y'}", &[("not", "x")]));
    assert!(selects("app startswith 'w' && app endswith'b'", WEB));
    assert!(selects("app contains'e'", WEB));
    assert_eq!(error("has (a)").1, "(");
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("{}has(a){}", "!(".repeat(depth), ")".repeat(depth));
    assert!(selects(&nested(MAX_DEPTH), &[("a", "x")]));
    let deeper = nested(MAX_DEPTH + 1);
    let (message, at) = error(&deeper);
    assert_eq!(at, "(");
    assert_eq!(
        message,
        "the selector has more than 512 parentheses in each other"
    );
    assert_eq!(error(&"(".repeat(1_000_000)).1, "(");
    assert!(selects(
        &format!("{}has(a)", "!".repeat(1_000_000)),
        &[("a", "x")]
    ));
}

#[test]
fn display_reads_back() {
    for text in [
        "all()",
        "a == 'x' || (b != \"it's\" && !has(c))",
        "(a in {'x', 'y'} || d not in {}) && !(e contains 'f')",
        "a starts with 'x' && b ends with 'y' && !(global() || all())",
    ] {
        let parsed = parse(text);
        assert_eq!(parse(&parsed.to_string()), parsed, "{text}");
    }
    let shown = parse("(a=='x')||b!='y'&&!has(c)").to_string();
    assert_eq!(shown, "a == 'x' || (b != 'y' && !has(c))");
}
