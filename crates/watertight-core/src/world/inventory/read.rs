//! Takes what an inventory holds out of objects as they are written, without complaint: decoding
//! and complaining is done elsewhere.

use super::{
    Config, Container, Controller, ControllerKind, Inventory, NodeFacts, Rollout, Said, Snapshot,
    header,
};
use crate::document::{Kind, Node};
use crate::engine::detect::{
    ANNOTATIONS, CONFIG_MAPS, CRD_GROUPS, DEPLOYMENTS, FLAGS, KEYS, NODE_FLAGS, PATHS,
    PROVIDER_SERVICES, SETTINGS, VARIABLES,
};
use crate::source::Span;

/// Values that are longer are not kept.
const LONGEST: usize = 512;

/// Configuration files in ConfigMaps are looked through up to here.
const LONGEST_FILE: usize = 256 * 1024;

impl Inventory {
    /// Looks at an object; whether the whole of it is of use here and nowhere else.
    pub(crate) fn see(&mut self, node: Node<'_, '_>, api_version: &str, kind: &str) -> bool {
        match kind {
            // Most of a dump, and nothing to see.
            "Pod" | "ReplicaSet" | "Secret" | "Namespace" | "NetworkPolicy" | "EndpointSlice" => {}
            "DaemonSet" if api_version == "apps/v1" => self.daemon_set(node),
            "Deployment" if api_version == "apps/v1" => self.deployment(node),
            "Node" if api_version == "v1" => self.node(node),
            "Service" if api_version == "v1" => self.service(node),
            "ConfigMap" if api_version == "v1" => return self.config_map(node),
            "CustomResourceDefinition" => return self.crd(node),
            "PolicyEndpoint" if group_of(api_version) == "networking.k8s.aws" => {
                self.policy_endpoints += 1;
                return true;
            }
            header::KIND if api_version == header::API_VERSION => {
                self.headers.push(Snapshot::decode(node));
                return true;
            }
            _ => return self.setting(node, api_version, kind),
        }
        false
    }

    fn daemon_set(&mut self, node: Node<'_, '_>) {
        let found = controller(node, ControllerKind::DaemonSet);
        self.controllers.extend(found);
    }

    fn deployment(&mut self, node: Node<'_, '_>) {
        let Some((_, name, _)) = named(node) else {
            return;
        };
        if DEPLOYMENTS.contains(&&*name) {
            let found = controller(node, ControllerKind::Deployment);
            self.controllers.extend(found);
        }
    }

    fn config_map(&mut self, node: Node<'_, '_>) -> bool {
        let Some((namespace, name, span)) = named(node) else {
            return false;
        };
        let in_ns = namespace.as_deref().unwrap_or_default();
        let is_known = CONFIG_MAPS.iter().any(|(of, known)| {
            (*name == **known || (*known == "antrea-config" && name.starts_with("antrea-config-")))
                && of.is_none_or(|of| of == in_ns)
        });
        if !is_known {
            return false;
        }
        let mut values = Vec::new();
        for (key, value) in node.get("data").into_iter().flat_map(Node::entries) {
            let (Some(key), Some(text)) = (key.string(), value.string()) else {
                continue;
            };
            if KEYS.contains(&&*key) && text.len() <= LONGEST {
                values.push((key.as_ref().into(), said(&text, value.span())));
            } else if text.len() <= LONGEST_FILE {
                values.extend(file_values(&text, value.span()));
            }
        }
        let name = match name.starts_with("antrea-config") {
            true => "antrea-config".into(),
            false => name,
        };
        self.configs.push(Config {
            kind: "ConfigMap".into(),
            namespace,
            name,
            span,
            values,
        });
        true
    }

    fn setting(&mut self, node: Node<'_, '_>, api_version: &str, kind: &str) -> bool {
        let group = group_of(api_version);
        let is_known = SETTINGS
            .iter()
            .any(|(of, _, known)| *of == group && *known == kind);
        if !is_known {
            return false;
        }
        let Some((namespace, name, span)) = named(node) else {
            return false;
        };
        let values = PATHS.iter().filter_map(|path| {
            let value = path
                .split('.')
                .try_fold(node, |node, field| node.get(field))?;
            let text = match value.kind() {
                Kind::Mapping | Kind::Sequence | Kind::Null => return None,
                Kind::String => value.string()?.into_owned(),
                _ => value.as_written().to_owned(),
            };
            (text.len() <= LONGEST).then(|| ((*path).into(), said(&text, value.span())))
        });
        self.configs.push(Config {
            kind: kind.into(),
            namespace,
            name,
            span,
            values: values.collect(),
        });
        true
    }

