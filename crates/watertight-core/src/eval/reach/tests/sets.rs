//! The algebra of sets of peers, against sets of single peers.

use std::net::IpAddr;

use proptest::prelude::*;

use super::super::Peer;
use super::super::sets::{SetId, Sets};
use crate::eval::Family;
use crate::sets::Runs;

/// One of everything that sets can hold.
fn peers() -> Vec<Peer> {
    let classes =
        (0..4).flat_map(|class| [Family::V4, Family::V6].map(|family| Peer::Class(class, family)));
    let addresses = [
        "0.0.0.0",
        "0.0.0.1",
        "0.0.0.2",
        "255.255.255.255",
        "::",
        "::1",
        "::2",
        "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ];
    let addresses = addresses.map(|ip| Peer::Address(ip.parse::<IpAddr>().unwrap()));
    classes.chain(addresses).collect()
}

/// Four parts; some with more runs than unions copy.
type Written = [Vec<u8>; 4];

fn written() -> impl Strategy<Value = Written> {
    let part = prop_oneof![
        4 => prop::collection::vec(0..5u8, 0..4),
        1 => Just(vec![]),
        1 => Just((100..250).step_by(2).collect()),
        1 => Just((0..200).step_by(2).collect()),
    ];
    [part.clone(), part.clone(), part.clone(), part]
}

/// The numbers of a part; 4 is the last number there is.
fn narrow(part: &[u8]) -> Runs<u32> {
    Runs::from_numbers(
        part.iter()
            .map(|at| if *at == 4 { u32::MAX } else { u32::from(*at) }),
    )
}

fn wide(part: &[u8]) -> Runs<u128> {
    Runs::from_numbers(
        part.iter()
            .map(|at| if *at == 4 { u128::MAX } else { u128::from(*at) }),
    )
}

fn intern(sets: &mut Sets, [v4, v6, narrow4, wide6]: &Written) -> SetId {
    sets.intern([narrow(v4), narrow(v6)], narrow(narrow4), wide(wide6))
}

fn members(sets: &Sets, set: SetId) -> Vec<bool> {
    peers()
        .into_iter()
        .map(|peer| sets.has(set, peer))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn algebra_is_that_of_sets(all in prop::collection::vec(written(), 1..12), split in 0..12usize) {
        let mut sets = Sets::new();
        let ids: Vec<SetId> = all.iter().map(|set| intern(&mut sets, set)).collect();
        let (left, right) = ids.split_at(split.min(ids.len()));
        let any = |sets: &Sets, of: &[SetId]| -> Vec<bool> {
            let of: Vec<Vec<bool>> = of.iter().map(|set| members(sets, *set)).collect();
            (0..peers().len()).map(|at| of.iter().any(|set| set[at])).collect()
        };
        let (a, b) = (sets.union(left), sets.union(right));
        prop_assert_eq!(members(&sets, a), any(&sets, left));
        let both = sets.union(&[a, b]);
        prop_assert_eq!(members(&sets, both), any(&sets, &ids));
        let with = |op: fn(bool, bool) -> bool| -> Vec<bool> {
            let (a, b) = (members(&sets, a), members(&sets, b));
            a.into_iter().zip(b).map(|(a, b)| op(a, b)).collect()
        };
        let (and, without) = (with(|a, b| a && b), with(|a, b| a && !b));
        let found = sets.intersection(a, b);
        prop_assert_eq!(members(&sets, found), and);
        let found = sets.difference(a, b);
        prop_assert_eq!(members(&sets, found), without);
    }

    /// What the parts say is what `has` says.
    #[test]
    fn parts_are_those_of_the_set(all in prop::collection::vec(written(), 0..12)) {
        let mut sets = Sets::new();
        let ids: Vec<SetId> = all.iter().map(|set| intern(&mut sets, set)).collect();
        let set = sets.union(&ids);
        for peer in peers() {
            let in_part = match peer {
                Peer::Class(class, family) => sets.classes(set, family).contains(class),
                Peer::Address(IpAddr::V4(ip)) => sets.v4(set).contains(ip.into()),
                Peer::Address(IpAddr::V6(ip)) => sets.v6(set).contains(ip.into()),
            };
            prop_assert_eq!(in_part, sets.has(set, peer), "{:?}", peer);
        }
    }

    /// Whatever the order, the same union; a second time, the same id.
    #[test]
    fn unions_are_stored_once(all in prop::collection::vec(written(), 0..12)) {
        let mut sets = Sets::new();
        let mut ids: Vec<SetId> = all.iter().map(|set| intern(&mut sets, set)).collect();
        let once = sets.union(&ids);
        let count = sets.len();
        ids.reverse();
        prop_assert_eq!(sets.union(&ids), once);
        ids.extend_from_slice(&ids.clone());
        prop_assert_eq!(sets.union(&ids), once);
        prop_assert_eq!(sets.len(), count);
    }
}

#[test]
fn nobody_and_anybody() {
    let mut sets = Sets::new();
    let one = intern(&mut sets, &[vec![1], vec![1], vec![], vec![]]);
    assert!(members(&sets, SetId::ALL).into_iter().all(|has| has));
    assert!(!members(&sets, SetId::NONE).into_iter().any(|has| has));
    assert_eq!(sets.union(&[]), SetId::NONE);
    assert_eq!(sets.union(&[one, SetId::ALL]), SetId::ALL);
    assert_eq!(sets.union(&[one, SetId::NONE]), one);
    assert_eq!(sets.intersection(SetId::ALL, one), one);
    assert_eq!(sets.difference(one, SetId::ALL), SetId::NONE);
    let others = sets.difference(SetId::ALL, one);
    assert!(sets.has(others, Peer::Class(u32::MAX, Family::V6)));
    assert!(!sets.has(others, Peer::Class(1, Family::V4)));
    assert_eq!(sets.union(&[others, one]), SetId::ALL);
}
