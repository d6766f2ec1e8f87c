//! What is asked: who, whom, on which ports.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use watertight_core::eval::{Connection, Evaluator, Family, Party as Meant, Reason, Verdict};
use watertight_core::manifest::Direction;
use watertight_core::sets::{PortMatch, Protocol};
use watertight_core::world::EndpointId;

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
    /// `namespace/name`, `node:NAME`, or `ip:ADDRESS`.
    pub name: Arc<str>,
    /// `pod`, `host-pod`, `node` or `outside`.
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

/// Lists what to ask.
#[must_use]
pub fn ask(plan: &Plan, eval: &Evaluator<'_>, of: &Ask) -> Asked {
    let parties = parties(plan, eval);
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
        let declared = declared.into_iter().flatten().map(|port| (port.protocol, port.number));
        let mut ports: BTreeSet<_> = declared.collect();
        ports.extend([Protocol::Tcp, Protocol::Udp, Protocol::Sctp].map(|protocol| (protocol, control)));
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
            to.map_or(0, |to| ports(endpoint(to), all).len() + usize::from(of.icmp))
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
            connections.extend(planned(eval, (from, source), (to, target), family, protocol, port));
        }
    }
    asked.connections = connections;
    asked
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
        is_judged: verdict.uncertain.is_none(),
        verdict,
    })
}

/// Pairs that something lies between, over every family that both ends have.
fn pairs(parties: &[Party]) -> Vec<(usize, usize, Family)> {
    let mut found = Vec::new();
    for (from, source) in parties.iter().enumerate() {
        for (to, target) in parties.iter().enumerate() {
            if source.place == target.place {
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

fn parties(plan: &Plan, eval: &Evaluator<'_>) -> Vec<Party> {
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
    let tiers = Direction::BOTH.into_iter().flat_map(|direction| eval.ruleset.tiers(direction));
    let rules = tiers.flat_map(|tier| &tier.policies).flat_map(|policy| &policy.rules);
    let mut found = BTreeSet::new();
    for item in rules.flat_map(|rule| &rule.traffic) {
        match item {
            PortMatch::Range { protocol, first, last, .. } => {
                found.extend([(*protocol, *first), (*protocol, *last)]);
            }
            PortMatch::Except { protocol, ranges, .. } => {
                found.extend(ranges.iter().flat_map(|(first, last)| [(*protocol, *first), (*protocol, *last)]));
            }
            _ => {}
        }
    }
    found.retain(|(_, port)| *port > 0);
    found
}

/// A port that no rule names and no pod declares.
fn control_port(eval: &Evaluator<'_>, named: &BTreeSet<(Protocol, u16)>) -> u16 {
    let declared = eval.world.endpoints.iter().flat_map(|endpoint| endpoint.ports.iter());
    let declared: BTreeSet<u16> = declared.map(|port| port.number).collect();
    let is_free = |port: &u16| {
        !declared.contains(port) && ![Protocol::Tcp, Protocol::Udp, Protocol::Sctp].iter().any(|of| named.contains(&(*of, *port)))
    };
    (9..1024).find(is_free).unwrap_or(9)
}
