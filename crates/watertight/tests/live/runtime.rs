//! Runs the pods of a fake cluster as network namespaces of a lab, and its policies as tables of their nodes.
//!
//! The namespaces are made beforehand, some for each node; a pod that is scheduled gets a free one. Its container is
//! a process in it: the program under test where the command asks for `/watertight`, and what [`Tools`] has for
//! others. How well the nodes enforce is up to a [`Mode`].

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use fake_cluster::{Exec, ExitStatus, Runtime, Store};
use futures::future::BoxFuture;
use ipnet::IpNet;
use serde_json::{Value, json};
use watertight_core::engine::Profile;
use watertight_core::eval::Evaluator;
use watertight_core::manifest::Options;
use watertight_core::policy::lower;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume, World};
use watertight_node::enforce::Enforcer;
use watertight_node::lab::{self, Place, Plan, services};
use watertight_node::netlink::{Protocol, Socket};
use watertight_node::nft::compile;
use watertight_node::sys::Namespace;

use crate::images::Tools;

/// How a cluster enforces its policies.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// As it must, at once.
    Enforcing,
    /// Not at all.
    Nothing,
    /// Only on nodes of these names.
    OnlyOn(&'static [&'static str]),
    /// So much later.
    Slow(Duration),
    /// Now and then: policies come and go so often.
    Flapping(Duration),
}

/// The nodes, and the namespaces for pods that each has.
const SLOTS: usize = 8;

#[derive(Clone)]
pub(crate) struct LabRuntime(Arc<Mutex<Inner>>);

struct Inner {
    mode: Mode,
    cluster: lab::Cluster,
    slots: Vec<Slot>,
    hosts: Vec<Host>,
    /// What was last seen, as documents of one line each.
    world: BTreeMap<&'static str, Vec<Value>>,
    /// The policies since when.
    policies: Vec<(Instant, Vec<Value>)>,
    /// What is in force.
    applied: Option<String>,
    tools: Arc<Tools>,
    /// The name server that pods are told.
    resolver: Option<IpAddr>,
    /// Who listens outside.
    outside: Option<Process>,
}

struct Host {
    name: String,
    ips: Vec<IpAddr>,
    place: Place,
    ranges: Vec<IpNet>,
    enforcer: Option<Enforcer>,
    /// Processes of pods on its network, by the uid of the pod.
    processes: Vec<(String, Process)>,
}

struct Slot {
    host: String,
    place: Place,
    ips: Vec<IpAddr>,
    /// The pod in it.
    uid: Option<String>,
    processes: Vec<Process>,
}

struct Process {
    child: Child,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

fn read(lines: &[Value]) -> World {
    let mut sources = Sources::new();
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    sources.add_text("cluster", text).unwrap();
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    world::read(&sources, &Options::default(), &assume, None).0
}

impl LabRuntime {
    /// Makes the namespaces of nodes with these names.
    pub(crate) fn new(nodes: &[&str], mode: Mode) -> Self {
        let mut lines = Vec::new();
        for node in nodes {
            lines.push(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}));
            for slot in 0..SLOTS {
                lines.push(json!({
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": format!("{node}-{slot}"), "namespace": "slots"},
                    "spec": {"nodeName": node, "containers": [{"name": "c", "image": "c"}]},
                }));
            }
        }
        let mut world = read(&lines);
        let plan = Plan::new(&mut world, &lab::Options::default()).unwrap();
        let cluster = lab::Cluster::up(&plan, &|_, _, _| {}).unwrap();
        let name = |id| {
            plan.nodes
                .iter()
                .find(|node| node.id == id)
                .unwrap()
                .name
                .to_string()
        };
        let slots: Vec<_> = plan
            .pods
            .iter()
            .map(|pod| Slot {
                host: name(pod.node),
                place: Place::Pod(pod.id),
                ips: pod.ips.clone(),
                uid: None,
                processes: Vec::new(),
            })
            .collect();
        let range = |ip: &IpAddr| {
            let length = if ip.is_ipv4() { 24 } else { 64 };
            IpNet::new(*ip, length).unwrap().trunc()
        };
        let hosts = plan.nodes.iter().map(|node| {
            let own = slots.iter().filter(|slot| *slot.host == *node.name);
            let mut ranges: Vec<_> = own.flat_map(|slot| slot.ips.iter().map(range)).collect();
            ranges.sort_unstable();
            ranges.dedup();
            Host {
                name: node.name.to_string(),
                ips: node.ips.clone(),
                place: Place::Node(node.id),
                ranges,
                enforcer: None,
                processes: Vec::new(),
            }
        });
        let inner = Inner {
            mode,
            hosts: hosts.collect(),
            slots,
            cluster,
            world: BTreeMap::new(),
            policies: vec![(Instant::now(), Vec::new())],
            applied: None,
            tools: Arc::new(Tools::new()),
            resolver: None,
            outside: None,
        };
        let runtime = Self(Arc::new(Mutex::new(inner)));
        let weak = Arc::downgrade(&runtime.0);
        std::thread::spawn(move || tick(&weak));
        runtime
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What pods find in their images.
    pub(crate) fn tools(&self) -> Arc<Tools> {
        Arc::clone(&self.lock().tools)
    }

