//! A DNS rule allows another port than the DNS servers listen on.
//!
//! ## What it finds
//! Egress rules for port 53 or 5353 whose peers take in the DNS servers, where the servers listen
//! on another port, and the pods reach them by no other rule. The usual case is OpenShift: clients
//! dial port 53 of the Service, its pods listen on 5353. The reverse is a rule that was written
//! for OpenShift on another cluster. Silent if the input has no DNS servers.
//!
//! ## Why it matters
//! Policy is judged after the Service's translation, so the port that clients dial never shows up.
//! The rule reads right, and no name resolves.
//!
//! ## Example
//! ```yaml
//! - to:
//!   - namespaceSelector:
//!       matchLabels:
//!         kubernetes.io/metadata.name: openshift-dns
//!   ports:
//!   - protocol: UDP
//!     port: 53
//! ```
//!
//! ## Instead
//! ```yaml
//! - to:
//!   - namespaceSelector:
//!       matchLabels:
//!         kubernetes.io/metadata.name: openshift-dns
//!   ports:
//!   - protocol: UDP
//!     port: 5353
//!   - protocol: TCP
//!     port: 5353
//! ```
//!
//! ## Semantics
//! - K-51: the number compared is the port on the pod.
//! - K-79: a Service is translated to pod and target port before policy looks.
//! - X-10: OpenShift's DNS pods listen on 5353.

use super::resolvers::{Class, Judged, Resolvers, State, dns_rules, listens, takes_port};
use super::{Check, Context, Rule};
use crate::diag::{Edit, Finding, Fix, Severity};
use crate::policy::{self, RuleRef};
use crate::sets::{PortMatch, Protocol};
use crate::source::Span;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT305",
    name: "dns-wrong-port",
    severity: Severity::Error,
    summary: "a DNS rule allows another port than the DNS servers listen on",
    source: include_str!("wt305_dns_wrong_port.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let Some(resolvers) = context.resolvers() else {
        return;
    };
    // Assumed servers prove no port wrong.
    if resolvers.assumed {
        return;
    }
    for (at, rule) in dns_rules(context) {
        findings.extend(judge(context, resolvers, at, rule));
    }
}

/// A port item for DNS, with the port that it ought to have.
struct Wrong {
    span: Span,
    written: u16,
    right: u16,
    protocol: Protocol,
}

fn judge(
    context: &Context<'_>,
    resolvers: &Resolvers,
    at: RuleRef,
    rule: &policy::Rule,
) -> Option<Finding> {
    let admitted: Vec<&Class> = resolvers
        .classes
        .iter()
        .filter(|class| {
            let mut peers = rule.peers.iter();
            peers.any(|peer| resolvers.admits(context, peer, class.server.endpoint))
        })
        .collect();
    let client = resolvers.client_of(context, at.policy)?;
    let wrong: Vec<(Wrong, Judged)> = [Protocol::Udp, Protocol::Tcp]
        .into_iter()
        .filter_map(|protocol| {
            let wrong = wrong_port(context, rule, &admitted, protocol)?;
            let asked = resolvers.ask(context, client, protocol);
            let shut = asked.shut.filter(|_| asked.state == State::Shut)?;
            (!shut.verdict.egress.is_allowed()).then_some((wrong, shut))
        })
        .collect();
    let (first, _) = wrong.first()?;
    let name = context.name_of(at.policy);
    let mut finding = Finding::new(
        &RULE,
        format!(
            "the DNS rule of `{name}` allows port {}, but the DNS servers listen on {}",
            first.written, first.right
        ),
    )
    .subject(context.subject_of(at.policy));
    let mut edits = Some(Vec::new());
    for (wrong, shut) in &wrong {
        let remark = format!(
            "the servers listen on {}/{}",
            wrong.right,
            wrong.protocol.word()
        );
        let number = number(context, wrong.span, wrong.written);
        finding = finding
            .at(number.unwrap_or(wrong.span), remark)
            .evidence(context.word(&shut.connection, &shut.verdict));
        edits = edits.zip(number).map(|(mut edits, span)| {
            let text = wrong.right.to_string();
            edits.push(Edit { span, text });
            edits
        });
    }
    let by_service = resolvers.service.is_some_and(|id| {
        let mut ports = context.world[id].ports.iter();
        ports.any(|port| port.port == first.written)
    });
    if by_service {
        finding = finding.note(format!(
            "{} is the port of the DNS Service; policy sees the port of the pods behind it",
            first.written
        ));
    }
    let advice = Fix::advice(format!("allow port {}", first.right));
    Some(finding.why(&["K-51", "K-79", "X-10"]).fix(match edits {
        Some(edits) => Fix { edits, ..advice },
        None => advice,
    }))
}

