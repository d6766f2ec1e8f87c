//! What is asked: who, whom, on which ports.
//!
//! INVARIANT: cost grows with the pairs of parties and with the questions that are asked, never with those that
//! could be; the same cluster is asked the same.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use watertight_core::eval::{Evaluator, Family, Party as Meant};
use watertight_core::manifest::Direction;
use watertight_core::sets::{PortMatch, Protocol};

use super::connections::{Dialled, Planned, planned};
use super::parties::{Index, Party, balancers, parties, services};
use super::published::{Entry, entries};
use super::sample::Sample;
use crate::lab::{Place, Plan};

/// What to ask.
#[derive(Clone, Debug)]
pub struct Ask {
    /// These ports only; otherwise those that destinations declare, those that rules begin and end with, and
    /// one that nobody names.
    pub ports: Vec<(Protocol, u16)>,
    /// Whether echo requests are sent, too.
    pub icmp: bool,
    /// Ask no more than so many. Ports that rules name but destinations do not declare are left out first; then
    /// some connections are, evenly.
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

/// Everything that is asked.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Both ends of everything.
    pub parties: Vec<Party>,
    /// The connections.
    pub connections: Vec<Planned>,
    /// Whether ports that rules name were left out to stay below the limit.
    pub is_shortened: bool,
    /// Of how many connections these are a sample, if even so there were too many.
    pub sampled_from: Option<usize>,
}

impl Asked {
    /// What those say who may answer a connection.
    pub(super) fn hosts(&self, of: &Planned) -> Vec<&str> {
        let parties = of.answer_by.iter();
        let parties = parties.filter_map(|(party, _)| self.parties.get(*party));
        parties.map(|party| &*party.host).collect()
    }
}

/// Protocols and ports; of ICMP, no port.
type Ports = Vec<(Protocol, u16)>;

/// The ports on which each party is tried. Parties with the same ports share a list.
#[derive(Debug, Default)]
struct Lists {
    lists: Vec<Ports>,
    of_party: Vec<usize>,
}

impl Lists {
    fn new(parties: &[Party], ports: impl Fn(&Party) -> Ports, also: &Ports) -> Self {
        let mut known: BTreeMap<Ports, usize> = BTreeMap::new();
        let mut found = Self::default();
        for party in parties {
            let own = ports(party);
            let at = *known.entry(own.clone()).or_insert_with(|| {
                let all: BTreeSet<_> = own.into_iter().chain(also.iter().copied()).collect();
                found.lists.push(all.into_iter().collect());
                found.lists.len() - 1
            });
            found.of_party.push(at);
        }
        found
    }

    fn of(&self, party: usize) -> &[(Protocol, u16)] {
        let list = self.of_party.get(party).and_then(|at| self.lists.get(*at));
        list.map(Vec::as_slice).unwrap_or_default()
    }
}

