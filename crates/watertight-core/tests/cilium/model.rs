//! A small cluster and random policies for it, drawn from a tape of numbers so that they shrink.

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    /// On the host network it is its node.
    Pod {
        namespace: &'static str,
        name: &'static str,
        labels: &'static [(&'static str, &'static str)],
        account: &'static str,
        node: &'static str,
        ip: &'static str,
        host: bool,
    },
    Node {
        name: &'static str,
        zone: &'static str,
        ip: &'static str,
    },
    Outside(&'static str),
    Name(&'static str),
}

const fn pod(
    [namespace, name, node, ip, account]: [&'static str; 5],
    labels: &'static [(&'static str, &'static str)],
) -> Party {
    Party::Pod {
        namespace,
        name,
        labels,
        account,
        node,
        ip,
        host: false,
    }
}

const fn node(name: &'static str, zone: &'static str, ip: &'static str) -> Party {
    Party::Node { name, zone, ip }
}

/// Everybody.
pub(crate) const PARTIES: &[Party] = &[
    node("n1", "a", "192.168.0.1"),
    node("n2", "b", "192.168.0.2"),
    node("cp", "a", "192.168.0.9"),
    pod(["x", "a", "n1", "10.0.0.1", "default"], &[("app", "web")]),
    pod(
        ["x", "b", "n2", "10.0.0.2", "builder"],
        &[("app", "db"), ("env", "prod")],
    ),
    pod(
        ["w", "c", "n2", "10.0.1.1", "default"],
        &[("app", "web"), ("env", "dev")],
    ),
    pod(["w", "d", "n1", "10.0.1.2", "builder"], &[("app", "db")]),
    Party::Pod {
        namespace: "x",
        name: "h",
        labels: &[("app", "web")],
        account: "default",
        node: "n2",
        ip: "192.168.0.2",
        host: true,
    },
    Party::Outside("203.0.113.5"),
    Party::Outside("203.0.113.200"),
    Party::Outside(API_OUTSIDE),
    Party::Name("a.io"),
    Party::Name("www.a.io"),
];

/// The API server is on `cp` and here.
pub(crate) const API_OUTSIDE: &str = "198.51.100.10";

/// The labels of a namespace.
pub(crate) fn namespace_labels(name: &str) -> &'static [(&'static str, &'static str)] {
    match name {
        "x" => &[("kubernetes.io/metadata.name", "x"), ("team", "red")],
        _ => &[
            ("kubernetes.io/metadata.name", "w"),
            ("team", "blue"),
            ("tier", "front"),
        ],
    }
}

/// The node that a party is or runs on.
pub(crate) fn node_of(party: &Party) -> Option<&'static str> {
    match party {
        Party::Pod { node, .. } => Some(node),
        Party::Node { name, .. } => Some(name),
        _ => None,
    }
}

/// Whether a party has the identity of a node.
pub(crate) fn is_host(party: &Party) -> bool {
    matches!(party, Party::Node { .. } | Party::Pod { host: true, .. })
}

/// Whether there is a connection to ask about: not to oneself, not inside a host, not between
/// strangers, and from no name.
pub(crate) fn can_connect(from: &Party, to: &Party) -> bool {
    let outside = |party: &Party| matches!(party, Party::Outside(_) | Party::Name(_));
    let inside_host = is_host(from) && is_host(to) && node_of(from) == node_of(to);
    from != to
        && !inside_host
        && (!outside(from) || !outside(to))
        && !matches!(from, Party::Name(_))
}

#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) policies: Vec<Policy>,
    pub(crate) kubernetes: Vec<Kubernetes>,
    pub(crate) always: bool,
    pub(crate) host_is_policed: bool,
    pub(crate) cidr_match_nodes: bool,
}

/// A NetworkPolicy: pods by label, and who may come or be reached, if the section is written.
#[derive(Clone, Debug)]
pub(crate) struct Kubernetes {
    pub(crate) namespace: &'static str,
    pub(crate) app: Option<&'static str>,
    /// `policyTypes`: ingress, egress.
    pub(crate) types: [bool; 2],
    /// Rules with one peer each: none is anybody.
    pub(crate) sections: [Option<Vec<KubernetesPeer>>; 2],
}

