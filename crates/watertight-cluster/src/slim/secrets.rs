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

/// A text without who logs in and with what: `postgres://user:password@db:5432`,
/// `user:password@tcp(db:3306)/shop`, `host=db password=x`, `?user=me&password=x`.
fn without_logins(text: &str) -> Cow<'_, str> {
    if !text.contains(['@', '=']) {
        return Cow::Borrowed(text);
    }
    let mut left = String::with_capacity(text.len());
    let ends_pair = |c: char| c.is_whitespace() || matches!(c, '&' | ';' | ',' | '?');
    for part in without_users(text).split_inclusive(ends_pair) {
        let pair = part.trim_end_matches(ends_pair);
        let end = part.strip_prefix(pair).unwrap_or_default();
        match pair.split_once('=') {
            Some((name, value)) if is_secret(name) && !is_switch(value) => {
                left.push_str(name);
                left.push('=');
            }
            Some((name, value)) => {
                left.push_str(name);
                left.push('=');
                left.push_str(without_login(value));
            }
            None => left.push_str(without_login(pair)),
        }
        left.push_str(end);
    }
    Cow::Owned(left)
}

/// `user:password@host` without what is before the host.
fn without_login(text: &str) -> &str {
    match text.rsplit_once('@') {
        Some((login, host)) if login.contains(':') && !text.contains("://") => host,
        _ => text,
    }
}

/// URLs without what is before their hosts.
fn without_users(text: &str) -> String {
    let mut left = String::with_capacity(text.len());
    let mut parts = text.split("://");
    left.push_str(parts.next().unwrap_or_default());
    for part in parts {
        left.push_str("://");
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
        let (url, behind) = part
            .split_at_checked(part.find(ends).unwrap_or(part.len()))
            .unwrap_or((part, ""));
        let authority = url.split(['/', '?', '#', ',', ';']).next().unwrap_or(url);
        let is_port = |text: &str| text.chars().all(|c| c.is_ascii_digit());
        let names_port = authority
            .rsplit_once(':')
            .is_none_or(|(_, port)| is_port(port));
        // Passwords are not always encoded as they should be.
        let from = match authority.rfind('@') {
            Some(at) => Some(at),
            None if names_port => None,
            None => url.rfind('@'),
        };
        let host = from.and_then(|at| url.get(at + 1..)).unwrap_or(url);
        left.push_str(host);
        left.push_str(behind);
    }
    left
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
        let value = without_logins(&value);
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
        left.push(without_logins(argument));
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
    fn logins_go_in_every_spelling_and_hosts_stay() {
        for (value, left) in [
            ("postgres://me:hunter2@db:5432/x", "postgres://db:5432/x"),
            ("amqp://me:hun/ter2@mq:5672", "amqp://mq:5672"),
            (
                "redis://:hun,ter2@a:1,redis://:hunter2@b:2",
                "redis://a:1,redis://b:2",
            ),
            ("https://cdn:8080/lib@2", "https://cdn:8080/lib@2"),
            (
                "me:hunter2@tcp(db:3306)/shop?tls=true",
                "tcp(db:3306)/shop?tls=true",
            ),
            ("--dsn=me:hunter2@db:3306", "--dsn=db:3306"),
            (
                "host=db user=me password=hunter2 port=5432",
                "host=db user=me password= port=5432",
            ),
            (
                "Server=db,1433;User Id=sa;Password=hunter2;",
                "Server=db,1433;User Id=sa;Password=;",
            ),
            (
                "jdbc:mysql://db:3306/x?user=me&password=hunter2&ssl=true",
                "jdbc:mysql://db:3306/x?user=me&password=&ssl=true",
            ),
            ("admin@shop.example", "admin@shop.example"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(without_logins(value), left);
            let variable = json!({"name": "A", "value": value}).to_string();
            let kept = without_credentials(&variable).unwrap();
            assert!(
                !kept.contains("hunter2") && !kept.contains("ter2"),
                "{kept}"
            );
        }
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
