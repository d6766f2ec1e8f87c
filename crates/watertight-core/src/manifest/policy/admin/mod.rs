//! AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy as written (A- rules).
//!
//! v1alpha2 replaced the first two by the third. All become one form: a tier, a priority, a subject
//! and ordered rules. What differs between them ends in this folder.

mod peers;
mod ports;

pub use peers::{AdminPeer, AdminPeerKind, DomainName, Relation};
pub use ports::AdminPort;

use super::Written;
use crate::document::Node;
use crate::manifest::Direction;
use crate::manifest::decode::{Decoder, Unknown};
use crate::sets::LabelSelector;
use crate::source::Span;

/// Where an admin policy stands among the tiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminTier {
    /// Before NetworkPolicy.
    Admin,
    /// Behind NetworkPolicy.
    Baseline,
}

/// What a rule does (A-3..A-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminAction {
    /// `Accept`, or `Allow` in v1alpha1.
    Accept,
    /// `Deny`.
    Deny,
    /// `Pass`.
    Pass,
}

/// AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy.
#[derive(Clone, Debug)]
pub struct AdminPolicy {
    /// The tier.
    pub tier: AdminTier,
    /// The place in the tier, the lowest first; 0 for a BaselineAdminNetworkPolicy, which has
    /// none.
    pub priority: u16,
    /// The pods it applies to.
    pub subject: AdminPods,
    /// Rules for connections to the subject, in order.
    pub ingress: Vec<AdminRule>,
    /// Rules for connections from the subject, in order.
    pub egress: Vec<AdminRule>,
    /// Where the spec is.
    pub span: Span,
}

impl AdminPolicy {
    /// The domain names that its rules name.
    pub(super) fn domains(&self) -> Vec<&str> {
        let peers = self.egress.iter().flat_map(|rule| &rule.peers);
        let names = peers.flat_map(|peer| match &peer.kind {
            AdminPeerKind::Domains(names) => names.as_slice(),
            _ => &[],
        });
        names.map(|name| &*name.text).collect()
    }

    /// The rules of a direction.
    #[must_use]
    pub fn rules(&self, direction: Direction) -> &[AdminRule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// Pods by the labels of their namespace and their own (A-18..A-20).
#[derive(Clone, Debug)]
pub struct AdminPods {
    /// The namespaces.
    pub namespaces: LabelSelector,
    /// The pods in them; everything if only namespaces are written.
    pub pods: LabelSelector,
    /// Where it is.
    pub span: Span,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct AdminRule {
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
    /// What it does.
    pub action: AdminAction,
    /// The peers, at least one.
    pub peers: Vec<AdminPeer>,
    /// The traffic; none is everything.
    pub ports: Option<Vec<AdminPort>>,
    /// Where it is.
    pub span: Span,
}

/// A kind and its version: what its schema allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// AdminNetworkPolicy, v1alpha1.
    Admin,
    /// BaselineAdminNetworkPolicy, v1alpha1.
    Baseline,
    /// ClusterNetworkPolicy, v1alpha2.
    Cluster,
}

impl Form {
    fn of(kind: &str) -> Self {
        match kind {
            "AdminNetworkPolicy" => Self::Admin,
            "BaselineAdminNetworkPolicy" => Self::Baseline,
            _ => Self::Cluster,
        }
    }

    /// How many rules, peers or port items there may be.
    fn most(self) -> usize {
        match self {
            Self::Admin | Self::Baseline => 100,
            Self::Cluster => 25,
        }
    }

    /// The name of a rule's list of ports.
    fn ports_field(self) -> &'static str {
        match self {
            Self::Admin | Self::Baseline => "ports",
            Self::Cluster => "protocols",
        }
    }

    /// What admits is called.
    fn accept(self) -> &'static str {
        match self {
            Self::Admin | Self::Baseline => "Allow",
            Self::Cluster => "Accept",
        }
    }
}

pub(super) fn decode(decoder: &mut Decoder, written: &Written<'_, '_, '_>) -> Option<AdminPolicy> {
    let form = Form::of(written.kind.kind);
    if form == Form::Baseline && written.name != "default" {
        decoder.field("metadata", |decoder| {
            decoder.field("name", |decoder| {
                decoder.invalid(
                    written.name_span,
                    "a BaselineAdminNetworkPolicy must be called `default`",
                    &["A-44"],
                    None,
                );
            });
        });
    }
    let Some(spec) = written.spec else {
        decoder.invalid(written.span, "the object needs a `spec`", &["A-18"], None);
        return None;
    };
    decoder.field("spec", |decoder| policy(decoder, spec, form))
}

