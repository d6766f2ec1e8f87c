//! What is judged only where a change is felt comes to what is judged everywhere.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::{Felt, rows};
use crate::analysis::diff::{Judged, compare};
use crate::analysis::map::By;
use crate::check::{CheckOptions, State, contexts, judge_two};
use crate::diag::{Finding, Markers};
use crate::engine::Profile;
use crate::eval::reach::Reach;
use crate::eval::{Evaluator, Party};
use crate::manifest::{Belongs, Direction, Loaded, Options};
use crate::policy::{Ruleset, lower};
use crate::report::diff::delta;
use crate::source::{FileId, Sources};
use crate::world::{self, Assume, World};

/// Two nodes, and a pod on the network of one of them.
const NODES: &str = "\
apiVersion: v1
kind: Node
metadata: {name: one}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: two}
status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: ops, labels: {app: web}}
spec: {nodeName: one, hostNetwork: true, containers: [{name: c, image: i}]}
status: {phase: Running, podIP: 192.168.0.1, podIPs: [{ip: 192.168.0.1}]}
---
";

const NAMESPACES: [&str; 4] = ["kube-system", "ops", "shop", "team"];

/// Pods of three applications in each namespace but the first, which has the cluster's DNS.
fn cluster() -> String {
    let mut out = NODES.to_owned();
    let mut ip = 0;
    for namespace in NAMESPACES {
        let apps: &[&str] = match namespace {
            "kube-system" => &["coredns"],
            _ => &["web", "db", "api"],
        };
        let _ = write!(
            out,
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}, labels: {{team: t{}}}}}\n---\n",
            namespace.len() % 2
        );
        for app in apps {
            ip += 1;
            let (label, port) = match *app {
                "coredns" => (
                    "k8s-app: kube-dns",
                    "{name: dns, containerPort: 53, protocol: UDP}, {name: dns-tcp, containerPort: 53}",
                ),
                "web" => ("app: web", "{name: http, containerPort: 80}"),
                "db" => ("app: db", "{name: sql, containerPort: 5432}"),
                _ => ("app: api", "{name: http, containerPort: 8080}"),
            };
            let _ = write!(
                out,
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {app}, namespace: {namespace}, labels: {{{label}}}}}\n\
                 spec: {{nodeName: one, containers: [{{name: c, image: i, ports: [{port}]}}]}}\n\
                 status: {{phase: Running, podIP: 10.0.0.{ip}, podIPs: [{{ip: 10.0.0.{ip}}}]}}\n---\n"
            );
        }
    }
    out
}

/// Specifications of policies; what they find in each other is the point.
const SPECS: &[&str] = &[
    "{podSelector: {}, policyTypes: [Ingress, Egress]}",
    "{podSelector: {}, policyTypes: [Ingress]}",
    "{podSelector: {}, policyTypes: [Egress]}",
    "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}}], ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]}]}",
    "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: TCP}]}]}",
    "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ops}}, podSelector: {matchLabels: {app: db}}}]}]}",
    "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {team: t0}}, podSelector: {matchLabels: {app: api}}}], ports: [{port: http}]}]}",
    "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: shop}}, podSelector: {matchLabels: {app: web}}}], ports: [{port: sql}]}]}",
    "{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{namespaceSelector: {}}, {podSelector: {matchLabels: {app: api}}}]}]}",
    "{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: team}}}]}]}",
    "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}, {from: [{podSelector: {}}]}]}",
    "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/30]}}]}]}",
    "{podSelector: {matchLabels: {tier: none}}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}]}]}",
    "{podSelector: {matchLabels: {k8s-app: kube-dns}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: t0}}}]}]}",
];

/// Namespace, name and specification of a policy.
type Described = (usize, usize, usize);

fn text(policies: &[Described]) -> String {
    let mut out = String::new();
    for (at, (namespace, name, spec)) in policies.iter().enumerate() {
        let given_before = |other: &&Described| (other.0, other.1) == (*namespace, *name);
        if policies[..at].iter().any(|other| given_before(&other)) {
            continue;
        }
        let _ = write!(
            out,
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\
             metadata: {{name: p{name}, namespace: {}}}\nspec: {}\n---\n",
            NAMESPACES[*namespace], SPECS[*spec]
        );
    }
    out
}

struct Two {
    sources: Sources,
    files: [FileId; 2],
    worlds: [World; 2],
    rulesets: [Ruleset; 2],
    reading: [Vec<Finding>; 2],
}

impl Two {
    fn read(old: &[Described], new: &[Described]) -> Self {
        let mut sources = Sources::new();
        sources.add("cluster.yaml", cluster().into_bytes()).unwrap();
        let mut add = |name, policies| sources.add(name, text(policies).into_bytes()).unwrap();
        let files = [add("old.yaml", old), add("new.yaml", new)];
        let belongs = |file| {
            Some(match files.iter().position(|of| *of == file) {
                Some(0) => Belongs::Old,
                Some(_) => Belongs::New,
                None => Belongs::Both,
            })
        };
        let (options, assume) = (Options::default(), Assume::default());
        let read = world::read_two(&sources, belongs, &options, &assume, None, None);
        let [(before, of_old), (after, of_new)] = read;
        let findings = |loaded: Loaded<'_>| loaded.findings;
        let reading = [findings(of_old), findings(of_new)];
        let worlds = [before, after];
        let rulesets = [0, 1].map(|at| lower(&worlds[at], &Profile::reference()));
        Self {
            sources,
            files,
            worlds,
            rulesets,
            reading,
        }
    }

