//! `watertight check`: the main job.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, anyhow, bail};
use watertight_core::check::{CheckOptions, Checked, check};
use watertight_core::diag::{ConfigEntry, Severity};
use watertight_core::engine::{Profile, Version};
use watertight_core::facts::metadata::Cloud;
use watertight_core::report::{CheckReport, fingerprint, report};
use watertight_core::rules::{ALL, Rule, count};
use watertight_core::source::Sources;
use watertight_core::suggest::misspelt;
use watertight_core::world::Assume;

use crate::args::{CheckArgs, FailOn, Global, OutputTarget};
use crate::config::{self, Config};
use crate::exit::{Exit, say};
use crate::input::{self, Input};
use crate::output::{Format, Rendering};
use crate::progress::Progress;
use crate::{baseline, fix};

pub(super) fn run(args: &CheckArgs, global: &Global) -> anyhow::Result<Exit> {
    let config = if args.no_config {
        Config::default()
    } else {
        config::load(args.config.as_deref())?
    };
    let paths = paths(args);
    let targets = targets(args)?;
    let options = options(args, &config)?;
    let fail_on = fail_on(args, &config)?;
    let run = Run {
        args,
        global,
        config: &config,
        options: &options,
        targets: &targets,
        fail_on,
    };
    if !args.watch {
        return Ok(run.once(&paths)?.0);
    }
    if paths.iter().any(|path| path.as_os_str() == "-") {
        bail!("--watch needs files or directories, not standard input");
    }
    loop {
        let (_, read) = run.once(&paths)?;
        say("watching for changes; press Ctrl-C to stop");
        wait_for_change(&paths, &read);
    }
}

struct Run<'a> {
    args: &'a CheckArgs,
    global: &'a Global,
    config: &'a Config,
    options: &'a CheckOptions,
    targets: &'a [OutputTarget],
    fail_on: Severity,
}

