//! The events of one watch, line by line.

use std::time::Duration;

use futures::io::Lines;
use futures::{AsyncBufRead, AsyncBufReadExt as _, StreamExt as _};
use http::{Request, header};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::pin::Pin;

use super::Place;
use crate::connect::{Connection, explain_transport};
use crate::objects::{Item, Maker};
use crate::request::Refusal;

/// So long the server keeps a watch.
const SERVER_SECONDS: u64 = 290;

/// A watch that is silent for longer, bookmarks included, is dead.
const SILENCE: Duration = Duration::from_secs(330);

/// The annotation of the bookmark behind the last object of a list.
const LIST_ENDS: &str = "k8s.io/initial-events-end";

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    Put(Item),
    Gone(Place),
    /// Nothing: everything up to this moment has been told.
    Bookmark {
        version: String,
        ends_list: bool,
    },
}

/// Why there are no more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The connection ended.
    Broken,
    /// 410: the server has forgotten what was before.
    Forgotten,
    /// Nobody wants to know.
    NobodyListens,
}

/// An open watch.
pub(super) struct Stream {
    lines: Lines<Pin<Box<dyn AsyncBufRead + Send>>>,
    version: Option<String>,
}

#[derive(Deserialize)]
struct Line<'l> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    object: &'l RawValue,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: Meta,
    #[serde(default)]
    code: u16,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default)]
    name: String,
    namespace: Option<String>,
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

impl Stream {
    /// Begins a watch.
    pub(super) async fn open(
        connection: &Connection,
        path: &str,
        query: &str,
    ) -> Result<Self, Refusal> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let uri = format!("{path}{separator}{query}&timeoutSeconds={SERVER_SECONDS}");
        let request = Request::get(uri)
            .header(header::ACCEPT, crate::request::JSON)
            // Events must not wait for a compressor.
            .header(header::ACCEPT_ENCODING, "identity")
            .body(Vec::new())
            .map_err(|error| Refusal::Failed(error.to_string()))?;
        let opened = connection.client.request_stream(request);
        let opened = tokio::time::timeout(connection.timeout, opened).await;
        let opened = opened.map_err(|_| Refusal::Failed("no answer to a watch".into()))?;
        let body = opened.map_err(|error| match error {
            kube::Error::Api(status) => match status.code {
                401 => Refusal::Unauthorized(status.message.clone()),
                403 => Refusal::Forbidden(status.message.clone()),
                404 | 405 => Refusal::NotFound(status.message.clone()),
                410 => Refusal::Expired(None),
                _ => Refusal::Failed(status.message.clone()),
            },
            kube::Error::Auth(error) => Refusal::Unauthorized(error.to_string()),
            error => Refusal::Failed(explain_transport(connection, &error)),
        })?;
        let body: Pin<Box<dyn AsyncBufRead + Send>> = Box::pin(body);
        Ok(Self {
            lines: body.lines(),
            version: None,
        })
    }

    /// The moment of the last event.
    pub(super) fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The next event.
    pub(super) async fn next(&mut self, maker: &mut Maker) -> Result<Event, End> {
        loop {
            let line = tokio::time::timeout(SILENCE, self.lines.next()).await;
            let Ok(Some(Ok(line))) = line else {
                return Err(End::Broken);
            };
            if line.is_empty() {
                continue;
            }
            // What cannot be read ends the watch, which is begun again before it.
            let event: Line<'_> = serde_json::from_str(&line).map_err(|_| End::Broken)?;
            let object: Object =
                serde_json::from_str(event.object.get()).map_err(|_| End::Broken)?;
            if event.kind == "ERROR" {
                return Err(match object.code {
                    410 => End::Forgotten,
                    _ => End::Broken,
                });
            }
            let meta = object.metadata;
            if !meta.resource_version.is_empty() {
                self.version = Some(meta.resource_version.clone());
            }
            return match event.kind.as_str() {
                "ADDED" | "MODIFIED" => {
                    let item = maker.make(event.object.get());
                    item.map(Event::Put).map_err(|_| End::Broken)
                }
                "DELETED" => Ok(Event::Gone((meta.namespace, meta.name))),
                "BOOKMARK" => Ok(Event::Bookmark {
                    version: meta.resource_version,
                    ends_list: meta
                        .annotations
                        .get(LIST_ENDS)
                        .is_some_and(|end| end == "true"),
                }),
                _ => continue,
            };
        }
    }
}
