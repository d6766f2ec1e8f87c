//! A DNS rule allows port 53 of every address.
//!
//! ## What it finds
//! Egress rules that name port 53 and have no `to`, or an `ipBlock` of a whole address family.
//! Silent where another rule allows the same pods every port of every address: then this one adds
//! nothing, and the rules about addresses speak.
//!
//! ## Why it matters
//! Port 53 is the classic way out: whoever controls a pod can tunnel data through queries to a
//! server of their own, or run any protocol on that port. On clouds the rule also reaches the
//! resolvers on link-local addresses, such as 169.254.169.254. Where DNS is run by the nodes and
//! not by pods (Cloud DNS on GKE, EKS Auto Mode) no label can name it: allow its address instead.
//!
//! ## Example
//! ```yaml
//! egress:
//! - ports:
//!   - protocol: UDP
//!     port: 53
//! ```
//!
//! ## Instead
//! ```yaml
//! egress:
//! - to:
//!   - namespaceSelector:
//!       matchLabels:
//!         kubernetes.io/metadata.name: kube-system
//!     podSelector:
//!       matchLabels:
//!         k8s-app: kube-dns
//!   ports:
//!   - protocol: UDP
//!     port: 53
//!   - protocol: TCP
//!     port: 53
//! ```
//!
//! ## Semantics
//! - K-20: a rule without `to` means any peer, inside and outside the cluster.
//! - K-66: a block of a whole family is every address of that family.
//! - X-15: a DNS port without `to` is a hole for tunnels, and reaches the metadata resolver.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::resolvers::{Resolvers, dns_rules};
use super::{Check, Context, Rule, count, egress};
use crate::diag::{Finding, Fix, Severity};
use crate::eval::{Connection, Party};
use crate::manifest::Direction;
use crate::policy::{self, Peer, RuleRef};
use crate::sets::{PortMatch, Protocol};
use crate::source::Span;
use crate::world::EndpointId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT302",
    name: "dns-to-anyone",
    severity: Severity::Warning,
    summary: "a DNS rule allows port 53 of every address",
    source: include_str!("wt302_dns_to_anyone.rs"),
    check: Check::World(check),
};

const PORT: u16 = 53;
/// Addresses of the documentation ranges: nobody's in particular.
const STRANGER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 53));
const STRANGER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x53));
const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let mut rules = dns_rules(context).peekable();
    if rules.peek().is_none() {
        return;
    }
    let resolvers = context.resolvers();
    for (at, rule) in rules {
        findings.extend(judge(context, resolvers, at, rule));
    }
}

fn judge(
    context: &Context<'_>,
    resolvers: Option<&Resolvers>,
    at: RuleRef,
    rule: &policy::Rule,
) -> Option<Finding> {
    let (protocol, port_span) = rule.traffic.iter().find_map(names_port)?;
    let mut open = Open::of(rule)?;
    // The servers themselves ask resolvers anywhere.
    let serves = |id| resolvers.is_some_and(|resolvers| resolvers.serves(id));
    let query = |id, ip| Connection::new(Party::Endpoint(id), Party::Address(ip), protocol, PORT);
    let by_this =
        |id, ip| context.eval.allows(&query(id, ip)) && !open_anyway(context, id, protocol, ip);
    let strangers = [STRANGER_V4, STRANGER_V6].map(|ip| open.admits(ip).then_some(ip));
    let mut asking = egress::clients(context, at.policy).filter(|id| !serves(*id));
    let (client, ip) = asking.find_map(|id| {
        let mut strangers = strangers.into_iter().flatten();
        strangers.find(|ip| by_this(id, *ip)).map(|ip| (id, ip))
    })?;
    open.v4 &= by_this(client, STRANGER_V4);
    open.v6 &= by_this(client, STRANGER_V6);
    let connection = query(client, ip);
    let verdict = context.eval.verdict(&connection);
    let subjects = context.eval.subjects_of(at.policy).iter().copied();
    let read = subjects.filter(|id| !context.world[*id].assumed && !serves(*id));
    let names = context.workloads(read);
    let who = match names.only() {
        Some(name) => format!("`{name}`"),
        None => {
            let workloads = count(names.count, "workload");
            match context.namespace_of(at.policy) {
                Some(id) => format!("{workloads} of `{}`", context.world[id].name),
                None => workloads,
            }
        }
    };
    let message = format!("{who} can reach port {PORT} of {}", open.words());
    let mut finding = Finding::new(&RULE, message).subject(context.subject_of(at.policy));
    finding = match open.block {
        Some(span) => finding
            .at(span, "a whole address family")
            .at(port_span, "meant for DNS"),
        None => finding.at(
            port_span,
            "meant for DNS, but without `to` it is for any peer",
        ),
    };
    finding = finding.evidence(context.word(&connection, &verdict));
    let metadata = query(client, METADATA);
    let verdict = context.eval.verdict(&metadata);
    if verdict.allowed && open.v4 {
        finding = finding.evidence(context.word(&metadata, &verdict));
    }
    let known = resolvers.filter(|resolvers| !resolvers.assumed);
    if known.is_none() {
        finding = finding.note(
            "the input has no DNS servers: where the nodes run DNS (Cloud DNS on GKE, EKS Auto \
             Mode), allow the address that the pods' /etc/resolv.conf names",
        );
    }
    let why: &[&str] = match open.block {
        Some(_) => &["X-15", "K-66"],
        None => &["X-15", "K-20"],
    };
    Some(finding.why(why).fix(fix(context, known)))
}

