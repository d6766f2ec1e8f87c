//! The formats that the API server checks: names, label keys and values, port names (V- rules).

/// Why a text is no DNS-1123 subdomain (V-1); `None` if it is one.
pub(super) fn subdomain(text: &str) -> Option<&'static str> {
    if text.len() > 253 {
        return Some("must be no more than 253 characters");
    }
    let label = |label: &str| {
        let inner = label
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        !label.is_empty() && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    if text.split('.').all(label) {
        None
    } else {
        Some(
            "must consist of lower case letters, digits, `-` and `.`, and start and end with a \
             letter or digit",
        )
    }
}

/// A part of a label: alphanumeric ends, `-`, `_` and `.` inside, at most 63 characters.
fn qualified(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_end = |end: Option<&u8>| end.is_some_and(u8::is_ascii_alphanumeric);
    let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let fits = text.len() <= 63 && is_end(bytes.first()) && is_end(bytes.last());
    fits && bytes.iter().all(is_inner)
}

/// Why a text is no label key (V-21).
pub(super) fn label_key(text: &str) -> Option<&'static str> {
    let slash = text.bytes().position(|byte| byte == b'/');
    let (prefix, name) = match slash.and_then(|at| text.split_at_checked(at)) {
        Some((prefix, rest)) => (Some(prefix), rest.strip_prefix('/').unwrap_or(rest)),
        None if qualified(text) => return None,
        None => (None, text),
    };
    if name.contains('/') {
        return Some("has more than one `/`: a key is a name, or a DNS prefix, one `/` and a name");
    }
    if prefix.is_some_and(|prefix| prefix.is_empty() || subdomain(prefix).is_some()) {
        return Some("has a prefix that is no DNS subdomain");
    }
    if !qualified(name) {
        return Some(
            "must be 1 to 63 letters, digits, `-`, `_` or `.`, starting and ending with a letter \
             or digit",
        );
    }
    None
}

/// Why a text is no label value (V-22).
pub(super) fn label_value(text: &str) -> Option<&'static str> {
    if text.is_empty() || qualified(text) {
        return None;
    }
    Some(
        "must be at most 63 letters, digits, `-`, `_` or `.`, starting and ending with a letter or \
         digit, or be empty",
    )
}

/// Why a text is no port name (V-12).
pub(super) fn port_name(text: &str) -> Option<&'static str> {
    if text.is_empty() || text.len() > 15 {
        return Some("a port name has 1 to 15 characters");
    }
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        return Some("a port name has lower case letters, digits and `-` only");
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        return Some("a port name needs a letter; a port number must not be quoted");
    }
    if text.starts_with('-') || text.ends_with('-') || text.contains("--") {
        return Some("a port name must not start or end with `-` or have two in a row");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v_1_names() {
        assert!(subdomain("a.b-c.d").is_none());
        for bad in ["", "Deny", "a_b", "-a", "a-", "a..b", ".a"] {
            assert!(subdomain(bad).is_some(), "{bad}");
        }
        assert!(subdomain(&"a".repeat(253)).is_none());
        assert!(subdomain(&"a".repeat(254)).is_some());
    }

    #[test]
    fn v_12_port_names() {
        for good in ["http", "8080-tcp", "a", "abcdefghijklmno"] {
            assert!(port_name(good).is_none(), "{good}");
        }
        for bad in [
            "80",
            "HTTP",
            "http_alt",
            "abcdefghijklmnop",
            "-a",
            "a-",
            "a--b",
            "",
        ] {
            assert!(port_name(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn v_21_v_22_labels() {
        for good in ["app", "app.kubernetes.io/name", "A_b.c-d"] {
            assert!(label_key(good).is_none(), "{good}");
        }
        for bad in ["", "/name", "a/b/c", "Upper.io/x/", "-a", "a/"] {
            assert!(label_key(bad).is_some(), "{bad}");
        }
        assert!(label_key(&"k".repeat(64)).is_some());
        for good in ["", "web", "1.0", "A_b"] {
            assert!(label_value(good).is_none(), "{good}");
        }
        for bad in ["a/b", "-a", "a b", "é"] {
            assert!(label_value(bad).is_some(), "{bad}");
        }
    }
}
