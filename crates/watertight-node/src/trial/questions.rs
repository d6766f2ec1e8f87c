//! What is asked: who, whom, on which ports.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use watertight_core::engine::ServiceDnat;
use watertight_core::eval::{Connection, Evaluator, Family, Party as Meant, Reason, Verdict};
use watertight_core::manifest::Direction;
use watertight_core::sets::{PortMatch, Protocol};
use watertight_core::world::{Backend, EndpointId, ServiceId};

use crate::lab::{Place, Plan};
use crate::probe::Question;

/// What to ask.
#[derive(Clone, Debug)]
pub struct Ask {
    /// These ports only; otherwise those that destinations declare, those that rules begin and end with, and
    /// one that nobody names.
    pub ports: Vec<(Protocol, u16)>,
    /// Whether echo requests are sent, too.
    pub icmp: bool,
    /// Ask no more than so many. Ports that rules name but destinations do not declare are left out first.
    pub most: usize,
}

impl Default for Ask {
    fn default() -> Self {
        Self {
            ports: Vec::new(),
            icmp: true,
            most: 500_000,
        }
    }
}

/// One end.
#[derive(Clone, Debug)]
pub struct Party {
    /// `namespace/name`, `node:NAME`, `ip:ADDRESS`, or `namespace/svc/name`.
    pub name: Arc<str>,
    /// `pod`, `host-pod`, `node`, `outside` or `service`.
    pub kind: &'static str,
    /// Whom the evaluator is asked about.
    pub meant: Meant,
    /// Where its sockets are.
    pub place: Place,
    /// What listeners there answer with: what shares a namespace and an address cannot be told apart.
    pub host: Arc<str>,
    /// Its addresses, at most one a family.
    pub ips: Vec<IpAddr>,
}

/// A connection to try.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The source, by its place among the parties.
    pub from: usize,
    /// The destination.
    pub to: usize,
    /// The connection as the evaluator knows it.
    pub connection: Connection,
    /// The family.
    pub family: Family,
    /// The packets.
    pub question: Question,
    /// Who may answer, by its place among the parties, and on which port it waits: the backends of a
    /// Service.
    pub answer_by: Vec<(usize, u16)>,
    /// What is predicted.
    pub verdict: Verdict,
    /// Whether the prediction is certain, and about packets.
    pub is_judged: bool,
}

/// Everything that is asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Both ends of everything.
    pub parties: Vec<Party>,
    /// The connections.
    pub connections: Vec<Planned>,
    /// Whether ports that rules name were left out to stay below the limit.
    pub is_shortened: bool,
}

impl Asked {
    /// What those say who may answer a connection.
    pub(super) fn hosts(&self, of: &Planned) -> Vec<&str> {
        let parties = of.answer_by.iter();
        let parties = parties.filter_map(|(party, _)| self.parties.get(*party));
        parties.map(|party| &*party.host).collect()
    }
}

/// Lists what to ask.
#[must_use]
pub fn ask(plan: &Plan, eval: &Evaluator<'_>, of: &Ask) -> Asked {
    let mut parties = parties(plan, eval);
    let services = services(eval, &mut parties);
    let named = named_ports(eval);
    let control = control_port(eval, &named);
    let mut asked = Asked {
        parties,
        ..Asked::default()
    };
    let ports = |id: Option<EndpointId>, all: bool| -> BTreeSet<(Protocol, u16)> {
        if !of.ports.is_empty() {
            return of.ports.iter().copied().collect();
        }
        let declared = id.map(|id| eval.world[id].ports.iter());
        let declared = declared
            .into_iter()
            .flatten()
            .map(|port| (port.protocol, port.number));
        let mut ports: BTreeSet<_> = declared.collect();
        ports.extend(
            [Protocol::Tcp, Protocol::Udp, Protocol::Sctp].map(|protocol| (protocol, control)),
        );
        if all {
            ports.extend(&named);
        }
        ports
    };
    let pairs = pairs(&asked.parties);
    let endpoint = |party: &Party| match party.meant {
        Meant::Endpoint(id) => Some(id),
        _ => None,
    };
    let count = |all: bool| -> usize {
        let per = |(_, to, _): &(usize, usize, Family)| {
            let to = asked.parties.get(*to);
            to.map_or(0, |to| {
                ports(endpoint(to), all).len() + usize::from(of.icmp)
            })
        };
        pairs.iter().map(per).sum()
    };
    let all = of.ports.is_empty() && count(true) <= of.most;
    asked.is_shortened = of.ports.is_empty() && !all && count(true) > count(false);
    let mut connections = Vec::new();
    for (from, to, family) in pairs {
        let (Some(source), Some(target)) = (asked.parties.get(from), asked.parties.get(to)) else {
            continue;
        };
        let mut wanted: Vec<(Protocol, u16)> = ports(endpoint(target), all).into_iter().collect();
        if of.icmp {
            wanted.push((Protocol::Icmp, 0));
        }
        for (protocol, port) in wanted {
            connections.extend(planned(
                eval,
                (from, source),
                (to, target),
                family,
                protocol,
                port,
            ));
        }
    }
    for (to, service) in services {
        for port in &eval.world[service].ports {
            let is_wanted = of.ports.is_empty() || of.ports.contains(&(port.protocol, port.port));
            let sources = asked.parties.iter().enumerate();
            let inside = sources.filter(|(_, party)| !matches!(party.kind, "service" | "outside"));
            for (from, _) in inside.filter(|_| is_wanted) {
                connections.extend(dial(
                    eval,
                    &asked.parties,
                    from,
                    (to, service),
                    port.port,
                    port.protocol,
                ));
            }
        }
    }
    asked.connections = connections;
    asked
}

