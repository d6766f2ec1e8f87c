//! Address ranges that have a name: those of the RFCs, and the defaults of Kubernetes
//! distributions.
//!
//! A default is only where a cluster starts: read the real Service and pod ranges from the cluster
//! if it is at hand.
//!
//! INVARIANT: every range is written in canonical form (no host bits), and the two families never
//! share a row.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{Confidence, word_enum};

word_enum! {
    /// What a [`NamedRange`] is for.
    pub enum RangeKind {
        /// Private use, RFC 1918.
        Private => "private",
        /// Shared between a provider and its customers, RFC 6598; some clouds and EKS setups give
        /// it to pods.
        Shared => "shared",
        /// Valid on one link only, RFC 3927 and RFC 4291.
        LinkLocal => "link-local",
        /// Private use in IPv6, RFC 4193.
        UniqueLocal => "unique-local",
        /// The host itself.
        Loopback => "loopback",
        /// One packet to many receivers.
        Multicast => "multicast",
        /// Where a distribution takes Service addresses from unless told otherwise.
        ServiceDefault => "service-default",
        /// Where a distribution takes pod addresses from unless told otherwise.
        PodDefault => "pod-default",
    }
}

/// A range of addresses and what it is known for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedRange {
    /// Stable kebab-case name, such as `rfc1918-10`.
    pub name: &'static str,
    /// The range.
    pub cidr: IpNet,
    /// What it is for.
    pub kind: RangeKind,
    /// The document or product that says so.
    pub source: &'static str,
    /// How far the row was checked.
    pub confidence: Confidence,
}

/// An address on which a cluster's DNS cache listens on every node.
///
/// Such a cache is a host-network process, so a policy reaches it only by address; an egress
/// rule that withholds all of link-local also withholds these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeLocalDns {
    /// Whose default it is.
    pub name: &'static str,
    /// The address; port 53, UDP and TCP.
    pub address: IpAddr,
    /// The document or product that says so.
    pub source: &'static str,
    /// How far the row was checked.
    pub confidence: Confidence,
}

/// 169.254.0.0/16, RFC 3927.
pub const LINK_LOCAL_V4: IpNet = v4([169, 254, 0, 0], 16);
/// fe80::/10, RFC 4291.
pub const LINK_LOCAL_V6: IpNet = v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10);
/// 100.64.0.0/10, RFC 6598 (carrier-grade NAT).
pub const SHARED_V4: IpNet = v4([100, 64, 0, 0], 10);
/// fc00::/7, RFC 4193.
pub const UNIQUE_LOCAL_V6: IpNet = v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7);
/// Every IPv4 address; holds no IPv6 address (K-66).
pub const ANY_V4: IpNet = v4([0, 0, 0, 0], 0);
/// Every IPv6 address; holds no IPv4 address (K-66).
pub const ANY_V6: IpNet = v6([0; 8], 0);

static PRIVATE_V4: [IpNet; 3] = [
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
];
static PRIVATE_V6: [IpNet; 1] = [UNIQUE_LOCAL_V6];

/// The three ranges of RFC 1918. They hold neither 100.64.0.0/10 nor 169.254.0.0/16 nor
/// 168.63.129.16.
pub fn private_v4() -> &'static [IpNet] {
    &PRIVATE_V4
}

/// The unique local addresses of RFC 4193.
pub fn private_v6() -> &'static [IpNet] {
    &PRIVATE_V6
}

/// Every named range, most general purpose first.
pub fn ranges() -> &'static [NamedRange] {
    RANGES
}

/// The named ranges of one kind, in the order of [`ranges`].
pub fn of_kind(kind: RangeKind) -> impl Iterator<Item = &'static NamedRange> {
    RANGES.iter().filter(move |range| range.kind == kind)
}

/// The narrowest range set aside by an RFC that holds `address`; defaults of distributions are no
/// property of an address and do not count.
pub fn containing(address: IpAddr) -> Option<&'static NamedRange> {
    RANGES
        .iter()
        .filter(|range| {
            !matches!(
                range.kind,
                RangeKind::ServiceDefault | RangeKind::PodDefault
            )
        })
        .filter(|range| range.cidr.contains(&address))
        .max_by_key(|range| range.cidr.prefix_len())
}

/// The addresses on which node-local DNS caches listen by default.
pub fn node_local_dns() -> &'static [NodeLocalDns] {
    NODE_LOCAL_DNS
}

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix))
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(a, b, c, d, e, f, g, h),
        prefix,
    ))
}

