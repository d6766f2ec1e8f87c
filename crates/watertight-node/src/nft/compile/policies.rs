//! Policies as chains: one for each policy of the ruleset, shared by all pods that it selects.
//!
//! A chain of allows falls off its end where nothing matches, and whoever jumped to it goes on. A tier in
//! which something passes is one chain of its own, because to pass is to leave all of the tier: `return`.

use rustc_hash::FxHashMap;
use watertight_core::engine::{ServiceDnat, Snat};
use watertight_core::eval::Evaluator;
use watertight_core::manifest::Direction;
use watertight_core::policy::{Action, Peer, PolicyRef, Rule as PolicyRule, RuleRef, Tier};
use watertight_core::sets::PortMatch;
use watertight_core::world::Service;

use super::merge;
use super::names;
use super::ports;
use super::sets::{Sets, Way, family_is};
use super::{Blame, Left, Options, Unsaid};
use crate::nft::table::{Chain, Rule, Statement, Table, Verdict};

/// A pod with more policies than this in a tier gets them merged into one.
pub(super) const MERGED_FROM: usize = 8;

/// Bytes of a comment that the kernel keeps.
const COMMENT: usize = 120;

/// Which part of its object each policy is; of none it is the first.
pub(super) type Parts = FxHashMap<PolicyRef, usize>;

/// The parts of all objects of a ruleset.
pub(super) fn parts(eval: &Evaluator<'_>) -> Parts {
    let mut parts = Parts::default();
    for direction in Direction::BOTH {
        let mut seen: FxHashMap<(&str, String), usize> = FxHashMap::default();
        for (tier, of) in eval.ruleset.tiers(direction).iter().enumerate() {
            for (policy, of) in of.policies.iter().enumerate() {
                // Languages have kinds of one name: two objects may be called the same.
                let key = (of.origin.kind(eval.world), of.origin.name(eval.world));
                let count = seen.entry(key).or_default();
                let at = PolicyRef {
                    direction,
                    tier,
                    policy,
                };
                if *count > 0 {
                    parts.insert(at, *count);
                }
                *count += 1;
            }
        }
    }
    parts
}

/// The table in the making.
#[derive(Debug)]
pub(super) struct Maker<'e, 'w> {
    pub eval: &'e Evaluator<'w>,
    pub options: Options,
    pub sets: Sets<'e, 'w>,
    pub table: Table,
    pub blames: std::collections::BTreeMap<Box<str>, Blame>,
    pub left: std::collections::BTreeSet<Left>,
    pub parts: Parts,
    /// The chains of policies that are made, and of lists of policies by tier.
    pub made: FxHashMap<PolicyRef, Box<str>>,
    pub lists: FxHashMap<Vec<PolicyRef>, Box<str>>,
}

impl<'e, 'w> Maker<'e, 'w> {
    pub(super) fn new(
        eval: &'e Evaluator<'w>,
        options: Options,
        sets: Sets<'e, 'w>,
        parts: Parts,
    ) -> Self {
        Self {
            eval,
            options,
            sets,
            table: Table {
                name: super::TABLE.into(),
                ..Table::default()
            },
            blames: Default::default(),
            left: Default::default(),
            parts,
            made: FxHashMap::default(),
            lists: FxHashMap::default(),
        }
    }

    /// The chain of a class: of the pods with these policies.
    pub(super) fn class(&mut self, direction: Direction, list: &[PolicyRef]) -> Box<str> {
        if let Some(known) = self.lists.get(list) {
            return known.clone();
        }
        let word = names::word(direction);
        let each: Vec<Box<str>> = list.iter().map(|at| self.policy_name(*at)).collect();
        let class = self.sets.name(&format!("c-{word}"), "", &each.join(" "));
        let mut rules = Vec::new();
        let mut is_self_let_in = !self.options.exempts_hairpins(self.eval);
        for tier in list.chunk_by(|a, b| a.tier == b.tier) {
            let isolates = tier.iter().any(|at| self.eval.ruleset[*at].isolates);
            if self.denies(tier) && !std::mem::replace(&mut is_self_let_in, true) {
                rules.extend(self.to_itself());
            }
            let passes = tier.iter().any(|at| self.has(*at, Action::Pass));
            if passes {
                if isolates && !std::mem::replace(&mut is_self_let_in, true) {
                    rules.extend(self.to_itself());
                }
                let end = isolates.then_some(&*class);
                rules.push(go(Verdict::Jump(self.tier(direction, tier, end))));
                continue;
            }
            if tier.len() > MERGED_FROM && self.is_plain(tier) {
                let chain = self.merged(direction, tier);
                rules.push(go(Verdict::Jump(chain)));
            } else {
                for at in tier {
                    if self.eval.ruleset[*at].rules.is_empty() {
                        continue;
                    }
                    let chain = self.policy(*at);
                    rules.push(go(Verdict::Jump(chain)));
                }
            }
            if isolates {
                if !is_self_let_in {
                    rules.extend(self.to_itself());
                }
                let blame = Blame::Class(direction, list.into());
                rules.extend(self.drop(direction, &class, blame));
                break;
            }
        }
        self.table
            .chains
            .insert(class.clone(), Chain { hook: None, rules });
        self.lists.insert(list.into(), class.clone());
        class
    }

