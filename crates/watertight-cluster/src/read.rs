//! Everything that is read of a cluster, as texts.
//!
//! Kinds are read side by side, a few at a time; what comes out is in the order of `kinds`, whichever
//! answer was first. Who may not list a kind everywhere is asked again for the namespaces that somebody
//! named. INVARIANT: the header says of every kind how it ended.

pub(crate) mod lists;
pub(crate) mod texts;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::StreamExt as _;
use serde::Deserialize;

use self::lists::{Kept, read_kind};
use crate::connect::Connection;
use crate::discovery::{Discovery, Served, discover};
use crate::header::{About, Header, KindRead, Named, State};
use crate::kinds::{self, Kind, Purpose};
use crate::list::Resource;
use crate::request::Refusal;

/// So many kinds are read at once.
const AT_ONCE: usize = 6;

/// What is wanted of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// What tells what pods need, for baselines.
    pub hints: bool,
    /// Where to look for what may not be listed everywhere.
    pub namespaces: Vec<String>,
}

impl Wanted {
    /// Whether a kind is read.
    #[must_use]
    pub fn has(&self, kind: &Kind) -> bool {
        self.hints || kind.purpose != Purpose::Hints
    }
}

/// How far reading has come.
#[derive(Debug, Default)]
pub struct Progress {
    /// Objects so far.
    pub objects: AtomicU64,
    /// Bytes of answers so far.
    pub bytes: AtomicU64,
    /// Kinds that are done.
    pub kinds: AtomicU64,
    /// Kinds that there are.
    pub all_kinds: AtomicU64,
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name, as `networkpolicies/shop/web.yaml`.
    pub name: String,
    /// What is in it.
    pub text: String,
}

/// What was read.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it says about itself.
    pub header: Header,
    /// The texts, the header among them, in the order of their names.
    pub files: Vec<File>,
}

/// Why nothing could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The server does not know who asks.
    Unauthorized {
        /// The server.
        server: String,
        /// What it said.
        message: String,
    },
    /// Who asks may read nothing.
    Forbidden(String),
    /// There is no answer.
    NoAnswer(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unauthorized { server, message } => write!(
                f,
                "{server} does not accept the credentials ({message}); log in again, or choose \
                 another user with --context or --user"
            ),
            Self::Forbidden(message) => write!(
                f,
                "nothing may be read: {message}; deploy/rbac/read-only.yaml allows what is needed, \
                 and with -n NAMESPACE a Role in that namespace is enough"
            ),
            Self::NoAnswer(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    pub(crate) fn of(connection: &Connection, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unauthorized(message) => Self::Unauthorized {
                server: connection.server.clone(),
                message,
            },
            Refusal::Forbidden(message) => Self::Forbidden(message),
            refusal => Self::NoAnswer(refusal.to_string()),
        }
    }
}

/// Reads a cluster.
///
/// # Errors
/// When there is no answer, or nothing may be read at all; a part of it is no error but said in the
/// header.
pub async fn read(
    connection: &Connection,
    wanted: &Wanted,
    progress: &Arc<Progress>,
) -> Result<Reading, Error> {
    let refused = |refusal| Error::of(connection, refusal);
    let version = match version(connection).await {
        Ok(version) => version,
        Err(refusal @ (Refusal::Unauthorized(_) | Refusal::Failed(_))) => {
            return Err(refused(refusal));
        }
        // It is a detail: who may not read it may still read pods.
        Err(_) => String::new(),
    };
    let discovery = discover(connection).await.map_err(refused)?;
    let kinds: Vec<_> = kinds_to_read(&discovery, wanted);
    progress
        .all_kinds
        .store(kinds.len() as u64, Ordering::Relaxed);
    let reads = kinds.iter().enumerate().map(|(index, (kind, served))| {
        let (connection, wanted) = (connection.clone(), wanted.clone());
        let (progress, kind, served) = (Arc::clone(progress), *kind, served.clone());
        async move {
            // Elsewhere, so that making texts keeps several cores busy.
            let task = tokio::spawn(async move {
                let kept = one(&connection, kind, served, &wanted, &progress).await;
                progress.kinds.fetch_add(1, Ordering::Relaxed);
                kept
            });
            (index, task.await)
        }
    });
    let mut done: Vec<_> = futures::stream::iter(reads)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    done.sort_by_key(|(index, _)| *index);
    let mut read = Vec::new();
    let mut files = Vec::new();
    for (_, kept) in done {
        let kept = kept.map_err(|error| Error::NoAnswer(error.to_string()))?;
        let kept = kept.map_err(refused)?;
        read.push(kept.read);
        files.extend(kept.files);
    }
    anything(&read, wanted)?;
    let about = About {
        server: connection.server.clone(),
        version,
        api_groups: discovery.groups(),
    };
    let header = header(connection, about, read);
    let first = File {
        name: crate::HEADER.into(),
        text: header.text(),
    };
    files.push(first);
    // As a directory with these files would be read.
    files.sort_by(|a, b| Path::new(&a.name).cmp(Path::new(&b.name)));
    Ok(Reading { header, files })
}

