//! Who is open in a direction, and connections that show it: shared by the rules about isolation.
//!
//! INVARIANT: evidence made here is judged by the evaluator; a connection that does not come out as
//! the caller claims is dropped.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustc_hash::FxHashSet;

use super::{Context, Group, some_of};
use crate::diag::{Evidence, Fix};
use crate::eval::{Connection, Decision, Party, Verdict};
use crate::facts::metadata::{self, Scope};
use crate::manifest::Direction;
use crate::policy::Action;
use crate::sets::Protocol;
use crate::source::{Sources, Span};
use crate::world::{EndpointId, NamespaceId, PolicyId};

/// Addresses outside every cluster, set aside for documentation (RFC 5737, RFC 3849).
pub(super) const OUTSIDE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x10)),
];

/// How many pods are tried for evidence.
const TRIES: usize = 64;

/// A port that policies hardly name.
const UNUSUAL: u16 = 61_616;

/// Namespaces that come with a cluster and whose pods its maker looks after.
const SYSTEM: &[&str] = &[
    "calico-apiserver",
    "calico-system",
    "gmp-system",
    "kube-flannel",
    "kube-node-lease",
    "kube-public",
    "kube-system",
    "openshift",
    "tigera-operator",
];
const SYSTEM_PREFIXES: &[&str] = &["gke-managed-", "openshift-"];

/// Whether policies act at all; if not, what they say about isolation is beside the point (D-11).
pub(super) fn enforced(context: &Context<'_>) -> bool {
    !context.eval.switches.enforcement.is_off()
}

/// Whether a namespace came with the cluster.
pub(super) fn is_system(context: &Context<'_>, namespace: NamespaceId) -> bool {
    is_system_name(&context.world[namespace].name)
}

/// The same by name, for namespaces that are not in the input.
pub(super) fn is_system_name(name: &str) -> bool {
    SYSTEM.contains(&name)
        || SYSTEM_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

/// Names in backticks, in a list that stays readable.
pub(super) fn listed<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let quoted: Vec<String> = names
        .into_iter()
        .map(|name| format!("`{}`", name.as_ref()))
        .collect();
    some_of(&quoted)
}

/// One endpoint of each workload, and every pod that has none.
pub(super) fn workloads(
    context: &Context<'_>,
    endpoints: impl IntoIterator<Item = EndpointId>,
) -> Vec<EndpointId> {
    let mut seen = FxHashSet::default();
    endpoints
        .into_iter()
        .filter(|id| match context.world[*id].workload {
            Some(workload) => seen.insert(workload),
            None => true,
        })
        .collect()
}

/// The names of workloads in backticks.
pub(super) fn named(context: &Context<'_>, workloads: &[EndpointId]) -> String {
    context.workloads(workloads.iter().copied()).in_backticks()
}

/// Whom the pods of a group are open to in a direction, as far as nobody in particular is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// Everybody.
    All,
    /// Pods; rules deny the rest.
    Pods,
    /// Addresses outside the cluster; rules deny pods.
    Outside,
    /// Nobody: a policy isolates them, or rules deny everybody.
    Nobody,
}

/// Whom the pods of a group are open to. NetworkPolicies isolate or do not; other languages may
/// deny as much by rules (A-4, C-3).
pub(super) fn extent(context: &Context<'_>, group: &Group, direction: Direction) -> Extent {
    if group.is_isolated(direction) {
        return Extent::Nobody;
    }
    if context.is_kubernetes_only(group.policies(direction)) {
        return Extent::All;
    }
    let own = group.example();
    let open_to = |other: Party| {
        let ports = [(Protocol::Tcp, UNUSUAL), declared_port(context, own)];
        let mut ports = ports.into_iter();
        ports.any(|(protocol, port)| {
            let judged = context.eval.decide(direction, own, other, protocol, port);
            judged.decision.is_allowed() && judged.decision != Decision::NotSubject
        })
    };
    let outside = OUTSIDE.into_iter().any(|ip| open_to(Party::Address(ip)));
    let strangers = context.groups().iter();
    let mut strangers = strangers.filter(|other| other.namespace != group.namespace);
    let pods = match strangers.next() {
        Some(other) => open_to(Party::Endpoint(other.example())),
        None => outside,
    };
    match (pods, outside) {
        (true, true) => Extent::All,
        (true, false) => Extent::Pods,
        (false, true) => Extent::Outside,
        (false, false) => Extent::Nobody,
    }
}

