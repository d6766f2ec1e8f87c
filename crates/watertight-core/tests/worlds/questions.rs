//! The connections that a cluster is asked about.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::addresses;
use crate::oracle::objects::{Cluster, Pod, PortValue, Rule};
use crate::oracle::{Family, Question, Who};

const PROTOCOLS: [&str; 3] = ["TCP", "UDP", "SCTP"];

/// Outside addresses of one family that a world is asked about, at most.
const OUTSIDE_AT_MOST: usize = 5;

/// Every port that anything names, its neighbours, and the ends of the range.
fn ports(cluster: &Cluster) -> BTreeSet<u16> {
    let mut used = BTreeSet::new();
    for rule in rules(cluster) {
        for item in rule.ports.iter().flatten() {
            if let Some(PortValue::Number(number)) = item.port {
                used.insert(number);
            }
            used.extend(item.end_port);
        }
    }
    let mut ports: BTreeSet<u16> = used
        .iter()
        .flat_map(|port| [port.saturating_sub(1).max(1), *port, port.saturating_add(1)])
        .chain([1, 65535])
        .collect();
    let containers = cluster.pods.iter().flat_map(|pod| &pod.containers);
    for port in containers.flat_map(|container| &container.ports) {
        ports.insert(port.number);
    }
    ports
}

fn rules(cluster: &Cluster) -> impl Iterator<Item = &Rule> {
    let specs = cluster
        .policies
        .iter()
        .filter_map(|policy| policy.spec.as_ref());
    specs.flat_map(|spec| spec.ingress.iter().chain(&spec.egress).flatten())
}

/// Addresses where an answer may change: around the blocks, and those that pods had once.
fn interesting(cluster: &Cluster) -> Vec<IpAddr> {
    let peers = rules(cluster).flat_map(|rule| rule.peers.iter().flatten());
    let blocks = peers.filter_map(|peer| peer.ip_block.as_ref());
    let mut found: BTreeSet<IpAddr> = blocks.flat_map(addresses::boundaries).collect();
    found.extend(addresses::pool(cluster));
    found.into_iter().collect()
}

fn is_ended(pod: &Pod) -> bool {
    pod.phase == "Succeeded" || pod.phase == "Failed"
}

fn is_owned(cluster: &Cluster, ip: IpAddr) -> bool {
    let of_pod = cluster
        .pods
        .iter()
        .any(|pod| !is_ended(pod) && pod.addresses.contains(&ip));
    of_pod
        || cluster
            .nodes
            .iter()
            .any(|node| node.addresses.contains(&ip))
}

fn outside(cluster: &Cluster) -> Vec<Who> {
    let mut found = Vec::new();
    for v6 in [false, true] {
        let free: Vec<IpAddr> = interesting(cluster)
            .into_iter()
            .filter(|ip| ip.is_ipv6() == v6 && !is_owned(cluster, *ip))
            .collect();
        let step = free.len().div_ceil(OUTSIDE_AT_MOST).max(1);
        found.extend(free.into_iter().step_by(step).map(Who::Address));
    }
    found
}

/// Whether a party has an address of a family, or any for the default one.
fn has_family(cluster: &Cluster, who: Who, family: Option<Family>) -> bool {
    let has = |ips: &[IpAddr]| {
        ips.iter()
            .any(|ip| family.is_none_or(|family| Family::of(*ip) == family))
    };
    match who {
        Who::Pod(at) => {
            let pod = &cluster.pods[at];
            (has(&pod.addresses) || pod.host_network) && !is_ended(pod)
        }
        Who::Node(at) => has(&cluster.nodes[at].addresses),
        Who::Address(ip) => has(&[ip]),
    }
}

/// Both ends with every protocol and port; at least one end is a pod.
fn with_traffic(
    cluster: &Cluster,
    from: &[Who],
    to: &[Who],
    families: &[Option<Family>],
) -> Vec<Question> {
    let ports = ports(cluster);
    let mut found = Vec::new();
    for (from, to) in from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))) {
        if !matches!((from, to), (Who::Pod(_), _) | (_, Who::Pod(_))) {
            continue;
        }
        for family in families {
            let address = [from, to].into_iter().find_map(|who| match who {
                Who::Address(ip) => Some(Family::of(ip)),
                _ => None,
            });
            // An address has one family.
            if address.is_some() && family.is_some() && address != *family {
                continue;
            }
            let question = Question {
                from,
                to,
                family: *family,
                protocol: "ICMP",
                port: None,
                service: None,
                via_node: None,
            };
            found.push(question);
            let reached = |who| has_family(cluster, who, *family);
            if !reached(from) || !reached(to) {
                // No port changes that there is no connection.
                continue;
            }
            for protocol in PROTOCOLS {
                found.extend(ports.iter().map(|port| Question {
                    protocol,
                    port: Some(*port),
                    ..question
                }));
            }
        }
    }
    found
}

