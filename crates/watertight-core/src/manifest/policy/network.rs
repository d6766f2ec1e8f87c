//! Networks, as the schemas of custom resources take them.
//!
//! They are looser than NetworkPolicy (V-20) about one thing: bits beyond the prefix are masked away.

use std::net::IpAddr;

use crate::diag::{Finding, Fix, Severity};
use crate::manifest::decode::{Decoder, Text};
use crate::rules::reading;
use crate::sets::{Cidr, CidrError};

/// Decodes a CIDR; `ids` are the rules that a wrong one breaks.
pub(super) fn network(
    decoder: &mut Decoder,
    text: &Text<'_>,
    ids: &[&'static str],
) -> Option<Cidr> {
    let span = text.span;
    match Cidr::parse(text) {
        Ok(net) => Some(Cidr { net, span }),
        Err(CidrError::BareAddress(address)) => {
            let length = if address.is_ipv4() { 32 } else { 128 };
            let message = format!("`{address}` is an address; a CIDR needs a prefix length");
            let finding = Finding::new(&reading::INVALID, message)
                .at(span, "")
                .why(ids)
                .fix(Fix::replace(
                    format!("write `{address}/{length}` for the one address"),
                    span,
                    format!("\"{address}/{length}\""),
                ));
            decoder.refuse(finding);
            None
        }
        Err(CidrError::Malformed) => {
            let message = format!("`{}` is no CIDR", &**text);
            let help = "write an address and a prefix length, like 10.0.0.0/8 or fd00::/8";
            decoder.invalid(span, message, ids, Some(help));
            None
        }
        Err(CidrError::Sloppy(net, reason)) => {
            let written = text.split_once('/').map(|(address, _)| address);
            let address = written.and_then(|address| address.parse::<IpAddr>().ok());
            let masked = address.is_some_and(|it| it.is_ipv4() == net.addr().is_ipv4());
            let message = format!("`{}` is no canonical CIDR: {reason}", &**text);
            let finding = Finding::new(&reading::INVALID, message)
                .at(span, "")
                .why(ids)
                .fix(Fix::replace(
                    format!("write `{net}`"),
                    span,
                    format!("\"{net}\""),
                ));
            if masked {
                decoder.warn(finding.severity(Severity::Warning));
                Some(Cidr { net, span })
            } else {
                decoder.refuse(finding);
                None
            }
        }
    }
}
