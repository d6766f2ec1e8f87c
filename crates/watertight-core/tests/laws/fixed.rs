//! Fixes and minimizing: findings are gone, and the map is what it was or smaller.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;

use watertight_core::analysis::fix::{Opened, Request, State, opened, plan};
use watertight_core::analysis::minimize::minimize;
use watertight_core::check::{CheckOptions, Checked, check};
use watertight_core::diag::Finding;
use watertight_core::engine::Profile;
use watertight_core::eval::reach::Reach;
use watertight_core::eval::{Party, Verdict};
use watertight_core::source::Sources;
use watertight_core::world::NodeId;

use super::some_questions;
use crate::oracle::{Question, Readings, Who};
use crate::runner::hold;
use crate::worlds::read::{Read, from_files, protocol, read, read_plain, verdicts};
use crate::worlds::{Described, describe, files, readings, worlds};

fn options(readings: &Readings) -> Result<CheckOptions, String> {
    let mut profile = Profile::parse("reference").map_err(|error| error.to_string())?;
    for (name, value) in readings.pairs() {
        let set = profile.switches.set(name, value);
        set.map_err(|error| error.to_string())?;
    }
    Ok(CheckOptions {
        profile,
        engine_is_named: true,
        ..CheckOptions::default()
    })
}

fn sources(described: &Described) -> Result<Sources, String> {
    let mut sources = Sources::new();
    for (name, text) in files(&described.cluster, described.spelling) {
        let added = sources.add(&name, text.into_bytes());
        added.map_err(|error| error.to_string())?;
    }
    Ok(sources)
}

/// The answers of a cluster as its files stand now.
fn answers(
    sources: &Sources,
    described: &Described,
    readings: &Readings,
    questions: &[Question],
) -> Result<Vec<Verdict>, String> {
    let texts = sources
        .iter()
        .map(|(_, file)| (file.name().to_owned(), file.text().to_owned()));
    let read = from_files(texts.collect(), &described.cluster, readings)?;
    Ok(verdicts(&read, questions))
}

/// What a finding says, without numbers.
fn words(finding: &Finding) -> String {
    let subject = finding.subject.as_ref().map(ToString::to_string);
    let message = finding.message.chars().filter(|c| !c.is_ascii_digit());
    let message: String = message.collect();
    format!("{} {subject:?} {message}", finding.rule.id)
}

fn times(checked: &Checked, words_of: &str) -> usize {
    let findings = checked.findings.iter();
    findings
        .filter(|finding| words(finding) == words_of)
        .count()
}

#[test]
fn what_is_fixed_is_gone_and_nothing_new_is_allowed() {
    let (fixed, by_name) = (Cell::new(0), Cell::new(0));
    let input = (worlds(), readings(), proptest::bool::ANY);
    hold(40, input, |(described, readings, named)| {
        let mut sources = sources(described)?;
        let objects = sources.add("new.yaml", Vec::new());
        let objects = objects.map_err(|error| error.to_string())?;
        let options = options(readings)?;
        let checked = check(&sources, &options);
        let writable: BTreeSet<_> = sources.iter().map(|(id, _)| id).collect();
        let rules: Vec<String> = if *named {
            vec!["WT1".into(), "WT3".into(), "WT4".into()]
        } else {
            Vec::new()
        };
        let request = Request {
            options: &options,
            rules: &rules,
            objects: Some(objects),
            writable: &writable,
        };
        let plan = plan(&sources, &checked, &request);
        let Some(edited) = plan.edited else {
            return Ok(());
        };
        for applied in &plan.applied {
            let words = words(&applied.finding);
            if times(&edited.checked, &words) >= times(&checked, &words).max(1) {
                return Err(format!("still there: {words}"));
            }
        }
        fixed.set(fixed.get() + plan.applied.len());
        by_name.set(by_name.get() + usize::from(*named));
        if *named {
            return Ok(());
        }
        let questions = some_questions(described);
        let before = answers(&sources, described, readings, &questions)?;
        let after = answers(&edited.sources, described, readings, &questions)?;
        for ((question, old), new) in questions.iter().zip(&before).zip(&after) {
            if new.allowed && !old.allowed {
                let what = describe(&described.cluster, question);
                return Err(format!("{what} is new\n{:#?}", plan.applied));
            }
        }
        Ok(())
    });
    assert!(
        fixed.get() > 20 && by_name.get() > 5,
        "{fixed:?} {by_name:?}"
    );
}

