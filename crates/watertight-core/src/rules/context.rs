//! What a rule has to work with.

use std::net::IpAddr;

use rustc_hash::FxHashMap;

use crate::diag::{Evidence, Subject};
use crate::engine::Profile;
use crate::eval::{Connection, Decision, Evaluator, Party, Reason, Verdict};
use crate::facts::metadata::Cloud;
use crate::manifest::Direction;
use crate::policy::{Origin, PolicyRef, RuleRef};
use crate::source::{Sources, Span};
use crate::world::{EndpointId, Lifecycle, NamespaceId, Policy, PolicyId, World};

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
}

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
    groups: Vec<Group>,
    refs: FxHashMap<(PolicyId, Direction), PolicyRef>,
}

impl<'a> Context<'a> {
    /// Prepares what rules share.
    #[must_use]
    pub fn new(
        sources: &'a Sources,
        eval: &'a Evaluator<'a>,
        profile: &'a Profile,
        clouds: &'a [Cloud],
    ) -> Self {
        let world = eval.world;
        let mut refs = FxHashMap::default();
        for direction in Direction::BOTH {
            for (tier, found) in eval.ruleset.tiers(direction).iter().enumerate() {
                for (policy, found) in found.policies.iter().enumerate() {
                    let Origin::Kubernetes(id) = found.origin;
                    let at = PolicyRef {
                        direction,
                        tier,
                        policy,
                    };
                    refs.insert((id, direction), at);
                }
            }
        }
        Self {
            sources,
            world,
            eval,
            profile,
            clouds,
            groups: groups(eval),
            refs,
        }
    }

    /// All groups of endpoints that policies can apply to, by namespace; assumed endpoints and
    /// host-network pods are in none.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The groups of a namespace.
    #[must_use]
    pub fn groups_of(&self, namespace: NamespaceId) -> &[Group] {
        let start = self
            .groups
            .partition_point(|group| group.namespace < namespace);
        let end = self
            .groups
            .partition_point(|group| group.namespace <= namespace);
        self.groups.get(start..end).unwrap_or_default()
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
        self.refs.get(&(policy, direction)).copied()
    }

    /// The object behind a policy of the ruleset.
    #[must_use]
    pub fn origin(&self, at: PolicyRef) -> PolicyId {
        let Origin::Kubernetes(id) = self.eval.ruleset[at].origin;
        id
    }

