//! What a world takes of one batch of objects, made where the batch is read.
//!
//! Pods are most of a dump. Of each only a short record is kept, and what the pods of a workload have
//! in common is kept once for the batch; so building a world is cheap, and the objects as they were
//! decoded never exist all at once. Everything else waits as it was decoded.
//!
//! INVARIANT: numbers in a part are positions in its own lists.

use std::borrow::Cow;
use std::hash::Hash;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::manifest::{
    Body, Gather, IgnoreAnnotation, Meta, Object, PodSpec, PodStatus, WorkloadKind,
};
use crate::sets::Protocol;
use crate::source::Span;
use crate::world::dns;

/// The position of a text in its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TextId(pub(super) u32);

/// A batch of objects.
#[derive(Debug, Default)]
pub(crate) struct Part<'s> {
    /// Texts that pods name, each once.
    pub(super) texts: Vec<Cow<'s, str>>,
    /// Sets of labels.
    pub(super) labels: Vec<LabelSet>,
    /// Lists of container ports.
    pub(super) ports: Vec<Box<[PodPort]>>,
    /// What owns pods.
    pub(super) owners: Vec<PodOwner>,
    /// The namespaces that pods name.
    pub(super) namespaces: Vec<TextId>,
    /// The pods.
    pub(super) pods: Vec<Pod>,
    /// Suppressions on pods, by ordinal.
    pub(super) ignores: Vec<(u32, Vec<IgnoreAnnotation<'s>>)>,
    /// Everything but pods and policies, by ordinal.
    pub(super) objects: Vec<(u32, Object<'s>)>,
    /// The NetworkPolicies, by ordinal.
    pub(super) policies: Vec<(u32, Object<'s>)>,
}

/// The labels of pods.
#[derive(Debug)]
pub(super) struct LabelSet {
    pub(super) pairs: Box<[(TextId, TextId)]>,
    /// Whether they are those of a DNS server.
    pub(super) is_dns: bool,
}

/// A container port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PodPort {
    pub(super) name: Option<TextId>,
    pub(super) number: u16,
    pub(super) protocol: Protocol,
}

/// The owner of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PodOwner {
    /// The namespace, if it is written.
    pub(super) namespace: Option<TextId>,
    pub(super) kind: WorkloadKind,
    pub(super) name: TextId,
    /// What the label `pod-template-hash` of the pods says.
    pub(super) hash: Option<TextId>,
}

/// A pod.
#[derive(Debug)]
pub(super) struct Pod {
    /// The position among all objects of the batch.
    pub(super) ordinal: u32,
    pub(super) labels: u32,
    pub(super) ports: u32,
    pub(super) owner: Option<u32>,
    /// The namespace, if it is written.
    pub(super) namespace: Option<TextId>,
    pub(super) node: Option<TextId>,
    pub(super) service_account: Option<TextId>,
    pub(super) name: Box<str>,
    /// Whether the server completes the name.
    pub(super) generated: bool,
    pub(super) host_network: Option<Span>,
    pub(super) status: Option<PodStatus>,
    /// The object.
    pub(super) span: Span,
    pub(super) name_span: Span,
}

impl Part<'_> {
    pub(super) fn text(&self, id: TextId) -> &str {
        self.texts.get(id.0 as usize).map_or("", |text| text)
    }
}

/// Makes a [`Part`].
#[derive(Debug, Default)]
pub(crate) struct Gatherer<'s> {
    part: Part<'s>,
    count: u32,
    texts: FxHashMap<Cow<'s, str>, TextId>,
    labels: FxHashMap<Box<[(TextId, TextId)]>, u32>,
    ports: FxHashMap<Box<[PodPort]>, u32>,
    owners: FxHashMap<PodOwner, u32>,
    namespaces: FxHashSet<TextId>,
    /// Pods of a workload mostly follow each other: what the last one had is looked at first.
    last_labels: Option<(Pairs<'s>, u32)>,
    last_namespace: Option<(Cow<'s, str>, TextId)>,
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
            Body::NetworkPolicy(_) => {
                let object = Object { meta, span, body };
                self.part.policies.push((ordinal, object));
            }
            body => {
                let object = Object { meta, span, body };
                self.part.objects.push((ordinal, object));
            }
        }
    }

    fn done(self) -> Part<'s> {
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
            once(&mut self.owners, &mut self.part.owners, owner)
        });
        let ports = spec.ports.into_iter().map(|port| PodPort {
            name: port.name.map(|name| self.text(name)),
            number: port.number,
            protocol: port.protocol,
        });
        let ports: Box<[PodPort]> = ports.collect();
        let pod = Pod {
            ordinal,
            labels,
            ports: once(&mut self.ports, &mut self.part.ports, ports),
            owner,
            namespace,
            node: spec.node.map(|node| self.text(node)),
            service_account: spec.service_account.map(|account| self.text(account)),
            name: meta.name.value.into(),
            generated: meta.generated,
            host_network: spec.host_network,
            status,
            span,
            name_span: meta.name.span,
        };
        self.part.pods.push(pod);
    }

    fn text(&mut self, text: Cow<'s, str>) -> TextId {
        if let Some(id) = self.texts.get(&text) {
            return *id;
        }
        let id = TextId(narrow(self.part.texts.len()));
        self.part.texts.push(text.clone());
        self.texts.insert(text, id);
        id
    }

    fn namespace(&mut self, name: Cow<'s, str>) -> TextId {
        if let Some((last, id)) = &self.last_namespace
            && *last == name
        {
            return *id;
        }
        let id = self.text(name.clone());
        if self.namespaces.insert(id) {
            self.part.namespaces.push(id);
        }
        self.last_namespace = Some((name, id));
        id
    }

    fn labels(&mut self, labels: Pairs<'s>) -> u32 {
        if let Some((last, id)) = &self.last_labels
            && *last == labels
        {
            return *id;
        }
        let pairs = labels
            .iter()
            .map(|(key, value)| (self.text(key.clone()), self.text(value.clone())));
        let pairs: Box<[_]> = pairs.collect();
        let id = match self.labels.get(&pairs) {
            Some(id) => *id,
            None => {
                let id = narrow(self.part.labels.len());
                self.part.labels.push(LabelSet {
                    pairs: pairs.clone(),
                    is_dns: dns::is_dns_server(|key| {
                        let label = labels.iter().find(|(known, _)| known == key);
                        label.map(|(_, value)| &**value)
                    }),
                });
                self.labels.insert(pairs, id);
                id
            }
        };
        self.last_labels = Some((labels, id));
        id
    }

    fn template_hash(&self, labels: u32) -> Option<TextId> {
        let set = self.part.labels.get(labels as usize)?;
        let mut pairs = set.pairs.iter();
        let pair = pairs.find(|(key, _)| self.part.text(*key) == "pod-template-hash");
        pair.map(|(_, hash)| *hash)
    }
}

/// The position of a value in a list that holds every value once.
fn once<T: Clone + Eq + Hash>(known: &mut FxHashMap<T, u32>, list: &mut Vec<T>, value: T) -> u32 {
    if let Some(id) = known.get(&value) {
        return *id;
    }
    let id = narrow(list.len());
    list.push(value.clone());
    known.insert(value, id);
    id
}

fn narrow(count: usize) -> u32 {
    // INVARIANT: an object takes bytes, and a file has less than 2^32 of them.
    u32::try_from(count).unwrap_or(u32::MAX)
}
