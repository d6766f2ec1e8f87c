//! What `lab probe` says of a connection: what was seen, what was predicted, and whether that is the same.

use std::collections::BTreeMap;
use std::net::IpAddr;

use watertight_core::facts::metadata::Cloud;
use watertight_core::rules::Context;
use watertight_core::world::NodeId;
use watertight_node::nft::compile::Compiled;
use watertight_node::probe::{Outcome, Rejection};

use crate::exit::Exit;
use crate::output::{one_line, wrap};

use super::probe::Asking;
use super::tries::Try;

/// Whether what happened is what was predicted.
pub(super) fn judged(one: &Try, outcome: &Outcome) -> (Exit, &'static str) {
    let arrived = match outcome {
        // The node refuses in the name of the Service.
        Outcome::Refused | Outcome::Rejected { .. } if one.predicted.is_empty() => Some(false),
        Outcome::Timeout => Some(false),
        other => other.arrived(),
    };
    let mut verdicts = one.predicted.iter().map(|(_, verdict)| verdict);
    match arrived {
        // Whose turn it was does not matter where one of the backends is enough.
        Some(_) if one.open.is_some_and(|(id, _)| id == "K-82") => {
            (Exit::Unable, "the prediction is not certain")
        }
        Some(_) if verdicts.clone().any(|verdict| verdict.uncertain.is_some()) => {
            (Exit::Unable, "the prediction is not certain")
        }
        Some(false) if one.predicted.is_empty() => (Exit::Clean, "as predicted"),
        // Whose turn it was is not known: one of the backends is enough.
        Some(arrived) if verdicts.any(|verdict| verdict.allowed == arrived) => {
            (Exit::Clean, "as predicted")
        }
        Some(_) => (Exit::Findings, "NOT as predicted"),
        None => (Exit::Unable, "nothing can be said"),
    }
}

pub(super) fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Open { .. } => "open",
        Outcome::Refused => "refused",
        Outcome::Rejected { .. } => "rejected",
        Outcome::Dropped { .. } => "dropped",
        Outcome::Timeout => "timeout",
        Outcome::Error(_) => "error",
    }
}

impl Asking<'_> {
    /// What happened, what was predicted by which line, and whether that is the same.
    pub(super) fn told(
        &self,
        one: &Try,
        outcome: &Outcome,
        result: &str,
        tables: &BTreeMap<NodeId, Compiled>,
    ) -> String {
        let settings = &self.planned.cluster.settings;
        let sources = &self.planned.cluster.sources;
        let context = Context::new(sources, self.eval, &settings.profile, Cloud::ALL);
        let mut text = format!("{}\n", one_line(&one.text));
        let mut entry = |label: &str, told: &str| {
            let room = crate::commands::width().saturating_sub(13);
            for (number, line) in wrap(&one_line(told), room).lines().enumerate() {
                let label = if number == 0 { label } else { "" };
                text.push_str(&format!("  {label:9}  {line}\n"));
            }
        };
        entry("seen", &self.seen(outcome, tables));
        if one.predicted.is_empty() {
            entry("predicted", &format!("DENIED: {}", one.nothing));
        }
        for (connection, verdict) in &one.predicted {
            let evidence = context.word(connection, verdict);
            let place = evidence
                .by
                .map_or(String::new(), |span| format!(" ({})", sources.locate(span)));
            let word = if verdict.allowed { "ALLOWED" } else { "DENIED" };
            let to = match one.predicted.len() {
                1 => String::new(),
                _ => format!(" to {}", evidence.to),
            };
            let told = format!("{word}{to}: {}{place}", evidence.because);
            entry("predicted", &told);
        }
        if let Some((id, words)) = one.open {
            entry("but", &format!("{id}: {words}"));
        }
        entry("result", result);
        text
    }

    fn seen(&self, outcome: &Outcome, tables: &BTreeMap<NodeId, Compiled>) -> String {
        match outcome {
            Outcome::Open { by: Some(by) } => {
                let name = match &*by.name {
                    "world" => "the world outside",
                    name => name,
                };
                match by.address {
                    Some(ip) => format!("open: {name} answered at {ip}"),
                    None => format!("open: {name} answered"),
                }
            }
            Outcome::Open { by: None } => "open: somebody answered".into(),
            Outcome::Refused => "refused: it arrived where nobody listens".into(),
            Outcome::Rejected { by, with } => {
                format!(
                    "rejected: {} answered with {with}{}",
                    self.owner(*by),
                    meaning(*with)
                )
            }
            Outcome::Dropped { node, prefix } => self.dropped(*node, prefix, tables),
            Outcome::Timeout => "timeout: silence, and no rule that logged it".into(),
            Outcome::Error(text) => format!("error: {text}"),
        }
    }

    /// Who has an address.
    fn owner(&self, ip: IpAddr) -> String {
        let plan = &self.planned.plan;
        if let Some(pod) = plan.pods.iter().find(|pod| pod.ips.contains(&ip)) {
            return pod.name.to_string();
        }
        if let Some(node) = plan.nodes.iter().find(|node| node.ips.contains(&ip)) {
            return format!("node {}", node.name);
        }
        if plan.outside.iter().any(|outside| outside.ip == ip) {
            return "the world outside".into();
        }
        ip.to_string()
    }

    fn dropped(&self, node: usize, prefix: &str, tables: &BTreeMap<NodeId, Compiled>) -> String {
        let node = self.planned.plan.nodes.get(node);
        let name = node.map_or("", |node| &node.name);
        let compiled = node.and_then(|node| tables.get(&node.id));
        let blame = compiled.and_then(|compiled| compiled.blames.get(prefix));
        match blame {
            Some((_, why)) => format!("dropped on node {name}: {why}"),
            None => format!("dropped on node {name}: the rule logs `{prefix}`"),
        }
    }
}

/// What errors of ICMP and ICMPv6 say that routers and kernels send.
fn meaning(of: Rejection) -> &'static str {
    match of {
        Rejection::Icmp {
            kind: 3,
            code: 0 | 1,
        }
        | Rejection::Icmp {
            kind: 1,
            code: 0 | 3,
        } => ": no way leads there",
        Rejection::Icmp { kind: 3, code: 3 } | Rejection::Icmp { kind: 1, code: 4 } => {
            ": nobody is at that port"
        }
        Rejection::Icmp {
            kind: 3,
            code: 9 | 10 | 13,
        }
        | Rejection::Icmp { kind: 1, code: 1 } => ": it is not allowed",
        _ => "",
    }
}
