//! Worlds from YAML, for the tests of this module.

use crate::engine::Profile;
use crate::eval::Evaluator;
use crate::manifest::Options;
use crate::policy::{Ruleset, lower};
use crate::source::Sources;
use crate::world::{self, Assume, World};

/// A cluster with its policies.
pub(crate) struct Sample {
    pub(crate) sources: Sources,
    pub(crate) world: World,
    pub(crate) ruleset: Ruleset,
    pub(crate) profile: Profile,
}

impl Sample {
    /// A cluster for the reference engine.
    pub(crate) fn new(yaml: &str) -> Self {
        Self::on(yaml, "reference")
    }

    /// A cluster for an engine.
    pub(crate) fn on(yaml: &str, engine: &str) -> Self {
        let profile = Profile::parse(engine).unwrap();
        let mut sources = Sources::new();
        sources.add("t.yaml", yaml.into()).unwrap();
        let (world, loaded) = world::read(&sources, &Options::default(), &Assume::default(), None);
        // That a kind could not be listed is what some are about.
        let mut wrong = loaded
            .findings
            .iter()
            .filter(|found| found.rule.id != "WT013");
        assert!(wrong.next().is_none(), "{:?}", loaded.findings);
        let ruleset = lower(&world, &profile);
        Self {
            sources,
            world,
            ruleset,
            profile,
        }
    }

    pub(crate) fn eval(&self) -> Evaluator<'_> {
        Evaluator::new(&self.world, &self.ruleset, self.profile.switches)
    }
}
