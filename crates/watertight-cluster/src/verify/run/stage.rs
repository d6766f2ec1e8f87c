//! Before the first attempt: nodes are read, objects made, pods and Services waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::verify::access::{Access, DEPLOYMENT, Error, NODE, POD, SERVICE, SLICE};
use crate::verify::claims::{Known, Placed, Service};
use crate::verify::objects::{self, Objects, RUN};
use crate::verify::plan::{Layout, Node, Part, cloud_of};
use crate::verify::wait::{Stage, failure, stage};
use crate::verify::wire::How;

use super::{EXTRA, Runner};

/// How often pods are looked at.
const LOOK: Duration = Duration::from_millis(250);

/// The nodes, or none if they may not be read.
pub(super) async fn nodes(access: &Access) -> Result<Option<Vec<Node>>, Error> {
    match access.list(NODE, None, "").await {
        Ok(found) => Ok(Some(found.iter().filter_map(node).collect())),
        Err(error) if matches!(error.code, 403 | 404) => Ok(None),
        Err(error) => Err(error),
    }
}

fn node(object: &Value) -> Option<Node> {
    let word = |path: &str| object.pointer(path).and_then(Value::as_str);
    let empty = Vec::new();
    let list = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_array)
            .unwrap_or(&empty)
    };
    let is =
        |one: &Value, key: &str, value: &str| one.get(key).and_then(Value::as_str) == Some(value);
    let addresses = list("/status/addresses").iter();
    let addresses = addresses
        .filter(|address| is(address, "type", "InternalIP"))
        .filter_map(|address| address.get("address")?.as_str()?.parse().ok());
    let os = object
        .pointer("/metadata/labels/kubernetes.io~1os")
        .and_then(Value::as_str);
    let unready = list("/status/conditions")
        .iter()
        .any(|one| is(one, "type", "Ready") && !is(one, "status", "True"));
    let takes_all = os.is_none_or(|os| os == "linux") && !unready;
    let is_cordoned = object.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
    let is_tainted = list("/spec/taints")
        .iter()
        .any(|taint| is(taint, "effect", "NoSchedule") || is(taint, "effect", "NoExecute"));
    Some(Node {
        name: word("/metadata/name")?.to_owned(),
        addresses: addresses.collect(),
        takes_pods: takes_all && !is_cordoned && !is_tainted,
        takes_all,
        cloud: word("/spec/providerID").and_then(cloud_of),
    })
}

