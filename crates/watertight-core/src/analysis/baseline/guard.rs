//! What keeps namespaces covered that do not exist yet: a policy of Kyverno that gives them the first
//! policies, or admission policies for what CEL can see.

use std::collections::BTreeMap;

use super::needs::Whom;
use super::set::managed;
use super::yaml::{Lines, scalar};
use super::{Guard, Manifest, Plan};
use crate::facts::metadata::{Cloud, distinct_addresses};
use crate::world::World;

/// Namespaces of the cluster itself.
const SYSTEM: &[&str] = &["kube-system", "kube-public", "kube-node-lease"];

/// Whether a namespace is one of the cluster itself, which gets a baseline only by name.
#[must_use]
pub fn is_system(name: &str) -> bool {
    const OTHERS: &[&str] = &[
        "calico-apiserver",
        "calico-system",
        "gke-managed-system",
        "gmp-system",
        "kyverno",
        "tigera-operator",
    ];
    SYSTEM.contains(&name)
        || OTHERS.contains(&name)
        || name.starts_with("kube-")
        || name.starts_with("openshift-")
        || name == "openshift"
}

/// The manifest of a guard.
pub(super) fn manifest(guard: Guard, world: &World, plan: &Plan) -> Manifest {
    let mut out = Lines::default();
    match guard {
        Guard::Kyverno => kyverno(&mut out, world, plan),
        Guard::Vap => admission(&mut out),
    }
    Manifest {
        name: "guard".to_owned(),
        text: out.text,
    }
}

fn kyverno(out: &mut Lines, world: &World, plan: &Plan) {
    out.comment(
        0,
        "Every new namespace starts closed: Kyverno makes the default deny and the DNS policy in it and \
         puts them back when somebody changes them. Made by `watertight baseline`.",
    );
    out.line(0, "apiVersion: kyverno.io/v1");
    out.line(0, "kind: ClusterPolicy");
    out.line(0, "metadata:");
    out.line(1, "name: network-baseline");
    out.line(1, "labels:");
    out.line(2, &managed());
    out.line(0, "spec:");
    out.line(1, "rules:");
    let mut rule = |name: &str, spec: &dyn Fn(&mut Lines)| {
        out.line(1, &format!("- name: {name}"));
        out.line(2, "match:");
        out.line(3, "any:");
        out.line(3, "- resources:");
        out.line(5, "kinds:");
        out.line(5, "- Namespace");
        out.line(5, "operations:");
        out.line(5, "- CREATE");
        out.line(2, "exclude:");
        out.line(3, "any:");
        out.line(3, "- resources:");
        out.line(5, "names:");
        for name in SYSTEM {
            out.line(5, &format!("- {name}"));
        }
        for pattern in ["kube-*", "openshift-*"] {
            out.line(5, &format!("- \"{pattern}\""));
        }
        out.line(2, "generate:");
        out.line(3, "synchronize: true");
        out.line(3, "apiVersion: networking.k8s.io/v1");
        out.line(3, "kind: NetworkPolicy");
        out.line(3, &format!("name: {name}"));
        out.line(3, "namespace: \"{{request.object.metadata.name}}\"");
        out.line(3, "data:");
        out.line(4, "metadata:");
        out.line(5, "labels:");
        out.line(6, &managed());
        out.line(4, "spec:");
        out.line(5, "podSelector: {}");
        spec(out);
    };
    rule("default-deny", &|out| {
        out.line(5, "policyTypes:");
        out.line(5, "- Ingress");
        out.line(5, "- Egress");
    });
    if plan.dns.is_missing() {
        return;
    }
    rule("allow-dns", &|out| {
        out.line(5, "policyTypes:");
        out.line(5, "- Egress");
        out.line(5, "egress:");
        // A namespace that is not there yet is another one than that of the servers.
        for line in dns_rules(world, plan).lines() {
            out.line(5, line);
        }
    });
}

/// The rules of the DNS policy, without indentation.
fn dns_rules(world: &World, plan: &Plan) -> String {
    let mut out = Lines::default();
    let mut by_ports: BTreeMap<_, Vec<&Whom>> = BTreeMap::new();
    for (whom, ports) in &plan.dns.peers {
        by_ports.entry(ports).or_default().push(whom);
    }
    for (ports, whom) in by_ports {
        out.line(0, "- to:");
        for whom in whom {
            match whom {
                Whom::Unit(id) => {
                    let unit = &plan.units[*id];
                    out.line(1, "- namespaceSelector:");
                    out.line(3, "matchLabels:");
                    let name = scalar(&world[unit.namespace].name);
                    out.line(4, &format!("kubernetes.io/metadata.name: {name}"));
                    super::yaml::selector(&mut out, 2, "podSelector", &unit.selector);
                }
                Whom::Blocks(blocks) => {
                    for block in blocks {
                        out.line(1, "- ipBlock:");
                        out.line(3, &format!("cidr: {}", super::yaml::block(block.net)));
                    }
                }
                Whom::AllPods | Whom::Internet | Whom::Everyone => {}
            }
        }
        out.line(1, "ports:");
        for ports in ports {
            if let super::needs::Ports::Range(protocol, first, _) = ports {
                out.line(1, &format!("- protocol: {}", protocol.api()));
                out.line(2, &format!("port: {first}"));
            }
        }
    }
    out.text
}

