//! `watertight preview`: what becomes of a state when something is applied on top of it.

use std::time::Instant;

use anyhow::{anyhow, bail};
use watertight_core::suggest::misspelt;
use watertight_core::world::{NamespaceId, ObjectName, Preview, World};

use crate::args::{Global, PreviewArgs};
use crate::exit::Exit;
use crate::input::{self, Asking};

use super::cluster;
use super::diff::Comparison;

pub(super) fn run(args: &PreviewArgs, global: &Global) -> anyhow::Result<Exit> {
    let started = Instant::now();
    if args.filename.is_empty() && args.delete.is_empty() && args.staged.is_none() {
        bail!("nothing to preview; say what to apply with -f, what to --delete, or --staged");
    }
    let config = cluster::config(&args.config)?;
    let exclude = input::globs(args.exclude.iter().chain(&config.exclude))?;
    let comparison = Comparison::new(&args.compare, &args.cluster, config, global, started)?;
    let namespace = comparison.default_namespace();
    let delete = args.delete.iter().map(|text| {
        let name = ObjectName::parse(text, namespace);
        name.map_err(|error| anyhow!("--delete: {error}"))
    });
    let label = match args.staged.as_deref() {
        None | Some("") => None,
        Some(label) => match label.split_once('=') {
            Some((key, value)) if !key.is_empty() => Some((key.to_owned(), value.to_owned())),
            _ => bail!("--staged: `{label}` is no label; write KEY=VALUE"),
        },
    };
    let preview = Preview {
        delete: delete.collect::<anyhow::Result<_>>()?,
        enforce_staged: args.staged.as_deref() == Some(""),
        staged_label: label,
    };
    let asking = Asking {
        live: &args.live,
        namespaces: &[],
        hints: false,
        global,
    };
    let two = input::read_on_top(&args.paths, &args.filename, &exclude, asking)?;
    let shown = args.paths.iter().map(|path| path.display().to_string());
    let base = match (&two.origin, &*args.paths) {
        (Some(origin), []) => origin.context.clone(),
        (None, []) => ".".to_owned(),
        _ => shown.collect::<Vec<_>>().join(" "),
    };
    let changed = describe(args, &base);
    comparison.run(two, Some(&preview), [base, changed])
}

/// `k8s + new.yaml - NetworkPolicy/shop/web, staged policies enforced`
fn describe(args: &PreviewArgs, base: &str) -> String {
    let mut told = base.to_owned();
    for path in &args.filename {
        told.push_str(&format!(" + {}", path.display()));
    }
    for name in &args.delete {
        told.push_str(&format!(" - {name}"));
    }
    match args.staged.as_deref() {
        None => {}
        Some("") => told.push_str(", staged policies enforced"),
        Some(label) => told.push_str(&format!(", policies with {label} enforced")),
    }
    told
}

/// The policy that was probably meant.
pub(super) fn near(name: &ObjectName, world: &World) -> String {
    let spelled = |kind: &str, namespace: Option<NamespaceId>, name: &str| match namespace {
        Some(id) => format!("{kind} {}/{name}", world[id].name),
        None => format!("{kind} {name}"),
    };
    let policies = world.policy_ids().map(|id| &world[id]);
    let policies = policies.map(|of| spelled("NetworkPolicy", Some(of.namespace), &of.name));
    let objects = world.objects.iter();
    let objects = objects.map(|of| spelled(of.kind.kind, of.namespace, &of.name));
    let all: Vec<String> = policies.chain(objects).collect();
    match misspelt(&name.to_string(), all.iter().map(String::as_str)) {
        Some(near) => format!(" (did you mean {near}?)"),
        None => String::new(),
    }
}
