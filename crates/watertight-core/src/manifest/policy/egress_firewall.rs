//! EgressFirewall of OVN-Kubernetes and EgressNetworkPolicy of OpenShift SDN as written (O- rules).
//!
//! Both are ordered rules of a namespace about destinations outside the cluster network. The older
//! one knows neither ports nor nodes, and any name.

use super::Written;
use super::network::network;
use crate::document::{Kind, Node};
use crate::manifest::decode::{Decoder, Unknown};
use crate::manifest::selector;
use crate::sets::{Cidr, LabelSelector, Protocol};
use crate::source::Span;

/// EgressFirewall and EgressNetworkPolicy.
#[derive(Clone, Debug)]
pub struct EgressFirewall {
    /// Whether it is an EgressNetworkPolicy (O-13).
    pub is_legacy: bool,
    /// The rules, in order.
    pub rules: Vec<FirewallRule>,
    /// Where the spec is.
    pub span: Span,
}

impl EgressFirewall {
    /// The domain names that its rules name.
    pub(super) fn domains(&self) -> Vec<&str> {
        let names = self.rules.iter().filter_map(|rule| match &rule.to {
            Destination::Name(name, _) => Some(&**name),
            _ => None,
        });
        names.collect()
    }
}

/// One rule.
#[derive(Clone, Debug)]
pub struct FirewallRule {
    /// `Allow`; else `Deny`.
    pub allows: bool,
    /// Whom it is about.
    pub to: Destination,
    /// The traffic; empty is everything (O-6).
    pub ports: Vec<FirewallPort>,
    /// Where it is.
    pub span: Span,
}

/// The destination of a rule (O-5).
#[derive(Clone, Debug)]
pub enum Destination {
    /// `cidrSelector`.
    Network(Cidr),
    /// `dnsName`, perhaps with `*.` before it, which is exactly one label (O-10).
    Name(Box<str>, Span),
    /// `nodeSelector`: the addresses of the nodes (O-11).
    Nodes(LabelSelector),
}

/// One port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirewallPort {
    /// The protocol.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
    /// Where it is.
    pub span: Span,
}

pub(super) fn decode(
    decoder: &mut Decoder,
    written: &Written<'_, '_, '_>,
) -> Option<EgressFirewall> {
    let is_legacy = written.kind.kind == "EgressNetworkPolicy";
    if !is_legacy && written.name != "default" {
        decoder.field("metadata", |decoder| {
            decoder.field("name", |decoder| {
                let message = "an EgressFirewall must be called `default`: a namespace has one";
                decoder.invalid(written.name_span, message, &["O-1"], None);
            });
        });
    }
    let Some(spec) = written.spec else {
        decoder.invalid(written.span, "the object needs a `spec`", &["O-2"], None);
        return None;
    };
    decoder.field("spec", |decoder| {
        let [egress] = decoder.fields(spec, ["egress"], Unknown::Refuse);
        if egress.is_none() && spec.kind() == Kind::Mapping {
            let message = "the spec needs a list `egress`";
            decoder.invalid(spec.span(), message, &["O-2"], None);
        }
        let rules = decoder.items("egress", egress, |decoder, node| {
            rule(decoder, node, is_legacy)
        });
        Some(EgressFirewall {
            is_legacy,
            rules,
            span: spec.span(),
        })
    })
}

fn rule(decoder: &mut Decoder, node: Node<'_, '_>, is_legacy: bool) -> Option<FirewallRule> {
    let [kind, to, ports] = if is_legacy {
        let [kind, to] = decoder.fields(node, ["type", "to"], Unknown::Refuse);
        [kind, to, None]
    } else {
        decoder.fields(node, ["type", "to", "ports"], Unknown::Refuse)
    };
    let allows = allows(decoder, node, kind);
    let to = match to {
        Some(to) => decoder.field("to", |decoder| destination(decoder, to, is_legacy)),
        None => {
            decoder.invalid(node.span(), "the rule needs a `to`", &["O-5"], None);
            None
        }
    };
    let ports = decoder.items("ports", ports, port);
    Some(FirewallRule {
        allows: allows?,
        to: to?,
        ports,
        span: node.span(),
    })
}

