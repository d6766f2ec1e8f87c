//! The engines, their names, and where their facts are.

use std::fmt;
use std::str::FromStr;

use super::{
    Bug, Component, Confidence, EnforcementFact, Feature, FeatureFact, Release, Switches, Timeline,
    Version, data,
};
use crate::facts::word_enum;
use crate::suggest::nearest;

word_enum! {
    /// A program that enforces network policies, or a network plug-in that does not.
    pub enum Engine {
        /// The API text read as the reference does; no product.
        Reference => "reference",
        /// Amazon VPC CNI with its network policy agent.
        AwsVpcCni => "aws-vpc-cni",
        /// Calico.
        Calico => "calico",
        /// flannel networking with Calico policy.
        Canal => "canal",
        /// Cilium.
        Cilium => "cilium",
        /// The network policy add-on of GKE Standard.
        GkeCalico => "gke-calico",
        /// GKE Dataplane V2.
        GkeDpv2 => "gke-dpv2",
        /// Azure Network Policy Manager.
        AzureNpm => "azure-npm",
        /// Azure CNI powered by Cilium.
        AzureCniCilium => "azure-cni-cilium",
        /// Calico as AKS installs it.
        AksCalico => "aks-calico",
        /// Antrea.
        Antrea => "antrea",
        /// flannel alone.
        Flannel => "flannel",
        /// kube-router.
        KubeRouter => "kube-router",
        /// The controller inside k3s.
        K3s => "k3s",
        /// The plug-in that kind and minikube ship.
        Kindnet => "kindnet",
        /// kube-network-policies.
        KubeNetworkPolicies => "kube-network-policies",
        /// Weave Net.
        Weave => "weave",
        /// OVN-Kubernetes.
        OvnKubernetes => "ovn-kubernetes",
        /// OpenShift SDN.
        OpenShiftSdn => "openshift-sdn",
        /// Kube-OVN.
        KubeOvn => "kube-ovn",
        /// The bridge that minikube uses by default.
        MinikubeBridge => "minikube-bridge",
        /// MicroK8s.
        MicroK8s => "microk8s",
        /// Romana.
        Romana => "romana",
        /// Nuage VSP.
        Nuage => "nuage",
        /// Alibaba Cloud Terway.
        Terway => "terway",
    }
}

impl Engine {
    /// What is known about this engine itself; what it shares with another is under
    /// [`EngineFacts::like`].
    pub fn facts(self) -> &'static EngineFacts {
        match self {
            Self::Reference => &data::other::REFERENCE,
            Self::AwsVpcCni => &data::aws::FACTS,
            Self::Calico => &data::calico::FACTS,
            Self::Canal => &data::calico::CANAL,
            Self::Cilium => &data::cilium::FACTS,
            Self::GkeCalico => &data::gke::CALICO,
            Self::GkeDpv2 => &data::gke::DATAPLANE_V2,
            Self::AzureNpm => &data::azure::NPM,
            Self::AzureCniCilium => &data::azure::CNI_CILIUM,
            Self::AksCalico => &data::azure::CALICO,
            Self::Antrea => &data::antrea::FACTS,
            Self::Flannel => &data::other::FLANNEL,
            Self::KubeRouter => &data::kube_router::FACTS,
            Self::K3s => &data::kube_router::K3S,
            Self::Kindnet => &data::kindnet::FACTS,
            Self::KubeNetworkPolicies => &data::kindnet::KUBE_NETWORK_POLICIES,
            Self::Weave => &data::weave::FACTS,
            Self::OvnKubernetes => &data::ovn::FACTS,
            Self::OpenShiftSdn => &data::ovn::OPENSHIFT_SDN,
            Self::KubeOvn => &data::kube_ovn::FACTS,
            Self::MinikubeBridge => &data::other::MINIKUBE_BRIDGE,
            Self::MicroK8s => &data::other::MICROK8S,
            Self::Romana => &data::other::ROMANA,
            Self::Nuage => &data::other::NUAGE,
            Self::Terway => &data::other::TERWAY,
        }
    }

    /// The name as its makers write it, for messages.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// Every spelling that [`FromStr`] accepts.
    fn spellings(self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.word()).chain(self.facts().aliases.iter().copied())
    }
}

impl FromStr for Engine {
    type Err = UnknownEngine;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let given = text.trim().to_ascii_lowercase();
        Self::ALL
            .iter()
            .copied()
            .find(|engine| engine.spellings().any(|spelling| spelling == given))
            .ok_or_else(|| {
                let spellings = Self::ALL.iter().flat_map(|engine| engine.spellings());
                let mut near: Vec<Self> = Vec::new();
                for spelling in nearest(&given, spellings) {
                    let engine = Self::ALL
                        .iter()
                        .find(|engine| engine.spellings().any(|own| own == spelling));
                    near.extend(engine.filter(|engine| !near.contains(engine)));
                }
                near.truncate(3);
                UnknownEngine {
                    given: text.trim().to_owned(),
                    nearest: near,
                }
            })
    }
}

word_enum! {
    /// Whether an engine is still developed.
    pub enum Status {
        /// It is.
        Active => "active",
        /// Its end has been announced.
        Deprecated => "deprecated",
        /// There are no more releases.
        Retired => "retired",
        /// Not known.
        Unknown => "unknown",
    }
}

