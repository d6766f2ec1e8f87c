//! Answers that the specification leaves open: a third verdict, never a guess.
//!
//! With a named engine its readings are known. With the reference engine the points tagged `[U]` in
//! docs/semantics.md are open unless somebody has set their switch: a connection whose shape touches
//! one is judged again under the other readings, and where they disagree the answer is uncertain.
//! Points that the conformance tests or all engines settle (K-65, K-70, K-79) are not open.
//!
//! INVARIANT: a certain answer is the same under every open reading; a connection that touches none
//! costs nothing beyond its verdict.

use std::sync::OnceLock;

use crate::engine::{
    Engine, HairpinService, HostNetwork, Icmp, NodeLocal, Profile, Snat, Switches, unread_policies,
};
use crate::eval::{Connection, Decision, Evaluator, Party, Reason, Uncertain, Verdict};
use crate::manifest::Direction;
use crate::policy::{PolicyRef, RuleRef, Ruleset};
use crate::sets::Protocol;
use crate::world::inventory::KindRead;
use crate::world::{EndpointId, NodeId, World};

/// A point that the specification leaves open, with the readings of it that engines have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Whether ICMP is policed (K-61).
    Icmp,
    /// Whether an engine knows host-network pods by their labels (K-71, K-72).
    HostNetwork,
    /// Whether what a pod sends to its own node is policed (K-73, K-74).
    NodeLocal,
    /// Whether a pod that reaches itself through a Service is policed (K-76).
    Hairpin,
    /// Which source address an outside client of a Service has (K-82).
    Snat,
}

impl Point {
    const ALL: [Self; 5] = [
        Self::Icmp,
        Self::HostNetwork,
        Self::NodeLocal,
        Self::Hairpin,
        Self::Snat,
    ];

    /// The name of its switch.
    #[must_use]
    pub fn switch(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::HostNetwork => "host_network",
            Self::NodeLocal => "node_local",
            Self::Hairpin => "hairpin_service",
            Self::Snat => "snat",
        }
    }

    /// The statement of docs/semantics.md.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::Icmp => "K-61",
            Self::HostNetwork => "K-72",
            Self::NodeLocal => "K-73",
            Self::Hairpin => "K-76",
            Self::Snat => "K-82",
        }
    }

    /// The other readings, each as a change of the switches.
    fn others(self) -> &'static [fn(&mut Switches)] {
        match self {
            Self::Icmp => &[
                |switches| switches.icmp = Icmp::Exempt,
                |switches| switches.icmp = Icmp::Drop,
            ],
            Self::HostNetwork => &[|switches| switches.host_network = HostNetwork::PodLabels],
            // The API text itself lets a node reach its own pods: only the way back is open.
            Self::NodeLocal => &[|switches| switches.node_local = NodeLocal::ExemptIngress],
            Self::Hairpin => &[|switches| switches.hairpin_service = HairpinService::Policed],
            Self::Snat => &[|switches| switches.snat = Snat::NodeIp],
        }
    }

    /// What the engine does under a reading, behind "if the engine" or "if it".
    fn tell(self, switches: &Switches) -> &'static str {
        match self {
            Self::Icmp => match switches.icmp {
                Icmp::AllPortsRules => "polices ICMP by rules without ports",
                Icmp::Exempt => "exempts ICMP",
                Icmp::Drop => "admits ICMP by no rule",
            },
            Self::HostNetwork => match switches.host_network {
                HostNetwork::NodeIp => "sees a host-network pod as its node",
                HostNetwork::PodLabels => "knows a host-network pod by its labels",
            },
            Self::NodeLocal => match switches.node_local {
                NodeLocal::ExemptBoth => "exempts what a pod sends to its own node",
                NodeLocal::ExemptIngress | NodeLocal::None => {
                    "polices what a pod sends to its own node"
                }
            },
            Self::Hairpin => match switches.hairpin_service {
                HairpinService::Exempt => "exempts a pod that reaches itself through a Service",
                HairpinService::Policed => "polices a pod that reaches itself through a Service",
            },
            Self::Snat => match switches.snat {
                Snat::Preserve => "keeps the client's address",
                Snat::NodeIp => "rewrites the client's address to that of a node",
            },
        }
    }
}

