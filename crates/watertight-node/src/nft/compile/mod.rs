//! From a world and its ruleset to the table of one node. A pure function.
//!
//! ```text
//! egress:  a packet from a local pod   -> by its source address      -> chain of its class
//! ingress: a packet to a local pod     -> by its destination address -> chain of its class
//! class:   pods with the same policies; jumps to the chains of these policies, tier by tier, and drops at
//!          the end of the first tier that isolates
//! policy:  its rules; whoever they are about is looked up in sets of addresses
//! ```
//!
//! Every packet that goes the way of its connection's first packet is judged anew, so a policy that becomes
//! tighter cuts what is open. Addresses in the node's ranges of which nobody has said that they are pods are
//! dropped: pods that come are closed until their policies are in place.
//!
//! INVARIANT: for every connection of which addresses, protocol and ports are all there is to know, what the
//! table does is what `Evaluator::verdict` says. What addresses cannot say is listed, as [`Left`].

mod addresses;
mod host;
#[cfg(target_os = "linux")]
pub mod incremental;
mod merge;
mod names;
mod policies;
mod ports;
mod sets;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use watertight_core::engine::{HairpinService, Icmp};
use watertight_core::eval::{Evaluator, Family};
use watertight_core::manifest::Direction;
use watertight_core::policy::{PolicyRef, RuleRef};
use watertight_core::sets::Runs;
use watertight_core::world::{EndpointId, NodeId};

use self::addresses::{Addresses, Owners, has_network, owned};
use self::policies::{Maker, go};
use self::ports::protocol_is;
use self::sets::{Sets, addresses, digit, family_is, key, members_of};
use super::table::{
    Bytes, Chain, ChainType, Contents, Element, Field, Hook, Match, Rule, Set, Statement, Table,
    Verdict,
};

/// The name of the table.
pub const TABLE: &str = "watertight";

/// What every drop is logged with; the direction and a name follow.
pub const PREFIX: &str = "wt|drop|";

/// What a packet is logged with that a policy only wants logged.
pub const LOGGED: &str = "wt|log";

/// How a table is made.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The NFLOG group that drops are told to.
    pub group: u16,
    /// At most so many logged drops a second and rule; none is all.
    pub per_second: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            group: 77,
            per_second: None,
        }
    }
}

impl Options {
    fn exempts_hairpins(self, eval: &Evaluator<'_>) -> bool {
        eval.switches.hairpin_service == HairpinService::Exempt
    }
}

/// What dropped a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blame {
    /// These policies isolate, and none of their rules allows it.
    Class(Direction, Box<[PolicyRef]>),
    /// A rule denies it.
    Rule(RuleRef),
    /// It is from or to an address of this node's that no known pod has.
    UnknownPod,
    /// The engine drops it, whatever policies say: the rule id.
    Engine(&'static str),
}

impl Blame {
    /// Why a packet was dropped, in words.
    #[must_use]
    pub fn words(&self, eval: &Evaluator<'_>) -> String {
        let policy = |at: PolicyRef| eval.ruleset[at].origin.name(eval.world);
        match self {
            Self::Class(_, list) => {
                let isolating = list.iter().filter(|at| eval.ruleset[**at].isolates);
                let mut names: Vec<String> = isolating.map(|at| policy(*at)).collect();
                names.dedup();
                format!("isolated by {}, and no rule allows it", names.join(", "))
            }
            Self::Rule(rule) => format!(
                "rule {} of {} denies it",
                rule.rule + 1,
                policy(rule.policy)
            ),
            Self::UnknownPod => "no pod that the node knows has the address".into(),
            Self::Engine(id) => format!("the engine does so ({id})"),
        }
    }
}

