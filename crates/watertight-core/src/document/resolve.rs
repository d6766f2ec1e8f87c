//! What an unquoted YAML scalar is: the YAML 1.1 reading that Go tools use.
//!
//! kubectl and the API server read YAML through a YAML 1.1 library, so `no`, `on` and `y` are
//! booleans there and `0755` is an octal number. A reader that keeps them as strings would accept
//! manifests that the cluster refuses. What they read is then turned into JSON, where keys are
//! strings and `80.0` is `80`.

use std::borrow::Cow;

use super::Kind;

/// The kind of a plain (unquoted) scalar, and the value if it is a boolean.
pub(super) fn plain(text: &str) -> (Kind, bool) {
    let Some(first) = text.as_bytes().first() else {
        return (Kind::Null, false);
    };
    match first {
        b'~' | b'n' | b'N' | b'y' | b'Y' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' => word(text),
        b'0'..=b'9' | b'+' | b'-' | b'.' if number(text).is_some() => (Kind::Number, false),
        _ => (Kind::String, false),
    }
}

fn word(text: &str) -> (Kind, bool) {
    match text {
        "~" | "null" | "Null" | "NULL" => (Kind::Null, false),
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            (Kind::Bool, true)
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            (Kind::Bool, false)
        }
        _ => (Kind::String, false),
    }
}

/// The JSON key that a plain scalar becomes in the place of a key: `yes` becomes `true`, `0x10`
/// becomes `16`. None for null, which cannot be a key.
pub(super) fn key(text: &str) -> Option<Cow<'_, str>> {
    Some(match plain(text) {
        (Kind::Null, _) => return None,
        (Kind::Bool, truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
        (Kind::Number, _) => match number(text) {
            Some(Number::Integer(value)) => Cow::Owned(value.to_string()),
            Some(Number::Float(value)) => Cow::Owned(float_key(value)),
            Some(Number::Wide) | None => Cow::Borrowed(text),
        },
        _ => Cow::Borrowed(text),
    })
}

/// A float as Go's `%g` prints it in single precision.
fn float_key(value: f64) -> String {
    let value = value as f32;
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let shortest = format!("{value:e}");
    let (digits, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

enum Number {
    Integer(i64),
    Float(f64),
    /// A whole number that needs more than 64 bits with a sign.
    Wide,
}

fn number(text: &str) -> Option<Number> {
    let cleaned: Cow<'_, str> = if text.contains('_') && !text.starts_with('.') {
        Cow::Owned(text.replace('_', ""))
    } else {
        Cow::Borrowed(text)
    };
    match whole(&cleaned) {
        Some(Number::Wide) => float(&cleaned).map(Number::Float).or(Some(Number::Wide)),
        Some(number) => Some(number),
        None => float(&cleaned).map(Number::Float),
    }
}

/// A whole number in decimal, `0x`, `0b`, `0o` or leading-zero octal notation.
fn whole(text: &str) -> Option<Number> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.split_at_checked(2) {
        Some(("0x" | "0X", rest)) => (16, rest),
        Some(("0b" | "0B", rest)) => (2, rest),
        Some(("0o" | "0O", rest)) => (8, rest),
        Some((two, _)) if two.starts_with('0') => (8, digits),
        _ => (10, digits),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix)
        .ok()
        .and_then(|value| i64::try_from(if negative { -value } else { value }).ok());
    Some(value.map_or(Number::Wide, Number::Integer))
}

