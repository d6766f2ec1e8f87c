//! Tiers and groups: what policies refer to by name.

use super::BUILT_IN_TIERS;
use super::peers::{AntreaPeer, AntreaPeerKind, Fields, block, ip_block, name_ref};
use crate::document::{Kind, Node};
use crate::manifest::decode::{Decoder, Unknown};
use crate::manifest::policy::Written;
use crate::source::Span;

/// A Tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AntreaTier {
    /// The place among the tiers, the lowest first (T-1).
    pub priority: u8,
    /// Where the priority is.
    pub span: Span,
}

/// A ClusterGroup or a Group: any of its members.
#[derive(Clone, Debug)]
pub struct AntreaGroup {
    /// The members; other groups among them by name.
    pub members: Vec<AntreaPeer>,
    /// Where the spec is.
    pub span: Span,
}

/// Decodes a Tier (T-15).
pub(super) fn tier(
    decoder: &mut Decoder,
    node: Node<'_, '_>,
    written: &Written<'_, '_, '_>,
) -> Option<AntreaTier> {
    let [priority, _] = decoder.fields(node, ["priority", "description"], Unknown::Refuse);
    if priority.is_none() {
        if matches!(node.kind(), Kind::Mapping | Kind::Null) {
            decoder.invalid(node.span(), "the tier needs a `priority`", &["T-15"], None);
        }
        return None;
    }
    let (value, span) = decoder.integer("priority", priority)?;
    let own = BUILT_IN_TIERS
        .iter()
        .find(|(name, _)| *name == written.name);
    let reserved = BUILT_IN_TIERS
        .iter()
        .find(|(_, reserved)| i64::from(*reserved) == value);
    let problem = match (own, reserved) {
        (Some((name, priority)), _) if i64::from(*priority) != value => Some(format!(
            "the priority of the tier `{name}` is {priority} and stays so"
        )),
        (Some(_), _) => None,
        (None, Some((name, _))) => Some(format!("priority {value} is that of the tier `{name}`")),
        (None, None) if !(0..250).contains(&value) => {
            Some(format!("priority {value} is not between 0 and 249"))
        }
        (None, None) => None,
    };
    if let Some(message) = problem {
        decoder.field("priority", |decoder| {
            decoder.invalid(span, message, &["T-15"], None);
        });
        return None;
    }
    let priority = u8::try_from(value).ok()?;
    Some(AntreaTier { priority, span })
}

/// Decodes a ClusterGroup or a Group.
pub(super) fn group(decoder: &mut Decoder, node: Node<'_, '_>) -> AntreaGroup {
    let known = [
        "podSelector",
        "namespaceSelector",
        "externalEntitySelector",
        "nodeSelector",
        "ipBlock",
        "ipBlocks",
        "serviceReference",
        "childGroups",
    ];
    let fields = decoder.fields(node, known, Unknown::Refuse);
    let [
        pods,
        namespaces,
        external,
        nodes,
        ip_block_at,
        blocks,
        service,
        children,
    ] = fields;
    let lists = [blocks, service, children, ip_block_at];
    let by_labels = [pods, namespaces, external, nodes];
    let ways = lists.iter().flatten().count() + usize::from(by_labels.iter().any(Option::is_some));
    let span = node.span();
    if ways > 1 {
        let message = "a group has one way to select its members";
        decoder.invalid(span, message, &["T-8"], None);
    }
    let peer = |kind, span| AntreaPeer { kind, span };
    let mut members = decoder.items("ipBlocks", blocks, |decoder, node| {
        let block = block(decoder, node)?;
        Some(peer(AntreaPeerKind::Block(block), node.span()))
    });
    members.extend(decoder.items("childGroups", children, |decoder, node| {
        let name = decoder.item_text(node)?;
        Some(peer(AntreaPeerKind::Group((&*name).into()), name.span))
    }));
    if let Some(block) = ip_block_at {
        let found = ip_block(decoder, block);
        members.extend(found.map(|found| peer(AntreaPeerKind::Block(found), block.span())));
    }
    if let Some(service) = service {
        let found = decoder.field("serviceReference", |decoder| name_ref(decoder, service));
        members.extend(found.map(|found| peer(AntreaPeerKind::Service(found), service.span())));
    }
    if by_labels.iter().any(Option::is_some) {
        let written = Fields {
            pods,
            namespaces,
            external,
            nodes,
            ..Fields::default()
        };
        members.extend(written.decode(decoder, node, "T-8"));
    }
    AntreaGroup { members, span }
}
