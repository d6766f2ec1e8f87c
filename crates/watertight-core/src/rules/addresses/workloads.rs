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

/// The names of the distinct workloads, sorted.
pub(in crate::rules) fn names(context: &Context<'_>, endpoints: &[EndpointId]) -> Vec<String> {
    context.workload_names(isolation::workloads(context, endpoints.iter().copied()))
}

/// The workloads as the subject of a sentence: the one, or how many.
pub(in crate::rules) fn who(
    context: &Context<'_>,
    namespace: NamespaceId,
    names: &[String],
) -> String {
    match names {
        [one] => format!("`{one}`"),
        many => format!(
            "{} of `{}`",
            count(many.len(), "workload"),
            context.world[namespace].name
        ),
    }
}

/// The workloads by name, where the sentence only counts them.
pub(in crate::rules) fn note(names: &[String]) -> Option<String> {
    (names.len() > 1).then(|| format!("workloads: {}", listed(names)))
}
