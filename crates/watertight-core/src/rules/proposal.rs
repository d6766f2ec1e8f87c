//! Policies that fixes propose: complete manifests that only add an allow rule.
//!
//! INVARIANT: a proposal selects its pods with the selector of a policy that isolates them already,
//! so that adding it isolates nobody and can only widen (K-15).

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Context;
pub(super) use crate::diag::scalar;
use crate::manifest::Direction;
use crate::sets::{LabelSelector, Operator, Protocol};
use crate::world::NamespaceId;

/// Who is admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Whom {
    /// Pods of a namespace, by its name, with these labels.
    Pods(String, Vec<(String, String)>),
    /// All pods of all namespaces.
    AllPods,
    /// One address.
    Address(IpAddr),
}

/// One rule of a proposal: any of these on any of those ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allow {
    pub whom: Vec<Whom>,
    pub ports: Vec<(Protocol, u16)>,
}

/// The proposal as YAML.
pub(super) fn manifest(
    namespace: &str,
    name: &str,
    pods: &LabelSelector,
    direction: Direction,
    rules: &[Allow],
) -> String {
    let mut out = String::with_capacity(USUAL_LENGTH);
    out.push_str("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n");
    push(&mut out, &["  name: ", &scalar(name), "\n"]);
    push(
        &mut out,
        &["  namespace: ", &scalar(namespace), "\nspec:\n"],
    );
    selector(&mut out, pods);
    let (types, section) = (direction.api(), direction.word());
    push(
        &mut out,
        &["  policyTypes: [", types, "]\n  ", section, ":\n"],
    );
    for rule in rules {
        push(&mut out, &["  - ", direction.peer_field(), ":\n"]);
        for whom in &rule.whom {
            peer(&mut out, whom);
        }
        out.push_str("    ports:\n");
        for (protocol, port) in &rule.ports {
            push(&mut out, &["    - protocol: ", protocol.api(), "\n"]);
            push(&mut out, &["      port: ", &port.to_string(), "\n"]);
        }
    }
    out.shrink_to_fit();
    out
}

fn push(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
}

/// The bytes of a proposal with a rule or two.
const USUAL_LENGTH: usize = 640;

/// `wanted`, or with a number behind it if the namespace has such a policy.
pub(super) fn free_name(context: &Context<'_>, namespace: NamespaceId, wanted: &str) -> String {
    let policies = &context.world[namespace].policies;
    let taken = |name: &str| policies.iter().any(|id| *context.world[*id].name == *name);
    if !taken(wanted) {
        return wanted.to_owned();
    }
    let mut number = 2_u32;
    loop {
        let name = format!("{wanted}-{number}");
        if !taken(&name) {
            return name;
        }
        number += 1;
    }
}

fn selector(out: &mut String, selector: &LabelSelector) {
    if selector.is_empty() {
        out.push_str("  podSelector: {}\n");
        return;
    }
    out.push_str("  podSelector:\n");
    if let Some(labels) = match_labels(selector) {
        out.push_str("    matchLabels:\n");
        for (key, value) in labels {
            push(out, &["      ", &scalar(key), ": ", &scalar(value), "\n"]);
        }
        return;
    }
    out.push_str("    matchExpressions:\n");
    for requirement in &selector.requirements {
        let (operator, values) = match &requirement.operator {
            Operator::In(values) => ("In", values.as_slice()),
            Operator::NotIn(values) => ("NotIn", values.as_slice()),
            Operator::Exists => ("Exists", [].as_slice()),
            Operator::DoesNotExist => ("DoesNotExist", [].as_slice()),
        };
        let key = scalar(&requirement.key);
        push(
            out,
            &["    - key: ", &key, "\n      operator: ", operator, "\n"],
        );
        if !values.is_empty() {
            let values: Vec<_> = values.iter().map(|value| scalar(value)).collect();
            push(out, &["      values: [", &values.join(", "), "]\n"]);
        }
    }
}

/// The requirements as `matchLabels`, if each asks one value of a key of its own (K-46).
fn match_labels(selector: &LabelSelector) -> Option<BTreeMap<&str, &str>> {
    let mut labels = BTreeMap::new();
    for requirement in &selector.requirements {
        let Operator::In(values) = &requirement.operator else {
            return None;
        };
        let [value] = values.as_slice() else {
            return None;
        };
        if labels.insert(&*requirement.key, &**value).is_some() {
            return None;
        }
    }
    Some(labels)
}