const fn rfc(name: &'static str, cidr: IpNet, kind: RangeKind, source: &'static str) -> NamedRange {
    NamedRange {
        name,
        cidr,
        kind,
        source,
        confidence: Confidence::Confirmed,
    }
}

const fn service(
    name: &'static str,
    cidr: IpNet,
    source: &'static str,
    confidence: Confidence,
) -> NamedRange {
    NamedRange {
        name,
        cidr,
        kind: RangeKind::ServiceDefault,
        source,
        confidence,
    }
}

const fn pods(
    name: &'static str,
    cidr: IpNet,
    source: &'static str,
    confidence: Confidence,
) -> NamedRange {
    NamedRange {
        name,
        cidr,
        kind: RangeKind::PodDefault,
        source,
        confidence,
    }
}

static RANGES: &[NamedRange] = &[
    rfc(
        "rfc1918-10",
        v4([10, 0, 0, 0], 8),
        RangeKind::Private,
        "RFC 1918",
    ),
    rfc(
        "rfc1918-172",
        v4([172, 16, 0, 0], 12),
        RangeKind::Private,
        "RFC 1918",
    ),
    rfc(
        "rfc1918-192",
        v4([192, 168, 0, 0], 16),
        RangeKind::Private,
        "RFC 1918",
    ),
    rfc("cgnat", SHARED_V4, RangeKind::Shared, "RFC 6598"),
    rfc(
        "link-local-v4",
        LINK_LOCAL_V4,
        RangeKind::LinkLocal,
        "RFC 3927",
    ),
    rfc(
        "link-local-v6",
        LINK_LOCAL_V6,
        RangeKind::LinkLocal,
        "RFC 4291",
    ),
    rfc("ula", UNIQUE_LOCAL_V6, RangeKind::UniqueLocal, "RFC 4193"),
    rfc(
        "loopback-v4",
        v4([127, 0, 0, 0], 8),
        RangeKind::Loopback,
        "RFC 1122",
    ),
    rfc(
        "loopback-v6",
        v6([0, 0, 0, 0, 0, 0, 0, 1], 128),
        RangeKind::Loopback,
        "RFC 4291",
    ),
    rfc(
        "multicast-v4",
        v4([224, 0, 0, 0], 4),
        RangeKind::Multicast,
        "RFC 5771",
    ),
    rfc(
        "multicast-v6",
        v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
        RangeKind::Multicast,
        "RFC 4291",
    ),
    service(
        "kubeadm-services",
        v4([10, 96, 0, 0], 12),
        "kubeadm networking.serviceSubnet; kind narrows it to /16",
        Confidence::Reported,
    ),
    service(
        "k3s-services",
        v4([10, 43, 0, 0], 16),
        "k3s --service-cidr",
        Confidence::Hearsay,
    ),
    service(
        "openshift-services",
        v4([172, 30, 0, 0], 16),
        "OpenShift serviceNetwork",
        Confidence::Reported,
    ),
    service(
        "eks-services-10",
        v4([10, 100, 0, 0], 16),
        "EKS API serviceIpv4Cidr",
        Confidence::Reported,
    ),
    service(
        "eks-services-172",
        v4([172, 20, 0, 0], 16),
        "EKS API serviceIpv4Cidr",
        Confidence::Reported,
    ),
    service(
        "aks-services",
        v4([10, 0, 0, 0], 16),
        "AKS --service-cidr, quoted in cilium/cilium #31504",
        Confidence::Reported,
    ),
    service(
        "gke-services",
        v4([34, 118, 224, 0], 20),
        "GKE-managed Service range of newer clusters; a public range used privately",
        Confidence::Unchecked,
    ),
    service(
        "microk8s-services",
        v4([10, 152, 183, 0], 24),
        "canonical/microk8s microk8s-resources/default-args/kube-apiserver",
        Confidence::Confirmed,
    ),
    pods(
        "flannel-pods",
        v4([10, 244, 0, 0], 16),
        "flannel-io/flannel kube-flannel-cfg; kind",
        Confidence::Reported,
    ),
    pods(
        "k3s-pods",
        v4([10, 42, 0, 0], 16),
        "k3s --cluster-cidr",
        Confidence::Hearsay,
    ),
    pods(
        "openshift-pods",
        v4([10, 128, 0, 0], 14),
        "OpenShift clusterNetwork",
        Confidence::Reported,
    ),
    pods(
        "calico-pods",
        v4([192, 168, 0, 0], 16),
        "Calico default IP pool",
        Confidence::Unchecked,
    ),
];

