//! Fields of a JSON record: there and as expected, or a sentence that says what was expected.

use std::net::IpAddr;

use crate::document::{Kind, Node};
use crate::sets::Protocol;
use crate::source::Span;

/// Why a record cannot be read.
pub(super) type Wrong = (Span, String);

fn wrong(node: Node<'_, '_>, key: &str, expected: &str) -> Wrong {
    let found = match node.kind() {
        Kind::Sequence | Kind::Mapping => node.kind().word().to_owned(),
        _ => format!("`{}`", node.as_written()),
    };
    (
        node.span(),
        format!("expected `{key}` to be {expected}, found {found}"),
    )
}

/// The first of some keys that is there and not null.
pub(super) fn field<'d, 's>(node: Node<'d, 's>, keys: &[&str]) -> Option<Node<'d, 's>> {
    keys.iter()
        .find_map(|key| node.get(key).filter(|value| !value.is_null()))
}

/// A text; none if it is empty.
pub(super) fn text<'d>(node: Node<'d, '_>, keys: &[&str]) -> Result<Option<&'d str>, Wrong> {
    let Some(value) = field(node, keys) else {
        return Ok(None);
    };
    let key = keys.first().copied().unwrap_or_default();
    match value.str() {
        Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        None => Err(wrong(value, key, "a string")),
    }
}

/// A text that is not `-`, which is how Calico writes that there is none.
pub(super) fn said<'d>(node: Node<'d, '_>, keys: &[&str]) -> Result<Option<&'d str>, Wrong> {
    Ok(text(node, keys)?.filter(|text| *text != "-"))
}

/// An address.
pub(super) fn ip(node: Node<'_, '_>, keys: &[&str]) -> Result<Option<IpAddr>, Wrong> {
    let Some(written) = said(node, keys)? else {
        return Ok(None);
    };
    let key = keys.first().copied().unwrap_or_default();
    match written.parse::<IpAddr>() {
        Ok(ip) => Ok(Some(ip.to_canonical()).filter(|ip| !ip.is_unspecified())),
        Err(_) => {
            let at = field(node, keys).unwrap_or(node);
            Err(wrong(at, key, "an IP address"))
        }
    }
}

/// A whole number, as a number or, as protobuf writes long ones, as a string.
pub(super) fn number(node: Node<'_, '_>, keys: &[&str]) -> Result<Option<u64>, Wrong> {
    let Some(value) = field(node, keys) else {
        return Ok(None);
    };
    let key = keys.first().copied().unwrap_or_default();
    let number = value
        .integer()
        .or_else(|| value.str().and_then(|text| text.parse().ok()));
    match number.and_then(|number| u64::try_from(number).ok()) {
        Some(number) => Ok(Some(number)),
        None => Err(wrong(value, key, "a whole number")),
    }
}

/// A port; zero is none.
pub(super) fn port(node: Node<'_, '_>, keys: &[&str]) -> Result<Option<u16>, Wrong> {
    let Some(number) = number(node, keys)? else {
        return Ok(None);
    };
    match u16::try_from(number) {
        Ok(port) => Ok(Some(port).filter(|port| *port > 0)),
        Err(_) => {
            let key = keys.first().copied().unwrap_or_default();
            let at = field(node, keys).unwrap_or(node);
            Err(wrong(at, key, "a port from 1 to 65535"))
        }
    }
}

/// A protocol by name or number; none if it is one that policies cannot name.
pub(super) fn protocol(word: &str) -> Option<Protocol> {
    let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
    if is(&["tcp", "6"]) {
        Some(Protocol::Tcp)
    } else if is(&["udp", "17"]) {
        Some(Protocol::Udp)
    } else if is(&["sctp", "132"]) {
        Some(Protocol::Sctp)
    } else if is(&["icmp", "1", "icmpv6", "icmp6", "58"]) {
        Some(Protocol::Icmp)
    } else {
        None
    }
}

/// Labels that differ between pods of one workload, or that are no labels of the pod.
pub(super) fn tells_kind_of_pod(key: &str) -> bool {
    let own = [
        "pod-template-hash",
        "controller-revision-hash",
        "pod-template-generation",
        "statefulset.kubernetes.io/pod-name",
        "apps.kubernetes.io/pod-index",
        "controller-uid",
        "job-name",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
    ];
    let prefixes = [
        "io.cilium.",
        "io.kubernetes.pod.",
        "batch.kubernetes.io/",
        "projectcalico.org/",
        "pcns.",
        "pcsa.",
        "k8s-app-projectcalico.org/",
    ];
    !own.contains(&key) && !prefixes.iter().any(|prefix| key.starts_with(prefix))
}
