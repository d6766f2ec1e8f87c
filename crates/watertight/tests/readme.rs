//! The README's excerpt is what the command prints.

use std::path::Path;
use std::process::Command;

#[test]
fn the_excerpt_is_real() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let excerpt = readme.split("```text\n").nth(1).unwrap();
    let excerpt = excerpt.split("```").next().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_watertight"))
        .args(["check", "examples/shop", "--color", "never"])
        .env("COLUMNS", "120")
        .current_dir(&root)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<_> = printed.lines().collect();
    assert!(excerpt.lines().count() > 10);
    for line in excerpt.lines() {
        assert!(
            printed.contains(&line),
            "the README shows a line that is not printed: {line}"
        );
    }
}
