//! A router and pods around it, for tests of probes alone.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;
use std::time::Duration;

use watertight_node::netlink::{Message, Protocol, Socket};
use watertight_node::nft::{
    Bytes, Chain, ChainType, Field, Hook, Match, Rule, Statement, Table, Verdict, kernel,
};
use watertight_node::probe::{self, Listener, Party, Question, Settings, Watch};
use watertight_node::sys::{Namespace, sysctl};

/// The group to which the router's rules log.
pub(super) const GROUP: u16 = 77;

/// The router's own addresses.
pub(super) const ROUTER4: Ipv4Addr = Ipv4Addr::new(10, 1, 255, 254);
const GATEWAY6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
pub(super) const ROUTER6: Ipv6Addr = Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 1, 1);

/// What the router does with packets to an address that is nobody's.
#[derive(Clone, Copy)]
pub(super) enum Route {
    /// Nothing.
    Blackhole = 6,
    /// It says that nobody is there.
    Unreachable = 7,
    /// It says that it may not.
    Prohibit = 8,
}

pub(super) struct Net {
    pub(super) router: Arc<Namespace>,
    pub(super) parties: Vec<Party>,
}

/// The address of a pod, of either version.
pub(super) fn v4(pod: usize) -> IpAddr {
    let pod = u16::try_from(pod).unwrap().to_be_bytes();
    Ipv4Addr::new(10, 1, pod[0], pod[1] + 1).into()
}

pub(super) fn v6(pod: usize) -> IpAddr {
    let pod = u16::try_from(pod).unwrap();
    Ipv6Addr::new(0xfd01, 0, 0, 0, 0, 0, 0, pod + 1).into()
}

impl Net {
    /// A router and some pods, none of which listens.
    pub(super) fn new(pods: usize) -> Self {
        let router = Arc::new(Namespace::new().unwrap());
        run(&router, || {
            for (setting, value) in [
                ("net/ipv4/ip_forward", "1"),
                ("net/ipv6/conf/all/forwarding", "1"),
                ("net/ipv4/icmp_ratelimit", "0"),
                ("net/ipv6/icmp/ratelimit", "0"),
            ] {
                sysctl::set(setting, value).unwrap();
            }
            without_waiting();
            let mut socket = Socket::open(Protocol::Route).unwrap();
            up(&mut socket, 1);
            address(&mut socket, 1, ROUTER6.into(), 128);
        });
        let mut net = Self {
            router,
            parties: Vec::new(),
        };
        for pod in 0..pods {
            let party = net.pod(pod);
            net.parties.push(party);
        }
        net.settle();
        net
    }

    /// The kernel brings links and addresses up in the background, and loses packets until then.
    fn settle(&self) {
        let mut parties = self.parties.clone();
        let from = parties.len();
        parties.push(Party {
            name: "router".into(),
            namespace: Arc::clone(&self.router),
            addresses: vec![ROUTER4.into(), ROUTER6.into()],
        });
        let echo = |to| Question {
            from,
            to,
            protocol: watertight_core::sets::Protocol::Icmp,
            port: 0,
            source_port: None,
            from_address: None,
            masked: None,
            to_names: None,
        };
        let addresses = self.parties.iter().flat_map(|party| &party.addresses);
        let questions: Vec<Question> = addresses.map(|address| echo(*address)).collect();
        let settings = Settings {
            timeout: Duration::from_millis(200),
            attempts: 50,
            ..Settings::default()
        };
        let answers = probe::run(&parties, &questions, &[], &settings, &|_| {}).unwrap();
        for (asked, answer) in questions.iter().zip(answers) {
            assert_eq!(
                answer.outcome.arrived(),
                Some(true),
                "{asked:?}: {answer:?}"
            );
        }
    }

    fn pod(&self, pod: usize) -> Party {
        let namespace = Arc::new(Namespace::new().unwrap());
        let link = u32::try_from(pod).unwrap() + 10;
        run(&namespace, || {
            without_waiting();
            for (setting, value) in [
                ("net/ipv4/icmp_ratelimit", "0"),
                ("net/ipv6/icmp/ratelimit", "0"),
            ] {
                sysctl::set(setting, value).unwrap();
            }
        });
        run(&self.router, || {
            let mut socket = Socket::open(Protocol::Route).unwrap();
            veth(&mut socket, link, &namespace);
            up(&mut socket, link);
            address(&mut socket, link, ROUTER4.into(), 32);
            address(&mut socket, link, GATEWAY6.into(), 64);
            route(&mut socket, Some(v4(pod)), 1, Some(link), None);
            route(&mut socket, Some(v6(pod)), 1, Some(link), None);
        });
        run(&namespace, || {
            let mut socket = Socket::open(Protocol::Route).unwrap();
            up(&mut socket, 1);
            up(&mut socket, 2);
            address(&mut socket, 2, v4(pod), 32);
            address(&mut socket, 2, v6(pod), 128);
            route(&mut socket, Some(ROUTER4.into()), 1, Some(2), None);
            route(&mut socket, None, 1, Some(2), Some(ROUTER4.into()));
            route(&mut socket, None, 1, Some(2), Some(GATEWAY6.into()));
        });
        Party {
            name: format!("pod{pod}").into(),
            namespace,
            addresses: vec![v4(pod), v6(pod)],
        }
    }

