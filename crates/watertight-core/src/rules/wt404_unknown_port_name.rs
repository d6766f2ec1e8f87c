//! A named port that no pod has.
//!
//! ## What it finds
//! Port items with a name that no pod of the right side declares: for ingress the pods that the
//! policy applies to, for egress the pods that the rule's peers select. It tells a misspelt name, a
//! name that only the Service uses, a name that the pods declare for another protocol, and a name
//! in a rule for addresses, which have no port names at all.
//!
//! Where some of the pods declare the name and others declare the same port under another name, a
//! note says which.
//!
//! ## Why it matters
//! The item matches nothing and the API accepts it. Isolated pods then refuse what the rule was
//! written for.
//!
//! ## Example
//! ```yaml
//! # The container declares {name: http-web, containerPort: 8080}.
//! ingress:
//! - ports:
//!   - port: http
//! ```
//!
//! ## Instead
//! ```yaml
//! ingress:
//! - ports:
//!   - port: http-web
//! ```
//!
//! ## Semantics
//! - K-52: in ingress a name is looked up on the pod that the policy applies to
//! - K-53: in egress it is looked up on each destination pod
//! - K-54: name and protocol must be those of one container port
//! - K-57: a name that the destination does not declare matches nothing, and so does one for addresses
//! - K-59: an egress rule for real external addresses cannot use a name
//! - K-81: the names in a Service are not looked at

mod meant;

use std::cell::Cell;
use std::collections::BTreeSet;

use rustc_hash::{FxHashMap, FxHashSet};

use super::selection::{Selection, edits, one_of_each, policies_in_force, sample};
use super::{Check, Context, Rule, count, some_of};
use crate::diag::{Edit, Evidence, Finding, Fix, Severity};
use crate::engine::IpBlockPods;
use crate::eval::Party;
use crate::manifest::Direction;
use crate::policy::{self, Peer, PolicyRef};
use crate::sets::{IpBlock, PortMatch, Protocol};
use crate::source::Span;
use crate::world::{EndpointId, PolicyId, Port, Symbol};

use meant::Meant;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT404",
    name: "unknown-port-name",
    severity: Severity::Warning,
    summary: "a named port that no pod has",
    source: include_str!("wt404_unknown_port_name.rs"),
    check: Check::World(check),
};

/// How many items of one policy a finding points at.
const PLACES: usize = 3;

/// Port items of one policy with one name for the same pods.
struct Item<'c> {
    policy: PolicyId,
    at: PolicyRef,
    rule: &'c policy::Rule,
    protocol: Protocol,
    name: &'c str,
    /// None if nothing in the input is called so.
    symbol: Option<Symbol>,
    spans: Vec<Span>,
    effort: &'c Cell<usize>,
}

/// How many port items and bytes may be gone over for evidence and edits; findings behind that go
/// without. A policy may have a million items.
const EFFORT: usize = 200_000_000;

impl Item<'_> {
    /// Books an effort; false if there was too much of it.
    fn may_take(&self, effort: usize) -> bool {
        let left = self.effort.get().checked_sub(effort);
        self.effort.set(left.unwrap_or_default());
        left.is_some()
    }
}

/// Where a name is looked up.
struct Lookup {
    /// One pod for each workload.
    pods: Vec<EndpointId>,
    /// Whether the policy or peer names certain pods rather than all of a namespace.
    chosen: bool,
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let selection = Selection::new(context);
    let mut declared = None;
    let effort = Cell::new(EFFORT);
    for item in items(context, &effort) {
        let declared = declared.get_or_insert_with(|| all_names(context));
        let anybody = item.symbol;
        let anybody = anybody.is_some_and(|name| declared.contains(&(name, item.protocol)));
        let Some(found) = lookup(&selection, &item, anybody) else {
            continue;
        };
        if found.pods.is_empty() {
            findings.extend(names_for_addresses(context, &item));
            continue;
        }
        let (having, lacking): (Vec<_>, Vec<_>) = found
            .pods
            .iter()
            .copied()
            .partition(|pod| has(context, *pod, &item));
        if having.is_empty() {
            findings.push(unknown(&selection, &item, &lacking));
        } else if found.chosen {
            findings.extend(partly(&selection, &item, &having, &lacking));
        }
    }
}

