//! Nodes that a selector means, for every language that can name nodes.

use std::sync::Arc;

use crate::sets::LabelSelector;
use crate::world::{NodeId, World};

/// The nodes with matching labels, in reading order.
pub(super) fn nodes(world: &World, selector: &LabelSelector) -> Arc<[NodeId]> {
    let matches = |id: &NodeId| {
        let labels = &world[*id].labels;
        selector.matches(|key| world.symbols.value(labels, key))
    };
    world.node_ids().filter(matches).collect()
}
