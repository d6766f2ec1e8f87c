//! A folder of manifests, read as the tool reads it that wrote the expected maps.
//!
//! That tool works on workloads and on nothing that a running cluster adds. So the objects lose their
//! addresses, phases and host networks before the world is built, names that only a server would
//! refuse are replaced, and empty selectors that only a server asks for are written. INVARIANT: what
//! that tool takes policies to say is never touched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use watertight_core::diag::Finding;
use watertight_core::document::{Node, units};
use watertight_core::engine::{IpBlockPods, Profile, Switches};
use watertight_core::manifest::{self, Body, Loaded, Options};
use watertight_core::policy::{Ruleset, lower};
use watertight_core::source::Sources;
use watertight_core::world::{Assume, EndpointId, World, build};

/// Files that are manifests.
const EXTENSIONS: &[&str] = &["yaml", "yml", "json"];

/// What every object without a namespace lives in.
pub(super) const DEFAULT_NAMESPACE: &str = "default";

/// Where the pseudo pod lives that stands for every ingress controller; it has no labels.
pub(super) const CONTROLLER: (&str, &str) = ("ingress-controller-ns", "ingress-controller");

const CONTROLLER_POD: &str = "apiVersion: v1
kind: Pod
metadata: {name: ingress-controller, namespace: ingress-controller-ns}
spec: {containers: []}
";

/// The readings of that tool (D-14).
pub(super) fn switches() -> Switches {
    Switches {
        ipblock_pods: IpBlockPods::Never,
        ..Switches::default()
    }
}

/// Everything in a world that decides connections.
pub(super) fn ruleset(world: &World) -> Ruleset {
    let profile = Profile {
        switches: switches(),
        ..Profile::default()
    };
    lower(world, &profile)
}

/// What to assume about a folder: nothing that is not in it.
pub(super) fn assume() -> Assume {
    Assume {
        dns: false,
        namespace: DEFAULT_NAMESPACE.into(),
        ..Assume::default()
    }
}

/// Reads the files below a folder, with names that a server accepts and the selectors that it asks
/// for.
pub(super) fn read(folder: &Path) -> anyhow::Result<Sources> {
    let mut paths = Vec::new();
    walk(folder, &mut paths)?;
    paths.sort();
    let mut files = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        files.push((path.display().to_string(), text));
    }
    let sources = sources(&files)?;
    let edits = edits(&sources);
    if edits.is_empty() {
        return Ok(sources);
    }
    for (name, start, end, new) in edits.into_iter().rev() {
        let Some((_, text)) = files.iter_mut().find(|(file, _)| *file == name) else {
            continue;
        };
        text.replace_range(start..end, &new);
    }
    self::sources(&files)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            walk(&path, found)?;
        } else if extension.is_some_and(|extension| EXTENSIONS.contains(&extension)) {
            found.push(path);
        }
    }
    Ok(())
}

fn sources(files: &[(String, String)]) -> anyhow::Result<Sources> {
    let mut sources = Sources::new();
    for (name, text) in files {
        sources.add(name, text.clone().into_bytes())?;
    }
    Ok(sources)
}

/// What is written in place of object names that a server refuses (V-1), and of selectors that only
/// a server misses: that tool takes a missing one for an empty one. File by file from the start.
fn edits(sources: &Sources) -> BTreeSet<(String, usize, usize, String)> {
    let loaded = manifest::load(sources, &options());
    let edit = |finding: &Finding| {
        let span = finding.span()?;
        let file = sources.file(span.file).name().to_owned();
        let (start, end) = (span.start as usize, span.end as usize);
        let is_name = finding.field.as_deref() == Some("metadata.name");
        if is_name && finding.why.contains(&"V-1") {
            return Some((file, start, end, format!("renamed-{start}")));
        }
        if !finding.why.contains(&"A-20") {
            return None;
        }
        let mut selectors = ["namespaceSelector", "podSelector"].into_iter();
        let missing = selectors.find(|name| finding.message.contains(name))?;
        if sources.text(span).starts_with('{') {
            return Some((file, start + 1, start + 1, format!("{missing}: {{}}, ")));
        }
        let indent = " ".repeat(sources.start(span).column as usize - 1);
        Some((file, start, start, format!("{missing}: {{}}\n{indent}")))
    };
    loaded.findings.iter().filter_map(edit).collect()
}

fn options() -> Options {
    Options {
        strict_cidr: switches().strict_cidr,
        ..Options::default()
    }
}