/// The addresses that a rule admits because it admits all.
struct Open {
    v4: bool,
    v6: bool,
    except: bool,
    /// The first block of a whole family; none for a rule without peers.
    block: Option<Span>,
}

impl Open {
    fn of(rule: &policy::Rule) -> Option<Self> {
        let mut open = Self {
            v4: false,
            v6: false,
            except: false,
            block: None,
        };
        for peer in &rule.peers {
            match peer {
                Peer::Any => (open.v4, open.v6) = (true, true),
                Peer::Block(block, _) if block.is_whole_family() => {
                    open.v4 |= block.is_v4();
                    open.v6 |= !block.is_v4();
                    open.except |= !block.except.is_empty();
                    open.block = open.block.or(Some(block.cidr.span));
                }
                _ => {}
            }
        }
        (open.v4 || open.v6).then_some(open)
    }

    fn admits(&self, ip: IpAddr) -> bool {
        if ip.is_ipv4() { self.v4 } else { self.v6 }
    }

    fn words(&self) -> String {
        let family = match (self.v4, self.v6) {
            (true, true) => "every address",
            (true, false) => "every IPv4 address",
            (false, _) => "every IPv6 address",
        };
        let rest = if self.except {
            " that is not excepted"
        } else {
            ""
        };
        format!("{family}{rest}")
    }
}

fn names_port(item: &PortMatch) -> Option<(Protocol, Span)> {
    match item {
        PortMatch::Range {
            protocol: protocol @ (Protocol::Udp | Protocol::Tcp),
            first: PORT,
            last: PORT,
            span,
        } => Some((*protocol, *span)),
        _ => None,
    }
}

/// Whether another rule that does not name the port lets it through to anybody as well.
fn open_anyway(
    context: &Context<'_>,
    client: EndpointId,
    protocol: Protocol,
    stranger: IpAddr,
) -> bool {
    let policies = context.policies_of(client, Direction::Egress).iter();
    let mut rules = policies.flat_map(|at| &context.eval.ruleset[*at].rules);
    rules.any(|rule| admits(rule, stranger) && rule.traffic.iter().any(|item| wide(item, protocol)))
}

fn admits(rule: &policy::Rule, stranger: IpAddr) -> bool {
    rule.peers.iter().any(|peer| match peer {
        Peer::Any => true,
        Peer::Block(block, _) => block.contains(stranger),
        _ => false,
    })
}

/// Whether a port item takes in port 53 among others.
fn wide(item: &PortMatch, protocol: Protocol) -> bool {
    match item {
        PortMatch::Everything | PortMatch::Any => true,
        PortMatch::Range {
            protocol: of,
            first,
            last,
            ..
        } => *of == protocol && first < last && (*first..=*last).contains(&PORT),
        PortMatch::Except { .. } => item.takes(protocol, PORT),
        PortMatch::Named { .. } | PortMatch::Icmp { .. } => false,
    }
}

