//! The few calls of the API that `verify` makes, with errors that say what was asked.

use std::fmt;
use std::time::Duration;

use futures::FutureExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{
    ApiResource, AttachParams, AttachedProcess, DeleteParams, DynamicObject, GroupVersionKind,
    ListParams, LogParams, Patch, PatchParams, PostParams,
};
use kube::{Api, Client};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::connect::{Connection, explain_transport};
use crate::read;
use crate::request::Refusal;

/// What went wrong.
#[derive(Clone, Debug)]
pub struct Error {
    /// What was asked: `create Deployment heron-x in shop`.
    asked: String,
    /// The code of the answer; 0 if there was none.
    pub code: u16,
    message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.asked, self.message)?;
        if self.code == 403 {
            f.write_str("; `watertight verify --dry-run` prints the permissions that it needs")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl Error {
    /// An error of our own.
    #[must_use]
    pub fn said(asked: &str, message: &str) -> Self {
        Self {
            asked: asked.to_owned(),
            code: 0,
            message: message.to_owned(),
        }
    }
}

/// A cluster that is spoken to.
#[derive(Clone)]
pub struct Access {
    client: Client,
    /// For one answer.
    limit: Duration,
    /// The way there, for saying why there is no answer.
    connection: Option<Connection>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access")
    }
}

/// `Pods`, `NetworkPolicies`
fn plural(kind: &str) -> String {
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{kind}s"),
    }
}

