//! From documents to objects: what is an object, of which kind, and whether it is decoded.

use super::decode::{Decoder, Unknown};
use super::kinds::{self, Treatment};
use super::load::{Gather, Loaded, NotEvaluated};
use super::meta::{self, Meta, Named};
use super::policy::{self, PolicyKind};
use super::{Body, Ips, Object, WorkloadKind, networkpolicy, pod, service, validate, workload};
use crate::diag::{Finding, Fix, Subject, in_place_of};
use crate::document::{Kind, Node};
use crate::rules::reading;
use crate::source::Span;

/// The `apiVersion` and the `kind` of the items of a List.
pub(super) type ListOf = (String, String);

/// The kind of the items of a typed list: `PodList` holds `Pod`s. A plain `List` tells nothing.
pub(super) fn item_kind(kind: &str) -> Option<String> {
    kind.strip_suffix("List")
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
}

/// Takes objects out of documents.
pub(super) struct Reader<'l, 's, G> {
    pub(super) loaded: &'l mut Loaded<'s>,
    pub(super) into: &'l mut G,
    pub(super) decoder: &'l mut Decoder,
}

impl<'s, G: Gather<'s>> Reader<'_, 's, G> {
    /// A document, a List or an item of one.
    pub(super) fn value(&mut self, node: Node<'_, 's>, list: Option<&ListOf>) {
        match node.kind() {
            Kind::Mapping => self.object(node, list),
            Kind::Null => {}
            // `kubectl` takes no bare list of objects, but some tools write one.
            Kind::Sequence => node.items().for_each(|item| self.value(item, list)),
            _ => self.loaded.not_objects += 1,
        }
    }

    fn object(&mut self, node: Node<'_, 's>, list: Option<&ListOf>) {
        let written = node.get_each(["apiVersion", "kind"]);
        let [version, kind] = written.map(|value| value.and_then(Node::str));
        let listed = list.map(|(version, kind)| (version.as_str(), kind.as_str()));
        if kind.is_none() && listed.is_none() && holds_objects(node) {
            self.list_without_kind(node, version);
            return;
        }
        let (api_version, kind) = match (version, kind, listed) {
            (Some(version), Some(kind), _) => (version, kind),
            (None, None, Some(listed)) => listed,
            // Charts, values, kustomizations: YAML of other tools.
            (None, _, None) | (_, None, None)
                if node.get("metadata").is_none() && node.get("spec").is_none() =>
            {
                self.loaded.not_objects += 1;
                return;
            }
            (version, ..) => {
                let missing = if version.is_none() {
                    "apiVersion"
                } else {
                    "kind"
                };
                let finding =
                    Finding::new(&reading::INVALID, format!("the object has no `{missing}`"))
                        .at(node.span().at_start(), "")
                        .fix(Fix::advice(format!("add `{missing}`")))
                        .incomplete();
                self.loaded.findings.push(finding);
                return;
            }
        };
        if kind == "List" || (kind.ends_with("List") && node.get("items").is_some()) {
            let of = item_kind(kind).map(|item| (api_version.to_owned(), item));
            let items = node.get("items").into_iter().flat_map(Node::items);
            items.for_each(|item| self.value(item, of.as_ref()));
            return;
        }
        let is_of_use = self.into.seen(node, api_version, kind);
        match kinds::treatment(api_version, kind) {
            Treatment::Decode => {
                self.decode(node, kind, |decoder| decode_object(decoder, node, kind));
            }
            Treatment::Policy(of) => {
                self.decode(node, kind, |decoder| decode_policy(decoder, node, of))
            }
            Treatment::NotServed(served) => self.not_served(node, api_version, kind, served),
            Treatment::NotEvaluated => self.not_evaluated(node, api_version, kind),
            Treatment::Misspelt(near) => self.misspelt(node, api_version, kind, near),
            Treatment::Other if is_of_use => {}
            Treatment::Other => {
                *self.loaded.other_kinds.entry(kind.to_owned()).or_default() += 1;
            }
        }
    }

