//! Makes the namespaces of a plan and joins them.
//!
//! Most of the time goes into namespaces themselves, so they are made by several threads. A pod's thread makes
//! its link from inside, with the other end in the node's namespace; afterwards each node takes up its ends in
//! one batch.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::links::{self, Everybody, INNER_V6, LOOPBACK, Link, OUTER_V6, Route};
use super::plan::GATEWAY;
use super::{Error, Families, Node, Place, Plan, Pod, Progress, Step};
use crate::netlink::{Message, Protocol, Socket};
use crate::nft::{Table, kernel};
use crate::sys::{Namespace, sysctl};

/// How long links may take to carry packets.
const PATIENCE: Duration = Duration::from_secs(10);

/// Up to how many pods the gateway is found by neighbour discovery, as in a real cluster. The kernel keeps
/// about a thousand neighbours for all namespaces together, and each pod takes two; beyond, they are given.
const DISCOVERING: usize = 250;

/// Threads that make namespaces. The kernel does part of the work under one lock.
const THREADS: usize = 4;

/// A cluster of namespaces. It is gone when this is dropped, or when the process ends.
#[derive(Debug)]
pub struct Cluster {
    namespaces: BTreeMap<Place, Namespace>,
}

impl Cluster {
    /// Makes it. The calling thread stays in its own namespace.
    pub fn up(plan: &Plan, progress: Progress<'_>) -> Result<Self, Error> {
        let builder = Builder {
            plan,
            families: plan.families(),
            links: plan
                .pods
                .iter()
                .zip(0..)
                .map(|(pod, link)| (Place::Pod(pod.id), Link(link)))
                .chain(plan.nodes.iter().zip(0..).map(|(node, link)| {
                    let pods = u32::try_from(plan.pods.len()).unwrap_or(u32::MAX);
                    (Place::Node(node.id), Link(pods.saturating_add(link)))
                }))
                .collect(),
        };
        builder.up(progress)
    }

    /// The namespace of a place; none if the plan does not have it.
    #[must_use]
    pub fn namespace(&self, place: Place) -> Option<&Namespace> {
        self.namespaces.get(&place)
    }

    /// Makes the kernel hold a table of nftables in a namespace, whatever it held under its name.
    pub fn install(&self, place: Place, table: &Table) -> Result<(), Error> {
        let Some(namespace) = self.namespace(place) else {
            return Ok(());
        };
        let doing = || format!("install the table {}", table.name);
        let install = || kernel::replace(&mut Socket::open(Protocol::Netfilter)?, table);
        let installed = namespace.run(install).map_err(Error::system(doing()))?;
        installed.map(drop).map_err(Error::netlink(doing()))
    }

    /// All namespaces, the world first, then the nodes.
    pub fn namespaces(&self) -> impl Iterator<Item = (Place, &Namespace)> {
        self.namespaces
            .iter()
            .map(|(place, namespace)| (*place, namespace))
    }
}

struct Builder<'p> {
    plan: &'p Plan,
    families: Families,
    links: BTreeMap<Place, Link>,
}

