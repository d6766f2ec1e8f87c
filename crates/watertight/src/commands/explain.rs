//! `watertight explain`: why is this connection allowed or denied?

mod questions;

use std::mem::ManuallyDrop;

use anyhow::bail;
use watertight_core::analysis::explain::{Explainer, Part};
use watertight_core::analysis::parties::{Flow, Parties, Selection, What};
use watertight_core::analysis::readings::Readings;
use watertight_core::report::ExplainReport;
use watertight_core::report::explain::{Answer, Asked, Builder, Problem};
use watertight_core::rules::count;

use crate::args::{Expect, ExplainArgs, ExplainFormat, Global};
use crate::exit::{Exit, complain_at, say};
use crate::output::explain::{Rendering, json, text};

use super::cluster::{Cluster, known_namespace};
use questions::Question;

pub(super) fn run(args: &ExplainArgs, global: &Global) -> anyhow::Result<Exit> {
    let targets = super::targets(&args.output, ExplainFormat::Text)?;
    let from_stdin = |path: &std::path::PathBuf| path.as_os_str() == "-";
    if args.flows.as_ref().is_some_and(from_stdin) && args.input.filename.iter().any(from_stdin) {
        bail!("manifests and flows cannot both come from standard input");
    }
    let questions = questions::read(args)?;
    // The process ends: taking a large cluster apart piece by piece would only take time.
    let mut cluster = Cluster::read(
        &args.input.of(&[], &args.namespace),
        &args.cluster,
        &args.config,
        global,
    )?;
    for flow in questions
        .iter()
        .filter_map(|question| Flow::parse(&question.text).ok())
    {
        cluster.know_name(&flow.from.text);
        cluster.know_name(&flow.to.text);
    }
    let cluster = ManuallyDrop::new(cluster);
    cluster.tell_problems();
    if let Some(namespace) = &args.namespace {
        known_namespace(&cluster.world, namespace)?;
    }
    let settings = &cluster.settings;
    let eval = ManuallyDrop::new(cluster.evaluator());
    let readings = Readings::new(
        &cluster.world,
        &cluster.ruleset,
        &settings.profile,
        &settings.pinned,
    )
    .with_unread(&settings.profile);
    let explainer = Explainer::new(&eval, &readings);
    let expected = args.expect.map(|expect| expect == Expect::Allow);
    let asking = Asking {
        args,
        cluster: &cluster,
        parties: Parties::new(&cluster.world, args.namespace.as_deref()),
        explainer: &explainer,
    };
    let mut builder = Builder::new(&cluster.sources, &settings.profile, &explainer, expected);
    for question in &questions {
        if let Err(problem) = asking.ask(question, &mut builder) {
            complain_at(
                question.place(problem.column).as_deref(),
                &problem.message,
                &question.text,
                problem.column,
                problem.length,
            );
            builder.fail(&question.text, question.line(), problem);
        }
    }
    let problems: Vec<_> = cluster.problems().collect();
    let report = builder.finish(&problems, cluster.is_complete());
    super::deliver(&targets, global, |format, color, out| match format {
        ExplainFormat::Json => json(&report, out),
        ExplainFormat::Text => {
            let rendering = Rendering {
                report: &report,
                color,
                width: super::width(),
                verbose: global.verbose,
            };
            text(&rendering, out)
        }
    })?;
    tell_unexpected(&report);
    cluster.summarise(global, &answered(&report));
    Ok(exit(&report))
}

struct Asking<'a> {
    args: &'a ExplainArgs,
    cluster: &'a Cluster,
    parties: Parties<'a>,
    explainer: &'a Explainer<'a>,
}

impl Asking<'_> {
    fn ask(&self, question: &Question, builder: &mut Builder<'_>) -> Result<(), Problem> {
        let problem = |at: usize, length: usize, message: String| Problem {
            message,
            column: at + 1,
            length: length.max(1),
        };
        let flow = Flow::parse(&question.text)
            .map_err(|error| problem(error.at, error.length, error.message))?;
        let select = |written: &watertight_core::analysis::parties::Written| {
            let selected = self.parties.select(&written.text);
            selected.map_err(|error| {
                let length = written.text.chars().count();
                problem(written.at, length, error.message)
            })
        };
        let (from, to) = (select(&flow.from)?, select(&flow.to)?);
        let ports = if self.args.all_ports {
            &[]
        } else {
            flow.ports.as_slice()
        };
        let mut answer = |from: &Selection, to: &Selection| {
            let found = self.explainer.answer(from, to, ports).map_err(|refusal| {
                let length = |text: &str| text.chars().count();
                match refusal.part {
                    Part::From => problem(flow.from.at, length(&flow.from.text), refusal.message),
                    Part::To => problem(flow.to.at, length(&flow.to.text), refusal.message),
                    Part::Ports => {
                        let rest = question.text.chars().skip(flow.ports_at);
                        let ports = rest.collect::<String>();
                        problem(flow.ports_at, length(ports.trim_end()), refusal.message)
                    }
                }
            })?;
            let asked = Asked {
                from,
                to,
                ports,
                line: question.line(),
            };
            builder.add(&asked, &found);
            Ok(())
        };
        answer(&from, &to)?;
        if self.args.both_directions {
            answer(&self.as_source(&to), &from)?;
        }
        Ok(())
    }

    /// The pods behind a Service where it has to connect: it opens no connections itself.
    fn as_source(&self, selection: &Selection) -> Selection {
        let pods = match selection.service() {
            Some(service) => self.cluster.world.selected_by(service),
            None => Vec::new(),
        };
        if pods.is_empty() {
            return selection.clone();
        }
        Selection {
            text: selection.text.clone(),
            what: What::Endpoints(pods),
        }
    }
}

fn answered(report: &ExplainReport) -> String {
    let summary = &report.summary;
    let parts = [
        (summary.allow, "allowed"),
        (summary.deny, "denied"),
        (summary.uncertain, "uncertain"),
        (summary.partial, "partial"),
        (summary.errors, "not answered"),
    ];
    let told: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let ids: Vec<_> = report
        .assumptions
        .iter()
        .map(|assumption| assumption.id.as_str())
        .collect();
    let assumed = if ids.is_empty() {
        String::new()
    } else {
        format!(", assuming {}", ids.join(" "))
    };
    let questions = count(summary.questions, "question");
    format!("{assumed}; {questions}: {},", told.join(", "))
}

/// Answers that are not as expected, each on a line.
fn tell_unexpected(report: &ExplainReport) {
    let broken = |answer: &&Answer| answer.met == Some(false) && answer.error.is_none();
    for answer in report.answers.iter().filter(broken) {
        let expected = answer.expected.as_deref().unwrap_or_default();
        let verdict = answer.verdict.as_deref().unwrap_or_default();
        say(&format!(
            "expected {expected}, found {verdict}: {}",
            answer.flow
        ));
    }
}

fn exit(report: &ExplainReport) -> Exit {
    if !report.summary.complete {
        Exit::Unable
    } else if report.summary.unexpected > 0 {
        Exit::Findings
    } else {
        Exit::Clean
    }
}
