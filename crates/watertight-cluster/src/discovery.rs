//! What a server serves: which kinds, in which versions, under which names.
//!
//! Two answers tell everything (aggregated discovery); servers that do not know it are asked group by
//! group, those groups alone that are read. INVARIANT: what discovery could not tell is
//! [`Served::Unknown`], never "not served".

use std::collections::BTreeMap;

use futures::future::join_all;
use serde::Deserialize;

use crate::connect::Connection;
use crate::kinds::{self, Kind};
use crate::request::Refusal;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                          application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                          application/json";

/// What a server serves.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    /// Versions and their resources, the preferred version first; by group.
    groups: BTreeMap<String, Vec<Version>>,
    /// Groups of which not everything is known, and why.
    unsure: BTreeMap<String, String>,
    /// Why nothing at all is known of groups that are not listed.
    failed: Option<String>,
}

#[derive(Clone, Debug, Default)]
struct Version {
    name: String,
    /// Kinds with their resources; none if they were not asked for.
    resources: BTreeMap<String, String>,
}

/// Whether a kind is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// In this version, as this resource.
    As { version: String, resource: String },
    /// No.
    No,
    /// Nobody knows, for this reason; this is how it would be served.
    Unknown(String),
}

impl Discovery {
    /// Whether and how a kind is served.
    pub(crate) fn find(&self, kind: &Kind) -> Served {
        let versions = self.groups.get(kind.group).map_or(&[][..], Vec::as_slice);
        let with_kind = |version: &&Version| version.resources.contains_key(kind.kind);
        let understood = kind.versions.iter().filter_map(|name| {
            let mut named = versions.iter().filter(|version| version.name == *name);
            named.find(with_kind)
        });
        let any = versions.iter().filter(with_kind);
        if let Some(version) = understood.chain(any).next()
            && let Some(resource) = version.resources.get(kind.kind)
        {
            return Served::As {
                version: version.name.clone(),
                resource: resource.clone(),
            };
        }
        let why = self.unsure.get(kind.group);
        let why = why.or(self.failed.as_ref().filter(|_| versions.is_empty()));
        match why {
            Some(why) => Served::Unknown(why.clone()),
            None => Served::No,
        }
    }

    /// The groups that are served, if that is known.
    pub(crate) fn groups(&self) -> Option<Vec<String>> {
        let names = self.groups.keys().filter(|group| !group.is_empty());
        self.failed.is_none().then(|| names.cloned().collect())
    }
}

/// Asks a server what it serves.
///
/// # Errors
/// When it does not know who asks.
pub(crate) async fn discover(connection: &Connection) -> Result<Discovery, Refusal> {
    let mut discovery = Discovery::default();
    let roots = [("/api", ""), ("/apis", "groups")];
    let asked = roots.map(|(path, _)| connection.get_as(path, AGGREGATED, |bytes| read(&bytes)));
    for (answer, (path, _)) in join_all(asked).await.into_iter().zip(roots) {
        let failed = match answer {
            Ok(Root::Aggregated(groups)) => {
                discovery.add_aggregated(groups);
                continue;
            }
            Ok(Root::Plain(groups)) => {
                discovery.ask_groups(connection, groups).await?;
                continue;
            }
            Err(Refusal::Unauthorized(message)) => return Err(Refusal::Unauthorized(message)),
            Err(refusal) => refusal.to_string(),
        };
        let why = format!("the server did not say what it serves: {failed}");
        if path == "/api" {
            discovery.unsure.insert(String::new(), why);
        } else {
            discovery.failed = Some(why);
        }
    }
    Ok(discovery)
}

/// A group with its versions, before their resources are known.
type Group = (String, Vec<String>);

/// What the root of an API says.
enum Root {
    Aggregated(Vec<Aggregated>),
    Plain(Vec<Group>),
}

