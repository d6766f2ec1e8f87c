//! Bounds of blocks, to the last address.

use super::super::atoms::{Address, Atoms, addresses};
use super::{block, listed};
use crate::sets::{IpBlock, Runs};

fn v4(text: &str) -> u32 {
    <u32 as Address>::of(text.parse().unwrap()).unwrap()
}

fn v6(text: &str) -> u128 {
    <u128 as Address>::of(text.parse().unwrap()).unwrap()
}

fn v4_runs(block: &IpBlock) -> Vec<(u32, u32)> {
    listed(&addresses::<u32>(block))
}

/// K-63: exceptions at either end, in the middle, next to each other, and all of the block.
#[test]
fn exceptions_leave_their_addresses_out() {
    let run = |first, last| (v4(first), v4(last));
    assert_eq!(
        v4_runs(&block("10.0.0.0/29", &["10.0.0.0/32", "10.0.0.7/32"])),
        [run("10.0.0.1", "10.0.0.6")]
    );
    assert_eq!(
        v4_runs(&block("10.0.0.0/29", &["10.0.0.2/31", "10.0.0.4/32"])),
        [run("10.0.0.0", "10.0.0.1"), run("10.0.0.5", "10.0.0.7")]
    );
    assert_eq!(
        v4_runs(&block("10.0.0.0/31", &["10.0.0.0/32", "10.0.0.1/32"])),
        []
    );
    // Exceptions that overlap (V-19).
    assert_eq!(
        v4_runs(&block("10.0.0.0/29", &["10.0.0.0/30", "10.0.0.2/31"])),
        [run("10.0.0.4", "10.0.0.7")]
    );
}

/// K-66: the ends of both families, and no address of the other one.
#[test]
fn blocks_reach_the_first_and_the_last_address() {
    assert_eq!(v4_runs(&block("0.0.0.0/0", &[])), [(0, u32::MAX)]);
    assert_eq!(
        v4_runs(&block("0.0.0.0/0", &["255.255.255.255/32", "0.0.0.0/32"])),
        [(1, u32::MAX - 1)]
    );
    assert_eq!(
        v4_runs(&block("255.255.255.254/31", &["255.255.255.254/32"])),
        [(u32::MAX, u32::MAX)]
    );
    assert_eq!(v4_runs(&block("0.0.0.0/31", &["0.0.0.1/32"])), [(0, 0)]);
    assert_eq!(v4_runs(&block("::/0", &[])), []);
    let all = addresses::<u128>(&block("::/0", &["ffff::/16"]));
    assert_eq!(
        listed(&all),
        [(0, v6("fffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"))]
    );
    assert!(addresses::<u128>(&block("10.0.0.0/8", &[])).is_empty());
}

/// Which addresses share an atom.
fn atoms<A: Address>(blocks: &[IpBlock], addresses: &[A]) -> Vec<u32> {
    let atoms = Atoms::<A>::new(blocks.iter());
    addresses
        .iter()
        .map(|address| atoms.atom(*address))
        .collect()
}

#[test]
fn atoms_begin_at_bounds() {
    let blocks = [block("10.0.0.0/29", &["10.0.0.2/31"])];
    let asked = [
        "9.255.255.255",
        "10.0.0.0",
        "10.0.0.1",
        "10.0.0.2",
        "10.0.0.3",
        "10.0.0.4",
        "10.0.0.7",
        "10.0.0.8",
    ];
    assert_eq!(atoms(&blocks, &asked.map(v4)), [0, 1, 1, 2, 2, 3, 3, 4]);
    // A block that ends with the last address has no bound behind it, and one from the first none in
    // front.
    let blocks = [
        block("255.255.255.254/31", &["255.255.255.255/32"]),
        block("0.0.0.0/1", &[]),
    ];
    let asked = [
        "0.0.0.0",
        "127.255.255.255",
        "128.0.0.0",
        "255.255.255.253",
        "255.255.255.254",
        "255.255.255.255",
    ];
    assert_eq!(atoms(&blocks, &asked.map(v4)), [0, 0, 1, 1, 2, 3]);
    let blocks = [block("fd00::/127", &[]), block("10.0.0.0/8", &[])];
    let asked = ["fcff::", "fd00::", "fd00::1", "fd00::2"];
    assert_eq!(atoms(&blocks, &asked.map(v6)), [0, 1, 1, 2]);
}

/// Atoms with one class each, in the order given.
fn occupied(blocks: &[IpBlock], addresses: &[&str]) -> Atoms<u32> {
    let mut atoms = Atoms::<u32>::new(blocks.iter());
    let classes = addresses.iter().zip(0..);
    let classes = classes.map(|(address, class)| (atoms.atom(v4(address)), class));
    let classes = classes.collect();
    atoms.occupy_all(classes);
    atoms
}

fn classes_in(atoms: &Atoms<u32>, block: &IpBlock) -> Vec<(u32, u32)> {
    listed(&atoms.classes_in(&addresses::<u32>(block)))
}

#[test]
fn blocks_have_the_classes_of_their_atoms() {
    let blocks = [
        block("10.0.0.0/29", &["10.0.0.2/31"]),
        block("10.0.0.2/32", &[]),
    ];
    let atoms = occupied(
        &blocks,
        &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.7", "10.0.0.8"],
    );
    assert_eq!(classes_in(&atoms, &blocks[0]), [(0, 0), (3, 3)]);
    assert_eq!(classes_in(&atoms, &blocks[1]), [(1, 1)]);
    assert!(atoms.classes_in(&Runs::default()).is_empty());
    assert_eq!(listed(&atoms.classes_in(&Runs::all())), [(0, 4)]);
}

/// Addresses in use on one side of a new bound: the class stays; on both: classes come apart.
#[test]
fn a_new_block_cuts_atoms() {
    for (address, class_is_in) in [("10.0.0.1", true), ("10.0.0.9", false)] {
        let mut atoms = occupied(&[block("10.0.0.0/28", &[])], &[address]);
        let before = atoms.atom(v4(address));
        let new = block("10.0.0.0/29", &[]);
        assert!(atoms.cut(&new, |is_meant| is_meant(v4(address))));
        assert_eq!(atoms.atom(v4(address)), before);
        assert_ne!(atoms.atom(v4("10.0.0.1")), atoms.atom(v4("10.0.0.9")));
        assert_eq!(!classes_in(&atoms, &new).is_empty(), class_is_in);
        assert_eq!(classes_in(&atoms, &block("10.0.0.0/28", &[])), [(0, 0)]);
    }
    let both = ["10.0.0.1", "10.0.0.9"];
    let mut atoms = occupied(&[block("10.0.0.0/28", &[])], &both);
    let new = block("10.0.0.0/29", &[]);
    assert!(!atoms.cut(&new, |is_meant| both.iter().any(|ip| is_meant(v4(ip)))));
    // The other family and bounds that are known cut nothing.
    assert!(atoms.cut(&block("fd00::/8", &[]), |_| true));
    assert!(atoms.cut(&block("10.0.0.0/28", &[]), |_| true));
}
