//! The traffic of a rule: `ports` of v1alpha1 and `protocols` of v1alpha2 (A-34..A-37, A-48).

use super::{Form, at_most, one_of};
use crate::document::{Kind, Node};
use crate::manifest::decode::{Decoder, Unknown};
use crate::sets::Protocol;
use crate::source::Span;

/// One alternative of a rule's traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminPort {
    /// An inclusive range of destination ports.
    Range {
        /// The protocol.
        protocol: Protocol,
        /// First port.
        first: u16,
        /// Last port.
        last: u16,
        /// Where it is.
        span: Span,
    },
    /// A container port of the destination, with its protocol.
    Named {
        /// The name.
        name: Box<str>,
        /// Where it is.
        span: Span,
    },
}

/// Decodes the list; none if it is not written.
pub(super) fn list(
    decoder: &mut Decoder,
    node: Option<Node<'_, '_>>,
    form: Form,
) -> Option<Vec<AdminPort>> {
    let name = form.ports_field();
    let list = node?;
    at_most(decoder, name, node, form.most());
    if list.kind() == Kind::Sequence && list.items().next().is_none() {
        decoder.field(name, |decoder| {
            let help = Some("leave it out for all traffic");
            decoder.invalid(list.span(), "the list is empty", &["A-47"], help);
        });
    }
    Some(decoder.items(name, node, |decoder, node| match form {
        Form::Admin | Form::Baseline => port(decoder, node),
        Form::Cluster => protocol(decoder, node),
    }))
}

/// An item of v1alpha1.
fn port(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<AdminPort> {
    let known = ["portNumber", "portRange", "namedPort"];
    let fields = decoder.fields(node, known, Unknown::Refuse);
    if !one_of(decoder, node, &fields, "a port", &["A-46", "A-34"]) {
        return None;
    }
    let [number_at, range_at, name_at] = fields;
    let span = node.span();
    if let Some(at) = number_at {
        return decoder.field("portNumber", |decoder| {
            let [protocol, port] = decoder.fields(at, ["protocol", "port"], Unknown::Refuse);
            let protocol = api_protocol(decoder, protocol)?;
            let port = number(decoder, "port", port, at)?;
            Some(range_of(protocol, port, port, span))
        });
    }
    if let Some(at) = range_at {
        return decoder.field("portRange", |decoder| {
            let known = ["protocol", "start", "end"];
            let [protocol, start, end] = decoder.fields(at, known, Unknown::Refuse);
            let protocol = api_protocol(decoder, protocol);
            let first = number(decoder, "start", start, at);
            let last = number(decoder, "end", end, at);
            Some(range_of(protocol?, first?, last?, span))
        });
    }
    named(decoder, "namedPort", name_at, span)
}

fn range_of(protocol: Protocol, first: u16, last: u16, span: Span) -> AdminPort {
    AdminPort::Range {
        protocol,
        first,
        last,
        span,
    }
}

fn named(
    decoder: &mut Decoder,
    field: &'static str,
    node: Option<Node<'_, '_>>,
    span: Span,
) -> Option<AdminPort> {
    let name = decoder.text(field, node)?;
    Some(AdminPort::Named {
        name: (&*name).into(),
        span,
    })
}

fn api_protocol(decoder: &mut Decoder, node: Option<Node<'_, '_>>) -> Option<Protocol> {
    if node.is_none() {
        return Some(Protocol::Tcp);
    }
    let text = decoder.text("protocol", node)?;
    let protocol = Protocol::from_api(&text);
    if protocol.is_none() {
        decoder.field("protocol", |decoder| {
            let message = format!("`{}` is no protocol here", &*text);
            let help = Some("use TCP, UDP or SCTP");
            decoder.invalid(text.span, message, &["A-34"], help);
        });
    }
    protocol
}

/// An item of v1alpha2.
fn protocol(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<AdminPort> {
    let known = ["tcp", "udp", "sctp", "destinationNamedPort"];
    let fields = decoder.fields(node, known, Unknown::Refuse);
    if !one_of(decoder, node, &fields, "a protocol", &["A-46", "A-35"]) {
        return None;
    }
    let [tcp, udp, sctp, name] = fields;
    for (at, field, protocol) in [
        (tcp, "tcp", Protocol::Tcp),
        (udp, "udp", Protocol::Udp),
        (sctp, "sctp", Protocol::Sctp),
    ] {
        if let Some(at) = at {
            return decoder.field(field, |decoder| {
                let (first, last) = destination_port(decoder, at)?;
                Some(range_of(protocol, first, last, node.span()))
            });
        }
    }
    named(decoder, "destinationNamedPort", name, node.span())
}

fn destination_port(decoder: &mut Decoder, protocol: Node<'_, '_>) -> Option<(u16, u16)> {
    let [port] = decoder.fields(protocol, ["destinationPort"], Unknown::Refuse);
    let Some(port) = port else {
        if matches!(protocol.kind(), Kind::Mapping | Kind::Null) {
            let message = "the protocol needs a `destinationPort`";
            let help = "for all ports of the protocol write the range 1 to 65535";
            decoder.invalid(protocol.span(), message, &["A-37"], Some(help));
        }
        return None;
    };
    decoder.field("destinationPort", |decoder| {
        let fields = decoder.fields(port, ["number", "range"], Unknown::Refuse);
        if !one_of(decoder, port, &fields, "a port", &["A-46", "A-35"]) {
            return None;
        }
        let [number_at, range_at] = fields;
        let Some(range) = range_at else {
            let port = number(decoder, "number", number_at, port)?;
            return Some((port, port));
        };
        decoder.field("range", |decoder| {
            let [start, end] = decoder.fields(range, ["start", "end"], Unknown::Refuse);
            let first = number(decoder, "start", start, range);
            let last = number(decoder, "end", end, range);
            let (first, last) = (first?, last?);
            if first >= last {
                let message = format!("the range starts at {first} and ends at {last}");
                let help = "the start must be smaller; write `number` for one port";
                decoder.invalid(range.span(), message, &["A-48"], Some(help));
                return None;
            }
            Some((first, last))
        })
    })
}

fn number(
    decoder: &mut Decoder,
    name: &'static str,
    node: Option<Node<'_, '_>>,
    inside: Node<'_, '_>,
) -> Option<u16> {
    if node.is_none() {
        let message = format!("`{name}` is missing");
        decoder.invalid(inside.span(), message, &["A-34", "A-35"], None);
        return None;
    }
    let (value, span) = decoder.integer(name, node)?;
    match u16::try_from(value) {
        Ok(port @ 1..) => Some(port),
        _ => {
            decoder.field(name, |decoder| {
                let message = format!("port {value} is not between 1 and 65535");
                decoder.invalid(span, message, &["A-34", "A-35"], None);
            });
            None
        }
    }
}