fn policy(decoder: &mut Decoder, node: Node<'_, '_>, form: Form) -> Option<AdminPolicy> {
    let [tier_at, priority_at, subject_at, ingress, egress] = match form {
        Form::Cluster => {
            let known = ["tier", "priority", "subject", "ingress", "egress"];
            decoder.fields(node, known, Unknown::Refuse)
        }
        Form::Admin => {
            let known = ["priority", "subject", "ingress", "egress"];
            let [priority, subject, ingress, egress] = decoder.fields(node, known, Unknown::Refuse);
            [None, priority, subject, ingress, egress]
        }
        Form::Baseline => {
            let known = ["subject", "ingress", "egress"];
            let [subject, ingress, egress] = decoder.fields(node, known, Unknown::Refuse);
            [None, None, subject, ingress, egress]
        }
    };
    let tier = match form {
        Form::Admin => Some(AdminTier::Admin),
        Form::Baseline => Some(AdminTier::Baseline),
        Form::Cluster => tier(decoder, tier_at, node),
    };
    let priority = match form {
        Form::Baseline => Some(0),
        Form::Admin | Form::Cluster => priority(decoder, priority_at, node),
    };
    let subject = subject(decoder, subject_at, node, form);
    let ingress = rules(decoder, Direction::Ingress, ingress, form);
    let egress = rules(decoder, Direction::Egress, egress, form);
    Some(AdminPolicy {
        tier: tier?,
        priority: priority?,
        subject: subject?,
        ingress,
        egress,
        span: node.span(),
    })
}

fn tier(
    decoder: &mut Decoder,
    node: Option<Node<'_, '_>>,
    spec: Node<'_, '_>,
) -> Option<AdminTier> {
    let help = Some("use Admin or Baseline");
    let Some(node) = node else {
        decoder.invalid(spec.span(), "the policy needs a `tier`", &["A-43"], help);
        return None;
    };
    let text = decoder.text("tier", Some(node))?;
    match &*text {
        "Admin" => Some(AdminTier::Admin),
        "Baseline" => Some(AdminTier::Baseline),
        other => {
            let message = format!("`{other}` is no tier");
            decoder.field("tier", |decoder| {
                decoder.invalid(text.span, message, &["A-43"], help);
            });
            None
        }
    }
}

fn priority(decoder: &mut Decoder, node: Option<Node<'_, '_>>, spec: Node<'_, '_>) -> Option<u16> {
    if node.is_none() {
        let help = Some("add a number from 0 (first) to 1000");
        decoder.invalid(
            spec.span(),
            "the policy needs a `priority`",
            &["A-42"],
            help,
        );
        return None;
    }
    let (value, span) = decoder.integer("priority", node)?;
    match u16::try_from(value) {
        Ok(priority @ 0..=1000) => Some(priority),
        _ => {
            decoder.field("priority", |decoder| {
                let message = format!("priority {value} is not between 0 and 1000");
                decoder.invalid(span, message, &["A-42"], None);
            });
            None
        }
    }
}

fn subject(
    decoder: &mut Decoder,
    node: Option<Node<'_, '_>>,
    spec: Node<'_, '_>,
    form: Form,
) -> Option<AdminPods> {
    let Some(node) = node else {
        let help = Some("write `subject: {namespaces: {}}` for all pods");
        decoder.invalid(spec.span(), "the policy needs a `subject`", &["A-18"], help);
        return None;
    };
    decoder.field("subject", |decoder| {
        let fields = decoder.fields(node, ["namespaces", "pods"], Unknown::Refuse);
        if !one_of(decoder, node, &fields, "a subject", &["A-46", "A-18"]) {
            return None;
        }
        let [namespaces, pods] = fields;
        match (namespaces, pods) {
            (Some(namespaces), _) => Some(peers::namespaces(decoder, namespaces)),
            (None, pods) => peers::pods(decoder, pods?, form),
        }
    })
}

