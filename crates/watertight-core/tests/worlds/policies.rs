//! Policies before the addresses of the cluster are known.

use std::net::IpAddr;

use proptest::prelude::*;

use super::addresses::{self, RawBlock};
use crate::oracle::objects::{
    Expression, Labels, Peer, Policy, PortItem, PortValue, Rule, Selector, Spec,
};

pub(super) const PORTS: &[u16] = &[80, 81, 443, 53, 8080, 1, 65535];
pub(super) const PORT_NAMES: &[&str] = &["http", "dns"];
pub(super) const NAMESPACES: &[&str] = &["x", "default", "y", "z"];
/// `name` and its prefixed form are two keys (K-45).
pub(super) const POD_KEYS: &[&str] = &["app", "tier", "name", "app.kubernetes.io/name"];
pub(super) const POD_VALUES: &[&str] = &["web", "db", ""];
pub(super) const NAMESPACE_KEYS: &[&str] = &["team", "kubernetes.io/metadata.name", "name"];
pub(super) const NAMESPACE_VALUES: &[&str] = &["red", "x", "y", "default", ""];

#[derive(Clone, Debug)]
pub(super) struct RawPolicy {
    namespace: usize,
    spec: Option<RawSpec>,
}

#[derive(Clone, Debug)]
struct RawSpec {
    pods: Option<Selector>,
    types: Option<Vec<&'static str>>,
    ingress: Option<Vec<RawRule>>,
    egress: Option<Vec<RawRule>>,
}

#[derive(Clone, Debug)]
struct RawRule {
    peers: Option<Vec<RawPeer>>,
    ports: Option<Vec<PortItem>>,
}

#[derive(Clone, Debug)]
enum RawPeer {
    Block(RawBlock),
    Selectors(Option<Selector>, Option<Selector>),
}

pub(super) fn one_of<T: Copy + std::fmt::Debug + 'static>(
    items: &'static [T],
) -> impl Strategy<Value = T> {
    prop::sample::select(items)
}

/// TCP, mostly; missing is TCP too (K-47).
pub(super) fn protocol() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![
        3 => Just(None),
        3 => Just(Some("TCP")),
        2 => Just(Some("UDP")),
        1 => Just(Some("SCTP")),
    ]
}

pub(super) fn labels(
    keys: &'static [&'static str],
    values: &'static [&'static str],
    most: usize,
) -> impl Strategy<Value = Labels> {
    let pair = (one_of(keys), one_of(values)).prop_map(|(key, value)| (key.into(), value.into()));
    prop::collection::vec(pair, 0..=most).prop_map(|pairs| pairs.into_iter().collect())
}

fn expression(
    keys: &'static [&'static str],
    values: &'static [&'static str],
) -> impl Strategy<Value = Expression> {
    let listed = prop::collection::vec(one_of(values), 1..=2);
    let operator = prop_oneof![
        (one_of(&["In", "NotIn"]), listed).prop_map(|(operator, values)| (operator, Some(values))),
        (one_of(&["Exists", "DoesNotExist"]), any::<bool>())
            .prop_map(|(operator, empty)| (operator, empty.then(Vec::new))),
    ];
    (one_of(keys), operator).prop_map(|(key, (operator, values))| Expression {
        key: key.into(),
        operator,
        values: values.map(|values| values.into_iter().map(str::to_owned).collect()),
    })
}

fn selector(
    keys: &'static [&'static str],
    values: &'static [&'static str],
) -> impl Strategy<Value = Selector> {
    let labels = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Labels::new())),
        3 => labels(keys, values, 2).prop_map(Some),
    ];
    let expressions = prop::collection::vec(expression(keys, values), 0..=2);
    (labels, prop::option::weighted(0.4, expressions)).prop_map(|(labels, expressions)| Selector {
        match_labels: labels,
        match_expressions: expressions,
    })
}

pub(super) fn pods() -> impl Strategy<Value = Selector> {
    selector(POD_KEYS, POD_VALUES)
}

