//! Connections again: those whose answer proves nothing, and one alone, to see which rules of the kernel it meets.

use std::collections::BTreeMap;

use watertight_core::sets::Protocol;
use watertight_core::world::NodeId;

use super::{Error, Scene};
use crate::lab::Place;
use crate::netlink::{self, Socket};
use crate::nft::compile::Compiled;
use crate::nft::kernel;
use crate::probe::{self, Answer, Outcome, Party, Question, Settings, Watch};

/// The most connections that are asked about again: if there are more, it is not for a listener's slowness.
const ASKED_AGAIN: usize = 4000;

/// How many of them at once, and how many times as long a listener may take, time after time.
const FEW: usize = 256;
const PATIENCE: [u32; 2] = [4, 16];

/// Packets that each rule has counted, by node, chain and place in the chain.
type Counts = BTreeMap<(NodeId, Box<str>, usize), u64>;

/// Whether an answer leaves open who gave it, although somebody waits wherever packets should arrive.
pub(super) fn is_doubtful(outcome: &Outcome, question: &Question) -> bool {
    // Echo requests are answered by the kernel.
    question.protocol != Protocol::Icmp
        && matches!(outcome, Outcome::Refused | Outcome::Open { by: None })
}

/// Asks again what is wanted, and lets the last answers stand for the first; says whether anything was.
fn ask_again(
    answers: &mut [Answer],
    questions: &[Question],
    (parties, watches): (&[Party], &[Watch]),
    settings: &Settings,
    is_wanted: impl Fn(usize, &Outcome, &Question) -> bool,
) -> Result<bool, Error> {
    let again = answers.iter().zip(questions).enumerate();
    let again = again.filter(|(at, (answer, question))| is_wanted(*at, &answer.outcome, question));
    let (places, again): (Vec<usize>, Vec<Question>) = again
        .map(|(at, (_, question))| (at, *question))
        .take(ASKED_AGAIN)
        .unzip();
    if again.is_empty() {
        return Ok(false);
    }
    let answered = probe::run(parties, &again, watches, settings, &|_| {})?;
    for (at, answer) in places.into_iter().zip(answered) {
        if let Some(before) = answers.get_mut(at) {
            *before = answer;
        }
    }
    Ok(true)
}

/// Asks again what was answered by nobody knows whom, ever more patiently: on a busy machine a listener may be
/// slow to say who it is.
pub(super) fn doubtful(
    answers: &mut [Answer],
    questions: &[Question],
    around: (&[Party], &[Watch]),
    settings: &Settings,
    is_meant: impl Fn(usize) -> bool,
) -> Result<(), Error> {
    for patience in PATIENCE {
        let settings = Settings {
            greeting: settings.greeting * patience,
            in_flight: settings.in_flight.min(FEW),
            ..*settings
        };
        let is_wanted = |at, outcome: &Outcome, question: &Question| {
            is_doubtful(outcome, question) && is_meant(at)
        };
        if !ask_again(answers, questions, around, &settings, is_wanted)? {
            break;
        }
    }
    Ok(())
}

/// Asks again what was lost without a record behind a node that hides sources: if the node had to change the port
/// too, the record was not known for what it was.
pub(super) fn unlogged(
    answers: &mut [Answer],
    questions: &[Question],
    around: (&[Party], &[Watch]),
    settings: &Settings,
    is_meant: impl Fn(usize) -> bool,
) -> Result<(), Error> {
    let is_wanted = |at, outcome: &Outcome, question: &Question| {
        question.masked.is_some() && matches!(outcome, Outcome::Timeout) && is_meant(at)
    };
    ask_again(answers, questions, around, settings, is_wanted).map(|_| ())
}

/// The rules whose counters move when a question is asked.
pub(super) fn rules_met(
    scene: &Scene<'_, '_>,
    tables: &BTreeMap<NodeId, Compiled>,
    (parties, watches): (&[Party], &[Watch]),
    question: &Question,
    settings: &Settings,
) -> Result<Vec<String>, Error> {
    let before = counts(scene, tables)?;
    probe::run(
        parties,
        std::slice::from_ref(question),
        watches,
        settings,
        &|_| {},
    )?;
    let after = counts(scene, tables)?;
    let mut found = Vec::new();
    for ((node, chain, index), count) in after {
        if before
            .get(&(node, chain.clone(), index))
            .is_some_and(|before| *before >= count)
        {
            continue;
        }
        let Some(compiled) = tables.get(&node) else {
            continue;
        };
        let rule = compiled
            .table
            .chains
            .get(&chain)
            .and_then(|chain| chain.rules.get(index));
        if let Some(rule) = rule {
            let name = &scene.eval.world[node].name;
            found.push(format!(
                "node {name}, chain {chain}: {}",
                compiled.table.rule_text(rule)
            ));
        }
    }
    Ok(found)
}

fn counts(scene: &Scene<'_, '_>, tables: &BTreeMap<NodeId, Compiled>) -> Result<Counts, Error> {
    let mut counts = Counts::new();
    for (node, compiled) in tables {
        let Some(namespace) = scene.cluster.namespace(Place::Node(*node)) else {
            continue;
        };
        let read = || {
            let mut socket = Socket::open(netlink::Protocol::Netfilter)?;
            kernel::read(&mut socket, &compiled.table.name)
        };
        let held = namespace.run(read)?.map_err(|cause| Error::Table {
            node: scene.eval.world[*node].name.clone(),
            cause,
        })?;
        for (name, chain) in held.into_iter().flat_map(|held| held.chains) {
            let counted = chain
                .rules
                .iter()
                .map(|rule| rule.counted.map(|(packets, _)| packets));
            for (index, packets) in counted.enumerate() {
                if let Some(packets) = packets {
                    counts.insert((*node, name.clone(), index), packets);
                }
            }
        }
    }
    Ok(counts)
}
