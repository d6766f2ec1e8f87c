//! The policies of one namespace, from its needs.

use std::collections::{BTreeMap, BTreeSet};

use super::needs::{Block, Need, Ports, Whom};
use super::peers::{block_peer, dns_rules, peers};
use super::units::UnitId;
use super::yaml::{Lines, MANAGED, PeerText, PolicyText, RuleText};
use super::{Labels, NamespacePlan, Plan};
use crate::diag::scalar;
use crate::facts::metadata::{Cloud, MetadataAddress, distinct_addresses};
use crate::manifest::Direction;
use crate::rules::count;
use crate::sets::Protocol;
use crate::world::{NamespaceId, World};

/// The label by which the admission of a namespace refuses host networking.
const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// More evidence than this is counted.
const MOST_WHY: usize = 3;

/// So many workloads of a rule have a comment each.
const FEW: usize = 3;

/// Needs by the unit that they are about.
pub(super) struct ByUnit<'p> {
    plan: &'p Plan,
    world: &'p World,
    of: BTreeMap<(UnitId, Direction), Vec<(&'p Whom, &'p Need)>>,
    /// The API server, for those who need it.
    api: Vec<(Whom, BTreeSet<Ports>)>,
    metadata: Vec<MetadataAddress>,
}

/// Who is asked for, and on which ports.
pub(super) type Asked<'a> = (&'a Whom, &'a BTreeSet<Ports>);

impl<'p> ByUnit<'p> {
    pub(super) fn new(world: &'p World, plan: &'p Plan) -> Self {
        let mut of: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (from, to, need) in plan.needs.iter() {
            if let Whom::Unit(unit) = from {
                let needs = of.entry((*unit, Direction::Egress)).or_default();
                needs.push((to, need));
            }
            if let Whom::Unit(unit) = to {
                let needs = of.entry((*unit, Direction::Ingress)).or_default();
                needs.push((from, need));
            }
        }
        let api = plan.api.peers().into_iter().map(|(port, whom)| {
            let port = Ports::one(Protocol::Tcp, port);
            (whom, BTreeSet::from([port]))
        });
        Self {
            plan,
            world,
            of,
            api: api.collect(),
            metadata: distinct_addresses(Cloud::ALL),
        }
    }

    /// The API server, by port.
    pub(super) fn api_server(&self) -> &[(Whom, BTreeSet<Ports>)] {
        &self.api
    }

    /// What is asked for a unit in a direction, besides DNS.
    pub(super) fn needs(&self, unit: UnitId, direction: Direction) -> &[(&'p Whom, &'p Need)] {
        self.of.get(&(unit, direction)).map_or(&[], Vec::as_slice)
    }

