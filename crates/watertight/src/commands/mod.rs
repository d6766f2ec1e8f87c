//! One file a verb; `cluster` is what they share: flags and files in, a cluster out.

mod baseline;
mod check;
mod cluster;
mod completion;
mod diff;
mod explain;
mod lab;
mod man;
mod minimize;
mod preview;
mod reach;
mod rule;
mod schema;
mod test;

use std::io::{self, Write};

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
        Verb::Explain(args) => explain::run(args, &cli.global),
        Verb::Reach(args) => reach::run(args, &cli.global),
        Verb::Test(args) => test::run(args, &cli.global),
        Verb::Diff(args) => diff::run(args, &cli.global),
        Verb::Preview(args) => preview::run(args, &cli.global),
        Verb::Baseline(args) => baseline::run(args, &cli.global),
        Verb::Minimize(args) => minimize::run(args, &cli.global),
        Verb::Lab(args) => lab::run(args, entered, &cli.global),
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
    let columns = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    columns.unwrap_or(120).clamp(60, 240)
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
    Ok(asked.iter().map(OutputTarget::clone).collect())
}

/// Writes every output; `render` is told the format and whether colour is wanted.
fn deliver<F: Copy>(
    targets: &[OutputTarget<F>],
    global: &Global,
    render: impl Fn(F, bool, &mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    for target in targets {
        match &target.file {
            None => {
                let mut out = io::BufWriter::new(io::stdout().lock());
                render(target.format, stdout_color(global), &mut out)?;
                out.flush()?;
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
    Ok(())
}

/// Prints text to standard output.
fn print(text: &str) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Exit::Clean)
}