/// Pods, nodes and outside addresses with each other, in each family and in the default one.
/// Some connections from outside come through every node as well.
pub(crate) fn between_parties(cluster: &Cluster) -> Vec<Question> {
    let pods = (0..cluster.pods.len()).map(Who::Pod);
    let nodes = (0..cluster.nodes.len()).map(Who::Node);
    let parties: Vec<Who> = pods.chain(nodes).chain(outside(cluster)).collect();
    let families = [Some(Family::V4), Some(Family::V6), None];
    let mut found = with_traffic(cluster, &parties, &parties, &families);
    let mut through = Vec::new();
    for question in found.iter().step_by(3) {
        let Who::Address(ip) = question.from else {
            continue;
        };
        let family = Family::of(ip);
        for (at, node) in cluster.nodes.iter().enumerate() {
            if node.addresses.iter().any(|ip| Family::of(*ip) == family) {
                through.push(Question {
                    via_node: Some(at),
                    ..*question
                });
            }
        }
    }
    found.extend(through);
    found
}

/// Connections in which pods and nodes are given by their addresses.
pub(crate) fn at_addresses(cluster: &Cluster) -> Vec<Question> {
    let owned: Vec<Who> = interesting(cluster)
        .into_iter()
        .filter(|ip| is_owned(cluster, *ip))
        .map(Who::Address)
        .collect();
    let pods: Vec<Who> = (0..cluster.pods.len()).map(Who::Pod).collect();
    let mut found = with_traffic(cluster, &owned, &pods, &[None]);
    found.extend(with_traffic(cluster, &pods, &owned, &[None]));
    found
}

/// Every pod, node and outside address to every port of every Service: the question's port is the
/// Service's.
pub(crate) fn to_services(cluster: &Cluster) -> Vec<(Who, usize, u16, &'static str)> {
    let pods = (0..cluster.pods.len()).map(Who::Pod);
    let nodes = (0..cluster.nodes.len()).map(Who::Node);
    let parties: Vec<Who> = pods.chain(nodes).chain(outside(cluster)).collect();
    let mut found = Vec::new();
    for (at, service) in cluster.services.iter().enumerate() {
        for port in &service.ports {
            let protocol = port.protocol.unwrap_or("TCP");
            found.extend(parties.iter().map(|from| (*from, at, port.port, protocol)));
        }
    }
    found
}

/// At most `most` of the questions, spread over all of them.
pub(crate) fn sample<T>(questions: Vec<T>, most: usize) -> Vec<T> {
    // A prime step meets every residue of the nested lists above.
    let step = match questions.len() / most {
        0 => 1,
        few => [
            2, 3, 5, 7, 11, 13, 17, 23, 31, 43, 61, 83, 113, 151, 211, 293, 401, 557,
        ]
        .into_iter()
        .find(|prime| *prime > few)
        .unwrap_or(757),
    };
    let first = questions.len() % step;
    questions.into_iter().skip(first).step_by(step).collect()
}

/// A question for people.
pub(crate) fn describe(cluster: &Cluster, question: &Question) -> String {
    let who = |who| match who {
        Who::Pod(at) => {
            let pod = &cluster.pods[at];
            format!("{}/{}", pod.namespace, pod.name)
        }
        Who::Node(at) => format!("node:{}", cluster.nodes[at].name),
        Who::Address(ip) if ip.is_ipv6() => format!("[{ip}]"),
        Who::Address(ip) => ip.to_string(),
    };
    let port = question
        .port
        .map_or(String::new(), |port| format!(":{port}"));
    let mut text = format!(
        "{} -> {}{port}/{}",
        who(question.from),
        who(question.to),
        question.protocol.to_lowercase()
    );
    if let Some(family) = question.family {
        text += &format!(" {family:?}");
    }
    if let Some((ip, port)) = question.service {
        text += &format!(" by Service {ip} port {port}");
    }
    if let Some(node) = question.via_node {
        text += &format!(" through {}", cluster.nodes[node].name);
    }
    text
}