    /// Everything that is asked for a unit in a direction.
    pub(super) fn asked(&self, unit: UnitId, direction: Direction) -> Vec<Asked<'_>> {
        let needs = self.needs(unit, direction).iter();
        let mut asked: Vec<Asked<'_>> = needs.map(|(whom, need)| (*whom, &need.ports)).collect();
        if direction == Direction::Egress {
            asked.extend(self.plan.dns.peers.iter());
            if self.plan.api_users.contains_key(&unit) {
                asked.extend(self.api.iter().map(|(whom, ports)| (whom, ports)));
            }
        }
        asked
    }

    /// Everybody who is asked for by somebody, each once.
    pub(super) fn everybody_asked(&self) -> BTreeSet<&Whom> {
        let needs = self.plan.needs.iter();
        let ends = needs.flat_map(|(from, to, _)| [from, to]);
        let dns = self.plan.dns.peers.keys();
        let api = self.api.iter().map(|(whom, _)| whom);
        ends.chain(dns).chain(api).collect()
    }

    fn peers(&self, whom: &'p Whom, of: NamespaceId) -> Vec<PeerText<'p>> {
        peers(self.world, self.plan, whom, Some(of))
    }

    fn whom_name(&self, whom: &Whom) -> String {
        match whom {
            Whom::Unit(id) => self.plan.units.name(self.world, *id),
            Whom::AllPods => "every pod of the cluster".to_owned(),
            Whom::Blocks(blocks) => match blocks.as_slice() {
                [one] => one.net.to_string(),
                _ => "these addresses".to_owned(),
            },
            Whom::Internet => "public addresses".to_owned(),
            Whom::Everyone => "any address".to_owned(),
        }
    }

    /// The rules of a unit in one direction.
    fn rules(&'p self, unit: UnitId, direction: Direction) -> Vec<RuleText<'p>> {
        let namespace = self.plan.units[unit].namespace;
        let word = match direction {
            Direction::Ingress => "from",
            Direction::Egress => "to",
        };
        let needs = self.needs(unit, direction);
        let open: Vec<&Need> = needs
            .iter()
            .filter(|(whom, _)| **whom == Whom::Internet)
            .map(|(_, need)| *need)
            .collect();
        let mut rules: Vec<RuleText<'p>> = Vec::new();
        // For each rule that workloads share: who they are, and why.
        let mut shared: BTreeMap<usize, Vec<(String, String)>> = BTreeMap::new();
        let mut addresses: BTreeMap<(&BTreeSet<Ports>, String), Vec<Block>> = BTreeMap::new();
        for (whom, need) in needs {
            if let Whom::Blocks(blocks) = whom {
                if !open
                    .iter()
                    .any(|internet| self.is_within(blocks, need, internet))
                {
                    let known = addresses
                        .entry((&need.ports, self.because(need)))
                        .or_default();
                    known.extend(blocks.iter().cloned());
                }
                continue;
            }
            let peers = self.peers(whom, namespace);
            if peers.is_empty() {
                continue;
            }
            let because = self.because(need);
            if !matches!(whom, Whom::Unit(_)) {
                rules.push(RuleText {
                    comments: vec![format!("{word} {}: {because}", self.whom_name(whom))],
                    peers,
                    ports: need.ports.clone(),
                });
                continue;
            }
            // Workloads that use the same ports share a rule.
            let mut known = shared.keys().copied();
            let known = known.find(|at| {
                let rule = rules.get(*at);
                rule.is_some_and(|rule| rule.ports == need.ports)
            });
            let at = known.unwrap_or(rules.len());
            match rules.get_mut(at) {
                Some(rule) => rule.peers.extend(peers),
                None => rules.push(RuleText {
                    comments: Vec::new(),
                    peers,
                    ports: need.ports.clone(),
                }),
            }
            let whom = (self.whom_name(whom), because);
            shared.entry(at).or_default().push(whom);
        }
        for (at, whom) in shared {
            if let Some(rule) = rules.get_mut(at) {
                rule.comments = reasons(word, &whom);
                rule.join_peers();
            }
        }
        for ((ports, because), blocks) in addresses {
            let peers = blocks.iter().map(block_peer).collect();
            let whom = self.whom_name(&Whom::Blocks(blocks));
            rules.push(RuleText {
                comments: vec![format!("{word} {whom}: {because}")],
                peers,
                ports: ports.clone(),
            });
        }
        if let (Direction::Egress, Some(why)) = (direction, self.plan.api_users.get(&unit)) {
            for (whom, ports) in &self.api {
                rules.push(RuleText {
                    comments: vec![format!(
                        "to the API server: {}",
                        said(why.iter().map(|why| &*why.text))
                    )],
                    peers: self.peers(whom, namespace),
                    ports: ports.clone(),
                });
            }
        }
        rules
    }

    /// Whether public addresses are allowed anyway, by the rule about all of them.
    fn is_within(&self, blocks: &[Block], need: &Need, internet: &Need) -> bool {
        let inside = |block: &Block| {
            let mut wide = self.plan.internet.blocks.iter();
            wide.any(|wide| {
                wide.net.contains(&block.net)
                    && !wide
                        .except
                        .iter()
                        .any(|net| net.contains(&block.net) || block.net.contains(net))
            })
        };
        let covered = |ports: &Ports| match ports {
            Ports::All => internet.ports.contains(&Ports::All),
            Ports::Range(protocol, first, last) => {
                let mut wide = internet.ports.iter();
                wide.any(|wide| wide.covers(*protocol, *first, *last))
            }
        };
        blocks.iter().all(inside) && need.ports.iter().all(covered)
    }

    fn because(&self, need: &Need) -> String {
        let mut text = said(need.texts());
        if need.times > 0 {
            let times = match need.times {
                1 => "once".to_owned(),
                more => format!("{more} times"),
            };
            text = text.replace("recorded flows", &format!("recorded {times}"));
        }
        text
    }

    fn policy(&'p self, unit: UnitId, name: &str) -> Option<PolicyText<'p>> {
        let own = &self.plan.units[unit];
        let mut types = Vec::new();
        let (ingress, egress) = (
            self.rules(unit, Direction::Ingress),
            self.rules(unit, Direction::Egress),
        );
        let mut trailing = Vec::new();
        let without_address =
            self.plan.api_users.contains_key(&unit) && self.plan.api.addresses.is_empty();
        if without_address {
            trailing = PLACEHOLDER.iter().map(|line| (*line).to_owned()).collect();
            if egress.is_empty() {
                trailing.insert(0, "egress:".to_owned());
            }
        }
        if !ingress.is_empty() {
            types.push(Direction::Ingress);
        }
        if !egress.is_empty() || without_address {
            types.push(Direction::Egress);
        }
        if types.is_empty() {
            return None;
        }
        Some(PolicyText {
            comments: Vec::new(),
            name: name.to_owned(),
            namespace: self.world[own.namespace].name.to_string(),
            pods: &own.selector,
            types,
            ingress,
            egress,
            trailing,
        })
    }

    /// The set of a namespace.
    pub(super) fn namespace(&self, id: NamespaceId) -> NamespacePlan {
        let namespace = &self.world[id];
        let name = namespace.name.to_string();
        let mut policies = vec![self.default_deny(&name)];
        policies.extend(self.dns(&name, id));
        let mut names: BTreeSet<String> =
            policies.iter().map(|policy| policy.name.clone()).collect();
        let kept: BTreeSet<&str> = match self.plan.keeps {
            true => namespace
                .policies
                .iter()
                .map(|id| &*self.world[*id].name)
                .collect(),
            false => BTreeSet::new(),
        };
        for policy in &mut policies {
            policy.name = free(&policy.name, "baseline", |name| kept.contains(name));
        }
        let units = self.plan.units.of_namespace(id);
        let (mut host_network, mut opens_metadata) = (Vec::new(), Vec::new());
        for unit in units {
            let own = &self.plan.units[*unit];
            if own.host_network {
                host_network.push(*unit);
                continue;
            }
            let kind = own.kind.to_ascii_lowercase();
            let taken = |name: &str| names.contains(name) || kept.contains(name);
            let wanted = free(&own.name, &kind, taken);
            if let Some(policy) = self.policy(*unit, &wanted) {
                if self.opens_metadata(*unit) {
                    opens_metadata.push(wanted.clone());
                }
                names.insert(wanted);
                policies.push(policy);
            }
        }
        let replaces: Vec<_> = match self.plan.keeps {
            true => Vec::new(),
            false => namespace.policies.clone(),
        };
        let mut out = Lines::default();
        out.comment(
            0,
            &format!(
                "What namespace {name} needs, and nothing else. Made by `watertight baseline`."
            ),
        );
        let mut gone: Vec<&str> = replaces.iter().map(|id| &*self.world[*id].name).collect();
        gone.retain(|name| !policies.iter().any(|policy| policy.name == *name));
        gone.sort_unstable();
        if !gone.is_empty() {
            out.comment(
                0,
                &format!(
                    "It takes the place of the {} of today. Policies add up, so delete what has no \
                     successor here:",
                    count(replaces.len(), "policy")
                ),
            );
            out.line(
                0,
                &format!(
                    "#   kubectl -n {name} delete networkpolicy {}",
                    gone.join(" ")
                ),
            );
        }
        if !host_network.is_empty() {
            let names = host_network.iter().map(|id| &*self.plan.units[*id].name);
            let names: Vec<_> = names.collect();
            out.comment(
                0,
                &format!(
                    "No policy is about {}: on the host network pods are their node.",
                    names.join(", ")
                ),
            );
        }
        let mut body = Lines::default();
        let pod_security = self.pod_security(id, &host_network, &mut body);
        for policy in &policies {
            policy.write(&mut body);
        }
        out.text.push('\n');
        out.text.push_str(&body.text);
        NamespacePlan {
            namespace: id,
            text: out.text,
            policies: policies.into_iter().map(|policy| policy.name).collect(),
            deletes: gone.into_iter().map(str::to_owned).collect(),
            replaces,
            host_network,
            pod_security,
            opens_metadata,
        }
    }

    /// Whether somebody asked for a metadata service for a unit.
    fn opens_metadata(&self, unit: UnitId) -> bool {
        let mut needs = self.needs(unit, Direction::Egress).iter();
        needs.any(|(whom, need)| match whom {
            Whom::Blocks(blocks) if need.was_asked_for() => {
                let mut known = self.metadata.iter();
                known.any(|known| blocks.iter().any(|block| block.contains(known.address)))
            }
            _ => false,
        })
    }

    fn default_deny(&self, namespace: &str) -> PolicyText<'static> {
        PolicyText {
            comments: vec!["Nothing enters or leaves unless a policy below allows it.".to_owned()],
            name: "default-deny".to_owned(),
            namespace: namespace.to_owned(),
            pods: &[],
            types: vec![Direction::Ingress, Direction::Egress],
            ingress: Vec::new(),
            egress: Vec::new(),
            trailing: Vec::new(),
        }
    }

    fn dns(&self, namespace: &str, of: NamespaceId) -> Option<PolicyText<'p>> {
        let dns = &self.plan.dns;
        let rules = dns_rules(self.world, self.plan, Some(of));
        if rules.is_empty() {
            return None;
        }
        let speaks = |protocol| {
            let mut ports = dns.peers.values().flatten();
            ports.any(|ports| matches!(ports, Ports::Range(own, ..) if *own == protocol))
        };
        let mut comments = vec![
            match speaks(Protocol::Tcp) {
                true => "Every pod asks the DNS of the cluster, over TCP where an answer is long.",
                false => "Every pod asks the DNS of the cluster, whose Service has no TCP port.",
            }
            .to_owned(),
        ];
        comments.extend(dns.comments.iter().cloned());
        Some(PolicyText {
            comments,
            name: "allow-dns".to_owned(),
            namespace: namespace.to_owned(),
            pods: &[],
            types: vec![Direction::Egress],
            ingress: Vec::new(),
            egress: rules,
            trailing: Vec::new(),
        })
    }

    /// The Namespace with the label that keeps pods off the host network, unless it has one.
    fn pod_security(&self, id: NamespaceId, on_host: &[UnitId], out: &mut Lines) -> Labels {
        let namespace = &self.world[id];
        match self.world.namespace_label(id, ENFORCE) {
            Some("baseline" | "restricted") => return Labels::There,
            Some(level) => return Labels::Other(level.to_owned()),
            None if !on_host.is_empty() => return Labels::HostNetwork,
            None => {}
        }
        let kept = self.plan.kept.get(&id);
        let pairs = |label: bool| {
            let all = kept.into_iter().flatten();
            all.filter(move |(is_label, ..)| *is_label == label)
        };
        out.document();
        out.comment(
            0,
            "No policy is about pods on the host network: the namespace must not admit any.",
        );
        if namespace.span.is_some() {
            out.comment(0, "The rest is as it is today; only the label is new.");
        }
        out.line(0, "apiVersion: v1");
        out.line(0, "kind: Namespace");
        out.line(0, "metadata:");
        out.line(1, &format!("name: {}", scalar(&namespace.name)));
        out.line(1, "labels:");
        let mut labels: BTreeMap<&str, &str> = pairs(true)
            .map(|(_, key, value)| (&**key, &**value))
            .collect();
        labels.insert(ENFORCE, "baseline");
        for (key, value) in labels {
            out.line(2, &format!("{}: {}", scalar(key), scalar(value)));
        }
        if pairs(false).next().is_some() {
            out.line(1, "annotations:");
            for (_, key, value) in pairs(false) {
                out.line(2, &format!("{}: {}", scalar(key), scalar(value)));
            }
        }
        Labels::Added
    }
}

