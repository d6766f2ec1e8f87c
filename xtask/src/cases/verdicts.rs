//! Connections of a case, judged.

use std::net::IpAddr;

use anyhow::{Context as _, bail};
use serde_json::Value;
use watertight_core::engine::{AnpApi, EndpointToHost, Engine, Profile, Switches};
use watertight_core::eval::{Connection, Evaluator, Family, Icmp, Party, Request};
use watertight_core::manifest::{self, Options};
use watertight_core::policy::lower;
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{Assume, Backend, NodeId, World, build};

use super::{Outcome, list, world};

/// The world of a case and the engine that it is about; or why objects of it were refused.
pub(super) fn read(case: &Value) -> anyhow::Result<Result<(World, Profile), Vec<String>>> {
    let profile = profile(case)?;
    let switches = profile.switches;
    let mut sources = Sources::new();
    sources.add("case.json", serde_json::to_vec(&world::objects(case))?)?;
    let options = Options {
        strict_cidr: switches.strict_cidr,
        old_admin_api: switches.anp_api == AnpApi::Old,
    };
    let loaded = manifest::load(&sources, &options);
    let refused: Vec<_> = loaded
        .findings
        .iter()
        .filter(|finding| finding.incomplete)
        .map(|finding| format!("refused: {}", finding.message))
        .collect();
    if !refused.is_empty() {
        return Ok(Err(refused));
    }
    // Cases say everything there is: nothing may be assumed.
    let assume = Assume {
        dns: false,
        ..Assume::default()
    };
    let (mut world, _) = build(&sources, &loaded.objects, &assume);
    name_all(case, &mut world)?;
    Ok(Ok((world, profile)))
}

pub(super) fn judge(case: &Value) -> anyhow::Result<Outcome> {
    let (world, profile) = match read(case)? {
        Ok(read) => read,
        Err(refused) => return Ok(Outcome::Failed(refused)),
    };
    let ruleset = lower(&world, &profile);
    let evaluator = Evaluator::new(&world, &ruleset, profile.switches);
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

/// The names that the subject has learnt addresses for, and those that probes ask for.
fn name_all(case: &Value, world: &mut World) -> anyhow::Result<()> {
    let answers = case.get("dns").and_then(Value::as_object);
    for (name, ips) in answers.into_iter().flatten() {
        let ips = ips.as_array().into_iter().flatten();
        let ips = ips.map(|ip| ip.as_str().unwrap_or_default().parse::<IpAddr>());
        let ips: Vec<IpAddr> = ips.collect::<Result<_, _>>()?;
        world.learn(name, ips);
    }
    for probe in list(case, "probes") {
        if let Some(name) = probe["to"].as_str().and_then(|to| to.strip_prefix("fqdn:")) {
            world.intern_name(name);
        }
    }
    Ok(())
}

/// The engine of the case's dialect, under its options.
fn profile(case: &Value) -> anyhow::Result<Profile> {
    let dialect = case["dialect"].as_str().unwrap_or("k8s");
    let engine = match dialect {
        "k8s" => Engine::Reference,
        "calico" => Engine::Calico,
        "cilium" => Engine::Cilium,
        "antrea" => Engine::Antrea,
        "ovn" => Engine::OvnKubernetes,
        other => bail!("dialect `{other}`"),
    };
    let mut profile = Profile::new(engine, None);
    if engine == Engine::Calico {
        // The cases take Felix's own default; a profile, that of the shipped manifests (C-72).
        profile.switches.endpoint_to_host = EndpointToHost::Drop;
    }
    profile.switches = switches(case, profile.switches)?;
    Ok(profile)
}

fn switches(case: &Value, mut switches: Switches) -> anyhow::Result<Switches> {
    let options = case.get("options").and_then(Value::as_object);
    for (name, value) in options.into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match switches.set(name, &value) {
            Ok(()) => {}
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
    let asked = |mut connection: Connection| -> anyhow::Result<Connection> {
        let number = |key: &str| {
            let number = probe[key].as_u64();
            number.and_then(|number| u16::try_from(number).ok())
        };
        connection.source_port = number("srcPort");
        connection.node_port = number("viaNodePort");
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
            let number = |key: &str| {
                let number = icmp.get(key).and_then(Value::as_u64);
                number.and_then(|number| u8::try_from(number).ok())
            };
            connection.icmp = Some(Icmp {
                kind: number("type").context("icmp type")?,
                code: number("code").unwrap_or_default(),
            });
        }
        Ok(connection)
    };
    if let Some(service) = to.strip_prefix("svc:") {
        let (namespace, name) = service.split_once('/').context("svc:ns/name")?;
        let service = world
            .service(namespace, name)
            .with_context(|| format!("no {to}"))?;
        let port = port.context("a Service needs a port")?;
        let backends = evaluator.to_service(from, service, port, protocol);
        let wanted = probe["backend"].as_str();
        let mut found = Vec::new();
        for (backend, connection, _) in backends {
            let name = match backend {
                Backend::Endpoint(id, _) => world.endpoint_name(id),
                Backend::Address(ip, _) => format!("ip:{ip}"),
            };
            if wanted.is_none_or(|wanted| wanted == name) {
                found.push(evaluator.verdict(&asked(connection)?).allowed);
            }
        }
        return Ok(found);
    }
    let mut connection =
        Connection::new(from, party(world, to)?, protocol, port.unwrap_or_default());
    connection.port = port;
    let connection = asked(connection)?;
    let verdict = match probe["http"].as_object() {
        Some(http) => {
            let text = |key: &str| http.get(key).and_then(Value::as_str).unwrap_or_default();
            let request = Request {
                method: text("method").into(),
                path: text("path").into(),
            };
            evaluator.request(&connection, &request)
        }
        None => evaluator.verdict(&connection),
    };
    Ok(vec![verdict.allowed])
}

fn node(world: &World, name: &str) -> anyhow::Result<NodeId> {
    world
        .node(name)
        .with_context(|| format!("no node `{name}`"))
}

pub(super) fn party(world: &World, text: &str) -> anyhow::Result<Party> {
    if let Some(ip) = text.strip_prefix("ip:") {
        let ip: IpAddr = ip
            .parse()
            .with_context(|| format!("`{ip}` is no address"))?;
        return Ok(Party::Address(ip));
    }
    if let Some(name) = text.strip_prefix("node:") {
        return Ok(Party::Node(node(world, name)?));
    }
    if let Some(name) = text.strip_prefix("fqdn:") {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let mut names = world.name_ids();
        let id = names.find(|id| *world[*id].text == *name);
        return Ok(Party::Name(
            id.with_context(|| format!("no name `{text}`"))?,
        ));
    }
    let (namespace, name) = text.split_once('/').with_context(|| format!("`{text}`"))?;
    let endpoint = world
        .endpoint(namespace, name)
        .with_context(|| format!("no pod `{text}`"))?;
    Ok(Party::Endpoint(endpoint))
}
