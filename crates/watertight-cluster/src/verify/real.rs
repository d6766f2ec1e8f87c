//! The cluster's own pods and policies: what is predicted, and what its own pods see.
//!
//! Pods that have a shell and a tool (`nc`, bash, or `curl` that speaks telnet) try connections, by exec. They
//! connect and send nothing, and nothing is made or changed.
//! INVARIANT: silence proves a denial only if somebody else was answered on the same address and port.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt as _;
use watertight_core::report::verify::predict::Predicted;
use watertight_core::report::verify::{VerifyConnection, VerifyCounts};

use super::access::Access;
use super::wire::Outcome;

/// Pods that try at once.
const AT_ONCE: usize = 16;
/// Connections of one command.
const IN_ONE: usize = 20;
/// How long a command may take besides.
const EXTRA: Duration = Duration::from_secs(15);

/// What a pod has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    tool: String,
    outcome: Outcome,
    detail: String,
}

/// Tries connections from the pods that they are of; nothing is judged yet.
pub async fn tried(
    access: &Access,
    predicted: Vec<Predicted>,
    seconds: u64,
    tell: &(dyn Fn(&str) + Sync),
) -> (Vec<VerifyConnection>, VerifyCounts) {
    let mut by_pod: BTreeMap<(String, String), Vec<Predicted>> = BTreeMap::new();
    for one in predicted {
        let pod = (one.namespace.clone(), one.pod.clone());
        by_pod.entry(pod).or_default().push(one);
    }
    let pods = by_pod.len();
    tell(&format!("trying connections from {pods} pods"));
    let calls = by_pod
        .into_iter()
        .map(|((namespace, pod), all)| async move {
            let mut seen = Vec::with_capacity(all.len());
            for part in all.chunks(IN_ONE) {
                let addresses: Vec<SocketAddr> = part
                    .iter()
                    .map(|one| SocketAddr::new(one.address, one.port))
                    .collect();
                let command = ["sh", "-c", &script(&addresses, seconds)].map(ToOwned::to_owned);
                let answer = access
                    .exec_default((&namespace, &pod), command.to_vec(), EXTRA)
                    .await;
                let (printed, why) =
                    answer.unwrap_or_else(|error| (String::new(), error.to_string()));
                seen.extend(read(part.len(), &printed, &why));
            }
            (all, seen)
        });
    let mut calls = futures::stream::iter(calls.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
    let mut answered = Vec::new();
    let mut done = 0;
    while let Some((all, seen)) = calls.next().await {
        done += 1;
        tell(&format!(
            "{done} of {pods} pods have tried their connections"
        ));
        answered.extend(all.into_iter().zip(seen));
    }
    judged(answered)
}

/// One line `NUMBER TOOL CODE MESSAGE` for each address; all are tried at once.
fn script(addresses: &[SocketAddr], seconds: u64) -> String {
    let mut script = format!(
        "t={seconds}; if command -v nc >/dev/null 2>&1; then k=nc; elif command -v bash >/dev/null 2>&1 && command -v \
         timeout >/dev/null 2>&1; then k=bash; elif command -v curl >/dev/null 2>&1; then k=curl; else k=none; fi; \
         try() {{ case $k in nc) m=$(nc -v -z -w $t \"$2\" \"$3\" </dev/null 2>&1);; bash) m=$(timeout $t bash -c \
         \": </dev/tcp/$2/$3\" 2>&1);; curl) m=$(curl -sS -m $t \"telnet://$4:$3\" </dev/null 2>&1);; *) m='no tool'; \
         false;; esac; c=$?; echo \"$1 $k $c $(echo $m)\"; }}; "
    );
    for (number, address) in addresses.iter().enumerate() {
        let (ip, port) = (address.ip(), address.port());
        let host = if ip.is_ipv6() {
            format!("[{ip}]")
        } else {
            ip.to_string()
        };
        script.push_str(&format!("try {number} {ip} {port} '{host}' & "));
    }
    script.push_str("wait");
    script
}

fn read(count: usize, printed: &str, missing: &str) -> Vec<Seen> {
    let answer = |number: usize| {
        let number = number.to_string();
        let line = printed.lines().find_map(|line| {
            let mut words = line.splitn(4, ' ');
            let is_it = words.next() == Some(&*number);
            let (tool, code) = (words.next()?, words.next()?.parse::<u8>().ok()?);
            is_it.then(|| {
                (
                    tool.to_owned(),
                    code,
                    words.next().unwrap_or_default().trim(),
                )
            })
        });
        match line {
            None => Seen {
                tool: "none".into(),
                outcome: Outcome::Error,
                detail: missing.to_owned(),
            },
            Some((tool, code, message)) => {
                let outcome = outcome(&tool, code, message);
                Seen {
                    tool,
                    outcome,
                    detail: message.to_owned(),
                }
            }
        }
    };
    (0..count).map(answer).collect()
}

fn outcome(tool: &str, code: u8, message: &str) -> Outcome {
    let lower = message.to_ascii_lowercase();
    let has = |words: &str| lower.contains(words);
    match (tool, code) {
        ("nc" | "bash", 0) => Outcome::Open,
        ("none", _) => Outcome::Error,
        _ if has("refused") => Outcome::Refused,
        ("bash", 124 | 143) | ("curl", 28) => {
            // With telnet, curl waits for the other side once it is connected.
            if tool == "curl" && has("operation timed out") {
                Outcome::Open
            } else {
                Outcome::Timeout
            }
        }
        _ if has("timed out") || has("timeout") => Outcome::Timeout,
        _ if has("host is unreachable") || has("no route to host") || has("not permitted") => {
            Outcome::Rejected
        }
        ("curl", 0) => Outcome::Open,
        _ => Outcome::Error,
    }
}

/// Holds what was seen against what was predicted.
fn judged(answered: Vec<(Predicted, Seen)>) -> (Vec<VerifyConnection>, VerifyCounts) {
    let alive: BTreeSet<SocketAddr> = answered
        .iter()
        .filter(|(_, seen)| matches!(seen.outcome, Outcome::Open))
        .map(|(one, _)| SocketAddr::new(one.address, one.port))
        .collect();
    let mut counts = VerifyCounts::default();
    let mut connections = Vec::with_capacity(answered.len());
    for (one, seen) in answered {
        let is_alive = alive.contains(&SocketAddr::new(one.address, one.port));
        let (verdict, reason) = judge(&one, &seen, is_alive);
        match verdict {
            "agree" => counts.enforced += 1,
            "differ" => counts.not_enforced += 1,
            _ => counts.inconclusive += 1,
        }
        if verdict == "differ" && one.allowed {
            counts.overblocked += 1;
        }
        connections.push(VerifyConnection {
            predicted: one.evidence,
            pod: format!("{}/{}", one.namespace, one.pod),
            tool: seen.tool,
            observed: seen.outcome.word().into(),
            verdict: verdict.into(),
            reason,
        });
    }
    connections.sort_by(|a, b| {
        let key = |one: &VerifyConnection| {
            (
                one.pod.clone(),
                one.predicted.to.clone(),
                one.predicted.port,
            )
        };
        key(a).cmp(&key(b))
    });
    (connections, counts)
}

/// What all of them come to. Pods without a tool are to be expected, so what they cannot try is counted and
/// spoils nothing; but where no denial came to agree, nothing shows that anything is enforced.
#[must_use]
pub fn verdict(connections: &[VerifyConnection], counts: &VerifyCounts) -> &'static str {
    let is_proof =
        |one: &VerifyConnection| one.verdict == "agree" && one.predicted.verdict == "deny";
    if counts.not_enforced > 0 {
        "not-enforced"
    } else if connections.iter().any(is_proof) {
        "enforced"
    } else {
        "inconclusive"
    }
}

