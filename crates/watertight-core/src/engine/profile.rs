//! An engine as it runs in one cluster: which one, which release, which readings.

use std::fmt;
use std::str::FromStr;

use super::{
    Bug, Component, EndPort, Enforcement, EnforcementFact, EnforcementSwitch, Engine, EngineFacts,
    Feature, Opted, Release, Support, Switches, UnknownEngine, Version, VersionError,
};

/// From here on the API server refuses sloppy CIDR spellings (V-20).
const STRICT_CIDR_SINCE: Version = Version::line(1, 36);

/// An engine, perhaps its release, and the readings that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The engine.
    pub engine: Engine,
    /// Its release, if it is known.
    pub version: Option<Version>,
    /// How it reads what the API leaves open; a user may change them afterwards.
    pub switches: Switches,
    /// The release of Kubernetes, if it is known.
    pub k8s_version: Option<Version>,
    /// Whether policies act, where the cluster itself was looked at.
    pub seen: Option<EnforcementFact>,
    /// What of the features that are off by default the cluster was seen to have on, or off.
    pub opted: Opted,
}

impl Profile {
    /// The API text read as the reference does.
    pub fn reference() -> Self {
        Self::new(Engine::Reference, None)
    }

    /// An engine with the readings of that release, or of its newest known one.
    pub fn new(engine: Engine, version: Option<Version>) -> Self {
        let facts = engine.facts();
        let mut profile = Self {
            engine,
            version,
            switches: facts.switches,
            k8s_version: None,
            seen: None,
            opted: Opted::default(),
        };
        let releases = profile.releases();
        if facts.enforcement.at(&releases).state == Enforcement::NotEnforced {
            profile.switches.enforcement = EnforcementSwitch::None;
        }
        if facts
            .feature(Feature::EndPort)
            .is_some_and(|fact| fact.support.at(&releases).is_none())
        {
            profile.switches.endport = EndPort::FirstOnly;
        }
        let kubernetes = releases
            .iter()
            .find(|release| release.component == Component::Kubernetes);
        match kubernetes {
            Some(release) => profile.with_k8s_version(release.version),
            None => profile,
        }
    }

    /// Reads `ENGINE` or `ENGINE@VERSION`, such as `cilium` or `calico@3.30`.
    ///
    /// For engines that come with a product, the version may be the product's: `k3s@1.30`,
    /// `kindnet@0.24.0` (kind), `aws-vpc-cni@1.18.2` (the add-on). For `reference` it is that of
    /// Kubernetes.
    pub fn parse(spec: &str) -> Result<Self, ProfileError> {
        let (engine, version) = match spec.split_once('@') {
            Some((engine, version)) => (engine, Some(version)),
            None => (spec, None),
        };
        let engine: Engine = engine.parse()?;
        let version = version.map(Version::from_str).transpose()?;
        Ok(Self::new(engine, version))
    }

    /// The same engine under that release of Kubernetes, which decides how strictly CIDRs are read
    /// (V-20).
    #[must_use]
    pub fn with_k8s_version(mut self, version: Version) -> Self {
        self.k8s_version = Some(version);
        self.switches.strict_cidr = version.at_least(STRICT_CIDR_SINCE);
        self
    }

    /// What is known about the engine.
    pub fn facts(&self) -> &'static EngineFacts {
        self.engine.facts()
    }

    /// Whether policies act at all.
    pub fn enforcement(&self) -> Enforcement {
        self.enforcement_fact().state
    }

    /// Whether policies act at all, and why.
    ///
    /// The switch has the last word: it stands for what somebody knows about this cluster.
    pub fn enforcement_fact(&self) -> EnforcementFact {
        let known = self.facts().enforcement.at(&self.releases());
        let fact = self.seen.unwrap_or(known);
        match (self.switches.enforcement, fact.state) {
            (EnforcementSwitch::Default | EnforcementSwitch::Always, Enforcement::NotEnforced) => {
                EnforcementFact::new(
                    Enforcement::Enforced,
                    "the switch enforcement=default says so",
                )
            }
            (EnforcementSwitch::Default | EnforcementSwitch::Always, _)
            | (EnforcementSwitch::None | EnforcementSwitch::Never, Enforcement::NotEnforced) => {
                fact
            }
            (EnforcementSwitch::None | EnforcementSwitch::Never, _) => {
                EnforcementFact::new(Enforcement::NotEnforced, "the switch enforcement says so")
            }
        }
    }

    /// Whether the engine supports a feature, in the release given or in its newest known one.
    pub fn feature(&self, feature: Feature) -> Support {
        if self.enforcement() == Enforcement::NotEnforced {
            return Support::None("no policy is enforced");
        }
        let Some(fact) = self.facts().feature(feature) else {
            return Support::Unknown;
        };
        match (fact.support.at(&self.releases()), self.opted.of(feature)) {
            (Support::OptIn(_), Some(true)) => fact.once_on,
            (Support::OptIn(note), Some(false)) => Support::None(note),
            (support, _) => support,
        }
    }

    /// The bugs that the release given is known to have; none without a release.
    pub fn bugs(&self) -> impl Iterator<Item = &'static Bug> {
        let releases = self.releases();
        self.all_bugs().filter(move |bug| bug.affects(&releases))
    }

    /// Every known bug of the engine and of the engine inside it, in whatever release.
    pub fn all_bugs(&self) -> impl Iterator<Item = &'static Bug> {
        let mut next = Some(self.facts());
        let chain = std::iter::from_fn(move || {
            let facts = next?;
            next = facts.like.map(Engine::facts);
            Some(facts)
        });
        chain.flat_map(|facts| facts.bugs)
    }

    /// The programs that are known to run, with their releases.
    pub fn releases(&self) -> Vec<Release> {
        self.version
            .map(|version| self.facts().releases(version))
            .unwrap_or_default()
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::reference()
    }
}

/// As [`Profile::parse`] reads it; switches are not part of it.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.engine)?;
        match self.version {
            Some(version) => write!(f, "@{version}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(spec: &str) -> Result<Self, Self::Err> {
        Self::parse(spec)
    }
}

/// A text that names no profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileError {
    /// The part before `@` is no engine.
    Engine(UnknownEngine),
    /// The part after `@` is no version.
    Version(VersionError),
}

impl From<UnknownEngine> for ProfileError {
    fn from(error: UnknownEngine) -> Self {
        Self::Engine(error)
    }
}

impl From<VersionError> for ProfileError {
    fn from(error: VersionError) -> Self {
        Self::Version(error)
    }
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engine(error) => error.fmt(f),
            Self::Version(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ProfileError {}
