//! What runs in the pods: the program itself, or images that are around anyway.
//!
//! Each image has two commands: one that listens, and one that tries targets. Their exit codes and messages
//! become the outcomes of [`super::wire`].
//! INVARIANT: what is not understood is an error.

use serde_json::{Value, json};

use super::plan::{ALLOWED, DENIED};
use super::wire::{self, How, Outcome, Sample, Target};

/// The image of the product, but for the version.
pub const OWN: &str = "ghcr.io/watertight-dev/watertight";

/// An image, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its name.
    pub name: String,
    /// What it has.
    pub tool: Tool,
}

/// What tries and answers connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `watertight probe`.
    Watertight,
    /// `agnhost` of the tests of Kubernetes.
    Agnhost,
    /// `nc` of busybox.
    Busybox,
}

impl Tool {
    /// The tool that an image of this name has: the last part of its path says it.
    #[must_use]
    pub fn of(image: &str) -> Self {
        let name = image.split('@').next().unwrap_or(image);
        let last = name.rsplit('/').next().unwrap_or(name);
        match last.split(':').next() {
            Some("agnhost") => Self::Agnhost,
            Some("busybox" | "alpine") => Self::Busybox,
            _ => Self::Watertight,
        }
    }
}

impl Image {
    /// An image, its tool told by its name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.into(),
            tool: Tool::of(name),
        }
    }

    /// The image of this version.
    #[must_use]
    pub fn own() -> Self {
        Self {
            name: format!("{OWN}:{}", env!("CARGO_PKG_VERSION")),
            tool: Tool::Watertight,
        }
    }

    /// Whether datagrams can be tried.
    #[must_use]
    pub fn has_udp(&self) -> bool {
        self.tool != Tool::Busybox
    }

    /// Whether many attempts a second can be had.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.tool == Tool::Watertight
    }

    /// Whether servers say who they are.
    #[must_use]
    pub fn has_names(&self) -> bool {
        self.tool != Tool::Agnhost
    }

    /// The containers that listen: names and commands. The first one also tries targets.
    #[must_use]
    pub fn containers(&self, actor: &str) -> Vec<(String, Vec<String>)> {
        let ports = [ALLOWED, DENIED];
        match self.tool {
            Tool::Watertight => {
                let list = ports.map(|port| port.to_string()).join(",");
                let command = [
                    "/watertight",
                    "probe",
                    "serve",
                    "--name",
                    actor,
                    "--tcp",
                    &list,
                    "--udp",
                    &list,
                    "--sctp",
                    &list,
                ];
                vec![("probe".into(), owned(&command))]
            }
            Tool::Agnhost => listening(ports, |port| {
                let (http, udp) = (format!("--http-port={port}"), format!("--udp-port={port}"));
                owned(&["/agnhost", "netexec", &http, &udp])
            }),
            Tool::Busybox => listening(ports, |port| {
                // What the small nc calls -ll, the other one calls -lk, and takes both.
                let listen = format!("exec nc -ll -p {port} -e echo {} {actor}", wire::GREETING);
                owned(&["/bin/sh", "-c", &listen])
            }),
        }
    }

    /// The command that tries targets.
    #[must_use]
    pub fn tries(&self, targets: &[Target], milliseconds: u128) -> Vec<String> {
        match self.tool {
            Tool::Watertight => {
                let mut command = owned(&["/watertight", "probe", "connect", "--timeout"]);
                command.push(milliseconds.to_string());
                command.extend(targets.iter().map(ToString::to_string));
                command
            }
            Tool::Agnhost => {
                let timeout = format!("--timeout={milliseconds}ms");
                owned(&[
                    "/bin/sh",
                    "-c",
                    &script(targets, |target| {
                        let (address, protocol) = (target.address, target.how.protocol());
                        format!("/agnhost connect {timeout} --protocol={protocol} '{address}'")
                    }),
                ])
            }
            Tool::Busybox => {
                // Its queue is so short that a first packet may be lost; the second one comes after a second.
                let seconds = milliseconds.div_ceil(1000).max(2);
                let limit = seconds.saturating_add(2);
                owned(&[
                    "/bin/sh",
                    "-c",
                    &script(targets, |target| {
                        let (ip, port) = (target.address.ip(), target.address.port());
                        // The small nc waits for whoever answers until they hang up.
                        format!("timeout {limit} nc -w {seconds} {ip} {port} </dev/null")
                    }),
                ])
            }
        }
    }

    /// The command that tells what a pod knows of its surroundings.
    #[must_use]
    pub fn facts(&self) -> Vec<String> {
        match self.tool {
            Tool::Watertight => owned(&["/watertight", "probe", "facts"]),
            Tool::Agnhost | Tool::Busybox => owned(&[
                "/bin/sh",
                "-c",
                "echo \"$KUBERNETES_SERVICE_HOST $KUBERNETES_SERVICE_PORT\"; cat /etc/resolv.conf",
            ]),
        }
    }

    /// What that command printed.
    #[must_use]
    pub fn read_facts(&self, printed: &str) -> Option<wire::Facts> {
        if self.is_own() {
            return serde_json::from_str(printed.trim()).ok();
        }
        let (first, rest) = printed.split_once('\n')?;
        let (host, port) = first.trim().split_once(' ').unzip();
        Some(wire::Facts::read(rest, host, port))
    }

    /// What the command for targets printed, in the order of the targets.
    #[must_use]
    pub fn read(&self, targets: &[Target], printed: &str, missing: &str) -> Vec<Sample> {
        match self.tool {
            Tool::Watertight => wire::answers(targets, printed, missing),
            Tool::Agnhost => numbered(targets, printed, missing, agnhost),
            Tool::Busybox => numbered(targets, printed, missing, netcat),
        }
    }

    /// Whether a target can be tried at all.
    #[must_use]
    pub fn can_try(&self, how: How) -> bool {
        match self.tool {
            Tool::Watertight => true,
            Tool::Agnhost => !matches!(how, How::Dns | How::Sctp),
            Tool::Busybox => how.protocol() == "tcp",
        }
    }

    /// The security context of containers, as the restricted profile wants it.
    #[must_use]
    pub fn security_context(&self) -> Value {
        json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        })
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn listening(ports: [u16; 2], command: impl Fn(u16) -> Vec<String>) -> Vec<(String, Vec<String>)> {
    let names = ["probe", "second"];
    let pairs = names.into_iter().zip(ports);
    pairs
        .map(|(name, port)| (name.to_owned(), command(port)))
        .collect()
}

