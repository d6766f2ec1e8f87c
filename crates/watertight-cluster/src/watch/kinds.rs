//! One kind, followed for as long as somebody listens.

use std::collections::BTreeSet;
use std::time::Duration;

use super::stream::{End, Event, Stream};
use super::{Place, Told};
use crate::connect::Connection;
use crate::header::State;
use crate::kinds::{CONFIG_MAPS, Form};
use crate::list::{Resource, list};
use crate::objects::{Item, Maker};
use crate::read::lists::not_found;
use crate::read::{Progress, Wanted};
use crate::request::Refusal;

/// How long to wait before a watch that broke is begun again, doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// But no longer.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Follows a kind; `tell` says whether anybody listens.
pub(super) async fn follow<F: Future<Output = bool>>(
    connection: &Connection,
    resource: &Resource,
    unsure: Option<String>,
    wanted: &Wanted,
    tell: impl Fn(Told) -> F,
) {
    let mut follower = Follower {
        connection,
        resource,
        maker: Maker::new(resource.kind, &resource.version, wanted.hints),
        streams: true,
    };
    let Err(refusal) = follower.scope(None, &tell).await else {
        return;
    };
    let (state, message) = match refusal {
        Refusal::Unauthorized(message) => {
            tell(Told::Unauthorized(message)).await;
            return;
        }
        Refusal::Forbidden(message) => (State::Forbidden, message),
        Refusal::NotFound(message) => {
            let why = unsure.unwrap_or_else(|| not_found(&message));
            (State::Failed, why)
        }
        refusal => (State::Failed, refusal.to_string()),
    };
    // Rights in one namespace are enough for it; of several the first is followed.
    if let (State::Forbidden, true, Some(namespace)) =
        (state, resource.kind.namespaced, wanted.namespaces.first())
    {
        let followed = follower.scope(Some(namespace), &tell).await;
        if followed.is_ok() {
            return;
        }
    }
    tell(Told::Ended(state, message)).await;
}

struct Follower<'a> {
    connection: &'a Connection,
    resource: &'a Resource,
    maker: Maker,
    /// Whether the server may give a list as the beginning of its watch.
    streams: bool,
}

impl Follower<'_> {
    /// Follows the objects of a namespace or of all; fails only before the first list is complete.
    async fn scope<F: Future<Output = bool>>(
        &mut self,
        namespace: Option<&String>,
        tell: &impl Fn(Told) -> F,
    ) -> Result<(), Refusal> {
        let path = self.resource.path(namespace.map(String::as_str));
        let mut is_first = true;
        let mut wait = FIRST_WAIT;
        loop {
            let begun = self.begin(&path, namespace, tell).await;
            let end = match begun {
                Ok(from) => {
                    is_first = false;
                    wait = FIRST_WAIT;
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
                    tell(Told::Ended(State::Partial, why)).await;
                    End::Broken
                }
            };
            if end == End::NobodyListens {
                return Ok(());
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Tells everything that is there; from where to go on.
    async fn begin<F: Future<Output = bool>>(
        &mut self,
        path: &str,
        namespace: Option<&String>,
        tell: &impl Fn(Told) -> F,
    ) -> Result<From, Refusal> {
        let scope = namespace.cloned();
        if self.streams && !matches!(self.resource.kind.form, Form::ByName(_) | Form::Names(_)) {
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
                                tell(Told::Synced(places, scope)).await;
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
        items.retain(|item| self.is_meant(&place(item)));
        let places = items.iter().map(place).collect();
        for item in items {
            tell(Told::Put(item)).await;
        }
        tell(Told::Synced(places, scope)).await;
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
                let (told, is_heard) = match open.next(&mut self.maker).await {
                    Ok(Event::Put(item)) => {
                        let is_meant = self.is_meant(&place(&item));
                        (is_meant, !is_meant || tell(Told::Put(item)).await)
                    }
                    Ok(Event::Gone(gone)) => (true, tell(Told::Gone(gone)).await),
                    Ok(Event::Bookmark { .. }) => (true, true),
                    Err(End::Forgotten) => return End::Forgotten,
                    Err(_) => break,
                };
                if let Some(newest) = open.version() {
                    version = newest.to_owned();
                }
                if told {
                    wait = FIRST_WAIT;
                }
                if !is_heard {
                    return End::NobodyListens;
                }
            }
            // Watches end after some minutes, and are begun again where they ended.
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Of ConfigMaps only those that are known by name are kept.
    fn is_meant(&self, (namespace, name): &Place) -> bool {
        let Form::ByName(_) = self.resource.kind.form else {
            return true;
        };
        let known: BTreeSet<_> = CONFIG_MAPS.iter().copied().collect();
        known.contains(&(namespace.as_deref(), name)) || known.contains(&(None, name))
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
