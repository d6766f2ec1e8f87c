//! Which pods are made, and where: a pure function of options and nodes.
//!
//! On the node under test stand a server that policies close, one that they leave alone, and the same of
//! clients; on another node the clients once more. With `per_node`, every node gets one pod that policies
//! close in both directions, and the pair that they leave alone is its control.
//!
//! INVARIANT: each pod that policies select has one beside it that differs in nothing else. Names of
//! Deployments share no beginnings, because some engines keep pods apart by parts of their names.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use watertight_core::facts::metadata::Cloud;

use super::image::Image;

/// The port that policies allow back.
pub const ALLOWED: u16 = 8080;
/// The port that stays closed.
pub const DENIED: u16 = 8081;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Options {
    /// What tells this run from others: lower-case letters and digits.
    pub id: String,
    /// An existing namespace to stay inside of; otherwise one is made.
    pub namespace: Option<String>,
    /// What the pods run.
    pub image: Image,
    /// Nodes to use; all if empty.
    pub nodes: Vec<String>,
    /// One pod on every node as well.
    pub per_node: bool,
    /// Ask about UDP too.
    pub udp: bool,
    /// Ask about SCTP too, where kernels have it.
    pub sctp: bool,
    /// Ask about Services too.
    pub services: bool,
    /// Ask about name servers, the API server, nodes and metadata services too.
    pub surroundings: bool,
    /// Targets outside of the cluster that the user named, with the name.
    pub internet: Vec<(String, SocketAddr)>,
    /// How long a policy may take to come into force, and a pod to start.
    pub patience: Patience,
    /// Look at the open window of a new pod.
    pub new_pod: bool,
    /// When everything may be removed by anybody: seconds since 1970.
    pub expires: u64,
}

impl Options {
    /// Everything is asked about, in a namespace of its own.
    #[must_use]
    pub fn new(id: String, expires: u64) -> Self {
        Self {
            id,
            namespace: None,
            image: Image::own(),
            nodes: Vec::new(),
            per_node: false,
            udp: true,
            sctp: true,
            services: true,
            surroundings: true,
            internet: Vec::new(),
            patience: Patience::default(),
            new_pod: true,
            expires,
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For pods to be ready.
    pub ready: Duration,
    /// For a policy to come into force, or out of it.
    pub settle: Duration,
    /// What has come into force must hold for this long.
    pub stable: Duration,
    /// A policy that takes longer is called slow.
    pub slow: Duration,
    /// For one attempt.
    pub attempt: Duration,
    /// Between rounds.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            ready: Duration::from_secs(120),
            settle: Duration::from_secs(20),
            stable: Duration::from_secs(3),
            slow: Duration::from_secs(2),
            attempt: Duration::from_millis(1200),
            pause: Duration::from_millis(200),
        }
    }
}

/// A node, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its internal addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether ordinary pods can run on it.
    pub takes_pods: bool,
    /// Whether pods that tolerate every taint can run on it.
    pub takes_all: bool,
    /// The cloud that it is a machine of.
    pub cloud: Option<Cloud>,
}

/// What a pod is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A server that no policy selects.
    OpenServer,
    /// A server that policies select for ingress.
    ClosedServer,
    /// A client that no policy selects.
    OpenClient,
    /// A client that policies select for egress.
    ClosedClient,
    /// Selected in both directions: one a node, and the new pod.
    Everywhere,
}

impl Part {
    /// The value of the label that policies select.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::OpenServer => "open-server",
            Self::ClosedServer => "closed-server",
            Self::OpenClient => "open-client",
            Self::ClosedClient => "closed-client",
            Self::Everywhere => "everywhere",
        }
    }
}

/// One Deployment of one pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Its name, which it answers with.
    pub name: String,
    /// What it is for.
    pub part: Part,
    /// The node that it is bound to; the scheduler's choice if nodes could not be read.
    pub node: Option<String>,
}

/// The pods, and what could not be had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// Deployments.
    pub actors: Vec<Actor>,
    /// What is not looked at, and why.
    pub notes: Vec<String>,
    /// How much of what was asked for cannot be tried; each has a note.
    pub untried: usize,
}

/// No two begin alike.
const NAMES: [&str; 7] = [
    "heron", "quartz", "maple", "tundra", "yarrow", "pebble", "iris",
];

