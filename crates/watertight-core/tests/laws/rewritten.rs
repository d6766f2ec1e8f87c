//! Clusters written in another way that means the same, or less isolation, or more rules.

use std::hash::{DefaultHasher, Hash, Hasher};

use proptest::prelude::*;
use watertight_core::manifest::Direction;

use super::{same_answers, some_questions};
use crate::oracle::objects::{Cluster, Policy, Rule, Selector, Spec};
use crate::oracle::{Oracle, Readings};
use crate::runner::hold;
use crate::worlds::read::{from_files, read, read_plain, verdicts};
use crate::worlds::{Format, Spelling, describe, files, readings, worlds};

/// K-15: there is no order.
#[test]
fn the_order_of_objects_does_not_matter() {
    let input = (worlds(), readings(), any::<u64>());
    hold(60, input, |(described, readings, seed)| {
        let spelling = Spelling {
            format: Format::JsonFiles,
            ..described.spelling
        };
        let mut shuffled = files(&described.cluster, spelling);
        shuffled.sort_by_cached_key(|(name, _)| {
            let mut hasher = DefaultHasher::new();
            (seed, name).hash(&mut hasher);
            hasher.finish()
        });
        let before = read(described, readings)?;
        let after = from_files(shuffled, &described.cluster, readings)?;
        same_answers(described, &before, &after)
    });
}

/// K-22: items of lists are alternatives.
#[test]
fn the_order_inside_policies_does_not_matter() {
    hold(60, (worlds(), readings()), |(described, readings)| {
        let mut cluster = described.cluster.clone();
        cluster.policies.reverse();
        for spec in cluster
            .policies
            .iter_mut()
            .flat_map(|policy| &mut policy.spec)
        {
            for rules in [&mut spec.ingress, &mut spec.egress].into_iter().flatten() {
                rules.reverse();
                for rule in rules {
                    rule.peers.iter_mut().for_each(|peers| peers.reverse());
                    rule.ports.iter_mut().for_each(|ports| ports.reverse());
                }
            }
            if let Some(types) = &mut spec.policy_types {
                types.reverse();
            }
        }
        let before = read(described, readings)?;
        same_answers(described, &before, &read_plain(&cluster, readings)?)
    });
}

#[test]
fn yaml_and_json_read_alike() {
    hold(60, (worlds(), readings()), |(described, readings)| {
        let with = |format| {
            let spelling = Spelling {
                format,
                ..described.spelling
            };
            let files = files(&described.cluster, spelling);
            from_files(files, &described.cluster, readings)
        };
        let yaml = with(Format::Yaml)?;
        same_answers(described, &yaml, &with(Format::JsonList)?)?;
        same_answers(described, &yaml, &with(Format::JsonFiles)?)
    });
}

/// K-13, K-20, K-21, K-44: a missing list, null and `[]` are the same. So are the spellings of a
/// selector that is there.
#[test]
fn empty_lists_may_be_left_out() {
    hold(60, (worlds(), readings()), |(described, readings)| {
        fn drop_empty<T>(list: &mut Option<Vec<T>>) {
            if list.as_ref().is_some_and(Vec::is_empty) {
                *list = None;
            }
        }
        fn respell(selector: &mut Option<Selector>) {
            if let Some(selector) = selector {
                drop_empty(&mut selector.match_expressions);
                selector.match_labels.get_or_insert_default();
            }
        }
        let mut cluster = described.cluster.clone();
        for spec in cluster
            .policies
            .iter_mut()
            .flat_map(|policy| &mut policy.spec)
        {
            respell(&mut spec.pod_selector);
            drop_empty(&mut spec.policy_types);
            for rules in [&mut spec.ingress, &mut spec.egress] {
                drop_empty(rules);
                for rule in rules.iter_mut().flatten() {
                    drop_empty(&mut rule.peers);
                    drop_empty(&mut rule.ports);
                    for peer in rule.peers.iter_mut().flatten() {
                        respell(&mut peer.pod_selector);
                        respell(&mut peer.namespace_selector);
                        if let Some(block) = &mut peer.ip_block {
                            drop_empty(&mut block.except);
                        }
                    }
                }
            }
        }
        let before = read(described, readings)?;
        same_answers(described, &before, &read_plain(&cluster, readings)?)
    });
}

/// The same policy without its rules, with the types written that are in force.
fn skeleton(cluster: &Cluster, readings: &Readings, policy: &Policy, name: &str) -> Policy {
    let oracle = Oracle { cluster, readings };
    let spec = policy.spec.as_ref();
    let types = Direction::BOTH.map(Direction::api);
    let types = types.into_iter().filter(|of| oracle.covers(spec, of));
    Policy {
        namespace: policy.namespace.clone(),
        name: name.into(),
        spec: Some(Spec {
            pod_selector: spec.and_then(|spec| spec.pod_selector.clone()),
            policy_types: Some(types.collect()),
            ingress: None,
            egress: None,
        }),
    }
}

