//! What `reach -o json` prints: the map of who can reach whom, complete, so that it can be kept and
//! compared.
//!
//! Connections are written source by source while they are found: [`ReachReport`] takes anything that
//! serialises as the list of them. INVARIANT: a pair of units that no connection names is denied on
//! every port, and so is a port that its connection does not name; ICMP is no part of the map.

mod build;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use build::{Names, Reporter, Streamed, query};
pub(in crate::report) use build::{addresses, metadata_in, named, ports};

use super::{Assumption, Engine, Finding, Tool};

/// The answer of `watertight reach`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ReachReport")]
pub struct ReachReport<Connections = Vec<ReachConnection>> {
    /// Always `watertight.dev/v1`.
    pub api_version: String,
    /// Always `ReachReport`.
    pub kind: String,
    /// The program that made the report.
    pub tool: Tool,
    /// The network engine that the answers are for.
    pub engine: Engine,
    /// What was asked.
    pub query: ReachQuery,
    /// Whether everything could be read. If not, the exit code is 2.
    pub complete: bool,
    /// What could not be read, and policies that are not evaluated.
    pub problems: Vec<Finding>,
    /// What was assumed where the input does not say, and what is no part of the map.
    pub assumptions: Vec<Assumption>,
    /// Who is told apart: every source and every destination, in the order of namespaces and names.
    pub units: Vec<ReachUnit>,
    /// The ports of the Service that was asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service: Vec<ReachServicePort>,
    /// Who reaches whom: one entry for each source and each set of ports.
    pub connections: Connections,
    /// What is reached outside of the cluster, and who is reached from there.
    pub external: Vec<ReachExternal>,
}

/// The part of a [`ReachReport`] that says who reaches whom, to be read from a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedMap {
    /// Always `ReachReport`.
    pub kind: String,
    /// Whether everything could be read.
    pub complete: bool,
    /// What was asked.
    pub query: ReachQuery,
    /// Who is told apart.
    pub units: Vec<ReachUnit>,
    /// Who reaches whom.
    pub connections: Vec<ReachConnection>,
    /// The outside.
    pub external: Vec<ReachExternal>,
}

impl From<ReachReport> for SavedMap {
    fn from(report: ReachReport) -> Self {
        Self {
            kind: report.kind,
            complete: report.complete,
            query: report.query,
            units: report.units,
            connections: report.connections,
            external: report.external,
        }
    }
}

/// A question.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReachQuery {
    /// What pods are grouped by: `pod`, `workload` or `namespace`.
    pub by: String,
    /// Who connects, in canonical spelling; everybody if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// To whom; everybody if it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The ports in question, as `80/tcp` or `80-90/udp`; empty for all.
    pub ports: Vec<String>,
}

/// A namespace, a workload, a pod, nodes or a Service.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReachUnit {
    /// Unique, and a spelling that `--from` and `--to` take: `ns:shop`, `shop/Deployment/web`,
    /// `shop/Pod/web-0`, `nodes`, `node:worker-1`, `shop/svc/web`.
    pub name: String,
    /// `namespace`, `workload`, `pod`, `node` or `service`.
    pub kind: String,
    /// The number of pods that own an address; a workload without pods in the input counts as one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pods: usize,
    /// The number of nodes.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub nodes: usize,
    /// Those of the pods that are on the host network.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub host_network: usize,
    /// Whether it was assumed, not read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
    /// Whether policies restrict whom it accepts: `open` (none of the pods), `partly` or `isolated`
    /// (all of them).
    pub ingress: String,
    /// Whether policies restrict whom it connects to, in the same words.
    pub egress: String,
}

/// A port of the Service that was asked about.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ReachServicePort {
    /// `tcp`, `udp` or `sctp`.
    pub protocol: String,
    /// What clients dial.
    pub port: u16,
    /// Where they end, as `shop/Pod/web-0:8080`.
    pub backends: Vec<String>,
}

/// Destinations that a source reaches on the same ports.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReachConnection")]
pub struct ReachConnection<Name = String, Names = Vec<String>> {
    /// The source: the name of a unit.
    pub from: Name,
    /// The destinations: names of units. A unit may reach itself: two of its pods then do.
    pub to: Names,
    /// The ports, as destinations see them; for a Service, as clients dial them. Over IPv4 where both
    /// ends have it.
    pub ports: Vec<ReachPorts>,
    /// The ports over IPv6, where both ends are known to have both families and these are others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<Vec<ReachPorts>>,
}

/// A range of ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReachPorts {
    /// `tcp`, `udp`, `sctp`, or `any` for all three.
    pub protocol: String,
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
    /// `allow`, or `uncertain`: the input or the specification leaves it open. Of the pairs of pods,
    /// the best.
    pub verdict: String,
    /// Whether this holds for some pairs of pods only, and not for others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub some: bool,
    /// Whether it holds for certain requests only; `watertight explain` tells which.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub conditional: bool,
    /// Why it is uncertain: an id of docs/semantics.md.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Units with the same connections to or from the outside.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReachExternal {
    /// `egress`: the units send; `ingress`: they are reached.
    pub direction: String,
    /// The names of the units.
    pub units: Vec<String>,
    /// The addresses by ports; an address is in one entry at most. Addresses that pods and nodes of
    /// the input own are theirs, and not meant.
    pub ranges: Vec<ReachRange>,
    /// DNS names that are reached on other ports than any address is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<ReachDomain>,
}

/// DNS names, or patterns of names, that are reached on the same ports.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReachDomain {
    /// The names, as `--to` takes them: `fqdn:api.example.com`, `fqdn:*.example.com`.
    pub names: Vec<String>,
    /// The ports.
    pub ports: Vec<ReachPorts>,
}

/// Addresses that are reached on the same ports.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ReachRange {
    /// Networks and ranges in order: `10.0.0.0/8`, `169.254.169.255-255.255.255.255`.
    pub addresses: Vec<String>,
    /// The ports.
    pub ports: Vec<ReachPorts>,
    /// Ranges with a name that lie inside, unless all of their family does: `rfc1918-10`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Addresses at which clouds hand out credentials, if they are among those that units send to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<String>,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// The JSON schema of [`ReachReport`].
#[must_use]
pub fn reach_schema() -> schemars::Schema {
    schemars::schema_for!(ReachReport)
}
