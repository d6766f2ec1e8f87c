//! The main job: from files to findings and the table of namespaces.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::analysis::felt::Felt;
use crate::analysis::namespaces::{NamespaceRow, rows};
use crate::diag::{self, ConfigEntry, Finding, Markers, Suppressed};
use crate::engine::detect::detect;
use crate::engine::{AnpApi, Inferred, Profile, infer, take_detected};
use crate::eval::Evaluator;
use crate::eval::reach::Reach;
use crate::facts::metadata::Cloud;
use crate::manifest::{self, Belongs, Options};
use crate::parallel::both;
use crate::policy::{lower, refused};
use crate::rules::{self, Context, Rule};
use crate::source::{FileId, Sources, Span};
use crate::world::{self, Assume, World};

/// What to check and how.
#[derive(Clone, Debug, Default)]
pub struct CheckOptions {
    /// The network engine.
    pub profile: Profile,
    /// Whether somebody has named the engine; otherwise the input may tell which it is.
    pub engine_is_named: bool,
    /// The switches that somebody has set.
    pub pinned: Vec<String>,
    /// The clouds whose metadata services count; all if empty.
    pub clouds: Vec<Cloud>,
    /// What to assume where the input does not say.
    pub assume: Assume,
    /// Rules to run, by id, id prefix or name; all if empty.
    pub select: Vec<String>,
    /// Rules not to run.
    pub ignore: Vec<String>,
    /// Report only these namespaces; all if empty. Everything is analysed all the same.
    pub namespaces: Vec<String>,
    /// Suppressions of the configuration file.
    pub suppressions: Vec<ConfigEntry>,
    /// Findings made before the check: files that could not be read.
    pub unreadable: Vec<(String, String)>,
    /// Counts the bytes that were read, for a caller that shows progress.
    pub progress: Option<Arc<AtomicU64>>,
}

impl CheckOptions {
    /// Whether a rule is to be run.
    #[must_use]
    pub fn is_active(&self, rule: &Rule) -> bool {
        let names = |list: &[String]| {
            list.iter().any(|text| {
                let prefix = rule.id.get(..text.len());
                rule.name.eq_ignore_ascii_case(text)
                    || prefix.is_some_and(|prefix| prefix.eq_ignore_ascii_case(text))
            })
        };
        (self.select.is_empty() || names(&self.select)) && !names(&self.ignore)
    }

    fn clouds(&self) -> &[Cloud] {
        if self.clouds.is_empty() {
            Cloud::ALL
        } else {
            &self.clouds
        }
    }

    /// Adds what the rules find to what reading has found; what is left is in order. Returns what was
    /// suppressed.
    fn run(
        &self,
        context: &Context<'_>,
        markers: &Markers,
        findings: &mut Vec<Finding>,
    ) -> Vec<Suppressed> {
        findings.extend(refused(context.world, context.profile));
        rules::run(context, |rule| self.is_active(rule), findings);
        // Reading findings tell what could not be analysed: never left out, only not shown.
        findings.retain(|finding| finding.incomplete || self.is_active(finding.rule));
        let suppressed = diag::apply(
            (context.sources, markers),
            &context.world.ignores,
            &self.suppressions,
            |rule| self.is_active(rule),
            findings,
        );
        if !self.namespaces.is_empty() {
            findings.retain(|finding| concerns(finding, &self.namespaces));
        }
        diag::sort(findings);
        suppressed
    }
}

/// What was found.
#[derive(Debug)]
pub struct Checked {
    /// The findings, in order.
    pub findings: Vec<Finding>,
    /// Findings that were suppressed.
    pub suppressed: Vec<Suppressed>,
    /// The table of namespaces.
    pub namespaces: Vec<NamespaceRow>,
    /// The cluster.
    pub world: World,
    /// The network engine that the answers are for.
    pub profile: Profile,
    /// Objects of kinds that are of no concern, by kind.
    pub other_kinds: BTreeMap<String, usize>,
    /// Objects of policy kinds that are not evaluated, by `kind.group`.
    pub not_evaluated: BTreeMap<String, usize>,
    /// Documents that are no Kubernetes objects.
    pub not_objects: usize,
    /// Documents or files that could not be read.
    pub broken: usize,
}

impl Checked {
    /// Whether everything that was given could be analysed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let incomplete = |finding: &Finding| finding.incomplete;
        let suppressed = self.suppressed.iter().map(|suppressed| &suppressed.finding);
        self.broken == 0 && !self.findings.iter().chain(suppressed).any(incomplete)
    }
}

/// The engine that the cluster runs, or that the input suggests, noted among what is assumed; or
/// else the one given.
pub fn take_for(world: &mut World, profile: Profile, pinned: &[String]) -> Profile {
    let seen = take_detected(world, &detect(world), &profile, pinned);
    match seen.or_else(|| infer(world, &profile, pinned)) {
        Some(Inferred { profile, why }) => {
            let mut name = profile.facts().name.to_owned();
            if let Some(version) = profile.version {
                name.push_str(&format!(" {version}"));
            }
            world.assumed.engine = Some(format!("{name}: {why}").into());
            profile
        }
        None => profile,
    }
}