    /// Tells pods of a name server.
    pub(crate) fn resolve_by(&self, server: IpAddr) {
        self.lock().resolver = Some(server);
    }

    /// Lets somebody listen at all addresses outside of the cluster, who writes down how many bytes each caller
    /// says; that file.
    pub(crate) fn listen_outside(&self, ports: &[&str]) -> PathBuf {
        let mut inner = self.lock();
        let file = inner.tools.path("callers");
        std::fs::write(&file, "").unwrap();
        let mut program = Command::new(std::env::current_exe().unwrap());
        program.args(["--role", "outside"]).arg(&file).args(ports);
        let world = inner.cluster.namespace(Place::World).unwrap();
        let child = world.run(|| program.spawn()).unwrap().unwrap();
        let said = Arc::default();
        inner.outside = Some(Process { child, said });
        file
    }

    /// The nodes as objects, with the addresses that they have here.
    pub(crate) fn nodes(&self) -> Vec<Value> {
        let node = |host: &Host| {
            let addresses = host.ips.iter();
            let addresses = addresses.map(|ip| json!({"type": "InternalIP", "address": ip}));
            json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": host.name,
                    "labels": {"kubernetes.io/hostname": host.name, "kubernetes.io/os": "linux"},
                },
                "status": {
                    "addresses": addresses.collect::<Vec<_>>(),
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "nodeInfo": {"operatingSystem": "linux", "kubeletVersion": "v1.36.2"},
                },
            })
        };
        self.lock().hosts.iter().map(node).collect()
    }
}

