//! EgressFirewall and EgressNetworkPolicy as written.

use super::Written;
use crate::manifest::decode::Decoder;

/// EgressFirewall and EgressNetworkPolicy.
#[derive(Clone, Debug)]
pub struct EgressFirewall;

pub(super) fn decode(_: &mut Decoder, _: &Written<'_, '_, '_>) -> Option<EgressFirewall> {
    Some(EgressFirewall)
}
