//! What the probing program and whoever starts it say to one another: targets as words, answers as lines of JSON.
//!
//! The program is `watertight probe`, which runs inside of pods; it knows nothing else of this crate.
//! INVARIANT: an outcome is what was seen. That nothing could be tried is `error`, and never taken for a denial.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a TCP server says first, and a UDP server answers with: this word, and its name.
pub const GREETING: &str = "watertight";

/// The longest time that the program takes: longer than any that a run can be given.
pub const LONGEST: Duration = Duration::from_secs(8 * 24 * 3600);

/// How a target is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum How {
    /// TCP, and the greeting is read.
    Tcp,
    /// TCP; nothing is sent and nothing is read.
    Connect,
    /// A datagram with a nonce that has to come back.
    Udp,
    /// A DNS question over UDP.
    Dns,
    /// SCTP, and the greeting is read.
    Sctp,
}

impl How {
    const ALL: [(Self, &str); 5] = [
        (Self::Tcp, "tcp"),
        (Self::Connect, "connect"),
        (Self::Udp, "udp"),
        (Self::Dns, "dns"),
        (Self::Sctp, "sctp"),
    ];

    /// The word before the address.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|(how, _)| *how == self);
        found.map_or("", |(_, word)| word)
    }

    /// `tcp`, `udp` or `sctp`.
    #[must_use]
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Tcp | Self::Connect => "tcp",
            Self::Udp | Self::Dns => "udp",
            Self::Sctp => "sctp",
        }
    }
}

/// Where to, and how: `tcp:10.244.1.5:8080`, `udp:[fd00::5]:8080`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// How it is tried.
    pub how: How,
    /// The address and the port.
    pub address: SocketAddr,
}

impl Target {
    /// A target.
    #[must_use]
    pub fn new(how: How, ip: IpAddr, port: u16) -> Self {
        Self {
            how,
            address: SocketAddr::new(ip, port),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.how.word(), self.address)
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || {
            format!(
                "`{text}` is no target; write tcp, udp, sctp, connect or dns, an address and a port, as \
                 tcp:10.0.0.1:80 or udp:[fd00::1]:53"
            )
        };
        let (word, address) = text.split_once(':').ok_or_else(wrong)?;
        let how = How::ALL.into_iter().find(|(_, known)| *known == word);
        let (how, _) = how.ok_or_else(wrong)?;
        let address: SocketAddr = address.parse().map_err(|_| wrong())?;
        if address.port() == 0 {
            return Err(wrong());
        }
        Ok(Self { how, address })
    }
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Somebody answered.
    Open,
    /// It arrived where nobody listens, or somebody reset it.
    Refused,
    /// An ICMP error, or the own kernel, said no.
    Rejected,
    /// Silence.
    Timeout,
    /// It could not be tried: this says nothing about policies.
    Error,
}

impl Outcome {
    /// The word of the report.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Error => "error",
        }
    }
}

/// One attempt, as one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The target as it was written.
    pub target: String,
    /// When it began: milliseconds of the program's own monotonic clock.
    pub at: f64,
    /// How long it took, in milliseconds.
    pub took: f64,
    /// What became of it.
    pub outcome: Outcome,
    /// Who answered, if they said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What else there is to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Sample {
    /// An attempt that could not be made.
    #[must_use]
    pub fn error(target: &Target, detail: &str) -> Self {
        Self {
            target: target.to_string(),
            at: 0.0,
            took: 0.0,
            outcome: Outcome::Error,
            by: None,
            detail: Some(detail.to_owned()),
        }
    }
}

/// What a pod knows of its surroundings, as one line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// The name servers of the pod.
    #[serde(default)]
    pub resolvers: Vec<IpAddr>,
    /// The API server, as every pod is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_server: Option<SocketAddr>,
    /// Whether the kernel has loaded SCTP.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sctp: bool,
}