    /// The object behind a policy of the ruleset, as written.
    #[must_use]
    pub fn policy(&self, at: PolicyRef) -> &'a Policy {
        &self.world[self.origin(at)]
    }

    /// The subject of findings about a policy.
    #[must_use]
    pub fn policy_subject(&self, id: PolicyId) -> Subject {
        let policy = &self.world[id];
        Subject {
            kind: "NetworkPolicy".into(),
            namespace: Some(self.world[policy.namespace].name.to_string()),
            name: policy.name.to_string(),
        }
    }

    /// The subject of findings about a namespace.
    #[must_use]
    pub fn namespace_subject(&self, id: NamespaceId) -> Subject {
        Subject {
            kind: "Namespace".into(),
            namespace: None,
            name: self.world[id].name.to_string(),
        }
    }

    /// The subject of findings about an endpoint: its workload where it has one.
    #[must_use]
    pub fn endpoint_subject(&self, id: EndpointId) -> Subject {
        let endpoint = &self.world[id];
        let (kind, name) = match endpoint.workload.map(|id| &self.world[id]) {
            Some(workload) => (workload.kind.api(), &workload.name),
            None => ("Pod", &endpoint.name),
        };
        Subject {
            kind: kind.into(),
            namespace: Some(self.world[endpoint.namespace].name.to_string()),
            name: name.to_string(),
        }
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

    /// The distinct workloads (or single pods) of endpoints, as reports call them
    /// (`shop/Deployment/web`), sorted.
    #[must_use]
    pub fn workload_names(&self, endpoints: impl IntoIterator<Item = EndpointId>) -> Vec<String> {
        let mut names: Vec<_> = endpoints
            .into_iter()
            .map(|id| self.world.display_name(id))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Judges a connection and words it as evidence.
    #[must_use]
    pub fn evidence(&self, connection: &Connection) -> Evidence {
        self.word(connection, &self.eval.verdict(connection))
    }

    /// Words a verdict as evidence.
    #[must_use]
    pub fn word(&self, connection: &Connection, verdict: &Verdict) -> Evidence {
        let (because, by) = self.because(connection, verdict);
        let to = connection.to.resolve(self.world);
        let address = match to {
            Party::Address(ip) => Some(ip),
            Party::Endpoint(id) => self.world[id].ips.first().copied(),
            Party::Node(id) => self.world[id].ips.first().copied(),
        };
        Evidence {
            from: self.party_name(connection.from),
            to: self.party_name(connection.to),
            address,
            protocol: connection.protocol.word(),
            port: connection.port,
            allowed: verdict.allowed,
            because,
            by,
        }
    }

    /// How evidence calls a party.
    #[must_use]
    pub fn party_name(&self, party: Party) -> String {
        match party.resolve(self.world) {
            Party::Endpoint(id) => self.world.display_name(id),
            Party::Node(id) => format!("node:{}", self.world[id].name),
            Party::Address(ip) => format!("ip:{ip}"),
        }
    }

    fn because(&self, connection: &Connection, verdict: &Verdict) -> (String, Option<Span>) {
        if let Reason::Exempt(id, why) | Reason::Impossible(id, why) = verdict.reason {
            return (format!("{why} ({id})"), None);
        }
        let sides = [
            (connection.from, Direction::Egress, verdict.egress),
            (connection.to, Direction::Ingress, verdict.ingress),
        ];
        // The side that denies; or else the side that has something to say.
        let told = sides
            .iter()
            .find(|(_, _, decision)| !decision.is_allowed())
            .or_else(|| {
                sides
                    .iter()
                    .find(|(_, _, decision)| decision.rule().is_some())
            })
            .or_else(|| {
                sides
                    .iter()
                    .find(|(_, _, decision)| *decision == Decision::NotIsolated)
            });
        match told {
            Some((party, direction, decision)) => self.decision(*party, *direction, decision),
            None => ("no policy applies to either end (K-17)".into(), None),
        }
    }

    /// Words one side's decision, with the deciding line.
    #[must_use]
    pub fn decision(
        &self,
        party: Party,
        direction: Direction,
        decision: &Decision,
    ) -> (String, Option<Span>) {
        let (who, way) = (self.party_name(party), direction.word());
        match decision {
            Decision::NotSubject => (format!("no policy applies to {who}"), None),
            Decision::NotIsolated => (format!("no policy isolates {who} for {way}"), None),
            Decision::Rule { rule, allowed } => {
                let verb = if *allowed { "allows" } else { "denies" };
                (
                    format!("{} {verb} it", self.rule_name(*rule)),
                    Some(self.eval.ruleset[*rule].span),
                )
            }
            Decision::NoRule { isolated_by, .. } => {
                let policies = match party.resolve(self.world) {
                    Party::Endpoint(id) => self.eval.policies_of(id, direction).len(),
                    _ => 1,
                };
                let name = self.world.policy_name(self.origin(*isolated_by));
                let rest = match policies {
                    0 | 1 => "and none of its rules matches".to_owned(),
                    2 => "and no rule of it or of 1 more policy matches".to_owned(),
                    more => format!("and no rule of it or of {} more policies matches", more - 1),
                };
                (
                    format!("NetworkPolicy {name} isolates {who} for {way} {rest}"),
                    Some(self.policy(*isolated_by).name_span),
                )
            }
        }
    }

    /// `NetworkPolicy shop/web egress rule 1`, counting from 1.
    #[must_use]
    pub fn rule_name(&self, rule: RuleRef) -> String {
        format!(
            "NetworkPolicy {} {} rule {}",
            self.world.policy_name(self.origin(rule.policy)),
            rule.policy.direction.word(),
            rule.rule + 1
        )
    }

    /// The peer of a rule that covers an address, for pointing at it; else the rule.
    #[must_use]
    pub fn span_for_address(&self, rule: RuleRef, ip: IpAddr) -> Span {
        let rule = &self.eval.ruleset[rule];
        rule.peers
            .iter()
            .find_map(|peer| match peer {
                crate::policy::Peer::Block(block) if block.contains(ip) => Some(block.cidr.span),
                _ => None,
            })
            .unwrap_or(rule.span)
    }
}

fn groups(eval: &Evaluator<'_>) -> Vec<Group> {
    type Signature<'e> = (NamespaceId, &'e [PolicyRef], &'e [PolicyRef]);
    let mut index: FxHashMap<Signature<'_>, usize> = FxHashMap::default();
    let mut groups: Vec<Group> = Vec::new();
    for id in eval.world.endpoint_ids() {
        if eval.world[id].assumed || !eval.can_be_subject(id) {
            continue;
        }
        let ingress = eval.policies_of(id, Direction::Ingress);
        let egress = eval.policies_of(id, Direction::Egress);
        let namespace = eval.world[id].namespace;
        let at = *index
            .entry((namespace, ingress, egress))
            .or_insert_with(|| {
                groups.push(Group {
                    namespace,
                    members: Vec::new(),
                    ingress: ingress.to_vec(),
                    egress: egress.to_vec(),
                });
                groups.len() - 1
            });
        if let Some(group) = groups.get_mut(at) {
            group.members.push(id);
        }
    }
    groups.sort_by_key(|group| group.namespace);
    groups
}

/// `a`, `a and b`, or `a, b and 3 more`: a list that stays readable.
#[must_use]
pub fn some_of(names: &[String]) -> String {
    match names {
        [] => "nothing".into(),
        [one] => one.clone(),
        [one, two] => format!("{one} and {two}"),
        [one, two, three] => format!("{one}, {two} and {three}"),
        [one, two, rest @ ..] => format!("{one}, {two} and {} more", rest.len()),
    }
}

/// `1 pod`, `2 pods`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    let plural = match (number, noun.strip_suffix('y')) {
        (1, _) => noun.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    };
    format!("{number} {plural}")
}
