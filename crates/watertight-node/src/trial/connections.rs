//! Single connections: their packets, and what is predicted of them.

use watertight_core::eval::{
    Connection, Evaluator, Family, Party as Meant, Reason, ServiceAddress, Verdict,
};
use watertight_core::sets::Protocol;
use watertight_core::world::{Backend, ServiceId};

use super::parties::{Index, Party};
use crate::probe::{NAMES, Question};

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
    /// Why not, where neither the verdict nor a policy tells: the statement behind it, and the words.
    pub unjudged: Option<(&'static str, &'static str)>,
    /// What is predicted of each backend that it may lead to, if it is to a node's port or to an outer address.
    pub backends: Vec<(Connection, Verdict)>,
}

/// A port of a Service as all see it who dial it.
#[derive(Debug)]
pub(super) struct Dialled {
    to: usize,
    address: ServiceAddress,
    protocol: Protocol,
    /// Backends, and who each of them is.
    backends: Vec<(Backend, Option<usize>)>,
}

impl Dialled {
    /// None if it has no address or no backend.
    pub(super) fn new(
        eval: &Evaluator<'_>,
        index: &Index,
        (to, service): (usize, ServiceId),
        port: u16,
        protocol: Protocol,
    ) -> Option<Self> {
        let ip = eval.world[service].cluster_ips.first().copied()?;
        let backends = eval.world.backends(service, port, protocol).into_iter();
        let backends: Vec<_> = backends.map(|one| (one, index.backend(one))).collect();
        (!backends.is_empty()).then_some(Self {
            to,
            address: ServiceAddress { ip, port },
            protocol,
            backends,
        })
    }

    /// Somebody dials it; none if nothing can be said about it.
    pub(super) fn from(
        &self,
        eval: &Evaluator<'_>,
        (from, source): (usize, &Party),
    ) -> Option<Planned> {
        let family = Family::of(self.address.ip);
        let own = source.ip(family)?;
        let ask = |(backend, party): &(Backend, Option<usize>)| {
            let (to, port) = match *backend {
                Backend::Endpoint(id, port) => (Meant::Endpoint(id), port),
                Backend::Address(ip, port) => (Meant::Address(ip), port),
            };
            let mut connection = Connection::new(source.meant, to, self.protocol, port);
            connection.service = Some(self.address);
            let answer_by = party.map(|party| (party, port));
            (connection, eval.verdict(&connection), answer_by)
        };
        // Who may come back to itself is hidden behind its node, if that has an address of the family.
        let is_itself = |(backend, _): &(Backend, Option<usize>)| matches!((backend, source.meant), (Backend::Endpoint(id, _), Meant::Endpoint(own)) if *id == own);
        if self.backends.iter().any(is_itself) && !can_hide(eval, source.meant, family) {
            return None;
        }
        let asked: Vec<_> = self.backends.iter().map(ask).collect();
        let (first, verdict, _) = asked.first()?;
        let is_impossible = |of: &Verdict| matches!(of.reason, Reason::Impossible(..));
        if asked.iter().any(|(_, verdict, _)| is_impossible(verdict)) {
            return None;
        }
        // Where backends are judged differently, it is up to whose turn it is.
        let is_judged = asked.iter().all(|(_, other, answer_by)| {
            other.allowed == verdict.allowed && other.uncertain.is_none() && answer_by.is_some()
        });
        Some(Planned {
            from,
            to: self.to,
            connection: *first,
            family,
            question: Question {
                from,
                to: self.address.ip,
                protocol: self.protocol,
                port: self.address.port,
                source_port: None,
                from_address: Some(own),
                masked: None,
                to_names: Some(asked.iter().any(|(of, ..)| of.port == Some(NAMES))),
            },
            is_judged: is_judged && !is_told_apart(eval, first),
            answer_by: asked.iter().filter_map(|(_, _, by)| *by).collect(),
            verdict: *verdict,
            unjudged: None,
            backends: Vec::new(),
        })
    }
}

/// A connection to a Service; none if it has no backend, or if nothing can be said about it.
#[must_use]
pub fn dial(
    eval: &Evaluator<'_>,
    parties: &[Party],
    from: usize,
    to: (usize, ServiceId),
    port: u16,
    protocol: Protocol,
) -> Option<Planned> {
    let dialled = Dialled::new(eval, &Index::of(parties), to, port, protocol)?;
    dialled.from(eval, (from, parties.get(from)?))
}

/// A connection to a party at its own address; none if there can be no such connection.
pub(super) fn planned(
    eval: &Evaluator<'_>,
    (from, source): (usize, &Party),
    (to, target): (usize, &Party),
    family: Family,
    protocol: Protocol,
    port: u16,
) -> Option<Planned> {
    let (own, dialled) = (source.ip(family)?, target.ip(family)?);
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
            masked: None,
            to_names: None,
        },
        answer_by: vec![(to, port)],
        is_judged: verdict.uncertain.is_none() && !is_told_apart(eval, &connection),
        verdict,
        unjudged: None,
        backends: Vec::new(),
    })
}

/// Whether the node of a pod has an address of a family.
fn can_hide(eval: &Evaluator<'_>, pod: Meant, family: Family) -> bool {
    let Meant::Endpoint(id) = pod else {
        return true;
    };
    let node = eval.world[id].node.map(|node| &eval.world[node]);
    node.is_none_or(|node| node.ips.iter().any(|ip| Family::of(*ip) == family))
}

/// Whether an end is a host-network pod that the engine tells from its node, or a pod whose address is another's:
/// packets do not.
pub(super) fn is_told_apart(eval: &Evaluator<'_>, connection: &Connection) -> bool {
    let mut ends = [connection.from, connection.to].into_iter();
    ends.any(|party| match party.resolve(eval.world) {
        Meant::Endpoint(id) if eval.world[id].host_network.is_some() => eval.can_be_subject(id),
        Meant::Endpoint(id) => {
            let mut ips = eval.world[id].ips.iter();
            ips.any(|ip| eval.world.endpoint_at(*ip) != Some(id))
        }
        _ => false,
    })
}
