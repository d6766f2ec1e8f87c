//! Where distributions have their DNS, for rules that were written for another cluster than this.

use std::net::{IpAddr, Ipv4Addr};

use crate::facts::ranges::node_local_dns;
use crate::policy::{EndpointSelector, NamespaceScope, Peer, Rule};
use crate::sets::{PortMatch, Protocol};
use crate::world::NAME_LABEL;

/// GKE's Cloud DNS answers on the metadata address.
const CLOUD_DNS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

/// Whether a rule is for DNS at a place where another distribution has it: the pods of OpenShift,
/// a node-local cache, Cloud DNS on GKE.
pub(super) fn names_other_place(rule: &Rule, protocol: Protocol) -> bool {
    let port = |wanted: u16| {
        rule.traffic.iter().any(|item| match item {
            PortMatch::Named {
                protocol: of, name, ..
            } => *of == protocol && name.starts_with("dns"),
            item => item.takes(protocol, wanted),
        })
    };
    rule.peers.iter().any(|peer| match peer {
        Peer::Endpoints(selector, _) => {
            let wide = matches!(
                &selector.namespaces,
                NamespaceScope::Matching(labels) if labels.is_empty()
            );
            !wide && is_openshift(selector) && port(5353)
        }
        Peer::Block(block, _) => {
            let known = node_local_dns().iter().map(|cache| cache.address);
            let mut known = known.chain([CLOUD_DNS]);
            // Not a block that takes these in among half the world.
            block.cidr.net.prefix_len() >= 16 && known.any(|ip| block.contains(ip)) && port(53)
        }
        _ => false,
    })
}

/// Whether a selector would select the DNS pods of OpenShift.
fn is_openshift(selector: &EndpointSelector) -> bool {
    let label = ("dns.operator.openshift.io/daemonset-dns", "default");
    would_select(selector, "openshift-dns", label)
}

/// Whether a selector would select the DNS pods of a usual cluster or of OpenShift.
pub(in crate::rules) fn is_usual(selector: &EndpointSelector) -> bool {
    would_select(selector, "kube-system", ("k8s-app", "kube-dns")) || is_openshift(selector)
}

/// Whether a selector would select pods with one label in a namespace that has its name for a
/// label, the official one or `name`.
fn would_select(selector: &EndpointSelector, name: &str, (key, value): (&str, &str)) -> bool {
    let NamespaceScope::Matching(namespaces) = &selector.namespaces else {
        return false;
    };
    let namespace = |asked: &str| matches!(asked, NAME_LABEL | "name").then_some(name);
    let pod = |asked: &str| (asked == key).then_some(value);
    namespaces.matches(namespace) && selector.pods.matches(pod)
}
