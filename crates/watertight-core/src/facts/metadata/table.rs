//! The rows of [`endpoints`](super::endpoints).
//!
//! cloud-init is the main source: it is the code that fetches the data at boot, so its constants
//! are the addresses in use. Ports that it does not name come from the cloud's agents or
//! documentation.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Cloud, MetadataEndpoint, Scope, Yields};
use crate::facts::Confidence;

/// The address most clouds share.
const SHARED_ADDRESS: IpAddr = v4(169, 254, 169, 254);

pub(super) static ENDPOINTS: &[MetadataEndpoint] = &[
    MetadataEndpoint {
        id: "aws-imds-v4",
        note: "version 2 needs a token from PUT /latest/api/token; the answer's hop limit is set \
               on the instance",
        source: "canonical/cloud-init cloudinit/sources/DataSourceEc2.py",
        ..shared(Cloud::Aws, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "aws-imds-v6",
        address: v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]),
        scope: Scope::UniqueLocal,
        note: "no IPv4 block covers it",
        source: "canonical/cloud-init cloudinit/sources/DataSourceEc2.py",
        ..shared(Cloud::Aws, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "aws-ecs-credentials",
        address: v4(169, 254, 170, 2),
        note: "the ECS agent answers for tasks; EKS nodes do not have it",
        source: "aws/amazon-ecs-agent README.md, ecs-agent/tmds/server.go",
        ..shared(Cloud::Aws, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "aws-eks-pod-identity-v4",
        address: v4(169, 254, 170, 23),
        note: "a host-network agent on the pod's own node; it asks for the pod's projected token, \
               and blocking it cuts the credentials a workload is meant to use",
        source: "aws/eks-pod-identity-agent configuration/config.go, cmd/server.go",
        ..shared(Cloud::Aws, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "aws-eks-pod-identity-v6",
        address: v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23]),
        scope: Scope::UniqueLocal,
        note: "as over IPv4",
        source: "aws/eks-pod-identity-agent configuration/config.go",
        ..shared(Cloud::Aws, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "aws-dns",
        address: v4(169, 254, 169, 253),
        ports: &[53],
        note: "the VPC's resolver: queries leave the cluster, so it can carry data out",
        source: "Amazon VPC documentation",
        confidence: Confidence::Unchecked,
        ..shared(Cloud::Aws, Yields::Dns)
    },
    MetadataEndpoint {
        id: "aws-time",
        address: v4(169, 254, 169, 123),
        ports: &[123],
        note: "time service, UDP",
        source: "Amazon EC2 documentation",
        confidence: Confidence::Unchecked,
        ..shared(Cloud::Aws, Yields::Plumbing)
    },
    MetadataEndpoint {
        id: "gcp-metadata-v4",
        ports: &[80, 8080],
        note: "answers only with the header Metadata-Flavor; with GKE Dataplane V2, Workload \
               Identity needs TCP 80 and 8080 here; with Cloud DNS for GKE it is the resolver as \
               well",
        source: "canonical/cloud-init cloudinit/sources/DataSourceGCE.py; port 8080 from \
                 third-party text",
        ..shared(Cloud::Gcp, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "gke-metadata-server",
        address: v4(169, 254, 169, 252),
        ports: &[987, 988],
        note: "where GKE nodes without Dataplane V2 redirect pods' metadata requests, before \
               Calico judges them",
        source: "third-party text on GKE Workload Identity",
        confidence: Confidence::Hearsay,
        ..shared(Cloud::Gcp, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "gcp-metadata-v6",
        address: v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254]),
        scope: Scope::UniqueLocal,
        note: "no IPv4 block covers it",
        source: "third-party text that cites Google documentation",
        confidence: Confidence::Hearsay,
        ..shared(Cloud::Gcp, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "azure-imds",
        note: "answers only with the header Metadata: true",
        source: "canonical/cloud-init cloudinit/sources/azure/imds.py; Azure/WALinuxAgent \
                 protocol/imds.py",
        ..shared(Cloud::Azure, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "azure-wireserver",
        address: v4(168, 63, 129, 16),
        ports: &[53, 80, 32526],
        scope: Scope::Public,
        note: "goal state and certificates on 80, the host plug-in on 32526, the platform's DNS on \
               53; in no list of private ranges",
        source: "Azure/WALinuxAgent common/utils/restutil.py; canonical/cloud-init \
                 helpers/azure.py",
        ..shared(Cloud::Azure, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "alibaba-metadata",
        address: v4(100, 100, 100, 200),
        scope: Scope::Shared,
        note: "carrier-grade NAT space: neither link-local nor RFC 1918",
        source: "canonical/cloud-init cloudinit/sources/DataSourceAliYun.py",
        ..shared(Cloud::Alibaba, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "oracle-metadata-v4",
        note: "version 2 asks for the header Authorization: Bearer Oracle",
        source: "canonical/cloud-init cloudinit/sources/DataSourceOracle.py",
        ..shared(Cloud::Oracle, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "oracle-metadata-v6",
        address: v6([0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]),
        scope: Scope::UniqueLocal,
        note: "no IPv4 block covers it",
        source: "canonical/cloud-init cloudinit/sources/DataSourceOracle.py",
        ..shared(Cloud::Oracle, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "oracle-classic",
        address: v4(192, 0, 0, 192),
        scope: Scope::Special,
        note: "the former Oracle Cloud Infrastructure Classic; does not answer on today's cloud",
        source: "third-party text",
        confidence: Confidence::Hearsay,
        ..shared(Cloud::Oracle, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "digitalocean-metadata",
        source: "canonical/cloud-init cloudinit/sources/DataSourceDigitalOcean.py",
        ..shared(Cloud::DigitalOcean, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "hetzner-metadata-v4",
        source: "canonical/cloud-init cloudinit/sources/DataSourceHetzner.py",
        ..shared(Cloud::Hetzner, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "hetzner-metadata-v6",
        address: v6([0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe]),
        scope: Scope::LinkLocalV6,
        note: "never forwarded: only host-network pods get there",
        source: "canonical/cloud-init cloudinit/sources/DataSourceHetzner.py",
        ..shared(Cloud::Hetzner, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "openstack-metadata-v4",
        source: "canonical/cloud-init cloudinit/sources/DataSourceOpenStack.py",
        ..shared(Cloud::OpenStack, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "openstack-metadata-v6",
        address: v6([0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe]),
        scope: Scope::LinkLocalV6,
        note: "never forwarded: only host-network pods get there",
        source: "canonical/cloud-init cloudinit/sources/DataSourceOpenStack.py",
        ..shared(Cloud::OpenStack, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "ibm-vpc-metadata",
        ports: &[80, 443],
        note: "the secure mode on 443 needs the name, not the address",
        source: "IBM Cloud documentation",
        confidence: Confidence::Reported,
        ..shared(Cloud::Ibm, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "tencent-metadata",
        address: v4(169, 254, 0, 23),
        source: "third-party copies of Tencent Cloud documentation",
        confidence: Confidence::Hearsay,
        ..shared(Cloud::Tencent, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "huawei-metadata",
        note: "the path /openstack/latest/securitykey returns access keys",
        source: "huaweicloud Terraform provider",
        confidence: Confidence::Reported,
        ..shared(Cloud::Huawei, Yields::Credentials)
    },
    MetadataEndpoint {
        id: "scaleway-metadata-v4",
        address: v4(169, 254, 42, 42),
        note: "user-data asks for a source port below 1024",
        source: "canonical/cloud-init cloudinit/sources/DataSourceScaleway.py",
        ..shared(Cloud::Scaleway, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "scaleway-metadata-v6",
        address: v6([0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42]),
        scope: Scope::UniqueLocal,
        note: "no IPv4 block covers it",
        source: "canonical/cloud-init cloudinit/sources/DataSourceScaleway.py",
        ..shared(Cloud::Scaleway, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "vultr-metadata",
        source: "canonical/cloud-init cloudinit/sources/DataSourceVultr.py",
        ..shared(Cloud::Vultr, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "akamai-metadata-v4",
        source: "canonical/cloud-init cloudinit/sources/DataSourceAkamai.py",
        ..shared(Cloud::Akamai, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "akamai-metadata-v6",
        address: v6([0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1]),
        scope: Scope::UniqueLocal,
        note: "no IPv4 block covers it",
        source: "canonical/cloud-init cloudinit/sources/DataSourceAkamai.py",
        ..shared(Cloud::Akamai, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "exoscale-metadata",
        source: "canonical/cloud-init cloudinit/sources/DataSourceExoscale.py",
        ..shared(Cloud::Exoscale, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "upcloud-metadata",
        source: "canonical/cloud-init cloudinit/sources/DataSourceUpCloud.py",
        ..shared(Cloud::UpCloud, Yields::InstanceData)
    },
    MetadataEndpoint {
        id: "cloudcix-metadata",
        source: "canonical/cloud-init cloudinit/sources/DataSourceCloudCIX.py",
        ..shared(Cloud::CloudCix, Yields::InstanceData)
    },
];

/// The usual row: 169.254.169.254 on port 80, read in the product's code.
const fn shared(cloud: Cloud, yields: Yields) -> MetadataEndpoint {
    MetadataEndpoint {
        id: "",
        cloud,
        address: SHARED_ADDRESS,
        ports: &[80],
        yields,
        scope: Scope::LinkLocalV4,
        note: "",
        source: "",
        confidence: Confidence::Confirmed,
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8]) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(a, b, c, d, e, f, g, h))
}
