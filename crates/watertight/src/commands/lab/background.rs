//! `watertight lab up`, `list` and `down`, and the process in the background that holds a lab.
//!
//! The holder is told everything in its arguments: they say later what the lab is made of.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use watertight_core::rules::count;
use watertight_core::sets::Protocol;
use watertight_core::world::Backend;
use watertight_node::lab::holder::{self, Holder};
use watertight_node::lab::state::Labs;
use watertight_node::lab::{Cluster as Namespaces, Place};
use watertight_node::nft::compile::Options;
use watertight_node::probe::{Listener, Names, listen_with_names};
use watertight_node::sys::privileges::{Missing, Privileges};
use watertight_node::trial::{self, Scene};

use crate::args::{Global, LabDownArgs, LabHoldArgs, LabInputArgs, LabUpArgs};
use crate::exit::Exit;
use crate::output::one_line;

use super::build::{Planned, plan};
use super::plain;
use super::steps::Steps;

/// `lab up`
pub(super) fn up(args: &LabUpArgs, global: &Global) -> anyhow::Result<Exit> {
    check_new(&args.lab, &args.name, global)?;
    let planned = plan(&args.lab, global)?;
    planned.cluster.tell_problems();
    start(&args.lab, &args.name, &planned.digest, global)?;
    crate::commands::print(&format!("{}\n", how_to_go_on(&planned, &args.name)))?;
    Ok(if planned.cluster.is_complete() {
        Exit::Clean
    } else {
        Exit::Unable
    })
}

/// Things that are not in the lab and have a line when it is up; `lab run` lists all.
const MOST_LEFT_OUT: usize = 8;

/// What is up, what is not in it, and what can be done with it.
pub(super) fn how_to_go_on(planned: &Planned, name: &str) -> String {
    let plan = &planned.plan;
    let mut text = format!(
        "lab `{name}` is up: {}, {}",
        planned.words(),
        planned.in_force()
    );
    let left = planned.left_out();
    for one in left.iter().take(MOST_LEFT_OUT) {
        let told = one_line(&format!("{} {}", one.name, one.reason));
        text.push_str(&format!("\nnot in the lab: {told}"));
    }
    let more = left.len().saturating_sub(MOST_LEFT_OUT);
    if more > 0 {
        text.push_str(&format!("\n... and {}", count(more, "more thing")));
    }
    // Somebody who connects, and somebody who listens.
    let world = &planned.cluster.world;
    let to = plan.pods.iter().find_map(|pod| {
        let mut ports = world[pod.id].ports.iter();
        let port = ports.find(|port| port.protocol == Protocol::Tcp)?;
        Some((pod, port.number))
    });
    let to = to.or(plan.pods.last().map(|pod| (pod, 80)));
    let from = plan
        .pods
        .iter()
        .find(|pod| Some(pod.id) != to.map(|(to, _)| to.id));
    let from = from.map_or_else(
        || format!("node:{}", plan.nodes.first().map_or("", |node| &node.name)),
        |pod| pod.name.to_string(),
    );
    let from = one_line(&from);
    // Another name than the usual one has to be said.
    let of = match name {
        "lab" => String::new(),
        name => format!(" --name {name}"),
    };
    if let Some((to, port)) = to {
        let to = one_line(&to.name);
        text.push_str(&format!(
            "\n  watertight lab probe{of} '{from} -> {to}:{port}'"
        ));
    }
    text.push_str(&format!(
        "\n  watertight lab shell{of} {from}\n  watertight lab down {name}"
    ));
    text
}

