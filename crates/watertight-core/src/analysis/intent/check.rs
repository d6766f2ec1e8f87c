//! Statements against a cluster: who is meant, which map to look at, and what came of it.

use std::sync::Arc;

use super::ends::Table;
use super::exact;
use super::flows::{self, Rule, Task};
use super::scope::{in_scope, no_pair, no_service};
use super::whom::{Ends, Nobody, Resolver};
use super::{Claim, Exactly, Flow, Statement, Whom};
use crate::analysis::explain::{Explainer, Outcome as Answered};
use crate::analysis::map::{Alternatives, By};
use crate::analysis::parties::{PortQuery, Selection, What};
use crate::analysis::readings::Readings;
use crate::engine::Profile;
use crate::eval::Evaluator;
use crate::eval::reach::Reach;
use crate::manifest::Direction;
use crate::world::{NameId, World};

/// A statement that does not hold.
#[derive(Clone, Debug)]
pub struct Broken {
    /// What is so and should not be: a sentence about one pair.
    pub message: String,
    /// The number of other pairs that break it.
    pub more: usize,
    /// The pair, to be explained; none where nothing can be said of it.
    pub shown: Option<Shown>,
}

/// A connection that breaks a statement.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Who connects.
    pub from: Selection,
    /// To whom.
    pub to: Selection,
    /// The ports.
    pub ports: Vec<PortQuery>,
    /// Whether it had to be allowed.
    pub had_to_be_allowed: bool,
}

/// What became of a statement.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It holds; the number of pairs of units that were judged.
    Held(usize),
    /// It does not.
    Broken(Box<Broken>),
    /// It is about nobody: why.
    Vacuous(String),
    /// It cannot be judged: why.
    Refused(String),
}

/// A statement with what became of it.
#[derive(Clone, Debug)]
pub struct Judged<'s> {
    /// The statement.
    pub statement: &'s Statement,
    /// What became of it, whatever was expected.
    pub outcome: Outcome,
}

/// Judges statements about one cluster.
#[derive(Debug)]
pub struct Checker<'e, 'w> {
    pub(super) eval: &'e Evaluator<'w>,
    pub(super) reach: &'e Reach,
    also: Arc<Alternatives<'w>>,
    profile: &'e Profile,
    pinned: &'e [String],
    explainer: Explainer<'e>,
    namespace: Option<&'e str>,
}

impl<'e, 'w> Checker<'e, 'w> {
    /// Prepares; `pinned` are the switches that somebody has set, and `namespace` is that of names
    /// that are written without one.
    #[must_use]
    pub fn new(
        eval: &'e Evaluator<'w>,
        reach: &'e Reach,
        readings: &'e Readings<'e>,
        profile: &'e Profile,
        pinned: &'e [String],
        namespace: Option<&'e str>,
    ) -> Self {
        Self {
            eval,
            reach,
            also: Arc::new(Alternatives::new(eval, profile, pinned)),
            profile,
            pinned,
            explainer: Explainer::new(eval, readings),
            namespace,
        }
    }

