//! What `lab probe` tries: from what was written to packets, with what is predicted of them.
//!
//! INVARIANT: where nothing can be tried, the error says which of the two ends is the reason, and what it is.

use std::net::IpAddr;

use anyhow::{anyhow, bail};
use watertight_core::analysis::parties::{PortQuery, Selection, What};
use watertight_core::eval::{Connection, Evaluator, Party as Meant, Verdict};
use watertight_core::rules::count;
use watertight_core::sets::Protocol;
use watertight_core::world::{EndpointId, Service, ServiceId};
use watertight_node::lab::{Place, Plan};
use watertight_node::probe::{NAMES, Question};
use watertight_node::trial::{self, Ask, Asked, Party};

use super::build::Planned;
use crate::output::one_line;

/// Ports of one command; `lab run` is for more.
const MOST_PORTS: usize = 200;

/// A connection to try.
#[derive(Debug)]
pub(super) struct Try {
    /// `shop/web -> shop/db:5432/tcp`
    pub(super) text: String,
    pub(super) question: Question,
    /// What is predicted; for a Service, of each backend that it may lead to.
    pub(super) predicted: Vec<(Connection, Verdict)>,
    /// Why nothing is said of it: the statement of docs/semantics.md, and the words.
    pub(super) open: Option<(&'static str, &'static str)>,
    /// Why it is denied where nothing is predicted.
    pub(super) nothing: String,
}

/// Everybody, and what is tried between two of them; never nothing.
pub(super) fn tries(
    planned: &Planned,
    eval: &Evaluator<'_>,
    (from, to): (&Selection, &Selection),
    queries: &[PortQuery],
) -> anyhow::Result<(Asked, Vec<Try>)> {
    let ports = ports(planned, to, queries)?;
    let ask = Ask {
        ports: ports.clone(),
        icmp: queries.is_empty() || queries.contains(&PortQuery::Icmp),
        ..Ask::default()
    };
    // Verdicts of nobody else are asked for.
    let mut plan: Plan = planned.plan.clone();
    let is_wanted = |id: &EndpointId| from.endpoints().contains(id) || to.endpoints().contains(id);
    // Behind an address, or a port of a node, may be anybody.
    let leads_on = matches!(to.what, What::Nodes(_) | What::World);
    let by_address = [from, to]
        .iter()
        .any(|end| matches!(end.what, What::Addresses(_)));
    if !by_address && !leads_on {
        plan.pods.retain(|pod| is_wanted(&pod.id));
    }
    let mut asked = trial::ask(&plan, eval, &ask);
    let tries = match to.service() {
        Some(service) => {
            let scene = (planned, eval, &asked);
            to_service(scene, from, service, (&ports, queries))?
        }
        None => plain(planned, &asked, (from, to), &ports, queries),
    };
    if tries.is_empty() {
        return Err(anyhow!(one_line(&why_none(planned, &asked, from, to))));
    }
    asked.connections.clear();
    Ok((asked, tries))
}

