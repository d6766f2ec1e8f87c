//! Whether everything that is needed is allowed, recorded flows first.

use std::collections::{BTreeMap, BTreeSet};

use super::sides::{Peers, Shut};
use super::{Claim, Judge, Proof, are, name, shortened};
use crate::analysis::baseline::Note;
use crate::analysis::baseline::needs::{Need, Whom};
use crate::analysis::baseline::units::UnitId;
use crate::eval::Party;
use crate::eval::reach::Outcome;
use crate::manifest::Direction;

/// What speaks against a need.
#[derive(Debug, Default)]
struct Failed {
    /// The policies that were made, with those that stay.
    here: Vec<String>,
    /// Policies of namespaces that get no baseline.
    elsewhere: Vec<String>,
    /// Whether there is anybody whom policies are asked about (K-33).
    was_judged: bool,
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
        let whom: Vec<&Whom> = self.by_unit.everybody_asked().into_iter().collect();
        let peers = crate::parallel::map(&whom, |whom| self.peers(whom));
        let peers: BTreeMap<&Whom, Peers> = whom.into_iter().zip(peers).collect();
        let needs: Vec<_> = self.plan.needs.iter().collect();
        let failed = crate::parallel::few(&needs, |(from, to, need)| {
            self.failed(from, to, need, &peers)
        });
        let (mut elsewhere, mut unseen, mut told) = (0_usize, 0_usize, BTreeSet::new());
        for failed in failed {
            unseen += usize::from(!failed.was_judged);
            elsewhere += usize::from(!failed.elsewhere.is_empty() && failed.here.is_empty());
            against.extend(failed.here);
            told.extend(failed.elsewhere);
        }
        notes.extend(told.into_iter().map(|text| Note { text, span: None }));
        let users: Vec<UnitId> = self.plan.api_users.keys().copied().collect();
        let cut_off = crate::parallel::map(&users, |unit| self.cut_off(*unit, &peers));
        against.extend(cut_off.into_iter().flatten());
        let count = self.plan.needs.len() + users.len() - elsewhere - unseen;
        let mut text = are(
            count,
            "connection that is needed is allowed",
            "connections that are needed are allowed",
        );
        if elsewhere > 0 {
            text = format!(
                "{text}; {} on policies that are not made here",
                are(elsewhere, "more depends", "more depend")
            );
        }
        if unseen > 0 {
            text = format!(
                "{text}; {} pods without an address",
                are(unseen, "more is about", "more are about")
            );
        }
        Proof {
            claim: Claim::Needs,
            text,
            against: shortened(against),
        }
    }

    /// Where a need is not met.
    fn failed(
        &self,
        from: &Whom,
        to: &Whom,
        need: &Need,
        peers: &BTreeMap<&Whom, Peers>,
    ) -> Failed {
        let mut failed = Failed::default();
        let is_new = !need.is_of_today();
        let sides = [
            (Direction::Egress, from, to),
            (Direction::Ingress, to, from),
        ];
        for (direction, own, other) in sides {
            let (Whom::Unit(unit), Some(peers)) = (own, peers.get(other)) else {
                continue;
            };
            let unit = *unit;
            if self.plan.units[unit].host_network {
                // No policy is asked about it.
                failed.was_judged = true;
                continue;
            }
            let is_there = self.plan.units[unit].members.iter();
            let mut is_there = is_there.filter(|id| self.reach.class_of(**id).is_some());
            failed.was_judged |= is_there.next().is_some() && !peers.is_empty();
            let is_here = self.scope.contains(&self.plan.units[unit].namespace);
            if peers.is_unknown && is_here {
                let (from, to) = (self.whom(from), self.whom(to));
                let other = self.whom(other);
                failed.here.push(format!(
                    "{from} -> {to}: an address of {other} is not in the input"
                ));
            }
            let Some(shut) = self.shut(direction, unit, peers, &need.ports, is_new) else {
                continue;
            };
            let spelled = self.spelled(from, to, &shut);
            let whom = self.particular(own, other, &shut);
            if is_here {
                let what = match self.uncertainty(direction, &shut) {
                    Some(cause) => format!("is uncertain ({cause})"),
                    None => "is denied".to_owned(),
                };
                let text = format!("{spelled} {what}{whom}");
                if !failed.here.contains(&text) {
                    failed.here.push(text);
                }
            } else {
                let way = match direction {
                    Direction::Ingress => "in",
                    Direction::Egress => "out",
                };
                let who = self.whom(own);
                failed
                    .elsewhere
                    .push(match self.uncertainty(direction, &shut) {
                        Some(cause) => {
                            format!("{spelled}: {who} may not let it {way} ({cause}){whom}")
                        }
                        None => format!("{spelled}: {who} does not let it {way}{whom}"),
                    });
            }
        }
        failed
    }

    /// Why a unit does not get to the API server that it needs.
    fn cut_off(&self, unit: UnitId, peers: &BTreeMap<&Whom, Peers>) -> Option<String> {
        let servers = self.by_unit.api_server().iter();
        servers.into_iter().find_map(|(whom, ports)| {
            let shut = self.shut(Direction::Egress, unit, peers.get(whom)?, ports, true)?;
            let port = shut.port;
            let who = self.name(unit);
            let server = name(self.world(), shut.other);
            let what = match self.uncertainty(Direction::Egress, &shut) {
                Some(cause) => format!("is uncertain ({cause})"),
                None => "is denied".to_owned(),
            };
            Some(format!(
                "{who} -> the API server at {server}:{port}/tcp {what}"
            ))
        })
    }

    fn spelled(&self, from: &Whom, to: &Whom, shut: &Shut) -> String {
        let (from, to) = (self.whom(from), self.whom(to));
        format!("{from} -> {to}:{}/{}", shut.port, shut.protocol.word())
    }

    /// Which of several pods or addresses it is about.
    fn particular(&self, own: &Whom, other: &Whom, shut: &Shut) -> String {
        let mut about = Vec::new();
        let several = |whom: &Whom| match whom {
            Whom::Unit(unit) => self.plan.units[*unit].members.len() > 1,
            Whom::Blocks(blocks) => match blocks.as_slice() {
                [one] => one.net.prefix_len() < one.net.max_prefix_len(),
                _ => true,
            },
            Whom::AllPods | Whom::Internet | Whom::Everyone => true,
        };
        let one = |party: Party| match party {
            // Pods of one workload are told apart by their own names.
            Party::Endpoint(id) if !self.world()[id].template => {
                format!("pod {}", self.world()[id].name)
            }
            party => name(self.world(), party),
        };
        if several(own) {
            about.push(one(Party::Endpoint(shut.own)));
        }
        if several(other) {
            about.push(one(shut.other));
        }
        match about.as_slice() {
            [] => String::new(),
            about => format!(", for {}", about.join(" with ")),
        }
    }

    /// The rule by which a connection is uncertain, if it is not plainly denied.
    fn uncertainty(&self, direction: Direction, shut: &Shut) -> Option<&'static str> {
        let Shut {
            protocol,
            port,
            own,
            other,
            ..
        } = *shut;
        (shut.outcome == Outcome::Uncertain).then(|| {
            let judged = self.eval.decide(direction, own, other, protocol, port);
            judged.maybe.map_or("M-1", |maybe| maybe.cause.id())
        })
    }
}
