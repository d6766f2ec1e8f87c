//! Why a rule that is meant for DNS does not let queries through, in words for a label.

use std::net::IpAddr;

use super::{Resolvers, covers, has_labels, listens, names_dns, takes_port};
use crate::policy::{EndpointSelector, NamespaceScope, Peer, Rule};
use crate::rules::Context;
use crate::rules::proposal::scalar;
use crate::sets::{IpBlock, LabelSelector, Operator, Protocol, Requirement};
use crate::source::Span;
use crate::world::{EndpointId, NAME_LABEL};

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) enum Why {
    /// It admits the servers, on other ports.
    Ports,
    /// Its selectors ask for other labels.
    Labels,
    /// It has no `namespaceSelector`, and the servers are in another namespace (K-24).
    OwnNamespace,
    /// It asks for a label of a namespace whose labels are not in the input (M-3).
    UnknownLabels,
    /// Its selectors fit, but the servers are on the host network (K-72).
    HostNetwork,
    /// It names the DNS Service's address, which policy does not see (K-79).
    ServiceAddress,
    /// It is a block, and the engine matches no pods by blocks (K-65).
    Engine,
    /// It is a block of the address family that queries do not use (K-66).
    Family,
    /// It is for a resolver outside the cluster, or for pods that listen for DNS themselves.
    OtherResolver,
}

/// Why a rule misses the servers.
#[derive(Clone, Debug)]
pub(in crate::rules) struct Miss {
    /// What is wrong.
    pub(in crate::rules) why: Why,
    /// The line.
    pub(in crate::rules) span: Span,
    /// The remark for it.
    pub(in crate::rules) text: String,
    /// What to write there instead, where that is certain.
    pub(in crate::rules) repair: Option<String>,
}

/// How far a peer is from a server; fewer faults are nearer.
struct Near {
    faults: usize,
    miss: Miss,
}

impl Resolvers {
    /// Why a rule lets no query over a protocol through; none if it does let one through.
    pub(in crate::rules) fn miss(
        &self,
        context: &Context<'_>,
        rule: &Rule,
        protocol: Protocol,
    ) -> Option<Miss> {
        let servers: Vec<EndpointId> = self.classes.iter().map(|c| c.server.endpoint).collect();
        let admitted: Vec<_> = self
            .classes
            .iter()
            .filter(|class| {
                let server = class.server.endpoint;
                rule.peers
                    .iter()
                    .any(|peer| self.admits(context, peer, server))
            })
            .collect();
        if admitted.is_empty() {
            return self.peer_miss(context, rule, &servers);
        }
        let through = admitted.iter().any(|class| {
            listens(&class.server, protocol).is_some_and(|port| {
                let takes =
                    |item| takes_port(context.world, item, class.server.endpoint, protocol, port);
                rule.traffic.iter().any(takes)
            })
        });
        if through {
            return None;
        }
        let span = rule.traffic.iter().find(|item| names_dns(item))?.span()?;
        let mut ports: Vec<u16> = admitted
            .iter()
            .filter_map(|class| listens(&class.server, protocol))
            .collect();
        ports.sort_unstable();
        ports.dedup();
        let ports: Vec<_> = ports
            .iter()
            .map(|port| format!("{port}/{}", protocol.word()))
            .collect();
        Some(Miss {
            why: Why::Ports,
            span,
            text: format!("the DNS servers listen on {}", ports.join(" and ")),
            repair: None,
        })
    }

    fn peer_miss(
        &self,
        context: &Context<'_>,
        rule: &Rule,
        servers: &[EndpointId],
    ) -> Option<Miss> {
        let mut nearest: Option<Near> = None;
        for peer in &rule.peers {
            let found = match peer {
                Peer::Block(block, _) => {
                    let (why, text) = self.block_miss(context, block);
                    let miss = Miss {
                        why,
                        span: block.cidr.span,
                        text: text.into(),
                        repair: None,
                    };
                    Some(Near { faults: 2, miss })
                }
                Peer::Endpoints(selector, span) => {
                    if self.is_other_resolver(context, selector) {
                        let text = "these pods are none of the cluster's DNS servers";
                        return Some(Miss {
                            why: Why::OtherResolver,
                            span: *span,
                            text: text.into(),
                            repair: None,
                        });
                    }
                    let each = servers
                        .iter()
                        .filter_map(|server| self.near(context, selector, *span, *server));
                    each.min_by_key(|near| near.faults)
                }
                _ => None,
            };
            if let Some(found) = found
                && nearest
                    .as_ref()
                    .is_none_or(|best| found.faults < best.faults)
            {
                nearest = Some(found);
            }
        }
        nearest.map(|near| near.miss)
    }

    fn block_miss(&self, context: &Context<'_>, block: &IpBlock) -> (Why, &'static str) {
        let only = |ip: &IpAddr| {
            let length = if ip.is_ipv4() { 32 } else { 128 };
            block.contains(*ip) && block.cidr.net.prefix_len() == length
        };
        let covered = self.classes.iter().any(|class| {
            let ips = &context.world[class.server.endpoint].ips;
            covers(context.world, block, ips, self.family())
        });
        if self.service_ips.iter().any(only) {
            let text = "this is the address of the DNS Service; policy sees the pods behind it";
            (Why::ServiceAddress, text)
        } else if covered {
            (
                Why::Engine,
                "this engine matches no pod or node by its address",
            )
        } else if block.is_whole_family() {
            (
                Why::Family,
                "the DNS servers are asked over the other address family",
            )
        } else {
            (
                Why::OtherResolver,
                "this is none of the cluster's DNS servers",
            )
        }
    }

