//! What a preview does to the objects of a cluster: some go, staged policies become enforced ones.
//!
//! Done on parts, before they are merged, so that the world comes out as if it had been read that way.

use crate::manifest::policy::calico::{CalicoObject, StagedAction};
use crate::manifest::{Body, Gather as _, Meta, Object, PolicyKind, PolicyObject, WorkloadKind};
use crate::source::Span;
use crate::suggest::misspelt;
use crate::world::{NamespaceId, World};

use super::part::{Gatherer, Part, Pod, Policy};

/// How a preview differs from applying files.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// Objects that are taken out, with what belongs to them.
    pub delete: Vec<ObjectName>,
    /// Whether Calico's staged policies are taken as enforced (C-62).
    pub enforce_staged: bool,
    /// Policies with this label, key and value, count after the change only.
    pub staged_label: Option<(String, String)>,
}

/// An object by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    /// The kind as the API spells it.
    pub kind: Box<str>,
    /// The API group, if it is given.
    pub group: Option<Box<str>>,
    /// The namespace, if it has one.
    pub namespace: Option<Box<str>>,
    /// The name.
    pub name: Box<str>,
}

/// Kinds with the short and plural names that kubectl knows; the last column says whether they are
/// namespaced.
const KINDS: &[(&str, &[&str], bool)] = &[
    ("AdminNetworkPolicy", &["anp"], false),
    ("BaselineAdminNetworkPolicy", &["banp"], false),
    ("CiliumCIDRGroup", &["ccg"], false),
    ("CiliumClusterwideNetworkPolicy", &["ccnp"], false),
    ("CiliumNetworkPolicy", &["cnp", "ciliumnp"], true),
    ("ClusterGroup", &["cg"], false),
    ("ClusterNetworkPolicy", &["acnp"], false),
    ("CronJob", &["cj"], true),
    ("DaemonSet", &["ds"], true),
    ("Deployment", &["deploy"], true),
    ("EgressFirewall", &[], true),
    ("EgressNetworkPolicy", &[], true),
    ("GlobalNetworkPolicy", &["gnp"], false),
    ("GlobalNetworkSet", &[], false),
    ("HostEndpoint", &["hep"], false),
    ("Job", &[], true),
    ("Namespace", &["ns"], false),
    ("NetworkPolicy", &["netpol"], true),
    ("NetworkSet", &["netset"], true),
    ("Node", &["no"], false),
    ("Pod", &["po"], true),
    ("Profile", &[], false),
    ("ReplicaSet", &["rs"], true),
    ("Service", &["svc"], true),
    ("StagedGlobalNetworkPolicy", &[], false),
    ("StagedKubernetesNetworkPolicy", &[], true),
    ("StagedNetworkPolicy", &[], true),
    ("StatefulSet", &["sts"], true),
    ("Tier", &[], false),
];

impl ObjectName {
    /// Reads `KIND/NAMESPACE/NAME`, or `KIND/NAME` for what has no namespace and for what is in the
    /// default one; the kind in any spelling that kubectl knows, with its group where several have it
    /// (`networkpolicies.projectcalico.org`).
    ///
    /// # Errors
    /// When it is none of these: one sentence.
    pub fn parse(text: &str, default_namespace: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (kind, namespace, name) = match *parts {
            [kind, name] if !name.is_empty() => (kind, None, name),
            [kind, namespace, name] if !name.is_empty() && !namespace.is_empty() => {
                (kind, Some(namespace), name)
            }
            _ => return Err(format!("`{text}` is not KIND/NAMESPACE/NAME or KIND/NAME")),
        };
        let (word, group) = match kind.split_once('.') {
            Some((word, group)) => (word, Some(group)),
            None => (kind, None),
        };
        let lower = word.to_ascii_lowercase();
        let is_meant = |(kind, short, _): &&(&str, &[&str], bool)| {
            let own = kind.to_ascii_lowercase();
            let plural = match own.strip_suffix('y') {
                Some(stem) => format!("{stem}ies"),
                None => format!("{own}s"),
            };
            lower == own || lower == plural || short.contains(&&*lower)
        };
        let Some((kind, _, namespaced)) = KINDS.iter().find(is_meant) else {
            let near = misspelt(word, KINDS.iter().map(|(kind, ..)| *kind));
            let hint = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return Err(format!("`{word}` is no kind that is evaluated{hint}"));
        };
        let namespace = match (namespaced, namespace) {
            (true, namespace) => Some(namespace.unwrap_or(default_namespace)),
            (false, None) => None,
            (false, Some(_)) => {
                return Err(format!("{kind} has no namespace: write `{word}/{name}`"));
            }
        };
        Ok(Self {
            kind: (*kind).into(),
            group: group.map(Into::into),
            namespace: namespace.map(Into::into),
            name: name.into(),
        })
    }

