//! How findings call things, and evidence in words.
//!
//! Findings come by the thousands: texts are put together from their parts at once, and names are
//! only made where they are shown.

use std::cmp::Ordering;

use rustc_hash::FxHashSet;

use super::Context;
use crate::diag::{Evidence, Subject};
use crate::eval::{Connection, Decision, Party, Reason, Verdict};
use crate::manifest::policy::cilium::CiliumObject;
use crate::manifest::{Dialect, Direction, PolicyObject};
use crate::policy::{Action, Origin, PolicyRef, RuleRef};
use crate::source::Span;
use crate::world::{EndpointId, NamespaceId, PolicyId, WorkloadId, World};

/// As many names as a sentence shows in full.
const SHOWN: usize = 3;

/// The workloads (and single pods) that a sentence is about.
#[derive(Clone, Debug)]
pub(super) struct Workloads {
    /// How many there are.
    pub(super) count: usize,
    /// The first ones in order, as reports call them (`shop/Deployment/web`).
    first: Vec<String>,
}

impl Workloads {
    /// The name, if there is one only.
    pub(super) fn only(&self) -> Option<&str> {
        match self.first.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// `a`, `a and b`, or `a, b and 3 more`.
    pub(super) fn some(&self) -> String {
        match self.first.as_slice() {
            [one, two, ..] if self.count > SHOWN => {
                let more = (self.count - 2).to_string();
                [one, ", ", two, " and ", &more, " more"].concat()
            }
            all => some_of(all),
        }
    }

    /// The same, each name in backticks.
    pub(super) fn in_backticks(mut self) -> String {
        for name in &mut self.first {
            *name = ["`", name.as_str(), "`"].concat();
        }
        self.some()
    }
}

/// Namespace, kind and name.
type Name<'w> = (&'w str, &'w str, &'w str);

fn name(world: &World, id: EndpointId) -> Name<'_> {
    let endpoint = &world[id];
    let (kind, name) = match endpoint.workload.map(|id| &world[id]) {
        Some(workload) => (workload.kind.api(), &*workload.name),
        None => ("Pod", &*endpoint.name),
    };
    (&world[endpoint.namespace].name, kind, name)
}

fn display(name: Name<'_>) -> String {
    [name.0, "/", name.1, "/", name.2].concat()
}

/// The order of the names as they are displayed.
fn order(a: Name<'_>, b: Name<'_>) -> Ordering {
    if a.0 == b.0 {
        return (a.1, a.2).cmp(&(b.1, b.2));
    }
    // `a-b/` is before `a/`.
    a.0.bytes().chain([b'/']).cmp(b.0.bytes().chain([b'/']))
}

