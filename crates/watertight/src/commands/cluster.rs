//! From flags and files to a cluster that can be asked: one place for every verb.
//!
//! Flags win over the configuration file, the file over defaults. A manifest that cannot be read
//! costs itself: the rest is answered, and the run ends with exit code 2.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, anyhow, bail};
use globset::GlobSet;
use watertight_core::analysis::parties::asked_name;
use watertight_core::analysis::policies::PolicyCounts;
use watertight_core::check::take_for;
use watertight_core::diag::{self, Finding};
use watertight_core::engine::{AnpApi, Enforcement, Profile, Version};
use watertight_core::eval::Evaluator;
use watertight_core::manifest::{self, Hint, Options};
use watertight_core::policy::{Ruleset, lower, refused};
use watertight_core::rules::{Rule, count};
use watertight_core::source::Sources;
use watertight_core::suggest::misspelt;
use watertight_core::world::{self, Assume, World};

use crate::args::{ClusterArgs, ConfigArgs, Global, InputArgs};
use crate::config::{self, Config};
use crate::exit::say;
use crate::input::{self, Origin};
use crate::output::one_line;
use crate::progress::Progress;

/// More problems than this are counted, not listed.
const MOST_PROBLEMS: usize = 20;

/// What flags and the configuration file say about the cluster.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// The engine with its readings.
    pub(super) profile: Profile,
    /// Whether somebody has named it.
    pub(super) engine_is_named: bool,
    /// The switches that somebody has set: their readings are no longer open.
    pub(super) pinned: Vec<String>,
    /// What to assume where the input does not say.
    pub(super) assume: Assume,
}

/// The configuration file, unless none is wanted.
pub(super) fn config(args: &ConfigArgs) -> anyhow::Result<Config> {
    if args.no_config {
        return Ok(Config::default());
    }
    config::load(args.config.as_deref())
}

/// The globs of files to leave out.
pub(super) fn exclude(args: &InputArgs, config: &Config) -> anyhow::Result<GlobSet> {
    input::globs(args.exclude.iter().chain(&config.exclude))
}

pub(super) fn settings(args: &ClusterArgs, config: &Config) -> anyhow::Result<Settings> {
    let engine = args.engine.as_deref().or(config.engine.as_deref());
    let mut profile = match engine {
        Some(engine) => Profile::parse(engine).map_err(|error| anyhow!("{error}"))?,
        None => Profile::reference(),
    };
    let version = args.k8s_version.as_deref();
    if let Some(version) = version.or(config.k8s_version.as_deref()) {
        let version: Version = version.parse().map_err(|error| anyhow!("{error}"))?;
        profile = profile.with_k8s_version(version);
    }
    let mut pinned = Vec::new();
    for switch in config.switches.iter().chain(&args.switches) {
        let (name, value) = switch
            .split_once('=')
            .with_context(|| format!("`{switch}` is no switch; write NAME=VALUE"))?;
        profile
            .switches
            .set(name, value)
            .map_err(|error| anyhow!("{error}"))?;
        pinned.push(name.to_owned());
    }
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
    let namespace = args.default_namespace.as_ref();
    if let Some(namespace) = namespace.or(config.default_namespace.as_ref()) {
        assume.namespace.clone_from(namespace);
    }
    Ok(Settings {
        profile,
        engine_is_named: engine.is_some(),
        pinned,
        assume,
    })
}

/// A cluster that was read.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) sources: Sources,
    pub(super) world: World,
    pub(super) ruleset: Ruleset,
    pub(super) settings: Settings,
    /// What reading found, in order.
    findings: Vec<Finding>,
    broken: usize,
    started: Instant,
    /// When everything was read.
    loaded: Instant,
    /// The live cluster or the snapshot that it is, if it is one.
    origin: Option<Origin>,
}

