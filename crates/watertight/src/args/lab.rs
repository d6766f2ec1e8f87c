//! Arguments of `lab`.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use watertight_core::sets::Protocol;

use super::{ClusterArgs, ConfigArgs, InputArgs, OutputTarget};

/// Arguments of `lab`.
#[derive(Args, Debug)]
#[command(
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:
  watertight lab run examples/shop                  every pair, predicted and tried
  watertight lab run k8s/ --port 5432/tcp -o html=lab.html
  watertight lab run k8s/ --nft                     the rulesets of the nodes, and nothing else
  watertight lab up k8s/                            a cluster to look around in
  watertight lab probe 'shop/web -> shop/db:5432'   one connection in it
  watertight lab shell shop/web -- cat /proc/net/route
  watertight lab down

It needs Linux, and root or a user namespace; `lab run --nft` needs no privileges"
)]
pub(crate) struct LabArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: LabVerb,
}

/// The verbs of `lab`.
#[derive(Debug, Subcommand)]
pub(crate) enum LabVerb {
    /// Build the cluster as network namespaces, send packets, and tell where they differ from the prediction
    Run(LabRunArgs),
    /// Build the cluster and leave it up, with its policies in force
    Up(LabUpArgs),
    /// Try connections in a lab that is up, and tell who dropped them
    Probe(LabProbeArgs),
    /// Open a shell, or run a command, where a pod or a node has its network
    Shell(LabShellArgs),
    /// List the labs that are up
    List,
    /// Take a lab down
    Down(LabDownArgs),
    /// Hold a lab in the background: what `up` starts
    #[command(hide = true)]
    Hold(LabHoldArgs),
}

/// What a lab is made of.
#[derive(Args, Debug)]
pub(crate) struct LabInputArgs {
    /// What to read, as with -f
    #[arg(value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,

    /// An address outside of the cluster, and what it stands for; may be repeated
    #[arg(long, value_name = "ADDRESS[=NAME]", help_heading = "Lab")]
    pub(crate) outside: Vec<OutsideAddress>,
    /// Leave out the usual outside addresses: the internet, cloud metadata, a private network
    #[arg(long, help_heading = "Lab")]
    pub(crate) no_usual_outside: bool,
    /// At least this many nodes [default: those of the input, or else 2]
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=200),
        help_heading = "Lab"
    )]
    pub(crate) nodes: Option<u16>,

    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,
    #[command(flatten)]
    pub(crate) config: ConfigArgs,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// Arguments of `lab run`.
#[derive(Args, Debug)]
#[command(
    after_help = "Exit codes: 0 packets and prediction agree, 1 they differ, 2 something could not be read, built or tried"
)]
pub(crate) struct LabRunArgs {
    /// Try this port only; may be repeated [default: those that pods declare and rules name, and one that nobody names]
    #[arg(long, value_name = "PORT/PROTOCOL", help_heading = "Question")]
    pub(crate) port: Vec<LabPort>,
    /// Send no echo requests
    #[arg(long, help_heading = "Question")]
    pub(crate) no_icmp: bool,

    /// Write the result as FORMAT, to FILE if given; may be repeated [default: text]
    #[arg(short, long, value_name = "FORMAT[=FILE]", help_heading = "Output")]
    pub(crate) output: Vec<OutputTarget<LabFormat>>,
    /// Write the packets of each node down: to FILE.NODE, for tcpdump and Wireshark
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) pcap: Option<PathBuf>,
    /// Print the nftables ruleset of each node, and stop; needs no privileges
    #[arg(long, help_heading = "Output", conflicts_with_all = ["pcap", "keep", "output"])]
    pub(crate) nft: bool,
    /// Leave a lab up afterwards, as `lab up` does
    #[arg(long, help_heading = "Output")]
    pub(crate) keep: bool,
    /// What to call the lab that is left up
    #[arg(
        long,
        value_name = "NAME",
        default_value = "lab",
        requires = "keep",
        help_heading = "Output"
    )]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) lab: LabInputArgs,
}

/// Arguments of `lab up`.
#[derive(Args, Debug)]
pub(crate) struct LabUpArgs {
    /// What to call it
    #[arg(long, value_name = "NAME", default_value = "lab", help_heading = "Lab")]
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) lab: LabInputArgs,
}