    /// A list that does not say so: `kubectl` and the API refuse it, with all that is in it.
    fn list_without_kind(&mut self, node: Node<'_, 's>, version: Option<&str>) {
        let message = "the list has no `kind`: a cluster refuses it, and none of its items is read";
        let (mut block, mut flow) = ("kind: List\n".to_owned(), "\"kind\": \"List\", ".to_owned());
        if version.is_none() {
            block.insert_str(0, "apiVersion: v1\n");
            flow.insert_str(0, "\"apiVersion\": \"v1\", ");
        }
        let start = node.span().at_start();
        let in_brackets = node.as_written().starts_with('{');
        let (start, text) = if in_brackets {
            let inside = Span {
                start: start.start + 1,
                end: start.start + 1,
                ..start
            };
            (inside, flow)
        } else {
            (start, block)
        };
        let finding = Finding::new(&reading::INVALID, message)
            .at(node.span().at_start(), "")
            .fix(Fix::replace("add `kind: List`", start, text))
            .incomplete();
        self.loaded.findings.push(finding);
    }

    fn not_served(&mut self, node: Node<'_, 's>, api_version: &str, kind: &str, served: &str) {
        let version = node.get("apiVersion");
        let message =
            format!("`{api_version}` {kind} is not served: a cluster refuses this object");
        let mut finding = Finding::new(&reading::NOT_SERVED, message)
            .at(version.unwrap_or(node).span(), "")
            .incomplete();
        finding.subject = Some(subject(node, kind));
        finding.fix = Some(match version {
            Some(version) => Fix::replace(
                format!("use `{served}`"),
                version.span(),
                in_place_of(version.as_written(), served),
            ),
            None => Fix::advice(format!("use `{served}`")),
        });
        self.loaded.findings.push(finding);
    }

    fn misspelt(&mut self, node: Node<'_, 's>, api_version: &str, kind: &str, near: &str) {
        let written = node.get("kind").unwrap_or(node);
        let place = written.span();
        let message =
            format!("`{kind}` is no kind of `{api_version}`: a cluster refuses this object");
        let mut finding = Finding::new(&reading::INVALID, message)
            .at(place, "")
            .fix(Fix::replace(
                format!("write `{near}`"),
                place,
                in_place_of(written.as_written(), near),
            ))
            .incomplete();
        finding.field = Some("kind".into());
        finding.subject = Some(subject(node, kind));
        self.loaded.findings.push(finding);
    }

    fn not_evaluated(&mut self, node: Node<'_, 's>, api_version: &str, kind: &str) {
        let group = api_version.split('/').next().unwrap_or_default();
        let found = NotEvaluated {
            count: 1,
            first: vec![node.get("kind").unwrap_or(node).span()],
        };
        let kind = format!("{kind}.{group}");
        self.loaded
            .not_evaluated
            .entry(kind)
            .or_default()
            .append(found);
    }

    fn decode(
        &mut self,
        node: Node<'_, 's>,
        kind: &str,
        decode: impl FnOnce(&mut Decoder) -> Option<Object<'s>>,
    ) {
        let decoder = &mut *self.decoder;
        decoder.reset();
        let object = decode(decoder);
        let refused = decoder.refused;
        for finding in &mut decoder.findings {
            finding.subject = Some(subject(node, kind));
        }
        self.loaded.findings.append(&mut decoder.findings);
        match object {
            Some(object) if !refused => self.into.object(object),
            _ => {}
        }
    }
}

/// Whether a value has `items` that are objects of the API.
fn holds_objects(node: Node<'_, '_>) -> bool {
    let first = node.get("items").and_then(|items| items.items().next());
    first.is_some_and(|first| {
        let written = first.get_each(["apiVersion", "kind"]);
        written
            .iter()
            .all(|value| value.and_then(Node::str).is_some())
    })
}

