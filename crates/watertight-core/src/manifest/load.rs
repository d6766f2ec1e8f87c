//! From sources to objects: reads every unit of every file, in parallel where threads exist.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use super::decode::{Decoder, Unknown};
use super::kinds::{self, Treatment};
use super::meta::{self, Named};
use super::{Body, Ips, Object, WorkloadKind, networkpolicy, pod, service, validate, workload};
use crate::diag::{Finding, Fix, Subject};
use crate::document::{Kind, Node, SyntaxError, Unit, units};
use crate::rules::reading;
use crate::source::{Sources, Span};

/// How manifests are read.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Refuse CIDRs in sloppy spelling, as Kubernetes does since 1.36 (V-20).
    pub strict_cidr: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { strict_cidr: true }
    }
}

/// Everything that was read.
#[derive(Debug, Default)]
pub struct Loaded<'s> {
    /// The objects, in reading order.
    pub objects: Vec<Object<'s>>,
    /// What went wrong.
    pub findings: Vec<Finding>,
    /// Objects of kinds that are of no concern, by kind.
    pub other_kinds: BTreeMap<String, usize>,
    /// Objects of policy kinds that are not evaluated, by `kind.group`.
    pub not_evaluated: BTreeMap<String, NotEvaluated>,
    /// Documents that are no Kubernetes objects.
    pub not_objects: usize,
    /// Documents that could not be read.
    pub broken: usize,
}

/// What becomes of objects as they are read: one value for each batch that is read on its own.
pub(crate) trait Gather<'s>: Default {
    /// What a batch becomes.
    type Gathered: Send;

    /// Takes the next object.
    fn object(&mut self, object: Object<'s>);

    /// Behind the last object.
    fn done(self) -> Self::Gathered;
}

impl<'s> Gather<'s> for Vec<Object<'s>> {
    type Gathered = Self;

    fn object(&mut self, object: Object<'s>) {
        self.push(object);
    }

    fn done(self) -> Self {
        self
    }
}

impl Loaded<'_> {
    fn append(&mut self, other: Self) {
        self.findings.extend(other.findings);
        for (kind, count) in other.other_kinds {
            *self.other_kinds.entry(kind).or_default() += count;
        }
        for (kind, found) in other.not_evaluated {
            self.not_evaluated.entry(kind).or_default().append(found);
        }
        self.not_objects += other.not_objects;
        self.broken += other.broken;
    }
}

/// Objects of one policy kind that is not evaluated.
#[derive(Clone, Debug, Default)]
pub struct NotEvaluated {
    /// How many.
    pub count: usize,
    /// Where the first of them are.
    first: Vec<Span>,
}

impl NotEvaluated {
    fn append(&mut self, other: Self) {
        self.count += other.count;
        let room = MOST_PLACES.saturating_sub(self.first.len());
        self.first.extend(other.first.into_iter().take(room));
    }

    /// One finding for the kind: five hundred would bury the rest.
    fn finding(&self, kind: &str) -> Finding {
        let (name, group) = kind.split_once('.').unwrap_or((kind, ""));
        let message = match self.count {
            1 => format!("1 {name} of {group} is not evaluated: the answers leave it out"),
            more => format!(
                "{more} {name} objects of {group} are not evaluated: the answers leave them out"
            ),
        };
        let finding = Finding::new(&reading::NOT_EVALUATED, message);
        let places = self.first.iter();
        places.fold(finding, |finding, place| {
            finding.at(*place, "may allow or deny more")
        })
    }
}

/// The places that a finding about a kind names.
const MOST_PLACES: usize = 3;

/// One piece of work: a unit, and the kind of the List it is an item of.
struct Task {
    unit: Unit,
    list: Option<(String, String)>,
}

/// Reads all files.
#[must_use]
pub fn load<'s>(sources: &'s Sources, options: &Options) -> Loaded<'s> {
    load_with(sources, options, None)
}

/// Reads all files; `progress` is told how many bytes are done.
#[must_use]
pub fn load_with<'s>(
    sources: &'s Sources,
    options: &Options,
    progress: Option<&AtomicU64>,
) -> Loaded<'s> {
    let (mut loaded, batches) = gather::<Vec<Object<'s>>>(sources, options, progress);
    loaded.objects = batches.into_iter().flatten().collect();
    loaded
}