/// Adds rules to the directions that a policy covers.
fn fill(policy: &mut Policy, ingress: Vec<Rule>, egress: Vec<Rule>) {
    let spec = policy.spec.get_or_insert_default();
    let types = spec.policy_types.clone().unwrap_or_default();
    spec.ingress = types.contains(&"Ingress").then_some(ingress);
    spec.egress = types.contains(&"Egress").then_some(egress);
}

fn rules(policy: &Policy) -> (Vec<Rule>, Vec<Rule>) {
    let spec = policy.spec.clone().unwrap_or_default();
    (
        spec.ingress.unwrap_or_default(),
        spec.egress.unwrap_or_default(),
    )
}

/// K-15: one more policy for pods that are isolated already can only open more.
#[test]
fn a_further_policy_for_isolated_pods_closes_nothing() {
    let input = (worlds(), readings(), any::<(u8, u8)>());
    hold(100, input, |(described, readings, (one, other))| {
        let policies = &described.cluster.policies;
        if policies.is_empty() {
            return Ok(());
        }
        let at = |choice: u8| &policies[usize::from(choice) % policies.len()];
        let mut further = skeleton(&described.cluster, readings, at(*one), "further");
        let (ingress, egress) = rules(at(*other));
        fill(&mut further, ingress, egress);
        let mut cluster = described.cluster.clone();
        cluster.policies.push(further);
        let before = read(described, readings)?;
        let after = read_plain(&cluster, readings)?;
        let questions = some_questions(described);
        let answers = verdicts(&before, &questions);
        for ((question, a), b) in questions
            .iter()
            .zip(answers)
            .zip(verdicts(&after, &questions))
        {
            if a.allowed && !b.allowed {
                return Err(format!(
                    "{} was allowed without `further`",
                    describe(&described.cluster, question)
                ));
            }
        }
        Ok(())
    });
}

/// K-15, K-22: rules may be spread over policies of the same selector and types.
#[test]
fn splitting_a_policy_changes_nothing() {
    let input = (worlds(), readings(), any::<u8>());
    hold(100, input, |(described, readings, mask)| {
        let mut cluster = described.cluster.clone();
        cluster.policies.clear();
        for policy in &described.cluster.policies {
            let (ingress, egress) = rules(policy);
            for half in [false, true] {
                let name = format!("{}-{half}", policy.name);
                let part = |rules: &[Rule]| {
                    let of_half = |(at, _): &(usize, &Rule)| (mask >> (at % 8) & 1 == 1) == half;
                    let kept = rules.iter().enumerate().filter(of_half);
                    kept.map(|(_, rule)| rule.clone()).collect()
                };
                let mut split = skeleton(&described.cluster, readings, policy, &name);
                fill(&mut split, part(&ingress), part(&egress));
                cluster.policies.push(split);
            }
        }
        let before = read(described, readings)?;
        same_answers(described, &before, &read_plain(&cluster, readings)?)
    });
}

/// K-7, K-12: a policy for both directions is one for each of them.
#[test]
fn splitting_a_policy_by_direction_changes_nothing() {
    hold(60, (worlds(), readings()), |(described, readings)| {
        let mut cluster = described.cluster.clone();
        cluster.policies.clear();
        for policy in &described.cluster.policies {
            let (ingress, egress) = rules(policy);
            for direction in Direction::BOTH {
                let name = format!("{}-{}", policy.name, direction.word());
                let mut split = skeleton(&described.cluster, readings, policy, &name);
                let types = &mut split.spec.get_or_insert_default().policy_types;
                let types = types.get_or_insert_default();
                types.retain(|of| *of == direction.api());
                if !types.is_empty() {
                    fill(&mut split, ingress.clone(), egress.clone());
                    cluster.policies.push(split);
                }
            }
        }
        let before = read(described, readings)?;
        same_answers(described, &before, &read_plain(&cluster, readings)?)
    });
}

/// K-1, K-18: only the policies in the namespaces of the two ends count.
#[test]
fn policies_of_other_namespaces_do_not_matter() {
    let input = (worlds(), readings(), any::<u8>());
    hold(60, input, |(described, readings, choice)| {
        let pods = &described.cluster.pods;
        let here = &pods[usize::from(*choice) % pods.len()].namespace;
        let mut only = described.clone();
        only.cluster
            .policies
            .retain(|policy| policy.namespace == *here);
        let before = read(described, readings)?;
        let after = read(&only, readings)?;
        let questions = some_questions(described);
        let answers = verdicts(&before, &questions);
        for ((question, a), b) in questions
            .iter()
            .zip(answers)
            .zip(verdicts(&after, &questions))
        {
            let elsewhere = |who| match who {
                crate::oracle::Who::Pod(at) => pods[at].namespace != *here,
                _ => false,
            };
            let egress = elsewhere(question.from) || a.egress.is_allowed() == b.egress.is_allowed();
            let ingress =
                elsewhere(question.to) || a.ingress.is_allowed() == b.ingress.is_allowed();
            if !egress || !ingress {
                return Err(format!(
                    "{} without the policies outside `{here}`\n  {a:?}\nbecame\n  {b:?}",
                    describe(&described.cluster, question)
                ));
            }
        }
        Ok(())
    });
}
