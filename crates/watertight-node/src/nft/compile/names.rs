//! Names of sets and chains: readable, and the same whenever the same thing is meant.
//!
//! INVARIANT: a name is made from the definition of a thing (the selector, the policy), never from what
//! it contains today, so that a new pod changes elements and no rule.

use std::fmt::Write as _;
use std::hash::Hasher as _;

use watertight_core::manifest::Direction;
use watertight_core::policy::{NamespaceScope, Origin, Peer, PolicyRef};
use watertight_core::sets::LabelSelector;
use watertight_core::world::World;

/// The most characters of the readable part.
const READABLE: usize = 40;

/// SipHash with a fixed key. Whoever writes policies chooses what is hashed, so it must not be easy to find
/// another definition with the hash of a given one.
fn hash(text: &str) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(text.as_bytes());
    hasher.finish()
}

/// `<kind>_<readable>_<hash of the definition>`.
pub(super) fn name(kind: &str, readable: &str, definition: &str) -> Box<str> {
    let hash = hash(definition);
    let readable = slug(readable);
    match readable.is_empty() {
        true => format!("{kind}_{hash:016x}").into(),
        false => format!("{kind}_{readable}_{hash:016x}").into(),
    }
}

/// Only what names may have, and not too much of it.
pub(super) fn slug(text: &str) -> String {
    let mut slug = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '.' | '/' | '-') {
            slug.push(character);
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
        if slug.len() >= READABLE {
            break;
        }
    }
    slug.truncate(slug.trim_end_matches(['_', '-', '.', '/']).len());
    slug
}

/// The direction in names.
pub(super) fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "in",
        Direction::Egress => "eg",
    }
}

/// What a policy of the ruleset is called: its object, and which part of it.
pub(super) fn policy(world: &World, origin: Origin, at: PolicyRef, part: usize) -> Box<str> {
    let direction = word(at.direction);
    let object = origin.name(world);
    let definition = format!("{} {object} {direction} {part}", origin.kind(world));
    name(direction, &object, &definition)
}

/// What peers mean, in full.
pub(super) fn peers<'p>(world: &World, peers: impl IntoIterator<Item = &'p Peer>) -> String {
    let mut each: Vec<String> = peers.into_iter().map(|one| peer(world, one)).collect();
    each.sort_unstable();
    each.dedup();
    each.join(" or ")
}

fn peer(world: &World, of: &Peer) -> String {
    let list = |parts: &[Peer], by: &str| {
        let parts = parts.iter().map(|part| peer(world, part));
        format!("({})", parts.collect::<Vec<_>>().join(by))
    };
    match of {
        Peer::Any => "any".into(),
        Peer::Endpoints(selector, _) => {
            let mut text = match &selector.namespaces {
                NamespaceScope::Only(id) => format!("namespace {} ", world[*id].name),
                NamespaceScope::Matching(labels) => format!("namespaces {} ", labels_of(labels)),
            };
            text.push_str(&labels_of(&selector.pods));
            if let Some(also) = &selector.also {
                _ = write!(text, " and {also:?}");
            }
            text
        }
        Peer::Block(block, covers) => {
            let Covered {
                pods,
                nodes,
                outside,
            } = Covered::from(*covers);
            format!("{block} of {pods} {nodes} {outside}")
        }
        Peer::Nodes(nodes, _) => {
            let names: Vec<&str> = nodes.iter().map(|id| &*world[*id].name).collect();
            format!("nodes {}", names.join(" "))
        }
        Peer::AnyNode(_) => "any node".into(),
        Peer::OwnNode(_) => "own node".into(),
        Peer::OtherNodes(_) => "other nodes".into(),
        Peer::Outside(_) => "outside".into(),
        // How many labels a star stands for is not in its text.
        Peer::Domain(pattern, ..) => format!("name {pattern:?}"),
        Peer::All(parts) => list(parts, " and "),
        Peer::AnyOf(parts) => list(parts, " or "),
        Peer::Not(part) => format!("not {}", peer(world, part)),
    }
}

struct Covered {
    pods: bool,
    nodes: bool,
    outside: bool,
}

impl From<watertight_core::policy::Covers> for Covered {
    fn from(covers: watertight_core::policy::Covers) -> Self {
        Self {
            pods: covers.pods,
            nodes: covers.nodes,
            outside: covers.outside,
        }
    }
}

fn labels_of(selector: &LabelSelector) -> String {
    format!("{:?}", selector.normal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_readable_and_stable() {
        assert_eq!(
            &*name("s4", "app=web of namespace shop", "x"),
            "s4_app_web_of_namespace_shop_d141bba7fdc215a3"
        );
        assert_eq!(slug("--=a b//"), "--_a_b");
        let long = name("in", &"x".repeat(300), "d");
        assert!(long.len() < 64, "{long}");
    }
}
