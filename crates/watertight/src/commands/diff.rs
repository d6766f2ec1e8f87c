//! `watertight diff`: which connections a change opens and cuts; and what `preview` shares with it.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::mem::ManuallyDrop;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use watertight_core::analysis::diff::{Judged, compare, share_names};
use watertight_core::analysis::felt::{self, Felt};
use watertight_core::analysis::map::By;
use watertight_core::check::{CheckOptions, State, contexts, judge_two, take_for};
use watertight_core::diag::{self, Finding, Markers};
use watertight_core::engine::{AnpApi, Profile};
use watertight_core::eval::Evaluator;
use watertight_core::manifest::{self, Belongs, Loaded, Options};
use watertight_core::observed::{self, Matched, Recorded};
use watertight_core::policy::lower;
use watertight_core::report::diff::{DiffInput, DiffReport, Flows, diff_report};
use watertight_core::rules::{Rule, count};
use watertight_core::source::Sources;
use watertight_core::world::{self, Preview, World};

use crate::args::{ClusterArgs, CompareArgs, DiffArgs, DiffFormat, FailOnChange, Global, ReachBy};
use crate::config::Config;
use crate::exit::{Exit, say};
use crate::input::{self, Asking, Two};
use crate::output::diff::Rendering;
use crate::output::one_line;
use crate::progress::Progress;

use super::cluster::{self, Settings};

/// More problems than this are counted, not listed.
const MOST_PROBLEMS: usize = 20;

pub(super) fn run(args: &DiffArgs, global: &Global) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let config = cluster::config(&args.config)?;
    let exclude = input::globs(args.exclude.iter().chain(&config.exclude))?;
    let comparison = Comparison::new(&args.compare, &args.cluster, config, global, started)?;
    let asking = Asking {
        live: &args.live,
        namespaces: &[],
        hints: false,
        global,
    };
    let two = input::read_two(&args.old, &args.new, &exclude, asking)?;
    let names = [&args.old, &args.new].map(|path| path.display().to_string());
    comparison.run(two, None, names)
}

/// What `diff` and `preview` do once they have the files.
pub(super) struct Comparison<'a> {
    args: &'a CompareArgs,
    global: &'a Global,
    config: Config,
    settings: Settings,
    targets: Vec<crate::args::OutputTarget<DiffFormat>>,
    started: Instant,
}

