//! Tests that send packets. They need network namespaces of their own: as root, or in a user namespace
//! where the kernel allows it; elsewhere each says `skipped` and why.
//!
//! A harness of its own (`harness = false`), because a user namespace can only be entered while the
//! process has one thread. Tests run one after another, each in a thread of its own: what it does to its
//! namespace ends with it. `cargo test -p watertight-node --test packets -- FILTER...` runs those whose name
//! contains a filter; `--list` lists them. WATERTIGHT_REQUIRE_PACKETS=1 makes a skipped test a failure.
//!
//! To add tests: a module with `pub(crate) const TESTS: &[Test]`, and its line in `MODULES`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests fail by panicking; a harness prints"
)]

use std::process::ExitCode;
use std::time::Instant;

mod enforce;
mod fire;
mod held;
mod lab;
mod netlink;
mod nft;
#[expect(dead_code, reason = "shared with the tests of the evaluator")]
#[path = "../../../watertight-core/tests/oracle/mod.rs"]
mod oracle;
mod probe;
mod published;
#[expect(dead_code, reason = "shared with the tests of the evaluator")]
#[path = "../../../watertight-core/tests/runner/mod.rs"]
mod runner;
mod trial;
#[expect(
    dead_code,
    unused_imports,
    reason = "shared with the tests of the evaluator"
)]
#[path = "../../../watertight-core/tests/worlds/mod.rs"]
mod worlds;

/// A test: its name, and what it does. It fails by panicking.
pub(crate) struct Test {
    /// `module::behaviour`.
    pub(crate) name: &'static str,
    /// The test.
    pub(crate) run: fn() -> Outcome,
}

/// What became of a test that did not panic.
pub(crate) enum Outcome {
    /// As it must be.
    Passed,
    /// This machine cannot do it: a reason, as part of a sentence.
    Skipped(String),
}

/// All tests, module by module.
const MODULES: &[&[Test]] = &[
    lab::TESTS,
    held::TESTS,
    enforce::TESTS,
    fire::TESTS,
    netlink::TESTS,
    nft::TESTS,
    probe::TESTS,
    published::TESTS,
    trial::TESTS,
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Tests start this program again where they need a process of its own.
    if let Some((flag, rest)) = arguments.split_first()
        && flag == "--role"
    {
        return role(rest);
    }
    let filters: Vec<&String> = arguments
        .iter()
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wanted = |test: &&Test| {
        filters.is_empty() || filters.iter().any(|filter| test.name.contains(&***filter))
    };
    let tests: Vec<&Test> = MODULES.iter().copied().flatten().filter(wanted).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for test in tests {
            println!("{}: test", test.name);
        }
        return ExitCode::SUCCESS;
    }
    let required = std::env::var("WATERTIGHT_REQUIRE_PACKETS").is_ok_and(|value| value == "1");
    // Before any thread exists.
    let missing = watertight_node::sys::privileges::acquire().err();
    let (mut passed, mut failed, mut skipped) = (0, Vec::new(), 0);
    println!("running {} tests of packets", tests.len());
    for test in tests {
        let started = Instant::now();
        let outcome = match &missing {
            Some(missing) => Ok(Outcome::Skipped(missing.to_string())),
            // The panic is printed where it happens.
            None => std::thread::spawn(test.run).join(),
        };
        let took = started.elapsed().as_millis();
        match outcome {
            Ok(Outcome::Passed) => {
                passed += 1;
                println!("test {} ... ok ({took} ms)", test.name);
            }
            Ok(Outcome::Skipped(reason)) => {
                skipped += 1;
                println!("test {} ... skipped: {reason}", test.name);
            }
            Err(_) => {
                failed.push(test.name);
                println!("test {} ... FAILED ({took} ms)", test.name);
            }
        }
    }
    for name in &failed {
        println!("failed: {name}");
    }
    println!(
        "{passed} passed, {} failed, {skipped} skipped",
        failed.len()
    );
    if !failed.is_empty() || (required && skipped > 0) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// What this program does for a test when it is started again: the name of the role, and its arguments.
fn role(arguments: &[String]) -> ExitCode {
    let Some((name, rest)) = arguments.split_first() else {
        return ExitCode::FAILURE;
    };
    match &**name {
        "held" => held::role(rest),
        "fire" => fire::role(rest),
        _ => ExitCode::FAILURE,
    }
}
