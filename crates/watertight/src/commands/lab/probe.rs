//! `watertight lab probe`: connections in a lab that is up.
//!
//! The holder's arguments say what the lab is made of. It is read again for what is predicted, and must still
//! be the same.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::Parser as _;
use watertight_core::analysis::parties::{Flow, Parties};
use watertight_core::eval::{Evaluator, Party as Meant};
use watertight_core::sets::Protocol;
use watertight_node::lab::Place;
use watertight_node::lab::state::State;
use watertight_node::nft::compile::Options;
use watertight_node::probe::{self, Listener, Outcome, Question, Settings, Watch};
use watertight_node::sys::Namespace;
use watertight_node::trial::{self, Asked};

use crate::args::{Global, LabArgs, LabHoldArgs, LabProbeArgs, LabVerb};
use crate::exit::Exit;
use crate::output::one_line;

use super::answers::{judged, word};
use super::background::declared;
use super::build::{Planned, plan};
use super::plain;
use super::tries::{Try, tries};

/// Connections of one command; `lab run` is for more.
const MOST: usize = 200;

/// With more connections than this, each is told in one line.
const MOST_IN_FULL: usize = 12;

pub(super) fn run(args: &LabProbeArgs, state: &State, global: &Global) -> anyhow::Result<Exit> {
    let flow = Flow::parse(&flow_text(&args.flow)).map_err(|error| anyhow!("{error}"))?;
    let mut planned = read_again(state, global)?;
    for end in [&flow.from.text, &flow.to.text] {
        planned.cluster.know_name(end);
    }
    let world = &planned.cluster.world;
    let eval = planned.cluster.evaluator();
    let parties = Parties::new(world, args.namespace.as_deref());
    let select = |text: &str| parties.select(text).map_err(|error| anyhow!("{error}"));
    let (from, to) = (select(&flow.from.text)?, select(&flow.to.text)?);
    let written = flow.to.text.strip_prefix("ip:").unwrap_or(&flow.to.text);
    let written: Option<IpAddr> = written.trim_matches(['[', ']']).parse().ok();
    if let (Some(service), Some(ip)) = (to.service(), written)
        && let Some(first) = world[service].cluster_ips.first()
        && *first != ip
    {
        bail!("the lab dials a Service by its first address: write {first} for {ip}");
    }
    let (asked, tries) = tries(&planned, &eval, (&from, &to), &flow.ports)?;
    if tries.len() > MOST {
        let more = tries.len();
        bail!("that makes {more} connections; name a port, or use `lab run` for so many");
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
                addresses: match party.is_service() {
                    true => Vec::new(),
                    false => party.ips.clone(),
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