/// Fails if a lab cannot stay up under a name. The process in the background reads the files again.
pub(super) fn check_new(args: &LabInputArgs, name: &str, global: &Global) -> anyhow::Result<()> {
    let mut paths = args.paths.iter().chain(&args.input.filename);
    if paths.any(|path| path.as_os_str() == "-") {
        bail!(
            "a lab that stays up cannot be read from standard input; write the manifests to a file"
        );
    }
    let nothing_named = args.paths.is_empty() && args.input.filename.is_empty();
    let by_itself = global.plugin && nothing_named && args.input.live.snapshot().is_none();
    if args.input.live.is_live() || by_itself {
        bail!(
            "a lab that stays up cannot follow a live cluster; save it first: `watertight snapshot save \
             cluster.tar.gz`"
        );
    }
    let labs = Labs::usual().map_err(plain)?;
    labs.check_new(name).map_err(plain)
}

/// Starts the process in the background, and waits until its lab is there.
pub(super) fn start(
    args: &LabInputArgs,
    name: &str,
    digest: &str,
    global: &Global,
) -> anyhow::Result<()> {
    let directory = std::env::current_dir().context("cannot tell the current directory")?;
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let mut command = Command::new(program);
    command.args(arguments(args, name, digest, &directory));
    let steps = Steps::start(!global.quiet);
    steps.tell("making the lab", 0, 0);
    let started = holder::start(&mut command);
    drop(steps);
    started.map_err(|error| {
        let text = error.to_string();
        plain(text.strip_prefix("error: ").unwrap_or(&text))
    })
}

/// Arguments that make the holder read what this process has read.
fn arguments(args: &LabInputArgs, name: &str, digest: &str, directory: &Path) -> Vec<OsString> {
    let mut found: Vec<OsString> = ["--quiet", "lab", "hold"].map(Into::into).to_vec();
    let mut add = |flag: &str, value: OsString| {
        let mut argument = OsString::from(flag);
        argument.push("=");
        argument.push(value);
        found.push(argument);
    };
    add("--name", name.into());
    add("--digest", digest.into());
    add("--directory", directory.into());
    for outside in &args.outside {
        add("--outside", outside.to_string().into());
    }
    if let Some(nodes) = args.nodes {
        add("--nodes", nodes.to_string().into());
    }
    for glob in &args.input.exclude {
        add("--exclude", glob.into());
    }
    let cluster = &args.cluster;
    if let Some(engine) = &cluster.engine {
        add("--engine", engine.into());
    }
    for switch in &cluster.switches {
        add("--switch", switch.into());
    }
    if let Some(version) = &cluster.k8s_version {
        add("--k8s-version", version.into());
    }
    for net in &cluster.pod_cidr {
        add("--pod-cidr", net.to_string().into());
    }
    if let Some(namespace) = &cluster.default_namespace {
        add("--default-namespace", namespace.into());
    }
    if let Some(config) = &args.config.config {
        add("--config", config.into());
    }
    if let Some(snapshot) = args.input.live.snapshot() {
        add("--snapshot", snapshot.into());
    }
    let switches = [
        (args.no_usual_outside, "--no-usual-outside"),
        (cluster.no_assumed_dns, "--no-assumed-dns"),
        (args.config.no_config, "--no-config"),
    ];
    let switches = switches.iter().filter(|(is_set, _)| *is_set);
    found.extend(switches.map(|(_, flag)| OsString::from(flag)));
    found.push("--".into());
    found.extend(
        args.paths
            .iter()
            .chain(&args.input.filename)
            .map(OsString::from),
    );
    found
}

/// `lab hold`: the process in the background.
pub(super) fn hold(
    args: &LabHoldArgs,
    holder: Holder,
    privileges: Result<Privileges, Missing>,
    global: &Global,
) -> anyhow::Result<Exit> {
    privileges.map_err(plain)?;
    let directory = &args.directory;
    std::env::set_current_dir(directory)
        .with_context(|| format!("cannot go to `{}`", directory.display()))?;
    let planned = plan(&args.up.lab, global)?;
    if planned.digest != args.digest {
        bail!("the manifests have changed while the lab was being made; try again");
    }
    let namespaces = planned.up(&Steps::start(false))?;
    let eval = planned.cluster.evaluator();
    let scene = Scene {
        plan: &planned.plan,
        cluster: &namespaces,
        eval: &eval,
    };
    let tables = trial::tables(&planned.plan, &eval, Options::default());
    trial::enforce(&scene, &tables).map_err(plain)?;
    let listeners = listeners(&planned, &namespaces);
    let _listening = listen_with_names(listeners, names(&planned)).map_err(plain)?;
    holder.hold(&planned.plan, &namespaces).map_err(plain)?;
    Ok(Exit::Clean)
}

