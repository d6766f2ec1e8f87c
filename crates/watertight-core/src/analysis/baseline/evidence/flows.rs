//! Recorded flows.

use super::{Collector, why};
use crate::analysis::baseline::KeptFlow;
use crate::analysis::baseline::needs::{By, Ports, Whom};
use crate::eval::{Connection, Party};
use crate::sets::Protocol;

impl Collector<'_> {
    /// Every connection that came about is needed, metadata services aside.
    pub(super) fn flows(&mut self) {
        let (mut refused, mut icmp) = (0_usize, 0_usize);
        let request = self.request;
        for observed in request.flows {
            let connection = observed.otherwise.as_ref().unwrap_or(&observed.connection);
            let ends = self.end(connection.from).zip(self.end(connection.to));
            let Some((from, to)) = ends else {
                continue;
            };
            if !self.is_subject(&from) && !self.is_subject(&to) {
                continue;
            }
            if observed.refused {
                refused += 1;
                continue;
            }
            let (Some(port), true) = (connection.port, connection.protocol != Protocol::Icmp)
            else {
                icmp += 1;
                continue;
            };
            if let Some(ip) = self.metadata_of(connection) {
                let text = format!(
                    "{} -> {ip}:{port} was recorded {} and stays closed: it is a metadata service; \
                     --allow or an annotation opens it",
                    observed.from,
                    times(observed.times)
                );
                self.note(text, Some(observed.span));
                continue;
            }
            let ports = Ports::one(connection.protocol, port);
            let why = why(By::Flow, "recorded flows", Some(observed.span));
            if self.need(&from, &to, ports, &why) {
                self.found.needs.seen(from, to, observed.times);
                self.found.flows.push(KeptFlow {
                    connection: *connection,
                    from: observed.from.clone(),
                    to: observed.to.clone(),
                    was_allowed: self.eval.allows(connection),
                });
            }
        }
        if refused > 0 {
            let text =
                format!("{refused} recorded connections were refused and are not allowed now");
            self.note(text, None);
        }
        if icmp > 0 {
            let text = format!(
                "{icmp} recorded connections are ICMP, which no NetworkPolicy can name (K-61)"
            );
            self.note(text, None);
        }
    }

    fn end(&self, party: Party) -> Option<Whom> {
        match party.resolve(self.world) {
            Party::Endpoint(id) => self.units.of_endpoint(id).map(Whom::Unit),
            Party::Address(ip) => Some(Whom::address(ip)),
            Party::Node(id) => {
                // The address that was seen, or else all that the node has.
                if let Party::Address(ip) = party {
                    return Some(Whom::address(ip));
                }
                let ips = self.world[id].ips.iter();
                let mut blocks: Vec<_> = ips
                    .map(|ip| super::super::needs::Block::whole((*ip).into()))
                    .collect();
                blocks.sort_unstable();
                (!blocks.is_empty()).then_some(Whom::Blocks(blocks))
            }
            Party::Name(_) => Some(Whom::Internet),
        }
    }

    fn metadata_of(&self, connection: &Connection) -> Option<std::net::IpAddr> {
        let Party::Address(ip) = connection.to.resolve(self.world) else {
            return None;
        };
        let mut known = self.metadata.iter();
        known.find(|known| known.address == ip).map(|_| ip)
    }
}

fn times(times: u64) -> String {
    match times {
        1 => "once".to_owned(),
        more => format!("{more} times"),
    }
}
