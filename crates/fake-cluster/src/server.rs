//! The server: reads requests, lets faults happen, answers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, Query as Pairs, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures::stream;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::ephemeral::{self, Said};
use crate::faults::{Asked, Effect, Fault};
use crate::kinds::Kind;
use crate::lists::{self, Query};
use crate::paths::Target;
use crate::runtime::Runtime;
use crate::status::{Refusal, json_response};
use crate::store::{Place, Store};
use crate::tls::Tls;
use crate::{controllers, discovery, exec, watches, writes};

/// What a server is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// What `/version` says.
    pub version: String,
    /// Kinds beside the built-in ones.
    pub kinds: Vec<Kind>,
    /// Whether discovery answers in one go (aggregated) if asked to.
    pub aggregated: bool,
    /// How often watches get bookmarks.
    pub bookmarks: Duration,
    /// Whether Deployments make pods, pods run, and what lost its owner goes.
    pub controllers: bool,
    /// The only token that is let in; none lets everybody in.
    pub token: Option<String>,
    /// How it speaks TLS; plain HTTP if not at all.
    pub tls: Option<Tls>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            version: "v1.36.2".to_owned(),
            kinds: Vec::new(),
            aggregated: true,
            bookmarks: Duration::from_millis(200),
            controllers: false,
            token: None,
            tls: None,
        }
    }
}

/// A running server; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeCluster {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

struct Shared {
    store: Arc<Store>,
    runtime: Arc<dyn Runtime>,
    options: Options,
    faults: Mutex<Vec<Fault>>,
    requests: Mutex<Vec<String>>,
    /// Resources that were listed or watched, with the field selectors.
    selectors: Mutex<Vec<(String, String)>>,
    /// Of the last request.
    headers: Mutex<Vec<(String, String)>>,
    said: Said,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl FakeCluster {
    /// Starts a server on a free port of the loopback address.
    pub async fn start(options: Options, runtime: Arc<dyn Runtime>) -> std::io::Result<Self> {
        let mut kinds = Kind::built_in();
        kinds.extend(options.kinds.iter().cloned());
        let store = Arc::new(Store::new(kinds));
        let runs = options.controllers;
        let shared = Arc::new(Shared {
            store: Arc::clone(&store),
            runtime: Arc::clone(&runtime),
            options,
            faults: Mutex::default(),
            requests: Mutex::default(),
            selectors: Mutex::default(),
            headers: Mutex::default(),
            said: Said::default(),
        });
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        // They end with the runtime or by abort.
        let mut tasks = vec![match &shared.options.tls {
            None => tokio::spawn(async move {
                let _ = axum::serve(listener, router).await;
            }),
            Some(tls) => {
                let listener = tls.listen(listener)?;
                tokio::spawn(async move {
                    let _ = axum::serve(listener, router).await;
                })
            }
        }];
        if runs {
            tasks.push(tokio::spawn(controllers::follow(store, runtime)));
        }
        Ok(Self {
            address,
            shared,
            tasks,
        })
    }

    /// `http://127.0.0.1:PORT`, or `https`.
    #[must_use]
    pub fn url(&self) -> String {
        match self.shared.options.tls {
            None => format!("http://{}", self.address),
            Some(_) => format!("https://{}", self.address),
        }
    }

    /// A kubeconfig for this server, with one context of that name.
    #[must_use]
    pub fn kubeconfig(&self, context: &str) -> String {
        let user = match &self.shared.options.token {
            Some(token) => json!({"token": token}),
            None => json!({}),
        };
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": "fake", "cluster": {"server": self.url()}}],
            "users": [{"name": "tester", "user": user}],
            "contexts": [{"name": context, "context": {"cluster": "fake", "user": "tester"}}],
        })
        .to_string()
    }

    /// What the server holds.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// Lets something go wrong from now on. Of several faults that fit, the oldest happens.
    pub fn fault(&self, fault: Fault) {
        let mut faults = self
            .shared
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        faults.push(fault);
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        let mut faults = self
            .shared
            .faults
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        faults.clear();
    }

    /// `verb resource[/subresource] namespace` of every request about resources, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let requests = self
            .shared
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        requests.clone()
    }

    /// The field selectors of all lists and watches of a resource, in order; empty ones for all objects.
    #[must_use]
    pub fn selectors(&self, resource: &str) -> Vec<String> {
        let selectors = self
            .shared
            .selectors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let of = selectors.iter().filter(|(of, _)| of == resource);
        of.map(|(_, selector)| selector.clone()).collect()
    }

    /// The values of a header of the last request, in order.
    #[must_use]
    pub fn header(&self, name: &str) -> Vec<String> {
        let headers = self
            .shared
            .headers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let named = headers.iter().filter(|(of, _)| of == name);
        named.map(|(_, value)| value.clone()).collect()
    }
}

