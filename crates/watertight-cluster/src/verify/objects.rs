//! Every object that a run makes, and the permissions that it needs: pure functions, which the dry run prints.
//!
//! Everything is owned by one ConfigMap, and bears the id of the run and the time from which on anybody may
//! remove it. In a namespace of our own, the namespace takes everything with it.
//! INVARIANT: policies select pods of this run alone, by its id.

use serde_json::{Value, json};

use super::plan::{ALLOWED, Actor, DENIED, Layout, Options, Part};
use super::wire::{How, Target};

/// The label with the id of the run.
pub const RUN: &str = "watertight.dev/verify";
/// The label with the time, in seconds since 1970, from which on everything may be removed.
pub const EXPIRES: &str = "watertight.dev/expires";
/// The label with what a pod is for.
const PART: &str = "watertight.dev/part";
/// The label with what a pod answers with.
const NAME: &str = "watertight.dev/name";

/// What the pod that starts while policies are in force answers with.
pub const NEWCOMER: &str = "falcon";

/// The uid of the owner, before it has one.
const NO_UID: &str = "00000000-0000-0000-0000-000000000000";

/// The name of what owns everything, and of a namespace of our own.
#[must_use]
pub fn root(options: &Options) -> String {
    root_of(&options.id)
}

/// The same by the id of a run.
#[must_use]
pub fn root_of(id: &str) -> String {
    format!("watertight-verify-{id}")
}

/// Where everything is.
#[must_use]
pub fn namespace(options: &Options) -> String {
    options.namespace.clone().unwrap_or_else(|| root(options))
}

/// The name of an object about an actor.
#[must_use]
pub fn name_of(options: &Options, actor: &str) -> String {
    format!("{actor}-{}", options.id)
}

/// Makes objects for one run.
#[derive(Clone, Copy, Debug)]
pub struct Objects<'a> {
    /// What is asked for.
    pub options: &'a Options,
    /// The uid of the ConfigMap, once it has one.
    pub owner: Option<&'a str>,
}