    /// Whether a selector selects pods that are no servers of the cluster and listen for DNS.
    fn is_other_resolver(&self, context: &Context<'_>, selector: &EndpointSelector) -> bool {
        let world = context.world;
        let every_namespace = matches!(
            &selector.namespaces,
            NamespaceScope::Matching(labels) if labels.is_empty()
        );
        // A selector as wide as that is not for one resolver.
        !(every_namespace && selector.pods.is_empty())
            && self
                .listeners
                .iter()
                .any(|id| has_labels(world, selector, *id))
    }

    fn near(
        &self,
        context: &Context<'_>,
        selector: &EndpointSelector,
        span: Span,
        server: EndpointId,
    ) -> Option<Near> {
        let world = context.world;
        let namespace = world[server].namespace;
        let name = &world[namespace].name;
        let mut faults = 0;
        let mut first: Option<Miss> = None;
        match &selector.namespaces {
            NamespaceScope::Only(own) if *own != namespace => {
                faults += 1;
                first = Some(Miss {
                    why: Why::OwnNamespace,
                    span,
                    text: format!(
                        "without `namespaceSelector` this means pods of `{}` (K-24); the DNS \
                         servers are in `{name}`",
                        world[*own].name
                    ),
                    repair: None,
                });
            }
            NamespaceScope::Only(_) => {}
            NamespaceScope::Matching(labels) => {
                let unknown = world.assumed.namespaces.contains(&namespace);
                for requirement in &labels.requirements {
                    let value = world.namespace_label(namespace, &requirement.key);
                    if holds(requirement, value) {
                        continue;
                    }
                    faults += 1;
                    let why = if unknown && &*requirement.key != NAME_LABEL {
                        Why::UnknownLabels
                    } else {
                        Why::Labels
                    };
                    let of = format!("namespace `{name}` of the DNS servers");
                    let right = (NAME_LABEL.to_owned(), name.to_string());
                    let miss = fault(context, labels, requirement, value, &of, "has", &right);
                    let text = match why {
                        Why::UnknownLabels => {
                            format!("the input does not tell whether {of} has this label")
                        }
                        _ => miss.text.clone(),
                    };
                    first = first.or(Some(Miss { why, text, ..miss }));
                }
            }
        }
        let right = self.server_labels(context, server).into_iter().next();
        for requirement in &selector.pods.requirements {
            let value = world.label(server, &requirement.key);
            if holds(requirement, value) {
                continue;
            }
            faults += 1;
            let right = right.clone().unwrap_or_default();
            let own = value.map(|value| (requirement.key.to_string(), value.to_owned()));
            let right = own.unwrap_or(right);
            let of = "the DNS servers";
            let miss = fault(
                context,
                &selector.pods,
                requirement,
                value,
                of,
                "have",
                &right,
            );
            first = first.or(Some(miss));
        }
        let mut miss = match first {
            Some(miss) => miss,
            None if !self.selectable(context, server) => Miss {
                why: Why::HostNetwork,
                span,
                text: "these pods run on the host network, where no selector matches them".into(),
                repair: None,
            },
            None => return None,
        };
        if faults > 1 || miss.why != Why::Labels {
            miss.repair = None;
        }
        Some(Near { faults, miss })
    }
}

fn holds(requirement: &Requirement, value: Option<&str>) -> bool {
    let listed = |values: &[Box<str>]| {
        value.is_some_and(|value| values.iter().any(|listed| **listed == *value))
    };
    match &requirement.operator {
        Operator::In(values) => listed(values),
        Operator::NotIn(values) => !listed(values),
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
    }
}

/// A requirement that the labels of `of` do not meet; `right` is the label to ask for instead.
fn fault(
    context: &Context<'_>,
    selector: &LabelSelector,
    requirement: &Requirement,
    value: Option<&str>,
    of: &str,
    verb: &str,
    right: &(String, String),
) -> Miss {
    let Requirement {
        key,
        operator,
        span,
    } = requirement;
    let (good_key, good_value) = right;
    let known = !good_key.is_empty();
    let text = match (operator, value) {
        (Operator::In(_), Some(value)) => format!("{of} {verb} `{key}={value}`"),
        (Operator::In(_) | Operator::Exists, _) if known => {
            format!("{of} {verb} no label `{key}`; there is `{good_key}={good_value}`")
        }
        (Operator::In(_) | Operator::Exists, _) => format!("{of} {verb} no label `{key}`"),
        (_, Some(value)) => format!("{of} {verb} `{key}={value}`"),
        (_, None) => format!("{of} {verb} other labels"),
    };
    // Only an entry of `matchLabels` on one line can be replaced as a text.
    let repair = match operator {
        Operator::In(values) => match values.as_slice() {
            [asked] if known => {
                let repeats = selector
                    .requirements
                    .iter()
                    .any(|other| other.key != *key && *other.key == **good_key);
                let text = context.sources.text(*span);
                let json = format!("\"{key}\": \"{asked}\"");
                let plain = [
                    format!("{key}: {asked}"),
                    format!("{key}: \"{asked}\""),
                    format!("{key}: '{asked}'"),
                ];
                if repeats {
                    None
                } else if text == json {
                    Some(format!("\"{good_key}\": \"{good_value}\""))
                } else if plain.iter().any(|plain| plain == text) {
                    Some(format!("{}: {}", scalar(good_key), scalar(good_value)))
                } else {
                    None
                }
            }
            _ => None,
        },
        _ => None,
    };
    Miss {
        why: Why::Labels,
        span: *span,
        text,
        repair,
    }
}