/// What a table cannot say about a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unsaid {
    /// It allows some requests only (L-66, C-51): connections are refused.
    Requests,
    /// It is about DNS names of which no address is known (L-57, A-31): it matches nobody.
    Names,
    /// It is about host-network pods by their labels, which share the address of their node: those are left
    /// out.
    HostPods,
    /// It is about what a node routes (C-67..C-69): it is enforced on the node's own connections only.
    Routed,
    /// It is asked about Services themselves (K-79): in the table, about their backends.
    Services,
    /// It is shown a node where a connection comes in through one (K-82): in the table, the client if that is the
    /// pod's own node.
    Sources,
}

impl Unsaid {
    /// In a few words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Requests => {
                "allows some requests only; packets do not show requests, so connections are refused"
            }
            Self::Names => "is about DNS names without a known address; it matches nobody",
            Self::HostPods => {
                "selects host-network pods by labels; they share their node's address and are left out"
            }
            Self::Routed => {
                "is about connections that a node routes; only the node's own are judged by it"
            }
            Self::Services => {
                "is asked about the address of a Service; tables see its backends, so they are asked about those"
            }
            Self::Sources => {
                "sees the node that a connection comes in through; tables of that node see the client"
            }
        }
    }
}

/// What is not in the table, or not as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    /// The policy.
    pub policy: PolicyRef,
    /// The rule; none if it is the policy as a whole.
    pub rule: Option<usize>,
    /// Why.
    pub why: Unsaid,
}

impl Left {
    fn rule(at: RuleRef, why: Unsaid) -> Self {
        Self {
            policy: at.policy,
            rule: Some(at.rule),
            why,
        }
    }
}

/// The table of a node, and what goes with it.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The table.
    pub table: Table,
    /// What drops packets, by the prefix that they are logged with, and why in words.
    pub blames: BTreeMap<Box<str>, (Blame, Box<str>)>,
    /// What is not in it as it is written.
    pub left: BTreeSet<Left>,
    /// Networks that pods of this node have addresses in and others have, too: who is not known there is not cut
    /// off. Whoever gave the ranges tells.
    pub unguarded: Vec<IpNet>,
}

/// Makes the table of a node. `ranges` are the addresses that pods of this node can have; whoever uses one
/// without being known is cut off.
#[must_use]
pub fn compile(eval: &Evaluator<'_>, node: NodeId, ranges: &[IpNet], options: Options) -> Compiled {
    finished(&mut make(eval, node, ranges, options))
}

fn make<'e, 'w>(
    eval: &'e Evaluator<'w>,
    node: NodeId,
    ranges: &[IpNet],
    options: Options,
) -> Maker<'e, 'w> {
    let world = eval.world;
    let sets = Sets::new(world, Owners::new(eval, node));
    let mut maker = Maker::new(eval, options, sets, policies::parts(eval));
    let local: Vec<EndpointId> = world
        .endpoint_ids()
        .filter(|id| has_network(world, *id) && world[*id].node == Some(node))
        .collect();
    dispatch(&mut maker, &local);
    base(&mut maker, ranges);
    host::guard(&mut maker, node, &local);
    maker
}

/// Takes out what was made.
fn finished(maker: &mut Maker<'_, '_>) -> Compiled {
    let eval = maker.eval;
    let blames = std::mem::take(&mut maker.blames).into_iter();
    let blames = blames.map(|(prefix, blame)| {
        let words = blame.words(eval).into();
        (prefix, (blame, words))
    });
    let empty = Table {
        name: TABLE.into(),
        ..Table::default()
    };
    Compiled {
        table: std::mem::replace(&mut maker.table, empty),
        blames: blames.collect(),
        left: std::mem::take(&mut maker.left),
        unguarded: Vec::new(),
    }
}

