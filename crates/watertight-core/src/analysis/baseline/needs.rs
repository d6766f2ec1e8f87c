//! Needs: which connections have to stay possible, and who says so.
//!
//! INVARIANT: equal input gives the same needs in the same order, whatever the order in which they
//! were found.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::units::UnitId;
use crate::sets::{Protocol, Runs};
use crate::source::Span;

/// Ports of a need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ports {
    /// All of every protocol.
    All,
    /// An inclusive range.
    Range(Protocol, u16, u16),
}

impl Ports {
    /// One port.
    #[must_use]
    pub fn one(protocol: Protocol, port: u16) -> Self {
        Self::Range(protocol, port, port)
    }

    /// Whether all of these ports are among them.
    #[must_use]
    pub fn covers(self, protocol: Protocol, first: u16, last: u16) -> bool {
        match self {
            Self::All => true,
            Self::Range(own, from, to) => own == protocol && from <= first && last <= to,
        }
    }
}

/// Addresses without some of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// The addresses.
    pub net: IpNet,
    /// What is left out.
    pub except: Vec<IpNet>,
}

impl Block {
    /// All addresses of a network.
    #[must_use]
    pub fn whole(net: IpNet) -> Self {
        Self {
            net,
            except: Vec::new(),
        }
    }

    /// Whether an address is one of them.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.net.contains(&ip) && !self.except.iter().any(|net| net.contains(&ip))
    }
}

/// Who is at an end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    /// A workload.
    Unit(UnitId),
    /// Every pod of every namespace.
    AllPods,
    /// Addresses.
    Blocks(Vec<Block>),
    /// Public addresses: no private, special or metadata address, and none of this cluster.
    Internet,
    /// Every address.
    Everyone,
}

impl Whom {
    /// One address.
    #[must_use]
    pub fn address(ip: IpAddr) -> Self {
        Self::Blocks(vec![Block::whole(IpNet::from(ip))])
    }
}

/// What says that a connection is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// `--allow`, `--internet`, `--api-server`.
    Flag,
    /// An annotation.
    Annotation,
    /// An environment variable, an argument or an entry of a ConfigMap.
    Reference,
    /// A Service that is reached from outside.
    Service,
    /// An Ingress or a route.
    Ingress,
    /// A binding that gives rights to a service account.
    Binding,
    /// A probe of the kubelet.
    Probe,
    /// A policy of today that names both ends.
    Policy,
    /// A recorded flow.
    Flow,
}

impl By {
    /// Whether somebody asked for the connection, and nothing was concluded.
    #[must_use]
    pub fn asks(self) -> bool {
        matches!(self, Self::Flag | Self::Annotation)
    }

    /// One word, for programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Flag => "flag",
            Self::Annotation => "annotation",
            Self::Reference => "reference",
            Self::Service => "service",
            Self::Ingress => "ingress",
            Self::Binding => "binding",
            Self::Probe => "probe",
            Self::Policy => "policy",
            Self::Flow => "flow",
        }
    }
}

/// Who says so.
#[derive(Clone, Debug)]
pub struct Why {
    /// The kind of evidence.
    pub by: By,
    /// In words, without places: the text of a policy must not change with every line of its input.
    pub text: Arc<str>,
    /// Where it is written.
    pub span: Option<Span>,
}

/// What is needed between two ends.
#[derive(Clone, Debug, Default)]
pub struct Need {
    /// The ports.
    pub ports: BTreeSet<Ports>,
    /// Who says so, in order, each once; hardly ever more than a few.
    why: Vec<Why>,
    /// How often it was seen.
    pub times: u64,
}

impl Need {
    /// Who says so, in order.
    pub fn why(&self) -> impl Iterator<Item = &Why> {
        self.why.iter()
    }

    /// Whether somebody asked for it.
    #[must_use]
    pub fn was_asked_for(&self) -> bool {
        self.why.iter().any(|why| why.by.asks())
    }

    /// Whether nothing but policies of today says so.
    #[must_use]
    pub fn is_of_today(&self) -> bool {
        self.why.iter().all(|why| why.by == By::Policy)
    }

    /// What they say.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.why.iter().map(|why| &*why.text)
    }

    /// Joins ports that overlap or follow each other.
    fn normalise(&mut self) {
        if self.ports.len() < 2 {
            return;
        }
        if self.ports.contains(&Ports::All) {
            self.ports = BTreeSet::from([Ports::All]);
            return;
        }
        let mut by_protocol: BTreeMap<Protocol, Vec<(u16, u16)>> = BTreeMap::new();
        for ports in &self.ports {
            if let Ports::Range(protocol, first, last) = ports {
                by_protocol
                    .entry(*protocol)
                    .or_default()
                    .push((*first, *last));
            }
        }
        let joined = by_protocol.into_iter().flat_map(|(protocol, ranges)| {
            let runs: Vec<_> = Runs::from_unsorted(ranges).iter().collect();
            runs.into_iter()
                .map(move |(first, last)| Ports::Range(protocol, first, last))
        });
        self.ports = joined.collect();
    }
}

/// All needs.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    by_ends: BTreeMap<(Whom, Whom), Need>,
}

impl Needs {
    /// Notes a need.
    pub fn add(&mut self, from: Whom, to: Whom, ports: Ports, why: Why) {
        let need = self.by_ends.entry((from, to)).or_default();
        need.ports.insert(ports);
        let known = need
            .why
            .binary_search_by(|known| (known.by, &known.text).cmp(&(why.by, &why.text)));
        if let Err(at) = known {
            need.why.insert(at, why);
        }
    }

    /// Notes how often a connection was seen.
    pub fn seen(&mut self, from: Whom, to: Whom, times: u64) {
        if let Some(need) = self.by_ends.get_mut(&(from, to)) {
            need.times += times;
        }
    }

    /// Behind the last need: ports that overlap or follow each other become one.
    pub fn finish(&mut self) {
        for need in self.by_ends.values_mut() {
            need.normalise();
        }
    }

    /// All needs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Whom, &Whom, &Need)> {
        let needs = self.by_ends.iter();
        needs.map(|((from, to), need)| (from, to, need))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_ends.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_ends.is_empty()
    }
}
