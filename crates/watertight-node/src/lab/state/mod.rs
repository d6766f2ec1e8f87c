//! Labs that run in the background, by their files.
//!
//! A file says which process holds a lab and under which numbers it holds the namespaces. It proves nothing: a
//! lab is there if that process is, started at that time, in this boot. A file without its process is what is
//! left after a kill; there is nothing else to clean up.

mod directory;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::RawFd;

use serde::{Deserialize, Serialize};
use watertight_core::suggest::{misspelt, nearest};

pub use self::directory::{Entry, Labs};
use super::{Cluster, Error, Place, Plan};
use crate::sys::process::Process;
use crate::sys::{Namespace, UserNamespace};

/// A lab that runs in the background, or did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Its name.
    pub name: Box<str>,
    /// The process that holds it.
    pub holder: Process,
    /// Its namespaces, the world first, then the nodes.
    pub places: Vec<HeldPlace>,
    /// Host-network pods, and the nodes whose namespaces they live in.
    pub host_pods: BTreeMap<Box<str>, Box<str>>,
    /// Whom pods ask for names.
    pub dns: Vec<IpAddr>,
}

/// A namespace that a holder holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPlace {
    /// `world`, the name of a node, or `namespace/name` of a pod.
    pub name: Box<str>,
    /// The node that a pod is on.
    pub node: Option<Box<str>>,
    /// The addresses.
    pub ips: Vec<IpAddr>,
    /// The number of the descriptor in the holder.
    pub descriptor: RawFd,
}

impl State {
    /// Of a cluster that this process holds.
    pub fn of(name: &str, plan: &Plan, cluster: &Cluster) -> Result<Self, Error> {
        let holder = Process::current().map_err(Error::system("write down who holds the lab"))?;
        let node_name = |id| {
            let node = plan.nodes.iter().find(|node| node.id == id);
            node.map(|node| node.name.clone())
        };
        let places = cluster.namespaces().map(|(place, namespace)| HeldPlace {
            name: match place {
                Place::World => "world".into(),
                Place::Node(id) => node_name(id).unwrap_or_default(),
                Place::Pod(id) => plan.pod(id).map(|pod| pod.name.clone()).unwrap_or_default(),
            },
            node: match place {
                Place::Pod(_) => plan.node_of(place).and_then(node_name),
                Place::World | Place::Node(_) => None,
            },
            ips: plan.ips_of(place),
            descriptor: namespace.number(),
        });
        let host_pods = plan.on_host.iter().filter_map(|(id, node)| {
            let name = plan.host_names.get(id)?;
            Some((name.clone(), node_name(*node)?))
        });
        Ok(Self {
            name: name.into(),
            holder,
            places: places.collect(),
            host_pods: host_pods.collect(),
            dns: plan.dns.clone(),
        })
    }

    /// Whether the lab is there.
    pub fn is_up(&self) -> Result<bool, Error> {
        let doing = format!("look for the lab `{}`", self.name);
        self.holder.is_alive().map_err(Error::system(doing))
    }

    /// The user namespace of the holder; none if it is the caller's. To be entered before threads are
    /// started, and before any namespace of the lab.
    pub fn user_namespace(&self) -> Result<Option<UserNamespace>, Error> {
        let doing = format!("enter the lab `{}`", self.name);
        UserNamespace::of_process(self.holder.pid).map_err(Error::system(doing))
    }

    /// One of its places: by its name, by a pod's name without its namespace if no other has it, or by an
    /// address. A host-network pod is where its node is.
    pub fn place(&self, name: &str) -> Result<&HeldPlace, Error> {
        let named = |name: &str| self.places.iter().find(|place| *place.name == *name);
        if let Some(place) = named(name) {
            return Ok(place);
        }
        let address = name.strip_prefix("ip:").unwrap_or(name).parse::<IpAddr>();
        if let Ok(ip) = address {
            let owner = self.places.iter().find(|place| place.ips.contains(&ip));
            return owner.ok_or_else(|| {
                let text = format!("nobody in the lab `{}` has the address {ip}", self.name);
                Error::State(text.into())
            });
        }
        if let Some(node) = name.strip_prefix("node:")
            && let Some(place) = named(node)
        {
            return Ok(place);
        }
        // The short names of pods, and what they are short for.
        let pods = self.names().filter(|name| name.contains('/'));
        let is_it = |full: &&str| {
            *full == name || full.split_once('/').is_some_and(|(_, short)| short == name)
        };
        let found: Vec<&str> = pods.filter(is_it).collect();
        match found.as_slice() {
            [one] => {
                let on = self.host_pods.get(*one).map_or(*one, |node| &**node);
                named(on).ok_or_else(|| self.nobody(name))
            }
            [] => Err(self.nobody(name)),
            [first, ..] => {
                let text = format!("`{name}` is in several namespaces: say `{first}`, for one");
                Err(Error::State(text.into()))
            }
        }
    }

    /// What may be entered.
    fn names(&self) -> impl Iterator<Item = &str> {
        let places = self.places.iter().map(|place| &*place.name);
        places.chain(self.host_pods.keys().map(|name| &**name))
    }

    fn nobody(&self, name: &str) -> Error {
        const SHOWN: usize = 8;
        let given = name.strip_prefix("node:").unwrap_or(name);
        let mut near: Vec<&str> = misspelt(given, self.names()).into_iter().collect();
        if near.is_empty() {
            near = nearest(given, self.names());
        }
        if near.is_empty() {
            // A slip in a name that was written without its namespace.
            let short = |full: &&str| {
                let short = full.split_once('/').map(|(_, short)| short);
                short.is_some_and(|short| misspelt(given, [short]).is_some())
            };
            near = self.names().filter(short).collect();
        }
        let quoted: Vec<_> = near
            .iter()
            .take(3)
            .map(|name| format!("`{name}`"))
            .collect();
        let advice = if quoted.is_empty() {
            let all: Vec<_> = self.names().collect();
            let shown: Vec<_> = all.iter().take(SHOWN).copied().collect();
            match all.len().saturating_sub(SHOWN) {
                0 => format!("; there are {}", shown.join(", ")),
                more => format!("; there are {} and {more} more", shown.join(", ")),
            }
        } else {
            format!(" (did you mean {}?)", quoted.join(" or "))
        };
        let lab = &self.name;
        Error::State(format!("nothing in the lab `{lab}` is called `{name}`{advice}").into())
    }

    /// The network namespace of a place.
    pub fn namespace(&self, place: &HeldPlace) -> Result<Namespace, Error> {
        if !self.is_up()? {
            return Err(gone(&self.name));
        }
        let doing = format!("open `{}` of the lab `{}`", place.name, self.name);
        Namespace::of_process(self.holder.pid, place.descriptor).map_err(Error::system(doing))
    }
}

fn gone(name: &str) -> Error {
    let text = format!(
        "the process that held the lab `{name}` is gone, and the lab with it: take its file away with `lab down`"
    );
    Error::State(text.into())
}
