//! One end of a rule: who or what is there (C-35..C-43, C-47, C-50).

use super::nets;
use super::ports::{self, CalicoPort};
use super::selector::{self, Allowed, CalicoSelectorText};
use crate::diag::{Finding, Severity};
use crate::document::Node;
use crate::manifest::decode::{Decoder, Unknown};
use crate::rules::reading;
use crate::sets::Cidr;
use crate::source::Span;

/// What must hold of one end of a connection: all of it (C-35).
#[derive(Clone, Debug, Default)]
pub struct EntityRule {
    /// Known endpoints and sets by their labels (C-37, C-39, C-41).
    pub selector: Option<CalicoSelectorText>,
    /// The addresses of what this selects do not match (C-42).
    pub not_selector: Option<CalicoSelectorText>,
    /// The namespaces of what is selected (C-38).
    pub namespace_selector: Option<CalicoSelectorText>,
    /// Any of these networks; empty is any address (C-43).
    pub nets: Vec<Cidr>,
    /// None of these networks (C-43).
    pub not_nets: Vec<Cidr>,
    /// Any of these ports; empty is any (C-46).
    pub ports: Vec<CalicoPort>,
    /// None of these ports (C-47).
    pub not_ports: Vec<CalicoPort>,
    /// Pods by their service account (C-40).
    pub service_accounts: Option<ServiceAccountMatch>,
    /// The endpoints of a Service (C-50).
    pub service: Option<ServiceRef>,
    /// Where it is written, if it is.
    pub span: Option<Span>,
}

impl EntityRule {
    /// Whether it says anything about who is at this end.
    #[must_use]
    pub fn names_endpoints(&self) -> bool {
        self.selector.is_some()
            || self.not_selector.is_some()
            || self.namespace_selector.is_some()
            || self.service_accounts.is_some()
            || self.service.is_some()
            || !self.nets.is_empty()
            || !self.not_nets.is_empty()
    }
}

/// Service accounts by name and by label; both must hold (C-40).
#[derive(Clone, Debug)]
pub struct ServiceAccountMatch {
    /// Any of these names; empty is any.
    pub names: Vec<Box<str>>,
    /// Their labels.
    pub selector: Option<CalicoSelectorText>,
    /// Where it is written.
    pub span: Span,
}

/// A Service (C-50).
#[derive(Clone, Debug)]
pub struct ServiceRef {
    /// The name.
    pub name: Box<str>,
    /// The namespace; without one, no endpoints are found.
    pub namespace: Option<Box<str>>,
    /// Where it is written.
    pub span: Span,
}

/// Which end of which rule is decoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// `source` or `destination`.
    pub name: &'static str,
    /// The end at which the policy's own endpoint is.
    pub is_own: bool,
    /// Whether the policy lives in a namespace.
    pub namespaced: bool,
}

pub(super) fn decode(decoder: &mut Decoder, node: Option<Node<'_, '_>>, end: End) -> EntityRule {
    let Some(node) = node else {
        return EntityRule::default();
    };
    decoder.field(end.name, |decoder| {
        let [
            selector,
            not_selector,
            namespaces,
            nets,
            not_nets,
            ports,
            not_ports,
            accounts,
            services,
        ] = decoder.fields(
            node,
            [
                "selector",
                "notSelector",
                "namespaceSelector",
                "nets",
                "notNets",
                "ports",
                "notPorts",
                "serviceAccounts",
                "services",
            ],
            Unknown::Refuse,
        );
        let labels = Allowed::Labels;
        let entity = EntityRule {
            selector: selector::decode(decoder, "selector", selector, labels),
            not_selector: selector::decode(decoder, "notSelector", not_selector, labels),
            namespace_selector: selector::decode(
                decoder,
                "namespaceSelector",
                namespaces,
                Allowed::Global,
            ),
            nets: nets::rule(decoder, "nets", nets),
            not_nets: nets::rule(decoder, "notNets", not_nets),
            ports: ports::list(decoder, "ports", ports),
            not_ports: ports::list(decoder, "notPorts", not_ports),
            service_accounts: accounts.map(|node| service_accounts(decoder, node)),
            service: services.and_then(|node| service(decoder, node, end)),
            span: Some(node.span()),
        };
        if services.is_some() {
            beside_service(decoder, &entity, end);
        }
        entity
    })
}

fn service_accounts(decoder: &mut Decoder, node: Node<'_, '_>) -> ServiceAccountMatch {
    decoder.field("serviceAccounts", |decoder| {
        let [names, selector] = decoder.fields(node, ["names", "selector"], Unknown::Refuse);
        let names = decoder.items("names", names, |decoder, node| {
            Some((&*decoder.item_text(node)?).into())
        });
        ServiceAccountMatch {
            names,
            selector: selector::decode(decoder, "selector", selector, Allowed::AnyLength),
            span: node.span(),
        }
    })
}

fn service(decoder: &mut Decoder, node: Node<'_, '_>, end: End) -> Option<ServiceRef> {
    let ids = &["C-50"];
    decoder.field("services", |decoder| {
        let [name, namespace] = decoder.fields(node, ["name", "namespace"], Unknown::Refuse);
        let span = node.span();
        if end.is_own {
            let message = "a Service can only be at the other end of a connection";
            let help = "in ingress rules it is a source, in egress rules a destination";
            decoder.invalid(span, message, ids, Some(help));
            return None;
        }
        let name = decoder.text("name", name).filter(|name| !name.is_empty());
        let wrong_kind = namespace.is_some_and(|node| node.str().is_none());
        let namespace = decoder.text("namespace", namespace);
        let namespace = namespace.filter(|namespace| !namespace.is_empty());
        let Some(name) = name else {
            decoder.invalid(span, "`services` needs the `name` of a Service", ids, None);
            return None;
        };
        if namespace.is_none() && !wrong_kind {
            if end.namespaced {
                let message = format!(
                    "no `namespace` for Service `{}`: Calico finds no endpoints for it",
                    &*name
                );
                let finding = Finding::new(&reading::INVALID, message)
                    .severity(Severity::Warning)
                    .at(span, "")
                    .why(ids);
                decoder.warn(finding);
            } else {
                let message = "a GlobalNetworkPolicy must give the `namespace` of a Service";
                decoder.invalid(span, message, ids, None);
                return None;
            }
        }
        Some(ServiceRef {
            name: (&*name).into(),
            namespace: namespace.map(|namespace| (&*namespace).into()),
            span,
        })
    })
}

/// Refuses what cannot be combined with a Service (C-50).
fn beside_service(decoder: &mut Decoder, entity: &EntityRule, end: End) {
    let field = if entity.selector.is_some() {
        "selector"
    } else if entity.not_selector.is_some() {
        "notSelector"
    } else if entity.namespace_selector.is_some() {
        "namespaceSelector"
    } else if entity.service_accounts.is_some() {
        "serviceAccounts"
    } else if !entity.nets.is_empty() {
        "nets"
    } else if !entity.not_nets.is_empty() {
        "notNets"
    } else if end.name == "destination" && !entity.ports.is_empty() {
        "ports"
    } else if end.name == "destination" && !entity.not_ports.is_empty() {
        "notPorts"
    } else {
        return;
    };
    if let Some(span) = entity.span {
        let message = format!("`services` cannot be combined with `{field}`");
        decoder.invalid(span, message, &["C-50"], Some("write two rules"));
    }
}