/// The endpoints of a namespace that are open to everybody in a direction, and those that are open
/// to nobody in particular.
pub(super) fn open_and_isolated(
    context: &Context<'_>,
    namespace: NamespaceId,
    direction: Direction,
) -> (Vec<EndpointId>, Vec<EndpointId>) {
    let (mut open, mut isolated) = (Vec::new(), Vec::new());
    for group in context.groups_of(namespace) {
        match extent(context, group, direction) {
            Extent::All => open.extend(&group.members),
            Extent::Nobody => isolated.extend(&group.members),
            Extent::Pods | Extent::Outside => {}
        }
    }
    open.sort_unstable();
    isolated.sort_unstable();
    (open, isolated)
}

/// The other direction.
pub(super) fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    }
}

/// The policies of a namespace that act in a direction.
pub(super) fn acting(
    context: &Context<'_>,
    namespace: NamespaceId,
    direction: Direction,
) -> Vec<PolicyId> {
    let policies = context.world[namespace].policies.iter().copied();
    policies
        .filter(|id| context.policy_ref(*id, direction).is_some())
        .collect()
}

/// Whether policies of other languages may close pods that are not in the input in a direction.
pub(super) fn may_be_closed_elsewhere(context: &Context<'_>, direction: Direction) -> bool {
    let tiers = context.eval.ruleset.tiers(direction).iter();
    let mut policies = tiers.flat_map(|tier| &tier.policies);
    policies.any(|policy| {
        let denies = || policy.rules.iter().any(|rule| rule.action == Action::Deny);
        policy.origin.kubernetes().is_none() && (policy.isolates || denies())
    })
}

/// A default deny of a namespace, to be added under a name that is still free.
pub(super) fn default_deny(
    context: &Context<'_>,
    namespace: NamespaceId,
    direction: Direction,
) -> String {
    let base = format!("default-deny-{}", direction.word());
    let namespace = &context.world[namespace];
    let taken = |name: &String| {
        let mut policies = namespace.policies.iter();
        policies.any(|id| *context.world[*id].name == **name)
    };
    let name = std::iter::once(base.clone())
        .chain((2..).map(|number| format!("{base}-{number}")))
        .find(|name| !taken(name))
        .unwrap_or(base);
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\n  \
         namespace: {}\nspec:\n  podSelector: {{}}\n  policyTypes: [{}]\n",
        namespace.name,
        direction.api()
    )
}

/// Why a fix that isolates pods is not certain.
pub(super) const CLOSES: &str = "it closes connections that the pods may need";

/// A fix that adds a policy that isolates pods.
pub(super) fn add(message: impl Into<String>, manifest: String) -> Fix {
    Fix::object(message, manifest).doubt(CLOSES)
}

/// The port that evidence dials: a declared one, TCP if there is any.
pub(super) fn declared_port(context: &Context<'_>, endpoint: EndpointId) -> (Protocol, u16) {
    let ports = &context.world[endpoint].ports;
    ports
        .iter()
        .find(|port| port.protocol == Protocol::Tcp)
        .or_else(|| ports.first())
        .map_or((Protocol::Tcp, 80), |port| (port.protocol, port.number))
}

/// The endpoint to show: one that declares a port, if there is any.
pub(super) fn telling(context: &Context<'_>, endpoints: &[EndpointId]) -> Option<EndpointId> {
    let mut with_port = endpoints
        .iter()
        .filter(|id| !context.world[**id].ports.is_empty());
    with_port.next().or(endpoints.first()).copied()
}

/// Where evidence comes from and goes to; made once a run.
#[derive(Debug)]
pub(super) struct Probes<'c, 'a> {
    context: &'c Context<'a>,
    /// Endpoints of two namespaces that may connect to everything.
    callers: Vec<EndpointId>,
    /// Metadata services, the most widespread first.
    metadata: Vec<(IpAddr, u16)>,
}