/// Reads all files; what the batches of objects become comes back in reading order, in place of the
/// objects.
pub(crate) fn gather<'s, G: Gather<'s>>(
    sources: &'s Sources,
    options: &Options,
    progress: Option<&AtomicU64>,
) -> (Loaded<'s>, Vec<G::Gathered>) {
    let mut loaded = Loaded::default();
    let mut tasks = Vec::new();
    for (file, source) in sources.iter() {
        let (units, errors) = units(file, source.name(), source.text());
        for error in &errors {
            loaded.broken += 1;
            loaded.findings.push(syntax_finding(error));
        }
        tasks.extend(with_lists(units, source.text()));
    }
    let mut gathered = Vec::new();
    for (read, batch) in read_all::<G>(sources, &tasks, options, progress) {
        loaded.append(read);
        gathered.push(batch);
    }
    let not_evaluated = loaded.not_evaluated.iter();
    let about_kinds: Vec<_> = not_evaluated
        .map(|(kind, found)| found.finding(kind))
        .collect();
    loaded.findings.extend(about_kinds);
    (loaded, gathered)
}

/// Tells the items of a JSON List its kind: items that a server lists carry none themselves.
fn with_lists(units: Vec<Unit>, text: &str) -> Vec<Task> {
    let mut list = None;
    let mut tasks: Vec<Task> = Vec::with_capacity(units.len());
    let mut ahead = units.into_iter().peekable();
    while let Some(unit) = ahead.next() {
        if !unit.is_item() {
            list = None;
            if ahead.peek().is_some_and(Unit::is_item) {
                list = unit.read(text).first().and_then(|head| {
                    let root = head.as_ref().ok()?.root()?;
                    let of = |key| Some(root.get(key)?.str()?.to_owned());
                    Some((of("apiVersion")?, item_kind(&of("kind")?)?))
                });
            }
        }
        let list = list.clone().filter(|_| unit.is_item());
        tasks.push(Task { unit, list });
    }
    tasks
}

/// The kind of the items of a typed list: `PodList` holds `Pod`s. A plain `List` tells nothing.
fn item_kind(kind: &str) -> Option<String> {
    kind.strip_suffix("List")
        .filter(|item| !item.is_empty())
        .map(str::to_owned)
}

#[cfg(feature = "parallel")]
fn read_all<'s, G: Gather<'s>>(
    sources: &'s Sources,
    tasks: &[Task],
    options: &Options,
    progress: Option<&AtomicU64>,
) -> Vec<(Loaded<'s>, G::Gathered)> {
    use rayon::prelude::*;
    let total: usize = tasks.iter().map(|task| task.unit.len()).sum();
    // Threads cost more than they save on a handful of manifests.
    if total < 256 * 1024 {
        return vec![read_batch::<G>(sources, tasks, options, progress)];
    }
    tasks
        .par_chunks(tasks.len().div_ceil(64).max(1))
        .map(|batch| read_batch::<G>(sources, batch, options, progress))
        .collect()
}

#[cfg(not(feature = "parallel"))]
fn read_all<'s, G: Gather<'s>>(
    sources: &'s Sources,
    tasks: &[Task],
    options: &Options,
    progress: Option<&AtomicU64>,
) -> Vec<(Loaded<'s>, G::Gathered)> {
    vec![read_batch::<G>(sources, tasks, options, progress)]
}

fn read_batch<'s, G: Gather<'s>>(
    sources: &'s Sources,
    tasks: &[Task],
    options: &Options,
    progress: Option<&AtomicU64>,
) -> (Loaded<'s>, G::Gathered) {
    let mut loaded = Loaded::default();
    let mut into = G::default();
    for task in tasks {
        if let Some(progress) = progress {
            progress.fetch_add(task.unit.len() as u64, Ordering::Relaxed);
        }
        let text = sources.file(task.unit.file()).text();
        for document in task.unit.read(text) {
            match document {
                Ok(document) => {
                    if let Some(root) = document.root() {
                        let mut reader = Reader {
                            loaded: &mut loaded,
                            into: &mut into,
                            options,
                        };
                        reader.value(root, task.list.as_ref());
                    }
                }
                Err(error) => {
                    loaded.broken += 1;
                    loaded.findings.push(syntax_finding(&error));
                }
            }
        }
    }
    (loaded, into.done())
}