/// The named items of all policies in force.
fn items<'c>(context: &'c Context<'_>, effort: &'c Cell<usize>) -> Vec<Item<'c>> {
    let mut found: Vec<Item<'c>> = Vec::new();
    for &(policy, at) in policies_in_force(context) {
        // Besides the policy only pods count.
        if !context.is_asked(context.world[policy].namespace) {
            continue;
        }
        let mut known: FxHashMap<(usize, &str, Protocol), usize> = FxHashMap::default();
        for (index, rule) in context.eval.ruleset[at].rules.iter().enumerate() {
            for item in &rule.traffic {
                let PortMatch::Named {
                    protocol,
                    name,
                    span,
                } = item
                else {
                    continue;
                };
                // In ingress all rules of a policy look at the same pods.
                let pods = match at.direction {
                    Direction::Ingress => 0,
                    Direction::Egress => index,
                };
                let number = *known.entry((pods, name, *protocol)).or_insert(found.len());
                match found.get_mut(number) {
                    Some(known) => known.spans.push(*span),
                    None => found.push(Item {
                        policy,
                        at,
                        rule,
                        protocol: *protocol,
                        name,
                        symbol: context.world.symbols.get(name),
                        spans: vec![*span],
                        effort,
                    }),
                }
            }
        }
    }
    found
}

fn all_names(context: &Context<'_>) -> FxHashSet<(Symbol, Protocol)> {
    let ports = context.world.endpoints.iter().flat_map(|pod| &pod.ports);
    ports
        .filter_map(|port| Some((port.name?, port.protocol)))
        .collect()
}

fn has(context: &Context<'_>, pod: EndpointId, item: &Item<'_>) -> bool {
    let name = item.symbol;
    let ports = &context.world[pod].ports;
    ports
        .iter()
        .any(|port| name.is_some() && port.name == name && port.protocol == item.protocol)
}

/// The pods on which the name is looked up; nothing where that is nobody, or where some pod of the
/// whole cluster will do and has it.
fn lookup(selection: &Selection<'_>, item: &Item<'_>, anybody: bool) -> Option<Lookup> {
    let context = selection.context;
    let world = context.world;
    let read = |id: &EndpointId| !world[*id].assumed;
    if item.at.direction == Direction::Ingress {
        let pods = one_of_each(context, selection.subjects(item.at));
        let chosen = !world[item.policy].spec.pod_selector.is_empty();
        return Some(Lookup { pods, chosen });
    }
    let mut pods: Vec<EndpointId> = Vec::new();
    let mut chosen = true;
    let mut blocks = Vec::new();
    for peer in &item.rule.peers {
        match peer {
            Peer::Any if anybody => return None,
            Peer::Any => {
                chosen = false;
                let all = world.endpoint_ids().filter(read);
                pods.extend(all.filter(|id| context.eval.can_be_subject(*id)));
            }
            Peer::Endpoints(selector, _) => {
                chosen &= !selector.pods.is_empty();
                let members = selection.members(selector);
                if !chosen && members.iter().any(|pod| has(context, *pod, item)) {
                    return None;
                }
                pods.extend(members.iter().copied().filter(read));
            }
            Peer::Block(block, _) => blocks.push(block),
            _ => return None,
        }
    }
    if pods.is_empty() {
        if blocks.is_empty() || anybody && any_in(context, &blocks, item) {
            return None;
        }
        return Some(Lookup { pods, chosen });
    }
    Some(Lookup {
        pods: one_of_each(context, pods),
        chosen,
    })
}

/// Whether a pod that has the name may have an address in a block (K-59).
fn any_in(context: &Context<'_>, blocks: &[&IpBlock], item: &Item<'_>) -> bool {
    let world = context.world;
    if context.eval.switches.ipblock_pods == IpBlockPods::Never {
        return false;
    }
    let mut pods = world.endpoint_ids().filter(|pod| has(context, *pod, item));
    pods.any(|pod| {
        let ips = &world[pod].ips;
        let ranges = &world.assumed.pod_cidrs;
        blocks.iter().any(|block| {
            let known = ips.iter().any(|ip| block.contains(*ip));
            known || ips.is_empty() && ranges.iter().any(|range| block.touches(*range))
        })
    })
}

fn new_finding(context: &Context<'_>, item: &Item<'_>, what: &str) -> Finding {
    let message = format!(
        "port `{}` of NetworkPolicy `{}` matches nothing{what}",
        item.name,
        context.world.policy_name(item.policy)
    );
    Finding::new(&RULE, message).subject(context.policy_subject(item.policy))
}

