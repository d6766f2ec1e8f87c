//! Which kinds of policy objects an engine reads, by version.

use super::{Component, Engine, Feature, Profile, Support, Version};
use crate::manifest::{Dialect, PolicyKind};
use crate::world::{ObjectId, World};

/// The objects of a kind that an engine does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inert {
    /// The kind.
    pub kind: PolicyKind,
    /// The objects, in reading order, never empty.
    pub objects: Vec<ObjectId>,
    /// Why the engine does not read them, as [`Profile::reads`] words it.
    pub reason: &'static str,
}

/// The objects of a world that decide nothing because the engine does not read their kind, kind by
/// kind.
#[must_use]
pub fn inert(world: &World, profile: &Profile) -> Vec<Inert> {
    let mut found: Vec<Inert> = Vec::new();
    for id in world.object_ids() {
        let kind = world[id].kind;
        let Err(reason) = profile.reads(kind) else {
            continue;
        };
        match found.iter_mut().find(|inert| inert.kind == kind) {
            Some(inert) => inert.objects.push(id),
            None => found.push(Inert {
                kind,
                objects: vec![id],
                reason,
            }),
        }
    }
    found.sort_by_key(|inert| inert.kind);
    found
}

impl Profile {
    /// Whether objects of a kind decide anything in this cluster.
    ///
    /// # Errors
    /// Why they do not: a sentence about the engine, without its name and without a full stop.
    pub fn reads(&self, kind: PolicyKind) -> Result<(), &'static str> {
        let is_like = |engine| self.is_like(engine);
        match kind.dialect {
            Dialect::Admin => self.reads_admin(kind),
            Dialect::Calico if is_like(Engine::Calico) => Ok(()),
            Dialect::Calico => Err("it knows no resources of Calico"),
            Dialect::Cilium if is_like(Engine::Cilium) => Ok(()),
            Dialect::Cilium => Err("it knows no resources of Cilium"),
            Dialect::Antrea if is_like(Engine::Antrea) => Ok(()),
            Dialect::Antrea => Err("it knows no resources of Antrea"),
            Dialect::EgressFirewall if kind.kind == "EgressFirewall" => {
                match is_like(Engine::OvnKubernetes) {
                    true => Ok(()),
                    false => Err("only OVN-Kubernetes reads egress firewalls"),
                }
            }
            Dialect::EgressFirewall => {
                match is_like(Engine::OpenShiftSdn) || self.switches.legacy_sdn {
                    true => Ok(()),
                    false => Err("only OpenShift SDN reads this kind"),
                }
            }
        }
    }

    /// Whether this is an engine, or one that has it inside.
    fn is_like(&self, engine: Engine) -> bool {
        let mut next = Some(self.engine);
        let chain = std::iter::from_fn(|| {
            let engine = next?;
            next = engine.facts().like;
            Some(engine)
        });
        chain.take(8).any(|found| found == engine)
    }

    fn reads_admin(&self, kind: PolicyKind) -> Result<(), &'static str> {
        // Versions of Calico have known one generation of these kinds or the other (C-60).
        if self.is_like(Engine::Calico) {
            let version = self.releases().into_iter().find_map(|release| {
                (release.component == Component::Calico).then_some(release.version)
            });
            let at_least = |line| version.is_none_or(|version| version.at_least(line));
            return match kind.kind {
                "ClusterNetworkPolicy" if at_least(CLUSTER_SINCE) => Ok(()),
                "ClusterNetworkPolicy" => Err("it reads ClusterNetworkPolicy since 3.32"),
                _ if version.is_some() && !at_least(ADMIN_SINCE) => {
                    Err("it reads AdminNetworkPolicy since 3.29")
                }
                _ if at_least(CLUSTER_SINCE) => Err(
                    "3.32 reads ClusterNetworkPolicy in place of it: old objects stay and do \
                         nothing",
                ),
                _ => Ok(()),
            };
        }
        let feature = match kind.kind {
            "AdminNetworkPolicy" => Feature::AdminNetworkPolicy,
            "BaselineAdminNetworkPolicy" => Feature::BaselineAdminNetworkPolicy,
            _ => Feature::ClusterNetworkPolicy,
        };
        match self.feature(feature) {
            Support::None(note) => Err(note),
            _ => Ok(()),
        }
    }
}

const ADMIN_SINCE: Version = Version::line(3, 29);
const CLUSTER_SINCE: Version = Version::line(3, 32);
