//! An object of Calico as written.

use super::Written;
use crate::manifest::decode::Decoder;

/// An object of Calico.
#[derive(Clone, Debug)]
pub struct CalicoObject;

pub(super) fn decode(_: &mut Decoder, _: &Written<'_, '_, '_>) -> Option<CalicoObject> {
    Some(CalicoObject)
}
