//! The plan of a cluster, and what it says of each namespace: labels, workloads, pods.
//!
//! A plan holds a few numbers per namespace; a namespace is made from them on demand and alone. So memory does not
//! grow with the cluster, and the objects of one namespace stay the same when another part of the plan changes.

use super::policy::{self, Policy};
use super::rng::Rng;

pub(super) const TEAMS: [&str; 8] = [
    "payments", "search", "growth", "platform", "data", "mobile", "risk", "catalog",
];
/// Most namespaces are production.
pub(super) const ENVS: [&str; 5] = ["prod", "prod", "prod", "staging", "dev"];
/// How many replicas a workload asks for; the namespace's last one takes what is left.
const REPLICAS: [usize; 8] = [1, 1, 2, 2, 3, 3, 5, 8];
pub(super) const PODS_PER_NODE: usize = 50;
/// The share of the namespaces that nobody wrote a policy for.
const WITHOUT_POLICIES: f64 = 0.15;
/// Random streams other than the namespaces' own, which are their indices.
const COVERAGE_STREAM: u64 = u64::MAX;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tier {
    Frontend,
    Backend,
    Db,
    Cache,
    Worker,
    Api,
}

impl Tier {
    pub(super) const ALL: [Tier; 6] = [
        Tier::Frontend,
        Tier::Backend,
        Tier::Db,
        Tier::Cache,
        Tier::Worker,
        Tier::Api,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Tier::Frontend => "frontend",
            Tier::Backend => "backend",
            Tier::Db => "db",
            Tier::Cache => "cache",
            Tier::Worker => "worker",
            Tier::Api => "api",
        }
    }

    fn ports(self) -> &'static [ContainerPort] {
        match self {
            Tier::Frontend => const { &[tcp("http", 8080), tcp("metrics", 9090)] },
            Tier::Backend => {
                const { &[tcp("http", 8081), tcp("grpc", 50051), tcp("metrics", 9090)] }
            }
            Tier::Db => const { &[tcp("db", 5432), tcp("metrics", 9187)] },
            Tier::Cache => const { &[tcp("redis", 6379), tcp("metrics", 9121)] },
            Tier::Worker => const { &[tcp("metrics", 9090), udp("gossip", 7946)] },
            Tier::Api => const { &[tcp("http", 8000), tcp("grpc", 9000), tcp("metrics", 9102)] },
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct ContainerPort {
    pub(super) name: &'static str,
    pub(super) number: u16,
    pub(super) protocol: &'static str,
}

const fn tcp(name: &'static str, number: u16) -> ContainerPort {
    ContainerPort {
        name,
        number,
        protocol: "TCP",
    }
}

const fn udp(name: &'static str, number: u16) -> ContainerPort {
    ContainerPort {
        name,
        number,
        protocol: "UDP",
    }
}

/// How much of everything, and the seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) namespaces: usize,
    pub(super) pods: usize,
    pub(super) policies: usize,
    pub(super) host_network: f64,
    pub(super) seed: u64,
}

#[derive(Debug)]
pub(super) struct Plan {
    scale: Scale,
    /// Policies of each namespace.
    policies: Vec<usize>,
}

#[derive(Debug)]
pub(super) struct Namespace {
    pub(super) name: String,
    pub(super) env: &'static str,
    pub(super) team: &'static str,
    pub(super) workloads: Vec<Workload>,
    pub(super) policies: Vec<Policy>,
}

#[derive(Debug)]
pub(super) struct Workload {
    pub(super) app: String,
    /// Always holds `app`, by which the workload's own selector finds its pods.
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) ports: &'static [ContainerPort],
    pub(super) host_network: bool,
    /// The hash in the name of its replica set.
    pub(super) hash: u32,
    /// Distinct over the cluster.
    pub(super) uid: u64,
    pub(super) pods: Vec<Pod>,
}

