//! All objects of a kind, page by page.
//!
//! Pages of 500 are asked for one behind the other, and each becomes texts before the next is asked
//! for. A place in a list that the server has forgotten (410) is taken up where the server says, or the
//! list is started again. INVARIANT: what was read of a list that broke off is kept, and said to be a
//! part.

use std::sync::atomic::Ordering;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::connect::Connection;
use crate::header::State;
use crate::kinds::{Form, Kind};
use crate::objects::{Item, Maker};
use crate::read::Progress;
use crate::request::{JSON, Refusal};

/// Objects of a page.
const PAGE: usize = 500;

/// So often a list is started again.
const RESTARTS: usize = 2;

/// Asks for metadata alone.
const NAMES: &str =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

/// How a list ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) state: State,
    pub(crate) count: usize,
    pub(crate) message: String,
    /// The moment that the list is of, to watch from.
    pub(crate) resource_version: String,
}

/// A kind as it is served.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) kind: &'static Kind,
    pub(crate) version: String,
    pub(crate) name: String,
}

impl Resource {
    /// The path of all its objects, or of those in a namespace.
    pub(crate) fn path(&self, namespace: Option<&str>) -> String {
        let (version, name) = (&self.version, &self.name);
        let root = match self.kind.group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{}/{name}", encode(namespace)),
            None => format!("{root}/{name}"),
        }
    }
}

/// A text as a part of a path or a query.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(rename = "continue", default)]
    next: String,
}

#[derive(Deserialize)]
struct Page<'p> {
    #[serde(default)]
    metadata: ListMeta,
    /// Null is an empty list, for servers in Go; no list at all is no answer.
    #[serde(borrow, default, deserialize_with = "some")]
    items: Option<Option<Vec<&'p RawValue>>>,
}

/// A field that is there, even if it is null.
fn some<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    of: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(of).map(Some)
}

/// Reads a list; `take` is given the objects of each page, and none if it has to start again.
pub(crate) async fn list(
    connection: &Connection,
    resource: &Resource,
    path: &str,
    maker: &mut Maker,
    progress: &Progress,
    mut take: impl FnMut(Option<Vec<Item>>),
) -> Result<Ended, Refusal> {
    let accept = match resource.kind.form {
        Form::Names(_) => NAMES,
        _ => JSON,
    };
    maker.begin();
    let mut next = String::new();
    let mut count = 0;
    let mut restarts = 0;
    let mut message = String::new();
    loop {
        let separator = if path.contains('?') { '&' } else { '?' };
        let mut page = format!("{path}{separator}limit={PAGE}");
        if !next.is_empty() {
            page.push_str(&format!("&continue={}", encode(&next)));
        }
        let read = |bytes: bytes::Bytes| read_page(&bytes, maker, progress);
        match connection.get_as(&page, accept, read).await {
            Ok((meta, items)) => {
                count += items.len();
                progress
                    .objects
                    .fetch_add(items.len() as u64, Ordering::Relaxed);
                take(Some(items));
                next = meta.next;
                if next.is_empty() {
                    return Ok(Ended {
                        state: State::Complete,
                        count,
                        message,
                        resource_version: meta.resource_version,
                    });
                }
            }
            Err(Refusal::Expired(Some(token))) if !next.is_empty() && token != next => {
                message = "the list changed while it was read: it is not of one moment".into();
                next = token;
            }
            Err(Refusal::Expired(_)) if restarts < RESTARTS => {
                restarts += 1;
                count = 0;
                next.clear();
                message.clear();
                maker.begin();
                take(None);
            }
            Err(Refusal::Unauthorized(message)) => return Err(Refusal::Unauthorized(message)),
            Err(refusal) if count == 0 => return Err(refusal),
            Err(refusal) => {
                return Ok(Ended {
                    state: State::Partial,
                    count,
                    message: format!("the list broke off after {count} objects: {refusal}"),
                    resource_version: String::new(),
                });
            }
        }
    }
}

fn read_page(
    bytes: &[u8],
    maker: &mut Maker,
    progress: &Progress,
) -> Result<(ListMeta, Vec<Item>), String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("an answer that is no text: {error}"))?;
    let page: Page<'_> = serde_json::from_str(text)
        .map_err(|error| format!("an answer that broke off or is no list: {error}"))?;
    let Some(objects) = page.items else {
        return Err("an answer that is no list: it has no `items`".into());
    };
    let objects = objects.unwrap_or_default();
    let items = objects.into_iter().map(|object| maker.make(object.get()));
    let items = items.collect::<Result<_, _>>()?;
    progress
        .bytes
        .fetch_add(bytes.len() as u64, Ordering::Relaxed);
    Ok((page.metadata, items))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_items_is_no_list() {
        let items = |text: &str| {
            serde_json::from_str::<Page<'_>>(text)
                .unwrap()
                .items
                .map(|items| items.map_or(0, |items| items.len()))
        };
        assert_eq!(items(r#"{"items": [{}, {}]}"#), Some(2));
        assert_eq!(items(r#"{"items": null}"#), Some(0));
        assert_eq!(items(r#"{"kind": "Status", "metadata": {}}"#), None);
        let kind = crate::kinds::all().next().unwrap();
        let mut maker = Maker::new(kind, "v1", false);
        let refused = read_page(b"{}", &mut maker, &Progress::default()).map(|_| ());
        assert_eq!(
            refused.unwrap_err(),
            "an answer that is no list: it has no `items`"
        );
    }
}