    /// Explains single connections.
    #[must_use]
    pub fn explainer(&self) -> &Explainer<'e> {
        &self.explainer
    }

    /// Judges all statements, in their order. They share one map: those of several files are best
    /// judged together.
    #[must_use]
    pub fn judge<'s>(
        &self,
        statements: impl IntoIterator<Item = &'s Statement>,
    ) -> Vec<Judged<'s>> {
        let statements: Vec<&Statement> = statements.into_iter().collect();
        let mut resolver = Resolver::new(self.eval.world, self.namespace);
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(statements.len());
        // By workload where that tells apart who is meant, else pod by pod.
        let mut tables: [Option<Table<'e, 'w>>; 2] = [None, None];
        let mut tasks: [Vec<Task>; 2] = [Vec::new(), Vec::new()];
        for (index, statement) in statements.iter().enumerate() {
            let ready = self.prepare(statement, &mut resolver);
            let planned = ready.and_then(|ready| {
                for ((table, tasks), by) in tables
                    .iter_mut()
                    .zip(&mut tasks)
                    .zip([By::Workload, By::Pod])
                {
                    if table.is_none() {
                        *table = self.table(by);
                    }
                    if let Some(table) = table
                        && let Some(mut task) = ready.task(table)
                    {
                        task.statement = index;
                        tasks.push(task);
                        return Ok(ready.special);
                    }
                }
                Err(Outcome::Refused("its parties cannot be told apart".into()))
            });
            outcomes.push(match planned {
                Ok(special) => special,
                Err(outcome) => Some(outcome),
            });
        }
        for (table, tasks) in tables.iter().zip(&mut tasks) {
            if let Some(table) = table {
                flows::run(self, table, tasks);
            }
            for task in tasks.drain(..) {
                let done = task.outcome();
                if let Some(known) = outcomes.get_mut(task.statement) {
                    *known = Some(match known.take() {
                        Some(special) => worse(special, done),
                        None => done,
                    });
                }
            }
        }
        let outcomes = outcomes.into_iter().zip(statements);
        outcomes
            .map(|(outcome, statement)| Judged {
                statement,
                outcome: match outcome {
                    // It would hold whatever policies say.
                    None | Some(Outcome::Held(0)) => no_pair(&statement.claim),
                    Some(outcome) => outcome,
                },
            })
            .collect()
    }

    fn table(&self, by: By) -> Option<Table<'e, 'w>> {
        Table::new(
            self.eval,
            self.reach,
            self.also.clone(),
            (self.profile, self.pinned),
            by,
        )
    }

    fn prepare(
        &self,
        statement: &Statement,
        resolver: &mut Resolver<'w>,
    ) -> Result<Ready, Outcome> {
        let lenient = statement.allow_vacuous;
        let nobody = |nobody: Nobody| match nobody.ambiguous {
            true => Outcome::Refused(nobody.message),
            false => Outcome::Vacuous(nobody.message),
        };
        // Who is let in need not be there where that is said: then nobody is.
        let spared = |ends: Result<Ends, Nobody>| match ends {
            Err(nobody) if lenient && !nobody.ambiguous => Ok(Ends::default()),
            ends => ends,
        };
        match &statement.claim {
            Claim::Allow(flow) | Claim::Deny(flow) => {
                let allow = matches!(statement.claim, Claim::Allow(_));
                let from = resolver.ends(&flow.from, lenient).map_err(nobody)?;
                let to = resolver.ends(&flow.to, lenient).map_err(nobody)?;
                no_service(&flow.from, &from, resolver)?;
                let rule = if allow { Rule::Allow } else { Rule::Deny };
                self.plain(flow, from, to, rule)
            }
            Claim::Only(flow, direction) => {
                let from = resolver.ends(&flow.from, lenient);
                let to = resolver.ends(&flow.to, lenient);
                let (from, to) = match direction {
                    Direction::Ingress => (spared(from), to),
                    Direction::Egress => (from, spared(to)),
                };
                let (from, to) = (from.map_err(nobody)?, to.map_err(nobody)?);
                no_service(&flow.from, &from, resolver)?;
                no_service(&flow.to, &to, resolver)?;
                Ok(self.rest(flow, from, to, *direction))
            }
            Claim::Exactly(exactly) => {
                let subject = resolver.ends(&exactly.subject, lenient);
                let among = match &exactly.among {
                    Some(among) => spared(resolver.ends(among, lenient)),
                    None => Ok(Ends::anybody()),
                };
                let peers = exactly.allowed.iter();
                let peers = peers.map(|item| spared(resolver.ends(&item.peers, lenient)));
                let peers: Result<Vec<Ends>, Nobody> = peers.collect();
                let ends = (
                    subject.map_err(nobody)?,
                    among.map_err(nobody)?,
                    peers.map_err(nobody)?,
                );
                in_scope(exactly, &ends, resolver)?;
                Ok(whole(exactly, ends))
            }
        }
    }

    fn plain(&self, flow: &Flow, from: Ends, to: Ends, rule: Rule) -> Result<Ready, Outcome> {
        let mut special = None;
        let by_number = !flow.ports.is_special();
        let named = |whom: &Whom| match whom.parts.as_slice() {
            [] => String::new(),
            [one] => one.text.to_string(),
            [first, rest @ ..] => format!("{} and {} more", first.text, rest.len()),
        };
        let texts = (named(&flow.from), named(&flow.to));
        let world = self.eval.world;
        for (source, target) in specials(world, (&from, &texts.0), (&to, &texts.1), by_number) {
            let asked = self.ask(&source, &target, &flow.ports.asked, rule == Rule::Allow);
            let outcome = asked.map_err(Outcome::Refused)?;
            special = Some(match special {
                Some(known) => worse(known, outcome),
                None => outcome,
            });
        }
        let (from, to) = if by_number {
            (from, to)
        } else {
            (Ends::default(), Ends::default())
        };
        Ok(Ready {
            kind: Kind::Flow {
                rule,
                from,
                to,
                spared: Ends::default(),
                ranges: flow.ports.ranges(),
            },
            special,
        })
    }

    /// Asks about one pair of selections, as `explain` does.
    fn ask(
        &self,
        from: &Selection,
        to: &Selection,
        ports: &[PortQuery],
        allow: bool,
    ) -> Result<Outcome, String> {
        let answer = self.explainer.answer(from, to, ports);
        let answer = answer.map_err(|refusal| refusal.message)?;
        let wanted = if allow {
            Answered::Allowed
        } else {
            Answered::Denied
        };
        let broken = answer.rows().filter(|row| row.outcome() != wanted).count();
        if broken == 0 {
            return Ok(Outcome::Held(answer.cases.len()));
        }
        let found = match answer.outcome() {
            Some(Answered::Allowed) => "allowed",
            Some(Answered::Denied) => "denied",
            Some(Answered::Uncertain) => "uncertain",
            None if allow => "not allowed throughout",
            None => "not denied throughout",
        };
        let flow = crate::analysis::parties::spell(&from.text, &to.text, ports);
        Ok(Outcome::Broken(Box::new(Broken {
            message: format!("{flow} is {found}"),
            more: broken - 1,
            shown: Some(Shown {
                from: from.clone(),
                to: to.clone(),
                ports: ports.to_vec(),
                had_to_be_allowed: allow,
            }),
        })))
    }

    /// Everybody but those who may.
    fn rest(&self, flow: &Flow, from: Ends, to: Ends, direction: Direction) -> Ready {
        let world = self.eval.world;
        let everyone = Ends::everyone(world);
        let (from, to, spared) = match direction {
            Direction::Ingress => (everyone.without(&from), to, from),
            Direction::Egress => (from, everyone.without(&to), to),
        };
        Ready {
            kind: Kind::Flow {
                rule: Rule::Only(direction),
                from,
                to,
                spared,
                ranges: flow.ports.ranges(),
            },
            special: None,
        }
    }
}

