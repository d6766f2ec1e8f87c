//! An item of `ingress`, `ingressDeny`, `egress` or `egressDeny`.

use super::peers::{self, CiliumPeers, FqdnSelector, Lists};
use super::ports::{self, IcmpType, L7, PortGroup};
use crate::diag::{Finding, Fix};
use crate::document::Node;
use crate::manifest::Direction;
use crate::manifest::decode::{Decoder, Unknown};
use crate::rules::reading;
use crate::source::Span;

/// An item: its peers AND its traffic (L-32).
#[derive(Clone, Debug)]
pub struct CiliumItem {
    /// The peers.
    pub peers: CiliumPeers,
    /// Where they are written, be it an empty list.
    pub peers_span: Option<Span>,
    /// The traffic.
    pub traffic: CiliumTraffic,
    /// What the peers have to prove.
    pub authentication: Authentication,
    /// Where the item is.
    pub span: Span,
}

impl CiliumItem {
    /// Whether it matches nobody as it is written, so that it does nothing but isolate (L-15,
    /// L-28, L-30).
    #[must_use]
    pub fn matches_nobody(&self) -> bool {
        match self.peers {
            CiliumPeers::Nobody => true,
            CiliumPeers::Unwritten => matches!(self.traffic, CiliumTraffic::Everything),
            _ => false,
        }
    }

    /// The DNS names that are its peers, if they are.
    pub fn names(&self) -> impl Iterator<Item = &FqdnSelector> {
        let names: &[FqdnSelector] = match &self.peers {
            CiliumPeers::Fqdns(names) => names,
            _ => &[],
        };
        names.iter()
    }

    /// The DNS names that its DNS rules admit lookups of.
    pub fn lookups(&self) -> impl Iterator<Item = &FqdnSelector> {
        let groups: &[PortGroup] = match &self.traffic {
            CiliumTraffic::Ports(groups) => groups,
            _ => &[],
        };
        groups.iter().flat_map(|group| {
            let names: &[FqdnSelector] = match &group.l7 {
                Some(L7::Dns(names)) => names,
                _ => &[],
            };
            names
        })
    }
}

/// The traffic of an item.
#[derive(Clone, Debug)]
pub enum CiliumTraffic {
    /// Neither `toPorts` nor `icmps`: everything, ICMP included (L-31).
    Everything,
    /// `toPorts`: any of them (L-34).
    Ports(Vec<PortGroup>),
    /// `icmps`: any of them (L-65).
    Icmp(Vec<IcmpType>),
}

/// `authentication.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Nothing is asked for.
    None,
    /// Both sides have to prove who they are.
    Required,
    /// Always fails; there for tests.
    AlwaysFails,
}

/// Where an item stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of {
    /// The direction.
    pub direction: Direction,
    /// Whether it denies.
    pub deny: bool,
    /// Whether the rule has a `nodeSelector`.
    pub host: bool,
}

pub(super) fn decode(decoder: &mut Decoder, node: Node<'_, '_>, of: Of) -> Option<CiliumItem> {
    let mut services = None;
    let mut fqdns = None;
    let [
        endpoints,
        entities,
        cidr,
        cidr_set,
        nodes,
        groups,
        requires,
        to_ports,
        icmps,
        authentication,
    ] = match of.direction {
        Direction::Ingress => decoder.fields(
            node,
            [
                "fromEndpoints",
                "fromEntities",
                "fromCIDR",
                "fromCIDRSet",
                "fromNodes",
                "fromGroups",
                "fromRequires",
                "toPorts",
                "icmps",
                "authentication",
            ],
            Unknown::Refuse,
        ),
        Direction::Egress => {
            let known = [
                "toEndpoints",
                "toEntities",
                "toCIDR",
                "toCIDRSet",
                "toNodes",
                "toGroups",
                "toRequires",
                "toPorts",
                "icmps",
                "authentication",
                "toServices",
                "toFQDNs",
            ];
            let [a, b, c, d, e, f, g, h, i, j, to_services, to_fqdns] =
                decoder.fields(node, known, Unknown::Refuse);
            (services, fqdns) = (to_services, to_fqdns);
            [a, b, c, d, e, f, g, h, i, j]
        }
    };
    let mut authentication = authentication;
    if of.deny {
        dropped(decoder, "toFQDNs", &mut fqdns);
        dropped(decoder, "authentication", &mut authentication);
    }
    let lists = Lists {
        direction: of.direction,
        endpoints,
        entities,
        cidr,
        cidr_set,
        nodes,
        groups,
        requires,
        services,
        fqdns,
    };
    let (peers, peers_span) = peers::decode(decoder, lists)?;
    let groups = decoder.items("toPorts", to_ports, |decoder, node| {
        ports::group(decoder, node, of)
    });
    let any_icmp = icmps.is_some_and(|list| list.items().next().is_some());
    let any_ports = to_ports.is_some_and(|list| list.items().next().is_some());
    if let Some(list) = icmps.filter(|_| any_icmp && any_ports) {
        decoder.field("icmps", |decoder| {
            let message = "`icmps` cannot be combined with `toPorts` in one item";
            decoder.invalid(
                list.span(),
                message,
                &["L-65"],
                Some("write an item for each"),
            );
        });
    }
    let types = decoder
        .items("icmps", icmps, ports::icmp)
        .into_iter()
        .flatten()
        .collect();
    let traffic = if any_icmp {
        CiliumTraffic::Icmp(types)
    } else if any_ports {
        CiliumTraffic::Ports(groups)
    } else {
        CiliumTraffic::Everything
    };
    Some(CiliumItem {
        peers,
        peers_span,
        traffic,
        authentication: mode(decoder, authentication),
        span: node.span(),
    })
}

/// A field that items of this kind do not have, though others have it (L-27).
pub(super) fn dropped(decoder: &mut Decoder, name: &'static str, node: &mut Option<Node<'_, '_>>) {
    let Some(node) = node.take() else {
        return;
    };
    let message = format!("a deny item has no `{name}`: the API server drops it");
    let finding = Finding::new(&reading::UNKNOWN_FIELD, message)
        .at(node.span(), "")
        .why(&["L-27"])
        .fix(Fix::advice(
            "a deny item knows peers, ports and ICMP types only",
        ));
    decoder.field(name, |decoder| decoder.warn(finding));
}

fn mode(decoder: &mut Decoder, node: Option<Node<'_, '_>>) -> Authentication {
    let Some(node) = node else {
        return Authentication::None;
    };
    decoder.field("authentication", |decoder| {
        let [mode] = decoder.fields(node, ["mode"], Unknown::Refuse);
        let Some(text) = decoder.text("mode", mode) else {
            return Authentication::None;
        };
        match &*text {
            "disabled" => Authentication::None,
            "required" => Authentication::Required,
            "test-always-fail" => Authentication::AlwaysFails,
            other => {
                let message = format!("`{other}` is no mode of authentication");
                let help = "use disabled or required";
                decoder.field("mode", |decoder| {
                    decoder.invalid(text.span, message, &[], Some(help));
                });
                Authentication::None
            }
        }
    })
}
