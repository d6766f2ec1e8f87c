//! The connections of a node's kernel: `conntrack -L`, with or without `-o extended`, and
//! `/proc/net/nf_conntrack`.
//!
//! An entry has two tuples: what the client sent, and what answers look like. Where the address of
//! the answer is not the one that was dialled, it is the backend behind a Service or a node port.

use std::net::{IpAddr, SocketAddr};

use super::collect::Collector;
use super::fields::protocol;
use super::{End, Record, Reporter, lines};
use crate::eval::Icmp;
use crate::sets::Protocol;
use crate::source::Span;

/// One direction of an entry.
#[derive(Clone, Copy, Default)]
struct Tuple {
    source: Option<IpAddr>,
    target: Option<IpAddr>,
    source_port: Option<u16>,
    port: Option<u16>,
}

/// Protocols that the kernel follows and no policy can name.
const OTHER_PROTOCOLS: [&str; 7] = [
    "unknown",
    "gre",
    "dccp",
    "udplite",
    "igmp",
    "esp",
    "ipv6-icmp",
];

pub(super) fn read(text: &str, collector: &mut Collector) {
    for (at, line) in lines(text) {
        let span = Span::new(collector.file, at, at + line.len());
        // What the tool says at the end of its list.
        if line.starts_with('#') || line.starts_with("conntrack v") {
            continue;
        }
        match entry(line, span) {
            Ok(Some(record)) => collector.add(record),
            Ok(None) => collector.pass_over(),
            Err(message) => collector.problem(span, message),
        }
    }
}

fn entry(line: &str, span: Span) -> Result<Option<Record>, String> {
    let form = "expected an entry of conntrack: `tcp 6 60 ESTABLISHED src=... dst=... sport=... \
                dport=... src=...`";
    let mut words = line.split_ascii_whitespace();
    // `[NEW]`, a time or `ipv4 2` may come first.
    let protocol = loop {
        let word = words.next().ok_or(form)?;
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        if let Some(protocol) = protocol(word) {
            break protocol;
        }
        if OTHER_PROTOCOLS.contains(&word) {
            return Ok(None);
        }
        if !(word.starts_with('[') || word == "ipv4" || word == "ipv6") {
            return Err(form.to_owned());
        }
    };
    let mut tuples = [Tuple::default(); 2];
    let mut which = 0;
    let (mut kind, mut code) = (None, None);
    let (mut attempt, mut unanswered) = (false, false);
    for word in words {
        match word {
            "SYN_SENT" | "SYN_SENT2" | "COOKIE_WAIT" => attempt = true,
            "[UNREPLIED]" => unanswered = true,
            _ => {}
        }
        let Some((key, value)) = word.split_once('=') else {
            continue;
        };
        if key == "src" && tuples.first().is_some_and(|tuple| tuple.source.is_some()) {
            which = 1;
        }
        let Some(tuple) = tuples.get_mut(which) else {
            continue;
        };
        let address = || {
            let parsed = value.parse::<IpAddr>();
            parsed.map_err(|_| format!("expected `{key}` to be an IP address, found `{value}`"))
        };
        let number = || {
            let parsed = value.parse::<u16>();
            parsed.map_err(|_| format!("expected `{key}` to be a port, found `{value}`"))
        };
        match key {
            "src" => tuple.source = Some(address()?.to_canonical()),
            "dst" => tuple.target = Some(address()?.to_canonical()),
            "sport" => tuple.source_port = Some(number()?),
            "dport" => tuple.port = Some(number()?),
            "type" if which == 0 => kind = value.parse::<u8>().ok(),
            "code" if which == 0 => code = value.parse::<u8>().ok(),
            _ => {}
        }
    }
    let [sent, answer] = tuples;
    let (Some(source), Some(target)) = (sent.source, sent.target) else {
        return Err("expected the entry to have `src=` and `dst=`".to_owned());
    };
    if protocol != Protocol::Icmp && sent.port.is_none() {
        return Err("expected the entry to have `dport=`".to_owned());
    }
    // Nobody answered, so there is no connection; and nothing leaves through the loopback device.
    if attempt && unanswered || source.is_loopback() || target.is_loopback() {
        return Ok(None);
    }
    let backend = answer.source.unwrap_or(target);
    let port = answer
        .source_port
        .filter(|_| answer.source.is_some())
        .or(sent.port);
    let translated = backend != target || port != sent.port;
    let dialled = sent.port.filter(|_| translated);
    let end = |ip| End {
        ip: Some(ip),
        ..End::default()
    };
    let icmp = kind.map(|kind| Icmp {
        kind,
        code: code.unwrap_or(0),
    });
    let is_icmp = protocol == Protocol::Icmp;
    Ok(Some(Record {
        from: end(source),
        to: end(backend),
        protocol,
        port: port.filter(|_| !is_icmp),
        icmp: icmp.filter(|_| is_icmp),
        dialled: dialled.map(|port| SocketAddr::new(target, port)),
        reporter: Reporter::Unsaid,
        refused: false,
        times: 1,
        span,
    }))
}
