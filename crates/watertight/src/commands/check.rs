//! `watertight check`: the main job.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{anyhow, bail};
use watertight_core::analysis::fix::{Plan, Request, plan};
use watertight_core::check::{CheckOptions, Checked, check};
use watertight_core::diag::{ConfigEntry, Severity};
use watertight_core::facts::metadata::Cloud;
use watertight_core::report::{CheckReport, NoFindings, fingerprint, without_findings};
use watertight_core::rules::{ALL, Rule, count};
use watertight_core::source::{Sources, without_revision};

use crate::args::{CheckArgs, FailOn, Global, InputArgs, OutputTarget};
use crate::config::Config;
use crate::exit::{Exit, say};
use crate::input::{self, Asking, Input};
#[cfg(feature = "live")]
use crate::output::one_line;
use crate::output::{Format, Rendering};
use crate::progress::Progress;
use crate::{baseline, fix};

use super::cluster;

pub(super) fn run(args: &CheckArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = cluster::config(&args.config)?;
    let mut input = args.input.of(&args.paths, &args.namespace);
    if input.filename.is_empty() && !Asking::of(&input, global).names_cluster(&[]) {
        input.filename.push(PathBuf::from("."));
    }
    let input = input;
    let targets = super::targets(&args.output, Format::Text)?;
    let options = options(args, &config)?;
    let fail_on = fail_on(args, &config)?;
    let run = Run {
        args,
        input: &input,
        global,
        config: &config,
        options: &options,
        targets: &targets,
        fail_on,
    };
    if !args.watch {
        return Ok(run.once()?.0);
    }
    #[cfg(feature = "live")]
    if Asking::of(&input, global).is_live(&input.filename) {
        return run.follow();
    }
    if input.filename.iter().any(|path| path.as_os_str() == "-") {
        bail!("--watch needs files or directories, not standard input");
    }
    loop {
        let (_, read) = run.once()?;
        say("watching for changes; press Ctrl-C to stop");
        wait_for_change(&input.filename, &read);
    }
}

struct Run<'a> {
    args: &'a CheckArgs,
    /// What is read.
    input: &'a InputArgs,
    global: &'a Global,
    config: &'a Config,
    options: &'a CheckOptions,
    targets: &'a [OutputTarget<Format>],
    fail_on: Severity,
}

