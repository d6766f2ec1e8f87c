//! Calico once more, as its agent sees it: texts of selectors, sets of addresses, packets.
//!
//! It shares the reading of objects and of selectors with the lowering, and nothing else: selectors are
//! put together as texts, every end is an address, and policies are walked as they are written.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::manifest::policy::calico::{
    CalicoAction, CalicoObject, CalicoPolicy, CalicoPort, CalicoPortKind, CalicoRule,
    CalicoSelectorText, EntityRule, IcmpMatch,
};
use crate::manifest::{Direction, PolicyObject};
use crate::sets::{CalicoSelector, Cidr, Family};
use crate::world::{EndpointId, NodeId, PolicyItem, World};

type Labels = BTreeMap<String, String>;

/// What has labels and addresses (C-41).
struct Known {
    labels: Labels,
    nets: Vec<ipnet::IpNet>,
    /// Name, number of the protocol, port.
    ports: Vec<(String, u8, u16)>,
}

/// A packet that opens a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub source: IpAddr,
    pub target: IpAddr,
    /// The number of the protocol.
    pub protocol: u8,
    /// The destination port; for ICMP the type and the code.
    pub port: u16,
    pub source_port: u16,
}

pub(super) struct Oracle<'w> {
    world: &'w World,
    known: Vec<Known>,
}

fn parse(text: &str) -> CalicoSelector {
    CalicoSelector::parse(text).unwrap_or_else(|error| panic!("`{text}`: {error}"))
}

fn text(selector: Option<&CalicoSelectorText>) -> String {
    selector.map_or(String::new(), |text| text.selector.to_string())
}

/// The text of a selector with a prefix before every key.
fn prefixed(selector: Option<&CalicoSelectorText>, prefix: &str) -> String {
    let prefixed = selector.map(|text| text.selector.prefixed(prefix));
    prefixed.map_or(String::new(), |selector| selector.to_string())
}

fn both(one: String, other: String) -> String {
    match (one.is_empty(), other.is_empty()) {
        (true, _) => other,
        (_, true) => one,
        _ => format!("({one}) && ({other})"),
    }
}

impl<'w> Oracle<'w> {
    pub(super) fn new(world: &'w World) -> Self {
        let mut known = Vec::new();
        for id in world.endpoint_ids() {
            if world[id].host_network.is_none() {
                known.push(pod(world, id));
            }
        }
        for item in &world.objects {
            known.extend(set_or_host(world, item));
        }
        Self { world, known }
    }

    fn in_set(&self, selector: &str, ip: IpAddr) -> bool {
        let selector = parse(selector);
        let mut known = self.known.iter();
        known.any(|known| {
            known.nets.iter().any(|net| net.contains(&ip)) && matches(&selector, &known.labels)
        })
    }

    /// Whether a pod lets a packet through in a direction.
    pub(super) fn pod_lets(&self, own: EndpointId, direction: Direction, packet: Packet) -> bool {
        self.lets(&pod(self.world, own).labels, direction, packet)
    }

    /// Whether a node does that has one host endpoint, open unless policies select it (C-64, C-65).
    pub(super) fn host_lets(&self, own: NodeId, direction: Direction, packet: Packet) -> bool {
        let node = &self.world[own].name;
        let hosts = self.world.objects.iter().filter(|item| match &item.object {
            PolicyObject::Calico(CalicoObject::HostEndpoint(host)) => host.node == *node,
            _ => false,
        });
        let labels: Vec<_> = hosts
            .map(|item| labels_of(self.world, &item.labels, ""))
            .collect();
        let [labels] = &*labels else {
            return labels.is_empty();
        };
        let failsafe: &[(u8, u16)] = match direction {
            Direction::Ingress => &[(6, 22), (17, 68)],
            Direction::Egress => &[(17, 53), (17, 67)],
        };
        let of_both = [179, 2379, 2380, 5473, 6443, 6666, 6667].map(|port| (6, port));
        let asked = (packet.protocol, packet.port);
        failsafe.contains(&asked)
            || of_both.contains(&asked)
            || self.lets(labels, direction, packet)
    }

