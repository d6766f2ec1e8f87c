//! Releases of the programs an engine is made of, and what changed with them.
//!
//! An engine can have several numberings at once: EKS users name the release of the VPC CNI, the
//! agent inside has its own, and kind users name kind. A number alone is therefore never compared;
//! a [`Component`] goes with it.

use std::fmt;

use super::Version;
use crate::facts::word_enum;

word_enum! {
    /// A program with its own release numbers.
    pub enum Component {
        /// Kubernetes itself, also as k3s, GKE, AKS and MicroK8s number their releases.
        Kubernetes => "kubernetes",
        /// The Amazon VPC CNI plug-in, the number of the EKS add-on.
        VpcCni => "aws-vpc-cni",
        /// The eBPF agent that the VPC CNI bundles.
        AwsAgent => "aws-network-policy-agent",
        /// The controller that EKS runs in its control plane; its release is not visible to users.
        AwsController => "amazon-network-policy-controller",
        /// Calico.
        Calico => "calico",
        /// Cilium.
        Cilium => "cilium",
        /// Azure Network Policy Manager.
        AzureNpm => "azure-npm",
        /// Antrea.
        Antrea => "antrea",
        /// flannel.
        Flannel => "flannel",
        /// kube-router.
        KubeRouter => "kube-router",
        /// kind, the tool that builds clusters.
        Kind => "kind",
        /// The image that kind ships as its network plug-in; its tag is a date.
        KindnetImage => "kindnetd",
        /// The separate project kubernetes-sigs/kindnet.
        Kindnet => "kindnet",
        /// kube-network-policies.
        KubeNetworkPolicies => "kube-network-policies",
        /// Weave Net.
        Weave => "weave",
        /// OVN-Kubernetes.
        OvnKubernetes => "ovn-kubernetes",
        /// OpenShift.
        OpenShift => "openshift",
        /// Kube-OVN.
        KubeOvn => "kube-ovn",
    }
}

impl Component {
    /// One release.
    pub const fn at(self, major: u32, minor: u32, patch: u32) -> Release {
        Release {
            component: self,
            version: Version::new(major, minor, patch),
        }
    }

    /// Every release older than this one.
    pub const fn before(self, major: u32, minor: u32, patch: u32) -> VersionRange {
        VersionRange {
            component: self,
            from: None,
            before: Some(Version::new(major, minor, patch)),
        }
    }

    /// Every release up to this one, with it.
    pub const fn through(self, major: u32, minor: u32, patch: u32) -> VersionRange {
        VersionRange {
            component: self,
            from: None,
            before: Some(Version::new(major, minor, patch).next()),
        }
    }

    /// Both releases and those between them.
    pub const fn between(self, from: (u32, u32, u32), to: (u32, u32, u32)) -> VersionRange {
        VersionRange {
            component: self,
            from: Some(Version::new(from.0, from.1, from.2)),
            before: Some(Version::new(to.0, to.1, to.2).next()),
        }
    }

    /// From the first release on, and before the second.
    pub const fn within(self, from: (u32, u32, u32), before: (u32, u32, u32)) -> VersionRange {
        VersionRange {
            component: self,
            from: Some(Version::new(from.0, from.1, from.2)),
            before: Some(Version::new(before.0, before.1, before.2)),
        }
    }

    /// This release alone.
    pub const fn only(self, major: u32, minor: u32, patch: u32) -> VersionRange {
        self.between((major, minor, patch), (major, minor, patch))
    }

    /// All patches of one minor release.
    pub const fn line(self, major: u32, minor: u32) -> VersionRange {
        VersionRange {
            component: self,
            from: Some(Version::new(major, minor, 0)),
            before: Some(Version::line(major, minor).next()),
        }
    }
}

/// A release of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    /// Whose release.
    pub component: Component,
    /// Which one.
    pub version: Version,
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.component, self.version)
    }
}

/// Consecutive releases of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// Whose releases.
    pub component: Component,
    /// The first one; `None` is the beginning of time.
    pub from: Option<Version>,
    /// The first one after the range; `None` is open.
    pub before: Option<Version>,
}

impl VersionRange {
    /// Whether every release that `release` can stand for is in the range.
    pub fn contains(&self, release: Release) -> bool {
        self.component == release.component
            && self.from.is_none_or(|from| release.version.at_least(from))
            && self
                .before
                .is_none_or(|before| release.version.next() <= before)
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.component)?;
        match (self.from, self.before) {
            (Some(from), Some(before)) if from.next() == before => write!(f, " {from}"),
            (from, before) => {
                if let Some(from) = from {
                    write!(f, " >={from}")?;
                }
                if let Some(before) = before {
                    write!(f, " <{before}")?;
                }
                Ok(())
            }
        }
    }
}

/// A value that changed with certain releases.
///
/// INVARIANT: the changes of one component ascend.
#[derive(Clone, Copy, Debug)]
pub struct Timeline<T: Copy + 'static> {
    /// The value before any change.
    pub first: T,
    /// From this release on the value is that.
    pub changes: &'static [(Release, T)],
    /// What to say when the release is not known; otherwise the newest value.
    pub unversioned: Option<T>,
}

