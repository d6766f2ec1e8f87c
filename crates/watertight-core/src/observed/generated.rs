//! Names that controllers give to pods, taken apart again: `web-7d9f6c5b8-x2k4q` is one of `web`.

use crate::manifest::WorkloadKind;

/// What random parts and hashes are written in: no vowels and what looks like them, so that no words
/// come out.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The parts of a pod's name: what may be a workload's name, and what was put behind it.
pub(super) fn splits(pod: &str) -> impl Iterator<Item = (&str, &str)> {
    let dashes = pod.rmatch_indices('-').take(2);
    dashes.filter_map(|(at, _)| {
        let (name, rest) = pod.split_at_checked(at)?;
        Some((name, rest.strip_prefix('-')?))
    })
}

/// Whether a controller of a kind puts such a text behind its name. `*` stands for any part.
pub(super) fn is_suffix(kind: WorkloadKind, rest: &str) -> bool {
    let plain = |part: &str| {
        let mut bytes = part.bytes();
        !part.is_empty() && bytes.all(|byte| LETTERS.contains(&byte))
    };
    let hash = |part: &str| part == "*" || plain(part) && part.len() <= 10;
    let random = |part: &str| part == "*" || plain(part) && part.len() == 5;
    let number = |part: &str| {
        part == "*" || !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    match (kind, rest.split_once('-')) {
        (WorkloadKind::Deployment, Some((first, second))) => hash(first) && random(second),
        // Several pods at once, or the ReplicaSet.
        (WorkloadKind::Deployment, None) => rest == "*" || hash(rest) && rest.len() > 5,
        (WorkloadKind::StatefulSet, None) => number(rest),
        (WorkloadKind::CronJob, Some((first, second))) => number(first) && random(second),
        (WorkloadKind::CronJob, None) => number(rest),
        (WorkloadKind::Job, Some((first, second))) => number(first) && random(second),
        (
            WorkloadKind::DaemonSet
            | WorkloadKind::ReplicaSet
            | WorkloadKind::ReplicationController
            | WorkloadKind::Job,
            None,
        ) => random(rest),
        (WorkloadKind::Other, Some((first, second))) => {
            (hash(first) || number(first)) && random(second)
        }
        (WorkloadKind::Other, None) => random(rest) || number(rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_of(kind: WorkloadKind, pod: &str) -> Vec<&str> {
        let found = splits(pod).filter(|(_, rest)| is_suffix(kind, rest));
        found.map(|(name, _)| name).collect()
    }

    #[test]
    fn pods_are_named_after_their_controllers() {
        use WorkloadKind::{CronJob, DaemonSet, Deployment, Job, StatefulSet};
        assert_eq!(is_of(Deployment, "web-7d9f6c5b8-x2k4q"), ["web"]);
        let several = is_of(Deployment, "web-7d9f6c5b8-*");
        assert_eq!(several, ["web-7d9f6c5b8", "web"]);
        assert_eq!(is_of(Deployment, "web-api-*"), ["web-api"]);
        assert_eq!(is_of(StatefulSet, "db-0"), ["db"]);
        assert_eq!(is_of(StatefulSet, "db-x"), [""; 0]);
        assert_eq!(is_of(DaemonSet, "agent-x2k4q"), ["agent"]);
        assert_eq!(is_of(DaemonSet, "agent-main"), [""; 0]);
        assert_eq!(is_of(Job, "copy-x2k4q"), ["copy"]);
        assert_eq!(is_of(CronJob, "copy-28391040-x2k4q"), ["copy"]);
        assert_eq!(is_of(Deployment, "web"), [""; 0]);
    }

    #[test]
    fn words_of_a_name_are_no_hashes() {
        use WorkloadKind::{DaemonSet, Deployment, Job, Other};
        assert_eq!(is_of(Deployment, "nginx-proxy-x2k4q"), [""; 0]);
        assert_eq!(is_of(DaemonSet, "nginx-proxy-x2k4q"), ["nginx-proxy"]);
        assert_eq!(is_of(DaemonSet, "agent-proxy"), [""; 0]);
        assert_eq!(is_of(Job, "copy-daily"), [""; 0]);
        assert_eq!(is_of(Other, "web-server-x2k4q"), ["web-server"]);
        // Not among the letters: vowels, 0, 1 and 3.
        assert_eq!(is_of(Deployment, "web-7d9f6c5b8-x2k3q"), [""; 0]);
    }
}
