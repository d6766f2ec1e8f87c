//! What objects tell about the connections that their pods need, beyond what decides connections.
//!
//! Values of environment variables, arguments, probes, bindings, routes and annotations are of no
//! concern to verdicts and not kept in a world; who wants them shows a [`HintReader`] every object
//! while files are read. All of it is read without complaint: a hint that does not fit is none.

use std::collections::BTreeSet;

use super::workload::WorkloadKind;
use crate::document::Node;
use crate::source::Span;

/// The prefix of annotations that tell which connections are needed.
pub const BASELINE_PREFIX: &str = "baseline.watertight.dev/";

/// Longer texts are no addresses.
const LONGEST_VALUE: usize = 8 * 1024;

/// What one object tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The kind.
    pub kind: Box<str>,
    /// The namespace, if written.
    pub namespace: Option<Box<str>>,
    /// The name.
    pub name: Box<str>,
    /// What it tells, in reading order.
    pub said: Vec<Said>,
    /// The object.
    pub span: Span,
}

/// A port of a Service or a container, by number or name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortName {
    /// A number.
    Number(u16),
    /// A name.
    Name(Box<str>),
}

/// One thing that an object tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// An environment variable; without a name: an argument of the command.
    Value {
        /// The variable.
        variable: Option<Box<str>>,
        /// Its value.
        value: Box<str>,
        /// Where the value is.
        span: Span,
    },
    /// The variables of the container come from a ConfigMap.
    FromConfigMap(Box<str>),
    /// An entry of a ConfigMap.
    Entry {
        /// The key.
        key: Box<str>,
        /// The value.
        value: Box<str>,
        /// Where the value is.
        span: Span,
    },
    /// The kubelet connects to this port.
    Probe(PortName),
    /// No token of the service account is mounted.
    NoToken,
    /// An annotation with [`BASELINE_PREFIX`].
    Annotation {
        /// The key behind the prefix.
        key: Box<str>,
        /// The value.
        value: Box<str>,
        /// Where it is.
        span: Span,
    },
    /// An annotation or a label of a Namespace, which a new text of it has to repeat.
    Kept {
        /// Whether it is a label.
        label: bool,
        /// The key.
        key: Box<str>,
        /// The value.
        value: Box<str>,
    },
    /// A Service that is reached from outside: `NodePort` or `LoadBalancer`.
    Published,
    /// A Service that is another name.
    ExternalName(Box<str>),
    /// A service account that a binding gives rights.
    Bound {
        /// The namespace; that of the binding if none is written.
        namespace: Option<Box<str>>,
        /// The name.
        account: Box<str>,
    },
    /// A Service that an Ingress or a route leads to.
    Backend {
        /// The namespace; that of the object if none is written.
        namespace: Option<Box<str>>,
        /// The Service.
        service: Box<str>,
        /// Its port; none is all of them.
        port: Option<PortName>,
    },
    /// The Gateway of a route.
    Gateway {
        /// The namespace; that of the object if none is written.
        namespace: Option<Box<str>>,
        /// The name.
        name: Box<str>,
    },
}

/// Takes hints from the objects of one batch.
#[derive(Debug, Default)]
pub(crate) struct HintReader {
    /// What was told.
    pub(crate) hints: Vec<Hint>,
    /// Owners of which one pod has told what there is to tell.
    owners: BTreeSet<(String, String, String)>,
}