impl<'c, 'a> Probes<'c, 'a> {
    pub(super) fn new(context: &'c Context<'a>) -> Self {
        let mut callers: Vec<EndpointId> = Vec::new();
        for group in context.groups() {
            let known = callers
                .iter()
                .any(|id| context.world[*id].namespace == group.namespace);
            if known || is_system(context, group.namespace) || group.is_isolated(Direction::Egress)
            {
                continue;
            }
            callers.push(group.example());
            if callers.len() == 2 {
                break;
            }
        }
        let mut metadata = metadata::distinct_addresses(context.clouds);
        metadata.retain(metadata::MetadataAddress::reachable_from_pod);
        metadata.sort_by_key(|found| {
            let unusual = found.scope != Scope::LinkLocalV4;
            (
                Reverse(found.clouds.len()),
                unusual,
                found.clouds.first().copied(),
            )
        });
        let metadata = metadata.iter().map(|found| {
            let first = found.ports.first().copied();
            let port = first.filter(|_| !found.ports.contains(&80)).unwrap_or(80);
            (found.address, port)
        });
        Self {
            context,
            callers,
            metadata: metadata.collect(),
        }
    }

    /// Judges connections in turn and words the first one that comes out as wanted.
    pub(super) fn first(
        &self,
        tries: impl IntoIterator<Item = Connection>,
        wanted: impl Fn(&Verdict) -> bool,
    ) -> Option<Evidence> {
        tries.into_iter().find_map(|connection| {
            let verdict = self.context.eval.verdict(&connection);
            wanted(&verdict).then(|| self.context.word(&connection, &verdict))
        })
    }

    /// A connection to an outside address that is open.
    pub(super) fn internet_open(&self, from: EndpointId) -> Option<Evidence> {
        self.first(self.calls_to_internet(from), |verdict| verdict.allowed)
    }

    /// A connection to a metadata service that is open.
    pub(super) fn metadata_open(&self, from: EndpointId) -> Option<Evidence> {
        self.first(self.calls_to_metadata(from), |verdict| verdict.allowed)
    }

    /// A connection from another namespace that is open, with what the accepting side says of it.
    pub(super) fn inside_open(&self, to: EndpointId) -> Option<Evidence> {
        self.calls_from_inside(to).find_map(|connection| {
            let verdict = self.context.eval.verdict(&connection);
            let mut evidence = self.context.word(&connection, &verdict);
            let party = Party::Endpoint(to);
            let ingress = Direction::Ingress;
            (evidence.because, evidence.by) =
                self.context.decision(party, ingress, &verdict.ingress);
            verdict.allowed.then_some(evidence)
        })
    }

    /// A connection from an outside address that is open.
    pub(super) fn outside_open(&self, to: EndpointId) -> Option<Evidence> {
        self.first(self.calls_from_outside(to), |verdict| verdict.allowed)
    }

    /// A connection to a pod of another namespace that is open.
    pub(super) fn pods_open(&self, from: EndpointId) -> Option<Evidence> {
        let own = self.context.world[from].namespace;
        let groups = self.context.groups().iter();
        let others = groups
            .filter(|group| group.namespace != own)
            .map(Group::example);
        let calls = others.take(TRIES).map(|to| {
            let (protocol, port) = declared_port(self.context, to);
            Connection::new(Party::Endpoint(from), Party::Endpoint(to), protocol, port)
        });
        self.first(calls, |verdict| verdict.allowed)
    }

    /// A connection that ends at the pod's isolation.
    pub(super) fn ingress_denied(&self, to: EndpointId) -> Option<Evidence> {
        let tries = self
            .calls_from_inside(to)
            .chain(self.calls_from_outside(to));
        self.first(tries, |verdict| {
            verdict.egress.is_allowed() && matches!(verdict.ingress, Decision::NoRule { .. })
        })
    }

    pub(super) fn calls_to_internet(
        &self,
        from: EndpointId,
    ) -> impl Iterator<Item = Connection> + use<> {
        OUTSIDE.into_iter().map(move |ip| {
            Connection::new(
                Party::Endpoint(from),
                Party::Address(ip),
                Protocol::Tcp,
                443,
            )
        })
    }

    pub(super) fn calls_to_metadata(&self, from: EndpointId) -> impl Iterator<Item = Connection> {
        self.metadata.iter().map(move |(ip, port)| {
            Connection::new(
                Party::Endpoint(from),
                Party::Address(*ip),
                Protocol::Tcp,
                *port,
            )
        })
    }

