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
    /// By a client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
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
        let made = api.create(&PostParams::default(), &typed).await;
        value(made.map_err(|error| refused(asked(), &error))?, asked)
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
            let page = api
                .list(&params)
                .await
                .map_err(|error| refused(asked(), &error))?;
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
        let found = self.api(kind, Some(namespace)).get(name).await;
        value(found.map_err(|error| refused(asked(), &error))?, asked)
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
        match api.patch_subresource(part, pod, &params, &patch).await {
            Ok(_) => Ok(()),
            Err(error) => Err(refused(asked, &error)),
        }
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
        match api.delete(name, &DeleteParams::background()).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(refused(asked(), &error)),
        }
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
        match api
            .delete_collection(&DeleteParams::background(), &which)
            .await
        {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(refused(asked(), &error)),
        }
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
        let started = self.pods(namespace).exec(pod, command, &params).await;
        started
            .map_err(|error| refused(format!("run a command in pod `{namespace}/{pod}`"), &error))
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
        let found = self.pods(namespace).get(pod).await;
        let asked = || format!("read pod `{namespace}/{pod}`");
        let found = found.map_err(|error| refused(asked(), &error))?;
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
        let logs = self.pods(namespace).logs(pod, &params).await;
        logs.map_err(|error| refused(format!("read the log of pod `{namespace}/{pod}`"), &error))
    }
}

/// Reads to the end, or to where reading breaks off.
async fn drained(from: Option<&mut (impl AsyncRead + Unpin)>, into: &mut Vec<u8>) {
    if let Some(from) = from {
        let _ = from.read_to_end(into).await;
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

fn refused(asked: String, error: &kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => Error {
            asked,
            code: status.code,
            message: if status.message.is_empty() {
                format!("the API server answers {}", status.code)
            } else {
                status.message.clone()
            },
        },
        error => other(asked, error),
    }
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
