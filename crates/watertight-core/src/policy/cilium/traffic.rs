//! The traffic of an item, and what proxies ask of it (L-31, L-60..L-69).

use crate::engine::{EndPort, Switches};
use crate::manifest::policy::cilium::{
    Authentication, CiliumItem, CiliumPort, CiliumPortRef, CiliumProtocol, CiliumTraffic,
    FqdnSelector, HttpRule, IcmpType, L7, PortGroup,
};
use crate::policy::{HttpMatch, RequestMatch, TextMatch};
use crate::sets::{Family, PortMatch, Protocol};
use crate::source::Span;

/// Traffic on the same conditions.
pub(super) struct Part {
    pub traffic: Vec<PortMatch>,
    /// None at all is no condition.
    pub requests: Vec<RequestMatch>,
    pub span: Span,
}

/// The traffic of an item: all that has no conditions, and then each entry that has.
pub(super) fn parts(item: &CiliumItem, switches: &Switches) -> Vec<Part> {
    let authenticated = authenticated(item);
    let whole = |traffic: Vec<PortMatch>| Part {
        traffic,
        requests: authenticated.clone().into_iter().collect(),
        span: item.span,
    };
    let mut parts = match &item.traffic {
        CiliumTraffic::Everything => vec![whole(vec![PortMatch::Any])],
        CiliumTraffic::Icmp(types) => vec![whole(types.iter().map(icmp).collect())],
        CiliumTraffic::Ports(groups) => {
            let (plain, proxied): (Vec<_>, Vec<_>) =
                groups.iter().partition(|group| requests(group).is_empty());
            let ports = |group: &PortGroup| -> Vec<PortMatch> {
                group
                    .ports
                    .iter()
                    .flat_map(|item| port(item, switches))
                    .collect()
            };
            let mut parts = vec![whole(plain.into_iter().flat_map(ports).collect())];
            parts.extend(proxied.into_iter().map(|group| {
                let mut requests = requests(group);
                if let Some(authenticated) = &authenticated {
                    for request in &mut requests {
                        request.text = format!("{}, {}", request.text, authenticated.text).into();
                        request.is_every = false;
                    }
                }
                Part {
                    traffic: ports(group),
                    requests,
                    span: group.span,
                }
            }));
            parts
        }
    };
    parts.retain(|part| !part.traffic.is_empty());
    parts
}

fn authenticated(item: &CiliumItem) -> Option<RequestMatch> {
    (item.authentication == Authentication::Required).then(|| RequestMatch {
        text: "mutual authentication succeeds".into(),
        http: Some(HttpMatch::default()),
        is_every: false,
        span: item.span,
    })
}

/// L-65.
fn icmp(kind: &IcmpType) -> PortMatch {
    message(kind.family, kind.kind, kind.span)
}

fn message(family: Family, kind: u8, span: Span) -> PortMatch {
    PortMatch::Icmp {
        family,
        first: u16::from_be_bytes([kind, 0]),
        last: u16::from_be_bytes([kind, u8::MAX]),
        span,
    }
}

/// L-60, L-61, L-63.
fn port(port: &CiliumPort, switches: &Switches) -> Vec<PortMatch> {
    let protocols: &[Protocol] = match port.protocol {
        CiliumProtocol::Any => &[Protocol::Tcp, Protocol::Udp, Protocol::Sctp],
        CiliumProtocol::Of(Protocol::Tcp) => &[Protocol::Tcp],
        CiliumProtocol::Of(Protocol::Udp) => &[Protocol::Udp],
        CiliumProtocol::Of(Protocol::Sctp) => &[Protocol::Sctp],
        CiliumProtocol::Of(Protocol::Icmp) | CiliumProtocol::Portless => &[],
        CiliumProtocol::Icmp(family) => {
            let CiliumPortRef::Number(number) = port.port else {
                return Vec::new();
            };
            let kind = u8::try_from(number).ok();
            return kind
                .map(|kind| message(family, kind, port.span))
                .into_iter()
                .collect();
        }
    };
    let protocols = protocols.iter();
    protocols
        .map(|protocol| match &port.port {
            CiliumPortRef::Name(name) => PortMatch::Named {
                protocol: *protocol,
                name: name.clone(),
                span: port.span,
            },
            CiliumPortRef::Number(number) => {
                let end = port
                    .end_port
                    .filter(|_| switches.endport == EndPort::Supported);
                let (first, last) = match (*number, end) {
                    (0, _) => (0, u16::MAX),
                    (first, Some(last)) if last > first => (first, last),
                    (first, _) => (first, first),
                };
                PortMatch::Range {
                    protocol: *protocol,
                    first,
                    last,
                    span: port.span,
                }
            }
        })
        .collect()
}

/// What an entry asks of its traffic beyond ports; any of these (L-66).
fn requests(group: &PortGroup) -> Vec<RequestMatch> {
    let span = group.span;
    let mut of_tls = Vec::new();
    if !group.server_names.is_empty() {
        of_tls.push(format!("TLS for {}", group.server_names.join(" or ")));
    }
    if let Some(listener) = &group.listener {
        of_tls.push(format!("what the listener `{listener}` lets through"));
    }
    let around = of_tls.join(", ");
    let request = |text: String, http: Option<HttpMatch>| RequestMatch {
        text: match (around.is_empty(), text.is_empty()) {
            (true, _) => text.into(),
            (false, true) => around.clone().into(),
            (false, false) => format!("{text} in {around}").into(),
        },
        http,
        is_every: false,
        span,
    };
    match &group.l7 {
        Some(L7::Http(rules)) => {
            let rules = rules.iter();
            rules
                .map(|rule| request(http_words(rule), Some(http(rule))))
                .collect()
        }
        Some(L7::Dns(names)) => {
            let is_plain = around.is_empty() && group.ports.iter().all(is_for_dns);
            let names = names.iter();
            names
                .map(|name| RequestMatch {
                    is_every: is_plain && name.pattern.text() == "*",
                    ..request(lookup_words(name), None)
                })
                .collect()
        }
        Some(L7::Kafka) => vec![request("Kafka requests that its rules list".into(), None)],
        Some(L7::Proxy(name)) => {
            vec![request(
                format!("what the proxy `{name}` lets through"),
                None,
            )]
        }
        None if around.is_empty() => Vec::new(),
        None => vec![request(String::new(), Some(HttpMatch::default()))],
    }
}

/// Whether a port has nothing but lookups: the one for DNS, and where it is when it is another behind
/// a Service.
fn is_for_dns(port: &CiliumPort) -> bool {
    match &port.port {
        CiliumPortRef::Number(number) => matches!(number, 53 | 5353) && port.end_port.is_none(),
        CiliumPortRef::Name(name) => name.contains("dns"),
    }
}

fn http(rule: &HttpRule) -> HttpMatch {
    let pattern = |text: &Option<Box<str>>| text.clone().map(TextMatch::Pattern);
    HttpMatch {
        method: pattern(&rule.method),
        path: pattern(&rule.path),
    }
}

fn http_words(rule: &HttpRule) -> String {
    let mut words = "HTTP".to_owned();
    for part in [&rule.method, &rule.path].into_iter().flatten() {
        words.push(' ');
        words.push_str(part);
    }
    if let Some(host) = &rule.host {
        words.push_str(&format!(" to host {host}"));
    }
    if !rule.headers.is_empty() {
        words.push_str(&format!(" with header {}", rule.headers.join(" and ")));
    }
    words
}

fn lookup_words(name: &FqdnSelector) -> String {
    match name.pattern.text() {
        "*" => "DNS lookups".to_owned(),
        text => format!("DNS lookups of {text}"),
    }
}
