//! `watertight lab probe`: connections in a lab that is up.
//!
//! The holder's arguments say what the lab is made of. It is read again for what is predicted, and must still
//! be the same.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::Parser as _;
use watertight_core::analysis::parties::{Flow, Parties, PortQuery, Selection, What};
use watertight_core::eval::{Connection, Evaluator, Party as Meant, Verdict};
use watertight_core::sets::Protocol;
use watertight_core::world::{EndpointId, ServiceId};
use watertight_node::lab::state::State;
use watertight_node::lab::{Place, Plan};
use watertight_node::nft::compile::Options;
use watertight_node::probe::{self, Listener, Outcome, Question, Settings, Watch};
use watertight_node::sys::Namespace;
use watertight_node::trial::{self, Ask, Asked};

use crate::args::{Global, LabArgs, LabHoldArgs, LabProbeArgs, LabVerb};
use crate::exit::Exit;
use crate::output::one_line;

use super::answers::{judged, word};
use super::background::declared;
use super::build::{Planned, plan};
use super::plain;

/// Connections of one command; `lab run` is for more.
const MOST: usize = 200;

/// With more connections than this, each is told in one line.
const MOST_IN_FULL: usize = 12;

/// A connection to try.
pub(super) struct Try {
    /// `shop/web -> shop/db:5432/tcp`
    pub(super) text: String,
    question: Question,
    /// What is predicted; for a Service, of each backend that it may lead to.
    pub(super) predicted: Vec<(Connection, Verdict)>,
}

pub(super) fn run(args: &LabProbeArgs, state: &State, global: &Global) -> anyhow::Result<Exit> {
    let flow = Flow::parse(&flow_text(&args.flow)).map_err(|error| anyhow!("{error}"))?;
    let planned = read_again(state, global)?;
    let world = &planned.cluster.world;
    let eval = planned.cluster.evaluator();
    let parties = Parties::new(world, args.namespace.as_deref());
    let select = |text: &str| parties.select(text).map_err(|error| anyhow!("{error}"));
    let (from, to) = (select(&flow.from.text)?, select(&flow.to.text)?);
    let (asked, tries) = tries(&planned, &eval, &from, &to, &flow.ports)?;
    match tries.len() {
        0 => bail!("nothing lies between them in the lab: they share a network, or are not in it"),
        1..=MOST => {}
        more => bail!("that makes {more} connections; name a port, or use `lab run` for so many"),
    }
    let asking = Asking {
        planned: &planned,
        eval: &eval,
        state,
    };
    let answers = asking.ask(&asked, &tries)?;
    let tables = trial::tables(&planned.plan, &eval, Options::default());
    let (mut text, mut worst) = (String::new(), Exit::Clean);
    for (one, outcome) in tries.iter().zip(&answers) {
        let (exit, result) = judged(one, outcome);
        text.push_str(&if tries.len() > MOST_IN_FULL {
            format!("{}: {}, {result}\n", one_line(&one.text), word(outcome))
        } else {
            asking.told(one, outcome, result, &tables)
        });
        worst = match (worst, exit) {
            (Exit::Findings, _) | (_, Exit::Findings) => Exit::Findings,
            (Exit::Unable, _) | (_, Exit::Unable) => Exit::Unable,
            _ => Exit::Clean,
        };
    }
    crate::commands::print(&text)?;
    Ok(worst)
}

/// One text of up to three arguments.
fn flow_text(arguments: &[String]) -> String {
    let dialled = |to: &str| match to.strip_prefix("ip:").unwrap_or(to).parse::<Ipv6Addr>() {
        Ok(ip) => format!("ip:[{ip}]"),
        Err(_) => to.to_owned(),
    };
    match arguments {
        [from, to] => format!("{from} -> {}", dialled(to)),
        [from, to, port] => format!("{from} -> {}:{port}", dialled(to)),
        other => other.concat(),
    }
}

/// What the lab was made of.
fn read_again(state: &State, global: &Global) -> anyhow::Result<Planned> {
    let held = arguments_of(state)?;
    std::env::set_current_dir(&held.directory)
        .with_context(|| format!("cannot go to `{}`", held.directory.display()))?;
    let planned = plan(&held.up.lab, global)?;
    if planned.digest != held.digest {
        bail!(
            "the manifests have changed since the lab `{0}` was made, so nothing can be predicted: take it down \
             with `lab down {0}`, and up again",
            state.name
        );
    }
    Ok(planned)
}

fn arguments_of(state: &State) -> anyhow::Result<LabHoldArgs> {
    let path = format!("/proc/{}/cmdline", state.holder.pid);
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read `{path}`"))?;
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    let arguments = bytes
        .split(|byte| *byte == 0)
        .map(std::os::unix::ffi::OsStrExt::from_bytes);
    let arguments: Vec<&std::ffi::OsStr> = arguments.collect();
    match crate::Cli::try_parse_from(arguments).map(|cli| cli.verb) {
        Ok(crate::args::Verb::Lab(lab)) => match *lab {
            LabArgs {
                verb: LabVerb::Hold(held),
            } => Ok(held),
            _ => Err(anyhow!("process {} holds no lab", state.holder.pid)),
        },
        _ => Err(anyhow!(
            "another version of this program holds the lab `{}`: take it down, and up again",
            state.name
        )),
    }
}

