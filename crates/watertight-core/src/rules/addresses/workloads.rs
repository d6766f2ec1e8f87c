//! Who a finding is about: subjects of policies, their address families and their names.

use crate::eval::Family;
use crate::policy::PolicyRef;
use crate::rules::isolation::{self, listed};
use crate::rules::{Context, count};
use crate::world::{EndpointId, NamespaceId};

/// The endpoints that a policy applies to and that were read, not assumed.
pub(in crate::rules) fn subjects(context: &Context<'_>, at: PolicyRef) -> Vec<EndpointId> {
    let all = context.eval.subjects_of(at).iter().copied();
    all.filter(|id| !context.world[*id].assumed).collect()
}

/// Whether an endpoint has an address of a family, as far as is known (M-1).
pub(in crate::rules) fn has_family(context: &Context<'_>, id: EndpointId, family: Family) -> bool {
    let endpoint = &context.world[id];
    if endpoint.ips.is_empty() {
        let assumed = &context.world.assumed.pod_cidrs;
        return assumed.iter().any(|cidr| Family::of(cidr.addr()) == family);
    }
    endpoint.ips.iter().any(|ip| Family::of(*ip) == family)
}

/// Whether an endpoint is known, not assumed, to have addresses of both families.
pub(in crate::rules) fn is_known_dual(context: &Context<'_>, id: EndpointId) -> bool {
    let ips = &context.world[id].ips;
    ips.iter().any(|ip| ip.is_ipv4()) && ips.iter().any(|ip| ip.is_ipv6())
}

/// Distinct workloads of one namespace: how many, and the first names.
#[derive(Clone, Debug, Default)]
pub(in crate::rules) struct Names {
    count: usize,
    /// The first ones in order, at most [`SHOWN`].
    first: Vec<String>,
}

/// As many as [`some_of`] shows in full.
const SHOWN: usize = 3;

impl Names {
    /// The workloads of some endpoints. A policy may select every pod of a large namespace, so only
    /// what is shown becomes text.
    pub(in crate::rules) fn of(context: &Context<'_>, endpoints: &[EndpointId]) -> Self {
        let world = context.world;
        let key = |id: EndpointId| match world[id].workload.map(|id| &world[id]) {
            Some(workload) => (workload.kind.api(), &*workload.name),
            None => ("Pod", &*world[id].name),
        };
        let distinct = isolation::workloads(context, endpoints.iter().copied());
        let mut first: Vec<EndpointId> = Vec::new();
        for id in &distinct {
            let place = first.partition_point(|known| key(*known) < key(*id));
            if place < SHOWN {
                first.insert(place, *id);
                first.truncate(SHOWN);
            }
        }
        let name = |id: EndpointId| world.display_name(id);
        Self {
            count: distinct.len(),
            first: first.into_iter().map(name).collect(),
        }
    }

    /// The subject of a sentence: the one, or how many.
    ///
    /// Of which namespace they are is told unless a cluster-wide policy selects them.
    pub(in crate::rules) fn who(
        &self,
        context: &Context<'_>,
        namespace: impl Into<Option<NamespaceId>>,
    ) -> String {
        let workloads = || count(self.count, "workload");
        match (self.first.as_slice(), namespace.into()) {
            ([one], _) => format!("`{one}`"),
            (_, Some(id)) => format!("{} of `{}`", workloads(), context.world[id].name),
            (_, None) => workloads(),
        }
    }

    /// Whether there is one only.
    pub(in crate::rules) fn is_one(&self) -> bool {
        self.count == 1
    }

    /// The names, where the sentence only counts them.
    pub(in crate::rules) fn note(&self) -> Option<String> {
        let list = match self.first.as_slice() {
            [] | [_] => return None,
            [one, two, ..] if self.count > SHOWN => {
                format!("`{one}`, `{two}` and {} more", self.count - 2)
            }
            names => listed(names),
        };
        Some(format!("workloads: {list}"))
    }
}
