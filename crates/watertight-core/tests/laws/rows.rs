//! Laws on rows: rulesets written in another way, whole maps compared.
//!
//! What holds for every ruleset is held on tiers of every shape; that order and further policies do
//! not matter holds for NetworkPolicies alone (K-15).

use watertight_core::eval::reach::{Outcome, Ports, Reach};
use watertight_core::eval::{Evaluator, Party};
use watertight_core::manifest::Direction;
use watertight_core::policy::{Action, Policy, Rule, Ruleset, Tier};
use watertight_core::sets::PortMatch;

use proptest::prelude::any;

use crate::runner::{hold, questions_at_most};
use crate::worlds::read::Read;
use crate::worlds::{
    Asked, fading, read_faded, read_under, readings, rewriting, sample, show_ruleset, worlds,
};

/// A ruleset with other policies in each of its tiers.
fn rewritten(ruleset: &Ruleset, with: impl Fn(&[Policy]) -> Vec<Policy>) -> Ruleset {
    let tier = |tier: &Tier| Tier {
        name: tier.name.clone(),
        policies: with(&tier.policies),
    };
    Ruleset {
        ingress: ruleset.ingress.iter().map(tier).collect(),
        egress: ruleset.egress.iter().map(tier).collect(),
    }
}

/// Every policy with other rules.
fn with_rules(ruleset: &Ruleset, with: impl Fn(&Rule) -> Vec<Rule>) -> Ruleset {
    rewritten(ruleset, |policies| {
        let policies = policies.iter().map(|policy| Policy {
            rules: policy.rules.iter().flat_map(&with).collect(),
            ..policy.clone()
        });
        policies.collect()
    })
}

type Map = Vec<((Party, Party), Option<Vec<Ports>>)>;

/// Who may talk to whom on which ports.
fn map(read: &Read, ruleset: &Ruleset, asked: &Asked<'_>) -> Map {
    let eval = Evaluator::new(&read.world, ruleset, read.switches);
    let reach = Reach::new(&eval);
    let all: Vec<Party> = asked.parties.iter().chain(&asked.owned).copied().collect();
    let pairs = all.iter().flat_map(|a| all.iter().map(move |b| (*a, *b)));
    let pairs = sample(pairs.collect(), questions_at_most() / 8);
    let ports = |pair: (Party, Party)| (pair, reach.between(&eval, pair.0, pair.1));
    pairs.into_iter().map(ports).collect()
}

/// Both rulesets have the same map.
fn same_map(read: &Read, after: &Ruleset) -> Result<(), String> {
    let asked = Asked::of(&read.world, &read.ruleset);
    let (a, b) = (map(read, &read.ruleset, &asked), map(read, after, &asked));
    match a.iter().zip(&b).find(|(a, b)| a != b) {
        None => Ok(()),
        Some(pair) => Err(format!(
            "{}became\n{}{pair:#?}",
            show_ruleset(&read.ruleset),
            show_ruleset(after)
        )),
    }
}

/// K-15
#[test]
fn the_order_of_policies_and_rules_does_not_matter() {
    let input = (worlds(), readings(), (fading(), any::<u8>()));
    hold(100, input, |(described, readings, (fading, turn))| {
        let read = read_faded(described, readings, fading)?;
        let turned = |len: usize| usize::from(*turn) % len.max(1);
        let shuffled = rewritten(&read.ruleset, |policies| {
            let mut policies = policies.to_vec();
            let by = turned(policies.len());
            policies.rotate_left(by);
            for policy in &mut policies {
                let by = turned(policy.rules.len());
                policy.rules.rotate_left(by);
                for rule in &mut policy.rules {
                    rule.peers.reverse();
                    rule.traffic.reverse();
                }
            }
            if turn % 2 == 0 {
                policies.reverse();
            }
            policies
        });
        same_map(&read, &shuffled)
    });
}

/// K-22, K-23: one rule for each peer and each port is as good.
#[test]
fn rules_may_be_split_into_single_peers_and_ports() {
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(100, input, |(described, readings, changes)| {
        let read = read_under(described, readings, changes)?;
        let split = with_rules(&read.ruleset, |rule| {
            // Behind a rule that decides nothing the walk goes on, with what its peers may be.
            if matches!(rule.action, Action::Log | Action::Pass) {
                return vec![rule.clone()];
            }
            let single = rule.peers.iter().flat_map(|peer| {
                rule.traffic.iter().map(|item| Rule {
                    peers: vec![peer.clone()],
                    traffic: vec![item.clone()],
                    ..rule.clone()
                })
            });
            single.collect()
        });
        same_map(&read, &split)
    });
}

/// K-15: a policy in two halves, one behind the other, is the same policy.
#[test]
fn policies_may_be_split_into_halves() {
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(100, input, |(described, readings, changes)| {
        let mut read = read_under(described, readings, changes)?;
        // Halves that may be asked in any order are another matter.
        let policies = |policies: &[Policy]| -> Vec<Policy> {
            let policies = policies.iter().cloned();
            policies
                .map(|policy| Policy {
                    tie: None,
                    ..policy
                })
                .collect()
        };
        read.ruleset = rewritten(&read.ruleset, policies);
        let split = rewritten(&read.ruleset, |policies| {
            let halves = policies.iter().flat_map(|policy| {
                let (first, second) = policy.rules.split_at(policy.rules.len() / 2);
                [first, second].map(|rules| Policy {
                    rules: rules.to_vec(),
                    ..policy.clone()
                })
            });
            halves.collect()
        });
        same_map(&read, &split)
    });
}

