use std::time::Duration;

use expect_test::expect;

use super::*;
use crate::bench::spread::Spread;

fn every_ms(of: &[u64]) -> Vec<Duration> {
    of.iter().copied().map(Duration::from_millis).collect()
}

fn inside_with(reach_ms: f64) -> Inside {
    let changes = |max| Changes {
        times: Spread {
            p50: 1.5,
            p99: 9.0,
            max,
        },
        rebuilt: 2,
        count: 300,
    };
    Inside {
        parties: ["a/pod/x".to_owned(), "b/pod/y".to_owned()],
        load_ms: 512.34,
        lower_ms: 3.21,
        reach_ms,
        classes: 12_000,
        rows: 8_000,
        sets: 9_000,
        outcomes_a_second: 6.5e6,
        verdicts_a_second: 4.2e6,
        explain: Spread {
            p50: 0.5,
            p99: 6.0,
            max: 7.0,
        },
        policies: changes(9.5),
        pods: changes(48.0),
    }
}

fn measured(world: &str, bytes: u64, reach_ms: f64) -> Results {
    Results {
        world: world.to_owned(),
        kind: Kind::Json,
        bytes,
        parse: every_ms(&[100]),
        check: every_ms(&[190, 210, 190]),
        reach: every_ms(&[260]),
        load: every_ms(&[120, 140, 130]),
        explain: every_ms(&[122, 150, 132]),
        baseline: every_ms(&[250]),
        changed: Some(Compared {
            load: every_ms(&[130]),
            diff: every_ms(&[350]),
        }),
        check_peak: Some(bytes * 2),
        reach_peak: Some(bytes * 3),
        inside: Some(inside_with(reach_ms)),
    }
}

fn failed() -> Results {
    Results {
        world: "some/dir".to_owned(),
        kind: Kind::Yaml,
        bytes: 12_345_678,
        parse: Vec::new(),
        check: Vec::new(),
        reach: Vec::new(),
        load: Vec::new(),
        explain: Vec::new(),
        baseline: Vec::new(),
        changed: None,
        check_peak: None,
        reach_peak: None,
        inside: None,
    }
}

#[test]
fn whole_processes() {
    let all = [
        measured("S", 94_778, 1.0),
        measured("L", 15_770_000, 20.0),
        failed(),
    ];
    expect![[r#"
        world     format     MB  parse ms  check ms  check/parse  reach ms  reach/parse  explain ms  explain - load ms  check RSS/input  reach RSS/input
        S         json     0.09     100.0     190.0         1.90     260.0         2.60       132.0                2.0             2.00             3.00
        L         json    15.77     100.0     190.0      1.90 ok     260.0  2.60 MISSED       132.0             2.0 ok          2.00 ok      3.00 MISSED
        some/dir  yaml    12.35         -         -            -         -            -           -                  -                -                -
    "#]].assert_eq(&processes(&all).render(false));
}

#[test]
fn answers_are_held_against_loading() {
    let all = [
        measured("S", 94_778, 1.0),
        measured("L", 15_770_000, 20.0),
        failed(),
    ];
    expect![[r#"
        world     format  load ms  load both ms  diff ms  diff/load both  baseline ms  baseline/load
        S         json      130.0         260.0    350.0            1.35        250.0           1.92
        L         json      130.0         260.0    350.0     1.35 MISSED        250.0        1.92 ok
        some/dir  yaml          -             -        -               -            -              -
    "#]]
    .assert_eq(&answers(&all).render(false));
}

#[test]
fn inside_one_process() {
    let all = [measured("L", 15_770_000, 20.0), failed()];
    expect![[r#"
        world  format  load ms  lower ms  reach ms  classes  rows  sets  by rows M/s  verdict M/s  explain p50 ms  explain p99 ms
        L      json      512.3      3.21      20.0    12000  8000  9000      6.50 ok         4.20         0.50 ok     6.00 MISSED
    "#]].assert_eq(&inside(&all).render(false));
    expect![[r#"
        world  format  change   p50 ms   p99 ms        max ms   rebuilt
        L      json    policy  1.50 ok  9.00 ok       9.50 ok  2 of 300
        L      json    pod     1.50 ok  9.00 ok  48.00 MISSED  2 of 300
    "#]]
    .assert_eq(&changes(&all).render(false));
}

#[test]
fn growth_is_that_of_the_largest_over_the_smallest_that_counts() {
    let all = [
        measured("XL", 80_000_000, 120.0),
        measured("S", 100_000, 1.0),
        measured("M", 2_000_000, 2.0),
        failed(),
    ];
    expect!["From M to XL (json), the input grows 40.0-fold and the time of all rows 60.0-fold: 1.50 MISSED"].assert_eq(&growth(&all).join("\n"));
    // Too near to each other.
    assert!(
        growth(&[
            measured("A", 10_000_000, 1.0),
            measured("B", 20_000_000, 1.0)
        ])
        .is_empty()
    );
    assert!(growth(&[]).is_empty());
}