    fn has(&self, at: PolicyRef, action: Action) -> bool {
        self.eval.ruleset[at]
            .rules
            .iter()
            .any(|rule| rule.action == action)
    }

    fn denies(&self, tier: &[PolicyRef]) -> bool {
        tier.iter().any(|at| self.has(*at, Action::Deny))
    }

    /// Whether a tier only allows, so that its order does not matter.
    fn is_plain(&self, tier: &[PolicyRef]) -> bool {
        let mut rules = tier.iter().flat_map(|at| &self.eval.ruleset[*at].rules);
        rules.all(|rule| rule.action == Action::Allow && !rule.narrows_requests())
    }

    /// A pod reaches itself through a Service (K-76).
    fn to_itself(&self) -> Vec<Rule> {
        let families = self.sets.families.iter();
        families.map(|family| super::itself(*family)).collect()
    }

    /// The end of what is refused.
    pub(super) fn drop(&mut self, direction: Direction, name: &str, blame: Blame) -> Vec<Rule> {
        let prefix: Box<str> = format!("{}{}|{name}", super::PREFIX, names::word(direction)).into();
        self.blames.insert(prefix.clone(), blame);
        super::drop_rules(prefix, &self.options)
    }

    fn policy_name(&self, at: PolicyRef) -> Box<str> {
        let origin = self.eval.ruleset[at].origin;
        let part = self.parts.get(&at).copied().unwrap_or_default();
        names::policy(self.eval.world, origin, at, part)
    }

    /// The chain of one policy.
    fn policy(&mut self, at: PolicyRef) -> Box<str> {
        if let Some(known) = self.made.get(&at) {
            return known.clone();
        }
        let name = self.policy_name(at);
        let rules = self.rules_of(at);
        self.table
            .chains
            .insert(name.clone(), Chain { hook: None, rules });
        self.made.insert(at, name.clone());
        name
    }

    fn rules_of(&mut self, at: PolicyRef) -> Vec<Rule> {
        let eval = self.eval;
        let policy = &eval.ruleset[at];
        let mut rules = Vec::new();
        for (index, rule) in policy.rules.iter().enumerate() {
            let reference = RuleRef {
                policy: at,
                rule: index,
            };
            rules.extend(self.rule(reference, rule));
        }
        rules
    }

    /// The rules of a tier in which something passes, and of its end.
    fn tier(&mut self, direction: Direction, tier: &[PolicyRef], end: Option<&str>) -> Box<str> {
        let each: Vec<Box<str>> = tier.iter().map(|at| self.policy_name(*at)).collect();
        let of = self.tier_name(direction, tier);
        let kind = format!("t-{}", names::word(direction));
        let name = self
            .sets
            .name(&kind, &of, &format!("{} {}", each.join(" "), end.is_some()));
        if self.table.chains.contains_key(&name) {
            return name;
        }
        let mut rules = Vec::new();
        for at in tier {
            rules.extend(self.rules_of(*at));
        }
        if end.is_some() {
            let blame = Blame::Class(direction, tier.into());
            rules.extend(self.drop(direction, &name, blame));
        }
        self.table
            .chains
            .insert(name.clone(), Chain { hook: None, rules });
        name
    }

    fn tier_name(&self, direction: Direction, tier: &[PolicyRef]) -> String {
        let tiers: &[Tier] = self.eval.ruleset.tiers(direction);
        let tier = tier.first().and_then(|at| tiers.get(at.tier));
        tier.map(|tier| tier.name.to_string()).unwrap_or_default()
    }

    /// Many policies that only allow, as few lookups.
    fn merged(&mut self, direction: Direction, tier: &[PolicyRef]) -> Box<str> {
        let each: Vec<Box<str>> = tier.iter().map(|at| self.policy_name(*at)).collect();
        let kind = format!("m-{}", names::word(direction));
        let name = self
            .sets
            .name(&kind, &format!("{} policies", tier.len()), &each.join(" "));
        if !self.table.chains.contains_key(&name) {
            let rules = merge::rules(self, direction, tier, &name);
            self.table
                .chains
                .insert(name.clone(), Chain { hook: None, rules });
        }
        name
    }

