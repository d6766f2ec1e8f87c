//! Watches: what happens, one JSON object a line, with bookmarks and initial lists.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::Response;
use futures::stream;
use serde_json::{Value, json};

use crate::Store;
use crate::kinds::Kind;
use crate::lists::{Query, metadata_only};
use crate::paths::Target;
use crate::status::Refusal;
use crate::store::Event;

struct Watch {
    store: Arc<Store>,
    key: String,
    target: Target,
    query: Query,
    partial: bool,
    seen: u64,
    waiting: Vec<Bytes>,
    ends: tokio::time::Instant,
    bookmarks: Duration,
    next_bookmark: tokio::time::Instant,
    kind: Kind,
}

/// Answers a watch.
pub(crate) fn watch(
    store: &Arc<Store>,
    kind: &Kind,
    target: &Target,
    query: &Query,
    partial: bool,
    bookmarks: Duration,
) -> Result<Response, Refusal> {
    let inner = store.lock();
    let asked = query.get("resourceVersion").unwrap_or_default();
    let from = asked.parse::<u64>().unwrap_or(0);
    let initial = query.is("sendInitialEvents");
    if from != 0 && from < inner.forgotten && !initial {
        return Err(Refusal::gone(&format!(
            "too old resource version: {from} ({})",
            inner.forgotten
        )));
    }
    let seconds = query
        .get("timeoutSeconds")
        .and_then(|text| text.parse().ok());
    let now = tokio::time::Instant::now();
    let mut watch = Watch {
        store: Arc::clone(store),
        key: kind.key(),
        target: target.clone(),
        query: query.clone(),
        partial,
        seen: if from == 0 || initial {
            inner.version
        } else {
            from
        },
        waiting: Vec::new(),
        ends: now + Duration::from_secs(seconds.unwrap_or(300)),
        bookmarks,
        next_bookmark: now + bookmarks,
        kind: kind.clone(),
    };
    if from == 0 || initial {
        let all = inner.objects.get(&watch.key);
        let wanted = all.into_iter().flat_map(|all| all.values());
        let lines: Vec<_> = wanted
            .filter(|object| query.wants(target, object))
            .map(|object| watch.line("ADDED", object))
            .collect();
        watch.waiting.extend(lines);
    }
    if initial {
        let line = watch.bookmark(&json!({"k8s.io/initial-events-end": "true"}));
        watch.waiting.push(line);
    }
    drop(inner);
    watch.waiting.reverse();
    let body = Body::from_stream(stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((Ok::<_, Infallible>(line), watch))
    }));
    let mut response = Response::new(body);
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

impl Watch {
    fn line(&self, what: &str, object: &Value) -> Bytes {
        let object = if self.partial {
            metadata_only(object.clone())
        } else {
            object.clone()
        };
        Bytes::from(format!("{}\n", json!({"type": what, "object": object})))
    }

    fn bookmark(&self, annotations: &Value) -> Bytes {
        let metadata =
            json!({"resourceVersion": self.seen.to_string(), "annotations": annotations});
        let object = json!({
            "kind": self.kind.kind,
            "apiVersion": self.kind.api_version(),
            "metadata": metadata,
        });
        Bytes::from(format!(
            "{}\n",
            json!({"type": "BOOKMARK", "object": object})
        ))
    }

    /// The next line; none when the watch is over.
    async fn next(&mut self) -> Option<Bytes> {
        let mut changes = self.store.changes();
        loop {
            if let Some(line) = self.waiting.pop() {
                return Some(line);
            }
            changes.borrow_and_update();
            self.take_new();
            if !self.waiting.is_empty() {
                continue;
            }
            let wake = self.ends.min(self.next_bookmark);
            tokio::select! {
                changed = changes.changed() => changed.ok()?,
                () = tokio::time::sleep_until(wake) => {
                    let now = tokio::time::Instant::now();
                    if now >= self.ends {
                        return None;
                    }
                    self.next_bookmark = now + self.bookmarks;
                    if self.query.is("allowWatchBookmarks") {
                        return Some(self.bookmark(&json!({})));
                    }
                }
            }
        }
    }

    fn take_new(&mut self) {
        let store = Arc::clone(&self.store);
        let inner = store.lock();
        if self.seen < inner.forgotten {
            let status = Refusal::gone("too old resource version").status();
            self.waiting.push(Bytes::from(format!(
                "{}\n",
                json!({"type": "ERROR", "object": status})
            )));
            self.ends = tokio::time::Instant::now();
            self.seen = inner.version;
            return;
        }
        let newer = inner
            .events
            .iter()
            .filter(|event| event.version > self.seen && event.key == self.key);
        let lines: Vec<_> = newer.filter_map(|event| self.told(event)).collect();
        self.seen = inner.version;
        self.waiting.extend(lines.into_iter().rev());
    }

    fn told(&self, event: &Event) -> Option<Bytes> {
        let wanted = self.query.wants(&self.target, &event.object);
        match (wanted, event.what) {
            (true, what) => Some(self.line(what, &event.object)),
            // It may have been wanted before: those who watch by labels are told that it is gone.
            (false, "MODIFIED") if self.query.get("labelSelector").is_some() => {
                Some(self.line("DELETED", &event.object))
            }
            (false, _) => None,
        }
    }
}