impl Objects<'_> {
    fn labels(&self) -> Value {
        json!({
            "app.kubernetes.io/managed-by": "watertight",
            EXPIRES: self.options.expires.to_string(),
            RUN: self.options.id,
        })
    }

    fn metadata(&self, name: &str) -> Value {
        json!({
            "labels": self.labels(),
            "name": name,
            "namespace": namespace(self.options),
            "ownerReferences": [{
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": root(self.options),
                "uid": self.owner.unwrap_or(NO_UID),
            }],
        })
    }

    /// The namespace, unless one is given.
    #[must_use]
    pub fn own_namespace(&self) -> Option<Value> {
        if self.options.namespace.is_some() {
            return None;
        }
        let mut labels = self.labels();
        for mode in ["enforce", "audit", "warn"] {
            if let Some(labels) = labels.as_object_mut() {
                let key = format!("pod-security.kubernetes.io/{mode}");
                labels.insert(key, "restricted".into());
            }
        }
        Some(json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"labels": labels, "name": root(self.options)},
        }))
    }

    /// What owns everything.
    #[must_use]
    pub fn root(&self) -> Value {
        let mut metadata = self.metadata(&root(self.options));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.remove("ownerReferences");
        }
        json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "data": {
                "about": "watertight verify tries whether network policies are enforced here; deleting this object \
                          ends it and removes everything that it made",
            },
        })
    }

    /// An account that can do nothing, and has no token.
    #[must_use]
    pub fn account(&self) -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": self.metadata(&root(self.options)),
            "automountServiceAccountToken": false,
        })
    }

    /// A Service with node ports, for a server.
    #[must_use]
    pub fn service(&self, actor: &Actor) -> Value {
        let protocols = ["TCP", "UDP"].into_iter();
        let ports: Vec<Value> = protocols
            .filter(|protocol| *protocol == "TCP" || self.options.udp)
            .flat_map(|protocol| {
                [("allowed", ALLOWED), ("denied", DENIED)].map(|(name, port)| {
                    let name = format!("{name}-{}", protocol.to_lowercase());
                    json!({"name": name, "port": port, "protocol": protocol, "targetPort": port})
                })
            })
            .collect();
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(&name_of(self.options, &actor.name)),
            "spec": {
                "ipFamilyPolicy": "PreferDualStack",
                "ports": ports,
                "selector": {NAME: actor.name, RUN: self.options.id},
                "type": "NodePort",
            },
        })
    }

    /// The Deployment of an actor.
    #[must_use]
    pub fn deployment(&self, actor: &Actor) -> Value {
        let containers = self.options.image.containers(&actor.name);
        self.deployment_of(actor, containers)
    }

    /// A pod that tries a target from its first moment on, and prints what came of it.
    #[must_use]
    pub fn newcomer(&self, target: &Target, node: Option<String>) -> Value {
        let actor = Actor {
            name: NEWCOMER.into(),
            part: Part::Everywhere,
            node,
        };
        let mut containers = self.options.image.containers(NEWCOMER);
        if let Some((_, command)) = containers.first_mut() {
            let more = [
                "--interval",
                "5",
                "--for",
                "3000",
                "--timeout",
                "300",
                "--watch",
            ];
            command.extend(more.map(ToOwned::to_owned));
            command.push(target.to_string());
        }
        self.deployment_of(&actor, containers)
    }

    fn deployment_of(&self, actor: &Actor, containers: Vec<(String, Vec<String>)>) -> Value {
        let containers: Vec<Value> = containers
            .into_iter()
            .map(|(name, command)| {
                json!({
                    "command": command,
                    "image": self.options.image.name,
                    "imagePullPolicy": "IfNotPresent",
                    "name": name,
                    "resources": {
                        "limits": {"cpu": "100m", "memory": "64Mi"},
                        "requests": {"cpu": "10m", "memory": "16Mi"},
                    },
                    "securityContext": self.options.image.security_context(),
                })
            })
            .collect();
        let mut labels = self.labels();
        if let Some(labels) = labels.as_object_mut() {
            labels.insert(NAME.into(), actor.name.clone().into());
            labels.insert(PART.into(), actor.part.word().into());
        }
        let mut spec = json!({
            "automountServiceAccountToken": false,
            "containers": containers,
            "enableServiceLinks": false,
            "securityContext": {
                "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "serviceAccountName": root(self.options),
            "terminationGracePeriodSeconds": 1,
        });
        if let (Some(spec), Some(node)) = (spec.as_object_mut(), &actor.node) {
            spec.insert(
                "affinity".into(),
                json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{
                        "matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}],
                    }],
                }}}),
            );
            if actor.part == Part::Everywhere {
                spec.insert("tolerations".into(), json!([{"operator": "Exists"}]));
            }
        }
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": self.metadata(&name_of(self.options, &actor.name)),
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {NAME: actor.name, RUN: self.options.id}},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        })
    }

    fn policy(&self, name: &str, parts: &[Part], spec: &Value) -> Value {
        let parts: Vec<&str> = parts.iter().map(|part| part.word()).collect();
        let mut spec = spec.clone();
        if let Some(spec) = spec.as_object_mut() {
            spec.insert(
                "podSelector".into(),
                json!({
                    "matchExpressions": [{"key": PART, "operator": "In", "values": parts}],
                    "matchLabels": {RUN: self.options.id},
                }),
            );
        }
        json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": self.metadata(&format!("{name}-{}", self.options.id)),
            "spec": spec,
        })
    }

    /// The policies that deny everything, one for each direction.
    #[must_use]
    pub fn denials(&self) -> [Value; 2] {
        let (ingress, egress) = (
            json!({"policyTypes": ["Ingress"]}),
            json!({"policyTypes": ["Egress"]}),
        );
        [
            self.policy(
                "deny-ingress",
                &[Part::ClosedServer, Part::Everywhere],
                &ingress,
            ),
            self.policy(
                "deny-egress",
                &[Part::ClosedClient, Part::Everywhere],
                &egress,
            ),
        ]
    }

    /// The policies that allow one port back.
    #[must_use]
    pub fn allowances(&self) -> [Value; 2] {
        let rules = json!([{"ports": [
            {"port": ALLOWED, "protocol": "TCP"},
            {"port": ALLOWED, "protocol": "UDP"},
        ]}]);
        let (ingress, egress) = (
            json!({"ingress": rules, "policyTypes": ["Ingress"]}),
            json!({"egress": rules, "policyTypes": ["Egress"]}),
        );
        [
            self.policy(
                "allow-ingress",
                &[Part::ClosedServer, Part::Everywhere],
                &ingress,
            ),
            self.policy(
                "allow-egress",
                &[Part::ClosedClient, Part::Everywhere],
                &egress,
            ),
        ]
    }

    /// The same for SCTP, apart: some engines take no policy that names it.
    #[must_use]
    pub fn sctp_allowances(&self) -> [Value; 2] {
        let rules = json!([{"ports": [{"port": ALLOWED, "protocol": "SCTP"}]}]);
        let spec = |direction: &str, types: &str| json!({direction: rules, "policyTypes": [types]});
        [
            self.policy(
                "allow-sctp-ingress",
                &[Part::ClosedServer],
                &spec("ingress", "Ingress"),
            ),
            self.policy(
                "allow-sctp-egress",
                &[Part::ClosedClient],
                &spec("egress", "Egress"),
            ),
        ]
    }

    /// Everything that is made before policies are, but for the namespace and the root.
    #[must_use]
    pub fn stage(&self, layout: &Layout) -> Vec<Value> {
        let mut made = vec![self.account()];
        let servers = layout.actors.iter();
        let servers = servers
            .filter(|actor| matches!(actor.part, Part::OpenServer | Part::ClosedServer))
            .filter(|_| self.options.services);
        made.extend(servers.map(|actor| self.service(actor)));
        made.extend(layout.actors.iter().map(|actor| self.deployment(actor)));
        made
    }

    /// The permissions that a run needs: a ClusterRole, or a Role of the given namespace and what may be had
    /// besides.
    #[must_use]
    pub fn permissions(&self) -> Value {
        let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        let made = ["create", "delete", "deletecollection", "get", "list"];
        let mut rules = vec![
            rule("", &["configmaps", "serviceaccounts", "services"], &made),
            rule("apps", &["deployments"], &made),
            rule("networking.k8s.io", &["networkpolicies"], &made),
            rule("", &["pods"], &["get", "list"]),
            rule("", &["pods/exec"], &["create", "get"]),
            rule("", &["pods/log"], &["get"]),
        ];
        let namespace = self.options.namespace.as_deref();
        if namespace.is_none() {
            let verbs = ["create", "delete", "get", "list"];
            rules.insert(0, rule("", &["namespaces"], &verbs));
            rules.push(rule("", &["nodes"], &["get", "list"]));
            rules.push(rule("discovery.k8s.io", &["endpointslices"], &["list"]));
        }
        role("watertight-verify", namespace, &rules)
    }

    /// Everything as YAML, permissions first.
    #[must_use]
    pub fn dry_run(&self, layout: &Layout) -> String {
        let mut text = String::new();
        let mut part = |about: &str, objects: &[Value]| {
            text.push_str(&format!("# {about}\n"));
            for object in objects {
                text.push_str("---\n");
                text.push_str(&crate::yaml::text(object));
            }
        };
        part(
            "Permissions that a run needs; it does not make them.",
            &[self.permissions()],
        );
        let mut stage: Vec<Value> = self.own_namespace().into_iter().collect();
        stage.push(self.root());
        stage.extend(self.stage(layout));
        part("Made first.", &stage);
        part(
            "Made once connections work: everything is denied.",
            &self.denials(),
        );
        part(
            "Made once nothing arrives: one port is allowed back.",
            &self.allowances(),
        );
        if self.options.sctp && self.options.image.can_try(How::Sctp) {
            part(
                "The same for SCTP, made if the kernels of the nodes have it.",
                &self.sctp_allowances(),
            );
        }
        let target = Target::new(How::Tcp, [192, 0, 2, 1].into(), DENIED);
        if self.options.new_pod && self.options.image.is_own() {
            let newcomer = self.newcomer(&target, None);
            part(
                "Started while everything is denied; the address is that of a server.",
                &[newcomer],
            );
        }
        text
    }
}