impl Cluster {
    /// Reads files and builds the cluster; fails where there is nothing to ask about.
    pub(super) fn read(
        input: &InputArgs,
        cluster: &ClusterArgs,
        config: &ConfigArgs,
        global: &Global,
    ) -> anyhow::Result<Self> {
        Ok(Self::read_all(input, cluster, config, global, false)?.0)
    }

    /// The same, with what objects tell about the connections that their pods need.
    pub(super) fn read_with_hints(
        input: &InputArgs,
        cluster: &ClusterArgs,
        config: &ConfigArgs,
        global: &Global,
    ) -> anyhow::Result<(Self, Vec<Hint>)> {
        Self::read_all(input, cluster, config, global, true)
    }

    fn read_all(
        input: &InputArgs,
        cluster: &ClusterArgs,
        config: &ConfigArgs,
        global: &Global,
        with_hints: bool,
    ) -> anyhow::Result<(Self, Vec<Hint>)> {
        let started = Instant::now();
        let config = self::config(config)?;
        let mut settings = settings(cluster, &config)?;
        let read = input::read(input, &exclude(input, &config)?, with_hints, global)?;
        let (sources, origin) = (read.sources, read.origin);
        let bytes = sources.iter().map(|(_, file)| file.text().len() as u64);
        let progress = Progress::start(bytes.sum(), !global.quiet);
        let options = Options {
            strict_cidr: settings.profile.switches.strict_cidr,
            old_admin_api: settings.profile.switches.anp_api == AnpApi::Old,
        };
        let progress_of = Some(&*progress.done);
        let assume = &settings.assume;
        let (mut world, loaded, hints) = if with_hints {
            world::read_with_hints(&sources, &options, assume, progress_of)
        } else {
            let (world, loaded) = world::read(&sources, &options, assume, progress_of);
            (world, loaded, Vec::new())
        };
        drop(progress);
        let mut findings = loaded.findings;
        let unreadable = read.unreadable.iter();
        findings.extend(unreadable.map(|(name, reason)| manifest::unreadable(name, reason)));
        if !settings.engine_is_named {
            settings.profile = take_for(&mut world, settings.profile, &settings.pinned);
        }
        findings.extend(refused(&world, &settings.profile));
        diag::sort(&mut findings);
        anything_to_ask(&world, &findings, &loaded.other_kinds, loaded.not_objects)?;
        let broken = loaded.broken + read.unreadable.len();
        let ruleset = lower(&world, &settings.profile);
        let cluster = Self {
            sources,
            world,
            ruleset,
            settings,
            findings,
            broken,
            started,
            loaded: Instant::now(),
            origin,
        };
        Ok((cluster, hints))
    }

    /// Notes a DNS name that a question names, before questions are answered.
    pub(super) fn know_name(&mut self, text: &str) {
        if let Some(name) = asked_name(text) {
            self.world.intern_name(name);
        }
    }

