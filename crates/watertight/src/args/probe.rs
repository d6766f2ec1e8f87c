//! Arguments of `probe`, which runs inside of pods.

use std::time::Duration;

use clap::{Args, Subcommand};
use watertight_cluster::verify::wire::Target;

/// Arguments of `probe`.
#[derive(Args, Debug)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct ProbeArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: ProbeVerb,
}

/// The verbs of `probe`.
#[derive(Debug, Subcommand)]
pub(crate) enum ProbeVerb {
    /// Listen, and answer with a name
    Serve(ServeArgs),
    /// Try targets, all at once, and print a line of JSON for each
    Connect(ConnectArgs),
    /// Print what this pod knows of its surroundings: its name servers and the API server
    Facts,
}

/// Arguments of `probe serve`.
#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    /// The name to answer with
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// Listen on these TCP ports
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    pub(crate) tcp: Vec<u16>,
    /// Listen on these UDP ports
    #[arg(long, value_name = "PORT", value_delimiter = ',')]
    pub(crate) udp: Vec<u16>,
    /// Sample these targets from the first moment on, and print every attempt
    #[arg(long, value_name = "TARGET")]
    pub(crate) watch: Vec<Target>,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

/// Arguments of `probe connect`.
#[derive(Args, Debug)]
#[command(after_help = "A target is HOW:ADDRESS:PORT, where HOW is
  tcp      connect, and read the name that a `probe serve` says
  connect  connect, and send and read nothing
  udp      send a nonce that a `probe serve` sends back
  dns      send a DNS question over UDP")]
pub(crate) struct ConnectArgs {
    /// What to try
    #[arg(value_name = "TARGET", required = true)]
    pub(crate) targets: Vec<Target>,
    /// Try them again and again, and print every attempt
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) pace: Pace,
}

/// How fast and how long.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Give up an attempt after this many milliseconds
    #[arg(long, value_name = "MS", default_value = "1500", value_parser = milliseconds)]
    pub(crate) timeout: Duration,
    /// With --watch: begin an attempt every so many milliseconds
    #[arg(long, value_name = "MS", default_value = "10", value_parser = milliseconds)]
    pub(crate) interval: Duration,
    /// With --watch: end after this many milliseconds
    #[arg(long = "for", value_name = "MS", default_value = "60000", value_parser = milliseconds)]
    pub(crate) length: Duration,
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(number @ 1..=3_600_000) => Ok(Duration::from_millis(number)),
        _ => Err(format!(
            "`{text}` is no number of milliseconds from 1 to 3600000"
        )),
    }
}