impl Run<'_> {
    fn once(&self) -> anyhow::Result<(Exit, Vec<PathBuf>)> {
        let started = Instant::now();
        let exclude = cluster::exclude(&self.args.input, self.config)?;
        let mut asked = self.input.clone();
        if let Some(file) = self.args.fix_objects.as_ref().filter(|file| file.exists()) {
            // What is in it takes part.
            asked.filename.push(file.clone());
        }
        let input = input::read(&asked, &exclude, false, self.global)?;
        self.judge(input, started)
    }

    /// Judges a live cluster again whenever something changes in it.
    #[cfg(feature = "live")]
    fn follow(&self) -> anyhow::Result<Exit> {
        let exclude = cluster::exclude(&self.args.input, self.config)?;
        let asking = Asking::of(self.input, self.global);
        let mut following = input::Following::start(asking)?;
        loop {
            let started = Instant::now();
            let input = following.input(&self.input.filename, &exclude, asking)?;
            self.judge(input, started)?;
            say("watching the cluster for changes; press Ctrl-C to stop");
            let changes = following.changed()?;
            for kind in &changes.kinds {
                say(&stands(kind));
            }
            for change in changes.objects.iter().take(MOST_CHANGES) {
                say(&told(change));
            }
            let more = changes.objects.len().saturating_sub(MOST_CHANGES);
            if more > 0 {
                say(&format!("... and {}", count(more, "more change")));
            }
        }
    }

    fn judge(&self, mut input: Input, started: Instant) -> anyhow::Result<(Exit, Vec<PathBuf>)> {
        let wanted = self.args.fix.as_ref().or(self.args.diff.as_ref());
        let objects = match (&self.args.fix_objects, wanted) {
            (Some(file), Some(_)) => Some(fix::objects(file, &mut input)?),
            (Some(_), None) => bail!("--fix-objects needs --fix or --diff"),
            (None, _) => None,
        };
        let input = input;
        let read = input.paths.iter().flatten().cloned().collect();
        let mut options = self.options.clone();
        options.unreadable.clone_from(&input.unreadable);
        options.suppressions = suppressions(self.config, &input.sources)?;
        let bytes = input
            .sources
            .iter()
            .map(|(_, file)| file.text().len() as u64)
            .sum();
        let progress = Progress::start(bytes, !self.global.quiet);
        options.progress = Some(std::sync::Arc::clone(&progress.done));
        let mut checked = check(&input.sources, &options);
        drop(progress);
        cluster::anything_to_ask(
            &checked.world,
            &checked.findings,
            &checked.other_kinds,
            checked.not_objects,
        )?;
        for namespace in &self.args.namespace {
            cluster::known_namespace(&checked.world, namespace)?;
        }
        let known = self.baseline(&input.sources, &mut checked)?;
        let report = without_findings(&input.sources, &checked);
        if let Some(path) = &self.args.write_baseline {
            baseline::write(path, &input.sources, &checked.findings)?;
            let written = count(checked.findings.len(), "finding");
            say(&format!("wrote {written} to `{}`", path.display()));
        }
        if let Some(rules) = wanted {
            let rules: Vec<_> = rules.iter().filter(|rule| !rule.is_empty()).collect();
            let rules: Vec<String> = rules.into_iter().cloned().collect();
            // A diff can be shown of what cannot be written.
            let writable = match &self.args.diff {
                Some(_) => input.sources.iter().map(|(id, _)| id).collect(),
                None => fix::writable(&input),
            };
            let request = Request {
                options: &options,
                rules: &rules,
                objects,
                writable: &writable,
            };
            let plan = plan(&input.sources, &checked, &request);
            return Ok((self.fixed(&input, plan, (checked, known), started)?, read));
        }
        self.render(&report, &checked, &input.sources)?;
        if !self.global.quiet {
            self.summarise(&report, &input, known, started);
        }
        let exit = self.exit(&report, &checked);
        if !self.args.watch {
            // The process ends: taking a large cluster apart piece by piece would only take time.
            std::mem::forget((report, checked, input));
        }
        Ok((exit, read))
    }

    /// Shows or writes what fixes come to, and reports what is left.
    fn fixed(
        &self,
        input: &Input,
        mut plan: Plan,
        (checked, mut known): (Checked, usize),
        started: Instant,
    ) -> anyhow::Result<Exit> {
        let edited = plan.edited.take();
        let changed = edited.as_ref().map_or(&[][..], |edited| &edited.changed);
        if self.args.diff.is_some() {
            if let Some(edited) = &edited {
                let (before, after) = (&input.sources, &edited.sources);
                super::to_stdout(|out| fix::print(before, after, &edited.changed, out))?;
            }
            if !self.global.quiet {
                fix::tell(&plan, "would fix", changed.len(), self.global.verbose);
            }
            return Ok(match (checked.is_complete(), changed) {
                (false, _) => Exit::Unable,
                (true, []) => Exit::Clean,
                (true, _) => Exit::Findings,
            });
        }
        if let Some(edited) = &edited {
            fix::replace_all(&fix::writes(input, &edited.sources, &edited.changed))?;
        }
        if !self.global.quiet {
            fix::tell(&plan, "fixed", changed.len(), self.global.verbose);
        }
        let (left, sources);
        match edited {
            Some(mut edited) => {
                known = self.baseline(&edited.sources, &mut edited.checked)?;
                (left, sources) = (edited.checked, Some(edited.sources));
            }
            None => (left, sources) = (checked, None),
        }
        let sources = sources.as_ref().unwrap_or(&input.sources);
        let report = without_findings(sources, &left);
        self.render(&report, &left, sources)?;
        if !self.global.quiet {
            self.summarise(&report, input, known, started);
        }
        Ok(self.exit(&report, &left))
    }

    /// Takes findings out that the baseline file lists; returns how many.
    fn baseline(&self, sources: &Sources, checked: &mut Checked) -> anyhow::Result<usize> {
        let Some(path) = &self.args.baseline else {
            return Ok(0);
        };
        let mut known = baseline::read(path)?;
        let before = checked.findings.len();
        checked.findings.retain(|finding| {
            if finding.incomplete {
                return true;
            }
            match known.get_mut(&fingerprint(sources, finding)) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    false
                }
                _ => true,
            }
        });
        Ok(before - checked.findings.len())
    }

    fn render(
        &self,
        report: &CheckReport<NoFindings>,
        checked: &Checked,
        sources: &Sources,
    ) -> anyhow::Result<()> {
        let is_read = super::deliver(self.targets, self.global, |format, color, out| {
            let rendering = Rendering {
                report,
                findings: OnceCell::new(),
                checked,
                sources,
                color,
                width: super::width(),
                show_suppressed: self.args.show_suppressed,
                quiet: self.global.quiet,
            };
            format.render(&rendering, out)
        })?;
        if self.args.watch && !is_read {
            // Nobody would see the next answer.
            return Err(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into());
        }
        Ok(())
    }

    fn summarise(
        &self,
        report: &CheckReport<NoFindings>,
        input: &Input,
        known: usize,
        started: Instant,
    ) {
        let summary = &report.summary;
        let known = match known {
            0 => String::new(),
            known => format!("; {} of the baseline left out", count(known, "finding")),
        };
        say(&format!(
            "analysed {}, {} and {} in {} ({}, engine {}) in {} ms{known}",
            count(summary.policies, "policy"),
            count(summary.workloads, "workload"),
            count(summary.pods, "pod"),
            count(summary.namespaces, "namespace"),
            cluster::source(input.origin.as_ref(), summary.files),
            report.engine.name,
            started.elapsed().as_millis()
        ));
        if self.global.verbose {
            for (name, value) in &report.engine.switches {
                say(&format!("  {name}={value}"));
            }
        }
    }

    fn exit(&self, report: &CheckReport<NoFindings>, checked: &Checked) -> Exit {
        if !report.summary.complete {
            return Exit::Unable;
        }
        let fails = checked
            .findings
            .iter()
            .any(|finding| finding.severity >= self.fail_on);
        if fails && !self.args.exit_zero {
            Exit::Findings
        } else {
            Exit::Clean
        }
    }
}