/// Why the nodes that were asked for cannot be looked at: no other one may take their place.
#[must_use]
pub fn refused(options: &Options, nodes: Option<&[Node]>) -> Option<String> {
    let first = options.nodes.first()?;
    let Some(nodes) = nodes else {
        return Some(format!(
            "node `{first}` cannot be looked at, since nodes cannot be read; leave out --node, or ask for permission \
             to list nodes"
        ));
    };
    let mut hosts = 0;
    for name in &options.nodes {
        let Some(node) = nodes.iter().find(|node| node.name == *name) else {
            return Some(format!("there is no node `{name}`"));
        };
        if !node.takes_all {
            return Some(format!("node `{name}` is not ready, or runs no Linux"));
        }
        if node.takes_pods {
            hosts += 1;
        } else if !options.per_node {
            return Some(format!(
                "node `{name}` is cordoned, or has a taint that keeps pods off; --per-node looks at such nodes too"
            ));
        }
    }
    (hosts == 0).then(|| {
        format!(
            "node `{first}` is cordoned, or has a taint that keeps pods off; name another node besides, where the \
             pods of the control can run"
        )
    })
}

/// Lays out the pods. `nodes` is none if they may not be read.
#[must_use]
pub fn layout(options: &Options, nodes: Option<&[Node]>) -> Layout {
    let mut layout = Layout::default();
    let wanted = |node: &&Node| options.nodes.is_empty() || options.nodes.contains(&node.name);
    let known: Vec<&Node> = nodes.unwrap_or_default().iter().filter(wanted).collect();
    let names: BTreeSet<&String> = known.iter().map(|node| &node.name).collect();
    for name in &options.nodes {
        if !names.contains(name) {
            layout.notes.push(format!(
                "node `{name}` is not there, or nodes cannot be read: it is not looked at"
            ));
        }
    }
    let mut hosts = known.iter().filter(|node| node.takes_pods);
    let home = hosts.next().map(|node| node.name.clone());
    let away = hosts.next().map(|node| node.name.clone());
    let mut parts = vec![
        (Part::OpenServer, home.clone()),
        (Part::ClosedServer, home.clone()),
        (Part::OpenClient, home.clone()),
        (Part::ClosedClient, home),
    ];
    if nodes.is_none() {
        layout.notes.push(
            "nodes cannot be read, so the scheduler chooses them: same node and other node are as it happens"
                .into(),
        );
    }
    if away.is_some() || nodes.is_none() {
        parts.push((Part::OpenClient, away.clone()));
        parts.push((Part::ClosedClient, away));
    } else {
        layout
            .notes
            .push("one node takes pods: nothing is said about connections between nodes".into());
    }
    let named = parts.into_iter().zip(NAMES);
    layout
        .actors
        .extend(named.map(|((part, node), name)| Actor {
            name: name.into(),
            part,
            node,
        }));
    if options.per_node && nodes.is_none() {
        layout.untried += 1;
        layout
            .notes
            .push("--per-node: no node was tried by its name, since nodes cannot be read".into());
    }
    if options.per_node {
        let all = known.iter().filter(|node| node.takes_all);
        layout.actors.extend(all.map(|node| Actor {
            name: hashed(&node.name),
            part: Part::Everywhere,
            node: Some(node.name.clone()),
        }));
        for node in known.iter().filter(|node| !node.takes_all) {
            layout.notes.push(format!(
                "node `{}` is not ready, or runs no Linux: it is not looked at",
                node.name
            ));
        }
    }
    layout
}

/// A name for the pod of a node. The hash comes first, so that beginnings differ: FNV-1a, which stays the
/// same across versions, multiplied once more, since its first digits hardly depend on the last letters.
fn hashed(node: &str) -> String {
    let hash = node.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("n{hash:016x}")
}

