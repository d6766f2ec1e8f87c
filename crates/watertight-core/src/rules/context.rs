//! What a rule has to work with.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::OnceLock;

use super::groups::{Group, Groups};
use super::isolation::{Extent, extent};
use super::parallel;
use super::resolvers::Resolvers;
use super::selection::{Index, find_in_force};
use crate::analysis::felt::Felt;
use crate::engine::Profile;
use crate::eval::reach::{Outcome, Reach};
use crate::eval::{Connection, Evaluator};
use crate::facts::metadata::Cloud;
use crate::manifest::Direction;
use crate::policy::{Origin, PolicyRef, RuleRef};
use crate::sets::IpBlock;
use crate::source::{Sources, Span};
use crate::world::{EndpointId, Lifecycle, NamespaceId, ObjectId, Policy, PolicyId, World};

/// Everything about a run that rules read.
#[derive(Debug)]
pub struct Context<'a> {
    /// The files.
    pub sources: &'a Sources,
    /// The cluster.
    pub world: &'a World,
    /// Verdicts.
    pub eval: &'a Evaluator<'a>,
    /// The network engine.
    pub profile: &'a Profile,
    /// The clouds whose metadata services count.
    pub clouds: &'a [Cloud],
    /// Whether some policy of the ruleset is no NetworkPolicy.
    pub(super) has_other_languages: bool,
    /// By policy, for ingress and for egress.
    refs: Vec<[Option<PolicyRef>; 2]>,
    groups: OnceLock<Groups>,
    /// Rows that somebody has made already.
    given: Option<&'a Reach>,
    /// Where alone findings may differ from those of another world; everywhere if none.
    felt: Option<&'a Felt>,
    /// Whether findings about the policies of DNS servers are asked for.
    pub(super) is_dns_asked: bool,
    reach: OnceLock<Reach>,
    selectors: OnceLock<Index>,
    in_force: OnceLock<Vec<(PolicyId, PolicyRef)>>,
    resolvers: OnceLock<Option<Resolvers>>,
    /// Pods by their addresses, in order.
    addresses: OnceLock<Vec<(IpAddr, EndpointId)>>,
    written: OnceLock<WrittenRules>,
}

/// By object and direction: where the rules are that it was lowered to, in order.
type WrittenRules = BTreeMap<(ObjectId, Direction), Vec<Span>>;

impl<'a> Context<'a> {
    /// What rules share, none of it made yet.
    #[must_use]
    pub fn new(
        sources: &'a Sources,
        eval: &'a Evaluator<'a>,
        profile: &'a Profile,
        clouds: &'a [Cloud],
    ) -> Self {
        let world = eval.world;
        let mut refs = vec![[None; 2]; world.policies.len()];
        let mut has_other_languages = false;
        for direction in Direction::BOTH {
            for (tier, found) in eval.ruleset.tiers(direction).iter().enumerate() {
                for (policy, found) in found.policies.iter().enumerate() {
                    let Some(id) = found.origin.kubernetes() else {
                        has_other_languages = true;
                        continue;
                    };
                    // What turns another tier off for its pods is not the policy itself.
                    if !found.isolates {
                        continue;
                    }
                    let at = PolicyRef {
                        direction,
                        tier,
                        policy,
                    };
                    let entry = refs.get_mut(id.index());
                    if let Some(entry) = entry.and_then(|refs| refs.get_mut(slot(direction))) {
                        *entry = Some(at);
                    }
                }
            }
        }
        Self {
            sources,
            world,
            eval,
            profile,
            clouds,
            has_other_languages,
            refs,
            groups: OnceLock::new(),
            given: None,
            felt: None,
            is_dns_asked: true,
            reach: OnceLock::new(),
            selectors: OnceLock::new(),
            in_force: OnceLock::new(),
            resolvers: OnceLock::new(),
            addresses: OnceLock::new(),
            written: OnceLock::new(),
        }
    }

    /// Where the rules of an object are that its language keeps in one list a direction.
    pub(super) fn written_rules(&self, id: ObjectId, direction: Direction) -> &[Span] {
        let written = self.written.get_or_init(|| {
            let mut written = WrittenRules::default();
            for direction in Direction::BOTH {
                let tiers = self.eval.ruleset.tiers(direction).iter();
                for policy in tiers.flat_map(|tier| &tier.policies) {
                    if let Origin::Object(id) = policy.origin {
                        let spans = policy.rules.iter().map(|rule| rule.span);
                        written.entry((id, direction)).or_default().extend(spans);
                    }
                }
            }
            for spans in written.values_mut() {
                spans.sort_unstable();
                spans.dedup();
            }
            written
        });
        written.get(&(id, direction)).map_or(&[], Vec::as_slice)
    }

