//! Policies, as plain data, and the templates they are drawn from.
//!
//! A namespace's first policy denies by default and its second allows DNS; every other one is drawn from the
//! templates that manifests in the wild are made of. A template decides the shape, the generator fills in names.

use super::cluster::{ENVS, Plan, TEAMS, Tier, Workload};
use super::rng::Rng;

pub(super) const NAME_LABEL: &str = "kubernetes.io/metadata.name";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) template: &'static str,
    pub(super) name: String,
    pub(super) subject: Selector,
    pub(super) types: &'static [&'static str],
    pub(super) ingress: Vec<Rule>,
    pub(super) egress: Vec<Rule>,
}

/// Without requirements it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) expressions: Vec<Expression>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expression {
    pub(super) key: &'static str,
    pub(super) operator: &'static str,
    pub(super) values: Vec<&'static str>,
}

/// Without peers and ports it allows everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) peers: Vec<Peer>,
    pub(super) ports: Vec<Port>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Pods(Selector),
    Namespaces(Selector),
    PodsIn {
        namespaces: Selector,
        pods: Selector,
    },
    Block {
        cidr: String,
        except: Vec<String>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Port {
    pub(super) protocol: &'static str,
    pub(super) number: PortNumber,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PortNumber {
    One(u16),
    Range(u16, u16),
    Named(&'static str),
}

#[derive(Clone, Copy, Debug)]
enum Template {
    DenyBoth,
    DenyIngress,
    AllowDns,
    AppToApp,
    SameNamespace,
    TeamNamespaces,
    ExprSelectors,
    NamedPort,
    EndPort,
    IpBlockIn,
    IpBlockOut,
    Metrics,
    IngressController,
    MultiRule,
    AllNamespaces,
}

/// Equally likely each; app-to-app is the most common policy there is.
const DRAWN: [Template; 14] = [
    Template::AppToApp,
    Template::AppToApp,
    Template::AppToApp,
    Template::SameNamespace,
    Template::TeamNamespaces,
    Template::ExprSelectors,
    Template::NamedPort,
    Template::EndPort,
    Template::IpBlockIn,
    Template::IpBlockOut,
    Template::Metrics,
    Template::IngressController,
    Template::MultiRule,
    Template::AllNamespaces,
];

impl Template {
    fn name(self) -> &'static str {
        match self {
            Template::DenyBoth => "default-deny-both",
            Template::DenyIngress => "default-deny-ingress",
            Template::AllowDns => "allow-dns",
            Template::AppToApp => "app-to-app",
            Template::SameNamespace => "same-namespace",
            Template::TeamNamespaces => "team-namespaces",
            Template::ExprSelectors => "expr-selectors",
            Template::NamedPort => "named-port",
            Template::EndPort => "end-port",
            Template::IpBlockIn => "ipblock-in",
            Template::IpBlockOut => "ipblock-out",
            Template::Metrics => "metrics",
            Template::IngressController => "ingress-controller",
            Template::MultiRule => "multi-rule",
            Template::AllNamespaces => "all-namespaces",
        }
    }
}

/// Policy number `ordinal` of a namespace.
pub(super) fn draw(rng: &mut Rng, plan: &Plan, workloads: &[Workload], ordinal: usize) -> Policy {
    let template = match ordinal {
        0 if rng.chance(0.6) => Template::DenyBoth,
        0 => Template::DenyIngress,
        1 => Template::AllowDns,
        _ => rng.pick(&DRAWN),
    };
    let name = match template {
        Template::DenyBoth | Template::DenyIngress => "default-deny".to_owned(),
        Template::AllowDns => "allow-dns".to_owned(),
        _ => format!("{}-{ordinal}", template.name()),
    };
    let (subject, direction) = Draw {
        rng,
        plan,
        workloads,
    }
    .body(template);
    let (types, ingress, egress): (&[_], _, _) = match direction {
        Direction::Ingress(rules) => (&["Ingress"], rules, Vec::new()),
        Direction::Egress(rules) => (&["Egress"], Vec::new(), rules),
        Direction::Both { ingress, egress } => (&["Ingress", "Egress"], ingress, egress),
    };
    Policy {
        template: template.name(),
        name,
        subject,
        types,
        ingress,
        egress,
    }
}

enum Direction {
    Ingress(Vec<Rule>),
    Egress(Vec<Rule>),
    Both {
        ingress: Vec<Rule>,
        egress: Vec<Rule>,
    },
}

struct Draw<'a> {
    rng: &'a mut Rng,
    plan: &'a Plan,
    workloads: &'a [Workload],
}

impl Draw<'_> {
    fn body(&mut self, template: Template) -> (Selector, Direction) {
        let all = Selector::default;
        match template {
            Template::DenyBoth => (
                all(),
                Direction::Both {
                    ingress: Vec::new(),
                    egress: Vec::new(),
                },
            ),
            Template::DenyIngress => (all(), Direction::Ingress(Vec::new())),
            Template::AllowDns => {
                let dns = pods_in(named("kube-system"), label("k8s-app", "kube-dns"));
                (
                    all(),
                    Direction::Egress(vec![rule([dns], [one("UDP", 53), one("TCP", 53)])]),
                )
            }
            Template::AppToApp => self.app_to_app(),
            Template::SameNamespace => {
                let inside = || vec![rule([Peer::Pods(all())], [])];
                (
                    all(),
                    Direction::Both {
                        ingress: inside(),
                        egress: inside(),
                    },
                )
            }
            Template::TeamNamespaces => {
                let subject = self.tier();
                let mut owners = label("team", self.rng.pick(&TEAMS));
                owners.labels.push(("env", self.rng.pick(&ENVS).to_owned()));
                let port = one("TCP", self.rng.pick(&[8080, 8081, 8000]));
                (
                    subject,
                    Direction::Ingress(vec![rule([pods_in(owners, self.tier())], [port])]),
                )
            }
            Template::ExprSelectors => self.expr_selectors(),
            Template::NamedPort => {
                let (subject, peer) = (self.app(), Peer::Pods(self.tier()));
                let port = named_port(self.rng.pick(&["http", "grpc", "metrics", "db"]));
                (subject, Direction::Ingress(vec![rule([peer], [port])]))
            }
            Template::EndPort => {
                let low = self.rng.pick(&[3000, 8000, 9000, 30000]);
                let high = low + self.rng.pick(&[10, 99, 999]);
                let protocol = self.rng.pick(&["TCP", "TCP", "UDP", "SCTP"]);
                let port = Port {
                    protocol,
                    number: PortNumber::Range(low, high),
                };
                (
                    self.app(),
                    Direction::Ingress(vec![rule([Peer::Pods(all())], [port])]),
                )
            }
            Template::IpBlockIn => {
                let block = self.rng.bits(8);
                let mut hole = || format!("203.{block}.{}.0/24", self.rng.bits(8));
                let peer = Peer::Block {
                    cidr: format!("203.{block}.0.0/16"),
                    except: vec![hole(), hole()],
                };
                (
                    label("tier", "frontend"),
                    Direction::Ingress(vec![rule([peer], [one("TCP", 8080)])]),
                )
            }
            Template::IpBlockOut => {
                let inside = [
                    "10.0.0.0/8",
                    "172.16.0.0/12",
                    "192.168.0.0/16",
                    "169.254.169.254/32",
                ];
                let peer = Peer::Block {
                    cidr: "0.0.0.0/0".to_owned(),
                    except: inside.map(str::to_owned).into(),
                };
                (
                    self.app(),
                    Direction::Egress(vec![rule([peer], [one("TCP", 443)])]),
                )
            }
            Template::Metrics => {
                let peer = pods_in(named("monitoring"), label("app", "prometheus"));
                (
                    all(),
                    Direction::Ingress(vec![rule([peer], [named_port("metrics")])]),
                )
            }
            Template::IngressController => {
                let peer = Peer::Namespaces(named("ingress-nginx"));
                (
                    label("tier", "frontend"),
                    Direction::Ingress(vec![rule([peer], [named_port("http")])]),
                )
            }
            Template::MultiRule => (
                self.tier(),
                Direction::Ingress((0..3).map(|_| self.app_or_namespace()).collect()),
            ),
            Template::AllNamespaces => {
                let ports = [one("TCP", 8000), one("TCP", 9000)];
                (
                    label("tier", "api"),
                    Direction::Ingress(vec![rule([Peer::Namespaces(all())], ports)]),
                )
            }
        }
    }

    fn app_to_app(&mut self) -> (Selector, Direction) {
        let target = self.rng.pick_any(self.workloads);
        let subject = app_label(target);
        let port = target
            .and_then(|workload| workload.ports.first())
            .map_or_else(|| one("TCP", 8080), |port| one(port.protocol, port.number));
        let ingress = vec![rule([Peer::Pods(self.app())], [port])];
        let store = Peer::Pods(label("tier", self.rng.pick(&["db", "cache"])));
        let egress = vec![rule([store], [one("TCP", 5432), one("TCP", 6379)])];
        (subject, Direction::Both { ingress, egress })
    }

    fn expr_selectors(&mut self) -> (Selector, Direction) {
        let first = self.rng.pick(&Tier::ALL);
        let second = loop {
            let tier = self.rng.pick(&Tier::ALL);
            if tier != first {
                break tier;
            }
        };
        let mut tiers = vec![first.name(), second.name()];
        tiers.sort_unstable();
        let namespaces = expressions([
            ("env", "NotIn", vec!["dev", "staging"]),
            ("team", "Exists", Vec::new()),
        ]);
        let pods = expressions([
            ("tier", "NotIn", vec!["db"]),
            ("version", "DoesNotExist", Vec::new()),
        ]);
        let rules = vec![rule([pods_in(namespaces, pods)], [one("TCP", 50051)])];
        (
            expressions([("tier", "In", tiers)]),
            Direction::Ingress(rules),
        )
    }

    /// Two separate peers: an app here, and all of some namespace.
    fn app_or_namespace(&mut self) -> Rule {
        let app = Peer::Pods(self.app());
        let other = Peer::Namespaces(named(&self.plan.draw_namespace(self.rng)));
        rule(
            [app, other],
            [one("TCP", self.rng.pick(&[8080, 8081, 5432, 6379]))],
        )
    }

    fn app(&mut self) -> Selector {
        app_label(self.rng.pick_any(self.workloads))
    }

    fn tier(&mut self) -> Selector {
        label("tier", self.rng.pick(&Tier::ALL).name())
    }
}