/// Services that can be dialled, as parties.
fn services(eval: &Evaluator<'_>, parties: &mut Vec<Party>) -> Vec<(usize, ServiceId)> {
    // Engines that judge before translation would need a table that does.
    if eval.switches.service_dnat == ServiceDnat::Pre {
        return Vec::new();
    }
    let mut found = Vec::new();
    for id in eval.world.service_ids() {
        let service = &eval.world[id];
        // The evaluator is asked about the first address.
        let Some(ip) = service.cluster_ips.first().copied() else {
            continue;
        };
        let namespace = &eval.world[service.namespace].name;
        let name: Arc<str> = format!("{namespace}/svc/{}", service.name).into();
        found.push((parties.len(), id));
        parties.push(Party {
            host: Arc::clone(&name),
            name,
            kind: "service",
            meant: Meant::Address(ip),
            place: Place::World,
            ips: vec![ip],
        });
    }
    found
}

/// A connection to a Service; none if it has no backend, or if nothing can be said about it.
#[must_use]
pub fn dial(
    eval: &Evaluator<'_>,
    parties: &[Party],
    from: usize,
    (to, service): (usize, ServiceId),
    port: u16,
    protocol: Protocol,
) -> Option<Planned> {
    let source = parties.get(from)?;
    let dialled = eval.world[service].cluster_ips.first().copied()?;
    let family = Family::of(dialled);
    let own = source
        .ips
        .iter()
        .copied()
        .find(|ip| Family::of(*ip) == family)?;
    let backends = eval.to_service(source.meant, service, port, protocol);
    let (_, first, verdict) = backends.first()?;
    let mut answer_by = Vec::new();
    for (backend, connection, _) in &backends {
        let is_it = |party: &Party| match (*backend, party.meant) {
            (Backend::Endpoint(id, _), Meant::Endpoint(of)) => id == of,
            (Backend::Address(ip, _), _) => party.kind != "service" && party.ips.contains(&ip),
            _ => false,
        };
        let waits_on = connection.port.unwrap_or_default();
        answer_by.extend(
            parties
                .iter()
                .position(is_it)
                .map(|party| (party, waits_on)),
        );
    }
    let is_impossible = |of: &Verdict| matches!(of.reason, Reason::Impossible(..));
    if backends
        .iter()
        .any(|(_, _, verdict)| is_impossible(verdict))
    {
        return None;
    }
    // Where backends are judged differently, it is up to whose turn it is.
    let is_judged = backends
        .iter()
        .all(|(_, _, other)| other.allowed == verdict.allowed && other.uncertain.is_none());
    Some(Planned {
        from,
        to,
        connection: *first,
        family,
        question: Question {
            from,
            to: dialled,
            protocol,
            port,
            source_port: None,
            from_address: Some(own),
        },
        is_judged: is_judged && answer_by.len() == backends.len() && !is_told_apart(eval, first),
        answer_by,
        verdict: *verdict,
    })
}

fn planned(
    eval: &Evaluator<'_>,
    (from, source): (usize, &Party),
    (to, target): (usize, &Party),
    family: Family,
    protocol: Protocol,
    port: u16,
) -> Option<Planned> {
    let of = |ips: &[IpAddr]| ips.iter().copied().find(|ip| Family::of(*ip) == family);
    let (own, dialled) = (of(&source.ips)?, of(&target.ips)?);
    let mut connection = Connection::new(source.meant, target.meant, protocol, port);
    if protocol == Protocol::Icmp {
        connection.port = None;
    }
    connection.family = Some(family);
    let verdict = eval.verdict(&connection);
    if matches!(verdict.reason, Reason::Impossible(..)) {
        return None;
    }
    Some(Planned {
        from,
        to,
        connection,
        family,
        question: Question {
            from,
            to: dialled,
            protocol,
            port,
            source_port: None,
            // The world outside has many addresses.
            from_address: Some(own),
        },
        answer_by: vec![(to, port)],
        is_judged: verdict.uncertain.is_none() && !is_told_apart(eval, &connection),
        verdict,
    })
}