/// Puts into force what becomes due, until nobody holds the runtime any more.
fn tick(inner: &Weak<Mutex<Inner>>) {
    while let Some(inner) = inner.upgrade() {
        inner.lock().unwrap_or_else(PoisonError::into_inner).apply();
        drop(inner);
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Inner {
    /// The policies that a node enforces at this moment.
    fn due(&self, host: &Host) -> &[Value] {
        let now = Instant::now();
        let (_, newest) = self.policies.last().unwrap();
        match &self.mode {
            Mode::Enforcing => newest,
            Mode::Nothing => &[],
            Mode::OnlyOn(names) => {
                if names.contains(&host.name.as_str()) {
                    newest
                } else {
                    &[]
                }
            }
            Mode::Slow(delay) => {
                let old = self.policies.iter().rev();
                let mut old = old.filter(|(since, _)| now - *since >= *delay);
                old.next().map_or(&[], |(_, policies)| policies)
            }
            Mode::Flapping(period) => {
                let start = self.policies[0].0;
                let turn = (now - start).as_millis() / period.as_millis();
                if turn.is_multiple_of(2) { newest } else { &[] }
            }
        }
    }

    fn apply(&mut self) {
        let due: Vec<Vec<Value>> = self
            .hosts
            .iter()
            .map(|host| self.due(host).to_vec())
            .collect();
        let wanted = format!("{}{}", json!(self.world), json!(due));
        if self.applied.as_ref() == Some(&wanted) || self.world.is_empty() {
            return;
        }
        let everything: Vec<Value> = self.world.values().flatten().cloned().collect();
        self.serve(&everything);
        for (host, policies) in self.hosts.iter_mut().zip(due) {
            if matches!(self.mode, Mode::Nothing) {
                continue;
            }
            let mut lines = everything.clone();
            lines.extend(policies);
            let world = read(&lines);
            let profile = Profile::reference();
            let ruleset = lower(&world, &profile);
            let eval = Evaluator::new(&world, &ruleset, profile.switches);
            let Some(node) = world.node(&host.name) else {
                continue;
            };
            let options = compile::Options::default();
            let table = compile::compile(&eval, node, &host.ranges, options).table;
            match &mut host.enforcer {
                Some(enforcer) => drop(enforcer.update(table).unwrap()),
                None => {
                    let namespace = self.cluster.namespace(host.place).unwrap();
                    let socket = namespace.run(|| Socket::open(Protocol::Netfilter));
                    let started = Enforcer::start(socket.unwrap().unwrap(), table, &host.ranges);
                    host.enforcer = Some(started.unwrap().0);
                }
            }
        }
        self.applied = Some(wanted);
    }

    /// Cluster addresses, and node ports as if they were such.
    fn serve(&self, everything: &[Value]) {
        let mut lines = everything.to_vec();
        for service in everything
            .iter()
            .filter(|object| text(object, "/kind") == "Service")
        {
            let ports = service.pointer("/spec/ports").and_then(Value::as_array);
            let mut ports: Vec<Value> = ports.cloned().unwrap_or_default();
            ports.retain(|port| port.get("nodePort").is_some());
            for port in &mut ports {
                port["port"] = port["nodePort"].clone();
            }
            for host in self.hosts.iter().filter(|_| !ports.is_empty()) {
                let mut by_node = service.clone();
                by_node["metadata"]["name"] =
                    json!(format!("{}-{}", text(service, "/metadata/name"), host.name));
                by_node["spec"]["clusterIPs"] = json!(host.ips);
                by_node["spec"]["clusterIP"] = json!(host.ips[0]);
                by_node["spec"]["type"] = json!("ClusterIP");
                by_node["spec"]["ports"] = json!(ports);
                lines.push(by_node);
            }
        }
        let table = services::table(&read(&lines), None);
        for host in &self.hosts {
            self.cluster.install(host.place, &table).unwrap();
        }
    }

    fn slot(&mut self, pod: &Value) -> Option<&mut Slot> {
        let uid = text(pod, "/metadata/uid");
        let mut slots = self.slots.iter_mut();
        slots.find(|slot| slot.uid.as_deref() == Some(uid))
    }

    fn namespace_of(&self, pod: &Value) -> Option<Namespace> {
        let place = if pod.pointer("/spec/hostNetwork") == Some(&json!(true)) {
            let node = text(pod, "/spec/nodeName");
            self.hosts.iter().find(|host| host.name == node)?.place
        } else {
            let uid = text(pod, "/metadata/uid");
            self.slots
                .iter()
                .find(|slot| slot.uid.as_deref() == Some(uid))?
                .place
        };
        self.cluster.namespace(place).cloned()
    }

    /// Starts what a container runs, if it runs anything.
    fn run(&self, pod: &Value, container: &Value) -> Result<Option<Process>, String> {
        let words = |field: &str| {
            let list = container.get(field).and_then(Value::as_array);
            let list = list.into_iter().flatten().filter_map(Value::as_str);
            list.map(str::to_owned).collect::<Vec<_>>()
        };
        let command = [words("command"), words("args")].concat();
        if command.is_empty() {
            return Ok(None);
        }
        let namespace = self.namespace_of(pod).ok_or("no namespace")?;
        let image = text(container, "/image");
        let mut program = self.tools.program(image, &command, None)?;
        program
            .envs(self.environment(pod, container))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let spawned = namespace
            .run(|| program.spawn())
            .map_err(|error| error.to_string())?;
        let mut child = spawned.map_err(|error| error.to_string())?;
        let said = Arc::new(Mutex::new(Vec::new()));
        if let Some(mut stdout) = child.stdout.take() {
            let said = Arc::clone(&said);
            std::thread::spawn(move || {
                let mut bytes = [0; 4096];
                while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                    said.lock().unwrap().extend_from_slice(&bytes[..count]);
                }
            });
        }
        Ok(Some(Process { child, said }))
    }

    /// What a container finds in its environment.
    fn environment(&self, pod: &Value, container: &Value) -> Vec<(String, String)> {
        let named = container.get("env").and_then(Value::as_array);
        let own = named.into_iter().flatten().map(|variable| {
            let field = text(variable, "/valueFrom/fieldRef/fieldPath");
            let value = if field.is_empty() {
                text(variable, "/value")
            } else {
                text(pod, &format!("/{}", field.replace('.', "/")))
            };
            (text(variable, "/name").to_owned(), value.to_owned())
        });
        let services = self.world.get("services").into_iter().flatten();
        let api = services.filter(|service| {
            text(service, "/metadata/namespace") == "default"
                && text(service, "/metadata/name") == "kubernetes"
        });
        let api = api.flat_map(|service| {
            let port = service
                .pointer("/spec/ports/0/port")
                .cloned()
                .unwrap_or_default();
            [
                (
                    "KUBERNETES_SERVICE_HOST".to_owned(),
                    text(service, "/spec/clusterIP").to_owned(),
                ),
                ("KUBERNETES_SERVICE_PORT".to_owned(), port.to_string()),
            ]
        });
        own.chain(api).collect()
    }
}

fn container<'p>(pod: &'p Value, name: &str) -> Option<&'p Value> {
    let of = |list: &str| {
        pod.pointer(list)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let mut all = of("/spec/containers").chain(of("/spec/ephemeralContainers"));
    all.find(|container| name.is_empty() || text(container, "/name") == name)
}