    fn crd(&mut self, node: Node<'_, '_>) -> bool {
        let Some((_, name, span)) = named(node) else {
            return false;
        };
        let group = name.split_once('.').map_or("", |(_, group)| group);
        let is_known = CRD_GROUPS.contains(&group);
        if is_known {
            self.crds.insert(name, span);
        }
        is_known
    }

    fn service(&mut self, node: Node<'_, '_>) {
        let Some((namespace, name, span)) = named(node) else {
            return;
        };
        if namespace.as_deref() != Some("kube-system") {
            return;
        }
        for (known, label) in PROVIDER_SERVICES {
            if *name != **known {
                continue;
            }
            if label.is_empty() {
                self.services.insert(name.clone(), span);
            } else if let Some(label) = node
                .get("metadata")
                .and_then(|metadata| metadata.get("labels")?.get(label))
            {
                self.services.insert(name.clone(), label.span());
            }
        }
    }

    fn node(&mut self, node: Node<'_, '_>) {
        let Some((_, name, span)) = named(node) else {
            return;
        };
        let [spec, status, metadata] = node.get_each(["spec", "status", "metadata"]);
        let info = status.and_then(|status| status.get("nodeInfo"));
        let text = |node: Option<Node<'_, '_>>, key: &str| {
            let value = node?.get(key)?;
            Some(said(&value.string()?, value.span()))
        };
        let taints = spec.and_then(|spec| spec.get("taints")).into_iter();
        let taints = taints.flat_map(Node::items);
        let taints = taints.filter_map(|taint| Some((*taint.get("key")?.string()?).into()));
        let conditions = status.and_then(|status| status.get("conditions"));
        let mut conditions = conditions.into_iter().flat_map(Node::items);
        let ready = conditions.find_map(|condition| {
            let [kind, status] = condition.get_each(["type", "status"]);
            kind?
                .is("Ready")
                .then(|| status.is_some_and(|status| status.is("True")))
        });
        let annotations = metadata.and_then(|metadata| metadata.get("annotations"));
        let annotations = ANNOTATIONS.iter().filter_map(|key| {
            let value = annotations?.get(key)?;
            let text = value.string()?;
            let kept = match key.ends_with("/node-args") {
                true => network_args(&text),
                false => (text.len() <= LONGEST).then(|| text.into_owned())?,
            };
            Some(((*key).into(), said(&kept, value.span())))
        });
        let labels = metadata.and_then(|metadata| metadata.get("labels"));
        let os = text(info, "operatingSystem").or_else(|| text(labels, "kubernetes.io/os"));
        let facts = NodeFacts {
            span,
            provider_id: text(spec, "providerID"),
            kubelet: text(info, "kubeletVersion"),
            os: os.map(|os| os.text),
            kernel: text(info, "kernelVersion"),
            taints: taints.collect(),
            ready,
            annotations: annotations.collect(),
        };
        self.nodes.insert(name, facts);
    }
}

/// The group of an `apiVersion`; empty for the core group.
fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

fn said(text: &str, span: Span) -> Said {
    Said {
        text: text.trim().into(),
        span,
    }
}

/// The namespace, the name and its place.
fn named(node: Node<'_, '_>) -> Option<(Option<Box<str>>, Box<str>, Span)> {
    let [name, namespace] = node.get("metadata")?.get_each(["name", "namespace"]);
    let name = name?;
    let text = name.string()?;
    let namespace = namespace.and_then(Node::string);
    Some((
        namespace.map(|namespace| namespace.as_ref().into()),
        text.as_ref().into(),
        name.span(),
    ))
}