/// Reports an object that does not have exactly one of its fields.
fn one_of(
    decoder: &mut Decoder,
    node: Node<'_, '_>,
    fields: &[Option<Node<'_, '_>>],
    what: &str,
    ids: &[&'static str],
) -> bool {
    let count = fields.iter().flatten().count();
    if count == 1 {
        return true;
    }
    if matches!(
        node.kind(),
        crate::document::Kind::Mapping | crate::document::Kind::Null
    ) {
        let found = if count == 0 { "none" } else { "more" };
        let message = format!("{what} has exactly one field; this one has {found}");
        decoder.invalid(node.span(), message, ids, None);
    }
    false
}

/// Reports a list that is longer than its schema allows.
fn at_most(decoder: &mut Decoder, name: &'static str, node: Option<Node<'_, '_>>, most: usize) {
    let Some(node) = node else {
        return;
    };
    let count = node.items().count();
    if count > most {
        decoder.field(name, |decoder| {
            let message = format!("{count} items; the most are {most}");
            decoder.invalid(node.span(), message, &["A-45"], None);
        });
    }
}

fn rules(
    decoder: &mut Decoder,
    direction: Direction,
    node: Option<Node<'_, '_>>,
    form: Form,
) -> Vec<AdminRule> {
    at_most(decoder, direction.word(), node, form.most());
    decoder.items(direction.word(), node, |decoder, node| {
        rule(decoder, direction, node, form)
    })
}

fn rule(
    decoder: &mut Decoder,
    direction: Direction,
    node: Node<'_, '_>,
    form: Form,
) -> Option<AdminRule> {
    let (peers_field, ports_field) = (direction.peer_field(), form.ports_field());
    let known = ["name", "action", peers_field, ports_field];
    let [name, action_at, peers_at, ports_at] = decoder.fields(node, known, Unknown::Refuse);
    let name = decoder.text("name", name);
    if let Some(name) = name.as_ref().filter(|name| name.chars().count() > 100) {
        decoder.field("name", |decoder| {
            let message = "the name of a rule has at most 100 characters";
            decoder.invalid(name.span, message, &["A-45"], None);
        });
    }
    let action = action(decoder, node, action_at, form);
    if peers_at.is_none_or(|peers| peers.items().next().is_none()) {
        let message = format!("the rule needs a peer in `{peers_field}`");
        let help = "unlike in a NetworkPolicy, leaving the list out does not mean anyone";
        decoder.invalid(node.span(), message, &["A-47", "A-22"], Some(help));
    }
    at_most(decoder, peers_field, peers_at, form.most());
    let peers = decoder.items(peers_field, peers_at, |decoder, node| {
        peers::peer(decoder, node, direction, form)
    });
    let ports = ports::list(decoder, ports_at, form);
    named_ports_need_pods(decoder, ports.as_deref(), &peers);
    let action = action?;
    if action != AdminAction::Accept {
        peers::domains_need_accept(decoder, &peers, form);
    }
    Some(AdminRule {
        name: name.map(|name| (&*name).into()),
        action,
        peers,
        ports,
        span: node.span(),
    })
}

fn action(
    decoder: &mut Decoder,
    rule: Node<'_, '_>,
    node: Option<Node<'_, '_>>,
    form: Form,
) -> Option<AdminAction> {
    let choices = match form {
        Form::Admin => "use Allow, Deny or Pass",
        Form::Baseline => "use Allow or Deny",
        Form::Cluster => "use Accept, Deny or Pass",
    };
    let Some(node) = node else {
        let message = "the rule needs an `action`";
        decoder.invalid(rule.span(), message, &["A-43"], Some(choices));
        return None;
    };
    let text = decoder.text("action", Some(node))?;
    match &*text {
        "Deny" => Some(AdminAction::Deny),
        //
        "Pass" if form != Form::Baseline => Some(AdminAction::Pass),
        word if word == form.accept() => Some(AdminAction::Accept),
        other => {
            let message = format!("`{other}` is no action here");
            decoder.field("action", |decoder| {
                decoder.invalid(text.span, message, &["A-43"], Some(choices));
            });
            None
        }
    }
}

///
fn named_ports_need_pods(decoder: &mut Decoder, ports: Option<&[AdminPort]>, peers: &[AdminPeer]) {
    let named = ports.into_iter().flatten().find_map(|port| match port {
        AdminPort::Named { span, .. } => Some(*span),
        AdminPort::Range { .. } => None,
    });
    let nameless = peers.iter().any(|peer| {
        matches!(
            peer.kind,
            AdminPeerKind::Nodes(_) | AdminPeerKind::Networks(_) | AdminPeerKind::Domains(_)
        )
    });
    if let Some(span) = named.filter(|_| nameless) {
        let message =
            "a rule with named ports cannot have networks, nodes or domain names as peers";
        let help = "write a rule of its own for them: only pods have named ports";
        decoder.invalid(span, message, &["A-38"], Some(help));
    }
}

#[cfg(test)]
mod tests;