impl Run<'_> {
    fn once(&self, paths: &[PathBuf]) -> anyhow::Result<(Exit, Vec<PathBuf>)> {
        let started = Instant::now();
        let exclude: Vec<_> = self
            .args
            .exclude
            .iter()
            .chain(&self.config.exclude)
            .cloned()
            .collect();
        let input = input::read(paths, &input::globs(&exclude)?)?;
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
        anything_to_judge(&checked)?;
        for namespace in &self.args.namespace {
            known_namespace(&checked, namespace)?;
        }
        let known = self.baseline(&input.sources, &mut checked)?;
        let report = report(&input.sources, &options, &checked);
        if let Some(path) = &self.args.write_baseline {
            baseline::write(path, &report)?;
            let written = count(report.findings.len(), "finding");
            say(&format!("wrote {written} to `{}`", path.display()));
        }
        if self.args.diff {
            let fixed = fix::collect(&input.sources, &checked);
            fixed.print(&input.sources, &mut std::io::stdout().lock())?;
        } else {
            self.render(&report, &checked, &input)?;
        }
        if self.args.fix {
            let fixed = fix::collect(&input.sources, &checked);
            let files = fixed.write(&input.sources, &input.paths)?;
            let (findings, files) = (count(fixed.findings, "finding"), count(files, "file"));
            say(&format!("fixed {findings} in {files}; check again"));
        }
        if !self.global.quiet {
            self.summarise(&report, known, started);
        }
        let exit = self.exit(&report, &checked);
        if !self.args.watch {
            // The process ends: taking a large cluster apart piece by piece would only take time.
            std::mem::forget((report, checked, input));
        }
        Ok((exit, read))
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

    fn render(&self, report: &CheckReport, checked: &Checked, input: &Input) -> anyhow::Result<()> {
        for target in self.targets {
            let rendering = Rendering {
                report,
                checked,
                sources: &input.sources,
                color: target.file.is_none() && super::stdout_color(self.global),
                width: width(),
                show_suppressed: self.args.show_suppressed,
                quiet: self.global.quiet,
            };
            match &target.file {
                None => {
                    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
                    target.format.render(&rendering, &mut out)?;
                    out.flush()?;
                }
                Some(path) => {
                    let shown = path.display();
                    let file = std::fs::File::create(path)
                        .with_context(|| format!("cannot write `{shown}`"))?;
                    let mut out = std::io::BufWriter::new(file);
                    target
                        .format
                        .render(&rendering, &mut out)
                        .and_then(|()| out.flush())
                        .with_context(|| format!("cannot write `{shown}`"))?;
                }
            }
        }
        Ok(())
    }

    fn summarise(&self, report: &CheckReport, known: usize, started: Instant) {
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
            count(summary.files, "file"),
            report.engine.name,
            started.elapsed().as_millis()
        ));
        if self.global.verbose {
            for (name, value) in &report.engine.switches {
                say(&format!("  {name}={value}"));
            }
        }
    }

    fn exit(&self, report: &CheckReport, checked: &Checked) -> Exit {
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

fn paths(args: &CheckArgs) -> Vec<PathBuf> {
    let mut paths: Vec<_> = args.paths.iter().chain(&args.filename).cloned().collect();
    if paths.is_empty() {
        paths.push(PathBuf::from("."));
    }
    paths
}

fn targets(args: &CheckArgs) -> anyhow::Result<Vec<OutputTarget>> {
    let mut targets = args.output.clone();
    if targets.is_empty() {
        targets.push(OutputTarget {
            format: Format::Text,
            file: None,
        });
    }
    if targets
        .iter()
        .filter(|target| target.file.is_none())
        .count()
        > 1
    {
        bail!("two formats cannot share standard output; give one of them a file: -o FORMAT=FILE");
    }
    Ok(targets)
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
    let mut profile = match args.engine.as_deref().or(config.engine.as_deref()) {
        Some(engine) => Profile::parse(engine).map_err(|error| anyhow!("{error}"))?,
        None => Profile::reference(),
    };
    if let Some(version) = args
        .k8s_version
        .as_deref()
        .or(config.k8s_version.as_deref())
    {
        let version: Version = version.parse().map_err(|error| anyhow!("{error}"))?;
        profile = profile.with_k8s_version(version);
    }
    for switch in config.switches.iter().chain(&args.switches) {
        let (name, value) = switch
            .split_once('=')
            .with_context(|| format!("`{switch}` is no switch; write NAME=VALUE"))?;
        profile
            .switches
            .set(name, value)
            .map_err(|error| anyhow!("{error}"))?;
    }
    let clouds = if args.cloud.is_empty() {
        &config.clouds
    } else {
        &args.cloud
    };
    let clouds: Vec<Cloud> = clouds
        .iter()
        .map(|cloud| cloud.parse().map_err(|error| anyhow!("{error}")))
        .collect::<anyhow::Result<_>>()?;
    let mut assume = Assume {
        dns: !args.no_assumed_dns,
        ..Assume::default()
    };
    if !args.pod_cidr.is_empty() {
        assume.pod_cidrs.clone_from(&args.pod_cidr);
    } else if !config.pod_cidrs.is_empty() {
        let parse = |text: &String| text.parse().with_context(|| format!("podCidrs: `{text}`"));
        assume.pod_cidrs = config
            .pod_cidrs
            .iter()
            .map(parse)
            .collect::<anyhow::Result<_>>()?;
    }
    if let Some(namespace) = args
        .default_namespace
        .as_ref()
        .or(config.default_namespace.as_ref())
    {
        assume.namespace.clone_from(namespace);
    }
    let select = if args.select.is_empty() {
        &config.select
    } else {
        &args.select
    };
    let ignore: Vec<_> = args.ignore.iter().chain(&config.ignore).cloned().collect();
    for rule in select.iter().chain(&ignore) {
        known_rule(rule)?;
    }
    Ok(CheckOptions {
        profile,
        clouds,
        assume,
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

/// A clean answer about nothing would be taken for a clean cluster.
fn anything_to_judge(checked: &Checked) -> anyhow::Result<()> {
    let read = !checked.world.namespaces.is_empty() || !checked.world.nodes.is_empty();
    if read || !checked.findings.is_empty() {
        return Ok(());
    }
    let others: usize = checked.other_kinds.values().sum();
    let none = "no Kubernetes objects that are of concern here: no pods, workloads or policies";
    match (checked.not_objects, others) {
        (0, 0) => bail!("the input is empty: there are no Kubernetes objects in it"),
        (0, others) => bail!("{} read, but {none}", count(others, "object")),
        (documents, _) => bail!(
            "{} read, but they are no Kubernetes objects",
            count(documents, "document")
        ),
    }
}

/// A misspelt namespace must not look like a clean one.
fn known_namespace(checked: &Checked, name: &str) -> anyhow::Result<()> {
    if checked.world.namespace(name).is_some() {
        return Ok(());
    }
    let names = checked
        .world
        .namespaces
        .iter()
        .map(|namespace| &*namespace.name);
    match misspelt(name, names) {
        Some(near) => bail!("no namespace `{name}` in the input (did you mean `{near}`?)"),
        None => bail!("no namespace `{name}` in the input"),
    }
}

fn suppressions(config: &Config, sources: &Sources) -> anyhow::Result<Vec<ConfigEntry>> {
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
                    let name = Path::new(file.name());
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

/// The width of the terminal, or a width that reads well in a log.
fn width() -> usize {
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    columns.unwrap_or(120).clamp(60, 240)
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