/// One admission policy.
struct Admission<'a> {
    name: &'a str,
    comment: &'a str,
    group: &'a str,
    resources: &'a [&'a str],
    operations: &'a [&'a str],
    variables: &'a [(&'a str, &'a str)],
    validations: &'a [(&'a str, &'a str)],
}

fn admission(out: &mut Lines) {
    out.comment(
        0,
        "What an API server can refuse by itself. CEL sees one object at a time: it can tell that a \
         namespace admits host-network pods, that a policy opens what a baseline closes, and that \
         somebody deletes the default deny, but not that a namespace has no policies, nor what policies \
         of other languages do. Made by `watertight baseline`.",
    );
    let addresses = distinct_addresses(Cloud::ALL);
    let addresses = addresses.iter().filter(|found| found.reachable_from_pod());
    let addresses: Vec<_> = addresses
        .map(|found| format!("'{}'", found.address))
        .collect();
    let metadata = format!("[{}]", addresses.join(", "));
    let closed = "!has(object.spec.egress) || object.spec.egress.all(rule, !has(rule.to) || \
                  rule.to.all(peer, !has(peer.ipBlock) || variables.metadata.all(ip, \
                  !cidr(peer.ipBlock.cidr).containsIP(ip) || (has(peer.ipBlock.except) && \
                  peer.ipBlock.except.exists(net, cidr(net).containsIP(ip))))))";
    let all = [
        Admission {
            name: "baseline-namespaces",
            comment: "A namespace must not admit pods on the host network, about which no policy is.",
            group: "",
            resources: &["namespaces"],
            operations: &["CREATE", "UPDATE"],
            variables: &[],
            validations: &[(
                "has(object.metadata.labels) && \
                 'pod-security.kubernetes.io/enforce' in object.metadata.labels && \
                 object.metadata.labels['pod-security.kubernetes.io/enforce'] in ['baseline', 'restricted']",
                "set the label pod-security.kubernetes.io/enforce to baseline or restricted",
            )],
        },
        Admission {
            name: "baseline-policies",
            comment: "No NetworkPolicy opens everything, or a metadata service.",
            group: "networking.k8s.io",
            resources: &["networkpolicies"],
            operations: &["CREATE", "UPDATE"],
            variables: &[("metadata", &metadata)],
            validations: &[
                (
                    "!has(object.spec.egress) || object.spec.egress.all(rule, has(rule.to) && \
                     rule.to.size() > 0)",
                    "an egress rule without `to` allows every destination, metadata services too",
                ),
                (
                    "!has(object.spec.ingress) || object.spec.ingress.all(rule, has(rule.from) && \
                     rule.from.size() > 0)",
                    "an ingress rule without `from` allows everybody; name who connects",
                ),
                (
                    closed,
                    "leave the addresses of metadata services out of the block, with `except`",
                ),
            ],
        },
        Admission {
            name: "baseline-default-deny",
            comment: "Nobody deletes the default deny of a namespace that stays.",
            group: "networking.k8s.io",
            resources: &["networkpolicies"],
            operations: &["DELETE"],
            variables: &[],
            validations: &[(
                "oldObject.metadata.name != 'default-deny' || \
                 (has(namespaceObject.metadata.deletionTimestamp))",
                "without its default deny a namespace is open",
            )],
        },
    ];
    for policy in &all {
        policy.write(out);
    }
}

impl Admission<'_> {
    fn write(&self, out: &mut Lines) {
        if out.text.contains("kind:") {
            out.document();
        }
        out.comment(0, self.comment);
        self.head(out, "ValidatingAdmissionPolicy");
        out.line(1, "failurePolicy: Fail");
        out.line(1, "matchConstraints:");
        out.line(2, "resourceRules:");
        out.line(2, &format!("- apiGroups: [\"{}\"]", self.group));
        out.line(3, "apiVersions: [v1]");
        out.line(3, &format!("operations: [{}]", self.operations.join(", ")));
        out.line(3, &format!("resources: [{}]", self.resources.join(", ")));
        if !self.variables.is_empty() {
            out.line(1, "variables:");
            for (name, expression) in self.variables {
                out.line(1, &format!("- name: {name}"));
                out.line(2, "expression: >-");
                folded(out, expression);
            }
        }
        out.line(1, "validations:");
        for (expression, message) in self.validations {
            out.line(1, "- expression: >-");
            folded(out, expression);
            out.line(2, &format!("message: {}", scalar(message)));
        }
        out.document();
        self.head(out, "ValidatingAdmissionPolicyBinding");
        out.line(1, &format!("policyName: {}", self.name));
        out.line(1, "validationActions: [Deny]");
        out.line(1, "matchResources:");
        out.line(2, "namespaceSelector:");
        out.line(3, "matchExpressions:");
        out.line(3, "- key: kubernetes.io/metadata.name");
        out.line(4, "operator: NotIn");
        out.line(4, &format!("values: [{}]", SYSTEM.join(", ")));
    }

    fn head(&self, out: &mut Lines, kind: &str) {
        out.line(0, "apiVersion: admissionregistration.k8s.io/v1");
        out.line(0, &format!("kind: {kind}"));
        out.line(0, "metadata:");
        out.line(1, &format!("name: {}", self.name));
        out.line(1, "labels:");
        out.line(2, &managed());
        out.line(0, "spec:");
    }
}

/// An expression over several lines, which YAML joins with a space.
fn folded(out: &mut Lines, text: &str) {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + word.len() > 88 {
            out.line(3, &line);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    out.line(3, &line);
}
