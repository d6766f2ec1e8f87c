//! What a world takes of one batch of objects, made where the batch is read.
//!
//! Pods are most of a dump. Of each only a short record is kept, and what the pods of a workload have
//! in common is kept once for the batch; so building a world is cheap, and the objects as they were
//! decoded never exist all at once. Everything else waits as it was decoded.
//!
//! INVARIANT: numbers in a part are positions in its own lists.

use std::borrow::Cow;
use std::hash::Hash;
use std::num::NonZeroU32;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::document::Node;
use crate::manifest::{
    Body, Gather, IgnoreAnnotation, Ips, Meta, NetworkPolicySpec, Object, Phase, PodSpec,
    PodStatus, WorkloadKind,
};
use crate::sets::Protocol;
use crate::source::Span;
use crate::world::{Inventory, dns};

/// The position of something in one of the lists of its part, counted from one so that none takes
/// no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Number(NonZeroU32);

impl Number {
    pub(super) fn at(index: usize) -> Self {
        // INVARIANT: an object takes bytes, and a file has less than 2^32 of them.
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        Self(NonZeroU32::MIN.saturating_add(index))
    }

    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// A batch of objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part<'s> {
    /// Texts that pods and policies name, each once.
    pub(super) texts: Vec<Cow<'s, str>>,
    /// Sets of labels.
    pub(super) labels: Lists<(Number, Number)>,
    /// Which of them are those of a DNS server.
    pub(super) dns_labels: Vec<Number>,
    /// Lists of container ports.
    pub(super) ports: Lists<PodPort>,
    /// What owns pods.
    pub(super) owners: Vec<PodOwner>,
    /// The namespaces that pods and policies name.
    pub(super) namespaces: Vec<Number>,
    /// The pods.
    pub(super) pods: Vec<Pod<'s>>,
    /// The NetworkPolicies.
    pub(super) policies: Vec<Policy<'s>>,
    /// Everything else, by ordinal.
    pub(super) objects: Vec<(u32, Object<'s>)>,
    /// What the objects tell about network engines and nodes.
    pub(super) inventory: Inventory,
    /// Suppressions on pods and policies, by ordinal.
    ignores: Vec<(u32, Vec<IgnoreAnnotation<'s>>)>,
    /// Where pods ask for the network of their node, by ordinal.
    host_networks: Vec<(u32, Span)>,
}

/// Many short lists, in one.
#[derive(Clone, Debug)]
pub(super) struct Lists<T> {
    items: Vec<T>,
    /// Where each list ends.
    ends: Vec<u32>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            ends: Vec::new(),
        }
    }
}

impl<T: Clone> Lists<T> {
    fn push(&mut self, list: &[T]) -> Number {
        let number = Number::at(self.ends.len());
        self.items.extend_from_slice(list);
        self.ends
            .push(u32::try_from(self.items.len()).unwrap_or(u32::MAX));
        number
    }

    pub(super) fn get(&self, number: Number) -> &[T] {
        let end = |index: usize| self.ends.get(index).map(|end| *end as usize);
        let start = number.index().checked_sub(1).and_then(end).unwrap_or(0);
        let list = end(number.index()).and_then(|end| self.items.get(start..end));
        list.unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    fn shrink(&mut self) {
        self.items.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

/// A container port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PodPort {
    pub(super) name: Option<Number>,
    pub(super) number: u16,
    pub(super) protocol: Protocol,
}

/// The owner of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PodOwner {
    /// The namespace, if it is written.
    pub(super) namespace: Option<Number>,
    pub(super) kind: WorkloadKind,
    pub(super) name: Number,
    /// What the label `pod-template-hash` of the pods says.
    pub(super) hash: Option<Number>,
}

/// A pod.
#[derive(Clone, Debug)]
pub(super) struct Pod<'s> {
    /// The position among all objects of the batch.
    pub(super) ordinal: u32,
    pub(super) labels: Number,
    pub(super) ports: Number,
    pub(super) owner: Option<Number>,
    /// The namespace, if it is written.
    pub(super) namespace: Option<Number>,
    pub(super) node: Option<Number>,
    pub(super) service_account: Option<Number>,
    pub(super) name: Cow<'s, str>,
    /// Whether the server completes the name.
    pub(super) generated: bool,
    pub(super) phase: Option<Phase>,
    /// A pod of a DaemonSet that is known not to be ready.
    pub(super) unready: bool,
    pub(super) ips: Ips,
    /// The object.
    pub(super) span: Span,
    pub(super) name_span: Span,
}