/// The item of a protocol that names a DNS port, if no item of the rule takes in a server's.
fn wrong_port(
    context: &Context<'_>,
    rule: &policy::Rule,
    admitted: &[&Class],
    protocol: Protocol,
) -> Option<Wrong> {
    let mut servers = admitted.iter().filter_map(|class| {
        let port = listens(&class.server, protocol)?;
        Some((class.server.endpoint, port))
    });
    let taken = |(server, port)| {
        let mut items = rule.traffic.iter();
        items.any(|item| takes_port(context.world, item, server, protocol, port))
    };
    let (_, right) = servers.clone().next()?;
    if servers.any(taken) {
        return None;
    }
    rule.traffic.iter().find_map(|item| match item {
        PortMatch::Range {
            protocol: of,
            first: written @ (53 | 5353),
            last,
            span,
        } if *of == protocol && written == last => Some(Wrong {
            span: *span,
            written: *written,
            right,
            protocol,
        }),
        _ => None,
    })
}

/// Where a number stands in a port item, if it stands there once.
fn number(context: &Context<'_>, item: Span, number: u16) -> Option<Span> {
    let text = context.sources.text(item);
    let digits = number.to_string();
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let mut places = text.match_indices(&digits).filter(|(at, _)| {
        let (before, rest) = text.split_at(*at);
        let after = rest.chars().nth(digits.len());
        !part_of_word(before.chars().next_back()) && !part_of_word(after)
    });
    let (at, _) = places.next()?;
    if places.next().is_some() {
        return None;
    }
    let start = usize::try_from(item.start).ok()?.checked_add(at)?;
    Some(Span::new(item.file, start, start + digits.len()))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::RULE;
    use crate::rules::testing::findings;

    const OPENSHIFT: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: dns-default-x
  namespace: openshift-dns
  labels: {dns.operator.openshift.io/daemonset-dns: default}
spec:
  containers:
  - name: dns
    ports:
    - {name: dns, containerPort: 5353, protocol: UDP}
    - {name: dns-tcp, containerPort: 5353}
---
apiVersion: v1
kind: Service
metadata: {name: dns-default, namespace: openshift-dns}
spec:
  clusterIP: 172.30.0.10
  selector: {dns.operator.openshift.io/daemonset-dns: default}
  ports:
  - {name: dns, port: 53, protocol: UDP, targetPort: dns}
  - {name: dns-tcp, port: 53, targetPort: dns-tcp}
---
";

    const KUBE_DNS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: coredns}]}
---
";

    const WEB: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: web}]}
