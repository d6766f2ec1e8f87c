//! Whether every pod gets answers from the DNS of the cluster.

use rustc_hash::FxHashSet;

use super::{Claim, Judge, MOST, Proof, name, shortened_to};
use crate::eval::reach::Outcome;
use crate::eval::{Connection, Party};
use crate::manifest::Direction;
use crate::sets::Protocol;
use crate::world::EndpointId;

impl Judge<'_> {
    pub(super) fn dns(&self) -> Proof {
        let dns = &self.plan.dns;
        let mut against = Vec::new();
        if dns.is_missing() {
            against.push(
                "the input has no DNS server: add its Service and pods, or drop --no-assumed-dns"
                    .to_owned(),
            );
        }
        let servers = self.dns_servers();
        let in_vain = crate::parallel::map(&self.subjects, |(unit, members)| {
            let rows = self.rows(Direction::Egress, members);
            let mut clients = rows.into_iter().map(|(_, client)| client);
            let found = clients.find_map(|client| self.asks_in_vain(client, &servers))?;
            Some((*unit, found))
        });
        let in_vain: Vec<_> = in_vain.into_iter().flatten().collect();
        let told = in_vain.iter().take(MOST);
        let told = told.map(|(unit, (query, outcome))| {
            format!("{} {}", self.name(*unit), self.in_vain(query, *outcome))
        });
        let before = against.len();
        against.extend(told);
        let count = before + in_vain.len();
        let assumed = if dns.assumed { " (assumed, M-2)" } else { "" };
        Proof {
            claim: Claim::Dns,
            text: format!(
                "every pod gets answers from the DNS of the cluster{assumed}{}",
                self.only_over()
            ),
            against: shortened_to(against, count),
        }
    }

    /// What the servers lack: long answers need TCP.
    fn only_over(&self) -> &'static str {
        let servers = &self.plan.dns.servers;
        if servers.iter().any(|server| server.tcp.is_none()) {
            ", but over UDP alone where its Service has no TCP port"
        } else if servers.iter().any(|server| server.udp.is_none()) {
            ", but over TCP alone where its Service has no UDP port"
        } else {
            ""
        }
    }

    /// A server of each kind with the ports that it answers on.
    fn dns_servers(&self) -> Vec<(Party, Vec<(Protocol, u16)>)> {
        let mut seen = FxHashSet::default();
        let side = self.reach.side(Direction::Ingress);
        let mut found: Vec<_> = Vec::new();
        for server in &self.plan.dns.servers {
            let id = server.endpoint;
            let ports = [(Protocol::Udp, server.udp), (Protocol::Tcp, server.tcp)];
            let ports: Vec<_> = ports
                .into_iter()
                .filter_map(|(protocol, port)| Some((protocol, port?)))
                .collect();
            if seen.insert((self.reach.class_of(id), side.row_of(id))) {
                found.push((Party::Endpoint(id), ports));
            }
        }
        let ports = vec![(Protocol::Udp, 53), (Protocol::Tcp, 53)];
        let caches = self.plan.dns.caches.iter();
        found.extend(caches.map(|ip| (Party::Address(*ip), ports.clone())));
        found
    }

    fn asks_in_vain(
        &self,
        client: EndpointId,
        servers: &[(Party, Vec<(Protocol, u16)>)],
    ) -> Option<(Connection, Outcome)> {
        for (server, ports) in servers {
            if *server == Party::Endpoint(client) {
                continue;
            }
            for (protocol, port) in ports {
                let query = Connection::new(Party::Endpoint(client), *server, *protocol, *port);
                let outcome = self.reach.outcome(self.eval, &query);
                if outcome != Outcome::Allowed {
                    return Some((query, outcome));
                }
            }
        }
        None
    }

    fn in_vain(&self, query: &Connection, outcome: Outcome) -> String {
        let name = name(self.world(), query.to);
        let (word, port) = (query.protocol.word(), query.port.unwrap_or_default());
        match outcome {
            Outcome::Uncertain => {
                format!("may not reach {name} on {port}/{word}: its address is not in the input")
            }
            _ => format!("does not reach {name} on {port}/{word}{}", self.by(query)),
        }
    }
}
