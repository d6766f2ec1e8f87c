//! The proof of a baseline: its text is read back, takes the place of the policies of today, and rows
//! tell what comes of it.
//!
//! INVARIANT: every claim is judged by the engine on what the reader made of the text, by rows and
//! never pair by pair; what is uncertain counts as allowed where it must be closed, and as denied
//! where it must be open.

mod dns;
mod excess;
mod metadata;
mod needs;
mod replace;
mod sides;

use std::collections::BTreeSet;

use rustc_hash::FxHashSet;

use self::excess::Table;
use super::needs::Whom;
use super::set::ByUnit;
use super::units::UnitId;
use super::{Note, Plan};
use crate::engine::Profile;
use crate::eval::reach::{Reach, RowId};
use crate::eval::{Connection, Evaluator, Party};
use crate::manifest::Direction;
use crate::policy::lower;
use crate::sets::Protocol;
use crate::world::{EndpointId, Lifecycle, NamespaceId, World};

/// What is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// A server takes the text.
    Taken,
    /// Every pod is isolated in both directions.
    Isolated,
    /// Every pod gets answers from the DNS of the cluster.
    Dns,
    /// No pod gets to a metadata service.
    Metadata,
    /// Every recorded connection that was possible still is.
    Flows,
    /// Everything that is needed is allowed.
    Needs,
    /// Nothing else is allowed.
    NothingElse,
}

impl Claim {
    /// One word, for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Isolated => "isolated",
            Self::Dns => "dns",
            Self::Metadata => "metadata",
            Self::Flows => "flows",
            Self::Needs => "needs",
            Self::NothingElse => "nothing-else",
        }
    }
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The claim.
    pub claim: Claim,
    /// The same in words, with what was looked at.
    pub text: String,
    /// Why it is not proved; empty if it is.
    pub against: Vec<String>,
}

impl Proof {
    /// Whether it is proved.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.against.is_empty()
    }
}

/// Puts a plan in the place of the policies of today and judges it. The world is another one then.
pub fn prove(world: &mut World, profile: &Profile, plan: &Plan) -> (Vec<Proof>, Vec<Note>) {
    let refused = replace::replace(world, profile, plan);
    let taken = Proof {
        claim: Claim::Taken,
        text: "a server takes what is written".to_owned(),
        against: refused,
    };
    if !taken.holds() {
        return (vec![taken], Vec::new());
    }
    let world = &*world;
    let ruleset = lower(world, profile);
    let eval = Evaluator::new(world, &ruleset, profile.switches);
    let reach = Reach::new(&eval);
    let by_unit = ByUnit::new(world, plan);
    let mut judge = Judge {
        eval: &eval,
        reach: &reach,
        plan,
        by_unit: &by_unit,
        table: Table::new(&eval, &reach, plan, &by_unit),
        scope: plan
            .namespaces
            .iter()
            .map(|found| found.namespace)
            .collect(),
        subjects: Vec::new(),
    };
    judge.find_subjects();
    let mut notes = Vec::new();
    let mut proofs = vec![taken, judge.isolated(), judge.dns(), judge.metadata()];
    proofs.extend(judge.flows(&mut notes));
    proofs.push(judge.needs(&mut notes));
    proofs.push(judge.nothing_else());
    (proofs, notes)
}

/// No more than this is told of what speaks against a claim.
const MOST: usize = 10;

pub(super) struct Judge<'j> {
    eval: &'j Evaluator<'j>,
    reach: &'j Reach,
    plan: &'j Plan,
    by_unit: &'j ByUnit<'j>,
    table: Table<'j>,
    scope: BTreeSet<NamespaceId>,
    /// The units that policies are about, with their pods that are there.
    subjects: Vec<(UnitId, Vec<EndpointId>)>,
}