#[derive(Clone, Debug)]
pub(crate) enum KubernetesPeer {
    Anybody,
    Own { app: &'static str },
    Team(&'static str),
    Block(&'static str),
}

#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) namespace: Option<&'static str>,
    pub(crate) rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) host: bool,
    pub(crate) subject: Selector,
    /// Of ingress and egress, as are the sections.
    pub(crate) default_deny: [Option<bool>; 2],
    pub(crate) sections: [Section; 2],
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Section {
    pub(crate) allow: Option<Vec<Item>>,
    pub(crate) deny: Option<Vec<Item>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) peers: Peers,
    pub(crate) traffic: Traffic,
}

#[derive(Clone, Debug)]
pub(crate) enum Peers {
    Unwritten,
    Endpoints(Vec<Selector>),
    Entities(Vec<&'static str>),
    Cidrs(Vec<(&'static str, Option<&'static str>)>),
    Names(Vec<&'static str>),
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Selector(pub(crate) Vec<Term>);

/// A condition; the key has its source in front. In `matchLabels` if `label`, which needs `In` with
/// one value.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    pub(crate) key: &'static str,
    pub(crate) operator: &'static str,
    pub(crate) value: &'static str,
    pub(crate) label: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Traffic {
    All,
    Ports(Vec<Group>),
    Icmp(u8),
}

#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) port: &'static str,
    pub(crate) end: Option<u16>,
    pub(crate) protocol: Option<&'static str>,
    pub(crate) l7: Option<L7>,
}

#[derive(Clone, Debug)]
pub(crate) enum L7 {
    /// Requests with this method.
    Http(&'static str),
    /// Lookups of names that fit.
    Dns(&'static str),
}

/// Draws from the tape; behind its end everything is the first choice.
struct Tape<'t>(std::slice::Iter<'t, u16>);

impl Tape<'_> {
    fn number(&mut self, below: usize) -> usize {
        self.0.next().map_or(0, |word| usize::from(*word) % below)
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.number(of.len())]
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.number(many) == many - 1
    }

    fn list<T>(&mut self, most: usize, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.number(most + 1);
        (0..count).map(|_| draw(self)).collect()
    }

    fn selector(&mut self) -> Selector {
        let mut terms = self.list(2, Self::term);
        // A mapping has every key once.
        let mut keys: Vec<&str> = Vec::new();
        terms.retain(|term| {
            !term.label
                || !keys.contains(&term.key) && {
                    keys.push(term.key);
                    true
                }
        });
        Selector(terms)
    }

    fn term(&mut self) -> Term {
        let (key, values): (_, &[_]) = self.pick(&[
            ("app", &["web", "db"][..]),
            ("k8s:app", &["web", "db"]),
            ("any:env", &["prod", "dev"]),
            ("env", &["prod", "dev"]),
            ("k8s:io.kubernetes.pod.namespace", &["x", "w"]),
            ("io.kubernetes.pod.namespace", &["x", "w"]),
            ("k8s:io.cilium.k8s.namespace.labels.team", &["red", "blue"]),
            ("io.cilium.k8s.namespace.labels.tier", &["front", "back"]),
            (
                "k8s:io.cilium.k8s.policy.serviceaccount",
                &["builder", "default"],
            ),
            ("reserved:host", &[""]),
            ("reserved:remote-node", &[""]),
            ("reserved:world", &[""]),
            ("reserved:kube-apiserver", &[""]),
            ("container:app", &["web"]),
        ]);
        let operator = self.pick(&["In", "In", "In", "NotIn", "Exists", "DoesNotExist"]);
        let value = self.pick(values);
        let label = operator == "In" && !self.one_in(3);
        Term {
            key,
            operator,
            value,
            label,
        }
    }

    fn item(&mut self, [deny, egress, host]: [bool; 3]) -> Item {
        let peers = match self.number(if egress && !deny { 6 } else { 5 }) {
            0 => Peers::Endpoints(self.list(2, Self::selector)),
            1 => {
                let entities = [
                    "all",
                    "cluster",
                    "world",
                    "host",
                    "remote-node",
                    "kube-apiserver",
                    "none",
                    "init",
                ];
                Peers::Entities(self.list(2, |tape| tape.pick(&entities)))
            }
            2 => Peers::Cidrs(self.list(2, |tape| {
                tape.pick(&[
                    ("203.0.113.0/24", None),
                    ("203.0.113.0/24", Some("203.0.113.128/25")),
                    ("0.0.0.0/0", None),
                    ("10.0.0.0/8", None),
                    ("192.168.0.0/16", None),
                    ("0.0.0.0/0", Some("198.51.100.0/24")),
                ])
            })),
            3 => Peers::Unwritten,
            4 => Peers::Endpoints(vec![self.selector()]),
            _ => Peers::Names(self.list(2, |tape| tape.pick(&["a.io", "*.a.io", "*"]))),
        };
        let traffic = match self.number(4) {
            0 => Traffic::All,
            1 => Traffic::Icmp(self.pick(&[8, 13])),
            _ => Traffic::Ports(self.list(2, |tape| tape.group([deny, egress, host]))),
        };
        Item { peers, traffic }
    }

    fn group(&mut self, [deny, egress, host]: [bool; 3]) -> Group {
        let l7 = match self.number(5) {
            0 if !deny && !host => Some(L7::Http(self.pick(&["GET", "POST|PUT"]))),
            1 if !deny && egress => Some(L7::Dns(self.pick(&["*", "a.io", "*.a.io"]))),
            _ => None,
        };
        let (port, end, protocol) = match &l7 {
            Some(L7::Http(_)) => (self.pick(&["80", "8080"]), None, Some("TCP")),
            Some(L7::Dns(_)) => ("53", None, None),
            None => {
                let protocol = self.pick(&[None, Some("ANY"), Some("TCP"), Some("UDP")]);
                let (port, end) =
                    self.pick(&[("80", None), ("80", Some(90)), ("0", None), ("http", None)]);
                (port, end, protocol)
            }
        };
        Group {
            port,
            end,
            protocol,
            l7,
        }
    }

    fn rule(&mut self, clusterwide: bool) -> Rule {
        let host = clusterwide && self.one_in(3);
        let subject = match self.number(3) {
            0 => Selector::default(),
            _ if host => Selector(vec![Term {
                key: "zone",
                operator: "In",
                value: self.pick(&["a", "b"]),
                label: true,
            }]),
            _ => self.selector(),
        };
        let mut sections = [Section::default(), Section::default()];
        for (egress, section) in [false, true].into_iter().zip(&mut sections) {
            if self.number(3) < 2 {
                section.allow = Some(self.list(3, |tape| tape.item([false, egress, host])));
            }
            if self.one_in(3) {
                section.deny = Some(self.list(2, |tape| tape.item([true, egress, host])));
            }
        }
        // A rule without any item is refused (L-17).
        let is_empty = |section: &Section| {
            let mut lists = [&section.allow, &section.deny].into_iter().flatten();
            lists.all(Vec::is_empty)
        };
        if sections.iter().all(is_empty) {
            sections[0].allow = Some(vec![Item {
                peers: Peers::Unwritten,
                traffic: Traffic::All,
            }]);
        }
        let default = |tape: &mut Self| tape.pick(&[None, None, None, Some(true), Some(false)]);
        Rule {
            host,
            subject,
            default_deny: [default(self), default(self)],
            sections,
        }
    }

    fn kubernetes(&mut self) -> Kubernetes {
        let peer = |tape: &mut Self| match tape.number(4) {
            0 => KubernetesPeer::Anybody,
            1 => KubernetesPeer::Own {
                app: tape.pick(&["web", "db"]),
            },
            2 => KubernetesPeer::Team(tape.pick(&["red", "blue"])),
            _ => KubernetesPeer::Block(tape.pick(&["0.0.0.0/0", "203.0.113.0/24", "10.0.0.0/8"])),
        };
        let section = |tape: &mut Self| tape.one_in(2).then(|| tape.list(2, peer));
        Kubernetes {
            namespace: self.pick(&["x", "w"]),
            app: self.pick(&[None, Some("web"), Some("db")]),
            types: self.pick(&[[true, false], [false, true], [true, true]]),
            sections: [section(self), section(self)],
        }
    }
}

impl Cluster {
    pub(crate) fn from_tape(words: &[u16]) -> Self {
        let mut tape = Tape(words.iter());
        let always = tape.one_in(8);
        let host_is_policed = tape.one_in(4);
        let match_nodes = tape.one_in(4);
        let policies: Vec<Policy> = tape.list(4, |tape| {
            let namespace = tape.pick(&[Some("x"), Some("w"), None]);
            let count = 1 + tape.number(2);
            Policy {
                namespace,
                rules: (0..count).map(|_| tape.rule(namespace.is_none())).collect(),
            }
        });
        // Without a policy of its own the engine is asked about NetworkPolicies only.
        let cidr_match_nodes = match_nodes && !policies.is_empty();
        Self {
            policies,
            kubernetes: tape.list(2, Tape::kubernetes),
            always,
            host_is_policed,
            cidr_match_nodes,
        }
    }

    pub(crate) fn switches(&self) -> Vec<(&'static str, &'static str)> {
        let mut switches = Vec::new();
        if self.always {
            switches.push(("enforcement", "always"));
        }
        if self.host_is_policed {
            switches.push(("allow_localhost", "policy"));
        }
        if self.cidr_match_nodes {
            switches.push(("cidr_match_nodes", "true"));
        }
        switches
    }
}