pub(super) fn namespaces() -> impl Strategy<Value = Selector> {
    selector(NAMESPACE_KEYS, NAMESPACE_VALUES)
}

fn peer() -> impl Strategy<Value = RawPeer> {
    prop_oneof![
        2 => pods().prop_map(|pods| RawPeer::Selectors(Some(pods), None)),
        2 => namespaces().prop_map(|scope| RawPeer::Selectors(None, Some(scope))),
        2 => (pods(), namespaces())
            .prop_map(|(pods, scope)| RawPeer::Selectors(Some(pods), Some(scope))),
        3 => addresses::block().prop_map(RawPeer::Block),
    ]
}

fn port() -> impl Strategy<Value = PortItem> {
    let number = (one_of(PORTS), prop::option::weighted(0.3, one_of(PORTS)));
    let number = number.prop_map(|(first, last)| {
        let last = last.map(|last| last.max(first));
        (Some(PortValue::Number(first)), last)
    });
    let named = one_of(PORT_NAMES).prop_map(|name| (Some(PortValue::Name(name.into())), None));
    let port = prop_oneof![4 => number, 3 => named, 1 => Just((None, None))];
    (protocol(), port).prop_map(|(protocol, (port, end_port))| PortItem {
        protocol,
        port,
        end_port,
    })
}

fn rule() -> impl Strategy<Value = RawRule> {
    let peers = prop::collection::vec(peer(), 0..=3);
    let ports = prop::collection::vec(port(), 0..=3);
    (
        prop::option::weighted(0.8, peers),
        prop::option::weighted(0.6, ports),
    )
        .prop_map(|(peers, ports)| RawRule { peers, ports })
}

fn section() -> impl Strategy<Value = Option<Vec<RawRule>>> {
    prop::option::weighted(0.7, prop::collection::vec(rule(), 0..=3))
}

fn types() -> impl Strategy<Value = Option<Vec<&'static str>>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(Some(vec![])),
        2 => Just(Some(vec!["Ingress"])),
        2 => Just(Some(vec!["Egress"])),
        2 => Just(Some(vec!["Ingress", "Egress"])),
        1 => Just(Some(vec!["Egress", "Egress"])),
    ]
}

pub(super) fn policy() -> impl Strategy<Value = RawPolicy> {
    let pods = prop_oneof![
        1 => Just(None),
        2 => Just(Some(Selector::default())),
        3 => pods().prop_map(Some),
    ];
    let spec =
        (pods, types(), section(), section()).prop_map(|(pods, types, ingress, egress)| RawSpec {
            pods,
            types,
            ingress,
            egress,
        });
    let spec = prop::option::weighted(0.95, spec);
    (0..NAMESPACES.len(), spec).prop_map(|(namespace, spec)| RawPolicy { namespace, spec })
}

impl RawPolicy {
    pub(super) fn finish(&self, at: usize, namespaces: usize, pool: &[IpAddr]) -> Policy {
        let rules = |rules: &Option<Vec<RawRule>>| {
            let rules = rules.as_ref()?.iter();
            Some(rules.map(|rule| rule.finish(pool)).collect())
        };
        Policy {
            namespace: NAMESPACES[self.namespace % namespaces].into(),
            name: format!("p{at}"),
            spec: self.spec.as_ref().map(|spec| Spec {
                pod_selector: spec.pods.clone(),
                policy_types: spec.types.clone(),
                ingress: rules(&spec.ingress),
                egress: rules(&spec.egress),
            }),
        }
    }
}

impl RawRule {
    fn finish(&self, pool: &[IpAddr]) -> Rule {
        let peer = |peer: &RawPeer| match peer {
            RawPeer::Block(block) => Peer {
                ip_block: Some(block.around(pool)),
                ..Peer::default()
            },
            RawPeer::Selectors(pods, namespaces) => Peer {
                pod_selector: pods.clone(),
                namespace_selector: namespaces.clone(),
                ip_block: None,
            },
        };
        Rule {
            peers: self
                .peers
                .as_ref()
                .map(|peers| peers.iter().map(peer).collect()),
            ports: self.ports.clone(),
        }
    }
}
