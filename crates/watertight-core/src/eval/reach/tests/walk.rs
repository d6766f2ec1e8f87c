//! Bands and tiers, on items made by hand.

use expect_test::{Expect, expect};

use super::super::row::{Item, Tiers, compute};
use super::super::sets::{SetId, Sets};
use super::listed;
use crate::eval::Family;
use crate::manifest::Direction;
use crate::policy::{Action, PolicyRef};
use crate::sets::{Protocol, Runs};

/// Classes from the first to the last; none if the last is lower.
fn classes(sets: &mut Sets, first: u32, last: u32) -> SetId {
    let runs = Runs::range(first, last);
    sets.intern([runs.clone(), runs], Runs::default(), Runs::default())
}

/// A rule of a tier for a range of TCP ports: who matches, and who may.
struct Given {
    tier: usize,
    action: Action,
    ports: (u16, u16),
    yes: (u32, u32),
    maybe: (u32, u32),
}

/// Nobody.
const NONE: (u32, u32) = (1, 0);

fn rule(tier: usize, action: Action, ports: (u16, u16), yes: (u32, u32)) -> Given {
    Given {
        tier,
        action,
        ports,
        yes,
        maybe: NONE,
    }
}

fn perhaps(tier: usize, action: Action, maybe: (u32, u32)) -> Given {
    Given {
        maybe,
        ..rule(tier, action, (0, 65_535), NONE)
    }
}

/// The bands of a row, with the classes from 0 to 9 that they allow, and may allow.
fn row(isolating: &[bool], given: &[Given]) -> String {
    row_of(isolating, given, Protocol::Tcp)
}

fn row_of(isolating: &[bool], given: &[Given], protocol: Protocol) -> String {
    let mut sets = Sets::new();
    let items: Vec<Item> = given
        .iter()
        .map(|given| Item {
            protocol,
            first: given.ports.0,
            last: given.ports.1,
            tier: given.tier,
            tie: None,
            action: given.action,
            yes: classes(&mut sets, given.yes.0, given.yes.1),
            maybe: classes(&mut sets, given.maybe.0, given.maybe.1),
        })
        .collect();
    let policies = isolating.iter().enumerate().map(|(tier, isolates)| {
        let at = PolicyRef {
            direction: Direction::Ingress,
            tier,
            policy: 0,
        };
        (at, *isolates)
    });
    let row = compute(&mut sets, &Tiers::new(policies), &items);
    let digits = classes(&mut sets, 0, 9);
    let mut text = String::new();
    for band in row.bands().iter().filter(|band| band.protocol == protocol) {
        let mut show = |set| {
            let some = sets.intersection(set, digits);
            format!("{:?}", listed(&sets.classes(some, Family::V4)))
        };
        let (allowed, maybe) = (show(band.allowed), show(band.maybe));
        text += &format!("{}-{} {allowed} maybe {maybe}\n", band.first, band.last);
    }
    text
}

fn check(found: &str, expected: &Expect) {
    expected.assert_eq(found);
}

const ALL: (u16, u16) = (0, 65_535);
use Action::{Allow, Deny, Log, Pass};

