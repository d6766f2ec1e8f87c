//! Whether some pod gets to a metadata service.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustc_hash::FxHashSet;

use super::{Claim, Judge, Proof, shortened};
use crate::analysis::baseline::needs::Whom;
use crate::analysis::baseline::set::Asked;
use crate::eval::Party;
use crate::eval::reach::{Peer, Ports, RowId};
use crate::facts::metadata::{Cloud, distinct_addresses};
use crate::manifest::Direction;
use crate::sets::Protocol;
use crate::world::EndpointId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Closed,
    /// On ports that somebody asked for.
    Asked,
    /// On port 53 alone.
    Dns(Protocol, u16),
    Wide(Protocol, u16),
}

impl Judge<'_> {
    pub(super) fn metadata(&self) -> Proof {
        let known = distinct_addresses(Cloud::ALL);
        let known: Vec<_> = known
            .iter()
            .filter(|found| found.reachable_from_pod())
            .map(|found| found.address)
            .collect();
        let found = crate::parallel::map(&self.subjects, |(unit, members)| {
            let needs = self.by_unit.needs(*unit, Direction::Egress).iter();
            let asked = needs.filter(|(_, need)| need.was_asked_for());
            let asked: Vec<Asked<'_>> = asked.map(|(whom, need)| (*whom, &need.ports)).collect();
            let is_dns = self.plan.dns.peers.contains_key(&Whom::Unit(*unit));
            let (mut open, mut asked_for, mut resolves) = (Vec::new(), Vec::new(), false);
            for (row, member) in self.rows(Direction::Egress, members) {
                for ip in &known {
                    match self.open(row, *ip, &asked) {
                        Open::Closed => {}
                        Open::Asked => {
                            asked_for.push(format!("{} -> {ip}", self.name(*unit)));
                        }
                        Open::Dns(..) if is_dns => resolves = true,
                        Open::Dns(protocol, port) | Open::Wide(protocol, port) => {
                            open.push((member, *ip, protocol, port));
                        }
                    }
                }
            }
            (
                self.reaches(&self.name(*unit), &open),
                asked_for,
                resolves.then(|| self.name(*unit)),
            )
        });
        let (mut against, mut asked_for) = (Vec::new(), BTreeSet::new());
        let mut resolvers = Vec::new();
        for (reaches, asked, resolver) in found {
            against.extend(reaches);
            asked_for.extend(asked);
            resolvers.extend(resolver);
        }
        let mut whom = "no pod of these namespaces reaches";
        if self.plan.cluster.is_some() {
            whom = "no pod of the cluster reaches";
            self.everywhere(&known, &mut against);
        }
        let services = format!("{whom} a metadata service of any cloud");
        let mut text = match asked_for.len() {
            0 => services,
            asked => format!("{services}, but where that was asked for ({asked})"),
        };
        if !resolvers.is_empty() {
            // Some clouds answer DNS at the address of their metadata service.
            let resolvers = resolvers.join(", ");
            text = format!("{text}; on port 53 {resolvers} may ask resolvers at any address");
        }
        Proof {
            claim: Claim::Metadata,
            text,
            against: shortened(against),
        }
    }

    /// Pods of other namespaces, where a part of the plan is about all.
    fn everywhere(&self, known: &[IpAddr], against: &mut Vec<String>) {
        let world = self.world();
        let side = self.reach.side(Direction::Egress);
        let mut seen = FxHashSet::default();
        for id in world.endpoint_ids() {
            let endpoint = &world[id];
            let is_subject = self.eval.can_be_subject(id) && endpoint.host_network.is_none();
            if !is_subject || self.scope.contains(&endpoint.namespace) || endpoint.assumed {
                continue;
            }
            let row = side.row_of(id);
            if !seen.insert(row) {
                continue;
            }
            let open = known
                .iter()
                .filter_map(|ip| match self.open(row, *ip, &[]) {
                    Open::Wide(protocol, port) | Open::Dns(protocol, port) => {
                        Some((id, *ip, protocol, port))
                    }
                    Open::Closed | Open::Asked => None,
                });
            let open: Vec<_> = open.collect();
            against.extend(self.reaches(&world.display_name(id), &open));
        }
    }

    /// One sentence for all addresses that somebody reaches.
    fn reaches(&self, who: &str, open: &[(EndpointId, IpAddr, Protocol, u16)]) -> Option<String> {
        let (member, ip, protocol, port) = open.first()?;
        let more = match open.len() {
            1 => String::new(),
            2 => " and one more address".to_owned(),
            count => format!(" and {} more addresses", count - 1),
        };
        let by = self.opened_by(
            Direction::Egress,
            *member,
            Party::Address(*ip),
            *protocol,
            *port,
        );
        Some(format!("{who} reaches {ip}{more}{by}"))
    }

    fn open(&self, row: RowId, ip: IpAddr, asked: &[Asked<'_>]) -> Open {
        let side = self.reach.side(Direction::Egress);
        let allowed = side.ports(row, Peer::Address(ip));
        let is_asked = allowed.iter().all(|ports| {
            let mut asked = asked.iter().filter(|(whom, _)| holds(whom, ip));
            asked.any(|(_, wanted)| {
                let mut wanted = wanted.iter();
                wanted.any(|wanted| wanted.covers(ports.protocol, ports.first, ports.last))
            })
        });
        let is_dns = |ports: &Ports| (ports.first, ports.last) == (53, 53);
        match allowed.first() {
            Some(_) if is_asked => Open::Asked,
            Some(ports) if allowed.iter().all(is_dns) => Open::Dns(ports.protocol, ports.first),
            Some(ports) => Open::Wide(ports.protocol, ports.first),
            None => Open::Closed,
        }
    }
}

/// Whether an end that was asked for has an address, and by name: that a block is wide is no question.
fn holds(whom: &Whom, ip: IpAddr) -> bool {
    match whom {
        Whom::Blocks(blocks) => blocks.iter().any(|block| block.contains(ip)),
        Whom::Unit(_) | Whom::AllPods | Whom::Internet | Whom::Everyone => false,
    }
}