/// Whether an end is a host-network pod that the engine tells from its node: packets do not.
fn is_told_apart(eval: &Evaluator<'_>, connection: &Connection) -> bool {
    let mut ends = [connection.from, connection.to].into_iter();
    ends.any(|party| match party.resolve(eval.world) {
        Meant::Endpoint(id) => eval.world[id].host_network.is_some() && eval.can_be_subject(id),
        _ => false,
    })
}

/// Pairs that something lies between, over every family that both ends have.
fn pairs(parties: &[Party]) -> Vec<(usize, usize, Family)> {
    let mut found = Vec::new();
    for (from, source) in parties.iter().enumerate() {
        for (to, target) in parties.iter().enumerate() {
            let is_service = source.kind == "service" || target.kind == "service";
            if source.place == target.place || is_service {
                continue;
            }
            for family in Family::BOTH {
                let has = |party: &Party| party.ips.iter().any(|ip| Family::of(*ip) == family);
                if has(source) && has(target) {
                    found.push((from, to, family));
                }
            }
        }
    }
    found
}

/// Everybody but Services.
#[must_use]
pub fn parties(plan: &Plan, eval: &Evaluator<'_>) -> Vec<Party> {
    let one_a_family = |ips: &[IpAddr]| -> Vec<IpAddr> {
        let of = |family| ips.iter().copied().find(|ip| Family::of(*ip) == family);
        Family::BOTH.into_iter().filter_map(of).collect()
    };
    let mut parties = Vec::new();
    for pod in &plan.pods {
        let name: Arc<str> = Arc::from(&*pod.name);
        parties.push(Party {
            host: Arc::clone(&name),
            name,
            kind: "pod",
            meant: Meant::Endpoint(pod.id),
            place: Place::Pod(pod.id),
            ips: one_a_family(&pod.ips),
        });
    }
    for node in &plan.nodes {
        let name: Arc<str> = format!("node:{}", node.name).into();
        let ips = one_a_family(&node.ips);
        parties.push(Party {
            host: Arc::clone(&name),
            name: Arc::clone(&name),
            kind: "node",
            meant: Meant::Node(node.id),
            place: Place::Node(node.id),
            ips: ips.clone(),
        });
        for (id, _) in plan.on_host.iter().filter(|(_, on)| **on == node.id) {
            parties.push(Party {
                name: eval.world.endpoint_name(*id).into(),
                kind: "host-pod",
                meant: Meant::Endpoint(*id),
                place: Place::Node(node.id),
                host: Arc::clone(&name),
                ips: ips.clone(),
            });
        }
    }
    for outside in &plan.outside {
        let name: Arc<str> = format!("ip:{}", outside.ip).into();
        parties.push(Party {
            name,
            kind: "outside",
            meant: Meant::Address(outside.ip),
            place: Place::World,
            // All outside addresses are in one namespace.
            host: "world".into(),
            ips: vec![outside.ip],
        });
    }
    parties
}

/// Ports that rules begin and end with.
fn named_ports(eval: &Evaluator<'_>) -> BTreeSet<(Protocol, u16)> {
    let tiers = Direction::BOTH
        .into_iter()
        .flat_map(|direction| eval.ruleset.tiers(direction));
    let rules = tiers
        .flat_map(|tier| &tier.policies)
        .flat_map(|policy| &policy.rules);
    let mut found = BTreeSet::new();
    for item in rules.flat_map(|rule| &rule.traffic) {
        match item {
            PortMatch::Range {
                protocol,
                first,
                last,
                ..
            } => {
                found.extend([(*protocol, *first), (*protocol, *last)]);
            }
            PortMatch::Except {
                protocol, ranges, ..
            } => {
                found.extend(
                    ranges
                        .iter()
                        .flat_map(|(first, last)| [(*protocol, *first), (*protocol, *last)]),
                );
            }
            _ => {}
        }
    }
    found.retain(|(_, port)| *port > 0);
    found
}

/// A port that no rule names and no pod declares.
fn control_port(eval: &Evaluator<'_>, named: &BTreeSet<(Protocol, u16)>) -> u16 {
    let declared = eval
        .world
        .endpoints
        .iter()
        .flat_map(|endpoint| endpoint.ports.iter());
    let declared: BTreeSet<u16> = declared.map(|port| port.number).collect();
    let is_free = |port: &u16| {
        !declared.contains(port)
            && ![Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
                .iter()
                .any(|of| named.contains(&(*of, *port)))
    };
    (9..1024).find(is_free).unwrap_or(9)
}