/// K-49, K-50: bands end with the last port of a rule, and begin with the first.
#[test]
fn bands_begin_and_end_with_rules() {
    let given = [
        rule(0, Allow, (80, 90), (1, 1)),
        rule(0, Allow, (85, 85), (2, 2)),
        rule(0, Allow, (90, 91), (3, 3)),
        rule(0, Allow, (0, 0), (4, 4)),
        rule(0, Allow, (65_535, 65_535), (5, 5)),
    ];
    check(
        &row(&[true], &given),
        &expect![[r#"
        0-0 [(4, 4)] maybe []
        80-84 [(1, 1)] maybe []
        85-85 [(1, 2)] maybe []
        86-89 [(1, 1)] maybe []
        90-90 [(1, 1), (3, 3)] maybe []
        91-91 [(3, 3)] maybe []
        65535-65535 [(5, 5)] maybe []
    "#]],
    );
}

/// Neighbours who allow the same are one band, whatever rules they come from.
#[test]
fn equal_neighbours_are_one_band() {
    let given = [
        rule(0, Allow, (1, 10), (1, 2)),
        rule(0, Allow, (11, 20), (1, 1)),
        rule(0, Allow, (11, 20), (2, 2)),
        rule(0, Allow, (22, 30), (1, 2)),
    ];
    check(
        &row(&[true], &given),
        &expect![[r#"
        1-20 [(1, 2)] maybe []
        22-30 [(1, 2)] maybe []
    "#]],
    );
}

/// K-61: ICMP has no ports.
#[test]
fn icmp_is_one_band() {
    let given = [
        rule(0, Allow, (0, 0), (1, 1)),
        rule(0, Allow, (0, 0), (2, 2)),
    ];
    check(
        &row_of(&[true], &given, Protocol::Icmp),
        &expect![[r#"
        0-0 [(1, 2)] maybe []
    "#]],
    );
}

#[test]
fn the_first_rule_that_matches_decides() {
    let given = [
        rule(0, Deny, ALL, (1, 1)),
        rule(0, Allow, ALL, (1, 3)),
        rule(0, Deny, ALL, (2, 5)),
        rule(0, Log, ALL, (6, 6)),
        rule(0, Allow, ALL, (6, 6)),
    ];
    check(
        &row(&[true], &given),
        &expect![[r#"
        0-65535 [(2, 3), (6, 6)] maybe []
    "#]],
    );
}

#[test]
fn pass_leaves_the_tier_and_not_more() {
    let given = [
        rule(0, Pass, ALL, (1, 4)),
        rule(0, Allow, ALL, (1, 6)),
        rule(1, Deny, ALL, (1, 1)),
        rule(1, Pass, ALL, (2, 2)),
        rule(2, Allow, ALL, (3, 3)),
        rule(2, Deny, ALL, (2, 2)),
    ];
    // Who passes the last tier is not isolated by it.
    check(
        &row(&[true, false, true], &given),
        &expect![[r#"
        0-65535 [(3, 3), (5, 6)] maybe []
    "#]],
    );
    check(
        &row(&[true, false, false], &given),
        &expect![[r#"
        0-65535 [(3, 6)] maybe []
    "#]],
    );
}

#[test]
fn a_tier_that_does_not_isolate_leaves_the_rest_to_the_next() {
    let given = [rule(0, Deny, ALL, (1, 1)), rule(1, Allow, ALL, (1, 2))];
    check(
        &row(&[false, true], &given),
        &expect![[r#"
        0-65535 [(2, 2)] maybe []
    "#]],
    );
    check(
        &row(&[false, false], &given),
        &expect![[r#"
        0-65535 [(0, 0), (2, 9)] maybe []
    "#]],
    );
    check(&row(&[true, true], &given), &expect![""]);
    check(
        &row(&[], &[]),
        &expect![[r#"
        0-65535 [(0, 9)] maybe []
    "#]],
    );
}

/// M-1: only those that nothing decides are uncertain, and only where somebody isolates.
#[test]
fn undecided_peers_may_be_allowed() {
    let given = [
        perhaps(0, Allow, (1, 5)),
        rule(0, Allow, ALL, (1, 1)),
        rule(0, Deny, ALL, (2, 2)),
        rule(0, Pass, ALL, (3, 3)),
        rule(1, Allow, ALL, (3, 3)),
    ];
    check(
        &row(&[true, true], &given),
        &expect![[r#"
            0-65535 [(1, 1), (3, 3)] maybe [(2, 2), (4, 5)]
        "#]],
    );
    check(
        &row(&[false, false], &given),
        &expect![[r#"
            0-65535 [(0, 1), (3, 9)] maybe [(2, 2)]
        "#]],
    );
}

/// M-1: what was met in a tier that does not decide is remembered; who has left the tier meets no
/// more of it.
#[test]
fn uncertainty_outlives_its_tier() {
    let given = [
        perhaps(0, Allow, (1, 1)),
        rule(0, Pass, ALL, (2, 2)),
        perhaps(0, Allow, (2, 3)),
    ];
    check(
        &row(&[false, true], &given),
        &expect![[r#"
        0-65535 [] maybe [(1, 1), (3, 3)]
    "#]],
    );
}

/// Many rules and few are judged alike: rows remember what they have met if there are many.
#[test]
fn many_rules_are_judged_as_few() {
    let some = || {
        [
            rule(0, Allow, (10, 20), (1, 1)),
            rule(0, Deny, (15, 30), (2, 2)),
            rule(0, Allow, (25, 40), (1, 2)),
            rule(0, Allow, (15, 30), (3, 3)),
        ]
    };
    let many: Vec<Given> = (0..20).flat_map(|_| some()).collect();
    assert_eq!(row(&[true], &many), row(&[true], &some()));
    check(
        &row(&[true], &many),
        &expect![[r#"
        10-14 [(1, 1)] maybe []
        15-20 [(1, 1), (3, 3)] maybe []
        21-24 [(3, 3)] maybe []
        25-30 [(1, 1), (3, 3)] maybe []
        31-40 [(1, 2)] maybe []
    "#]],
    );
}

/// Policies of one tier: it isolates if any of them does.
#[test]
fn one_policy_isolates_for_its_tier() {
    let at = |tier, policy| PolicyRef {
        direction: Direction::Ingress,
        tier,
        policy,
    };
    let mut sets = Sets::new();
    let first = [(at(0, 0), false), (at(0, 3), true), (at(1, 0), false)];
    let last = [(at(0, 0), true), (at(0, 3), false), (at(1, 0), false)];
    for policies in [first, last] {
        let row = compute(&mut sets, &Tiers::new(policies.into_iter()), &[]);
        assert!(row.bands().is_empty(), "{row:?}");
    }
    let none = [(at(0, 0), false), (at(1, 0), false)];
    let row = compute(&mut sets, &Tiers::new(none.into_iter()), &[]);
    assert!(row.is_everything());
}
