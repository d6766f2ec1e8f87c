//! `watertight lab`: policies as packets, on this machine.
//!
//! Namespaces of users can be entered only while the process has one thread. So [`enter`] comes before
//! everything else, and tells [`run`] what came of it: what is missing is said only once it is needed.

#[cfg(target_os = "linux")]
mod answers;
#[cfg(target_os = "linux")]
mod background;
#[cfg(target_os = "linux")]
mod build;
#[cfg(target_os = "linux")]
mod inside;
#[cfg(target_os = "linux")]
mod probe;
#[cfg(target_os = "linux")]
mod steps;
#[cfg(target_os = "linux")]
mod trial;
#[cfg(target_os = "linux")]
mod tries;

use crate::args::{Global, LabArgs};
use crate::exit::Exit;

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{Entered, enter, run};
#[cfg(target_os = "linux")]
pub(super) use linux::{Entered, enter, run};

#[cfg(target_os = "linux")]
mod linux {
    use watertight_node::lab::holder::Holder;
    use watertight_node::lab::state::{Labs, State};
    use watertight_node::sys::privileges::{self, Missing, Privileges};

    use super::{Exit, Global, LabArgs, background, inside, plain, probe, trial};
    use crate::args::LabVerb;

    /// What has been entered before any thread existed.
    #[derive(Default)]
    pub(in crate::commands) enum Entered {
        /// Nothing that matters.
        #[default]
        Nowhere,
        /// Where network namespaces can be made, or what is missing for that.
        Own(Result<Privileges, Missing>),
        /// The same, in the background, to hold a lab.
        Holding(Holder, Result<Privileges, Missing>),
        /// The user namespace of a lab.
        Lab(State),
    }

    /// To be called while the process has one thread.
    pub(in crate::commands) fn enter(args: &LabArgs) -> anyhow::Result<Entered> {
        let labs = || Labs::usual().map_err(plain);
        let lab = |name: Option<&str>| -> anyhow::Result<Entered> {
            let state = labs()?.find(name).map_err(plain)?;
            if let Some(namespace) = state.user_namespace().map_err(plain)? {
                namespace.enter().map_err(plain)?;
            }
            Ok(Entered::Lab(state))
        };
        match &args.verb {
            LabVerb::Run(args) if args.nft => Ok(Entered::Nowhere),
            LabVerb::Run(_) => Ok(Entered::Own(privileges::acquire())),
            LabVerb::Hold(args) => {
                let holder = Holder::begin(labs()?, &args.up.name).map_err(plain)?;
                Ok(Entered::Holding(holder, privileges::acquire()))
            }
            LabVerb::Probe(args) => lab(args.name.as_deref()),
            LabVerb::Shell(args) => lab(args.name.as_deref()),
            LabVerb::Up(_) | LabVerb::List | LabVerb::Down(_) => Ok(Entered::Nowhere),
        }
    }

    pub(in crate::commands) fn run(
        args: &LabArgs,
        entered: Entered,
        global: &Global,
    ) -> anyhow::Result<Exit> {
        match (&args.verb, entered) {
            (LabVerb::Run(args), Entered::Own(privileges)) => {
                trial::run(args, Some(privileges), global)
            }
            (LabVerb::Run(args), _) => trial::run(args, None, global),
            (LabVerb::Up(args), _) => background::up(args, global),
            (LabVerb::Hold(args), Entered::Holding(holder, privileges)) => {
                background::hold(args, holder, privileges, global)
            }
            (LabVerb::Probe(args), Entered::Lab(state)) => probe::run(args, &state, global),
            (LabVerb::Shell(args), Entered::Lab(state)) => inside::run(args, &state, global),
            (LabVerb::List, _) => background::list(),
            (LabVerb::Down(args), _) => background::down(args),
            // INVARIANT: `enter` gives these what they need.
            (LabVerb::Hold(_) | LabVerb::Probe(_) | LabVerb::Shell(_), _) => Ok(Exit::Unable),
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use super::{Exit, Global, LabArgs};

    /// There is nothing to enter.
    #[derive(Default)]
    pub(in crate::commands) struct Entered;

    pub(in crate::commands) fn enter(_: &LabArgs) -> anyhow::Result<Entered> {
        anyhow::bail!("the lab needs Linux: it is made of network namespaces and nftables")
    }

    pub(in crate::commands) fn run(_: &LabArgs, _: Entered, _: &Global) -> anyhow::Result<Exit> {
        Ok(Exit::Unable)
    }
}

/// An error that says its causes itself.
#[cfg(target_os = "linux")]
fn plain(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{error}")
}