/// All that somebody may reach, with the parties of each part.
fn whole(exactly: &Exactly, (subject, among, peers): (Ends, Ends, Vec<Ends>)) -> Ready {
    let items = exactly.allowed.iter().zip(peers).map(|(item, ends)| {
        let parts = item.ports.ranges().into_iter();
        let parts = parts.map(|(protocol, first, last)| (protocol, first, last, item.tag));
        exact::Item {
            ends,
            flat: super::ports::flat(parts.collect()),
            ipv6: item.ipv6,
        }
    });
    Ready {
        kind: Kind::Exactly {
            direction: exactly.direction,
            subject,
            among,
            ranges: exactly.ports.ranges(),
            items: items.collect(),
        },
        special: None,
    }
}

/// A statement whose parties are known.
struct Ready {
    kind: Kind,
    /// What became of parties that the map does not have: names, Services, ports without numbers.
    special: Option<Outcome>,
}

enum Kind {
    Flow {
        rule: Rule,
        from: Ends,
        to: Ends,
        spared: Ends,
        ranges: Vec<super::PortRange>,
    },
    Exactly {
        direction: Direction,
        subject: Ends,
        among: Ends,
        ranges: Vec<super::PortRange>,
        items: Vec<exact::Item>,
    },
}

impl Ready {
    /// The statement on a map; none if its units do not tell the parties apart.
    fn task(&self, table: &Table<'_, '_>) -> Option<Task> {
        match &self.kind {
            Kind::Flow {
                rule,
                from,
                to,
                spared,
                ranges,
            } => Task::flow(table, *rule, (from, to, spared), ranges.clone()),
            Kind::Exactly {
                direction,
                subject,
                among,
                ranges,
                items,
            } => exact::task(table, *direction, (subject, among), ranges.clone(), items),
        }
    }
}

/// Pairs that the map does not have, as `explain` takes them.
fn specials(
    world: &World,
    (from, from_text): (&Ends, &str),
    (to, to_text): (&Ends, &str),
    by_number: bool,
) -> Vec<(Selection, Selection)> {
    let plain = |ends: &Ends, text: &str| {
        let endpoints = ends.endpoints.clone();
        let nodes = ends.nodes.clone();
        let found = [
            (!endpoints.is_empty()).then_some(What::Endpoints(endpoints)),
            (!nodes.is_empty()).then_some(What::Nodes(nodes)),
            ends.has_addresses().then(|| What::Addresses(ends.nets())),
        ];
        let selected = found.into_iter().flatten().map(|what| Selection {
            text: text.to_owned(),
            what,
        });
        selected.collect::<Vec<_>>()
    };
    let named = |name: NameId| Selection {
        text: format!("fqdn:{}", world[name].text),
        what: What::Name(name),
    };
    let mut targets: Vec<Selection> = to.names.iter().copied().map(named).collect();
    targets.extend(to.services.iter().map(|(service, text)| Selection {
        text: text.to_string(),
        what: What::Service(*service),
    }));
    if !by_number {
        targets.extend(plain(to, to_text));
    }
    let outside =
        |selection: &Selection| matches!(selection.what, What::Addresses(_) | What::Name(_));
    let mut found = Vec::new();
    for source in plain(from, from_text) {
        for target in &targets {
            if !(outside(&source) && outside(target)) {
                found.push((source.clone(), target.clone()));
            }
        }
    }
    found
}

/// The outcome of two parts of a statement.
fn worse(one: Outcome, other: Outcome) -> Outcome {
    match (one, other) {
        (Outcome::Held(one), Outcome::Held(other)) => Outcome::Held(one + other),
        (Outcome::Broken(mut one), Outcome::Broken(other)) => {
            one.more += other.more + 1;
            Outcome::Broken(one)
        }
        (refused @ Outcome::Refused(_), _) | (_, refused @ Outcome::Refused(_)) => refused,
        (broken @ Outcome::Broken(_), _) | (_, broken @ Outcome::Broken(_)) => broken,
        (vacuous @ Outcome::Vacuous(_), _) | (_, vacuous @ Outcome::Vacuous(_)) => vacuous,
    }
}
