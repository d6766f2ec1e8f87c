//! What keeps namespaces covered that do not exist yet: a policy of Kyverno that gives them the first
//! policies, or admission policies for what CEL can see.

use super::peers::dns_rules;
use super::set::managed;
use super::yaml::Lines;
use super::{Guard, Labels, Manifest, Plan};
use crate::diag::scalar;
use crate::facts::metadata::{Cloud, distinct_addresses};
use crate::manifest::Direction;
use crate::world::World;

/// Namespaces of the cluster itself, and those that start like these.
const SYSTEM: &[&str] = &[
    "calico-apiserver",
    "calico-system",
    "gmp-system",
    "kyverno",
    "openshift",
    "tigera-operator",
];
const SYSTEM_PREFIXES: &[&str] = &["gke-managed-", "kube-", "openshift-"];

/// Whether a namespace is one of the cluster itself, which gets a baseline only by name.
#[must_use]
pub fn is_system(name: &str) -> bool {
    let mut prefixes = SYSTEM_PREFIXES.iter();
    SYSTEM.contains(&name) || prefixes.any(|prefix| name.starts_with(prefix))
}

/// The manifest of a guard.
pub(super) fn manifest(guard: Guard, world: &World, plan: &Plan) -> Manifest {
    let mut out = Lines::default();
    match guard {
        Guard::Kyverno => kyverno(&mut out, world, plan),
        Guard::Vap => admission(&mut out, world, plan),
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
        for prefix in SYSTEM_PREFIXES {
            out.line(5, &format!("- \"{prefix}*\""));
        }
        out.line(2, "generate:");
        out.line(3, "synchronize: true");
        out.line(3, "apiVersion: networking.k8s.io/v1");
        out.line(3, "kind: NetworkPolicy");
        out.line(3, &format!("name: {name}"));
        out.line(3, "namespace: \"{{request.object.metadata.name}}\"");
        // Labels are Kyverno's own: by them it tells what to put back.
        out.line(3, "data:");
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
        let mut rules = Lines::default();
        for rule in dns_rules(world, plan, None) {
            rule.write(&mut rules, Direction::Egress);
        }
        for line in rules.text.lines() {
            out.line(4, line);
        }
    });
}

/// One admission policy.
struct Admission<'a> {
    name: &'a str,
    comment: &'a str,
    group: &'a str,
    resources: &'a [&'a str],
    operations: &'a [&'a str],
    /// Which requests it is about.
    conditions: &'a [(&'a str, &'a str)],
    variables: &'a [(&'a str, &'a str)],
    validations: &'a [(&'a str, &'a str)],
}

/// The conditions of requests about other namespaces than those of the cluster itself.
fn not_of_the_cluster(name: &str) -> String {
    format!(
        "!({name} in {} || {}.exists(prefix, {name}.startsWith(prefix)))",
        list(SYSTEM),
        list(SYSTEM_PREFIXES)
    )
}

/// A list of texts in CEL.
fn list<T: std::fmt::Display>(items: &[T]) -> String {
    let quoted: Vec<_> = items.iter().map(|item| format!("'{item}'")).collect();
    format!("[{}]", quoted.join(", "))
}

fn admission(out: &mut Lines, world: &World, plan: &Plan) {
    out.comment(
        0,
        "What an API server can refuse by itself. CEL sees one object at a time: it can tell that a \
         namespace admits host-network pods, that a policy opens what a baseline closes, and that \
         somebody deletes the default deny, but not that a namespace has no policies, nor what policies \
         of other languages do. Needs Kubernetes 1.31, whose CEL knows blocks of addresses. Made by `watertight \
         baseline`.",
    );
    let addresses = distinct_addresses(Cloud::ALL);
    let addresses = addresses.iter().filter(|found| found.reachable_from_pod());
    let addresses: Vec<_> = addresses.map(|found| found.address).collect();
    let metadata = list(&addresses);
    let of_request = not_of_the_cluster("request.namespace");
    let of_object = format!(
        "!has(object.metadata.name) || {}",
        not_of_the_cluster("object.metadata.name")
    );
    // What the plan leaves as it is, may be made again; what it opens, may be opened.
    let left_alone = plan
        .namespaces
        .iter()
        .filter(|found| matches!(found.pod_security, Labels::Other(_) | Labels::HostNetwork));
    let left_alone: Vec<&str> = left_alone
        .map(|found| &*world[found.namespace].name)
        .collect();
    let not_left_alone = format!(
        "!has(object.metadata.name) || !(object.metadata.name in {})",
        list(&left_alone)
    );
    let opened = plan.namespaces.iter().flat_map(|found| {
        let names = found.opens_metadata.iter();
        names.map(|name| format!("{}/{name}", world[found.namespace].name))
    });
    let opened: Vec<String> = opened.collect();
    let not_opened = format!(
        "!has(object.metadata.name) || !(request.namespace + '/' + object.metadata.name in {})",
        list(&opened)
    );
    let mut of_namespaces = vec![("not-of-the-cluster", of_object.as_str())];
    if !left_alone.is_empty() {
        of_namespaces.push(("not-left-alone", &not_left_alone));
    }
    let of_policies = ("not-of-the-cluster", of_request.as_str());
    let mut of_rules = vec![
        of_policies,
        (
            "changes-rules",
            "request.operation != 'UPDATE' || object.spec != oldObject.spec",
        ),
    ];
    if !opened.is_empty() {
        of_rules.push(("not-asked-for", &not_opened));
    }
    let closed = "!has(object.spec.egress) || object.spec.egress.all(rule, !has(rule.to) || \
                  rule.to.all(peer, !has(peer.ipBlock) || variables.metadata.all(ip, \
                  !cidr(peer.ipBlock.cidr).containsIP(ip) || (has(peer.ipBlock.except) && \
                  peer.ipBlock.except.exists(net, cidr(net).containsIP(ip))))))";
    let all = [
        Admission {
            name: "baseline-namespaces",
            comment: "A new namespace must not admit pods on the host network, about which no policy is, \
                      and one that does not must stay so. Others may be changed as before.",
            group: "",
            resources: &["namespaces"],
            operations: &["CREATE", "UPDATE"],
            conditions: &of_namespaces,
            variables: &[
                ("refuses", &refuses("object")),
                (
                    "refused",
                    &format!("request.operation == 'UPDATE' && {}", refuses("oldObject")),
                ),
            ],
            validations: &[(
                "variables.refuses || (request.operation == 'UPDATE' && !variables.refused)",
                "keep the label pod-security.kubernetes.io/enforce at baseline or restricted",
            )],
        },
        Admission {
            name: "baseline-policies",
            comment: "No NetworkPolicy opens everything, or a metadata service.",
            group: "networking.k8s.io",
            resources: &["networkpolicies"],
            operations: &["CREATE", "UPDATE"],
            conditions: &of_rules,
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
            conditions: &[of_policies],
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

/// Whether a namespace refuses pods on the host network.
fn refuses(object: &str) -> String {
    let label = "pod-security.kubernetes.io/enforce";
    format!(
        "has({object}.metadata.labels) && '{label}' in {object}.metadata.labels && \
         {object}.metadata.labels['{label}'] in ['baseline', 'restricted']"
    )
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
        named(out, "matchConditions", self.conditions);
        named(out, "variables", self.variables);
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

/// Expressions with names.
fn named(out: &mut Lines, field: &str, expressions: &[(&str, &str)]) {
    if expressions.is_empty() {
        return;
    }
    out.line(1, &format!("{field}:"));
    for (name, expression) in expressions {
        out.line(1, &format!("- name: {name}"));
        out.line(2, "expression: >-");
        folded(out, expression);
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