    fn lets(&self, labels: &Labels, direction: Direction, packet: Packet) -> bool {
        let mut tiers: BTreeMap<&str, (f64, bool)> = BTreeMap::from([("default", (1e6, true))]);
        for item in &self.world.objects {
            if let PolicyObject::Calico(CalicoObject::Tier(tier)) = &item.object {
                let order = tier.order.unwrap_or(f64::INFINITY);
                tiers.insert(&item.name, (order, tier.denies));
            }
        }
        let mut tiers: Vec<_> = tiers.into_iter().collect();
        tiers.sort_by(|a, b| a.1.0.partial_cmp(&b.1.0).unwrap().then(a.0.cmp(b.0)));
        'tiers: for (tier, (_, denies)) in tiers {
            let mut policies: Vec<(&PolicyItem, &CalicoPolicy)> = Vec::new();
            for item in &self.world.objects {
                if let PolicyObject::Calico(CalicoObject::Policy(policy)) = &item.object
                    && *policy.tier == *tier
                    && policy.effective_types().contains(&direction)
                    && !policy.do_not_track
                    && !policy.pre_dnat
                    && matches(&parse(&self.selects(item, policy)), labels)
                {
                    policies.push((item, policy));
                }
            }
            if policies.is_empty() {
                continue;
            }
            let key = |item: &PolicyItem| (item.name.clone(), item.namespace);
            let order = |policy: &CalicoPolicy| policy.order.unwrap_or(f64::INFINITY);
            policies.sort_by(|a, b| {
                let order = order(a.1).partial_cmp(&order(b.1)).unwrap();
                order.then_with(|| key(a.0).cmp(&key(b.0)))
            });
            for (item, policy) in policies {
                let namespace = item.namespace.map(|id| &*self.world[id].name);
                for rule in &policy.section(direction).rules {
                    if !self.matches_rule(rule, namespace, packet) {
                        continue;
                    }
                    match rule.action {
                        CalicoAction::Allow => return true,
                        CalicoAction::Deny => return false,
                        CalicoAction::Pass => continue 'tiers,
                        CalicoAction::Log => {}
                    }
                }
            }
            if denies {
                return false;
            }
        }
        true
    }

    /// C-17..C-20.
    fn selects(&self, item: &PolicyItem, policy: &CalicoPolicy) -> String {
        let own = text(policy.selector.as_ref());
        let accounts = prefixed(policy.service_account_selector.as_ref(), "pcsa.");
        let Some(namespace) = item.namespace else {
            let mut found = own;
            let namespaces = prefixed(policy.namespace_selector.as_ref(), "pcns.");
            if !namespaces.is_empty() {
                found = both(found, namespaces);
                found = found.replace("all()", "has(projectcalico.org/namespace)");
            }
            if !accounts.is_empty() {
                found = both(found, accounts);
                found = found.replace("all()", "has(projectcalico.org/serviceaccount)");
            }
            return found;
        };
        let name = &self.world[namespace].name;
        let scope = format!("projectcalico.org/namespace == '{name}'");
        both(both(own, scope), accounts)
    }

    /// C-37..C-40.
    fn selects_end(end: &EntityRule, namespace: Option<&str>) -> String {
        let mut accounts = String::new();
        if let Some(of) = &end.service_accounts {
            accounts = prefixed(of.selector.as_ref(), "pcsa.");
            if !of.names.is_empty() {
                let names: Vec<_> = of.names.iter().map(|name| format!("'{name}'")).collect();
                let names = names.join(", ");
                let names = format!("projectcalico.org/serviceaccount in {{{names}}}");
                accounts = both(accounts, names);
            }
        }
        let selector = both(accounts, text(end.selector.as_ref()));
        let namespaces = prefixed(end.namespace_selector.as_ref(), "pcns.");
        let scope = match (namespaces.is_empty(), namespace) {
            (false, _) => namespaces
                .replace("all()", "has(projectcalico.org/namespace)")
                .replace("global()", "!has(projectcalico.org/namespace)"),
            (true, Some(name)) if !selector.is_empty() || end.not_selector.is_some() => {
                format!("projectcalico.org/namespace == '{name}'")
            }
            (true, _) => String::new(),
        };
        both(scope, selector)
    }

    fn matches_rule(&self, rule: &CalicoRule, namespace: Option<&str>, packet: Packet) -> bool {
        let family = Family::of(packet.target);
        let of_family = |cidrs: &[Cidr]| {
            let mut nets = cidrs.iter().map(|cidr| Family::of(cidr.net.addr()));
            nets.all(|other| other == family)
        };
        let ends = [&rule.source, &rule.destination];
        let nets_fit = ends
            .iter()
            .all(|end| of_family(&end.nets) && of_family(&end.not_nets));
        let is_icmp = matches!(packet.protocol, 1 | 58);
        let icmp = |found: &IcmpMatch| {
            let [kind, code] = packet.port.to_be_bytes();
            is_icmp
                && found.kind.is_none_or(|of| of == kind)
                && found.code.is_none_or(|of| of == code)
        };
        nets_fit
            && rule.ip_version.is_none_or(|version| version == family)
            && rule
                .protocol
                .is_none_or(|only| only.number == packet.protocol)
            && rule
                .not_protocol
                .is_none_or(|not| not.number != packet.protocol)
            && rule.icmp.as_ref().is_none_or(icmp)
            && !rule.not_icmp.as_ref().is_some_and(icmp)
            && self.matches_end(
                &rule.source,
                namespace,
                packet.source,
                packet,
                packet.source_port,
            )
            && self.matches_end(
                &rule.destination,
                namespace,
                packet.target,
                packet,
                packet.port,
            )
    }

    fn matches_end(
        &self,
        end: &EntityRule,
        namespace: Option<&str>,
        ip: IpAddr,
        packet: Packet,
        port: u16,
    ) -> bool {
        let has_ports = matches!(packet.protocol, 6 | 17 | 132);
        let selector = Self::selects_end(end, namespace);
        let within = |cidrs: &[Cidr]| cidrs.iter().any(|cidr| cidr.net.contains(&ip));
        let listed = |ports: &[CalicoPort]| {
            ports.iter().any(|listed| match &listed.kind {
                CalicoPortKind::Range(first, last) => has_ports && (*first..=*last).contains(&port),
                CalicoPortKind::Name(name) => self.known.iter().any(|known| {
                    let has = (name.to_string(), packet.protocol, port);
                    known.nets.iter().any(|net| net.contains(&ip)) && known.ports.contains(&has)
                }),
            })
        };
        (selector.is_empty() || self.in_set(&selector, ip))
            && end
                .not_selector
                .as_ref()
                .is_none_or(|not| !self.in_set(&text(Some(not)), ip))
            && (end.nets.is_empty() || within(&end.nets))
            && !within(&end.not_nets)
            && (end.ports.is_empty() || listed(&end.ports))
            && !listed(&end.not_ports)
    }
}

