//! Which kinds of policy objects an engine reads, by version.

use super::{Engine, Feature, Profile, Support};
use crate::manifest::{Dialect, PolicyKind};
use crate::world::inventory::KindRead;
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

/// Kinds that decide connections under an engine and that could not be listed, or not to the end: what was
/// read is not all that acts (M-8). Where the engine is not known, any language may be its own.
pub fn unread_policies<'w>(
    world: &'w World,
    profile: &Profile,
) -> impl Iterator<Item = &'w KindRead> + use<'w> {
    let profile = *profile;
    let kinds = world.inventory.snapshot.iter();
    let kinds = kinds.flat_map(|snapshot| &snapshot.kinds);
    let acts = move |kind: &&KindRead| {
        if kind.is("networking.k8s.io", "networkpolicies") {
            return true;
        }
        PolicyKind::find(&kind.group, &kind.kind).is_some_and(|kind| {
            let is_any = profile.engine == Engine::Reference;
            !kind.kind.starts_with("Staged") && (is_any || profile.reads(kind).is_ok())
        })
    };
    kinds.filter(|kind| kind.state.is_incomplete()).filter(acts)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// C-60: which generation of the admin kinds a release of Calico reads.
    #[test]
    fn c_60_the_facts_of_the_release_decide() {
        let group = "policy.networking.k8s.io";
        let reads = |engine: &str, kind: &str| {
            let kind = PolicyKind::find(group, kind).unwrap();
            Profile::parse(engine).unwrap().reads(kind).is_ok()
        };
        let [admin, baseline, cluster] = [
            "AdminNetworkPolicy",
            "BaselineAdminNetworkPolicy",
            "ClusterNetworkPolicy",
        ];
        assert!(!reads("calico@3.28", admin) && !reads("calico@3.28", cluster));
        assert!(reads("calico@3.29", admin) && !reads("calico@3.29", baseline));
        assert!(reads("calico@3.30", baseline) && !reads("calico@3.31", cluster));
        assert!(!reads("calico@3.32", admin) && reads("calico@3.32", cluster));
        // Without a version either generation may be the one that acts.
        assert!(reads("calico", admin) && reads("calico", cluster));
        assert!(!reads("flannel", admin));
    }
}
