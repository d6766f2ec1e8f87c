//! Rules that policyTypes switches off.
//!
//! ## What it finds
//! An `ingress` or `egress` section with rules whose direction is not in `policyTypes`. The
//! evidence is a connection that would come out the other way if the section counted: one that is
//! open because the section does not isolate, or one that is denied because its rules do not allow.
//! Where no such connection is found the finding is a note.
//!
//! On Cilium it is the other way round: the section isolates and allows although `policyTypes`
//! leaves it out. The finding then says so, for the sake of whoever reads the policy by the book or
//! moves it to another engine.
//!
//! ## Why it matters
//! Who reads the section takes it for protection, and it is none; or takes a connection for
//! allowed that another policy denies.
//!
//! ## Example
//! ```yaml
//! # The ingress rule does nothing: everyone can connect to the web pods.
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   policyTypes: [Egress]
//!   ingress:
//!   - from: [{podSelector: {matchLabels: {app: front}}}]
//! ```
//!
//! ## Instead
//! ```yaml
//! apiVersion: networking.k8s.io/v1
//! kind: NetworkPolicy
//! metadata: {name: web, namespace: shop}
//! spec:
//!   podSelector: {matchLabels: {app: web}}
//!   policyTypes: [Ingress, Egress]
//!   ingress:
//!   - from: [{podSelector: {matchLabels: {app: front}}}]
//! ```
//!
//! ## Semantics
//! - K-10: a direction that policyTypes leaves out is inert
//! - X-13: `policyTypes: [Egress]` with an ingress section does not protect ingress
//! - D-12: Cilium deviates; there the section acts

use super::isolation::{Probes, declared_port, enforced, first_line, opposite};
use super::{Check, Context, Rule, count};
use crate::diag::{Evidence, Finding, Fix, Severity};
use crate::engine::PolicyTypesGate;
use crate::eval::{Connection, Evaluator, Party};
use crate::manifest::Direction;
use crate::policy::{NamespaceScope, Origin, Peer, Policy, Ruleset, lower_kubernetes};
use crate::sets::{PortMatch, Protocol};
use crate::world::{EndpointId, NamespaceId, PolicyId};

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT105",
    name: "inert-section",
    severity: Severity::Warning,
    summary: "rules that policyTypes switches off",
    source: include_str!("wt105_inert_section.rs"),
    check: Check::World(check),
};

/// How many differently governed pods of a policy, peers of its section and ports of a rule are
/// tried before the finding is made without a proof.
const TRIED: usize = 8;

/// A section with rules that policyTypes leaves out.
#[derive(Clone, Copy)]
struct Section {
    policy: PolicyId,
    direction: Direction,
}

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    if !enforced(context) {
        return;
    }
    let sections = sections(context);
    if sections.is_empty() {
        return;
    }
    // The same policies as an engine reads them that sees these sections the other way.
    let mut switches = context.eval.switches;
    switches.policy_types_gate = match switches.policy_types_gate {
        PolicyTypesGate::Strict => PolicyTypesGate::Sections,
        PolicyTypesGate::Sections => PolicyTypesGate::Strict,
    };
    let namespaces: Vec<NamespaceId> = sections
        .iter()
        .map(|section| context.world[section.policy].namespace)
        .collect();
    let mut ruleset = lower_kubernetes(context.world, &switches);
    keep(&mut ruleset, namespaces);
    let otherwise = Evaluator::new(context.world, &ruleset, switches);
    let probes = Probes::new(context);
    for section in sections {
        findings.push(report(context, &probes, &otherwise, section));
    }
}

fn sections(context: &Context<'_>) -> Vec<Section> {
    let world = context.world;
    let each = |policy| Direction::BOTH.map(|direction| Section { policy, direction });
    world
        .policy_ids()
        .flat_map(each)
        .filter(|section| {
            let spec = &world[section.policy].spec;
            !spec.covers(section.direction) && !spec.section(section.direction).rules.is_empty()
        })
        .collect()
}

/// Drops the policies of all other namespaces: they do not decide the side that is compared.
fn keep(ruleset: &mut Ruleset, mut namespaces: Vec<NamespaceId>) {
    namespaces.sort_unstable();
    for tier in ruleset.ingress.iter_mut().chain(&mut ruleset.egress) {
        tier.policies
            .retain(|policy| match policy.subject.namespaces {
                NamespaceScope::Only(namespace) => namespaces.binary_search(&namespace).is_ok(),
                NamespaceScope::Matching(_) => true,
            });
    }
}

