//! Labs that run in the background, by their files.
//!
//! A file says which process holds a lab and under which numbers it holds the namespaces. It proves nothing: a
//! lab is there if that process is, started at that time, in this boot. A file without its process is what is
//! left after a kill; there is nothing else to clean up.

mod directory;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::os::fd::RawFd;

use serde::{Deserialize, Serialize};

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
        Ok(Self {
            name: name.into(),
            holder,
            places: places.collect(),
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

    /// One of its places by name: all of it, or a pod's name without its namespace if no other has it.
    pub fn place(&self, name: &str) -> Result<&HeldPlace, Error> {
        if let Some(place) = self.places.iter().find(|place| *place.name == *name) {
            return Ok(place);
        }
        let is_short = |place: &&HeldPlace| {
            place
                .name
                .split_once('/')
                .is_some_and(|(_, short)| short == name)
        };
        let found: Vec<_> = self.places.iter().filter(is_short).collect();
        match found.as_slice() {
            [place] => Ok(*place),
            [] => {
                let names = self.places.iter().take(8).map(|place| &*place.name);
                let names: Vec<_> = names.collect();
                Err(Error::State(
                    format!(
                        "nothing in the lab `{}` is called `{name}`: try one of {}",
                        self.name,
                        names.join(", ")
                    )
                    .into(),
                ))
            }
            [first, ..] => Err(Error::State(
                format!(
                    "`{name}` is in several namespaces: say `{}`, for one",
                    first.name
                )
                .into(),
            )),
        }
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
