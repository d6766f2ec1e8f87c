//! The real way in: files are read, the world is built, the policies are lowered.

use watertight_core::engine::{Profile, Switches};
use watertight_core::eval::{Connection, Evaluator, Family, Party, ServiceAddress, Verdict};
use watertight_core::manifest::{self, Options};
use watertight_core::policy::{Ruleset, lower};
use watertight_core::sets::Protocol;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume, EndpointId, NodeId, World};

use super::{Described, Spelling, files};
use crate::oracle;
use crate::oracle::objects::Cluster;
use crate::oracle::{Question, Readings, Who};

/// What the crate makes of a description.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) world: World,
    pub(crate) ruleset: Ruleset,
    pub(crate) switches: Switches,
    /// The pods, in the description's order.
    pub(crate) pods: Vec<EndpointId>,
    nodes: Vec<NodeId>,
}

/// Reads a described cluster; findings are an error, for everything in it is valid.
pub(crate) fn read(described: &Described, readings: &Readings) -> Result<Read, String> {
    from_files(
        files(&described.cluster, described.spelling),
        &described.cluster,
        readings,
    )
}

/// Reads a cluster in the plainest spelling.
pub(crate) fn read_plain(cluster: &Cluster, readings: &Readings) -> Result<Read, String> {
    let spelling = Spelling {
        format: super::Format::JsonList,
        nulls: false,
        bare: false,
    };
    from_files(files(cluster, spelling), cluster, readings)
}

/// Reads files that describe a cluster.
pub(crate) fn from_files(
    files: Vec<(String, String)>,
    cluster: &Cluster,
    readings: &Readings,
) -> Result<Read, String> {
    from_files_assuming(files, cluster, readings, &Assume::default())
}

/// Reads files that describe a cluster; `assume` says what to make of what they leave out.
pub(crate) fn from_files_assuming(
    files: Vec<(String, String)>,
    cluster: &Cluster,
    readings: &Readings,
    assume: &Assume,
) -> Result<Read, String> {
    let mut switches = Switches::default();
    for (name, value) in readings.pairs() {
        switches
            .set(name, value)
            .map_err(|error| error.to_string())?;
    }
    let mut sources = Sources::new();
    for (name, text) in files {
        sources
            .add(&name, text.into_bytes())
            .map_err(|error| error.to_string())?;
    }
    let loaded = manifest::load(&sources, &Options::default());
    let (world, duplicates) = world::build(&sources, &loaded.objects, assume);
    let findings: Vec<&str> = loaded
        .findings
        .iter()
        .chain(&duplicates)
        .map(|finding| &*finding.message)
        .collect();
    if !findings.is_empty() {
        return Err(format!("findings in a valid world: {findings:?}"));
    }
    let mut profile = Profile::parse("reference").map_err(|error| error.to_string())?;
    profile.switches = switches;
    let ruleset = lower(&world, &profile);
    let pods = cluster.pods.iter().map(|pod| {
        let found = world.endpoint(&pod.namespace, &pod.name);
        found.ok_or_else(|| format!("pod {}/{} is not there", pod.namespace, pod.name))
    });
    let pods = pods.collect::<Result<_, _>>()?;
    let nodes = cluster.nodes.iter().map(|node| {
        let found = world.node(&node.name);
        found.ok_or_else(|| format!("node {} is not there", node.name))
    });
    let nodes = nodes.collect::<Result<_, _>>()?;
    Ok(Read {
        world,
        ruleset,
        switches,
        pods,
        nodes,
    })
}

impl Read {
    pub(crate) fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(&self.world, &self.ruleset, self.switches)
    }

    pub(crate) fn party(&self, who: Who) -> Party {
        match who {
            Who::Pod(at) => Party::Endpoint(self.pods[at]),
            Who::Node(at) => Party::Node(self.nodes[at]),
            Who::Address(ip) => Party::Address(ip),
        }
    }

    pub(crate) fn connection(&self, question: &Question) -> Connection {
        let (from, to) = (self.party(question.from), self.party(question.to));
        let mut connection = Connection::new(from, to, protocol(question.protocol), 0);
        connection.port = question.port;
        connection.family = question.family.map(|family| match family {
            oracle::Family::V4 => Family::V4,
            oracle::Family::V6 => Family::V6,
        });
        connection.service = question
            .service
            .map(|(ip, port)| ServiceAddress { ip, port });
        connection.via_node = question.via_node.map(|at| self.nodes[at]);
        connection
    }
}

pub(crate) fn protocol(name: &str) -> Protocol {
    Protocol::from_api(name).unwrap_or(Protocol::Icmp)
}

/// Every answer to a list of questions.
pub(crate) fn verdicts(read: &Read, questions: &[Question]) -> Vec<Verdict> {
    let evaluator = read.evaluator();
    questions
        .iter()
        .map(|question| evaluator.verdict(&read.connection(question)))
        .collect()
}