impl<T: Copy + 'static> Timeline<T> {
    /// A value that never changed.
    pub const fn always(value: T) -> Self {
        Self {
            first: value,
            changes: &[],
            unversioned: None,
        }
    }

    /// A value that changed, so that the newest one holds if the release is not known.
    pub const fn changed(first: T, changes: &'static [(Release, T)]) -> Self {
        Self {
            first,
            changes,
            unversioned: None,
        }
    }

    /// The value for a set of releases that run together.
    pub fn at(&self, releases: &[Release]) -> T {
        let of_component = |component| {
            releases
                .iter()
                .find(|release| release.component == component)
        };
        let comparable = self
            .changes
            .iter()
            .any(|(since, _)| of_component(since.component).is_some());
        if comparable {
            self.changes
                .iter()
                .rfind(|(since, _)| {
                    of_component(since.component)
                        .is_some_and(|release| release.version.at_least(since.version))
                })
                .map_or(self.first, |(_, value)| *value)
        } else {
            self.unversioned
                .or(self.changes.last().map(|(_, value)| *value))
                .unwrap_or(self.first)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALICO: Component = Component::Calico;

    fn calico(text: &str) -> Release {
        Release {
            component: CALICO,
            version: text.parse().unwrap(),
        }
    }

    #[test]
    fn ranges_hold_their_ends() {
        assert!(CALICO.before(1, 3, 7).contains(calico("1.3.6")));
        assert!(!CALICO.before(1, 3, 7).contains(calico("1.3.7")));
        assert!(CALICO.through(1, 4, 1).contains(calico("1.4.1")));
        assert!(!CALICO.through(1, 4, 1).contains(calico("1.4.2")));
        let between = CALICO.between((1, 17, 0), (1, 17, 9));
        assert!(between.contains(calico("1.17.0")) && between.contains(calico("1.17.9")));
        assert!(!between.contains(calico("1.16.9")) && !between.contains(calico("1.17.10")));
        let within = CALICO.within((1, 17, 3), (1, 19, 0));
        assert!(within.contains(calico("1.17.3")) && within.contains(calico("1.18")));
        assert!(!within.contains(calico("1.17.2")) && !within.contains(calico("1.19.0")));
        assert!(CALICO.only(1, 13, 0).contains(calico("1.13.0")));
        assert!(!CALICO.only(1, 13, 0).contains(calico("1.13.1")));
        assert!(
            CALICO.line(3, 21).contains(calico("3.21.6"))
                && !CALICO.line(3, 21).contains(calico("3.22.0"))
        );
    }

    // A number without a patch is claimed to be in a range only if all its patches are.
    #[test]
    fn a_line_is_in_a_range_only_as_a_whole() {
        assert!(CALICO.before(1, 18, 0).contains(calico("1.17")));
        assert!(!CALICO.before(1, 17, 14).contains(calico("1.17")));
        assert!(
            !CALICO
                .between((1, 17, 0), (1, 17, 9))
                .contains(calico("1.17"))
        );
        assert!(CALICO.line(3, 21).contains(calico("3.21")));
    }

    #[test]
    fn numbers_of_another_component_are_never_in_a_range() {
        assert!(!Component::Cilium.before(9, 0, 0).contains(calico("1.0.0")));
    }

    #[test]
    fn ranges_print_as_comparisons() {
        assert_eq!(CALICO.before(1, 3, 7).to_string(), "calico <1.3.7");
        assert_eq!(
            CALICO.between((1, 17, 0), (1, 17, 9)).to_string(),
            "calico >=1.17.0 <1.17.10"
        );
        assert_eq!(CALICO.only(1, 13, 0).to_string(), "calico 1.13.0");
        assert_eq!(CALICO.line(3, 21).to_string(), "calico >=3.21.0 <3.22.0");
        assert_eq!(CALICO.at(3, 21, 0).to_string(), "calico 3.21.0");
    }

    #[test]
    fn a_timeline_gives_the_newest_value_unless_told_the_release() {
        static CHANGES: [(Release, &str); 2] =
            [(CALICO.at(3, 29, 0), "yes"), (CALICO.at(3, 32, 0), "gone")];
        let timeline = Timeline::changed("not yet", &CHANGES);
        assert_eq!(timeline.at(&[calico("3.28.5")]), "not yet");
        assert_eq!(timeline.at(&[calico("3.29")]), "yes");
        assert_eq!(timeline.at(&[calico("3.31.9")]), "yes");
        assert_eq!(timeline.at(&[calico("3.32.0")]), "gone");
        assert_eq!(timeline.at(&[]), "gone");
        assert_eq!(timeline.at(&[Component::Kubernetes.at(1, 30, 0)]), "gone");
        assert_eq!(
            Timeline {
                unversioned: Some("depends"),
                ..timeline
            }
            .at(&[]),
            "depends"
        );
        assert_eq!(Timeline::always("ever").at(&[calico("3.0.0")]), "ever");
    }
}
