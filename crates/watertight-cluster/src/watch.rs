//! A cluster that is followed: its lists, and from then on every change.
//!
//! Where the server can, a list comes as the beginning of its watch; elsewhere it is listed first.
//! Bookmarks say from where to go on when a watch ends, and a moment that the server has forgotten
//! (410) begins the kind again, with what has gone in between. Kinds and rights are those of the
//! beginning: a kind that is installed later is not followed. INVARIANT: what [`Watch::reading`] gives is
//! what [`crate::read()`] would give, a moment later.

mod kinds;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::JoinSet;

use self::kinds::{Scope, Split, follow};
use crate::connect::Connection;
use crate::discovery::{Served, discover};
use crate::header::{About, Header, KindRead, State};
use crate::list::Resource;
use crate::objects::Item;
use crate::read::lists::in_some;
use crate::read::texts::Texts;
use crate::read::{
    Error, File, Progress, Reading, Wanted, header, kinds_to_read, resource, version,
};
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

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Objects, in the order in which they were told.
    pub objects: Vec<Change>,
    /// Kinds of which more, or less, is known than before.
    pub kinds: Vec<KindRead>,
}

/// What the follower of a kind tells.
#[derive(Debug)]
enum Told {
    /// The kind is followed in these scopes, and not as a whole.
    Split(Vec<Scope>, Split),
    /// An object is there, as the text says.
    Put(Item),
    /// An object has gone.
    Gone(Place),
    /// Everything in a scope has been told; only these objects are there.
    Synced(usize, Vec<Place>),
    /// A scope cannot be followed.
    Ended(usize, State, String),
    /// The server does not know who asks.
    Unauthorized(String),
}

/// A kind and what is known of it.
#[derive(Debug)]
struct Followed {
    resource: Resource,
    objects: BTreeMap<Place, String>,
    /// What is followed, and how that stands, once it is known; nothing of a kind that is not served.
    scopes: Vec<(Scope, Option<(State, String)>)>,
    /// Why there are several scopes, if there are.
    split: Option<Split>,
}

impl Followed {
    /// Whether some list is not complete yet, nor known to be impossible.
    fn is_to_come(&self) -> bool {
        self.scopes.iter().any(|(_, known)| known.is_none())
    }

    /// How it stands with the kind, as one reading would say it.
    fn state(&self) -> (State, String) {
        let known = || self.scopes.iter().filter_map(|(_, known)| known.as_ref());
        let lost = known().find(|(state, _)| *state == State::Partial);
        match (&self.split, lost) {
            (_, Some(lost)) => lost.clone(),
            (None, None) => {
                let nothing = (State::NotServed, String::new());
                known().next().cloned().unwrap_or(nothing)
            }
            (Some(Split::ByName), None) => {
                let refused = known().rfind(|(state, _)| *state != State::Complete);
                match refused {
                    None => (State::Complete, String::new()),
                    Some(refused) if self.objects.is_empty() => refused.clone(),
                    Some((_, message)) => (State::Partial, message.clone()),
                }
            }
            (Some(Split::Forbidden(why)), None) => {
                let read = self.namespaces();
                let read: Vec<String> = read.iter().map(|name| format!("`{name}`")).collect();
                in_some(&read, why.clone())
            }
        }
    }

    /// The namespaces that are followed, where the server does not let all of them be.
    fn namespaces(&self) -> Vec<String> {
        let Some(Split::Forbidden(_)) = self.split else {
            return Vec::new();
        };
        let is_read = |known: &Option<(State, String)>| {
            known
                .as_ref()
                .is_some_and(|(state, _)| *state == State::Complete)
        };
        let read = self.scopes.iter().filter(|(_, known)| is_read(known));
        let names = read.filter_map(|(scope, _)| scope.namespace.as_ref().or(scope.name.as_ref()));
        let mut names: Vec<String> = names.cloned().collect();
        names.sort();
        names
    }

    fn read(&self) -> KindRead {
        let (state, message) = self.state();
        KindRead {
            group: self.resource.kind.group.into(),
            version: self.resource.version.clone(),
            resource: self.resource.name.clone(),
            kind: self.resource.kind.kind.into(),
            state,
            count: self.objects.len(),
            message,
            namespaces: self.namespaces(),
        }
    }
}

