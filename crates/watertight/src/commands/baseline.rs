//! `watertight baseline`: the policies that namespaces need.

use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use watertight_core::analysis::baseline::{
    self, Allow, Guard, Language, Ports, Request, internet_ports, is_system,
};
use watertight_core::analysis::parties::{Flow, Parties, Selection};
use watertight_core::engine::Profile;
use watertight_core::observed::{self, Observed};
use watertight_core::policy::lower;
use watertight_core::report::baseline::BaselineReport;
use watertight_core::rules::count;
use watertight_core::world::{NamespaceId, World};

use crate::args::{BaselineArgs, BaselineDialect, BaselineFormat, BaselineGuard, Global};
use crate::exit::{Exit, say};
use crate::output::baseline as output;

use super::cluster::{Cluster, known_namespace};

pub(super) fn run(args: &BaselineArgs, global: &Global) -> anyhow::Result<Exit> {
    let default = match args.out {
        Some(_) => BaselineFormat::Text,
        None => BaselineFormat::Yaml,
    };
    let targets = super::targets(&args.output, default)?;
    let input = args.input.of(&args.paths, &args.namespace);
    let (cluster, hints) = Cluster::read_with_hints(&input, &args.cluster, &args.config, global)?;
    // The process ends: taking a large cluster apart piece by piece would only take time.
    let mut cluster = ManuallyDrop::new(cluster);
    for text in &args.allow {
        if let Ok(flow) = Flow::parse(text) {
            cluster.know_name(&flow.to.text);
        }
    }
    if !cluster.settings.engine_is_named {
        take_for(&mut cluster, args.dialect);
    }
    cluster.tell_problems();
    let flows = flows(&args.flows, &mut cluster)?;
    let plan = {
        let eval = cluster.evaluator();
        let request = request(args, &cluster.world, &flows)?;
        ManuallyDrop::new(baseline::plan(&eval, &hints, &request))
    };
    let profile = cluster.settings.profile;
    let (proofs, notes) = baseline::prove(&mut cluster.world, &profile, &plan);
    let mut report = ManuallyDrop::new(watertight_core::report::baseline::baseline(
        &cluster.sources,
        &cluster.world,
        &profile,
        &plan,
        &proofs,
        &notes,
        cluster.is_complete(),
    ));
    let tells_needs = |format| matches!(format, BaselineFormat::Text | BaselineFormat::Json);
    if targets.iter().any(|target| tells_needs(target.format)) {
        report.tell_needs(&cluster.sources, &cluster.world, &plan);
    }
    if let Some(directory) = &args.out {
        let mut manifests = plan.manifests(&cluster.world);
        manifests.sort_by(|a, b| a.name.cmp(&b.name));
        write_files(directory, &manifests, args.force)?;
    }
    super::deliver(&targets, global, |format, color, out| {
        match format {
            BaselineFormat::Yaml => output::yaml(&report, out),
            BaselineFormat::Text => output::text(&report, color, out),
            BaselineFormat::Json => {
                serde_json::to_writer_pretty(&mut *out, &*report)?;
                writeln!(out)
            }
        }?;
        Ok(())
    })?;
    let told = targets
        .iter()
        .any(|target| target.file.is_none() && tells_needs(target.format));
    if !told {
        tell(&report, global);
    }
    cluster.summarise(global, &answered(&report));
    Ok(if !cluster.is_complete() {
        Exit::Unable
    } else if report.proved {
        Exit::Clean
    } else {
        Exit::Findings
    })
}

/// The engine that reads the language that was asked for, where nobody named another one.
fn take_for(cluster: &mut Cluster, dialect: BaselineDialect) {
    let name = match dialect {
        BaselineDialect::Calico => "calico",
        BaselineDialect::Cilium => "cilium",
        BaselineDialect::Networkpolicy | BaselineDialect::Clusternetworkpolicy => return,
    };
    if cluster.settings.profile.engine.name() == name {
        return;
    }
    if let Ok(profile) = Profile::parse(name) {
        cluster.settings.profile = profile;
        cluster.world.assumed.engine = Some(format!("{name}: its language was asked for").into());
        cluster.ruleset = lower(&cluster.world, &cluster.settings.profile);
    }
}