/// The ports that were written; none for those that `lab run` would try.
fn ports(
    planned: &Planned,
    to: &Selection,
    queries: &[PortQuery],
) -> anyhow::Result<Vec<(Protocol, u16)>> {
    let world = &planned.cluster.world;
    let mut found = Vec::new();
    for query in queries {
        match query {
            PortQuery::Range {
                protocol,
                first,
                last,
            } => {
                if usize::from(last - first) >= MOST {
                    bail!("{first}-{last} are too many ports to try; name some of them");
                }
                found.extend((*first..=*last).map(|port| (*protocol, port)));
            }
            PortQuery::Named { name, protocol } => {
                let before = found.len();
                let endpoints = to.endpoints().iter();
                for port in endpoints.flat_map(|id| world[*id].ports.iter()) {
                    let named = port
                        .name
                        .is_some_and(|symbol| world.symbols.text(symbol) == name);
                    if named && protocol.is_none_or(|protocol| protocol == port.protocol) {
                        found.push((port.protocol, port.number));
                    }
                }
                if found.len() == before {
                    bail!("`{}` has no port called `{name}`; write a number", to.text);
                }
            }
            PortQuery::Icmp => {}
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

/// Whether a party of the lab is one of those that are meant.
fn is_meant(party: &trial::Party, selection: &Selection) -> bool {
    match (&selection.what, party.meant) {
        (What::Endpoints(ids), Meant::Endpoint(id)) => ids.contains(&id),
        (What::Nodes(ids), Meant::Node(id)) => ids.contains(&id),
        (What::World, Meant::Address(_)) => true,
        (What::Addresses(nets), _) => party
            .ips
            .iter()
            .any(|ip| nets.iter().any(|net| net.contains(ip))),
        _ => false,
    }
}

fn tries(
    planned: &Planned,
    eval: &Evaluator<'_>,
    from: &Selection,
    to: &Selection,
    queries: &[PortQuery],
) -> anyhow::Result<(Asked, Vec<Try>)> {
    let ports = ports(planned, to, queries)?;
    let icmp = queries.is_empty() || queries.contains(&PortQuery::Icmp);
    let ask = Ask {
        ports: ports.clone(),
        icmp,
        ..Ask::default()
    };
    // Verdicts of nobody else are asked for.
    let mut plan: Plan = planned.plan.clone();
    let is_wanted = |id: &EndpointId| from.endpoints().contains(id) || to.endpoints().contains(id);
    let by_address = [from, to]
        .iter()
        .any(|end| matches!(end.what, What::Addresses(_)));
    if !by_address {
        plan.pods.retain(|pod| is_wanted(&pod.id));
    }
    let mut asked = trial::ask(&plan, eval, &ask);
    let only_icmp = ports.is_empty() && !queries.is_empty();
    let meant = |at: usize, end: &Selection| {
        asked
            .parties
            .get(at)
            .is_some_and(|party| is_meant(party, end))
    };
    let mut found = Vec::new();
    if let Some(service) = to.service() {
        if ports.is_empty() {
            bail!(
                "a Service is dialled on one of its ports: write it behind `{}`",
                to.text
            );
        }
        for (at, party) in asked.parties.iter().enumerate() {
            if meant(at, from) {
                let dialled = to_service(planned, eval, (at, party), service, &ports);
                found.extend(dialled);
            }
        }
    } else {
        for one in &asked.connections {
            let is_icmp = one.connection.protocol == Protocol::Icmp;
            if (only_icmp && !is_icmp) || !meant(one.from, from) || !meant(one.to, to) {
                continue;
            }
            let name = |at: usize| asked.parties.get(at).map_or("", |party| &*party.name);
            let port = one
                .connection
                .port
                .map_or(String::new(), |port| format!(":{port}"));
            let dialled = match name(one.to).strip_prefix("ip:") {
                Some(ip) if ip.contains(':') && !port.is_empty() => format!("ip:[{ip}]"),
                _ => name(one.to).to_owned(),
            };
            let protocol = one.connection.protocol.word();
            let over = if one.question.to.is_ipv6() {
                " over IPv6"
            } else {
                ""
            };
            found.push(Try {
                text: format!("{} -> {dialled}{port}/{protocol}{over}", name(one.from)),
                question: one.question,
                predicted: vec![(one.connection, one.verdict)],
            });
        }
    }
    asked.connections.clear();
    Ok((asked, found))
}

/// Connections to the cluster address of a Service.
fn to_service(
    planned: &Planned,
    eval: &Evaluator<'_>,
    (at, party): (usize, &trial::Party),
    service: ServiceId,
    ports: &[(Protocol, u16)],
) -> Vec<Try> {
    let world = &planned.cluster.world;
    let Some(ip) = world[service].cluster_ips.first().copied() else {
        return Vec::new();
    };
    let name = format!(
        "{}/svc/{}",
        world[world[service].namespace].name, world[service].name
    );
    let one = |(protocol, port): &(Protocol, u16)| {
        let of = eval.to_service(party.meant, service, *port, *protocol);
        Try {
            text: format!("{} -> {name}:{port}/{}", party.name, protocol.word()),
            question: Question {
                from: at,
                to: ip,
                protocol: *protocol,
                port: *port,
                source_port: None,
                from_address: party
                    .ips
                    .iter()
                    .copied()
                    .find(|own| own.is_ipv4() == ip.is_ipv4()),
            },
            predicted: of
                .into_iter()
                .map(|(_, connection, verdict)| (connection, verdict))
                .collect(),
        }
    };
    ports.iter().map(one).collect()
}

/// The lab, and what is known of it.
pub(super) struct Asking<'a> {
    pub(super) planned: &'a Planned,
    pub(super) eval: &'a Evaluator<'a>,
    state: &'a State,
}

impl Asking<'_> {
    fn namespace(&self, place: Place) -> anyhow::Result<Arc<Namespace>> {
        let plan = &self.planned.plan;
        let name = match place {
            Place::World => "world",
            Place::Node(id) => {
                let node = plan.nodes.iter().find(|node| node.id == id);
                node.map_or("", |node| &node.name)
            }
            Place::Pod(id) => plan.pod(id).map_or("", |pod| &pod.name),
        };
        let held = self.state.place(name).map_err(plain)?;
        Ok(Arc::new(self.state.namespace(held).map_err(plain)?))
    }

    fn ask(&self, asked: &Asked, tries: &[Try]) -> anyhow::Result<Vec<Outcome>> {
        let mut parties = Vec::new();
        for party in &asked.parties {
            parties.push(probe::Party {
                name: Arc::clone(&party.name),
                namespace: self.namespace(party.place)?,
                // Nobody has the address of a Service: what goes there is translated.
                addresses: match party.kind {
                    "service" => Vec::new(),
                    _ => party.ips.clone(),
                },
            });
        }
        let mut watches = Vec::new();
        for node in &self.planned.plan.nodes {
            watches.push(Watch {
                node: Arc::from(&*node.name),
                namespace: self.namespace(Place::Node(node.id))?,
                group: Options::default().group,
            });
        }
        let questions: Vec<Question> = tries.iter().map(|one| one.question).collect();
        let _listeners = self.listen(tries)?;
        let answers = probe::run(
            &parties,
            &questions,
            &watches,
            &Settings::default(),
            &|_| {},
        );
        let answers = answers.map_err(plain)?;
        Ok(answers.into_iter().map(|answer| answer.outcome).collect())
    }

    /// Somebody answers where nobody does yet. Who has a port already keeps it.
    fn listen(&self, tries: &[Try]) -> anyhow::Result<Vec<probe::Listeners>> {
        let taken = declared(self.planned);
        let mut wanted = BTreeMap::new();
        for (connection, _) in tries.iter().flat_map(|one| &one.predicted) {
            let (Some(port), Some((place, name))) = (connection.port, self.place(connection.to))
            else {
                continue;
            };
            let key = (place, connection.protocol, port);
            if connection.protocol != Protocol::Icmp && !taken.contains_key(&key) {
                wanted.insert(key, name);
            }
        }
        let mut listening = Vec::new();
        for ((place, protocol, port), name) in wanted {
            let listener = Listener {
                name,
                namespace: self.namespace(place)?,
                protocol,
                port,
                address: None,
            };
            match probe::listen(vec![listener]) {
                Ok(listeners) => listening.push(listeners),
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(plain(error)),
            }
        }
        Ok(listening)
    }

    /// Where somebody's sockets are, and what is answered there.
    fn place(&self, party: Meant) -> Option<(Place, Arc<str>)> {
        let world = &self.planned.cluster.world;
        let plan = &self.planned.plan;
        match party.resolve(world) {
            Meant::Endpoint(id) => Some((plan.place_of(id)?, world.endpoint_name(id).into())),
            Meant::Node(id) => Some((Place::Node(id), format!("node:{}", world[id].name).into())),
            Meant::Address(_) => Some((Place::World, "world".into())),
            Meant::Name(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_one_argument_or_three() {
        let text = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
            flow_text(&arguments)
        };
        assert_eq!(text(&["a -> b:80"]), "a -> b:80");
        assert_eq!(text(&["a", "b"]), "a -> b");
        assert_eq!(text(&["a", "b", "80/udp"]), "a -> b:80/udp");
        assert_eq!(text(&["a", "ip:fd00::1", "80"]), "a -> ip:[fd00::1]:80");
        for arguments in [&["a", "b", "icmp"] as &[&str], &["a", "fd00::1", "80"]] {
            Flow::parse(&text(arguments)).unwrap();
        }
    }
}
