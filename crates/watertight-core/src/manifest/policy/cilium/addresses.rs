//! Blocks of addresses and groups of them (L-44..L-53).

use std::net::IpAddr;

use ipnet::IpNet;

use super::super::Written;
use crate::diag::{Finding, Fix};
use crate::document::Node;
use crate::manifest::decode::{Decoder, Text, Unknown};
use crate::manifest::{selector, validate};
use crate::rules::reading;
use crate::sets::{Cidr, CidrError, LabelSelector};
use crate::source::Span;

/// A CiliumCIDRGroup.
#[derive(Clone, Debug)]
pub struct CidrGroup {
    /// `externalCIDRs`.
    pub cidrs: Vec<Cidr>,
}

/// An entry of `fromCIDR`, `fromCIDRSet` and their egress counterparts.
#[derive(Clone, Debug)]
pub struct CidrEntry {
    /// The addresses.
    pub source: CidrSource,
    /// What this entry leaves out (L-49).
    pub except: Vec<Cidr>,
    /// Where it is.
    pub span: Span,
}

/// Where the addresses of an entry come from (L-52).
#[derive(Clone, Debug)]
pub enum CidrSource {
    /// The entry itself.
    Block(Cidr),
    /// A CiliumCIDRGroup by its name.
    GroupRef(Box<str>),
    /// CiliumCIDRGroups by their labels.
    GroupSelector(LabelSelector),
}

pub(super) fn group(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> Option<CidrGroup> {
    let Some(spec) = written.spec else {
        let place = written.span.at_start();
        decoder.invalid(place, "a CiliumCIDRGroup needs a `spec`", &["L-52"], None);
        return None;
    };
    decoder.field("spec", |decoder| {
        let [cidrs] = decoder.fields(spec, ["externalCIDRs"], Unknown::Refuse);
        Some(CidrGroup {
            cidrs: decoder.items("externalCIDRs", cidrs, block),
        })
    })
}

/// An item of a list of CIDRs.
fn block(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<Cidr> {
    let text = decoder.item_text(node)?;
    cidr(decoder, &text)
}

/// An item of `fromCIDR` or `toCIDR`.
pub(super) fn plain(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<CidrEntry> {
    Some(CidrEntry {
        source: CidrSource::Block(block(decoder, node)?),
        except: Vec::new(),
        span: node.span(),
    })
}

/// An item of `fromCIDRSet` or `toCIDRSet`.
pub(super) fn entry(decoder: &mut Decoder, node: Node<'_, '_>) -> Option<CidrEntry> {
    let known = ["cidr", "cidrGroupRef", "cidrGroupSelector", "except"];
    let [block, name, groups, except] = decoder.fields(node, known, Unknown::Refuse);
    let sources = [block, name, groups].into_iter().flatten().count();
    if sources != 1 {
        let message = "an entry has one of `cidr`, `cidrGroupRef` and `cidrGroupSelector`";
        let help = (sources > 1).then_some("write an entry for each");
        decoder.invalid(node.span(), message, &["L-52"], help);
        return None;
    }
    let source = if let Some(text) = decoder.text("cidr", block) {
        let block = decoder.field("cidr", |decoder| cidr(decoder, &text));
        block.map(CidrSource::Block)
    } else if let Some(name) = decoder.text("cidrGroupRef", name) {
        if let Some(reason) = validate::subdomain(&name) {
            let message = format!("name `{}` {reason}", &*name);
            decoder.field("cidrGroupRef", |decoder| {
                decoder.invalid(name.span, message, &["L-52"], None);
            });
        }
        Some(CidrSource::GroupRef((&*name).into()))
    } else {
        groups.map(|node| {
            CidrSource::GroupSelector(selector::decode(decoder, "cidrGroupSelector", node))
        })
    };
    let within = match &source {
        Some(CidrSource::Block(block)) => Some(block.net),
        _ => None,
    };
    let except = decoder.items("except", except, |decoder, node| {
        let text = decoder.item_text(node)?;
        let except = cidr(decoder, &text)?;
        if let Some(block) = within.filter(|block| !block.contains(&except.net)) {
            let message = format!("`{}` is not inside `{block}`", except.net);
            decoder.invalid(text.span, message, &["L-48"], None);
        }
        Some(except)
    });
    Some(CidrEntry {
        source: source?,
        except,
        span: node.span(),
    })
}

/// A CIDR: bits beyond the prefix are ignored, every other slack is refused (L-50).
fn cidr(decoder: &mut Decoder, text: &Text<'_>) -> Option<Cidr> {
    let span = text.span;
    let (message, fix) = match Cidr::parse(text) {
        Ok(net) => return Some(Cidr { net, span }),
        Err(CidrError::Sloppy(net, _)) if has_host_bits_only(text, net) => {
            return Some(Cidr { net, span });
        }
        Err(CidrError::Sloppy(net, reason)) => (
            format!("`{}` is no canonical CIDR: {reason}", &**text),
            Fix::replace(format!("write `{net}`"), span, format!("\"{net}\"")),
        ),
        Err(CidrError::BareAddress(address)) => {
            let length = if address.is_ipv4() { 32 } else { 128 };
            let block = format!("{address}/{length}");
            (
                format!("`{}` is an address; a CIDR needs a prefix length", &**text),
                Fix::replace(
                    format!("write `{block}` for the one address"),
                    span,
                    format!("\"{block}\""),
                ),
            )
        }
        Err(CidrError::Malformed) => (
            format!("`{}` is no CIDR", &**text),
            Fix::advice(
                "write an address and a prefix length, like 10.0.0.0/8 or fd00::/8; for DNS names \
                 there is `toFQDNs`",
            ),
        ),
    };
    let finding = Finding::new(&reading::INVALID, message)
        .at(span, "")
        .why(&["L-50"])
        .fix(fix);
    decoder.refuse(finding);
    None
}

fn has_host_bits_only(text: &str, net: IpNet) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let same_family = address
        .parse::<IpAddr>()
        .is_ok_and(|address| address.is_ipv4() == net.addr().is_ipv4());
    same_family && (length == "0" || !length.starts_with('0'))
}