/// Lists what to ask.
#[must_use]
pub fn ask(plan: &Plan, eval: &Evaluator<'_>, of: &Ask) -> Asked {
    let mut parties = parties(plan, eval);
    let services = services(eval, &mut parties);
    let balancers = balancers(eval, &mut parties);
    let named = named_ports(eval);
    let control = control_port(eval, &named);
    let declared = |party: &Party| -> Ports {
        let Meant::Endpoint(id) = party.meant else {
            return Vec::new();
        };
        let ports = eval.world[id].ports.iter();
        let ports: BTreeSet<_> = ports.map(|port| (port.protocol, port.number)).collect();
        ports.into_iter().collect()
    };
    let mut always: Ports = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .map(|protocol| (protocol, control))
        .into();
    if of.icmp {
        always.push((Protocol::Icmp, 0));
    }
    let index = Index::of(&parties);
    let mut dialled = Vec::new();
    for (to, service) in services {
        for port in &eval.world[service].ports {
            if of.ports.is_empty() || of.ports.contains(&(port.protocol, port.port)) {
                let to = (to, service);
                dialled.extend(Dialled::new(eval, &index, to, port.port, port.protocol));
            }
        }
    }
    let is_asked = |entry: &Entry| of.ports.is_empty() || of.ports.contains(&entry.port());
    let mut published = entries(eval, &index, &parties, &balancers);
    // What a node translates does not come to its own sockets.
    let on_nodes: BTreeSet<_> = published.iter().filter_map(Entry::on_node).collect();
    published.retain(is_asked);
    let who = |is_it: &dyn Fn(&Party) -> bool| -> Vec<usize> {
        let all = parties.iter().enumerate();
        let all = all.filter(|(_, party)| !party.is_service() && is_it(party));
        all.map(|(at, _)| at).collect()
    };
    let inside = who(&|party| party.kind != "outside");
    let everybody = who(&|_| true);
    let to_services = dialled.len() * inside.len() + published.len() * everybody.len();
    let (mut lists, mut is_shortened);
    if of.ports.is_empty() {
        let all = always.iter().chain(&named).copied().collect();
        (lists, is_shortened) = (Lists::new(&parties, declared, &all), false);
        if count(&parties, &lists) + to_services > of.most && !named.is_empty() {
            let longer: usize = lists.lists.iter().map(Vec::len).sum();
            lists = Lists::new(&parties, declared, &always);
            is_shortened = lists.lists.iter().map(Vec::len).sum::<usize>() < longer;
        }
    } else {
        let mut wanted = of.ports.clone();
        wanted.extend(of.icmp.then_some((Protocol::Icmp, 0)));
        (lists, is_shortened) = (Lists::new(&parties, |_| Vec::new(), &wanted), false);
    }
    let possible = count(&parties, &lists) + to_services;
    let mut sample = Sample::new(possible, of.most);
    let mut connections = Vec::new();
    for_pairs(&parties, |from, to, family| {
        let ports = lists.of(to.0);
        for (protocol, port) in sample.of(ports) {
            let is_node = matches!(to.1.place, Place::Node(_));
            if !is_node || !on_nodes.contains(&(protocol, port)) {
                connections.extend(planned(eval, from, to, family, protocol, port));
            }
        }
    });
    for service in &dialled {
        for from in sample.of(&inside) {
            let source = parties.get(from);
            connections.extend(source.and_then(|source| service.from(eval, (from, source))));
        }
    }
    for entry in &published {
        for from in sample.of(&everybody) {
            let source = parties.get(from);
            let dialled = source.and_then(|source| entry.from(eval, plan, (from, source)));
            connections.extend(dialled);
        }
    }
    Asked {
        parties,
        connections,
        is_shortened,
        sampled_from: (possible > of.most).then_some(possible),
    }
}

/// Does something with each pair that something lies between, over every family that both ends have.
fn for_pairs<'p>(
    parties: &'p [Party],
    mut then: impl FnMut((usize, &'p Party), (usize, &'p Party), Family),
) {
    let hosts: Vec<_> = parties
        .iter()
        .enumerate()
        .filter(|(_, party)| !party.is_service())
        .map(|(at, party)| (at, party, Family::BOTH.map(|of| party.ip(of).is_some())))
        .collect();
    for (from, source, has) in &hosts {
        for (to, target, can) in &hosts {
            if source.place == target.place {
                continue;
            }
            for (family, is_common) in Family::BOTH.into_iter().zip(has.iter().zip(can)) {
                if is_common == (&true, &true) {
                    then((*from, source), (*to, target), family);
                }
            }
        }
    }
}

/// How many questions there are between parties.
fn count(parties: &[Party], lists: &Lists) -> usize {
    let mut count = 0;
    for family in Family::BOTH {
        let of_family = parties.iter().enumerate();
        let of_family =
            of_family.filter(|(_, party)| !party.is_service() && party.ip(family).is_some());
        let mut beside: BTreeMap<Place, usize> = BTreeMap::new();
        for (_, party) in of_family.clone() {
            *beside.entry(party.place).or_default() += 1;
        }
        let all: usize = beside.values().sum();
        for (to, party) in of_family {
            let sources = all - beside.get(&party.place).copied().unwrap_or_default();
            count += sources * lists.of(to).len();
        }
    }
    count
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
