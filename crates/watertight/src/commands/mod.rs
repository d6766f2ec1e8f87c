//! One file a verb.

mod check;
mod completion;
mod man;
mod rule;
mod schema;

use std::io::Write as _;

use anyhow::Context as _;

use crate::args::{Cli, ColorWhen, Global, Verb};
use crate::exit::Exit;

pub(crate) fn run(cli: &Cli) -> anyhow::Result<Exit> {
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

/// Prints text to standard output.
fn print(text: &str) -> anyhow::Result<Exit> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Exit::Clean)
}
