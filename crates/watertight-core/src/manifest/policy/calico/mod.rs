//! Objects of Calico as written: `projectcalico.org/v3`, or `crd.projectcalico.org/v1` as they are
//! stored (C-77).
//!
//! `policy` is what a policy says around its rules, `rule` one rule, `entity` one end of it, `ports`
//! and `nets` its parts; `selector` reads selectors; `host`, `profile` and `sets` are what is not a
//! policy.
//! INVARIANT: what Calico's validation refuses is not here. Whether the tier of a policy exists
//! (C-76) is a question about all objects together and is left to whoever has them.

mod entity;
mod host;
mod nets;
mod policy;
mod ports;
mod profile;
mod rule;
mod selector;
mod sets;

pub use entity::{EntityRule, ServiceAccountMatch, ServiceRef};
pub use host::{HostEndpoint, HostPort};
pub use policy::{CalicoPolicy, CalicoSection, StagedAction};
pub use ports::{CalicoPort, CalicoPortKind, CalicoProtocol};
pub use profile::CalicoProfile;
pub use rule::{CalicoAction, CalicoRule, HttpPath, HttpRequest, IcmpMatch};
pub use selector::CalicoSelectorText;
pub use sets::{CalicoTier, NetworkSet};

use super::Written;
use crate::diag::Finding;
use crate::document::Node;
use crate::manifest::decode::Decoder;
use crate::manifest::networkpolicy::{self, NetworkPolicySpec};
use crate::rules::reading;

/// An object of Calico. Its kind tells whether it lives in a namespace.
#[derive(Clone, Debug)]
pub enum CalicoObject {
    /// NetworkPolicy, GlobalNetworkPolicy.
    Policy(Box<CalicoPolicy>),
    /// StagedNetworkPolicy, StagedGlobalNetworkPolicy: never enforced (C-62).
    Staged(Box<CalicoPolicy>, StagedAction),
    /// StagedKubernetesNetworkPolicy: never enforced (C-62).
    StagedKubernetes(Box<NetworkPolicySpec>, StagedAction),
    /// Tier.
    Tier(CalicoTier),
    /// NetworkSet, GlobalNetworkSet.
    NetworkSet(NetworkSet),
    /// HostEndpoint.
    HostEndpoint(HostEndpoint),
    /// Profile.
    Profile(Box<CalicoProfile>),
}

pub(super) fn decode(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> Option<CalicoObject> {
    Some(match written.kind.kind {
        "NetworkPolicy" | "GlobalNetworkPolicy" => {
            CalicoObject::Policy(Box::new(policy::decode(decoder, written)?))
        }
        "StagedNetworkPolicy" | "StagedGlobalNetworkPolicy" => {
            let (policy, action) = policy::decode_staged(decoder, written)?;
            CalicoObject::Staged(Box::new(policy), action)
        }
        "StagedKubernetesNetworkPolicy" => staged_kubernetes(decoder, written)?,
        "Tier" => CalicoObject::Tier(sets::tier(decoder, written)),
        "NetworkSet" | "GlobalNetworkSet" => CalicoObject::NetworkSet(sets::set(decoder, written)),
        "HostEndpoint" => CalicoObject::HostEndpoint(host::decode(decoder, written)?),
        "Profile" => CalicoObject::Profile(Box::new(profile::decode(decoder, written))),
        _ => return None,
    })
}

/// The spec of a Kubernetes NetworkPolicy with one field more.
fn staged_kubernetes(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> Option<CalicoObject> {
    let entries = written.spec.into_iter().flat_map(Node::entries);
    let own: Vec<_> = entries.filter(|(key, _)| key.is("stagedAction")).collect();
    let action = decoder.field("spec", |decoder| {
        policy::staged_action(decoder, own.last().map(|(_, value)| *value))
    })?;
    let spec = networkpolicy::decode(decoder, written.spec, written.span);
    let is_own = |finding: &Finding| {
        let at = finding.span();
        finding.rule.id == reading::UNKNOWN_FIELD.id
            && own.iter().any(|(key, _)| at == Some(key.span()))
    };
    decoder.findings.retain(|finding| !is_own(finding));
    Some(CalicoObject::StagedKubernetes(Box::new(spec), action))
}

#[cfg(test)]
mod tests;