    /// One rule of a policy.
    fn rule(&mut self, at: RuleRef, rule: &PolicyRule) -> Vec<Rule> {
        let direction = at.policy.direction;
        if rule.narrows_requests() && rule.action == Action::Allow {
            // A connection that is allowed for some requests cannot be told from the others: it is refused.
            self.left.insert(Left::rule(at, Unsaid::Requests));
            return Vec::new();
        }
        self.note(at, rule);
        let peers: Vec<&Peer> = rule.peers.iter().collect();
        let ways = self.ways(
            direction,
            &peers,
            &rule.traffic,
            rule.source_ports.as_deref(),
        );
        let comment = self.comment(at);
        let statements = match rule.action {
            Action::Allow => vec![Statement::Counter, Statement::Verdict(Verdict::Accept)],
            Action::Pass => vec![Statement::Counter, Statement::Verdict(Verdict::Return)],
            Action::Log => vec![Statement::Counter, self.log(at)],
            Action::Deny if ways.is_empty() => return Vec::new(),
            Action::Deny => vec![Statement::Verdict(Verdict::Goto(self.denial(at, &comment)))],
        };
        let finished = ways.into_iter().filter_map(|way| {
            let way = match rule.family {
                None => way,
                Some(family) => Way {
                    family: Some(family),
                    matches: vec![family_is(family)],
                }
                .and(&way)?,
            };
            Some(Rule {
                matches: way.matches,
                statements: statements.clone(),
                comment: comment.clone(),
            })
        });
        finished.collect()
    }

    /// The ways in which peers and traffic can both match.
    pub(super) fn ways(
        &mut self,
        direction: Direction,
        peers: &[&Peer],
        traffic: &[PortMatch],
        source_ports: Option<&[(u16, u16)]>,
    ) -> Vec<Way> {
        let who = self.sets.peers(&mut self.table, peers, direction);
        let icmp = self.eval.switches.icmp;
        let what = ports::ways(&self.sets, &mut self.table, traffic, source_ports, icmp);
        let both = who
            .iter()
            .flat_map(|who| what.iter().filter_map(|what| who.and(what)));
        both.collect()
    }

    /// What cannot be said about a rule's peers.
    pub(super) fn note(&mut self, at: RuleRef, rule: &PolicyRule) {
        let world = self.eval.world;
        let mut found = Vec::new();
        let is_anybody = rule.peers.iter().any(|peer| matches!(peer, Peer::Any));
        let is_anything =
            rule.traffic.contains(&PortMatch::Everything) && rule.source_ports.is_none();
        let switches = self.eval.switches;
        match at.policy.direction {
            Direction::Egress
                if switches.service_dnat == ServiceDnat::Pre
                    && !(is_anybody && is_anything)
                    && world.services.iter().any(|of| !of.cluster_ips.is_empty()) =>
            {
                found.push(Unsaid::Services);
            }
            Direction::Ingress
                if switches.snat == Snat::NodeIp
                    && !is_anybody
                    && world.services.iter().any(is_published) =>
            {
                found.push(Unsaid::Sources);
            }
            _ => {}
        }
        for peer in &rule.peers {
            peer.leaves(&mut |leaf| match leaf {
                Peer::Domain(pattern, ..) => {
                    let mut names = world
                        .names
                        .iter()
                        .filter(|name| pattern.matches(&name.text));
                    if !names.any(|name| !name.ips.is_empty()) {
                        found.push(Unsaid::Names);
                    }
                }
                Peer::Endpoints(selector, _) => {
                    let mut members = self.eval.members(selector).into_iter();
                    if members.any(|id| world[id].host_network.is_some()) {
                        found.push(Unsaid::HostPods);
                    }
                }
                _ => {}
            });
        }
        self.left
            .extend(found.into_iter().map(|why| Left::rule(at, why)));
    }

    fn comment(&self, at: RuleRef) -> Box<str> {
        let origin = self.eval.ruleset[at.policy].origin;
        let mut text = origin.name(self.eval.world);
        // A quote would end it.
        text.retain(|character| !matches!(character, '"' | '\\') && !character.is_control());
        while text.len() > COMMENT {
            text.pop();
        }
        format!("{text}#{}", at.rule).into()
    }

    /// Where a denial leads: a chain that tells of it, counts and drops.
    fn denial(&mut self, at: RuleRef, comment: &str) -> Box<str> {
        let direction = at.policy.direction;
        let policy = self.policy_name(at.policy);
        let kind = format!("d-{}", names::word(direction));
        let name = self
            .sets
            .name(&kind, comment, &format!("{policy} {}", at.rule));
        if !self.table.chains.contains_key(&name) {
            let rules = self.drop(direction, &name, Blame::Rule(at));
            self.table
                .chains
                .insert(name.clone(), Chain { hook: None, rules });
        }
        name
    }

    fn log(&self, at: RuleRef) -> Statement {
        let policy = self.policy_name(at.policy);
        Statement::Log {
            prefix: format!("{}|{policy}#{}", super::LOGGED, at.rule).into(),
            group: self.options.group,
            per_second: self.options.per_second,
        }
    }
}

/// Whether a Service is reached through nodes.
fn is_published(service: &Service) -> bool {
    matches!(service.kind.as_deref(), Some("NodePort" | "LoadBalancer"))
}

/// A rule without conditions.
pub(super) fn go(verdict: Verdict) -> Rule {
    Rule {
        statements: vec![Statement::Verdict(verdict)],
        ..Rule::default()
    }
}
