//! One kind, followed for as long as somebody listens: everywhere, or in the scopes in which it may be.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use super::stream::{End, Event, Stream};
use super::{Place, Told};
use crate::connect::Connection;
use crate::header::State;
use crate::kinds::{CONFIG_MAPS, Form};
use crate::list::{Resource, encode, list};
use crate::objects::{Item, Maker};
use crate::read::lists::not_found;
use crate::read::{Progress, Wanted};
use crate::request::{JSON, Refusal};

/// How long to wait before a watch that broke is begun again, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// But no longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What one watch is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Scope {
    /// Every namespace if none.
    pub(super) namespace: Option<String>,
    /// Every name if none.
    pub(super) name: Option<String>,
}

impl Scope {
    fn of(namespace: Option<&str>, name: Option<&str>) -> Self {
        Self {
            namespace: namespace.map(Into::into),
            name: name.map(Into::into),
        }
    }

    /// Whether an object is in it.
    pub(super) fn has(&self, (namespace, name): &Place) -> bool {
        (self.namespace.is_none() || self.namespace == *namespace)
            && self.name.as_ref().is_none_or(|wanted| wanted == name)
    }

    /// The path of its objects; by name, as roles that name objects allow it.
    fn path(&self, resource: &Resource) -> String {
        let path = resource.path(self.namespace.as_deref());
        match &self.name {
            Some(name) => {
                let selector = encode(&format!("metadata.name={name}"));
                format!("{path}?fieldSelector={selector}")
            }
            None => path,
        }
    }
}

/// Why a kind is followed in several scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Split {
    /// Its objects are asked for by name.
    ByName,
    /// It may not be listed everywhere, for this reason.
    Forbidden(String),
}

/// Follows a kind; `tell` says whether anybody listens.
pub(super) async fn follow<F: Future<Output = bool>>(
    connection: &Connection,
    resource: &Resource,
    unsure: Option<String>,
    wanted: &Wanted,
    tell: impl Fn(Told) -> F,
) {
    let follower = |scope| Follower {
        connection,
        resource,
        maker: Maker::new(resource.kind, &resource.version, wanted.hints),
        streams: true,
        number: 0,
        scope,
    };
    let (scopes, split) = if let Form::ByName(_) = resource.kind.form {
        let scopes = CONFIG_MAPS.iter();
        let scopes = scopes.map(|(namespace, name)| Scope::of(*namespace, Some(name)));
        (scopes.collect(), Split::ByName)
    } else {
        let refusal = match follower(Scope::default()).run(&tell).await {
            Ok(()) => return,
            Err(refusal) => refusal,
        };
        match refusal {
            Refusal::Forbidden(why) => (some_scopes(resource, wanted), Split::Forbidden(why)),
            refusal => {
                tell(ended(0, refusal, unsure)).await;
                return;
            }
        }
    };
    if let (Split::Forbidden(why), true) = (&split, scopes.is_empty()) {
        tell(ended(0, Refusal::Forbidden(why.clone()), unsure)).await;
        return;
    }
    tell(Told::Split(scopes.clone(), split)).await;
    let followed = scopes.into_iter().enumerate().map(async |(number, scope)| {
        let mut follower = Follower {
            number,
            ..follower(scope)
        };
        // A namespace that may not be watched can still be looked at.
        let is_one = resource.name == "namespaces";
        let followed = match is_one {
            true => follower.once(&tell).await,
            false => follower.run(&tell).await,
        };
        if let Err(refusal) = followed {
            tell(ended(number, refusal, unsure.clone())).await;
        }
    });
    join_all(followed).await;
}

/// Where to look for what may not be listed everywhere.
fn some_scopes(resource: &Resource, wanted: &Wanted) -> Vec<Scope> {
    let mut scopes = Vec::new();
    for namespace in &wanted.namespaces {
        let scope = match resource.kind.namespaced {
            true => Scope::of(Some(namespace), None),
            false if resource.name == "namespaces" => Scope::of(None, Some(namespace)),
            false => continue,
        };
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes
}

/// What is told of a scope that cannot be followed.
fn ended(scope: usize, refusal: Refusal, unsure: Option<String>) -> Told {
    let (state, message) = match refusal {
        Refusal::Unauthorized(message) => return Told::Unauthorized(message),
        Refusal::Forbidden(message) => (State::Forbidden, message),
        Refusal::NotFound(message) => {
            let why = unsure.unwrap_or_else(|| not_found(&message));
            (State::Failed, why)
        }
        refusal => (State::Failed, refusal.to_string()),
    };
    Told::Ended(scope, state, message)
}

struct Follower<'a> {
    connection: &'a Connection,
    resource: &'a Resource,
    maker: Maker,
    /// Whether the server may give a list as the beginning of its watch.
    streams: bool,
    /// The number of the scope among those of the kind.
    number: usize,
    scope: Scope,
}

