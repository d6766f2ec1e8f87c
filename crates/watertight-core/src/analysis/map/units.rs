//! Who is told apart: pods, workloads or namespaces, and nodes, each cut into groups of members that
//! rows cannot tell apart.
//!
//! INVARIANT: units are in order of namespace, name and kind, nodes behind all others; pods that own
//! no address (K-33, K-86) are in none.

use rustc_hash::FxHashMap;

use crate::engine::HostNetwork;
use crate::eval::reach::{Reach, RowId};
use crate::eval::{Evaluator, Family, Party};
use crate::manifest::Direction;
use crate::policy::Rule;
use crate::world::{EndpointId, Lifecycle, NamespaceId, NodeId, WorkloadId, World};

/// What pods are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum By {
    /// Every pod by itself.
    Pod,
    /// Pods of one workload are one.
    Workload,
    /// Pods of one namespace are one.
    Namespace,
}

/// What a unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitKind {
    /// All pods of a namespace.
    Namespace,
    /// All pods of a workload.
    Workload,
    /// One pod.
    Pod,
    /// Processes on one node, or on all.
    Node,
    /// A Service: its backends, after translation.
    Service,
}

/// Whether policies restrict members in a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// None of them.
    None,
    /// Some of them.
    Some,
    /// All of them.
    All,
}

/// What is one in the map.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The canonical spelling of an endpoint: `ns:shop`, `shop/Deployment/web`, `nodes`.
    pub name: String,
    /// What it is.
    pub kind: UnitKind,
    /// The namespace, unless it is nodes.
    pub namespace: Option<NamespaceId>,
    /// The number of members; all pods of a template count as one.
    pub members: usize,
    /// Those on the host network.
    pub on_host: usize,
    /// Whether it was assumed, not read (M-2).
    pub assumed: bool,
    /// Whether ingress is restricted.
    pub ingress: Isolation,
    /// Whether egress is restricted.
    pub egress: Isolation,
    /// In the list of all groups.
    pub(in crate::analysis) groups: std::ops::Range<usize>,
    /// In the list of all members.
    pub(in crate::analysis) parties: std::ops::Range<usize>,
    /// Whether rows alone do not decide: nodes and host-network pods are among its members, or rules
    /// that admit certain requests only.
    pub(in crate::analysis) irregular: bool,
    /// Whether rules admit certain requests only.
    pub(in crate::analysis) conditional: bool,
}

/// How members of a group meet policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::analysis) enum Standing {
    /// A pod with a network of its own.
    Pod,
    /// A pod on the host network.
    HostPod,
    /// A process on a node.
    Node,
}

/// Class and rows under one reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::analysis) struct Seen {
    pub class: u32,
    pub egress: RowId,
    pub ingress: RowId,
}

/// Address families: of one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::analysis) struct Families {
    bits: u8,
    /// Both of them, and both addresses are known.
    pub both_known: bool,
}

impl Families {
    fn of(world: &World, party: Party) -> Self {
        let (ips, may_have): (_, [bool; 2]) = match party {
            Party::Endpoint(id) => {
                let endpoint = &world[id];
                let assumed = |family| {
                    let cidrs = world.assumed.pod_cidrs.iter();
                    endpoint.host_network.is_some()
                        || cidrs
                            .map(|cidr| Family::of(cidr.addr()))
                            .any(|of| of == family)
                };
                (&endpoint.ips, [assumed(Family::V4), assumed(Family::V6)])
            }
            Party::Node(id) => (&world[id].ips, [true; 2]),
            Party::Address(_) | Party::Name(_) => {
                return Self {
                    bits: 0,
                    both_known: false,
                };
            }
        };
        let known = |family| ips.iter().any(|ip| Family::of(*ip) == family);
        let [v4, v6] = if ips.is_empty() {
            may_have
        } else {
            [known(Family::V4), known(Family::V6)]
        };
        Self {
            bits: u8::from(v4) | u8::from(v6) << 1,
            both_known: !ips.is_empty() && v4 && v6,
        }
    }

    pub(in crate::analysis) fn has(self, family: Family) -> bool {
        self.bits & if family == Family::V4 { 1 } else { 2 } != 0
    }

    pub(in crate::analysis) fn first(self) -> Option<Family> {
        self.common(self)
    }

