//! Peers and rules in words.

use super::{EndpointSelector, NamespaceScope, Peer};
use crate::sets::{Expression, LabelsOf, Test};
use crate::world::World;

/// More items than this are counted.
const MOST: usize = 3;

impl Peer {
    /// Whom it means: `app=web of namespace shop`, `10.0.0.0/8`.
    #[must_use]
    pub fn words(&self, world: &World) -> String {
        match self {
            Self::Any => "anybody".into(),
            Self::Endpoints(selector, _) => selector.words(world),
            Self::Block(block, _) => block.to_string(),
            Self::Nodes(nodes, _) => {
                let names = nodes.iter().map(|id| format!("node {}", world[*id].name));
                match nodes.len() {
                    0 => "no node".into(),
                    count if count > MOST => format!("{count} nodes"),
                    _ => names.collect::<Vec<_>>().join(" or "),
                }
            }
            Self::AnyNode(_) => "any node".into(),
            Self::OwnNode(_) => "the node of the pod".into(),
            Self::OtherNodes(_) => "any other node".into(),
            Self::Outside(_) => "whoever is outside the cluster".into(),
            Self::Domain(pattern, ..) => format!("the addresses of {pattern}"),
            Self::All(parts) => joined(world, parts, " and ", "anybody"),
            Self::AnyOf(parts) => joined(world, parts, " or ", "nobody"),
            Self::Not(part) => format!("anybody but {}", part.words(world)),
        }
    }
}

fn joined(world: &World, parts: &[Peer], by: &str, none: &str) -> String {
    match parts {
        [] => none.into(),
        parts if parts.len() > MOST => format!("{} kinds of peers", parts.len()),
        parts => {
            let parts = parts.iter().map(|part| part.words(world));
            parts.collect::<Vec<_>>().join(by)
        }
    }
}

impl EndpointSelector {
    /// Which pods it selects: `app=web of namespace shop`.
    #[must_use]
    pub fn words(&self, world: &World) -> String {
        let mut pods = match (self.pods.is_empty(), &self.also) {
            (true, None) => "all pods".to_owned(),
            (true, Some(also)) => format!("pods with {}", also.words()),
            (false, None) => self.pods.to_string(),
            (false, Some(also)) => format!("{} and {}", self.pods, also.words()),
        };
        let of = match &self.namespaces {
            NamespaceScope::Only(own) => format!(" of namespace {}", world[*own].name),
            NamespaceScope::Matching(_) if self.also.is_some() && self.pods.is_empty() => {
                String::new()
            }
            NamespaceScope::Matching(labels) if labels.is_empty() => " of every namespace".into(),
            NamespaceScope::Matching(labels) => {
                let named = labels.to_string();
                match named.strip_prefix("kubernetes.io/metadata.name=") {
                    Some(name) if !name.contains([',', ' ']) => format!(" of namespace {name}"),
                    _ => format!(" of namespaces with {named}"),
                }
            }
        };
        pods.push_str(&of);
        pods
    }
}

impl Expression {
    /// The condition: `app=web and namespace label team=blue`.
    #[must_use]
    pub fn words(&self) -> String {
        let list = |parts: &[Self], by: &str, none: &str| match parts {
            [] => none.to_owned(),
            [one] => one.words(),
            parts => {
                let parts = parts.iter().map(|part| match part {
                    Self::All(inner) | Self::Any(inner) if inner.len() > 1 => {
                        format!("({})", part.words())
                    }
                    part => part.words(),
                });
                parts.collect::<Vec<_>>().join(by)
            }
        };
        match self {
            Self::All(parts) => list(parts, " and ", "any label"),
            Self::Any(parts) => list(parts, " or ", "no label"),
            Self::Not(part) => match &**part {
                Self::Label {
                    of,
                    key,
                    test: Test::Exists,
                } => format!("no {}{key}", whose(*of)),
                Self::Label {
                    of,
                    key,
                    test: Test::OneOf(values),
                } if values.len() == 1 => format!("{}{key}!={}", whose(*of), values.concat()),
                part => format!("not ({})", part.words()),
            },
            Self::Label { of, key, test } => {
                let of = whose(*of);
                match test {
                    Test::Exists => format!("{of}{key}"),
                    Test::OneOf(values) if values.len() == 1 => {
                        format!("{of}{key}={}", values.concat())
                    }
                    Test::OneOf(values) => format!("{of}{key} in ({})", values.join(",")),
                    Test::StartsWith(text) => format!("{of}{key} starting with {text}"),
                    Test::EndsWith(text) => format!("{of}{key} ending with {text}"),
                    Test::Contains(text) => format!("{of}{key} containing {text}"),
                }
            }
            Self::ServiceAccount(names) => format!("service account {}", names.join(" or ")),
            Self::Address(nets) => {
                let nets = nets.iter().map(ToString::to_string);
                format!("an address in {}", nets.collect::<Vec<_>>().join(" or "))
            }
        }
    }
}

fn whose(of: LabelsOf) -> &'static str {
    match of {
        LabelsOf::Endpoint => "",
        LabelsOf::Namespace => "namespace label ",
        LabelsOf::ServiceAccount => "service account label ",
    }
}