fn report(
    context: &Context<'_>,
    probes: &Probes<'_, '_>,
    otherwise: &Evaluator<'_>,
    section: Section,
) -> Finding {
    let Section {
        policy: id,
        direction,
    } = section;
    let policy = &context.world[id];
    let spec = &policy.spec;
    let (way, api) = (direction.word(), direction.api());
    let rules = &spec.section(direction).rules;
    let acts = context.eval.switches.policy_types_gate == PolicyTypesGate::Sections;
    let proof = proof(context, probes, otherwise, section);
    let name = context.world.policy_name(id);
    let those = count(rules.len(), &format!("{way} rule"));
    let out = format!("policyTypes leaves {api} out");
    let message = match (acts, &proof) {
        (true, _) => format!(
            "`{name}` isolates {way} on {} although {out}: its {those} count here",
            context.profile.engine.name()
        ),
        (false, Some(evidence)) if evidence.allowed => {
            format!("`{name}` does not limit {way}: {out}, so its {those} do nothing")
        }
        (false, Some(_)) => {
            format!("`{name}` does not allow what its {those} list: {out}")
        }
        (false, None) => format!("the {those} of `{name}` do nothing: {out}"),
    };
    let message = if rules.len() == 1 {
        singular(message)
    } else {
        message
    };
    let mut finding = Finding::new(&RULE, message);
    if proof.is_none() && (acts || selects_pods(context, section)) {
        finding = finding
            .severity(Severity::Note)
            .note("no connection was found for which that makes a difference");
    }
    if let Some((_, types)) = &spec.policy_types {
        let types = first_line(context.sources, *types);
        finding = finding.at(types, format!("{api} is missing"));
    }
    if let Some(rule) = rules.first() {
        let rule = first_line(context.sources, rule.span);
        let text = if acts {
            "acts all the same"
        } else {
            "does nothing"
        };
        finding = finding.at(rule, text);
    }
    finding = proof.into_iter().fold(finding, Finding::evidence);
    let (why, fix): (&[_], _) = if acts {
        let fix = "say in policyTypes what is meant, so that every engine does the same";
        (&["K-10", "D-12"], fix.to_owned())
    } else {
        let fix = format!("add {api} to policyTypes, or delete the {way} section");
        (&["K-10", "X-13"], fix)
    };
    finding
        .why(why)
        .subject(context.policy_subject(id))
        .fix(Fix::advice(fix))
}

/// The same sentence about one rule.
fn singular(message: String) -> String {
    [
        (" rule do ", " rule does "),
        (" rule list:", " rule lists:"),
        (" rule count ", " rule counts "),
    ]
    .iter()
    .fold(message, |message, (plural, one)| {
        message.replace(plural, one)
    })
}

/// The pods of a policy. Where its own direction does not act, the other one does.
fn subjects<'c>(context: &'c Context<'_>, section: Section) -> &'c [EndpointId] {
    [opposite(section.direction), section.direction]
        .iter()
        .find_map(|direction| context.policy_ref(section.policy, *direction))
        .map_or(&[], |at| context.eval.subjects_of(at))
}

fn selects_pods(context: &Context<'_>, section: Section) -> bool {
    !subjects(context, section).is_empty()
}

/// A connection that would come out the other way if the section counted, or did not.
fn proof(
    context: &Context<'_>,
    probes: &Probes<'_, '_>,
    otherwise: &Evaluator<'_>,
    section: Section,
) -> Option<Evidence> {
    let direction = section.direction;
    let mut pods: Vec<EndpointId> = Vec::new();
    for id in subjects(context, section) {
        let policies = context.eval.policies_of(*id, direction);
        let known = |other: &EndpointId| context.eval.policies_of(*other, direction) == policies;
        if !pods.iter().any(known) {
            pods.push(*id);
        }
        if pods.len() == TRIED {
            break;
        }
    }
    pods.into_iter().find_map(|pod| {
        let mut tries: Vec<Connection> = match direction {
            Direction::Ingress => {
                let inside = probes.from_inside(pod);
                inside.chain(probes.from_outside(pod)).collect()
            }
            Direction::Egress => {
                let internet = probes.to_internet(pod);
                internet.chain(probes.to_metadata(pod)).collect()
            }
        };
        tries.extend(listed(context, otherwise, section, pod));
        tries.into_iter().find_map(|connection| {
            let other = match direction {
                Direction::Ingress => connection.from,
                Direction::Egress => connection.to,
            };
            let port = connection.port?;
            let side = |eval: &Evaluator<'_>| {
                let decision = eval.decide(direction, pod, other, connection.protocol, port);
                decision.is_allowed()
            };
            let here = side(context.eval);
            let verdict = context.eval.verdict(&connection);
            (here != side(otherwise) && verdict.allowed == here)
                .then(|| context.word(&connection, &verdict))
        })
    })
}

