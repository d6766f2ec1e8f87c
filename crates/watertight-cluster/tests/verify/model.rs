//! A network engine as a model: what an attempt comes to, by the policies that are stored, and by how this
//! engine follows them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fake_cluster::{Exec, ExitStatus, NoRuntime, Runtime, Store};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use watertight_cluster::verify::wire::{DONE, How, Outcome, STARTED, Sample, Target};

/// How an engine follows policies.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    Enforces,
    Nothing,
    /// But for pods on this node.
    NotOn(&'static str),
    /// Each policy after this time.
    Slow(Duration),
    /// In force and out of it, for this long each.
    Flaps(Duration),
    /// With the first policy, nothing works any more.
    Dies,
    /// Isolates, and has no rules.
    ReadsNoAllow,
    /// Enforces, and carries no SCTP.
    NoSctp,
}

pub(crate) struct Model {
    addresses: NoRuntime,
    state: Arc<State>,
}

struct State {
    mode: Mode,
    /// Nodes whose kernels speak SCTP.
    sctp: &'static [&'static str],
    cluster: Mutex<Cluster>,
}

#[derive(Default)]
struct Cluster {
    pods: Vec<Value>,
    services: Vec<Value>,
    nodes: Vec<Value>,
    /// Since when they are there.
    policies: BTreeMap<String, (Value, Instant)>,
}

impl Model {
    pub(crate) fn new(mode: Mode, sctp: &'static [&'static str]) -> Self {
        Self {
            addresses: NoRuntime::default(),
            state: Arc::new(State {
                mode,
                sctp,
                cluster: Mutex::default(),
            }),
        }
    }
}

impl Runtime for Model {
    fn start(&self, pod: &Value) -> Result<Vec<IpAddr>, String> {
        self.addresses.start(pod)
    }

    fn stop(&self, _pod: &Value) {}

    fn sync(&self, store: &Store) {
        let mut cluster = self.state.cluster.lock().unwrap();
        cluster.pods = store.all("pods");
        cluster.services = store.all("services");
        cluster.nodes = store.all("nodes");
        let mut policies = BTreeMap::new();
        for policy in store.all("networkpolicies.networking.k8s.io") {
            let name = text(&policy, "/metadata/name").to_owned();
            let since = cluster
                .policies
                .get(&name)
                .map_or_else(Instant::now, |known| known.1);
            policies.insert(name, (policy, since));
        }
        cluster.policies = policies;
    }