/// What two sets of policies allow one and the same pods: no pair opens unseen.
#[test]
fn what_opens_is_seen() {
    let (opens, calm) = (Cell::new(0), Cell::new(0));
    let input = (worlds(), readings(), proptest::num::u8::ANY);
    hold(150, input, |(described, readings, choice)| {
        let mut fewer = described.cluster.clone();
        if fewer.policies.is_empty() {
            return Ok(());
        }
        fewer
            .policies
            .remove(usize::from(*choice) % fewer.policies.len());
        let (all, fewer) = (read(described, readings)?, read_plain(&fewer, readings)?);
        let evaluators = [&all, &fewer].map(Read::evaluator);
        let [before, after] = [0, 1].map(|at| Reach::new(&evaluators[at]));
        let [a, b] = [(0, &before), (1, &after)].map(|(at, reach)| State {
            eval: &evaluators[at],
            reach,
        });
        let questions = some_questions(described);
        for (old, new, one, other) in [(a, b, &all, &fewer), (b, a, &fewer, &all)] {
            let found = opened(old, new, usize::MAX);
            let some = opened(old, new, 1);
            if some.is_empty() != found.is_empty() {
                return Err(format!("{some:?} of {found:?}"));
            }
            let count = if found.is_empty() { &calm } else { &opens };
            count.set(count.get() + 1);
            for question in &questions {
                let then = old.reach.outcome(old.eval, &one.connection(question));
                let now = new.reach.outcome(new.eval, &other.connection(question));
                if now > then && !found.iter().any(|one| tells_of(one, other, question)) {
                    let what = describe(&described.cluster, question);
                    return Err(format!("{what}: {then:?} became {now:?}"));
                }
            }
        }
        Ok(())
    });
    assert!(opens.get() > 30 && calm.get() > 30, "{opens:?} {calm:?}");
}

/// Whether an opening is the question's own pair. Of addresses outside one stands for others, and so
/// does the node that they come through.
fn tells_of(one: &Opened, read: &Read, question: &Question) -> bool {
    let world = &read.world;
    let through = read.connection(question).via_node;
    let is_node = |text: &str, id: NodeId| text.strip_prefix("node:") == Some(&*world[id].name);
    let is = |text: &str, who: Who| match read.party(who) {
        Party::Endpoint(id) => text == world.display_name(id),
        Party::Node(id) => is_node(text, id),
        Party::Address(ip) => {
            let other = text.strip_prefix("ip:").and_then(|ip| ip.parse().ok());
            let is_alike = |other: IpAddr| other.is_ipv4() == ip.is_ipv4();
            other.is_some_and(is_alike) || through.is_some_and(|node| is_node(text, node))
        }
        Party::Name(_) => false,
    };
    let port = question
        .port
        .is_none_or(|port| (one.first..=one.last).contains(&port));
    is(&one.from, question.from)
        && is(&one.to, question.to)
        && one.protocol == protocol(question.protocol)
        && port
}

#[test]
fn minimizing_keeps_the_map() {
    let smaller = Cell::new(0);
    let input = (worlds(), readings(), proptest::bool::ANY);
    hold(60, input, |(described, readings, for_these_pods)| {
        let sources = sources(described)?;
        let found = minimize(&sources, &options(readings)?, *for_these_pods);
        let Some((after, _)) = found.edited else {
            return Ok(());
        };
        smaller.set(smaller.get() + 1);
        let questions = some_questions(described);
        let old = answers(&sources, described, readings, &questions)?;
        let new = answers(&after, described, readings, &questions)?;
        for ((question, old), new) in questions.iter().zip(&old).zip(&new) {
            if old.allowed != new.allowed {
                let what = describe(&described.cluster, question);
                return Err(format!("{what} has changed\n{:#?}", found.removals));
            }
        }
        Ok(())
    });
    assert!(smaller.get() > 10, "{smaller:?}");
}
