//! Networks in rules and in sets: rules are strict, sets also take addresses (C-44, C-61, C-75).

use ipnet::IpNet;

use crate::diag::{Finding, Fix};
use crate::document::Node;
use crate::manifest::decode::{Decoder, Text};
use crate::rules::reading;
use crate::sets::{Cidr, CidrError};

/// The most networks of one list (C-74).
const MAX_NETS: usize = 256;

/// The networks of a rule. Everything in `notNets` is refused: the rule would match nothing.
pub(super) fn rule(
    decoder: &mut Decoder,
    name: &'static str,
    node: Option<Node<'_, '_>>,
) -> Vec<Cidr> {
    let nets = decoder.items(name, node, |decoder, node| {
        let text = decoder.item_text(node)?;
        let cidr = strict(decoder, &text)?;
        if name == "notNets" && cidr.net.prefix_len() == 0 {
            let message = format!(
                "`{}` is every address: the rule would match nothing",
                cidr.net
            );
            decoder.invalid(text.span, message, &["C-75"], None);
            return None;
        }
        Some(cidr)
    });
    if let Some(node) = node
        && nets.len() > MAX_NETS
    {
        decoder.field(name, |decoder| {
            let message = format!(
                "{} networks in one list; {MAX_NETS} are allowed",
                nets.len()
            );
            decoder.invalid(node.span(), message, &["C-74"], Some("use a NetworkSet"));
        });
    }
    nets
}

fn strict(decoder: &mut Decoder, text: &Text<'_>) -> Option<Cidr> {
    let error = match Cidr::parse(text) {
        Ok(net) => {
            return Some(Cidr {
                net,
                span: text.span,
            });
        }
        Err(error) => error,
    };
    let (net, reason) = match error {
        CidrError::Malformed => {
            malformed(decoder, text, "C-44");
            return None;
        }
        CidrError::BareAddress(address) => (
            IpNet::from(address),
            "it is an address, and a CIDR needs a prefix length",
        ),
        CidrError::Sloppy(net, reason) => (net, reason),
    };
    let finding = Finding::new(
        &reading::INVALID,
        format!("`{}` is no CIDR here: {reason}", &**text),
    )
    .at(text.span, "")
    .why(&["C-44"])
    .fix(Fix::replace(
        format!("write `{net}`"),
        text.span,
        format!("\"{net}\""),
    ));
    decoder.refuse(finding);
    None
}

fn malformed(decoder: &mut Decoder, text: &Text<'_>, id: &'static str) {
    let message = format!("`{}` is no CIDR", &**text);
    let help = "write an address and a prefix length, like 10.0.0.0/8 or fd00::/8";
    decoder.invalid(text.span, message, &[id], Some(help));
}

/// A network of a set: an address is one of its own, bits beyond the prefix do not count (C-61).
pub(super) fn set(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<Cidr> {
    let text = decoder.item_text(node)?;
    let net = match Cidr::parse(&text) {
        Ok(net) | Err(CidrError::Sloppy(net, _)) => net,
        Err(CidrError::BareAddress(address)) => IpNet::from(address),
        Err(CidrError::Malformed) => {
            malformed(decoder, &text, "C-61");
            return None;
        }
    };
    Some(Cidr {
        net,
        span: text.span,
    })
}