    fn exec(&self, exec: Exec) -> BoxFuture<'static, ExitStatus> {
        let state = Arc::clone(&self.state);
        Box::pin(async move {
            let words: Vec<&str> = exec.command.iter().map(String::as_str).collect();
            let (verb, rest) = match words.as_slice() {
                ["/watertight", "probe", verb, rest @ ..] => (*verb, rest),
                _ => return ExitStatus::NotStarted("no such program".into()),
            };
            let print =
                async |line: String| exec.stdout.send(format!("{line}\n").into()).await.is_ok();
            if verb == "facts" {
                let has_sctp = state.sctp.contains(&text(&exec.pod, "/spec/nodeName"));
                let facts = json!({
                    "resolvers": ["10.96.0.10"],
                    "apiServer": "10.96.0.1:443",
                    "sctp": has_sctp,
                });
                print(facts.to_string()).await;
                return ExitStatus::Code(0);
            }
            let targets: Vec<Target> = rest.iter().filter_map(|word| word.parse().ok()).collect();
            let started = Instant::now();
            if !rest.contains(&"--watch") {
                for target in targets {
                    let sample = state.attempt(&exec.pod, &target, started);
                    print(serde_json::to_string(&sample).unwrap()).await;
                }
                return ExitStatus::Code(0);
            }
            print(STARTED.into()).await;
            loop {
                for target in &targets {
                    let sample = state.attempt(&exec.pod, target, started);
                    if !print(serde_json::to_string(&sample).unwrap()).await {
                        return ExitStatus::Code(1);
                    }
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
    }

    fn logs(&self, pod: &Value) -> String {
        let command = pod
            .pointer("/spec/containers/0/command")
            .and_then(Value::as_array);
        let words = command.into_iter().flatten().filter_map(Value::as_str);
        let target: Option<Target> = words.filter_map(|word| word.parse().ok()).next();
        let mut text = format!("{STARTED}\n");
        for number in 0..20 {
            if let Some(target) = &target {
                let mut sample = self.state.attempt(pod, target, Instant::now());
                sample.at = f64::from(number) * 5.0;
                text.push_str(&serde_json::to_string(&sample).unwrap());
                text.push('\n');
            }
        }
        text + DONE
    }
}

impl State {
    fn attempt(&self, from: &Value, target: &Target, started: Instant) -> Sample {
        let cluster = self.cluster.lock().unwrap();
        let (outcome, by) = self.outcome(&cluster, from, target);
        Sample {
            target: target.to_string(),
            at: started.elapsed().as_secs_f64() * 1000.0,
            took: 0.1,
            outcome,
            by,
            detail: None,
        }
    }

    fn outcome(
        &self,
        cluster: &Cluster,
        from: &Value,
        target: &Target,
    ) -> (Outcome, Option<String>) {
        let is_dead = match self.mode {
            Mode::Dies => !cluster.policies.is_empty(),
            Mode::NoSctp => target.how == How::Sctp,
            _ => false,
        };
        let to = cluster.answers(&target.address);
        let port = to.map_or(target.address.port(), |(_, port)| port);
        let protocol = target.how.protocol();
        let way_out = self.allows(cluster, from, "Egress", (protocol, port));
        let way_in =
            to.is_none_or(|(pod, port)| self.allows(cluster, pod, "Ingress", (protocol, port)));
        if is_dead || !way_out || !way_in {
            return (Outcome::Timeout, None);
        }
        match (to, target.how) {
            (Some((pod, _)), _) => {
                let name = text(pod, "/metadata/labels/watertight.dev~1name");
                (Outcome::Open, Some(name.to_owned()))
            }
            // The API server and name servers.
            (None, How::Connect | How::Dns) => (Outcome::Open, None),
            (None, _) => (Outcome::Refused, None),
        }
    }

    fn allows(
        &self,
        cluster: &Cluster,
        pod: &Value,
        direction: &str,
        (protocol, port): (&str, u16),
    ) -> bool {
        if matches!(self.mode, Mode::Nothing | Mode::Dies) {
            return true;
        }
        if let Mode::NotOn(node) = self.mode
            && text(pod, "/spec/nodeName") == node
        {
            return true;
        }
        let mut is_isolated = false;
        for (policy, since) in cluster.policies.values() {
            let age = since.elapsed();
            let is_in_force = match self.mode {
                Mode::Slow(time) => age >= time,
                Mode::Flaps(time) => (age.as_millis() / time.as_millis()) % 2 == 0,
                _ => true,
            };
            let types = policy
                .pointer("/spec/policyTypes")
                .and_then(Value::as_array);
            let is_of = types.is_some_and(|types| types.iter().any(|one| one == direction));
            if !is_in_force || !is_of || !selects(policy, pod) {
                continue;
            }
            is_isolated = true;
            let rules = policy.pointer(&format!("/spec/{}", direction.to_lowercase()));
            let ports = rules
                .and_then(|rules| rules.pointer("/0/ports"))
                .and_then(Value::as_array);
            let mut ports = ports.into_iter().flatten();
            let is_allowed = ports.any(|one| {
                one.get("port").and_then(Value::as_u64) == Some(port.into())
                    && text(one, "/protocol").eq_ignore_ascii_case(protocol)
            });
            if is_allowed && !matches!(self.mode, Mode::ReadsNoAllow) {
                return true;
            }
        }
        !is_isolated
    }
}

impl Cluster {
    /// The pod behind an address, and its port.
    fn answers(&self, address: &SocketAddr) -> Option<(&Value, u16)> {
        let ip = address.ip().to_string();
        let mut pods = self.pods.iter();
        if let Some(pod) = pods.find(|pod| text(pod, "/status/podIP") == ip) {
            return Some((pod, address.port()));
        }
        let is_node = self
            .nodes
            .iter()
            .any(|node| text(node, "/status/addresses/0/address") == ip);
        for service in &self.services {
            let ports = service.pointer("/spec/ports").and_then(Value::as_array);
            let number = |port: &Value, key: &str| port.get(key).and_then(Value::as_u64);
            let key = if is_node { "nodePort" } else { "port" };
            if !is_node && text(service, "/spec/clusterIP") != ip {
                continue;
            }
            let mut ports = ports.into_iter().flatten();
            let found = ports.find(|port| number(port, key) == Some(address.port().into()));
            let Some(port) = found.and_then(|port| number(port, "port")) else {
                continue;
            };
            let name = text(service, "/spec/selector/watertight.dev~1name");
            let mut pods = self.pods.iter();
            let pod =
                pods.find(|pod| text(pod, "/metadata/labels/watertight.dev~1name") == name)?;
            return Some((pod, u16::try_from(port).ok()?));
        }
        None
    }
}

fn selects(policy: &Value, pod: &Value) -> bool {
    let run = "watertight.dev~1verify";
    let is_run = text(policy, &format!("/spec/podSelector/matchLabels/{run}"))
        == text(pod, &format!("/metadata/labels/{run}"));
    let parts = policy.pointer("/spec/podSelector/matchExpressions/0/values");
    let part = text(pod, "/metadata/labels/watertight.dev~1part");
    let parts = parts.and_then(Value::as_array);
    is_run && parts.is_some_and(|parts| parts.iter().any(|one| one == part))
}

fn text<'v>(value: &'v Value, path: &str) -> &'v str {
    value
        .pointer(path)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
