//! `cargo xtask cases --packets`: the same cases as packets, on clusters of network namespaces.
//!
//! A connection that packets cannot show is left out, with the reason; a case of which all are left out is
//! skipped.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use serde_json::Value;
use watertight_core::engine::{HostNetwork, ServiceDnat, Snat};
use watertight_core::eval::{Connection, Evaluator, Family, Party as Meant};
use watertight_core::policy::{Ruleset, lower};
use watertight_core::report::lab::Seen;
use watertight_core::sets::Protocol;
use watertight_core::world::World;
use watertight_node::lab::{Cluster, Options, Outside, Place, Plan};
use watertight_node::nft::compile;
use watertight_node::probe::{Question, Settings};
use watertight_node::trial::{self, Asked, Party, Planned, Scene};

use super::{Outcome, list, verdicts};

/// Asks all connections of a case that packets can show.
pub(super) fn judge(
    case: &Value,
    left_out: &mut BTreeMap<String, usize>,
) -> anyhow::Result<Outcome> {
    let (mut world, profile) = match verdicts::read(case)? {
        Ok(read) => read,
        Err(refused) => return Ok(Outcome::Failed(refused)),
    };
    let probes = list(case, "probes");
    let mut kept: Vec<&Value> = Vec::new();
    for probe in probes {
        match unsuitable(probe, &profile.switches) {
            Some(reason) => *left_out.entry(reason.into()).or_default() += 1,
            None => kept.push(probe),
        }
    }
    let options = Options {
        usual_outside: false,
        outside: outside(&world, &kept),
        service_dnat: profile.switches.service_dnat,
        ..Options::default()
    };
    let plan = Plan::new(&mut world, &options)?;
    let ruleset: Ruleset = lower(&world, &profile);
    let eval = Evaluator::new(&world, &ruleset, profile.switches);
    let mut asked = Asked {
        parties: trial::parties(&plan, &eval),
        ..Asked::default()
    };
    let mut expected = Vec::new();
    for probe in kept {
        match planned(&eval, &mut asked, probe)? {
            Ok(planned) => {
                asked.connections.push(planned);
                expected.push((probe, probe["expect"] == "allow"));
            }
            Err(reason) => *left_out.entry(reason.into()).or_default() += 1,
        }
    }
    if asked.connections.is_empty() {
        return Ok(Outcome::Skipped("nothing that packets can show".into()));
    }
    let cluster = Cluster::up(&plan, &|_, _, _| {})?;
    let scene = Scene {
        plan: &plan,
        cluster: &cluster,
        eval: &eval,
    };
    let tried = trial::run(
        &scene,
        &asked,
        compile::Options::default(),
        &Settings::default(),
        &|_, _, _| {},
    )?;
    let mut wrong = Vec::new();
    for (trial, (probe, expected)) in tried.trials.iter().zip(expected) {
        if !trial.is_judged {
            *left_out.entry("rules about requests".into()).or_default() += 1;
            continue;
        }
        let seen = trial.observed.seen;
        let is_dark = trial
            .control
            .is_some_and(|control| control.arrived() != Some(true));
        if seen.arrived() != Some(expected) || seen == Seen::Timeout || is_dark {
            wrong.push(format!(
                "{probe} but packets show {}: {} (without policies: {:?}) {}",
                seen.word(),
                trial.observed.detail,
                trial.control,
                trial.observed.kernel.join("; ")
            ));
        }
    }
    Ok(if wrong.is_empty() {
        Outcome::Passed
    } else {
        Outcome::Failed(wrong)
    })
}

/// Why packets cannot show a connection, as far as the question tells.
fn unsuitable(probe: &Value, switches: &watertight_core::engine::Switches) -> Option<&'static str> {
    let to = probe["to"].as_str().unwrap_or_default();
    let is_echo = |icmp: &Value| matches!(icmp["type"].as_u64(), Some(8 | 128));
    if to.starts_with("fqdn:") {
        return Some("DNS names are resolved by whoever dials");
    }
    if !probe["http"].is_null() {
        return Some("requests on a connection");
    }
    if probe["replyTo"] == true {
        return Some("packets of a connection that nobody opened");
    }
    if !probe["icmp"].is_null() && !is_echo(&probe["icmp"]) {
        return Some("messages of ICMP other than echo requests");
    }
    if !probe["viaNode"].is_null() {
        return Some("ways into the cluster through another node");
    }
    if to.starts_with("svc:") && switches.service_dnat == ServiceDnat::Pre {
        return Some("engines that judge before Services are translated");
    }
    if switches.snat == Snat::NodeIp
        && probe["from"]
            .as_str()
            .is_some_and(|from| from.starts_with("ip:"))
    {
        return Some("sources that a node translates");
    }
    if to.starts_with("svc:") && !probe["backend"].is_null() {
        return Some("one backend of several");
    }
    None
}

