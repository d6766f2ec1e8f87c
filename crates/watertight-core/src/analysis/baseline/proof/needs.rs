//! Whether everything that is needed is allowed, recorded flows first.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use super::{Claim, Judge, Proof, are, has, shortened};
use crate::analysis::baseline::Note;
use crate::analysis::baseline::needs::{Block, Need, Ports, Whom};
use crate::analysis::baseline::set::addresses;
use crate::eval::reach::Outcome;
use crate::eval::{Connection, Party};
use crate::manifest::Direction;
use crate::sets::Protocol;
use crate::world::Lifecycle;

/// A need that is not met.
enum Failed {
    /// By the policies that were made.
    Here(String),
    /// By those of a namespace that they are not for.
    Elsewhere(String),
}

impl Judge<'_> {
    pub(super) fn flows(&self, notes: &mut Vec<Note>) -> Option<Proof> {
        if self.plan.flows.is_empty() {
            return None;
        }
        let mut against = Vec::new();
        let mut never = 0_usize;
        for flow in &self.plan.flows {
            if self.reach.outcome(self.eval, &flow.connection) == Outcome::Allowed {
                continue;
            }
            if !flow.was_allowed {
                never += 1;
                continue;
            }
            let port = flow.connection.port.unwrap_or_default();
            let protocol = flow.connection.protocol.word();
            let by = self.by(&flow.connection);
            against.push(format!(
                "{} -> {}:{port}/{protocol} is denied{by}",
                flow.from, flow.to
            ));
        }
        if never > 0 {
            notes.push(Note {
                text: format!(
                    "{never} recorded connections are denied by policies that stay, as they are today"
                ),
                span: None,
            });
        }
        let count = self.plan.flows.len();
        Some(Proof {
            claim: Claim::Flows,
            text: are(
                count,
                "recorded connection is still allowed",
                "recorded connections are still allowed",
            ),
            against: shortened(against),
        })
    }

    pub(super) fn needs(&self, notes: &mut Vec<Note>) -> Proof {
        let mut against: Vec<String> = self
            .plan
            .unmet
            .iter()
            .map(|note| note.text.clone())
            .collect();
        if self.plan.api.addresses.is_empty() {
            let users: Vec<_> = self
                .plan
                .api_users
                .keys()
                .map(|unit| self.name(*unit))
                .collect();
            if !users.is_empty() {
                against.push(format!(
                    "{} needs the API server, whose addresses are not in the input; add the Service \
                     and the EndpointSlice `default/kubernetes`, or fill in the place in the file",
                    users.join(", ")
                ));
            }
        }
        let needs: Vec<_> = self.plan.needs.iter().collect();
        let failed = crate::parallel::map(&needs, |(from, to, need)| self.failed(from, to, need));
        let mut denied_elsewhere = BTreeSet::new();
        for failed in failed.into_iter().flatten() {
            match failed {
                Failed::Here(text) => against.push(text),
                Failed::Elsewhere(text) => {
                    denied_elsewhere.insert(text);
                }
            }
        }
        let elsewhere = denied_elsewhere.into_iter();
        notes.extend(elsewhere.map(|text| Note { text, span: None }));
        Proof {
            claim: Claim::Needs,
            text: are(
                self.plan.needs.len() + self.plan.api_users.len(),
                "connection that is needed is allowed",
                "connections that are needed are allowed",
            ),
            against: shortened(against),
        }
    }

    /// Where a need is not met.
    fn failed(&self, from: &Whom, to: &Whom, need: &Need) -> Vec<Failed> {
        let mut failed = Vec::new();
        let Some(ports) = need.ports.first() else {
            return failed;
        };
        let (protocol, port) = match ports {
            Ports::All => (Protocol::Tcp, 1),
            Ports::Range(protocol, first, _) => (*protocol, *first),
        };
        let spelled = || {
            let (from, to) = (self.whom(from), self.whom(to));
            format!("{from} -> {to}:{port}/{}", protocol.word())
        };
        let (Some(source), Some(target)) = (self.ends(from), self.ends(to)) else {
            let text = format!("{}: an address is not in the input", spelled());
            return vec![Failed::Here(text)];
        };
        if self.is_plainly_allowed(source, target, protocol, port) {
            return failed;
        }
        let sides = [
            (Direction::Egress, source, target, from),
            (Direction::Ingress, target, source, to),
        ];
        for (direction, own, other, whom) in sides {
            let (Party::Endpoint(id), Whom::Unit(unit)) = (own, whom) else {
                continue;
            };
            if own == other || self.plan.units[*unit].host_network {
                continue;
            }
            let judged = self.eval.decide(direction, id, other, protocol, port);
            if judged.is_allowed() && judged.maybe.is_none() {
                continue;
            }
            if self.scope.contains(&self.plan.units[*unit].namespace) {
                let what = match judged.maybe {
                    Some(maybe) => format!("is uncertain ({})", maybe.cause.id()),
                    None => "is denied".to_owned(),
                };
                failed.push(Failed::Here(format!("{} {what}", spelled())));
            } else if !judged.is_allowed() {
                let way = match direction {
                    Direction::Ingress => "in",
                    Direction::Egress => "out",
                };
                let whom = self.whom(whom);
                failed.push(Failed::Elsewhere(format!(
                    "{}: {whom} does not let it {way}",
                    spelled()
                )));
            }
        }
        failed
    }

    /// Whether the rows of two pods allow a connection on both sides. They need no walk through rules
    /// that name a thousand peers each.
    fn is_plainly_allowed(
        &self,
        source: Party,
        target: Party,
        protocol: Protocol,
        port: u16,
    ) -> bool {
        let is_plain = |party: Party| match party {
            Party::Endpoint(id) => self.world()[id].host_network.is_none(),
            _ => false,
        };
        let connection = Connection::new(source, target, protocol, port);
        source != target
            && is_plain(source)
            && is_plain(target)
            && self.reach.outcome(self.eval, &connection) == Outcome::Allowed
    }

    /// Somebody who stands for an end.
    fn ends(&self, whom: &Whom) -> Option<Party> {
        const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 41, 0, 4));
        match whom {
            Whom::Unit(unit) => {
                let unit = &self.plan.units[*unit];
                let mut members = unit.members.iter();
                let active = members.find(|id| self.world()[**id].lifecycle == Lifecycle::Active);
                if unit.host_network {
                    return addresses(self.world(), unit)
                        .first()
                        .map(|ip| Party::Address(*ip));
                }
                Some(Party::Endpoint(*active.or(unit.members.first())?))
            }
            Whom::AllPods => {
                let (_, members) = self.subjects.first()?;
                members.first().map(|id| Party::Endpoint(*id))
            }
            Whom::Blocks(blocks) => blocks.iter().find_map(one_of).map(Party::Address),
            Whom::Internet | Whom::Everyone => Some(Party::Address(PUBLIC)),
        }
    }
}

/// An address of a block.
fn one_of(block: &Block) -> Option<IpAddr> {
    let behind = block.except.iter().filter_map(|net| {
        let last = net.broadcast();
        match last {
            IpAddr::V4(ip) => u32::from(ip).checked_add(1).map(|ip| IpAddr::V4(ip.into())),
            IpAddr::V6(ip) => u128::from(ip)
                .checked_add(1)
                .map(|ip| IpAddr::V6(ip.into())),
        }
    });
    let mut candidates = std::iter::once(block.net.network()).chain(behind);
    candidates.find(|ip| has(block, *ip))
}