#[derive(Debug)]
pub(super) struct Pod {
    /// Distinct within the workload.
    pub(super) suffix: u32,
    /// Distinct over the cluster, without gaps.
    pub(super) index: usize,
    pub(super) node: usize,
}

impl Plan {
    pub(super) fn new(scale: Scale) -> Self {
        let mut rng = Rng::new(scale.seed, COVERAGE_STREAM);
        let covered: Vec<bool> = (0..scale.namespaces)
            .map(|index| is_system(index) || !rng.chance(WITHOUT_POLICIES))
            .collect();
        let total = covered.iter().filter(|&&covered| covered).count();
        let mut position = 0;
        let policies = covered
            .iter()
            .map(|&covered| {
                let count = if covered {
                    share(scale.policies, total, position).len()
                } else {
                    0
                };
                position += usize::from(covered);
                count
            })
            .collect();
        Self { scale, policies }
    }

    pub(super) fn namespaces(&self) -> impl Iterator<Item = Namespace> + '_ {
        self.policies
            .iter()
            .enumerate()
            .map(|(index, &policies)| self.namespace(index, policies))
    }

    /// The name of any of the cluster's namespaces.
    pub(super) fn draw_namespace(&self, rng: &mut Rng) -> String {
        namespace_name(rng.below(self.scale.namespaces))
    }

    fn namespace(&self, index: usize, policies: usize) -> Namespace {
        let mut rng = Rng::new(self.scale.seed, index as u64);
        let (mut env, mut team) = (rng.pick(&ENVS), rng.pick(&TEAMS));
        if is_system(index) {
            (env, team) = ("system", "platform");
        }
        let workloads = self.workloads(&mut rng, index, team);
        let name = namespace_name(index);
        let policies = (0..policies)
            .map(|k| policy::draw(&mut rng, self, &workloads, k))
            .collect();
        Namespace {
            name,
            env,
            team,
            workloads,
            policies,
        }
    }

    fn workloads(&self, rng: &mut Rng, namespace: usize, team: &'static str) -> Vec<Workload> {
        let nodes = (self.scale.pods / PODS_PER_NODE).max(1);
        let mut left = share(self.scale.pods, self.scale.namespaces, namespace);
        let mut workloads = Vec::new();
        while !left.is_empty() {
            let ordinal = workloads.len();
            let replicas = rng.pick(&REPLICAS).min(left.len());
            // One workload of each tier first, then any.
            let tier = Tier::ALL
                .get(ordinal)
                .copied()
                .unwrap_or_else(|| rng.pick(&Tier::ALL));
            let (app, labels, ports) = match well_known(namespace, ordinal) {
                Some(known) => known,
                None => {
                    let app = format!("{}-{ordinal}", tier.name());
                    let mut labels = labels_of(&app, tier, team);
                    if rng.chance(0.3) {
                        labels.push(("version", rng.pick(&["v1", "v2"]).to_owned()));
                    }
                    (app, labels, tier.ports())
                }
            };
            let host_network = rng.chance(self.scale.host_network);
            let hash = rng.bits(32);
            let first_suffix = rng.bits(20);
            let pods = left
                .by_ref()
                .take(replicas)
                .enumerate()
                .map(|(replica, index)| Pod {
                    // An odd step visits every one of the 2^20 suffixes before it repeats.
                    suffix: (first_suffix + replica as u32 * 0x1_f35b) & 0xf_ffff,
                    index,
                    node: rng.below(nodes),
                })
                .collect();
            let uid = ((namespace as u64) << 24) | (ordinal as u64 + 1);
            workloads.push(Workload {
                app,
                labels,
                ports,
                host_network,
                hash,
                uid,
                pods,
            });
        }
        workloads
    }
}

/// Which of `total` items part `index` of `parts` gets; the first parts get the remainder.
fn share(total: usize, parts: usize, index: usize) -> std::ops::Range<usize> {
    let (each, rest) = (total / parts.max(1), total % parts.max(1));
    let start = each * index + rest.min(index);
    start..start + each + usize::from(index < rest)
}

