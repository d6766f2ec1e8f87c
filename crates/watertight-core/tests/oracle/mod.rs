//! A second reading of NetworkPolicy and ClusterNetworkPolicy, straight from the API text, to hold the evaluator against.
//!
//! Works on [`objects`] as the API shapes them: plain strings, options that keep missing and empty
//! apart, `std` addresses. Literal rather than fast: nothing is prepared, nothing is shared.
//!
//! INVARIANT: uses nothing of the crate under test.

mod address;
mod judge;
mod labels;
pub(crate) mod objects;
mod services;
mod sides;
mod tiers;

pub(crate) use address::{fits, network};
pub(crate) use judge::{Family, Oracle, Question, Who};

/// What the API text leaves open, by the names and values of docs/semantics.md, section 1.4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Readings {
    pub(crate) node_local: &'static str,
    pub(crate) host_network: &'static str,
    pub(crate) ipblock_pods: &'static str,
    pub(crate) ipblock_nodes: &'static str,
    pub(crate) icmp: &'static str,
    pub(crate) endport: &'static str,
    pub(crate) policy_types_gate: &'static str,
    pub(crate) hairpin_service: &'static str,
    pub(crate) service_dnat: &'static str,
    pub(crate) snat: &'static str,
    pub(crate) baseline_scope: &'static str,
    pub(crate) tie: &'static str,
}

impl Default for Readings {
    fn default() -> Self {
        Self {
            node_local: "exempt-both",
            host_network: "node-ip",
            ipblock_pods: "match",
            ipblock_nodes: "true",
            icmp: "all-ports-rules",
            endport: "supported",
            policy_types_gate: "strict",
            hairpin_service: "exempt",
            service_dnat: "post",
            snat: "preserve",
            baseline_scope: "per-direction",
            tie: "error",
        }
    }
}

impl Readings {
    /// Name and value of each.
    pub(crate) fn pairs(&self) -> [(&'static str, &'static str); 12] {
        [
            ("node_local", self.node_local),
            ("host_network", self.host_network),
            ("ipblock_pods", self.ipblock_pods),
            ("ipblock_nodes", self.ipblock_nodes),
            ("icmp", self.icmp),
            ("endport", self.endport),
            ("policy_types_gate", self.policy_types_gate),
            ("hairpin_service", self.hairpin_service),
            ("service_dnat", self.service_dnat),
            ("snat", self.snat),
            ("baseline_scope", self.baseline_scope),
            ("tie", self.tie),
        ]
    }
}
