//! Elements of sets that a pod is, was, or has to be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use watertight_core::eval::{Evaluator, Family};
use watertight_core::manifest::{Direction, Ips};
use watertight_core::policy::{EndpointSelector, NamespaceScope};
use watertight_core::sets::Protocol;
use watertight_core::world::{EndpointId, Port, Seen};

use super::super::by_address;
use super::super::sets::{Meaning, Sets, digit, number};
use super::{Compiler, Draft, Pod};
use crate::nft::table::{Bytes, Contents, Element, Set, Verdict};

impl Compiler {
    /// What is left of the room of sets that a pod goes into; none where there is not enough.
    pub(super) fn room_taken(
        &self,
        eval: &Evaluator<'_>,
        id: EndpointId,
        is_there: bool,
    ) -> Option<Vec<(Box<str>, usize)>> {
        let mut left = Vec::new();
        for (name, meaning) in self.meanings.iter().filter(|_| is_there) {
            let Meaning::Ports { groups, room } = meaning else {
                continue;
            };
            let groups = groups.iter().filter(|(of, _)| is_any(eval, of, id));
            let taken = groups.map(|(_, ports)| ports.len()).sum();
            left.push((name.clone(), room.checked_sub(taken)?));
        }
        Some(left)
    }

    /// Elements of sets that are there.
    pub(super) fn members(
        &mut self,
        eval: &Evaluator<'_>,
        id: EndpointId,
        old: &Ips,
        new: Option<&Pod>,
        draft: &mut Draft,
    ) {
        for family in Family::BOTH {
            let of = |ips: &Ips| ips.iter().copied().find(|ip| Family::of(*ip) == family);
            let (old, ip) = (of(old), new.and_then(|pod| of(&pod.ips)));
            if old.is_none() && ip.is_none() {
                continue;
            }
            let digit = digit(family);
            let local = ip.filter(|_| new.is_some_and(|pod| pod.is_local));
            let one = |ip| Element::one(Bytes::EMPTY.ip(ip));
            let pods: Vec<Element> = local.map(one).into_iter().collect();
            self.set(&format!("pods{digit}"), old, pods, draft);
            let itself = local.map(|ip| Element::one(Bytes::EMPTY.ip(ip).ip(ip)));
            self.set(
                &format!("self{digit}"),
                old,
                itself.into_iter().collect(),
                draft,
            );
            for (name, elements) in self.named(eval, old.zip(Some(id)), ip, new) {
                self.set(&name, old, elements, draft);
            }
            let kinds = [format!("s{digit}"), format!("m{digit}")];
            let meant: Vec<(Box<str>, Vec<Element>)> = self
                .meanings
                .iter()
                .filter(|(name, _)| kinds.iter().any(|kind| name.starts_with(&**kind)))
                .map(|(name, meaning)| (name, ip.map(|ip| meant(eval, meaning, id, ip))))
                .filter(|(_, elements)| {
                    old.is_some() || elements.as_ref().is_some_and(|of| !of.is_empty())
                })
                .map(|(name, elements)| (name.clone(), elements.unwrap_or_default()))
                .collect();
            for (name, elements) in meant {
                self.set(&name, old, elements, draft);
            }
        }
    }

    /// Sets of named ports that the pod was in or has to be in.
    fn named(
        &self,
        eval: &Evaluator<'_>,
        old: Option<(IpAddr, EndpointId)>,
        ip: Option<IpAddr>,
        new: Option<&Pod>,
    ) -> BTreeMap<Box<str>, Vec<Element>> {
        let mut found: BTreeMap<Box<str>, Vec<Element>> = BTreeMap::new();
        let set = |port: &Port, family: Family| {
            let text = eval.world.symbols.text(port.name?);
            let set = Sets::named_set(text, port.protocol, family);
            self.compiled.table.sets.contains_key(&set).then_some(set)
        };
        if let Some((old, id)) = old {
            let ports = self.pods.get(&id).map(|pod| pod.ports.clone());
            let ports = ports.iter().flat_map(|ports| ports.iter());
            found.extend(
                ports
                    .filter_map(|port| set(port, Family::of(old)))
                    .map(|set| (set, Vec::new())),
            );
        }
        if let (Some(ip), Some(pod)) = (ip, new) {
            let family = Family::of(ip);
            for port in pod.ports.iter() {
                let key = Bytes::EMPTY.ip(ip).protocol(number(port.protocol, family));
                if let Some(set) = set(port, family) {
                    let element = Element::one(key.port(port.number));
                    found.entry(set).or_default().push(element);
                }
            }
        }
        found
    }