    /// The family of a connection: IPv4 where both have it (K-68).
    pub(in crate::analysis) fn common(self, other: Self) -> Option<Family> {
        [Family::V4, Family::V6]
            .into_iter()
            .find(|family| self.has(*family) && other.has(*family))
    }
}

/// What is alike for all members of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::analysis) struct Look {
    pub standing: Standing,
    pub families: Families,
    pub seen: Seen,
    /// Under the other reading of host-network pods, where that is open.
    pub other: Option<Seen>,
    /// For a request that no rule admits, where rules admit certain requests only.
    pub strict: Option<Seen>,
    /// Whether such rules are among its own.
    pub conditional: bool,
}

/// Members of a unit that look alike.
#[derive(Clone, Debug)]
pub(in crate::analysis) struct Group {
    pub look: Look,
    /// In the list of all members.
    pub parties: std::ops::Range<usize>,
    /// In the list of places.
    pub nodes: std::ops::Range<usize>,
}

/// All units of one end of the map.
#[derive(Debug)]
pub struct Units {
    units: Vec<Unit>,
    pub(in crate::analysis) groups: Vec<Group>,
    /// By unit, then by group.
    pub(in crate::analysis) parties: Vec<Party>,
    /// The nodes of the members of each group with the number of members, in order.
    pub(in crate::analysis) nodes: Vec<(NodeId, usize)>,
}

/// The rows that looks are taken from, under each reading.
#[derive(Clone, Copy, Debug)]
pub(in crate::analysis) struct Views<'r> {
    pub reach: &'r Reach,
    pub other: Option<&'r Reach>,
    pub strict: Option<&'r Reach>,
}

impl Views<'_> {
    fn look(&self, eval: &Evaluator<'_>, party: Party) -> Option<Look> {
        let world = eval.world;
        let by_labels = eval.switches.host_network == HostNetwork::PodLabels;
        let standing = match party {
            Party::Endpoint(id) if world[id].host_network.is_some() => Standing::HostPod,
            Party::Endpoint(_) => Standing::Pod,
            Party::Node(_) => Standing::Node,
            Party::Address(_) | Party::Name(_) => return None,
        };
        Some(Look {
            standing,
            families: Families::of(world, party),
            seen: seen(world, self.reach, party, by_labels)?,
            other: match self.other {
                Some(reach) => Some(seen(world, reach, party, true)?),
                None => None,
            },
            strict: match self.strict {
                Some(reach) => Some(seen(world, reach, party, by_labels)?),
                None => None,
            },
            conditional: self.strict.is_some() && has_requests(eval, party),
        })
    }
}

fn seen(world: &World, reach: &Reach, party: Party, by_labels: bool) -> Option<Seen> {
    let (ingress, egress) = (
        reach.side(Direction::Ingress),
        reach.side(Direction::Egress),
    );
    let class = match party {
        Party::Endpoint(id) => reach.class_of(id)?,
        Party::Node(id) => reach.class_of_node(id)?,
        Party::Address(_) | Party::Name(_) => return None,
    };
    let [egress, ingress] = match node_of(world, party).filter(|_| !by_labels || is_node(party)) {
        Some(node) => [egress.row_of_node(node), ingress.row_of_node(node)],
        None => match party {
            Party::Endpoint(id) => [egress.row_of(id), ingress.row_of(id)],
            _ => [RowId::EVERYTHING; 2],
        },
    };
    Some(Seen {
        class,
        egress,
        ingress,
    })
}

fn is_node(party: Party) -> bool {
    matches!(party, Party::Node(_))
}

/// The node that a party is judged as: itself, or that of a host-network pod (C-63, L-74).
fn node_of(world: &World, party: Party) -> Option<NodeId> {
    match party {
        Party::Node(id) => Some(id),
        Party::Endpoint(id) if world[id].host_network.is_some() => world[id].node,
        _ => None,
    }
}

/// Whether a rule that may decide for a party admits certain requests only.
fn has_requests(eval: &Evaluator<'_>, party: Party) -> bool {
    Direction::BOTH.into_iter().any(|direction| {
        let policies = match (node_of(eval.world, party), party) {
            (Some(node), _) => eval.policies_of_node(node, direction),
            (None, Party::Endpoint(id)) => eval.policies_of(id, direction),
            _ => &[],
        };
        let mut rules = policies.iter().flat_map(|at| &eval.ruleset[*at].rules);
        rules.any(Rule::narrows_requests)
    })
}