    /// With rows that somebody has made already.
    #[must_use]
    pub fn with_reach(self, reach: &'a Reach) -> Self {
        Self {
            given: Some(reach),
            ..self
        }
    }

    /// For the difference to another world: rules may leave out what is found in both.
    #[must_use]
    pub fn only_felt(self, felt: &'a Felt) -> Self {
        Self {
            felt: Some(felt),
            ..self
        }
    }

    /// For the difference to another world: whether findings about DNS servers are asked for, see
    /// [`super::is_dns_felt`].
    #[must_use]
    pub fn dns_asked(self, is_dns_asked: bool) -> Self {
        Self {
            is_dns_asked,
            ..self
        }
    }

    /// Whether findings that rest on the policies of a namespace alone are asked for.
    pub(super) fn is_asked(&self, namespace: NamespaceId) -> bool {
        self.felt.is_none_or(|felt| felt.is_touched(namespace))
    }

    /// Makes what most rules need, on all cores.
    pub(super) fn prepare(&self) {
        parallel::both(|| self.reach(), || self.prepare_selections());
    }

    /// What of it does not rest on rows.
    pub(crate) fn prepare_selections(&self) {
        self.all_groups();
        self.in_force();
        self.selectors();
    }

    /// All connections at once: what rules ask in bulk. Evidence comes from the evaluator.
    #[must_use]
    pub fn reach(&self) -> &Reach {
        match self.given {
            Some(given) => given,
            None => self.reach.get_or_init(|| Reach::new(self.eval)),
        }
    }

    /// Whether a connection is allowed, for questions about many.
    #[must_use]
    pub fn allows(&self, connection: &Connection) -> bool {
        self.reach().outcome(self.eval, connection) == Outcome::Allowed
    }

    fn all_groups(&self) -> &Groups {
        self.groups.get_or_init(|| Groups::new(self.eval))
    }

    /// What selectors select.
    pub(super) fn selectors(&self) -> &Index {
        self.selectors.get_or_init(|| Index::new(self.eval))
    }

    /// The policies that apply to a pod that was read, in each direction in which they act.
    pub(super) fn in_force(&self) -> &[(PolicyId, PolicyRef)] {
        self.in_force.get_or_init(|| find_in_force(self))
    }

    /// The cluster's DNS; none if there is none, or no policy that could concern it.
    pub(super) fn resolvers(&self) -> Option<&Resolvers> {
        let found = self.resolvers.get_or_init(|| Resolvers::find(self));
        found.as_ref()
    }