impl Builder<'_> {
    fn up(&self, progress: Progress<'_>) -> Result<Cluster, Error> {
        let plan = self.plan;
        let total = 1 + plan.nodes.len() + plan.pods.len();
        let done = AtomicUsize::new(0);
        let step = |_: &Place| {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            progress(Step::Namespaces, done, total);
        };
        let mut routers = vec![Place::World];
        routers.extend(plan.nodes.iter().map(|node| Place::Node(node.id)));
        let made = parallel(&routers, |place| {
            let namespace = Namespace::unshare().map_err(Error::system("make a node"))?;
            self.settings(true)?;
            step(place);
            Ok((*place, namespace))
        })?;
        let mut namespaces: BTreeMap<Place, Namespace> = made.into_iter().collect();
        let made = parallel(&plan.pods, |pod| {
            let node = namespaces.get(&Place::Node(pod.node));
            let namespace = self.pod(pod, node)?;
            step(&Place::Pod(pod.id));
            Ok((Place::Pod(pod.id), namespace))
        })?;
        namespaces.extend(made);
        let nodes = plan.nodes.len();
        progress(Step::Routes, 0, nodes + 1);
        let world = namespaces.get(&Place::World);
        parallel(&plan.nodes, |node| {
            let Some(own) = namespaces.get(&Place::Node(node.id)) else {
                return Ok(());
            };
            own.enter()
                .map_err(Error::system(format!("enter node {}", node.name)))?;
            self.node(node, world)
        })?;
        progress(Step::Routes, nodes, nodes + 1);
        if let Some(world) = world {
            let doing = "enter the world outside";
            world.run(|| self.world()).map_err(Error::system(doing))??;
        }
        progress(Step::Routes, nodes + 1, nodes + 1);
        self.wait(&namespaces, progress)?;
        Ok(Cluster { namespaces })
    }

    fn settings(&self, is_router: bool) -> Result<(), Error> {
        let mut wanted = vec![
            // Copied from the machine's own; a node forwards what comes from anywhere.
            ("net/ipv4/conf/all/rp_filter", "0"),
            ("net/ipv4/conf/default/rp_filter", "0"),
        ];
        if is_router {
            wanted.extend([
                ("net/ipv4/ip_forward", "1"),
                // A hairpin leaves through the device that it came from.
                ("net/ipv4/conf/all/send_redirects", "0"),
                ("net/ipv4/conf/default/send_redirects", "0"),
            ]);
        }
        if self.families.v6 {
            wanted.extend([
                ("net/ipv6/conf/all/disable_ipv6", "0"),
                ("net/ipv6/conf/default/disable_ipv6", "0"),
                // No addresses but those that are given.
                ("net/ipv6/conf/default/addr_gen_mode", "1"),
                ("net/ipv6/conf/default/accept_ra", "0"),
            ]);
            if is_router {
                wanted.push(("net/ipv6/conf/all/forwarding", "1"));
            }
        } else if sysctl::has_ipv6() {
            wanted.push(("net/ipv6/conf/default/disable_ipv6", "1"));
        }
        for (name, value) in wanted {
            sysctl::set(name, value).map_err(Error::system("set up a namespace"))?;
        }
        // A refusal tells a probe something, however many there are.
        let unlimited = [
            ("net/ipv4/icmp_ratelimit", "0"),
            ("net/ipv4/icmp_msgs_per_sec", "1000000"),
            ("net/ipv4/icmp_msgs_burst", "100000"),
            ("net/ipv6/icmp/ratelimit", "0"),
        ];
        for (name, value) in unlimited {
            sysctl::set_if_possible(name, value).map_err(Error::system("set up a namespace"))?;
        }
        Ok(())
    }

    fn link(&self, place: Place) -> Link {
        // INVARIANT: every pod and node has one.
        self.links.get(&place).copied().unwrap_or(Link(0))
    }

    /// What an inner end needs: own addresses, and everybody else behind the other end.
    fn inner_end(&self, link: Link, ips: &[IpAddr], discovers: bool) -> Vec<Message> {
        let device = link.inner();
        let mut wanted = vec![links::up(LOOPBACK), links::up(device)];
        wanted.extend(ips.iter().map(|ip| links::address(device, *ip)));
        let route = |to, gateway: IpAddr, source| {
            let gateway = Some(gateway);
            Route {
                to: Err(to),
                device,
                gateway,
                source,
            }
            .message()
        };
        if self.families.v4 {
            let source = ips.iter().copied().find(IpAddr::is_ipv4);
            wanted.push(links::neighbour(device, GATEWAY.into(), link.outer_mac()));
            wanted.push(route(Everybody::V4, GATEWAY.into(), source));
        }
        if self.families.v6 {
            let source = ips.iter().copied().find(IpAddr::is_ipv6);
            wanted.push(links::address(device, INNER_V6.into()));
            if !discovers {
                wanted.push(links::neighbour(device, OUTER_V6.into(), link.outer_mac()));
            }
            wanted.push(route(Everybody::V6, OUTER_V6.into(), source));
        }
        wanted
    }

    fn pod(&self, pod: &Pod, node: Option<&Namespace>) -> Result<Namespace, Error> {
        let doing = || format!("make the pod {}", pod.name);
        let namespace = Namespace::unshare().map_err(Error::system(doing()))?;
        self.settings(false)?;
        let link = self.link(Place::Pod(pod.id));
        let mut wanted = Vec::new();
        if let Some(node) = node {
            wanted.push(link.create("eth0", &format!("p{}", link.0), node.number()));
        }
        let discovers = self.plan.pods.len() <= DISCOVERING;
        wanted.extend(self.inner_end(link, &pod.ips, discovers));
        request(&wanted).map_err(Error::netlink(doing()))?;
        Ok(namespace)
    }

    fn node(&self, node: &Node, world: Option<&Namespace>) -> Result<(), Error> {
        let link = self.link(Place::Node(node.id));
        let mut wanted = Vec::new();
        if let Some(world) = world {
            wanted.push(link.create("up0", &format!("n{}", node.id.index()), world.number()));
        }
        wanted.extend(self.inner_end(link, &node.ips, false));
        for pod in self.plan.pods.iter().filter(|pod| pod.node == node.id) {
            let link = self.link(Place::Pod(pod.id));
            let device = link.outer();
            wanted.push(links::up(device));
            if self.families.v6 {
                wanted.push(links::address(device, OUTER_V6.into()));
            }
            for ip in &pod.ips {
                let is_same = |own: &IpAddr| own.is_ipv4() == ip.is_ipv4();
                wanted.push(links::neighbour(device, *ip, link.inner_mac()));
                let route = Route {
                    to: Ok(*ip),
                    device,
                    gateway: None,
                    source: node.ips.iter().copied().find(is_same),
                };
                wanted.push(route.message());
            }
        }
        request(&wanted).map_err(Error::netlink(format!("make the node {}", node.name)))
    }

    fn world(&self) -> Result<(), Error> {
        let mut wanted = vec![links::up(LOOPBACK)];
        let outside = self.plan.outside.iter();
        wanted.extend(outside.map(|outside| links::address(LOOPBACK, outside.ip)));
        for node in &self.plan.nodes {
            let link = self.link(Place::Node(node.id));
            let device = link.outer();
            let mac = link.inner_mac();
            wanted.push(links::up(device));
            if self.families.v4 {
                wanted.push(links::neighbour(device, GATEWAY.into(), mac));
            }
            if self.families.v6 {
                wanted.push(links::address(device, OUTER_V6.into()));
                wanted.push(links::neighbour(device, INNER_V6.into(), mac));
            }
            let pods = self.plan.pods.iter().filter(|pod| pod.node == node.id);
            for ip in node.ips.iter().chain(pods.flat_map(|pod| &pod.ips)) {
                wanted.push(through(*ip, device).message());
            }
            let entries = self.plan.entries.iter();
            let entries = entries.filter(|(_, entry)| **entry == node.id);
            wanted.extend(entries.map(|(ip, _)| through(*ip, device).message()));
        }
        request(&wanted).map_err(Error::netlink("make the world outside"))
    }

    /// Waits until every device carries packets: the kernel gets them ready a moment after they are up.
    fn wait(
        &self,
        namespaces: &BTreeMap<Place, Namespace>,
        progress: Progress<'_>,
    ) -> Result<(), Error> {
        let all: Vec<_> = namespaces.iter().collect();
        let started = Instant::now();
        let done = AtomicUsize::new(0);
        parallel(&all, |(place, namespace)| {
            let doing = || format!("look at the links of {}", self.name(**place));
            namespace.enter().map_err(Error::system(doing()))?;
            let mut socket = Socket::open(Protocol::Route).map_err(Error::netlink(doing()))?;
            loop {
                let devices = socket
                    .dump(&links::devices())
                    .map_err(Error::netlink(doing()))?;
                let links = devices
                    .iter()
                    .filter(|device| links::is_waited_for(device))
                    .count();
                if links == 0 {
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    progress(Step::Links, done, all.len());
                    return Ok(());
                }
                if started.elapsed() > PATIENCE {
                    let place = self.name(**place).into();
                    return Err(Error::NotUp { place, links });
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        })?;
        Ok(())
    }

    fn name(&self, place: Place) -> String {
        match place {
            Place::World => "the world outside".to_owned(),
            Place::Node(id) => {
                let node = self.plan.nodes.iter().find(|node| node.id == id);
                node.map(|node| format!("node {}", node.name))
                    .unwrap_or_default()
            }
            Place::Pod(id) => self
                .plan
                .pod(id)
                .map(|pod| pod.name.to_string())
                .unwrap_or_default(),
        }
    }
}

/// The way of the world outside to an address behind a node.
fn through(ip: IpAddr, device: u32) -> Route {
    Route {
        to: Ok(ip),
        device,
        gateway: Some(match ip {
            IpAddr::V4(_) => GATEWAY.into(),
            IpAddr::V6(_) => INNER_V6.into(),
        }),
        source: None,
    }
}

/// Has something done in the namespace of the calling thread.
fn request(wanted: &[Message]) -> Result<(), crate::netlink::Error> {
    Socket::open(Protocol::Route)?.requests(wanted)
}

/// Does something for all of many, in several threads that end with it; the results in order. The first
/// failure ends it.
fn parallel<I: Sync, T: Send>(
    items: &[I],
    task: impl Fn(&I) -> Result<T, Error> + Sync,
) -> Result<Vec<T>, Error> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, T)>> = Mutex::new(Vec::with_capacity(items.len()));
    let failure = Mutex::new(None);
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else {
                break;
            };
            match task(item) {
                Ok(result) => lock(&results).push((index, result)),
                Err(error) => {
                    next.store(items.len(), Ordering::Relaxed);
                    lock(&failure).get_or_insert(error);
                }
            }
        }
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores.min(THREADS).min(items.len()) {
            scope.spawn(work);
        }
    });
    if let Some(error) = lock(&failure).take() {
        return Err(error);
    }
    let mut results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_unstable_by_key(|(index, _)| *index);
    Ok(results.into_iter().map(|(_, result)| result).collect())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
