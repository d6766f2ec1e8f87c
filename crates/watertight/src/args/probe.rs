//! Arguments of `probe`, which runs inside of pods.

use std::time::Duration;

use clap::{Args, Subcommand};
use watertight_cluster::verify::wire::{LONGEST, Target};

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
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) tcp: Vec<u16>,
    /// Listen on these UDP ports
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) udp: Vec<u16>,
    /// Listen on these SCTP ports, if the kernel has loaded SCTP; it is not made to
    #[arg(long, value_name = "PORT", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) sctp: Vec<u16>,
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
  sctp     connect, and read the name, if the kernel has loaded SCTP
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
    let time = text.parse().map(Duration::from_millis).ok();
    time.filter(|time| !time.is_zero() && *time <= LONGEST)
        .ok_or_else(|| {
            let most = LONGEST.as_millis();
            format!("`{text}` is no number of milliseconds from 1 to {most}")
        })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Verb};

    fn parsed(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn every_time_that_a_run_can_be_given_is_taken() {
        // A run waits for a week at the most, and a little longer for what was begun then.
        for text in ["1", "3610000", "604810000"] {
            let line = format!("watertight probe connect --watch --for {text} tcp:10.0.0.1:80");
            let cli = parsed(&line).unwrap();
            let Verb::Probe(ProbeArgs {
                verb: ProbeVerb::Connect(args),
            }) = cli.verb
            else {
                panic!("another verb");
            };
            assert_eq!(args.pace.length.as_millis().to_string(), text);
        }
        for wrong in ["0", "-1", "x", "700000000"] {
            let line = format!("watertight probe connect --timeout={wrong} tcp:10.0.0.1:80");
            assert!(parsed(&line).is_err(), "{wrong}");
        }
    }

    #[test]
    fn nobody_listens_on_port_0() {
        assert!(parsed("watertight probe serve --name a --tcp 8080,8081").is_ok());
        for wrong in [
            "--tcp 0",
            "--udp 0",
            "--sctp 0",
            "--tcp 80,0",
            "--tcp 65536",
        ] {
            let line = format!("watertight probe serve --name a {wrong}");
            assert!(parsed(&line).is_err(), "{wrong}");
        }
    }
}
