//! The traffic of Antrea's rules.

use std::collections::BTreeMap;

use crate::manifest::PortRef;
use crate::manifest::policy::antrea::{AntreaPort, AntreaRule, AntreaTraffic, Layer7};
use crate::policy::{HttpMatch, RequestMatch, TextMatch};
use crate::sets::{Family, PortMatch};

/// The source ports of a part of a rule.
type SourcePorts = Option<Box<[(u16, u16)]>>;

/// The traffic of a rule, by the source ports that it asks for.
pub(super) fn parts(rule: &AntreaRule) -> Vec<(SourcePorts, Vec<PortMatch>)> {
    // T-7
    if rule.traffic.is_empty() {
        return vec![(None, vec![PortMatch::Any])];
    }
    let mut parts: BTreeMap<SourcePorts, Vec<PortMatch>> = BTreeMap::new();
    for item in &rule.traffic {
        match item {
            AntreaTraffic::Port(port) => {
                let source = port.source.map(|range| Box::from([range]));
                parts.entry(source).or_default().push(lower_port(port));
            }
            AntreaTraffic::Icmp { kind, code, span } => {
                let part = parts.entry(None).or_default();
                for family in Family::BOTH {
                    for (first, last) in messages(*kind, *code) {
                        part.push(PortMatch::Icmp {
                            family,
                            first,
                            last,
                            span: *span,
                        });
                    }
                }
            }
            // No connection is IGMP: a rule about it only matches nothing.
            AntreaTraffic::Igmp(_) => {}
        }
    }
    parts.into_iter().collect()
}

/// Ranges of messages, the type in the high byte.
fn messages(kind: Option<u8>, code: Option<u8>) -> Vec<(u16, u16)> {
    let one = |kind: u8, code: u8| u16::from_be_bytes([kind, code]);
    match (kind, code) {
        (None, None) => vec![(0, u16::MAX)],
        (Some(kind), None) => vec![(one(kind, 0), one(kind, u8::MAX))],
        (Some(kind), Some(code)) => vec![(one(kind, code), one(kind, code))],
        (None, Some(code)) => (0..=u8::MAX)
            .map(|kind| (one(kind, code), one(kind, code)))
            .collect(),
    }
}

fn lower_port(port: &AntreaPort) -> PortMatch {
    let (protocol, span) = (port.protocol, port.span);
    let (first, last) = match &port.port {
        Some(PortRef::Name(name)) => {
            return PortMatch::Named {
                protocol,
                name: name.clone(),
                span,
            };
        }
        Some(PortRef::Number(first)) => (*first, port.end_port.unwrap_or(*first)),
        None => (0, u16::MAX),
    };
    PortMatch::Range {
        protocol,
        first,
        last,
        span,
    }
}

/// What an allowed connection must carry.
pub(super) fn request(item: &Layer7) -> RequestMatch {
    let text = |text: &str| match text.strip_suffix('*') {
        _ if !text.contains('*') => TextMatch::Exact(text.into()),
        Some(start) if !start.contains('*') => TextMatch::Prefix(start.into()),
        _ => {
            let parts: Vec<String> = text.split('*').map(regex::escape).collect();
            TextMatch::Pattern(parts.join(".*").into())
        }
    };
    RequestMatch {
        text: item.text.clone(),
        http: item.http.as_ref().map(|http| HttpMatch {
            method: http.method.as_deref().map(text),
            path: http.path.as_deref().map(text),
        }),
        is_every: false,
        span: item.span,
    }
}
