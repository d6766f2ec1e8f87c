//! `watertight completion SHELL`

use crate::args::CompletionArgs;
use crate::exit::Exit;

pub(super) fn run(args: &CompletionArgs) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command(), "watertight", &mut script);
    super::print(&String::from_utf8_lossy(&script))
}