impl Drop for FakeCluster {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

const LARGEST_BODY: usize = 16 << 20;

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let query = match Pairs::<Vec<(String, String)>>::try_from_uri(&parts.uri) {
        Ok(Pairs(pairs)) => Query::new(pairs),
        Err(error) => return Refusal::bad_request(error.to_string()).response(),
    };
    let path = parts.uri.path().to_owned();
    let target = Target::parse(&path);
    shared.note(&parts);
    let effect = shared.effect(&parts, target.as_ref(), &query);
    if let Some(Effect::Slow(time)) = effect {
        tokio::time::sleep(time).await;
    } else if let Some(effect) = &effect {
        let does = target
            .as_ref()
            .map_or("get", |target| verb(&parts.method, target, &query));
        if let Some(refusal) = refusal(effect, target.as_ref(), does) {
            return refusal;
        }
    }
    if !shared.lets_in(&parts) {
        return Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized").response();
    }
    let kind = parts.headers.get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/vnd.kubernetes")) {
        // As custom resources, nothing is spoken here but JSON.
        let message = "the body of the request was in an unknown format - accepted media types include: \
             application/json";
        let code = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Refusal::new(code, "UnsupportedMediaType", message).response();
    }
    let body = match to_bytes(body, LARGEST_BODY).await {
        Ok(body) => body,
        Err(error) => return Refusal::bad_request(error.to_string()).response(),
    };
    let answered = match target {
        Some(target) => shared.resource(&mut parts, &target, &query, &body).await,
        None => shared.discover(&parts, &path),
    };
    let response = answered.unwrap_or_else(|refusal| refusal.response());
    match effect {
        Some(Effect::CutOff(bytes)) => cut(response, bytes).await,
        _ => response,
    }
}

/// The answers that need no look at anything else.
fn refusal(effect: &Effect, target: Option<&Target>, verb: &str) -> Option<Response> {
    let key = target.map(Target::key).unwrap_or_default();
    let refusal = match effect {
        Effect::Forbidden => {
            let (resource, group) = key.split_once('.').unwrap_or((&key, ""));
            let part = target.and_then(|target| target.subresource.as_deref());
            let part = part.map(|part| format!("/{part}")).unwrap_or_default();
            let scope = match target.and_then(|target| target.namespace.as_deref()) {
                Some(namespace) => format!("in the namespace \"{namespace}\""),
                None => "at the cluster scope".to_owned(),
            };
            let message = format!(
                "{key} is forbidden: User \"tester\" cannot {verb} resource \"{resource}{part}\" in API group \"{group}\" {scope}"
            );
            Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message)
        }
        Effect::Unauthorized => {
            Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
        }
        Effect::Gone => Refusal::gone(
            "The provided continue parameter is too old to display a consistent list result.",
        ),
        Effect::TooManyRequests(seconds) => {
            let message = "Too many requests, please try again later.";
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
            let mut response = refusal.response();
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
            return Some(response);
        }
        Effect::InternalError => Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "an error on the server",
        ),
        Effect::Unavailable => Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "the server is currently unable to handle the request",
        ),
        Effect::NotServed => return Some(plain(StatusCode::NOT_FOUND, "404 page not found\n")),
        Effect::Garbage => return Some(plain(StatusCode::OK, "<html>a proxy's page</html>")),
        Effect::Slow(_) | Effect::CutOff(_) => return None,
    };
    Some(refusal.response())
}

fn plain(code: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = code;
    response
}

/// The answer as far as it goes, then a broken connection.
async fn cut(response: Response, bytes: usize) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let first = whole.slice(..bytes.min(whole.len()));
    let pieces = [Ok(first), Err(std::io::Error::other("cut off"))];
    Response::from_parts(parts, Body::from_stream(stream::iter(pieces)))
}

