//! The command line of Watertight: arguments in, reports out. No semantics: those are in
//! `watertight-core`.
//!
//! `args` and `commands/<verb>` say what can be asked, `input` and `config` read files, `output/<format>`
//! writes reports. stdout is for data, stderr for everything else.

mod args;
mod baseline;
mod commands;
mod config;
mod exit;
mod fix;
mod input;
mod output;
mod progress;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

pub use args::Cli;
pub use exit::Exit;

/// Runs the command line of this process; `name` is how the user calls it.
#[must_use]
pub fn main(name: &'static str) -> ExitCode {
    let command = Cli::command().name(name).bin_name(name);
    let parsed = command
        .try_get_matches()
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(mut cli) => {
            cli.global.plugin = name.starts_with("kubectl");
            cli
        }
        Err(error) => {
            let code = if error.use_stderr() {
                Exit::Unable
            } else {
                Exit::Clean
            };
            // A closed pipe is no reason to complain.
            let _ = error.print();
            return code.into();
        }
    };
    match commands::run(&cli) {
        Ok(exit) => exit.into(),
        Err(error) if is_broken_pipe(&error) => Exit::Clean.into(),
        Err(error) => {
            exit::complain(&error);
            Exit::Unable.into()
        }
    }
}

/// The whole command, for generated documentation.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