fn judge(one: &Predicted, seen: &Seen, is_alive: bool) -> (&'static str, String) {
    let told = if seen.detail.is_empty() {
        seen.outcome.word().to_owned()
    } else {
        format!("{} ({})", seen.outcome.word(), seen.detail)
    };
    match (seen.outcome, one.allowed) {
        (Outcome::Error, _) => (
            "inconclusive",
            format!("it could not be tried: {}", seen.detail),
        ),
        _ if !one.is_sure => ("inconclusive", "the prediction is not sure".into()),
        (Outcome::Open, true) => ("agree", "somebody answered".into()),
        (Outcome::Refused, true) => (
            "inconclusive",
            "it was refused: nobody listens there, or a policy resets it".into(),
        ),
        (Outcome::Open, false) => (
            "differ",
            "somebody answered, although policies deny it".into(),
        ),
        (Outcome::Refused, false) if is_alive => (
            "agree",
            "it was refused, while others are answered there".into(),
        ),
        (Outcome::Refused, false) => (
            "inconclusive",
            "it was refused, and nobody else was answered there".into(),
        ),
        (_, true) if is_alive => (
            "differ",
            format!("{told}, although policies allow it and others are answered there"),
        ),
        (_, true) => (
            "inconclusive",
            format!("{told}, and nobody else was answered there: it may be down"),
        ),
        (_, false) if is_alive => ("agree", format!("{told}, while others are answered there")),
        (_, false) => (
            "inconclusive",
            format!("{told}, but nobody else was answered there: silence proves no denial"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use watertight_core::report::Evidence;

    fn predicted(pod: &str, allowed: bool) -> Predicted {
        Predicted {
            namespace: "shop".into(),
            pod: pod.into(),
            address: "10.0.0.1".parse().unwrap(),
            port: 5432,
            allowed,
            is_sure: true,
            evidence: Evidence {
                from: format!("shop/{pod}"),
                to: "shop/db".into(),
                address: None,
                protocol: "tcp".into(),
                port: Some(5432),
                verdict: if allowed { "allow" } else { "deny" }.into(),
                because: "a policy".into(),
                by: None,
            },
        }
    }

    fn seen(outcome: Outcome) -> Seen {
        Seen {
            tool: "nc".into(),
            outcome,
            detail: String::new(),
        }
    }

    #[test]
    fn silence_proves_a_denial_only_beside_an_answer() {
        let verdicts = |answered: Vec<(Predicted, Seen)>| {
            let (connections, _) = judged(answered);
            connections
                .into_iter()
                .map(|one| one.verdict)
                .collect::<Vec<_>>()
        };
        let alone = vec![(predicted("web", false), seen(Outcome::Timeout))];
        assert_eq!(verdicts(alone), ["inconclusive"]);
        let beside = vec![
            (predicted("api", true), seen(Outcome::Open)),
            (predicted("web", false), seen(Outcome::Timeout)),
        ];
        assert_eq!(verdicts(beside), ["agree", "agree"]);
        let open = vec![(predicted("web", false), seen(Outcome::Open))];
        assert_eq!(verdicts(open), ["differ"]);
        let blocked = vec![
            (predicted("api", true), seen(Outcome::Open)),
            (predicted("web", true), seen(Outcome::Timeout)),
        ];
        assert_eq!(verdicts(blocked), ["agree", "differ"]);
        let failed = vec![(predicted("web", false), seen(Outcome::Error))];
        assert_eq!(verdicts(failed), ["inconclusive"]);
    }

    #[test]
    fn nothing_is_enforced_without_a_denial_that_was_seen() {
        let verdict = |answered: Vec<(Predicted, Seen)>| {
            let (connections, counts) = judged(answered);
            super::verdict(&connections, &counts)
        };
        let open = || (predicted("api", true), seen(Outcome::Open));
        assert_eq!(verdict(vec![open()]), "inconclusive");
        let untried = (predicted("web", false), seen(Outcome::Error));
        assert_eq!(verdict(vec![open(), untried]), "inconclusive");
        let denied = || (predicted("web", false), seen(Outcome::Timeout));
        assert_eq!(verdict(vec![open(), denied()]), "enforced");
        let differs = (predicted("job", false), seen(Outcome::Open));
        assert_eq!(verdict(vec![open(), denied(), differs]), "not-enforced");
    }

    #[test]
    fn tools_say_it_each_in_its_way() {
        let refused = "nc: connect to 10.0.0.1 port 80 (tcp) failed: Connection refused";
        assert_eq!(outcome("nc", 1, refused), Outcome::Refused);
        assert_eq!(
            outcome("nc", 1, "nc: 10.0.0.1 (10.0.0.1:80): Connection timed out"),
            Outcome::Timeout
        );
        assert_eq!(
            outcome("nc", 1, "nc: invalid option -- 'z'"),
            Outcome::Error
        );
        assert_eq!(outcome("nc", 1, ""), Outcome::Error);
        assert_eq!(
            outcome("nc", 0, "10.0.0.1 (10.0.0.1:80) open"),
            Outcome::Open
        );
        assert_eq!(outcome("bash", 124, ""), Outcome::Timeout);
        assert_eq!(
            outcome("bash", 1, "bash: connect: Connection refused"),
            Outcome::Refused
        );
        assert_eq!(
            outcome(
                "curl",
                28,
                "curl: (28) Connection timed out after 2001 milliseconds"
            ),
            Outcome::Timeout
        );
        assert_eq!(
            outcome(
                "curl",
                28,
                "curl: (28) Operation timed out after 2001 milliseconds"
            ),
            Outcome::Open
        );
        assert_eq!(outcome("none", 1, "no tool"), Outcome::Error);
    }

    #[test]
    fn lines_are_told_by_their_number() {
        let found = read(2, "1 nc 0 open\n", "sh: not found");
        assert_eq!(found[0].outcome, Outcome::Error);
        assert_eq!(found[0].detail, "sh: not found");
        assert_eq!(found[1].outcome, Outcome::Open);
    }

    #[test]
    fn the_script_is_one_that_a_shell_understands() {
        let addresses = ["127.0.0.1:1".parse().unwrap()];
        let output = std::process::Command::new("sh")
            .args(["-c", &script(&addresses, 1)])
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let found = read(1, &printed, "nothing");
        assert!(
            printed.starts_with("0 "),
            "{printed} {}",
            String::from_utf8_lossy(&output.stderr)
        );
        // Refused, wherever there is a tool that says so.
        assert!(
            matches!(found[0].outcome, Outcome::Refused | Outcome::Error),
            "{printed}"
        );
    }
}
