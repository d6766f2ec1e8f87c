//! `watertight snapshot`: a cluster in one file, and what is in it.

use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, bail};
use watertight_cluster::{Reading, Wanted, redact, snapshot};
use watertight_core::rules::count;

use crate::args::{
    Global, SnapshotArgs, SnapshotFormat, SnapshotSaveArgs, SnapshotShowArgs, SnapshotVerb,
};
use crate::exit::{Exit, say};
use crate::input;
use crate::output::{one_line, snapshot as output};

pub(super) fn run(args: &SnapshotArgs, global: &Global) -> anyhow::Result<Exit> {
    match &args.verb {
        SnapshotVerb::Save(args) => save(args, global),
        SnapshotVerb::Show(args) => show(args, global),
    }
}

fn save(args: &SnapshotSaveArgs, global: &Global) -> anyhow::Result<Exit> {
    let started = Instant::now();
    if let Some(file) = &args.file {
        // Before a minute is spent on reading.
        writable(file, args.force)?;
    }
    let mut reading = match &args.live.snapshot {
        Some(path) => saved(path)?,
        None => {
            let wanted = Wanted {
                hints: true,
                namespaces: args.namespace.clone(),
            };
            input::reading(&args.live, None, &wanted, global)?
        }
    };
    let file = match &args.file {
        Some(file) => file.clone(),
        None => {
            let file = PathBuf::from(file_name(&reading.header.metadata.name, args.redact));
            writable(&file, args.force)?;
            file
        }
    };
    let mut of = one_line(&reading.header.metadata.name);
    if args.redact {
        reading = redact::redact(&reading);
        of.push_str(", redacted,");
    }
    let mut bytes = Vec::new();
    snapshot::pack(&reading.files, &mut bytes)?;
    let shown = file.display();
    if file.as_os_str() == "-" {
        let mut out = std::io::stdout().lock();
        out.write_all(&bytes)?;
        out.flush()?;
    } else {
        write(&file, &bytes).with_context(|| format!("cannot write `{shown}`"))?;
    }
    for kind in reading.header.unknown() {
        let (kind_name, state) = (&kind.resource, kind.state.word());
        let message = one_line(&kind.message);
        say(&format!(
            "note: {}: {state}: {message}",
            one_line(kind_name)
        ));
    }
    if !global.quiet {
        say(&format!(
            "wrote {} of {of} to `{shown}` ({} KiB) in {} ms",
            count(reading.header.objects(), "object"),
            bytes.len().div_ceil(1024),
            started.elapsed().as_millis()
        ));
    }
    Ok(match reading.header.unknown().next() {
        Some(_) => Exit::Unable,
        None => Exit::Clean,
    })
}

/// A snapshot that was saved, to be saved again without names.
fn saved(path: &Path) -> anyhow::Result<Reading> {
    let archive = unpacked(path)?.0;
    let shown = path.display();
    let header = archive
        .header
        .with_context(|| format!("`{shown}` has no header: it is no snapshot"))?;
    Ok(Reading {
        header,
        files: archive.files,
    })
}

fn unpacked(path: &Path) -> anyhow::Result<(snapshot::Archive, usize)> {
    let shown = path.display();
    let bytes = if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes)?;
        bytes
    } else {
        std::fs::read(path).with_context(|| format!("cannot read `{shown}`"))?
    };
    if !snapshot::is_snapshot(&bytes) {
        bail!("`{shown}` is no snapshot; `watertight snapshot save` makes one");
    }
    let archive = snapshot::unpack(&bytes).with_context(|| format!("cannot read `{shown}`"))?;
    Ok((archive, bytes.len()))
}

/// A name that is a file name everywhere.
fn file_name(context: &str, redacted: bool) -> String {
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    let name: String = context
        .chars()
        .map(|c| if kept(c) { c } else { '-' })
        .collect();
    let name = name.trim_matches(['.', '-']);
    match (name, redacted) {
        ("", _) | (_, true) => "cluster.tar.gz".into(),
        (name, false) => format!("{name}.tar.gz"),
    }
}

/// Whether a file may be written over: a snapshot may, anything else not.
fn writable(path: &Path, force: bool) -> anyhow::Result<()> {
    if force || path.as_os_str() == "-" {
        return Ok(());
    }
    let shown = path.display();
    let Ok(mut file) = std::fs::File::open(path) else {
        return Ok(());
    };
    let mut first = [0; 2];
    let is_snapshot = file.read_exact(&mut first).is_ok() && snapshot::is_snapshot(&first);
    if !is_snapshot {
        bail!("`{shown}` is there and is no snapshot; --force writes over it");
    }
    Ok(())
}

/// Writes a file that only its owner may read.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    #[cfg(unix)]
    if file.metadata()?.is_file() {
        use std::os::unix::fs::PermissionsExt as _;
        // One that was there keeps its mode otherwise.
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    file.write_all(bytes)?;
    file.sync_all()
}

fn show(args: &SnapshotShowArgs, global: &Global) -> anyhow::Result<Exit> {
    let targets = super::targets(&args.output, SnapshotFormat::Text)?;
    let (archive, bytes) = unpacked(&args.file)?;
    let report = output::report(&args.file.display().to_string(), bytes, &archive);
    super::deliver(&targets, global, |format, _, out| match format {
        SnapshotFormat::Json => output::json(&report, out),
        SnapshotFormat::Text => output::text(&report, out),
    })?;
    Ok(Exit::Clean)
}