fn point(mut finding: Finding, item: &Item<'_>, text: &str) -> Finding {
    for (index, span) in item.spans.iter().take(PLACES).enumerate() {
        finding = finding.at(*span, if index == 0 { text } else { "and here" });
    }
    finding
}

/// An egress rule for addresses only.
fn names_for_addresses(context: &Context<'_>, item: &Item<'_>) -> Option<Finding> {
    if item
        .rule
        .peers
        .iter()
        .any(|peer| !matches!(peer, Peer::Block(..)))
    {
        return None;
    }
    let what = ": the rule is for addresses, and port names belong to pods";
    let finding = new_finding(context, item, what).why(&["K-57", "K-59"]);
    let finding = point(finding, item, "only pods declare port names");
    Some(finding.fix(Fix::advice("write the number of the port")))
}

/// No pod has the name.
fn unknown(selection: &Selection<'_>, item: &Item<'_>, pods: &[EndpointId]) -> Finding {
    let context = selection.context;
    let world = context.world;
    let names = context.workloads(pods.iter().copied());
    let who = match names.only() {
        Some(one) => format!("{one} declares no"),
        None => format!("none of {} declares a", count(names.count, "workload")),
    };
    let what = format!(": {who} {} port of that name", item.protocol.api());
    let mut finding = new_finding(context, item, &what);
    let other_protocol = pods.iter().find_map(|pod| {
        let name = item.symbol?;
        let mut ports = world[*pod].ports.iter();
        let port = ports.find(|port| port.name == Some(name))?;
        Some((*pod, *port))
    });
    let why = match item.at.direction {
        Direction::Ingress => "K-52",
        Direction::Egress => "K-53",
    };
    if let Some((pod, port)) = other_protocol {
        let is = port.protocol.api();
        let text = format!(
            "{} declares `{}` for {is}",
            world.display_name(pod),
            item.name
        );
        finding = point(finding, item, &text).why(&["K-54", why]);
        finding.evidence.extend(refused(selection, item, pod, port));
        let edits = in_all(context, item, |span| {
            protocol_edit(context, span, item.protocol, is)
        });
        return finding.fix(Fix::edits(format!("write `protocol: {is}`"), edits).guess());
    }
    finding = point(finding, item, &declares(context, pods, item.protocol)).why(&[why, "K-57"]);
    let meant = meant::candidates(context, pods, item.name, item.protocol);
    let port_of = |pod: &EndpointId| {
        let ports = &world[*pod].ports;
        let of_protocol = || ports.iter().filter(|port| port.protocol == item.protocol);
        let meant = of_protocol().find(|port| meant.iter().any(|one| one.is(context, port)));
        let port = meant.or_else(|| of_protocol().next())?;
        Some((*pod, *port))
    };
    let mut tries = pods.iter().filter_map(port_of).take(PLACES);
    let evidence = tries.find_map(|(pod, port)| refused(selection, item, pod, port));
    finding.evidence.extend(evidence);
    finding.fix = Some(match meant.iter().next() {
        Some(one) if meant.len() == 1 => Fix::edits(
            format!("write `port: {}`{}", one.text(), one.reason()),
            in_all(context, item, |span| {
                port_edit(context, span, item.name, one)
            }),
        )
        .guess(),
        _ => Fix::advice("name a port as the pods declare it, or write its number"),
    });
    let anybody = item.rule.peers.iter().any(|peer| matches!(peer, Peer::Any));
    if item.at.direction == Direction::Egress && anybody {
        return finding.note("ports outside of the cluster have no names: write their numbers");
    }
    finding
}

/// What the pods declare instead.
fn declares(context: &Context<'_>, pods: &[EndpointId], protocol: Protocol) -> String {
    let world = context.world;
    let ports: BTreeSet<_> = pods
        .iter()
        .flat_map(|pod| &world[*pod].ports)
        .filter(|port| port.protocol == protocol)
        .map(|port| (port.number, port.name.map(|name| world.symbols.text(name))))
        .collect();
    let named = |(number, name): &(u16, Option<&str>)| match name {
        Some(name) => format!("`{name}` ({number})"),
        None => format!("{number} (without a name)"),
    };
    if ports.is_empty() {
        return format!("the pods declare no {} port at all", protocol.api());
    }
    format!(
        "the pods declare {}",
        some_of(&ports.iter().map(named).collect::<Vec<_>>())
    )
}