fn request<'f>(
    args: &BaselineArgs,
    world: &World,
    flows: &'f [Observed],
) -> anyhow::Result<Request<'f>> {
    let namespaces = namespaces(&args.namespace, world)?;
    let parties = Parties::new(world, None);
    let select = |flag: &str, text: &str| -> anyhow::Result<Selection> {
        let selected = parties.select(text);
        selected.map_err(|error| anyhow!("{flag}: {error}"))
    };
    let select_all = |flag: &str, texts: &[String]| -> anyhow::Result<Vec<Selection>> {
        texts.iter().map(|text| select(flag, text)).collect()
    };
    let mut allow = Vec::new();
    for text in &args.allow {
        let flow = Flow::parse(text).map_err(|error| anyhow!("--allow: {error}"))?;
        allow.push(Allow {
            text: text.clone(),
            from: select("--allow", &flow.from.text)?,
            to: select("--allow", &flow.to.text)?,
            ports: flow.ports,
        });
    }
    let mut internet: Vec<(Selection, Vec<Ports>)> = Vec::new();
    for text in &args.internet {
        // `shop/web:443`; a name alone means HTTPS.
        let (who, ports) = match text.rsplit_once(':') {
            Some((who, ports)) if ports.starts_with(|first: char| first.is_ascii_digit()) => {
                (who, ports)
            }
            _ => (text.as_str(), "true"),
        };
        let ports = internet_ports(ports).map_err(|message| anyhow!("--internet: {message}"))?;
        internet.push((select("--internet", who)?, ports));
    }
    Ok(Request {
        namespaces,
        language: match args.dialect {
            BaselineDialect::Networkpolicy => Language::NetworkPolicy,
            BaselineDialect::Clusternetworkpolicy => Language::ClusterNetworkPolicy,
            BaselineDialect::Calico => Language::Calico,
            BaselineDialect::Cilium => Language::Cilium,
        },
        guard: args.guard.map(|guard| match guard {
            BaselineGuard::Kyverno => Guard::Kyverno,
            BaselineGuard::Vap => Guard::Vap,
        }),
        keep: args.keep,
        ignore_policies: args.ignore_policies,
        allow,
        internet,
        api_server: select_all("--api-server", &args.api_server)?,
        ingress_from: select_all("--ingress-from", &args.ingress_from)?,
        flows,
    })
}

/// The namespaces that were named, or all that are not of the cluster itself.
fn namespaces(named: &[String], world: &World) -> anyhow::Result<Vec<NamespaceId>> {
    for name in named {
        known_namespace(world, name)?;
    }
    let wanted = |id: &NamespaceId| {
        let namespace = &world[*id];
        if !named.is_empty() {
            return named.iter().any(|name| **name == *namespace.name);
        }
        let exists = namespace.span.is_some() || !namespace.endpoints.is_empty();
        exists && !is_system(&namespace.name)
    };
    let found: Vec<_> = world.namespace_ids().filter(wanted).collect();
    if found.is_empty() {
        bail!(
            "no namespace that needs a baseline: those of the cluster itself get one only with \
             --namespace"
        );
    }
    Ok(found)
}

