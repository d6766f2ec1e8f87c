//! Metadata addresses as the rules see them: what a pod could dial, how bad it is, and which rule
//! speaks about it.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::blocks;
use crate::diag::Severity;
use crate::eval::Family;
use crate::facts::metadata::{Cloud, distinct_addresses, endpoints};
use crate::policy::Policy;
use crate::rules::Context;
use crate::sets::IpBlock;

/// The address that most clouds share.
pub(in crate::rules) const SHARED_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));

const HTTP: u16 = 80;
const DNS: u16 = 53;

/// The rows that give a pod its own credentials and no others: blocking them cuts what a workload
/// is meant to use.
const OWN_CREDENTIALS: &str = "aws-eks-pod-identity";

/// Rows that nodes of a Kubernetes cluster are not known to have: ECS hosts and a cloud of the past.
const RARE: &[&str] = &["aws-ecs-credentials", "oracle-classic"];

/// An address that hands out credentials or instance data to a pod that can dial it.
#[derive(Clone, Debug)]
pub(in crate::rules) struct Target {
    pub address: IpAddr,
    /// TCP ports, HTTP first; DNS is no secret and left out.
    pub ports: Vec<u16>,
    /// The chosen clouds that answer there.
    pub clouds: Vec<Cloud>,
    /// EKS Pod Identity: it answers with the pod's own credentials.
    pub own_credentials: bool,
    /// Not known on nodes of Kubernetes clusters.
    pub rare: bool,
}

impl Target {
    /// As messages call it on one of its ports.
    pub(in crate::rules) fn name(&self, port: u16, clouds: &[Cloud]) -> String {
        if self.own_credentials {
            return format!("EKS Pod Identity at {}", self.address);
        }
        if self.address == SHARED_ADDRESS && port == HTTP {
            return format!("the metadata service {SHARED_ADDRESS}");
        }
        let owners: Vec<String> = endpoints()
            .iter()
            .filter(|row| clouds.contains(&row.cloud))
            .filter(|row| row.address == self.address && row.ports.contains(&port))
            .map(|row| row.cloud.name().to_owned())
            .collect();
        let owners = crate::rules::some_of(&owners);
        match (port, self.address) {
            (HTTP, ip) => format!("the metadata address {ip} of {owners}"),
            (_, ip) => format!("port {port} of the metadata address {ip} of {owners}"),
        }
    }
}

/// Which rule speaks about the metadata addresses that a block covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rules) enum Speaker {
    /// WT201: the block was written without a thought of them.
    Open,
    /// WT204: its `except` withholds some and misses others.
    Incomplete,
    /// WT206: the block of the other family withholds some, this one nothing.
    OneFamily,
}

/// The metadata addresses of a run.
#[derive(Debug)]
pub(in crate::rules) struct Metadata {
    /// Those of the chosen clouds, most telling first.
    pub targets: Vec<Target>,
    /// Whether the user has said which clouds count.
    pub narrowed: bool,
    /// Those of all clouds.
    known: Vec<IpAddr>,
}

impl Metadata {
    pub(in crate::rules) fn of(context: &Context<'_>) -> Self {
        let rank = |address: IpAddr| endpoints().iter().position(|row| row.address == address);
        let all = |address: IpAddr, wanted: fn(&str) -> bool| {
            let mut rows = endpoints().iter().filter(|row| row.address == address);
            rows.all(|row| wanted(row.id))
        };
        let mut targets: Vec<Target> = distinct_addresses(context.clouds)
            .into_iter()
            // fe80::/10 is never forwarded from a pod.
            .filter(|metadata| metadata.reachable_from_pod())
            .map(|metadata| Target {
                address: metadata.address,
                ports: metadata.ports.into_iter().filter(|p| *p != DNS).collect(),
                clouds: metadata.clouds,
                own_credentials: all(metadata.address, |id| id.starts_with(OWN_CREDENTIALS)),
                rare: all(metadata.address, |id| RARE.contains(&id)),
            })
            .collect();
        for target in &mut targets {
            target.ports.sort_by_key(|port| (*port != HTTP, *port));
        }
        targets.sort_by_key(|target| (target.own_credentials, rank(target.address)));
        let known = distinct_addresses(Cloud::all());
        Self {
            targets,
            narrowed: Cloud::all()
                .iter()
                .any(|cloud| !context.clouds.contains(cloud)),
            known: known.into_iter().map(|metadata| metadata.address).collect(),
        }
    }

