//! Whether some pod gets to a metadata service.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rustc_hash::FxHashSet;

use super::{Claim, Judge, Proof, has, shortened};
use crate::analysis::baseline::needs::Whom;
use crate::analysis::baseline::set::Asked;
use crate::eval::Party;
use crate::eval::reach::{Peer, RowId};
use crate::facts::metadata::{Cloud, distinct_addresses};
use crate::manifest::Direction;
use crate::sets::Protocol;
use crate::world::EndpointId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Closed,
    Asked,
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
            let asked = self.by_unit.asked(*unit, Direction::Egress);
            let (mut open, mut asked_for) = (Vec::new(), Vec::new());
            for (row, member) in self.rows(Direction::Egress, members) {
                for ip in &known {
                    match self.open(row, *ip, &asked) {
                        Open::Closed => {}
                        Open::Asked => {
                            asked_for.push(format!("{} -> {ip}", self.name(*unit)));
                        }
                        Open::Wide(protocol, port) => open.push((member, *ip, protocol, port)),
                    }
                }
            }
            (self.reaches(&self.name(*unit), &open), asked_for)
        });
        let (mut against, mut asked_for) = (Vec::new(), BTreeSet::new());
        for (reaches, asked) in found {
            against.extend(reaches);
            asked_for.extend(asked);
        }
        let mut whom = "no pod of these namespaces reaches";
        if self.plan.cluster.is_some() {
            whom = "no pod of the cluster reaches";
            self.everywhere(&known, &mut against);
        }
        let services = format!("{whom} a metadata service of any cloud");
        let text = match asked_for.len() {
            0 => services,
            asked => format!("{services}, but where that was asked for ({asked})"),
        };
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
                    Open::Wide(protocol, port) => Some((id, *ip, protocol, port)),
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
        if allowed.is_empty() {
            return Open::Closed;
        }
        let is_asked = allowed.iter().all(|ports| {
            let mut asked = asked.iter().filter(|(whom, _)| holds(whom, ip));
            asked.any(|(_, wanted)| {
                let mut wanted = wanted.iter();
                wanted.any(|wanted| wanted.covers(ports.protocol, ports.first, ports.last))
            })
        });
        match allowed.first() {
            Some(ports) if !is_asked => Open::Wide(ports.protocol, ports.first),
            _ => Open::Asked,
        }
    }
}

/// Whether an end that was asked for has an address, and by name: that a block is wide is no question.
fn holds(whom: &Whom, ip: IpAddr) -> bool {
    match whom {
        Whom::Blocks(blocks) => blocks.iter().any(|block| has(block, ip)),
        Whom::Everyone => true,
        Whom::Unit(_) | Whom::AllPods | Whom::Internet => false,
    }
}
