//! DNS names that policies admit (A-29..A-31, L-56..L-58, O-10), and which of them are public (M-6).

use crate::facts::metadata::Cloud;

/// What `*` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Labels {
    /// One label or more, at the front only: `*.example.com`.
    OneOrMore,
    /// Exactly one label, at the front only (O-10).
    One,
    /// Characters of one label, anywhere; `**.` in front is any number of labels, and `*` alone
    /// every name (L-56).
    Within,
    /// Any text, dots included, anywhere: `*example.com` (T-7).
    AnyText,
}

/// A name, or a pattern of names; without a trailing dot, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DomainPattern {
    text: Box<str>,
    labels: Labels,
}

impl DomainPattern {
    /// A pattern.
    #[must_use]
    pub fn new(text: &str, labels: Labels) -> Self {
        Self {
            text: normal(text).into(),
            labels,
        }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it is one name.
    #[must_use]
    pub fn is_name(&self) -> bool {
        !self.text.contains('*')
    }

    /// Whether a name is one of those that are meant. A pattern is compared by its text: it is
    /// matched by itself, and by a wider one.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name = normal(name);
        if *self.text == *name {
            return true;
        }
        match self.labels {
            Labels::OneOrMore => self
                .behind_star()
                .and_then(|rest| front(&name, rest))
                .is_some(),
            Labels::One => self
                .behind_star()
                .and_then(|rest| front(&name, rest))
                .is_some_and(|front| !front.contains('.')),
            Labels::Within => self.matches_within(&name),
            Labels::AnyText => glob(&self.text, &name),
        }
    }

    /// `.example.com` of `*.example.com`.
    fn behind_star(&self) -> Option<&str> {
        let rest = self.text.strip_prefix('*')?;
        rest.starts_with('.').then_some(rest)
    }

    fn matches_within(&self, name: &str) -> bool {
        if &*self.text == "*" {
            return true;
        }
        if let Some(rest) = self.text.strip_prefix("**.") {
            let pattern: Vec<&str> = rest.split('.').collect();
            let labels: Vec<&str> = name.split('.').collect();
            let Some(extra) = labels.len().checked_sub(pattern.len()) else {
                return false;
            };
            let tail = labels.iter().skip(extra);
            return extra > 0
                && pattern
                    .iter()
                    .zip(tail)
                    .all(|(part, label)| glob(part, label));
        }
        let (pattern, labels) = (self.text.split('.'), name.split('.'));
        pattern.clone().count() == labels.clone().count()
            && pattern.zip(labels).all(|(part, label)| glob(part, label))
    }
}

/// The ends of names that public DNS does not know: those set aside for other uses, and those that
/// private networks take for themselves.
const PRIVATE_ENDS: &[&str] = &[
    "alt",
    "arpa",
    "corp",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "localhost",
    "onion",
    "private",
    "test",
];

/// Whether a name, or every name that a pattern is about, is one of public DNS, and none that leads
/// to the metadata service of a cloud (M-6).
#[must_use]
pub fn is_public_name(text: &str) -> bool {
    let text = normal(text);
    let Some((_, last)) = text.rsplit_once('.') else {
        return false;
    };
    let is_metadata = |name: &str| match text.rsplit_once('*') {
        Some((_, end)) => name.ends_with(end),
        None => name == text,
    };
    let mut metadata = Cloud::ALL.iter().flat_map(|cloud| cloud.host_names());
    !last.contains('*') && !PRIVATE_ENDS.contains(&last) && !metadata.any(|name| is_metadata(name))
}

fn normal(text: &str) -> String {
    text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase()
}

/// What stands before `rest`, if it is not empty.
fn front<'n>(name: &'n str, rest: &str) -> Option<&'n str> {
    name.strip_suffix(rest).filter(|front| !front.is_empty())
}

/// Whether a text, which is one label for most languages, fits a pattern in which `*` is any text.
fn glob(pattern: &str, label: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = label.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

impl std::fmt::Display for DomainPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, labels: Labels, name: &str) -> bool {
        DomainPattern::new(pattern, labels).matches(name)
    }

    #[test]
    fn a_30_one_label_or_more_and_never_the_apex() {
        let at = |name| matches("*.Example.com.", Labels::OneOrMore, name);
        assert!(at("www.example.com") && at("deep.api.example.com") && at("WWW.example.COM."));
        assert!(!at("example.com") && !at("badexample.com"));
        assert!(matches("other.org.", Labels::OneOrMore, "OTHER.org"));
    }

    #[test]
    fn o_10_exactly_one_label() {
        let at = |name| matches("*.example.com", Labels::One, name);
        assert!(at("www.example.com"));
        assert!(!at("a.b.example.com") && !at("example.com"));
    }

    #[test]
    fn t_7_any_text() {
        let at = |pattern, name| matches(pattern, Labels::AnyText, name);
        assert!(at("*wayfair.com", "www.wayfair.com") && at("*wayfair.com", "wayfair.com"));
        assert!(at("a*.io", "a.b.io") && !at("*.a.io", "a.io") && at("a.io", "A.io."));
    }

    #[test]
    fn l_56_stars_within_labels() {
        let at = |pattern, name| matches(pattern, Labels::Within, name);
        assert!(at("*.a.io", "b.a.io") && !at("*.a.io", "c.b.a.io") && !at("*.a.io", "a.io"));
        assert!(at("**.a.io", "c.b.a.io") && at("**.a.io", "b.a.io") && !at("**.a.io", "a.io"));
        assert!(at("*", "anything.at.all"));
        assert!(at("sub*.a.io", "sub1.a.io") && at("s*b*.a.io", "subway.a.io"));
        assert!(!at("sub*.a.io", "xsub.a.io") && !at("*b.a.io", "abc.a.io"));
        assert!(!at("a*a.io", "a.io"));
    }
}
