//! A cluster that is followed: its lists, and from then on every change.
//!
//! Where the server can, a list comes as the beginning of its watch; elsewhere it is listed first.
//! Bookmarks say from where to go on when a watch ends, and a moment that the server has forgotten
//! (410) begins the kind again, with what has gone in between. INVARIANT: what [`Watch::reading`] gives
//! is what [`crate::read()`] would give, a moment later.

mod kinds;
mod stream;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;

use self::kinds::follow;
use crate::connect::Connection;
use crate::discovery::{Served, discover};
use crate::header::{About, Header, KindRead, State};
use crate::list::Resource;
use crate::objects::Item;
use crate::read::texts::Texts;
use crate::read::{Error, File, Reading, Wanted, header, kinds_to_read, resource, version};
use crate::request::Refusal;

/// Changes that come together are told together.
const QUIET: Duration = Duration::from_millis(250);

/// But not later than this.
const LATEST: Duration = Duration::from_secs(2);

/// Where an object is: its namespace, if it has one, and its name.
pub(crate) type Place = (Option<String>, String);

/// A change of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its kind.
    pub kind: &'static str,
    /// Its group.
    pub group: &'static str,
    /// Its namespace, if it has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// Its text now; none if it has gone.
    pub text: Option<String>,
}

/// What the follower of a kind tells.
#[derive(Debug)]
pub(crate) enum Told {
    /// An object is there, as the text says.
    Put(Item),
    /// An object has gone.
    Gone(Place),
    /// Everything that was there has been told; only these objects are there.
    Synced(Vec<Place>, Option<String>),
    /// The kind cannot be followed.
    Ended(State, String),
    /// The server does not know who asks.
    Unauthorized(String),
}

/// A kind and what is known of it.
#[derive(Debug)]
struct Followed {
    resource: Resource,
    state: State,
    message: String,
    objects: BTreeMap<Place, String>,
    /// Lists that are not complete yet: one for the cluster, or one for each namespace.
    to_come: usize,
}

/// A cluster that is followed.
#[derive(Debug)]
pub struct Watch {
    connection: Connection,
    about: About,
    kinds: Vec<Followed>,
    told: Receiver<(usize, Told)>,
    tasks: JoinSet<()>,
}

/// Begins to follow a cluster, and waits until all of it has been read.
///
/// # Errors
/// As [`crate::read()`].
pub async fn watch(connection: &Connection, wanted: &Wanted) -> Result<Watch, Error> {
    let refused = |refusal| Error::of(connection, refusal);
    let version = match version(connection).await {
        Ok(version) => version,
        Err(refusal @ (Refusal::Unauthorized(_) | Refusal::Failed(_))) => {
            return Err(refused(refusal));
        }
        Err(_) => String::new(),
    };
    let discovery = discover(connection).await.map_err(refused)?;
    let (tell, told) = channel(1024);
    let mut tasks = JoinSet::new();
    let mut followed = Vec::new();
    let wanted = Arc::new(wanted.clone());
    for (index, (kind, served)) in kinds_to_read(&discovery, &wanted).into_iter().enumerate() {
        let is_served = served != Served::No;
        let (resource, unsure) = resource(kind, served);
        if is_served {
            let (connection, resource) = (connection.clone(), resource.clone());
            let (tell, wanted) = (tell.clone(), Arc::clone(&wanted));
            tasks.spawn(async move {
                follow(&connection, &resource, unsure, &wanted, |told| {
                    let tell = tell.clone();
                    async move { tell.send((index, told)).await.is_ok() }
                })
                .await;
            });
        }
        followed.push(Followed {
            resource,
            state: State::NotServed,
            message: String::new(),
            objects: BTreeMap::new(),
            to_come: usize::from(is_served),
        });
    }
    let mut watch = Watch {
        connection: connection.clone(),
        about: About {
            server: connection.server.clone(),
            version,
            api_groups: discovery.groups(),
        },
        kinds: followed,
        told,
        tasks,
    };
    while watch.kinds.iter().any(|kind| kind.to_come > 0) {
        let Some((index, told)) = watch.told.recv().await else {
            break;
        };
        watch.take(index, told)?;
    }
    crate::read::anything(&watch.header().kinds, &wanted)?;
    Ok(watch)
}