fn peer(out: &mut String, whom: &Whom) {
    match whom {
        Whom::Pods(namespace, labels) => {
            out.push_str("    - namespaceSelector:\n        matchLabels:\n");
            let name = scalar(namespace);
            push(
                out,
                &["          kubernetes.io/metadata.name: ", &name, "\n"],
            );
            if labels.is_empty() {
                return;
            }
            out.push_str("      podSelector:\n        matchLabels:\n");
            for (key, value) in labels {
                push(
                    out,
                    &["          ", &scalar(key), ": ", &scalar(value), "\n"],
                );
            }
        }
        Whom::AllPods => out.push_str("    - namespaceSelector: {}\n"),
        Whom::Address(ip) => {
            out.push_str("    - ipBlock:\n");
            push(out, &["        cidr: \"", &host_block(*ip), "\"\n"]);
        }
    }
}

/// The block of one address.
pub(super) fn host_block(ip: IpAddr) -> String {
    let length = if ip.is_ipv4() { 32 } else { 128 };
    format!("{ip}/{length}")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::manifest::{Options, load};
    use crate::sets::Requirement;
    use crate::source::{Sources, Span};

    fn select(requirements: &[(&str, Operator)]) -> LabelSelector {
        let file = Sources::new().add("t", Vec::new()).unwrap();
        let span = Span::new(file, 0, 0);
        let requirement = |(key, operator): &(&str, Operator)| Requirement {
            key: (*key).into(),
            operator: operator.clone(),
            span,
        };
        LabelSelector {
            requirements: requirements.iter().map(requirement).collect(),
            span,
        }
    }

    fn written(pods: &LabelSelector) -> String {
        let rules = [Allow {
            whom: vec![
                Whom::Pods("kube-system".into(), vec![("k8s-app".into(), "1".into())]),
                Whom::AllPods,
                Whom::Address("fd00::a".parse().unwrap()),
            ],
            ports: vec![(Protocol::Udp, 53)],
        }];
        let text = manifest("shop", "allow-dns", pods, Direction::Egress, &rules);
        let mut sources = Sources::new();
        sources.add("t.yaml", text.clone().into()).unwrap();
        let loaded = load(&sources, &Options::default());
        assert!(loaded.findings.is_empty(), "{text}\n{:?}", loaded.findings);
        assert_eq!(loaded.objects.len(), 1);
        text
    }

    #[test]
    fn proposals_are_policies_that_the_api_takes() {
        let pods = select(&[
            ("app", Operator::In(vec!["on".into()])),
            ("tier", Operator::NotIn(vec!["db".into(), "1.0".into()])),
            ("debug", Operator::DoesNotExist),
        ]);
        expect![[r#"
            apiVersion: networking.k8s.io/v1
            kind: NetworkPolicy
            metadata:
              name: allow-dns
              namespace: shop
            spec:
              podSelector:
                matchExpressions:
                - key: app
                  operator: In
                  values: ["on"]
                - key: tier
                  operator: NotIn
                  values: [db, "1.0"]
                - key: debug
                  operator: DoesNotExist
              policyTypes: [Egress]
              egress:
              - to:
                - namespaceSelector:
                    matchLabels:
                      kubernetes.io/metadata.name: kube-system
                  podSelector:
                    matchLabels:
                      k8s-app: "1"
                - namespaceSelector: {}
                - ipBlock:
                    cidr: "fd00::a/128"
                ports:
                - protocol: UDP
                  port: 53
        "#]]
        .assert_eq(&written(&pods));
    }

    #[test]
    fn single_values_are_written_as_labels() {
        let one = select(&[("app", Operator::In(vec!["web".into()]))]);
        assert!(written(&one).contains("  podSelector:\n    matchLabels:\n      app: web\n"));
        assert!(written(&select(&[])).contains("  podSelector: {}\n"));
        // K-46: a key that is asked twice cannot be written as a mapping.
        let twice = select(&[
            ("app", Operator::In(vec!["a".into()])),
            ("app", Operator::In(vec!["b".into()])),
        ]);
        assert!(written(&twice).contains("matchExpressions"));
    }
}