fn matches(selector: &CalicoSelector, labels: &Labels) -> bool {
    selector.matches(&|key| labels.get(key).map(String::as_str))
}

fn labels_of(world: &World, labels: &crate::world::Labels, prefix: &str) -> Labels {
    let labels = labels.iter();
    let text = |symbol| world.symbols.text(symbol).to_owned();
    labels
        .map(|(key, value)| (format!("{prefix}{}", text(*key)), text(*value)))
        .collect()
}

/// C-21.
fn of_namespace(world: &World, namespace: crate::world::NamespaceId) -> Labels {
    let name = world[namespace].name.to_string();
    let mut labels = labels_of(world, &world[namespace].labels, "pcns.");
    labels.insert("pcns.projectcalico.org/name".into(), name);
    labels
}

fn pod(world: &World, id: EndpointId) -> Known {
    let endpoint = &world[id];
    let account = world.account_of(id).to_owned();
    let mut labels = of_namespace(world, endpoint.namespace);
    labels.insert("pcsa.projectcalico.org/name".into(), account.clone());
    if let Some(of) = world.account_labels(endpoint.namespace, &account) {
        labels.extend(labels_of(world, of, "pcsa."));
    }
    labels.extend(labels_of(world, &endpoint.labels, ""));
    let name = world[endpoint.namespace].name.to_string();
    labels.insert("projectcalico.org/namespace".into(), name);
    labels.insert("projectcalico.org/orchestrator".into(), "k8s".into());
    labels.insert("projectcalico.org/serviceaccount".into(), account);
    let ports = endpoint.ports.iter().filter_map(|port| {
        let number = match port.protocol.api() {
            "TCP" => 6,
            "UDP" => 17,
            _ => 132,
        };
        Some((
            world.symbols.text(port.name?).to_owned(),
            number,
            port.number,
        ))
    });
    Known {
        labels,
        nets: endpoint.ips.iter().map(|ip| (*ip).into()).collect(),
        ports: ports.collect(),
    }
}

fn set_or_host(world: &World, item: &PolicyItem) -> Option<Known> {
    let own = labels_of(world, &item.labels, "");
    let (mut labels, mut ports) = (Labels::new(), Vec::new());
    let nets = match &item.object {
        PolicyObject::Calico(CalicoObject::NetworkSet(set)) => {
            if let Some(namespace) = item.namespace {
                labels = of_namespace(world, namespace);
                let name = world[namespace].name.to_string();
                labels.insert("projectcalico.org/namespace".into(), name);
            }
            set.nets.iter().map(|cidr| cidr.net).collect()
        }
        PolicyObject::Calico(CalicoObject::HostEndpoint(host)) => {
            let of = host.ports.iter();
            ports.extend(of.map(|of| (of.name.to_string(), of.protocol.number, of.port)));
            host.expected_ips.iter().map(|ip| (*ip).into()).collect()
        }
        _ => return None,
    };
    labels.extend(own);
    Some(Known {
        labels,
        nets,
        ports,
    })
}
