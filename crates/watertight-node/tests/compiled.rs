//! Compiled tables against verdicts, without a kernel: random clusters, every node's table, and a small
//! interpreter of nftables that sends the first packet of each connection through them.
//!
//! `PROPTEST_CASES=10000` makes as many new clusters for each property (best with `--release`).

// Generator and runner are those of the evaluator's own properties, which use more of them.
#[cfg(test)]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the tests of the evaluator"
)]
#[path = "../../watertight-core/tests/oracle/mod.rs"]
mod oracle;
#[cfg(test)]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the tests of the evaluator"
)]
#[path = "../../watertight-core/tests/runner/mod.rs"]
mod runner;
#[cfg(test)]
mod compiled {
    pub(crate) mod agree;
    mod dialects;
    mod incremental;
    mod simulate;
}
#[cfg(test)]
#[allow(dead_code, reason = "shared with the tests of the evaluator")]
#[path = "../../watertight-core/tests/cilium/model.rs"]
mod model;
#[cfg(test)]
#[allow(
    dead_code,
    unused_imports,
    reason = "shared with the tests of the evaluator"
)]
#[path = "../../watertight-core/tests/worlds/mod.rs"]
mod worlds;
#[cfg(test)]
#[path = "../../watertight-core/tests/cilium/write.rs"]
mod write;