/// Which program's releases a number counts, by the number itself.
#[derive(Clone, Copy, Debug)]
pub struct Numbering {
    /// The program.
    pub component: Component,
    /// The smallest number that counts it.
    pub from: Version,
    /// The first number that does not any more; `None` if all larger ones do.
    pub before: Option<Version>,
}

impl Numbering {
    /// Every number.
    pub(super) const fn all(component: Component) -> Self {
        Self {
            component,
            from: Version::line(0, 0),
            before: None,
        }
    }

    /// Numbers from `from` on and below `before`.
    pub(super) const fn range(component: Component, from: (u32, u32), before: (u32, u32)) -> Self {
        Self {
            component,
            from: Version::line(from.0, from.1),
            before: Some(Version::line(before.0, before.1)),
        }
    }

    /// Numbers from `from` on.
    pub(super) const fn since(component: Component, from: (u32, u32)) -> Self {
        Self {
            component,
            from: Version::line(from.0, from.1),
            before: None,
        }
    }

    pub(super) fn counts(&self, version: Version) -> bool {
        version >= self.from && self.before.is_none_or(|before| version < before)
    }
}

/// A release that contains a release of something else.
#[derive(Clone, Copy, Debug)]
pub struct Bundle {
    /// What the user installs.
    pub outer: Release,
    /// What comes with it.
    pub inner: Release,
}

/// What is known about an engine.
#[derive(Clone, Copy, Debug)]
pub struct EngineFacts {
    /// The name as its makers write it.
    pub name: &'static str,
    /// Other spellings that are accepted for it.
    pub aliases: &'static [&'static str],
    /// Whether it is still developed.
    pub status: Status,
    /// The engine inside, whose features and bugs hold where this one has no row of its own.
    pub like: Option<Engine>,
    /// What a release number given for this engine counts; without a match, the number changes
    /// nothing.
    pub numbering: &'static [Numbering],
    /// Which releases come inside which.
    pub bundles: &'static [Bundle],
    /// Whether it enforces policies.
    pub enforcement: Timeline<EnforcementFact>,
    /// How it reads what the API leaves open. Points that were not verified have the reference
    /// reading.
    pub switches: Switches,
    /// What it supports.
    pub features: &'static [FeatureFact],
    /// What is known to be broken.
    pub bugs: &'static [Bug],
    /// Things that turn enforcement off, for all or for some pods, without a sign in the policies.
    pub silent_disable: &'static [&'static str],
    /// Traffic that passes whatever the policies say.
    pub implicit_allow: &'static [&'static str],
    /// What has to be there for it to enforce.
    pub requires: &'static [&'static str],
    /// What else one should know.
    pub notes: &'static [&'static str],
    /// Where this was read.
    pub sources: &'static [&'static str],
    /// How far the rows were checked that do not say so themselves.
    pub confidence: Confidence,
}

impl EngineFacts {
    /// A row of which only the rest has to be filled in.
    pub(super) const fn row(name: &'static str, enforcement: Timeline<EnforcementFact>) -> Self {
        Self {
            name,
            aliases: &[],
            status: Status::Active,
            like: None,
            numbering: &[],
            bundles: &[],
            enforcement,
            switches: Switches::REFERENCE,
            features: &[],
            bugs: &[],
            silent_disable: &[],
            implicit_allow: &[],
            requires: &[],
            notes: &[],
            sources: &[],
            confidence: Confidence::Confirmed,
        }
    }

    /// The row of a feature: its own, or that of the engine inside.
    pub fn feature(&self, feature: Feature) -> Option<&'static FeatureFact> {
        self.features
            .iter()
            .find(|fact| fact.feature == feature)
            .or_else(|| self.like.and_then(|engine| engine.facts().feature(feature)))
    }

    /// The releases that run when the user gives `version` for this engine.
    pub(super) fn releases(&self, version: Version) -> Vec<Release> {
        let Some(numbering) = self
            .numbering
            .iter()
            .find(|numbering| numbering.counts(version))
        else {
            return Vec::new();
        };
        let outer = Release {
            component: numbering.component,
            version,
        };
        let inner = self
            .bundles
            .iter()
            .filter(|bundle| bundle.outer == outer)
            .map(|bundle| bundle.inner);
        std::iter::once(outer).chain(inner).collect()
    }
}

/// A name that is no engine of the catalog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownEngine {
    given: String,
    nearest: Vec<Engine>,
}

impl UnknownEngine {
    /// What was given.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// The engines that were probably meant, likeliest first; at most three.
    pub fn nearest(&self) -> &[Engine] {
        &self.nearest
    }
}

impl fmt::Display for UnknownEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown engine `{}`", self.given)?;
        for (index, engine) in self.nearest.iter().enumerate() {
            f.write_str(if index == 0 {
                ", did you mean "
            } else {
                " or "
            })?;
            write!(f, "`{engine}`")?;
        }
        write!(f, "; known engines are {}", Engine::WORDS.join(", "))
    }
}

impl std::error::Error for UnknownEngine {}
