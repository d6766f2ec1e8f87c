//! Any log is read, and matched to a small cluster.
#![no_main]

#[allow(dead_code, reason = "the other targets use the rest")]
#[path = "../../crates/watertight-core/tests/hostile/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::flows(bytes));
