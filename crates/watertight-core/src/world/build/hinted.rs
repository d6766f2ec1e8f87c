//! Reading a world together with what its objects tell about needed connections.

use super::part::{Gatherer, Part};
use crate::document::Node;
use crate::manifest::{Gather, Hint, HintReader, Object};

/// Gathers parts and hints.
#[derive(Debug, Default)]
pub(super) struct Hinted<'s> {
    parts: Gatherer<'s>,
    hints: HintReader,
}

impl<'s> Gather<'s> for Hinted<'s> {
    type Gathered = (Part<'s>, Vec<Hint>);

    fn object(&mut self, object: Object<'s>) {
        self.parts.object(object);
    }

    fn seen(&mut self, node: Node<'_, 's>, api_version: &str, kind: &str) -> bool {
        self.hints.read(node, api_version, kind);
        self.parts.seen(node, api_version, kind)
    }

    fn done(self) -> Self::Gathered {
        (self.parts.done(), self.hints.hints)
    }
}
