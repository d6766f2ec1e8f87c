//! A block for the Internet covers private ranges, pods or nodes.
//!
//! ## What it finds
//! Blocks written for everywhere (`0.0.0.0/0`, `::/0` and others of prefix length 4 or less) whose
//! `except` leaves private ranges open: RFC 1918, 100.64.0.0/10 and fc00::/7. On egress it shows a
//! pod of another namespace or a node that is reached through the block, or else a private address.
//! On ingress it is a note, with a pod of another namespace that is admitted.
//!
//! It is a warning where pods or nodes are reached, or where no private range is withheld at all;
//! otherwise, with some ranges withheld and some left, a note. Nothing is said where all but
//! 100.64.0.0/10 is withheld and no known pod or node is in there. Blocks never match pods or nodes
//! on some engines, Cilium among them: there only private networks beside the cluster count. Rules
//! for DNS alone are left to WT302, an IPv6 block without `except` beside an IPv4 block that
//! withholds private ranges to WT206.
//!
//! ## Why it matters
//! The author means the Internet. The rule also opens every pod that has no ingress policy, nodes
//! with their kubelets, and databases and other machines in the same network.
//!
//! ## Example
//! ```yaml
//! egress:
//! - to:
//!   - ipBlock: {cidr: 0.0.0.0/0}
//!   ports: [{port: 443}]
//! ```
//!
//! ## Instead
//! ```yaml
//! egress:
//! - to:
//!   - ipBlock:
//!       cidr: 0.0.0.0/0
//!       except: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, 169.254.169.254/32]
//!   ports: [{port: 443}]
//! - to:                       # pods by selector, each on its port
//!   - podSelector: {matchLabels: {app: api}}
//! ```
//!
//! ## Semantics
//! - K-65: an ipBlock covers pod addresses too, except on some engines
//! - K-70: node addresses are addresses
//! - X-1: an `except` trims one block and denies nothing
//! - X-12: pods of the cluster are selected by selectors, the Internet is not

use std::net::IpAddr;

use super::addresses::{Names, blocks, workloads};
use super::isolation::{enforced, is_system};
use super::{Check, Context, Rule, parallel, some_of};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::engine::IpBlockPods;
use crate::eval::{Connection, Family, Party, Reason};
use crate::facts::ranges::SHARED_V4;
use crate::manifest::Direction;
use crate::policy::{Action, EndpointSelector, NamespaceScope, Peer, RuleRef};
use crate::sets::{IpBlock, PortMatch, Protocol};
use crate::world::{EndpointId, NodeId, PolicyId, Symbol};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT205",
    name: "block-covers-private",
    severity: Severity::Warning,
    summary: "a block for the Internet covers private ranges, pods or nodes",
    source: include_str!("wt205_block_covers_private.rs"),
    check: Check::World(check),
};

/// How many pods, nodes and subjects are tried for evidence.
const TRIES: usize = 8;

/// Pods to show as the other end, one for each of the first namespaces that have such.
struct Neighbours {
    /// Not isolated for ingress.
    listening: Vec<EndpointId>,
    /// Not isolated for egress.
    calling: Vec<EndpointId>,
}

impl Neighbours {
    fn of(context: &Context<'_>) -> Self {
        let open = |direction| {
            let mut found: Vec<EndpointId> = Vec::new();
            for group in context.groups() {
                let example = group.example();
                let known = found.last().map(|id| context.world[*id].namespace);
                if known != Some(group.namespace)
                    && !is_system(context, group.namespace)
                    && !context.is_isolated(example, direction)
                {
                    found.push(example);
                }
                if found.len() == TRIES {
                    break;
                }
            }
            found
        };
        Self {
            listening: open(Direction::Ingress),
            calling: open(Direction::Egress),
        }
    }
}

/// A block of a rule in force, and the pods that the rule is for.
struct Place<'c> {
    context: &'c Context<'c>,
    at: RuleRef,
    block: &'c IpBlock,
    subjects: &'c [EndpointId],
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) {
        return;
    }
    let neighbours = Neighbours::of(context);
    let policies: Vec<_> = context.world.policy_ids().collect();
    let found = parallel::map(&policies, |id| of_policy(context, &neighbours, *id));
    findings.extend(found.into_iter().flatten());
}

fn of_policy(context: &Context<'_>, neighbours: &Neighbours, id: PolicyId) -> Vec<Finding> {
    let mut findings = Vec::new();
    for at in Direction::BOTH
        .into_iter()
        .filter_map(|direction| context.policy_ref(id, direction))
    {
        let policy = &context.eval.ruleset[at];
        let wide = policy.rules.iter().enumerate().flat_map(|(index, rule)| {
            let blocks = blocks::blocks_of(rule).filter(|block| blocks::is_wide(block));
            blocks.map(move |block| (index, rule, block))
        });
        let mut subjects = None;
        for (index, rule, block) in wide {
            let other = blocks::counterpart(policy, block);
            if rule.action != Action::Allow
                || blocks::is_dns_only(rule)
                || (at.direction == Direction::Egress
                    && other.is_some_and(blocks::withholds_private))
            {
                continue;
            }
            let subjects: &Vec<_> =
                subjects.get_or_insert_with(|| workloads::subjects(context, at));
            let place = Place {
                context,
                at: RuleRef {
                    policy: at,
                    rule: index,
                },
                block,
                subjects,
            };
            findings.extend(match at.direction {
                Direction::Egress => place.egress(neighbours),
                Direction::Ingress => place.ingress(neighbours),
            });
        }
    }
    findings
}