/// A cluster that is followed.
#[derive(Debug)]
pub struct Watch {
    connection: Connection,
    about: About,
    kinds: Vec<Followed>,
    told: Receiver<(usize, Told)>,
    /// All watches end with this.
    _tasks: JoinSet<()>,
}

/// Begins to follow a cluster, and waits until all of it has been read.
///
/// # Errors
/// As [`crate::read()`].
pub async fn watch(
    connection: &Connection,
    wanted: &Wanted,
    progress: &Progress,
) -> Result<Watch, Error> {
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
        let everywhere = is_served.then(|| (Scope::default(), None));
        followed.push(Followed {
            resource,
            objects: BTreeMap::new(),
            scopes: everywhere.into_iter().collect(),
            split: None,
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
        _tasks: tasks,
    };
    let kinds = watch.kinds.len() as u64;
    progress.all_kinds.store(kinds, Ordering::Relaxed);
    loop {
        let to_come = watch.kinds.iter().filter(|kind| kind.is_to_come()).count() as u64;
        progress.kinds.store(kinds - to_come, Ordering::Relaxed);
        if to_come == 0 {
            break;
        }
        let Some((index, told)) = watch.told.recv().await else {
            break;
        };
        if let Told::Put(item) = &told {
            let bytes = item.text.len() as u64;
            progress.bytes.fetch_add(bytes, Ordering::Relaxed);
            progress.objects.fetch_add(1, Ordering::Relaxed);
        }
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
    pub async fn changed(&mut self) -> Result<Changes, Error> {
        let mut objects = Vec::new();
        let mut before: BTreeMap<usize, (State, String)> = BTreeMap::new();
        let mut latest = None;
        loop {
            let told = match latest {
                None => self.told.recv().await,
                Some(latest) => {
                    let until = tokio::time::Instant::now() + QUIET;
                    let until = until.min(latest);
                    match tokio::time::timeout_at(until, self.told.recv()).await {
                        Ok(told) => told,
                        Err(_) => {
                            let kinds = before.into_iter().filter_map(|(index, before)| {
                                let kind = self.kinds.get(index)?;
                                (kind.state() != before).then(|| kind.read())
                            });
                            let kinds = kinds.collect();
                            return Ok(Changes { objects, kinds });
                        }
                    }
                }
            };
            let Some((index, told)) = told else {
                let why = "every watch of the cluster has ended".to_owned();
                return Err(Error::NoAnswer(why));
            };
            let state = self.kinds.get(index).map(Followed::state);
            objects.extend(self.take(index, told)?);
            if let Some(state) = state
                && self.kinds.get(index).map(Followed::state).as_ref() != Some(&state)
            {
                before.entry(index).or_insert(state);
            }
            if latest.is_none() && !(objects.is_empty() && before.is_empty()) {
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
        let kinds = self.kinds.iter().map(Followed::read);
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
            Told::Split(scopes, split) => {
                kind.scopes = scopes.into_iter().map(|scope| (scope, None)).collect();
                kind.split = Some(split);
                Vec::new()
            }
            Told::Synced(number, places) => {
                let Some((scope, known)) = kind.scopes.get_mut(number) else {
                    return Ok(Vec::new());
                };
                *known = Some((State::Complete, String::new()));
                let here: BTreeSet<_> = places.into_iter().collect();
                let is_gone = |place: &&Place| !here.contains(*place) && scope.has(place);
                let gone: Vec<Place> = kind.objects.keys().filter(is_gone).cloned().collect();
                for place in &gone {
                    kind.objects.remove(place);
                }
                gone.into_iter().map(|place| change(place, None)).collect()
            }
            Told::Ended(number, state, message) => {
                if let Some((_, known)) = kind.scopes.get_mut(number) {
                    *known = Some((state, message));
                }
                Vec::new()
            }
            Told::Unauthorized(message) => {
                let refusal = Refusal::Unauthorized(message);
                return Err(Error::of(&self.connection, refusal));
            }
        })
    }
}
