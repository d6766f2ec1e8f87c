use super::Keep::{All, Each, Entries, Fields, Object};
use super::*;

fn kept(text: &str, what: &Keep) -> Option<String> {
    let mut out = Vec::new();
    let any = keep(text, what, &mut out).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert_eq!(any, !out.is_empty());
    any.then_some(out)
}

const SHAPE: Keep = Fields(&[
    ("a", All),
    (
        "b",
        Fields(&[("c", All), ("d", Each(&Fields(&[("e", All)])))]),
    ),
    ("t", Object(&[("x", All)])),
    ("n", Entries(|key| key.starts_with("ours/"))),
]);

#[test]
fn named_fields_stay_in_their_order() {
    let text =
        r#"{"z":1,"b":{"d":[{"e":1,"f":2},{"f":3},{"e":[1, "x"]}],"c":null},"a":{"any":[true]}}"#;
    let expected = r#"{"b":{"d":[{"e":1},{"e":[1, "x"]}],"c":null},"a":{"any":[true]}}"#;
    assert_eq!(kept(text, &SHAPE).as_deref(), Some(expected));
}

#[test]
fn what_is_empty_goes_unless_it_must_be_there() {
    assert_eq!(kept(r#"{"z":1,"b":{"d":[{"f":1}],"z":2}}"#, &SHAPE), None);
    assert_eq!(
        kept(r#"{"t":{"y":1}}"#, &SHAPE).as_deref(),
        Some(r#"{"t":{}}"#)
    );
    assert_eq!(
        kept(r#"{"b":null,"t":"text","n":3,"a":0}"#, &SHAPE).as_deref(),
        Some(r#"{"a":0}"#)
    );
}

#[test]
fn keys_are_compared_as_they_mean() {
    let text = r#"{"\u0061":1,"n":{"ours/\"x\"":"1","theirs/y":"2"}}"#;
    let expected = r#"{"a":1,"n":{"ours/\"x\"":"1"}}"#;
    assert_eq!(kept(text, &SHAPE).as_deref(), Some(expected));
}

#[test]
fn broken_texts_are_errors() {
    for text in ["", "{", r#"{"a":}"#, r#"{"a":1} x"#, r#"{"b":{"d":[}}"#] {
        assert!(keep(text, &SHAPE, &mut Vec::new()).is_err(), "{text}");
    }
}

/// How a Service is published decides where its node ports lead (K-82).
#[test]
fn how_a_service_is_published_stays() {
    let spec =
        r#"{"spec":{"allocateLoadBalancerNodePorts":false,"externalTrafficPolicy":"Local"}}"#;
    let found = kept(spec, shapes::SERVICES.plain);
    assert_eq!(found.as_deref(), Some(spec));
}