impl Context<'_> {
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

    /// The subject of findings about a policy of the ruleset, whatever its language.
    #[must_use]
    pub fn subject_of(&self, at: PolicyRef) -> Subject {
        self.origin_subject(self.origin(at))
    }

    /// The same for what a policy comes from.
    #[must_use]
    pub fn origin_subject(&self, origin: Origin) -> Subject {
        let name = match origin {
            Origin::Kubernetes(id) => self.world[id].name.to_string(),
            Origin::Object(id) => self.world[id].name.to_string(),
            Origin::Engine(..) => origin.name(self.world),
        };
        let namespace = origin.namespace(self.world);
        Subject {
            kind: origin.kind(self.world).into(),
            namespace: namespace.map(|id| self.world[id].name.to_string()),
            name,
        }
    }

    /// `shop/web`, or the name alone of what is cluster-wide.
    #[must_use]
    pub fn name_of(&self, at: PolicyRef) -> String {
        self.origin(at).name(self.world)
    }

    /// `NetworkPolicy shop/web`, `GlobalNetworkPolicy default-deny`.
    #[must_use]
    pub fn title(&self, at: PolicyRef) -> String {
        title(self.world, self.origin(at))
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

    /// The distinct workloads (or single pods) of endpoints.
    pub(super) fn workloads(&self, endpoints: impl IntoIterator<Item = EndpointId>) -> Workloads {
        let mut seen: FxHashSet<(Option<WorkloadId>, Option<EndpointId>)> = FxHashSet::default();
        let mut last = None;
        let mut first: Vec<Name<'_>> = Vec::with_capacity(SHOWN + 1);
        for id in endpoints {
            let workload = self.world[id].workload;
            let key = (workload, Some(id).filter(|_| workload.is_none()));
            // The pods of one workload mostly follow each other.
            if last == Some(key) || !seen.insert(key) {
                continue;
            }
            last = Some(key);
            let name = name(self.world, id);
            let place = first.partition_point(|known| order(*known, name).is_lt());
            if place < SHOWN {
                first.insert(place, name);
                first.truncate(SHOWN);
            }
        }
        Workloads {
            count: seen.len(),
            first: first.into_iter().map(display).collect(),
        }
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
            Party::Name(id) => self.world[id].ips.first().copied(),
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
            Party::Endpoint(id) => display(name(self.world, id)),
            Party::Node(id) => ["node:", &*self.world[id].name].concat(),
            Party::Address(ip) => format!("ip:{ip}"),
            Party::Name(id) => ["fqdn:", &*self.world[id].text].concat(),
        }
    }

    fn because(&self, connection: &Connection, verdict: &Verdict) -> (String, Option<Span>) {
        if let Reason::Exempt(id, why) | Reason::Impossible(id, why) | Reason::Blocked(id, why) =
            verdict.reason
        {
            return (format!("{why} ({id})"), None);
        }
        let to = match verdict.reason {
            // The node through which it enters refuses it (C-67).
            Reason::Routed => connection.via_node.map_or(connection.to, Party::Node),
            _ => connection.to,
        };
        let sides = [
            (connection.from, Direction::Egress, verdict.egress),
            (to, Direction::Ingress, verdict.ingress),
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
        let (who, way) = (|| self.party_name(party), direction.word());
        match decision {
            Decision::NotSubject => (["no policy applies to ", &who()].concat(), None),
            Decision::NotIsolated => {
                let text = ["no policy isolates ", &who(), " for ", way].concat();
                (text, None)
            }
            Decision::Rule { rule, allowed } => {
                let verb = if *allowed { " allows it" } else { " denies it" };
                let text = [&*self.rule_name(*rule), verb].concat();
                (text, Some(self.eval.ruleset[*rule].span))
            }
            Decision::NoRule { isolated_by, .. } => {
                let policies = match party.resolve(self.world) {
                    Party::Endpoint(id) => self.policies_of(id, direction).len(),
                    Party::Node(id) => self.eval.policies_of_node(id, direction).len(),
                    _ => 1,
                };
                let number;
                let rest: [&str; 3] = match policies {
                    0 | 1 => [" and none of its rules matches", "", ""],
                    2 => [" and no rule of it or of 1 more policy matches", "", ""],
                    more => {
                        number = (more - 1).to_string();
                        [
                            " and no rule of it or of ",
                            &number,
                            " more policies matches",
                        ]
                    }
                };
                if let origin @ Origin::Engine(..) = self.origin(*isolated_by) {
                    let name = origin.name(self.world);
                    return ([&*name, ", and no rule matches"].concat(), None);
                }
                let text = [
                    &*self.title(*isolated_by),
                    " isolates ",
                    &*who(),
                    " for ",
                    way,
                    &*rest.concat(),
                ];
                (text.concat(), self.name_span(*isolated_by))
            }
        }
    }

    /// `NetworkPolicy shop/web egress rule 1`, counting from 1.
    #[must_use]
    pub fn rule_name(&self, rule: RuleRef) -> String {
        if let origin @ Origin::Engine(..) = self.origin(rule.policy) {
            return origin.name(self.world);
        }
        let text = [
            &*self.title(rule.policy),
            " ",
            rule.policy.direction.word(),
            if self.is_of_denials(rule) {
                " deny rule "
            } else {
                " rule "
            },
            &*self.number(rule).to_string(),
        ];
        text.concat()
    }

    /// Whether a rule stands in a list of denials alone, as Cilium has them.
    fn is_of_denials(&self, rule: RuleRef) -> bool {
        let lists = match self.origin(rule.policy) {
            Origin::Object(id) => self.world[id].kind.dialect == Dialect::Cilium,
            _ => false,
        };
        lists && self.eval.ruleset[rule].action == Action::Deny
    }

    /// The number of a rule in its list, counting from 1. One that is written may have become
    /// several.
    fn number(&self, at: RuleRef) -> usize {
        let Origin::Object(id) = self.origin(at.policy) else {
            return at.rule + 1;
        };
        let (direction, own) = (at.policy.direction, self.eval.ruleset[at].span);
        let contains = |span: Span| span.start <= own.start && own.end <= span.end;
        let position = match &self.world[id].object {
            PolicyObject::Cilium(CiliumObject::Policy(policy)) => {
                let denials = self.is_of_denials(at);
                let sections = policy.rules.iter().map(|rule| rule.section(direction));
                let mut items = sections.flat_map(|section| match denials {
                    true => &section.deny,
                    false => &section.allow,
                });
                items.position(|item| contains(item.span))
            }
            _ => {
                let mut written = self.written_rules(id, direction).iter();
                written.position(|span| contains(*span))
            }
        };
        position.unwrap_or(at.rule) + 1
    }
}

/// The kind and the name of what a policy comes from.
pub(super) fn title(world: &World, origin: Origin) -> String {
    match origin {
        Origin::Kubernetes(id) => {
            let policy = &world[id];
            let namespace = &*world[policy.namespace].name;
            ["NetworkPolicy ", namespace, "/", &*policy.name].concat()
        }
        Origin::Object(_) => [origin.kind(world), " ", &origin.name(world)].concat(),
        Origin::Engine(..) => origin.name(world),
    }
}

/// `a`, `a and b`, or `a, b and 3 more`: a list that stays readable.
#[must_use]
pub fn some_of(names: &[String]) -> String {
    match names {
        [] => "nothing".into(),
        [one] => one.clone(),
        [one, two] => [one, " and ", two].concat(),
        [one, two, three] => [one, ", ", two, " and ", three].concat(),
        [one, two, rest @ ..] => {
            let more = rest.len().to_string();
            [one, ", ", two, " and ", &more, " more"].concat()
        }
    }
}

/// `1 pod`, `2 pods`.
#[must_use]
pub fn count(number: usize, noun: &str) -> String {
    let number_text = number.to_string();
    match (number, noun.strip_suffix('y')) {
        (1, _) => [&number_text, " ", noun].concat(),
        (_, Some(stem)) => [&number_text, " ", stem, "ies"].concat(),
        _ => [&number_text, " ", noun, "s"].concat(),
    }
}