/// Who lives here, and which class everybody is of.
fn dispatch(maker: &mut Maker<'_, '_>, local: &[EndpointId]) {
    let world = maker.eval.world;
    let ips = || local.iter().flat_map(|id| owned(world, *id).copied());
    for family in maker.sets.families.clone() {
        let of = || ips().filter(move |ip| Family::of(*ip) == family);
        let digit = digit(family);
        let pods = addresses(family, of());
        maker.table.sets.insert(format!("pods{digit}").into(), pods);
        if maker.options.exempts_hairpins(maker.eval) {
            let pairs = of().map(|ip| Element::one(Bytes::EMPTY.ip(ip).ip(ip)));
            let pairs = Set {
                key: vec![key(family), key(family)],
                ranges: false,
                contents: members_of(pairs.collect()),
            };
            maker
                .table
                .sets
                .insert(format!("self{digit}").into(), pairs);
        }
    }
    for direction in Direction::BOTH {
        let mut verdicts = [const { BTreeMap::new() }; 2];
        for id in local.iter().filter(|id| maker.eval.can_be_subject(**id)) {
            let list = maker.eval.policies_of(*id, direction);
            if list.is_empty() {
                continue;
            }
            let class = maker.class(direction, list);
            for ip in owned(world, *id) {
                let verdicts = match Family::of(*ip) {
                    Family::V4 => verdicts.first_mut(),
                    Family::V6 => verdicts.last_mut(),
                };
                if let Some(verdicts) = verdicts {
                    let element = Element::one(Bytes::EMPTY.ip(*ip));
                    verdicts.insert(element, Verdict::Jump(class.clone()));
                }
            }
        }
        for (family, verdicts) in Family::BOTH.into_iter().zip(verdicts) {
            if maker.sets.families.contains(&family) {
                let map = Set {
                    key: vec![key(family)],
                    ranges: false,
                    contents: Contents::Verdicts(verdicts),
                };
                maker.table.sets.insert(by_address(direction, family), map);
            }
        }
    }
}

/// The name of the map from pods to classes.
fn by_address(direction: Direction, family: Family) -> Box<str> {
    format!("{}{}", names::word(direction), digit(family)).into()
}

/// The field of a pod's own address.
fn own(direction: Direction, family: Family) -> Field {
    match direction {
        Direction::Ingress => sets::remote(Direction::Egress, family),
        Direction::Egress => sets::remote(Direction::Ingress, family),
    }
}

/// A pod and itself (K-76).
fn itself(family: Family) -> Rule {
    let fields = vec![
        own(Direction::Egress, family),
        own(Direction::Ingress, family),
    ];
    let set = format!("self{}", digit(family)).into();
    Rule {
        matches: vec![Match::In {
            fields,
            set,
            not: false,
        }],
        statements: vec![Statement::Verdict(Verdict::Accept)],
        comment: "a pod and itself".into(),
    }
}

/// Tells, counts and drops. The log is a rule of its own: one that tells no more than so often would
/// otherwise let the rest pass.
fn drop_rules(prefix: Box<str>, options: &Options) -> Vec<Rule> {
    let log = Statement::Log {
        prefix,
        group: options.group,
        per_second: options.per_second,
    };
    let rule = |statements| Rule {
        statements,
        ..Rule::default()
    };
    vec![
        rule(vec![log]),
        rule(vec![Statement::Counter, Statement::Verdict(Verdict::Drop)]),
    ]
}

fn accept(matches: Vec<Match>) -> Rule {
    Rule {
        matches,
        statements: vec![Statement::Verdict(Verdict::Accept)],
        comment: Box::default(),
    }
}

/// Connection states, as bits.
const INVALID: u32 = 1;
const ESTABLISHED: u32 = 2;
const RELATED: u32 = 4;

/// The chains that the kernel enters, and those that they lead to.
fn base(maker: &mut Maker<'_, '_>, ranges: &[IpNet]) {
    let hook = |number, priority| Hook {
        kind: ChainType::Filter,
        number,
        priority,
    };
    let forward = 2;
    let to = |name: &str| vec![go(Verdict::Goto(name.into()))];
    let base = [
        ("egress-forward", hook(forward, -10), to("egress")),
        ("ingress-forward", hook(forward, -9), to("ingress")),
    ];
    for (name, hook, rules) in base {
        let chain = Chain {
            hook: Some(hook),
            rules,
        };
        maker.table.chains.insert(name.into(), chain);
    }
    for direction in Direction::BOTH {
        let name = match direction {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        };
        let rules = dispatching(maker, direction, ranges);
        maker
            .table
            .chains
            .insert(name.into(), Chain { hook: None, rules });
    }
}

