//! The API server is allowed by its Service address or port, which policy does not see.
//!
//! ## What it finds
//! Egress rules for the API server that miss it, where the pods reach none of its addresses by any
//! other rule:
//! - an `ipBlock` of the address of the Service `default/kubernetes`;
//! - an `ipBlock` of the server's own addresses with port 443, while it listens on another port;
//! - port 443 for everybody or for a large block, as a warning, and only for pods with a
//!   ServiceAccount of their own: those probably talk to the API.
//!
//! The server's addresses come from the Service and EndpointSlice `default/kubernetes`, or from
//! static pods of the control plane. Without them only a block of exactly the address that the
//! Service has in common distributions is reported, as a warning. On an engine that looks before
//! translation (AWS VPC CNI) the Service address is right; there a note says so of rules that only
//! allow the server's own addresses.
//!
//! ## Why it matters
//! Pods dial `kubernetes.default` on 443. Most engines judge the translated connection, which goes
//! to a node or an outside address, often on 6443. A rule for what pods dial never matches, and
//! controllers lose the API.
//!
//! ## Example
//! ```yaml
//! - to:
//!   - ipBlock:
//!       cidr: 10.96.0.1/32      # the Service
//!   ports:
//!   - port: 443
//! ```
//!
//! ## Instead
//! ```yaml
//! - to:
//!   - ipBlock:
//!       cidr: 192.0.2.10/32     # kubectl -n default get endpointslices
//!   ports:
//!   - port: 6443
//! ```
//!
//! ## Semantics
//! - K-51: the number compared is the port of the server, not of its Service.
//! - K-79: a Service is translated to address and port of a backend before policy looks.
//! - K-83: a Service without selector behaves like the addresses behind it.
//! - X-7: the API server's port 443 is the Service's.

use std::net::IpAddr;

use super::api_server::{
    self, ApiServer, SERVICE_PORT, names_api_port, names_tcp, open_to_all, takes_tcp,
    usual_service_ips,
};
use super::{Check, Context, Rule, egress};
use crate::diag::{Finding, Severity};
use crate::engine::ServiceDnat;
use crate::eval::{Connection, Party};
use crate::policy::{self, Peer, RuleRef};
use crate::sets::{IpBlock, Protocol};
use crate::source::Span;
use crate::world::EndpointId;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "WT307",
    name: "api-server-by-service-address",
    severity: Severity::Error,
    summary: "the API server is allowed by its Service address or port, which policy does not see",
    source: include_str!("wt307_api_server_by_service_address.rs"),
    check: Check::World(check),
};

fn check(context: &Context<'_>, findings: &mut Vec<Finding>) {
    let mut rules = egress::rules(context)
        .filter(|(_, rule)| {
            let by_label = |peer: &Peer| matches!(peer, Peer::Endpoints(..));
            !rule.peers.iter().all(by_label)
        })
        .peekable();
    if rules.peek().is_none() {
        return;
    }
    let api = ApiServer::find(context);
    for (at, rule) in rules {
        let found = if let Some(dialled) = api.seen_before_translation(context) {
            backend_only(context, &api, at, rule, dialled)
        } else if api.addresses.is_empty() {
            usual_address(context, &api, at, rule)
        } else {
            service_address(context, &api, at, rule).or_else(|| port(context, &api, at, rule))
        };
        findings.extend(found);
    }
}

/// A block that is only as large as to be for the address it contains.
fn is_narrow(block: &IpBlock, ip: IpAddr) -> bool {
    let most = if ip.is_ipv4() { 28 } else { 124 };
    block.cidr.net.prefix_len() >= most && block.contains(ip)
}

fn blocks(rule: &policy::Rule) -> impl Iterator<Item = &IpBlock> + Clone {
    rule.peers.iter().filter_map(|peer| match peer {
        Peer::Block(block, _) => Some(block),
        _ => None,
    })
}

fn start(
    context: &Context<'_>,
    api: &ApiServer,
    at: RuleRef,
    client: EndpointId,
    what: &str,
) -> Finding {
    let client = context.party_name(Party::Endpoint(client));
    let name = context.name_of(at.policy);
    let places = api.places();
    let message = format!("`{client}` cannot reach the API server ({places}): `{name}` {what}");
    Finding::new(&RULE, message)
        .subject(context.subject_of(at.policy))
        .why(&["X-7", "K-79"])
}

/// Whether the ports of a rule are for the API server; an address that only may be its Service's
/// has to come with a port that names it.
fn is_for_api(api: &ApiServer, rule: &policy::Rule) -> bool {
    if api.service_ips.is_empty() {
        names_api_port(rule).is_some()
    } else {
        let mut ports = api.addresses.iter().map(|(_, port)| *port);
        takes_tcp(rule, SERVICE_PORT) || ports.any(|port| takes_tcp(rule, port))
    }
}

/// A block of the Service's address.
fn service_address(
    context: &Context<'_>,
    api: &ApiServer,
    at: RuleRef,
    rule: &policy::Rule,
) -> Option<Finding> {
    let known = api.service_ips.iter().copied();
    let usual = usual_service_ips().filter(|_| api.service_ips.is_empty());
    let (ip, span) = known.chain(usual).find_map(|ip| {
        let mut blocks = blocks(rule);
        let block = blocks.find(|block| is_narrow(block, ip))?;
        Some((ip, block.cidr.span))
    })?;
    if !is_for_api(api, rule) {
        return None;
    }
    let (client, denied) = api.shut(context, at.policy)?;
    let what = "allows its Service's address, which policy never sees";
    let finding = start(context, api, at, client, what)
        .at(span, "policy sees the addresses behind the Service")
        .evidence(context.evidence(&denied))
        .why(&["K-83"])
        .fix(api.fix(context, at.policy));
    Some(if api.service_ips.is_empty() {
        finding.severity(Severity::Warning).note(format!(
            "{ip} is the Service's address in common distributions; the Service of this cluster \
             is not in the input"
        ))
    } else {
        finding
    })
}