#[derive(Deserialize)]
struct AnyRoot {
    kind: String,
    #[serde(default)]
    items: Vec<Aggregated>,
    #[serde(default)]
    groups: Vec<PlainGroup>,
    #[serde(default)]
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct Aggregated {
    #[serde(default)]
    metadata: Named,
    #[serde(default)]
    versions: Vec<AggregatedVersion>,
}

#[derive(Default, Deserialize)]
struct Named {
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct AggregatedVersion {
    version: String,
    #[serde(default)]
    freshness: String,
    #[serde(default)]
    resources: Vec<AggregatedResource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AggregatedResource {
    resource: String,
    response_kind: Option<ResponseKind>,
    #[serde(default)]
    verbs: Vec<String>,
}

#[derive(Deserialize)]
struct ResponseKind {
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PlainGroup {
    name: String,
    #[serde(default)]
    versions: Vec<PlainVersion>,
    preferred_version: Option<PlainVersion>,
}

#[derive(Deserialize)]
struct PlainVersion {
    version: String,
}

#[derive(Deserialize)]
struct ResourceList {
    #[serde(default)]
    resources: Vec<Resource>,
}

#[derive(Deserialize)]
struct Resource {
    name: String,
    kind: String,
    #[serde(default)]
    verbs: Vec<String>,
}

fn read(bytes: &[u8]) -> Result<Root, String> {
    let root: AnyRoot = serde_json::from_slice(bytes)
        .map_err(|error| format!("an answer that is no discovery: {error}"))?;
    match root.kind.as_str() {
        "APIGroupDiscoveryList" => Ok(Root::Aggregated(root.items)),
        "APIVersions" => Ok(Root::Plain(vec![(String::new(), root.versions)])),
        "APIGroupList" => {
            let groups = root.groups.into_iter().map(|group| {
                let preferred = group.preferred_version.map(|of| of.version);
                let others = group.versions.into_iter().map(|of| of.version);
                let mut versions: Vec<String> = preferred.into_iter().collect();
                for version in others {
                    if !versions.contains(&version) {
                        versions.push(version);
                    }
                }
                (group.name, versions)
            });
            Ok(Root::Plain(groups.collect()))
        }
        other => Err(format!("an answer that is no discovery but `{other}`")),
    }
}

impl Discovery {
    fn add_aggregated(&mut self, groups: Vec<Aggregated>) {
        for group in groups {
            let name = group.metadata.name;
            let mut versions = Vec::new();
            for version in group.versions {
                if version.freshness == "Stale" {
                    // The server behind an aggregated API does not answer.
                    let why = "the server of this API group does not answer".to_owned();
                    self.unsure.insert(name.clone(), why);
                }
                let resources = version.resources.into_iter();
                let resources = resources
                    .filter(|of| of.verbs.is_empty() || of.verbs.iter().any(|verb| verb == "list"));
                let resources =
                    resources.filter_map(|of| Some((of.response_kind?.kind, of.resource)));
                versions.push(Version {
                    name: version.version,
                    resources: resources.collect(),
                });
            }
            self.groups.insert(name, versions);
        }
    }

    /// Asks for the resources of the groups that are read.
    async fn ask_groups(
        &mut self,
        connection: &Connection,
        groups: Vec<Group>,
    ) -> Result<(), Refusal> {
        let is_read = |group: &str| kinds::all().any(|kind| kind.group == group);
        let asked = groups.iter().filter(|(group, _)| is_read(group));
        let asked = asked.flat_map(|(group, versions)| {
            versions.iter().map(move |version| async move {
                let path = match group.as_str() {
                    "" => format!("/api/{version}"),
                    group => format!("/apis/{group}/{version}"),
                };
                let read = |bytes: bytes::Bytes| {
                    serde_json::from_slice::<ResourceList>(&bytes)
                        .map_err(|error| format!("{path} is no list of resources: {error}"))
                };
                let answer = connection.get_as(&path, crate::request::JSON, read).await;
                (group.clone(), version.clone(), answer)
            })
        });
        let answers = join_all(asked).await;
        for (group, versions) in groups {
            self.groups
                .insert(group, versions.into_iter().map(Version::named).collect());
        }
        for (group, version, answer) in answers {
            let list = match answer {
                Ok(list) => list,
                Err(Refusal::Unauthorized(message)) => return Err(Refusal::Unauthorized(message)),
                Err(refusal) => {
                    let why = format!("the server did not say what is in {version}: {refusal}");
                    self.unsure.insert(group, why);
                    continue;
                }
            };
            let versions = self.groups.entry(group).or_default();
            let Some(known) = versions.iter_mut().find(|known| known.name == version) else {
                continue;
            };
            // `pods/status` is no resource of its own.
            let resources = list
                .resources
                .into_iter()
                .filter(|of| !of.name.contains('/') && of.verbs.iter().any(|verb| verb == "list"));
            known.resources = resources.map(|of| (of.kind, of.name)).collect();
        }
        Ok(())
    }
}

impl Version {
    fn named(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }
}
