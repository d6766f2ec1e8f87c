//! Ephemeral containers: a part of a pod that can be added to, and that nothing is ever taken from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::controllers;
use crate::runtime::{Exec, ExitStatus, Runtime};
use crate::status::Refusal;
use crate::store::{Place, Store};

/// What ephemeral containers have written, by pod and container.
#[derive(Clone, Default)]
pub(crate) struct Said(Arc<Mutex<BTreeMap<(Place, String), String>>>);

impl Said {
    /// What a container has written, if it was an ephemeral one.
    pub(crate) fn of(&self, pod: &Place, container: &str) -> Option<String> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.get(&(pod.clone(), container.to_owned())).cloned()
    }

    fn keep(&self, pod: &Place, container: &str, text: String) {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.insert((pod.clone(), container.to_owned()), text);
    }
}

/// Adds the containers of a patch to a pod and runs them, each once.
pub(crate) fn add(
    store: &Arc<Store>,
    runtime: &Arc<dyn Runtime>,
    said: &Said,
    at: &Place,
    patch: &Value,
) -> Result<Value, Refusal> {
    let pod = controllers::pod(store, &at.0, &at.1)?;
    let added = patch.pointer("/spec/ephemeralContainers");
    let added: Vec<Value> = added.and_then(Value::as_array).cloned().unwrap_or_default();
    let known = pod.pointer("/spec/ephemeralContainers");
    let mut all: Vec<Value> = known.and_then(Value::as_array).cloned().unwrap_or_default();
    for container in &added {
        if all.iter().any(|known| name(known) == name(container)) {
            let message = "existing ephemeral containers may not be changed";
            return Err(Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Invalid",
                message,
            ));
        }
        all.push(container.clone());
    }
    let changed = store.change("pods", &at.0, &at.1, |pod| {
        crate::writes::merge(pod, &json!({"spec": {"ephemeralContainers": all}}));
    });
    let changed = changed.ok_or_else(|| Refusal::not_found("pods", &at.1))?;
    for container in added {
        tokio::spawn(run(
            Arc::clone(store),
            Arc::clone(runtime),
            said.clone(),
            at.clone(),
            changed.clone(),
            container,
        ));
    }
    Ok(changed)
}

fn name(container: &Value) -> &str {
    let name = container.get("name").and_then(Value::as_str);
    name.unwrap_or_default()
}

async fn run(
    store: Arc<Store>,
    runtime: Arc<dyn Runtime>,
    said: Said,
    at: Place,
    pod: Value,
    container: Value,
) {
    let command = container.get("command").and_then(Value::as_array);
    let words = command.into_iter().flatten().filter_map(Value::as_str);
    let (_stdin, input) = mpsc::channel(1);
    let (stdout, mut out) = mpsc::channel(16);
    let (stderr, mut err) = mpsc::channel(16);
    status(&store, &at, name(&container), &json!({"running": {}}));
    let running = runtime.exec(Exec {
        pod,
        container: name(&container).to_owned(),
        command: words.map(str::to_owned).collect(),
        stdin: input,
        stdout,
        stderr,
    });
    let mut text = Vec::new();
    let reading = async {
        while let Some(bytes) = out.recv().await {
            text.extend_from_slice(&bytes);
        }
    };
    let ignoring = async { while err.recv().await.is_some() {} };
    let (ended, (), ()) = futures::join!(running, reading, ignoring);
    let text = String::from_utf8_lossy(&text).into_owned();
    said.keep(&at, name(&container), text);
    let state = match ended {
        ExitStatus::Code(code) => json!({"terminated": {"exitCode": code}}),
        ExitStatus::NotStarted(message) => {
            json!({"waiting": {"reason": "CreateContainerError", "message": message}})
        }
    };
    status(&store, &at, name(&container), &state);
}

fn status(store: &Store, (namespace, pod): &Place, container: &str, state: &Value) {
    store.change("pods", namespace, pod, |pod| {
        let known = pod.pointer("/status/ephemeralContainerStatuses");
        let mut all: Vec<Value> = known.and_then(Value::as_array).cloned().unwrap_or_default();
        all.retain(|known| name(known) != container);
        all.push(json!({"name": container, "state": state}));
        let statuses = json!({"status": {"ephemeralContainerStatuses": all}});
        crate::writes::merge(pod, &statuses);
    });
}
