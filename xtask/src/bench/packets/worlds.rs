//! Clusters to measure: as many pods and policies as it takes, written as manifests and read like any other.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::Context as _;
use watertight_core::engine::Profile;
use watertight_core::manifest::Options;
use watertight_core::policy::{Ruleset, lower};
use watertight_core::source::Sources;
use watertight_core::world::{Assume, NodeId, World, read};

/// Where connections are measured: from the first pod to the second.
pub(super) const PORT: u16 = 8080;

/// A world with its policies.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) ruleset: Ruleset,
    pub(super) profile: Profile,
}

/// What policies there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policies {
    None,
    /// So many, by turns about each pod, for both directions; each about another pod and another port.
    Each(usize),
    /// So many about the second pod alone, each about another pod and another port.
    OfOne(usize),
    /// The same, about blocks of addresses.
    BlocksOfOne(usize),
}

impl Scene {
    pub(super) fn read(manifests: &str) -> anyhow::Result<Self> {
        let mut sources = Sources::new();
        sources
            .add("bench.yaml", manifests.to_owned().into_bytes())
            .context("cannot read the manifests of the benchmark")?;
        let world = read(&sources, &Options::default(), &Assume::default(), None).0;
        let profile = Profile::reference();
        let ruleset = lower(&world, &profile);
        Ok(Self {
            world,
            ruleset,
            profile,
        })
    }

    /// Pods on one node, under policies.
    pub(super) fn of(pods: usize, policies: Policies) -> anyhow::Result<Self> {
        Self::read(&(pods_of(pods) + &policies_of(pods, policies)))
    }

    pub(super) fn node(&self) -> anyhow::Result<NodeId> {
        self.world
            .node("n1")
            .context("the node of the benchmark is lost")
    }
}

/// The addresses of a pod by its number.
pub(super) fn ips(number: usize) -> [IpAddr; 2] {
    let low = u16::try_from(number + 2).unwrap_or(u16::MAX);
    let [third, fourth] = low.to_be_bytes();
    [
        IpAddr::from([10, 66, third, fourth]),
        IpAddr::from([0xfd66, 0, 0, 0, 0, 0, 0, low]),
    ]
}

/// The node, and pods on it, each with a label of its own.
pub(super) fn pods_of(count: usize) -> String {
    let mut text = String::from(
        "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n\
         status: {addresses: [{type: InternalIP, address: 192.168.66.1}]}\n",
    );
    for number in 0..count {
        let [v4, v6] = ips(number);
        _ = write!(
            text,
            "---\napiVersion: v1\nkind: Pod\n\
             metadata: {{name: p{number}, namespace: bench, labels: {{app: a{number}}}}}\n\
             spec: {{nodeName: n1, containers: [{{name: c, image: i}}]}}\n\
             status: {{phase: Running, podIP: \"{v4}\", podIPs: [{{ip: \"{v4}\"}}, {{ip: \"{v6}\"}}]}}\n"
        );
    }
    text
}

/// One policy: whom it is about, who may talk to it, and on which port.
pub(super) fn policy(name: usize, of: usize, peer: &str, port: u16, both: bool) -> String {
    let rule = |word: &str| {
        format!("{word}: [{peer}], ports: [{{port: {port}}}, {{port: {port}, protocol: UDP}}]")
    };
    let egress = match both {
        true => format!(", egress: [{{{}}}]", rule("to")),
        false => String::new(),
    };
    let types = if both { "Ingress, Egress" } else { "Ingress" };
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
         metadata: {{name: np{name}, namespace: bench}}\n\
         spec: {{podSelector: {{matchLabels: {{app: a{of}}}}}, policyTypes: [{types}], \
         ingress: [{{{}}}]{egress}}}\n",
        rule("from")
    )
}

/// The pod, the peer and the port of each policy of [`Policies::Each`].
pub(super) fn each(pods: usize, policies: usize) -> impl Iterator<Item = (usize, usize, u16)> {
    (0..policies).map(move |number| {
        let (of, turn) = (number % pods, number / pods);
        match turn {
            0 => (of, of ^ 1, PORT),
            _ => {
                let turn16 = u16::try_from(turn).unwrap_or(u16::MAX);
                (of, (of * 7 + turn) % pods, PORT.saturating_add(turn16))
            }
        }
    })
}

pub(super) fn pod_peer(number: usize) -> String {
    format!("{{podSelector: {{matchLabels: {{app: a{number}}}}}}}")
}

fn policies_of(pods: usize, policies: Policies) -> String {
    let port = |number: usize| PORT.saturating_add(u16::try_from(number).unwrap_or(u16::MAX));
    let mut text = String::new();
    match policies {
        Policies::None => {}
        Policies::Each(count) => {
            for (number, (of, peer, port)) in each(pods, count).enumerate() {
                text += &policy(number, of, &pod_peer(peer), port, true);
            }
        }
        // The one that lets the first pod in is in the middle.
        Policies::OfOne(count) => {
            for number in 0..count {
                let turn = (number + count - count / 2) % count;
                let peer = if turn == 0 { 0 } else { turn + 1 };
                text += &policy(number, 1, &pod_peer(peer), port(turn), false);
            }
        }
        Policies::BlocksOfOne(count) => {
            for number in 0..count {
                let turn = (number + count - count / 2) % count;
                let block = match turn {
                    0 => "10.66.0.0/29".to_owned(),
                    _ => format!("10.77.{turn}.0/24"),
                };
                let peer = format!("{{ipBlock: {{cidr: {block}}}}}");
                text += &policy(number, 1, &peer, port(turn), false);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use watertight_core::eval::{Connection, Evaluator, Party};
    use watertight_core::sets::Protocol;

    use super::{PORT, Policies, Scene, each};

    #[test]
    fn what_is_measured_is_allowed_and_nothing_else_from_there() {
        let measured = [
            Policies::Each(500),
            Policies::OfOne(100),
            Policies::BlocksOfOne(100),
        ];
        for policies in measured {
            let scene = Scene::of(10, policies).unwrap();
            assert!(scene.world.policies.len() >= 100, "{policies:?}");
            let eval = Evaluator::new(&scene.world, &scene.ruleset, scene.profile.switches);
            let [from, to] = ["p0", "p1"].map(|name| scene.world.endpoint("bench", name).unwrap());
            for protocol in [Protocol::Tcp, Protocol::Udp] {
                let [from, to] = [from, to].map(Party::Endpoint);
                let allowed = |port| {
                    let connection = Connection::new(from, to, protocol, port);
                    eval.verdict(&connection).allowed
                };
                assert!(allowed(PORT) && !allowed(9), "{policies:?} {protocol:?}");
            }
        }
    }

    #[test]
    fn policies_are_dealt_out_evenly() {
        let all: Vec<(usize, usize, u16)> = each(10, 40).collect();
        assert_eq!(all.iter().filter(|(of, ..)| *of == 1).count(), 4);
        assert_eq!(all.iter().filter(|one| **one == (1, 0, PORT)).count(), 1);
    }
}