/// A Role of a namespace, or a ClusterRole.
pub(super) fn role(name: &str, namespace: Option<&str>, rules: &[Value]) -> Value {
    let (kind, metadata) = match namespace {
        Some(namespace) => ("Role", json!({"name": name, "namespace": namespace})),
        None => ("ClusterRole", json!({"name": name})),
    };
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "rules": rules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::plan::layout;
    use crate::verify::testing::{node, options};

    #[test]
    fn a_dry_run_prints_everything() {
        let mut options = options();
        (options.udp, options.new_pod) = (false, false);
        let layout = layout(&options, Some(&[node("a")]));
        let objects = Objects {
            options: &options,
            owner: None,
        };
        expect_test::expect_file!["dry_run.yaml"].assert_eq(&objects.dry_run(&layout));
    }

    #[test]
    fn inside_of_a_given_namespace_nothing_else_is_touched() {
        let mut options = options();
        options.namespace = Some("shop".into());
        let layout = layout(&options, None);
        let objects = Objects {
            options: &options,
            owner: Some("u-1"),
        };
        assert_eq!(objects.own_namespace(), None);
        assert_eq!(objects.permissions()["kind"], "Role");
        let mut all = objects.stage(&layout);
        all.extend(objects.denials());
        all.extend(objects.allowances());
        for object in &all {
            assert_eq!(object["metadata"]["namespace"], "shop");
            assert_eq!(object["metadata"]["ownerReferences"][0]["uid"], "u-1");
            assert_eq!(object["metadata"]["labels"][RUN], "abc123");
        }
        for policy in objects.denials().iter().chain(&objects.allowances()) {
            // Pods of the namespace's own are never selected.
            assert_eq!(policy["spec"]["podSelector"]["matchLabels"][RUN], "abc123");
        }
    }

    #[test]
    fn pods_obey_the_restricted_profile() {
        let options = options();
        let objects = Objects {
            options: &options,
            owner: None,
        };
        let layout = layout(&options, Some(&[node("a"), node("b")]));
        for actor in &layout.actors {
            let pod = &objects.deployment(actor)["spec"]["template"]["spec"];
            let container = &pod["containers"][0]["securityContext"];
            assert_eq!(container["allowPrivilegeEscalation"], false);
            assert_eq!(container["capabilities"]["drop"][0], "ALL");
            assert_eq!(container["readOnlyRootFilesystem"], true);
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(
                pod["securityContext"]["seccompProfile"]["type"],
                "RuntimeDefault"
            );
            assert_eq!(pod["automountServiceAccountToken"], false);
        }
    }
}