    fn is(&self, kind: &str, group: &str, namespace: Option<&str>, name: &str) -> bool {
        *self.kind == *kind
            && self.group.as_deref().is_none_or(|wanted| wanted == group)
            && self.namespace.as_deref() == namespace
            && *self.name == *name
    }

    /// Whether a world has it.
    #[must_use]
    pub fn is_in(&self, world: &World) -> bool {
        let space = |id: NamespaceId| Some(&*world[id].name);
        let policies = world.policy_ids().map(|id| &world[id]);
        let mut policies = policies.map(|policy| (space(policy.namespace), &*policy.name));
        let is_policy = policies.any(|(namespace, name)| {
            self.is("NetworkPolicy", "networking.k8s.io", namespace, name)
        });
        let is_object = world.objects.iter().any(|item| {
            let namespace = item.namespace.and_then(space);
            self.is(item.kind.kind, item.kind.group, namespace, &item.name)
        });
        let plain = |kind, namespace, name: &str| self.is(kind, group_of(kind), namespace, name);
        is_policy
            || is_object
            || world.workloads.iter().any(|workload| {
                plain(
                    workload.kind.api(),
                    space(workload.namespace),
                    &workload.name,
                )
            })
            || world.endpoint_ids().any(|id| {
                let endpoint = &world[id];
                !endpoint.template && plain("Pod", space(endpoint.namespace), &endpoint.name)
            })
            || world
                .services
                .iter()
                .any(|service| plain("Service", space(service.namespace), &service.name))
            || world
                .namespaces
                .iter()
                .any(|of| plain("Namespace", None, &of.name))
            || world
                .nodes
                .iter()
                .any(|node| plain("Node", None, &node.name))
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// The API group of a kind that is no policy of another language.
fn group_of(kind: &str) -> &'static str {
    match kind {
        "Deployment" | "DaemonSet" | "StatefulSet" | "ReplicaSet" => "apps",
        "Job" | "CronJob" => "batch",
        "EndpointSlice" => "discovery.k8s.io",
        "NetworkPolicy" => "networking.k8s.io",
        _ => "",
    }
}

impl Preview {
    /// The world before the change.
    pub(super) fn before(&self, parts: &mut [Part<'_>]) {
        let Some(label) = &self.staged_label else {
            return;
        };
        let is_meant = |key: &str, value: &str| (key, value) == (&*label.0, &*label.1);
        for part in parts {
            let policies = std::mem::take(&mut part.policies);
            let staged = |policy: &Policy<'_>| {
                let mut labels = part.labels.get(policy.labels).iter();
                labels.any(|(key, value)| is_meant(part.text(*key), part.text(*value)))
            };
            part.policies = policies
                .into_iter()
                .filter(|policy| !staged(policy))
                .collect();
            part.objects.retain(|(_, object)| {
                let mut labels = object.meta.labels.iter();
                !matches!(object.body, Body::Policy(..))
                    || !labels.any(|(key, value)| is_meant(key, value))
            });
        }
    }