impl HintReader {
    /// Takes what an object tells.
    pub(crate) fn read(&mut self, node: Node<'_, '_>, api_version: &str, kind: &str) {
        let mut said = Vec::new();
        let metadata = node.get("metadata");
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        annotations(metadata, kind, &mut said);
        match (group, kind) {
            ("", "Pod") => {
                if self.is_told(metadata) {
                    return;
                }
                pod(node.get("spec"), &mut said);
            }
            ("", "Service") => service(node.get("spec"), &mut said),
            ("", "ServiceAccount") => no_token(Some(node), &mut said),
            ("", "ConfigMap") => entries(node.get("data"), &mut said),
            ("", "Namespace") => {}
            ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
                subjects(node.get("subjects"), &mut said);
            }
            ("networking.k8s.io", "Ingress") => ingress(node.get("spec"), &mut said),
            ("gateway.networking.k8s.io", kind) if kind.ends_with("Route") => {
                route(node.get("spec"), &mut said);
            }
            _ => {
                let Some(of) = WorkloadKind::from_api(kind) else {
                    return;
                };
                let mut spec = node.get("spec");
                if of == WorkloadKind::CronJob {
                    spec = spec
                        .and_then(|spec| spec.get("jobTemplate"))
                        .and_then(|job| job.get("spec"));
                }
                let template = spec.and_then(|spec| spec.get("template"));
                let of_template = template.and_then(|template| template.get("metadata"));
                annotations(of_template, kind, &mut said);
                pod(
                    template.and_then(|template| template.get("spec")),
                    &mut said,
                );
            }
        }
        let Some(name) = text(metadata, "name") else {
            return;
        };
        if !said.is_empty() {
            self.hints.push(Hint {
                kind: kind.into(),
                namespace: text(metadata, "namespace"),
                name,
                said,
                span: node.span(),
            });
        }
    }

    /// Whether another pod of the same owner was seen: they tell the same.
    fn is_told(&mut self, metadata: Option<Node<'_, '_>>) -> bool {
        let Some(owner) = metadata
            .and_then(|metadata| metadata.get("ownerReferences"))
            .and_then(|owners| owners.items().next())
        else {
            return false;
        };
        let of = |node, key| text(node, key).unwrap_or_default().into_string();
        let owner = (
            of(metadata, "namespace"),
            of(Some(owner), "kind"),
            of(Some(owner), "name"),
        );
        !self.owners.insert(owner)
    }
}

fn text(node: Option<Node<'_, '_>>, key: &str) -> Option<Box<str>> {
    let text = node?.get(key)?.str()?;
    (!text.is_empty()).then(|| text.into())
}

fn items<'d, 's>(node: Option<Node<'d, 's>>, key: &str) -> impl Iterator<Item = Node<'d, 's>> {
    node.and_then(|node| node.get(key))
        .into_iter()
        .flat_map(Node::items)
}

fn annotations(metadata: Option<Node<'_, '_>>, kind: &str, said: &mut Vec<Said>) {
    let Some(metadata) = metadata else {
        return;
    };
    let pairs = |key| {
        let node: Option<Node<'_, '_>> = metadata.get(key);
        node.into_iter().flat_map(Node::entries)
    };
    for (key, value) in pairs("annotations") {
        let (Some(name), Some(text)) = (key.str(), value.str()) else {
            continue;
        };
        if let Some(key) = name.strip_prefix(BASELINE_PREFIX) {
            said.push(Said::Annotation {
                key: key.into(),
                value: text.into(),
                span: value.span(),
            });
        }
        if kind == "Namespace" && !name.starts_with("kubectl.kubernetes.io/") {
            said.push(Said::Kept {
                label: false,
                key: name.into(),
                value: text.into(),
            });
        }
    }
    if kind != "Namespace" {
        return;
    }
    for (key, value) in pairs("labels") {
        if let (Some(key), Some(value)) = (key.str(), value.str()) {
            said.push(Said::Kept {
                label: true,
                key: key.into(),
                value: value.into(),
            });
        }
    }
}

fn no_token(node: Option<Node<'_, '_>>, said: &mut Vec<Said>) {
    let mounts = node.and_then(|node| node.get("automountServiceAccountToken")?.bool());
    if mounts == Some(false) {
        said.push(Said::NoToken);
    }
}

fn pod(spec: Option<Node<'_, '_>>, said: &mut Vec<Said>) {
    no_token(spec, said);
    for list in ["initContainers", "containers"] {
        for container in items(spec, list) {
            self::container(container, said);
        }
    }
}

