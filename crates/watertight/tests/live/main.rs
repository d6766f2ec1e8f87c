//! A cluster whose pods are network namespaces and whose network policies are packets dropped, behind an API
//! server in memory: what talks to clusters, end to end.
//!
//! A harness of its own (`harness = false`), because a user namespace can only be entered while the process has
//! one thread. `cargo test -p watertight --test live -- FILTER...` runs the tests whose name contains a filter.
//! `-- --hold FILE` keeps a cluster with a kubeconfig in FILE, for trying clients by hand.
//! WATERTIGHT_REQUIRE_PACKETS=1 makes a skipped test a failure.

#![expect(clippy::print_stdout, reason = "a harness prints")]
#![cfg_attr(
    all(target_os = "linux", feature = "live"),
    expect(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::print_stderr,
        reason = "tests fail by panicking, and programs of images print"
    )
)]

use std::process::ExitCode;
use std::time::Instant;

#[cfg(all(target_os = "linux", feature = "live"))]
mod cluster;
#[cfg(all(target_os = "linux", feature = "live"))]
mod exec;
#[cfg(all(target_os = "linux", feature = "live"))]
mod hold;
#[cfg(all(target_os = "linux", feature = "live"))]
mod images;
#[cfg(all(target_os = "linux", feature = "live"))]
mod kubectl;
#[cfg(all(target_os = "linux", feature = "live"))]
mod real;
#[cfg(all(target_os = "linux", feature = "live"))]
mod runtime;
#[cfg(all(target_os = "linux", feature = "live"))]
mod surroundings;
#[cfg(all(target_os = "linux", feature = "live"))]
mod verify;

/// A test: its name, and what it does. It fails by panicking.
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) run: fn(),
}

#[cfg(all(target_os = "linux", feature = "live"))]
const MODULES: &[&[Test]] = &[
    cluster::TESTS,
    kubectl::TESTS,
    verify::TESTS,
    surroundings::TESTS,
    real::TESTS,
];
#[cfg(not(all(target_os = "linux", feature = "live")))]
const MODULES: &[&[Test]] = &[];

#[cfg(all(target_os = "linux", feature = "live"))]
fn missing() -> Option<String> {
    // Before any thread exists.
    let privileges = watertight_node::sys::privileges::acquire();
    privileges.err().map(|missing| missing.to_string())
}
#[cfg(not(all(target_os = "linux", feature = "live")))]
fn missing() -> Option<String> {
    Some("needs Linux and the feature `live`".to_owned())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Pods run this program again as what other images have.
    #[cfg(all(target_os = "linux", feature = "live"))]
    if let Some((flag, rest)) = arguments.split_first()
        && flag == "--role"
    {
        return images::role(rest);
    }
    #[cfg(all(target_os = "linux", feature = "live"))]
    if let Some((flag, rest)) = arguments.split_first()
        && flag == "--hold"
    {
        if let Some(missing) = missing() {
            println!("a cluster cannot be had here: {missing}");
            return ExitCode::FAILURE;
        }
        return hold::hold(rest);
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
    let missing = missing();
    println!("running {} tests of live clusters", tests.len());
    let mut failed = Vec::new();
    for test in &tests {
        if let Some(missing) = &missing {
            println!("test {} ... skipped: {missing}", test.name);
            continue;
        }
        let started = Instant::now();
        // The panic is printed where it happens.
        let outcome = std::thread::spawn(test.run).join();
        let took = started.elapsed().as_millis();
        match outcome {
            Ok(()) => println!("test {} ... ok ({took} ms)", test.name),
            Err(_) => {
                failed.push(test.name);
                println!("test {} ... FAILED ({took} ms)", test.name);
            }
        }
    }
    for name in &failed {
        println!("failed: {name}");
    }
    if !failed.is_empty() || (required && missing.is_some()) {
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