/// What was recorded.
fn flows(paths: &[PathBuf], cluster: &mut Cluster) -> anyhow::Result<Vec<Observed>> {
    let Cluster { sources, world, .. } = cluster;
    let mut found = Vec::new();
    for path in paths {
        let shown = path.display();
        let bytes = std::fs::read(path).with_context(|| format!("cannot read `{shown}`"))?;
        let file = sources
            .add(&shown.to_string(), bytes)
            .map_err(|error| anyhow!("`{shown}`: {error}"))?;
        let recorded = observed::read(sources, file, None);
        if recorded.flows.is_empty()
            && let Some(problem) = recorded.problems.first()
        {
            bail!("{}: {}", sources.locate(problem.span), problem.message);
        }
        let problems = recorded.problems.len() + recorded.more_problems;
        if let Some(problem) = recorded.problems.first() {
            say(&format!(
                "note: {}: {} ({} of this file)",
                sources.locate(problem.span),
                problem.message,
                count(problems, "problem")
            ));
        }
        let matched = observed::match_to(world, &recorded);
        if let Some(unknown) = matched.unknown.first() {
            say(&format!(
                "note: {}: {}; {} left out",
                sources.locate(unknown.span),
                unknown.why,
                count(matched.unknown.len(), "flow")
            ));
        }
        found.extend(matched.connections);
    }
    Ok(found)
}

/// More notes than these are counted.
const MOST_NOTES: usize = 20;

/// The first words of every file that `baseline` writes.
const MARK: &str = "Made by `watertight baseline`";

fn write_files(
    directory: &Path,
    manifests: &[baseline::Manifest],
    force: bool,
) -> anyhow::Result<()> {
    let file = |name: &str| directory.join(format!("{name}.yaml"));
    for (at, manifest) in manifests.iter().enumerate() {
        let name = &manifest.name;
        if !is_dns_label(name) {
            bail!(
                "namespace `{}` cannot be the name of a file: no cluster has a namespace with such a \
                 name; leave it out with --namespace",
                name.escape_debug()
            );
        }
        if manifests
            .iter()
            .skip(at + 1)
            .any(|other| other.name == *name)
        {
            bail!(
                "namespace `{name}` and the part of that name would both be `{name}.yaml`; write them \
                 apart, the namespace without --dialect and --guard"
            );
        }
    }
    if !force {
        for manifest in manifests {
            let path = file(&manifest.name);
            let Ok(text) = std::fs::read_to_string(&path) else {
                if path.exists() {
                    bail!(
                        "cannot read `{}`, which would be overwritten",
                        path.display()
                    );
                }
                continue;
            };
            let head: Vec<&str> = text
                .lines()
                .take_while(|line| line.starts_with('#'))
                .collect();
            let head = head.join(" ").replace("# ", "");
            if !head.contains(MARK) {
                bail!(
                    "`{}` was not written by `watertight baseline`; --force overwrites it",
                    path.display()
                );
            }
        }
    }
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make `{}`", directory.display()))?;
    for manifest in manifests {
        let path = file(&manifest.name);
        std::fs::write(&path, &manifest.text)
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(())
}

/// Whether a cluster would have a namespace of this name; anything else is a path.
fn is_dns_label(name: &str) -> bool {
    let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inside)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// What is not in the policies, for who sees nothing else.
fn tell(report: &BaselineReport, global: &Global) {
    if !global.quiet {
        for note in report.notes.iter().take(MOST_NOTES) {
            say(&format!("note: {}", output::note_line(note)));
        }
        let more = report.notes.len().saturating_sub(MOST_NOTES);
        if more > 0 {
            say(&format!(
                "... and {} more; -o text lists all",
                count(more, "note")
            ));
        }
    }
    for proof in report.proofs.iter().filter(|proof| !proof.holds) {
        say(&format!("not proved: {}", proof.text));
        for against in &proof.against {
            say(&format!("  {against}"));
        }
    }
}

fn answered(report: &BaselineReport) -> String {
    let policies: usize = report
        .namespaces
        .iter()
        .map(|found| found.policies.len())
        .sum();
    let holds = report.proofs.iter().filter(|proof| proof.holds).count();
    format!(
        "; {} for {}, {holds} of {} proved,",
        count(policies, "policy"),
        count(report.namespaces.len(), "namespace"),
        count(report.proofs.len(), "claim")
    )
}