impl Place<'_> {
    fn egress(&self, neighbours: &Neighbours) -> Option<Finding> {
        let context = self.context;
        let ranges = blocks::private_in(self.block);
        if ranges.is_empty() {
            return None;
        }
        let pod = self.pod(neighbours);
        let node = self.node();
        let private = ranges.iter().find_map(|(_, ip)| self.address(*ip));
        let mut reached = Vec::new();
        for (found, name) in [
            (&pod, "pods of other namespaces"),
            (&node, "nodes"),
            (&private, "private networks"),
        ] {
            if found.is_some() {
                reached.push(name.to_owned());
            }
        }
        if reached.is_empty() {
            return None;
        }
        let names = Names::of(context, &self.able());
        let message = format!(
            "`{}` is more than the Internet: {} can reach {}",
            self.block.cidr.net,
            names.who(context, context.namespace_of(self.at.policy)),
            some_of(&reached)
        );
        let inside = pod.is_some() || node.is_some();
        if !inside && ranges.iter().all(|(net, _)| *net == SHARED_V4) {
            return None;
        }
        let severity = if inside || !blocks::withholds_private(self.block) {
            Severity::Warning
        } else {
            Severity::Note
        };
        let nets: Vec<String> = ranges.iter().map(|(net, _)| net.to_string()).collect();
        let nets = nets.join(", ");
        let verb = if ranges.len() == 1 { "is" } else { "are" };
        let mut finding = self
            .finding(message, severity, &names)
            .at(self.block.cidr.span, format!("{nets} {verb} in it"))
            .fix(Fix::advice(format!(
                "add {nets} to `except`, and allow the pods and private addresses that are needed \
                 by rules of their own"
            )));
        let evidence = [pod, node, private].into_iter().flatten();
        finding.evidence = evidence.take(if inside { 2 } else { 1 }).collect();
        let switches = &context.eval.switches;
        if switches.ipblock_pods == IpBlockPods::Never {
            finding = finding.note(format!(
                "with {} a block matches no pods{}, so this is about machines beside the cluster",
                context.profile.facts().name,
                if switches.ipblock_nodes {
                    ""
                } else {
                    " or nodes"
                }
            ));
        }
        Some(finding)
    }

    fn ingress(&self, neighbours: &Neighbours) -> Option<Finding> {
        let context = self.context;
        let evidence = self.caller(neighbours)?;
        let names = Names::of(context, &self.able());
        let message = format!(
            "`{}` is more than the Internet: it admits pods of other namespaces to {}",
            self.block.cidr.net,
            names.who(context, context.namespace_of(self.at.policy))
        );
        Some(
            self.finding(message, Severity::Note, &names)
                .at(self.block.cidr.span, "pods are in it")
                .evidence(evidence)
                .fix(Fix::advice(
                    "leave it where everybody is meant; else withhold the pod range with `except`",
                )),
        )
    }

    fn finding(&self, message: String, severity: Severity, names: &Names) -> Finding {
        let context = self.context;
        let mut finding = Finding::new(&RULE, message)
            .severity(severity)
            .subject(context.subject_of(self.at.policy))
            .why(&["K-65", "K-70", "X-1"]);
        finding.notes.extend(names.note());
        finding
    }

    fn family(&self) -> Family {
        Family::of(self.block.cidr.net.addr())
    }

    /// The pods of the policy that have an address of the block's family.
    fn able(&self) -> Vec<EndpointId> {
        let all = self.subjects.iter().copied();
        all.filter(|id| workloads::has_family(self.context, *id, self.family()))
            .collect()
    }

    /// A pod of another namespace that is reached through this block.
    fn pod(&self, neighbours: &Neighbours) -> Option<Evidence> {
        self.pairs(&neighbours.listening).find_map(|(own, other)| {
            let (protocol, port) = self.port_of(other)?;
            if !covers(self.context, self.block, other) || self.is_meant(other, protocol, port) {
                return None;
            }
            self.judge(Party::Endpoint(own), Party::Endpoint(other), protocol, port)
        })
    }

    /// A pod of another namespace that is admitted by this block.
    fn caller(&self, neighbours: &Neighbours) -> Option<Evidence> {
        self.pairs(&neighbours.calling).find_map(|(own, other)| {
            let (protocol, port) = self.port_of(own)?;
            if !covers(self.context, self.block, other) || self.is_meant(other, protocol, port) {
                return None;
            }
            self.judge(Party::Endpoint(other), Party::Endpoint(own), protocol, port)
        })
    }

    fn node(&self) -> Option<Evidence> {
        let world = self.context.world;
        let (protocol, port) = blocks::telling_port(&self.context.eval.ruleset[self.at])?;
        let in_block = |node: &NodeId| {
            let mut ips = world[*node].ips.iter();
            ips.any(|ip| self.block.contains(*ip) && !self.is_meant_by_address(*ip, protocol, port))
        };
        let nodes: Vec<_> = world.node_ids().filter(in_block).take(TRIES).collect();
        self.subjects.iter().take(TRIES).find_map(|own| {
            nodes.iter().find_map(|node| {
                let own = Party::Endpoint(*own);
                self.judge(own, Party::Node(*node), protocol, port)
            })
        })
    }

    fn address(&self, ip: IpAddr) -> Option<Evidence> {
        let (protocol, port) = blocks::telling_port(&self.context.eval.ruleset[self.at])?;
        if self.is_meant_by_address(ip, protocol, port) {
            return None;
        }
        self.subjects.iter().take(TRIES).find_map(|own| {
            let to = Party::Address(ip);
            self.judge(Party::Endpoint(*own), to, protocol, port)
        })
    }

    /// Some pods of the policy, each with some neighbours from other namespaces.
    fn pairs<'s>(
        &'s self,
        neighbours: &'s [EndpointId],
    ) -> impl Iterator<Item = (EndpointId, EndpointId)> + 's {
        let world = self.context.world;
        self.subjects.iter().take(TRIES).flat_map(move |own| {
            let others = neighbours.iter();
            others
                .filter(move |other| world[**other].namespace != world[*own].namespace)
                .map(move |other| (*own, *other))
        })
    }

    /// A connection that this rule alone decides.
    fn judge(&self, from: Party, to: Party, protocol: Protocol, port: u16) -> Option<Evidence> {
        let mut connection = Connection::new(from, to, protocol, port);
        connection.family = Some(self.family());
        let verdict = self.context.eval.verdict(&connection);
        let side = match self.at.policy.direction {
            Direction::Egress => verdict.egress,
            Direction::Ingress => verdict.ingress,
        };
        let decides =
            verdict.allowed && verdict.reason == Reason::Policies && side.rule() == Some(self.at);
        decides.then(|| self.context.word(&connection, &verdict))
    }

    /// A port that the destination declares and the rule admits, or else one of the rule's.
    fn port_of(&self, destination: EndpointId) -> Option<(Protocol, u16)> {
        let (context, rule) = (self.context, &self.context.eval.ruleset[self.at]);
        let named = |name: Option<Symbol>, protocol| {
            let name = name.map(|name| context.world.symbols.text(name));
            rule.traffic.iter().any(|item| {
                matches!(item, PortMatch::Named { protocol: of, name: wanted, .. }
                    if *of == protocol && name == Some(wanted))
            })
        };
        let mut ports = context.world[destination].ports.iter();
        let declared = ports.find(|port| {
            blocks::has_port(rule, port.protocol, port.number) || named(port.name, port.protocol)
        });
        let declared = declared.map(|port| (port.protocol, port.number));
        declared.or_else(|| blocks::telling_port(rule))
    }

    /// Whether the policy allows a pod by a peer of its own, so that the block is not the cause.
    fn is_meant(&self, other: EndpointId, protocol: Protocol, port: u16) -> bool {
        let world = self.context.world;
        let selects = |selector: &EndpointSelector| {
            let namespace = world[other].namespace;
            let in_scope = match &selector.namespaces {
                NamespaceScope::Only(only) => *only == namespace,
                NamespaceScope::Matching(labels) => {
                    labels.matches(|key| world.namespace_label(namespace, key))
                }
            };
            in_scope && selector.pods.matches(|key| world.label(other, key))
        };
        self.has_peer(protocol, port, |peer| match peer {
            Peer::Endpoints(selector, _) => selects(selector),
            Peer::Block(block, _) => covers(self.context, block, other),
            Peer::Any => true,
            _ => false,
        })
    }

    /// Whether the policy allows an address by a smaller block.
    fn is_meant_by_address(&self, ip: IpAddr, protocol: Protocol, port: u16) -> bool {
        self.has_peer(
            protocol,
            port,
            |peer| matches!(peer, Peer::Block(block, _) if block.contains(ip)),
        )
    }

    /// Whether the policy has a peer like that which is no block for everywhere.
    fn has_peer(&self, protocol: Protocol, port: u16, wanted: impl Fn(&Peer) -> bool) -> bool {
        let rules = self.context.eval.ruleset[self.at.policy].rules.iter();
        let mut peers = rules
            .filter(|rule| blocks::has_port(rule, protocol, port))
            .flat_map(|rule| &rule.peers);
        peers.any(|peer| {
            !matches!(peer, Peer::Block(block, _) if blocks::is_wide(block)) && wanted(peer)
        })
    }
}

/// Whether a block covers a pod, as far as its address is known (M-1).
fn covers(context: &Context<'_>, block: &IpBlock, pod: EndpointId) -> bool {
    let (ips, nets) = (&context.world[pod].ips, &context.world.assumed.pod_cidrs);
    ips.iter().any(|ip| block.contains(*ip))
        || (ips.is_empty() && nets.iter().any(|net| block.contains_all(*net)))
}

#[cfg(test)]
mod tests;
