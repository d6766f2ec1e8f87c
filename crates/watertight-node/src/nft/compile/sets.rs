//! Sets that rules look things up in, made once for each definition.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::net::IpAddr;

use rustc_hash::FxHashMap;
use watertight_core::eval::Family;
use watertight_core::manifest::Direction;
use watertight_core::policy::{Covers, EndpointSelector, Peer};
use watertight_core::sets::{Bound, Protocol, Runs};
use watertight_core::world::{EndpointId, World};

use super::addresses::{Addresses, Owners, has_network, owned};
use super::names;
use crate::nft::table::{Bytes, Contents, Element, Field, KeyType, Match, Set, Table};

/// A way to match: conditions that hold together, and the family that they imply.
#[derive(Clone, Debug, Default)]
pub(super) struct Way {
    pub family: Option<Family>,
    pub matches: Vec<Match>,
}

impl Way {
    /// Both at once; none if they are of different families.
    pub(super) fn and(&self, other: &Self) -> Option<Self> {
        let family = match (self.family, other.family) {
            (Some(a), Some(b)) if a != b => return None,
            (a, b) => a.or(b),
        };
        let matches = self.matches.iter().chain(&other.matches).cloned().collect();
        Some(Self { family, matches })
    }
}

/// The number of a protocol on the wire.
pub(super) fn number(protocol: Protocol, family: Family) -> u8 {
    match (protocol, family) {
        (Protocol::Tcp, _) => 6,
        (Protocol::Udp, _) => 17,
        (Protocol::Sctp, _) => 132,
        (Protocol::Icmp, Family::V4) => 1,
        (Protocol::Icmp, Family::V6) => 58,
    }
}

/// The field of the other end's address.
pub(super) fn remote(direction: Direction, family: Family) -> Field {
    match (direction, family) {
        (Direction::Ingress, Family::V4) => Field::Source4,
        (Direction::Ingress, Family::V6) => Field::Source6,
        (Direction::Egress, Family::V4) => Field::Destination4,
        (Direction::Egress, Family::V6) => Field::Destination6,
    }
}

/// The field of the destination's address.
pub(super) fn destination(family: Family) -> Field {
    remote(Direction::Egress, family)
}

/// The type of a family's addresses.
pub(super) fn key(family: Family) -> KeyType {
    match family {
        Family::V4 => KeyType::V4,
        Family::V6 => KeyType::V6,
    }
}

/// The digit of a family, for names.
pub(super) fn digit(family: Family) -> char {
    match family {
        Family::V4 => '4',
        Family::V6 => '6',
    }
}

/// A condition on the family.
pub(super) fn family_is(family: Family) -> Match {
    Match::Family(match family {
        Family::V4 => 2,
        Family::V6 => 10,
    })
}

/// Pods by the name and protocol of a port, with its number.
type Named = FxHashMap<(Box<str>, Protocol), Vec<(EndpointId, u16)>>;

/// Pods, and ports that they share.
pub(super) type Together = (Vec<EndpointSelector>, Vec<(Protocol, u16)>);

/// What the elements of a set follow from, for whoever follows one pod.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    /// The addresses of pods that one of these selects.
    Pods(Vec<EndpointSelector>),
    /// The same with each of some ports.
    Ports {
        /// The pods and their ports.
        groups: Vec<Together>,
        /// How many more elements it may have.
        room: usize,
    },
}

/// Sets in the making.
#[derive(Debug)]
pub(super) struct Sets<'e, 'w> {
    pub world: &'w World,
    pub owners: Owners<'e, 'w>,
    pub families: Vec<Family>,
    /// What sets of pods mean, by name.
    pub meanings: BTreeMap<Box<str>, Meaning>,
    /// Whether something besides elements of sets depends on which pods there are.
    pub rests_on_pods: bool,
    /// Pods by the name and protocol of a port, once somebody asks.
    named: OnceCell<Named>,
    /// What names that were given stand for.
    names: RefCell<FxHashMap<Box<str>, Box<str>>>,
}

