//! One kind: its lists, the way around what is forbidden, and the texts.

use std::collections::BTreeSet;

use super::texts::Texts;
use super::{File, Progress, Wanted};
use crate::connect::Connection;
use crate::header::{KindRead, State};
use crate::kinds::{CONFIG_MAPS, Form};
use crate::list::{Ended, Resource, encode, list};
use crate::objects::Maker;
use crate::request::{JSON, Refusal};

/// What was read of a kind.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) read: KindRead,
    pub(crate) files: Vec<File>,
}

impl Kept {
    pub(super) fn nothing(resource: &Resource, state: State, message: String) -> Self {
        Self::new(resource, state, 0, message, Vec::new())
    }

    fn new(
        resource: &Resource,
        state: State,
        count: usize,
        message: String,
        files: Vec<File>,
    ) -> Self {
        let read = KindRead {
            group: resource.kind.group.into(),
            version: resource.version.clone(),
            resource: resource.name.clone(),
            kind: resource.kind.kind.into(),
            state,
            count,
            message,
            namespaces: Vec::new(),
        };
        Self { read, files }
    }
}

/// Why a kind is unknown that the server says it has and does not find.
pub(crate) fn not_found(message: &str) -> String {
    format!("the server says that it has this kind, and has no list of it: {message}")
}

/// Reads a kind; `unsure` is why it is not known whether it is served.
pub(super) async fn read_kind(
    connection: &Connection,
    resource: &Resource,
    unsure: Option<String>,
    wanted: &Wanted,
    progress: &Progress,
) -> Result<Kept, Refusal> {
    let mut texts = Texts::new(resource);
    let mut maker = Maker::new(resource.kind, &resource.version, wanted.hints);
    let asked = match resource.kind.form {
        Form::ByName(_) => by_name(connection, resource, &mut maker, progress, &mut texts).await,
        _ => {
            let path = resource.path(None);
            let take = |items| texts.take(items);
            list(connection, resource, &path, &mut maker, progress, take).await
        }
    };
    let ended = match asked {
        Ok(ended) => ended,
        Err(Refusal::Unauthorized(message)) => return Err(Refusal::Unauthorized(message)),
        Err(Refusal::NotFound(message)) => {
            let why = unsure.unwrap_or_else(|| not_found(&message));
            return Ok(Kept::nothing(resource, State::Failed, why));
        }
        // Of ConfigMaps only those that are known by name are asked for, and that was done.
        Err(Refusal::Forbidden(message))
            if !wanted.namespaces.is_empty() && !matches!(resource.kind.form, Form::ByName(_)) =>
        {
            let (ended, namespaces) = in_namespaces(
                connection,
                resource,
                (&mut maker, &mut texts),
                (wanted, progress),
                message,
            )
            .await?;
            let Ended {
                state,
                count,
                message,
                ..
            } = ended;
            let mut kept = Kept::new(resource, state, count, message, texts.done());
            kept.read.namespaces = namespaces;
            return Ok(kept);
        }
        Err(refusal) => {
            let state = match refusal {
                Refusal::Forbidden(_) => State::Forbidden,
                _ => State::Failed,
            };
            return Ok(Kept::nothing(resource, state, refusal.to_string()));
        }
    };
    let Ended {
        state,
        count,
        message,
        ..
    } = ended;
    Ok(Kept::new(resource, state, count, message, texts.done()))
}

/// The namespaces that somebody named, one by one; and those that could be read.
async fn in_namespaces(
    connection: &Connection,
    resource: &Resource,
    (maker, texts): (&mut Maker, &mut Texts<'_>),
    (wanted, progress): (&Wanted, &Progress),
    forbidden: String,
) -> Result<(Ended, Vec<String>), Refusal> {
    let mut read = Vec::new();
    let mut whole = Vec::new();
    let mut count = 0;
    // Who names one twice has it once.
    let namespaces: BTreeSet<_> = wanted.namespaces.iter().collect();
    for namespace in namespaces {
        let asked = if resource.kind.namespaced {
            let path = resource.path(Some(namespace));
            texts.begin();
            let take = |items| texts.take(items);
            list(connection, resource, &path, maker, progress, take).await
        } else if resource.name == "namespaces" {
            let path = format!("{}/{}", resource.path(None), encode(namespace));
            get(connection, &path, maker, texts).await
        } else {
            Err(Refusal::Forbidden(String::new()))
        };
        match asked {
            Ok(ended) => {
                count += ended.count;
                read.push(format!("`{namespace}`"));
                if ended.state == State::Complete {
                    whole.push(namespace.clone());
                }
            }
            Err(Refusal::Unauthorized(message)) => return Err(Refusal::Unauthorized(message)),
            Err(_) => {}
        }
    }
    let (state, message) = in_some(&read, forbidden);
    let ended = Ended {
        state,
        count,
        message,
        resource_version: String::new(),
    };
    Ok((ended, whole))
}

/// What is known of a kind that may be read in some namespaces only.
pub(crate) fn in_some(read: &[String], forbidden: String) -> (State, String) {
    match read {
        [] => (State::Forbidden, forbidden),
        read => (
            State::Partial,
            format!("read in {} only: {forbidden}", read.join(", ")),
        ),
    }
}

/// One object by its path.
async fn get(
    connection: &Connection,
    path: &str,
    maker: &mut Maker,
    texts: &mut Texts<'_>,
) -> Result<Ended, Refusal> {
    let read = |bytes: bytes::Bytes| {
        let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
        maker.make(text)
    };
    let item = connection.get_as(path, JSON, read).await?;
    texts.take(Some(vec![item]));
    Ok(one_object())
}

fn one_object() -> Ended {
    Ended {
        state: State::Complete,
        count: 1,
        message: String::new(),
        resource_version: String::new(),
    }
}

/// The ConfigMaps that are known by name; that one is not there is no answer to complain about.
async fn by_name(
    connection: &Connection,
    resource: &Resource,
    maker: &mut Maker,
    progress: &Progress,
    texts: &mut Texts<'_>,
) -> Result<Ended, Refusal> {
    let mut count = 0;
    let mut refused = None;
    for (namespace, name) in CONFIG_MAPS {
        let asked = match namespace {
            Some(_) => {
                let path = format!("{}/{}", resource.path(*namespace), encode(name));
                get(connection, &path, maker, texts).await
            }
            None => {
                let selector = encode(&format!("metadata.name={name}"));
                let path = format!("{}?fieldSelector={selector}", resource.path(None));
                texts.begin();
                let take = |items| texts.take(items);
                list(connection, resource, &path, maker, progress, take).await
            }
        };
        match asked {
            Ok(ended) => count += ended.count,
            // One of them that is not there is none; a list of them always is.
            Err(Refusal::NotFound(_)) if namespace.is_some() => {}
            Err(Refusal::Unauthorized(message)) => return Err(Refusal::Unauthorized(message)),
            Err(refusal) => refused = Some(refusal),
        }
    }
    match refused {
        Some(refusal) if count == 0 => Err(refusal),
        Some(refusal) => Ok(Ended {
            state: State::Partial,
            message: refusal.to_string(),
            count,
            ..one_object()
        }),
        None => Ok(Ended {
            count,
            ..one_object()
        }),
    }
}