/// More changes are counted, not listed.
#[cfg(feature = "live")]
const MOST_CHANGES: usize = 5;

/// `changed: Pod shop/web-1`
#[cfg(feature = "live")]
fn told(change: &watertight_cluster::Change) -> String {
    let what = match change.text {
        Some(_) => "changed",
        None => "gone",
    };
    let name = match &change.namespace {
        Some(namespace) => format!("{namespace}/{}", change.name),
        None => change.name.clone(),
    };
    format!("{what}: {} {}", change.kind, one_line(&name))
}

/// `pods: partial: no changes are told any more: ...`
#[cfg(feature = "live")]
fn stands(kind: &watertight_cluster::KindRead) -> String {
    let name = one_line(&kind.resource);
    match kind.message.as_str() {
        "" => format!("{name}: {}", kind.state.word()),
        message => format!("{name}: {}: {}", kind.state.word(), one_line(message)),
    }
}

fn fail_on(args: &CheckArgs, config: &Config) -> anyhow::Result<Severity> {
    Ok(match (args.fail_on, config.fail_on.as_deref()) {
        (Some(FailOn::Error), _) | (None, Some("error")) => Severity::Error,
        (Some(FailOn::Note), _) | (None, Some("note")) => Severity::Note,
        (Some(FailOn::Warning), _) | (None, None | Some("warning")) => Severity::Warning,
        (None, Some(other)) => bail!("failOn is `{other}`; use error, warning or note"),
    })
}

/// Flags over configuration over defaults.
fn options(args: &CheckArgs, config: &Config) -> anyhow::Result<CheckOptions> {
    let settings = cluster::settings(&args.cluster, config)?;
    let clouds = if args.cloud.is_empty() {
        &config.clouds
    } else {
        &args.cloud
    };
    let clouds: Vec<Cloud> = clouds
        .iter()
        .map(|cloud| cloud.parse().map_err(|error| anyhow!("{error}")))
        .collect::<anyhow::Result<_>>()?;
    let select = if args.select.is_empty() {
        &config.select
    } else {
        &args.select
    };
    let ignore: Vec<_> = args.ignore.iter().chain(&config.ignore).cloned().collect();
    let wanted = args.fix.iter().chain(&args.diff).flatten();
    let wanted = wanted.filter(|rule| !rule.is_empty());
    for rule in select.iter().chain(&ignore).chain(wanted) {
        known_rule(rule)?;
    }
    Ok(CheckOptions {
        profile: settings.profile,
        engine_is_named: settings.engine_is_named,
        pinned: settings.pinned,
        clouds,
        assume: settings.assume,
        select: select.clone(),
        ignore,
        namespaces: args.namespace.clone(),
        ..CheckOptions::default()
    })
}

/// A rule, or a prefix of rule ids; a typo must not switch rules off silently.
fn known_rule(text: &str) -> anyhow::Result<()> {
    let prefix = |rule: &&Rule| {
        rule.id
            .get(..text.len())
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case(text))
    };
    if Rule::find(text).is_some()
        || (text.len() >= 3 && ALL.iter().copied().any(|rule| prefix(&rule)))
    {
        return Ok(());
    }
    bail!("no rule is called `{text}`; `watertight rule` lists them all")
}

pub(super) fn suppressions(config: &Config, sources: &Sources) -> anyhow::Result<Vec<ConfigEntry>> {
    let today = jiff::Zoned::now().date();
    config
        .suppressions
        .iter()
        .map(|suppression| {
            let files = if suppression.paths.is_empty() {
                None
            } else {
                let globs = input::globs(&suppression.paths)?;
                let matching = sources.iter().filter(|(_, file)| {
                    let name = Path::new(without_revision(file.name()));
                    let below = name.strip_prefix(&config.directory).unwrap_or(name);
                    globs.is_match(name) || globs.is_match(below)
                });
                Some(matching.map(|(id, _)| id).collect::<BTreeSet<_>>())
            };
            let expired = suppression.expires.clone().filter(|date| {
                date.parse::<jiff::civil::Date>()
                    .is_ok_and(|date| date < today)
            });
            Ok(ConfigEntry {
                rules: suppression.rules.clone(),
                files,
                namespaces: suppression.namespaces.clone(),
                reason: suppression.reason.clone(),
                expired,
                span: None,
            })
        })
        .collect()
}

/// Waits until a file that was read changes, goes or comes.
fn wait_for_change(paths: &[PathBuf], read: &[PathBuf]) {
    let stamp = |path: &Path| {
        std::fs::metadata(path)
            .and_then(|meta| meta.modified())
            .ok()
    };
    let state = || -> Vec<Option<SystemTime>> {
        read.iter().chain(paths).map(|path| stamp(path)).collect()
    };
    let before = state();
    while state() == before {
        std::thread::sleep(Duration::from_millis(300));
    }
}