/// Without neighbour discovery there is no IPv6 between a pod and its node.
fn neighbours() -> Rule {
    let message = |kind: u8| Bytes::EMPTY.port(u16::from_be_bytes([kind, 0]));
    let last = Bytes::EMPTY.port(u16::from_be_bytes([137, u8::MAX]));
    let mut rule = accept(vec![
        family_is(Family::V6),
        protocol_is(58),
        Match::Between {
            field: Field::IcmpMessage,
            first: message(133),
            last,
            not: false,
        },
    ]);
    rule.comment = "neighbour discovery".into();
    rule
}

/// What is let through for what was let through before, and what cannot be judged.
fn states() -> Vec<Rule> {
    vec![
        accept(vec![Match::State(RELATED)]),
        accept(vec![Match::Way(1), Match::State(ESTABLISHED)]),
        Rule {
            matches: vec![Match::State(INVALID)],
            statements: vec![Statement::Counter, Statement::Verdict(Verdict::Drop)],
            comment: Box::default(),
        },
    ]
}

fn dispatching(maker: &mut Maker<'_, '_>, direction: Direction, ranges: &[IpNet]) -> Vec<Rule> {
    let mut rules = states();
    if direction == Direction::Egress {
        rules.extend(host::tunnels(maker));
    }
    let families = maker.sets.families.clone();
    let is_icmp_exempt = maker.eval.switches.icmp == Icmp::Exempt;
    if is_icmp_exempt {
        // K-61, for pods that are known.
        for family in &families {
            let set = format!("pods{}", digit(*family)).into();
            let fields = vec![own(direction, *family)];
            let known = Match::In {
                fields,
                set,
                not: false,
            };
            let icmp = sets::number(watertight_core::sets::Protocol::Icmp, *family);
            rules.push(accept(vec![known, protocol_is(icmp)]));
        }
    }
    for family in &families {
        rules.push(Rule {
            statements: vec![Statement::Lookup {
                fields: vec![own(direction, *family)],
                map: by_address(direction, *family),
            }],
            ..Rule::default()
        });
    }
    for range in ranges {
        let family = Family::of(range.addr());
        let known = Addresses::of_net(range);
        let field = own(direction, family);
        let in_range = |first, last| Match::Between {
            field,
            first,
            last,
            not: false,
        };
        let bounds = match family {
            Family::V4 => bounds(&known.v4, |ip| Bytes::EMPTY.v4(ip)),
            Family::V6 => bounds(&known.v6, |ip| Bytes::EMPTY.v6(ip)),
        };
        let mut matches: Vec<Match> = bounds
            .into_iter()
            .map(|(first, last)| in_range(first, last))
            .collect();
        if families.contains(&family) {
            matches.push(Match::In {
                fields: vec![field],
                set: format!("pods{}", digit(family)).into(),
                not: true,
            });
        }
        let name: Box<str> = format!("unknown-{}", names::word(direction)).into();
        if !maker.table.chains.contains_key(&name) {
            let drop = maker.drop(direction, "unknown-pod", Blame::UnknownPod);
            maker.table.chains.insert(
                name.clone(),
                Chain {
                    hook: None,
                    rules: drop,
                },
            );
        }
        rules.push(Rule {
            matches,
            statements: vec![Statement::Verdict(Verdict::Goto(name))],
            comment: Box::default(),
        });
    }
    rules
}

fn bounds<T: watertight_core::sets::Bound>(
    runs: &Runs<T>,
    bytes: impl Fn(T) -> Bytes,
) -> Option<(Bytes, Bytes)> {
    let (first, last) = runs.iter().next()?;
    Some((bytes(first), bytes(last)))
}
