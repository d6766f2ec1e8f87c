//! Who is meant: from the spelling of the command line to pods, Services, addresses and nodes.
//!
//! A [`Parties`] looks names up in one world. Names are looked up by namespace, and an index of a
//! namespace is made when the first question names it: ten thousand questions cost ten thousand
//! look-ups, and one question on a large cluster costs the namespaces that it names.
//!
//! INVARIANT: `select(selection.text)` gives the same selection again, and a spelling with two
//! meanings is an error that lists them, never a choice.

mod flow;
mod labels;
mod names;
mod spelling;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::suggest::{misspelt, nearest};
use crate::world::{EndpointId, Lifecycle, NameId, NodeId, ServiceId, WorkloadId, World};

pub use flow::{Flow, FlowError, PortQuery, Written, spell};
use names::{Found, Names};
use spelling::{Kind, Name, Spelling};

/// What a spelling selects, with its canonical spelling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The canonical spelling.
    pub text: String,
    /// Who is meant.
    pub what: What,
}

/// Whom a [`Selection`] is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Pods, never none of them.
    Endpoints(Vec<EndpointId>),
    /// A Service: its backends, after translation (K-79).
    Service(ServiceId),
    /// All addresses of these networks. Who owns one of them is whoever the world says.
    Addresses(Vec<IpNet>),
    /// Every address that belongs to no pod and no node.
    World,
    /// Processes on nodes, never none of them.
    Nodes(Vec<NodeId>),
    /// Whoever a DNS name, or the names of a pattern, stand for.
    Name(NameId),
}

impl Selection {
    /// The pods; empty if it is about something else.
    #[must_use]
    pub fn endpoints(&self) -> &[EndpointId] {
        match &self.what {
            What::Endpoints(endpoints) => endpoints,
            _ => &[],
        }
    }

    /// The nodes; empty if it is about something else.
    #[must_use]
    pub fn nodes(&self) -> &[NodeId] {
        match &self.what {
            What::Nodes(nodes) => nodes,
            _ => &[],
        }
    }

    /// The Service, if it is one.
    #[must_use]
    pub fn service(&self) -> Option<ServiceId> {
        match &self.what {
            What::Service(service) => Some(*service),
            _ => None,
        }
    }

    /// The address, if it is exactly one.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match &self.what {
            What::Addresses(nets) => match nets.as_slice() {
                [net] if net.prefix_len() == net.max_prefix_len() => Some(net.addr()),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Why a spelling selects nothing: one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartyError {
    /// The sentence.
    pub message: String,
    /// Whether somebody is meant, but it is open who.
    pub ambiguous: bool,
}

impl PartyError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ambiguous: false,
        }
    }
}

impl std::fmt::Display for PartyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PartyError {}

/// Looks parties up in one world.
#[derive(Debug)]
pub struct Parties<'w> {
    world: &'w World,
    names: Names<'w>,
    /// The namespace of names that are written without one.
    namespace: Option<Box<str>>,
}

impl<'w> Parties<'w> {
    /// Look-ups in a world; `namespace` is that of names that are written without one.
    #[must_use]
    pub fn new(world: &'w World, namespace: Option<&str>) -> Self {
        Self {
            world,
            names: Names::new(world),
            namespace: namespace.map(Into::into),
        }
    }

    /// Selects whom a text means.
    ///
    /// # Errors
    /// When the text is no spelling, when nobody is called like that, and when several are.
    pub fn select(&self, text: &str) -> Result<Selection, PartyError> {
        match Spelling::parse(text).map_err(PartyError::new)? {
            Spelling::World => Ok(Selection {
                text: "world".into(),
                what: What::World,
            }),
            Spelling::Nodes => self.all_nodes(),
            Spelling::Node(name) => self.node(name),
            Spelling::Domain(name) => self.domain(name),
            Spelling::Namespace(name) => self.namespace(name),
            Spelling::Address(ip) => Ok(self.address(ip)),
            Spelling::Block(net) => Ok(Selection {
                text: format!("cidr:{net}"),
                what: What::Addresses(vec![net]),
            }),
            Spelling::Labels { namespace, terms } => self.labels(namespace, &terms),
            Spelling::Name(name) => self.named(&name),
        }
    }

    fn all_nodes(&self) -> Result<Selection, PartyError> {
        if self.world.nodes.is_empty() {
            return Err(PartyError::new("there are no nodes in the input"));
        }
        Ok(Selection {
            text: "nodes".into(),
            what: What::Nodes(self.world.node_ids().collect()),
        })
    }

    fn node(&self, name: &str) -> Result<Selection, PartyError> {
        match self.world.node(name) {
            Some(node) => Ok(Selection {
                text: format!("node:{name}"),
                what: What::Nodes(vec![node]),
            }),
            None => {
                let names = self.world.nodes.iter().map(|node| &*node.name);
                let near = did_you_mean(name, names, |name| format!("node:{name}"));
                Err(PartyError::new(format!(
                    "no node `{name}` in the input{near}"
                )))
            }
        }
    }

