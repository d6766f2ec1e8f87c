//! Connections of a case, judged.

use std::net::IpAddr;

use anyhow::{Context as _, bail};
use serde_json::Value;
use watertight_core::engine::{SwitchError, Switches};
use watertight_core::eval::{Connection, Evaluator, Family, Icmp, Party};
use watertight_core::manifest::{self, Options};
use watertight_core::policy::lower_kubernetes;
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, NodeId, World, build};

use super::{Outcome, list, missing_dialect, world};

pub(super) fn judge(case: &Value) -> anyhow::Result<Outcome> {
    let policies = list(case, "policies");
    if let Some(dialect) = missing_dialect(case, policies) {
        return Ok(Outcome::Skipped(dialect));
    }
    let switches = switches(case)?;
    let mut sources = Sources::new();
    sources.add("case.json", serde_json::to_vec(&world::objects(case))?)?;
    let options = Options {
        strict_cidr: switches.strict_cidr,
    };
    let loaded = manifest::load(&sources, &options);
    let refused: Vec<_> = loaded
        .findings
        .iter()
        .filter(|finding| finding.incomplete)
        .map(|finding| format!("refused: {}", finding.message))
        .collect();
    if !refused.is_empty() {
        return Ok(Outcome::Failed(refused));
    }
    // Cases say everything there is: nothing may be assumed.
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    let (world, _) = build(&sources, &loaded.objects, &assume);
    let ruleset = lower_kubernetes(&world, &switches);
    let evaluator = Evaluator::new(&world, &ruleset, switches);
    let mut wrong = Vec::new();
    for probe in list(case, "probes") {
        let expected = match probe["expect"].as_str() {
            Some("allow") => true,
            Some("deny") => false,
            other => bail!("`expect` is {other:?}, not allow or deny"),
        };
        let answers = answers(&evaluator, probe)?;
        if answers.is_empty() || answers.iter().any(|allowed| *allowed != expected) {
            wrong.push(format!("{probe} but the answer is {answers:?} (allowed?)"));
        }
    }
    Ok(if wrong.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed(wrong)
    })
}

fn switches(case: &Value) -> anyhow::Result<Switches> {
    let mut switches = Switches::default();
    let options = case.get("options").and_then(Value::as_object);
    for (name, value) in options.into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match switches.set(name, &value) {
            Ok(()) | Err(SwitchError::NotYetUsed { .. }) => {}
            Err(error) => bail!("{error}"),
        }
    }
    Ok(switches)
}

/// One answer, or one a backend where the probe goes to a Service.
fn answers(evaluator: &Evaluator<'_>, probe: &Value) -> anyhow::Result<Vec<bool>> {
    let world = evaluator.world;
    let text = |key: &str| {
        probe[key]
            .as_str()
            .with_context(|| format!("`{key}` is missing"))
    };
    let protocol = match text("proto")? {
        "ICMP" | "ICMPv6" => Protocol::Icmp,
        other => Protocol::from_api(other).with_context(|| format!("protocol `{other}`"))?,
    };
    let port = probe["port"]
        .as_u64()
        .and_then(|port| u16::try_from(port).ok());
    let from = party(world, text("from")?)?;
    let to = text("to")?;
    if let Some(service) = to.strip_prefix("svc:") {
        let (namespace, name) = service.split_once('/').context("svc:ns/name")?;
        let service = world
            .service(namespace, name)
            .with_context(|| format!("no {to}"))?;
        let port = port.context("a Service needs a port")?;
        let judged = evaluator.to_service(from, service, port, protocol);
        return Ok(judged
            .into_iter()
            .map(|(_, _, verdict)| verdict.allowed)
            .collect());
    }
    let mut connection =
        Connection::new(from, party(world, to)?, protocol, port.unwrap_or_default());
    connection.port = port;
    connection.reply = probe["replyTo"] == true;
    connection.family = match probe["family"].as_u64() {
        Some(4) => Some(Family::V4),
        Some(6) => Some(Family::V6),
        _ => None,
    };
    if let Some(node) = probe["viaNode"].as_str() {
        connection.via_node = Some(self::node(world, node)?);
    }
    if let Some(icmp) = probe["icmp"].as_object() {
        let number = |key: &str| icmp.get(key).and_then(Value::as_u64);
        connection.icmp = Some(Icmp {
            kind: number("type")
                .and_then(|kind| u8::try_from(kind).ok())
                .context("icmp type")?,
            code: number("code")
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or_default(),
        });
    }
    Ok(vec![evaluator.verdict(&connection).allowed])
}

fn node(world: &World, name: &str) -> anyhow::Result<NodeId> {
    world
        .node(name)
        .with_context(|| format!("no node `{name}`"))
}

fn party(world: &World, text: &str) -> anyhow::Result<Party> {
    if let Some(ip) = text.strip_prefix("ip:") {
        let ip: IpAddr = ip
            .parse()
            .with_context(|| format!("`{ip}` is no address"))?;
        return Ok(Party::Address(ip));
    }
    if let Some(name) = text.strip_prefix("node:") {
        return Ok(Party::Node(node(world, name)?));
    }
    let (namespace, name) = text.split_once('/').with_context(|| format!("`{text}`"))?;
    let endpoint = world
        .endpoint(namespace, name)
        .with_context(|| format!("no pod `{text}`"))?;
    Ok(Party::Endpoint(endpoint))
}
