//! Pods and pod templates.

use std::borrow::Cow;

use super::Ips;
use super::decode::{Decoder, Text, Unknown};
use crate::document::Node;
use crate::sets::Protocol;
use crate::source::Span;

const OTHER_SPEC_FIELDS: &[&str] = &[
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "hostAliases",
    "hostIPC",
    "hostPID",
    "hostUsers",
    "hostname",
    "hostnameOverride",
    "imagePullSecrets",
    "nodeSelector",
    "os",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "resourceClaims",
    "resources",
    "restartPolicy",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "securityContext",
    "serviceAccount",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
    "workloadRef",
];

/// A container port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort<'s> {
    /// The name, if it has one.
    pub name: Option<Cow<'s, str>>,
    /// The number.
    pub number: u16,
    /// The protocol; TCP if it is not written.
    pub protocol: Protocol,
    /// Where it is.
    pub span: Span,
}

/// The spec of a pod, as far as it matters here.
#[derive(Clone, Debug, Default)]
pub struct PodSpec<'s> {
    /// Whether the pod uses its node's network, and where that is written.
    pub host_network: Option<Span>,
    /// The node it runs on.
    pub node: Option<Cow<'s, str>>,
    /// The service account; `default` if it is not written.
    pub service_account: Option<Cow<'s, str>>,
    /// The ports of all containers (K-55).
    pub ports: Vec<ContainerPort<'s>>,
}

/// `status.phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not started yet.
    Pending,
    /// Running.
    Running,
    /// Ended: owns no address any more (K-86).
    Finished,
}

/// The status of a pod.
#[derive(Clone, Debug)]
pub struct PodStatus {
    /// The phase.
    pub phase: Phase,
    /// The addresses, at most one a family.
    pub ips: Ips,
    /// A pod of a DaemonSet that is not ready; of other pods nobody asks.
    pub unready: bool,
}

pub(super) fn spec<'s>(decoder: &mut Decoder, node: Option<Node<'_, 's>>) -> PodSpec<'s> {
    let Some(node) = node else {
        return PodSpec::default();
    };
    decoder.field("spec", |decoder| {
        let [host, node_name, account, containers, init, ephemeral] = decoder.fields(
            node,
            [
                "hostNetwork",
                "nodeName",
                "serviceAccountName",
                "containers",
                "initContainers",
                "ephemeralContainers",
            ],
            Unknown::NearMiss(OTHER_SPEC_FIELDS),
        );
        let mut ports = Vec::new();
        for (name, list) in [
            ("containers", containers),
            ("initContainers", init),
            ("ephemeralContainers", ephemeral),
        ] {
            decoder.items(name, list, |decoder, container| {
                let declared = container.get("ports").filter(|ports| !ports.is_null());
                decoder.items("ports", declared, |decoder, port| {
                    ports.extend(container_port(decoder, port));
                    None::<()>
                });
                None::<()>
            });
        }
        let host_network = decoder
            .bool("hostNetwork", host)
            .then(|| host.map_or(node.span(), Node::span));
        PodSpec {
            host_network,
            node: decoder
                .text("nodeName", node_name)
                .map(|text| text.value)
                .filter(|name| !name.is_empty()),
            service_account: decoder
                .text("serviceAccountName", account)
                .map(|text| text.value)
                .filter(|name| !name.is_empty()),
            ports,
        }
    })
}

fn container_port<'s>(decoder: &mut Decoder, node: Node<'_, 's>) -> Option<ContainerPort<'s>> {
    let [name, number, protocol] = decoder.fields(
        node,
        ["name", "containerPort", "protocol"],
        Unknown::NearMiss(&["hostPort", "hostIP"]),
    );
    let name = decoder.text("name", name).map(|text| text.value);
    let protocol = decoder
        .text("protocol", protocol)
        .map_or(Some(Protocol::Tcp), |text| Protocol::from_api(&text))?;
    let (value, span) = decoder.integer("containerPort", number)?;
    match u16::try_from(value) {
        Ok(number @ 1..) => Some(ContainerPort {
            name,
            number,
            protocol,
            span: node.span(),
        }),
        _ => {
            let message = format!("container port {value} is not between 1 and 65535");
            decoder.field("containerPort", |decoder| {
                decoder.invalid(span, message, &[], None);
            });
            None
        }
    }
}

/// The status, if the object has one: then it comes from a cluster. `status: {}`, which tools write
/// into manifests, says nothing.
pub(super) fn status(node: Option<Node<'_, '_>>, of_daemon_set: bool) -> Option<PodStatus> {
    let node = node?;
    let [ips, ip, phase] = node.get_each(["podIPs", "podIP", "phase"]);
    let listed = ips
        .into_iter()
        .flat_map(Node::items)
        .filter_map(|item| item.get("ip")?.str()?.parse().ok());
    let mut ips: Ips = listed.collect();
    if ips.is_empty() {
        let single = ip.and_then(|ip| ip.str()?.parse().ok());
        ips = single.into_iter().collect();
    }
    let phase = match phase.and_then(Node::str) {
        Some("Succeeded" | "Failed") => Phase::Finished,
        Some("Pending") => Phase::Pending,
        Some(_) => Phase::Running,
        None if ips.is_empty() => return None,
        None => Phase::Running,
    };
    let unready = of_daemon_set && (phase == Phase::Pending || is_unready(node));
    Some(PodStatus {
        phase,
        ips,
        unready,
    })
}

/// Whether the condition `Ready` is there and not true.
fn is_unready(status: Node<'_, '_>) -> bool {
    let conditions = status.get("conditions").into_iter().flat_map(Node::items);
    let mut written = conditions.map(|condition| condition.get_each(["type", "status"]));
    written.any(|[kind, status]| {
        kind.is_some_and(|kind| kind.is("Ready")) && !status.is_some_and(|status| status.is("True"))
    })
}

/// The spec below `template.spec`, with the template's metadata node.
pub(super) fn template<'d, 's>(
    decoder: &mut Decoder,
    node: Option<Node<'d, 's>>,
) -> Option<(Option<Node<'d, 's>>, PodSpec<'s>)> {
    let node = node?;
    decoder.field("template", |decoder| {
        let [metadata, pod] = decoder.fields(node, ["metadata", "spec"], Unknown::NearMiss(&[]));
        Some((metadata, spec(decoder, pod)))
    })
}

/// A reference to something by name, as Text, for callers outside this module.
pub(super) fn text_of<'s>(node: Option<Node<'_, 's>>) -> Option<Text<'s>> {
    let node = node?;
    Some(Text {
        value: node.string()?,
        span: node.span(),
    })
}