/// Connections that the rules of a section name: one for each of their first peers.
fn listed(
    context: &Context<'_>,
    otherwise: &Evaluator<'_>,
    section: Section,
    pod: EndpointId,
) -> Vec<Connection> {
    let direction = section.direction;
    let is_it = |policy: &&Policy| policy.origin == Origin::Kubernetes(section.policy);
    let lowered = [otherwise.ruleset, context.eval.ruleset]
        .into_iter()
        .flat_map(|ruleset| ruleset.tiers(direction))
        .flat_map(|tier| &tier.policies)
        .find(is_it);
    let rules = lowered.into_iter().flat_map(|policy| &policy.rules);
    let own = Party::Endpoint(pod);
    let mut found = Vec::new();
    for rule in rules.take(TRIED) {
        for peer in rule.peers.iter().take(TRIED) {
            let Some(peer) = some_party(context, peer, pod) else {
                continue;
            };
            let destination = match direction {
                Direction::Ingress => own,
                Direction::Egress => peer,
            };
            let Some((protocol, port)) = some_port(context, &rule.traffic, destination) else {
                continue;
            };
            found.push(match direction {
                Direction::Ingress => Connection::new(peer, own, protocol, port),
                Direction::Egress => Connection::new(own, peer, protocol, port),
            });
        }
    }
    found
}

fn some_party(context: &Context<'_>, peer: &Peer, pod: EndpointId) -> Option<Party> {
    match peer {
        Peer::Any => None,
        Peer::Endpoints(selector, _) => {
            let mut members = context.eval.members(selector).into_iter();
            members.find(|id| *id != pod).map(Party::Endpoint)
        }
        Peer::Block(block) => {
            let net = block.cidr.net;
            let ends = [net.network(), net.broadcast()];
            let inside = ends.into_iter().find(|ip| block.contains(*ip));
            inside.map(Party::Address)
        }
    }
}

fn some_port(
    context: &Context<'_>,
    traffic: &[PortMatch],
    destination: Party,
) -> Option<(Protocol, u16)> {
    let endpoint = match destination {
        Party::Endpoint(id) => Some(id),
        _ => None,
    };
    let declared = || endpoint.map_or((Protocol::Tcp, 80), |id| declared_port(context, id));
    traffic.iter().find_map(|item| match item {
        PortMatch::Everything => Some(declared()),
        PortMatch::Range {
            protocol, first: 0, ..
        } => Some((*protocol, declared().1)),
        PortMatch::Range {
            protocol, first, ..
        } => Some((*protocol, *first)),
        PortMatch::Named { protocol, name, .. } => {
            let name = context.world.symbols.get(name)?;
            let mut ports = context.world[endpoint?].ports.iter();
            let port = ports.find(|port| port.name == Some(name) && port.protocol == *protocol)?;
            Some((*protocol, port.number))
        }
    })
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::RULE;
    use crate::facts::metadata::Cloud;
    use crate::rules::testing::{findings, findings_on};

    fn check(yaml: &str, expected: Expect) {
        expected.assert_eq(&findings(&RULE, yaml));
    }

    #[test]
    fn k_10_x_13_ingress_is_not_limited() {
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
"#,
            expect![""],
        );
    }

    #[test]
    fn k_10_egress_is_not_limited() {
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {}
  policyTypes:
  - Ingress
  egress:
  - to: [{ipBlock: {cidr: 10.0.0.0/8}}]
  - to: [{ipBlock: {cidr: 192.168.0.0/16}}]
"#,
            expect![""],
        );
    }

    #[test]
    fn k_10_what_the_rules_list_is_denied() {
        // Another policy isolates the pod.
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
"#,
            expect![""],
        );
    }

    #[test]
    fn k_10_addresses_and_named_ports() {
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {containers: [{name: c, ports: [{name: pg, containerPort: 5432}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress: [{}]
  egress:
  - to: [{podSelector: {matchLabels: {app: db}}}]
    ports: [{port: pg}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
"#,
            expect![""],
        );
    }

    #[test]
    fn k_10_without_effect() {
        // Another policy allows the same and isolates.
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: same, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
"#,
            expect![""],
        );
    }

    #[test]
    fn k_10_allow_all_in_an_open_direction() {
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  egress: [{}]
"#,
            expect![""],
        );
    }

    #[test]
    fn policies_without_pods() {
        check(
            r#"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
"#,
            expect![""],
        );
    }

    #[test]
    fn listed_or_empty_sections() {
        check(
            r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: shop}
spec:
  podSelector: {}
  policyTypes: [Ingress]
  ingress: [{}]
  egress: []
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: b, namespace: shop}
spec:
  podSelector: {}
  ingress: [{}]
  egress: [{}]
"#,
            expect![""],
        );
    }

    #[test]
    fn d_12_on_cilium_the_section_acts() {
        let yaml = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
"#;
        let found = findings_on(&RULE, yaml, "cilium", Cloud::all());
        expect![""].assert_eq(&found);
    }

    #[test]
    fn d_12_on_cilium_without_effect() {
        let yaml = r#"
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: front, namespace: shop, labels: {app: front}}
spec: {containers: [{name: c, ports: [{containerPort: 8080}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Egress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: same, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
  ingress:
  - from:
    - podSelector: {matchLabels: {app: front}}
    ports: [{port: 8080}]
"#;
        let found = findings_on(&RULE, yaml, "cilium", Cloud::all());
        expect![""].assert_eq(&found);
    }
}
