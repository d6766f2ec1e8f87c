//! Random clusters: the evaluator against a second reading of the API text, and against laws that
//! hold for any policies.
//!
//! A plain run judges the same few hundred clusters every time. `PROPTEST_CASES=10000` makes it as
//! many new ones for each property (best with `--release`), and `PROPTEST_RNG_SEED` repeats a run.
//! A failure is shrunk, then shown as YAML with the connection and both answers.

// The attributes tell clippy that all of it is test code.
#[cfg(test)]
mod agreement;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod runner;
#[cfg(test)]
mod worlds;

use std::cell::RefCell;
use std::collections::BTreeMap;

use oracle::Readings;
use runner::hold;
use watertight_core::engine::Switches;
use watertight_core::eval::{Decision, Reason};
use worlds::read::read;
use worlds::{between_parties, readings, sample, worlds};

/// The oracle knows every switch that decides a verdict.
#[test]
fn no_switch_is_left_out() {
    let known: Vec<&str> = Readings::default()
        .pairs()
        .iter()
        .map(|(name, _)| *name)
        .collect();
    // About open connections, about all policies at once, and about spelling.
    let mut elsewhere = vec!["established", "enforcement", "strict_cidr"];
    // Of languages that the oracle does not read.
    elsewhere.extend([
        "endpoint_to_host",
        "allow_localhost",
        "anp_api",
        "legacy_sdn",
        "cidr_match_nodes",
        "pod_tunnels",
    ]);
    for name in Switches::names() {
        assert!(known.contains(&name) || elsewhere.contains(&name), "{name}");
    }
    let reference = Switches::default().describe();
    for pair in Readings::default().pairs() {
        assert!(reference.contains(&pair), "{pair:?} is no default");
    }
}

/// The generator is directed: answers of every kind are common, and rules decide many of them.
#[test]
fn the_worlds_are_worth_asking_about() {
    let tally: RefCell<BTreeMap<&str, u32>> = RefCell::default();
    hold(200, (worlds(), readings()), |(described, readings)| {
        let read = read(described, readings)?;
        let evaluator = read.evaluator();
        for question in sample(between_parties(&described.cluster), 200) {
            let verdict = evaluator.verdict(&read.connection(&question));
            let mut tally = tally.borrow_mut();
            let mut count = |what| *tally.entry(what).or_default() += 1;
            count("asked");
            count(if verdict.allowed { "allowed" } else { "denied" });
            for side in [verdict.egress, verdict.ingress] {
                match side {
                    Decision::Rule { .. } => count("by rule"),
                    Decision::NoRule { .. } => count("no rule"),
                    Decision::NotIsolated => count("not isolated"),
                    Decision::NotSubject => count("not subject"),
                }
            }
            match verdict.reason {
                Reason::Policies => count("policies"),
                Reason::Exempt(id, _) | Reason::Impossible(id, _) | Reason::Blocked(id, _) => {
                    count(id);
                }
                Reason::Routed => count("routed"),
            }
        }
        Ok(())
    });
    let tally = tally.into_inner();
    for (what, per_mille) in [
        ("allowed", 200),
        ("denied", 200),
        ("policies", 500),
        ("by rule", 100),
        ("no rule", 100),
        ("not isolated", 100),
        ("K-75", 10),
        ("K-73", 10),
        ("K-68", 10),
        ("K-33", 5),
        ("K-86", 5),
    ] {
        let found = tally.get(what).copied().unwrap_or_default();
        assert!(
            found * 1000 >= tally["asked"] * per_mille,
            "{what}: {tally:#?}"
        );
    }
}
