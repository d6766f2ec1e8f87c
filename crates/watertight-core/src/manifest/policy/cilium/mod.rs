//! An object of Cilium as written.

use super::Written;
use crate::manifest::decode::Decoder;

/// An object of Cilium.
#[derive(Clone, Debug)]
pub struct CiliumObject;

pub(super) fn decode(_: &mut Decoder, _: &Written<'_, '_, '_>) -> Option<CiliumObject> {
    Some(CiliumObject)
}