    pub(super) fn calls_from_inside(&self, to: EndpointId) -> impl Iterator<Item = Connection> {
        let (protocol, port) = declared_port(self.context, to);
        let own = self.context.world[to].namespace;
        self.callers
            .iter()
            .filter(move |id| self.context.world[**id].namespace != own)
            .map(move |id| {
                Connection::new(Party::Endpoint(*id), Party::Endpoint(to), protocol, port)
            })
    }

    pub(super) fn calls_from_outside(
        &self,
        to: EndpointId,
    ) -> impl Iterator<Item = Connection> + use<> {
        let (protocol, port) = declared_port(self.context, to);
        OUTSIDE
            .into_iter()
            .map(move |ip| Connection::new(Party::Address(ip), Party::Endpoint(to), protocol, port))
    }
}

/// The first line of a place, so that a label does not underline half a file.
pub(super) fn first_line(sources: &Sources, span: Span) -> Span {
    let line = sources.text(span).lines().next().unwrap_or_default();
    let length = u32::try_from(line.trim_end().len()).unwrap_or(0);
    Span {
        end: span.start.saturating_add(length),
        ..span
    }
}

/// What stands on the line before and behind a place.
fn around(sources: &Sources, span: Span) -> (&str, &str) {
    let text = sources.file(span.file).text();
    let before = text.get(..span.start as usize).unwrap_or_default();
    let behind = text.get(span.end as usize..).unwrap_or_default();
    let before = before.rsplit('\n').next().unwrap_or_default();
    let behind = behind.split('\n').next().unwrap_or_default();
    (before, behind)
}

/// `policyTypes` with `Egress` added, where it is exactly `Ingress` and plainly written.
pub(super) fn with_egress(sources: &Sources, types: Span) -> Option<String> {
    let text = sources.text(types);
    let entry = |item: &str| {
        let item = item.trim();
        matches!(item, "Ingress" | "\"Ingress\"" | "'Ingress'")
            .then(|| item.replace("Ingress", "Egress"))
    };
    if let Some(inner) = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        let egress = entry(inner)?;
        return Some(format!("[{}, {egress}]", inner.trim()));
    }
    // A block: the place of the list starts at the dash or behind it.
    let (before, behind) = around(sources, types);
    let item = text.trim_end();
    let egress = entry(item.strip_prefix("- ").unwrap_or(item))?;
    let indent = before.strip_suffix("- ").unwrap_or(before);
    let dashes = item.starts_with("- ") || before.len() > indent.len();
    let plain = dashes && indent.bytes().all(|byte| byte == b' ') && behind.trim().is_empty();
    let end = text.get(item.len()..).unwrap_or_default();
    plain.then(|| format!("{item}\n{indent}- {egress}{end}"))
}

/// The text of a field's value followed by a line for `policyTypes` in the same mapping, where the
/// spec is a block, the value stands on one line and there is no such field yet, be it empty.
pub(super) fn with_policy_types(
    sources: &Sources,
    spec: Span,
    value: Span,
    types: &str,
) -> Option<String> {
    let whole = sources.text(spec);
    let text = sources.text(value);
    // First of all: a dump in JSON may be one line of many megabytes.
    if whole.starts_with('{') || text.contains('\n') {
        return None;
    }
    let (before, behind) = around(sources, value);
    let key = before.trim_start_matches(' ');
    let indent = before.get(..before.len().saturating_sub(key.len()))?;
    let name = key.strip_suffix(' ')?.trim_end().strip_suffix(':')?;
    let plain = !whole.contains("policyTypes")
        && behind.trim().is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    plain.then(|| format!("{text}\n{indent}policyTypes: {types}"))
}

/// Whether a policy denies ingress to its whole namespace and, on this engine, leaves egress alone.
pub(super) fn denies_ingress_only(context: &Context<'_>, id: PolicyId) -> bool {
    let spec = &context.world[id].spec;
    spec.pod_selector.is_empty()
        && spec.ingress.rules.is_empty()
        && spec.egress.rules.is_empty()
        && context.policy_ref(id, Direction::Ingress).is_some()
        && context.policy_ref(id, Direction::Egress).is_none()
}

/// Whether a policy says `egress: []` and leaves out policyTypes, which denies nothing (K-9).
pub(super) fn empty_egress_by_default(context: &Context<'_>, id: PolicyId) -> bool {
    let spec = &context.world[id].spec;
    spec.policy_types.is_none() && spec.egress.span.is_some() && spec.egress.rules.is_empty()
}
