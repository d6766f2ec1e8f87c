//! The clouds, their aliases, and the host names under which some of them publish metadata.

use std::fmt;
use std::str::FromStr;

use crate::facts::word_enum;
use crate::suggest::nearest;

word_enum! {
    /// A cloud that gives its machines a metadata service.
    pub enum Cloud {
        /// Amazon Web Services.
        Aws => "aws",
        /// Google Cloud.
        Gcp => "gcp",
        /// Microsoft Azure.
        Azure => "azure",
        /// Alibaba Cloud.
        Alibaba => "alibaba",
        /// Oracle Cloud Infrastructure.
        Oracle => "oracle",
        /// DigitalOcean.
        DigitalOcean => "digitalocean",
        /// Hetzner Cloud.
        Hetzner => "hetzner",
        /// Any cloud built on OpenStack.
        OpenStack => "openstack",
        /// IBM Cloud VPC.
        Ibm => "ibm",
        /// Tencent Cloud.
        Tencent => "tencent",
        /// Huawei Cloud.
        Huawei => "huawei",
        /// Scaleway.
        Scaleway => "scaleway",
        /// Vultr.
        Vultr => "vultr",
        /// Akamai Connected Cloud, once Linode.
        Akamai => "akamai",
        /// Equinix Metal: a public name and no fixed address, so no row in the table.
        Equinix => "equinix",
        /// Exoscale.
        Exoscale => "exoscale",
        /// UpCloud.
        UpCloud => "upcloud",
        /// CloudCIX.
        CloudCix => "cloudcix",
    }
}

/// Other names people use; the kebab-case words themselves are not repeated.
const ALIASES: &[(&str, Cloud)] = &[
    ("amazon", Cloud::Aws),
    ("ec2", Cloud::Aws),
    ("eks", Cloud::Aws),
    ("google", Cloud::Gcp),
    ("gce", Cloud::Gcp),
    ("gke", Cloud::Gcp),
    ("google-cloud", Cloud::Gcp),
    ("microsoft", Cloud::Azure),
    ("aks", Cloud::Azure),
    ("aliyun", Cloud::Alibaba),
    ("ack", Cloud::Alibaba),
    ("alibaba-cloud", Cloud::Alibaba),
    ("oci", Cloud::Oracle),
    ("oke", Cloud::Oracle),
    ("digital-ocean", Cloud::DigitalOcean),
    ("doks", Cloud::DigitalOcean),
    ("hcloud", Cloud::Hetzner),
    ("ibm-cloud", Cloud::Ibm),
    ("iks", Cloud::Ibm),
    ("tke", Cloud::Tencent),
    ("cce", Cloud::Huawei),
    ("kapsule", Cloud::Scaleway),
    ("linode", Cloud::Akamai),
    ("akamai-linode", Cloud::Akamai),
    ("lke", Cloud::Akamai),
    ("equinix-metal", Cloud::Equinix),
    ("packet", Cloud::Equinix),
];

impl Cloud {
    /// Every cloud, in the order of the declaration.
    pub const fn all() -> &'static [Self] {
        Self::ALL
    }

    /// The name as its owner writes it, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Gcp => "Google Cloud",
            Self::Azure => "Azure",
            Self::Alibaba => "Alibaba Cloud",
            Self::Oracle => "Oracle Cloud",
            Self::DigitalOcean => "DigitalOcean",
            Self::Hetzner => "Hetzner Cloud",
            Self::OpenStack => "OpenStack",
            Self::Ibm => "IBM Cloud",
            Self::Tencent => "Tencent Cloud",
            Self::Huawei => "Huawei Cloud",
            Self::Scaleway => "Scaleway",
            Self::Vultr => "Vultr",
            Self::Akamai => "Akamai Cloud",
            Self::Equinix => "Equinix Metal",
            Self::Exoscale => "Exoscale",
            Self::UpCloud => "UpCloud",
            Self::CloudCix => "CloudCIX",
        }
    }

    /// Host names that lead to the metadata service.
    ///
    /// An address rule covers those of GCP, IBM and Tencent, which resolve to addresses of the
    /// table (for Tencent as far as third-party text goes). Those of Equinix Metal are public names
    /// on ports 80 and 443: only a rule by name can tell them from the rest of the internet, and
    /// NetworkPolicy has none.
    pub const fn host_names(self) -> &'static [&'static str] {
        match self {
            Self::Gcp => &["metadata.google.internal", "metadata.goog"],
            Self::Ibm => &["api.metadata.cloud.ibm.com"],
            Self::Tencent => &["metadata.tencentyun.com"],
            Self::Equinix => &["metadata.platformequinix.com", "metadata.packet.net"],
            _ => &[],
        }
    }
}

impl FromStr for Cloud {
    type Err = UnknownCloud;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let given = text.trim().to_ascii_lowercase();
        names()
            .find_map(|(name, cloud)| (name == given).then_some(cloud))
            .ok_or_else(|| {
                let mut near: Vec<Cloud> = Vec::new();
                for candidate in nearest(&given, names().map(|(name, _)| name)) {
                    if let Some((_, cloud)) = names().find(|(name, _)| *name == candidate)
                        && !near.contains(&cloud)
                    {
                        near.push(cloud);
                    }
                }
                near.truncate(3);
                UnknownCloud {
                    given: text.trim().to_owned(),
                    nearest: near,
                }
            })
    }
}

/// Words, then aliases.
fn names() -> impl Iterator<Item = (&'static str, Cloud)> {
    Cloud::ALL
        .iter()
        .map(|&cloud| (cloud.word(), cloud))
        .chain(ALIASES.iter().copied())
}

/// A name that is no cloud of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCloud {
    given: String,
    nearest: Vec<Cloud>,
}

impl UnknownCloud {
    /// What was given.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// The clouds that were probably meant, likeliest first; at most three.
    pub fn nearest(&self) -> &[Cloud] {
        &self.nearest
    }
}

impl fmt::Display for UnknownCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown cloud `{}`", self.given)?;
        for (index, cloud) in self.nearest.iter().enumerate() {
            f.write_str(if index == 0 {
                ", did you mean "
            } else {
                " or "
            })?;
            write!(f, "`{cloud}`")?;
        }
        write!(f, "; known clouds are {}", Cloud::WORDS.join(", "))
    }
}

impl std::error::Error for UnknownCloud {}
