//! The second cluster of `--diff`: the same one after a round of edits to its policies.
//!
//! One policy in a hundred changes, and at least one. A policy is removed, opened, or has its ports moved.

use std::collections::BTreeMap;

use super::policy::{Policy, PortNumber, Rule};
use super::rng::Rng;

const STREAM: u64 = u64::MAX - 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Remove,
    /// Let everybody in.
    Open,
    /// Every single numbered port becomes the next one.
    MovePorts,
}

/// Which of `policies`, counted over the whole cluster, change and how.
pub(super) fn choose(seed: u64, policies: usize) -> BTreeMap<usize, Change> {
    let mut rng = Rng::new(seed, STREAM);
    let mut chosen = BTreeMap::new();
    while chosen.len() < policies.div_ceil(100) {
        let policy = rng.below(policies);
        let change = match rng.below(10) {
            0..3 => Change::Remove,
            3..6 => Change::Open,
            _ => Change::MovePorts,
        };
        chosen.insert(policy, change);
    }
    chosen
}

/// The policy after the change; none where it was removed, or where the change would leave it as it is.
pub(super) fn apply(change: Change, before: &Policy) -> Option<Policy> {
    let mut after = before.clone();
    match change {
        Change::Remove => return None,
        Change::Open if after.types.contains(&"Ingress") => after.ingress = vec![Rule::default()],
        Change::Open => {}
        Change::MovePorts => {
            for port in after
                .ingress
                .iter_mut()
                .chain(&mut after.egress)
                .flat_map(|rule| &mut rule.ports)
            {
                if let PortNumber::One(number) = &mut port.number {
                    *number = number.saturating_add(1);
                }
            }
        }
    }
    (after != *before).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::{Change, apply, choose};
    use crate::synth::cluster::{Plan, Scale};
    use crate::synth::policy::{Peer, Rule};

    #[test]
    fn one_in_a_hundred_and_at_least_one() {
        for (policies, changed) in [(0, 0), (1, 1), (50, 1), (500, 5), (3001, 31)] {
            let chosen = choose(1, policies);
            assert_eq!(chosen.len(), changed);
            assert!(chosen.keys().all(|&policy| policy < policies));
        }
    }

    #[test]
    fn a_change_changes() {
        let plan = Plan::new(Scale {
            namespaces: 20,
            pods: 200,
            policies: 400,
            host_network: 0.0,
            seed: 1,
        });
        let mut kept = 0;
        for policy in plan.namespaces().flat_map(|namespace| namespace.policies) {
            assert_eq!(apply(Change::Remove, &policy), None);
            for change in [Change::Open, Change::MovePorts] {
                let after = apply(change, &policy);
                assert_ne!(after.as_ref(), Some(&policy));
                kept += usize::from(after.is_some());
            }
            if policy.template == "default-deny-both" {
                assert_eq!(
                    apply(Change::Open, &policy).unwrap().ingress,
                    [Rule::default()]
                );
                assert_eq!(apply(Change::MovePorts, &policy), None);
            }
            if policy.template == "ipblock-in" {
                let after = apply(Change::MovePorts, &policy).unwrap();
                assert!(matches!(after.ingress[0].peers[..], [Peer::Block { .. }]));
                assert_eq!(after.ingress[0].peers, policy.ingress[0].peers);
            }
        }
        assert!(kept > 400);
    }
}
