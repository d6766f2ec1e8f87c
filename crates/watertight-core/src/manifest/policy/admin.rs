//! AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy as written.

use super::Written;
use crate::manifest::decode::Decoder;

/// AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy.
#[derive(Clone, Debug)]
pub struct AdminPolicy;

pub(super) fn decode(_: &mut Decoder, _: &Written<'_, '_, '_>) -> Option<AdminPolicy> {
    Some(AdminPolicy)
}