/// Why an answer is uncertain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// An address that the input does not tell may or may not lie in a block of this rule (M-1).
    Address(RuleRef),
    /// Something else that the input or the question does not tell decides whether this rule matches,
    /// or is asked first.
    Rule {
        /// The statement of docs/semantics.md.
        id: &'static str,
        /// The rule for which the outcome might be the opposite.
        rule: RuleRef,
    },
    /// Engines read this differently.
    Reading {
        /// The point; where several readings must change together, the first of them.
        point: Point,
        /// Whether the connection is allowed under the default reading.
        allowed: bool,
        /// What the engine does under the default reading.
        default: String,
        /// What the engine does where the answer is the other one.
        other: String,
    },
    /// A kind of policies could not be listed: what it is called. What was not read may decide otherwise.
    Unread(String),
}

impl Open {
    /// The statement of docs/semantics.md.
    #[must_use]
    pub fn id(&self) -> &'static str {
        match self {
            Self::Address(_) => "M-1",
            Self::Rule { id, .. } => id,
            Self::Reading { point, .. } => point.id(),
            Self::Unread(_) => "M-8",
        }
    }
}

/// A verdict, and what makes it uncertain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The verdict under the readings of the evaluator.
    pub verdict: Verdict,
    /// Why the answer is not certain, if it is not.
    pub open: Option<Open>,
}

/// Judges connections under every reading that is open.
#[derive(Debug)]
pub struct Readings<'w> {
    world: &'w World,
    ruleset: &'w Ruleset,
    open: Vec<Point>,
    /// Every combination of open readings but the default, with the points that it changes; fewest
    /// changes first.
    combinations: Vec<(Vec<Point>, Switches, OnceLock<Box<Evaluator<'w>>>)>,
    /// Kinds of policies that could not be listed, if that is to count.
    unread: Vec<&'w KindRead>,
}

impl<'w> Readings<'w> {
    /// The open readings of an engine; `pinned` are the switches that somebody has set.
    #[must_use]
    pub fn new(
        world: &'w World,
        ruleset: &'w Ruleset,
        profile: &Profile,
        pinned: &[String],
    ) -> Self {
        let is_open = |point: &Point| {
            profile.engine == Engine::Reference
                && !pinned.iter().any(|switch| switch == point.switch())
        };
        let open: Vec<_> = Point::ALL.into_iter().filter(is_open).collect();
        let mut combinations: Vec<(Vec<Point>, Switches)> = vec![(Vec::new(), profile.switches)];
        for point in &open {
            let mut more = Vec::new();
            for (changed, switches) in &combinations {
                for other in point.others() {
                    let mut switches = *switches;
                    other(&mut switches);
                    let mut changed = changed.clone();
                    changed.push(*point);
                    more.push((changed, switches));
                }
            }
            combinations.extend(more);
        }
        combinations.sort_by_key(|(changed, _)| changed.len());
        let changing = combinations
            .into_iter()
            .filter(|(changed, _)| !changed.is_empty());
        Self {
            world,
            ruleset,
            open,
            combinations: changing
                .map(|(changed, switches)| (changed, switches, OnceLock::new()))
                .collect(),
            unread: Vec::new(),
        }
    }

    /// The same, where a kind of policies that could not be listed leaves open what policies decide.
    #[must_use]
    pub fn with_unread(mut self, profile: &Profile) -> Self {
        self.unread = unread_policies(self.world, profile).collect();
        self
    }

    /// Judges a connection; `eval` has the default readings.
    #[must_use]
    pub fn judge(&self, eval: &Evaluator<'_>, connection: &Connection) -> Judged {
        let verdict = eval.verdict(connection);
        if let Some(uncertain) = verdict.uncertain {
            let Uncertain { id, rule } = uncertain;
            let open = match id {
                "M-1" => Open::Address(rule),
                id => Open::Rule { id, rule },
            };
            return Judged {
                verdict,
                open: Some(open),
            };
        }
        let touched: Vec<Point> = self
            .open
            .iter()
            .copied()
            .filter(|point| self.touches(*point, connection, &verdict))
            .collect();
        let open = if touched.is_empty() {
            None
        } else {
            self.disagreement(connection, &verdict, &eval.switches, &touched)
        };
        let open = open.or_else(|| self.unread_of(connection, &verdict));
        Judged { verdict, open }
    }