#[test]
fn the_same_policy_again_changes_nothing() {
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(60, input, |(described, readings, changes)| {
        let read = read_under(described, readings, changes)?;
        let twice = rewritten(&read.ruleset, |policies| {
            let twice = policies.iter().flat_map(|policy| [policy, policy]);
            twice.cloned().collect()
        });
        same_map(&read, &twice)
    });
}

/// Tiers in which nobody has a policy do not take part.
#[test]
fn empty_tiers_change_nothing() {
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(40, input, |(described, readings, changes)| {
        let read = read_under(described, readings, changes)?;
        let spaced = |tiers: &[Tier]| -> Vec<Tier> {
            let empty = Tier {
                name: "empty".into(),
                policies: Vec::new(),
            };
            let with_empty = tiers.iter().flat_map(|tier| [empty.clone(), tier.clone()]);
            with_empty.chain([empty.clone()]).collect()
        };
        let after = Ruleset {
            ingress: spaced(&read.ruleset.ingress),
            egress: spaced(&read.ruleset.egress),
        };
        same_map(&read, &after)
    });
}

/// K-6: without policies everything is open, and there is one row.
#[test]
fn without_policies_everything_is_open() {
    let input = (worlds(), readings(), (fading(), rewriting()));
    hold(40, input, |(described, readings, changes)| {
        let read = read_under(described, readings, changes)?;
        let asked = Asked::of(&read.world, &read.ruleset);
        for none in [Ruleset::default(), rewritten(&read.ruleset, |_| Vec::new())] {
            let eval = Evaluator::new(&read.world, &none, read.switches);
            let reach = Reach::new(&eval);
            let rows = Direction::BOTH.map(|direction| reach.side(direction).rows().len());
            if rows != [1, 1] {
                return Err(format!("{rows:?} rows"));
            }
            for (pair, ports) in map(&read, &none, &asked) {
                let open = |ports: &Vec<Ports>| {
                    ports.len() == 4 && ports.iter().all(|it| it.outcome == Outcome::Allowed)
                };
                if !ports.as_ref().is_none_or(open) {
                    return Err(format!("{pair:?}: {ports:?}"));
                }
            }
        }
        Ok(())
    });
}

/// K-15: a further policy for pods that are isolated already can only open more, on each side.
#[test]
fn a_further_policy_for_isolated_pods_closes_no_row() {
    let input = (worlds(), readings(), (fading(), any::<(u8, u8)>()));
    hold(100, input, |(described, readings, (fading, choices))| {
        let read = read_faded(described, readings, fading)?;
        let further = rewritten(&read.ruleset, |policies| {
            let mut policies = policies.to_vec();
            let at = |choice: u8| usize::from(choice) % policies.len().max(1);
            let pair = policies.get(at(choices.0)).zip(policies.get(at(choices.1)));
            let further = pair.map(|(isolating, other)| Policy {
                rules: other.rules.clone(),
                ..isolating.clone()
            });
            policies.splice(0..0, further);
            policies
        });
        let before = read.evaluator();
        let after = Evaluator::new(&read.world, &further, read.switches);
        closes_nothing(&before, &after, &Asked::of(&read.world, &read.ruleset))
    });
}

fn closes_nothing(
    before: &Evaluator<'_>,
    after: &Evaluator<'_>,
    asked: &Asked<'_>,
) -> Result<(), String> {
    let (was, is) = (Reach::new(before), Reach::new(after));
    let mut questions = Vec::new();
    for subject in before.world.endpoint_ids() {
        for direction in Direction::BOTH {
            for (protocol, port) in asked.traffic() {
                let parties = asked.parties.iter();
                questions.extend(parties.map(|it| (subject, direction, *it, protocol, port)));
            }
        }
    }
    for (subject, direction, other, protocol, port) in sample(questions, questions_at_most()) {
        let port = port.unwrap_or_default();
        let a = was.decide(before, direction, subject, other, protocol, port);
        let b = is.decide(after, direction, subject, other, protocol, port);
        if b < a {
            return Err(format!(
                "{}{direction:?} of {subject:?} and {other:?}, {port}/{protocol:?}: {a:?} became {b:?}",
                show_ruleset(after.ruleset)
            ));
        }
    }
    Ok(())
}

/// K-49, K-50: a rule for all ports is one for each half of them.
#[test]
fn port_ranges_may_be_split_anywhere() {
    let input = (
        worlds(),
        readings(),
        ((fading(), rewriting()), any::<u16>()),
    );
    hold(60, input, |(described, readings, (changes, at))| {
        let read = read_under(described, readings, changes)?;
        let split = with_rules(&read.ruleset, |rule| {
            let mut halves = rule.clone();
            halves.traffic.clear();
            for item in &rule.traffic {
                match item {
                    PortMatch::Range {
                        protocol,
                        first,
                        last,
                        span,
                    } if first <= at && at < last => {
                        let part = |first, last| PortMatch::Range {
                            protocol: *protocol,
                            first,
                            last,
                            span: *span,
                        };
                        halves
                            .traffic
                            .extend([part(*first, *at), part(at + 1, *last)]);
                    }
                    other => halves.traffic.push(other.clone()),
                }
            }
            vec![halves]
        });
        same_map(&read, &split)
    });
}
