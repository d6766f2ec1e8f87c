//! Endpoints that policies cannot tell apart, so that rules judge one of many.
//!
//! INVARIANT: groups come by namespace, and in a namespace by their first member, whatever threads
//! found them.

use rustc_hash::FxHashMap;

use super::parallel;
use crate::eval::Evaluator;
use crate::manifest::Direction;
use crate::policy::PolicyRef;
use crate::world::{EndpointId, NamespaceId};

/// Endpoints of one namespace that the same policies select in both directions. What policies say
/// of one holds for all of them, so rules judge one member and report the group.
#[derive(Clone, Debug)]
pub struct Group {
    /// The namespace.
    pub namespace: NamespaceId,
    /// The endpoints, never empty.
    pub members: Vec<EndpointId>,
    /// The policies for ingress.
    pub ingress: Vec<PolicyRef>,
    /// The policies for egress.
    pub egress: Vec<PolicyRef>,
    isolated_for_ingress: bool,
    isolated_for_egress: bool,
}

impl Group {
    /// The member that stands for all.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "groups are never empty")]
    pub fn example(&self) -> EndpointId {
        self.members[0]
    }

    /// The policies of a direction.
    #[must_use]
    pub fn policies(&self, direction: Direction) -> &[PolicyRef] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }

    /// Whether the endpoints are isolated in a direction (K-6, K-7).
    #[must_use]
    pub fn is_isolated(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.isolated_for_ingress,
            Direction::Egress => self.isolated_for_egress,
        }
    }
}

/// All groups, and which endpoint is in which.
#[derive(Debug)]
pub(super) struct Groups {
    all: Vec<Group>,
    /// By namespace: where its groups begin.
    starts: Vec<usize>,
    /// By endpoint: the position of its group, or one that there is not.
    of: Vec<u32>,
}

impl Groups {
    pub(super) fn new(eval: &Evaluator<'_>) -> Self {
        let namespaces: Vec<_> = eval.world.namespace_ids().collect();
        let found = parallel::map(&namespaces, |id| of_namespace(eval, *id));
        let mut groups = Self {
            all: Vec::with_capacity(found.iter().map(Vec::len).sum()),
            starts: Vec::with_capacity(namespaces.len() + 1),
            of: vec![u32::MAX; eval.world.endpoints.len()],
        };
        groups.starts.push(0);
        for found in found {
            for group in found {
                let number = u32::try_from(groups.all.len()).unwrap_or(u32::MAX);
                for id in &group.members {
                    if let Some(entry) = groups.of.get_mut(id.index()) {
                        *entry = number;
                    }
                }
                groups.all.push(group);
            }
            groups.starts.push(groups.all.len());
        }
        groups
    }

    pub(super) fn all(&self) -> &[Group] {
        &self.all
    }

    pub(super) fn of_namespace(&self, namespace: NamespaceId) -> &[Group] {
        let at = |index: usize| self.starts.get(index).copied().unwrap_or(self.all.len());
        let range = at(namespace.index())..at(namespace.index() + 1);
        self.all.get(range).unwrap_or_default()
    }

    pub(super) fn of_endpoint(&self, endpoint: EndpointId) -> Option<&Group> {
        self.all.get(*self.of.get(endpoint.index())? as usize)
    }
}

fn of_namespace(eval: &Evaluator<'_>, namespace: NamespaceId) -> Vec<Group> {
    // Equal lists of one namespace are one list: where it lies tells them apart.
    let place = |policies: &[PolicyRef]| match policies {
        [] => 0,
        [first, ..] => std::ptr::from_ref(first).addr(),
    };
    let mut index: FxHashMap<(usize, usize), usize> = FxHashMap::default();
    let mut groups: Vec<Group> = Vec::new();
    for id in eval.world[namespace].endpoints.iter().copied() {
        if eval.world[id].assumed || !eval.can_be_subject(id) {
            continue;
        }
        let ingress = eval.policies_of(id, Direction::Ingress);
        let egress = eval.policies_of(id, Direction::Egress);
        let isolates = |policies: &[PolicyRef]| {
            let mut policies = policies.iter();
            policies.any(|at| eval.ruleset[*at].isolates)
        };
        let at = *index
            .entry((place(ingress), place(egress)))
            .or_insert_with(|| {
                groups.push(Group {
                    namespace,
                    members: Vec::new(),
                    ingress: ingress.to_vec(),
                    egress: egress.to_vec(),
                    isolated_for_ingress: isolates(ingress),
                    isolated_for_egress: isolates(egress),
                });
                groups.len() - 1
            });
        if let Some(group) = groups.get_mut(at) {
            group.members.push(id);
        }
    }
    groups
}