impl Watch {
    /// Waits for a change, and a little for those that come with it.
    ///
    /// # Errors
    /// When the server does not know any more who asks.
    pub async fn changed(&mut self) -> Result<Vec<Change>, Error> {
        let mut changes = Vec::new();
        let mut latest = None;
        loop {
            let told = match latest {
                None => self.told.recv().await,
                Some(latest) => {
                    let until = tokio::time::Instant::now() + QUIET;
                    let until = until.min(latest);
                    match tokio::time::timeout_at(until, self.told.recv()).await {
                        Ok(told) => told,
                        Err(_) => return Ok(changes),
                    }
                }
            };
            let Some((index, told)) = told else {
                let why = "every watch of the cluster has ended".to_owned();
                return Err(Error::NoAnswer(why));
            };
            changes.extend(self.take(index, told)?);
            if latest.is_none() && !changes.is_empty() {
                latest = Some(tokio::time::Instant::now() + LATEST);
            }
        }
    }

    /// Everything that is there now.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let header = self.header();
        let mut files = vec![File {
            name: crate::HEADER.into(),
            text: header.text(),
        }];
        for kind in &self.kinds {
            let mut texts = Texts::new(&kind.resource);
            for ((namespace, name), text) in &kind.objects {
                texts.put(namespace.as_deref(), name, text);
            }
            files.extend(texts.done());
        }
        files.sort_by(|a, b| Path::new(&a.name).cmp(Path::new(&b.name)));
        Reading { header, files }
    }

    fn header(&self) -> Header {
        let kinds = self.kinds.iter().map(|kind| KindRead {
            group: kind.resource.kind.group.into(),
            version: kind.resource.version.clone(),
            resource: kind.resource.name.clone(),
            kind: kind.resource.kind.kind.into(),
            state: kind.state,
            count: kind.objects.len(),
            message: kind.message.clone(),
        });
        header(&self.connection, self.about.clone(), kinds.collect())
    }

    /// Takes what was told; what of it is a change.
    fn take(&mut self, index: usize, told: Told) -> Result<Vec<Change>, Error> {
        let Some(kind) = self.kinds.get_mut(index) else {
            return Ok(Vec::new());
        };
        let of = kind.resource.kind;
        let change = |(namespace, name): Place, text: Option<String>| Change {
            kind: of.kind,
            group: of.group,
            namespace,
            name,
            text,
        };
        Ok(match told {
            Told::Put(item) => {
                let place = (item.namespace, item.name);
                let before = kind.objects.insert(place.clone(), item.text.clone());
                // Servers tell of every change; most are of fields that nobody reads.
                let is_news = before.as_deref() != Some(&*item.text);
                is_news
                    .then(|| change(place, Some(item.text)))
                    .into_iter()
                    .collect()
            }
            Told::Gone(place) => {
                let gone = kind.objects.remove(&place);
                gone.map(|_| change(place, None)).into_iter().collect()
            }
            Told::Synced(places, namespace) => {
                kind.to_come = kind.to_come.saturating_sub(1);
                match &namespace {
                    None => {
                        kind.state = State::Complete;
                        kind.message.clear();
                    }
                    Some(namespace) => {
                        kind.state = State::Partial;
                        kind.message = format!("read in `{namespace}` only");
                    }
                }
                let here: std::collections::BTreeSet<_> = places.into_iter().collect();
                let is_gone = |place: &&Place| {
                    !here.contains(*place) && (namespace.is_none() || place.0 == namespace)
                };
                let gone: Vec<Place> = kind.objects.keys().filter(is_gone).cloned().collect();
                for place in &gone {
                    kind.objects.remove(place);
                }
                gone.into_iter().map(|place| change(place, None)).collect()
            }
            Told::Ended(state, message) => {
                kind.to_come = kind.to_come.saturating_sub(1);
                kind.state = state;
                kind.message = message;
                Vec::new()
            }
            Told::Unauthorized(message) => {
                let refusal = Refusal::Unauthorized(message);
                return Err(Error::of(&self.connection, refusal));
            }
        })
    }

    /// Ends all watches.
    pub fn stop(&mut self) {
        self.tasks.abort_all();
    }
}