/// One of the two worlds.
struct Side {
    world: World,
    /// What reading found.
    reading: Vec<Finding>,
    broken: usize,
    files: usize,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(
        args: &'a CompareArgs,
        cluster: &ClusterArgs,
        config: Config,
        global: &'a Global,
        started: Instant,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            targets: super::targets(&args.output, DiffFormat::Text)?,
            settings: cluster::settings(cluster, &config)?,
            args,
            global,
            config,
            started,
        })
    }

    /// The namespace of objects that name none.
    pub(super) fn default_namespace(&self) -> &str {
        &self.settings.assume.namespace
    }

    /// Compares, tells and says how it ends.
    pub(super) fn run(
        mut self,
        mut two: Two,
        preview: Option<&Preview>,
        names: [String; 2],
    ) -> anyhow::Result<Exit> {
        let recorded = self.recorded(&mut two.sources)?;
        // The process ends: taking large clusters apart piece by piece would only take time.
        let two = ManuallyDrop::new(two);
        let sides = self.read(&two, preview)?;
        if let Some(preview) = preview {
            let [old, _] = &sides;
            for name in &preview.delete {
                if !name.is_in(&old.world) {
                    bail!(
                        "--delete: there is no {name}{}",
                        super::preview::near(name, &old.world)
                    );
                }
            }
            if let Some(missing) = nothing_staged(preview, &sides, two.files_of(Belongs::New)) {
                say(&format!("note: --staged: {missing}"));
            }
        }
        let profile = self.settings.profile;
        let [mut old, mut new] = sides;
        share_names(&mut old.world, &mut new.world);
        for recorded in &recorded {
            for world in [&mut old.world, &mut new.world] {
                for name in observed::names(world, recorded) {
                    world.intern_name(name);
                }
            }
        }
        let (old, new) = (ManuallyDrop::new(old), ManuallyDrop::new(new));
        let rulesets = rayon::join(
            || lower(&old.world, &profile),
            || lower(&new.world, &profile),
        );
        let rulesets = ManuallyDrop::new(rulesets);
        let (lowered_old, lowered_new) = &*rulesets;
        let evals = [(&old.world, lowered_old), (&new.world, lowered_new)];
        let evals = evals.map(|(world, ruleset)| Evaluator::new(world, ruleset, profile.switches));
        let evals = ManuallyDrop::new(evals);
        let [eval_old, eval_new] = &*evals;
        let felt = Felt::find(&two.sources, &old.world, &new.world);
        let options = self.check_options(&two.sources)?;
        // Neither keeps all cores busy by itself.
        let (rows, (contexts, markers)) = rayon::join(
            || felt::rows([eval_old, eval_new], felt.as_ref()),
            || {
                let contexts = contexts(&two.sources, [eval_old, eval_new], &options);
                (contexts, Markers::find(&two.sources))
            },
        );
        let rows = ManuallyDrop::new(rows);
        let [before, after] = &*rows;
        let judged = [(eval_old, before), (eval_new, after)].map(|(eval, reach)| Judged {
            eval,
            reach,
            profile: &profile,
            pinned: &self.settings.pinned,
        });
        let [judged_old, judged_new] = &judged;
        let by = match self.args.by {
            ReachBy::Pod => By::Pod,
            ReachBy::Workload => By::Workload,
            ReachBy::Namespace => By::Namespace,
        };
        let read = [
            (before, &old.reading, Belongs::Old),
            (after, &new.reading, Belongs::New),
        ];
        let states = read.map(|(reach, reading, belongs)| State {
            reach,
            reading,
            belongs,
        });
        let is_of = |belongs, file| two.is_of(belongs, file);
        let (difference, findings) = rayon::join(
            || compare(&two.sources, judged_old, judged_new, by, felt.as_ref()),
            || judge_two(&markers, contexts, states, felt.as_ref(), &options, is_of),
        );
        let difference = ManuallyDrop::new(difference);
        let findings = ManuallyDrop::new(findings);
        let matched = self.matched(&two.sources, [&old.world, &new.world], &recorded);
        let [found_old, found_new] = &*findings;
        let problems = problems(&two, [&old, &new]);
        let problems: Vec<_> = problems.iter().collect();
        self.tell_problems(&two.sources, &problems);
        let complete =
            old.broken + new.broken == 0 && !problems.iter().any(|finding| finding.incomplete);
        let [name_old, name_new] = &names;
        let report = diff_report(&DiffInput {
            sources: &two.sources,
            old: (judged_old, name_old),
            new: (judged_new, name_new),
            difference: &difference,
            problems: &problems,
            complete,
            flows: matched.as_ref().map(|[old, new]| Flows { old, new }),
            findings: Some([found_old, found_new]),
        });
        let report = ManuallyDrop::new(report);
        let units = difference.units.iter().map(|unit| unit.name.clone());
        let units: Vec<String> = units.collect();
        let rendering = Rendering {
            report: &report,
            units: &units,
            width: super::width(),
            all: self.args.all,
        };
        super::deliver(&self.targets, self.global, |format, color, out| {
            rendering.render(format, color, out)
        })?;
        self.summarise(&report, [&old, &new], &profile);
        Ok(if !complete {
            Exit::Unable
        } else if fails(self.args.fail_on, &report, difference.is_empty()) {
            Exit::Findings
        } else {
            Exit::Clean
        })
    }

    /// Both worlds, judged by one engine.
    fn read(&mut self, two: &Two, preview: Option<&Preview>) -> anyhow::Result<[Side; 2]> {
        let settings = &mut self.settings;
        let options = Options {
            strict_cidr: settings.profile.switches.strict_cidr,
            old_admin_api: settings.profile.switches.anp_api == AnpApi::Old,
        };
        let bytes = two.sources.iter().map(|(_, file)| file.text().len() as u64);
        let progress = Progress::start(bytes.sum(), !self.global.quiet);
        let belongs = |file| two.belongs(file);
        let done = Some(&*progress.done);
        let read = world::read_two(
            &two.sources,
            belongs,
            &options,
            &settings.assume,
            preview,
            done,
        );
        drop(progress);
        let [(mut old, before), (mut new, after)] = read;
        if !settings.engine_is_named {
            // One cluster has one engine: what the new state suggests, or else what the old one does.
            let given = settings.profile;
            settings.profile = take_for(&mut new, given, &settings.pinned);
            let suggested = take_for(&mut old, given, &settings.pinned);
            if new.assumed.engine.is_none() {
                settings.profile = suggested;
                new.assumed.engine.clone_from(&old.assumed.engine);
            }
        }
        let nothing = |world: &World, loaded: &Loaded<'_>| {
            world.namespaces.is_empty() && world.nodes.is_empty() && loaded.findings.is_empty()
        };
        if nothing(&old, &before) && nothing(&new, &after) {
            let (kinds, others) = (&after.other_kinds, after.not_objects + before.not_objects);
            cluster::anything_to_ask(&new, &[], kinds, others)?;
        }
        let side = |belongs: Belongs, world: World, loaded: Loaded<'_>| {
            let unreadable = two.unreadable.iter();
            let of_side = |of: Belongs| of == belongs || of == Belongs::Both;
            let unreadable: Vec<_> = unreadable.filter(|(of, ..)| of_side(*of)).collect();
            let mut reading = loaded.findings;
            let told = unreadable.iter();
            reading.extend(told.map(|(_, name, reason)| manifest::unreadable(name, reason)));
            Side {
                world,
                reading,
                broken: loaded.broken + unreadable.len(),
                files: two.files_of(belongs),
            }
        };
        Ok([
            side(Belongs::Old, old, before),
            side(Belongs::New, new, after),
        ])
    }

    /// The files of recorded flows.
    fn recorded(&self, sources: &mut Sources) -> anyhow::Result<Vec<Recorded>> {
        let read = |path: &PathBuf| {
            let shown = path.display();
            let is_stdin = path.as_os_str() == "-";
            let bytes = if is_stdin {
                let mut bytes = Vec::new();
                let read = std::io::stdin().lock().read_to_end(&mut bytes);
                read.map(|_| bytes)
            } else {
                std::fs::read(path)
            };
            let bytes = bytes.with_context(|| format!("cannot read `{shown}`"))?;
            let name = if is_stdin {
                "<stdin>".into()
            } else {
                shown.to_string()
            };
            let file = sources
                .add(&name, bytes)
                .map_err(|error| anyhow!("`{shown}`: {error}"))?;
            let recorded = observed::read(sources, file, None);
            let Some(problem) = recorded.problems.first() else {
                return Ok(recorded);
            };
            let place = sources.locate(problem.span);
            let message = &problem.message;
            if recorded.flows.is_empty() {
                bail!("{place}: {message}");
            }
            let problems = count(recorded.problems.len() + recorded.more_problems, "problem");
            say(&format!(
                "note: {place}: {message} ({problems} in this file)"
            ));
            Ok(recorded)
        };
        self.args.flows.iter().map(read).collect()
    }

    /// Recorded flows in both worlds; none if there are no records.
    fn matched(
        &self,
        sources: &Sources,
        worlds: [&World; 2],
        recorded: &[Recorded],
    ) -> Option<[Matched; 2]> {
        if recorded.is_empty() {
            return None;
        }
        let [old, new] = worlds.map(|world| {
            let mut all = Matched::default();
            for recorded in recorded {
                let matched = observed::match_to(world, recorded);
                all.connections.extend(matched.connections);
                all.unknown.extend(matched.unknown);
            }
            all
        });
        // A flow whose ends are there in one world only is no longer possible, or was not before.
        let unknown: BTreeSet<_> = old.unknown.iter().map(|flow| flow.span).collect();
        let nowhere = new.unknown.iter();
        let nowhere = nowhere.filter(|flow| unknown.contains(&flow.span));
        let nowhere: Vec<_> = nowhere.collect();
        if let Some(unknown) = nowhere.first() {
            say(&format!(
                "note: {}: {}; {} left out",
                sources.locate(unknown.span),
                one_line(&unknown.why),
                count(nowhere.len(), "flow")
            ));
        }
        Some([old, new])
    }

    /// How `check` judges both worlds.
    fn check_options(&self, sources: &Sources) -> anyhow::Result<CheckOptions> {
        let config = &self.config;
        let clouds = config.clouds.iter();
        let clouds = clouds.map(|cloud| cloud.parse().map_err(|error| anyhow!("{error}")));
        Ok(CheckOptions {
            profile: self.settings.profile,
            engine_is_named: true,
            pinned: self.settings.pinned.clone(),
            clouds: clouds.collect::<anyhow::Result<_>>()?,
            select: config.select.clone(),
            ignore: config.ignore.clone(),
            suppressions: super::check::suppressions(config, sources)?,
            ..CheckOptions::default()
        })
    }

    /// Says on standard error what could not be read.
    fn tell_problems(&self, sources: &Sources, problems: &[&Finding]) {
        for finding in problems.iter().take(MOST_PROBLEMS) {
            let place = finding.span().map(|span| sources.locate(span));
            say(&format!(
                "{}: {}[{}] {}",
                one_line(place.as_deref().unwrap_or("-")),
                finding.severity.word(),
                finding.rule.id,
                one_line(&finding.message)
            ));
        }
        let more = problems.len().saturating_sub(MOST_PROBLEMS);
        if more > 0 {
            let problems = count(more, "more problem");
            say(&format!("... and {problems}; `watertight check` lists all"));
        }
    }

    fn summarise(&self, report: &DiffReport, [old, new]: [&Side; 2], profile: &Profile) {
        if self.global.quiet {
            return;
        }
        let told = |side: &watertight_core::report::diff::DiffSide, files: usize| {
            format!(
                "{} and {} of {} ({})",
                count(side.policies, "policy"),
                count(side.pods, "pod"),
                one_line(&side.source),
                count(files, "file")
            )
        };
        say(&format!(
            "compared {} with {}, engine {}, in {} ms",
            told(&report.old, old.files),
            told(&report.new, new.files),
            profile.engine.name(),
            self.started.elapsed().as_millis()
        ));
    }
}

