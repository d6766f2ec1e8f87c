//! Rows after a change: only what the change touches is computed again.
//!
//! A policy changes the rows of the endpoints that it selects or has selected. An endpoint that is
//! like others (of a class that exists) changes its own rows only; one of a new class joins the sets
//! of all peers that match it, and the rows that use them. Where a change brings what tells old
//! classes apart (a label key, a port name, a bound between addresses), everything is computed again.

use std::collections::BTreeSet;

use super::Reach;
use super::classes::Joined;
use super::side::RowId;
use crate::eval::Evaluator;
use crate::manifest::Direction;
use crate::policy::PolicyRef;
use crate::world::{EndpointId, NamespaceId};

/// What is new in a world and its ruleset.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Policies of the ruleset that are new, changed or void.
    pub policies: Vec<PolicyRef>,
    /// Endpoints that are new, changed or gone.
    pub endpoints: Vec<EndpointId>,
}

/// What an update did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Updated {
    /// Whether everything was computed again; the lists below are empty then.
    pub rebuilt: bool,
    /// Rows that were made or made anew.
    pub rows: Vec<(Direction, RowId)>,
    /// Endpoints that have another row than before.
    pub endpoints: Vec<EndpointId>,
}

impl Reach {
    /// Follows a policy that is new in the middle of a tier; before [`Self::update`], whose change names
    /// it as well.
    pub fn make_room(&mut self, at: PolicyRef) {
        match at.direction {
            Direction::Ingress => self.ingress.make_room(at),
            Direction::Egress => self.egress.make_room(at),
        }
    }

    /// Follows a change; `eval` is of the changed world and ruleset.
    pub fn update(&mut self, eval: &Evaluator<'_>, change: &Change) -> Updated {
        match self.try_update(eval, change) {
            Some(updated) => updated,
            None => {
                *self = Self::new(eval);
                Updated {
                    rebuilt: true,
                    ..Updated::default()
                }
            }
        }
    }

    /// None if classes come apart, or if too much of what is stored is out of use.
    fn try_update(&mut self, eval: &Evaluator<'_>, change: &Change) -> Option<Updated> {
        if self.ingress.is_worn() || self.egress.is_worn() {
            return None;
        }
        for at in &change.policies {
            for rule in &eval.ruleset[*at].rules {
                if !self.classes.can_tell(eval.world, at.direction, rule) {
                    return None;
                }
            }
        }
        let mut fresh = Vec::new();
        let mut namespaces: BTreeSet<NamespaceId> = BTreeSet::new();
        for id in &change.endpoints {
            namespaces.insert(eval.world[*id].namespace);
            match self.classes.put(eval, *id) {
                Joined::Known => {}
                Joined::New(class) => fresh.push(class),
                Joined::Apart => return None,
            }
        }
        let Self {
            classes,
            ingress,
            egress,
        } = self;
        let mut updated = Updated::default();
        for side in [ingress, egress] {
            let direction = side.direction();
            let mut changed: BTreeSet<PolicyRef> = change
                .policies
                .iter()
                .copied()
                .filter(|at| at.direction == direction)
                .collect();
            let mut namespaces = namespaces.clone();
            for id in side.selected_by(&changed) {
                namespaces.insert(eval.world[id].namespace);
            }
            for at in &changed {
                let subjects = eval.subjects_of(*at).iter();
                namespaces.extend(subjects.map(|id| eval.world[*id].namespace));
            }
            changed.extend(side.policies_with_peers(eval, classes, &fresh));
            side.renew(eval, classes, &changed, !fresh.is_empty());
            let mut rows = side.recompute(eval, classes, &changed);
            let before = side.rows().len();
            for namespace in namespaces {
                updated
                    .endpoints
                    .extend(side.assign(eval, classes, namespace));
            }
            let made = before..side.rows().len();
            rows.extend(made.map(RowId::at));
            rows.sort_unstable();
            updated
                .rows
                .extend(rows.into_iter().map(|row| (direction, row)));
        }
        updated.endpoints.sort_unstable();
        updated.endpoints.dedup();
        Some(updated)
    }
}