fn fix(context: &Context<'_>, known: Option<&Resolvers>) -> Fix {
    Fix::advice(
        match known.and_then(|resolvers| resolvers.places(context)) {
            Some(places) => format!("name the DNS servers in `to`: {places}"),
            None => "name the DNS servers in `to`: by their labels, or by their address".to_owned(),
        },
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::RULE;
    use crate::rules::testing::findings;

    const PODS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {containers: [{name: web}]}
---
";

    const DNS: &str = "
apiVersion: v1
kind: Pod
metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {containers: [{name: coredns}]}
---
";

    fn policy(egress: &str) -> String {
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

    #[test]
    fn x_15_a_dns_port_without_to_is_open_to_all() {
        let rule =
            policy("  - ports:\n    - {protocol: UDP, port: 53}\n    - {protocol: TCP, port: 53}");
        expect![[r#"
            warning[WT302] `shop/Pod/web` can reach port 53 of every address
              about: NetworkPolicy shop/allow-dns
              at t.yaml:21:7: `{protocol: UDP, port: 53}` meant for DNS, but without `to` it is for any peer
              evidence: shop/Pod/web -> ip:203.0.113.53:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:20:5]
              evidence: shop/Pod/web -> ip:169.254.169.254:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:20:5]
              why: X-15 K-20
              fix: name the DNS servers in `to`: pods labelled `k8s-app=kube-dns` in namespace `kube-system` on 53/udp and 53/tcp
        "#]].assert_eq(&findings(&RULE, &format!("{DNS}{PODS}{rule}")));
        // Without servers in the input.
        expect![[r#"
            warning[WT302] `shop/Pod/web` can reach port 53 of every address
              about: NetworkPolicy shop/allow-dns
              at t.yaml:15:7: `{protocol: UDP, port: 53}` meant for DNS, but without `to` it is for any peer
              evidence: shop/Pod/web -> ip:203.0.113.53:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:14:5]
              evidence: shop/Pod/web -> ip:169.254.169.254:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:14:5]
              note: the input has no DNS servers: where the nodes run DNS (Cloud DNS on GKE, EKS Auto Mode), allow the address that the pods' /etc/resolv.conf names
              why: X-15 K-20
              fix: name the DNS servers in `to`: by their labels, or by their address
        "#]].assert_eq(&findings(&RULE, &format!("{PODS}{rule}")));
    }

    #[test]
    fn k_66_so_is_a_block_of_a_whole_family() {
        for (cidr, expected) in [
            (
                "0.0.0.0/0",
                expect![[r#"
            warning[WT302] `shop/Pod/web` can reach port 53 of every IPv4 address
              about: NetworkPolicy shop/allow-dns
              at t.yaml:20:27: `0.0.0.0/0` a whole address family
              at t.yaml:21:13: `{protocol: UDP, port: 53}` meant for DNS
              evidence: shop/Pod/web -> ip:203.0.113.53:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:20:5]
              evidence: shop/Pod/web -> ip:169.254.169.254:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:20:5]
              why: X-15 K-66
              fix: name the DNS servers in `to`: pods labelled `k8s-app=kube-dns` in namespace `kube-system` on 53/udp and 53/tcp
        "#]],
            ),
            (
                "\"::/0\"",
                expect![[r#"
            warning[WT302] `shop/Pod/web` can reach port 53 of every IPv6 address
              about: NetworkPolicy shop/allow-dns
              at t.yaml:20:27: `"::/0"` a whole address family
              at t.yaml:21:13: `{protocol: UDP, port: 53}` meant for DNS
              evidence: shop/Pod/web -> ip:2001:db8::53:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:20:5]
              why: X-15 K-66
              fix: name the DNS servers in `to`: pods labelled `k8s-app=kube-dns` in namespace `kube-system` on 53/udp and 53/tcp
        "#]],
            ),
        ] {
            let rule = policy(&format!(
                "  - to: [{{ipBlock: {{cidr: {cidr}}}}}]\n    ports: [{{protocol: UDP, port: 53}}]"
            ));
            expected.assert_eq(&findings(&RULE, &format!("{DNS}{PODS}{rule}")));
        }
    }

    #[test]
    fn exceptions_leave_the_hole_and_the_metadata_resolver_is_only_named_if_open() {
        let rule = policy(
            "  - to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]
    ports: [{protocol: UDP, port: 53}]",
        );
        expect![[r#"
            warning[WT302] `shop/Pod/web` can reach port 53 of every IPv4 address that is not excepted
              about: NetworkPolicy shop/allow-dns
              at t.yaml:20:27: `0.0.0.0/0` a whole address family
              at t.yaml:21:13: `{protocol: UDP, port: 53}` meant for DNS
              evidence: shop/Pod/web -> ip:203.0.113.53:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:20:5]
              why: X-15 K-66
              fix: name the DNS servers in `to`: pods labelled `k8s-app=kube-dns` in namespace `kube-system` on 53/udp and 53/tcp
        "#]].assert_eq(&findings(&RULE, &format!("{DNS}{PODS}{rule}")));
    }

    #[test]
    fn named_peers_and_open_rules_are_silent() {
        for rule in [
            "  - to: [{namespaceSelector: {}}]\n    ports: [{protocol: UDP, port: 53}]",
            "  - to: [{ipBlock: {cidr: 10.0.0.0/8}}]\n    ports: [{protocol: UDP, port: 53}]",
            "  - {}",
            "  - ports: [{protocol: UDP, port: 1, endPort: 65535}]",
            "  - ports: [{protocol: UDP, port: 53}]\n  - {}",
        ] {
            let yaml = format!("{DNS}{PODS}{}", policy(rule));
            assert_eq!(findings(&RULE, &yaml), "", "{rule}");
        }
    }

    #[test]
    fn k_68_a_pod_of_either_family_is_enough() {
        let status = "status: {phase: Running, podIP: \"fd00::5\"}\n---\n";
        let pod = format!("{}{status}", PODS.trim_end_matches("---\n"));
        let rule = policy("  - ports: [{protocol: UDP, port: 53}]");
        expect![[r#"
            warning[WT302] `shop/Pod/web` can reach port 53 of every IPv6 address
              about: NetworkPolicy shop/allow-dns
              at t.yaml:21:13: `{protocol: UDP, port: 53}` meant for DNS, but without `to` it is for any peer
              evidence: shop/Pod/web -> ip:2001:db8::53:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:21:5]
              why: X-15 K-20
              fix: name the DNS servers in `to`: pods labelled `k8s-app=kube-dns` in namespace `kube-system` on 53/udp and 53/tcp
        "#]].assert_eq(&findings(&RULE, &format!("{DNS}{pod}{rule}")));
    }

    #[test]
    fn k_66_an_open_block_of_one_family_does_not_excuse_the_other() {
        let rule = policy(
            "  - ports: [{protocol: UDP, port: 53}]\n  - to: [{ipBlock: {cidr: 0.0.0.0/0}}]",
        );
        expect![[r#"
            warning[WT302] `shop/Pod/web` can reach port 53 of every IPv6 address
              about: NetworkPolicy shop/allow-dns
              at t.yaml:20:13: `{protocol: UDP, port: 53}` meant for DNS, but without `to` it is for any peer
              evidence: shop/Pod/web -> ip:2001:db8::53:53/udp ALLOWED: NetworkPolicy shop/allow-dns egress rule 1 allows it [t.yaml:20:5]
              why: X-15 K-20
              fix: name the DNS servers in `to`: pods labelled `k8s-app=kube-dns` in namespace `kube-system` on 53/udp and 53/tcp
        "#]].assert_eq(&findings(&RULE, &format!("{DNS}{PODS}{rule}")));
    }

    #[test]
    fn workloads_of_a_policy_are_counted() {
        let other = PODS.replace("web", "api");
        let rule = policy("  - ports: [{protocol: UDP, port: 53}]");
        let found = findings(&RULE, &format!("{DNS}{PODS}{other}{rule}"));
        let message = "warning[WT302] 2 workloads of `shop` can reach port 53 of every address\n";
        assert!(found.starts_with(message), "{found}");
    }

    #[test]
    fn servers_ask_resolvers_anywhere() {
        let rule = policy("  - ports: [{protocol: UDP, port: 53}]").replace("shop", "kube-system");
        assert_eq!(findings(&RULE, &format!("{DNS}{PODS}{rule}")), "");
    }

    #[test]
    fn a_policy_that_selects_no_pod_opens_nothing() {
        let rule = policy("  - ports: [{protocol: UDP, port: 53}]").replace("shop", "blog");
        assert_eq!(findings(&RULE, &format!("{DNS}{PODS}{rule}")), "");
    }
}