impl Facts {
    /// Reads the texts of `/etc/resolv.conf` and of the two environment variables.
    #[must_use]
    pub fn read(resolv_conf: &str, host: Option<&str>, port: Option<&str>) -> Self {
        let lines = resolv_conf.lines().map(str::split_whitespace);
        let resolvers = lines.filter_map(|mut words| {
            let is_server = words.next() == Some("nameserver");
            words.next().filter(|_| is_server)?.parse().ok()
        });
        let host = host.and_then(|host| host.trim_matches(['[', ']']).parse().ok());
        let port = port.and_then(|port| port.parse().ok());
        Self {
            resolvers: resolvers.collect(),
            api_server: host.zip(port).map(|(ip, port)| SocketAddr::new(ip, port)),
            sctp: false,
        }
    }
}

/// A line that the probing program prints.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// Sampling begins, or ended.
    Mark,
    /// All samples are there.
    Done,
    /// One attempt.
    Sample(Sample),
}

/// The line that says that no more samples come.
pub const DONE: &str = r#"{"done":true}"#;
/// The line that says that sampling begins.
pub const STARTED: &str = r#"{"started":true}"#;

/// Reads one line.
///
/// # Errors
///
/// What it is not, with the line.
pub fn line(text: &str) -> Result<Line, String> {
    let text = text.trim();
    match text {
        DONE => return Ok(Line::Done),
        STARTED => return Ok(Line::Mark),
        _ => {}
    }
    serde_json::from_str(text).map(Line::Sample).map_err(|_| {
        let start: String = text.chars().take(120).collect();
        format!("the probe printed `{start}`, which is no answer of `watertight probe`")
    })
}

/// The answers of one call, in the order of the targets. What is missing is an error.
#[must_use]
pub fn answers(targets: &[Target], printed: &str, missing: &str) -> Vec<Sample> {
    let mut wrong = None;
    let mut samples = Vec::new();
    for text in printed.lines().filter(|text| !text.trim().is_empty()) {
        match line(text) {
            Ok(Line::Sample(sample)) => samples.push(sample),
            Ok(_) => {}
            Err(message) => wrong = wrong.or(Some(message)),
        }
    }
    let missing = wrong.as_deref().unwrap_or(missing);
    let answer = |target: &Target| {
        let word = target.to_string();
        let found = samples.iter().find(|sample| sample.target == word);
        found
            .cloned()
            .unwrap_or_else(|| Sample::error(target, missing))
    };
    targets.iter().map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_words() {
        for word in [
            "tcp:10.0.0.1:80",
            "udp:[fd00::1]:53",
            "connect:169.254.169.254:80",
            "dns:10.96.0.10:53",
        ] {
            assert_eq!(word.parse::<Target>().unwrap().to_string(), word);
        }
        for wrong in [
            "",
            "tcp",
            "tcp:10.0.0.1",
            "tcp:10.0.0.1:0",
            "http:10.0.0.1:80",
            "tcp:web:80",
            "udp:fd00::1:53",
        ] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn answers_are_in_the_order_of_targets_and_missing_ones_are_errors() {
        let targets: Vec<Target> = ["tcp:10.0.0.1:80", "tcp:10.0.0.2:80"]
            .map(|word| word.parse().unwrap())
            .into();
        let printed =
            r#"{"target":"tcp:10.0.0.2:80","at":0.1,"took":2.0,"outcome":"open","by":"heron"}"#;
        let found = answers(&targets, printed, "it ended early");
        assert_eq!(found[0].outcome, Outcome::Error);
        assert_eq!(found[0].detail.as_deref(), Some("it ended early"));
        assert_eq!(found[1].by.as_deref(), Some("heron"));
        let found = answers(&targets, "sh: watertight: not found", "it ended early");
        assert!(found[1].detail.as_deref().unwrap().contains("not found"));
    }

    #[test]
    fn facts_come_from_what_every_pod_has() {
        let text = "search shop.svc.cluster.local\nnameserver 10.96.0.10\n#nameserver 1.1.1.1\nnameserver fd00::a\n";
        let facts = Facts::read(text, Some("10.96.0.1"), Some("443"));
        assert_eq!(facts.resolvers.len(), 2);
        assert_eq!(facts.api_server, Some("10.96.0.1:443".parse().unwrap()));
        let json = serde_json::to_string(&facts).unwrap();
        assert_eq!(
            json,
            r#"{"resolvers":["10.96.0.10","fd00::a"],"apiServer":"10.96.0.1:443"}"#
        );
        assert_eq!(Facts::read("", None, Some("443")), Facts::default());
    }
}