/// All targets at once; a line `NUMBER CODE MESSAGE` for each.
fn script(targets: &[Target], command: impl Fn(&Target) -> String) -> String {
    // No file names come in for brackets and stars of messages.
    let mut script = String::from("set -f; ");
    for (number, target) in targets.iter().enumerate() {
        let command = command(target);
        script.push_str(&format!("(m=$({command} 2>&1); echo {number} $? $m) & "));
    }
    script.push_str("wait");
    script
}

fn numbered(
    targets: &[Target],
    printed: &str,
    missing: &str,
    read: impl Fn(u8, &str) -> (Outcome, Option<String>),
) -> Vec<Sample> {
    let answer = |(number, target): (usize, &Target)| {
        let line = printed.lines().find_map(|line| {
            let (first, rest) = line.split_once(' ')?;
            (first == number.to_string()).then_some(rest)
        });
        let parsed = line.and_then(|line| {
            let (code, message) = line.split_once(' ').unwrap_or((line, ""));
            Some((code.trim().parse().ok()?, message.trim()))
        });
        match parsed {
            None => Sample::error(target, missing),
            Some((code, message)) => {
                let (outcome, by) = read(code, message);
                let is_told = !matches!(outcome, Outcome::Open) && !message.is_empty();
                Sample {
                    outcome,
                    by,
                    detail: is_told.then(|| message.to_owned()),
                    ..Sample::error(target, "")
                }
            }
        }
    };
    targets.iter().enumerate().map(answer).collect()
}

/// `agnhost connect` ends with 0, or prints one word.
fn agnhost(code: u8, message: &str) -> (Outcome, Option<String>) {
    let word = message.split_whitespace().next();
    let outcome = match word.map(|word| word.trim_end_matches(':')) {
        _ if code == 0 => Outcome::Open,
        Some("TIMEOUT") => Outcome::Timeout,
        Some("REFUSED") => Outcome::Refused,
        Some("OTHER" | "UNKNOWN") if is_rejection(message) => Outcome::Rejected,
        _ => Outcome::Error,
    };
    (outcome, None)
}

/// Whether an error message of the kernel tells of an ICMP error or of a filter.
fn is_rejection(message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    let words = ["host is unreachable", "no route to host", "not permitted"];
    words.iter().any(|words| lower.contains(words))
}