    /// All groups of endpoints that policies can apply to, by namespace; assumed endpoints and
    /// host-network pods are in none.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        self.all_groups().all()
    }

    /// The first pods, by address, that a block covers.
    pub(super) fn pods_in<'c>(
        &'c self,
        block: &'c IpBlock,
    ) -> impl Iterator<Item = EndpointId> + use<'c> {
        let all = self.addresses.get_or_init(|| {
            let members = self.groups().iter().flat_map(|group| &group.members);
            let pods = members.flat_map(|id| {
                let ips = self.world[*id].ips.iter();
                ips.map(|ip| (*ip, *id))
            });
            let mut all: Vec<_> = pods.collect();
            all.sort_unstable();
            all
        });
        let behind = |rest: &'c [(IpAddr, EndpointId)], last: IpAddr| {
            let start = rest.partition_point(|(ip, _)| *ip <= last);
            rest.get(start..).unwrap_or_default()
        };
        let net = block.cidr.net;
        let start = all.partition_point(|(ip, _)| *ip < net.network());
        let mut rest = all.get(start..).unwrap_or_default();
        std::iter::from_fn(move || {
            loop {
                let (ip, id) = rest.first().filter(|(ip, _)| *ip <= net.broadcast())?;
                let mut except = block.except.iter();
                match except.find(|except| except.net.contains(ip)) {
                    // Most pods of a cluster may be in one exception: never one by one.
                    Some(except) => rest = behind(rest, except.net.broadcast()),
                    None => {
                        rest = rest.get(1..).unwrap_or_default();
                        return Some(*id);
                    }
                }
            }
        })
    }

    /// The groups of a namespace.
    #[must_use]
    pub fn groups_of(&self, namespace: NamespaceId) -> &[Group] {
        self.all_groups().of_namespace(namespace)
    }

    /// Whether the pods of a group are closed in a direction to all whom no rule names: isolated, or
    /// denied by rules (A-4, C-3).
    #[must_use]
    pub fn is_closed(&self, group: &Group, direction: Direction) -> bool {
        extent(self, group, direction) == Extent::Nobody
    }

    /// Whether an endpoint is isolated in a direction (K-6, K-7).
    #[must_use]
    pub fn is_isolated(&self, endpoint: EndpointId, direction: Direction) -> bool {
        match self.group_of(endpoint) {
            Some(group) => group.is_isolated(direction),
            None => self.eval.is_isolated(endpoint, direction),
        }
    }

    /// The policies that select an endpoint in a direction, in order.
    #[must_use]
    pub fn policies_of(&self, endpoint: EndpointId, direction: Direction) -> &[PolicyRef] {
        match self.group_of(endpoint) {
            Some(group) => group.policies(direction),
            None => self.eval.policies_of(endpoint, direction),
        }
    }

    /// The group of an endpoint, if groups are known and it is in one.
    fn group_of(&self, endpoint: EndpointId) -> Option<&Group> {
        self.groups.get()?.of_endpoint(endpoint)
    }

    /// The node-local DNS caches.
    #[must_use]
    pub fn node_local_dns(&self) -> Vec<EndpointId> {
        match self.world.symbols.get("node-local-dns") {
            Some(_) => self.world.node_local_dns(),
            // Nothing has such a label: no need to look at every pod.
            None => Vec::new(),
        }
    }

    /// Active host-network pods that were read.
    pub fn host_network(&self) -> impl Iterator<Item = EndpointId> {
        self.world.endpoint_ids().filter(|id| {
            let endpoint = &self.world[*id];
            endpoint.host_network.is_some() && endpoint.lifecycle == Lifecycle::Active
        })
    }

    /// Where a policy stands in the ruleset, if it acts in a direction.
    #[must_use]
    pub fn policy_ref(&self, policy: PolicyId, direction: Direction) -> Option<PolicyRef> {
        let refs = self.refs.get(policy.index())?;
        refs.get(slot(direction)).copied().flatten()
    }

    /// What a policy of the ruleset comes from.
    #[must_use]
    pub fn origin(&self, at: PolicyRef) -> Origin {
        self.eval.ruleset[at].origin
    }

    /// The NetworkPolicy behind a policy of the ruleset; none if it is of another language.
    #[must_use]
    pub fn kubernetes(&self, at: PolicyRef) -> Option<PolicyId> {
        self.origin(at).kubernetes()
    }

    /// The same, as written.
    #[must_use]
    pub fn written(&self, at: PolicyRef) -> Option<&'a Policy> {
        self.kubernetes(at).map(|id| &self.world[id])
    }

    /// Where the name of the object behind a policy of the ruleset is written, if there is one.
    #[must_use]
    pub fn name_span(&self, at: PolicyRef) -> Option<Span> {
        self.origin(at).name_span(self.world)
    }

    /// The namespace of the object behind a policy of the ruleset, unless it is cluster-wide.
    #[must_use]
    pub fn namespace_of(&self, at: PolicyRef) -> Option<NamespaceId> {
        self.origin(at).namespace(self.world)
    }

    /// Whether every policy that selects a group in a direction is a NetworkPolicy.
    #[must_use]
    pub fn is_kubernetes_only(&self, policies: &[PolicyRef]) -> bool {
        let mut policies = policies.iter();
        policies.all(|at| self.kubernetes(*at).is_some())
    }

    /// Whether two policies are NetworkPolicies that no policy of another language comes between.
    #[must_use]
    pub fn are_together(&self, one: PolicyRef, other: PolicyRef) -> bool {
        let tiers = self.eval.ruleset.tiers(one.direction);
        let (first, last) = (one.policy.min(other.policy), one.policy.max(other.policy));
        let between = || tiers.get(one.tier)?.policies.get(first..=last);
        let kubernetes = |policy: &crate::policy::Policy| policy.origin.kubernetes().is_some();
        (one.direction, one.tier) == (other.direction, other.tier)
            && (!self.has_other_languages
                || between().is_some_and(|policies| policies.iter().all(kubernetes)))
    }

    /// Where the namespace is defined, or else its first policy or endpoint.
    #[must_use]
    pub fn namespace_span(&self, id: NamespaceId) -> Option<Span> {
        let namespace = &self.world[id];
        let policy = || {
            namespace
                .policies
                .first()
                .map(|id| self.world[*id].name_span)
        };
        let endpoint = || {
            let mut endpoints = namespace.endpoints.iter();
            endpoints.find_map(|id| self.world[*id].span)
        };
        namespace.span.or_else(policy).or_else(endpoint)
    }

    /// The peer of a rule that covers an address, for pointing at it; else the rule.
    #[must_use]
    pub fn span_for_address(&self, rule: RuleRef, ip: IpAddr) -> Span {
        let rule = &self.eval.ruleset[rule];
        rule.peers
            .iter()
            .find_map(|peer| match peer {
                crate::policy::Peer::Block(block, _) if block.contains(ip) => Some(block.cidr.span),
                _ => None,
            })
            .unwrap_or(rule.span)
    }
}

fn slot(direction: Direction) -> usize {
    match direction {
        Direction::Ingress => 0,
        Direction::Egress => 1,
    }
}