impl Runtime for LabRuntime {
    fn start(&self, pod: &Value) -> Result<Vec<IpAddr>, String> {
        let mut inner = self.lock();
        let node = text(pod, "/spec/nodeName").to_owned();
        let on_host = pod.pointer("/spec/hostNetwork") == Some(&json!(true));
        let ips = if on_host {
            let host = inner.hosts.iter().find(|host| host.name == node);
            host.ok_or("no such node")?.ips.clone()
        } else {
            let mut slots = inner.slots.iter_mut();
            let free = slots.find(|slot| slot.host == node && slot.uid.is_none());
            let free = free.ok_or("the node is full")?;
            free.uid = Some(text(pod, "/metadata/uid").to_owned());
            free.ips.clone()
        };
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
        for container in containers.into_iter().flatten() {
            let Some(process) = inner.run(pod, container)? else {
                continue;
            };
            let uid = text(pod, "/metadata/uid").to_owned();
            match inner.slot(pod) {
                Some(slot) => slot.processes.push(process),
                None => {
                    let mut hosts = inner.hosts.iter_mut();
                    if let Some(host) = hosts.find(|host| host.name == node) {
                        host.processes.push((uid, process));
                    }
                }
            }
        }
        Ok(ips)
    }

    fn stop(&self, pod: &Value) {
        let mut inner = self.lock();
        let uid = text(pod, "/metadata/uid");
        for host in &mut inner.hosts {
            host.processes.retain(|(of, _)| of != uid);
        }
        let Some(slot) = inner.slot(pod) else { return };
        slot.processes.clear();
        slot.uid = None;
        let ips = slot.ips.clone();
        for host in &mut inner.hosts {
            if let Some(enforcer) = &mut host.enforcer {
                enforcer.forget(&ips).unwrap();
            }
        }
    }

    fn sync(&self, store: &Store) {
        let mut world = BTreeMap::new();
        for key in [
            "namespaces",
            "nodes",
            "services",
            "endpointslices.discovery.k8s.io",
        ] {
            world.insert(key, store.all(key));
        }
        let mut pods = store.all("pods");
        pods.retain(|pod| pod.pointer("/status/podIP").is_some());
        world.insert("pods", pods);
        let policies = store.all("networkpolicies.networking.k8s.io");
        let mut inner = self.lock();
        inner.world = world;
        if inner
            .policies
            .last()
            .is_none_or(|(_, last)| *last != policies)
        {
            inner.policies.push((Instant::now(), policies));
        }
        inner.apply();
    }

    fn exec(&self, exec: Exec) -> BoxFuture<'static, ExitStatus> {
        let runtime = self.clone();
        Box::pin(async move {
            match runtime.run(exec).await {
                Ok(code) => ExitStatus::Code(code),
                Err(reason) => ExitStatus::NotStarted(reason),
            }
        })
    }

    fn logs(&self, pod: &Value) -> String {
        let mut inner = self.lock();
        let process = inner.slot(pod).and_then(|slot| slot.processes.first());
        let said = process.map(|process| process.said.lock().unwrap().clone());
        String::from_utf8_lossy(&said.unwrap_or_default()).into_owned()
    }
}

impl LabRuntime {
    async fn run(&self, exec: Exec) -> Result<i32, String> {
        let (namespace, environment, mut program) = {
            let inner = self.lock();
            let container = container(&exec.pod, &exec.container).ok_or("no such container")?;
            let namespace = inner
                .namespace_of(&exec.pod)
                .ok_or("the pod does not run")?;
            let image = text(container, "/image");
            let program = inner.tools.program(image, &exec.command, inner.resolver)?;
            (namespace, inner.environment(&exec.pod, container), program)
        };
        program.envs(environment);
        crate::exec::run(program, namespace, exec).await
    }
}