/// Checks files.
#[must_use]
pub fn check(sources: &Sources, options: &CheckOptions) -> Checked {
    let read = Options {
        strict_cidr: options.profile.switches.strict_cidr,
        old_admin_api: options.profile.switches.anp_api == AnpApi::Old,
    };
    let progress = options.progress.as_deref();
    let (mut world, loaded) = world::read(sources, &read, &options.assume, progress);
    let mut findings = loaded.findings;
    findings.extend(
        options
            .unreadable
            .iter()
            .map(|(name, reason)| manifest::unreadable(name, reason)),
    );
    let mut profile = options.profile;
    if !options.engine_is_named {
        profile = take_for(&mut world, profile, &options.pinned);
    }
    let ruleset = lower(&world, &profile);
    let eval = Evaluator::new(&world, &ruleset, profile.switches);
    let context = Context::new(sources, &eval, &profile, options.clouds());
    let suppressed = options.run(&context, &Markers::find(sources), &mut findings);
    let mut namespaces = rows(&context);
    let broken = loaded.broken + options.unreadable.len();
    if !options.namespaces.is_empty() {
        namespaces.retain(|row| {
            let name = &world[row.namespace].name;
            options.namespaces.iter().any(|wanted| **wanted == **name)
        });
    }
    Checked {
        findings,
        suppressed,
        namespaces,
        other_kinds: loaded.other_kinds,
        not_evaluated: loaded
            .not_evaluated
            .into_iter()
            .map(|(kind, found)| (kind, found.count))
            .collect(),
        not_objects: loaded.not_objects,
        broken,
        profile,
        world,
    }
}

/// What was read of a world that is to be judged.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// The rows.
    pub reach: &'a Reach,
    /// What reading has found.
    pub reading: &'a [Finding],
    /// Which of the worlds that share their sources it is: only findings in its files count.
    pub belongs: Belongs,
}

/// What rules need of two worlds besides rows; it can be made while rows are.
#[must_use]
pub fn contexts<'a>(
    sources: &'a Sources,
    [old, new]: [&'a Evaluator<'a>; 2],
    options: &'a CheckOptions,
) -> [Context<'a>; 2] {
    let context = |eval| {
        let context = Context::new(sources, eval, &options.profile, options.clouds());
        context.prepare_selections();
        context
    };
    let (old, new) = both(|| context(old), || context(new));
    [old, new]
}

/// Runs the rules on two worlds, for what is found in one of them only: what they find, and what reading
/// has found, after suppression and in order. Findings that both worlds have may be left out of both, where
/// `felt` says what differs. `is_of` tells whether a file is of a world.
#[must_use]
pub fn judge_two<'a>(
    markers: &Markers,
    contexts: [Context<'a>; 2],
    [old, new]: [State<'a>; 2],
    felt: Option<&'a Felt>,
    options: &CheckOptions,
    is_of: impl Fn(Belongs, FileId) -> bool + Sync,
) -> [Vec<Finding>; 2] {
    // A suppression of something that is left out would suppress nothing (WT010).
    let ignores = |context: &Context<'_>| !context.world.ignores.is_empty();
    let switches = |context: &Context<'_>| context.eval.switches;
    let [before, after] = &contexts;
    let all = !markers.is_empty()
        || !options.suppressions.is_empty()
        || contexts.iter().any(ignores)
        || switches(before) != switches(after);
    let felt = felt.filter(|_| !all);
    let [before, after] = contexts;
    let (mut before, mut after) = (before.with_reach(old.reach), after.with_reach(new.reach));
    if let Some(felt) = felt {
        (before, after) = (before.only_felt(felt), after.only_felt(felt));
        let dns = rules::is_dns_felt([&before, &after], felt);
        (before, after) = (before.dns_asked(dns), after.dns_asked(dns));
    }
    let judge = |context: &Context<'_>, state: State<'_>| {
        let mut findings = state.reading.to_vec();
        options.run(context, markers, &mut findings);
        let meant = |span: Span| is_of(state.belongs, span.file);
        findings.retain(|finding| finding.span().is_none_or(meant));
        findings
    };
    let (old, new) = both(|| judge(&before, old), || judge(&after, new));
    [old, new]
}

/// Whether a finding is about one of these namespaces; what has no namespace concerns all.
fn concerns(finding: &Finding, namespaces: &[String]) -> bool {
    finding.subject.as_ref().is_none_or(|subject| {
        let own = match (&subject.namespace, subject.kind.as_str()) {
            (Some(namespace), _) => namespace,
            (None, "Namespace") => &subject.name,
            (None, _) => return true,
        };
        namespaces.contains(own)
    })
}