/// Addresses that nobody in the cluster has.
fn outside(world: &World, probes: &[&Value]) -> Vec<Outside> {
    let mut found: Vec<Outside> = Vec::new();
    for probe in probes {
        for end in ["from", "to"] {
            let ip = probe[end]
                .as_str()
                .and_then(|text| text.strip_prefix("ip:")?.parse::<IpAddr>().ok());
            let Some(ip) = ip.filter(|ip| !ip.is_loopback()) else {
                continue;
            };
            let is_free = matches!(Meant::Address(ip).resolve(world), Meant::Address(_));
            if is_free && !found.iter().any(|known| known.ip == ip) {
                found.push(Outside {
                    name: ip.to_string().into(),
                    ip,
                });
            }
        }
    }
    found
}

/// The packets of a question; why there are none.
fn planned(
    eval: &Evaluator<'_>,
    asked: &mut Asked,
    probe: &Value,
) -> anyhow::Result<Result<Planned, &'static str>> {
    let world = eval.world;
    let protocol = match probe["proto"].as_str().context("`proto` is missing")? {
        "ICMP" | "ICMPv6" => Protocol::Icmp,
        other => Protocol::from_api(other).with_context(|| format!("protocol `{other}`"))?,
    };
    let number = |key: &str| {
        probe[key]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok())
    };
    let (from, to) = (
        probe["from"].as_str().unwrap_or_default(),
        probe["to"].as_str().unwrap_or_default(),
    );
    let source = verdicts::party(world, from)?;
    let port = number("port");
    if let Some(service) = to.strip_prefix("svc:") {
        let (namespace, name) = service.split_once('/').context("svc:ns/name")?;
        let service = world
            .service(namespace, name)
            .with_context(|| format!("no {to}"))?;
        let port = port.context("a Service needs a port")?;
        let Some(from) = member(&asked.parties, world, source) else {
            return Ok(Err("pods that do not run"));
        };
        let ips = world[service].cluster_ips.clone();
        let name: Arc<str> = to.into();
        asked.parties.push(Party {
            name: Arc::clone(&name),
            kind: "service",
            meant: Meant::Address(ips.first().copied().context("a cluster address")?),
            place: Place::World,
            host: name,
            ips,
        });
        let at = asked.parties.len() - 1;
        let planned = trial::dial(eval, &asked.parties, from, (at, service), port, protocol);
        return Ok(planned.ok_or("Services without a backend or a cluster address"));
    }
    let mut connection = Connection::new(
        source,
        verdicts::party(world, to)?,
        protocol,
        port.unwrap_or_default(),
    );
    connection.source_port = number("srcPort");
    if protocol == Protocol::Icmp {
        connection.port = None;
    }
    connection.family = match probe["family"].as_u64() {
        Some(4) => Some(Family::V4),
        Some(6) => Some(Family::V6),
        _ => None,
    };
    if eval.switches.host_network == HostNetwork::PodLabels {
        let on_host = |party: Meant| matches!(party.resolve(world), Meant::Endpoint(id) if world[id].host_network.is_some());
        if on_host(connection.from) || on_host(connection.to) {
            return Ok(Err(
                "host-network pods that an engine tells from their node",
            ));
        }
    }
    let families = connection
        .family
        .map_or(Family::BOTH.to_vec(), |family| vec![family]);
    let address = |party: Meant, family: Family| match party {
        Meant::Endpoint(id) => world[id]
            .ips
            .iter()
            .copied()
            .find(|ip| Family::of(*ip) == family),
        party => party.address(world, family),
    };
    let ends = families.into_iter().find_map(|family| {
        let own = address(connection.from, family)?;
        let other = address(connection.to, family)?;
        Some((family, own, other))
    });
    let Some((family, own, dialled_ip)) = ends else {
        return Ok(Err("ends without an address in common"));
    };
    if dialled_ip.is_loopback() {
        return Ok(Err("what stays inside a pod"));
    }
    let (Some(from), Some(to)) = (
        member(&asked.parties, world, connection.from),
        member(&asked.parties, world, connection.to),
    ) else {
        return Ok(Err("pods that do not run"));
    };
    Ok(Ok(Planned {
        from,
        to,
        connection,
        family,
        question: Question {
            from,
            to: dialled_ip,
            protocol,
            port: connection.port.unwrap_or_default(),
            source_port: connection.source_port,
            from_address: Some(own),
            masked: None,
            to_names: None,
        },
        answer_by: vec![(to, connection.port.unwrap_or_default())],
        verdict: eval.verdict(&connection),
        is_judged: true,
        unjudged: None,
        backends: Vec::new(),
    }))
}

/// A party of a question, by its place among all; none if it is not in the lab.
fn member(parties: &[Party], world: &World, meant: Meant) -> Option<usize> {
    let resolved = meant.resolve(world);
    parties.iter().position(|party| party.meant == resolved)
}

/// What must be there: a reason in one sentence if it is not.
pub(super) fn acquire() -> anyhow::Result<()> {
    watertight_node::sys::privileges::acquire()
        .map(|_| ())
        .map_err(|missing| anyhow!("{missing}"))
}