impl Runner<'_> {
    /// Makes everything but policies.
    pub(super) async fn make(&mut self, layout: &Layout) -> Result<String, Error> {
        let objects = Objects {
            options: self.options,
            owner: None,
        };
        if let Some(namespace) = objects.own_namespace() {
            (self.tell)(&format!("making namespace {}", self.namespace));
            self.first(&namespace).await?;
        }
        let root = self.first(&objects.root()).await?;
        let uid = root.pointer("/metadata/uid").and_then(Value::as_str);
        let uid = uid.unwrap_or_default().to_owned();
        let objects = Objects {
            owner: Some(&uid),
            ..objects
        };
        (self.tell)(&format!("making {} pods", layout.actors.len()));
        for object in objects.stage(layout) {
            self.access.create(&object).await?;
        }
        Ok(uid)
    }

    /// Makes an object that may be the first of all. A request may be stopped after it was sent, so what is
    /// asked for counts as made, until an answer says that it is not.
    async fn first(&mut self, object: &Value) -> Result<Value, Error> {
        let had_made = std::mem::replace(&mut self.has_made, true);
        let made = self.access.create(object).await;
        if made
            .as_ref()
            .is_err_and(|error| (400..500).contains(&error.code))
        {
            self.has_made = had_made;
        }
        made
    }

    /// Waits for the pods of the actors; those of every node may fail, the others must not.
    pub(super) async fn pods(&mut self, layout: &Layout) -> Result<Vec<Placed>, Error> {
        let began = Instant::now();
        let patience = self.options.patience.ready;
        let selector = format!("{RUN}={}", self.options.id);
        let mut told = String::new();
        loop {
            let pods = self
                .access
                .list(POD, Some(&self.namespace), &selector)
                .await?;
            let mut placed = Vec::new();
            let mut waiting = Vec::new();
            for actor in &layout.actors {
                let prefix = format!("{}-", objects::name_of(self.options, &actor.name));
                let pod = pods.iter().find(|pod| {
                    let name = pod.pointer("/metadata/name").and_then(Value::as_str);
                    let is_going = pod.pointer("/metadata/deletionTimestamp").is_some();
                    !is_going && name.is_some_and(|name| name.starts_with(&prefix))
                });
                let stage = pod.map_or(Stage::Waiting("it is not made yet".into()), stage);
                let why = match stage {
                    Stage::Ready => None,
                    Stage::Waiting(why) => Some((why, false)),
                    Stage::Hopeless(why) => Some((why, true)),
                };
                if let Some((why, is_hopeless)) = why {
                    waiting.push((actor, why, is_hopeless));
                }
                placed.push(pod.map_or_else(Placed::default, self::placed));
            }
            if waiting.is_empty() {
                return Ok(placed);
            }
            let is_over = began.elapsed() > patience;
            let needed = |(actor, _, _): &&(&_, _, _)| is_needed(actor);
            let hopeless = waiting
                .iter()
                .filter(needed)
                .find(|(_, _, is_hopeless)| *is_hopeless);
            if let Some((actor, why, _)) = hopeless {
                return Err(self.cannot_start(&actor.name, why).await);
            }
            if is_over {
                if let Some((actor, why, _)) = waiting.iter().find(needed) {
                    return Err(self.cannot_start(&actor.name, why).await);
                }
                for (actor, why, _) in &waiting {
                    self.untried += 1;
                    let node = actor.node.as_deref().unwrap_or("any");
                    self.notes
                        .push(format!("the pod for node `{node}` did not start: {why}"));
                }
                return Ok(placed);
            }
            if let Some((actor, why, _)) = waiting.first() {
                let ready = layout.actors.len() - waiting.len();
                let node = actor
                    .node
                    .as_ref()
                    .map_or(String::new(), |node| format!(" on {node}"));
                let words = format!(
                    "{ready} of {} pods are ready; waiting for {}{node}: {why}",
                    layout.actors.len(),
                    actor.name
                );
                if words != told {
                    (self.tell)(&words);
                    told = words;
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn cannot_start(&self, actor: &str, why: &str) -> Error {
        let name = objects::name_of(self.options, actor);
        let selector = format!("{RUN}={}", self.options.id);
        let deployments = self
            .access
            .list(DEPLOYMENT, Some(&self.namespace), &selector)
            .await;
        let deployments = deployments.unwrap_or_default();
        let deployment = deployments
            .iter()
            .find(|one| one.pointer("/metadata/name").and_then(Value::as_str) == Some(&*name));
        let why = deployment
            .and_then(failure)
            .unwrap_or_else(|| why.to_owned());
        Error::said(
            &format!("start pod `{actor}` of image `{}`", self.options.image.name),
            &format!("{why}; name another image with --image, or wait longer with --ready"),
        )
    }

    /// What is known once the pods run.
    pub(super) async fn known(
        &mut self,
        layout: &Layout,
        placed: Vec<Placed>,
        nodes: Vec<Node>,
    ) -> Result<Known, Error> {
        let mut services = BTreeMap::new();
        if self.options.services {
            let selector = format!("{RUN}={}", self.options.id);
            let found = self
                .access
                .list(SERVICE, Some(&self.namespace), &selector)
                .await?;
            for (at, actor) in layout.actors.iter().enumerate() {
                let name = objects::name_of(self.options, &actor.name);
                let is_it = |one: &&Value| {
                    one.pointer("/metadata/name").and_then(Value::as_str) == Some(&*name)
                };
                services.extend(found.iter().find(is_it).map(|found| (at, service(found))));
            }
        }
        let mut known = Known {
            placed,
            services,
            nodes,
            ..Known::default()
        };
        if self.options.surroundings {
            let clients = layout
                .actors
                .iter()
                .position(|actor| actor.part == Part::OpenClient);
            let pod = clients.and_then(|at| known.placed.get(at));
            let pod = pod.map_or(String::new(), |placed| placed.pod.clone());
            let place = (&*self.namespace, &*pod, "probe");
            let printed = self
                .access
                .exec(place, self.options.image.facts(), EXTRA)
                .await?;
            match self.options.image.read_facts(&printed.0) {
                Some(facts) => known.facts = facts,
                None => self.notes.push(format!(
                    "name servers and the API server are not looked at: {}",
                    printed.1
                )),
            }
            known.api_servers = self.api_servers().await;
        }
        if self.options.sctp && self.options.image.can_try(How::Sctp) {
            known.sctp = self.sctp(layout, &known).await;
        }
        Ok(known)
    }

    /// Actors on kernels that speak SCTP already; one is asked for each node.
    async fn sctp(&mut self, layout: &Layout, known: &Known) -> BTreeSet<usize> {
        let mut by_node: BTreeMap<(Option<&str>, usize), Vec<usize>> = BTreeMap::new();
        for (at, placed) in known.placed.iter().enumerate() {
            let part = layout.actors.get(at).map(|actor| actor.part);
            if placed.ips.is_empty() || part == Some(Part::Everywhere) {
                continue;
            }
            let node = placed.node.as_deref();
            // Who stands nowhere stands with nobody.
            let alone = if node.is_some() { 0 } else { at };
            by_node.entry((node, alone)).or_default().push(at);
        }
        let asking = &*self;
        let asked = by_node.iter().filter_map(|((node, _), actors)| {
            let pod = &known.placed.get(*actors.first()?)?.pod;
            Some(async move {
                let place = (&*asking.namespace, &**pod, "probe");
                let image = &asking.options.image;
                let facts = image.facts();
                let answer = asking.access.exec(place, facts, EXTRA).await;
                let answer = answer.map_err(|error| error.to_string());
                let facts = answer.and_then(|(text, why)| image.read_facts(&text).ok_or(why));
                (node.unwrap_or(pod), actors, facts.map(|facts| facts.sctp))
            })
        });
        let mut with = BTreeSet::new();
        let mut without = Vec::new();
        let mut untold = Vec::new();
        for (node, actors, has) in futures::future::join_all(asked).await {
            match has {
                Ok(true) => with.extend(actors),
                Ok(false) => without.push(format!("`{node}`")),
                Err(error) => untold.push(format!(
                    "whether SCTP is loaded on `{node}` could not be told: {error}"
                )),
            }
        }
        self.notes.extend(untold);
        if !without.is_empty() {
            let without = without.join(" and ");
            self.notes.push(format!(
                "SCTP is not tried from and to {without}: no kernel there has loaded it, and this program loads nothing"
            ));
        }
        with
    }

    /// Actors whose pods are not those that were there at first, with what became of them.
    pub(super) async fn replaced(
        &mut self,
        layout: &Layout,
        known: &Known,
    ) -> BTreeMap<usize, String> {
        let selector = format!("{RUN}={}", self.options.id);
        let pods = self.access.list(POD, Some(&self.namespace), &selector);
        let pods = match pods.await {
            Ok(pods) => pods,
            Err(error) => {
                self.notes.push(format!(
                    "whether pods were replaced meanwhile is not known: {error}"
                ));
                return BTreeMap::new();
            }
        };
        let placed = layout.actors.iter().zip(&known.placed).enumerate();
        placed
            .filter(|(_, (_, placed))| !placed.uid.is_empty())
            .filter_map(|(at, (_, placed))| Some((at, change(placed, &pods)?)))
            .collect()
    }

    /// Where the API server listens, if that can be read.
    async fn api_servers(&self) -> Vec<IpAddr> {
        let selector = "kubernetes.io/service-name=kubernetes";
        let slices = self.access.list(SLICE, Some("default"), selector).await;
        let slices = slices.unwrap_or_default();
        let endpoints = slices
            .iter()
            .filter_map(|slice| slice.get("endpoints")?.as_array());
        let addresses = endpoints
            .flatten()
            .filter_map(|endpoint| endpoint.get("addresses")?.as_array());
        let addresses = addresses.flatten().filter_map(Value::as_str);
        addresses
            .filter_map(|address| address.parse().ok())
            .collect()
    }
}

/// The pods of every node are looked at where they start.
fn is_needed(actor: &crate::verify::plan::Actor) -> bool {
    actor.part != Part::Everywhere
}

pub(super) fn placed(pod: &Value) -> Placed {
    let word = |path: &str| pod.pointer(path).and_then(Value::as_str);
    let ips = pod.pointer("/status/podIPs").and_then(Value::as_array);
    let ips = ips
        .into_iter()
        .flatten()
        .filter_map(|ip| ip.get("ip")?.as_str());
    let mut ips: Vec<IpAddr> = ips.filter_map(|ip| ip.parse().ok()).collect();
    if ips.is_empty() {
        ips.extend(word("/status/podIP").and_then(|ip| ip.parse::<IpAddr>().ok()));
    }
    Placed {
        pod: word("/metadata/name").unwrap_or_default().to_owned(),
        uid: word("/metadata/uid").unwrap_or_default().to_owned(),
        restarts: restarts(pod),
        node: word("/spec/nodeName").map(ToOwned::to_owned),
        ips,
    }
}

fn restarts(pod: &Value) -> u64 {
    let statuses = pod.pointer("/status/containerStatuses");
    let statuses = statuses.and_then(Value::as_array).into_iter().flatten();
    let counts = statuses.filter_map(|status| status.get("restartCount")?.as_u64());
    counts.sum()
}

/// What became of a pod since it was placed, if it is not the same any more.
fn change(placed: &Placed, pods: &[Value]) -> Option<String> {
    let name = &placed.pod;
    let word = |pod: &Value, path: &str| {
        let word = pod.pointer(path).and_then(Value::as_str);
        word.unwrap_or_default().to_owned()
    };
    let now = pods
        .iter()
        .find(|pod| word(pod, "/metadata/uid") == placed.uid);
    match now {
        None => Some(format!("pod `{name}` was replaced")),
        Some(pod) if pod.pointer("/metadata/deletionTimestamp").is_some() => {
            Some(format!("pod `{name}` was being deleted"))
        }
        Some(pod) if restarts(pod) > placed.restarts => {
            Some(format!("a container of pod `{name}` was restarted"))
        }
        Some(_) => None,
    }
}

fn service(object: &Value) -> Service {
    let word = |path: &str| object.pointer(path).and_then(Value::as_str);
    let list = |path: &str| {
        object
            .pointer(path)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let mut ips: Vec<IpAddr> = list("/spec/clusterIPs")
        .filter_map(|ip| ip.as_str()?.parse().ok())
        .collect();
    if ips.is_empty() {
        ips.extend(word("/spec/clusterIP").and_then(|ip| ip.parse::<IpAddr>().ok()));
    }
    let port = |port: &Value| {
        let number = |key: &str| u16::try_from(port.get(key)?.as_u64()?).ok();
        let protocol = port
            .get("protocol")
            .and_then(Value::as_str)
            .unwrap_or("TCP");
        Some((
            (protocol.to_lowercase(), number("port")?),
            number("nodePort")?,
        ))
    };
    Service {
        ips,
        node_ports: list("/spec/ports").filter_map(port).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_takes_pods_unless_something_keeps_them_off() {
        let plain = json!({
            "metadata": {"name": "a", "labels": {"kubernetes.io/os": "linux"}},
            "spec": {"providerID": "aws:///eu-west-1a/i-0abc"},
            "status": {
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "a"}],
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        });
        let found = node(&plain).unwrap();
        assert!(found.takes_pods && found.takes_all && found.cloud.is_some());
        assert_eq!(found.addresses, ["10.0.0.1".parse::<IpAddr>().unwrap()]);
        let mut tainted = plain.clone();
        tainted["spec"]["taints"] = json!([{"key": "x", "effect": "NoSchedule"}]);
        let found = node(&tainted).unwrap();
        assert!(!found.takes_pods && found.takes_all);
        let mut windows = plain.clone();
        windows["metadata"]["labels"]["kubernetes.io/os"] = "windows".into();
        assert!(!node(&windows).unwrap().takes_all);
        let mut down = plain;
        down["status"]["conditions"][0]["status"] = "Unknown".into();
        assert!(!node(&down).unwrap().takes_all);
    }

    #[test]
    fn a_pod_is_the_same_only_by_its_uid_and_without_restarts() {
        let pod = |uid: &str, restarts: u64| {
            json!({
                "metadata": {"name": "heron-1", "uid": uid},
                "status": {"podIP": "10.0.0.1", "containerStatuses": [{"restartCount": restarts}]},
            })
        };
        let then = placed(&pod("u-1", 1));
        let told = |now: Value| change(&then, &[now]).unwrap_or_default();
        assert_eq!(told(pod("u-1", 1)), "");
        assert!(told(pod("u-2", 0)).contains("was replaced"));
        assert!(told(pod("u-1", 2)).contains("was restarted"));
        let mut going = pod("u-1", 1);
        going["metadata"]["deletionTimestamp"] = "2026-11-23T00:00:00Z".into();
        assert!(told(going).contains("being deleted"));
    }

    #[test]
    fn services_have_addresses_and_node_ports() {
        let found = service(&json!({"spec": {
            "clusterIPs": ["10.96.0.5", "fd00::5"],
            "ports": [{"port": 8080, "protocol": "UDP", "nodePort": 30001}, {"port": 8081}],
        }}));
        assert_eq!(found.ips.len(), 2);
        assert_eq!(found.node_ports.get(&("udp".into(), 8080)), Some(&30001));
        assert_eq!(found.node_ports.len(), 1);
    }
}