/// Some pods have the name; others declare the same port under another name or none.
fn partly(
    selection: &Selection<'_>,
    item: &Item<'_>,
    having: &[EndpointId],
    lacking: &[EndpointId],
) -> Option<Finding> {
    let context = selection.context;
    let world = context.world;
    let name = item.symbol?;
    let numbers: BTreeSet<u16> = having
        .iter()
        .flat_map(|pod| &world[*pod].ports)
        .filter(|port| port.name == Some(name) && port.protocol == item.protocol)
        .map(|port| port.number)
        .collect();
    let same: Vec<(EndpointId, Port)> = lacking
        .iter()
        .filter_map(|pod| {
            let mut ports = world[*pod].ports.iter();
            let same = ports
                .find(|port| numbers.contains(&port.number) && port.protocol == item.protocol)?;
            Some((*pod, *same))
        })
        .collect();
    let (first, port) = *same.first()?;
    let names = context.workloads(same.iter().map(|(pod, _)| *pod)).some();
    let finding = new_finding(context, item, &format!(" on {names}"));
    let calls = match port.name {
        Some(name) => format!("`{}` there", world.symbols.text(name)),
        None => "without a name there".to_owned(),
    };
    let text = format!("port {} is {calls}", port.number);
    let mut finding = point(finding, item, &text)
        .severity(Severity::Note)
        .why(&["K-56", "K-57"]);
    finding
        .evidence
        .extend(refused(selection, item, first, port));
    Some(finding.fix(Fix::advice(format!(
        "give the port the name `{}` there, or write the number",
        item.name
    ))))
}

/// The refused connection to the port that is really there.
fn refused(
    selection: &Selection<'_>,
    item: &Item<'_>,
    pod: EndpointId,
    port: Port,
) -> Option<Evidence> {
    let context = selection.context;
    // Each verdict may go over all items of the policy.
    let rules = context.eval.ruleset[item.at].rules.iter();
    let items: usize = rules.take(1000).map(|rule| rule.traffic.len()).sum();
    if !item.may_take(items.saturating_mul(4)) {
        return None;
    }
    let pairs: Vec<(EndpointId, Party)> = match item.at.direction {
        Direction::Ingress => {
            let others = sample::other_ends(selection, item.rule, pod);
            others.into_iter().map(|other| (pod, other)).collect()
        }
        Direction::Egress => {
            let subjects = selection.subjects(item.at).filter(|id| *id != pod);
            let to = |subject| (subject, Party::Endpoint(pod));
            subjects.take(sample::TRIES).map(to).collect()
        }
    };
    let port = (port.protocol, port.number);
    pairs.into_iter().find_map(|(subject, other)| {
        let connection = sample::connection(item.at.direction, subject, other, port);
        sample::refused(context, item.at.direction, &connection)
    })
}

/// An edit for every place, or none.
fn in_all(
    context: &Context<'_>,
    item: &Item<'_>,
    edit: impl Fn(Span) -> Option<Edit>,
) -> Vec<Edit> {
    let policy = &context.world[item.policy];
    let length = (policy.span.end - policy.span.start) as usize;
    if !item.may_take(length) || !edits::is_unshared(context.sources, policy) {
        return Vec::new();
    }
    let all: Option<Vec<_>> = item.spans.iter().map(|span| edit(*span)).collect();
    all.unwrap_or_default()
}

fn port_edit(context: &Context<'_>, item: Span, name: &str, meant: &Meant) -> Option<Edit> {
    let at = edits::value_in(context.sources, item, "port", name)?;
    match meant {
        Meant::Number(number) => Some(edits::replace_with_number(context.sources, at, *number)),
        Meant::Misspelt(name) | Meant::OfService(name) => {
            Some(edits::replace(context.sources, at, name))
        }
    }
}

fn protocol_edit(
    context: &Context<'_>,
    item: Span,
    written: Protocol,
    right: &str,
) -> Option<Edit> {
    match edits::value_in(context.sources, item, "protocol", written.api()) {
        Some(at) => Some(edits::replace(context.sources, at, right)),
        None => {
            let entry = format!("protocol: {right}");
            edits::prepend(context.sources, item, &entry, &entry)
        }
    }
}

#[cfg(test)]
mod tests;