/// The ports that were written; none for those that `lab run` would try.
fn ports(
    planned: &Planned,
    to: &Selection,
    queries: &[PortQuery],
) -> anyhow::Result<Vec<(Protocol, u16)>> {
    let world = &planned.cluster.world;
    let mut found = Vec::new();
    for query in queries {
        match query {
            PortQuery::Range {
                protocol,
                first,
                last,
            } => {
                if usize::from(last - first) >= MOST_PORTS {
                    bail!("{first}-{last} are too many ports to try; name some of them");
                }
                found.extend((*first..=*last).map(|port| (*protocol, port)));
            }
            PortQuery::Named { name, protocol } => {
                let before = found.len();
                let is_it = |of: Protocol| protocol.is_none_or(|protocol| protocol == of);
                let endpoints = to.endpoints().iter();
                for port in endpoints.flat_map(|id| world[*id].ports.iter()) {
                    let named = port
                        .name
                        .is_some_and(|symbol| world.symbols.text(symbol) == name);
                    if named && is_it(port.protocol) {
                        found.push((port.protocol, port.number));
                    }
                }
                let of_service = to.service().map(|id| world[id].ports.iter());
                for port in of_service.into_iter().flatten() {
                    if port.name.as_deref() == Some(name) && is_it(port.protocol) {
                        found.push((port.protocol, port.port));
                    }
                }
                if found.len() == before {
                    bail!("`{}` has no port called `{name}`; write a number", to.text);
                }
            }
            PortQuery::Icmp => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Whether a party of the lab is one of those that are meant.
fn is_meant(party: &Party, selection: &Selection) -> bool {
    match (&selection.what, party.meant) {
        (What::Endpoints(ids), Meant::Endpoint(id)) => ids.contains(&id),
        (What::Nodes(ids), Meant::Node(id)) => ids.contains(&id),
        (What::World, _) => party.kind == "outside",
        (What::Addresses(_), _) => party.ips.iter().any(|ip| is_address(*ip, selection)),
        _ => false,
    }
}

/// Whether an address is meant: where addresses were written, only those.
fn is_address(ip: IpAddr, selection: &Selection) -> bool {
    match &selection.what {
        What::Addresses(nets) => nets.iter().any(|net| net.contains(&ip)),
        _ => true,
    }
}

/// Those that are meant, by their place among the parties.
fn meant<'a>(asked: &'a Asked, end: &'a Selection) -> impl Iterator<Item = (usize, &'a Party)> {
    let parties = asked.parties.iter().enumerate();
    parties.filter(move |(_, party)| is_meant(party, end))
}

/// ` (partner)` behind an address outside that has a name.
fn stands_for(planned: &Planned, party: &Party) -> String {
    let mut outside = planned.plan.outside.iter();
    if party.kind == "balancer" {
        return format!(" ({})", party.host);
    }
    let known = outside.find(|of| party.kind == "outside" && party.ips.contains(&of.ip));
    match known {
        Some(of) if *of.name != *of.ip.to_string() => format!(" ({})", of.name),
        _ => String::new(),
    }
}

/// Connections between parties of the lab.
fn plain(
    planned: &Planned,
    asked: &Asked,
    (from, to): (&Selection, &Selection),
    ports: &[(Protocol, u16)],
    queries: &[PortQuery],
) -> Vec<Try> {
    let only_icmp = ports.is_empty() && !queries.is_empty();
    let mut found = Vec::new();
    for one in &asked.connections {
        let (Some(source), Some(target)) = (asked.parties.get(one.from), asked.parties.get(one.to))
        else {
            continue;
        };
        let question = &one.question;
        let is_icmp = question.protocol == Protocol::Icmp;
        let are_meant = is_meant(source, from)
            && is_meant(target, to)
            && is_address(question.to, to)
            && question.from_address.is_none_or(|ip| is_address(ip, from));
        if (only_icmp && !is_icmp) || !are_meant {
            continue;
        }
        // What is dialled: behind a Service the port is another.
        let port = match question.protocol {
            Protocol::Icmp => String::new(),
            _ => format!(":{}", question.port),
        };
        let dialled = match target.name.strip_prefix("ip:") {
            Some(ip) if ip.contains(':') && !port.is_empty() => format!("ip:[{ip}]"),
            _ => target.name.to_string(),
        };
        let over = if question.to.is_ipv6() {
            " over IPv6"
        } else {
            ""
        };
        let text = format!(
            "{}{} -> {dialled}{port}/{}{over}{}",
            source.name,
            stands_for(planned, source),
            question.protocol.word(),
            stands_for(planned, target)
        );
        found.push(Try {
            text,
            question: one.question,
            predicted: match one.backends.as_slice() {
                [] => vec![(one.connection, one.verdict)],
                several => several.to_vec(),
            },
            open: one.unjudged,
            nothing: String::new(),
        });
    }
    found
}

/// Connections to the cluster address of a Service.
fn to_service(
    (planned, eval, asked): (&Planned, &Evaluator<'_>, &Asked),
    from: &Selection,
    id: ServiceId,
    (ports, queries): (&[(Protocol, u16)], &[PortQuery]),
) -> anyhow::Result<Vec<Try>> {
    let world = &planned.cluster.world;
    let service = &world[id];
    let name = format!("{}/svc/{}", world[service.namespace].name, service.name);
    let left_out = format!("Service {}/{}", world[service.namespace].name, service.name);
    if let Some(left) = planned.left_out().iter().find(|left| left.name == left_out) {
        bail!("`{name}` is not in the lab: it {}", left.reason);
    }
    let Some(ip) = service.cluster_ips.first().copied() else {
        bail!("`{name}` is not in the lab: it has no cluster address");
    };
    if meant(asked, from).next().is_some() && meant(asked, from).all(|(_, of)| of.kind == "outside")
    {
        let mut ports = service.ports.iter();
        let on_nodes = ports.find_map(|port| port.node_port);
        let on_nodes = on_nodes.map_or(String::new(), |number| {
            format!("its port on a node (`node:NAME:{number}`), ")
        });
        bail!(
            "a cluster address leads nowhere from outside; dial {on_nodes}a pod behind `{name}`, or dial it from a pod"
        );
    }
    let ports: Vec<(Protocol, u16)> = match (ports, queries) {
        ([], []) => {
            let all = service.ports.iter();
            all.map(|port| (port.protocol, port.port)).collect()
        }
        ([], _) => bail!(
            "a Service answers no echo requests; dial {}",
            ports_of(service)
        ),
        (ports, _) => ports.to_vec(),
    };
    let over = if ip.is_ipv6() { " over IPv6" } else { "" };
    let mut found = Vec::new();
    for (at, party) in meant(asked, from).filter(|(_, party)| party.kind != "outside") {
        let own = party.ips.iter().copied();
        let own = own.clone().find(|own| own.is_ipv4() == ip.is_ipv4());
        if own.is_none() {
            continue;
        }
        for (protocol, port) in &ports {
            let backends = eval.to_service(party.meant, id, *port, *protocol);
            let mut has = service.ports.iter();
            let has = has.any(|of| (of.protocol, of.port) == (*protocol, *port));
            let word = protocol.word();
            found.push(Try {
                text: format!("{} -> {name}:{port}/{word}{over}", party.name),
                question: Question {
                    from: at,
                    to: ip,
                    protocol: *protocol,
                    port: *port,
                    source_port: None,
                    from_address: own,
                    masked: None,
                    to_names: Some(backends.iter().any(|(_, of, _)| of.port == Some(NAMES))),
                },
                predicted: backends
                    .into_iter()
                    .map(|(_, connection, verdict)| (connection, verdict))
                    .collect(),
                open: None,
                nothing: if has {
                    "nothing is behind the Service".into()
                } else {
                    let has = ports_of(service);
                    format!("the Service has no port {port}/{word}, only {has}")
                },
            });
        }
    }

    Ok(found)
}

/// `80/tcp, 53/udp`
fn ports_of(service: &Service) -> String {
    let ports = service.ports.iter();
    let ports: Vec<String> = ports
        .map(|port| format!("{}/{}", port.port, port.protocol.word()))
        .collect();
    ports.join(", ")
}

/// Why there is nothing to try, as a sentence.
fn why_none(planned: &Planned, asked: &Asked, from: &Selection, to: &Selection) -> String {
    if let What::Service(_) = from.what {
        return format!(
            "a Service connects to nobody: write a pod behind `{}` in its place",
            from.text
        );
    }
    let (sources, targets): (Vec<_>, Vec<_>) =
        (meant(asked, from).collect(), meant(asked, to).collect());
    let absent = [(from, sources.is_empty()), (to, targets.is_empty())];
    for (end, is_absent) in absent {
        if is_absent && end.service().is_none() {
            return absence(planned, end);
        }
    }
    let place_of = |place: Place| match place {
        Place::World => "the world outside".to_owned(),
        Place::Node(id) => format!("node {}", planned.cluster.world[id].name),
        Place::Pod(id) => planned.cluster.world.endpoint_name(id),
    };
    let mut places = sources.iter().chain(&targets).map(|(_, party)| party.place);
    let first = places.next();
    if let Some(place) = first.filter(|first| places.all(|other| other == *first)) {
        return match place {
            Place::Pod(_) => format!(
                "`{}` and `{}` are the same pod, and nothing stands between a pod and itself",
                from.text, to.text
            ),
            place => format!(
                "`{}` and `{}` share the network of {}, and nothing stands between them",
                from.text,
                to.text,
                place_of(place)
            ),
        };
    }
    let has = |ends: &[(usize, &Party)], end: &Selection, v6: bool| {
        let mut ips = ends.iter().flat_map(|(_, party)| &party.ips);
        ips.any(|ip| ip.is_ipv6() == v6 && is_address(*ip, end))
    };
    for (v6, family) in [(false, "IPv4"), (true, "IPv6")] {
        let of_to = to.service().is_some() || has(&targets, to, v6);
        if of_to && !has(&sources, from, v6) && !has(&targets, to, !v6) {
            return format!(
                "`{}` is dialled over {family}, and `{}` has no address of it",
                to.text, from.text
            );
        }
    }
    format!(
        "there can be no connection from `{}` to `{}`",
        from.text, to.text
    )
}

/// Why nobody in the lab is meant, as a sentence.
fn absence(planned: &Planned, end: &Selection) -> String {
    let text = &end.text;
    match &end.what {
        What::Endpoints(ids) => {
            let mut left = planned.plan.left_out.iter();
            let left = left.find(|left| left.endpoint.is_some_and(|id| ids.contains(&id)));
            match left {
                Some(left) if ids.len() == 1 => {
                    format!("`{text}` is not in the lab: it {}", left.reason)
                }
                Some(left) => format!(
                    "nobody of `{text}` is in the lab: {} {}, for one",
                    left.name, left.reason
                ),
                None => format!("nobody of `{text}` is in the lab"),
            }
        }
        What::Addresses(_) => match end.address() {
            Some(ip) => format!(
                "nobody in the lab has the address {ip}; `lab up --outside {ip}` has somebody outside own it"
            ),
            None => {
                let outside = count(planned.plan.outside.len(), "outside address");
                format!(
                    "nobody in the lab has an address of `{text}`, neither a pod, nor a node, nor one of {outside}; \
                     `lab up --outside` adds one"
                )
            }
        },
        What::World => "the lab has no outside addresses; `lab up --outside` adds one".into(),
        What::Name(_) => format!("nobody in the lab has the name of `{text}`; dial an address"),
        What::Nodes(_) | What::Service(_) => format!("`{text}` is not in the lab"),
    }
}