/// A finite decimal fraction, with digits on a side of the point, or one of the special values.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(f64::NEG_INFINITY),
        ".inf" | ".Inf" | ".INF" => return Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" if unsigned == text => return Some(f64::NAN),
        _ => {}
    }
    let starts = unsigned.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    let shape = unsigned
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !starts || !shape {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The value of a whole number; `80.0` and `8e1` are whole too once they are JSON.
pub(super) fn integer(text: &str) -> Option<i64> {
    /// Every whole number below is exact as a float.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    // Nearly all are like this; zeros in front may mean another base.
    if text.len() <= 15 && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
    {
        return text.parse().ok();
    }
    match number(text)? {
        Number::Integer(value) => Some(value),
        Number::Float(value) if value.fract() == 0.0 && value.abs() < EXACT => Some(value as i64),
        Number::Float(_) | Number::Wide => None,
    }
}

/// The text of a `!!binary` value; bytes that are no UTF-8 become U+FFFD, as in JSON.
pub(super) fn base64(text: &str) -> Option<String> {
    let text: Vec<u8> = text
        .bytes()
        .filter(|byte| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let mut groups = text.chunks(4).peekable();
    while let Some(group) = groups.next() {
        let padding = group.iter().rev().take_while(|byte| **byte == b'=').count();
        let last = groups.peek().is_none();
        if group.len() != 4 || padding > 2 || (padding > 0 && !last) {
            return None;
        }
        let mut bits = 0u32;
        for byte in group.iter().take(4 - padding) {
            bits = bits << 6 | sextet(*byte)?;
        }
        let [_, first, second, third] = (bits << (6 * padding)).to_be_bytes();
        bytes.extend([first, second, third].iter().take(3 - padding));
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn sextet(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(value))
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
        for text in ["nope", "yES", "tRUE", "oN", "nULL"] {
            assert_eq!(plain(text).0, Kind::String, "{text}");
        }
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(plain(text).0, Kind::Null, "{text}");
        }
    }

    #[test]
    fn numbers_in_every_notation() {
        for (text, value) in [
            ("8080", 8080),
            ("0x1F90", 8080),
            ("017620", 8080),
            ("0o17620", 8080),
            ("0b1010", 10),
            ("8_080", 8080),
            ("-1", -1),
            ("+0x10", 16),
            ("0", 0),
            ("-0", 0),
            ("80.0", 80),
            ("80.", 80),
            ("8e1", 80),
            ("08", 8),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(plain(text).0, Kind::Number, "{text}");
            assert_eq!(integer(text), Some(value), "{text}");
        }
        for text in [
            "1.5",
            ".5",
            "1.5e0",
            "-.inf",
            "+.INF",
            ".nan",
            "1_000.5",
            "12e-3",
            "9223372036854775808",
            "0xFFFFFFFFFFFFFFFF",
            "99999999999999999999999999999999999999999999",
        ] {
            assert_eq!(plain(text).0, Kind::Number, "{text}");
            assert_eq!(integer(text), None, "{text}");
        }
        for text in [
            "1.2.3.4",
            "10.0.0.0/8",
            "--",
            "-",
            ".",
            "+",
            "e5",
            ".e5",
            "1e",
            "1-2",
            "0x",
            "0x1G",
            "-+1",
            "0b2",
            "-.nan",
            "1e999",
            "inf",
            "2024-01-01",
            "1:30",
            "0é",
        ] {
            assert_eq!(plain(text).0, Kind::String, "{text}");
        }
    }

    #[test]
    fn keys_become_the_strings_that_json_gets() {
        for (text, wanted) in [
            ("app", "app"),
            ("yes", "true"),
            ("off", "false"),
            ("0x10", "16"),
            ("08", "8"),
            ("1.10", "1.1"),
            ("1e3", "1000"),
            ("1e6", "1e+06"),
            ("0.00001", "1e-05"),
            ("-1.5e10", "-1.5e+10"),
            (".inf", ".inf"),
            ("-.Inf", "-.inf"),
            (".NaN", ".nan"),
            ("1e39", ".inf"),
        ] {
            assert_eq!(key(text).as_deref(), Some(wanted), "{text}");
        }
        assert_eq!(key("~"), None);
        assert_eq!(key(""), None);
    }

    #[test]
    fn base64_values() {
        let decoded = |text| base64(text).unwrap_or_else(|| "refused".to_owned());
        assert_eq!(decoded(""), "");
        assert_eq!(decoded("aGVsbG8="), "hello");
        assert_eq!(decoded("aGVs\nbG8h"), "hello!");
        assert_eq!(decoded("YQ=="), "a");
        assert_eq!(decoded("/w=="), "\u{fffd}");
        for text in ["a", "a===", "YQ==YQ==", "YQ=a", "Y Q="] {
            assert_eq!(decoded(text), "refused", "{text}");
        }
    }
}
