//! What an unquoted YAML scalar is: the YAML 1.1 reading that Go tools use.
//!
//! kubectl and the API server read YAML through a YAML 1.1 library, so `no`, `on` and `y` are
//! booleans there and `0755` is an octal number. A reader that keeps them as strings would accept
//! manifests that the cluster refuses.

use super::Kind;

/// The kind of a plain (unquoted) scalar, and the value if it is a boolean.
pub(super) fn plain(text: &str) -> (Kind, bool) {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => (Kind::Null, false),
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            (Kind::Bool, true)
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            (Kind::Bool, false)
        }
        _ if is_number(text) => (Kind::Number, false),
        _ => (Kind::String, false),
    }
}

fn is_number(text: &str) -> bool {
    let starts_like_one = matches!(
        text.as_bytes().first(),
        Some(b'0'..=b'9' | b'+' | b'-' | b'.')
    );
    starts_like_one && (integer(text).is_some() || is_float(text))
}

fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(
        unsigned,
        ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN"
    ) {
        return true;
    }
    let digits = matches!(unsigned.as_bytes().first(), Some(b'0'..=b'9' | b'.'))
        && unsigned.bytes().any(|byte| byte.is_ascii_digit());
    let shape = unsigned.bytes().all(|byte| {
        byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-' | b'_')
    });
    digits && shape && unsigned.replace('_', "").parse::<f64>().is_ok()
}

/// A whole number in decimal, `0x`, `0b`, `0o` or leading-zero octal notation.
pub(super) fn integer(text: &str) -> Option<i64> {
    let cleaned;
    let text = if text.contains('_') {
        cleaned = text.replace('_', "");
        cleaned.as_str()
    } else {
        text
    };
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let (radix, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, digits.get(2..)?),
        Some("0b" | "0B") => (2, digits.get(2..)?),
        Some("0o" | "0O") => (8, digits.get(2..)?),
        Some(two) if two.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_reads_yaml_1_1_booleans() {
        for text in ["yes", "on", "y", "True"] {
            assert_eq!(plain(text), (Kind::Bool, true), "{text}");
        }
        for text in ["no", "off", "N", "FALSE"] {
            assert_eq!(plain(text), (Kind::Bool, false), "{text}");
        }
        assert_eq!(plain("nope").0, Kind::String);
    }

    #[test]
    fn numbers_in_every_notation() {
        assert_eq!(integer("8080"), Some(8080));
        assert_eq!(integer("0x1F90"), Some(8080));
        assert_eq!(integer("017620"), Some(8080));
        assert_eq!(integer("0o17620"), Some(8080));
        assert_eq!(integer("8_080"), Some(8080));
        assert_eq!(integer("-1"), Some(-1));
        for text in ["1.5", "1e3", ".5", "-.inf", "1_000.5"] {
            assert_eq!(plain(text).0, Kind::Number, "{text}");
        }
        for text in [
            "1.2.3.4",
            "10.0.0.0/8",
            "--",
            "-",
            ".",
            "+",
            "e5",
            "1-2",
            "0x",
            "-+1",
        ] {
            assert_eq!(plain(text).0, Kind::String, "{text}");
        }
    }
}