fn syntax_finding(error: &SyntaxError) -> Finding {
    let rule = if error.limit {
        &reading::LIMIT
    } else {
        &reading::SYNTAX
    };
    let mut finding = Finding::new(rule, error.message.clone())
        .at(error.span, "")
        .incomplete();
    finding.fix = error.help.clone().map(Fix::advice);
    finding
}

/// A file that could not be read at all.
#[must_use]
pub fn unreadable(name: &str, reason: &str) -> Finding {
    Finding::new(
        &reading::UNREADABLE,
        format!("cannot read `{name}`: {reason}"),
    )
    .incomplete()
}

struct Reader<'l, 's, G> {
    loaded: &'l mut Loaded<'s>,
    into: &'l mut G,
    options: &'l Options,
}

impl<'s, G: Gather<'s>> Reader<'_, 's, G> {
    /// A document, a List or an item of one.
    fn value(&mut self, node: Node<'_, 's>, list: Option<&(String, String)>) {
        match node.kind() {
            Kind::Mapping => self.object(node, list),
            Kind::Null => {}
            // `kubectl` takes no bare list of objects, but some tools write one.
            Kind::Sequence => node.items().for_each(|item| self.value(item, list)),
            _ => self.loaded.not_objects += 1,
        }
    }

    fn object(&mut self, node: Node<'_, 's>, list: Option<&(String, String)>) {
        let written = |key| node.get(key).and_then(Node::str);
        let (version, kind) = (written("apiVersion"), written("kind"));
        let listed = list.map(|(version, kind)| (version.as_str(), kind.as_str()));
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
        match kinds::treatment(api_version, kind) {
            Treatment::Decode => self.decode(node, kind),
            Treatment::NotServed(served) => self.not_served(node, api_version, kind, served),
            Treatment::NotEvaluated => self.not_evaluated(node, api_version, kind),
            Treatment::Misspelt(near) => self.misspelt(node, api_version, kind, near),
            Treatment::Other => {
                *self.loaded.other_kinds.entry(kind.to_owned()).or_default() += 1;
            }
        }
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
            Some(version) => Fix::replace(format!("use `{served}`"), version.span(), served),
            None => Fix::advice(format!("use `{served}`")),
        });
        self.loaded.findings.push(finding);
    }

    fn misspelt(&mut self, node: Node<'_, 's>, api_version: &str, kind: &str, near: &str) {
        let place = node.get("kind").unwrap_or(node).span();
        let message =
            format!("`{kind}` is no kind of `{api_version}`: a cluster refuses this object");
        let mut finding = Finding::new(&reading::INVALID, message)
            .at(place, "")
            .fix(Fix::replace(format!("write `{near}`"), place, near))
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

    fn decode(&mut self, node: Node<'_, 's>, kind: &str) {
        let mut decoder = Decoder::new(self.options.strict_cidr);
        let object = decode_object(&mut decoder, node, kind);
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
        "Pod" => Body::Pod(pod::spec(decoder, spec), pod::status(status)),
        "Service" => Body::Service(service::decode(decoder, spec)),
        "EndpointSlice" => Body::EndpointSlice(service::slice(node)?),
        "Endpoints" => Body::Endpoints(service::subsets(node)),
        "Node" => Body::Node(node_addresses(status)),
        "ServiceAccount" => Body::ServiceAccount,
        "NetworkPolicy" => {
            let reason = validate::subdomain(&meta.name).filter(|_| !meta.generated);
            if let Some(reason) = reason {
                let message = format!("name `{}` {reason}", &*meta.name);
                decoder.field("metadata", |decoder| {
                    decoder.field("name", |decoder| {
                        decoder.invalid(meta.name.span, message, &["V-1"], None);
                    });
                });
            }
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