impl<'e, 'w> Sets<'e, 'w> {
    pub(super) fn new(world: &'w World, owners: Owners<'e, 'w>) -> Self {
        let families = owners.families();
        Self::with(world, owners, families)
    }

    /// The same where it is known which families pods have.
    pub(super) fn with(world: &'w World, owners: Owners<'e, 'w>, families: Vec<Family>) -> Self {
        Self {
            world,
            families,
            owners,
            meanings: BTreeMap::new(),
            rests_on_pods: false,
            named: OnceCell::new(),
            names: RefCell::default(),
        }
    }

    /// A name by a definition. In tests it is seen to that no two definitions have one name.
    pub(super) fn name(&self, kind: &str, readable: &str, definition: &str) -> Box<str> {
        let name = names::name(kind, readable, definition);
        if cfg!(debug_assertions)
            && let Ok(mut names) = self.names.try_borrow_mut()
        {
            let known = names.entry(name.clone());
            let known = known.or_insert_with(|| definition.into());
            debug_assert_eq!(&**known, definition, "two definitions of {name}");
        }
        name
    }

    /// The ways in which the other end can be one of some peers.
    pub(super) fn peers(
        &mut self,
        table: &mut Table,
        peers: &[&Peer],
        direction: Direction,
    ) -> Vec<Way> {
        if peers.iter().any(|peer| matches!(peer, Peer::Any)) {
            return vec![Way::default()];
        }
        let (pods, others): (Vec<&Peer>, Vec<&Peer>) = peers
            .iter()
            .partition(|peer| matches!(peer, Peer::Endpoints(..)));
        let mut ways = Vec::new();
        if !pods.is_empty() {
            let definition = names::peers(self.world, pods.iter().copied());
            let readable = match *pods {
                [one] => one.words(self.world),
                _ => format!("{} kinds of pods", pods.len()),
            };
            let mut members: Vec<EndpointId> = Vec::new();
            let mut selectors = Vec::new();
            for pod in &pods {
                if let Peer::Endpoints(selector, _) = pod {
                    members.extend(self.owners.members(selector));
                    selectors.push(selector.clone());
                }
            }
            for family in &self.families {
                let set = self.name(&format!("s{}", digit(*family)), &readable, &definition);
                if !table.sets.contains_key(&set) {
                    let ips = members.iter().flat_map(|id| owned(self.world, *id));
                    let ips = ips.copied().filter(|ip| Family::of(*ip) == *family);
                    table.sets.insert(set.clone(), addresses(*family, ips));
                    let meaning = Meaning::Pods(selectors.clone());
                    self.meanings.insert(set.clone(), meaning);
                }
                ways.push(Way {
                    family: Some(*family),
                    matches: vec![Match::In {
                        fields: vec![remote(direction, *family)],
                        set,
                        not: false,
                    }],
                });
            }
        }
        if !others.is_empty() {
            self.rests_on_pods |= others.iter().any(|peer| rests_on_pods(peer));
            let found = self.owners.any_of(others.iter().copied());
            if found.is_all() && ways.is_empty() {
                return vec![Way::default()];
            }
            let definition = names::peers(self.world, others.iter().copied());
            let readable = match *others {
                [one] => one.words(self.world),
                _ => format!("{} blocks", others.len()),
            };
            ways.extend(self.ranges(table, &found, direction, (&readable, &definition)));
        }
        ways
    }

