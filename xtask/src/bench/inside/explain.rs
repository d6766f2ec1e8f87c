//! How long `explain` takes once the cluster is loaded: everything between the ruleset and the printed answer.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use watertight_core::analysis::explain::Explainer;
use watertight_core::analysis::parties::{Flow, Parties};
use watertight_core::analysis::readings::Readings;
use watertight_core::engine::Profile;
use watertight_core::eval::Evaluator;
use watertight_core::report::explain::{Asked, Builder};
use watertight_core::source::Sources;

use super::sample::{Dice, Sample};
use super::{Spread, spelling};

pub(super) fn latency(
    sources: &Sources,
    of: &Evaluator<'_>,
    profile: &Profile,
    sample: &Sample<'_>,
    pairs: usize,
) -> anyhow::Result<Spread> {
    let mut dice = Dice::new(2);
    let mut times = Vec::with_capacity(pairs);
    for _ in 0..pairs {
        let (from, to) = sample.pair(&mut dice);
        let (protocol, port) = sample.port(&mut dice);
        let question = format!(
            "{} -> {}:{port}/{}",
            spelling(of.world, from),
            spelling(of.world, to),
            protocol.word()
        );
        let answered = answer(sources, of, profile, &question);
        times.push(answered.with_context(|| format!("cannot explain `{question}`"))?);
    }
    Spread::of(times).context("no pairs to explain")
}

/// As the command does it.
fn answer(
    sources: &Sources,
    of: &Evaluator<'_>,
    profile: &Profile,
    question: &str,
) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let eval = Evaluator::new(of.world, of.ruleset, of.switches);
    let readings = Readings::new(of.world, of.ruleset, profile, &[]);
    let explainer = Explainer::new(&eval, &readings);
    let parties = Parties::new(of.world, None);
    let mut builder = Builder::new(sources, profile, &explainer, None);
    let flow = Flow::parse(question)?;
    let (from, to) = (
        parties.select(&flow.from.text)?,
        parties.select(&flow.to.text)?,
    );
    let answer = explainer
        .answer(&from, &to, &flow.ports)
        .map_err(|refusal| anyhow!("{}", refusal.message))?;
    let asked = Asked {
        from: &from,
        to: &to,
        ports: &flow.ports,
        line: None,
    };
    builder.add(&asked, &answer);
    let report = builder.finish(&[], true);
    black_box(serde_json::to_string(&report)?);
    Ok(start.elapsed())
}