static NODE_LOCAL_DNS: &[NodeLocalDns] = &[
    NodeLocalDns {
        name: "upstream",
        address: IpAddr::V4(Ipv4Addr::new(169, 254, 20, 10)),
        source: "kubernetes/dns node-cache; in iptables mode it also answers on the DNS Service's \
                 address",
        confidence: Confidence::Confirmed,
    },
    NodeLocalDns {
        name: "kubespray",
        address: IpAddr::V4(Ipv4Addr::new(169, 254, 25, 10)),
        source: "kubernetes-sigs/kubespray inventory/sample k8s-cluster.yml",
        confidence: Confidence::Confirmed,
    },
    NodeLocalDns {
        name: "aks-localdns-node",
        address: IpAddr::V4(Ipv4Addr::new(169, 254, 10, 10)),
        source: "MicrosoftDocs/azure-aks-docs localdns-custom.md",
        confidence: Confidence::Confirmed,
    },
    NodeLocalDns {
        name: "aks-localdns-cluster",
        address: IpAddr::V4(Ipv4Addr::new(169, 254, 10, 11)),
        source: "MicrosoftDocs/azure-aks-docs localdns-custom.md",
        confidence: Confidence::Confirmed,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn name_of(address: &str) -> Option<&'static str> {
        containing(address.parse().unwrap()).map(|range| range.name)
    }

    #[test]
    fn every_range_is_canonical_and_has_its_own_name() {
        let mut names = BTreeSet::new();
        for range in ranges() {
            assert_eq!(
                range.cidr,
                range.cidr.trunc(),
                "{} has host bits",
                range.name
            );
            assert!(names.insert(range.name), "{} twice", range.name);
        }
    }

    #[test]
    fn addresses_find_the_range_an_rfc_gave_them() {
        assert_eq!(name_of("10.1.2.3"), Some("rfc1918-10"));
        assert_eq!(name_of("172.31.255.255"), Some("rfc1918-172"));
        assert_eq!(name_of("172.32.0.0"), None);
        assert_eq!(name_of("192.168.0.1"), Some("rfc1918-192"));
        assert_eq!(name_of("100.100.100.200"), Some("cgnat"));
        assert_eq!(name_of("169.254.169.254"), Some("link-local-v4"));
        assert_eq!(name_of("fe80::a9fe:a9fe"), Some("link-local-v6"));
        assert_eq!(name_of("fd00:ec2::254"), Some("ula"));
        assert_eq!(name_of("::1"), Some("loopback-v6"));
        assert_eq!(name_of("168.63.129.16"), None);
        assert_eq!(name_of("8.8.8.8"), None);
    }

    #[test]
    fn defaults_of_distributions_do_not_name_an_address() {
        assert_eq!(name_of("34.118.224.10"), None);
        assert_eq!(name_of("10.96.0.1"), Some("rfc1918-10"));
        assert!(
            of_kind(RangeKind::ServiceDefault)
                .any(|range| range.cidr.to_string() == "10.96.0.0/12")
        );
        assert!(of_kind(RangeKind::ServiceDefault).all(|range| range.name.contains("services")));
        assert!(of_kind(RangeKind::PodDefault).all(|range| range.name.ends_with("pods")));
    }

    #[test]
    fn private_ranges_are_those_of_the_rfcs() {
        let private: Vec<IpNet> = of_kind(RangeKind::Private)
            .map(|range| range.cidr)
            .collect();
        assert_eq!(private, private_v4());
        let local: Vec<IpNet> = of_kind(RangeKind::UniqueLocal)
            .map(|range| range.cidr)
            .collect();
        assert_eq!(local, private_v6());
    }

    // a node-local DNS cache can only be admitted by address, and every known one is
    // link-local.
    #[test]
    fn node_local_dns_listens_on_link_local() {
        let addresses: Vec<String> = node_local_dns()
            .iter()
            .map(|dns| dns.address.to_string())
            .collect();
        assert_eq!(
            addresses,
            [
                "169.254.20.10",
                "169.254.25.10",
                "169.254.10.10",
                "169.254.10.11"
            ]
        );
        assert!(
            node_local_dns()
                .iter()
                .all(|dns| LINK_LOCAL_V4.contains(&dns.address))
        );
    }

    // K-66: the families never mix.
    #[test]
    fn any_covers_one_family_only() {
        let (v4, v6): (IpAddr, IpAddr) =
            ("1.2.3.4".parse().unwrap(), "2001:db8::1".parse().unwrap());
        assert!(ANY_V4.contains(&v4) && !ANY_V4.contains(&v6));
        assert!(ANY_V6.contains(&v6) && !ANY_V6.contains(&v4));
    }
}