---
";

    fn rule(egress: &str) -> String {
        format!(
            "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: allow-dns, namespace: shop}}
spec:
  podSelector: {{}}
  policyTypes: [Egress]
  egress:
{egress}
"
        )
    }

    const PORT_53: &str = "  - to: [{namespaceSelector: {}}]
    ports:
    - protocol: UDP
      port: 53
    - port: 53
      protocol: TCP";

    #[test]
    fn x_10_port_53_on_openshift() {
        let yaml = format!("{OPENSHIFT}{WEB}{}", rule(PORT_53));
        expect![[r#"
            error[WT305] the DNS rule of `shop/allow-dns` allows port 53, but the DNS servers listen on 5353
              about: NetworkPolicy shop/allow-dns
              at t.yaml:41:13: `53` the servers listen on 5353/udp
              at t.yaml:42:13: `53` the servers listen on 5353/tcp
              evidence: shop/Pod/web -> openshift-dns/Pod/dns-default-x:5353/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:33:18]
              evidence: shop/Pod/web -> openshift-dns/Pod/dns-default-x:5353/tcp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:33:18]
              note: 53 is the port of the DNS Service; policy sees the port of the pods behind it
              why: K-51 K-79 X-10
              fix: allow port 5353
                t.yaml:41:13: "53" => "5353"
                t.yaml:42:13: "53" => "5353"
        "#]].assert_eq(&findings(&RULE, &yaml));
        let fixed = rule(&PORT_53.replace("53", "5353"));
        assert_eq!(findings(&RULE, &format!("{OPENSHIFT}{WEB}{fixed}")), "");
    }

    #[test]
    fn k_51_the_reverse_and_flow_style() {
        let reverse = rule("  - ports: [{protocol: UDP, port: 5353}]");
        expect![[r#"
            error[WT305] the DNS rule of `shop/allow-dns` allows port 5353, but the DNS servers listen on 53
              about: NetworkPolicy shop/allow-dns
              at t.yaml:20:35: `5353` the servers listen on 53/udp
              evidence: shop/Pod/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:15:18]
              why: K-51 K-79 X-10
              fix: allow port 53
                t.yaml:20:35: "5353" => "53"
        "#]].assert_eq(&findings(&RULE, &format!("{KUBE_DNS}{WEB}{reverse}")));
    }

    #[test]
    fn a_number_that_stands_there_twice_is_not_edited() {
        let twice = rule("  - ports: [{protocol: UDP, port: 5353, endPort: 5353}]");
        expect![[r#"
            error[WT305] the DNS rule of `shop/allow-dns` allows port 5353, but the DNS servers listen on 53
              about: NetworkPolicy shop/allow-dns
              at t.yaml:20:13: `{protocol: UDP, port: 5353, endPort: 5353}` the servers listen on 53/udp
              evidence: shop/Pod/web -> kube-system/Pod/coredns:53/udp DENIED: NetworkPolicy shop/allow-dns isolates shop/Pod/web for egress and none of its rules matches [t.yaml:15:18]
              why: K-51 K-79 X-10
              fix: allow port 53
        "#]].assert_eq(&findings(&RULE, &format!("{KUBE_DNS}{WEB}{twice}")));
    }

    #[test]
    fn rules_that_reach_the_servers_are_silent() {
        for egress in [
            "  - ports: [{protocol: UDP, port: 53}, {protocol: UDP, port: 5353}]",
            "  - ports: [{protocol: UDP, port: 53}]\n  - ports: [{protocol: UDP, port: 5353}]",
            "  - ports: [{protocol: UDP, port: dns}, {protocol: UDP, port: 53}]",
            "  - ports: [{protocol: UDP, port: 53, endPort: 6000}]",
            "  - {}",
        ] {
            let yaml = format!("{OPENSHIFT}{WEB}{}", rule(egress));
            assert_eq!(findings(&RULE, &yaml), "", "{egress}");
        }
        let usual = rule(PORT_53);
        assert_eq!(findings(&RULE, &format!("{KUBE_DNS}{WEB}{usual}")), "");
    }

    #[test]
    fn rules_for_somebody_else_are_silent() {
        let other = rule("  - to: [{podSelector: {}}]\n    ports: [{protocol: UDP, port: 53}]");
        assert_eq!(findings(&RULE, &format!("{OPENSHIFT}{WEB}{other}")), "");
    }

    #[test]
    fn m_2_assumed_servers_prove_nothing() {
        let openshift = rule(&PORT_53.replace("53", "5353"));
        assert_eq!(findings(&RULE, &format!("{WEB}{openshift}")), "");
    }
}