/// What stands where the API server's addresses belong.
const PLACEHOLDER: &[&str] = &[
    "To the API server, whose addresses are not in the input. Fill in those of",
    "`kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes`:",
    "- to:",
    "  - ipBlock:",
    "      cidr: ADDRESS/32",
    "  ports:",
    "  - protocol: TCP",
    "    port: 6443",
];

/// A comment for each of a few workloads, or for each reason of many.
fn reasons(word: &str, whom: &[(String, String)]) -> Vec<String> {
    let mut by_reason: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut at: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, because) in whom {
        let known = at.get(because.as_str()).filter(|_| whom.len() > FEW);
        match known.and_then(|at| by_reason.get_mut(*at)) {
            Some((_, names)) => names.push(name),
            None => {
                at.insert(because, by_reason.len());
                by_reason.push((because, vec![name]));
            }
        }
    }
    let comments = by_reason.into_iter();
    comments
        .map(|(because, names)| format!("{word} {}: {because}", names.join(", ")))
        .collect()
}

fn said<'a>(why: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    let mut more = 0_usize;
    for (at, why) in why.enumerate() {
        if at >= MOST_WHY {
            more += 1;
            continue;
        }
        if at > 0 {
            text.push_str("; ");
        }
        text.push_str(why);
    }
    if more > 0 {
        text.push_str(&format!("; {more} more"));
    }
    text
}

/// A name that nobody has: with a word behind it, or a number.
fn free(wanted: &str, word: &str, taken: impl Fn(&str) -> bool) -> String {
    if !taken(wanted) {
        return wanted.to_owned();
    }
    let with_word = format!("{wanted}-{word}");
    if !taken(&with_word) {
        return with_word;
    }
    let mut number = 2_u32;
    loop {
        let name = format!("{with_word}-{number}");
        if !taken(&name) {
            return name;
        }
        number += 1;
    }
}

/// The label that everything has that is made here, as text.
pub(super) fn managed() -> String {
    format!("{}: {}", MANAGED.0, MANAGED.1)
}