/// Where somebody answers in a lab that is up: at the ports that pods declare.
pub(super) fn declared(planned: &Planned) -> BTreeMap<(Place, Protocol, u16), Arc<str>> {
    let world = &planned.cluster.world;
    let plan = &planned.plan;
    let mut found = BTreeMap::new();
    for pod in &plan.pods {
        for port in world[pod.id].ports.iter() {
            let key = (Place::Pod(pod.id), port.protocol, port.number);
            found.insert(key, Arc::from(&*pod.name));
        }
    }
    for (id, node) in &plan.on_host {
        for port in world[*id].ports.iter() {
            let key = (Place::Node(*node), port.protocol, port.number);
            let name = || format!("node:{}", world[*node].name).into();
            found.entry(key).or_insert_with(name);
        }
    }
    found.retain(|(_, protocol, _), _| *protocol != Protocol::Icmp);
    found
}

fn listeners(planned: &Planned, namespaces: &Namespaces) -> Vec<Listener> {
    let declared = declared(planned).into_iter();
    let listener = |((place, protocol, port), name)| {
        Some(Listener {
            name,
            namespace: Arc::new(namespaces.namespace(place)?.clone()),
            protocol,
            port,
            address: None,
        })
    };
    declared.filter_map(listener).collect()
}

/// The names of Services, as the cluster's DNS has them.
fn names(planned: &Planned) -> Names {
    let world = &planned.cluster.world;
    let mut names = Names::default();
    for id in world.service_ids() {
        let service = &world[id];
        let short = format!("{}.{}.svc", service.name, world[service.namespace].name);
        let mut ips = service.cluster_ips.clone();
        if service.headless {
            // The pods behind it, whatever the port.
            let behind = service.ports.iter();
            let behind = behind.flat_map(|port| world.backends(id, port.port, port.protocol));
            ips.extend(behind.flat_map(|backend| match backend {
                Backend::Endpoint(pod, _) => world[pod].ips.to_vec(),
                Backend::Address(ip, _) => vec![ip],
            }));
            ips.sort_unstable();
            ips.dedup();
        }
        for ip in ips {
            names.add(&short, ip);
            names.add(&format!("{short}.cluster.local"), ip);
        }
    }
    names
}

/// `lab list`
pub(super) fn list() -> anyhow::Result<Exit> {
    let entries = Labs::usual().and_then(|labs| labs.list()).map_err(plain)?;
    let mut text = String::new();
    let width = entries
        .iter()
        .map(|entry| entry.name.len())
        .max()
        .unwrap_or(0);
    for entry in &entries {
        let told = match &entry.state {
            Some(state) if entry.is_up => format!(
                "up    {:>4} places, held by process {}",
                state.places.len(),
                state.holder.pid
            ),
            _ => format!(
                "gone  `watertight lab down {}` takes its file away",
                entry.name
            ),
        };
        text.push_str(&format!("{:width$}  {told}\n", entry.name));
    }
    if entries.is_empty() {
        text.push_str("no lab is up\n");
    }
    crate::commands::print(&text)
}

/// `lab down`
pub(super) fn down(args: &LabDownArgs) -> anyhow::Result<Exit> {
    let labs = Labs::usual().map_err(plain)?;
    let entry = labs.down(args.name.as_deref()).map_err(plain)?;
    labs.take_away_if_empty();
    let told = if entry.is_up {
        "is down"
    } else {
        "was gone already, and its file is now"
    };
    crate::commands::print(&format!("lab `{}` {told}\n", entry.name))
}
