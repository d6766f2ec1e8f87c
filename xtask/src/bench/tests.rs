use clap::{Args as _, FromArgMatches as _};

use super::{BenchArgs, Directories, Inventory, Scratch, directories};
use crate::synth::Size;

fn args(of: &[&str]) -> Result<BenchArgs, clap::Error> {
    let command = BenchArgs::augment_args(clap::Command::new("bench").no_binary_name(true));
    BenchArgs::from_arg_matches(&command.try_get_matches_from(of)?)
}

#[test]
fn flags() {
    assert_eq!(args(&[]).unwrap().sizes, [Size::S, Size::M]);
    assert_eq!(
        args(&["--sizes", "xl,S"]).unwrap().sizes,
        [Size::Xl, Size::S]
    );
    assert_eq!(args(&["--dir", "a", "--dir", "b"]).unwrap().dirs.len(), 2);
    assert!(args(&["--dir", "a", "--sizes", "S"]).is_err());
    assert!(args(&["--runs", "0"]).is_err());
}

#[test]
fn worlds_are_removed_or_kept() {
    let Directories { named, scratch } = directories(&args(&["--sizes", "S"]).unwrap()).unwrap();
    let kinds: Vec<&str> = named
        .iter()
        .map(|place| Inventory::of(&place.dir).unwrap().kind.name())
        .collect();
    assert_eq!(kinds, ["json", "yaml"]);
    drop(scratch);
    assert!(named.iter().all(|place| !place.dir.exists()));

    let keep = Scratch::create("keep").unwrap();
    let flags = ["--sizes", "S", "--keep", keep.path().to_str().unwrap()];
    let Directories { named, scratch } = directories(&args(&flags).unwrap()).unwrap();
    assert!(
        scratch.is_none()
            && named
                .iter()
                .all(|place| place.dir.starts_with(keep.path()) && place.dir.exists())
    );
}