fn container(container: Node<'_, '_>, said: &mut Vec<Said>) {
    for variable in items(Some(container), "env") {
        let [name, value, from] = variable.get_each(["name", "value", "valueFrom"]);
        if let Some(value) = value {
            push_value(name.and_then(Node::str), value, said);
        }
        let from = from.and_then(|from| from.get("configMapKeyRef"));
        said.extend(text(from, "name").map(Said::FromConfigMap));
    }
    for source in items(Some(container), "envFrom") {
        let from = source.get("configMapRef");
        said.extend(text(from, "name").map(Said::FromConfigMap));
    }
    for list in ["command", "args"] {
        for argument in items(Some(container), list) {
            push_value(None, argument, said);
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get(probe) else {
            continue;
        };
        for way in ["httpGet", "tcpSocket", "grpc"] {
            let port = probe.get(way).and_then(|way| port(way.get("port")));
            said.extend(port.map(Said::Probe));
        }
    }
}

fn push_value(variable: Option<&str>, value: Node<'_, '_>, said: &mut Vec<Said>) {
    let Some(text) = value.str().filter(|text| is_telling(text)) else {
        return;
    };
    said.push(Said::Value {
        variable: variable.map(Into::into),
        value: text.into(),
        span: value.span(),
    });
}

/// Whether a text may name somebody to connect to.
fn is_telling(text: &str) -> bool {
    (1..=LONGEST_VALUE).contains(&text.len())
}

fn port(node: Option<Node<'_, '_>>) -> Option<PortName> {
    let node = node?;
    if let Some(number) = node.integer() {
        return u16::try_from(number).ok().map(PortName::Number);
    }
    let text = node.str()?;
    Some(match text.parse() {
        Ok(number) => PortName::Number(number),
        Err(_) => PortName::Name(text.into()),
    })
}

fn service(spec: Option<Node<'_, '_>>, said: &mut Vec<Said>) {
    match text(spec, "type").as_deref() {
        Some("LoadBalancer" | "NodePort") => said.push(Said::Published),
        Some("ExternalName") => said.extend(text(spec, "externalName").map(Said::ExternalName)),
        _ => {}
    }
}

fn entries(data: Option<Node<'_, '_>>, said: &mut Vec<Said>) {
    for (key, value) in data.into_iter().flat_map(Node::entries) {
        let (Some(key), Some(text)) = (key.str(), value.str()) else {
            continue;
        };
        if is_telling(text) {
            said.push(Said::Entry {
                key: key.into(),
                value: text.into(),
                span: value.span(),
            });
        }
    }
}

fn subjects(node: Option<Node<'_, '_>>, said: &mut Vec<Said>) {
    for subject in node.into_iter().flat_map(Node::items) {
        let [kind, namespace, name] = subject.get_each(["kind", "namespace", "name"]);
        let Some(account) = name.and_then(Node::str) else {
            continue;
        };
        if kind.and_then(Node::str) == Some("ServiceAccount") {
            said.push(Said::Bound {
                namespace: namespace.and_then(Node::str).map(Into::into),
                account: account.into(),
            });
        }
    }
}

fn ingress(spec: Option<Node<'_, '_>>, said: &mut Vec<Said>) {
    let default = spec.and_then(|spec| spec.get("defaultBackend"));
    let rules = items(spec, "rules").filter_map(|rule| rule.get("http"));
    let paths = rules.flat_map(|http| items(Some(http), "paths"));
    let backends = paths.filter_map(|path| path.get("backend"));
    for backend in default.into_iter().chain(backends) {
        let Some(service) = backend.get("service") else {
            continue;
        };
        let port_of = service.get("port");
        let number = port_of.and_then(|of| port(of.get("number")));
        let port = number.or_else(|| port_of.and_then(|of| port(of.get("name"))));
        said.extend(text(Some(service), "name").map(|service| Said::Backend {
            namespace: None,
            service,
            port,
        }));
    }
}

fn route(spec: Option<Node<'_, '_>>, said: &mut Vec<Said>) {
    for parent in items(spec, "parentRefs") {
        said.extend(text(Some(parent), "name").map(|name| Said::Gateway {
            namespace: text(Some(parent), "namespace"),
            name,
        }));
    }
    let backends = items(spec, "rules").flat_map(|rule| items(Some(rule), "backendRefs"));
    for backend in backends {
        let is_service = text(Some(backend), "kind").is_none_or(|kind| *kind == *"Service");
        if let Some(service) = text(Some(backend), "name").filter(|_| is_service) {
            said.push(Said::Backend {
                namespace: text(Some(backend), "namespace"),
                service,
                port: port(backend.get("port")),
            });
        }
    }
}
