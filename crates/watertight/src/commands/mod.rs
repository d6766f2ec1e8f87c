//! One file a verb; `cluster` is what they share: flags and files in, a cluster out.

mod baseline;
mod check;
mod cluster;
mod completion;
mod diagnose;
mod diff;
mod explain;
mod lab;
mod man;
mod minimize;
mod preview;
#[cfg(feature = "live")]
mod probe;
mod reach;
mod rule;
mod schema;
#[cfg(feature = "live")]
mod snapshot;
mod test;
#[cfg(feature = "live")]
mod verify;

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::args::{Cli, ColorWhen, Global, OutputTarget, Verb};
use crate::exit::Exit;

pub(crate) fn run(cli: &Cli) -> anyhow::Result<Exit> {
    // Before any thread exists.
    let entered = match &cli.verb {
        Verb::Lab(args) => lab::enter(args)?,
        _ => lab::Entered::default(),
    };
    if let Some(threads) = cli.global.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("cannot start threads")?;
    }
    match cli.global.color {
        ColorWhen::Auto => {}
        ColorWhen::Always => anstream::ColorChoice::Always.write_global(),
        ColorWhen::Never => anstream::ColorChoice::Never.write_global(),
    }
    match &cli.verb {
        Verb::Check(args) => check::run(args, &cli.global),
        Verb::Diagnose(args) => diagnose::run(args, &cli.global),
        Verb::Explain(args) => explain::run(args, &cli.global),
        Verb::Reach(args) => reach::run(args, &cli.global),
        Verb::Test(args) => test::run(args, &cli.global),
        Verb::Diff(args) => diff::run(args, &cli.global),
        Verb::Preview(args) => preview::run(args, &cli.global),
        Verb::Baseline(args) => baseline::run(args, &cli.global),
        Verb::Minimize(args) => minimize::run(args, &cli.global),
        Verb::Lab(args) => lab::run(args, entered, &cli.global),
        #[cfg(feature = "live")]
        Verb::Verify(args) => verify::run(args, &cli.global),
        #[cfg(feature = "live")]
        Verb::Probe(args) => probe::run(args),
        #[cfg(feature = "live")]
        Verb::Snapshot(args) => snapshot::run(args, &cli.global),
        Verb::Rule(args) => rule::run(args),
        Verb::Schema(args) => schema::run(args),
        Verb::Completion(args) => completion::run(args),
        Verb::Man(args) => man::run(args),
    }
}

/// Whether text on standard output may have colour.
fn stdout_color(global: &Global) -> bool {
    match global.color {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => {
            anstream::AutoStream::choice(&std::io::stdout()) != anstream::ColorChoice::Never
        }
    }
}

/// The width of the terminal, or a width that reads well in a log.
fn width() -> usize {
    let columns = std::env::var("COLUMNS").ok();
    let terminal = terminal_size::terminal_size_of(io::stdout());
    width_of(
        columns.as_deref(),
        terminal.map(|(width, _)| width.0.into()),
    )
}

/// `COLUMNS` where that is set, for whoever wants another width than the terminal has.
fn width_of(columns: Option<&str>, terminal: Option<usize>) -> usize {
    let columns = columns.and_then(|text| text.parse().ok());
    // A terminal that does not know its width says 0.
    let terminal = terminal.filter(|width| *width > 0);
    columns.or(terminal).unwrap_or(120).clamp(60, 240)
}

/// The outputs that were asked for; `default` on standard output if there are none.
fn targets<F: Copy>(asked: &[OutputTarget<F>], default: F) -> anyhow::Result<Vec<OutputTarget<F>>> {
    if asked.is_empty() {
        return Ok(vec![OutputTarget {
            format: default,
            file: None,
        }]);
    }
    if asked.iter().filter(|target| target.file.is_none()).count() > 1 {
        bail!("two formats cannot share standard output; give one of them a file: -o FORMAT=FILE");
    }
    let files: Vec<&Path> = asked
        .iter()
        .filter_map(|target| target.file.as_deref())
        .collect();
    can_be_written(&files)?;
    Ok(asked.iter().map(OutputTarget::clone).collect())
}