/// The Service's port where the server listens on another.
fn port(
    context: &Context<'_>,
    api: &ApiServer,
    at: RuleRef,
    rule: &policy::Rule,
) -> Option<Finding> {
    let span = names_tcp(rule, SERVICE_PORT)?;
    let (_, listens) = *api.addresses.first()?;
    if api.addresses.iter().any(|(_, port)| takes_tcp(rule, *port)) {
        return None;
    }
    let covers = |ip: IpAddr| rule.peers.iter().any(|peer| matches(peer, ip));
    if !api.addresses.iter().any(|(ip, _)| covers(*ip)) {
        return None;
    }
    let ips = api.addresses.iter().map(|(ip, _)| *ip);
    let for_server = blocks(rule).any(|block| ips.clone().any(|ip| is_narrow(block, ip)));
    let (client, denied) = api.shut(context, at.policy)?;
    let account = context.world[client].service_account.as_deref();
    let account = account.filter(|account| *account != "default");
    if !for_server && account.is_none() {
        return None;
    }
    let what = format!("allows port {SERVICE_PORT}, but the server listens on {listens}");
    let finding = start(context, api, at, client, &what)
        .at(
            span,
            "the port of its Service, which is translated before policy looks",
        )
        .evidence(context.evidence(&denied))
        .why(&["K-51"])
        .fix(api.fix(context, at.policy));
    Some(match account.filter(|_| !for_server) {
        Some(account) => finding.severity(Severity::Warning).note(format!(
            "the pods have the ServiceAccount `{account}`; if they do not use the API, nothing is \
             missing"
        )),
        None => finding,
    })
}

fn matches(peer: &Peer, ip: IpAddr) -> bool {
    match peer {
        Peer::Any => true,
        Peer::Block(block, _) => block.contains(ip),
        _ => false,
    }
}

/// A block of what is probably the Service's address, where the server's is not known.
fn usual_address(
    context: &Context<'_>,
    api: &ApiServer,
    at: RuleRef,
    rule: &policy::Rule,
) -> Option<Finding> {
    let known = api.service_ips.iter().copied();
    let usual = usual_service_ips().filter(|_| api.service_ips.is_empty());
    let (ip, span) = known.chain(usual).find_map(|ip| {
        let only = |block: &&IpBlock| {
            let length = if ip.is_ipv4() { 32 } else { 128 };
            block.cidr.net.prefix_len() == length && block.contains(ip)
        };
        Some((ip, blocks(rule).find(only)?.cidr.span))
    })?;
    let pre = context.eval.switches.service_dnat == ServiceDnat::Pre;
    if pre || !is_for_api(api, rule) || open_to_all(context, at.policy) {
        return None;
    }
    let name = context.name_of(at.policy);
    let finding = Finding::new(
        &RULE,
        format!("`{name}` allows {ip}, the API server's Service address, which policy never sees"),
    )
    .severity(Severity::Warning)
    .subject(context.subject_of(at.policy))
    .at(span, "policy sees the addresses behind the Service")
    .why(&["X-7", "K-79", "K-83"])
    .fix(api.fix(context, at.policy));
    let finding = if api.service_ips.is_empty() {
        finding.note(format!(
            "{ip} is that address in common distributions; the Service of this cluster is not in \
             the input"
        ))
    } else {
        finding
    };
    Some(finding.note(api_server::UNKNOWN))
}

/// The server's own address, where policy sees the Service's.
fn backend_only(
    context: &Context<'_>,
    api: &ApiServer,
    at: RuleRef,
    rule: &policy::Rule,
    dialled: IpAddr,
) -> Option<Finding> {
    let span = server_block(api, rule)?;
    let (client, _) = api.shut(context, at.policy)?;
    let connection = Connection::new(
        Party::Endpoint(client),
        Party::Address(dialled),
        Protocol::Tcp,
        SERVICE_PORT,
    );
    let verdict = context.eval.verdict(&connection);
    if verdict.allowed {
        return None;
    }
    let name = context.name_of(at.policy);
    Some(
        Finding::new(
            &RULE,
            format!(
                "`{name}` allows the API server's own address, but this engine sees what pods \
                 dial: {}",
                std::net::SocketAddr::new(dialled, SERVICE_PORT)
            ),
        )
        .severity(Severity::Note)
        .subject(context.subject_of(at.policy))
        .at(span, "an address behind the Service")
        .evidence(context.word(&connection, &verdict))
        .why(&["K-79"])
        .fix(api.fix(context, at.policy)),
    )
}

/// A narrow block of an address of the server, on its port.
fn server_block(api: &ApiServer, rule: &policy::Rule) -> Option<Span> {
    api.addresses.iter().find_map(|(ip, port)| {
        let mut blocks = blocks(rule);
        let block = blocks.find(|block| is_narrow(block, *ip))?;
        takes_tcp(rule, *port).then_some(block.cidr.span)
    })
}

#[cfg(test)]
mod tests;
