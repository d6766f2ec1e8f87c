//! `watertight probe`: what runs inside of the pods of `verify`. Plain sockets, no privileges.
//!
//! - [`serve`] listens and says its name, so that an answer tells who gave it.
//! - [`connect`] tries many targets at once; [`watch`] tries them again and again.
//!
//! INVARIANT: lines on standard output are those of [`watertight_cluster::verify::wire`], and an attempt that
//! could not be made is `error`.

mod connect;
mod sctp;
mod serve;
mod watch;

use std::io::Write as _;

use anyhow::Context as _;
use watertight_cluster::verify::wire::Facts;

use crate::args::{ProbeArgs, ProbeVerb};
use crate::exit::Exit;

pub(super) fn run(args: &ProbeArgs) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    match &args.verb {
        ProbeVerb::Serve(args) => runtime.block_on(serve::run(args)),
        ProbeVerb::Connect(args) if args.watch => {
            runtime.block_on(watch::run(&args.targets, args.pace))
        }
        ProbeVerb::Connect(args) => runtime.block_on(connect::run(&args.targets, args.pace)),
        ProbeVerb::Facts => facts(),
    }
}

fn facts() -> anyhow::Result<Exit> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let variable = |name: &str| std::env::var(name).ok();
    let mut facts = Facts::read(
        &text,
        variable("KUBERNETES_SERVICE_HOST").as_deref(),
        variable("KUBERNETES_SERVICE_PORT").as_deref(),
    );
    facts.sctp = sctp::is_loaded();
    print_line(&serde_json::to_string(&facts)?)?;
    Ok(Exit::Clean)
}

/// Prints a line at once: somebody waits for it.
fn print_line(line: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