/// Where some nodes need names of their own, so many may all have one.
const FEW_NODES: usize = 16;

/// What a party is grouped with, in the order of units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Namespace(NamespaceId),
    Workload(WorkloadId),
    Pod(EndpointId),
    Node(NodeId),
    Nodes,
}

fn key_of(world: &World, by: By, id: EndpointId) -> Key {
    match (by, world[id].workload) {
        (By::Namespace, _) => Key::Namespace(world[id].namespace),
        (By::Workload, Some(workload)) => Key::Workload(workload),
        _ => Key::Pod(id),
    }
}

/// `shop/Pod/web-0`; the workload for a template.
pub(in crate::analysis) fn pod_name(world: &World, id: EndpointId) -> String {
    let endpoint = &world[id];
    if endpoint.template {
        world.display_name(id)
    } else {
        format!("{}/Pod/{}", world[endpoint.namespace].name, endpoint.name)
    }
}

impl Key {
    fn name(self, world: &World) -> String {
        match self {
            Self::Namespace(id) => format!("ns:{}", world[id].name),
            Self::Workload(id) => {
                let workload = &world[id];
                let namespace = &world[workload.namespace].name;
                format!("{namespace}/{}/{}", workload.kind.api(), workload.name)
            }
            Self::Pod(id) => pod_name(world, id),
            Self::Node(id) => format!("node:{}", world[id].name),
            Self::Nodes => "nodes".into(),
        }
    }

    fn kind(self, world: &World) -> UnitKind {
        match self {
            Self::Namespace(_) => UnitKind::Namespace,
            Self::Workload(_) => UnitKind::Workload,
            // A template stands for all pods of its workload.
            Self::Pod(id) if world[id].template && world[id].workload.is_some() => {
                UnitKind::Workload
            }
            Self::Pod(_) => UnitKind::Pod,
            Self::Node(_) | Self::Nodes => UnitKind::Node,
        }
    }

    fn order(self, world: &World) -> (Option<NamespaceId>, &str, &'static str) {
        match self {
            Self::Namespace(id) => (Some(id), "", ""),
            Self::Workload(id) => (
                Some(world[id].namespace),
                &world[id].name,
                world[id].kind.api(),
            ),
            Self::Pod(id) => (Some(world[id].namespace), &world[id].name, "Pod"),
            Self::Node(id) => (None, &world[id].name, ""),
            Self::Nodes => (None, "", ""),
        }
    }
}

impl Units {
    /// Groups endpoints and nodes; `apart` keeps nodes apart.
    pub(in crate::analysis) fn new(
        eval: &Evaluator<'_>,
        views: Views<'_>,
        by: By,
        endpoints: impl Iterator<Item = EndpointId>,
        nodes: &[NodeId],
        apart: bool,
    ) -> Self {
        let world = eval.world;
        let mut found: Vec<(Key, Vec<(Look, Party)>)> = Vec::new();
        let mut numbers: FxHashMap<Key, usize> = FxHashMap::default();
        let mut add = |key: Key, party: Party| {
            let Some(look) = views.look(eval, party) else {
                return;
            };
            let unit = *numbers.entry(key).or_insert_with(|| {
                found.push((key, Vec::new()));
                found.len() - 1
            });
            if let Some((_, members)) = found.get_mut(unit) {
                members.push((look, party));
            }
        };
        for id in endpoints.filter(|id| world[*id].lifecycle == Lifecycle::Active) {
            add(key_of(world, by, id), Party::Endpoint(id));
        }
        // Nodes that policies are about have names of their own, unless all are alike.
        let rows = |id: &NodeId| {
            Direction::BOTH.map(|direction| views.reach.side(direction).row_of_node(*id))
        };
        let alike = nodes.windows(2).all(|pair| match pair {
            [a, b] => rows(a) == rows(b),
            _ => true,
        });
        let few = nodes.len() <= FEW_NODES;
        for id in nodes {
            let own = apart || (!alike && (few || rows(id) != [RowId::EVERYTHING; 2]));
            let key = if own { Key::Node(*id) } else { Key::Nodes };
            add(key, Party::Node(*id));
        }
        found.sort_by(|(a, _), (b, _)| {
            let (a, b) = (a.order(world), b.order(world));
            (a.0.is_none(), a).cmp(&(b.0.is_none(), b))
        });
        let mut units = Self {
            units: Vec::with_capacity(found.len()),
            groups: Vec::with_capacity(found.len()),
            parties: Vec::new(),
            nodes: Vec::new(),
        };
        for (key, mut members) in found {
            members.sort_unstable();
            let called = (key.name(world), key.kind(world), key.order(world).0);
            units.push(world, called, &members);
        }
        units
    }