/// What could not be read of either side, and policies that are not evaluated; each once.
fn problems(two: &Two, sides: [&Side; 2]) -> Vec<Finding> {
    let not_evaluated = Rule::find("WT008");
    let is_problem = |finding: &&Finding| {
        finding.incomplete || not_evaluated.is_some_and(|rule| *finding.rule == *rule)
    };
    let [old, new] = sides;
    let only_old = |finding: &&Finding| {
        // What both have in one file is told once.
        let file = finding.span().map(|span| span.file);
        file.is_none_or(|file| two.belongs(file) != Some(Belongs::Both))
    };
    let of_new = new.reading.iter().filter(is_problem);
    let of_old = old.reading.iter().filter(is_problem).filter(only_old);
    let mut problems: Vec<Finding> = of_new.chain(of_old).cloned().collect();
    diag::sort(&mut problems);
    problems
}

/// What to say if a preview of staged policies finds none; `files` are those of the new state.
fn nothing_staged(preview: &Preview, [old, new]: &[Side; 2], files: usize) -> Option<String> {
    if let Some((key, value)) = &preview.staged_label {
        let count = |side: &Side| side.world.policies.len() + side.world.objects.len();
        // What else is applied or deleted makes the counts differ as well.
        let alone = files == old.files && preview.delete.is_empty();
        let none = alone && count(old) == count(new);
        return none.then(|| format!("no policy has the label {key}={value}"));
    }
    let is_staged = |kind: &str| kind.starts_with("Staged");
    let mut before = old.world.objects.iter();
    let mut after = new.world.objects.iter();
    let none = preview.enforce_staged
        && !before.any(|item| is_staged(item.kind.kind))
        && !after.any(|item| is_staged(item.kind.kind));
    none.then(|| "there is no staged policy of Calico".into())
}

/// Whether there is a difference of the kind that fails a run.
fn fails(fail_on: FailOnChange, report: &DiffReport, is_empty: bool) -> bool {
    let mut rows = report.causes.iter().flat_map(|cause| &cause.rows);
    // What is not compared may be either.
    let icmp = report.counts.icmp > 0;
    match fail_on {
        FailOnChange::Any => icmp || !is_empty,
        FailOnChange::Widen => icmp || rows.any(|row| row.widens),
        FailOnChange::Narrow => icmp || rows.any(|row| row.narrows),
        FailOnChange::Never => false,
    }
}