/// A NetworkPolicy.
#[derive(Clone, Debug)]
pub(super) struct Policy<'s> {
    /// The position among all objects of the batch.
    pub(super) ordinal: u32,
    /// The namespace, if it is written.
    pub(super) namespace: Option<Number>,
    /// Its own labels.
    pub(super) labels: Number,
    pub(super) name: Cow<'s, str>,
    /// Whether the server completes the name.
    pub(super) generated: bool,
    pub(super) spec: NetworkPolicySpec,
    /// The object.
    pub(super) span: Span,
    pub(super) name_span: Span,
}

impl<'s> Part<'s> {
    fn shrink(&mut self) {
        self.texts.shrink_to_fit();
        self.labels.shrink();
        self.ports.shrink();
        self.owners.shrink_to_fit();
        self.pods.shrink_to_fit();
        self.policies.shrink_to_fit();
        self.objects.shrink_to_fit();
    }

    pub(super) fn text(&self, number: Number) -> &str {
        self.texts.get(number.index()).map_or("", |text| text)
    }

    /// The suppressions on a pod or policy.
    pub(super) fn ignores(&self, ordinal: u32) -> &[IgnoreAnnotation<'s>] {
        of_ordinal(&self.ignores, ordinal).map_or(&[], |ignores| ignores.as_slice())
    }

    /// Where a pod asks for the network of its node.
    pub(super) fn host_network(&self, ordinal: u32) -> Option<Span> {
        of_ordinal(&self.host_networks, ordinal).copied()
    }
}

/// What few objects have.
fn of_ordinal<T>(list: &[(u32, T)], ordinal: u32) -> Option<&T> {
    let found = list.binary_search_by_key(&ordinal, |(ordinal, _)| *ordinal);
    let (_, value) = list.get(found.ok()?)?;
    Some(value)
}

/// Makes a [`Part`].
#[derive(Debug, Default)]
pub(crate) struct Gatherer<'s> {
    part: Part<'s>,
    count: u32,
    texts: FxHashMap<Cow<'s, str>, Number>,
    labels: FxHashMap<Box<[(Number, Number)]>, Number>,
    ports: FxHashMap<Box<[PodPort]>, Number>,
    owners: FxHashMap<PodOwner, Number>,
    namespaces: FxHashSet<Number>,
    /// Pods of a workload mostly follow each other: what the last one had is looked at first.
    last_labels: Option<(Pairs<'s>, Number)>,
    last_namespace: Option<(Cow<'s, str>, Number)>,
}

/// Labels as written.
type Pairs<'s> = Vec<(Cow<'s, str>, Cow<'s, str>)>;

impl<'s> Gather<'s> for Gatherer<'s> {
    type Gathered = Part<'s>;

    fn object(&mut self, object: Object<'s>) {
        let ordinal = self.count;
        self.count += 1;
        let Object { meta, span, body } = object;
        match body {
            Body::Pod(spec, status) => self.pod(ordinal, meta, span, spec, status),
            Body::NetworkPolicy(spec) => {
                if !meta.ignores.is_empty() {
                    self.part.ignores.push((ordinal, meta.ignores));
                }
                let namespace = meta.namespace;
                let policy = Policy {
                    ordinal,
                    namespace: namespace.map(|namespace| self.namespace(namespace.value)),
                    labels: self.labels(meta.labels),
                    name: meta.name.value,
                    generated: meta.generated,
                    spec: *spec,
                    span,
                    name_span: meta.name.span,
                };
                self.part.policies.push(policy);
            }
            body => {
                let object = Object { meta, span, body };
                self.part.objects.push((ordinal, object));
            }
        }
    }

    fn seen(&mut self, node: Node<'_, 's>, api_version: &str, kind: &str) -> bool {
        self.part.inventory.see(node, api_version, kind)
    }

    fn done(mut self) -> Part<'s> {
        // All parts wait for the last one.
        self.part.shrink();
        self.part
    }
}