/// Arguments of the process in the background: those of `lab up`, and what that has seen.
#[derive(Args, Debug)]
pub(crate) struct LabHoldArgs {
    #[command(flatten)]
    pub(crate) up: LabUpArgs,
    /// Where relative paths begin
    #[arg(long)]
    pub(crate) directory: PathBuf,
    /// What the input was when the lab was made
    #[arg(long)]
    pub(crate) digest: String,
}

/// Arguments of `lab probe`.
#[derive(Args, Debug)]
#[command(
    override_usage = "watertight lab probe [OPTIONS] 'FROM -> TO:PORT/PROTOCOL'
       watertight lab probe [OPTIONS] FROM TO [PORT/PROTOCOL]",
    after_help = "Exit codes: 0 packets did as predicted, 1 they did not, 2 nothing can be said"
)]
pub(crate) struct LabProbeArgs {
    /// A connection, as 'FROM -> TO:PORT/PROTOCOL', or FROM TO PORT/PROTOCOL
    #[arg(value_name = "CONNECTION", required = true, num_args = 1..=3)]
    pub(crate) flow: Vec<String>,
    /// Which lab [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The namespace of pods that are written without one
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
}

/// Arguments of `lab shell`.
#[derive(Args, Debug)]
pub(crate) struct LabShellArgs {
    /// A pod (shop/web), a node (node:NAME), an address (ip:10.244.0.2), or the world outside (world)
    #[arg(value_name = "PARTY")]
    pub(crate) party: String,
    /// Which lab [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// A command with its arguments [default: a shell]
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// Arguments of `lab down`.
#[derive(Args, Debug)]
pub(crate) struct LabDownArgs {
    /// Which lab [default: the only one]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Formats of `lab run`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LabFormat {
    /// For people
    Text,
    /// For programs; `watertight schema lab` describes it
    Json,
    /// JUnit XML, for test reports of CI systems
    Junit,
    /// One page with the matrix and what is behind each of its cells
    Html,
    /// The matrix alone, however wide it is
    Matrix,
}

/// An address outside of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutsideAddress {
    pub(crate) ip: IpAddr,
    pub(crate) name: String,
}

impl FromStr for OutsideAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, name) = match text.split_once('=') {
            Some((_, "")) => return Err("the name after `=` is missing".into()),
            Some((address, name)) => (address, name.to_owned()),
            None => (text, text.to_owned()),
        };
        let ip = address.parse().map_err(|_| {
            format!("`{address}` is no address; write one, as 203.0.113.9 or 203.0.113.9=partner")
        })?;
        Ok(Self { ip, name })
    }
}

impl std::fmt::Display for OutsideAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}", self.ip, self.name)
    }
}

/// A port to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LabPort {
    pub(crate) protocol: Protocol,
    pub(crate) number: u16,
}

impl FromStr for LabPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            other => {
                return Err(format!(
                    "`{other}` is no protocol with ports; use tcp, udp or sctp"
                ));
            }
        };
        match number.parse() {
            Ok(number) if number > 0 => Ok(Self { protocol, number }),
            _ => Err(format!(
                "`{number}` is no port; write a number and a protocol, as 5432/tcp"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_have_a_number_and_a_protocol() {
        let port = |text: &str| text.parse::<LabPort>();
        let tcp = LabPort {
            protocol: Protocol::Tcp,
            number: 80,
        };
        assert_eq!(port("80"), Ok(tcp));
        assert_eq!(port("80/TCP"), Ok(tcp));
        assert_eq!(port("53/udp").unwrap().protocol, Protocol::Udp);
        for wrong in ["", "0", "http", "80/icmp", "65536/tcp", "1-2"] {
            assert!(port(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn outside_addresses_may_have_a_name() {
        let read = |text: &str| text.parse::<OutsideAddress>();
        let partner = OutsideAddress {
            ip: "203.0.113.9".parse().unwrap(),
            name: "partner".into(),
        };
        assert_eq!(read("203.0.113.9=partner"), Ok(partner.clone()));
        assert_eq!(read(&partner.to_string()), Ok(partner));
        assert_eq!(read("fd00::9").unwrap().name, "fd00::9");
        assert!(read("203.0.113.9=").is_err());
        assert!(read("203.0.113.0/24").is_err());
    }
}