const SYSTEM_NAMESPACES: [&str; 3] = ["kube-system", "monitoring", "ingress-nginx"];

fn is_system(index: usize) -> bool {
    index < SYSTEM_NAMESPACES.len()
}

fn namespace_name(index: usize) -> String {
    SYSTEM_NAMESPACES
        .get(index)
        .map_or_else(|| format!("ns-{index:04}"), |name| (*name).to_owned())
}

type Identity = (
    String,
    Vec<(&'static str, String)>,
    &'static [ContainerPort],
);

/// The first workload of each system namespace, which policies everywhere point to.
fn well_known(namespace: usize, ordinal: usize) -> Option<Identity> {
    let (app, tier, ports): (_, _, &'static [ContainerPort]) = match (namespace, ordinal) {
        (0, 0) => (
            "coredns",
            Tier::Backend,
            const { &[udp("dns", 53), tcp("dns-tcp", 53), tcp("metrics", 9153)] },
        ),
        (1, 0) => ("prometheus", Tier::Backend, const { &[tcp("web", 9090)] }),
        (2, 0) => (
            "controller",
            Tier::Frontend,
            const { &[tcp("http", 80), tcp("https", 443)] },
        ),
        _ => return None,
    };
    let mut labels = labels_of(app, tier, "platform");
    if app == "coredns" {
        labels.insert(1, ("k8s-app", "kube-dns".to_owned()));
    }
    Some((app.to_owned(), labels, ports))
}

fn labels_of(app: &str, tier: Tier, team: &str) -> Vec<(&'static str, String)> {
    vec![
        ("app", app.to_owned()),
        ("tier", tier.name().to_owned()),
        ("team", team.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Plan, Scale, share};

    fn scale(namespaces: usize, pods: usize, policies: usize) -> Scale {
        Scale {
            namespaces,
            pods,
            policies,
            host_network: 0.0,
            seed: 1,
        }
    }

    #[test]
    fn shares_cover_everything_once() {
        let all: Vec<usize> = (0..7).flat_map(|index| share(24, 7, index)).collect();
        assert_eq!(all, (0..24).collect::<Vec<_>>());
    }

    #[test]
    fn names_and_addresses_are_distinct() {
        let plan = Plan::new(scale(40, 4000, 0));
        let (mut names, mut indices, mut uids) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for namespace in plan.namespaces() {
            for workload in &namespace.workloads {
                assert!(uids.insert(workload.uid));
                for pod in &workload.pods {
                    assert!(indices.insert(pod.index));
                    assert!(names.insert((
                        namespace.name.clone(),
                        workload.app.clone(),
                        pod.suffix
                    )));
                }
            }
        }
        assert_eq!(indices, (0..4000).collect());
    }

    #[test]
    fn a_part_of_the_namespaces_has_no_policy() {
        let plan = Plan::new(scale(1000, 1000, 5000));
        let without = plan.policies.iter().filter(|&&n| n == 0).count();
        assert!((110..190).contains(&without), "{without}");
        assert_eq!(plan.policies.iter().sum::<usize>(), 5000);
        assert!(plan.policies[..3].iter().all(|&n| n > 0));
    }

    #[test]
    fn plans_smaller_than_the_system_namespaces() {
        for namespaces in 1..4 {
            let plan = Plan::new(scale(namespaces, 0, 30));
            assert_eq!(
                plan.namespaces().map(|n| n.policies.len()).sum::<usize>(),
                30
            );
        }
    }

    #[test]
    fn host_network_is_a_share_of_the_workloads() {
        let plan = Plan::new(Scale {
            host_network: 0.25,
            ..scale(100, 5000, 0)
        });
        let (mut host, mut all) = (0, 0);
        for workload in plan.namespaces().flat_map(|namespace| namespace.workloads) {
            host += usize::from(workload.host_network);
            all += 1;
        }
        assert!((all / 5..all * 3 / 10).contains(&host), "{host} of {all}");
    }
}