fn verb(method: &Method, target: &Target, query: &Query) -> &'static str {
    match (method, target.name.is_some()) {
        (&Method::GET, _) if query.is("watch") => "watch",
        (&Method::GET, true) => "get",
        (&Method::GET, false) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, true) => "delete",
        (&Method::DELETE, false) => "deletecollection",
        _ => "",
    }
}

impl Shared {
    /// Keeps the headers of a request.
    fn note(&self, parts: &Parts) {
        let headers = parts.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), value.into_owned())
        });
        let mut last = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        *last = headers.collect();
    }

    /// What goes wrong with this request; it is noted.
    fn effect(&self, parts: &Parts, target: Option<&Target>, query: &Query) -> Option<Effect> {
        let (resource, namespace, verb) = match target {
            Some(target) => {
                let mut resource = target.key();
                if let Some(subresource) = &target.subresource {
                    resource = format!("{resource}/{subresource}");
                }
                let namespace = target.namespace.clone().unwrap_or_default();
                (resource, namespace, verb(&parts.method, target, query))
            }
            None => (parts.uri.path().to_owned(), String::new(), "discover"),
        };
        let asked = Asked {
            verb,
            resource: &resource,
            namespace: &namespace,
            is_later_page: query.get("continue").is_some_and(|token| !token.is_empty()),
        };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(
            format!("{verb} {resource} {namespace}")
                .trim_end()
                .to_owned(),
        );
        drop(requests);
        if matches!(verb, "list" | "watch") {
            let selector = query.get("fieldSelector").unwrap_or_default().to_owned();
            let selectors = self.selectors.lock();
            let mut selectors = selectors.unwrap_or_else(PoisonError::into_inner);
            selectors.push((resource.clone(), selector));
        }
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = faults.iter_mut().find(|fault| fault.is_of(&asked))?;
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.effect.clone())
    }

    fn lets_in(&self, parts: &Parts) -> bool {
        let Some(token) = &self.options.token else {
            return true;
        };
        let given = parts.headers.get(header::AUTHORIZATION);
        given.and_then(|given| given.to_str().ok()) == Some(&format!("Bearer {token}"))
    }

    fn discover(&self, parts: &Parts, path: &str) -> Result<Response, Refusal> {
        let kinds = self.store.lock().kinds.clone();
        let aggregated = self.options.aggregated && accepts(parts, "as=APIGroupDiscoveryList");
        let found = discovery::answer(path, &kinds, &self.options.version, aggregated);
        let Some(found) = found else {
            return Ok(plain(StatusCode::NOT_FOUND, "404 page not found\n"));
        };
        let mut response = json_response(StatusCode::OK, &found);
        if aggregated && found.get("items").is_some() {
            let kind = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
            let kind = HeaderValue::from_static(kind);
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        Ok(response)
    }

    async fn resource(
        &self,
        parts: &mut Parts,
        target: &Target,
        query: &Query,
        body: &Bytes,
    ) -> Result<Response, Refusal> {
        let reviews = ["selfsubjectaccessreviews", "selfsubjectrulesreviews"];
        if reviews.contains(&target.resource.as_str()) {
            return Ok(json_response(
                StatusCode::CREATED,
                &self.review(&read(body)?),
            ));
        }
        let kind = {
            let inner = self.store.lock();
            let served =
                |kind: &&Kind| kind.key() == target.key() && kind.version == target.version;
            inner.kinds.iter().find(served).cloned()
        };
        let Some(kind) = kind else {
            return Ok(plain(StatusCode::NOT_FOUND, "404 page not found\n"));
        };
        let namespace = target.namespace.clone().unwrap_or_default();
        let at: Place = (namespace, target.name.clone().unwrap_or_default());
        match target.subresource.as_deref() {
            Some("exec") => {
                let pod = controllers::pod(&self.store, &at.0, &at.1)?;
                let upgrade = WebSocketUpgrade::from_request_parts(parts, &()).await;
                let upgrade = upgrade.map_err(|error| Refusal::bad_request(error.body_text()))?;
                return Ok(exec::upgrade(
                    upgrade,
                    Arc::clone(&self.runtime),
                    pod,
                    query,
                ));
            }
            Some("log") => {
                let pod = controllers::pod(&self.store, &at.0, &at.1)?;
                let container = query.get("container").unwrap_or_default();
                let said = self.said.of(&at, container);
                let said = said.unwrap_or_else(|| self.runtime.logs(&pod));
                return Ok(Response::new(Body::from(said)));
            }
            Some("ephemeralcontainers") if parts.method == Method::PATCH => {
                let patch = read(body)?;
                let pod = ephemeral::add(&self.store, &self.runtime, &self.said, &at, &patch)?;
                return Ok(json_response(StatusCode::OK, &pod));
            }
            _ => {}
        }
        let partial = accepts(parts, "as=PartialObjectMetadata");
        if verb(&parts.method, target, query) == "watch" {
            let bookmarks = self.options.bookmarks;
            return watches::watch(&self.store, &kind, target, query, partial, bookmarks);
        }
        let mut code = StatusCode::OK;
        let value = match (parts.method.clone(), &target.name) {
            (Method::GET, None) => lists::list(&self.store.lock(), &kind, target, query)?,
            (Method::GET, Some(_)) => self.store.lock().find(&kind.key(), &at)?.clone(),
            (Method::DELETE, None) => self.delete_all(&kind, target, query)?,
            (Method::POST, _) => {
                code = StatusCode::CREATED;
                let object = read(body)?;
                self.write(|inner| {
                    writes::create(inner, &kind, target, object, query.is("dryRun"))
                })?
            }
            (Method::PUT, Some(_)) => {
                let object = read(body)?;
                self.write(|inner| writes::replace(inner, &kind, target, object))?
            }
            (Method::PATCH, Some(_)) => {
                let patch = read(body)?;
                let applies = parts
                    .headers
                    .get(header::CONTENT_TYPE)
                    .is_some_and(|kind| kind.as_bytes().starts_with(b"application/apply-patch"));
                self.write(|inner| writes::patch(inner, &kind, target, &patch, applies))?
            }
            (Method::DELETE, Some(_)) => {
                self.write(|inner| writes::delete(inner, &kind, target))?
            }
            _ => {
                let message = "the server does not allow this method on the requested resource";
                return Err(Refusal::new(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "MethodNotAllowed",
                    message,
                ));
            }
        };
        let value = if partial {
            lists::metadata_only(value)
        } else {
            value
        };
        Ok(json_response(code, &value))
    }

    fn write(
        &self,
        write: impl FnOnce(&mut crate::store::Inner) -> Result<Value, Refusal>,
    ) -> Result<Value, Refusal> {
        self.store.write(write)
    }

    fn delete_all(&self, kind: &Kind, target: &Target, query: &Query) -> Result<Value, Refusal> {
        let wanted = lists::list(&self.store.lock(), kind, target, query)?;
        let items = wanted.get("items").and_then(Value::as_array);
        for item in items.into_iter().flatten() {
            let mut one = target.clone();
            one.name = Some(crate::store::meta(item, "name").to_owned());
            one.namespace = Some(crate::store::meta(item, "namespace").to_owned());
            self.write(|inner| writes::delete(inner, kind, &one))?;
        }
        Ok(wanted)
    }

    /// Whether the caller may do something: what no fault forbids.
    fn review(&self, review: &Value) -> Value {
        let text = |field: &str| {
            let value = review.pointer(&format!("/spec/resourceAttributes/{field}"));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut resource = crate::kinds::key(&text("group"), &text("resource"));
        if !text("subresource").is_empty() {
            resource = format!("{resource}/{}", text("subresource"));
        }
        let (verb, namespace) = (text("verb"), text("namespace"));
        let asked = Asked {
            verb: &verb,
            resource: &resource,
            namespace: &namespace,
            is_later_page: false,
        };
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let forbidden = faults
            .iter()
            .any(|fault| fault.effect == Effect::Forbidden && fault.is_of(&asked));
        let mut answer = review.clone();
        writes::merge(&mut answer, &json!({"status": {"allowed": !forbidden}}));
        answer
    }
}

fn read(body: &Bytes) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(error.to_string()))
}

fn accepts(parts: &Parts, what: &str) -> bool {
    let accept = parts.headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains(what))
}