/// Fails if a file is given twice or cannot be written. To be asked before any work is done: an answer that took
/// a minute has nowhere to go otherwise.
fn can_be_written(files: &[&Path]) -> anyhow::Result<()> {
    let mut known = BTreeSet::new();
    for file in files {
        let shown = file.display();
        let directory = match file.parent() {
            Some(directory) if !directory.as_os_str().is_empty() => directory,
            _ => Path::new("."),
        };
        let directory = directory
            .canonicalize()
            .with_context(|| format!("cannot write `{shown}`"))?;
        if file.is_dir() {
            bail!("cannot write `{shown}`: it is a directory");
        }
        // Pipes and devices may be given to several.
        let is_special = file.exists() && !file.is_file();
        if !is_special && !known.insert((directory, file.file_name())) {
            bail!("`{shown}` is given to two outputs; give each a file of its own");
        }
        let mut options = OpenOptions::new();
        let tried = if file.is_file() {
            options.append(true).open(file).map(drop)
        } else if is_special {
            Ok(())
        } else {
            let made = options.write(true).create_new(true).open(file);
            made.and_then(|_| std::fs::remove_file(file))
        };
        tried.with_context(|| format!("cannot write `{shown}`"))?;
    }
    Ok(())
}

/// Writes every output; `render` is told the format and whether colour is wanted. Tells whether standard output was
/// read to its end.
///
/// Whoever closes a pipe early, as `head` does, has seen enough: the other outputs are written all the same, and the
/// exit code is that of the answer, or else `check | head` would let pass what `check` does not.
fn deliver<F: Copy>(
    targets: &[OutputTarget<F>],
    global: &Global,
    render: impl Fn(F, bool, &mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<bool> {
    let mut is_read = true;
    for target in targets {
        match &target.file {
            None => {
                is_read &= to_stdout(|out| render(target.format, stdout_color(global), out))?;
            }
            Some(path) => {
                let shown = path.display();
                let file = std::fs::File::create(path)
                    .with_context(|| format!("cannot write `{shown}`"))?;
                let mut out = io::BufWriter::new(file);
                render(target.format, false, &mut out)
                    .and_then(|()| out.flush())
                    .with_context(|| format!("cannot write `{shown}`"))?;
            }
        }
    }
    Ok(is_read)
}

/// Writes to standard output; tells whether it was read to its end.
fn to_stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<bool> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

/// Prints text to standard output.
fn print(text: &str) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Exit::Clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_width_is_the_terminals_unless_columns_says_another() {
        assert_eq!(width_of(None, Some(200)), 200);
        assert_eq!(width_of(Some("100"), Some(200)), 100);
        assert_eq!(width_of(Some("wide"), Some(200)), 200);
        assert_eq!(width_of(None, None), 120);
        assert_eq!(width_of(None, Some(0)), 120);
        assert_eq!(width_of(None, Some(20)), 60);
    }

    #[test]
    fn files_are_looked_at_before_anything_is_done() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let told = |files: &[&Path]| match can_be_written(files) {
            Ok(()) => String::new(),
            Err(error) => format!("{error:#}"),
        };
        std::fs::write(path("old"), "old").unwrap();
        assert_eq!(told(&[&path("new"), &path("old")]), "");
        assert!(!path("new").exists(), "nothing is left of looking");
        assert_eq!(std::fs::read_to_string(path("old")).unwrap(), "old");
        let again = directory.path().join(".").join("new");
        assert!(told(&[&path("new"), &again]).contains("given to two outputs"));
        assert!(told(&[&path("no/new")]).contains("cannot write"));
        assert!(told(&[directory.path()]).contains("it is a directory"));
        #[cfg(unix)]
        assert_eq!(told(&[Path::new("/dev/null"), Path::new("/dev/null")]), "");
    }
}
