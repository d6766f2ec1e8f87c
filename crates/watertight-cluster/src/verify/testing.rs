//! A small cluster for tests of this module: every pod and node with an address, and nothing running.

use crate::verify::claims::{Known, Placed, Service};
use crate::verify::plan::{ALLOWED, DENIED, Layout, Node, Options, Part};
use crate::verify::wire::Facts;

pub(crate) fn options() -> Options {
    Options::new("abc123".into(), 1_800_000_000)
}

/// A node whose address ends in the number of its name's first letter.
pub(crate) fn node(name: &str) -> Node {
    let number = name.bytes().next().unwrap_or(b'a') - b'a' + 1;
    Node {
        name: name.into(),
        addresses: vec![format!("172.18.0.{number}").parse().unwrap()],
        takes_pods: true,
        takes_all: true,
        cloud: None,
    }
}

pub(crate) fn known(layout: &Layout, nodes: &[Node]) -> Known {
    let placed = layout.actors.iter().enumerate().map(|(at, actor)| Placed {
        pod: format!("{}-0", actor.name),
        node: actor.node.clone(),
        ips: vec![format!("10.244.0.{}", at + 10).parse().unwrap()],
        ..Placed::default()
    });
    let servers = layout.actors.iter().enumerate();
    let servers =
        servers.filter(|(_, actor)| matches!(actor.part, Part::OpenServer | Part::ClosedServer));
    let service = |at: usize| {
        let ports = ["tcp", "udp"].into_iter().flat_map(|protocol| {
            [ALLOWED, DENIED].map(|port| {
                let node_port = 30_000 + port + u16::try_from(at).unwrap() * 100;
                ((protocol.to_owned(), port), node_port)
            })
        });
        Service {
            ips: vec![format!("10.96.0.{}", at + 100).parse().unwrap()],
            node_ports: ports.collect(),
        }
    };
    Known {
        placed: placed.collect(),
        services: servers.map(|(at, _)| (at, service(at))).collect(),
        nodes: nodes.to_vec(),
        facts: Facts {
            resolvers: vec!["10.96.0.10".parse().unwrap()],
            api_server: Some("10.96.0.1:443".parse().unwrap()),
            sctp: false,
        },
        api_servers: vec!["172.18.0.100".parse().unwrap()],
        ..Known::default()
    }
}