/// The cloud of a node's `providerID`: `aws:///eu-west-1a/i-0abc`.
#[must_use]
pub fn cloud_of(provider_id: &str) -> Option<Cloud> {
    let (scheme, _) = provider_id.split_once("://")?;
    let word = match scheme {
        "openstack" => "openstack",
        "oci" | "ocid1" => "oci",
        "alicloud" => "alibaba",
        "qcloud" => "tencent",
        other => other,
    };
    word.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::testing::{node, options};

    fn spelled(layout: &Layout) -> Vec<String> {
        let actors = layout.actors.iter();
        actors
            .map(|actor| {
                let node = actor.node.as_deref().unwrap_or("anywhere");
                format!("{} on {node}", actor.part.word())
            })
            .collect()
    }

    #[test]
    fn every_pod_that_is_closed_has_one_beside_it_that_is_not() {
        let nodes = [node("a"), node("b"), node("c")];
        let layout = layout(&options(), Some(&nodes));
        assert_eq!(
            spelled(&layout),
            [
                "open-server on a",
                "closed-server on a",
                "open-client on a",
                "closed-client on a",
                "open-client on b",
                "closed-client on b",
            ]
        );
        assert_eq!(layout.notes, Vec::<String>::new());
    }

    #[test]
    fn one_node_says_nothing_about_connections_between_nodes() {
        let mut drained = node("b");
        drained.takes_pods = false;
        let layout = layout(&options(), Some(&[node("a"), drained]));
        assert_eq!(layout.actors.len(), 4);
        assert!(layout.notes[0].contains("between nodes"));
    }

    #[test]
    fn per_node_takes_nodes_with_taints_and_names_the_ones_it_cannot() {
        let mut tainted = node("b");
        tainted.takes_pods = false;
        let mut windows = node("c");
        (windows.takes_pods, windows.takes_all) = (false, false);
        let options = Options {
            per_node: true,
            ..options()
        };
        let layout = layout(&options, Some(&[node("a"), tainted, windows]));
        let spelled = spelled(&layout);
        assert_eq!(spelled[4..], ["everywhere on a", "everywhere on b"]);
        assert!(layout.notes[1].contains("node `c`"));
    }

    #[test]
    fn names_share_no_beginnings() {
        let options = Options {
            per_node: true,
            ..options()
        };
        let nodes: Vec<Node> = (0..20).map(|at| node(&format!("worker-{at}"))).collect();
        let layout = layout(&options, Some(&nodes));
        let starts: BTreeSet<String> = layout
            .actors
            .iter()
            .map(|actor| actor.name.chars().take(5).collect())
            .collect();
        assert_eq!(starts.len(), layout.actors.len());
    }

    #[test]
    fn nodes_that_cannot_be_read_are_no_reason_to_stop() {
        let layout = layout(&options(), None);
        assert_eq!(layout.actors.len(), 6);
        assert!(layout.actors.iter().all(|actor| actor.node.is_none()));
        assert_eq!(layout.untried, 0);
        let each = Options {
            per_node: true,
            ..options()
        };
        let layout = super::layout(&each, None);
        assert_eq!(layout.untried, 1);
        assert!(layout.notes[1].contains("--per-node"));
        let options = Options {
            nodes: vec!["gone".into()],
            ..options()
        };
        let layout = super::layout(&options, Some(&[node("a")]));
        assert!(layout.notes[0].contains("`gone`"));
    }

    #[test]
    fn no_other_node_takes_the_place_of_the_one_that_was_named() {
        let mut tainted = node("b");
        tainted.takes_pods = false;
        let mut down = node("c");
        (down.takes_pods, down.takes_all) = (false, false);
        let nodes = [node("a"), tainted, down];
        let why = |names: &[&str], per_node, nodes: Option<&[Node]>| {
            let named = Options {
                nodes: names.iter().map(ToString::to_string).collect(),
                per_node,
                ..options()
            };
            refused(&named, nodes)
        };
        assert_eq!(why(&["a"], false, Some(&nodes)), None);
        assert_eq!(why(&[], false, None), None);
        let says = |names: &[&str], per_node, words: &str| {
            let found = why(names, per_node, Some(&nodes)).unwrap();
            assert!(found.contains(words), "{found}");
        };
        says(&["gone"], false, "there is no node `gone`");
        says(&["a", "b"], false, "node `b` is cordoned");
        says(&["c"], true, "node `c` is not ready");
        says(&["b"], true, "name another node");
        assert_eq!(why(&["a", "b"], true, Some(&nodes)), None);
        let unread = why(&["a"], false, None).unwrap();
        assert!(unread.contains("nodes cannot be read"), "{unread}");
    }

    #[test]
    fn clouds_are_told_by_the_provider_id() {
        assert_eq!(cloud_of("aws:///eu-west-1a/i-0abc"), Some(Cloud::Aws));
        assert_eq!(cloud_of("gce://project/zone/vm"), Some(Cloud::Gcp));
        assert_eq!(cloud_of("azure:///subscriptions/x"), Some(Cloud::Azure));
        assert_eq!(cloud_of("kind://docker/kind/kind-worker"), None);
        assert_eq!(cloud_of(""), None);
    }
}