    /// One more address of a pod.
    pub(super) fn add_address(&mut self, pod: usize, more: IpAddr) {
        let link = u32::try_from(pod).unwrap() + 10;
        run(&self.router, || {
            let mut socket = Socket::open(Protocol::Route).unwrap();
            route(&mut socket, Some(more), 1, Some(link), None);
        });
        run(&self.parties[pod].namespace, || {
            let mut socket = Socket::open(Protocol::Route).unwrap();
            let bits = if more.is_ipv4() { 32 } else { 128 };
            address(&mut socket, 2, more, bits);
        });
        self.parties[pod].addresses.push(more);
        self.settle();
    }

    /// What the router does with packets to an address.
    pub(super) fn route(&self, to: &str, kind: Route) {
        let to = to.parse().unwrap();
        run(&self.router, || {
            let mut socket = Socket::open(Protocol::Route).unwrap();
            route(&mut socket, Some(to), kind as u8, None, None);
        });
    }

    /// Rules of the router for what it forwards.
    pub(super) fn rules(&self, rules: Vec<Rule>) {
        let hook = Hook {
            kind: ChainType::Filter,
            number: 2,
            priority: 0,
        };
        self.table(Table {
            name: "probe".into(),
            sets: [].into(),
            chains: [(
                "forward".into(),
                Chain {
                    hook: Some(hook),
                    rules,
                },
            )]
            .into(),
        });
    }

    pub(super) fn table(&self, table: Table) {
        run(&self.router, || {
            let mut socket = Socket::open(Protocol::Netfilter).unwrap();
            kernel::replace(&mut socket, &table).unwrap();
        });
    }

    /// The router's log.
    pub(super) fn watch(&self) -> Vec<Watch> {
        vec![Watch {
            node: "router".into(),
            namespace: Arc::clone(&self.router),
            group: GROUP,
        }]
    }

    /// A listener at a pod.
    pub(super) fn listener(
        &self,
        pod: usize,
        protocol: watertight_core::sets::Protocol,
        port: u16,
    ) -> Listener {
        Listener {
            name: Arc::clone(&self.parties[pod].name),
            namespace: Arc::clone(&self.parties[pod].namespace),
            protocol,
            port,
            address: None,
        }
    }
}

/// A rule that logs packets to a port, of TCP, UDP or SCTP, and then does something.
pub(super) fn to_port(port: u16, prefix: &str, then: Statement) -> Rule {
    let is = Match::Is(Field::DestinationPort, Bytes::EMPTY.port(port));
    logged(vec![is], prefix, then)
}

/// A rule that logs packets and then does something.
pub(super) fn logged(matches: Vec<Match>, prefix: &str, then: Statement) -> Rule {
    let log = Statement::Log {
        prefix: prefix.into(),
        group: GROUP,
        per_second: None,
    };
    Rule {
        matches,
        statements: vec![log, then],
        comment: "".into(),
    }
}

pub(super) fn drops() -> Statement {
    Statement::Verdict(Verdict::Drop)
}

pub(super) fn run(namespace: &Namespace, task: impl FnOnce() + Send) {
    namespace.run(task).unwrap();
}

fn without_waiting() {
    for setting in ["all", "default"] {
        for name in ["accept_dad", "dad_transmits"] {
            let path = format!("net/ipv6/conf/{setting}/{name}");
            sysctl::set(&path, "0").unwrap();
        }
    }
}

fn link_message(flags: u16, index: u32, up: u32) -> Message {
    Message::new(16, flags).bytes(&link_header(index, up))
}

fn link_header(index: u32, up: u32) -> Vec<u8> {
    let mut header = vec![0; 4];
    for word in [index, up, up] {
        header.extend(word.to_ne_bytes());
    }
    header
}

fn veth(socket: &mut Socket, index: u32, peer: &Namespace) {
    let peer = u32::try_from(peer.as_fd().as_raw_fd()).unwrap();
    let message = link_message(0x600, index, 0)
        .string(3, &format!("pod{index}"))
        .nested(18, |info| {
            info.string(1, "veth").nested(2, |data| {
                data.nested(1, |link| {
                    link.bytes(&link_header(2, 0))
                        .string(3, "eth0")
                        .u32(28, peer)
                })
            })
        });
    socket.request(&message).unwrap();
}

fn up(socket: &mut Socket, index: u32) {
    socket.request(&link_message(0, index, 1)).unwrap();
}

fn octets(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (2, address.octets().to_vec()),
        IpAddr::V6(address) => (10, address.octets().to_vec()),
    }
}

fn address(socket: &mut Socket, link: u32, address: IpAddr, prefix: u8) {
    let (family, octets) = octets(address);
    let [a, b, c, d] = link.to_ne_bytes();
    let message = Message::new(20, 0x600)
        .bytes(&[family, prefix, 2, 0, a, b, c, d])
        .attr(2, &octets)
        .attr(1, &octets);
    socket.request(&message).unwrap();
}

/// A route to one address, or to all.
fn route(
    socket: &mut Socket,
    to: Option<IpAddr>,
    kind: u8,
    link: Option<u32>,
    gateway: Option<IpAddr>,
) {
    let (family, octets) = octets(to.or(gateway).unwrap());
    let bits = if to.is_some() { octets.len() * 8 } else { 0 };
    let scope = if gateway.is_none() && link.is_some() {
        253
    } else {
        0
    };
    let scope = if family == 10 { 0 } else { scope };
    let bits = u8::try_from(bits).unwrap();
    let mut message =
        Message::new(24, 0x600).bytes(&[family, bits, 0, 0, 254, 4, scope, kind, 0, 0, 0, 0]);
    if to.is_some() {
        message = message.attr(1, &octets);
    }
    if let Some(link) = link {
        message = message.u32(4, link);
    }
    if gateway.is_some() {
        message = message.attr(5, &octets);
    }
    socket.request(&message).unwrap();
}
