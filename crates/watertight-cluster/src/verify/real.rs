//! The cluster's own pods and policies: what is predicted, and what its own pods see.
//!
//! Pods that have a shell and a tool (bash, `nc`, or `curl` that speaks telnet) try connections, by exec. They
//! connect and send nothing, and nothing is made or changed, but where ephemeral containers are asked for.
//! INVARIANT: silence proves a denial only if somebody else was answered on the same address and port, and a pod
//! that could not try counts neither as agreement nor as difference.

mod ephemeral;
mod shell;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt as _;
use watertight_core::report::verify::predict::Predicted;
use watertight_core::report::verify::{VerifyConnection, VerifyCounts};

use super::access::Access;
use super::wire::{self, Outcome, Target};

pub use ephemeral::Ephemeral;
use ephemeral::permissions;

/// Pods that try at once.
const AT_ONCE: usize = 16;
/// Connections of one command.
const IN_ONE: usize = 20;
/// How long a command may take besides its attempts.
const EXTRA: Duration = Duration::from_secs(15);

/// What a pod has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    tool: String,
    outcome: Outcome,
    detail: String,
}

impl Seen {
    fn untried(why: String) -> Self {
        Self {
            tool: "none".into(),
            outcome: Outcome::Error,
            detail: why,
        }
    }

    /// Whether the pod has nothing to try with. That it could not be made to try is something else: whoever may
    /// not exec in a pod that has a shell does not want a container in it.
    fn lacks_tools(&self) -> bool {
        [shell::NO_SHELL, shell::NO_TOOL].contains(&&*self.detail)
    }
}

/// How connections are tried.
#[derive(Clone, Debug)]
pub struct How {
    /// How long one attempt may take.
    pub attempt: Duration,
    /// What to put into pods that have no tool of their own.
    pub ephemeral: Option<Ephemeral>,
}

impl How {
    /// The permissions that it needs and what it adds, as YAML.
    #[must_use]
    pub fn dry_run(&self, namespace: Option<&str>) -> String {
        let permissions = permissions(namespace, self.ephemeral.is_some());
        let mut text = format!(
            "# Permissions that it needs, beside those to read the cluster; it does not make them.\n---\n{}",
            crate::yaml::text(&permissions)
        );
        if let Some(ephemeral) = &self.ephemeral {
            let target = Target::new(wire::How::Connect, [192, 0, 2, 1].into(), 8080);
            let container = ephemeral.container(&[target], self.attempt);
            text.push_str(&format!(
                "# Added to pods without a shell or a tool, where it stays listed until the pod goes; the addresses are \
                 those of other pods.\n---\n{}",
                crate::yaml::text(&container)
            ));
        }
        text
    }
}

/// What came of all connections.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    /// Each, with its verdict.
    pub connections: Vec<VerifyConnection>,
    /// Of verdicts.
    pub counts: VerifyCounts,
    /// Pods that have got an ephemeral container, which stays with them until they go.
    pub marked: Vec<String>,
}

/// Tries connections from the pods that they are of, and holds what was seen against what was predicted.
pub async fn tried(
    access: &Access,
    predicted: Vec<Predicted>,
    how: &How,
    tell: &(dyn Fn(&str) + Sync),
) -> Tried {
    let mut by_pod: BTreeMap<(String, String), Vec<Predicted>> = BTreeMap::new();
    for one in predicted {
        let pod = (one.namespace.clone(), one.pod.clone());
        by_pod.entry(pod).or_default().push(one);
    }
    let pods = by_pod.len();
    tell(&format!("trying connections from {pods} pods"));
    let calls = by_pod
        .into_iter()
        .map(|(pod, all)| one_pod(access, pod, all, how));
    let mut calls = futures::stream::iter(calls.collect::<Vec<_>>()).buffer_unordered(AT_ONCE);
    let (mut answered, mut marked) = (Vec::new(), Vec::new());
    let mut done = 0;
    while let Some((all, seen, mark)) = calls.next().await {
        done += 1;
        tell(&format!(
            "{done} of {pods} pods have tried their connections"
        ));
        answered.extend(all.into_iter().zip(seen));
        marked.extend(mark);
    }
    marked.sort_unstable();
    let (connections, counts) = judged(answered);
    Tried {
        connections,
        counts,
        marked,
    }
}

/// Lets one pod try its connections, with its own tools and, where it has none and that is asked for, with an
/// ephemeral container; also whether it got one.
async fn one_pod(
    access: &Access,
    (namespace, pod): (String, String),
    all: Vec<Predicted>,
    how: &How,
) -> (Vec<Predicted>, Vec<Seen>, Option<String>) {
    let addresses: Vec<SocketAddr> = all
        .iter()
        .map(|one| SocketAddr::new(one.address, one.port))
        .collect();
    let seconds = shell::seconds(how.attempt);
    let limit = Duration::from_secs(seconds).saturating_add(EXTRA);
    let mut seen = Vec::with_capacity(all.len());
    for part in addresses.chunks(IN_ONE) {
        let command = ["sh", "-c", &shell::script(part, seconds)].map(ToOwned::to_owned);
        let answer = access
            .exec_default((&namespace, &pod), command.to_vec(), limit)
            .await;
        let (printed, why) = answer.unwrap_or_else(|error| (String::new(), error.to_string()));
        seen.extend(shell::read(part.len(), &printed, &why));
    }
    let mut mark = None;
    if let Some(ephemeral) = &how.ephemeral
        && seen.iter().all(Seen::lacks_tools)
    {
        let place = (&*namespace, &*pod);
        let (found, is_there) = ephemeral.seen(access, place, &addresses, how.attempt).await;
        seen = found;
        mark = is_there.then(|| format!("{namespace}/{pod}"));
    }
    (all, seen, mark)
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
        (Outcome::Refused, true) if is_alive => (
            "differ",
            "it was refused, although policies allow it and others are answered there".into(),
        ),
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
        let reset = vec![
            (predicted("api", true), seen(Outcome::Open)),
            (predicted("web", true), seen(Outcome::Refused)),
        ];
        assert_eq!(verdicts(reset), ["agree", "differ"]);
        let down = vec![(predicted("web", true), seen(Outcome::Refused))];
        assert_eq!(verdicts(down), ["inconclusive"]);
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
}
