//! `watertight lab shell`: a command where a pod or a node has its network.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::anyhow;
use watertight_node::lab::mounts;
use watertight_node::lab::state::{Labs, State};

use crate::args::{Global, LabShellArgs};
use crate::exit::{Exit, say};
use crate::output::one_line;

use super::plain;

pub(super) fn run(args: &LabShellArgs, state: &State, global: &Global) -> anyhow::Result<Exit> {
    let place = state.place(&args.party).map_err(plain)?;
    let namespace = state.namespace(place).map_err(plain)?;
    let labs = Labs::usual().map_err(plain)?;
    // This process becomes the command, so that its exit code and its signals are its own.
    namespace.enter().map_err(plain)?;
    if let Err(error) = mounts::own(&labs, &mounts::files(state, place)) {
        say(&format!(
            "note: names are those of the machine, not of the lab: {error}"
        ));
    }
    let shell = || std::env::var_os("SHELL").unwrap_or_else(|| OsString::from("/bin/sh"));
    let (program, arguments) = match args.command.split_first() {
        Some((program, arguments)) => (program.clone(), arguments),
        None => (shell(), [].as_slice()),
    };
    if args.command.is_empty() && !global.quiet && std::io::stdin().is_terminal() {
        let ips: Vec<_> = place.ips.iter().map(ToString::to_string).collect();
        say(&format!(
            "the network of {} ({}), with the names of the lab; all else is this machine's; `exit` leaves it",
            one_line(&place.name),
            ips.join(", ")
        ));
    }
    let error = Command::new(&program).args(arguments).exec();
    Err(anyhow!("could not run `{}`: {error}", program.display()))
}