impl<'s> Gatherer<'s> {
    fn pod(
        &mut self,
        ordinal: u32,
        meta: Meta<'s>,
        span: Span,
        spec: PodSpec<'s>,
        status: Option<PodStatus>,
    ) {
        if !meta.ignores.is_empty() {
            self.part.ignores.push((ordinal, meta.ignores));
        }
        if let Some(place) = spec.host_network {
            self.part.host_networks.push((ordinal, place));
        }
        let namespace = meta
            .namespace
            .map(|namespace| self.namespace(namespace.value));
        let labels = self.labels(meta.labels);
        let owner = meta.owner.map(|owner| {
            let owner = PodOwner {
                namespace,
                kind: WorkloadKind::from_api(&owner.kind).unwrap_or(WorkloadKind::Other),
                name: self.text(owner.name.value),
                hash: self.template_hash(labels),
            };
            *self.owners.entry(owner).or_insert_with(|| {
                self.part.owners.push(owner);
                Number::at(self.part.owners.len() - 1)
            })
        });
        let ports = spec.ports.into_iter().map(|port| PodPort {
            name: port.name.map(|name| self.text(name)),
            number: port.number,
            protocol: port.protocol,
        });
        let ports: Box<[PodPort]> = ports.collect();
        let (phase, ips, unready) = match status {
            Some(status) => (Some(status.phase), status.ips, status.unready),
            None => (None, Ips::default(), false),
        };
        let pod = Pod {
            ordinal,
            labels,
            ports: once(&mut self.ports, &mut self.part.ports, ports).0,
            owner,
            namespace,
            node: spec.node.map(|node| self.text(node)),
            service_account: spec.service_account.map(|account| self.text(account)),
            name: meta.name.value,
            generated: meta.generated,
            phase,
            unready,
            ips,
            span,
            name_span: meta.name.span,
        };
        self.part.pods.push(pod);
    }

    fn text(&mut self, text: Cow<'s, str>) -> Number {
        if let Some(number) = self.texts.get(&text) {
            return *number;
        }
        let number = Number::at(self.part.texts.len());
        self.part.texts.push(text.clone());
        self.texts.insert(text, number);
        number
    }

    fn namespace(&mut self, name: Cow<'s, str>) -> Number {
        if let Some((last, number)) = &self.last_namespace
            && *last == name
        {
            return *number;
        }
        let number = self.text(name.clone());
        if self.namespaces.insert(number) {
            self.part.namespaces.push(number);
        }
        self.last_namespace = Some((name, number));
        number
    }

    fn labels(&mut self, labels: Pairs<'s>) -> Number {
        if let Some((last, number)) = &self.last_labels
            && *last == labels
        {
            return *number;
        }
        let pairs = labels
            .iter()
            .map(|(key, value)| (self.text(key.clone()), self.text(value.clone())));
        let pairs: Box<[_]> = pairs.collect();
        let (number, is_new) = once(&mut self.labels, &mut self.part.labels, pairs);
        let value = |wanted: &str| {
            let label = labels.iter().find(|(key, _)| key == wanted);
            label.map(|(_, value)| &**value)
        };
        if is_new && dns::is_dns_server(value) {
            self.part.dns_labels.push(number);
        }
        self.last_labels = Some((labels, number));
        number
    }

    fn template_hash(&self, labels: Number) -> Option<Number> {
        let mut pairs = self.part.labels.get(labels).iter();
        let pair = pairs.find(|(key, _)| self.part.text(*key) == "pod-template-hash");
        pair.map(|(_, hash)| *hash)
    }
}

/// The number of a list among lists of which each is there once, and whether it is new.
fn once<T: Clone + Eq + Hash>(
    known: &mut FxHashMap<Box<[T]>, Number>,
    lists: &mut Lists<T>,
    list: Box<[T]>,
) -> (Number, bool) {
    if let Some(number) = known.get(&list) {
        return (*number, false);
    }
    let number = lists.push(&list);
    known.insert(list, number);
    (number, true)
}