fn allows(decoder: &mut Decoder, rule: Node<'_, '_>, node: Option<Node<'_, '_>>) -> Option<bool> {
    let help = Some("use Allow or Deny");
    if node.is_none() {
        decoder.invalid(rule.span(), "the rule needs a `type`", &["O-2"], help);
        return None;
    }
    let text = decoder.text("type", node)?;
    match &*text {
        "Allow" => Some(true),
        "Deny" => Some(false),
        other => {
            let message = format!("`{other}` is no type of rule");
            decoder.field("type", |decoder| {
                decoder.invalid(text.span, message, &["O-2"], help);
            });
            None
        }
    }
}

fn destination(decoder: &mut Decoder, node: Node<'_, '_>, is_legacy: bool) -> Option<Destination> {
    let [cidr, name, nodes] = if is_legacy {
        let known = ["cidrSelector", "dnsName"];
        let [cidr, name] = decoder.fields(node, known, Unknown::Refuse);
        [cidr, name, None]
    } else {
        let known = ["cidrSelector", "dnsName", "nodeSelector"];
        decoder.fields(node, known, Unknown::Refuse)
    };
    if [cidr, name, nodes].iter().flatten().count() != 1 {
        if matches!(node.kind(), Kind::Mapping | Kind::Null) {
            let message = "a destination is one of `cidrSelector`, `dnsName` and `nodeSelector`";
            decoder.invalid(
                node.span(),
                message,
                &["O-5"],
                Some("write one rule for each"),
            );
        }
        return None;
    }
    if let Some(nodes) = nodes {
        let selector = selector::decode(decoder, "nodeSelector", nodes);
        return Some(Destination::Nodes(selector));
    }
    if cidr.is_some() {
        let text = decoder.text("cidrSelector", cidr)?;
        return decoder.field("cidrSelector", |decoder| {
            network(decoder, &text, &["O-5"]).map(Destination::Network)
        });
    }
    let text = decoder.text("dnsName", name)?;
    if !is_name(&text, is_legacy) {
        decoder.field("dnsName", |decoder| {
            let message = format!("`{}` is no domain name here", &*text);
            let help = if is_legacy {
                "write a name without wildcards"
            } else {
                "write a name, or `*.` and a name for everything one label below it"
            };
            decoder.invalid(text.span, message, &["O-5", "O-10"], Some(help));
        });
        return None;
    }
    Some(Destination::Name((&*text).into(), text.span))
}

fn is_name(text: &str, is_legacy: bool) -> bool {
    let rest = text.strip_prefix("*.").filter(|_| !is_legacy);
    let rest = rest.unwrap_or(text);
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| !label.is_empty() && label.bytes().all(inner);
    rest.strip_suffix('.').unwrap_or(rest).split('.').all(label)
}

fn port(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<FirewallPort> {
    let [protocol_at, port_at] = decoder.fields(node, ["protocol", "port"], Unknown::Refuse);
    for (name, field) in [("protocol", protocol_at), ("port", port_at)] {
        if field.is_none() && node.kind() == Kind::Mapping {
            let message = format!("the port needs a `{name}`");
            decoder.invalid(node.span(), message, &["O-6"], None);
        }
    }
    let protocol = decoder.text("protocol", protocol_at).and_then(|text| {
        let protocol = Protocol::from_api(&text);
        if protocol.is_none() {
            decoder.field("protocol", |decoder| {
                let message = format!("`{}` is no protocol here", &*text);
                decoder.invalid(text.span, message, &["O-6"], Some("use TCP, UDP or SCTP"));
            });
        }
        protocol
    });
    let (value, span) = decoder.integer("port", port_at)?;
    let Ok(port @ 1..) = u16::try_from(value) else {
        decoder.field("port", |decoder| {
            let message = format!("port {value} is not between 1 and 65535");
            decoder.invalid(span, message, &["O-6"], None);
        });
        return None;
    };
    Some(FirewallPort {
        protocol: protocol?,
        port,
        span: node.span(),
    })
}

#[cfg(test)]
mod tests;
