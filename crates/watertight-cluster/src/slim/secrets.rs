//! Texts of containers without what may be a credential.
//!
//! Environment variables and arguments tell whom a pod connects to, and now and then a password. What
//! looks like one is left out before anything is kept, in memory as well as in snapshots.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;

/// Longer values are no addresses and no switches.
const LONGEST: usize = 4096;

/// Parts of names whose values are nobody's business.
const SECRET: &[&str] = &[
    "apikey",
    "auth",
    "cert",
    "credential",
    "jwt",
    "key",
    "license",
    "licence",
    "pass",
    "pwd",
    "private",
    "salt",
    "secret",
    "sign",
    "token",
];

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|part| name.contains(part))
}

/// `postgres://user:password@db:5432` without who logs in.
fn without_user(text: &str) -> Cow<'_, str> {
    if !text.contains('@') {
        return Cow::Borrowed(text);
    }
    let mut left = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        left.push_str(before);
        left.push_str("://");
        let end = |c: char| matches!(c, '/' | '?' | '#' | ',' | ' ' | '"' | '\'' | ';');
        let length = behind.find(end).unwrap_or(behind.len());
        let (authority, after) = behind.split_at_checked(length).unwrap_or((behind, ""));
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        left.push_str(host);
        rest = after;
    }
    left.push_str(rest);
    Cow::Owned(left)
}

/// Whether a text is one long word without any structure, as keys and tokens are.
fn looks_random(text: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_' | '-');
    let mixed = text.chars().any(|c| c.is_ascii_digit())
        && text.chars().any(|c| c.is_ascii_uppercase())
        && text.chars().any(|c| c.is_ascii_lowercase());
    text.len() >= 24 && mixed && text.chars().all(word)
}

fn is_harmless(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && !looks_random(text) && !text.contains("-----BEGIN")
}

#[derive(Deserialize)]
struct Variable<'t> {
    #[serde(borrow)]
    name: Cow<'t, str>,
    #[serde(borrow)]
    value: Option<Cow<'t, str>>,
    #[serde(rename = "valueFrom", borrow)]
    from: Option<From<'t>>,
}

#[derive(Deserialize)]
struct From<'t> {
    #[serde(rename = "configMapKeyRef", borrow)]
    config_map: Option<Reference<'t>>,
}

#[derive(Deserialize)]
struct Reference<'t> {
    #[serde(borrow)]
    name: Option<Cow<'t, str>>,
}

/// A variable of an `env`, unless its value may be a credential.
pub(crate) fn without_credentials(text: &str) -> Option<String> {
    let variable: Variable<'_> = serde_json::from_str(text).ok()?;
    let name = &variable.name;
    if let Some(value) = variable.value {
        let value = without_user(&value);
        if is_secret(name) && !is_switch(&value) || !is_harmless(&value) {
            return None;
        }
        return Some(json!({"name": name, "value": value}).to_string());
    }
    let config_map = variable.from?.config_map?.name?;
    let from = json!({"configMapKeyRef": {"name": config_map}});
    Some(json!({"name": name, "valueFrom": from}).to_string())
}

/// Whether a value is a switch or a number, which are no credentials.
fn is_switch(value: &str) -> bool {
    matches!(value, "true" | "false") || value.len() < 6 && value.parse::<u32>().is_ok()
}

/// A `command` or `args` without what may be a credential; the arguments left keep their order.
pub(crate) fn without_secrets(text: &str) -> Option<String> {
    let arguments: Vec<Cow<'_, str>> = serde_json::from_str(text).ok()?;
    let mut left: Vec<Cow<'_, str>> = Vec::new();
    let mut is_value_of_secret = false;
    for argument in &arguments {
        let is_flag = argument.starts_with('-');
        if is_value_of_secret && !is_flag {
            is_value_of_secret = false;
            continue;
        }
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (&**argument, None),
        };
        is_value_of_secret = is_flag && value.is_none() && is_secret(name);
        let names_secret = is_secret(name) && value.is_some_and(|value| !is_switch(value));
        if is_value_of_secret || names_secret || !is_harmless(argument) {
            continue;
        }
        if value.is_some_and(|value| !value.is_empty() && !is_harmless(value)) {
            continue;
        }
        left.push(without_user(argument));
    }
    (!left.is_empty()).then(|| json!(left).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_and_credentials_go() {
        let kept = |name: &str, value: &str| {
            without_credentials(&json!({"name": name, "value": value}).to_string())
        };
        for (name, value) in [
            ("DB_HOST", "db.shop.svc"),
            ("LISTEN", "0.0.0.0:8080"),
            ("ENABLE_NETWORK_POLICY", "true"),
            ("AUTH_ENABLED", "false"),
        ] {
            assert!(kept(name, value).unwrap().contains(value), "{name}");
        }
        for (name, value) in [
            ("DB_PASSWORD", "hunter2"),
            ("API_TOKEN", "abcdef"),
            ("SETTING", "aB3dE5gH7jK9mN1pQ3sT5vW7"),
            ("TLS", "-----BEGIN PRIVATE KEY-----"),
            ("EMPTY", ""),
        ] {
            assert_eq!(kept(name, value), None, "{name}");
        }
        let url = kept(
            "DATABASE_URL",
            "postgres://me:hunter2@db:5432/x,redis://:pw@cache:1",
        )
        .unwrap();
        assert!(
            url.contains("postgres://db:5432/x,redis://cache:1"),
            "{url}"
        );
    }

    #[test]
    fn references_to_config_maps_stay_and_to_secrets_go() {
        let from =
            json!({"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}});
        assert!(
            without_credentials(&from.to_string())
                .unwrap()
                .contains("\"c\"")
        );
        let from = json!({"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}});
        assert_eq!(without_credentials(&from.to_string()), None);
    }

    #[test]
    fn arguments_lose_what_secret_flags_are_given() {
        let left = |arguments: &[&str]| without_secrets(&json!(arguments).to_string());
        assert_eq!(
            left(&[
                "serve",
                "--token",
                "abc",
                "--db=db:5432",
                "--password=x",
                "-v"
            ])
            .unwrap(),
            r#"["serve","--db=db:5432","-v"]"#
        );
        assert_eq!(
            left(&["--enable-network-policy=true", "--auth-enabled=false"]).unwrap(),
            r#"["--enable-network-policy=true","--auth-enabled=false"]"#
        );
        assert_eq!(left(&["--secret", "x"]), None);
    }
}
