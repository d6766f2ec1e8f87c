//! Metadata addresses that the evaluator has confirmed to be open, and how a finding tells them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Metadata;
use crate::diag::Evidence;
use crate::eval::{Connection, Decision, Party};
use crate::facts::ranges::LINK_LOCAL_V4;
use crate::rules::{Context, some_of};
use crate::sets::Protocol;
use crate::world::EndpointId;

/// Open addresses, most telling first, each with the most usual of its open ports.
#[derive(Debug)]
pub(in crate::rules) struct Exposure<'m> {
    metadata: &'m Metadata,
    open: BTreeMap<usize, (u16, Connection)>,
    pairs: Vec<(IpAddr, u16)>,
}

impl<'m> Exposure<'m> {
    pub(in crate::rules) fn new(metadata: &'m Metadata) -> Self {
        Self {
            metadata,
            open: BTreeMap::new(),
            pairs: Vec::new(),
        }
    }

    /// Judges a connection to a target, and keeps it if it is allowed the way the caller says.
    pub(in crate::rules) fn judge(
        &mut self,
        context: &Context<'_>,
        target: usize,
        port: u16,
        endpoint: EndpointId,
        wanted: impl Fn(&Decision) -> bool,
    ) -> bool {
        let Some(found) = self.metadata.targets.get(target) else {
            return false;
        };
        let connection = Connection::new(
            Party::Endpoint(endpoint),
            Party::Address(found.address),
            Protocol::Tcp,
            port,
        );
        let verdict = context.eval.verdict(&connection);
        if !verdict.allowed || !wanted(&verdict.egress) {
            return false;
        }
        self.pairs.push((found.address, port));
        let place = |port: u16| found.ports.iter().position(|known| *known == port);
        let known = self.open.get(&target).map(|(port, _)| *port);
        if known.is_none_or(|known| place(port) < place(known)) {
            self.open.insert(target, (port, connection));
        }
        true
    }

    /// The open addresses.
    pub(in crate::rules) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let targets = self.open.keys();
        targets.filter_map(|target| Some(self.metadata.targets.get(*target)?.address))
    }

    /// The open addresses, each with the clouds that answer there.
    pub(in crate::rules) fn with_clouds(&self) -> Vec<String> {
        let targets = self
            .open
            .keys()
            .filter_map(|at| self.metadata.targets.get(*at));
        targets
            .map(|target| {
                let clouds: Vec<String> = target.clouds.iter().map(|c| c.name().into()).collect();
                format!("{} ({})", target.address, some_of(&clouds))
            })
            .collect()
    }

    /// The open addresses with every open port.
    pub(in crate::rules) fn pairs(&self) -> &[(IpAddr, u16)] {
        &self.pairs
    }

    /// Whether nothing but EKS Pod Identity is open.
    pub(in crate::rules) fn only_own_credentials(&self) -> bool {
        let mut targets = self.open.keys();
        targets.all(|target| {
            let target = self.metadata.targets.get(*target);
            target.is_some_and(|target| target.own_credentials)
        })
    }

    /// The leading address and how many more there are; nothing if nothing is open.
    pub(in crate::rules) fn phrase(&self, context: &Context<'_>) -> Option<String> {
        let (target, (port, _)) = self.open.first_key_value()?;
        let lead = self.metadata.targets.get(*target)?;
        let lead = lead.name(*port, context.clouds);
        Some(match self.open.len() {
            1 => lead,
            2 => format!("{lead} and 1 other metadata address"),
            more => format!("{lead} and {} other metadata addresses", more - 1),
        })
    }

    /// The leading address, the first of IPv6, and the first that no list of link-local or private
    /// ranges holds.
    pub(in crate::rules) fn evidence(&self, context: &Context<'_>) -> Vec<Evidence> {
        let address = |connection: &Connection| match connection.to {
            Party::Address(ip) => Some(ip),
            _ => None,
        };
        let is_v6 = |ip: IpAddr| ip.is_ipv6();
        let is_elsewhere = |ip: IpAddr| ip.is_ipv4() && !LINK_LOCAL_V4.contains(&ip);
        let mut shown: Vec<&Connection> = Vec::new();
        for wanted in [&|_| true, &is_v6, &is_elsewhere] as [&dyn Fn(IpAddr) -> bool; 3] {
            let mut all = self.open.values().map(|(_, connection)| connection);
            let found = all.find(|connection| address(connection).is_some_and(wanted));
            shown.extend(found.filter(|connection| !shown.contains(connection)));
        }
        let word = |connection: &Connection| context.evidence(connection);
        shown.into_iter().map(word).collect()
    }
}