    fn evals(&self) -> [Evaluator<'_>; 2] {
        let switches = Profile::reference().switches;
        [0, 1].map(|at| Evaluator::new(&self.worlds[at], &self.rulesets[at], switches))
    }

    fn felt(&self) -> Option<Felt> {
        Felt::find(&self.sources, &self.worlds[0], &self.worlds[1])
    }

    /// What differs, in every way of grouping. Of pods that are alike, another one may be the example.
    fn difference(
        &self,
        evals: &[Evaluator<'_>; 2],
        rows: &[Reach; 2],
        felt: Option<&Felt>,
    ) -> String {
        let profile = Profile::reference();
        let [old, new] = [0, 1].map(|at| Judged {
            eval: &evals[at],
            reach: &rows[at],
            profile: &profile,
            pinned: &[],
        });
        let by = [By::Pod, By::Workload, By::Namespace];
        let all = by.map(|by| {
            let mut found = compare(&self.sources, &old, &new, by, felt);
            let pairs = found.pairs.iter_mut().map(|(_, why)| why);
            let outside = found.outside.iter_mut().map(|(_, why)| why);
            pairs.chain(outside).for_each(|why| why.example = None);
            found
        });
        format!("{all:#?}")
    }

    /// What the change brings and settles, in full.
    fn delta(&self, evals: &[Evaluator<'_>; 2], rows: &[Reach; 2], felt: Option<&Felt>) -> String {
        let state = |at: usize, belongs| State {
            reach: &rows[at],
            reading: &self.reading[at],
            belongs,
        };
        let states = [state(0, Belongs::Old), state(1, Belongs::New)];
        let markers = Markers::find(&self.sources);
        let is_of = |belongs, file| match belongs {
            Belongs::Old => file != self.files[1],
            _ => file != self.files[0],
        };
        let options = CheckOptions::default();
        let [before, after] = evals;
        let contexts = contexts(&self.sources, [before, after], &options);
        let [old, new] = judge_two(&markers, contexts, states, felt, &options, is_of);
        format!("{:#?}", delta(&self.sources, &old, &new))
    }
}

fn described(most: usize) -> impl Strategy<Value = Vec<Described>> {
    let policy = (0..NAMESPACES.len(), 0..4usize, 0..SPECS.len());
    proptest::collection::vec(policy, 0..most)
}

proptest! {
    #![proptest_config(Config {
        cases: std::env::var("PROPTEST_CASES").map_or(150, |cases| cases.parse().unwrap()),
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..Config::default()
    })]

    #[test]
    fn rows_and_findings_of_a_change_are_those_of_both_worlds(
        before in described(14),
        edits in proptest::collection::vec((0..14usize, 0..SPECS.len()), 0..3),
        added in described(2),
        shuffled in any::<bool>(),
    ) {
        let mut after = before.clone();
        for (at, spec) in edits {
            if let Some(entry) = after.get_mut(at) {
                entry.2 = spec;
            }
        }
        after.extend(added);
        if shuffled {
            after.reverse();
        }
        let two = Two::read(&before, &after);
        let felt = two.felt().expect("only policies differ");
        let evals = two.evals();
        let [old, new] = &evals;
        let narrow = rows([old, new], Some(&felt));
        let full = rows([old, new], None);
        let all: Vec<_> = new.world.endpoint_ids().map(Party::Endpoint).collect();
        for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to))) {
            let ports = |rows: &Reach| rows.between(new, from, to);
            prop_assert_eq!(ports(&narrow[1]), ports(&full[1]));
        }
        for (id, ip) in new.world.endpoint_ids().flat_map(|id| [(id, "8.8.8.8"), (id, "192.0.2.7")]) {
            for direction in Direction::BOTH {
                let of = |rows: &Reach| {
                    let ip = Party::Address(ip.parse().unwrap());
                    rows.decide(new, direction, id, ip, crate::sets::Protocol::Tcp, 443)
                };
                prop_assert_eq!(of(&narrow[1]), of(&full[1]));
            }
        }
        let expected = two.difference(&evals, &full, None);
        prop_assert_eq!(two.difference(&evals, &narrow, Some(&felt)), expected);
        let expected = two.delta(&evals, &full, None);
        prop_assert_eq!(two.delta(&evals, &narrow, Some(&felt)), expected);
    }
}

#[test]
fn a_change_of_one_policy_touches_its_namespace() {
    let (old, new) = ([(1, 0, 0), (2, 0, 1)], [(2, 0, 1), (1, 0, 2), (3, 1, 0)]);
    let two = Two::read(&old, &new);
    let felt = two.felt().unwrap();
    let touched = two.worlds[1].namespaces.iter().zip(&felt.touched);
    let touched: Vec<_> = touched.filter(|(_, is)| **is).collect();
    let touched: Vec<_> = touched.iter().map(|(of, _)| &*of.name).collect();
    assert_eq!(touched, ["ops", "team"]);
}

#[test]
fn other_pods_are_felt_everywhere() {
    let mut sources = Sources::new();
    let add = |sources: &mut Sources, name: &str, text: &str| {
        let _ = sources.add(name, text.as_bytes().to_vec()).unwrap();
    };
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: APP}}\n";
    add(&mut sources, "old.yaml", &pod.replace("APP", "web"));
    add(&mut sources, "new.yaml", &pod.replace("APP", "db"));
    let belongs = |file| match sources.file(file).name() {
        "old.yaml" => Some(Belongs::Old),
        _ => Some(Belongs::New),
    };
    let (options, assume) = (Options::default(), Assume::default());
    let [(old, _), (new, _)] = world::read_two(&sources, belongs, &options, &assume, None, None);
    assert!(Felt::find(&sources, &old, &new).is_none());
}
