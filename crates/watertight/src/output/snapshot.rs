//! What is in a snapshot, for people and for programs.

use std::io::{self, Write};

use schemars::JsonSchema;
use serde::Serialize;
use watertight_cluster::State;
use watertight_cluster::snapshot::Archive;
use watertight_core::check::take_for;
use watertight_core::engine::Profile;
use watertight_core::manifest::Options;
use watertight_core::rules::count;
use watertight_core::source::Sources;
use watertight_core::world::{self, Assume};

use super::one_line;

/// What is in a snapshot.
#[derive(Debug, JsonSchema, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SnapshotReport {
    /// `watertight.dev/v1`
    api_version: &'static str,
    /// `SnapshotReport`
    kind: &'static str,
    /// The file.
    file: String,
    /// Its size.
    bytes: usize,
    /// The size of the texts in it.
    unpacked_bytes: usize,
    /// The number of texts.
    texts: usize,
    /// The context that it was read through.
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<String>,
    /// The address of the API server.
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<String>,
    /// The version of Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// When it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    taken: Option<String>,
    /// How long ago that was, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    age_seconds: Option<i64>,
    /// Whether names are replaced.
    redacted: bool,
    /// The network engine that its objects tell of, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    engine: Option<String>,
    /// The kinds of which there are objects, or of which not all is known.
    kinds: Vec<SnapshotKind>,
    /// The number of kinds that the cluster does not have.
    not_served: usize,
}

/// A kind in a snapshot.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct SnapshotKind {
    /// The group; empty for the core.
    group: String,
    /// The version.
    version: String,
    /// The resource.
    resource: String,
    /// The kind.
    kind: String,
    /// `complete`, `partial`, `forbidden` or `failed`.
    state: &'static str,
    /// The number of objects.
    count: usize,
    /// Why it is not complete.
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
}

/// Looks at a snapshot.
pub(crate) fn report(file: &str, bytes: usize, archive: &Archive) -> SnapshotReport {
    let header = archive.header.as_ref();
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let kinds = header.iter().flat_map(|header| &header.kinds);
    let is_shown = |state: State, count: usize| state.is_unknown() || count > 0;
    let taken = header.and_then(|header| header.taken.parse::<jiff::Timestamp>().ok());
    SnapshotReport {
        api_version: "watertight.dev/v1",
        kind: "SnapshotReport",
        file: file.to_owned(),
        bytes,
        unpacked_bytes: archive.files.iter().map(|file| file.text.len()).sum(),
        texts: archive.files.len(),
        context: header.and_then(|header| text(&header.metadata.name)),
        server: header.and_then(|header| text(&header.cluster.server)),
        version: header.and_then(|header| text(&header.cluster.version)),
        taken: header.and_then(|header| text(&header.taken)),
        age_seconds: taken.map(|taken| jiff::Timestamp::now().as_second() - taken.as_second()),
        redacted: header.is_some_and(|header| header.redacted),
        engine: engine(archive),
        kinds: kinds
            .clone()
            .filter(|kind| is_shown(kind.state, kind.count))
            .map(|kind| SnapshotKind {
                group: kind.group.clone(),
                version: kind.version.clone(),
                resource: kind.resource.clone(),
                kind: kind.kind.clone(),
                state: kind.state.word(),
                count: kind.count,
                message: kind.message.clone(),
            })
            .collect(),
        not_served: kinds.filter(|kind| kind.state == State::NotServed).count(),
    }
}

/// The engine that the objects tell of.
fn engine(archive: &Archive) -> Option<String> {
    let mut sources = Sources::new();
    for file in &archive.files {
        sources.add_text(&file.name, file.text.clone()).ok()?;
    }
    let (mut world, _) = world::read(&sources, &Options::default(), &Assume::default(), None);
    let _ = take_for(&mut world, Profile::reference(), &[]);
    world.assumed.engine.as_deref().map(Into::into)
}

/// For programs.
pub(crate) fn json(report: &SnapshotReport, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    writeln!(out)
}

/// For people.
pub(crate) fn text(report: &SnapshotReport, out: &mut dyn Write) -> io::Result<()> {
    let mut line = |name: &str, value: &str| writeln!(out, "{name:<11}{}", one_line(value));
    line("snapshot", &report.file)?;
    let size = format!(
        "{} KiB, unpacked {} KiB in {}",
        report.bytes.div_ceil(1024),
        report.unpacked_bytes.div_ceil(1024),
        count(report.texts, "text")
    );
    line("size", &size)?;
    for (name, value) in [
        ("context", &report.context),
        ("server", &report.server),
        ("version", &report.version),
    ] {
        if let Some(value) = value {
            line(name, value)?;
        }
    }
    if let Some(taken) = &report.taken {
        let age = report
            .age_seconds
            .map_or(String::new(), |age| format!(" ({} ago)", ago(age)));
        line("taken", &format!("{taken}{age}"))?;
    }
    if report.redacted {
        line("redacted", "names and label values are replaced")?;
    }
    line(
        "engine",
        report.engine.as_deref().unwrap_or("nothing in it tells"),
    )?;
    let known = report.kinds.iter().filter(|kind| kind.state == "complete");
    writeln!(out)?;
    for kind in known {
        writeln!(out, "{:>8}  {}", kind.count, title(kind))?;
    }
    let unknown = report.kinds.iter().filter(|kind| kind.state != "complete");
    let unknown: Vec<_> = unknown.collect();
    if !unknown.is_empty() {
        writeln!(out, "\nnot known:")?;
    }
    for kind in unknown {
        let message = one_line(&kind.message);
        writeln!(
            out,
            "{:>8}  {}  {}: {message}",
            kind.count,
            title(kind),
            kind.state
        )?;
    }
    Ok(())
}

/// `networkpolicies.networking.k8s.io`
fn title(kind: &SnapshotKind) -> String {
    match kind.group.as_str() {
        "" => one_line(&kind.resource),
        group => one_line(&format!("{}.{group}", kind.resource)),
    }
}

/// `5 minutes`
fn ago(seconds: i64) -> String {
    let (number, unit) = match seconds.max(0) {
        seconds @ 0..120 => (seconds, "second"),
        seconds @ 120..7200 => (seconds / 60, "minute"),
        seconds @ 7200..172_800 => (seconds / 3600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    count(usize::try_from(number).unwrap_or(0), unit)
}