/// Busybox's `nc` prints what it got, or why it did not.
fn netcat(code: u8, message: &str) -> (Outcome, Option<String>) {
    if code == 0 {
        let by = message.strip_prefix(wire::GREETING);
        let by = by.map(|name| name.trim().to_owned());
        return (Outcome::Open, by.filter(|name| !name.is_empty()));
    }
    let lower = message.to_ascii_lowercase();
    let has = |words: &str| lower.contains(words);
    let outcome = if has("refused") {
        Outcome::Refused
    } else if has("timed out") {
        Outcome::Timeout
    } else if matches!(code, 124 | 143) {
        // It says so when it cannot connect in its time: this one was connected, and had to be ended.
        Outcome::Open
    } else if is_rejection(message) {
        Outcome::Rejected
    } else {
        Outcome::Error
    };
    (outcome, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets() -> Vec<Target> {
        vec![
            "tcp:10.0.0.1:8080".parse().unwrap(),
            "udp:[fd00::1]:8081".parse().unwrap(),
        ]
    }

    #[test]
    fn the_tool_is_told_by_the_name() {
        assert_eq!(
            Tool::of("registry.k8s.io/e2e-test-images/agnhost:2.53"),
            Tool::Agnhost
        );
        assert_eq!(Tool::of("busybox"), Tool::Busybox);
        assert_eq!(
            Tool::of("mirror:5000/library/busybox@sha256:00"),
            Tool::Busybox
        );
        assert_eq!(
            Tool::of("ghcr.io/watertight-dev/watertight:0.1.0"),
            Tool::Watertight
        );
    }

    #[test]
    fn agnhost_prints_words() {
        let image = Image::named("agnhost");
        let command = image.tries(&targets(), 1200);
        assert_eq!(
            command[2],
            "set -f; (m=$(/agnhost connect --timeout=1200ms --protocol=tcp '10.0.0.1:8080' 2>&1); echo 0 $? $m) & \
             (m=$(/agnhost connect --timeout=1200ms --protocol=udp '[fd00::1]:8081' 2>&1); echo 1 $? $m) & wait"
        );
        let read = |text: &str| {
            let samples = image.read(&targets(), text, "gone");
            samples
                .into_iter()
                .map(|sample| sample.outcome)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            read("1 1 TIMEOUT: read udp\n0 0\n"),
            [Outcome::Open, Outcome::Timeout]
        );
        assert_eq!(
            read("0 1 REFUSED\n1 1 DNS: no such host"),
            [Outcome::Refused, Outcome::Error]
        );
        assert_eq!(
            read(
                "0 1 OTHER: dial tcp: no route to host\n1 1 UNKNOWN: write udp: operation not permitted"
            ),
            [Outcome::Rejected, Outcome::Rejected]
        );
        assert_eq!(read("sh: not found"), [Outcome::Error, Outcome::Error]);
    }

    #[test]
    fn busybox_prints_what_it_got_or_why_it_did_not() {
        let image = Image::named("busybox:1.37");
        let targets = &targets()[..1];
        let read = |text: &str| {
            let sample = image.read(targets, text, "gone").remove(0);
            (
                sample.outcome,
                sample.by.or(sample.detail).unwrap_or_default(),
            )
        };
        let command = &image.tries(targets, 1200)[2];
        assert!(command.contains("timeout 4 nc -w 2 10.0.0.1 8080 </dev/null"));
        assert_eq!(
            read("0 0 watertight heron"),
            (Outcome::Open, "heron".into())
        );
        assert_eq!(read("0 1 nc: timed out").0, Outcome::Timeout);
        assert_eq!(
            read("0 1 nc: 10.0.0.1 (10.0.0.1:8080): Connection refused").0,
            Outcome::Refused
        );
        assert_eq!(
            read("0 1 nc: can't connect to remote host: Host is unreachable").0,
            Outcome::Rejected
        );
        assert_eq!(read("0 127 sh: nc: not found").0, Outcome::Error);
        assert_eq!(read("0 143").0, Outcome::Open);
        assert_eq!(read("0 143 nc: timed out").0, Outcome::Timeout);
        assert_eq!(read(""), (Outcome::Error, "gone".into()));
    }

    #[test]
    fn facts_are_read_from_each_tool() {
        let printed = "10.96.0.1 443\nnameserver 10.96.0.10\n";
        let facts = Image::named("busybox").read_facts(printed).unwrap();
        assert_eq!(facts.api_server, Some("10.96.0.1:443".parse().unwrap()));
        let printed = r#"{"resolvers":["10.96.0.10"],"apiServer":"10.96.0.1:443"}"#;
        assert_eq!(Image::own().read_facts(printed), Some(facts));
        assert_eq!(Image::own().read_facts("no"), None);
    }
}