impl Follower<'_> {
    /// Follows the objects of the scope; fails only before the first list is complete.
    async fn run<F: Future<Output = bool>>(
        &mut self,
        tell: &impl Fn(Told) -> F,
    ) -> Result<(), Refusal> {
        let path = self.scope.path(self.resource);
        let mut is_first = true;
        let mut wait = FIRST_WAIT;
        loop {
            let began = Instant::now();
            let end = match self.begin(&path, tell).await {
                Ok(from) => {
                    is_first = false;
                    self.go_on(&path, from, tell).await
                }
                Err(refusal @ Refusal::Unauthorized(_)) if !is_first => {
                    tell(Told::Unauthorized(refusal.to_string())).await;
                    return Ok(());
                }
                Err(refusal) if is_first => return Err(refusal),
                Err(refusal) => {
                    // What is known is of the past, until the list is complete again.
                    let why = format!("no changes are told any more: {refusal}");
                    tell(Told::Ended(self.number, State::Partial, why)).await;
                    End::Broken
                }
            };
            if end == End::NobodyListens {
                return Ok(());
            }
            // A server that forgets at once is not asked for everything all the time.
            if began.elapsed() > LONGEST_WAIT {
                wait = FIRST_WAIT;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Tells what there is in a scope of one cluster-wide object, which nobody tells of later.
    async fn once<F: Future<Output = bool>>(
        &mut self,
        tell: &impl Fn(Told) -> F,
    ) -> Result<(), Refusal> {
        let name = self.scope.name.as_deref().unwrap_or_default();
        let path = format!("{}/{}", self.resource.path(None), encode(name));
        let maker = &mut self.maker;
        let read = |bytes: bytes::Bytes| {
            let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
            maker.make(text)
        };
        let item = self.connection.get_as(&path, JSON, read).await?;
        let places = vec![place(&item)];
        tell(Told::Put(item)).await;
        tell(Told::Synced(self.number, places)).await;
        Ok(())
    }

    /// Tells everything that is there; from where to go on.
    async fn begin<F: Future<Output = bool>>(
        &mut self,
        path: &str,
        tell: &impl Fn(Told) -> F,
    ) -> Result<From, Refusal> {
        self.maker.begin();
        if self.streams && !matches!(self.resource.kind.form, Form::Names(_)) {
            let query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true\
                         &resourceVersionMatch=NotOlderThan";
            match Stream::open(self.connection, path, query).await {
                Ok(mut stream) => {
                    let mut places = Vec::new();
                    loop {
                        match stream.next(&mut self.maker).await {
                            Ok(Event::Put(item)) => {
                                places.push(place(&item));
                                tell(Told::Put(item)).await;
                            }
                            Ok(Event::Gone(gone)) => {
                                places.retain(|known| *known != gone);
                                tell(Told::Gone(gone)).await;
                            }
                            Ok(Event::Bookmark { version, ends_list }) if ends_list => {
                                tell(Told::Synced(self.number, places)).await;
                                return Ok(From::Stream(Box::new(stream), version));
                            }
                            Ok(Event::Bookmark { .. }) => {}
                            // Listed in pages it can be asked for again.
                            Err(_) => break,
                        }
                    }
                }
                Err(
                    refusal @ (Refusal::Unauthorized(_)
                    | Refusal::Forbidden(_)
                    | Refusal::NotFound(_)),
                ) => {
                    return Err(refusal);
                }
                // Servers before 1.32 do not know it.
                Err(_) => self.streams = false,
            }
        }
        let mut items: Vec<Item> = Vec::new();
        let take = |page: Option<Vec<Item>>| match page {
            Some(page) => items.extend(page),
            None => items.clear(),
        };
        let progress = Progress::default();
        let ended = list(
            self.connection,
            self.resource,
            path,
            &mut self.maker,
            &progress,
            take,
        )
        .await?;
        if ended.state != State::Complete {
            return Err(Refusal::Failed(ended.message));
        }
        let places = items.iter().map(place).collect();
        for item in items {
            tell(Told::Put(item)).await;
        }
        tell(Told::Synced(self.number, places)).await;
        Ok(From::Version(ended.resource_version))
    }

    /// Tells every change from a moment on, until the moment is lost or nobody listens.
    async fn go_on<F: Future<Output = bool>>(
        &mut self,
        path: &str,
        from: From,
        tell: &impl Fn(Told) -> F,
    ) -> End {
        let (mut stream, mut version) = match from {
            From::Stream(stream, version) => (Some(stream), version),
            From::Version(version) => (None, version),
        };
        let mut wait = FIRST_WAIT;
        loop {
            let mut open = match stream.take() {
                Some(stream) => stream,
                None => {
                    let query =
                        format!("watch=1&allowWatchBookmarks=true&resourceVersion={version}");
                    match Stream::open(self.connection, path, &query).await {
                        Ok(stream) => Box::new(stream),
                        Err(Refusal::Expired(_)) => return End::Forgotten,
                        Err(_) => return End::Broken,
                    }
                }
            };
            loop {
                let is_heard = match open.next(&mut self.maker).await {
                    Ok(Event::Put(item)) => tell(Told::Put(item)).await,
                    Ok(Event::Gone(gone)) => tell(Told::Gone(gone)).await,
                    Ok(Event::Bookmark { .. }) => true,
                    Err(End::Forgotten) => return End::Forgotten,
                    Err(_) => break,
                };
                if let Some(newest) = open.version() {
                    version = newest.to_owned();
                }
                wait = FIRST_WAIT;
                if !is_heard {
                    return End::NobodyListens;
                }
            }
            // Watches end after some minutes, and are begun again where they ended; so is one whose
            // last event could not be read.
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

/// From where a watch goes on.
enum From {
    /// It is open already.
    Stream(Box<Stream>, String),
    /// From this moment.
    Version(String),
}

fn place(item: &Item) -> Place {
    (item.namespace.clone(), item.name.clone())
}
