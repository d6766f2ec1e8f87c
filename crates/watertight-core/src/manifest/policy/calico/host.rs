//! HostEndpoint: an interface of a node, or all of them (C-63..C-65).

use std::net::IpAddr;

use super::ports::{self, CalicoProtocol};
use crate::document::Node;
use crate::manifest::decode::{Decoder, Unknown};
use crate::manifest::policy::Written;
use crate::manifest::validate;
use crate::source::Span;

/// A host endpoint.
#[derive(Clone, Debug)]
pub struct HostEndpoint {
    /// The node.
    pub node: Box<str>,
    /// The interface; `*` is all of them, none is the one with an expected address.
    pub interface: Option<Box<str>>,
    /// The addresses by which selectors find it (C-41).
    pub expected_ips: Vec<IpAddr>,
    /// The profiles that decide after all tiers (C-63, C-65).
    pub profiles: Vec<Box<str>>,
    /// Its named ports (C-48).
    pub ports: Vec<HostPort>,
    /// Where the spec is.
    pub span: Span,
}

/// A named port of a host.
#[derive(Clone, Debug)]
pub struct HostPort {
    /// The name.
    pub name: Box<str>,
    /// The protocol.
    pub protocol: CalicoProtocol,
    /// The number.
    pub port: u16,
}

pub(super) fn decode(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> Option<HostEndpoint> {
    let span = written.spec.map_or(written.span, Node::span);
    decoder.field("spec", |decoder| {
        let known = ["node", "interfaceName", "expectedIPs", "profiles", "ports"];
        let [node, interface, ips, profiles, ports] = match written.spec {
            Some(spec) => decoder.fields(spec, known, Unknown::Refuse),
            None => [None; 5],
        };
        let text = |decoder: &mut Decoder, name, node| -> Option<Box<str>> {
            let text = decoder.text(name, node)?;
            (!text.is_empty()).then(|| (&*text).into())
        };
        let node = text(decoder, "node", node);
        let interface = text(decoder, "interfaceName", interface);
        let written_ips = ips.map_or(0, |ips| ips.items().count());
        let endpoint = HostEndpoint {
            node: node.clone().unwrap_or_default(),
            interface,
            expected_ips: decoder.items("expectedIPs", ips, address),
            profiles: decoder.items("profiles", profiles, |decoder, node| {
                Some((&*decoder.item_text(node)?).into())
            }),
            ports: decoder.items("ports", ports, port),
            span,
        };
        if node.is_none() {
            let message = "a HostEndpoint needs the `node` that it is on";
            decoder.invalid(span, message, &["C-63"], None);
        }
        if endpoint.interface.is_none() && written_ips == 0 {
            let message = "a HostEndpoint needs an `interfaceName` or `expectedIPs`";
            let help = "write `interfaceName: \"*\"` for all interfaces";
            decoder.invalid(span, message, &["C-63"], Some(help));
        }
        node.map(|_| endpoint)
    })
}

fn address(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<IpAddr> {
    let text = decoder.item_text(node)?;
    let address = text.parse().ok();
    if address.is_none() {
        let message = format!("`{}` is no address", &*text);
        decoder.invalid(text.span, message, &["C-63"], None);
    }
    address
}

fn port(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<HostPort> {
    let [name, protocol, port] =
        decoder.fields(node, ["name", "protocol", "port"], Unknown::Refuse);
    let name = decoder.text("name", name);
    let protocol = ports::protocol(decoder, "protocol", protocol);
    let port = decoder.integer("port", port);
    let span = node.span();
    let named = name.filter(|name| validate::port_name(name).is_none());
    let number = port.and_then(|(port, _)| u16::try_from(port).ok());
    let (Some(name), Some(protocol), Some(port @ 1..)) = (
        named,
        protocol.filter(|protocol| protocol.has_ports()),
        number,
    ) else {
        let message = "a port of a HostEndpoint needs a name, TCP, UDP or SCTP, and a number";
        decoder.invalid(span, message, &["C-48"], None);
        return None;
    };
    Some(HostPort {
        name: (&*name).into(),
        protocol,
        port,
    })
}