    /// Gives a set these elements of a pod in place of those that it has of the pod's old address.
    fn set(&mut self, name: &str, old: Option<IpAddr>, mut is: Vec<Element>, draft: &mut Draft) {
        let Some((name, set)) = self.compiled.table.sets.get_key_value(name) else {
            return;
        };
        let Contents::Members(members) = &set.contents else {
            return;
        };
        is.sort_unstable();
        is.dedup();
        let was = old.map(|ip| of_address(members, ip)).unwrap_or_default();
        let lost: Vec<Element> = was
            .iter()
            .filter(|one| !is.contains(one))
            .copied()
            .collect();
        is.retain(|one| !was.contains(one));
        let of = |members| Set {
            contents: Contents::Members(members),
            key: set.key.clone(),
            ranges: false,
        };
        if !lost.is_empty() {
            draft.lost.push((name.clone(), of(lost.clone())));
        }
        if !is.is_empty() {
            draft.gained.push((name.clone(), of(is.clone())));
        }
        let name = name.clone();
        let set = self.compiled.table.sets.get_mut(&name);
        if let Some(Contents::Members(members)) = set.map(|set| &mut set.contents) {
            for one in lost {
                if let Ok(at) = members.binary_search(&one) {
                    members.remove(at);
                }
            }
            for one in is {
                let at = members.partition_point(|other| *other < one);
                members.insert(at, one);
            }
        }
    }

    /// Leads a pod's addresses to its class.
    pub(super) fn lead(
        &mut self,
        direction: Direction,
        old: &Ips,
        new: &Ips,
        class: Option<&str>,
        draft: &mut Draft,
    ) {
        for family in Family::BOTH {
            let name = by_address(direction, family);
            let Some(map) = self.compiled.table.sets.get_mut(&name) else {
                continue;
            };
            let key = map.key.clone();
            let Contents::Verdicts(verdicts) = &mut map.contents else {
                continue;
            };
            let of = |ips: &Ips| {
                let ip = ips.iter().copied().find(|ip| Family::of(*ip) == family);
                ip.map(|ip| Element::one(Bytes::EMPTY.ip(ip)))
            };
            let was = of(old).and_then(|at| Some((at, verdicts.get(&at)?.clone())));
            let is = of(new).and_then(|at| Some((at, Verdict::Jump(class?.into()))));
            if was == is {
                continue;
            }
            let one = |(at, to): (Element, Verdict)| Set {
                key: key.clone(),
                ranges: false,
                contents: Contents::Verdicts(BTreeMap::from([(at, to)])),
            };
            if let Some(was) = was {
                verdicts.remove(&was.0);
                draft.lost.push((name.clone(), one(was)));
            }
            if let Some(is) = is {
                verdicts.insert(is.0, is.1.clone());
                draft.gained.push((name.clone(), one(is)));
            }
        }
    }
}

fn is_any(eval: &Evaluator<'_>, selectors: &[EndpointSelector], id: EndpointId) -> bool {
    eval.can_be_subject(id) && selectors.iter().any(|of| is_member(eval, of, id))
}

/// Whether a selector selects an endpoint that can be selected.
pub(super) fn is_member(eval: &Evaluator<'_>, selector: &EndpointSelector, id: EndpointId) -> bool {
    let world = eval.world;
    let namespace = world[id].namespace;
    let in_scope = match &selector.namespaces {
        NamespaceScope::Only(only) => *only == namespace,
        NamespaceScope::Matching(labels) => {
            labels.matches(|key| world.namespace_label(namespace, key))
        }
    };
    in_scope
        && selector.pods.matches(|key| world.label(id, key))
        && selector
            .also
            .as_deref()
            .is_none_or(|also| also.holds(&Seen(world, id)))
}

/// The elements that a pod has in a set.
fn meant(eval: &Evaluator<'_>, meaning: &Meaning, id: EndpointId, ip: IpAddr) -> Vec<Element> {
    let key = Bytes::EMPTY.ip(ip);
    match meaning {
        Meaning::Pods(selectors) if is_any(eval, selectors, id) => vec![Element::one(key)],
        Meaning::Pods(_) => Vec::new(),
        Meaning::Ports { groups, .. } => {
            let groups = groups.iter().filter(|(of, _)| is_any(eval, of, id));
            let ports = groups.flat_map(|(_, ports)| ports);
            let with = |(protocol, port): &(Protocol, u16)| {
                let protocol = number(*protocol, Family::of(ip));
                Element::one(key.protocol(protocol).port(*port))
            };
            ports.map(with).collect()
        }
    }
}

/// Those elements of an ordered list that begin with an address.
fn of_address(members: &[Element], ip: IpAddr) -> &[Element] {
    let key = Bytes::EMPTY.ip(ip);
    let start = members.partition_point(|one| one.first < key);
    let from = members.get(start..).unwrap_or_default();
    let end = from.partition_point(|one| one.first.as_slice().starts_with(key.as_slice()));
    from.get(..end).unwrap_or_default()
}