    /// Every port of every target, by the place of the target.
    pub(in crate::rules) fn all_doors(&self) -> impl Iterator<Item = (usize, u16)> {
        let targets = self.targets.iter().enumerate();
        targets.flat_map(|(at, target)| target.ports.iter().map(move |port| (at, *port)))
    }

    /// How bad it is that a pod reaches these addresses on these ports.
    ///
    /// Unless the user has named the clouds, an address of one cloud may not exist here.
    pub(in crate::rules) fn severity(&self, open: &[(IpAddr, u16)]) -> Severity {
        let each = |(ip, port): &(IpAddr, u16)| {
            let target = self.target(*ip)?;
            let everywhere = target.address == SHARED_ADDRESS && *port == HTTP;
            Some(match (self.narrowed, *port == HTTP) {
                _ if target.own_credentials => Severity::Note,
                (narrowed, _) if target.rare && narrowed => Severity::Warning,
                _ if target.rare => Severity::Note,
                (true, _) => Severity::Error,
                _ if everywhere => Severity::Error,
                (false, true) => Severity::Warning,
                (false, false) => Severity::Note,
            })
        };
        let worst = open.iter().filter_map(each).max();
        worst.unwrap_or(Severity::Note)
    }

    /// The target of an address.
    pub(in crate::rules) fn target(&self, address: IpAddr) -> Option<&Target> {
        self.targets.iter().find(|target| target.address == address)
    }

    /// Every address with each of its ports; those that give a pod its own credentials left out.
    pub(in crate::rules) fn doors(&self) -> Vec<(IpAddr, Option<u16>)> {
        let targets = self.targets.iter().filter(|target| !target.own_credentials);
        targets
            .flat_map(|target| {
                target
                    .ports
                    .iter()
                    .map(|port| (target.address, Some(*port)))
            })
            .collect()
    }

    /// The family of a target.
    pub(in crate::rules) fn family(&self, target: usize) -> Option<Family> {
        Some(Family::of(self.targets.get(target)?.address))
    }

    /// The smallest list of networks for some targets; a pod's own credentials stay open (see
    /// [`Target::own_credentials`]).
    pub(in crate::rules) fn networks(&self, wanted: impl Fn(&Target) -> bool) -> Vec<IpNet> {
        let targets = self.targets.iter();
        let hosts: Vec<IpNet> = targets
            .filter(|target| !target.own_credentials && wanted(target))
            .map(|target| IpNet::from(target.address))
            .collect();
        let mut networks = IpNet::aggregate(&hosts);
        networks.sort_unstable();
        networks
    }

    /// Whether a block withholds a metadata address of any cloud.
    pub(in crate::rules) fn is_withheld_by(&self, block: &IpBlock) -> bool {
        self.known.iter().any(|ip| blocks::withholds(block, *ip))
    }

    /// Which rule speaks about what the block covers.
    pub(in crate::rules) fn speaker(&self, policy: &Policy, block: &IpBlock) -> Speaker {
        if self.is_withheld_by(block) {
            return Speaker::Incomplete;
        }
        match blocks::counterpart(policy, block) {
            Some(other) if self.is_withheld_by(other) => Speaker::OneFamily,
            _ => Speaker::Open,
        }
    }

    /// What to say where nobody has named the clouds.
    pub(in crate::rules) fn note(&self) -> Option<String> {
        let text = "the addresses of all clouds are counted; `--cloud` narrows them";
        (!self.narrowed).then(|| text.into())
    }
}
