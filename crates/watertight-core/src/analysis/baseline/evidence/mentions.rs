//! Who is named in a text: a URL, a list of brokers, a connection string, an argument.
//!
//! INVARIANT: a mention is a guess about a text; whether somebody is called like that is for who asks.

use std::net::IpAddr;

/// Somebody who is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mention {
    /// The host, in lower case.
    pub host: String,
    /// The port, written or usual for the scheme.
    pub port: Option<u16>,
    /// Whether a scheme stands in front.
    pub has_scheme: bool,
    /// Whether the port is written.
    pub port_is_written: bool,
}

impl Mention {
    /// The address, if the host is one.
    pub(super) fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

/// The ports that schemes stand for.
const SCHEMES: &[(&str, u16)] = &[
    ("amqp", 5672),
    ("amqps", 5671),
    ("ftp", 21),
    ("grpcs", 443),
    ("http", 80),
    ("https", 443),
    ("kafka", 9092),
    ("ldap", 389),
    ("ldaps", 636),
    ("mariadb", 3306),
    ("memcached", 11211),
    ("mongodb", 27017),
    ("mysql", 3306),
    ("nats", 4222),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("redis", 6379),
    ("rediss", 6379),
    ("sftp", 22),
    ("smtp", 25),
    ("smtps", 465),
    ("sqlserver", 1433),
    ("ssh", 22),
    ("ws", 80),
    ("wss", 443),
];

/// Ends of names of variables whose values are hosts.
const OF_HOSTS: &[&str] = &[
    "ADDR", "ADDRESS", "BROKER", "BROKERS", "ENDPOINT", "HOST", "HOSTNAME", "HOSTS", "SERVER",
    "SERVERS", "SERVICE", "URI", "URL",
];

/// Whether the values of a variable are hosts.
pub(super) fn names_host(variable: &str) -> bool {
    let last = variable.rsplit(['_', '-', '.']).next().unwrap_or_default();
    OF_HOSTS.iter().any(|word| last.eq_ignore_ascii_case(word))
}

/// Who is named in a text. `bare` says whether a word alone may be a host.
pub(super) fn mentions(text: &str, bare: bool) -> Vec<Mention> {
    let apart = |c: char| {
        c.is_whitespace()
            || matches!(
                c,
                ',' | ';' | '"' | '\'' | '`' | '|' | '(' | ')' | '<' | '>'
            )
    };
    let mut found = Vec::new();
    for word in text.split(apart).filter(|word| !word.is_empty()) {
        // `--db=db:5432`
        let value = match word.split_once('=') {
            Some((key, value)) if !key.contains("://") => value,
            _ => word,
        };
        found.extend(mention(value, bare));
    }
    found.dedup();
    found
}

/// The variables of the form `NAME_SERVICE_HOST` that a text refers to.
pub(super) fn service_variables(text: &str) -> impl Iterator<Item = &str> {
    let part = |c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let names = text.split(part);
    names.filter_map(|name| name.strip_suffix("_SERVICE_HOST"))
}

fn mention(word: &str, bare: bool) -> Option<Mention> {
    let (scheme, rest) = match word.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.rsplit(':').next()?), rest),
        None => (None, word),
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit('@').next()?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, behind) = rest.split_once(']')?;
            (host, behind.strip_prefix(':'))
        }
        None if authority.parse::<std::net::Ipv6Addr>().is_ok() => (authority, None),
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let written = match port {
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port > 0)?),
        None => None,
    };
    // `tcp:db:5432`
    let host = host
        .rsplit(':')
        .next()
        .filter(|_| !host.contains("::"))
        .unwrap_or(host);
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let telling = scheme.is_some() || written.is_some() || bare || host.contains(".svc");
    if !telling || !is_host(&host) {
        return None;
    }
    let usual = scheme.and_then(|scheme| {
        let known = SCHEMES
            .iter()
            .find(|(known, _)| scheme.eq_ignore_ascii_case(known));
        known.map(|(_, port)| *port)
    });
    Some(Mention {
        host,
        port: written.or(usual),
        has_scheme: scheme.is_some(),
        port_is_written: written.is_some(),
    })
}

fn is_host(host: &str) -> bool {
    if host.parse::<IpAddr>().is_ok() {
        return true;
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253
        && host.bytes().any(|byte| byte.is_ascii_lowercase())
        && host.split('.').all(label)
}

/// Last labels of names that no public server answers for.
const PRIVATE: &[&str] = &[
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "svc",
];

/// Whether a name is one that a server of the internet may answer for.
pub(super) fn is_public(mention: &Mention) -> bool {
    let labels: Vec<&str> = mention.host.split('.').collect();
    let last = labels.last().copied().unwrap_or_default();
    let least = if mention.has_scheme { 2 } else { 3 };
    labels.len() >= least
        && last.len() >= 2
        && last.bytes().all(|byte| byte.is_ascii_lowercase())
        && !PRIVATE.contains(&last)
        && (mention.has_scheme || mention.port_is_written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> String {
        let all = mentions(text, false).into_iter().map(|mention| {
            let port = mention.port.map_or("-".to_owned(), |port| port.to_string());
            format!("{} {port}", mention.host)
        });
        all.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn urls_lists_and_connection_strings_name_hosts() {
        assert_eq!(found("db:5432"), "db 5432");
        assert_eq!(
            found("http://cart.shop.svc:8080/a?b=c:1"),
            "cart.shop.svc 8080"
        );
        assert_eq!(found("https://api.example.com/v1"), "api.example.com 443");
        assert_eq!(
            found("jdbc:postgresql://db.shop:5433/orders"),
            "db.shop 5433"
        );
        assert_eq!(found("postgres://user:p%40ss@db/orders"), "db 5432");
        assert_eq!(found("user:pass@tcp(mysql:3306)/shop"), "mysql 3306");
        assert_eq!(
            found("kafka-0.kafka:9092,kafka-1.kafka:9092"),
            "kafka-0.kafka 9092, kafka-1.kafka 9092"
        );
        assert_eq!(found("--store=redis://cache:6380"), "cache 6380");
        assert_eq!(found("http://[fd00::1]:8080"), "fd00::1 8080");
        assert_eq!(
            found("cart.shop.svc.cluster.local."),
            "cart.shop.svc.cluster.local -"
        );
    }

    #[test]
    fn other_texts_name_nobody() {
        for text in [
            "info",
            "12:30",
            "registry.example/app:1.2",
            "a:b",
            "C:\\temp",
            "true",
            "/var/run:ro",
            "x:99999",
            "-:80",
        ] {
            assert_eq!(found(text), "", "{text}");
        }
    }

    #[test]
    fn a_bare_word_is_a_host_where_the_variable_says_so() {
        assert!(names_host("CART_HOST") && names_host("db.url") && !names_host("LOG_LEVEL"));
        assert_eq!(mentions("cart", true).len(), 1);
        assert_eq!(mentions("cart", false).len(), 0);
        let variables = service_variables("http://$(CART_SERVICE_HOST):$(CART_SERVICE_PORT)");
        assert_eq!(variables.collect::<Vec<_>>(), ["CART"]);
    }

    #[test]
    fn private_names_are_not_public() {
        let public = |text: &str| mentions(text, true).iter().all(is_public);
        assert!(public("https://api.example.com") && public("smtp.mail.example:587"));
        for text in [
            "https://db",
            "https://db.internal",
            "app.shop:80",
            "https://10.0.0.1",
            "a.b.com",
        ] {
            assert!(!public(text), "{text}");
        }
    }
}
