//! Which languages an engine reads, and how it stacks them (docs/semantics.md, "Putting languages
//! together").

use super::{
    Origin, Ruleset, Tier, lost_policies, lower_admin, lower_antrea, lower_baseline_scope,
    lower_calico, lower_cilium, lower_egress_firewall, lower_kubernetes,
};
use crate::diag::Finding;
use crate::engine::{EnforcementSwitch, Engine, Profile, Switches};
use crate::manifest::policy::admin::AdminTier;
use crate::manifest::{Dialect, Direction};
use crate::world::{PolicyItem, World};

/// How an engine arranges what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Admin tier, NetworkPolicy, Baseline tier.
    Plain,
    /// Tiers of Calico, among which the others have their places (C-53, C-60).
    Calico,
    /// One pool for Cilium's policies and NetworkPolicy (L-24).
    Cilium,
    /// Tiers of Antrea around the others (T-1).
    Antrea,
    /// As plain, with the egress firewall before everything (O-7).
    Firewall,
}

impl Order {
    fn of(engine: Engine) -> Self {
        let own = match engine {
            Engine::Calico => Self::Calico,
            Engine::Cilium => Self::Cilium,
            Engine::Antrea => Self::Antrea,
            Engine::OvnKubernetes | Engine::OpenShiftSdn => Self::Firewall,
            _ => Self::Plain,
        };
        match engine.facts().like {
            Some(like) if own == Self::Plain => Self::of(like),
            _ => own,
        }
    }
}

/// Lowers every policy that the engine reads, in the order in which it asks them.
#[must_use]
pub fn lower(world: &World, profile: &Profile) -> Ruleset {
    let switches = &profile.switches;
    if switches.enforcement.is_off() {
        return Ruleset::default();
    }
    let has = |dialect| {
        let mut objects = world.objects.iter();
        objects.any(|item| item.kind.dialect == dialect)
    };
    let admin = has(Dialect::Admin);
    let mut ruleset = match Order::of(profile.engine) {
        Order::Calico if admin || has(Dialect::Calico) => lower_calico(world, switches),
        Order::Cilium
            if has(Dialect::Cilium) || switches.enforcement == EnforcementSwitch::Always =>
        {
            let tier = |direction| {
                lower_cilium(world, switches, direction)
                    .into_iter()
                    .collect()
            };
            Ruleset {
                ingress: tier(Direction::Ingress),
                egress: tier(Direction::Egress),
            }
        }
        Order::Cilium => {
            // L-47
            let ipblock_nodes = switches.ipblock_nodes || switches.cidr_match_nodes;
            let switches = Switches {
                ipblock_nodes,
                ..*switches
            };
            lower_kubernetes(world, &switches)
        }
        _ => lower_kubernetes(world, switches),
    };
    let order = Order::of(profile.engine);
    for direction in Direction::BOTH {
        let around = Around::of(world, profile, order, direction, admin);
        let tiers = ruleset.tiers_mut(direction);
        tiers.splice(0..0, around.before);
        tiers.extend(around.behind);
    }
    if order == Order::Firewall {
        let firewall = lower_egress_firewall(world);
        ruleset.egress.splice(0..0, firewall);
    }
    // An object that the engine does not read decides nothing, whatever its language.
    for tier in ruleset.ingress.iter_mut().chain(&mut ruleset.egress) {
        tier.policies.retain(|policy| match policy.origin {
            Origin::Object(id) => profile.reads(world[id].kind).is_ok(),
            Origin::Kubernetes(_) | Origin::Engine(..) => true,
        });
    }
    ruleset
}

/// What a server of this engine refuses for a reason that only all objects together tell.
#[must_use]
pub fn refused(world: &World, profile: &Profile) -> Vec<Finding> {
    let mut items = world.objects.iter();
    let calico = |item: &PolicyItem| {
        item.kind.dialect == Dialect::Calico && profile.reads(item.kind).is_ok()
    };
    match items.any(calico) {
        true => lost_policies(world),
        false => Vec::new(),
    }
}

/// The tiers before and behind those with the NetworkPolicies.
struct Around {
    before: Vec<Tier>,
    behind: Vec<Tier>,
}

impl Around {
    fn of(
        world: &World,
        profile: &Profile,
        order: Order,
        direction: Direction,
        admin: bool,
    ) -> Self {
        let switches = &profile.switches;
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        if admin && order != Order::Calico {
            before.extend(lower_admin(world, switches, AdminTier::Admin, direction));
            behind.extend(lower_baseline_scope(world, switches, direction));
            behind.extend(lower_admin(world, switches, AdminTier::Baseline, direction));
        }
        if order == Order::Antrea {
            let antrea = lower_antrea(world, switches, direction);
            // T-4: what passes goes to NetworkPolicy at once.
            if let Some(admin) = before.first_mut() {
                admin.policies.splice(0..0, antrea.passing);
            }
            before.splice(0..0, antrea.before);
            // Its own baseline tier comes before that of BaselineAdminNetworkPolicy, and what keeps
            // pods from that one is none of its business (T-6).
            behind.splice(0..0, antrea.behind);
        }
        Self { before, behind }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::testing::{Asked, network_policy, object};

    #[test]
    fn t_6_the_baseline_of_antrea_goes_by_direction() {
        let own = object(
            "crd.antrea.io/v1beta1",
            "ClusterNetworkPolicy",
            "own",
            "{tier: baseline, priority: 1, appliedTo: [{podSelector: {}}], ingress: [{action: Drop, from: \
             [{namespaceSelector: {matchLabels: {ns: w}}}]}]}",
        );
        let admin = object(
            "policy.networking.k8s.io/v1alpha1",
            "BaselineAdminNetworkPolicy",
            "default",
            "{subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}",
        );
        let egress = network_policy("x/p", "{policyTypes: [Egress], egress: [{}]}");
        let case = Asked::new("antrea baseline_scope=per-pod", &[], &[own, admin, egress]);
        case.check(&[
            ("w/a -> x/a 80/tcp", false),
            ("z/a -> x/a 80/tcp", true),
            ("x/a -> z/a 80/tcp", false),
        ]);
    }

    #[test]
    fn l_47_the_option_counts_without_policies_of_cilium() {
        let spec = "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}";
        let asked = |engine| Asked::new(engine, &[], &[network_policy("x/p", spec)]);
        let (node, pod) = ("x/a -> node:cp 80/tcp", "x/a -> w/a 80/tcp");
        asked("cilium").check(&[(node, false), (pod, false)]);
        asked("cilium cidr_match_nodes=true").check(&[(node, true), (pod, false)]);
    }
}