impl<'j> Judge<'j> {
    fn world(&self) -> &'j World {
        self.eval.world
    }

    fn find_subjects(&mut self) {
        for namespace in &self.scope {
            for id in self.plan.units.of_namespace(*namespace) {
                let unit = &self.plan.units[*id];
                let members = unit.members.iter().copied();
                let members: Vec<_> = members
                    .filter(|id| self.world()[*id].lifecycle == Lifecycle::Active)
                    .collect();
                if !unit.host_network && !members.is_empty() {
                    self.subjects.push((*id, members));
                }
            }
        }
    }

    fn name(&self, unit: UnitId) -> String {
        self.plan.units.name(self.world(), unit)
    }

    /// The first pods of each row.
    fn rows(&self, direction: Direction, members: &[EndpointId]) -> Vec<(RowId, EndpointId)> {
        let side = self.reach.side(direction);
        let mut seen = FxHashSet::default();
        let rows = members.iter().map(|id| (side.row_of(*id), *id));
        rows.filter(|(row, _)| seen.insert(*row)).collect()
    }

    fn isolated(&self) -> Proof {
        let mut against = Vec::new();
        let mut pods = 0;
        for (unit, members) in &self.subjects {
            pods += members.len();
            for direction in Direction::BOTH {
                let mut members = members.iter();
                if members.any(|id| !self.eval.is_isolated(*id, direction)) {
                    let direction = direction.word();
                    against.push(format!(
                        "{} is not isolated for {direction}",
                        self.name(*unit)
                    ));
                }
            }
        }
        if self.eval.switches.enforcement.is_off() {
            against = vec!["the network engine enforces no policy".to_owned()];
        }
        Proof {
            claim: Claim::Isolated,
            text: format!(
                "{} isolated in both directions",
                are(
                    pods,
                    "pod or template of pods is",
                    "pods and templates of pods are"
                )
            ),
            against: shortened(against),
        }
    }

    /// Which policy denies a connection, if it is one of those that stay.
    fn by(&self, connection: &Connection) -> String {
        let verdict = self.eval.verdict(connection);
        let [egress, ingress] = verdict.sides;
        let side = if egress.is_allowed() { ingress } else { egress };
        let policy = match side.decision {
            crate::eval::Decision::Rule { rule, .. } => rule.policy,
            crate::eval::Decision::NoRule { isolated_by } => isolated_by,
            _ => return String::new(),
        };
        let origin = self.eval.ruleset[policy].origin;
        format!(
            ": {} {}",
            origin.kind(self.world()),
            origin.name(self.world())
        )
    }

    fn whom(&self, whom: &Whom) -> String {
        match whom {
            Whom::Unit(unit) => self.name(*unit),
            Whom::AllPods => "every pod".to_owned(),
            Whom::Internet => "public addresses".to_owned(),
            Whom::Everyone => "any address".to_owned(),
            Whom::Blocks(blocks) => {
                let nets: Vec<_> = blocks
                    .iter()
                    .take(3)
                    .map(|block| block.net.to_string())
                    .collect();
                nets.join(", ")
            }
        }
    }

    fn nothing_else(&self) -> Proof {
        let found = crate::parallel::map(&self.subjects, |(unit, members)| {
            let (mut rows, mut against) = (0_usize, Vec::new());
            for direction in Direction::BOTH {
                let asked = self.by_unit.asked(*unit, direction);
                for (row, member) in self.rows(direction, members) {
                    rows += 1;
                    let Some(excess) = self.table.excess(self.reach, direction, row, &asked) else {
                        continue;
                    };
                    let by = excess.party.map_or(String::new(), |party| {
                        self.opened_by(direction, member, party, excess.protocol, excess.first)
                    });
                    let (word, ports) = (direction.word(), excess.ports());
                    let name = self.name(*unit);
                    against.push(format!(
                        "{word} of {name} is open to {} on {ports}{by}",
                        excess.whom
                    ));
                    break;
                }
            }
            (rows, against)
        });
        let rows: usize = found.iter().map(|(rows, _)| rows).sum();
        let against = found.into_iter().flat_map(|(_, against)| against).collect();
        Proof {
            claim: Claim::NothingElse,
            text: format!(
                "nothing else is allowed ({} looked at)",
                are(rows, "set of rules was", "sets of rules were")
            ),
            against: shortened(against),
        }
    }

    fn opened_by(
        &self,
        direction: Direction,
        own: EndpointId,
        other: Party,
        protocol: Protocol,
        port: u16,
    ) -> String {
        let judged = self.eval.decide(direction, own, other, protocol, port);
        let rule = judged
            .decision
            .rule()
            .or(judged.maybe.map(|maybe| maybe.rule));
        let Some(rule) = rule else {
            return String::new();
        };
        let origin = self.eval.ruleset[rule.policy].origin;
        format!(
            ", by {} {}",
            origin.kind(self.world()),
            origin.name(self.world())
        )
    }
}

/// A party, for people.
fn name(world: &World, party: Party) -> String {
    match party {
        Party::Endpoint(id) => world.display_name(id),
        Party::Node(id) => format!("node {}", world[id].name),
        Party::Address(ip) => ip.to_string(),
        Party::Name(id) => world[id].text.to_string(),
    }
}

fn shortened(against: Vec<String>) -> Vec<String> {
    let count = against.len();
    shortened_to(against, count)
}

/// The first of so many; what nobody reads needs no words.
fn shortened_to(mut against: Vec<String>, count: usize) -> Vec<String> {
    let more = count.saturating_sub(MOST);
    if more > 0 {
        against.truncate(MOST);
        against.push(format!("and {more} more"));
    }
    against
}

fn are(count: usize, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    }
}