    /// A name that the world knows: names of questions are told to it first ([`asked_name`]).
    fn domain(&self, name: &str) -> Result<Selection, PartyError> {
        let text = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let mut names = self.world.name_ids();
        match names.find(|id| *self.world[*id].text == *text) {
            Some(id) => Ok(Selection {
                text: format!("fqdn:{text}"),
                what: What::Name(id),
            }),
            None => {
                let names = self.world.names.iter().map(|name| &*name.text);
                let near = did_you_mean(&text, names, |name| format!("fqdn:{name}"));
                Err(PartyError::new(format!(
                    "no policy is about the name `{text}`{near}"
                )))
            }
        }
    }

    fn namespace(&self, name: &str) -> Result<Selection, PartyError> {
        let id = self.names.namespace(name)?;
        let endpoints = self.present(self.world[id].endpoints.iter().copied());
        if endpoints.is_empty() {
            return Err(PartyError::new(format!(
                "namespace `{name}` has no pods or workloads in the input"
            )));
        }
        Ok(Selection {
            text: format!("ns:{name}"),
            what: What::Endpoints(endpoints),
        })
    }

    /// An address, or the Service whose ClusterIP it is: policies do not see a ClusterIP (K-79).
    fn address(&self, ip: IpAddr) -> Selection {
        let owned = self.world.endpoint_at(ip).is_some() || self.world.node_at(ip).is_some();
        let service = self.world.service_ids().find(|id| {
            let ips = &self.world[*id].cluster_ips;
            !owned && ips.contains(&ip)
        });
        match service {
            Some(service) => self.service(service),
            None => Selection {
                text: format!("ip:{ip}"),
                what: What::Addresses(vec![IpNet::from(ip)]),
            },
        }
    }

    fn service(&self, id: ServiceId) -> Selection {
        let service = &self.world[id];
        let namespace = &self.world[service.namespace].name;
        Selection {
            text: format!("{namespace}/svc/{}", service.name),
            what: What::Service(id),
        }
    }