    /// Where policies are asked, those that were not read may have a say: of kinds that live in namespaces,
    /// those of the namespaces of the two ends.
    fn unread_of(&self, connection: &Connection, verdict: &Verdict) -> Option<Open> {
        if self.unread.is_empty()
            || matches!(
                verdict.reason,
                Reason::Exempt(..) | Reason::Impossible(..) | Reason::Blocked(..)
            )
        {
            return None;
        }
        let ends = [
            (connection.from, verdict.egress),
            (connection.to, verdict.ingress),
        ];
        let asked = ends.into_iter().filter(|(_, decision)| {
            verdict.reason == Reason::Routed || !matches!(decision, Decision::NotSubject)
        });
        let mut asked = asked.map(|(party, _)| match party.resolve(self.world) {
            Party::Endpoint(id) => Some(&*self.world[self.world[id].namespace].name),
            Party::Node(_) | Party::Address(_) | Party::Name(_) => None,
        });
        let kind = asked.find_map(|namespace| {
            let covers = |kind: &KindRead| namespace.is_some_and(|name| kind.covers(name));
            self.unread.iter().find(|kind| !covers(kind))
        });
        kind.map(|kind| Open::Unread(kind.full_name()))
    }

    /// Whether a point is open for this engine.
    #[must_use]
    pub fn is_open(&self, point: Point) -> bool {
        self.open.contains(&point)
    }

    /// The policies that select an endpoint under any reading that is open (K-71): what policies say
    /// of it can change where one of these changes, and nowhere else.
    #[must_use]
    pub fn policies_of(
        &self,
        eval: &Evaluator<'_>,
        id: EndpointId,
        direction: Direction,
    ) -> Vec<PolicyRef> {
        let mut policies = eval.policies_of(id, direction).to_vec();
        let on_host = self.world[id].host_network.is_some();
        let by_labels = self
            .combinations
            .iter()
            .find(|(changed, _, _)| on_host && changed.as_slice() == [Point::HostNetwork]);
        if let Some((_, switches, evaluator)) = by_labels {
            let more = self
                .evaluator(switches, evaluator)
                .policies_of(id, direction);
            let more: Vec<_> = more
                .iter()
                .filter(|policy| !policies.contains(policy))
                .collect();
            policies.extend(more);
        }
        policies
    }

    fn evaluator<'e>(
        &self,
        switches: &Switches,
        evaluator: &'e OnceLock<Box<Evaluator<'w>>>,
    ) -> &'e Evaluator<'w> {
        evaluator.get_or_init(|| Box::new(Evaluator::new(self.world, self.ruleset, *switches)))
    }

    /// Whether the shape of a connection depends on a point.
    fn touches(&self, point: Point, connection: &Connection, verdict: &Verdict) -> bool {
        match point {
            Point::Icmp => connection.protocol == Protocol::Icmp,
            Point::HostNetwork => [connection.from, connection.to].into_iter().any(|party| {
                let endpoint = match party.resolve(self.world) {
                    Party::Endpoint(id) => Some(id),
                    _ => None,
                };
                endpoint.is_some_and(|id: EndpointId| self.world[id].host_network.is_some())
            }),
            Point::NodeLocal => matches!(verdict.reason, Reason::Exempt("K-73" | "K-74", _)),
            Point::Hairpin => matches!(verdict.reason, Reason::Exempt("K-76", _)),
            Point::Snat => {
                connection.via_node.is_some()
                    && matches!(connection.from.resolve(self.world), Party::Address(_))
            }
        }
    }

    fn disagreement(
        &self,
        connection: &Connection,
        verdict: &Verdict,
        default: &Switches,
        touched: &[Point],
    ) -> Option<Open> {
        let among = |changed: &[Point]| changed.iter().all(|point| touched.contains(point));
        let combinations = self.combinations.iter();
        let other = combinations.filter(|(changed, _, _)| among(changed)).find(
            |(_, switches, evaluator)| {
                let evaluator = evaluator
                    .get_or_init(|| Box::new(Evaluator::new(self.world, self.ruleset, *switches)));
                self.entries(connection)
                    .any(|connection| evaluator.allows(&connection) != verdict.allowed)
            },
        );
        let (changed, switches, _) = other?;
        let point = changed.first().copied()?;
        let tell = |switches: &Switches| {
            let told: Vec<_> = changed.iter().map(|point| point.tell(switches)).collect();
            told.join(" and ")
        };
        Some(Open::Reading {
            point,
            allowed: verdict.allowed,
            default: tell(default),
            other: tell(switches),
        })
    }

    /// A connection, once through each node that it may enter the cluster by (K-82).
    fn entries(&self, connection: &Connection) -> impl Iterator<Item = Connection> {
        let nodes: Vec<Option<NodeId>> = match connection.via_node {
            None => vec![None],
            Some(_) => self.world.node_ids().map(Some).collect(),
        };
        let connection = *connection;
        nodes.into_iter().map(move |via_node| Connection {
            via_node,
            ..connection
        })
    }
}

#[cfg(test)]
mod tests;