fn controller(node: Node<'_, '_>, kind: ControllerKind) -> Option<Controller> {
    let (namespace, name, span) = named(node)?;
    let [spec, status] = node.get_each(["spec", "status"]);
    let pod = spec?.get("template")?.get("spec")?;
    let [main, init, selector] = pod.get_each(["containers", "initContainers", "nodeSelector"]);
    let main = main.into_iter().flat_map(Node::items);
    let main = main.filter_map(|found| container(found, false));
    let init = init.into_iter().flat_map(Node::items);
    let init = init.filter_map(|found| container(found, true));
    let selector = selector.into_iter().flat_map(Node::entries);
    let selector = selector.filter_map(|(key, value)| {
        let (key, value) = (key.string()?, value.string()?);
        Some((key.as_ref().into(), value.as_ref().into()))
    });
    let rollout = status.and_then(|status| {
        let count = |key| {
            let value = status.get(key).and_then(Node::integer)?;
            u32::try_from(value).ok()
        };
        let (desired, ready) = match kind {
            ControllerKind::DaemonSet => (count("desiredNumberScheduled")?, count("numberReady")),
            ControllerKind::Deployment => (count("replicas")?, count("readyReplicas")),
        };
        Some(Rollout {
            desired,
            ready: ready.unwrap_or(0),
            span: status.span(),
        })
    });
    Some(Controller {
        kind,
        namespace: namespace.unwrap_or_else(|| "default".into()),
        name,
        span,
        containers: main.chain(init).collect(),
        node_selector: selector.collect(),
        rollout,
    })
}

fn container(node: Node<'_, '_>, init: bool) -> Option<Container> {
    let [name, image, command, args, env] =
        node.get_each(["name", "image", "command", "args", "env"]);
    let words = command.into_iter().chain(args).flat_map(Node::items);
    let mut kept = Vec::new();
    let mut awaits = false;
    for word in words {
        let Some(text) = word.string() else {
            continue;
        };
        // `--flag` and its value may be two words.
        if std::mem::take(&mut awaits)
            && !text.starts_with('-')
            && let Some(Said { text: last, .. }) = kept.last_mut()
        {
            *last = format!("{last} {}", text.trim()).into();
            continue;
        }
        // A shell command holds several words.
        for part in text.split_whitespace() {
            let flag = part.split('=').next().unwrap_or_default();
            if FLAGS.contains(&flag) && part.len() <= LONGEST {
                kept.push(said(part, word.span()));
                awaits = !part.contains('=') && !text.trim().contains(char::is_whitespace);
            }
        }
    }
    let env = env.into_iter().flat_map(Node::items);
    let env = env.filter_map(|entry| {
        let [name, value] = entry.get_each(["name", "value"]);
        let (name, value) = (name?.string()?, value?);
        let text = value.string()?;
        let is_kept = VARIABLES.contains(&&*name) && text.len() <= LONGEST;
        is_kept.then(|| (name.as_ref().into(), said(&text, value.span())))
    });
    let image = image?;
    Some(Container {
        name: name
            .and_then(Node::string)
            .unwrap_or_default()
            .as_ref()
            .into(),
        init,
        image: said(&image.string()?, image.span()),
        args: kept,
        env: env.collect(),
    })
}

/// The words of `k3s.io/node-args` that are about the network; the others may hold secrets.
fn network_args(text: &str) -> String {
    let words: Vec<&str> = text
        .split(['"', ',', '[', ']', ' '])
        .filter(|word| !word.is_empty())
        .collect();
    let mut kept: Vec<String> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if index == 0 && !word.starts_with('-') {
            kept.push((*word).to_owned());
        }
        let flag = word.split('=').next().unwrap_or_default();
        if !NODE_FLAGS.contains(&flag) {
            continue;
        }
        let next = words.get(index + 1).filter(|next| !next.starts_with('-'));
        match next {
            Some(value) if !word.contains('=') => kept.push(format!("{word}={value}")),
            _ => kept.push((*word).to_owned()),
        }
    }
    kept.join(" ")
}

/// The keys of a configuration file in a ConfigMap, as `key: value` or `"key": "value"` lines.
fn file_values(text: &str, span: Span) -> Vec<(Box<str>, Said)> {
    let lines = text.lines().filter_map(|line| {
        let (key, value) = line.trim().split_once(':')?;
        let key = key.trim().trim_matches('"');
        let value = value.trim().trim_end_matches(',').trim_matches('"');
        let is_kept = KEYS.contains(&key) && !value.is_empty() && value.len() <= LONGEST;
        is_kept.then(|| (key.into(), said(value, span)))
    });
    lines.collect()
}
