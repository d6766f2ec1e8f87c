//! The four questions of a default deny, asked of every namespace: is it enforced, are all pods
//! isolated both ways, does DNS still work, are the sensitive addresses closed?

use super::exposure::Targets;
use super::policies::PolicyCounts;
use crate::engine::Enforcement;
use crate::manifest::Direction;
use crate::rules::{Context, parallel};
use crate::world::{NamespaceId, World};

/// How many of how many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// The number that fulfils the condition.
    pub of: usize,
    /// All.
    pub total: usize,
}

impl Share {
    fn add(&mut self, number: usize, fulfilled: bool) {
        self.total += number;
        if fulfilled {
            self.of += number;
        }
    }

    /// Whether all fulfil the condition.
    #[must_use]
    pub fn is_full(self) -> bool {
        self.of == self.total
    }
}

/// The answers for one namespace. Pods are counted; a workload without pods in the input counts
/// as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRow {
    /// The namespace.
    pub namespace: NamespaceId,
    /// Its policies, of every language; staged ones are none.
    pub policies: usize,
    /// Its workloads, single pods included.
    pub workloads: usize,
    /// Whether the engine enforces policies.
    pub enforced: Enforcement,
    /// Whether the engine is known.
    pub engine_known: bool,
    /// Pods isolated for ingress.
    pub ingress: Share,
    /// Pods isolated for egress.
    pub egress: Share,
    /// Pods isolated in both directions.
    pub both: Share,
    /// Pods on the host network, which no policy isolates.
    pub host_network: usize,
    /// Pods that can resolve names over UDP and TCP.
    pub dns: Share,
    /// Pods that can resolve names over UDP at least.
    pub dns_udp: Share,
    /// Pods that reach no metadata service.
    pub metadata_closed: Share,
    /// Pods that do not reach the API server; none if the input does not say where it is.
    pub api_closed: Option<Share>,
}

impl NamespaceRow {
    /// `yes`, `no`, `opt-in`, `window` or `unknown`.
    #[must_use]
    pub fn enforced_word(&self) -> &'static str {
        if !self.engine_known {
            return "unknown";
        }
        match self.enforced {
            Enforcement::Enforced => "yes",
            Enforcement::EnforcedWithWindow => "window",
            Enforcement::OptIn => "opt-in",
            Enforcement::NotEnforced => "no",
            Enforcement::Unknown => "unknown",
        }
    }

    /// `both`, `ingress`, `egress`, `partly` or `none`; `-` without pods.
    #[must_use]
    pub fn isolated_word(&self) -> &'static str {
        match (self.ingress, self.egress) {
            (share, _) if share.total == 0 => "-",
            (ingress, egress) if ingress.is_full() && egress.is_full() => "both",
            (ingress, egress) if ingress.of == 0 && egress.of == 0 => "none",
            (ingress, egress) if ingress.is_full() && egress.of == 0 => "ingress",
            (ingress, egress) if egress.is_full() && ingress.of == 0 => "egress",
            _ => "partly",
        }
    }

    /// `alive`, `udp-only`, `dead` or `mixed`; `-` without pods.
    #[must_use]
    pub fn dns_word(&self) -> &'static str {
        match (self.dns, self.dns_udp) {
            (share, _) if share.total == 0 => "-",
            (both, _) if both.is_full() => "alive",
            (both, udp) if udp.is_full() && both.of == 0 => "udp-only",
            (both, udp) if both.of == 0 && udp.of == 0 => "dead",
            _ => "mixed",
        }
    }

    /// `closed`, `api-only` (metadata closed, API server open), `open` or `mixed`; `-` without pods.
    #[must_use]
    pub fn closed_word(&self) -> &'static str {
        let api_closed = self.api_closed.is_none_or(Share::is_full);
        match self.metadata_closed {
            share if share.total == 0 => "-",
            share if share.is_full() && api_closed => "closed",
            share if share.is_full() => "api-only",
            share if share.of == 0 => "open",
            _ => "mixed",
        }
    }
}

/// One row for each namespace that has pods or policies, by name.
#[must_use]
pub fn rows(context: &Context<'_>) -> Vec<NamespaceRow> {
    let targets = Targets::new(context);
    let world = context.world;
    let mut host_network = vec![0usize; world.namespaces.len()];
    for id in context.host_network() {
        if let Some(count) = host_network.get_mut(world[id].namespace.index()) {
            *count += 1;
        }
    }
    let namespaces: Vec<_> = world.namespace_ids().collect();
    let policies = PolicyCounts::of(world);
    let rows = parallel::map(&namespaces, |id| {
        let host = host_network.get(id.index()).copied().unwrap_or_default();
        let mut row = row(context, &targets, *id, host);
        row.policies = policies.in_namespace(*id);
        row
    });
    rows.into_iter()
        .filter(|row| row.policies > 0 || row.both.total > 0 || row.host_network > 0)
        .collect()
}

fn row(
    context: &Context<'_>,
    targets: &Targets<'_>,
    id: NamespaceId,
    host_network: usize,
) -> NamespaceRow {
    let world = context.world;
    let mut row = NamespaceRow {
        namespace: id,
        policies: 0,
        workloads: workloads(world, id),
        enforced: context.profile.enforcement(),
        engine_known: context.profile.engine != crate::engine::Engine::Reference,
        ingress: Share::default(),
        egress: Share::default(),
        both: Share::default(),
        host_network,
        dns: Share::default(),
        dns_udp: Share::default(),
        metadata_closed: Share::default(),
        api_closed: targets.knows_api_server().then(Share::default),
    };
    for group in context.groups_of(id) {
        let (one, number) = (group.example(), group.members.len());
        let ingress = context.is_closed(group, Direction::Ingress);
        let egress = context.is_closed(group, Direction::Egress);
        row.ingress.add(number, ingress);
        row.egress.add(number, egress);
        row.both.add(number, ingress && egress);
        let dns = targets.dns(one);
        row.dns.add(number, dns.is_alive());
        row.dns_udp.add(number, dns.udp);
        let closed = !targets.metadata_is_open(one);
        row.metadata_closed.add(number, closed);
        if let (Some(share), Some(open)) = (&mut row.api_closed, targets.api_server(one)) {
            share.add(number, !open);
        }
    }
    row
}

/// Distinct workloads of a namespace, single pods included.
fn workloads(world: &World, id: NamespaceId) -> usize {
    let read = || {
        let endpoints = world[id].endpoints.iter().map(|id| &world[*id]);
        endpoints.filter(|endpoint| !endpoint.assumed)
    };
    let mut owners: Vec<_> = read().filter_map(|endpoint| endpoint.workload).collect();
    owners.sort_unstable();
    owners.dedup();
    owners.len()
        + read()
            .filter(|endpoint| endpoint.workload.is_none())
            .count()
}