/// The world of a folder, and what its workloads are called.
pub(super) struct Cluster {
    pub(super) world: World,
    /// The endpoints of each workload, by `NAMESPACE/NAME[KIND]`. The pseudo pod is not among them.
    pub(super) workloads: BTreeMap<String, Vec<EndpointId>>,
    /// What Ingresses and Routes point at.
    pub(super) routed: Vec<super::routes::Backend>,
}

/// Builds the world of a folder.
pub(super) fn cluster(folder: &Path) -> anyhow::Result<Cluster> {
    let mut sources = read(folder)?;
    sources.add("ingress-controller", CONTROLLER_POD.into())?;
    let mut owners = BTreeMap::new();
    let mut routed = Vec::new();
    each_object(&sources, &mut |object| {
        owners.extend(owner(object));
        super::routes::backends(object, &mut routed);
    });
    let mut loaded = manifest::load(&sources, &options());
    without_runtime(&mut loaded);
    let (world, _) = build(&sources, &loaded.objects, &assume());
    let mut workloads: BTreeMap<String, Vec<EndpointId>> = BTreeMap::new();
    for id in world.endpoint_ids() {
        let endpoint = &world[id];
        let namespace = &*world[endpoint.namespace].name;
        if (namespace, &*endpoint.name) == CONTROLLER {
            continue;
        }
        let name = match endpoint.workload.filter(|_| endpoint.template) {
            Some(workload) => format!("{}[{}]", world[workload].name, world[workload].kind.api()),
            None => {
                let key = (namespace.to_owned(), endpoint.name.to_string());
                let plain = || format!("{}[Pod]", endpoint.name);
                owners.get(&key).cloned().unwrap_or_else(plain)
            }
        };
        let name = format!("{namespace}/{name}");
        workloads.entry(name).or_default().push(id);
    }
    Ok(Cluster {
        world,
        workloads,
        routed,
    })
}

/// Takes away what only a running cluster knows: hostNetwork pods count as others, finished pods as
/// running ones, and addresses belong to nobody.
fn without_runtime(loaded: &mut Loaded<'_>) {
    for object in &mut loaded.objects {
        match &mut object.body {
            Body::Pod(spec, status) => {
                spec.host_network = None;
                *status = None;
            }
            Body::Workload(workload) => workload.pod.host_network = None,
            Body::Node(addresses) => *addresses = Default::default(),
            _ => {}
        }
    }
}

/// Calls `seen` with every object, items of lists included.
fn each_object(sources: &Sources, seen: &mut impl FnMut(Node<'_, '_>)) {
    for (file, source) in sources.iter() {
        let (units, _) = units(file, source.name(), source.text());
        for unit in units {
            let documents = unit.read(source.text());
            for document in documents.iter().flatten() {
                document
                    .root()
                    .into_iter()
                    .for_each(|root| each(root, seen));
            }
        }
    }
}

fn each(node: Node<'_, '_>, seen: &mut impl FnMut(Node<'_, '_>)) {
    seen(node);
    for item in node.get("items").into_iter().flat_map(Node::items) {
        each(item, seen);
    }
}

/// The pod and the name and kind of the controller that owns it. Pods whose owner names no kind are
/// still called by it, and static pods are not their node's.
fn owner(object: Node<'_, '_>) -> Option<((String, String), String)> {
    // Items of a typed list name no kind.
    if object
        .get("kind")
        .is_some_and(|kind| kind.str() != Some("Pod"))
    {
        return None;
    }
    let meta = object.get("metadata")?;
    let controls =
        |owner: &Node<'_, '_>| owner.get("controller").and_then(Node::bool) == Some(true);
    let owner = meta.get("ownerReferences")?.items().find(controls)?;
    let kind = owner.get("kind").and_then(Node::str).unwrap_or("Pod");
    if kind == "Node" {
        return None;
    }
    let name = meta.get("name").or_else(|| meta.get("generateName"))?;
    let owner = format!("{}[{kind}]", owner.get("name")?.str()?);
    Some(((namespace(object), name.str()?.to_owned()), owner))
}

/// The namespace of an object.
pub(super) fn namespace(object: Node<'_, '_>) -> String {
    let written = object
        .get("metadata")
        .and_then(|meta| meta.get("namespace"));
    let written = written.and_then(Node::str).filter(|name| !name.is_empty());
    written.unwrap_or(DEFAULT_NAMESPACE).to_owned()
}