fn subject(node: Node<'_, '_>, kind: &str) -> Subject {
    let of = |key| {
        let value = node.get("metadata")?.get(key)?.str()?;
        (!value.is_empty()).then(|| value.to_owned())
    };
    Subject {
        kind: kind.to_owned(),
        namespace: of("namespace"),
        name: of("name")
            .or_else(|| of("generateName"))
            .unwrap_or_default(),
    }
}

fn decode_policy<'s>(
    decoder: &mut Decoder,
    node: Node<'_, 's>,
    kind: PolicyKind,
) -> Option<Object<'s>> {
    let span = node.span();
    let [metadata, spec, specs] = policy::top(decoder, kind, node);
    let meta = meta::decode(decoder, metadata, span, Named::Required)?;
    subdomain(decoder, &meta);
    let written = policy::Written {
        kind,
        name: &meta.name,
        name_span: meta.name.span,
        spec,
        specs,
        span,
    };
    let object = policy::decode(decoder, &written)?;
    let body = Body::Policy(kind, Box::new(object));
    Some(Object { meta, span, body })
}

/// Checks the name of a policy (V-1).
fn subdomain(decoder: &mut Decoder, meta: &Meta<'_>) {
    let reason = validate::subdomain(&meta.name).filter(|_| !meta.generated);
    if let Some(reason) = reason {
        let message = format!("name `{}` {reason}", &*meta.name);
        decoder.field("metadata", |decoder| {
            decoder.field("name", |decoder| {
                decoder.invalid(meta.name.span, message, &["V-1"], None);
            });
        });
    }
}

fn decode_object<'s>(decoder: &mut Decoder, node: Node<'_, 's>, kind: &str) -> Option<Object<'s>> {
    let span = node.span();
    let [_, _, metadata, spec, status] = match kind {
        "NetworkPolicy" => decoder.fields(
            node,
            ["apiVersion", "kind", "metadata", "spec", "status"],
            Unknown::Refuse,
        ),
        _ => decoder.fields(
            node,
            ["apiVersion", "kind", "metadata", "spec", "status"],
            Unknown::NearMiss(OTHER_TOP_FIELDS),
        ),
    };
    let meta = meta::decode(decoder, metadata, span, Named::Required)?;
    let body = match kind {
        "Namespace" => Body::Namespace,
        "Pod" => {
            let owner = meta.owner.as_ref();
            let of_daemon_set = owner.is_some_and(|owner| &*owner.kind == "DaemonSet");
            Body::Pod(pod::spec(decoder, spec), pod::status(status, of_daemon_set))
        }
        "Service" => Body::Service(service::decode(decoder, spec, status)),
        "EndpointSlice" => Body::EndpointSlice(service::slice(node)?),
        "Endpoints" => Body::Endpoints(service::subsets(node)),
        "Node" => Body::Node(node_addresses(status)),
        "ServiceAccount" => Body::ServiceAccount,
        "NetworkPolicy" => {
            subdomain(decoder, &meta);
            Body::NetworkPolicy(Box::new(networkpolicy::decode(decoder, spec, span)))
        }
        _ => {
            let kind = WorkloadKind::from_api(kind)?;
            Body::Workload(Box::new(workload::decode(decoder, kind, spec, span)?))
        }
    };
    Some(Object { meta, span, body })
}

const OTHER_TOP_FIELDS: &[&str] = &[
    "addressType",
    "automountServiceAccountToken",
    "endpoints",
    "imagePullSecrets",
    "ports",
    "secrets",
    "subsets",
];

fn node_addresses(status: Option<Node<'_, '_>>) -> Ips {
    status
        .and_then(|status| status.get("addresses"))
        .into_iter()
        .flat_map(Node::items)
        .filter(|address| {
            let kind = address.get("type").and_then(Node::str);
            matches!(kind, Some("InternalIP" | "ExternalIP"))
        })
        .filter_map(|address| address.get("address")?.str()?.parse().ok())
        .collect()
}
