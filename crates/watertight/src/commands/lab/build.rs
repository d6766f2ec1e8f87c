//! From manifests to a cluster of namespaces under policies.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use watertight_core::policy::lower;
use watertight_core::rules::count;
use watertight_node::lab::{
    Cluster as Namespaces, Families, Options, Outside, Plan, blocks, services,
};
use watertight_node::sys::sysctl;

use crate::args::{Global, LabInputArgs};
use crate::commands::cluster::Cluster;

use super::plain;
use super::steps::Steps;

/// A cluster that was read, and who of it lives where.
pub(super) struct Planned {
    pub(super) cluster: Cluster,
    pub(super) plan: Plan,
    /// What was read, as a number: the same files under the same settings have the same.
    pub(super) digest: String,
}

/// Reads manifests, and completes the world of them by what a lab makes up.
pub(super) fn plan(args: &LabInputArgs, global: &Global) -> anyhow::Result<Planned> {
    let input = args.input.of(&args.paths, []);
    let mut cluster = Cluster::read(&input, &args.cluster, &args.config, global)?;
    let digest = digest(&cluster);
    let outside = args.outside.iter().map(|given| Outside {
        name: given.name.as_str().into(),
        ip: given.ip,
    });
    let only_v4 = Families {
        v4: true,
        v6: false,
    };
    let options = Options {
        outside: outside.collect(),
        usual_outside: !args.no_usual_outside,
        nodes: args.nodes.map(usize::from),
        families: (!sysctl::has_ipv6()).then_some(only_v4),
        avoid: blocks(&cluster.ruleset),
    };
    let plan = Plan::new(&mut cluster.world, &options).map_err(plain)?;
    // Rules are about the world that they were lowered for, and that is another one now.
    cluster.ruleset = lower(&cluster.world, &cluster.settings.profile);
    Ok(Planned {
        cluster,
        plan,
        digest,
    })
}

fn digest(cluster: &Cluster) -> String {
    let mut hasher = DefaultHasher::new();
    for (_, file) in cluster.sources.iter() {
        file.name().hash(&mut hasher);
        file.text().hash(&mut hasher);
    }
    format!("{:?}", cluster.settings).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

impl Planned {
    /// Makes the namespaces, with the Services between them. No policy is in force yet.
    pub(super) fn up(&self, steps: &Steps) -> anyhow::Result<Namespaces> {
        let tell = |step: watertight_node::lab::Step, done, total| {
            steps.tell(&format!("making {step}"), done, total);
        };
        let namespaces = Namespaces::up(&self.plan, &tell).map_err(plain)?;
        steps.tell("services", 0, 0);
        services::install(&self.cluster.world, &self.plan, &namespaces).map_err(plain)?;
        Ok(namespaces)
    }

    /// `4 pods on 2 nodes, 3 outside addresses, IPv4 and IPv6`
    pub(super) fn words(&self) -> String {
        let plan = &self.plan;
        let pods = count(plan.pods.len(), "pod");
        let mut parts = vec![format!("{pods} on {}", count(plan.nodes.len(), "node"))];
        if !plan.on_host.is_empty() {
            parts.push(count(plan.on_host.len(), "host-network pod"));
        }
        let outside: BTreeSet<_> = plan.outside.iter().map(|outside| outside.ip).collect();
        parts.push(match outside.len() {
            1 => "1 outside address".to_owned(),
            more => format!("{more} outside addresses"),
        });
        let families = plan.families();
        let families = match (families.v4, families.v6) {
            (true, true) => "IPv4 and IPv6",
            (_, true) => "IPv6",
            _ => "IPv4",
        };
        parts.push(families.to_owned());
        parts.join(", ")
    }
}