    fn ranges(
        &self,
        table: &mut Table,
        found: &Addresses,
        direction: Direction,
        (readable, definition): (&str, &str),
    ) -> Vec<Way> {
        let v4 = elements(&found.v4, |ip| Bytes::EMPTY.v4(ip));
        let v6 = elements(&found.v6, |ip| Bytes::EMPTY.v6(ip));
        let each = [
            (Family::V4, found.v4.is_all(), v4),
            (Family::V6, found.v6.is_all(), v6),
        ];
        let mut ways = Vec::new();
        for (family, is_all, elements) in each {
            let field = remote(direction, family);
            let is = match *elements {
                [] => continue,
                _ if is_all => family_is(family),
                [one] if one.first == one.last => Match::Is(field, one.first),
                [one] => Match::Between {
                    field,
                    first: one.first,
                    last: one.last,
                    not: false,
                },
                _ => {
                    let set = self.name(&format!("b{}", digit(family)), readable, definition);
                    let members = Set {
                        key: vec![key(family)],
                        ranges: true,
                        contents: Contents::Members(elements),
                    };
                    table.sets.entry(set.clone()).or_insert(members);
                    Match::In {
                        fields: vec![field],
                        set,
                        not: false,
                    }
                }
            };
            ways.push(Way {
                family: Some(family),
                matches: vec![is],
            });
        }
        ways
    }

    /// The name of the set of a named port.
    pub(super) fn named_set(name: &str, protocol: Protocol, family: Family) -> Box<str> {
        let kind = format!("n{}", digit(family));
        names::name(&kind, name, &format!("{name} {}", protocol.word()))
    }

    /// The set of the ports that pods call by a name, as address, protocol and port (K-52..K-57).
    pub(super) fn named(
        &self,
        table: &mut Table,
        name: &str,
        protocol: Protocol,
        family: Family,
    ) -> Box<str> {
        let set = Self::named_set(name, protocol, family);
        if !table.sets.contains_key(&set) {
            let pods = self.named.get_or_init(|| named(self.world));
            let pods = pods.get(&(name.into(), protocol));
            let pods = pods.map(Vec::as_slice).unwrap_or_default();
            let mut members = Vec::new();
            for (id, port) in pods {
                let ips = owned(self.world, *id).filter(|ip| Family::of(**ip) == family);
                members.extend(ips.map(|ip| {
                    let key = Bytes::EMPTY.ip(*ip).protocol(number(protocol, family));
                    Element::one(key.port(*port))
                }));
            }
            let members = Set {
                key: vec![key(family), KeyType::Protocol, KeyType::Port],
                ranges: false,
                contents: members_of(members),
            };
            table.sets.insert(set.clone(), members);
        }
        set
    }
}

fn named(world: &World) -> Named {
    let mut named = Named::default();
    for id in world.endpoint_ids().filter(|id| has_network(world, *id)) {
        for port in world[id].ports.iter() {
            if let Some(name) = port.name {
                let key = (world.symbols.text(name).into(), port.protocol);
                named.entry(key).or_default().push((id, port.number));
            }
        }
    }
    named
}

/// Whether the addresses of peers that are no pods by their labels depend on which pods there are.
fn rests_on_pods(peer: &Peer) -> bool {
    let mut rests = false;
    peer.leaves(&mut |leaf| {
        rests |= match leaf {
            Peer::Block(_, covers) => *covers != Covers::ALL,
            Peer::Endpoints(..) | Peer::Outside(_) | Peer::Domain(..) => true,
            _ => false,
        }
    });
    rests
}

/// A set of addresses of one family.
pub(super) fn addresses(family: Family, ips: impl Iterator<Item = IpAddr>) -> Set {
    Set {
        key: vec![key(family)],
        ranges: false,
        contents: members_of(ips.map(|ip| Element::one(Bytes::EMPTY.ip(ip))).collect()),
    }
}

/// Elements in order, each once.
pub(super) fn members_of(mut elements: Vec<Element>) -> Contents {
    elements.sort_unstable();
    elements.dedup();
    Contents::Members(elements)
}

fn elements<T: Bound>(runs: &Runs<T>, bytes: impl Fn(T) -> Bytes) -> Vec<Element> {
    let element = |(first, last)| Element {
        first: bytes(first),
        last: bytes(last),
    };
    runs.iter().map(element).collect()
}
