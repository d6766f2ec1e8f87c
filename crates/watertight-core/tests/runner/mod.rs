//! Runs a property over many inputs and reports a failure in a way that can be worked with.

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

use crate::oracle::Readings;
use crate::worlds::{Described, show};

/// What a failure shows of its input.
pub(crate) trait Input {
    fn show(&self) -> String;
}

impl Input for Described {
    fn show(&self) -> String {
        format!("{}\n{:?}\n", show(&self.cluster), self.spelling)
    }
}

impl Input for Readings {
    fn show(&self) -> String {
        let changed: Vec<String> = self
            .pairs()
            .into_iter()
            .filter(|pair| !Self::default().pairs().contains(pair))
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        format!("switches: {changed:?}\n")
    }
}

impl<A: Input, B: Input> Input for (A, B) {
    fn show(&self) -> String {
        self.0.show() + &self.1.show()
    }
}

impl<A: Input, B: Input, C: std::fmt::Debug> Input for (A, B, C) {
    fn show(&self) -> String {
        format!("{}{}{:?}\n", self.0.show(), self.1.show(), self.2)
    }
}

fn is_long_run() -> bool {
    std::env::var_os("PROPTEST_CASES").is_some()
}

/// How many connections of a cluster are judged.
pub(crate) fn questions_at_most() -> usize {
    if cfg!(debug_assertions) { 2500 } else { 25_000 }
}

/// Checks a property on `cases` inputs, or on as many as the environment asks for.
pub(crate) fn hold<S>(cases: u32, strategy: S, property: impl Fn(&S::Value) -> Result<(), String>)
where
    S: Strategy,
    S::Value: Input + Clone,
{
    let mut config = Config {
        failure_persistence: None,
        max_shrink_iters: 4000,
        ..Config::default()
    };
    if !is_long_run() {
        config.cases = cases;
        config.rng_seed = RngSeed::Fixed(1);
    }
    let outcome = TestRunner::new(config).run(&strategy, |input| {
        property(&input).map_err(TestCaseError::fail)
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Fail(reason, input)) => {
            panic!("{}\n{reason}\n", input.show());
        }
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}
