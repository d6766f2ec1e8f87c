//! Release numbers as people write them, and ranges of them.
//!
//! Suffixes (`-gke.100`, `+k3s1`, `-rc.1`) are dropped: no fact depends on one. A number without a
//! patch, such as `1.15`, stands for the whole line, so that nothing is claimed for it that holds
//! for some of its patches only.

use std::fmt;
use std::str::FromStr;

/// A release number: `3.30.1`, or `3.30` for all of its patches.
///
/// The order puts a line before its patches: `1.15 < 1.15.0 < 1.15.1 < 1.16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First number; for date-like tags (`20240719`) the whole tag.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number; `None` when it was not given.
    pub patch: Option<u32>,
}

impl Version {
    /// One release.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch: Some(patch),
        }
    }

    /// All patches of one minor release.
    pub const fn line(major: u32, minor: u32) -> Self {
        Self {
            major,
            minor,
            patch: None,
        }
    }

    /// The oldest release this can stand for.
    pub const fn first(self) -> Self {
        let patch = match self.patch {
            Some(patch) => patch,
            None => 0,
        };
        Self {
            patch: Some(patch),
            ..self
        }
    }

    /// Whether every release this can stand for is `other` or newer.
    pub fn at_least(self, other: Self) -> bool {
        self.first() >= other.first()
    }

    /// The first release after all that this can stand for.
    pub(super) const fn next(self) -> Self {
        match self.patch {
            Some(patch) => Self {
                patch: Some(patch.saturating_add(1)),
                ..self
            },
            None => Self {
                minor: self.minor.saturating_add(1),
                patch: Some(0),
                ..self
            },
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.patch) {
            (
                Self {
                    major, minor: 0, ..
                },
                None,
            ) if is_date(major) => write!(f, "{major}"),
            (Self { major, minor, .. }, None) => write!(f, "{major}.{minor}"),
            (Self { major, minor, .. }, Some(patch)) => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.trim()).ok_or_else(|| VersionError {
            given: text.trim().to_owned(),
        })
    }
}

fn parse(text: &str) -> Option<Version> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let numbers = text.split(['-', '+', '_']).next()?;
    let mut parts = numbers.split('.');
    let major = number(parts.next()?)?;
    let Some(minor) = parts.next() else {
        // A bare `3` names no line; a bare 20240719 is the date of an image.
        return is_date(major).then_some(Version::line(major, 0));
    };
    let minor = number(minor)?;
    let patch = match parts.next() {
        None | Some("x" | "X" | "*") => None,
        Some(patch) => {
            // `1.27.0rc1`: letters may follow the last number without a separator.
            Some(number(
                patch.split(|c: char| c.is_ascii_alphabetic()).next()?,
            )?)
        }
    };
    parts.all(|part| number(part).is_some()).then_some(Version {
        major,
        minor,
        patch,
    })
}

fn number(digits: &str) -> Option<u32> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse().ok()).flatten()
}

fn is_date(major: u32) -> bool {
    major >= 10_000_000
}

/// A text that is no release number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionError {
    given: String,
}

impl VersionError {
    /// What was given.
    pub fn given(&self) -> &str {
        &self.given
    }
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no version, write it like 1.15 or 1.15.4",
            self.given
        )
    }
}

impl std::error::Error for VersionError {}

#[cfg(test)]
mod tests {
    use super::Version;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn versions_parse_as_people_write_them() {
        assert_eq!(version("1.15"), Version::line(1, 15));
        assert_eq!(version("v1.15"), Version::line(1, 15));
        assert_eq!(version("3.21.x"), Version::line(3, 21));
        assert_eq!(version("3.30.1"), Version::new(3, 30, 1));
        assert_eq!(version(" V3.30.1 "), Version::new(3, 30, 1));
        assert_eq!(version("1.15.4-gke.100"), Version::new(1, 15, 4));
        assert_eq!(version("v1.30.4+k3s1"), Version::new(1, 30, 4));
        assert_eq!(version("v1.18.2-eksbuild.1"), Version::new(1, 18, 2));
        assert_eq!(version("1.15+"), Version::line(1, 15));
        assert_eq!(version("1.16.0-rc.1"), Version::new(1, 16, 0));
        assert_eq!(version("1.16.0rc1"), Version::new(1, 16, 0));
        assert_eq!(version("3.19.4.1"), Version::new(3, 19, 4));
        assert_eq!(version("v20240719-d85b9cc2"), Version::line(20_240_719, 0));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "v",
            "latest",
            "3",
            "1.",
            ".1",
            "1.a",
            "1.2.",
            "1.2.rc1",
            "1.2.3.a",
            "1..2",
            "-1.2",
            "4294967296.1",
        ] {
            let error = text.parse::<Version>().unwrap_err();
            assert_eq!(error.given(), text, "{text}");
        }
        let message = "newest".parse::<Version>().unwrap_err().to_string();
        assert_eq!(
            message,
            "`newest` is no version, write it like 1.15 or 1.15.4"
        );
    }

    #[test]
    fn versions_print_as_they_were_given() {
        for text in ["1.15", "1.15.4", "0.24.0", "20240719", "2.0"] {
            assert_eq!(version(text).to_string(), text);
        }
    }

    #[test]
    fn versions_compare_by_number_and_lines_come_first() {
        let sorted = [
            "0.9.12", "1.9", "1.9.0", "1.9.10", "1.10", "2.0.0", "20240719",
        ]
        .map(version);
        assert!(sorted.is_sorted());
    }

    #[test]
    fn a_line_is_at_least_its_first_patch() {
        assert!(version("1.16").at_least(version("1.16.0")));
        assert!(version("1.16").at_least(version("1.16")));
        assert!(!version("1.16").at_least(version("1.16.1")));
        assert!(version("1.16.2").at_least(version("1.16")));
        assert!(!version("1.15.9").at_least(version("1.16")));
    }
}