    /// The world after the change; tells where the objects are that were staged, in order.
    pub(super) fn after(&self, parts: &mut Vec<Part<'_>>, default_namespace: &str) -> Vec<Span> {
        let mut delete = self.delete.clone();
        let mut enforced = Gatherer::default();
        let mut places = Vec::new();
        if self.enforce_staged {
            for part in parts.iter_mut() {
                part.objects.retain(|(_, object)| {
                    let Some((meta, act)) = staged(object) else {
                        return true;
                    };
                    let namespace = object.body.is_namespaced().then(|| {
                        let written = meta.namespace.as_deref();
                        written.unwrap_or(default_namespace).into()
                    });
                    match act {
                        Act::Set(body) => {
                            places.push(object.span);
                            enforced.object(Object {
                                meta: meta.clone(),
                                span: object.span,
                                body,
                            });
                        }
                        Act::Delete(kind, group) => delete.push(ObjectName {
                            kind: kind.into(),
                            group: Some(group.into()),
                            namespace,
                            name: (*meta.name).into(),
                        }),
                    }
                    false
                });
            }
        }
        for name in &delete {
            for part in parts.iter_mut() {
                take_out(name, part, default_namespace);
            }
        }
        parts.push(enforced.done());
        places.sort_unstable();
        places
    }
}

/// What a staged policy asks for.
enum Act {
    Set(Body<'static>),
    Delete(&'static str, &'static str),
}

fn staged<'o, 's>(object: &'o Object<'s>) -> Option<(&'o Meta<'s>, Act)> {
    let Body::Policy(kind, written) = &object.body else {
        return None;
    };
    let PolicyObject::Calico(written) = &**written else {
        return None;
    };
    let act = match written {
        CalicoObject::Staged(policy, action) => {
            let kind = kind.kind.strip_prefix("Staged").unwrap_or(kind.kind);
            let kind = PolicyKind::find("projectcalico.org", kind)?;
            match action {
                StagedAction::Set => {
                    let policy = CalicoObject::Policy(policy.clone());
                    Act::Set(Body::Policy(kind, Box::new(PolicyObject::Calico(policy))))
                }
                StagedAction::Delete => Act::Delete(kind.kind, kind.group),
                StagedAction::Learn | StagedAction::Ignore => return None,
            }
        }
        CalicoObject::StagedKubernetes(spec, action) => match action {
            StagedAction::Set => Act::Set(Body::NetworkPolicy(spec.clone())),
            StagedAction::Delete => Act::Delete("NetworkPolicy", group_of("NetworkPolicy")),
            StagedAction::Learn | StagedAction::Ignore => return None,
        },
        _ => return None,
    };
    Some((&object.meta, act))
}

/// Takes an object out of a part, with what belongs to it: the pods of a workload, all of a namespace.
fn take_out(name: &ObjectName, part: &mut Part<'_>, default: &str) {
    let whole = (&*name.kind == "Namespace").then_some(&*name.name);
    let is_meant = |kind: &str, group: &str, namespace: Option<&str>, own: &str| {
        whole.is_some() && whole == namespace || name.is(kind, group, namespace, own)
    };
    part.objects.retain(|(_, object)| {
        let written = object.meta.namespace.as_deref();
        let namespace = object
            .body
            .is_namespaced()
            .then(|| written.unwrap_or(default));
        let group = match &object.body {
            Body::Policy(kind, _) => kind.group,
            body => group_of(body.kind()),
        };
        let owned = matches!(&object.body, Body::Workload(_))
            && object.meta.owner.as_ref().is_some_and(|owner| {
                name.is(&owner.kind, group_of(&owner.kind), namespace, &owner.name)
            });
        !owned && !is_meant(object.body.kind(), group, namespace, &object.meta.name)
    });
    let policies = std::mem::take(&mut part.policies);
    let pods = std::mem::take(&mut part.pods);
    let meant = |policy: &Policy<'_>| {
        let namespace = policy.namespace.map_or(default, |id| part.text(id));
        let group = group_of("NetworkPolicy");
        is_meant("NetworkPolicy", group, Some(namespace), &policy.name)
    };
    let policies = policies.into_iter().filter(|policy| !meant(policy));
    let policies = policies.collect();
    let gone = |pod: &Pod<'_>| {
        let namespace = pod.namespace.map_or(default, |id| part.text(id));
        is_meant("Pod", "", Some(namespace), &pod.name) || is_owned(name, part, pod, namespace)
    };
    let pods = pods.into_iter().filter(|pod| !gone(pod)).collect();
    part.policies = policies;
    part.pods = pods;
}

/// Whether a pod belongs to a workload, be it through a ReplicaSet of the usual name.
fn is_owned(name: &ObjectName, part: &Part<'_>, pod: &Pod<'_>, namespace: &str) -> bool {
    let owner = pod.owner.and_then(|number| part.owners.get(number.index()));
    owner.is_some_and(|owner| {
        let (kind, text) = (owner.kind, part.text(owner.name));
        let of = |kind: &str, text: &str| name.is(kind, group_of(kind), Some(namespace), text);
        let hash = owner.hash.map(|hash| part.text(hash));
        let above = hash.and_then(|hash| text.strip_suffix(hash)?.strip_suffix('-'));
        of(kind.api(), text)
            || kind == WorkloadKind::ReplicaSet
                && above.is_some_and(|text| of(WorkloadKind::Deployment.api(), text))
    })
}