    fn labels(
        &self,
        namespace: Option<&str>,
        terms: &[labels::Term<'_>],
    ) -> Result<Selection, PartyError> {
        let matcher = labels::Matcher::new(self.world, terms);
        let matches = |id: &EndpointId| matcher.matches(&self.world[*id].labels);
        let namespace = namespace.or(self.namespace.as_deref());
        let found = match namespace {
            Some(name) => {
                let of = &self.world[self.names.namespace(name)?].endpoints;
                self.present(of.iter().copied().filter(matches))
            }
            None => self.present(self.world.endpoint_ids().filter(matches)),
        };
        let written = labels::spell(terms);
        let text = match namespace {
            Some(name) => format!("{name}/label:{written}"),
            None => format!("label:{written}"),
        };
        if found.is_empty() {
            return Err(PartyError::new(format!(
                "no pod has the labels of `{text}`{}",
                labels::hint(self.world, terms)
            )));
        }
        Ok(Selection {
            text,
            what: What::Endpoints(found),
        })
    }

    /// Without pods that are over: they own no address, and a group is about those that do (K-86).
    fn present(&self, endpoints: impl Iterator<Item = EndpointId>) -> Vec<EndpointId> {
        endpoints
            .filter(|id| self.world[*id].lifecycle != Lifecycle::Finished)
            .collect()
    }

    fn workload(&self, id: WorkloadId) -> Vec<EndpointId> {
        let all = &self.world[id].endpoints;
        let present = self.present(all.iter().copied());
        if present.is_empty() {
            all.clone()
        } else {
            present
        }
    }

    fn named(&self, name: &Name<'_>) -> Result<Selection, PartyError> {
        let found = match name.namespace.or(self.namespace.as_deref()) {
            Some(namespace) => {
                let id = self.names.namespace(namespace).map_err(|error| {
                    // `web/shop` or `deploymnt/web`: say what the part in front could be.
                    PartyError::new(format!("{error}{}", spelling::kind_hint(namespace)))
                })?;
                self.names.find(id, name)
            }
            None => self.names.find_everywhere(name),
        };
        match found.as_slice() {
            [] => Err(self.nobody(name)),
            [one] => Ok(self.found(*one, name.kind)),
            [first, rest @ ..] => {
                let selection = self.found(*first, name.kind);
                let same = |other: &Found| {
                    let other = self.found(*other, name.kind);
                    other.what == selection.what
                };
                // A pod that is all there is of its workload is no second meaning.
                if rest.iter().all(same) {
                    return Ok(selection);
                }
                let spellings = found.iter().map(|found| self.names.spell(*found));
                let spellings: Vec<_> = spellings.map(|text| format!("`{text}`")).collect();
                Err(PartyError {
                    message: format!(
                        "`{}` could be {}; write one of them",
                        name.written,
                        listed(&spellings)
                    ),
                    ambiguous: true,
                })
            }
        }
    }

    fn found(&self, found: Found, kind: Option<Kind>) -> Selection {
        let (namespace, name, what) = match found {
            Found::Service(id) => return self.service(id),
            Found::Workload(id) => {
                let workload = &self.world[id];
                let endpoints = What::Endpoints(self.workload(id));
                (workload.namespace, &workload.name, endpoints)
            }
            Found::Pod(id) => {
                let endpoint = &self.world[id];
                let one = What::Endpoints(vec![id]);
                (endpoint.namespace, &endpoint.name, one)
            }
        };
        let text = match kind {
            Some(_) => self.names.spell(found),
            None => format!("{}/{name}", self.world[namespace].name),
        };
        Selection { text, what }
    }

    fn nobody(&self, name: &Name<'_>) -> PartyError {
        let kind = name.kind.map_or("pod or workload", Kind::word);
        let wanted = name.name;
        let namespace = name.namespace.or(self.namespace.as_deref());
        let place = match namespace {
            Some(namespace) => format!("in namespace `{namespace}`"),
            None => "in the input".to_owned(),
        };
        let message = format!("no {kind} `{wanted}` {place}");
        let hint = self
            .other_meaning(name, namespace)
            .unwrap_or_else(|| self.names.near(name, namespace));
        PartyError::new(format!("{message}{hint}"))
    }

    /// What else is called like that.
    fn other_meaning(&self, name: &Name<'_>, namespace: Option<&str>) -> Option<String> {
        let any = |kind| Name { kind, ..*name };
        let found = match namespace.and_then(|namespace| self.world.namespace(namespace)) {
            Some(id) => {
                let mut found = self.names.find(id, &any(None));
                found.extend(self.names.find(id, &any(Some(Kind::Service))));
                found
            }
            None => self.names.find_everywhere(&any(Some(Kind::Service))),
        };
        if !found.is_empty() {
            let spellings = found.iter().map(|found| self.names.spell(*found));
            let spellings: Vec<_> = spellings.map(|text| format!("`{text}`")).collect();
            return Some(format!("; there is {}", listed(&spellings)));
        }
        let is_namespace = name.kind.is_none() && self.world.namespace(name.name).is_some();
        if is_namespace && name.namespace.is_none() {
            return Some(format!(
                "; for all pods of a namespace write `ns:{}`",
                name.name
            ));
        }
        if name.kind.is_none() && name.namespace.is_none() {
            match name.name {
                "metadata" => {
                    return Some(
                        "; for the metadata service of most clouds write `ip:169.254.169.254`"
                            .into(),
                    );
                }
                "internet" | "outside" => {
                    return Some("; for addresses outside of the cluster write `world`".into());
                }
                _ => {}
            }
        }
        let elsewhere = self.names.find_everywhere(&any(name.kind));
        if elsewhere.is_empty() {
            return None;
        }
        let spellings = elsewhere.iter().map(|found| self.names.spell(*found));
        let spellings: Vec<_> = spellings.map(|text| format!("`{text}`")).collect();
        Some(format!("; there is {}", listed(&spellings)))
    }
}

/// The DNS name that a spelling names, for `World::intern_name`.
#[must_use]
pub fn asked_name(text: &str) -> Option<&str> {
    match Spelling::parse(text) {
        Ok(Spelling::Domain(name)) => Some(name),
        _ => None,
    }
}

/// Whether a text is a spelling of anybody, whoever there is.
///
/// # Errors
/// When it is none: how it could be written.
pub fn check_spelling(text: &str) -> Result<(), PartyError> {
    Spelling::parse(text).map_err(PartyError::new)?;
    Ok(())
}

/// Whether a text names a Service by its kind.
#[must_use]
pub fn is_service_spelling(text: &str) -> bool {
    let service = Some(Kind::Service);
    matches!(Spelling::parse(text), Ok(Spelling::Name(name)) if name.kind == service)
}

/// At most three of a list.
fn listed(spellings: &[String]) -> String {
    match spellings {
        [] => String::new(),
        [one] => one.clone(),
        [one, two] => format!("{one} or {two}"),
        [one, two, three] => format!("{one}, {two} or {three}"),
        [one, two, three, rest @ ..] => format!("{one}, {two}, {three} or {} more", rest.len()),
    }
}

/// ` (did you mean ...?)`, or nothing.
fn did_you_mean<'c>(
    given: &str,
    candidates: impl Iterator<Item = &'c str> + Clone,
    spell: impl Fn(&str) -> String,
) -> String {
    let mut near: Vec<&str> = misspelt(given, candidates.clone()).into_iter().collect();
    for candidate in nearest(given, candidates) {
        if !near.contains(&candidate) {
            near.push(candidate);
        }
    }
    near.truncate(3);
    let near: Vec<_> = near
        .iter()
        .map(|name| format!("`{}`", spell(name)))
        .collect();
    if near.is_empty() {
        String::new()
    } else {
        format!(" (did you mean {}?)", listed(&near))
    }
}

#[cfg(test)]
mod tests;