    /// The same units under other rows: those of a world with the same pods and nodes.
    pub(in crate::analysis) fn again(&self, eval: &Evaluator<'_>, views: Views<'_>) -> Self {
        let mut units = Self {
            units: Vec::with_capacity(self.units.len()),
            groups: Vec::with_capacity(self.groups.len()),
            parties: Vec::with_capacity(self.parties.len()),
            nodes: Vec::with_capacity(self.nodes.len()),
        };
        for unit in &self.units {
            let members = self.parties_of(unit).iter();
            let looks = members.filter_map(|party| Some((views.look(eval, *party)?, *party)));
            let mut members: Vec<_> = looks.collect();
            members.sort_unstable();
            let called = (unit.name.clone(), unit.kind, unit.namespace);
            units.push(eval.world, called, &members);
        }
        units
    }

    /// Adds a unit; its members are in order.
    fn push(
        &mut self,
        world: &World,
        (name, kind, namespace): (String, UnitKind, Option<NamespaceId>),
        members: &[(Look, Party)],
    ) {
        let (first_group, first_party) = (self.groups.len(), self.parties.len());
        for alike in members.chunk_by(|a, b| a.0 == b.0) {
            let Some((look, _)) = alike.first() else {
                continue;
            };
            let (parties, nodes) = (self.parties.len(), self.nodes.len());
            let mut places: Vec<NodeId> = Vec::new();
            for (_, party) in alike {
                self.parties.push(*party);
                places.extend(match party {
                    Party::Endpoint(id) => world[*id].node,
                    Party::Node(id) => Some(*id),
                    Party::Address(_) | Party::Name(_) => None,
                });
            }
            places.sort_unstable();
            let places = places.chunk_by(|a, b| a == b);
            self.nodes
                .extend(places.filter_map(|same| Some((*same.first()?, same.len()))));
            self.groups.push(Group {
                look: *look,
                parties: parties..self.parties.len(),
                nodes: nodes..self.nodes.len(),
            });
        }
        let groups = self.groups.get(first_group..).unwrap_or_default();
        let isolation = |row: fn(&Look) -> RowId| {
            let open = |group: &Group| row(&group.look) == RowId::EVERYTHING;
            match (groups.iter().all(open), groups.iter().any(open)) {
                (true, _) => Isolation::None,
                (false, true) => Isolation::Some,
                (false, false) => Isolation::All,
            }
        };
        let on_host = groups
            .iter()
            .filter(|group| group.look.standing == Standing::HostPod);
        let assumed = |member: &(Look, Party)| match member.1 {
            Party::Endpoint(id) => world[id].assumed,
            _ => false,
        };
        self.units.push(Unit {
            name,
            kind,
            namespace,
            members: members.len(),
            on_host: on_host.map(|group| group.parties.len()).sum(),
            assumed: members.iter().all(assumed),
            ingress: isolation(|look| look.seen.ingress),
            egress: isolation(|look| look.seen.egress),
            groups: first_group..self.groups.len(),
            parties: first_party..self.parties.len(),
            irregular: groups
                .iter()
                .any(|group| group.look.standing != Standing::Pod || group.look.conditional),
            conditional: groups.iter().any(|group| group.look.conditional),
        });
    }

    /// All units.
    #[must_use]
    pub fn all(&self) -> &[Unit] {
        &self.units
    }

    pub(in crate::analysis) fn groups_of(&self, unit: &Unit) -> &[Group] {
        self.groups.get(unit.groups.clone()).unwrap_or_default()
    }

    /// Its pods and nodes.
    #[must_use]
    pub fn parties_of(&self, unit: &Unit) -> &[Party] {
        self.parties.get(unit.parties.clone()).unwrap_or_default()
    }
}
