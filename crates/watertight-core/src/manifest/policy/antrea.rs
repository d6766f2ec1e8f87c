//! An object of Antrea as written.

use super::Written;
use crate::manifest::decode::Decoder;

/// An object of Antrea.
#[derive(Clone, Debug)]
pub struct AntreaObject;

pub(super) fn decode(_: &mut Decoder, _: &Written<'_, '_, '_>) -> Option<AntreaObject> {
    Some(AntreaObject)
}