/// A namespace without workloads still has policies; they select nothing.
fn app_label(workload: Option<&Workload>) -> Selector {
    label("app", workload.map_or("none", |workload| &workload.app))
}

fn label(key: &'static str, value: &str) -> Selector {
    Selector {
        labels: vec![(key, value.to_owned())],
        ..Selector::default()
    }
}

fn named(namespace: &str) -> Selector {
    label(NAME_LABEL, namespace)
}

fn expressions<const N: usize>(
    of: [(&'static str, &'static str, Vec<&'static str>); N],
) -> Selector {
    let expressions = of
        .into_iter()
        .map(|(key, operator, values)| Expression {
            key,
            operator,
            values,
        })
        .collect();
    Selector {
        expressions,
        ..Selector::default()
    }
}

fn pods_in(namespaces: Selector, pods: Selector) -> Peer {
    Peer::PodsIn { namespaces, pods }
}

fn rule<const P: usize, const Q: usize>(peers: [Peer; P], ports: [Port; Q]) -> Rule {
    Rule {
        peers: peers.into(),
        ports: ports.into(),
    }
}

fn one(protocol: &'static str, number: u16) -> Port {
    Port {
        protocol,
        number: PortNumber::One(number),
    }
}

fn named_port(name: &'static str) -> Port {
    Port {
        protocol: "TCP",
        number: PortNumber::Named(name),
    }
}