/// Whether there is a cluster that answers: the first thing to ask where nothing else is read.
///
/// # Errors
/// When nobody answers, or nobody who is an API server, or the credentials are not accepted.
pub async fn answers(connection: &Connection) -> Result<(), Error> {
    match version(connection).await {
        Err(refusal @ (Refusal::Unauthorized(_) | Refusal::Failed(_))) => {
            Err(Error::of(connection, refusal))
        }
        // Who may not read it may still do the rest.
        _ => Ok(()),
    }
}

/// What a reading says about itself.
pub(crate) fn header(connection: &Connection, cluster: About, kinds: Vec<KindRead>) -> Header {
    Header {
        api_version: "watertight.dev/v1".into(),
        kind: "Snapshot".into(),
        metadata: Named {
            name: connection.context.clone(),
        },
        cluster,
        taken: now(),
        redacted: false,
        kinds,
    }
}

/// This moment, to the second.
fn now() -> String {
    let now = jiff::Timestamp::now();
    let whole = jiff::Timestamp::from_second(now.as_second());
    whole.unwrap_or(now).to_string()
}

/// The version of the server: the first thing that is asked, so that what is wrong with a connection
/// is said once.
pub(crate) async fn version(connection: &Connection) -> Result<String, Refusal> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Version {
        git_version: String,
    }
    let read = |bytes: bytes::Bytes| {
        serde_json::from_slice::<Version>(&bytes).map_err(|_| {
            let server = &connection.server;
            format!("{server} answers, but is no Kubernetes API server; is it the right address?")
        })
    };
    let version = connection
        .get_as("/version", crate::request::JSON, read)
        .await?;
    Ok(version.git_version)
}

/// The kinds to ask for: of two names for the same objects one.
pub(crate) fn kinds_to_read(
    discovery: &Discovery,
    wanted: &Wanted,
) -> Vec<(&'static Kind, Served)> {
    let wanted_kinds = kinds::all().filter(|kind| wanted.has(kind));
    let is_read = |group: &str, resource: &str| {
        let mut first =
            kinds::all().filter(|kind| (kind.group, kind.resource) == (group, resource));
        first.any(|kind| matches!(discovery.find(kind), Served::As { .. }))
    };
    wanted_kinds
        .filter(|kind| {
            kind.instead_of
                .is_none_or(|(group, resource)| !is_read(group, resource))
        })
        .map(|kind| (kind, discovery.find(kind)))
        // The other name stands for both if neither is served.
        .filter(|(kind, served)| kind.instead_of.is_none() || *served != Served::No)
        .collect()
}

/// What was read of a kind.
async fn one(
    connection: &Connection,
    kind: &'static Kind,
    served: Served,
    wanted: &Wanted,
    progress: &Progress,
) -> Result<Kept, Refusal> {
    let is_served = served != Served::No;
    let (resource, unsure) = resource(kind, served);
    if !is_served {
        return Ok(Kept::nothing(&resource, State::NotServed, String::new()));
    }
    read_kind(connection, &resource, unsure, wanted, progress).await
}

/// A kind as it is served, or would be, and why that is not known.
pub(crate) fn resource(kind: &'static Kind, served: Served) -> (Resource, Option<String>) {
    let preferred = kind.versions.first().copied().unwrap_or("v1");
    let mut found = Resource {
        kind,
        version: preferred.to_owned(),
        name: kind.resource.to_owned(),
    };
    match served {
        Served::As { version, resource } => {
            found.version = version;
            found.name = resource;
            (found, None)
        }
        Served::No => (found, None),
        Served::Unknown(why) => (found, Some(why)),
    }
}

/// Fails if nothing of all that decides connections could be read.
pub(crate) fn anything(read: &[KindRead], wanted: &Wanted) -> Result<(), Error> {
    let is_read = |kind: &&KindRead| matches!(kind.state, State::Complete | State::Partial);
    if read
        .iter()
        .any(|kind| is_read(&kind) && kind.resource != "customresourcedefinitions")
    {
        return Ok(());
    }
    let of_state = |state: State| read.iter().find(|kind| kind.state == state);
    if let Some(kind) = of_state(State::Forbidden) {
        let named = wanted.namespaces.join("`, `");
        let message = match named.as_str() {
            "" => kind.message.clone(),
            named => format!("{}, nor in `{named}`", kind.message),
        };
        return Err(Error::Forbidden(message));
    }
    let why = of_state(State::Failed).map(|kind| kind.message.as_str());
    let why = why.unwrap_or("the server serves no kind that could be read");
    Err(Error::NoAnswer(format!(
        "{why}; is it the address of a Kubernetes API server?"
    )))
}