    /// Answers questions about the cluster.
    pub(super) fn evaluator(&self) -> Evaluator<'_> {
        Evaluator::new(&self.world, &self.ruleset, self.settings.profile.switches)
    }

    /// Whether everything that was given could be read.
    pub(super) fn is_complete(&self) -> bool {
        self.broken == 0 && !self.findings.iter().any(|finding| finding.incomplete)
    }

    /// What could not be read, and policies that are not evaluated.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Finding> {
        let not_evaluated = Rule::find("WT008");
        self.findings.iter().filter(move |finding| {
            finding.incomplete || not_evaluated.is_some_and(|rule| *finding.rule == *rule)
        })
    }

    /// Says on standard error what could not be read.
    pub(super) fn tell_problems(&self) {
        for finding in self.problems().take(MOST_PROBLEMS) {
            say(&self.problem_line(finding));
        }
        let more = self.problems().count().saturating_sub(MOST_PROBLEMS);
        if more > 0 {
            let problems = count(more, "problem");
            say(&format!(
                "... and {problems} more; `watertight check` lists all"
            ));
        }
        let fact = self.settings.profile.enforcement_fact();
        let told = match fact.state {
            Enforcement::NotEnforced => "enforces no policy, so that everything is allowed",
            Enforcement::OptIn => "enforces policies only where that is switched on",
            _ => return,
        };
        let engine = self.settings.profile.engine.name();
        say(&format!("note: {engine} {told}: {}", fact.reason));
    }

    /// `path:line:column: error[WT001] what is wrong`, as the concise format of `check` has it.
    fn problem_line(&self, finding: &Finding) -> String {
        let place = finding.span().map(|span| self.sources.locate(span));
        format!(
            "{}: {}[{}] {}",
            one_line(place.as_deref().unwrap_or("-")),
            finding.severity.word(),
            finding.rule.id,
            one_line(&finding.message)
        )
    }

    /// Says on standard error what was analysed.
    pub(super) fn summarise(&self, global: &Global, answered: &str) {
        if global.quiet {
            return;
        }
        // Looking at every pod again would take as long as many an answer.
        let pods = self.world.endpoints.len() - usize::from(self.world.assumed.dns.is_some());
        say(&format!(
            "analysed {}, {} in {} ({}, engine {}){answered} in {} ms",
            policies(&self.world),
            count(pods, "pod"),
            count(self.world.namespaces.len(), "namespace"),
            source(self.origin.as_ref(), self.sources.len()),
            self.settings.profile.engine.name(),
            self.started.elapsed().as_millis()
        ));
        if global.verbose {
            let (read, asked) = (self.loaded - self.started, self.loaded.elapsed());
            say(&format!(
                "  read in {:.1} ms, answered in {:.1} ms",
                read.as_secs_f64() * 1000.0,
                asked.as_secs_f64() * 1000.0
            ));
            for (name, value) in self.settings.profile.switches.describe() {
                say(&format!("  {name}={value}"));
            }
        }
    }
}

/// `3 files`, or which cluster it was.
pub(super) fn source(origin: Option<&Origin>, files: usize) -> String {
    match origin {
        Some(origin) => origin.to_string(),
        None => count(files, "file"),
    }
}

/// `3 policies`, `3 policies and 1 staged one`
fn policies(world: &World) -> String {
    let counts = PolicyCounts::of(world);
    let acting = count(counts.total(), "policy");
    match counts.staged {
        0 => acting,
        1 => format!("{acting} and 1 staged one"),
        more => format!("{acting} and {more} staged ones"),
    }
}

/// A clean answer about nothing would be taken for a clean cluster.
pub(super) fn anything_to_ask(
    world: &World,
    findings: &[Finding],
    other_kinds: &BTreeMap<String, usize>,
    not_objects: usize,
) -> anyhow::Result<()> {
    let read = !world.namespaces.is_empty() || !world.nodes.is_empty();
    if read || !findings.is_empty() {
        return Ok(());
    }
    let others: usize = other_kinds.values().sum();
    let none = "no Kubernetes objects that are of concern here: no pods, workloads or policies";
    match (not_objects, others) {
        (0, 0) => bail!("the input is empty: there are no Kubernetes objects in it"),
        (0, others) => bail!("{} read, but {none}", count(others, "object")),
        (documents, _) => bail!(
            "{} read, but they are no Kubernetes objects",
            count(documents, "document")
        ),
    }
}

/// A misspelt namespace must not look like a clean one.
pub(super) fn known_namespace(world: &World, name: &str) -> anyhow::Result<()> {
    if world.namespace(name).is_some() {
        return Ok(());
    }
    /// So many names are an answer; more are a list.
    const MOST: usize = 12;
    let names = world.namespaces.iter().map(|namespace| &*namespace.name);
    if let Some(near) = misspelt(name, names.clone()) {
        bail!("no namespace `{name}` in the input (did you mean `{near}`?)");
    }
    let mut known: Vec<String> = names.map(|known| format!("`{known}`")).collect();
    known.sort_unstable();
    let more = match known.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    known.truncate(MOST);
    bail!(
        "no namespace `{name}` in the input; it has {}{more}",
        known.join(", ")
    );
}