/// A kind: group, version and name.
pub(super) type Kind = (&'static str, &'static str, &'static str);

pub(super) const NAMESPACE: Kind = ("", "v1", "Namespace");
pub(super) const NODE: Kind = ("", "v1", "Node");
pub(super) const POD: Kind = ("", "v1", "Pod");
pub(super) const CONFIG_MAP: Kind = ("", "v1", "ConfigMap");
pub(super) const SERVICE: Kind = ("", "v1", "Service");
pub(super) const ACCOUNT: Kind = ("", "v1", "ServiceAccount");
pub(super) const DEPLOYMENT: Kind = ("apps", "v1", "Deployment");
pub(super) const POLICY: Kind = ("networking.k8s.io", "v1", "NetworkPolicy");
pub(super) const SLICE: Kind = ("discovery.k8s.io", "v1", "EndpointSlice");

impl Access {
    /// By a client; an answer may take a minute.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self {
            client,
            limit: Duration::from_secs(60),
            connection: None,
        }
    }

    /// By a connection, with its time for one answer.
    #[must_use]
    pub fn of(connection: &Connection) -> Self {
        Self {
            client: connection.client.clone(),
            limit: connection.timeout,
            connection: Some(connection.clone()),
        }
    }

    /// What one call comes to, within the time for one answer.
    async fn answer<T>(
        &self,
        asked: &(dyn Fn() -> String + Sync),
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.limit, call).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.refused(asked(), &error)),
            Err(_) => {
                let server = self.connection.as_ref();
                let server = server.map_or("the API server", |connection| &connection.server);
                let seconds = self.limit.as_secs_f64();
                let message = format!(
                    "{server} did not answer within {seconds} s; --request-timeout waits longer"
                );
                Err(Error::said(&asked(), &message))
            }
        }
    }

    fn refused(&self, asked: String, error: &kube::Error) -> Error {
        let unknown = |message: String| match &self.connection {
            Some(connection) => {
                read::Error::of(connection, Refusal::Unauthorized(message)).to_string()
            }
            None => message,
        };
        let (code, message) = match (error, &self.connection) {
            (kube::Error::Api(status), _) => {
                let message = match status.code {
                    401 => unknown(status.message.clone()),
                    code if status.message.is_empty() => {
                        format!("the API server answers {code}")
                    }
                    code if code >= 500 => format!("{} ({code})", status.message),
                    _ => status.message.clone(),
                };
                (status.code, message)
            }
            (kube::Error::Auth(error), _) => (401, unknown(error.to_string())),
            (kube::Error::Service(_) | kube::Error::HyperError(_), Some(connection)) => {
                (0, explain_transport(connection, error))
            }
            (error, _) => return other(asked, error),
        };
        Error {
            asked,
            code,
            message,
        }
    }

    fn api(
        &self,
        (group, version, name): (&str, &str, &str),
        namespace: Option<&str>,
    ) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, name));
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    pub(super) async fn create(&self, object: &Value) -> Result<Value, Error> {
        let word = |path: &str| object.pointer(path).and_then(Value::as_str);
        let api_version = word("/apiVersion").unwrap_or_default();
        let (kind, name) = (
            word("/kind").unwrap_or_default(),
            word("/metadata/name").unwrap_or_default(),
        );
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let namespace = word("/metadata/namespace");
        let api = self.api((group, version, kind), namespace);
        let asked = || format!("create {kind} `{name}`{}", within(namespace));
        let typed: DynamicObject =
            serde_json::from_value(object.clone()).map_err(|error| other(asked(), &error))?;
        let params = PostParams::default();
        let made = self.answer(&asked, api.create(&params, &typed)).await?;
        value(made, asked)
    }

    pub(super) async fn list(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        selector: &str,
    ) -> Result<Vec<Value>, Error> {
        let asked = || format!("list {}{}", plural(kind.2), within(namespace));
        let api = self.api(kind, namespace);
        let mut found = Vec::new();
        let mut params = ListParams::default().labels(selector).limit(500);
        loop {
            let page = self.answer(&asked, api.list(&params)).await?;
            for item in page.items {
                found.push(value(item, asked)?);
            }
            match page.metadata.continue_ {
                Some(more) if !more.is_empty() => params = params.continue_token(&more),
                _ => return Ok(found),
            }
        }
    }

    pub(super) async fn get(
        &self,
        kind: Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Value, Error> {
        let asked = || format!("read {} `{namespace}/{name}`", kind.2);
        let api = self.api(kind, Some(namespace));
        value(self.answer(&asked, api.get(name)).await?, asked)
    }

    /// Changes a part of a pod that is a resource of its own, as `kubectl debug` does.
    pub(super) async fn patch_part(
        &self,
        asked: String,
        (namespace, pod): (&str, &str),
        part: &str,
        patch: &Value,
    ) -> Result<(), Error> {
        let api = self.pods(namespace);
        let (params, patch) = (PatchParams::default(), Patch::Strategic(patch));
        let call = api.patch_subresource(part, pod, &params, &patch);
        self.answer(&|| asked.clone(), call).await.map(drop)
    }

    /// Deletes an object and what it owns; that it is gone already is fine.
    pub(super) async fn delete(
        &self,
        kind: Kind,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<(), Error> {
        let asked = || format!("delete {} `{name}`{}", kind.2, within(namespace));
        let api = self.api(kind, namespace);
        let params = DeleteParams::background();
        or_gone(self.answer(&asked, api.delete(name, &params)).await)
    }

    /// Deletes all objects of a kind with a label.
    pub(super) async fn delete_all(
        &self,
        kind: Kind,
        namespace: &str,
        selector: &str,
    ) -> Result<(), Error> {
        let asked = || {
            format!(
                "delete {} with {selector}{}",
                plural(kind.2),
                within(Some(namespace))
            )
        };
        let api = self.api(kind, Some(namespace));
        let which = ListParams::default().labels(selector);
        let params = DeleteParams::background();
        let call = api.delete_collection(&params, &which);
        or_gone(self.answer(&asked, call).await)
    }

    pub(super) fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Starts a command in a container.
    pub(super) async fn start(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
        command: Vec<String>,
    ) -> Result<AttachedProcess, Error> {
        let params = AttachParams {
            container: Some(container.to_owned()).filter(|name| !name.is_empty()),
            stdin: false,
            stdout: true,
            stderr: true,
            tty: false,
            ..AttachParams::default()
        };
        let asked = || format!("run a command in pod `{namespace}/{pod}`");
        let pods = self.pods(namespace);
        self.answer(&asked, pods.exec(pod, command, &params)).await
    }

    /// Runs a command, and gives what it printed and why there may be too little of it. What was printed before
    /// the time was over counts.
    pub(super) async fn exec(
        &self,
        (namespace, pod, container): (&str, &str, &str),
        command: Vec<String>,
        limit: Duration,
    ) -> Result<(String, String), Error> {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let run = async {
            let mut process = self.start(namespace, pod, container, command).await?;
            let status = process.take_status();
            let (mut stdout, mut stderr) = (process.stdout(), process.stderr());
            tokio::join!(
                drained(stdout.as_mut(), &mut out),
                drained(stderr.as_mut(), &mut err)
            );
            Ok(match status {
                Some(status) => status.await.and_then(|status| status.message),
                None => None,
            })
        };
        let late = format!("no answer within {} s", limit.as_secs());
        let ended = match tokio::time::timeout(limit, run.boxed()).await {
            Ok(ended) => ended?,
            Err(_) if out.is_empty() => {
                return Err(Error {
                    asked: format!("run a command in pod `{namespace}/{pod}`"),
                    code: 0,
                    message: late,
                });
            }
            Err(_) => Some(late),
        };
        let printed = String::from_utf8_lossy(&out).into_owned();
        let told = String::from_utf8_lossy(&err).trim().to_owned();
        let why = [ended.unwrap_or_default(), told];
        let mut why: Vec<String> = why.into_iter().filter(|text| !text.is_empty()).collect();
        if why.is_empty() {
            why.push("the command printed nothing about it".into());
        }
        Ok((printed, why.join(": ")))
    }

    /// The same in the container that `kubectl exec` takes: the first one, unless an annotation says otherwise.
    pub(super) async fn exec_default(
        &self,
        (namespace, pod): (&str, &str),
        command: Vec<String>,
        limit: Duration,
    ) -> Result<(String, String), Error> {
        let asked = || format!("read pod `{namespace}/{pod}`");
        let pods = self.pods(namespace);
        let found = self.answer(&asked, pods.get(pod)).await?;
        let annotations = found.metadata.annotations.unwrap_or_default();
        let chosen = annotations.get("kubectl.kubernetes.io/default-container");
        let first = found
            .spec
            .and_then(|spec| spec.containers.into_iter().next());
        let container = chosen
            .cloned()
            .or_else(|| first.map(|container| container.name));
        let container = container.unwrap_or_default();
        self.exec((namespace, pod, &container), command, limit)
            .await
    }

    pub(super) async fn logs(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
    ) -> Result<String, Error> {
        let params = LogParams {
            container: Some(container.to_owned()),
            ..LogParams::default()
        };
        let asked = || format!("read the log of pod `{namespace}/{pod}`");
        let pods = self.pods(namespace);
        self.answer(&asked, pods.logs(pod, &params)).await
    }
}

/// Reads to the end, or to where reading breaks off.
async fn drained(from: Option<&mut (impl AsyncRead + Unpin)>, into: &mut Vec<u8>) {
    if let Some(from) = from {
        let _ = from.read_to_end(into).await;
    }
}

/// What is gone already is fine.
fn or_gone<T>(answer: Result<T, Error>) -> Result<(), Error> {
    match answer {
        Err(error) if error.code != 404 => Err(error),
        _ => Ok(()),
    }
}

fn within(namespace: Option<&str>) -> String {
    namespace.map_or(String::new(), |namespace| {
        format!(" in namespace `{namespace}`")
    })
}

fn value(object: impl serde::Serialize, asked: impl Fn() -> String) -> Result<Value, Error> {
    serde_json::to_value(object).map_err(|error| other(asked(), &error))
}

fn other(asked: String, error: &dyn std::error::Error) -> Error {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message.push_str(": ");
            message.push_str(&text);
        }
        cause = error.source();
    }
    Error {
        asked,
        code: 0,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_spelled_in_the_plural() {
        assert_eq!(plural("Pod"), "Pods");
        assert_eq!(plural("NetworkPolicy"), "NetworkPolicies");
    }
}
