//! What the name of a policy promises: that something is denied, and what.
//!
//! INVARIANT: a name that also says what it allows (`deny-all-except-dns`) promises nothing here,
//! save for the direction that it names.

use crate::manifest::Direction;

/// How much a name promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) enum Strength {
    /// `deny`, `block`, `no-`: it is closed.
    Deny,
    /// `restrict`, `isolate`: something is closed.
    Restrict,
}

/// What is promised to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) enum Object {
    /// Everything, or the Internet.
    Everything,
    /// Metadata services.
    Metadata,
    /// Something else that no address stands for.
    Other,
}

/// The promise of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) struct Intent {
    pub strength: Strength,
    pub object: Object,
    /// The direction, if the name says which.
    pub direction: Option<Direction>,
    /// Whether the name also announces what it allows.
    pub allows: bool,
}

const DENY: &[&str] = &[
    "deny", "denies", "denied", "disallow", "forbid", "reject", "prevent",
];
/// Words that are a denial only before or behind what is denied: `block-storage` is a product.
const DENY_SOMETHING: &[&str] = &[
    "block", "blocks", "blocked", "drop", "drops", "no", "without",
];
const RESTRICT: &[&str] = &["restrict", "isolat", "lockdown", "quarantine"];
const ALLOW: &[&str] = &[
    "allow", "permit", "accept", "open", "enable", "except", "exclud", "only", "but", "unless",
];
const EGRESS: &[&str] = &["egress", "outbound", "outgoing"];
const INGRESS: &[&str] = &["ingress", "inbound", "incoming", "from"];
const METADATA: &[&str] = &["metadata", "imds", "imdsv1", "imdsv2"];
const EVERYTHING: &[&str] = &[
    "all",
    "any",
    "everything",
    "default",
    "traffic",
    "access",
    "internet",
    "external",
    "public",
    "world",
    "outside",
    "wan",
    "network",
];

/// Reads a name word by word; none if it promises nothing.
pub(in crate::rules) fn of(name: &str) -> Option<Intent> {
    let words: Vec<&str> = name.split(['-', '.', '_']).collect();
    let starts = |word: &str, stems: &[&str]| stems.iter().any(|stem| word.starts_with(stem));
    let is_object = |word: &&str| {
        [EGRESS, INGRESS, METADATA, EVERYTHING]
            .iter()
            .any(|list| list.contains(word))
    };
    let deny = words.iter().position(|word| {
        starts(word, DENY) || (DENY_SOMETHING.contains(word) && words.iter().any(is_object))
    });
    let restrict = || words.iter().position(|word| starts(word, RESTRICT));
    let (strength, at) = match deny {
        Some(at) => (Strength::Deny, at),
        None => (Strength::Restrict, restrict()?),
    };
    let allow = words.iter().position(|word| starts(word, ALLOW));
    // What is denied follows the word, up to where the name goes on with what is allowed.
    let until = allow.filter(|allow| *allow > at).unwrap_or(words.len());
    let behind = words.get(at + 1..until).unwrap_or_default();
    let scope = if behind.iter().any(is_object) {
        behind
    } else {
        &words
    };
    let has = |list: &[&str]| scope.iter().any(|word| list.contains(word));
    let direction = match (has(EGRESS), has(INGRESS)) {
        (true, false) => Some(Direction::Egress),
        (false, true) => Some(Direction::Ingress),
        _ => None,
    };
    let only_direction = || {
        let rest = scope
            .iter()
            .filter(|word| !starts(word, DENY) && !starts(word, RESTRICT));
        direction.is_some()
            && rest
                .clone()
                .all(|word| has_any(word, &[EGRESS, INGRESS, DENY_SOMETHING]))
    };
    let object = if has(METADATA) {
        Object::Metadata
    } else if has(EVERYTHING) || only_direction() || words.len() == 1 {
        Object::Everything
    } else {
        Object::Other
    };
    Some(Intent {
        strength,
        object,
        direction,
        allows: allow.is_some(),
    })
}

fn has_any(word: &str, lists: &[&[&str]]) -> bool {
    lists.iter().any(|list| list.contains(&word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str) -> String {
        let Some(intent) = of(name) else {
            return format!("{name}: nothing\n");
        };
        let direction = intent.direction.map_or("both", Direction::word);
        let allows = if intent.allows { ", allows" } else { "" };
        format!(
            "{name}: {:?} {:?} {direction}{allows}\n",
            intent.strength, intent.object
        )
    }

    #[test]
    fn names_are_read_word_by_word() {
        let names = [
            "deny",
            "deny-all",
            "default-deny",
            "default-deny-egress",
            "deny-all-except-dns",
            "default-deny-allow-dns",
            "allow-ingress-deny-egress",
            "deny-ingress-allow-egress",
            "egress-deny",
            "no-egress",
            "no-internet",
            "block-metadata",
            "aws-imds-block",
            "deny-from-other-namespaces",
            "web-deny-external-egress",
            "restrict-egress",
            "isolate-tenant",
            "deny-ssh",
            "block-storage",
            "policy-no-1",
            "allow-all",
            "dropbox",
            "web",
        ];
        expect_test::expect![[r#"
            deny: Deny Everything both
            deny-all: Deny Everything both
            default-deny: Deny Everything both
            default-deny-egress: Deny Everything egress
            deny-all-except-dns: Deny Everything both, allows
            default-deny-allow-dns: Deny Everything both, allows
            allow-ingress-deny-egress: Deny Everything egress, allows
            deny-ingress-allow-egress: Deny Everything ingress, allows
            egress-deny: Deny Everything egress
            no-egress: Deny Everything egress
            no-internet: Deny Everything both
            block-metadata: Deny Metadata both
            aws-imds-block: Deny Metadata both
            deny-from-other-namespaces: Deny Other ingress
            web-deny-external-egress: Deny Everything egress
            restrict-egress: Restrict Everything egress
            isolate-tenant: Restrict Other both
            deny-ssh: Deny Other both
            block-storage: nothing
            policy-no-1: nothing
            allow-all: nothing
            dropbox: nothing
            web: nothing
        "#]]
        .assert_eq(&names.map(read).concat());
    }
}
