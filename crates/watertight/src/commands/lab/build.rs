//! From manifests to a cluster of namespaces under policies.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use watertight_core::engine::ServiceDnat;
use watertight_core::policy::lower;
use watertight_core::report::Assumption;
use watertight_core::report::lab::{LabLeftOut, LabOutside, selecting};
use watertight_core::rules::{count, some_of};
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
        service_dnat: cluster.settings.profile.switches.service_dnat,
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

    /// What the lab made up (M-7).
    pub(super) fn made_up(&self) -> Vec<Assumption> {
        let (world, made_up) = (&self.cluster.world, &self.plan.made_up);
        let is_or_are = |number: usize| if number == 1 { "is" } else { "are" };
        let has_or_have = |number: usize| if number == 1 { "has" } else { "have" };
        let mut parts = Vec::new();
        if !made_up.nodes.is_empty() {
            let number = made_up.nodes.len();
            let names: Vec<String> = made_up
                .nodes
                .iter()
                .map(|id| world[*id].name.to_string())
                .collect();
            parts.push(format!(
                "{} {} made up ({}; --nodes)",
                count(number, "node"),
                is_or_are(number),
                some_of(&names)
            ));
        }
        if made_up.placed > 0 {
            let pods = count(made_up.placed, "pod");
            let verb = if made_up.placed == 1 { "names" } else { "name" };
            parts.push(format!(
                "{pods} {verb} no node: each is where there is most room"
            ));
        }
        if !made_up.templates.is_empty() {
            let number = made_up.templates.len();
            let names: Vec<String> = made_up
                .templates
                .iter()
                .map(|id| world.endpoint_name(*id))
                .collect();
            parts.push(format!(
                "{} {} one pod each, however many replicas there shall be, even none ({})",
                count(number, "workload"),
                is_or_are(number),
                some_of(&names)
            ));
        }
        if made_up.addresses > 0 {
            parts.push(format!(
                "{} of pods, nodes and Services {} no address in the input: each has one of a range that \
                 nothing in the input touches",
                made_up.addresses,
                has_or_have(made_up.addresses)
            ));
        }
        if made_up.node_ports > 0 {
            parts.push(format!(
                "{} of Services {} no node port in the input: each has one from 30000 on",
                count(made_up.node_ports, "port"),
                has_or_have(made_up.node_ports)
            ));
        }
        if made_up.families {
            let families = families_of(self.plan.families());
            parts.push(format!("no pod tells its address family: it is {families}"));
        }
        let assumption = |text| Assumption {
            id: "M-7".into(),
            text,
        };
        parts.into_iter().map(assumption).collect()
    }

    /// Whether policies are in force, as goes on behind `lab up: ... `.
    pub(super) fn in_force(&self) -> &'static str {
        let eval = self.cluster.evaluator();
        match selecting(&eval) {
            (0, _) => "no policies: the input has none",
            (_, 0) => "policies in force, and none of them selects anybody",
            _ => "policies in force",
        }
    }

    /// What outside addresses stand for.
    pub(super) fn outside(&self) -> Vec<LabOutside> {
        let outside = self.plan.outside.iter();
        let named = |outside: &Outside| LabOutside {
            address: outside.ip.to_string(),
            name: outside.name.to_string(),
        };
        let mut found: Vec<_> = outside.map(named).collect();
        let world = &self.cluster.world;
        for service in &world.services {
            let namespace = &world[service.namespace].name;
            found.extend(service.published.ips.iter().map(|ip| LabOutside {
                address: ip.to_string(),
                name: format!("{namespace}/svc/{}", service.name),
            }));
        }
        found
    }

    /// What the plan has no place for, and what the engine makes the lab leave out.
    pub(super) fn left_out(&self) -> Vec<LabLeftOut> {
        let world = &self.cluster.world;
        let switches = &self.cluster.settings.profile.switches;
        let mut left: Vec<LabLeftOut> = self
            .plan
            .left_out
            .iter()
            .map(|left| LabLeftOut {
                name: left.name.to_string(),
                reason: left.reason.to_string(),
            })
            .collect();
        if switches.service_dnat == ServiceDnat::Pre {
            let engine = self.cluster.settings.profile.engine.name();
            for id in world.service_ids() {
                let service = &world[id];
                if service.cluster_ips.is_empty() {
                    continue;
                }
                let namespace = &world[service.namespace].name;
                left.push(LabLeftOut {
                    name: format!("Service {namespace}/{}", service.name),
                    reason: format!(
                        "is judged by {engine} before it is translated (service_dnat=pre); nodes of the lab \
                         translate first, so that it is not tried"
                    ),
                });
            }
        }
        left
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
        parts.push(families_of(plan.families()).to_owned());
        parts.join(", ")
    }
}

fn families_of(families: Families) -> &'static str {
    match (families.v4, families.v6) {
        (true, true) => "IPv4 and IPv6",
        (_, true) => "IPv6",
        _ => "IPv4",
    }
}
